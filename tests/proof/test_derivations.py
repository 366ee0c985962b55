"""What a bundle must not give away, tried by somebody who knows all that there is to guess from.

Reps REPS-1 and REPS-2 stand below the manager MGRS-1, and are paid by the same plan; their
customers are PART-1's and PART-2's. KUND-2 went from PART-1 to PART-2 under the same link. The
attacker knows every id, every name, every round amount, every row of the book but the one asked
for, and how ids are made.
"""

from __future__ import annotations

import hashlib
import json
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from fenrun.base.ids import digest, file_digest, short
from fenrun.base.when import parse_period
from fenrun.closing.close import close, settle_period
from fenrun.closing.sign_off import leaf_of, read_leaves, signed_off_rows
from fenrun.proof.bundle import derive, make_bundle
from fenrun.proof.verify import verify
from fenrun.settle.imports import import_file
from fenrun.store.facts import Store
from tests.proof.all_text import all_text

JANUARY = parse_period("2024-01")
PAYEES = ("PART-1", "PART-2", "REPS-1", "REPS-2", "MGRS-1")
PLAN = """
plan: team
title: Team
source: test
published: 2024-01-01
effective: {from: 2024-01-01}
currency: CNY
timezone: UTC
basis: billed
credit:
  first match:
    - id: all
      mode: double
      roles: [partner, rep]
      roll up: [{role: rep, to: manager}]
exclude: [{id: small-print, when: "x_Channel = 'secret-channel'", applies to: [reward]}]
tables:
  tiers: [{from: 2024-01-01, source: Terms, kind: all units, bands: [from 0 pays 10 %]}]
  quota-rates: [{from: 2024-01-01, source: Pay, kind: all units, bands: [below 50 % pays 30 %,
      from 50 % pays 77.7 %]}]
  team-rates: [{from: 2024-01-01, source: Pay, kind: all units, bands: [from 0 pays 1 %]}]
earn:
  sum:
    - {id: reward, pays: partner, per: month, on: amount, by: amount, table: tiers}
    - {id: variable, pays: rep, per: month, on: figure target-pay, by: attainment, target: quota,
       table: quota-rates}
    - {id: team, pays: manager, per: month, on: amount, by: amount, table: team-rates}
"""
_NAMES = (
    "KUND-1",
    "KUND-2",
    "KUND-3",
    "KUND-4",
    "PART-1",
    "PART-2",
    "REPS-1",
    "REPS-2",
    "REPS-3",
    "MGRS-1",
)
BOOK = f"""
parties: [{
    ", ".join(
        f"{{party: {p}, kind: {kind}, name: Full name of {p}}}"
        for p in _NAMES
        for kind in [{"KU": "customer", "PA": "partner"}.get(p[:2], "rep")]
    )
}]
links:
  - {{of: account, issuer: Cloud, subject: ACCT-1, role: customer, party: KUND-1}}
  - {{of: account, issuer: Cloud, subject: ACCT-2, role: customer, party: KUND-2}}
  - {{of: account, issuer: Cloud, subject: ACCT-3, role: customer, party: KUND-3}}
  - {{of: account, issuer: Cloud, subject: ACCT-4, role: customer, party: KUND-4}}
  - {{of: customer, subject: KUND-1, role: partner, party: PART-1}}
  - {{id: L2, of: customer, subject: KUND-2, role: partner, party: PART-1}}
  - {{id: L1, of: customer, subject: KUND-1, role: helper, party: PART-1}}
  - {{of: customer, subject: KUND-3, role: partner, party: PART-2}}
  - {{of: customer, subject: KUND-1, role: rep, party: REPS-1, from: 2024-01-01}}
  - {{of: customer, subject: KUND-2, role: rep, party: REPS-1}}
  - {{of: customer, subject: KUND-3, role: rep, party: REPS-2}}
  - {{of: customer, subject: KUND-4, role: rep, party: REPS-3}}
  - {{of: party, subject: REPS-3, role: manager, party: MGRS-1, to: 2024-01-01}}
  - {{of: party, subject: REPS-1, role: manager, party: MGRS-1}}
  - {{of: party, subject: REPS-2, role: manager, party: MGRS-1}}
labels:
  - {{party: KUND-1, label: mood, value: unread-label}}
  - {{party: PART-1, label: mood, value: unread-label}}
  - {{party: REPS-1, label: grade, value: grade-nine}}
figures:
  - {{party: REPS-1, figure: quota, period: 2024-01, amount: 1234567.75, currency: CNY}}
  - {{party: REPS-1, figure: target-pay, period: 2024-01, amount: 7654321.25, currency: CNY}}
  - {{party: REPS-2, figure: quota, period: 2024-01, amount: 2345678.75, currency: CNY}}
  - {{party: REPS-2, figure: target-pay, period: 2024-01, amount: 8765432.25, currency: CNY}}
  - {{party: PART-1, figure: unread, period: 2024-01, amount: 3456789.75, currency: CNY}}
  - {{party: PART-2, figure: unread, period: 2024-01, amount: 4567891.75, currency: CNY}}
"""
MOVED = """
links:
  - {id: L1, of: customer, subject: KUND-1, role: helper, party: PART-2, from: 2024-01-20}
  - {id: L2, of: customer, subject: KUND-2, role: partner, party: PART-2, from: 2024-01-20}
"""
_COSTS = ("BilledCost", "EffectiveCost", "ContractedCost", "ListCost")
CHARGES = (
    ",".join(
        [
            *_COSTS,
            *("BillingAccountId", "BillingCurrency", "BillingPeriodStart", "ChargePeriodStart"),
            *("InvoiceIssuerName", "x_OrderId", "x_Margin", "ResourceId", "ServiceName"),
            *("x_Channel", "SubAccountId"),
        ]
    )
    + "\n"
    + "\n".join(
        f"{cost},{cost + 1}.11,{cost + 2}.22,{cost + 3}.33,{account},CNY,2024-01-01T00:00:00Z,"
        f"2024-01-{day}T00:00:00Z,Cloud,order-{account},margin-{account},resource-{account},"
        f"Service {account},open,sub-{account}"
        for account, cost, day in (
            ("ACCT-1", 900, "10"),
            ("ACCT-2", 700, "11"),
            ("ACCT-3", 2500, "12"),
            ("ACCT-4", 3500, "13"),
        )
    )
    + "\n"
)


