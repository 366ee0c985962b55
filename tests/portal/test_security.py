"""Signing in, forms, sessions, tokens, second factors, headers: each tried from outside."""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
import struct
import time
from pathlib import Path

import httpx
import pytest

from tests.command import fenrun
from tests.portal.served import Portal, form_token, served

_A_LATE_FILE = """
import json
from django.conf import settings
from fenrun.portal.commands import imports
from fenrun.store.facts import Store
store = Store.open(settings.WORKSPACE)
store.actor = "x"
text = "parties:\\n  - {party: P9, kind: partner, name: Ninth}\\n"
imports.enter_text(store, "late.yaml", text, "x")
print(json.dumps(1))
"""
_A_DAY_LATER = """
import json
from datetime import timedelta
from fenrun.portal.events import now
from fenrun.portal.models import IdempotentResponse
at = now() - timedelta(days=1, seconds=1)
print(json.dumps(IdempotentResponse.objects.using("default").update(at=at)))
"""
_AN_UNSEEN_FILE = """
import json
from pathlib import Path
from django.conf import settings
from fenrun.portal import models
from fenrun.settle.imports import import_file
from fenrun.store.facts import Store
path = Path(settings.HOME) / "unseen.yaml"
path.write_text("parties:\\n  - {party: P8, kind: partner, name: Eighth}\\n")
shown = models.Period.objects.using("default").get(pk="2024-01")
import_file(Store.open(settings.WORKSPACE), path, shown.known.replace(tzinfo=None))
print(json.dumps(1))
"""


def _values(model: str, column: str) -> str:
    """Code that gives a column of a table, as it is stored."""
    room, _, name = model.rpartition(".")
    return (
        f"import json\nfrom {room} import {name}\n"
        f"print(json.dumps(list({name}.objects.values_list('{column}', flat=True))))"
    )


def _given(portal: Portal, name: str, role: str, party: str) -> None:
    """Give a grant beside the server, as `fenrun account` does."""
    words = ("root", name, role, party, "x", portal.password)
    portal.python(
        "import json\nfrom fenrun.portal.commands import grants\n"
        f"grants.give_with_password(*{words!r})\nprint(json.dumps(1))"
    )


def _try(client: httpx.Client, name: str, password: str) -> httpx.Response:
    return client.post(
        "/account/login/",
        data={
            "login": name,
            "password": password,
            "csrfmiddlewaretoken": form_token(client, "/account/login/"),
        },
        headers={"Referer": str(client.base_url)},
    )


def test_a_form_from_elsewhere_is_refused(portal: Portal) -> None:
    with portal.sign_in("operations") as client:
        for address in (
            "/periods/2024-01/settle/",
            "/access/give/",
            "/disputes/open/",
            "/requests/ask/",
            "/access/token/",
            "/language/",
            "/account/logout/",
        ):
            answer = client.post(
                address,
                headers={"X-CSRFToken": ""},
                data={"user": "x", "role": "partner", "party": "P1", "reason": "x"},
            )
            assert answer.status_code == 403 and "The form was too old" in answer.text, address
        assert (
            client.post("/api/periods/2024-01/settle", headers={"X-CSRFToken": ""}).status_code
            == 403
        )


def test_headers_allow_nothing_from_elsewhere(portal: Portal) -> None:
    with portal.sign_in("partner") as client:
        for address in ("/", "/statements/", "/api/me", "/nowhere", "/account/login/"):
            answer = client.get(address, follow_redirects=True)
            policy = answer.headers["Content-Security-Policy"]
            assert (
                "default-src 'none'" in policy
                and "unsafe" not in policy
                and "frame-ancestors 'none'" in policy
            )
            assert (
                answer.headers["Cache-Control"] == "no-store"
                and answer.headers["X-Content-Type-Options"] == "nosniff"
                and answer.headers["Referrer-Policy"] == "same-origin"
            )
            assert not re.search(r"<script(?![^>]*src=)|\son\w+=|style=", answer.text)
        cookies = client.get("/account/login/").headers.get_list("set-cookie") + [
            str(c) for c in client.cookies.jar
        ]
        assert any("sessionid" in c for c in cookies)


