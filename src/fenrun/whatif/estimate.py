"""Estimates of additional sales: settled with one more charge, and compared line by line."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from fenrun.base.money import plain
from fenrun.base.problem import Place, Problem, Refused
from fenrun.base.when import Period, parse_period
from fenrun.charges.rows import COSTS, ESSENTIAL
from fenrun.engine.codes import month_number
from fenrun.plan.rows import settled_together
from fenrun.settle.detail import detail_of
from fenrun.settle.imports import import_file
from fenrun.settle.standing import Standing
from fenrun.statement.rows import Statement, statements_of
from fenrun.statement.run import Run, by_currency
from fenrun.store.facts import Import, Store

_CREDITED = """
FROM coded_charges AS t
JOIN groups AS g ON {same}
JOIN detail_credits AS c ON c.group_id = g.group_id
JOIN near_charges AS s ON s.import_id = t.import_id AND s.row_no = t.row_no
WHERE s.BilledCost > 0 AND c.month >= ? AND c.month <= ?"""
_LARGEST = f"""
SELECT s.*, {{service}} AS service
{_CREDITED}
  AND coalesce({{category}}, 'Usage') = 'Usage' AND c.kind = 'direct' AND c.via = 'customer'
QUALIFY row_number() OVER (
  PARTITION BY {{service}} ORDER BY s.BilledCost DESC, s.import_id, s.row_no
) = 1"""
_SERVICES = f"""
SELECT {{service}} AS service
{_CREDITED} AND {{service}} IS NOT NULL
GROUP BY {{service}}
ORDER BY sum(s.BilledCost) DESC, service"""
_KEPT = (
    "BillingPeriodEnd",
    "ChargePeriodEnd",
    "ServiceName",
    "ServiceCategory",
    "ServiceProviderName",
    "ProviderName",
    "PublisherName",
    "RegionId",
    "SubAccountId",
)


@dataclass(frozen=True)
class _Sold:
    """Services and charges of a period that a payee is credited for."""

    services: list[str]
    """Most billed first."""
    largest: list[dict[str, Any]]
    """Of each service the largest charge that the payee is credited for as owner."""


class Estimator:
    """A period settled as known at a moment, to which one charge at a time is added."""

    def __init__(self, standing: Standing, month: Period | None = None):
        """Take a settled period, or one of which a month is asked about.

        Then lines count whose period holds that month: its own, and quarters and years to date.
        """
        self.standing, self.run = standing, standing.run
        self.period, self.known = month or standing.period, standing.known
        self._sold_by = lru_cache(maxsize=64)(self._find_sold)
        self._before = lru_cache(maxsize=64)(partial(_statement, self.run))

    def services(self, payee: str) -> list[str]:
        """Return the services that the payee is credited for in the period, most billed first."""
        return self._sold_by(payee).services

    def _find_sold(self, payee: str) -> _Sold:
        months = [month_number(self.period.span.start), month_number(self.period.last_day)]
        services: dict[str, None] = {}
        largest: list[dict[str, Any]] = []
        engine = self.run.engine
        for group in settled_together(self.run.plans):
            with detail_of(self.run, [payee], group) as detail:
                columns = engine.columns("near_charges")
                named = {
                    name: f"s.{column}" if column in columns else "CAST(NULL AS VARCHAR)"
                    for name, column in (("service", "ServiceName"), ("category", "ChargeCategory"))
                }
                asked = {"same": detail.same_group, **named}
                for plan in group:
                    detail.load_credits(plan.id, [payee])
                    found = engine.query(_SERVICES.format(**asked), months)
                    services |= dict.fromkeys(found["service"].to_pylist())
                    largest += engine.rows(_LARGEST.format(**asked), months)
        return _Sold(list(services), largest)

    def sell(self, payee: str, amount: Decimal, service: str | None = None) -> dict[str, Any]:
        """Return what the payee would earn in the period with additional sales at list price.

        They go to one of its customers, of the service (or of what it sells most). Returns payee,
        period, amount, service, customer's account, before, after, more (exact text), and by line:
        title, period, before, after, reason, band. Raises Refused where the payee is credited for
        no customer of its own.
        """
        before = self._before(payee)
        like = self._largest_charge(payee, service)
        if not like or not before:
            values = {"payee": payee, "period": self.period.key, "service": service or "-"}
            raise Refused([Problem("estimate-nothing", Place(payee), values)])
        with tempfile.TemporaryDirectory(prefix="fenrun-estimate-") as scratch:
            charge = self._charge(like, amount, Path(scratch))
            change = self.standing.with_more(charges=[charge])
            after = _statement(change.run, payee) if change.concerns(payee) else before
        after = after or before
        return {
            "payee": payee,
            "period": self.period.key,
            "amount": plain(amount),
            "service": like["service"],
            "account": like["BillingAccountId"],
            "charged_in": like["BillingCurrency"],
            **_earned(before, after, self.period),
        }

    def _largest_charge(self, payee: str, service: str | None) -> dict[str, Any] | None:
        """Return the largest charge of a service that the payee is credited for as owner.

        Without a service, that of the service which it sells most of.
        """
        sold = self._sold_by(payee)
        found = [
            row for row in sold.largest if service is None or (row["service"] or "") == service
        ]
        most_sold = {name: rank for rank, name in enumerate(sold.services)}

        def place(row: dict[str, Any]) -> tuple[Any, ...]:
            rank = most_sold.get(row["service"], len(most_sold))
            return rank, -row["BilledCost"], row["import_id"], row["row_no"]

        return min(found, key=place, default=None)

    def _charge(self, like: dict[str, Any], amount: Decimal, folder: Path) -> Import:
        """Import one charge like another, of another amount, without its order and resource.

        It is kept in a folder.
        """
        row = {k: like[k] for k in (*ESSENTIAL, *_KEPT) if like.get(k) is not None}
        row |= dict.fromkeys(COSTS, amount)
        row["ChargeCategory"] = "Usage"
        path = folder / "estimate.parquet"
        store = Store(folder / "store", is_scratch=True)
        pq.write_table(pa.Table.from_pylist([row]), path)
        done = import_file(store, path, self.known)
        return next(i for i in store.imports("charges") if i.id == done.id)


def _statement(run: Run, payee: str) -> Statement | None:
    return statements_of(run, payee).get(payee)


def _earned(before: Statement, after: Statement, period: Period) -> dict[str, Any]:
    """Return what is earned before and after, currency by currency: first those that change.

    Of lines whose period holds the one that is asked about.
    """
    was = {section.currency: section for section in before.sections}
    now = {section.currency: section for section in after.sections}

    def earned(sections: dict[str, Statement], currency: str) -> Decimal:
        lines = sections[currency].lines if currency in sections else ()
        return sum((line.earned for line in lines if _is_within(line.period, period)), Decimal(0))

    def says(currency: str) -> dict[str, Any]:
        one, other = earned(was, currency), earned(now, currency)
        lines = _lines(was.get(currency), now[currency], period) if currency in now else []
        sums = {"before": plain(one), "after": plain(other), "more": plain(other - one)}
        return {**sums, "lines": lines}

    def is_same(currency: str) -> bool:
        return earned(was, currency) == earned(now, currency)

    return by_currency(sorted(was.keys() | now.keys(), key=lambda c: (is_same(c), c)), says)


def _is_within(line_period: str, period: Period) -> bool:
    """Return whether a line's period holds a period, or is held by it."""
    span = parse_period(line_period).span
    return span.start < period.span.end and span.end > period.span.start


def _lines(before: Statement | None, after: Statement, period: Period) -> list[dict[str, Any]]:
    """The lines of a statement after the additional sales, each with its amount before."""
    earned_before = {line.line_id: line.earned for line in before.lines} if before else {}
    return [
        {
            "line": line.line_id,
            "title": line.title,
            "period": line.period,
            "before": plain(earned_before.get(line.line_id, Decimal(0))),
            "after": plain(line.earned),
            "reason": line.reason,
            "band": line.band,
            "cap": None if line.cap is None else plain(line.cap),
            "who": line.who,
            "detail": line.detail,
        }
        for line in after.lines
        if _is_within(line.period, period)
    ]
