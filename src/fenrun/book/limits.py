"""Acts on the book that a programme refuses: too many open registrations, removing a holder twice in short time.

An act that is refused does not count against the next one, so the acts are walked in their order.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from datetime import date, timedelta
from typing import Any

import pyarrow as pa

from fenrun.base.problem import Place, Problem
from fenrun.base.when import OPEN_END, add_months
from fenrun.engine.port import Engine
from fenrun.engine.steps import read_steps

_AGAIN = ("link_load", "link_conflicts", "tenures", "links_cut", "links")
Row = dict[str, Any]


def refuse_over_limits(
    engine: Engine, lives: int, most_open: int, cooldown_months: int
) -> list[Problem]:
    """Take refused acts out of the table `links` and say each as a problem. 0 stands for: no such limit.

    `lives`: days for which an order registration holds. `most_open`: registrations that a party may have open at a time.
    `cooldown_months`: span in which a customer's holder of a role cannot be removed a second time.
    """
    if not (lives or most_open or cooldown_months):
        return []
    table, problems = engine.table("links_as_of"), list[Problem]()
    rows = sorted(table.to_pylist(), key=lambda r: (r["valid_from"], r["link_id"]))
    kept = [
        *_registered([r for r in rows if r["of_kind"] == "order"], lives, most_open, problems),
        *[r for r in rows if r["of_kind"] not in ("order", "customer")],
    ]
    held: dict[tuple[str, str], list[Row]] = defaultdict(list)
    for row in rows:
        if row["of_kind"] == "customer":
            held[row["subject"], row["role"]].append(row)
    for links in held.values():
        kept += _unbound(links, cooldown_months, problems) if cooldown_months else links
    engine.load("links_as_of", pa.Table.from_pylist(kept, schema=table.schema))
    for step in read_steps("fenrun.book"):
        if step.name in _AGAIN:
            engine.run(step, {})
    return problems


def _registered(
    links: list[Row], lives: int, most_open: int, problems: list[Problem]
) -> Iterator[Row]:
    """Registrations as long as they live, without those over the limit."""
    open_until: dict[str, list[date]] = defaultdict(list)
    for row in links:
        end = (
            min(row["valid_to"], row["valid_from"] + timedelta(days=lives))
            if lives
            else row["valid_to"]
        )
        still = [day for day in open_until[row["party"]] if day > row["valid_from"]]
        if most_open and len(still) >= most_open:
            problems.append(
                Problem(
                    "registration-refused",
                    Place(row["source"], row["row_no"], row["party"]),
                    {
                        "party": row["party"],
                        "order": row["subject"],
                        "day": row["valid_from"],
                        "most": most_open,
                    },
                )
            )
            continue
        open_until[row["party"]] = [*still, end]
        yield row | {"valid_to": end}


def _unbound(links: list[Row], months: int, problems: list[Problem]) -> Iterator[Row]:
    """Links of one customer and role; a holder removed again too soon stays, and who was to follow within that span is refused."""
    last: date | None = None
    blocked: tuple[str, date] | None = None
    for number, row in enumerate(links):
        if blocked and row["party"] != blocked[0] and row["valid_from"] < blocked[1]:
            problems.append(
                Problem(
                    "unbinding-refused",
                    Place(row["source"], row["row_no"], row["subject"]),
                    {
                        "subject": row["subject"],
                        "party": row["party"],
                        "day": row["valid_from"],
                        "months": months,
                    },
                )
            )
            continue
        end = row["valid_to"]
        follows = any(
            n["party"] == row["party"] and n["valid_from"] <= end < n["valid_to"]
            for n in links[number + 1 :]
        )
        if end != OPEN_END and not follows:
            if last and end < add_months(last, months):
                blocked = (row["party"], add_months(last, months))
                end = min(
                    (n["valid_from"] for n in links[number + 1 :] if n["valid_from"] >= blocked[1]),
                    default=OPEN_END,
                )
                problems.append(
                    Problem(
                        "unbinding-refused",
                        Place(row["source"], row["row_no"], row["subject"]),
                        {
                            "subject": row["subject"],
                            "party": row["party"],
                            "day": row["valid_to"],
                            "months": months,
                        },
                    )
                )
            if end != OPEN_END:
                last = end
        yield row | {"valid_to": end}
