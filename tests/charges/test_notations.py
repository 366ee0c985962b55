"""Amounts as accounts and forms write them: read where a column says it, else refused."""

from __future__ import annotations

import os
import re
from decimal import Decimal
from pathlib import Path

import pytest

from fenrun.base.problem import Refused
from fenrun.charges.notations import amount_of
from fenrun.charges.read import open_whole, read_staged
from fenrun.charges.staged import Staged

HEAD = (
    "BilledCost;BillingAccountId;BillingCurrency;BillingPeriodStart;ChargePeriodStart;"
    "InvoiceIssuerName\n"
)
AMOUNTS = {
    "(2.00)": "-2.00", "( 2.00 )": "-2.00", "2.00-": "-2.00", "2.00 -": "-2.00",
    "−2.00": "-2.00", "–2.00": "-2.00", "－２．００": "-2.00", "１，２３４．５０": "1,234.50",
    "¥2.00": "2.00", "￥2.00": "2.00", "¥ 2.00": "2.00", "-¥2.00": "-2.00", "¥-2.00": "-2.00",
    "¥(2.00)": "-2.00", "(¥2.00)": "-2.00", "（￥２）": "-2", "2.00元": "2.00", "CNY 2.00": "2.00",
    "2.00 CNY": "2.00", "CNY2.00": "2.00", "RMB 2.00": "2.00", "2,00 €": "2,00", "€2,00": "2,00",
    "2,00-€": "-2,00", "2,00 €-": "-2,00", "$1,234.50": "1,234.50", "US$2": "2", "HK$ 2.5": "2.5",
    "(1,234.50) USD": "-1,234.50", "1 234,50 kr": "1 234,50", "1\u2009234,50 €": "1\u2009234,50",
    "1\u202f234,50\u00a0€": "1\u202f234,50", "£.50": ".50", "+$2": "2", "₩1,200": "1,200",
    "٢٫٥٠": "2.50", "١٬٢٣٤٫٥٠": "1,234.50", "\u200e-۱۰۰": "-100",
    "१२.५०": "12.50", "‑2.00": "-2.00",
}  # fmt: skip
NO_AMOUNTS = [
    "", "-", "()", "(-2.00)", "-2.00-", "--2.00", "-(2.00)", "$2.00$", "2.00 k", "1.2万", "2.00 %",
    "2.00 *", "2.00²", "1.00 CR", "2.00 (est.)", "N/A", "2.00 USD EUR", "$", "two", "(2.00",
    "2.00)", "0x10", "2.00 Mio", "USD", "1e5 USD",
]  # fmt: skip
COLUMNS: list[tuple[list[str], str, str]] = [
    (["(2.00)", "5.00"], "USD", "3.00"),
    (["2.00-", "5.00"], "USD", "3.00"),
    (["−2.00", "-1.00", "5.00"], "USD", "2.00"),
    (["$1,234.50", "$(0.50)"], "USD", "1234.00"),
    (["$1,234.50", "$ -"], "USD", "cost-unreadable"),
    (["1.234,50 €", "-0,50 €"], "EUR", "1234.00"),
    (["1\u2009234,50 €", "0 €"], "EUR", "1234.50"),
    (["CNY 2.00", "CNY 3.00"], "CNY", "5.00"),
    (["￥2.00", "2.00元"], "CNY", "4.00"),
    (["１２．５０", "1.50"], "USD", "14.00"),
    (["$2.00", "0.00"], "USD", "2.00"),
    (["$2.00", "$2.00"], "HKD", "4.00"),
    (["1\u2009234.50", "1\u2009000"], "USD", "2234.50"),
    (["12,34,567.89", "0.11"], "USD", "1234568.00"),
    (["1,00,000", "1"], "INR", "100001.00"),
    (["1.234.567", "1"], "USD", "1234568.00"),
    (["١٬٢٣٤٫٥٠", "٠٫٥٠"], "SAR", "1235.00"),
    (["1'234.50", "0.50"], "CHF", "1235.00"),
    (["12,34,567.89", "0,11"], "USD", "decimal-marks-differ"),
    (["12,3456.00", "1.00"], "USD", "cost-unreadable"),
    (["1,23,45.00", "1.00"], "USD", "cost-unreadable"),
    (["(2.00)", "-1.00"], "USD", "notations-mixed"),
    (["2.00-", "-1.00"], "USD", "notations-mixed"),
    (["(2.00)", "2.00-"], "USD", "notations-mixed"),
    (["(2.00)", "−1.00"], "USD", "notations-mixed"),
    (["$2.00", "3.00"], "USD", "notations-mixed"),
    (["3.00", "2.00 USD"], "USD", "notations-mixed"),
    (["$2.00", "$3.00"], "EUR", "currency-contradicted"),
    (["2,00 €", "3,00 €"], "USD", "currency-contradicted"),
    (["EST 2.00", "EST 3.00"], "USD", "currency-contradicted"),
    (["$1,234", "$5,678"], "USD", "decimal-mark-unclear"),
    (["$1.234,50", "$1,234.50"], "USD", "decimal-marks-differ"),
    (["2.00 k", "3.00 k"], "USD", "cost-unreadable"),
    (["2.00 (est.)", "3.00"], "USD", "cost-unreadable"),
    (["2.00*", "3.00*"], "USD", "cost-unreadable"),
]


@pytest.mark.parametrize("text", AMOUNTS)
def test_an_amount_is_read(text: str) -> None:
    amount = amount_of(text)
    assert amount is not None and amount.plain == AMOUNTS[text]


def test_what_is_no_amount_is_none() -> None:
    assert not [text for text in NO_AMOUNTS if amount_of(text)]


def _staged(folder: Path, costs: list[str], currency: str) -> Staged:
    rows = (
        f"{cost};A1;{currency};2024-09-01;2024-09-0{n};Acme\n" for n, cost in enumerate(costs, 1)
    )
    path = folder / "a.csv"
    path.write_text(HEAD + "".join(rows), "utf-8")
    scratch = folder / "scratch"
    scratch.mkdir()
    return read_staged(*open_whole(path, scratch, int), scratch)


if "FENRUN_NIGHTLY" not in os.environ:
    COLUMNS = COLUMNS[::2]


@pytest.mark.in_turn(4)
@pytest.mark.parametrize(("costs", "currency", "outcome"), COLUMNS)
def test_a_column_says_how_it_is_written(
    costs: list[str], currency: str, outcome: str, tmp_path: Path
) -> None:
    try:
        staged = _staged(tmp_path, costs, currency)
    except Refused as refused:
        (problem,) = refused.problems
        assert problem.code == outcome and problem.place.row
        assert all(
            problem.words(part, lang) for part in ("what", "fix") for lang in ("en", "zh-CN")
        )
        return
    billed = sum(staged.numbers["BilledCost"].array.to_pylist(), Decimal(0))
    assert billed == Decimal(outcome)
    is_plain = all(re.fullmatch("[0-9.,'\u2009]+", cost) for cost in costs)
    assert [p.code for p in staged.odd if p.code == "notation-read"] == ["notation-read"][is_plain:]


def test_both_readings_are_shown(tmp_path: Path) -> None:
    with pytest.raises(Refused) as refused:
        _staged(tmp_path, ["(2.00)", "-1.00"], "USD")
    assert "(2.00) may be -2.00 or 2.00" in refused.value.problems[0].words("why")
