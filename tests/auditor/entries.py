"""The auditor's account of what clauses add to earnings and take off them.

Gates, deductions, ceilings, overrides, clawbacks.
"""

from __future__ import annotations

from collections import defaultdict
from datetime import date, timedelta
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
    _clawbacks(audit, spans, after)
    _overrides(audit, after)


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
    """On what is left of what those below earned: what is taken back of them is taken off."""
    terms = audit.terms
    taken = {
        (component, payee, span_of("1@1", date(int(key[:4]), int(key[5:7]), 1)), "back"): amount
        for (component, payee, key, reason), amount in audit.answer.entries.items()
        if reason == "clawback"
    }
    earned_or_taken = [((*line, ""), v) for line, v in lines.items()] + list(taken.items())
    left = [c for c in audit.plan.components if c.pays_on == "earned"]
    while left:  # from below: none of what it is paid on is left
        c = next(c for c in left if c.on_name not in {x.rule_id for x in left})
        left.remove(c)
        sums: dict[tuple[str, Span], Decimal] = defaultdict(lambda: ZERO)
        for (name, payee, span, _), earned in earned_or_taken:
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
            earned = rounded(exact, terms.round_mode, terms.round_per)
            audit.answer.entries[c.rule_id, payee, over.key, "override"] = earned
            earned_or_taken.append(((c.rule_id, payee, over, ""), earned))


def _clawbacks(audit: Any, spans: dict[tuple[str, str], Span], kept: dict[Line, Decimal]) -> None:
    """Take back, at the first loss after its payment, what was paid for what is lost."""
    own = dict(audit.answer.own)
    whole: dict[Line, Decimal] = defaultdict(lambda: ZERO)
    for (component, payee, key, _), (earned, _) in own.items():
        whole[component, payee, spans[component, key]] += earned
    for c in (c for c in audit.plan.components if c.clawback_rule):
        for (component, payee, key, unit), (earned, _) in own.items():
            if component != c.rule_id or not earned:
                continue
            lost = payee if c.each == "payee" else unit
            paid = spans[component, key].paid
            month = _first_loss(audit, c, lost, paid) if lost else None
            if month is None:
                continue
            line = component, payee, spans[component, key]
            part = _part(audit, c, lost, paid, month) * _ratio(kept[line], whole[line])
            back = rounded(Fraction(earned) * part, audit.terms.round_mode, audit.terms.round_per)
            if back:
                at = (component, payee, span_of("1@1", month).key, "clawback")
                audit.clawed[at[:3]][unit] += back
                audit.answer.entries[at] = audit.answer.entries.get(at, ZERO) - back


def _ratio(kept: Decimal, whole: Decimal) -> Fraction:
    return Fraction(1) if kept == whole else Fraction(kept) / Fraction(whole)


def _is_lost(audit: Any, c: Any, unit: str, day: Any) -> bool:
    label = partial(audit.book.label, unit, day=day)
    return holds(audit.trees[c.clawback_rule], SimpleNamespace(text=label))


def _first_loss(audit: Any, c: Any, unit: str, paid: Any) -> Any:
    """The first month, from the paid one on, at whose end it is lost, but was not a month ago."""
    month = paid
    while month < audit.paid[1]:
        ends = shifted(month, 1) - _DAY, month - _DAY
        if [_is_lost(audit, c, unit, end) for end in ends] == [True, False]:
            return month
        month = shifted(month, 1)
    return None


def _part(audit: Any, c: Any, unit: str, paid: Any, month: Any) -> Fraction:
    """Which part is taken back: none where the window is closed on the day of the loss."""
    if not c.clawback_from:
        return Fraction(paid >= shifted(month, -c.clawback_span))
    day = month
    while not _is_lost(audit, c, unit, day):
        day += _DAY
    starts = {
        "payment": shifted(paid, 1) - _DAY,
        "customer since": audit.since.get(unit),
        "label": min(
            (x.valid_from for x in audit.book.by_party[unit] if x.label == c.clawback_label),
            default=None,
        ),
    }[c.clawback_from]
    if starts is None:
        return Fraction(1)
    days = c.clawback_unit == "day"
    ends = starts + c.clawback_span * _DAY if days else shifted(starts, c.clawback_span)
    if day >= ends:
        return Fraction(0)
    if not c.pro_rata or day <= starts:
        return Fraction(1)
    return Fraction((ends - day).days, (ends - starts).days)
