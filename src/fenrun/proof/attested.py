"""Attested rows: those of a statement that rest on the sales of others, by the clause that says so.

Such a row cannot be derived from the payee's own facts. Any other row must be.
"""

from __future__ import annotations

import json
from collections.abc import Sequence, Set
from typing import Any

from fenrun.base.ids import digest
from fenrun.closing.sign_off import Rows
from fenrun.plan.conditions import DATED, Tree, walk
from fenrun.plan.rows import Component, Plan
from fenrun.plan.vocabulary import SPEND
from fenrun.proof.reading import is_override

Attested = list[dict[str, str]]
"""Rows that rest on others: `row` as `differing` names it, and the plan's `clause`."""
_OF_OTHERS = {"first purchase", "customer since"}
"""Dates of all charges of a customer, whoever is credited for them."""


def differing(rows: Rows, derived: Rows, plans: Sequence[Plan]) -> Attested:
    """Return the rows that differ between a statement and what the facts give.

    Its `row` is `table:number` where the facts do not give it, `table+digest` where they give it
    besides; each as often as it is so. Its `clause` is the one by which it rests on others; empty
    where none does.
    """
    found = []
    for name in sorted({*rows, *derived}):
        left = list(derived.get(name, []))
        texts = [short_digest(row) for row in left]
        for number, row in enumerate(rows.get(name, []), 1):
            text = short_digest(row)
            if text in texts:
                place = texts.index(text)
                del left[place], texts[place]
            else:
                clause = clause_of(name, row, plans)
                found.append({"row": f"{name}:{number}", "clause": clause})
        for text, row in sorted(zip(texts, left), key=lambda pair: pair[0]):
            found.append({"row": f"{name}+{text}", "clause": clause_of(name, row, plans)})
    return found


def short_digest(row: Any) -> str:
    """Return a short digest of a row."""
    return digest(row)[:16]


def clause_of(table: str, row: dict[str, Any], plans: Sequence[Plan]) -> str:
    """Return the clause by which a row rests on others, as `plan/clause`; nothing where none does.

    What is credited rests on crediting clauses; what a component earns on these and its own; what
    is paid on all of them.
    """
    for plan in plans:
        if plan.id != row["plan_id"]:
            continue
        components = _components(plan)
        if table == "credits":
            components = {}
        elif table == "lines" or row.get("what") == "earned":
            components = {c: rule for c, rule in components.items() if c == row["component"]}
        clause = next(iter([*_of_crediting(plan), *components.values()]), "")
        if clause:
            return f"{plan.id}/{clause}"
    return ""


def _of_crediting(plan: Plan) -> list[str]:
    """Return the clauses by which a credit rests on others' links, or on charges of others."""
    clauses = {rule for one in plan.credit_clauses for rule in (one.rule_id, one.while_rule)}
    found = [rule for rule in _asking_others(plan) if rule in clauses]
    terms = plan.terms[0]
    if terms.open_registrations or terms.cooldown_months or terms.first_come:
        found.append("limits")
    return found


def _asking_others(plan: Plan) -> list[str]:
    """Return the clauses with a condition that reads what is not the payee's own."""
    return [c.rule_id for c in plan.conditions if _asks_others(json.loads(c.tree))]


def _asks_others(tree: Tree) -> bool:
    return any(_is_of_others(node) for node in walk(tree) if node[0] not in ("all", "any", "not"))


def _is_of_others(node: Tree) -> bool:
    """Return whether a part of a condition reads what is not the payee's own."""
    if node[0] == "charge":
        return any(part[0] == "until" for part in walk(node[1]))
    if node[0] == "quiet":
        return True
    if node[0] in DATED:
        return bool({node[1], node[-1]} & _OF_OTHERS)
    return node[0] == "held" or str(node[1]).startswith("previous.")


def _components(plan: Plan) -> dict[str, str]:
    """Return the components that rest on others, each with the clause that does."""
    asking = set(_asking_others(plan))
    own = {c.rule_id: _clause_on_others(plan, c, asking) for c in plan.components}
    found = {component: clause for component, clause in own.items() if clause}
    refers = [(gate.component, gate.name) for gate in plan.gates if gate.subject == "earned"]
    refers += [(less.component, less.other) for less in plan.less]
    in_group = [(c.group_id, c.rule_id) for c in plan.components if c.group_id]
    refers += [*in_group, *((component, group) for group, component in in_group)]
    while True:
        new = {one: found[other] for one, other in refers if other in found and one not in found}
        if not new:
            return found
        found |= new


def _spend_figures(plan: Plan) -> set[str]:
    """Return the figures that are counted from charges, others' too."""
    return {figure.figure for figure in plan.figures if figure.counts == SPEND}


def _figures_read(plan: Plan, c: Component) -> set[str]:
    """Return the figures that a component reads."""
    gates = {gate.name for gate in plan.gates if gate.component == c.rule_id}
    own = {c.baseline, c.plus, c.target, c.by_name, c.on_name, c.compare_name, c.times_name}
    return own | gates


def _clause_on_others(plan: Plan, component: Component, asking: Set[str]) -> str:
    """Return the clause by which a component rests on others by itself; nothing where none does.

    `asking` are the clauses whose condition does.
    """
    is_of_others = component.compare == "last year of its customers"
    is_of_others |= component.counts == "new customers" or bool(component.ties)
    is_of_others |= component.window_all
    is_of_others |= component.clawback_from == "customer since"
    is_of_others |= bool(_spend_figures(plan) & _figures_read(plan, component))
    if is_of_others or is_override(component):
        return component.rule_id
    rules = {component.measure_rule, component.baseline_rule}
    rules |= {c.rule_id for c in plan.columns if c.table_id == component.table_id}
    rules |= {w.rule_id for w in plan.weights if w.component == component.rule_id}
    rules |= {e.rule_id for e in plan.exclusions if e.component in ("", component.rule_id)}
    return min(rules & asking, default="")
