"""The event log of the workspace."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.http import HttpRequest
from ninja import Field, Query, Schema

from fenrun.closing.keys import known_keys
from fenrun.portal.access.permissions import store_of
from fenrun.portal.api.shared import (
    ERRORS,
    Paged,
    Router,
    Window,
    clean,
    only_who_see_everything,
    page_of,
)
from fenrun.portal.commands.verifying import broken
from fenrun.portal.language import lang
from fenrun.portal.request_queue import outside_queue
from fenrun.store.audit_log import Event
from fenrun.store.facts import Store

router = Router()
_COLUMNS = ("seq", "at", "actor", "act", "kind", "subject", "reason", "previous", "hash")


class Verified(Schema):
    """The outcome of verifying the log; `acts` is the number of its events."""

    acts: int
    head: str
    problems: list[dict[str, Any]]


class KeyOut(Schema):
    """A public signing key; `fingerprint` is what people compare, `seq` the event that has it."""

    name: str
    fingerprint: str
    public_key: str = Field(alias="public")
    since: datetime
    seq: int


class KeyPage(Paged):
    """A page of public keys."""

    rows: list[KeyOut]


class EventPage(Paged):
    """A page of the log's events."""

    rows: list[dict[str, Any]]


@router.get(
    "/keys",
    response={200: KeyPage, **ERRORS},
    by_alias=False,
    summary="The keys that sign closes and bundles",
)
def keys(request: HttpRequest, window: Query[Window]) -> Any:
    """Return the public signing keys of the workspace, the one in force last; for everybody."""
    return page_of(known_keys(store_of(request)), window)


@router.get("/log", response={200: EventPage, **ERRORS}, summary="The log of all events")
def log(
    request: HttpRequest,
    window: Query[Window],
    after: int = 0,
    actor: str = "",
    act: str = "",
    kind: str = "",
) -> Any:
    """Return events as `fenrun audit show --json` prints them, in their order.

    Those `after` one by its number, of an actor, an act, a kind. For operations and auditors. Codes
    are those names that the portal knows.
    """
    only_who_see_everything(request)
    store = store_of(request)
    with outside_queue():
        found = store.log.events(after=min(max(after, 0), 2**62))
        asked = {name: clean(text) for name, text in (("act", act), ("kind", kind)) if text}
        chosen = [
            event
            for event in found
            if all(getattr(event, name) == text for name, text in asked.items())
            and (not actor or store.names(event.actor) == actor)
        ]
    page = page_of(chosen, window)
    return {**page, "rows": [_event(store, event) for event in page["rows"]]}


def _event(store: Store, event: Event) -> dict[str, Any]:
    told = {name: getattr(event, name) for name in _COLUMNS}
    return told | {name: store.names(told[name]) for name in ("actor", "reason")}


@router.get(
    "/log/verify",
    response={200: Verified, **ERRORS},
    summary="Verify the whole log and every file",
)
def verify(request: HttpRequest) -> Any:
    """Verify the log and all files as `fenrun audit verify` does, and the portal's events."""
    only_who_see_everything(request)
    store = store_of(request)
    problems, events = broken(store), store.log.events()
    return {
        "acts": len(events),
        "head": events[-1].hash if events else "",
        "problems": [problem.as_json(lang()) for problem in problems],
    }
