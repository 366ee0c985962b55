"""Growth is booked in the region that pays best, against where it is used.

Mechanism: a group registers orders of customers that one of its branches serves for the branch with
the lowest threshold; machines stay where they are. What is compared: the customers that a branch is
booked for, and that another of its house served first or serves still, with all customers and their
partners. Were those whose orders are used in another region than that of the partner dealt again
among all, would as many have come to this branch? New customers that are used where another of its
house is are compared with all new ones in the same way.

A region of use belongs to the region of the partners that sell most of it, so that a data centre
that serves the whole country fits everybody alike; nor may the branch's region explain it, where
others' customers do not fit either. Only branches of one group, parent, owner, bank account or
register can shift; what comes from strangers is another scheme. A branch that keeps next to none of
its customers has closed and handed its book on; one that is of the house since then was taken over;
what came on one day from several was decided above them; and a customer that consents moves by its
own will.

Where they hardly fit by chance, it counts too how many of the first branch's customers came, beside
those of all partners that went anywhere.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from fenrun.integrity.chance import Draw, alone, by_dealing, together
from fenrun.integrity.findings import Alert, Evidence, Outcome
from fenrun.integrity.seen import PARTNER, Seen

Order = dict[str, Any]
_FEWEST, _FEWEST_REGISTERED = 3, 2
"""Customers: two that move can be a family that divides its work anew; not two that stay where they
are, and whose orders are registered for another."""
_NEW = timedelta(days=30)
"""How long after the period begins customers are new that were booked for nobody before."""
_HANDING_ON = timedelta(days=45)
"""How long a branch that closes goes on."""
_KEPT = 0.2
"""The part of its customers up to which a branch keeps next to none."""
_HARDLY = 0.02
"""The chance of customers that do not fit up to which it counts how many came."""
_DECIDED, _FROM = 5, 3
"""Customers that move on one day, and from as many partners, as somebody above them decided."""
_ORDERS = """
SELECT order_id, min(day) AS day, arg_max(customer, abs(effective)) AS customer, partner,
       arg_max(own, abs(effective)) AS own, arg_max(region, abs(effective)) AS region,
       list(DISTINCT group_id) AS groups
FROM sold
WHERE order_id <> '' AND partner <> '' AND region <> '' AND category <> 'Credit'
GROUP BY order_id, partner
ORDER BY day, order_id, partner"""


@dataclass(frozen=True)
class Move:
    """A customer whose orders are booked for another partner than before."""

    customer: str
    before: str
    partner: str
    booked: str
    """The region of the partner."""
    orders: Sequence[Order]

    @property
    def day(self) -> date:
        """The day of the first of these orders."""
        first: date = self.orders[0]["day"]
        return first

    @property
    def is_registered(self) -> bool:
        """True if the customer stays with its partner, and orders alone go."""
        return all(order["own"] != self.partner for order in self.orders)

    @property
    def unfit(self) -> Sequence[Order]:
        """The orders that are used in another region than the partner's."""
        return [order for order in self.orders if order["home"] != self.booked]

    @property
    def is_unfit(self) -> bool:
        """True if half of its orders or more are."""
        return 2 * len(self.unfit) >= len(self.orders)


def run(seen: Seen) -> Outcome:
    """Return each branch with customers from its house, or new ones, and how likely as many of them
    do not fit by chance.
    """
    orders = _orders(seen)
    served, moves = _served(orders)
    won = [one for one in served if one.day >= seen.period.span.start + _NEW]
    came = _from_its_house(seen, orders, moves)
    new = _at_siblings(seen, served, won)
    alerts = []
    for mine in (*came, *new):
        unfit = [one for one in mine if one.is_unfit]
        if _are_enough(unfit):
            chance = _chance(served if mine in came else won, mine)
            if mine in came and chance <= _HARDLY:
                chance = together(chance, by_dealing([_draw_of_book(served, moves, mine)]))
            alerts.append(_alert(seen, unfit, chance))
    return Outcome(len(came) + len(new), alerts)


def _from_its_house(
    seen: Seen, orders: Sequence[Order], moves: Sequence[Move]
) -> list[Sequence[Move]]:
    """Return by branch the customers that came to it from its house, where no decision says why."""
    handed_on, decided = _handed_on(orders, moves), _decided(seen, moves)
    found = defaultdict[str, list[Move]](list)
    for one in moves:
        is_explained = (
            (one.before, one.partner) in handed_on
            or (
                seen.are_related(one.before, one.partner)
                and not seen.are_related(one.before, one.partner, one.day - _HANDING_ON)
            )
            or (one.customer, one.partner) in decided
            or seen.has_consented(one.customer, one.partner)
        )
        if not is_explained and seen.are_one_house(one.before, one.partner):
            found[one.partner].append(one)
    return [mine for _, mine in sorted(found.items()) if _are_enough(mine)]


def _at_siblings(seen: Seen, served: Sequence[Move], won: Sequence[Move]) -> list[Sequence[Move]]:
    """Return by branch the customers that are new, and used in its region or where others of its
    house are.
    """
    in_house = defaultdict[object, set[tuple[str, str]]](set)
    for one in served:
        for house in seen.houses_of(one.partner):
            in_house[house].add((one.partner, one.booked))
    found = defaultdict[str, list[Move]](list)
    for one in won:
        branches = {of for house in seen.houses_of(one.partner) for of in in_house[house]}
        regions = {region for partner, region in branches if partner != one.partner}
        if regions and (not one.is_unfit or one.unfit[0]["home"] in regions):
            found[one.partner].append(one)
    return [mine for _, mine in sorted(found.items()) if len(mine) >= _FEWEST]


