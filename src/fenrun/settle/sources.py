"""Sources: how each provider's files come, said once in the workspace's `sources.yaml`.

    sources:
    - source: beichen
      files: exports/beichen/{version}/*
      delivers: overwrite
      set: {InvoiceIssuerName: Beichen Cloud}
      columns: {BilledCost: 应付金额}

`files` fits the end of a path or address: `*` is anything, `{version}` one folder or name by which
later deliveries are told. `columns` says below which heading each column of FOCUS stands, `zone` in
which time zone times are that do not say theirs. The file says how files are read, and is no fact:
what it made of each is in the import and in the log.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from fenrun.base.bounds import read_text
from fenrun.base.nodes import plain, why_no_yaml
from fenrun.base.problem import Place, refused
from fenrun.base.when import is_zone
from fenrun.base.words import Message
from fenrun.charges.delivered import Delivery
from fenrun.charges.encodings import is_encoding

NAME = "sources.yaml"
_KEYS = ("source", "files", "delivers", "set", "encoding", "columns", "zone")
_DELIVERS = {"overwrite": True, "append": False}
"""FOCUS DeliveryHandling: whether each delivery is the whole month so far, or adds to it."""
_VERSION = "{version}"


@dataclass(frozen=True)
class Source:
    """A source of charges."""

    name: str
    files: tuple[str, ...]
    """What its files fit, as sources.yaml says."""
    patterns: tuple[re.Pattern[str], ...]
    overwrites: bool
    fills: Mapping[str, str]
    """By column what stands in cells that it leaves empty."""
    encoding: str
    """In which encoding its texts are; empty where that is told by their bytes."""
    columns: Mapping[str, str]
    """By column of FOCUS its heading in the files, where that is another."""
    zone: str
    """The time zone of times that do not say theirs; empty for UTC."""

    def delivery(self, address: str) -> Delivery | None:
        """Return a file as a delivery of this source; None where it is of another."""
        for pattern in self.patterns:
            if match := pattern.fullmatch(address):
                return Delivery(self.name, self.overwrites, match.groupdict().get("version") or "")
        return None


def read_sources(workspace: Path) -> tuple[Source, ...]:
    """Return the sources of a workspace; none without the file. Raises Refused for other forms."""
    path = workspace / NAME
    if not path.exists():
        return ()
    try:
        said = plain(read_text(path)) or {}
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise _unreadable("sources-no-yaml", detail=why_no_yaml(error)) from error
    listed = said.get("sources") if isinstance(said, dict) and set(said) == {"sources"} else None
    if not isinstance(listed, list):
        raise _unreadable("sources-no-list")
    found = tuple(_source(one) for one in listed)
    names = [one.name for one in found]
    if len(set(names)) < len(names):
        raise _unreadable("sources-twice", name=next(n for n in names if names.count(n) > 1))
    return found


def source_of(sources: Iterable[Source], address: str) -> tuple[Source, Delivery] | None:
    """Return the source of a file, by its path or address, and the file as its delivery.

    Raises Refused where two sources have it.
    """
    fitting = [(one, found) for one in sources if (found := one.delivery(address))]
    if len(fitting) > 1:
        names = ", ".join(one.name for one, _ in fitting)
        raise refused("sources-unreadable", Place(NAME), detail=_two(address, names))
    return fitting[0] if fitting else None


def _two(address: str, names: str) -> Message:
    return Message("sources-both", {"file": address.rpartition("/")[2], "names": names})


def _source(said: Any) -> Source:
    """Read one source. Raises Refused."""
    if not isinstance(said, dict) or not {"source", "files"} <= set(said) <= set(_KEYS):
        raise _unreadable("sources-keys", keys=", ".join(_KEYS))
    name = said["source"]
    files = said["files"] if isinstance(said["files"], list) else [said["files"]]
    if not isinstance(name, str) or not name or not _are_texts(files):
        raise _unreadable("sources-keys", keys=", ".join(_KEYS))
    delivers, fills = said.get("delivers", "append"), said.get("set", {})
    if delivers not in _DELIVERS:
        raise _unreadable("sources-delivers", name=name, known=", ".join(_DELIVERS))
    if not isinstance(fills, dict) or not _are_texts([*fills, *fills.values()]):
        raise _unreadable("sources-set", name=name)
    columns = said.get("columns", {})
    if not isinstance(columns, dict) or not _are_texts([*columns, *columns.values()]):
        raise _unreadable("sources-columns", name=name)
    encoding = said.get("encoding", "")
    if encoding != "" and not (isinstance(encoding, str) and is_encoding(encoding)):
        raise _unreadable("sources-encoding", name=name)
    zone = said.get("zone", "")
    if zone != "" and not (isinstance(zone, str) and is_zone(zone)):
        raise _unreadable("sources-zone", name=name)
    patterns = tuple(_pattern(name, text) for text in files)
    how = (_DELIVERS[delivers], fills, encoding, columns, zone)
    return Source(name, tuple(files), patterns, *how)


def _are_texts(values: Sequence[Any]) -> bool:
    return all(isinstance(value, str) and value.strip() for value in values)


def _pattern(name: str, text: str) -> re.Pattern[str]:
    """Return what fits the end of an address: `*` is any text, `{version}` one part of it."""
    if text.count(_VERSION) > 1:
        raise _unreadable("sources-version", name=name)
    parts = re.split(r"(\*|\{version\})", text.strip().replace("\\", "/").removeprefix("./"))
    named = {"*": ".*", _VERSION: "(?P<version>[^/]+)"}
    body = "".join(named.get(part) or re.escape(part) for part in parts)
    return re.compile(rf"(?:.*/)?{body}", re.DOTALL)


def _unreadable(key: str, **values: Any) -> Exception:
    return refused("sources-unreadable", Place(NAME), detail=Message(key, values))
