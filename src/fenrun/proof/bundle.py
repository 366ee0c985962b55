"""A bundle: one signed statement of a closed period, with what it rests on and the payee may see.

A bundle is a ZIP file. `facts/` is a small workspace with the payee's charges and book rows and
the plans; `bundle.json` holds the statement's signed-off rows, the path from them to the root of
the close, and a digest of every file and row; `signature` signs it.
"""

from __future__ import annotations

import json
import tempfile
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, BinaryIO

from fenrun.base.ids import digest, file_digest
from fenrun.base.problem import Place, Problem, Refused
from fenrun.base.table import read_parquet
from fenrun.base.when import Period, parse_moment, parse_period
from fenrun.closing.close import chain_of, closes, settle_period
from fenrun.closing.differences import differences, late_arriving_facts
from fenrun.closing.rows import Close
from fenrun.closing.sign_off import Rows, leaf_of, path_of, root_of, signed_off_rows
from fenrun.proof.keys import public_text, signing_key
from fenrun.proof.payee_extract import PayeeExtract
from fenrun.settle.facts import facts_as_of, in_force, kept_months
from fenrun.store.facts import Store

FORMAT = 3
_ZIP_TIME = (1980, 1, 1, 0, 0, 0)


def make_bundle(
    store: Store,
    payee: str,
    period: Period,
    out: Path,
    progress: Callable[[str], None] = lambda name: None,
) -> dict[str, Any]:
    """Write the bundle of a payee's statement for a closed period. Returns what `bundle.json` says.

    Raises Refused where the period is not closed, the payee has no statement in it, or the
    statement is not what was signed off.
    """
    done = closes(store)
    number = next((n for n, c in enumerate(done) if c.period == period), None)
    if number is None:
        raise Refused([Problem("bundle-open", Place(period.key))])
    close, chain = done[number], chain_of(done[: number + 1])
    leaves = _leaves(store, close)
    if payee not in leaves:
        raise Refused(
            [Problem("payee-unknown", Place(payee), {"payee": payee, "period": period.key})]
        )
    rows = signed_off_rows(settle_period(store, period, progress=progress).run, payee)[payee]
    if leaf_of(payee, chain, rows) != leaves[payee] or root_of(list(leaves.values())) != close.root:
        raise Refused([Problem("bundle-unsealed", Place(period.key), {"payee": payee})])
    extract, whole = PayeeExtract(payee), _whole(chain)
    extract.gather(facts_as_of(store, close.known), whole, close.known)
    if number:
        before = done[number - 1].known
        extract.gather(facts_as_of(store, before), whole, before)
        for late in late_arriving_facts(store, whole, before, close.known):
            progress(late.source)
            extract.gather(late.facts, whole, close.known)
    with tempfile.TemporaryDirectory(prefix="fenrun-bundle-") as scratch:
        folder = Path(scratch)
        facts = Store(folder / "facts", "fenrun")
        named = {d["source"] for d in rows.get("differences", [])}
        extract.copy(store, close.known, facts, named)
        progress("derive")
        derived = derive(facts, payee, chain)
        kept_months(facts).clear()
        said = {
            "format": FORMAT,
            "payee": payee,
            "period": period.key,
            "closes": chain,
            "statement": rows,
            "attested": differing(rows, derived),
            "seal": {
                "root": close.root,
                "path": path_of(list(leaves.values()), list(leaves).index(payee)),
                "log": _log_row(store, close),
            },
            "public_key": public_text(signing_key(store.path)),
            "files": _files(folder),
            "rows": _row_digests(folder),
        }
        _write(folder, said, store, out)
    return said


def derive(facts: Store, payee: str, chain: list[list[str]]) -> Rows:
    """Derive a payee's signed-off rows again from the facts, for the last of a chain of closes."""
    moments = [parse_moment(known) for _, known in chain]
    period, known = parse_period(chain[-1][0]), moments[-1]
    all_known = facts_as_of(facts, known)
    run = replace(all_known, plans=in_force(all_known.plans, period)).settle(period, known)
    booked = differences(facts, _whole(chain[:-1]), moments[-2], known) if len(chain) > 1 else []
    return signed_off_rows(replace(run, booked=tuple(booked)), payee).get(payee, {})


def _whole(chain: list[list[str]]) -> Period:
    """The span of all periods of a chain of closes."""
    first = parse_period(chain[0][0]).months[0]
    last = parse_period(chain[-1][0]).months[-1]
    return parse_period(f"{first}/{last}")


def _leaves(store: Store, close: Close) -> dict[str, str]:
    item = store.find("closes", close.id)
    if not item:
        return {}
    store.verified([item])
    return dict(json.loads((item.folder / "leaves.json").read_text("utf-8")))


def _log_row(store: Store, close: Close) -> dict[str, Any]:
    event = store.log.events("closes", close.id)[0]
    return {"seq": event.seq, "at": event.at, "hash": event.hash}


def differing(rows: Rows, derived: Rows) -> list[str]:
    """Name the rows that differ between a statement and what the facts give.

    `table:number` is a row that the facts do not give, `table+digest` one that they give besides;
    each as often as it is so. Where a bundle is written these are what rests on the sales of
    others: attested by the signature alone.
    """
    found = []
    for name in sorted({*rows, *derived}):
        left = [_row(row) for row in derived.get(name, [])]
        for number, row in enumerate(rows.get(name, []), 1):
            if _row(row) in left:
                left.remove(_row(row))
            else:
                found.append(f"{name}:{number}")
        found += [f"{name}+{text}" for text in sorted(left)]
    return found


def _row(row: Any) -> str:
    return digest(row)[:16]


def _files(folder: Path) -> dict[str, str]:
    return {
        str(f.relative_to(folder).as_posix()): file_digest(f)
        for f in sorted(folder.rglob("*"))
        if f.is_file()
    }


def _row_digests(folder: Path) -> dict[str, list[str]]:
    """Return short digests of every row, by table, so that an edited row can be named."""
    return {
        str(f.relative_to(folder).as_posix()): row_digests(f)
        for f in sorted(folder.rglob("*.parquet"))
    }


def row_digests(path: Path) -> list[str]:
    """A short digest of each row of a Parquet file."""
    return [
        digest({k: str(v) for k, v in row.items()})[:16] for row in read_parquet(path).to_pylist()
    ]


def _write(folder: Path, said: dict[str, Any], store: Store, out: Path) -> None:
    text = (json.dumps(said, ensure_ascii=False, indent=1) + "\n").encode()
    write_archive(
        out,
        {"bundle.json": text, "signature": signing_key(store.path).sign(text)}
        | {name: (folder / name).read_bytes() for name in said["files"]},
    )


def write_archive(out: Path | BinaryIO, parts: dict[str, bytes]) -> None:
    """Write the parts as the one ZIP file that they can be.

    Nothing is compressed and no time is kept, so its bytes follow from the parts and none of them
    can be changed.
    """
    with zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as bundle:
        for name, content in parts.items():
            item = zipfile.ZipInfo(name, _ZIP_TIME)
            item.create_system, item.external_attr = 3, 0o600 << 16
            bundle.writestr(item, content, zipfile.ZIP_STORED)
