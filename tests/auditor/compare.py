"""Holds a run of the engine to the auditor's answer, to the last digit."""

from __future__ import annotations

import tempfile
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Context, Decimal, localcontext
from pathlib import Path
from typing import Any

import pyarrow as pa

from fenrun.base.ids import digest, short
from fenrun.base.when import AsOf, parse_period
from fenrun.book.as_of import Sources, sources_from
from fenrun.book.read import Book
from fenrun.charges.facts import billing_facts, stored_facts
from fenrun.charges.stored import load_charges, write_charges
from fenrun.credit.stored_charges import Source
from fenrun.engine.duckdb import DuckDB
from fenrun.engine.runner import Bulk
from fenrun.plan.read import plan_as_of
from fenrun.plan.rows import Plan
from fenrun.settle.pipeline import settle
from fenrun.statement.run import ALL_DECIMALS, Rounding, Run
from fenrun.store.digests import digests
from fenrun.store.facts import Import
from fenrun.whatif.cases import charge_table
from tests.auditor import agreed
from tests.auditor.auditor import Answer, audit
from tests.auditor.auditor import Book as Facts

KNOWN = datetime(2024, 1, 1)
"""Knowledge time of every run: table versions published later are unknown."""

TABLES = (
    "credited",
    "earnings",
    "exchanges",
    "funds",
    "ledger",
    "not_counted",
    "payments",
    "payouts",
    "statement_credits",
    "statement_lines",
    "waiting",
)


Books = Sequence[tuple[datetime, Book]]


def run_engine(
    charges: list[dict[str, Any]],
    books: Books,
    plans: Sequence[Plan],
    period: str,
    in_bulk: bool = False,
    engine: DuckDB | None = None,
    more: Sources = (),
) -> Run:
    """Settle charges (mappings of FOCUS columns, with timestamps) under plans.

    By SQLite where it can, or by DuckDB `in_bulk`; in the engine given, or a new one.
    """
    with tempfile.TemporaryDirectory() as folder:
        return run_in(Path(folder), charges, books, plans, period, in_bulk, engine, more)


def run_in(
    folder: Path,
    charges: list[dict[str, Any]],
    books: Books,
    plans: Sequence[Plan],
    period: str,
    in_bulk: bool = False,
    engine: DuckDB | None = None,
    more: Sources = (),
) -> Run:
    """Settle as run_engine does, over charges that are stored in a folder, as of two files."""
    engine, whole = engine or DuckDB(), parse_period(period)
    connection = engine.connection
    make = (lambda: Bulk(connection)) if in_bulk else None
    as_of = AsOf(whole.last_day, KNOWN)
    files = [stored(charges[n::2], folder / str(n), n) for n in range(2) if charges[n::2]]
    load_charges(engine, "charges", files)
    book = [*sources_of(books), *more]
    return settle(engine, Source(files), book, plans, whole, as_of, make=make)


def stored(charges: list[dict[str, Any]], folder: Path, number: int) -> Import:
    """Store charges in a folder, as an import does."""
    folder.mkdir()
    content = digest("charges", number)
    table = charge_table(charges)
    import_id = pa.array([short(content)] * len(charges))
    table = table.set_column(table.schema.get_field_index("import_id"), "import_id", import_id)
    write_charges(folder, table)
    facts = {"rows": table.num_rows, **billing_facts(table), **stored_facts(folder)}
    name, files = f"charges-{number}.csv", digests(folder)
    return Import(content, "charges", name, KNOWN, folder, facts, files=files)


def sources_of(books: Books) -> Sources:
    """Return the sources of some books, each known from a moment."""
    return [
        source
        for number, (known, book) in enumerate(books)
        for source in sources_from(book, f"book-{number}", known)
    ]


def answers_for(
    charges: list[dict[str, Any]],
    books: Sequence[tuple[datetime, Book]],
    plans: Sequence[Plan],
    period: str,
    known: datetime = KNOWN,
    terms: agreed.Rows = (),
    rounding: Rounding = ALL_DECIMALS,
) -> dict[str, Answer]:
    """The auditor's answers to the same question, by plan; on the decimals that a run says."""
    span = parse_period(period).span
    book = Facts(
        [(since, row) for since, one in books for rows in one.tables().values() for row in rows],
        terms,
    )
    with localcontext(Context(prec=100)):  # whatever other tests of the process have set
        return {
            plan.id: audit(
                charges,
                book,
                plan_as_of(plan, known.date()),
                (span.start, span.end),
                rounding.costs.get(plan.id),
                rounding.measures.get(plan.id),
            )
            for plan in plans
        }


def differences(run: Run, answers: dict[str, Answer]) -> list[str]:
    """Everything in which engine and auditor differ; empty where they agree."""
    tables = {name: run.engine.table(name).to_pylist() for name in TABLES}
    return [
        f"{plan_id}: {difference}"
        for plan_id, answer in answers.items()
        for difference in _differences(_Found(run, plan_id, tables), answer)
    ]


