"""What terms say of one charge, told by walking over their rows."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from fenrun.events.rows import Event
from fenrun.plan.conditions import parse
from fenrun.terms.rows import Agreement, Approval, Coupon, Floor, Price

Rows = Sequence[Any]
"""Agreements, floors, approvals, coupons and prices."""


def is_so(what: str, scene: Any) -> bool:
    """Tell if what a condition asks of the terms is so."""
    if what == "approved":
        return any(_is_approved(steps, scene) for steps in _chains(scene.book.terms))
    if what == "floor breached":
        floors = (row for row in scene.book.terms if isinstance(row, Floor))
        return any(_is_breached(row, scene) for row in floors)
    if what == "consented":
        return _has_consented(scene)
    is_credit = scene.charge.get("ChargeCategory") == "Credit"
    spends = is_credit and scene.charge.get("x_CouponId") is not None
    coupons = (row for row in scene.book.terms if isinstance(row, Coupon))
    granted = spends and any(_is_granted(row, scene) for row in coupons)
    return granted if what == "coupon as granted" else spends and not granted


def _has_consented(scene: Any) -> bool:
    """Tell if the last that the customer said of the party by that day is its consent."""
    said = [
        (row.at, row.event, row.kind)
        for row in scene.book.terms
        if isinstance(row, Event) and row.at.date() <= scene.day
        if (row.customer, row.party) == (scene.customer, scene.link.party)
    ]
    return bool(said) and max(said)[2] == "consent"


def kinds(scene: Any) -> set[str]:
    """The kinds of the agreements that a charge is under."""
    rows = (row for row in scene.book.terms if isinstance(row, Agreement))
    return {row.kind for row in rows if _covers(row, scene) and _concerns(row, scene)}


def _chains(terms: Rows) -> list[list[Approval]]:
    found: dict[str, list[Approval]] = defaultdict(list)
    for row in terms:
        if isinstance(row, Approval):
            found[row.approval].append(row)
    return list(found.values())


def use_up(audit: Any) -> None:
    """Walk over all charges, by day, import and row, and note what amounts cover of them."""
    book, used = audit.book, defaultdict[Any, Decimal](Decimal)
    book.covered = set()
    chains = sorted(_chains(book.terms), key=lambda steps: steps[0].approval)
    coupons = [row for row in book.terms if isinstance(row, Coupon)]
    for charge in sorted(audit.charges, key=lambda c: _order(audit, c)):
        billed, owned = charge.get("BilledCost") or Decimal(0), audit.scenes(charge)
        open_ = {scene.customer: (scene, share) for scene, share in owned if scene.customer}
        for steps in chains:
            first = steps[0]
            mine = [who for who, (scene, _) in open_.items() if _is_needed(steps, scene)]
            part = sum((billed * open_[who][1] for who in mine), Decimal(0))
            if mine and _fits(used, ("approval", first.approval), part, first.amount):
                book.covered.add((first.approval, id(charge)))
                open_ = {who: of for who, of in open_.items() if who not in mine}
        for row in coupons:
            for scene, share in owned:
                again = (c.amount for c in coupons if c.reissues == row.coupon
                         and c.valid_from <= scene.day)  # fmt: skip
                most = row.amount - sum(again, Decimal(0))
                if _is_named(row, scene) and _fits(used, row.coupon, -billed * share, most):
                    book.covered.add((row, id(charge)))


def _order(audit: Any, charge: dict[str, Any]) -> tuple[Any, ...]:
    return audit.when(charge)[0], charge.get("import_id", ""), charge.get("row_no", 0)


def _fits(used: dict[Any, Decimal], key: Any, amount: Decimal, most: Decimal | None) -> bool:
    total = used[key] + amount
    if most is not None and (total > most if amount > 0 else total < 0):
        return False
    used[key] = total
    return True


def _is_needed(steps: list[Approval], scene: Any) -> bool:
    """Tell if an approval is of a charge that needs one, and in its currency."""
    first = steps[0]
    same = first.amount is None or scene.charge["BillingCurrency"] == first.currency
    return same and _allows(steps, scene) and _needs(scene)


def _needs(scene: Any) -> bool:
    floors = [row for row in scene.book.terms if isinstance(row, Floor)]
    return not floors or any(_is_breached(row, scene) for row in floors)


def _covers(row: Any, scene: Any) -> bool:
    from tests.auditor.auditor import holds

    is_in_span = row.valid_from <= scene.day < row.valid_to
    return is_in_span and (not row.covers or holds(parse(row.covers, "charge"), scene))


def _concerns(row: Any, scene: Any) -> bool:
    partners = [link.party for link in scene.roles.get("partner") or []]
    return row.customer in ("", scene.customer) and (not row.partner or row.partner in partners)


def _least(said: str, currency: str, scene: Any) -> Decimal | None:
    """The least that a charge may cost; None where nobody can tell."""
    charge, (rate, _, rest) = scene.charge, said.partition(" % of ")
    if not rest:
        is_comparable = charge["BillingCurrency"] == currency and charge.get("PricingQuantity")
        return abs(Decimal(charge["PricingQuantity"])) * Decimal(said) if is_comparable else None
    part = Decimal(rate) / 100
    if rest == "list":
        listed = charge.get("ListCost")
        return None if listed is None else abs(listed) * part
    prices = {
        row.sku: row
        for row in scene.book.terms
        if isinstance(row, Price) and str(row.valid_from) <= rest[-10:] < str(row.valid_to)
    }
    sku = charge.get("SkuPriceId") if charge.get("SkuPriceId") in prices else charge.get("SkuId")
    if sku not in prices or not charge.get("PricingQuantity"):
        return None
    if prices[sku].currency != charge["BillingCurrency"]:
        return None
    return abs(Decimal(charge["PricingQuantity"])) * prices[sku].price * part


def _asked(scene: Any) -> Decimal:
    costs = (scene.charge.get(name) for name in ("BilledCost", "EffectiveCost"))
    return max(abs(cost or Decimal(0)) for cost in costs)


def _is_approved(steps: list[Approval], scene: Any) -> bool:
    first = steps[0]
    if first.amount is None or not _needs(scene):
        return _allows(steps, scene)
    return _is_needed(steps, scene) and (first.approval, id(scene.charge)) in scene.book.covered


def _allows(steps: list[Approval], scene: Any) -> bool:
    first = steps[0]
    is_whole = sorted(step.step for step in steps) == list(range(1, len(steps) + 1))
    if not is_whole or any(step.outcome != "approved" for step in steps):
        return False
    least = _least(first.grants, first.currency, scene)
    is_kept = least is not None and _asked(scene) >= least
    return is_kept and _covers(first, scene) and _concerns(first, scene)


def _is_breached(row: Floor, scene: Any) -> bool:
    least = _least(row.least, row.currency, scene)
    is_sold = scene.charge.get("ChargeCategory") not in ("Credit", "Tax")
    return least is not None and _asked(scene) < least and is_sold and _covers(row, scene)


def _is_granted(row: Coupon, scene: Any) -> bool:
    return _is_named(row, scene) and (row, id(scene.charge)) in scene.book.covered


def _is_named(row: Coupon, scene: Any) -> bool:
    charge = scene.charge
    if charge.get("ChargeCategory") != "Credit":
        return False
    named = (row.coupon, row.customer, row.currency)
    mine = (charge.get("x_CouponId"), scene.customer, charge["BillingCurrency"])
    return named == mine and _covers(row, scene)
