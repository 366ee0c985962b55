"""The invariants of settling, on random worlds."""

from __future__ import annotations

import random
import tempfile
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from fenrun.base.problem import Problem, Refused
from fenrun.book.as_of import sources_from
from fenrun.book.checks import problems_of
from fenrun.book.read import Book, book_from
from fenrun.book.rows import Link
from fenrun.credit.crediting import Crediting
from fenrun.credit.shared_work import crediting_plans
from fenrun.engine.codes import month_number, month_of
from fenrun.plan.read import PlanFile, read_plan
from fenrun.plan.rows import Plan
from fenrun.settle.detail import Detail, detail_of
from fenrun.statement.run import Run
from fenrun.whatif.compare import as_other
from tests.auditor.compare import answers_for, run_engine, run_in
from tests.properties import worlds
from tests.properties.worlds import Batch
from tests.turns import share

TABLES = (
    "earnings",
    "statements",
    "ledger",
    "credited",
    "team_credits",
    "held_spend",
    "not_counted",
    "uncredited",
)
LINK = ("month", "role", "kind", "customer", "via", "link_id")
"""By what a payee's credits of a plan are summed."""
BY_OTHERS = ("gate", "less", "beaten", "ceiling", "override", "clawback")
"""Reasons of what other clauses add to a component, or take off."""
LOOKS_AT_SIGN_OR_TIME = (
    "BilledCost",
    "purchase",
    "customer since",
    "new customers",
    "last year",
    "previous period",
    "columns",
)
"""Words of plans in which a charge and its refund need not undo each other."""


def _settled(batch: Batch, plans: Sequence[Plan] = ()) -> Run:
    """Settle a batch under its own plans, or under these."""
    return run_engine(batch.charges, batch.books, plans or batch.plans, batch.period)


def _result(run: Run) -> dict[str, list[str]]:
    """Everything a run says, in an order of its own."""
    return {
        name: sorted(
            repr(sorted(row.items(), key=str)) for row in run.engine.table(name).to_pylist()
        )
        for name in TABLES
    }


def _earned(run: Run) -> dict[Any, Decimal]:
    """Earnings by plan, component, payee, period, unit and reason."""
    keys = ("plan_id", "component", "payee", "period", "unit", "reason")
    rows = run.engine.table("earnings").to_pylist()
    return {tuple(row[key] for key in keys): row["earned"] for row in rows}


def _by_plan(run: Run) -> dict[str, dict[Any, Decimal]]:
    """What each plan earns, pays and credits."""
    span = run.period.span
    found: dict[str, dict[Any, Decimal]] = defaultdict(dict)
    for table, keys, value in (
        ("earnings", ("component", "payee", "period", "unit", "step_no"), "earned"),
        ("payments", ("payee", "month", "form"), "paid"),
        ("statement_credits", ("payee", "month", "role", "kind"), "credited"),
        ("ledger", ("month",), "uncredited"),
        ("credited", ("month", "payee", "role", "customer", "via", "link_id"), "amount"),
        ("not_counted", ("component", "payee", "rule"), "amount"),
    ):
        for row in run.engine.table(table).to_pylist():
            if table != "earnings" or span.start <= row["paid_month"] < span.end:
                key = (table, *(row[k] for k in keys))
                found[row["plan_id"]][key] = row[value]
    return found


@given(worlds.batches(), st.integers(0, 99))
def test_what_must_hold_of_a_settlement(batch: Batch, seed: int) -> None:
    """Each is asked of the same settlement; of what needs another one, one by day."""
    with tempfile.TemporaryDirectory() as folder:
        run = _run_of(Path(folder), batch)
        _assert_conserved(run)
        _assert_detailed(run)
    for assert_settled_anew in share(
        (
            lambda: _assert_order_does_not_matter(batch, run, random.Random(seed)),
            lambda: _assert_days_stand_for_others(batch, run),
            lambda: _assert_rewording_restates_nobody(batch, run),
        ),
        3,
    ):
        assert_settled_anew()


