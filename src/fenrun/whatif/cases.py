"""The cases inside a plan, run through the engine: small books and charges with the outcome that the plan promises."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pyarrow as pa

from fenrun.base.money import natural_type, parse_amount, plain
from fenrun.base.problem import Place, Problem, Refused
from fenrun.base.when import AsOf, Period, parse_day, parse_period, parse_periods
from fenrun.book.as_of import load_book, sources_from
from fenrun.book.read import book_from
from fenrun.charges.rows import empty_schema, focus_columns
from fenrun.engine.choose import new_engine
from fenrun.plan.read import PlanFile
from fenrun.plan.vocabulary import BASES
from fenrun.plan.text import CaseExpect, CaseText
from fenrun.settle.pipeline import settle
from fenrun.statement.run import Run

ISSUER = "case"
"""InvoiceIssuerName of a case's charges."""
_KNOWN = datetime(2000, 1, 1)
_ALL = date(9999, 12, 31)
_SET = (
    "ChargePeriodStart",
    "ChargePeriodEnd",
    "BillingPeriodStart",
    "BillingPeriodEnd",
    "BillingCurrency",
    "InvoiceIssuerName",
    "BillingAccountId",
    *BASES.values(),
)
_BRACES = re.compile(r"\{(\d+)\.\.(\d+)\}")
_OWN = ("customer", "account", "day", "month", "months", *BASES)


@dataclass(frozen=True)
class Outcome:
    """How a case came out."""

    case: str
    expect: CaseExpect
    found: dict[str, Decimal]
    """What came out, under the keys that the case names; a form of payment under `forms.NAME`."""
    line: int

    @property
    def wanted(self) -> dict[str, Decimal]:
        """What the case promises, under the same keys."""
        return _promised(self.expect)

    @property
    def ok(self) -> bool:
        return self.found == self.wanted


def _promised(expect: CaseExpect) -> dict[str, Decimal]:
    plain_keys = {
        k: v
        for k in ("earned", "credited", "paid", "balance", "carried")
        if (v := getattr(expect, k)) is not None
    }
    return plain_keys | {f"forms.{form}": amount for form, amount in expect.forms.items()}


def run_cases(file: PlanFile) -> tuple[list[Outcome], list[Problem]]:
    """Run every case of a plan. Returns the outcomes, and a problem for each that is not as promised or cannot be read."""
    outcomes: list[Outcome] = []
    problems: list[Problem] = []
    for number, case in enumerate(file.text.cases):
        try:
            found = list(_run(file, case, number))
        except Refused as refused:
            problems += refused.problems
            continue
        outcomes += found
        for o in (o for o in found if not o.ok):
            differ = [k for k in o.wanted if o.found[k] != o.wanted[k]]
            said = [
                ", ".join(f"{k} {plain(values[k])}" for k in differ)
                for values in (o.found, o.wanted)
            ]
            values = {
                "case": case.case,
                "payee": o.expect.payee,
                "component": o.expect.component or "",
                "period": o.expect.period,
                "got": said[0],
                "wanted": said[1],
            }
            problems.append(Problem("case-failed", Place(file.source, o.line, case.case), values))
    return outcomes, problems


def _run(file: PlanFile, case: CaseText, number: int) -> Iterator[Outcome]:
    runs: dict[tuple[str, date], Run] = {}

    def run(period: Period, known: date) -> Run:
        key = (period.key, known)
        if key not in runs:
            runs[key] = settle_case(file, case, period, file.lines[("cases", number)], known)
        return runs[key]

    for index, expect in enumerate(case.expect):
        line = file.lines.get(("cases", number, "expect", index), file.lines[("cases", number)])
        try:
            period = parse_period(expect.period)
        except ValueError as error:
            raise Refused(
                [
                    Problem(
                        "plan-value",
                        Place(file.source, line, "period"),
                        {"key": "period", "detail": str(error)},
                    )
                ]
            ) from error
        if not _promised(expect):
            raise Refused(
                [
                    Problem(
                        "plan-key",
                        Place(file.source, line, "expect"),
                        {
                            "detail": "an expectation names what must come out",
                            "known": "earned, credited, paid, balance, carried, forms",
                        },
                    )
                ]
            )
        whole = parse_period(f"{period.span.start.year}-01/{period.last_day.year}-12")
        found = _found(run(whole, expect.known or _ALL), expect, period)
        if expect.since:
            found["earned"] = found.get("earned", Decimal(0)) - _found(
                run(whole, expect.since), expect, period
            ).get("earned", Decimal(0))
        yield Outcome(case.case, expect, found, line)


_EARNED = "SELECT coalesce(sum(earned), 0) AS n FROM earnings WHERE payee = ? AND (? = '' OR component = ?) AND period_from >= ? AND period_to <= ?"
_CREDITED = "SELECT coalesce(sum(credited), 0) AS n FROM statements WHERE payee = ? AND month >= ? AND month < ?"
_PAID = (
    "SELECT coalesce(sum(paid), 0) AS n FROM payments WHERE payee = ? AND month >= ? AND month < ?"
)
_FORM = "SELECT coalesce(sum(paid), 0) AS n FROM payments WHERE payee = ? AND month >= ? AND month < ? AND form = ?"
_LAST = "SELECT coalesce(sum({what}), 0) AS n FROM payouts WHERE payee = ? AND month = (SELECT max(month) FROM payouts WHERE payee = ? AND month < ?)"


