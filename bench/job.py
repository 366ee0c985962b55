"""The common job: one channel-incentive year of 12,000 partners, as docs/reference/bench.md
describes it.

Reads a folder with `charges.parquet` or `charges.csv` and the small tables beside it, writes them
as FOCUS charges, a book and a plan, imports and settles those like any other, and writes the
earnings.
"""

from __future__ import annotations

import csv
import json
import tempfile
from datetime import datetime
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any

import yaml

from bench.timing import Step, no_step, seconds, timed
from fenrun.base.when import parse_period
from fenrun.engine.dialect import literal
from fenrun.engine.duckdb import DuckDB
from fenrun.settle.imports import import_file
from fenrun.settle.runs import Settled, settle_workspace
from fenrun.store.facts import Store

ISSUER = "Common job"
CURRENCY = "USD"
_KNOWN = datetime(2026, 1, 1)
_FIRST_PERIOD = "2000-01"
_EARNINGS = """
SELECT payee AS partner_id, component, period AS period_key, CAST(base AS DECIMAL(38, 2)) AS base,
       CAST(earned AS DECIMAL(38, 2)) AS amount
FROM earnings WHERE earned > 0 ORDER BY 1, 2, 3"""


def run(folder: Path, out: Path, step: Step = no_step) -> dict[str, Any]:
    """Settle the job's folder and write its earnings to `out`.

    Returns rows, and the seconds of each phase: the facts are imported by the time they are
    settled.
    """
    with tempfile.TemporaryDirectory(prefix="fenrun-job-") as scratch:
        mapped, files = timed(partial(write_inputs, folder, Path(scratch)))
        step(1)
        store = Store(Path(scratch) / "workspace")
        imported, facts = timed(lambda: [import_file(store, path, _KNOWN).facts for path in files])
        step(1)
        settle, settled = timed(lambda: settle_workspace(store, parse_period("2025")))
        step(2)
        written, rows = timed(lambda: write_earnings(settled, out))
        step(1)
    lines, total = sum(f.get("rows", 0) for f in facts), mapped + imported + settle + written
    return {
        "lines": lines,
        "earnings": rows,
        "problems": len(settled.run.problems),
        **seconds("map", mapped),
        **seconds("import", imported),
        **seconds("settle", settle),
        **seconds("write", written),
        **seconds("total", total),
        "lines_per_s": round(lines / total.wall),
        "peak_mb": total.peak_mb,
    }


def write_inputs(folder: Path, into: Path) -> list[Path]:
    """The job's folder as files that fenrun imports: FOCUS charges, links, figures, a plan."""
    engine = DuckDB(into)
    _charges(engine, folder, into / "focus.parquet")
    _links(engine, folder, into / "focus.parquet", into / "links.parquet")
    _figures(folder, into / "figures.csv")
    (into / "plan.yaml").write_text(
        yaml.safe_dump(plan(folder), sort_keys=False, allow_unicode=True), "utf-8"
    )
    return [into / name for name in ("focus.parquet", "links.parquet", "figures.csv", "plan.yaml")]


def write_earnings(settled: Settled, out: Path) -> int:
    """Write partner, component, period, base and amount of everything that earns.

    Returns the number of rows.
    """
    table = settled.run.engine.query(_EARNINGS)
    with out.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(table.column_names)
        writer.writerows(zip(*(column.to_pylist() for column in table.columns)))
    return table.num_rows


def _charges(engine: DuckDB, folder: Path, into: Path) -> None:
    """FOCUS charges on the first day of their period.

    The job credits whoever holds the association then.
    """
    if (folder / "charges.parquet").exists():
        source, cents = f"read_parquet({literal(str(folder / 'charges.parquet'))})", True
    else:
        source, cents = (
            f"read_csv({literal(str(folder / 'charges.csv'))}, all_varchar => true)",
            False,
        )

    def cost(name: str) -> str:
        return f"CAST({name}_c AS DECIMAL(18, 0)) * CAST(0.01 AS DECIMAL(3, 2))" if cents else name

    engine.connection.execute(f"""
        COPY (SELECT {literal(ISSUER)} AS InvoiceIssuerName, customer_id AS BillingAccountId,
                     {literal(CURRENCY)} AS BillingCurrency,
                     CAST(period || '-01' AS TIMESTAMP) AS BillingPeriodStart,
                     CAST(period || '-01' AS TIMESTAMP) AS ChargePeriodStart,
                     'Usage' AS ChargeCategory, sku_family AS ServiceName, order_id AS x_OrderId,
                     {cost("list")} AS ListCost, {cost("contracted")} AS ContractedCost,
                     {cost("billed")} AS BilledCost, {cost("billed")} AS EffectiveCost
              FROM {source}) TO {literal(str(into))} (FORMAT parquet)""")


