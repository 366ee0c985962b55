"""Conditions in the reader's language."""

from __future__ import annotations

from decimal import Decimal

from fenrun.base.money import show_rate
from fenrun.base.words import say
from fenrun.plan.conditions import PREFIXES, ConditionError, Tree, parse_form
from fenrun.plan.vocabulary import BASES

_DATES = ("day", "customer since", "association", "first purchase")


def condition_words(text: str, lang: str) -> str:
    """Return a condition in a language.

    English is what the plan writes, so it is returned as it is; so is what is no condition.
    """
    if lang == "en":
        return text
    try:
        return _said(parse_form(text), lang)
    except ConditionError:
        return text


def _said(tree: Tree, lang: str) -> str:
    if tree[0] == "all":
        return say("condition-all", lang).join(_bracketed(part, lang) for part in tree[1])
    if tree[0] == "any":
        return say("condition-any", lang).join(_said(part, lang) for part in tree[1])
    if tree[0] == "not":
        return _said_not(tree[1], lang)
    return _said_alone(tree, lang)


def _bracketed(part: Tree, lang: str) -> str:
    """Return a part of `and`; an `or` in it stands in brackets."""
    words = _said(part, lang)
    return say("condition-brackets", lang, words=words) if part[0] == "any" else words


def _said_not(tree: Tree, lang: str) -> str:
    """Return what does not hold; the grammar has words of its own for some of it."""
    if tree[0] in ("in", "missing"):
        return _said_alone(tree, lang, "not-")
    return say("condition-not", lang, words=_said(tree, lang))


def _said_alone(tree: Tree, lang: str, negated: str = "") -> str:
    """Return a condition without parts of its own."""
    kind = tree[0]
    key = f"condition-{negated}{kind}"
    if kind == "in":
        values = [f"'{value}'" for value in tree[2]]
        name, listed = _name(tree[1], lang), say("condition-comma", lang).join(values)
        key = key if len(values) > 1 else f"condition-{negated}is"
        return say(key, lang, name=name, values=listed)
    if kind == "starts":
        return say(key, lang, name=_name(tree[1], lang), text=tree[2])
    if kind in ("missing", "held"):
        return say(key, lang, name=_name(tree[1], lang))
    if kind == "compare":
        return f"{_name(tree[1], lang)} {tree[2]} {tree[3]}"
    if kind == "below":
        cost, rate, whole = _cost(tree[1], lang), show_rate(Decimal(tree[2])), _cost(tree[3], lang)
        return say("condition-below-cost", lang, cost=cost, rate=rate, whole=whole)
    one, other = _date(tree[1], lang), _date(tree[-1], lang)
    if kind == "dated":
        return f"{one} {tree[2]} {other}"
    return say(f"{key}-{tree[3]}", lang, one=one, count=tree[2], other=other)


def _name(name: str, lang: str) -> str:
    """Return what is read: the words of a prefix are said, columns and labels have their names."""
    prefix, dot, label = name.partition(".")
    if dot and prefix in PREFIXES:
        return say(f"condition-{prefix}", lang, label=label)
    return name


def _cost(name: str, lang: str) -> str:
    return say(f"basis-{name}", lang) if name in BASES else name


def _date(name: str, lang: str) -> str:
    return say(f"date-{name.replace(' ', '-')}", lang) if name in _DATES else name
