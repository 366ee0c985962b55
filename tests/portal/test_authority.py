"""Authority at use: nobody acts by an account that he made, opened, or had before it was raised."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import pytest

from tests.command import fenrun
from tests.portal.served import Portal

_MINE = "words that I chose"
_MORE_WAYS = """
import json
from allauth.mfa.models import Authenticator
from allauth.socialaccount.models import SocialAccount
from django.contrib.auth.models import User
user = User.objects.get(username={name!r})
SocialAccount.objects.create(user=user, provider="provider", uid="somebody-else")
Authenticator.objects.create(user=user, type="totp", data={{}})
print(json.dumps(1))
"""

_CONNECTED = """
import json
from allauth.socialaccount.models import SocialAccount
from django.contrib.auth.models import User
user = User.objects.get(username="partner")
for uid in ("one", "two"):
    SocialAccount.objects.create(user=user, provider="provider", uid=uid)
print(json.dumps(1))
"""


@contextmanager
def _person(portal: Portal) -> Iterator[httpx.Client]:
    with httpx.Client(
        base_url=portal.address, headers={"Referer": portal.address}, timeout=60
    ) as client:
        yield client


def _give(client: httpx.Client, user: str, role: str, party: str = "") -> str:
    """Give a grant; returns its number."""
    said = {"user": user, "role": role, "party": party, "reason": "Helps."}
    answer = client.post("/api/grants", json=said)
    assert answer.status_code == 201, answer.text
    return str(answer.json()["id"])


def _code(answer: httpx.Response) -> str:
    """The code of a refusal, or the status of what was done."""
    if answer.status_code != 409:
        return str(answer.status_code)
    return str(answer.json()["problems"][0]["code"])


def _approve(client: httpx.Client, number: str) -> str:
    return _code(client.post(f"/api/grants/{number}/approve"))


def _link(client: httpx.Client, number: str) -> str:
    return str(client.post(f"/api/grants/{number}/link").json()["path"])


def _take_up(portal: Portal, path: str) -> bool:
    """Choose a password by a link; returns whether that was possible."""
    with _person(portal) as client:
        page = client.get(path, follow_redirects=True)
        token = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', page.text)
        assert token
        said = {
            "csrfmiddlewaretoken": token.group(1),
            "password1": _MINE,
            "password2": _MINE,
        }
        done = client.post(page.url.path, data=said, follow_redirects=True)
        return "Your password is set" in done.text


def _sign_in(portal: Portal, client: httpx.Client, name: str, password: str) -> bool:
    page = client.get("/account/login/").text
    token = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', page)
    assert token
    said = {"login": name, "password": password, "csrfmiddlewaretoken": token.group(1)}
    done = client.post("/account/login/", data=said).status_code == 302
    client.headers["X-CSRFToken"] = client.cookies["csrftoken"]
    return done


def _set_password(portal: Portal, name: str, role: str, party: str = "", by: str = "root") -> None:
    """Set a password beside the workspace, as `fenrun account` does there in somebody's name."""
    words = (by, name, role, party, "x", portal.password)
    portal.python(
        "import json\nfrom fenrun.portal.commands import grants\n"
        f"grants.give_with_password(*{words!r})\nprint(json.dumps(1))"
    )


@pytest.mark.in_turn(3)
@pytest.mark.parametrize("role", ["operations", "customer"])
def test_a_link_before_the_role_opens_no_account_that_acts(own: Portal, role: str) -> None:
    """One makes a partner's account, sees its link, and then has it made one that acts."""
    party = own.parties["customer"] if role == "customer" else ""
    with own.sign_in("operations") as one, own.sign_in("second") as two:
        for name, takes_up in (("before", True), ("still-open", False)):
            link = _link(one, _give(one, name, "partner", "P00013"))
            if takes_up:
                assert _take_up(own, link)
            else:
                _set_password(own, name, "auditor")
                assert not _take_up(own, link), "a reset ends links"
                continue
            asked = _give(one, name, role, party)
            shown = two.get("/access/").text
            assert "link shown to operations" in shown and "made by operations" in shown
            assert _approve(two, asked) == "account-opened"
        done = fenrun(
            "account", own.workspace, "before", "--role", "auditor", "--reason", "Whose it is."
        )
        assert done.code == 0, done.err
        assert _approve(two, asked) == "200", "it is its owner's by now"
        with _person(own) as before:
            assert not _sign_in(own, before, "before", _MINE)


