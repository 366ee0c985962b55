"""Some payees' credits charge by charge: the steps of crediting run again over their accounts.

A settlement keeps sums. What they are made of is found again by the same steps over the charges
that can be in them: those of the customers, orders, resources and sub-accounts that the payees, or
those below them, ever held a role of, with all other charges of these customers.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

import pyarrow as pa

from fenrun.base.table import natural_type
from fenrun.book.as_codes import book_of
from fenrun.credit.crediting import bases_of
from fenrun.credit.stored_charges import StoredCharges
from fenrun.earn.calendar import charged
from fenrun.engine.codes import day_number, month_number, unscaled
from fenrun.engine.duckdb import DuckDB
from fenrun.engine.runner import Bulk, Runner, SQLite
from fenrun.plan.rows import Component, Plan
from fenrun.settle.decoded import as_amounts
from fenrun.settle.more_facts import has_limits
from fenrun.settle.settling import Settling, fitting_or_rounded
from fenrun.settle.touched import near_accounts, part_of_book, with_those_below
from fenrun.statement.run import Run

_QUALIFYING = """
SELECT c.customer, c.excluded_by, c.baseline_period, max(c.baseline), sum(c.amount),
       sum(c.counted), sum(c.charges)
FROM qualifying_amounts AS c
JOIN qualifying_of AS l ON l.counted_plan = c.plan AND l.counted_component = c.component
WHERE l.plan = ? AND l.component = ? AND c.payee = ? AND c.month >= ? AND c.month <= ?
GROUP BY c.customer, c.excluded_by, c.baseline_period"""
_OF_RATE = ("currency", "month", "day", "rate", "period", "given_by")
_RATES = "SELECT currency, per, month, day, rate, period, given_by FROM rates WHERE to_currency = ?"
_FIRST_LABELLED = "SELECT party, min(valid_from) FROM labels WHERE label = ? GROUP BY party"
_PAID = """
SELECT unit, month, paid, paid_before, total
FROM paid_parts
ORDER BY unit, month"""
_CREDITS = """
SELECT g.group_id, c.party, c.role, c.kind, g.month, c.share, c.customer, c.clause, c.via,
       c.customer_link, c.link{reading}
