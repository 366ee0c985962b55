"""Consent of customers to partners: from events to labels of the customers, for a settlement.

A customer has consented to a partner from the day of its consent up to that of its refusal; of
several events on one day the last decides. Silence is no consent.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo

from fenrun.base.table import from_rows
from fenrun.base.when import OPEN_END
from fenrun.book.rows import Label
from fenrun.events.as_of import events_of
from fenrun.plan.conditions import CONSENTED, Tree, reads
from fenrun.plan.meaning import with_digests
from fenrun.plan.rows import Plan
from fenrun.tables.kept import Sources

KINDS = ("consent", "refusal")
_SOURCE = "events"
_KNOWN = datetime(9000, 1, 1)
"""After all that a book can say."""


def asks_consent(plans: Iterable[Plan]) -> bool:
    """Return whether some condition of plans asks whether the customer has consented."""
    trees = (json.loads(c.tree) for plan in plans for c in plan.conditions)
    return any(("term", CONSENTED) in reads(tree) for tree in trees)


def consents(sources: Sources, zone: str) -> list[Label]:
    """Return the consents as last known by some sources, as labels of customers."""
    days: dict[tuple[str, str], dict[date, str]] = {}
    for row in sorted(events_of(sources)["events"].rows, key=_moment):
        if row["kind"] in KINDS and row["customer"] and row["party"]:
            at = row["at"].replace(tzinfo=UTC).astimezone(ZoneInfo(zone)).date()
            days.setdefault((row["customer"], row["party"]), {})[at] = row["kind"]
    found = []
    for (customer, party), kinds in sorted(days.items()):
        ends = [*sorted(kinds), OPEN_END]
        found += [
            Label(customer, label_of(party), "yes", start, end, row_no=0)
            for start, end in pairwise(ends)
            if kinds[start] == "consent"
        ]
    return found


def _moment(row: Mapping[str, Any]) -> tuple[datetime, str]:
    return row["at"], row["event"]


def label_of(party: str) -> str:
    """Return the label under which a customer's consent to a party stands in a settlement."""
    return f"(consent) {party}"


def as_labels(plans: Sequence[Plan], sources: Sources) -> Sources:
    """Return the consents as a source of a book, if plans ask for any."""
    if not asks_consent(plans):
        return ()
    rows = consents(sources, plans[0].terms[0].timezone)
    return [(_SOURCE, _KNOWN, {"labels": from_rows(Label, rows)})] if rows else ()


def with_consents(plan: Plan, sources: Sources) -> Plan:
    """Return a plan that asks for consent by the parties to whom some customer has consented."""
    if not asks_consent([plan]):
        return plan
    prefix = label_of("")
    labels = consents(sources, plan.terms[0].timezone)
    parties = sorted({row.label.removeprefix(prefix) for row in labels})
    conditions = tuple(
        replace(c, tree=json.dumps(_with_parties(json.loads(c.tree), parties), ensure_ascii=False))
        for c in plan.conditions
    )
    return with_digests(replace(plan, conditions=conditions))


def _with_parties(tree: Tree, parties: Sequence[str]) -> Tree:
    if tree[0] in ("all", "any"):
        return [tree[0], [_with_parties(part, parties) for part in tree[1]]]
    if tree[0] == "not":
        return ["not", _with_parties(tree[1], parties)]
    if tree == ["term", CONSENTED]:
        return ["labelled", [[party, label_of(party)] for party in parties]]
    return tree
