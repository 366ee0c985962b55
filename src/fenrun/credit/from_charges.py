"""From charges and the book to credits: fills the fixed SQL of steps.sql with what the plans' conditions read."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from fenrun.base.money import decimals
from fenrun.base.table import from_rows
from fenrun.charges.rows import COSTS, ORDER
from fenrun.engine.duckdb import literal, quoted
from fenrun.engine.port import Engine
from fenrun.engine.steps import read_steps
from fenrun.plan.conditions import is_column, names, test_sql, tests, to_sql
from fenrun.plan.rows import BASES, ROW_TYPES, Plan

STEPS = read_steps("fenrun.credit")


@dataclass(frozen=True)
class Dims:
    """What the conditions of some plans read, each under a short column name."""

    columns: dict[str, str]
    """FOCUS or x_ column to column name."""
    tests: dict[str, str]
    """Numeric part of a condition (JSON) to column name."""
    labels: dict[str, str]
    """Label to column name."""

    @property
    def keys(self) -> list[str]:
        return [*self.columns.values(), *self.tests.values()]

    def named(self, name: str) -> str:
        """The column name of whatever a condition reads."""
        return (self.columns | self.tests | self.labels)[name]


def dims_of(plans: Sequence[Plan], payee: bool = False) -> Dims:
    """What the conditions read: those on charges and customers, or those on payees."""
    payee_rules = {(p.id, c.payee_rule) for p in plans for c in p.components}
    trees = [json.loads(c.tree) for p in plans for c in p.conditions if ((p.id, c.rule_id) in payee_rules) == payee]
    read = sorted(set().union(*(names(t) for t in trees)))
    numeric = sorted(set().union(*(tests(t) for t in trees)))
    columns = [n for n in read if is_column(n)]
    labels = [n for n in read if not is_column(n)]
    return Dims(
        {n: f"c{i}" for i, n in enumerate(columns)}, {n: f"t{i}" for i, n in enumerate(numeric)}, {n: f"l{i}" for i, n in enumerate(labels)})


def put_plans(engine: Engine, plans: Sequence[Plan]) -> None:
    """Make the plans' rows known as tables `plan_...`."""
    for name, kind in ROW_TYPES.items():
        engine.put(f"plan_{name}", from_rows(kind, [row for plan in plans for row in getattr(plan, name)]))


def line_fragments(engine: Engine, plans: Sequence[Plan], start: date, end: date) -> dict[str, str]:
    """What fills the views of steps.sql, for charges billed in months from `start` up to, not including, `end`."""
    terms, dims, present = plans[0].terms[0], dims_of(plans), engine.columns("charges")

    def column(name: str) -> str:
        if name not in present:
            return "CAST(NULL AS DECIMAL(18,2))" if name in COSTS else "CAST(NULL AS VARCHAR)"
        return quoted(name)

    def number(name: str) -> str:
        return column(name) if present.get(name, "").startswith("DECIMAL") else f"TRY_CAST({column(name)} AS DECIMAL(38,15))"

    read = [f"CAST({column(n)} AS VARCHAR) AS {c}" for n, c in dims.columns.items()] + [f"{test_sql(n, number)} AS {c}" for n, c in dims.tests.items()]
    keys = "".join(f", {k}" for k in dims.keys)
    scale = cost_scale(engine)
    return {
        "sub_account": column("SubAccountId"), "order_id": column(ORDER), "offset": _offset(engine, terms.timezone), "keys": keys,
        "basis": _basis(terms.basis, lambda name: f"CAST({column(name)} AS DECIMAL(38, {scale}))"), "columns": "".join(f", {r}" for r in read), "from": str(start), "to": str(end),
    }


def fragments(engine: Engine, plans: Sequence[Plan], start: date, end: date) -> dict[str, str]:
    """What fills steps.sql, for charges billed in months from `start` up to, not including, `end`."""
    dims = dims_of(plans)
    named = [*dims.keys, *dims.labels.values()]
    read = [f"o.{k}" for k in dims.keys] + [f"{c}.value" for c in dims.labels.values()]
    direct, rolled = share_scales(engine)
    return line_fragments(engine, plans, start, end) | {
        "group_keys": "".join(f", g.{k}" for k in dims.keys), "currency": plans[0].terms[0].currency,
        "dims": "".join(f", o.{k}" for k in dims.keys) + "".join(f", {c}.value AS {c}" for c in dims.labels.values()), "dim_names": "".join(f", {n}" for n in named),
        "segment": f"dense_rank() OVER (ORDER BY {', '.join(read)})" if named else "1",
        "label_joins": label_joins(dims, "o.customer", "o.day"), "matches": _matches(plans, dims),
        "direct_share": str(direct), "all_share": str(direct + rolled), "credit": str(cost_scale(engine) + direct + rolled),
    }


