"""Differences between two plans: clause by clause, in money or in words only, and whom it can touch."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields
from typing import Any

from fenrun.base.money import plain
from fenrun.plan.check.payoff import REFERENCE, falls, payoffs
from fenrun.plan.rows import ROW_TYPES, Component, Plan

_SAID = ("plan_id", "title_en", "title_zh", "source", "words", "line", "lowers", "mixed", "money")
_OWNER = {
    "rules": "rule_id",
    "conditions": "rule_id",
    "credit_clauses": "rule_id",
    "credit_roles": "rule_id",
    "roll_ups": "rule_id",
    "exclusions": "rule_id",
    "components": "rule_id",
    "groups": "rule_id",
    "gates": "component",
    "less": "component",
    "columns": "table_id",
    "bands": "table_id",
    "pay": "rule_id",
}


@dataclass(frozen=True)
class Change:
    """A clause that differs. Grain: clause."""

    clause: str
    what: str
    """`added`, `removed`, `money` (what decides about money differs), `words` (only what is said)."""
    before: str
    """The clause's words in the first plan."""
    after: str
    effect: str
    """`more`, `less`, `both` or `same` for components by what they pay on the same amount; empty where that is not told."""
    example: str
    """The smallest amount at which the second pays less than the first, with both."""
    touches: str
    """Roles, and the condition on the payee or the credit: who can be touched."""


def diff(one: Plan, other: Plan) -> list[Change]:
    """The changes from one plan to the other, in the order of the second's text; what was removed comes last."""
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
    """Each clause with what decides about money, and what is only said, as text. `plan` is the plan's own terms."""
    found: dict[str, dict[str, Any]] = {"plan": {"money": [], "words": [], "said": ""}}
    for rule in plan.rules:
        found[rule.rule_id] = {"money": [], "words": [], "said": rule.words}
    for name in ROW_TYPES:
        for row in getattr(plan, name):
            owner = (
                str(getattr(row, _OWNER[name]))
                if name in _OWNER
                else "plan"
                if name == "terms"
                else "pay"
            )
            owner = f"tables.{owner}" if name in ("columns", "bands") else owner
            values = {f.name: getattr(row, f.name) for f in fields(row)}
            money = [
                (k, str(v))
                for k, v in values.items()
                if k not in _SAID and not (name == "terms" and k in ("words", "published"))
            ]
            if name != "rules":
                found[owner]["money"].append((name, money))
            found[owner]["words"].append(
                [
                    (k, str(v))
                    for k, v in values.items()
                    if k in _SAID
                    and k not in ("plan_id", "line", "money")
                    and not (name == "terms" and k == "words")
                ]
            )
    terms = plan.terms[0]
    found["plan"]["said"] = (
        f"{terms.valid_from}..{terms.valid_to}, {terms.basis}, {terms.currency}, {terms.timezone}, {terms.round_mode} {plain(terms.round_step, 0)}"
    )
    return found


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
    """Say how the pay on the same amount differs, over the components that the clause belongs to."""
    less = more = False
    example = ""
    shared = {c.rule_id for c in _components(one, clause)} & {
        c.rule_id for c in _components(other, clause)
    }
    for component in sorted(shared):
        before, after = (
            [p for p in payoffs(plan) if p.component.rule_id == component] for plan in (one, other)
        )
        kinds = {
            (p.component.pays_on, p.component.reads_by, p.component.each) for p in (*before, *after)
        }
        if not before or len(before) != len(after) or len(kinds) > 1:
            return "", ""
        for old, new in zip(before, after, strict=True):
            points = sorted({*old.bounds, *new.bounds})
            lower = falls(old.at, new.at, points)
            if lower is not None and not example:
                unit = (
                    f" (target = {REFERENCE})"
                    if new.component.reads_by in ("attainment", "growth")
                    else ""
                )
                values = [
                    f"{v.numerator / v.denominator:,.2f}"
                    for v in (lower, old.at(lower), new.at(lower))
                ]
                example = f"{values[0]}{unit}: {values[1]} -> {values[2]}"
            less, more = (
                less or lower is not None,
                more or falls(new.at, old.at, points) is not None,
            )
    return (
        "both" if less and more else "less" if less else "more" if more else "same"
    ) if shared else "", example


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
