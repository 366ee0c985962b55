"""Charges of a small settlement as codes: rows of FOCUS columns to `charges`.

Orders, resources and sub-accounts are told apart only where the
book names them.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any
from zoneinfo import ZoneInfo

from fenrun.base.money import decimals
from fenrun.base.when import add_months, parse_day
from fenrun.book.as_codes import subject_code
from fenrun.charges.rows import ORDER
from fenrun.credit.crediting import Crediting, bases_of, costs_of
from fenrun.credit.over_days import DECIMALS, days_between, divided_cost, divides
from fenrun.engine.codes import Codes, day_number, maybe_scaled, month_number, month_of
from fenrun.engine.dialect import AMOUNT, NUMBER
from fenrun.engine.runner import Runner
from fenrun.plan.conditions import DATED, Tree, dates_of, is_column
from fenrun.plan.rows import Plan
from fenrun.plan.vocabulary import BASES, EACH_DAY

Charge = Mapping[str, Any]
"""A charge: costs as Decimal, dates and times as datetime in UTC, all else text or None."""
_LEAST_STEP = Decimal("1e-15")


@dataclass
class Coded:
    """The charges of a settlement, as codes."""

    crediting: Crediting
    named: Set[tuple[str, int]]
    """What the book names of orders, resources and sub-accounts: kind and code."""
    scale: int
    """Decimals of the costs."""

    def load(self, runner: Runner, charges: Sequence[Charge]) -> None:
        """Load `charges`, one row a charge, or a day of it where it is divided over days."""
        inherited = self._inherited(charges)
        rows = [row for charge in charges for row in self._rows(charge, inherited)]
        amounts = self.crediting.amount_names()
        names = ["account", "sub_account", "order_id", "resource_id", "month", "day", "currency"]
        names += ["bought", *self.crediting.key_names(), *amounts]
        columns = dict.fromkeys(names, NUMBER) | dict.fromkeys(amounts, AMOUNT)
        runner.load("charges", columns, rows)

    def _rows(
        self, charge: Charge, inherited: Mapping[Any, tuple[int | None, int | None]]
    ) -> Iterator[Any]:
        crediting, codes = self.crediting, self.crediting.codes
        order = self._named(charge, "order", ORDER)
        resource = self._named(charge, "resource", "ResourceId")
        first, days = days_of_charge(crediting.plans[0], charge)
        if _is_loose_correction(charge):
            order, resource = inherited.get(_corrects(charge), (order, resource))
        named = (
            _code(codes, charge, "BillingAccountId"),
            self._named(charge, "sub-account", "SubAccountId"),
            order,
            resource,
            month_number((charge["BillingPeriodStart"] + timedelta(days=1)).date()),
        )
        bought = int(any((number_of(charge, name) or 0) > 0 for name in BASES.values()))
        units = [codes.of(text_of(charge, name) or "") for name in crediting.units]
        costs = [maybe_scaled(basis_of(charge, b), self.scale) for b in crediting.bases]
        by_day = [[None] * days if c is None else divided_cost(c, self.scale, days) for c in costs]
        for nth in range(days):
            day = first + timedelta(days=nth)
            yield (
                *(*named, day_number(day), codes.of(charge["BillingCurrency"]), bought),
                *(int(bool(self._is_met(node, charge, day))) for node in crediting.leaves.charge),
                *(*units, *(of_day[nth] for of_day in by_day)),
            )

    def _is_met(self, node: Tree, charge: Charge, day: date) -> bool | None:
        """Return whether a part of a condition on a charge holds; a missing date is no date."""
        if node[0] not in DATED:
            return is_met(node, charge, day)
        plan = self.crediting.plans[0]
        zone = ZoneInfo(plan.terms[0].timezone)

        def read(name: str) -> date | None:
            if name == "day":
                return day
            return _named_day(charge, name, zone) if is_column(name) else parse_day(name)

        one, other = (read(name) for name in dates_of(node))
        if one is None or other is None:
            return None
        if node[0] == "dated":
            return _is_so(one, node[2], other)
        count = int(node[2])
        end = other + timedelta(count) if node[3] == "day" else add_months(other, count)
        return other <= one < end

    def _named(self, charge: Charge, kind: str, column: str) -> int | None:
        """Return the code of what the book names in a column, or None."""
        if charge.get(column) is None:
            return None
        code = _code(self.crediting.codes, charge, column)
        return code if (kind, code) in self.named else None

    def _inherited(self, charges: Sequence[Charge]) -> dict[Any, tuple[int | None, int | None]]:
        """Return the order and resource of what corrections correct that name neither.

        Those of the charges of the same account, price and start, where these all name the same.
        """
        found: dict[Any, set[tuple[int | None, int | None]]] = defaultdict(set)
        wanted = {_corrects(charge) for charge in charges if _is_loose_correction(charge)}
        for charge in charges if wanted else ():
            key = _corrects(charge)
            if charge.get("ChargeClass") != "Correction" and key in wanted:
                order = self._named(charge, "order", ORDER)
                found[key].add((order, self._named(charge, "resource", "ResourceId")))
        return {key: one for key, (one, *more) in found.items() if not more and key[2] is not None}


def _code(codes: Codes, charge: Charge, column: str) -> int:
    return subject_code(codes, charge["InvoiceIssuerName"], str(charge[column]))


def _is_loose_correction(charge: Charge) -> bool:
    """Return whether a charge corrects others and names neither order nor resource."""
    named = charge.get(ORDER) is not None or charge.get("ResourceId") is not None
    return charge.get("ChargeClass") == "Correction" and not named


def _corrects(charge: Charge) -> tuple[Any, ...]:
    """Return what a correction and the charges that it corrects have in common."""
    account = (charge["InvoiceIssuerName"], charge["BillingAccountId"])
    return (*account, charge.get("SkuPriceId"), charge["ChargePeriodStart"])


def cost_scale(charges: Sequence[Charge], plans: Sequence[Plan]) -> int:
    """Return the decimals that the costs need, and their parts where plans divide them."""
    names = {name for basis in bases_of(plans) for name in costs_of(basis)}
    found = (number_of(charge, name) for charge in charges for name in names)
    least = DECIMALS if divides(plans) else 0
    return max((least, *(decimals(value) for value in found if value is not None)))


def basis_of(charge: Charge, basis: str) -> Decimal | None:
    """Return a charge's amount in a basis; of two costs the one nearer to zero."""
    values = [number_of(charge, name) for name in costs_of(basis)]
    if len(values) == 1:
        return values[0]
    one, other = values
    if one is None or other is None:
        return None
    return one if abs(one) <= abs(other) else other


