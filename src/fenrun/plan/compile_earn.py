"""Earning clauses of a plan's text, as the rows of its components, groups and gates."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from fenrun.base.money import decimals, plain
from fenrun.base.words import LANGUAGES, say
from fenrun.charges.rows import ORDER
from fenrun.plan.draft import Draft, members_of
from fenrun.plan.phrases import (
    CapText,
    WindowText,
    figure_of,
    lag_of,
    subject_of,
    window_of,
)
from fenrun.plan.rows import Component, Gate, Group, Less, Weight
from fenrun.plan.source import Path_
from fenrun.plan.text import EarnText, GroupText, Words
from fenrun.plan.vocabulary import (
    COMPARED_READINGS,
    MONTHS_OF,
    OTHERS_READINGS,
    RATIO_READINGS,
)

_GROUPS_FROM = 1000
"""The rank of the first group, behind all components."""


@dataclass
class Earned:
    """The rows of all that is earned."""

    groups: list[Group]
    components: list[Component]
    weights: list[Weight]
    gates: list[Gate]
    less: list[Less]


def compile_earn(draft: Draft) -> Earned:
    """Return the rows of all that is earned."""
    earned = Earned([], [], [], [], [])
    for number, item in enumerate(draft.text.earn.sum if draft.text.earn else []):
        if isinstance(item, GroupText):
            made = _group(draft, ("earn", "sum", number), _GROUPS_FROM + number, item)
            earned.groups.append(made)
    for rank, (path, component, group) in enumerate(draft.components()):
        group_id = group.id if group else ""
        earned.components.append(_component(draft, path, rank, component, group_id))
        _check_keys(draft, path, component)
        _check_units(draft, path, component)
        _check_scope(draft, path, component)
        _check_cap(draft, path, component)
        _check_others(draft, path, component)
        earned.weights += _weights(draft, path, component)
        earned.gates += _gates(draft, path, component)
        earned.less += [Less(draft.plan_id, component.id, other) for other in component.less]
    return earned


def _calendar(draft: Draft, per: str) -> str:
    """Return a period as months and the month in which the year starts: `3@1`."""
    return f"{MONTHS_OF[per]}@{draft.text.year_starts}"


def _group(draft: Draft, path: Path_, rank: int, item: GroupText) -> Group:
    given = [(kind, members) for kind, members in members_of(item) if members]
    if len(given) != 1:
        draft.wrong_key(path, "sum", "group-lists", id=item.id)
    kind, members = given[0] if given else ("sum", [])
    ids = [member.id for member in members]
    words = f"{kind}: {', '.join(ids)}"
    rule = draft.rule(path, item.id, "group", words, item.title, item.source)
    if len({member.per for member in members}) > 1:
        draft.wrong_value((*path, kind), "group-periods")
    per = item.per or (members[0].per if members else "month")
    if members and MONTHS_OF[per] % MONTHS_OF[members[0].per]:
        draft.wrong_value((*path, "per"), "period-no-whole", per=per)
    cap = item.cap or CapText(None, None, "")
    if cap.of and cap.of not in ids:
        draft.unknown_name((*path, "cap"), cap.of, "no-component-of-group", ids)
    _check_fineness(draft, path, cap)
    return Group(
        plan_id=draft.plan_id,
        rule_id=rule,
        rank=rank,
        kind=kind,
        calendar=_calendar(draft, per),
        cap=cap.amount,
        cap_rate=cap.rate,
        cap_of=cap.of,
    )


def _component(draft: Draft, path: Path_, rank: int, item: EarnText, group: str) -> Component:
    picked = f"{item.table} on {item.on} by {item.by}" if item.table else item.on
    words = f"{item.per}, {item.pays}: {picked}"
    rule = draft.rule(path, item.id, "earn", words, item.title, item.source)
    rules = _part_rules(draft, path, item)
    pays_on = subject_of(item.on.removesuffix(" below"))
    reads_by = subject_of(item.by or "")
    target, plus = figure_of(item.target), figure_of(item.plus)
    lag = lag_of(item.compare)
    compare = ("periods before", "", "payee") if lag else subject_of(item.compare or "")
    window_months, window_calendar, window_all, window_among = _window(draft, path, item)
    times_table, times = _times(item)
    cap = item.cap or CapText(None, None, "")
    return Component(
        plan_id=draft.plan_id,
        rule_id=rule,
        rank=rank,
        group_id=group,
        role=item.pays,
        basis=item.basis or draft.text.basis,
        per=item.per,
        calendar=_calendar(draft, item.per),
        each=_column(item.each),
        **_counts(item),
        up_to=item.up_to,
        plus=plus[0],
        plus_of=plus[1],
        measure_rule=rules["measure"],
        pays_on=pays_on[0],
        on_name=pays_on[1],
        on_of=pays_on[2],
        reads_by=reads_by[0],
        by_name=reads_by[1],
        by_of=reads_by[2],
        target=target[0],
        target_of=target[1],
        compare=compare[0],
        compare_name=compare[1],
        compare_of=compare[2],
        compare_lag=(lag or 0) * MONTHS_OF[item.per],
        window_months=window_months,
        window_calendar=window_calendar,
        window_all=window_all,
        window_among=window_among,
        ranks_among=(item.rank.among or "") if item.rank else "",
        ranks_by=item.rank.by if item.rank else "",
        ties=item.rank.ties if item.rank else "",
        portion=item.portion.rate,
        portion_per=item.portion.per,
        baseline=item.baseline.figure if item.baseline else "",
        baseline_calendar=_calendar(draft, item.baseline.per) if item.baseline else "",
        cap=cap.amount,
        cap_rate=cap.rate,
        floor=item.floor,
        minimum=item.minimum,
        table_id=item.table or "",
        times_table=times_table,
        times_by=times[0],
        times_name=times[1],
        times_of=times[2],
        payee_rule=rules["payee"],
        scope=item.for_.kind if item.for_ else "",
        scope_name=item.for_.name if item.for_ else "",
        scope_value=item.for_.value if item.for_ else "",
        absent_figure=_absent(item.absent.figure if item.absent else "nothing"),
        absent_period=_absent(item.absent.period if item.absent else "nothing"),
        baseline_rule=rules["baseline"],
        clawback_rule=rules["clawback"],
        **_clawback(item),
    )


def _counts(item: EarnText) -> dict[str, Any]:
    """Return what is counted, and with which month."""
    month, counts = item.counted_with, item.counts
    return {
        "counted_label": month.label if month else "",
        "counted_column": _column(month.column) if month else "",
        "counts": counts.kind,
        "counts_from": counts.floor,
        "counts_months": counts.months,
        "less_refunded": counts.refunded,
    }


def _column(unit: str) -> str:
    """Return the column of a unit such as `order`; any other is what it is."""
    return ORDER if unit == "order" else unit


def _clawback(item: EarnText) -> dict[str, Any]:
    """Return how long, and which part of, what was paid can be taken back."""
    window = item.clawback.within if item.clawback else WindowText(0, "month", "", "")
    pro_rata = item.clawback is not None and item.clawback.takes == "pro rata"
    return {
        "clawback_span": window.span,
        "clawback_unit": window.unit,
        "clawback_from": window.start or ("payment" if pro_rata else ""),
        "clawback_label": window.label,
        "pro_rata": pro_rata,
    }


def _readings(item: EarnText) -> list[tuple[str, str]]:
    """Return what a component reads, with the name of whose."""
    said = [subject_of(item.by or ""), _times(item)[1]]
    return [(subject, name) for subject, name, _ in said] + [
        (g.subject, g.name) for g in item.gates
    ]


def _window(draft: Draft, path: Path_, item: EarnText) -> tuple[int, str, bool, str]:
    """Return the window that `amount over` sums, as its months or the calendar of its period.

    And whether it is over what all payees together are measured, or those alike in a label.
    """
    names = {name for subject, name in _readings(item) if subject == "amount over"}
    if not names:
        return 0, "", False, ""
    if len(names) > 1:
        draft.wrong_value(path, "windows-differ", "by", id=item.id)
    months, period, of_all, label = window_of(min(names))
    if (months or MONTHS_OF[period]) % MONTHS_OF[item.per]:
        draft.wrong_value(path, "window-no-whole", "by", window=min(names), per=item.per)
    return months, _calendar(draft, period) if period else "", of_all, label


def _part_rules(draft: Draft, path: Path_, item: EarnText) -> dict[str, str]:
    """Add the clauses of a component's conditions. Returns their ids by their kinds."""
    baseline = item.baseline.when if item.baseline else None
    clawback = item.clawback.when if item.clawback else None
    agreed = item.source
    who, of = (*path, "who"), (*path, "of")
    base, claw = (*path, "baseline", "when"), (*path, "clawback", "when")
    found = {
        "payee": draft.sub_rule(who, f"{item.id}.who", "payee", item.who, "party", agreed),
        "measure": draft.sub_rule(of, f"{item.id}.of", "measure", item.of, "credit", agreed),
        "baseline": draft.sub_rule(
            base, f"{item.id}.baseline", "baseline", baseline, "credit", agreed
        ),
        "clawback": draft.sub_rule(
            claw, f"{item.id}.clawback", "clawback", clawback, "party", agreed
        ),
    }
    draft.refuse_days(claw, found["clawback"])
    return found


