"""Every kind of patch, worked out by hand; and what a scenario must never do."""

from __future__ import annotations

import io
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pyarrow.csv  # pa.csv
import pyarrow.parquet as pq
import pytest

from fenrun.base.problem import Refused
from fenrun.base.when import parse_period
from fenrun.lab import whatif
from fenrun.lab.run import Outcome
from fenrun.settle.imports import import_file
from fenrun.store.facts import Store
from tests.command import what_is_known
from tests.lab.worlds import KNOWN, PAYS, charge, of, owned, plan, scenario, workspace

YEAR = parse_period("2024")
BANDS = "kind: all units, bands: [pays 10 %]"
BOOK = owned(K1={"partner": "P1"}, K2={"partner": "P2"}) + (
    "labels:\n"
    "  - {party: K1, label: region, value: east, from: 2023-01-01}\n"
    "  - {party: K2, label: region, value: west, from: 2023-01-01}\n"
    "figures: [{party: P1, figure: quota, period: 2024, amount: 1000, currency: CNY}]\n"
)
CHARGES = [
    charge("A1", 1000, 3),
    charge("A1", 500, 9, service="CDN"),
    charge("A2", 800, 3, list_=1000),
    charge("A2", 800, 9, list_=1000),
]


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """K1 is P1's and spends 1,500, K2 is P2's and spends 1,600 at 20 % off."""
    return workspace(tmp_path, BOOK, CHARGES, plan(PAYS, BANDS))


def _outcome(store: Store, text: str) -> Outcome:
    (outcome,) = whatif(store, [scenario(text)], YEAR, with_causes=True).outcomes
    return outcome


def _earned(store: Store, text: str) -> dict[str, Decimal]:
    outcome = _outcome(store, text)
    assert not [one for one in outcome.problems if one.code.startswith("scenario")]
    in_all = sum(row["earned_more"] for row in outcome.causes)
    (whole,) = outcome.answer.plans
    assert in_all == whole["earned_more"], "the causes sum to the whole"
    return {row["payee"]: row["earned_after"] for row in outcome.answer.payees}


@pytest.mark.in_turn(5)
@pytest.mark.parametrize(
    ("text", "earned"),
    [
        ("usage: [{by: -100 %, customers: {parties: [K1]}, from: 2024-07-01}]", (100, 160)),
        ("usage: [{by: -100 %, customers: {where: \"region = 'east'\"}}]", (0, 160)),
        ("usage: [{by: +50 %, where: \"ServiceName = 'CDN'\"}]", (175, 160)),
        ("usage: [{by: +10 %, customers: {spend: {in: 2024, from: 1600}}}]", (150, 176)),
        ("usage: [{by: +10 %, customers: {spend: {in: 2024, below: 1600}}}]", (165, 160)),
        ("shifts: [{in: 2024-09, months: +4}]", (100, 80)),
        ("shifts: [{in: 2024-09, months: +3, customers: {parties: [K1]}}]", (150, 160)),
        ("shifts: [{in: 2024-03, months: -3, where: \"ServiceName = 'Compute'\"}]", (50, 80)),
        ("prices: [{list: -10 %}]", (135, 144)),
        ("prices: [{contracted: -10 %, customers: {parties: [K2]}}]", (150, 144)),
        ("prices: [{contracted: -10 %, elasticity: -0.5}]", ("141.75", "151.2")),
        ("prices: [{list: +10 %, keep: price}]", (150, 160)),
        ("moves: [{role: partner, holder: P1, to: P2, from: 2024-07-01}]", (100, 210)),
        ("moves: [{role: partner, parties: [K1]}]", (0, 160)),
        ("moves: [{role: partner, where: \"region = 'east'\", to: P2}]", (0, 310)),
        ("won: [{customer: K9, like: K1, times: 50 %}]", (225, 160)),
        ("won: [{customer: K9, like: K1, holders: {partner: P2}, from: 2024-07-01}]", (150, 210)),
        ("plans: [{plan: growth, set: {tables.rates.bands: [pays 5 %]}}]", (75, 80)),
        (
            "plans: [{plan: growth, set: {earn.sum.sales.cap: 100}}]",
            (100, 100),
        ),
        (
            "usage: [{by: +100 %, customers: {parties: [K1]}}]\n"
            "prices: [{contracted: -50 %, customers: {parties: [K1]}}]",
            (150, 160),
        ),
    ],
)
def test_each_patch_does_what_it_says(
    store: Store, text: str, earned: tuple[float | str, float | str]
) -> None:
    found = _earned(store, text)
    assert [found["P1"], found["P2"]] == [Decimal(amount) for amount in earned]


