"""Engine and auditor agree on what terms say of charges, in every random world."""

from __future__ import annotations

import os
from datetime import datetime
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from fenrun.base.ids import digest, short
from fenrun.base.table import from_rows
from fenrun.base.when import parse_period
from fenrun.events.consents import as_labels
from fenrun.events.read import LAYOUT as EVENTS
from fenrun.events.receipts import paid_figures
from fenrun.plan.read import PlanFile, read_plan
from fenrun.plan.rows import Plan
from fenrun.settle.facts import with_terms
from fenrun.settle.used_up import cuts_in_memory
from fenrun.tables.kept import Sources
from fenrun.tables.layout import Layout
from fenrun.tables.records import rows_from
from fenrun.terms.as_of import terms_of
from fenrun.terms.read import LAYOUT
from fenrun.terms.used_up import Cuts
from tests.auditor.compare import answers_for, differences, run_engine, sources_of
from tests.properties import worlds

MARKS = ("", ".2")
GRANTS = ("50 % of list", "100 % of list", "40 % of list on 2024-01-01", "1.5")
_ASKED = (
    *("approved", "floor breached", "coupon as granted", "coupon diverted"),
    *("agreement.kind = 'commit'", "agreement.kind is missing", "agreement.kind in ('prepay')"),
    *(
        "RegionId = region",
        "RegionId != closing.region",
        "x_Owner = customer",
        "x_Owner != RegionId",
    ),
)
_OF_CREDITS = (
    *("consented", "consented"),
    *("RegionId != payee.level", "x_Owner = payee.party", "x_Owner = previous.party"),
)
Row = dict[str, str]


@st.composite
def conditions(draw: st.DrawFn, about_credit: bool) -> str:
    """One condition, or two together, of which one may not hold."""
    asked = st.sampled_from((*_ASKED, *(_OF_CREDITS if about_credit else ())))
    one, other = draw(asked), draw(asked)
    return draw(st.sampled_from((one, f"{one} and not {other}", f"not {one} or {other}")))


@st.composite
def plans(draw: st.DrawFn) -> PlanFile:
    """A plan whose crediting, measuring and exclusions ask for terms."""
    part = {"id": "part", "when": draw(conditions(False)), "mode": "double", "roles": ["partner"]}
    rest = {"id": "rest", "mode": "single", "roles": ["rep", "partner"]}
    rest["while"] = draw(conditions(True))
    table = {"from": "2023-01-01", "source": "test", "kind": "all units", "bands": ["pays 10 %"]}
    earn = {"per": "month", "on": "amount", "by": "amount", "table": "ten"}
    rep = {"id": "reps", "pays": "rep", "of": draw(conditions(True)), **earn}
    paid = {"id": "paid", "pays": "partner", "counted with": "payments of order", **earn}
    paid["each"] = draw(st.sampled_from(("payee", "customer", "order")))
    text: dict[str, Any] = {
        **{"plan": "p1", "title": "Agreed", "source": "test", "published": "2023-01-01"},
        **{"effective": {"from": "2023-01-01"}, "currency": "CNY", "basis": "billed"},
        "timezone": draw(st.sampled_from(("UTC", "Asia/Shanghai"))),
        "credit": {"first match": [part, rest]},
        "exclude": [{"id": "out", "when": draw(conditions(True))}],
        "tables": {"ten": [table]},
        "earn": {"sum": [{"id": "partners", "pays": "partner", **earn}, rep, paid]},
    }
    return read_plan(yaml.dump(text, sort_keys=False, Dumper=yaml.CSafeDumper), "agreed.yaml")


@st.composite
def _covering(draw: st.DrawFn, mark: str) -> Row:
    """What a row covers, over which days, of whom: each may be left open."""
    start, end = sorted(draw(st.tuples(worlds.days, worlds.days)))
    found = {"customer": draw(st.sampled_from(("", *worlds.CUSTOMERS)))}
    found["partner"] = draw(st.sampled_from(("", "", *worlds.PARTNERS)))
    found = {name: value and value + mark for name, value in found.items()}
    found["covers"] = draw(st.sampled_from(("", "ServiceName = 'CDN'", "RegionId is missing")))
    spans = ({}, {}, {"from": str(start)}, {"from": str(start), "to": str(end)})
    return found | draw(st.sampled_from(spans))


@st.composite
def terms(draw: st.DrawFn, mark: str) -> dict[str, list[Row]]:
    """Rows of every table of the terms."""
    rows: dict[str, list[Row]] = {name: [] for name in LAYOUT.columns}
    for number in range(draw(st.integers(1, 3))):
        own, name = draw(_covering(mark)), f"{number}{mark}"
        of_all = {key: value for key, value in own.items() if key not in ("customer", "partner")}
        limit = {"least": draw(st.sampled_from(GRANTS)), "currency": "CNY"}
        rows["floors"].append({"floor": name, **of_all, **limit})
        kind = draw(st.sampled_from(("subscription", "project", "licence")))
        rows["agreements"].append({**draw(_covering(mark)), "agreement": name, "kind": kind})
        coupon = {"coupon": draw(st.sampled_from(("C1", "C2"))) + mark, **of_all}
        most = draw(st.sampled_from(("1", "150", "1000000")))
        coupon |= {"customer": draw(st.sampled_from(worlds.CUSTOMERS)) + mark, "amount": most}
        if coupon["coupon"] not in [row["coupon"] for row in rows["coupons"]]:
            rows["coupons"].append(coupon | {"currency": "CNY"})
        rows["approvals"] += draw(_chain(name, mark))
    price = draw(st.sampled_from(("1", "2.5", "100")))
    day = draw(st.sampled_from(("2023-01-01", "2024-01-01", "2024-02-01")))
    rows["prices"].append({"sku": "U1" + mark, "price": price, "currency": "CNY", "from": day})
    rows["prices"].append({"sku": "S1" + mark, "price": "3", "currency": "CNY"})
    return rows


