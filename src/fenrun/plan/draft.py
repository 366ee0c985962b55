"""A plan on its way from text to rows: the rows that every clause adds to, and what is wrong."""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from fenrun.base.problem import Place, Problem
from fenrun.base.words import Message
from fenrun.plan.conditions import DATED, ConditionError, Tree, parse, walk
from fenrun.plan.rows import Condition, Rule
from fenrun.plan.source import Path_, Source
from fenrun.plan.text import EarnText, GroupText, PlanText, Title
from fenrun.plan.vocabulary import About, GroupKind, RuleKind


@dataclass
class Draft:
    """A plan's text with the rules and conditions that its clauses have made so far."""

    text: PlanText
    source: Source
    rules: list[Rule] = field(default_factory=list)
    conditions: list[Condition] = field(default_factory=list)

    @property
    def plan_id(self) -> str:
        """The plan's id, which every row carries."""
        return self.text.plan

    @property
    def problems(self) -> list[Problem]:
        """The problems found so far."""
        return self.source.problems

    def rule(
        self,
        path: Path_,
        rule_id: str,
        kind: RuleKind,
        words: str,
        title: Title | None = None,
        source: str | None = None,
    ) -> str:
        """Add a clause. Returns its id."""
        line = self.source.line(path)
        twin = next((r for r in self.rules if r.rule_id == rule_id), None)
        if twin:
            places = [Place(self.source.name, n, "id") for n in (twin.line, line)]
            self.problems.append(Problem("plan-id-twice", places[0], {"id": rule_id}, (places[1],)))
        en, zh = titles(title, rule_id)
        agreed = source or self.text.source
        self.rules.append(Rule(self.plan_id, rule_id, kind, en, zh, agreed, words, line))
        return rule_id

    def sub_rule(
        self,
        path: Path_,
        rule_id: str,
        kind: RuleKind,
        condition: str | None,
        about: About,
        source: str | None = None,
    ) -> str:
        """Add a clause for a condition inside another. Returns its id; empty without condition."""
        if not condition:
            return ""
        self.rule(path, rule_id, kind, condition, source=source)
        self.condition(path, rule_id, condition, about)
        return rule_id

    def condition(self, path: Path_, rule_id: str, text: str | None, about: About) -> None:
        """Add a clause's condition, if it has one."""
        tree = self.tree(path, text, about)
        if tree is not None:
            said = json.dumps(tree, ensure_ascii=False)
            self.conditions.append(Condition(self.plan_id, rule_id, about, said))

    def tree(self, path: Path_, text: str | None, about: About) -> Tree | None:
        """Return a condition's tree; None where there is none, or what is wrong was noted."""
        if text is None:
            return None
        try:
            return parse(text, about)
        except ConditionError as error:
            code = "plan-name" if error.known else "plan-condition"
            values = {
                "near": error.near,
                "name": error.near,
                "detail": error.message,
                "known": error.known,
            }
            self.problems.append(Problem(code, self.source.place(path), values))
            return None

    def refuse_days(self, path: Path_, rule_id: str) -> None:
        """Note that a condition on a party compares days, where labels alone begin what it says."""
        trees = [json.loads(c.tree) for c in self.conditions if c.rule_id == rule_id]
        if any(node[0] in DATED for tree in trees for node in walk(tree)):
            self.wrong_value(path, "labels-alone")

    def components(self) -> Iterator[tuple[Path_, EarnText, GroupText | None]]:
        """Yield every component with its path, and the group it stands in."""
        for number, item in enumerate(self.text.earn.sum if self.text.earn else []):
            path: Path_ = ("earn", "sum", number)
            if isinstance(item, EarnText):
                yield path, item, None
                continue
            for kind, members in members_of(item):
                for index, member in enumerate(members):
                    yield (*path, kind, index), member, item

    def wrong_value(self, path: Path_, why: str, key: str = "", **values: Any) -> None:
        """Note that a key's value cannot be. `key`: the last of the path where none is given."""
        place = self.source.place(path, key)
        detail = Message(why, values)
        self.problems.append(Problem("plan-value", place, {"key": place.column, "detail": detail}))

    def wrong_key(self, path: Path_, key: str, why: str, **values: Any) -> None:
        """Note that a key is missing, or is one too many."""
        said = {"detail": Message(why, values), "known": key}
        self.problems.append(Problem("plan-key", self.source.place(path, key), said))

    def unknown_name(
        self, path: Path_, name: str, why: str, known: Sequence[str], **values: Any
    ) -> None:
        """Note that a name is none of those known."""
        close = difflib.get_close_matches(name, known, 1) or known
        said = {
            "name": repr(name),
            "detail": Message(why, values),
            "known": ", ".join(close) or "-",
        }
        self.problems.append(Problem("plan-name", self.source.place(path), said))


def titles(title: Title | None, default: str) -> tuple[str, str]:
    """Return a title in English and Chinese; `default` where there is none."""
    if title is None or isinstance(title, str):
        return title or default, title or default
    return title.en, title.zh


def members_of(group: GroupText) -> list[tuple[GroupKind, list[EarnText]]]:
    """Return a group's four lists, of which one is given."""
    return [
        ("sum", group.sum),
        ("max", group.max),
        ("first match", group.first_match),
        ("exclusive", group.exclusive),
    ]
