"""Findings: what the checker says of a plan that can be settled.

Holes, cliffs, clauses that never hold, and what can be gained by splitting, merging, moving or
relabelling business. Errors here do not stop a settlement; they should stop a signature.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from fractions import Fraction
from itertools import pairwise
from typing import Any

from fenrun.base.money import show
from fenrun.base.problem import Place, Problem, in_order
from fenrun.base.words import Message
from fenrun.charges.rows import ORDER, focus_columns
from fenrun.plan.check.effort import Effort
from fenrun.plan.check.limits import QUESTIONS, limits
from fenrun.plan.check.logic import together, unreachable
from fenrun.plan.check.payoff import REFERENCE, Payoff, charts, cliffs, falls, payoffs
from fenrun.plan.check.proving import Verdict, strongest, verdicts
from fenrun.plan.check.transfer import Transfer, transfers
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
    """True: never. False: see the example. None: not examined, or not known."""
    example: dict[str, str]
    why: Message | None = None
    """Why it is not examined."""


def examine(plan: Plan, source: str) -> tuple[list[Problem], list[Proof]]:
    """Everything the checker finds in a plan that was read, and every proof it tried."""
    found, proofs = list[Problem](), list[Proof]()
    lines = {r.rule_id: r for r in plan.rules}
    effort = Effort()
    found += _clauses(plan, source, lines, effort)
    found += _conflicts(plan, source, lines, effort)
    found += _dates(plan, source, lines)
    found += _lowered(plan, source)
    all_payoffs = payoffs(plan)
    for component in plan.components:
        mine = [payoff for payoff in all_payoffs if payoff.component is component]
        unexamined = limits(plan, component)
        if not mine:
            unexamined = dict.fromkeys(QUESTIONS, Message("unexamined-no-period")) | unexamined
            proofs += [_unexamined(plan, component, q, unexamined[q]) for q in QUESTIONS]
        for payoff in mine:
            if payoff.charted:
                found += _cliffs(payoff, plan, source)
            if not payoff.periods and any(other.periods for other in mine):
                continue
            for verdict in verdicts(payoff, unexamined, effort):
                proofs.append(_proof(payoff, verdict))
                found += _verdict(payoff, verdict, plan, source, lines)
        proofs += _between_versions(mine)
        for transfer in transfers(plan, component, effort):
            proofs.append(_transfer_proof(plan, component, transfer))
            found += _transferred(component, transfer, source, lines)
    return in_order(found), proofs + _of_pay(plan)


def _unexamined(plan: Plan, component: Component, question: str, why: Message) -> Proof:
    start = plan.terms[0].valid_from
    return Proof(component.rule_id, start, 0, question, None, {}, why)


def _between_versions(payoffs_of_one: Sequence[Payoff]) -> Iterator[Proof]:
    """Yield that moving from one version of a table to another, which pays otherwise, is not asked.

    Whoever knows of a rate that rises or falls gains by it.
    """
    used = [payoff for payoff in payoffs_of_one if payoff.periods]
    for one, other in pairwise(sorted(used, key=lambda p: (p.band.column_no, p.start))):
        same = (one.columns, one.times) == (other.columns, other.times)
        if one.start != other.start and not same:
            where = (other.component.rule_id, other.start, other.band.column_no, "timing")
            yield Proof(*where, None, {}, Message("unexamined-versions", {"start": other.start}))


def _transfer_proof(plan: Plan, component: Component, transfer: Transfer) -> Proof:
    question = f"transfer {transfer.name}".strip()
    start = plan.terms[0].valid_from
    where = (component.rule_id, start, 0, question)
    return Proof(*where, transfer.proven, transfer.example, transfer.why)


def _transferred(
    component: Component, transfer: Transfer, source: str, lines: Mapping[str, Rule]
) -> Iterator[Problem]:
    if transfer.proven is False:
        place = Place(source, lines[component.rule_id].line, component.rule_id)
        values = {"id": component.rule_id, "name": transfer.name, **transfer.example}
        yield Problem("transfer-pays", place, values)


def _of_pay(plan: Plan) -> list[Proof]:
    """Return that terms of payment are not examined, where they depend on how much is due."""
    floors = any(form.floor is not None for form in plan.forms)
    terms = plan.pay_terms
    draws = any(one.draw or one.minimum for one in terms)
    why, start = Message("unexamined-pay"), plan.terms[0].valid_from
    if not floors and not draws and not any(pay.freeze_rule for pay in plan.pay):
        if not plan.pays_in_another:
            return []
        why = Message("unexamined-paid-in")
    return [
        Proof("pay", start, 0, question, None, {}, why) for question in (*QUESTIONS, "transfer")
    ]


def _shown(value: Any) -> str:
    """An exact number; what needs more than four decimals is cut there. Text is as it is."""
    if isinstance(value, str):
        return value
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
        payoff.start,
        payoff.band.column_no,
        verdict.what,
        verdict.proven,
        {k: _shown(v) for k, v in verdict.example.items()},
        verdict.why,
    )


def _each(c: Component) -> Message:
    """Return for what a component is earned separately, in words."""
    if c.each in ("payee", "customer", ORDER):
        return Message(f"each-{c.each}")
    column = Message(f"column-{c.each}") if c.each in focus_columns() else c.each
    return Message("each-column", {"column": column})


def _unit(c: Component, plan: Plan) -> str | Message:
    """Return the unit of what a component is read by: a currency, customers, or a reference."""
    if c.reads_by in RATIO_READINGS:
        of = "target" if c.reads_by.startswith("attainment") else "compare"
        return Message(f"unit-{of}", {"at": REFERENCE})
    return plan.terms[0].currency if c.counts == "amount" else Message("guide-customers")


def _unit_of(example: Mapping[str, str], payoff: Payoff, plan: Plan) -> str:
    """Return the unit of an example's numbers, and the figures that it is over."""
    c = payoff.component
    unit = plan.terms[0].currency if c.counts == "amount" else c.counts
    figures = [
        f"{key.removeprefix('figure ')} = {value}"
        for key, value in example.items()
        if key.startswith("figure ")
    ]
    moved = f": {example['before']} -> {example['then']}" if "then" in example else ""
    return ", ".join([unit, *figures]) + moved


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
        "unit": _unit_of(example, payoff, plan),
        "each": _each(payoff.component),
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


def _clauses(
    plan: Plan, source: str, lines: Mapping[str, Rule], effort: Effort
) -> Iterator[Problem]:
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
        found = unreachable([trees.get(r) for r in rules], effort)
        yield from _never(rules, found, source, lines)
    for members_ids in ordered.values():
        rules_of = {c.rule_id: c.measure_rule for c in plan.components}
        found = unreachable([trees.get(rules_of[m]) for m in members_ids], effort)
        yield from _never(members_ids, found, source, lines)


def _never(
    rules: list[str],
    found: Iterable[tuple[int, list[int]]],
    source: str,
    lines: Mapping[str, Rule],
) -> Iterator[Problem]:
    for number, in_way in found:
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


def _conflicts(
    plan: Plan, source: str, lines: Mapping[str, Rule], effort: Effort
) -> Iterator[Problem]:
    """Components of an exclusive group that can claim the same credit."""
    trees = {c.rule_id: c.tree for c in plan.conditions}
    for group in (g for g in plan.groups if g.kind == "exclusive"):
        members = [c for c in plan.components if c.group_id == group.rule_id]
        for number, one in enumerate(members):
            for other in members[number + 1 :]:
                if one.role == other.role and together(
                    trees.get(one.measure_rule), trees.get(other.measure_rule), effort
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
        mine = [p for p in charts(plan) if p.component is component]
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
