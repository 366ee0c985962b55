"""The programme guide that a partner gets, made from a plan: Markdown or HTML, English or Chinese.

Its examples are the plan's cases, as the engine computed them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from decimal import Decimal
from html import escape
from importlib import resources
from typing import Any

import jinja2
from markdown_it import MarkdownIt

from fenrun.base.money import plain, show, show_rate
from fenrun.base.when import LONG_AGO, OPEN_END
from fenrun.base.words import say
from fenrun.plan.condition_words import condition_words
from fenrun.plan.phrases import PortionText, gate_words, reading_words
from fenrun.plan.read import PlanFile
from fenrun.plan.rows import Band, Component, Group, Plan, Rule
from fenrun.plan.vocabulary import BASES, MONTHS_OF

_STYLE = """\
body{font:16px/1.6 system-ui,"PingFang SC","Microsoft YaHei",sans-serif;color:#1c2430;
max-width:54rem;margin:3rem auto;padding:0 1.5rem}
h1{font-size:2rem;line-height:1.2;border-bottom:3px solid #0b6e69;padding-bottom:.6rem}
h2{margin-top:2.6rem;color:#0b6e69}
h3{margin-top:1.8rem}
table{border-collapse:collapse;width:100%;margin:.8rem 0 1.4rem;font-variant-numeric:tabular-nums}
th,td{padding:.4rem .7rem;border-bottom:1px solid #dde3e8;text-align:left;vertical-align:top}
th{background:#f3f6f8}
code{background:#f3f6f8;padding:.1rem .3rem;border-radius:3px;font-size:.9em}
@media print{body{margin:0;max-width:none}h2{break-after:avoid}table,h3{break-inside:avoid}}"""
_PAGE = """\
<!doctype html>
<html lang="{lang}">
<head><meta charset="utf-8"><meta name="viewport" content="width=device-width">\
<title>{name}</title><style>{style}</style></head>
<body>
{body}</body>
</html>
"""


def markdown(file: PlanFile, lang: str, outcomes: Sequence[Mapping[str, Any]]) -> str:
    """Return the guide as Markdown.

    `outcomes` are those that the engine computed, each with case, says, given (its charges), payee,
    component, period, found (text).
    """
    plan, terms = file.plan, file.plan.terms[0]
    rules = {rule.rule_id: rule for rule in plan.rules}
    text = _template().render(
        t=lambda key, **values: say(key, lang, **values),
        terms=terms,
        title=terms.title_zh if lang == "zh-CN" else terms.title_en,
        last_day="…" if terms.valid_to == OPEN_END else terms.valid_to - timedelta(days=1),
        basis=_basis(terms.basis, lang),
        step=plain(terms.round_step, 0),
        rules=plan.rules,
        clauses=_clauses(file, rules, lang),
        examples=_examples(outcomes),
        pay=_pay(file, lang),
        exclusions=_exclusions(file, rules, lang),
        components=[_component(file, c, rules, lang) for c in plan.components],
        groups=[
            {
                "id": g.rule_id,
                "title": _title(rules[g.rule_id], lang),
                "says": _group(file, g, lang),
            }
            for g in plan.groups
        ],
    )
    return "\n".join(_unblank(text.splitlines())) + "\n"


def html(file: PlanFile, lang: str, outcomes: Sequence[Mapping[str, Any]]) -> str:
    """Return the guide as one HTML page that needs nothing else."""
    reader = MarkdownIt("commonmark", {"html": False}).enable("table")
    terms = file.plan.terms[0]
    name = escape(terms.title_zh if lang == "zh-CN" else terms.title_en)
    body = reader.render(markdown(file, lang, outcomes))
    return _PAGE.format(lang=lang, name=name, style=_STYLE, body=body)


def _template() -> jinja2.Template:
    environment = jinja2.Environment(
        trim_blocks=True, lstrip_blocks=True, undefined=jinja2.StrictUndefined, autoescape=False
    )
    text = resources.files("fenrun.plan").joinpath("guide.md.j2").read_text("utf-8")
    return environment.from_string(text)


def _title(rule: Rule, lang: str) -> str:
    return rule.title_zh if lang == "zh-CN" else rule.title_en


def _basis(basis: str, lang: str) -> str:
    costs = [say(f"basis-{cost}", lang) if cost in BASES else cost for cost in basis.split("|")]
    if len(costs) == 1:
        return costs[0]
    return say("basis-lesser", lang, one=costs[0], other=costs[1])


def _examples(outcomes: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The outcomes by their case."""
    cases: dict[str, dict[str, Any]] = {}
    for outcome in outcomes:
        head = {key: outcome[key] for key in ("case", "says", "given")}
        case = cases.setdefault(outcome["case"], {**head, "outcomes": []})
        case["outcomes"].append(outcome)
    return list(cases.values())


def _exclusions(file: PlanFile, rules: Mapping[str, Rule], lang: str) -> list[dict[str, str]]:
    return [
        {
            "id": rule,
            "title": _title(rules[rule], lang),
            "words": condition_words(rules[rule].words, lang),
            "scope": _scope(file, rule, lang),
        }
        for rule in dict.fromkeys(x.rule_id for x in file.plan.exclusions)
    ]


def _unblank(lines: Sequence[str]) -> list[str]:
    """No more than one empty line in a row."""
    return [line for n, line in enumerate(lines) if line.strip() or (n and lines[n - 1].strip())]


def _clauses(file: PlanFile, rules: Mapping[str, Rule], lang: str) -> list[dict[str, str]]:
    plan, given = file.plan, file.text.credit.first_match
    found = []
    for clause, text in zip(plan.credit_clauses, given, strict=True):
        roles = ", ".join(r.role for r in plan.credit_roles if r.rule_id == clause.rule_id)
        says = [say(f"guide-{clause.mode}", lang, roles=roles)]
        for up in (u for u in plan.roll_ups if u.rule_id == clause.rule_id):
            says.append(say("guide-roll-up", lang, role=up.role, to=up.to_role))
        found.append(
            {
                "id": clause.rule_id,
                "title": _title(rules[clause.rule_id], lang),
                "says": " ".join(says),
                "when": condition_words(text.when or "", lang),
                "window": condition_words(text.while_ or "", lang),
            }
        )
    return found


def _scope(file: PlanFile, rule: str, lang: str) -> str:
    """The components and the span that an exclusion is for; empty where it is for all."""
    mine = [x for x in file.plan.exclusions if x.rule_id == rule]
    first = mine[0]
    said = ""
    if first.component:
        said = say("guide-only", lang, components=", ".join(x.component for x in mine))
    if first.valid_from != LONG_AGO or first.valid_to != OPEN_END:
        start = "…" if first.valid_from == LONG_AGO else first.valid_from
        end = "…" if first.valid_to == OPEN_END else first.valid_to
        said += f" [{start}, {end})"
    return said


def _component(
    file: PlanFile, c: Component, rules: Mapping[str, Rule], lang: str
) -> dict[str, Any]:
    """A component with its title, source, sentences and tables."""
    rule = rules[c.rule_id]
    if c.pays_on == "earned":
        values = {"role": c.role, "portion": _portion(c), "other": c.on_name}
        says = [say("guide-override", lang, per=_per(c, lang), **values)]
    else:
        says = [
            *_measuring(c, rules, lang),
            *_paying(c, rules, lang),
            *_adjusting(file, c, rules, lang),
        ]
    return {
        "id": c.rule_id,
        "title": _title(rule, lang),
        "source": rule.source,
        "says": says,
        "tables": _tables(file, c, lang),
    }


def _measuring(c: Component, rules: Mapping[str, Rule], lang: str) -> list[str]:
    """Sentences about what is measured, for whom, and of what."""
    values = {"role": c.role, "per": _per(c, lang), "what": _counts(c, lang)}
    said = [say("guide-measures", lang, **values)]
    if c.each != "payee":
        said.append(say("guide-each", lang, each=c.each))
    if c.scope:
        about = {"role": c.role, "name": c.scope_name, "value": f" {c.scope_value}".rstrip()}
        said.append(say(f"guide-scope-{c.scope}", lang, **about))
    for key, zero in (("figure", c.absent_figure), ("period", c.absent_period)):
        if zero is not None:
            said.append(say(f"guide-absent-{key}", lang))
    for key, rule in (("guide-who", c.payee_rule), ("guide-of", c.measure_rule)):
        if rule:
            said.append(say(key, lang, words=condition_words(rules[rule].words, lang)))
    return said


def _paying(c: Component, rules: Mapping[str, Rule], lang: str) -> list[str]:
    """Sentences about what is paid on, by which reading, and within which bounds."""
    on = {
        "amount": say("reading-amount", lang),
        "increment": say("reading-increment", lang),
        "figure": say("reading-figure", lang, name=c.on_name),
    }[c.pays_on]
    said = [say("guide-on", lang, on=on, by=_reading(c.reads_by, c, c.by_name, lang))]
    if c.compare:
        periods = c.compare_lag // MONTHS_OF[c.per]
        key = "compare-" + c.compare.replace(" ", "-")
        compare = c.compare_name or say(key, lang, periods=periods)
        said.append(say("guide-compare", lang, compare=compare))
    if c.baseline:
        words = "*"
        if c.baseline_rule:
            words = condition_words(rules[c.baseline_rule].words, lang)
        said.append(say("guide-baseline", lang, figure=c.baseline, words=words))
    bounds = (("up-to", c.up_to), ("cap", c.cap), ("floor", c.floor), ("minimum", c.minimum))
    for key, value in bounds:
        if value is not None:
            said.append(say(f"guide-{key}", lang, amount=show(value)))
    if c.cap_rate is not None:
        said.append(say("guide-cap", lang, amount=show_rate(c.cap_rate)))
    return said


def _adjusting(file: PlanFile, c: Component, rules: Mapping[str, Rule], lang: str) -> list[str]:
    """Sentences about what is done to the outcome: portion, gates, deductions, clawback."""
    plan = file.plan
    said = []
    if c.portion != c.portion_per:
        said.append(say("guide-portion", lang, portion=_portion(c)))
    for gate in plan.gates:
        if gate.component == c.rule_id:
            said.append(say("guide-gate", lang, words=gate_words(gate.words, lang)))
    said += [say("guide-less", lang, other=x.other) for x in plan.less if x.component == c.rule_id]
    if c.times_table:
        by = _reading(c.times_by, c, c.times_name, lang)
        said.append(say("guide-times", lang, table=c.times_table, by=by))
    if c.clawback_rule:
        words = condition_words(rules[c.clawback_rule].words, lang)
        said.append(say("guide-clawback", lang, words=words, months=c.clawback_months))
    return said


def _portion(c: Component) -> str:
    return PortionText(c.portion, c.portion_per).words


def _per(c: Component, lang: str) -> str:
    return say(f"per-{c.per.replace(' ', '-')}", lang)


def _counts(c: Component, lang: str) -> str:
    said = say(f"counts-{c.counts.replace(' ', '-')}", lang)
    return said if c.counts_from is None else f"{said} (≥ {show(c.counts_from)})"


def _reading(subject: str, c: Component, name: str, lang: str) -> str:
    return reading_words("reading-", subject, name, lang, target=c.target)


def _tables(file: PlanFile, c: Component, lang: str) -> list[dict[str, Any]]:
    """Each version and column of the component's tables, with its bands."""
    plan, found = file.plan, []
    for table in (t for t in (c.table_id, c.times_table) if t):
        mine = [b for b in plan.bands if b.table_id == table]
        for key in sorted({(b.valid_from, b.published, b.column_no) for b in mine}):
            bands = [b for b in mine if (b.valid_from, b.published, b.column_no) == key]
            rows = [{"range": _range(b), "pays": _pays(b, lang)} for b in bands]
            found.append({"title": _table_title(plan, bands[0], lang), "bands": rows})
    return found


def _table_title(plan: Plan, band: Band, lang: str) -> str:
    """The title of a version and column of a table, by one of its bands."""
    kind = say(f"kind-{band.kind.replace(' ', '-')}", lang)
    parts = [say("guide-table", lang, table=band.table_id, kind=kind, start=band.valid_from)]
    words = {rule.rule_id: rule.words for rule in plan.rules}
    for column in plan.columns:
        of_table = (column.table_id, column.version) == (band.table_id, band.valid_from)
        if of_table and (column.published, column.column_no) == (band.published, band.column_no):
            parts.append(f"`{condition_words(words[column.rule_id], lang)}`")
    if band.published != plan.terms[0].published:
        parts.append(say("guide-published", lang, day=band.published))
    return " · ".join(parts)


def _range(b: Band) -> str:
    def bound(value: Decimal) -> str:
        return show_rate(value) if b.ratio else show(value, 0)

    low = "" if b.lower is None else f"{bound(b.lower)} {'≤' if b.lower_in else '<'} "
    high = "" if b.upper is None else f" {'≤' if b.upper_in else '<'} {bound(b.upper)}"
    return f"{low}x{high}" if low or high else "—"


def _pays(b: Band, lang: str) -> str:
    if b.flat is not None:
        return show(b.flat)
    if b.rate_to is not None and b.rate is not None and b.rate_to != b.rate:
        return f"{show_rate(b.rate)} → {show_rate(b.rate_to)}"
    rate = b.rate or Decimal(0)
    return (
        say("guide-each-pays", lang, amount=show(rate))
        if b.words.endswith(" each")
        else show_rate(rate)
    )


def _group(file: PlanFile, g: Group, lang: str) -> str:
    members = ", ".join(c.rule_id for c in file.plan.components if c.group_id == g.rule_id)
    said = say(f"group-{g.kind.replace(' ', '-')}", lang, members=members)
    if g.cap is not None:
        said += " " + say("guide-ceiling", lang, amount=show(g.cap))
    elif g.cap_rate is not None:
        said += " " + say("guide-ceiling", lang, amount=f"{show_rate(g.cap_rate)} ({g.cap_of})")
    return said


def _pay(file: PlanFile, lang: str) -> list[str]:
    plan = file.plan
    said: list[str] = []
    if not plan.pay:
        return said
    pay, words = plan.pay[0], {r.rule_id: r.words for r in plan.rules}
    if plan.instalments:
        parts = [
            say("pay-part", lang, share=show_rate(p.share), months=p.months)
            for p in plan.instalments
        ]
        said.append(say("pay-instalments", lang, parts=", ".join(parts)))
    if pay.freeze_rule:
        frozen = condition_words(words[pay.freeze_rule], lang)
        said.append(say("pay-frozen", lang, words=frozen))
    if pay.draw is not None:
        said.append(
            say("pay-draw" if pay.recoverable else "pay-guaranteed", lang, amount=show(pay.draw))
        )
    if pay.minimum is not None:
        said.append(say("pay-minimum", lang, amount=show(pay.minimum)))
    if pay.expires:
        said.append(say("pay-expires", lang, months=pay.expires))
    for form in plan.forms:
        floor = (
            say("pay-floor", lang, amount=show(form.floor), otherwise=form.otherwise)
            if form.floor is not None
            else ""
        )
        said.append(say("pay-form", lang, share=show_rate(form.share), form=form.form) + floor)
    if pay.tax_included or pay.tax_added or pay.tax_figure:
        said.append(
            say(
                "pay-tax",
                lang,
                included=show_rate(pay.tax_included),
                added=pay.tax_figure or show_rate(pay.tax_added),
            )
        )
    return said
