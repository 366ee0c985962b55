"""Notices: nobody's silence counts before one was delivered; sign-up by a partner's link."""

from __future__ import annotations

import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from email import message_from_bytes, policy
from pathlib import Path
from typing import Any

import pytest

from tests.portal.served import beside, environment, port
from tests.pricing.workspace import book, charge, workspace

_READY = """
import json
from datetime import UTC, datetime, timedelta, date
from django.conf import settings
from django.contrib.auth.models import User
from django.test import Client
from fenrun.portal import events, models, serve
from fenrun.portal.commands import disputes, grants, notices, requests
from fenrun.portal.commands.book import book_of
from fenrun.store.facts import Store
from tests.portal.clock import tell_time
serve._migrate(settings.WORKSPACE)
clock = {"now": datetime(2024, 12, 2, 9, tzinfo=UTC)}
tell_time(lambda: clock["now"])
requests.silence = lambda store: 14
accounts = [
    ("operations", "operations", ""), ("second", "operations", ""), ("holder", "partner", "P1"),
    ("gets", "partner", "P2"), ("customer", "customer", "K1"), ("new", "customer", "K2"),
    ("stranger", "partner", "P3"),
]
grants.give_to_invented("demo", accounts, "Invented.", "words that nobody guesses")
settings.ALLOWED_HOSTS.append("testserver")
clients = {name: Client() for name, *_ in accounts}
for name, client in clients.items():
    client.force_login(User.objects.get(username=name))
store = events.workspace("operations")
def told():
    found = models.Notice.objects.using("default").order_by("reader", "pk")
    return [[row.reader.strip(), row.kind] for row in found]
def silent():
    requests.settle_silence(store)
    request = models.Request.objects.using("default").get(pk=asked.pk)
    return [request.state, str(request.silent_on)]
said = {}
STORY
print(json.dumps(said))
"""
_ASKED = """
wanted = ("transfer", "K1", "P2", date(2024, 12, 1), "They asked for it.")
asked = requests.ask(store, *wanted)
said["told"] = told()
def waits(name):
    count = "<strong>(1)" in clients[name].get("/", follow=True).content.decode()
    return [count, [n["over_at"] for n in clients[name].get("/api/notices").json()["rows"]][-1]]
said["waits"] = waits("second")
clock["now"] += timedelta(days=30)
said["nobody"] = silent()
page = clients["gets"].post("/notices/address/", {"address": "not one"}).status_code
said["wrong"] = page
clients["customer"].post("/notices/address/", {"address": "customer@example.com"})
smtp = settings.SMTP_URL
settings.SMTP_URL = "smtp://127.0.0.1:1"
said["down"] = [notices.mail(), silent()]
settings.SMTP_URL = smtp
clock["now"] += timedelta(minutes=2)
said["up"] = [notices.mail(), notices.mail()]
said["mailed"] = silent()
said["partner sees"] = clients["gets"].get("/api/requests").json()["rows"][0]["silent_on"]
clock["now"] += timedelta(days=13)
said["before"] = silent()
clock["now"] += timedelta(days=1)
said["after"] = silent()
said["told after"] = told()
over = models.Notice.objects.using("default").exclude(over_at=None)
said["over"] = sorted(over.values_list("reader", "kind"))
home = clients["holder"].get("/", follow=True).content.decode()
said["holder's unread"] = home.count("<strong>(1)")
said["holder's page"] = clients["holder"].get("/notices/").content.decode()
said["links"] = [
    [link["party"], str(link["valid_from"]), str(link["valid_to"])]
    for link in book_of(store).links_of("customer", "K1")
]
second = clients["second"]
models.Notice.objects.using("default").update(next_at=None)
second.post("/notices/address/", {"address": "second@example.com"})
second.post("/notices/choose/", {"group": ["dispute", "close"], "digest": "yes"})
for number in (1, 2):
    disputes.open_dispute("gets", "P2", "2024-11", "", "What is it?")
notices.notify(["second"], "quote-waits", "1", "K1")
said["digest"] = [notices.mail()]
clock["now"] = clock["now"].replace(hour=7) + timedelta(days=1)
said["digest"] += [notices.mail(), notices.mail()]
"""
_SIGN_UP = """
clients["gets"].post("/sign-up/", {"party": "P2"})
said["another's"] = clients["gets"].post("/sign-up/", {"party": "P1"}).status_code
link = models.SignUpLink.objects.using("default").get()
path = f"/join/{link.code}/"
said["shown"] = path in clients["gets"].get("/requests/").content.decode()
said["hidden"] = path in clients["holder"].get("/requests/").content.decode()
page = clients["new"].get(path)
said["page"] = [page.status_code, "Consent for K2" in page.content.decode()]
said["who"] = {name: clients[name].get(path).status_code for name in ("operations", "holder")}
said["for another"] = clients["new"].post(path, {"customer": "K1"}).status_code
held = clients["customer"].post(path, {"customer": "K1"})
said["held"] = [held.status_code, "has a partner already" in held.content.decode()]
said["consent"] = clients["new"].post(path, {"customer": "K2"}).status_code
said["links"] = [
    [link["party"], link["type"], str(link["valid_from"])]
    for link in book_of(store).links_of("customer", "K2")
]
said["request"] = list(models.Request.objects.using("default").values_list(
    "kind", "asked_by", "decided_by", "state"))
asks = {"kind": "sign-up", "customer": "K1", "party": "P2", "since": "2024-12-01", "reason": "x"}
said["asked"] = clients["operations"].post("/requests/ask/", asks).status_code
def api(name, path, **body):
    return clients[name].post("/api/" + path, body, content_type="application/json")
said["api"] = [
    api("holder", "sign-up-links", party="P2").status_code,
    api("gets", "sign-up-links", party="P2").status_code,
    clients["new"].get(path).status_code,
    api("new", "sign-ups", code=link.code, customer="K2").status_code,
]
path = "/join/%s/" % models.SignUpLink.objects.using("default").get(ended_at=None).code
said["again"] = clients["new"].get(path).status_code
said["notices"] = [n["kind"] for n in clients["holder"].get("/api/notices").json()["rows"]]
gets = User.objects.get(username="gets")
gets.set_password("other words that nobody guesses")
gets.save()
said["lapsed"] = clients["new"].get(path).status_code
"""


