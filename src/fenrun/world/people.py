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
        """Customers, partners and reps that fit a number of charges."""
        customers = int(min(50_000, max(40, rows // 100)))
        return cls(
            rows, customers, int(min(12_000, max(6, customers // 5))), max(4, customers // 40)
        )


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
    return f"K{number + 1:05d}"


def partner_id(number: int) -> str:
    return f"P{number + 1:05d}"


def rep_id(number: int) -> str:
    return f"R{number + 1:04d}"


def order_id(customer: int) -> str:
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
        draw, other = rng.random(), int(rng.integers(0, size.partners))
        if other == partner[customer]:
            continue
        if draw < 0.08:
            moves[int(customer)] = (
                date(YEAR, 1, 1) + timedelta(days=int(rng.integers(32, 340))),
                other,
            )
        elif draw < 0.12:
            registered[int(customer)] = other
    return People(
        size,
        _spend(n),
        classes,
        rng.integers(0, len(REGIONS), n),
        partner,
        rng.integers(0, size.reps, n),
        moves,
        registered,
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
    start = date(YEAR, 1, 1)
    written = [
        (_csv(folder / "parties.csv", ("party", "kind", "name"), _parties(world)), start),
        (_csv(folder / "links.csv", _LINK_COLUMNS, _links(world)), start),
        (
            _csv(folder / "labels.csv", ("party", "label", "value", "from", "to"), _labels(world)),
            start,
        ),
        (
            _csv(
                folder / "figures.csv",
                ("party", "figure", "period", "amount", "currency"),
                _figures(world, seed),
            ),
            start,
        ),
    ]
    return written


def write_changes(folder: Path, world: People) -> Path:
    """Write what becomes known of June in August.

    Some customers were another partner's, and some orders were registered.
    """
    moved = [
        n
        for n in np.flatnonzero(world.partner >= 0)
        if int(n) not in world.moves and int(n) not in world.registered
    ][::25]
    rows: list[tuple[str, ...]] = []
    for n in map(int, moved):
        other = (int(world.partner[n]) + 1) % world.size.partners
        rows += [
            (
                "customer",
                "",
                customer_id(n),
                "partner",
                partner_id(int(world.partner[n])),
                "80 %" if n % 97 == 50 else "",
                SINCE,
                f"{YEAR}-06-11",
            ),
            ("customer", "", customer_id(n), "partner", partner_id(other), "", f"{YEAR}-06-11", ""),
        ]
    for n in sorted(world.registered)[::2]:
        rows.append(
            (
                "order",
                ISSUER,
                order_id(n),
                "partner",
                partner_id((world.registered[n] + 1) % world.size.partners),
                "",
                f"{YEAR}-06-01",
                "",
            )
        )
        rows.append(
            (
                "order",
                ISSUER,
                order_id(n),
                "partner",
                partner_id(world.registered[n]),
                "",
                f"{YEAR}-03-01",
                f"{YEAR}-06-01",
            )
        )
    return _csv(folder / f"links-{YEAR}-08.csv", _LINK_COLUMNS, rows)


_LINK_COLUMNS = ("of", "issuer", "subject", "role", "party", "share", "from", "to")
SINCE = "2023-01-01"


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
        yield (
            partner_id(number),
            kind,
            f"{_NAMES[number % len(_NAMES)]} Partners {number // len(_NAMES) + 1}",
        )
    for number in range(world.size.customers):
        yield customer_id(number), "customer", f"{_NAMES[(number * 7) % len(_NAMES)]} {number + 1}"


def _links(world: People) -> Iterable[tuple[str, ...]]:
    for number in range(world.size.reps):
        yield (
            "party",
            "",
            rep_id(number),
            "manager",
            f"M-{REGIONS[number % len(REGIONS)]}",
            "",
            SINCE,
            "",
        )
    for number in range(9, world.size.partners, 10):
        yield "party", "", partner_id(number), "parent", partner_id(number - 1), "", SINCE, ""
    for number in range(world.size.customers):
        customer = customer_id(number)
        yield "account", ISSUER, f"A{number + 1:06d}", "customer", customer, "", SINCE, ""
        yield "customer", "", customer, "rep", rep_id(int(world.rep[number])), "", SINCE, ""
        if world.partner[number] >= 0:
            share = "80 %" if number % 97 == 50 else ""
            day, to = world.moves.get(number, ("", -1))
            yield (
                "customer",
                "",
                customer,
                "partner",
                partner_id(int(world.partner[number])),
                share,
                SINCE,
                str(day),
            )
            if day:
                yield "customer", "", customer, "partner", partner_id(to), "", str(day), ""
        if number in world.registered:
            yield (
                "order",
                ISSUER,
                order_id(number),
                "partner",
                partner_id(world.registered[number]),
                "",
                f"{YEAR}-03-01",
                "",
            )


def _labels(world: People) -> Iterable[tuple[str, ...]]:
    for number in range(world.size.partners):
        yield partner_id(number), "level", "standard" if number % 4 == 3 else "elite", SINCE, ""
    for number in range(world.size.customers):
        customer = customer_id(number)
        yield customer, "class", str(world.classes[number]), SINCE, ""
        yield customer, "region", REGIONS[world.region[number]], SINCE, ""
        yield customer, "line", LINES[(number * 5) % len(LINES)], SINCE, ""


def _figures(world: People, seed: int) -> Iterable[tuple[str, ...]]:
    """Targets near what is expected, so that some are met and some missed."""
    rng = np.random.default_rng([seed, 2])
    expected = world.spend * monthly_total(world.size)
    for number in range(world.size.partners):
        month = int(expected[world.partner == number].sum())
        if month:
            yield from _tasks(partner_id(number), month, rng)
            yield (
                partner_id(number),
                "last-year",
                str(YEAR),
                str(int(month * 12 * rng.choice([0.55, 0.66, 0.72, 0.9, 1.1])) // 1000 * 1000),
                "CNY",
            )
    for number in range(world.size.reps):
        month = int(expected[world.rep == number].sum())
        quota = int(month * 3 * rng.choice([0.7, 0.85, 0.95]))
        for quarter in range(1, 5):
            yield (
                rep_id(number),
                "quota",
                f"{YEAR}-Q{quarter}",
                str(quota * (92 + 8 * quarter) // 100 // 100 * 100),
                "CNY",
            )
            yield rep_id(number), "target-pay", f"{YEAR}-Q{quarter}", "90000", "CNY"
    for assigned in np.flatnonzero(world.classes == "C"):
        number = int(assigned)
        yield (
            customer_id(number),
            "existing-spend",
            str(YEAR),
            str(int(expected[number] * 3)),
            "CNY",
        )


def _tasks(partner: str, month: int, rng: np.random.Generator) -> Iterable[tuple[str, ...]]:
    base = int(month * rng.choice([0.55, 0.7, 0.8, 0.95]))
    for number in range(1, 13):
        yield partner, "task", f"{YEAR}-{number:02d}", str(max(1000, base // 1000 * 1000)), "CNY"
    for quarter in range(1, 5):
        yield partner, "task", f"{YEAR}-Q{quarter}", str(max(3000, base * 3 // 1000 * 1000)), "CNY"
    yield partner, "task", str(YEAR), str(max(12000, base * 12 // 1000 * 1000)), "CNY"
