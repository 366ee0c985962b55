"""Conditions and gates as sentences in the reader's language, for people who do not write plans."""

from __future__ import annotations

import re
from collections.abc import Sequence
from decimal import Decimal

from fenrun.base.money import show, show_rate
from fenrun.base.words import say
from fenrun.charges.rows import focus_columns
from fenrun.plan.conditions import PREFIXES, ConditionError, Tree, is_column, parse_form
from fenrun.plan.vocabulary import BASES

_NUMBER = re.compile(r"-?[0-9.]+")
_DATES = ("day", "customer since", "association", "first purchase")


def condition_words(text: str, lang: str, of: str = "customer") -> str:
    """Return a condition as a sentence; what is no condition, as it is.

    `of`: whose labels are meant that stand without a prefix, `customer` or `payee`.
    """
    try:
        return _Sayer(lang, of).said(parse_form(text))
    except ConditionError:
        return text


def column_words(name: str, lang: str) -> str:
    """Return what people call a column of a charge; an x_ column by its own name."""
    if name in focus_columns():
        return say(f"column-{name}", lang)
    return say("column-own", lang, column=name)


def quoted(value: str, lang: str) -> str:
    """Return a value of a column or label, in quotation marks; a number without."""
    return value if _NUMBER.fullmatch(value) else say("condition-value", lang, value=value)


class _Sayer:
    """Says the parts of a condition in one language."""

    def __init__(self, lang: str, of: str):
        self.lang, self.of = lang, of

    def say(self, key: str, **values: object) -> str:
        return say(f"condition-{key}", self.lang, **values)

    def said(self, tree: Tree) -> str:
        """Return a condition in words."""
        if tree[0] == "all":
            return self.say("all").join(self._bracketed(part) for part in tree[1])
        if tree[0] == "any":
            return self.say("any").join(self.said(part) for part in tree[1])
        if tree[0] == "not":
            return self._not(tree[1])
        return self._alone(tree)

    def _bracketed(self, part: Tree) -> str:
        """Return a part of `and`; an `or` in it stands in brackets."""
        words = self.said(part)
        return self.say("brackets", words=words) if part[0] == "any" else words

    def _not(self, tree: Tree) -> str:
        """Return what does not hold; some of it has words of its own."""
        if tree[0] in ("in", "missing", "term"):
            return self._alone(tree, "not-")
        return self.say("not", words=self.said(tree))

    def _alone(self, tree: Tree, negated: str = "") -> str:
        """Return a condition without parts of its own."""
        kind = tree[0]
        if kind == "in":
            key = f"{negated}in" if len(tree[2]) > 1 else f"{negated}is"
            return self.say(key, name=self._name(tree[1]), values=self._listed(tree[2]))
        if kind == "starts":
            return self.say(kind, name=self._name(tree[1]), text=quoted(tree[2], self.lang))
        if kind == "missing":
            return self._missing(tree[1], negated)
        if kind == "term":
            return self.say(f"{negated}{tree[1].replace(' ', '-')}")
        if kind in ("same", "differ"):
            return self.say(kind, one=self._name(tree[1]), other=self._name(tree[2]))
        if kind == "held":
            return self.say(kind, name=tree[1])
        if kind == "compare":
            bound = say(f"limit-{tree[2]}", self.lang, bound=show(Decimal(tree[3]), 0))
            return self.say("compare", name=self._name(tree[1]), bound=bound)
        if kind == "below":
            one, other = self._cost(tree[1]), self._cost(tree[3])
            return self.say("below-cost", cost=one, rate=show_rate(Decimal(tree[2])), whole=other)
        if kind == "quiet":
            return self.say(f"quiet-{tree[2]}", count=tree[1], date=self._date(tree[3]))
        one, other = self._date(tree[1]), self._date(tree[-1])
        if kind == "dated":
            return self.say(f"dated-{tree[2]}", one=one, other=other)
        return self.say(f"{kind}-{tree[3]}", one=one, count=tree[2], other=other)

    def _listed(self, values: Sequence[str]) -> str:
        """Return values with `or` before the last."""
        said = [quoted(value, self.lang) for value in values]
        first = self.say("comma").join(said[:-1])
        return self.say("or", first=first, last=said[-1]) if first else said[-1]

    def _missing(self, name: str, negated: str) -> str:
        """Return that something is not there; of a holder before: that there was none."""
        key = "missing-previous" if name == "previous.party" else "missing"
        return self.say(f"{negated}{key}", name=self._name(name))

    def _name(self, name: str) -> str:
        """Return what is read, in words."""
        prefix, dot, label = name.partition(".")
        if dot and prefix in PREFIXES:
            key = f"{prefix}-party" if label == "party" else prefix
            key = f"{prefix}-{label}" if prefix in ("link", "agreement") else key
            return self.say(key, label=label)
        if name in focus_columns() or name.startswith("x_"):
            return self.say("column", column=column_words(name, self.lang))
        if name == "customer":
            return self.say("customer")
        return self.say(f"label-of-{self.of}", label=name)

    def _cost(self, name: str) -> str:
        return say(f"basis-{name}", self.lang) if name in BASES else name

    def _date(self, name: str) -> str:
        if name == "day" and self.of == "payee":
            return say("date-asked", self.lang)
        if name in _DATES:
            return say(f"date-{name.replace(' ', '-')}", self.lang)
        if name[0].isdigit():
            return self.say("date", day=name)
        key = "date-of-column" if is_column(name) else "date-of-label"
        return say(key, self.lang, name=self._name(name).strip())
