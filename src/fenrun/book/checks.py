"""Checks of the book as known.

Nobody holds more than the whole of a role, a label has one value, a figure or rate is given once,
and parties are known and of the right kind.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Any

from fenrun.base.money import decimals, show_rate
from fenrun.base.problem import Place, Problem
from fenrun.base.when import span_in_words
from fenrun.base.words import Message
from fenrun.book.as_codes import Shares, book_of, issuer_and_subject, load_book, shares_of
from fenrun.book.as_of import Sources
from fenrun.book.limits import NO_LIMITS
from fenrun.book.rows import ROLE_KINDS
from fenrun.book.write import ended_link, in_one_line
from fenrun.engine.codes import Codes, day_of, unscaled
from fenrun.engine.dialect import literals
from fenrun.engine.runner import Runner, SQLite

_MOST_PLACES = 10
"""The most places that one problem names."""

_LINKS = """
SELECT c.of_kind, c.subject, c.role, c.held, c.valid_from, c.valid_to,
       l.link, l.party, l.share, l.valid_from, l.valid_to, l.type,
       (SELECT max(b.known) FROM book_links AS b WHERE b.link = l.link) AS known,
       l.source, l.row_no
FROM link_conflicts AS c
JOIN links_as_of AS l ON l.of_kind = c.of_kind AND l.subject = c.subject AND l.role = c.role
WHERE l.valid_from < c.valid_to AND c.valid_from < l.valid_to"""
_OF_LINK = ("link", "party", "share", "valid_from", "valid_to", "type", "known", "source", "row_no")
_LABELS = """
SELECT d.party, d.label, d.day, d.next_day, l.value, l.valid_from, l.valid_to,
       (SELECT max(b.known) FROM book_labels AS b
        WHERE b.party = l.party AND b.label = l.label AND b.valid_from = l.valid_from) AS known,
       l.source, l.row_no
FROM label_load AS d
JOIN labels_as_of AS l
  ON l.party = d.party AND l.label = d.label
 AND l.valid_from < d.next_day AND d.day < l.valid_to
