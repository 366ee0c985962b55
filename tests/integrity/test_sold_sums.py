"""Sums of charges by month: each charge is read once, and a day matters only where links change."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from fenrun.base.when import parse_period
from fenrun.integrity import sold_sums as sums
from fenrun.integrity.seen import Seen, see
from fenrun.settle.imports import import_file
from fenrun.store.facts import Store
from tests.pricing.workspace import book, charge, workspace

_SEPTEMBER = parse_period("2024-09")
_LATER = datetime(2024, 12, 1)
_PARTNERS = """\
  - {of: customer, subject: K1, role: partner, party: P1, to: 2024-09-11}
  - {of: customer, subject: K1, role: partner, party: P2, from: 2024-09-11}
  - {of: customer, subject: K2, role: partner, party: P1}
  - {of: order, issuer: Beichen Cloud, subject: SO-1, role: partner, party: P3, from: 2024-09-06}
"""
Key = tuple[str, str, str]


def _on(day: int, account: str, amount: str, **more: str) -> dict[str, str]:
    start = f"2024-09-{day:02}T04:00:00Z"
    return {**charge(account, amount), "ChargePeriodStart": start, **more}


_CHARGES = [
    *(_on(day, "A1", "100", x_Operator=f"U{day}") for day in (2, 10, 11, 30)),
    *(_on(day, "A2", "10", RegionId=f"cn-{day}") for day in (2, 10, 11, 30)),
    _on(20, "A2", "-3"),
    *(_on(day, "A2", "1", x_OrderId="SO-1", RegionId="cn-1") for day in (5, 6, 7)),
    *(_on(day, "A2", "5000", ChargeCategory="Purchase") for day in (8, 9)),
    _on(9, "A2", "99", ChargeCategory="Tax"),
]


def _sold(seen: Seen) -> dict[Key, Any]:
    """Return what is billed by customer, partner and order, and in how many groups."""
    rows = seen.query(
        "SELECT customer, partner, order_id, sum(billed) AS billed, count(*) AS groups FROM sold"
        " WHERE category <> 'Purchase' GROUP BY ALL"
    )
    return {
        (row["customer"], row["partner"], row["order_id"]): (row["billed"], row["groups"])
        for row in rows
    }


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    """A month of sixteen charges that is kept, as if they were many."""
    monkeypatch.setattr(sums, "_FEWEST", 1)
    return workspace(tmp_path, _CHARGES, book("K1", "K2", more=_PARTNERS))


def test_a_day_is_told_apart_only_where_something_changes(store: Store) -> None:
    """K1 comes to P2 on the eleventh: four days. K2's four days and its return are one sum."""
    seen = see(store, _SEPTEMBER)
    assert _sold(seen) == {
        ("K1", "P1", ""): (200, 2),
        ("K1", "P2", ""): (200, 2),
        ("K2", "P1", ""): (37, 1),
        ("K2", "P1", "SO-1"): (1, 1),
        ("K2", "P3", "SO-1"): (2, 2),
    }
    (returned,) = seen.query("SELECT sum(returned) AS billed FROM sold")
    assert returned["billed"] == -3
    (prepaid,) = seen.query("SELECT count(*) AS days FROM sold WHERE category = 'Purchase'")
    assert prepaid["days"] == 2  # each day of a purchase is asked for
    (all_used,) = seen.query("SELECT count(*) AS days, sum(effective) AS all FROM sold_days")
    assert all_used["days"] == 10 and all_used["all"] == 10440
    (mine,) = seen.query(
        "SELECT group_id, day, last FROM sold WHERE customer = 'K2'"
        " AND order_id = '' AND category <> 'Purchase'"
    )
    assert (mine["day"].day, mine["last"].day) == (2, 30)
    ((_, rows),) = seen.rows_of([mine["group_id"]])[mine["group_id"]].items()
    assert rows == [6, 7, 8, 9, 10]  # the head of the file is its first line


def test_a_month_that_is_kept_is_not_read_again(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Until a file comes late, a link changes on a day of it, or the kept file is edited."""
    summed: list[str] = []
    real = sums._Month._sum

    def count(month: sums._Month, name: str) -> None:
        summed.append(name)
        real(month, name)

    monkeypatch.setattr(sums._Month, "_sum", count)
    first, again = _sold(see(store, _SEPTEMBER)), _sold(see(store, _SEPTEMBER))
    assert first == again and len(summed) == 1

    (kept,) = (store.path / "cache" / "sold").glob("*/*.parquet")
    kept.write_bytes(kept.read_bytes()[:-1])
    assert _sold(see(store, _SEPTEMBER)) == first and len(summed) == 2

    _import(store, tmp_path / "link.yaml", _LINK.format(day="2024-10-01"))
    assert _sold(see(store, _SEPTEMBER)) == first and len(summed) == 2
    _import(store, tmp_path / "day.yaml", _LINK.format(day="2024-09-10"))
    moved = _sold(see(store, _SEPTEMBER))
    assert moved["K2", "P4", ""] == (27, 4) and moved["K2", "P1", ""] == (10, 1)
    assert len(summed) == 3


_LINK = """\
links:
  - {{of: customer, subject: K2, role: partner, party: P1, to: {day}}}
  - {{of: customer, subject: K2, role: partner, party: P4, from: {day}}}
"""


def _import(store: Store, path: Path, text: str) -> None:
    path.write_text(text, "utf-8")
    import_file(store, path, _LATER)
