"""A run: the tables that a settlement left in an engine, and what closed periods leave to it."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any

from fenrun.base.money import plain, show_sums, sums_of
from fenrun.base.problem import Problem
from fenrun.base.when import AsOf, Period, show_moment
from fenrun.book.as_of import Sources
from fenrun.credit.stored_charges import Source
from fenrun.engine.dialect import literal
from fenrun.engine.duckdb import DuckDB
from fenrun.plan.rows import Plan
from fenrun.terms.used_up import Cuts

CAUSES = (
    *("late charge", "correction", "book change", "order registration", "plan version"),
    *("terms change", "consent", "payment"),
)
"""Why the pay of a period can come to differ.

A correction is a charge of FOCUS class Correction, or a file that replaces another.
"""
_NOTHING = Decimal(0)


@dataclass(frozen=True)
class Difference:
    """A change of a period's pay by one later fact.

    Grain: month, plan, payee, what, component or form, line period, cause, source, known.
    """

    month: str
    """Month of the statement that would have been different: 2024-06."""
    plan_id: str
    payee: str
    what: str
    """`earned` (of a component), `paid` or `tax` (in a form), `expired`, `drawn`, `recovered`, or
    `held` back for later; of a fund `granted` or `lost`; of what is paid in another currency
    `given` (in the plan's) or `exchanged`."""
    component: str
    """The component; of what is paid, the form, with the other currency; else nothing."""
    period: str
    """The component's period; of what is paid, the month."""
    cause: str
    """One of CAUSES."""
    source: str
    """File that brought the fact."""
    known: datetime
    """From when the fact was known."""
    before: Decimal
    """The amount without the fact."""
    after: Decimal
    """The amount with it."""
    amount: Decimal
    """after - before."""
    currency: str

    def as_json(self) -> dict[str, Any]:
        """Return the difference as a JSON-ready mapping; amounts are exact text."""
        return {
            **asdict(self),
            "known": show_moment(self.known),
            "before": plain(self.before),
            "after": plain(self.after),
            "amount": plain(self.amount),
        }


def paid_in_all(differences: Iterable[Difference]) -> dict[str, Decimal]:
    """Return the sums of what is paid, or taken back, with the differences, by currency."""
    return sums_of((found.currency, found.amount) for found in differences if found.what == "paid")


def paid_by_cause(differences: Sequence[Difference], currency: str) -> dict[str, Decimal]:
    """Return the sums of what is paid, or taken back, in a currency by cause."""
    mine = [found for found in differences if found.currency == currency]
    paid = (
        (found.cause, found.amount if found.what in ("paid", "exchanged") else _NOTHING)
        for found in mine
    )
    return sums_of(paid)


def by_currency(currencies: Sequence[str], says: Callable[[str], dict[str, Any]]) -> dict[str, Any]:
    """Return what is said of the first currency, and of each other under `other_currencies`.

    Without others that key is missing: a JSON-ready mapping of one currency stays plain.
    """
    first, *others = ({"currency": currency} | says(currency) for currency in currencies)
    return first | ({"other_currencies": others} if others else {})


def show_each(said: Mapping[str, Any], key: str) -> str:
    """Return an amount of what `by_currency` returned, in each currency, as people read it."""
    sections = (said, *said.get("other_currencies", ()))
    return show_sums({one["currency"]: Decimal(one[key]) for one in sections})


@dataclass(frozen=True)
class Rounding:
    """The decimals on which plans were settled, by plan, where 38 digits do not hold all."""

    costs: Mapping[str, int] = field(default_factory=dict)
    """Of each charge's costs."""
    measures: Mapping[str, int] = field(default_factory=dict)
    """Of what is measured."""

    def most(self, plans: Iterable[Plan]) -> tuple[int | None, int | None]:
        """Return those of plans that are settled together: of costs, and of what is measured."""
        names = [plan.id for plan in plans]
        costs, measures = (
            min((decimals[name] for name in names if name in decimals), default=None)
            for decimals in (self.costs, self.measures)
        )
        return costs, measures

    def of(self, plans: Container[str]) -> Rounding:
        """Return those of some plans."""
        parts = (self.costs, self.measures)
        return Rounding(*({p: n for p, n in part.items() if p in plans} for part in parts))


ALL_DECIMALS = Rounding()


@dataclass(frozen=True)
class Run:
    """A settlement of a period: its tables in the engine are named as the steps of the stages."""

    engine: DuckDB
    plans: tuple[Plan, ...]
    period: Period
    as_of: AsOf
    problems: tuple[Problem, ...]
    charges: Source = field(default_factory=lambda: Source(()))
    """The charges that were settled."""
    book: Callable[[], Sources] = list
    """The book that was settled by."""
    sources: Mapping[str, str] = field(default_factory=dict)
    """File name of each import of charges, by the import's id."""
    booked: tuple[Difference, ...] = ()
    """Differences of closed periods that are booked in this one."""
    closed_at: datetime | None = None
    """When the period was closed (UTC), where it is."""
    terms: Callable[[], Sources] = list
    """The terms that the plans read."""
    cuts: Callable[[Plan], Cuts] = lambda plan: {}
    """Where charges use up amounts of these, by the days of a plan."""

    @property
    def closed(self) -> bool:
        """True where the period is closed."""
        return self.closed_at is not None

    @property
    def rounding(self) -> Rounding:
        """The decimals on which some plans were settled, where not on all."""
        found: dict[str, dict[str, int]] = {"costs-rounded": {}, "measures-rounded": {}}
        for problem in self.problems:
            if problem.code in found:
                found[problem.code][problem.place.source] = problem.values["decimals"]
        return Rounding(*found.values())

    @property
    def currency_of(self) -> dict[str, str]:
        """The currency of each plan, by its id."""
        return {plan.id: plan.currency for plan in self.plans}

    @property
    def currencies(self) -> list[str]:
        """The currencies of the plans, and of what is booked, in their order."""
        booked = {one.currency for one in self.booked if one.what != "exchanged"}
        return sorted({*self.currency_of.values(), *booked})

    @property
    def plan_currencies(self) -> str:
        """SQL of a table z of the plans and their currencies: `plan_id`, `currency`."""
        rows = (f"({literal(plan)}, {literal(c)})" for plan, c in self.currency_of.items())
        return f"(VALUES {', '.join(rows)}) AS z(plan_id, currency)"