class _Mail(socketserver.StreamRequestHandler):
    """As much of SMTP as one message needs."""

    def handle(self) -> None:
        self.wfile.write(b"220 ready\r\n")
        for line in self.rfile:
            verb = line[:4].upper()
            if verb == b"DATA":
                self.wfile.write(b"354 go on\r\n")
                lines = iter(self.rfile.readline, b".\r\n")
                self.server.received.append(b"".join(lines))  # type: ignore[attr-defined]
            if verb == b"QUIT":
                self.wfile.write(b"221 bye\r\n")
                return
            self.wfile.write(b"250 fine\r\n")


@contextmanager
def _mail_server() -> Iterator[tuple[str, list[bytes]]]:
    """A mail server on loopback. Gives its address, and what it receives."""
    with socketserver.ThreadingTCPServer(("127.0.0.1", port()), _Mail) as server:
        server.received = []  # type: ignore[attr-defined]
        threading.Thread(target=server.serve_forever, daemon=True).start()
        host, number = server.server_address[:2]
        yield f"smtp://{host!s}:{number}", server.received  # type: ignore[attr-defined]
        server.shutdown()


def _told(folder: Path, story: str, **env: str) -> dict[str, Any]:
    links = "  - {of: customer, subject: K1, role: partner, party: P1, from: 2024-01-01}\n"
    workspace(folder, [charge("A1", "10"), charge("A2", "10")], book("K1", "K2", more=links))
    place = folder / "ws"
    code = _READY.replace("STORY", story)
    found: dict[str, Any] = beside(place, environment(place, **env), code)
    return found


@pytest.mark.in_turn(3)
def test_nobodys_silence_counts_before_a_notice_was_delivered(tmp_path: Path) -> None:
    with _mail_server() as (address, received):
        said = _told(tmp_path, _ASKED, FENRUN_SMTP_URL=address)
    assert said["told"] == [
        ["customer", "request-asked"], ["gets", "request-others"], ["holder", "request-others"],
        ["second", "request-others"],
    ]  # fmt: skip
    assert said["nobody"] == ["waiting", "None"] and said["wrong"] == 409
    assert said["down"] == [0, ["waiting", "None"]] and said["up"] == [1, 0], "once, when it is up"
    assert said["mailed"] == ["waiting", "2025-01-15"] and said["partner sees"] is None
    assert said["before"] == ["waiting", "2025-01-15"]
    assert said["after"] == ["silent", "2025-01-15"]
    assert said["over"] == [[f" {name} ", kind] for name, kind in said["told"]]
    assert said["waits"] == [True, None]
    assert said["holder's unread"] == 1, "of two notices one is decided"
    entered = [name for name, kind in said["told after"] if kind == "request-entered"]
    assert entered == ["gets", "holder", "second"]
    assert "Another partner than before" in said["holder's page"]
    assert said["links"] == [["P1", "2024-01-01", "2025-01-15"], ["P2", "2025-01-15", "9999-12-31"]]
    mail, digest = (message_from_bytes(one, policy=policy.default) for one in received)
    assert said["digest"] == [0, 2, 0], "in the morning, as one mail; what is muted never"
    assert "2 notices" in digest["Subject"] and "A dispute was opened (2)" in digest.get_content()
    body = mail.get_content()
    assert mail["To"] == "customer@example.com" and "请您确认" in mail["Subject"]
    assert "Your consent is asked for" in body and not {"K1", "P1", "P2"} & set(body.split())


@pytest.mark.in_turn(3)
def test_a_sign_up_link_makes_a_link_of_that_type(tmp_path: Path) -> None:
    said = _told(tmp_path, _SIGN_UP)
    assert said["another's"] == 403 and said["shown"] and not said["hidden"]
    assert said["page"] == [200, True] and said["who"] == {"operations": 403, "holder": 403}
    assert said["for another"] == 403 and said["held"] == [409, True] and said["consent"] == 302
    assert said["links"] == [["P2", "sign-up", "2024-12-02"]]
    assert said["request"] == [["sign-up", "gets", "new", "consented"]]
    assert said["asked"] == 409, "a sign-up is never entered for somebody"
    assert said["api"] == [403, 201, 404, 404] and said["again"] == 200, "the former link has ended"
    assert said["notices"] == [], "who holds another customer is not told"
    assert said["lapsed"] == 404, "another password, another hand"
