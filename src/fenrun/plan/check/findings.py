"""Findings: what the checker says of a plan that can be settled.

Holes, cliffs, clauses that never hold, and what can be gained by splitting, merging, moving or
relabelling business. Errors here do not stop a settlement; they should stop a signature.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from fractions import Fraction
from itertools import pairwise
from typing import Any

import z3

from fenrun.base.money import show
from fenrun.base.problem import Place, Problem, in_order
from fenrun.plan.check.logic import World, labels_read, together, unreachable
from fenrun.plan.check.payoff import (
    REFERENCE,
    Payoff,
    Verdict,
    cliffs,
    falls,
    payoffs,
    strongest,
    verdicts,
)
from fenrun.plan.rows import Component, Plan, Rule
from fenrun.plan.vocabulary import RATIO_READINGS


@dataclass(frozen=True)
class Proof:
    """A verdict on a component. Grain: component, table version, column, question."""

    component: str
    version: date
    column_no: int
    question: str
    """`split`, `merge`, `timing`, or `transfer NAME`: does it ever pay more?"""
    proven: bool | None
    """True: never. False: see the example. None: not known."""
    example: dict[str, str]


def examine(plan: Plan, source: str) -> tuple[list[Problem], list[Proof]]:
    """Everything the checker finds in a plan that was read, and every proof it tried."""
    found, proofs = list[Problem](), list[Proof]()
    lines = {r.rule_id: r for r in plan.rules}
    found += _clauses(plan, source, lines)
    found += _conflicts(plan, source, lines)
    found += _dates(plan, source, lines)
    found += _lowered(plan, source)
    for payoff in payoffs(plan):
        found += _cliffs(payoff, plan, source)
        for verdict in verdicts(payoff):
            proofs.append(_proof(payoff, verdict))
            found += _verdict(payoff, verdict, plan, source, lines)
    for component in plan.components:
        for name, example in _transfers(plan, component):
            proofs.append(
                Proof(
                    component.rule_id,
                    plan.terms[0].valid_from,
                    0,
                    f"transfer {name}",
                    not example,
                    example,
                )
            )
            if example:
                found.append(
                    Problem(
                        "transfer-pays",
                        Place(source, lines[component.rule_id].line, component.rule_id),
                        {"id": component.rule_id, "name": name, **example},
                    )
                )
    return in_order(found), proofs


def _shown(value: Any) -> str:
    """An exact number; what needs more than four decimals is cut there."""
    exact = Fraction(value)
    if exact.denominator == 1 and isinstance(value, int):
        return str(value)
    return show(_cut(exact))


def _cut(value: Fraction) -> Decimal:
    tenth = 10 ** (2 if (value * 100).denominator == 1 else 4)
    return Decimal(int(value * tenth)) / tenth


def _proof(payoff: Payoff, verdict: Verdict) -> Proof:
    return Proof(
        payoff.component.rule_id,
        payoff.band.valid_from,
        payoff.band.column_no,
        verdict.what,
        verdict.proven,
        {k: _shown(v) for k, v in verdict.example.items()},
    )


def _unit(c: Component, plan: Plan) -> str:
    if c.reads_by in RATIO_READINGS:
        reference = "target" if c.reads_by == "attainment" else c.compare_name or c.compare
        return f"{reference} = {REFERENCE}"
    return plan.terms[0].currency if c.counts == "amount" else c.counts


def _cliffs(payoff: Payoff, plan: Plan, source: str) -> Iterator[Problem]:
    for cliff in cliffs(payoff):
        near = [
            b
            for b in plan.bands
            if b.table_id == payoff.band.table_id
            and b.column_no == payoff.band.column_no
            and b.valid_from == payoff.band.valid_from
        ]
        scale = REFERENCE if payoff.component.reads_by in RATIO_READINGS else 1
        line = next(
            (b.line for b in near if b.lower is not None and Fraction(b.lower) * scale == cliff.at),
            payoff.band.line,
        )
        values = {
            "id": payoff.component.rule_id,
            "at": _shown(cliff.at),
            "before": _shown(cliff.before),
            "after": _shown(cliff.after),
            "unit": _unit(payoff.component, plan),
        }
        yield Problem("more-pays-less", Place(source, line, "bands"), values)


def _verdict(
    payoff: Payoff, verdict: Verdict, plan: Plan, source: str, lines: Mapping[str, Rule]
) -> Iterator[Problem]:
    if verdict.proven is not False:
        return
    example = {k: _shown(v) for k, v in verdict.example.items()}
    place = Place(source, payoff.band.line, "bands")
    values = {
        "id": payoff.component.rule_id,
        "unit": _unit(payoff.component, plan),
        "each": payoff.component.each,
        **example,
    }
    if verdict.what == "split":
        values["how"] = (
            f"{example['parts']} x {example['part']}"
            if "parts" in example
            else f"{example['one']} + {example['other']}"
        )
        most = {k: _shown(v) for k, v in strongest(payoff).items()}
        values["most"] = (
            f"{most['parts']} x {most['part']} / {most['whole']}: +{most['more']}"
            if most
            else f"+{example['more']}"
        )
    yield Problem(
        {"split": "splitting-pays", "merge": "merging-pays", "timing": "timing-pays"}[verdict.what],
        place,
        values,
        (Place(source, lines[payoff.component.rule_id].line, payoff.component.rule_id),),
    )


def _clauses(plan: Plan, source: str, lines: Mapping[str, Rule]) -> Iterator[Problem]:
    """Clauses that can never be the one that decides."""
    trees = {c.rule_id: c.tree for c in plan.conditions}
    lists: list[list[str]] = [[c.rule_id for c in plan.credit_clauses]]
    lists += [
        [c.rule_id for c in plan.columns if (c.table_id, c.version, c.published) == key]
        for key in sorted({(c.table_id, c.version, c.published) for c in plan.columns})
    ]
    first = [g.rule_id for g in plan.groups if g.kind == "first match"]
    ordered = {}
    for group in first:
        members = [c for c in plan.components if c.group_id == group]
        ordered[group] = [c.rule_id for c in members]
    alone = (
        [x.rule_id for x in plan.exclusions]
        + [r for c in plan.components for r in (c.measure_rule, c.payee_rule) if r]
        + [c.while_rule for c in plan.credit_clauses if c.while_rule]
    )
    lists += [[rule] for rule in dict.fromkeys(alone)]
    for rules in lists:
        yield from _never(rules, [trees.get(r) for r in rules], source, lines)
    for members_ids in ordered.values():
        rules_of = {c.rule_id: c.measure_rule for c in plan.components}
        yield from _never(members_ids, [trees.get(rules_of[m]) for m in members_ids], source, lines)


def _never(
    rules: list[str], trees: list[str | None], source: str, lines: Mapping[str, Rule]
) -> Iterator[Problem]:
    for number, in_way in unreachable(trees):
        rule = lines[rules[number]]
        before = tuple(Place(source, lines[rules[n]].line, rules[n]) for n in in_way)
        if before:
            yield Problem(
                "clause-unreachable",
                Place(source, rule.line, rule.rule_id),
                {
                    "id": rule.rule_id,
                    "words": rule.words,
                    "before": ", ".join(rules[n] for n in in_way),
                },
                before,
            )
        else:
            yield Problem(
                "clause-never",
                Place(source, rule.line, rule.rule_id),
                {"id": rule.rule_id, "words": rule.words},
            )


def _conflicts(plan: Plan, source: str, lines: Mapping[str, Rule]) -> Iterator[Problem]:
    """Components of an exclusive group that can claim the same credit."""
    trees = {c.rule_id: c.tree for c in plan.conditions}
    for group in (g for g in plan.groups if g.kind == "exclusive"):
        members = [c for c in plan.components if c.group_id == group.rule_id]
        for number, one in enumerate(members):
            for other in members[number + 1 :]:
                if one.role == other.role and together(
                    trees.get(one.measure_rule), trees.get(other.measure_rule)
                ):
                    values = {"one": one.rule_id, "other": other.rule_id, "group": group.rule_id}
                    yield Problem(
                        "clauses-conflict",
                        Place(source, lines[one.rule_id].line, one.rule_id),
                        values,
                        (Place(source, lines[other.rule_id].line, other.rule_id),),
                    )


def _dates(plan: Plan, source: str, lines: Mapping[str, Rule]) -> Iterator[Problem]:
    terms = plan.terms[0]
    used = {t for c in plan.components for t in (c.table_id, c.times_table)}
    for table in dict.fromkeys(b.table_id for b in plan.bands):
        rule = lines[f"tables.{table}"]
        bands = [b for b in plan.bands if b.table_id == table]
        if table not in used:
            yield Problem("table-unused", Place(source, rule.line, table), {"table": table})
        first = min(b.valid_from for b in bands)
        if first > terms.valid_from:
            yield Problem(
                "version-late",
                Place(source, rule.line, table),
                {"table": table, "first": first, "start": terms.valid_from},
            )
        for key in sorted({(b.valid_from, b.published) for b in bands}):
            if key[0] >= terms.valid_to:
                line = next(b.line for b in bands if (b.valid_from, b.published) == key)
                yield Problem(
                    "version-never",
                    Place(source, line, table),
                    {"table": table, "from": key[0], "end": terms.valid_to},
                )
            if key[1] > key[0] and key[1] > terms.published:
                line = next(b.line for b in bands if (b.valid_from, b.published) == key)
                yield Problem(
                    "published-late",
                    Place(source, line, table),
                    {"table": table, "published": key[1], "from": key[0]},
                )
    for rule in plan.rules:
        if not rule.source.strip():
            yield Problem(
                "source-missing", Place(source, rule.line, rule.rule_id), {"id": rule.rule_id}
            )


def _lowered(plan: Plan, source: str) -> Iterator[Problem]:
    """Table versions that pay less than the one they replace, without a word about it."""
    for component in plan.components:
        mine = [p for p in payoffs(plan) if p.component is component]
        keys = sorted({(p.band.valid_from, p.band.published) for p in mine})
        for old, new in pairwise(keys):
            before, after = (
                [p for p in mine if (p.band.valid_from, p.band.published) == key]
                for key in (old, new)
            )
            if len(before) != len(after) or any(
                b.lowers
                for b in plan.bands
                if (b.table_id, b.valid_from, b.published) == (component.table_id, *new)
            ):
                continue
            for one, other in zip(before, after, strict=True):
                at = falls(one.at, other.at, sorted({*one.bounds, *other.bounds}))
                if at is not None:
                    values = {
                        "table": component.table_id,
                        "id": component.rule_id,
                        "at": _shown(at),
                        "before": _shown(one.at(at)),
                        "after": _shown(other.at(at)),
                        "unit": _unit(component, plan),
                    }
                    yield Problem(
                        "version-lowers",
                        Place(source, other.band.line, "bands"),
                        values,
                        (Place(source, one.band.line, "bands"),),
                    )
                    break


def _transfers(plan: Plan, component: Component) -> Iterator[tuple[str, dict[str, str]]]:
    """Find labels that decide about a component's pay, each with two values that pay otherwise."""
    if component.pays_on == "earned":
        return
    trees = {c.rule_id: c.tree for c in plan.conditions}
    clauses = [
        c
        for c in plan.credit_clauses
        if any(r.rule_id == c.rule_id and r.role == component.role for r in plan.credit_roles)
        or any(u.rule_id == c.rule_id and u.to_role == component.role for u in plan.roll_ups)
    ]
    outs = [x for x in plan.exclusions if x.component in ("", component.rule_id)]
    columns = [c for c in plan.columns if c.table_id == component.table_id]
    who = _as_payee(trees.get(component.payee_rule))
    rules = (
        [c.rule_id for c in plan.credit_clauses]
        + [c.while_rule for c in clauses]
        + [x.rule_id for x in outs]
        + [c.rule_id for c in columns]
        + [component.measure_rule]
    )
    used = [trees[r] for r in rules if r in trees] + ([who] if who else [])
    world = World(used)

    def formula(rule: str) -> Any:
        return world.formula(json.loads(trees[rule])) if rule in trees else z3.BoolVal(True)

    taken, credited = z3.BoolVal(False), []
    for clause in plan.credit_clauses:
        if clause in clauses:
            credited.append(
                z3.And(formula(clause.rule_id), z3.Not(taken), formula(clause.while_rule))
            )
        taken = z3.Or(taken, formula(clause.rule_id))
    counts = z3.And(
        z3.Or(credited),
        formula(component.measure_rule),
        *[z3.Not(formula(x.rule_id)) for x in outs],
        world.formula(json.loads(who)) if who else z3.BoolVal(True),
    )
    # what the pay depends on: whether it counts, and by which column
    outcomes = [counts, *[z3.And(counts, formula(c.rule_id)) for c in columns]]
    for name in sorted(labels_read(used)):
        yield name, _differing(world, name, outcomes)


