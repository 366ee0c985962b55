"""Running orders registered for another, money given to prepay, and what nobody uses: one market.

Forty customers K1 to K40, ten of each partner P1 to P4, each with two orders that run all year.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date

import pytest

from fenrun.base.when import parse_period
from fenrun.integrity.checks import (
    order_stealing,
    prepay_fronted,
    rebate_recycled,
    tier_pooling,
    wash_volume,
)
from fenrun.integrity.findings import Alert
from fenrun.integrity.seen import Seen, see
from fenrun.settle.imports import import_file
from tests.errors.gallery import KNOWN
from tests.pricing.workspace import Charge, book, charge, on_second_of, workspace

_MONTHS = range(1, 11)
_CUSTOMERS = tuple(f"K{n}" for n in range(1, 41))
_TAKEN = (("K1", 3), ("K5", 5), ("K9", 8))  # of P1, by P5, month by month, through op-1
_AGREED = (("K2", 3), ("K6", 5), ("K10", 8))  # of P2, by P5, and each of them consented
_AT_ONCE = (("K3", 6), ("K7", 6), ("K11", 6))  # of P3, by P6, in one month: a decision
_LENT = (("K13", 3), ("K17", 6), ("K21", 9))  # of P1, by P4 for a month: when its quarter ends
_GATHERED = tuple((f"K{n}", 4) for n in (18, 22, 26, 30, 15, 27, 16, 28))  # of P2, P3, P4, by P7
_JOINT = tuple((f"K{n}", 4) for n in (34, 38, 31, 35, 32, 36))  # by P8: they bought together
_PROJECTS = (("K25", 2), ("K29", 4), ("K39", 5), ("K40", 7), ("K37", 8))  # by P9, one by one
_KEPT = ("K33", 6)  # of P1, by P3, and not given back
_IDLE = ("K4", "K8", "K12")  # of P4: two thirds of their money for machines that never run
_RAMP = ("K14", "K19", "K23")  # of others: they use a third of theirs


def _partner(customer: str) -> str:
    return f"P{(int(customer[1:]) - 1) % 4 + 1}"


def _charges() -> Iterator[Charge]:
    for number, customer in enumerate(_CUSTOMERS, 1):
        for month in _MONTHS:
            days = on_second_of(month)
            for order in ("A", "B"):
                names = {"x_OrderId": f"{order}{number}", "x_Operator": f"{customer}-user"}
                yield charge(f"A{number}", "100", ConsumedQuantity="100", **names, **days)
            if customer in _IDLE + _RAMP:
                ahead = {"ServiceName": "Machines", "ChargeCategory": "Purchase", **days}
                yield charge(f"A{number}", "400", **ahead)
                used = {"ServiceName": "Machines", "EffectiveCost": "130", **days}
                if customer in _RAMP:
                    yield charge(f"A{number}", "0", ConsumedQuantity="130", **used)
            elif int(customer[1:]) % 4 in (1, 2):
                used = {"ServiceName": "Machines", **days}
                yield charge(f"A{number}", "100", ConsumedQuantity="100", **used)


def _book() -> str:
    lines = [
        f"{{of: customer, subject: {customer}, role: partner, party: {_partner(customer)}}}"
        for customer in _CUSTOMERS
    ]
    since = [(c, m, "P5", None) for c, m in (*_TAKEN, *_AGREED)]
    since += [(c, m, "P6", None) for c, m in _AT_ONCE]
    since += [(c, m, "P4", m + 1) for c, m in _LENT] + [(*_KEPT, "P3", None)]
    since += [(c, m, "P7", None) for c, m in _GATHERED] + [(c, m, "P8", None) for c, m in _JOINT]
    since += [(c, m, "P9", None) for c, m in _PROJECTS]
    for customer, month, partner, until in since:
        end = f", to: 2024-{until:02d}-01" if until else ""
        lines.append(
            f"{{of: order, issuer: Beichen Cloud, subject: A{customer[1:]}, role: partner,"
            f" party: {partner}, from: 2024-{month:02d}-01{end}}}"
        )
    lines.append("{of: party, subject: K28, role: owner, party: X1}")
    partners = "".join(f"  - {{party: P{n}, kind: partner}}\n" for n in range(1, 10))
    links = "".join(f"  - {line}\n" for line in lines)
    banks = "".join(f"  - {{party: {party}, kind: bank, value: one}}\n" for party in ("P4", "X1"))
    return f"{book(*_CUSTOMERS, more=links)}parties:\n{partners}identities:\n{banks}"


def _events() -> str:
    rows = [
        ("registration", "op-1", customer, "P5", f"A{customer[1:]}", f"2024-{month:02d}-01")
        for customer, month in (*_TAKEN, *_AGREED)
    ]
    rows += [
        ("consent", f"{customer}-user", customer, partner, "", f"2024-{month:02d}-01")
        for partner, of in (("P5", _AGREED), ("P8", _JOINT))
        for customer, month in of
    ]
    lines = (
        f"  - {{event: E{n}, kind: {kind}, actor: {actor}, customer: {customer}, party: {party},"
        f" order: '{order}', at: '{day}T08:00:00Z'}}\n"
        for n, (kind, actor, customer, party, order, day) in enumerate(rows)
    )
    return "events:\n" + "".join(lines)


_GIVEN = {"K40": "P4", "K32": "P4", "K28": "X1"}
_PAYMENTS = """payments:
  - {payment: PAY1, day: 2024-05-02, payer: P4, customer: K16, amount: 9000, currency: CNY,
     kind: transfer}
  - {payment: PAY2, day: 2024-05-05, payer: K16, customer: K16, amount: 12000, currency: CNY,
     kind: prepay}
  - {payment: PAY3, day: 2024-05-02, payer: P4, customer: K20, amount: 600, currency: CNY,
     kind: transfer}
  - {payment: PAY4, day: 2024-05-05, payer: K20, customer: K20, amount: 12000, currency: CNY,
     kind: prepay}
  - {payment: PAY5, day: 2024-05-02, payer: X1, customer: K24, amount: 9000, currency: CNY,
     kind: transfer}
  - {payment: PAY6, day: 2024-05-05, payer: K24, customer: K24, amount: 12000, currency: CNY,
     kind: prepay}
