"""Every programme's own cases hold, and a channel manager's smaller questions come out as by hand."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from fenrun.plan.read import load_plan, read_plan
from fenrun.whatif.cases import run_cases

ROOT = Path(__file__).parent.parent.parent
PLANS = [*sorted((ROOT / "programmes").glob("*.yaml")), ROOT / "src/fenrun/world/plan.yaml"]

HEAD = """
plan: small
title: Small
source: test
published: 2024-01-01
effective: {from: 2024-01-01}
currency: CNY
timezone: Asia/Shanghai
basis: billed
"""
TAIL = """
tables:
  ten: [{from: 2024-01-01, source: test, kind: all units, bands: [pays 10 %]}]
earn:
  sum: [{id: ten, pays: partner, per: month, on: amount, by: amount, table: ten}]
"""
BOOK = "{party: K1, kind: customer}, {party: P1, kind: partner}, {party: P2, kind: partner}, {party: R1, kind: rep}"


@pytest.mark.parametrize("path", PLANS, ids=lambda p: p.stem)
def test_cases_of_programmes(path: Path) -> None:
    file = load_plan(path)
    outcomes, problems = run_cases(file)
    assert not problems
    assert all(o.ok for o in outcomes) and (outcomes or path.name == "plan.yaml")


def _case(
    credit: str, links: str, charges: str, expect: dict[str, str], extra: str = "", tail: str = TAIL
) -> None:
    """Run one case; `expect` maps payee/component/period to what is earned (and credited after a slash)."""
    wanted = []
    for key, value in expect.items():
        payee, component, period = key.split()
        earned, _, credited = value.partition("/")
        wanted.append(
            f"{{payee: {payee}, component: {component}, period: {period}, earned: {earned}"
            + (f", credited: {credited}}}" if credited else "}")
        )
    text = f"{HEAD}\ncredit: {{first match: [{credit}]}}\n{extra}\n{tail}\ncases:\n  - case: one\n    given: {{parties: [{BOOK}], links: [{links}], charges: [{charges}]}}\n    expect: [{', '.join(wanted)}]\n"
    outcomes, problems = run_cases(read_plan(text, "small.yaml"))
    assert not [p.words("what") for p in problems] and outcomes


DOUBLE = "{id: both, mode: double, roles: [partner, rep]}"
SINGLE = "{id: one, mode: single, roles: [partner, rep]}"
TO_P1 = "{of: customer, subject: K1, role: partner, party: P1}"
TO_R1 = "{of: customer, subject: K1, role: rep, party: R1}"


def test_double_crediting_credits_both_in_full() -> None:
    _case(
        DOUBLE,
        f"{TO_P1}, {TO_R1}",
        "{customer: K1, month: 2024-03, billed: 1000}",
        {"P1 ten 2024-03": "100/1000", "R1 ten 2024-03": "0/1000"},
    )


def test_single_crediting_credits_the_first_role_held() -> None:
    _case(
        SINGLE,
        f"{TO_P1}, {TO_R1}",
        "{customer: K1, month: 2024-03, billed: 1000}",
        {"P1 ten 2024-03": "100/1000", "R1 ten 2024-03": "0/0"},
    )
    _case(
        SINGLE,
        TO_R1,
        "{customer: K1, month: 2024-03, billed: 1000}",
        {"P1 ten 2024-03": "0/0", "R1 ten 2024-03": "0/1000"},
    )


def test_a_registered_order_overrides_the_association() -> None:
    order = "{of: order, issuer: case, subject: SO-1, role: partner, party: P2, from: 2024-03-10}"
    charges = "{customer: K1, day: 2024-03-09, billed: 100, x_OrderId: SO-1}, {customer: K1, day: 2024-03-10, billed: 200, x_OrderId: SO-1}, {customer: K1, day: 2024-03-10, billed: 400, x_OrderId: SO-2}"
    _case(
        DOUBLE,
        f"{TO_P1}, {order}",
        charges,
        {"P1 ten 2024-03": "50/500", "P2 ten 2024-03": "20/200"},
    )


def test_spans_are_half_open() -> None:
    links = "{of: customer, subject: K1, role: partner, party: P1, to: 2024-03-16}, {of: customer, subject: K1, role: partner, party: P2, from: 2024-03-16}"
    _case(
        DOUBLE,
        links,
        "{customer: K1, day: 2024-03-15, billed: 100}, {customer: K1, day: 2024-03-16, billed: 1000}",
        {"P1 ten 2024-03": "10/100", "P2 ten 2024-03": "100/1000"},
    )


def test_what_is_held_twice_is_credited_to_nobody() -> None:
    links = f"{TO_P1}, {{of: customer, subject: K1, role: partner, party: P2, share: 1 %, from: 2024-03-16, to: 2024-03-17}}"
    _case(
        DOUBLE,
        links,
        "{customer: K1, day: 2024-03-15, billed: 100}, {customer: K1, day: 2024-03-16, billed: 1000}",
        {"P1 ten 2024-03": "10/100", "P2 ten 2024-03": "0/0"},
    )


def test_discount_floor_is_met_exactly_and_a_refund_is_judged_as_its_charge() -> None:
    extra = "exclude: [{id: floor, when: billed below 60 % of list}]"
    charges = "{customer: K1, month: 2024-03, billed: 60, list: 100}, {customer: K1, month: 2024-03, billed: 59.99, list: 100}, {customer: K1, month: 2024-03, billed: -59.99, list: -100}"
    _case(DOUBLE, TO_P1, charges, {"P1 ten 2024-03": "6/60"}, extra)
    _case(
        DOUBLE,
        TO_P1,
        "{customer: K1, month: 2024-03, billed: 100, list: 100}, {customer: K1, month: 2024-03, billed: -60, list: -100}",
        {"P1 ten 2024-03": "4/40"},
        extra,
    )


def test_marginal_table_and_cap() -> None:
    """P13: 1/2/3/5 % on slices to 1,000, 3,000, 8,000 and 20,000: 3,000 makes 50.00, 8,000 makes 200.00; capped at 120."""
    tail = """
