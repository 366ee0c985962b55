"""The book on whole numbers: its rows as codes, and the links, labels and figures as last known."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from fenrun.base.money import decimals
from fenrun.base.problem import Problem
from fenrun.book.limits import within_limits
from fenrun.book.read import Book
from fenrun.engine.codes import Codes, day_number, day_of, scaled
from fenrun.engine.runner import AMOUNT, NUMBER, TEXT, Runner
from fenrun.engine.steps import read_steps

STEPS = read_steps("fenrun.book", "whole.sql")
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
    "tenures": _SUBJECT | dict.fromkeys(("party", "since", "until", "previous"), NUMBER),
    "link_load": _SUBJECT | dict.fromkeys(("day", "held", "next_day"), NUMBER),
    "link_conflicts": _SUBJECT,
}
"""The columns of the steps that are left out where nothing asks for them."""
_OF_ACCOUNT, _OF_PARTY = ("account", "sub-account"), "party"
_NAMED = ("order", "resource", "sub-account")
_AT = "\x1f"


@dataclass(frozen=True)
class Shares:
    """The decimals of the shares of customers, of roles, and of roles of a party."""

    customer: int = 0
    role: int = 0
    party: int = 0

    def of(self, kind: str) -> int:
        """Return the decimals of the shares in what stands under a kind of subject."""
        if kind in _OF_ACCOUNT:
            return self.customer
        return self.party if kind == _OF_PARTY else self.role


Known = Sequence[tuple[str, int, Book]]
"""Books by source: its name, when it became known (a rank will do), its rows."""


def shares_of(books: Known) -> Shares:
    """Return the decimals that the shares of all books need."""
    found = {"customer": 0, "role": 0, "party": 0}
    for link in _all_links(books):
        group = "customer" if link.of_kind in _OF_ACCOUNT else "role"
        group = "party" if link.of_kind == _OF_PARTY else group
        found[group] = max(found[group], decimals(link.share))
    return Shares(**found)


def _all_links(books: Known) -> Iterable[Any]:
    for _, _, book in books:
        yield from book.links


def subject_code(codes: Codes, issuer: str, subject: str) -> int:
    """Return the code of an account, sub-account, order or resource of an issuer."""
    return codes.of(f"{issuer}{_AT}{subject}")


def named_subjects(books: Known, codes: Codes) -> set[tuple[str, int]]:
    """Return what the books name of orders, resources and sub-accounts: kind and code."""
    return {
        (link.of_kind, subject_code(codes, link.issuer, link.subject))
        for link in _all_links(books)
        if link.of_kind in _NAMED
    }


def load_book(
    runner: Runner,
    books: Known,
    codes: Codes,
    shares: Shares,
    limits: tuple[int, int, int],
    figure_scale: int,
    with_tenures: bool = True,
) -> list[Problem]:
    """Make the tables `links`, `labels` and `figures`; return what the limits refuse.

    `limits` are the three of within_limits, in its order. Amounts of figures are whole
    numbers of 10 to the minus `figure_scale`. Since when a link is held, and who held it before, is
    worked out `with_tenures` alone.
    """
    runner.load("book_links", {**_LINKS, "known": NUMBER}, _link_rows(books, codes, shares))
    _load_labels(runner, books, codes)
    _load_figures(runner, books, codes, figure_scale)
    filled = {"one_of_kind": _one_of_kind(shares)}
    problems: list[Problem] = []
    left_out = set() if _may_clash(books, shares) else {"link_load", "link_conflicts"}
    left_out |= set() if with_tenures else {"tenures"}
    for step in STEPS:
        if step.name in left_out:
            runner.load(step.name, _COLUMNS[step.name], [])
            continue
        if step.name == "tenures":
            parties = sorted({link.party for link in _all_links(books)})
            places = [(codes.of(party), place) for place, party in enumerate(parties)]
            runner.load("party_order", {"party": NUMBER, "place": NUMBER}, places)
        runner.run(step, filled)
        if step.name == "links_as_of":
            problems += _apply_limits(runner, codes, limits)
    return problems


def _may_clash(books: Known, shares: Shares) -> bool:
    """Return whether some subject's role is given away more than once, whatever the days."""
    held: dict[tuple[str, str, str, str], int] = defaultdict(int)
    for link in _all_links(books):
        key = (link.of_kind, link.issuer, link.subject, link.role)
        held[key] += scaled(link.share, shares.of(link.of_kind))
    return any(share > 10 ** shares.of(kind) for (kind, *_), share in held.items())


