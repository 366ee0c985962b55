"""The way to read a charge file that takes every one: DuckDB.

The table `raw` is the file as it came, `staged` has typed columns.

`staged` has `row_no` (as a spreadsheet counts: the header is row 1), each column under its name in
the store, and `text_` before the name of each date and time as the file writes it.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterable, Mapping
from decimal import Context, Decimal, localcontext
from pathlib import Path
from typing import Any, NamedTuple

import duckdb
import numpy as np
import pyarrow as pa

from fenrun.base.money import COST_DECIMALS, COST_DIGITS
from fenrun.base.problem import Place, Problem, Refused, refused
from fenrun.base.words import Message
from fenrun.charges.coded import coded
from fenrun.charges.decimals import Decimals
from fenrun.charges.notations import PLAIN, read_amounts
from fenrun.charges.notations import Written as Amounts
from fenrun.charges.rows import COSTS, is_decimal, is_moment
from fenrun.charges.source import Source
from fenrun.charges.staged import NULL_WORDS, Moments, Rounded, Staged, Words
from fenrun.charges.written_moments import moments_of
from fenrun.charges.written_numbers import GROUPS, Written, decimal_mark, read_as, shape_of
from fenrun.engine.dialect import WIDEST, decimal_type, literal, quoted, scan
from fenrun.engine.duckdb import DuckDB

_NUMBER = r"\s*[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d{1,3})?\s*"
_SIGNS = (r"^\s*[+]?[0-9.,]*[1-9]", r"^\s*-")
"""The patterns of plain numbers above nothing, and of those below."""
_ODD_MARK = rf"[,{GROUPS}]\d|\.\d+\."
"""What no plain number has."""
_LARGEST = f"DECIMAL({WIDEST},{WIDEST - COST_DIGITS})"
_CURRENCY = "BillingCurrency"
_MANY_DIGITS = 1000
"""The digits with which what is rounded off is summed: exact, whatever came."""
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


_ROW = "file_row_number"


class _InDuckDB:
    """A charge file inside the engine. Raises Refused where its money cannot be read exactly."""

    def __init__(self, engine: DuckDB, source: Source, scratch: Path):
        self.engine = engine
        self.source = source
        load_raw(engine, source, scratch)
        self.types = engine.columns("raw")
        """The engine's type of each column, by the file's spelling."""
        self.odd: list[Problem] = self._repeated_headers()
        """The columns of numbers that are kept as text, and how the file is written."""
        self._read_notations()
        self.mark = ""
        self.mark = self._decimal_mark()
        self.scales: dict[str, int] = {}
        self.finer: list[str] = []
        """The costs of which some have more decimals than are held."""
        self.decimals = self._decimal_types()
        self._type_columns()

    def _repeated_headers(self) -> list[Problem]:
        """Return what is to be said of headers among the rows."""
        ((rows, first),) = self.engine.connection.execute(
            f"SELECT count(*), min(file_row_number) FROM came WHERE {_is_header(self.source)}"
        ).fetchall()
        place = Place(self.source.path.name, (first or 0) + 2)
        return [Problem("header-repeated", place, {"rows": rows}, rows=rows)] if rows else []

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
        if kind.startswith("DECIMAL"):
            text = f"regexp_replace({text}, '(\\.\\d*[1-9])0+$|\\.0+$', '\\1')"
        for word in ("", *NULL_WORDS):
            text = f"nullif({text}, {literal(word)})"
        return text

    def _read_notations(self) -> None:
        """Put plain numbers in the place of amounts that are written as in accounts.

        Raises Refused where a column has two ways to write them.
        """
        texts = [(s, name) for s, name in self._numbers() if self.types[s] == "VARCHAR"]
        is_odd = {
            spelt: f"NOT regexp_full_match({self._text(spelt)}, {literal(PLAIN)})"
            for spelt, _ in texts
        }
        counts = [f"count(*) FILTER ({condition})" for condition in is_odd.values()] or ["0"]
        found = self.engine.connection.execute(f"SELECT {', '.join(counts)} FROM raw").fetchone()
        for (spelt, name), count in zip(texts, found or ()):
            read = count and read_amounts(
                name,
                self._written(spelt, is_odd[spelt]),
                [one for sign in _SIGNS for one in self._usual(spelt, is_odd[spelt], sign)],
                self.source.path.name,
            )
            if read:
                self.odd.append(read[1])
                self._replace(spelt, read[0])

    def _currency(self) -> str:
        """Return SQL for a row's currency; NULL where it has none."""
        spelt = next((s for s, name in self.source.names.items() if name == _CURRENCY), None)
        given = self.source.given.get(_CURRENCY, "")
        return self._text(spelt) if spelt is not None else f"nullif({literal(given)}, '')"

    def _written(self, spelt: str, where: str, limit: str = "") -> list[Amounts]:
        """Return the texts of a column in some rows, with their currencies and first rows."""
        found = self.engine.connection.execute(
            f"SELECT {self._text(spelt)}, coalesce({self._currency()}, ''),"
            f" min(file_row_number) + 2 FROM raw WHERE {where} GROUP BY 1, 2 ORDER BY 3 {limit}"
        )
        return [Amounts(*row) for row in found.fetchall()]

    def _usual(self, spelt: str, is_odd: str, sign: str) -> list[Amounts]:
        """Return the first plain number of a column that a pattern fits, if there is one."""
        fits = f"regexp_matches({self._text(spelt)}, {literal(sign)})"
        return self._written(spelt, f"{fits} AND NOT {is_odd}", "LIMIT 1")

    def _replace(self, spelt: str, plain: Mapping[str, str]) -> None:
        """Put other texts in the place of some in a column."""
        name = f"written_{len(self.odd)}"
        table = {"text": list(plain), "plain": list(plain.values())}
        self.engine.load(name, pa.table(table))
        column = quoted(spelt)
        self.engine.connection.execute(f"ALTER VIEW raw RENAME TO {name}_before")
        self.engine.connection.execute(
            f"CREATE VIEW raw AS SELECT b.* REPLACE (coalesce(n.plain, b.{column}) AS {column})"
            f" FROM {name}_before AS b LEFT JOIN {name} AS n ON n.text = b.{column}"
        )

    def _digits(self, spelt: str) -> str:
        """Return SQL for a number as plain text; NULL where it is empty or the word NULL."""
        text = self._text(spelt)
        if not self.mark or self.types[spelt] != "VARCHAR":
            return text
        groups = f"[{GROUPS}{',' if self.mark == '.' else '.'}\\s]"
        bare = f"replace(regexp_replace({text}, {literal(groups)}, '', 'g'), ',', '.')"
        is_shaped = f"regexp_full_match({text}, {literal(shape_of(self.mark))})"
        return f"CASE WHEN {is_shaped} THEN {bare} ELSE {text} END"

    def _decimal_mark(self) -> str:
        """Return the mark before the decimals of the file's numbers; none where all are plain.

        Raises Refused where they do not say it.
        """
        odd = rf"\.|{_ODD_MARK}" if self.source.is_comma_likely else _ODD_MARK
        texts = [(s, name) for s, name in self._numbers() if self.types[s] == "VARCHAR"]
        asked = [
            (
                f"SELECT {self._text(spelt)} AS text, min(file_row_number) + 2, {literal(name)}",
                f"regexp_matches({quoted(spelt)}, {literal(odd)})",
            )
            for spelt, name in texts
        ]
        if not asked or not self._answers(asked).fetchone():
            return ""
        every = [(select, "true") for select, _ in asked]
        numbers = [Written(*row) for row in self._answers(every).fetchall() if row[0]]
        mark = decimal_mark(numbers, self.source.path.name, self.source.is_comma_likely)
        for number in (n for n in numbers if re.search(_ODD_MARK, n.text.strip())):
            place = Place(self.source.path.name, number.row, number.column)
            kind = Message("mark-comma" if mark == "," else "mark-point")
            values = {"column": number.column, "value": number.text, "mark": kind}
            self.odd.append(
                Problem("decimal-mark", place, values | {"read": read_as(number, mark)})
            )
            break
        return mark

    def _answers(self, asked: Iterable[tuple[str, str]]) -> duckdb.DuckDBPyConnection:
        """Return the texts, first rows and columns of what is selected where a condition holds."""
        queries = " UNION ALL ".join(
            f"{one} FROM raw WHERE {where} GROUP BY 1" for one, where in asked
        )
        return self.engine.connection.execute(f"{queries} ORDER BY 2, 3")

    def _needed(self, spelt: str) -> str:
        """Return SQL for how many decimals a value needs."""
        found = re.match(r"DECIMAL\((\d+),(\d+)\)", self.types[spelt])
        if found and int(found[2]) <= COST_DECIMALS:
            return f"CASE WHEN {quoted(spelt)} IS NOT NULL THEN {found[2]} END"
        text = self._digits(spelt)
        fraction = rf"length(rtrim(regexp_extract({text}, '\.(\d*)', 1), '0'))"
        power = f"coalesce(TRY_CAST(regexp_extract({text}, '[eE]([+-]?\\d+)', 1) AS INTEGER), 0)"
        return f"CASE WHEN {text} IS NOT NULL THEN greatest(0, {fraction} - {power}) END"

    def _valid(self, spelt: str) -> str:
        """Return SQL for whether a value is a number that is held."""
        if self._is_exact(spelt):
            return "true"
        text = self._digits(spelt)
        is_number = f"regexp_full_match({text}, '{_NUMBER}')"
        return f"({is_number} AND TRY_CAST({text} AS {_LARGEST}) IS NOT NULL)"

    def _measures(self) -> dict[str, _Measures]:
        """Measure the columns of numbers, by name in the store, in one pass over the file."""
        asked = []
        for spelt, _ in self._numbers():
            text = self._digits(spelt)
            bad = f"{text} IS NOT NULL AND NOT coalesce({self._valid(spelt)}, false)"
            asked += [
                f"max({self._needed(spelt)})",
                f"max(abs(TRY_CAST({text} AS {_LARGEST})))",
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
        digits = {
            name: max(1, column.largest.adjusted() + 1) if column.largest else 1
            for name, column in readable.items()
        }
        costs = [name for name in COSTS if name in readable]
        of_costs = max(readable[name].decimals or 0 for name in costs)
        widest = WIDEST - max(digits[name] for name in costs)
        types = {}
        for name, column in readable.items():
            scale = of_costs if name in COSTS else column.decimals or 0
            scale = min(scale, COST_DECIMALS, widest if name in COSTS else WIDEST - digits[name])
            types[name] = decimal_type(scale + digits[name], scale)
            self.scales[name] = scale
        self.finer = [name for name in costs if (readable[name].decimals or 0) > self.scales[name]]
        return types

    def _type_columns(self) -> None:
        """Make the view `staged`."""
        columns = ["file_row_number + 2 AS row_no"]
        for spelt, name in self.source.names.items():
            columns.append(f"{self._typed(spelt, name)} AS {quoted(name)}")
        self.engine.connection.execute(
            f"CREATE VIEW staged AS SELECT {', '.join(columns)} FROM raw"
        )

    def _typed(self, spelt: str, name: str) -> str:
        """Return SQL for a value in the type that the store gives it; dates as text stay text."""
        if name in self.decimals:
            value = quoted(spelt) if self._is_exact(spelt) else self._digits(spelt)
            return f"CAST({value} AS {self.decimals[name]})"
        kind = self.types[spelt]
        if not is_moment(name) or kind == "VARCHAR":
            return self._text(spelt)
        if kind.startswith("TIMESTAMP") and ("TIME ZONE" in kind or "TZ" in kind):
            return f"CAST({quoted(spelt)} AT TIME ZONE 'UTC' AS TIMESTAMP)"
        return f"CAST({quoted(spelt)} AS TIMESTAMP)"

    def staged(self) -> Staged:
        """Return the file in memory. Raises Refused where its dates do not say their order."""
        columns = self.engine.query("FROM staged ORDER BY row_no").columns[1:]
        names = dict(zip(self.source.names.values(), columns))
        texts, moments, numbers, said = {}, {}, {}, {}
        for name, column in names.items():
            if name in self.decimals:
                numbers[name] = Decimals(column.combine_chunks())
            elif not is_moment(name):
                texts[name] = coded(column)
            elif pa.types.is_string(column.type):
                said[name] = coded(column)
            else:
                moments[name] = Moments(column.combine_chunks())
        written, problems = moments_of(said, self.source.path.name)
        moments |= written
        return Staged(
            self.source,
            len(columns[0]),
            texts,
            {name: moments[name] for name in names if name in moments},
            numbers,
            self._words(),
            [*self.odd, *problems],
            [rounded for name in self.finer for rounded in self._rounded(name)],
        )

    def _rounded(self, name: str) -> list[Rounded]:
        """Return how much a column of costs was rounded, by currency."""
        spelt_as = {known: spelt for spelt, known in self.source.names.items()}
        spelt = spelt_as[name]
        currency = literal(self.source.given.get(_CURRENCY, ""))
        if _CURRENCY in spelt_as:
            currency = self._text(spelt_as[_CURRENCY])
        text = f"CAST({self._digits(spelt)} AS VARCHAR)"
        found = self.engine.connection.execute(
            f"SELECT coalesce({currency}, '?'), file_row_number, {text},"
            f" {self._typed(spelt, name)} FROM raw"
            f" WHERE {self._needed(spelt)} > {self.scales[name]} ORDER BY 1, 2"
        )
        rounded: dict[str, Rounded] = {}
        with localcontext(Context(prec=_MANY_DIGITS)):
            for money, row, said, held in found.fetchall():
                difference = held - Decimal(said.strip())
                before = rounded.get(money) or Rounded(name, money, row, 0, Decimal(0))
                total = before.difference + difference
                rounded[money] = before._replace(rows=before.rows + 1, difference=total)
        return list(rounded.values())

    def _words(self) -> Words:
        """Count the cells of a CSV file that hold the bare word NULL."""
        if self.source.format != "csv":
            return Words()
        words = ", ".join(map(literal, NULL_WORDS))
        conditions = [f"{quoted(column)} IN ({words})" for column in self.source.header]
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
    """Make the view `raw`: text as it came, with `file_row_number` from 0.

    Rows that are the header once more are not in it; they stand in the view `came`.
    """
    path = _by_plain_name(source.path, scratch)
    if source.format == "csv":
        path = _csv_as_parquet(engine, source, path, scratch / "raw.parquet")
    rows = scan("read_parquet", path, "file_row_number => true")
    try:
        engine.connection.execute(f"CREATE VIEW came AS SELECT * FROM {rows}")
        engine.connection.execute(
            f"CREATE VIEW raw AS SELECT * FROM came WHERE NOT {_is_header(source)}"
        )
        engine.connection.execute("SELECT * FROM raw LIMIT 1").fetchall()
    except duckdb.Error as error:
        detail = str(error).splitlines()[0]
        raise refused("file-truncated", Place(source.path.name), detail=detail) from error


def _is_header(source: Source) -> str:
    """Return SQL for whether a row of a text is the header once more."""
    cells = [f"{quoted(name)} = {literal(name)}" for name in source.header]
    is_text = source.format == "csv" and cells
    return f"coalesce({' AND '.join(cells)}, false)" if is_text else "false"


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
