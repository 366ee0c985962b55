"""The way to read a charge file that takes every one: DuckDB.

The table `raw` is the file as it came, `staged` has typed columns.

`staged` has `row_no` (as a spreadsheet counts: the header is row 1), each column under its name in
the store, and `text_` before the name of each date and time as the file writes it.
"""

from __future__ import annotations

import os
import re
import shutil
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

import duckdb
import numpy as np
import pyarrow as pa

from fenrun.base.money import COST_DECIMALS
from fenrun.base.problem import Place, Problem, Refused, refused
from fenrun.charges.coded import coded
from fenrun.charges.decimals import Decimals
from fenrun.charges.rows import COSTS, is_decimal, is_moment
from fenrun.charges.source import Source
from fenrun.charges.staged import Moments, Staged, Words
from fenrun.engine.dialect import WIDEST, decimal_type, literal, quoted, scan
from fenrun.engine.duckdb import DuckDB

_NUMBER = r"\s*[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d{1,3})?\s*"
_OFFSET = r":\d\d(\.\d+)?\s*[+-]\d\d"
"""The end of a moment that says its offset from UTC."""
_EXACT = f"DECIMAL({WIDEST},{COST_DECIMALS})"
_LONGEST_LINE = 16 << 20
_MOST_REJECTS = 1000
_SHOWN_REJECTS = 50
_SHOWN_LENGTH = 60


class _Measures(NamedTuple):
    """The values of one column of numbers."""

    decimals: int | None
    """The most decimals that a value needs; None where there is no value."""
    largest: Decimal | None
    bad: int
    """Rows that hold no number, or none that is held exactly."""
    first_bad: int
    """The first of them, counted from 0."""
    example: Any
    """Its value."""


