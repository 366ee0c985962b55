"""Charges below a floor: covered by an approval that holds, or a breach.

An approval covers a charge of its customer and partner, in its span, of what it covers, that is not
sold for less than it grants, as long as what is billed under it stays within its amount. What is
asked for a charge is the larger of billed and effective by size, so that usage which a commitment
pays for is not taken for cheap, and a refund is judged as the charge that it undoes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from fenrun.base.money import decimals
from fenrun.base.problem import Place, Problem
from fenrun.base.when import Period, Span
from fenrun.base.words import Unreadable
from fenrun.engine.dialect import literal
from fenrun.pricing.charges import PricedCharges, charges_of
from fenrun.pricing.coupons import Spent, coupons_of
from fenrun.pricing.lines import WIDE
from fenrun.settle.facts import knowledge_time
from fenrun.settle.terms_in_force import known_terms
from fenrun.store.facts import Store
from fenrun.terms.as_of import Chain, Terms
from fenrun.terms.limits import Limit, parse_limit
from fenrun.terms.used_up import Purse

_FLOOR, _UNKNOWN, _NAMED, _GRANTED = "floor ", "unknown ", "named ", "granted "
"""What a charge can be to a term: below a floor; not comparable with it; of what an approval is
for; and not sold for less than that grants."""
_ASKED = "greatest(abs(coalesce({billed}, 0)), abs(coalesce({effective}, 0)))"
_SELLERS = ("partner", "rep")
"""The roles of a customer or order that sell."""
_MOST_ROWS = 20
_MANY = 200
"""Charges below floors from which on all links are read at once."""
Reasons = tuple[tuple[str, str], ...]
"""Approvals, each with why it does not cover something."""
_DAY = Decimal(86_400)


@dataclass
class Sale:
    """Charges below one floor, of one customer, sold by the same: in breach, or covered."""

    floor: str
    least: str
    customer: str
    sold_by: tuple[str, ...]
    """The holders of the roles that sell, as `partner P1`; by order before customer."""
    approval: str
    """The approval that covers them; of a breach empty."""
    approved_by: tuple[str, ...]
    """Who decided its steps, in their order."""
    currency: str
    fine: Decimal | None
    """The fine of the floor, in `fine_currency`, once for each breach."""
    fine_currency: str
    billed: Decimal = Decimal(0)
    """BilledCost of the customer's share of the charges."""
    listed: Decimal = Decimal(0)
    """ListCost of the same."""
    first_day: date = date.max
    last_day: date = date.min
    charges: int = 0
    rows: list[str] = field(default_factory=list)
    """The first of the charges, as file and row."""
    row_nos: dict[str, list[int]] = field(default_factory=dict)
    """All of the charges, by import."""
    nearest: Reasons = ()
    """Of a breach: the approvals that are of these charges and do not cover them, each with the
    reason: `customer`, `partner`, `price`, `amount` or `currency` is another; `steps` are no chain;
    or its state, `open`, `refused` or `lapsed`."""


@dataclass(frozen=True)
class StepTime:
    """The time that a step of an approval took, or takes so far."""

    approval: str
    step: int
    asked_by: str
    decided_by: str
    outcome: str
    """Empty while it is open."""
    asked_at: datetime
    days: Decimal
    """In days, to two decimals; of an open step up to when is asked."""


@dataclass(frozen=True)
class Breaches:
    """The sales below floors and coupons diverted in a period, and the approvals asked for."""

    period: Period
    breaches: Sequence[Sale]
    covered: Sequence[Sale]
    diverted: Sequence[Spent]
    """What is spent of coupons otherwise than they were granted."""
    steps: Sequence[StepTime]
    problems: Sequence[Problem]


def breaches_of(store: Store, period: Period, known: datetime | None = None) -> Breaches:
    """Return what was sold below a floor in a period, as known at a moment or as last known.

    An approval with an amount is used up by what came before the period, too.
    """
    moment = knowledge_time(store, known)
    terms = known_terms(store, moment)
    start = date.min if uses_up_approvals(terms) else period.span.start
    charges = charges_of(store, Span(start, period.span.end), moment)
    found, unknown = sales_below(charges, terms, period.span.start)
    coupons = coupons_of(store, period.last_day, moment, since=period.span.start)
    return Breaches(
        period,
        [sale for sale in found if not sale.approval],
        [sale for sale in found if sale.approval],
        coupons.diverted,
        list(_step_times(terms.chains(), moment)),
        [*terms.problems, *unknown, *coupons.problems],
    )


def uses_up_approvals(terms: Terms) -> bool:
    """Return whether an approval has an amount: what came before a period uses it up, too."""
    return any(chain.first["amount"] is not None for chain in terms.chains())


