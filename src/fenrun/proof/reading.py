"""Reading: what the clauses of a plan read of a payee's facts, and the clauses that pay it.

A bundle holds this and nothing else: what is not named here does not leave the workspace.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field
from typing import Any

import yaml

from fenrun.charges.rows import SHARED
from fenrun.credit.crediting import bases_of, costs_of, since_needed, unit_columns
from fenrun.plan.conditions import columns_of, labels_of_dates, reads
from fenrun.plan.read import PlanFile, read_plan
from fenrun.plan.rows import Component, Plan
from fenrun.plan.source import read_source
from fenrun.plan.vocabulary import BASES, EACH_DAY, GROUP_KINDS

_ALWAYS = {*SHARED, "BillingAccountId", "ChargePeriodStart", "ChargeClass"}
"""Columns that every settlement reads."""
_OF_EARNING = ("exclude", "tables", "earn", "pay", "cases")
"""The parts of a plan's text that are there for what is earned."""
_NOTHING_PAID = {"kind": "all units", "bands": ["from 0 pays 0 %"]}


@dataclass
class Reading:
    """Names of all that clauses read."""

    columns: set[str] = field(default_factory=lambda: set(_ALWAYS))
    """Columns of a charge."""
    customer_labels: set[str] = field(default_factory=set)
    unit_labels: set[str] = field(default_factory=set)
    """Labels of orders, invoices ... that something is earned for separately."""
    units: set[str] = field(default_factory=set)
    """The columns of a charge that name these."""
    credit_labels: set[str] = field(default_factory=set)
    """Labels of whoever is credited."""
    payee_labels: set[str] = field(default_factory=set)
    """Labels of whoever is paid."""
    customer_figures: set[str] = field(default_factory=set)
    payee_figures: set[str] = field(default_factory=set)
    held_roles: set[str] = field(default_factory=set)
    """Roles of a customer of which it is asked whether anybody holds them."""
    scope_roles: set[str] = field(default_factory=set)
    """Roles of which all who hold them have a line, also without a charge."""
    conversions: set[tuple[str, str]] = field(default_factory=set)
    """The currencies that are converted, each with what into."""
    paid_in: set[tuple[str, str]] = field(default_factory=set)
    """The currencies of plans, each with that in which it pays; empty: whichever."""
    types: bool = False
    """True if a condition reads the type of a link."""
    limits: bool = False
    """True if links can be refused because of other links of the same party."""

    def add(self, plan: Plan) -> None:
        """Take what the clauses of a plan read."""
        costs = BASES.values() if since_needed([plan]) else ()
        self.columns |= {*costs, *unit_columns([plan])}
        self.columns |= {name for basis in bases_of([plan]) for name in costs_of(basis)}
        for tree, column in json.loads(plan.terms[0].as_of):
            period = EACH_DAY.get(column)
            self.columns |= {f"{period}Start", f"{period}End"} if period else {column}
            self._add_condition(tree, self.customer_labels)
        self.units |= set(unit_columns([plan]))
        self.conversions |= {(currency, plan.currency) for currency in plan.converts}
        for condition in plan.conditions:
            tree = json.loads(condition.tree)
            if condition.about != "party":
                self._add_condition(tree, self.customer_labels)
                continue
            for labels in self._labels_of(plan, condition.rule_id):
                self._add_condition(tree, labels)
        for name, of in figures_of(plan):
            (self.customer_figures if of == "customer" else self.payee_figures).add(name)
        for component in plan.components:
            if component.scope == "holders":
                self.scope_roles.add(component.role)
            elif component.scope == "label":
                self.payee_labels.add(component.scope_name)
            if component.counted_label:
                self.unit_labels.add(component.counted_label)
            self.payee_labels |= {component.ranks_among, component.window_among} - {""}
        if plan.pays_in_another:
            self.paid_in |= {(plan.currency, pay.paid_in) for pay in plan.pay}
            self.payee_labels |= {pay.paid_in_label for pay in plan.pay} - {""}
        terms = plan.terms[0]
        self.limits |= bool(
            terms.registration_days
            or terms.open_registrations
            or terms.cooldown_months
            or terms.first_come
        )

    def _labels_of(self, plan: Plan, rule: str) -> Iterator[set[str]]:
        """Yield whose labels a condition on a party reads, and take what begins its window."""
        for c in plan.components:
            if rule == c.payee_rule:
                yield self.payee_labels
            elif rule in (c.clawback_rule, *(pay.freeze_rule for pay in plan.pay)):
                own = {"payee": self.payee_labels, "customer": self.customer_labels}
                labels = own.get(c.each, self.unit_labels)
                if rule == c.clawback_rule:
                    labels |= {c.clawback_label} - {""}
                yield labels

    def _add_condition(self, tree: Any, labels: set[str]) -> None:
        """Take what a condition reads; names without a prefix are of `labels`."""
        for what, name in reads(tree) if tree else ():
            if what == "column":
                self.columns.add(name)
            elif what == "number":
                kind, *words = json.loads(name)
                costs = (words[0], words[2]) if kind == "below" else ()
                self.columns |= {BASES[cost] for cost in costs} or {words[0]}
            elif what in ("charge date", "date", "link date"):
                self._add_dates(json.loads(name), labels)
            elif what == "held":
                self.held_roles.add(name)
            elif what == "payee":
                self.credit_labels.add(name)
            elif what == "closing":
                self.customer_labels.add(name)
            elif what == "label":
                labels.add(name)
            self.types |= what == "link"

    def _add_dates(self, node: Any, labels: set[str]) -> None:
        """Take the columns, and the labels whose first days, that compare dates."""
        self.columns |= columns_of(node)
        for name in labels_of_dates(node):
            prefix, _, label = name.rpartition(".")
            (self.credit_labels if prefix else labels).add(label)


