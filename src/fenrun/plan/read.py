"""From the text of a plan to its rows. Every problem is found at once and placed on its line."""

from __future__ import annotations

import difflib
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any, get_args

import yaml
from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from fenrun.base.ids import digest
from fenrun.base.money import decimals
from fenrun.base.problem import Place, Problem, Refused
from fenrun.base.when import LONG_AGO, OPEN_END
from fenrun.plan import checks
from fenrun.plan.conditions import ConditionError, parse
from fenrun.plan.rows import Band, Component, Condition, CreditClause, CreditRole, Exclusion, Plan, RollUp, Rule, Terms
from fenrun.plan.text import EarnText, PlanText, TableText, Title

Path_ = tuple[Any, ...]


@dataclass(frozen=True)
class PlanFile:
    """A plan as read from text."""

    plan: Plan
    text: PlanText
    source: str
    """File name."""
    content: str
    """The text itself."""
    lines: dict[Path_, int]
    """Line of each key and item, by its path."""


def load_plan(path: Path | str) -> PlanFile:
    """Read a plan file. Raises Refused with every problem, sorted by line."""
    path = Path(path)
    try:
        content = path.read_text("utf-8-sig")
    except UnicodeDecodeError as error:
        raise Refused([Problem("file-encoding", Place(path.name, 1))]) from error
    except OSError as error:
        raise Refused([Problem("file-unreadable", Place(path.name), {"detail": error.strerror or "cannot be opened"})]) from error
    return read_plan(content, path.name)


def read_plan(content: str, source: str) -> PlanFile:
    """Read a plan's text. Raises Refused with every problem, sorted by line."""
    data, lines, problems = _yaml(content, source)
    try:
        text = PlanText.model_validate(data)
    except ValidationError as error:
        raise Refused(problems + [_problem(detail, data, lines, source) for detail in error.errors()]) from error
    compiling = _Compiling(text, source, lines, content)
    plan = compiling.plan()
    problems += compiling.problems + checks.find(plan, source)
    if problems:
        raise Refused(problems)
    return PlanFile(plan, text, source, content, lines)


def _yaml(content: str, source: str) -> tuple[Any, dict[Path_, int], list[Problem]]:
    """Plain data whose scalars are all text, and the line of every path. Raises Refused where it is not YAML."""
    try:
        node = yaml.compose(content, yaml.CSafeLoader)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        detail = getattr(error, "problem", None) or str(error).splitlines()[0]
        raise Refused([Problem("plan-text", Place(source, mark.line + 1 if mark else 1), {"detail": detail})]) from error
    if not isinstance(node, yaml.MappingNode):
        raise Refused([Problem("plan-text", Place(source, 1), {"detail": "a plan is a mapping of keys"})])
    lines: dict[Path_, int] = {}
    problems: list[Problem] = []
    return _plain(node, (), lines, problems, source, frozenset()), lines, problems


def _plain(node: yaml.Node, path: Path_, lines: dict[Path_, int], problems: list[Problem], source: str, above: frozenset[int]) -> Any:
    lines.setdefault(path, node.start_mark.line + 1)
    if id(node) in above or len(above) > 30:
        raise Refused([Problem("plan-text", Place(source, node.start_mark.line + 1), {"detail": "an alias holds itself"})])
    above = above | {id(node)}
    if isinstance(node, yaml.SequenceNode):
        return [_plain(item, (*path, number), lines, problems, source, above) for number, item in enumerate(node.value)]
    if isinstance(node, yaml.MappingNode):
        found: dict[str, Any] = {}
        for key, value in node.value:
            name, line = str(key.value) if isinstance(key, yaml.ScalarNode) else "?", key.start_mark.line + 1
            if name in found:
                problems.append(Problem("plan-key", Place(source, line, name), {"detail": f"the key {name!r} stands here twice", "known": name}, (Place(source, lines[(*path, name)], name),)))
                continue
            lines[(*path, name)] = line
            found[name] = _plain(value, (*path, name), lines, problems, source, above)
        return found
    return None if node.tag == "tag:yaml.org,2002:null" else node.value


def _problem(detail: ErrorDetails, data: Any, lines: dict[Path_, int], source: str) -> Problem:
    """A pydantic error as a located problem."""
    path = _written(detail["loc"], data)
    known_path = path
    while known_path not in lines:
        known_path = known_path[:-1]
    key = str(next((p for p in reversed(path) if isinstance(p, str)), ""))
    place = Place(source, lines[known_path], key)
    if detail["type"] in ("extra_forbidden", "missing"):
        known = _keys_at(path[:-1])
        if detail["type"] == "missing":
            return Problem("plan-key", place, {"detail": f"the key {key!r} is missing", "known": ", ".join(known)})
        close = difflib.get_close_matches(key, known, 1)
        hint = f"; did you mean {close[0]!r}?" if close else ""
        return Problem("plan-key", place, {"detail": f"the key {key!r} is not known here{hint}", "known": ", ".join(known)})
    said = detail["msg"].removeprefix("Value error, ")
    if detail["type"] == "string_pattern_mismatch":
        said = f"{detail['input']!r} does not have the form {detail['ctx']['pattern']}"
    elif detail["type"] == "literal_error":
        said = f"{detail['input']!r} is not {detail['ctx']['expected']}"
    return Problem("plan-value", place, {"key": key, "detail": said})