def _run_of(folder: Path, batch: Batch) -> Run:
    """The settlement of a batch; of one whose amounts pass 38 digits, which is refused, none."""
    try:
        return run_in(folder, batch.charges, batch.books, batch.plans, batch.period)
    except Refused as refused:
        assume([problem.code for problem in refused.problems] != ["amount-too-large"])
        raise


def _assert_conserved(run: Run) -> None:
    """What is credited and what is not sum to the charges, lines to earnings and statements."""
    engine, span = run.engine, run.period.span
    for row in engine.table("ledger").to_pylist():
        assert row["credited"] + row["uncredited"] == row["total"]
    lines = engine.table("statement_lines").to_pylist()
    statements = engine.table("statements").to_pylist()
    earnings = engine.table("earnings").to_pylist()
    credits = engine.table("statement_credits").to_pylist()
    for plan in run.plans:
        paid = [row for row in _of(plan, earnings) if span.start <= row["paid_month"] < span.end]
        by_line = sum(row["earned"] for row in _of(plan, lines))
        assert by_line == sum(row["earned"] for row in paid)
        assert by_line == sum(row["earned"] for row in _of(plan, statements))
        by_role = sum(row["credited"] for row in _of(plan, credits))
        assert by_role == sum(row["credited"] for row in _of(plan, statements))
        rules = {row["component"] for row in _of(plan, lines)}
        assert rules <= {rule.rule_id for rule in plan.rules}


def _assert_detailed(run: Run) -> None:
    """The charges found for some payees sum to what these are credited, link by link.

    So do their customers to what their lines measure.
    """
    credited = run.engine.table("credited").to_pylist()
    for payee in sorted({row["payee"] for row in credited})[:2]:
        with detail_of(run, [payee], run.plans) as detail:
            for plan in run.plans:
                mine = [r for r in _of(plan, credited) if r["payee"] == payee]
                assert _by_charge(run, detail, plan, payee) == {
                    tuple(r[key] for key in LINK): (r["amount"], r["charges"]) for r in mine
                }
                for key, measured in _measured(run, plan, payee).items():
                    customers = detail.customers(plan.id, key[0], payee, *key[1:])
                    assert measured == sum(row["counted"] for row in customers)


def _assert_order_does_not_matter(batch: Batch, run: Run, rng: random.Random) -> None:
    """Another order of arrival gives the same run, as a run that is repeated does."""

    def mixed(rows: list[Any]) -> list[Any]:
        return rng.sample(rows, len(rows))

    books = [(known, Book(*map(mixed, book.tables().values()))) for known, book in batch.books]
    again = _settled(replace(batch, charges=mixed(batch.charges), books=mixed(books)))
    assert _result(again) == _result(run)


