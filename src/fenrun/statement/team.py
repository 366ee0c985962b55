"""Roll-ups seen from above: of whom a payee's roll-up credits come, and how far each of them has come against its target."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal, localcontext
from typing import Any

from fenrun.base.money import plain
from fenrun.statement.attainment import Attainment
from fenrun.statement.run import Run

_MEMBERS = """
SELECT l.party AS payee, d.party AS member, coalesce(p.name, d.party) AS name, d.role, d.plan_id, l.share, sum(d.amount) AS amount
FROM credits AS d
JOIN plan_roll_ups AS u ON u.plan_id = d.plan_id AND u.rule_id = d.rule_id AND u.role = d.role
JOIN links AS l ON l.of_kind = 'party' AND l.subject = d.party AND l.role = u.to_role AND l.sound AND l.valid_from <= d.day AND d.day < l.valid_to
LEFT JOIN parties AS p ON p.party = d.party
WHERE d.main AND d.month >= ? AND d.month < ?
GROUP BY ALL"""
_DIGITS = 120
"""Enough that an amount of 38 digits times a share is exact."""


def teams_of(run: Run, stand: Mapping[str, Attainment]) -> dict[str, list[dict[str, Any]]]:
    """The members of each payee's team, largest first: member, name, role, credited (what of it is rolled up, exact text), and targets.

    `stand` is how far lines have come (attainment.py); of a member those that are held against a target under a plan that rolls up: component, period, measure, target. What a member earns is
    not told. `run.engine` holds the book's `links` besides the run's tables.
    """
    span = run.period.span
    sums: dict[tuple[str, str, str, str], Decimal] = {}
    names: dict[str, str] = {}
    with localcontext(prec=_DIGITS):
        for row in run.engine.query(_MEMBERS, [span.start, span.end]).to_pylist():
            key = (row["payee"], row["member"], row["role"], row["plan_id"])
            sums[key] = sums.get(key, Decimal(0)) + row["amount"] * row["share"]
            names[row["member"]] = row["name"]
    targets: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for _, found in sorted(stand.items()):
        if found.reference:
            targets.setdefault((found.plan_id, found.payee), []).append(
                {
                    "component": found.component,
                    "period": found.period,
                    "measure": plain(found.measure),
                    "target": plain(found.reference),
                }
            )
    best: dict[tuple[str, str, str], Decimal] = {}
    plans: dict[tuple[str, str, str], set[str]] = {}
    for (
        payee,
        member,
        role,
        plan,
    ), amount in sums.items():  # plans that credit the same spend do not add up
        plans.setdefault((payee, member, role), set()).add(plan)
        best[payee, member, role] = max(amount, best.get((payee, member, role), amount))
    teams: dict[str, list[dict[str, Any]]] = {}
    for (payee, member, role), amount in sorted(
        best.items(), key=lambda item: (item[0][0], -item[1], item[0])
    ):
        teams.setdefault(payee, []).append(
            {
                "member": member,
                "name": names[member],
                "role": role,
                "credited": plain(amount),
                "targets": [
                    t
                    for plan in sorted(plans[payee, member, role])
                    for t in targets.get((plan, member), ())
                ],
            }
        )
    return teams
