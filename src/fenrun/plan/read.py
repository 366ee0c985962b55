"""From the text of a plan to its rows. Every problem is found at once and placed on its line."""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any, get_args

import yaml
from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from fenrun.base.ids import digest
from fenrun.base.money import decimals, parse_amount, parse_rate, show_rate
from fenrun.base.nodes import compose
from fenrun.base.problem import Place, Problem, Refused
from fenrun.base.when import LONG_AGO, OPEN_END
from fenrun.charges.rows import ORDER
from fenrun.plan.check import clauses as checks
from fenrun.plan.conditions import ConditionError, parse
from fenrun.plan.rows import (
    ROW_TYPES,
    Band,
    Column,
    Component,
    Condition,
    CreditClause,
    CreditRole,
    Exclusion,
    Form,
    Gate,
    Group,
    Instalment,
    Less,
    Pay,
    Plan,
    RollUp,
    Rule,
    Terms,
)
from fenrun.plan.text import (
    BandText,
    CapText,
    EarnText,
    GroupText,
    PlanText,
    TableText,
    Title,
    months_of,
    subject_of,
)

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
        raise Refused(
            [
                Problem(
                    "file-unreadable",
                    Place(path.name),
                    {"detail": error.strerror or "cannot be opened"},
                )
            ]
        ) from error
    return read_plan(content, path.name)


def read_plan(content: str, source: str) -> PlanFile:
    """Read a plan's text. Raises Refused with every problem, sorted by line."""
    data, lines, problems = _yaml(content, source)
    try:
        text = PlanText.model_validate(data)
    except ValidationError as error:
        raise Refused(
            problems + [_problem(detail, data, lines, source) for detail in error.errors()]
        ) from error
    compiling = _Compiling(text, source, lines, content)
    plan = compiling.plan()
    compiling.check_names(plan)
    problems += compiling.problems + checks.find(plan, source)
    if problems:
        raise Refused(problems)
    return PlanFile(plan, text, source, content, lines)


def _yaml(content: str, source: str) -> tuple[Any, dict[Path_, int], list[Problem]]:
    """Plain data whose scalars are all text, and the line of every path. Raises Refused where it is not YAML."""
    try:
        node = compose(content)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        detail = getattr(error, "problem", None) or str(error).splitlines()[0]
        raise Refused(
            [Problem("plan-text", Place(source, mark.line + 1 if mark else 1), {"detail": detail})]
        ) from error
    if not isinstance(node, yaml.MappingNode):
        raise Refused(
            [Problem("plan-text", Place(source, 1), {"detail": "a plan is a mapping of keys"})]
        )
    lines: dict[Path_, int] = {}
    problems: list[Problem] = []
    return _plain(node, (), lines, problems, source, frozenset()), lines, problems