class _InDuckDB:
    """A charge file inside the engine. Raises Refused where its money cannot be read exactly."""

    def __init__(self, engine: DuckDB, source: Source, scratch: Path):
        self.engine = engine
        self.source = source
        load_raw(engine, source, scratch)
        self.types = engine.columns("raw")
        """The engine's type of each column, by the file's spelling."""
        self.odd: list[Problem] = []
        """The columns of numbers that are kept as text."""
        self.decimals = self._decimal_types()
        self._type_columns()

    def _count(self, table: str, where: str = "true") -> int:
        found = self.engine.connection.execute(f"SELECT count(*) FROM {table} WHERE {where}")
        ((count,),) = found.fetchall()
        return int(count)

    def _numbers(self) -> list[tuple[str, str]]:
        """Return the columns of numbers: the file's spelling, the store's name."""
        return [(spelt, name) for spelt, name in self.source.names.items() if is_decimal(name)]

    def _is_exact(self, spelt: str) -> bool:
        """Return whether the file itself holds the column as decimals."""
        return self.types[spelt].startswith("DECIMAL")

    def _text(self, spelt: str) -> str:
        """Return SQL for a value as text; NULL where it is empty or the word NULL."""
        kind = self.types[spelt]
        if kind.startswith(("MAP", "STRUCT")) or kind.endswith("]"):
            return f"CAST(to_json({quoted(spelt)}) AS VARCHAR)"
        text = quoted(spelt) if kind == "VARCHAR" else f"CAST({quoted(spelt)} AS VARCHAR)"
        return f"nullif(nullif({text}, ''), 'NULL')"

    def _needed(self, spelt: str) -> str:
        """Return SQL for how many decimals a value needs."""
        found = re.match(r"DECIMAL\((\d+),(\d+)\)", self.types[spelt])
        if found and int(found[2]) <= COST_DECIMALS:
            return f"CASE WHEN {quoted(spelt)} IS NOT NULL THEN {found[2]} END"
        text = self._text(spelt)
        fraction = rf"length(rtrim(regexp_extract({text}, '\.(\d*)', 1), '0'))"
        power = f"coalesce(TRY_CAST(regexp_extract({text}, '[eE]([+-]?\\d+)', 1) AS INTEGER), 0)"
        return f"CASE WHEN {text} IS NOT NULL THEN greatest(0, {fraction} - {power}) END"

    def _valid(self, spelt: str) -> str:
        """Return SQL for whether a value is a number that is held exactly."""
        fine_enough = f"{self._needed(spelt)} <= {COST_DECIMALS}"
        if self._is_exact(spelt):
            return f"({fine_enough})"
        text = self._text(spelt)
        is_number = f"regexp_full_match({text}, '{_NUMBER}')"
        fits = f"TRY_CAST({text} AS {_EXACT}) IS NOT NULL"
        return f"({is_number} AND {fits} AND {fine_enough})"

    def _measures(self) -> dict[str, _Measures]:
        """Measure the columns of numbers, by name in the store, in one pass over the file."""
        asked = []
        for spelt, _ in self._numbers():
            text = self._text(spelt)
            bad = f"{text} IS NOT NULL AND NOT coalesce({self._valid(spelt)}, false)"
            asked += [
                f"max({self._needed(spelt)})",
                f"max(abs(TRY_CAST({text} AS {_EXACT})))",
                f"count(*) FILTER ({bad})",
                f"min(file_row_number) FILTER ({bad})",
                f"arg_min({text}, file_row_number) FILTER ({bad})",
            ]
        found = self.engine.connection.execute(f"SELECT {', '.join(asked)} FROM raw").fetchone()
        answers = found or ()
        width = len(_Measures._fields)
        return {
            name: _Measures(*answers[number * width : (number + 1) * width])
            for number, (_, name) in enumerate(self._numbers())
        }

    def _decimal_types(self) -> dict[str, str]:
        """Return the type of each column in which every value is a number.

        The others are kept as text, each with a problem in `odd`. Raises Refused where a cost is
        among them.
        """
        measured = self._measures()
        for name, column in measured.items():
            if column.bad:
                code = "cost-unreadable" if name in COSTS else "number-unreadable"
                place = Place(self.source.path.name, column.first_bad + 2, name)
                values = {"column": name, "value": str(column.example)[:_SHOWN_LENGTH]}
                self.odd.append(Problem(code, place, values, rows=column.bad))
        unreadable_costs = [p for p in self.odd if p.code == "cost-unreadable"]
        if unreadable_costs:
            raise Refused(unreadable_costs)
        readable = {name: column for name, column in measured.items() if not column.bad}
        of_costs = max(readable[name].decimals or 0 for name in COSTS if name in readable)
        types = {}
        for name, column in readable.items():
            scale = of_costs if name in COSTS else column.decimals or 0
            digits = max(1, column.largest.adjusted() + 1) if column.largest else 1
            types[name] = decimal_type(scale + digits, scale)
        return types

    def _type_columns(self) -> None:
        """Make the view `staged`."""
        columns = ["file_row_number + 2 AS row_no"]
        for spelt, name in self.source.names.items():
            columns.append(f"{self._typed(spelt, name)} AS {quoted(name)}")
        for spelt, name in self.source.names.items():
            if is_moment(name):
                columns.append(f"{self._text(spelt)} AS {quoted('text_' + name)}")
        self.engine.connection.execute(
            f"CREATE VIEW staged AS SELECT {', '.join(columns)} FROM raw"
        )

    def _typed(self, spelt: str, name: str) -> str:
        """Return SQL for a value in the type that the store gives it."""
        if name in self.decimals:
            value = quoted(spelt) if self._is_exact(spelt) else self._text(spelt)
            return f"CAST({value} AS {self.decimals[name]})"
        return self._moment(spelt) if is_moment(name) else self._text(spelt)

    def _moment(self, spelt: str) -> str:
        """Return SQL for a date and time in UTC; one that says no offset is in UTC already."""
        kind = self.types[spelt]
        if kind == "TIMESTAMP WITH TIME ZONE":
            return f"{quoted(spelt)} AT TIME ZONE 'UTC'"
        if kind != "VARCHAR":
            return f"CAST({quoted(spelt)} AS TIMESTAMP)"
        text = self._text(spelt)
        has_offset = f"regexp_matches({text}, '{_OFFSET}')"
        in_utc = f"TRY_CAST({text} AS TIMESTAMPTZ) AT TIME ZONE 'UTC'"
        return f"CASE WHEN {has_offset} THEN {in_utc} ELSE TRY_CAST({text} AS TIMESTAMP) END"

    def staged(self) -> Staged:
        """Return the file in memory."""
        columns = self.engine.query("FROM staged ORDER BY row_no").columns[1:]
        names = dict(zip(self.source.names.values(), columns))
        said = dict(zip(filter(is_moment, names), columns[len(names) :]))
        texts, moments, numbers = {}, {}, {}
        for spelt, name in self.source.names.items():
            if name in self.decimals:
                numbers[name] = Decimals(names[name].combine_chunks())
            elif is_moment(name):
                text = coded(said[name]) if self.types[spelt] == "VARCHAR" else None
                moments[name] = Moments(names[name].combine_chunks(), text)
            else:
                texts[name] = coded(names[name])
        floats = {n for s, n in self.source.names.items() if self.types[s] in ("DOUBLE", "FLOAT")}
        return Staged(
            self.source,
            len(columns[0]),
            texts,
            moments,
            numbers,
            self._words(),
            frozenset(floats & {*COSTS}),
            self.odd,
        )

    def _words(self) -> Words:
        """Count the cells of a CSV file that hold the bare word NULL."""
        if self.source.format != "csv":
            return Words()
        conditions = [f"{quoted(column)} = 'NULL'" for column in self.source.header]
        somewhere = " OR ".join(conditions)
        measures = [
            f"count(*) FILTER ({somewhere})",
            f"min(file_row_number) FILTER ({somewhere})",
            *(f"count(*) FILTER ({condition})" for condition in conditions),
        ]
        ((rows, first, *cells),) = self.engine.connection.execute(
            f"SELECT {', '.join(measures)} FROM raw"
        ).fetchall()
        named = [self.source.names[column] for column in self.source.header]
        return Words(rows, first or 0, {n: count for n, count in zip(named, cells) if count})


