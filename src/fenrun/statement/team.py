"""Teams: of whom a payee's roll-up credits come, and how far each has come against its target."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from fenrun.base.money import plain
from fenrun.statement.attainment import Attainment
from fenrun.statement.run import Run

_MEMBERS = """
SELECT t.payee, t.member, coalesce(p.name, t.member) AS name, t.role, t.plan_id, t.amount
FROM team_credits AS t
LEFT JOIN parties AS p ON p.party = t.member"""


@dataclass
class _Member:
    """A member of a payee's team in a role, with what each plan rolls up of its credits."""

    name: str
    by_plan: dict[str, Decimal] = field(default_factory=dict)

    @property
    def credited(self) -> Decimal:
        """The largest amount of a plan: plans that credit the same spend do not add up."""
        return max(self.by_plan.values())


def teams_of(
    run: Run, stand: Mapping[str, Attainment]
) -> dict[tuple[str, str], list[dict[str, Any]]]:
    """Return the members of each payee's team by payee and currency, largest first.

    A member is member, name, role, credited (what of it is rolled up, exact text), and targets:
    component, period, measure, target. `stand` is the attainment of lines; of a member those are
    shown that are held against a target under a plan that rolls up. The earnings of a member are
    not shown.
    """
    targets = _targets(stand)
    members = _members(run)
    teams: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for key in sorted(members, key=lambda key: (*key[:2], -members[key].credited, key)):
        payee, currency, party, role = key
        member = members[key]
        own_targets = [
            target for plan in sorted(member.by_plan) for target in targets.get((plan, party), ())
        ]
        teams.setdefault((payee, currency), []).append(
            {
                "member": party,
                "name": member.name,
                "role": role,
                "credited": plain(member.credited),
                "targets": own_targets,
            }
        )
    return teams


def _members(run: Run) -> dict[tuple[str, str, str, str], _Member]:
    """Return the members of all teams by payee, currency, member and role."""
    members: dict[tuple[str, str, str, str], _Member] = {}
    currency_of = run.currency_of
    for row in run.engine.rows(_MEMBERS):
        key = (row["payee"], currency_of[row["plan_id"]], row["member"], row["role"])
        members.setdefault(key, _Member(row["name"])).by_plan[row["plan_id"]] = row["amount"]
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
