"""The store: a folder of facts that only grows.

`<workspace>/<kind>/<id>/` holds one import: its Parquet files and `import.json`. It is written aside and renamed into place,
so it is there whole or not at all; its id is the digest of its content, so the same content is never there twice.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from fenrun.base.ids import short
from fenrun.base.problem import Place, Problem, Refused
from fenrun.base.when import parse_moment, show_moment

KINDS = ("charges", "book", "plans", "runs")


@dataclass(frozen=True)
class Import:
    """One import, as its manifest says."""

    id: str
    """Digest of the content."""
    kind: str
    source: str
    """File name it came from."""
    known: datetime
    """Moment (UTC) from which fenrun knows it: the second clock."""
    folder: Path
    facts: dict[str, Any] = field(default_factory=dict)
    """What the stage counted: rows, totals, version."""
    problems: tuple[Problem, ...] = ()


class Store:
    """The facts of a workspace."""

    def __init__(self, path: Path):
        self.path = path

    @classmethod
    def open(cls, path: Path) -> Store:
        """An existing workspace. Raises Refused where there is none."""
        if not (path / "fenrun.json").is_file():
            raise Refused([Problem("workspace-missing", Place(str(path)))])
        return cls(path)

    def has(self, kind: str, content_id: str) -> bool:
        """Whether this content is there already."""
        return (self.path / kind / short(content_id)).is_dir()

    def add(self, kind: str, content_id: str, manifest: dict[str, Any], write: Callable[[Path], None]) -> Path:
        """Write an import aside, then rename it into place; the same content twice changes nothing. Returns its folder."""
        target = self.path / kind / short(content_id)
        if target.is_dir():
            return target
        target.parent.mkdir(parents=True, exist_ok=True)
        marker = self.path / "fenrun.json"
        if not marker.exists():
            marker.write_text('{"fenrun": "workspace", "format": 1}\n', "utf-8")
        aside = Path(tempfile.mkdtemp(prefix=".aside-", dir=self.path))
        try:
            write(aside)
            (aside / "import.json").write_text(json.dumps(manifest | {"id": content_id}, ensure_ascii=False, indent=1, default=_plain) + "\n", "utf-8")
            os.replace(aside, target)
        finally:
            shutil.rmtree(aside, ignore_errors=True)
        return target

    def imports(self, kind: str, known: datetime | None = None) -> list[Import]:
        """All imports of a kind that were known by then, in the order they became known."""
        found = []
        for file in sorted((self.path / kind).glob("*/import.json")):
            said = json.loads(file.read_text("utf-8"))
            moment = parse_moment(said["known"])
            if known is None or moment <= known:
                problems = tuple(read_problem(p) for p in said.get("problems", ()))
                found.append(Import(said["id"], kind, said["source"], moment, file.parent, said.get("facts", {}), problems))
        return sorted(found, key=lambda i: (i.known, i.id))

    def known(self) -> datetime | None:
        """The last moment at which anything became known: the default second clock, so that a run repeated is the same run."""
        moments = [i.known for kind in KINDS[:3] for i in self.imports(kind)]
        return max(moments, default=None)


def manifest(source: str, known: datetime, facts: dict[str, Any], problems: list[Problem]) -> dict[str, Any]:
    """What `import.json` says."""
    return {"source": source, "known": show_moment(known), "facts": facts, "problems": [asdict(p) for p in problems]}


def read_problem(said: dict[str, Any]) -> Problem:
    """A problem from its stored form."""
    return Problem(said["code"], Place(**said["place"]), said["values"], tuple(Place(**p) for p in said["also"]), said["rows"])


def _plain(value: Any) -> str:
    return str(value)