def test_costs_of_a_provider_s_own_change_where_a_plan_counts_them(tmp_path: Path) -> None:
    """The plan counts x_Cash, written as text: half as much usage is half of it."""
    text = plan(PAYS, BANDS).replace("basis: billed", "basis: x_Cash")
    rows = [f"{charge('A1', 1000).strip()},700\n"]
    store = workspace(tmp_path, BOOK, rows, text, more_columns=",x_Cash")
    assert _earned(store, "usage: [{by: -50 %}]")["P1"] == 35


def test_who_spent_nothing_is_a_customer_that_spent_little(store: Store) -> None:
    """Partners spend nothing either, and are not meant where spend chooses."""
    text = "labels: [{label: size, value: small, spend: {in: 2024, below: 1550}}]"
    rows = _outcome(store, text).answer.labels
    assert [row["value"] for row in rows if row["label"] == "size"] == ["small"]
    assert of(rows, label="size", value="small")["earned_after"] == 0


def test_only_what_was_known_at_the_moment_changes(store: Store, tmp_path: Path) -> None:
    """A later file is not in the answer about an earlier moment."""
    late = tmp_path / "late.csv"
    header = (tmp_path / "charges.csv").read_text("utf-8").splitlines()[0]
    late.write_text(f"{header}\n{charge('A1', 9000, 5)}", "utf-8")
    import_file(store, late, KNOWN + timedelta(days=1))
    dearer = scenario("prices: [{contracted: +10 %}]")
    (then,) = whatif(store, [dearer], YEAR, KNOWN).outcomes
    assert of(then.answer.payees, payee="P1")["earned_after"] == 165
    (now,) = whatif(store, [dearer], YEAR).outcomes
    assert of(now.answer.payees, payee="P1")["earned_after"] == 1155


def test_figures_change(tmp_path: Path) -> None:
    """P1 reaches 150 % of its quota of 1,000; of 2,000 it would be 75 %."""
    bands = "kind: all units, bands: [below 100 % pays 5 %, from 100 % pays 10 %]"
    pays = PAYS.replace("by: amount", "by: attainment, target: quota")
    only = BOOK.replace("K2: ", "K2: ")
    store = workspace(tmp_path, only, CHARGES[:2], plan(pays, bands))
    assert _earned(store, "figures: [{figure: quota, by: +100 %}]")["P1"] == 75
    assert _earned(store, "figures: [{figure: quota, to: 1500, parties: [P1]}]")["P1"] == 150


def test_nothing_of_a_scenario_is_in_the_workspace(store: Store, tmp_path: Path) -> None:
    """Not a file, nor a row of the log: what the workspace knows is what it knew.

    What it caches, such as that a file is what was written, is no knowledge; months are not kept.
    """
    before = what_is_known(store.path)
    _outcome(store, "labels: [{label: region, value: north}]\nprices: [{list: -10 %}]")
    assert what_is_known(store.path) == before
    assert not list(store.path.glob("cache/**/*.parquet"))


@pytest.mark.in_turn(4)
@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("labels: [{label: region, value: east, parties: [K1]}]", "scenario-nothing"),
        ("moves: [{role: partner, holder: P7, to: P2}]", "scenario-nothing"),
        ("usage: [{by: -100 %, where: \"ServiceName = 'Video'\"}]", "scenario-nothing"),
        ("figures: [{figure: target, by: +10 %}]", "scenario-nothing"),
        ("rates: [{from: USD, to: CNY, by: +10 %}]", "scenario-nothing"),
        ("prices: [{list: -50 %, keep: price}]", "scenario-above-list"),
    ],
)
def test_what_changes_nothing_or_looks_odd_is_said(store: Store, text: str, code: str) -> None:
    assert code in [one.code for one in _outcome(store, text).problems]


