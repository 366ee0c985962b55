"""Holds a run of the engine to the auditor's answer, to the last digit."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

from fenrun.base.when import AsOf, parse_period
from fenrun.book.as_known import put_book, sources_from
from fenrun.book.read import Book
from fenrun.cases import charge_table
from fenrun.engine.duckdb import DuckDB
from fenrun.pipeline import settle
from fenrun.plan.rows import Plan
from fenrun.statement.run import Run
from tests.auditor.auditor import Answer, audit

KNOWN = datetime(2024, 1, 1)


def run_engine(charges: list[dict[str, Any]], books: Sequence[tuple[datetime, Book]], plan: Plan, period: str) -> Run:
    """Settle charges (mappings of FOCUS columns, with timestamps) under a plan, in memory."""
    engine = DuckDB()
    put_book(engine, [s for n, (known, book) in enumerate(books) for s in sources_from(book, f"book-{n}", known)])
    engine.put("charges", charge_table(charges))
    span = parse_period(period)
    return settle(engine, [plan], span, AsOf(span.last_day, KNOWN))


def answer_for(charges: list[dict[str, Any]], books: Sequence[tuple[datetime, Book]], plan: Plan, period: str) -> Answer:
    """The auditor's answer to the same question."""
    span = parse_period(period).span
    facts = [(known, row) for known, book in books for rows in book.tables().values() for row in rows]
    return audit(charges, facts, plan, (span.start, span.end))


def differences(run: Run, answer: Answer) -> list[str]:
    """Everything in which engine and auditor differ; empty where they agree."""
    engine = run.engine
    earned = {(r["component"], r["payee"], r["period"]): r["earned"] for r in engine.table("earnings").to_pylist()}
    reasons = {(r["component"], r["payee"], r["period"]): r["reason"] for r in engine.table("earnings").to_pylist()}
    sums: dict[tuple[Any, str, str], Decimal] = {}
    for r in engine.table("statement_credits").to_pylist():
        key = (r["month"], r["payee"], r["role"])
        sums[key] = sums.get(key, Decimal(0)) + r["credited"]
    uncredited = {r["month"]: r["uncredited"] for r in engine.table("ledger").to_pylist()}
    return [*_compare("earned", earned, answer.earned), *_compare("reason", reasons, answer.reasons), *_compare("credited", sums, answer.credited),
            *_compare("uncredited", uncredited, answer.uncredited)]


def _compare(what: str, mine: dict[Any, Any], theirs: dict[Any, Any]) -> list[str]:
    return [f"{what} {key}: engine {mine.get(key)}, auditor {theirs.get(key)}" for key in sorted({*mine, *theirs}, key=str) if mine.get(key) != theirs.get(key)]