def _plain(
    node: yaml.Node,
    path: Path_,
    lines: dict[Path_, int],
    problems: list[Problem],
    source: str,
    above: frozenset[int],
) -> Any:
    lines.setdefault(path, node.start_mark.line + 1)
    if id(node) in above or len(above) > 30:
        raise Refused(
            [
                Problem(
                    "plan-text",
                    Place(source, node.start_mark.line + 1),
                    {"detail": "an alias holds itself"},
                )
            ]
        )
    above = above | {id(node)}
    if isinstance(node, yaml.SequenceNode):
        return [
            _plain(item, (*path, number), lines, problems, source, above)
            for number, item in enumerate(node.value)
        ]
    if isinstance(node, yaml.MappingNode):
        found: dict[str, Any] = {}
        shared: dict[str, Any] = {}
        for key, value in node.value:
            if key.tag == "tag:yaml.org,2002:merge" and isinstance(value, yaml.MappingNode):
                shared |= _plain(value, path, lines, problems, source, above)
                continue
            name, line = (
                str(key.value) if isinstance(key, yaml.ScalarNode) else "?",
                key.start_mark.line + 1,
            )
            if name in found:
                problems.append(
                    Problem(
                        "plan-key",
                        Place(source, line, name),
                        {"detail": f"the key {name!r} stands here twice", "known": name},
                        (Place(source, lines[(*path, name)], name),),
                    )
                )
                continue
            lines[(*path, name)] = line
            found[name] = _plain(value, (*path, name), lines, problems, source, above)
        return shared | found
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
            return Problem(
                "plan-key",
                place,
                {"detail": f"the key {key!r} is missing", "known": ", ".join(known)},
            )
        close = difflib.get_close_matches(key, known, 1)
        hint = f"; did you mean {close[0]!r}?" if close else ""
        return Problem(
            "plan-key",
            place,
            {"detail": f"the key {key!r} is not known here{hint}", "known": ", ".join(known)},
        )
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
        if (isinstance(here, dict) and part in here) or (
            isinstance(here, list) and isinstance(part, int) and part < len(here)
        ):
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
                model = next(
                    (a for a in inner if isinstance(a, type) and issubclass(a, BaseModel)),
                    inner[-1],
                )
    return (
        [f.alias or n for n, f in model.model_fields.items()]
        if isinstance(model, type) and issubclass(model, BaseModel)
        else []
    )


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
    gates: list[Gate] = field(default_factory=list)
    less: list[Less] = field(default_factory=list)
    columns: list[Column] = field(default_factory=list)

    def plan(self) -> Plan:
        clauses, roles, roll_ups = self._credit()
        exclusions = self._exclusions()
        groups, components = self._earn()
        bands = [
            band
            for name, versions in self.text.tables.items()
            for band in self._table(name, versions)
        ]
        pay, instalments, forms = self._pay()
        rows = Plan(
            (self._terms(),),
            tuple(self.rules),
            tuple(self.conditions),
            tuple(clauses),
            tuple(roles),
            tuple(roll_ups),
            tuple(exclusions),
            tuple(components),
            tuple(groups),
            tuple(self.gates),
            tuple(self.less),
            tuple(self.columns),
            tuple(bands),
            tuple(pay),
            tuple(instalments),
            tuple(forms),
        )
        money, words = digests(rows)
        return replace(rows, terms=(replace(rows.terms[0], money=money, words=words),))

    def _terms(self) -> Terms:
        text, limits = self.text, self.text.limits
        en, zh = _title(text.title, text.plan)
        as_of = []
        for number, item in enumerate(text.as_of):
            as_of.append([self._tree(("as of", number, "when"), item.when, "charge"), item.day])
        return Terms(
            text.plan,
            en,
            zh,
            text.source,
            text.published,
            text.effective.start,
            text.effective.end,
            text.currency,
            text.timezone,
            text.year_starts,
            text.basis,
            json.dumps(as_of),
            Decimal(1).scaleb(-text.rounding[1]),
            10 ** text.rounding[1],
            text.rounding[0],
            limits.registration_lives or 0 if limits else 0,
            limits.open_registrations or 0 if limits else 0,
            limits.unbinding or 0 if limits else 0,
            limits.consent_within or 0 if limits else 0,
            text.mixed_bases or "",
            "",
            "",
        )

    def _rule(
        self,
        path: Path_,
        rule_id: str,
        kind: str,
        title: Title | None,
        source: str | None,
        words: str,
    ) -> str:
        line = self.lines[path]
        twin = next((r for r in self.rules if r.rule_id == rule_id), None)
        if twin:
            self.problems.append(
                Problem(
                    "plan-id-twice",
                    Place(self.source, twin.line, "id"),
                    {"id": rule_id},
                    (Place(self.source, line, "id"),),
                )
            )
        en, zh = _title(title, rule_id)
        self.rules.append(
            Rule(self.text.plan, rule_id, kind, en, zh, source or self.text.source, words, line)
        )
        return rule_id

    def _tree(self, path: Path_, text: str | None, about: str) -> Any:
        """The condition's tree; None where there is none, or a problem."""
        if text is None:
            return None
        try:
            return parse(text, about)
        except ConditionError as error:
            code = "plan-name" if error.known else "plan-condition"
            values = {
                "near": error.near,
                "name": error.near,
                "detail": error.detail,
                "known": error.known,
            }
            self.problems.append(
                Problem(code, Place(self.source, self.lines[path], str(path[-1])), values)
            )
            return None

    def _condition(self, path: Path_, rule_id: str, text: str | None, about: str) -> None:
        tree = self._tree(path, text, about)
        if tree is not None:
            self.conditions.append(
                Condition(self.text.plan, rule_id, about, json.dumps(tree, ensure_ascii=False))
            )

    def _sub_rule(
        self,
        path: Path_,
        owner: str,
        name: str,
        kind: str,
        text: str | None,
        about: str,
        source: str | None = None,
    ) -> str:
        """A rule of its own for a condition inside a clause; empty where there is none."""
        if not text:
            return ""
        rule = self._rule(path, f"{owner}.{name}", kind, None, source, text)
        self._condition(path, rule, text, about)
        return rule

    def _credit(self) -> tuple[list[CreditClause], list[CreditRole], list[RollUp]]:
        clauses, roles, roll_ups = [], [], []
        for rank, item in enumerate(self.text.credit.first_match):
            path = ("credit", "first match", rank)
            words = f"{item.mode}: {', '.join(item.roles)}" + (
                f" when {item.when}" if item.when else ""
            )
            rule = self._rule(path, item.id, "credit", item.title, item.source, words)
            self._condition((*path, "when"), rule, item.when, "customer")
            while_rule = self._sub_rule(
                (*path, "while"), rule, "while", "while", item.while_, "credit", item.source
            )
            clauses.append(CreditClause(self.text.plan, rule, rank, item.mode, while_rule))
            roles += [
                CreditRole(self.text.plan, rule, role, number)
                for number, role in enumerate(dict.fromkeys(item.roles))
            ]
            edges = list(dict.fromkeys((up.role, up.to) for up in item.roll_up))
            roll_ups += [RollUp(self.text.plan, rule, role, to) for role, to in edges]
            reached = set(item.roles)
            for up in item.roll_up:
                if up.role not in reached:
                    self._unknown(
                        (*path, "roll up"),
                        up.role,
                        "it is not among this clause's roles, nor rolled up to before",
                        sorted(reached),
                    )
                if up.to in reached:
                    self._unknown(
                        (*path, "roll up"),
                        up.to,
                        "it is credited in this clause already",
                        sorted(reached),
                    )
                reached.add(up.to)
        return clauses, roles, roll_ups

    def _exclusions(self) -> list[Exclusion]:
        found = []
        components = [c.id for _, c, _ in self._items()]
        for rank, item in enumerate(self.text.exclude):
            path = ("exclude", rank)
            rule = self._rule(path, item.id, "exclude", item.title, item.source, item.when)
            self._condition((*path, "when"), rule, item.when, "credit")
            for component in item.applies_to or [""]:
                if component and component not in components:
                    self._unknown(
                        (*path, "applies to"),
                        component,
                        "it is no component of this plan",
                        components,
                    )
                found.append(
                    Exclusion(
                        self.text.plan,
                        rule,
                        rank,
                        component,
                        item.since or LONG_AGO,
                        item.until or OPEN_END,
                    )
                )
        return found

    def _items(self) -> Iterator[tuple[Path_, EarnText, GroupText | None]]:
        """Every component with its path, and the group it stands in."""
        for number, item in enumerate(self.text.earn.sum if self.text.earn else []):
            path: Path_ = ("earn", "sum", number)
            if isinstance(item, EarnText):
                yield path, item, None
            else:
                for kind, members in _members(item):
                    for index, member in enumerate(members):
                        yield (*path, kind, index), member, item

    def _earn(self) -> tuple[list[Group], list[Component]]:
        groups, components = [], []
        for number, item in enumerate(self.text.earn.sum if self.text.earn else []):
            if isinstance(item, GroupText):
                groups.append(self._group(("earn", "sum", number), 1000 + number, item))
        for rank, (path, item, group) in enumerate(self._items()):
            components.append(self._component(path, rank, item, group.id if group else ""))
        return groups, components

    def _group(self, path: Path_, rank: int, item: GroupText) -> Group:
        given = [(kind, members) for kind, members in _members(item) if members]
        if len(given) != 1:
            self._key(
                path,
                "sum",
                f"{item.id} needs exactly one list of components: sum, max, first match or exclusive",
            )
        kind, members = given[0] if given else ("sum", [])
        rule = self._rule(
            path,
            item.id,
            "group",
            item.title,
            item.source,
            f"{kind}: {', '.join(m.id for m in members)}",
        )
        if len({m.per for m in members}) > 1:
            self._value(
                path,
                kind,
                "its components have different periods, so that their pay cannot be compared or capped together",
            )
        per = item.per or (members[0].per if members else "month")
        if members and months_of(per) % months_of(members[0].per):
            self._value(
                (*path, "per"), "per", f"a {per} does not hold whole periods of its components"
            )
        cap = item.cap
        if cap and cap.of and cap.of not in [m.id for m in members]:
            self._unknown(
                (*path, "cap"), cap.of, "it is no component of this group", [m.id for m in members]
            )
        self._finest((*path, "cap"), cap)
        return Group(
            self.text.plan,
            rule,
            rank,
            kind,
            self._calendar(per),
            cap.amount if cap else None,
            cap.rate if cap else None,
            cap.of if cap else "",
        )

    def _component(self, path: Path_, rank: int, item: EarnText, group: str) -> Component:
        words = f"{item.per}, {item.pays}: " + (
            f"{item.table} on {item.on} by {item.by}" if item.table else f"{item.on}"
        )
        rule = self._rule(path, item.id, "earn", item.title, item.source, words)
        payee_rule = self._sub_rule(
            (*path, "who"), item.id, "who", "payee", item.who, "party", item.source
        )
        measure_rule = self._sub_rule(
            (*path, "of"), item.id, "of", "measure", item.of, "credit", item.source
        )
        base, claw = item.baseline, item.clawback
        baseline_rule = self._sub_rule(
            (*path, "baseline", "when"),
            item.id,
            "baseline",
            "baseline",
            base.when if base else None,
            "credit",
            item.source,
        )
        clawback_rule = self._sub_rule(
            (*path, "clawback", "when"),
            item.id,
            "clawback",
            "clawback",
            claw.when if claw else None,
            "party",
            item.source,
        )
        self._needed(path, item)
        self._finest((*path, "cap"), item.cap)
        if item.cap and item.cap.of not in ("", "amount"):
            self._value(
                (*path, "cap"),
                "cap",
                f"{item.cap.of!r}: a component's ceiling is an amount, or a rate of amount",
            )
        self._linked(path, item)
        on, by = subject_of(item.on.removesuffix(" below")), subject_of(item.by or "")
        target, compare = _figure_of(item.target), subject_of(item.compare or "")
        times_table, _, times_words = (item.times or "").partition(" by ")
        times = subject_of(times_words)
        kind, _, floor = item.counts.partition(" from ")
        return Component(
            self.text.plan,
            rule,
            rank,
            group,
            item.pays,
            item.basis or self.text.basis,
            item.per,
            self._calendar(item.per),
            ORDER if item.each == "order" else item.each,
            kind,
            parse_amount(floor) if floor else None,
            item.up_to,
            measure_rule,
            *on,
            *by,
            *target,
            *compare,
            item.portion,
            base.figure if base else "",
            self._calendar(base.per) if base else "",
            item.cap.amount if item.cap else None,
            item.cap.rate if item.cap else None,
            item.table or "",
            times_table,
            *times,
            payee_rule,
            baseline_rule,
            clawback_rule,
            claw.within if claw else 0,
        )

    def _calendar(self, per: str) -> str:
        return f"{months_of(per)}@{self.text.year_starts}"

    def _linked(self, path: Path_, item: EarnText) -> None:
        """Gates, and the other components that this one names."""
        plan, others = self.text.plan, {c.id: c for _, c, _ in self._items() if c.id != item.id}
        for number, gate in enumerate(item.gates):
            at = (*path, "gates", number)
            self.gates.append(
                Gate(
                    plan,
                    item.id,
                    number,
                    gate.subject,
                    gate.name,
                    gate.of,
                    gate.lower,
                    gate.lower_in,
                    gate.upper,
                    gate.upper_in,
                    gate.words,
                    self.lines[at],
                )
            )
            if (
                gate.ratio != (gate.subject in ("attainment", "growth"))
                and gate.subject != "figure"
            ):
                self._value(
                    at,
                    "gates",
                    f"{gate.words!r}: {gate.subject} is {'a percentage' if not gate.ratio else 'an amount'}",
                )
            if gate.subject == "earned":
                self._other((*path, "gates", number), gate.name, item, others)
        for number, other in enumerate(item.less):
            self.less.append(Less(plan, item.id, other))
            self._other((*path, "less", number), other, item, others)
        if item.on.startswith("earned "):
            self._other((*path, "on"), item.on.split()[1], item, others)

    def _other(self, path: Path_, name: str, item: EarnText, others: dict[str, EarnText]) -> None:
        other = others.get(name)
        if other is None:
            self._unknown(path, name, "it is no other component of this plan", list(others))
        elif (
            other.less
            or any(g.subject == "earned" for g in other.gates)
            or other.on.startswith("earned ")
        ):
            self._value(
                path,
                str(path[-1]),
                f"{name} itself depends on what is earned with another component; only one step is allowed",
            )
        elif months_of(item.per) % months_of(other.per):
            self._value(path, str(path[-1]), f"a {item.per} does not hold whole periods of {name}")

    def _needed(self, path: Path_, item: EarnText) -> None:
        """Keys that another key makes necessary, or impossible."""
        subjects = {
            subject_of(item.by or "")[0],
            subject_of((item.times or "").partition(" by ")[2])[0],
            *(g.subject for g in item.gates),
        }
        needs = [
            ("target", item.target, "attainment" in subjects),
            (
                "compare",
                item.compare,
                bool({"increment", "growth"} & subjects) or item.on == "increment",
            ),
            ("table", item.table, not item.on.startswith("earned ")),
            ("by", item.by, not item.on.startswith("earned ")),
        ]
        for key, value, why in needs:
            if why and not value:
                self._key(path, key, f"the key {key!r} is missing: {item.id} needs it")
        if item.on.startswith("earned "):
            for key in (
                "who",
                "of",
                "by",
                "table",
                "target",
                "compare",
                "baseline",
                "up_to",
                "times",
                "clawback",
            ):
                if getattr(item, key) is not None:
                    self._value(
                        path,
                        key.replace("_", " "),
                        f"{item.id} is paid on what others earned, so it measures nothing",
                    )
        of_customer = [
            w
            for w in (
                item.on,
                item.by,
                item.target,
                item.compare,
                item.times,
                *(g.words for g in item.gates),
            )
            if w and " of customer" in w
        ]
        if item.each != "customer" and (of_customer or item.clawback):
            self._value(
                path,
                "each",
                f"{item.id} reads a customer's {'figure' if of_customer else 'loss'}, which needs each: customer",
            )
        if item.counts != "amount" and (
            item.each != "payee" or item.baseline or (item.up_to and item.compare)
        ):
            self._value(
                path,
                "counts",
                f"{item.id} counts customers, which goes with each: payee and without a baseline",
            )
        if item.counts != "amount" and any(
            v.columns for v in self.text.tables.get(item.table or "", [])
        ):
            self._value(
                (*path, "table"),
                "table",
                f"{item.id} counts customers, so its table cannot have columns",
            )

    def _pay(self) -> tuple[list[Pay], list[Instalment], list[Form]]:
        plan, item = self.text.plan, self.text.pay
        if item is None:
            return [], [], []
        parts = [
            f"{key}: {getattr(item, key)}"
            for key in ("draw", "minimum", "expires", "frozen")
            if getattr(item, key) is not None
        ]
        rule = self._rule(("pay",), "pay", "pay", item.title, None, "; ".join(parts) or "pay")
        freeze = self._sub_rule(("pay", "frozen"), "pay", "frozen", "freeze", item.frozen, "party")
        if freeze:
            for path, component, _ in self._items():
                if component.each != "customer" and not component.on.startswith("earned "):
                    self._value(
                        (*path, "each") if (*path, "each") in self.lines else path,
                        "each",
                        f"{component.id} cannot be frozen by customer: pay / frozen needs each: customer",
                    )
        for key in ("instalments", "forms"):
            shares = sum((p.share for p in getattr(item, key)), Decimal(0))
            if getattr(item, key) and shares != 1:
                self._value(("pay", key), key, f"together they are {show_rate(shares)}, not 100 %")
        amount, _, kind = (item.draw or "").partition(" ")
        tax, included, added, figure = item.tax, Decimal(0), Decimal(0), ""
        if tax:
            included, figure = (
                tax.included,
                tax.added.removeprefix("figure ") if tax.added.startswith("figure ") else "",
            )
            try:
                added = Decimal(0) if figure else parse_rate(tax.added)
            except ValueError as error:
                self._value(("pay", "tax", "added"), "added", str(error))
        pay = Pay(
            plan,
            rule,
            parse_amount(amount) if amount else None,
            kind == "recoverable",
            item.minimum,
            item.expires or 0,
            freeze,
            included,
            added,
            figure,
        )
        instalments = [
            Instalment(plan, n, p.share, p.months) for n, p in enumerate(item.instalments)
        ]
        return (
            [pay],
            instalments,
            [
                Form(plan, n, p.form, p.share, p.floor, p.otherwise)
                for n, p in enumerate(item.forms)
            ],
        )

    def _table(self, name: str, versions: list[TableText]) -> list[Band]:
        path: Path_ = ("tables", name)
        said = [
            b.words for v in versions for b in (*v.bands, *(b for c in v.columns for b in c.bands))
        ]
        self._rule(
            path,
            f"tables.{name}",
            "table",
            name,
            "; ".join(dict.fromkeys(v.source for v in versions)),
            "; ".join(said),
        )
        order = sorted(
            range(len(versions)),
            key=lambda n: (versions[n].start, versions[n].published or self.text.published),
        )
        found = []
        for number, index in enumerate(order):
            version, published = versions[index], versions[index].published or self.text.published
            later = [versions[n] for n in order[number + 1 :]]
            if later and (later[0].start, later[0].published or self.text.published) == (
                version.start,
                published,
            ):
                places = [
                    Place(self.source, self.lines[(*path, n, "from")], "from")
                    for n in sorted((index, order[number + 1]))
                ]
                self.problems.append(
                    Problem(
                        "table-dates",
                        places[0],
                        {"table": name, "day": version.start},
                        (places[1],),
                    )
                )
            end = min((v.start for v in later), default=OPEN_END)
            if bool(version.bands) == bool(version.columns):
                self._key(
                    (*path, index), "bands", f"a version of {name} has either bands or columns"
                )
            for column_no, (at, when, bands) in enumerate(self._columns((*path, index), version)):
                if version.columns:
                    rule = self._rule(
                        at,
                        f"tables.{name}.{version.start}.{published}.{column_no + 1}",
                        "column",
                        None,
                        version.source,
                        when or "else",
                    )
                    self._condition((*at, "when"), rule, when, "credit")
                    self.columns.append(
                        Column(self.text.plan, name, version.start, published, column_no + 1, rule)
                    )
                found += self._bands(
                    at,
                    name,
                    version,
                    (end, published, column_no + 1 if version.columns else 0),
                    bands,
                )
        return found

    @staticmethod
    def _columns(path: Path_, version: TableText) -> list[tuple[Path_, str | None, list[BandText]]]:
        if version.columns:
            return [((*path, "columns", n), c.when, c.bands) for n, c in enumerate(version.columns)]
        return [(path, None, version.bands)]

    def _bands(
        self,
        at: Path_,
        name: str,
        version: TableText,
        stamp: tuple[date, date, int],
        bands: list[BandText],
    ) -> list[Band]:
        found, line_of = [], [self.lines[(*at, "bands", n)] for n in range(len(bands))]
        interpolated = version.kind == "interpolated"
        for number, b in enumerate(bands):
            if b.point != interpolated:
                self._value(
                    (*at, "bands", number),
                    "bands",
                    f"{b.words!r}: an interpolated table has points, such as: at 80 % pays 2 %"
                    if interpolated
                    else f"{b.words!r} is a point, which needs kind: interpolated",
                )
                return []
        if interpolated:
            order = sorted(range(len(bands)), key=lambda n: bands[n].lower or Decimal(0))
            bands, line_of = [bands[n] for n in order], [line_of[n] for n in order]
        for band_no, b in enumerate(bands):
            after = bands[band_no + 1] if interpolated and band_no + 1 < len(bands) else None
            upper, rate_to = (
                (after.lower, after.rate) if after else (b.upper, b.rate if interpolated else None)
            )
            if after and after.lower == b.lower:
                self._value((*at, "bands"), "bands", f"two points stand at {b.words!r}")
            found.append(
                Band(
                    self.text.plan,
                    name,
                    version.start,
                    stamp[0],
                    stamp[1],
                    stamp[2],
                    version.kind,
                    band_no,
                    b.lower,
                    b.lower_in,
                    upper,
                    b.upper_in,
                    bool(b.ratio),
                    b.rate,
                    rate_to,
                    b.flat,
                    b.words,
                    version.lowers or "",
                    line_of[band_no],
                )
            )
        return found

    def check_names(self, plan: Plan) -> None:
        """Tables that components name."""
        for path, item, _ in self._items():
            for key, table in (
                ("table", item.table),
                ("times", (item.times or "").partition(" by ")[0]),
            ):
                if table and table not in self.text.tables:
                    self._unknown(
                        (*path, key), table, "it is no table of this plan", list(self.text.tables)
                    )

    def _finest(self, path: Path_, cap: CapText | None) -> None:
        if cap and cap.amount is not None and decimals(cap.amount) > self.text.rounding[1]:
            self._value(path, "cap", f"{cap.amount} is finer than the rounding")

    def _value(self, path: Path_, key: str, detail: str) -> None:
        while path not in self.lines:
            path = path[:-1]
        self.problems.append(
            Problem(
                "plan-value",
                Place(self.source, self.lines[path], key),
                {"key": key, "detail": detail},
            )
        )

    def _key(self, path: Path_, key: str, detail: str) -> None:
        self.problems.append(
            Problem(
                "plan-key",
                Place(self.source, self.lines[path], key),
                {"detail": detail, "known": key},
            )
        )

    def _unknown(self, path: Path_, name: str, detail: str, known: list[str]) -> None:
        values = {
            "name": repr(name),
            "detail": detail[0].upper() + detail[1:],
            "known": ", ".join(difflib.get_close_matches(name, known, 1) or known) or "-",
        }
        self.problems.append(
            Problem("plan-name", Place(self.source, self.lines[path], str(path[-1])), values)
        )


