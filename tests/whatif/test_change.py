"""Settling again what a change touches gives, row for row, what settling everything anew gives."""

from __future__ import annotations

import random
import tempfile
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from fenrun.base.when import parse_period
from fenrun.book.read import Book
from fenrun.engine.duckdb import DuckDB
from fenrun.plan.read import PlanFile
from fenrun.settle.facts import Facts, facts_as_of
from fenrun.store.facts import Store
from fenrun.whatif.change import RESULTS, Live
from tests.closing.test_late_facts import BASE, START, load_book, load_charges, load_plan_text, some
from tests.properties import worlds

PERIOD = parse_period("2024-01/2024-03")
KNOWN = datetime(2024, 5, 1)
FINE_COSTS = {
    "BilledCost": Decimal("0.003"),
    "ListCost": Decimal("0.009"),
    "ContractedCost": Decimal("0.003"),
    "EffectiveCost": Decimal("0.003"),
}
FINE = [{**BASE[0], **FINE_COSTS}]
"""As many decimals as any charge has: with more to come, everything is settled anew."""
taken = {"change": 0, "anew": 0}


@some
@given(
    worlds.plans(at_most=3),
    worlds.book(),
    st.lists(worlds.book(), min_size=1, max_size=3),
    st.lists(worlds.charges, min_size=2, max_size=4),
    st.integers(0, 10**6),
)
def test_a_change_gives_what_everything_anew_gives(
    files: list[PlanFile], first: Book, books: list[Book], charges: list[Any], seed: int
) -> None:
    rng = random.Random(seed)
    with tempfile.TemporaryDirectory() as folder:
        store = Store(Path(folder) / "ws")
        for number, file in enumerate(files):
            load_plan_text(store, file, START, f"plan-{number}.yaml")
        load_book(store, first, START, "book.csv")
        for number, rows in enumerate(charges):
            known = START.replace(day=2 + number)
            load_charges(store, rows + FINE * (number == 0), known, f"charges-{number}.csv")
        for number, book in enumerate(books):
            few = {name: _few(rows, rng) for name, rows in book.tables().items()}
            load_book(store, Book(**few), START.replace(day=10 + number), f"book-{number}.csv")
        _take_up_one_by_one(facts_as_of(store, KNOWN), rng)


def _few(rows: list[Any], rng: random.Random) -> list[Any]:
    """One row or two, or none."""
    count = min(len(rows), rng.choice((1, 1, 2)))
    return rng.sample(rows, count) if rng.random() < 0.6 else []


def _take_up_one_by_one(whole: Facts, rng: random.Random) -> None:
    """Start from the first charges and the first book; after each more, compare all results."""
    charges, books = list(whole.charges), list(whole.book)
    facts = Facts(charges[:1], books[:1], whole.plans)
    live = Live(facts, PERIOD, KNOWN)
    steps = [("charges", n) for n in range(2, len(charges) + 1)]
    steps += [("book", n) for n in range(2, len(books) + 1)]
    for kind, _ in sorted(steps, key=lambda step: (step[1], rng.random())):
        facts = Facts(
            charges[: len(facts.charges) + (kind == "charges")],
            books[: len(facts.book) + (kind == "book")],
            whole.plans,
        )
        touched = live.change(facts)
        taken["anew" if touched is None else "change"] += 1
        assert _rows(live.engine) == _rows(facts.settle(PERIOD, KNOWN).engine)


def _rows(engine: DuckDB) -> dict[str, list[str]]:
    return {
        name: sorted(repr(sorted(r.items(), key=str)) for r in engine.table(name).to_pylist())
        for name in RESULTS
    }


def test_most_changes_are_taken_up() -> None:
    """The property above is about changes, not about settling anew.

    Run after it, in the same process.
    """
    assert taken["change"] > taken["anew"] or not sum(taken.values()), taken
