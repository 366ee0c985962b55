"""A statement as CSV for spreadsheets. Text from outside can never become a formula."""

from __future__ import annotations

import csv
import io

from fenrun.base.money import plain
from fenrun.base.words import say
from fenrun.statement.formats.cells import because, guarded, outcome
from fenrun.statement.rows import Line, Statement
from fenrun.statement.run import Difference

COLUMNS = (
    "payee",
    "role",
    "component",
    "period",
    "measured",
    "outcome",
    "earned",
    "currency",
    "clause",
)
"""The columns, as keys of the words in the header."""


def to_csv(statement: Statement, lang: str) -> bytes:
    """Return the lines, then what is paid for closed periods, with a header in the language.

    So currency by currency, which each row names.

    Amounts are plain decimals. The text begins with the mark by which spreadsheets know UTF-8.
    """
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow([say(column, lang) for column in COLUMNS])
    for section in statement.sections:
        for line in section.lines:
            writer.writerow(_line_cells(section, line, lang))
        for difference in section.paid_differences:
            writer.writerow(_difference_cells(section, difference, lang))
    return out.getvalue().encode("utf-8-sig")


def _line_cells(statement: Statement, line: Line, lang: str) -> list[str]:
    return [
        guarded(statement.payee),
        guarded(line.role),
        guarded(line.title[lang]),
        guarded(line.period),
        plain(line.measured),
        guarded(outcome(line, lang)),
        plain(line.earned),
        statement.currency,
        guarded(line.line_id),
    ]


def _difference_cells(statement: Statement, difference: Difference, lang: str) -> list[str]:
    return [
        guarded(statement.payee),
        "",
        guarded(say("difference", lang)),
        guarded(difference.period),
        "",
        guarded(because(difference, lang)),
        plain(difference.amount),
        difference.currency,
        guarded(difference.plan_id),
    ]
