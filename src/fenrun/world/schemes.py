"""A market in which some people cheat, and more only look like it, with the truth beside it.

For trying the checks of `integrity`: orders by operators, sign-ups, payments, trades, identities,
terms. Every scheme is made by what people do, on top of an honest market; how well it is concealed
is a level from 0 (plain) to 3 (well concealed). All of it is invented.
"""

from __future__ import annotations

import csv
import json
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date, timedelta
from pathlib import Path

import numpy as np

from fenrun.world.honest import honest_market
from fenrun.world.look_alikes import add_look_alikes
from fenrun.world.market import (
    Market,
    Row,
    associate,
    contact,
    coupon,
    day_of,
    link,
    pay,
    prepay,
    trade,
)
from fenrun.world.more_schemes import (
    POLICY,
    add_more_look_alikes,
    cashed,
    followed,
    in_pieces,
    in_two_versions,
    orphaned,
)
from fenrun.world.people import ISSUER, REGIONS, YEAR
from fenrun.world.stories import add_stories

PLAN = """\
plan: market-2024
title: {en: Partner terms of the market, zh-CN: 市场伙伴条款}
source: Invented terms 2024
published: 2023-12-01
effective: {from: 2023-01-01}
currency: CNY
timezone: Asia/Shanghai
basis: billed
credit:
  first match:
    - {id: partner, title: {en: Partner, zh-CN: 伙伴}, mode: single, roles: [partner]}
    - {id: rep, title: {en: Rep, zh-CN: 销售}, mode: single, roles: [rep]}
tables:
  volume: [{from: 2023-01-01, source: Invented terms 2024, kind: all units,
            bands: [above 0 below 100000 pays 8 %, from 100000 below 400000 pays 12 %,
                    from 400000 pays 15 %]}]
earn:
  sum:
    - id: volume
      title: {en: Month volume, zh-CN: 月度用量}
      pays: partner
      per: month
      on: amount
      by: amount
      table: volume
"""
"""A plan under which every scheme pays."""


def make_market(partners: int, seed: int, level: int = 0, cheats: Iterable[str] = ()) -> Market:
    """Return a market of so many partners, with the schemes that are named: `G01` ..."""
    market = honest_market(partners, seed)
    add_look_alikes(market)
    named = set(cheats)
    for scheme in (name for name in SCHEMES if name in named - _MORE.keys()):
        SCHEMES[scheme](market, level)
    market.rng = np.random.default_rng([seed, 22])
    for scheme in (name for name in SCHEMES if name in named & _MORE.keys()):
        SCHEMES[scheme](market, level)
    add_more_look_alikes(market, seed)
    add_stories(market, seed)
    _finish(market)
    return market


# --- schemes -------------------------------------------------------------------------------------


def _tell(market: Market, scheme: str, level: int, **who: Sequence[str]) -> None:
    market.truth.append({"scheme": scheme, "level": level, **who})


def _hand_over(market: Market, level: int) -> None:
    """G01: a rep's direct customers come under one partner."""
    count = (8, 6, 5, 4)[level]
    rep = _with_many(market, market.reps, lambda rep: _direct_of(market, rep), count + 2)
    mine = _direct_of(market, rep)
    near = [p for p in market.sellers() if market.region[p] == market.region[rep]]
    partner, taken = market.one_of(near), market.some_of(mine, count)
    start = int(market.rng.integers(60, 180))
    for at, customer in enumerate(taken):
        associate(market, customer, partner, day_of(start + at * (5, 10, 20, 25)[level]))
    _tell(market, "G01", level, parties=[rep, partner], customers=taken)


def _direct_of(market: Market, rep: str) -> list[str]:
    """Return the customers of a rep that have no partner all year."""
    mine = [c for c in market.direct() if market.rep[c] == rep and not _moves(market, c)]
    return _lasting(market, mine)


def _lasting(market: Market, among: Iterable[str]) -> list[str]:
    """Return the customers that are no part of a merger: what they do, they do all year."""
    merged = {row[end] for row in market.tables.get("mergers", ()) for end in ("old", "new")}
    return [customer for customer in among if customer not in merged]


def _with_many(
    market: Market, among: Sequence[str], of: Callable[[str], Sequence[str]], least: int
) -> str:
    """Return one of some ids of which there are at least so many, or of which there are most."""
    counts = {one: len(of(one)) for one in among}
    many = [one for one in among if counts[one] >= least]
    return market.one_of(many) if many else max(among, key=lambda one: (counts[one], one))


def _moves(market: Market, customer: str) -> bool:
    return any(row["customer"] == customer for row in market.tables.get("moves", ()))