def _weights(draft: Draft, path: Path_, item: EarnText) -> Iterator[Weight]:
    for number, weighted in enumerate(item.weights, 1):
        at = (*path, "weights", number - 1)
        title = {
            lang: say("weight-title", lang, weight=plain(weighted.weight, 0)) for lang in LANGUAGES
        }
        rule = draft.rule(
            at,
            f"{item.id}.weights.{number}",
            "measure",
            weighted.when,
            Words.model_validate(title),
            item.source,
        )
        draft.condition((*at, "when"), rule, weighted.when, "credit")
        yield Weight(draft.plan_id, item.id, number, rule, weighted.weight)
    if item.weights and item.baseline:
        draft.wrong_value((*path, "weights"), "weights-and-baseline", id=item.id)


def _absent(word: str) -> Decimal | None:
    """Return what a number counts as that is not there; None: nothing can be earned by it."""
    return Decimal(0) if word == "zero" else None


def _times(item: EarnText) -> tuple[str, tuple[str, str, str]]:
    """Return the table that multiplies the outcome, and what picks its band."""
    table, _, words = (item.times or "").partition(" by ")
    return table, subject_of(words)


def _is_override(item: EarnText) -> bool:
    """Return whether a component is paid on what others earned."""
    return item.on.startswith("earned ")


