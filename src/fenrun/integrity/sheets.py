"""Findings as CSV and as a workbook. Text from outside can never become a formula."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from typing import Any

import xlsxwriter

from fenrun.integrity.findings import Findings
from fenrun.integrity.written import findings_as_json
from fenrun.statement.formats.cells import guarded

_EVIDENCE = ("case", "what", "table", "key")
_PAYS = ("case", "payee", "clause", "currency", "earned", "without")
Table = tuple[Sequence[str], Sequence[Sequence[str]]]


def findings_as_csv(found: Findings, lang: str) -> bytes:
    """Return the cases, a row each, with the columns of the JSON.

    The text begins with the mark by which spreadsheets know UTF-8.
    """
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    head, rows = _tables(found, lang)["cases"]
    writer.writerow(head)
    writer.writerows([guarded(cell) for cell in row] for row in rows)
    return out.getvalue().encode("utf-8-sig")


def findings_as_xlsx(found: Findings, lang: str) -> bytes:
    """Return a workbook with the cases, their evidence, and what each check did."""
    out = io.BytesIO()
    options = {"strings_to_formulas": False, "strings_to_urls": False, "in_memory": True}
    with xlsxwriter.Workbook(out, options) as book:
        bold = book.add_format({"bold": True})
        for name, (head, rows) in _tables(found, lang).items():
            sheet = book.add_worksheet(name)
            sheet.freeze_panes(1, 0)
            sheet.set_column(0, len(head) - 1, 18)
            for at, title in enumerate(head):
                sheet.write_string(0, at, title, bold)
            for number, row in enumerate(rows, 1):
                for at, cell in enumerate(row):
                    sheet.write_string(number, at, cell)
    return out.getvalue()


def _tables(found: Findings, lang: str) -> dict[str, Table]:
    said = findings_as_json(found, lang)
    evidence = [
        {"case": case["id"], **row} for case in said["cases"] for row in case.pop("evidence")
    ]
    pays = [{"case": case["id"], **row} for case in said["cases"] for row in case.pop("pays")]
    return {
        "cases": _table(said["cases"]),
        "evidence": (_EVIDENCE, [[row[name] for name in _EVIDENCE] for row in evidence]),
        "pays": (_PAYS, [[row[name] for name in _PAYS] for row in pays]),
        "checks": _table(said["checks"]),
    }


def _table(rows: Iterable[dict[str, Any]]) -> Table:
    rows = list(rows)
    head = list(rows[0]) if rows else ["id"]
    return head, [[_text(row[name]) for name in head] for row in rows]


def _text(value: Any) -> str:
    if isinstance(value, list):
        return "; ".join(map(str, value))
    return "" if value is None else str(value)
