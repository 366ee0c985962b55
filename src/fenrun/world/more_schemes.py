"""Schemes of coupons, contracts and jobs, and what honest people do that looks like them.

They are made after all others and by numbers of their own, so that a market has the same other
schemes with them and without.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta

import numpy as np

from fenrun.world.market import Market, Row, coupon, day_of, link, pay, year
from fenrun.world.people import ISSUER, YEAR

POLICY = """\
policy: market-2024
title: {en: Special terms of the market, zh-CN: 市场特批政策}
source: Invented terms 2024
currency: CNY
timezone: Asia/Shanghai
steps:
  - step: lead
    title: {en: Head of sales, zh-CN: 销售负责人}
    approvers: [lead]
    within: 3 working days
  - step: finance
    title: {en: Finance, zh-CN: 财务}
    approvers: [finance]
    within: 3 working days
    when: [{amount: "10,000"}]
"""
"""Who has to approve a coupon: above 10,000, two people."""
_LIMIT = 10_000
_END = date(YEAR + 1, 1, 1)


def add_more_look_alikes(market: Market, seed: int) -> None:
    """Let honest people grant coupons, pay contracts with tax, leave and take over."""
    market.rng = np.random.default_rng([seed, 23])
    _programme_of_coupons(market)
    _refunds(market)
    _contracts(market)
    _leavers(market)


def untouched(market: Market, among: Sequence[str], count: int) -> list[str]:
    """Return some customers that no scheme is about, that never move, and are no part of a merger,
    each once.
    """
    taken = {one for row in market.truth for one in row.get("customers", ())}
    taken |= {row["customer"] for row in market.tables.get("moves", ())}
    taken |= {row["customer"] for row in market.tables.get("transfers", ())}
    taken |= {row["customer"] for row in market.tables.get("coupons", ())}
    taken |= {row[end] for row in market.tables.get("mergers", ()) for end in ("old", "new")}
    return market.some_of([one for one in among if one not in taken], count)


# --- coupons --------------------------------------------------------------------------------------


def _grant(market: Market, customer: str, amount: float, day: date, spent: date | None) -> None:
    """Grant a coupon on a day, and let half of it be spent on another."""
    coupon(market, customer, customer, amount)
    market.tables["coupons"][-1]["from"] = str(day)
    if spent:
        market.tables["credits"][-1]["day"] = spent
    else:
        market.tables["credits"].pop()


def _programme_of_coupons(market: Market) -> None:
    """Grant start-ups a coupon a month; and one customer three at once, approved by two."""
    for customer in untouched(market, market.customers, 3):
        for month in range(2, 8):
            _grant(market, customer, _LIMIT * 0.9, date(YEAR, month, 1), date(YEAR, month, 20))
    for customer in untouched(market, market.customers, 1):
        for step in (1, 2):
            market.add(
                "approvals",
                **{"approval": "PIECES", "step": step, "kind": "coupon", "customer": customer},
                **{"grants": "a project in three parts", **year(), "outcome": "approved"},
                **{"asked_by": market.rep[customer], "asked_at": f"{YEAR}-03-01T08:00:00Z"},
                **{"decided_by": f"HEAD-{step}", "decided_at": f"{YEAR}-03-02T08:00:00Z"},
            )
        for number in range(3):
            _grant(market, customer, _LIMIT * 0.9, date(YEAR, 3, 4 + number), None)
            market.tables["coupons"][-1]["approval"] = "PIECES"


def in_pieces(market: Market, level: int) -> Row:
    """G13: a rep grants a customer several coupons, each below what needs a second."""
    (customer,) = untouched(market, market.customers, 1)
    pieces, apart = (6, 5, 4, 3)[level], (0, 1, 3, 7)[level]
    for number in range(pieces):
        day = date(YEAR, 5, 6) + timedelta(days=apart * number)
        _grant(market, customer, _LIMIT * (0.95, 0.9, 0.8, 0.6)[level], day, None)
    return {"parties": [market.rep[customer]], "customers": [customer]}


def _refunds(market: Market) -> None:
    """Give money back to customers that paid it, also soon after a coupon."""
    for customer in untouched(market, sorted(market.partner), 3):
        for month in range(1, 9):
            pay(market, date(YEAR, month, 20), customer, customer, 6_000)
        _grant(market, customer, 4_000, date(YEAR, 6, 1), date(YEAR, 6, 10))
        pay(market, date(YEAR, 6, 25), ISSUER, customer, 5_000, "refund")


def cashed(market: Market, level: int) -> Row:
    """G14: what a customer's coupon paid for is given back, and refunded in cash."""
    paid = {row["customer"] for row in market.tables["payments"]}
    (customer,) = untouched(market, sorted(set(market.partner) - paid), 1)
    amount = (60_000, 30_000, 15_000, 8_000)[level]
    pay(market, date(YEAR, 5, 20), customer, customer, 1_000)
    _grant(market, customer, amount, date(YEAR, 6, 1), date(YEAR, 6, 10))
    parts = level + 1  # of several, each looks like any other
    for number in range(parts):
        day = date(YEAR, 6, 18) + timedelta(days=9 * number)
        pay(market, day, ISSUER, customer, amount / 2 / parts + 1_000 / parts, "refund")
    return {"customers": [customer]}


# --- contracts ------------------------------------------------------------------------------------


def _contract(market: Market, customer: str, amount: float, paid: Sequence[float]) -> None:
    """Agree on a project, bill it as agreed, and let its customer pay in parts."""
    number = len(market.tables.get("agreements", ())) + 1
    name, day = f"AG{number:04d}", day_of(market.rng.integers(30, 200))
    market.add(
        "agreements",
        **{"agreement": name, "kind": "project", "customer": customer, **year()},
        **{"partner": market.partner[customer], "amount": amount, "currency": "CNY"},
    )
    market.add("purchases", customer=customer, day=day, amount=amount, agreement=name)
    for at, part in enumerate(paid):
        pay(market, day + timedelta(days=30 * at), customer, customer, part)
        market.tables["payments"][-1]["reference"] = name


