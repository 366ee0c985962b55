"""Conditions: a closed grammar over FOCUS columns, book labels and dates. Never free SQL.

lark parses them; a tree is plain JSON:

  ["all", [trees]]  ["any", [trees]]  ["not", tree]
  ["in", name, [texts]]  ["starts", name, text]  ["missing", name]  ["held", role]
  ["same", name, name]  ["differ", name, name]
  ["compare", column, operator, number]  ["below", cost, rate, cost]
  ["within", date, count, unit, date]  ["dated", date, operator, date]
  ["quiet", count, unit, date]: no purchase in so long before the date
  ["term", what]

A FOCUS column, or a name that begins with x_, reads the charge. Another name, in lower case, reads
the customer's label in the book. `payee.NAME` reads a label of the credited party, `previous.NAME`
of who held its role before it, `closing.NAME` the customer's label on the last day of the billing
month, `link.NAME` the link by which it is credited. Where a date stands, the name of a label is its
first day, and an x_ column the date that it holds. A missing value is in no list and compares to
nothing: two names are neither the same nor different where one is missing.

What the terms say of a charge (`approved`, `agreement.kind` ...) is put in its place before anybody
is credited (see terms/in_plans.py), by parts that no plan can write:

  ["charge", tree]  of the charge alone, asked as one; it can ask for the day
  ["labelled", [[party, label]]]  of the customer, by the label that stands for who is credited
  ["held", role, party]  ["paired", column, [[text, customer]]]  ["below", cost, rate, column]
  ["until", day, [[import, row]]]  before a day, or one of some charges
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Callable, Iterator
from copy import deepcopy
from decimal import Decimal
from functools import lru_cache
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
DATED = ("within", "dated", "quiet")
"""The parts of a condition that compare dates."""
_NAMED_DATES = ("day", "customer since", *LINK_DATES)

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
     | NAME SIZE date -> dated
     | NAME "below" RATE "of" NAME -> below
     | NAME "within" NUMBER UNIT "of" date -> window
     | QUIET NUMBER UNIT "before" -> quiet
     | QUIET NUMBER UNIT "before" date -> quiet
     | fixed "within" NUMBER UNIT "of" date -> window
     | fixed SIZE date -> dated
value: TEXT | NUMBER | ISO
date: fixed | NAME
fixed: DAY | ASSOCIATION | FIRST | SINCE | ISO
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
QUIET.3: /no\s+purchase\s+in\s+the\b/
ISO.3: /[0-9]{4}-[0-9]{2}-[0-9]{2}/
NAME: /[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)?/
%ignore /\s+/
""".replace("__NOT_A_NAME__", r"(?!\s*([=!<>.]|in\b|not\b|starts\b|is\b|below\b|within\b))")
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

    def fixed(self, items: list[Token]) -> str:
        return " ".join(str(items[0]).split())

    def date(self, items: list[Any]) -> str:
        return str(items[0])

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
        one, count, unit, other = items
        return ["within", str(one), str(count), str(unit).removesuffix("s"), other]

    def dated(self, items: list[Any]) -> Tree:
        return ["dated", str(items[0]), str(items[1]), items[2]]

    def quiet(self, items: list[Any]) -> Tree:
        _, count, unit, *dates = items
        return ["quiet", str(count), str(unit).removesuffix("s"), dates[0] if dates else "day"]


_OF_CHARGE = ("column", "number")
_OF_CUSTOMER = (
    *(*_OF_CHARGE, "charge date", "label", "closing", "held", "date", "term", "agreement"),
)
READS: dict[About, tuple[str, ...]] = {
    "charge": _OF_CHARGE,
    "customer": _OF_CUSTOMER,
    "credit": (*_OF_CUSTOMER, "payee", "previous", "link", "link date"),
    "party": ("label", "date"),
}
"""What a condition may read (see `reads`), by what it decides about."""


def parse_form(text: str) -> Tree:
    """Read a condition by its grammar alone, whatever its names are. Raises ConditionError."""
    return deepcopy(_read_once(text))


@lru_cache(maxsize=1024)
def _read_once(text: str) -> Tree:
    """Read a condition, or take up what was read of the same text: a sweep reads it for each plan.

    Nobody changes the tree. Raises ConditionError.
    """
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
    elif node[0] in DATED:
        _check_dates(node)
        _check_reader(node, about)
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
    for name in dates_of(node):
        if _is_day(name):
            try:
                parse_day(name)
            except Unreadable as error:
                why, values = error.message.key, error.message.values
                raise ConditionError(repr(name), why, **values) from error
        elif name not in _NAMED_DATES:
            _check_named_date(name)
    count = {"within": node[2], "quiet": node[1]}.get(node[0], "1")
    if not (count.isdigit() and 0 < int(count) < 10000):
        raise ConditionError(repr(count), "condition-window")


