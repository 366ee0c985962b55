"""Transfers: can business be relabelled so that it earns more?

Proven of a label are both halves: whether a credit counts for a component, and by which of its
tiers. What is said of one label holds whatever all others are.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import z3

from fenrun.base.words import Message
from fenrun.plan.check.effort import Effort
from fenrun.plan.check.limits import depends_on_others, mates_of, rules_of
from fenrun.plan.check.logic import World, labels_dated, labels_read
from fenrun.plan.conditions import DATED, Tree, labels_of_dates
from fenrun.plan.rows import Column, Component, Plan

_SCOPE = " scope"
"""The name under which who is in scope stands beside the rules of the plan, which have none."""


@dataclass(frozen=True)
class Transfer:
    """An answer to whether a label decides what a component pays; of no name: whether any does."""

    name: str
    proven: bool | None
    example: dict[str, str] = field(default_factory=dict)
    """Two values, `one` and `other`, that pay otherwise."""
    why: Message | None = None


def transfers(plan: Plan, component: Component, effort: Effort | None = None) -> Iterator[Transfer]:
    """Yield the answer of every label that a component's pay depends on, or that none does."""
    if component.pays_on == "earned":
        yield Transfer("", None, why=Message("unexamined-override", {"name": component.on_name}))
        return
    deciding = _Deciding(plan, component, effort or Effort())
    answers = [deciding.answer(name) for name in sorted(labels_read(deciding.trees))]
    dated = labels_dated(deciding.trees)
    answers += [Transfer(n, None, why=Message("unexamined-label-day")) for n in sorted(dated)]
    if not any(answer.proven is False for answer in answers):
        why = depends_on_others(plan, component) or _unseen(plan)
        if why:
            yield Transfer("", None, why=why)
            return
    yield from answers or [Transfer("", True)]


def _unseen(plan: Plan) -> Message | None:
    """Return why a label can decide beside the conditions: who of several roles takes a charge."""
    for clause in plan.credit_clauses:
        roles = [r for r in plan.credit_roles if r.rule_id == clause.rule_id]
        if clause.mode == "single" and clause.while_rule and len(roles) > 1:
            return Message("unexamined-roles", {"name": clause.rule_id})
    if any(condition for condition, _ in json.loads(plan.terms[0].as_of or "[]")):
        return Message("unexamined-as-of")
    return None