def _written(loc: Sequence[Any], data: Any) -> Path_:
    """The path of an error without pydantic's own steps (union members), kept to what is written."""
    path: list[Any] = []
    for number, part in enumerate(loc):
        here = data
        if (isinstance(here, dict) and part in here) or (isinstance(here, list) and isinstance(part, int) and part < len(here)):
            data = here[part]
            path.append(part)
        elif number == len(loc) - 1 and isinstance(here, dict):
            path.append(part)
    return tuple(path)


def _keys_at(path: Path_) -> list[str]:
    """The keys that the plan text allows at a path."""
    model: Any = PlanText
    for part in path:
        if isinstance(part, int):
            continue
        if isinstance(model, type) and issubclass(model, BaseModel):
            found = next((f for n, f in model.model_fields.items() if (f.alias or n) == part), None)
            model = found.annotation if found else None
            while get_args(model):
                inner = [a for a in get_args(model) if a is not type(None)]
                model = next((a for a in inner if isinstance(a, type) and issubclass(a, BaseModel)), inner[-1])
    return [f.alias or n for n, f in model.model_fields.items()] if isinstance(model, type) and issubclass(model, BaseModel) else []


def _title(title: Title | None, default: str) -> tuple[str, str]:
    if title is None or isinstance(title, str):
        return title or default, title or default
    return title.en, title.zh


