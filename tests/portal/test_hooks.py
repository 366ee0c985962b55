"""Webhooks, with a receiver that really listens.

They carry what their user sees, signed, and are never sent where they must not go.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import queue
import re
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from fenrun.portal.access.addresses import open_to_all
from tests.portal.served import Portal, served

pytestmark = pytest.mark.in_turn(3, whole=True)

Told = tuple[str, dict[str, str], bytes]


@contextmanager
def receiving() -> Iterator[tuple[str, queue.Queue[Told]]]:
    """Listen inside; gives the address and what arrives there."""
    told: queue.Queue[Told] = queue.Queue()

    class Receiver(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            told.put(
                (
                    self.path,
                    dict(self.headers),
                    self.rfile.read(int(self.headers["Content-Length"])),
                )
            )
            self.send_response(307 if self.path == "/moved" else 204)
            self.send_header("Location", "/elsewhere")
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}", told
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def receiver() -> Iterator[tuple[str, queue.Queue[Told]]]:
    with receiving() as found:
        yield found


@pytest.fixture
def inside(world: Path, receiver: tuple[str, queue.Queue[Told]]) -> Iterator[Portal]:
    """A portal that may call the receiver, though it is on this machine."""
    with served(world, "sqlite", prepared=True, FENRUN_HOOKS_INSIDE=receiver[0] + "/") as found:
        yield found


def _made(client: Any, url: str) -> str:
    page = client.post("/access/hook/", data={"url": url, "events": ["statement", "dispute"]})
    found = re.search(r'<p class="message place">([\w-]+)</p>', page.text)
    assert found, page.text
    return found.group(1)


def test_each_is_told_of_what_it_sees(
    inside: Portal, receiver: tuple[str, queue.Queue[Told]]
) -> None:
    address, told = receiver
    party = inside.parties["partner"]
    with (
        inside.sign_in("partner") as partner,
        inside.sign_in("customer") as customer,
        inside.sign_in("operations") as operations,
        inside.sign_in("second") as second,
    ):
        secrets = {
            f"/{name}": _made(client, f"{address}/{name}")
            for name, client in (
                ("partner", partner),
                ("customer", customer),
                ("operations", operations),
            )
        }
        period = partner.get("/api/statements").json()["rows"][0]["period"]
        number = partner.post(
            "/api/disputes", json={"party": party, "period": period, "text": "An order is missing."}
        ).json()["id"]
        got = [told.get(timeout=60) for _ in range(2)]
        assert sorted(path for path, _, _ in got) == ["/operations", "/partner"], (
            "the customer is not told"
        )
        for path, headers, body in got:
            said = json.loads(body)
            assert (said["event"], said["party"], said["state"], said["id"] > 0) == (
                "dispute",
                party,
                "open",
                True,
            )
            wanted = hmac.new(
                secrets[path].encode(),
                headers["X-Fenrun-Time"].encode() + b"." + body,
                hashlib.sha256,
            ).hexdigest()
            assert headers["X-Fenrun-Signature"] == wanted
        operations.post(
            f"/api/disputes/{number}/answer", json={"state": "accepted", "text": "It was."}
        )
        assert {json.loads(told.get(timeout=60)[2])["state"] for _ in range(2)} == {"accepted"}
        approval = operations.post("/api/periods/2024-01/close", json={"reason": "January"}).json()[
            "id"
        ]
        assert second.post(f"/api/approvals/{approval}").status_code == 200
        while (got_ := told.get(timeout=60))[0] != "/operations":
            assert json.loads(got_[2])["payees"] == [party], (
                "a partner is told of its own statement alone"
            )
        said = json.loads(got_[2])
        assert (said["event"], said["period"], said["closed"], len(said["payees"]) > 3) == (
            "statement",
            "2024-01",
            True,
            True,
        )
        ends = re.findall(r"/access/webhook/(\d+)/end/", partner.get("/access/").text)
        assert (
            partner.post(f"/access/webhook/{ends[0]}/end/").status_code == 302
            and not partner.get("/api/hooks").json()["total"]
        )


def test_nobody_reaches_the_vendor_s_own_network(
    own: Portal, receiver: tuple[str, queue.Queue[Told]]
) -> None:
    address, told = receiver
    with own.sign_in("partner") as client:
        for url in (
            address,
            "http://example.com/",
            "ftp://example.com/",
            "https://user:x@example.com/",
            "https://",
            "x",
            "https://example.com:99999/",
            "https://[bad",
            "https:// /",
            "https://example.com:0/",
            "https://example.com:22/",
            "https://example.com:6379/",
            "https://localhost/",
            "https://10.0.0.5/",
        ):
            assert (
                client.post("/api/hooks", json={"url": url, "events": ["dispute"]}).status_code
                == 409
            ), url
        assert (
            client.post(
                "/api/hooks", json={"url": "https://example.com/", "events": ["salary"]}
            ).status_code
            == 409
        )
        assert (
            client.post(
                "/api/hooks", json={"url": "https://hooks.example.com/", "events": ["dispute"]}
            ).status_code
            == 201
        ), "only the connection shows where it leads"
    done = own.python(f"""