def _links(engine: DuckDB, folder: Path, charges: Path, into: Path) -> None:
    """Every account is a customer of its own id.

    Associations are links from customer to partner.
    """
    path = literal(str(folder / "associations.csv"))
    engine.connection.execute(f"""
        COPY (SELECT 'account' AS "of", {literal(ISSUER)} AS issuer, BillingAccountId AS subject,
              'customer' AS role, BillingAccountId AS party, NULL AS "from", NULL AS "to"
              FROM (SELECT DISTINCT BillingAccountId FROM read_parquet({literal(str(charges))}))
              UNION ALL
              SELECT 'customer', NULL, customer_id, 'partner', partner_id, "from", "to"
              FROM read_csv({path}, all_varchar => true)
              ORDER BY ALL) TO {literal(str(into))} (FORMAT parquet)""")


def _figures(folder: Path, into: Path) -> None:
    with into.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("party", "figure", "period", "amount", "currency"))
        for row in _rows(folder / "targets.csv"):
            writer.writerow((row["partner_id"], "target", row["quarter"], row["target"], CURRENCY))
        for row in _rows(folder / "prior.csv"):
            writer.writerow(
                (row["partner_id"], "prior-year", "2025", row["prior_year_base"], CURRENCY)
            )


def _rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def plan(folder: Path) -> dict[str, Any]:
    """The job's constants (plan.json) and exclusions as a plan."""
    said = json.loads((folder / "plan.json").read_text("utf-8"), parse_float=Decimal)
    source = "plan.json"
    excluded = [
        {
            "id": f"excluded-{n}",
            "when": f"ServiceName = '{row['sku_family']}'",
            "since": f"{row['from_period']}-01",
        }
        for n, row in enumerate(_rows(folder / "exclusions.csv"), 1)
    ]

    def version(start: str, steps: list[list[Any]], bound: str) -> dict[str, Any]:
        return {
            "from": f"{start}-01",
            "source": source,
            "kind": "all units",
            "bands": list(_bands(steps, bound)),
        }

    return {
        "plan": "common-job",
        "title": "The common job",
        "source": source,
        "published": "2025-01-01",
        "effective": {"from": "2025-01-01", "to": "2026-01-01"},
        "currency": CURRENCY,
        "timezone": "UTC",
        "basis": "lesser of billed and contracted",
        "rounding": "half up to 0.01",
        "credit": {"first match": [{"id": "association", "mode": "double", "roles": ["partner"]}]},
        "exclude": [
            {"id": "discount-floor", "when": f"billed below {said['floor_pct']} % of list"},
            *excluded,
        ],
        "tables": {
            "monthly-rates": [version(t["from_period"], t["steps"], "") for t in said["tiers"]],
            "task-rates": [version(_FIRST_PERIOD, said["task"], " %")],
            "growth-rates": [version(_FIRST_PERIOD, said["growth"], " %")],
        },
        "earn": {
            "sum": [
                {
                    "id": "monthly",
                    "pays": "partner",
                    "per": "month",
                    "on": "amount",
                    "by": "amount",
                    "table": "monthly-rates",
                },
                {
                    "id": "task",
                    "pays": "partner",
                    "per": "quarter",
                    "on": "amount",
                    "by": "attainment",
                    "target": "target",
                    "table": "task-rates",
                },
                {
                    "id": "growth",
                    "pays": "partner",
                    "per": "year",
                    "on": "increment",
                    "by": "growth",
                    "compare": "figure prior-year",
                    "table": "growth-rates",
                },
            ]
        },
    }


def _bands(steps: list[list[Any]], unit: str) -> list[str]:
    """Steps of (threshold, per cent) as bands in words; below the first nothing is paid."""
    bounds = [f"{step[0]}{unit}" for step in steps]
    words = [f"below {bounds[0]} pays 0 %"]
    for number, (bound, step) in enumerate(zip(bounds, steps)):
        until = f" below {bounds[number + 1]}" if number + 1 < len(steps) else ""
        words.append(f"from {bound}{until} pays {step[1]} %")
    return words
