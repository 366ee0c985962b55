"""An independent auditor, which says what must come out for given charges, book facts and a plan.

Plain Python with Decimal and Fraction, one charge at a time: no SQL, no grouping, no code of the
engine but the row types. Slow and obvious on purpose.
"""

from __future__ import annotations

import json
from collections import defaultdict
from copy import copy
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal, getcontext
from fractions import Fraction
from functools import cache
from typing import Any
from zoneinfo import ZoneInfo

from fenrun.book.rows import Figure, Label, Link, Party, Rate
from fenrun.events.rows import Payment
from fenrun.plan.rows import Band, Component, Gate, Plan
from tests.auditor import agreed

getcontext().prec = 100
ZERO = Decimal(0)
COST = {
    "billed": "BilledCost",
    "contracted": "ContractedCost",
    "list": "ListCost",
    "effective": "EffectiveCost",
}
NEVER = date(9999, 12, 31)


@dataclass
class Answer:
    """What must come out."""

    credited: dict[tuple[date, str, str], Decimal] = field(
        default_factory=lambda: defaultdict(lambda: ZERO)
    )
    """By month, payee, role."""
    by_link: dict[tuple[Any, ...], tuple[Decimal, int]] = field(
        default_factory=lambda: defaultdict(lambda: (ZERO, 0))
    )
    """By month, payee, role, kind, customer, via, link: credited amount, charges."""
    team: dict[tuple[str, str, str], Decimal] = field(
        default_factory=lambda: defaultdict(lambda: ZERO)
    )
    """By payee, member, and the member's role: what of the member's credits is rolled up."""
    held: dict[tuple[Any, ...], tuple[Decimal, int]] = field(
        default_factory=lambda: defaultdict(lambda: (ZERO, 0))
    )
    """By who holds a role of the customer that day, role, customer, who is credited in that role,
    via, link: credited amount, charges."""
    not_counted: dict[tuple[str, str, str], Decimal] = field(
        default_factory=lambda: defaultdict(lambda: ZERO)
    )
    """By component, payee, and the clause that excludes it or `baseline`: what does not qualify."""
    uncredited: dict[date, Decimal] = field(default_factory=lambda: defaultdict(lambda: ZERO))
    own: dict[tuple[str, str, str, str], tuple[Decimal, str]] = field(default_factory=dict)
    """By component, payee, period, unit: what is earned by itself, and why."""
    entries: dict[tuple[str, str, str, str], Decimal] = field(default_factory=dict)
    """By component, payee, period, reason: what other clauses add or take off."""
    payouts: dict[tuple[str, date], tuple[Decimal, ...]] = field(default_factory=dict)
    """By payee and month: due, brought, expired, drawn, recovered, balance, paid, carried."""
    payments: dict[tuple[str, date, str], tuple[Decimal, Decimal]] = field(default_factory=dict)
    """By payee, month and form: amount, paid."""
    exchanges: dict[tuple[str, date, str], tuple[str, Decimal | None, Decimal | None]] = field(
        default_factory=dict
    )
    """By payee, month and form: the other currency in which it is paid, the rate, what is paid."""
    waiting: dict[tuple[str, str, str], Decimal] = field(
        default_factory=lambda: defaultdict(lambda: ZERO)
    )
    """By component, payee and unit: what is due and never paid up to the end of the period."""
    funds: dict[tuple[str, date, str], tuple[Decimal, ...]] = field(default_factory=dict)
    """By payee, month and form: brought, accrued, over, claimed, granted, lapsed, balance."""


@dataclass
class Tenure:
    """An unbroken span in which somebody holds a role."""

    party: str
    since: date
    until: date


class Book:
    """Facts as last known, looked up by walking over them."""

    def __init__(self, facts: list[tuple[datetime, Any]], terms: agreed.Rows = ()):
        self.terms = terms
        self.covered: set[Any] = set()
        """The charges that an approval or coupon with an amount covers (see `agreed.use_up`)."""
        links = self._latest([(k, f) for k, f in facts if isinstance(f, Link)], lambda f: f.link_id)
        self._hold([x for x in links if x.valid_from < x.valid_to])
        self.labels = self._latest(
            [(k, f) for k, f in facts if isinstance(f, Label)],
            lambda f: (f.party, f.label, f.valid_from),
        )
        self.figures = self._latest(
            [(k, f) for k, f in facts if isinstance(f, Figure)],
            lambda f: (f.party, f.figure, f.period),
        )
        self.rates = self._latest(
            [(k, f) for k, f in facts if isinstance(f, Rate)],
            lambda f: (f.currency, f.to_currency, f.period),
        )
        parties = self._latest(
            [(k, f) for k, f in facts if isinstance(f, Party)], lambda f: f.party
        )
        self.kinds = {party.party: party.kind for party in parties}
        self.by_party: dict[str, list[Label]] = defaultdict(list)
        for label in self.labels:
            self.by_party[label.party].append(label)
        self.by_figure: dict[tuple[str, str, str], list[Figure]] = defaultdict(list)
        for figure in self.figures:
            self.by_figure[figure.party, figure.figure, figure.period].append(figure)

    def _hold(self, links: list[Link]) -> None:
        """Take the links."""
        self.links = links
        self.by_subject: dict[tuple[str, str, str], list[Link]] = defaultdict(list)
        for link in links:
            self.by_subject[link.of_kind, link.issuer, link.subject].append(link)

    def with_links(self, links: list[Link]) -> Book:
        """The same book with other links."""
        found = copy(self)
        found._hold(links)
        return found

    @staticmethod
    def _latest(facts: list[tuple[datetime, Any]], identity: Any) -> list[Any]:
        last: dict[Any, datetime] = {}
        for known, fact in facts:
            last[identity(fact)] = max(known, last.get(identity(fact), known))
        kept = {}
        for known, fact in facts:
            if known == last[identity(fact)]:
                plain = {
                    k: v.normalize() if isinstance(v, Decimal) else v
                    for k, v in vars(fact).items()
                    if k != "row_no"
                }
                kept[repr(sorted(plain.items()))] = fact
        return list(kept.values())

    def held(
        self, of_kind: str, issuer: str, subject: str | None, day: date
    ) -> dict[str, list[Link] | None]:
        """Role to its links on a day; None where more than the whole is held."""
        found: dict[str, list[Link]] = defaultdict(list)
        for link in self.by_subject.get((of_kind, issuer, subject or ""), []):
            if link.valid_from <= day < link.valid_to:
                found[link.role].append(link)
        return {
            role: links if sum(x.share for x in links) <= 1 else None
            for role, links in found.items()
        }

    def tenures(self, link: Link) -> list[Tenure]:
        """Everybody's unbroken spans in the role of that link's subject."""
        by_party: dict[str, list[Link]] = defaultdict(list)
        for other in self.by_subject[link.of_kind, link.issuer, link.subject]:
            if other.role == link.role:
                by_party[other.party].append(other)
        found = []
        for party, links in by_party.items():
            spans: list[Tenure] = []
            for other in sorted(links, key=lambda x: x.valid_from):
                if spans and other.valid_from <= spans[-1].until:
                    spans[-1].until = max(spans[-1].until, other.valid_to)
                else:
                    spans.append(Tenure(party, other.valid_from, other.valid_to))
            found += spans
        return found

    def since(self, link: Link) -> date:
        """Since when the link's party holds the role without a break."""
        return next(
            t.since
            for t in self.tenures(link)
            if t.party == link.party and t.since <= link.valid_from < t.until
        )

    def previous(self, link: Link) -> str | None:
        """Who held the role last before."""
        start = self.since(link)
        before = [t for t in self.tenures(link) if t.party != link.party and t.until <= start]
        return max(before, key=lambda t: (t.until, t.party)).party if before else None

    def label(self, party: str | None, label: str, day: date) -> str | None:
        values = [
            x.value
            for x in self.by_party.get(party or "", [])
            if x.label == label and x.valid_from <= day < x.valid_to
        ]
        return values[0] if len(values) == 1 else None

    def rate(self, currency: str, to_currency: str, period: str) -> Decimal | None:
        wanted = (currency, to_currency, period)
        rates = {x.rate for x in self.rates if (x.currency, x.to_currency, x.period) == wanted}
        return rates.pop() if len(rates) == 1 else None

    def first_day(self, party: str | None, label: str) -> date | None:
        """The first day on which a label of a party has one value, whatever it is."""
        rows = [x for x in self.by_party.get(party or "", []) if x.label == label]
        days = sorted({x.valid_from for x in rows} | {x.valid_to for x in rows})
        return next((day for day in days if self.label(party, label, day) is not None), None)

    def figure(self, party: str, name: str, period: str, *currencies: str) -> Decimal | None:
        found = self.by_figure.get((party, name, period), [])
        return found[0].amount if len(found) == 1 and found[0].currency in currencies else None