tables:
  slices: [{from: 2024-01-01, source: test, kind: marginal, bands: [from 0 below 1000 pays 1 %, from 1000 below 3000 pays 2 %, from 3000 below 8000 pays 3 %, from 8000 pays 5 %]}]
earn:
  sum: [{id: all, pays: partner, per: month, on: amount, by: amount, table: slices}, {id: capped, pays: partner, per: month, on: amount, by: amount, table: slices, cap: 120}]
"""
    charges = (
        "{customer: K1, month: 2024-03, billed: 3000}, {customer: K1, month: 2024-04, billed: 8000}"
    )
    _case(
        DOUBLE,
        TO_P1,
        charges,
        {
            "P1 all 2024-03": "50.00",
            "P1 all 2024-04": "200.00",
            "P1 capped 2024-03": "50.00",
            "P1 capped 2024-04": "120.00",
        },
        tail=tail,
    )


def test_day_in_the_plans_time_zone_decides() -> None:
    """Noon UTC is evening in Shanghai: the same day. 16:00 UTC would be the next; the property tests try those."""
    links = "{of: customer, subject: K1, role: partner, party: P1, from: 2024-03-16}"
    _case(DOUBLE, links, "{customer: K1, day: 2024-03-16, billed: 10}", {"P1 ten 2024-03": "1/10"})


def test_rounding_is_half_up_once() -> None:
    _case(
        DOUBLE,
        TO_P1,
        "{customer: K1, month: 2024-03, billed: 0.05}, {customer: K1, month: 2024-04, billed: 0.02}, {customer: K1, month: 2024-04, billed: 0.02}",
        {"P1 ten 2024-03": "0.01", "P1 ten 2024-04": "0.00"},
    )
    assert Decimal("0.04") * Decimal("0.1") == Decimal("0.004")


def test_between_two_points_the_rate_lies_on_the_line() -> None:
    """From 10 % at 0 to 20 % at 1,000: 500 is paid 15 %, 1,000 and more 20 %."""
    tail = TAIL.replace(
        "kind: all units, bands: [pays 10 %]",
        "kind: interpolated, bands: [at 0 pays 10 %, at 1000 pays 20 %]",
    )
    charges = ", ".join(
        f"{{customer: K1, month: 2024-0{n}, billed: {billed}}}"
        for n, billed in ((1, 500), (2, 1000), (3, 2000), (4, 1))
    )
    _case(
        DOUBLE,
        TO_P1,
        charges,
        {
            "P1 ten 2024-01": "75.00",
            "P1 ten 2024-02": "200.00",
            "P1 ten 2024-03": "400.00",
            "P1 ten 2024-04": "0.10",
        },
        tail=tail,
    )


def test_a_roll_up_takes_the_share_that_the_manager_holds() -> None:
    """Half of the rep belongs to the manager: of 100 credited to the rep, 50 rolls up."""
    tail = TAIL.replace(
        "table: ten}]",
        "table: ten}, {id: up, pays: manager, per: month, on: amount, by: amount, table: ten}]",
    )
    book = f"{TO_R1}, {{of: party, subject: R1, role: manager, party: M1, share: 50 %}}"
    credit = "{id: both, mode: double, roles: [partner, rep], roll up: [{role: rep, to: manager}]}"
    _case(
        credit,
        book,
        "{customer: K1, month: 2024-01, billed: 100}",
        {"M1 up 2024-01": "5.00/50", "R1 ten 2024-01": "0/100"},
        tail=tail,
    )


def test_what_is_taken_off_never_goes_below_zero() -> None:
    """10 % of 100 is 10.00; 30.00 earned elsewhere takes it all off, and no more."""
    tail = """
