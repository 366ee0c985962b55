"""More facts are settled for whom they concern: as anew for these, as before for the others."""

from __future__ import annotations

import os
import tempfile
from collections import Counter
from dataclasses import replace
from pathlib import Path
from unittest.mock import patch

import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st

from fenrun.base.when import parse_period
from fenrun.credit.crediting import since_needed
from fenrun.plan.rows import Plan
from fenrun.settle import more_facts
from fenrun.settle.facts import Facts
from fenrun.settle.results import KEPT
from fenrun.settle.standing import Standing, earned_by_payee
from fenrun.statement.run import Run
from tests.auditor.compare import KNOWN, sources_of, stored
from tests.engine.test_whole_numbers import said
from tests.properties import worlds
from tests.properties.worlds import Batch

_PARTS = 3


def _rows_of(run: Run, payees: frozenset[str], are_theirs: bool) -> dict[str, Counter[str]]:
    """Return the rows of all tables that say whose they are, of some payees or of all others."""
    found = {}
    for name in KEPT:
        rows = run.engine.table(name).to_pylist()
        own = [row for row in rows if "payee" in row and (row["payee"] in payees) == are_theirs]
        found[name] = Counter(repr({key: said(value) for key, value in row.items()}) for row in own)
    return found


def _without_limits(plan: Plan) -> Plan:
    none = {"registration_days": 0, "open_registrations": 0, "cooldown_months": 0}
    terms = replace(plan.terms[0], **none, first_come=False)
    return replace(plan, terms=(terms,))


@pytest.mark.in_turn(3)
@settings(max_examples=max(3, int(os.environ.get("FENRUN_EXAMPLES", "9")) // 3))
@given(batch=worlds.batches(), data=st.data())
def test_more_facts_are_settled_for_those_whom_they_concern(
    batch: Batch, data: st.DataObject
) -> None:
    plans = [plan for plan in batch.plans if not since_needed([plan])] or batch.plans
    if data.draw(st.booleans(), label="no limits on the book"):
        plans = [_without_limits(plan) for plan in plans]
    if data.draw(st.booleans(), label="no corrections"):  # they bind months and accounts together
        batch = replace(batch, charges=[{**row, "ChargeClass": None} for row in batch.charges])
    sources, period = sources_of(batch.books), parse_period(batch.period)
    with tempfile.TemporaryDirectory() as scratch, patch.object(more_facts, "_MOST_TOUCHED", 0):
        parts = [batch.charges[n::_PARTS] for n in range(_PARTS)]
        files = [stored(part, Path(scratch) / str(n), n) for n, part in enumerate(parts) if part]
        there = data.draw(st.integers(0, max(0, len(sources) - 1)), label="sources there")
        is_book = len(files) < 2 or data.draw(st.booleans(), label="more of the book")
        book, more = (sources[:there], sources[there:]) if is_book else (sources, [])
        charges, late = (files, []) if is_book else (files[:-1], files[-1:])
        facts = Facts(tuple(charges), book, tuple(plans))
        standing = Standing(facts, period, KNOWN)
        change = standing.with_more(more, late)
        event(f"{'book' if is_book else 'charges'}: {'anew' if change.payees is None else 'some'}")
        anew = change.facts.settle(period, KNOWN)
        assert change.earned() == {
            owner: earned
            for owner, earned in earned_by_payee(anew).items()
            if change.concerns(owner[0]) and (earned or owner in change.earned())
        }
        if change.payees is None:
            return
        event("somebody differs" if change.payees else "nobody differs")
        theirs, others = ((change.payees, True), (change.payees, False))
        assert _rows_of(change.run, *theirs) == _rows_of(anew, *theirs)
        assert _rows_of(standing.run, *others) == _rows_of(anew, *others)


@pytest.mark.in_turn(4)
@settings(max_examples=max(3, int(os.environ.get("FENRUN_EXAMPLES", "9")) // 3))
@given(batch=worlds.batches(), data=st.data())
def test_charges_are_left_out_for_those_whom_they_concern(
    batch: Batch, data: st.DataObject
) -> None:
    plans = [plan for plan in batch.plans if not since_needed([plan])] or batch.plans
    if data.draw(st.booleans(), label="no corrections"):
        batch = replace(batch, charges=[{**row, "ChargeClass": None} for row in batch.charges])
    sources, period = sources_of(batch.books), parse_period(batch.period)
    with tempfile.TemporaryDirectory() as scratch, patch.object(more_facts, "_MOST_TOUCHED", 0):
        item = stored(batch.charges, Path(scratch) / "0", 0)
        standing = Standing(Facts((item,), sources, tuple(plans)), period, KNOWN)
        left = data.draw(st.integers(1, len(batch.charges)), label="a row that is left out")
        change = standing.without({item.id: f"row_no NOT IN ({left}, {left + 1})"})
        event("anew" if change.payees is None else "some")
        anew = change.facts.settle(period, KNOWN)
        assert change.earned() == {
            owner: earned
            for owner, earned in earned_by_payee(anew).items()
            if change.concerns(owner[0]) and (earned or owner in change.earned())
        }
        if change.payees is not None:
            theirs, others = ((change.payees, True), (change.payees, False))
            assert _rows_of(change.run, *theirs) == _rows_of(anew, *theirs)
            assert _rows_of(standing.run, *others) == _rows_of(anew, *others)
