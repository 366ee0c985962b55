"""Workspaces of other versions: one of this format is read as it was closed, others are refused.

`workspace-format-3.zip` was written by engine 14: August closed, 100 at 10 %; then 7 more of August
and 50 of September. Who changes how a workspace is laid out, so that this fails, gives the format
another number and says what becomes of workspaces that there are.
"""

from __future__ import annotations

import json
import zipfile
from decimal import Decimal
from pathlib import Path

import pytest

from fenrun.base.when import parse_period
from fenrun.closing.close import close, settle_period
from fenrun.closing.keys import rotate
from fenrun.proof.bundle import make_bundle
from fenrun.proof.verify import verify
from fenrun.settle.explain import explain
from fenrun.statement.rows import statement_of
from fenrun.store.facts import Store
from tests.command import fenrun, what_is_known

DATA = Path(__file__).parents[1] / "data"
AUGUST, SEPTEMBER = parse_period("2024-08"), parse_period("2024-09")


@pytest.fixture
def store(tmp_path: Path) -> Store:
    with zipfile.ZipFile(DATA / "workspace-format-3.zip") as kept:
        kept.extractall(tmp_path / "ws")
    return Store.open(tmp_path / "ws")


def test_what_format_3_closed_is_read_and_goes_on(store: Store, tmp_path: Path) -> None:
    assert store.broken() == []
    august = settle_period(store, AUGUST).run
    assert statement_of(august, "P1").earned == Decimal(10) and august.closed
    said = explain(august, "small/ten/2024-08/P1")
    assert (said["earned"], len(said["charges"])) == ("10.00", 1)
    rotate(store, lost=True)  # keys are not among the data of tests
    make_bundle(store, "P1", AUGUST, tmp_path / "P1.zip")
    assert verify(tmp_path / "P1.zip").payable == {"CNY": 10}
    close(store, SEPTEMBER)
    run = settle_period(store, SEPTEMBER).run
    assert statement_of(run, "P1").earned == Decimal(5)
    assert [d.amount for d in run.booked if d.what == "paid"] == [Decimal("0.70")]


@pytest.mark.parametrize("written", [1, 2, 4])
def test_another_format_is_refused_and_left_as_it_is(store: Store, written: int) -> None:
    marker = store.path / "fenrun.json"
    marker.write_text(json.dumps({"fenrun": "workspace", "format": written}), "utf-8")
    before = what_is_known(store.path)
    for words in (
        ("settle", store.path, "--period", "2024-09"),
        ("import", store.path, DATA / "sample-plan.yaml"),
        ("backup", store.path, "--to", store.path.parent / "b.zip"),
        ("serve", store.path),
    ):
        said = fenrun(*words)
        assert said.code == 1 and f"format {written}" in said.err and "format 3" in said.err, words
    assert what_is_known(store.path) == before
