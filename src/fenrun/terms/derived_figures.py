"""Figures that plans count from agreements or charges, as rows of figures of a book."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal

from fenrun.base.problem import Place, Problem
from fenrun.base.table import from_rows
from fenrun.base.when import OPEN_END, Period, parse_period, period_of
from fenrun.book.rows import Figure
from fenrun.plan.rows import DerivedFigure, Plan
from fenrun.plan.vocabulary import SPEND
from fenrun.tables.kept import Sources
from fenrun.tables.latest import Known
from fenrun.terms.as_of import Terms
from fenrun.terms.over_time import recognised_in, renewed

_SOURCE = "terms"
_KNOWN = datetime(9000, 1, 1)
"""After all that a book can say: what is counted is not typed."""


Spend = Callable[[Plan, Period], Mapping[str, Decimal]]
"""Tells what was charged to each customer in some months, in a plan's basis and currency."""


def derived_figures(
    plans: Sequence[Plan], terms: Terms, first: date, end: date, spend: Spend
) -> Sources:
    """Return the figures that plans count, of periods of their components between two days."""
    rows: dict[tuple[str, str, str], Figure] = {}
    for plan in plans:
        for figure in plan.figures:
            if figure.counts == SPEND:
                found = _of_spend(figure, plan, first, end, spend)
            else:
                found = _of_agreements(figure, plan, terms, first, end)
            for row in found:
                rows.setdefault((row.party, row.figure, row.period), row)
    return [(_SOURCE, _KNOWN, {"figures": from_rows(Figure, rows.values())})] if rows else ()


def _of_spend(
    figure: DerivedFigure, plan: Plan, first: date, end: date, spend: Spend
) -> Iterator[Figure]:
    """Yield what was charged to each customer, for each period that begins after those months."""
    months = parse_period(figure.of)
    amounts, currency = spend(plan, months), plan.terms[0].currency
    for period in _periods(plan, max(first, months.span.end), end):
        if period.span.start >= months.span.end:
            for customer, amount in sorted(amounts.items()):
                days = (period.key, period.span.start, period.span.end)
                most = max(amount, Decimal(0))
                yield Figure(customer, figure.figure, *days, most, currency, row_no=0)


def _of_agreements(
    figure: DerivedFigure, plan: Plan, terms: Terms, first: date, end: date
) -> Iterator[Figure]:
    """Yield what is counted from agreements, in each period in which some are."""
    agreements = _agreements(figure, plan, terms)
    if agreements:
        start = max(first, min(row["valid_from"] for row in agreements))
        for period in _periods(plan, start, end):
            yield from _of_period(figure, agreements, period)


def _agreements(figure: DerivedFigure, plan: Plan, terms: Terms) -> list[Known]:
    """Return the agreements that a figure is of: what is recognised is in the plan's currency."""
    found = [row for row in terms.agreements if row["kind"] == figure.of]
    if figure.counts == "renewed":
        return found
    currency = plan.terms[0].currency
    return [row for row in found if row["amount"] is not None and row["currency"] == currency]


def _periods(plan: Plan, start: date, end: date) -> Iterator[Period]:
    """Yield the periods of a plan's components from one day up to another."""
    used = {name for c in plan.components for name in (c.calendar, c.baseline_calendar) if name}
    for calendar in sorted(used):
        months, year_starts = map(int, calendar.split("@"))
        day = start
        while day < end:
            period = period_of(day, months, year_starts)
            yield period
            day = period.span.end


def _of_period(
    figure: DerivedFigure, agreements: Sequence[Known], period: Period
) -> Iterator[Figure]:
    """Yield a figure of each partner and customer that has agreements in a period."""
    span = period.span
    for party in sorted({row[who] for row in agreements for who in ("partner", "customer")} - {""}):
        mine = [row for row in agreements if party in (row["partner"], row["customer"])]
        if figure.counts == "renewed":
            ending = [row for row in mine if _ends_in(row, period)]
            if not ending:
                continue
            amount, currency = renewed(ending, mine), ""
        else:
            inside = [r for r in mine if r["valid_from"] < span.end and span.start < r["valid_to"]]
            if not inside:
                continue
            parts = (recognised_in(row, span) for row in inside)
            amount, currency = sum(parts, Decimal(0)), inside[0]["currency"]
        days = (period.key, span.start, span.end)
        yield Figure(party, figure.figure, *days, amount, currency, row_no=0)


def _ends_in(row: Known, period: Period) -> bool:
    if row["valid_to"] == OPEN_END:
        return False
    last_day = row["valid_to"] - timedelta(days=1)
    return bool(period.span.start <= last_day < period.span.end)


def uncounted(plans: Sequence[Plan], terms: Terms, book: Sources) -> Iterator[Problem]:
    """Yield the agreements that a figure leaves out, and the figures that a book gives in vain."""
    for plan in plans:
        for figure in plan.figures:
            if figure.counts != SPEND:
                yield from _left_out(figure, plan, terms)
            typed = [
                Place(source, row["row_no"], "figure")
                for source, known, tables in book
                for row in (tables["figures"].to_pylist() if "figures" in tables else ())
                if row["figure"] == figure.figure
            ]
            if typed:
                values = {"figure": figure.figure, "plan": plan.id}
                yield Problem("figure-counted", typed[0], values, tuple(typed[1:]))


def _left_out(figure: DerivedFigure, plan: Plan, terms: Terms) -> Iterator[Problem]:
    kept = _agreements(figure, plan, terms)
    for row in terms.agreements:
        if row["kind"] == figure.of and row not in kept:
            values = {"agreement": row["agreement"], "figure": figure.figure}
            values["currency"] = plan.terms[0].currency
            place = Place(row["file"], row["row_no"], "amount")
            yield Problem("agreement-uncounted", place, values)
