"""The cases inside a plan, run through the engine: small books and charges with the outcome that the plan promises."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, time
from decimal import Decimal
from typing import Any

import pyarrow as pa

from fenrun.base.money import natural_type, parse_amount, plain
from fenrun.base.problem import Place, Problem, Refused
from fenrun.base.when import AsOf, Period, parse_day, parse_period, parse_periods
from fenrun.book.as_known import put_book, sources_from
from fenrun.book.read import book_from
from fenrun.charges.rows import empty_schema, focus_columns
from fenrun.engine.duckdb import DuckDB
from fenrun.pipeline import settle
from fenrun.plan.read import PlanFile
from fenrun.plan.rows import BASES
from fenrun.plan.text import CaseExpect, CaseText
from fenrun.statement.run import Run

ISSUER = "case"
"""InvoiceIssuerName of a case's charges."""
_KNOWN = datetime(2000, 1, 1)
_OWN = ("customer", "account", "day", "month", "months", *BASES)


@dataclass(frozen=True)
class Outcome:
    """How a case came out."""

    case: str
    expect: CaseExpect
    earned: Decimal
    credited: Decimal | None
    line: int

    @property
    def ok(self) -> bool:
        return self.earned == self.expect.earned and (self.expect.credited is None or self.credited == self.expect.credited)


def run_cases(file: PlanFile) -> tuple[list[Outcome], list[Problem]]:
    """Run every case of a plan. Returns the outcomes, and a problem for each that is not as promised or cannot be read."""
    outcomes: list[Outcome] = []
    problems: list[Problem] = []
    for number, case in enumerate(file.text.cases):
        line = file.lines[("cases", number)]
        try:
            found = list(_run(file, case, number))
        except Refused as refused:
            problems += refused.problems
            continue
        outcomes += found
        for o in (o for o in found if not o.ok):
            got = plain(o.earned) if o.earned != o.expect.earned else f"credited {plain(o.credited or Decimal(0))}"
            wanted = plain(o.expect.earned) if o.earned != o.expect.earned else f"credited {plain(o.expect.credited or Decimal(0))}"
            values = {"case": case.case, "payee": o.expect.payee, "component": o.expect.component or "", "period": o.expect.period, "got": got, "wanted": wanted}
            problems.append(Problem("case-failed", Place(file.source, line, case.case), values))
    return outcomes, problems


def _run(file: PlanFile, case: CaseText, number: int) -> Iterator[Outcome]:
    runs: dict[str, Run] = {}
    for index, expect in enumerate(case.expect):
        line = file.lines.get(("cases", number, "expect", index), file.lines[("cases", number)])
        try:
            year = parse_period(expect.period).key[:4]
        except ValueError as error:
            raise Refused([Problem("plan-value", Place(file.source, line, "period"), {"key": "period", "detail": str(error)})]) from error
        if year not in runs:
            runs[year] = _settle(file, case, parse_period(year), line)
        yield _outcome(runs[year], case.case, expect, line)


def _outcome(run: Run, name: str, expect: CaseExpect, line: int) -> Outcome:
    span = parse_period(expect.period).span
    sql = "SELECT coalesce(sum(earned), 0) AS earned FROM earnings WHERE payee = ? AND (? = '' OR component = ?) AND period_from >= ? AND period_to <= ?"
    component = expect.component or ""
    earned = run.engine.query(sql, [expect.payee, component, component, span.start, span.end]).to_pylist()[0]["earned"]
    sql = "SELECT coalesce(sum(credited), 0) AS credited FROM statements WHERE payee = ? AND month >= ? AND month < ?"
    credited = run.engine.query(sql, [expect.payee, span.start, span.end]).to_pylist()[0]["credited"]
    return Outcome(name, expect, earned, credited, line)


def _settle(file: PlanFile, case: CaseText, period: Period, line: int) -> Run:
    book, problems = book_from({name: [(line, row) for row in getattr(case.given, name)] for name in ("parties", "links", "labels", "figures")}, file.source)
    charges = [charge for row in case.given.charges for charge in _charges(row, file, line, problems)]
    if problems:
        raise Refused(problems)
    customers = sorted({c["BillingAccountId"] for c in charges})
    accounts = [{"of": "account", "issuer": ISSUER, "subject": c, "role": "customer", "party": c} for c in customers if not _linked(case, c)]
    book.links += book_from({"links": [(line, row) for row in accounts]}, file.source)[0].links
    engine = DuckDB()
    put_book(engine, sources_from(book, file.source, _KNOWN))
    engine.put("charges", charge_table(charges))
    return settle(engine, [file.plan], period, AsOf(period.last_day, _KNOWN))


def _linked(case: CaseText, account: str) -> bool:
    return any(row.get("of") == "account" and row.get("subject") == account for row in case.given.links)


def _charges(row: dict[str, str], file: PlanFile, line: int, problems: list[Problem]) -> Iterator[dict[str, Any]]:
    """One charge a month or day named; costs that are left out are as the others."""
    try:
        costs = {column: parse_amount(row[word]) for word, column in BASES.items() if word in row}
        days = _days(row)
        unknown = [k for k in row if k not in _OWN and k not in focus_columns() and not k.startswith("x_")]
        if unknown or not costs or "customer" not in row:
            raise ValueError(f"{unknown[0]!r} is no column" if unknown else "a charge needs customer and billed")
    except ValueError as error:
        problems.append(Problem("plan-value", Place(file.source, line, "charges"), {"key": "charges", "detail": str(error)}))
        return
    default = costs.get("BilledCost", next(iter(costs.values())))
    extra = {k: v for k, v in row.items() if k not in _OWN}
    for day in days:
        noon = datetime.combine(day, time(12))
        yield {"InvoiceIssuerName": ISSUER, "BillingAccountId": row.get("account", row["customer"]), "BillingCurrency": file.text.currency,
               "ChargePeriodStart": noon, "BillingPeriodStart": datetime.combine(day.replace(day=1), time()),
               **{column: costs.get(column, default) for column in BASES.values()}, **extra}


def _days(row: dict[str, str]) -> list[date]:
    if "day" in row:
        return [parse_day(row["day"])]
    if "months" in row or "month" in row:
        return [p.span.start for p in parse_periods(row.get("months", row.get("month", "")))]
    raise ValueError("a charge needs day, month or months")


def charge_table(charges: list[dict[str, Any]]) -> pa.Table:
    """Charges as the store holds them, from mappings of FOCUS columns: costs as decimals, the two dates as UTC times, all else text."""
    if not charges:
        return empty_schema().empty_table()
    times = ("ChargePeriodStart", "BillingPeriodStart")
    columns: dict[str, Any] = {"import_id": pa.array(["case"] * len(charges)), "row_no": pa.array(range(2, len(charges) + 2), pa.int64())}
    for name in sorted({k for c in charges for k in c} | set(times)):
        values = [c.get(name) for c in charges]
        kind = natural_type(values, 2, narrow=True) if name in BASES.values() else pa.timestamp("us") if name in times else pa.string()
        columns[name] = pa.array(values, kind)
    return pa.table(columns)
