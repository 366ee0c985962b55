"""Targets and other figures of the book: who is to reach what in which period."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import yaml

from fenrun.base.ids import digest, short
from fenrun.base.money import plain
from fenrun.base.problem import Place, Problem, Refused
from fenrun.base.when import parse_moment
from fenrun.base.words import say
from fenrun.book.as_of import Sources, sources_of
from fenrun.book.in_words import KnownBook
from fenrun.closing.close import closes
from fenrun.portal.commands import finding
from fenrun.portal.commands.book import book_of
from fenrun.portal.commands.imports import Allowed, enter_text
from fenrun.portal.commands.reasons import stated
from fenrun.portal.events import now, record_event
from fenrun.portal.request_queue import outside_queue
from fenrun.settle.book_in_force import KEYS
from fenrun.settle.brought import events_that_brought
from fenrun.settle.facts import plans_as_of
from fenrun.store.audit_log import Event
from fenrun.store.facts import Import, Store
from fenrun.tables.latest import latest

Figure = dict[str, Any]
"""A figure by the book's columns."""

_ENTERED = "target-"
"""What the names of the files begin with by which figures are entered here."""
UNDONE_WITHIN = timedelta(hours=24)
_FIGURE = re.compile(r"\bfigure ([\w-]+)")


class Figures(Sequence[dict[str, Any]]):
    """Figures as last known, latest periods first; a page of them says who entered each.

    Columns: party, name, figure, period, amount (exact text), currency, source, actor, at (the day
    it was entered), reason, may_undo (whether what stood there before can be put back).
    """

    def __init__(self, store: Store, **asked: str):
        with outside_queue():
            self._store, self._imports = store, store.imports("book")
            book = KnownBook(sources_of(self._imports))
            rows = book.figures(**{name: text for name, text in asked.items() if text})
            self._names = book.names()
        rows.sort(key=lambda row: (row["figure"], row["party"], row["period"], row["amount"]))
        rows.sort(key=lambda row: row["valid_to"], reverse=True)
        self._rows = rows

    def __len__(self) -> int:
        return len(self._rows)

    def event(self, at: int) -> Event:
        """Return the event that brought a figure."""
        with outside_queue():
            rows = [self._rows[at]]
            return events_that_brought(self._store, self._imports, "figures", rows, KEYS)[0]

    def __getitem__(self, at: Any) -> Any:
        rows = self._rows[at] if isinstance(at, slice) else [self._rows[at]]
        with outside_queue():
            events = events_that_brought(self._store, self._imports, "figures", rows, KEYS)
            earlier = _earlier_figures(self._store, self._imports, rows, events)
        found = [
            _with_event(row, self._names, event) | {"may_undo": before is not None}
            for row, event, before in zip(rows, events, earlier)
        ]
        return found if isinstance(at, slice) else found[0]

    def entered(self, at: int) -> tuple[Event, bool, Figure | None]:
        """Return what brought a figure, whether that can be taken back, and what was there before.

        Nothing was, where it is new: what it was cannot be put back then.
        """
        with outside_queue():
            event = self.event(at)
            item = next(item for item in self._imports if item.id == event.subject)
            is_new = _is_new(item, event, _last_close(self._store))
            before = _earlier_figures(self._store, self._imports, [self._rows[at]], [event])[0]
        return event, is_new, before


def may_undo(event: Event) -> bool:
    """Return whether what an event entered is so new that it can be taken back."""
    return now().replace(tzinfo=None) - parse_moment(event.at) < UNDONE_WITHIN


def undo(store: Store, party: str, figure: str, period: str) -> str:
    """Put back what a figure was before it was entered in the portal; return that amount.

    Raises Refused where that is too long ago, a closed period may rest on it, or nothing was there
    before, which another figure has to take the place of.
    """
    values = {"party": party, "figure": figure, "period": period}
    entered, before = _undoable(store, values)
    amount, currency = plain(before["amount"]), before["currency"]
    reason = say("undone-reason", "en", seq=entered.seq)

    def allowed(locked: Store) -> None:
        if _undoable(locked, values)[0].seq != entered.seq:
            raise Refused([Problem("undo-late", Place(party, 0, figure), values)])

    set_target(store, party, figure, period, amount, currency, reason, allowed)
    return amount


def _undoable(store: Store, values: dict[str, str]) -> tuple[Event, Figure]:
    """Return the event that entered a figure, and what it was before. Raises Refused for others."""
    place, found = Place(values["party"], 0, values["figure"]), Figures(store, **values)
    if len(found) != 1:
        raise Refused([Problem("undo-late", place, values)])
    event, is_new, before = found.entered(0)
    if before is None:
        raise Refused([Problem("undo-nothing" if is_new else "undo-late", place, values)])
    return event, before