def _differences(found: _Found, answer: Answer) -> list[str]:
    # An override of nothing is a line of the statement; other entries of nothing are not made.
    entries = {k: v for k, v in answer.entries.items() if v or k[3] == "override"}
    not_counted = {k: v for k, v in answer.not_counted.items() if v}
    return [
        *_compare("earned", found.own(), answer.own),
        *_compare("entry", found.entries(), entries),
        *_compare("line", found.lines(), _lines(answer)),
        *_compare("credited", found.credited(), answer.credited),
        *_compare("credited by link", found.by_link(), answer.by_link),
        *_compare("not counted", found.not_counted(), not_counted),
        *_compare("uncredited", found.uncredited(), answer.uncredited),
        *_compare("payout", found.payouts(), answer.payouts),
        *_compare("payment", found.payments(), answer.payments),
        *_compare("exchange", found.exchanges(), answer.exchanges),
        *_compare("fund", found.funds(), answer.funds),
        *_compare("waiting", found.waiting(), {k: v for k, v in answer.waiting.items() if v}),
    ]


def _lines(answer: Answer) -> dict[Any, Decimal]:
    """What the auditor says line by line: by component, payee and period."""
    sums: dict[Any, Decimal] = defaultdict(Decimal)
    for (component, payee, period, _), (amount, _) in answer.own.items():
        sums[component, payee, period] += amount
    for (component, payee, period, _), amount in answer.entries.items():
        sums[component, payee, period] += amount
    return sums


@dataclass(frozen=True)
class _Found:
    """What a run says of one plan, under the keys of the auditor's answer."""

    run: Run
    plan_id: str
    tables: dict[str, list[dict[str, Any]]]

    def _rows(self, table: str, month: str = "") -> list[dict[str, Any]]:
        """The plan's rows of a table; with a column `month`, those of the run's period."""
        span = self.run.period.span
        mine = [row for row in self.tables[table] if row["plan_id"] == self.plan_id]
        return [row for row in mine if not month or span.start <= row[month] < span.end]

    def own(self) -> dict[Any, Any]:
        rows = [row for row in self._rows("earnings", "paid_month") if row["step_no"] == 0]
        keys = ("component", "payee", "period", "unit")
        return {_key(row, keys): (row["earned"], row["reason"]) for row in rows}

    def entries(self) -> dict[Any, Any]:
        rows = [row for row in self._rows("earnings", "paid_month") if row["step_no"]]
        return _summed(rows, ("component", "payee", "period", "reason"), "earned")

    def lines(self) -> dict[Any, Any]:
        keys = ("component", "payee", "period")
        return {_key(row, keys): row["earned"] for row in self._rows("statement_lines")}

    def credited(self) -> dict[Any, Any]:
        return _summed(self._rows("statement_credits"), ("month", "payee", "role"), "credited")

    def by_link(self) -> dict[Any, Any]:
        keys = ("month", "payee", "role", "kind", "customer", "via", "link_id")
        return {_key(row, keys): (row["amount"], row["charges"]) for row in self._rows("credited")}

    def not_counted(self) -> dict[Any, Any]:
        keys = ("component", "payee", "rule")
        return {_key(row, keys): row["amount"] for row in self._rows("not_counted")}

    def uncredited(self) -> dict[Any, Any]:
        return {row["month"]: row["uncredited"] for row in self._rows("ledger")}

    def payouts(self) -> dict[Any, Any]:
        columns = ("due", "brought", "expired", "drawn", "recovered", "balance", "paid", "carried")
        rows = self._rows("payouts", "month")
        return {_key(row, ("payee", "month")): _key(row, columns) for row in rows}

    def waiting(self) -> dict[Any, Any]:
        keys = ("component", "payee", "unit")
        return {_key(row, keys): row["amount"] for row in self._rows("waiting")}

    def funds(self) -> dict[Any, Any]:
        columns = ("brought", "accrued", "over", "claimed", "granted", "lapsed", "balance")
        rows = self._rows("funds", "month")
        return {_key(row, ("payee", "month", "form")): _key(row, columns) for row in rows}

    def exchanges(self) -> dict[Any, Any]:
        keys, columns = ("payee", "month", "form"), ("currency", "rate", "paid")
        rows = self._rows("exchanges", "month")
        return {_key(row, keys): _key(row, columns) for row in rows}

    def payments(self) -> dict[Any, Any]:
        keys = ("payee", "month", "form")
        rows = self._rows("payments", "month")
        return {_key(row, keys): (row["amount"], row["paid"]) for row in rows}


def _key(row: dict[str, Any], columns: Sequence[str]) -> tuple[Any, ...]:
    return tuple(row[column] for column in columns)


def _summed(rows: list[dict[str, Any]], keys: Sequence[str], value: str) -> dict[Any, Decimal]:
    sums: dict[Any, Decimal] = defaultdict(Decimal)
    for row in rows:
        sums[_key(row, keys)] += row[value]
    return sums


def _compare(what: str, mine: dict[Any, Any], theirs: dict[Any, Any]) -> list[str]:
    return [
        f"{what} {key}: engine {mine.get(key)}, auditor {theirs.get(key)}"
        for key in sorted({*mine, *theirs}, key=str)
        if mine.get(key) != theirs.get(key)
    ]
