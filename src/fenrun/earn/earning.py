"""From credits to earnings: what fills steps.sql, and its tables."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

from fenrun.base.money import decimals
from fenrun.base.when import Period, period_of
from fenrun.book.rows import ROLE_KINDS
from fenrun.credit.crediting import (
    amount_to_date_needed,
    code_test,
    date_test,
    first_day_join,
    label_join,
    to_sql,
)
from fenrun.credit.shared_work import shared_work
from fenrun.earn.calendar import MONTHLY, first_charged, first_needed, first_summed
from fenrun.engine.codes import Codes, day_number, maybe_scaled, month_number
from fenrun.engine.dialect import AMOUNT, NUMBER, TEXT, literals
from fenrun.engine.runner import Runner
from fenrun.engine.steps import Step, read_steps
from fenrun.events.receipts import PAID, TOTAL
from fenrun.plan.conditions import DATED, Tree, labels_of_dates
from fenrun.plan.rows import Component, Plan
from fenrun.plan.vocabulary import OTHERS_READINGS

STEPS = read_steps("fenrun.earn")
_CENTS = 2
_UNIT = ("plan", "component", "payee", "unit", "period")
_ENTRY = ("plan", "component", "payee", "period", "detail", "earned")
_LINE = (
    *("plan", "component", "rank", "role", "payee", "per", "period", "period_from", "period_to"),
    *("last_month", "currency", "amount", "earned"),
)
_OPTIONAL = {
    "baselined": (
        *("plan", "component", "payee", "unit", "customer", "month", "column_no", "period"),
        *("baseline", "amount", "charges", "counted"),
    ),
    "paid_parts": (),
    "paid_measures": (),
    "qualifying_customers": (*_UNIT, "customers"),
    "column_measures": (*_UNIT, "column_no", "columns", "amount"),
    "customers_last_year": (*_UNIT, "amount"),
    "payees_in_scope": (*_UNIT, "since"),
    "windowed": (*_UNIT, "amount"),
    "named_measures": ("plan", "component", "other", "payee", "period", "amount", "target"),
    "ranked": ("plan", "component", "payee", "period", "place"),
    "gated": (*_UNIT, "gate_no", "words"),
    "mixed_columns": _UNIT,
    "factors": ("plan", "line_no", "factor", "words"),
    "component_lines": _LINE,
    "gate_entries": _ENTRY,
    "gated_lines": _LINE,
    "less_entries": ("plan", "component", "payee", "period", "others", "earned"),
    "lessened_lines": _LINE,
    "best_entries": _ENTRY,
    "best_lines": _LINE,
    "ceiling_entries": (*_LINE, "detail"),
    "override_entries": (*_LINE, "detail", "base"),
    "losses": ("test", "unit", "month", "period", "period_from", "period_to", "last_month"),
    "loss_days": ("test", "unit", "month", "day"),
    "clawback_entries": (*_LINE, "unit"),
}
"""The steps that not every plan needs, with the columns of the table that stands in for each; none
for what nothing else reads then."""
_CHANGE_LINES = {"gate_entries", "less_entries", "best_entries"}
"""Those that take something off lines of components."""
_TOTALS_IN_SCOPE = """
  UNION ALL
  SELECT s.plan, s.component, s.payee, s.unit, s.calendar, s.period, s.period_from, s.period_to,
         s.first_month, s.last_month, s.counts, s.up_to, 0, 1
  FROM payees_in_scope AS s
  WHERE NOT EXISTS (SELECT 1 FROM credited_totals AS t
                    WHERE t.plan = s.plan AND t.component = s.component AND t.payee = s.payee
                      AND t.unit = s.unit AND t.period = s.period)"""
_COLUMNS_IN_SCOPE = """
UNION ALL
SELECT s.plan, s.component, s.payee, s.unit, s.period, 0, 1, {none}
FROM payees_in_scope AS s
WHERE NOT EXISTS (SELECT 1 FROM reached AS t
                  WHERE t.plan = s.plan AND t.component = s.component AND t.payee = s.payee
                    AND t.unit = s.unit AND t.period = s.period)"""
"""What is added to `measures` and `column_measures` where some plan says who is in scope."""
_PLUS = """ + coalesce((SELECT f.amount
                 FROM totals_of AS k
                 JOIN terms AS z ON z.plan = k.plan
                 JOIN figures AS f
                   ON f.figure = k.plus AND f.period = s.period AND f.currency = z.currency
                  AND f.party = CASE k.plus_of WHEN 'customer' THEN s.unit ELSE s.payee END
                 WHERE k.plan = s.plan AND k.component = s.component), 0)"""
"""A figure that is measured besides what is credited, where some plan has that."""
_TO_DATE = """sum(amount) OVER (PARTITION BY plan, component, payee, unit
                              ORDER BY period_from)"""
"""What was measured up to the end of a period, where some plan reads it."""
_COUNTED_FOR_MONTHS = """
  UNION ALL
  SELECT k.plan, k.component, m.payee, m.unit, p.period, 1
  FROM totals_of AS k
  JOIN (SELECT plan, component, payee, unit, customer, month, sum(counted) AS amount
        FROM qualifying_amounts
        GROUP BY plan, component, payee, unit, customer, month) AS m
    ON m.plan = k.counted_plan AND m.component = k.counted_component AND k.counts_months > 0
  LEFT JOIN customer_since AS n ON n.customer = m.customer
  LEFT JOIN periods AS b
    ON b.calendar = '1@1' AND b.period_from <= n.day AND n.day < b.period_to
  JOIN periods AS p
    ON p.calendar = k.calendar
   AND CASE k.counts WHEN 'customers' THEN m.month > p.last_month - k.counts_months
                                       AND m.month <= p.last_month
            ELSE m.month < b.first_month + k.counts_months
             AND b.first_month + k.counts_months - 1 >= p.first_month
             AND b.first_month + k.counts_months - 1 <= p.last_month END
  WHERE CASE WHEN k.counts_from IS NULL THEN m.amount > 0 ELSE m.amount >= k.counts_from END
  GROUP BY k.plan, k.component, k.counts_months, m.payee, m.unit, m.customer, p.period
  HAVING count(*) = k.counts_months"""
"""What is added to `qualifying_customers` where customers must be so for some months."""
_REFUNDED = """
  UNION ALL
  SELECT plan, component, payee, unit, period, -1
  FROM spent
  WHERE less_refunded = 1 AND amount < 0"""
"""What is taken off there."""
_BY_LABEL = """
JOIN components AS y ON y.plan = m.plan AND y.component = m.component
LEFT JOIN (SELECT party, label, min(valid_from) AS day FROM labels GROUP BY party, label) AS d
  ON d.party = m.unit AND d.label = y.counted_label
