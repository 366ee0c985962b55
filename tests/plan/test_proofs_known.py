"""Proofs that were false once, each with the answer that the engine's payment has."""

from __future__ import annotations

from fractions import Fraction

import pytest

from fenrun.plan.check.effort import Effort
from fenrun.plan.check.findings import Proof, examine
from fenrun.plan.check.payoff import payoffs
from fenrun.plan.check.proving import verdicts
from fenrun.plan.read import read_plan

_HEAD = """
plan: tried
title: Tried
source: Terms
published: 2023-12-01
effective: {from: 2024-01-01, to: 2026-01-01}
currency: CNY
timezone: UTC
basis: billed
credit:
  first match: [{id: all, mode: double, roles: [partner]}]
"""
FLAT = "[{from: 2024-01-01, source: Terms, kind: all units, bands: [from 0 pays 80]}]"
RATE = "[{from: 2024-01-01, source: Terms, kind: all units, bands: [pays 10 %]}]"
RISE = (
    "[{from: 2024-01-01, source: Terms, kind: all units, bands: [pays 5 %]}, "
    "{from: 2024-07-01, source: Terms, kind: all units, bands: [pays 6 %]}]"
)
LINE = (
    "[{from: 2024-01-01, source: Terms, kind: interpolated, "
    "bands: [at 0 % pays 0 %, at 100 % pays 100 %]}]"
)
SLICES = (
    "[{from: 2024-01-01, source: Terms, kind: marginal, "
    "bands: [below 1000 pays 5 %, from 1000 pays 4 %]}]"
)
DAYS = (
    "[{from: 2024-01-01, source: Terms, kind: all units, columns: ["
    "{when: day >= 2024-06-15, bands: [pays 10 %]}, {bands: [pays 5 %]}]}]"
)
FACTORS = (
    RATE + "\n  f: [{from: 2024-01-01, source: Terms, kind: all units, "
    "bands: [below 100 % pays 50 %, from 100 % pays 110 %]}]"
)
MIXED = (
    "[{from: 2024-01-01, source: Terms, kind: all units, columns: ["
    "{when: class = 'C', bands: [pays 0 %]}, "
    "{bands: [below 1000 pays 10 %, from 1000 pays 5 %]}]}]"
)
EXCLUDED = RATE + "\nexclude: [{id: out, when: class = 'C', since: 2024-03-01}]"
NOTHING = (
    "[{from: 2024-01-01, source: Terms, kind: all units, bands: [below 1 pays 100, from 1 pays 0]}]"
)
ONE = "{id: one, pays: partner, per: month, on: amount, by: amount, table: t"


def _proofs(table: str, earn: str, more: str = "") -> list[Proof]:
    text = f"{_HEAD}{more}\ntables:\n  t: {table}\nearn:\n  sum: [{earn}]\n"
    return examine(read_plan(text, "tried.yaml").plan, "tried.yaml")[1]