def _tie(market: Market, level: int) -> None:
    """G02: a partner that is tied to a rep, whose customers come to it."""
    count, partner = (4, 3, 2, 2)[level], market.one_of(market.sellers())
    rep = _with_many(market, market.reps, lambda rep: _direct_of(market, rep), count)
    taken = market.some_of(_direct_of(market, rep), count)
    start = int(market.rng.integers(40, 220))
    for at, customer in enumerate(taken):
        associate(market, customer, partner, day_of(start + 30 * at))
    kinds = (("bank", "phone", "address"), ("bank", "phone"), ("bank",), ("phone",))[level]
    for kind in kinds:
        for party in (rep, partner):
            value = f"shared {rep} {kind}"
            market.add("identities", party=party, kind=kind, value=value, **{"from": "2023-06-01"})
    _tell(market, "G02", level, parties=[rep, partner], customers=taken)


def _steal(market: Market, level: int) -> None:
    """G03: an operator registers orders for a rival, more from month to month."""
    begin = int(market.rng.integers(2, 6))
    lasting = _lasting(market, sorted(market.partner))
    held = {customer for customer in lasting if not _second(market, customer)}
    users = Counter(
        (order["customer"], order["operator"])
        for order in market.orders
        if order["day"].month >= begin and order["customer"] in held
    )
    busy = sorted(key for key, count in users.items() if count >= _BUSY)
    busy = busy or [max(sorted(users), key=users.__getitem__)]
    customer, operator = busy[int(market.rng.integers(0, len(busy)))]
    others = [p for p in market.sellers() if p != market.partner[customer]]
    rival = market.one_of(others)
    least, most = ((0.4, 1.0), (0.4, 1.0), (0.3, 1.0), (0.3, 0.9))[level]
    for order in market.orders_of(customer):
        months = order["day"].month - begin
        is_his = months >= 0 and order["operator"] == operator
        if is_his and market.chance(least + (most - least) * months / (12 - begin)):
            market.register(order, rival)
    stolen = [o["order"] for o in market.orders_of(customer) if o.get("registered") == rival]
    _tell(market, "G03", level, parties=[rival], customers=[customer], orders=stolen)


_BUSY = 16
"""Orders of an operator in the months of a theft, from which on some can be stolen unseen."""


def _second(market: Market, customer: str) -> bool:
    return any("registered" in order for order in market.orders_of(customer))


def _shift(market: Market, level: int) -> None:
    """G04: orders used elsewhere are registered for a branch of the weakest region."""
    branch = market.one_of([p for p in market.sellers() if market.region[p] == REGIONS[0]])
    siblings = [p for p in market.sellers() if market.region[p] == REGIONS[1]]
    sibling = _with_many(market, siblings, market.of_partner, 4)
    for party in (branch, sibling):
        market.add("links", **link("party", party, "group", "GROUP-1"))
    begin = date(YEAR, int(market.rng.integers(2, 9)), 1)
    moved = [
        order
        for customer in market.of_partner(sibling)
        for order in market.orders_of(customer)
        if "registered" not in order
        and order["day"] >= begin
        and market.chance((0.9, 0.7, 0.5, 0.35)[level])
    ]
    for order in moved:
        market.register(order, branch)
    names = [order["order"] for order in moved]
    _tell(market, "G04", level, parties=[branch, "GROUP-1"], orders=names)


def _recycle(market: Market, level: int) -> None:
    """G05: a partner passes so much on that its customer pays less than the floor."""
    held = {p: _lasting(market, market.of_partner(p)) for p in market.sellers()}
    partner = _with_many(market, market.sellers(), held.__getitem__, 3)
    taken = held[partner][: (3, 2, 2, 1)[level]]
    begin = int(market.rng.integers(1, 7))
    for customer in taken:
        for order in market.orders_of(customer):
            order["paid"] = 0.65
        for month in range(begin, begin + 6):
            billed = sum(
                order["list"] * 0.65
                for order in market.orders_of(customer)
                if order["day"].month == month
            )
            day = date(YEAR, month, 25)
            pay(market, day, partner, customer, billed * (0.3, 0.25, 0.2, 0.15)[level], "t")
    _tell(market, "G05", level, parties=[partner], customers=taken)


def _ring(market: Market, level: int) -> None:
    """G06: devices go round between three parties, and the last of them pays for it."""
    parties, start = market.some_of(market.sellers(), 3), int(market.rng.integers(5, 150))
    for number in range((8, 6, 4, 3)[level]):
        for at, seller in enumerate(parties):
            day = day_of(start + number * 20 + at * 9)
            row = trade(day, seller, parties[(at + 1) % 3], f"S{number}", (100, 104, 95)[at])
            market.add("trades", **row)
    _tell(market, "G06", level, parties=parties)


