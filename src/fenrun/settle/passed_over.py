"""The files of imported folders that were passed over, as the log says: which, and why."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from fenrun.base.ids import digest
from fenrun.base.problem import Problem
from fenrun.base.when import show_moment
from fenrun.base.words import Message
from fenrun.store.facts import Store

KIND = "passed"
"""What the log calls files that were passed over."""


@dataclass(frozen=True)
class PassedOver:
    """A file of a folder that was not read."""

    file: str
    """Its path in the folder."""
    folder: str
    reason: Message
    at: str
    """When the folder was first imported with it (UTC)."""
    actor: str


def note_passed_over(store: Store, folder: str, passed: Sequence[Problem], known: datetime) -> None:
    """Enter in the log which files of a folder were passed over; the same files only once.

    Where nothing was ever imported there is no workspace, and nothing is entered. What else is
    wrong with the folder, as its manifests say, is no file that was passed over.
    """
    files = {
        one.place.source: one.values["reason"].key
        for one in passed
        if one.code == "file-passed-over"
    }
    if not (files and store.is_there):
        return
    subject = digest(KIND, folder, files)
    with store.log.writing() as log:
        if log.row_of(KIND, subject):
            return
        log.add(
            at=store.time(known),
            actor=store.actor,
            act="pass over",
            kind=KIND,
            subject=subject,
            reason=store.reason,
            before={},
            after={
                "source": folder,
                "known": show_moment(known),
                "files": {},
                "passed": files,
            },
        )


def files_passed_over(store: Store) -> list[PassedOver]:
    """Return the files that were passed over, the last ones first; each of a folder once."""
    found: dict[tuple[str, str], PassedOver] = {}
    for event in reversed(store.log.events(KIND)):
        said = event.facts()
        for file, reason in said["passed"].items():
            one = PassedOver(file, said["source"], Message(reason), event.at, event.actor)
            found.setdefault((one.folder, file), one)
    return list(found.values())
