"""The event log of the workspace."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.http import HttpRequest
from ninja import Field, Schema

from fenrun.closing.keys import known_keys
from fenrun.portal.access.permissions import store_of
from fenrun.portal.api.shared import ERRORS, Router, only_who_see_everything
from fenrun.portal.commands.verifying import broken
from fenrun.portal.language import lang
from fenrun.portal.request_queue import outside_queue

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


@router.get(
    "/keys",
    response={200: list[KeyOut], **ERRORS},
    by_alias=False,
    summary="The keys that sign closes and bundles",
)
def keys(request: HttpRequest) -> Any:
    """Return the public signing keys of the workspace, the one in force last; for everybody."""
    return known_keys(store_of(request))


@router.get("/log", response={200: list[dict[str, Any]], **ERRORS}, summary="The log of all events")
def log(request: HttpRequest) -> Any:
    """Return the log as `fenrun audit show --json` prints it; for operations and auditors.

    Its codes are those names that the portal knows.
    """
    only_who_see_everything(request)
    store = store_of(request)
    with outside_queue():
        found = store.log.events()
    events = [{name: getattr(event, name) for name in _COLUMNS} for event in found]
    named = {name: store.names for name in ("actor", "reason")}
    return [event | {name: of(event[name]) for name, of in named.items()} for event in events]


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
