"""The cases inside a plan, run through the engine.

A case is a small book and a few charges, with the outcome that the plan promises for them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from functools import cached_property, lru_cache, reduce
from typing import Any
from zoneinfo import ZoneInfo

import pyarrow as pa

from fenrun.base.money import parse_amount, show
from fenrun.base.problem import ERROR, Place, Problem, Refused, in_order, refused
from fenrun.base.table import from_rows, natural_type
from fenrun.base.when import LONG_AGO, OPEN_END, Period, parse_day, parse_period, parse_periods
from fenrun.base.words import Message, Unreadable
from fenrun.book import checks as book_checks
from fenrun.book.as_of import sources_from
from fenrun.book.read import Book, book_from
from fenrun.book.rows import Link
from fenrun.charges.rows import empty_schema, focus_columns
from fenrun.earn import checks as earn_checks
from fenrun.engine.codes import day_number, month_number
from fenrun.events.consents import as_labels
from fenrun.events.read import LAYOUT as EVENTS
from fenrun.events.receipts import payment_problems
from fenrun.payout import checks as payout_checks
from fenrun.payout.paying import EXCHANGED
from fenrun.plan.phrases import read_currency
from fenrun.plan.read import PlanFile
from fenrun.plan.rows import Plan
from fenrun.plan.text import CaseExpect, CaseText
from fenrun.plan.vocabulary import BASES
from fenrun.settle.facts import figures_derived, with_terms
from fenrun.settle.pipeline import settle_in_memory, spend_in_memory
from fenrun.settle.settling import Settlement
from fenrun.settle.used_up import cuts_in_memory
from fenrun.tables.kept import Sources
from fenrun.tables.layout import Layout
from fenrun.tables.records import rows_from
from fenrun.terms.as_of import terms_of
from fenrun.terms.derived_figures import uncounted
from fenrun.terms.read import LAYOUT as TERMS
from fenrun.terms.used_up import Cuts

ISSUER = "case"
"""InvoiceIssuerName of a case's charges."""
_KNOWN = datetime(2000, 1, 1)
"""When the book of a case became known: before anything is asked."""
_TIMES = ("ChargePeriodStart", "BillingPeriodStart")
_SET = (
    *_TIMES,
    "ChargePeriodEnd",
    "BillingPeriodEnd",
    "BillingCurrency",
    "InvoiceIssuerName",
    "BillingAccountId",
    *BASES.values(),
)
"""The columns that are set here, so that a case may not."""
_SHORT = ("customer", "account", "day", "days", "month", "months", "currency", *BASES)
"""The words of a case for those columns."""
_BRACES = re.compile(r"\{(\d+)\.\.(\d+)\}")
_MOST_ROWS = 100_000
_FIRST_ROW = 2
"""The number of the first charge, as in a file with a header."""
_PLAIN_KEYS = ("earned", "credited", "paid", "balance", "carried")
_BY_FORM = ("forms", "funds", "granted", "exchanged")
"""The keys of an expectation that give an amount for each form of payment, or currency."""


@dataclass(frozen=True)
class Outcome:
    """The outcome of a case's expectation."""

    case: str
    expect: CaseExpect
    found: dict[str, Decimal]
    """The amounts that came out, by the case's keys; of a form of payment under `forms.NAME`,
    `funds.NAME` or `granted.NAME`, of another currency under `exchanged.NAME`."""
    line: int

    @property
    def wanted(self) -> dict[str, Decimal]:
        """The amounts that the case promises, under the same keys."""
        return _promised(self.expect)

    @property
    def ok(self) -> bool:
        """True if all is as promised."""
        return self.found == self.wanted


def _promised(expect: CaseExpect) -> dict[str, Decimal]:
    given = {key: getattr(expect, key) for key in _PLAIN_KEYS}
    by_form = {
        f"{key}.{form}": amount for key in _BY_FORM for form, amount in getattr(expect, key).items()
    }
    return {key: amount for key, amount in given.items() if amount is not None} | by_form


