"""The import of files into a workspace: what they are is told by what they hold."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import Any

from fenrun.base.bounds import read_text
from fenrun.base.ids import digest
from fenrun.base.problem import Place, Problem, Refused, refused
from fenrun.base.words import Message, say
from fenrun.book.read import LAYOUT as BOOK
from fenrun.charges.datasets import COMMITMENTS, dataset_kind, import_dataset
from fenrun.charges.delivered import Delivery
from fenrun.charges.read import import_named, stage_charges
from fenrun.charges.rows import ESSENTIAL
from fenrun.charges.source import Said, read_header
from fenrun.events.read import LAYOUT as EVENTS
from fenrun.plan.read import PlanFile, load_plan
from fenrun.settle.deliveries import Decision, decide
from fenrun.settle.manifests import parts_of
from fenrun.settle.mend_files import are_rows_to_mend, mend_from_file
from fenrun.settle.sources import Source, read_sources, source_of
from fenrun.store.facts import Enter, Imported, Replaced, Store, manifest
from fenrun.tables.from_xlsx import headers_of, is_workbook
from fenrun.tables.kept import import_tables
from fenrun.tables.layout import Layout, table_of
from fenrun.tables.records import YAML, yaml_keys
from fenrun.terms.from_focus import read_commitments
from fenrun.terms.policy import load_policy
from fenrun.terms.read import LAYOUT as TERMS

SUFFIXES = (".csv", ".parquet", ".xlsx", *YAML, ".gz", ".zst")
"""The endings of the files that are taken from a folder, whatever they hold.

