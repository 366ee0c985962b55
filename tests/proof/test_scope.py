"""A payee without a charge is closed, stated, explained and proven; it rests on its own facts."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from pathlib import Path

import pytest

from fenrun.base.when import parse_period
from fenrun.book.as_of import sources_from
from fenrun.book.read import book_from
from fenrun.closing.close import close
from fenrun.engine.runner import Bulk
from fenrun.proof.bundle import make_bundle
from fenrun.proof.verify import verify
from fenrun.settle.explain import explain
from fenrun.settle.facts import facts_as_of
from fenrun.settle.imports import import_file
from fenrun.settle.runs import settle_workspace
from fenrun.settle.standing import Standing, earned_by_payee
from fenrun.statement.rows import statement_of
from fenrun.statement.sentences import in_words
from fenrun.store.facts import Store

MARCH = parse_period("2024-03")
KNOWN = datetime(2024, 4, 2)
PLAN = """
plan: salaries
title: Salaries
source: test
published: 2024-01-01
effective: {from: 2024-01-01}
currency: CNY
timezone: UTC
basis: billed
credit: {first match: [{id: all, mode: single, roles: [partner]}]}
tables:
  salary: [{from: 2024-01-01, source: Terms, kind: all units, bands: [pays 500]}]
  missed: [{from: 2024-01-01, source: Terms, kind: all units, bands: [below 80 % pays -5 %,
      from 80 % pays 0 %]}]
  elite: [{from: 2024-01-01, source: Terms, kind: all units, bands: [pays 40]}]
earn:
  sum:
    - {id: fixed, pays: partner, for: all, per: month, on: amount, by: amount, table: salary}
    - {id: shortfall, pays: partner, for: all with figure quota, per: month, on: figure quota,
       by: attainment, target: quota, table: missed}
    - {id: bonus, pays: partner, for: all with level elite, per: month, on: amount, by: amount,
       table: elite}
"""
BOOK = """
parties: [{party: P1, kind: partner}, {party: P2, kind: partner}, {party: P3, kind: partner}]
links:
  - {of: account, issuer: Cloud, subject: A1, role: customer, party: K1}
  - {of: customer, subject: K1, role: partner, party: P1}
  - {of: customer, subject: K2, role: partner, party: P2}
figures: [{party: P2, figure: quota, period: 2024-03, amount: 1000, currency: CNY}]
labels: [{party: P3, label: level, value: elite}]
"""
CHARGES = """
BilledCost,EffectiveCost,ContractedCost,ListCost,BillingAccountId,BillingCurrency,\
BillingPeriodStart,ChargePeriodStart,InvoiceIssuerName
100,100,100,100,A1,CNY,2024-03-01T00:00:00Z,2024-03-05T00:00:00Z,Cloud
""".lstrip()


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """P1 has a customer that is charged; P2 one that is not, and P3 nothing but a level."""
    folder = tmp_path_factory.mktemp("scope")
    store = Store(folder / "ws")
    for name, text in (("plan.yaml", PLAN), ("book.yaml", BOOK), ("charges.csv", CHARGES)):
        (folder / name).write_text(text, "utf-8")
        import_file(store, folder / name, KNOWN)
    close(store, MARCH, KNOWN, first=True)
    return store


def test_all_in_scope_are_stated_and_explained(store: Store) -> None:
    run = settle_workspace(store, MARCH).run
    earned = {"P1": Decimal(500), "P2": Decimal(450), "P3": Decimal(40)}
    assert earned_by_payee(run) == {(payee, "CNY"): amount for payee, amount in earned.items()}
    for payee, amount in earned.items():
        assert sum(line.earned for line in statement_of(run, payee).lines) == amount
    said = "\n".join(in_words(explain(run, "salaries/shortfall/2024-03/P2"), "en"))
    assert "-50.00" in said and "below 80 % pays -5 %" in said
    of_others = next(x for x in statement_of(run, "P1").lines if x.component == "bonus")
    assert (of_others.earned, of_others.reason) == (0, "not-in-scope")


def test_months_that_are_kept_know_who_is_in_scope(store: Store) -> None:
    facts = facts_as_of(store, KNOWN)
    for _ in range(2):
        run = facts.settle(MARCH, KNOWN, make=Bulk)
        earned = earned_by_payee(run)
        assert earned == {("P1", "CNY"): 500, ("P2", "CNY"): 450, ("P3", "CNY"): 40}


@pytest.mark.parametrize(("payee", "payable"), [("P1", 500), ("P2", 450), ("P3", 40)])
def test_a_bundle_holds_what_a_line_without_a_charge_rests_on(
    store: Store, tmp_path: Path, payee: str, payable: int
) -> None:
    make_bundle(store, payee, MARCH, tmp_path / "bundle.zip")
    found = verify(tmp_path / "bundle.zip")
    assert found.payable == ({"CNY": payable} if payable else {}) and not found.attested


def test_more_of_the_book_brings_more_payees(store: Store) -> None:
    """A quota of P3, and P4 with a customer that is not charged."""
    standing = Standing(facts_as_of(store, KNOWN), MARCH, KNOWN)
    link = {"of": "customer", "subject": "K4", "role": "partner", "party": "P4"}
    quota = {"party": "P3", "figure": "quota", "period": "2024-03", "amount": "100"}
    more, problems = book_from({"links": [(1, link)], "figures": [(2, quota)]}, "more")
    assert not problems
    change = standing.with_more(sources_from(more, "more", KNOWN))
    found = earned_by_payee(change.run)
    assert (found["P3", "CNY"], found["P4", "CNY"]) == (Decimal(35), Decimal(500))