def sales_below(
    charges: PricedCharges, terms: Terms, start: date
) -> tuple[list[Sale], list[Problem]]:
    """Return the sales below floors that are billed from a day on, in breach or covered.

    Beside them what cannot be measured. Charges billed before use up approvals.
    """
    chains = terms.chains()
    met = _met(charges, terms, chains)
    steps = ("met_groups", "priced_shares", "met_rows")
    rows = charges.run(*steps, terms=met) if met else []
    sales = _Sales(terms, chains, charges)
    if len(rows) > _MANY:
        sales.read_links()
    for row in rows:
        sales.add(row, row["month"] >= start)
    found = sorted(sales.found.values(), key=lambda sale: (sale.floor, sale.customer, sale.sold_by))
    return found, list(_unknown(rows, terms))


def _met(charges: PricedCharges, terms: Terms, chains: Iterable[Chain]) -> dict[str, str]:
    """Return SQL of the floors that a charge is below, and the approvals that name it, by term."""
    found: dict[str, str] = {}
    asked = _ASKED.format_map(charges.fragments)
    for row in terms.floors:
        named = f"{_is_sold(charges)} AND {charges.covers(row)}"
        least = _least(charges, terms, parse_limit(row["least"]), row["currency"])
        found[_FLOOR + row["floor"]] = f"{named} AND coalesce({asked} < {least}, false)"
        found[_UNKNOWN + row["floor"]] = f"{named} AND ({least}) IS NULL"
    below = " OR ".join(f"({sql})" for term, sql in found.items() if term.startswith(_FLOOR))
    for chain in chains if below else ():
        limit = _granted(chain)
        if limit:
            named = f"({below}) AND {charges.covers(chain.first)}"
            least = _least(charges, terms, limit, chain.first["currency"])
            found[_NAMED + chain.approval] = named
            found[_GRANTED + chain.approval] = f"{named} AND coalesce({asked} >= {least}, false)"
    return found


def _granted(chain: Chain) -> Limit | None:
    """Return the price that an approval grants; None where it grants a coupon or an agreement."""
    try:
        return parse_limit(chain.first["grants"])
    except Unreadable:
        return None


def _is_sold(charges: PricedCharges) -> str:
    """Return SQL of whether a charge is a sale: neither a credit nor a tax."""
    return f"coalesce({charges.fragments['category']} NOT IN ('Credit', 'Tax'), true)"


def _least(charges: PricedCharges, terms: Terms, limit: Limit, currency: str) -> str:
    """Return SQL of the least that is to be asked for a charge; null where that is not known."""
    if limit.on is not None:
        return _least_as_listed(charges, terms, limit.on, limit.rate or Decimal(0))
    if limit.price is not None:
        of = f"abs({charges.fragments['quantity']}) * {_number(limit.price)}"
        return f"CASE WHEN BillingCurrency = {literal(currency)} THEN {of} END"
    return f"abs({charges.fragments[limit.basis]}) * {_number(limit.rate or Decimal(0))}"


def _least_as_listed(charges: PricedCharges, terms: Terms, on: date, rate: Decimal) -> str:
    """Return the same by the list prices of a day, by SkuPriceId, else SkuId."""
    filled = charges.fragments
    prices = terms.listed_on(on)
    among = ", ".join(sorted({literal(row["sku"]) for row in prices})) or "NULL"
    sku = f"CASE WHEN {filled['price_id']} IN ({among}) THEN {filled['price_id']} END"
    arms = [
        f"WHEN BillingCurrency = {literal(row['currency'])}"
        f" AND coalesce({sku}, {filled['sku']}) = {literal(row['sku'])}"
        f" THEN abs({filled['quantity']}) * {_number(row['price'] * rate)}"
        for row in prices
    ]
    return f"CASE {' '.join(arms)} END" if arms else "CAST(NULL AS DECIMAL(38, 2))"


def _number(value: Decimal) -> str:
    return f"CAST({value:f} AS DECIMAL(38, {decimals(value)}))"


