"""Owners of an order, by the charges that name it."""

from __future__ import annotations

from fenrun.charges.rows import ORDER
from fenrun.engine.dialect import quoted
from fenrun.engine.duckdb import DuckDB

_OWNERS = """
WITH lines AS (
  SELECT DISTINCT InvoiceIssuerName AS issuer, BillingAccountId AS account, {sub} AS sub_account,
         CAST(ChargePeriodStart AS DATE) AS day
  FROM charges WHERE InvoiceIssuerName = ? AND {order} = ?)
SELECT DISTINCT CASE WHEN s.party IS NULL THEN CASE WHEN a.sound THEN a.party END
       WHEN s.sound THEN s.party END AS party
FROM lines AS c
LEFT JOIN links AS s ON s.of_kind = 'sub-account' AND s.issuer = c.issuer
  AND s.subject = c.sub_account AND s.valid_from <= c.day AND c.day < s.valid_to
LEFT JOIN links AS a ON a.of_kind = 'account' AND a.issuer = c.issuer AND a.subject = c.account
  AND a.valid_from <= c.day AND c.day < a.valid_to"""


def owners_of(engine: DuckDB, issuer: str, order: str) -> set[str | None]:
    """The customers of all charges of an order, as crediting finds them.

    By sub-account, else by account; None for charges of nobody. Empty where no charge names it.

    `engine` holds the charges and the book.
    """
    columns = engine.columns("charges")
    if ORDER not in columns:
        return set()
    sub = quoted("SubAccountId") if "SubAccountId" in columns else "CAST(NULL AS VARCHAR)"
    return {
        r["party"]
        for r in engine.query(
            _OWNERS.format(sub=sub, order=quoted(ORDER)), [issuer, order]
        ).to_pylist()
    }
