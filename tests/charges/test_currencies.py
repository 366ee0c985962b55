"""Currencies and ids as files write them: read as they are meant, or said to be none."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from fenrun.settle.imports import import_file
from fenrun.store.facts import Store
from tests.errors.gallery import ROW

MEANT = ["USD", "usd", "Usd", " USD", "USD ", "\tUSD", "USD\u00a0", "USD\u200b", "ＵＳＤ", "ｕｓｄ"]
NONE = ["US$", "$", "¥", "元", "RMB", "CNH", "NTD", "840", "USD/EUR", "US D"]
OTHERS = ["EUR", "JPY", "XDR"]


def test_every_way_to_write_a_currency(tmp_path: Path) -> None:
    rows = [ROW | {"BillingCurrency": text} for text in (*MEANT, *NONE, *OTHERS)]
    lines = [",".join(ROW), *(",".join(row.values()) for row in rows)]
    (tmp_path / "c.csv").write_text("\n".join(lines) + "\n", "utf-8")
    done = import_file(Store(tmp_path / "ws"), tmp_path / "c.csv", datetime(2024, 12, 1))
    assert done.facts["billed"] == {"USD": f"{len(MEANT)}.00"} | dict.fromkeys(
        sorted([*NONE, *OTHERS]), "1.00"
    )
    said = {p.code: p.rows for p in done.problems if p.place.column == "BillingCurrency"}
    assert said == {"id-tidied": len(MEANT) - 1, "currency-unknown": len(NONE)}


def test_ids_that_a_spreadsheet_has_shortened(tmp_path: Path) -> None:
    shortened = ["1.23457E+11", "1E+15", "9.8e+12"]
    whole = ["123456789012", "1E5", "E+11", "12.5E+11", "a1.2E+11", "1.2E-11"]
    rows = [ROW | {"BillingAccountId": text} for text in (*shortened, *whole)]
    lines = [",".join(ROW), *(",".join(row.values()) for row in rows)]
    (tmp_path / "c.csv").write_text("\n".join(lines) + "\n", "utf-8")
    done = import_file(Store(tmp_path / "ws"), tmp_path / "c.csv", datetime(2024, 12, 1))
    assert [p.rows for p in done.problems if p.code == "id-shortened"] == [len(shortened)]
