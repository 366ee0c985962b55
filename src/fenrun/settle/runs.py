"""Settle a period of a workspace and keep the run, or take up the one that is kept."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cache, partial
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from fenrun.base.ids import digest, short
from fenrun.base.problem import Place, in_order, refused
from fenrun.base.when import AsOf, Period, show_moment
from fenrun.book.as_of import Sources, sources_of
from fenrun.credit.stored_charges import Source, billed_in
from fenrun.earn.calendar import charged
from fenrun.engine.duckdb import DuckDB
from fenrun.plan.read import plan_as_of
from fenrun.plan.rows import Plan
from fenrun.settle.deciding_terms import sources_read
from fenrun.settle.deliveries import undecided
from fenrun.settle.facts import (
    Facts,
    events_read,
    in_force,
    kept_months,
    knowledge_time,
    plans_as_of,
    terms_read,
    with_terms,
)
from fenrun.settle.inspection import Inspection
from fenrun.settle.results import ADDED, ENGINE_VERSION, KEPT
from fenrun.settle.row_order import ordered
from fenrun.statement.run import Run
from fenrun.store.digests import digests
from fenrun.store.facts import Import, Store, manifest, verified
from fenrun.terms.used_up import Cuts


@dataclass(frozen=True)
class Settled:
    """A run that is kept in the workspace."""

    run_id: str
    run: Run


@dataclass(frozen=True)
class _Basis:
    """All that a run rests on."""

    plans: tuple[Plan, ...]
    charges: tuple[Import, ...]
    book: tuple[Import, ...]
    terms: tuple[Import, ...]
    """Those of plans that read any; else none."""
    events: tuple[Import, ...]
    """The same of events."""
    period: Period
    known: datetime

    def run_id(self) -> str:
        """Return the run's id: equal for equal facts under plans that pay and say the same."""
        return digest(
            "run",
            ENGINE_VERSION,
            self.period.key,
            [item.id for item in self.charges],
            _ids(self.book),
            [_plan_key(plan) for plan in self.plans],
            *(_ids(items) for items in (self.terms, self.events) if items),
        )

    def facts(self) -> Facts:
        """Return the same as facts, of which nothing is kept. Raises Refused for edited files."""
        items = (self.book, self.terms, self.events)
        book, terms, events = (sources_of(verified(one)) for one in items)
        return Facts(self.charges, book, self.plans, terms=terms, events=events)

    def cuts(self, plan: Plan) -> Cuts:
        """Return where charges use up amounts of terms. Raises Refused for edited files."""
        return self.facts().cuts(plan)

    def whole_book(self) -> Sources:
        """Return the book with what is counted from agreements, and what plans ask of events."""
        facts = self.facts()
        return [*facts.agreed_book, *facts.figures(self.period)]


def _ids(items: Sequence[Import]) -> list[tuple[str, str]]:
    return [(item.id, show_moment(item.known)) for item in items]


def _plan_key(plan: Plan) -> tuple[object, ...]:
    """Return all by which a plan can settle otherwise: its digests, and its table versions."""
    terms = plan.terms[0]
    versions = {(b.table_id, str(b.valid_from), str(b.published)) for b in plan.bands}
    return terms.money, terms.words, sorted(versions)


def settle_workspace(
    store: Store,
    period: Period,
    known: datetime | None = None,
    only: Sequence[str] = (),
    progress: Callable[[str], None] = lambda name: None,
    inspection: Inspection | None = None,
    without_charges: bool = False,
) -> Settled:
    """Settle a period of a workspace, or take up the run that did so before.

    It is settled as known at a moment (by default: all it knows), under all plans in force or
    `only` those with the ids given. For an `inspection` it is settled anew. What is open about the
    deliveries stands among its problems. Raises Refused where there is no plan or (but for
    `without_charges`) no charge for the period, or what it rests on cannot be trusted.
    """
    basis = _basis(store, period, knowledge_time(store, known), only)
    run_id = basis.run_id()
    kept = store.find("runs", run_id)
    if kept and not inspection:
        facts = (*basis.book, *basis.terms, *basis.events)
        verified([kept, *facts, *billed_in(basis.charges, charged(basis.plans, period))])
        return _with_open(store, Settled(short(run_id), _kept_run(kept, basis)))
    whole = replace(basis.facts(), kept=kept_months(store))
    settle = inspection.settle if inspection else Facts.settle
    run = settle(whole, period, basis.known, progress)
    if not without_charges:
        _refuse_without_business(store, run)
    if not kept:
        store.add("runs", run_id, _said(basis, run), lambda folder: _write(run, folder))
    return _with_open(store, Settled(short(run_id), run))


def _with_open(store: Store, settled: Settled, for_good: bool = False) -> Settled:
    """Return a settlement with what is open about the deliveries among its problems.

    The run that is kept does not have it: it is decided without settling anew.
    """
    run = settled.run
    found = undecided(store, run.as_of.known, run.period, for_good)
    problems = tuple(in_order([*run.problems, *found])) if found else run.problems
    return replace(settled, run=replace(run, problems=problems))