def _found(run: Run, expect: CaseExpect, period: Period) -> dict[str, Decimal]:
    """What came out, under the keys that the case names."""
    span, component = period.span, expect.component or ""

    def ask(sql: str, *values: Any) -> Decimal:
        return Decimal(run.engine.query(sql, [expect.payee, *values]).to_pylist()[0]["n"])

    found = {
        "earned": lambda: ask(_EARNED, component, component, span.start, span.end),
        "credited": lambda: ask(_CREDITED, span.start, span.end),
        "paid": lambda: ask(_PAID, span.start, span.end),
        "balance": lambda: ask(_LAST.format(what="balance"), expect.payee, span.end),
        "carried": lambda: ask(_LAST.format(what="carried"), expect.payee, span.end),
    }
    return {
        k: ask(_FORM, span.start, span.end, k.removeprefix("forms."))
        if k.startswith("forms.")
        else found[k]()
        for k in _promised(expect)
    }


def _spread(rows: list[dict[str, str]]) -> list[dict[str, str]]:
    """Rows with `{1..5}` in a value as five rows."""
    found = []
    for row in rows:
        ranges = [m for value in row.values() for m in _BRACES.finditer(str(value))]
        if not ranges:
            found.append(row)
            continue
        count = min(int(m[2]) - int(m[1]) for m in ranges) + 1
        for number in range(min(count, 100_000)):
            found.append({k: _numbered(str(v), number) for k, v in row.items()})
    return found


def _numbered(value: str, number: int) -> str:
    """The value with the number of a row put in for `{1..5}`, counted from its first."""
    return _BRACES.sub(lambda found: str(int(found[1]) + number), value)


def settle_case(
    file: PlanFile, case: CaseText, period: Period, line: int, known: date = _ALL
) -> Run:
    """Settle the facts of a case under its plan. Raises Refused where they cannot be read."""
    given = {
        name: _spread(getattr(case.given, name))
        for name in ("parties", "links", "labels", "figures", "charges")
    }
    book, problems = book_from(
        {name: [(line, row) for row in rows] for name, rows in given.items() if name != "charges"},
        file.source,
    )
    charges = [charge for row in given["charges"] for charge in _charges(row, file, line, problems)]
    if problems:
        raise Refused(problems)
    linked = {row.get("subject") for row in given["links"] if row.get("of") == "account"}
    customers = sorted({c["BillingAccountId"] for c in charges} - linked)
    accounts = [
        {"of": "account", "issuer": ISSUER, "subject": c, "role": "customer", "party": c}
        for c in customers
    ]
    book.links += book_from({"links": [(line, row) for row in accounts]}, file.source)[0].links
    engine = new_engine()
    load_book(engine, sources_from(book, file.source, _KNOWN))
    engine.load("charges", charge_table(charges))
    return settle(
        engine, [file.plan], period, AsOf(period.last_day, datetime.combine(known, time()))
    )


def _charges(
    row: dict[str, str], file: PlanFile, line: int, problems: list[Problem]
) -> Iterator[dict[str, Any]]:
    """One charge a month or day named; costs that are left out are as the others."""
    try:
        costs = {column: parse_amount(row[word]) for word, column in BASES.items() if word in row}
        days = _days(row)
        unknown = [
            k
            for k in row
            if k in _SET or (k not in _OWN and k not in focus_columns() and not k.startswith("x_"))
        ]
        if unknown or not costs or "customer" not in row:
            raise ValueError(
                f"{unknown[0]!r} is no column that a case sets; write day, month, billed and so on"
                if unknown
                else "a charge needs customer and billed"
            )
    except ValueError as error:
        problems.append(
            Problem(
                "plan-value",
                Place(file.source, line, "charges"),
                {"key": "charges", "detail": str(error)},
            )
        )
        return
    default = costs.get("BilledCost", next(iter(costs.values())))
    extra = {k: v for k, v in row.items() if k not in _OWN}
    for day, month in days:
        yield {
            "InvoiceIssuerName": ISSUER,
            "BillingAccountId": row.get("account", row["customer"]),
            "BillingCurrency": file.text.currency,
            "ChargePeriodStart": _noon(day, file.text.timezone),
            "BillingPeriodStart": datetime.combine(month, time()),
            **{column: costs.get(column, default) for column in BASES.values()},
            **extra,
        }


def _noon(day: date, zone: str) -> datetime:
    """Noon of the day in the plan's time zone, as UTC."""
    return datetime.combine(day, time(12), ZoneInfo(zone)).astimezone(UTC).replace(tzinfo=None)


def _days(row: dict[str, str]) -> list[tuple[date, date]]:
    """Each day of charge with the first day of the month it is billed in."""
    if "day" in row:
        day = parse_day(row["day"])
        return [
            (day, parse_period(row["month"]).span.start if "month" in row else day.replace(day=1))
        ]
    if "months" in row or "month" in row:
        return [
            (p.span.start, p.span.start)
            for p in parse_periods(row.get("months", row.get("month", "")))
        ]
    raise ValueError("a charge needs day, month or months")


def charge_table(charges: list[dict[str, Any]]) -> pa.Table:
    """Charges as the store holds them, from mappings of FOCUS columns: costs as decimals, the two dates as UTC times, all else text."""
    if not charges:
        return empty_schema().empty_table()
    times = ("ChargePeriodStart", "BillingPeriodStart")
    columns: dict[str, Any] = {
        "import_id": pa.array(["case"] * len(charges)),
        "row_no": pa.array(range(2, len(charges) + 2), pa.int64()),
    }
    for name in sorted({k for c in charges for k in c} | set(times)):
        values = [c.get(name) for c in charges]
        kind = (
            natural_type(values, 2, narrow=True)
            if name in BASES.values()
            else pa.timestamp("us")
            if name in times
            else pa.string()
        )
        columns[name] = pa.array(values, kind)
    return pa.table(columns)
