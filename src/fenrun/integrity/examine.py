"""All checks over a workspace: what each did, and the cases that its alerts make."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime
from time import process_time
from typing import Any

from fenrun.base.problem import Place, refused
from fenrun.base.when import Period
from fenrun.integrity.amounts import with_amounts
from fenrun.integrity.checks import CHECKS, Check
from fenrun.integrity.findings import Case, Checked, Findings, Outcome
from fenrun.integrity.life import confirmed_of, lives
from fenrun.integrity.merging import cases_of, rows_of_both
from fenrun.integrity.seen import Seen, see
from fenrun.pricing.lines import PASSED_ON
from fenrun.store.facts import Store

_PRESENT: Mapping[str, Callable[[Seen], Any]] = {
    "links": lambda seen: seen.links,
    "identities": lambda seen: seen.identities,
    "coupons": lambda seen: seen.terms.coupons,
    "floors": lambda seen: seen.terms.floors,
    "events": lambda seen: seen.events,
    "payments": lambda seen: seen.payments,
    "trades": lambda seen: seen.trades,
    PASSED_ON: lambda seen: seen.payments or seen.book.figures(figure=PASSED_ON),
}
"""Whether there is a row of what a check needs; anything else is a column of charges."""


def findings_of(
    store: Store,
    period: Period,
    known: datetime | None = None,
    progress: Callable[[str], None] = lambda name: None,
) -> Findings:
    """Return what the checks find in a period, as known at a moment or as last known.

    Cases are in the order of their amounts. Raises Refused for files that were edited.
    """
    seen = see(store, period, known)
    looked, checks = _checked(seen, progress)
    cases = [_with_rows(seen, case) for case in cases_of(looked)]
    cases = with_amounts(store, cases, period, seen.known)
    cases.sort(key=lambda case: (-case.amount, case.id))
    lived = lives(store)
    cases = [
        replace(case, decision=lived[case.id][-1]) if case.id in lived else case for case in cases
    ]
    verdicts = {one.scheme: confirmed_of(lived.values(), one.scheme) for one in checks}
    checks = [
        replace(one, confirmed=verdicts[one.scheme][0], decided=verdicts[one.scheme][1])
        for one in checks
    ]
    return Findings(period.span.start, period.last_day, checks, cases)


def ask_for_case(
    store: Store,
    period: Period,
    name: str,
    progress: Callable[[str], None] = lambda name: None,
) -> None:
    """Refuse the name of a case that the checks do not find in a period, as last known.

    The period is settled without the rows of that case alone, not once for each. Raises Refused,
    also for files that were edited.
    """
    seen = see(store, period)
    looked, _checks = _checked(seen, progress)
    cases = [_with_rows(seen, case) for case in cases_of(looked) if case.id == name]
    if not with_amounts(store, cases, period, seen.known):
        raise refused("case-unknown", Place(store.path.name), case=name, months=period.key)


def _checked(
    seen: Seen, progress: Callable[[str], None]
) -> tuple[list[tuple[Check, Outcome]], list[Checked]]:
    """Return what each check that could run saw, and what all did."""
    looked, checks = [], []
    for check in CHECKS:
        progress(check.name)
        missing = _missing(seen, check)
        if missing:
            checks.append(Checked(check.name, check.scheme, 0, missing))
            continue
        began = process_time()
        outcome = check.run(seen)
        looked.append((check, outcome))
        seconds = round(process_time() - began, 3)
        checks.append(Checked(check.name, check.scheme, outcome.tried, seconds=seconds))
    return looked, checks


def _with_rows(seen: Seen, case: Case) -> Case:
    """Return a case with the charges of its groups, the first of them as evidence."""
    rows = seen.rows_of((*case.groups, *seen.groups_of(case.sales)))
    evidence = (*case.evidence, *seen.as_evidence(rows, case.shows))
    return replace(case, rows=rows_of_both(case.rows, rows), evidence=evidence)


def _missing(seen: Seen, check: Check) -> tuple[str, ...]:
    """Return what a check needs and the workspace does not have."""
    return tuple(
        name
        for name in check.needs
        if not (_PRESENT[name](seen) if name in _PRESENT else seen.has(name))
    )
