"""What is closed stays closed, and what is learnt later makes it whole: on random histories."""

from __future__ import annotations

import tempfile
from collections import defaultdict
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fenrun.base.ids import digest, short
from fenrun.base.table import from_rows
from fenrun.base.when import Period, parse_period
from fenrun.book.read import Book
from fenrun.book.rows import TABLES
from fenrun.charges.stored import billing_facts
from fenrun.closing import close as closing
from fenrun.closing.close import close, closes, posted, settle_period
from fenrun.closing.differences import Amounts, amounts, differences, late_arriving_facts
from fenrun.engine.duckdb import DuckDB
from fenrun.plan.read import PlanFile
from fenrun.proof.bundle import make_bundle
from fenrun.proof.verify import verify
from fenrun.settle.facts import Facts, facts_as_of, in_force
from fenrun.store.facts import Store, manifest
from fenrun.whatif.cases import charge_table
from tests.properties import worlds

START = datetime(2023, 12, 1)
MOMENTS = [
    datetime(2024, 2, 3),
    datetime(2024, 2, 20),
    datetime(2024, 3, 3),
    datetime(2024, 3, 20),
    datetime(2024, 4, 4),
    datetime(2024, 4, 20),
]
CLOSED_AT = {"2024-01": MOMENTS[0], "2024-02": MOMENTS[2], "2024-03": MOMENTS[4]}
BASE = [
    {
        "InvoiceIssuerName": "Cloud",
        "BillingAccountId": "A1",
        "BillingCurrency": "CNY",
        "ChargePeriodStart": datetime(2024, m, 9),
        "BillingPeriodStart": datetime(2024, m, 1),
        **{
            c: Decimal("120") for c in ("BilledCost", "ListCost", "ContractedCost", "EffectiveCost")
        },
        "ServiceName": "Compute",
        "ResourceId": None,
        "x_Cash": "120",
        "x_OrderId": None,
        "SubAccountId": None,
    }
    for m in (1, 2, 3)
]
some = settings(max_examples=max(5, (settings.default or settings()).max_examples // 3))


@pytest.fixture(autouse=True)
def _any_world(monkeypatch: pytest.MonkeyPatch) -> None:
    """Random books contradict themselves; whether that forbids a close is not the question here."""
    monkeypatch.setattr(closing, "ERROR", "nothing")


def _amounts(facts: Facts, period: Period, known: datetime) -> Amounts:
    """What is earned and paid, settled anew."""
    facts = replace(facts, plans=in_force(facts.plans, period))
    return amounts(facts.settle(period, known)) if facts.plans else {}


def load_charges(store: Store, rows: list[dict[str, Any]], known: datetime, name: str) -> None:
    """Import charges as they are, past the reading of files."""
    content = digest("charges", name, [str(r) for r in rows])
    table = charge_table(rows)
    table = table.set_column(
        table.schema.get_field_index("import_id"),
        "import_id",
        pa.array([short(content)] * len(rows)),
    )
    engine = DuckDB()
    engine.load("own", table)
    facts = {**billing_facts(engine, "own"), "rows": len(rows), "quarantined": 0}
    store.add(
        "charges",
        content,
        manifest(name, known, facts, ()),
        lambda folder: pq.write_table(table, folder / "charges.parquet"),
    )


def load_book(store: Store, book: Book, known: datetime, name: str) -> None:
    """Import a book as it is."""

    def write(folder: Path) -> None:
        for table, rows in book.tables().items():
            pq.write_table(from_rows(TABLES[table], rows), folder / f"{table}.parquet")

    store.add(
        "book",
        digest("book", name, [str(r) for rows in book.tables().values() for r in rows]),
        manifest(name, known, {}, ()),
        write,
    )


def load_plan_text(store: Store, plan: PlanFile, known: datetime, name: str) -> None:
    """Import a plan as it is."""
    store.add(
        "plans",
        digest("plan", plan.content),
        manifest(name, known, {"plan": plan.plan.id}, ()),
        lambda folder: (folder / "plan.yaml").write_text(plan.content, "utf-8"),
    )


@st.composite
def histories(draw: st.DrawFn) -> Any:
    """What becomes known when: charges and books on some days between the closes, perhaps a change of the plan's rates."""
    plan = draw(worlds.plan())
    arrivals_ = [
        (draw(st.sampled_from(MOMENTS)), draw(worlds.charges))
        for _ in range(draw(st.integers(1, 2)))
    ]
    books = [(START, draw(worlds.book()))] + [
        (draw(st.sampled_from(MOMENTS)), draw(worlds.book()))
        for _ in range(draw(st.integers(0, 1)))
    ]
    other = draw(worlds.plan()) if draw(st.integers(0, 3)) == 0 else None
    return plan, arrivals_, books, other and (draw(st.sampled_from(MOMENTS)), other)


def facts_of(
    store: Store,
    history: Any,
    until: datetime,
    after: datetime = datetime.min,
    known: datetime | None = None,
) -> None:
    """Import what becomes known after one moment and by another; as known then, or all at `known`."""
    plan, charges, books, other = history
    if after < START <= until:
        load_plan_text(store, plan, START, "plan.yaml")
        load_charges(store, BASE, START, "base.csv")
    for n, (moment, rows) in enumerate(charges):
        if after < moment <= until:
            load_charges(
                store,
                [
                    {**r, "ChargeClass": "Correction" if k % 5 == 0 else None}
                    for k, r in enumerate(rows)
                ],
                known or moment,
                f"charges-{n}.csv",
            )
    for n, (moment, book) in enumerate(books):
        if after < moment <= until:
            load_book(store, book, moment, f"book-{n}.csv")
    if other and after < other[0] <= until:
        load_plan_text(store, other[1], other[0], "plan-2.yaml")


@some
@given(histories())
def test_closed_statements_and_their_differences_are_what_is_known_at_last(history: Any) -> None:
    """Month after month is closed as then known. All that was closed and posted sums, line by line and cause by cause, to what is known at the last close."""
    months = [
        m for m in CLOSED_AT if history[0].plan.terms[0].valid_from < parse_period(m).span.end
    ]
    with tempfile.TemporaryDirectory() as folder:
        store, before = Store(Path(folder) / "ws"), datetime.min
        was: dict[str, Any] = {}
        for month in months:
            facts_of(store, history, CLOSED_AT[month], before)
            before = CLOSED_AT[month]
            close(store, parse_period(month), before)
            for earlier, statements in was.items():
                assert _statements(store, earlier) == statements, "a closed statement changed"
            was[month] = _statements(store, month)
        sums: dict[Any, Decimal] = defaultdict(Decimal)
        for one in closes(store):
            for key, (amount, _) in _amounts(
                facts_as_of(store, one.known), one.period, one.known
            ).items():
                sums[key] += amount
            for d in posted(store, one):
                sums[d.month, d.plan_id, d.payee, d.what, d.component, d.period] += d.amount
        whole = parse_period(f"{months[0]}/{months[-1]}")
        last = {k: v for k, (v, _) in _amounts(facts_as_of(store, before), whole, before).items()}
        assert {k: v for k, v in sums.items() if v} == last
        assert not store.broken()
        _bundles(store, months[-1], Path(folder))


def _statements(store: Store, month: str) -> Any:
    run = settle_period(store, parse_period(month)).run
    return [
        sorted(map(str, run.engine.table(name).to_pylist()))
        for name in ("statement_lines", "payments", "payouts", "statement_credits")
    ], run.booked


def _bundles(store: Store, month: str, folder: Path) -> None:
    """Everybody's bundle of the last month verifies."""
    run = settle_period(store, parse_period(month)).run
    for payee in sorted({r["payee"] for r in run.engine.table("statements").to_pylist()})[:2]:
        make_bundle(store, payee, parse_period(month), folder / "bundle.zip")
        verify(folder / "bundle.zip")


@some
@given(histories())
def test_when_a_charge_became_known_does_not_matter_in_the_end(history: Any) -> None:
    """Charges known late give, with their differences, what they would have given had they been known in time."""
    with tempfile.TemporaryDirectory() as folder:
        late, early = Store(Path(folder) / "late"), Store(Path(folder) / "early")
        facts_of(late, history, MOMENTS[-1])
        facts_of(early, history, MOMENTS[-1], known=START)
        period = parse_period("2024-01/2024-03")
        assert _amounts(facts_as_of(late, MOMENTS[-1]), period, MOMENTS[-1]) == _amounts(
            facts_as_of(early, MOMENTS[-1]), period, MOMENTS[-1]
        )
        found = differences(late, period, START, MOMENTS[-1])
        start, end = (_amounts(facts_as_of(late, m), period, m) for m in (START, MOMENTS[-1]))
        for key in {*start, *end}:
            mine = [
                d.amount
                for d in found
                if (d.month, d.plan_id, d.payee, d.what, d.component, d.period) == key
            ]
            assert (
                start.get(key, (Decimal(0), ""))[0] + sum(mine, Decimal(0))
                == end.get(key, (Decimal(0), ""))[0]
            )
        *_, last = [None, *late_arriving_facts(late, period, START, MOMENTS[-1])]
        if last:
            assert _amounts(last.facts, period, MOMENTS[-1]) == end
