"""Holds a run of the engine to the auditor's answer, to the last digit."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

from fenrun.base.when import AsOf, parse_period
from fenrun.book.as_of import load_book, sources_from
from fenrun.book.read import Book
from fenrun.engine.duckdb import DuckDB
from fenrun.plan.read import plan_as_of
from fenrun.plan.rows import Plan
from fenrun.settle.pipeline import settle
from fenrun.statement.run import Run
from fenrun.whatif.cases import charge_table
from tests.auditor.auditor import Answer, audit

KNOWN = datetime(2024, 1, 1)
"""The second clock of every run: table versions published later are unknown."""


def run_engine(
    charges: list[dict[str, Any]],
    books: Sequence[tuple[datetime, Book]],
    plan: Plan | list[Plan],
    period: str,
) -> Run:
    """Settle charges (mappings of FOCUS columns, with timestamps) under a plan or several, in memory."""
    engine = DuckDB()
    load_book(
        engine,
        [
            s
            for n, (known, book) in enumerate(books)
            for s in sources_from(book, f"book-{n}", known)
        ],
    )
    engine.load("charges", charge_table(charges))
    span = parse_period(period)
    return settle(
        engine, plan if isinstance(plan, list) else [plan], span, AsOf(span.last_day, KNOWN)
    )


def answer_for(
    charges: list[dict[str, Any]],
    books: Sequence[tuple[datetime, Book]],
    plan: Plan,
    period: str,
    known: datetime = KNOWN,
) -> Answer:
    """The auditor's answer to the same question."""
    span = parse_period(period).span
    facts = [
        (since, row) for since, book in books for rows in book.tables().values() for row in rows
    ]
    return audit(charges, facts, plan_as_of(plan, known.date()), (span.start, span.end))


def differences(run: Run, answer: Answer) -> list[str]:
    """Everything in which engine and auditor differ; empty where they agree."""
    engine, span = run.engine, run.period.span
    rows = [
        r for r in engine.table("earnings").to_pylist() if span.start <= r["paid_month"] < span.end
    ]
    own = {
        (r["component"], r["payee"], r["period"], r["unit"]): (r["earned"], r["reason"])
        for r in rows
        if r["step_no"] == 0
    }
    entries: dict[tuple[str, str, str, str], Decimal] = {}
    for r in (r for r in rows if r["step_no"]):
        key = (r["component"], r["payee"], r["period"], r["reason"])
        entries[key] = entries.get(key, Decimal(0)) + r["earned"]
    sums: dict[tuple[Any, str, str], Decimal] = {}
    for r in engine.table("statement_credits").to_pylist():
        credit = (r["month"], r["payee"], r["role"])
        sums[credit] = sums.get(credit, Decimal(0)) + r["credited"]
    uncredited = {r["month"]: r["uncredited"] for r in engine.table("ledger").to_pylist()}
    lines: dict[tuple[str, str, str], Decimal] = {}
    for (component, payee, period, _), amount in [
        *((k, v[0]) for k, v in answer.own.items()),
        *answer.entries.items(),
    ]:
        lines[component, payee, period] = lines.get((component, payee, period), Decimal(0)) + amount
    said = {
        (r["component"], r["payee"], r["period"]): r["earned"]
        for r in engine.table("statement_lines").to_pylist()
    }
    columns = ("due", "brought", "expired", "drawn", "recovered", "balance", "paid", "carried")
    payouts = {
        (r["payee"], r["month"]): tuple(r[c] for c in columns)
        for r in engine.table("payouts").to_pylist()
        if span.start <= r["month"] < span.end
    }
    payments = {
        (r["payee"], r["month"], r["form"]): (r["amount"], r["paid"])
        for r in engine.table("payments").to_pylist()
        if span.start <= r["month"] < span.end
    }
    zero = {k: v for k, v in answer.entries.items() if v or k[3] == "override"}
    return [
        *_compare("earned", own, answer.own),
        *_compare("entry", entries, zero),
        *_compare("line", said, lines),
        *_compare("credited", sums, answer.credited),
        *_compare("uncredited", uncredited, answer.uncredited),
        *_compare("payout", payouts, answer.payouts),
        *_compare("payment", payments, answer.payments),
    ]


def _compare(what: str, mine: dict[Any, Any], theirs: dict[Any, Any]) -> list[str]:
    return [
        f"{what} {key}: engine {mine.get(key)}, auditor {theirs.get(key)}"
        for key in sorted({*mine, *theirs}, key=str)
        if mine.get(key) != theirs.get(key)
    ]
