"""Bring files into a workspace: charges, book and plan, told by what they hold."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from pathlib import Path
from typing import Any

from fenrun.base.ids import digest
from fenrun.base.problem import Place, Problem, Refused
from fenrun.book.read import import_book, table_kind
from fenrun.charges.read import Imported, stage_charges
from fenrun.charges.source import read_header
from fenrun.plan.read import PlanFile, load_plan
from fenrun.store.facts import Store, manifest

_SUFFIXES = (".csv", ".parquet", ".yaml", ".yml", ".gz", ".zst", ".csv.gz", ".csv.zst")


def files_in(path: Path) -> list[Path]:
    """The file itself, or the files in a folder that an import reads, in order."""
    if path.is_dir():
        return sorted(
            f
            for f in path.rglob("*")
            if f.is_file() and f.suffix.lower() in _SUFFIXES and not f.name.startswith(".")
        )
    return [path]


def import_file(
    store: Store,
    path: Path,
    known: datetime,
    progress: Callable[[int], Any] = lambda n: None,
    replaces: Sequence[str] = (),
) -> Imported:
    """Import one file: charges, book or plan, told apart by what it holds; charges in place of earlier files if they `replace` any. Raises Refused; the store is then untouched."""
    return _staged(store, path, progress)(known, replaces)


def import_files(
    store: Store,
    paths: Sequence[Path],
    known: datetime,
    progress: Callable[[Any], Any] = lambda n: None,
    replaces: Sequence[str] = (),
) -> Iterator[Imported | Refused]:
    """Import files, several at a time, and enter them into the store in their order. Gives what became of each: one that is refused does not hold up the others."""

    def stage(path: Path) -> Callable[[datetime, Sequence[str]], Imported] | Refused:
        progress(path.name)
        try:
            return _staged(store, path, progress)
        except Refused as refused:
            return refused

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for staged in pool.map(stage, paths):
            try:
                yield staged if isinstance(staged, Refused) else staged(known, replaces)
            except Refused as refused:
                yield refused


def _staged(
    store: Store, path: Path, progress: Callable[[int], Any]
) -> Callable[[datetime, Sequence[str]], Imported]:
    """A file that is read, as far as that needs nobody else to wait; what is returned enters it into the store."""
    if not path.is_file():
        raise Refused(
            [Problem("file-unreadable", Place(path.name), {"detail": "there is no such file"})]
        )
    if path.suffix.lower() in (".yaml", ".yml"):
        if any(line.startswith("plan:") for line in _text(path).splitlines()):
            return lambda known, replaces: _import_plan(store, path, known)
        return lambda known, replaces: Imported(path.name, *_book(store, path, known))
    if table_kind(read_header(path)[2]) is not None:
        return lambda known, replaces: Imported(path.name, *_book(store, path, known))
    return stage_charges(store, path, progress)


def _book(
    store: Store, path: Path, known: datetime
) -> tuple[str, bool, dict[str, Any], tuple[Problem, ...]]:
    new, content, facts, problems = import_book(store, path, known)
    return content, new, facts, tuple(problems)


def _text(path: Path) -> str:
    try:
        return path.read_text("utf-8-sig")
    except UnicodeDecodeError as error:
        raise Refused([Problem("file-encoding", Place(path.name, 1))]) from error


def _import_plan(store: Store, path: Path, known: datetime) -> Imported:
    file = load_plan(path)
    content = digest("plan", file.content)
    new = not store.has("plans", content)
    facts = {"plan": file.plan.id}
    store.add(
        "plans",
        content,
        manifest(path.name, known, facts, []),
        lambda folder: _write_plan(folder, file),
    )
    return Imported(path.name, content, new, facts, ())


def _write_plan(folder: Path, file: PlanFile) -> None:
    (folder / "plan.yaml").write_text(file.content, "utf-8")