def load_raw(engine: DuckDB, source: Source, scratch: Path) -> None:
    """Make the view `raw`: text as it came, with `file_row_number` from 0."""
    path = _by_plain_name(source.path, scratch)
    if source.format == "csv":
        path = _csv_as_parquet(engine, source, path, scratch / "raw.parquet")
    rows = scan("read_parquet", path, "file_row_number => true")
    try:
        engine.connection.execute(f"CREATE VIEW raw AS SELECT * FROM {rows}")
        engine.connection.execute("SELECT * FROM raw LIMIT 1").fetchall()
    except duckdb.Error as error:
        detail = str(error).splitlines()[0]
        raise refused("file-truncated", Place(source.path.name), detail=detail) from error


def _by_plain_name(path: Path, scratch: Path) -> Path:
    """Return the path; of a file whose name no pattern of DuckDB can say, that of a copy."""
    if not ("\\" in str(path) and os.sep == "/"):
        return path
    return Path(shutil.copyfile(path, scratch / "came"))


def _csv_as_parquet(engine: DuckDB, source: Source, path: Path, into: Path) -> Path:
    """Write the CSV file as Parquet, every cell as text; a row of another length refuses it."""
    columns = ", ".join(f"{literal(c)}: 'VARCHAR'" for c in source.header)
    options = ", ".join(
        [
            f"columns => {{{columns}}}",
            f"compression => {literal(source.compression)}",
            "auto_detect => false",
            "header => true",
            "delim => ','",
            "quote => '\"'",
            "escape => '\"'",
            "store_rejects => true",
            f"rejects_limit => {_MOST_REJECTS}",
            f"max_line_size => {_LONGEST_LINE}",
        ]
    )
    target = f"{literal(str(into))} (FORMAT parquet)"
    try:
        engine.connection.execute(f"COPY (FROM {scan('read_csv', path, options)}) TO {target}")
    except duckdb.Error as error:
        detail = str(error).splitlines()[0]
        raise refused("file-unreadable", Place(source.path.name), detail=detail) from error
    _refuse_rejects(engine, source)
    return into


def _refuse_rejects(engine: DuckDB, source: Source) -> None:
    """Refuse a file with rows that do not have the header's fields: their money is unknown."""
    rejects = engine.connection.execute(
        "SELECT line, min(error_message) FROM reject_errors"
        f" GROUP BY line ORDER BY line LIMIT {_SHOWN_REJECTS}"
    ).fetchall()
    if not rejects:
        return
    last = 0
    if source.compression == "none":
        with source.path.open("rb") as file:
            last = sum(1 for _ in file)
    raise Refused(
        Problem(
            "file-truncated" if line == last else "row-malformed",
            Place(source.path.name, line),
            {"detail": message.splitlines()[0]},
        )
        for line, message in rejects
    )


def read_any(source: Source, scratch: Path) -> Staged:
    """Read a file in any form that is one. Raises Refused where its money cannot be read exactly.

    What does not fit into memory goes to the scratch folder.
    """
    return _InDuckDB(DuckDB(scratch), source, scratch).staged()


def write_quarantine(staged: Staged, scratch: Path, into: Path) -> None:
    """Write the rows that are in quarantine as they came, if there are any."""
    if staged.quarantined is None:
        return
    engine = DuckDB(scratch)
    load_raw(engine, staged.source, scratch)
    engine.load("set_apart", pa.table({"row": np.flatnonzero(staged.quarantined)}))
    rows = "SELECT * FROM raw WHERE file_row_number IN (SELECT row FROM set_apart)"
    engine.connection.execute(
        f"COPY ({rows}) TO {literal(str(into))} (FORMAT parquet, COMPRESSION zstd)"
    )
