"""A workspace on disk: import files into its store, settle a period of it, and keep what was settled."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from fenrun.base.ids import digest, short
from fenrun.base.problem import Place, Problem, Refused, in_order
from fenrun.base.when import OPEN_END, AsOf, Period, add_months, period_of, show_moment
from fenrun.book import checks as book_checks
from fenrun.book.as_known import Sources, put_book, sources_of
from fenrun.book.read import import_book, table_kind
from fenrun.charges.read import Imported, put_charges, stage_charges
from fenrun.charges.rows import empty_schema
from fenrun.charges.source import read_header
from fenrun.credit.from_charges import put_plans
from fenrun.engine.choose import new_engine
from fenrun.engine.duckdb import DuckDB
from fenrun.engine.port import Engine
from fenrun.engine.store import Import, Store, manifest
from fenrun.pipeline import settle
from fenrun.plan.read import PlanFile, as_known, load_plan, read_plan
from fenrun.plan.rows import ROW_TYPES, Plan
from fenrun.statement.run import Run

ENGINE_VERSION = "6"
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
    "counted",
    "paid",
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

_SUFFIXES = (".csv", ".parquet", ".yaml", ".yml", ".gz", ".zst", ".csv.gz", ".csv.zst")


@dataclass(frozen=True)
class Settled:
    """A run that is kept in the workspace."""

    run_id: str
    run: Run


def files_in(path: Path) -> list[Path]:
    """The file itself, or the files in a folder that an import reads, in order."""
    if path.is_dir():
        return sorted(
            f
            for f in path.rglob("*")
            if f.is_file() and f.suffix.lower() in _SUFFIXES and not f.name.startswith(".")
        )
    return [path]


def import_file(
    store: Store,
    path: Path,
    known: datetime,
    progress: Callable[[int], Any] = lambda n: None,
    replaces: Sequence[str] = (),
) -> Imported:
    """Import one file: charges, book or plan, told apart by what it holds; charges in place of earlier files if they `replace` any. Raises Refused; the store is then untouched."""
    return _staged(store, path, progress)(known, replaces)


def import_files(
    store: Store,
    paths: Sequence[Path],
    known: datetime,
    progress: Callable[[Any], Any] = lambda n: None,
    replaces: Sequence[str] = (),
) -> Iterator[Imported | Refused]:
    """Import files, several at a time, and enter them into the store in their order. Gives what became of each: one that is refused does not hold up the others."""

    def stage(path: Path) -> Callable[[datetime, Sequence[str]], Imported] | Refused:
        progress(path.name)
        try:
            return _staged(store, path, progress)
        except Refused as refused:
            return refused

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for staged in pool.map(stage, paths):
            try:
                yield staged if isinstance(staged, Refused) else staged(known, replaces)
            except Refused as refused:
                yield refused


def _staged(
    store: Store, path: Path, progress: Callable[[int], Any]
) -> Callable[[datetime, Sequence[str]], Imported]:
    """A file that is read, as far as that needs nobody else to wait; what is returned enters it into the store."""
    if not path.is_file():
        raise Refused(
            [Problem("file-unreadable", Place(path.name), {"detail": "there is no such file"})]
        )
    if path.suffix.lower() in (".yaml", ".yml"):
        if any(line.startswith("plan:") for line in _text(path).splitlines()):
            return lambda known, replaces: _import_plan(store, path, known)
        return lambda known, replaces: Imported(path.name, *_book(store, path, known))
    if table_kind(read_header(path)[2]) is not None:
        return lambda known, replaces: Imported(path.name, *_book(store, path, known))
    return stage_charges(store, path, progress)


def _book(
    store: Store, path: Path, known: datetime
) -> tuple[str, bool, dict[str, Any], tuple[Problem, ...]]:
    new, content, facts, problems = import_book(store, path, known)
    return content, new, facts, tuple(problems)


def _text(path: Path) -> str:
    try:
        return path.read_text("utf-8-sig")
    except UnicodeDecodeError as error:
        raise Refused([Problem("file-encoding", Place(path.name, 1))]) from error


def _import_plan(store: Store, path: Path, known: datetime) -> Imported:
    file = load_plan(path)
    content = digest("plan", file.content)
    new = not store.has("plans", content)
    facts = {"plan": file.plan.id}
    store.add(
        "plans",
        content,
        manifest(path.name, known, facts, []),
        lambda folder: _write_plan(folder, file),
    )
    return Imported(path.name, content, new, facts, ())


def _write_plan(folder: Path, file: PlanFile) -> None:
    (folder / "plan.yaml").write_text(file.content, "utf-8")


def plans_known(store: Store, known: datetime) -> list[PlanFile]:
    """The plans as last known by then: of each plan id the latest text."""
    latest: dict[str, Import] = {i.facts["plan"]: i for i in store.imports("plans", known)}
    return [plan_of(latest[plan]) for plan in sorted(latest)]


def plan_of(item: Import) -> PlanFile:
    """The plan that an import holds."""
    return read_plan((item.folder / "plan.yaml").read_text("utf-8"), item.source)


@dataclass(frozen=True)
class Facts:
    """What a settlement reads: all of a workspace that was known at a moment, or a part of it."""

    charges: tuple[Import, ...]
    book: Sources
    plans: tuple[Plan, ...]
    only: Mapping[str, str] = field(default_factory=dict)
    """Of some imports of charges, by id, the condition on those rows that are meant."""

    def put(self, engine: Engine) -> None:
        """Make the charges and the book known to the engine."""
        self.put_charges(engine, "charges")
        put_book(engine, self.book)

    def put_charges(self, engine: Engine, name: str) -> None:
        """Make the charges known to the engine under a name."""
        put_charges(engine, name, self.charges, self.only)

    def settle(
        self,
        period: Period,
        known: datetime,
        progress: Callable[[str], None] = lambda name: None,
        engine: Engine | None = None,
    ) -> Run:
        """Settle the period over these facts, in a new engine or the one given; nothing is kept. Raises Refused."""
        engine = engine or new_engine()
        self.put(engine)
        return settle(
            engine,
            self.plans,
            period,
            AsOf(period.last_day, known),
            progress,
            {short(i.id): i.source for i in self.charges},
        )


def facts_known(store: Store, known: datetime) -> Facts:
    """All that was known at the moment, under the plans as they were then."""
    plans = tuple(as_known(f.plan, known.date()) for f in plans_known(store, known))
    return Facts(
        tuple(store.imports("charges", known)), sources_of(store.imports("book", known)), plans
    )


def in_force(plans: Sequence[Plan], period: Period) -> tuple[Plan, ...]:
    """Those of the plans that are in force in the period, or have ended and still pay: where they say how, or to the end of what began before, with its clawbacks and ceilings."""
    return tuple(
        p
        for p in plans
        if p.terms[0].valid_from < period.span.end and (p.pay or period.span.start < _last_paid(p))
    )


def _last_paid(plan: Plan) -> date:
    """First day after the last period that begins under the plan, and in which something of it can still be taken back."""
    ends, terms = [plan.terms[0].valid_to], plan.terms[0]
    if terms.valid_to < OPEN_END:
        calendars = [c.calendar for c in plan.components] + [
            g.calendar for g in plan.groups if g.calendar
        ]
        ends += [
            period_of(terms.valid_to - timedelta(days=1), *map(int, calendar.split("@"))).span.end
            for calendar in calendars
        ]
    last = max(ends)
    return (
        add_months(last, max(c.clawback_months for c in plan.components))
        if last < OPEN_END and any(c.clawback_months for c in plan.components)
        else last
    )


def known_by(store: Store, known: datetime | None) -> datetime:
    """The moment asked for, else the last at which anything became known."""
    return known or store.known() or datetime(1970, 1, 1)


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
    moment = known_by(store, known)
    files = [f for f in plans_known(store, moment) if not only or f.plan.id in only]
    plans = in_force([as_known(f.plan, moment.date()) for f in files], period)
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
    put_charges(engine, "charges", charges)
    for name in KEPT:
        engine.put_files(name, [kept.folder / f"{name}.parquet"], empty_schema())
    put_plans(engine, plans)
    return Run(
        engine,
        tuple(plans),
        period,
        AsOf(period.last_day, known),
        kept.problems,
        {short(i.id): i.source for i in charges},
    )


def check_workspace(store: Store, known: datetime | None = None) -> list[Problem]:
    """Every problem of what is imported: of each file, and of the book as a whole."""
    moment = known_by(store, known)
    problems = [
        p
        for kind in ("charges", "book", "plans")
        for i in store.imports(kind, moment)
        for p in i.problems
    ]
    engine = DuckDB()
    put_book(engine, sources_of(store.imports("book", moment)))
    return in_order(problems + book_checks.find(engine))


def settle_plans(
    store: Store, plans: Sequence[Plan], period: Period, known: datetime | None = None
) -> Run:
    """Settle plans of different ids together over what the workspace knows, in one pass; nothing is kept. Raises Refused."""
    moment = known_by(store, known)
    return replace(facts_known(store, moment), plans=tuple(plans)).settle(period, moment)


def as_other(plan: Plan, plan_id: str, **terms: Any) -> Plan:
    """The same plan under another id, so that it can be settled beside itself; `terms` are put in place of its own."""
    rows = {
        name: tuple(
            replace(row, plan_id=plan_id, **(terms if name == "terms" else {}))
            for row in getattr(plan, name)
        )
        for name in ROW_TYPES
    }
    return Plan(**rows)


def compare_plans(store: Store, plans: tuple[Plan, Plan], period: Period) -> list[dict[str, Any]]:
    """Whose pay differs: payee, role, and what each plan earns in the period, as if each had been in force all along. Raises Refused."""
    start, end = min(p.terms[0].valid_from for p in plans), max(p.terms[0].valid_to for p in plans)
    one, other = (
        as_other(p, key, valid_from=start, valid_to=end, published=start)
        for p, key in zip(plans, ("one", "other"), strict=True)
    )
    run = settle_plans(store, [one, other], period)
    return run.engine.query("""
        SELECT payee, role, coalesce(sum(earned) FILTER (WHERE plan_id = 'one'), 0) AS one, coalesce(sum(earned) FILTER (WHERE plan_id = 'other'), 0) AS other
        FROM statements GROUP BY payee, role
        HAVING coalesce(sum(earned) FILTER (WHERE plan_id = 'one'), 0) <> coalesce(sum(earned) FILTER (WHERE plan_id = 'other'), 0) ORDER BY other - one, payee, role""").to_pylist()