def _divert(market: Market, level: int) -> None:
    """G07: a coupon of one customer is spent by another."""
    for _ in range((3, 2, 1, 1)[level]):
        owner, spender = market.one_of(market.customers), market.one_of(market.customers)
        if owner != spender:
            coupon(market, owner, spender, (50_000.0, 20_000.0, 5_000.0, 1_000.0)[level])
            _tell(market, "G07", level, customers=[owner, spender])


def _front(market: Market, level: int) -> None:
    """G08: a partner pays three years of its customer."""
    customer = market.one_of(_lasting(market, sorted(market.partner)))
    partner = market.partner[customer]
    prepay(market, customer, partner, day_of(market.rng.integers(30, 330)))
    _tell(market, "G08", level, parties=[partner], customers=[customer])


def _pool(market: Market, level: int) -> None:
    """G09: at the end of a month orders of others are registered for one partner."""
    partner, month = market.one_of(market.sellers()), int(market.rng.integers(1, 13))
    late = [
        order
        for order in market.orders
        if order["day"].month == month
        and order["day"].day > 26
        and market.partner.get(order["customer"]) not in (None, partner)
        and "registered" not in order
    ]
    at = sorted(map(int, market.rng.permutation(len(late))[: (25, 18, 12, 8)[level]]))
    taken = [late[number] for number in at]
    for order in taken:
        market.register(order, partner)
    names = [order["order"] for order in taken]
    _tell(market, "G09", level, parties=[partner], orders=names)


def _poach(market: Market, level: int) -> None:
    """G10: right after the vendor's sign-up or call a partner is associated."""
    partner = market.one_of(market.sellers())
    free = _lasting(market, [c for c in market.direct() if not _moves(market, c)])
    taken = market.some_of(free, (12, 9, 7, 5)[level])
    start = int(market.rng.integers(15, 110))
    for at, customer in enumerate(taken):
        day = day_of(start + at * 20)
        contact(market, customer, "call" if at % 2 else "sign-up", day)
        associate(market, customer, partner, day + timedelta(days=int(market.rng.integers(1, 9))))
    _tell(market, "G10", level, parties=[partner], customers=taken)


def _dump(market: Market, level: int) -> None:
    """G11: sold below the floor, without an approval."""
    partner = market.one_of(sorted(set(market.partner.values())))
    approved = {row["customer"] for row in market.tables.get("approvals", ())}
    taken = [c for c in market.of_partner(partner) if c not in approved][:2]
    for customer in taken:
        for order in market.orders_of(customer)[: (20, 10, 5, 2)[level]]:
            order["paid"] = 0.5
    _tell(market, "G11", level, parties=[partner], customers=taken)


def _wash(market: Market, level: int) -> None:
    """G12: customers of one partner buy and use nothing."""
    used = {order["customer"] for order in market.orders if order["used"]}
    used = set(_lasting(market, sorted(used)))
    mine = {p: [c for c in market.of_partner(p) if c in used] for p in market.sellers()}
    count = (6, 5, 4, 3)[level]
    partner = _with_many(market, market.sellers(), mine.__getitem__, count + 1)
    taken = market.some_of(mine[partner], count)
    for customer in taken:
        for order in market.orders_of(customer):
            order["used"] = False
    _tell(market, "G12", level, parties=[partner], customers=taken)


def _with_truth(scheme: str, make: Callable[[Market, int], Row]) -> Callable[[Market, int], None]:
    """Return what makes a scheme and tells of it."""

    def made(market: Market, level: int) -> None:
        _tell(market, scheme, level, **make(market, level))

    return made


_MORE: Mapping[str, Callable[[Market, int], Row]] = {
    "G13": in_pieces,
    "G14": cashed,
    "G15": in_two_versions,
    "G16": followed,
    "G17": orphaned,
}
SCHEMES: Mapping[str, Callable[[Market, int], None]] = {
    "G01": _hand_over,
    "G02": _tie,
    "G03": _steal,
    "G04": _shift,
    "G05": _recycle,
    "G06": _ring,
    "G07": _divert,
    "G08": _front,
    "G09": _pool,
    "G10": _poach,
    "G11": _dump,
    "G12": _wash,
    **{scheme: _with_truth(scheme, make) for scheme, make in _MORE.items()},
}
"""How each scheme is made."""


# --- the files -----------------------------------------------------------------------------------