class Bundles:
    """The workspace, and the bundle of each payee as an attacker reads it."""

    def __init__(self, folder: Path):
        self.store = Store(folder / "ws")
        for name, text, day in (
            ("plan.yaml", PLAN, "2024-01-01"),
            ("book.yaml", BOOK, "2024-01-01"),
            ("charges.csv", CHARGES, "2024-02-01"),
            ("moved-to-PART-2.yaml", MOVED, "2024-02-01"),
        ):
            (folder / name).write_text(text, "utf-8")
            import_file(self.store, folder / name, datetime.fromisoformat(day))
        close(self.store, JANUARY, datetime(2024, 2, 2))
        self.paths = {payee: folder / f"{payee}.zip" for payee in PAYEES}
        for payee, path in self.paths.items():
            make_bundle(self.store, payee, JANUARY, path)
        self.texts = {payee: all_text(path) for payee, path in self.paths.items()}
        self.said = {payee: _said(path) for payee, path in self.paths.items()}
        run = settle_period(self.store, JANUARY).run
        self.statements = signed_off_rows(run)
        kept = next((self.store.path / "closes").glob("*/leaves.json"))
        self.ids = {short(e.subject) for e in self.store.log.events()} | {
            short(link["link_id"])
            for file in self.store.path.glob("book/*/links.parquet")
            for link in pq.read_table(file).to_pylist()
        }
        self.salts = {payee: leaf.salt for payee, leaf in read_leaves(kept.read_text()).items()}


def _said(path: Path) -> dict[str, Any]:
    with zipfile.ZipFile(path) as bundle:
        return dict(json.loads(bundle.read("bundle.json")))


@pytest.fixture(scope="module")
def bundles(tmp_path_factory: pytest.TempPathFactory) -> Bundles:
    return Bundles(tmp_path_factory.mktemp("bundles"))


