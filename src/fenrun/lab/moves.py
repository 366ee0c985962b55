"""The catalogue of moves: what somebody could do who is paid by a plan, with nothing sold.

associate  a rep's customers without a partner come under one (G01)
carry      half of a partner's customers follow people who leave it to another one (G02)
poach      customers without a partner come under one that hands a discount on to them (G10)
dump       customers of other partners do (G11)
steal      orders of another partner's customers are registered for a partner (G03)
pool       the customers of several partners are booked under one of them (G09)
deal       the customers of several partners are dealt anew among them, the best way there is
split      half of a partner's customers are booked under another one
relabel    customers of a partner, or the partner itself, get another value of a label that the
           plans read: region, class, level (G04)
shift      what a partner's customers are billed in a month is booked a month earlier or later (G09)
prepay     three periods are billed at once, and nothing in the two that follow (G08)
stuff      a partner buys what its customers lack to its next tier, and pays for it (G12)
recycle    a partner sells more for less than it pays, out of what the plan pays it (G05)
cycle      a partner and reps send goods round, and lose a part of their price (G06)
coupon     another customer's unspent coupon pays for usage of a partner's customer (G07)
commit     a partner's customers commit to more than they use
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import ROUND_CEILING, ROUND_DOWN, ROUND_UP, Decimal
from functools import cached_property
from typing import Any

from fenrun.base.problem import Refused
from fenrun.base.when import Period, parse_period
from fenrun.charges.rows import ORDER
from fenrun.engine.dialect import quoted
from fenrun.lab.answers import Rows, component_earned
from fenrun.lab.optimum import MOST_CUSTOMERS, Curve, best_dealing, curve_of, most_earned
from fenrun.lab.patched import Lab
from fenrun.lab.scenario_text import EFFECTIVE, NOBODY
from fenrun.plan.check.logic import labels_read
from fenrun.plan.rows import Component, Plan
from fenrun.plan.vocabulary import MONTHS_OF
from fenrun.pricing.charges import PricedCharges, charges_of
from fenrun.statement.run import Run
from fenrun.terms.as_of import terms_of
from fenrun.terms.in_plans import tables_read

_CHARGED = "SELECT DISTINCT month FROM ledger WHERE total != 0"
_NOTHING, _WHOLE = Decimal(0), Decimal(1)
_CENT = Decimal("0.01")
_STEP = Decimal("0.0001")
"""To which part of what is charged usage is changed."""
_MOST_VALUES = 6
"""The values of a label that are tried."""
_MOST_ORDERS = 5
"""The orders that are stolen: few are not noticed."""
_PERIODS = 3
"""The periods that are prepaid."""
_OVER = Decimal("1.1")
"""To how many times what they use customers commit."""


@dataclass(frozen=True)
class Assumed:
    """Assumptions on what moves cost, which no table says. They are told with every answer."""

    discount: Decimal = Decimal("0.1")
    """The part of the price that is handed on to customers who are drawn to a partner by it."""
    loss: Decimal = Decimal("0.05")
    """The part of the price that is lost when goods go round once."""
    interest: Decimal = Decimal("0.06")
    """Of a year, on what is paid before it is due."""
    shortfall: Decimal = Decimal("0.2")
    """The rate of what is missing of a commit that is owed."""


ASSUMED = Assumed()


@dataclass(frozen=True)
class Move:
    """Something that a coalition could do, as a scenario."""

    kind: str
    """One of MOVES."""
    coalition: tuple[str, ...]
    """Who gains by it together; the first is paid."""
    with_: str
    """Whose help it needs: `rep`, `partner`, `operator`, `customer`, or `label`: who enters it."""
    patch: Mapping[str, Any]
    """The patches of the scenario."""
    cost: Decimal = _NOTHING
    """What the coalition pays for it."""
    to_vendor: Decimal = _NOTHING
    """How much of that the vendor gets; below zero, what the vendor gives away by it."""
    later: tuple[int, Mapping[str, Any]] | None = None
    """So many periods that follow, as they are after it: with these patches."""
    most: Decimal | None = None
    """No move of its kind can gain more, where that is proven."""
    said: Mapping[str, Any] = field(default_factory=dict)
    """What its sentence names besides the coalition and its cost."""


class Catalogue:
    """The moves that are there for a period's payees."""

    def __init__(
        self, lab: Lab, plans: Sequence[Plan], run: Run, largest: int, assumed: Assumed = ASSUMED
    ):
        """They are tried with so many of the `largest` partners and reps."""
        self.lab, self.plans, self.run, self.assumed = lab, plans, run, assumed
        book, day = lab.chooser.book, lab.period.last_day
        self.labels = book.labels(day)
        self.held: dict[str, dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
        """Role, holder and the customers on the period's last day."""
        self.customer_of: dict[tuple[str, str], str] = {}
        """Whose an account is, by who bills it and its id."""
        for link in book.of("links"):
            if not link.valid_from <= day < link.valid_to:
                continue
            if link.of_kind == "customer":
                self.held[link.role][link.party].add(link.subject)
            elif link.of_kind == "account" and link.role == "customer":
                self.customer_of[link.issuer, link.subject] = link.party
        self.partners = self._largest("partner", largest)
        self.reps = self._largest("rep", largest)

    def moves(self, kinds: Iterable[str]) -> Iterator[Move]:
        """Yield the moves of some kinds that are tried."""
        roles = {c.role for plan in self.plans for c in plan.components}
        for kind in kinds:
            if kind == "relabel" or "partner" in roles:
                yield from MOVES[kind](self)

    def _largest(self, role: str, most: int) -> list[str]:
        """Return so many largest holders of a role by what they are credited."""
        credited: dict[str, Decimal] = dict.fromkeys(self.held[role], _NOTHING)
        for row in self.run.engine.table("statements").to_pylist():
            if row["role"] == role and row["payee"] in credited:
                credited[row["payee"]] += row["credited"]
        ranked = sorted(credited, key=lambda party: (-credited[party], party))
        return ranked[:most]

    def _pairs(self) -> Iterator[tuple[str, str]]:
        """Yield each partner with each other one."""
        for one in self.partners:
            yield from ((one, other) for other in self.partners if other != one)

    def _customers(self, partner: str) -> list[str]:
        return sorted(self.held["partner"][partner])

    def _free(self) -> set[str]:
        """Return the customers without a partner."""
        owned = {k for customers in self.held["partner"].values() for k in customers}
        listed = (row for row in self.lab.chooser.book.of("parties") if row.kind == "customer")
        return {row.party for row in listed} - owned

    @cached_property
    def spent(self) -> dict[str, Decimal]:
        """The charges of customers in the period."""
        return self._spending(self.lab.period)

    @cached_property
    def spent_last(self) -> dict[str, Decimal]:
        """The charges of customers in the last month of the period."""
        return self._spending(self.last)

    @property
    def last(self) -> Period:
        """The last month of the period."""
        return parse_period(self.lab.period.months[-1])

    def _spending(self, months: Period) -> dict[str, Decimal]:
        """Return what is charged to customers; nothing where plans count in different costs."""
        try:
            return self.lab.spend(months)
        except Refused:
            return {}

    def _sum(self, spent: Mapping[str, Decimal], customers: Iterable[str]) -> Decimal:
        return sum((spent.get(one, _NOTHING) for one in customers), _NOTHING)

    # --- whose business it is -----------------------------------------------------------------

    def associate(self) -> Iterator[Move]:
        """Yield each rep's customers without a partner, under each of the partners."""
        everybody = self._free()
        for rep in self.reps:
            free = sorted(self.held["rep"][rep] & everybody)
            for partner in self.partners if free else ():
                move = {"role": "partner", "holder": NOBODY, "to": partner, "parties": free}
                yield Move("associate", (partner, rep), "rep", {"moves": [move]})

    def carry(self) -> Iterator[Move]:
        """Yield half of each partner's customers under each other one, who gains alone."""
        for one, other in self._pairs():
            half = self._customers(other)[::2]
            move = {"role": "partner", "holder": other, "to": one, "parties": half}
            said = {"other": other, "count": len(half)}
            if half:
                yield Move("carry", (one,), "partner", {"moves": [move]}, said=said)

    def poach(self) -> Iterator[Move]:
        """Yield the customers without a partner under each that hands a discount on to them."""
        free = sorted(one for one in self._free() if self.spent.get(one, _NOTHING) > 0)
        for partner in self.partners if free else ():
            yield self._undercut("poach", partner, NOBODY, free)

    def dump(self) -> Iterator[Move]:
        """Yield the customers of each partner under each other one that hands a discount on."""
        for one, other in self._pairs():
            yield self._undercut("dump", one, other, self._customers(other))

    def _undercut(self, kind: str, partner: str, holder: str, customers: list[str]) -> Move:
        """Return customers who come for a discount, which the partner pays."""
        chosen, discount = {"parties": customers}, self.assumed.discount
        cheaper = {"contracted": f"-{_percent(discount)}", "customers": chosen}
        move = {"role": "partner", "holder": holder, "to": partner, **chosen}
        patch = {"moves": [move], "prices": [cheaper]}
        cost = discount * self._sum(self.spent, customers)
        said = {"other": holder, "count": len(customers), "by": _percent(discount)}
        return Move(kind, (partner,), "customer", patch, cost, said=said)

    def steal(self) -> Iterator[Move]:
        """Yield the largest orders of each partner's customers, registered for each other one."""
        orders = self._orders() if len(self.partners) > 1 else []
        for one, other in self._pairs():
            mine = [(issuer, o) for issuer, o, customer in orders if customer in self._of(other)]
            by_issuer: dict[str, list[str]] = defaultdict(list)
            for issuer, order in mine[:_MOST_ORDERS]:
                by_issuer[issuer].append(order)
            moves = [
                {
                    **{"of": "order", "role": "partner", "holder": NOBODY, "to": one},
                    **{"issuer": issuer, "parties": some},
                }
                for issuer, some in by_issuer.items()
            ]
            said = {"other": other, "count": len(mine[:_MOST_ORDERS])}
            if moves:
                yield Move("steal", (one,), "operator", {"moves": moves}, said=said)

    def _of(self, partner: str) -> set[str]:
        return self.held["partner"][partner]

    @cached_property
    def _priced(self) -> PricedCharges:
        return charges_of(self.lab.store, self.lab.period.span, self.lab.known)

    def _orders(self) -> list[tuple[str, str, str]]:
        """Return who bills an order, the order and its customer, the largest first."""
        if ORDER not in self._priced.columns:
            return []
        order = quoted(ORDER)
        rows = self._priced.engine.rows(
            f"SELECT InvoiceIssuerName AS issuer, {order} AS order_id, BillingAccountId AS account,"
            f" sum(BilledCost) AS billed FROM charges WHERE {order} IS NOT NULL"
            f" GROUP BY ALL ORDER BY billed DESC, order_id"
        )
        found = ((r["issuer"], r["order_id"], (r["issuer"], r["account"])) for r in rows)
        return [(i, o, self.customer_of[a]) for i, o, a in found if a in self.customer_of]

    def pool(self) -> Iterator[Move]:
        """Yield each partner's business under each other one."""
        for one, other in self._pairs():
            move = {"role": "partner", "holder": other, "to": one}
            yield Move("pool", (one, other), "partner", {"moves": [move]})

    def split(self) -> Iterator[Move]:
        """Yield half of each partner's customers under each other one."""
        for one, other in self._pairs():
            half = self._customers(one)[1::2]
            move = {"role": "partner", "holder": one, "to": other, "parties": half}
            if half:
                yield Move("split", (one, other), "partner", {"moves": [move]})

    def deal(self) -> Iterator[Move]:
        """Yield the best dealing of the partners' customers among them, with a bound on any.

        Only where one component alone pays partners, for the period, by amounts alone.
        """
        curve = self.curve
        if curve is None or len(self.partners) < 2:
            return
        holders = {k: p for p in self.partners for k in self._of(p)}
        ranked = sorted(holders, key=lambda k: (-self.spent.get(k, _NOTHING), k))[:MOST_CUSTOMERS]
        dealt = {k: self.spent[k] for k in ranked if self.spent.get(k, _NOTHING) > 0}
        of = {row["payee"]: row for row in self._lines}
        measured = {p: of[p]["measured"] if p in of else _NOTHING for p in self.partners}
        fixed = {p: m - self._sum(dealt, self._of(p)) for p, m in measured.items()}
        if not dealt or min(fixed.values()) < 0:
            return
        moved: dict[tuple[str, str], list[str]] = defaultdict(list)
        for customer, partner in best_dealing(curve, dealt, fixed).items():
            if holders[customer] != partner:
                moved[holders[customer], partner].append(customer)
        moves = [
            {"role": "partner", "holder": holder, "to": to, "parties": sorted(some)}
            for (holder, to), some in sorted(moved.items())
        ]
        now = sum((of[p]["earned"] for p in self.partners if p in of), _NOTHING)
        bound = most_earned(curve, sum(measured.values(), _NOTHING), len(self.partners)) - now
        said = {"count": sum(map(len, moved.values())), "other": len(self.partners) - 1}
        if moves:
            most = bound.quantize(_CENT, ROUND_CEILING)
            together = tuple(self.partners)
            yield Move("deal", together, "partner", {"moves": moves}, most=most, said=said)

    @cached_property
    def curve(self) -> Curve | None:
        """The pay of partners for an amount; None where the period has no one curve."""
        whole, of_partners = self.lab.period, self._of_partners()
        if len(of_partners) != 1 or MONTHS_OF[of_partners[0].per] != len(whole.months):
            return None
        (c,) = of_partners
        plan, _ = component_of(self.lab, c.plan_id, c.rule_id)
        start = whole.span.start
        bands = [b for b in plan.bands if b.table_id == c.table_id]
        curve = curve_of([b for b in bands if b.valid_from <= start < b.valid_to])
        rows = self._lines
        if curve is None or any(
            abs(curve.earned(row["measured"] or _NOTHING) - row["earned"]) > _CENT
            for row in rows
            if row["payee"] in self.held["partner"]
        ):
            return None  # something besides the table decides what is earned
        return curve

    def relabel(self) -> Iterator[Move]:
        """Yield other values of the labels that plans read, for a partner and its customers."""
        trees = {one.tree for plan in self.plans for one in plan.conditions}
        for name in sorted(labels_read(trees)):
            label = name.removeprefix("payee.").removeprefix("closing.")
            if "." in label or label in ("party", "consented"):
                continue
            values = sorted({own[label] for own in self.labels.values() if label in own})
            for partner in self.partners:
                mine = [partner] if name.startswith("payee.") else self._customers(partner)
                for value in values[:_MOST_VALUES]:
                    changed = [p for p in mine if self.labels.get(p, {}).get(label) != value]
                    patch = {"label": label, "value": value, "parties": changed}
                    said = {"label": label, "value": value, "count": len(changed)}
                    if changed:
                        yield Move("relabel", (partner,), "label", {"labels": [patch]}, said=said)

    # --- when it is billed --------------------------------------------------------------------

    def shift(self) -> Iterator[Move]:
        """Yield each month of the period booked in the one before or after it, for a partner.

        Only inside the period: what leaves it is not gone, and is counted in the next.
        """
        months = self.lab.period.months
        if not any(MONTHS_OF[c.per] < len(months) for c in self._of_partners()):
            return
        charged = {f"{row['month']:%Y-%m}" for row in self.run.engine.rows(_CHARGED)}
        for partner in self.partners:
            customers = {"parties": self._customers(partner)}
            for month, steps in _steps(months):
                if month not in charged:
                    continue
                patch = {"in": month, "months": steps, "customers": customers}
                said = {"month": month, "months": int(steps)}
                yield Move("shift", (partner,), "partner", {"shifts": [patch]}, said=said)

    def prepay(self) -> Iterator[Move]:
        """Yield what a partner's customers are billed in three periods, billed in one.

        Somebody pays it before it is due: of the second period one, of the third two early.
        """
        years = Decimal(len(self.lab.period.months)) / 12
        early = sum(range(_PERIODS))
        for partner in self.partners:
            customers = self._customers(partner)
            spent = self._sum(self.spent, customers)
            if spent <= 0:
                continue
            one = {"keep": EFFECTIVE, "customers": {"parties": customers}}
            now = {"usage": [{"by": f"+{_percent(Decimal(_PERIODS - 1))}", **one}]}
            later = {"usage": [{"by": "-100 %", **one}]}
            cost = (self.assumed.interest * years * early * spent).quantize(_STEP, ROUND_UP)
            following = (_PERIODS - 1, later)
            said = {"count": _PERIODS}
            yield Move("prepay", (partner,), "partner", now, cost, later=following, said=said)

    # --- what is bought -----------------------------------------------------------------------

    def stuff(self) -> Iterator[Move]:
        """Yield what a partner's customers lack to its next tier, bought in the last month."""
        for partner in self.partners:
            for part, amount in self._volumes(partner, self._lacks(partner)):
                yield self._bought("stuff", (partner,), "partner", part, amount, amount)

    def recycle(self) -> Iterator[Move]:
        """Yield more that a partner sells for less than it pays."""
        for partner in self.partners:
            for part, amount in self._volumes(partner, [*self._lacks(partner), None]):
                cost = self.assumed.discount * amount
                yield self._bought("recycle", (partner,), "customer", part, amount, cost)

    def cycle(self) -> Iterator[Move]:
        """Yield goods that a partner buys, and that come back, with the reps of its customers."""
        for partner in self.partners:
            reps = [rep for rep, mine in self.held["rep"].items() if mine & self._of(partner)]
            for part, amount in self._volumes(partner, [*self._lacks(partner), None]):
                cost = self.assumed.loss * amount
                yield self._bought("cycle", (partner, *sorted(reps)), "rep", part, amount, cost)

    def _bought(
        self,
        kind: str,
        coalition: tuple[str, ...],
        with_: str,
        part: Decimal,
        amount: Decimal,
        cost: Decimal,
    ) -> Move:
        """Return a part more of what the first of a coalition's customers buy in the last month."""
        customers, day = self._customers(coalition[0]), str(self.last.span.start)
        more = {"by": f"+{_percent(part)}", "customers": {"parties": customers}, "from": day}
        said = {"by": more["by"], "day": day, "amount": amount}
        to_vendor = cost if kind == "stuff" else _NOTHING
        return Move(kind, coalition, with_, {"usage": [more]}, cost, to_vendor, said=said)

    def _volumes(
        self, partner: str, amounts: Iterable[Decimal | None]
    ) -> Iterator[tuple[Decimal, Decimal]]:
        """Yield amounts as parts of the last month's, each with what it is; None is as much."""
        spent = self._sum(self.spent_last, self._customers(partner))
        for amount in amounts if spent > 0 else ():
            part = _WHOLE if amount is None else (amount / spent).quantize(_STEP, ROUND_UP)
            yield part, part * spent

    def _of_partners(self) -> list[Component]:
        return [c for plan in self.plans for c in plan.components if c.role == "partner"]

    @cached_property
    def _lines(self) -> Rows:
        return component_earned(self.run)

    def _lacks(self, partner: str) -> list[Decimal]:
        """Return what a partner's last line of each component lacks to the next tier of it."""
        rows = [row for row in self._lines if row["payee"] == partner]
        rows.sort(key=lambda row: str(row["period"]))
        last = {(row["plan_id"], row["component"]): row for row in rows}
        found = set()
        for (plan_id, component), row in last.items():
            plan, c = component_of(self.lab, plan_id, component)
            bands = [b for b in plan.bands if b.table_id == c.table_id and not b.ratio]
            measured = row["measured"] or _NOTHING
            lacks = [b.lower - measured for b in bands if b.lower is not None]
            found |= set(sorted(lack for lack in lacks if lack > 0)[:1])
        return sorted(found)

    # --- what is agreed -----------------------------------------------------------------------

    def coupon(self) -> Iterator[Move]:
        """Yield what is left of others' coupons, spent on a customer of each partner."""
        coupons = terms_of(self.lab.facts.terms).coupons
        for partner in self.partners if coupons else ():
            mine = sorted(self._of(partner), key=lambda k: (-self.spent_last.get(k, _NOTHING), k))
            spent = self.spent_last.get(mine[0], _NOTHING) if mine else _NOTHING
            for row in coupons if spent > 0 else ():
                left = (self._left_of(row) / spent).quantize(_STEP, ROUND_DOWN)
                if row["customer"] in mine or left <= 0:
                    continue
                chosen = {"parties": mine[:1]}
                patch = {"coupon": row["coupon"], "more": _percent(left), "customers": chosen}
                patch["from"], given = str(self.last.span.start), left * spent
                said = {"coupon": row["coupon"], "other": row["customer"], "customer": mine[0]}
                said["amount"] = given
                yield Move(
                    *("coupon", (partner,), "customer", {"coupons": [patch]}),
                    to_vendor=-given,
                    said=said,
                )

    def _left_of(self, coupon: Mapping[str, Any]) -> Decimal:
        """Return what is left of a coupon in the period's last month."""
        day, currency = self.last.span.start, {plan.currency for plan in self.plans}
        if not coupon["valid_from"] <= day < coupon["valid_to"]:
            return _NOTHING
        if {coupon["currency"]} != currency:
            return _NOTHING
        spent = _NOTHING
        if "x_CouponId" in self._priced.columns:
            (row,) = self._priced.engine.rows(
                "SELECT sum(BilledCost) AS spent FROM charges WHERE x_CouponId = ?",
                [coupon["coupon"]],
            )
            spent = row["spent"] or _NOTHING
        left: Decimal = coupon["amount"] + spent
        return left

    def commit(self) -> Iterator[Move]:
        """Yield commits of a partner's customers to more than they use, where plans ask of them."""
        if "agreements" not in tables_read(self.plans):
            return
        currency, span = self.plans[0].currency, self.lab.period.span
        days = {"from": str(span.start), "to": str(span.end)}
        for partner in self.partners:
            used = {k: self.spent.get(k, _NOTHING) for k in self._customers(partner)}
            agreed = [
                {
                    **{"agreement": f"commit-{k}", "customer": k, "amount": f"{_OVER * spent:f}"},
                    **days,
                    **{"currency": currency, "shortfall": _percent(self.assumed.shortfall)},
                }
                for k, spent in used.items()
                if spent > 0
            ]
            missing = (_OVER - 1) * sum(used.values(), _NOTHING)
            cost = self.assumed.shortfall * missing
            said = {"count": len(agreed), "by": _percent(_OVER - 1)}
            if agreed:
                patch = {"agreements": agreed}
                yield Move("commit", (partner,), "customer", patch, cost, cost, said=said)


MOVES: Mapping[str, Callable[[Catalogue], Iterator[Move]]] = {
    "associate": Catalogue.associate,
    "carry": Catalogue.carry,
    "poach": Catalogue.poach,
    "dump": Catalogue.dump,
    "steal": Catalogue.steal,
    "pool": Catalogue.pool,
    "deal": Catalogue.deal,
    "split": Catalogue.split,
    "relabel": Catalogue.relabel,
    "shift": Catalogue.shift,
    "prepay": Catalogue.prepay,
    "stuff": Catalogue.stuff,
    "recycle": Catalogue.recycle,
    "cycle": Catalogue.cycle,
    "coupon": Catalogue.coupon,
    "commit": Catalogue.commit,
}
"""The kinds of moves, each with what yields them."""

SCHEMES: Mapping[str, str] = {
    "G01": "associate",
    "G02": "carry",
    "G03": "steal",
    "G04": "relabel",
    "G05": "recycle",
    "G06": "cycle",
    "G07": "coupon",
    "G08": "prepay",
    "G09": "pool",
    "G10": "poach",
    "G11": "dump",
    "G12": "stuff",
    "G16": "carry",
}
"""The schemes of findings that make money as a kind of moves does."""


def component_of(lab: Lab, plan_id: str, component: str) -> tuple[Plan, Component]:
    """Return a plan and one of its components."""
    plan = next(plan for plan in lab.facts.plans if plan.id == plan_id)
    return plan, next(c for c in plan.components if c.rule_id == component)


def _percent(rate: Decimal) -> str:
    return f"{rate.scaleb(2).normalize():f} %"


def _steps(months: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Yield each of some months with a step to one beside it."""
    for number, month in enumerate(months):
        if number:
            yield month, "-1"
        if number + 1 < len(months):
            yield month, "+1"
