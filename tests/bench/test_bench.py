"""Every job of the benchmark, run once and small: its figures, its checks and its counted work.

Seconds are never held here: they are for `fenrun bench` to say. By day those jobs run whose checks
no other test has: what is counted is held for each, cases are run where the plans are.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from bench import guard, portal, signin, timing, work, worlds
from bench.timing import Took
from fenrun.settle.facts import facts_as_of
from tests.command import fenrun

SECONDS = (
    "_s",
    "_ms",
    "_mb",
    "_per_s",
    "_per_minute",
    "_over_kept",
    "_as_sums",
    "_cheaper",
    "_costs",
)
FEWEST = ("--rows", worlds.FEWEST)
AT_NIGHT = pytest.mark.skipif("FENRUN_NIGHTLY" not in os.environ, reason="at night")


def _figures(*words: object) -> dict[str, Any]:
    """Return the figures of a job that are the same each time. All others are above zero."""
    done = fenrun("bench", *words, "--json")
    assert done.code == 0, done.err
    found: dict[str, Any] = done.json()
    noisy = {k: v for k, v in found.items() if k.endswith(SECONDS) or "ratio" in k}
    assert noisy and all(value > 0 for value in noisy.values()), noisy
    return {name: value for name, value in found.items() if name not in noisy}


@pytest.mark.in_turn(4)
def test_a_month() -> None:
    found = _figures("month", "--rows", 1000, "--repeats", 1)
    assert found.keys() == {"rows", "repeats", "statements", "rows_read", "bytes_read"}
    assert found["rows"] == 1000 and all(found.values())


@pytest.mark.in_turn(4)
def test_a_change_gives_the_rows_of_settling_anew() -> None:
    found = _figures("change", *FEWEST, "--changes", 2, "--repeats", 1)
    assert found.pop("rows_compared") > 1000
    assert found == {"rows": worlds.FEWEST, "changes": 2}


@AT_NIGHT
def test_a_late_file_gives_the_rows_of_settling_anew() -> None:
    found = _figures("late", *FEWEST, "--late-rows", 100, "--repeats", 1)
    assert found.pop("rows_compared") > 1000
    assert found == {"rows": worlds.FEWEST, "late_rows": 100, "files": 1}


@AT_NIGHT
def test_variants_earn_alone_as_together() -> None:
    found = _figures("variants", "--rows", 1000, "--variants", 3)
    assert found.pop("lines") > 100
    assert found == {"rows": 1000, "customers": 40, "variants": 3}


@AT_NIGHT
def test_a_sweep_says_the_same_each_time() -> None:
    found = _figures("sweep", "--rows", 1000, "--variants", 3)
    assert found == {"rows": 1000, "variants": 3}


def test_lines_are_explained() -> None:
    found = _figures("explain", "--rows", 1000, "--lines", 2)
    assert found.pop("largest_payee_lines") >= 1
    assert found.pop("largest_payee")
    assert found == {"rows": 1000, "lines": 2}


@AT_NIGHT
def test_all_cases_are_run() -> None:
    found = _figures("case", "--repeats", 1)
    plans = {path.stem for path in Path("programmes").glob("*.yaml")}
    assert found.pop("slowest_plan")
    assert found["plans"] == len(plans)
    assert found["expectations"] > found["cases"] > found["plans"]


@AT_NIGHT
def test_what_is_imported_is_in_the_file() -> None:
    found = _figures("import", "--rows", 1000, "--repeats", 1)
    assert found.pop("csv_bytes") > found.pop("parquet_bytes") > 0
    assert found == {"rows": 1000, "repeats": 1}


@AT_NIGHT
def test_the_portal_shows_what_is_settled() -> None:
    found = _figures("portal-start", "--rows", 3000, "--months", 1)
    assert Decimal(found.pop("earned")) > 0
    assert found == {"rows": 3000, "months": 1}


@pytest.mark.in_turn(4)
def test_the_portal_is_read(tmp_path: Path) -> None:
    store = worlds.import_year(tmp_path, 3000, months=1)
    (store.path / "demo.json").write_text("{}")
    found = _figures("portal", store.path, "--readers", 1, "--seconds", 1)
    assert found.pop("requests") > 1
    assert found == {"readers": 1, "seconds": 1, "failed": 0}


@AT_NIGHT
def test_the_portal_is_signed_in_to_beside_others(tmp_path: Path) -> None:
    store = worlds.import_year(tmp_path, 3000, months=1)
    (store.path / "demo.json").write_text("{}")
    few = ("--askers", 1, "--idle", 5, "--seconds", 1)
    found = _figures("signin", store.path, *few, "--charges", 500)
    assert all(found.pop(f"{act}s") >= 1 for act in ("estimate", "import", "settlement"))
    assert found.pop("load") >= 0
    assert found == {"askers": 1, "idle": 5, "seconds": 1, "charges": 500, "refused": 0}


def test_where_one_that_asks_fails_all_end() -> None:
    """Or signing in would be measured beside nobody, or for ever."""
    beside = signin.Beside()
    beside.begin(lambda all_: all_.over.wait())
    beside.begin(lambda all_: 1 / 0)
    signing = signin._Signing("http://127.0.0.1:9", [], beside)
    assert beside.over.wait(10)
    signing.go_on(60, ("import",))
    assert signing.figures("beside") == {}
    with pytest.raises(ZeroDivisionError):
        beside.end()


def test_a_server_that_does_not_listen_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(portal, "_PATIENCE", 0.1)
    deaf = "import signal, time; signal.signal(15, signal.SIG_IGN); print(1, flush=True)"
    words = [sys.executable, "-S", "-c", f"{deaf}; time.sleep(600)"]
    with subprocess.Popen(
        words, stdout=subprocess.PIPE, text=True, start_new_session=True
    ) as server:
        assert server.stdout and server.stdout.readline() == "1\n"
        portal._end(server)
        assert server.poll() == -signal.SIGKILL


def test_runs_that_differ_are_found(tmp_path: Path) -> None:
    """Or the changes and late files would be measured, whatever came out."""
    store, _ = worlds.import_month(tmp_path, 1000)
    facts = facts_as_of(store, worlds.KNOWN)
    (_, run), (_, same) = worlds.settled(facts), worlds.settled_anew(facts, tmp_path)
    assert worlds.compared(run, same) > 100
    other = run.engine.query("SELECT * REPLACE (earned + 1 AS earned) FROM statements")
    same.engine.show("statements", other)
    with pytest.raises(AssertionError, match="statements has other rows"):
        worlds.compared(run, same)


def test_the_99th_percentile_of_few_is_the_slowest() -> None:
    tooks = [Took(wall, wall / 2, 1) for wall in (3.0, 1.0, 2.0)]
    assert timing.spread("job", tooks) == {
        "job_median_s": 2.0,
        "job_p99_s": 3.0,
        "job_median_cpu_s": 1.0,
        "job_p99_cpu_s": 1.5,
    }
    hundred = [Took(float(wall), 0.0, 1) for wall in range(1, 201)]
    assert timing.spread("job", hundred)["job_p99_s"] == 198.0
    assert timing.ratio(tooks, [Took(4.0, 1.0, 1)]) == 0.5


@pytest.mark.in_turn(3)
def test_no_job_takes_more_work_than_expected() -> None:
    """Statements, rows and bytes read of each job."""
    wanted = work.expected()
    del wanted["month"]["ratio_to_floor"]
    found = guard.run(int(wanted["month"]["rows"]))
    assert found.keys() == wanted.keys()
    assert not work.worse(found, wanted)
    assert all(sum(measures.values()) > measures.get("rows", 0) for measures in found.values())


def test_more_work_is_a_regression_and_so_is_a_measure_that_is_gone() -> None:
    wanted = {
        "month": {
            "rows": 10,
            "statements": 100,
            "rows_read": 1000,
            "bytes_read": 1000,
            "ratio_to_floor": 2.0,
        }
    }
    assert not work.worse(
        {
            "month": {
                "rows": 10,
                "statements": 102,
                "rows_read": 1100,
                "bytes_read": 1100,
                "ratio_to_floor": 3.0,
            }
        },
        wanted,
    )
    assert work.worse(
        {
            "month": {
                "rows": 10,
                "statements": 103,
                "rows_read": 1101,
                "bytes_read": 900,
                "ratio_to_floor": 3.1,
            }
        },
        wanted,
    ) == [
        "month: statements 103, expected 100",
        "month: rows_read 1101, expected 1000",
        "month: ratio_to_floor 3.1, expected 2.0",
    ]
    assert work.worse({}, {"month": {"statements": 1}}) == ["month: statements was not measured"]
