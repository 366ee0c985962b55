"""Owners of an order, by the charges that name it."""

from __future__ import annotations

from fenrun.book.in_words import KnownBook
from fenrun.charges.rows import ORDER
from fenrun.engine.dialect import quoted
from fenrun.engine.duckdb import DuckDB

_LINES = """
SELECT DISTINCT BillingAccountId AS account, {sub} AS sub_account,
       CAST(ChargePeriodStart AS DATE) AS day
FROM charges WHERE InvoiceIssuerName = ? AND {order} = ?"""


def owners_of(charges: DuckDB, book: KnownBook, issuer: str, order: str) -> set[str | None]:
    """Return the customers of all charges of an order, as crediting finds them.

    By sub-account, else by account; None for charges of nobody. Empty where no charge names it.

    `charges` is an engine that holds them.
    """
    columns = charges.columns("charges")
    if ORDER not in columns:
        return set()
    sub = quoted("SubAccountId") if "SubAccountId" in columns else "CAST(NULL AS VARCHAR)"
    sql = _LINES.format(sub=sub, order=quoted(ORDER))
    found: set[str | None] = set()
    for line in charges.query(sql, [issuer, order]).to_pylist():
        owners: list[str | None] = []
        if line["sub_account"] is not None:
            owners = book.holders("sub-account", issuer, line["sub_account"], line["day"])
        owners = owners or book.holders("account", issuer, line["account"], line["day"])
        found.update(owners or [None])
    return found
