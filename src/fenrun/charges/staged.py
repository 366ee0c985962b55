"""A charge file inside the engine: the table `raw` as it came, and `staged` with typed columns.

`staged` has `row_no` (as a spreadsheet counts: the header is row 1), each column under its name in
the store, and `text_` before the name of each date and time as the file writes it.
"""

from __future__ import annotations

import re
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

import duckdb
import pyarrow as pa

from fenrun.base.money import COST_DECIMALS, plain
from fenrun.base.problem import Place, Problem, Refused, refused
from fenrun.charges.checks import QUARANTINE
from fenrun.charges.rows import COSTS, is_decimal, is_moment, version_of
from fenrun.charges.source import Source
from fenrun.engine.dialect import WIDEST, decimal_type, literal, quoted
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


class Staged:
    """A charge file inside the engine. Raises Refused where its money cannot be read exactly."""

    def __init__(self, engine: DuckDB, source: Source, scratch: Path):
        self.engine = engine
        self.source = source
        self._load(scratch)
        if not self._count("raw"):
            raise refused("file-empty", Place(source.path.name))
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

    def _load(self, scratch: Path) -> None:
        """Make the view `raw`: text as it came, with `file_row_number` from 0."""
        path = self.source.path
        if self.source.format == "csv":
            path = self._csv_as_parquet(scratch / "raw.parquet")
        scan = f"read_parquet({literal(str(path))}, file_row_number => true)"
        try:
            self.engine.connection.execute(f"CREATE VIEW raw AS SELECT * FROM {scan}")
            self.engine.connection.execute("SELECT * FROM raw LIMIT 1").fetchall()
        except duckdb.Error as error:
            detail = str(error).splitlines()[0]
            raise refused("file-truncated", Place(self.source.path.name), detail=detail) from error

    def _csv_as_parquet(self, into: Path) -> Path:
        """Write the CSV file as Parquet, every cell as text; a row of another length refuses it."""
        columns = ", ".join(f"{literal(c)}: 'VARCHAR'" for c in self.source.header)
        options = ", ".join(
            [
                f"columns => {{{columns}}}",
                f"compression => {literal(self.source.compression)}",
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
        scan = f"read_csv({literal(str(self.source.path))}, {options})"
        target = f"{literal(str(into))} (FORMAT parquet)"
        try:
            self.engine.connection.execute(f"COPY (FROM {scan}) TO {target}")
        except duckdb.Error as error:
            detail = str(error).splitlines()[0]
            raise refused("file-unreadable", Place(self.source.path.name), detail=detail) from error
        self._refuse_rejects()
        return into

    def _refuse_rejects(self) -> None:
        """Refuse a file with rows that do not have the header's fields: their money is unknown."""
        rejects = self.engine.connection.execute(
            "SELECT line, min(error_message) FROM reject_errors"
            f" GROUP BY line ORDER BY line LIMIT {_SHOWN_REJECTS}"
        ).fetchall()
        if not rejects:
            return
        last = 0
        if self.source.compression == "none":
            with self.source.path.open("rb") as file:
                last = sum(1 for _ in file)
        raise Refused(
            Problem(
                "file-truncated" if line == last else "row-malformed",
                Place(self.source.path.name, line),
                {"detail": message.splitlines()[0]},
            )
            for line, message in rejects
        )

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

    def facts(self) -> dict[str, Any]:
        """Return the counted rows and the control totals: exact BilledCost a currency.

        Totals and rows are of the whole file, those in quarantine included.
        """
        totals = self.engine.connection.execute(
            "SELECT coalesce(BillingCurrency, '?'), sum(BilledCost),"
            f" coalesce(sum(BilledCost) FILTER ({QUARANTINE}), 0),"
            f" count(*) FILTER ({QUARANTINE}), count(*)"
            " FROM staged GROUP BY 1 ORDER BY 1"
        ).fetchall()
        billed, billed_quarantined = {}, {}
        for currency, whole, set_apart, rows_set_apart, _ in totals:
            if whole is not None:
                billed[currency] = plain(whole)
            if rows_set_apart:
                billed_quarantined[currency] = plain(set_apart)
        return {
            "version": version_of(self.source.columns),
            "rows": sum(total[4] for total in totals),
            "quarantined": sum(total[3] for total in totals),
            "billed": billed,
            "billed_quarantined": billed_quarantined,
        }

    def table(self) -> pa.Table:
        """Return the charges that are not in quarantine, in the order of the file."""
        columns = ", ".join(quoted(name) for name in self.source.names.values())
        return self.engine.query(
            f"SELECT row_no, {columns} FROM staged WHERE NOT ({QUARANTINE}) ORDER BY row_no"
        )

    def write_quarantine(self, folder: Path) -> None:
        """Write `quarantine.parquet`, the rows as they came, if there are any."""
        if self._count("staged", QUARANTINE):
            rows = f"SELECT row_no FROM staged WHERE {QUARANTINE}"
            quarantine = f"SELECT * FROM raw WHERE file_row_number + 2 IN ({rows})"
            options = "(FORMAT parquet, COMPRESSION zstd)"
            self._copy(quarantine, folder / "quarantine.parquet", options)

    def _copy(self, query: str, into: Path, options: str) -> None:
        self.engine.connection.execute(f"COPY ({query}) TO {literal(str(into))} {options}")
