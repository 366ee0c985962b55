"""The programme guide that a partner gets, made from a plan: Markdown or HTML, English or Chinese.

Its examples are the plan's cases, as the engine computed them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from html import escape
from importlib import resources
from typing import Any

import jinja2
from markdown_it import MarkdownIt

from fenrun.base.money import plain, show, show_rate
from fenrun.base.when import LONG_AGO, OPEN_END
from fenrun.base.words import say
from fenrun.plan.condition_words import column_words, condition_words
from fenrun.plan.guide_cases import examples
from fenrun.plan.guide_earning import basis, component, group, named, title
from fenrun.plan.read import PlanFile
from fenrun.plan.rows import DerivedFigure, Fund, Pay, Plan, Purse, Rule
from fenrun.plan.text import LimitText
from fenrun.plan.vocabulary import EACH_DAY, SPEND

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

    `outcomes` are those that the engine computed, each with case, payee, component (or none),
    period, known and since (days or None), found (text).
    """
    plan, terms = file.plan, file.plan.terms[0]
    rules = {rule.rule_id: rule for rule in plan.rules}
    text = _template().render(
        t=lambda key, **values: say(key, lang, **values),
        terms=terms,
        title=terms.title_zh if lang == "zh-CN" else terms.title_en,
        last_day="…" if terms.valid_to == OPEN_END else terms.valid_to - timedelta(days=1),
        basis=basis(terms.basis, lang).strip(),
        year_starts=say(f"month-{terms.year_starts}", lang) if terms.year_starts > 1 else "",
        rounded={
            "mode": say(f"round-{terms.round_mode.replace(' ', '-')}", lang),
            "step": plain(terms.round_step, 0),
            "currency": terms.currency,
        },
        money=_currency(plan, lang),
        rules=plan.rules,
        as_of=_as_of(file, lang),
        clauses=_clauses(file, rules, lang),
        limits=_limits(file.text.limits, lang),
        examples=examples(file, outcomes, lang),
        pay=_pay(file, lang),
        exclusions=_exclusions(file, rules, lang),
        figures=[
            say(f"guide-{f.counts}", lang, figure=f.figure, of=_source_words(f, lang))
            for f in plan.figures
        ],
        components=[component(file, c, rules, lang) for c in plan.components],
        groups=[
            {
                "id": g.rule_id,
                "title": title(rules[g.rule_id], lang),
                "says": group(file, g, rules, lang),
            }
            for g in plan.groups
        ],
    )
    return "\n".join(_unblank(text.splitlines())) + "\n"


def _currency(plan: Plan, lang: str) -> str:
    """Return the plan's currency, and which others count."""
    if not plan.converts:
        return say("guide-currency", lang, currency=plan.currency)
    others = ", ".join(plan.converts)
    key = f"guide-convert-{plan.terms[0].converts_on}"
    return say(key, lang, currency=plan.currency, others=others)


def html(file: PlanFile, lang: str, outcomes: Sequence[Mapping[str, Any]]) -> str:
    """Return the guide as one HTML page that needs nothing else."""
    terms = file.plan.terms[0]
    name = escape(terms.title_zh if lang == "zh-CN" else terms.title_en)
    body = html_part(file, lang, outcomes)
    return _PAGE.format(lang=lang, name=name, style=_STYLE, body=body)


def html_part(file: PlanFile, lang: str, outcomes: Sequence[Mapping[str, Any]]) -> str:
    """Return the guide as HTML to stand inside a page; markup in the plan's own text is text."""
    reader = MarkdownIt("commonmark", {"html": False}).enable("table")
    return str(reader.render(markdown(file, lang, outcomes)))


def _template() -> jinja2.Template:
    environment = jinja2.Environment(
        trim_blocks=True, lstrip_blocks=True, undefined=jinja2.StrictUndefined, autoescape=False
    )
    text = resources.files("fenrun.plan").joinpath("guide.md.j2").read_text("utf-8")
    return environment.from_string(text)


def _as_of(file: PlanFile, lang: str) -> list[str]:
    """Return by which day of a charge it is decided who is credited, the first that holds."""
    said = []
    for item in file.text.as_of:
        words = condition_words(item.when, lang) if item.when else ""
        key = "guide-each-day" if item.day in EACH_DAY else "guide-as-of"
        if item.day in EACH_DAY:
            names = {"period": say(f"guide-period-{EACH_DAY[item.day]}", lang)}
        else:
            names = {"day": column_words(item.day, lang)}
        said.append(say(f"{key}-when" if words else key, lang, words=words, **names))
    if not any(item.when is None for item in file.text.as_of):
        said.append(say("guide-as-of-else" if said else "guide-as-of-always", lang))
    return said


def _source_words(figure: DerivedFigure, lang: str) -> str:
    """Return of what a figure is counted: a kind of agreements, or months."""
    if figure.counts != SPEND:
        return say(f"agreed-{figure.of}", lang)
    first, last = figure.of.split("/")
    return say("guide-fact-range", lang, first=first, last=last)


def _limits(limits: LimitText | None, lang: str) -> list[str]:
    """Return what the programme refuses of associations and registrations."""
    if limits is None:
        return []
    values = {
        "registration-lives": limits.registration_lives,
        "open-registrations": limits.open_registrations,
        "unbinding": limits.unbinding,
        "consent-within": limits.consent_within,
    }
    said = [say(f"guide-{key}", lang, count=n) for key, n in values.items() if n is not None]
    return [say("guide-first-come", lang), *said] if limits.claims else said


