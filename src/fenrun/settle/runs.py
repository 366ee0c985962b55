"""Settle a period of a workspace and keep the run, or take up the one that is kept."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import pyarrow.parquet as pq

from fenrun.base.ids import digest, short
from fenrun.base.problem import Place, Problem, Refused
from fenrun.base.when import AsOf, Period, show_moment
from fenrun.book.as_of import sources_of
from fenrun.charges.read import load_charges
from fenrun.charges.rows import empty_schema
from fenrun.credit.from_charges import load_plan_rows
from fenrun.engine.duckdb import DuckDB
from fenrun.plan.read import plan_as_of
from fenrun.plan.rows import Plan
from fenrun.settle.facts import Facts, in_force, knowledge_time, plans_as_of
from fenrun.statement.run import Run
from fenrun.store.facts import Import, Store, manifest

ENGINE_VERSION = "7"
"""Part of every run's id: raised whenever the same facts and plans could settle otherwise."""

KEPT = (
    "parties",
    "registered",
    "extent",
    "corrected",
    "spans",
    "groups",
    "customers",
    "credits",
    "uncredited",
    "qualifying_amounts",
    "tier_earnings",
    "earnings",
    "held_back",
    "payouts",
    "payments",
    "statement_lines",
    "statement_credits",
    "statements",
    "ledger",
)

"""The tables of a run that are kept, in an order of their own: the same run gives the same bytes."""


@dataclass(frozen=True)
class Settled:
    """A run that is kept in the workspace."""

    run_id: str
    run: Run


def settle_workspace(
    store: Store,
    period: Period,
    known: datetime | None = None,
    only: Sequence[str] = (),
    progress: Callable[[str], None] = lambda name: None,
) -> Settled:
    """Settle a period of a workspace as known at a moment (by default: all it knows), or take up the run that did so before.

    Raises Refused where there is no plan or no charge for the period, or the run cannot be trusted.
    """
    moment = knowledge_time(store, known)
    files = [f for f in plans_as_of(store, moment) if not only or f.plan.id in only]
    plans = in_force([plan_as_of(f.plan, moment.date()) for f in files], period)
    if not plans:
        raise Refused([Problem("plan-missing", Place(str(store.path)), {"period": period.key})])
    charges, book = store.imports("charges", moment), store.imports("book", moment)
    run_id = digest(
        "run",
        ENGINE_VERSION,
        period.key,
        [i.id for i in charges],
        [(i.id, show_moment(i.known)) for i in book],
        [
            (
                p.terms[0].money,
                p.terms[0].words,
                sorted({(b.table_id, str(b.valid_from), str(b.published)) for b in p.bands}),
            )
            for p in plans
        ],
    )
    kept = store.find("runs", run_id)
    if kept:
        return Settled(short(run_id), _kept_run(kept, plans, period, moment, charges))
    run = Facts(tuple(charges), sources_of(book), plans).settle(period, moment, progress)
    due = run.engine.query(
        "SELECT 1 FROM payments WHERE month >= ? AND month < ? LIMIT 1",
        [period.span.start, period.span.end],
    ).num_rows
    if not due and not run.engine.table("ledger").num_rows:
        raise Refused([Problem("charges-missing", Place(str(store.path)), {"period": period.key})])

    def write(folder: Path) -> None:
        for name in KEPT:
            pq.write_table(
                run.engine.query(f'FROM "{name}" ORDER BY ALL'),
                folder / f"{name}.parquet",
                compression="zstd",
            )

    store.add(
        "runs",
        run_id,
        manifest(period.key, moment, {"plans": [p.id for p in plans]}, run.problems),
        write,
    )
    if not isinstance(run.engine, DuckDB) and (
        written := store.find("runs", run_id)
    ):  # what is settled elsewhere is read here
        run = _kept_run(written, plans, period, moment, charges)
    return Settled(short(run_id), run)


def _kept_run(
    kept: Import, plans: Sequence[Plan], period: Period, known: datetime, charges: Sequence[Import]
) -> Run:
    engine = DuckDB()
    load_charges(engine, "charges", charges)
    for name in KEPT:
        engine.load_files(name, [kept.folder / f"{name}.parquet"], empty_schema())
    load_plan_rows(engine, plans)
    return Run(
        engine,
        tuple(plans),
        period,
        AsOf(period.last_day, known),
        kept.problems,
        {short(i.id): i.source for i in charges},
    )
