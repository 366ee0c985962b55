"""An independent auditor: plain Python and Decimal, one charge at a time, no SQL, no grouping, no code of the engine but the row types.

It says what must come out for given charges, book facts and a plan. Slow and obvious on purpose.
"""

from __future__ import annotations

import json
from collections import defaultdict
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import ROUND_DOWN, ROUND_HALF_EVEN, ROUND_HALF_UP, Decimal, getcontext
from typing import Any
from zoneinfo import ZoneInfo

from fenrun.book.rows import Figure, Label, Link
from fenrun.plan.rows import Band, Component, Plan

getcontext().prec = 100
ZERO = Decimal(0)
COST = {"billed": "BilledCost", "contracted": "ContractedCost", "list": "ListCost", "effective": "EffectiveCost"}


@dataclass
class Answer:
    """What must come out."""

    credited: dict[tuple[date, str, str], Decimal] = field(default_factory=lambda: defaultdict(lambda: ZERO))
    """By month, payee, role."""
    uncredited: dict[date, Decimal] = field(default_factory=lambda: defaultdict(lambda: ZERO))
    earned: dict[tuple[str, str, str], Decimal] = field(default_factory=dict)
    """By component, payee, period."""
    reasons: dict[tuple[str, str, str], str] = field(default_factory=dict)


class Book:
    """Facts as last known, looked up by walking over them."""

    def __init__(self, facts: list[tuple[datetime, Any]]):
        self.links = self._latest([(k, f) for k, f in facts if isinstance(f, Link)], lambda f: f.link_id)
        self.labels = self._latest([(k, f) for k, f in facts if isinstance(f, Label)], lambda f: (f.party, f.label, f.valid_from))
        self.figures = self._latest([(k, f) for k, f in facts if isinstance(f, Figure)], lambda f: (f.party, f.figure, f.period))
        self.by_subject: dict[tuple[str, str, str], list[Link]] = defaultdict(list)
        for link in self.links:
            self.by_subject[link.of_kind, link.issuer, link.subject].append(link)
        self.by_party: dict[str, list[Label]] = defaultdict(list)
        for label in self.labels:
            self.by_party[label.party].append(label)
        self.by_figure: dict[tuple[str, str, str], list[Figure]] = defaultdict(list)
        for figure in self.figures:
            self.by_figure[figure.party, figure.figure, figure.period].append(figure)

    @staticmethod
    def _latest(facts: list[tuple[datetime, Any]], identity: Any) -> list[Any]:
        last: dict[Any, datetime] = {}
        for known, fact in facts:
            last[identity(fact)] = max(known, last.get(identity(fact), known))
        kept = {}
        for known, fact in facts:
            if known == last[identity(fact)]:
                plain = {k: v for k, v in vars(fact).items() if k != "row_no"}
                kept[repr(sorted(plain.items()))] = fact
        return list(kept.values())

    def held(self, of_kind: str, issuer: str, subject: str | None, day: date) -> dict[str, list[Link] | None]:
        """Role to its links on a day; None where more than the whole is held."""
        found: dict[str, list[Link]] = defaultdict(list)
        for link in self.by_subject.get((of_kind, issuer, subject or ""), []):
            if link.valid_from <= day < link.valid_to:
                found[link.role].append(link)
        return {role: links if sum(x.share for x in links) <= 1 else None for role, links in found.items()}

    def label(self, party: str | None, label: str, day: date) -> str | None:
        values = [x.value for x in self.by_party.get(party or "", []) if x.label == label and x.valid_from <= day < x.valid_to]
        return values[0] if len(values) == 1 else None

    def figure(self, party: str, name: str, period: str, currency: str) -> Decimal | None:
        found = self.by_figure.get((party, name, period), [])
        return found[0].amount if len(found) == 1 and found[0].currency == currency else None


def holds(tree: Any, text: Any, number: Any) -> bool:
    """Whether a condition holds. `text(name)` and `number(column)` read; None is: no value."""
    kind = tree[0]
    if kind == "all":
        return all(holds(t, text, number) for t in tree[1])
    if kind == "any":
        return any(holds(t, text, number) for t in tree[1])
    if kind == "not":
        return not holds(tree[1], text, number)
    if kind == "in":
        return text(tree[1]) in tree[2]
    if kind == "starts":
        return (text(tree[1]) or "").startswith(tree[2]) and text(tree[1]) is not None
    if kind == "missing":
        return text(tree[1]) is None
    if kind == "below":
        one, other = number(COST[tree[1]]), number(COST[tree[3]])
        return one is not None and other is not None and abs(one) < abs(other) * Decimal(tree[2])
    value, wanted = number(tree[1]), Decimal(tree[3])
    return value is not None and {"<": value < wanted, "<=": value <= wanted, ">": value > wanted, ">=": value >= wanted}[tree[2]]


