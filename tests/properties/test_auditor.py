"""Engine and auditor agree on every random world, to the last digit."""

from __future__ import annotations

import os

from hypothesis import given, settings

from tests.auditor.compare import answers_for, differences, run_engine
from tests.properties import worlds


@settings(max_examples=int(os.environ.get("FENRUN_EXAMPLES", "24")) // 6)
@given(worlds.batches(plans_at_most=8, worlds_at_most=4, together=False))
def test_engine_and_auditor_agree(batch: worlds.Batch) -> None:
    run = run_engine(batch.charges, batch.books, batch.plans, batch.period)
    answers = answers_for(batch.charges, batch.books, batch.plans, batch.period)
    assert not differences(run, answers)