def _are_enough(moves: Sequence[Move]) -> bool:
    """Return whether customers are so many that they say something."""
    registered = sum(one.is_registered for one in moves)
    return len(moves) >= _FEWEST or registered >= _FEWEST_REGISTERED


def _orders(seen: Seen) -> list[Order]:
    """Return the orders of partners that have a region, each with its home: the region of partners
    from which most of what is used there is sold to customers of theirs.
    """
    orders = [
        order | {"booked": booked}
        for order in seen.query(_ORDERS)
        if (booked := seen.label(order["partner"], "region", order["day"]))
    ]
    counts = defaultdict[str, Counter[str]](Counter)
    for order in orders:
        counts[order["region"]][order["booked"]] += order["own"] in ("", order["partner"])
    home = {region: max(sorted(of), key=of.__getitem__) for region, of in counts.items()}
    return [order | {"home": home[order["region"]]} for order in orders]


def _served(orders: Iterable[Order]) -> tuple[list[Move], list[Move]]:
    """Return the customers with the partner that they belong to or that was booked for them first;
    and those that another is booked for anew.
    """
    first: dict[str, str] = {}
    found = defaultdict[tuple[str, str, str], list[Order]](list)
    for order in orders:
        customer, partner, own = order["customer"], order["partner"], order["own"]
        before = first.setdefault(customer, own or partner)
        if own not in ("", partner):
            before = own
        found[customer, before, partner].append(order)
    moves = [Move(*who, of[0]["booked"], of) for who, of in found.items()]
    return (
        [one for one in moves if one.before == one.partner],
        [one for one in moves if one.before != one.partner],
    )


def _handed_on(orders: Iterable[Order], moves: Iterable[Move]) -> set[tuple[str, str]]:
    """Return the branches, each with an heir, that keep next to none of their customers when the
    heir has them: they have closed, or were taken over, and handed their book on.

    Customers that they win later tell nothing.
    """
    first: dict[str, Order] = {}
    last: dict[str, date] = {}
    sold_last: dict[str, date] = {}
    """The last day on which its first partner sold to a customer that is its own yet."""
    for order in orders:
        customer = order["customer"]
        partner = first.setdefault(customer, order)["partner"]
        last[customer] = order["day"]
        if partner == order["partner"] and order["own"] in ("", partner):
            sold_last[customer] = order["day"]
    found = set()
    earliest: dict[tuple[str, str], Move] = {}
    for one in sorted(moves, key=lambda one: one.day):
        earliest.setdefault((one.before, one.partner), one)
    for one in earliest.values():
        until = one.day + _HANDING_ON
        later = [
            customer
            for customer, order in first.items()
            if order["partner"] == one.before and order["day"] < one.day and last[customer] >= until
        ]
        kept = sum(sold_last.get(customer, one.day) >= until for customer in later)
        if kept <= _KEPT * len(later):
            found.add((one.before, one.partner))
    return found


def _decided(seen: Seen, moves: Iterable[Move]) -> set[tuple[str, str]]:
    """Return the customers and partners of days on which customers of several came to others."""
    by_day = defaultdict[date, list[Move]](list)
    for one in moves:
        for link in seen.links_of("customer", one.customer, PARTNER, one.partner):
            by_day[link["valid_from"]].append(one)
    return {
        (one.customer, one.partner)
        for of in by_day.values()
        if len(of) >= _DECIDED and len({one.before for one in of}) >= _FROM
        for one in of
    }


def _chance(served: Sequence[Move], mine: Sequence[Move]) -> float:
    """Return how likely as many customers that came to a branch do not fit by chance, dealt again
    among them and all that anybody serves.

    The region of the branch explains it where others' customers there do not fit either.
    """
    booked, who = mine[0].booked, {one.customer for one in mine}
    others = [one for one in served if one.customer not in who]
    near = [one for one in others if one.booked == booked]
    everywhere, within = (_draw(mine, [*mine, *among]) for among in (others, near))
    return alone(*map(by_dealing, ([everywhere], [within], [_draw(near, others)])))


def _draw_of_book(served: Sequence[Move], moves: Sequence[Move], mine: Sequence[Move]) -> Draw:
    """Return how many of all customers that were booked anew came from the branches before."""
    befores, went = {one.before for one in mine}, {one.customer for one in moves}
    of_all = {one.customer for one in served} | went
    of_them = {one.customer for one in (*served, *moves) if one.before in befores}
    return Draw(len({one.customer for one in mine}), len(of_them), len(went), len(of_all))


def _draw(mine: Sequence[Move], among: Sequence[Move]) -> Draw:
    """Return how many customers that do not fit some of all are."""
    found, marked = (sum(one.is_unfit for one in of) for of in (mine, among))
    return Draw(found, len(mine), marked, len(among))


def _alert(seen: Seen, unfit: Sequence[Move], chance: float) -> Alert:
    partner = unfit[0].partner
    moved = [order for one in unfit for order in one.unfit]
    names = sorted({order["order_id"] for order in moved})
    links = [
        Evidence("handed-over", "links", link["link_id"])
        for one in unfit
        if not one.is_registered
        for link in seen.links_of("customer", one.customer, PARTNER, partner)
    ]
    return Alert(
        parties=tuple(sorted({partner, *(one.before for one in unfit)})),
        customers=tuple(sorted({one.customer for one in unfit})),
        orders=tuple(names),
        start=min(one.day for one in unfit),
        end=max(order["day"] for order in moved),
        evidence=(*seen.registered(names, partner), *links),
        p=chance,
        groups=tuple(group for order in moved for group in order["groups"]),
        shows="used-elsewhere",
    )
