"""Verify a bundle: is it as it was signed and signed off, and does it follow from its facts?"""

from __future__ import annotations

import io
import json
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa

from fenrun.base.bounds import refuse_swollen
from fenrun.base.ids import file_digest, fingerprint
from fenrun.base.money import sums_of
from fenrun.base.problem import Place, Problem, Refused
from fenrun.charges.stored import read_charges
from fenrun.closing.heads import read_head
from fenrun.closing.keys import signed_by
from fenrun.closing.sign_off import Rows, climb, leaf_of
from fenrun.proof.attested import differing
from fenrun.proof.bundle import FORMAT, derive, plans_of, row_digests, write_archive
from fenrun.proof.payee_extract import charge_facts
from fenrun.settle.settling import WORKING_DECIMALS
from fenrun.statement.run import Rounding
from fenrun.store.facts import Store

_MOST = 2**30
"""Bytes that a bundle may unpack to."""


@dataclass(frozen=True)
class Verified:
    """A bundle that was verified."""

    payee: str
    period: str
    public_key: str
    """What it is signed with."""
    is_vouched: bool
    """Whether that is a key which the reader was given by another way."""
    signer: str
    """Whose key it is, as the bundle says."""
    trust: str
    """Address of a page that shows the key, as the bundle says; it is not asked."""
    root: str
    """Sign-off hash of the close."""
    closed_at: str
    """When it was closed (UTC), as the bundle says."""
    known: str
    """Knowledge time of the close."""
    seq: int
    """The row of the signer's log that wrote the close."""
    log_hash: str
    """The hash of that row."""
    rows: int
    """Rows of the statement that were derived again."""
    attested: tuple[str, ...]
    """Rows that rest on what is not the payee's to see, each with the clause by which it does:
    signed, not derived."""
    payable: dict[str, Decimal]
    """What the statement pays, by currency."""


def verify(
    path: Path,
    vouched: Sequence[str] = (),
    progress: Callable[[str], None] = lambda name: None,
) -> Verified:
    """Verify a bundle. It must be signed with a key of one of the `vouched` fingerprints.

    Without any it may be signed with whichever key it names, and that nobody has vouched for.
    Raises Refused with every problem found: not a bundle, not signed, edited (naming file and row),
    not signed off, or a row that does not follow.
    """
    with tempfile.TemporaryDirectory(prefix="fenrun-verify-") as scratch:
        folder = Path(scratch)
        said = _unpack(path, vouched, folder)
        problems = _edited(path, said, folder) or _repacked(path, said)
        if problems:
            raise Refused(problems)
        try:
            return _follow(path, said | {"is_vouched": bool(vouched)}, folder, progress)
        except Refused:
            raise
        except Exception as error:
            # Whoever signed it may have signed anything.
            detail = f"{type(error).__name__}: {error}"
            raise _unreadable(path, detail) from error


def _unreadable(path: Path, detail: str) -> Refused:
    return Refused([Problem("bundle-unreadable", Place(path.name), {"detail": detail})])


def _follow(
    path: Path, said: dict[str, Any], folder: Path, progress: Callable[[str], None]
) -> Verified:
    """Check that the statement is what was signed off, and follows from the facts."""
    payee, rows, chain = said["payee"], said["statement"], said["closes"]
    root = said["seal"]["root"]
    reached = climb(leaf_of(payee, chain, rows, said["seal"]["salt"]), said["seal"]["path"])
    if said["period"] != chain[-1][0] or reached != root:
        raise Refused([Problem("bundle-seal", Place(path.name), {"root": root})])
    facts = Store(folder / "facts")
    unfounded = [
        i.source
        for i in facts.imports_between("charges", datetime.min, datetime.max)
        if charge_facts(i, read_charges(i.folder, i.id), i.folder) != i.facts
    ]
    # What is said of a file must follow from its rows, since a settlement relies on it.
    if unfounded:
        raise Refused([_differs(path, 0, source, "charges", source) for source in unfounded])
    progress("derive")
    derived = derive(facts, payee, chain, Rounding(**said.get("rounding", {})))
    plans = plans_of(facts)
    found, attested = differing(rows, derived, plans), said["attested"]
    refuted = [one for one in found if not one["clause"] or one not in attested]
    refuted += [one for one in attested if one not in found]
    if refuted or found != attested:
        raise Refused(_differing(path, rows, derived, [one["row"] for one in refuted or found]))
    _check_head(path, said)
    currency_of = {plan.id: plan.currency for plan in plans}
    paid = [(currency_of[row["plan_id"]], row["paid"]) for row in rows.get("payments", [])]
    paid += [
        (d["currency"], d["amount"]) for d in rows.get("differences", []) if d["what"] == "paid"
    ]
    count = sum(map(len, rows.values()))
    return Verified(
        payee,
        said["period"],
        said["public_key"],
        said["is_vouched"],
        str(said.get("signer", "")),
        str(said.get("trust", "")),
        root,
        said["seal"]["log"]["at"],
        chain[-1][1],
        said["seal"]["log"]["seq"],
        said["seal"]["log"]["hash"],
        count - sum(":" in one["row"] for one in attested),
        tuple(f"{one['row']} ({one['clause']})" for one in attested),
        sums_of((currency, Decimal(amount)) for currency, amount in paid),
    )