@pytest.mark.parametrize(
    ("text", "code", "line"),
    [
        ("", "scenario-empty", 1),
        ("colour: red", "scenario-key", 3),
        ("prices: [{list: -120 %}]", "scenario-value", 3),
        ("prices: [{keep: price}]", "scenario-one-of", 3),
        ("prices: [{list: -1 %, contracted: -1 %}]", "scenario-one-of", 3),
        ("usage: [{by: -10 %, where: region = 'east'}]", "scenario-condition", 3),
        ("labels:\n  - {label: class, where: ServiceName = 'CDN'}", "scenario-condition", 4),
        ("moves: [{role: partner, to: P2, until: 2023-07-01}]", "scenario-transition", 3),
        ("moves: [{role: partner, to: P2, keeps: 50 %}]", "scenario-transition", 3),
        ("moves: [{of: order, role: partner, where: region = 'east'}]", "scenario-of-ids", 3),
        ("moves: [{role: partner, to: P9}]", "scenario-party", 3),
        ("won: [{customer: K1, like: K2}]", "scenario-there", 3),
        ("won: [{customer: K9, like: K7}]", "scenario-party", 3),
        ("agreements: [{agreement: B-1, customer: K1, to: 2025-01-01}]", "scenario-value", 3),
        ("agreements: [{agreement: B-1, customer: K1, amount: 9}]", "scenario-value", 3),
        (
            "agreements:\n  - {agreement: B-1, kind: prepay, customer: K1, to: 2025-01-01,"
            " amount: 9, currency: CNY, shortfall: 2 %}",
            "scenario-value",
            4,
        ),
        ("plans: [{plan: other, set: {basis: list}}]", "scenario-no-plan", 3),
        ("plans: [{plan: growth, set: {earn.sum.nothing.cap: 1}}]", "scenario-nowhere", 3),
        ("plans: [{plan: growth, set: {basis: nonsense}}]", "scenario-plan", 3),
    ],
)
def test_what_is_wrong_has_its_place(store: Store, text: str, code: str, line: int) -> None:
    with pytest.raises(Refused) as refusal:
        _outcome(store, text)
    said = [(one.code, one.place.row) for one in refusal.value.problems]
    assert (code, line) in said


def test_a_customer_that_shares_an_account_cannot_be_lost_alone(tmp_path: Path) -> None:
    book = BOOK.replace("party: K1}\n", "party: K1, share: 0.5}\n", 1).replace(
        "links:\n",
        "links:\n  - {of: account, issuer: Cloud, subject: A1, role: customer, party: K2, "
        "share: 0.5}\n",
    )
    store = workspace(tmp_path, book, CHARGES, plan(PAYS, BANDS))
    with pytest.raises(Refused) as refusal:
        _outcome(store, "usage: [{by: -100 %, customers: {parties: [K1]}}]")
    assert [one.code for one in refusal.value.problems] == ["scenario-shared"]


def test_costs_of_38_digits_stay_exact_beside_those_that_change(
    store: Store, tmp_path: Path
) -> None:
    """12.3 % off 1,000.000001 is 877.000000877, of more decimals than the 500.000001 beside it."""
    csv = (tmp_path / "charges.csv").read_text("utf-8").splitlines()[0] + "\n"
    rows = charge("A1", "1000.000001", 5) + charge("A1", "500.000001", 5, service="CDN")
    wide = pa.csv.read_csv(
        io.BytesIO((csv + rows).encode()),
        convert_options=pa.csv.ConvertOptions(
            column_types={name: pa.decimal128(38, 6) for name in csv.split(",")[:4]}
        ),
    )
    pq.write_table(wide, tmp_path / "late.parquet")
    import_file(store, tmp_path / "late.parquet", KNOWN + timedelta(days=1))
    only = (
        "prices: [{contracted: -12.3 %, where: \"ServiceName = 'Compute' and BilledCost > 1000\"}]"
    )
    (found,) = whatif(store, [scenario(only)], YEAR).outcomes
    row = of(found.answer.payees, payee="P1")
    assert row["credited_after"] == Decimal("2877.000001877")


def test_tables_for_notebooks(store: Store) -> None:
    found = _outcome(store, "prices: [{list: -10 %}]").answer.table("payees")
    assert found.column_names[:3] == ["payee", "role", "currency"]
    assert of(found.to_pylist(), payee="P1")["earned_more"] == -15
