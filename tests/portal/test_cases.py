"""Cases: examined, decided and asked about in the portal; a party sees its own question alone."""

from __future__ import annotations

import csv
import io
import re
from pathlib import Path
from typing import Any

import pytest

from tests.integrity.test_findings import COUPON
from tests.portal.served import beside, environment
from tests.pricing.workspace import book, charge
from tests.pricing.workspace import workspace as made

pytestmark = pytest.mark.in_turn(3, whole=True)

_STORY = """
import json
from datetime import UTC, datetime
from django.conf import settings
from django.contrib.auth.models import User
from django.test import Client
from fenrun.portal import events, serve
from fenrun.portal.commands import grants
from fenrun.store.facts import Store
from tests.portal.clock import tell_time
serve._migrate(settings.WORKSPACE)
tell_time(lambda: datetime(2024, 12, 2, 3, tzinfo=UTC))
accounts = [
    ("operations", "operations", ""), ("auditor", "auditor", ""),
    ("partner", "partner", "P1"), ("other", "partner", "P2"),
]
grants.give_to_invented("demo", accounts, "Invented.", "words that nobody guesses")
settings.ALLOWED_HOSTS.append("testserver")
clients = {name: Client() for name, *_ in accounts}
for name, client in clients.items():
    client.force_login(User.objects.get(username=name))
def page(name, address, **form):
    answer = clients[name].post(address, form) if form else clients[name].get(address)
    return [answer.status_code, answer.content.decode()]
def api(name, address, **said):
    asked = {"content_type": "application/json"}
    answer = clients[name].post(address, said, **asked) if said else clients[name].get(address)
    return [answer.status_code, answer.json()]
CASE = "G07-20240902-P1+P2"
said = {"before": page("operations", "/cases/")}
said["examined"] = page("operations", "/cases/examine/", **{"from": "2024-09", "to": "2024-09"})
said["queue"] = page("auditor", "/cases/")
said["csv"] = page("auditor", "/cases/?format=csv")
said["none"] = api("auditor", "/api/cases?state=confirmed")[1]["total"]
said["most"] = [api("auditor", f"/api/cases?least={n}")[1]["total"] for n in (20000, 20001)]
said["wrong"] = page("auditor", "/cases/?least=much")[0]
said["case"] = page("auditor", f"/cases/{CASE}/".replace("+", "%2B"))
said["refused"] = {
    name: [page(name, address, text="x")[0] for address in (
        "/cases/examine/", f"/cases/{CASE}/decide/", f"/cases/{CASE}/ask/")]
    + [page(name, "/cases/")[0], api(name, "/api/cases")[0], api(name, f"/api/cases/{CASE}")[0]]
    for name in ("partner", "other")
}
decided = {"state": "confirmed", "reason": "Both said so.", "owner": "wang", "due": "2024-12-09"}
said["no reason"] = page("operations", f"/cases/{CASE}/decide/", **{**decided, "reason": " "})
said["auditor"] = page("auditor", f"/cases/{CASE}/decide/", **decided)[0]
said["decided"] = page("operations", f"/cases/{CASE}/decide/", **decided)[0]
said["step"] = api("operations", f"/api/cases/{CASE}/decisions", state="open", reason="No.")
said["due"] = [
    api("operations", f"/api/cases?due={day}&owner=wang")[1]["total"]
    for day in ("2024-12-08", "2024-12-09")
]
said["asked"] = [
    page("operations", f"/cases/{CASE}/ask/", party=party, text="Whose is A2?")[0]
    for party in ("P1", "P2", "P3")
]
said["seen"] = {name: api(name, "/api/questions")[1]["rows"] for name in clients}
said["notices"] = [page(name, "/notices/")[1] for name in ("partner", "other")]
(own,), (its,) = said["seen"]["partner"], said["seen"]["other"]
said["others"] = [
    api("partner", f"/api/questions/{its['id']}")[0],
    page("partner", f"/questions/{its['id']}/answer/", text="Ours.")[0],
]
said["answered"] = page("partner", f"/questions/{own['id']}/answer/", text="It is K2's.")[0]
said["partner"] = page("partner", "/questions/")[1]
its_answer = f"/api/questions/{its['id']}/answer"
said["ended"] = api("operations", its_answer, text="Settled.", state="over")
said["late"] = api("other", its_answer, text="Ours.")
said["whole"] = api("auditor", f"/api/cases/{CASE}")[1]
said["after"] = page("operations", f"/cases/{CASE}/")[1]
store = Store.open(settings.WORKSPACE)
said["log"] = [[e.kind, e.act, e.actor[:1], e.reason] for e in store.log.events()][-8:]
said["broken"] = [p.code for p in [*store.broken(), *events.broken_events(store)]]
def status(name, address, form):
    address = address.replace("CASE", CASE.replace("+", "%2B")).replace("OWN", str(own["id"]))
    if not address.startswith("/api/") or form is None:
        return page(name, address, **(form or {}))[0]
    return clients[name].post(address, form, content_type="application/json").status_code
said["tried"] = [status(*one) for one in TRIED]
said["own"] = api("partner", f"/api/questions/{own['id']}")[1]["state"]
print(json.dumps(said))
"""


