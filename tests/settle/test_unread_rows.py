"""Rows of book, terms and events that could not be read stop a close until they are mended."""

from __future__ import annotations

from pathlib import Path

import pytest

from fenrun.base.problem import Refused
from fenrun.base.when import parse_period
from fenrun.closing.close import close
from fenrun.settle.deliveries import Decision, decide, undecided
from fenrun.settle.facts import check_workspace
from fenrun.settle.imports import import_file
from fenrun.store.facts import Store
from tests.lab.worlds import KNOWN, PAYS, charge, owned, plan, workspace

JUNE = parse_period("2024-06")
_LABELS = "labels:\n  - {party: K1, label: region, value: north}\n"
_FLOORS = "floors:\n  - {floor: F1, least: 50 % of list, from: 2024-01-01}\n"
_EVENTS = "events:\n  - {event: E1, at: 2024-01-01, kind: sign-up, customer: K1}\n"
FILES = {
    "more.yaml": (_LABELS, "  - {party: K1, label: class, value: north}\n"),
    "terms.yaml": (_FLOORS, "  - {floor: F2, least: a half, from: 2024-01-01}\n"),
    "events.yaml": (_EVENTS, "  - {event: E2, at: soon, kind: sign-up, customer: K1}\n"),
}
"""By name what can be read of a file, and a row that cannot."""


@pytest.fixture(params=FILES)
def file(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A file that is in a workspace beside it; a row of it was not read."""
    bands = "kind: all units, bands: [from 0 pays 10 %]"
    workspace(tmp_path, owned(K1={"partner": "P1"}), [charge("A1", 100)], plan(PAYS, bands))
    path = tmp_path / str(request.param)
    path.write_text("".join(FILES[path.name]), "utf-8")
    import_file(Store(tmp_path / "ws"), path, KNOWN)
    return path


def _open(store: Store) -> list[tuple[str, int]]:
    found = undecided(store, store.moment(KNOWN), JUNE)
    return [(p.place.source, p.values["count"]) for p in found if p.code == "rows-unread"]


def _closes(store: Store) -> bool:
    try:
        close(store, JUNE, store.moment(KNOWN), first=True)
    except Refused as refusal:
        codes = {problem.code for problem in refusal.problems}
        assert codes == {"close-problems", "rows-unread"}
        return False
    return True


def test_nothing_is_closed_until_the_file_came_corrected(file: Path) -> None:
    store = Store(file.parent / "ws")
    assert _open(store) == [(file.name, 1)] and not _closes(store)
    assert "rows-unread" in {problem.code for problem in check_workspace(store)}
    file.write_text(FILES[file.name][0], "utf-8")
    import_file(store, file, KNOWN)
    assert not _open(store) and _closes(store)


def test_what_somebody_leaves_out_is_open_no_more(file: Path) -> None:
    store = Store(file.parent / "ws")
    done = decide(store, file.name, Decision(leave_out=True), store.moment(KNOWN))
    assert done.new and not _open(store) and _closes(store)
    assert "rows-unread" not in {problem.code for problem in check_workspace(store)}
