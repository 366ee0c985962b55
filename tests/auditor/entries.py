"""The auditor's account of what clauses add to earnings and take off them.

Gates, deductions, ceilings, overrides, clawbacks.
"""

from __future__ import annotations

from collections import defaultdict
from datetime import timedelta
from decimal import Decimal
from fractions import Fraction
from functools import partial
from types import SimpleNamespace
from typing import Any

from tests.auditor.auditor import ZERO, Span, holds, rounded, shifted, span_of, within

_DAY = timedelta(days=1)
Line = tuple[str, str, Span]
"""Component, payee, period."""


def enter(audit: Any) -> None:
    """Fill the answer's entries."""
    plan, answer = audit.plan, audit.answer
    lines: dict[Line, Decimal] = defaultdict(lambda: ZERO)
    spans: dict[tuple[str, str], Span] = {}
    for component, bases in audit.figured.items():
        for _, _, span in bases:
            spans[component, span.key] = span
    for (component, payee, key, _), (earned, _) in answer.own.items():
        lines[component, payee, spans[component, key]] += earned

    def take(line: Line, reason: str, amount: Decimal) -> None:
        lines[line] += amount
        if amount:
            answer.entries[line[0], line[1], line[2].key, reason] = amount

    def inside(name: str, payee: str, span: Span, among: dict[Line, Decimal]) -> list[Decimal]:
        return [
            v
            for (c, p, s), v in among.items()
            if (c, p) == (name, payee) and span.start <= s.start and s.end <= span.end
        ]

    before = dict(lines)
    for line in before:
        shut = [
            g
            for g in plan.gates
            if g.component == line[0]
            and g.subject == "earned"
            and not within(g, sum(inside(g.name, line[1], line[2], before), ZERO), Decimal(1))
        ]
        if shut:
            take(line, "gate", -before[line])
    before = dict(lines)
    for line in before:
        paid = sum(
            (
                v
                for x in plan.less
                if x.component == line[0]
                for v in inside(x.other, line[1], line[2], before)
            ),
            ZERO,
        )
        if before[line] > 0 and paid > 0:
            take(line, "less", -min(before[line], paid))
    groups = {g.rule_id: g for g in plan.groups}
    members = {c.rule_id: (groups.get(c.group_id), c.rank) for c in plan.components}
    before = dict(lines)
    for line in before:
        group, rank = members[line[0]]
        if group is not None and group.kind == "max":
            rivals = [
                (-v, members[c][1])
                for (c, p, s), v in before.items()
                if members[c][0] is group and (p, s) == line[1:]
            ]
            if min(rivals) != (-before[line], rank):
                take(line, "beaten", -before[line])
    after = dict(lines)
    _ceilings(audit, after)
    _overrides(audit, after)
    _clawbacks(audit, spans)


def _ceilings(audit: Any, lines: dict[Line, Decimal]) -> None:
    plan, terms = audit.plan, audit.terms
    for group in (g for g in plan.groups if g.cap is not None or g.cap_rate is not None):
        mine = [c.rule_id for c in plan.components if c.group_id == group.rule_id]
        for payee in sorted({p for c, p, _ in lines if c in mine}):
            months = sorted(
                {s for c, p, s in lines if c in mine and p == payee}, key=lambda s: s.start
            )
            reached: dict[str, tuple[Decimal, Decimal, Decimal]] = defaultdict(
                lambda: (ZERO, ZERO, ZERO)
            )
            for span in months:
                over = span_of(group.calendar, span.start).key
                earned, amount, _ = reached[over]
                more = sum(
                    (v for (c, p, s), v in lines.items() if c in mine and (p, s) == (payee, span)),
                    ZERO,
                )
                measured = sum(
                    (
                        b.amount
                        for (p, _, s), b in audit.figured.get(group.cap_of, {}).items()
                        if (p, s) == (payee, span) and (group.cap_of, p, s) in lines
                    ),
                    ZERO,
                )
                allowed = [_bound(group, a, terms) for a in (amount, amount + measured)]
                paid = [
                    e if b is None else min(e, b)
                    for e, b in ((earned, allowed[0]), (earned + more, allowed[1]))
                ]
                reached[over] = (earned + more, amount + measured, ZERO)
                taken = paid[1] - paid[0] - more
                if taken:
                    audit.answer.entries[group.rule_id, payee, span.key, "ceiling"] = taken


def _bound(group: Any, amount: Decimal, terms: Any) -> Decimal | None:
    if group.cap is not None:
        return rounded(group.cap, "down", terms.round_per)
    return rounded(group.cap_rate * amount, "down", terms.round_per) if amount >= 0 else None


def _overrides(audit: Any, lines: dict[Line, Decimal]) -> None:
    terms = audit.terms
    for c in (c for c in audit.plan.components if c.pays_on == "earned"):
        sums: dict[tuple[str, Span], Decimal] = defaultdict(lambda: ZERO)
        for (name, payee, span), earned in lines.items():
            over = span_of(c.calendar, span.start)
            if (
                name != c.on_name
                or not terms.valid_from <= over.start < terms.valid_to
                or over.paid >= audit.paid[1]
            ):
                continue
            for link in audit.book.held("party", "", payee, over.end - _DAY).get(c.role) or []:
                sums[link.party, over] += earned * link.share
        for (payee, over), base in sums.items():
            exact = Fraction(base) * Fraction(c.portion) / c.portion_per
            if c.cap is not None:
                exact = min(exact, Fraction(c.cap))
            audit.answer.entries[c.rule_id, payee, over.key, "override"] = rounded(
                exact, terms.round_mode, terms.round_per
            )


def _clawbacks(audit: Any, spans: dict[tuple[str, str], Span]) -> None:
    for c in (c for c in audit.plan.components if c.clawback_rule):
        tree = audit.trees[c.clawback_rule]

        def lost(customer: str, month: Any, tree: Any = tree) -> bool:
            day = shifted(month, 1) - _DAY

            label = partial(audit.book.label, customer, day=day)
            return holds(tree, SimpleNamespace(text=label))

        for customer in sorted(
            u for u in {k[3] for k in audit.answer.own if k[0] == c.rule_id} if u
        ):
            month = audit.terms.valid_from.replace(day=1)
            while month < audit.paid[1]:
                if lost(customer, month) and not lost(customer, shifted(month, -1)):
                    for payee in sorted(
                        {k[1] for k in audit.answer.own if k[0] == c.rule_id and k[3] == customer}
                    ):
                        back = sum(
                            (
                                v
                                for (name, p, key, u), (v, _) in audit.answer.own.items()
                                if (name, p, u) == (c.rule_id, payee, customer)
                                and shifted(month, -c.clawback_months)
                                <= spans[name, key].paid
                                <= month
                            ),
                            ZERO,
                        )
                        if back:
                            at = (c.rule_id, payee, span_of("1@1", month).key, "clawback")
                            audit.clawed[at[:3]][customer] += back
                            audit.answer.entries[at] = audit.answer.entries.get(at, ZERO) - back
                month = shifted(month, 1)