def _one_of_kind(shares: Shares) -> str:
    """Return SQL of a whole share of the kind of subject of a link `l`."""
    customer, role, party = (10**n for n in (shares.customer, shares.role, shares.party))
    if customer == role == party:
        return str(role)
    return (
        f"CASE l.of_kind WHEN 'account' THEN {customer} WHEN 'sub-account' THEN {customer}"
        f" WHEN 'party' THEN {party} ELSE {role} END"
    )


def _link_rows(books: Known, codes: Codes, shares: Shares) -> Iterable[tuple[Any, ...]]:
    code = codes.of
    for source, known, book in books:
        for link in book.links:
            has_issuer = link.of_kind in (*_OF_ACCOUNT, "order", "resource")
            subject = subject_code(codes, link.issuer, link.subject)
            yield (
                code(link.link_id),
                link.of_kind,
                subject if has_issuer else code(link.subject),
                code(link.role),
                code(link.party),
                scaled(link.share, shares.of(link.of_kind)),
                day_number(link.valid_from),
                day_number(link.valid_to),
                code(link.type),
                code(source),
                link.row_no,
                known,
            )


def _load_labels(runner: Runner, books: Known, codes: Codes) -> None:
    names = ("party", "label", "value", "valid_from", "valid_to", "known")
    rows = [
        (
            codes.of(label.party),
            codes.of(label.label),
            codes.of(label.value),
            day_number(label.valid_from),
            day_number(label.valid_to),
            known,
        )
        for _, known, book in books
        for label in book.labels
    ]
    runner.load("book_labels", dict.fromkeys(names, NUMBER), rows)


def _load_figures(runner: Runner, books: Known, codes: Codes, scale: int) -> None:
    names = ("party", "figure", "period", "amount", "currency", "known")
    rows = [
        (
            codes.of(figure.party),
            codes.of(figure.figure),
            codes.of(figure.period),
            scaled(figure.amount, scale),
            codes.of(figure.currency),
            known,
        )
        for _, known, book in books
        for figure in book.figures
    ]
    runner.load("book_figures", {**dict.fromkeys(names, NUMBER), "amount": AMOUNT}, rows)


def _apply_limits(runner: Runner, codes: Codes, limits: tuple[int, int, int]) -> list[Problem]:
    """Take what the limits refuse out of `links_as_of`."""
    if not any(limits):
        return []
    found = runner.rows(f"SELECT {', '.join(_LINKS)} FROM links_as_of")
    rows = [_as_text(dict(zip(_LINKS, row)), codes) for row in found]
    kept, problems = within_limits(rows, *limits)
    runner.load("links_as_of", _LINKS, [_as_codes(row, codes) for row in kept])
    return problems


def _as_text(row: dict[str, Any], codes: Codes) -> dict[str, Any]:
    """Return a row of `links_as_of` as people read it."""
    named = str(codes.text(row["subject"])).rpartition(_AT)[2]
    days = {name: day_of(row[name]) for name in ("valid_from", "valid_to")}
    texts = {name: codes.text(row[name]) for name in ("role", "party", "source")}
    return {**row, **days, **texts, "subject": named, "link_id": codes.text(row["link"])} | {
        "code": row["subject"]
    }


def _as_codes(row: dict[str, Any], codes: Codes) -> tuple[Any, ...]:
    days = {name: day_number(row[name]) for name in ("valid_from", "valid_to")}
    texts = {name: codes.of(row[name]) for name in ("role", "party", "source")}
    coded = {**row, **days, **texts, "subject": row["code"]}
    return tuple(coded[name] for name in _LINKS)
