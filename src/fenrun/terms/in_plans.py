"""Terms in the place of what plans ask of them: a plan that is settled asks of charges alone.

`approved`, `floor breached`, `coupon as granted`, `coupon diverted` and `agreement.kind` become
conditions on the charge, its day, its customer and who holds a role of it. So what a settlement
reads of the terms is in its plans: in the id of its run, in what is kept of months, in differences.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal
from functools import cached_property

from fenrun.base.when import LONG_AGO, OPEN_END
from fenrun.base.words import Unreadable
from fenrun.plan.conditions import AGREEMENT, Tree, parse, reads
from fenrun.plan.meaning import with_digests
from fenrun.plan.rows import Plan
from fenrun.plan.vocabulary import BASES, SPEND
from fenrun.tables.latest import Known
from fenrun.terms.as_of import Chain, Terms
from fenrun.terms.limits import Limit, parse_limit
from fenrun.terms.used_up import Cut, Cuts

_TABLES = {
    "approved": ("approvals", "floors", "prices"),
    "floor breached": ("floors", "prices"),
    "coupon as granted": ("coupons",),
    "coupon diverted": ("coupons",),
    "kind": ("agreements",),
}
"""The tables of the terms that are read for what a condition asks."""
_COUPON = "x_CouponId"
_QUANTITY = "PricingQuantity"
SELLER = "partner"
"""The role of a customer that an approval's or agreement's partner holds."""


def tables_read(plans: Iterable[Plan]) -> set[str]:
    """Return the tables of the terms that some clauses of plans ask for."""
    plans = list(plans)
    trees = (json.loads(c.tree) for plan in plans for c in plan.conditions)
    asked = (name for tree in trees for what, name in reads(tree) if what in ("term", "agreement"))
    found = {table for name in asked for table in _TABLES.get(name, ())}
    counts = {figure.counts for plan in plans for figure in plan.figures}
    return found | ({"agreements"} if counts - {SPEND} else set())


def in_plan(plan: Plan, terms: Terms, cuts: Cuts) -> Plan:
    """Return a plan with what the terms say in the place of what its conditions ask of them.

    `cuts` are where charges use up amounts. A plan that asks nothing is the same. The digests of
    another are those of what it then says.
    """
    if not tables_read([plan]):
        return plan
    said = _Said(terms, cuts)
    conditions = tuple(
        replace(c, tree=json.dumps(said.replaced(json.loads(c.tree)), ensure_ascii=False))
        for c in plan.conditions
    )
    return with_digests(replace(plan, conditions=conditions))


@dataclass(frozen=True)
class Concerning:
    """A row of the terms, with the condition on charges by which it is about one."""

    table: str
    id: str
    says: str
    """Its grant, least price or kind, as it is written; of coupons nothing."""
    customer: str
    """Empty for all."""
    partner: str
    """Empty for all."""
    tree: Tree


def concerning(terms: Terms, cuts: Cuts) -> Iterator[Concerning]:
    """Yield the rows of the terms that can decide about charges."""
    said = _Said(terms, cuts)
    for row, tree in said.approvals():
        who = (row["customer"], row["partner"])
        yield Concerning("approvals", row["approval"], row["grants"], *who, tree)
    for row, tree in said.floors():
        yield Concerning("floors", row["floor"], row["least"], "", "", tree)
    for row in terms.coupons:
        mine = _all(_spends(), ["in", _COUPON, [row["coupon"]]])
        yield Concerning("coupons", row["coupon"], "", "", "", mine)
    for row in terms.agreements:
        who = (row["customer"], row["partner"])
        yield Concerning("agreements", row["agreement"], row["kind"], *who, _covers(row))


def uses_up(terms: Terms) -> Iterator[Concerning]:
    """Yield the approvals and coupons whose amounts charges use up, with which charges do so.

    Under an approval these are the sales below a floor, where there are floors.
    """
    said = _Said(terms, {})
    if any(chain.first["amount"] is not None for chain in terms.chains()):
        for row, tree in said.named():
            who = (row["customer"], row["partner"])
            mine = _all(tree, said.in_need, *_in_currency(row))
            yield Concerning("approvals", row["approval"], row["grants"], *who, mine)
    for row in terms.coupons:
        mine = _all(_spends(), *_names_coupon(row), _covers(row))
        yield Concerning("coupons", row["coupon"], "", row["customer"], "", mine)


class _Said:
    """The terms as conditions on charges."""

    def __init__(self, terms: Terms, cuts: Cuts):
        self.terms, self.cuts = terms, cuts

    def replaced(self, tree: Tree) -> Tree:
        """Return a condition with what the terms say in place of each part that asks for it."""
        if tree[0] in ("all", "any"):
            return [tree[0], [self.replaced(part) for part in tree[1]]]
        if tree[0] == "not":
            return ["not", self.replaced(tree[1])]
        if tree[0] == "term" and tree[1] in _TABLES:
            found: dict[str, Callable[[], Tree]] = {
                "approved": self._approved,
                "floor breached": self._breached,
                "coupon as granted": self._as_granted,
                "coupon diverted": self._diverted,
            }
            return found[tree[1]]()
        return self._agreed(tree) if tree[1] == AGREEMENT else tree

    def _approved(self) -> Tree:
        """Return whether an approval that holds covers a charge at its price."""
        return _of_parties(self.approvals())

    def approvals(self) -> Iterator[tuple[Known, Tree]]:
        """Yield the approvals of prices that hold, with whether each covers a charge."""
        for row, tree in self.named():
            if row["amount"] is not None:
                left = _all(*_in_currency(row), self._left("approvals", row["approval"]))
                tree = _all(tree, _any([_not(self.in_need), left]))
            yield row, tree

    def named(self) -> Iterator[tuple[Known, Tree]]:
        """Yield the approvals of prices that hold, with whether a charge is one of each's."""
        for chain in self.terms.chains():
            limit, row = _granted(chain), chain.first
            if limit and chain.state == "approved":
                priced = self._comparisons(limit, row["currency"])
                kept = _any(_all(given, _not(below)) for given, below in priced)
                yield row, _all(_covers(row), kept)

    @cached_property
    def in_need(self) -> Tree:
        """The condition by which a charge needs an approval: below a floor, or there are none."""
        return _any(tree for _, tree in self.floors()) if self.terms.floors else _all()

    def _left(self, table: str, name: str) -> Tree:
        """Return whether something is left of an amount for a charge."""
        cut = self.cuts.get((table, name), Cut())
        return ["until", str(cut.day), [list(row) for row in cut.rows]]

    def _breached(self) -> Tree:
        """Return whether a charge is a sale below a floor."""
        return _charge(_any(tree for _, tree in self.floors()))

    def floors(self) -> Iterator[tuple[Known, Tree]]:
        """Yield the floors, with whether a charge is a sale below each."""
        sold = _not(["in", "ChargeCategory", ["Credit", "Tax"]])
        for row in self.terms.floors:
            priced = self._comparisons(parse_limit(row["least"]), row["currency"])
            below = _any(_all(given, below) for given, below in priced)
            yield row, _all(sold, _covers(row), below)

    def _comparisons(self, limit: Limit, currency: str) -> Iterator[tuple[Tree, Tree]]:
        """Yield how a charge can be measured by a limit, and whether it is below it then.

        What is asked for a charge is the larger of billed and effective by size.
        """
        if limit.on is not None:
            yield from self._as_listed(limit, limit.on)
        elif limit.price is not None:
            given = _all(_given(_QUANTITY), ["in", "BillingCurrency", [currency]])
            yield given, _below(limit.price, _QUANTITY)
        else:
            yield _given(BASES[limit.basis]), _below(limit.rate or Decimal(0), limit.basis)

    def _as_listed(self, limit: Limit, on: date) -> Iterator[tuple[Tree, Tree]]:
        """Yield the same by the list prices of a day, by SkuPriceId, else SkuId."""
        prices = self.terms.listed_on(on)
        skus = sorted({row["sku"] for row in prices})
        for row in prices:
            other = _all(_not(["in", "SkuPriceId", skus]), ["in", "SkuId", [row["sku"]]])
            is_it = ["any", [["in", "SkuPriceId", [row["sku"]]], other]]
            given = _all(_given(_QUANTITY), ["in", "BillingCurrency", [row["currency"]]], is_it)
            yield given, _below(row["price"] * (limit.rate or Decimal(0)), _QUANTITY)

    def _as_granted(self) -> Tree:
        """Return whether a charge spends a coupon as it was granted."""
        spent, pairs = [], []
        for row in self.terms.coupons:
            left = self._left("coupons", row["coupon"])
            spent.append(_all(*_names_coupon(row), _covers(row), left))
            pairs.append([row["coupon"], row["customer"]])
        return _all(_charge(_all(_spends(), _any(spent))), ["paired", _COUPON, pairs])

    def _diverted(self) -> Tree:
        """Return whether a charge spends a coupon otherwise."""
        return _all(_charge(_spends()), _not(self._as_granted()))

    def _agreed(self, tree: Tree) -> Tree:
        """Return whether a charge is under an agreement of the kinds that a condition names."""
        kind, *values = tree[0], *tree[2:]
        rows = [
            row
            for row in self.terms.agreements
            if kind == "missing"
            or (kind == "in" and row["kind"] in values[0])
            or (kind == "starts" and row["kind"].startswith(values[0]))
        ]
        found = _of_parties((row, _covers(row)) for row in rows)
        return _not(found) if kind == "missing" else found