WHERE d.held > 1"""
_OF_LABEL = ("value", "valid_from", "valid_to", "known", "source", "row_no")
_TEXTS = {"link", "party", "type", "value", "source"}
"""The columns of claims that are codes of texts."""
_FIGURES = """
SELECT f.party, f.figure, f.period, f.source, f.row_no
FROM figures_as_of AS f
JOIN (SELECT party, figure, period
      FROM figures_as_of
      GROUP BY party, figure, period
      HAVING count(*) > 1) AS d
  ON d.party = f.party AND d.figure = f.figure AND d.period = f.period"""
_RATES = """
SELECT r.currency, r.to_currency, r.period, r.source, r.row_no
FROM rates_as_of AS r
JOIN (SELECT currency, to_currency, period
      FROM rates_as_of
      GROUP BY currency, to_currency, period
      HAVING count(*) > 1) AS d
  ON d.currency = r.currency AND d.to_currency = r.to_currency AND d.period = r.period"""
_UNKNOWN = """
SELECT l.source, min(l.row_no) AS row_no, min_by(l.party, l.row_no) AS party, count(*) AS links
FROM links_as_of AS l
WHERE NOT EXISTS (SELECT 1 FROM parties AS p WHERE p.party = l.party)
GROUP BY l.source"""
_KINDS = """
SELECT l.party, l.role, p.kind, l.source, min(l.row_no) AS row_no
FROM links_as_of AS l
JOIN parties AS p ON p.party = l.party
WHERE {wrong}
GROUP BY l.party, l.role, p.kind, l.source"""


def problems_of(sources: Sources, first_come: bool = False) -> list[Problem]:
    """Return all problems of the book that some sources make.

    `first_come`, of two claims the earlier holds, and that is no problem of the book.
    """
    runner, codes, book = SQLite(), Codes(), book_of(sources)
    shares = shares_of(book)
    scale = max(map(decimals, book.figures["amount"].unique().to_pylist()), default=0)
    limits = replace(NO_LIMITS, first_come=first_come)
    load_book(runner, book, codes, shares, limits, scale, with_tenures=False)
    return find(runner, codes, shares)


def find(runner: Runner, codes: Codes, shares: Shares) -> list[Problem]:
    """Return all problems of the book in the runner, with every place that takes part."""
    return [
        *_links(runner, codes, shares),
        *_labels(runner, codes),
        *_figures(runner, codes),
        *_rates(runner, codes),
        *_unknown_parties(runner, codes),
        *_wrong_kinds(runner, codes),
    ]


def _links(runner: Runner, codes: Codes, shares: Shares) -> Iterator[Problem]:
    """Yield the spans in which more than the whole of a role is held, with who holds it by what."""
    for key, claims in _claims(runner.rows(_LINKS), _OF_LINK, codes):
        kind, subject, role, held, start, end = key
        issuer, name = issuer_and_subject(codes, subject)
        first, second = claims[0], claims[1]
        link = first | {
            "of_kind": kind,
            "issuer": issuer,
            "subject": name,
            "role": codes.text(role),
            "share": unscaled(first["share"], shares.of(kind)),
            "link_id": first["link"],
        }
        values = {
            "role": codes.text(role),
            "subject": f"{kind} {name}",
            "held": show_rate(unscaled(held, shares.of(kind)) or Decimal(0)),
            **_days(start, end),
            "first": _in_words(first, first["party"]),
            "second": _in_words(second, second["party"]),
            "ended": in_one_line(ended_link(link, max(second["valid_from"], day_of(start)))),
        }
        yield _placed("link-over-100", _places(claims), str(codes.text(role)), values)


def _labels(runner: Runner, codes: Codes) -> Iterator[Problem]:
    """Yield the spans in which a label has more than one value."""
    for (party, label, start, end), claims in _claims(runner.rows(_LABELS), _OF_LABEL, codes):
        values = {
            "role": codes.text(label),
            "subject": codes.text(party),
            **_days(start, end),
            "first": _in_words(claims[0], claims[0]["value"]),
            "second": _in_words(claims[1], claims[1]["value"]),
        }
        yield _placed("label-overlap", _places(claims), str(codes.text(label)), values)


def _claims(
    rows: Iterable[tuple[Any, ...]], names: Sequence[str], codes: Codes
) -> Iterator[tuple[tuple[Any, ...], list[dict[str, Any]]]]:
    """Yield what is claimed more than once, each with its claims as people read them, oldest first.

    A row says what is claimed, then one claim by the columns named.
    """
    found: dict[tuple[Any, ...], list[dict[str, Any]]] = defaultdict(list)
    for row in rows:
        claim = dict(zip(names, row[-len(names) :]))
        for name in _TEXTS & claim.keys():
            claim[name] = codes.text(claim[name])
        claim |= {name: day_of(claim[name]) for name in ("valid_from", "valid_to")}
        found[row[: -len(names)]].append(claim)
    for key in sorted(found, key=str):
        yield key, sorted(found[key], key=lambda c: (c["known"], c["source"], c["row_no"]))


def _days(start: int, end: int) -> dict[str, Any]:
    first, after = day_of(start), day_of(end)
    return {"start": first, "end": after, "span": span_in_words(first, after)}


def _places(claims: Sequence[dict[str, Any]]) -> list[tuple[str, int]]:
    return sorted((claim["source"], claim["row_no"]) for claim in claims)


def _in_words(claim: dict[str, Any], what: str) -> Message:
    """Return a claim: to whom or what, on which days, and where it stands."""
    span = span_in_words(claim["valid_from"], claim["valid_to"])
    place = Place(claim["source"], claim["row_no"])
    return Message("book-claim", {"what": what, "span": span, "place": str(place)})


def _figures(runner: Runner, codes: Codes) -> Iterator[Problem]:
    """Yield the figures that are given twice."""
    for (party, figure, period), places in _by_place(runner.rows(_FIGURES), codes):
        names = {"figure": figure, "party": party, "period": period}
        values = {name: codes.text(code) for name, code in names.items()}
        yield _placed("figure-conflict", places, str(codes.text(figure)), values)


def _rates(runner: Runner, codes: Codes) -> Iterator[Problem]:
    """Yield the rates that are given twice."""
    for (currency, into, period), places in _by_place(runner.rows(_RATES), codes):
        names = {"currency": currency, "into": into, "period": period}
        values = {name: codes.text(code) for name, code in names.items()}
        yield _placed("rate-conflict", places, "rate", values)


def _unknown_parties(runner: Runner, codes: Codes) -> Iterator[Problem]:
    """Yield, for each source, the links to parties that the book does not list."""
    for source, row_no, party, links in runner.rows(_UNKNOWN):
        place = Place(str(codes.text(source)), row_no, "party")
        yield Problem("party-unknown", place, {"party": codes.text(party)}, rows=links)


def _wrong_kinds(runner: Runner, codes: Codes) -> Iterator[Problem]:
    """Yield the parties that hold a role which is not for their kind."""
    wrong = " OR ".join(
        f"(l.role = {codes.of(role)} AND p.kind NOT IN ({literals(kinds)}))"
        for role, kinds in ROLE_KINDS.items()
    )
    for party, role, kind, source, row_no in runner.rows(_KINDS.format(wrong=wrong)):
        values = {
            "party": codes.text(party),
            "kind": kind,
            "role": codes.text(role),
            "wanted": " / ".join(ROLE_KINDS[str(codes.text(role))]),
        }
        yield Problem("party-kind", Place(str(codes.text(source)), row_no, "party"), values)


def _by_place(
    rows: Iterable[tuple[Any, ...]], codes: Codes
) -> Iterator[tuple[tuple[Any, ...], list[tuple[str, int]]]]:
    """Yield what rows say besides their last two columns, once each, with all places of it."""
    found: dict[tuple[Any, ...], list[tuple[str, int]]] = defaultdict(list)
    for *said, source, row_no in rows:
        found[tuple(said)].append((str(codes.text(source)), row_no))
    for key in sorted(found, key=str):
        yield key, sorted(found[key])


def _placed(
    code: str, places: list[tuple[str, int]], column: str, values: dict[str, Any]
) -> Problem:
    """Return a problem at the first of some places, each a source and a row."""
    found = [Place(source, row, column) for source, row in places[:_MOST_PLACES]]
    return Problem(code, found[0], values, tuple(found[1:]))
