"""What must be true of the book as known: nobody holds more than the whole, a label has one value, parties are known."""

from __future__ import annotations

from fenrun.base.money import show_rate
from fenrun.base.problem import Place, Problem
from fenrun.book.rows import ROLE_KINDS
from fenrun.engine.dialect import literal
from fenrun.engine.port import Engine

_LINKS = """
SELECT c.of_kind, c.issuer, c.subject, c.role, c.held, c.valid_from, c.valid_to, list(l.source || '|' || l.row_no ORDER BY l.source, l.row_no) AS places
FROM link_conflicts AS c JOIN links_as_of AS l USING (of_kind, issuer, subject, role)
WHERE l.valid_from < c.valid_to AND c.valid_from < l.valid_to
GROUP BY ALL ORDER BY ALL"""
_LABELS = """
SELECT d.party, d.label, d.day, d.next_day, list(l.source || '|' || l.row_no ORDER BY l.source, l.row_no) AS places
FROM label_load AS d JOIN labels_as_of AS l ON l.party = d.party AND l.label = d.label AND l.valid_from < d.next_day AND d.day < l.valid_to
WHERE d.held > 1 GROUP BY ALL ORDER BY ALL"""
_FIGURES = """
SELECT party, figure, period, list(source || '|' || row_no ORDER BY source, row_no) AS places
FROM figures_as_of GROUP BY ALL HAVING count(*) > 1 ORDER BY ALL"""
_UNKNOWN = """
SELECT l.source, min(l.row_no) AS row_no, min_by(l.party, l.row_no) AS party, count(*) AS links
FROM links_as_of AS l WHERE NOT EXISTS (SELECT 1 FROM parties AS p WHERE p.party = l.party) GROUP BY l.source ORDER BY l.source"""
_KINDS = """
SELECT l.party, l.role, p.kind, l.source, min(l.row_no) AS row_no
FROM links_as_of AS l JOIN parties AS p ON p.party = l.party WHERE {wrong} GROUP BY ALL ORDER BY ALL"""


def find(engine: Engine) -> list[Problem]:
    """All problems of the book in the engine, with every place that takes part."""
    problems = []
    for row in engine.query(_LINKS).to_pylist():
        subject = f"{row['of_kind']} {row['subject']}"
        values = {
            "role": row["role"],
            "subject": subject,
            "held": show_rate(row["held"]),
            "start": row["valid_from"],
            "end": row["valid_to"],
        }
        problems.append(_placed("link-over-100", row["places"], row["role"], values))
    for row in engine.query(_LABELS).to_pylist():
        values = {
            "role": row["label"],
            "subject": row["party"],
            "start": row["day"],
            "end": row["next_day"],
        }
        problems.append(_placed("label-overlap", row["places"], row["label"], values))
    for row in engine.query(_FIGURES).to_pylist():
        problems.append(
            _placed(
                "figure-conflict",
                row["places"],
                row["figure"],
                {k: row[k] for k in ("figure", "party", "period")},
            )
        )
    for row in engine.query(_UNKNOWN).to_pylist():
        problems.append(
            Problem(
                "party-unknown",
                Place(row["source"], row["row_no"], "party"),
                {"party": row["party"]},
                rows=row["links"],
            )
        )
    wrong = " OR ".join(
        f"(l.role = {literal(role)} AND p.kind NOT IN ({', '.join(map(literal, kinds))}))"
        for role, kinds in ROLE_KINDS.items()
    )
    for row in engine.query(_KINDS.format(wrong=wrong)).to_pylist():
        values = {
            "party": row["party"],
            "kind": row["kind"],
            "role": row["role"],
            "wanted": " / ".join(ROLE_KINDS[row["role"]]),
        }
        problems.append(Problem("party-kind", Place(row["source"], row["row_no"], "party"), values))
    return problems


def _placed(code: str, places: list[str], column: str, values: dict[str, object]) -> Problem:
    found = []
    for text in places[:10]:
        source, _, row = text.rpartition("|")
        found.append(Place(source, int(row), column))
    return Problem(code, found[0], values, tuple(found[1:]))
