"""The sign-off hash of a close: the rows of every statement under a Merkle tree.

One root stands for all statements, and a short path ties one of them to it.
"""

from __future__ import annotations

import hashlib
import json
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

from fenrun.base.ids import digest
from fenrun.base.money import plain
from fenrun.statement.run import Run

Rows = dict[str, list[dict[str, Any]]]
"""Rows by table."""
Path = list[tuple[str, str]]
"""Steps from a leaf to the root: the side of the other hash (`left` or `right`), and the hash."""
_SALT = 16
"""Bytes of a salt: more than anybody can try."""
_SIGNED_OFF = {
    "credits": (
        "statement_credits",
        "plan_id, month, role, kind, credited, CAST(charges AS BIGINT) AS charges",
    ),
    "lines": (
        "statement_lines",
        "plan_id, month, component, period, role, currency, measured, reason, detail, earned",
    ),
    "payouts": (
        "payouts",
        "plan_id, month, due, brought, expired, drawn, recovered, balance, paid, carried",
    ),
    "payments": ("payments", "plan_id, month, form, amount, paid"),
    "exchanges": ("exchanges", "plan_id, month, form, currency, rate, given_by, amount, paid"),
    "funds": (
        "funds",
        "plan_id, month, form, brought, accrued, over, claimed, granted, lapsed, balance",
    ),
}
"""What of a run is signed off, by name: the table, and its columns. Credited, earned, due, paid,
kept."""
_ROWS = """
SELECT payee, {columns}
FROM {table}
WHERE (? = '' OR payee = ?) AND month >= ? AND month < ?
ORDER BY ALL"""


def signed_off_rows(run: Run, payee: str = "") -> dict[str, Rows]:
    """Return the rows of each payee's statement (or of one's) that are signed off, by table.

    Amounts are exact text, payees in order.
    """
    span = run.period.span
    found: dict[str, Rows] = {}
    there = {n: of for n, of in _SIGNED_OFF.items() if not run.engine.is_empty(of[0])}
    for name, (table, columns) in there.items():
        sql = _ROWS.format(columns=columns, table=table)
        for row in run.engine.rows(sql, [payee, payee, span.start, span.end]):
            rows = found.setdefault(row.pop("payee"), {}).setdefault(name, [])
            rows.append({column: _text(value) for column, value in row.items()})
    for difference in run.booked:
        if payee in ("", difference.payee):
            rows = found.setdefault(difference.payee, {}).setdefault("differences", [])
            rows.append(difference.as_json())
    return dict(sorted(found.items()))


def _text(value: Any) -> Any:
    if isinstance(value, Decimal):
        return plain(value)
    return str(value)[:7] if isinstance(value, date) else value


@dataclass(frozen=True)
class Leaf:
    """A statement's leaf, and the salt that only its payee is told.

    Without a salt, who guesses a neighbour's statement would find its leaf beside the own one.
    """

    hash: str
    salt: str


def salted_leaves(
    chain: Sequence[Sequence[str]], statements: Mapping[str, Rows]
) -> dict[str, Leaf]:
    """Return the leaf of each payee's statement, with a new salt, in the order of the hashes.

    So where a statement stands among others says nothing either.
    """
    salts = {payee: secrets.token_hex(_SALT) for payee in statements}
    leaves = {
        payee: Leaf(leaf_of(payee, chain, rows, salts[payee]), salts[payee])
        for payee, rows in statements.items()
    }
    return dict(sorted(leaves.items(), key=lambda item: item[1].hash))


def leaf_of(payee: str, chain: Sequence[Sequence[str]], rows: Rows, salt: str) -> str:
    """Return the leaf of a statement.

    It is a hash over its salt, its rows, and period and moment of each close up to its own, as
    canonical JSON. Closes of long ago have no salt.
    """
    return digest("statement", *([salt] if salt else []), payee, chain, rows)


def hashes_of(leaves: Mapping[str, Leaf]) -> list[str]:
    """Return the hashes of leaves, in their order."""
    return [leaf.hash for leaf in leaves.values()]


def leaves_text(leaves: Mapping[str, Leaf]) -> str:
    """Return the leaves as a close keeps them: JSON of hash and salt by payee."""
    kept = {payee: [leaf.hash, leaf.salt] for payee, leaf in leaves.items()}
    return json.dumps(kept, ensure_ascii=False, indent=0) + "\n"


def read_leaves(text: str) -> dict[str, Leaf]:
    """Return the leaves that a close keeps; of closes of long ago, which kept no salts, too."""
    return {
        payee: Leaf(kept, "") if isinstance(kept, str) else Leaf(*kept)
        for payee, kept in json.loads(text).items()
    }


def _pair(left: str, right: str) -> str:
    return hashlib.sha256(b"\x01" + bytes.fromhex(left) + bytes.fromhex(right)).hexdigest()


def _level_above(level: list[str]) -> list[str]:
    """Return the hashes of the pairs of a level; an odd one at the end is handed up as it is."""
    pairs = [_pair(*level[n : n + 2]) for n in range(0, len(level) - 1, 2)]
    return pairs + level[len(pairs) * 2 :]


def root_of(leaves: Sequence[str]) -> str:
    """Return the root over leaves in order."""
    level = list(leaves) or [digest("empty")]
    while len(level) > 1:
        level = _level_above(level)
    return level[0]


def path_of(leaves: Sequence[str], index: int) -> Path:
    """Return the path from one of the leaves to the root."""
    level, path = list(leaves), Path()
    while len(level) > 1:
        other = index ^ 1
        if other < len(level):
            path.append(("left" if other < index else "right", level[other]))
        level = _level_above(level)
        index //= 2
    return path


def climb(leaf: str, path: Sequence[Sequence[str]]) -> str:
    """Return the root that a leaf and its path lead to."""
    for side, other in path:
        leaf = _pair(other, leaf) if side == "left" else _pair(leaf, other)
    return leaf