def _contracts(market: Market) -> None:
    """Let customers pay what was agreed with its tax, in parts, or twice and be paid back."""
    held = sorted(market.partner)
    for at, customer in enumerate(untouched(market, held, 6)):
        amount = round(market.size[customer] * 3, 2)
        _contract(market, customer, amount, [amount * 0.53, amount * (0.6, 0.53, 0.4)[at % 3]])
    for customer in untouched(market, held, 1):
        amount = round(market.size[customer] * 3, 2)
        _contract(market, customer, amount, [amount, amount])
        pay(market, date(YEAR, 9, 1), ISSUER, customer, amount, "refund")
        market.tables["payments"][-1]["reference"] = f"AG{len(market.tables['agreements']):04d}"


def in_two_versions(market: Market, level: int) -> Row:
    """G15: a customer pays more than the vendor was told, in parts."""
    (customer,) = untouched(market, sorted(market.partner), 1)
    amount = round(market.size[customer] * 3, 2)
    whole = amount * (1.9, 1.7, 1.5, 1.35)[level]
    _contract(market, customer, amount, [whole / (level + 1)] * (level + 1))
    return {"parties": [market.partner[customer]], "customers": [customer]}


# --- jobs -----------------------------------------------------------------------------------------


def _job(market: Market, person: str, employer: str, since: date | None, until: date) -> None:
    row = link("party", person, "employer", employer, str(since or "2023-01-01"))
    market.add("links", **row | {"to": str(until) if until < _END else ""})


def _transfer(market: Market, customer: str, partner: str, day: date) -> None:
    market.add("transfers", customer=customer, partner=partner, day=day)


def _team(market: Market, partner: str, people: Sequence[str]) -> dict[str, list[str]]:
    """Let people of a partner look after its customers. Returns those of each."""
    found: dict[str, list[str]] = {person: [] for person in people}
    for at, customer in enumerate(untouched(market, market.of_partner(partner), 100)):
        person = people[at % len(people)]
        found[person].append(customer)
        market.add("links", **link("customer", customer, "representative", person))
    return found


def _largest(market: Market) -> list[str]:
    """Return the partners by how many of their customers nothing happens to, the most first.

    Branches of a group are left out: one of them may have closed.
    """
    branches = {row["subject"] for row in market.tables["links"] if row["role"] == "group"}
    among = [partner for partner in market.partners if partner not in branches]
    free = {p: len(untouched(market, market.of_partner(p), 100)) for p in among}
    return sorted(among, key=lambda partner: (-free[partner], partner))


def _leavers(market: Market) -> None:
    """Let people change jobs and their customers stay, or customers leave whoever serves them.

    And let a rep leave whose customers another looks after, though one has the rep's phone too.
    """
    stays, loses, rival = _largest(market)[2:5]
    day = date(YEAR, 5, 1)
    for partner, name in ((stays, "STAYER"), (loses, "MOVER")):
        people = [f"{name}-{number}" for number in range(2)]
        served = _team(market, partner, people)
        _job(market, people[0], partner, None, day)
        _job(market, people[1], partner, None, _END)
        _job(market, people[0], rival, day + timedelta(days=20), _END)
        if name == "MOVER":  # the rival is cheaper for all
            for person in people:
                for customer in served[person][: len(served[person]) // 2]:
                    _transfer(market, customer, rival, day + timedelta(days=70))
    rep = market.reps[-1]
    heir = market.reps[-2]
    _job(market, rep, "VENDOR", None, date(YEAR, 6, 1))
    for customer in [c for c in market.customers if market.rep[c] == rep]:
        market.add("handovers", customer=customer, rep=heir, day=date(YEAR, 6, 1))


def followed(market: Market, level: int) -> Row:
    """G16: the customers of somebody who left follow to a rival."""
    partner, rival = _largest(market)[:2]
    people = [f"LEAVER-{number}" for number in range(2)]
    served = _team(market, partner, people)
    day = date(YEAR, 3, 1)
    _job(market, people[0], partner, None, day)
    _job(market, people[1], partner, None, _END)
    _job(market, people[0], rival, day + timedelta(days=(5, 15, 30, 60)[level]), _END)
    mine = served[people[0]]
    taken = mine[: max(2, round(len(mine) * (1, 1, 0.8, 0.7)[level]))]
    for at, customer in enumerate(taken):
        start = day + timedelta(days=70)
        _transfer(market, customer, rival, start + timedelta(days=(2, 8, 15, 20)[level] * at))
    return {"parties": [rival, people[0]], "customers": taken}


def orphaned(market: Market, level: int) -> Row:
    """G17: a rep leaves, and customers have no phone or mail but the rep's own."""
    rep = market.reps[0]
    mine = [c for c in market.customers if market.rep[c] == rep]
    taken = untouched(market, mine, (3, 2, 1, 1)[level])
    contacts = ("phone", "email", "device")
    kept = [
        row
        for row in market.tables["identities"]
        if not (row["party"] in taken and row["kind"] in contacts)
    ]
    market.tables["identities"] = kept
    for customer in taken:
        for kind in contacts[: (3, 2, 2, 1)[level]]:
            for party in (customer, rep):
                value = f"own {kind} {customer}"
                market.add("identities", party=party, kind=kind, value=value, **_since())
    _job(market, rep, "VENDOR", None, date(YEAR, 7, 1))
    return {"parties": [rep], "customers": taken}


def _since() -> Row:
    return {"from": "2023-02-01"}
