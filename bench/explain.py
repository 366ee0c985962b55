"""The explain job: lines of a kept run, explained as `fenrun explain` does it."""

from __future__ import annotations

import tempfile
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any

from bench import timing, worlds
from bench.timing import Step, Took, no_step
from fenrun.charges.stored import load_charges
from fenrun.closing.close import settle_period
from fenrun.engine.duckdb import DuckDB
from fenrun.settle.explain import explain
from fenrun.statement.run import Run

_CHARGES = 10
"""Charges that `fenrun explain` lists where nobody says how many."""
_LINES = "SELECT line_id, payee, earned FROM statement_lines ORDER BY line_id"
_LARGEST = """
SELECT payee FROM statement_credits WHERE payee IN (SELECT payee FROM statement_lines)
GROUP BY payee ORDER BY sum(charges) DESC, payee LIMIT 1"""
_FLOOR = f"""
SELECT * FROM charges WHERE BillingAccountId IN (SELECT unnest(?))
ORDER BY abs(BilledCost) DESC LIMIT {_CHARGES}"""


def run(rows: int, lines: int, step: Step = no_step) -> dict[str, Any]:
    """Settle a month of so many charges and explain some of its lines, and the largest payee's.

    The floor, in turns with it, is a query by hand: the largest charges of the line's customers.
    Returns seconds of taking up the run that is kept, of a line and of its floor. Each explanation
    must earn what its line does.
    """
    with tempfile.TemporaryDirectory(prefix="fenrun-explain-") as scratch:
        store, _ = worlds.import_month(Path(scratch), rows)
        settle_period(store, worlds.PERIOD)
        took_up, settled = timing.timed(partial(settle_period, store, worlds.PERIOD))
        listed = settled.run.engine.rows(_LINES)
        largest = settled.run.engine.rows(_LARGEST)[0]["payee"]
        by_hand = DuckDB()
        load_charges(by_hand, "charges", store.imports("charges"))
        explained_line = partial(_explained, settled.run, by_hand)
        explained_line(listed[0])  # the first loads what all need, and does not count
        step(1)
        of_largest = [explained_line(row)[0] for row in listed if row["payee"] == largest]
        step(1)
        explained, floors = [], []
        for row in worlds.spaced(listed, lines):
            took, floor = explained_line(row)
            explained.append(took)
            floors.append(floor)
            step(1)
    return {
        "rows": rows,
        "lines": len(explained),
        **timing.seconds("take_up", took_up),
        **timing.spread("explain", explained),
        **timing.spread("floor", floors),
        "ratio_to_floor": timing.ratio(explained, floors),
        "largest_payee": largest,
        "largest_payee_lines": len(of_largest),
        **timing.spread("largest_payee", of_largest),
    }


def _explained(run: Run, by_hand: DuckDB, row: dict[str, Any]) -> tuple[Took, Took]:
    """Explain a line. Return what that took, and its floor.

    Raises AssertionError where the explanation earns otherwise than the line.
    """
    took, found = timing.timed(partial(explain, run, row["line_id"], _CHARGES))
    if Decimal(found["earned"]) != row["earned"]:
        raise AssertionError(f"{row['line_id']} is explained with {found['earned']}")
    accounts = [worlds.account_of(one["customer"]) for one in found["customers"]]
    floor, _ = timing.timed(partial(by_hand.query, _FLOOR, [accounts]))
    return took, floor
