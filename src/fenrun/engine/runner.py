"""Two runners of one text: steps over whole numbers, run by DuckDB or by SQLite.

Steps are written in the SQL that both share. Amounts are whole numbers of their last decimal, days
and months are numbers, names are codes (see codes.py). SQLite takes what is small (a plan's case, a
change, one payee's question) in a thousandth of DuckDB's time, DuckDB takes what is large.

What the two say differently has a name of its own here: `least` and `greatest` pass over what is
missing, `min_by` and `max_by` return the value at the smallest or largest key, `month_end(month)`
is the last day of a month, and `months_later(day, count)` the same day so many months later, or the
last one of that month.

Products may need more than 64 bits. What holds one is *wide*: in DuckDB a HUGEINT, in SQLite a
number or, where 64 bits are too few, a text of its digits. Wide amounts are read and made only by

- `times`, `plus`, `minus`, `lesser` (of two; what is missing is passed over), and the aggregates
  `summed` and `largest`,
- `compared(a, b)`: below 0, 0 or above 0 as a is less than, equal to or more than b,
- `whole(a, b)`: the quotient cut to a whole number that is not wide,
- `rounded(a, b, mode, step)`: the quotient as whole steps by the mode, times the step; not wide,
- `lies_within(m, one, reference, lower, lower_in, upper, upper_in)`: whether m times one lies
  between the bounds times the reference; a bound that is missing does not bound.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache
from typing import Any, Protocol

import duckdb
import pyarrow as pa

from fenrun.base.problem import Place, refused
from fenrun.base.when import add_months
from fenrun.engine.codes import day_number, day_of, month_of
from fenrun.engine.databases import FEW, make_table, new_database
from fenrun.engine.dialect import AMOUNT, NUMBER, TEXT, quoted, rounded_whole
from fenrun.engine.steps import Step

Row = tuple[Any, ...]
_STATEMENTS = 1000
"""The statements that SQLite keeps planned: more than a settlement has."""
_FEW_ROWS = 200
"""The most rows that are compared with those that a table has."""
_NUMBERS = re.compile(r"\b\d+\b")
_TOO_LARGE = "0" * 18
"""What stands in every power of ten of 19 digits or more."""


class Runner(Protocol):
    """A database that runs steps over whole numbers."""

    @property
    def is_narrow(self) -> bool:
        """True if its numbers have 64 bits, past which it goes on in floats without a word."""

    def load(self, name: str, columns: Mapping[str, str], rows: Iterable[Row]) -> None:
        """Make rows known as a table; `columns` are its columns with their types."""

    def load_table(self, name: str, table: pa.Table) -> None:
        """Make an arrow table known: whole numbers (or decimals of no places), and texts."""

    def append(self, name: str, table: pa.Table) -> None:
        """Add the rows of an arrow table to a table."""

    def run(self, step: Step, fragments: Mapping[str, str]) -> None:
        """Run a step into a table of its name. Raises Refused where exact arithmetic fails."""

    def refuse_floats(self, tables: Iterable[str]) -> None:
        """Raise Refused where a number of the tables became a float."""

    def shares(self, connection: object) -> bool:
        """Return whether the runner's tables stand in that connection to a database."""

    def rows(self, sql: str, values: Sequence[Any] = ()) -> list[Row]:
        """Return a query's rows; each `?` stands for one of the values."""

    def arrow(self, sql: str) -> pa.Table:
        """Return a query's rows as an arrow table."""