def text_of(charge: Charge, name: str) -> str | None:
    """Return a column's value as text."""
    value = charge.get(name)
    return None if value is None else str(value)


def number_of(charge: Charge, name: str) -> Decimal | None:
    """Return a column's value as a number; None where it is none."""
    value = charge.get(name)
    if value is None or isinstance(value, Decimal):
        return value
    try:
        found = Decimal(str(value).strip())
    except InvalidOperation:
        return None
    if not found.is_finite():
        return None
    return found.quantize(_LEAST_STEP) if decimals(found) > 15 else found


def is_met(tree: Tree, charge: Charge, day: date | None = None) -> bool | None:
    """Return whether a condition on a charge holds; a missing number compares to nothing.

    `day` is the charge's, which what the terms say asks for.
    """
    kind, *parts = tree
    if kind in ("all", "any"):
        found = [bool(is_met(part, charge, day)) for part in parts[0]]
        return all(found) if kind == "all" else any(found)
    if kind == "not":
        return not is_met(parts[0], charge, day)
    if kind == "charge":
        return is_met(parts[0], charge, day)
    if kind == "dated":
        return day is not None and _is_so(day, parts[1], date.fromisoformat(parts[2]))
    if kind == "until":
        is_before = day is not None and day < date.fromisoformat(parts[0])
        return is_before or [charge.get("import_id"), charge.get("row_no")] in parts[1]
    if kind in ("compare", "below"):
        return _compares(kind, parts, charge)
    value = text_of(charge, parts[0])
    if kind in ("same", "differ"):
        other = text_of(charge, parts[1])
        return None not in (value, other) and (value == other) == (kind == "same")
    if kind == "missing":
        return value is None
    if value is None:
        return False
    return value in parts[1] if kind == "in" else value.startswith(parts[1])


def _compares(kind: str, parts: list[str], charge: Charge) -> bool | None:
    if kind == "compare":
        value = number_of(charge, parts[0])
        return None if value is None else _is_so(value, parts[1], Decimal(parts[2]))
    one, whole = (number_of(charge, BASES.get(parts[n], parts[n])) for n in (0, 2))
    return None if one is None or whole is None else abs(one) < abs(whole) * Decimal(parts[1])


def _is_so(one: Any, operator: str, other: Any) -> bool:
    """Return whether two days or numbers compare as an operator says."""
    return bool(
        {"<": one < other, "<=": one <= other, ">": one > other, ">=": one >= other}[operator]
    )


def day_of_charge(plan: Plan, charge: Charge) -> date:
    """Return the day of a charge that says who is credited, in the plan's time zone.

    Of one that is divided over days, the first.
    """
    return days_of_charge(plan, charge)[0]


def days_of_charge(plan: Plan, charge: Charge) -> tuple[date, int]:
    """Return the first of the days that say who is credited, and how many they are."""
    terms = plan.terms[0]
    zone = ZoneInfo(terms.timezone)
    usual = _local(charge["ChargePeriodStart"], zone)
    for tree, name in json.loads(terms.as_of):
        if tree is None or is_met(tree, charge):
            if name in EACH_DAY:
                return _days_of(charge, EACH_DAY[name], usual)
            return _named_day(charge, name, zone) or usual, 1
    return usual, 1


def _days_of(charge: Charge, period: str, start: date) -> tuple[date, int]:
    """Return the first day of a period of a charge that begins on a day, and how many it has."""
    if period == "BillingPeriod":
        billed = month_number((charge["BillingPeriodStart"] + timedelta(days=1)).date())
        return month_of(billed), (month_of(billed + 1) - month_of(billed)).days
    return start, days_between(charge["ChargePeriodStart"], charge.get("ChargePeriodEnd"))


def _named_day(charge: Charge, name: str, zone: ZoneInfo) -> date | None:
    value: Any = charge.get(name)
    if value is None:
        return None
    if name == "BillingPeriodStart":
        return month_of(month_number((value + timedelta(days=1)).date()))
    if name == "ChargePeriodEnd":
        return _local(value - timedelta(seconds=1), zone)
    if name.startswith("x_"):
        try:
            return date.fromisoformat(str(value)[:10])
        except ValueError:
            return None
    return None


def _local(moment: datetime, zone: ZoneInfo) -> date:
    return moment.replace(tzinfo=UTC).astimezone(zone).date()


def billed_between(charges: Sequence[Charge], start: date, end: date) -> Iterator[Charge]:
    """Yield the charges billed in months from `start` up to, not including, `end`."""
    for charge in charges:
        if start <= (charge["BillingPeriodStart"] + timedelta(days=1)).date() < end:
            yield charge
