"""Bulk: targets, links and grants by one file, looked at before they are entered.

What is looked at is what is entered: its digest goes along, and another text is refused.
"""

from __future__ import annotations

import csv
import io
import tempfile
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from django.db import transaction

from fenrun.base.ids import digest
from fenrun.base.money import plain
from fenrun.base.problem import Place, Problem, Refused
from fenrun.base.when import span_in_words
from fenrun.book.in_words import KnownBook
from fenrun.book.read import read_book
from fenrun.book.rows import Figure, Link
from fenrun.portal import models
from fenrun.portal.alone import alone
from fenrun.portal.commands import grants
from fenrun.portal.commands.book import book_of
from fenrun.portal.commands.imports import next_moment
from fenrun.portal.commands.reasons import stated
from fenrun.portal.events import record_event
from fenrun.portal.language import lang
from fenrun.portal.request_queue import outside_queue
from fenrun.settle.imports import import_file
from fenrun.store.facts import Store

MOST_BYTES = 1_000_000
"""Bytes of a file that is looked at; a larger one is imported."""
NEW, SAME, CHANGED, UNKNOWN = "new", "same", "changed", "unknown"
"""Not there yet; there already; there otherwise; of somebody whom the book does not know."""
ENTERED = "bulk-"
"""What the names of the files begin with by which rows are entered here."""
_GRANT = ("user", "role", "party", "reason")


@dataclass(frozen=True)
class Row:
    """A row of a file: what it says, and what it would do."""

    number: int
    texts: tuple[str, ...]
    does: str
    """NEW, SAME, CHANGED or UNKNOWN."""
    before: str = ""
    """What it takes the place of."""


@dataclass
class Preview:
    """Rows of a file, and what they would do."""

    name: str
    text: str
    kind: str
    """`figures`, `links` or `grants`."""
    rows: list[Row] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)

    @property
    def id(self) -> str:
        """Return the digest of the file, by which what is entered is what was looked at."""
        return digest("bulk", self.name, self.text)

    @property
    def counts(self) -> dict[str, int]:
        """Return how many rows do what."""
        return {does: sum(row.does == does for row in self.rows)
                for does in (NEW, CHANGED, SAME, UNKNOWN)}  # fmt: skip

    @property
    def may_enter(self) -> bool:
        """True where nothing is wrong, and something would change."""
        return not self.problems and any(row.does in (NEW, CHANGED) for row in self.rows)


def preview(store: Store, name: str, data: bytes) -> Preview:
    """Return what a CSV or YAML file would enter. Raises Refused for what is none of the three."""
    name = Path(name).name[-100:] or "bulk.csv"
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise Refused([Problem("bulk-wrong", Place(name))]) from error
    if len(data) > MOST_BYTES:
        raise Refused([Problem("bulk-large", Place(name), {"most": f"{MOST_BYTES:,}"})])
    columns = {cell.strip().lower() for cell in next(csv.reader(io.StringIO(text)), [])}
    with outside_queue():
        if set(_GRANT) <= columns:
            return _of_grants(store, name, text)
        return _of_book(store, name, text)


def _of_book(store: Store, name: str, text: str) -> Preview:
    """Return what a file of the book would enter, of figures and links."""
    with tempfile.TemporaryDirectory(prefix="fenrun-bulk-") as folder:
        path = Path(folder) / name
        path.write_text(text, "utf-8")
        found, problems = read_book(path)
    others = [t for t, rows in found.tables().items() if rows and t not in ("figures", "links")]
    if others or bool(found.figures) == bool(found.links):
        raise Refused([*problems, Problem("bulk-wrong", Place(name))])
    known = book_of(store)
    names = _named(known)
    if found.figures:
        before = {(r["party"], r["figure"], r["period"]): r for r in known.figures()}
        rows = [_figure(row, before, names) for row in found.figures]
        return Preview(name, text, "figures", rows, problems)
    ids = {row["link_id"]: row for row in known.links()}
    return Preview(name, text, "links", [_link(r, ids, names) for r in found.links], problems)