def _gates(draft: Draft, path: Path_, item: EarnText) -> Iterator[Gate]:
    for number, gate in enumerate(item.gates):
        at = (*path, "gates", number)
        ratio = gate.subject in RATIO_READINGS
        if gate.bounds.ratio != ratio and gate.subject != "figure":
            why = "gate-needs-rate" if ratio else "gate-needs-amount"
            draft.wrong_value(at, why, "gates", text=gate.words, subject=gate.subject)
        yield Gate(
            plan_id=draft.plan_id,
            component=item.id,
            gate_no=number,
            subject=gate.subject,
            name=gate.name,
            of=gate.of,
            lower=gate.bounds.lower,
            lower_in=gate.bounds.lower_in,
            upper=gate.bounds.upper,
            upper_in=gate.bounds.upper_in,
            words=gate.words,
            line=draft.source.line(at),
        )


def _check_others(draft: Draft, path: Path_, item: EarnText) -> None:
    """Check the other components that this one names."""
    others = {other.id: other for _, other, _ in draft.components() if other.id != item.id}
    named: list[tuple[Path_, str]] = []
    for number, gate in enumerate(item.gates):
        if gate.subject == "earned":
            named.append(((*path, "gates", number), gate.name))
    for number, name in enumerate(item.less):
        named.append(((*path, "less", number), name))
    for at, name in named:
        _check_other(draft, at, name, item, others)
    if _is_override(item):
        _check_below(draft, (*path, "on"), item, others)
    for subject, name in _readings(item):
        if subject in OTHERS_READINGS:
            _check_read(draft, path, subject, name, item, others)