def test_guessing_a_password_is_slowed_down(own: Portal) -> None:
    with httpx.Client(base_url=own.address) as client:
        answers = [_try(client, "operations", f"guess-{n}") for n in range(7)]
        assert "failed login attempts" in answers[-1].text
        assert _try(client, "operations", own.password).status_code != 302, (
            "not even the right one, for a while"
        )
        elsewhere = httpx.HTTPTransport(local_address="127.0.0.2")
        with httpx.Client(base_url=own.address, transport=elsewhere) as owner:
            assert _try(owner, "operations", own.password).status_code == 302, (
                "whoever guesses locks nobody out"
            )


def test_a_strange_host_or_byte_is_refused_with_a_page(portal: Portal) -> None:
    answer = httpx.get(portal.address, headers={"Host": "elsewhere.example"})
    assert answer.status_code == 400 and "cannot be read" in answer.text
    assert httpx.get(portal.address, headers={"Host": "a_host"}).status_code == 400
    said = (portal.workspace.parent / "errors").read_text("utf-8")
    assert "a_host" in said and "Traceback" not in said, "what is refused is told in a line"
    with portal.sign_in("operations") as client:
        for address in (
            "/statements/?q=%00",
            "/statements/?period=%00x",
            "/crediting/?customer=%00",
            "/statements/2024-01/%00/",
            "/periods/%00/",
            "/lines/2024-01/a%00b/",
            "/disputes/99999999999999999999/",
            "/api/disputes/99999999999999999999999",
            "/statements/?page=x",
        ):
            assert client.get(address).status_code in (200, 400, 404, 422), address
        assert client.get("/nowhere").text.count("Nothing there") >= 1


def test_ending_a_grant_works_at_once(own: Portal) -> None:
    with own.sign_in("partner") as partner, own.sign_in("operations") as operations:
        page = partner.get("/", follow_redirects=True)
        assert page.status_code == 200 and own.parties["partner"] in page.text
        ends = re.findall(
            rf'/access/(\d+)/end/"(?:(?!</form>).)*{own.parties["partner"]}',
            operations.get("/access/").text,
            re.S,
        )
        assert operations.post(f"/access/{ends[0]}/end/").status_code == 302
        assert partner.get(page.url.path).status_code in (403, 404)
        assert "Nothing to see yet" in partner.get("/", follow_redirects=True).text


def test_signing_out_and_ending_sessions_revoke_them(own: Portal) -> None:
    with own.sign_in("auditor") as one, own.sign_in("auditor") as other:
        assert other.get("/periods/").status_code == 200
        assert one.post("/account/sessions/").status_code == 302
        assert other.get("/periods/").status_code == 302, "the other session is ended"
        kept = one.cookies["sessionid"]
        assert one.post("/account/logout/").status_code == 302
        assert httpx.get(f"{own.address}/periods/", cookies={"sessionid": kept}).status_code == 302


@pytest.mark.in_turn(3)
def test_tokens_have_scopes_and_end(own: Portal) -> None:
    with (
        own.token("operations", "read") as reads,
        own.token("operations", "read act") as acts,
        own.sign_in("operations") as signed_in,
    ):
        assert reads.get("/api/periods").status_code == 200
        assert reads.post("/api/periods/2024-01/settle").status_code == 403
        assert acts.post("/api/periods/2024-01/settle").json() == {
            "period": "2024-01",
            "changed": False,
        }
        assert acts.get("/periods/").status_code == 302, "a token is for the API, not for pages"
        for number in re.findall(r"/access/token/(\d+)/end/", signed_in.get("/access/").text):
            signed_in.post(f"/access/token/{number}/end/")
        assert reads.get("/api/periods").status_code == acts.get("/api/periods").status_code == 401
    with httpx.Client(
        base_url=own.address, headers={"Authorization": "Bearer fenrun_made_up"}
    ) as client:
        assert client.get("/api/periods").status_code == 401
    stored = own.python(_values("fenrun.portal.models.Token", "digest"))
    assert all(len(d) == 64 and "fenrun_" not in d for d in stored)


