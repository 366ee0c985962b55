"""Undoing: the links of a file that was entered in the portal are put back within a day.

What was there before stands again, a link that was new never begins, and the log has both.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import yaml

from fenrun.base.problem import Place, Problem, Refused
from fenrun.base.when import OPEN_END
from fenrun.base.words import say
from fenrun.book.as_of import sources_of
from fenrun.book.in_words import KnownBook
from fenrun.book.write import ended_link
from fenrun.closing.close import closes
from fenrun.portal.commands.bulk import ENTERED
from fenrun.portal.commands.imports import enter_text
from fenrun.portal.commands.targets import may_undo
from fenrun.portal.events import record_event
from fenrun.portal.request_queue import outside_queue
from fenrun.store.audit_log import Event
from fenrun.store.facts import Import, Store

_SAID = ("party", "share", "valid_from", "valid_to", "type")
"""What a link says besides whose and of what it is."""
_UNDONE = "undone-"
Links = Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True)
class Entered:
    """A file of links that can be undone."""

    id: str
    source: str
    links: int
    event: Event


def undoable(store: Store) -> list[Entered]:
    """Return the files of links that can be undone, latest first."""
    with outside_queue():
        return [
            Entered(item.id, item.source.removeprefix(ENTERED), len(links), event)
            for item, links, event in _found(store)
        ]


def undo(store: Store, number: str) -> int:
    """Put back what the links of a file were before it was entered; return how many these are.

    Raises Refused where that is too long ago, a close may rest on it, or others came since.
    """
    with outside_queue():
        item, links, event = _undoable(store, number)
        earlier = [one for one in store.imports("book") if one.known < item.known]
        before = _links_of(earlier)
        rows = [_as_before(link, before.get(name)) for name, link in links.items()]
        text = yaml.safe_dump({"links": rows}, allow_unicode=True, sort_keys=False)
        source = item.source.removeprefix(ENTERED).rpartition(".")[0]
        reason = say("undone-reason", "en", seq=event.seq)

        def allowed(locked: Store) -> None:
            _undoable(locked, number)

        enter_text(store, f"{_UNDONE}{source}.yaml", text, reason, allowed)
    record_event(store.actor, "undo links", item.source, rows=len(rows))
    return len(rows)


def _undoable(store: Store, number: str) -> tuple[Import, Links, Event]:
    found = next((one for one in _found(store) if one[0].id == number), None)
    if not found:
        raise Refused([Problem("undo-links", Place(number))])
    return found


def _found(store: Store) -> Iterator[tuple[Import, Links, Event]]:
    """Yield the files that can be undone, latest first: each with its links, as they are now."""
    imports = store.imports("book")
    closed = max((close.known for close in closes(store)), default=None)
    now: Links = {}
    for item in reversed(imports):
        if not item.source.startswith(ENTERED) or (closed and closed >= item.known):
            continue
        entered = store.log.events("book", item.id)
        if not entered or not may_undo(entered[0]):
            continue
        now = now or _links_of(imports)
        links = _links_of([item])
        if links and all(_same(link, now[name]) for name, link in links.items()):
            yield item, links, entered[0]


def _links_of(imports: list[Import]) -> Links:
    return {link["link_id"]: link for link in KnownBook(sources_of(imports)).links()}


def _same(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    return all(one[name] == other[name] for name in _SAID)


def _as_before(link: Mapping[str, Any], before: Mapping[str, Any] | None) -> dict[str, str]:
    """Return a link as it was, as a row of a file; one that was not there never begins."""
    if before is None:
        return ended_link(link, link["valid_from"])
    row = ended_link(before, before["valid_to"])
    return {key: text for key, text in row.items() if (key, text) != ("to", str(OPEN_END))}
