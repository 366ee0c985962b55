"""The people of a world.

Who they are, who owns whom and since when, and what they are expected to sell.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

import numpy as np

ISSUER = "Beichen Cloud"
YEAR = 2024
REGIONS = ("north", "east", "south", "west", "centre")
LINES = ("internet", "finance", "retail", "games", "public", "manufacturing")
_CLASS_ODDS = {"C": 0.34, "D": 0.38, "E": 0.16, "F": 0.12}
_TOP = 13
_NAMES = (
    "Azure Crane",
    "Bright Harbour",
    "Cedar Field",
    "Dawn River",
    "East Lantern",
    "Fern Valley",
    "Golden Reed",
    "High Meadow",
    "Iron Bridge",
    "Jade Summit",
    "Kind Orchard",
    "Long Bay",
    "Maple Court",
    "North Pier",
    "Open Sky",
    "Pine Terrace",
    "Quiet Lake",
    "Red Kiln",
    "Silver Wharf",
    "Tall Grove",
)


@dataclass(frozen=True)
class Size:
    """The size of a world."""

    rows: int
    customers: int
    partners: int
    reps: int

    @classmethod
    def of(cls, rows: int) -> Size:
        """Return the customers, partners and reps that fit a number of charges."""
        customers = min(50_000, max(40, rows // 100))
        partners = min(12_000, max(6, customers // 5))
        reps = max(4, customers // 40)
        return cls(rows, customers, partners, reps)


@dataclass(frozen=True)
class People:
    """A world's people. Customers are counted from 0 by size; arrays have one entry a customer."""

    size: Size
    spend: np.ndarray
    """Share of all spend, falling: 20 % make 80 %, the first 13 near half."""
    classes: np.ndarray
    region: np.ndarray
    partner: np.ndarray
    """Partner's number; -1 where there is none."""
    rep: np.ndarray
    moves: dict[int, tuple[date, int]]
    """Customer to (day, new partner): associations that change within the year."""
    registered: dict[int, int]
    """Customer to the other partner for whom one of its orders is registered."""


def customer_id(number: int) -> str:
    """Return the id of a customer."""
    return f"K{number + 1:05d}"


def partner_id(number: int) -> str:
    """Return the id of a partner."""
    return f"P{number + 1:05d}"


def rep_id(number: int) -> str:
    """Return the id of a sales representative."""
    return f"R{number + 1:04d}"


def order_id(customer: int) -> str:
    """Return the id of a customer's order."""
    return f"SO-{customer + 1:05d}"


def people(size: Size, seed: int) -> People:
    """Make the people of a world, the same for the same seed and size."""
    rng = np.random.default_rng([seed, 1])
    n = size.customers
    letters = np.array(list(_CLASS_ODDS))
    classes = rng.choice(letters, n, p=list(_CLASS_ODDS.values()))
    classes[: min(_TOP, n)] = rng.choice(
        np.array(["A", "B", "C", "D"]), min(_TOP, n), p=[0.3, 0.2, 0.25, 0.25]
    )
    popularity = 1 / (np.arange(size.partners) + 5)
    partner = rng.choice(size.partners, n, p=popularity / popularity.sum())
    has_partner = np.isin(classes, ["C", "D"])
    partner[~has_partner] = -1
    moves, registered = {}, {}
    for customer in np.flatnonzero(has_partner):
        draw = rng.random()
        other = int(rng.integers(0, size.partners))
        if other == partner[customer]:
            continue
        if draw < 0.08:
            day = date(YEAR, 1, 1) + timedelta(days=int(rng.integers(32, 340)))
            moves[int(customer)] = (day, other)
        elif draw < 0.12:
            registered[int(customer)] = other
    return People(
        size=size,
        spend=_spend(n),
        classes=classes,
        region=rng.integers(0, len(REGIONS), n),
        partner=partner,
        rep=rng.integers(0, size.reps, n),
        moves=moves,
        registered=registered,
    )