def test_the_same_act_with_one_key_is_done_once(own: Portal) -> None:
    party = own.parties["partner"]
    with own.token("partner", "read act") as client:
        period = client.get("/api/statements").json()["rows"][0]["period"]
        said = {"party": party, "period": period, "text": "An order is missing."}
        one, again = (
            client.post("/api/disputes", json=said, headers={"Idempotency-Key": "k1"})
            for _ in range(2)
        )
        assert one.status_code == again.status_code == 201 and one.json() == again.json()
        assert client.get("/api/disputes").json()["total"] == 1
        assert (
            client.post(
                "/api/disputes",
                json={**said, "text": "Another."},
                headers={"Idempotency-Key": "k1"},
            ).status_code
            == 409
        )
        assert (
            client.post(
                "/api/disputes", json={**said, "text": " "}, headers={"Idempotency-Key": "k2"}
            ).status_code
            == 409
        )
        assert (
            client.post("/api/disputes", json=said, headers={"Idempotency-Key": "k2"}).status_code
            == 201
        ), "what was refused may be tried again"


@pytest.mark.in_turn(3)
def test_files_with_a_key_are_imported_once(own: Portal) -> None:
    text = "party,kind,name\n" + "P9,partner,Ninth\n" * 200_000
    with own.token("operations", "read act") as client:
        one, again, other = (
            client.post(
                "/api/import",
                files={"files": ("parties.csv", body)},
                headers={"Idempotency-Key": "k3"},
            )
            for body in (text, text, text + "P8,partner,Eighth\n")
        )
        assert len(text) > 3_000_000
        assert one.status_code == again.status_code == 202, one.text
        assert one.json()["number"] == again.json()["number"] and other.status_code == 409
        while not client.get(f"/api/import/{one.json()['number']}").json()["over"]:
            time.sleep(0.1)


@pytest.mark.in_turn(3)
def test_answers_with_a_key_are_kept_for_a_day_and_hold_no_secret(own: Portal) -> None:
    said = {"url": "https://example.com/", "events": ["dispute"]}
    with own.token("partner", "read act") as client:
        made, again = (
            client.post("/api/hooks", json=said, headers={"Idempotency-Key": "k4"})
            for _ in range(2)
        )
        secret = made.json()["secret"]
        assert made.status_code == 201 and again.json() == made.json()
        stored = own.python(_values("fenrun.portal.models.IdempotentResponse", "body"))
        stored += own.python(_values("fenrun.portal.models.Hook", "secret"))
        assert stored and not any(secret in text or "example" in text for text in stored)
        own.python(_A_DAY_LATER)
        later = client.post("/api/hooks", json=said, headers={"Idempotency-Key": "k4"})
        assert later.status_code == 201 and later.json()["id"] != made.json()["id"]
        assert len(own.python(_values("fenrun.portal.models.IdempotentResponse", "key"))) == 1


