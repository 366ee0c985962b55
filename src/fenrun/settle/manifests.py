"""Manifests of exports: the parts that one run of an export has, so that none lacks in silence.

AWS Data Exports name them in `dataFiles`, Cost and Usage Reports in `reportKeys`, both without any
count; Azure in `blobs`, with the bytes and rows of each and the rows of all; Google Cloud exports
to BigQuery, without a manifest. A part that is not there, or not whole, is open until it comes; a
file beside the parts that no manifest names is of another run, and is not read by itself.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

from fenrun.base.ids import digest, short
from fenrun.base.problem import Place, Problem

_LISTS = ("dataFiles", "reportKeys", "blobs", "files")
_NAMES = ("blobName", "name", "path", "key", "url")
_BYTES, _ROWS = "byteCount", "dataRowCount"
"""The counts of Azure. A name that no provider documents may count anything: none is guessed."""
_RUNS = ("executionId", "assemblyId", "runId", "eTag")
_DATE = re.compile(r"20\d\d-?[01]\d(?:-?[0-3]\d)?")
_LARGEST = 16 << 20
"""Bytes of a manifest."""
_MOST_NAMED = 20


class _Part(NamedTuple):
    """A file that a manifest names."""

    path: str
    bytes: int | None
    """None where it is not said."""
    rows: int | None = None
    """None where it is not said."""

    @property
    def name(self) -> str:
        """Its name without folders."""
        return PurePosixPath(self.path).name


class _Manifest(NamedTuple):
    path: Path
    run: str
    parts: Sequence[_Part]
    rows: int | None
    """The rows of all parts together; None where that is not said."""
    export: str = ""
    """The export and its span of days, which each of its runs holds as a whole; empty where that
    is not said."""
    at: str = ""
    """When the run was made: later runs have greater texts."""


@dataclass
class RunFiles:
    """The files of a folder, as its manifests have them."""

    of: dict[Path, Mapping[str, Any]] = field(default_factory=dict)
    """By file its `run`, its name as a `part`, and which others of the run are `missing`."""
    dropped: set[Path] = field(default_factory=set)
    """The files that are not whole, or of another run."""
    problems: list[Problem] = field(default_factory=list)


def parts_of(folder: Path, files: Sequence[Path], is_bucket: bool = False) -> RunFiles:
    """Return the files of a folder as its manifests have them; nothing of a file by itself.

    They lie where the manifests say, below it, if it `is_bucket`; else its folders may have other
    names than those of the export.
    """
    found = RunFiles()
    manifests = [*_manifests(folder)] if folder.is_dir() else []
    file_of = _assigned(manifests, files, folder, is_bucket)
    for manifest in _latest(manifests, file_of):
        _add(found, folder, manifest, file_of)
    named = set(file_of.values())
    beside = {(file.parent, file.suffix.lower()) for file in named}
    for file in files:
        if file not in named and (file.parent, file.suffix.lower()) in beside:
            found.problems.append(_problem("part-unlisted", folder, file, manifests[0], {}))
            found.dropped.add(file)
    return found


def _add(found: RunFiles, folder: Path, manifest: _Manifest, file_of: Mapping[_Part, Path]) -> None:
    """Add the parts of one manifest."""
    there = {part: file_of[part] for part in manifest.parts if part in file_of}
    whole = {part: file for part, file in there.items() if _is_whole(part, file)}
    missing = [part.name for part in manifest.parts if part not in whole]
    for part, file in there.items():
        if part in whole:
            said: dict[str, Any] = {"run": manifest.run, "part": part.name}
            said |= {"missing": missing} if missing else {}
            said |= {"rows": part.rows} if part.rows is not None else {}
            said |= {"rows_of_run": manifest.rows} if manifest.rows is not None else {}
            said |= {"export": manifest.export, "at": manifest.at} if manifest.export else {}
            found.of[file] = said
        else:
            values: dict[str, Any] = {"bytes": file.stat().st_size, "expected": part.bytes}
            found.problems.append(_problem("part-not-whole", folder, file, manifest, values))
            found.dropped.add(file)
    if not there:
        values = {"count": len(missing), "names": ", ".join(missing[:_MOST_NAMED])}
        problem = _problem("parts-all-missing", folder, manifest.path, manifest, values)
        found.problems.append(problem)


def _assigned(
    manifests: Iterable[_Manifest], files: Iterable[Path], folder: Path, is_bucket: bool
) -> dict[_Part, Path]:
    """Return the file of each part: of its name, and each of that part whose folders fit best."""
    by_name: dict[str, list[Path]] = {}
    for file in files:
        by_name.setdefault(file.name, []).append(file)
    fitting = [
        (*_fit(part, manifest, file), part, file)
        for manifest in manifests
        for part in manifest.parts
        for file in by_name.get(part.name, [])
        if _may_be(part, manifest, file, folder, is_bucket)
    ]
    found: dict[_Part, Path] = {}
    taken = set[Path]()
    for *_, part, file in sorted(fitting, key=lambda one: (-one[0], -one[1], str(one[3]))):
        if part not in found and file not in taken:
            found[part] = file
            taken.add(file)
    return found


def _may_be(part: _Part, manifest: _Manifest, file: Path, folder: Path, is_bucket: bool) -> bool:
    """Return whether a file of a part's name can be that part.

    In a bucket its folders are those of the part. Else they may be called otherwise, but have no
    other month or day than the part or its manifest.
    """
    here = file.relative_to(folder).parts[:-1]
    path = part.path.removeprefix(f"{folder.as_posix()}/")
    folders = PurePosixPath(path.partition("://")[2] or path).parts[:-1]
    if is_bucket:
        return _common(reversed(here), reversed(folders)) >= min(len(here), len(folders))
    dates = _dates(here)
    said = _dates((*folders, *manifest.path.relative_to(folder).parts[:-1]))
    both = [one.startswith(other) or other.startswith(one) for one in dates for other in said]
    return not both or any(both)


def _dates(folders: Iterable[str]) -> set[str]:
    """Return the months and days that folders are named by, as digits."""
    return {found.replace("-", "") for name in folders for found in _DATE.findall(name)}


def _fit(part: _Part, manifest: _Manifest, file: Path) -> tuple[int, int]:
    """Return how many folders of a file are those of a part, and those of its manifest."""
    ours, folders = file.parts[:-1], PurePosixPath(part.path).parts[:-1]
    return _common(reversed(ours), reversed(folders)), _common(ours, manifest.path.parts[:-1])


def _latest(manifests: Iterable[_Manifest], file_of: Mapping[_Part, Path]) -> Iterator[_Manifest]:
    """Yield the manifests; of runs that wrote the same files the one whose parts are there."""
    seen = set[_Part]()
    missing = {m.path: sum(part not in file_of for part in m.parts) for m in manifests}
    for manifest in sorted(manifests, key=lambda m: missing[m.path]):
        if not seen & {*manifest.parts}:
            seen |= {*manifest.parts}
            yield manifest


def _problem(
    code: str, folder: Path, file: Path, manifest: _Manifest, values: Mapping[str, Any]
) -> Problem:
    name = str(manifest.path.relative_to(folder))
    return Problem(code, Place(str(file.relative_to(folder))), {"manifest": name, **values})


def _manifests(folder: Path) -> Iterator[_Manifest]:
    """Yield the manifests of a folder, the last first; one that names no parts is none."""
    for path in sorted(folder.rglob("*"), reverse=True):
        if "manifest" in path.name.lower() and path.suffix.lower() == ".json" and path.is_file():
            said = _read(path)
            parts = tuple(dict.fromkeys(_named_in(said, path.parent)))
            if parts:
                own = digest("manifest", str(path.relative_to(folder)), [p.name for p in parts])
                rows = _count(said, _ROWS)
                yield _Manifest(path, _run(said) or short(own), parts, rows, *_export(said, parts))


def _read(path: Path) -> dict[str, Any]:
    """Return what a manifest says; nothing where it is no object."""
    try:
        if path.stat().st_size > _LARGEST:
            return {}
        said = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        return {}
    return said if isinstance(said, dict) else {}


def _named_in(said: Mapping[str, Any], folder: Path) -> Iterator[_Part]:
    """Yield the parts that a manifest names; a name without folders is one in its own."""
    for part in _named(said):
        path = part.path
        yield part if "/" in path else part._replace(path=(folder / path).as_posix())


def _named(said: Mapping[str, Any]) -> Iterator[_Part]:
    for key in _LISTS:
        listed = said.get(key)
        for item in listed if isinstance(listed, list) else []:
            if isinstance(item, str) and item.strip():
                yield _Part(item.strip(), None)
            elif isinstance(item, dict):
                path = next((item[n] for n in _NAMES if isinstance(item.get(n), str)), "")
                size, rows = _count(item, _BYTES), _count(item, _ROWS)
                if path.strip():
                    yield _Part(path.strip(), size, rows)


def _count(said: Mapping[str, Any], name: str) -> int | None:
    """Return the number that stands below a name; None where none does."""
    count = said.get(name)
    return count if type(count) is int else None


def _run(said: Mapping[str, Any]) -> str:
    info = said.get("runInfo")
    for place in (said, info if isinstance(info, dict) else {}):
        for key in _RUNS:
            if isinstance(place.get(key), str) and place[key].strip():
                return str(place[key]).strip()
    return ""


def _export(said: Mapping[str, Any], parts: Sequence[_Part]) -> tuple[str, str]:
    """Return of which export and days a run of Azure is, and when it was made; nothing of others.

    Exports of two scopes may have one name: they are told apart by the scope, or by their folder.
    """
    config, info = (_texts(said.get(key)) for key in ("exportConfig", "runInfo"))
    name, at = config.get("exportName", ""), info.get("submittedTime", "")
    days = [info.get(key, "")[:10] for key in ("startDate", "endDate")]
    if not (name and at and all(days)):
        return "", ""
    folder = PurePosixPath(parts[0].path).parts[:-3]
    scope = config.get("resourceId") or "/".join(folder)
    return f"{name} {'/'.join(days)} ({short(digest('export', scope, name))})", at


def _texts(said: Any) -> dict[str, str]:
    there = said.items() if isinstance(said, dict) else ()
    return {key: value.strip() for key, value in there if isinstance(value, str)}


def _common(one: Iterable[str], other: Iterable[str]) -> int:
    """Return how many parts two paths have in common from their begin."""
    count = 0
    for mine, theirs in zip(one, other):
        if mine != theirs:
            break
        count += 1
    return count


def _is_whole(part: _Part, file: Path) -> bool:
    return part.bytes is None or file.stat().st_size == part.bytes
