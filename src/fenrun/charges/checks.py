"""Checks of a FOCUS file: a code and a SQL condition over the staged rows for each fault.

Sources: the FOCUS specification 1.0-1.4 for what may be null and which values are allowed; the rest
from files in use.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

from fenrun.base.problem import Place, Problem
from fenrun.charges.rows import COSTS, ESSENTIAL, ORDER, VALUES, focus_columns, is_moment
from fenrun.charges.source import Source
from fenrun.engine.dialect import literals, quoted
from fenrun.engine.duckdb import DuckDB

QUARANTINE = " OR ".join(f"{column} IS NULL" for column in ESSENTIAL)
"""SQL: a row of which this holds cannot be credited or paid."""

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
"""Columns that a charge for usage fills."""
_ISO = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z"
_MANY_DECIMALS = 6
_LONGEST_EXAMPLE = 60


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


_FIXED = (
    Check(
        code="credit-charge",
        column="ChargeCategory",
        where="ChargeCategory = 'Credit'",
        needs=("BilledCost",),
        value="CAST(BilledCost AS VARCHAR)",
    ),
    Check(
        code="negative-usage",
        column="ChargeClass",
        where="ChargeCategory = 'Usage' AND BilledCost < 0 AND ChargeClass IS NULL",
        needs=("ChargeCategory", "BilledCost"),
        value="CAST(BilledCost AS VARCHAR)",
    ),
    Check(
        code="charge-outside-billing-period",
        column="ChargePeriodStart",
        where="ChargePeriodStart < BillingPeriodStart OR ChargePeriodStart >= BillingPeriodEnd",
        needs=("BillingPeriodStart", "BillingPeriodEnd"),
        value="CAST(ChargePeriodStart AS VARCHAR)",
    ),
    Check(
        code="region-name-external",
        column="RegionName",
        where="RegionName = 'External' AND RegionId IS NOT NULL",
        needs=("RegionId",),
        value="RegionId",
    ),
    Check(
        code="list-cost-differs",
        column="ListCost",
        where="abs(TRY_CAST(ListUnitPrice AS DOUBLE) * TRY_CAST(PricingQuantity AS DOUBLE)"
        " - CAST(ListCost AS DOUBLE)) > 0.000001",
        needs=("ListUnitPrice", "PricingQuantity"),
        value="CAST(ListCost AS VARCHAR)",
    ),
    Check(
        code="tag-key-space",
        column="Tags",
        where=r"""regexp_matches(Tags, '[{,]\s*"(\s[^"]*|[^"]*\s)"\s*:')""",
        value="Tags",
    ),
    Check(
        code="tag-value-null",
        column="Tags",
        where=r"""regexp_matches(Tags, ':\s*"[^"]*\bNULL\b[^"]*"')""",
        value="Tags",
    ),
)
"""The checks that are about one thing each; the others are made from the columns of FOCUS."""


def find(engine: DuckDB, source: Source, types: dict[str, str]) -> list[Problem]:
    """Return all problems of the staged file, unsorted.

    `types` are the engine's types of the columns of `raw`. A problem counts its rows; its place is
    the first of them.
    """
    empty_or_rounded, rounding = _by_provider(engine, source)
    checks = [check for check in _of_focus() if {check.column, *check.needs} <= source.columns]
    checks += _of_moments(source, types)
    checks += _of_effective_cost(source, rounding)
    return [
        *_of_header(source, types),
        *_of_words(engine, source),
        *_of_last_line(source),
        *_of_decimals(engine, source),
        *empty_or_rounded,
        *_of_rows(engine, source, checks),
    ]


def _of_focus() -> Iterator[Check]:
    """Yield the checks that every file gets, as far as it has their columns."""
    yield from _FIXED
    for column in ("AvailabilityZone", "RegionId", "RegionName", "ServiceName"):
        # no number begins after the digits
        is_number = f"{column} < ':' AND TRY_CAST({column} AS DECIMAL(38,15)) IS NOT NULL"
        yield Check("column-shift", column, is_number, value=column)
    for column, values in VALUES.items():
        is_other = f"{column} NOT IN ({literals(values)})"
        is_same = f"lower({column}) IN ({literals(value.lower() for value in values)})"
        yield Check("value-case", column, f"{is_other} AND {is_same}", value=column)
        yield Check("value-unknown", column, f"{is_other} AND NOT ({is_same})", value=column)
    for name, focus in focus_columns().items():
        if focus.never_null:
            code = "row-quarantined" if name in ESSENTIAL else "null-forbidden"
            yield Check(code, name, f"{name} IS NULL")


def _of_moments(source: Source, types: dict[str, str]) -> Iterator[Check]:
    """Yield a check for each date and time that the file holds as text."""
    for column in sorted(source.columns):
        if is_moment(column) and types[source.spelling(column)] == "VARCHAR":
            text = f"text_{column}"
            is_other = f"NOT regexp_full_match({text}, '{_ISO}')"
            yield Check("timestamp-form", column, is_other, value=text)


def _of_effective_cost(source: Source, rounding: list[str]) -> Iterator[Check]:
    """Yield the check for an effective cost of nothing, but for providers that round all costs."""
    if not {"EffectiveCost", "ChargeCategory"} <= source.columns:
        return
    where = "EffectiveCost = 0 AND BilledCost > 0 AND ChargeCategory <> 'Purchase'"
    if rounding:
        where += f" AND coalesce({_provider(source)}, '') NOT IN ({literals(rounding)})"
    yield Check("effective-zero", "EffectiveCost", where, value="CAST(BilledCost AS VARCHAR)")


def _of_rows(engine: DuckDB, source: Source, checks: list[Check]) -> list[Problem]:
    """Return a problem for each check that some row shows."""
    firsts = _over_all(engine, "min(row_no)", checks)
    shown = [(check, row) for check, row in zip(checks, firsts) if row is not None]
    counts = _over_all(engine, "count(*)", [check for check, _ in shown])
    examples = _examples(engine, shown)
    problems = []
    for (check, row), count, example in zip(shown, counts, examples):
        place = Place(source.path.name, row, check.column)
        values = {"column": check.column, "value": _clipped(example)}
        problems.append(Problem(check.code, place, values, rows=count))
    return problems


def _over_all(engine: DuckDB, measure: str, checks: list[Check]) -> list[Any]:
    """Return a measure of the rows that show each check.

    Few checks find any, so rows are counted only for those that do.
    """
    if not checks:
        return []
    measures = ", ".join(f"{measure} FILTER ({check.where})" for check in checks)
    (found,) = engine.connection.execute(f"SELECT {measures} FROM staged").fetchall()
    return list(found)


def _examples(engine: DuckDB, shown: list[tuple[Check, int]]) -> list[Any]:
    """Return what stands in the first row of each check.

    It is read for those rows only, since showing a value as text costs more than checking it.
    """
    if not shown:
        return []
    values = ", ".join(check.value for check, _ in shown)
    rows = ", ".join(str(row) for row in sorted({row for _, row in shown}))
    found = engine.connection.execute(
        f"SELECT row_no, {values} FROM staged WHERE row_no IN ({rows})"
    ).fetchall()
    by_row = {row: examples for row, *examples in found}
    return [by_row[row][number] for number, (_, row) in enumerate(shown)]


def _of_header(source: Source, types: dict[str, str]) -> Iterator[Problem]:
    """Yield what the header shows: unknown columns, other spellings, missing ones, floats."""
    known = focus_columns()

    def problem(code: str, column: str, **values: Any) -> Problem:
        return Problem(code, Place(source.path.name, 1, column), {"column": column, **values})

    for spelt, column in source.names.items():
        if column not in known and not column.startswith("x_"):
            yield problem("column-unknown", column)
        elif spelt != column:
            yield problem("column-spelling", column, value=spelt)
        if column in COSTS and types[spelt] in ("DOUBLE", "FLOAT"):
            yield problem("cost-is-float", column)
    for focus in known.values():
        in_every_version = focus.since == "1.0" and focus.until == "1.4"
        if focus.mandatory and in_every_version and focus.name not in source.columns:
            yield problem("column-missing", focus.name)
    absent = [column for column in ("InvoiceId", ORDER) if column not in source.columns]
    if absent:
        yield Problem("coverage", Place(source.path.name, 1), {"columns": ", ".join(absent)})


def _of_words(engine: DuckDB, source: Source) -> Iterator[Problem]:
    """Yield the cells of a CSV file that hold the bare word NULL, as one problem."""
    if source.format != "csv":
        return
    conditions = [f"{quoted(column)} = 'NULL'" for column in source.header]
    somewhere = " OR ".join(conditions)
    measures = [
        f"count(*) FILTER ({somewhere})",
        f"min(file_row_number) FILTER ({somewhere})",
        *(f"count(*) FILTER ({condition})" for condition in conditions),
    ]
    found = engine.connection.execute(f"SELECT {', '.join(measures)} FROM raw").fetchone()
    rows, first, *cells = found or (0, 0)
    if rows:
        columns = [source.names[c] for c, count in zip(source.header, cells) if count]
        values = {"columns": ", ".join(columns), "cells": sum(cells)}
        yield Problem("null-word", Place(source.path.name, first + 2), values, rows=rows)


def _of_last_line(source: Source) -> Iterator[Problem]:
    """Yield whether the last line of a plain CSV file has no end."""
    if source.format != "csv" or source.compression != "none":
        return
    with source.path.open("rb") as file:
        file.seek(-1, 2)
        if file.read(1) not in (b"\n", b"\r"):
            yield Problem("no-final-newline", Place(source.path.name))


def _of_decimals(engine: DuckDB, source: Source) -> Iterator[Problem]:
    """Yield the columns that carry many decimals, as one problem."""
    scales = {
        column: int(kind[:-1].split(",")[1])
        for column, kind in engine.columns("staged").items()
        if kind.startswith("DECIMAL")
    }
    fine = {column: scale for column, scale in scales.items() if scale > _MANY_DECIMALS}
    if fine:
        values = {"columns": ", ".join(sorted(fine)), "most": max(fine.values())}
        yield Problem("many-decimals", Place(source.path.name, 1), values)


class _OfProvider(NamedTuple):
    """The rows of one provider. `rounded` and `filled` have a value a column that was asked for."""

    name: str
    rows: int
    first: int
    """Its first row."""
    used: int
    """Rows of usage."""
    first_used: int | None
    rounded: list[bool | None]
    """Of a column of costs: whether it holds whole numbers only, where the bill does not."""
    filled: list[int]
    """Of a column that usage fills: how many rows fill it."""
    filled_used: list[int]
    """... and how many rows of usage."""


def _by_provider(engine: DuckDB, source: Source) -> tuple[list[Problem], list[str]]:
    """Return faults that show only over all rows of a provider, and who rounds its costs.

    The faults: costs rounded to whole numbers, and columns left empty that others fill.
    """
    costs = [c for c in COSTS if c in source.columns and c != "BilledCost"]
    expected = [c for c in _USAGE_EXPECTS if c in source.columns]
    if "ChargeCategory" not in source.columns:
        expected = []
    providers = _providers(engine, source, costs, expected)
    anywhere = [sum(provider.filled[n] for provider in providers) for n in range(len(expected))]
    problems = []
    for provider in providers:
        for column, rounded in zip(costs, provider.rounded):
            if rounded:
                place = Place(source.path.name, provider.first, column)
                values = {"column": column, "provider": provider.name}
                problems.append(Problem("cost-rounded", place, values, rows=provider.rows))
        for column, filled, others in zip(expected, provider.filled_used, anywhere):
            if others and provider.used and not filled:
                place = Place(source.path.name, provider.first_used or 0, column)
                values = {"column": column, "provider": provider.name}
                problems.append(Problem("column-empty", place, values, rows=provider.used))
    rounding = {
        problem.values["provider"]
        for problem in problems
        if problem.code == "cost-rounded" and problem.place.column == "EffectiveCost"
    }
    return problems, sorted(rounding)


def _providers(
    engine: DuckDB, source: Source, costs: list[str], expected: list[str]
) -> list[_OfProvider]:
    """Measure the rows of each provider in one pass, in the order of their names."""
    is_usage = "ChargeCategory IN ('Usage', 'Adjustment')" if expected else "false"
    is_rounded = "bool_and({0} = trunc({0})) AND bool_or({0} <> 0)"
    bill_is_not = "bool_or(BilledCost <> trunc(BilledCost))"
    measures = [
        f"coalesce({_provider(source)}, '') AS who",
        "count(*)",
        "min(row_no)",
        f"count(*) FILTER ({is_usage})",
        f"min(row_no) FILTER ({is_usage})",
        _list(f"{is_rounded.format(column)} AND {bill_is_not}" for column in costs),
        _list(f"count({quoted(column)})" for column in expected),
        _list(f"count({quoted(column)}) FILTER ({is_usage})" for column in expected),
    ]
    found = engine.connection.execute(
        f"SELECT {', '.join(measures)} FROM staged GROUP BY who ORDER BY who"
    )
    return [_OfProvider(*row) for row in found.fetchall()]


def _list(values: Iterator[str]) -> str:
    return f"[{', '.join(values)}]"


def _provider(source: Source) -> str:
    """Return the column that names the provider."""
    for column in ("ProviderName", "ServiceProviderName"):
        if column in source.columns:
            return column
    return "InvoiceIssuerName"


def _clipped(value: Any) -> str:
    text = str(value)
    return text if len(text) <= _LONGEST_EXAMPLE else text[: _LONGEST_EXAMPLE - 3] + "..."
