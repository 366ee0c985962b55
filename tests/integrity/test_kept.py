"""Findings are kept: looked for once, and decisions go with a case to what is found later."""

from __future__ import annotations

from datetime import date, datetime
from pathlib import Path

from fenrun.base.when import parse_period
from fenrun.integrity.kept import findings_of, queue_of
from fenrun.integrity.life import decide
from fenrun.settle.imports import import_file
from fenrun.store.facts import Store
from tests.integrity.test_findings import COUPON
from tests.pricing.workspace import book, charge, workspace

_NOW = datetime(2024, 12, 1)
_SEPTEMBER = parse_period("2024-09")
_SPENT = {"ChargeCategory": "Credit", "x_CouponId": "C1", "ServiceName": "GPU"}


def _store(tmp_path: Path) -> Store:
    """20,000 of a coupon of K1 is spent by K2 on the second of September."""
    charges = [charge("A1", "0", "-30000", **_SPENT), charge("A2", "0", "-20000", **_SPENT)]
    return workspace(tmp_path, charges, book("K1", "K2"), COUPON)


def _late(store: Store, folder: Path, text: str, name: str) -> None:
    path = folder / name
    path.write_text(text, "utf-8")
    import_file(store, path, _NOW)


def test_what_was_found_is_taken_up_and_stands_in_the_log(tmp_path: Path) -> None:
    store = _store(tmp_path)
    looked: list[str] = []
    first = findings_of(store, _SEPTEMBER, progress=looked.append)
    again = findings_of(store, _SEPTEMBER, progress=looked.append)
    assert len(looked) == len(set(looked)) and first == again
    (case,) = first.cases
    assert case.amount == 20000 and len(case.evidence) == 2
    (event,) = store.log.events("findings")
    assert event.act == "examine" and event.facts()["source"] == "2024-09"
    assert event.subject.startswith(first.record) and not store.broken()
    (kept,) = (store.path / "findings").glob("*/findings.json")
    kept.write_text(kept.read_text("utf-8").replace("20000", "20001"), "utf-8")
    assert [problem.code for problem in store.broken()] == ["stored-edited"]


def test_a_decision_goes_with_its_case_to_another_first_day(tmp_path: Path) -> None:
    """A file comes late: K2 has spent of it on the first, too. It is the same case, confirmed."""
    store = _store(tmp_path)
    (case,) = findings_of(store, _SEPTEMBER).cases
    decide(store, case.id, "confirmed", "both said so", _NOW, "wang", date(2024, 12, 9))
    late = charge("A2", "0", "-5000", **_SPENT, ChargePeriodStart="2024-09-01T16:00:00Z")
    lines = [",".join(late), ",".join(f'"{value}"' for value in late.values())]
    _late(store, tmp_path, "\n".join(lines), "late.csv")
    (wider,) = findings_of(store, _SEPTEMBER).cases
    assert wider.start < case.start and wider.amount == 25000
    assert wider.decision and wider.decision.state == "confirmed" and wider.id == case.id
    queue = queue_of(store)
    assert queue and [(one.id, one.is_found) for one in queue.cases] == [(case.id, True)]


def test_what_is_found_no_more_leaves_the_queue_unless_it_was_decided(tmp_path: Path) -> None:
    """The coupon was K2's all along, as a late file says: nothing is found any more."""
    charges = [charge("A2", "0", "-20000", **_SPENT)]
    store = workspace(tmp_path, charges, book("K1", "K2"), COUPON)
    assert queue_of(store) is None
    (case,) = findings_of(store, _SEPTEMBER).cases
    _late(store, tmp_path, COUPON.replace("K1", "K2"), "late.yaml")
    assert findings_of(store, _SEPTEMBER).cases == []
    queue = queue_of(store)
    assert queue and queue.cases == []
    decide(store, case.id, "explained", "one of its own accounts", _NOW, "", None)
    (left,) = (queue_of(store) or queue).cases
    assert not left.is_found and left.decision and left.decision.state == "explained"