"""
_PAYMENTS += "".join(  # of K40 it is paid back, of K32 for goods; K28's is its own owner's
    f"  - {{payment: {name}, day: 2024-05-{day}, payer: {payer}, customer: {customer},"
    f" amount: {amount}, currency: CNY, kind: {kind}}}\n"
    for name, day, payer, customer, amount, kind in (
        *((f"GIVEN-{c}", "02", payer, c, 9000, "transfer") for c, payer in _GIVEN.items()),
        *((f"OWN-{c}", "05", c, c, 12000, "prepay") for c in _GIVEN),
        ("BACK", "25", "K40", "K40", 9000, "transfer"),
    )
)
_PAYMENTS += """trades:
  - {trade: T1, day: 2024-04-20, seller: K32, buyer: P4, item: server, quantity: 9,
     amount: 9000, currency: CNY}
"""
_TERMS = """floors:
  - {floor: F1, least: 60 % of list, from: 2024-01-01, to: 2025-01-01}
"""


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> Seen:
    folder = tmp_path_factory.mktemp("orders")
    store = workspace(folder, _charges(), _book(), _TERMS)
    for name, text in (("events.yaml", _events()), ("payments.yaml", _PAYMENTS)):
        (folder / name).write_text(text, "utf-8")
        import_file(store, folder / name, KNOWN)
    return see(store, parse_period("2024-01/2024-10"))


def _unlikely(alerts: list[Alert] | tuple[Alert, ...]) -> dict[tuple[str, ...], Alert]:
    return {alert.parties: alert for alert in alerts if (alert.p or 0) < 0.05}


def test_orders_of_several_customers_are_taken_one_by_one(seen: Seen) -> None:
    """Not where they consented, nor where all came at once."""
    found = _unlikely([*order_stealing.run(seen).alerts])
    assert set(found) == {("P5",)}
    assert found["P5",].customers == tuple(sorted(customer for customer, _ in _TAKEN))
    assert found["P5",].start == date(2024, 3, 2)


def test_orders_are_lent_while_a_tier_is_made(seen: Seen) -> None:
    found = _unlikely([*tier_pooling.run(seen).alerts])
    assert set(found) == {("P4",), ("P7",)}
    assert found["P4",].orders == tuple(sorted(f"A{customer[1:]}" for customer, _ in _LENT))
    assert (found["P4",].start, found["P4",].end) == (date(2024, 3, 2), date(2024, 9, 2))


def test_orders_of_many_customers_of_several_partners_are_gathered(seen: Seen) -> None:
    """Not those of P8, whose customers all consented, nor those of P9, which came one by one."""
    found = _unlikely([*tier_pooling.run(seen).alerts])
    assert ("P8",) not in found and ("P9",) not in found
    assert found["P7",].customers == tuple(sorted(customer for customer, _ in _GATHERED))


def test_what_is_bought_ahead_and_not_used_is_idle(seen: Seen) -> None:
    """Though the customers are at work otherwise; who uses a third of it is not idle."""
    found = _unlikely([*wash_volume.run(seen).alerts])
    assert {name: alert.customers for name, alert in found.items()} == {
        ("P4",): tuple(sorted(_IDLE))
    }


def test_a_partner_gives_the_money_for_a_prepayment(seen: Seen) -> None:
    """Of 12,000 for sixty months 9,000 is the partner's, or of who has its bank account; 600 are a
    rebate, and passed on. What is paid back, for goods, or from the customer's own owner, is not.
    """
    own, by_bank = prepay_fronted.run(seen).alerts
    assert (own.parties, own.customers) == (("P4",), ("K16",))
    assert [row.key for row in own.evidence] == ["PAY2", "PAY1"]
    assert (by_bank.parties, by_bank.customers) == (("P4",), ("K24",))
    assert rebate_recycled.run(seen).tried == 1
