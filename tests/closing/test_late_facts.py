"""What is closed stays closed, and what is learnt later makes it whole: on random histories."""

from __future__ import annotations

import tempfile
from collections import defaultdict
from dataclasses import dataclass, replace
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
from fenrun.charges.facts import billing_facts
from fenrun.charges.stored import write_charges
from fenrun.closing import close as closing
from fenrun.closing.close import booked, close, closes, settle_period
from fenrun.closing.differences import amounts, differences, late_arriving_facts
from fenrun.plan.read import PlanFile
from fenrun.proof.bundle import make_bundle
from fenrun.proof.verify import verify
from fenrun.settle.facts import Facts, facts_as_of, in_force
from fenrun.store.facts import Store, manifest
from fenrun.whatif.cases import charge_table
from tests.properties import worlds
from tests.properties.plans import plan, shared_terms

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
COSTS = ("BilledCost", "ListCost", "ContractedCost", "EffectiveCost")


def _known_from_the_start(month: int) -> dict[str, Any]:
    """A charge of a month, so that there is something to settle in each."""
    return {
        "InvoiceIssuerName": "Cloud",
        "BillingAccountId": "A1",
        "BillingCurrency": "CNY",
        "ChargePeriodStart": datetime(2024, month, 9),
        "BillingPeriodStart": datetime(2024, month, 1),
        **dict.fromkeys(COSTS, Decimal(120)),
        "ServiceName": "Compute",
        "ResourceId": None,
        "x_Cash": "120",
        "x_OrderId": None,
        "SubAccountId": None,
    }


