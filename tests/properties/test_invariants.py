"""The invariants of settling, on random worlds."""

from __future__ import annotations

import random
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from fenrun.base.when import parse_period
from fenrun.book.read import Book
from fenrun.credit import from_charges
from fenrun.plan.read import PlanFile, read_plan
from fenrun.statement.run import Run
from fenrun.whatif.compare import as_other
from tests.auditor.compare import run_engine
from tests.properties import worlds

TABLES = ("earnings", "statements", "ledger", "uncredited", "credits")


def _result(run: Run) -> dict[str, list[str]]:
    """Everything a run says, in an order of its own."""
    return {
        name: sorted(
            repr(sorted(row.items(), key=str)) for row in run.engine.table(name).to_pylist()
        )
        for name in TABLES
    }


def _paid(run: Run) -> dict[Any, Decimal]:
    return {
        (r["component"], r["payee"], r["period"], r["unit"], r["reason"]): r["earned"]
        for r in run.engine.table("earnings").to_pylist()
    }


def _concerning(run: Run) -> dict[Any, Decimal]:
    """What is earned by itself, before other clauses add or take off."""
    return {
        k: v
        for k, v in _paid(run).items()
        if k[4] not in ("gate", "less", "beaten", "ceiling", "override", "clawback") or k[3]
    }


@given(worlds.charges, worlds.books, worlds.plan(), worlds.periods)
def test_conservation_and_sums(
    charges: list[Any], books: list[Any], plan: PlanFile, period: str
) -> None:
    engine = run_engine(charges, books, plan.plan, period).engine
    for row in engine.query(
        "SELECT sum(share) AS held FROM direct WHERE main GROUP BY plan_id, group_id, role"
    ).to_pylist():
        assert 0 < row["held"] <= 1
    for row in engine.table("ledger").to_pylist():
        assert row["credited"] + row["uncredited"] == row["total"]
    span = parse_period(period).span
    lines, earned = (
        engine.table("statement_lines").to_pylist(),
        [
            e
            for e in engine.table("earnings").to_pylist()
            if span.start <= e["paid_month"] < span.end
        ],
    )
    statements = engine.table("statements").to_pylist()
    assert (
        sum(x["earned"] for x in lines)
        == sum(x["earned"] for x in earned)
        == sum(x["earned"] for x in statements)
    )
    known_rules = {r.rule_id for r in plan.plan.rules}
    assert {r["rule_id"] for r in engine.table("credits").to_pylist()} | {
        x["component"] for x in lines
    } <= known_rules
    groups = {g["group_id"] for g in engine.table("groups").to_pylist()}
    assert {c["group_id"] for c in engine.table("credits").to_pylist()} <= groups


@given(worlds.charges, worlds.books, worlds.plan(), worlds.periods, st.integers(0, 99))
def test_order_of_arrival_does_not_matter_and_a_run_repeats(
    charges: list[Any], books: list[Any], plan: PlanFile, period: str, seed: int
) -> None:
    rng = random.Random(seed)
    first = _result(run_engine(charges, books, plan.plan, period))
    assert _result(run_engine(charges, books, plan.plan, period)) == first
    mixed = [
        (known, Book(*(rng.sample(rows, len(rows)) for rows in book.tables().values())))
        for known, book in books
    ]
    assert (
        _result(
            run_engine(
                rng.sample(charges, len(charges)), rng.sample(mixed, len(mixed)), plan.plan, period
            )
        )
        == first
    )


@given(worlds.charges, worlds.books, worlds.plan(), worlds.periods, st.data())
def test_a_refund_undoes_its_charge_exactly(
    charges: list[Any], books: list[Any], plan: PlanFile, period: str, data: st.DataObject
) -> None:
    """Where nothing looks at the sign, at who was a customer when, or at whether there was anything: a charge and its refund leave all that is earned as it was."""
    said = plan.content
    if any(
        word in said
        for word in (
            "BilledCost",
            "purchase",
            "customer since",
            "new customers",
            "last year",
            "previous period",
            "columns",
        )
    ):
        return
    charge = data.draw(worlds.charge())
    refund = {k: -v if isinstance(v, Decimal) else v for k, v in charge.items()} | {
        "x_Cash": charge["x_Cash"] and str(-Decimal(charge["x_Cash"]))
    }
    before, after = (
        _concerning(run_engine(found, books, plan.plan, period))
        for found in (charges, [*charges, charge, refund])
    )
    assert all(after[key] == earned for key, earned in before.items())


