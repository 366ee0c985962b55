"""Amounts as accounts and forms write them: `(2.00)`, `2.00-`, `$2.00`, `2,00 €`, `٢٫٥٠`.

A column is read so where all of it is written in one way; two ways to write what is less than
nothing, or amounts with and without a currency, are refused with both readings. A currency must be
that of the row. Words beside a number are never passed over: `2.00 k` is no two.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from fenrun.base.problem import Place, Problem, Refused
from fenrun.charges.written_numbers import GROUPS

_ZEROS = "０٠۰०০੦૦௦౦೦๐០၀"
"""The zero of each script whose digits are read; its others follow it."""
_UNSEEN = "\u200b\u200e\u200f\u061c\u2060\u2066\u2067\u2068\u2069\ufeff"
"""What exports put around numbers among texts that are written from right to left."""
_ASCII = str.maketrans("．，＋－（）￥＄−–‒﹣‐‑٫٬", ".,+-()¥$------.,", _UNSEEN) | {
    ord(zero) + n: str(n) for zero in _ZEROS for n in range(10)
}
"""Forms of characters that mean no other thing than those of ASCII."""
_DOLLARS = "USD CAD AUD NZD HKD SGD TWD MXN ARS CLP COP BRL"
_SIGNS = {
    "US$": "USD",
    "HK$": "HKD",
    "NT$": "TWD",
    "NZ$": "NZD",
    "C$": "CAD",
    "A$": "AUD",
    "S$": "SGD",
    "R$": "BRL",
    "RMB": "CNY",
    "kr": "SEK NOK DKK ISK",
    "zł": "PLN",
    "$": _DOLLARS,
    "¥": "CNY JPY",
    "元": "CNY TWD HKD",
    "円": "JPY",
    "원": "KRW",
    "€": "EUR",
    "£": "GBP EGP",
    "₩": "KRW",
    "₹": "INR",
    "₽": "RUB",
    "₺": "TRY",
    "₫": "VND",
    "฿": "THB",
    "₱": "PHP",
    "₪": "ILS",
    "₴": "UAH",
}
"""The currencies that a sign stands for."""
_SIGN = "|".join([*map(re.escape, sorted(_SIGNS, key=len, reverse=True)), "[A-Z]{3}"])
_BLANK = f"[{GROUPS.replace(chr(39), '').replace('’', '')}]*"
_NUMBER = rf"[0-9][0-9.,{GROUPS}]*[0-9.,]|[0-9]|[.,][0-9]+"
_AMOUNT = re.compile(
    rf"(?P<sign>[+-])?{_BLANK}(?P<before>{_SIGN})?{_BLANK}(?P<inner>[+-])?{_BLANK}"
    rf"(?P<number>{_NUMBER}){_BLANK}(?P<after>-)?{_BLANK}(?P<behind>{_SIGN})?(?P<last>-)?"
)
_BRACKETS = re.compile(
    rf"(?P<before>{_SIGN})?{_BLANK}\((?P<amount>.*)\){_BLANK}(?P<behind>{_SIGN})?"
)
PLAIN = rf"\s*[+-]?[0-9.,{GROUPS}]*[0-9][0-9.,{GROUPS}]*([eE][+-]?[0-9]{{1,3}})?\s*"
"""The pattern of numbers that are written in no such way."""


class Amount(NamedTuple):
    """A text that is an amount."""

    plain: str
    """The number with a minus before it, if it is less than nothing."""
    less: str
    """How that is written: `brackets`, `minus` or `behind`; empty for others."""
    sign: str
    """The currency beside it; empty where there is none."""


@dataclass(frozen=True)
class Written:
    """A text of a column of numbers. Grain: a text and a currency."""

    text: str
    currency: str
    """That of the row; empty where it has none."""
    row: int
    """The first row with it, as a spreadsheet counts."""


def amount_of(text: str) -> Amount | None:
    """Return a text as an amount; None where it is none."""
    bare = text.translate(_ASCII).strip()
    brackets = _BRACKETS.fullmatch(bare)
    if brackets:
        bare = "".join((brackets[name] or "").strip() for name in ("before", "amount", "behind"))
    match = _AMOUNT.fullmatch(bare)
    if match is None or (match["before"] and match["behind"]):
        return None
    signs = [match[name] for name in ("sign", "inner", "after", "last") if match[name]]
    if len(signs) + bool(brackets) > 1:
        return None
    less = "brackets" if brackets else "behind" if match["after"] or match["last"] else ""
    less = less or ("minus" if "-" in signs else "")
    number = match["number"]
    return Amount(f"-{number}" if less else number, less, match["before"] or match["behind"] or "")


def read_amounts(
    column: str, odd: Sequence[Written], usual: Iterable[Written], file: str
) -> tuple[dict[str, str], Problem] | None:
    """Return the plain text of each odd text of a column, and the note that says so.

    `usual` are texts that are plain numbers: one above nothing and one below, if there are any.
    None where a text is no amount. Raises Refused where the column is not written in one way.
    """
    found: dict[str, Amount] = {}
    for one in odd:
        amount = amount_of(one.text)
        if amount is None:
            return None
        found[one.text] = amount
    _refuse_other_currencies(column, odd, found, file)
    plain = [(one, Amount(one.text, "minus" if "-" in one.text else "", "")) for one in usual]
    every = sorted([*((one, found[one.text]) for one in odd), *plain], key=lambda pair: pair[0].row)
    _refuse_two_ways(column, every, file)
    first = min(odd, key=lambda one: one.row)
    values = {"column": column, "value": first.text, "read": found[first.text].plain}
    said = Problem("notation-read", Place(file, first.row, column), values)
    return {text: amount.plain for text, amount in found.items()}, said


def _refuse_other_currencies(
    column: str, odd: Sequence[Written], found: dict[str, Amount], file: str
) -> None:
    for one in sorted(odd, key=lambda one: one.row):
        sign = found[one.text].sign
        known = _SIGNS.get(sign, sign).split()
        if sign and one.currency and one.currency.upper() not in known:
            values = {"column": column, "value": one.text, "currency": one.currency}
            raise Refused([Problem("currency-contradicted", Place(file, one.row, column), values)])


def _refuse_two_ways(column: str, every: Sequence[tuple[Written, Amount]], file: str) -> None:
    """Refuse a column in which two texts are not written in one way. Raises Refused."""
    less = {amount.less: one for one, amount in reversed(every) if amount.less}
    if len(less) > 1:
        odd = next(way for way in ("brackets", "behind") if way in less)
        other = next(one for way, one in less.items() if way != odd)
        number = next(a.plain for one, a in every if one == less[odd])
        raise _mixed(column, less[odd], other, [number, number.lstrip("-")], file)
    bare = [one for one, amount in every if not amount.sign and re.search("[1-9]", amount.plain)]
    signed = [(one, amount) for one, amount in every if amount.sign]
    if bare and signed:
        one, amount = signed[0]
        text = bare[0].text.strip()
        readings = [f"{text} {amount.sign}", f"{text} {bare[0].currency or '?'}"]
        readings = readings if len(set(readings)) > 1 else [readings[0], f"{text} ?"]
        raise _mixed(column, bare[0], one, readings, file)


def _mixed(
    column: str, one: Written, other: Written, readings: Sequence[str], file: str
) -> Refused:
    values = {"column": column, "value": one.text, "other": other.text}
    values |= {"reading": readings[0], "other_reading": readings[1]}
    return Refused([Problem("notations-mixed", Place(file, one.row, column), values)])
