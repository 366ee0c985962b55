"""Verify a bundle: is it signed, is it as it was signed, is it what was sealed, and does every row follow from the facts in it?"""

from __future__ import annotations

import json
import tempfile
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa

from fenrun.base.ids import file_digest
from fenrun.base.problem import Place, Problem, Refused
from fenrun.closing.seal import climb, leaf_of
from fenrun.engine.store import Store
from fenrun.proof.bundle import FORMAT, derive, row_digests
from fenrun.proof.keys import signed_by

_MOST = 2**30
"""Bytes that a bundle may unpack to."""


@dataclass(frozen=True)
class Verified:
    """What was verified."""

    payee: str
    period: str
    public_key: str
    root: str
    rows: int
    """Rows of the statement that were derived again."""
    attested: tuple[str, ...]
    """Rows that rest on what is not the payee's to see: signed, not derived."""
    payable: Decimal
    """What the statement pays."""


def verify(path: Path, public_key: str = "", progress: Callable[[str], None] = lambda name: None) -> Verified:
    """Verify a bundle. `public_key` is the key that it must be signed with; else the one it names.

    Raises Refused with every problem found: not a bundle, not signed, edited (naming file and row), not sealed, or a row that does not follow.
    """
    with tempfile.TemporaryDirectory(prefix="fenrun-verify-") as aside:
        folder = Path(aside)
        said = _unpack(path, public_key, folder)
        problems = _edited(path, said, folder)
        if problems:
            raise Refused(problems)
        payee, rows = said["payee"], said["statement"]
        if climb(leaf_of(payee, rows), said["seal"]["path"]) != said["seal"]["root"]:
            raise Refused([Problem("bundle-seal", Place(path.name), {"root": said["seal"]["root"]})])
        progress("derive")
        derived = derive(Store(folder / "facts"), payee, said["closes"])
        problems = _differing(path, said, derived)
        if problems:
            raise Refused(problems)
    paid = [Decimal(r["paid"]) for r in rows.get("payments", [])] + [Decimal(d["amount"]) for d in rows.get("differences", []) if d["what"] == "paid"]
    count = sum(map(len, rows.values()))
    return Verified(payee, said["period"], said["public_key"], said["seal"]["root"], count - len(said["attested"]), tuple(said["attested"]), sum(paid, Decimal(0)))


def _unpack(path: Path, public_key: str, folder: Path) -> dict[str, Any]:
    try:
        with zipfile.ZipFile(path) as bundle:
            if sum(i.file_size for i in bundle.infolist()) > _MOST:
                raise ValueError("it would unpack to more than 1 GiB")
            text, signature = bundle.read("bundle.json"), bundle.read("signature")
            said = json.loads(text)
            if not signed_by(public_key or said["public_key"], signature, text):
                raise Refused([Problem("bundle-signature", Place(path.name), {"key": public_key or said["public_key"]})])
            if said["format"] != FORMAT:
                raise ValueError(f"its format is {said['format']}, not {FORMAT}")
            listed = [i.filename for i in bundle.infolist() if i.filename not in ("bundle.json", "signature")]
            if sorted(listed) != sorted(said["files"]):
                raise Refused([Problem("bundle-edited", Place(path.name), {"file": ", ".join(sorted(set(listed) ^ set(said["files"])))})])
            for name in said["files"]:
                target = folder / name
                if not target.resolve().is_relative_to(folder.resolve()):
                    raise ValueError(f"{name} leads outside")
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(bundle.read(name))
    except Refused:
        raise
    except (OSError, KeyError, TypeError, ValueError, AttributeError, EOFError, NotImplementedError, RuntimeError, zipfile.BadZipFile, *_zlib()) as error:
        raise Refused([Problem("bundle-unreadable", Place(path.name), {"detail": str(error) or type(error).__name__})]) from error
    return dict(said)


def _zlib() -> tuple[type[Exception], ...]:
    import zlib

    return (zlib.error,)


def _edited(path: Path, said: dict[str, Any], folder: Path) -> list[Problem]:
    """Files that are not what was signed; in a table, the first row that is not."""
    problems = []
    for name, expected in said["files"].items():
        if file_digest(folder / name) == expected:
            continue
        row = 0
        if name in said["rows"]:
            try:
                found = row_digests(folder / name)
            except (OSError, pa.ArrowException, ValueError):
                found = []
            signed = said["rows"][name]
            row = next((n for n, (one, other) in enumerate(zip(found, signed), 2) if one != other), min(len(found), len(signed)) + 2 if found else 0)
        problems.append(Problem("bundle-edited", Place(path.name, row, name), {"file": name}))
    return problems


def _differing(path: Path, said: dict[str, Any], derived: dict[str, list[dict[str, Any]]]) -> list[Problem]:
    """The first row of each table that does not follow from the facts."""
    problems, attested = [], set(said["attested"])
    for name in sorted(set(said["statement"]) | set(derived)):
        rows, again = said["statement"].get(name, []), derived.get(name, [])
        for number, row in enumerate(rows, 1):
            if f"{name}:{number}" not in attested and row not in again:
                near = next((r for r in again if all(r.get(k) == row.get(k) for k in ("plan_id", "month", "component", "period", "role", "form"))), {})
                differ = ", ".join(f"{k} {row[k]}, derived {near.get(k, '-')}" for k in row if near.get(k) != row[k])
                problems.append(Problem("bundle-differs", Place(path.name, number, name), {"table": name, "detail": differ}))
                break
    return problems