def run_cases(file: PlanFile) -> tuple[list[Outcome], list[Problem]]:
    """Run every case of a plan.

    Return the outcomes, and a problem for each that is not as promised or cannot be read; also
    every error that settling the case would show, such as two claims to one customer.
    """
    outcomes: list[Outcome] = []
    problems: list[Problem] = []
    done: list[Settlement] = []
    for number, case in enumerate(file.text.cases):
        one = _Case(file, case, number, done)
        try:
            found = list(one.outcomes())
        except Refused as refusal:
            problems += refusal.problems
            continue
        outcomes += found
        problems += one.problems()
        problems += [_failed(file, outcome) for outcome in found if not outcome.ok]
        done += one.runs.values()
    return outcomes, problems


def refuse_failing_cases(file: PlanFile) -> None:
    """Raise Refused where a case of the plan does not come out as the plan says."""
    _, problems = run_cases(file)
    if problems:
        count = sum(problem.severity == ERROR for problem in problems)
        raise Refused([Problem("plan-cases-fail", Place(file.source), {"count": count}), *problems])


def unreadable_cases(file: PlanFile) -> list[Problem]:
    """Return why cases of a plan cannot be run; none is run."""
    problems: list[Problem] = []
    for number, case in enumerate(file.text.cases):
        try:
            _Case(file, case, number).read()
        except Refused as refusal:
            problems += refusal.problems
    return problems


def _failed(file: PlanFile, outcome: Outcome) -> Problem:
    found, wanted = outcome.found, outcome.wanted
    differing = [key for key in wanted if found[key] != wanted[key]]
    values = {
        "case": outcome.case,
        "payee": outcome.expect.payee,
        "component": outcome.expect.component or "*",
        "period": outcome.expect.period,
        "got": said_amounts({key: found[key] for key in differing}),
        "wanted": said_amounts({key: wanted[key] for key in differing}),
    }
    return Problem("case-failed", Place(file.source, outcome.line, outcome.case), values)


def said_amounts(amounts: dict[str, Decimal]) -> Message:
    """Return what came out, as a sentence: `10.00 earned, 7.00 as rebate`."""
    said = [_said_amount(key, amount) for key, amount in amounts.items()]
    return reduce(lambda one, more: Message("outcome-joint", {"one": one, "more": more}), said)


def _said_amount(key: str, amount: Decimal) -> Message:
    kind, _, form = key.partition(".")
    if form:
        return Message(f"outcome-{kind}", {"amount": show(amount), "form": form})
    return Message(f"outcome-{key}", {"amount": show(amount)})