DECIDED = {"state": "confirmed", "reason": "So.", "owner": "wang", "due": "2024-12-09"}
ASKED = {"party": "P1", "text": "Why?"}
MANY = "9" * 30
Tried = tuple[str, str, dict[str, str] | None, int]
TRIED: list[Tried] = [
    *(("auditor", f"/cases/?least={n}", None, 400) for n in ("NaN", "sNaN", "Infinity", "%00")),
    *(("auditor", f"/cases/?q={n}", None, 400) for n in ("NaN", "-Infinity", "x")),
    *(("auditor", f"/api/cases?{n}", None, 422) for n in ("least=NaN", "q=sNaN", "least=x")),
    *(("auditor", f"/cases/?due={day}", None, 400) for day in ("2024-13-45", "10000-01-01")),
    *(("auditor", f"/cases/?page={n}", None, 200) for n in (MANY, "-1", "x")),
    ("auditor", "/cases/?state=%ED%A0%80&owner='&check=%3Cscript%3E", None, 200),
    ("auditor", "/cases/?format=exe", None, 404),
    ("auditor", "/cases/..%2F..%2Fetc/", None, 404),
    ("auditor", "/cases/CASE%00/", None, 400),
    ("operations", "/cases/examine/", {"from": "0001-01", "to": "9999-12"}, 400),
    ("operations", "/cases/examine/", {"from": "2024-12", "to": "2024-01"}, 400),
    ("operations", "/cases/examine/", {"from": "2024-09/2024-10", "to": "2024-09"}, 400),
    ("operations", "/cases/CASE/decide/", None, 405),
    ("operations", "/cases/CASE/decide/", DECIDED | {"state": "over"}, 409),
    ("operations", "/cases/CASE/decide/", DECIDED | {"reason": "\0"}, 400),
    ("operations", "/cases/CASE/decide/", DECIDED | {"due": "0000-00-00"}, 400),
    *(("operations", "/cases/CASE/ask/", ASKED | {"party": p}, 409) for p in ("", "p1", "K1")),
    *(("operations", "/cases/CASE/ask/", ASKED | {"text": t}, 409) for t in ("", "\u3000 ")),
    *(("partner", f"/questions/{n}/answer/", {"text": "x"}, 404) for n in (0, 2**63, MANY)),
    *(("partner", f"/api/questions/{n}/answer", {"text": "x"}, 422) for n in (2**63, MANY)),
    ("partner", "/questions/OWN/answer/", {"text": " "}, 409),
    ("partner", "/questions/OWN/answer/", {"text": "x", "state": "over"}, 302),
    ("partner", "/api/questions/OWN/answer", {"text": "x", "state": "over"}, 200),
    ("auditor", "/questions/OWN/answer/", {"text": "x"}, 403),
    ("partner", "/sign-up/", {"party": "P2"}, 403),
    ("partner", "/api/sign-up-links", {"party": "P2"}, 403),
    ("partner", "/api/sign-ups", {"code": "x", "customer": "K1"}, 403),
    ("partner", "/join/nothing/", None, 403),
]  # fmt: skip
"""Attempts on cases, questions and links, with the status that each is answered with. A party that
says `over` has answered, and ends nothing."""


