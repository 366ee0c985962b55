"""A text that no page or database takes puts its row in quarantine; the other rows are settled."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from fenrun.base.when import parse_period
from fenrun.settle.imports import import_file
from fenrun.settle.runs import settle_workspace
from fenrun.statement.rows import statement_of
from fenrun.store.facts import Store
from tests.store.harness import HEAD, KNOWN, write_files

UNFIT = {
    "NUL in an account": ("A1", "A\0001"),
    "NUL alone": ("A1", "\0"),
    "NUL in an issuer": ("Cloud", "Clo\0ud"),
    "NUL in a currency": ("CNY", "C\0NY"),
    "NUL in a value": ("Usage", "Usa\0ge"),
    "a long account": ("A1", "A" * 2049),
    "a long currency": ("CNY", "C" * 5000),
}


@pytest.fixture(scope="module")
def ready(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("unfit")
    write_files(folder / "files")
    return folder


@pytest.mark.in_turn(4)
@pytest.mark.parametrize("kind", ["csv", "parquet"])
@pytest.mark.parametrize("what", UNFIT)
def test_an_unfit_text_stops_its_row_alone(
    ready: Path, tmp_path: Path, what: str, kind: str
) -> None:
    was, unfit = UNFIT[what]
    head, row = (ready / "files/august.csv").read_text().splitlines()
    path = tmp_path / f"charges.{kind}"
    rows = [row, row.replace(was, unfit)]
    if kind == "csv":
        path.write_text("\n".join([head, *rows]) + "\n")
    else:
        columns = zip(HEAD, zip(*(one.split(",") for one in rows)))
        pq.write_table(pa.table({name: list(values) for name, values in columns}), path)
    store = Store(tmp_path / "ws")
    for name in ("plan.yaml", "book.yaml"):
        import_file(store, ready / "files" / name, KNOWN)
    done = import_file(store, path, KNOWN)
    (problem,) = (p for p in done.problems if p.code == "text-unfit")
    assert (problem.place.row, problem.place.column, problem.rows) == (
        3,
        HEAD[row.split(",").index(was)],
        1,
    )
    assert (done.facts["rows"], done.facts["quarantined"]) == (2, 1)
    assert "\0" not in str(done.facts) and "\\u0000" not in str(done.facts)
    folder = store.imports("charges")[0].folder
    assert "\\u0000" not in (folder / "import.json").read_text()
    aside = pq.read_table(folder / "quarantine.parquet")
    assert unfit in str(aside.to_pylist()[0].values()).replace("\\x00", "\0")
    run = settle_workspace(store, parse_period("2024-08")).run
    assert statement_of(run, "P1").earned == Decimal(10)


def test_the_longest_name_is_taken(ready: Path, tmp_path: Path) -> None:
    path = tmp_path / "charges.csv"
    path.write_text((ready / "files/august.csv").read_text().replace("A1", "A" * 2048))
    done = import_file(Store(tmp_path / "ws"), path, KNOWN)
    assert done.facts["quarantined"] == 0
