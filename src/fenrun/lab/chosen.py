"""The book as last known, row by row, and the parties of it that a patch is about."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from fenrun.base.when import Period
from fenrun.book.as_of import Sources
from fenrun.book.rows import TABLES
from fenrun.lab.scenario_text import ChosenText, SpendText
from fenrun.plan.conditions import Tree, parse

Spend = Callable[[Period], dict[str, Decimal]]
"""Returns what is charged to each customer in some months."""
IDENTITIES = {
    "parties": ("party",),
    "links": ("link_id",),
    "labels": ("party", "label", "valid_from"),
    "figures": ("party", "figure", "period"),
    "rates": ("currency", "to_currency", "period"),
}
"""The tables that a scenario can change, with the fields by which a later row replaces another."""
Key = tuple[Any, ...]


@dataclass
class BookRows:
    """The rows of a book, as last known, that can be changed: later rows replace earlier ones."""

    rows: dict[str, dict[Key, Any]] = field(default_factory=lambda: {n: {} for n in IDENTITIES})
    """By table, each row by its identity."""
    changed: dict[str, dict[Key, Any]] = field(default_factory=lambda: {n: {} for n in IDENTITIES})
    """Those that were entered."""

    def as_known(self) -> BookRows:
        """Return the rows in a book of their own, of which none is changed yet."""
        return BookRows({name: dict(rows) for name, rows in self.rows.items()})

    def enter(self, table: str, row: Any) -> None:
        """Enter a row in the place of one with its identity."""
        key = _key(table, row)
        self.rows[table][key] = self.changed[table][key] = row

    def of(self, table: str) -> list[Any]:
        """Return the rows of a table."""
        return list(self.rows[table].values())

    def labels(self, day: date) -> dict[str, dict[str, str]]:
        """Return the labels of each party on a day; of one with several values none."""
        found: dict[tuple[str, str], set[str]] = {}
        for row in self.of("labels"):
            if row.valid_from <= day < row.valid_to:
                found.setdefault((row.party, row.label), set()).add(row.value)
        said: dict[str, dict[str, str]] = {}
        for (party, label), values in found.items():
            if len(values) == 1:
                said.setdefault(party, {})[label] = values.pop()
        return said


def book_rows(sources: Sources) -> BookRows:
    """Return the rows of some sources as last known."""
    found = BookRows()
    in_order = sorted(enumerate(sources), key=lambda one: (one[1][1], one[0]))
    for _, (_, _, tables) in in_order:
        for name in IDENTITIES.keys() & tables.keys():
            for row in tables[name].to_pylist():
                one = TABLES[name](**row)
                found.rows[name][_key(name, one)] = one
    return found


def _key(table: str, row: Any) -> Key:
    return tuple(getattr(row, name) for name in IDENTITIES[table])


class Chooser:
    """Chooses parties by what is, before anything of a scenario."""

    def __init__(self, sources: Sources, spend: Spend):
        self.book = book_rows(sources)
        self._spend = spend
        self._known: dict[tuple[datetime | date, ...], dict[str, Decimal]] = {}

    def choose(self, text: ChosenText | None, day: date, kinds: Iterable[str] = ()) -> set[str]:
        """Return the parties that are meant, of some kinds where these are given."""
        wanted = set(kinds)
        listed = {
            row.party: row.kind
            for row in self.book.of("parties")
            if not wanted or row.kind in wanted
        }
        if text is None:
            return set(listed)
        found = set(listed) if text.parties is None else set(text.parties)
        if text.where is not None:
            tree, labels = parse(text.where, "party"), self.book.labels(day)
            found = {
                party
                for party in found
                if meets(
                    tree,
                    {**labels.get(party, {}), "party": party, "kind": listed.get(party, "")},
                )
            }
        if text.spend is not None:
            found = {party for party in found if listed.get(party) == "customer"}
            found &= self._spending(text.spend, found)
        return found

    def _spending(self, text: SpendText, parties: Iterable[str]) -> set[str]:
        """Return those of some parties who spent as much as is said."""
        span = text.within.span
        key = (span.start, span.end)
        if key not in self._known:
            self._known[key] = self._spend(text.within)
        spent = self._known[key]
        return {
            party
            for party in parties
            if (text.least is None or spent.get(party, Decimal(0)) >= text.least)
            and (text.below is None or spent.get(party, Decimal(0)) < text.below)
        }


def meets(tree: Tree, labels: dict[str, str]) -> bool:
    """Return whether a condition on the labels of a party holds."""
    kind = tree[0]
    if kind == "all":
        return all(meets(part, labels) for part in tree[1])
    if kind == "any":
        return any(meets(part, labels) for part in tree[1])
    if kind == "not":
        return not meets(tree[1], labels)
    value = labels.get(tree[1])
    if kind == "missing":
        return value is None
    if kind == "starts":
        return value is not None and value.startswith(tree[2])
    return value in tree[2]
