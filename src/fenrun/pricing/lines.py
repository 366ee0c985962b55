"""Price lines: what a customer pays for a sku in a month, in every kind of cost."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from datetime import date, datetime
from decimal import ROUND_FLOOR, ROUND_HALF_UP, Context, Decimal
from typing import Any

from fenrun.base.money import minor_units
from fenrun.base.problem import Place, Problem, in_order, refused
from fenrun.base.when import Period, parse_period
from fenrun.book.in_words import KnownBook
from fenrun.pricing.charges import COST, charges_of
from fenrun.settle.terms_in_force import known_terms
from fenrun.store.facts import Store
from fenrun.tables.latest import Known

PASSED_ON = "passed-on"
"""The figure of a customer that says what of rebates is passed on to it: an amount of a month, or a
rate of what it pays (effective)."""
_NOTHING = Decimal(0)
WIDE = Context(prec=80)
"""Holds sums, products and parts of all that charges can say."""


@dataclass(frozen=True)
class PriceLine:
    """The price of a sku for a customer in a month. Amounts are in `currency`, exact."""

    customer: str
    """Who pays; empty for charges of no customer."""
    product: str
    """ServiceName."""
    sku: str
    """SkuPriceId, else SkuId."""
    unit: str
    """PricingUnit."""
    month: date
    """First day of the month in which it is billed."""
    currency: str
    quantity: Decimal = _NOTHING
    """PricingQuantity of what is neither coupon nor tax."""
    list: Decimal | None = _NOTHING
    """ListCost, else by the list prices of the terms; None where neither says it."""
    contracted: Decimal = _NOTHING
    billed: Decimal = _NOTHING
    """BilledCost before coupons and without taxes."""
    coupon: Decimal = _NOTHING
    """BilledCost of credits by a coupon, below zero."""
    effective: Decimal = _NOTHING
    """EffectiveCost after coupons, without taxes."""
    passed_on: Decimal = _NOTHING
    """What of rebates is passed on to the customer."""
    tax: Decimal = _NOTHING
    """BilledCost of taxes."""
    cost: Decimal | None = _NOTHING
    """What it costs the seller; None where some charge does not say it."""

    @property
    def net(self) -> Decimal:
        """Amount that the customer pays in the end: effective less what is passed on."""
        return WIDE.subtract(self.effective, self.passed_on)

    @property
    def margin(self) -> Decimal | None:
        """Amount of it that the seller's cost leaves; None where that is not known."""
        return None if self.cost is None else WIDE.subtract(self.net, self.cost)

    @property
    def of_list(self) -> Decimal | None:
        """`net` as a part of the list, to four decimals; None where that is unknown or nothing."""
        return ratio(self.net, self.list, 4)

    @property
    def per_unit(self) -> Decimal | None:
        """`net` of one unit, to eight decimals; None without a quantity."""
        return ratio(self.net, self.quantity, 8)


Lines = Sequence[PriceLine]
_KEY = ("customer", "product", "sku", "unit", "month", "currency")
_SUMS = [field.name for field in fields(PriceLine) if field.name not in _KEY]


def rounded(value: Decimal, places: int) -> Decimal:
    """Return an amount with so many decimals, rounded half up."""
    return value.quantize(Decimal(1).scaleb(-places), ROUND_HALF_UP, WIDE)


def ratio(part: Decimal, whole: Decimal | None, places: int) -> Decimal | None:
    """Return a part of a whole, rounded half up; None where the whole is not above zero."""
    if whole is None or whole <= 0:
        return None
    return rounded(WIDE.divide(part, whole), places)


def added(lines: Iterable[PriceLine], **same: Any) -> PriceLine:
    """Return the sum of some lines, one at least; `same` says what is put for what differs.

    What one of them does not know the sum does not know.
    """
    first, *others = lines
    found = {name: getattr(first, name) for name in _SUMS}
    for line in others:
        for name in _SUMS:
            one, more = found[name], getattr(line, name)
            found[name] = None if one is None or more is None else WIDE.add(one, more)
    return replace(first, **found, **same)


