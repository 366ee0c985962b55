"""Checks of the book as known.

Nobody holds more than the whole of a role, a label has one value, a figure is given once, and
parties are known and of the right kind.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from fenrun.base.money import show_rate
from fenrun.base.problem import Place, Problem
from fenrun.book.rows import ROLE_KINDS
from fenrun.engine.dialect import literal, literals
from fenrun.engine.port import Engine

_MOST_PLACES = 10
"""The most places that one problem names."""

_LINKS = """
SELECT c.of_kind, c.issuer, c.subject, c.role, c.held, c.valid_from, c.valid_to,
       list(l.source || '|' || l.row_no ORDER BY l.source, l.row_no) AS places
FROM link_conflicts AS c
JOIN links_as_of AS l USING (of_kind, issuer, subject, role)
WHERE l.valid_from < c.valid_to AND c.valid_from < l.valid_to
GROUP BY ALL
ORDER BY ALL"""
_LABELS = """
SELECT d.party, d.label, d.day, d.next_day,
       list(l.source || '|' || l.row_no ORDER BY l.source, l.row_no) AS places
FROM label_load AS d
JOIN labels_as_of AS l
  ON l.party = d.party AND l.label = d.label
 AND l.valid_from < d.next_day AND d.day < l.valid_to
WHERE d.held > 1
GROUP BY ALL
ORDER BY ALL"""
_FIGURES = """
SELECT party, figure, period,
       list(source || '|' || row_no ORDER BY source, row_no) AS places
FROM figures_as_of
GROUP BY ALL
HAVING count(*) > 1
ORDER BY ALL"""
_UNKNOWN = """
SELECT l.source, min(l.row_no) AS row_no, min_by(l.party, l.row_no) AS party, count(*) AS links
FROM links_as_of AS l
WHERE NOT EXISTS (SELECT 1 FROM parties AS p WHERE p.party = l.party)
GROUP BY l.source
ORDER BY l.source"""
_KINDS = """
SELECT l.party, l.role, p.kind, l.source, min(l.row_no) AS row_no
FROM links_as_of AS l
JOIN parties AS p ON p.party = l.party
WHERE {wrong}
GROUP BY ALL
ORDER BY ALL"""


def find(engine: Engine) -> list[Problem]:
    """Return all problems of the book in the engine, with every place that takes part."""
    return [
        *_links(engine),
        *_labels(engine),
        *_figures(engine),
        *_unknown_parties(engine),
        *_wrong_kinds(engine),
    ]


def _links(engine: Engine) -> Iterator[Problem]:
    """Yield the spans in which more than the whole of a role is held."""
    for row in engine.query(_LINKS).to_pylist():
        values = {
            "role": row["role"],
            "subject": f"{row['of_kind']} {row['subject']}",
            "held": show_rate(row["held"]),
            "start": row["valid_from"],
            "end": row["valid_to"],
        }
        yield _placed("link-over-100", row["places"], row["role"], values)


def _labels(engine: Engine) -> Iterator[Problem]:
    """Yield the spans in which a label has more than one value."""
    for row in engine.query(_LABELS).to_pylist():
        values = {
            "role": row["label"],
            "subject": row["party"],
            "start": row["day"],
            "end": row["next_day"],
        }
        yield _placed("label-overlap", row["places"], row["label"], values)


def _figures(engine: Engine) -> Iterator[Problem]:
    """Yield the figures that are given twice."""
    for row in engine.query(_FIGURES).to_pylist():
        values = {name: row[name] for name in ("figure", "party", "period")}
        yield _placed("figure-conflict", row["places"], row["figure"], values)


def _unknown_parties(engine: Engine) -> Iterator[Problem]:
    """Yield, for each source, the links to parties that the book does not list."""
    for row in engine.query(_UNKNOWN).to_pylist():
        place = Place(row["source"], row["row_no"], "party")
        yield Problem("party-unknown", place, {"party": row["party"]}, rows=row["links"])


def _wrong_kinds(engine: Engine) -> Iterator[Problem]:
    """Yield the parties that hold a role which is not for their kind."""
    wrong = " OR ".join(
        f"(l.role = {literal(role)} AND p.kind NOT IN ({literals(kinds)}))"
        for role, kinds in ROLE_KINDS.items()
    )
    for row in engine.query(_KINDS.format(wrong=wrong)).to_pylist():
        values = {
            "party": row["party"],
            "kind": row["kind"],
            "role": row["role"],
            "wanted": " / ".join(ROLE_KINDS[row["role"]]),
        }
        yield Problem("party-kind", Place(row["source"], row["row_no"], "party"), values)


def _placed(code: str, places: list[str], column: str, values: dict[str, Any]) -> Problem:
    """Return a problem at the first of some places, each written `source|row`."""
    found = []
    for text in places[:_MOST_PLACES]:
        source, _, row = text.rpartition("|")
        found.append(Place(source, int(row), column))
    return Problem(code, found[0], values, tuple(found[1:]))
