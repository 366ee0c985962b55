"""The import job: one file of charges, beside plain reading and writing of the same file."""

from __future__ import annotations

import tempfile
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet as pq

from bench import timing, worlds
from bench.timing import Step, Took, no_step
from fenrun.charges.stored import load_charges
from fenrun.engine.duckdb import DuckDB
from fenrun.settle.imports import import_file
from fenrun.store.facts import Store
from fenrun.world.charges import write_month

_BILLED = "SELECT count(*) AS rows, sum(BilledCost) AS billed FROM charges"


def run(rows: int, repeats: int = 3, step: Step = no_step) -> dict[str, Any]:
    """Import a file of so many charges, as Parquet and as CSV, each time in a new workspace.

    The floor, in turns with it, is pyarrow that reads the file and writes it as Parquet. Every run
    has a process of its own. Returns median seconds, rows a second and peak memory of each form.
    What is imported must have the file's rows and billed cost.
    """
    found: dict[str, Any] = {"rows": rows, "repeats": repeats}
    with tempfile.TemporaryDirectory(prefix="fenrun-import-") as scratch:
        files, small = _write(Path(scratch) / "large", rows), _write(Path(scratch) / "small", 100)
        step(1)
        for form, path in files.items():
            given = (str(path), str(small[form]))
            works = {
                "import": partial(timing.apart, _import, *given),
                "floor": partial(timing.apart, _floor, *given),
            }
            tooks = timing.in_turns(repeats, works, step)
            imported, floor = tooks["import"], tooks["floor"]
            found |= {
                f"{form}_bytes": path.stat().st_size,
                **timing.medians(f"{form}_import", imported),
                **timing.medians(f"{form}_floor", floor),
                f"{form}_rows_per_s": round(rows / timing.median(imported)),
                f"{form}_ratio_to_floor": timing.ratio(imported, floor),
                f"{form}_peak_mb": timing.most_mb(imported),
            }
    return found


def _write(folder: Path, rows: int) -> dict[str, Path]:
    """Write one file of charges in both forms."""
    world = worlds.people_of_month(rows)
    parts = write_month(folder / "charges", world, worlds.SEED, worlds.MONTH, lambda n: None)
    files = {form: folder / f"charges.{form}" for form in ("parquet", "csv")}
    table = pa.concat_tables(map(pq.read_table, parts))
    pq.write_table(table, files["parquet"], compression="zstd")
    pyarrow.csv.write_csv(_plain(table), files["csv"])
    return files


def _plain(table: pa.Table) -> pa.Table:
    """Return a table whose texts are no dictionaries: CSV is not written of those."""
    fields = [
        field.with_type(field.type.value_type) if pa.types.is_dictionary(field.type) else field
        for field in table.schema
    ]
    return table.cast(pa.schema(fields))


def _import(path: str, small: str) -> Took:
    with tempfile.TemporaryDirectory(dir=Path(path).parent) as scratch:
        for number, file in enumerate((Path(small), Path(path))):  # the first loads what all need
            store = Store(Path(scratch) / f"workspace-{number}")
            took, _ = timing.timed(partial(import_file, store, file, worlds.KNOWN))
        engine = DuckDB()
        load_charges(engine, "charges", store.imports("charges"))
        (there,) = engine.rows(_BILLED)
    if (there["rows"], there["billed"]) != _rows_and_billed(Path(path).with_suffix(".parquet")):
        raise AssertionError(f"{path} was imported with {there}")
    return took


def _rows_and_billed(path: Path) -> tuple[int, Decimal]:
    billed = pq.read_table(path, columns=["BilledCost"])["BilledCost"]
    return len(billed), pc.sum(billed).as_py()


def _floor(path: str, small: str) -> Took:
    def copy(file: str) -> None:
        read = pq.read_table if file.endswith(".parquet") else pyarrow.csv.read_csv
        pq.write_table(read(file), Path(scratch) / "copy.parquet", compression="zstd")

    with tempfile.TemporaryDirectory(dir=Path(path).parent) as scratch:
        copy(small)
        return timing.timed(partial(copy, path))[0]
