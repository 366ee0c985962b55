"""Manifests of exports: a part that lacks, is not whole or is of another run is never unsaid."""

from __future__ import annotations

import json
import os
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from fenrun.settle.deliveries import Decision, decide, undecided
from fenrun.settle.imports import Wanted, files_in, import_files
from fenrun.settle.manifests import parts_of
from fenrun.store.facts import Store
from tests.command import fenrun

KNOWN = datetime(2025, 1, 1)
HEAD = (
    "BilledCost,BillingAccountId,BillingCurrency,BillingPeriodStart,ChargePeriodStart,"
    "InvoiceIssuerName\n"
)
PARTS = ["focus-00001.csv", "focus-00002.csv"]


def _part(number: int) -> str:
    return f"{HEAD}{number}.00,A1,USD,2024-09-01T00:00:00Z,2024-09-0{number}T00:00:00Z,Acme\n"


def _aws(names: list[str], run: str = "run-1") -> dict[str, Any]:
    return {"executionId": run, "dataFiles": [f"s3://bucket/exports/data/{n}" for n in names]}


def _azure(names: list[str], sizes: dict[str, int]) -> dict[str, Any]:
    blobs = [{"blobName": f"x/{n}", "byteCount": sizes.get(n, len(_part(1)))} for n in names]
    return {"blobCount": len(names), "runInfo": {"runId": "run-1"}, "blobs": blobs}


MANIFESTS: dict[str, tuple[Any, list[str], list[str], list[str]]] = {
    # What the manifest says, the files, which are taken, and the codes.
    "whole": (_aws(PARTS), PARTS, PARTS, []),
    "a list of CUR": ({"assemblyId": "a", "reportKeys": PARTS}, PARTS, PARTS, []),
    "of Azure": (_azure(PARTS, {}), PARTS, PARTS, []),
    "names alone": ({"files": PARTS}, PARTS, PARTS, []),
    "a part twice in the list": (_aws(PARTS + PARTS), PARTS, PARTS, []),
    "one missing": (_aws(PARTS), PARTS[:1], PARTS[:1], ["parts-missing"]),
    "one of Azure missing": (_azure(PARTS, {}), PARTS[1:], PARTS[1:], ["parts-missing"]),
    "all missing": (_aws(PARTS), [], [], ["parts-all-missing"]),
    "one not whole": (
        _azure(PARTS, {PARTS[1]: 999}), PARTS, PARTS[:1], ["part-not-whole", "parts-missing"],
    ),
    "one of another run": (
        _aws(PARTS), [*PARTS, "focus-00003.csv"], PARTS, ["part-unlisted"],
    ),
    "rows of each part": (
        {"blobs": [{"name": n, "dataRowCount": 1} for n in PARTS]}, PARTS, PARTS, [],
    ),
    "other rows of a part": (
        {"blobs": [{"name": n, "dataRowCount": k} for n, k in zip(PARTS, (2, 1))]},
        PARTS, PARTS, ["part-rows-differ"],
    ),
    "rows of the run": (_azure(PARTS, {}) | {"dataRowCount": 2}, PARTS, PARTS, []),
    "other rows of the run": (
        _azure(PARTS, {}) | {"dataRowCount": 3}, PARTS, PARTS, ["part-rows-differ"],
    ),
    "rows of a run that is not there": (
        _azure(PARTS, {}) | {"dataRowCount": 3}, PARTS[:1], PARTS[:1], ["parts-missing"],
    ),
    "rows that are no number": (_azure(PARTS, {}) | {"dataRowCount": True}, PARTS, PARTS, []),
    "counts that no provider documents": (
        {"rowCount": 9, "files": [{"path": n, "size": 1, "rows": 9} for n in PARTS]},
        PARTS, PARTS, [],
    ),
    "no manifest of parts": ({"columns": []}, PARTS, PARTS, []),
    "no object": ([1, 2], PARTS, PARTS, []),
    "empty lists": ({"dataFiles": [], "blobs": None, "files": "x"}, PARTS, PARTS, []),
}  # fmt: skip


def _folder(folder: Path, manifest: Any, names: list[str]) -> Path:
    data = folder / "exports" / "data"
    data.mkdir(parents=True)
    for name in names:
        (data / name).write_text(_part(int(name[6:11])))
    (folder / "exports" / "metadata").mkdir()
    (folder / "exports" / "metadata" / "focus-Manifest.json").write_text(json.dumps(manifest))
    return folder / "exports"