Others are, where they have columns of charges or of another table.
"""
_ARCHIVES = ("file-packed", "zip-contents", "json-pages", "json-lists")
"""Why files are refused in which charges may be: in a folder they are, too, and not passed over."""
_MOST_NAMED = 20
LAYOUTS = {layout.kind: layout for layout in (BOOK, TERMS, EVENTS)}
"""The layouts of files of tables, by the kind of import that they become."""
_COLUMNS = {table: columns for one in LAYOUTS.values() for table, columns in one.columns.items()}

Progress = Callable[[Any], Any]
"""Told of the bytes that were read of a file."""
CheckPlan = Callable[[PlanFile], None]
"""Raises Refused where a plan is not to be imported."""


@dataclass(frozen=True)
class Wanted:
    """The wishes of a person for files as they are imported."""

    replaces: Sequence[str] = ()
    """Earlier imports of charges in whose place these come, by file name or id."""
    adds: Sequence[str] = ()
    """Earlier imports of charges beside which these are meant, equal charges included."""
    fills: Mapping[str, str] = field(default_factory=dict)
    """By column of charges what stands in its empty cells."""
    addresses: Mapping[Path, str] = field(default_factory=dict)
    """Whence files were fetched, of those that were."""
    called: Mapping[Path, str] = field(default_factory=dict)
    """How commands name files, where that is not by their names alone."""
    sources: Sequence[Source] = ()
    """How files come, as the workspace says."""
    encoding: str = ""
    """In which encoding texts of charges are, if that is said."""
    columns: Mapping[str, str] = field(default_factory=dict)
    """By column of charges its heading in files, where that is another."""
    zone: str = ""
    """The time zone of times of charges that do not say theirs, if that is said."""
    parts: Mapping[Path, Mapping[str, Any]] = field(default_factory=dict)
    """Files as parts of a run of an export, of those that a manifest names."""
    known: datetime | None = None
    """From when the files are known, if that is said."""
    check_plan: CheckPlan = lambda file: None

    def source_of(self, path: Path) -> tuple[Source, Delivery] | tuple[None, None]:
        """Return the source of a file, and the file as its delivery. Raises Refused."""
        address = self.addresses.get(path) or path.absolute().as_posix()
        return source_of(self.sources, address) or (None, None)

    def delivery_of(self, path: Path) -> Delivery | None:
        """Return a file as a delivery of its source, or of its export. Raises Refused."""
        _, delivery = self.source_of(path)
        part = self.parts.get(path, {})
        if delivery is None and "export" in part:
            return Delivery(part["export"], overwrites=True, version=part["at"])
        return delivery

    def encoding_of(self, path: Path) -> str:
        """Return in which encoding a file is, if that is said. Raises Refused."""
        source, _ = (None, None) if self.encoding or not self.sources else self.source_of(path)
        return source.encoding if source else self.encoding

    def said_of(self, path: Path, source: Source | None) -> Said:
        """Return what is said of a file: by its source, and before that by who imports it."""
        fills = {**(source.fills if source else {}), **self.fills}
        columns = {**(source.columns if source else {}), **self.columns}
        zone = self.zone or (source.zone if source else "")
        part = self.parts.get(path, {})
        return Said(fills, self.encoding_of(path), columns, self.called.get(path, ""), zone, part)


class Seen:
    """A file as far as its kind must be told by what it holds: each part is read once."""

    def __init__(self, path: Path, encoding: str = ""):
        self.path, self.encoding = path, encoding

    @cached_property
    def is_yaml(self) -> bool:
        """True for YAML, by its name."""
        return self.path.suffix.lower() in YAML

    @cached_property
    def is_workbook(self) -> bool:
        """True for a workbook of Excel."""
        return is_workbook(self.path)

    @cached_property
    def has_rows_to_mend(self) -> bool:
        """Return whether it has rows that were kept aside. Raises Refused."""
        if self.is_yaml:
            return False
        first = self.sheet_heads[:1] if self.is_workbook else [self.columns]
        return any(map(are_rows_to_mend, first))

    @cached_property
    def sheet_heads(self) -> list[list[str]]:
        """The rows of a workbook in which a header may stand. Raises Refused."""
        return headers_of(self.path)

    @cached_property
    def columns(self) -> Sequence[str]:
        """The columns of its header; it is neither YAML nor a workbook. Raises Refused."""
        return read_header(self.path, encoding=self.encoding).columns

    @cached_property
    def layout(self) -> Layout | None:
        """The layout of the file: that of its first table; None where it has none.

        A YAML file or workbook without one is read as a book, which says what it lacks. Raises
        Refused.
        """
        if self.is_yaml:
            tables = [key for key in yaml_keys(self.path) if key in _COLUMNS] or [*BOOK.columns]
        elif self.is_workbook:
            found = (table_of(filter(None, row), _COLUMNS) for row in self.sheet_heads)
            tables = [table for table in found if table] or [*BOOK.columns]
        else:
            tables = [table for table in [table_of(self.columns, _COLUMNS)] if table]
        return next((one for one in LAYOUTS.values() if tables and tables[0] in one.columns), None)


@dataclass(frozen=True)
class Dataset:
    """A kind of file that a workspace takes."""

    kind: str
    """The kind of import that it becomes: one of FACTS in the store."""
    fits: Callable[[Seen], bool]
    """Tells the kind by what a file holds. May raise Refused."""
    stage: Callable[[Store, Path, Progress, Wanted], Enter]
    """Reads a file, as far as nobody else must wait for it; raises Refused."""


def _begins(key: str) -> Callable[[Seen], bool]:
    """Return what tells a YAML file by a key at the beginning of a line."""

    def fits(seen: Seen) -> bool:
        lines = read_text(seen.path).splitlines() if seen.is_yaml else []
        return any(line.startswith(f"{key}:") for line in lines)

    return fits


def _stage_plan(store: Store, path: Path, progress: Progress, wanted: Wanted) -> Enter:
    file = load_plan(path)
    wanted.check_plan(file)

    return _of_text(store, "plans", "plan", path.name, file.content, {"plan": file.plan.id})


def _stage_policy(store: Store, path: Path, progress: Progress, wanted: Wanted) -> Enter:
    policy = load_policy(path)
    facts = {"policy": policy.text.policy}
    return _of_text(store, "policies", "policy", path.name, policy.content, facts)


def _of_text(
    store: Store, kind: str, name: str, source: str, text: str, facts: dict[str, Any]
) -> Enter:
    """Return what enters a text, known under its content, into the store."""

    def enter(known: datetime, replaces: Replaced) -> Imported:
        content = digest(name, text)
        is_new = not store.has(kind, content)
        said = manifest(source, known, facts, [])

        def write(folder: Path) -> None:
            (folder / f"{name}.yaml").write_text(text, "utf-8")

        store.add(kind, content, said, write)
        return Imported(source, content, is_new, facts, ())

    return enter


def _tables(layout: Layout) -> Dataset:
    """Return the kind of the files of a layout."""

    def stage(store: Store, path: Path, progress: Progress, wanted: Wanted) -> Enter:
        return lambda known, replaces: import_tables(store, path, known, layout)

    return Dataset(layout.kind, lambda seen: seen.layout is layout, stage)


def _stage_charges(store: Store, path: Path, progress: Progress, wanted: Wanted) -> Enter:
    source, _ = wanted.source_of(path)
    delivery = wanted.delivery_of(path)
    how = (wanted.said_of(path, source), wanted.known, delivery, bool(wanted.replaces))
    enter_charges = stage_charges(store, path, progress, *how)

    def enter(known: datetime, replaces: Replaced) -> Imported:
        done = enter_charges(known, replaces)
        if not done.new:
            _replace_late(store, path, done.id, known, replaces)
        for name in wanted.adds:
            decide(store, done.id, Decision(adds=name), known)
        return done

    return enter


def _replace_late(
    store: Store, path: Path, content: str, known: datetime, replaces: Replaced
) -> None:
    """Decide that a file that is there already replaces others, unless they are replaced."""
    others = [item for item in replaces.there if item.id != content]
    names = {
        name for i in store.imports_between("charges", datetime.min, known) for name in i.names
    }
    in_force = {name for item in others for name in item.names}
    for name in replaces.names:
        if name in in_force or name not in names:
            other = import_named(others, Place(path.name), name)
            if other.id not in replaces.kept | replaces.done:
                decide(store, content, Decision(replaces=other.id), known)
                replaces.done.add(other.id)


def _stage_mends(store: Store, path: Path, progress: Progress, wanted: Wanted) -> Enter:
    return lambda known, replaces: mend_from_file(store, path, known)


def _is_dataset(seen: Seen) -> bool:
    is_sheet = seen.is_yaml or seen.is_workbook
    return not is_sheet and dataset_kind(seen.columns) != ""


def _is_commitment(seen: Seen) -> bool:
    return _is_dataset(seen) and dataset_kind(seen.columns) == COMMITMENTS


def _stage_commitments(store: Store, path: Path, progress: Progress, wanted: Wanted) -> Enter:
    return lambda known, replaces: import_tables(store, path, known, TERMS, read_commitments)


def _stage_dataset(store: Store, path: Path, progress: Progress, wanted: Wanted) -> Enter:
    return import_dataset(store, path)


DATASETS = (
    Dataset("plans", _begins("plan"), _stage_plan),
    Dataset("policies", _begins("policy"), _stage_policy),
    Dataset("charges", lambda seen: seen.has_rows_to_mend, _stage_mends),
    Dataset("terms", _is_commitment, _stage_commitments),
    Dataset("datasets", _is_dataset, _stage_dataset),
    *map(_tables, LAYOUTS.values()),
    Dataset("charges", lambda seen: True, _stage_charges),
)
"""All kinds of files, in the order in which they are tried.