def _check_read(
    draft: Draft, path: Path_, subject: str, name: str, item: EarnText, others: dict[str, EarnText]
) -> None:
    """Check that what another component measures is of the same payee and period."""
    other = others.get(name)
    if other is None:
        draft.unknown_name((*path, "by"), name, "no-other-component", list(others))
        return
    is_alike = (other.pays, other.per, other.each) == (item.pays, item.per, "payee")
    if not is_alike or _is_override(other):
        draft.wrong_value(path, "measured-otherwise", "by", id=item.id, name=name)
    elif subject == "attainment of" and not other.target:
        draft.wrong_value(path, "measured-without-target", "by", name=name)


def _check_other(
    draft: Draft, path: Path_, name: str, item: EarnText, others: dict[str, EarnText]
) -> None:
    other = others.get(name)
    if other is None:
        draft.unknown_name(path, name, "no-other-component", list(others))
        return
    if _depends(other) or _is_override(other):
        draft.wrong_value(path, "component-depends", name=name)
    else:
        _check_periods(draft, path, name, item, other)


def _check_below(draft: Draft, path: Path_, item: EarnText, others: dict[str, EarnText]) -> None:
    """Check what an override is paid on: another override too, but never at last itself."""
    name = item.on.split()[1]
    other = others.get(name)
    if other is None:
        draft.unknown_name(path, name, "no-other-component", list(others))
        return
    passed, below = {item.id}, other
    while _is_override(below):
        passed.add(below.id)
        on = below.on.split()[1]
        if on in passed:
            draft.wrong_value(path, "override-circle", id=item.id, name=on)
            return
        if on not in others:
            break  # said of that one
        below = others[on]
    if _depends(other):
        draft.wrong_value(path, "component-depends", name=name)
    else:
        _check_periods(draft, path, name, item, other)


def _depends(item: EarnText) -> bool:
    """Return whether what a component pays depends on what others pay."""
    return bool(item.less) or any(gate.subject == "earned" for gate in item.gates)


def _check_periods(draft: Draft, path: Path_, name: str, item: EarnText, other: EarnText) -> None:
    if MONTHS_OF[item.per] % MONTHS_OF[other.per]:
        draft.wrong_value(path, "period-no-whole-of", per=item.per, name=name)


def _check_keys(draft: Draft, path: Path_, item: EarnText) -> None:
    """Check the keys that another key makes necessary, or impossible."""
    subjects = {subject_of(item.by or "")[0], _times(item)[1][0]}
    subjects |= {gate.subject for gate in item.gates}
    compares = bool(subjects & set(COMPARED_READINGS)) or item.on == "increment"
    needs = {
        "target": "attainment" in subjects or (item.rank and item.rank.by == "attainment"),
        "compare": compares,
        "rank": "rank" in subjects,
        "table": not _is_override(item),
        "by": not _is_override(item),
    }
    for key, needed in needs.items():
        if needed and not getattr(item, key):
            draft.wrong_key(path, key, "key-needed", name=key, id=item.id)
    if _is_override(item):
        for key in _MEASURING:
            if getattr(item, key) not in (None, []):
                written = key.strip("_").replace("_", " ")
                draft.wrong_value(path, "override-measures", written, id=item.id)


_MEASURING = (
    "who",
    "of",
    "weights",
    "counted_with",
    "by",
    "table",
    "target",
    "compare",
    "baseline",
    "up_to",
    "plus",
    "times",
    "rank",
    "clawback",
    "for_",
    "absent",
    "floor",
    "minimum",
)
"""The keys of a component that say what it measures."""


