"""Amounts of several currencies are never added: who pays in two grows in one of them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from fenrun.base.when import parse_period
from fenrun.integrity.checks import book_handed_over, wash_volume
from fenrun.integrity.seen import Seen, see
from tests.pricing.workspace import Charge, book, charge, on_second_of, workspace

_MONTHS = range(1, 11)
_MOVED = ("K1", "K2", "K3")  # of R1, under P1 from July
_OTHERS = tuple(f"K{n}" for n in range(4, 13))
_IDLE = ("K10", "K11", "K12")  # of P2: they use nothing that they pay in yen, which is little


def _charges() -> Iterator[Charge]:
    """Each month the same in dollars; what all others pay in yen falls to a tenth from July."""
    for number, customer in enumerate((*_MOVED, *_OTHERS), 1):
        for month in _MONTHS:
            days = on_second_of(month)
            dollars = {"BillingCurrency": "USD", "ConsumedQuantity": "100", **days}
            yield charge(f"A{number}", "100", **dollars)
            if customer in _OTHERS:
                used = "0" if customer in _IDLE else "5"
                yen = {"BillingCurrency": "JPY", "ConsumedQuantity": used, **days}
                yield charge(f"A{number}", "50000" if month < 7 else "5000", **yen)


def _links() -> Iterator[str]:
    for number, customer in enumerate((*_MOVED, *_OTHERS)):
        held = f"of: customer, subject: {customer}"
        yield f"{held}, role: rep, party: R{1 if customer in _MOVED else 2 + number % 3}"
        partner = (
            "P1" if customer in _MOVED else "P2" if customer in _IDLE else f"P{3 + number % 3}"
        )
        since = ", from: 2024-07-01" if customer in _MOVED else ""
        yield f"{held}, role: partner, party: {partner}{since}"


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> Seen:
    links = "".join(f"  - {{{row}}}\n" for row in _links())
    who = book(*_MOVED, *_OTHERS, more=links)
    return see(workspace(_folder(tmp_path_factory), _charges(), who), parse_period("2024"))


def _folder(factory: pytest.TempPathFactory) -> Path:
    return factory.mktemp("currencies")


def test_dollars_do_not_grow_by_yen_that_fall(seen: Seen) -> None:
    """The three who came under P1 pay as before, in dollars, as all others do: it sold nothing."""
    (alert,) = book_handed_over.run(seen).alerts
    assert alert.customers == _MOVED


def test_what_is_used_in_one_currency_is_not_idle(seen: Seen) -> None:
    """Of which there are many in a dollar: who uses what it pays in dollars is at work."""
    assert not wash_volume.run(seen).alerts
