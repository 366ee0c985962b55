"""Sentences of the programme guide about what is earned, in the order of counting, and tables.

A new key of a component has its sentence here: of what is measured in `_measuring`, of what is paid
on it in `_paying`, of what is done to the outcome in `_adjusting`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fenrun.base.money import show, show_rate
from fenrun.base.words import say
from fenrun.charges.rows import ORDER
from fenrun.plan.condition_words import column_words, condition_words
from fenrun.plan.guide_tables import capital, reading, tables, unit
from fenrun.plan.phrases import PortionText, gate_words
from fenrun.plan.read import PlanFile
from fenrun.plan.rows import Component, Group, Rule
from fenrun.plan.vocabulary import BASES, MONTHS_OF, OTHERS_READINGS


def title(rule: Rule, lang: str) -> str:
    """Return a clause's title in a language."""
    return rule.title_zh if lang == "zh-CN" else rule.title_en


def basis(written: str, lang: str) -> str:
    """Return a cost basis in words."""
    costs = [
        say(f"basis-{cost}", lang) if cost in BASES else column_words(cost, lang)
        for cost in written.split("|")
    ]
    if len(costs) == 1:
        return costs[0]
    return say("basis-lesser", lang, one=costs[0], other=costs[1])


def component(file: PlanFile, c: Component, rules: Mapping[str, Rule], lang: str) -> dict[str, Any]:
    """Return a component with its title, source, sentences in the order of counting, and tables."""
    rule = rules[c.rule_id]
    if c.pays_on == "earned":
        values = {"role": c.role, "portion": _portion(c), "per": _per(c.per, lang)}
        other = named(c.on_name, rules, lang)
        says = [say("guide-override", lang, other=other, **values), *_capped(file, c, lang)]
    else:
        says = [
            *_measuring(file, c, rules, lang),
            *_paying(file, c, rules, lang),
            *_adjusting(file, c, rules, lang),
        ]
    return {
        "id": c.rule_id,
        "title": title(rule, lang),
        "source": rule.source,
        "says": says,
        "tables": tables(file.plan, c, lang),
    }


def _measuring(file: PlanFile, c: Component, rules: Mapping[str, Rule], lang: str) -> list[str]:
    """Return sentences about who earns it, what is measured for whom, and of what."""
    key = "guide-measures-month" if c.per == "month" else "guide-measures"
    said = [say(key, lang, role=c.role, per=_per(c.per, lang))]
    if c.group_id:
        said.append(say("guide-in-group", lang, title=title(rules[c.group_id], lang)))
    if c.scope:
        about = {"role": c.role, "name": c.scope_name, "value": f" {c.scope_value}".rstrip()}
        said.append(say(f"guide-scope-{c.scope}", lang, **about))
    if c.payee_rule:
        words = condition_words(rules[c.payee_rule].words, lang, "payee")
        said.append(say("guide-who", lang, words=words))
    said.append(_counts(c, lang))
    if c.measure_rule:
        words = condition_words(rules[c.measure_rule].words, lang)
        said.append(say("guide-of", lang, words=words))
    if c.counted_column:
        column = column_words(c.counted_column, lang)
        column = say("unit-order", lang) if c.counted_column == ORDER else column
        sentence = "guide-counted-paid" if c.counts_payments else "guide-counted-with"
        said.append(say(sentence, lang, label=c.counted_label, column=column))
    for weight in file.plan.weights:
        if weight.component == c.rule_id:
            words = condition_words(rules[weight.rule_id].words, lang)
            said.append(say("guide-weight", lang, words=words, weight=show(weight.weight, 0)))
    if c.each != "payee":
        said.append(say("guide-each", lang, each=_of_unit(c, lang)))
    if c.baseline:
        values = {"figure": c.baseline, "per": _per_of(c.baseline_calendar, lang)}
        said.append(say("guide-baseline", lang, **values))
        if c.baseline_rule:
            words = condition_words(rules[c.baseline_rule].words, lang)
            said.append(say("guide-baseline-when", lang, words=words))
    if c.plus:
        whose = say(f"whose-{c.plus_of}", lang)
        said.append(say("guide-plus", lang, figure=c.plus, whose=whose))
    if c.up_to is not None:
        amount = f"{show(c.up_to, 0)} {unit(file.plan, c, lang)}"
        said.append(say("guide-up-to", lang, amount=amount, of=_of_unit(c, lang)))
    return said


