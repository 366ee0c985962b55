"""One edited file stops what rests on it, and nothing else."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from fenrun.base.problem import Problem, Refused
from fenrun.base.when import parse_period
from fenrun.closing.close import close, settle_period
from fenrun.proof.bundle import make_bundle
from fenrun.settle.facts import check_workspace, facts_as_of
from fenrun.settle.imports import import_file
from fenrun.settle.runs import settle_workspace
from fenrun.store.facts import Store
from tests.store.harness import KNOWN, write_files

AUGUST, SEPTEMBER = parse_period("2024-08"), parse_period("2024-09")


@pytest.fixture
def store(tmp_path: Path) -> Store:
    write_files(tmp_path / "files")
    found = Store(tmp_path / "ws")
    for name in ("plan.yaml", "book.yaml", "august.csv", "september.csv"):
        import_file(found, tmp_path / "files" / name, KNOWN)
    return found


def _spoil(store: Store, pattern: str) -> str:
    """Edit a stored file, and return its name."""
    (path,) = store.path.glob(pattern)
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    return path.relative_to(store.path).as_posix()


def _charges(store: Store, source: str) -> str:
    """Return the folder of a file's charges."""
    return next(i.folder.name for i in store.imports("charges") if i.source == source)


def _refusal(act: Callable[[], object]) -> list[tuple[str, str]]:
    with pytest.raises(Refused) as stopped:
        act()
    return [_named(problem) for problem in stopped.value.problems]


def _named(problem: Problem) -> tuple[str, str]:
    return problem.code, problem.place.source


def test_edited_charges_of_a_month_stop_no_month_before_it(store: Store, tmp_path: Path) -> None:
    """What is kept of September rests on them as well."""
    for period in (AUGUST, SEPTEMBER):
        settle_workspace(store, period)
    name = _spoil(store, f"charges/{_charges(store, 'september.csv')}/charges.parquet")
    wrong = [("stored-edited", name)]
    assert _refusal(lambda: settle_workspace(store, SEPTEMBER)) == wrong
    assert _refusal(lambda: facts_as_of(store, KNOWN).settle(SEPTEMBER, KNOWN)) == wrong
    assert {*wrong} <= {_named(problem) for problem in check_workspace(store)}
    settle_workspace(store, AUGUST)
    facts_as_of(store, KNOWN).settle(AUGUST, KNOWN)
    import_file(store, tmp_path / "files/late.csv", KNOWN.replace(day=6))
    close(store, AUGUST, KNOWN.replace(day=7))
    make_bundle(store, "P1", AUGUST, tmp_path / "P1.zip")
    assert _refusal(lambda: close(store, SEPTEMBER, KNOWN.replace(day=8))) == wrong


@pytest.mark.in_turn(3)
@pytest.mark.parametrize("file", ["runs/*/payments.parquet", "closes/*/differences.parquet"])
def test_an_edited_close_stops_what_is_said_of_it(store: Store, tmp_path: Path, file: str) -> None:
    """The month after it is settled, until something is late: then it books the difference."""
    close(store, AUGUST)
    wrong = [("stored-edited", _spoil(store, file))]
    assert _refusal(lambda: settle_period(store, AUGUST)) == wrong
    assert _refusal(lambda: make_bundle(store, "P1", AUGUST, tmp_path / "P1.zip")) == wrong
    assert settle_period(store, SEPTEMBER).run.booked == ()
    import_file(store, tmp_path / "files/late.csv", KNOWN.replace(day=6))
    assert _refusal(lambda: settle_period(store, SEPTEMBER)) == wrong


def test_a_closed_month_is_read_whatever_became_of_the_book(store: Store, tmp_path: Path) -> None:
    """But for its bundle, which holds a part of the book."""
    close(store, AUGUST)
    name = _spoil(store, "book/*/links.parquet")
    settle_period(store, AUGUST)
    assert _refusal(lambda: settle_period(store, SEPTEMBER)) == [("stored-edited", name)]
    make = partial(make_bundle, store, "P1", AUGUST, tmp_path / "P1.zip")
    assert _refusal(make) == [("stored-edited", name)] and not (tmp_path / "P1.zip").exists()


def test_what_an_import_says_of_itself_is_verified(store: Store) -> None:
    """By it charges are passed over: a month of them could be hidden."""
    path = store.path / "charges" / _charges(store, "august.csv") / "import.json"
    path.write_text(path.read_text().replace('"last_billed": "2024-08-01"', '"last_billed": ""'))
    name = path.relative_to(store.path).as_posix()
    assert _refusal(lambda: settle_workspace(store, AUGUST)) == [("stored-edited", name)]
