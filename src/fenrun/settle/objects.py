"""Objects of a store in the cloud, or on the web, as files to import: only those that are new.

`s3://`, `gs://` and `abfs://` are read by pyarrow's file systems, with the credentials, region and
endpoint that the environment says as for every tool of that cloud; `https://` is one file. Of an
account's key in the environment pyarrow does not know for Azure: it is read here.
"""

from __future__ import annotations

import os
import re
import shutil
import urllib.request
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO, Any
from urllib.parse import urlsplit

import pyarrow as pa
from pyarrow import fs

from fenrun.base.ids import digest
from fenrun.base.kept import keep, read_kept
from fenrun.base.problem import Place, refused
from fenrun.base.words import Unreadable, reason
from fenrun.settle.imports import SUFFIXES
from fenrun.settle.manifests import RunFiles, parts_of
from fenrun.store.facts import Store

_AZURE = ("abfs://", "abfss://")
_BUCKETS = ("s3://", "gs://", "gcs://", *_AZURE)
_WEB = "https://"
_PASSWORD = re.compile(r":[^@]*@")
_SEEN = "objects.json"
_PATIENCE = 60
"""Seconds without a byte after which a file of the web is given up."""
_LONGEST_REASON = 300
_LONGEST_NAME = 200
"""Bytes of a folder's name; that of a longer one is another here."""
_NO_FOLDERS = ("", ".", "..")


@dataclass(frozen=True)
class Object:
    """An object that was fetched."""

    url: str
    mark: str
    """What changes when the object does: its size, and its time or tag."""
    path: Path
    """Where its content lies now."""


def is_remote(text: str) -> bool:
    """Return whether a name is an address, not a path."""
    return text.startswith((*_BUCKETS, _WEB))


def public(url: str) -> str:
    """Return an address without what is secret: its query, and a password or key before `@`."""
    scheme, mark, rest = url.partition("?")[0].partition("://")
    host, slash, path = rest.partition("/")
    return scheme + mark + _PASSWORD.sub("@", host) + slash + path


@dataclass(frozen=True)
class Fetched:
    """The objects of an address that are new."""

    objects: Sequence[Object]
    known: int
    """How many are as they were imported."""
    parts: RunFiles
    """Those of exports as their manifests have them."""

    def __add__(self, other: Fetched) -> Fetched:
        """Return the objects of both addresses."""
        mine, theirs = self.parts, other.parts
        dropped, problems = mine.dropped | theirs.dropped, [*mine.problems, *theirs.problems]
        parts = RunFiles(mine.of | theirs.of, dropped, problems)
        return Fetched([*self.objects, *other.objects], self.known + other.known, parts)


def fetch_new(store: Store, url: str, into: Path, is_all: bool = False) -> Fetched:
    """Fetch the objects below an address that were not imported as they are now, or `is_all`.

    They are in the order of their names, and lie below `into` as in the bucket, with the manifests
    of exports beside them: what is not whole or of another run is not among them. Raises Refused
    where the address cannot be read.
    """
    seen = {} if is_all else _seen(store)
    found, known = list[Object](), 0
    with _guarded(url):
        for address, mark, copy in _listed(url):
            is_manifest = _is_manifest(address)
            if seen.get(address) == mark and not is_manifest:
                known += 1
                continue
            path = _placed(into, address)
            path.parent.mkdir(parents=True, exist_ok=True)
            copy(path)
            if not is_manifest:
                found.append(Object(address, mark, path))
    parts = parts_of(into, [one.path for one in found], is_bucket=True)
    if known:  # parts that came before are not fetched again
        parts.problems = [one for one in parts.problems if one.code != "parts-all-missing"]
    return Fetched([one for one in found if one.path not in parts.dropped], known, parts)


def _is_manifest(address: str) -> bool:
    """Return whether an object names the parts of an export: it is read with them, each time."""
    name = PurePosixPath(address).name.lower()
    return "manifest" in name and name.endswith(".json") and not address.startswith(_WEB)


def _placed(into: Path, address: str) -> Path:
    """Return where an object is put: in folders of the names of its own, as manifests say them."""
    *folders, name = address.partition("://")[2].split("/")
    names = ["_" if one in _NO_FOLDERS else one for one in folders]
    short_ = [one if len(one.encode()) <= _LONGEST_NAME else digest("folder", one) for one in names]
    return into.joinpath(*short_, "file" if name in _NO_FOLDERS else name)


