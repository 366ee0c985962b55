"""What a close seals: the rows of every statement, under a Merkle tree. One root stands for all of them, and a short path ties one to it."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import date
from decimal import Decimal
from typing import Any

from fenrun.base.ids import digest
from fenrun.base.money import plain
from fenrun.statement.run import Run

Rows = dict[str, list[dict[str, Any]]]
"""Rows by table."""
_SIGNED_OFF = {
    "credits": "SELECT payee, plan_id, month, role, kind, credited, CAST(charges AS BIGINT) AS charges FROM statement_credits WHERE (? = '' OR payee = ?) AND month >= ? AND month < ? ORDER BY ALL",
    "lines": "SELECT payee, plan_id, month, component, period, role, currency, measured, reason, detail, earned FROM statement_lines WHERE (? = '' OR payee = ?) AND month >= ? AND month < ? ORDER BY ALL",
    "payouts": "SELECT payee, plan_id, month, due, brought, expired, drawn, recovered, balance, paid, carried FROM payouts WHERE (? = '' OR payee = ?) AND month >= ? AND month < ? ORDER BY ALL",
    "payments": "SELECT payee, plan_id, month, form, amount, paid FROM payments WHERE (? = '' OR payee = ?) AND month >= ? AND month < ? ORDER BY ALL",
}
"""What of a run is sealed: what is credited, earned, due and paid, with reasons."""
Path = list[tuple[str, str]]
"""Steps from a leaf to the root: on which side the other hash stands (`left` or `right`), and the hash."""


def signed_off_rows(run: Run, payee: str = "") -> dict[str, Rows]:
    """What is sealed of each payee's statement (or of one's), by table; amounts are exact text, payees in order."""
    found: dict[str, Rows] = {}
    for name, sql in _SIGNED_OFF.items():
        for row in run.engine.query(
            sql, [payee, payee, run.period.span.start, run.period.span.end]
        ).to_pylist():
            found.setdefault(row.pop("payee"), {}).setdefault(name, []).append(
                {k: _text(v) for k, v in row.items()}
            )
    for d in run.booked:
        if payee in ("", d.payee):
            found.setdefault(d.payee, {}).setdefault("differences", []).append(d.as_json())
    return dict(sorted(found.items()))


def _text(value: Any) -> Any:
    return (
        plain(value)
        if isinstance(value, Decimal)
        else str(value)[:7]
        if isinstance(value, date)
        else value
    )


def leaf_of(payee: str, chain: Sequence[Sequence[str]], rows: Rows) -> str:
    """The leaf of a statement: a hash over its rows, and over period and moment of each close up to its own, as canonical JSON."""
    return digest("statement", payee, chain, rows)


def _pair(left: str, right: str) -> str:
    return hashlib.sha256(b"\x01" + bytes.fromhex(left) + bytes.fromhex(right)).hexdigest()


def root_of(leaves: Sequence[str]) -> str:
    """The root over leaves in order; a level with an odd end hands its last up as it is."""
    level = list(leaves) or [digest("empty")]
    while len(level) > 1:
        level = [
            _pair(*level[n : n + 2]) if n + 1 < len(level) else level[n]
            for n in range(0, len(level), 2)
        ]
    return level[0]


def path_of(leaves: Sequence[str], index: int) -> Path:
    """The path from one of the leaves to the root."""
    level, path = list(leaves), Path()
    while len(level) > 1:
        other = index ^ 1
        if other < len(level):
            path.append(("left" if other < index else "right", level[other]))
        level = [
            _pair(*level[n : n + 2]) if n + 1 < len(level) else level[n]
            for n in range(0, len(level), 2)
        ]
        index //= 2
    return path


def climb(leaf: str, path: Sequence[Sequence[str]]) -> str:
    """The root that a leaf and its path lead to."""
    for side, other in path:
        leaf = _pair(other, leaf) if side == "left" else _pair(leaf, other)
    return leaf
