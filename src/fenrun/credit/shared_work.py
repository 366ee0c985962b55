"""Shared work of several plans: those that credit alike are credited once.

Components that measure alike are measured once. A hundred variants of a plan's rates so cost
little more than one plan: only what the rates are applied to is multiplied.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

from fenrun.plan.rows import Component, Plan


@dataclass(frozen=True)
class SharedCrediting:
    """The plan whose credits serve a plan as well. Grain: plan."""

    plan_id: str
    crediting: str


@dataclass(frozen=True)
class SharedMeasures:
    """The components whose measures serve a component as well.

    Month by month, and summed over its periods. Grain: plan, component.
    """

    plan_id: str
    rule_id: str
    crediting: str
    counted_plan: str
    counted_component: str
    """Counts the same of every month."""
    like_plan: str
    like_component: str
    """Sums that over the same periods, too."""


def shared_work(plans: Sequence[Plan]) -> tuple[list[SharedCrediting], list[SharedMeasures]]:
    """Return by whose credits and measures each plan and component is served."""
    credited: dict[str, str] = {}
    counted: dict[str, tuple[str, str]] = {}
    measured: dict[str, tuple[str, str]] = {}
    alike, like = [], []
    for plan in plans:
        crediting = credited.setdefault(_crediting(plan), plan.id)
        alike.append(SharedCrediting(plan.id, crediting))
        for component in plan.components:
            own = (plan.id, component.rule_id)
            monthly = counted.setdefault(_counting(plan, component, crediting), own)
            like.append(
                SharedMeasures(
                    *own,
                    crediting,
                    *monthly,
                    *measured.setdefault(repr((monthly, _summing(component))), own),
                )
            )
    return alike, like


def crediting_plans(plans: Sequence[Plan]) -> list[str]:
    """Return the plans that are credited themselves; the others are served by theirs."""
    crediting, _ = shared_work(plans)
    return sorted({one.crediting for one in crediting})


def _rows(plan: Plan, names: Sequence[str], without: Sequence[str] = ()) -> str:
    """Rows of a plan as text, without its id and what is only said."""
    found = []
    for name in names:
        for row in getattr(plan, name):
            found.append(
                (
                    name,
                    [
                        (f.name, str(getattr(row, f.name)))
                        for f in fields(row)
                        if f.name not in ("plan_id", *without)
                    ],
                )
            )
    return repr(found)


def _crediting(plan: Plan) -> str:
    rules = {r for c in plan.credit_clauses for r in (c.rule_id, c.while_rule)}
    trees = sorted((c.rule_id, c.tree) for c in plan.conditions if c.rule_id in rules)
    bases = sorted({plan.terms[0].basis, *(c.basis for c in plan.components)})
    return repr(
        (
            plan.common_terms,
            plan.terms[0].basis,
            bases,
            _rows(plan, ("credit_clauses", "credit_roles", "roll_ups")),
            trees,
        )
    )


def _summing(c: Component) -> tuple[object, ...]:
    """Return what makes of months a measure of a period."""
    in_scope = (c.scope, c.scope_name, c.scope_value)
    of_customers = c.compare == "last year of its customers"
    counts = (c.counts, c.counts_from, c.counts_months, c.less_refunded, c.plus, c.plus_of)
    return c.calendar, counts, c.up_to, of_customers, in_scope


def _counting(plan: Plan, c: Component, crediting: str) -> str:
    trees = {x.rule_id: x.tree for x in plan.conditions}
    group = next((g.kind for g in plan.groups if g.rule_id == c.group_id), "")
    own = (plan.id, c.rule_id) if group in ("first match", "exclusive") else ()
    outs = [
        (x.rule_id, x.rank, trees.get(x.rule_id), x.valid_from, x.valid_to)
        for x in plan.exclusions
        if x.component in ("", c.rule_id)
    ]
    columns = [
        (x.version, x.column_no, trees.get(x.rule_id))
        for x in plan.columns
        if x.table_id == c.table_id
    ]
    weights = [
        (x.weight_no, x.rule_id, trees.get(x.rule_id), x.weight)
        for x in plan.weights
        if x.component == c.rule_id
    ]
    versions = (
        sorted({(b.valid_from, b.valid_to) for b in plan.bands if b.table_id == c.table_id})
        if columns
        else []
    )
    what = (
        c.role,
        c.basis,
        c.calendar if columns else "",
        c.each,
        c.counted_label,
        c.counted_column,
        (plan.terms[0].round_mode, plan.terms[0].round_step) if c.counts_payments else (),
        trees.get(c.measure_rule),
        c.pays_on == "earned",
        c.baseline,
        c.baseline_calendar,
        trees.get(c.baseline_rule) if c.baseline_rule else None,
    )
    return repr((crediting, own, what, outs, columns, versions, weights))