def remember(store: Store, objects: Iterable[Object]) -> None:
    """Note which objects are imported. What is noted saves fetching alone: it may be deleted."""
    if new := {one.url: one.mark for one in objects}:
        keep(store.path / "cache" / _SEEN, _seen(store) | new)


def _seen(store: Store) -> dict[str, str]:
    found = read_kept(store.path / "cache" / _SEEN)
    return found if isinstance(found, dict) else {}


def _listed(url: str) -> Iterator[tuple[str, str, Any]]:
    """Yield the address and mark of each object, and what copies it to a path."""
    if url.startswith(_WEB):
        with urllib.request.urlopen(url, timeout=_PATIENCE) as answer:
            tag = answer.headers.get("ETag") or answer.headers.get("Last-Modified") or ""
            size = answer.headers.get("Content-Length") or ""
            mark = f"{size} {tag}" if tag else f"{size} {answer.headers.get('Date')}"
            yield public(url), mark, lambda path: _copy(answer, path)
        return
    scheme, _, rest = url.partition("://")
    if not rest.strip("/"):
        raise Unreadable("object-no-bucket")
    system, start = _azure(rest) if url.startswith(_AZURE) else (None, "")
    if system is None:
        system, start = fs.FileSystem.from_uri(url)
    here = system.get_file_info(start)
    infos = [here]
    if here.type != fs.FileType.File:
        infos = system.get_file_info(fs.FileSelector(start, recursive=True))
    files = [info for info in infos if info.type == fs.FileType.File]
    for info in sorted(files, key=lambda info: info.path):
        name = PurePosixPath(info.path).name
        is_read = name.lower().endswith(SUFFIXES) or _is_manifest(info.path)
        if info is here or (is_read and not name.startswith(".")):
            mark = f"{info.size} {info.mtime_ns}"
            yield f"{scheme}://{info.path}", mark, _copying(system, info.path)


def _azure(rest: str) -> tuple[fs.FileSystem | None, str]:
    """Return Azure's file system by the key or signature that the environment says, and the path.

    `rest` is `container/path`, or `container@account/path`. None where the environment says none,
    or the address has its own: then pyarrow reads the address.
    """
    said = dict(
        part.split("=", 1)
        for part in os.environ.get("AZURE_STORAGE_CONNECTION_STRING", "").split(";")
        if "=" in part
    )
    key = said.get("AccountKey") or os.environ.get("AZURE_STORAGE_KEY")
    signature = said.get("SharedAccessSignature") or os.environ.get("AZURE_STORAGE_SAS_TOKEN")
    before, _, path = rest.partition("?")[0].partition("/")
    container, _, host = before.partition("@")
    named = host.partition(".")[0] or said.get("AccountName")
    account = named or os.environ.get("AZURE_STORAGE_ACCOUNT")
    if not (key or signature) or not account or ":" in before or "?" in rest:
        return None, ""
    how: dict[str, Any] = {"account_key": key} if key else {"sas_token": signature}
    if endpoint := said.get("BlobEndpoint"):
        parts = urlsplit(endpoint)
        how |= {f"{kind}_storage_authority": parts.netloc for kind in ("blob", "dfs")}
        how |= {f"{kind}_storage_scheme": parts.scheme for kind in ("blob", "dfs")}
    return fs.AzureFileSystem(account, **how), f"{container}/{path}".rstrip("/")


def _copying(system: fs.FileSystem, name: str) -> Any:
    def copy(path: Path) -> None:
        with system.open_input_stream(name) as stream:
            _copy(stream, path)

    return copy


def _copy(stream: IO[bytes], path: Path) -> None:
    with path.open("wb") as file:
        shutil.copyfileobj(stream, file, 1 << 20)


@contextmanager
def _guarded(url: str) -> Iterator[None]:
    """Refuse an address that cannot be read. Raises Refused."""
    try:
        yield
    except (OSError, ValueError, NotImplementedError, pa.ArrowException) as error:
        said = reason(error)
        detail = said.partition("\n")[0][:_LONGEST_REASON] if isinstance(said, str) else said
        raise refused("object-unreadable", Place(public(url)), detail=detail) from error
