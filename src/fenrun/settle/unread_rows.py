"""Rows of the book, of terms and of events that could not be read: what they say counts for nobody.

A partner whose link is such a row is paid nothing for its customers. So it is open, like charges
that were kept aside, until the file comes in corrected, or somebody decides that it is so.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence, Set

from fenrun.base.ids import short
from fenrun.base.problem import ERROR, Place, Problem
from fenrun.book.as_of import sources_of
from fenrun.store.facts import Import

OF_TABLES = ("book", "terms", "events")
"""The kinds of imports whose files hold tables."""


def unread_rows(imports: Sequence[Import], left_out: Set[str]) -> Iterator[Problem]:
    """Yield each import of tables that lacks rows, unless its ids say that they are left out.

    `imports` are all of such kinds that are known, in their order.
    """
    for item in imports:
        wrong = [problem for problem in item.problems if problem.severity == ERROR]
        if wrong and item.id not in left_out and not is_corrected(item, imports):
            first = min(wrong, key=lambda problem: problem.place.row)
            rows = len({(problem.place.column, problem.place.row) for problem in wrong})
            values = {"count": rows, "id": short(item.id), "file": item.source}
            yield Problem("rows-unread", Place(item.source, first.place.row), values)


def is_corrected(item: Import, imports: Sequence[Import]) -> bool:
    """Return whether a later import is the same file, corrected: of its name, with a row of it."""
    same = [
        other
        for other in imports
        if (other.kind, other.source) == (item.kind, item.source) and other.seq > item.seq
    ]
    return bool(same) and any(_rows(item) & _rows(other) for other in same)


def _rows(item: Import) -> set[tuple[str, str]]:
    """Return the rows of an import of tables, each as text with the name of its table."""
    ((_, _, tables),) = sources_of([item])
    return {(name, str(row)) for name, table in tables.items() for row in table.to_pylist()}
