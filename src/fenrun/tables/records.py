"""The rows of files as fields: CSV and Parquet hold one table each, YAML and workbooks several."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Mapping
from itertools import islice
from pathlib import Path
from typing import Any

import yaml

from fenrun.base.bounds import read_text, refuse_swollen, too_large
from fenrun.base.nodes import compose, why_no_yaml
from fenrun.base.problem import Place, Problem, refused
from fenrun.base.table import read_parquet
from fenrun.base.words import Message
from fenrun.charges.form import table_text
from fenrun.tables.fields import Fields
from fenrun.tables.from_xlsx import is_workbook, read_sheets, twice_in
from fenrun.tables.layout import Columns, Layout, table_of

_MOST_ROWS = 1_000_000
"""Rows of one file: some 1 GB while they are read. Larger tables are several files."""
Records = Mapping[str, list[tuple[int, dict[str, Any]]]]
"""The rows of a file by table: the row or line each stands in, and its fields.

A field is text, or a Message why it cannot be read.
"""
Cells = Mapping[str, Mapping[str, str]]
"""The cells of columns by table, without their row: `links!C`. Only workbooks have them."""
YAML = (".yaml", ".yml")
_TOP_KEY = re.compile(r"^[\"']?(\w+)[\"']?[ ]*:", re.M)


def read_tables(path: Path, layout: Layout) -> tuple[dict[str, list[Any]], list[Problem]]:
    """Read a file of a layout: typed rows by table.

    Rows that cannot be read are left out, each with a problem. Raises Refused for another file.
    """
    if path.suffix.lower() in YAML:
        return rows_from(_yaml_records(path, layout.columns), path.name, layout)
    if is_workbook(path):
        records, cells, notes = _sheet_records(path, layout.columns)
        rows, problems = rows_from(records, path.name, layout, cells)
        return rows, [*problems, *notes]
    return rows_from(_table_records(path, layout.columns), path.name, layout)


def rows_from(
    records: Records, source: str, layout: Layout, cells: Cells | None = None
) -> tuple[dict[str, list[Any]], list[Problem]]:
    """Make typed rows of records, by table.

    Rows that cannot be read are left out, each with a problem: at its cell where it has one.
    """
    found: dict[str, list[Any]] = {table: [] for table in layout.columns}
    problems: list[Problem] = []
    for table, rows in records.items():
        columns, of_table = layout.columns[table], (cells or {}).get(table, {})
        for row_no, values in rows:
            fields = Fields(table, columns, values, Place(source, row_no), of_table)
            made = layout.makers[table](fields)
            if fields.problems:
                problems += fields.problems
            else:
                found[table].extend(made)
    return found, problems


def yaml_keys(path: Path) -> list[str]:
    """Return the keys at the beginning of lines of a YAML file: those of its tables."""
    return _TOP_KEY.findall(read_text(path))


def _table_records(path: Path, columns: Columns) -> Records:
    """Return the records of a CSV or Parquet file."""
    rows: list[tuple[int, dict[str, Any]]]
    if path.suffix.lower() == ".parquet":
        refuse_swollen(path, _MOST_ROWS)
        table = read_parquet(path)
        names = list(table.column_names)
        rows = list(enumerate(table.to_pylist(), 2))
    else:
        reader = csv.DictReader(io.StringIO(table_text(path), newline=""))
        names = list(reader.fieldnames or ())
        rows = [(reader.line_num, record) for record in islice(reader, _MOST_ROWS + 1)]
        if len(rows) > _MOST_ROWS:
            raise too_large(path, "too-many-rows", most=_MOST_ROWS)
    kind = table_of(names, columns)
    if kind is None:
        raise refused("file-kind", Place(path.name, 1))
    if twice := twice_in(names):
        raise refused("column-twice", Place(path.name, 1), column=twice)
    return {kind: rows}


def _sheet_records(path: Path, columns: Columns) -> tuple[Records, Cells, list[Problem]]:
    """Return the records of a workbook, in which cells they stand, and which rows are hidden.

    Raises Refused.
    """
    notes: list[Problem] = []
    records: dict[str, list[tuple[int, dict[str, Any]]]] = {}
    cells: dict[str, Mapping[str, str]] = {}
    for sheet in read_sheets(path, lambda names: table_of(names, columns), columns):
        if sheet.table in records:
            detail = Message("sheet-twice", {"sheet": sheet.name, "table": sheet.table})
            raise refused("file-unreadable", Place(path.name), detail=detail)
        records[sheet.table] = sheet.rows
        cells[sheet.table] = {
            name: f"{sheet.name}!{letter}" for name, letter in sheet.columns.items()
        }
        if sheet.hidden:
            place = Place(path.name, sheet.hidden[0])
            said = {"sheet": sheet.name, "count": len(sheet.hidden)}
            notes.append(Problem("rows-hidden", place, said))
    return records, cells, notes


def _yaml_records(path: Path, columns: Columns) -> Records:
    """Return the records of a YAML file."""
    try:
        node = compose(read_text(path))
    except yaml.YAMLError as error:
        raise refused("file-unreadable", Place(path.name), detail=why_no_yaml(error)) from error
    return yaml_tables(node, path.name, columns)


def yaml_tables(node: yaml.Node | None, source: str, columns: Columns) -> Records:
    """Return records from a YAML mapping of table name to list of rows; scalars stay text.

    Raises Refused.
    """
    if not isinstance(node, yaml.MappingNode):
        raise refused("file-kind", Place(source, 1))
    found: dict[str, list[tuple[int, dict[str, Any]]]] = {}
    for key, value in node.value:
        place = Place(source, _line(key), str(key.value))
        if key.value not in columns or not isinstance(value, yaml.SequenceNode):
            detail = Message("book-table", {"text": key.value, "tables": ", ".join(columns)})
            raise refused("book-key", place, detail=detail)
        found[key.value] = [(_line(item), _fields(item, source, key.value)) for item in value.value]
    return found


def _fields(item: yaml.Node, source: str, table: str) -> dict[str, Any]:
    """Return the fields of a row: a mapping of scalars. Raises Refused for anything else."""
    is_mapping = isinstance(item, yaml.MappingNode)
    if not is_mapping or not all(isinstance(value, yaml.ScalarNode) for _, value in item.value):
        place = Place(source, _line(item), table)
        raise refused("book-key", place, detail=Message("book-row"))
    return {key.value: value.value for key, value in item.value}


def _line(node: yaml.Node) -> int:
    return int(node.start_mark.line) + 1
