"""What must be true of a FOCUS file, and what is worth knowing: each check is a code and a SQL condition over the staged rows.

Sources: the FOCUS specification 1.0-1.4 for what may be null and which values are allowed; the rest from files in use.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from fenrun.base.problem import Place, Problem
from fenrun.charges.rows import COSTS, ESSENTIAL, ORDER, VALUES, focus_columns
from fenrun.charges.source import Source
from fenrun.engine.dialect import literal, quoted
from fenrun.engine.duckdb import DuckDB

QUARANTINE = "BilledCost IS NULL OR BillingAccountId IS NULL OR InvoiceIssuerName IS NULL OR BillingCurrency IS NULL OR BillingPeriodStart IS NULL OR ChargePeriodStart IS NULL"
"""A row of which this holds cannot be credited or paid: it is kept aside."""

_USAGE_EXPECTS = (
    "BillingAccountName",
    "ContractedUnitPrice",
    "ListUnitPrice",
    "PricingCategory",
    "PricingQuantity",
    "RegionId",
    "SkuId",
    "SkuPriceId",
)
_ISO = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z"


@dataclass(frozen=True)
class Check:
    """One condition over the staged rows."""

    code: str
    column: str
    """The column the problem names."""
    where: str
    """SQL: the rows that show the problem."""
    needs: tuple[str, ...] = ()
    """Further columns the condition reads."""
    value: str = "NULL"
    """SQL: an example to show."""


def _checks() -> list[Check]:
    found = [
        Check(
            "credit-charge",
            "ChargeCategory",
            "ChargeCategory = 'Credit'",
            ("BilledCost",),
            "CAST(BilledCost AS VARCHAR)",
        ),
        Check(
            "negative-usage",
            "ChargeClass",
            "ChargeCategory = 'Usage' AND BilledCost < 0 AND ChargeClass IS NULL",
            ("ChargeCategory", "BilledCost"),
            "CAST(BilledCost AS VARCHAR)",
        ),
        Check(
            "charge-outside-billing-period",
            "ChargePeriodStart",
            "ChargePeriodStart < BillingPeriodStart OR ChargePeriodStart >= BillingPeriodEnd",
            ("BillingPeriodStart", "BillingPeriodEnd"),
            "CAST(ChargePeriodStart AS VARCHAR)",
        ),
        Check(
            "region-name-external",
            "RegionName",
            "RegionName = 'External' AND RegionId IS NOT NULL",
            ("RegionId",),
            "RegionId",
        ),
        Check(
            "list-cost-differs",
            "ListCost",
            "abs(TRY_CAST(ListUnitPrice AS DOUBLE) * TRY_CAST(PricingQuantity AS DOUBLE) - CAST(ListCost AS DOUBLE)) > 0.000001",
            ("ListUnitPrice", "PricingQuantity"),
            "CAST(ListCost AS VARCHAR)",
        ),
        Check(
            "tag-key-space",
            "Tags",
            r"""regexp_matches(Tags, '[{,]\s*"(\s[^"]*|[^"]*\s)"\s*:')""",
            (),
            "Tags",
        ),
        Check(
            "tag-value-null",
            "Tags",
            r"""regexp_matches(Tags, ':\s*"[^"]*\bNULL\b[^"]*"')""",
            (),
            "Tags",
        ),
    ]
    for column in ("AvailabilityZone", "RegionId", "RegionName", "ServiceName"):
        found.append(
            Check(
                "column-shift",
                column,
                f"{column} < ':' AND TRY_CAST({column} AS DECIMAL(38,15)) IS NOT NULL",
                (),
                column,
            )
        )  # no number begins after the digits
    for column, values in VALUES.items():
        listed = ", ".join(literal(v) for v in values)
        lowered = ", ".join(literal(v.lower()) for v in values)
        found.append(
            Check(
                "value-case",
                column,
                f"{column} NOT IN ({listed}) AND lower({column}) IN ({lowered})",
                (),
                column,
            )
        )
        found.append(
            Check(
                "value-unknown",
                column,
                f"{column} NOT IN ({listed}) AND lower({column}) NOT IN ({lowered})",
                (),
                column,
            )
        )
    for name, column in focus_columns().items():
        if column.never_null:
            found.append(
                Check(
                    "row-quarantined" if name in ESSENTIAL else "null-forbidden",
                    name,
                    f"{name} IS NULL",
                )
            )
    return found


def find(engine: DuckDB, source: Source, types: dict[str, str]) -> list[Problem]:
    """All problems of the staged file, unsorted; rows are counted, the first is the place."""
    present = set(source.names.values())
    name = source.path.name
    problems = _columns(source, types) + _words(engine, source)
    rounded = _by_provider(engine, source, problems)
    usual = [c for c in _checks() if {c.column, *c.needs} <= present]
    usual += [
        Check("timestamp-form", c, f"NOT regexp_full_match(text_{c}, '{_ISO}')", (), f"text_{c}")
        for c in sorted(present)
        if c in focus_columns()
        and focus_columns()[c].type == "Date/Time"
        and types[_spelt(source, c)] == "VARCHAR"
    ]
    if {"EffectiveCost", "ChargeCategory"} <= present:
        among = (
            f" AND coalesce({_provider(source)}, '') NOT IN ({', '.join(literal(p) for p in rounded)})"
            if rounded
            else ""
        )
        usual.append(
            Check(
                "effective-zero",
                "EffectiveCost",
                f"EffectiveCost = 0 AND BilledCost > 0 AND ChargeCategory <> 'Purchase'{among}",
                (),
                "CAST(BilledCost AS VARCHAR)",
            )
        )
    firsts = _over_all(engine, "min(row_no)", usual)
    shown = [(check, row) for check, row in zip(usual, firsts) if row is not None]
    counts, values = (
        _over_all(engine, "count(*)", [check for check, _ in shown]),
        _first_values(engine, shown),
    )
    return problems + [
        Problem(
            check.code,
            Place(name, row, check.column),
            {"column": check.column, "value": _clip(value)},
            rows=count,
        )
        for (check, row), count, value in zip(shown, counts, values)
    ]


def _over_all(engine: DuckDB, measure: str, asked: list[Check]) -> list[Any]:
    """A measure of the rows that show each check. Few checks find any, so rows are counted only for those that do."""
    if not asked:
        return []
    return list(
        engine.connection.execute(
            f"SELECT {', '.join(f'{measure} FILTER ({c.where})' for c in asked)} FROM staged"
        ).fetchone()
        or ()
    )


def _first_values(engine: DuckDB, shown: list[tuple[Check, int]]) -> list[Any]:
    """What stands in the first row of each check: read for those rows only, since showing a value as text costs more than checking it."""
    if not shown:
        return []
    rows = ", ".join(str(row) for row in sorted({row for _, row in shown}))
    found = engine.connection.execute(
        f"SELECT row_no, {', '.join(check.value for check, _ in shown)} FROM staged WHERE row_no IN ({rows})"
    ).fetchall()
    by_row = {row[0]: row[1:] for row in found}
    return [by_row[row][number] for number, (_, row) in enumerate(shown)]


def _columns(source: Source, types: dict[str, str]) -> list[Problem]:
    """What the header says: unknown columns, other spellings, missing ones, floats."""
    name, present, known = source.path.name, set(source.names.values()), focus_columns()
    found = []
    for spelt, column in source.names.items():
        if column not in known and not column.startswith("x_"):
            found.append(Problem("column-unknown", Place(name, 1, column), {"column": column}))
        elif spelt != column:
            found.append(
                Problem(
                    "column-spelling", Place(name, 1, column), {"column": column, "value": spelt}
                )
            )
        if column in COSTS and types[spelt] in ("DOUBLE", "FLOAT"):
            found.append(Problem("cost-is-float", Place(name, 1, column), {"column": column}))
    missing = [
        c.name
        for c in known.values()
        if c.mandatory and c.since == "1.0" and c.until == "1.4" and c.name not in present
    ]
    found += [
        Problem("column-missing", Place(name, 1, column), {"column": column}) for column in missing
    ]
    absent = [c for c in ("InvoiceId", ORDER) if c not in present]
    if absent:
        found.append(Problem("coverage", Place(name, 1), {"columns": ", ".join(absent)}))
    return found


def _words(engine: DuckDB, source: Source) -> list[Problem]:
    """Cells that hold the bare word NULL, the decimals that numbers carry, and a file's last line."""
    found = []
    if source.format == "csv":
        asked = ", ".join(f"count(*) FILTER ({quoted(c)} = 'NULL')" for c in source.header)
        whole = " OR ".join(f"{quoted(c)} = 'NULL'" for c in source.header)
        rows, first, *counts = engine.connection.execute(
            f"SELECT count(*) FILTER ({whole}), min(file_row_number) FILTER ({whole}), {asked} FROM raw"
        ).fetchone() or (0, 0)
        if rows:
            columns = ", ".join(source.names[c] for c, n in zip(source.header, counts) if n)
            found.append(
                Problem(
                    "null-word",
                    Place(source.path.name, first + 2),
                    {"columns": columns, "cells": sum(counts)},
                    rows=rows,
                )
            )
        if source.compression == "none":
            with source.path.open("rb") as file:
                file.seek(-1, 2)
                if file.read(1) not in (b"\n", b"\r"):
                    found.append(Problem("no-final-newline", Place(source.path.name)))
    scales = {
        c: int(t[:-1].split(",")[1])
        for c, t in engine.columns("staged").items()
        if t.startswith("DECIMAL")
    }
    fine = sorted(c for c, scale in scales.items() if scale > 6)
    if fine:
        found.append(
            Problem(
                "many-decimals",
                Place(source.path.name, 1),
                {"columns": ", ".join(fine), "most": max(scales[c] for c in fine)},
            )
        )
    return found