def _check_named_date(name: str) -> None:
    """Check that a date has the name of an x_ column, or of a label of customer or payee."""
    _check_name(name)
    prefix, dot, label = name.partition(".")
    if name in focus_columns():
        raise ConditionError(repr(name), "condition-no-date", "day, x_" + name)
    if (dot and prefix != "payee") or "party" in (name, label) or name == "customer":
        known = "day, customer since, association, first purchase, LABEL, payee.LABEL"
        raise ConditionError(repr(name), "condition-no-date", known)


def _check_reader(node: Tree, about: About) -> None:
    """Check that what compares dates is known where the condition is decided."""
    names = dates_of(node)
    if about == "party" and (node[0] == "quiet" or "customer since" in names):
        raise ConditionError(repr(node[-1]), "condition-of-party")
    of_charge = [name for name in names if is_column(name)]
    if of_charge and not all(is_column(n) or n == "day" or _is_day(n) for n in names):
        raise ConditionError(repr(of_charge[0]), "condition-charge-date")
    if of_charge and node[0] == "quiet":
        raise ConditionError(repr(of_charge[0]), "condition-charge-date")


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

    `column`; `number`, `charge date`, `date` or `link date`, whose name is the part of the
    condition that compares them, as JSON; `label`, `closing`, `payee`, `previous` with the label's
    name; `link`; `held` with the role; `term` with what it says of a charge, and `agreement` with
    `kind`; `until` with that part as JSON.
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
    if kind == "until":
        return kind, json.dumps(node)
    if kind in ("compare", "below"):
        return "number", json.dumps(node)
    if kind in DATED:
        return _kind_of_dates(node), json.dumps(node)
    return _named(name)


def _named(name: str) -> tuple[str, str]:
    """Return what a name reads."""
    if is_column(name):
        return "column", name
    prefix, dot, rest = name.partition(".")
    return (prefix, rest) if dot else ("label", name)


def dates_of(node: Tree) -> list[str]:
    """Return the dates that a part of a condition compares."""
    return [node[-1]] if node[0] == "quiet" else [node[1], node[-1]]


def _kind_of_dates(node: Tree) -> str:
    """Return of what the dates are that a part of a condition compares."""
    names = dates_of(node)
    if any(is_column(name) for name in names):
        return "charge date"
    of_link = any(name in LINK_DATES or name.startswith("payee.") for name in names)
    return "link date" if of_link else "date"


def labels_of_dates(node: Tree) -> list[str]:
    """Return the labels, perhaps with a prefix, whose first days a part of a condition compares."""
    named = (name for name in dates_of(node) if name not in _NAMED_DATES)
    return [name for name in named if not is_column(name) and not _is_day(name)]


def columns_of(tree: Tree) -> set[str]:
    """Return the columns of a charge that a condition reads by their texts or dates."""
    found = set()
    for node in walk(tree):
        if node[0] == "charge":
            found |= columns_of(node[1])
        elif node[0] in DATED:
            found |= {name for name in dates_of(node) if is_column(name)}
        elif node[0] in ("same", "differ"):
            found |= {name for name in node[1:] if is_column(name)}
        elif node[0] in ("in", "starts", "missing", "paired") and is_column(node[1]):
            found.add(node[1])
    return found


def of_charge(node: Tree) -> bool:
    """Return whether a part of a condition without parts of its own reads the charge alone."""
    if node[0] in ("compare", "below", "charge"):
        return True
    if node[0] in ("same", "differ"):
        return is_column(node[1]) and is_column(node[2])
    if node[0] in DATED:
        return _kind_of_dates(node) == "charge date"
    return node[0] in ("in", "starts", "missing") and is_column(node[1])


def all_columns_of(tree: Tree) -> set[str]:
    """Return all columns of a charge that a condition reads; a day is that of its start."""
    found = columns_of(tree)
    for what, name in reads(tree):
        if what == "number":
            found |= {*_compared(json.loads(name))}
        elif what in ("date", "charge date") and "day" in dates_of(json.loads(name)):
            found.add("ChargePeriodStart")
    asks_for_day = any(what == "until" for what, _ in reads(tree))
    return found | {"ChargePeriodStart"} if asks_for_day else found


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


def dates_sql(text: str, date_: Callable[[str], str]) -> str:
    """Return the part of a condition that compares dates of a charge, as SQL over DATE columns.

    It is null where a date is missing.
    """
    node = json.loads(text)

    def read(name: str) -> str:
        return f"DATE {literal(str(parse_day(name)))}" if _is_day(name) else date_(name)

    one, other = read(node[1]), read(node[-1])
    if node[0] == "dated":
        return f"({one} {node[2]} {other})"
    return f"({one} >= {other} AND {one} < {other} + INTERVAL {int(node[2])} {node[3]})"


def _number(text: str) -> str:
    """Return a factor or bound, 38 digits wide (see natural_type)."""
    return f"CAST({Decimal(text):f} AS DECIMAL(38,{decimals(Decimal(text))}))"
