"""Approvals: a special price goes up a chain of three steps, and becomes one of the terms."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.command import fenrun
from tests.portal.served import beside, environment
from tests.terms.test_policy import POLICY

_STORY = """
import json
from datetime import UTC, datetime
from django.conf import settings
from django.contrib.auth.models import User
from django.test import Client
from fenrun.portal import events, models, serve
from fenrun.portal.commands import grants
from fenrun.settle.terms_in_force import known_terms
from fenrun.store.facts import Store
from tests.portal.clock import tell_time
serve._migrate(settings.WORKSPACE)
clock = {"now": datetime(2024, 9, 26, 3, tzinfo=UTC)}
tell_time(lambda: clock["now"])
accounts = [
    ("operations", "operations", ""), ("qian", "operations", ""),
    ("lin", "rep", "R1"), ("zhao", "rep", "R2"), ("wu", "rep", "R3"), ("seller", "rep", "R9"),
    ("li", "rep", "R8"), ("partner", "partner", "P1"), ("other", "partner", "P2"),
]
grants.give_to_invented("demo", accounts, "Invented.", "words that nobody guesses")
settings.ALLOWED_HOSTS.append("testserver")
clients = {name: Client() for name, *_ in accounts}
for name, client in clients.items():
    client.force_login(User.objects.get(username=name))
form = {
    "kind": "discount", "customer": "K1", "product": "Object Storage", "party": "P1",
    "grants": "55 % of list", "amount": "300,000", "currency": "CNY",
    "from": "2024-10-01", "to": "2025-01-01", "reason": "Tender T-9.",
}
def ask(name, **more):
    answer = clients[name].post("/quotes/ask/", {**form, **more})
    return [answer.status_code, answer.content.decode() if answer.status_code == 409 else ""]
def decide(when, name, outcome="approved", reason="", number=1):
    clock["now"] = datetime.fromisoformat(when).replace(tzinfo=UTC)
    said = {"outcome": outcome, "reason": reason}
    answer = clients[name].post(f"/api/quotes/{number}", said, content_type="application/json")
    found = answer.json()
    return found.get("state") or [p["code"] for p in found["problems"]][0]
def seen(name):
    rows = clients[name].get("/api/quotes").json()["rows"]
    return [[row["id"], row["may_decide"], row["asked_by"]] for row in rows]
def terms():
    rows = known_terms(Store.open(settings.WORKSPACE)).approvals
    keys = ("approval", "step", "outcome", "decided_by", "decided_at", "covers", "reason")
    return [[str(row[key]) for key in keys] for row in rows]
said = {}
STORY
print(json.dumps(said))
"""
_CHAIN = """
said["wrong"] = ask("partner", grants="55 of", amount="x", to="")
said["another's"] = ask("partner", party="P2")
said["tried"] = [ask("partner", **{name: text})[0] for name, text in TRIED]
said["left"] = models.Quote.objects.using("default").count()
said["asked"] = ask("partner")
said["seen"] = {name: seen(name) for name in clients}
said["first"] = [
    decide("2024-09-26T07:00", name) for name in ("partner", "zhao", "seller", "other", "li")
]
said["first"].append(decide("2024-09-26T08:00", "operations"))
said["twice"] = decide("2024-09-26T08:10", "operations")
said["before"] = terms()
said["second"] = [decide("2024-09-27T03:00", "wu"), decide("2024-09-27T04:00", "zhao")]
said["page"] = clients["qian"].get("/quotes/").content.decode()
said["third"] = decide("2024-09-29T15:00", "qian", reason="Our own price list says as much.")
said["over"] = decide("2024-09-29T15:10", "qian", "refused", "No.")
said["steps"] = clients["partner"].get("/api/quotes").json()["rows"][0]["steps"]
said["after"] = terms()
said["partner's page"] = clients["partner"].get("/quotes/").content.decode()
said["log"] = [
    [e.kind, e.act, e.actor, e.reason] for e in Store.open(settings.WORKSPACE).log.events()
    if "approv" in e.act or e.kind == "terms"
]
said["broken"] = [p.code for p in events.broken_events(Store.open(settings.WORKSPACE))]
"""
_OTHER_WAYS = """
for number in (1, 2, 3, 4, 5):
    clock["now"] = datetime(2024, 10, 9, 3, tzinfo=UTC)
    ask("seller", party="R9", grants="75 % of list")
said["refused"] = [
    decide("2024-10-09T04:00", "lin", "refused", " ", number=1),
    decide("2024-10-09T05:00", "lin", "refused", "Too deep.", number=1),
]
said["withdrawn"] = [
    decide("2024-10-09T05:00", "lin", "withdrawn", number=2),
    decide("2024-10-09T05:00", "seller", "withdrawn", number=2),
]
said["substitute"] = [
    decide("2024-10-10T05:00", "lin", number=3), decide("2024-10-10T06:00", "wu", number=3)
]
seller = User.objects.get(username="seller")
decide("2024-10-11T05:00", "lin", number=5)
seller.set_password("other words that nobody guesses")
seller.save()
said["authority"] = decide("2024-10-11T06:00", "wu", number=5)
said["late"] = decide("2024-10-11T16:00", "lin", number=4)
decide("2024-10-12T06:00", "lin", number=4)
quotes = models.Quote.objects.using("default").order_by("pk")
said["states"] = [[q.state, q.steps[-1]["for"]] for q in quotes]
said["terms"] = terms()
clock["now"] = datetime(2024, 10, 14, 3, tzinfo=UTC)
ask("operations", party="", partner="P1", grants="90 % of list")
said["own"] = decide("2024-10-14T04:00", "operations", number=6)
said["second's"] = decide("2024-10-14T04:00", "qian", number=6)
"""


TRIED = [
    *(("amount", text) for text in ("NaN", "Infinity", "-5", "9" * 50, "1e400", "1,5")),
    *(("grants", text) for text in ("NaN % of list", "-5 % of list", "0,5 % of list", "-1")),
    *(("from", text) for text in ("2025-01-02", "9999-12-31", "2024-02-30", "2024-10-01T10:00")),
    *(("to", text) for text in ("10000-01-01", "2024-09-30")),
    *(("kind", text) for text in ("", "x", "DISCOUNT")),
    *(("customer", text) for text in ("", " ", "x" * 1000)),
    *(("product", text) for text in ("O'Brien' OR '1'='1", "a\nb", "x" * 1000)),
    ("reason", " "),
]
"""Quotes that nobody can ask for."""


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace with a policy alone."""
    path = tmp_path_factory.mktemp("quotes")
    (path / "policy.yaml").write_text(POLICY, "utf-8")
    done = fenrun("import", path / "ws", path / "policy.yaml", "--known", "2024-09-01")
    assert done.code == 0, done.err
    return path / "ws"


