"""What more sales would earn a payee: settled with one more charge, by the same steps, and compared line by line."""

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
WHERE BilledCost > 0 AND coalesce({category}, 'Usage') = 'Usage' AND BillingPeriodStart BETWEEN ? AND ? AND coalesce({service}, '') = coalesce(?, {service}, '')
  AND (InvoiceIssuerName, BillingAccountId) IN (
    SELECT (g.issuer, g.account) FROM groups AS g JOIN credits AS c ON c.group_id = g.group_id
    WHERE c.party = ? AND c.main AND c.kind = 'direct' AND c.via = 'customer' AND c.month >= ? AND c.month < ?)
ORDER BY BilledCost DESC, import_id, row_no LIMIT 1"""
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
    """A period settled over all that was known at a moment, to which one charge at a time is added."""

    def __init__(self, store: Store, period: Period, known: datetime):
        self.period, self.known = period, known
        self.facts = facts_as_of(store, known)
        self.live = Live(self.facts, period, known)
        self._folder = tempfile.TemporaryDirectory(prefix="fenrun-estimate-")
        self._count = 0
        self._before: dict[str, Statement | None] = {}

    def services(self, payee: str) -> list[str]:
        """The services that the payee is credited for in the period, most billed first."""
        span, service = self.period.span, self._column("ServiceName")
        rows = self.live.engine.query(
            f"""
            SELECT {service} AS service FROM charges WHERE BilledCost > 0 AND {service} IS NOT NULL AND (InvoiceIssuerName, BillingAccountId) IN (
              SELECT (g.issuer, g.account) FROM groups AS g JOIN credits AS c ON c.group_id = g.group_id WHERE c.party = ? AND c.main AND c.month >= ? AND c.month < ?)
            GROUP BY ALL ORDER BY sum(BilledCost) DESC, service""",
            [payee, span.start, span.end],
        )
        return rows.column("service").to_pylist()

    def sell(self, payee: str, amount: Decimal, service: str | None = None) -> dict[str, Any]:
        """What the payee would earn in the period, had it sold for so much more at list price: to one of its customers, of the service (or of what it sells most).

        Returns payee, period, amount, service, customer's account, before, after, more (exact text), and by line: title, period, before, after, reason, band.
        Raises Refused where the payee is credited for no customer of its own.
        """
        if payee not in self._before:
            self._before[payee] = self._now(payee, self.facts.charges)
        before, span = self._before[payee], self.period.span
        found = self.live.engine.query(
            _LIKE.format(
                service=self._column("ServiceName"), category=self._column("ChargeCategory")
            ),
            [
                span.start - timedelta(days=2),
                span.end - timedelta(days=1),
                service,
                payee,
                span.start,
                span.end,
            ],
        ).to_pylist()
        if not found or not before:
            raise Refused(
                [
                    Problem(
                        "estimate-nothing",
                        Place(payee),
                        {"payee": payee, "period": self.period.key, "service": service or "-"},
                    )
                ]
            )
        like = found[0]
        after = self._now(payee, (*self.facts.charges, self._charge(like, amount)))
        was = {x.line_id: x for x in before.lines}
        lines = [
            {
                "line": x.line_id,
                "title": x.title,
                "period": x.period,
                "before": plain(was[x.line_id].earned if x.line_id in was else Decimal(0)),
                "after": plain(x.earned),
                "reason": x.reason,
                "band": x.band,
                "cap": None if x.cap is None else plain(x.cap),
                "who": x.who,
                "detail": x.detail,
            }
            for x in (after or before).lines
        ]
        one, other = before.earned, (after or before).earned
        return {
            "payee": payee,
            "period": self.period.key,
            "amount": plain(amount),
            "service": like["service"],
            "account": like["BillingAccountId"],
            "before": plain(one),
            "after": plain(other),
            "more": plain(other - one),
            "lines": lines,
        }

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
        """An import of one charge like another, of another amount, without its order and resource."""
        self._count += 1
        row = (
            {k: like[k] for k in (*ESSENTIAL, *_KEPT) if like.get(k) is not None}
            | dict.fromkeys(COSTS, amount)
            | {"ChargeCategory": "Usage"}
        )
        path, store = (
            Path(self._folder.name) / f"estimate-{self._count}.parquet",
            Store(Path(self._folder.name) / "store"),
        )
        pq.write_table(pa.Table.from_pylist([row]), path)
        done = import_file(store, path, self.known)
        return next(i for i in store.imports("charges") if i.id == done.id)
