"""Targets and other figures of the book: who is to reach what in which period."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import yaml

from fenrun.base.ids import digest, short
from fenrun.base.money import plain
from fenrun.base.problem import Place, Problem, Refused
from fenrun.book.as_of import sources_of
from fenrun.book.in_words import KnownBook
from fenrun.portal.commands import finding
from fenrun.portal.commands.book import book_of
from fenrun.portal.commands.imports import enter_text
from fenrun.portal.events import now, record_event
from fenrun.portal.request_queue import outside_queue
from fenrun.settle.book_in_force import KEYS
from fenrun.settle.brought import events_that_brought
from fenrun.settle.facts import plans_as_of
from fenrun.store.audit_log import Event
from fenrun.store.facts import Store

_FIGURE = re.compile(r"\bfigure ([\w-]+)")
MOST = 2000
"""Figures that are listed at most; a narrower question shows the rest."""


def figures_of(
    store: Store, party: str = "", figure: str = "", period: str = ""
) -> list[dict[str, Any]]:
    """Return figures as last known, latest periods first; MOST of them at most.

    Columns: party, name, figure, period, amount (exact text), currency, source, actor, at (the day
    it was entered), reason.
    """
    with outside_queue():
        imports = store.imports("book")
        asked = {"party": party, "figure": figure, "period": period}
        book = KnownBook(sources_of(imports))
        rows = book.figures(**{name: text for name, text in asked.items() if text})
        names = book.names()
        rows.sort(key=lambda row: (row["figure"], row["party"], row["period"], row["amount"]))
        rows.sort(key=lambda row: row["valid_to"], reverse=True)
        events = events_that_brought(store, imports, "figures", rows[:MOST], KEYS)
    return [_with_event(row, names, event) for row, event in zip(rows, events)]


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
    store: Store, party: str, figure: str, period: str, amount: str, currency: str, reason: str
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
    if not reason.strip():
        raise Refused([Problem("reason-missing", replace(place, column="reason"))])
    finding.refuse_unknown(store, "party", row["party"], finding.PAYEE, finding.CUSTOMER)
    _refuse_unknown_figure(store, row["figure"])
    name = short(digest("target", row["party"], row["figure"], row["period"]))
    text = yaml.safe_dump({"figures": [row]}, allow_unicode=True)
    with outside_queue(), _at_the_field(place):
        enter_text(store, f"target-{name}.yaml", text, reason.strip()[:500])
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