@pytest.mark.in_turn(3)
@pytest.mark.parametrize("payee", PAYEES)
def test_every_payee_derives_its_statement_whole(bundles: Bundles, payee: str) -> None:
    assert verify(bundles.paths[payee]).attested == ()
    assert bundles.said[payee]["statement"]


# --- what stands in a bundle ---------------------------------------------------------------------

_UNREAD = (
    *(
        "Full name of",
        "unread-label",
        "grade-nine",
        "margin-",
        "resource-",
        "order-ACCT",
        "sub-ACCT",
    ),
    *(
        "Service ACCT",
        "EffectiveCost",
        "ContractedCost",
        "ListCost",
        "3456789.75",
        "moved-to-PART-2",
    ),
)
"""What no clause reads for anybody."""
_OF_OTHERS = {
    "PART-1": (
        "KUND-2",
        "ACCT-2",
        "KUND-3",
        "KUND-4",
        "ACCT-3",
        "ACCT-4",
        "PART-2",
        "REPS-1",
        "REPS-2",
        "quota",
        "target-pay",
        "77.7",
        "team-rates",
    ),
    "PART-2": (
        "KUND-1",
        "KUND-4",
        "ACCT-1",
        "ACCT-4",
        "PART-1",
        "REPS-1",
        "REPS-2",
        "quota",
        "target-pay",
        "77.7",
        "team-rates",
    ),
    "REPS-1": (
        "KUND-3",
        "KUND-4",
        "ACCT-3",
        "ACCT-4",
        "PART-1",
        "PART-2",
        "REPS-2",
        "2345678.75",
        "8765432.25",
        "team-rates",
        "tiers",
    ),
    "REPS-2": (
        "KUND-1",
        "KUND-4",
        "ACCT-1",
        "ACCT-4",
        "PART-1",
        "PART-2",
        "REPS-1",
        "1234567.75",
        "7654321.25",
        "team-rates",
        "tiers",
    ),
    "MGRS-1": (
        "KUND-4",
        "ACCT-4",
        "PART-1",
        "PART-2",
        "quota",
        "target-pay",
        "77.7",
        "1234567.75",
        "7654321.25",
        "tiers",
    ),
}
"""What is others', or for others, by payee."""


@pytest.mark.parametrize(
    ("payee", "secret"),
    [(payee, secret) for payee in PAYEES for secret in (*_UNREAD, *_OF_OTHERS[payee])],
)
def test_a_bundle_does_not_hold(bundles: Bundles, payee: str, secret: str) -> None:
    assert secret in _known(bundles), "nothing to hide"
    assert secret not in bundles.texts[payee]


def _known(bundles: Bundles) -> str:
    return (
        PLAN
        + BOOK
        + CHARGES
        + "".join(path.stem for path in bundles.paths.values())
        + ("moved-to-PART-2.yaml")
    )


# --- what can be computed from it ----------------------------------------------------------------


@pytest.mark.in_turn(4)
@pytest.mark.parametrize("payee", PAYEES)
@pytest.mark.parametrize("other", PAYEES)
def test_nobody_elses_pay_is_derived(
    bundles: Bundles, payee: str, other: str, tmp_path: Path
) -> None:
    """The facts are settled for another payee: what it earns and is paid does not come out."""
    with zipfile.ZipFile(bundles.paths[payee]) as bundle:
        bundle.extractall(tmp_path)
    found = derive(Store(tmp_path / "facts"), other, bundles.said[payee]["closes"])
    real = bundles.statements[other]
    if payee == other:
        assert found == real
        return
    for table in ("lines", "payments"):
        assert real[table]
        assert not [row for row in found.get(table, []) if row in real[table]]


@dataclass(frozen=True)
class Guess:
    """What an attacker guesses: all that it may be, what it is, and the id that it would have."""

    among: Sequence[Any]
    truth: Any
    hashed: Callable[[Any], str]