def _finish(market: Market) -> None:
    """Add the book as it follows from all that happened."""
    market.tables.pop("told", None)
    moves = {row["customer"]: row for row in market.tables.pop("moves", [])}
    for number, traded in enumerate(market.tables["trades"], 1):
        traded["trade"] = f"T{number:06d}"
    for kind, parties in (
        ("partner", market.partners),
        ("rep", market.reps),
        ("customer", market.customers),
    ):
        for party in parties:
            market.add("parties", party=party, kind=kind, name=f"{kind} {party}")
    groups = {row["party"] for row in market.tables.get("links", ()) if row["role"] == "group"}
    for group in sorted(groups):
        market.add("parties", party=group, kind="partner", name=f"group {group}")
    for party, region in market.region.items():
        row = {"party": party, "label": "region", "value": region, "from": "2023-01-01"}
        market.add("labels", **row)
    mergers = {row["old"]: row for row in market.tables.pop("mergers", [])}
    transfers = {row["customer"]: row for row in market.tables.pop("transfers", [])}
    handovers = {row["customer"]: row for row in market.tables.pop("handovers", [])}
    for customer in market.customers:
        account = link("account", f"A-{customer}", "customer", customer)
        if merger := mergers.get(customer):
            day = str(merger["day"])
            market.add("links", **account | {"to": day})
            account |= {"party": merger["new"], "from": day}
        market.add("links", **account)
        _add_held(market, customer, "rep", market.rep[customer], handovers.get(customer))
        if customer in market.partner:
            partner = market.partner[customer]
            _add_held(market, customer, "partner", partner, transfers.get(customer))
        elif customer in moves:
            move = moves[customer]
            row = link("customer", customer, "partner", move["partner"], str(move["day"]))
            market.add("links", **row)
    for order in market.orders:
        if "registered" in order:
            row = link("order", order["order"], "partner", order["registered"])
            market.add("links", **row)


def _add_held(market: Market, customer: str, role: str, party: str, move: Row | None) -> None:
    """Add who holds a role of a customer, and from a day on another, if it moves."""
    row = link("customer", customer, role, party)
    if move:
        day = str(move["day"])
        market.add("links", **row | {"to": day})
        row |= {"party": move[role], "from": day}
    market.add("links", **row)


def charges_of(market: Market) -> list[Row]:
    """Return the charges of a market as FOCUS rows."""
    found = []
    for order in market.orders:
        billed = round(order["list"] * order["paid"], 2)
        more = {
            "ChargeCategory": "Usage",
            "ServiceName": order["product"],
            "RegionId": f"cn-{order['region']}-1",
            "ConsumedQuantity": "10" if order["used"] else "0",
            "x_OrderId": order["order"],
            "x_Operator": order["operator"],
        }
        found.append(_charge(order["customer"], order["day"], order["list"], billed, **more))
    for row in market.tables.pop("purchases", []):
        more = {"ChargeCategory": "Purchase", "ServiceName": "Reserved", "ConsumedQuantity": "0"}
        more["x_AgreementId"] = row.get("agreement", "")
        found.append(_charge(row["customer"], row["day"], row["amount"], row["amount"], **more))
    for row in market.tables.pop("credits", []):
        more = {"ChargeCategory": "Credit", "ServiceName": "Compute", "x_CouponId": row["coupon"]}
        found.append(_charge(row["customer"], row["day"], 0, -row["amount"], **more))
    return found


def _charge(customer: str, day: date, list_: float, billed: float, **more: str) -> Row:
    after = date(day.year + day.month // 12, day.month % 12 + 1, 1)
    costs = {name: f"{billed:.2f}" for name in ("BilledCost", "EffectiveCost", "ContractedCost")}
    same = {"InvoiceIssuerName": ISSUER, "ProviderName": ISSUER, "PublisherName": ISSUER}
    return {
        **same,
        **costs,
        "ListCost": f"{list_:.2f}",
        "BillingAccountId": f"A-{customer}",
        "BillingCurrency": "CNY",
        "BillingPeriodStart": f"{day:%Y-%m}-01T00:00:00Z",
        "BillingPeriodEnd": f"{after}T00:00:00Z",
        "ChargePeriodStart": f"{day}T04:00:00Z",
        "ChargePeriodEnd": f"{day}T05:00:00Z",
        **more,
    }


def write_market(folder: Path, market: Market) -> list[Path]:
    """Write a market as CSV files and the truth beside them. Returns the files to import."""
    folder.mkdir(parents=True, exist_ok=True)
    charges = charges_of(market)
    plan = folder / "plan.yaml"
    plan.write_text(PLAN, "utf-8")
    policy = folder / "policy.yaml"
    policy.write_text(POLICY, "utf-8")
    paths = [_write(folder / "charges.csv", charges), plan, policy]
    paths += [_write(folder / f"{name}.csv", rows) for name, rows in market.tables.items() if rows]
    truth = json.dumps({"note": "Invented: no real party.", "schemes": market.truth}, indent=1)
    (folder / "truth.json").write_text(truth + "\n", "utf-8")
    return paths


def _write(path: Path, rows: Sequence[Row]) -> Path:
    names = list(dict.fromkeys(name for row in rows for name in row))
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, names, restval="", lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    return path
