"""Ids and currencies of a charge file as they are meant: what nobody sees is left out, and said."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from fenrun.base.likeness import PLAIN, SHORTENED, is_no_name, revealed, tidy
from fenrun.base.problem import Place, Problem
from fenrun.charges.coded import Coded, replaced
from fenrun.charges.overlaps import billed_in
from fenrun.charges.rows import ORDER, VALUES
from fenrun.charges.staged import FIRST_ROW, Charges, Staged

IDS = ("InvoiceIssuerName", "BillingAccountId", "SubAccountId", "ResourceId", ORDER)
"""The columns by which the book names what is charged."""
_CURRENCY, _CODE = "BillingCurrency", r"\A[A-Z]{3}\z"


def with_tidy_ids(staged: Staged) -> Staged:
    """Return a file with its ids as they are meant; what was taken out is among its problems.

    Words for no value (`None`, `#N/A`) are none. Blanks around an id and unseen characters are left
    out, and accents are those of one character; a currency of three letters is in capitals, of one
    width. An id of which nothing is left is none. The archive of the import keeps the bytes as they
    came.
    """
    texts, problems = dict(staged.texts), list(staged.odd)
    for name in (name for name in (*IDS, _CURRENCY) if name in texts):
        texts[name], said = _without_no_names(staged, name)
        problems += said
    staged = replace(staged, texts=dict(texts), odd=problems)
    for name in (name for name in (*IDS, _CURRENCY, *VALUES) if name in texts):
        texts[name], said = _tidied(staged, name)
        problems += said
    return replace(staged, texts=texts, odd=problems)


def shortened_ids(charges: Charges) -> dict[str, Any]:
    """Return the charges whose account is one of which a spreadsheet kept the first digits alone.

    Nothing where there are none.
    """
    for name in ("BillingAccountId", "SubAccountId"):
        column = charges.columns.get(name)
        if not isinstance(column, Coded):
            continue
        found = pc.match_substring_regex(column.values, SHORTENED)
        rows = np.flatnonzero(np.isin(column.codes, np.flatnonzero(found)))
        if len(rows):
            first = column.values[int(column.codes[rows[0]])].as_py()
            said = {"rows": len(rows), "row": int(charges.row_no[rows[0]]), "column": name}
            return said | {"value": first, "billed": billed_in(charges, rows)}
    return {}


def _without_no_names(staged: Staged, name: str) -> tuple[Coded, list[Problem]]:
    """Return a column without the words that programs write where there is no value."""
    column = staged.texts[name]
    texts = column.values.to_pylist()
    odd = [place for place, text in enumerate(texts) if is_no_name(text)]
    rows = np.isin(column.codes, odd)
    if not rows.any():
        return column, []
    kept = np.setdiff1d(np.arange(len(texts)), odd)
    by = np.full(len(texts), -1, np.int32)
    by[kept] = np.arange(len(kept), dtype=np.int32)
    row = int(rows.argmax())
    values = {"column": name, "value": texts[int(column.codes[row])]}
    place = Place(staged.source.path.name, row + FIRST_ROW, name)
    said = Problem("no-name", place, values, rows=int(np.count_nonzero(rows)))
    return Coded(replaced(column.codes, by), column.values.take(pa.array(kept))), [said]


def _tidied(staged: Staged, name: str) -> tuple[Coded, list[Problem]]:
    column = staged.texts[name]
    plain, read = (_CODE, _currency) if name == _CURRENCY else (PLAIN, tidy)
    is_plain = pc.match_substring_regex(column.values, plain).to_numpy(zero_copy_only=False)
    odd = np.flatnonzero(~is_plain.astype(np.bool_))
    meant = {int(place): read(column.values[int(place)].as_py()) for place in odd}
    meant = {place: text for place, text in meant.items() if text != column.values[place].as_py()}
    if not meant:
        return column, []
    values = column.values.to_pylist()
    for place, text in meant.items():
        values[place] = text
    unique = list(dict.fromkeys(text for text in values if text))
    places = {text: number for number, text in enumerate(unique)}
    by = np.array([places.get(text, -1) for text in values], np.int32)
    found = Coded(replaced(column.codes, by), pa.array(unique, pa.string()))
    return found, [_said(staged, name, meant)]


def _currency(text: str) -> str:
    """Return a currency as it is meant: ` usd` and `ＵＳＤ` are USD."""
    found = tidy(unicodedata.normalize("NFKC", text))
    return found.upper() if re.fullmatch("[A-Za-z]{3}", found) else tidy(text)


def _said(staged: Staged, name: str, meant: dict[int, str]) -> Problem:
    """Return what was taken out of a column, told by the first row that shows it."""
    column = staged.texts[name]
    rows = np.isin(column.codes, list(meant))
    first = int(rows.argmax())
    place = Place(staged.source.path.name, first + FIRST_ROW, name)
    was = column.values[int(column.codes[first])].as_py()
    said = {"column": name, "was": revealed(was), "now": meant[int(column.codes[first])]}
    return Problem("id-tidied", place, said, rows=int(np.count_nonzero(rows)))
