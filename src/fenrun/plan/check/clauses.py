"""Checks of a plan's rows that must hold before they may decide about money."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from itertools import groupby, pairwise

from fenrun.base.money import show, show_rate
from fenrun.base.problem import Place, Problem
from fenrun.base.when import period_of
from fenrun.plan.conditions import reads
from fenrun.plan.rows import Band, Component, Plan
from fenrun.plan.vocabulary import EACH_DAY, RATIO_READINGS, SLICED_BY, TIERS


def find(plan: Plan, source: str) -> list[Problem]:
    """Problems of bands and of how components read them; each names its lines."""
    return [
        *_bands(plan, source),
        *_readings(plan, source),
        *_versions(plan, source),
        *_cost_bases(plan, source),
        *_terms_of_days(plan, source),
    ]


def _terms_of_days(plan: Plan, source: str) -> Iterator[Problem]:
    """Yield what asks for terms of charges that are divided over days.

    What an approval covers is used up by whole charges, one after the other.
    """
    divided = [name for _, name in json.loads(plan.terms[0].as_of) if name in EACH_DAY]
    lines = {rule.rule_id: rule.line for rule in plan.rules}
    for condition in plan.conditions if divided else ():
        if any(what in ("term", "agreement") for what, _ in reads(json.loads(condition.tree))):
            rule = condition.rule_id
            said = {"id": rule, "day": divided[0]}
            yield Problem("terms-of-days", Place(source, lines[rule], rule), said)


def _versions(plan: Plan, source: str) -> Iterator[Problem]:
    """Yield versions of tables that begin inside a period of a component that reads them.

    A period is paid by one version; one from its middle on would hold from the next alone.
    """
    terms = plan.terms[0]
    lines = {rule.rule_id: rule.line for rule in plan.rules}
    for c in plan.components:
        months, year_starts = map(int, c.calendar.split("@"))
        found: dict[date, Band] = {}
        for band in plan.bands:
            if band.table_id in (c.table_id, c.times_table):
                found.setdefault(band.valid_from, band)
        for start, band in sorted(found.items()):
            period = period_of(start, months, year_starts)
            if terms.valid_from < start < terms.valid_to and start != period.span.start:
                said = {"table": band.table_id, "from": start, "id": c.rule_id}
                said |= {"period": period.key, "next": period.span.end}
                other = Place(source, lines[c.rule_id], c.rule_id)
                yield Problem("version-inside", Place(source, band.line, "from"), said, (other,))


def _cost_bases(plan: Plan, source: str) -> Iterator[Problem]:
    """Components that measure different costs without saying why."""
    lines = {rule.rule_id: rule.line for rule in plan.rules}
    other = [c for c in plan.components if c.basis != plan.terms[0].basis and c.pays_on != "earned"]
    if other and not plan.terms[0].mixed:
        bases = ", ".join(
            f"{c.rule_id}: {c.basis}" for c in plan.components if c.pays_on != "earned"
        )
        yield Problem(
            "bases-mixed",
            Place(source, lines[other[0].rule_id], "basis"),
            {"bases": bases},
            tuple(
                Place(source, lines[c.rule_id], c.rule_id)
                for c in plan.components
                if c is not other[0]
            ),
        )


def _bands(plan: Plan, source: str) -> Iterator[Problem]:
    """Bands of a table version that overlap, or leave a value undecided."""
    for (table, *_), group in groupby(
        plan.bands, key=lambda b: (b.table_id, b.valid_from, b.published, b.column_no)
    ):
        bands = sorted(group, key=_start)
        if TIERS[bands[0].kind].points:
            continue
        for one, other in pairwise(bands):
            places = sorted(
                [Place(source, one.line, "bands"), Place(source, other.line, "bands")],
                key=lambda p: p.row,
            )
            values = {"table": table, "one": one.words, "other": other.words}
            gap = _between(one, other)
            if gap > 0:
                yield Problem(
                    "band-overlap",
                    places[0],
                    values | {"value": _shown(other.lower, other)},
                    (places[1],),
                )
            elif gap < 0:
                yield Problem(
                    "band-gap", places[0], values | {"value": _shown(one.upper, one)}, (places[1],)
                )


def _start(band: Band) -> tuple[bool, Decimal, bool]:
    return band.lower is not None, band.lower or Decimal(0), not band.lower_in


def _between(one: Band, other: Band) -> int:
    """1 where two neighbours overlap, -1 where they leave a gap, 0 where they meet."""
    if one.upper is None or other.lower is None:
        return 1
    if one.upper != other.lower:
        return 1 if one.upper > other.lower else -1
    return {2: 1, 1: 0, 0: -1}[one.upper_in + other.lower_in]


def _shown(value: Decimal | None, band: Band) -> str:
    return "every value" if value is None else show_rate(value) if band.ratio else show(value)


def _readings(plan: Plan, source: str) -> Iterator[Problem]:
    """Components whose table measures something else."""
    lines = {rule.rule_id: rule.line for rule in plan.rules}
    for component in plan.components:
        for table, reads_by in (
            (component.table_id, component.reads_by),
            (component.times_table, component.times_by),
        ):
            bands = [b for b in plan.bands if b.table_id == table]
            ratio = reads_by in RATIO_READINGS
            for band in bands:
                if (
                    (band.lower is not None or band.upper is not None)
                    and band.ratio != ratio
                    and reads_by != "figure"
                ):
                    unit = (
                        "%"
                        if ratio
                        else plan.terms[0].currency
                        if component.counts == "amount" and reads_by != "rank"
                        else "1"
                    )
                    values = {
                        "table": band.table_id,
                        "by": reads_by,
                        "one": band.words,
                        "unit": unit,
                    }
                    yield Problem(
                        "band-unit",
                        Place(source, band.line, "bands"),
                        values,
                        (Place(source, lines[component.rule_id], component.rule_id),),
                    )
        bands = [b for b in plan.bands if b.table_id == component.table_id]
        if any(TIERS[b.kind].slices for b in bands) and not _slices(component, bands):
            values = {"id": component.rule_id, "on": component.pays_on, "by": component.reads_by}
            yield Problem(
                "table-marginal", Place(source, lines[component.rule_id], "table"), values
            )
        for band in (b for b in plan.bands if b.table_id == component.times_table):
            if not TIERS[band.kind].multiplies or band.column_no or band.flat is not None:
                yield Problem(
                    "table-times",
                    Place(source, band.line, "bands"),
                    {"table": band.table_id, "id": component.rule_id},
                    (Place(source, lines[component.rule_id], component.rule_id),),
                )
        for band in bands:
            if TIERS[band.kind].points and band.column_no:
                yield Problem(
                    "table-times",
                    Place(source, band.line, "bands"),
                    {"table": band.table_id, "id": component.rule_id},
                    (Place(source, lines[component.rule_id], component.rule_id),),
                )


def _slices(component: Component, bands: list[Band]) -> bool:
    """Return whether what is paid on is what is measured, so that it can be cut into slices."""
    alike = component.reads_by in SLICED_BY.get(component.pays_on, ())
    by_rate = component.pays_on != "figure" or all(band.flat is None for band in bands)
    return alike and by_rate and not any(band.column_no for band in bands)
