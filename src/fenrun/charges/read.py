"""The import of a FOCUS file.

Money that cannot be read exactly refuses the whole file, since its total could not be stated. A row
without account, date or currency goes to quarantine, whole, with its problem. Everything else is
kept as it came, and what is odd about it is said.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import pyarrow as pa

from fenrun.base.ids import digest, short
from fenrun.base.problem import Place, Problem, Refused, in_order, refused
from fenrun.charges import checks
from fenrun.charges.facts import billing_facts, stored_facts
from fenrun.charges.filled import fill
from fenrun.charges.from_arrow import NotPlain, read_plain
from fenrun.charges.from_duckdb import read_any, write_quarantine
from fenrun.charges.ids import with_tidy_ids
from fenrun.charges.overlaps import write_digests
from fenrun.charges.source import Content, Source, open_arrow, open_source, read_content
from fenrun.charges.staged import Staged
from fenrun.charges.stored import move_files, write_charges
from fenrun.charges.totals import without_totals
from fenrun.store.facts import Enter, Import, Imported, Replaced, Store, manifest

_SUFFIXES = {"none": ".zst", "gzip": ".gz", "zstd": ".zst", "zip": ".zip"}
"""The endings of an archive by how a text came packed."""


@dataclass(frozen=True)
class _Ready:
    """A file that waits to be entered: its files in a scratch folder, and its manifest's parts."""

    facts: dict[str, Any]
    problems: Sequence[Problem]


def stage_charges(
    store: Store,
    path: Path,
    progress: Callable[[int], Any] = lambda n: None,
    fills: Mapping[str, str] | None = None,
) -> Enter:
    """Read, check and write one FOCUS file to a scratch folder: all that nobody must wait for.

    `fills` gives, by column of text, what stands where the file says nothing. What is returned
    enters it into the store. Both raise Refused; the store is then untouched.
    """
    scratch = tempfile.TemporaryDirectory(prefix="fenrun-")
    try:
        source, seen = open_whole(path, Path(scratch.name), progress)
        unfilled = digest("charges", seen.digest)
        content = digest("charges", seen.digest, sorted(fills.items())) if fills else unfilled
        ready = _Ready({}, [])
        files = Path(scratch.name, "files")
        files.mkdir()
        if not store.has("charges", content):
            ready = _written(source, seen, files, fills or {})
    except BaseException:
        scratch.cleanup()
        raise

    def enter(known: datetime, replaces: Replaced) -> Imported:
        with scratch:
            same = store.find("charges", content)  # from before, or entered meanwhile
            if same:
                return Imported(path.name, content, False, same.facts, same.problems)
            there, place = replaces.there, Place(path.name)
            named = (import_named(there, place, name, ready.facts) for name in replaces.names)
            replaced = [item.id for item in named]
            if content != unfilled and store.has("charges", unfilled):
                replaced.append(unfilled)  # the same bytes, before they were filled
            facts = ready.facts | ({"replaces": replaced} if replaced else {})
            said = manifest(path.name, known, facts, ready.problems)
            store.add("charges", content, said, lambda into: move_files(files, into))
        return Imported(path.name, content, True, facts, tuple(ready.problems))

    return enter


def open_whole(path: Path, scratch: Path, progress: Callable[[int], Any]) -> tuple[Source, Content]:
    """Open a file and read its content once. Raises Refused.

    Where its beginning is UTF-8 and a later line is not, the encoding is told by all such lines.
    """
    source = open_source(path, scratch)
    try:
        return source, read_content(source, progress)
    except Refused as refusal:
        if source.path != path or refusal.problems[0].code != "file-encoding":
            raise
    source = open_source(path, scratch, is_thorough=True)
    return source, read_content(source, progress)


def _written(source: Source, content: Content, into: Path, fills: Mapping[str, str]) -> _Ready:
    """Write the files of an import into a folder."""
    with tempfile.TemporaryDirectory(prefix="fenrun-") as scratch:
        staged, filled = fill(read_staged(source, content, Path(scratch)), fills)
        problems = checks.find(staged)
        charges = staged.charges()
        write_charges(into, charges, source.path.name)
        write_digests(into, charges)
        write_quarantine(staged, Path(scratch), into / "quarantine.parquet")
    _archive(source, into)
    facts = billing_facts(charges) | staged.facts() | stored_facts(into)
    facts |= {"set": filled} if filled else {}
    return _Ready(facts, in_order(problems))


def read_staged(source: Source, content: Content, scratch: Path) -> Staged:
    """Read a file the fast way, or else the one that takes every file. Raises Refused."""
    try:
        staged = read_plain(source, content)
    except NotPlain:
        staged = read_any(source, scratch)
    return without_totals(with_tidy_ids(staged))


def _archive(source: Source, into: Path) -> None:
    """Keep the bytes of a file as they came; text that is not packed is compressed."""
    suffix = ".parquet" if source.format == "parquet" else f".csv{_SUFFIXES[source.packing]}"
    archive = into / f"archive{suffix}"
    if source.format == "parquet" or source.packing != "none":
        shutil.copyfile(source.origin, archive)
        return
    with (
        open_arrow(source.origin, "none") as file,
        pa.CompressedOutputStream(str(archive), "zstd") as out,
    ):
        out.write(file.read_buffer())


def import_named(
    there: Sequence[Import], place: Place, name: str, facts: Mapping[str, Any] | None = None
) -> Import:
    """Return the import of that id, or of that file name: in the months that facts say, if any.

    Raises Refused where there is none, or more than one.
    """
    found = [i for i in there if name in i.names[1:]]
    if found:
        return found[0]
    found = [i for i in there if name == i.source]
    if not found:
        raise refused("replaces-unknown", place, name=name)
    same = [i for i in found if not facts or _share_months(i.facts, facts)]
    if not same:
        values = {"theirs": _months(found[0].facts), "ours": _months(facts or {})}
        raise refused("delivery-other-month", place, name=name, id=short(found[0].id), **values)
    if len(same) > 1:
        listed = ", ".join(f"{short(i.id)} ({_months(i.facts)})" for i in same)
        raise refused("delivery-ambiguous", place, name=name, count=len(same), imports=listed)
    return same[0]


def _share_months(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Return whether two imports can bill the same month; one that bills none fits with all."""
    if not (one["first_billed"] and other["first_billed"]):
        return True
    return bool(
        one["first_billed"] <= other["last_billed"] and other["first_billed"] <= one["last_billed"]
    )


def _months(facts: Mapping[str, Any]) -> str:
    """Return the months that an import bills, as text."""
    first, last = (str(facts[key])[:7] for key in ("first_billed", "last_billed"))
    return first if first == last else f"{first}/{last}"
