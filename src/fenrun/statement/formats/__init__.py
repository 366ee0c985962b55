"""The formats of a statement: one module each, and the registry of them all.

In: a statement and a language. Out: the bytes of a file. A new format is a module here and an entry
in FORMATS: the command line and the portal offer what stands there.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from fenrun.statement.formats.csv import to_csv
from fenrun.statement.formats.json import to_json
from fenrun.statement.formats.text import to_text
from fenrun.statement.formats.xlsx import to_xlsx
from fenrun.statement.rows import Statement


@dataclass(frozen=True)
class Format:
    """A way to write a statement down."""

    name: str
    """The format's name, as `--format` and `?format=` say it."""
    label: str
    """What a reader knows it by; the same in every language."""
    media_type: str
    extension: str
    """The ending of a file's name, without its dot."""
    write: Callable[[Statement, str], bytes]
    """Returns the statement as the bytes of a file, in a language."""
    is_text: bool = True
    """True where the bytes are text in UTF-8, which can be shown instead of kept in a file."""


FORMATS = {
    found.name: found
    for found in (
        Format("text", "TXT", "text/plain; charset=utf-8", "txt", to_text),
        Format("csv", "CSV", "text/csv; charset=utf-8", "csv", to_csv),
        Format("json", "JSON", "application/json", "json", to_json),
        Format(
            "xlsx",
            "Excel",
            "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
            "xlsx",
            to_xlsx,
            is_text=False,
        ),
    )
}
"""The formats by name, in the order in which they are offered."""
