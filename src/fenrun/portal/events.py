"""Acts in the portal, kept in its database and entered in the workspace's log.

Of an act the log has when it was done, its kind, a code for whoever did it and a digest; names and
words stay in the portal's database, which the digest holds to what they were. The digest is salted:
nobody finds out by trying what it is of. What is imported, settled or closed from the portal names
its actor by the same code; which name a code stands for is known to the portal alone.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

from django.conf import settings
from django.db import transaction
from django.utils.crypto import salted_hmac

from fenrun.base.ids import digest
from fenrun.base.problem import Place, Problem, Refused
from fenrun.base.when import show_moment
from fenrun.portal import models
from fenrun.store.audit_log import PATIENCE, Writer
from fenrun.store.facts import Store

_DB = "default"
_CODE = re.compile(r"~[0-9a-f]{16}")
_names: dict[str, str] = {}
"""Names by code, as far as this process has read them."""
KIND = "portal"
"""What the log calls an act in the portal."""
_OF_ACCOUNTS = ("grant", "approve grant", "first link", "end ways")
"""Acts whose subject is an account, which the log has by its code."""
_AS_IT_IS = re.compile(
    r"settle|(ask|approve|end) close|payments (due|sent|paid|returned)|not anchored"
    r"|(open|answer) dispute|not entered"
    r"|(ask|approve|end) decision|mend rows|(ask|answer) case"
    r"|end (grant|session|token|webhook|connection)"
    r"|(ask|approved|refused|lapsed|withdrawn) approval"
    r"|(ask|consented|silent|refused|withdrawn|void) (association|transfer|registration|sign-up)"
)
"""Acts whose subject, a period or a number, the log has as it is; of others it has none."""


def now() -> datetime:
    """Return this moment, in whole seconds (UTC)."""
    return datetime.now(UTC).replace(microsecond=0)


def workspace(actor: str) -> Store:
    """Return the workspace; what is written to it says who the actor is, by code, and when."""
    store = Store.open(settings.WORKSPACE)
    store.actor, store.clock = actor, lambda: now().replace(tzinfo=None)
    store.code, store.names = code_of, with_names
    return store


def record_event(actor: str, act: str, subject: str, **detail: Any) -> None:
    """Add an event: who did what to which subject. It enters the log with the transaction's end.

    Where the log is being written just then, it enters within seconds (`following`).
    """
    models.Event.objects.using(_DB).create(
        at=now(),
        actor=actor,
        act=act,
        subject=subject[:500],
        detail=detail,
        salt=secrets.token_hex(16),
    )
    transaction.on_commit(_enter_at_once, using=_DB)


def code_of(name: str) -> str:
    """Return the code that stands for an account, or another actor, in the log; nothing for none.

    The portal keeps what it stands for: with another secret a name has another code.
    """
    if not name:
        return ""
    code = f"~{salted_hmac('fenrun.portal.events', name).hexdigest()[:16]}"
    if code not in _names:
        models.LogName.objects.using(_DB).get_or_create(code=code, defaults={"name": name})
        _names[code] = name
    return code


def with_names(text: str) -> str:
    """Return a text of the log with names in place of codes, as far as the portal knows them."""
    codes = set(_CODE.findall(text))
    if not codes <= _names.keys():
        known = models.LogName.objects.using(_DB).filter(code__in=codes)
        _names.update(known.values_list("code", "name"))
    return _CODE.sub(lambda found: _names.get(found.group(), found.group()), text)


def _enter_at_once() -> None:
    with suppress(Refused, OSError):  # `following` tries again
        enter_events(patience=0)


def enter_events(patience: float = PATIENCE) -> None:
    """Enter every event in the workspace's log that is not there yet, in order, once.

    Raises Refused where the log cannot be written within so many seconds.
    """
    waiting = list(models.Event.objects.using(_DB).filter(seq=None).order_by("pk"))
    if not waiting:
        return
    codes = {name: code_of(name) for event in waiting for name in _accounts_of(event)}
    with workspace("").log.writing(patience) as log:
        # Another process may have been faster, or this one cut off before it noted the row.
        rows = [
            log.row_of(KIND, digest_of(event)) or _enter(log, event, codes) for event in waiting
        ]
    for event, row in zip(waiting, rows):
        models.Event.objects.using(_DB).filter(pk=event.pk).update(seq=row)


def _accounts_of(event: models.Event) -> tuple[str, ...]:
    """Return the accounts that the log has by their codes."""
    return (event.actor, event.subject) if event.act in _OF_ACCOUNTS else (event.actor,)


def _enter(log: Writer, event: models.Event, codes: Mapping[str, str]) -> int:
    subject = event.subject if _AS_IT_IS.fullmatch(event.act) else ""
    if event.act in _OF_ACCOUNTS:
        subject = codes[event.subject]
    entered = log.add(
        at=event.at.replace(tzinfo=None),
        actor=codes[event.actor],
        act=event.act,
        kind=KIND,
        subject=digest_of(event),
        reason="",
        before={},
        after={"source": subject, "known": show_moment(now().replace(tzinfo=None)), "files": {}},
    )
    return entered.seq


def digest_of(event: models.Event) -> str:
    """Return the digest of an event by which the log knows it."""
    at = show_moment(event.at.replace(tzinfo=None))
    return digest(KIND, event.salt, at, event.actor, event.act, event.subject, event.detail)


def events_of(rows: Sequence[int] | None = None) -> dict[int, models.Event]:
    """Return what the portal knows of rows of the log, by their numbers; None: of all rows."""
    found = models.Event.objects.all()
    found = found if rows is None else found.filter(seq__in=rows)
    return {event.seq: event for event in found if event.seq is not None}


def broken_events(store: Store) -> list[Problem]:
    """Return where the portal's events are not those of the log: edited, gone, not entered yet."""
    logged = {event.seq: event.subject for event in store.log.events(KIND)}
    found, waiting = [], 0
    for event in models.Event.objects.using(_DB).order_by("pk").iterator():
        if event.seq is None:
            waiting += 1
        elif logged.pop(event.seq, "") != digest_of(event):
            place = Place(store.log.path.name, event.seq)
            found.append(Problem("portal-event-edited", place, {"number": event.pk}))
    for seq in logged:
        found.append(Problem("portal-event-gone", Place(store.log.path.name, seq)))
    if waiting:
        found.append(Problem("portal-events-wait", Place(KIND), {"count": waiting}))
    return found