@dataclass
class _Compiling:
    """A plan's text on its way to rows."""

    text: PlanText
    source: str
    lines: dict[Path_, int]
    content: str
    problems: list[Problem] = field(default_factory=list)
    rules: list[Rule] = field(default_factory=list)
    conditions: list[Condition] = field(default_factory=list)

    def plan(self) -> Plan:
        text = self.text
        en, zh = _title(text.title, text.plan)
        terms = Terms(text.plan, en, zh, text.source, text.published, text.effective.start, text.effective.end, text.currency, text.timezone,
                      text.basis, Decimal(1).scaleb(-text.rounding[1]), 10 ** text.rounding[1], text.rounding[0], digest(self.content))
        clauses, roles, roll_ups = self._credit()
        exclusions = self._exclusions()
        components = [self._component(number, item) for number, item in enumerate(text.earn.sum if text.earn else [])]
        bands = [band for name, versions in text.tables.items() for band in self._table(name, versions)]
        self._known_tables(components)
        return Plan((terms,), tuple(self.rules), tuple(self.conditions), tuple(clauses), tuple(roles), tuple(roll_ups), tuple(exclusions), tuple(components), tuple(bands))

    def _rule(self, path: Path_, rule_id: str, kind: str, title: Title | None, source: str | None, words: str) -> str:
        line = self.lines[path]
        twin = next((r for r in self.rules if r.rule_id == rule_id), None)
        if twin:
            self.problems.append(Problem("plan-id-twice", Place(self.source, twin.line, "id"), {"id": rule_id}, (Place(self.source, line, "id"),)))
        en, zh = _title(title, rule_id)
        self.rules.append(Rule(self.text.plan, rule_id, kind, en, zh, source or self.text.source, words, line))
        return rule_id

    def _condition(self, path: Path_, rule_id: str, text: str | None, payee: bool = False) -> None:
        if text is None:
            return
        try:
            tree = parse(text, payee)
        except ConditionError as error:
            code = "plan-name" if error.known else "plan-condition"
            values = {"near": error.near, "name": error.near, "detail": error.detail, "known": error.known}
            self.problems.append(Problem(code, Place(self.source, self.lines[path], str(path[-1])), values))
            return
        self.conditions.append(Condition(self.text.plan, rule_id, json.dumps(tree, ensure_ascii=False)))

    def _credit(self) -> tuple[list[CreditClause], list[CreditRole], list[RollUp]]:
        clauses, roles, roll_ups = [], [], []
        for rank, item in enumerate(self.text.credit.first_match):
            path = ("credit", "first match", rank)
            words = f"{item.mode}: {', '.join(item.roles)}" + (f" when {item.when}" if item.when else "")
            rule = self._rule(path, item.id, "credit", item.title, item.source, words)
            self._condition((*path, "when"), rule, item.when)
            clauses.append(CreditClause(self.text.plan, rule, rank, item.mode))
            roles += [CreditRole(self.text.plan, rule, role, number) for number, role in enumerate(dict.fromkeys(item.roles))]
            roll_ups += [RollUp(self.text.plan, rule, up.role, up.to) for up in item.roll_up]
            for up in item.roll_up:
                if up.role not in item.roles:
                    self._unknown((*path, "roll up"), up.role, "it is not among this clause's roles", item.roles)
        return clauses, roles, roll_ups

    def _exclusions(self) -> list[Exclusion]:
        found = []
        components = [c.id for c in self.text.earn.sum] if self.text.earn else []
        for rank, item in enumerate(self.text.exclude):
            path = ("exclude", rank)
            rule = self._rule(path, item.id, "exclude", item.title, item.source, item.when)
            self._condition((*path, "when"), rule, item.when)
            for component in item.applies_to or [""]:
                if component and component not in components:
                    self._unknown((*path, "applies to"), component, "it is no component of this plan", components)
                found.append(Exclusion(self.text.plan, rule, rank, component, item.since or LONG_AGO, item.until or OPEN_END))
        return found

    def _component(self, rank: int, item: EarnText) -> Component:
        path = ("earn", "sum", rank)
        words = f"{item.per}, {item.pays}: {item.table} on {item.on} by {item.by}"
        rule = self._rule(path, item.id, "earn", item.title, item.source, words)
        payee_rule = baseline_rule = ""
        if item.who:
            payee_rule = self._rule((*path, "who"), f"{item.id}.who", "payee", None, item.source, item.who)
            self._condition((*path, "who"), payee_rule, item.who, payee=True)
        if item.baseline and item.baseline.when:
            baseline_rule = self._rule((*path, "baseline"), f"{item.id}.baseline", "baseline", None, item.source, item.baseline.when)
            self._condition((*path, "baseline", "when"), baseline_rule, item.baseline.when)
        self._needed(path, item)
        if item.cap is not None and decimals(item.cap) > self.text.rounding[1]:
            self.problems.append(Problem("plan-value", Place(self.source, self.lines[(*path, "cap")], "cap"), {"key": "cap", "detail": f"{item.cap} is finer than the rounding"}))
        on, _, figure = item.on.partition(" ")
        compare = (item.compare or "").removeprefix("figure ")
        return Component(self.text.plan, rule, rank, item.pays, item.per, on, figure, item.by, item.target or "", compare, item.portion,
                         item.baseline.figure if item.baseline else "", item.baseline.per if item.baseline else "", item.cap, item.table, payee_rule, baseline_rule)

    def _needed(self, path: Path_, item: EarnText) -> None:
        """Keys that another key makes necessary."""
        for key, value, why in (("target", item.target, item.by == "attainment"), ("compare", item.compare, item.by in ("increment", "growth") or item.on == "increment")):
            if why and not value:
                self.problems.append(Problem("plan-key", Place(self.source, self.lines[path], key), {"detail": f"the key {key!r} is missing: {item.id} needs it", "known": key}))

    def _table(self, name: str, versions: list[TableText]) -> list[Band]:
        path: Path_ = ("tables", name)
        self._rule(path, f"tables.{name}", "table", name, "; ".join(dict.fromkeys(v.source for v in versions)), "; ".join(b.words for v in versions for b in v.bands))
        order = sorted(range(len(versions)), key=lambda n: versions[n].start)
        found = []
        for number, index in enumerate(order):
            version = versions[index]
            end = versions[order[number + 1]].start if number + 1 < len(order) else OPEN_END
            if end == version.start:
                places = [Place(self.source, self.lines[(*path, n, "from")], "from") for n in sorted((index, order[number + 1]))]
                self.problems.append(Problem("table-dates", places[0], {"table": name, "day": end}, (places[1],)))
            for band_no, b in enumerate(version.bands):
                line = self.lines[(*path, index, "bands", band_no)]
                found.append(Band(self.text.plan, name, version.start, end, version.kind, band_no, b.lower, b.lower_in, b.upper, b.upper_in, bool(b.ratio), b.rate, b.flat, b.words, line))
        return found

    def _known_tables(self, components: list[Component]) -> None:
        for number, component in enumerate(components):
            if component.table_id not in self.text.tables:
                self._unknown(("earn", "sum", number, "table"), component.table_id, "it is no table of this plan", list(self.text.tables))

    def _unknown(self, path: Path_, name: str, detail: str, known: list[str]) -> None:
        values = {"name": repr(name), "detail": detail[0].upper() + detail[1:], "known": ", ".join(difflib.get_close_matches(name, known, 1) or known) or "-"}
        self.problems.append(Problem("plan-name", Place(self.source, self.lines[path], str(path[-1])), values))
