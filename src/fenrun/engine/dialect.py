"""SQL that databases say differently: quoting, decimal types, exact rounding and division.

The functions return DuckDB's SQL.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

NUMBER, AMOUNT, TEXT = "BIGINT", "HUGEINT", "TEXT"
"""The types of a column; an amount may have 38 digits where whoever holds it can."""
WIDEST = 38
"""The most digits of a decimal."""
NARROW = 18
"""The most digits of a decimal that fits a machine word, and so is faster."""


def literal(text: str) -> str:
    """Return the text as a SQL string literal."""
    return "'" + text.replace("'", "''") + "'"


def literals(texts: Iterable[str]) -> str:
    """Return the texts as SQL string literals with commas between, as IN takes them."""
    return ", ".join(map(literal, texts))


def scan(reader: str, path: Path, options: str = "") -> str:
    """Return the call of `read_csv` or `read_parquet` for the one file of that name.

    DuckDB takes a name for a pattern, and folders called `column=value` for columns: here every
    name is a name.
    """
    name = re.sub(r"[*?[]", r"[\g<0>]", str(path))
    return f"{reader}({literal(name)}, hive_partitioning => false{options and ', ' + options})"


def quoted(name: str) -> str:
    """Return the name as a SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def quoted_path(name: str) -> str:
    """Return `schema.table` as SQL identifiers."""
    return ".".join(map(quoted, name.split(".")))


def decimal_type(digits: int, scale: int) -> str:
    """Return the SQL type for so many digits, `scale` of them after the point."""
    return f"DECIMAL({NARROW if digits <= NARROW else WIDEST},{scale})"


def as_integer(value: str, scale: int) -> str:
    """Return a decimal of so many places as a whole number of its last place.

    It goes by way of the digits: a product could pass 38 of them.
    """
    digits = f"replace(CAST(CAST({value} AS DECIMAL({WIDEST}, {scale})) AS VARCHAR), '.', '')"
    return f"CAST({digits} AS HUGEINT)"


def rounded_whole(top: str, bottom: str, mode: str) -> str:
    """Return the quotient of two whole numbers, the second above zero, rounded to a whole number.

    It is cut, and one more away from zero where the mode says. Both runners understand it (see
    runner.py); `half up` is away from zero.
    """
    whole = f"whole({top}, {bottom})"
    twice = f"2 * abs({top} % {bottom})"
    half_up = f"{mode} = 'half up' AND {twice} >= {bottom}"
    to_even = f"{twice} > {bottom} OR ({twice} = {bottom} AND ({whole}) % 2 <> 0)"
    half_even = f"{mode} = 'half even' AND ({to_even})"
    return f"{whole} + CASE WHEN ({half_up}) OR ({half_even}) THEN sign({top}) ELSE 0 END"
