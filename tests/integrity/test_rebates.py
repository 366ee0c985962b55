"""What is passed on: below the floor or not, on cases that one can work out on paper."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from pathlib import Path

from fenrun.base.when import parse_period
from fenrun.integrity.checks import rebate_recycled
from fenrun.integrity.seen import see
from fenrun.settle.imports import import_file
from tests.errors.gallery import KNOWN
from tests.pricing.workspace import Charge, book, charge, workspace

_MONTHS = ("07", "08", "09")
_LATER = ("08-09", "09-09", "10-09")
_MUCH_LATER = ("08-21", "09-21", "10-21")
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
    "RATE",  # 20 % declared of August alone: 61.6 of 110, of which P9 sold it 10
    "BY-OWNER",  # 60 of 210, from who owns its partner
    "BY-BANK",  # the same, from who has its partner's bank account
    "BY-SISTER",  # the same, from another firm of its partner's group
    "BY-EMPLOYEE",  # the same, from who works for its partner
    "BY-OTHERS",  # the same, from somebody else
    "SOLD-GOODS",  # the same, for machines that it sold for as much
    "SOLD-LESS",  # the same, for machines that it sold for 20: 40 are passed on
    "SOLD-ONCE",  # 60 twice, and both name the same machines
    "SOLD-UNNAMED",  # 60, of the amount of machines that it sold a month before
    "SOLD-OTHERS",  # 60, and it names machines that it sold to another
    "OF-BOTH",  # 60, from who owns its partner and itself
    "UNIT-PRICE",  # 7 of 70 a month, for 100 units that are not to be sold below 0.65
    "UNIT-GRANTED",  # the same, but 0.60 is approved
    "FIRST-OF-TWO",  # 19 of July and August, then 9 of September: of August alone 51 of 100
    "HAS-LEFT",  # 60 in October, when it has left its partner
    "MONTH-LATER",  # 9 % of each month in the month after; July is ten times the others
    "TOO-MUCH-LATER",  # 20 % so: 560 of 1,000
    "MUCH-LATER",  # the same, late in the month after
)
_BELOW = {"STEADY", "TOO-MUCH", "NOT-RETURNED", "RATE", "BY-OWNER", "BY-BANK", "SOLD-LESS"}
_BELOW |= {"BY-SISTER", "BY-EMPLOYEE", "SOLD-ONCE", "SOLD-OTHERS", "HAS-LEFT", "TOO-MUCH-LATER"}
_BELOW |= {"UNIT-PRICE", "MUCH-LATER"}
_NOTHING_PASSED_ON = ("RETURNED", "TOPPED-UP", "HALF-YEAR", "BY-OTHERS", "SOLD-GOODS")
_NOTHING_PASSED_ON += ("SOLD-UNNAMED", "OF-BOTH")
_TRADES = "trades:\n" + "".join(
    f"  - {{trade: {trade}, day: 2024-08-20, seller: {seller}, buyer: {buyer}, item: server,"
    f" quantity: 1, amount: {amount}, currency: CNY}}\n"
    for trade, seller, buyer, amount in (
        ("SOLD-GOODS", "SOLD-GOODS", "P1", 60),
        ("SOLD-LESS", "SOLD-LESS", "P1", 20),
        ("SOLD-ONCE", "SOLD-ONCE", "P1", 60),
        ("T1", "SOLD-UNNAMED", "P1", 60),
        ("SOLD-OTHERS", "SOLD-OTHERS", "P9", 60),
    )
)
_UNITS = {
    customer: f"A{number}"
    for number, customer in enumerate(_CUSTOMERS, 1)
    if customer.startswith("UNIT-")
}
_TERMS = f"""floors:
  - {{floor: F1, least: 60 % of list, from: 2024-01-01, to: 2025-01-01}}
  - {{floor: F2, least: 60 % of list, from: 2024-09-01, to: 2025-01-01,
     covers: BillingAccountId = 'A2'}}
  - {{floor: F3, least: "0.65", currency: CNY, from: 2024-01-01, to: 2025-01-01,
     covers: "BillingAccountId in {tuple(_UNITS.values())}"}}
