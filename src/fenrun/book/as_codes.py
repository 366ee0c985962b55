"""The book on whole numbers: its rows as codes, and the links, labels and figures as last known."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Set
from dataclasses import dataclass
from decimal import Context, Decimal
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from fenrun.base.ids import AT
from fenrun.base.money import decimals
from fenrun.base.problem import Problem
from fenrun.base.table import from_rows
from fenrun.book.as_of import Sources, with_common_decimals
from fenrun.book.limits import NO_LIMITS, Limits, within_limits
from fenrun.book.rows import SETTLED, TABLES
from fenrun.engine.codes import (
    Codes,
    day_column,
    day_number,
    day_of,
    month_number,
    scaled_column,
)
from fenrun.engine.dialect import AMOUNT, NUMBER, TEXT
from fenrun.engine.runner import Runner
from fenrun.engine.steps import read_steps

STEPS = read_steps("fenrun.book")
_FEW = 1000
"""The most rows that are grouped here: to have pyarrow do it costs a process 30 ms of imports."""
_EXACT = Context(prec=100)
_LINKS = {
    "link": NUMBER,
    "of_kind": TEXT,
    "subject": NUMBER,
    "role": NUMBER,
    "party": NUMBER,
    "share": NUMBER,
    "valid_from": NUMBER,
    "valid_to": NUMBER,
    "type": NUMBER,
    "source": NUMBER,
    "row_no": NUMBER,
}
_SUBJECT = {"of_kind": TEXT, "subject": NUMBER, "role": NUMBER}
_COLUMNS = {
    "book_labels": dict.fromkeys(
        ("party", "label", "value", "source", "valid_from", "valid_to", "row_no", "known"), NUMBER
    ),
    "book_figures": dict.fromkeys(("party", "figure", "period", "currency", "source"), NUMBER)
    | {"amount": AMOUNT, "row_no": NUMBER, "known": NUMBER},
    "book_rates": dict.fromkeys(("currency", "to_currency", "period", "given_by", "source"), NUMBER)
    | {"per": TEXT, "month": NUMBER, "day": NUMBER}
    | {"rate": AMOUNT, "row_no": NUMBER, "known": NUMBER},
    "tenures": _SUBJECT | dict.fromkeys(("party", "since", "until", "previous"), NUMBER),
    "link_load": _SUBJECT | dict.fromkeys(("day", "held", "next_day"), NUMBER),
    "link_conflicts": _SUBJECT | dict.fromkeys(("valid_from", "valid_to", "held"), NUMBER),
}
"""The columns of tables that are often empty, and of steps that are left out where nothing asks."""
_OF_ACCOUNT, _OF_PARTY = ("account", "sub-account"), "party"
NAMED = ("order", "resource", "sub-account")
"""The kinds of subjects that are told apart only where the book names them."""
_WITH_ISSUER = (*_OF_ACCOUNT, "order", "resource")


@dataclass(frozen=True)
class Shares:
    """The decimals of the shares of customers, of roles, and of roles of a party; and of rates."""

    customer: int = 0
    role: int = 0
    party: int = 0
    rate: int | None = None
    """Of conversion rates; None where nothing is converted."""
    converts: bool = True
    """Whether costs are converted by them, or payments alone."""

    @property
    def of_rates(self) -> int:
        """The decimals of rates."""
        return self.rate or 0

    @property
    def of_conversion(self) -> int:
        """The decimals that a conversion adds to a cost."""
        return self.of_rates if self.converts else 0

    def of(self, kind: str) -> int:
        """Return the decimals of the shares in what stands under a kind of subject."""
        if kind in _OF_ACCOUNT:
            return self.customer
        return self.party if kind == _OF_PARTY else self.role


@dataclass(frozen=True)
class Book:
    """The rows of all sources of a book, table by table.

    Each row has its `source` and `known`, the place of its knowledge time in their order.
    """

    parties: pa.Table
    links: pa.Table
    labels: pa.Table
    figures: pa.Table
    rates: pa.Table

    parts: tuple[pa.Table, ...] = ()
    """The links source by source, as they came."""

    def held_by(self, parties: Iterable[str]) -> pa.Table:
        """Return the links that some parties hold."""
        return self._links_with("party", parties)

    def links_of(self, subjects: Iterable[str]) -> pa.Table:
        """Return the links of some subjects, whatever their kind and issuer."""
        return self._links_with("subject", subjects)

    def _links_with(self, column: str, values: Iterable[str]) -> pa.Table:
        names, before, found = set(values), 0, [self.links.slice(0, 0)]
        for part in self.parts or (self.links,):
            rows = _rows_by(Same(part), column).of(names)
            if len(rows):  # of all parts at once, Arrow puts these together first
                found.append(self.links.slice(before, part.num_rows).take(pa.array(rows)))
            before += part.num_rows
        return pa.concat_tables(found)


class Same:
    """A table, which is the same as itself alone."""

    def __init__(self, table: pa.Table):
        self.table = table

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Same) and self.table is other.table

    def __hash__(self) -> int:
        return id(self.table)


class _Rows:
    """The rows of a table by the value of a column."""

    def __init__(self, column: pa.ChunkedArray):
        coded = column.dictionary_encode().combine_chunks()
        codes = coded.indices.to_numpy()
        self._rows = np.argsort(codes, kind="stable")
        self._starts = np.searchsorted(codes[self._rows], np.arange(len(coded.dictionary) + 1))
        self._places = {value: n for n, value in enumerate(coded.dictionary.to_pylist())}

    def of(self, values: Set[str]) -> npt.NDArray[np.int64]:
        """Return the places of the rows with one of some values, in order."""
        places = [self._places[value] for value in values if value in self._places]
        none = np.empty(0, np.int64)
        parts = [self._rows[self._starts[n] : self._starts[n + 1]] for n in places]
        return np.sort(np.concatenate([none, *parts]))


@lru_cache(maxsize=64)
def _rows_by(same: Same, column: str) -> _Rows:
    """Return the rows of a table, or take up what was found of the same table."""
    return _Rows(same.table[column])


def book_of(sources: Sources) -> Book:
    """Return the book that some sources make, or that which the same tables made lately."""
    return _made_of(
        *(
            (source, known, *((name, Same(tables[name])) for name in SETTLED if name in tables))
            for source, known, tables in sources
        )
    )


@lru_cache(maxsize=8)
def _made_of(*given: tuple[Any, ...]) -> Book:
    moments = sorted({known for _, known, *_ in given})
    sources = [(source, known, dict(tables)) for source, known, *tables in given]
    found = {}
    for name in SETTLED:
        parts = [_stamped(from_rows(TABLES[name], []), "", 0)]
        parts += [
            _stamped(tables[name].table, source, moments.index(known))
            for source, known, tables in sources
            if name in tables
        ]
        found[name] = pa.concat_tables(with_common_decimals(parts))
    links = (tables["links"].table for _, _, tables in sources if "links" in tables)
    return Book(**found, parts=tuple(links))


def _stamped(table: pa.Table, source: str, known: int) -> pa.Table:
    """Add the columns `source` and `known`."""
    size = table.num_rows
    table = table.append_column("source", pa.repeat(pa.scalar(source, pa.string()), size))
    return table.append_column("known", pa.repeat(pa.scalar(known, pa.int64()), size))


def shares_of(book: Book, with_rates: bool = True, converts: bool = True) -> Shares:
    """Return the decimals that the shares of all links need, and those of rates `with_rates`.

    `converts` says whether costs are converted by them.
    """
    found = {"customer": 0, "role": 0, "party": 0}
    for row in _distinct(book.links, "of_kind", "share"):
        group = "customer" if row["of_kind"] in _OF_ACCOUNT else "role"
        group = "party" if row["of_kind"] == _OF_PARTY else group
        found[group] = max(found[group], decimals(row["share"]))
    rates = book.rates["rate"].unique().to_pylist()
    rate = max(map(decimals, rates), default=0) if with_rates else None
    return Shares(**found, rate=rate, converts=converts)


def _distinct(table: pa.Table, *names: str) -> list[dict[str, Any]]:
    """Return each tuple of some columns once."""
    found: list[dict[str, Any]]
    if table.num_rows <= _FEW:
        rows = dict.fromkeys(zip(*(table[name].to_pylist() for name in names)))
        found = [dict(zip(names, row)) for row in rows]
    else:
        found = table.select(names).group_by(list(names)).aggregate([]).to_pylist()
    return found


def subject_code(codes: Codes, issuer: str, subject: str) -> int:
    """Return the code of an account, sub-account, order or resource of an issuer."""
    return codes.of(f"{issuer}{AT}{subject}")


def issuer_and_subject(codes: Codes, code: int) -> tuple[str, str]:
    """Return the issuer and the account, sub-account, order or resource of a code."""
    issuer, _, subject = codes.texts[code].rpartition(AT)
    return issuer, subject


def named_subjects(book: Book, codes: Codes) -> list[tuple[str, str, str, int]]:
    """Return what the book names of orders, resources and sub-accounts.

    Each as its kind, issuer, id and code.
    """
    is_named = pc.is_in(book.links["of_kind"], pa.array(NAMED))
    found = _distinct(book.links.filter(is_named), "of_kind", "issuer", "subject")
    rows = sorted((row["of_kind"], row["issuer"], row["subject"]) for row in found)
    return [(kind, issuer, name, subject_code(codes, issuer, name)) for kind, issuer, name in rows]


def load_book(
    runner: Runner,
    book: Book,
    codes: Codes,
    shares: Shares,
    limits: Limits,
    figure_scale: int,
    with_tenures: bool = True,
) -> list[Problem]:
    """Make `parties`, `links`, `labels`, `figures` and `rates`; return what the limits refuse.

    Amounts of figures are whole numbers of 10 to the minus `figure_scale`. Since when a link is
    held, and who held it before, is worked out `with_tenures` alone.
    """
    runner.load_table("book_parties", _coded_parties(book.parties, codes))
    runner.load_table("book_links", _coded_links(book.links, codes, shares))
    rates = book.rates if shares.rate is not None else book.rates.slice(0, 0)
    _load(runner, "book_labels", book.labels, _coded_labels, codes)
    _load(runner, "book_figures", book.figures, _coded_figures, codes, figure_scale)
    _load(runner, "book_rates", rates, _coded_rates, codes, shares.of_rates)
    filled = {"one_of_kind": _one_of_kind(shares)}
    problems: list[Problem] = []
    left_out = set() if _may_clash(book.links) else {"link_load", "link_conflicts"}
    left_out |= set() if with_tenures else {"tenures"}
    for step in STEPS:
        if step.name in left_out:
            runner.load(step.name, _COLUMNS[step.name], [])
            continue
        if step.name == "tenures":
            parties = sorted(set(book.links["party"].to_pylist()))
            places = [(codes.of(party), place) for place, party in enumerate(parties)]
            runner.load("party_order", {"party": NUMBER, "place": NUMBER}, places)
        runner.run(step, filled)
        if step.name == "links_as_of":
            problems += _apply_limits(runner, codes, shares, limits)
    return problems


def _load(
    runner: Runner, name: str, rows: pa.Table, coded: Callable[..., pa.Table], *given: Any
) -> None:
    """Load the rows as they are coded; where there are none, as in most cases, nothing is coded."""
    if rows.num_rows:
        runner.load_table(name, coded(rows, *given))
    else:
        runner.load(name, _COLUMNS[name], [])


def _may_clash(links: pa.Table) -> bool:
    """Return whether some subject's role is given away more than once, whatever the days."""
    keys = ["of_kind", "issuer", "subject", "role"]
    if links.num_rows <= _FEW:
        given = dict[tuple[Any, ...], Decimal]()
        for *key, share in zip(*(links[name].to_pylist() for name in (*keys, "share"))):
            given[tuple(key)] = _EXACT.add(given.get(tuple(key), Decimal(0)), share or 0)
        return any(share > 1 for share in given.values())
    held = links.group_by(keys).aggregate([("share", "sum")])["share_sum"]
    most = pc.max(held).as_py()
    return most is not None and most > 1


