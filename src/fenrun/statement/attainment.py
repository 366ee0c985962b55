"""How far a statement line has come in its table, and what is missing to its next band."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

from fenrun.base.money import plain
from fenrun.base.when import Period
from fenrun.plan.rows import Band
from fenrun.statement.run import Run


@dataclass(frozen=True)
class Attainment:
    """Where one line stands. Grain: line; only lines of one unit that read a table of a single column by an amount, attainment, increment or growth."""

    line_id: str
    plan_id: str
    component: str
    period: str
    payee: str
    reads_by: str
    """What the table reads: amount, attainment, increment or growth."""
    measure: Decimal
    """The amount that is read."""
    reference: Decimal | None
    """The target or comparison that it is held against; None where the bounds are amounts."""
    bounds: tuple[tuple[Decimal, str], ...]
    """Where each band begins, as an amount, and the band's words; lowest first."""
    ends: date
    """Last day of the line's period."""

    @property
    def next(self) -> tuple[Decimal, str] | None:
        """What is missing to the next band, and its words; None at the top."""
        return next(
            ((bound - self.measure, words) for bound, words in self.bounds if bound > self.measure),
            None,
        )

    def as_json(self) -> dict[str, Any]:
        """As a JSON-ready mapping; amounts are exact text."""
        missing = self.next
        return {
            "reads_by": self.reads_by,
            "measure": plain(self.measure),
            "reference": None if self.reference is None else plain(self.reference),
            "ends": str(self.ends),
            "bounds": [{"from": plain(bound), "words": words} for bound, words in self.bounds],
            "next": {"missing": plain(missing[0]), "words": missing[1]} if missing else None,
        }


_READ = """
SELECT plan_id || '/' || component || '/' || period || '/' || payee AS line_id, plan_id, component, period, payee, min(table_id) AS table_id, min(table_from) AS table_from,
       min(reads_by) AS reads_by, min(measure) AS measure, min(reference) AS reference, min(period_to) AS period_to
FROM earnings
WHERE step_no = 0 AND payee = coalesce(?, payee) AND period_from <= ? AND period_to > ? AND measure IS NOT NULL AND table_from IS NOT NULL AND reads_by IN ('amount', 'attainment', 'increment', 'growth')
GROUP BY plan_id, component, period, payee HAVING count(*) = 1"""


def attainments(
    run: Run, payee: str | None = None, of: Period | None = None
) -> dict[str, Attainment]:
    """Where the lines of a run stand, by line: of everybody, or of one payee; all, or those whose period holds a month and ends after it."""
    tables: dict[tuple[str, str, date], list[Band]] = {}
    for plan in run.plans:
        for band in plan.bands:
            tables.setdefault((band.plan_id, band.table_id, band.valid_from), []).append(band)
    found = {}
    for row in run.engine.query(
        _READ, [payee, of.span.start if of else date.max, of.span.end if of else date.min]
    ).to_pylist():
        bands = tables.get((row["plan_id"], row["table_id"], row["table_from"]), [])
        if len({b.column_no for b in bands}) == 1:
            found[row["line_id"]] = _attainment(row, bands)
    return found


def _attainment(row: Mapping[str, Any], bands: Iterable[Band]) -> Attainment:
    reference = row["reference"] if any(b.ratio for b in bands) else None
    bounds = sorted(
        (b.lower * reference if reference is not None else b.lower, b.words)
        for b in bands
        if b.lower is not None
    )
    return Attainment(
        row["line_id"],
        row["plan_id"],
        row["component"],
        row["period"],
        row["payee"],
        row["reads_by"],
        row["measure"],
        reference,
        tuple(bounds),
        date.fromordinal(row["period_to"].toordinal() - 1),
    )
