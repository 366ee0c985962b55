"""The checks: one file each, which says the mechanism, what it compares with, and its limits.

A check looks at all that was seen and says what is unusual. `needs` are the tables and columns
without which it cannot: a table of the terms, the events or the identities, or a column of charges.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from fenrun.integrity.checks import (
    account_orphaned,
    book_handed_over,
    circular_trade,
    coupon_cashed,
    coupon_diverted,
    coupon_in_pieces,
    dumping,
    leaver_followed,
    order_stealing,
    poaching,
    prepay_fronted,
    rebate_recycled,
    region_shifting,
    related_party,
    tier_pooling,
    two_contracts,
    wash_volume,
)
from fenrun.integrity.findings import INVARIANT, LINK, STATISTICAL, Outcome
from fenrun.integrity.seen import Seen


@dataclass(frozen=True)
class Check:
    """One check."""

    name: str
    scheme: str
    kind: str
    needs: tuple[str, ...]
    run: Callable[[Seen], Outcome]


CHECKS = (
    Check("book-handed-over", "G01", STATISTICAL, ("links",), book_handed_over.run),
    Check("related-party", "G02", LINK, ("links", "identities"), related_party.run),
    Check("order-stealing", "G03", STATISTICAL, ("links", "x_OrderId"), order_stealing.run),
    Check(
        "region-shifting",
        "G04",
        STATISTICAL,
        ("links", "x_OrderId", "RegionId"),
        region_shifting.run,
    ),
    Check("rebate-recycled", "G05", INVARIANT, ("floors", "passed-on"), rebate_recycled.run),
    Check("circular-trade", "G06", STATISTICAL, ("trades",), circular_trade.run),
    Check("coupon-diverted", "G07", INVARIANT, ("coupons", "x_CouponId"), coupon_diverted.run),
    Check("prepay-fronted", "G08", INVARIANT, ("links", "payments"), prepay_fronted.run),
    Check("tier-pooling", "G09", STATISTICAL, ("links", "x_OrderId"), tier_pooling.run),
    Check("poaching", "G10", STATISTICAL, ("links", "events"), poaching.run),
    Check("dumping", "G11", INVARIANT, ("floors",), dumping.run),
    Check("wash-volume", "G12", STATISTICAL, ("links", "ConsumedQuantity"), wash_volume.run),
    Check("coupon-in-pieces", "G13", INVARIANT, ("coupons", "policies"), coupon_in_pieces.run),
    Check(
        "coupon-cashed",
        "G14",
        INVARIANT,
        ("coupons", "x_CouponId", "payments"),
        coupon_cashed.run,
    ),
    Check(
        "two-contracts",
        "G15",
        INVARIANT,
        ("agreements", "payments", two_contracts.AGREEMENT),
        two_contracts.run,
    ),
    Check("leaver-followed", "G16", STATISTICAL, ("links", "employer links"), leaver_followed.run),
    Check(
        "account-orphaned",
        "G17",
        INVARIANT,
        ("links", "identities", "employer links"),
        account_orphaned.run,
    ),
)
"""All checks, in the order of their schemes."""