def _as_payee(tree: str | None) -> str | None:
    """A condition on the payee, with its labels named as conditions on credits name them."""

    def renamed(node: Any) -> Any:
        if node[0] in ("all", "any"):
            return [node[0], [renamed(n) for n in node[1]]]
        if node[0] == "not":
            return ["not", renamed(node[1])]
        return [node[0], f"payee.{node[1]}", *node[2:]]

    return json.dumps(renamed(json.loads(tree))) if tree else None


def _differing(world: World, name: str, outcomes: Iterable[Any]) -> dict[str, str]:
    one, other = z3.Int(name), z3.Int(f"{name} otherwise")
    for outcome in outcomes:
        changed = z3.substitute(outcome, (one, other))
        solver = z3.Solver()
        solver.set("timeout", 2000)
        solver.add(
            outcome, z3.Not(changed), *world.facts, other >= -1, other <= len(world.values[name])
        )
        if solver.check() == z3.sat:
            model = solver.model()
            values = [
                model.eval(unknown, model_completion=True).as_long() for unknown in (one, other)
            ]
            return {"one": _value(world, name, values[0]), "other": _value(world, name, values[1])}
    return {}


def _value(world: World, name: str, number: int) -> str:
    return "-" if number == 0 else "..." if number < 0 else repr(world.values[name][number - 1])
