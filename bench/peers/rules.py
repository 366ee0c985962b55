"""What the peers share: the constants of the job's folder, in whole cents and whole per cent."""

from __future__ import annotations

import csv
import json
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

YEAR = "2025"
MONTHS = tuple(f"{YEAR}-{month:02d}" for month in range(1, 13))
QUARTERS = tuple(f"{YEAR}-Q{quarter}" for quarter in range(1, 5))
COLUMNS = ("partner_id", "component", "period_key", "base", "amount")
COSTS = ("list", "contracted", "billed")

Steps = tuple[tuple[int, int], ...]
"""(From, per cent) in rising order.

From is in cents for the monthly tiers, in per cent elsewhere.
"""


@dataclass(frozen=True)
class Rules:
    """`excluded` holds (family, first period); `tiers` the steps of each of the twelve months."""

    floor: int
    excluded: tuple[tuple[str, str], ...]
    tiers: tuple[Steps, ...]
    task: Steps
    growth: Steps


def read_rules(folder: Path) -> Rules:
    """The constants in plan.json and exclusions.csv."""
    said = json.loads((folder / "plan.json").read_text("utf-8"), parse_float=Decimal)
    versions = [
        (
            t["from_period"],
            tuple((_whole(Decimal(start) * 100), _whole(rate)) for start, rate in t["steps"]),
        )
        for t in said["tiers"]
    ]
    tiers = tuple([steps for start, steps in versions if start <= month][-1] for month in MONTHS)
    with (folder / "exclusions.csv").open(encoding="utf-8", newline="") as file:
        excluded = tuple((row["sku_family"], row["from_period"]) for row in csv.DictReader(file))
    return Rules(
        _whole(said["floor_pct"]),
        excluded,
        tiers,
        *(tuple((_whole(a), _whole(b)) for a, b in said[name]) for name in ("task", "growth")),
    )


def cents(text: str) -> int:
    """Money as text, in whole cents."""
    return _whole(Decimal(text) * 100)


def charges_of(folder: Path) -> tuple[Path, bool]:
    """The file of charges, and whether it is the Parquet one, whose money is in cents."""
    parquet = folder / "charges.parquet"
    return (parquet, True) if parquet.exists() else (folder / "charges.csv", False)


def _whole(value: int | Decimal) -> int:
    if value != int(value):
        raise ValueError(f"the peers take whole cents and whole per cent, not {value}")
    return int(value)