tables:
  ten: [{from: 2024-01-01, source: test, kind: all units, bands: [pays 10 %]}]
  thirty: [{from: 2024-01-01, source: test, kind: all units, bands: [pays 30 %]}]
earn:
  sum:
    - {id: big, pays: partner, per: month, on: amount, by: amount, table: thirty}
    - {id: small, pays: partner, per: month, on: amount, by: amount, table: ten, less: [big]}
"""
    _case(
        DOUBLE,
        TO_P1,
        "{customer: K1, month: 2024-01, billed: 100}",
        {"P1 big 2024-01": "30.00", "P1 small 2024-01": "0.00"},
        tail=tail,
    )


def test_a_ceiling_on_a_year_is_used_up_month_after_month() -> None:
    """10 % of 100 a month under a ceiling of 15.00 a year: 10.00, 5.00, nothing; what it takes off is a line of its own."""
    tail = TAIL.replace(
        "sum: [{id: ten, pays", "sum: [{id: ceiling, cap: 15, per: year, sum: [{id: ten, pays"
    ).replace("table: ten}]", "table: ten}]}]")
    charges = ", ".join(f"{{customer: K1, month: 2024-0{n}, billed: 100}}" for n in (1, 2, 3))
    _case(
        DOUBLE,
        TO_P1,
        charges,
        {
            "P1 ten 2024-02": "10.00",
            "P1 ceiling 2024-01": "0.00",
            "P1 ceiling 2024-02": "-5.00",
            "P1 ceiling 2024-03": "-10.00",
        },
        tail=tail,
    )


def test_an_override_takes_the_share_that_is_held() -> None:
    """Half of the partner belongs to the centre: 10 % of half of the 20.00 that the partner earned is 1.00."""
    tail = TAIL.replace(
        "table: ten}]",
        "table: ten}, {id: override, pays: centre, per: month, on: earned ten below, portion: 10 %}]",
    )
    book = f"{TO_P1}, {{of: party, subject: P1, role: centre, party: C1, share: 50 %}}"
    _case(
        DOUBLE,
        book,
        "{customer: K1, month: 2024-01, billed: 200}",
        {"P1 ten 2024-01": "20.00", "C1 override 2024-01": "1.00"},
        tail=tail,
    )


def test_a_customer_is_new_once_and_a_refund_makes_none() -> None:
    """A refund in January is no purchase; the first purchase in March makes K1 new, the second in April does not."""
    tail = """
tables:
  heads: [{from: 2024-01-01, source: test, kind: all units, bands: [below 1 pays 0, from 1 pays 7]}]
earn:
  sum: [{id: heads, pays: partner, per: month, counts: new customers, on: amount, by: amount, table: heads}]
"""
    charges = "{customer: K1, month: 2024-01, billed: -5}, {customer: K1, month: 2024-03, billed: 5}, {customer: K1, month: 2024-04, billed: 5}"
    _case(
        DOUBLE,
        TO_P1,
        charges,
        {"P1 heads 2024-01": "0", "P1 heads 2024-03": "7.00", "P1 heads 2024-04": "0"},
        tail=tail,
    )


def test_of_a_group_only_the_largest_pays() -> None:
    """10 % and 30 % of 100 in one group: 30.00, and what the smaller earned is taken off again."""
    tail = """
tables:
  ten: [{from: 2024-01-01, source: test, kind: all units, bands: [pays 10 %]}]
  thirty: [{from: 2024-01-01, source: test, kind: all units, bands: [pays 30 %]}]
earn:
  sum:
    - id: best
      max:
        - {id: ten, pays: partner, per: month, on: amount, by: amount, table: ten}
        - {id: thirty, pays: partner, per: month, on: amount, by: amount, table: thirty}