def _assert_days_stand_for_others(batch: Batch, by_span: Run) -> None:
    """Charges are summed over the days between changes of the book. Day by day gives the same."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Crediting, "reads_days", lambda crediting: True)
        by_day = _settled(batch)
    assert _by_plan(by_span) == _by_plan(by_day)


def _assert_rewording_restates_nobody(batch: Batch, run: Run) -> None:
    reworded = [_reworded(file) for file in batch.files]
    for plan, other in zip(batch.plans, reworded, strict=True):
        assert plan.terms[0].money == other.terms[0].money
        assert plan.terms[0].words != other.terms[0].words
    assert _earned(_settled(batch, reworded)) == _earned(run)


def _of(plan: Plan, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [row for row in rows if row["plan_id"] == plan.id]


@pytest.mark.in_turn(4)
@given(worlds.batches())
def test_summed_tables_are_sums_of_credits(batch: Batch) -> None:
    """Uncredited is the ledger's; teams and held spend are the auditor's, charge by charge.

    Teams and held spend are of all plans that are credited themselves, each once.
    """
    run = _settled(batch, [*batch.plans, as_other(batch.plans[0], "variant")])
    own = crediting_plans(run.plans)
    plans = [plan for plan in run.plans if plan.id in own]
    assert len(plans) < len(run.plans)
    answers = answers_for(batch.charges, batch.books, plans, batch.period)
    assert _teams(run) == {
        (plan_id, *key): amount
        for plan_id, answer in answers.items()
        for key, amount in answer.team.items()
    }
    assert _held_spend(run) == _sums(answer.held for answer in answers.values())
    assert _uncredited(run) == {
        (row["plan_id"], row["month"]): row["uncredited"]
        for row in run.engine.table("ledger").to_pylist()
        if row["uncredited"]
    }


def _teams(run: Run) -> dict[Any, Decimal]:
    keys = ("plan_id", "payee", "member", "role")
    rows = run.engine.table("team_credits").to_pylist()
    return {tuple(row[key] for key in keys): row["amount"] for row in rows}


def _held_spend(run: Run) -> dict[Any, tuple[Decimal, int]]:
    keys = ("payee", "role", "customer", "party", "via", "link_id")
    rows = run.engine.table("held_spend").to_pylist()
    return {tuple(row[key] for key in keys): (row["amount"], row["charges"]) for row in rows}


def _sums(found: Iterable[dict[Any, tuple[Decimal, int]]]) -> dict[Any, tuple[Decimal, int]]:
    """The sums of amounts and charges under the same keys."""
    sums: dict[Any, tuple[Decimal, int]] = {}
    for held in found:
        for key, (amount, charges) in held.items():
            before, count = sums.get(key, (Decimal(0), 0))
            sums[key] = (before + amount, count + charges)
    return sums


def _uncredited(run: Run) -> dict[Any, Decimal]:
    """What nobody is credited for in the months asked for, by plan and month."""
    span, sums = run.period.span, defaultdict[Any, Decimal](Decimal)
    for row in run.engine.table("uncredited").to_pylist():
        if span.start <= row["month"] < span.end:
            sums[row["plan_id"], row["month"]] += row["amount"]
    return {key: amount for key, amount in sums.items() if amount}


def _by_charge(run: Run, detail: Detail, plan: Plan, payee: str) -> dict[Any, Any]:
    """Credits of the period found charge by charge: by link, their sum and how many."""
    detail.load_credits(plan.id, [payee])
    basis = detail.charges.bases.index(plan.terms[0].basis)
    first, last = month_number(run.period.span.start), month_number(run.period.last_day)
    rows = run.engine.query(
        f"SELECT c.*, t.a{basis} AS cost FROM coded_charges AS t"
        f" JOIN groups AS g ON {detail.same_group}"
        " JOIN detail_credits AS c ON c.group_id = g.group_id"
        f" WHERE c.month >= {first} AND c.month <= {last}"
    ).to_pylist()
    sums: dict[Any, tuple[Decimal, int]] = {}
    for row in rows:
        row |= {"month": month_of(row["month"]), "link_id": row["link"]}
        key = tuple(row[name] for name in LINK)
        amount, charges = sums.get(key, (Decimal(0), 0))
        sums[key] = (amount + (row["cost"] or 0) * row["share"], charges + 1)
    return sums


def _measured(run: Run, plan: Plan, payee: str) -> dict[Any, Decimal]:
    """What the payee's lines measure, where that is an amount without a bound: by period."""
    plain = {
        c.rule_id
        for c in plan.components
        if c.counts == "amount" and c.up_to is None and c.pays_on != "earned"
    }
    sums: dict[Any, Decimal] = defaultdict(Decimal)
    for row in _of(plan, run.engine.table("earnings").to_pylist()):
        if row["payee"] == payee and row["component"] in plain and row["step_no"] == 0:
            sums[row["component"], row["period_from"], row["period_to"]] += row["amount"]
    return sums


@pytest.mark.in_turn(4)
@given(worlds.batches(), worlds.charge())
def test_a_refund_undoes_its_charge_exactly(batch: Batch, charge: dict[str, Any]) -> None:
    """A charge and its refund leave all that is earned as it was.

    Where nothing looks at the sign, at who was a customer when, or at whether there was anything.
    """
    files = [f for f in batch.files if not any(w in f.content for w in LOOKS_AT_SIGN_OR_TIME)]
    if not files:
        return
    refund = {k: -v if isinstance(v, Decimal) else v for k, v in charge.items()}
    refund["x_Cash"] = charge["x_Cash"] and str(-Decimal(charge["x_Cash"]))
    plans = [file.plan for file in files]
    before = _by_itself(_settled(batch, plans))
    after = _by_itself(_settled(replace(batch, charges=[*batch.charges, charge, refund]), plans))
    assert all(after[key] == earned for key, earned in before.items())


