"""Worked examples of the programme guide: a case's facts in words, and what comes out."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from fenrun.base.money import is_rate, parse_amount, show
from fenrun.base.words import Unreadable, say
from fenrun.plan.condition_words import column_words, quoted
from fenrun.plan.read import PlanFile
from fenrun.plan.text import CaseText
from fenrun.plan.vocabulary import BASES

_SAID = ("customer", "account", "day", "days", "month", "months", "currency", *BASES)
"""What a charge of a case says in words of its own; all else are columns."""
_BRACES = re.compile(r"\{(\d+)\.\.(\d+)\}")


def examples(
    file: PlanFile, outcomes: Sequence[Mapping[str, Any]], lang: str
) -> list[dict[str, Any]]:
    """Return each case with its facts, and the outcomes as rows of a table.

    `outcomes` are as `fenrun.plan.guide.markdown` takes them.
    """
    found = []
    titles = {r.rule_id: r.title_zh if lang == "zh-CN" else r.title_en for r in file.plan.rules}
    for case in file.text.cases:
        mine = [outcome for outcome in outcomes if outcome["case"] == case.case]
        if mine:
            found.append(
                {
                    "case": case.case,
                    "says": case.said(lang),
                    "given": list(_facts(case, file.text.currency, lang)),
                    "outcomes": [_row(outcome, titles, lang) for outcome in mine],
                }
            )
    return found


def _row(outcome: Mapping[str, Any], titles: Mapping[str, str], lang: str) -> dict[str, str]:
    """Return an outcome with the component's title, and as known when."""
    component = outcome["component"]
    period = str(outcome["period"])
    if outcome["since"]:
        values = {"since": outcome["since"], "known": outcome["known"] or "…"}
        period += say("guide-known-since", lang, **values)
    elif outcome["known"]:
        period += say("guide-known", lang, known=outcome["known"])
    return {
        "payee": outcome["payee"],
        "component": titles.get(component, component) or say("guide-all-together", lang),
        "period": period,
        "found": outcome["found"],
    }


def _facts(case: CaseText, currency: str, lang: str) -> Iterator[str]:
    """Yield a sentence for each row of a case: who holds what, labels, figures, charges."""
    given = case.given
    for row in given.links:
        yield _link(row, lang)
    for row in given.labels:
        values = {"party": _spread(row["party"], lang), "label": row["label"]}
        words = say("guide-fact-label", lang, value=quoted(row["value"], lang), **values)
        yield words + _span(row, lang)
    for row in given.figures:
        amount = _amount(row["amount"], row.get("currency", ""))
        values = {"party": _spread(row["party"], lang), "figure": row["figure"]}
        period = _spread(row["period"], lang)
        yield say("guide-fact-figure", lang, amount=amount, period=period, **values)
    for row in given.rates:
        period = _spread(row["period"], lang)
        values = {"currency": row["from"], "into": row["to"], "rate": row["rate"]}
        yield say("guide-fact-rate", lang, period=period, **values)
    for table, rows in [*given.terms.items(), ("events", given.events)]:
        for row in rows:
            said = ", ".join(f"{name} {value}" for name, value in row.items())
            yield say("guide-fact-term", lang, table=table, said=said)
    for row in given.charges:
        yield _charge(row, row.get("currency", currency), lang)
    if not given.charges:
        yield say("guide-fact-no-charge", lang)


def _link(row: Mapping[str, str], lang: str) -> str:
    name = _spread(row["subject"], lang)
    subject = say(f"guide-subject-{row.get('of', 'customer')}", lang, subject=name)
    party = _spread(row["party"], lang)
    said = say("guide-fact-link", lang, party=party, role=row["role"], subject=subject)
    if row.get("type"):
        said += say("guide-fact-type", lang, type=quoted(row["type"], lang))
    if row.get("share"):
        said += say("guide-fact-share", lang, share=row["share"])
    return said + _span(row, lang)


def _span(row: Mapping[str, str], lang: str) -> str:
    """Return from which day and before which day a fact holds; empty where always."""
    start, end = (row.get(key, "").replace("T", " ") for key in ("from", "to"))
    said = say("guide-fact-from", lang, day=start) if start else ""
    return said + (say("guide-fact-to", lang, day=end) if end else "")


def _spread(text: str, lang: str) -> str:
    """Return what stands for several: `K{1..4}` or `2024-01..2024-12`, as from first to last."""
    found = _BRACES.search(text)
    if found:
        first, last = (text.replace(found[0], found[n]) for n in (1, 2))
        return say("guide-fact-each", lang, first=first, last=last)
    if ".." in text:
        first, last = text.split("..")
        return say("guide-fact-each", lang, first=first, last=last)
    return text


def _when(row: Mapping[str, str], lang: str) -> tuple[str, str]:
    """Return the key of a charge's sentence, and when it is charged."""
    if "day" in row:
        return "guide-fact-charge-day", _spread(row["day"], lang)
    months = row.get("months") or row.get("month", "")
    if ".." in months:
        first, last = months.split("..")
        words = say("guide-fact-range", lang, first=first, last=last)
        return "guide-fact-charge-months", words
    return "guide-fact-charge", months


def _charge(row: Mapping[str, str], currency: str, lang: str) -> str:
    """Return a charge: whose, when, its costs, and what else its columns say."""
    key, when = _when(row, lang)
    parts = [say(key, lang, customer=_spread(row.get("customer", ""), lang), when=when)]
    if "days" in row:
        parts.append(say("guide-fact-days", lang, days=row["days"]))
    if "day" in row and "month" in row:
        parts.append(say("guide-fact-billed-in", lang, month=row["month"]))
    for word in BASES:
        if word in row:
            parts.append(f"{say(f'basis-{word}', lang)} {_amount(row[word], currency)}")
    for column, value in row.items():
        if column not in _SAID:
            said = quoted(_spread(value, lang), lang)
            parts.append(f"{column_words(column, lang).strip()} {said}")
    return say("guide-then", lang).join(parts)


def _amount(text: str, currency: str) -> str:
    """Return an amount as people read it, with its currency; what is none, as it is."""
    if is_rate(text):
        return text
    try:
        return f"{show(parse_amount(text), 0)} {currency}".rstrip()
    except Unreadable:
        return text
