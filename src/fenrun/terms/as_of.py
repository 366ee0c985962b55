"""The terms as last known, and what is wrong with them as a whole."""

from __future__ import annotations

from collections.abc import Iterator, Sequence, Set
from dataclasses import dataclass, fields
from datetime import date
from itertools import groupby
from typing import Any

from fenrun.base.problem import Place, Problem
from fenrun.base.when import OPEN_END, span_in_words
from fenrun.tables.kept import Sources
from fenrun.tables.latest import Known, latest
from fenrun.terms.rows import KEYS

_OF_CHAIN = (
    *("kind", "customer", "partner", "covers", "grants", "amount", "currency"),
    *("valid_from", "valid_to"),
)
"""What all steps of an approval say alike."""


@dataclass(frozen=True)
class Chain:
    """An approval with all its steps, in their order: what it grants is said by each of them."""

    approval: str
    steps: Sequence[Known]

    @property
    def first(self) -> Known:
        """The first step."""
        return self.steps[0]

    @property
    def is_whole(self) -> bool:
        """True if no step is missing, and all say the same of what is granted."""
        numbers = [step["step"] for step in self.steps]
        alike = all(step[name] == self.first[name] for step in self.steps for name in _OF_CHAIN)
        return alike and numbers == list(range(1, len(numbers) + 1))

    @property
    def state(self) -> str:
        """`approved` where every step is; else `refused`, `lapsed` or `open`."""
        outcomes = {step["outcome"] for step in self.steps}
        if outcomes == {"approved"} and self.is_whole:
            return "approved"
        return next((one for one in ("refused", "lapsed") if one in outcomes), "open")


@dataclass(frozen=True)
class Terms:
    """The terms as last known: rows by the fields of their types, each with its `file`."""

    agreements: Sequence[Known]
    floors: Sequence[Known]
    approvals: Sequence[Known]
    coupons: Sequence[Known]
    prices: Sequence[Known]
    problems: Sequence[Problem]
    """Each key under which rows differ that became known at one moment."""

    def chains(self) -> list[Chain]:
        """Return the approvals, each with its steps."""
        steps = sorted(self.approvals, key=lambda step: (step["approval"], step["step"]))
        return [Chain(name, list(of)) for name, of in groupby(steps, lambda s: str(s["approval"]))]

    def listed(self) -> dict[tuple[str, str], list[Known]]:
        """Return the list prices by sku and currency, in the order of their first days.

        One without an end holds until the next begins.
        """
        found: dict[tuple[str, str], list[Known]] = {}
        for row in sorted(self.prices, key=lambda row: row["valid_from"]):
            rows = found.setdefault((row["sku"], row["currency"]), [])
            if rows and rows[-1]["valid_to"] == OPEN_END:
                rows[-1] = rows[-1] | {"valid_to": row["valid_from"]}
            rows.append(row)
        return found

    def listed_on(self, day: date) -> list[Known]:
        """Return the list prices of a day."""
        rows = (row for of_sku in self.listed().values() for row in of_sku)
        return [row for row in rows if row["valid_from"] <= day < row["valid_to"]]


def terms_of(sources: Sources) -> Terms:
    """Return the terms as last known by some sources."""
    found = {table: latest(sources, table, key) for table, key in KEYS.items()}
    problems = [problem for one in found.values() for problem in one.problems]
    return Terms(**{table: one.rows for table, one in found.items()}, problems=problems)


def problems_of(terms: Terms, parties: Set[str]) -> list[Problem]:
    """Return what is wrong with terms as a whole; `parties` are those that the book lists."""
    return [
        *terms.problems,
        *_of_chains(terms),
        *_of_prices(terms),
        *_of_coupons(terms),
        *_of_parties(terms, parties),
    ]


def _of_chains(terms: Terms) -> Iterator[Problem]:
    """Yield the approvals that say nothing certain, and those that were granted by who asked."""
    for chain in terms.chains():
        places = tuple(_place(step, "step") for step in chain.steps)
        if not chain.is_whole:
            values = {"approval": chain.approval}
            yield Problem("approval-steps", places[0], values, places[1:])
        for step in chain.steps:
            if step["outcome"] == "approved" and step["decided_by"] == step["asked_by"]:
                values = {"approval": chain.approval, "who": step["asked_by"]}
                yield Problem("approval-own", _place(step, "decided_by"), values)


def _of_prices(terms: Terms) -> Iterator[Problem]:
    """Yield the days on which something has two list prices."""
    for (sku, currency), rows in terms.listed().items():
        before = rows[0]
        for row in rows[1:]:
            end = min(before["valid_to"], row["valid_to"])
            if row["valid_from"] < end:
                span = span_in_words(row["valid_from"], end)
                values = {"sku": sku, "currency": currency, "span": span}
                also = (_place(before, "to"),)
                yield Problem("price-overlap", _place(row, "from"), values, also)
            before = max(before, row, key=lambda one: one["valid_to"])


def _of_coupons(terms: Terms) -> Iterator[Problem]:
    """Yield the coupons whose approval is not there, or is not granted."""
    states = {chain.approval: chain.state for chain in terms.chains()}
    for row in terms.coupons:
        state = states.get(row["approval"], "missing")
        if row["approval"] and state != "approved":
            values = {"coupon": row["coupon"], "approval": row["approval"]}
            code = "coupon-unapproved" if state != "missing" else "approval-unknown"
            yield Problem(code, _place(row, "approval"), values)
        before = {one["coupon"]: one for one in terms.coupons}.get(row.get("reissues") or "")
        same = ("customer", "currency")
        if row.get("reissues") and (not before or any(row[n] != before[n] for n in same)):
            values = {"coupon": row["coupon"], "before": row["reissues"]}
            yield Problem("coupon-of-another", _place(row, "reissues"), values)


def _of_parties(terms: Terms, parties: Set[str]) -> Iterator[Problem]:
    """Yield each party that terms name and the book does not list, at its first place."""
    seen: set[str] = set()
    for name in (field.name for field in fields(terms) if field.name in KEYS):
        rows: Sequence[dict[str, Any]] = getattr(terms, name)
        for row in rows:
            for column in ("customer", "partner"):
                party = row.get(column, "")
                if party and party not in parties and party not in seen:
                    seen.add(party)
                    yield Problem("party-unknown", _place(row, column), {"party": party})


def _place(row: Known, column: str) -> Place:
    return Place(row["file"], row["row_no"], column)
