"""Orders of others' customers in a month's last days: pooled, or bought together as they agreed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from fenrun.base.when import parse_period
from fenrun.integrity.checks import tier_pooling
from fenrun.integrity.seen import see
from fenrun.settle.imports import import_file
from tests.errors.gallery import KNOWN
from tests.pricing.workspace import Charge, book, charge, workspace

_CUSTOMERS = tuple(f"K{n}" for n in range(1, 25))  # six of each of P1 to P4
_LATE = {
    # five customers of others, whose orders of 28 September are registered for a partner
    "P5": _CUSTOMERS[:5],  # nobody says why
    "P6": _CUSTOMERS[5:10],  # each customer consented before
    "P7": _CUSTOMERS[10:15],  # the partner itself, or who works for it, says that they consented
    "P8": _CUSTOMERS[15:20],  # two of them consented: three are left
}
_CONSENT = {"P6": 5, "P7": 5, "P8": 2}


def _charges() -> Iterator[Charge]:
    late = {customer for customers in _LATE.values() for customer in customers}
    for number, customer in enumerate(_CUSTOMERS, 1):
        orders = [("O", "02"), ("L", "28")] if customer in late else [("O", "02")]
        for order, day in orders:
            days = {
                "ChargePeriodStart": f"2024-09-{day}T00:00:00Z",
                "ChargePeriodEnd": f"2024-09-{day}T01:00:00Z",
            }
            yield charge(f"A{number}", "100", x_OrderId=f"{order}-{customer}", **days)


def _links() -> Iterator[str]:
    for number, customer in enumerate(_CUSTOMERS):
        yield f"of: customer, subject: {customer}, role: partner, party: P{number % 4 + 1}"
    for partner, customers in _LATE.items():
        for customer in customers:
            order = f"of: order, issuer: Beichen Cloud, subject: L-{customer}"
            yield f"{order}, role: partner, party: {partner}"
    yield "of: party, subject: CLERK, role: employer, party: P7"


def _events() -> Iterator[str]:
    for partner, count in _CONSENT.items():
        for number, customer in enumerate(_LATE[partner][:count]):
            actor = ("P7", "CLERK")[number % 2] if partner == "P7" else f"{customer}-user"
            yield (
                f"event: {partner}-{customer}, at: '2024-09-20T08:00:00Z', kind: consent,"
                f" actor: {actor}, customer: {customer}, party: {partner}"
            )


def test_late_orders_of_others_are_pooled_unless_their_customers_agreed(tmp_path: Path) -> None:
    links = "".join(f"  - {{{row}}}\n" for row in _links())
    store = workspace(tmp_path, _charges(), book(*_CUSTOMERS, more=links))
    events = "events:\n" + "".join(f"  - {{{row}}}\n" for row in _events())
    (tmp_path / "events.yaml").write_text(events, "utf-8")
    import_file(store, tmp_path / "events.yaml", KNOWN)
    found = {
        alert.parties[0]: alert
        for alert in tier_pooling.run(see(store, parse_period("2024-09"))).alerts
        if set(alert.orders) == {f"L-{customer}" for customer in alert.customers}
    }
    assert set(found) == {"P5", "P7", "P8"}
    assert all((found[partner].p or 1) < 0.05 for partner in ("P5", "P7"))
    assert found["P8"].customers == _LATE["P8"][2:]
