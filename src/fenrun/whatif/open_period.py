"""Questions to a period that is settled once and kept open until another is asked about."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from functools import lru_cache
from pathlib import Path
from typing import Any

from fenrun.base.when import parse_period
from fenrun.book.as_of import Sources
from fenrun.settle.facts import facts_as_of, in_force
from fenrun.settle.standing import Standing, earned_by_payee
from fenrun.store.facts import Store
from fenrun.whatif.estimate import Estimator
from fenrun.whatif.period_to_date import facts_to_date, whole_to_date

Point = tuple[Decimal, Decimal]
"""Additional sales, and how much more they earn."""


@dataclass(frozen=True)
class Open:
    """The period that is asked about, in a workspace as known at a moment (UTC)."""

    workspace: Path
    period: str
    known: datetime
    run: str
    """The run that it stands on: with another run it is another question."""


@lru_cache(maxsize=1)
def _standing(asked: Open) -> Standing:
    facts = facts_as_of(Store.open(asked.workspace), asked.known)
    return Standing(facts, parse_period(asked.period), asked.known)


@lru_cache(maxsize=1)
def _estimator(asked: Open) -> Estimator:
    """Return the estimator of a period: what it has found of a payee serves again.

    Quarters and years that go on are settled with it, to date: as if they ended with it.
    """
    period = parse_period(asked.period)
    facts = facts_as_of(Store.open(asked.workspace), asked.known)
    whole = whole_to_date(in_force(facts.plans, period), period)
    if whole.span == period.span:
        return Estimator(_standing(asked))
    standing = Standing(facts_to_date(facts, period), whole, asked.known)
    return Estimator(standing, period)


def estimate(asked: Open, payee: str, amount: Decimal, service: str) -> dict[str, Any]:
    """Return what a payee would earn with additional sales, and the `services` that it sells.

    `service` may be nothing: what it sells most. Raises Refused where nothing can be sold.
    """
    estimator = _estimator(asked)
    sold = estimator.sell(payee, amount, service or None)
    return {**sold, "services": estimator.services(payee)}


def curve(asked: Open, payee: str, amounts: Sequence[Decimal], service: str) -> list[Point]:
    """Return how much more a payee would earn with each of some amounts of additional sales.

    Raises Refused where nothing can be sold.
    """
    estimator = _estimator(asked)
    sold = [(amount, estimator.sell(payee, amount, service or None)) for amount in amounts]
    return [(amount, Decimal(said["more"])) for amount, said in sold]


EarnedWith = dict[tuple[str, str], tuple[Decimal, Decimal]]
"""What is earned by payee and currency, without something and with it."""


def earned_with(asked: Open, book: Sources) -> EarnedWith:
    """Return what each whom more of the book concerns earns, without it and with it.

    Raises Refused.
    """
    standing = _standing(asked)
    change = standing.with_more(book=book)
    before, after = earned_by_payee(standing.run), change.earned()
    concerned = {owner for owner in before if change.concerns(owner[0])}
    owners, nothing = after.keys() | concerned, Decimal(0)
    return {owner: (before.get(owner, nothing), after.get(owner, nothing)) for owner in owners}
