"""Attested rows: only what a clause lets rest on the sales of others need not be derived."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from fenrun.base.problem import Refused
from fenrun.base.when import parse_period
from fenrun.closing.close import close
from fenrun.closing.keys import signing_key
from fenrun.closing.sign_off import leaf_of
from fenrun.proof.attested import differing
from fenrun.proof.bundle import derive, make_bundle, plans_of, write_archive
from fenrun.proof.verify import verify
from fenrun.settle.imports import import_file
from fenrun.store.facts import Store
from tests.command import fenrun

YEAR = parse_period("2024")
PLAN = """
plan: growing
title: Growing
source: test
published: 2023-01-01
effective: {from: 2023-01-01}
currency: CNY
timezone: UTC
basis: billed
credit: {first match: [{id: all, mode: single, roles: [partner]}]}
tables:
  tiers: [{from: 2023-01-01, source: Terms, kind: all units, bands: [from 0 pays 10 %]}]
  steps: [{from: 2023-01-01, source: Terms, kind: all units, bands: [below 10 % pays 0 %,
      from 10 % pays 5 %]}]
earn:
  sum:
    - {id: reward, pays: partner, per: year, on: amount, by: amount, table: tiers}
    - {id: growth, pays: partner, per: year, on: increment, by: growth, table: steps,
       compare: last year of its customers}
"""
BOOK = """
parties: [{party: K1, kind: customer}, {party: P1, kind: partner}, {party: P2, kind: partner}]
links:
  - {of: account, issuer: Cloud, subject: A1, role: customer, party: K1}
  - {of: customer, subject: K1, role: partner, party: P1, to: 2024-01-01}
  - {of: customer, subject: K1, role: partner, party: P2, from: 2024-01-01}
"""
CHARGES = """
BilledCost,EffectiveCost,ContractedCost,ListCost,BillingAccountId,BillingCurrency,\
BillingPeriodStart,ChargePeriodStart,InvoiceIssuerName
1000,1000,1000,1000,A1,CNY,2023-06-01T00:00:00Z,2023-06-05T00:00:00Z,Cloud
1500,1500,1500,1500,A1,CNY,2024-06-01T00:00:00Z,2024-06-05T00:00:00Z,Cloud
""".lstrip()


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Store, Path]:
    """P2 took K1 over from P1, with whose sales of the year before it is compared."""
    folder = tmp_path_factory.mktemp("attested")
    store = Store(folder / "ws")
    for name, text in (("plan.yaml", PLAN), ("book.yaml", BOOK), ("charges.csv", CHARGES)):
        (folder / name).write_text(text, "utf-8")
        import_file(store, folder / name, datetime(2025, 1, 2))
    close(store, YEAR, datetime(2025, 1, 3), first=True)
    make_bundle(store, "P2", YEAR, folder / "P2.zip")
    return store, folder / "P2.zip"


def test_a_row_that_rests_on_others_is_attested_with_its_clause(made: tuple[Store, Path]) -> None:
    """1,500 after 1,000 under P1 grows by half: 5 % of 500. P2 may not see the 1,000."""
    _, path = made
    found = verify(path)
    assert found.payable == {"CNY": 150 + 25}
    clauses = {row.partition(" ")[2] for row in found.attested}
    tables = {row.partition(":")[0].partition("+")[0] for row in found.attested}
    assert clauses == {"(growing/growth)"}
    assert tables == {"lines", "payments"}
    assert found.rows >= 2, "what is credited, and the reward, are derived"
    assert fenrun("verify", path, "--key", found.public_key).code == 0


def _more_credited(statement: dict[str, Any]) -> None:
    statement["credits"][0]["credited"] = "999999"


def _more_rewarded(statement: dict[str, Any]) -> None:
    line = next(line for line in statement["lines"] if line["component"] == "reward")
    line["earned"] = "999999"


@pytest.mark.in_turn(4)
@pytest.mark.parametrize("clause", ["", "growing/growth", "growing/all", "other/growth"])
@pytest.mark.parametrize("change", [_more_credited, _more_rewarded])
def test_no_other_row_may_be_attested(
    made: tuple[Store, Path],
    tmp_path: Path,
    change: Callable[[dict[str, Any]], None],
    clause: str,
) -> None:
    """Whoever holds the key signs a row of 999,999, and says that it rests on others."""
    store, path = made
    with zipfile.ZipFile(path) as bundle:
        bundle.extractall(tmp_path)
        parts = {name: bundle.read(name) for name in bundle.namelist()}
    said, facts = json.loads(parts["bundle.json"]), Store(tmp_path / "facts")
    change(said["statement"])
    derived = derive(facts, "P2", said["closes"])
    found = differing(said["statement"], derived, plans_of(facts))
    said["attested"] = [{**one, "clause": one["clause"] or clause} for one in found]
    leaf = leaf_of("P2", said["closes"], said["statement"], said["seal"]["salt"])
    said["seal"] |= {"path": [], "root": leaf}
    parts["bundle.json"] = json.dumps(said).encode()
    parts["signature"] = signing_key(store).sign(parts["bundle.json"])
    write_archive(tmp_path / "t.zip", parts)
    with pytest.raises(Refused) as refused:
        verify(tmp_path / "t.zip")
    assert {problem.code for problem in refused.value.problems} == {"bundle-differs"}
    assert "999999" in str(refused.value.problems[0].values)
    assert fenrun("verify", tmp_path / "t.zip").code == 1
