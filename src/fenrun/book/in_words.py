"""The book as some sources know it, in words: for people who read it, not for settling."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from functools import cached_property
from typing import Any

import pyarrow as pa

from fenrun.base.money import decimals
from fenrun.base.problem import Refused
from fenrun.book.as_codes import book_of, issuer_and_subject, load_book, shares_of, subject_code
from fenrun.book.as_of import Sources
from fenrun.book.limits import NO_LIMITS
from fenrun.book.rows import IDENTITY_KEY
from fenrun.engine.codes import Codes, day_number, day_of, unscaled
from fenrun.engine.runner import Bulk, Runner, SQLite
from fenrun.tables.latest import latest

_MANY = 50_000
"""The links and figures from which on DuckDB is quicker than SQLite."""
_LINK = (
    "link",
    "of_kind",
    "subject",
    "role",
    "party",
    "share",
    "valid_from",
    "valid_to",
    "type",
    "source",
    "row_no",
)
_LABEL = ("party", "label", "value", "valid_from", "valid_to", "source", "row_no")
_FIGURE = ("party", "figure", "period", "amount", "currency", "source")
_RATE = ("currency", "to_currency", "period", "given_by", "rate")
_HOLDERS = """
SELECT party, sound FROM links
WHERE of_kind = ? AND subject = ? AND valid_from <= ? AND valid_to > ?"""
_OWNERS = """
SELECT of_kind, subject, party, share, valid_from, valid_to, sound FROM links
WHERE of_kind IN ('account', 'sub-account')"""

Rows = list[dict[str, Any]]


class KnownBook:
    """The facts of a book as last known: each once, withdrawn ones left out.

    A link is a row of link_id, of_kind, issuer, subject, role, party, share, valid_from, valid_to,
    type, source and row_no; a label one of party, label, value, valid_from, valid_to, source and
    row_no; a party one of party, kind and name; a figure one of party, figure, period, valid_to,
    amount, currency and source; an identity one of party, kind, value, valid_from, valid_to, source
    and row_no; a rate one of from, to, period, rate and source (who published it), as files say it.
    """

    def __init__(self, sources: Sources):
        self._sources = sources
        self._book, self._codes = book_of(sources), Codes()
        self._shares = shares_of(self._book)
        amounts = self._book.figures["amount"].unique().to_pylist()
        self._scale = max(map(decimals, amounts), default=0)
        self._runner = self._loaded()

    def _loaded(self) -> Runner:
        """Return a runner that holds the book: SQLite where it can."""
        if self._book.links.num_rows + self._book.figures.num_rows <= _MANY:
            try:
                return self._load(SQLite())
            except Refused:  # an amount that 64 bits do not hold
                self._codes = Codes()
        return self._load(Bulk())

    def _load(self, runner: Runner) -> Runner:
        codes, shares = self._codes, self._shares
        load_book(runner, self._book, codes, shares, NO_LIMITS, self._scale, with_tenures=False)
        return runner

    def names(self) -> dict[str, str]:
        """Return the names of all parties."""
        rows = self._runner.rows("SELECT party, name FROM parties")
        return {self._codes.texts[party]: name for party, name in rows}

    def parties(self) -> Rows:
        """Return all parties."""
        rows = self._runner.rows("SELECT party, kind, name FROM parties")
        return [{"party": self._codes.texts[p], "kind": kind, "name": n} for p, kind, n in rows]

    def labels(self, label: str = "") -> Rows:
        """Return all labels, or those of one name."""
        where = " WHERE label = ?" if label else ""
        values = [self._codes.of(label)] if label else []
        rows = self._runner.rows(f"SELECT {', '.join(_LABEL)} FROM labels_as_of{where}", values)
        return [self._label(dict(zip(_LABEL, row))) for row in rows]

    def _label(self, row: dict[str, Any]) -> dict[str, Any]:
        names = ("party", "label", "value", "source")
        days = {name: day_of(row[name]) for name in ("valid_from", "valid_to")}
        return row | {name: self._codes.text(row[name]) for name in names} | days

    def identities(self) -> Rows:
        """Return all identities; one given twice at once, and differently, is none."""
        found = latest(self._sources, "identities", IDENTITY_KEY).rows
        return [row | {"source": row["file"]} for row in found]

    def links(self) -> Rows:
        """Return all links."""
        return self._all_links

    @cached_property
    def _all_links(self) -> Rows:
        return self._links("1 = 1")

    def links_of(self, of_kind: str, subject: str, issuer: str = "") -> Rows:
        """Return the links of a customer, order, account, or whatever else a role is held of."""
        return self._links("of_kind = ? AND subject = ?", of_kind, self._subject(subject, issuer))

    def owners(self) -> Rows:
        """Return who owns accounts and sub-accounts, as spans in which nothing changes.

        A row is one of of_kind, issuer, subject, party, share, valid_from, valid_to and sound: not
        where more than the whole is given away.
        """
        found = []
        for row in self._runner.rows(_OWNERS):
            of_kind, code, party, share, start, end, sound = row
            issuer, subject = issuer_and_subject(self._codes, code)
            said = {"of_kind": of_kind, "issuer": issuer, "subject": subject}
            said |= {"party": self._codes.texts[party], "sound": bool(sound)}
            said |= {"share": unscaled(share, self._shares.of(of_kind))}
            found.append(said | {"valid_from": day_of(start), "valid_to": day_of(end)})
        return found

    def links_held(self, role: str, party: str) -> Rows:
        """Return the links by which a party holds a role."""
        return self._links("role = ? AND party = ?", self._codes.of(role), self._codes.of(party))

    def links_with(self, party: str) -> Rows:
        """Return the links by which a party holds anything."""
        return self._links("party = ?", self._codes.of(party))

    def holders(self, of_kind: str, issuer: str, subject: str, day: date) -> list[str | None]:
        """Return who holds something on a day, by each link: None where that gives away too much.

        Of accounts and sub-accounts that is their customer.
        """
        number = day_number(day)
        values = (of_kind, self._subject(subject, issuer), number, number)
        rows = self._runner.rows(_HOLDERS, values)
        return [self._codes.text(party) if sound else None for party, sound in rows]

    def _subject(self, subject: str, issuer: str) -> int:
        return subject_code(self._codes, issuer, subject) if issuer else self._codes.of(subject)

    def _links(self, where: str, *values: Any) -> Rows:
        sql = f"SELECT {', '.join(_LINK)} FROM links_as_of WHERE {where}"
        return [self._link(dict(zip(_LINK, row))) for row in self._runner.rows(sql, values)]

    def _link(self, row: dict[str, Any]) -> dict[str, Any]:
        issuer, subject = issuer_and_subject(self._codes, row["subject"])
        return {
            "link_id": self._codes.text(row["link"]),
            "of_kind": row["of_kind"],
            "issuer": issuer,
            "subject": subject,
            "role": self._codes.text(row["role"]),
            "party": self._codes.text(row["party"]),
            "share": unscaled(row["share"], self._shares.of(row["of_kind"])),
            "valid_from": day_of(row["valid_from"]),
            "valid_to": day_of(row["valid_to"]),
            "type": self._codes.text(row["type"]),
            "source": self._codes.text(row["source"]),
            "row_no": row["row_no"],
        }

    def figures(self, **wanted: str) -> Rows:
        """Return the figures, or those of a `party`, `figure` or `period`."""
        where = "".join(f" AND {name} = ?" for name in wanted)
        sql = f"SELECT {', '.join(_FIGURE)} FROM figures_as_of WHERE 1 = 1{where}"
        rows = self._runner.rows(sql, [self._codes.of(text) for text in wanted.values()])
        ends = self._ends()
        return [self._figure(row, ends) for row in rows]

    def _figure(self, row: Sequence[Any], ends: dict[str, date]) -> dict[str, Any]:
        found = dict(zip(_FIGURE, row))
        amount = unscaled(int(found.pop("amount")), self._scale)
        texts = {name: self._codes.texts[code] for name, code in found.items()}
        return {**texts, "amount": amount, "valid_to": ends[texts["period"]]}

    def rates(self) -> Rows:
        """Return the conversion rates."""
        rows = self._runner.rows(f"SELECT {', '.join(_RATE)} FROM rates_as_of")
        names, text = ("from", "to", "period", "source"), self._codes.text
        return [
            dict(zip(names, map(text, said))) | {"rate": unscaled(rate, self._shares.of_rates)}
            for *said, rate in rows
        ]

    def _ends(self) -> dict[str, date]:
        """Return the first day after each period that a figure is for."""
        periods = self._book.figures.select(["period", "valid_to"]).group_by(["period", "valid_to"])
        return {row["period"]: row["valid_to"] for row in periods.aggregate([]).to_pylist()}


def link_table(links: Rows) -> pa.Table:
    """Return what reports read of links as a table."""
    texts = ("link_id", "of_kind", "issuer", "subject", "role", "party", "type", "source")
    columns = {name: pa.array([link[name] for link in links], pa.string()) for name in texts}
    days = ("valid_from", "valid_to")
    return pa.table(
        columns | {day: pa.array([link[day] for link in links], pa.date32()) for day in days}
    )