@dataclass(frozen=True)
class Prices:
    """The price lines of a period, with what is odd about them."""

    period: Period
    lines: Lines
    names: Mapping[str, str] = field(default_factory=dict)
    """The name of each party."""
    problems: Sequence[Problem] = ()


def prices_of(store: Store, period: Period, known: datetime | None = None) -> Prices:
    """Return the price lines of a period of a workspace, as known at a moment or as last known.

    Raises Refused where nothing is billed in the period, or arithmetic does not fit.
    """
    charges = charges_of(store, period.span, known)
    sums = charges.run("priced_groups", "priced_shares", "priced_sums")
    if not sums:
        raise refused("charges-missing", Place(str(store.path)), period=period.key)
    lines = _lines(sums, known_terms(store, known).listed())
    lines, problems = _passed_on(lines, charges.book, period)
    problems += _oddities(lines, charges.columns)
    return Prices(period, lines, charges.book.names(), in_order(problems))


def _lines(sums: Iterable[Mapping[str, Any]], listed: Mapping[Any, Sequence[Known]]) -> Lines:
    """Return price lines of sums by customer, month and sku.

    A coupon or tax that names a sku, but not as its usage does (without a unit), is of that line.
    """
    found: dict[tuple[Any, ...], list[PriceLine]] = {}
    named: dict[tuple[Any, ...], list[tuple[Any, ...]]] = {}
    for row in sorted(sums, key=lambda row: bool(row["is_coupon"] or row["is_tax"])):
        sku = row["price_id"] or row["sku"]
        key = (row["customer"], row["product"], sku, row["unit"], row["month"], row["currency"])
        same = named.setdefault((row["customer"], sku, row["month"], row["currency"]), [])
        if (row["is_coupon"] or row["is_tax"]) and sku and len(same) == 1:
            (key,) = same
        elif key not in found:
            same.append(key)
        line = replace(PriceLine(*key), **_costs(row, listed))
        found.setdefault(key, []).append(line)
    return [added(found[key]) for key in sorted(found, key=str)]


def _costs(row: Mapping[str, Any], listed: Mapping[Any, Sequence[Known]]) -> dict[str, Any]:
    """Return the costs of a sum: of a coupon and a tax only what is billed for them."""
    if row["is_tax"]:
        return {"tax": row["billed"]}
    if row["is_coupon"]:
        return {"coupon": row["billed"], "effective": row["effective"]}
    names = ("quantity", "contracted", "billed", "effective")
    found = {name: row[name] for name in names}
    found["list"] = _listed(row, listed) if row["is_unlisted"] else row["list"]
    return found | {"cost": None if row["without_cost"] else row["cost"]}


def _listed(row: Mapping[str, Any], listed: Mapping[Any, Sequence[Known]]) -> Decimal | None:
    """Return what a sum costs by the list prices of its day; None where there is not one."""
    day = row["list_day"]
    for sku in filter(None, (row["price_id"], row["sku"])):
        rows = listed.get((sku, row["currency"]), ())
        holding = [one["price"] for one in rows if one["valid_from"] <= day < one["valid_to"]]
        if holding:
            return WIDE.multiply(row["quantity"], holding[0]) if len(holding) == 1 else None
    return None


def _passed_on(lines: Lines, book: KnownBook, period: Period) -> tuple[Lines, list[Problem]]:
    """Return the lines with what of rebates is passed on, and the figures that cannot be used.

    A figure that is given twice is not used, as everywhere.
    """
    found, problems = list(lines), []
    places = defaultdict(list)
    for at, line in enumerate(found):
        places[line.customer, f"{line.month:%Y-%m}"].append(at)
    figures = book.figures(figure=PASSED_ON)
    count = Counter((figure["party"], figure["period"]) for figure in figures)
    for figure in sorted(figures, key=lambda one: (one["period"], one["party"])):
        months = parse_period(figure["period"]).months
        if len(months) > 1 and set(months) & set(period.months):
            values = {"party": figure["party"], "period": figure["period"]}
            problems.append(Problem("passed-on-period", Place(figure["source"]), values))
        elif months[0] in period.months and count[figure["party"], figure["period"]] == 1:
            _pass_on(found, places[figure["party"], months[0]], figure, months[0])
    return found, problems