def _by_itself(run: Run) -> dict[Any, Decimal]:
    """What is earned by itself, before other clauses add or take off."""
    return {
        key: earned
        for key, earned in _earned(run).items()
        for (*_, unit, reason) in [key]
        if unit or reason not in BY_OTHERS
    }


@pytest.mark.in_turn(4)
@given(worlds.batches())
def test_a_fact_said_again_changes_nothing(batch: Batch) -> None:
    _, book = batch.books[0]
    again = replace(batch, books=[(worlds.EARLY, book), (worlds.LATE, book)])
    once = replace(batch, books=[(worlds.LATE, book)])
    assert _result(_settled(again)) == _result(_settled(once))


def _reworded(file: PlanFile) -> Plan:
    text = file.content.replace("title: Random", "title: Reworded")
    return read_plan(text.replace("source: test", "source: elsewhere"), "reworded.yaml").plan


@pytest.mark.in_turn(4)
@given(worlds.batches(plans_at_most=2))
def test_plans_settled_together_earn_as_alone(batch: Batch) -> None:
    """In one pass, plans and a variant of the first earn to the cent what each earns alone."""
    variant = as_other(batch.plans[0], "variant")
    bands = tuple(replace(band, rate=band.rate and band.rate / 2) for band in variant.bands)
    plans = [*batch.plans, replace(variant, bands=bands)]
    together = _by_plan(_settled(batch, plans))
    for plan in plans:
        alone = _by_plan(_settled(batch, [plan]))
        assert alone.get(plan.id, {}) == together.get(plan.id, {})


ANY = read_plan(
    """
plan: any
title: Any
source: test
published: 2024-01-01
effective: {from: 2024-01-01}
currency: CNY
timezone: UTC
basis: billed
credit: {first match: [{id: all, mode: double, roles: [partner]}]}
""",
    "any.yaml",
)
_days = st.sampled_from(worlds.DAYS)
_holdings = st.lists(
    st.tuples(_days, _days, st.sampled_from(worlds.SHARES)), min_size=2, max_size=4
)


@given(st.lists(_holdings, min_size=1, max_size=12))
def test_a_conflict_shows_all_its_places(customers: list[list[Any]]) -> None:
    """A role held over the whole is an error that names the rows, on exactly the days it holds."""
    rows = [
        _partner_of(f"K{k}", f"P{p}", *holding)
        for k, holdings in enumerate(customers)
        for p, holding in enumerate(holdings)
    ]
    book, problems = book_from({"links": list(enumerate(rows, 2))}, "links.csv")
    assert not problems
    found = problems_of(sources_from(book, "links.csv", datetime(2024, 1, 1)))
    said = [problem for problem in found if problem.code == "link-over-100"]
    for customer in {link.subject for link in book.links}:
        links = [link for link in book.links if link.subject == customer]
        rows_of = {link.row_no for link in links}
        _same_days([p for p in said if p.place.row in rows_of], links)


def _partner_of(customer: str, party: str, one: Any, other: Any, share: str) -> dict[str, str]:
    span = {"from": str(min(one, other)), "to": str(max(one, other))}
    link = {"of": "customer", "subject": customer, "role": "partner", "party": party}
    return link | {"share": share} | span


def _same_days(said: list[Problem], links: list[Link]) -> None:
    """Assert that the problems of a customer cover the days on which over the whole is held."""
    for day in worlds.DAYS:
        held = [link for link in links if link.valid_from <= day < link.valid_to]
        over = sum((link.share for link in held), Decimal(0)) > 1
        covering = [p for p in said if str(p.values["start"]) <= str(day) < str(p.values["end"])]
        assert bool(covering) == over
        places = {place.row for p in covering for place in (p.place, *p.also)}
        assert not over or {link.row_no for link in held} <= places
