"""Conditions: a closed grammar over FOCUS columns, book labels and dates. Never free SQL.

lark parses them; a tree is plain JSON:

  ["all", [trees]]  ["any", [trees]]  ["not", tree]
  ["in", name, [texts]]  ["starts", name, text]  ["missing", name]  ["held", role]
  ["same", name, name]  ["differ", name, name]
  ["compare", column, operator, number]  ["below", cost, rate, cost]
  ["within", date, count, unit, date]  ["dated", date, operator, date]
  ["term", what]

A FOCUS column, or a name that begins with x_, reads the charge. Another name, in lower case, reads
the customer's label in the book. `payee.NAME` reads a label of the credited party, `previous.NAME`
of who held its role before it, `closing.NAME` the customer's label on the last day of the billing
month, `link.NAME` the link by which it is credited. A missing value is in no list and compares to
nothing: two names are neither the same nor different where one is missing.

What the terms say of a charge (`approved`, `agreement.kind` ...) is put in its place before anybody
is credited (see terms/in_plans.py), by parts that no plan can write:

  ["charge", tree]  of the charge alone, asked as one; it can ask for the day
  ["labelled", [[party, label]]]  of the customer, by the label that stands for who is credited
  ["held", role, party]  ["paired", column, [[text, customer]]]  ["below", cost, rate, column]
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any

from lark import Lark, Token, Transformer, UnexpectedInput
from lark.exceptions import VisitError

from fenrun.base.money import decimals, parse_amount, parse_rate
from fenrun.base.when import parse_day
from fenrun.base.words import Message, Unreadable
from fenrun.charges.rows import focus_columns
from fenrun.engine.dialect import literal
from fenrun.plan.vocabulary import BASES, About

Tree = list[Any]

LINK_NAMES = ("type", "via")
"""What can follow `link.`: its type in the book, and what it is a link of (`order`, `resource`,
`customer` or `party`)."""
PREFIXES = ("payee", "previous", "closing", "link", "agreement")
"""What can stand before a point."""
AGREEMENT = "agreement.kind"
"""The kind of an agreement under which a charge is."""
CONSENTED = "consented"
"""That the customer has consented to who is credited."""
LINK_DATES = ("association", "first purchase")
"""The day since which the credited party holds its role without a break; the first day after it on
which the customer was charged anything."""

_GRAMMAR = r"""
?start: any
?any: all ("or" all)*
?all: item ("and" item)*
?item: "not" item -> negated
     | "(" any ")"
     | NAME "=" value -> equal
     | NAME "!=" value -> unequal
     | NAME "=" NAME -> same
     | NAME "!=" NAME -> differ
     | TERM -> term
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
TERM.4: /(approved|floor\s+breached|coupon\s+(as\s+granted|diverted)|consented)\b__NOT_A_NAME__/
DAY: "day"
ASSOCIATION: "association"
FIRST.3: /first\s+purchase\b/
SINCE.3: /customer\s+since\b/
ISO.3: /[0-9]{4}-[0-9]{2}-[0-9]{2}/
NAME: /[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)?/
%ignore /\s+/
""".replace("__NOT_A_NAME__", r"(?!\s*([=!<>.]|in\b|not\b|starts\b|is\b|below\b))")
_PARSER = Lark(_GRAMMAR, parser="lalr", maybe_placeholders=False)


class ConditionError(Unreadable):
    """A condition that cannot be read.

    `near` is the text where it breaks off, `known` what could stand there instead.
    """

    def __init__(self, near: str | Message, why: str, known: str = "", **values: Any):
        super().__init__(why, **values)
        self.near, self.known = near, known


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

    def same(self, items: list[Any]) -> Tree:
        return ["same", str(items[0]), str(items[1])]

    def differ(self, items: list[Any]) -> Tree:
        return ["differ", str(items[0]), str(items[1])]

    def term(self, items: list[Any]) -> Tree:
        return ["term", " ".join(str(items[0]).split())]

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


_OF_CHARGE = ("column", "number")
_OF_CUSTOMER = (*_OF_CHARGE, "label", "closing", "held", "date", "term", "agreement")
READS: dict[About, tuple[str, ...]] = {
    "charge": _OF_CHARGE,
    "customer": _OF_CUSTOMER,
    "credit": (*_OF_CUSTOMER, "payee", "previous", "link", "link date"),
    "party": ("label",),
}
"""What a condition may read (see `reads`), by what it decides about."""


def parse_form(text: str) -> Tree:
    """Read a condition by its grammar alone, whatever its names are. Raises ConditionError."""
    try:
        tree: Tree = _ToTree().transform(_PARSER.parse(text))
    except UnexpectedInput as error:
        rest = text[max(0, error.pos_in_stream or 0) :][:20]
        near = repr(rest) if rest else Message("condition-end")
        raise ConditionError(near, "condition-form") from error
    except VisitError as error:
        if not isinstance(error.orig_exc, Unreadable):
            raise
        message = error.orig_exc.message
        near = repr(message.values.get("text", ""))
        raise ConditionError(near, message.key, **message.values) from error
    return tree


def parse(text: str, about: About = "credit") -> Tree:
    """Read a condition. Raises ConditionError."""
    tree = parse_form(text)
    for node in walk(tree):
        _check(node, about)
    return tree


def _check(node: Tree, about: About) -> None:
    if node[0] in ("in", "starts", "missing"):
        _check_name(node[1])
    elif node[0] == "compare":
        _check_number(node[1])
    elif node[0] == "below":
        for cost in (node[1], node[3]):
            if cost not in BASES:
                raise ConditionError(repr(cost), "condition-below", ", ".join(BASES))
    elif node[0] in ("within", "dated"):
        _check_dates(node)
    elif node[0] in ("same", "differ"):
        _check_pair(node)
    for what, name in reads(node):
        if what not in READS[about] or (name == CONSENTED and about != "credit"):
            raise ConditionError(repr(name), f"condition-of-{about}")


def _check_pair(node: Tree) -> None:
    """Check that two names can be compared: one of them is of the charge."""
    for name in node[1:]:
        _check_name(name)
        if name in ("link.via", AGREEMENT):
            raise ConditionError(repr(name), "condition-pair-name", name=name)
    if not any(is_column(name) for name in node[1:]):
        raise ConditionError(repr(node[2]), "condition-pair")


def _check_dates(node: Tree) -> None:
    for name in (node[1], node[-1]):
        if _is_day(name):
            try:
                parse_day(name)
            except Unreadable as error:
                why, values = error.message.key, error.message.values
                raise ConditionError(repr(name), why, **values) from error
    if node[0] == "within" and not (node[2].isdigit() and 0 < int(node[2]) < 10000):
        raise ConditionError(repr(node[2]), "condition-window")


def _check_number(name: str) -> None:
    """Check that a name is one of a column that holds numbers."""
    if not is_column(name):
        raise ConditionError(repr(name), "condition-label-size")
    columns = focus_columns()
    if name in columns and columns[name].type != "Decimal":
        numbers = [c.name for c in columns.values() if c.type == "Decimal"]
        known = difflib.get_close_matches(name, numbers, 1, 0.5) or numbers[:5]
        raise ConditionError(repr(name), "condition-no-number", ", ".join(known), name=name)


def _check_name(name: str) -> None:
    """Check that a name is one of a column, or of a label in the book."""
    if is_column(name):
        return
    if name != name.lower():
        close = difflib.get_close_matches(name, focus_columns(), 1, 0.5)
        known = close[0] if close else "x_" + name
        raise ConditionError(repr(name), "condition-no-column", known, name=name)
    prefix, dot, rest = name.partition(".")
    if dot and prefix not in PREFIXES:
        known = ", ".join(f"{prefix}." for prefix in PREFIXES)
        raise ConditionError(repr(name), "condition-no-prefix", known, prefix=prefix)
    if dot and prefix == "link" and rest not in LINK_NAMES:
        known = ", ".join(f"link.{name}" for name in LINK_NAMES)
        raise ConditionError(repr(name), "condition-no-link", known)
    if prefix == "agreement" and dot and name != AGREEMENT:
        raise ConditionError(repr(name), "condition-no-agreement", AGREEMENT)


def walk(tree: Tree) -> Iterator[Tree]:
    """Yield the tree and all its parts."""
    yield tree
    for part in _split(tree):
        yield from walk(part)


def _split(tree: Tree) -> list[Tree]:
    if tree[0] in ("all", "any"):
        return list(tree[1])
    return [tree[1]] if tree[0] == "not" else []


def is_column(name: str) -> bool:
    """Return whether a name in a condition reads the charge (else it reads the book)."""
    return name in focus_columns() or name.startswith("x_")


def _is_day(name: str) -> bool:
    """Return whether a date in a condition is a day of the calendar (else it has a name)."""
    return name[0].isdigit()


def reads(tree: Tree) -> set[tuple[str, str]]:
    """Return what the condition reads, as (what, name).

    `column`; `number`, `date` or `link date`, whose name is the part of the condition that compares
    them, as JSON; `label`, `closing`, `payee`, `previous` with the label's name; `link`; `held`
    with the role; `term` with what it says of a charge, and `agreement` with `kind`.
    """
    found = set()
    for node in walk(tree):
        if node[0] == "charge":
            found |= reads(node[1])
        elif node[0] == "paired":
            found |= {_named(node[1]), _named("customer")}
        elif node[0] in ("same", "differ"):
            found |= {_named(node[1]), _named(node[2])}
        elif node[0] == "labelled":
            found.add(_named("payee.party"))
        elif node[0] not in ("all", "any", "not"):
            found.add(_read(node))
    return found


def _read(node: Tree) -> tuple[str, str]:
    """Return what a part of a condition that reads one thing reads."""
    kind, name = node[0], node[1]
    if kind in ("held", "term"):
        return kind, name
    if kind in ("compare", "below"):
        return "number", json.dumps(node)
    if kind in ("within", "dated"):
        of_link = {name, node[-1]} & set(LINK_DATES)
        return ("link date" if of_link else "date"), json.dumps(node)
    return _named(name)


def _named(name: str) -> tuple[str, str]:
    """Return what a name reads."""
    if is_column(name):
        return "column", name
    prefix, dot, rest = name.partition(".")
    return (prefix, rest) if dot else ("label", name)


def of_charge(node: Tree) -> bool:
    """Return whether a part of a condition without parts of its own reads the charge alone."""
    if node[0] in ("compare", "below", "charge"):
        return True
    if node[0] in ("same", "differ"):
        return is_column(node[1]) and is_column(node[2])
    return node[0] in ("in", "starts", "missing") and is_column(node[1])


def columns_of(tree: Tree) -> set[str]:
    """Return the columns of a charge that a condition reads; a day is that of its start."""
    found = set()
    for what, name in reads(tree):
        if what == "column":
            found.add(name)
        elif what == "number":
            found |= {*_compared(json.loads(name))}
        elif what == "date":
            found.add("ChargePeriodStart")
    return found


def _compared(node: Tree) -> list[str]:
    """Return the columns of numbers that a part of a condition compares."""
    names: list[str] = [node[1], node[3]] if node[0] == "below" else [node[1]]
    return [str(BASES.get(name, name)) for name in names]


def to_sql(tree: Tree, column: Callable[[str, str], str]) -> str:
    """Return the condition as SQL that is never null.

    `column` gives the SQL of what is read (see `reads`).
    """
    kind = tree[0]
    if kind in ("all", "any", "not"):
        return combined(tree, lambda part: to_sql(part, column))
    if kind == "charge":
        return to_sql(tree[1], column)
    if kind in ("same", "differ"):
        one, other = (column(*_named(name)) for name in tree[1:])
        return f"coalesce({one} {'=' if kind == 'same' else '<>'} {other}, false)"
    found = column(*_read(tree))
    if kind == "in":
        values = ", ".join(literal(value) for value in tree[2])
        return f"coalesce({found} IN ({values}), false)"
    if kind == "starts":
        return f"coalesce(substr({found}, 1, {len(tree[2])}) = {literal(tree[2])}, false)"
    if kind == "missing":
        return f"({found} IS NULL)"
    return f"coalesce({found}, false)"


def combined(tree: Tree, part: Callable[[Tree], str]) -> str:
    """Return a condition with parts of its own as SQL, each part as `part` says.

    Without any part, all of them hold and none does.
    """
    if tree[0] == "not":
        return f"(NOT {part(tree[1])})"
    joint = " AND " if tree[0] == "all" else " OR "
    return f"({joint.join(map(part, tree[1])) or ('true' if tree[0] == 'all' else 'false')})"


def number_sql(text: str, column: Callable[[str], str]) -> str:
    """Return the part of a condition that compares numbers, as SQL over the columns of one charge.

    It is null where a number is missing. A price is compared by its size, so that a refund is
    judged as the charge it undoes.
    """
    kind, *rest = json.loads(text)
    if kind == "compare":
        name, operator, number = rest
        return f"({column(name)} {operator} {_number(number)})"
    cost, rate, whole = rest
    one, other = (column(BASES.get(name, name)) for name in (cost, whole))
    return f"(abs({one}) < abs({other}) * {_number(rate)})"


def _number(text: str) -> str:
    """Return a factor or bound, 38 digits wide (see natural_type)."""
    return f"CAST({Decimal(text):f} AS DECIMAL(38,{decimals(Decimal(text))}))"
