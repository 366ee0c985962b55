"""Markets imported into workspaces, and how well findings meet the truth about them."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any

from fenrun.base.when import parse_period
from fenrun.integrity.findings import Case, Findings
from fenrun.integrity.kept import findings_of
from fenrun.settle.imports import import_file
from fenrun.store.facts import Store
from fenrun.world.market import Market
from fenrun.world.schemes import make_market, write_market
from tests.scratch import kept_folder

YEAR = parse_period("2024")
KNOWN = datetime(2025, 1, 3)
Row = dict[str, Any]


def imported(folder: Path, market: Market) -> Store:
    """Return a workspace with all of a market."""
    store = Store(folder / "ws")
    for path in write_market(folder / "files", market):
        import_file(store, path, KNOWN)
    return store


@cache
def market_of(partners: int, seed: int, level: int, *cheats: str) -> tuple[Market, Store, Findings]:
    """Return a market, its workspace and what is found in it."""
    market = make_market(partners, seed, level, cheats)
    store = imported(kept_folder("market"), market)
    return market, store, findings_of(store, YEAR)


def is_about(case: Case, row: Row) -> bool:
    """Return whether a case names somebody of a scheme, in that scheme."""
    parties = set(case.parties) & set(row.get("parties", ()))
    customers = set(case.customers) & set(row.get("customers", ()))
    return case.scheme == row["scheme"] and bool(parties or customers)


def found(cases: Iterable[Case], row: Row) -> bool:
    """Return whether some case is about a scheme."""
    return any(is_about(case, row) for case in cases)
