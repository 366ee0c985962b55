"""What people do in the portal stands in the workspace's log, each act once, and nobody's name."""

from __future__ import annotations

import re
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import pytest

from fenrun.closing.heads import read_head
from fenrun.closing.keys import known_keys
from fenrun.store.audit_log import Event
from fenrun.store.facts import Store
from tests.command import fenrun
from tests.portal.served import Portal, served

pytestmark = pytest.mark.in_turn(3, whole=True)

EVENTS = """
import json
from fenrun.portal.models import Event
events = Event.objects.using("default").order_by("pk")
{act}
print(json.dumps([[e.pk, e.seq, e.actor, e.act, e.subject] for e in events]))
"""


@pytest.fixture(scope="module")
def portal(world: Path) -> Iterator[Portal]:
    with served(world, "sqlite", prepared=True) as found:
        yield found


def _entered(portal: Portal) -> list[Event]:
    return Store(portal.workspace).log.events("portal")


def _until(holds: Callable[[], bool]) -> bool:
    for _ in range(120):
        if holds():
            return True
        time.sleep(0.25)
    return False


def _waiting(portal: Portal) -> int:
    """How many events of the portal are not in the log yet."""
    with closing(sqlite3.connect(portal.workspace / "portal/portal.sqlite3")) as rows:
        return int(
            rows.execute("SELECT count(*) FROM portal_event WHERE seq IS NULL").fetchone()[0]
        )


def _problems(portal: Portal) -> list[str]:
    with portal.token("auditor") as client:
        said: dict[str, Any] = client.get("/api/log/verify").json()
    return [problem["code"] for problem in said["problems"]]


def test_each_act_is_in_the_chain_without_names_or_secrets(portal: Portal) -> None:
    with (
        portal.sign_in("operations") as operations,
        portal.token("partner", "read act") as partner,
        portal.token("operations", "read act") as asking,
        portal.token("customer", "read act") as customer,
        portal.token("second", "read act") as second,
    ):
        before = len(Store(portal.workspace).log.events())
        wei = {"user": "wei.auditor", "role": "auditor", "party": "", "reason": "Audits the year"}
        assert operations.post("/access/give/", data=wei).status_code == 302
        payee, period = portal.parties["partner"], "2024-09"
        objection = {"party": payee, "period": period, "text": "This is too little"}
        assert partner.post("/api/disputes", json=objection).status_code == 201
        hook = {"url": "https://hooks.example/a-secret-path", "events": ["statement"]}
        assert partner.post("/api/hooks", json=hook).status_code == 201
        asked = {
            "kind": "association",
            "customer": portal.parties["customer"],
            "party": payee,
            "since": "2026-01-01",
            "reason": "They work together",
        }
        made = asking.post("/api/requests", json=asked)
        assert made.status_code == 201, made.text
        refused = customer.post(f"/api/requests/{made.json()['id']}", json={"state": "refused"})
        assert refused.status_code == 200, refused.text
        assert asking.post(f"/api/periods/{period}/settle").status_code == 200
        ask = asking.post("/api/periods/2024-01/close", json={"reason": "As agreed"})
        assert ask.status_code == 201, ask.text
        closed = second.post(f"/api/approvals/{ask.json()['id']}")
        assert closed.status_code == 200, closed.text
        target = {"party": payee, "figure": "task", "period": "2024-12", "amount": "77.00"}
        target |= {"currency": "CNY", "reason": "Agreed anew"}
        assert asking.post("/api/targets", json=target).status_code == 201
    own = portal.python(EVENTS.format(act=""))
    entered = _entered(portal)
    assert [seq for _, seq, *_ in own] == [event.seq for event in entered]
    assert [act for *_, act, _ in own] == [event.act for event in entered]
    done = {event.act: event for event in entered}
    assert {"grant", "make token", "make webhook", "open dispute", "ask association"} < set(done)
    assert {"refused association", "settle", "ask close"} < set(done)
    assert done["settle"].facts()["source"] == period
    assert done["refused association"].facts()["source"] == str(made.json()["id"])
    assert done["grant"].actor == done["ask close"].actor != done["make webhook"].actor
    said = "\n".join(f"{e.actor} {e.subject} {e.reason} {e.before} {e.after}" for e in entered)
    for hidden in ("wei", "operations", "partner", "customer", "secret", "test", payee, "little"):
        assert hidden not in said, hidden
    written = [e for e in Store(portal.workspace).log.events()[before:] if e.kind != "portal"]
    assert {"book", "closes"} <= {event.kind for event in written}
    for event in written:
        assert not {"operations", "second"} & set(
            re.findall(r"\w+", f"{event.actor} {event.reason}")
        )
    (close,) = [event for event in written if event.kind == "closes"]
    asker, approver = done["ask close"].actor, done["approve close"].actor
    assert close.reason == f"As agreed (asked by {asker}, approved by {approver})"
    assert close.actor == approver != asker


