"""Roles of the book that no plan reads, and that look like one that plans read."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from fenrun.base.likeness import LookAlikes, revealed
from fenrun.base.problem import Place, Problem
from fenrun.base.when import LONG_AGO, OPEN_END, Span
from fenrun.book.as_of import Sources
from fenrun.book.in_words import KnownBook
from fenrun.book.write import ended_link, in_one_line
from fenrun.plan.conditions import walk
from fenrun.plan.rows import Plan

_ALL_DAYS = Span(LONG_AGO, OPEN_END)


def mistyped_roles(
    plans: Sequence[Plan], book: Sources, days: Span = _ALL_DAYS
) -> Iterator[Problem]:
    """Yield the roles of links that hold on some days, and look like a role that plans read.

    A role that some plan reads is none of them.
    """
    read = {role for plan in plans for role in _roles_read(plan)}
    known = LookAlikes(sorted((role,) for role in read))
    named = {role for *_, tables in book for role in _roles_in(tables)}
    alike = {role: found for role in sorted(named - read) if (found := known.nearest((role,)))}
    links = KnownBook(book).links() if alike else []
    for role, ((other,), differs) in alike.items():
        held = [link for link in links if link["role"] == role and _overlaps(link, days)]
        if held:
            first = min(held, key=lambda link: (link["source"], link["row_no"], link["link_id"]))
            values = {"role": revealed(role), "other": revealed(other), "differs": differs}
            values |= {"count": len(held)}
            values |= {"withdrawn": in_one_line(ended_link(first, first["valid_from"]))}
            place = Place(first["source"], first["row_no"], "role")
            yield Problem("role-look-alike", place, values)


def _roles_read(plan: Plan) -> Iterator[str]:
    """Yield the roles by which a plan credits, rolls up, pays or decides."""
    yield from (row.role for row in plan.credit_roles)
    yield from (component.role for component in plan.components)
    for row in plan.roll_ups:
        yield from (row.role, row.to_role)
    for condition in plan.conditions:
        yield from (node[1] for node in walk(json.loads(condition.tree)) if node[0] == "held")


def _roles_in(tables: Mapping[str, pa.Table]) -> list[str]:
    """Return the roles of a source's links, but for owners of accounts."""
    found = pc.unique(tables["links"]["role"]).to_pylist() if "links" in tables else []
    return [role for role in found if role != "customer"]


def _overlaps(link: Mapping[str, Any], days: Span) -> bool:
    return bool(link["valid_from"] < days.end and days.start < link["valid_to"])