def _granted(chain: Chain) -> Limit | None:
    """Return the price that an approval grants; None where it grants something else."""
    try:
        return parse_limit(chain.first["grants"])
    except Unreadable:
        return None


def _of_parties(found: Iterable[tuple[Known, Tree]]) -> Tree:
    """Return whether a charge is as one of some rows says, and of the parties that the row names.

    Rows are put together by what they say or by whom they are for, whichever are fewer: each
    condition on charges is asked of every charge.
    """
    by_tree: dict[str, list[tuple[str, str]]] = {}
    by_who: dict[tuple[str, str], list[Tree]] = {}
    for row, tree in found:
        who = row["customer"], row["partner"]
        by_tree.setdefault(json.dumps(tree), []).append(who)
        by_who.setdefault(who, []).append(tree)
    if len(by_tree) <= len(by_who):
        return _any(_all(_charge(json.loads(t)), _any_of(who)) for t, who in by_tree.items())
    return _any(_all(_charge(_any(trees)), _any_of([who])) for who, trees in by_who.items())


def _any_of(parties: Iterable[tuple[str, str]]) -> Tree:
    """Return whether a customer and its partner are one of some pairs; empty: whoever it is."""
    by_partner: dict[str, set[str]] = {}
    for customer, partner in parties:
        by_partner.setdefault(partner, set()).add(customer)
    found = []
    for partner, customers in sorted(by_partner.items()):
        mine: Tree = _all() if "" in customers else ["in", "customer", sorted(customers)]
        found.append(_all(mine, ["held", SELLER, partner]) if partner else mine)
    return _any(found)


