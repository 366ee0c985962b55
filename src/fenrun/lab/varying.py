"""The components of a plan that variants of it change: all others earn the same in every variant.

Where components do not depend on each other, those that no variant changes are settled once.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator, Sequence, Set
from dataclasses import fields, replace
from functools import cache
from typing import Any, cast

from fenrun.plan.check.limits import depends_on_others
from fenrun.plan.rows import ROW_TYPES, Plan

_OF_TABLES = ("columns", "bands")
_OF_COMPONENTS = ("exclusions", "weights", "gates", "less", "paid_apart")
"""Those of a plan's tables whose rows name their component."""
_SHARED = sorted({*ROW_TYPES} - {*_OF_TABLES, *_OF_COMPONENTS, "components", "rules"})
"""Those that hold for all components. Rules are words alone."""


def varying(plan: Plan, others: Iterable[Plan]) -> frozenset[str]:
    """Return the components that earn otherwise in some variants of a plan, as far as text says.

    All of them, where one depends on another, or what holds for all is otherwise.
    """
    shared, parts = _shared(plan), _of_each(plan)
    found = set()
    for other in others:
        theirs = _of_each(other)
        if not (_is_apart(plan) and _is_apart(other) and shared == _shared(other)):
            return frozenset(parts.keys() | theirs.keys())
        found |= {
            name for name in parts.keys() | theirs.keys() if parts.get(name) != theirs.get(name)
        }
    return frozenset(found)


def only(plan: Plan, names: Set[str]) -> Plan:
    """Return a plan with some of its components alone."""
    components = tuple(c for c in plan.components if c.rule_id in names)
    tables = {table for c in components for table in (c.table_id, c.times_table)}
    changed: dict[str, Any] = {"components": components}
    for name in _OF_TABLES:
        changed[name] = tuple(row for row in getattr(plan, name) if row.table_id in tables)
    for name in _OF_COMPONENTS:
        rows = getattr(plan, name)
        changed[name] = tuple(row for row in rows if row.component in ("", *names))
    return replace(plan, **changed)


def _is_apart(plan: Plan) -> bool:
    """Return whether no component depends on what another one measures or earns."""
    of_others = (c.pays_on == "earned" or depends_on_others(plan, c) for c in plan.components)
    return not plan.groups and not any(of_others)


def _shared(plan: Plan) -> list[Any]:
    """Return what a plan says for all of its components."""
    found = [_said(getattr(plan, name)) for name in _SHARED]
    for name in _OF_COMPONENTS:
        found.append(_said([row for row in getattr(plan, name) if not row.component]))
    return found


def _of_each(plan: Plan) -> dict[str, Any]:
    """Return what a plan says of each component."""
    return {c.rule_id: list(_part(plan, c.rule_id)) for c in plan.components}


def _part(plan: Plan, name: str) -> Iterator[Any]:
    for c in (c for c in plan.components if c.rule_id == name):
        yield _said([c])
        for kind in _OF_TABLES:
            rows = getattr(plan, kind)
            yield _said([row for row in rows if row.table_id in (c.table_id, c.times_table)])
    for kind in _OF_COMPONENTS:
        yield _said([row for row in getattr(plan, kind) if row.component == name])


def _said(rows: Sequence[Any]) -> list[tuple[Any, ...]]:
    """Return rows without the lines on which they stand."""
    return [
        tuple(getattr(row, name) for name in _fields(cast(Hashable, type(row)))) for row in rows
    ]


@cache
def _fields(kind: Hashable) -> tuple[str, ...]:
    return tuple(field.name for field in fields(cast(Any, kind)) if field.name != "line")
