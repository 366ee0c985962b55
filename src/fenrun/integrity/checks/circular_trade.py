"""Goods return to where they came from, at a loss or without value added.

Mechanism: a ring buys and sells the same goods so that its volume earns a rebate. What is compared:
trades by serial number, else by item and quantity, which come back to their first seller through
two others at least within half a year. Were the buyers of an item dealt again among its trades,
would as many rings close? Goods that are sent back to whoever sold them are returns and no ring,
nor are those that one seller calls back from many and keeps.

The amount is what some of them took and the others lost by all trades of the rings. Where that is
nothing the volume alone went round, and the case stays: it is what a ring is for.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from datetime import timedelta
from decimal import Decimal

import numpy as np

from fenrun.integrity.chance import Floats, as_extreme, dealt_again
from fenrun.integrity.findings import Alert, Evidence, Outcome, PayDifference
from fenrun.integrity.seen import Seen
from fenrun.pricing.lines import WIDE
from fenrun.tables.latest import Known

_SPAN = timedelta(days=183)
_LONGEST = 6
_FEWEST_PARTIES = 3
_FEWEST_RINGS, _MANY = 2, 4
"""Rings of the same parties; and groups of parties from whom one seller calls goods back."""
_LONGEST_HELD = timedelta(days=90)
"""Goods that somebody keeps longer were used, and come back as used goods do."""
_TIMES = 400
_MOST_ADDED = Decimal("1.02")
"""The price of the last trade beside the first from which value may have been added."""
_MORE = r"[(\[,（【，]"
_TRADES = "trades"
Ring = tuple[Known, ...]


def run(seen: Seen) -> Outcome:
    """Return the rings of each group of parties, with how likely as many close by chance."""
    trades = [row for row in seen.trades if row["day"] in seen.period.span]
    trades.sort(key=lambda row: (row["day"], row["trade"]))
    rings = _without_recalls(_by_parties(trades), trades)
    by_chance = _by_chance(trades) if rings else np.zeros(0)
    alerts = []
    for parties, found in sorted(rings.items(), key=lambda item: sorted(item[0])):
        if len(found) < _FEWEST_RINGS:
            continue
        alerts.append(_alert(seen, parties, found, as_extreme(len(found), by_chance)))
    goods = {_goods(trade) for trade in trades}
    return Outcome(len(goods), alerts, adjusted=True)


def _by_parties(trades: Sequence[Known]) -> dict[frozenset[str], list[Ring]]:
    """Return the rings by the parties that they go through; trades are in the order of days."""
    found = defaultdict[frozenset[str], list[Ring]](list)
    for of in _by_goods(trades):
        for ring in _rings(of):
            found[frozenset(trade["seller"] for trade in ring)].append(ring)
    return found


def _without_recalls(
    rings: dict[frozenset[str], list[Ring]], trades: Sequence[Known]
) -> dict[frozenset[str], list[Ring]]:
    """Return the rings that are no recall: one seller calls back from many, and keeps what comes.

    Whoever goes round in rings has few parties, or sells the goods again.
    """
    last = {_goods(trade): trade["trade"] for trade in trades}
    back = defaultdict[tuple[str, str], set[frozenset[str]]](set)
    for parties, of in rings.items():
        for ring in of:
            if last[_goods(ring[-1])] == ring[-1]["trade"]:
                back[ring[-1]["seller"], ring[-1]["buyer"]].add(parties)
    recalls = {pair for pair, groups in back.items() if len(groups) >= _MANY}
    found = {
        parties: [ring for ring in of if (ring[-1]["seller"], ring[-1]["buyer"]) not in recalls]
        for parties, of in rings.items()
    }
    return {parties: of for parties, of in found.items() if of}


def _by_goods(trades: Sequence[Known]) -> list[list[Known]]:
    """Return the trades of all goods that change hands often enough to come back."""
    found = defaultdict[tuple[str, ...], list[Known]](list)
    for trade in trades:
        found[_goods(trade)].append(trade)
    return [of for of in found.values() if len(of) >= _FEWEST_PARTIES]


def _goods(trade: Known) -> tuple[str, ...]:
    """Return what tells goods apart: their serial number, else item, quantity and project."""
    if trade["serial"]:
        return (_item(trade), trade["serial"])
    return (_item(trade), str(trade["quantity"]), trade["currency"], "")


def _item(trade: Known) -> str:
    """Return what is traded: a name that says more in brackets or after a comma is the same."""
    name: str = re.split(_MORE, trade["item"], maxsplit=1)[0].strip().casefold()
    return name or str(trade["item"])


def _rings(trades: Sequence[Known]) -> Iterator[Ring]:
    """Yield the ways of some goods back to their first seller; no trade is in two of them."""
    used: set[int] = set()
    for start, first in enumerate(trades):
        if start in used:
            continue
        path = _way_back(trades, start, used)
        if path:
            used |= set(path)
            ring = tuple(trades[at] for at in path)
            price = ring[-1]["amount"] / ring[-1]["quantity"] if ring[-1]["quantity"] else None
            was = first["amount"] / first["quantity"] if first["quantity"] else None
            if price is None or was is None or price <= was * _MOST_ADDED:
                yield ring


def _way_back(trades: Sequence[Known], start: int, used: set[int]) -> list[int]:
    """Return the trades by which goods come back to their first seller, the earliest way."""
    first = trades[start]
    paths = [[start]]
    while paths:
        path = paths.pop(0)
        last = trades[path[-1]]
        seen = {trades[at]["seller"] for at in path}
        for at in range(path[-1] + 1, len(trades)):
            trade = trades[at]
            if trade["day"] - first["day"] > _SPAN:
                break
            if at in used or trade["seller"] != last["buyer"] or trade["day"] < last["day"]:
                continue
            if trade["day"] - last["day"] > _LONGEST_HELD:
                continue
            if trade["buyer"] == first["seller"] and len(path) + 1 >= _FEWEST_PARTIES:
                return [*path, at]
            if trade["buyer"] not in seen and len(path) < _LONGEST - 1:
                paths.append([*path, at])
    return []


def _by_chance(trades: Sequence[Known]) -> Floats:
    """Return how many rings close for one group of parties at most, with the buyers dealt again."""
    by_item = defaultdict[str, list[Known]](list)
    for trade in trades:
        by_item[_item(trade)].append(trade)
    goods = _by_goods([trade for of in by_item.values() for trade in of])

    def most(rng: np.random.Generator) -> float:
        buyers: dict[str, str] = {}
        for of in by_item.values():
            dealt = rng.permutation(np.array([trade["buyer"] for trade in of], dtype=object))
            buyers.update(zip((trade["trade"] for trade in of), dealt))
        found = Counter[frozenset[str]]()
        for of in goods:
            sellers = {trade["seller"] for trade in of[: 1 - _FEWEST_PARTIES]}
            if any(buyers[trade["trade"]] in sellers for trade in of[_FEWEST_PARTIES - 1 :]):
                again = [trade | {"buyer": buyers[trade["trade"]]} for trade in of]
                found.update(frozenset(t["seller"] for t in ring) for ring in _rings(again))
        return max(found.values(), default=0)

    return dealt_again(most, _TIMES, "rings")


def _alert(seen: Seen, parties: frozenset[str], rings: Sequence[Ring], chance: float) -> Alert:
    trades = [trade for ring in rings for trade in ring]
    pays = _pays(rings)
    known = {party for party in parties if seen.kinds.get(party) != "customer"}
    return Alert(
        parties=tuple(sorted(known)),
        customers=tuple(sorted(parties - known)),
        start=min(trade["day"] for trade in trades),
        end=max(trade["day"] for trade in trades),
        evidence=tuple(Evidence("traded", _TRADES, trade["trade"]) for trade in trades[:30]),
        p=chance,
        diverted=_gained(pays),
        pays=pays,
    )


def _pays(rings: Sequence[Ring]) -> tuple[PayDifference, ...]:
    """Return what each received for goods that came back, less what it paid: the goods are where
    they were, so that money is all that changed. What all of them have more and less sums to 0.
    """
    found = defaultdict[tuple[str, str], Decimal](Decimal)
    for trade in (trade for ring in rings for trade in ring):
        for party, amount in (
            (trade["seller"], trade["amount"]),
            (trade["buyer"], -trade["amount"]),
        ):
            key = party, trade["currency"]
            found[key] = WIDE.add(found[key], amount)
    return tuple(
        PayDifference(party, currency, _TRADES, more, Decimal(0))
        for (party, currency), more in sorted(found.items())
    )


def _gained(pays: Sequence[PayDifference]) -> dict[str, Decimal]:
    """Return by currency what those who have more have of those who have less."""
    found = defaultdict[str, Decimal](Decimal)
    for paid in pays:
        found[paid.currency] = WIDE.add(found[paid.currency], max(Decimal(0), paid.more))
    return dict(found)