@dataclass
class Scene:
    """What a condition looks at."""

    book: Book
    since: dict[str | None, date]
    """First day on which each customer was charged anything."""
    charge: dict[str, Any]
    customer: str | None
    day: date
    month: date
    roles: dict[str, list[Link] | None]
    link: Link | None = None
    first: date | None = None
    """First purchase under the link."""
    bought: frozenset[date] = frozenset()
    """The days on which the customer was charged anything."""

    def text(self, name: str) -> str | None:
        if name[0].isupper() or name.startswith("x_"):
            return self.charge.get(name)
        prefix, dot, rest = name.partition(".")
        if not dot:
            return (
                self.customer
                if name == "customer"
                else self.book.label(self.customer, name, self.day)
            )
        if prefix == "closing":
            return self.book.label(self.customer, rest, shifted(self.month, 1) - timedelta(days=1))
        assert self.link is not None
        if prefix == "link":
            return (self.link.type if rest == "type" else self.link.of_kind) or None
        party = self.link.party if prefix == "payee" else self.book.previous(self.link)
        return party if rest == "party" else self.book.label(party, rest, self.day)

    def when(self, name: str) -> date | None:
        if name[0].isdigit():
            return date.fromisoformat(name)
        if name == "day":
            return self.day
        if name == "customer since":
            return self.since.get(self.customer)
        if name.startswith("x_"):
            try:
                return date.fromisoformat(self.charge.get(name) or "")
            except ValueError:
                return None
        if name in ("association", "first purchase"):
            assert self.link is not None
            return self.book.since(self.link) if name == "association" else self.first
        prefix, dot, label = name.partition(".")
        if not dot:
            return self.book.first_day(self.customer, prefix)
        assert self.link is not None and prefix == "payee"
        return self.book.first_day(self.link.party, label)


@dataclass
class Payee:
    """What a condition on a payee looks at."""

    book: Book
    party: str
    day: date

    def text(self, name: str) -> str | None:
        return self.book.label(self.party, name, self.day)

    def when(self, name: str) -> date | None:
        if name[0].isdigit():
            return date.fromisoformat(name)
        return self.day if name == "day" else self.book.first_day(self.party, name)


def holds(tree: Any, scene: Any) -> bool:
    """Tell if a condition holds in a scene; what is missing is in no list, compares to nothing."""
    kind = tree[0]
    if kind in ("all", "any"):
        return (all if kind == "all" else any)(holds(t, scene) for t in tree[1])
    if kind == "not":
        return not holds(tree[1], scene)
    if kind == "term":
        return agreed.is_so(tree[1], scene)
    if tree[1] == "agreement.kind":
        found = agreed.kinds(scene)
        return not found if kind == "missing" else bool(found & set(tree[2]))
    if kind in ("same", "differ"):
        both = scene.text(tree[1]), scene.text(tree[2])
        return None not in both and (both[0] == both[1]) == (kind == "same")
    if kind == "in":
        return scene.text(tree[1]) in tree[2]
    if kind == "starts":
        return (scene.text(tree[1]) or "").startswith(tree[2]) and scene.text(tree[1]) is not None
    if kind == "missing":
        return scene.text(tree[1]) is None
    if kind == "held":
        return bool(scene.roles.get(tree[1]))
    if kind == "below":
        one, other = scene.charge.get(COST[tree[1]]), scene.charge.get(COST[tree[3]])
        return one is not None and other is not None and abs(one) < abs(other) * Decimal(tree[2])
    if kind == "compare":
        value = scene.charge.get(tree[1])
        return value is not None and compared(value, tree[2], Decimal(tree[3]))
    if kind == "quiet":
        end = scene.when(tree[-1])
        return end is not None and not any(
            before < end <= later(before, int(tree[1]), tree[2]) for before in scene.bought
        )
    one, other = scene.when(tree[1]), scene.when(tree[-1])
    if one is None or other is None:
        return False
    if kind == "dated":
        return compared(one, tree[2], other)
    return bool(other <= one < later(other, int(tree[2]), tree[3]))


def later(day: date, count: int, unit: str) -> date:
    """The day so many days or months later."""
    return day + timedelta(days=count) if unit == "day" else shifted(day, count)


def compared(one: Any, sign: str, other: Any) -> bool:
    """`one sign other`."""
    return bool({"<": one < other, "<=": one <= other, ">": one > other, ">=": one >= other}[sign])