class _Sales:
    """Sales below floors, as they are gathered in the order of the charges."""

    def __init__(self, terms: Terms, chains: Sequence[Chain], charges: PricedCharges):
        self.found: dict[tuple[str, ...], Sale] = {}
        self._floors = {row["floor"]: row for row in terms.floors}
        self._chains = {chain.approval: chain for chain in chains}
        self._charges = charges
        self._purse = Purse()
        self._links: dict[tuple[str, str, str], list[dict[str, Any]]] = {}
        self._has_all_links = False

    def read_links(self) -> None:
        """Read the links of all at once, where those of many are asked for."""
        self._has_all_links = True
        for link in self._charges.book.links():
            key = (link["of_kind"], link["issuer"], link["subject"])
            self._links.setdefault(key, []).append(link)

    def add(self, row: Mapping[str, Any], is_asked: bool) -> None:
        """Take up a charge of a customer that is below floors; if not asked, what it uses up."""
        floors = [term.removeprefix(_FLOOR) for term in row["met"] if term.startswith(_FLOOR)]
        if not floors:
            return
        sold_by = self._sold_by(row)
        approval, others = self._approval(row, sold_by)
        for floor in sorted(floors) if is_asked else ():
            key = (floor, row["customer"], *sold_by, approval, row["currency"])
            if key not in self.found:
                self.found[key] = self._sale(floor, row, sold_by, approval)
            self._add_to(self.found[key], row, others)

    def _sale(
        self, floor: str, row: Mapping[str, Any], sold_by: tuple[str, ...], approval: str
    ) -> Sale:
        said = self._floors[floor]
        steps = self._chains[approval].steps if approval else ()
        deciders = tuple(step["decided_by"] for step in steps)
        fine = None if approval else said["fine"]
        same = (floor, said["least"], row["customer"], sold_by, approval, deciders)
        return Sale(*same, row["currency"], fine, said["currency"] if fine is not None else "")

    def _add_to(self, sale: Sale, row: Mapping[str, Any], others: Reasons) -> None:
        sale.billed = WIDE.add(sale.billed, row["billed"] or Decimal(0))
        sale.listed = WIDE.add(sale.listed, row["list"] or Decimal(0))
        sale.first_day = min(sale.first_day, row["day"])
        sale.last_day = max(sale.last_day, row["day"])
        sale.charges += 1
        sale.row_nos.setdefault(row["import_id"], []).append(row["row_no"])
        if len(sale.rows) < _MOST_ROWS:
            sale.rows.append(f"{self._charges.sources[row['import_id']]}:{row['row_no']}")
        sale.nearest = tuple(sorted({*sale.nearest, *others}))

    def _approval(self, row: Mapping[str, Any], sold_by: tuple[str, ...]) -> tuple[str, Reasons]:
        """Return the approval that covers a charge, or those that do not, each with the reason."""
        names = [term.removeprefix(_NAMED) for term in row["met"] if term.startswith(_NAMED)]
        others = []
        for name in sorted(names):
            why = self._why_not(self._chains[name], row, sold_by)
            if not why:
                return name, ()
            others.append((name, why))
        return "", tuple(others)

    def _why_not(self, chain: Chain, row: Mapping[str, Any], sold_by: tuple[str, ...]) -> str:
        """Return why an approval does not cover a charge; nothing where it does, and is used."""
        said, billed = chain.first, row["billed"] or Decimal(0)
        if said["customer"] not in ("", row["customer"]):
            return "customer"
        if said["partner"] and f"partner {said['partner']}" not in sold_by:
            return "partner"
        if not chain.is_whole:
            return "steps"
        if chain.state != "approved":
            return chain.state
        if _GRANTED + chain.approval not in row["met"]:
            return "price"
        if said["amount"] is not None and said["currency"] != row["currency"]:
            return "currency"
        return "" if self._purse.takes(chain.approval, billed, said["amount"]) else "amount"

    def _sold_by(self, row: Mapping[str, Any]) -> tuple[str, ...]:
        """Return who sold a charge: the holders of its order, else of its customer, by role."""
        of_order = self._holders("order", row["issuer"], row["order_id"] or "", row["day"])
        of_customer = self._holders("customer", "", row["customer"], row["day"])
        return tuple(
            f"{role} {party}"
            for role in _SELLERS
            for party in sorted(of_order.get(role) or of_customer.get(role, set()))
        )

    def _holders(self, kind: str, issuer: str, subject: str, day: date) -> dict[str, set[str]]:
        key, found = (kind, issuer, subject), dict[str, set[str]]()
        if subject and not self._has_all_links and key not in self._links:
            self._links[key] = self._charges.book.links_of(kind, subject, issuer)
        for link in self._links.get(key, ()):
            if link["valid_from"] <= day < link["valid_to"]:
                found.setdefault(link["role"], set()).add(link["party"])
        return found


def _step_times(chains: Iterable[Chain], moment: datetime) -> Iterator[StepTime]:
    """Yield how long each step took; one that is open takes up to a moment."""
    for chain in chains:
        for step in chain.steps:
            end = step["decided_at"] or max(moment, step["asked_at"])
            seconds = Decimal(int((end - step["asked_at"]).total_seconds()))
            days = (seconds / _DAY).quantize(Decimal("0.01"), ROUND_HALF_UP)
            who = (step["asked_by"], step["decided_by"], step["outcome"], step["asked_at"])
            yield StepTime(chain.approval, step["step"], *who, days)


def _unknown(rows: Iterable[Mapping[str, Any]], terms: Terms) -> Iterator[Problem]:
    """Yield the floors of which some charges do not say what they are measured by."""
    count: dict[str, int] = {}
    for row in rows:
        for term in row["met"]:
            if term.startswith(_UNKNOWN):
                floor = term.removeprefix(_UNKNOWN)
                count[floor] = count.get(floor, 0) + 1
    for row in terms.floors:
        if row["floor"] in count:
            values = {"floor": row["floor"], "least": row["least"], "count": count[row["floor"]]}
            place = Place(row["file"], row["row_no"], "least")
            yield Problem("floor-unmeasured", place, values)