@pytest.fixture(scope="module")
def said(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """20,000 of a coupon of K1, whose partner is P1, is spent by K2, whose partners are two."""
    spent = {"ChargeCategory": "Credit", "x_CouponId": "C1", "ServiceName": "GPU"}
    charges = [charge("A1", "0", "-30000", **spent), charge("A2", "0", "-20000", **spent)]
    more = "".join(
        f"  - {{of: customer, subject: K2, role: partner, party: {party}, share: 50 %}}\n"
        for party in ("P1", "P2")
    )
    folder: Path = tmp_path_factory.mktemp("cases")
    store = made(folder, charges, book("K1", "K2", more=more), COUPON)
    tried = f"TRIED = {[one[:3] for one in TRIED]!r}\n"
    return beside(store.path, environment(store.path), tried + _STORY)


def test_operations_run_the_checks_and_the_queue_shows_what_they_kept(said: Any) -> None:
    assert "Nobody has run the checks" in said["before"][1] and said["examined"][0] == 302
    status, queue = said["queue"]
    assert "<span>auditor</span>" in queue, "the head is as on every page"
    assert status == 200 and "Coupon spent elsewhere" in queue and "20,000.00 CNY" in queue
    assert "not run: the workspace has no trades" in queue, "silence is no innocence"
    (row,) = csv.DictReader(io.StringIO(said["csv"][1].lstrip("\ufeff")))
    assert (row["id"], row["amount"], row["parties"]) == (
        "G07-20240902-P1+P2", "20000.00", "P1; P2",
    )  # fmt: skip
    assert said["none"] == 0 and said["most"] == [1, 0] and said["wrong"] == 400


def test_a_case_shows_both_sides_and_where_its_rows_are(said: Any) -> None:
    status, case = said["case"]
    assert status == 200 and "It may be: An account moved" in case and "Ask who entered" in case
    assert 'href="/coupons/"' in case and "charges.csv:3" in case and "/deliveries/" in case
    assert "<form method" not in case.split("<main")[1], "an auditor changes nothing"


def test_steps_have_reasons_and_stand_in_the_log(said: Any) -> None:
    status, page = said["no reason"]
    assert status == 409 and "wang" in page, "what was typed stays"
    assert said["auditor"] == 403 and said["decided"] == 302
    status, problems = said["step"]
    assert (status, problems["problems"][0]["code"]) == (409, "case-step")
    assert said["due"] == [0, 1]
    (step,) = said["whole"]["life"]
    assert (step["state"], step["actor"], step["owner"]) == ("confirmed", "operations", "wang")
    assert "1/1" in said["after"] or said["whole"]["state"] == "confirmed"
    assert ["cases", "decide case", "~", "Both said so."] in said["log"] and not said["broken"]
    assert [row[:3] for row in said["log"] if row[0] == "portal"][-3:] == [
        ["portal", "ask case", "~"], ["portal", "answer case", "~"], ["portal", "answer case", "~"],
    ]  # fmt: skip


def test_a_party_sees_its_own_question_and_nothing_of_the_case(said: Any) -> None:
    assert said["refused"] == {name: [403] * 6 for name in ("partner", "other")}
    assert said["asked"] == [302, 302, 409], "P3 is no party of it"
    parties = {name: [row["party"] for row in rows] for name, rows in said["seen"].items()}
    assert parties == {
        "operations": ["P2", "P1"], "auditor": ["P2", "P1"], "partner": ["P1"], "other": ["P2"],
    }  # fmt: skip
    assert said["others"] == [404, 404] and said["answered"] == 302
    assert all("Operations ask you something" in page for page in said["notices"])
    own = re.sub(r'(csrfmiddlewaretoken" value=)"\w+"', "", said["partner"].split("<main")[1])
    assert "Whose is A2?" in own and "It is K2&#39;s." in own
    assert not any(word in own for word in ("P2", "G07", "K1", "20,000", "Coupon"))
    assert said["ended"][1]["state"] == "over"
    assert said["late"][1]["problems"][0]["code"] == "question-over"
    assert [q["state"] for q in said["whole"]["questions"]] == ["answered", "over"]
    assert "It is K2&#39;s." in said["after"]


def test_what_is_tried_on_cases_questions_and_links_is_refused_in_words(said: Any) -> None:
    assert len(TRIED) >= 40
    wrong = [(one, found) for one, found in zip(TRIED, said["tried"]) if one[3] != found]
    assert not wrong and said["own"] == "answered", "a party ends no question"
