"""Floors and grants as they are written: a part of another cost, or a price of one unit."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from fenrun.base.money import is_rate, parse_amount, parse_rate
from fenrun.base.when import parse_day
from fenrun.base.words import Unreadable
from fenrun.plan.vocabulary import BASES

_PART = re.compile(r"(?P<rate>.+?[%％])\s*of\s+(?P<basis>\w+)(?:\s+on\s+(?P<day>[0-9-]+))?")
_LIST = "list"


@dataclass(frozen=True)
class Limit:
    """The least that is to be asked for a charge."""

    rate: Decimal | None
    """The part of `basis`; None for a price."""
    basis: str
    """The cost of which it is a part, one of BASES; empty for a price."""
    price: Decimal | None
    """Of one unit; None for a part of a cost."""
    on: date | None = None
    """The day whose list prices it is a part of; None: ListCost, as the charge says it."""


def parse_limit(text: str) -> Limit:
    """Read `60 % of list`, `60 % of list on 2024-01-01`, or a price of one unit: `0.42`.

    Raises Unreadable.
    """
    if not is_rate(text):
        price = parse_amount(text)
        if price < 0:
            raise Unreadable("terms-below-nothing", text=text)
        return Limit(None, "", price)
    found = _PART.fullmatch(text.strip())
    if not found or found["basis"] not in BASES or (found["day"] and found["basis"] != _LIST):
        raise Unreadable("terms-limit", text=text, bases=", ".join(BASES))
    rate = parse_rate(found["rate"])
    if rate < 0:
        raise Unreadable("terms-below-nothing", text=text)
    return Limit(rate, found["basis"], None, parse_day(found["day"]) if found["day"] else None)
