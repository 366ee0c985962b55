"""Killed anywhere, a workspace is as before the command or as after it.

The same command run again makes it whole. Two writers do not meet.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from unittest import mock

import pytest

from fenrun.base.problem import Refused
from fenrun.base.when import parse_period
from fenrun.closing import close as closing
from fenrun.closing.sign_off import Rows
from fenrun.settle.imports import import_file
from fenrun.settle.runs import settle_workspace
from fenrun.statement.run import Run
from fenrun.store.facts import Store
from tests.command import Done
from tests.processes import command, start
from tests.store.harness import IN_TURN, KNOWN, NIGHTLY, write_files

ROOT = Path(__file__).parents[2]


def test_killed_at_any_point_nothing_is_lost_doubled_or_half_there(tmp_path: Path) -> None:
    scratch = tmp_path / "scratch"  # what is killed leaves its own behind
    scratch.mkdir()
    done = subprocess.run(
        [sys.executable, "-m", "tests.store.harness", str(tmp_path / "kill")],
        cwd=ROOT,
        env={**os.environ, "TMPDIR": str(scratch)},
        capture_output=True,
        text=True,
        timeout=3600,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    points = json.loads(done.stdout)
    (tmp_path / "points.json").write_text(done.stdout, "utf-8")
    wrong = [p for p in points if p["left"] not in _allowed(p["command"]) or p["again"] != "after"]
    assert not wrong, wrong[:3]
    assert len(points) >= (50 if NIGHTLY else 8)
    assert {p["command"] for p in points} == set(IN_TURN)
    assert sum(p["stands_for"] for p in points) >= (3000 if NIGHTLY else 500)
    for name in IN_TURN:
        assert {p["left"] for p in points if p["command"] == name} >= {"before", "after"}
        signals = {p["by"] for p in points if p["command"] == name}
        assert signals - {""} == {"SIGKILL", "SIGTERM"}
    assert "between" in {p["left"] for p in points} or not NIGHTLY


def _allowed(command: str) -> tuple[str, ...]:
    """What a kill may leave. A command that closes keeps the run that it settled before."""
    return ("before", "between", "after") if command.startswith("close") else ("before", "after")


def _ready(folder: Path) -> Store:
    write_files(folder / "files")
    store = Store(folder / "ws")
    for name in ("plan.yaml", "book.yaml", "august.csv"):
        import_file(store, folder / "files" / name, KNOWN)
    return store


def _at_once(given: list[tuple[object, ...]], folder: Path) -> list[Done]:
    """Run commands at the same time, each in a process of its own."""
    running = []
    for number, words in enumerate(given):
        out, err = folder / f"out-{number}", folder / f"err-{number}"
        where = {"out": out, "err": err, "env": dict(os.environ), "cwd": ROOT}
        running.append((start(command, *map(str, words), **where), out, err))
    done = []
    for process, out, err in running:
        process.join(300)
        assert process.exitcode is not None
        done.append(Done(process.exitcode, out.read_text("utf-8"), err.read_text("utf-8")))
    return done


def test_two_processes_that_write_at_once_wait_for_each_other(tmp_path: Path) -> None:
    store = _ready(tmp_path)
    files = []
    for n in range(6):
        path = tmp_path / f"more-{n}.csv"
        path.write_text(
            (tmp_path / "files/september.csv").read_text("utf-8").replace("50.00", f"5{n}.00"),
            "utf-8",
        )
        files.append(path)
    known = ("--known", "2024-10-06")
    orders = (files, files[::-1])
    done = _at_once([("import", store.path, *part, *known) for part in orders], tmp_path)
    assert [one.code for one in done] == [0, 0], done
    assert len(store.imports("charges")) == 7 and not store.broken()
    assert settle_workspace(store, parse_period("2024-09")).run.engine.query(
        "SELECT sum(total) AS t FROM ledger"
    ).to_pylist()[0]["t"] == sum(range(50, 56))


def test_who_closes_what_another_closes_meanwhile_is_told(tmp_path: Path) -> None:
    store, rows = _ready(tmp_path), closing.signed_off_rows

    def meanwhile(run: Run) -> dict[str, Rows]:
        with mock.patch.object(closing, "signed_off_rows", rows):
            closing.close(store, parse_period("2024-08"), KNOWN)
        return rows(run)

    with (
        mock.patch.object(closing, "signed_off_rows", meanwhile),
        pytest.raises(Refused) as refused,
    ):
        closing.close(store, parse_period("2024-08"), KNOWN)
    assert [problem.code for problem in refused.value.problems] == ["close-meanwhile"]
    assert len(store.log.events("closes")) == 1


def test_two_processes_that_close_at_once_close_once(tmp_path: Path) -> None:
    store = _ready(tmp_path)
    words = ("close", store.path, "--period", "2024-08", "--json")
    said = [one.json() for one in _at_once([words, words], tmp_path)]
    roots = {s["root"] for s in said if "root" in s}
    assert len(roots) == 1 and all(
        "root" in s or s["problems"][0]["code"] in ("close-already", "close-meanwhile")
        for s in said
    )
    assert (
        len(store.log.events("closes")) == 1
        and len(store.log.events("runs")) == 1
        and not store.broken()
    )


@pytest.mark.in_turn(3)
def test_backups_restores_and_keys_are_whole_or_not_there(tmp_path: Path) -> None:
    """Killed at three lines each by day, at 24 at night."""
    each = 24 if NIGHTLY else 3
    done = subprocess.run(
        [sys.executable, "-m", "tests.store.killed", str(tmp_path / "kill"), str(each)],
        cwd=ROOT,
        env={**os.environ, "TMPDIR": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=3600,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    tried = [json.loads(line) for line in done.stdout.splitlines()]
    assert {one["act"] for one in tried} >= {"backup", "restore", "rotate", "rotate a lost key"}
    assert len(tried) >= 3 * each
    wrong = [one for one in tried if one["left"] not in ("before", "after")]
    wrong += [one for one in tried if one["error"] or one["wrong"] != [[], []]]
    assert not wrong, wrong[:3]
