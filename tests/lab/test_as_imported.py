"""A scenario settles to what the same facts, imported into a copy of the workspace, would."""

from __future__ import annotations

import os
import tempfile
from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st

from fenrun.base.problem import Refused
from fenrun.base.when import parse_period
from fenrun.credit.crediting import bases_of
from fenrun.lab.patched import Lab
from fenrun.lab.run import whatif
from fenrun.lab.scenario import read_scenario
from fenrun.settle.facts import facts_as_of, in_force
from fenrun.settle.imports import import_file
from fenrun.statement.run import Run
from fenrun.store.facts import Store
from tests.closing.test_late_facts import load_book, load_charges, load_plan_text
from tests.engine.test_whole_numbers import said
from tests.properties import worlds
from tests.properties.plans import DAYS, plan, shared_terms

KNOWN = datetime(2025, 1, 5)
PERIODS = ("2024-01", "2024-02", "2024-Q1", "2024")
COSTS = ("BilledCost", "EffectiveCost", "ContractedCost")
days = st.sampled_from(DAYS).map(str)
parties = st.lists(st.sampled_from(worlds.CUSTOMERS), min_size=1, max_size=2, unique=True)
changes = st.sampled_from(("-100 %", "-20 %", "+7.5 %", "-33.333 %"))
services = st.sampled_from(("Compute", "CDN", "SMS"))


@st.composite
def _labels(draw: st.DrawFn) -> str:
    value = draw(st.sampled_from(("C", "D", "E")))
    where = draw(
        st.sampled_from(
            (
                "where: \"class = 'E'\"",
                "where: region is missing and kind = 'customer'",
                f"parties: [{', '.join(draw(parties))}]",
            )
        )
    )
    return f"labels: [{{label: class, value: {value}, from: {draw(days)}, {where}}}]"


@st.composite
def _moves(draw: st.DrawFn) -> str:
    role, people = draw(st.sampled_from((("partner", worlds.PARTNERS), ("rep", worlds.REPS))))
    start = draw(st.sampled_from(DAYS))
    more = f", to: {draw(st.sampled_from(people))}"
    if draw(st.booleans()):
        until = start + timedelta(days=draw(st.sampled_from((1, 20, 90))))
        more += f", until: {until}" + draw(st.sampled_from(("", ", keeps: 50 %")))
    more = draw(st.sampled_from((more, "")))
    chosen = draw(st.sampled_from(("", f", parties: [{draw(st.sampled_from(('K1', 'K2')))}]")))
    return f"moves: [{{role: {role}, from: {start}{more}{chosen}}}]"


@st.composite
def _orders(draw: st.DrawFn) -> str:
    issuer, order = draw(st.sampled_from(worlds.ISSUERS)), draw(st.sampled_from(worlds.ORDERS))
    of = f"of: order, role: partner, holder: nobody, issuer: {issuer}, parties: [{order}]"
    return f"moves: [{{{of}, to: {draw(st.sampled_from(worlds.PARTNERS))}}}]"


@st.composite
def _figures(draw: st.DrawFn) -> str:
    name = draw(st.sampled_from(("task", "prior", "goal")))
    return f"figures: [{{figure: {name}, by: {draw(changes)}}}]"


@st.composite
def _won(draw: st.DrawFn) -> str:
    holder = draw(st.sampled_from(("", ", holders: {partner: P2}")))
    return f"won: [{{customer: K9, like: K1, times: 0 %, from: {draw(days)}{holder}}}]"


@st.composite
def _usage(draw: st.DrawFn) -> str:
    where = f"where: \"ServiceName = '{draw(services)}'\""
    keep = draw(st.sampled_from(("", ", keep: effective")))
    return f"usage: [{{by: {draw(changes)}, from: 2020-01-01, {where}{keep}}}]"


@st.composite
def _agreements(draw: st.DrawFn) -> str:
    kind = draw(st.sampled_from(("commit", "prepay")))
    agreed = f"kind: {kind}, customer: K1, amount: 100, currency: CNY, from: {draw(days)}"
    agreed += ", to: 2031-01-01"
    return f"agreements: [{{agreement: B-S, {agreed}}}]"