class SQLite:
    """SQLite in memory.

    It goes on in floating point where 64 bits do not hold a number, without a word: who uses it
    must know before that no sum passes 63 bits, and asks `refuse_floats` afterwards. A text that
    names a power of ten of 19 digits or more is refused.

    A table that is made again in the same way is emptied and filled: the statements that read it
    need no planning then, which is most of what a small settlement costs.
    """

    is_narrow = True

    def __init__(self) -> None:
        self.connection = sqlite3.connect(
            ":memory:", isolation_level=None, cached_statements=_STATEMENTS
        )
        self.connection.execute("PRAGMA journal_mode = OFF")
        self.connection.execute("BEGIN")  # a transaction a statement would cost a sixth
        self._made: dict[str, _Made] = {}
        self._changes = 0
        """How many tables were made again with other columns, which others may have taken over."""
        for count in (2, 3):
            self.connection.create_function("least", count, _least, deterministic=True)
            self.connection.create_function("greatest", count, _greatest, deterministic=True)
        for name, count, function in _OF_WIDE_AMOUNTS:
            self.connection.create_function(name, count, function, deterministic=True)
        self.connection.create_function("month_end", 1, _month_end, deterministic=True)
        self.connection.create_function("months_later", 2, _months_later, deterministic=True)
        self.connection.create_aggregate("min_by", 2, _MinBy)  # type: ignore[arg-type]
        self.connection.create_aggregate("max_by", 2, _MaxBy)  # type: ignore[arg-type]
        self.connection.create_aggregate("summed", 1, _Summed)  # type: ignore[arg-type]
        self.connection.create_aggregate("largest", 1, _Largest)  # type: ignore[arg-type]

    def load(self, name: str, columns: Mapping[str, str], rows: Iterable[Row]) -> None:
        made = self._made.get(name)
        few = rows if isinstance(rows, list) and len(rows) <= _FEW_ROWS else None
        how = _created(name, tuple(columns.items()))
        if made is None or (
            made.how != how
            and (made.is_view or rows != [] or self._columns(name) != tuple(columns))
        ):
            made = self._make(name, how, how)
        elif few is not None and made.rows == few:
            return
        else:
            self._empty(name)
        made.rows = None
        self._insert(name, tuple(columns), rows)
        made.rows = few

    def _insert(self, name: str, columns: tuple[str, ...], rows: Iterable[Row]) -> None:
        if rows == []:
            return
        try:
            self.connection.executemany(_inserted(name, columns), rows)
        except OverflowError as error:
            raise refused("amount-too-large", Place(name)) from error

    def append(self, name: str, table: pa.Table) -> None:
        lists = [_python_values(column) for column in table.columns]
        self._made[name].rows = None
        self._insert(name, tuple(table.column_names), zip(*lists))

    def load_table(self, name: str, table: pa.Table) -> None:
        columns = {c.name: TEXT if pa.types.is_string(c.type) else NUMBER for c in table.schema}
        lists = [_python_values(column) for column in table.columns]
        self.load(name, columns, list(zip(*lists)))

    def run(self, step: Step, fragments: Mapping[str, str]) -> None:
        sql = _held(step.filled(fragments), step.name)
        try:
            self._run(step, sql)
        except (sqlite3.OperationalError, OverflowError) as error:
            if not isinstance(error, OverflowError) and not _is_overflow(str(error)):
                raise
            raise refused("amount-too-large", Place(step.name)) from error

    def _run(self, step: Step, sql: str) -> None:
        made, name = self._made.get(step.name), quoted(step.name)
        if (
            made is None
            or (made.is_view, made.after) != (step.view, self._changes)
            or not _has_shape(made.how, sql, step.view)
        ):
            kind = "VIEW" if step.view else "TABLE"
            self._make(step.name, sql, f"CREATE {kind} {name} AS {sql}", step.view)
        elif not step.view:
            made.how, made.rows = sql, None
            self._empty(step.name)
            self.connection.execute(f"INSERT INTO {name} {sql}")

    def _make(self, name: str, how: str, sql: str, is_view: bool = False) -> _Made:
        """Make a table or view in place of what has the name."""
        made = self._made.pop(name, None)
        is_table = made is not None and not made.is_view and not is_view
        before = self._kinds(name) if is_table else None
        if made:
            self.connection.execute(f"DROP {'VIEW' if made.is_view else 'TABLE'} {quoted(name)}")
        self.connection.execute(sql)
        if is_table:
            self._changes += before != self._kinds(name)
        elif made:  # a view cannot say its columns once those that it reads are gone
            self._changes += made.is_view != is_view or _shape(made.how) != _shape(how)
        self._made[name] = made = _Made(how, is_view, self._changes)
        return made

    def _kinds(self, name: str) -> list[tuple[str, str]]:
        """Return the columns of a table, each with the type that SQLite gives it."""
        found = self.connection.execute(f"PRAGMA table_info({quoted(name)})").fetchall()
        return [(column, "INT" if "INT" in kind else kind) for _, column, kind, *_ in found]

    def _empty(self, name: str) -> None:
        self.connection.execute(f"DELETE FROM {quoted(name)}")

    def _columns(self, name: str) -> tuple[str, ...]:
        """Return the columns of a table; of one that is made here they are asked once."""
        made = self._made.get(name)
        if made is None or made.columns is None:
            head = self.connection.execute(f"SELECT * FROM {quoted(name)} LIMIT 0").description
            columns = tuple(column for column, *_ in head)
            if made is None:
                return columns
            made.columns = columns
        return made.columns

    def refuse_floats(self, tables: Iterable[str]) -> None:
        """Raise Refused where a number of the tables became a float."""
        for table in tables:
            if self.connection.execute(_float_of(table, self._columns(table))).fetchone():
                raise refused("amount-too-large", Place(table))

    def shares(self, connection: object) -> bool:
        return connection is self.connection

    def rows(self, sql: str, values: Sequence[Any] = ()) -> list[Row]:
        return self.connection.execute(_held(sql), list(values)).fetchall()

    def arrow(self, sql: str) -> pa.Table:
        found = self.connection.execute(_held(sql))
        names = [column for column, *_ in found.description]
        columns = list(zip(*found.fetchall()))
        arrays = [_plain_array(values) for values in columns] or [pa.nulls(0)] * len(names)
        return pa.Table.from_arrays(arrays, names)


