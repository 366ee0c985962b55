"""Closing: settling a period anew, and closing it by two people."""

from __future__ import annotations

from collections.abc import Callable

from django.db import transaction

from fenrun.base.problem import ERROR, Place, Problem, Refused
from fenrun.base.when import Period, parse_period
from fenrun.closing.anchors import anchor_closes
from fenrun.closing.close import close, refuse_out_of_order
from fenrun.portal import models
from fenrun.portal.access import authority
from fenrun.portal.alone import alone
from fenrun.portal.commands import approvals, notices, publishing, quotes, requests, unsettled
from fenrun.portal.commands.reasons import stated
from fenrun.portal.events import enter_events, now, record_event
from fenrun.portal.request_queue import outside_queue
from fenrun.store.facts import Store

_DB = "default"


def go_on(store: Store) -> None:
    """Enter what time has decided: silent requests, quotes that were due; and what was cut off."""
    requests.settle_silence(store)
    quotes.end_overdue(store)


def settle(
    store: Store, period: Period, progress: Callable[[str], None] = lambda name: None
) -> bool:
    """Settle a period, with the requests that time has decided, and show what comes out.

    Returns whether it differs from what was shown.
    """
    with outside_queue(settles=True):
        with unsettled.noted(unsettled.ALL):
            go_on(store)
            unsettled.forget(unsettled.ALL)
        changed = publishing.publish(store, period, progress)
    record_event(store.actor, "settle", period.key, changed=changed)
    return changed


def ask(store: Store, shown: models.Period, reason: str, first: bool = False) -> models.Approval:
    """Ask, as the first of two, that a period be closed as it is shown.

    The `first` of all may leave out what comes before it. Raises Refused where it is closed or was
    asked for already, is not the next to close, or no reason is given.
    """
    place = Place(shown.key)
    refuse_asking(store, shown, first)
    reason = stated(reason, place)
    with alone("asking"), transaction.atomic(using=_DB):
        waiting = models.Approval.objects.using(_DB).filter(
            period=shown.key, approved_at=None, ended_at=None
        )
        # One asked for before something was decided would be closed as known then.
        for before in waiting.filter(run=shown.run, known=shown.known):
            if authority.is_unchanged(before.asked_by, before.authority):
                raise Refused([Problem("close-asked", place, {"by": before.asked_by})])
        waiting.delete()
        asked = models.Approval.objects.using(_DB).create(
            period=shown.key,
            run=shown.run,
            known=shown.known,
            reason=reason,
            asked_by=store.actor,
            asked_at=now(),
            authority=authority.authority_named(store.actor),
        )
        record_event(store.actor, "ask close", shown.key, run=shown.run, reason=reason)
        others = set(notices.accounts_of(models.OPERATIONS)) - {store.actor}
        notices.notify(others, "close-asked", f"{shown.key} {asked.pk}")
    return asked


def refuse_asking(store: Store, shown: models.Period, first: bool) -> None:
    """Raise Refused where a period cannot be closed as it is shown, whoever asks for it."""
    place = Place(shown.key)
    if shown.closed:
        raise Refused([Problem("close-already", place)])
    errors = shown.counts.get("problems", {}).get(ERROR, 0)
    if errors:
        raise Refused([Problem("close-problems", place, {"count": errors})])
    refuse_out_of_order(store, parse_period(shown.key), shown.known.replace(tzinfo=None), first)


def approve(store: Store, number: int, period: str = "") -> models.Approval:
    """Close a period for good, as the second of two, as the first has seen it.

    Raises Refused where both are the same, or what was seen is no longer what is shown.
    """
    asked = _asked_for(store, number, period)
    closed = parse_period(asked.period)
    store.reason = approvals.reason_of(asked, store.actor)
    # Outside any transaction, which would keep others waiting; of two at once the store refuses
    # the second.
    with outside_queue(settles=True):
        enter_events()  # that it was asked for stands in the log before it
        # Whether it may be the first was decided when it was asked for.
        known = asked.known.replace(tzinfo=None)
        close(store, closed, known, expected=asked.run, first=True)
        unanchored = [problem.code for problem in anchor_closes(store)]
    approvals.record_approval(asked, store.actor)
    if unanchored:
        record_event(store.actor, "not anchored", asked.period, problems=unanchored)
    with outside_queue(settles=True):
        publishing.publish(store, closed)
        following = publishing.month_after(closed)
        with unsettled.noted(following.key):
            if following in publishing.months_of(store):  # which books differences of closed ones
                publishing.publish(store, following)
    return models.Approval.objects.using(_DB).get(pk=number)


def end(store: Store, number: int, period: str, reason: str) -> models.Approval:
    """Take back a close that was asked for: who asked withdraws it, anybody else refuses it.

    Raises Refused where it no longer waits, or no reason is given.
    """
    why = stated(reason, Place(period or "close"))
    rows = models.Approval.objects.using(_DB).filter(pk=number, approved_at=None, ended_at=None)
    if period:
        rows = rows.filter(period=period)
    with transaction.atomic(using=_DB):
        asked = rows.first()
        if not asked or not rows.update(ended_by=store.actor, ended_at=now(), ended_why=why):
            raise Refused([Problem("approval-gone", Place("close"))])
        said = {"run": asked.run, "asked_by": asked.asked_by, "reason": why}
        record_event(store.actor, "end close", asked.period, **said)
        notices.over(("close-asked",), asked.period)
        if asked.asked_by != store.actor:
            notices.notify([asked.asked_by], "close-refused", f"{asked.period} {asked.pk}")
    return models.Approval.objects.using(_DB).get(pk=number)


def _asked_for(store: Store, number: int, period: str) -> models.Approval:
    """Return the close that was asked for, if the actor may approve it.

    Raises Refused, also where the two could be one person, or who asked may no longer ask.
    """
    asked = (
        models.Approval.objects.using(_DB)
        .filter(pk=number, approved_at=None, ended_at=None)
        .first()
    )
    if not asked or period not in ("", asked.period):
        raise Refused([Problem("approval-gone", Place("close"))])
    place = Place(asked.period)
    if asked.asked_by == store.actor:
        raise Refused([Problem("close-alone", place, {"by": asked.asked_by})])
    authority.refuse_second(asked.asked_by, asked.authority, store.actor, place)
    shown = models.Period.objects.using(_DB).filter(key=asked.period).first()
    if not shown or shown.run != asked.run:
        raise Refused([Problem("close-changed", place, {"by": asked.asked_by})])
    return asked