class _Deciding:
    """The conditions that decide whether a credit counts for a component, and by which tiers."""

    def __init__(self, plan: Plan, component: Component, effort: Effort):
        self.plan, self.component, self.effort = plan, component, effort
        self.by_rule = {c.rule_id: json.loads(c.tree) for c in plan.conditions}
        self.columns = [c for c in plan.columns if c.table_id == component.table_id]
        about_party = [component.payee_rule, component.clawback_rule, _SCOPE]
        of_payee = {component.payee_rule}
        of_payee |= {component.clawback_rule} if component.each == "payee" else set()
        for rule in of_payee & set(self.by_rule):
            self.by_rule[rule] = _renamed(self.by_rule[rule])
        if component.scope == "label":
            self.by_rule[_SCOPE] = _renamed(_in_scope(component))
        rules = [*rules_of(plan, component), *about_party]
        self.trees = [json.dumps(self.by_rule[rule]) for rule in rules if rule in self.by_rule]
        self.world = World(self.trees)
        self.outcomes = list(self._outcomes())

    def _formula(self, rule: str) -> Any:
        if rule in self.by_rule:
            return self.world.formula(self.by_rule[rule])
        return z3.BoolVal(True)

    def _credited(self) -> Any:
        """Return whether the clause that decides about a charge credits the component's role."""
        plan, role = self.plan, self.component.role
        credited = {r.rule_id for r in plan.credit_roles if r.role == role}
        credited |= {r.rule_id for r in plan.roll_ups if r.to_role == role}
        taken, found = z3.BoolVal(False), [z3.BoolVal(False)]
        for clause in plan.credit_clauses:
            own = self._formula(clause.rule_id)
            if clause.rule_id in credited:
                found.append(z3.And(own, z3.Not(taken), self._formula(clause.while_rule)))
            taken = z3.Or(taken, own)
        return z3.Or(found)

    def _outcomes(self) -> Iterator[Any]:
        """Yield all that the pay depends on: whether a credit counts, and how it is then paid."""
        c = self.component
        outs = [x for x in self.plan.exclusions if x.component in ("", c.rule_id)]
        counts = z3.And(
            self._credited(),
            self._formula(c.measure_rule),
            *(z3.Not(self._formula(mate.measure_rule)) for mate in mates_of(self.plan, c)),
            *(z3.Not(self._formula(x.rule_id)) for x in outs),
            self._formula(c.payee_rule),
            self._formula(_SCOPE),
        )
        yield counts
        for rule in (c.baseline_rule, c.clawback_rule):
            if rule:
                yield z3.And(counts, self._formula(rule))
        for version in sorted({(k.version, k.published) for k in self.columns}):
            mine = [k for k in self.columns if (k.version, k.published) == version]
            yield from (z3.And(counts, chosen) for chosen in self._by_tiers(mine))

    def _by_tiers(self, columns: list[Column]) -> list[Any]:
        """Return, for each list of bands in a version, whether it is the one that pays."""
        found: dict[tuple[Any, ...], list[Any]] = {}
        taken = z3.BoolVal(False)
        for column in columns:
            own = self._formula(column.rule_id)
            tiers = tuple(
                (b.lower, b.lower_in, b.upper, b.upper_in, b.rate, b.rate_to, b.flat)
                for b in self.plan.bands
                if (b.table_id, b.valid_from, b.published, b.column_no)
                == (column.table_id, column.version, column.published, column.column_no)
            )
            found.setdefault(tiers, []).append(z3.And(own, z3.Not(taken)))
            taken = z3.Or(taken, own)
        return [z3.Or(chosen) for chosen in found.values()]

    def answer(self, name: str) -> Transfer:
        """Return whether a label decides: with two values of it that are paid otherwise."""
        one, other = z3.Int(name), z3.Int(f"{name} otherwise")
        is_known = True
        for outcome in self.outcomes:
            solver = z3.Solver()
            solver.add(outcome, z3.Not(z3.substitute(outcome, (one, other))), *self.world.facts)
            solver.add(other >= -1, other <= len(self.world.values[name]))
            answer = self.effort.check(solver)
            if answer == z3.sat:
                model = solver.model()
                numbers = [model.eval(n, model_completion=True).as_long() for n in (one, other)]
                said = [self._said(name, number) for number in numbers]
                return Transfer(name, False, {"one": said[0], "other": said[1]})
            is_known = is_known and answer == z3.unsat
        why = None if is_known else Message("unexamined-prover")
        return Transfer(name, True if is_known else None, why=why)

    def _said(self, name: str, number: int) -> str:
        if number > 0:
            return repr(self.world.values[name][number - 1])
        return "-" if number == 0 else "..."


def _in_scope(c: Component) -> Tree:
    """Return the condition on the payee's labels that `for: all with LABEL VALUE` is."""
    if c.scope_value:
        return ["in", c.scope_name, [c.scope_value]]
    return ["not", ["missing", c.scope_name]]


def _renamed(tree: Tree) -> Tree:
    """Return a condition on the payee, its labels named as conditions on credits name them."""
    if tree[0] in ("all", "any"):
        return [tree[0], [_renamed(part) for part in tree[1]]]
    if tree[0] == "not":
        return ["not", _renamed(tree[1])]
    if tree[0] in DATED:
        own = {name: f"payee.{name}" for name in ("day", *labels_of_dates(tree))}
        return [own.get(part, part) for part in tree]
    return [tree[0], f"payee.{tree[1]}", *tree[2:]]
