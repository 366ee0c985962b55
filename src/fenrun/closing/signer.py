"""The signer of a workspace, as its `signing.yaml` says: a name, and where others can ask.

`name` is whose key it is, `trust` the address of a page that shows its fingerprint, `anchors` the
places outside the workspace that every close is noted at.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import yaml

from fenrun.base.problem import Place, refused

NAME = "signing.yaml"
_KEYS = ("name", "trust", "anchors")
_LONGEST = 200


@dataclass(frozen=True)
class Signer:
    """The name and addresses of a workspace's signer."""

    name: str
    trust: str
    """Address of a page that shows name and fingerprint; empty where none is given."""
    anchors: tuple[str, ...]
    """Each as `kind:where`."""


def signer_of(workspace: Path) -> Signer:
    """Return who signs; without the file, the folder's name. Raises Refused where it is unclear."""
    path = workspace / NAME
    said: object = {}
    if path.exists():
        try:
            said = yaml.safe_load(path.read_text("utf-8")) or {}
        except (OSError, ValueError, yaml.YAMLError) as error:
            raise _unreadable(path, str(error).split("\n")[0]) from error
    if not isinstance(said, dict) or set(said) - set(_KEYS):
        raise _unreadable(path, f"its keys are {', '.join(_KEYS)}")
    name, trust = said.get("name") or workspace.resolve().name, said.get("trust") or ""
    anchors = said.get("anchors") or []
    texts = [name, trust, *anchors] if isinstance(anchors, list) else [None]
    if not all(isinstance(text, str) and len(text) <= _LONGEST for text in texts):
        raise _unreadable(path, f"name, trust and each of anchors are texts of up to {_LONGEST}")
    return Signer(name, trust, tuple(anchors))


def _unreadable(path: Path, detail: str) -> Exception:
    return refused("signer-unreadable", Place(str(path)), detail=detail)
