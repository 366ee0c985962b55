"""What is passed on: below the floor or not, on cases that one can work out on paper."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from fenrun.base.when import parse_period
from fenrun.integrity.checks import rebate_recycled
from fenrun.integrity.seen import see
from fenrun.settle.imports import import_file
from tests.errors.gallery import KNOWN
from tests.pricing.workspace import Charge, book, charge, workspace

_MONTHS = ("07", "08", "09")
_CUSTOMERS = (
    "STEADY",  # 15 of 70 a month, in two parts: 55
    "QUARTER",  # 27 of 210 in September: 183 of 300
    "TOO-MUCH",  # 60 of 210 in September: 150 of 300
    "RETURNED",  # 15 refunded for 15 that it gave back
    "NOT-RETURNED",  # 15 refunded in each month, and nothing came back
    "TOPPED-UP",  # paid in 240, used 210, and 30 of it refunded
    "APPROVED",  # 15 of 70 a month, but half of the list is approved; it came on 2 July
    "DECLARED",  # 10 %, and its payment of 7: one and the same
    "HALF-YEAR",  # a figure of months of which some are not looked at
    "RATE",  # 20 % declared of August alone: 56 of 100
    "BY-OWNER",  # 60 of 210, from who owns its partner
    "BY-BANK",  # the same, from who has its partner's bank account
    "BY-OTHERS",  # the same, from somebody else
    "SOLD-GOODS",  # the same, for machines that it sold for as much
    "SOLD-LESS",  # the same, for machines that it sold for 20: 40 are passed on
)
_BELOW = {"STEADY", "TOO-MUCH", "NOT-RETURNED", "RATE", "BY-OWNER", "BY-BANK", "SOLD-LESS"}
_NOTHING_PASSED_ON = ("RETURNED", "TOPPED-UP", "HALF-YEAR", "BY-OTHERS", "SOLD-GOODS")
_TRADES = "trades:\n" + "".join(
    f"  - {{trade: {seller}, day: 2024-09-20, seller: {seller}, buyer: P1, item: server,"
    f" quantity: 1, amount: {amount}, currency: CNY}}\n"
    for seller, amount in (("SOLD-GOODS", 60), ("SOLD-LESS", 20))
)
_TERMS = """floors:
  - {floor: F1, least: 60 % of list, from: 2024-01-01, to: 2025-01-01}
approvals:
  - {approval: A1, step: 1, kind: discount, customer: APPROVED, partner: P1,
     grants: 50 % of list, from: 2024-01-01, to: 2025-01-01,
     asked_by: li, asked_at: 2024-01-01T08:00:00Z,
     decided_by: wang, decided_at: 2024-01-02T08:00:00Z, outcome: approved}
"""
_PAID = (
    *(("STEADY", "P1", f"{month}-25", "7", "transfer") for month in _MONTHS),
    *(("STEADY", "P1", f"{month}-27", "8", "transfer") for month in _MONTHS),
    ("QUARTER", "P1", "09-25", "27", "transfer"),
    ("TOO-MUCH", "P1", "09-25", "60", "transfer"),
    ("RETURNED", "P1", "08-25", "15", "refund"),
    *(("NOT-RETURNED", "P1", f"{month}-25", "15", "refund") for month in _MONTHS),
    ("TOPPED-UP", "TOPPED-UP", "07-01", "240", "top-up"),
    ("TOPPED-UP", "P1", "09-25", "30", "refund"),
    *(("APPROVED", "P1", f"{month}-25", "15", "transfer") for month in _MONTHS),
    *(("DECLARED", "P1", f"{month}-25", "7", "transfer") for month in _MONTHS),
    ("BY-OWNER", "X1", "09-25", "60", "transfer"),
    ("BY-BANK", "X2", "09-25", "60", "transfer"),
    ("BY-OTHERS", "X3", "09-25", "60", "transfer"),
    ("SOLD-GOODS", "P1", "09-25", "60", "transfer"),
    ("SOLD-LESS", "P1", "09-25", "60", "transfer"),
)


def _charges() -> Iterator[Charge]:
    for number, customer in enumerate(_CUSTOMERS, 1):
        for month in _MONTHS:
            days = {
                "BillingPeriodStart": f"2024-{month}-01T00:00:00Z",
                "ChargePeriodStart": f"2024-{month}-02T00:00:00Z",
                "ChargePeriodEnd": f"2024-{month}-03T00:00:00Z",
            }
            yield charge(f"A{number}", "100", "70", **days)
            if customer == "RETURNED" and month == "08":
                yield charge(f"A{number}", "-21", "-15", **days, ServiceName="Returned")


def _book() -> str:
    holds = "".join(
        f"  - {{of: customer, subject: {customer}, role: partner, party: P1,"
        f" from: {'2024-07-02' if customer == 'APPROVED' else '2023-01-01'}}}\n"
        for customer in _CUSTOMERS
    )
    holds += "  - {of: party, subject: P1, role: owner, party: X1}\n"
    banks = "identities:\n" + "".join(
        f"  - {{party: {party}, kind: bank, value: one}}\n" for party in ("P1", "X2")
    )
    figures = "figures:\n" + "".join(
        f"  - {{party: {customer}, figure: passed-on, period: {period}, amount: {amount}}}\n"
        for customer, period, amount in (
            ("DECLARED", "2024-Q3", "10 %"),
            ("HALF-YEAR", "2024-H2", "90 %"),
            ("RATE", "2024-08", "20 %"),
        )
    )
    return book(*_CUSTOMERS, more=holds) + figures + banks


def test_who_pays_less_than_the_floor_after_what_is_passed_on(tmp_path: Path) -> None:
    """Each month 100 at list, billed at 70, of which the floor asks for 60."""
    payments = "payments:\n" + "".join(
        f"  - {{payment: PAY{n}, day: 2024-{day}, payer: {payer}, customer: {customer},"
        f" amount: {amount}, currency: CNY, kind: {kind}, reference: {customer}}}\n"
        for n, (customer, payer, day, amount, kind) in enumerate(_PAID)
    )
    store = workspace(tmp_path, _charges(), _book(), _TERMS)
    (tmp_path / "payments.yaml").write_text(payments + _TRADES, "utf-8")
    import_file(store, tmp_path / "payments.yaml", KNOWN)
    outcome = rebate_recycled.run(see(store, parse_period("2024-07/2024-09")))
    assert {customer for alert in outcome.alerts for customer in alert.customers} == _BELOW
    assert outcome.tried == len(_CUSTOMERS) - len(_NOTHING_PASSED_ON)
    said = {alert.customers[0]: alert for alert in outcome.alerts}
    assert [row.key for row in said["RATE"].evidence] == ["F1", "RATE passed-on 2024-08"]
    assert len(said["STEADY"].evidence) == 7  # the floor, and six payments