def _code(secret: str) -> str:
    """The code of an authenticator app (RFC 6238), counted here on its own."""
    mac = hmac.digest(
        base64.b32decode(secret), struct.pack(">Q", int(time.time()) // 30), hashlib.sha1
    )
    start = mac[-1] & 15
    return f"{(struct.unpack('>I', mac[start : start + 4])[0] & 0x7FFFFFFF) % 10**6:06}"


def test_a_second_factor_is_asked_for(own: Portal) -> None:
    with own.sign_in("auditor") as client:
        page = client.get("/account/2fa/totp/activate/", follow_redirects=True)
        if "password" in page.url.path or "reauthenticate" in page.url.path:
            page = client.post(
                page.url.path + "?next=/account/2fa/totp/activate/",
                data={"password": own.password},
                follow_redirects=True,
            )
        secret = re.search(r'<p class="place">([A-Z2-7]+)</p>', page.text)
        assert secret, page.text
        done = client.post("/account/2fa/totp/activate/", data={"code": _code(secret.group(1))})
        assert done.status_code == 302, done.text
        assert "asks for a code" in client.get("/account/2fa/").text
        stored = str(own.python(_values("allauth.mfa.models.Authenticator", "data")))
        assert "gAAAA" in stored and secret.group(1) not in stored, "kept encrypted"
    with httpx.Client(base_url=own.address) as client:
        answer = _try(client, "auditor", own.password)
        assert answer.status_code == 302 and "2fa/authenticate" in answer.headers["Location"]
        assert client.get("/periods/").status_code == 302
        token = form_token(client, "/account/2fa/authenticate/")
        assert (
            client.post(
                "/account/2fa/authenticate/",
                data={"code": "000000", "csrfmiddlewaretoken": token},
                headers={"Referer": own.address},
            ).status_code
            == 200
        )
        assert client.get("/periods/").status_code == 302, "a wrong code signs nobody in"


@pytest.mark.in_turn(3)
def test_nobody_takes_over_an_account(own: Portal) -> None:
    """Nobody in the portal sets another's password; beside the workspace, `fenrun account` does."""
    with own.sign_in("operations") as client:
        said = {
            "user": "second",
            "role": "auditor",
            "party": "",
            "reason": "Looks on.",
            "password": "taken-over-1",
        }
        assert client.post("/access/give/", data=said).status_code == 302
        assert client.post(f"/access/{_grant_number(client, 'second')}/link/").status_code == 409
    with httpx.Client(base_url=own.address) as client:
        assert _try(client, "second", "taken-over-1").status_code == 200
    with httpx.Client(base_url=own.address) as client:
        assert _try(client, "second", own.password).status_code == 302
    made = fenrun(
        "account", own.workspace, "second", "--role", "operations", "--reason", "Lost the password."
    )
    assert made.code == 0, made.err
    with httpx.Client(base_url=own.address) as client:
        assert _try(client, "second", made.out.split()[-1]).status_code == 302
    assert fenrun("account", own.workspace, "x", "--role", "king", "--reason", "x").code == 1


def test_secrets_are_kept_from_others(own: Portal) -> None:
    secret = own.workspace / "portal/secret"
    assert secret.stat().st_mode & 0o077 == 0
    made = fenrun("account", own.workspace, "new", "--role", "auditor", "--reason", "Looks on.")
    assert made.code == 0, made.err
    stored = own.python(_values("django.contrib.auth.models.User", "password"))
    assert all(p.startswith("argon2$argon2id$") for p in stored)
    assert any("$m=102400,t=2,p=8$" in p for p in stored), "hashed as for users: see settings.py"
    said = "\n".join(
        p.read_text("utf-8", "replace") for p in Path(own.workspace).parent.glob("errors")
    )
    assert own.password not in said


@pytest.mark.in_turn(3)
def test_two_people_are_needed_by_every_way(own: Portal) -> None:
    """Neither page nor API lets one person close a period, nor anybody but operations ask."""
    with (
        own.sign_in("operations") as one,
        own.sign_in("second") as two,
        own.sign_in("auditor") as auditor,
        own.sign_in("partner") as partner,
    ):
        for who in (auditor, partner):
            assert who.post("/periods/2024-01/close/", data={"reason": "x"}).status_code == 403
            assert who.post("/api/periods/2024-01/close", json={"reason": "x"}).status_code == 403
        early = one.post("/api/periods/2024-03/close", json={"reason": "March"})
        (problem,) = early.json()["problems"]
        assert (early.status_code, problem["code"]) == (409, "close-first")
        assert "2024-01" in problem["what"] + problem["why"] + problem["fix"], "the way out"
        asked = one.post("/api/periods/2024-01/close", json={"reason": "January, as agreed"})
        number = asked.json()["id"]
        assert asked.status_code == 201
        assert one.post(f"/api/approvals/{number}").json()["problems"][0]["code"] == "close-alone"
        assert one.post(f"/periods/2024-01/close/{number}/").status_code == 409
        assert auditor.post(f"/api/approvals/{number}").status_code == 403
        own.python(_A_LATE_FILE)
        assert two.post("/api/periods/2024-01/settle").json()["changed"]
        assert (
            two.post(f"/api/approvals/{number}").json()["problems"][0]["code"] == "approval-gone"
        ), "what one has seen is no longer shown"
        number = one.post(
            "/api/periods/2024-01/close", json={"reason": "January, seen again"}
        ).json()["id"]
        own.python(_AN_UNSEEN_FILE)
        assert (
            two.post(f"/api/approvals/{number}").json()["problems"][0]["code"] == "close-changed"
        ), "a file that came in under the same moment was not seen"
        assert two.post("/api/periods/2024-01/settle").json()["changed"]
        number = one.post(
            "/api/periods/2024-01/close", json={"reason": "January, seen once more"}
        ).json()["id"]
        assert two.post(f"/api/approvals/{number}").json()["approved_by"] == "second"
        assert two.post(f"/api/approvals/{number}").json()["problems"][0]["code"] == "approval-gone"
        assert [
            p["closed"] for p in one.get("/api/periods").json()["rows"] if p["key"] == "2024-01"
        ] == [True]


def _grant_number(client: httpx.Client, user: str) -> str:
    """The number of the latest grant of an account, from the page of grants."""
    return re.findall(
        rf'/access/(\d+)/end/"(?:(?!</form>).)*> {user} ', client.get("/access/").text, re.S
    )[0]


@pytest.mark.in_turn(3)
def test_nobody_makes_himself_two(own: Portal) -> None:
    """One of operations neither closes alone nor consents for a customer by accounts of his own."""
    customer = own.parties["customer"]
    with own.sign_in("operations") as one, own.sign_in("second") as other:
        mine = {"user": "operations", "role": "customer", "party": customer, "reason": "x"}
        assert one.post("/access/give/", data=mine).status_code == 409, "not to oneself"
        for role, party in (("operations", ""), ("customer", customer)):
            assert (
                one.post(
                    "/access/give/",
                    data={"user": f"my-{role}", "role": role, "party": party, "reason": "Helps."},
                ).status_code
                == 302
            )
            number = _grant_number(one, f"my-{role}")
            for act in ("approve", "link"):
                assert one.post(f"/access/{number}/{act}/").status_code == 409, (role, act)
                assert one.post(f"/api/grants/{number}/{act}").status_code == 409
            for client in (one, other):  # the second is told why: nobody has opened a link
                assert f"/access/{number}/approve/" not in client.get("/access/").text
            assert (
                one.post(
                    "/access/give/",
                    data={
                        "user": f"my-{role}",
                        "role": "auditor",
                        "reason": "So that there is a link.",
                    },
                ).status_code
                == 302
            )
            assert other.post(f"/access/{number}/approve/").status_code == 409, (
                "nobody knows whose account it is"
            )
            _given(own, f"my-{role}", "auditor", "")
            assert other.post(f"/access/{number}/approve/").status_code == 302
            for who in (one, other):
                for held in (number, _grant_number(one, f"my-{role}")):
                    assert who.post(f"/access/{held}/link/").status_code == 409, (
                        "nobody takes up an account that closes or consents"
                    )
        for twin in ("Customer", "SECOND"):
            assert (
                one.post(
                    "/access/give/", data={"user": twin, "role": "auditor", "reason": "x"}
                ).status_code
                == 409
            ), "it would lock the other out"
        assert (
            one.post(
                "/access/give/",
                data={
                    "user": "new-partner",
                    "role": "partner",
                    "party": "P00013",
                    "reason": "Signs in.",
                },
            ).status_code
            == 302
        )
        number = _grant_number(one, "new-partner")
        assert other.post(f"/access/{number}/link/").status_code == 409, (
            "the link is for who gave the grant"
        )
        link = re.search(
            r'<p class="message place">(\S+)</p>', one.post(f"/access/{number}/link/").text
        )
        assert link
        with httpx.Client(
            base_url=own.address, headers={"Referer": own.address}, follow_redirects=True
        ) as taker:
            page = taker.get(link.group(1))
            chosen = {
                "csrfmiddlewaretoken": re.search(
                    r'name="csrfmiddlewaretoken" value="(\w+)"', page.text
                ).group(1)
            }  # type: ignore[union-attr]
            for weak in ("short", "password123", "new-partner"):
                assert (
                    "Your password is set"
                    not in taker.post(
                        page.url.path, data={**chosen, "password1": weak, "password2": weak}
                    ).text
                )
            assert (
                "Your password is set"
                in taker.post(
                    page.url.path,
                    data={
                        **chosen,
                        "password1": "long words to keep",
                        "password2": "long words to keep",
                    },
                ).text
            )
            assert (
                "<span>new-partner</span>" in _try(taker, "new-partner", "long words to keep").text
            )
        with httpx.Client(base_url=own.address, follow_redirects=True) as late:
            assert "This link is no longer valid" in late.get(link.group(1)).text
        assert f"/access/{number}/link/" not in one.get("/access/").text, (
            "an account that is taken up has no link"
        )
        # a customer's grant in the hands of operations consents to nothing
        assert one.post("/access/give/", data={**mine, "user": "second"}).status_code == 302
        with own.token("auditor") as reads:
            assert (
                reads.post(f"/api/grants/{_grant_number(one, 'second')}/approve").status_code == 403
            )
        _given(own, "second", "customer", customer)
        assert (
            one.post(
                "/requests/ask/",
                data={
                    "kind": "association",
                    "customer": customer,
                    "party": "P00013",
                    "reason": "x",
                    "since": "2024-05-01",
                },
            ).status_code
            == 302
        )
    with own.sign_in("second") as other:
        number = other.get("/api/requests").json()["rows"][0]["id"]
        assert other.post(f"/requests/{number}/", data={"state": "consented"}).status_code == 403


def test_what_cannot_be_read_is_refused_not_broken(portal: Portal) -> None:
    with portal.sign_in("operations") as client, portal.token("operations", "read act") as token:
        for back in (
            "foo",
            "//elsewhere.example/",
            "https://elsewhere.example/",
            "javascript:alert(1)",
            "/statements/",
        ):
            assert client.post("/language/", data={"language": "en", "next": back}).headers[
                "Location"
            ] == ("/statements/" if back == "/statements/" else "/")
        assert client.post("/periods/foo/settle/").status_code == 404
        assert client.post("/periods/2024-02/close/1/").status_code == 409
        long = "x" * 3000
        for name in ("", "a b", "x" * 151, "a\nb"):
            assert (
                client.post(
                    "/access/give/", data={"user": name, "role": "auditor", "reason": "x"}
                ).status_code
                == 409
            ), name
        assert (
            client.post(
                "/access/give/",
                data={"user": "y", "role": "partner", "party": long, "reason": long},
            ).status_code
            == 409
        )
        assert client.post(
            "/disputes/open/", data={"party": long, "period": long, "line": long, "text": long}
        ).status_code in (403, 404)
        assert (
            client.post(
                "/access/token/", data={"name": long, "scopes": "read", "days": "1"}
            ).status_code
            == 200
        )
        assert (
            client.post(
                "/requests/ask/",
                data={"kind": long, "customer": long, "party": long, "reason": long},
            ).status_code
            == 409
        )
        assert token.post("/api/disputes", files={"file": b"x"}).status_code in (400, 422)
        assert token.post(
            "/api/periods/2024-01/close",
            json={"reason": " "},
            headers={b"Idempotency-Key": b"a\x01b" + b"k" * 300},
        ).status_code in (400, 409)
        for url in (
            "https://example.com:99999/",
            "https://[bad",
            "https:// /",
            "https://" + "a" * 70 + ".example/",
            "https://example.com/" + long,
            "https://exa mple.com/",
        ):
            assert token.post(
                "/api/hooks", json={"url": url[:500], "events": ["dispute"]}
            ).status_code in (201, 409), url
            assert (
                client.post("/access/hook/", data={"url": url, "events": ["dispute"]}).status_code
                == 409
            ), url


@pytest.mark.in_turn(3)
def test_an_auditor_answers_nothing(own: Portal) -> None:
    """Not even one who has a party of his own besides."""
    with own.sign_in("partner") as partner:
        period = partner.get("/api/statements").json()["rows"][0]["period"]
        number = partner.post(
            "/api/disputes",
            json={
                "party": own.parties["partner"],
                "period": period,
                "text": "An order is missing.",
            },
        ).json()["id"]
    _given(own, "auditor", "rep", own.parties["rep"])
    with own.sign_in("auditor") as auditor:
        assert auditor.get(f"/disputes/{number}/").status_code == 200
        assert (
            auditor.post(
                f"/disputes/{number}/answer/", data={"state": "withdrawn", "text": "x"}
            ).status_code
            == 403
        )
        assert (
            auditor.post(
                f"/api/disputes/{number}/answer", json={"state": "withdrawn", "text": "x"}
            ).status_code
            == 403
        )


@pytest.mark.in_turn(3)
def test_what_is_explained_is_what_is_shown(own: Portal) -> None:
    """A file imported meanwhile changes nothing that is shown, and reading a page writes no run."""
    with own.sign_in("operations") as client:
        period, payee = (
            client.get("/api/statements").json()["rows"][0][k] for k in ("period", "payee")
        )
        line = client.get(f"/api/statements/{period}/{payee}").json()["lines"][0]["line"]
        runs = len(list((own.workspace / "runs").iterdir()))
        own.python(_A_LATE_FILE)
        said = client.get(f"/api/lines/{period}/{line}").json()
        assert (
            said["as_of"]["known"].replace("T", " ")[:16]
            == client.get("/api/periods").json()["rows"][0]["known"].replace("T", " ")[:16]
        )
        assert (
            client.get(f"/periods/{period}/").status_code
            == client.get(f"/statements/{period}/{payee}/?format=csv").status_code
            == 200
        )
        assert len(list((own.workspace / "runs").iterdir())) == runs
        assert client.get(f"/api/lines/{period}/{line}").json() == said, "however often it is read"
        for file in (own.workspace / "charges").glob("*/charges.parquet"):
            file.write_bytes(file.read_bytes()[:-1])
        refused = client.get(f"/api/lines/{period}/{line}").json()
        assert {problem["code"] for problem in refused["problems"]} == {"stored-edited"}


def test_behind_tls_the_portal_knows_it(world: Path) -> None:
    with (
        served(world, "sqlite", prepared=True, FENRUN_HOSTS="portal.example") as found,
        httpx.Client(
            base_url=found.address,
            headers={
                "Host": "portal.example",
                "X-Forwarded-Proto": "https",
                "X-Forwarded-For": "203.0.113.7",
            },
        ) as client,
    ):
        answer = client.get("/account/login/")
        assert (
            answer.status_code == 200
            and "Strict-Transport-Security" in answer.headers
            and "Secure" in answer.headers["set-cookie"]
        )
        token = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', answer.text).group(1)
        said = client.post(
            "/account/login/",
            data={"login": "auditor", "password": found.password, "csrfmiddlewaretoken": token},
            headers={
                "Origin": "https://portal.example",
                "Referer": "https://portal.example/account/login/",
                "Cookie": f"csrftoken={answer.cookies['csrftoken']}",
            },
        )
        assert said.status_code == 302, (
            "the form's origin is the name behind which the portal stands"
        )
        assert found.python(_values("allauth.usersessions.models.UserSession", "ip")) == [
            "203.0.113.7"
        ]