@st.composite
def _prices(draw: st.DrawFn) -> str:
    how = draw(st.sampled_from(("list: -20 %", "list: -20 %, keep: price", "contracted: -12.5 %")))
    where = f"where: \"ServiceName = '{draw(services)}'\""
    return f"prices: [{{{how}, from: 2020-01-01, {where}}}]"


@st.composite
def _shifts(draw: st.DrawFn) -> str:
    where = f"where: \"ServiceName = '{draw(services)}'\""
    months = draw(st.sampled_from(("+1", "-1", "+12")))
    return f"shifts: [{{in: 2020-01/2027-12, months: {months}, {where}}}]"


@st.composite
def _coupons(draw: st.DrawFn) -> str:
    where = f"where: \"ServiceName = '{draw(services)}'\""
    more = draw(st.sampled_from(("50 %", "12.5 %", "200 %")))
    return f"coupons: [{{coupon: C-S, more: {more}, from: 2020-01-01, {where}}}]"


KINDS = (
    _labels(),
    _moves(),
    _figures(),
    _won(),
    _usage(),
    _prices(),
    _shifts(),
    _agreements(),
    _coupons(),
    _orders(),
)


@st.composite
def scenarios(draw: st.DrawFn) -> str:
    """The text of a scenario of a few kinds of patches."""
    kinds = draw(st.lists(st.sampled_from(range(len(KINDS))), min_size=1, max_size=4, unique=True))
    kinds = [kind for kind in kinds if kind not in (1, len(KINDS) - 1)] + [
        kind for kind in kinds if kind in (1, len(KINDS) - 1)
    ][:1]  # two kinds that are written under one key
    return "\n".join(["scenario: s", "from: 2024-02-01", *(draw(KINDS[kind]) for kind in kinds)])


def _month_later(moment: datetime, months: int) -> datetime:
    year, month = divmod(moment.year * 12 + moment.month - 1 + months, 12)
    for day in (moment.day, 30, 29, 28):
        with suppress(ValueError):
            return moment.replace(year, month + 1, min(day, moment.day))
    raise AssertionError("a month has 28 days")


def _booked_later(row: dict[str, Any], months: int, zone: str) -> dict[str, Any]:
    """The start and the billing period of a charge, so many months later."""
    local = row["ChargePeriodStart"].replace(tzinfo=UTC).astimezone(ZoneInfo(zone))
    start = _month_later(local, months).astimezone(UTC).replace(tzinfo=None)
    billed = row["BillingPeriodStart"]
    month = (billed + timedelta(days=1)).replace(day=1, hour=0, minute=0, second=0)
    return {
        "ChargePeriodStart": start,
        "BillingPeriodStart": _month_later(month, months) - (month - billed),
    }


def _repriced(
    rows: list[dict[str, Any]], data: Mapping[str, Any], counts_cash: bool, zone: str
) -> list[dict[str, Any]]:
    """The charges as a scenario has them, worked out row by row."""

    def rate(text: str) -> Decimal:
        return 1 + Decimal(text.replace("%", "").strip()) / 100

    found = []
    for row in rows:
        factors = dict.fromkeys(("list", "price", "usage", "billing"), Decimal(1))
        for one in data.get("usage", ()):
            if f"'{row['ServiceName']}'" in one["where"]:
                factors["billing" if "keep" in one else "usage"] *= rate(one["by"])
        for one in data.get("prices", ()):
            if f"'{row['ServiceName']}'" in one["where"]:
                change = rate(one.get("list") or one["contracted"])
                factors["list"] *= change if "list" in one else 1
                factors["price"] *= 1 if one.get("keep") == "price" else change
        new = (
            dict.fromkeys(("ChargeCategory", "x_CouponId")) | row if "coupons" in data else {**row}
        )
        for cost in COSTS:
            if row[cost] is not None:
                when = 1 if cost == "EffectiveCost" else factors["billing"]
                new[cost] = row[cost] * factors["price"] * factors["usage"] * when
        if row["x_Cash"] is not None and counts_cash:
            cash = Decimal(row["x_Cash"]) * factors["price"] * factors["usage"]
            cash *= factors["billing"]
            new["x_Cash"] = format(cash, "f")
        if row["ListCost"] is not None:
            listed = row["ListCost"] * factors["list"] * factors["usage"]
            new["ListCost"] = listed * factors["billing"]
        for one in data.get("coupons", ()):
            if f"'{row['ServiceName']}'" in one["where"]:
                found += _paid_by_coupon(new, one["coupon"], rate(one["more"]) - 1, counts_cash)
        for one in data.get("shifts", ()):
            if f"'{row['ServiceName']}'" in one["where"]:
                new |= _booked_later(row, int(one["months"]), zone)
        if factors["usage"]:
            found.append(new)
    return found