def _named(book: KnownBook) -> set[str]:
    """Return the parties that the book knows: as parties, or by what they hold."""
    return book.names().keys() | {row["party"] for row in book.links()}


def _figure(
    row: Figure, before: Mapping[tuple[str, str, str], Mapping[str, Any]], names: Set[str]
) -> Row:
    texts = (row.party, row.figure, row.period, f"{plain(row.amount)} {row.currency}".strip())
    was = before.get((row.party, row.figure, row.period))
    if row.party not in names:
        return Row(row.row_no, texts, UNKNOWN)
    if not was:
        return Row(row.row_no, texts, NEW)
    same = (was["amount"], was["currency"]) == (row.amount, row.currency)
    shown = f"{plain(was['amount'])} {was['currency']}".strip()
    return Row(row.row_no, texts, SAME if same else CHANGED, "" if same else shown)


def _link(row: Link, before: Mapping[str, Mapping[str, Any]], names: Set[str]) -> Row:
    texts = (
        f"{row.of_kind} {row.subject}", row.role, row.party, plain(row.share),
        span_in_words(row.valid_from, row.valid_to).words(lang()),
    )  # fmt: skip
    was = before.get(row.link_id)
    if row.party not in names:
        return Row(row.row_no, texts, UNKNOWN)
    if not was:
        return Row(row.row_no, texts, NEW)
    keys = ("party", "share", "valid_from", "valid_to")
    same = all(was[key] == getattr(row, key) for key in keys)
    return Row(row.row_no, texts, SAME if same else CHANGED, "" if same else str(was["party"]))


def _of_grants(store: Store, name: str, text: str) -> Preview:
    """Return what a file of grants would give."""
    made = Preview(name, text, "grants")
    names = _named(book_of(store))
    held = set(
        models.Grant.objects.using("default")
        .filter(ended_at=None)
        .values_list("user__username", "role", "party")
    )
    for number, row in enumerate(_grants_in(text), 2):
        user, role, party, _ = row
        problems = grants.problems_of(*row)
        made.problems += [_at(problem, name, number) for problem in problems]
        does = SAME if (user, role, party) in held else NEW
        made.rows.append(Row(number, row, UNKNOWN if party and party not in names else does))
    return made


def _grants_in(text: str) -> list[tuple[str, str, str, str]]:
    rows = csv.reader(io.StringIO(text))
    head = [cell.strip().lower() for cell in next(rows)]
    places = [head.index(column) for column in _GRANT]
    found = [[row[at].strip() if at < len(row) else "" for at in places] for row in rows if row]
    return [(user, role, party, reason) for user, role, party, reason in found]


def _at(problem: Problem, name: str, number: int) -> Problem:
    return Problem(problem.code, Place(name, number), problem.values)


def enter(store: Store, name: str, data: bytes, expected: str, reason: str) -> Preview:
    """Enter a file as it was looked at: all of it, or nothing. Raises Refused."""
    found = preview(store, name, data)
    place = Place(found.name)
    reason = stated(reason, place)
    if found.id != expected or not found.may_enter or found.counts[UNKNOWN]:
        raise Refused([*found.problems, Problem("bulk-unready", place)])
    if found.kind == "grants":
        _give(store.actor, [row for row in found.rows if row.does == NEW])
    else:
        store.reason = reason
        with outside_queue(), alone("entering"), tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / f"{ENTERED}{found.name}"
            path.write_text(found.text, "utf-8")
            import_file(store, path, next_moment(store))
    said = {"kind": found.kind, "rows": found.counts[NEW] + found.counts[CHANGED]}
    record_event(store.actor, "enter bulk", found.name, **said, reason=reason)
    return found


def _give(actor: str, rows: Sequence[Row]) -> None:
    """Give grants, all or none; those that take two wait for the second."""
    with transaction.atomic(using="default"):
        for row in rows:
            grants.give(actor, *row.texts)
