"""Approvals of closes: that two have closed a period is recorded once, whoever does it."""

from __future__ import annotations

from django.db import transaction

from fenrun.base.when import Period
from fenrun.portal import models
from fenrun.portal.events import code_of, now, record_event, with_names
from fenrun.store.facts import Store

_DB = "default"


def reason_of(asked: models.Approval, approver: str) -> str:
    """Return the log's reason of a close by two people, who stand there by their codes."""
    return f"{asked.reason} (asked by {code_of(asked.asked_by)}, approved by {code_of(approver)})"


def record_approval(asked: models.Approval, approver: str) -> None:
    """Record who approved a close that is in the log, unless that is recorded."""
    with transaction.atomic(using=_DB):
        rows = models.Approval.objects.using(_DB).filter(
            pk=asked.pk, approved_at=None, ended_at=None
        )
        if rows.update(approved_by=approver, approved_at=now()):
            said = {"run": asked.run, "asked_by": asked.asked_by}
            record_event(approver, "approve close", asked.period, **said)


def record_cut_off(store: Store, period: Period) -> None:
    """Record who approved the close of a period whose process ended before it had done so."""
    waiting = models.Approval.objects.using(_DB).filter(
        period=period.key, approved_at=None, ended_at=None
    )
    for asked in waiting:
        for event in store.log.events("closes"):
            approver = with_names(event.actor)
            is_it = event.facts()["source"] == period.key
            if is_it and event.reason == reason_of(asked, approver):
                record_approval(asked, approver)
