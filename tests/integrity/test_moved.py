"""Customers that come under partners: poached or given, by a rep's hand or an owner's, to a friend.

Each partner that something is about gets three or four of them; twelve others come to others.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from fenrun.base.when import parse_period
from fenrun.integrity.checks import book_handed_over, poaching, related_party
from fenrun.integrity.findings import Outcome
from fenrun.integrity.seen import Seen, see
from fenrun.settle.imports import import_file
from tests.errors.gallery import KNOWN
from tests.pricing.workspace import Charge, book, charge, on_second_of, workspace

_MONTHS = range(1, 11)
_COMING = {
    # who, to which partner, from which rep: one a month from April on
    "POACHED": ("P1", "R5", 4),  # three days after they signed up
    "GIVEN": ("P2", "R5", 4),  # so are these, and the vendor's caller names the partner
    "SHOWN": ("P12", "R5", 4),  # its rep, who calls nobody else, visits it about the partner
    "TIPPED": ("P13", "R5", 4),  # who calls about the partner works for it too
    "CLAIMED": ("P3", "R5", 4),  # the partner says itself that it called
    "FAMILY": ("P4", "R1", 4),  # all of one owner
    "HANDED": ("P5", "R2", 4),  # nobody but their rep has to do with all; P5 says they consented
    "AGREED": ("P14", "R4", 4),  # each of these says so itself
    "FRIEND": ("P6", "R3", 4),  # somebody who works for P6 lives where R3 does
}
_ABOUT = {
    # by what and whom a customer hears of its partner the day after it signed up
    "GIVEN": ("call", "TELE"),
    "SHOWN": ("visit", "R5"),
    "TIPPED": ("call", "TELE-2"),
    "CLAIMED": ("call", ""),
}
_WON = ("POACHED", *_ABOUT)
_CONSENTS = ("HANDED", "AGREED")
_OTHERS = tuple(f"OTHER-{n}" for n in range(24))
_WHO = {f"{who}-{n}": (who, n) for who, (_, _, count) in _COMING.items() for n in range(count)}
_CUSTOMERS = (*_WHO, *_OTHERS)


def _charges() -> Iterator[Charge]:
    for number in range(1, len(_CUSTOMERS) + 1):
        for month in _MONTHS:
            yield charge(f"A{number}", "100", **on_second_of(month))


def _links() -> Iterator[str]:
    for customer, (who, n) in _WHO.items():
        partner, rep, _ = _COMING[who]
        yield f"of: customer, subject: {customer}, role: rep, party: {rep}"
        since = f"2024-{4 + n:02d}-10"
        yield f"of: customer, subject: {customer}, role: partner, party: {partner}, from: {since}"
        if who == "FAMILY":
            yield f"of: party, subject: {customer}, role: owner, party: X1"
    for n, customer in enumerate(_OTHERS):
        yield f"of: customer, subject: {customer}, role: rep, party: R{1 + n % 6}"
        if n % 2:
            since = f"2024-{4 + n % 4:02d}-10"
            held = f"of: customer, subject: {customer}, role: partner, party: P{7 + n % 5}"
            yield f"{held}, from: {since}"
    yield "of: party, subject: H1, role: employer, party: P6"
    yield "of: party, subject: TELE-2, role: employer, party: P13"


def _events() -> Iterator[tuple[str, str, str, str, str]]:
    """Yield kind, actor, customer, party and day."""
    yield "call", "TELE", "OTHER-0", "", "2024-02-01"
    yield "call", "TELE-2", "OTHER-2", "", "2024-02-01"
    for customer, (who, n) in _WHO.items():
        month, partner = f"2024-{4 + n:02d}", _COMING[who][0]
        if who in _WON:
            yield "sign-up", f"{customer}-user", customer, "", f"{month}-07"
        if who in _ABOUT:
            kind, actor = _ABOUT[who]
            yield kind, actor or partner, customer, partner, f"{month}-08"
        if who in _CONSENTS:
            actor = partner if who == "HANDED" else f"{customer}-user"
            yield "consent", actor, customer, partner, f"{month}-08"


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> Seen:
    folder = tmp_path_factory.mktemp("moved")
    links = "".join(f"  - {{{row}}}\n" for row in _links())
    partners = "".join(f"  - {{party: P{n}, kind: partner}}\n" for n in range(1, 15))
    homes = {"H1": "1 Lane", "R3": "1 Lane"} | {f"R{n}": f"{n} Street" for n in (1, 2, 4, 5, 6)}
    homes |= {customer: f"{n} Road" for n, customer in enumerate(_CUSTOMERS)}
    lives = "".join(f"  - {{party: {p}, kind: address, value: {at}}}\n" for p, at in homes.items())
    who = f"{book(*_CUSTOMERS, more=links)}parties:\n{partners}identities:\n{lives}"
    store = workspace(folder, _charges(), who)
    events = "events:\n" + "".join(
        f"  - {{event: E{n}, kind: {kind}, actor: {actor}, customer: {customer}, party: '{party}',"
        f" at: '{day}T08:00:00Z'}}\n"
        for n, (kind, actor, customer, party, day) in enumerate(_events())
    )
    (folder / "events.yaml").write_text(events, "utf-8")
    import_file(store, folder / "events.yaml", KNOWN)
    return see(store, parse_period("2024-01/2024-10"))


def _unlikely(outcome: Outcome) -> set[tuple[str, ...]]:
    return {alert.parties for alert in outcome.alerts if (alert.p or 0) < 0.05}


def test_a_lead_that_the_vendor_gives_is_not_poached(seen: Seen) -> None:
    """What a partner says of its own calls, or of who works for it, gives it nothing."""
    assert _unlikely(poaching.run(seen)) == {("P1",), ("P3",), ("P13",)}


def test_the_firms_of_one_owner_are_handed_over_once_and_who_consented_was_not(seen: Seen) -> None:
    found = _unlikely(book_handed_over.run(seen))
    assert ("P5", "R2") in found and not {("P4", "R1"), ("P14", "R4")} & found


def test_who_lives_with_a_rep_works_for_the_partner(seen: Seen) -> None:
    (alert,) = related_party.run(seen).alerts
    assert alert.parties == ("P6", "R3") and len(alert.customers) == 4
    assert {row.what for row in alert.evidence} == {"shared", "employed", "followed"}