Charges come last: what is no FOCUS file either is refused with what it lacks.
"""


def files_in(path: Path) -> tuple[list[Path], list[Problem]]:
    """Return the file itself, or the files in a folder that an import reads, in order.

    With them comes a problem for each file of the folder that is passed over, with the reason, and
    for each that is not as its manifest says.
    """
    if not path.is_dir():
        return [path], []
    taken, passed = [], []
    for file in sorted(file for file in path.rglob("*") if file.is_file()):
        reason = _why_passed_over(file, file.relative_to(path))
        if reason:
            values = {"reason": Message(reason)}
            passed.append(Problem("file-passed-over", Place(str(file.relative_to(path))), values))
        else:
            taken.append(file)
    parts = parts_of(path, taken)
    return [file for file in taken if file not in parts.dropped], [*passed, *parts.problems]


def _why_passed_over(file: Path, inside: Path) -> str:
    """Return the key of the reason why a file of a folder is not read; nothing where it is."""
    if any(part.startswith((".", "~$")) for part in inside.parts):
        return "passed-hidden"
    if file.suffix.lower() in SUFFIXES:
        return ""
    try:
        columns = read_header(file).columns
    except Refused as refusal:
        is_archive = refusal.problems[0].code in _ARCHIVES
        return "" if is_archive else "passed-no-table"
    is_of_charges = {name.strip().lower() for name in columns} & {n.lower() for n in ESSENTIAL}
    if is_of_charges or table_of(columns, _COLUMNS):
        return ""
    return "passed-manifest" if "manifest" in file.name.lower() else "passed-no-table"


def import_file(
    store: Store,
    path: Path,
    known: datetime,
    progress: Progress = lambda n: None,
    replaces: Sequence[str] = (),
    adds: Sequence[str] = (),
    fills: Mapping[str, str] | None = None,
) -> Imported:
    """Import one file, known from the moment given (UTC).

    Charges come in place of earlier imports of charges if they replace any, by file name or id,
    or beside those that they add to. `fills` says by column what stands in empty cells. Raises
    Refused; the store is then untouched.
    """
    wanted = Wanted(replaces, adds, fills or {}, sources=read_sources(store.path), known=known)
    return _staged(store, path, progress, wanted)(known, _replaced(store, wanted, known))


def _replaced(store: Store, wanted: Wanted, known: datetime) -> Replaced:
    is_asked = wanted.replaces or wanted.sources
    return Replaced(wanted.replaces, store.imports("charges", known) if is_asked else ())


def import_files(
    store: Store,
    paths: Sequence[Path],
    known: datetime,
    progress: Progress = lambda n: None,
    wanted: Wanted | None = None,
) -> Iterator[Imported | Refused]:
    """Read files, several at a time, and enter them into the store in their order.

    Yields the outcome of each: one that is refused does not hold up the others. `progress` is told
    of the name of each file that is begun, and of the bytes read. Raises Refused where the sources
    of the workspace cannot be read.
    """
    wanted = replace(wanted or Wanted(), sources=read_sources(store.path), known=known)
    replaced = _replaced(store, wanted, known)

    def stage(path: Path) -> Enter | Refused:
        progress(path.name)
        try:
            return _staged(store, path, progress, wanted)
        except Refused as problems:
            return problems

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        staged = pool.map(stage, paths)
        for one, replaces in _together(paths, staged, wanted, replaced):
            try:
                yield one if isinstance(one, Refused) else one(known, replaces)
            except Refused as problems:
                yield problems


def _together(
    paths: Sequence[Path], staged: Iterable[Enter | Refused], wanted: Wanted, replaced: Replaced
) -> Iterator[tuple[Enter | Refused, Replaced]]:
    """Yield files with what they replace: those that take a place together do so all, or none.

    They are those of a command that replaces others, or of one version of a source: if one of them
    is refused, what it held would be gone with what the others replace.
    """
    groups = [_group(path, wanted) for path in paths]
    if any(groups):
        staged = list(staged)
    lacking = dict[object, list[str]]()
    for path, group, one in zip(paths, groups, staged if any(groups) else ()):
        if group and isinstance(one, Refused):
            lacking.setdefault(group, []).append(path.name)
    for path, group, one in zip(paths, groups, staged):
        names = lacking.get(group) if group else None
        yield one, replace(replaced, refusal=_not_alone(path, names)) if names else replaced


def _group(path: Path, wanted: Wanted) -> object:
    """Return what a file is a part of that takes the place of others as a whole; None for none."""
    if path.suffix.lower() in YAML:
        return None
    try:
        delivery = wanted.delivery_of(path)
    except Refused:
        return None
    is_whole = delivery is not None and delivery.overwrites and delivery.version
    return delivery if is_whole else tuple(wanted.replaces) or None


def _not_alone(path: Path, names: Sequence[str]) -> Refused:
    values = {"count": len(names), "names": ", ".join(names[:_MOST_NAMED])}
    return refused("parts-refused", Place(path.name), **values)


def dataset_of(path: Path, encoding: str = "") -> Dataset:
    """Return what kind of file this is. Raises Refused where it cannot be read."""
    if not path.is_file():
        raise refused("file-unreadable", Place(path.name), detail=Message("no-such-file"))
    shown = str(path).encode("utf-8", "replace").decode("utf-8")
    if shown != str(path):
        place = Place(Path(shown).name)
        raise refused("file-unreadable", place, detail=Message("file-name-not-text"))
    seen = Seen(path, encoding)
    return next(dataset for dataset in DATASETS if dataset.fits(seen))


def _staged(store: Store, path: Path, progress: Progress, wanted: Wanted) -> Enter:
    """Read a file, as far as nobody else must wait for it. Raises Refused."""
    return dataset_of(path, wanted.encoding_of(path)).stage(store, path, progress, wanted)


def content_of(facts: Mapping[str, Any], lang: str) -> str:
    """Return what an import holds: charges of a FOCUS version, a plan, or rows of tables."""
    if "version" in facts:
        return say("content-charges", lang, count=facts["rows"], version=facts["version"])
    if "of" in facts:
        return say("content-decision", lang)
    if "dataset" in facts:
        return say("content-dataset", lang, count=facts["rows"], dataset=facts["dataset"])
    for name in ("plan", "policy"):
        if name in facts:
            return say(f"content-{name}", lang, **facts)
    tables = [say(f"content-{table}", lang, count=count) for table, count in facts.items()]
    return say("content-joint", lang).join(tables)
