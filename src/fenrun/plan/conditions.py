"""Conditions: a closed grammar over FOCUS columns, book labels and dates, parsed by lark, translated by us. Never free SQL.

A tree is plain JSON:
  ["all", [trees]]  ["any", [trees]]  ["not", tree]
  ["in", name, [texts]]  ["starts", name, text]  ["missing", name]  ["held", role]
  ["compare", column, operator, number]  ["below", cost, rate, cost]
  ["within", date, count, unit, date]  ["dated", date, operator, date]
A FOCUS column, or a name that begins with x_, reads the charge. Another name, in lower case, reads the customer's label in the book.
`payee.NAME` reads a label of the credited party, `previous.NAME` of who held its role before it, `closing.NAME` the customer's label
on the last day of the billing month, `link.NAME` the link by which it is credited. A missing value is in no list and compares to nothing.
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any

from lark import Lark, Token, Transformer, UnexpectedInput

from fenrun.base.money import decimals, parse_amount, parse_rate
from fenrun.base.when import parse_day
from fenrun.charges.rows import focus_columns
from fenrun.engine.dialect import literal
from fenrun.plan.rows import BASES

Tree = list[Any]

LINK_NAMES = ("type", "via")
"""What `link.` can be followed by: the link's type in the book; `order`, `resource`, `customer` or `party`: what it is a link of."""
PARTY_PREFIXES = ("payee", "previous")
CUSTOMER_DATES = ("day", "customer since")
"""The day of the charge; the first day on which its customer was charged anything."""
LINK_DATES = ("association", "first purchase")
"""The day since which the credited party holds its role without a break; the first day after it on which the customer was charged anything."""

_GRAMMAR = r"""
?start: any
?any: all ("or" all)*
?all: item ("and" item)*
?item: "not" item -> negated
     | "(" any ")"
     | NAME "=" value -> equal
     | NAME "!=" value -> unequal
     | NAME "in" "(" value ("," value)* ")" -> within
     | NAME "not" "in" "(" value ("," value)* ")" -> without
     | NAME "starts" "with" value -> starts
     | NAME "is" "missing" -> missing
     | NAME "is" "present" -> present
     | NAME "is" "held" -> held
     | NAME SIZE NUMBER -> compare
     | NAME "below" RATE "of" NAME -> below
     | date "within" NUMBER UNIT "of" date -> window
     | date SIZE date -> dated
value: TEXT | NUMBER | ISO
date: DAY | ASSOCIATION | FIRST | SINCE | ISO
TEXT: /'[^'\n]*'/
SIZE: "<=" | ">=" | "<" | ">"
RATE: /[0-9][0-9.]*\s*[%％]/
NUMBER: /-?[0-9][0-9,_]*(\.[0-9]+)?/
UNIT: /(day|month)s?/
DAY: "day"
ASSOCIATION: "association"
FIRST.3: /first\s+purchase\b/
SINCE.3: /customer\s+since\b/
ISO.3: /[0-9]{4}-[0-9]{2}-[0-9]{2}/
NAME: /[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)?/
%ignore /\s+/
"""
_PARSER = Lark(_GRAMMAR, parser="lalr", maybe_placeholders=False)


class ConditionError(ValueError):
    """A condition that cannot be read: near which text, and why."""

    def __init__(self, near: str, detail: str, known: str = ""):
        super().__init__(detail)
        self.near, self.detail, self.known = near, detail, known


