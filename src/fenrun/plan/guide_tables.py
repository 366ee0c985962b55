"""Rate tables of the programme guide: what is measured, from where to where, what it pays."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from fenrun.base.money import show, show_rate
from fenrun.base.words import say
from fenrun.plan.bands import Bounds, limit_words
from fenrun.plan.condition_words import condition_words
from fenrun.plan.phrases import reading_words
from fenrun.plan.rows import Band, Component, Plan
from fenrun.plan.vocabulary import RATIO_READINGS, TIERS


def tables(plan: Plan, c: Component, lang: str) -> list[dict[str, Any]]:
    """Return each version and column of a component's tables: title, measure, bands, remark."""
    found = []
    for table, reads in ((c.table_id, c.reads_by), (c.times_table, c.times_by)):
        mine = [b for b in plan.bands if table and b.table_id == table]
        for key in sorted({(b.valid_from, b.published, b.column_no) for b in mine}):
            bands = [b for b in mine if (b.valid_from, b.published, b.column_no) == key]
            found.append(
                {
                    "title": _title(plan, bands[0], lang),
                    "measure": _measure(plan, c, table, reads, lang),
                    "bands": [{"range": _range(b, lang), "pays": _pays(b, lang)} for b in bands],
                    "remark": _remark(bands, lang),
                }
            )
    return found


def reading(subject: str, name: str, target: str, lang: str) -> str:
    """Return what picks a band, in words."""
    return reading_words("reading-", subject, name, lang, target=target)


def capital(text: str, lang: str) -> str:
    """Return a text as it begins a sentence; in Chinese a name at its start stays as it is."""
    return text[:1].upper() + text[1:] if lang == "en" else text.lstrip()


def unit(plan: Plan, c: Component, lang: str) -> str:
    """Return the unit of what a component measures: the plan's currency, or customers."""
    if c.counts == "amount":
        return plan.terms[0].currency
    return say("guide-customers", lang)


def _measure(plan: Plan, c: Component, table: str, reads: str, lang: str) -> str:
    """Return the heading of the bounds: what is compared with them, and its unit."""
    name = c.times_name if table == c.times_table else c.by_name
    said = capital(reading(reads, name, c.target, lang).strip(), lang)
    if reads in RATIO_READINGS or reads in ("figure", "amount of", "rank"):
        return said
    return say("guide-in-unit", lang, what=said, unit=unit(plan, c, lang))


def _title(plan: Plan, band: Band, lang: str) -> str:
    """Return the title of a version and column of a table, by one of its bands."""
    kind = say(f"kind-{band.kind.replace(' ', '-')}", lang)
    parts = [say("guide-table", lang, table=band.table_id, kind=kind, start=band.valid_from)]
    if band.published != plan.terms[0].published:
        parts.append(say("guide-published", lang, day=band.published))
    if band.lowers:
        parts.append(say("guide-lowers", lang, words=band.lowers))
    words = {rule.rule_id: rule.words for rule in plan.rules}
    conditions = {condition.rule_id for condition in plan.conditions}
    for column in plan.columns:
        of_table = (column.table_id, column.version) == (band.table_id, band.valid_from)
        if of_table and (column.published, column.column_no) == (band.published, band.column_no):
            if column.rule_id in conditions:
                said = condition_words(words[column.rule_id], lang)
                parts.append(say("guide-column", lang, words=said))
            else:
                parts.append(say("guide-column-else", lang))
    return " · ".join(parts)


def _bounds(b: Band) -> Bounds:
    return Bounds(b.lower, b.lower_in, b.upper, b.upper_in, b.ratio)


def _range(b: Band, lang: str) -> str:
    return limit_words(_bounds(b), lang) or say("guide-any", lang)


def _pays(b: Band, lang: str) -> str:
    if b.rate is None:
        return show(b.flat or Decimal(0))
    if b.rate_to is not None and b.rate_to != b.rate:
        return f"{show_rate(b.rate)} → {show_rate(b.rate_to)}"
    if b.words.endswith(" each"):
        return say("guide-each-pays", lang, amount=show(b.rate))
    return show_rate(b.rate)


def _remark(bands: Sequence[Band], lang: str) -> str:
    """Return what is paid where no band holds; empty where one always does."""
    if TIERS[bands[0].kind].points:
        return say("guide-beyond-points", lang)
    is_whole = any(b.lower is None for b in bands) and any(b.upper is None for b in bands)
    return "" if is_whole else say("guide-outside-bands", lang)