@st.composite
def _chain(draw: st.DrawFn, name: str, mark: str) -> list[Row]:
    own = draw(_covering(mark)) | {"grants": draw(st.sampled_from(GRANTS)), "currency": "CNY"}
    most = draw(st.sampled_from(("", "", "0", "120", "100000")))
    own |= {"amount": most} if most else {}
    asked = {"asked_by": "ann", "asked_at": "2023-01-01", "decided_by": "li"}
    asked |= {"decided_at": "2023-01-02"}
    numbers = draw(st.sampled_from(("1", "12", "2")))
    outcomes = st.sampled_from(("approved", "approved", "approved", "refused", "lapsed"))
    return [
        {"approval": name, "step": step, **own, **asked, "outcome": draw(outcomes)}
        for step in numbers
    ]


@st.composite
def charges(draw: st.DrawFn, mark: str) -> list[dict[str, Any]]:
    """Charges with what terms ask of them."""
    found = draw(worlds.charges_of(mark))
    for one in found:
        price, sku = one["SkuPriceId"], draw(st.sampled_from((None, "S1")))
        one |= {
            "SkuPriceId": price and price + mark,
            "SkuId": sku and sku + mark,
            "PricingQuantity": draw(st.sampled_from((None, "10", "100"))),
            "ChargeCategory": draw(st.sampled_from(("Usage", "Usage", "Credit", "Tax"))),
            "RegionId": draw(st.sampled_from((None, "north", "south", "elite"))),
            "x_CouponId": draw(st.sampled_from((None, "C1" + mark, "C2" + mark, "C9"))),
            "x_Owner": draw(st.sampled_from((None, "K1" + mark, "K2" + mark, "P1" + mark))),
        }
    return found


@st.composite
def events(draw: st.DrawFn, mark: str) -> list[Row]:
    """What customers say of partners and reps."""
    said = st.tuples(
        worlds.days,
        st.integers(0, 5),
        st.sampled_from(("consent", "consent", "refusal", "association")),
        st.sampled_from(worlds.CUSTOMERS),
        st.sampled_from((*worlds.PARTNERS, *worlds.REPS)),
    )
    return [
        {"event": f"{n}{mark}", "at": f"{day}T12:0{minute}", "kind": kind}
        | {"customer": customer + mark, "party": party + mark}
        for n, (day, minute, kind, customer, party) in enumerate(draw(st.lists(said, max_size=8)))
    ]


@st.composite
def payments(draw: st.DrawFn, mark: str) -> list[Row]:
    """What is paid of orders: parts, all, too much, and what comes back."""
    said = st.tuples(
        worlds.days,
        st.sampled_from(worlds.ORDERS),
        st.sampled_from(("1", "1", "2", "0.7", "3", "-1")),
        st.sampled_from(("", "3", "3")),
        st.sampled_from(("invoice", "invoice", "refund", "prepay")),
    )
    return [
        {"payment": f"{n}{mark}", "day": str(day), "payer": "H1", "customer": "K1", "kind": kind}
        | {"amount": amount, "currency": "USD", "reference": order + mark, "total": total}
        for n, (day, order, amount, total, kind) in enumerate(draw(st.lists(said, max_size=6)))
    ]


def read(rows: dict[str, list[Row]], layout: Layout) -> tuple[list[Any], Sources]:
    """Terms or events as rows, and as a settlement takes them."""
    records = {name: list(enumerate(own, 2)) for name, own in rows.items()}
    found, problems = rows_from(records, layout.kind, layout)
    assert not problems, problems
    tables = {name: from_rows(layout.rows[name], own) for name, own in found.items()}
    flat = [row for own in found.values() for row in own]
    kept = [row for row in flat if not hasattr(row, "valid_to") or row.valid_from < row.valid_to]
    return kept, [(layout.kind, datetime(2023, 1, 1), tables)]


@pytest.mark.in_turn(4)
@settings(max_examples=int(os.environ.get("FENRUN_EXAMPLES", "48")) // 6)
@given(st.data())
def test_engine_and_auditor_agree_on_terms(data: st.DataObject) -> None:
    rows = [row for mark in MARKS for row in data.draw(charges(mark))]
    for number, row in enumerate(rows):  # as `run_in` stores them
        row |= {"import_id": short(digest("charges", number % 2)), "row_no": 2 + number // 2}
    said: dict[str, list[Row]] = {name: [] for name in LAYOUT.columns}
    for mark in MARKS:
        for name, own in data.draw(terms(mark)).items():
            said[name] += own
    flat, sources = read(said, LAYOUT)
    happened = {"events": [row for m in MARKS for row in data.draw(events(m))]}
    happened["payments"] = [row for m in MARKS for row in data.draw(payments(m))]
    done, what = read(happened, EVENTS)
    books, plan = data.draw(worlds.books_of(MARKS)), data.draw(plans()).plan
    in_bulk, period = data.draw(st.booleans()), data.draw(worlds.periods)
    book = sources_of(books)

    def used_up(plan: Plan) -> Cuts:
        return cuts_in_memory(rows, book, plan, terms_of(sources))

    agreed = with_terms([plan], sources, what, used_up)
    more = [*as_labels([plan], what), *paid_figures([plan], what, parse_period(period).span.end)]
    run = run_engine(rows, books, agreed, period, in_bulk, more=more)
    assert not differences(run, answers_for(rows, books, [plan], period, terms=[*flat, *done]))