def cost_scale(engine: Engine) -> int:
    """The decimals of the charges' costs."""
    return max((int(kind[:-1].split(",")[1]) for name, kind in engine.columns("charges").items() if name in COSTS and kind.startswith("DECIMAL")), default=2)


def share_scales(engine: Engine) -> tuple[int, int]:
    """The decimals that the share of a direct credit needs, and those that rolling it up adds."""
    found = {"customer": 0, "role": 0, "party": 0}
    for row in engine.query("SELECT DISTINCT of_kind, share FROM links").to_pylist():
        which = {"account": "customer", "sub-account": "customer", "party": "party"}.get(row["of_kind"], "role")
        found[which] = max(found[which], decimals(row["share"]))
    return found["customer"] + found["role"], found["party"]


def label_joins(dims: Dims, party: str, day: str) -> str:
    """Joins that bring each label of a party on a day."""
    return "".join(
        f"\nLEFT JOIN labels AS {c} ON {c}.party = {party} AND {c}.label = {literal(n)} AND {c}.valid_from <= {day} AND {day} < {c}.valid_to" for n, c in dims.labels.items())


def _basis(basis: str, column: Callable[[str], str]) -> str:
    costs = [column(BASES[word]) for word in basis.split("|")]
    if len(costs) == 1:
        return costs[0]
    one, other = costs
    return f"CASE WHEN abs({one}) <= abs({other}) THEN {one} WHEN abs({other}) < abs({one}) THEN {other} END"


def _matches(plans: Sequence[Plan], dims: Dims) -> str:
    payee_rules = {(p.id, c.payee_rule) for p in plans for c in p.components}
    parts = []
    for plan in plans:
        trees = {c.rule_id: json.loads(c.tree) for c in plan.conditions}
        for rule in plan.rules:
            if rule.kind in ("credit", "exclude", "baseline") and (plan.id, rule.rule_id) not in payee_rules:
                where = f" WHERE {to_sql(trees[rule.rule_id], dims.named)}" if rule.rule_id in trees else ""
                parts.append(f"SELECT {literal(plan.id)} AS plan_id, {literal(rule.rule_id)} AS rule_id, segment_id FROM segments{where}")
    return "\nUNION ALL\n".join(parts)


def _offset(engine: Engine, zone: str) -> str:
    """What to add to a UTC time of a charge for the plan's time zone, over the span of the charges."""
    row = engine.query("SELECT min(ChargePeriodStart) AS low, max(ChargePeriodStart) AS high FROM charges").to_pylist()[0]
    low, high = row["low"], row["high"]
    if low is None:
        return "INTERVAL 0 SECOND"
    changes = offset_changes(zone, low, high)
    arms = [f"WHEN ChargePeriodStart < TIMESTAMP '{until}' THEN INTERVAL '{seconds}' SECOND" for seconds, until in changes[:-1]]
    last = f"INTERVAL '{changes[-1][0]}' SECOND"
    return f"CASE {' '.join(arms)} ELSE {last} END" if arms else last


def offset_changes(zone: str, low: datetime, high: datetime) -> list[tuple[int, datetime]]:
    """The zone's offsets from UTC in seconds between two UTC times, each with the moment at which it ends."""
    info = ZoneInfo(zone)

    def offset(moment: datetime) -> int:
        shift = moment.replace(tzinfo=UTC).astimezone(info).utcoffset() or timedelta()
        return int(shift.total_seconds())

    found, at = [], low.replace(microsecond=0)
    while at <= high:
        after = min(at + timedelta(days=1), high + timedelta(seconds=1))
        if offset(at) != offset(after):
            one, other = at, after
            while other - one > timedelta(seconds=1):
                middle = one + timedelta(seconds=int((other - one).total_seconds()) // 2)
                one, other = (middle, other) if offset(middle) == offset(at) else (one, middle)
            found.append((offset(at), other))
        at = after
    return [*found, (offset(high), high)]