def _earlier_figures(
    store: Store, imports: Sequence[Import], rows: Sequence[Figure], events: Sequence[Event]
) -> list[Figure | None]:
    """Return what each figure was before it was entered; None where it cannot be put back."""
    last_close, by_id = _last_close(store), {item.id: item for item in imports}
    new = [_is_new(by_id[event.subject], event, last_close) for event in events]
    parties = {row["party"] for row, is_new in zip(rows, new) if is_new}
    figures = _figures_of(imports, parties) if parties else []
    return [
        _before(figures, by_id[event.subject].known, row) if is_new else None
        for row, event, is_new in zip(rows, events, new)
    ]


def _last_close(store: Store) -> datetime | None:
    return max((close.known for close in closes(store)), default=None)


def _is_new(item: Import, event: Event, last_close: datetime | None) -> bool:
    """Return whether a figure was entered here within a day, and no close may rest on it."""
    is_open = last_close is None or last_close < item.known
    return is_open and item.source.startswith(_ENTERED) and may_undo(event)


def _figures_of(imports: Sequence[Import], parties: Iterable[str]) -> Sources:
    """Return of each import its figures of some parties, and nothing else."""
    wanted, name = pa.array(sorted(parties), pa.string()), "figures"
    return [
        (source, known, {name: found.filter(pc.is_in(found["party"], wanted))})
        for source, known, tables in sources_of(imports)
        if (found := tables.get(name)) is not None
    ]


def _before(figures: Sources, known: datetime, row: Figure) -> Figure | None:
    """Return the figure under the same key as was known before a moment; None without one."""
    key = KEYS["figures"]
    found = latest([one for one in figures if one[1] < known], "figures", key).rows
    return next((one for one in found if all(one[name] == row[name] for name in key)), None)


def _with_event(row: dict[str, Any], names: Mapping[str, str], event: Event) -> dict[str, Any]:
    return {
        "party": row["party"],
        "name": names.get(row["party"], row["party"]),
        "figure": row["figure"],
        "period": row["period"],
        "amount": plain(row["amount"]),
        "currency": row["currency"],
        "source": row["source"],
        "actor": event.actor,
        "at": event.at[:10],
        "reason": event.reason,
    }


def set_target(
    store: Store,
    party: str,
    figure: str,
    period: str,
    amount: str,
    currency: str,
    reason: str,
    allowed: Allowed = lambda store: None,
) -> None:
    """Enter a figure of a party for a period into the book, in place of an earlier one.

    A target, a quota, a baseline. Raises Refused for what the book cannot hold, or no reason.
    """
    row = {
        "party": party.strip(),
        "figure": figure.strip(),
        "period": period.strip(),
        "amount": amount.strip(),
        "currency": currency.strip(),
    }
    place = Place(row["party"] or "-")
    reason = stated(reason, replace(place, column="reason"))
    finding.refuse_unknown(store, "party", row["party"], finding.PAYEE, finding.CUSTOMER)
    _refuse_unknown_figure(store, row["figure"])
    name = short(digest("target", row["party"], row["figure"], row["period"]))
    text = yaml.safe_dump({"figures": [row]}, allow_unicode=True)
    with outside_queue(), _at_the_field(place):
        enter_text(store, f"{_ENTERED}{name}.yaml", text, reason, allowed)
    record_event(store.actor, "set target", row["party"], **{key: row[key][:100] for key in row})


@contextmanager
def _at_the_field(place: Place) -> Iterator[None]:
    """Tell what the book cannot hold of one row at its field: nobody has seen a file."""
    try:
        yield
    except Refused as refused:
        told = [
            Problem("target-wrong", replace(place, column=found.place.column), found.values)
            if found.code == "book-value"
            else replace(found, place=replace(place, column=found.place.column))
            for found in refused.problems
        ]
        raise Refused(told) from refused


def known_figures(store: Store) -> list[str]:
    """Return the figures that the book has, or that a plan names."""
    names = {row["figure"] for row in book_of(store).figures()}
    for file in plans_as_of(store, now().replace(tzinfo=None)):
        names.update(_FIGURE.findall(file.content))
    return sorted(names)


def _refuse_unknown_figure(store: Store, figure: str) -> None:
    known = known_figures(store)
    if known and figure not in known:
        values = {"figure": figure or "-", "known": ", ".join(known)}
        raise Refused([Problem("figure-unknown", Place(figure or "-", 0, "figure"), values)])
