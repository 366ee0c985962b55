"""Months that are kept: what they give, read or brought up, is what measuring anew gives."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from unittest.mock import patch

import pytest
from hypothesis import given, reject, settings
from hypothesis import strategies as st

from fenrun.base.problem import Refused
from fenrun.base.when import AsOf, parse_period
from fenrun.book.as_of import Sources
from fenrun.charges import merged
from fenrun.charges.merged import merge_months
from fenrun.credit.crediting import since_needed
from fenrun.credit.stored_charges import Source
from fenrun.engine.duckdb import DuckDB
from fenrun.engine.runner import Bulk, Runner, SQLite
from fenrun.plan.read import read_plan
from fenrun.settle import more_facts
from fenrun.settle.kept_months import KeptMonths
from fenrun.settle.pipeline import settle
from fenrun.settle.results import KEPT
from fenrun.statement.run import Run
from fenrun.store.facts import Import
from fenrun.whatif.cases import facts_of_case
from tests.auditor.compare import KNOWN, sources_of, stored
from tests.engine.test_whole_numbers import SMALL as _SMALL
from tests.properties import worlds
from tests.properties.worlds import Batch

_PARTS = 3
_RATES = """
tables:
  rates: [{from: 2023-01-01, source: test, kind: all units, bands: [from 0 pays 10 %]}]
earn:
  sum: [{id: e, pays: partner, per: month, on: amount, by: amount, table: rates}]
"""
_CASE = """
cases:
  - case: one
    given:
      links: [{of: customer, subject: K1, role: partner, party: P1}]
      charges:
        - {customer: K1, month: 2024-01, billed: 1}
        - {customer: K1, month: 2024-01, billed: 10}
        - {customer: K1, month: 2024-01, billed: 100}
        - {customer: K1, month: 2024-02, billed: 2}
        - {customer: K1, month: 2024-02, billed: 20}
        - {customer: K1, month: 2024-02, billed: 200}
    expect: [{payee: P1, period: 2024-01, earned: 11.10}]
"""


def _settled(
    charges: Sequence[Import],
    sources: Sources,
    batch: Batch,
    period: str,
    kept: KeptMonths | None,
    in_bulk: bool,
) -> Run:
    engine, whole = DuckDB(), parse_period(period)

    def bulk() -> Runner:
        return Bulk(engine.connection)

    make = bulk if in_bulk else SQLite
    facts = (Source(charges), sources, batch.plans, whole, AsOf(whole.last_day, KNOWN))
    try:
        return settle(engine, *facts, make=make, kept=kept)
    except Refused as refusal:
        too_large = {problem.code for problem in refusal.problems} == {"amount-too-large"}
        if too_large and not in_bulk:
            reject()  # DuckDB settles such a plan
        raise


def _said(run: Run) -> dict[str, list[str]]:
    """Return every row of a run, and its problems, in an order of their own."""
    found = {name: sorted(map(repr, run.engine.table(name).to_pylist())) for name in KEPT}
    return found | {"problems": sorted(map(repr, run.problems))}


def _months(period: str) -> list[str]:
    """Return the months of a period, each as a period."""
    span, found = parse_period(period).span, []
    for year in range(span.start.year, span.end.year + 1):
        for month in range(1, 13):
            one = f"{year}-{month:02}"
            if span.start <= parse_period(one).span.start < span.end:
                found.append(one)
    return found


def test_months_that_lack_different_files_are_measured_again(tmp_path: Path) -> None:
    """January was settled with a second file, February not; then a third one comes."""
    text = _SMALL + _RATES + _CASE
    file = read_plan(text, "small.yaml")
    book, charges = facts_of_case(file, file.text.cases[0], 0)
    parts = [charges[n::_PARTS] for n in range(_PARTS)]
    files = [stored(part, tmp_path / str(n), n) for n, part in enumerate(parts)]
    batch, kept = Batch(charges, [(KNOWN, book)], [file], ""), KeptMonths(tmp_path / "cache")
    sources, both = sources_of(batch.books), "2024-01/2024-02"
    for count, period in ((1, both), (2, "2024-01"), (3, both)):
        run = _settled(files[:count], sources, batch, period, kept, in_bulk=False)
    assert _said(run) == _said(_settled(files, sources, batch, both, None, in_bulk=False))


@pytest.mark.in_turn(3)
@pytest.mark.parametrize("in_bulk", [False, True], ids=["SQLite", "DuckDB"])
@settings(max_examples=max(1, int(os.environ.get("FENRUN_EXAMPLES", "6")) // 6))
@given(batch=worlds.batches(), order=st.permutations(range(_PARTS)), data=st.data())
def test_what_is_kept_changes_nothing(
    in_bulk: bool, batch: Batch, order: list[int], data: st.DataObject
) -> None:
    """Files of charges and of the book come one by one, and months are settled in between.

    Sometimes those of a month are merged before.
    """
    files_of_plans = [file for file in batch.files if not since_needed([file.plan])]
    batch = replace(batch, files=files_of_plans or batch.files)
    if data.draw(st.booleans(), label="without corrections"):  # which may bind months together
        batch = replace(batch, charges=[{**row, "ChargeClass": None} for row in batch.charges])
    sources = sources_of(batch.books)
    often = patch.multiple(merged, _MOST=1, _FEWEST_ROWS=0)
    with (
        often,
        tempfile.TemporaryDirectory() as scratch,
        patch.object(more_facts, "_MOST_TOUCHED", 0),
    ):
        folder, kept = Path(scratch) / "charges", KeptMonths(Path(scratch) / "cache")
        folder.mkdir()
        parts = [batch.charges[n::_PARTS] for n in range(_PARTS)]
        files = [stored(part, folder / str(n), n) for n, part in enumerate(parts) if part]
        files = sorted(files, key=lambda item: order[int(item.folder.name)])
        asked = [batch.period, batch.period, *_months(batch.period)]
        steps = ["file"] * (len(files) - 1) + ["source"] * (len(sources) - 1)
        come = {"file": 1, "source": 1}
        for step in ["", *data.draw(st.permutations(steps), label="what comes")]:
            come |= {step: come[step] + 1} if step else {}
            some = (files[: come["file"]], sources[: come["source"]])
            if data.draw(st.booleans(), label="merged"):
                merge_months(files[: come["file"]])
            period = data.draw(st.sampled_from(asked), label="period")
            _settled(*some, batch, period, kept, in_bulk)
        for period in (batch.period, data.draw(st.sampled_from(asked), label="last")):
            with patch.object(merged, "_FOLDER", Path("none")):
                anew = _settled(files, sources, batch, period, None, in_bulk)
            for _ in range(2):
                again = _settled(files, sources, batch, period, kept, in_bulk)
                assert _said(again) == _said(anew)