def _one_of_kind(shares: Shares) -> str:
    """Return SQL of a whole share of the kind of subject of a link `l`."""
    customer, role, party = (10**n for n in (shares.customer, shares.role, shares.party))
    if customer == role == party:
        return str(role)
    return (
        f"CASE l.of_kind WHEN 'account' THEN {customer} WHEN 'sub-account' THEN {customer}"
        f" WHEN 'party' THEN {party} ELSE {role} END"
    )


def _coded_parties(table: pa.Table, codes: Codes) -> pa.Table:
    """Return the parties with kind and name as text: the first of two is that of the alphabet."""
    own = {"party": codes.of_column(table["party"])}
    return pa.table(own | {name: table[name] for name in ("kind", "name", "known")})


def _coded_links(table: pa.Table, codes: Codes, shares: Shares) -> pa.Table:
    kinds = table["of_kind"].combine_chunks()
    issuer, subject = table["issuer"].combine_chunks(), table["subject"].combine_chunks()
    has_issuer = pc.is_in(kinds, pa.array(_WITH_ISSUER))
    joined = pc.binary_join_element_wise(issuer, subject, AT)
    names = {name: codes.of_column(table[name]) for name in ("role", "party", "type", "source")}
    return pa.table(
        {
            "link": codes.of_column(table["link_id"]),
            "of_kind": kinds,
            "subject": codes.of_column(pc.if_else(has_issuer, joined, subject)),
            "role": names["role"],
            "party": names["party"],
            "share": _coded_shares(table, shares),
            "valid_from": day_column(table["valid_from"]),
            "valid_to": day_column(table["valid_to"]),
            "type": names["type"],
            "source": names["source"],
            "row_no": table["row_no"],
            "known": table["known"],
        }
    )


