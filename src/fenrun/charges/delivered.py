"""Deliveries of a source: which earlier ones of the same month a file takes the place of.

A source that overwrites sends a month anew, whole, with each delivery (FOCUS DeliveryHandling). A
delivery may come in parts. Where its version is known, it takes the place of the versions before
it. Where it is not, a part takes the place of those whose charges come again in it, and what stays
beside it is asked about: nothing is dropped because a name or a month is the same.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

from fenrun.base.ids import short
from fenrun.base.money import show
from fenrun.base.problem import Place, Problem, refused
from fenrun.charges.overlaps import comes_again
from fenrun.charges.rows import month_billed
from fenrun.store.facts import Import

_ENOUGH = 2
"""One in so many charges must come again, or the file is not taken for the same delivery."""


@dataclass(frozen=True)
class Delivery:
    """A file as a delivery of a source."""

    source: str
    overwrites: bool
    """Whether it is the month so far as a whole; else it adds to what came before."""
    version: str = ""
    """Later versions have greater texts; empty where it is not known."""

    def facts(self) -> dict[str, str]:
        """Return what an import keeps of it."""
        return {"source": self.source} | ({"version": self.version} if self.version else {})


class Position(NamedTuple):
    """The position of a file among the earlier imports of its source and month."""

    replaced: Sequence[Import] = ()
    """Those whose place it takes."""
    beside: Sequence[Import] = ()
    """Those that stay beside it."""


def place_of(
    delivery: Delivery, file: str, folder: Path, facts: Mapping[str, Any], there: Iterable[Import]
) -> Position:
    """Return whose place a file takes: its charges lie in a folder, `facts` are of them.

    `there` are the imports in force: of a source whose versions are not known, when the command
    began. Raises Refused where it is older than what is there, or where an import of the source
    bills other months besides.
    """
    if not (delivery.overwrites and facts["first_billed"]):
        return Position()
    replaced, beside = list[Import](), list[Import]()
    for item in (item for item in there if _is_of_month(item, delivery.source, facts)):
        theirs = version_of(item)
        if delivery.version and theirs > delivery.version:
            values = {"version": delivery.version, "other": item.source, "later": theirs}
            raise refused("delivery-older", Place(file), id=short(item.id), **values)
        if delivery.version and theirs == delivery.version:
            continue  # another part of the same delivery
        is_known = delivery.version and theirs
        is_same = is_known or comes_again(item, folder, _ENOUGH)
        (replaced if is_same else beside).append(item)
    for item in replaced:
        _refuse_other_months(file, item, facts)
    return Position(replaced, beside)


def version_of(item: Import) -> str:
    """Return the version of the delivery that an import is; nothing where it is not known."""
    return str(item.facts.get("delivered", {}).get("version", ""))


def _is_of_month(item: Import, source: str, facts: Mapping[str, Any]) -> bool:
    """Return whether an import is of a source and bills a month that charges bill."""
    is_of = item.facts.get("delivered", {}).get("source") == source
    return bool(is_of and item.facts["first_billed"] and share_months(item.facts, facts))


def share_months(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Return whether two imports can bill the same month; one that bills none fits with all."""
    if not (one["first_billed"] and other["first_billed"]):
        return True
    (first, last), (others_first, others_last) = months_billed(one), months_billed(other)
    return first <= others_last and others_first <= last


def months_billed(facts: Mapping[str, Any]) -> tuple[str, str]:
    """Return the first and the last month that an import bills; it bills some."""
    days = (date.fromisoformat(facts[key]) for key in ("first_billed", "last_billed"))
    first, last = map(month_billed, days)
    return first, last


def _refuse_other_months(file: str, item: Import, facts: Mapping[str, Any]) -> None:
    (first, last), (ours_first, ours_last) = months_billed(item.facts), months_billed(facts)
    if first < ours_first or ours_last < last:
        values = {"name": item.source, "id": short(item.id)}
        months = {"theirs": months_of(item.facts), "ours": months_of(facts)}
        raise refused("delivery-other-month", Place(file), **values, **months)


def months_of(facts: Mapping[str, Any]) -> str:
    """Return the months that an import bills, as text."""
    first, last = months_billed(facts) if facts.get("first_billed") else ("", "")
    return first if first == last else f"{first}/{last}"


def said_of(file: str, facts: Mapping[str, Any], item: Import) -> Problem:
    """Return the note that a file takes the place of an earlier import."""
    values = {"source": facts["delivered"]["source"], "other": item.source, "id": short(item.id)}
    values |= {"months": months_of(item.facts), "was_rows": item.facts["rows"]}
    values |= {"was": _billed(item.facts), "rows": facts["rows"], "now": _billed(facts)}
    return Problem("delivery-replaced", Place(file), values)


def _billed(facts: Mapping[str, Any]) -> str:
    billed = facts["billed"].items()
    return ", ".join(f"{show(Decimal(amount))} {name}" for name, amount in billed) or "0.00"
