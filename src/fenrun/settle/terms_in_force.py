"""Terms on a day and events between two, with who brought each row: for people who ask."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

from fenrun.base.problem import Problem
from fenrun.events.as_of import events_of
from fenrun.events.rows import KEYS as EVENT_KEYS
from fenrun.settle.brought import Rows, add_who_brought
from fenrun.settle.facts import knowledge_time
from fenrun.store.facts import Store, verified
from fenrun.tables.kept import sources_of
from fenrun.terms.as_of import Terms, terms_of
from fenrun.terms.policy import Policy, read_policy
from fenrun.terms.rows import KEYS as TERMS_KEYS

_NAMING = (
    *("customer", "partner", "party", "actor", "payer", "seller", "buyer", "order"),
    *("asked_by", "decided_by", "granted_by"),
)
"""The fields by which a row names somebody or something, beside its key."""


def known_terms(store: Store, known: datetime | None = None) -> Terms:
    """Return the terms as known at a moment, or as last known. Raises Refused for edited files."""
    return terms_of(sources_of(verified(store.imports("terms", knowledge_time(store, known)))))


def known_policy(store: Store, known: datetime | None = None) -> Policy | None:
    """Return the policy as known at a moment, or as last known: the latest; None without one.

    Raises Refused for an edited file.
    """
    items = store.imports("policies", knowledge_time(store, known))
    for item in verified(items[-1:]):
        return read_policy((item.folder / "policy.yaml").read_text("utf-8"), item.source)
    return None


def terms_in_force(
    store: Store, on: date, known: datetime | None = None, about: str = ""
) -> dict[str, Rows]:
    """Return the terms that hold on a day, by table, as known at a moment or as last known.

    Each row has its `file` and who `brought` it; a step of an approval has the `state` of its
    chain. `about` leaves rows alone that name it: an id, a party, a sku.
    """
    imports = verified(store.imports("terms", knowledge_time(store, known)))
    terms = terms_of(sources_of(imports))
    states = {chain.approval: chain.state for chain in terms.chains()}
    prices = [row for rows in terms.listed().values() for row in rows]
    found = {
        "agreements": list(terms.agreements),
        "floors": list(terms.floors),
        "approvals": [row | {"state": states[row["approval"]]} for row in terms.approvals],
        "coupons": list(terms.coupons),
        "prices": prices,
    }
    for table, rows in found.items():
        rows = [row for row in rows if row["valid_from"] <= on < row["valid_to"]]
        found[table] = [row for row in rows if not about or about in _named(row, table)]
    add_who_brought(store, imports, found, TERMS_KEYS)
    return found


def events_between(
    store: Store, start: date, end: date, known: datetime | None = None, about: str = ""
) -> tuple[dict[str, Rows], list[Problem]]:
    """Return the events, payments and trades from a day up to another (UTC), by table.

    Each row has its `file` and who `brought` it. With them go the keys that decide nothing.
    """
    imports = verified(store.imports("events", knowledge_time(store, known)))
    found: dict[str, Rows] = {}
    problems: list[Problem] = []
    for table, last in events_of(sources_of(imports)).items():
        problems += last.problems
        rows = [row for row in last.rows if start <= _day(row) < end]
        named = [row for row in rows if not about or about in _named(row, table)]
        found[table] = sorted(named, key=lambda row: str(row.get("at") or row["day"]))
    add_who_brought(store, imports, found, EVENT_KEYS)
    return found, problems


def _day(row: dict[str, Any]) -> date:
    day: date = row["at"].date() if "at" in row else row["day"]
    return day


def _named(row: dict[str, Any], table: str) -> set[str]:
    """Return what a row names."""
    keys = {**TERMS_KEYS, **EVENT_KEYS}[table]
    return {str(row[name]) for name in (*keys, *_NAMING) if name in row}