class _ToTree(Transformer[Token, Tree]):
    def any(self, items: list[Tree]) -> Tree:
        return ["any", items]

    def all(self, items: list[Tree]) -> Tree:
        return ["all", items]

    def negated(self, items: list[Tree]) -> Tree:
        return ["not", items[0]]

    def value(self, items: list[Token]) -> str:
        return str(items[0])[1:-1] if items[0].type == "TEXT" else str(items[0])

    def date(self, items: list[Token]) -> str:
        return " ".join(str(items[0]).split())

    def equal(self, items: list[Any]) -> Tree:
        return ["in", str(items[0]), [items[1]]]

    def unequal(self, items: list[Any]) -> Tree:
        return ["not", self.equal(items)]

    def within(self, items: list[Any]) -> Tree:
        return ["in", str(items[0]), sorted(set(items[1:]))]

    def without(self, items: list[Any]) -> Tree:
        return ["not", self.within(items)]

    def starts(self, items: list[Any]) -> Tree:
        return ["starts", str(items[0]), items[1]]

    def missing(self, items: list[Any]) -> Tree:
        return ["missing", str(items[0])]

    def present(self, items: list[Any]) -> Tree:
        return ["not", self.missing(items)]

    def held(self, items: list[Any]) -> Tree:
        return ["held", str(items[0])]

    def compare(self, items: list[Any]) -> Tree:
        return ["compare", str(items[0]), str(items[1]), str(parse_amount(str(items[2])))]

    def below(self, items: list[Any]) -> Tree:
        return ["below", str(items[0]), str(parse_rate(str(items[1]))), str(items[2])]

    def window(self, items: list[Any]) -> Tree:
        return ["within", items[0], str(items[1]), str(items[2]).removesuffix("s"), items[3]]

    def dated(self, items: list[Any]) -> Tree:
        return ["dated", items[0], str(items[1]), items[2]]


READS = {
    "charge": ("column", "number"),
    "customer": ("column", "number", "label", "closing", "held", "date"),
    "credit": (
        "column",
        "number",
        "label",
        "closing",
        "held",
        "date",
        "payee",
        "previous",
        "link",
        "link date",
    ),
    "party": ("label",),
}
"""What a condition may read, by what it decides about: a charge alone; a charge and its customer; a credit; a party."""


def parse(text: str, about: str = "credit") -> Tree:
    """Read a condition. `about`: a key of READS. Raises ConditionError."""
    try:
        tree = _ToTree().transform(_PARSER.parse(text))
    except UnexpectedInput as error:
        near = text[max(0, (error.pos_in_stream or 0)) :][:20] or "the end"
        raise ConditionError(
            repr(near), "expected something like: ServiceName in ('CDN', 'SMS') and class = 'C'"
        ) from error
    for node in walk(tree):
        _check(node, about)
    return tree


def _check(node: Tree, about: str) -> None:
    if node[0] in ("in", "starts", "missing", "compare"):
        _check_name(node[1], node[0] == "compare")
    elif node[0] == "below":
        for cost in (node[1], node[3]):
            if cost not in BASES:
                raise ConditionError(
                    repr(cost), "below ... of ... compares two costs of a charge", ", ".join(BASES)
                )
    elif node[0] in ("within", "dated"):
        _check_dates(node)
    for what, name in reads(node):
        if what not in READS[about]:
            where = {
                "charge": "reads the charge alone",
                "customer": "is decided before anybody is credited, so it reads the charge and its customer",
                "party": "on a party reads its labels, by their names",
            }
            raise ConditionError(repr(name), f"this condition {where[about]}")


def _check_dates(node: Tree) -> None:
    for name in (node[1], node[-1]):
        if name[0].isdigit():
            try:
                parse_day(name)
            except ValueError as error:
                raise ConditionError(repr(name), str(error)) from error
    if node[0] == "within" and not (node[2].isdigit() and 0 < int(node[2]) < 10000):
        raise ConditionError(repr(node[2]), "a window is a whole number of days or months")


def _check_name(name: str, number: bool) -> None:
    columns = focus_columns()
    if is_column(name):
        if number and name in columns and columns[name].type != "Decimal":
            raise ConditionError(
                repr(name),
                f"{name} is not a number column",
                ", ".join(c.name for c in columns.values() if c.type == "Decimal")[:80],
            )
        return
    if number:
        raise ConditionError(repr(name), "a label is text; sizes are compared on number columns")
    if name != name.lower():
        close = difflib.get_close_matches(name, columns, 1, 0.5)
        raise ConditionError(
            repr(name),
            f"{name} is no FOCUS column, and labels are in lower case",
            close[0] if close else "x_" + name,
        )
    prefix, dot, rest = name.partition(".")
    if dot and prefix not in (*PARTY_PREFIXES, "closing", "link"):
        raise ConditionError(
            repr(name), f"nothing is read by {prefix!r}", "payee., previous., closing., link."
        )
    if prefix == "link" and dot and rest not in LINK_NAMES:
        raise ConditionError(
            repr(name), "a link has a type and a via", ", ".join(f"link.{n}" for n in LINK_NAMES)
        )