def _coded_shares(table: pa.Table, shares: Shares) -> pa.Array:
    """Return the shares as whole numbers, each of its kind's decimals."""
    kinds, given = table["of_kind"].combine_chunks(), table["share"].combine_chunks()
    found = pa.nulls(table.num_rows, pa.int64())
    for scale in {shares.customer, shares.role, shares.party}:
        of_scale = [kind for kind in pc.unique(kinds).to_pylist() if shares.of(str(kind)) == scale]
        mine = pc.is_in(kinds, pa.array(of_scale, pa.string()))
        whole = scaled_column(pc.if_else(mine, given, None), scale)
        found = pc.if_else(mine, whole.cast(pa.int64()), found)
    return found


def _coded_labels(table: pa.Table, codes: Codes) -> pa.Table:
    names = ("party", "label", "value", "source")
    return pa.table(
        {
            **{name: codes.of_column(table[name]) for name in names},
            "valid_from": day_column(table["valid_from"]),
            "valid_to": day_column(table["valid_to"]),
            "row_no": table["row_no"],
            "known": table["known"],
        }
    )


def _coded_figures(table: pa.Table, codes: Codes, scale: int) -> pa.Table:
    names = ("party", "figure", "period", "currency", "source")
    return pa.table(
        {
            **{name: codes.of_column(table[name]) for name in names},
            "amount": scaled_column(table["amount"], scale),
            "row_no": table["row_no"],
            "known": table["known"],
        }
    )


