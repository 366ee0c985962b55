"""Plans that differ in their tables alone are tested as one, and earn what each earns alone."""

from __future__ import annotations

import os
import tempfile
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from unittest.mock import patch

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fenrun.base.money import plain
from fenrun.base.when import parse_period
from fenrun.plan.rows import Plan
from fenrun.settle import pipeline
from fenrun.settle.facts import Facts
from fenrun.settle.results import EARNED_SUMS
from fenrun.whatif.compare import as_other
from tests.auditor.compare import KNOWN, sources_of, stored
from tests.properties import worlds
from tests.properties.worlds import Batch

_MORE = Decimal("0.01")


def _other_rates(plan: Plan) -> Plan:
    other = as_other(plan, "other-rates")
    bands = (replace(b, rate=b.rate + _MORE if b.rate else b.rate) for b in other.bands)
    return replace(other, bands=tuple(bands))


def _other_caps(plan: Plan) -> Plan:
    other = as_other(plan, "other-caps")
    return replace(other, components=tuple(replace(c, cap=Decimal(7)) for c in other.components))


def _sums(facts: Facts, plans: Sequence[Plan], period: str) -> Counter[str]:
    """Return what the plans earn everybody, as text."""
    run = replace(facts, plans=tuple(plans)).earn(parse_period(period), KNOWN, EARNED_SUMS.name)
    rows = run.engine.table(EARNED_SUMS.name).to_pylist()
    return Counter(repr({k: plain(v) if k == "earned" else v for k, v in r.items()}) for r in rows)


@pytest.mark.in_turn(4)
@settings(max_examples=max(3, int(os.environ.get("FENRUN_EXAMPLES", "9")) // 3))
@given(batch=worlds.batches(), in_bulk=st.booleans())
def test_variants_earn_together_what_each_earns_alone(batch: Batch, in_bulk: bool) -> None:
    plan = batch.plans[0]
    variants = [plan, _other_rates(plan), _other_caps(plan)]
    most = -1 if in_bulk else pipeline._SMALL
    with tempfile.TemporaryDirectory() as scratch, patch.object(pipeline, "_SMALL", most):
        charges = (stored(batch.charges, Path(scratch) / "0", 0),) if batch.charges else ()
        facts = Facts(charges, sources_of(batch.books), tuple(variants))
        alone = sum((_sums(facts, [one], batch.period) for one in variants), Counter[str]())
        assert _sums(facts, variants, batch.period) == alone