FROM credits AS c
JOIN situated AS g ON g.situation = c.situation
WHERE c.plan = {plan} AND c.party IN ({parties})"""


@dataclass(frozen=True)
class Receipts:
    """Payments of an invoice before some months, by their end, and what it is for in all."""

    invoice: str
    before: Decimal | None
    paid: Decimal | None
    total: Decimal | None


@dataclass(frozen=True)
class Detail:
    """The credits of some payees in a run, with the groups and charges that they are made of."""

    run: Run
    settling: Settling
    charges: StoredCharges

    def customers(
        self, plan: str, component: str, payee: str, start: date, end: date
    ) -> list[dict[str, Any]]:
        """Return what a line measures of each customer, most credited first.

        Months from `start` up to, not including, `end`. Columns: customer, excluded_by,
        baseline_period, baseline, credited, counted, charges.
        """
        code, text = self.settling.codes.of, self.settling.codes.text
        scale = self.settling.scales.measure
        key = [code(plan), code(component), code(payee)]
        months = _months(start, end)
        rows = [
            {
                "customer": text(customer),
                "excluded_by": text(excluded_by),
                "baseline_period": text(period),
                "baseline": unscaled(int(baseline), scale),
                "credited": unscaled(int(credited), scale),
                "counted": unscaled(int(counted), scale),
                "charges": int(count),
            }
            for customer, excluded_by, period, baseline, credited, counted, count in (
                self.settling.runner.rows(_QUALIFYING, [*key, *months])
            )
        ]
        return most_credited_first(rows)

    def labelled(self, label: str, start: date, end: date) -> list[str]:
        """Return what has a label for the first time from `start` up to, not including, `end`."""
        rows = self.settling.runner.rows(_FIRST_LABELLED, [self.settling.codes.of(label)])
        days = (day_number(start), day_number(end))
        found = (self.settling.codes.text(one) for one, day in rows if days[0] <= day < days[1])
        return sorted(name for name in found if name)

    def counting(
        self, own: Component, present: Container[str], span: tuple[date, date]
    ) -> tuple[str, list[Any]]:
        """Return SQL of whether a credit c of a charge s counts in a component's line, and values.

        `present` are the columns that s has, `span` is the line's period.
        """
        start, end = span
        months = _months(start, end)
        if not own.counted_column:
            return "c.month >= ? AND c.month <= ?", list[Any](months)
        named = f"s.{own.counted_column}" if own.counted_column in present else "NULL"
        counts = f"""{named} IN (SELECT unnest(?)) AND c.month <= ?
  AND (c.month >= ? OR {named} IN (SELECT unnest(?)))"""
        spans = ((date.min, end), (start, end))
        if own.counts_payments:
            before, during = ([one.invoice for one in self.receipts(*days)] for days in spans)
        else:
            before, during = (self.labelled(own.counted_label, *days) for days in spans)
        return counts, [before, months[1], months[0], during]

    def receipts(self, start: date, end: date) -> list[Receipts]:
        """Return of which invoices something is paid, or paid back, between two days of months."""
        first, last = _months(start, end)
        scale, found = self.settling.scales.figure, dict[int, Receipts]()
        for unit, month, *parts in self.settling.runner.rows(_PAID):
            if first <= month <= last:
                paid, before, total = (unscaled(int(part), scale) for part in parts)
                before = found[unit].before if unit in found else before
                found[unit] = Receipts(self.settling.codes.texts[unit], before, paid, total)
        return sorted(found.values(), key=lambda one: one.invoice)

    @property
    def plans(self) -> Sequence[Plan]:
        """The plans that are settled together."""
        return self.settling.plans

    def load_credits(
        self, plan: str, parties: Sequence[str], read_by: Component | None = None
    ) -> None:
        """Make the tables `detail_credits`, what the parties are credited, and `detail_groups`.

        Codes are texts there; a plan that credits like another has that one's credits. With a
        component of the plan that reads them: whether it measures each (`measured`, 0 or 1), and
        the clause that excludes it there (`excluded_by`).
        """
        settling, engine = self.settling, self.charges.engine
        code, texts = settling.codes.of, pa.array(settling.codes.texts, pa.string())
        among = ", ".join(str(code(party)) for party in parties)
        serving = settling.crediting.crediting[plan]
        reading = settling.crediting.reading(plan, read_by) if read_by else ""
        asked = {"plan": code(serving), "parties": among, "reading": reading}
        found = settling.runner.arrow(_CREDITS.format(**asked))
        scales = settling.shares
        share_scale = scales.customer + scales.role + scales.party * settling.crediting.depth
        columns: dict[str, Any] = {}
        for name in found.column_names:
            values = found.column(name).combine_chunks()
            if name in ("group_id", "month", "measured"):
                columns[name] = values.cast(pa.int64())
            elif name in ("kind", "via"):
                columns[name] = values.cast(pa.string())
            elif name == "share":
                columns[name] = as_amounts(values, share_scale)
            else:
                columns[name] = texts.take(values.cast(pa.int64()))
        engine.load("detail_credits", pa.table(columns))

    def load_rates(self) -> None:
        """Make the table `detail_rates`: by which rates charges in other currencies are converted.

        Columns: currency, month and day (numbers), rate, period, given_by (texts). Empty where the
        plans convert nothing.
        """
        crediting, codes = self.settling.crediting, self.settling.codes
        text = codes.text
        found = self.settling.runner.rows(_RATES, [codes.of(crediting.plans[0].currency)])
        on = crediting.plans[0].terms[0].converts_on
        scale = crediting.shares.of_rates
        rows = [
            (text(currency), month, day, unscaled(rate, scale), text(period), text(given_by) or "")
            for currency, per, month, day, rate, period, given_by in found
            if per == on and text(currency) in crediting.converts
        ]
        columns = list(zip(*rows)) or [()] * len(_OF_RATE)
        types = (pa.string(), pa.int64(), pa.int64(), natural_type(columns[3]), *[pa.string()] * 2)
        arrays = (pa.array(values, kind) for values, kind in zip(columns, types))
        self.charges.engine.load("detail_rates", pa.table(dict(zip(_OF_RATE, arrays))))

    @property
    def same_group(self) -> str:
        """SQL of whether a row t of `coded_charges` is in a group g of `groups`."""
        return self.charges.same_group(self.settling.crediting)


def _months(start: date, end: date) -> list[int]:
    """Return the first and the last month of a span."""
    months = [month_number(start), month_number(end) - (end.day == 1)]
    return months


def most_credited_first(rows: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return what a line measures of customers in the order in which they are shown."""
    return sorted(
        rows, key=lambda row: (-row["credited"], row["customer"] or "~", row["excluded_by"] or "~")
    )


@contextmanager
def detail_of(run: Run, payees: Sequence[str], plans: Sequence[Plan]) -> Iterator[Detail]:
    """Run the steps of crediting and measuring again for some payees of a run.

    Of the plans of one group, as they were settled together (see `settled_together`).
    As long as the block lasts, the run's engine has `near_charges`, the charges that can be
    theirs, and `coded_charges`, the same as codes. Raises Refused.
    """
    engine, book = run.engine, book_of(run.book())
    assert isinstance(engine, DuckDB)
    with engine.temporary_schema("detail"):
        costs, measures = run.rounding.most(plans)
        charges = StoredCharges(
            engine, run.charges, plans, bases_of(plans), charged(plans, run.period), costs
        )
        near = near_accounts(charges, book, with_those_below(book, payees))
        charges = charges.of(near)
        charges.load("near_charges")
        by_label = any(c.counted_column for plan in plans for c in plan.components)
        if not by_label and not has_limits(plans):  # by which one's links can refuse another's
            book = part_of_book(charges, book, near)

        def settle(runner: Runner, measured: int | None) -> Detail:
            settling = Settling(
                runner, plans, run.period, book, charges.scale, True, measured=measured
            )
            settling.load_book()
            settling.group(charges, for_rows=True)
            settling.qualify()
            return Detail(run, settling, charges)

        makes: list[Callable[[], Runner]] = [SQLite, lambda: Bulk(engine.connection)]
        yield fitting_or_rounded(makes, settle, measures)
