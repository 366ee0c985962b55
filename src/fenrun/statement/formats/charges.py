"""The charges behind a statement line, as CSV and as a workbook: each with whether it counts."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any

import xlsxwriter

from fenrun.base.words import say
from fenrun.statement.formats.cells import guarded
from fenrun.statement.sentences import day_text

MOST_ROWS = 1_000_000
"""Rows that a sheet takes, less some for its head."""
_COLUMNS = (
    *("file", "row", "day", "issuer", "account", "order", "service", "customer", "name"),
    *("amount", "share", "credited", "counts", "clause", "counts-by"),
)
_AMOUNTS = ("amount", "credited")
_WIDTHS = {"file": 28, "customer": 14, "name": 24, "amount": 18, "credited": 18, "counts-by": 40}


def charges_to_csv(said: Mapping[str, Any], names: Mapping[str, str], lang: str) -> bytes:
    """Return the charges as CSV, with a header in the language; amounts are plain decimals.

    `said` is what `line_charges` returns, `names` are those of customers. The text begins with the
    mark by which spreadsheets know UTF-8.
    """
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(_head(lang))
    for row in _rows(said, names, lang):
        writer.writerow([row[name] for name in _COLUMNS])
    return out.getvalue().encode("utf-8-sig")


def charges_to_xlsx(said: Mapping[str, Any], names: Mapping[str, str], lang: str) -> bytes:
    """Return the charges as a workbook, the head frozen and filtered; exact text beside amounts."""
    out = io.BytesIO()
    options = {"strings_to_formulas": False, "strings_to_urls": False, "constant_memory": True}
    with xlsxwriter.Workbook(out, options) as book:
        sheet, money = book.add_worksheet(), book.add_format({"num_format": "#,##0.00"})
        sheet.freeze_panes(1, 0)
        for column, name in enumerate(_COLUMNS):
            sheet.set_column(column, column, _WIDTHS.get(name, 12))
        exact = [f"{say(name, lang)} ({say('exact', lang)})" for name in _AMOUNTS]
        bold = book.add_format({"bold": True})
        sheet.write_row(0, 0, [*_head(lang), *exact], bold)
        number = 0
        for number, row in enumerate(_rows(said, names, lang), 1):
            for column, name in enumerate(_COLUMNS):
                if name in _AMOUNTS:
                    sheet.write_number(number, column, Decimal(row[name]), money)
                elif name == "row":
                    sheet.write_number(number, column, int(row[name]))
                else:
                    sheet.write_string(number, column, row[name])
            for further, name in enumerate(_AMOUNTS, len(_COLUMNS)):
                sheet.write_string(number, further, row[name])
        sheet.autofilter(0, 0, number, len(_COLUMNS) + len(_AMOUNTS) - 1)
    return out.getvalue()


def _head(lang: str) -> list[str]:
    return [say(name, lang) for name in _COLUMNS]


def _rows(said: Mapping[str, Any], names: Mapping[str, str], lang: str) -> Iterator[dict[str, str]]:
    titles = {one["rule"]: one["title"] for one in said["sums"]}
    for row in said["rows"]:
        texts = {
            "file": row["file"],
            "day": day_text(row),
            "issuer": row["issuer"],
            "account": row["account"],
            "order": row["order_id"],
            "service": row["service"],
            "customer": row["customer"],
            "name": names.get(row["customer"]),
            "clause": row["clause"],
            "counts-by": counts_by(row, titles, lang),
        }
        yield {name: guarded(text or "") for name, text in texts.items()} | {
            "row": str(row["row_no"]),
            "amount": row["amount"],
            "share": row["share"],
            "credited": row["credited"],
            "counts": say("counts-yes" if row["counts"] else "counts-no", lang),
        }


def counts_by(row: Mapping[str, Any], titles: Mapping[str, Any], lang: str) -> str:
    """Return which clause says that a charge does not count; nothing where it does."""
    if row["counts"]:
        return ""
    title = titles.get(row["rule"])
    return str(title[lang]) if title else say("counts-outside", lang)