LEFT JOIN periods AS o
  ON o.calendar = '1@1' AND o.period_from <= d.day AND d.day < o.period_to"""
"""The month of the label with which an amount m counts, where some plan says so."""
_PAID_PART = """CASE {paid} WHEN total THEN amount
            ELSE rounded(times(times(amount, {paid}), round_per), times(total, {one}), round_mode,
                         round_step) * {lift} END"""
"""What counts of an amount of which so much of a total is paid."""
_WINDOWED_BY_ALL = """
UNION ALL
SELECT k.plan, k.component, b.payee, b.unit, b.period, sum(o.amount)
FROM components AS k
JOIN like_of AS l ON l.plan = k.plan AND l.component = k.component
JOIN measures AS b
  ON b.plan = l.like_plan AND b.component = l.like_component AND b.last_month >= {earn_from}
LEFT JOIN periods AS p
  ON p.calendar = k.window_calendar AND p.first_month <= b.first_month
 AND b.last_month <= p.last_month
JOIN (SELECT plan, component, unit, first_month, last_month, sum(amount) AS amount
      FROM measures
      GROUP BY plan, component, unit, first_month, last_month) AS o
  ON o.plan = b.plan AND o.component = b.component AND o.unit = b.unit
 AND o.last_month <= b.last_month
 AND o.first_month >= coalesce(p.first_month, b.last_month - k.window_months + 1)
WHERE k.window_all = 1 AND k.window_among = 0
GROUP BY k.plan, k.component, b.payee, b.unit, b.period"""
"""What is added to `windowed` where some plan sums what all payees together are measured."""
_WINDOWED_AMONG = """
UNION ALL
SELECT k.plan, k.component, b.payee, b.unit, b.period, sum(o.amount)
FROM components AS k
JOIN like_of AS l ON l.plan = k.plan AND l.component = k.component
JOIN measures AS b
  ON b.plan = l.like_plan AND b.component = l.like_component AND b.last_month >= {earn_from}
LEFT JOIN labels AS x
  ON x.party = b.payee AND x.label = k.window_among
 AND x.valid_from <= b.period_from AND b.period_from < x.valid_to
LEFT JOIN periods AS p
  ON p.calendar = k.window_calendar AND p.first_month <= b.first_month
 AND b.last_month <= p.last_month
JOIN measures AS o
  ON o.plan = b.plan AND o.component = b.component AND o.unit = b.unit
 AND o.last_month <= b.last_month
 AND o.first_month >= coalesce(p.first_month, b.last_month - k.window_months + 1)
LEFT JOIN labels AS y
  ON y.party = o.payee AND y.label = k.window_among
 AND y.valid_from <= b.period_from AND b.period_from < y.valid_to
WHERE k.window_all = 1 AND k.window_among <> 0 AND (o.payee = b.payee OR y.value = x.value)
GROUP BY k.plan, k.component, b.payee, b.unit, b.period"""
"""The same of those who have the payee's value of a label on the first day of the period."""
_LOWER_OVERRIDES = """UNION ALL
  SELECT plan, component, payee, period_from, period_to, currency, earned
  FROM override_entries"""
"""The lines that overrides on overrides are paid on besides."""
_BOTH_OVERRIDES = """
SELECT * FROM lower_overrides
UNION ALL
SELECT * FROM higher_overrides"""
_KEPT_LINES = """JOIN best_lines AS b
    ON b.plan = o.plan AND b.component = o.component AND b.payee = o.payee
   AND b.period = o.period"""
"""Lines after all that others take off them, where some plan has that."""

_IS_IN_SCOPE = """CASE
         WHEN k.scope IN ('', 'holders') THEN 1
         WHEN EXISTS (SELECT 1 FROM payees_in_scope AS s
                      WHERE s.plan = b.plan AND s.component = b.component
                        AND s.payee = b.payee AND s.period = b.period) THEN 1
         ELSE 0 END"""
"""Whether the label or figure that a component names says that it is for the payee."""


def has_scope(plans: Sequence[Plan]) -> bool:
    """Return whether some plan pays whoever is in scope, also where nothing is credited to it."""
    return any(c.scope for plan in plans for c in plan.components)


