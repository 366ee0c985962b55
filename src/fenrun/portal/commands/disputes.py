"""Disputes: objecting to a statement or to who is credited, and answering."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from django.db import transaction

from fenrun.base.money import parse_amount, plain
from fenrun.base.problem import Place, Problem, Refused
from fenrun.base.words import Message
from fenrun.portal import models
from fenrun.portal.commands import notices, webhooks
from fenrun.portal.commands.reasons import TEXT, stated
from fenrun.portal.events import now, record_event

_DB = "default"
OPEN = ("open", "answered")
"""States of a dispute that is not over."""
BY_OPERATIONS = ("answered", "accepted", "refused")
BY_PARTY = ("open", "withdrawn")
"""States that operations, and whom the dispute concerns, may bring it into."""
MOST_BYTES, MOST_FILES = 2_000_000, 10
"""What a file, and how many a dispute, may have at most."""
MENDS = ("book", "targets", "bulk", "requests", "deliveries", "plans")
"""The pages where what an accepted dispute is about is mended."""


@dataclass(frozen=True)
class Claim:
    """A claim of a dispute, where it says so: an amount, for a charge or a customer's spend."""

    amount: str = ""
    currency: str = ""
    charge: str = ""
    customer: str = ""


@dataclass(frozen=True)
class Mended:
    """A difference in what a party is paid since its dispute was accepted, in one statement.

    `then` and `now` are empty where the period is a later one, which books it.
    """

    period: str
    difference: str
    then: str = ""
    now: str = ""


def open_dispute(
    actor: str,
    party: str,
    period: str,
    line: str,
    text: str,
    claim: Claim = Claim(),  # nothing can change it
) -> models.Dispute:
    """Object to something on a statement, or to who is credited.

    Raises Refused where nothing is said, or what is claimed is no amount.
    """
    text = stated(text, Place(line or party, 0, "text"), TEXT)
    said = {**vars(claim), "amount": _amount(claim.amount)}
    with transaction.atomic(using=_DB):
        dispute = models.Dispute.objects.using(_DB).create(
            party=party,
            period=period,
            line=line,
            state="open",
            opened_by=actor,
            opened_at=now(),
            **said,
        )
        _add_entry(dispute, actor, text)
        about = {key: value for key, value in said.items() if value}
        record_event(
            actor, "open dispute", str(dispute.pk), party=party, period=period, line=line, **about
        )
    webhooks.notify_dispute(dispute)
    _notify(dispute, actor)
    return dispute


def answer(
    actor: str, seen: models.Dispute, state: str, text: str, operations: bool
) -> models.Dispute:
    """Add to a dispute that the actor sees, and bring it into a state.

    Operations answer, accept or refuse; whom it concerns replies or withdraws. Raises Refused
    otherwise, or where nothing is said.
    """
    place = Place(f"{seen.party} {seen.period}")
    text = stated(text, place, TEXT)
    with transaction.atomic(using=_DB):
        dispute = models.Dispute.objects.using(_DB).select_for_update().get(pk=seen.pk)
        if state not in next_states(dispute, operations):
            values = {"state": _in_words(dispute.state), "wanted": _in_words(state)}
            raise Refused([Problem("dispute-over", place, values)])
        dispute.state = state
        if state == "accepted":
            dispute.pay_then = _pay_of(dispute)
        dispute.save(using=_DB)
        _add_entry(dispute, actor, text)
        record_event(actor, "answer dispute", str(dispute.pk), state=state)
    webhooks.notify_dispute(dispute)
    _notify(dispute, actor)
    return dispute


def _amount(text: str) -> str:
    """Return what is claimed as exact text; empty for nothing. Raises Refused for no amount."""
    if not text.strip():
        return ""
    try:
        found = parse_amount(text.strip().replace(",", ""))
    except ValueError:
        found = Decimal(0)
    if found <= 0:
        place = Place(text.strip(), 0, "amount")
        raise Refused([Problem("dispute-amount", place, {"amount": text})])
    return plain(found)


def _pay_of(dispute: models.Dispute) -> str:
    """Return what the statement that a dispute is about pays now; empty where there is none."""
    rows = models.Statement.objects.using(_DB).filter(payee=dispute.party, period_id=dispute.period)
    if dispute.currency:
        rows = rows.filter(currency=dispute.currency)
    found = rows.order_by("currency").first()
    return found.payable if found else ""