KNOWN = [
    # two partners of 500 earn nothing where one of 1,000 earns 100
    ("gate", RATE, ONE + ", target: task, gates: [attainment from 100 %]}", "merge", {False}),
    (
        "increment-gate",
        RATE,
        ONE + ", compare: figure base, gates: [increment above 0]}",
        "merge",
        {False},
    ),
    # 1 / 1,000 / 1 earns otherwise than 1 / 1 / 1,000
    (
        "previous-period",
        RATE,
        "{id: one, pays: partner, per: month, on: increment, by: increment, table: t,"
        " compare: previous period}",
        "timing",
        {False},
    ),
    # 100 in a month earns 80, 50 in each of two earn 160
    ("fixed", FLAT, ONE + "}", "timing", {False}),
    # what an order is billed in two months makes two lines
    ("order", FLAT, ONE + ", each: order}", "timing", {False}),
    ("columns-by-day", DAYS, ONE + "}", "timing", {None}),
    ("while-by-day", RATE, ONE + ", of: day >= 2024-06-15}", "timing", {None}),
    ("versions", RISE, ONE + "}", "timing", {True, None}),
    # of two in scope who have 600 each and earn 100 each, one that has it all earns 200 and the
    # other 100
    (
        "scope",
        FLAT.replace("from 0 pays 80", "below 1000 pays 100, from 1000 pays 200"),
        ONE + ", for: all}",
        "merge",
        {None},
    ),
    # 400 earn the floor of 50, as much again do so elsewhere
    ("floor", RATE, ONE + ", floor: 50}", "split", {False}),
    # 60 and 60 are paid together alone
    ("minimum", RATE, ONE + ", minimum: 10}", "merge", {False}),
    # sums over periods, comparisons further back and what others measure are not modelled
    (
        "window",
        RATE,
        ONE.replace("by: amount", "by: amount over 12 months") + "}",
        "timing",
        {None},
    ),
    (
        "lag",
        RATE,
        "{id: one, pays: partner, per: month, on: increment, by: increment, table: t,"
        " compare: 2 periods before}",
        "timing",
        {None},
    ),
    (
        "another",
        RATE,
        ONE.replace("by: amount", "by: amount of other")
        + "}, "
        + ONE.replace("one", "other")
        + "}",
        "split",
        {None, True},
    ),
    # what counts depends on what is paid
    *(
        ("paid-in-part", RATE, ONE + ", counted with: payments of InvoiceId}", question, {None})
        for question in ("split", "merge", "timing")
    ),
    # two of 500 are paid 50 each, one of 1,000 no more than 50
    ("cap", RATE, ONE + ", cap: 50}", "split", {False}),
    ("bound", RATE, ONE + ", up to: 500}", "split", {False}),
    # two of 50 miss the target of 100, one of 100 meets it
    ("multiplier", FACTORS, ONE + ", target: task, times: f by attainment}", "merge", {False}),
    # who sells of both columns meets the lower rate of the second with what it sells of the first
    ("two-columns", MIXED, ONE + "}", "split", {None, False}),
    # two charges of 50 do not count, one of 100 does
    ("size", RATE, ONE + ", of: BilledCost >= 100}", "merge", {None}),
    # business of February counts, that of March does not
    ("excluded-days", EXCLUDED, ONE + "}", "timing", {None}),
    # a place depends on what others sell, and who gives business away loses its own
    (
        "rank",
        RATE,
        ONE.replace("by: amount", "by: rank") + ", rank: {ties: better place}}",
        "split",
        {None},
    ),
    (
        "all-channels",
        RATE,
        ONE.replace("by: amount", "by: amount over 12 months of all channels") + "}",
        "transfer",
        {None},
    ),
    ("weights", RATE, ONE + ", weights: [{when: class = 'C', weight: 10}]}", "transfer", {None}),
    ("who-by-day", RATE, ONE + ", who: day within 6 months of hired}", "timing", {None}),
    (
        "first-day",
        RATE,
        ONE + ", of: day within 6 months of payee.hired}",
        "transfer payee.hired",
        {None},
    ),
    ("signed", RATE, ONE + ", of: day within 6 months of x_Signed}", "timing", {None}),
    ("quiet", RATE, ONE + ", of: no purchase in the 30 days before}", "split", {None}),
    (
        "who-stays",
        FLAT.replace("pays 80", "pays 80 each"),
        ONE + ", counts: customers for 3 months}",
        "merge",
        {None},
    ),
    # the slices of a figure are not modelled
    (
        "accelerator",
        SLICES.replace("1000", "100 %"),
        "{id: one, pays: partner, per: month, on: figure pay, by: attainment, target: task,"
        " table: t}",
        "merge",
        {None},
    ),
    # a straight line to the target and none above it
    (
        "interpolated-on-figure",
        LINE,
        "{id: one, pays: partner, per: month, on: figure pay, by: attainment, target: task,"
        " table: t}",
        "merge",
        {True},
    ),
    ("baseline", RATE, ONE + ", baseline: {figure: base, per: year}}", "merge", {None}),
    ("baseline-split", SLICES, ONE + ", baseline: {figure: base, per: year}}", "split", {False}),
    ("size", RATE, ONE + ", of: BilledCost >= 100}", "split", {None}),
    ("to-date", RATE, ONE.replace("by: amount", "by: amount to date") + "}", "split", {True}),
    ("first-purchase", RATE, ONE + ", of: day within 2 months of first purchase}", "split", {None}),
    (
        "by-figure",
        "[{from: 2024-01-01, source: Terms, kind: all units, bands: [pays 10]}]",
        ONE.replace("by: amount", "by: figure score") + "}",
        "split",
        {False},
    ),
    (
        "group-cap",
        RATE,
        "{id: g, cap: 15, sum: [" + ONE + "}]}",
        "split",
        {None},
    ),
    ("label-of-start", RATE, ONE + ", of: region starts with 'n'}", "transfer region", {False}),
    # whoever enters the level decides who earns it
    ("label-of-scope", RATE, ONE + ", for: all with level elite}", "transfer payee.level", {False}),
    ("any-label-of-scope", RATE, ONE + ", for: all with level}", "transfer payee.level", {False}),
    # whoever has given all away is still paid 100 for having nothing
    ("scope", NOTHING, ONE + ", for: all with level elite}", "merge", {None}),
    ("scope-of-rates", RATE, ONE + ", for: all partners}", "merge", {True}),
    (
        "label-of-baseline",
        RATE,
        ONE + ", baseline: {figure: base, per: year, when: class = 'C'}}",
        "transfer class",
        {False},
    ),
]