def override_levels(components: Sequence[Component]) -> dict[str, int]:
    """Return the level of each component: 0, 1 of an override, 2 of an override on that ..."""
    below = {c.rule_id: c.on_name for c in components if c.pays_on == "earned"}
    levels = {c.rule_id: 0 for c in components}
    for name in below:
        of = name
        while of in below:
            levels[name] += 1
            of = below[of]
    return levels


def reads_all_payees(plans: Sequence[Plan]) -> bool:
    """Return whether what some payee earns depends on what all others measure."""
    return any(c.ties or c.window_all for plan in plans for c in plan.components)


@dataclass(frozen=True)
class Scales:
    """The decimals of each kind of amount: it is a whole number of 10 to the minus that many."""

    credit: int
    measure: int
    """Of what is measured and of figures."""
    figure: int
    """Of what the book's figures need, which are kept with those of `measure`."""
    bound: int
    """Of the bounds of bands and gates."""
    rate: int
    flat: int
    portion: int
    factor: int
    """Of the rates of tables that multiply."""
    weight: int
    """Of what credits count as."""
    cap: int
    cap_rate: int
    money: int
    """Of what is earned and paid."""
    party_share: int
    curved: bool
    """Whether some table is interpolated, or cuts a figure into slices: then what bands pay is
    divided by the part."""
    sliced: bool
    """Whether some table cuts what it is applied to at its bounds."""

    @property
    def part(self) -> int:
        """The decimals of what a rate is applied to."""
        return self.measure + (self.bound if self.sliced else 0)

    @property
    def pays(self) -> int:
        """The decimals of what a band pays."""
        return max(self.part + self.rate + (self.part if self.curved else 0), self.flat)

    @property
    def limit(self) -> int:
        """The decimals of a cap."""
        return max(self.cap, self.measure + self.cap_rate)

    @property
    def divisor(self) -> int:
        """The decimals of what the outcome is divided by."""
        return self.part if self.curved else 0

    @property
    def uncapped(self) -> int:
        """The decimals of an outcome before its cap."""
        return max(self.pays + self.portion + self.factor, self.limit + self.divisor)

    @property
    def base(self) -> int:
        """The decimals of the base of an earning, that of an override among them."""
        return max(self.measure, self.money + self.party_share)

    @property
    def override(self) -> int:
        """The decimals of an override before rounding."""
        return max(self.money + self.party_share + self.portion, self.limit)


def scales_of(
    plans: Sequence[Plan], figures: int, credit: int, party_share: int, measured: int | None = None
) -> Scales:
    """Return the decimals that hold every amount exactly.

    `figures`, `credit` and `party_share` are the decimals of the book's figures, of a credit and of
    a share in a party. With `measured`, no more of what is measured are kept than those: the rest
    is rounded off there, and nowhere else.
    """

    def most(*values: Decimal | None) -> int:
        return max((decimals(value) for value in values if value is not None), default=0)

    bands = [band for plan in plans for band in plan.bands]
    gates = [gate for plan in plans for gate in plan.gates]
    components = [component for plan in plans for component in plan.components]
    groups = [group for plan in plans for group in plan.groups]
    times = {component.times_table for component in components} - {""}
    counted = (amount for c in components for amount in (c.up_to, c.counts_from))
    bounds = [bound for band in bands for bound in (band.lower, band.upper)]
    bounds += [bound for gate in gates for bound in (gate.lower, gate.upper)]
    terms = [one for plan in plans for one in plan.pay_terms]
    paid = (amount for one in terms for amount in (one.draw, one.minimum))
    floors = (form.floor for plan in plans for form in plan.forms)
    caps = (fund.cap for plan in plans for fund in plan.funds)
    weight = most(*(one.weight for plan in plans for one in plan.weights))
    steps = [plan.terms[0].round_step for plan in plans]
    money = max(_CENTS, most(*steps, *paid, *floors, *caps))
    by_payments = any(c.counts_payments for c in components)
    return Scales(
        credit=credit,
        figure=figures,
        measure=max(
            credit + weight if measured is None else min(credit + weight, measured),
            *(figures, most(*counted), money if by_payments else 0),
        ),
        bound=most(*bounds),
        rate=most(*(rate for band in bands for rate in (band.rate, band.rate_to))),
        flat=most(*(band.flat for band in bands)),
        portion=most(*(component.portion for component in components)),
        factor=most(*(band.rate for band in bands if band.table_id in times)),
        weight=weight,
        cap=most(
            *(amount for c in components for amount in (c.cap, c.floor, c.minimum)),
            *(g.cap for g in groups),
        ),
        cap_rate=most(*(c.cap_rate for c in components), *(g.cap_rate for g in groups)),
        money=money,
        party_share=party_share,
        curved=any(map(_is_curved, plans)),
        sliced=any(band.kind in ("marginal", "interpolated") for band in bands),
    )


def _is_curved(plan: Plan) -> bool:
    """Return whether what some band of a plan pays is to be divided."""
    kinds = {(band.table_id, band.kind) for band in plan.bands}
    return any(kind == "interpolated" for _, kind in kinds) or any(
        c.pays_on == "figure" and (c.table_id, "marginal") in kinds for c in plan.components
    )


_AMOUNTS = (
    *("lower", "upper", "rate", "rate_to", "factor", "flat", "cap", "cap_rate", "round_step"),
    "weight",
)


def _typed(names: Sequence[str]) -> dict[str, str]:
    """Return the columns with their types."""
    return {name: AMOUNT if name in _AMOUNTS else NUMBER for name in names}