@dataclass
class _Case:
    """A case of a plan, with the runs that its expectations have asked for."""

    file: PlanFile
    case: CaseText
    number: int
    done: list[Settlement] = field(default_factory=list)
    """Settlements of cases before, which nobody reads any more."""
    runs: dict[tuple[str, date], Settlement] = field(default_factory=dict)

    @property
    def line(self) -> int:
        """The line where the case begins."""
        return self.file.lines["cases", self.number]

    @cached_property
    def facts(self) -> tuple[Book, list[dict[str, Any]]]:
        """The book and the charges. Raises Refused where they cannot be read."""
        return facts_of_case(self.file, self.case, self.line)

    @cached_property
    def book(self) -> Sources:
        """The book as a source. Raises Refused where it cannot be read."""
        return sources_from(self.facts[0], self.file.source, _KNOWN)

    @cached_property
    def terms(self) -> Sources:
        """The terms. Raises Refused where they cannot be read."""
        return terms_of_case(self.file, self.case, self.line)

    @cached_property
    def events(self) -> Sources:
        """The events and payments. Raises Refused where they cannot be read."""
        return events_of_case(self.file, self.case, self.line)

    def outcomes(self) -> Iterator[Outcome]:
        """Yield the outcome of each expectation. Raises Refused."""
        for expect, line in self._expected():
            found = self._found(expect, self._period(expect, line))
            yield Outcome(self.case.case, expect, found, line)

    def read(self) -> None:
        """Read the facts and the expectations. Raises Refused."""
        _ = (self.facts, self.terms, self.events)
        for expect, line in self._expected():
            self._period(expect, line)

    def problems(self) -> list[Problem]:
        """Return the errors that the runs so far show, each once, at the line of the case."""
        found: dict[str, Problem] = {}
        for run in self.runs.values():
            shown = book_checks.find(run.runner, run.codes, run.crediting.shares)
            shown += [problem for problem in run.problems if problem.code == "rate-missing"]
            shown += earn_checks.find(run.runner, run.earning)
            for problem in [*shown, *payout_checks.find(run.runner, run.paying)]:
                if problem.severity == ERROR:
                    place = Place(self.file.source, self.line, self.case.case)
                    found.setdefault(problem.words("what"), replace(problem, place=place, also=()))
        plans = [self.file.plan]
        paid = (p for p in payment_problems(plans, self.events) if p.severity == ERROR)
        for problem in [*uncounted(plans, terms_of(self.terms), self.book), *paid]:
            found.setdefault(problem.words("what"), problem)
        return in_order(found.values())

    def _expected(self) -> Iterator[tuple[CaseExpect, int]]:
        """Yield the expectations, each with its line."""
        for index, expect in enumerate(self.case.expect):
            path = ("cases", self.number, "expect", index)
            yield expect, self.file.lines.get(path, self.line)

    def _period(self, expect: CaseExpect, line: int) -> Period:
        """Return the period of an expectation. Raises Refused where that cannot be settled."""
        try:
            period = parse_period(expect.period)
        except Unreadable as error:
            place = Place(self.file.source, line, "period")
            raise refused("plan-value", place, **_why("period", error)) from error
        if not _promised(expect):
            place, known = Place(self.file.source, line, "expect"), ", ".join(_PLAIN_KEYS)
            detail = Message("case-expects-nothing")
            raise refused("plan-key", place, detail=detail, known=f"{known}, {', '.join(_BY_FORM)}")
        if expect.since and expect.earned is None:
            place, detail = Place(self.file.source, line, "since"), Message("case-since-earned")
            raise refused("plan-key", place, detail=detail, known="earned")
        return period

    def _found(self, expect: CaseExpect, period: Period) -> dict[str, Decimal]:
        found = _asked(self._run(period, expect.known or OPEN_END), expect, period)
        if expect.since:
            before = _asked(self._run(period, expect.since), expect, period)
            found["earned"] -= before["earned"]
        return found

    def _run(self, period: Period, known: date) -> Settlement:
        """Settle the whole years of a period, once."""
        years = parse_period(f"{period.span.start.year}-01/{period.last_day.year}-12")
        key = (years.key, known)
        if key not in self.runs:
            (_, charges), terms, events, sources = self.facts, self.terms, self.events, self.book
            more = [*as_labels([self.file.plan], events)]
            with_labels = [*sources, *more]

            def used_up(plan: Plan) -> Cuts:
                return cuts_in_memory(charges, sources, plan, terms_of(terms))

            plans = with_terms([self.file.plan], terms, events, used_up)

            def of_charges(plan: Plan, months: Period) -> dict[str, Decimal]:
                return spend_in_memory(with_labels, charges, plan, months)

            whole = [*with_labels, *figures_derived(plans, terms, events, years, of_charges)]
            done = self.done.pop() if self.done else None
            self.runs[key] = settle_in_memory(plans, whole, charges, years, known, done=done)
        return self.runs[key]


def _why(key: str, error: Unreadable) -> dict[str, Any]:
    return {"key": key, "detail": error.message}


_EARNED = """
    SELECT coalesce(sum(earned), 0) FROM earnings
    WHERE payee = ? AND (? = 0 OR component = ?) AND period_from >= ? AND period_to <= ?"""
_CREDITED = """
    SELECT coalesce(sum(amount), 0) FROM credited
    WHERE payee = ? AND month >= ? AND month <= ?"""
_PAID = """
    SELECT coalesce(sum(paid), 0) FROM payments
    WHERE payee = ? AND month >= ? AND month <= ?"""
_OF_FORM = {
    "forms": _PAID,
    "funds": """
    SELECT coalesce(sum(balance), 0) FROM funds
    WHERE payee = ? AND month >= ? AND month <= ?""",
    "granted": """
    SELECT coalesce(sum(granted), 0) FROM funds
    WHERE payee = ? AND month >= ? AND month <= ?""",
}
_EXCHANGED = """
    SELECT coalesce(sum(paid), 0) FROM exchanges
    WHERE payee = ? AND month >= ? AND month <= ? AND currency = ?"""
_LAST = """
    SELECT coalesce(sum({what}), 0) FROM payouts
    WHERE payee = ? AND month = (SELECT max(month) FROM payouts WHERE payee = ? AND month <= ?)"""


def _asked(run: Settlement, expect: CaseExpect, period: Period) -> dict[str, Decimal]:
    """Return what came out, under the keys that the case names."""
    return {key: _asked_for(key, run, expect, period) for key in _promised(expect)}


