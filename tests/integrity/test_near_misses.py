"""Coupons, contracts and jobs: what is found, and what nearly is and stays silent, on paper."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from decimal import Decimal

import pytest

from fenrun.base.when import parse_period
from fenrun.integrity.checks import (
    account_orphaned,
    coupon_cashed,
    coupon_in_pieces,
    leaver_followed,
    two_contracts,
)
from fenrun.integrity.findings import Outcome
from fenrun.integrity.seen import Seen, see
from fenrun.settle.imports import import_file
from fenrun.world.more_schemes import POLICY
from tests.errors.gallery import KNOWN
from tests.pricing.workspace import Charge, book, charge, workspace

_ISSUER = "Beichen Cloud"
Rows = Iterable[str]


def _rows(table: str, rows: Rows) -> str:
    return f"{table}:\n" + "".join(f"  - {{{row}}}\n" for row in rows)


# --- coupons --------------------------------------------------------------------------------------

_PIECES = (
    # customer, days in 2024, amount of each, by whom, approval; above 10,000 two people approve
    ("SPLIT", ("03-04", "03-08", "03-15"), 6_000, ("li",), ""),
    ("TWO", ("03-04", "03-08"), 9_000, ("li",), ""),
    ("MONTHLY", ("03-01", "04-01", "05-01"), 9_000, ("li",), ""),
    ("APPROVED", ("03-04", "03-05", "03-06"), 9_000, ("li",), "BOTH"),
    ("SMALL", ("03-04", "03-08", "03-15"), 3_000, ("li",), ""),
    ("BY-OTHERS", ("03-04", "03-08", "03-15"), 6_000, ("li", "wu", "xu"), ""),
)
_CASHED = (
    # customer, what it paid in and when, who refunded what and when; 4,000 are spent on 2 September
    ("CASHED", 1_000, "08-20", _ISSUER, 4_000, "09-20"),
    ("BY-PARTNER", 1_000, "08-20", "P1", 4_000, "09-20"),
    ("PAID-IN", 6_000, "08-20", _ISSUER, 5_000, "09-20"),
    ("LATE", 1_000, "08-20", _ISSUER, 4_000, "11-20"),
    ("BY-MAKER", 1_000, "08-20", "MAKER", 4_000, "09-20"),
    ("UNKNOWN", 0, "", _ISSUER, 4_000, "09-20"),
)


def _coupons() -> Iterator[str]:
    same = "currency: CNY, to: 2025-01-01"
    for customer, days, amount, by, approval in _PIECES:
        for number, day in enumerate(days):
            yield (
                f"coupon: {customer}{number}, customer: {customer}, amount: {amount}, {same},"
                f" from: 2024-{day}, granted_by: {by[number % len(by)]}, approval: '{approval}'"
            )
    for customer, *_ in _CASHED:
        yield f"coupon: {customer}, customer: {customer}, amount: 9000, {same}, from: 2024-08-01"


def _approvals() -> Iterator[str]:
    for step in (1, 2):
        yield (
            f"approval: BOTH, step: {step}, kind: coupon, customer: APPROVED, grants: a project,"
            " asked_by: li, asked_at: 2024-03-01T08:00:00Z, outcome: approved,"
            f" decided_by: HEAD-{step}, decided_at: 2024-03-02T08:00:00Z,"
            " from: 2024-01-01, to: 2025-01-01"
        )


# --- contracts ------------------------------------------------------------------------------------

_CONTRACTS = (
    # customer, billed of 10,000, what it paid, what others paid for it, and what it got back
    ("TWICE-SAID", 10_000, 14_000, 0, 0),
    ("WITH-TAX", 10_000, 11_300, 0, 0),
    ("PAID-BACK", 10_000, 20_000, 0, 10_000),
    ("HALF-BILLED", 5_000, 14_000, 0, 0),
    ("BY-PARENT", 10_000, 10_000, 4_000, 0),
)


def _agreements() -> Iterator[str]:
    for customer, *_ in _CONTRACTS:
        yield (
            f"agreement: {customer}, kind: project, customer: {customer}, partner: P1,"
            " amount: 10000, currency: CNY, from: 2024-01-01, to: 2025-01-01"
        )


def _payments() -> Iterator[str]:
    def paid(customer: str, payer: str, amount: int, day: str, kind: str, of: str = "") -> str:
        return (
            f"payment: {customer} {kind} {payer}, day: 2024-{day}, payer: {payer}, customer:"
            f" {customer}, amount: {amount}, currency: CNY, kind: {kind}, reference: '{of}'"
        )

    for customer, amount, day, payer, refund, back in _CASHED:
        if amount:
            yield paid(customer, customer, amount, day, "invoice")
        yield paid(customer, payer, refund, back, "refund")
    for customer, _, mine, others, refund in _CONTRACTS:
        yield paid(customer, customer, mine, "09-05", "invoice", customer)
        if others:
            yield paid(customer, "PARENT", others, "09-06", "invoice", customer)
        if refund:
            yield paid(customer, _ISSUER, refund, "09-20", "refund", customer)


# --- jobs -----------------------------------------------------------------------------------------

_JOBS = (
    # who, of which partner, to which rival, how many of 12 it serves, how many of those and of the
    # others come to the rival, and on which day of 2024; it leaves in March and joins in April
    ("LEAVER", "P2", "P3", 4, 4, 0, "05-02"),
    ("MOVER", "P4", "P5", 4, 2, 4, "05-02"),  # the rival is cheaper for all
    ("LATER", "P6", "P7", 4, 4, 0, "03-15"),  # they came before the leaver did
)
_ORPHANS = ("ORPHAN", "OWN-MAIL", "SHARED", "HANDED-ON", "UNCHARGED")
_LINKS = "from: 2023-01-01"


def _links() -> Iterator[str]:
    for who, partner, rival, served, mine, others, day in _JOBS:
        job = f"of: party, subject: {who}, role: employer"
        yield f"{job}, party: {partner}, {_LINKS}, to: 2024-03-01"
        yield f"{job}, party: {rival}, from: 2024-04-01"
        for number in range(12):
            customer = f"{who}-{number}"
            held = f"of: customer, subject: {customer}, role: partner"
            moves = number < mine or served <= number < served + others
            end = f", to: 2024-{day}" if moves else ""
            yield f"{held}, party: {partner}, {_LINKS}{end}"
            if moves:
                yield f"{held}, party: {rival}, from: 2024-{day}"
            if number < served:
                yield f"of: customer, subject: {customer}, role: representative, party: {who}"
    yield f"of: party, subject: R1, role: employer, party: VENDOR, {_LINKS}, to: 2024-08-01"
    for customer in _ORPHANS:
        ends = ", to: 2024-08-10" if customer == "HANDED-ON" else ""
        yield f"of: customer, subject: {customer}, role: rep, party: R1, {_LINKS}{ends}"
    yield "of: customer, subject: HANDED-ON, role: rep, party: R2, from: 2024-08-10"
    for customer in ("BY-PARTNER", "BY-MAKER"):
        yield f"of: customer, subject: {customer}, role: partner, party: P1, {_LINKS}"


def _identities() -> Iterator[str]:
    for customer in _ORPHANS:
        for party in (customer, "R1", *(("P1",) if customer == "SHARED" else ())):
            yield f"party: {party}, kind: phone, value: phone of {customer}, {_LINKS}"
    yield f"party: OWN-MAIL, kind: email, value: mail of its own, {_LINKS}"


def _charges(accounts: dict[str, str]) -> Iterator[Charge]:
    spent = {"ChargeCategory": "Credit"}
    for customer, *_ in _CASHED:
        yield charge(accounts[customer], "0", "-4000", **spent, x_CouponId=customer)
    for customer, billed, *_ in _CONTRACTS:
        yield charge(accounts[customer], "10000", str(billed), x_AgreementId=customer)
    for customer in _ORPHANS:
        if customer != "UNCHARGED":
            yield charge(accounts[customer], "100")


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> Seen:
    """A year in which each thing happens, and what is nearly the same."""
    folder = tmp_path_factory.mktemp("near")
    customers = [row[0] for row in (*_CASHED, *_CONTRACTS)] + list(_ORPHANS)
    accounts = {customer: f"A{number}" for number, customer in enumerate(customers, 1)}
    kinds = {f"P{n}": "partner" for n in range(1, 8)} | {"R1": "rep", "R2": "rep", "li": "rep"}
    parties = _rows("parties", (f"party: {who}, kind: {kind}" for who, kind in kinds.items()))
    links = "".join(f"  - {{{row}}}\n" for row in _links())
    who = book(*customers, more=links) + parties + _rows("identities", _identities())
    terms = "".join(
        _rows(table, rows)
        for table, rows in (
            ("coupons", _coupons()),
            ("approvals", _approvals()),
            ("agreements", _agreements()),
        )
    )
    store = workspace(folder, _charges(accounts), who, terms)
    for name, text in (("policy", POLICY), ("payments", _rows("payments", _payments()))):
        (folder / f"{name}.yaml").write_text(text, "utf-8")
        import_file(store, folder / f"{name}.yaml", KNOWN)
    return see(store, parse_period("2024"))


def _customers(outcome: Outcome) -> set[str]:
    return {customer for alert in outcome.alerts for customer in alert.customers}


def _diverted(outcome: Outcome) -> dict[str, Decimal]:
    return {alert.customers[0]: alert.diverted["CNY"] for alert in outcome.alerts}


def test_only_pieces_that_together_need_another_person_are_found(seen: Seen) -> None:
    """18,000 in three of 6,000; not two, one a month, approved, small, or by different people."""
    assert _diverted(coupon_in_pieces.run(seen)) == {"SPLIT": 18_000}


def test_only_refunds_of_what_was_never_paid_are_found(seen: Seen) -> None:
    """4,000 come back of 1,000 paid in; not what was paid, late, by others, or unknown."""
    assert _diverted(coupon_cashed.run(seen)) == {"CASHED": 3_000, "BY-PARTNER": 3_000}


def test_only_contracts_that_are_billed_as_said_and_paid_otherwise_are_found(seen: Seen) -> None:
    """14,000 paid of 10,000; not tax, what was paid back, half billed, or paid by a parent."""
    assert _diverted(two_contracts.run(seen)) == {"TWICE-SAID": 4_000}


def test_only_customers_that_follow_a_leaver_and_no_price_are_found(seen: Seen) -> None:
    """All four of a leaver's follow and none of the other eight. Of MOVER's partner six of twelve
    go, two of them its own: as chance would have it. LATER's were there before.
    """
    outcome = leaver_followed.run(seen)
    assert outcome.tried == 3
    p = {alert.customers[0].partition("-")[0]: alert.p or 0 for alert in outcome.alerts}
    assert set(p) == {"LEAVER", "MOVER"}
    assert p["LEAVER"] < 0.01 and p["MOVER"] > 0.3


def test_only_accounts_that_nobody_but_a_leaver_can_reach_are_found(seen: Seen) -> None:
    """Not with a mail of its own, a phone of three, another rep, or without charges since."""
    outcome = account_orphaned.run(seen)
    assert _customers(outcome) == {"ORPHAN"} and _diverted(outcome) == {"ORPHAN": 100}