def _take(store: Store, folder: Path) -> list[str]:
    """Import a folder as the command does; return the codes that are said of its parts."""
    taken, passed = files_in(folder)
    wanted = Wanted(parts=parts_of(folder, taken).of)
    list(import_files(store, taken, KNOWN, wanted=wanted))
    said = [p.code for p in [*passed, *undecided(store, KNOWN)]]
    return sorted(code for code in said if code.startswith("part"))


@pytest.mark.parametrize("case", [*MANIFESTS][:: 1 if "FENRUN_NIGHTLY" in os.environ else 2])
def test_a_folder_is_as_its_manifest_says(case: str, tmp_path: Path) -> None:
    manifest, names, taken, codes = MANIFESTS[case]
    folder, store = _folder(tmp_path, manifest, names), Store(tmp_path / "ws")
    assert _take(store, folder) == codes
    assert sorted(item.source for item in store.imports("charges")) == taken


def test_what_is_missing_is_open_until_it_comes_or_is_left_out(tmp_path: Path) -> None:
    store = Store(tmp_path / "ws")
    folder = _folder(tmp_path, _aws(PARTS), PARTS[:1])
    assert _take(store, folder) == ["parts-missing"]
    (problem,) = undecided(store, KNOWN)
    assert "focus-00002.csv" in problem.words("what") and problem.severity == "error"
    (folder / "data" / PARTS[1]).write_text(_part(2))
    assert _take(store, folder) == []
    other = Store(tmp_path / "other")
    (folder / "data" / PARTS[1]).unlink()
    assert _take(other, folder) == ["parts-missing"]
    decide(other, PARTS[0], Decision(leave_out=True), KNOWN)
    assert not undecided(other, KNOWN)


def test_months_with_parts_of_one_name_are_told_apart(tmp_path: Path) -> None:
    for month in ("2024-08", "2024-09"):
        folder = tmp_path / "exports" / month
        folder.mkdir(parents=True)
        said = {"executionId": month, "dataFiles": [f"s3://b/exports/{month}/{n}" for n in PARTS]}
        (folder / "manifest.json").write_text(json.dumps(said))
        for name in PARTS if month == "2024-08" else PARTS[:1]:
            (folder / name).write_text(_part(1).replace("2024-09", month))
    files, _ = files_in(tmp_path / "exports")
    found = parts_of(tmp_path / "exports", files)
    told = {file.parent.name + file.name[-6:-4]: part for file, part in found.of.items()}
    assert told["2024-0901"]["missing"] == [PARTS[1]] and not found.problems
    assert len(told) == 3 and not any("missing" in told[f"2024-080{n}"] for n in (1, 2))


def test_a_later_run_that_wrote_the_same_files_is_the_one_that_counts(tmp_path: Path) -> None:
    folder = _folder(tmp_path, _aws([*PARTS, "focus-00003.csv"]), PARTS)
    (folder / "metadata" / "z-Manifest.json").write_text(json.dumps(_aws(PARTS, "run-2")))
    files, passed = files_in(folder)
    assert {part["run"] for part in parts_of(folder, files).of.values()} == {"run-2"}
    assert [problem.code for problem in passed] == ["file-passed-over"] * 2


def _run_of_azure(folder: Path, day: int, parts: int, scope: str = "/s/1") -> Path:
    """Write a run of an export of September, as of a day, and return the folder of all runs."""
    run = folder / "focus" / "20240901-20240930" / f"202409{day:02}" / "guid"
    run.mkdir(parents=True)
    names = PARTS[:parts]
    for number, name in enumerate(names, 1):
        (run / name).write_text(_part(number))
    path = f"focus/20240901-20240930/202409{day:02}/guid"
    said = {
        "blobs": [{"blobName": f"{path}/{n}", "byteCount": len(_part(1))} for n in names],
        "exportConfig": {"exportName": "focus", "resourceId": scope},
        "runInfo": {
            "runId": f"run-{scope}-{day}",
            "submittedTime": f"2024-09-{day:02}T01:00:00Z",
            "startDate": "2024-09-01T00:00:00",
            "endDate": "2024-09-30T00:00:00",
        },
    }
    (run / "manifest.json").write_text(json.dumps(said))
    return folder


