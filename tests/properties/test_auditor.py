"""Engine and auditor agree on every random world, to the last digit."""

from __future__ import annotations

import os
from typing import Any

from hypothesis import given, settings

from fenrun.plan.read import PlanFile
from tests.auditor.compare import answer_for, differences, run_engine
from tests.properties import worlds


@settings(max_examples=int(os.environ.get("FENRUN_EXAMPLES", "120")))
@given(worlds.charges, worlds.books, worlds.plan(), worlds.periods)
def test_engine_and_auditor_agree(
    charges: list[dict[str, Any]], books: list[Any], plan: PlanFile, period: str
) -> None:
    run = run_engine(charges, books, plan.plan, period)
    assert not differences(run, answer_for(charges, books, plan.plan, period))
