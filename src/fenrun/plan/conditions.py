"""Conditions: a closed grammar over FOCUS columns and book labels, parsed by lark, translated by us. Never free SQL.

A tree is plain JSON:
  ["all", [trees]]  ["any", [trees]]  ["not", tree]
  ["in", name, [texts]]  ["starts", name, text]  ["missing", name]
  ["compare", column, operator, number]  ["below", cost, rate, cost]
A name that is a FOCUS column or begins with x_ reads the charge; another, in lower case, reads the customer's label in the
book (in a condition on payees: the payee's). A missing value is in no list and compares to nothing.
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any

from lark import Lark, Token, Transformer, UnexpectedInput

from fenrun.base.money import decimals, parse_amount, parse_rate
from fenrun.charges.rows import focus_columns
from fenrun.engine.duckdb import literal
from fenrun.plan.rows import BASES

Tree = list[Any]

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
     | NAME SIZE NUMBER -> compare
     | NAME "below" RATE "of" NAME -> below
value: TEXT | NUMBER
TEXT: /'[^'\n]*'/
SIZE: "<=" | ">=" | "<" | ">"
RATE: /[0-9][0-9.]*\s*[%％]/
NUMBER: /-?[0-9][0-9,_]*(\.[0-9]+)?/
NAME: /[A-Za-z_][A-Za-z0-9_]*/
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

    def compare(self, items: list[Any]) -> Tree:
        return ["compare", str(items[0]), str(items[1]), str(parse_amount(str(items[2])))]

    def below(self, items: list[Any]) -> Tree:
        return ["below", str(items[0]), str(parse_rate(str(items[1]))), str(items[2])]


def parse(text: str, payee: bool = False) -> Tree:
    """Read a condition. `payee`: it may only read labels. Raises ConditionError."""
    try:
        tree = _ToTree().transform(_PARSER.parse(text))
    except UnexpectedInput as error:
        near = text[max(0, (error.pos_in_stream or 0)) :][:20] or "the end"
        raise ConditionError(repr(near), "expected something like: ServiceName in ('CDN', 'SMS') and class = 'C'") from error
    for node in _walk(tree):
        if node[0] in ("in", "starts", "missing", "compare"):
            _check_name(node[1], payee, node[0] == "compare")
        elif node[0] == "below":
            for cost in (node[1], node[3]):
                if cost not in BASES or payee:
                    raise ConditionError(repr(cost), "below ... of ... compares two costs of a charge", ", ".join(BASES))
    return tree


def _check_name(name: str, payee: bool, number: bool) -> None:
    columns = focus_columns()
    if is_column(name):
        if payee:
            raise ConditionError(repr(name), "a condition on the payee reads labels, not charges")
        if number and name in columns and columns[name].type != "Decimal":
            raise ConditionError(repr(name), f"{name} is not a number column", ", ".join(c.name for c in columns.values() if c.type == "Decimal")[:80])
        return
    if number:
        raise ConditionError(repr(name), "a label is text; sizes are compared on number columns")
    if name != name.lower():
        close = difflib.get_close_matches(name, columns, 1, 0.5)
        raise ConditionError(repr(name), f"{name} is no FOCUS column, and labels are in lower case", close[0] if close else "x_" + name)


def _walk(tree: Tree) -> Iterator[Tree]:
    yield tree
    for child in tree[1] if tree[0] in ("all", "any") else [tree[1]] if tree[0] == "not" else []:
        yield from _walk(child)


def is_column(name: str) -> bool:
    """Whether a name in a condition reads the charge (else it reads a label)."""
    return name in focus_columns() or name.startswith("x_")


def names(tree: Tree) -> set[str]:
    """The columns and labels whose text a condition reads."""
    return {node[1] for node in _walk(tree) if node[0] in ("in", "starts", "missing")}


def tests(tree: Tree) -> set[str]:
    """The parts of a condition that compare numbers of one charge, as JSON."""
    return {json.dumps(node) for node in _walk(tree) if node[0] in ("compare", "below")}


def to_sql(tree: Tree, column: Callable[[str], str]) -> str:
    """The condition as SQL that is never null. `column` gives the SQL of a name, and of a numeric part's JSON."""
    kind = tree[0]
    if kind in ("all", "any"):
        return "(" + (" AND " if kind == "all" else " OR ").join(to_sql(t, column) for t in tree[1]) + ")"
    if kind == "not":
        return f"(NOT {to_sql(tree[1], column)})"
    if kind == "in":
        return f"coalesce({column(tree[1])} IN ({', '.join(literal(v) for v in tree[2])}), false)"
    if kind == "starts":
        return f"coalesce(substr({column(tree[1])}, 1, {len(tree[2])}) = {literal(tree[2])}, false)"
    if kind == "missing":
        return f"({column(tree[1])} IS NULL)"
    return f"coalesce({column(json.dumps(tree))}, false)"


def test_sql(text: str, column: Callable[[str], str]) -> str:
    """A numeric part as SQL over the columns of one charge; null where a number is missing.

    A price is compared by its size, so that a refund is judged as the charge it undoes.
    """
    kind, *rest = json.loads(text)
    if kind == "compare":
        return f"({column(rest[0])} {rest[1]} {_number(rest[2])})"
    return f"(abs({column(BASES[rest[0]])}) < abs({column(BASES[rest[2]])}) * {_number(rest[1])})"


def _number(text: str) -> str:
    """A factor or bound, 38 digits wide (see natural_type)."""
    return f"CAST({Decimal(text):f} AS DECIMAL(38,{decimals(Decimal(text))}))"
