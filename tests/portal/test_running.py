"""Running well: what ends is begun again, and every process says how it is."""

from __future__ import annotations

import pytest

from fenrun.base.problem import Refused
from fenrun.plan.read import read_plan
from tests.errors import gallery


def test_a_checker_that_ended_is_started_again() -> None:
    with pytest.raises(Refused, match="ended before it had an answer"):
        gallery._checker_ends()
    plans = gallery._command("plans")
    try:
        assert plans._examined(read_plan(gallery.PLAN, "plan.yaml").plan) is not None
    finally:
        plans.stop_checker()
