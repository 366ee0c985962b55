"""A run: the tables that a settlement left in an engine, and what closed periods leave to it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any

from fenrun.base.money import plain
from fenrun.base.problem import Problem
from fenrun.base.when import AsOf, Period, show_moment
from fenrun.book.as_of import Sources
from fenrun.credit.stored_charges import Source
from fenrun.engine.duckdb import DuckDB
from fenrun.plan.rows import Plan

CAUSES = (
    *("late charge", "correction", "book change", "order registration", "plan version"),
    *("terms change", "consent"),
)
"""Why the pay of a period can come to differ.

A correction is a charge of FOCUS class Correction, or a file that replaces another.
"""


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
    `held` back for later; of a fund `granted` or `lost`."""
    component: str
    """The component; of what is paid, the form; else nothing."""
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


def paid_in_all(differences: Sequence[Difference]) -> Decimal:
    """Return the sum of what is paid, or taken back, with the differences."""
    return sum((found.amount for found in differences if found.what == "paid"), Decimal(0))


def paid_by_cause(differences: Sequence[Difference]) -> dict[str, Decimal]:
    """Return the sums of what is paid, or taken back, by cause."""
    causes = sorted({found.cause for found in differences})
    return {
        cause: paid_in_all([found for found in differences if found.cause == cause])
        for cause in causes
    }


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

    @property
    def closed(self) -> bool:
        """True where the period is closed."""
        return self.closed_at is not None
