"""The common job in hand-written SQL for DuckDB.

One pass over the charges sums each customer's twelve months side by side, and the book is joined to
customers, not to their months. A group for each customer and month, also with integer codes for
both, was no faster all in.
"""

from __future__ import annotations

from pathlib import Path

from bench.peers.rules import (
    COSTS,
    MONTHS,
    QUARTERS,
    YEAR,
    Rules,
    Steps,
    charges_of,
    read_rules,
)
from fenrun.engine.dialect import literal, quoted
from fenrun.engine.duckdb import DuckDB

_PARTNERS = """
CREATE TEMP TABLE partners AS
WITH customers AS (
    SELECT customer_id, {sums} FROM {charges}
    WHERE NOT ({excluded}) AND abs(billed_c) * 100 >= abs(list_c) * {floor} GROUP BY customer_id)
SELECT partner_id, {credited}
FROM customers JOIN read_csv({associations}, all_varchar => true) AS held USING (customer_id)
GROUP BY partner_id"""

_EARNINGS = """
WITH months AS (UNPIVOT partners ON {months} INTO NAME period VALUE base),
quarters AS (UNPIVOT (SELECT partner_id, {in_quarters} FROM partners)
             ON {quarters} INTO NAME quarter VALUE base),
targets AS (
    SELECT partner_id, quarter, CAST(target * 100 AS BIGINT) AS target
    FROM read_csv({targets}, header => true, columns => {{partner_id: 'VARCHAR', quarter: 'VARCHAR',
                  target: 'DECIMAL(18, 2)'}}) WHERE target > 0),
prior AS (
    SELECT partner_id, CAST(prior_year_base * 100 AS BIGINT) AS prior
    FROM read_csv({prior}, header => true, columns => {{partner_id: 'VARCHAR',
                  prior_year_base: 'DECIMAL(18, 2)'}}) WHERE prior_year_base > 0),
rated AS (
    SELECT partner_id, 'monthly' AS component, period AS period_key, base, {monthly} AS rate
    FROM months
    UNION ALL
    SELECT partner_id, 'task', quarter, base, {task} FROM quarters
    JOIN targets USING (partner_id, quarter)
    UNION ALL
    SELECT partner_id, 'growth', {year}, base, {growth}
    FROM (SELECT partner_id, {whole} - prior AS base, prior FROM partners
          JOIN prior USING (partner_id)))
SELECT partner_id, component, period_key, CAST(base AS DECIMAL(18, 0)) * 0.01 AS base,
       CAST((base * rate + 50) // 100 AS DECIMAL(18, 0)) * 0.01 AS amount
FROM rated WHERE base > 0 AND base * rate >= 50 ORDER BY partner_id, component, period_key"""


def run(folder: Path, out: Path) -> None:
    """Settle the job's folder and write its earnings to `out`."""
    rules = read_rules(folder)
    credited(folder, rules).connection.execute(
        f"COPY ({_earnings(folder, rules)}) TO {literal(str(out))} (FORMAT csv, HEADER true)"
    )
    out.write_bytes(out.read_bytes().replace(b"\n", b"\r\n"))


def credited(folder: Path, rules: Rules) -> DuckDB:
    """An engine that holds `partners`.

    Partner_id and, for each month, the cents that the partner is credited.
    """
    base = "CASE WHEN abs(billed_c) <= abs(contracted_c) THEN billed_c ELSE contracted_c END"
    sums = ", ".join(f"sum({base}) FILTER (period = '{m}') AS {quoted(m)}" for m in MONTHS)
    by_month = ", ".join(
        f"CAST(coalesce(sum({quoted(m)}) FILTER (\"from\" <= '{m}-01'"
        f' AND ("to" IS NULL OR \'{m}-01\' < "to")), 0) AS BIGINT) AS {quoted(m)}'
        for m in MONTHS
    )
    excluded = (
        " OR ".join(
            f"sku_family = {literal(family)} AND period >= {literal(start)}"
            for family, start in rules.excluded
        )
        or "false"
    )
    engine, associations = DuckDB(), literal(str(folder / "associations.csv"))
    engine.connection.execute(
        _PARTNERS.format(
            sums=sums,
            credited=by_month,
            charges=_charges(folder),
            excluded=excluded,
            floor=rules.floor,
            associations=associations,
        )
    )
    return engine


def _earnings(folder: Path, rules: Rules) -> str:
    by_quarter = [(quarter, MONTHS[3 * n : 3 * n + 3]) for n, quarter in enumerate(QUARTERS)]
    return _EARNINGS.format(
        months=", ".join(map(quoted, MONTHS)),
        quarters=", ".join(map(quoted, QUARTERS)),
        in_quarters=", ".join(f"{_plus(months)} AS {quoted(q)}" for q, months in by_quarter),
        year=literal(YEAR),
        whole=_plus(MONTHS),
        targets=literal(str(folder / "targets.csv")),
        prior=literal(str(folder / "prior.csv")),
        monthly=_monthly(rules),
        task=_case(rules.task, "base * 100 >= target * {}"),
        growth=_case(rules.growth, "base * 100 >= prior * {}"),
    )


def _charges(folder: Path) -> str:
    path, cents = charges_of(folder)
    if cents:
        return f"read_parquet({literal(str(path))})"
    types = ", ".join(
        [
            *(
                f"{name}: 'VARCHAR'"
                for name in ("charge_id", "customer_id", "order_id", "sku_family", "period")
            ),
            *(f"{name}: 'DECIMAL(18, 2)'" for name in COSTS),
        ]
    )
    money = ", ".join(f"CAST({name} * 100 AS BIGINT) AS {name}_c" for name in COSTS)
    read = f"read_csv({literal(str(path))}, header => true, columns => {{{types}}})"
    return f"(SELECT customer_id, sku_family, period, {money} FROM {read})"


def _plus(months: tuple[str, ...]) -> str:
    return " + ".join(map(quoted, months))


def _monthly(rules: Rules) -> str:
    """The rate of a month: one CASE for each version of the tiers and its months."""
    parts = []
    for steps in dict.fromkeys(rules.tiers):
        months = [literal(m) for m, held in zip(MONTHS, rules.tiers) if held == steps]
        parts.append(f"WHEN period IN ({', '.join(months)}) THEN {_case(steps, 'base >= {}')}")
    return f"CASE {' '.join(parts)} END"


def _case(steps: Steps, reached: str) -> str:
    arms = [f"WHEN {reached.format(start)} THEN {rate}" for start, rate in reversed(steps)]
    return f"CASE {' '.join(arms)} ELSE 0 END"