def _told(workspace: Path, story: str) -> dict[str, Any]:
    script = f"TRIED = {TRIED!r}\n" + _STORY.replace("STORY", story)
    found: dict[str, Any] = beside(workspace, environment(workspace), script)
    return found


@pytest.mark.in_turn(3)
def test_a_chain_of_three_steps(workspace: Path) -> None:
    said = _told(workspace, _CHAIN)
    status, page = said["wrong"]
    labels = ("Price, or id of the coupon or agreement", "At most", "Until (day after the last)")
    assert status == 409 and all(f"<p>{label}: " in page for label in labels)
    assert "Tender T-9." in page, "what was typed stays"
    assert set(said["tried"]) == {409} and not said["left"]
    assert said["another's"][0] == 403 and said["asked"][0] == 302
    everybody = {name: [row[1] for row in rows] for name, rows in said["seen"].items()}
    assert everybody == {
        **{"operations": [True], "qian": [True], "lin": [True], "zhao": [False], "wu": [False]},
        **{"partner": [False], "other": [], "seller": [], "li": []},
    }
    assert said["first"] == ["quote-not-yours"] * 2 + ["missing"] * 3 + ["open"]
    assert said["twice"] == "quote-not-yours", "nobody decides two steps"
    assert said["before"] == [], "what is not over is no term"
    assert said["second"] == ["quote-not-yours", "open"], "wu stands in from 8 October"
    assert said["third"] == "approved" and said["over"] == "quote-over"
    took = [(step["step"], step["days"], step["hours"]) for step in said["steps"]]
    assert took == [("lead", 0, "5.0"), ("pricing", 1, "20.0"), ("general-manager", 1, "59.0")]
    assert not any(step["by"] or step["approvers"] for step in said["steps"]), "a partner's view"
    assert "zhao" in said["page"] and "1 working day (20.0 h)" in said["page"]
    assert "zhao" not in said["partner's page"] and "20.0 h" in said["partner's page"]
    (ids, steps, outcomes, names, moments, covers, reasons) = zip(*said["after"])
    assert len(set(ids)) == 1 and ids[0].startswith("ask-1-") and steps == ("1", "2", "3")
    assert set(outcomes) == {"approved"} and names == ("operations", "zhao", "qian")
    assert moments[1] == "2024-09-27 04:00:00" and set(covers) == {"ServiceName = 'Object Storage'"}
    assert reasons[2] == "Our own price list says as much."
    acts = [act for kind, act, *_ in said["log"] if kind == "portal"]
    assert acts == ["ask approval", *["approved approval"] * 3]
    assert all(actor.startswith("~") for kind, _, actor, _ in said["log"] if kind == "portal")
    kind, act, _, reason = said["log"][-1]
    assert (kind, act, reason) == ("terms", "import", f"{ids[0]}: approved"), "no name"
    assert said["broken"] == []


@pytest.mark.in_turn(3)
def test_refused_withdrawn_lapsed_delegated(workspace: Path, tmp_path: Path) -> None:
    """And what was asked by an account that is another's by now is granted to nobody."""
    done = fenrun(
        "import", tmp_path / "ws", workspace.parent / "policy.yaml", "--known", "2024-09-01"
    )
    assert done.code == 0
    said = _told(tmp_path / "ws", _OTHER_WAYS)
    assert said["refused"] == ["reason-missing", "refused"]
    assert said["withdrawn"] == ["quote-not-yours", "withdrawn"]
    assert said["substitute"] == ["open", "approved"] and said["authority"] == "ask-lapsed"
    assert said["late"] == "quote-over", "two working days were over"
    assert said["states"] == [
        ["refused", ""], ["withdrawn", ""], ["approved", "zhao"], ["lapsed", ""], ["lapsed", ""],
    ]  # fmt: skip
    assert said["own"] == "quote-not-yours" and said["second's"] == "approved"
    ended = [(row[1], row[2], row[3], row[4]) for row in said["terms"]]
    assert ended == [
        ("1", "refused", "lin", "2024-10-09 05:00:00"),
        ("1", "approved", "lin", "2024-10-10 05:00:00"),
        ("2", "approved", "wu", "2024-10-10 06:00:00"),
        ("1", "lapsed", "", "2024-10-11 16:00:00"),
        ("1", "approved", "lin", "2024-10-11 05:00:00"),
        ("2", "lapsed", "", "2024-10-12 05:00:00"),
    ]
    shown = fenrun("terms", "show", tmp_path / "ws", "--on", "2024-11-01", "--json").json()
    assert {row["state"] for row in shown["approvals"]} == {"refused", "approved", "lapsed"}
    assert [row["asked_by"] for row in shown["approvals"]].count("operations") == 1