def _paying(file: PlanFile, c: Component, rules: Mapping[str, Rule], lang: str) -> list[str]:
    """Return sentences about thresholds, what is paid on, and by which reading."""
    gates = [gate for gate in file.plan.gates if gate.component == c.rule_id]
    said = []
    subjects = {c.reads_by, c.pays_on, c.times_by, *(gate.subject for gate in gates)}
    if "attainment" in subjects:
        whose = say(f"whose-{c.target_of}", lang)
        said.append(say("guide-attainment", lang, target=c.target, whose=whose))
    if subjects & {"increment", "growth"}:
        compare = _compared(c, lang)
        said.append(say("guide-increment", lang, compare=compare))
        if "growth" in subjects:
            said.append(say("guide-growth", lang))
    if c.ties and "rank" in subjects:
        ties = say(f"guide-ties-{c.ties.replace(' ', '-')}", lang)
        key = "guide-rank-among" if c.ranks_among else "guide-rank-all"
        by = say("guide-ranks-by-attainment", lang, target=c.target)
        by = by if c.ranks_by == "attainment" else ""
        said.append(say(key, lang, label=c.ranks_among, ties=ties, by=by))
    if "amount to date" in subjects:
        said.append(say("guide-to-date", lang))
    if "figure" in subjects or "attainment" in subjects or c.compare == "figure":
        absent = "zero" if c.absent_figure is not None else "nothing"
        said.append(say(f"guide-absent-figure-{absent}", lang))
    if subjects & {"increment", "growth"} and c.compare != "figure":
        absent = "zero" if c.absent_period is not None else "nothing"
        said.append(say(f"guide-absent-period-{absent}", lang))
    for gate in gates:
        words = gate_words(gate.words, lang)
        if gate.subject in ("earned", *OTHERS_READINGS):
            words = words.replace(gate.name, named(gate.name, rules, lang))
        said.append(say("guide-gate", lang, words=words))
    on = say(f"reading-{c.pays_on}", lang, name=c.on_name)
    by = reading(c.reads_by, c.by_name, c.target, lang)
    said.append(say(_on_key(file, c), lang, on=on, by=by, table=c.table_id))
    if any(column.table_id == c.table_id for column in file.plan.columns):
        parts = "amount" if c.pays_on == "amount" else "whole"
        said.append(say(f"guide-columns-{parts}", lang))
    return [capital(one, lang) for one in said]


def _on_key(file: PlanFile, c: Component) -> str:
    """Return which sentence says what is paid: by rates, amounts, amounts each, or both."""
    bands = [band for band in file.plan.bands if band.table_id == c.table_id]
    if all(band.rate is None for band in bands):
        return "guide-on-amount"
    if any(band.rate is None for band in bands):
        return "guide-on-mixed"
    return "guide-on-each" if c.counts != "amount" else "guide-on"


def _adjusting(file: PlanFile, c: Component, rules: Mapping[str, Rule], lang: str) -> list[str]:
    """Return sentences about portion, multiplier, cap, less and clawback."""
    said = []
    if c.portion != c.portion_per:
        said.append(say("guide-portion", lang, portion=_portion(c)))
    if c.times_table:
        by = reading(c.times_by, c.times_name, c.target, lang)
        said.append(say("guide-times", lang, table=c.times_table, by=by))
    said += _capped(file, c, lang)
    for key, value in (("guide-floor", c.floor), ("guide-minimum", c.minimum)):
        if value is not None:
            amount = f"{show(value)} {file.plan.terms[0].currency}"
            values = {"of": _of_unit(c, lang), "per": _per(c.per, lang)}
            said.append(say(key, lang, amount=amount, **values))
    for less in file.plan.less:
        if less.component == c.rule_id:
            said.append(say("guide-less", lang, other=named(less.other, rules, lang)))
    if c.clawback_rule:
        said.append(_clawback(c, rules, lang))
    return said