approvals:
"""
_TERMS += "".join(
    f"  - {{approval: {customer}, step: 1, kind: discount, customer: {customer}, partner: P1,"
    f" grants: {grants},"
    f" from: 2024-01-01, to: 2025-01-01, asked_by: li, asked_at: 2024-01-01T08:00:00Z,"
    f" decided_by: wang, decided_at: 2024-01-02T08:00:00Z, outcome: approved, currency: CNY}}\n"
    for customer, grants in (("APPROVED", "50 % of list"), ("UNIT-GRANTED", "'0.60'"))
)
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
    ("BY-SISTER", "X4", "09-25", "60", "transfer"),
    ("BY-EMPLOYEE", "X5", "09-25", "60", "transfer"),
    ("BY-OTHERS", "X3", "09-25", "60", "transfer"),
    ("SOLD-GOODS", "P1", "09-25", "60", "transfer"),
    ("SOLD-LESS", "P1", "09-25", "60", "transfer"),
    *(("SOLD-ONCE", "P1", f"09-{day}", "60", "transfer") for day in (23, 25)),
    *((who, "P1", "09-25", "60", "transfer") for who in ("SOLD-UNNAMED", "SOLD-OTHERS")),
    ("OF-BOTH", "X1", "09-25", "60", "transfer"),
    *((customer, "P1", f"{month}-25", "7", "transfer") for customer in _UNITS for month in _MONTHS),
    ("FIRST-OF-TWO", "P1", "08-25", "19", "transfer"),
    ("FIRST-OF-TWO", "P1", "09-25", "9", "transfer"),
    ("HAS-LEFT", "P1", "10-09", "60", "transfer"),
    *(("MONTH-LATER", "P1", day, of, "transfer") for day, of in zip(_LATER, ("63", "6.3", "6.3"))),
    *(
        (who, "P1", day, of, "transfer")
        for who, days in (("TOO-MUCH-LATER", _LATER), ("MUCH-LATER", _MUCH_LATER))
        for day, of in zip(days, ("140", "14", "14"))
    ),
)


def _charges() -> Iterator[Charge]:
    for number, customer in enumerate(_CUSTOMERS, 1):
        for month in _MONTHS:
            days = {
                "BillingPeriodStart": f"2024-{month}-01T00:00:00Z",
                "ChargePeriodStart": f"2024-{month}-02T00:00:00Z",
                "ChargePeriodEnd": f"2024-{month}-03T00:00:00Z",
            }
            times = 10 if customer.endswith("-LATER") and month == "07" else 1
            yield charge(f"A{number}", f"{100 * times}", f"{70 * times}", **days)
            if customer == "RATE":
                yield charge(f"A{number}", "10", "7", **days, x_OrderId="BY-P9")
            if customer == "RETURNED" and month == "08":
                yield charge(f"A{number}", "-21", "-15", **days, ServiceName="Returned")


def _book() -> str:
    holds = "".join(
        f"  - {{of: customer, subject: {customer}, role: partner, party: P1{_held(customer)}}}\n"
        for customer in _CUSTOMERS
    )
    for who, role, party in (
        *((owned, "owner", "X1") for owned in ("P1", "OF-BOTH")),
        *((firm, "group", "G1") for firm in ("P1", "X4")),
        ("X5", "employer", "P1"),
    ):
        holds += f"  - {{of: party, subject: {who}, role: {role}, party: {party}}}\n"
    holds += "  - {of: order, issuer: Beichen Cloud, subject: BY-P9, role: partner, party: P9}\n"
    parties = "parties:\n  - {party: X1, kind: unit}\n  - {party: P1, kind: partner}\n"
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
    return book(*_CUSTOMERS, more=holds) + figures + banks + parties


def _held(customer: str) -> str:
    """Return from when and until when a customer is its partner's, where that is not always."""
    return {"APPROVED": ", from: 2024-07-02", "HAS-LEFT": ", to: 2024-10-01"}.get(customer, "")


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
    assert said["RATE"].parties == ("P1",)
    assert said["BY-OWNER"].parties == ("P1", "X1") and said["STEADY"].parties == ("P1",)
    for later in (said["TOO-MUCH-LATER"], said["MUCH-LATER"]):
        assert (later.start, later.end) == (date(2024, 7, 2), date(2024, 9, 2))
