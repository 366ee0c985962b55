"""The import of files into a workspace: charges, book and plans, told by what a file holds."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from fenrun.base.bounds import read_text
from fenrun.base.ids import digest
from fenrun.base.problem import Place, Refused, refused
from fenrun.base.words import Message, say
from fenrun.book.from_xlsx import is_workbook
from fenrun.book.read import import_book, table_kind
from fenrun.charges.read import stage_charges
from fenrun.charges.source import read_header
from fenrun.plan.read import load_plan
from fenrun.store.facts import Enter, Imported, Store, manifest

_YAML = (".yaml", ".yml")
SUFFIXES = (".csv", ".parquet", ".xlsx", *_YAML, ".gz", ".zst")
"""The endings of the files that are taken from a folder."""

Progress = Callable[[Any], Any]
"""Told of the bytes that were read of a file."""


@dataclass(frozen=True)
class Dataset:
    """A kind of file that a workspace takes."""

    kind: str
    """The kind of import that it becomes: one of FACTS in the store."""
    fits: Callable[[Path], bool]
    """Tells the kind by what a file holds. May raise Refused."""
    stage: Callable[[Store, Path, Progress], Enter]
    """Reads a file, as far as nobody else must wait for it; raises Refused."""


def _is_yaml(path: Path) -> bool:
    return path.suffix.lower() in _YAML


def _is_plan(path: Path) -> bool:
    return _is_yaml(path) and any(line.startswith("plan:") for line in read_text(path).splitlines())


def _is_book(path: Path) -> bool:
    return _is_yaml(path) or is_workbook(path) or table_kind(read_header(path).columns) is not None


def _stage_plan(store: Store, path: Path, progress: Progress) -> Enter:
    def enter(known: datetime, replaces: Sequence[str] = ()) -> Imported:
        file = load_plan(path)
        content = digest("plan", file.content)
        is_new = not store.has("plans", content)
        facts = {"plan": file.plan.id}
        said = manifest(path.name, known, facts, [])

        def write(folder: Path) -> None:
            (folder / "plan.yaml").write_text(file.content, "utf-8")

        store.add("plans", content, said, write)
        return Imported(path.name, content, is_new, facts, ())

    return enter


def _stage_book(store: Store, path: Path, progress: Progress) -> Enter:
    return lambda known, replaces: import_book(store, path, known)


DATASETS = (
    Dataset("plans", _is_plan, _stage_plan),
    Dataset("book", _is_book, _stage_book),
    Dataset("charges", lambda path: True, stage_charges),
)
"""All kinds of files, in the order in which they are tried.

Charges come last: what is no FOCUS file either is refused with what it lacks.
"""


def files_in(path: Path) -> list[Path]:
    """Return the file itself, or the files in a folder that an import reads, in order."""
    if not path.is_dir():
        return [path]
    files = [
        file for file in path.rglob("*") if file.is_file() and not file.name.startswith((".", "~$"))
    ]
    return sorted(file for file in files if file.suffix.lower() in SUFFIXES)


def import_file(
    store: Store,
    path: Path,
    known: datetime,
    progress: Progress = lambda n: None,
    replaces: Sequence[str] = (),
) -> Imported:
    """Import one file, known from the moment given (UTC).

    Charges come in place of earlier imports of charges if they replace any, by file name or id.
    Raises Refused; the store is then untouched.
    """
    return _staged(store, path, progress)(known, replaces)


def import_files(
    store: Store,
    paths: Sequence[Path],
    known: datetime,
    progress: Progress = lambda n: None,
    replaces: Sequence[str] = (),
) -> Iterator[Imported | Refused]:
    """Read files, several at a time, and enter them into the store in their order.

    Yields the outcome of each: one that is refused does not hold up the others. `progress` is told
    of the name of each file that is begun, and of the bytes read.
    """

    def stage(path: Path) -> Enter | Refused:
        progress(path.name)
        try:
            return _staged(store, path, progress)
        except Refused as problems:
            return problems

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for staged in pool.map(stage, paths):
            try:
                yield staged if isinstance(staged, Refused) else staged(known, replaces)
            except Refused as problems:
                yield problems


def dataset_of(path: Path) -> Dataset:
    """Return what kind of file this is. Raises Refused where it cannot be read."""
    if not path.is_file():
        raise refused("file-unreadable", Place(path.name), detail=Message("no-such-file"))
    shown = str(path).encode("utf-8", "replace").decode("utf-8")
    if shown != str(path):
        place = Place(Path(shown).name)
        raise refused("file-unreadable", place, detail=Message("file-name-not-text"))
    return next(dataset for dataset in DATASETS if dataset.fits(path))


def _staged(store: Store, path: Path, progress: Progress) -> Enter:
    """Read a file, as far as nobody else must wait for it. Raises Refused."""
    return dataset_of(path).stage(store, path, progress)


def content_of(facts: Mapping[str, Any], lang: str) -> str:
    """Return what an import holds: charges of a FOCUS version, a plan, or rows of the book."""
    if "version" in facts:
        return say("content-charges", lang, count=facts["rows"], version=facts["version"])
    if "plan" in facts:
        return say("content-plan", lang, plan=facts["plan"])
    tables = [say(f"content-{table}", lang, count=count) for table, count in facts.items()]
    return say("content-joint", lang).join(tables)