def test_a_link_ends_with_a_change_of_grants(own: Portal) -> None:
    with own.sign_in("operations") as one:
        number = _give(one, "new", "partner", "P00013")
        link = _link(one, number)
        second = _give(one, "new", "auditor")
        assert not _take_up(own, link)
        link = _link(one, second)
        assert one.post(f"/api/grants/{number}/end").status_code == 204
        assert not _take_up(own, link)
        assert _take_up(own, _link(one, second))


def test_nobody_acts_whom_nobody_knows(own: Portal) -> None:
    """A role that acts is approved for a known owner, and not for whoever takes a name later."""
    with own.sign_in("operations") as one, own.sign_in("second") as two:
        asked = _give(one, "nobody-yet", "operations")
        assert "nobody has taken the account up" in two.get("/access/").text
        assert _approve(two, asked) == "account-waits"


def test_a_chain_of_accounts_stays_one_person(own: Portal) -> None:
    """One makes two, and two makes three: not one of them counts as the second."""
    with own.sign_in("operations") as one, own.sign_in("second") as honest:
        _set_password(own, "two", "operations", by="operations")
        _set_password(own, "three", "operations", by="operations")
        _set_password(own, "four", "auditor")
        with own.sign_in("two") as two, own.sign_in("three") as three:
            asked = two.post("/api/periods/2024-01/close", json={"reason": "x"}).json()["id"]
            assert _code(one.post(f"/api/approvals/{asked}")) == "one-for-two", "made by him"
            path = f'action="/periods/2024-01/close/{asked}/'
            offered, not_to_him = (c.get("/periods/2024-01/").text for c in (honest, one))
            assert f'{path}"' in offered and f'{path}"' not in not_to_him
            assert "could be one person" in not_to_him and f"{path}end" in not_to_him
            number = _give(two, "four", "operations")
            assert _approve(two, number) == "grant-own"
            assert _approve(one, number) == "one-for-two", "who made him approves what he gives"
            assert _approve(three, number) == "one-for-two", "both were made by one"
            assert _approve(honest, number) == "200"
        _set_password(own, "two", "operations", by="operations")
        asked = one.post("/api/periods/2024-01/close", json={"reason": "x"}).json()["id"]
        with own.sign_in("two") as two:
            assert _code(two.post(f"/api/approvals/{asked}")) == "one-for-two", "the other way"
        customer = own.parties["customer"]
        _set_password(own, "my-customer", "customer", customer, by="operations")
        said = {
            "kind": "association",
            "customer": customer,
            "party": "P00013",
            "since": "2024-05-01",
            "reason": "x",
        }
        number = honest.post("/api/requests", json=said).json()["id"]
        with own.sign_in("my-customer") as mine:
            answer = mine.post(f"/api/requests/{number}", json={"state": "consented"})
            assert _code(answer) == "one-for-two"
            page = mine.get("/requests/").text
            assert "could be one person" in page and 'value="consented"' not in page
        with own.sign_in("customer") as asked_customer:
            answer = asked_customer.post(f"/api/requests/{number}", json={"state": "consented"})
            assert answer.json()["state"] == "consented"


@pytest.mark.in_turn(4)
@pytest.mark.parametrize("change", ["grant given", "grant ended", "password"])
def test_what_waits_and_tokens_end_with_a_change_of_who_asked(own: Portal, change: str) -> None:
    with (
        own.token("second", "read act") as token,
        own.sign_in("operations") as one,
        own.sign_in("second") as two,
    ):
        _set_password(own, "four", "auditor")
        asked = token.post("/api/periods/2024-01/close", json={"reason": "January"}).json()["id"]
        given = _give(two, "four", "operations")
        customer = own.parties["customer"]
        said = {"kind": "association", "customer": customer, "party": "P00013"}
        said |= {"since": "2024-05-01", "reason": "x"}
        number = token.post("/api/requests", json=said).json()["id"]
        assert "second" in one.get("/periods/2024-01/").text
        if change == "grant given":
            _give(one, "second", "auditor")
        elif change == "grant ended":
            rows = one.get("/access/").text
            held = re.findall(r'/access/(\d+)/end/"(?:(?!</form>).)*> second ', rows, re.S)
            assert one.post(f"/api/grants/{held[0]}/end").status_code == 204
        else:
            form = {"oldpassword": own.password, "password1": _MINE, "password2": _MINE}
            assert two.post("/account/password/change/", data=form).status_code == 302
        assert token.get("/api/periods").status_code == 401
        assert _code(one.post(f"/api/approvals/{asked}")) == "ask-lapsed"
        assert f"/close/{asked}/" not in one.get("/periods/2024-01/").text
        assert _approve(one, given) == "ask-lapsed"
        again = one.post("/api/periods/2024-01/close", json={"reason": "January, anew"})
        assert again.status_code == 201, "a dead ask stands in nobody's way"
        with own.sign_in("customer") as decides:
            answer = decides.post(f"/api/requests/{number}", json={"state": "consented"})
            assert _code(answer) == "ask-lapsed"
            answer = decides.post(f"/api/requests/{number}", json={"state": "refused"})
            assert answer.json()["state"] == "refused", "one may still say no"


