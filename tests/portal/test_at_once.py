"""Two do the same at once: what is decided once is decided once, and the second is told.

By day on PostgreSQL, where each sees what was so before the other began; at night on SQLite too.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.portal.served import DATABASES, PG, tried

pytestmark = pytest.mark.in_turn(3, whole=True)

_COME_OF = {
    "ask for a close": ("close-asked", 1),
    "give a grant": ("done", 1),
    "names but for their case": ("user-wrong", 1),
    "end a grant": ("done", 1),
    "approve a grant": ("approval-gone", 1),
    "end a token": ("done", 1),
    "make the last webhook": ("hook-wrong", 10),
    "make a sign-up link": ("done", 1),
    "take up an account": ("approval-gone", 1),
    "consent and refuse": ("request-over", "consented"),
    "sign up with two partners": ("sign-up-held", 1),
    "answer a dispute": ("dispute-over", "accepted"),
    "set a target": ("done", [2, ["200.00"]]),
    "ask for a decision": ("decision-asked", 1),
    "approve and refuse a decision": ("approval-gone", 1),
    "decide a step": ("quote-over", 1),
    "enter what was decided": ("done", 1),
    "close and show it": ("done", [1, "three"]),
}
"""What the second is told, and what is left: how many, or which state. The first's is done."""


@pytest.mark.parametrize("database", DATABASES)
def test_of_two_who_do_the_same_at_once_one_does_it(database: str, tmp_path: Path) -> None:
    has_pg = (PG / "initdb").exists()
    if database == "sqlite" and has_pg and "FENRUN_NIGHTLY" not in os.environ:
        pytest.skip("at night")
    found = tried(database, tmp_path, "tests.portal.at_once")
    expected = {pair: [["done", second], left] for pair, (second, left) in _COME_OF.items()}
    assert {one["pair"]: [one["said"], one["left"]] for one in found} == expected