def _paid_by_coupon(
    row: dict[str, Any], coupon: str, part: Decimal, counts_cash: bool
) -> list[dict[str, Any]]:
    """A part more of a charge, and the credit that takes it off again."""
    credit = {"ChargeCategory": "Credit", "x_CouponId": coupon}
    found = []
    for more, times in ((dict.fromkeys(credit), part), (credit, -part)):
        one = row | more
        for cost in (*COSTS, "ListCost"):
            one[cost] = None if row[cost] is None else row[cost] * times
        if row["x_Cash"] is not None and counts_cash:
            one["x_Cash"] = format(Decimal(row["x_Cash"]) * times, "f")
        found.append(one)
    return found


def _rows(run: Run) -> dict[str, Counter[str]]:
    names = ("statements", "statement_lines", "payouts", "credited", "uncredited")
    return {
        name: Counter(
            repr({key: said(value) for key, value in row.items()})
            for row in run.engine.table(name).to_pylist()
        )
        for name in names
    }


@pytest.mark.in_turn(3)
@settings(max_examples=max(4, int(os.environ.get("FENRUN_EXAMPLES", "12")) // 3))
@given(data=st.data(), text=scenarios(), period=st.sampled_from(PERIODS))
def test_a_scenario_is_what_the_same_facts_would_be(
    data: st.DataObject, text: str, period: str
) -> None:
    shared = data.draw(shared_terms())
    files = [data.draw(plan(f"random-{number}", shared)) for number in (1, 2)]
    book, rows = data.draw(worlds.book()), data.draw(worlds.charges)
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        store, copy = Store(folder / "ws"), Store(folder / "copy")
        scenario = read_scenario(text, "s.yaml", folder)
        for one in (store, copy):
            load_book(one, book, KNOWN, "book.csv")
            for number, file in enumerate(files):
                load_plan_text(one, file, KNOWN, f"plan-{number}.yaml")
        load_charges(store, rows, KNOWN, "charges.csv")
        bases = bases_of([file.plan for file in files])
        counts_cash = any("x_Cash" in basis for basis in bases)
        zone = files[0].plan.terms[0].timezone
        changed = _repriced(rows, scenario.written.data, counts_cash, zone)
        if changed:
            load_charges(copy, changed, KNOWN, "charges.csv")
        span = parse_period(period)
        facts = facts_as_of(store, KNOWN)
        if not in_force(facts.plans, span):
            return
        try:
            found = whatif(store, [scenario], span, drafts=folder / "drafts").outcomes[0]
        except Refused as refusal:
            codes = {problem.code for problem in refusal.problems}
            event(f"refused: {codes}")
            assert codes == {"scenario-party"}, "of what the world does not have"
            return
        for number, draft in enumerate(found.drafts):
            import_file(copy, draft, KNOWN + timedelta(seconds=number + 1))
        lab = Lab(copy, span)
        expected = lab.settle(replace(lab.facts, kept=None))
        event(f"{len(found.drafts)} drafts")
        assert _rows(found.run) == _rows(expected)
