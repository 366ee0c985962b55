"""Alerts become cases: false discovery is controlled, and what overlaps is one case.

Of statistical checks, checks are chosen first by their best evidence, then alerts within those
chosen, so that many checks that find nothing do not make one of them find something.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from math import inf

from fenrun.integrity.chance import discoveries
from fenrun.integrity.checks import Check
from fenrun.integrity.findings import (
    INVARIANT,
    LINK,
    Alert,
    Case,
    Outcome,
    PayDifference,
    rows_of_all,
)
from fenrun.pricing.lines import WIDE

QUEUE = 0.10
"""The false share of the cases that are put before people."""
SURE = 0.01
"""The false share below which a case stands though it earned nobody anything."""
_APART = timedelta(days=92)
"""The days between two alerts of one window, a quarter: tiers are made by it, and alerts that are
settled each by itself would each count the tier."""
_HANDED_OVER = "G01"
"""A scheme that is no other case where its rep and partner are tied: then that is the case."""
Looked = Sequence[tuple[Check, Outcome]]


def cases_of(looked: Looked) -> list[Case]:
    """Return the cases that the alerts of all checks make."""
    factor = _among_checks(looked)
    found: list[Case] = []
    for check, outcome in looked:
        cases = [
            _case(check, alert, q) for alert, q in _accepted(check, outcome, factor) if alert.start
        ]
        found += _merged(cases)
    tied = {case.parties for case in found if case.kind == LINK}
    return [case for case in found if case.scheme != _HANDED_OVER or case.parties not in tied]


def _within(outcome: Outcome) -> list[float]:
    """Return the q of each alert within its check: what was tried and is no alert has p = 1."""
    p = [1.0 if alert.p is None else alert.p for alert in outcome.alerts]
    others = 0 if outcome.adjusted else outcome.tried - len(p)
    return discoveries([*p, *[1.0] * others])[: len(p)]


def _among_checks(looked: Looked) -> float:
    """Return by how much a q within a check grows for the checks that were looked at and not
    chosen.

    Benjamini and Bogomolov, "Selective inference on multiple families of hypotheses" (2014).
    """
    families = [
        min(_within(outcome), default=1.0)
        for check, outcome in looked
        if check.kind not in (INVARIANT, LINK) and outcome.tried
    ]
    chosen = sum(q <= QUEUE for q in discoveries(families))
    return len(families) / chosen if chosen else inf


def _accepted(
    check: Check, outcome: Outcome, factor: float
) -> Iterator[tuple[Alert, float | None]]:
    """Yield the alerts that are put before people, with their q."""
    if check.kind == INVARIANT:
        yield from ((alert, None) for alert in outcome.alerts)
    elif check.kind == LINK:
        total = 0.0
        ranked = sorted(outcome.alerts, key=lambda one: one.p or 0.0)
        for count, alert in enumerate(ranked, 1):
            total += alert.p or 0.0
            if total / count <= QUEUE:
                yield alert, total / count
    else:
        for alert, q in zip(outcome.alerts, _within(outcome)):
            if q * factor <= QUEUE:
                yield alert, q * factor


def _case(check: Check, alert: Alert, q: float | None) -> Case:
    return Case(
        check=check.name,
        scheme=check.scheme,
        kind=check.kind,
        parties=alert.parties,
        customers=alert.customers,
        orders=alert.orders,
        start=alert.start,
        end=alert.end,
        evidence=alert.evidence,
        p=alert.p,
        q=q,
        rows=alert.rows,
        groups=alert.groups,
        sales=alert.sales,
        shows=alert.shows,
        diverted=alert.diverted,
        pays=alert.pays,
    )


def _merged(cases: Sequence[Case]) -> list[Case]:
    """Return cases of one check, those of the same people at the same time as one."""
    found: dict[int, Case] = {}
    naming = defaultdict[tuple[str, str], set[int]](set)
    """The numbers of cases that name somebody: no others can be the same."""
    for number, case in enumerate(cases):
        near = sorted({one for who in _names(case) for one in naming[who] if one in found})
        for one in [one for one in near if are_one(case, found[one], _APART)]:
            case = _joined(found.pop(one), case)
        found[number] = case
        for who in _names(case):
            naming[who].add(number)
    return list(found.values())


def _names(case: Case) -> Iterator[tuple[str, str]]:
    """Yield whom a case names, payees apart from customers."""
    yield from (("payee", party) for party in case.parties)
    yield from (("customer", customer) for customer in case.customers)


def are_one(one: Case, other: Case, apart: timedelta = timedelta(0)) -> bool:
    """Return whether cases share days, and half of the payees, or customers if one has no payee.

    Or whether no more days lie between them than they may be apart. Less than half are two
    coalitions that one party, such as a maker of goods, has to do with.
    """
    overlap = one.start <= other.end + apart and other.start <= one.end + apart
    shared = set(one.parties) & set(other.parties)
    payees = shared and 2 * len(shared) >= min(len(one.parties), len(other.parties))
    customers = set(one.customers) & set(other.customers)
    nobody = not one.parties or not other.parties
    return overlap and bool(payees or (nobody and customers))


def _joined(one: Case, other: Case) -> Case:
    least = [case for case in (one, other) if case.q is not None]
    best = min(least, key=lambda case: case.q or 0.0, default=one)
    return replace(
        best,
        parties=_both(one.parties, other.parties),
        customers=_both(one.customers, other.customers),
        orders=_both(one.orders, other.orders),
        start=min(one.start, other.start),
        end=max(one.end, other.end),
        evidence=tuple(dict.fromkeys((*one.evidence, *other.evidence))),
        rows=rows_of_all((one.rows, other.rows)),
        groups=tuple(sorted({*one.groups, *other.groups})),
        sales=tuple(sorted({*one.sales, *other.sales})),
        diverted=_sums_of_both(one.diverted, other.diverted),
        pays=_pays_of_both(one.pays, other.pays),
    )


def _both(one: Sequence[str], other: Sequence[str]) -> tuple[str, ...]:
    return tuple(sorted({*one, *other}))


def _sums_of_both(
    one: Mapping[str, Decimal], other: Mapping[str, Decimal]
) -> Mapping[str, Decimal]:
    zero = Decimal(0)
    names = {*one, *other}
    return {name: WIDE.add(one.get(name, zero), other.get(name, zero)) for name in names}


def _pays_of_both(
    one: Sequence[PayDifference], other: Sequence[PayDifference]
) -> tuple[PayDifference, ...]:
    found: dict[tuple[str, str, str], PayDifference] = {}
    for paid in (*one, *other):
        key = (paid.payee, paid.currency, paid.clause)
        if before := found.get(key):
            sums = (WIDE.add(before.earned, paid.earned), WIDE.add(before.without, paid.without))
            paid = PayDifference(*key, *sums)
        found[key] = paid
    return tuple(found[key] for key in sorted(found))