def shifted(day: date, months: int) -> date:
    """The same day some months later or earlier, or the last of a shorter month."""
    at = day.year * 12 + day.month - 1 + months
    for last in (day.day, 30, 29, 28):
        try:
            return date(at // 12, at % 12 + 1, min(day.day, last))
        except ValueError:
            continue
    raise AssertionError


@dataclass(frozen=True)
class Span:
    """A period: its key, first day, and first day after."""

    key: str
    start: date
    end: date

    @property
    def paid(self) -> date:
        return shifted(self.end, -1)


@cache
def span_of(calendar: str, day: date) -> Span:
    """The period of a calendar that holds a day; `3@7`: three months, the year starts in July."""
    months, starts = (int(x) for x in calendar.split("@"))
    start = date(day.year if day.month >= starts else day.year - 1, starts, 1)
    while shifted(start, months) <= day:
        start = shifted(start, months)
    end = shifted(start, months)
    last, year = shifted(end, -1), f"{start.year:04d}"
    named = {
        1: f"{year}-{start.month:02d}",
        3: f"{year}-Q{(start.month + 2) // 3}",
        6: f"{year}-H{(start.month + 5) // 6}",
        12: year,
    }
    whole = months in named and (start.month - 1) % months == 0
    return Span(
        named[months] if whole else f"{year}-{start.month:02d}/{last.year:04d}-{last.month:02d}",
        start,
        end,
    )


def rounded(value: Fraction | Decimal, mode: str, per: int) -> Decimal:
    """The value in whole steps of 1/per."""
    steps = abs(Fraction(value)) * per
    whole, rest = steps.numerator // steps.denominator, steps - steps.numerator // steps.denominator
    if (mode == "half up" and rest * 2 >= 1) or (
        mode == "half even" and (rest * 2 > 1 or (rest * 2 == 1 and whole % 2))
    ):
        whole += 1
    return Decimal(whole if value >= 0 else -whole) / per


def audit(
    charges: list[dict[str, Any]],
    book: Book,
    plan: Plan,
    paid: tuple[date, date],
    costs: int | None = None,
    measures: int | None = None,
) -> Answer:
    """What must come out for statements of months from paid[0] up to, not including, paid[1].

    Each charge's costs are rounded to so many decimals by themselves, and what is measured of a
    customer in a month to so many; of None, they keep all.
    """
    if costs is not None:
        charges = [_on_decimals(charge, costs) for charge in charges]
    return _Audit(charges, book, plan, paid, measures, costs).run()


def _on_decimals(charge: dict[str, Any], decimals: int) -> dict[str, Any]:
    """The charge with its costs, wherever they stand, rounded half away from zero."""
    names = {name for name in COST.values() if charge.get(name) is not None}
    return charge | {n: rounded(Decimal(charge[n]), "half up", 10**decimals) for n in names}


@dataclass
class Row:
    """A component's measure of credits. Grain: payee, unit, customer, month, column."""

    payee: str
    unit: str
    customer: str | None
    month: date
    column: int
    weight: int = 0
    """The number of its weight; 0: it counts once."""
    amount: Decimal = ZERO
    counted: Decimal = ZERO
    qualifies: bool = False
    """Whether anything in it is not excluded."""


@dataclass
class Base:
    """What a component measures in a period."""

    amount: Decimal = ZERO
    spend: Decimal = ZERO
    to_date: Decimal = ZERO
    columns: dict[int, Decimal] = field(default_factory=lambda: defaultdict(lambda: ZERO))
    customers: set[str | None] = field(default_factory=set)
    refunded: int = 0
    """Customers that are taken off the count."""
    scoped: bool = False
    """Whether nothing is credited, and it stands for the payee's being in scope."""


KINDS = {"customer": ("customer",), "partner": ("partner", "agent"), "rep": ("rep",)}
Key = tuple[str, str, Span]


class _Audit:
    def __init__(
        self,
        charges: list[dict[str, Any]],
        book: Book,
        plan: Plan,
        paid: tuple[date, date],
        measures: int | None = None,
        costs: int | None = None,
    ):
        self.measures = measures
        self.cut = min(6, 6 if costs is None else costs)
        self.charges, self.book, self.plan, self.paid = charges, book, plan, paid
        self.terms = plan.terms[0]
        self.trees = {c.rule_id: json.loads(c.tree) for c in plan.conditions}
        self.zone = ZoneInfo(self.terms.timezone)
        self.answer = Answer()
        self.since: dict[str | None, date] = {}
        self.bought: dict[str | None, set[date]] = defaultdict(set)
        self.first: dict[tuple[str | None, str, str, date], date] = {}
        # component -> (payee, unit, customer, month, column, set against a baseline) -> row
        self.rows: dict[str, dict[Any, Row]] = defaultdict(dict)
        # component, payee, month, excluding clause -> row -> amount
        self.outs: dict[tuple[str, str, date, str], dict[Any, Decimal]] = defaultdict(
            lambda: defaultdict(lambda: ZERO)
        )
        # component, payee, month, excluding clause -> amount
        self.left_out: dict[tuple[str, str, date, str], Decimal] = defaultdict(lambda: ZERO)
        # component -> (payee, unit, customer, what is paid, month of the bill, column, weight,
        # excluding clause) -> amount
        self.unpaid: dict[str, dict[Any, Decimal]] = defaultdict(lambda: defaultdict(lambda: ZERO))
        self.figured: dict[str, dict[Key, Base]] = {}
        self.scopes: dict[str, dict[Key, date]] = {}
        self.currency = self.terms.currency
        self.customers: set[str | None] = set()
        self.clawed: dict[tuple[str, str, str], dict[str, Decimal]] = defaultdict(
            lambda: defaultdict(lambda: ZERO)
        )

    def run(self) -> Answer:
        from tests.auditor.entries import enter
        from tests.auditor.limits import limited
        from tests.auditor.payouts import paid_month, pay_out

        self.book = limited(self.book, self.terms)
        agreed.use_up(self)

        whole = [day for charge in self.charges for day in self.by_day(charge)]
        mine = [c for c in whole if self.rate(c) is not None]
        for charge in mine:
            self._purchase(charge)
        for charge in mine:
            self._credit(charge)
        self._round_measures()
        self._split_by_payments()
        measuring = [c for c in self.plan.components if c.pays_on != "earned"]
        for component in measuring:
            self.figured[component.rule_id] = self.bases(component)
        for component in measuring:
            self._earn(component)
        enter(self)
        pay_out(self)
        for found in (self.answer.own, self.answer.entries):
            for key in [
                k for k in found if not self.paid[0] <= paid_month(self, k[0], k[2]) < self.paid[1]
            ]:
                del found[key]
        self._not_counted()
        return self.answer

    def _round_measures(self) -> None:
        """Round what is measured, each row by itself, where its decimals are too many."""
        for row in (row for rows in self.rows.values() for row in rows.values()):
            row.amount = self._measured(row.amount)
        for key, amounts in self.outs.items():
            self.left_out[key] += sum(map(self._measured, amounts.values()), ZERO)

    def _measured(self, amount: Decimal) -> Decimal:
        if self.measures is None:
            return amount
        return rounded(amount, "half even", 10**self.measures)

    def _not_counted(self) -> None:
        """Sum what is left out of, or below a baseline in, the periods that are earned for."""
        for component, rows in self.rows.items():
            for row in rows.values():
                rules = [
                    w.rule_id
                    for w in self.plan.weights
                    if (w.component, w.weight_no) == (component, row.weight)
                ]
                key = (component, row.payee, row.month, rules[0] if rules else "baseline")
                self.left_out[key] += row.amount - row.counted
        spans = {
            (component, payee, span)
            for component, figured in self.figured.items()
            for payee, unit, span in figured
            if (component, payee, span.key, unit) in self.answer.own
        }
        for component, payee, span in spans:
            for (of, who, month, rule), amount in self.left_out.items():
                if (of, who) == (component, payee) and span.start <= month < span.end:
                    self.answer.not_counted[component, payee, rule] += amount

    def amount(self, charge: dict[str, Any], basis: str) -> Decimal | None:
        costs = [charge.get(COST.get(word, word)) for word in basis.split("|")]
        rate = self.rate(charge)
        if any(c is None for c in costs) or rate is None:
            return None
        cost = min((Decimal(c) for c in costs if c is not None), key=abs)
        if "nth day" in charge:
            nth, days = charge["nth day"]
            cost = self._until(cost, nth + 1, days) - self._until(cost, nth, days)
        return cost * rate

    def _until(self, cost: Decimal, nth: int, days: int) -> Decimal:
        """What the first days of a charge have of its cost."""
        return cost if nth == days else rounded(Fraction(cost) * nth / days, "down", 10**self.cut)

    def by_day(self, charge: dict[str, Any]) -> list[dict[str, Any]]:
        """The charge once for each of the days over which the plan divides it."""
        column = self._day_column(charge)
        if not column.startswith("each day of"):
            return [charge]
        if column == "each day of BillingPeriod":
            _, month = self.when(charge)
            days = (shifted(month, 1) - month).days
        elif charge.get("ChargePeriodEnd"):
            lasts = charge["ChargePeriodEnd"] - charge["ChargePeriodStart"]
            days = max(int(lasts.total_seconds() / 86400 + 0.5), 1)
        else:
            days = 1
        return [charge | {"nth day": (nth, days)} for nth in range(days)]

    def _day_column(self, charge: dict[str, Any]) -> str:
        """Which date of the charge says who is credited."""
        scene = Scene(self.book, {}, charge, None, date.min, date.min, {})
        for tree, column in json.loads(self.terms.as_of):
            if tree is None or holds(tree, scene):
                return str(column)
        return "ChargePeriodStart"

    def rate(self, charge: dict[str, Any]) -> Decimal | None:
        """What one of the charge's currency is in the plan's; None where it does not count."""
        currency = charge["BillingCurrency"]
        if currency == self.currency:
            return Decimal(1)
        if currency not in self.terms.converts.split(","):
            return None
        day, month = self.when(charge)
        period = str(day) if self.terms.converts_on == "day" else f"{month:%Y-%m}"
        return self.book.rate(currency, self.currency, period)

    def when(self, charge: dict[str, Any]) -> tuple[date, date]:
        """Day of the charge and month of the bill."""
        month = (charge["BillingPeriodStart"] + timedelta(days=1)).date().replace(day=1)
        moment = charge["ChargePeriodStart"].replace(tzinfo=ZoneInfo("UTC")).astimezone(self.zone)
        day, column = moment.date(), self._day_column(charge)
        if column in ("BillingPeriodStart", "each day of BillingPeriod"):
            day = month
        elif column.startswith("x_") and charge.get(column):
            day = date.fromisoformat(charge[column])
        nth, _ = charge.get("nth day", (0, 1))
        return day + timedelta(days=nth), month

    def owners(self, charge: dict[str, Any], day: date) -> list[tuple[str | None, Decimal]]:
        issuer = charge["InvoiceIssuerName"]
        found = (
            self.book.held("sub-account", issuer, charge.get("SubAccountId"), day)
            if charge.get("SubAccountId")
            else {}
        )
        if "customer" not in found:
            found = self.book.held("account", issuer, charge["BillingAccountId"], day)
        return [(x.party, x.share) for x in found.get("customer") or []] or [(None, Decimal(1))]

    def roles(
        self, charge: dict[str, Any], customer: str | None, day: date
    ) -> dict[str, list[Link] | None]:
        held: dict[str, list[Link] | None] = (
            self.book.held("customer", "", customer, day) if customer else {}
        )
        order, resource = self.apart(charge)
        for kind, subject in (("resource", resource), ("order", order)):
            if subject:
                held |= self.book.held(kind, charge["InvoiceIssuerName"], subject, day)
        return held

    def apart(self, charge: dict[str, Any]) -> tuple[str | None, str | None]:
        """Order and resource of a charge.

        Of a correction that names none, those of the charges that it corrects, if they have the
        same.
        """
        own = charge.get("x_OrderId"), charge.get("ResourceId")
        if (
            charge.get("ChargeClass") != "Correction"
            or own != (None, None)
            or not charge.get("SkuPriceId")
        ):
            return own
        same = ("InvoiceIssuerName", "BillingAccountId", "SkuPriceId", "ChargePeriodStart")
        issuer = charge["InvoiceIssuerName"]
        found = {
            tuple(
                c.get(name) if (kind, issuer, c.get(name) or "") in self.book.by_subject else None
                for kind, name in (("order", "x_OrderId"), ("resource", "ResourceId"))
            )
            for c in self.charges
            if c.get("ChargeClass") != "Correction" and all(c.get(k) == charge.get(k) for k in same)
        }
        return next(iter(found)) if len(found) == 1 else own  # type: ignore[return-value]

    def _purchase(self, charge: dict[str, Any]) -> None:
        """Remember first purchases."""
        if not any((charge.get(c) or ZERO) > 0 for c in COST.values()):
            return
        day, _ = self.when(charge)
        for customer, _ in self.owners(charge, day):
            if customer is None:
                continue
            self.since[customer] = min(day, self.since.get(customer, day))
            self.bought[customer].add(day)
            for role in (held := self.roles(charge, customer, day)):
                of_role = held[role]
                links = of_role if of_role is not None else self._all(charge, customer, role, day)
                for link in links:
                    key = (customer, role, link.party, self.book.since(link))
                    self.first[key] = min(day, self.first.get(key, day))

    def _all(
        self, charge: dict[str, Any], customer: str | None, role: str, day: date
    ) -> list[Link]:
        """Links of a role that is held over the whole; nobody is credited by them."""
        order, resource = self.apart(charge)
        places = [
            ("order", charge["InvoiceIssuerName"], order),
            ("resource", charge["InvoiceIssuerName"], resource),
            ("customer", "", customer),
        ]
        for kind, issuer, subject in places:
            found = [
                x
                for x in self.book.by_subject.get((kind, issuer, subject or ""), [])
                if x.role == role and x.valid_from <= day < x.valid_to
            ]
            if subject and found:
                return found
        return []

    def _credit(self, charge: dict[str, Any]) -> None:
        _, month = self.when(charge)
        amount, best = (
            self.amount(charge, self.terms.basis) or ZERO,
            defaultdict[str, Decimal](lambda: ZERO),
        )
        for scene, share in self.scenes(charge):
            self.customers.add(scene.customer)
            self._credit_customer(scene, share, best)
        if self.paid[0] <= month < self.paid[1]:
            self.answer.uncredited[month] += amount * (1 - max(best.values(), default=ZERO))

    def scenes(self, charge: dict[str, Any]) -> list[tuple[Scene, Decimal]]:
        """What there is to see of a charge by customer, each with its share."""
        day, month = self.when(charge)
        return [
            (
                Scene(
                    self.book,
                    self.since,
                    charge,
                    customer,
                    day,
                    month,
                    self.roles(charge, customer, day),
                    bought=frozenset(self.bought[customer]),
                ),
                share,
            )
            for customer, share in self.owners(charge, day)
        ]

    def true(self, rule: str, scene: Scene) -> bool:
        return not rule or rule not in self.trees or holds(self.trees[rule], scene)

    def _credit_customer(self, scene: Scene, share: Decimal, best: dict[str, Decimal]) -> None:
        clause = next(
            (
                c
                for c in sorted(self.plan.credit_clauses, key=lambda c: c.rank)
                if self.true(c.rule_id, scene)
            ),
            None,
        )
        if clause is None:
            return
        named = [
            r.role
            for r in sorted(
                (r for r in self.plan.credit_roles if r.rule_id == clause.rule_id),
                key=lambda r: r.role_rank,
            )
        ]
        claims: dict[str, list[Scene]] = {}
        for role in named:
            if role not in scene.roles:
                continue
            sound = scene.roles[role]
            links = (
                sound
                if sound is not None
                else self._all(scene.charge, scene.customer, role, scene.day)
            )
            scenes = [
                Scene(
                    **{
                        **vars(scene),
                        "link": x,
                        "first": self.first.get(
                            (scene.customer, role, x.party, self.book.since(x))
                        ),
                    }
                )
                for x in links
            ]
            inside = [s for s in scenes if self.true(clause.while_rule, s)]
            if inside:
                claims[role] = inside if sound is not None else []
        for role in list(claims)[:1] if clause.mode == "single" else claims:
            for claim in claims[role]:
                assert claim.link is not None
                part = share * claim.link.share
                best[role] += part
                self._count(role, claim.link, part, claim)
                self._roll_up(clause.rule_id, role, claim.link.party, part, claim)

    def _roll_up(self, rule: str, role: str, party: str, part: Decimal, scene: Scene) -> None:
        for up in (u for u in self.plan.roll_ups if (u.rule_id, u.role) == (rule, role)):
            for above in self.book.held("party", "", party, scene.day).get(up.to_role) or []:
                self._count(up.to_role, above, part * above.share, scene)
                self._team(above.party, party, role, part * above.share, scene)
                self._roll_up(rule, up.to_role, above.party, part * above.share, scene)

    def _credited(self, role: str, link: Link, part: Decimal, scene: Scene) -> None:
        month, amount = scene.month, self.amount(scene.charge, self.terms.basis) or ZERO
        kind = "roll-up" if link.of_kind == "party" else "direct"
        key = (month, link.party, role, kind, scene.customer, link.of_kind, link.link_id)
        credited, charges = self.answer.by_link[key]
        self.answer.by_link[key] = (credited + amount * part, charges + 1)
        self.answer.credited[month, link.party, role] += amount * part
        if kind == "direct":
            self._held(role, link, amount * part, scene)

    def _held(self, role: str, link: Link, credit: Decimal, scene: Scene) -> None:
        holders = {
            holder.party
            for holder in self.book.by_subject["customer", "", scene.customer or ""]
            if holder.role == role and holder.valid_from <= scene.day < holder.valid_to
        }
        for holder in holders:
            key = (holder, role, scene.customer, link.party, link.of_kind, link.link_id)
            amount, charges = self.answer.held[key]
            self.answer.held[key] = (amount + credit, charges + 1)

    def _team(self, payee: str, member: str, role: str, part: Decimal, scene: Scene) -> None:
        if self.paid[0] <= scene.month < self.paid[1]:
            amount = self.amount(scene.charge, self.terms.basis) or ZERO
            self.answer.team[payee, member, role] += amount * part

    def _count(self, role: str, link: Link, part: Decimal, scene: Scene) -> None:
        month, day, payee = scene.month, scene.day, link.party
        if self.paid[0] <= month < self.paid[1]:
            self._credited(role, link, part, scene)
        groups = {g.rule_id: g for g in self.plan.groups}
        for component in (
            c for c in self.plan.components if c.role == role and c.pays_on != "earned"
        ):
            if not self.true(component.measure_rule, scene):
                continue
            group = groups.get(component.group_id)
            rivals = [
                c
                for c in self.plan.components
                if group
                and c.group_id == group.rule_id
                and c.role == role
                and self.true(c.measure_rule, scene)
            ]
            if (
                group
                and group.kind == "first match"
                and min(rivals, key=lambda c: c.rank) is not component
            ):
                continue
            clash = group is not None and group.kind == "exclusive" and len(rivals) > 1
            mine = [
                x
                for x in self.plan.exclusions
                if x.component in ("", component.rule_id) and x.valid_from <= day < x.valid_to
            ]
            outs = sorted((x.rank, x.rule_id) for x in mine if self.true(x.rule_id, scene))
            out = clash or bool(outs)
            based = (
                not out and bool(component.baseline) and self.true(component.baseline_rule, scene)
            )
            unit = (
                {"payee": "", "customer": scene.customer or ""}.get(component.each)
                if component.each in ("payee", "customer")
                else scene.charge.get(component.each) or ""
            )
            column = self._column(component, span_of(component.calendar, month).start, scene)
            if component.counts_payments:
                of = (payee, unit or "", scene.customer, scene.charge.get(component.counted_column))
                rule = (outs[0][1] if outs else component.group_id) if out else ""
                key = (*of, month, column, self._weight(component, scene), rule)
                amount = (self.amount(scene.charge, component.basis) or ZERO) * part
                self.unpaid[component.rule_id][key] += amount
                continue
            counted = self._counted_with(component, scene)
            if counted is None:
                continue
            weight = self._weight(component, scene)
            key = (payee, unit, scene.customer, counted, column, based, weight)
            row = self.rows[component.rule_id].setdefault(
                key, Row(payee, unit or "", scene.customer, counted, column, weight)
            )
            amount = (self.amount(scene.charge, component.basis) or ZERO) * part
            row.amount += ZERO if out else amount
            row.qualifies |= not out
            if out:
                rule = outs[0][1] if outs else component.group_id
                self.outs[component.rule_id, payee, counted, rule][key] += amount

    def _counted_with(self, c: Component, scene: Scene) -> date | None:
        """The month with which a credit counts; None while its label has not come."""
        if not c.counted_label:
            return scene.month
        named = scene.charge.get(c.counted_column)
        first = self.book.first_day(named, c.counted_label)
        is_there = first is not None and first < self.paid[1]
        return max(scene.month, first.replace(day=1)) if first and is_there else None

    def _split_by_payments(self) -> None:
        """Count what is billed with the months in which its invoice is paid, as far as it is."""
        for component, amounts in self.unpaid.items():
            for (payee, unit, customer, of, month, column, weight, rule), amount in amounts.items():
                for paid_in, part in self._parts(of, month, amount):
                    key = (payee, unit, customer, paid_in, column, False, weight)
                    made = Row(payee, unit, customer, paid_in, column, weight)
                    row = self.rows[component].setdefault(key, made)
                    row.amount += ZERO if rule else part
                    row.qualifies |= not rule
                    if rule:
                        self.left_out[component, payee, paid_in, rule] += part

    def _parts(self, of: str | None, billed: date, amount: Decimal) -> list[tuple[date, Decimal]]:
        """The months with which parts of an amount count: each when so much of it is paid."""
        payments = [
            p
            for p in self.book.terms
            if isinstance(p, Payment) and of and p.reference == of
            if p.kind in ("invoice", "refund")
        ]
        payments.sort(key=lambda p: (p.day, p.payment))
        totals = [p.total for p in payments if p.total]
        mine = [p for p in payments if p.day < self.paid[1]]
        found: dict[date, Decimal] = defaultdict(lambda: ZERO)
        counted = ZERO
        for month in sorted({p.day.replace(day=1) for p in mine}) if totals else ():
            by_then = sum((p.amount for p in mine if p.day < shifted(month, 1)), ZERO)
            ratio = min(max(Fraction(by_then) / Fraction(totals[-1]), Fraction(0)), Fraction(1))
            part = rounded(Fraction(amount) * ratio, self.terms.round_mode, self.terms.round_per)
            part = amount if ratio == 1 else part
            found[max(month, billed)] += part - counted
            counted = part
        return list(found.items())

    def _weight(self, component: Component, scene: Scene) -> int:
        """The number of the first weight whose condition holds; 0 where none does."""
        mine = [w for w in self.plan.weights if w.component == component.rule_id]
        numbers = [w.weight_no for w in mine if self.true(w.rule_id, scene)]
        return min(numbers, default=0)

    def _column(self, component: Component, start: date, scene: Scene) -> int:
        """The column of the version of its table that was in force; 0 where there is none."""
        versions = {
            b.valid_from
            for b in self.plan.bands
            if b.table_id == component.table_id and b.valid_from <= start < b.valid_to
        }
        columns = sorted(
            (x.column_no, x.rule_id)
            for x in self.plan.columns
            if x.table_id == component.table_id and x.version in versions
        )
        return next((number for number, rule in columns if self.true(rule, scene)), 0)

    # --- what it earns ---------------------------------------------------------------------------

    def bases(self, component: Component) -> dict[Key, Base]:
        """What the component measures by payee, unit and period."""
        used: dict[Any, Decimal] = defaultdict(lambda: ZERO)
        rows = sorted(
            self.rows[component.rule_id].items(),
            key=lambda item: (item[1].month, item[1].unit, item[1].column),
        )
        found: dict[Key, Base] = defaultdict(Base)
        spent: dict[tuple[Key, str | None], Decimal] = defaultdict(lambda: ZERO)
        met: dict[tuple[Key, bool], dict[int, Decimal]]
        met = defaultdict(lambda: defaultdict(lambda: ZERO))
        weights = {
            w.weight_no: w.weight for w in self.plan.weights if w.component == component.rule_id
        }
        for (*_, based, _), row in rows:
            row.counted = row.amount * weights.get(row.weight, 1)
            if based:
                span = span_of(component.baseline_calendar, row.month).key
                floor = (
                    self.book.figure(row.customer or "", component.baseline, span, self.currency)
                    or ZERO
                )
                before = used[row.payee, row.customer, span]
                used[row.payee, row.customer, span] = before + row.amount
                row.counted = max(before + row.amount - floor, ZERO) - max(before - floor, ZERO)
            key = (row.payee, row.unit, span_of(component.calendar, row.month))
            found[key].spend += row.counted
            met[key, row.qualifies][row.column] += row.counted
            spent[key, row.customer] += row.counted
        for key, base in found.items():
            base.columns = met[key, True] or met[key, False]
        self.scopes[component.rule_id] = self.in_scope(component)
        self.customers |= {unit for _, unit, _ in self.scopes[component.rule_id]} - {""}
        for key in self.scopes[component.rule_id]:
            if key not in found:
                found[key].scoped = True
        self._count_for_months(component, [row for _, row in rows], found)
        for (key, customer), amount in spent.items():
            found[key].refunded += bool(component.less_refunded and amount < 0)
            if component.counts_months:
                continue
            enough = (
                amount > 0 if component.counts_from is None else amount >= component.counts_from
            )
            new = customer in self.since and key[2].start <= self.since[customer] < key[2].end
            if enough and (component.counts == "customers" or new):
                found[key].customers.add(customer)
        for (payee, unit, span), base in found.items():
            owner = unit if component.plus_of == "customer" else payee
            plus = self.book.figure(owner, component.plus, span.key, self.currency) or ZERO
            if plus:
                base.columns = {0: base.columns.get(0, ZERO) + plus}
            base.amount = (
                base.spend + plus
                if component.counts == "amount"
                else Decimal(len(base.customers) - base.refunded)
            )
            self._bound(component, base)
        for payee, unit, span in found:
            found[payee, unit, span].to_date = sum(
                (
                    b.amount
                    for (p, u, s), b in found.items()
                    if (p, u) == (payee, unit) and s.start <= span.start
                ),
                ZERO,
            )
        return found

    def _count_for_months(self, c: Component, rows: list[Row], found: dict[Key, Base]) -> None:
        """Count the customers that are enough in each of some months."""
        if not c.counts_months:
            return
        spent: dict[tuple[str, str, str | None], dict[date, Decimal]]
        spent = defaultdict(lambda: defaultdict(lambda: ZERO))
        for row in rows:
            spent[row.payee, row.unit, row.customer][row.month] += row.counted
        for (payee, unit, customer), by_month in spent.items():
            for payee_of, unit_of, span in list(found):
                if (payee_of, unit_of) != (payee, unit):
                    continue
                last = span.paid
                if c.counts == "new customers":
                    if customer not in self.since:
                        continue
                    last = shifted(self.since[customer].replace(day=1), c.counts_months - 1)
                    if not span.start <= last < span.end:
                        continue
                amounts = [by_month.get(shifted(last, -n), ZERO) for n in range(c.counts_months)]
                low = c.counts_from
                if all(a > 0 if low is None else a >= low for a in amounts):
                    found[payee, unit, span].customers.add(customer)

    def in_scope(self, c: Component) -> dict[Key, date]:
        """Who has a line without a credit, by unit and period; and since which day of it.

        Links begin and end on some days, labels and figures are those of the period: on the others
        it is as on the day before.
        """
        found: dict[Key, date] = {}
        turns = {day for x in self.book.links for day in (x.valid_from, x.valid_to)}
        if c.scope != "holders":
            turns = set()
        day, before = date(self.paid[0].year - 3, 1, 1), None
        while c.scope and day < self.paid[1]:
            span = span_of(c.calendar, day)
            if span.paid < self.paid[1] and (span != before or day in turns):
                for payee, unit in self._in_scope_on(c, day, span):
                    found.setdefault((payee, unit, span), day)
            day, before = day + timedelta(days=1), span
        return found

    def _in_scope_on(self, c: Component, day: date, span: Span) -> set[tuple[str, str]]:
        """Payees and units that are in scope on a day."""
        if c.scope == "holders":
            held = {
                (kind, issuer, subject): self.book.held(kind, issuer, subject, day).get(c.role)
                or []
                for kind, issuer, subject in self.book.by_subject
                if c.each == "payee" or kind == "customer"
            }
            return {
                (link.party, subject if c.each == "customer" else "")
                for (_, _, subject), links in held.items()
                for link in links
            }
        if c.scope == "label":
            values = {p: self.book.label(p, c.scope_name, span.start) for p in self.book.by_party}
            meant = {p for p, v in values.items() if v and c.scope_value in ("", v)}
        else:
            named = [key for key, rows in self.book.by_figure.items() if len(rows) == 1]
            meant = {p for p, name, key in named if (name, key) == (c.scope_name, span.key)}
        fits = KINDS.get(c.role)
        kinds = self.book.kinds
        return {(p, "") for p in meant if not fits or kinds.get(p, fits[0]) in fits}

    @staticmethod
    def _bound(component: Component, base: Base) -> None:
        if component.up_to is None:
            return
        base.amount = min(base.amount, component.up_to)
        reached = ZERO
        for column in sorted(base.columns):
            before, reached = reached, reached + base.columns[column]
            base.columns[column] = min(reached, component.up_to) - min(before, component.up_to)

    def _earn(self, component: Component) -> None:
        bases = self.figured[component.rule_id]
        for (payee, unit, span), base in bases.items():
            if (
                not self.terms.valid_from <= span.start < self.terms.valid_to
                or span.paid >= self.paid[1]
            ):
                continue
            exact, reason = self._pay(component, payee, unit, span, base)
            if base.scoped and reason == "payee":
                continue
            self.answer.own[component.rule_id, payee, span.key, unit] = (
                rounded(exact, self.terms.round_mode, self.terms.round_per),
                reason,
            )

    def _figure(self, name: str, of: str, payee: str, unit: str, span: Span) -> Decimal | None:
        return (
            self.book.figure(unit if of == "customer" else payee, name, span.key, self.currency, "")
            if name
            else None
        )

    def _compared(self, c: Component, payee: str, unit: str, span: Span) -> Decimal | None:
        """What the measure is compared with; what is absent counts as the plan says."""
        found = self._compared_with(c, payee, unit, span)
        absent = c.absent_figure if c.compare == "figure" else c.absent_period
        return absent if found is None and c.compare else found

    def _compared_with(self, c: Component, payee: str, unit: str, span: Span) -> Decimal | None:
        bases = self.figured[c.rule_id]
        if c.compare == "last year":
            found = [
                b
                for (p, u, s), b in bases.items()
                if (p, u) == (payee, unit) and s.start == shifted(span.start, -12)
            ]
            return found[0].amount if found else None
        if c.compare == "previous period":
            found = [
                b
                for (p, u, s), b in bases.items()
                if (p, u) == (payee, unit) and s.end == span.start
            ]
            return found[0].amount if found else None
        if c.compare == "periods before":
            found = [
                b
                for (p, u, s), b in bases.items()
                if (p, u) == (payee, unit) and shifted(s.start, c.compare_lag) == span.start
            ]
            return found[0].amount if found else None
        if c.compare == "figure":
            return self._figure(c.compare_name, c.compare_of, payee, unit, span)
        if not c.compare:
            return None
        rows = list(self.rows[c.rule_id].values())
        mine = {
            r.customer
            for r in rows
            if (r.payee, r.unit) == (payee, unit)
            and span.start <= r.month < span.end
            and r.customer
        }
        before = [
            r.counted
            for r in rows
            if r.customer in mine and shifted(span.start, -12) <= r.month < shifted(span.end, -12)
        ]
        return sum(before, ZERO) if before else None

    def _pay(
        self, c: Component, payee: str, unit: str, span: Span, base: Base
    ) -> tuple[Fraction, str]:
        """What is earned by itself, exactly, and why."""
        nothing = Fraction(0)

        if c.scope in ("label", "figure") and (payee, "", span) not in self.scopes[c.rule_id]:
            return nothing, "not-in-scope"
        if c.payee_rule and not holds(
            self.trees[c.payee_rule], Payee(self.book, payee, span.start)
        ):
            return nothing, "payee"
        if c.each != "payee" and not unit:
            return nothing, "no-unit"
        numbers = self._numbers(c, payee, unit, span, base)
        lacking = self._lacking(c, numbers)
        if lacking:
            return nothing, lacking
        gates = [g for g in self.plan.gates if g.component == c.rule_id and g.subject != "earned"]
        if not all(self._open(gate, payee, unit, span, numbers) for gate in gates):
            return nothing, "gate"
        if c.pays_on != "amount" and len(base.columns) > 1:
            return nothing, "two-columns"
        by_bands = self._by_bands(c, span, base, numbers)
        factor = self._factor(c, span, numbers)
        if by_bands is None or factor is None:
            return (Fraction(c.floor), "floor") if c.floor else (nothing, "no-band")
        return self._limited(c, base, by_bands * Fraction(c.portion) / c.portion_per * factor)

    @staticmethod
    def _limited(c: Component, base: Base, exact: Fraction) -> tuple[Fraction, str]:
        """What is paid of an outcome, within cap, floor and minimum."""
        cap = c.cap
        if cap is None and c.cap_rate is not None and base.amount >= 0:
            cap = c.cap_rate * base.amount
        paid = exact if cap is None else min(exact, Fraction(cap))
        if c.floor is not None and paid < c.floor:
            return Fraction(c.floor), "floor"
        if c.minimum is not None and exact > 0 and paid < c.minimum:
            return Fraction(0), "too-little"
        return paid, "capped" if paid < exact else "band"

    @staticmethod
    def _lacking(c: Component, numbers: dict[str, Decimal | None]) -> str:
        """Why nothing can be earned: something that the component reads is not there; or empty."""
        subjects = (c.reads_by, c.times_by)
        target, over = numbers["target"], numbers["compared"]
        if "attainment" in subjects and (target is None or target <= 0):
            return "no-target"
        for read, of in ((c.reads_by, "by target"), (c.times_by, "times target")):
            if read == "attainment of" and (numbers[of] is None or numbers[of] <= 0):
                return "no-target"
        if "growth" in subjects and (over is None or over <= 0):
            return "no-comparison"
        if ("increment" in subjects or c.pays_on == "increment") and over is None:
            return "no-comparison"
        read = (
            (c.pays_on, "figure"),
            (c.reads_by, "by figure"),
            (c.times_by, "times figure"),
        )
        if any(subject == "figure" and numbers[name] is None for subject, name in read):
            return "no-figure"
        if "rank" in subjects and numbers["rank"] is None:
            return "no-place"
        return ""

    def _by_bands(
        self, c: Component, span: Span, base: Base, numbers: dict[str, Decimal | None]
    ) -> Fraction | None:
        """What the bands that are reached pay, column by column; None where none is."""
        measure, reference = self._reading(c.reads_by, numbers, "by")
        paid_on = {"amount": base.amount, "increment": numbers["increment"]}
        whole = paid_on.get(c.pays_on, numbers["figure"]) or ZERO
        parts = {0: whole}
        if len(base.columns) > 1:
            parts = dict(base.columns)
        elif base.columns:
            parts = {next(iter(base.columns)): whole}
        bands = self._bands(c.table_id, span)
        if c.pays_on == "figure" and bands and bands[0].kind == "marginal":
            return self._cut_figure(whole, bands, Fraction(measure) / Fraction(reference))
        paid = [
            self._band(b, parts[b.column_no], measure, reference)
            for b in bands
            if b.column_no in parts and self._reached(b, measure, reference)
        ]
        return sum(paid, Fraction(0)) if paid else None

    @staticmethod
    def _cut_figure(whole: Decimal, bands: list[Band], reached: Fraction) -> Fraction | None:
        """What a figure pays that is earned bit by bit, as its target is reached."""
        paid = None
        for band in bands:
            start = Fraction(band.lower or 0)
            is_begun = band.lower is None or reached > start or (band.lower_in and reached == start)
            if is_begun:
                top = reached if band.upper is None else min(reached, Fraction(band.upper))
                paid = (paid or 0) + (top - start) * Fraction(band.rate or 0) * Fraction(whole)
        return paid

    def _factor(
        self, c: Component, span: Span, numbers: dict[str, Decimal | None]
    ) -> Fraction | None:
        """What `times` multiplies by; None where it has no band."""
        if not c.times_table:
            return Fraction(1)
        by, per = self._reading(c.times_by, numbers, "times")
        bands = self._bands(c.times_table, span)
        rates = [band.rate for band in bands if self._reached(band, by, per)]
        return Fraction(rates[0] or 0) if rates else None

    def _bands(self, table_id: str, span: Span) -> list[Band]:
        """The bands of a table that are in force when a period begins."""
        return [
            b
            for b in self.plan.bands
            if b.table_id == table_id and b.valid_from <= span.start < b.valid_to
        ]

    def _numbers(
        self, c: Component, payee: str, unit: str, span: Span, base: Base
    ) -> dict[str, Decimal | None]:
        over = self._compared(c, payee, unit, span)
        before = [
            b.spend
            for (p, u, s), b in self.figured[c.rule_id].items()
            if (p, u) == (payee, unit) and s.end == span.start
        ]
        return {
            "amount": base.amount,
            "amount to date": base.to_date,
            "amount over": self._over(c, payee, unit, span),
            "by other": self._other(c.by_name, payee, span),
            "by target": self._target_of(c.by_name, payee, span),
            "times other": self._other(c.times_name, payee, span),
            "times target": self._target_of(c.times_name, payee, span),
            "rank": self._place(c, payee, span),
            "spend": base.spend,
            "spend before": before[0] if before else ZERO,
            "compared": over,
            "increment": None if over is None else base.amount - over,
            "target": self._figure(c.target, c.target_of, payee, unit, span),
            "figure": self._read(c, c.on_name, c.on_of, payee, unit, span),
            "by figure": self._read(c, c.by_name, c.by_of, payee, unit, span),
            "times figure": self._read(c, c.times_name, c.times_of, payee, unit, span),
        }

    def _over(self, c: Component, payee: str, unit: str, span: Span) -> Decimal:
        """What is measured within the window that ends with a period."""
        if c.window_calendar:
            start = span_of(c.window_calendar, span.start).start
        else:
            start = shifted(span.end, -c.window_months)
        return sum(
            (
                b.amount
                for (p, u, s), b in self.figured[c.rule_id].items()
                if self._sums_with(c, payee, p, span) and u == unit
                if start <= s.start and s.end <= span.end
            ),
            ZERO,
        )

    def _sums_with(self, c: Component, payee: str, other: str, span: Span) -> bool:
        """Whether a window of a payee is over what another is measured, too."""
        if payee == other or not c.window_all:
            return payee == other
        own, theirs = (self.book.label(p, c.window_among, span.start) for p in (payee, other))
        return not c.window_among or (own is not None and own == theirs)

    def _place(self, c: Component, payee: str, span: Span) -> Decimal | None:
        """The place of a payee among those of its label, by what the component measures."""
        if not c.ties:
            return None
        amounts = {
            other: Fraction(base.amount) / self._ranked_per(c, other, span)
            for (other, _, of), base in self.figured[c.rule_id].items()
            if of == span and base.amount > 0 and self._is_ranked(c, other, span)
        }
        if payee not in amounts:
            return None
        among = [
            amount
            for other, amount in amounts.items()
            if not c.ranks_among
            or self.book.label(other, c.ranks_among, span.start)
            == self.book.label(payee, c.ranks_among, span.start)
        ]
        if c.ties == "better place":
            return Decimal(1 + sum(amount > amounts[payee] for amount in among))
        return Decimal(sum(amount >= amounts[payee] for amount in among))

    def _is_ranked(self, c: Component, payee: str, span: Span) -> bool:
        """Whether a payee that is measured more than 0 has a place."""
        if self._ranked_per(c, payee, span) <= 0:
            return False
        if c.scope in ("label", "figure") and (payee, "", span) not in self.scopes[c.rule_id]:
            return False
        if c.payee_rule and not holds(
            self.trees[c.payee_rule], Payee(self.book, payee, span.start)
        ):
            return False
        return not c.ranks_among or self.book.label(payee, c.ranks_among, span.start) is not None

    def _ranked_per(self, c: Component, payee: str, span: Span) -> Fraction:
        """What a measure is divided by before places are given: the target, or 1; 0: no target."""
        if c.ranks_by == "amount":
            return Fraction(1)
        return Fraction(self._figure(c.target, c.target_of, payee, "", span) or 0)

    def _other(self, name: str, payee: str, span: Span) -> Decimal:
        """What another component measures for a payee; nothing where it has no line."""
        base = self.figured.get(name, {}).get((payee, "", span))
        return base.amount if base else ZERO

    def _target_of(self, name: str, payee: str, span: Span) -> Decimal | None:
        """The target of another component."""
        own = [c.target for c in self.plan.components if c.rule_id == name]
        return self._figure(own[0], "payee", payee, "", span) if own else None

    def _read(
        self, c: Component, name: str, of: str, payee: str, unit: str, span: Span
    ) -> Decimal | None:
        """A figure that is paid on or picks a band; what is absent counts as the plan says."""
        found = self._figure(name, of, payee, unit, span)
        return c.absent_figure if found is None else found

    @staticmethod
    def _reading(
        subject: str, numbers: dict[str, Decimal | None], which: str
    ) -> tuple[Decimal, Decimal]:
        """What is compared with bounds, and what the bounds are multiplied with."""
        name = {
            "attainment": "amount",
            "growth": "increment",
            "figure": f"{which} figure",
            "amount of": f"{which} other",
            "attainment of": f"{which} other",
        }.get(subject, subject)
        references = {
            "attainment": numbers["target"],
            "growth": numbers["compared"],
            "attainment of": numbers[f"{which} target"],
        }
        reference = references.get(subject) or Decimal(1)
        return numbers[name] or ZERO, reference

    def _open(
        self, gate: Gate, payee: str, unit: str, span: Span, numbers: dict[str, Decimal | None]
    ) -> bool:
        absent = next(c for c in self.plan.components if c.rule_id == gate.component).absent_figure
        figure = self._figure(gate.name, gate.of, payee, unit, span)
        values = numbers | {
            "figure": absent if figure is None else figure,
            "attainment": numbers["amount"],
            "growth": numbers["increment"],
            "amount of": self._other(gate.name, payee, span),
            "attainment of": self._other(gate.name, payee, span),
        }
        value = values[gate.subject]
        references = {
            "attainment": numbers["target"],
            "growth": numbers["compared"],
            "attainment of": self._target_of(gate.name, payee, span),
        }
        reference = references.get(gate.subject, Decimal(1))
        return (
            value is not None
            and reference is not None
            and reference > 0
            and within(gate, value, reference)
        )

    @staticmethod
    def _reached(band: Band, measure: Decimal, reference: Decimal) -> bool:
        low = (
            band.lower is None
            or measure > band.lower * reference
            or (band.lower_in and measure == band.lower * reference)
        )
        return low if band.kind == "marginal" else low and within(band, measure, reference)

    @staticmethod
    def _band(band: Band, base: Decimal, measure: Decimal, reference: Decimal) -> Fraction:
        if band.flat is not None:
            return Fraction(band.flat)
        if band.kind == "marginal":
            top = measure if band.upper is None else min(measure, band.upper * reference)
            base = top - (ZERO if band.lower is None else band.lower * reference)
        rate = Fraction(band.rate or 0)
        if band.kind == "interpolated" and band.upper is not None and band.lower is not None:
            way = (Fraction(measure) - Fraction(band.lower * reference)) / Fraction(
                (band.upper - band.lower) * reference
            )
            rate += (Fraction(band.rate_to or 0) - rate) * way
        return Fraction(base) * rate


def within(bounds: Band | Gate, value: Decimal, reference: Decimal) -> bool:
    """Whether a value lies within bounds."""
    low = (
        bounds.lower is None
        or value > bounds.lower * reference
        or (bounds.lower_in and value == bounds.lower * reference)
    )
    return low and (
        bounds.upper is None
        or value < bounds.upper * reference
        or (bounds.upper_in and value == bounds.upper * reference)
    )