def figures_of(plan: Plan) -> Iterable[tuple[str, str]]:
    """Yield the figures that a plan's clauses read, each with whose they are."""
    for component in plan.components:
        if component.pays_on == "figure":
            yield component.on_name, component.on_of
        for name in ("by", "times", "compare"):
            yield getattr(component, f"{name}_name"), getattr(component, f"{name}_of")
        if component.scope == "figure":
            yield component.scope_name, "payee"
        yield component.target, component.target_of
        yield component.baseline, "customer"
    for gate in plan.gates:
        yield gate.name, gate.of
    for pay in plan.pay:
        yield pay.tax_figure, "payee"
    for fund in plan.funds:
        yield fund.claims, "payee"


def is_override(component: Component) -> bool:
    """Return whether a component pays on what others earned: it rolls up pay."""
    return component.pays_on == "earned"


def plan_for(file: PlanFile, roles: Set[str], named: Sequence[str] = ()) -> PlanFile:
    """Return a plan with the earning clauses of some roles, and what these refer to.

    All crediting clauses stay. Of other tables only those stay that a text of `named` names as
    published, without rates. Worked examples go.
    """
    data = read_source(file.content, file.source).data
    kept = _kept_components(file.plan, roles)
    tables = {table for c in kept.values() for table in (c.table_id, c.times_table)}
    items = [_item_of(item, kept) for item in (data.get("earn") or {}).get("sum", ())]
    earned = [item for item in items if item]
    cut = {key: value for key, value in data.items() if key not in _OF_EARNING}
    said = {word for text in named for word in text.split(", ")}
    cut["tables"] = {
        table: versions if table in tables else [_without_rates(version) for version in versions]
        for table, versions in (data.get("tables") or {}).items()
        if table in tables or f"{file.plan.id}: {table}" in said
    }
    if earned:
        clauses = [_exclusion(clause, kept) for clause in data.get("exclude") or ()]
        cut["exclude"] = [clause for clause in clauses if clause]
        cut |= {"earn": {"sum": earned}}
        if "pay" in data:
            cut["pay"] = _pay_of(data["pay"], kept)
    text = yaml.safe_dump(cut, allow_unicode=True, sort_keys=False, width=100)
    return read_plan(text, file.source)


def _kept_components(plan: Plan, roles: Set[str]) -> dict[str, Component]:
    """Return the components that pay one of the roles, with all that these refer to, by id."""
    by_id = {component.rule_id: component for component in plan.components}
    refers = [(gate.component, gate.name) for gate in plan.gates if gate.subject == "earned"]
    refers += [(less.component, less.other) for less in plan.less]
    refers += [(c.rule_id, c.on_name) for c in plan.components if is_override(c)]
    ceilings = {group.rule_id: group.cap_of for group in plan.groups}
    refers += [(c.rule_id, ceilings.get(c.group_id, "")) for c in plan.components]
    members = {(c.group_id, c.rule_id) for c in plan.components}
    refers += [(one, c) for one, other in refers for group, c in members if group == other != ""]
    kept, new = set(), {key for key, component in by_id.items() if component.role in roles}
    while new:
        kept |= new
        new = {other for one, other in refers if one in kept and other in by_id} - kept
    return {key: component for key, component in by_id.items() if key in kept}


def _item_of(item: Mapping[str, Any], kept: Mapping[str, Component]) -> dict[str, Any] | None:
    """Return a component that is kept, or a group with those that are; None where none is."""
    kind = next((kind for kind in GROUP_KINDS if item.get(kind)), "")
    if not kind:
        return dict(item) if item["id"] in kept else None
    members = [member for member in item[kind] if member["id"] in kept]
    return {**item, kind: members} if members else None


def _pay_of(pay: Mapping[str, Any], kept: Mapping[str, Component]) -> dict[str, Any]:
    """Return the terms of payment; what is paid apart as far as its components are kept."""
    names = {"components": set(kept), "roles": {component.role for component in kept.values()}}
    apart = []
    for terms in pay.get("apart") or ():
        mine = {
            key: [one for one in terms[key] if one in known]
            for key, known in names.items()
            if terms.get(key)
        }
        if any(mine.values()):
            apart.append({**terms, **mine})
    return {**pay, "apart": apart} if "apart" in pay else dict(pay)


def _exclusion(clause: Mapping[str, Any], kept: Mapping[str, Component]) -> dict[str, Any] | None:
    """Return a clause that excludes credits, for the components that are kept."""
    if not clause.get("applies to"):
        return dict(clause)
    applies = [component for component in clause["applies to"] if component in kept]
    return {**clause, "applies to": applies} if applies else None


def _without_rates(version: Mapping[str, Any]) -> dict[str, Any]:
    """Return a version of a table that says when it was published, and pays nothing."""
    dates = {key: version[key] for key in ("from", "published") if key in version}
    return {**dates, "source": "-", **_NOTHING_PAID}