def _spend(n: int) -> np.ndarray:
    """Falling shares: the first 13 make 48 %, the first fifth 80 %, the rest 20 %.

    Plain Zipf where the world is too small for that.
    """
    rank: np.ndarray = 1 / (np.arange(n) + 3.0)
    fifth = n // 5
    if fifth > 2 * _TOP:
        for start, end, share in ((0, _TOP, 0.48), (_TOP, fifth, 0.32), (fifth, n, 0.20)):
            rank[start:end] *= share / rank[start:end].sum()
    rank /= rank.sum()
    return rank


def monthly_total(size: Size) -> int:
    """Return the spend of all customers in a month, in whole currency units."""
    return 400 * size.rows + 2_000_000


def write_book(folder: Path, world: People, seed: int) -> list[tuple[Path, date]]:
    """Write the book as CSV files. Returns each with the day from which it is known."""
    folder.mkdir(parents=True, exist_ok=True)
    tables: dict[str, tuple[Sequence[str], Iterable[Sequence[object]]]] = {
        "parties": (("party", "kind", "name"), _parties(world)),
        "links": (_LINK_COLUMNS, _links(world)),
        "labels": (("party", "label", "value", "from", "to"), _labels(world)),
        "figures": (("party", "figure", "period", "amount", "currency"), _figures(world, seed)),
    }
    known = date(YEAR, 1, 1)
    return [
        (_csv(folder / f"{name}.csv", columns, rows), known)
        for name, (columns, rows) in tables.items()
    ]


def write_changes(folder: Path, world: People) -> Path:
    """Write what becomes known of June in August.

    Some customers were another partner's, and some orders were registered.
    """
    moved = [
        n
        for n in np.flatnonzero(world.partner >= 0)
        if int(n) not in world.moves and int(n) not in world.registered
    ][::25]
    moved_on, registered_on = f"{YEAR}-06-11", f"{YEAR}-06-01"
    rows: list[tuple[str, ...]] = []
    for n in map(int, moved):
        partner = int(world.partner[n])
        rows.append(_partner_link(n, partner, _share(n), until=moved_on))
        rows.append(_partner_link(n, _next_partner(world, partner), since=moved_on))
    for n in sorted(world.registered)[::2]:
        partner = world.registered[n]
        rows.append(_order_link(n, _next_partner(world, partner), registered_on))
        rows.append(_order_link(n, partner, _REGISTERED, registered_on))
    return _csv(folder / f"links-{YEAR}-08.csv", _LINK_COLUMNS, rows)


_LINK_COLUMNS = ("of", "issuer", "subject", "role", "party", "share", "from", "to")
SINCE = "2023-01-01"
"""The day from which everything holds that does not change within the year."""
_REGISTERED = f"{YEAR}-03-01"
"""The day on which orders are registered."""


def _partner_link(
    customer: int, partner: int, share: str = "", since: str = SINCE, until: str = ""
) -> tuple[str, ...]:
    """Return the row of the book for a customer's partner."""
    subject, party = customer_id(customer), partner_id(partner)
    return "customer", "", subject, "partner", party, share, since, until


def _order_link(customer: int, partner: int, since: str, until: str = "") -> tuple[str, ...]:
    """Return the row of the book for the partner of a customer's order."""
    order, party = order_id(customer), partner_id(partner)
    return "order", ISSUER, order, "partner", party, "", since, until


def _share(customer: int) -> str:
    """Return the share of a customer that its partner holds; empty means the whole."""
    return "80 %" if customer % 97 == 50 else ""


def _next_partner(world: People, partner: int) -> int:
    return (partner + 1) % world.size.partners


