"""Conditions as logic: which clauses can hold together, or never.

z3 decides; an answer `never` is a proof.

Each name that a condition reads becomes an unknown; text is one of the values that the plan
mentions, another, or missing. A span of months is taken as any number of days that it can have, so
that `never` stays true for every calendar.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import date
from typing import Any

import z3

from fenrun.plan.check.effort import Effort
from fenrun.plan.conditions import DATED, Tree, labels_of_dates, reads, walk
from fenrun.plan.vocabulary import BASES

_MISSING, _OTHER = 0, -1


class World:
    """The unknowns that a plan's conditions read."""

    def __init__(self, trees: Iterable[str]):
        self.values: dict[str, list[str]] = defaultdict(list)
        for tree in trees:
            for node in walk(json.loads(tree)):
                if node[0] == "in":
                    self.values[node[1]] += [v for v in node[2] if v not in self.values[node[1]]]
        self.facts: list[Any] = []

    def formula(self, tree: Tree) -> Any:
        """The condition as a z3 formula."""
        kind = tree[0]
        if kind in ("all", "any"):
            return (z3.And if kind == "all" else z3.Or)([self.formula(t) for t in tree[1]])
        if kind == "not":
            return z3.Not(self.formula(tree[1]))
        if kind == "in":
            return z3.Or(
                [self._text(tree[1]) == 1 + self.values[tree[1]].index(v) for v in tree[2]]
            )
        if kind == "missing":
            return self._text(tree[1]) == _MISSING
        if kind == "starts":
            known = [
                self._text(tree[1]) == n
                for n, v in enumerate(self.values[tree[1]], 1)
                if v.startswith(tree[2])
            ]
            return z3.Or(
                [
                    *known,
                    z3.And(self._text(tree[1]) == _OTHER, z3.Bool(f"{tree[1]} starts {tree[2]}")),
                ]
            )
        if kind == "held":
            return z3.Bool(f"{tree[1]} is held")
        if kind == "term":
            return z3.Bool(f"it is {tree[1]}")
        if kind in ("same", "differ"):
            same = z3.Bool(f"{tree[1]} = {tree[2]}")
            known = z3.Bool(f"{tree[1]} and {tree[2]} are known")
            return z3.And(known, same if kind == "same" else z3.Not(same))
        if kind == "compare":
            value = self._number(tree[1])
            return z3.And(
                self._given(tree[1]),
                {
                    "<": value < z3.RealVal(tree[3]),
                    "<=": value <= z3.RealVal(tree[3]),
                    ">": value > z3.RealVal(tree[3]),
                    ">=": value >= z3.RealVal(tree[3]),
                }[tree[2]],
            )
        if kind == "below":
            one, other = BASES[tree[1]], BASES[tree[3]]
            return z3.And(
                self._given(one),
                self._given(other),
                self._size(one) < self._size(other) * z3.RealVal(tree[2]),
            )
        if kind == "quiet":
            return z3.Bool(json.dumps(tree))
        return self._dates(tree)

    def _text(self, name: str) -> Any:
        unknown = z3.Int(name)
        self.facts.append(z3.And(unknown >= _OTHER, unknown <= len(self.values[name])))
        return unknown

    @staticmethod
    def _number(name: str) -> Any:
        return z3.Real(name)

    @staticmethod
    def _given(name: str) -> Any:
        return z3.Bool(f"{name} is given")

    def _size(self, name: str) -> Any:
        value = self._number(name)
        return z3.If(value >= 0, value, -value)

    def _dates(self, tree: Tree) -> Any:
        one, other = self._date(tree[1]), self._date(tree[-1])
        given = z3.And(
            [
                z3.Bool(f"{n} is known")
                for n in (tree[1], tree[-1])
                if n not in ("day", "association") and not n[0].isdigit()
            ]
            or [z3.BoolVal(True)]
        )
        if tree[0] == "dated":
            return z3.And(
                given,
                {"<": one < other, "<=": one <= other, ">": one > other, ">=": one >= other}[
                    tree[2]
                ],
            )
        length = z3.Int(f"length of {tree[2]} {tree[3]}")
        count = int(tree[2])
        self.facts.append(
            z3.And(
                length >= (count if tree[3] == "day" else 28 * count),
                length <= (count if tree[3] == "day" else 31 * count),
            )
        )
        return z3.And(given, one >= other, one < other + length)

    def _date(self, name: str) -> Any:
        if name[0].isdigit():
            return z3.IntVal(date.fromisoformat(name).toordinal())
        self.facts += [
            z3.Int("association") <= z3.Int("day"),
            z3.Int("first purchase") >= z3.Int("association"),
            z3.Int("customer since") <= z3.Int("day"),
        ]
        known = ("day", "association", "first purchase", "customer since")
        return z3.Int(name if name in known else f"date of {name}")

    def possible(self, effort: Effort, *formulas: Any) -> bool:
        """Return whether the formulas can hold together; true also where nobody knows."""
        solver = z3.Solver()
        solver.add(*formulas)
        solver.add(*self.facts)
        return bool(effort.check(solver) != z3.unsat)


def unreachable(
    conditions: Sequence[str | None], effort: Effort | None = None
) -> list[tuple[int, list[int]]]:
    """Find conditions, tried from the top, that can never be the first to hold.

    None is the condition that always holds. Each comes with the earlier ones that leave it nothing.
    """
    world, asked = World(c for c in conditions if c), effort or Effort()
    formulas = [world.formula(json.loads(c)) if c else z3.BoolVal(True) for c in conditions]
    found = []
    for number, formula in enumerate(formulas):
        if not world.possible(asked, formula, *[z3.Not(f) for f in formulas[:number]]):
            in_way = [n for n in range(number) if world.possible(asked, formula, formulas[n])]
            found.append((number, in_way))
    return found


def together(one: str | None, other: str | None, effort: Effort | None = None) -> bool:
    """Return whether two conditions can hold at once."""
    world = World(c for c in (one, other) if c)
    formulas = [world.formula(json.loads(c)) for c in (one, other) if c]
    return world.possible(effort or Effort(), *formulas)


def labels_dated(trees: Iterable[str]) -> set[str]:
    """Return the labels, perhaps with a prefix, whose first days conditions read."""
    return {
        name
        for tree in trees
        for node in walk(json.loads(tree))
        if node[0] in DATED
        for name in labels_of_dates(node)
    }


def labels_read(trees: Iterable[str]) -> set[str]:
    """Labels and other free names (not columns, numbers, dates) that conditions read.

    They are what somebody can enter otherwise.
    """
    return {
        name if what == "label" else f"{what}.{name}"
        for tree in trees
        for what, name in reads(json.loads(tree))
        if what in ("label", "closing", "payee", "previous", "link")
    }