@given(worlds.charges, worlds.books, worlds.plan(), worlds.periods)
def test_a_day_that_stands_for_others_changes_nothing(
    charges: list[Any], books: list[Any], plan: PlanFile, period: str
) -> None:
    """Charges are summed over the days between changes of the book. Day by day the same comes out."""
    spans = from_charges._spans
    by_span = run_engine(charges, books, plan.plan, period)
    from_charges._spans = lambda *given: (
        spans(*given) | {"merged": "false", "span": "c.day", "span_join": ""}
    )
    try:
        by_day = run_engine(charges, books, plan.plan, period)
    finally:
        from_charges._spans = spans
    assert by_span.engine.table("groups").num_rows <= by_day.engine.table("groups").num_rows
    assert _by_plan(by_span) == _by_plan(by_day)


@given(worlds.charges, worlds.book(), worlds.plan(), worlds.periods)
def test_a_fact_said_again_changes_nothing(
    charges: list[Any], book: Book, plan: PlanFile, period: str
) -> None:
    again = [(worlds.EARLY, book), (worlds.LATE, book)]
    assert _result(run_engine(charges, again, plan.plan, period)) == _result(
        run_engine(charges, [(worlds.LATE, book)], plan.plan, period)
    )


@given(worlds.charges, worlds.books, worlds.plan(), worlds.periods)
def test_rewording_restates_nobody(
    charges: list[Any], books: list[Any], plan: PlanFile, period: str
) -> None:
    reworded = read_plan(
        plan.content.replace("title: Random", "title: Reworded").replace(
            "source: test", "source: elsewhere"
        ),
        "reworded.yaml",
    )
    terms, other = plan.plan.terms[0], reworded.plan.terms[0]
    assert terms.money == other.money and terms.words != other.words
    assert _paid(run_engine(charges, books, reworded.plan, period)) == _paid(
        run_engine(charges, books, plan.plan, period)
    )


@given(worlds.charges, worlds.books, worlds.plan(), worlds.plan(), worlds.periods)
def test_plans_settled_together_earn_as_alone(
    charges: list[Any], books: list[Any], plan: PlanFile, other: PlanFile, period: str
) -> None:
    """A plan, a variant of its rates, and another plan: in one pass each earns to the cent what it earns alone."""
    terms = plan.plan.terms[0]
    variant = as_other(plan.plan, "variant")
    variant = replace(
        variant, bands=tuple(replace(b, rate=b.rate and b.rate / 2) for b in variant.bands)
    )
    third = as_other(other.plan, "third", timezone=terms.timezone, as_of=terms.as_of)
    together = _by_plan(run_engine(charges, books, [plan.plan, variant, third], period))
    for one in (plan.plan, variant, third):
        assert _by_plan(run_engine(charges, books, one, period)).get(one.id, {}) == together.get(
            one.id, {}
        )


def _by_plan(run: Run) -> dict[str, dict[Any, Decimal]]:
    """What each plan earns, pays and credits."""
    found: dict[str, dict[Any, Decimal]] = {}
    for table, keys, value in (
        ("earnings", ("component", "payee", "period", "unit", "step_no"), "earned"),
        ("payments", ("payee", "month", "form"), "paid"),
        ("statement_credits", ("payee", "month", "role", "kind"), "credited"),
        ("ledger", ("month",), "uncredited"),
    ):
        for r in run.engine.table(table).to_pylist():
            if (
                table != "earnings"
                or run.period.span.start <= r["paid_month"] < run.period.span.end
            ):
                found.setdefault(r["plan_id"], {})[(table, *(r[k] for k in keys))] = r[value]
    return found


@given(
    st.lists(
        st.tuples(
            st.sampled_from(worlds.DAYS),
            st.sampled_from(worlds.DAYS),
            st.sampled_from(worlds.SHARES),
        ),
        min_size=2,
        max_size=4,
    )
)
def test_a_conflict_shows_all_its_places(spans: list[Any]) -> None:
    """A role held over the whole is an error that names the rows, on exactly the days it holds."""
    rows = [
        {
            "of": "customer",
            "subject": "K1",
            "role": "partner",
            "party": f"P{n}",
            "share": share,
            "from": str(min(a, b)),
            "to": str(max(a, b)),
        }
        for n, (a, b, share) in enumerate(spans)
    ]
    from fenrun.book.checks import find
    from fenrun.book.read import book_from

    book, problems = book_from({"links": [(n, r) for n, r in enumerate(rows, 2)]}, "links.csv")
    assert not problems
    engine = run_engine([], [(datetime(2024, 1, 1), book)], _PLAN.plan, "2024-01").engine
    said = [p for p in find(engine) if p.code == "link-over-100"]
    for day in worlds.DAYS:
        held = [x for x in book.links if x.valid_from <= day < x.valid_to]
        over = sum((x.share for x in held), Decimal(0)) > 1
        covering = [p for p in said if str(p.values["start"]) <= str(day) < str(p.values["end"])]
        assert bool(covering) == over
        if over:
            assert {x.row_no for x in held} <= {
                place.row for p in covering for place in (p.place, *p.also)
            }


_PLAN = read_plan(
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
