"""Attainment of a statement line: how far it has come in its table, what the next band lacks."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from fenrun.base.money import plain
from fenrun.base.when import Period
from fenrun.plan.rows import Band
from fenrun.statement.run import Run


@dataclass(frozen=True)
class Attainment:
    """The position of a line in its table.

    Grain: line; only lines of one unit that read a table of a single column by an amount,
    attainment, increment or growth.
    """

    line_id: str
    plan_id: str
    component: str
    period: str
    payee: str
    reads_by: str
    """The number that the table reads: amount, attainment, increment or growth."""
    measure: Decimal
    """The amount that is read."""
    reference: Decimal | None
    """The target or comparison that it is held against; None where the bounds are amounts."""
    bounds: tuple[tuple[Decimal, str], ...]
    """The amount at which each band begins, and the band's words; lowest first."""
    ends: date
    """Last day of the line's period."""

    @property
    def next(self) -> tuple[Decimal, str] | None:
        """The amount that is missing to the next band, and its words; None at the top."""
        for bound, words in self.bounds:
            if bound > self.measure:
                return bound - self.measure, words
        return None

    def as_json(self) -> dict[str, Any]:
        """Return the attainment as a JSON-ready mapping; amounts are exact text."""
        missing = self.next
        return {
            "reads_by": self.reads_by,
            "measure": plain(self.measure),
            "reference": None if self.reference is None else plain(self.reference),
            "ends": str(self.ends),
            "bounds": [{"from": plain(bound), "words": words} for bound, words in self.bounds],
            "next": {"missing": plain(missing[0]), "words": missing[1]} if missing else None,
        }


_SINGLE_UNIT_LINES = """
SELECT plan_id || '/' || component || '/' || period || '/' || payee AS line_id,
       plan_id, component, period, payee,
       min(table_id) AS table_id, min(table_from) AS table_from, min(reads_by) AS reads_by,
       min(measure) AS measure, min(reference) AS reference, min(period_to) AS period_to
FROM earnings
WHERE step_no = 0 AND payee = coalesce(?, payee) AND period_from <= ? AND period_to > ?
  AND measure IS NOT NULL AND table_from IS NOT NULL
  AND reads_by IN ('amount', 'attainment', 'increment', 'growth')
GROUP BY plan_id, component, period, payee
HAVING count(*) = 1"""


def attainments(
    run: Run, payee: str | None = None, of: Period | None = None
) -> dict[str, Attainment]:
    """Return the attainment of the lines of a run, by line: of everybody, or of one payee.

    With `of`, only of lines whose period begins in it or before and ends after it.
    """
    tables: dict[tuple[str, str, date], list[Band]] = {}
    for plan in run.plans:
        for band in plan.bands:
            tables.setdefault((band.plan_id, band.table_id, band.valid_from), []).append(band)
    begins_by, ends_after = (of.span.start, of.span.end) if of else (date.max, date.min)
    rows = run.engine.rows(_SINGLE_UNIT_LINES, [payee, begins_by, ends_after])
    found = {}
    for row in rows:
        bands = tables.get((row["plan_id"], row["table_id"], row["table_from"]), [])
        if len({band.column_no for band in bands}) == 1:
            found[row["line_id"]] = _attainment(row, bands)
    return found


def _attainment(row: Mapping[str, Any], bands: Iterable[Band]) -> Attainment:
    reference = row["reference"] if any(band.ratio for band in bands) else None
    lowers = [(band.lower, band.words) for band in bands if band.lower is not None]
    if reference is not None:
        lowers = [(lower * reference, words) for lower, words in lowers]
    return Attainment(
        line_id=row["line_id"],
        plan_id=row["plan_id"],
        component=row["component"],
        period=row["period"],
        payee=row["payee"],
        reads_by=row["reads_by"],
        measure=row["measure"],
        reference=reference,
        bounds=tuple(sorted(lowers)),
        ends=row["period_to"] - timedelta(days=1),
    )