def months_of(per: str, month: date) -> tuple[str, date]:
    """The key and first day of the month's, quarter's or year's period."""
    if per == "month":
        return f"{month.year}-{month.month:02d}", month
    if per == "quarter":
        quarter = (month.month - 1) // 3
        return f"{month.year}-Q{quarter + 1}", date(month.year, quarter * 3 + 1, 1)
    return f"{month.year}", date(month.year, 1, 1)


def ends_in(per: str, start: date) -> date:
    """First day of the last month of a period."""
    months = {"month": 1, "quarter": 3, "year": 12}[per]
    after = start.year * 12 + start.month - 1 + months - 1
    return date(after // 12, after % 12 + 1, 1)


def audit(charges: list[dict[str, Any]], facts: list[tuple[datetime, Any]], plan: Plan, paid: tuple[date, date]) -> Answer:
    """What must come out for statements of months from paid[0] up to, not including, paid[1]."""
    return _Audit(charges, Book(facts), plan, paid).run()


class _Audit:
    def __init__(self, charges: list[dict[str, Any]], book: Book, plan: Plan, paid: tuple[date, date]):
        self.charges, self.book, self.plan, self.paid = charges, book, plan, paid
        self.terms = plan.terms[0]
        self.trees = {c.rule_id: json.loads(c.tree) for c in plan.conditions}
        self.zone = ZoneInfo(self.terms.timezone)
        self.answer = Answer()
        # component -> (payee, customer, month) -> amount, apart for what is set against a baseline
        self.free: dict[str, dict[tuple[str, str | None, date], Decimal]] = defaultdict(lambda: defaultdict(lambda: ZERO))
        self.based: dict[str, dict[tuple[str, str | None, date], Decimal]] = defaultdict(lambda: defaultdict(lambda: ZERO))

    def run(self) -> Answer:
        for charge in self.charges:
            if charge["BillingCurrency"] == self.terms.currency:
                self._credit(charge)
        for component in self.plan.components:
            self._earn(component)
        return self.answer

    def _amount(self, charge: dict[str, Any]) -> Decimal:
        costs = [charge.get(COST[word]) for word in self.terms.basis.split("|")]
        if any(c is None for c in costs):
            return ZERO
        return min(costs, key=abs)

    def _credit(self, charge: dict[str, Any]) -> None:
        moment = charge["ChargePeriodStart"].replace(tzinfo=ZoneInfo("UTC")).astimezone(self.zone)
        day, month = moment.date(), (charge["BillingPeriodStart"] + timedelta(days=1)).date().replace(day=1)
        amount, issuer = self._amount(charge), charge["InvoiceIssuerName"]
        owners = self.book.held("sub-account", issuer, charge.get("SubAccountId"), day) if charge.get("SubAccountId") else {}
        if "customer" not in owners:
            owners = self.book.held("account", issuer, charge["BillingAccountId"], day)
        links = owners.get("customer") or []
        best: dict[str, Decimal] = defaultdict(lambda: ZERO)
        for customer, share in [(x.party, x.share) for x in links] or [(None, Decimal(1))]:
            self._credit_customer(charge, customer, share, amount, day, month, best)
        if self.paid[0] <= month < self.paid[1]:
            self.answer.uncredited[month] += amount * (1 - max(best.values(), default=ZERO))

    def _credit_customer(self, charge: dict[str, Any], customer: str | None, share: Decimal, amount: Decimal, day: date, month: date, best: dict[str, Decimal]) -> None:
        def text(name: str) -> str | None:
            return charge.get(name) if name[0].isupper() or name.startswith("x_") else self.book.label(customer, name, day)

        def true(rule: str) -> bool:
            return rule not in self.trees or holds(self.trees[rule], text, charge.get)

        clause = next((c for c in sorted(self.plan.credit_clauses, key=lambda c: c.rank) if true(c.rule_id)), None)
        if clause is None:
            return
        held: dict[str, list[Link] | None] = self.book.held("customer", "", customer, day) if customer else {}
        if charge.get("x_OrderId"):
            held |= self.book.held("order", charge["InvoiceIssuerName"], charge["x_OrderId"], day)
        roles = [r.role for r in sorted((r for r in self.plan.credit_roles if r.rule_id == clause.rule_id), key=lambda r: r.role_rank) if r.role in held]
        for role in roles[:1] if clause.mode == "single" else roles:
            for link in held[role] or []:
                part = amount * share * link.share
                best[role] += share * link.share
                self._count(role, link.party, customer, part, day, month, true)
                for up in (u for u in self.plan.roll_ups if (u.rule_id, u.role) == (clause.rule_id, role)):
                    for above in self.book.held("party", "", link.party, day).get(up.to_role) or []:
                        self._count(up.to_role, above.party, customer, part * above.share, day, month, true)

    def _count(self, role: str, payee: str, customer: str | None, amount: Decimal, day: date, month: date, true: Any) -> None:
        if self.paid[0] <= month < self.paid[1]:
            self.answer.credited[month, payee, role] += amount
        for component in (c for c in self.plan.components if c.role == role):
            mine = [x for x in self.plan.exclusions if x.component in ("", component.rule_id) and x.valid_from <= day < x.valid_to]
            key = (payee, customer, month)
            if any(true(x.rule_id) for x in mine):
                self.free[component.rule_id][key] += ZERO
            elif component.baseline and (not component.baseline_rule or true(component.baseline_rule)):
                self.based[component.rule_id][key] += amount
            else:
                self.free[component.rule_id][key] += amount

    def _bases(self, component: Component) -> dict[tuple[str, str, date], Decimal]:
        """Payee, period and its first day to the measured amount."""
        bases: dict[tuple[str, str, date], Decimal] = defaultdict(lambda: ZERO)
        for (payee, _, month), amount in self.free[component.rule_id].items():
            bases[(payee, *months_of(component.per, month))] += amount
        used: dict[tuple[str, str | None, str], Decimal] = defaultdict(lambda: ZERO)
        for (payee, customer, month), amount in sorted(self.based[component.rule_id].items(), key=lambda item: item[0][2]):
            span = months_of(component.baseline_per, month)[0]
            floor = self.book.figure(customer or "", component.baseline, span, self.terms.currency) or ZERO
            before = used[payee, customer, span]
            used[payee, customer, span] = before + amount
            bases[(payee, *months_of(component.per, month))] += max(before + amount - floor, ZERO) - max(before - floor, ZERO)
        return bases

    def _earn(self, component: Component) -> None:
        bases = self._bases(component)
        for (payee, period, start), amount in bases.items():
            if not self.terms.valid_from <= start < self.terms.valid_to or not self.paid[0] <= ends_in(component.per, start) < self.paid[1]:
                continue
            before = bases.get((payee, months_of(component.per, start.replace(year=start.year - 1))[0], start.replace(year=start.year - 1)))
            exact, reason = self._pay(component, payee, period, start, amount, before)
            key = (component.rule_id, payee, period)
            self.answer.earned[key], self.answer.reasons[key] = self._round(exact), reason

    def _pay(self, c: Component, payee: str, period: str, start: date, amount: Decimal, before: Decimal | None) -> tuple[Decimal, str]:
        def text(name: str) -> str | None:
            return self.book.label(payee, name, start)

        currency = self.terms.currency
        if c.payee_rule and not holds(self.trees[c.payee_rule], text, lambda name: None):
            return ZERO, "payee"
        target = self.book.figure(payee, c.target, period, currency)
        compared = before if c.compare == "last year" else self.book.figure(payee, c.compare, period, currency)
        figure = self.book.figure(payee, c.on_figure, period, currency)
        if c.reads_by == "attainment" and (target is None or target <= 0):
            return ZERO, "no-target"
        if (c.reads_by == "growth" and (compared is None or compared <= 0)) or ((c.reads_by == "increment" or c.pays_on == "increment") and compared is None):
            return ZERO, "no-comparison"
        if c.pays_on == "figure" and figure is None:
            return ZERO, "no-figure"
        increment = amount - (compared or ZERO)
        measure = amount if c.reads_by in ("amount", "attainment") else increment
        reference = {"attainment": target, "growth": compared}.get(c.reads_by) or Decimal(1)
        base = {"amount": amount, "increment": increment, "figure": figure}[c.pays_on] or ZERO
        bands = [b for b in self.plan.bands if b.table_id == c.table_id and b.valid_from <= start < b.valid_to]
        paid = [self._band(b, base, measure, reference) for b in bands if self._reached(b, measure, reference)]
        if not paid:
            return ZERO, "no-band"
        exact = sum(paid, ZERO) * c.portion
        if c.cap is not None and exact > c.cap:
            return c.cap, "capped"
        return exact, "band"

    @staticmethod
    def _reached(band: Band, measure: Decimal, reference: Decimal) -> bool:
        low = band.lower is None or measure > band.lower * reference or (band.lower_in and measure == band.lower * reference)
        if band.kind == "marginal":
            return low
        return low and (band.upper is None or measure < band.upper * reference or (band.upper_in and measure == band.upper * reference))

    @staticmethod
    def _band(band: Band, base: Decimal, measure: Decimal, reference: Decimal) -> Decimal:
        if band.flat is not None:
            return band.flat
        if band.kind == "marginal":
            top = measure if band.upper is None else min(measure, band.upper * reference)
            base = top - (ZERO if band.lower is None else band.lower * reference)
        return base * (band.rate or ZERO)

    def _round(self, exact: Decimal) -> Decimal:
        how = {"half up": ROUND_HALF_UP, "half even": ROUND_HALF_EVEN, "down": ROUND_DOWN}[self.terms.round_mode]
        return exact.quantize(self.terms.round_step, how)
