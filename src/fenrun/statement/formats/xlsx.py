"""A statement as a workbook for Excel. Text from outside can never become a formula."""

from __future__ import annotations

import io
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import xlsxwriter

from fenrun.base.when import show_moment
from fenrun.base.words import say
from fenrun.statement.formats.cells import because, guarded, outcome
from fenrun.statement.payment_tables import Table, payment_tables
from fenrun.statement.rows import Statement

_LINE_COLUMNS = ("component", "period", "measured", "outcome", "earned", "clause")
_LINE_WIDTHS = (34, 10, 18, 44, 18, 44)
_DIFFERENCE_COLUMNS = ("difference", "period", "before", "cause", "difference")
_CUSTOMER_COLUMNS = ("role", "customer", "credited", "charges")
_MONEY = "#,##0.00"
_LINES_FROM = 5
"""The row, counted from 0, in which the head of the lines stands."""


def to_xlsx(statement: Statement, lang: str) -> bytes:
    """Return the statement as a workbook: sheets of lines, customers and how it is paid.

    So currency by currency: the names of further sheets end with theirs.
    """
    out = io.BytesIO()
    options = {"strings_to_formulas": False, "strings_to_urls": False, "in_memory": True}
    with xlsxwriter.Workbook(out, options) as book:
        looks = _Looks.of(book)
        for section in statement.sections:
            name = f" {section.currency}" if statement.others else ""
            _write_section(book, section, name, lang, looks)
    return out.getvalue()


def _write_section(
    book: xlsxwriter.Workbook, statement: Statement, name: str, lang: str, looks: _Looks
) -> None:
    """Write a statement's sheets of one currency; each ends with a `name`."""
    lines = book.add_worksheet(say("statement", lang) + name)
    _write_facts(lines, statement, lang, looks)
    end = _write_lines(lines, statement, lang, looks)
    if statement.differences:
        _write_differences(lines, end + 2, statement, lang, looks)
    for column, width in enumerate(_LINE_WIDTHS):
        lines.set_column(column, column, width)
    _write_customers(book.add_worksheet(say("customer", lang) + name), statement, lang, looks)
    for title, tables in payment_tables(statement.as_json(), statement.titles, lang).items():
        _write_tables(book.add_worksheet(say(title, lang) + name), tables, lang, looks)


@dataclass(frozen=True)
class _Looks:
    """The formats of cells."""

    title: Any
    head: Any
    money: Any
    total: Any

    @classmethod
    def of(cls, book: xlsxwriter.Workbook) -> _Looks:
        return cls(
            title=book.add_format({"bold": True, "font_size": 14}),
            head=book.add_format({"bold": True, "bottom": 1, "text_wrap": True}),
            money=book.add_format({"num_format": _MONEY}),
            total=book.add_format({"num_format": _MONEY, "bold": True, "top": 1}),
        )


def _write_head(sheet: Any, row: int, keys: tuple[str, ...], lang: str, looks: _Looks) -> None:
    for column, key in enumerate(keys):
        sheet.write_string(row, column, say(key, lang), looks.head)


def _write_facts(sheet: Any, statement: Statement, lang: str, looks: _Looks) -> None:
    """Write which statement it is."""
    sheet.write_string(0, 0, f"{say('statement', lang)} {statement.period.key}", looks.title)
    facts = {
        "payee": guarded(f"{statement.name} ({statement.payee})"),
        "currency": statement.currency,
        "known": show_moment(statement.as_of.known),
    }
    if statement.closed_at:
        facts["closed-at"] = show_moment(statement.closed_at)
    for row, (key, value) in enumerate(facts.items(), 1):
        sheet.write_string(row, 0, say(key, lang))
        sheet.write_string(row, 1, value)


def _write_lines(sheet: Any, statement: Statement, lang: str, looks: _Looks) -> int:
    """Write the lines and their total. Returns the row of the total."""
    _write_head(sheet, _LINES_FROM, _LINE_COLUMNS, lang, looks)
    row = _LINES_FROM + 1
    for line in statement.lines:
        sheet.write_string(row, 0, guarded(line.title[lang]))
        sheet.write_string(row, 1, guarded(line.period))
        sheet.write_number(row, 2, line.measured, looks.money)
        sheet.write_string(row, 3, guarded(outcome(line, lang)))
        sheet.write_number(row, 4, line.earned, looks.money)
        sheet.write_string(row, 5, guarded(line.line_id))
        row += 1
    sheet.write_string(row, 3, say("total", lang), looks.head)
    sheet.write_number(row, 4, statement.earned, looks.total)
    return row


def _write_differences(
    sheet: Any, top: int, statement: Statement, lang: str, looks: _Looks
) -> None:
    """Write what is paid, or taken back, for closed periods, and what is paid in all."""
    _write_head(sheet, top, _DIFFERENCE_COLUMNS, lang, looks)
    row = top + 1
    for difference in statement.paid_differences:
        sheet.write_string(row, 0, guarded(difference.plan_id))
        sheet.write_string(row, 1, difference.period)
        sheet.write_number(row, 2, difference.before, looks.money)
        sheet.write_string(row, 3, guarded(because(difference, lang)))
        sheet.write_number(row, 4, difference.amount, looks.money)
        row += 1
    sheet.write_string(row, 3, say("payable", lang), looks.head)
    sheet.write_number(row, 4, statement.payable, looks.total)


def _write_customers(sheet: Any, statement: Statement, lang: str, looks: _Looks) -> None:
    _write_head(sheet, 0, _CUSTOMER_COLUMNS, lang, looks)
    for row, customer in enumerate(statement.customers, 1):
        sheet.write_string(row, 0, guarded(customer["role"]))
        sheet.write_string(row, 1, guarded(customer["customer"] or "-"))
        sheet.write_number(row, 2, Decimal(customer["credited"]), looks.money)
        sheet.write_number(row, 3, customer["charges"])
    sheet.set_column(0, 3, 22)


def _write_tables(sheet: Any, tables: list[Table], lang: str, looks: _Looks) -> None:
    """Write tables one below the other."""
    top = 0
    for table in tables:
        _write_head(sheet, top, (*table.texts, *table.amounts), lang, looks)
        for row, (texts, amounts) in enumerate(table.rows, top + 1):
            for column, text in enumerate(texts):
                sheet.write_string(row, column, guarded(text))
            for column, amount in enumerate(amounts, len(texts)):
                sheet.write_number(row, column, amount, looks.money)
        top += len(table.rows) + 2
    sheet.set_column(0, max(len(table.texts) + len(table.amounts) for table in tables) - 1, 22)