@dataclass
class _Made:
    """A table or view as SQLite has it."""

    how: str
    """The SQL that it follows from, or that declares it."""
    is_view: bool
    after: int
    """The changes of columns that it follows."""
    columns: tuple[str, ...] | None = None
    """Its columns, once somebody asked."""
    rows: list[Row] | None = None
    """The rows that were loaded, where they are few and all that it has."""


def _has_shape(sql: str, other: str, is_view: bool) -> bool:
    """Return whether what was made of a query serves another: a table where its columns do.

    They are the same, with the same types, where at most whole numbers differ, and what the queries
    read has the same columns.
    """
    return sql == other or (not is_view and _shape(sql) == _shape(other))


@lru_cache(maxsize=1000)
def _shape(sql: str) -> str:
    """Return a query with the same number for every number in it."""
    return _NUMBERS.sub("0", sql)


@lru_cache(maxsize=1000)
def _float_of(table: str, columns: tuple[str, ...]) -> str:
    """Return the SQL that finds a row of which some column is a float."""
    is_float = " OR ".join(f"typeof({quoted(column)}) = 'real'" for column in columns)
    return f"SELECT 1 FROM {quoted(table)} WHERE {is_float} LIMIT 1"


@lru_cache(maxsize=1000)
def _created(name: str, columns: tuple[tuple[str, str], ...]) -> str:
    """Return the SQL that makes a table of columns, each with its type."""
    declared = (f"{quoted(c)} {'TEXT' if kind == TEXT else 'INTEGER'}" for c, kind in columns)
    return f"CREATE TABLE {quoted(name)} ({', '.join(declared)})"


@lru_cache(maxsize=1000)
def _inserted(name: str, columns: tuple[str, ...]) -> str:
    """Return the SQL that puts a row into a table."""
    named, marks = ", ".join(map(quoted, columns)), ", ".join("?" * len(columns))
    return f"INSERT INTO {quoted(name)} ({named}) VALUES ({marks})"


