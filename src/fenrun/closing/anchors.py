"""Anchors: places outside a workspace that keep the signed head of its log at each close.

Who can write a workspace can compute every hash of its log anew, and sign it too. Whoever keeps the
heads elsewhere finds that: the row of a head has another hash then.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Protocol

from fenrun.base.problem import Place, Problem, Refused, refused
from fenrun.base.when import show_moment
from fenrun.base.words import Message, Unreadable
from fenrun.closing.heads import Head, heads_text, read_heads, signed_heads
from fenrun.closing.signer import signer_of
from fenrun.closing.stamps import StampAnchor
from fenrun.store.facts import Store

_PATIENCE = 60
"""Seconds that git may take."""
_FILE = "heads.jsonl"


class Anchor(Protocol):
    """A place outside a workspace that keeps heads."""

    def heads(self) -> list[Head]:
        """Return all that it ever kept. Raises OSError, ValueError or SubprocessError."""

    def late(self) -> list[tuple[Head, datetime]]:
        """Return heads that it got long after their close, and when (UTC), where it knows."""

    def add(self, heads: Sequence[Head]) -> None:
        """Keep more heads. Raises OSError, ValueError or SubprocessError."""


@dataclass(frozen=True)
class FileAnchor:
    """A file elsewhere, to which lines are added."""

    path: Path

    def heads(self) -> list[Head]:
        return read_heads(self.path.read_text("utf-8")) if self.path.exists() else []

    def late(self) -> list[tuple[Head, datetime]]:
        return []  # a line does not say when it was added

    def add(self, heads: Sequence[Head]) -> None:
        with self.path.open("a", encoding="utf-8") as file:
            file.write(heads_text(heads))
            file.flush()
            os.fsync(file.fileno())


@dataclass(frozen=True)
class GitAnchor:
    """A repository, which gets a commit for each close; a head stays in its history."""

    folder: Path

    def heads(self) -> list[Head]:
        """Return the heads of all commits, so that taking one out again is of no use."""
        if not self._git("for-each-ref") and not (self.folder / _FILE).exists():
            return []
        commits = self._git("log", "--reverse", "--format=%H", "--", _FILE).split()
        texts = [self._git("show", f"{commit}:./{_FILE}") for commit in commits]
        return list(dict.fromkeys(head for text in texts for head in read_heads(text)))

    def late(self) -> list[tuple[Head, datetime]]:
        return []  # who commits says when

    def add(self, heads: Sequence[Head]) -> None:
        text = heads_text([*self.heads(), *heads])
        (self.folder / _FILE).write_text(text, "utf-8")
        self._git("add", "--", _FILE)
        who = ("-c", "user.name=fenrun", "-c", "user.email=fenrun@localhost")
        rows = ", ".join(f"{head.period}, row {head.seq}" for head in heads)
        self._git(*who, "commit", "-q", "-m", f"Closed {rows}", "--", _FILE)

    def _git(self, *words: str) -> str:
        command = ["git", "-C", str(self.folder), *words]
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=_PATIENCE, check=False
        )
        if done.returncode:
            raise OSError(done.stderr.strip().split("\n")[-1][:200] or f"git {words[0]}")
        return done.stdout


ANCHORS: dict[str, Callable[[Path], Anchor]] = {
    "file": FileAnchor,
    "git": GitAnchor,
    "tsa": StampAnchor,
}
"""The kinds of anchors, by what their address begins with."""


def anchor_at(address: str) -> Anchor:
    """Return the anchor of an address: `file:PATH`, `git:FOLDER` or `tsa:FOLDER`.

    Raises Refused for others.
    """
    kind, _, where = address.partition(":")
    if kind not in ANCHORS or not where:
        detail = f"it begins with none of {', '.join(f'{kind}:' for kind in ANCHORS)}"
        raise refused("anchor-unreadable", Place(address), detail=detail)
    return ANCHORS[kind](Path(where))


def anchor_closes(store: Store) -> list[Problem]:
    """Note every close at each anchor of `signing.yaml` that does not have it yet.

    Returns the anchors that could not be written, or hold another log: these stay as they are.
    """
    found: list[Problem] = []
    for address in signer_of(store.path).anchors:
        try:
            anchor, heads = anchor_at(address), signed_heads(store)
            kept = anchor.heads()
            differing = _differing(store, address, kept)
            found += differing
            missing = [head for head in heads if head.hash not in {one.hash for one in kept}]
            if missing and not differing:
                anchor.add(missing)
        except Refused as refusal:
            found += refusal.problems
        except (OSError, ValueError, TypeError, subprocess.SubprocessError) as error:
            values = {"detail": _detail(error)}
            found.append(Problem("anchor-unwritten", Place(address), values))
    return found


def broken_anchors(store: Store, addresses: Sequence[str] = ()) -> list[Problem]:
    """Return where the log is not the one whose heads the anchors keep, and what they lack.

    The anchors are those of `signing.yaml`, and others by their `addresses`.
    """
    found: list[Problem] = []
    closed = {event.hash for event in store.log.events("closes")}
    for address in dict.fromkeys([*signer_of(store.path).anchors, *addresses]):
        try:
            anchor = anchor_at(address)
            kept, late = anchor.heads(), anchor.late()
        except Refused as refusal:
            found += refusal.problems
            continue
        except (OSError, ValueError, TypeError, subprocess.SubprocessError) as error:
            found.append(Problem("anchor-unreadable", Place(address), {"detail": _detail(error)}))
            continue
        differing = _differing(store, address, kept)
        found += differing
        for head, at in late:
            values = {"period": head.period, "at": head.at, "stamped": show_moment(at)}
            found.append(Problem("anchor-late", Place(store.log.path.name, head.seq), values))
        lacking = len(closed - {head.hash for head in kept})
        if lacking and not differing:
            found.append(Problem("anchor-behind", Place(address), {"count": lacking}))
    return found


def _differing(store: Store, address: str, kept: Sequence[Head]) -> list[Problem]:
    """Return the heads whose row in the log is gone or another."""
    hashes = {event.seq: event.hash for event in store.log.events()}
    return [
        Problem(
            "anchor-differs",
            Place(store.log.path.name, head.seq),
            {"anchor": address, "period": head.period, "at": head.at},
        )
        for head in kept
        if hashes.get(head.seq) != head.hash
    ]


def _detail(error: Exception) -> Message | str:
    if isinstance(error, Unreadable):
        return error.message
    return str(error).split("\n")[0][:200] or type(error).__name__
