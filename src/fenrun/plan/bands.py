"""Bands: which sizes they hold, and what they pay, as plans write them.

    from 1,000 below 3,000 pays 45 %        above 20 % and up to 50 % pays 500
    pays 10 %                               from 5 pays 250 each
    at 80 % pays 2 %                        (a point of an interpolated table)

A bound after `from` or `up to` belongs to the band, one after `above` or `below` does not.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal

from fenrun.base.money import is_rate, parse_amount_or_rate, show, show_rate
from fenrun.base.words import Unreadable, say

VALUE = r"[^\s%％]+(?:\s*[%％])?"
"""The pattern of an amount or a rate: what stands between two words, with its percent sign."""
BOUNDS = (
    rf"(?:(?P<low>from|above)\s+(?P<lower>{VALUE}))?\s*"
    rf"(?:(?:and\s+)?(?P<high>below|up to)\s+(?P<upper>{VALUE}))?"
)
"""The pattern of two bounds, either of which may be left out."""
_BAND = re.compile(rf"{BOUNDS}\s*pays\s+(?P<pays>{VALUE})(?P<each>\s+each)?")
_POINT = re.compile(rf"at\s+(?P<at>{VALUE})\s*pays\s+(?P<pays>{VALUE})")


@dataclass(frozen=True)
class Bounds:
    """The sizes from `lower` to `upper`; None: no bound."""

    lower: Decimal | None
    lower_in: bool
    """Whether the bound itself belongs to it."""
    upper: Decimal | None
    upper_in: bool
    ratio: bool | None
    """Whether the bounds are percentages; None where there is no bound."""


@dataclass(frozen=True)
class BandText(Bounds):
    """One band, or one point of an interpolated table, read from its words."""

    rate: Decimal | None
    """The rate that it pays; where customers are counted, the amount for each of them."""
    flat: Decimal | None
    """The amount that it pays, however much is reached."""
    point: bool
    words: str


def one_space(text: str) -> str:
    """Return the text with one space between words."""
    return " ".join(text.split())


def read_bounds(found: re.Match[str], words: str) -> Bounds:
    """Return what a match of BOUNDS says. Raises Unreadable where it mixes two units."""
    lower, upper = found["lower"], found["upper"]
    units = {is_rate(bound) for bound in (lower, upper) if bound}
    if len(units) > 1:
        raise Unreadable("bounds-mixed", text=words)
    return Bounds(
        lower=parse_amount_or_rate(lower) if lower else None,
        lower_in=found["low"] == "from",
        upper=parse_amount_or_rate(upper) if upper else None,
        upper_in=found["high"] == "up to",
        ratio=units.pop() if units else None,
    )


def read_band(text: str) -> BandText:
    """Read a band or a point. Raises Unreadable."""
    words = one_space(text)
    point = _POINT.fullmatch(words)
    if point:
        return _read_point(point, words)
    found = _BAND.fullmatch(words)
    if not found:
        raise Unreadable("not-a-band", text=words)
    bounds = read_bounds(found, words)
    if _is_empty(bounds):
        raise Unreadable("band-empty", text=words)
    pays = parse_amount_or_rate(found["pays"])
    if found["each"] and is_rate(found["pays"]):
        raise Unreadable("band-rate-each", text=words)
    flat = not is_rate(found["pays"]) and not found["each"]
    return BandText(
        **vars(bounds),
        rate=None if flat else pays,
        flat=pays if flat else None,
        point=False,
        words=words,
    )


def _read_point(found: re.Match[str], words: str) -> BandText:
    if not is_rate(found["pays"]):
        raise Unreadable("point-pays-amount", text=words)
    return BandText(
        lower=parse_amount_or_rate(found["at"]),
        lower_in=True,
        upper=None,
        upper_in=False,
        ratio=is_rate(found["at"]),
        rate=parse_amount_or_rate(found["pays"]),
        flat=None,
        point=True,
        words=words,
    )


def _is_empty(bounds: Bounds) -> bool:
    """Return whether no size lies within the bounds."""
    if bounds.lower is None or bounds.upper is None:
        return False
    if bounds.lower == bounds.upper:
        return not (bounds.lower_in and bounds.upper_in)
    return bounds.lower > bounds.upper


def band_words(words: str, lang: str) -> str:
    """Return a band's words, or several joined by `; `, in a language.

    English is what the plan writes, so it is returned as it is; so is what is no band.
    """
    if lang == "en":
        return words
    return say("bands-joint", lang).join(_said(band, lang) for band in words.split("; "))


def _said(words: str, lang: str) -> str:
    point = _POINT.fullmatch(one_space(words))
    if point:
        pays = say("band-pays-rate", lang, pays=point["pays"])
        return say("band-at", lang, at=point["at"], pays=pays)
    found = _BAND.fullmatch(one_space(words))
    if not found:
        return words
    if found["each"]:
        key = "band-pays-each"
    elif is_rate(found["pays"]):
        key = "band-pays-rate"
    else:
        key = "band-pays-amount"
    pays = say(key, lang, pays=found["pays"])
    bounds = _bounds_words(found, lang) or say("band-always", lang)
    return say("band-says", lang, bounds=bounds, pays=pays)


def _bounds_words(found: re.Match[str], lang: str) -> str:
    """Return what a match of BOUNDS says in a language; empty where there is no bound."""
    ends = [(found["low"], found["lower"]), (found["high"], found["upper"])]
    said = [say(f"bound-{end.replace(' ', '-')}", lang, bound=at) for end, at in ends if end]
    return say("bounds-joint", lang).join(said)


def limit_words(bounds: Bounds, lang: str) -> str:
    """Return bounds as a sentence says them: `at least 1,000 and below 3,000`; empty if none."""
    ends = [
        (">=" if bounds.lower_in else ">", bounds.lower),
        ("<=" if bounds.upper_in else "<", bounds.upper),
    ]
    said = [
        say(f"limit-{sign}", lang, bound=show_rate(end) if bounds.ratio else show(end, 0))
        for sign, end in ends
        if end is not None
    ]
    return say("limits-joint", lang).join(said)
