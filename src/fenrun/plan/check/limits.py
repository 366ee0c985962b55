"""Limits: what the prover does not model of a component, said as the reason of `not examined`.

What is proven is proven of business whose facts are equal: the parts of a split have the same
labels, links, figures and days as the whole. A clause by which they could not have is named here.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from datetime import date
from decimal import Decimal

from fenrun.base.when import LONG_AGO, OPEN_END
from fenrun.base.words import Message
from fenrun.plan.check.payoff import Payoff
from fenrun.plan.conditions import reads
from fenrun.plan.rows import Component, Exclusion, Plan
from fenrun.plan.vocabulary import COMPARED_READINGS, OTHERS_READINGS, RATIO_READINGS

QUESTIONS = ("split", "merge", "timing")
"""What is asked of the amounts of a component."""
_CHARGED_DATES = ("first purchase", "customer since", '"quiet"')
"""Dates that charges make: business that is divided has others."""


def _why(key: str, **values: object) -> Message:
    return Message(f"unexamined-{key}", values)


def limits(plan: Plan, c: Component) -> dict[str, Message]:
    """Return why a question is not examined of a component, by question; the first reason alone."""
    found: dict[str, Message] = {}
    for questions, why in _reasons(plan, c):
        for question in questions:
            found.setdefault(question, why)
    return found


def _reasons(plan: Plan, c: Component) -> Iterator[tuple[Sequence[str], Message]]:
    if c.pays_on == "earned":
        yield QUESTIONS, _why("override", name=c.on_name)
    credited = {row.role for row in plan.credit_roles} | {row.to_role for row in plan.roll_ups}
    if c.role not in credited:
        yield QUESTIONS, _why("uncredited", role=c.role)
    taker = next((mate.rule_id for mate in mates_of(plan, c) if not mate.measure_rule), "")
    if taker:
        yield QUESTIONS, _why("taken", name=taker)
    beside = depends_on_others(plan, c)
    if beside:
        yield QUESTIONS, beside
    subjects = {c.reads_by, c.pays_on, c.times_by}
    subjects |= {g.subject for g in plan.gates if g.component == c.rule_id}
    if c.compare == "last year of its customers" and subjects & {"increment", "growth"}:
        yield QUESTIONS, _why("customers-year")
    if c.counted_label:
        yield QUESTIONS, _why("counted-with", label=c.counted_label)
    if c.counts_payments:
        yield QUESTIONS, _why("counted-paid")
    if c.counts != "amount":
        if subjects & {"spend", "spend before"}:
            yield QUESTIONS, _why("counts-spend")
        if c.counts_months or c.less_refunded:
            yield QUESTIONS, _why("counts-months")
        yield ("timing",), _why("counts")
    if c.plus:
        yield QUESTIONS, _why("plus")
    if "amount over" in subjects:
        yield QUESTIONS, _why("window")
    if c.compare_lag and subjects & set(COMPARED_READINGS):
        yield QUESTIONS, _why("lag")
    if "spend before" in subjects and c.compare == "last year":
        yield QUESTIONS, _why("two-pasts")
    if "amount to date" in subjects and c.up_to is not None:
        yield QUESTIONS, _why("to-date-bound")
    if c.clawback_rule:
        yield ("timing",), _why("clawback", name=c.clawback_rule)
    if plan.converts and c.counts == "amount":
        yield ("timing",), _why("converted", currencies=", ".join(plan.converts))
    yield from _of_rules(plan, c)


def depends_on_others(plan: Plan, c: Component) -> Message | None:
    """Return why what a component pays depends on others; None where it does not."""
    for group in plan.groups:
        is_bounded = group.cap is not None or group.cap_rate is not None
        if group.rule_id == c.group_id and (group.kind == "max" or is_bounded):
            return _why("group", name=group.rule_id)
    if c.window_all:
        return _why("all-channels")
    if any(weight.component == c.rule_id for weight in plan.weights):
        return _why("weights")
    if any(less.component == c.rule_id for less in plan.less):
        return _why("less")
    gates = [g for g in plan.gates if g.component == c.rule_id]
    read = [(c.reads_by, c.by_name), (c.times_by, c.times_name)]
    for subject, name in [*read, *((gate.subject, gate.name) for gate in gates)]:
        if subject == "rank":
            return _why("rank")
        if subject in OTHERS_READINGS:
            return _why("other", name=name)
    if any(gate.subject == "earned" for gate in gates):
        return _why("earned")
    return None


def _of_rules(plan: Plan, c: Component) -> Iterator[tuple[Sequence[str], Message]]:
    """Yield what conditions read that is not equal of business divided, merged or moved."""
    read = {rule: list(_read(plan, rule)) for rule in rules_of(plan, c)}
    if any(what == "date" for what, _ in _read(plan, c.payee_rule)):
        yield ("timing",), _why("date", name=c.payee_rule)
    unit = {"payee": ("payee", "party"), "customer": ("label", "customer")}
    own = unit.get(c.each, ("column", c.each))
    for rule, names in read.items():
        for what, name in names:
            if what == "number" and _is_of_size(name):
                yield QUESTIONS, _why("size", name=rule)
            elif what in ("date", "link date", "charge date"):
                if any(charged in name for charged in _CHARGED_DATES):
                    yield QUESTIONS, _why("charged-date", name=rule)
                yield ("timing",), _why("date", name=rule)
            elif (what, name) == own:
                yield ("split", "merge"), _why("unit", name=rule, unit=c.each)
    for condition, _ in json.loads(plan.terms[0].as_of or "[]"):
        if condition and any(
            _is_of_size(name) for what, name in reads(condition) if what == "number"
        ):
            yield QUESTIONS, _why("size", name="as of")
    for out in _exclusions(plan, c):
        if out.valid_from > LONG_AGO or out.valid_to < OPEN_END:
            yield ("timing",), _why("date", name=out.rule_id)


def _is_of_size(text: str) -> bool:
    """Return whether a condition on a charge's numbers changes when the charge is divided.

    A part has the sign of the whole, and its prices are to each other as those of the whole.
    """
    kind, *rest = json.loads(text)
    return bool(kind == "compare" and Decimal(rest[2]) != 0)


def _exclusions(plan: Plan, c: Component) -> list[Exclusion]:
    return [x for x in plan.exclusions if x.component in ("", c.rule_id)]


def _read(plan: Plan, rule: str) -> Iterable[tuple[str, str]]:
    for condition in plan.conditions:
        if condition.rule_id == rule:
            yield from sorted(reads(json.loads(condition.tree)))


def mates_of(plan: Plan, c: Component) -> list[Component]:
    """Return the others of its group that decide whether a credit counts for a component."""
    kind = next((g.kind for g in plan.groups if g.rule_id == c.group_id), "")
    mates = [o for o in plan.components if o.group_id == c.group_id and o.role == c.role]
    if kind == "first match":
        return [other for other in mates if other.rank < c.rank]
    return [other for other in mates if other is not c] if kind == "exclusive" else []


def rules_of(plan: Plan, c: Component) -> list[str]:
    """Return the rules whose conditions decide what a component measures, and by which column."""
    clauses = [rule for k in plan.credit_clauses for rule in (k.rule_id, k.while_rule)]
    columns = [k.rule_id for k in plan.columns if k.table_id == c.table_id]
    mates = [other.measure_rule for other in mates_of(plan, c)]
    outs = [x.rule_id for x in _exclusions(plan, c)]
    found = [*clauses, *outs, c.measure_rule, *mates, *columns, c.baseline_rule]
    return [rule for rule in dict.fromkeys(found) if rule]


def cannot(payoff: Payoff) -> Message | None:
    """Return why a payoff is beyond the prover: a curve that is not drawn to scale."""
    c = payoff.component
    if payoff.periods == 0:
        return _why("no-period")
    tiers = [tier for column in payoff.columns for tier in column]
    if c.pays_on == "figure" and any(tier.kind == "marginal" for tier in tiers):
        return _why("slices")
    if not any(tier.kind == "interpolated" for tier in tiers):
        return None
    scaled = c.reads_by in RATIO_READINGS or c.pays_on == "figure"
    bounds = (c.cap, c.cap_rate, c.up_to, c.floor, c.minimum)
    bounded = any(bound is not None for bound in bounds)
    fixed = any(tier.flat for tier in tiers) or bounded or payoff.gates
    return _why("curve") if scaled and (fixed or c.times_table) else None


def never_two(payoff: Payoff, start: date) -> Message:
    """Return why moving between periods of a version is not asked: there are no two."""
    return _why("one-period", start=start)
