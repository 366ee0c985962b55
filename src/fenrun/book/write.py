"""Books as files: rows as people edit them and import again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any

import yaml

from fenrun.base.when import LONG_AGO
from fenrun.base.words import say

FileRows = Sequence[Mapping[str, str]]
"""Rows of a table with the columns that files have (COLUMNS); a cell that is left out is empty."""


def ended_link(link: Mapping[str, Any], day: date) -> dict[str, str]:
    """Return a link of a KnownBook with its end on a day, as a row of a file.

    Imported, it ends the link; where the link begins later it withdraws it.
    """
    start = link["valid_from"]
    row = {
        "of": link["of_kind"],
        "issuer": link["issuer"],
        "subject": link["subject"],
        "role": link["role"],
        "party": link["party"],
        "share": "" if link["share"] == 1 else str(link["share"]),
        "from": "" if start == LONG_AGO else str(start),
        "to": str(max(day, start)),
        "id": link["link_id"],
        "type": link["type"],
    }
    return {column: text for column, text in row.items() if text}


def write_yaml(path: Path, tables: Mapping[str, FileRows], lang: str, hints: bool = False) -> None:
    """Write a book as YAML, a line a row; with `hints`, what to add to it stands there as well."""
    lines = []
    for table, rows in tables.items():
        lines += [f"{table}:"] + [f"  - {in_one_line(row)}" for row in rows]
    if hints:
        lines += [f"# {line}".rstrip() for line in say("book-hints", lang).split("\n")]
    path.write_text("\n".join(lines) + "\n", "utf-8")


def in_one_line(row: Mapping[str, str]) -> str:
    """Return a row as a line of YAML, without empty cells."""
    filled = {column: value for column, value in row.items() if value}
    text = yaml.safe_dump(
        filled, allow_unicode=True, default_flow_style=True, sort_keys=False, width=1 << 20
    )
    return text.rstrip("\n")