def test_the_chain_is_verified_and_read(portal: Portal) -> None:
    assert _problems(portal) == []
    assert fenrun("audit", "verify", portal.workspace).code == 0
    shown = fenrun("audit", "show", portal.workspace).out
    assert "open dispute" in shown and "ask to close" in shown, shown
    (key,) = known_keys(Store(portal.workspace))
    with portal.sign_in("auditor") as client:
        page = client.get("/log/").text
        assert key.fingerprint in page and key.fingerprint in client.get("/periods/2024-01/").text
    assert "wei.auditor" in page and "Audits the year" in page
    assert "As agreed (asked by operations, approved by second)" in page
    with portal.token("auditor") as client:
        assert key.fingerprint in client.get("/api/keys").text
        rows = client.get("/api/log", params={"size": 200}).json()["rows"]
        assert [row["actor"] for row in rows if row["kind"] == "closes"] == ["second"]
        assert "operations" in {row["actor"] for row in rows if row["kind"] == "book"}
        assert not any(row["actor"].startswith("~") for row in rows)
        figures = client.get("/api/targets", params={"period": "2024-12"}).json()["rows"]
        assert "operations" in {figure["actor"] for figure in figures}


def test_a_code_keeps_its_name_when_the_secret_is_another(portal: Portal) -> None:
    """And who is no longer to be named is not named any more; the chain stays as it is."""
    said = portal.python("""
import json
from django.test import override_settings
from fenrun.portal import events
from fenrun.portal.models import LogName
old = events.code_of("wei")
with override_settings(SECRET_KEY="another"):
    new = events.code_of("wei")
    events._names.clear()
    told = events.with_names(f"{old} and {new}, ~{'0' * 16}")
LogName.objects.using("default").filter(name="wei").delete()
events._names.clear()
print(json.dumps([old != new, told, events.with_names(old) == old]))
""")
    assert said == [True, f"wei and wei, ~{'0' * 16}", True]


@pytest.mark.parametrize(
    ("act", "code"),
    [
        ("events.filter(act='open dispute').update(actor='rep')", "portal-event-edited"),
        ("events.filter(act='grant').update(detail={})", "portal-event-edited"),
        ("events.filter(act='open dispute').delete()", "portal-event-gone"),
    ],
)
def test_an_act_that_is_rewritten_is_found(portal: Portal, act: str, code: str) -> None:
    kept = f"import pickle, pathlib; path = pathlib.Path({str(portal.workspace / 'kept')!r})\n"
    portal.python(EVENTS.format(act=f"{kept}path.write_bytes(pickle.dumps(list(events)));{act}"))
    try:
        assert code in _problems(portal)
    finally:
        back = f"{kept}for e in pickle.loads(path.read_bytes()): e.save(using='default')\n"
        portal.python(EVENTS.format(act=back))
    assert _problems(portal) == []


def test_who_acts_while_the_log_is_written_does_not_wait_and_enters_it_later(
    portal: Portal,
) -> None:
    before = len(_entered(portal))
    with closing(sqlite3.connect(portal.workspace / "log.db", isolation_level=None)) as writing:
        writing.execute("BEGIN IMMEDIATE")
        with portal.sign_in("partner") as client:
            token = {"name": "later", "scopes": "read", "days": "7"}
            assert client.post("/access/token/", data=token).status_code == 200
        assert len(_entered(portal)) == before
        writing.execute("ROLLBACK")
    assert _until(lambda: len(_entered(portal)) == before + 1)
    assert _until(lambda: "portal-events-wait" not in _problems(portal))


def test_a_row_that_was_entered_and_not_noted_is_not_entered_again(portal: Portal) -> None:
    """As where the process is killed between the log's row and the portal's."""
    before = _entered(portal)
    own = portal.python(EVENTS.format(act="events.update(seq=None)"))
    assert _until(lambda: not _waiting(portal))
    assert portal.python(EVENTS.format(act=""))[0][0] == own[0][0]
    assert _entered(portal) == before and _problems(portal) == []


def test_everybody_may_ask_what_is_closed_and_whose_key_signs(portal: Portal) -> None:
    said = httpx.get(f"{portal.address}/trust/").json()
    assert set(said) == {"trust", "keys", "heads"}
    (head,) = [read_head(one) for one in said["heads"]]
    assert head.period == "2024-01" and head.public_key == said["keys"][0]["public_key"]
    assert httpx.post(f"{portal.address}/trust/").status_code in (403, 405)