def _billed(store: Store) -> Decimal:
    billed = [item.facts["billed"]["USD"] for item in store.imports("charges")]
    return sum(map(Decimal, billed), Decimal(0))


def test_a_run_of_azure_takes_the_place_of_the_runs_before_it(tmp_path: Path) -> None:
    """In one folder, and in one that comes a day later; what did not change is of both."""
    store, other = Store(tmp_path / "ws"), Store(tmp_path / "other")
    for day, parts in ((10, 1), (16, 2)):
        assert _take(store, _run_of_azure(tmp_path / "in", day, parts)) == []
        assert _take(other, _run_of_azure(tmp_path / str(day), day, parts)) == []
    for there in (store, other):
        assert _billed(there) == Decimal("3.00") and undecided(there, KNOWN) == []


def test_exports_of_two_scopes_are_two(tmp_path: Path) -> None:
    store = Store(tmp_path / "ws")
    for scope in ("/s/1", "/s/2"):
        folder = _run_of_azure(tmp_path / scope[-1], 10, 1, scope)
        if scope == "/s/2":
            for part in folder.rglob("*.csv"):
                part.write_text(_part(1).replace("A1", "A2"))
        _take(store, folder)
    assert _billed(store) == Decimal("2.00")


OTHER_MONTH = [
    # Where the manifest of September says that its part is, and where that of August lies.
    ("s3://b/x/2024-09/p.csv", "x/2024-08/p.csv"),
    ("s3://b/x/BILLING_PERIOD=2024-09/p.csv", "x/BILLING_PERIOD=2024-08/p.csv"),
    ("x/20240901-20240930/p.csv", "x/20240801-20240831/p.csv"),
    ("x/20240916/p.csv", "x/20240910/p.csv"),
    ("https://h.example/b/x/2024-09/p.csv", "x/2024-08/p.csv"),
]


@pytest.mark.parametrize("is_bucket", [False, True])
def test_no_part_is_taken_from_the_folder_of_another_run(is_bucket: bool, tmp_path: Path) -> None:
    """A part that has not come is not the file of its name that another month has."""
    for number, (part, other) in enumerate(OTHER_MONTH):
        folder = tmp_path / str(number)
        file, own = folder / "b" / other, folder / "b" / "x" / "metadata" / "manifest.json"
        for path in (file, own):
            path.parent.mkdir(parents=True)
        file.write_text(_part(1))
        own.write_text(json.dumps({"dataFiles": [part]}))
        found = parts_of(folder, [file], is_bucket)
        assert not found.of and [p.code for p in found.problems] == ["parts-all-missing"]
        right = folder / "b" / "x" / part.partition("x/")[2]
        right.parent.mkdir(parents=True)
        right.write_text(_part(1))
        assert [*parts_of(folder, [file, right], is_bucket).of] == [right]


def test_a_part_of_a_bucket_is_where_its_manifest_says(tmp_path: Path) -> None:
    """Folders without a month are not another's either."""
    said = tmp_path / "b" / "final" / "manifest.json"
    for name in ("draft", "final"):
        (tmp_path / "b" / name).mkdir(parents=True)
        (tmp_path / "b" / name / "p.csv").write_text(_part(1))
    said.write_text(json.dumps({"blobs": [{"blobName": "final/p.csv"}]}))
    draft, final = (tmp_path / "b" / name / "p.csv" for name in ("draft", "final"))
    assert not parts_of(tmp_path, [draft], is_bucket=True).of
    assert [*parts_of(tmp_path, [draft, final], is_bucket=True).of] == [final]


@pytest.mark.parametrize("case", ["all missing", "one not whole", "one of another run"])
def test_a_folder_that_is_not_as_its_manifest_says_is_imported_and_that_is_said(
    case: str, tmp_path: Path
) -> None:
    """The command ended with a traceback where files are passed over: the files were in, and none
    of their problems was told.
    """
    manifest, files, _, codes = MANIFESTS[case]
    folder = _folder(tmp_path, manifest, files)
    said = fenrun("import", tmp_path / "ws", folder, "--json")
    found = {problem["code"] for problem in said.json()["problems"]}
    assert said.code == 1 and {*codes, "file-passed-over"} <= found
