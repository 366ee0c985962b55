"""Tables, for every format: the terms of lines, how what is due is paid, what waits, funds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from fenrun.base.money import minor_units, show
from fenrun.base.words import say

_OF_PAYOUTS = ("due", "brought", "expired", "drawn", "recovered", "balance", "paid", "carried")
_OF_FUNDS = ("brought", "accrued", "over", "claimed", "granted", "lapsed", "balance")
"""The amounts of a month, in the order in which each follows from those before."""


@dataclass(frozen=True)
class Table:
    """A table of text and amounts; its columns' titles are keys of words."""

    texts: tuple[str, ...]
    """The columns of text, which come first."""
    amounts: tuple[str, ...]
    rows: list[tuple[list[str], list[Decimal]]]
    """The text and the amounts of each row."""


def payment_tables(
    statement: Mapping[str, Any], titles: Mapping[str, Mapping[str, str]], lang: str
) -> dict[str, list[Table]]:
    """Return the tables of a statement's JSON under the keys of their titles, where any has rows.

    Of a plan that pays all at once there are none; where several plans pay, each row names its own.
    Needs the titles of components that wait.
    """
    found = _terms_of_lines(statement["lines"], lang)
    of_pay = (statement[name] for name in ("payouts", "payments", "due_later", "waiting", "funds"))
    several = len({row["plan_id"] for rows in of_pay for row in rows}) > 1
    plan = ("plan",) if several else ()
    if payouts := statement["payouts"]:
        shown = _columns(_OF_PAYOUTS, ("due", "paid"), payouts)
        found["payout"] = [_table((*plan, "month"), shown, payouts)]
        payments = statement["payments"]
        if any(p["form"] != "cash" or Decimal(p["amount"]) != Decimal(p["paid"]) for p in payments):
            found["payout"].append(_table((*plan, "month", "form"), ("amount", "paid"), payments))
    if exchanges := statement.get("exchanges"):
        rows = [_exchange_shown(row, lang) for row in exchanges]
        names = (*plan, "month", "form", "rate", "rate-source", "exchanged")
        found["exchanges"] = [_table(names, ("amount",), rows)]
    if due_later := statement["due_later"]:
        found["due-later"] = [_table((*plan, "month"), ("amount",), due_later)]
    if waiting := statement["waiting"]:
        rows = [{**row, "component": titles[row["component"]][lang]} for row in waiting]
        found["waiting"] = [_table((*plan, "component", "unit"), ("amount",), rows)]
    if rows := statement["funds"]:
        funds = [{**row, "fund": row["form"], "fund-balance": row["balance"]} for row in rows]
        names = tuple("fund-balance" if key == "balance" else key for key in _OF_FUNDS)
        shown = _columns(names, ("accrued", "fund-balance"), funds)
        found["funds"] = [_table((*plan, "month", "fund"), shown, funds)]
    return found


def _exchange_shown(row: Mapping[str, Any], lang: str) -> dict[str, Any]:
    """Return a payment in another currency with its rate and amount as people read them."""
    paid = say("exchange-waits", lang, currency=row["into"])
    if row["paid"] is not None:
        paid = f"{show(Decimal(row['paid']), minor_units(row['into']))} {row['into']}"
    return {
        **row,
        "rate": row["rate"] or "",
        "rate-source": row["given_by"] or "",
        "exchanged": paid,
    }


def _terms_of_lines(lines: Sequence[Mapping[str, Any]], lang: str) -> dict[str, list[Table]]:
    """Return the table of what was agreed about the charges of lines, where any was."""
    rows = [
        (
            [
                line["title"][lang],
                line["period"],
                say(f"term-{term['table']}", lang),
                term["id"],
                term["says"],
                f"{term['charges']:,}",
            ],
            [Decimal(term["credited"])],
        )
        for line in lines
        for term in line.get("terms", ())
    ]
    names = ("component", "period", "kind", "term", "term-says", "charges")
    return {"by-terms": [Table(names, ("credited",), rows)]} if rows else {}


def _columns(
    names: Sequence[str], always: Sequence[str], rows: Sequence[Mapping[str, Any]]
) -> tuple[str, ...]:
    """Return the columns that are always shown, and those that are not zero in every row."""
    return tuple(key for key in names if key in always or any(Decimal(row[key]) for row in rows))


def _table(
    texts: tuple[str, ...], amounts: tuple[str, ...], rows: Sequence[Mapping[str, Any]]
) -> Table:
    named = ({**row, "plan": row["plan_id"]} for row in rows)
    cells = [([row[key] for key in texts], [Decimal(row[key]) for key in amounts]) for row in named]
    return Table(texts, amounts, cells)