def _held(sql: str, place: str = "sqlite") -> str:
    """Return a text of which SQLite holds every number: the large ones are powers of ten.

    Raises Refused for others, which it would read as floats.
    """
    if _TOO_LARGE in sql:
        raise refused("amount-too-large", Place(place))
    return sql


def _plain_array(values: Sequence[Any]) -> pa.Array:
    """Return values as they are; amounts of which some are wide as decimals of no places."""
    try:
        return pa.array(values)
    except (pa.ArrowInvalid, pa.ArrowTypeError, OverflowError):
        return _array([None if value is None else int(value) for value in values], AMOUNT)


_QUICK = 1 << 61
"""The most that is divided in 64 bits: DuckDB takes ten times as long for 128, bit by bit."""


MACROS = f"""
CREATE OR REPLACE TEMP MACRO times(a, b) AS CAST(a AS HUGEINT) * (b);
CREATE OR REPLACE TEMP MACRO plus(a, b) AS CAST(a AS HUGEINT) + (b);
CREATE OR REPLACE TEMP MACRO minus(a, b) AS CAST(a AS HUGEINT) - (b);
CREATE OR REPLACE TEMP MACRO lesser(a, b) AS least(a, b);
CREATE OR REPLACE TEMP MACRO summed(a) AS sum(a);
CREATE OR REPLACE TEMP MACRO largest(a) AS max(a);
CREATE OR REPLACE TEMP MACRO compared(a, b) AS CASE WHEN a < b THEN -1 WHEN a = b THEN 0
  WHEN a > b THEN 1 END;
CREATE OR REPLACE TEMP MACRO whole(a, b) AS
  coalesce(TRY_CAST(a AS BIGINT) // TRY_CAST(b AS BIGINT), (a) // (b));
CREATE OR REPLACE TEMP MACRO rounded(a, b, mode, step) AS
  (CASE WHEN a BETWEEN -{_QUICK} AND {_QUICK} AND b <= {_QUICK}
        THEN {rounded_whole("CAST(a AS BIGINT)", "CAST(b AS BIGINT)", "mode")}
        ELSE {rounded_whole("a", "b", "mode")} END) * step;
CREATE OR REPLACE TEMP MACRO lies_within(m, one, reference, lower, lower_in, upper, upper_in) AS
  (lower IS NULL OR CAST(m AS HUGEINT) * one > lower * CAST(reference AS HUGEINT)
   OR (lower_in = 1 AND CAST(m AS HUGEINT) * one = lower * CAST(reference AS HUGEINT)))
  AND (upper IS NULL OR CAST(m AS HUGEINT) * one < upper * CAST(reference AS HUGEINT)
   OR (upper_in = 1 AND CAST(m AS HUGEINT) * one = upper * CAST(reference AS HUGEINT)));
CREATE OR REPLACE TEMP MACRO month_end(m) AS date_diff(
  'day', DATE '1970-01-01', make_date(((m) + 1) // 12, ((m) + 1) % 12 + 1, 1)) - 1;
CREATE OR REPLACE TEMP MACRO months_later(d, n) AS date_diff(
  'day', DATE '1970-01-01',
  CAST(DATE '1970-01-01' + CAST(d AS INTEGER) + to_months(CAST(n AS INTEGER)) AS DATE))"""
"""What makes the functions of steps known to DuckDB, for as long as a connection lasts."""


