"""The facts a settlement reads: what a workspace knew at a moment, and what is wrong with it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta

from fenrun.base.ids import short
from fenrun.base.problem import Problem, in_order
from fenrun.base.when import OPEN_END, AsOf, Period, add_months, period_of
from fenrun.book import checks as book_checks
from fenrun.book.as_of import Sources, load_book, sources_of
from fenrun.charges.read import load_charges
from fenrun.engine.choose import new_engine
from fenrun.engine.duckdb import DuckDB
from fenrun.engine.port import Engine
from fenrun.plan.read import PlanFile, plan_as_of, read_plan
from fenrun.plan.rows import Plan
from fenrun.settle.pipeline import settle
from fenrun.statement.run import Run
from fenrun.store.facts import Import, Store


def plans_as_of(store: Store, known: datetime) -> list[PlanFile]:
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

    def load(self, engine: Engine) -> None:
        """Make the charges and the book known to the engine."""
        self.load_charges(engine, "charges")
        load_book(engine, self.book)

    def load_charges(self, engine: Engine, name: str) -> None:
        """Make the charges known to the engine under a name."""
        load_charges(engine, name, self.charges, self.only)

    def settle(
        self,
        period: Period,
        known: datetime,
        progress: Callable[[str], None] = lambda name: None,
        engine: Engine | None = None,
    ) -> Run:
        """Settle the period over these facts, in a new engine or the one given; nothing is kept. Raises Refused."""
        engine = engine or new_engine()
        self.load(engine)
        return settle(
            engine,
            self.plans,
            period,
            AsOf(period.last_day, known),
            progress,
            {short(i.id): i.source for i in self.charges},
        )


def facts_as_of(store: Store, known: datetime) -> Facts:
    """All that was known at the moment, under the plans as they were then."""
    plans = tuple(plan_as_of(f.plan, known.date()) for f in plans_as_of(store, known))
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


def knowledge_time(store: Store, known: datetime | None) -> datetime:
    """The moment asked for, else the last at which anything became known."""
    return known or store.known() or datetime(1970, 1, 1)


def check_workspace(store: Store, known: datetime | None = None) -> list[Problem]:
    """Every problem of what is imported: of each file, and of the book as a whole."""
    moment = knowledge_time(store, known)
    problems = [
        p
        for kind in ("charges", "book", "plans")
        for i in store.imports(kind, moment)
        for p in i.problems
    ]
    engine = DuckDB()
    load_book(engine, sources_of(store.imports("book", moment)))
    return in_order(problems + book_checks.find(engine))
