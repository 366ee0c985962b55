"""Statements as files for people: CSV and XLSX. Text from outside can never become a formula."""

from __future__ import annotations

import csv
import io
from decimal import Decimal
from pathlib import Path
from typing import BinaryIO

import xlsxwriter

from fenrun.base.money import plain, show
from fenrun.base.when import show_moment
from fenrun.base.words import say
from fenrun.statement.explain import why
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
_RISKY = ("=", "+", "-", "@", "\t", "\r", "\n")


def guarded(text: str) -> str:
    """Text that a spreadsheet takes as text: what could start a formula gets an apostrophe before it."""
    return f"'{text}" if text.startswith(_RISKY) else text


def outcome(line: Line, lang: str) -> str:
    """Why the line is what it is, in a few words."""
    return why(
        line.reason,
        lang,
        line.band,
        show(line.cap) if line.cap is not None else "",
        line.who,
        line.detail,
    )


def because(difference: Difference, lang: str) -> str:
    """Why a closed period pays otherwise: the cause, the file that brought it, and since when it was known."""
    return f"{say(f'cause-{difference.cause}', lang)}: {difference.source} ({show_moment(difference.known)[:10]})"


def to_csv(statement: Statement, lang: str) -> str:
    """The statement's lines as CSV text with a header in the language, then what is paid for closed periods; amounts are plain decimals."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow([say(c, lang) for c in COLUMNS])
    for x in statement.lines:
        texts = [statement.payee, x.role, x.title[lang], x.period]
        writer.writerow(
            [
                *map(guarded, texts),
                plain(x.measured),
                guarded(outcome(x, lang)),
                plain(x.earned),
                statement.currency,
                guarded(x.line_id),
            ]
        )
    for d in (d for d in statement.differences if d.what == "paid"):
        texts = [statement.payee, "", say("difference", lang), d.period]
        writer.writerow(
            [
                *map(guarded, texts),
                "",
                guarded(because(d, lang)),
                plain(d.amount),
                d.currency,
                guarded(d.plan_id),
            ]
        )
    return out.getvalue()


def to_xlsx(statement: Statement, out: Path | BinaryIO, lang: str) -> None:
    """The statement as a workbook: a sheet of lines with their total, and a sheet of customers."""
    book = xlsxwriter.Workbook(
        str(out) if isinstance(out, Path) else out,
        {"strings_to_formulas": False, "strings_to_urls": False, "in_memory": True},
    )
    head = book.add_format({"bold": True, "bottom": 1, "text_wrap": True})
    money, big = (
        book.add_format({"num_format": "#,##0.00"}),
        book.add_format({"bold": True, "font_size": 14}),
    )
    total = book.add_format({"num_format": "#,##0.00", "bold": True, "top": 1})
    sheet = book.add_worksheet(say("statement", lang))
    sheet.write_string(0, 0, f"{say('statement', lang)} {statement.period.key}", big)
    facts = [
        ("payee", guarded(f"{statement.name} ({statement.payee})")),
        ("currency", statement.currency),
        ("known", show_moment(statement.as_of.known)),
    ]
    for row, (key, value) in enumerate(facts, 1):
        sheet.write_string(row, 0, say(key, lang))
        sheet.write_string(row, 1, value)
    top = 5
    columns = ("component", "period", "measured", "outcome", "earned", "clause")
    for column, key in enumerate(columns):
        sheet.write_string(top, column, say(key, lang), head)
    for row, x in enumerate(statement.lines, top + 1):
        for column, text in (
            (0, x.title[lang]),
            (1, x.period),
            (3, outcome(x, lang)),
            (5, x.line_id),
        ):
            sheet.write_string(row, column, guarded(text))
        sheet.write_number(row, 2, x.measured, money)
        sheet.write_number(row, 4, x.earned, money)
    end = top + 1 + len(statement.lines)
    sheet.write_string(end, 3, say("total", lang), head)
    sheet.write_number(end, 4, statement.earned, total)
    if statement.differences:
        _differences(sheet, end + 2, statement, lang, head, money, total)
    for column, width in enumerate((34, 10, 18, 44, 18, 44)):
        sheet.set_column(column, column, width)
    _customers(book.add_worksheet(say("customer", lang)), statement, lang, head, money)
    book.close()


def _differences(
    sheet: xlsxwriter.worksheet.Worksheet,
    top: int,
    statement: Statement,
    lang: str,
    head: object,
    money: object,
    total: object,
) -> None:
    """What is paid, or taken back, for closed periods, and what is paid in all."""
    for column, key in enumerate(("difference", "period", "before", "cause", "difference")):
        sheet.write_string(top, column, say(key, lang), head)
    paid = [d for d in statement.differences if d.what == "paid"]
    for row, d in enumerate(paid, top + 1):
        sheet.write_string(row, 0, guarded(d.plan_id))
        sheet.write_string(row, 1, d.period)
        sheet.write_number(row, 2, d.before, money)
        sheet.write_string(row, 3, guarded(because(d, lang)))
        sheet.write_number(row, 4, d.amount, money)
    sheet.write_string(top + 1 + len(paid), 3, say("payable", lang), head)
    sheet.write_number(top + 1 + len(paid), 4, statement.payable, total)


def _customers(
    sheet: xlsxwriter.worksheet.Worksheet,
    statement: Statement,
    lang: str,
    head: object,
    money: object,
) -> None:
    for column, key in enumerate(("role", "customer", "credited", "charges")):
        sheet.write_string(0, column, say(key, lang), head)
    for row, c in enumerate(statement.customers, 1):
        sheet.write_string(row, 0, guarded(c["role"]))
        sheet.write_string(row, 1, guarded(c["customer"] or "-"))
        sheet.write_number(row, 2, Decimal(c["credited"]), money)
        sheet.write_number(row, 3, c["charges"])
    sheet.set_column(0, 3, 22)