def _csv(path: Path, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> Path:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows(rows)
    return path


def _parties(world: People) -> Iterable[tuple[str, str, str]]:
    yield "U-CHANNEL", "unit", "Channel sales"
    for region in REGIONS:
        yield f"M-{region}", "rep", f"Manager {region}"
    for number in range(world.size.reps):
        yield rep_id(number), "rep", f"Rep {number + 1}"
    for number in range(world.size.partners):
        kind = "agent" if number % 10 == 9 else "partner"
        round_no, place = divmod(number, len(_NAMES))
        yield partner_id(number), kind, f"{_NAMES[place]} Partners {round_no + 1}"
    for number in range(world.size.customers):
        yield customer_id(number), "customer", f"{_NAMES[(number * 7) % len(_NAMES)]} {number + 1}"


def _links(world: People) -> Iterable[tuple[str, ...]]:
    for number in range(world.size.reps):
        manager = f"M-{REGIONS[number % len(REGIONS)]}"
        yield "party", "", rep_id(number), "manager", manager, "", SINCE, ""
    for number in range(9, world.size.partners, 10):
        yield "party", "", partner_id(number), "parent", partner_id(number - 1), "", SINCE, ""
    for number in range(world.size.customers):
        customer = customer_id(number)
        yield "account", ISSUER, f"A{number + 1:06d}", "customer", customer, "", SINCE, ""
        yield "customer", "", customer, "rep", rep_id(int(world.rep[number])), "", SINCE, ""
        yield from _partner_links(world, number)


def _partner_links(world: People, number: int) -> Iterable[tuple[str, ...]]:
    """Yield the links from a customer to its partner, to the next one, and of its order."""
    partner = int(world.partner[number])
    if partner >= 0 and number in world.moves:
        day, other = world.moves[number]
        yield _partner_link(number, partner, _share(number), until=str(day))
        yield _partner_link(number, other, since=str(day))
    elif partner >= 0:
        yield _partner_link(number, partner, _share(number))
    if number in world.registered:
        yield _order_link(number, world.registered[number], _REGISTERED)


def _labels(world: People) -> Iterable[tuple[str, ...]]:
    for number in range(world.size.partners):
        yield partner_id(number), "level", "standard" if number % 4 == 3 else "elite", SINCE, ""
    for number in range(world.size.customers):
        customer = customer_id(number)
        yield customer, "class", str(world.classes[number]), SINCE, ""
        yield customer, "region", REGIONS[world.region[number]], SINCE, ""
        yield customer, "line", LINES[(number * 5) % len(LINES)], SINCE, ""


def _figures(world: People, seed: int) -> Iterable[tuple[str, ...]]:
    """Yield targets near what is expected, so that some are met and some missed."""
    rng = np.random.default_rng([seed, 2])
    expected = world.spend * monthly_total(world.size)
    for number in range(world.size.partners):
        month = int(expected[world.partner == number].sum())
        if month:
            partner = partner_id(number)
            yield from _tasks(partner, month, rng)
            last_year = int(month * 12 * rng.choice([0.55, 0.66, 0.72, 0.9, 1.1]))
            yield _figure(partner, "last-year", str(YEAR), last_year // 1000 * 1000)
    for number in range(world.size.reps):
        month = int(expected[world.rep == number].sum())
        quota = int(month * 3 * rng.choice([0.7, 0.85, 0.95]))
        for quarter in range(1, 5):
            period = f"{YEAR}-Q{quarter}"
            growing = quota * (92 + 8 * quarter) // 100
            yield _figure(rep_id(number), "quota", period, growing // 100 * 100)
            yield _figure(rep_id(number), "target-pay", period, 90_000)
    for assigned in np.flatnonzero(world.classes == "C"):
        number = int(assigned)
        spend = int(expected[number] * 3)
        yield _figure(customer_id(number), "existing-spend", str(YEAR), spend)


def _tasks(partner: str, month: int, rng: np.random.Generator) -> Iterable[tuple[str, ...]]:
    """Yield a partner's targets for months, quarters and the year, in whole thousands."""
    base = int(month * rng.choice([0.55, 0.7, 0.8, 0.95]))
    for number in range(1, 13):
        yield _figure(partner, "task", f"{YEAR}-{number:02d}", max(1000, base // 1000 * 1000))
    for quarter in range(1, 5):
        target = max(3000, base * 3 // 1000 * 1000)
        yield _figure(partner, "task", f"{YEAR}-Q{quarter}", target)
    yield _figure(partner, "task", str(YEAR), max(12000, base * 12 // 1000 * 1000))


def _figure(party: str, figure: str, period: str, amount: int) -> tuple[str, ...]:
    return party, figure, period, str(amount), "CNY"