@pytest.mark.parametrize(
    ("table", "earn", "question", "proven"),
    [row[1:] for row in KNOWN],
    ids=[row[0] for row in KNOWN],
)
def test_no_answer_is_better_than_what_is_paid(
    table: str, earn: str, question: str, proven: set[bool | None]
) -> None:
    answers = [p for p in _proofs(table, earn) if p.question == question]
    assert {p.proven for p in answers} == proven
    assert all(p.why is not None for p in answers if p.proven is None)


def test_a_label_that_an_earlier_member_reads_decides_about_the_later() -> None:
    one = ONE.replace("id: one", "id: one, of: class = 'C'") + "}"
    two = ONE.replace("id: one", "id: two") + "}"
    proofs = _proofs(RATE, f"{{id: g, first match: [{one}, {two}]}}")
    assert {(p.component, p.proven) for p in proofs if p.question == "transfer class"} == {
        ("one", False),
        ("two", False),
    }


def test_the_day_on_which_a_payee_is_asked_is_no_label() -> None:
    proofs = _proofs(RATE, ONE + ", who: day within 6 months of hired}")
    asked = {p.question for p in proofs if p.question.startswith("transfer")}
    assert asked == {"transfer payee.hired"}


def test_columns_of_equal_rates_need_no_label() -> None:
    table = (
        "[{from: 2024-01-01, source: Terms, kind: all units, columns: ["
        "{when: class = 'C', bands: [pays 10 %]}, {bands: [pays 10 %]}]}]"
    )
    assert {p.proven for p in _proofs(table, ONE + "}") if p.question == "transfer class"} == {True}


def test_each_component_has_an_answer_to_each_question() -> None:
    below = "{id: o, pays: centre, per: month, on: earned one below, portion: 10 %}"
    proofs = _proofs(RATE, f"{ONE}}}, {below}", "pay: {minimum: 20}")
    asked = {(p.component, p.question) for p in proofs}
    assert asked == {
        (name, question)
        for name in ("one", "o", "pay")
        for question in ("split", "merge", "timing", "transfer")
    }
    assert all(p.proven is None and p.why for p in proofs if p.component in ("o", "pay"))


def test_a_question_too_large_is_not_examined() -> None:
    """What is left of a plan's effort decides, in steps of z3 that no clock changes."""
    plan = read_plan(f"{_HEAD}\ntables:\n  t: {RATE}\nearn:\n  sum: [{ONE}}}]\n", "tried.yaml").plan
    (payoff,) = payoffs(plan)
    assert [v.proven for v in verdicts(payoff)] == [True] * 3
    spent = verdicts(payoff, effort=Effort(0))
    assert [(v.proven, str(v.why)) for v in spent] == [(None, "the question is too large")] * 3
    effort = Effort()
    verdicts(payoff, effort=effort)
    assert Effort().left > effort.left


def test_an_absent_period_of_zero_is_in_examples_as_it_is_paid() -> None:
    """A first month of 100 is an increment of 100, where there was no month before."""
    earn = (
        "{id: one, pays: partner, per: month, on: increment, by: increment, table: t,"
        " compare: previous period, absent: {period: zero}}"
    )
    plan = read_plan(f"{_HEAD}\ntables:\n  t: {RATE}\nearn:\n  sum: [{earn}]\n", "tried.yaml").plan
    (payoff,) = payoffs(plan)
    month = payoff.only(Fraction(100))
    assert list(payoff.by_period((month, month, month), {})) == [10, 0, 0]