def _pass_on(
    found: list[PriceLine], places: Sequence[int], figure: Mapping[str, Any], month: str
) -> None:
    """Take what a figure passes on off the lines of its customer and month.

    A rate is of each line; an amount is spread by what is paid, to the smallest amount of its
    currency, so that it sums exactly. Without anything to spread it by it is a line of its own.
    """
    amount, currency = figure["amount"], figure["currency"]
    if not currency:
        for at in places:
            more = WIDE.multiply(found[at].effective, amount)
            found[at] = replace(found[at], passed_on=found[at].passed_on + more)
        return
    mine = [at for at in places if found[at].currency == currency and found[at].effective > 0]
    parts = spread(amount, [found[at].effective for at in mine], minor_units(currency))
    for at, part in zip(mine, parts):
        found[at] = replace(found[at], passed_on=found[at].passed_on + part)
    if not mine:
        first = date.fromisoformat(f"{month}-01")
        line = PriceLine(figure["party"], "", "", "", first, currency)
        found.append(replace(line, passed_on=amount))


def spread(amount: Decimal, weights: Sequence[Decimal], places: int) -> list[Decimal]:
    """Return an amount in parts by weights above zero, in steps of so many decimals.

    The parts sum to the amount: what is left over goes to the largest remainders, then to the
    first; more decimals than that stay with the first.
    """
    if not weights:
        return []
    step, whole = Decimal(1).scaleb(-places), _total(weights)
    size = abs(amount)
    exact = [WIDE.divide(WIDE.multiply(size, weight), whole) for weight in weights]
    parts = [part.quantize(step, ROUND_FLOOR, WIDE) for part in exact]
    left = WIDE.subtract(size, _total(parts))
    order = sorted(range(len(parts)), key=lambda at: (parts[at] - exact[at], at))
    for at in order[: int(left / step)]:
        parts[at] += step
    parts[0] += size - _total(parts)
    return parts if amount >= 0 else [-part for part in parts]


def _total(amounts: Iterable[Decimal]) -> Decimal:
    total = _NOTHING
    for amount in amounts:
        total = WIDE.add(total, amount)
    return total


def _oddities(lines: Lines, columns: Mapping[str, str]) -> list[Problem]:
    """Return what the lines do not say: list prices that are unknown, charges of nobody, costs."""
    unlisted = {line.sku or line.product for line in lines if line.list is None}
    nobody = [line for line in lines if not line.customer]
    coupons = [line for line in lines if line.coupon and not line.sku]
    problems = []
    if unlisted:
        values = {"count": len(unlisted), "skus": ", ".join(sorted(unlisted)[:5])}
        problems.append(Problem("price-unlisted", Place("charges", 0, "ListCost"), values))
    if nobody:
        sums: dict[str, Decimal] = {}
        for line in nobody:
            so_far = sums.get(line.currency, _NOTHING)
            sums[line.currency] = WIDE.add(so_far, line.billed)
        said = ", ".join(f"{amount:,.2f} {currency}" for currency, amount in sorted(sums.items()))
        problems.append(Problem("price-of-nobody", Place("charges"), {"amount": said}))
    if coupons:
        values = {"count": len(coupons)}
        problems.append(Problem("price-coupon", Place("charges", 0, "x_CouponId"), values))
    if COST in columns and any(line.cost is None for line in lines):
        count = sum(line.cost is None for line in lines)
        problems.append(Problem("price-cost", Place("charges", 0, COST), {"count": count}))
    return problems
