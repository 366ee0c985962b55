"""The sales that two issuers both bill: a marketplace, and the vendor whose service it sells.

FOCUS wants BilledCost to be what a payable invoice says, without a second one for the same sale
(BilledCost; marketplace purchases, in its appendix of examples); whoever does not invoice a sale
bills nothing for it. Where both do, no column links the two charges: they agree in what is sold,
when and for how much, name no two different providers, and differ in the issuer.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa

from fenrun.base.ids import short
from fenrun.base.money import plain
from fenrun.charges.compared import compare
from fenrun.charges.delivered import share_months
from fenrun.charges.stored import load_charges
from fenrun.engine.duckdb import DuckDB
from fenrun.store.facts import Import

_ISSUER = "InvoiceIssuerName"
_PROVIDERS = ("ServiceProviderName", "ProviderName", "PublisherName", "HostProviderName")
"""The columns that say whose service is sold; FOCUS 1.3 renamed them."""
_SOLD = """
CREATE TEMP TABLE sold AS
SELECT *, row_number() OVER () AS number
FROM (
  SELECT
    c.id AS import_id, c.seq, c.is_asked, s.InvoiceIssuerName AS issuer,
    s.BillingCurrency AS currency, s.BilledCost AS billed, s.ChargePeriodStart AS starts,
    {ends} AS ends,
    {resource} AS resource, {price} AS price, {account} AS account,
    list_sort(list_distinct([{providers}])) AS providers, count(*) AS rows
  FROM stored AS s JOIN compared AS c ON c.import_id = s.import_id
  WHERE s.BilledCost <> 0 AND s.InvoiceIssuerName IS NOT NULL
  GROUP BY ALL)
"""
_SAME = """
a.currency = b.currency AND a.billed = b.billed AND a.starts = b.starts
AND a.ends IS NOT DISTINCT FROM b.ends AND a.issuer <> b.issuer
AND (len(a.providers) = 0 OR len(b.providers) = 0 OR list_has_any(a.providers, b.providers))
AND a.is_asked AND (b.seq < a.seq OR (b.seq = a.seq AND b.issuer < a.issuer))"""
_PAIRS = f"""
WITH pairs AS (
  SELECT a.number, b.number AS other FROM sold AS a JOIN sold AS b
  ON a.resource = b.resource AND {_SAME}
  UNION
  SELECT a.number, b.number AS other FROM sold AS a JOIN sold AS b
  ON a.price = b.price AND a.account = b.account AND {_SAME}
  AND (a.resource IS NULL OR b.resource IS NULL))
SELECT
  a.import_id AS one, b.import_id AS other, a.issuer, b.issuer AS other_issuer, a.currency,
  a.billed,
  CAST(least(any_value(a.rows), sum(b.rows)) AS BIGINT) AS rows
FROM pairs AS p
JOIN sold AS a ON a.number = p.number
JOIN sold AS b ON b.number = p.other
GROUP BY a.number, a.import_id, b.import_id, a.issuer, b.issuer, a.currency, a.billed
ORDER BY ALL
"""


@dataclass(frozen=True)
class Sale:
    """The charges that two issuers bill as if each had sold the same. Grain: imports, issuers."""

    one: str
    """Id of the import that came later."""
    other: str
    """Id of the import that came before it, or of the same."""
    issuer: str
    """Who bills them in the later import."""
    other_issuer: str
    rows: int
    billed: Mapping[str, str]
    """BilledCost by currency, as exact text."""


def find_sales(imports: Sequence[Import], cache: Path | None = None) -> list[Sale]:
    """Return what is billed by two issuers in imports, or in one of them, in the log's order.

    Where all are of one issuer nothing is read. What is found of an import and those before it is
    kept in a `cache`, a folder.
    """
    ordered = sorted((i for i in imports if i.facts["first_billed"]), key=lambda item: item.seq)
    if len({_issuer(item) for item in ordered} | {None}) <= 2 and all(map(_issuer, ordered)):
        return []
    before = {
        item.id: {one.id for one in ordered[:place] if _may_share(item, one)}
        for place, item in enumerate(ordered)
    }
    compared = {i.id: before[i.id] for i in ordered if before[i.id] or _issuer(i) is None}
    return compare(ordered, compared, _found, cache, Sale)


def _issuer(item: Import) -> str | None:
    """Return the issuer of all charges of an import; None where they differ."""
    said = item.facts.get("same", {}).get(_ISSUER)
    return None if said is None else str(said)


def _may_share(one: Import, other: Import) -> bool:
    if not (one.facts["first_billed"] and other.facts["first_billed"]):
        return False
    is_other = _issuer(one) is None or _issuer(one) != _issuer(other)
    return is_other and share_months(one.facts, other.facts)


def _found(imports: Sequence[Import], asked: Sequence[Import]) -> list[Sale]:
    """Return the sales of some of the imports that are billed in those before them, or twice."""
    named = {item.id for item in asked}
    engine = DuckDB()
    load_charges(engine, "stored", imports)
    compared = {
        "import_id": [short(item.id) for item in imports],
        "id": [item.id for item in imports],
        "seq": [item.seq for item in imports],
        "is_asked": [item.id in named for item in imports],
    }
    engine.load("compared", pa.table(compared))
    there = engine.columns("stored")

    def first_of(*columns: str) -> str:
        names = [f"s.{name}" for name in columns if name in there]
        return f"coalesce({', '.join(names)})" if names else "NULL::VARCHAR"

    providers = [f"lower(s.{name})" for name in _PROVIDERS if name in there]
    sold = _SOLD.format(
        ends="s.ChargePeriodEnd" if "ChargePeriodEnd" in there else "NULL::TIMESTAMP",
        resource=first_of("ResourceId"),
        price=first_of("SkuPriceId", "SkuId"),
        account=first_of("SubAccountId", "BillingAccountId"),
        providers=", ".join(providers) or "NULL::VARCHAR",
    )
    engine.connection.execute(sold)
    return _summed(engine.rows(_PAIRS))


def _summed(rows: Iterable[Mapping[str, Any]]) -> list[Sale]:
    """Return pairs of charges summed by import and issuers."""
    counted: dict[tuple[str, str, str, str], int] = {}
    billed: dict[tuple[str, str, str, str], dict[str, Decimal]] = {}
    for row in rows:
        key = (row["one"], row["other"], row["issuer"], row["other_issuer"])
        counted[key] = counted.get(key, 0) + row["rows"]
        sums = billed.setdefault(key, {})
        sums[row["currency"]] = sums.get(row["currency"], Decimal(0)) + row["billed"] * row["rows"]
    return [
        Sale(*key, count, {name: plain(amount) for name, amount in sorted(billed[key].items())})
        for key, count in sorted(counted.items())
    ]