def _by_provider(engine: DuckDB, source: Source, problems: list[Problem]) -> list[str]:
    """Faults that show only over all rows of a provider: costs rounded to whole numbers, columns left empty. Returns who rounds."""
    present, provider, rounded = set(source.names.values()), _provider(source), set()
    costs = [c for c in ("EffectiveCost", "ContractedCost", "ListCost") if c in present]
    expected = [c for c in _USAGE_EXPECTS if c in present] if "ChargeCategory" in present else []
    usage = "ChargeCategory IN ('Usage', 'Adjustment')" if expected else "false"
    asked = [f"count(*), min(row_no), count(*) FILTER ({usage}), min(row_no) FILTER ({usage})"]
    asked += [
        f"bool_and({c} = trunc({c})) AND bool_or({c} <> 0) AND bool_or(BilledCost <> trunc(BilledCost))"
        for c in costs
    ]
    asked += [f"count({quoted(c)}), count({quoted(c)}) FILTER ({usage})" for c in expected]
    found = engine.connection.execute(
        f"SELECT coalesce({provider}, '') AS who, {', '.join(asked)} FROM staged GROUP BY who ORDER BY who"
    ).fetchall()
    for who, count, row, used, first, *answers in found:
        for column, whole in zip(costs, answers):
            if whole:
                rounded |= {who} if column == "EffectiveCost" else set()
                problems.append(
                    Problem(
                        "cost-rounded",
                        Place(source.path.name, row, column),
                        {"column": column, "provider": who},
                        rows=count,
                    )
                )
        for number, column in enumerate(expected):
            at = len(costs) + 2 * number
            anywhere = sum(r[5 + at] for r in found)
            if anywhere and used and not answers[at + 1]:
                problems.append(
                    Problem(
                        "column-empty",
                        Place(source.path.name, first, column),
                        {"column": column, "provider": who},
                        rows=used,
                    )
                )
    return sorted(rounded)


def _provider(source: Source) -> str:
    present = set(source.names.values())
    return next(
        (c for c in ("ProviderName", "ServiceProviderName") if c in present), "InvoiceIssuerName"
    )


def _spelt(source: Source, column: str) -> str:
    return next(spelt for spelt, name in source.names.items() if name == column)


def _clip(value: Any) -> str:
    text = str(value)
    return text if len(text) <= 60 else text[:57] + "..."