def _covers(row: Known) -> Tree:
    """Return whether a charge is of what a row of the terms covers, on a day of its span."""
    found = [parse(row["covers"], "charge")] if row["covers"] else []
    if row["valid_from"] != LONG_AGO:
        found.append(["dated", "day", ">=", str(row["valid_from"])])
    if row["valid_to"] != OPEN_END:
        found.append(["dated", "day", "<", str(row["valid_to"])])
    return _all(*found)


def _names_coupon(row: Known) -> list[Tree]:
    """Return whether a credit names a coupon, and is in its currency."""
    return [["in", _COUPON, [row["coupon"]]], ["in", "BillingCurrency", [row["currency"]]]]


def _in_currency(row: Known) -> list[Tree]:
    """Return whether a charge is in the currency of an amount, if there is one."""
    limited = row["amount"] is not None
    return [["in", "BillingCurrency", [row["currency"]]]] if limited else []


def _spends() -> Tree:
    """Return whether a charge is a credit by a coupon."""
    return _all(["in", "ChargeCategory", ["Credit"]], _given(_COUPON))


def _below(rate: Decimal, whole: str) -> Tree:
    """Return whether what is asked for a charge is below a rate of another number of it."""
    effective = ["below", "effective", str(rate), whole]
    unless_missing = ["any", [["missing", BASES["effective"]], effective]]
    return _all(["below", "billed", str(rate), whole], unless_missing)


def _given(column: str) -> Tree:
    return _not(["missing", column])


def _charge(tree: Tree) -> Tree:
    return ["charge", tree]


def _all(*trees: Tree) -> Tree:
    return trees[0] if len(trees) == 1 else ["all", list(trees)]


def _any(trees: Iterable[Tree]) -> Tree:
    found = list(trees)
    return found[0] if len(found) == 1 else ["any", found]


def _not(tree: Tree) -> Tree:
    return ["not", tree]
