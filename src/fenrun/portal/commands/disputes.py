"""Disputes: objecting to a statement or to who is credited, and answering."""

from __future__ import annotations

from django.db import transaction

from fenrun.base.problem import Place, Problem, Refused
from fenrun.base.words import Message
from fenrun.portal import models
from fenrun.portal.commands import notices, webhooks
from fenrun.portal.events import now, record_event

_DB = "default"
OPEN = ("open", "answered")
"""States of a dispute that is not over."""
BY_OPERATIONS = ("answered", "accepted", "refused")
BY_PARTY = ("open", "withdrawn")
"""States that operations, and whom the dispute concerns, may bring it into."""
_LONGEST_TEXT = 4000


def open_dispute(actor: str, party: str, period: str, line: str, text: str) -> models.Dispute:
    """Object to something on a statement, or to who is credited.

    Raises Refused where nothing is said.
    """
    if not text.strip():
        raise Refused([Problem("reason-missing", Place(line or party))])
    with transaction.atomic(using=_DB):
        dispute = models.Dispute.objects.using(_DB).create(
            party=party, period=period, line=line, state="open", opened_by=actor, opened_at=now()
        )
        _add_entry(dispute, actor, text)
        record_event(actor, "open dispute", str(dispute.pk), party=party, period=period, line=line)
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
    if not text.strip():
        raise Refused([Problem("reason-missing", place)])
    with transaction.atomic(using=_DB):
        dispute = models.Dispute.objects.using(_DB).select_for_update().get(pk=seen.pk)
        if state not in next_states(dispute, operations):
            values = {"state": _in_words(dispute.state), "wanted": _in_words(state)}
            raise Refused([Problem("dispute-over", place, values)])
        dispute.state = state
        dispute.save(using=_DB)
        _add_entry(dispute, actor, text)
        record_event(actor, "answer dispute", str(dispute.pk), state=state)
    webhooks.notify_dispute(dispute)
    _notify(dispute, actor)
    return dispute


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
        text=text.strip()[:_LONGEST_TEXT],
    )