def _clawback(c: Component, rules: Mapping[str, Rule], lang: str) -> str:
    """Return what is taken back, when and of what."""
    known = c.each in ("payee", "customer")
    unit = c.each if known else "order" if c.each == ORDER else "column"
    start = c.clawback_from.replace(" ", "-") or "months"
    within = {"in": say(f"span-{c.clawback_unit}", lang)}
    span, label = c.clawback_span, c.clawback_label
    return say(
        "guide-clawback",
        lang,
        words=condition_words(rules[c.clawback_rule].words, lang),
        unit=say(f"clawback-unit-{unit}", lang, unit=column_words(c.each, lang)),
        part=say("clawback-pro-rata" if c.pro_rata else "clawback-all", lang),
        window=say(f"clawback-window-{start}", lang, span=span, label=label, **within),
    )


def _portion(c: Component) -> str:
    return PortionText(c.portion, c.portion_per).words


def _capped(file: PlanFile, c: Component, lang: str) -> list[str]:
    """Return the most that a component pays: how much, for whom and in which period."""
    values = {"of": _of_unit(c, lang), "per": _per(c.per, lang)}
    if c.cap is not None:
        amount = f"{show(c.cap)} {file.plan.terms[0].currency}"
        return [say("guide-cap", lang, amount=amount, **values)]
    if c.cap_rate is not None:
        return [say("guide-cap-rate", lang, rate=show_rate(c.cap_rate), **values)]
    return []


def named(rule: str, rules: Mapping[str, Rule], lang: str) -> str:
    """Return a component's title, in quotation marks."""
    return say("guide-named", lang, title=title(rules[rule], lang))


def _per(per: str, lang: str) -> str:
    return say(f"per-{per.replace(' ', '-')}", lang)


def _per_of(calendar: str, lang: str) -> str:
    """Return the period of a calendar such as `3@1`: months, and where the year starts."""
    months = int(calendar.partition("@")[0])
    return _per(next(per for per, count in MONTHS_OF.items() if count == months), lang)


def _of_unit(c: Component, lang: str) -> str:
    """Return for what a bound holds: each payee, customer, order, or value of a column."""
    if c.each in ("payee", "customer", ORDER):
        return say(f"each-{c.each}", lang)
    return say("each-column", lang, column=column_words(c.each, lang))


def _counts(c: Component, lang: str) -> str:
    """Return what is measured: a cost, or customers with so much of it."""
    values = {"role": c.role, "basis": basis(c.basis, lang)}
    if c.counts == "amount":
        return say("guide-counts-amount", lang, **values)
    least = say("limit->", lang, bound="0")
    if c.counts_from is not None:
        least = say("limit->=", lang, bound=show(c.counts_from, 0))
    key = f"guide-counts-{c.counts.replace(' ', '-')}" + ("-for" if c.counts_months else "")
    said = [say(key, lang, least=least, months=c.counts_months, **values)]
    if c.less_refunded:
        said.append(say("guide-counts-refunded", lang))
    return say("guide-sentences", lang).join(said)


def _compared(c: Component, lang: str) -> str:
    """Return what an increment is over."""
    if c.compare == "figure":
        whose = say(f"whose-{c.compare_of}", lang)
        return say("compare-figure", lang, name=c.compare_name, whose=whose)
    periods = c.compare_lag // MONTHS_OF[c.per]
    return say("compare-" + c.compare.replace(" ", "-"), lang, periods=periods)


def group(file: PlanFile, g: Group, rules: Mapping[str, Rule], lang: str) -> str:
    """Return how a group's components are combined, and the most that they pay together."""
    ids = [c.rule_id for c in file.plan.components if c.group_id == g.rule_id]
    members = say("guide-comma", lang).join(named(rule, rules, lang) for rule in ids)
    said = say(f"group-{g.kind.replace(' ', '-')}", lang, members=members)
    values = {"per": _per_of(g.calendar, lang)}
    if g.cap is not None:
        values["amount"] = f"{show(g.cap)} {file.plan.terms[0].currency}"
        said += " " + say("guide-ceiling", lang, **values)
    elif g.cap_rate is not None:
        values |= {"rate": show_rate(g.cap_rate), "of": named(g.cap_of, rules, lang)}
        said += " " + say("guide-ceiling-rate", lang, **values)
    return said