def walk(tree: Tree) -> Iterator[Tree]:
    """The tree and all its parts."""
    yield tree
    for child in tree[1] if tree[0] in ("all", "any") else [tree[1]] if tree[0] == "not" else []:
        yield from walk(child)


def is_column(name: str) -> bool:
    """Whether a name in a condition reads the charge (else it reads the book)."""
    return name in focus_columns() or name.startswith("x_")


def reads(tree: Tree) -> set[tuple[str, str]]:
    """What the condition reads, as (what, name): `column`; `number`, `date` or `link date` (a part of the condition that compares those, as
    JSON); `label`, `closing`, `payee`, `previous` (name of the label); `link` (name); `held` (role)."""
    found = set()
    for node in walk(tree):
        if node[0] in ("in", "starts", "missing"):
            prefix, dot, rest = node[1].partition(".")
            found.add(
                ("column", node[1])
                if is_column(node[1])
                else (prefix, rest)
                if dot
                else ("label", node[1])
            )
        elif node[0] == "held":
            found.add(("held", node[1]))
        elif node[0] in ("compare", "below"):
            found.add(("number", json.dumps(node)))
        elif node[0] in ("within", "dated"):
            found.add(
                ("link date" if {node[1], node[-1]} & set(LINK_DATES) else "date", json.dumps(node))
            )
    return found


def to_sql(tree: Tree, column: Callable[[str, str], str]) -> str:
    """The condition as SQL that is never null. `column` gives the SQL of what is read (see `reads`)."""
    kind = tree[0]
    if kind in ("all", "any"):
        return (
            "("
            + (" AND " if kind == "all" else " OR ").join(to_sql(t, column) for t in tree[1])
            + ")"
        )
    if kind == "not":
        return f"(NOT {to_sql(tree[1], column)})"
    ((what, name),) = reads(tree)
    found = column(what, name)
    if kind == "in":
        return f"coalesce({found} IN ({', '.join(literal(v) for v in tree[2])}), false)"
    if kind == "starts":
        return f"coalesce(substr({found}, 1, {len(tree[2])}) = {literal(tree[2])}, false)"
    if kind == "missing":
        return f"({found} IS NULL)"
    return f"coalesce({found}, false)"


def number_sql(text: str, column: Callable[[str], str]) -> str:
    """A part of a condition that compares numbers, as SQL over the columns of one charge; null where a number is missing.

    A price is compared by its size, so that a refund is judged as the charge it undoes.
    """
    kind, *rest = json.loads(text)
    if kind == "compare":
        return f"({column(rest[0])} {rest[1]} {_number(rest[2])})"
    return f"(abs({column(BASES[rest[0]])}) < abs({column(BASES[rest[2]])}) * {_number(rest[1])})"


def date_sql(text: str, column: Callable[[str], str]) -> str:
    """A part of a condition that compares dates, as SQL; null where a date is missing. `column` gives the SQL of a named date."""

    def read(name: str) -> str:
        return f"DATE '{parse_day(name)}'" if name[0].isdigit() else column(name)

    kind, *rest = json.loads(text)
    if kind == "dated":
        return f"({read(rest[0])} {rest[1]} {read(rest[2])})"
    one, count, unit, other = read(rest[0]), int(rest[1]), rest[2].upper(), read(rest[3])
    return f"({one} >= {other} AND {one} < {other} + INTERVAL {count} {unit})"


def _number(text: str) -> str:
    """A factor or bound, 38 digits wide (see natural_type)."""
    return f"CAST({Decimal(text):f} AS DECIMAL(38,{decimals(Decimal(text))}))"
