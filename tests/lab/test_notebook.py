"""The example notebook runs from its first cell to its last, and says what its figures are."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

NOTEBOOK = Path(__file__).parents[2] / "docs" / "tutorial" / "scenarios.ipynb"


@pytest.mark.in_turn(4)
def test_the_example_notebook_runs() -> None:
    """P1's 1,600 earn 240, and 192 at 12 %; P2 buys 100.08 for 105.01 more."""
    cells = json.loads(NOTEBOOK.read_text("utf-8"))["cells"]
    said: dict[str, Any] = {}
    for cell in cells:
        if cell["cell_type"] == "code":
            exec("".join(cell["source"]), said)
    rows = {row["payee"]: row for row in said["payees"].to_pylist()}
    assert (rows["P1"]["earned_before"], rows["P1"]["earned_after"]) == (240, 192)
    assert rows["P2"]["earned_more"] == 0
    assert said["variants"].num_rows == 8
    gained = {(one.move.kind, one.move.coalition[0]): one.gain for one in said["exploits"]}
    assert gained["pool", "P1"] == Decimal(90)
    assert gained["stuff", "P2"] == Decimal("4.93")
