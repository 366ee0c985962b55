"""Apache Spark settles to the last digit what DuckDB does.

Every day part by part, as Spark's tasks work, without a cluster; and on a cluster of two workers,
each a process of its own, where what is slow is for the night.
"""

from __future__ import annotations

import os
import pickle
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings

from fenrun.base.problem import Refused
from fenrun.base.when import parse_period
from fenrun.engine.choose import new_engine
from fenrun.engine.duckdb import DuckDB
from fenrun.engine.questions import Part, Question
from fenrun.engine.spark import Spark, task
from fenrun.settle.explain import explain
from fenrun.settle.imports import import_file
from fenrun.settle.results import KEPT
from fenrun.settle.runs import Settled, settle_workspace
from fenrun.statement.run import Run
from fenrun.store.facts import Store
from fenrun.world.make import make_world
from tests.auditor.compare import run_engine
from tests.properties import worlds

EXAMPLES = int(os.environ.get("FENRUN_EXAMPLES", "12"))
AT_NIGHT = pytest.mark.skipif("FENRUN_NIGHTLY" not in os.environ, reason="at night: a minute")
WITH_JAVA = pytest.mark.skipif(
    shutil.which("java") is None and "JAVA_HOME" not in os.environ,
    reason="Spark needs Java, and there is none",
)


class InParts(Spark):
    """Spark without its cluster: two tasks a file, each of a few batches of three rows."""

    def __init__(self) -> None:
        DuckDB.__init__(self)

    def found(
        self, question: Question, parts: Sequence[Part], small: Mapping[str, bytes]
    ) -> pa.Table:
        found = []
        for part in parts:
            work = self.work(question, part)
            batches = list(pq.ParquetFile(part.rows).iter_batches(3, columns=work.columns))
            for half in (batches[::2], batches[1::2]):
                found += list(task(work, SimpleNamespace(value=small))(half))
        return pa.Table.from_batches(found)


def _same_tables(one: Run, other: Run) -> None:
    """Assert that two runs have the same rows, of the same types, in every table that is kept."""
    for name in KEPT:
        first, second = (run.engine.query(f"FROM {name} ORDER BY ALL") for run in (one, other))
        assert first.schema == second.schema, name
        assert first.equals(second), name


@settings(max_examples=EXAMPLES)
@given(batch=worlds.batches())
def test_parts_put_together_are_the_whole(batch: worlds.Batch) -> None:
    facts = (batch.charges, batch.books, batch.plans, batch.period)
    _same_tables(run_engine(*facts, in_bulk=True), run_engine(*facts, engine=InParts()))


PLAN = """
plan: parts
title: Parts
source: test
published: 2023-01-01
effective: {from: 2024-01-01}
currency: CNY
timezone: Asia/Shanghai
AS_OF
basis: billed
credit: {first match: [{id: all, mode: single, roles: [partner]}]}
measures:
  large: BilledCost > 50 and ServiceCategory = 'Compute'
tables:
  steps: [{from: 2024-01-01, source: test, kind: by band, bands: [
    from 0 to 100 pays 5 %, from 100 pays 7 %]}]
  each: [{from: 2024-01-01, source: test, kind: all units, bands: [from 0 pays 3 %]}]
earn:
  sum:
    - {id: month, pays: partner, per: month, on: amount of large, by: amount, table: steps}
    - {id: order, pays: partner, per: month, each: x_OrderId, on: amount, by: amount, table: each}
"""
BOOK = """links:
  - {of: account, issuer: Beichen Cloud, subject: A1, role: customer, party: K1}
  - {of: account, issuer: Beichen Cloud, subject: A2, role: customer, party: K2}
  - {of: customer, subject: K1, role: partner, party: P1, to: 2024-09-03}
  - {of: customer, subject: K1, role: partner, party: P3, from: 2024-09-03}
  - {of: customer, subject: K2, role: partner, party: P2}
  - {of: order, issuer: Beichen Cloud, subject: O-1, role: partner, party: P2}
parties: [{party: K1, kind: customer}, {party: K2, kind: customer}, {party: P1, kind: partner},
  {party: P2, kind: partner}, {party: P3, kind: partner}]
"""
HEAD = (
    "BilledCost,EffectiveCost,ContractedCost,ListCost,BillingAccountId,BillingCurrency,"
    "BillingPeriodStart,BillingPeriodEnd,ChargePeriodStart,ChargePeriodEnd,ChargeCategory,"
    "ChargeClass,InvoiceIssuerName,ServiceCategory,SkuPriceId,x_OrderId,x_Ordered"
)