BASE = [_known_from_the_start(month) for month in (1, 2, 3)]
some = settings(max_examples=max(2, (settings.default or settings()).max_examples // 3))
"""Histories are settled many times each: there are fewer of them, of several plans each."""


@pytest.fixture(autouse=True)
def _any_world(monkeypatch: pytest.MonkeyPatch) -> None:
    """Random books contradict themselves; whether that forbids a close is not the question here."""
    monkeypatch.setattr(closing, "ERROR", "nothing")


def _amounts(store: Store, period: Period, known: datetime) -> dict[Any, Decimal]:
    """What is earned and paid, settled anew over what was known at a moment."""
    return _of_facts(facts_as_of(store, known), period, known)


def _of_facts(facts: Facts, period: Period, known: datetime) -> dict[Any, Decimal]:
    facts = replace(facts, plans=in_force(facts.plans, period))
    found = amounts(facts.settle(period, known)) if facts.plans else {}
    return {key: amount for key, (amount, _) in found.items()}


def load_charges(store: Store, rows: list[dict[str, Any]], known: datetime, name: str) -> None:
    """Import charges as they are, past the reading of files."""
    content = digest("charges", name, [str(row) for row in rows])
    table = charge_table(rows)
    import_id = pa.array([short(content)] * len(rows))
    table = table.set_column(table.schema.get_field_index("import_id"), "import_id", import_id)
    facts = {**billing_facts(table), "rows": len(rows), "quarantined": 0}
    said = manifest(name, known, facts, ())
    store.add("charges", content, said, lambda folder: write_charges(folder, table))


def load_book(store: Store, book: Book, known: datetime, name: str) -> None:
    """Import a book as it is."""

    def write(folder: Path) -> None:
        for table, rows in book.tables().items():
            pq.write_table(from_rows(TABLES[table], rows), folder / f"{table}.parquet")

    content = digest("book", name, [str(r) for rows in book.tables().values() for r in rows])
    store.add("book", content, manifest(name, known, {}, ()), write)


def load_plan_text(store: Store, file: PlanFile, known: datetime, name: str) -> None:
    """Import a plan as it is."""
    store.add(
        "plans",
        digest("plan", file.content),
        manifest(name, known, {"plan": file.plan.id}, ()),
        lambda folder: (folder / "plan.yaml").write_text(file.content, "utf-8"),
    )


@dataclass(frozen=True)
class History:
    """What becomes known when."""

    plans: list[PlanFile]
    """Known from the start."""
    charges: list[tuple[datetime, list[dict[str, Any]]]]
    """Charges on some days between the closes."""
    books: list[tuple[datetime, Book]]
    """A book from the start, perhaps another one later."""
    changed: tuple[datetime, PlanFile] | None
    """Perhaps a change of the first plan."""

    @property
    def months(self) -> list[str]:
        """The months that can be closed: those in which a plan is in force."""
        start = min(file.plan.terms[0].valid_from for file in self.plans)
        return [month for month in CLOSED_AT if start < parse_period(month).span.end]


@st.composite
def histories(draw: st.DrawFn) -> History:
    """A history of one plan, or of several that are settled together."""
    moments = st.sampled_from(MOMENTS)
    shared = draw(shared_terms())
    count = draw(st.sampled_from((1, 3, 3)))
    files = [draw(plan(f"random-{number}", shared)) for number in range(1, count + 1)]
    late = [(draw(moments), draw(worlds.charges)) for _ in range(draw(st.integers(1, 2)))]
    books = [(START, draw(worlds.book()))]
    if draw(st.booleans()):
        books.append((draw(moments), draw(worlds.book())))
    changes = draw(st.integers(1, 4)) == 4
    changed = (draw(moments), draw(plan("random-1", shared))) if changes else None
    return History(files, late, books, changed)


def facts_of(
    store: Store,
    history: History,
    until: datetime,
    after: datetime = datetime.min,
    known: datetime | None = None,
) -> None:
    """Import what becomes known after one moment and by another.

    Charges are known from then, or all of them from `known`.
    """
    if after < START <= until:
        for number, file in enumerate(history.plans):
            load_plan_text(store, file, START, f"plan-{number}.yaml")
        load_charges(store, BASE, START, "base.csv")
    for number, (moment, rows) in enumerate(history.charges):
        if after < moment <= until:
            load_charges(store, _corrected(rows), known or moment, f"charges-{number}.csv")
    for number, (moment, book) in enumerate(history.books):
        if after < moment <= until:
            load_book(store, book, moment, f"book-{number}.csv")
    if history.changed and after < history.changed[0] <= until:
        load_plan_text(store, history.changed[1], history.changed[0], "plan-changed.yaml")


def _corrected(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The charges, every fifth a correction."""
    classes = ("Correction", None, None, None, None)
    return [{**row, "ChargeClass": classes[n % 5]} for n, row in enumerate(rows)]


@pytest.mark.in_turn(3)
@some
@given(histories())
def test_closed_statements_and_their_differences_are_what_is_known_at_last(
    history: History,
) -> None:
    """Month after month is closed as then known.

    All that was closed and booked sums, line by line and cause by cause, to what is known at the
    last close.
    """
    with tempfile.TemporaryDirectory() as folder:
        store = Store(Path(folder) / "ws")
        _close_month_by_month(store, history)
        sums: dict[Any, Decimal] = defaultdict(Decimal)
        for one in closes(store):
            for key, amount in _amounts(store, one.period, one.known).items():
                sums[key] += amount
            for d in booked(store, one):
                sums[d.month, d.plan_id, d.payee, d.what, d.component, d.period] += d.amount
        first, last = history.months[0], history.months[-1]
        whole = parse_period(f"{first}/{last}")
        assert {k: v for k, v in sums.items() if v} == _amounts(store, whole, CLOSED_AT[last])
        assert not store.broken()
        _bundle(store, last, Path(folder))


def _close_month_by_month(store: Store, history: History) -> None:
    """Import what is known by each close, and close; what was closed before does not change."""
    before = datetime.min
    was: dict[str, Any] = {}
    for month in history.months:
        facts_of(store, history, CLOSED_AT[month], before)
        before = CLOSED_AT[month]
        close(store, parse_period(month), before, first=True)
        for earlier, statements in was.items():
            assert _statements(store, earlier) == statements, "a closed statement changed"
        was[month] = _statements(store, month)


def _statements(store: Store, month: str) -> Any:
    """Everything on the statements of a month, and what is booked on them."""
    run = settle_period(store, parse_period(month)).run
    tables = ("statement_lines", "payments", "payouts", "statement_credits")
    return [sorted(map(str, run.engine.table(name).to_pylist())) for name in tables], run.booked


def _bundle(store: Store, month: str, folder: Path) -> None:
    """The bundle of somebody who is paid in the last month verifies."""
    run = settle_period(store, parse_period(month)).run
    payees = {row["payee"] for row in run.engine.table("statements").to_pylist()}
    for payee in sorted(payees)[:1]:
        make_bundle(store, payee, parse_period(month), folder / "bundle.zip")
        verify(folder / "bundle.zip")


@pytest.mark.in_turn(3)
@some
@given(histories())
def test_when_a_charge_became_known_does_not_matter_in_the_end(history: History) -> None:
    """Charges known late, with their differences, give what they would have given in time."""
    end = MOMENTS[-1]
    period = parse_period("2024-01/2024-03")
    with tempfile.TemporaryDirectory() as folder:
        late, early = Store(Path(folder) / "late"), Store(Path(folder) / "early")
        facts_of(late, history, end)
        facts_of(early, history, end, known=START)
        at_first, at_last = _amounts(late, period, START), _amounts(late, period, end)
        assert at_last == _amounts(early, period, end)
        changed: dict[Any, Decimal] = defaultdict(Decimal, at_first)
        for d in differences(late, period, START, end):
            changed[d.month, d.plan_id, d.payee, d.what, d.component, d.period] += d.amount
        assert {k: v for k, v in changed.items() if v} == {k: v for k, v in at_last.items() if v}
        arrivals = list(late_arriving_facts(late, period, START, end))
        if arrivals:
            assert _of_facts(arrivals[-1].facts, period, end) == at_last