_Row = tuple[Any, ...]
_READ_ONCE = frozenset(
    ("tier_portions", "slices", "tier_earnings", "component_earnings", "earnings")
)
"""The steps that are read once where lines are summed and not shown."""
_EVERYBODY = '["all", []]'
"""What a rule without a condition asks."""


class PartyTests:
    """The conditions of plans' rules on payees and customers, each with a number of its own.

    Equal conditions, as those of variants of a plan, are tested once.
    """

    def __init__(self, plans: Iterable[Plan]):
        self._trees = {(p.id, c.rule_id): c.tree for p in plans for c in p.conditions}
        self._numbers: dict[str, int] = {}

    def number(self, plan_id: str, rule_id: str) -> int:
        """Return the number of a rule's condition, from 1 on; 0 where there is no rule."""
        if not rule_id:
            return 0
        tree = self._trees.get((plan_id, rule_id), _EVERYBODY)
        return self._numbers.setdefault(tree, len(self._numbers) + 1)

    def of(self, rules: Iterable[tuple[str, str]]) -> dict[int, Tree]:
        """Return the conditions of some rules by number."""
        numbers = {self.number(*rule) for rule in rules} - {0}
        return {n: json.loads(tree) for tree, n in self._numbers.items() if n in numbers}


class Earning:
    """The fragments and tables of earning, for some plans that are settled together."""

    def __init__(self, plans: Sequence[Plan], period: Period, codes: Codes, scales: Scales):
        self.plans, self.period, self.codes, self.scales = plans, period, codes, scales
        self.tests = PartyTests(plans)

    # --- tables -------------------------------------------------------------------------------

    def load(self, runner: Runner) -> None:
        """Load the plans' terms, components, tables, groups, gates and deductions; the periods."""
        self._load_periods(runner)
        self._load_terms(runner)
        self._load_components(runner)
        self._load_bands(runner)
        code = self.codes.of
        roles = sorted({c.role for plan in self.plans for c in plan.components})
        rows: list[_Row] = [(code(role), place) for place, role in enumerate(roles)]
        runner.load("role_order", {"role": NUMBER, "place": NUMBER}, rows)
        rows = [
            (code(plan.id), code(row.component), code(row.other))
            for plan in self.plans
            for row in plan.less
        ]
        columns = dict.fromkeys(("plan", "component", "other"), NUMBER)
        runner.load("less", columns, rows)
        rows = [tuple(map(code, read)) for read in self._reads_others()]
        runner.load("reads_others", columns, rows)
        rows = [
            (
                *(code(plan.id), code(row.component), row.weight_no, code(row.rule_id)),
                maybe_scaled(row.weight, self.scales.weight),
            )
            for plan in self.plans
            for row in plan.weights
        ]
        columns = _typed(("plan", "component", "weight_no", "rule", "weight"))
        runner.load("weights", columns, rows)

    def _reads_others(self) -> list[tuple[str, str, str]]:
        """Return which components read what others measure: plan, component, other."""
        read = [
            (plan.id, c.rule_id, subject, name)
            for plan in self.plans
            for c in plan.components
            for subject, name in ((c.reads_by, c.by_name), (c.times_by, c.times_name))
        ]
        read += [(p.id, g.component, g.subject, g.name) for p in self.plans for g in p.gates]
        of_others = [(*own, name) for *own, subject, name in read if subject in OTHERS_READINGS]
        return [(plan, own, name) for plan, own, name in dict.fromkeys(of_others)]

    def _load_periods(self, runner: Runner) -> None:
        """Load every period of the calendars in use that begins in the months looked at."""
        used = {MONTHLY}
        for plan in self.plans:
            used |= {
                calendar
                for c in plan.components
                for calendar in (c.calendar, c.baseline_calendar, c.window_calendar)
                if calendar
            }
            used |= {group.calendar for group in plan.groups if group.calendar}
        first, last = first_summed(self.plans, self.period), self.period.span.end
        rows = []
        for calendar in sorted(used):
            months, year_starts = map(int, calendar.split("@"))
            one = period_of(first, months, year_starts)
            while one.span.start < last:
                days = (day_number(one.span.start), day_number(one.span.end))
                ends = (month_number(one.span.start), month_number(one.last_day))
                rows.append((calendar, self.codes.of(one.key), *days, *ends))
                one = period_of(one.span.end, months, year_starts)
        numbers = ("period", "period_from", "period_to", "first_month", "last_month")
        runner.load("periods", {"calendar": TEXT, **dict.fromkeys(numbers, NUMBER)}, rows)

    def _load_terms(self, runner: Runner) -> None:
        names = ("plan", "currency", "valid_from", "valid_to", "round_step", "round_per")
        runner.load("terms", {**_typed(names), "round_mode": TEXT}, self._term_rows())

    def _term_rows(self) -> list[_Row]:
        code, scales = self.codes.of, self.scales
        rows: list[_Row] = []
        for plan in self.plans:
            t = plan.terms[0]
            step = maybe_scaled(t.round_step, scales.money)
            days = (day_number(t.valid_from), day_number(t.valid_to))
            rows.append((code(plan.id), code(t.currency), *days, step, t.round_per, t.round_mode))
        return rows

    def _load_components(self, runner: Runner) -> None:
        names = ("plan", "component", "payee_test", "clawback_test")
        columns = _typed(names)
        rows: list[_Row] = []
        kinds = self._kinds_of_component()
        columns |= {name: kind for name, (kind, _) in kinds.items()}
        totals, like, qualifying_of = [], [], []
        _, measures = shared_work(self.plans)
        for plan in self.plans:
            levels = override_levels(plan.components)
            for c in plan.components:
                own = (self.codes.of(plan.id), self.codes.of(c.rule_id))
                rules = (c.payee_rule, c.clawback_rule)
                tests = (self.tests.number(plan.id, rule) for rule in rules)
                said = vars(c) | {"counted_paid": c.counts_payments}
                said |= {"override_level": levels[c.rule_id]}
                coded = (to(said[name]) for name, (_, to) in kinds.items())
                rows.append((*own, *tests, *coded))
        for one in measures:
            code = self.codes.of
            counted = (code(one.counted_plan), code(one.counted_component))
            served = (code(one.like_plan), code(one.like_component))
            like.append((code(one.plan_id), code(one.rule_id), *served))
            qualifying_of.append((code(one.plan_id), code(one.rule_id), *counted))
            if (one.plan_id, one.rule_id) == (one.like_plan, one.like_component):
                own_row = next(row for row in rows if row[:2] == served)
                totals.append((*own_row, *counted))
        runner.load("components", columns, rows)
        served_by = {"counted_plan": NUMBER, "counted_component": NUMBER}
        runner.load("totals_of", {**columns, **served_by}, totals)
        tested_as = self._tested_as(rows, like)
        columns = _typed(("plan", "component", "like_plan", "like_component", "tested_plan"))
        runner.load("like_of", columns, [(*row, tested_as[row[0]]) for row in like])
        columns = dict.fromkeys(("plan", "component", "counted_plan", "counted_component"), NUMBER)
        runner.load("qualifying_of", columns, qualifying_of)

    def _kinds_of_component(self) -> dict[str, tuple[str, Callable[[Any], Any]]]:
        """Return, by column, its type and how its value is coded."""
        code, scales = self.codes.of, self.scales

        def amount(scale: int) -> tuple[str, Callable[[Any], Any]]:
            return AMOUNT, lambda value: maybe_scaled(value, scale)

        as_is = (TEXT, lambda value: value)
        named = (NUMBER, code)
        texts = (
            *("per", "calendar", "each", "counts", "pays_on", "on_of", "reads_by", "by_of"),
            *("target_of", "compare", "compare_of", "baseline_calendar", "times_by", "times_of"),
            *(
                "scope",
                "clawback_unit",
                "clawback_from",
                "window_calendar",
                "ranks_by",
                "ties",
                "plus_of",
            ),
        )
        names = (
            *("group_id", "role", "on_name", "by_name", "target", "compare_name", "baseline"),
            *("table_id", "times_table", "times_name", "scope_name", "scope_value"),
            *("clawback_label", "ranks_among", "counted_label", "plus"),
            "window_among",
        )
        return {
            "rank": (NUMBER, int),
            "clawback_span": (NUMBER, int),
            "pro_rata": (NUMBER, int),
            "compare_lag": (NUMBER, int),
            "window_months": (NUMBER, int),
            "window_all": (NUMBER, int),
            "counts_months": (NUMBER, int),
            "less_refunded": (NUMBER, int),
            "counted_paid": (NUMBER, int),
            "override_level": (NUMBER, int),
            "counts_from": amount(scales.measure),
            "up_to": amount(scales.measure),
            "absent_figure": amount(scales.measure),
            "absent_period": amount(scales.measure),
            "portion": amount(scales.portion),
            "portion_per": (NUMBER, int),
            "cap": amount(scales.limit),
            "floor": amount(scales.limit),
            "minimum": amount(scales.limit),
            "cap_rate": amount(scales.limit - scales.measure),
            **dict.fromkeys(texts, as_is),
            **dict.fromkeys(names, named),
        }

    def _load_bands(self, runner: Runner) -> None:
        """Load `bands`, `gates` and `groups_of`."""
        code, scales = self.codes.of, self.scales
        bound = scales.bound
        rows: list[_Row] = []
        for plan in self.plans:
            times = {c.times_table for c in plan.components} - {""}
            for b in plan.bands:
                factor = maybe_scaled(b.rate, scales.factor) if b.table_id in times else None
                rows.append(
                    (
                        code(plan.id),
                        code(b.table_id),
                        day_number(b.valid_from),
                        day_number(b.valid_to),
                        b.column_no,
                        b.band_no,
                        maybe_scaled(b.lower, bound),
                        int(b.lower_in),
                        maybe_scaled(b.upper, bound),
                        int(b.upper_in),
                        maybe_scaled(b.rate, scales.rate),
                        maybe_scaled(b.rate_to, scales.rate),
                        factor,
                        maybe_scaled(b.flat, scales.flat),
                        code(b.words),
                        b.kind,
                    )
                )
        names = (
            *("plan", "table_id", "valid_from", "valid_to", "column_no", "band_no", "lower"),
            *("lower_in", "upper", "upper_in", "rate", "rate_to", "factor", "flat", "words"),
        )
        runner.load("bands", {**_typed(names), "kind": TEXT}, rows)
        bounds = ("lower", "lower_in", "upper", "upper_in")
        numbers = _typed(("plan", "component", "gate_no", "name", *bounds, "words"))
        columns = {**numbers, "subject": TEXT, "whose": TEXT}
        runner.load("gates", columns, self._gate_rows())
        rows = [
            (
                *(code(plan.id), code(g.rule_id), g.rank, maybe_scaled(g.cap, scales.limit)),
                maybe_scaled(g.cap_rate, scales.limit - scales.measure),
                *(code(g.cap_of), g.kind, g.calendar),
            )
            for plan in self.plans
            for g in plan.groups
        ]
        numbers = _typed(("plan", "group_id", "rank", "cap", "cap_rate", "cap_of"))
        columns = {**numbers, "kind": TEXT, "calendar": TEXT}
        runner.load("groups_of", columns, rows)

    def _gate_rows(self) -> list[_Row]:
        code, bound = self.codes.of, self.scales.bound
        return [
            (
                *(code(plan.id), code(g.component), g.gate_no, code(g.name)),
                *(maybe_scaled(g.lower, bound), int(g.lower_in)),
                *(maybe_scaled(g.upper, bound), int(g.upper_in)),
                *(code(g.words), g.subject, g.of),
            )
            for plan in self.plans
            for g in plan.gates
        ]

    def _tested_as(self, components: Sequence[_Row], like: Sequence[_Row]) -> dict[int, int]:
        """Return by plan the first plan of which all is the same but what tables pay.

        What is measured and tested of that one serves the other as well.
        """
        code = self.codes.of
        others = [(code(plan), code(own), code(name)) for plan, own, name in self._reads_others()]
        said: dict[int, list[_Row]] = {code(plan.id): [] for plan in self.plans}
        for rows in (components, like, self._term_rows(), self._gate_rows(), others):
            for plan, *row in rows:
                said[plan].append(tuple(row))
        first: dict[str, int] = {}
        return {plan: first.setdefault(repr(rows), plan) for plan, rows in said.items()}

    # --- fragments ----------------------------------------------------------------------------

    def run(
        self,
        runner: Runner,
        without: Set[str] = frozenset(),
        last: str = "",
        for_sums: bool = False,
    ) -> None:
        """Run the steps, or those up to the `last`.

        One that no plan needs leaves an empty table, one `without` none. `for_sums`, no line is
        made: the steps that are read once are views, of which only what is summed is worked out.
        """
        filled, needed = self.fragments(), self._needed()
        views = frozenset[str]() if runner.is_narrow else self._views(for_sums)
        if "baselined" in needed:
            self._load_unit_order(runner)
        for step in STEPS:
            if step.name in _OPTIONAL and step.name not in needed:
                columns = dict.fromkeys(_OPTIONAL[step.name], NUMBER)
                if columns:
                    runner.load(step.name, columns, [])
            elif step.name not in without:
                runner.run(replace(step, view=True) if step.name in views else step, filled)
                if step.name == "override_entries":
                    self._run_higher_overrides(runner, step, filled)
            if step.name == last:
                return

    def _views(self, for_sums: bool) -> frozenset[str]:
        """Return the steps that DuckDB works out as they are read."""
        if for_sums:
            return _READ_ONCE
        return frozenset(("tier_earnings",) if self._adds_rows() else ("tier_earnings", "earnings"))

    def _run_higher_overrides(self, runner: Runner, step: Step, filled: Mapping[str, str]) -> None:
        """Add the overrides on overrides, from the lower levels to the higher ones."""
        levels = (override_levels(plan.components).values() for plan in self.plans)
        highest = max((level for found in levels for level in found), default=0)
        for level in range(2, highest + 1):
            more = {"override_level": str(level), "lower_overrides": _LOWER_OVERRIDES}
            runner.run(replace(step, name="higher_overrides"), {**filled, **more})
            runner.run(replace(step, name="lower_overrides", sql=f"SELECT * FROM {step.name}"), {})
            runner.run(replace(step, sql=_BOTH_OVERRIDES), {})

    def _load_unit_order(self, runner: Runner) -> None:
        """Load the places of units in the order of their names: codes are in no order."""
        found = (unit for (unit,) in runner.rows("SELECT DISTINCT unit FROM performance_measures"))
        units = sorted(found, key=lambda unit: self.codes.texts[unit])
        rows = [(unit, place) for place, unit in enumerate(units)]
        runner.load("unit_order", {"unit": NUMBER, "place": NUMBER}, rows)

    def _needed(self) -> set[str]:
        """Return those of the optional steps that some plan needs."""
        plans = self.plans
        components = [c for plan in plans for c in plan.components]
        found = set()
        if any(c.baseline for c in components):
            found.add("baselined")
        if any(c.counts_payments for c in components):
            found |= {"paid_parts", "paid_measures"}
        if any(c.counts != "amount" for c in components):
            found.add("qualifying_customers")
        if any(c.compare == "last year of its customers" for c in components):
            found.add("customers_last_year")
        if has_scope(plans):
            found.add("payees_in_scope")
        if any(c.window_months or c.window_calendar for c in components):
            found.add("windowed")
        if self._reads_others():
            found.add("named_measures")
        if any(c.ties for c in components):
            found.add("ranked")
        if any(plan.gates for plan in plans):
            found.add("gated")
        if any(plan.columns for plan in plans):
            found.add("column_measures")
            if any(c.pays_on != "amount" for c in components):
                found.add("mixed_columns")
        if any(c.times_table for c in components):
            found.add("factors")
        if any(c.clawback_rule for c in components):
            found |= {"losses", "loss_days", "component_lines", "clawback_entries"}
        if any(g.subject == "earned" for plan in plans for g in plan.gates):
            found.add("gate_entries")
        if any(plan.less for plan in plans):
            found.add("less_entries")
        if any(group.kind == "max" for plan in plans for group in plan.groups):
            found.add("best_entries")
        if any(g.cap is not None or g.cap_rate is not None for p in plans for g in p.groups):
            found.add("ceiling_entries")
        if any(c.pays_on == "earned" for c in components):
            found.add("override_entries")
        if found & (_CHANGE_LINES | {"ceiling_entries", "override_entries"}):
            found |= {"component_lines", "gated_lines", "lessened_lines", "best_lines"}
        return found

    def rows_are_lines(self) -> bool:
        """Return whether each row of `earnings` is a line: no unit apart, none that clauses add."""
        components = (c for plan in self.plans for c in plan.components)
        return not self._adds_rows() and all(c.each == "payee" for c in components)

    def _adds_rows(self) -> bool:
        """Return whether a clause adds rows to those of components."""
        adding = _CHANGE_LINES | {"ceiling_entries", "override_entries", "clawback_entries"}
        return bool(self._needed() & adding)

    def _lines_change(self) -> bool:
        """Return whether gates on what is earned, deductions or groups change lines afterwards."""
        return bool(self._needed() & _CHANGE_LINES)

    def fragments(self) -> dict[str, str]:
        """Return what fills steps.sql."""
        s = self.scales
        on_rate = s.pays - s.part - s.rate
        powers = {
            "one": s.measure,
            "bound": s.bound,
            "part_lift": s.part - s.measure,
            "divisor_one": s.divisor,
            "slope_lift": s.pays - s.part - s.rate - s.part if s.curved else 0,
            "rate_lift": on_rate,
            "flat_lift": s.pays - s.flat,
            "one_factor": s.factor,
            "lift": s.uncapped - s.pays - s.portion - s.factor,
            "ceiling_lift": s.uncapped - s.limit - s.divisor,
            "unit_of_uncapped": s.uncapped - s.divisor,
            "limit": s.limit,
            "money_lift": max(0, s.bound - s.money),
            "bound_lift": max(0, s.money - s.bound),
            "override_lift": s.override - s.money - s.party_share - s.portion,
            "override_cap_lift": s.override - s.limit,
            "override": s.override,
            "money": s.money,
            "base_lift": s.base - s.measure,
            "held_base_lift": s.base - s.money - s.party_share,
        }
        return {name: str(10**power) for name, power in powers.items()} | {
            "earn_from": str(month_number(first_needed(self.plans, self.period))),
            "scope_from": str(month_number(first_charged(self.plans, self.period))),
            "paid_from": str(month_number(self.period.span.start)),
            "paid_to": str(month_number(self.period.last_day) + 1),
            "digit": str(10**17),
            "override_level": "1",
            "lower_overrides": "",
            "baseline": str(self.codes.of("baseline")),
            "other_kind": " OR ".join(
                f"(k.role = {self.codes.of(role)} AND q.kind NOT IN ({literals(kinds)}))"
                for role, kinds in ROLE_KINDS.items()
            ),
            "more_customers": self._more_customers(),
            "windowed_by_all": self._windowed_by_all(),
            **self._weighted(),
            **self._by_label(),
            **self._by_payments(),
            "to_date": _TO_DATE if amount_to_date_needed(self.plans) else "CAST(NULL AS BIGINT)",
            "totals_in_scope": _TOTALS_IN_SCOPE if has_scope(self.plans) else "",
            "is_in_scope": _IS_IN_SCOPE if has_scope(self.plans) else "1",
            "columns_in_scope": self._columns_in_scope(),
            "plus": self._plus(),
            "payee_matches": self._payee_matches(),
            "unit_tests": self._unit_tests(),
            "loss_tests": self._loss_tests(),
            "kept_of_line": "b.earned" if self._lines_change() else "c.earned",
            "kept_lines": _KEPT_LINES if self._lines_change() else "",
        }

    def _by_payments(self) -> dict[str, str]:
        """Return where what is measured stands, and SQL of what is paid of it."""
        s = self.scales
        is_there = any(c.counts_payments for plan in self.plans for c in plan.components)
        fill = {"one": 10**s.measure, "lift": 10 ** max(0, s.measure - s.money)}
        return {
            "measured": "paid_measures" if is_there else "performance_measures",
            "unit_of_figures": str(10 ** (s.measure - s.figure)),
            "paid": str(self.codes.of(PAID)),
            "total": str(self.codes.of(TOTAL)),
            "paid_part": _PAID_PART.format(paid="paid", **fill),
            "paid_part_before": _PAID_PART.format(paid="paid_before", **fill),
        }

    def _by_label(self) -> dict[str, str]:
        """Return SQL of the unit and month by which an amount m counts; with the join it needs."""
        if not any(c.counted_column for plan in self.plans for c in plan.components):
            return {"unit": "m.unit", "month": "m.month", "by_label": "", "labelled": ""}
        ends = day_number(self.period.span.end)
        is_as_billed = "(y.counted_label = 0 AND y.counted_paid = 0)"
        return {
            "unit": f"""CASE WHEN {is_as_billed} OR y.each NOT IN ('payee', 'customer')
            THEN m.unit WHEN y.each = 'payee' THEN 0 ELSE coalesce(m.customer, 0) END""",
            "month": """CASE WHEN y.counted_label = 0 THEN m.month
            ELSE greatest(m.month, coalesce(o.first_month, 0)) END""",
            "by_label": _BY_LABEL,
            "labelled": f" AND (y.counted_label = 0 OR d.day < {ends})",
        }

    def _more_customers(self) -> str:
        """Return SQL of customers who count for some months, and of those taken off."""
        components = [c for plan in self.plans for c in plan.components]
        for_months = _COUNTED_FOR_MONTHS if any(c.counts_months for c in components) else ""
        return for_months + (_REFUNDED if any(c.less_refunded for c in components) else "")

    def _windowed_by_all(self) -> str:
        """Return SQL of windows over what all payees together are measured, where there are any."""
        if not any(c.window_all for plan in self.plans for c in plan.components):
            return ""
        first = month_number(first_needed(self.plans, self.period))
        among = any(c.window_among for plan in self.plans for c in plan.components)
        parts = _WINDOWED_BY_ALL + (_WINDOWED_AMONG if among else "")
        return parts.format(earn_from=first)

    def _weighted(self) -> dict[str, str]:
        """Return SQL of what an amount m counts as, and by which rule; with the join it needs."""
        if not any(plan.weights for plan in self.plans):
            return {"weighted": "m.amount", "weighted_by": "NULL", "weights": ""}
        join = (
            "\nLEFT JOIN weights AS w"
            "\n  ON w.plan = m.plan AND w.component = m.component AND w.weight_no = m.weight_no"
        )
        one = 10**self.scales.weight
        amount = f"rounded(times(m.amount, coalesce(w.weight, {one})), {one}, 'half even', 1)"
        return {"weighted": amount, "weighted_by": "w.rule", "weights": join}

    def _plus(self) -> str:
        """Return SQL of what is measured besides credits of a payee, unit and period s."""
        return _PLUS if any(c.plus for plan in self.plans for c in plan.components) else ""

    def _columns_in_scope(self) -> str:
        """Return SQL of the columns of who is in scope, though nothing is credited to it."""
        plus = self._plus()
        none = f"least(0{plus}, s.up_to)" if plus else "0"
        return _COLUMNS_IN_SCOPE.format(none=none) if has_scope(self.plans) else ""

    def _payee_matches(self) -> str:
        asked = ((plan.id, c.payee_rule) for plan in self.plans for c in plan.components)
        return self._party_tests(
            asked,
            "b.payee, b.period_from",
            "(SELECT DISTINCT payee, period_from FROM measures) AS b",
            ("b.payee", "b.period_from"),
        )

    def _unit_tests(self) -> str:
        """Return SQL of which freezes and clawbacks hold for which units, by month.

        Where something is not earned for each customer, order ..., the payee is the unit.
        """
        rules = [
            (plan.id, rule)
            for plan in self.plans
            for rule in (
                *(c.clawback_rule for c in plan.components),
                *(pay.freeze_rule for pay in plan.pay),
            )
        ]
        sources = ["qualifying_amounts"] + ["payees_in_scope"] * has_scope(self.plans)
        names = ["unit"] + ["payee"] * self._payees_can_be_lost()
        units = " UNION ".join(
            f"SELECT DISTINCT {name} AS unit FROM {source} WHERE {name} <> 0"
            for source in sources
            for name in names
        )
        of = f"({units}) AS c JOIN periods AS p ON p.calendar = '1@1'"
        days = ("c.unit", "p.period_to - 1")
        return self._party_tests(rules, "c.unit, p.first_month AS month", of, days)

    def _payees_can_be_lost(self) -> bool:
        """Return whether something is taken back when the payee itself is lost."""
        components = (c for plan in self.plans for c in plan.components)
        return any(c.clawback_rule and c.each == "payee" for c in components)

    def _loss_tests(self) -> str:
        """Return SQL of which clawbacks hold for which units on the days of a loss."""
        rules = [(plan.id, c.clawback_rule) for plan in self.plans for c in plan.components]
        return self._party_tests(rules, "d.unit, d.month, d.day", "days AS d", ("d.unit", "d.day"))

    def _party_tests(
        self, rules: Iterable[tuple[str, str]], columns: str, of: str, whose: tuple[str, str]
    ) -> str:
        """Return SQL of the rows for which the tests of some rules hold; each test once."""
        found = [
            self._party_test(f"SELECT {number} AS test, {columns}", of, tree, whose)
            for number, tree in self.tests.of(rules).items()
        ]
        return "\nUNION ALL\n".join(found or [f"SELECT 0 AS test, {columns} FROM {of} WHERE 1 = 0"])

    def _party_test(self, select: str, of: str, tree: Tree, whose: tuple[str, str]) -> str:
        """Return SQL of the rows for which a condition on a party holds on a day."""
        names: list[str] = []

        joins: list[str] = []
        party, day = whose

        def leaf(node: Tree) -> str:
            if node[0] in DATED:
                alias = f"d{len(joins)}_"
                for name in labels_of_dates(node):
                    joins.append(first_day_join(self.codes, alias + name, name, party))
                dates = date_test(node, lambda n: day if n == "day" else f"{alias}{n}.day")
                return f"coalesce({dates}, false)"
            if node[1] not in names:
                names.append(node[1])
            return code_test(self.codes, node, f"q{names.index(node[1])}.value")

        condition = to_sql(tree, leaf) if tree[1] else "1 = 1"
        joins += [
            label_join(self.codes, f"q{place}", name, party, day)
            for place, name in enumerate(names)
        ]
        joined = "".join(f"\n{join}" for join in joins)
        return f"{select}\nFROM {of}{joined}\nWHERE {condition}"
