"""Limits of a programme on the book: who came first, open registrations, changes of holders.

A change that is refused does not count against the next one, so the changes are walked in their
order.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from fenrun.base.problem import Place, Problem
from fenrun.base.when import OPEN_END, add_months

Row = dict[str, Any]
"""A row of `links_as_of`."""


@dataclass(frozen=True)
class Limits:
    """The limits of a programme; 0 stands for: no such limit."""

    registration_days: int
    """So long the registration of an order is valid."""
    most_open: int
    """So many registrations a party may have open at a time."""
    cooldown_months: int
    """The span in which a customer's holder of a role cannot be removed a second time."""
    first_come: bool
    """Of two claims that are over the whole together the earlier holds."""


NO_LIMITS = Limits(0, 0, 0, False)


def within_limits(links: list[Row], limits: Limits, whole: int) -> tuple[list[Row], list[Problem]]:
    """Return the links that the limits leave, as far as they go, and a problem for each refused.

    `whole` is a whole share in a customer, order or resource.
    """
    problems: list[Problem] = []
    registration_days, cooldown_months = limits.registration_days, limits.cooldown_months
    rows = sorted(links, key=lambda row: (row["valid_from"], row["link_id"]))
    orders = [row for row in rows if row["of_kind"] == "order"]
    others = [row for row in rows if row["of_kind"] != "order"]
    rows = [*_within_limit(orders, registration_days, limits.most_open, problems), *others]
    if limits.first_come:
        rows = list(_first_come(rows, whole, problems))
    kept = [row for row in rows if row["of_kind"] == "order"]
    kept += [row for row in rows if row["of_kind"] not in ("order", "customer")]
    holders: dict[tuple[str, str], list[Row]] = defaultdict(list)
    for row in rows:
        if row["of_kind"] == "customer":
            holders[row["subject"], row["role"]].append(row)
    for links in holders.values():
        kept += _after_cooldown(links, cooldown_months, problems) if cooldown_months else links
    return kept, problems


def _first_come(links: list[Row], whole: int, problems: list[Problem]) -> Iterator[Row]:
    """Yield the links, each for the days on which who came before it leaves room for it.

    Who came on the same day came neither first nor second: both are yielded as they are.
    """
    claims: dict[tuple[str, int, str], list[tuple[date, Row]]] = defaultdict(list)
    for row in links:
        if row["of_kind"] not in ("customer", "order", "resource"):
            yield row
            continue
        before = claims[row["of_kind"], row["code"], row["role"]]
        earlier = [one for day, one in before if day < row["valid_from"]]
        left, first = _room(row, earlier, whole)
        if first:
            values = {
                "subject": row["subject"],
                "role": row["role"],
                "party": row["party"],
                "day": row["valid_from"],
                "first": first["party"],
            }
            place = Place(row["source"], row["row_no"], row["subject"])
            problems.append(Problem("claim-refused", place, values))
        if left["valid_from"] < left["valid_to"]:
            before.append((row["valid_from"], left))
            yield left


def _room(row: Row, earlier: list[Row], whole: int) -> tuple[Row, Row | None]:
    """Return a link for the first days on which earlier ones leave room, and who came first."""
    first, start, end = None, row["valid_from"], row["valid_to"]
    while start < end and (over := _in_the_way(row, earlier, start, whole)):
        first, start = first or over[0], min(one["valid_to"] for one in over)
    for day in sorted(one["valid_from"] for one in earlier if start < one["valid_from"] < end):
        if over := _in_the_way(row, earlier, day, whole):
            first, end = first or over[0], day
            break
    return row | {"valid_from": min(start, end), "valid_to": end}, first


def _in_the_way(row: Row, earlier: list[Row], day: date, whole: int) -> list[Row]:
    """Return the earlier links of a day with which a link would be over the whole."""
    held = [one for one in earlier if one["valid_from"] <= day < one["valid_to"]]
    return held if sum(one["share"] for one in held) + row["share"] > whole else []


def _within_limit(
    links: list[Row], registration_days: int, most_open: int, problems: list[Problem]
) -> Iterator[Row]:
    """Yield registrations up to their expiry, without those over the limit."""
    open_until: dict[str, list[date]] = defaultdict(list)
    for row in links:
        start = row["valid_from"]
        end = row["valid_to"]
        if registration_days:
            end = min(end, start + timedelta(days=registration_days))
        still_open = [day for day in open_until[row["party"]] if day > start]
        if most_open and len(still_open) >= most_open:
            values = {
                "party": row["party"],
                "order": row["subject"],
                "day": start,
                "most": most_open,
            }
            place = Place(row["source"], row["row_no"], row["party"])
            problems.append(Problem("registration-refused", place, values))
            continue
        open_until[row["party"]] = [*still_open, end]
        yield row | {"valid_to": end}


def _after_cooldown(links: list[Row], months: int, problems: list[Problem]) -> Iterator[Row]:
    """Yield the links of one customer and role without changes inside the cooldown.

    A holder that would be removed too soon stays, and who was to follow in that span is refused.
    """
    last_removal: date | None = None
    stays: tuple[str, date] | None = None
    for number, row in enumerate(links):
        if stays and row["party"] != stays[0] and row["valid_from"] < stays[1]:
            problems.append(_refused_change(row, row["valid_from"], months))
            continue
        end = row["valid_to"]
        later = links[number + 1 :]
        if end != OPEN_END and not _is_continued(row, later):
            if last_removal and end < add_months(last_removal, months):
                cooldown_end = add_months(last_removal, months)
                stays = (row["party"], cooldown_end)
                problems.append(_refused_change(row, end, months))
                starts = [n["valid_from"] for n in later if n["valid_from"] >= cooldown_end]
                end = min(starts, default=OPEN_END)
            if end != OPEN_END:
                last_removal = end
        yield row | {"valid_to": end}


def _is_continued(row: Row, later: list[Row]) -> bool:
    """Return whether the same party goes on holding the role when the link ends."""
    end = row["valid_to"]
    return any(
        follower["party"] == row["party"] and follower["valid_from"] <= end < follower["valid_to"]
        for follower in later
    )


def _refused_change(row: Row, day: date, months: int) -> Problem:
    values = {"subject": row["subject"], "party": row["party"], "day": day, "months": months}
    place = Place(row["source"], row["row_no"], row["subject"])
    return Problem("unbinding-refused", place, values)