def _check_units(draft: Draft, path: Path_, item: EarnText) -> None:
    """Check that what is read and counted goes with what is earned for separately."""
    read = [item.on, item.by, item.target, item.compare, item.times, item.plus]
    read += [gate.words for gate in item.gates]
    if item.each != "customer":
        if any(words and " of customer" in words for words in read):
            draft.wrong_value(path, "figure-of-each", "each", id=item.id)
        elif item.clawback and item.clawback.within.start == "customer since":
            draft.wrong_value((*path, "clawback"), "clawback-of-each", "within", id=item.id)
    if item.counted_with:
        if item.each not in ("payee", "customer", item.counted_with.column):
            draft.wrong_value((*path, "counted with"), "counted-with-each", id=item.id)
        has_columns = any(v.columns for v in draft.text.tables.get(item.table or "", []))
        if has_columns or item.baseline or item.compare == "last year of its customers":
            draft.wrong_value((*path, "counted with"), "counted-with-month", id=item.id)
    if item.rank and item.each != "payee":
        draft.wrong_value((*path, "rank"), "rank-of-payee", id=item.id)
    has_columns = any(v.columns for v in draft.text.tables.get(item.table or "", []))
    of = figure_of(item.plus)[1]
    if item.plus and (item.counts.kind != "amount" or has_columns or item.each != of):
        draft.wrong_value((*path, "plus"), "plus-of-amount", id=item.id)
    if item.counts.kind == "amount":
        return
    if item.each != "payee" or item.baseline or (item.up_to and item.compare):
        draft.wrong_value(path, "counts-of-payee", "counts", id=item.id)
    if has_columns:
        draft.wrong_value((*path, "table"), "counts-no-columns", id=item.id)


def _check_scope(draft: Draft, path: Path_, item: EarnText) -> None:
    """Check that whoever is in scope without a credit has a unit, and a column of the table."""
    if item.for_ is None:
        return
    at = (*path, "for")
    if item.for_.role not in ("", item.pays, f"{item.pays}s"):
        draft.unknown_name(at, item.for_.role, "scope-of-role", [item.pays], id=item.id)
    if item.each != "payee" and (item.each != "customer" or item.for_.kind != "holders"):
        draft.wrong_value(at, "scope-of-each", id=item.id)
    if any(version.columns for version in draft.text.tables.get(item.table or "", [])):
        draft.wrong_value(at, "scope-no-columns", id=item.id)


def _check_cap(draft: Draft, path: Path_, item: EarnText) -> None:
    if item.cap:
        _check_fineness(draft, path, item.cap)
        if item.cap.of not in ("", "amount"):
            draft.wrong_value((*path, "cap"), "cap-of-component", of=item.cap.of)
    _check_amount_fineness(draft, (*path, "floor"), item.floor)
    if item.floor is None:
        return
    if item.minimum is not None:
        draft.wrong_value((*path, "minimum"), "floor-and-minimum", id=item.id)
    if item.cap and (item.cap.amount is None or item.cap.amount < item.floor):
        draft.wrong_value((*path, "floor"), "floor-above-cap", id=item.id)


def _check_fineness(draft: Draft, path: Path_, cap: CapText) -> None:
    _check_amount_fineness(draft, (*path, "cap"), cap.amount)


def _check_amount_fineness(draft: Draft, path: Path_, amount: Decimal | None) -> None:
    if amount is not None and decimals(amount) > draft.text.rounded[1]:
        draft.wrong_value(path, "cap-too-fine", amount=plain(amount, 0))


def check_tables(draft: Draft) -> None:
    """Check that the tables which components name are there."""
    known = list(draft.text.tables)
    for path, item, _ in draft.components():
        for key, table in (("table", item.table), ("times", _times(item)[0])):
            if table and table not in known:
                draft.unknown_name((*path, key), table, "no-table", known)