def test_a_reset_ends_every_way_in_and_out(own: Portal) -> None:
    name = "second"
    with own.token("operations") as auditor, own.token(name) as token, own.sign_in(name) as client:
        own_hook = {"url": "https://elsewhere.example/", "events": ["statement"]}
        assert client.post("/api/hooks", json=own_hook).status_code == 201
        own.python(_MORE_WAYS.format(name=name))
        assert auditor.get(f"/api/ways?user={name}").json()["total"] == 5
        _set_password(own, name, "auditor")
        assert client.get("/periods/").status_code == 302
        assert token.get("/api/periods").status_code == 401
        assert auditor.get(f"/api/ways?user={name}").json()["rows"] == []
    kept = own.python(f"""
import json
from allauth.mfa.models import Authenticator
from allauth.socialaccount.models import SocialAccount
from fenrun.portal import models
print(json.dumps([
    table.objects.using("default").filter(user__username={name!r}, **more).count()
    for table, more in (
        (SocialAccount, {{}}), (Authenticator, {{}}), (models.Token, {{"ended_at": None}}),
        (models.Hook, {{"ended_at": None}}), (models.Opening, {{"ended_at": None}}),
    )
]))""")
    assert kept == [0, 0, 0, 0, 1], "the one way in is the new password"


def test_ways_in_are_seen_and_ended_by_their_owner_and_operations(own: Portal) -> None:
    with (
        own.sign_in("operations") as one,
        own.sign_in("partner") as partner,
        own.sign_in("auditor") as auditor,
        own.sign_in("rep") as rep,
        own.token("partner") as token,
    ):
        hook = {"url": "https://elsewhere.example/", "events": ["statement"]}
        assert partner.post("/api/hooks", json=hook).status_code == 201
        own.python(_CONNECTED)
        ways = partner.get("/api/ways").json()["rows"]
        assert {way["kind"] for way in ways} == {"session", "token", "webhook", "connection"}
        assert all(way["user"] == "partner" and way["in_force"] for way in ways)
        assert one.get("/api/ways?user=partner").json()["rows"] == ways
        assert "https://elsewhere.example/" in auditor.get("/access/ways/").text
        assert rep.get("/api/ways?user=partner").status_code == 404
        assert rep.get("/access/ways/").status_code == 403
        for way in ways:
            address = f"/api/ways/{way['kind']}/{way['number']}/end"
            for stranger in (rep, auditor):
                assert stranger.post(address).status_code == 404
                stranger.post(f"/access/{way['kind']}/{way['number']}/end/")
        assert partner.get("/api/ways").json()["rows"] == ways, "nobody else has ended one"
        for kind in ("webhook", "connection"):
            number = max(way["number"] for way in ways if way["kind"] == kind)
            assert partner.post(f"/access/{kind}/{number}/end/").status_code == 302
        assert partner.get("/api/ways").json()["total"] == len(ways) - 2
        assert token.get("/api/me").status_code == 200
        for way in one.get("/api/ways?user=partner").json()["rows"]:
            address = f"/access/{way['kind']}/{way['number']}/end/"
            assert one.post(address, data={"back": "ways"}).headers["Location"] == "/access/ways/"
        assert token.get("/api/me").status_code == 401
        assert partner.get("/statements/").status_code == 302, "the session is ended"
        assert one.get("/api/ways?user=partner").json()["rows"] == []
        done = own.python(
            "import json\nfrom fenrun.portal.models import Event\n"
            "print(json.dumps([[e.actor, e.act, e.detail.get('user')] for e in"
            " Event.objects.using('default').filter(act__startswith='end ').order_by('id')]))"
        )
        assert ["partner", "end webhook", "partner"] in done
        assert ["operations", "end session", "partner"] in done
        assert [actor for actor, act, _ in done if act == "end connection"] == [
            "partner",
            "operations",
        ]
