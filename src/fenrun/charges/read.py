"""The import of a FOCUS file.

Money that cannot be read exactly refuses the whole file, since its total could not be stated. A row
without account, date or currency goes to quarantine, whole, with its problem. Everything else is
kept as it came, and what is odd about it is said.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import pyarrow as pa

from fenrun.base.ids import digest, short
from fenrun.base.problem import Place, Problem, in_order, refused
from fenrun.charges import checks
from fenrun.charges.facts import billing_facts, stored_facts
from fenrun.charges.from_arrow import NotPlain, read_plain
from fenrun.charges.from_duckdb import read_any, write_quarantine
from fenrun.charges.ids import with_tidy_ids
from fenrun.charges.source import Content, Source, open_arrow, open_source, read_content
from fenrun.charges.staged import Staged
from fenrun.charges.stored import move_files, write_charges
from fenrun.store.facts import Enter, Imported, Store, manifest

_SUFFIXES = {"none": ".csv.zst", "gzip": ".csv.gz", "zstd": ".csv.zst"}
"""The endings of an archive by how a CSV file came compressed."""


@dataclass(frozen=True)
class _Ready:
    """A file that waits to be entered: its files in a scratch folder, and its manifest's parts."""

    facts: dict[str, Any]
    problems: Sequence[Problem]


def stage_charges(
    store: Store, path: Path, progress: Callable[[int], Any] = lambda n: None
) -> Enter:
    """Read, check and write one FOCUS file to a scratch folder: all that nobody must wait for.

    What is returned enters it into the store. Both raise Refused; the store is then untouched.
    """
    source = open_source(path)
    seen = read_content(source, progress)
    content = digest("charges", seen.digest)
    scratch = tempfile.TemporaryDirectory(prefix="fenrun-")
    try:
        ready = _Ready({}, [])
        if not store.has("charges", content):
            ready = _written(source, seen, Path(scratch.name))
    except BaseException:
        scratch.cleanup()
        raise

    def enter(known: datetime, replaces: Sequence[str] = ()) -> Imported:
        with scratch:
            replaced = [
                content_id
                for name in replaces
                for content_id in _imports_named(store, path, name, known)
            ]
            there = store.find("charges", content)  # from before, or entered meanwhile
            if there:
                return Imported(path.name, content, False, there.facts, there.problems)
            facts = ready.facts | ({"replaces": replaced} if replaced else {})
            said = manifest(path.name, known, facts, ready.problems)
            store.add("charges", content, said, lambda into: move_files(Path(scratch.name), into))
        return Imported(path.name, content, True, facts, tuple(ready.problems))

    return enter


def _written(source: Source, content: Content, into: Path) -> _Ready:
    """Write the files of an import into a folder."""
    with tempfile.TemporaryDirectory(prefix="fenrun-") as scratch:
        staged = read_staged(source, content, Path(scratch))
        problems = checks.find(staged)
        charges = staged.charges()
        write_charges(into, charges, source.path.name)
        write_quarantine(staged, Path(scratch), into / "quarantine.parquet")
    _archive(source, into)
    facts = billing_facts(charges) | staged.facts() | stored_facts(into)
    return _Ready(facts, in_order(problems))


def read_staged(source: Source, content: Content, scratch: Path) -> Staged:
    """Read a file the fast way, or else the one that takes every file. Raises Refused."""
    try:
        staged = read_plain(source, content)
    except NotPlain:
        staged = read_any(source, scratch)
    if not staged.rows:
        raise refused("file-empty", Place(source.path.name))
    return with_tidy_ids(staged)


def _archive(source: Source, into: Path) -> None:
    """Keep the bytes of a file as they came; a plain CSV file's are compressed."""
    suffix = ".parquet" if source.format == "parquet" else _SUFFIXES[source.compression]
    archive = into / f"archive{suffix}"
    if source.format == "parquet" or source.compression != "none":
        shutil.copyfile(source.path, archive)
        return
    with (
        open_arrow(source.path, "none") as file,
        pa.CompressedOutputStream(str(archive), "zstd") as out,
    ):
        out.write(file.read_buffer())


def _imports_named(store: Store, path: Path, name: str, known: datetime) -> list[str]:
    """Return the ids of the imports of charges with that file name or id, as known at a moment."""
    found = [i.id for i in store.imports("charges", known) if name in (i.source, i.id, short(i.id))]
    if not found:
        raise refused("replaces-unknown", Place(path.name), name=name)
    return found
