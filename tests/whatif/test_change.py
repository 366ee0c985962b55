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
from fenrun.settle.facts import Facts, facts_as_of
from fenrun.store.facts import Store
from fenrun.whatif.change import RESULTS, Live
from tests.closing.test_late_facts import BASE, START, load_book, load_charges, load_plan_text, some
from tests.properties import worlds

PERIOD, KNOWN = parse_period("2024-01/2024-03"), datetime(2024, 5, 1)
FINE = [
    {
        **BASE[0],
        "BilledCost": Decimal("0.003"),
        "ListCost": Decimal("0.009"),
        "ContractedCost": Decimal("0.003"),
        "EffectiveCost": Decimal("0.003"),
    }
]
"""As many decimals as any charge has: with more to come, everything is settled anew."""
taken = {"change": 0, "anew": 0}


def _rows(engine: Any) -> dict[str, list[str]]:
    return {
        name: sorted(repr(sorted(r.items(), key=str)) for r in engine.table(name).to_pylist())
        for name in RESULTS
    }


@some
@given(
    worlds.plan(),
    worlds.book(),
    st.lists(worlds.book(), min_size=1, max_size=3),
    st.lists(worlds.charges, min_size=2, max_size=4),
    st.integers(0, 10**6),
)
def test_a_change_gives_what_everything_anew_gives(
    plan: Any, first: Any, books: list[Any], charges: list[Any], seed: int
) -> None:
    rng = random.Random(seed)
    with tempfile.TemporaryDirectory() as folder:
        store = Store(Path(folder) / "ws")
        load_plan_text(store, plan, START, "plan.yaml")
        load_book(store, first, START, "book.csv")
        for n, rows in enumerate(charges):
            rows += FINE if n == 0 else []
            load_charges(store, rows, START.replace(day=2 + n), f"charges-{n}.csv")
        for n, book in enumerate(books):
            few = {
                name: rng.sample(rows, min(len(rows), rng.choice((1, 1, 2))))
                if rng.random() < 0.6
                else []
                for name, rows in book.tables().items()
            }
            load_book(store, type(book)(**few), START.replace(day=10 + n), f"book-{n}.csv")
        whole = facts_as_of(store, KNOWN)
        facts = Facts(whole.charges[:1], list(whole.book)[:1], whole.plans)
        live, steps = (
            Live(facts, PERIOD, KNOWN),
            [("charges", n) for n in range(2, len(whole.charges) + 1)]
            + [("book", n) for n in range(2, len(whole.book) + 1)],
        )
        for kind, _ in sorted(steps, key=lambda s: (s[1], rng.random())):
            facts = Facts(
                whole.charges[: len(facts.charges) + (kind == "charges")],
                [*whole.book][: len(facts.book) + (kind == "book")],
                whole.plans,
            )
            touched = live.change(facts)
            taken["anew" if touched is None else "change"] += 1
            assert _rows(live.engine) == _rows(facts.settle(PERIOD, KNOWN).engine)


def test_most_changes_are_taken_up() -> None:
    """The property above is about changes, not about settling anew (run after it, in the same process)."""
    assert taken["change"] > taken["anew"] or not sum(taken.values()), taken