class Bulk:
    """DuckDB, whose whole numbers reach 38 digits; it raises where they do not."""

    is_narrow = False

    def __init__(self, connection: duckdb.DuckDBPyConnection | None = None) -> None:
        self.connection = connection or new_database()
        self.connection.execute("SET enable_progress_bar = false")
        self.connection.execute(MACROS)

    def load(self, name: str, columns: Mapping[str, str], rows: Iterable[Row]) -> None:
        found = list(rows)
        if len(found) <= FEW:
            make_table(self.connection, name, columns, list(zip(*found)))
            return
        arrays = {
            column: _array([row[place] for row in found], kind)
            for place, (column, kind) in enumerate(columns.items())
        }
        self._load(name, columns, pa.table(arrays))

    def load_table(self, name: str, table: pa.Table) -> None:
        columns = {c.name: _kind_of(c.type) for c in table.schema}
        if table.num_rows <= FEW:
            values = [_python_values(column) for column in table.columns]
            make_table(self.connection, name, columns, values)
        else:
            self._load(name, columns, table)

    def _load(self, name: str, columns: Mapping[str, str], table: pa.Table) -> None:
        typed = ", ".join(
            f"CAST({quoted(c)} AS {kind}) AS {quoted(c)}" for c, kind in columns.items()
        )
        self.connection.register("loaded_rows", table)
        sql = f"CREATE OR REPLACE TABLE {quoted(name)} AS SELECT {typed} FROM loaded_rows"
        self.connection.execute(sql)
        self.connection.unregister("loaded_rows")

    def append(self, name: str, table: pa.Table) -> None:
        self.connection.register("loaded_rows", table)
        named = ", ".join(map(quoted, table.column_names))
        sql = f"INSERT INTO {quoted(name)} ({named}) SELECT {named} FROM loaded_rows"
        self.connection.execute(sql)
        self.connection.unregister("loaded_rows")

    def run(self, step: Step, fragments: Mapping[str, str]) -> None:
        kind = "VIEW" if step.view else "TABLE"
        sql = f"CREATE OR REPLACE {kind} {quoted(step.name)} AS {step.filled(fragments)}"
        try:
            self.connection.execute(sql)
        except (duckdb.OutOfRangeException, duckdb.ConversionException) as error:
            raise refused("amount-too-large", Place(step.name)) from error

    def refuse_floats(self, tables: Iterable[str]) -> None:
        """Do nothing: no step of whole numbers gives a float here."""

    def shares(self, connection: object) -> bool:
        return connection is self.connection

    def rows(self, sql: str, values: Sequence[Any] = ()) -> list[Row]:
        found: list[Row] = self.connection.execute(sql, list(values)).fetchall()
        return found

    def arrow(self, sql: str) -> pa.Table:
        return self.connection.sql(sql).to_arrow_table()


def _is_overflow(message: str) -> bool:
    """Return whether SQLite says that 64 bits do not hold a number, its own or a function's."""
    return "integer overflow" in message or "user-defined" in message


def _kind_of(arrow_type: pa.DataType) -> str:
    """Return the type of an arrow column."""
    if pa.types.is_string(arrow_type):
        return TEXT
    return AMOUNT if pa.types.is_decimal(arrow_type) else NUMBER


def _python_values(column: pa.ChunkedArray) -> list[Any]:
    """Return the values of a column; decimals of no places as int."""
    values: list[Any] = column.to_pylist()
    if not pa.types.is_decimal(column.type):
        return values
    return [None if value is None else int(value) for value in values]


def _array(values: list[Any], kind: str) -> pa.Array:
    if kind == TEXT:
        return pa.array(values, pa.string())
    if kind == NUMBER:
        return pa.array(values, pa.int64())
    exact = [None if value is None else Decimal(value) for value in values]
    return pa.array(exact, pa.decimal128(38, 0))


def _least(*values: int | None) -> int | None:
    return min((value for value in values if value is not None), default=None)


def _greatest(*values: int | None) -> int | None:
    return max((value for value in values if value is not None), default=None)


_NARROW, _WIDE = 1 << 63, 1 << 127
Wide = int | str | None
"""A whole number as SQLite has it: a text where 64 bits do not hold it."""


def _kept(number: int) -> int | str:
    """Return a number as SQLite can have it. Raises ArithmeticError where 128 bits do not."""
    if -_NARROW <= number < _NARROW:
        return number
    if abs(number) >= _WIDE:
        raise ArithmeticError
    return str(number)


