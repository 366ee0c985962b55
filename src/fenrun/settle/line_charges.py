"""All charges behind a statement line, each with whether it counts there, and by which clause.

They are found as `explain` finds its largest: the steps of crediting run again for the payee.
"""

from __future__ import annotations

from typing import Any

from fenrun.base.money import plain
from fenrun.base.problem import Place, refused
from fenrun.plan.rows import settled_together
from fenrun.settle.detail import detail_of
from fenrun.settle.explain import asked_of_charges, listed_charge, listing
from fenrun.statement.rows import clauses_of, title_of
from fenrun.statement.run import Run

_MADE = "line_charges"
"""The charges of the line, found once for its sums and its page."""
_SOUGHT = """
WHERE contains(lower(concat_ws(' ', customer, service, account, order_id)), ?)"""
OUTSIDE = "outside"
"""Stands for a charge that the component does not measure at all."""
_LINE = """
SELECT plan_id, component, role, payee, period, period_from, period_to
FROM earnings
WHERE plan_id || '/' || component || '/' || period || '/' || payee = ? AND step_no = 0
LIMIT 1"""
_ROWS = """
SELECT t.import_id, t.row_no, DATE '1970-01-01' + CAST(t.own_day AS INTEGER) AS day,
       s.InvoiceIssuerName AS issuer, s.BillingAccountId AS account, s.{order} AS order_id,
       s.{service} AS service, {amount} AS amount, c.share, {amount} * c.share AS credited,
       c.customer, c.clause, c.via, c.customer_link, c.link AS link_id, c.measured, c.excluded_by,
       {charged} AS charged, s.BillingCurrency AS currency, {rate} AS rate{of_days}
{of_credits}"""
_PAGE = """
SELECT *
FROM {charges}
ORDER BY abs(amount) DESC, import_id, row_no, clause, link_id
LIMIT ? OFFSET ?"""
_SUMS = """
SELECT CASE WHEN measured = 0 THEN '{outside}' ELSE coalesce(excluded_by, '') END AS rule,
       count(*) AS charges, sum(credited) AS credited
FROM {charges}
GROUP BY 1
ORDER BY 1"""


def line_charges(
    run: Run, line_id: str, start: int = 0, most: int = 50, sought: str = ""
) -> dict[str, Any]:
    """Return the charges of a line, largest first, from a place on; amounts are exact text.

    `total` counts all of them. A charge has what `explain` lists, and `counts`: whether the line
    measures it, and `rule`: the clause that excludes it, nothing where it counts, OUTSIDE where the
    component does not measure it. `sums`: by rule title, charges and what of them is credited.
    With `sought` those alone whose customer, service, account or order holds that text, in any
    case; `total` and `sums` are of these. Raises Refused where the run has no such line.
    """
    found = run.engine.rows(_LINE, [line_id])
    if not found:
        raise refused("line-unknown", Place(line_id), line=line_id, period=run.period.key)
    line = found[0]
    plans = settled_together(run.plans)
    group = next(group for group in plans if line["plan_id"] in {plan.id for plan in group})
    with detail_of(run, [line["payee"]], group) as detail:
        filled, values = asked_of_charges(run, detail, line, counting=True)
        found_by = f"CREATE OR REPLACE TABLE {_MADE} AS FROM {listing(_ROWS, filled)}"
        run.engine.execute(found_by, values)
        charges, values = (_MADE + _SOUGHT, [sought.casefold()]) if sought else (_MADE, [])
        sums = run.engine.rows(_SUMS.format(outside=OUTSIDE, charges=charges), values)
        rows = run.engine.rows(_PAGE.format(charges=charges), [*values, most, start])
    clauses = clauses_of(run)

    def title(rule: str) -> dict[str, str] | None:
        return title_of(clauses, line["plan_id"], rule) if rule not in ("", OUTSIDE) else None

    return {
        "line": line_id,
        "payee": line["payee"],
        "period": line["period"],
        "total": sum(row["charges"] for row in sums),
        "start": start,
        "sums": [
            {**row, "credited": plain(row["credited"]), "title": title(row["rule"])} for row in sums
        ],
        "rows": [_row(run, row) for row in rows],
    }


def _row(run: Run, row: dict[str, Any]) -> dict[str, Any]:
    measured, excluded_by = bool(row.pop("measured")), row.pop("excluded_by")
    rule = (excluded_by or "") if measured else OUTSIDE
    return listed_charge(run, row) | {"counts": not rule, "rule": rule}