def mended(dispute: models.Dispute) -> list[Mended]:
    """Return what the party is paid otherwise since its dispute was accepted, as the asker sees it.

    In the statement itself; or, of a closed period, in those after it that book its differences.
    """
    if not dispute.pay_then:
        return []
    rows = models.Statement.objects.filter(payee=dispute.party, period_id__gte=dispute.period)
    if dispute.currency:
        rows = rows.filter(currency=dispute.currency)
    found = []
    for one in rows.order_by("period_id", "currency"):
        if one.period_id == dispute.period:
            more = Decimal(one.payable) - Decimal(dispute.pay_then)
            if more:
                texts = (dispute.pay_then, one.payable)
                found.append(Mended(one.period_id, plain(more), *texts))
            continue
        booked = sum(
            (
                Decimal(row["amount"])
                for row in one.body.get("differences", ())
                if row["month"] == dispute.period and row["what"] == "paid"
            ),
            Decimal(0),
        )
        if booked:
            found.append(Mended(one.period_id, plain(booked)))
    return found


def assign(actor: str, seen: models.Dispute, owner: str, due: date | None) -> models.Dispute:
    """Say who of operations answers a dispute, and by which day. Raises Refused for anybody else.

    An empty owner, or no day, takes it back.
    """
    owner = owner.strip()
    if owner and owner not in notices.accounts_of(models.OPERATIONS):
        raise Refused([Problem("dispute-owner", Place(owner, 0, "owner"), {"owner": owner})])
    with transaction.atomic(using=_DB):
        rows = models.Dispute.objects.using(_DB).filter(pk=seen.pk)
        rows.update(owner=owner, due=due)
        record_event(actor, "assign dispute", str(seen.pk), owner=owner, due=str(due or ""))
    if owner and owner not in (actor, seen.owner):
        notices.notify([owner], "dispute-yours", f"{seen.pk} {owner}", seen.party)
    return rows.get()


def add_file(actor: str, seen: models.Dispute, name: str, content: bytes) -> models.DisputeFile:
    """Keep a file with a dispute. Raises Refused where it is over, has enough, or it is large."""
    files = models.DisputeFile.objects.using(_DB).filter(dispute_id=seen.pk)
    name = name.replace("\x00", "").rpartition("/")[2].strip()[-200:] or "file"
    with transaction.atomic(using=_DB):
        dispute = models.Dispute.objects.using(_DB).select_for_update().get(pk=seen.pk)
        fits = dispute.state in OPEN and files.count() < MOST_FILES
        if not fits or not 0 < len(content) <= MOST_BYTES:
            values = {"name": name, "most": f"{MOST_BYTES:,}", "files": MOST_FILES}
            raise Refused([Problem("dispute-file", Place(name, 0, "file"), values)])
        said = {"party": seen.party, "name": name, "size": len(content)}
        kept = files.create(dispute_id=seen.pk, content=content, by=actor, at=now(), **said)
        digest = hashlib.sha256(content).hexdigest()
        record_event(actor, "add file to dispute", str(seen.pk), name=name, sha256=digest)
    return kept


def _notify(dispute: models.Dispute, actor: str) -> None:
    """Tell operations, who opened it and whose it is, save whoever acted; each step once."""
    entries = models.DisputeEntry.objects.using(_DB).filter(dispute=dispute).count()
    readers = {name for name, _ in notices.holders_of([dispute.party])} | {dispute.opened_by}
    readers |= set(notices.accounts_of(models.CUSTOMER, dispute.party))
    readers |= set(notices.accounts_of(models.OPERATIONS))
    if dispute.state not in OPEN:
        notices.over(("dispute-opened", "dispute-answered"), str(dispute.pk))
    kind = "dispute-opened" if entries == 1 else "dispute-answered"
    kind = kind if dispute.state in OPEN else "dispute-over"
    notices.notify(readers - {actor}, kind, f"{dispute.pk} {entries}", dispute.party)


def next_states(dispute: models.Dispute, operations: bool) -> tuple[str, ...]:
    """Return the states that operations, or else the party, may bring a dispute into."""
    if dispute.state not in OPEN:
        return ()
    return BY_OPERATIONS if operations else BY_PARTY


def _in_words(state: str) -> Message | str:
    """Return a state in the reader's language; what is none as it stands."""
    return Message(f"portal-dispute-{state}") if state in models.Dispute.STATES else state


def _add_entry(dispute: models.Dispute, actor: str, text: str) -> None:
    models.DisputeEntry.objects.using(_DB).create(
        dispute=dispute,
        party=dispute.party,
        by=actor,
        at=now(),
        state=dispute.state,
        text=text,
    )