def _narrow(number: int) -> int:
    """Return a number that 62 bits hold. Raises ArithmeticError for others."""
    if abs(number) >= _NARROW // 2:
        raise ArithmeticError
    return number


def _times(a: Wide, b: Wide) -> Wide:
    return None if a is None or b is None else _kept(int(a) * int(b))


def _plus(a: Wide, b: Wide) -> Wide:
    return None if a is None or b is None else _kept(int(a) + int(b))


def _minus(a: Wide, b: Wide) -> Wide:
    return None if a is None or b is None else _kept(int(a) - int(b))


def _lesser(a: Wide, b: Wide) -> Wide:
    found = [int(value) for value in (a, b) if value is not None]
    return _kept(min(found)) if found else None


def _compared(a: Wide, b: Wide) -> int | None:
    if a is None or b is None:
        return None
    one, other = int(a), int(b)
    return (one > other) - (one < other)


def _whole(top: Wide, bottom: Wide) -> int | None:
    if top is None or not bottom:
        return None
    whole = abs(int(top)) // abs(int(bottom))
    return _narrow(whole if (int(top) < 0) == (int(bottom) < 0) else -whole)


def _rounded(top: Wide, bottom: Wide, mode: str, step: int) -> int | None:
    if top is None or not bottom:
        return None
    whole, rest = divmod(abs(int(top)), int(bottom))
    over = 2 * rest - int(bottom)
    half = mode == "half up" or (mode == "half even" and whole % 2)
    up = mode in ("half up", "half even") and (over > 0 or (over == 0 and half))
    found = (whole + bool(up)) * step
    return _narrow(-found if int(top) < 0 else found)


def _lies_within(
    measure: Wide,
    one: int,
    reference: Wide,
    lower: int | None,
    lower_in: int,
    upper: int | None,
    upper_in: int,
) -> bool | None:
    if lower is None and upper is None:
        return True
    if measure is None or reference is None:
        return None
    found, times = int(measure) * one, int(reference)
    above = lower is None or found > lower * times or (lower_in == 1 and found == lower * times)
    below = upper is None or found < upper * times or (upper_in == 1 and found == upper * times)
    return above and below


_OF_WIDE_AMOUNTS: tuple[tuple[str, int, Callable[..., Any]], ...] = (
    ("times", 2, _times),
    ("plus", 2, _plus),
    ("minus", 2, _minus),
    ("lesser", 2, _lesser),
    ("compared", 2, _compared),
    ("whole", 2, _whole),
    ("rounded", 4, _rounded),
    ("lies_within", 7, _lies_within),
)
"""SQLite's functions of wide amounts: name, number of arguments, and what they return."""


def _month_end(month: int | None) -> int | None:
    return None if month is None else day_number(month_of(month + 1)) - 1


def _months_later(day: int | None, count: int) -> int | None:
    return None if day is None else day_number(add_months(day_of(day), count))


class _MinBy:
    """The value at the smallest key; keys and values that are missing are passed over."""

    def __init__(self) -> None:
        self.key: Any = None
        self.value: Any = None

    def step(self, value: Any, key: Any) -> None:
        if key is not None and value is not None and (self.key is None or key < self.key):
            self.key, self.value = key, value

    def finalize(self) -> Any:
        return self.value


class _MaxBy(_MinBy):
    """The value at the largest key."""

    def step(self, value: Any, key: Any) -> None:
        if key is not None and value is not None and (self.key is None or key > self.key):
            self.key, self.value = key, value


class _Summed:
    """The sum of wide amounts; missing ones are passed over."""

    def __init__(self) -> None:
        self.value: int | None = None

    def step(self, value: Wide) -> None:
        if value is not None:
            self.value = (self.value or 0) + int(value)

    def finalize(self) -> Wide:
        return None if self.value is None else _kept(self.value)


class _Largest(_Summed):
    """The largest of wide amounts."""

    def step(self, value: Wide) -> None:
        if value is not None:
            self.value = int(value) if self.value is None else max(self.value, int(value))