def _members(item: GroupText) -> list[tuple[str, list[EarnText]]]:
    return [
        ("sum", item.sum),
        ("max", item.max),
        ("first match", item.first_match),
        ("exclusive", item.exclusive),
    ]


def _figure_of(words: str | None) -> tuple[str, str]:
    name, _, of = (words or "").partition(" of ")
    return name, of or "payee"


_SAID = {"title_en", "title_zh", "source", "words", "line", "mixed", "lowers", "consent_days"}


def digests(plan: Plan) -> tuple[str, str]:
    """One digest of all in a plan that decides about money, one of all that is only said: rewording a clause leaves the first as it is."""
    money, words = [], []
    for name in ROW_TYPES:
        for row in getattr(plan, name):
            fields_ = {k: str(v) for k, v in vars(row).items()}
            words.append([name, {k: v for k, v in fields_.items() if k in _SAID}])
            if name != "rules":
                money.append([name, {k: v for k, v in fields_.items() if k not in _SAID}])
    return digest(json.dumps(money, sort_keys=True)), digest(
        json.dumps(words, sort_keys=True, ensure_ascii=False)
    )


def plan_as_of(plan: Plan, known: date) -> Plan:
    """The plan with those versions of its tables that were published by a day, each in force until the next."""
    versions = sorted(
        {(b.table_id, b.valid_from, b.published) for b in plan.bands if b.published <= known}
    )
    last = {(table, start): published for table, start, published in versions}
    ends = {}
    for table, start in last:
        ends[table, start] = min((s for t, s in last if t == table and s > start), default=OPEN_END)
    bands = [
        replace(b, valid_to=ends[b.table_id, b.valid_from])
        for b in plan.bands
        if last.get((b.table_id, b.valid_from)) == b.published
    ]
    columns = [c for c in plan.columns if last.get((c.table_id, c.version)) == c.published]
    return replace(plan, bands=tuple(bands), columns=tuple(columns))