def _sha(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _book_with(old: str, new: str) -> str:
    assert old in BOOK
    return digest("book", _sha(BOOK.replace(old, new)))


_ANYBODY = [f"{kind}-{number}" for kind in ("KUND", "PART", "REPS") for number in range(100)]
_AMOUNTS = range(10_000)
GUESSES = {
    "to whom a customer went": Guess(
        _ANYBODY, "PART-2", lambda party: digest("book", _sha(MOVED.replace("PART-2", party)))
    ),
    "whose rep a customer has": Guess(
        _ANYBODY,
        "REPS-1",
        lambda rep: digest("customer", "", "KUND-1", "rep", rep, "2024-01-01")[:20],
    ),
    "a neighbour's amount": Guess(
        _AMOUNTS,
        2500,
        lambda amount: digest("charges", _sha(CHARGES.replace("2500,", f"{amount},"))),
    ),
    "a rep's quota": Guess(
        [f"{amount}.75" for amount in range(1_230_000, 1_240_000)],
        "1234567.75",
        lambda amount: _book_with("1234567.75", amount),
    ),
    "a rep's rate": Guess(
        [f"{tenths / 10:.1f}" for tenths in range(1000)],
        "77.7",
        lambda rate: digest("plan", PLAN.replace("77.7", rate)),
    ),
}


@pytest.mark.in_turn(4)
@pytest.mark.parametrize("payee", PAYEES)
@pytest.mark.parametrize("asked", GUESSES)
def test_no_digest_says_what_it_stands_for(bundles: Bundles, payee: str, asked: str) -> None:
    """Every guess is hashed as the workspace hashes it, and looked for in the bundle."""
    guess, text = GUESSES[asked], bundles.texts[payee]
    assert guess.truth in guess.among
    assert short(guess.hashed(guess.truth)) in bundles.ids, "the workspace makes ids otherwise"
    assert not [one for one in guess.among if short(guess.hashed(one)) in text]


@pytest.mark.parametrize("payee", PAYEES)
@pytest.mark.parametrize("kind", ["charges", "book", "plans", "runs", "closes"])
def test_no_id_of_the_workspace_goes_along(bundles: Bundles, payee: str, kind: str) -> None:
    """The ids of imports are digests of whole files, whose other rows one may guess."""
    events = bundles.store.log.events(kind)
    ids = [short(event.subject) for event in events]
    digests = [
        short(file_digest(file))
        for event in events
        for file in (bundles.store.path / kind / short(event.subject)).iterdir()
    ]
    assert ids or kind == "runs"
    assert not [text for text in (*ids, *digests) if text in bundles.texts[payee]]


@pytest.mark.parametrize("payee", PAYEES)
@pytest.mark.parametrize("other", PAYEES)
def test_a_neighbours_statement_is_not_recognised(bundles: Bundles, payee: str, other: str) -> None:
    """The attacker guesses a neighbour's whole statement right. Without its salt, which only its
    own bundle holds, it is not to be told from a wrong one.
    """
    said, rows = bundles.said[payee], bundles.statements[other]
    beside = {step for _, step in said["seal"]["path"]}
    salts = ["", said["seal"]["salt"], payee, other, said["seal"]["root"]]
    if payee != other:
        assert bundles.salts[other] not in bundles.texts[payee]
        assert not beside & {leaf_of(other, said["closes"], rows, salt) for salt in salts}


def test_leaves_stand_beside_each_other(bundles: Bundles) -> None:
    """So salts alone hide them: whoever knows all salts does recognise a neighbour."""
    said = bundles.said.values()
    beside = {step for one in said for _, step in one["seal"]["path"]}
    chain = bundles.said["PART-1"]["closes"]
    leaves = {leaf_of(p, chain, bundles.statements[p], bundles.salts[p]) for p in PAYEES}
    assert beside & leaves


@pytest.mark.in_turn(3)
def test_two_closes_of_the_same_facts_have_other_leaves(bundles: Bundles, tmp_path: Path) -> None:
    again = Bundles(tmp_path)
    assert again.statements == bundles.statements
    assert not set(again.salts.values()) & set(bundles.salts.values())
    assert again.said["PART-1"]["seal"]["root"] != bundles.said["PART-1"]["seal"]["root"]
