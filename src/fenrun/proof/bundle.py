"""A bundle: one signed statement of a closed period, with what it rests on and the payee may see.

A bundle is a ZIP file. `README.txt` and `statement.html` are there to be read; `facts/` is a small
workspace with the payee's charges and book rows and the plans; `bundle.json` holds the statement's
signed-off rows, the path from them to the root of the close, and a digest of every file and row;
`signature` signs it.
"""

from __future__ import annotations

import json
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import asdict, replace
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from typing import Any, BinaryIO

import pyarrow as pa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from fenrun.base.ids import file_digest
from fenrun.base.problem import Place, Problem, Refused
from fenrun.base.table import read_parquet
from fenrun.base.when import Period, parse_moment, parse_period
from fenrun.closing.close import chain_of, closes, settle_period
from fenrun.closing.differences import differences, late_arriving_facts
from fenrun.closing.heads import head_of
from fenrun.closing.keys import known_keys, public_text, signing_key
from fenrun.closing.rows import Close
from fenrun.closing.sign_off import (
    Leaf,
    Rows,
    hashes_of,
    leaf_of,
    path_of,
    read_leaves,
    root_of,
    signed_off_rows,
)
from fenrun.closing.signer import signer_of
from fenrun.credit.crediting import history_needed
from fenrun.plan.rows import Plan
from fenrun.proof.attested import differing, short_digest
from fenrun.proof.payee_extract import PayeeExtract
from fenrun.proof.readable import write_readable
from fenrun.settle.facts import Facts, facts_as_of, in_force, kept_months, plan_of, with_terms
from fenrun.statement.run import ALL_DECIMALS, Rounding
from fenrun.store.facts import Store, verified
from fenrun.tables.kept import sources_of

FORMAT = 4
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
    run = settle_period(store, period, progress=progress).run
    rows = signed_off_rows(run, payee)[payee]
    leaf, hashes = leaves[payee], hashes_of(leaves)
    if leaf_of(payee, chain, rows, leaf.salt) != leaf.hash or root_of(hashes) != close.root:
        raise Refused([Problem("bundle-unsealed", Place(period.key), {"payee": payee})])
    extract = PayeeExtract(payee, {row["plan_id"] for table in rows.values() for row in table})
    before = done[number - 1].known if number else None
    for source, facts in _moments(store, _whole(chain), before, close.known):
        progress(source)
        extract.gather(facts, _whole(chain), close.known)
    key = signing_key(store)
    with tempfile.TemporaryDirectory(prefix="fenrun-bundle-") as scratch:
        folder = Path(scratch)
        own = Store(folder / "facts", "fenrun", is_scratch=True)
        named = {d["source"] for d in rows.get("differences", [])}
        extract.copy(store, close.known, period.span.end, own, named)
        progress("derive")
        rounding = run.rounding.of(extract.plans)
        attested = differing(rows, derive(own, payee, chain, rounding), plans_of(own))
        kept_months(own).clear()
        unfounded = [one["row"] for one in attested if not one["clause"]]
        if unfounded:
            values = {"payee": payee, "rows": ", ".join(unfounded)}
            raise Refused([Problem("bundle-underived", Place(period.key), values)])
        write_readable(folder, run, payee)
        said = {
            "format": FORMAT,
            "payee": payee,
            "period": period.key,
            "closes": chain,
            "statement": rows,
            **({"rounding": asdict(rounding)} if rounding != ALL_DECIMALS else {}),
            "attested": attested,
            "seal": {
                "root": close.root,
                "salt": leaf.salt,
                "path": path_of(hashes, hashes.index(leaf.hash)),
                "log": _log_row(store, close),
                "head": asdict(head_of(store, close, key)),
            },
            "public_key": public_text(key),
            "signer": known_keys(store)[-1].name,
            "trust": signer_of(store.path).trust,
            "files": _files(folder),
            "rows": _row_digests(folder),
        }
        _write(folder, said, key, out)
    return said


def derive(
    facts: Store, payee: str, chain: list[list[str]], rounding: Rounding = ALL_DECIMALS
) -> Rows:
    """Derive a payee's signed-off rows again from the facts, for the last of a chain of closes.

    `rounding` says on how many decimals the whole was settled that was signed off.
    """
    moments = [parse_moment(known) for _, known in chain]
    period, known = parse_period(chain[-1][0]), moments[-1]
    all_known = facts_as_of(facts, known)
    facts_of_plans = replace(all_known, plans=in_force(all_known.plans, period))
    run = replace(facts_of_plans, rounding=rounding).settle(period, known)
    booked = differences(facts, _whole(chain[:-1]), moments[-2], known) if len(chain) > 1 else []
    return signed_off_rows(replace(run, booked=tuple(booked)), payee).get(payee, {})


def _whole(chain: list[list[str]]) -> Period:
    """The span of all periods of a chain of closes."""
    first = parse_period(chain[0][0]).months[0]
    last = parse_period(chain[-1][0]).months[-1]
    return parse_period(f"{first}/{last}")


def _moments(
    store: Store, period: Period, before: datetime | None, known: datetime
) -> Iterator[tuple[str, Facts]]:
    """Yield the facts by which a statement's rows came about, each with what they are known by.

    What was known at the close; and where it books differences, what was known `before`, and by
    each later fact up to that. Facts whose credits later ones hold as well are left out.
    """
    late = list(late_arriving_facts(store, period, before, known)) if before else []
    if not late:
        yield "facts", facts_as_of(store, known)
        return
    moments = [("before", late[0].before), *((fact.source, fact.facts) for fact in late)]
    for (source, facts), (_, later) in pairwise(moments):
        if not _is_part(facts, later):
            yield source, facts
    yield moments[-1]


def _is_part(facts: Facts, later: Facts) -> bool:
    """Return whether all that is credited by some facts is credited the same by later ones.

    So it is where only charges came, and neither whom a correction corrects nor since when a
    customer buys can have changed by them.
    """
    is_other = later.book is not facts.book or later.agreed_plans != facts.agreed_plans
    if is_other or history_needed(facts.plans):
        return False
    charges, more = ({item.id for item in one.charges} for one in (facts, later))
    if charges == more:
        return True  # then only corrections came
    names = {kind for _, _, one in facts.book if "links" in one for kind in _kinds_of(one["links"])}
    return charges <= more and not names & {"order", "resource"}


def _kinds_of(links: pa.Table) -> list[str]:
    return list(links["of_kind"].unique().to_pylist())


def plans_of(facts: Store) -> list[Plan]:
    """Return all plans of a bundle, in every text, with what its terms say."""
    plans = [plan_of(item).plan for item in facts.imports("plans")]
    return list(with_terms(plans, sources_of(facts.imports("terms"))))


def _leaves(store: Store, close: Close) -> dict[str, Leaf]:
    item = store.find("closes", close.id)
    if not item:
        return {}
    verified([item])
    return read_leaves((item.folder / "leaves.json").read_text("utf-8"))


def _log_row(store: Store, close: Close) -> dict[str, Any]:
    event = store.log.events("closes", close.id)[0]
    return {"seq": event.seq, "at": event.at, "hash": event.hash}


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
        short_digest({k: str(v) for k, v in row.items()}) for row in read_parquet(path).to_pylist()
    ]


def _write(folder: Path, said: dict[str, Any], key: Ed25519PrivateKey, out: Path) -> None:
    text = (json.dumps(said, ensure_ascii=False, indent=1) + "\n").encode()
    write_archive(
        out,
        {"bundle.json": text, "signature": key.sign(text)}
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