def settle_for_good(
    store: Store,
    period: Period,
    known: datetime,
    progress: Callable[[str], None],
    without_charges: bool = False,
) -> Settled:
    """Settle a period as `settle_workspace` does, by its facts alone: nothing that is kept counts.

    A run that is kept of the same must say the very same; what lines measure of each customer is
    in the run's engine besides. Raises Refused, also where it does not.
    """
    basis = _basis(store, period, known, ())
    run_id = basis.run_id()
    run = basis.facts().settle(period, known, progress, by_customer=True)
    if not without_charges:
        _refuse_without_business(store, run)
    with tempfile.TemporaryDirectory(prefix="fenrun-run-") as scratch:
        _write(run, Path(scratch))
        write = partial(shutil.copytree, scratch, dirs_exist_ok=True)
        folder = store.add("runs", run_id, _said(basis, run), write)
        anew, kept = (_tables(path) for path in (Path(scratch), folder))
    names = sorted(anew.keys() | kept.keys())
    differing = [name for name in names if anew.get(name) != kept.get(name)]
    if differing:
        place = Place(f"runs/{folder.name}")
        raise refused("kept-differs", place, period=period.key, tables=", ".join(differing))
    return _with_open(store, Settled(short(run_id), run), for_good=True)


def _tables(folder: Path) -> dict[str, str]:
    """Return the digest of each table of a run."""
    found = digests(folder)
    return {name: content for name, content in found.items() if name.endswith(".parquet")}


def run_as_kept(store: Store, run: str, period: Period, known: datetime) -> Settled | None:
    """Return a run that is kept, by its short id: as it was settled, whatever would be now.

    None, where there is none. Raises Refused where its files are not those that were written.
    """
    event = next((e for e in store.log.events("runs") if short(e.subject) == run), None)
    kept = store.find("runs", event.subject) if event else None
    if not kept:
        return None
    verified([kept])
    return Settled(run, _kept_run(kept, _basis(store, period, known, ())))


def _basis(store: Store, period: Period, known: datetime, only: Sequence[str]) -> _Basis:
    """Return what a run of the period rests on. Raises Refused where no plan is in force."""
    files = [file for file in plans_as_of(store, known) if not only or file.plan.id in only]
    plans = in_force([plan_as_of(file.plan, known.date()) for file in files], period)
    if not plans:
        raise refused("plan-missing", Place(str(store.path)), period=period.key)
    charges = tuple(store.imports("charges", known))
    book = tuple(store.imports("book", known))
    terms, events = (read(store, plans, known) for read in (terms_read, events_read))
    return _Basis(plans, charges, book, terms, events, period, known)


def _said(basis: _Basis, run: Run) -> dict[str, Any]:
    """Return what is said of a run that is kept."""
    plans = {"plans": [plan.id for plan in basis.plans]}
    return manifest(basis.period.key, basis.known, plans, run.problems)


def _refuse_without_business(store: Store, run: Run) -> None:
    """Raise Refused where nothing was charged, or is due to be paid, in the period."""
    span = run.period.span
    due = run.engine.query(
        "SELECT 1 FROM payments WHERE month >= ? AND month < ? LIMIT 1", [span.start, span.end]
    )
    if not due.num_rows and not run.engine.table("ledger").num_rows:
        raise refused("charges-missing", Place(str(store.path)), period=run.period.key)


def _write(run: Run, folder: Path) -> None:
    """Write the tables that are kept, their rows in order: the same run gives the same bytes."""
    with_rows = {}
    for name in KEPT:
        table = run.engine.shown(name)
        if table.num_rows:
            with_rows[folder / f"{name}.parquet"] = table
        else:
            empty = _file_without_rows(ordered(table).schema)
            (folder / f"{name}.parquet").write_bytes(empty)
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        list(pool.map(_write_table, with_rows.items()))


def _write_table(path_and_table: tuple[Path, pa.Table]) -> None:
    path, table = path_and_table
    pq.write_table(ordered(table), path, compression="zstd", store_schema=False)


@cache
def _file_without_rows(schema: pa.Schema) -> bytes:
    """Return the file of a table without rows: many tables of a run have none."""
    sink = pa.BufferOutputStream()
    pq.write_table(schema.empty_table(), sink, compression="zstd", store_schema=False)
    return bytes(sink.getvalue())


def _kept_run(kept: Import, basis: _Basis) -> Run:
    """Read a run that is kept."""
    missing = {name for name in KEPT if not (kept.folder / f"{name}.parquet").exists()}
    if missing - ADDED.keys():
        place = Place(f"runs/{kept.folder.name}")
        raise refused("run-of-older", place, period=kept.source, tables=", ".join(sorted(missing)))
    engine = DuckDB()
    for name in missing:
        engine.load(name, ADDED[name].empty_table())
    for name in KEPT:
        if name in missing:
            continue
        engine.load_file(name, kept.folder / f"{name}.parquet")
    as_of = AsOf(basis.period.last_day, basis.known)
    terms, events = sources_of(basis.terms), sources_of(basis.events)
    sources = {short(item.id): item.source for item in basis.charges}
    return Run(
        engine,
        with_terms(basis.plans, terms, events, basis.cuts),
        basis.period,
        as_of,
        kept.problems,
        Source(basis.charges, merged=True),
        basis.whole_book,
        sources,
        terms=lambda: sources_read(basis.plans, terms),
        cuts=basis.cuts,
    )
