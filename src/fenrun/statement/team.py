"""Teams: of whom a payee's roll-up credits come, and how far each has come against its target."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal, localcontext
from typing import Any

from fenrun.base.money import plain
from fenrun.statement.attainment import Attainment
from fenrun.statement.run import Run

_MEMBERS = """
SELECT l.party AS payee, d.party AS member, coalesce(p.name, d.party) AS name, d.role, d.plan_id,
       l.share, sum(d.amount) AS amount
FROM credits AS d
JOIN plan_roll_ups AS u ON u.plan_id = d.plan_id AND u.rule_id = d.rule_id AND u.role = d.role
JOIN links AS l
  ON l.of_kind = 'party' AND l.subject = d.party AND l.role = u.to_role AND l.sound
 AND l.valid_from <= d.day AND d.day < l.valid_to
LEFT JOIN parties AS p ON p.party = d.party
WHERE d.main AND d.month >= ? AND d.month < ?
GROUP BY ALL"""
_DIGITS = 120
"""Enough that an amount of 38 digits times a share is exact."""


@dataclass
class _Member:
    """A member of a payee's team in a role, with what each plan rolls up of its credits."""

    name: str
    by_plan: dict[str, Decimal] = field(default_factory=dict)

    @property
    def credited(self) -> Decimal:
        """The largest amount of a plan: plans that credit the same spend do not add up."""
        return max(self.by_plan.values())


def teams_of(run: Run, stand: Mapping[str, Attainment]) -> dict[str, list[dict[str, Any]]]:
    """Return the members of each payee's team, largest first.

    A member is member, name, role, credited (what of it is rolled up, exact text), and targets:
    component, period, measure, target. `stand` is the attainment of lines; of a member those are
    shown that are held against a target under a plan that rolls up. The earnings of a member are
    not shown. `run.engine` holds the book's `links` besides the run's tables.
    """
    targets = _targets(stand)
    members = _members(run)
    teams: dict[str, list[dict[str, Any]]] = {}
    for key in sorted(members, key=lambda key: (key[0], -members[key].credited, key)):
        payee, party, role = key
        member = members[key]
        own_targets = [
            target for plan in sorted(member.by_plan) for target in targets.get((plan, party), ())
        ]
        teams.setdefault(payee, []).append(
            {
                "member": party,
                "name": member.name,
                "role": role,
                "credited": plain(member.credited),
                "targets": own_targets,
            }
        )
    return teams


def _members(run: Run) -> dict[tuple[str, str, str], _Member]:
    """Return the members of all teams by payee, member and role."""
    span = run.period.span
    rows = run.engine.query(_MEMBERS, [span.start, span.end]).to_pylist()
    members: dict[tuple[str, str, str], _Member] = {}
    with localcontext(prec=_DIGITS):
        for row in rows:
            key = (row["payee"], row["member"], row["role"])
            by_plan = members.setdefault(key, _Member(row["name"])).by_plan
            rolled_up = row["amount"] * row["share"]
            by_plan[row["plan_id"]] = by_plan.get(row["plan_id"], Decimal(0)) + rolled_up
    return members


def _targets(stand: Mapping[str, Attainment]) -> dict[tuple[str, str], list[dict[str, Any]]]:
    """Return the lines that are held against a target, by plan and payee."""
    targets: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for _, line in sorted(stand.items()):
        if line.reference:
            targets.setdefault((line.plan_id, line.payee), []).append(
                {
                    "component": line.component,
                    "period": line.period,
                    "measure": plain(line.measure),
                    "target": plain(line.reference),
                }
            )
    return targets