import json
from fenrun.portal import models
from fenrun.portal.commands import webhook_delivery, webhooks
hook = models.Hook.objects.get()
hook.url = "{address}"  # a name that came to point inside
webhook_delivery.PORTS = ({urlsplit(address).port},)
hook.save(using="default")
webhooks._enqueue(hook, {{"event": "dispute"}})
arrived = webhook_delivery.deliver()
delivery = models.WebhookDelivery.objects.get()
print(json.dumps([arrived, delivery.status, delivery.tried, delivery.next_at is not None]))""")
    assert done == [0, 0, 1, True] and told.empty()


@pytest.mark.parametrize(
    "address, may",
    [
        ("93.184.216.34", True),
        ("2606:2800:220:1::1", True),
        ("10.0.0.1", False),
        ("127.0.0.1", False),
        ("169.254.169.254", False),
        ("::1", False),
        ("fe80::1%eth0", False),
        ("224.0.0.1", False),
        ("100.64.0.1", False),
        ("0.0.0.0", False),
        ("::ffff:10.0.0.1", False),
        ("64:ff9b::a00:1", False),
        ("64:ff9b::7f00:1", False),
        ("2002:7f00:1::", False),
        ("2002:a00:1::", False),
        ("fd00::1", False),
        ("fd00:ec2::254", False),
        ("100.100.100.200", False),
        ("168.63.129.16", False),
        ("192.0.0.192", False),
        ("fec0::1", False),
        ("::10.0.0.1", False),
        ("::ffff:0:10.0.0.1", False),
        ("::ffff:168.63.129.16", False),
        ("::ffff:93.184.216.34", True),
        ("64:ff9b::5db8:d822", True),
        ("64:ff9b:1::a00:1", False),
        ("2606:4700::5efe:a00:1", False),
        ("3fff::1", False),
        ("5f00::1", False),
    ],
)
def test_addresses_that_lead_inside_are_not_called(address: str, may: bool) -> None:
    assert open_to_all(address) is may


def test_a_receiver_that_drips_holds_nobody_up(
    inside: Portal, receiver: tuple[str, queue.Queue[Told]]
) -> None:
    """One whose answer never ends is hung up on; the others are told meanwhile. And one that leads
    elsewhere is not followed: nobody has looked whether that may be called.
    """
    address, told = receiver
    with socket.socket() as slow:
        slow.bind(("127.0.0.1", 0))
        slow.listen()
        done = inside.python(f"""
import json, os
from django.contrib.auth import get_user_model
from fenrun.portal import models
from fenrun.portal.commands import webhook_delivery, webhooks
os.environ["FENRUN_HOOKS_INSIDE"] += ",http://127.0.0.1:{slow.getsockname()[1]}/"
webhook_delivery._TIMEOUT = 1
user = get_user_model().objects.get(username="operations")
for url in ("http://127.0.0.1:{slow.getsockname()[1]}/", "{address}/moved", "{address}/quick"):
    webhooks._enqueue(webhooks.make(user, url, "dispute"), {{"event": "dispute"}})
arrived = webhook_delivery.deliver()
deliveries = models.WebhookDelivery.objects.order_by("id").values_list("status", "tried")
print(json.dumps([arrived, list(deliveries)]))""")
    assert done == [1, [[0, 1], [307, 1], [204, 1]]]
    assert sorted(path for path, _, _ in told.queue) == ["/moved", "/quick"]