def _asked_for(key: str, run: Settlement, expect: CaseExpect, period: Period) -> Decimal:
    code, scales = run.codes.of, run.scales
    payee, component = code(expect.payee), code(expect.component or "")
    first, last = month_number(period.span.start), month_number(period.last_day)
    if key == "earned":
        days = [day_number(period.span.start), day_number(period.span.end)]
        return run.amount(_EARNED, [payee, component, component, *days], scales.money)
    if key == "credited":
        return run.amount(_CREDITED, [payee, first, last], scales.credit)
    if key == "paid":
        return run.amount(_PAID, [payee, first, last], scales.money)
    kind, _, form = key.partition(".")
    if kind == "exchanged":
        return run.amount(_EXCHANGED, [payee, first, last, code(form)], EXCHANGED)
    if form:
        values = [payee, last if kind == "funds" else first, last, code(form)]
        return run.amount(f"{_OF_FORM[kind]} AND form = ?", values, scales.money)
    return run.amount(_LAST.format(what=key), [payee, payee, last], scales.money)


def _spread(rows: list[dict[str, str]]) -> list[dict[str, str]]:
    """Return the rows with `{1..5}` in a value as five rows."""
    found = []
    for row in rows:
        ranges = [m for value in row.values() for m in _BRACES.finditer(str(value))]
        if not ranges:
            found.append(row)
            continue
        count = min(int(m[2]) - int(m[1]) for m in ranges) + 1
        numbered = {key for key, value in row.items() if _BRACES.search(str(value))}
        for number in range(min(count, _MOST_ROWS)):
            own = {key: _numbered(str(row[key]), number) for key in numbered}
            found.append({**row, **own})
    return found


def _numbered(value: str, number: int) -> str:
    """Return a value with the number of its row in place of `{1..5}`, counted from the first."""
    return _BRACES.sub(lambda found: str(int(found[1]) + number), value)


def facts_of_case(file: PlanFile, case: CaseText, line: int) -> tuple[Book, list[dict[str, Any]]]:
    """Return the book and the charges of a case. Raises Refused where they cannot be read."""
    tables = {
        name: [(line, row) for row in _spread(getattr(case.given, name))]
        for name in ("parties", "links", "labels", "figures", "rates")
    }
    book, problems = book_from(tables, file.source)
    charges: list[dict[str, Any]] = []
    for row in _spread(case.given.charges):
        try:
            charges += _charges(row, file)
        except Unreadable as error:
            place = Place(file.source, line, "charges")
            problems.append(Problem("plan-value", place, _why("charges", error)))
    if problems:
        raise Refused(problems)
    for row_no, charge in enumerate(charges, _FIRST_ROW):
        charge |= {"import_id": ISSUER, "row_no": row_no}
    book.links += _accounts(charges, case.given.links, line)
    return book, charges


def terms_of_case(file: PlanFile, case: CaseText, line: int) -> Sources:
    """Return the terms of a case. Raises Refused where they cannot be read."""
    given = case.given.terms
    for table in given.keys() - TERMS.columns.keys():
        detail = Message("book-table", {"text": table, "tables": ", ".join(TERMS.columns)})
        raise refused("plan-value", Place(file.source, line, "terms"), key="terms", detail=detail)
    return _sources(given, file, line, TERMS)


def events_of_case(file: PlanFile, case: CaseText, line: int) -> Sources:
    """Return the events of a case. Raises Refused where they cannot be read."""
    rows = {"events": case.given.events, "payments": case.given.payments}
    return _sources(rows, file, line, EVENTS)


def _sources(
    given: Mapping[str, list[dict[str, str]]], file: PlanFile, line: int, layout: Layout
) -> Sources:
    rows = {table: [(line, row) for row in _spread(own)] for table, own in given.items()}
    found, problems = rows_from(rows, file.source, layout)
    if problems:
        raise Refused(problems)
    tables = {table: from_rows(layout.rows[table], own) for table, own in found.items()}
    return [(file.source, _KNOWN, tables)]


