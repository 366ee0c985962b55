"""Branches of a house: whose customers are booked where they are not used, and what looks like it.

Partners P1 to P9 by turns in the east and the north, each with eight customers that are used where
it is. P1 and P2 are of one group, P3 and P4 of another, P5 owns P6 from May on, P7 and P8 have one
bank account. New customers come in March.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from fenrun.base.when import parse_period
from fenrun.integrity.checks import region_shifting
from fenrun.integrity.seen import Seen, see
from fenrun.settle.imports import import_file
from tests.errors.gallery import KNOWN
from tests.pricing.workspace import Charge, book, charge, on_second_of, workspace

_MONTHS = range(1, 11)
_PARTNERS = tuple(f"P{n}" for n in range(1, 10))
_CUSTOMERS = tuple(f"{partner}-{n}" for partner in _PARTNERS for n in range(8))
_NEW = {f"NEW-{n}": "P2" for n in range(4)} | {f"FAR-{n}": "P9" for n in range(4)}
_NEW |= {f"OWN-{n}": f"P{3 + n % 6}" for n in range(20)}
_REGISTERED = {f"P1-{n}": "P2" for n in range(3)} | {f"P8-{n}": "P7" for n in range(2)}
_CONSENTED = {f"P1-{n}": "P4" for n in range(3, 6)}
_MOVED = {f"P3-{n}": "P4" for n in range(3)} | {f"P6-{n}": "P5" for n in range(3)}


def _region(partner: str) -> str:
    return ("north", "east")[int(partner[1:]) % 2]


def _used(customer: str, month: int) -> str:
    """Return where a customer has its machines: those of P3's that go to P4 go with them."""
    if customer in _NEW:
        near = _region(_NEW[customer])
        return near if customer.startswith("OWN") else {"north": "east", "east": "north"}[near]
    if customer.startswith("P3") and customer in _MOVED and month >= 5:
        return _region("P4")
    return _region(customer.partition("-")[0])


def _charges() -> Iterator[Charge]:
    for number, customer in enumerate((*_CUSTOMERS, *_NEW), 1):
        for month in _MONTHS:
            days = on_second_of(month)
            at = {"RegionId": f"cn-{_used(customer, month)}", "x_OrderId": f"{customer}/{month}"}
            if customer not in _NEW or month >= 3:
                yield charge(f"A{number}", "100", **at, **days)


def _links() -> Iterator[str]:
    for customer in (*_CUSTOMERS, *_NEW):
        held = f"of: customer, subject: {customer}, role: partner"
        end = ", to: 2024-05-01" if customer in _MOVED else ""
        yield f"{held}, party: {_NEW.get(customer) or customer.partition('-')[0]}{end}"
        if customer in _MOVED:
            yield f"{held}, party: {_MOVED[customer]}, from: 2024-05-01"
    for customer, partner in (_REGISTERED | _CONSENTED).items():
        for month in _MONTHS[4:]:
            order = f"of: order, issuer: Beichen Cloud, subject: {customer}/{month}"
            yield f"{order}, role: partner, party: {partner}"
    for group, branches in (("G1", ("P1", "P2")), ("G2", ("P3", "P4")), ("G1", ("P4",))):
        for branch in branches:
            yield f"of: party, subject: {branch}, role: group, party: {group}"
    yield "of: party, subject: P6, role: owner, party: P5, from: 2024-05-01"


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> Seen:
    links = "".join(f"  - {{{row}}}\n" for row in _links())
    parties = "".join(f"  - {{party: {p}, kind: partner}}\n" for p in _PARTNERS)
    labels = "".join(f"  - {{party: {p}, label: region, value: {_region(p)}}}\n" for p in _PARTNERS)
    banks = "".join(f"  - {{party: {p}, kind: bank, value: B1}}\n" for p in ("P7", "P8"))
    who = book(*_CUSTOMERS, *_NEW, more=links)
    who += f"parties:\n{parties}labels:\n{labels}identities:\n{banks}"
    folder = tmp_path_factory.mktemp("regions")
    store = workspace(folder, _charges(), who)
    events = "events:\n" + "".join(
        f"  - {{event: E{n}, kind: consent, actor: {customer}-user, customer: {customer},"
        f" party: {partner}, at: '2024-04-20T08:00:00Z'}}\n"
        for n, (customer, partner) in enumerate(_CONSENTED.items())
    )
    (folder / "events.yaml").write_text(events, "utf-8")
    import_file(store, folder / "events.yaml", KNOWN)
    return see(store, parse_period("2024-01/2024-10"))


def test_a_house_books_customers_where_they_are_not_used(seen: Seen) -> None:
    """Not those that consent, go with their machines, or come on the day of a takeover: P6 keeps
    five of its customers, so that it has not closed. A house can be known by its bank account.
    """
    found = region_shifting.run(seen)
    likely = {alert.parties: alert for alert in found.alerts if (alert.p or 0) < 0.05}
    assert set(likely) == {("P1", "P2"), ("P2",), ("P7", "P8")}
    shifted = likely["P1", "P2"]
    assert shifted.customers == ("P1-0", "P1-1", "P1-2")
    assert len(shifted.orders) == 18 and len(shifted.evidence) == 18


def test_new_customers_are_used_where_another_of_the_house_is(seen: Seen) -> None:
    """P9, to which as many come from elsewhere, has nobody there to whom they would belong."""
    found = {alert.parties: alert for alert in region_shifting.run(seen).alerts}
    assert found["P2",].customers == tuple(f"NEW-{n}" for n in range(4))
    assert ("P9",) not in found
