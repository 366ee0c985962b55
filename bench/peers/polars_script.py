"""The common job as a Polars script: lazy, on the streaming engine, money as whole cents.

Each customer's twelve months are summed side by side, and the book is joined to customers, not to
their months.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import polars as pl

from bench.peers.rules import (
    COLUMNS,
    COSTS,
    MONTHS,
    QUARTERS,
    YEAR,
    Rules,
    Steps,
    charges_of,
    read_rules,
)

_COL = pl.col


def run(folder: Path, out: Path) -> None:
    """Settle the job's folder and write its earnings to `out`."""
    rules = read_rules(folder)
    months = (
        _partners(folder, rules)
        .collect(engine="streaming")
        .unpivot(MONTHS, index="partner_id", variable_name="period", value_name="base")
    )
    parts = [_monthly(months, rules), _task(months, folder, rules), _growth(months, folder, rules)]
    earned = pl.concat(
        [
            part.select(*COLUMNS[:4], amount=(_COL("base") * _COL("rate") + 50) // 100)
            for part in parts
        ]
    ).filter(_COL("base") > 0, _COL("amount") > 0)
    earned.sort(COLUMNS[:3]).with_columns(_money("base"), _money("amount")).write_csv(
        out, line_terminator="\r\n"
    )


def _partners(folder: Path, rules: Rules) -> pl.LazyFrame:
    """What each partner is credited in each month, a column for each of the twelve."""
    path, cents = charges_of(folder)
    if cents:
        charges = pl.scan_parquet(path)
    else:
        charges = pl.scan_csv(path, infer_schema=False).with_columns(
            **{f"{name}_c": _cents(name) for name in COSTS}
        )
    billed, contracted, listed = _COL("billed_c"), _COL("contracted_c"), _COL("list_c")
    excluded = pl.any_horizontal(
        pl.lit(False),
        *(
            (_COL("sku_family") == family) & (_COL("period") >= start)
            for family, start in rules.excluded
        ),
    )
    counted = charges.filter(~excluded, billed.abs() * 100 >= listed.abs() * rules.floor)
    base = pl.when(billed.abs() <= contracted.abs()).then(billed).otherwise(contracted)
    customers = (
        counted.select(
            "customer_id",
            **{m: pl.when(_COL("period") == m).then(base).otherwise(0) for m in MONTHS},
        )
        .group_by("customer_id")
        .agg(pl.all().sum())
    )
    links = pl.scan_csv(folder / "associations.csv", infer_schema=False).with_columns(
        _COL("to").fill_null("9999-12-31")
    )
    credited = {
        m: pl.when(_COL("from") <= f"{m}-01", _COL("to") > f"{m}-01")
        .then(_COL(m))
        .otherwise(0)
        .sum()
        for m in MONTHS
    }
    return customers.join(links, on="customer_id").group_by("partner_id").agg(**credited)


def _monthly(months: pl.DataFrame, rules: Rules) -> pl.DataFrame:
    rate = pl.lit(0)
    for steps in dict.fromkeys(rules.tiers):
        held = [month for month, tiers in zip(MONTHS, rules.tiers) if tiers == steps]
        rate = (
            pl.when(_COL("period").is_in(held))
            .then(_rate(steps, lambda start: _COL("base") >= start))
            .otherwise(rate)
        )
    return months.select(
        "partner_id", component=pl.lit("monthly"), period_key="period", base="base", rate=rate
    )


def _task(months: pl.DataFrame, folder: Path, rules: Rules) -> pl.DataFrame:
    quarter = _COL("period").replace_strict(
        MONTHS, [QUARTERS[n // 3] for n in range(12)], return_dtype=pl.String
    )
    quarters = months.group_by("partner_id", quarter=quarter).agg(_COL("base").sum())
    targets = (
        pl.read_csv(folder / "targets.csv", infer_schema=False)
        .select("partner_id", "quarter", target=_cents("target"))
        .filter(_COL("target") > 0)
    )
    rate = _rate(rules.task, lambda start: _COL("base") * 100 >= _COL("target") * start)
    return quarters.join(targets, on=("partner_id", "quarter")).select(
        "partner_id", component=pl.lit("task"), period_key="quarter", base="base", rate=rate
    )


def _growth(months: pl.DataFrame, folder: Path, rules: Rules) -> pl.DataFrame:
    prior = (
        pl.read_csv(folder / "prior.csv", infer_schema=False)
        .select("partner_id", prior=_cents("prior_year_base"))
        .filter(_COL("prior") > 0)
    )
    years = (
        months.group_by("partner_id")
        .agg(_COL("base").sum())
        .join(prior, on="partner_id")
        .with_columns(base=_COL("base") - _COL("prior"))
    )
    rate = _rate(rules.growth, lambda start: _COL("base") * 100 >= _COL("prior") * start)
    return years.select(
        "partner_id", component=pl.lit("growth"), period_key=pl.lit(YEAR), base="base", rate=rate
    )


def _rate(steps: Steps, reached: Callable[[int], pl.Expr]) -> pl.Expr:
    rate = pl.lit(0)
    for start, percent in steps:
        rate = pl.when(reached(start)).then(percent).otherwise(rate)
    return rate


def _cents(name: str) -> pl.Expr:
    """Money as text with two decimals, in cents."""
    return _COL(name).str.replace(".", "", literal=True).cast(pl.Int64)


def _money(name: str) -> pl.Expr:
    """Cents above zero as text with two decimals."""
    return (
        (_COL(name) // 100).cast(pl.String) + "." + (_COL(name) % 100).cast(pl.String).str.zfill(2)
    ).alias(name)