def _check_head(path: Path, said: dict[str, Any]) -> None:
    """Check that the signed head of the log is of this close. Raises Refused or ValueError."""
    seal = said["seal"]
    if "head" not in seal:  # bundles of earlier versions have none
        return
    head, log = read_head(seal["head"]), seal["log"]
    of_head = (head.period, head.root, head.public_key, head.seq, head.hash)
    if of_head != (said["period"], seal["root"], said["public_key"], log["seq"], log["hash"]):
        raise Refused([Problem("bundle-seal", Place(path.name), {"root": seal["root"]})])


_DAMAGED = (
    OSError,
    KeyError,
    TypeError,
    ValueError,
    AttributeError,
    EOFError,
    NotImplementedError,
    RuntimeError,
    zipfile.BadZipFile,
    zlib.error,
)
"""Exceptions by which a damaged or hostile archive is noticed."""


def _unpack(path: Path, vouched: Sequence[str], folder: Path) -> dict[str, Any]:
    try:
        with zipfile.ZipFile(path) as bundle:
            return _unpack_signed(path, bundle, vouched, folder)
    except _DAMAGED as error:
        raise _unreadable(path, str(error) or type(error).__name__) from error


def _unpack_signed(
    path: Path, bundle: zipfile.ZipFile, vouched: Sequence[str], folder: Path
) -> dict[str, Any]:
    if sum(item.file_size for item in bundle.infolist()) > _MOST:
        raise ValueError("it would unpack to more than 1 GiB")
    if any(item.compress_type != zipfile.ZIP_STORED for item in bundle.infolist()):
        raise ValueError("it is compressed, as no bundle is")
    text, signature = bundle.read("bundle.json"), bundle.read("signature")
    said = dict(json.loads(text))
    key = said["public_key"]
    if not signed_by(key, signature, text):
        raise Refused([Problem("bundle-signature", Place(path.name), {"key": key})])
    if vouched and fingerprint(key) not in vouched:
        values = {"given": ", ".join(vouched), "key": fingerprint(key)}
        raise Refused([Problem("bundle-key", Place(path.name), values)])
    if said["format"] != FORMAT:
        raise ValueError(f"its format is {said['format']}, not {FORMAT}")
    decimals = [{*part.values()} for part in asdict(Rounding(**said.get("rounding", {}))).values()]
    if not set().union(*decimals) <= {*WORKING_DECIMALS}:
        raise ValueError("it rounds as no settlement does")
    listed = [item.filename for item in bundle.infolist()]
    expected = ["bundle.json", "signature", *said["files"]]
    if sorted(listed) != sorted(expected):
        twice = {name for name in listed if listed.count(name) > 1}
        odd = ", ".join(sorted(set(listed) ^ set(expected) | twice))
        raise Refused([Problem("bundle-edited", Place(path.name), {"file": odd})])
    for name in said["files"]:
        target = folder / name
        if not target.resolve().is_relative_to(folder.resolve()):
            raise ValueError(f"{name} leads outside")
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(bundle.read(name))
        if target.suffix == ".parquet":
            _refuse_swollen(target)
    return said


def _refuse_swollen(table: Path) -> None:
    """Refuse a table that would take the memory of whoever verifies. Raises Refused."""
    try:
        refuse_swollen(table)
    except (OSError, pa.ArrowException):
        return  # an edited table is named by its row, later


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
            row = next(
                (n for n, (one, other) in enumerate(zip(found, signed), 2) if one != other),
                min(len(found), len(signed)) + 2 if found else 0,
            )
        problems.append(Problem("bundle-edited", Place(path.name, row, name), {"file": name}))
    return problems


def _repacked(path: Path, said: dict[str, Any]) -> list[Problem]:
    """Find bytes that belong to no file and are otherwise: times, comments, padding."""
    again = io.BytesIO()
    with zipfile.ZipFile(path) as bundle:
        names = ("bundle.json", "signature", *said["files"])
        write_archive(again, {name: bundle.read(name) for name in names})
    if again.getvalue() == path.read_bytes():
        return []
    return [Problem("bundle-edited", Place(path.name), {"file": path.name})]


_ROW_KEYS = ("plan_id", "month", "component", "period", "role", "form")


def _differing(path: Path, rows: Rows, derived: Rows, places: list[str]) -> list[Problem]:
    """Find the first row of each table that does not follow, or follows and is not there."""
    problems: dict[str, Problem] = {}
    for place in places:
        name, _, number = place.partition(":")
        table = name.partition("+")[0]
        listed = number.isdecimal() and 0 < int(number) <= len(rows.get(table, []))
        row = rows[table][int(number) - 1] if listed else {}
        near = _same_row(row, derived.get(table, []))
        differ = [f"{k} {row[k]}, derived {near.get(k, '-')}" for k in row if near.get(k) != row[k]]
        detail = ", ".join(differ) or place
        problem = _differs(path, int(number) if row else 0, table, table, detail)
        problems.setdefault(table, problem)
    return list(problems.values())


def _same_row(row: dict[str, Any], derived: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the derived row with the keys of a row; nothing where there is none."""
    for other in derived:
        if all(other.get(key) == row.get(key) for key in _ROW_KEYS):
            return other
    return {}


def _differs(path: Path, row: int, column: str, table: str, detail: str) -> Problem:
    place = Place(path.name, row, column)
    return Problem("bundle-differs", place, {"table": table, "detail": detail})
