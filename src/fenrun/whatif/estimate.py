"""Estimates of additional sales: settled with one more charge, and compared line by line."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from fenrun.base.money import plain
from fenrun.base.problem import Place, Problem, Refused
from fenrun.base.when import Period
from fenrun.charges.rows import COSTS, ESSENTIAL
from fenrun.settle.facts import facts_as_of
from fenrun.settle.imports import import_file
from fenrun.statement.rows import Statement, statement_of
from fenrun.store.facts import Store
from fenrun.whatif.change import Live

_LIKE = """
SELECT *, {service} AS service FROM charges
WHERE BilledCost > 0 AND coalesce({category}, 'Usage') = 'Usage'
  AND BillingPeriodStart BETWEEN ? AND ?
  AND coalesce({service}, '') = coalesce(?, {service}, '')
  AND (InvoiceIssuerName, BillingAccountId) IN (
    SELECT (g.issuer, g.account) FROM groups AS g JOIN credits AS c ON c.group_id = g.group_id
    WHERE c.party = ? AND c.main AND c.kind = 'direct' AND c.via = 'customer'
      AND c.month >= ? AND c.month < ?)
ORDER BY BilledCost DESC, import_id, row_no LIMIT 1"""
_SERVICES = """
SELECT {service} AS service FROM charges
WHERE BilledCost > 0 AND {service} IS NOT NULL AND (InvoiceIssuerName, BillingAccountId) IN (
  SELECT (g.issuer, g.account) FROM groups AS g JOIN credits AS c ON c.group_id = g.group_id
  WHERE c.party = ? AND c.main AND c.month >= ? AND c.month < ?)
GROUP BY ALL ORDER BY sum(BilledCost) DESC, service"""
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


class Estimator:
    """A period settled as known at a moment, to which one charge at a time is added."""

    def __init__(self, store: Store, period: Period, known: datetime):
        self.period, self.known = period, known
        self.facts = facts_as_of(store, known)
        self.live = Live(self.facts, period, known)
        self._folder = tempfile.TemporaryDirectory(prefix="fenrun-estimate-")
        self._count = 0
        self._before: dict[str, Statement | None] = {}

    def services(self, payee: str) -> list[str]:
        """The services that the payee is credited for in the period, most billed first."""
        span = self.period.span
        sql = _SERVICES.format(service=self._column("ServiceName"))
        rows = self.live.engine.query(sql, [payee, span.start, span.end])
        return [str(service) for service in rows.column("service").to_pylist()]

    def sell(self, payee: str, amount: Decimal, service: str | None = None) -> dict[str, Any]:
        """Return what the payee would earn in the period with additional sales at list price.

        They go to one of its customers, of the service (or of what it sells most). Returns payee,
        period, amount, service, customer's account, before, after, more (exact text), and by line:
        title, period, before, after, reason, band. Raises Refused where the payee is credited for
        no customer of its own.
        """
        if payee not in self._before:
            self._before[payee] = self._now(payee, self.facts.charges)
        before = self._before[payee]
        like = self._largest_charge(payee, service)
        if not like or not before:
            values = {"payee": payee, "period": self.period.key, "service": service or "-"}
            raise Refused([Problem("estimate-nothing", Place(payee), values)])
        after = self._now(payee, (*self.facts.charges, self._charge(like, amount))) or before
        return {
            "payee": payee,
            "period": self.period.key,
            "amount": plain(amount),
            "service": like["service"],
            "account": like["BillingAccountId"],
            "before": plain(before.earned),
            "after": plain(after.earned),
            "more": plain(after.earned - before.earned),
            "lines": _lines(before, after),
        }

    def _largest_charge(self, payee: str, service: str | None) -> dict[str, Any] | None:
        """Return the largest charge of the period that the payee is credited for as owner."""
        span = self.period.span
        columns = {
            "service": self._column("ServiceName"),
            "category": self._column("ChargeCategory"),
        }
        first, last = span.start - timedelta(days=2), span.end - timedelta(days=1)
        values = [first, last, service, payee, span.start, span.end]
        found = self.live.engine.query(_LIKE.format(**columns), values).to_pylist()
        return found[0] if found else None

    def _column(self, name: str) -> str:
        """A column of the charges; nothing where no file has it."""
        return name if name in self.live.engine.columns("charges") else "CAST(NULL AS VARCHAR)"

    def _now(self, payee: str, charges: tuple[Any, ...]) -> Statement | None:
        facts = replace(self.facts, charges=charges)
        if facts.charges != self.live.facts.charges:
            self.live.change(facts)
        try:
            return statement_of(self.live.run, payee)
        except Refused:
            return None

    def _charge(self, like: dict[str, Any], amount: Decimal) -> Any:
        """Import one charge like another, of another amount, without its order and resource."""
        self._count += 1
        row = {k: like[k] for k in (*ESSENTIAL, *_KEPT) if like.get(k) is not None}
        row |= dict.fromkeys(COSTS, amount)
        row["ChargeCategory"] = "Usage"
        folder = Path(self._folder.name)
        path, store = folder / f"estimate-{self._count}.parquet", Store(folder / "store")
        pq.write_table(pa.Table.from_pylist([row]), path)
        done = import_file(store, path, self.known)
        return next(i for i in store.imports("charges") if i.id == done.id)


def _lines(before: Statement, after: Statement) -> list[dict[str, Any]]:
    """The lines of a statement after the additional sales, each with its amount before."""
    earned_before = {line.line_id: line.earned for line in before.lines}
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
    ]