def _accounts(
    charges: list[dict[str, Any]], links: list[dict[str, str]], line: int
) -> Iterator[Link]:
    """Yield the links of customers to the accounts of their own ids, where the case has none."""
    linked = {row.get("subject") for row in _spread(links) if row.get("of") == "account"}
    for customer in sorted({charge["BillingAccountId"] for charge in charges} - linked - {""}):
        yield Link(
            link_id=f"{ISSUER} account {customer}",
            of_kind="account",
            issuer=ISSUER,
            subject=customer,
            role="customer",
            party=customer,
            share=Decimal(1),
            valid_from=LONG_AGO,
            valid_to=OPEN_END,
            row_no=line,
        )


def _charges(row: dict[str, str], file: PlanFile) -> Iterator[dict[str, Any]]:
    """Yield a charge for each month or day named. Raises Unreadable.

    Costs that are left out are as the billed cost, or else as the first that is given.
    """
    costs = {column: parse_amount(row[word]) for word, column in BASES.items() if word in row}
    days, lasts = _days(row), _days_long(row)
    extra = {column: value for column, value in row.items() if column not in _SHORT}
    for column in extra:
        if column in _SET or not (column in focus_columns() or column.startswith("x_")):
            raise Unreadable("case-no-column", column=column)
    if not costs or "customer" not in row:
        raise Unreadable("case-no-cost")
    currency = read_currency(row.get("currency", file.text.currency))
    default = costs.get("BilledCost", next(iter(costs.values())))
    for day, month in days:
        yield {
            "InvoiceIssuerName": ISSUER,
            "BillingAccountId": row.get("account", row["customer"]),
            "BillingCurrency": currency,
            **_period_of_charge(day, lasts, file.text.timezone),
            "BillingPeriodStart": datetime.combine(month, time()),
            **{column: costs.get(column, default) for column in BASES.values()},
            **extra,
        }


@lru_cache
def _noon(day: date, zone: str) -> datetime:
    """Return noon of the day in the plan's time zone, as UTC."""
    return datetime.combine(day, time(12), ZoneInfo(zone)).astimezone(UTC).replace(tzinfo=None)


def _period_of_charge(day: date, days: int | None, zone: str) -> dict[str, datetime]:
    """Return the moments between which a charge is: its start, and its end where days are given."""
    start = _noon(day, zone)
    return {"ChargePeriodStart": start} | (
        {} if days is None else {"ChargePeriodEnd": start + timedelta(days=days)}
    )


def _days_long(row: dict[str, str]) -> int | None:
    """Return for how many days a charge is, where it says so. Raises Unreadable."""
    if "days" not in row:
        return None
    if not row["days"].isascii() or not row["days"].isdigit() or not 0 < int(row["days"]) < 10_000:
        raise Unreadable("not-a-count", text=row["days"])
    return int(row["days"])


def _days(row: dict[str, str]) -> Sequence[tuple[date, date]]:
    """Return each day of charge with the first day of the month it is billed in."""
    months = row.get("months", row.get("month"))
    if "day" not in row and months is None:
        raise Unreadable("case-no-day")
    return _days_in(row.get("day"), row.get("month"), months or "")


@lru_cache
def _days_in(said: str | None, billed: str | None, months: str) -> Sequence[tuple[date, date]]:
    """Return the same of a day and its month, or of months. The rows of a case are much alike."""
    if said is not None:
        day = parse_day(said)
        return [
            (day, parse_period(billed).span.start if billed is not None else day.replace(day=1))
        ]
    starts = [period.span.start for period in parse_periods(months)]
    return [(start, start) for start in starts]


def charge_table(charges: list[dict[str, Any]]) -> pa.Table:
    """Return charges as the store holds them, from mappings of FOCUS columns.

    Costs are decimals, the two dates UTC times, all else text.
    """
    if not charges:
        return empty_schema().empty_table()
    columns: dict[str, Any] = {
        "import_id": pa.array([ISSUER] * len(charges)),
        "row_no": pa.array(range(_FIRST_ROW, len(charges) + _FIRST_ROW), pa.int64()),
    }
    names = {column for charge in charges for column in charge} | set(_TIMES)
    for name in sorted(names - columns.keys()):
        values = [charge.get(name) for charge in charges]
        columns[name] = pa.array(values, _type_of(name, values))
    return pa.table(columns)


def _type_of(column: str, values: list[Any]) -> pa.DataType:
    if column in BASES.values():
        return natural_type(values, 2, narrow=True)
    is_time = column in (*_TIMES, "ChargePeriodEnd")
    return pa.timestamp("us") if is_time else pa.string()