def _coded_rates(table: pa.Table, codes: Codes, scale: int) -> pa.Table:
    names = ("currency", "to_currency", "period", "given_by", "source")
    is_day = pc.equal(pc.utf8_length(table["period"]), len("2026-03-05"))
    months = [month_number(day) for day in table["valid_from"].to_pylist()]
    return pa.table(
        {
            **{name: codes.of_column(table[name]) for name in names},
            "per": pc.if_else(is_day, "day", "month"),
            "month": pa.array(months, pa.int64()),
            "day": day_column(table["valid_from"]),
            "rate": scaled_column(table["rate"], scale),
            "row_no": table["row_no"],
            "known": table["known"],
        }
    )


def _apply_limits(runner: Runner, codes: Codes, shares: Shares, limits: Limits) -> list[Problem]:
    """Take what the limits refuse out of `links_as_of`."""
    if limits == NO_LIMITS:
        return []
    found = runner.rows(f"SELECT {', '.join(_LINKS)} FROM links_as_of")
    rows = [_as_text(dict(zip(_LINKS, row)), codes) for row in found]
    kept, problems = within_limits(rows, limits, 10**shares.role)
    runner.load("links_as_of", _LINKS, [_as_codes(row, codes) for row in kept])
    return problems


def _as_text(row: dict[str, Any], codes: Codes) -> dict[str, Any]:
    """Return a row of `links_as_of` as people read it."""
    days = {name: day_of(row[name]) for name in ("valid_from", "valid_to")}
    texts = {name: codes.text(row[name]) for name in ("role", "party", "source")}
    _, subject = issuer_and_subject(codes, row["subject"])
    own = {"subject": subject, "link_id": codes.text(row["link"]), "code": row["subject"]}
    return row | days | texts | own


def _as_codes(row: dict[str, Any], codes: Codes) -> tuple[Any, ...]:
    days = {name: day_number(row[name]) for name in ("valid_from", "valid_to")}
    texts = {name: codes.of(row[name]) for name in ("role", "party", "source")}
    coded = {**row, **days, **texts, "subject": row["code"]}
    return tuple(coded[name] for name in _LINKS)
