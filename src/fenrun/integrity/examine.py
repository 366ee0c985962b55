"""All checks over a workspace: what each did, and the cases that its alerts make."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from time import process_time
from typing import Any

from fenrun.base.when import Period
from fenrun.integrity.amounts import with_amounts
from fenrun.integrity.checks import CHECKS, Check
from fenrun.integrity.findings import Case, Checked, Findings, Outcome, rows_of_all
from fenrun.integrity.merging import cases_of
from fenrun.integrity.seen import EMPLOYER, Seen, see
from fenrun.pricing.lines import PASSED_ON
from fenrun.store.facts import Store

_PRESENT: Mapping[str, Callable[[Seen], Any]] = {
    "links": lambda seen: seen.links,
    "identities": lambda seen: seen.identities,
    "employer links": lambda seen: [one for one in seen.links if one["role"] == EMPLOYER],
    "agreements": lambda seen: seen.terms.agreements,
    "policies": lambda seen: seen.policy,
    "coupons": lambda seen: seen.terms.coupons,
    "floors": lambda seen: seen.terms.floors,
    "events": lambda seen: seen.events,
    "payments": lambda seen: seen.payments,
    "trades": lambda seen: seen.trades,
    PASSED_ON: lambda seen: seen.payments or seen.book.figures(figure=PASSED_ON),
}
"""Whether there is a row of what a check needs; anything else is a column of charges."""

_AT_ONCE = 200
"""The cases whose charges are read at once: more are more memory, fewer more questions."""


def examine(
    store: Store,
    period: Period,
    known: datetime | None = None,
    progress: Callable[[str], None] = lambda name: None,
) -> Findings:
    """Return what the checks find in a period, as known at a moment or as last known.

    Cases are in the order of their amounts, as if nobody had decided about any. Raises Refused for
    files that were edited.
    """
    seen = see(store, period, known)
    looked, checks = _checked(seen, progress)
    found = cases_of(looked)
    parts = [found[at : at + _AT_ONCE] for at in range(0, len(found), _AT_ONCE)]
    cases = [case for part in parts for case in _with_rows(seen, part)]
    cases, contradicted = with_amounts(store, cases, period, seen.known)
    cases.sort(key=lambda case: (-case.amount, case.id))
    ends = (period.span.start, period.last_day)
    return Findings(*ends, checks, cases, contradicted=contradicted)


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


def _with_rows(seen: Seen, cases: Sequence[Case]) -> Iterator[Case]:
    """Yield cases with the charges of their groups, the first of them as evidence."""
    groups = [(*case.groups, *seen.groups_of(case.sales)) for case in cases]
    by_group = seen.rows_of(one for of_case in groups for one in of_case)
    asked = list(zip(groups, (case.customers for case in cases)))
    for case, mine, months in zip(cases, groups, seen.by_month(asked)):
        rows = rows_of_all(by_group[group] for group in mine)
        evidence = (*case.evidence, *seen.as_evidence(rows, case.shows))
        rows = rows_of_all((case.rows, rows))
        charges = sum(map(len, rows.values()))
        months = months if mine else ()
        yield replace(case, rows=rows, evidence=evidence, charges=charges, months=months)


def _missing(seen: Seen, check: Check) -> tuple[str, ...]:
    """Return what a check needs and the workspace does not have."""
    return tuple(
        name
        for name in check.needs
        if not (_PRESENT[name](seen) if name in _PRESENT else seen.has(name))
    )