def _exclusions(file: PlanFile, rules: Mapping[str, Rule], lang: str) -> list[dict[str, str]]:
    return [
        {
            "id": rule,
            "title": title(rules[rule], lang),
            "words": condition_words(rules[rule].words, lang),
            "scope": _scope(file, rule, rules, lang),
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
        roles = [r.role for r in plan.credit_roles if r.rule_id == clause.rule_id]
        mode = clause.mode if len(roles) > 1 else "alone"
        when = say("guide-when", lang, words=condition_words(text.when, lang)) if text.when else ""
        says = [when, say(f"guide-{mode}", lang, roles=say("guide-comma", lang).join(roles))]
        for up in (u for u in plan.roll_ups if u.rule_id == clause.rule_id):
            says.append(say("guide-roll-up", lang, role=up.role, to=up.to_role))
        found.append(
            {
                "id": clause.rule_id,
                "title": title(rules[clause.rule_id], lang),
                "says": " ".join(says).strip(),
                "window": condition_words(text.while_ or "", lang),
            }
        )
    return found


def _scope(file: PlanFile, rule: str, rules: Mapping[str, Rule], lang: str) -> str:
    """The components and the days that an exclusion is for; empty where it is for all."""
    mine = [x for x in file.plan.exclusions if x.rule_id == rule]
    first = mine[0]
    said = ""
    if first.component:
        names = say("guide-comma", lang).join(named(x.component, rules, lang) for x in mine)
        said = say("guide-only", lang, components=names)
    if first.valid_from != LONG_AGO:
        said += say("guide-since", lang, day=first.valid_from)
    if first.valid_to != OPEN_END:
        said += say("guide-until", lang, day=first.valid_to)
    return said


def _pay(file: PlanFile, lang: str) -> list[str]:
    """Return how what is earned is paid, in the order in which it is counted."""
    plan = file.plan
    if not plan.pay:
        return [say("pay-whole", lang)]
    pay, words = plan.pay[0], {r.rule_id: r.words for r in plan.rules}
    currency = plan.terms[0].currency
    said = [_instalments(plan, 0, lang)]
    if pay.freeze_rule:
        frozen = condition_words(words[pay.freeze_rule], lang)
        said.append(say("pay-frozen", lang, words=frozen))
    said += _carried(pay, currency, lang)
    for purse in plan.purses:
        mine = [c.component for c in plan.paid_apart if c.purse_no == purse.purse_no]
        rules = {r.rule_id: r for r in plan.rules}
        names = say("guide-comma", lang).join(named(one, rules, lang) for one in mine)
        own = [_instalments(plan, purse.purse_no, lang), *_carried(purse, currency, lang)]
        terms = say("guide-sentences", lang).join(own)
        said.append(say("pay-apart", lang, names=names, terms=terms))
    for form in plan.forms:
        part = say("pay-form", lang, share=show_rate(form.share), form=form.form)
        if form.floor is not None:
            floor = f"{show(form.floor)} {currency}"
            part += say("pay-floor", lang, amount=floor, otherwise=form.otherwise)
        said.append(part + say("guide-full-stop", lang))
    said += [_fund(fund, currency, lang) for fund in plan.funds]
    if pay.tax_included or pay.tax_added or pay.tax_figure:
        added = show_rate(pay.tax_added)
        if pay.tax_figure:
            added = say("pay-tax-figure", lang, name=pay.tax_figure)
        said.append(say("pay-tax", lang, included=show_rate(pay.tax_included), added=added))
    if pay.paid_in or pay.paid_in_label:
        values = {"into": pay.paid_in, "label": pay.paid_in_label, "currency": currency}
        said.append(say("pay-in-label" if pay.paid_in_label else "pay-in", lang, **values))
        said.append(say(f"pay-in-on-{pay.paid_on}", lang))
    return said


def _instalments(plan: Plan, purse: int, lang: str) -> str:
    """Return when an earning is due that a purse pays."""
    mine = [p for p in plan.instalments if p.purse_no == purse]
    if not mine:
        return say("pay-whole", lang)
    parts = [
        say("pay-part" if p.months else "pay-part-now", lang, share=share, months=p.months)
        for p in mine
        for share in (show_rate(p.share),)
    ]
    return say("pay-instalments", lang, parts=say("guide-comma", lang).join(parts))


def _carried(terms: Pay | Purse, currency: str, lang: str) -> list[str]:
    """Return what is carried, what of it lapses, and what is paid in advance."""
    said = []
    if terms.expires:
        said.append(say("pay-expires", lang, months=terms.expires))
    if terms.draw is not None:
        amount = f"{show(terms.draw)} {currency}"
        key = "pay-draw" if terms.recoverable else "pay-guaranteed"
        said.append(say(key, lang, amount=amount))
    if terms.minimum is not None:
        key = "pay-minimum" if terms.minimum else "pay-below-zero"
        said.append(say(key, lang, amount=f"{show(terms.minimum)} {currency}"))
    return said


def _fund(fund: Fund, currency: str, lang: str) -> str:
    """Return how a fund is claimed, what it holds at most, and when its money lapses."""
    cap = lapses = ""
    if fund.cap is not None:
        cap = say("pay-fund-cap", lang, amount=f"{show(fund.cap)} {currency}")
    if fund.lapses:
        lapses = say("pay-fund-lapses", lang, months=fund.lapses)
    return say("pay-fund", lang, form=fund.form, claims=fund.claims, cap=cap, lapses=lapses)