"""
    _case(
        DOUBLE,
        TO_P1,
        "{customer: K1, month: 2024-01, billed: 100}",
        {"P1 thirty 2024-01": "30.00", "P1 ten 2024-01": "0.00"},
        tail=tail,
    )


def _paid(pay: str, charges: str, expect: str) -> None:
    text = f"{HEAD}\ncredit: {{first match: [{DOUBLE}]}}\n{TAIL}\npay: {pay}\ncases:\n  - case: one\n    given: {{parties: [{BOOK}], links: [{TO_P1}], charges: [{charges}]}}\n    expect: [{expect}]\n"
    outcomes, problems = run_cases(read_plan(text, "small.yaml"))
    assert not [p.words("what") for p in problems] and outcomes


def test_instalments_are_paid_when_they_fall_due() -> None:
    """10.00 earned in January: 70 % at once, the rest two months later."""
    _paid(
        "{instalments: [70 % at once, 30 % after 2 months]}",
        "{customer: K1, month: 2024-01, billed: 100}",
        "{payee: P1, period: 2024-01, paid: 7.00}, {payee: P1, period: 2024-02, paid: 0}, {payee: P1, period: 2024-03, paid: 3.00}",
    )


def test_what_is_carried_too_long_lapses() -> None:
    """4.00 stays under the minimum of 10.00 and lapses after three months; then 10.00 is paid, not 14.00."""
    _paid(
        "{minimum: 10, expires: 3 months}",
        "{customer: K1, month: 2024-01, billed: 40}, {customer: K1, month: 2024-06, billed: 100}",
        "{payee: P1, period: 2024-01, paid: 0}, {payee: P1, period: 2024-06, paid: 10.00}",
    )
    _paid(
        "{minimum: 10}",
        "{customer: K1, month: 2024-01, billed: 40}, {customer: K1, month: 2024-06, billed: 100}",
        "{payee: P1, period: 2024-06, paid: 14.00}",
    )


def test_the_last_form_takes_what_rounding_leaves() -> None:
    """A draw of 5.5 under a plan that rounds to whole units: half of it is 2 in co-op, the rest 3.5 in cash."""
    global HEAD
    whole, HEAD = HEAD, HEAD + "rounding: half up to 1\n"
    try:
        _paid(
            "{draw: 5.5 guaranteed, forms: [50 % co-op, 50 % cash]}",
            "{customer: K1, month: 2024-01, billed: 0}",
            "{payee: P1, period: 2024-01, paid: 5.5, forms: {co-op: 2, cash: 3.5}}",
        )
    finally:
        HEAD = whole


def test_a_clawback_takes_back_as_many_months_as_it_says() -> None:
    """10.00 a month; lost in March, what was paid within a month before is taken back: 10 - 10 - 10 in March, January stays."""
    tail = TAIL.replace(
        "table: ten}]",
        "table: ten, each: customer, clawback: {when: status = 'lost', within: 1 month}}]",
    )
    book = f"{TO_P1}], labels: [{{party: K1, label: status, value: lost, from: 2024-03-10}}"
    charges = ", ".join(f"{{customer: K1, month: 2024-0{m}, billed: 100}}" for m in (1, 2, 3))
    _case(
        DOUBLE,
        book,
        charges,
        {"P1 ten 2024-01": "10.00", "P1 ten 2024-02": "10.00", "P1 ten 2024-03": "-10.00"},
        tail=tail,
    )


def test_values_are_told_apart_by_each_list_that_names_them() -> None:
    """One component leaves out CDN and SMS, the other SMS, IoT and what has no region: 10 % of 111,000 and of 100,010."""
    tail = """
tables:
  ten: [{from: 2024-01-01, source: test, kind: all units, bands: [pays 10 %]}]
exclude:
  - {id: one, when: "ServiceName in ('CDN', 'SMS')", applies to: [a]}
  - {id: two, when: "ServiceName in ('SMS', 'IoT') or RegionId is missing", applies to: [b]}
earn:
  sum:
    - {id: a, pays: partner, per: month, on: amount, by: amount, table: ten}
    - {id: b, pays: partner, per: month, on: amount, by: amount, table: ten}
"""
    charges = ", ".join(
        f"{{customer: K1, month: 2024-01, billed: {billed}{more}}}"
        for billed, more in (
            (10, ", ServiceName: CDN, RegionId: north"),
            (100, ", ServiceName: SMS, RegionId: south"),
            (1000, ", ServiceName: IoT, RegionId: north"),
            (10000, ", ServiceName: Compute"),
            (100000, ", RegionId: north"),
        )
    )
    _case(
        DOUBLE, TO_P1, charges, {"P1 a 2024-01": "11100.00", "P1 b 2024-01": "10001.00"}, tail=tail
    )
