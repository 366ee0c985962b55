"""Differences between two plans, clause by clause: in money or words, and whom they touch."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from fenrun.base.money import plain
from fenrun.plan.check.payoff import REFERENCE, Payoff, charts, falls
from fenrun.plan.meaning import meanings
from fenrun.plan.rows import Component, Plan
from fenrun.plan.vocabulary import RATIO_READINGS

_OWNER = {
    "rules": "rule_id",
    "conditions": "rule_id",
    "credit_clauses": "rule_id",
    "credit_roles": "rule_id",
    "roll_ups": "rule_id",
    "exclusions": "rule_id",
    "components": "rule_id",
    "weights": "component",
    "groups": "rule_id",
    "gates": "component",
    "less": "component",
    "columns": "table_id",
    "bands": "table_id",
    "pay": "rule_id",
    "purses": "rule_id",
    "paid_apart": "component",
    "figures": "rule_id",
}


@dataclass(frozen=True)
class Change:
    """A clause that differs. Grain: clause."""

    clause: str
    what: str
    """`added`, `removed`, `money` (what decides about money differs) or `words` (only words do)."""
    before: str
    """The clause's words in the first plan."""
    after: str
    effect: str
    """`more`, `less`, `both` or `same`: what components pay on the same amount.

    Empty where that is not known.
    """
    example: str
    """The smallest amount at which the second pays less than the first, with both."""
    touches: str
    """Roles, and the condition on the payee or the credit: who can be touched."""


def diff(one: Plan, other: Plan) -> list[Change]:
    """Return the changes from one plan to the other.

    They are in the order of the second's text; what was removed comes last.
    """
    first, second = _clauses(one), _clauses(other)
    found = []
    for clause in [*second, *(c for c in first if c not in second)]:
        before, after = first.get(clause), second.get(clause)
        if before is None or after is None:
            what = "added" if before is None else "removed"
        elif before["money"] != after["money"]:
            what = "money"
        elif before["words"] != after["words"]:
            what = "words"
        else:
            continue
        effect, example = _effect(one, other, clause) if what == "money" else ("", "")
        found.append(
            Change(
                clause,
                what,
                (before or {}).get("said", ""),
                (after or {}).get("said", ""),
                effect,
                example,
                _touches(other if after else one, clause),
            )
        )
    return found


def _clauses(plan: Plan) -> dict[str, dict[str, Any]]:
    """Each clause with what decides about money, and what is only said, as text.

    `plan` is the plan's own terms.
    """
    found: dict[str, dict[str, Any]] = {"plan": {"money": [], "words": [], "said": ""}}
    for rule in plan.rules:
        found[rule.rule_id] = {"money": [], "words": [], "said": rule.words}
    for table, row, money, said in meanings(plan):
        clause = found[_owner(table, row)]
        if table != "rules":
            clause["money"].append((table, money))
        clause["words"].append(said)
    terms = plan.terms[0]
    rounding = f"{terms.round_mode} {plain(terms.round_step, 0)}"
    parts = [f"{terms.valid_from}..{terms.valid_to}", terms.basis, terms.currency, terms.timezone]
    if plan.converts:
        parts.append(f"convert {terms.converts} on {terms.converts_on}")
    days = dict.fromkeys(day for _, day in json.loads(terms.as_of))
    parts += [f"as of {' or '.join(days)}"] if days else []
    found["plan"]["said"] = ", ".join([*parts, rounding])
    return found


def _owner(table: str, row: Any) -> str:
    """The clause that a row belongs to."""
    if table == "terms":
        return "plan"
    if table not in _OWNER:
        return "pay"
    owner = str(getattr(row, _OWNER[table]))
    return f"tables.{owner}" if table in ("columns", "bands") else owner


def _components(plan: Plan, clause: str) -> list[Component]:
    return [
        c
        for c in plan.components
        if clause
        in (
            c.rule_id,
            f"tables.{c.table_id}",
            c.group_id,
            f"{c.rule_id}.who",
            f"{c.rule_id}.of",
            f"{c.rule_id}.baseline",
        )
    ]


def _effect(one: Plan, other: Plan, clause: str) -> tuple[str, str]:
    """Compare the pay on the same amount, over the components that the clause belongs to."""
    less = more = False
    example = ""
    of_one = {c.rule_id for c in _components(one, clause)}
    shared = of_one & {c.rule_id for c in _components(other, clause)}
    for component in sorted(shared):
        before = [p for p in charts(one) if p.component.rule_id == component]
        after = [p for p in charts(other) if p.component.rule_id == component]
        kinds = {_kind(payoff) for payoff in (*before, *after)}
        if not before or len(before) != len(after) or len(kinds) > 1:
            return "", ""
        for old, new in zip(before, after, strict=True):
            points = sorted({*old.bounds, *new.bounds})
            lower = falls(old.at, new.at, points)
            higher = falls(new.at, old.at, points)
            if lower is not None:
                less = True
                example = example or _example(old, new, lower)
            more = more or higher is not None
    if not shared:
        return "", example
    if less and more:
        return "both", example
    return "less" if less else "more" if more else "same", example


def _kind(payoff: Payoff) -> tuple[str, str, str]:
    """The ways of paying that must be equal for two payoffs to be compared."""
    return payoff.component.pays_on, payoff.component.reads_by, payoff.component.each


def _example(old: Payoff, new: Payoff, amount: Fraction) -> str:
    """Show an amount with what the two payoffs pay on it."""
    unit = ""
    if new.component.reads_by in RATIO_READINGS:
        unit = f" (target = {REFERENCE})"
    at, before, after = (_shown(v) for v in (amount, old.at(amount), new.at(amount)))
    return f"{at}{unit}: {before} -> {after}"


def _shown(value: Fraction) -> str:
    return f"{value.numerator / value.denominator:,.2f}"


def _touches(plan: Plan, clause: str) -> str:
    words = {r.rule_id: r.words for r in plan.rules}
    return "; ".join(_who(plan, clause, words))


def _who(plan: Plan, clause: str, words: dict[str, str]) -> Iterator[str]:
    components = _components(plan, clause)
    if clause in {x.rule_id for x in plan.exclusions}:
        named = {x.component for x in plan.exclusions if x.rule_id == clause}
        components = [c for c in plan.components if "" in named or c.rule_id in named]
        yield words[clause]
    elif clause == "plan" or clause.startswith("pay"):
        components = list(plan.components)
    elif clause.split(".")[0] in {c.rule_id for c in plan.credit_clauses}:
        yield words.get(clause, clause)
        return
    seen = []
    for c in components:
        said = " ".join(
            part
            for part in (
                c.role,
                f"({words[c.payee_rule]})" if c.payee_rule else "",
                f"[{words[c.measure_rule]}]" if c.measure_rule else "",
            )
            if part
        )
        if said not in seen:
            seen.append(said)
            yield said
