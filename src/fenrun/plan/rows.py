"""A plan once read: small tables, which the fixed SQL of the credit, earn and payout stages joins.

`rule_id` names a clause of the plan's text; it goes along to every credit, earning and statement
line. In the engine the tables are named `plan_...`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from fenrun.plan.vocabulary import About, GroupKind, Mode, RuleKind, TierKind


@dataclass(frozen=True)
class Terms:
    """The plan itself: one row."""

    plan_id: str
    title_en: str
    title_zh: str
    source: str
    """Where these terms are agreed."""
    published: date
    """When they were published."""
    valid_from: date
    """First day of the first period that earns under them."""
    valid_to: date
    """Periods that start on this day or later earn nothing."""
    currency: str
    converts: str
    """The currencies whose charges are converted into it: `EUR,JPY`; none where it is empty."""
    converts_on: str
    """By the rate of the `month` of the bill, or of the `day` that says who is credited."""
    timezone: str
    """Decides on which day a charge falls."""
    year_starts: int
    """The month (1 to 12) in which quarters, halves and years begin to be counted."""
    basis: str
    """The cost that is credited: a key of BASES, an `x_` column, or two of them as
    `billed|contracted`: the one nearer to zero."""
    as_of: str
    """Which date of a charge decides who is credited, as JSON: [condition or null, column] ..."""
    round_step: Decimal
    """An earning is a whole number of these: 0.01 for cents ..."""
    round_per: int
    """... of which this many make one."""
    round_mode: str
    """One of ROUNDING_MODES."""
    registration_days: int
    """A deal registration expires after so many days; 0: when the book says."""
    open_registrations: int
    """A party's further open order registrations are refused; 0: any number."""
    first_come: bool
    """Of two claims that are over the whole together the earlier holds; else neither does."""
    cooldown_months: int
    """The change-of-partner cooldown: a role's holder cannot be removed from a customer a second
    time within so many months; 0: at any time."""
    consent_days: int
    """A customer's silence of so many days is consent to who is credited for its spend; 0: only its
    own word is."""
    mixed: str
    """Why components may measure different costs; empty where they may not."""
    money: str
    """Digest of all that decides about money."""
    words: str
    """Digest of all that is only said."""


@dataclass(frozen=True)
class Rule:
    """A clause of the text: what statements and explanations show."""

    plan_id: str
    rule_id: str
    kind: RuleKind
    title_en: str
    title_zh: str
    source: str
    words: str
    """The clause as written."""
    line: int
    """Line of the plan's text."""


@dataclass(frozen=True)
class Condition:
    """A rule's condition: a tree as JSON (see conditions.py). A rule without one always holds."""

    plan_id: str
    rule_id: str
    about: About
    """What it decides about."""
    tree: str


@dataclass(frozen=True)
class CreditClause:
    """A crediting rule. For each charge the matching clause of lowest rank decides."""

    plan_id: str
    rule_id: str
    rank: int
    mode: Mode
    while_rule: str
    """Rule of the condition under which a link is credited; empty where always."""


@dataclass(frozen=True)
class CreditRole:
    """A role that a crediting clause credits, in the order it names them."""

    plan_id: str
    rule_id: str
    role: str
    role_rank: int


@dataclass(frozen=True)
class RollUp:
    """A roll-up: the credits of `role` are shown to whoever holds `to_role` of that party.

    They come on top of the hundred per cent that a charge is credited.
    """

    plan_id: str
    rule_id: str
    role: str
    to_role: str


@dataclass(frozen=True)
class Exclusion:
    """A clause by which credits do not qualify for a component (for any, where it is empty)."""

    plan_id: str
    rule_id: str
    rank: int
    component: str
    valid_from: date
    """First charge day it holds for."""
    valid_to: date


@dataclass(frozen=True)
class Component:
    """Something a payee can earn, once a period."""

    plan_id: str
    rule_id: str
    rank: int
    group_id: str
    """The group it stands in; empty where it is simply added."""
    role: str
    """Whose credits are measured and who is paid."""
    basis: str
    """The cost it measures."""
    per: str
    """The period as written: a key of MONTHS_OF."""
    calendar: str
    """The same as months and the month in which the year starts: `3@1`."""
    each: str
    """What is earned for separately: `payee`, `customer`, or a column of the charge."""
    counted_label: str
    """The label on whose first day it counts; empty: with the month of the bill, or of payments."""
    counted_column: str
    """The column that names what has that label, or is paid; empty: with the month of the bill."""
    counts: str
    """What is measured: one of COUNTS."""
    counts_from: Decimal | None
    """A customer is counted whose amount reaches this; with none, exceeds 0 ..."""
    counts_months: int
    """... in each of so many months up to the end of the period, a new one in its first; 0: in the
    period as a whole."""
    less_refunded: bool
    """Whether customers whose amount in the period is below zero are taken off the count."""
    up_to: Decimal | None
    """The most of the performance measure that counts."""
    plus: str
    """The figure that is measured besides what is credited; empty for none."""
    plus_of: str
    """Whose figure: `payee` or `customer`."""
    measure_rule: str
    """Rule of the condition on the credits it measures."""
    pays_on: str
    """What a rate is applied to: one of PAYS_ON."""
    on_name: str
    """The figure's name, or the other component."""
    on_of: str
    """Whose figure: `payee` or `customer`."""
    reads_by: str
    """What picks the band: one of READINGS; empty for `earned`."""
    by_name: str
    by_of: str
    target: str
    """Figure that attainment is measured against."""
    target_of: str
    compare: str
    """What increment and growth are measured against: one of COMPARISONS, or empty."""
    compare_name: str
    compare_of: str
    compare_lag: int
    """Where that is so many periods before: the months between."""
    window_months: int
    """Months up to the end of the period over which `amount over` sums; 0 where it does so ..."""
    window_calendar: str
    """... since a period of this calendar began, or nothing reads it."""
    window_all: bool
    """Whether it sums what all payees together are measured, of the same unit ..."""
    window_among: str
    """... or those with the payee's value of this label; empty: all are."""
    ranks_among: str
    """Label whose payees of one value are ranked together; empty: all payees are."""
    ranks_by: str
    """One of RankedBy: what places are by; empty where nothing is ranked."""
    ties: str
    """The place of equals, one of Ties; empty where nothing is ranked."""
    portion: Decimal
    """Part of the outcome that is paid ..."""
    portion_per: int
    """... divided by this: 1 of 12."""
    baseline: str
    """Figure a customer's spend must exceed before it counts; empty where none."""
    baseline_calendar: str
    """The period of that figure; spend counts up to it in the order of months."""
    cap: Decimal | None
    """Most that one period pays ..."""
    cap_rate: Decimal | None
    """... or most as a part of the measured amount."""
    floor: Decimal | None
    """Least that one period pays."""
    minimum: Decimal | None
    """Less than this is not paid."""
    table_id: str
    times_table: str
    """Table whose rate the outcome is multiplied with; empty where none."""
    times_by: str
    """What picks its band, as `reads_by`."""
    times_name: str
    times_of: str
    payee_rule: str
    """Rule of the condition on the payee; empty where everybody qualifies."""
    scope: str
    """Who has a line though nothing is credited to it: `holders` of the role, or whoever has a
    `label` or a `figure`; empty: nobody."""
    scope_name: str
    """Name of that label or figure ..."""
    scope_value: str
    """... and the label's value; empty: any."""
    absent_figure: Decimal | None
    """What a figure counts as that is not there; None: nothing is earned."""
    absent_period: Decimal | None
    """What an earlier period counts as that has no measure; None: no comparison."""
    baseline_rule: str
    """Rule of the condition on whose spend the baseline is; empty where it is everybody's."""
    clawback_rule: str
    """Rule of the condition on units whose earnings are clawed back; empty where none."""
    clawback_span: int
    """How long what was paid can be clawed back; 0 where nothing is."""
    clawback_unit: str
    """Of that span: `day` or `month`."""
    clawback_from: str
    """What that begins with: `payment`, `customer since` or a `label`; empty: whole months before
    that of the loss."""
    clawback_label: str
    pro_rata: bool
    """Whether only the part for the days that are left is clawed back."""

    @property
    def counts_payments(self) -> bool:
        """True if it counts as far as what the column names is paid."""
        return bool(self.counted_column) and not self.counted_label


@dataclass(frozen=True)
class Weight:
    """A weight of some credits in a component; the first whose condition holds decides."""

    plan_id: str
    component: str
    weight_no: int
    """From 1 on; what no condition holds of has 0, and counts once."""
    rule_id: str
    weight: Decimal


@dataclass(frozen=True)
class Group:
    """Components that are combined otherwise than by adding them up."""

    plan_id: str
    rule_id: str
    rank: int
    kind: GroupKind
    calendar: str
    """The period over which the ceiling holds."""
    cap: Decimal | None
    """Most that they pay together ..."""
    cap_rate: Decimal | None
    cap_of: str
    """... or most as a part of what this component measured."""


@dataclass(frozen=True)
class Gate:
    """A condition on numbers without which a component pays nothing."""

    plan_id: str
    component: str
    gate_no: int
    subject: str
    """What it is a condition on: one of GATE_SUBJECTS."""
    name: str
    of: str
    lower: Decimal | None
    lower_in: bool
    upper: Decimal | None
    upper_in: bool
    words: str
    line: int


@dataclass(frozen=True)
class Less:
    """A component that is paid only above what another paid."""

    plan_id: str
    component: str
    other: str


@dataclass(frozen=True)
class Column:
    """A column of a table version: bands for the credits that are first to match its condition."""

    plan_id: str
    table_id: str
    version: date
    published: date
    column_no: int
    rule_id: str


@dataclass(frozen=True)
class Band:
    """One band of a table version. A table version is dated as a whole."""

    plan_id: str
    table_id: str
    valid_from: date
    """The version holds for periods that start on or after this day ..."""
    valid_to: date
    """... and before this one."""
    published: date
    """Until this day nobody could know of the version."""
    column_no: int
    """Column of the table; 0 where it has none."""
    kind: TierKind
    band_no: int
    lower: Decimal | None
    """None: no lower bound."""
    lower_in: bool
    """Whether the bound itself belongs to the band."""
    upper: Decimal | None
    upper_in: bool
    ratio: bool
    """Whether the bounds are parts of the target or comparison (1.2 is 120 %), not amounts."""
    rate: Decimal | None
    """Pays this rate (where customers are counted: this amount each) ..."""
    rate_to: Decimal | None
    """... that grows in a straight line to this one at the upper bound ..."""
    flat: Decimal | None
    """... or this amount."""
    words: str
    lowers: str
    """How it was announced that this version pays less than the one before; empty where it does
    not say so."""
    line: int


@dataclass(frozen=True)
class Pay:
    """When and how what is earned is paid."""

    plan_id: str
    rule_id: str
    draw: Decimal | None
    """What is paid at least each month ..."""
    recoverable: bool
    """... and taken back from later earnings."""
    minimum: Decimal | None
    """Less is carried forward, and so is what is below zero."""
    expires: int
    """A carried amount becomes breakage after so many months; 0: never."""
    freeze_rule: str
    """Rule of the condition on customers for whose spend nothing is paid meanwhile; or empty."""
    tax_included: Decimal
    """The tax rate inside what is earned."""
    tax_added: Decimal
    """The payee's own tax rate, put on top after the included tax is taken out ..."""
    tax_figure: str
    """... or the figure that holds it."""
    paid_in: str
    """The other currency in which payments are made ..."""
    paid_in_label: str
    """... or the payee's label that names it; both empty: the plan's."""
    paid_on: str
    """By which rate: of the `month`, or of its last `day`."""


@dataclass(frozen=True)
class Purse:
    """Terms by which some components are paid apart from the others."""

    plan_id: str
    purse_no: int
    """From 1 on; what is not paid apart is in purse 0, by the terms of `Pay`."""
    rule_id: str
    draw: Decimal | None
    recoverable: bool
    minimum: Decimal | None
    expires: int


@dataclass(frozen=True)
class PaidApart:
    """A component, or the group whose ceiling makes a line, that is paid by a purse of its own."""

    plan_id: str
    component: str
    purse_no: int


@dataclass(frozen=True)
class Instalment:
    """A part of each earning, and how many months later it is due."""

    plan_id: str
    instalment_no: int
    share: Decimal
    months: int
    purse_no: int
    """Of what is paid by that purse."""


@dataclass(frozen=True)
class Form:
    """In which form a part of a payment is made."""

    plan_id: str
    form_no: int
    form: str
    share: Decimal
    floor: Decimal | None
    """Below this the part is paid in the form `otherwise`."""
    otherwise: str


@dataclass(frozen=True)
class Fund:
    """A form of payment that is kept for the payee, with a balance, until it is claimed."""

    plan_id: str
    form: str
    claims: str
    """Figure of the payee that says what is claimed in a month."""
    cap: Decimal | None
    """The most that the fund holds; more does not accrue."""
    lapses: int
    """What is not claimed so many months after it accrued is lost; 0: never."""


_IN_COMMON = (
    "currency",
    "converts",
    "converts_on",
    "timezone",
    "as_of",
    "registration_days",
    "open_registrations",
    "first_come",
    "cooldown_months",
)
"""The terms by which charges are told apart, and links refused: once for all plans of a group."""


@dataclass(frozen=True)
class DerivedFigure:
    """A figure that is counted from agreements or charges. Grain: plan, figure."""

    plan_id: str
    rule_id: str
    figure: str
    counts: str
    """One of DERIVED_FIGURES, or SPEND."""
    of: str
    """The kind of the agreements; of spend its months: `2023-07/2023-12`."""


@dataclass(frozen=True)
class Plan:
    """A plan as read: its tables."""

    terms: tuple[Terms, ...]
    rules: tuple[Rule, ...]
    conditions: tuple[Condition, ...]
    credit_clauses: tuple[CreditClause, ...]
    credit_roles: tuple[CreditRole, ...]
    roll_ups: tuple[RollUp, ...]
    exclusions: tuple[Exclusion, ...]
    components: tuple[Component, ...]
    weights: tuple[Weight, ...]
    groups: tuple[Group, ...]
    gates: tuple[Gate, ...]
    less: tuple[Less, ...]
    columns: tuple[Column, ...]
    bands: tuple[Band, ...]
    pay: tuple[Pay, ...]
    purses: tuple[Purse, ...]
    paid_apart: tuple[PaidApart, ...]
    instalments: tuple[Instalment, ...]
    forms: tuple[Form, ...]
    funds: tuple[Fund, ...]
    figures: tuple[DerivedFigure, ...]

    @property
    def pay_terms(self) -> tuple[Pay | Purse, ...]:
        """The terms of what is paid apart and of the rest, by the number of the purse."""
        return (*self.pay, *self.purses)

    @property
    def id(self) -> str:
        """The plan's id."""
        return self.terms[0].plan_id

    @property
    def currency(self) -> str:
        """The currency in which the plan measures and pays."""
        return self.terms[0].currency

    @property
    def converts(self) -> tuple[str, ...]:
        """The other currencies whose charges count, converted into the plan's."""
        return tuple(filter(None, self.terms[0].converts.split(",")))

    @property
    def pays_in_another(self) -> bool:
        """True if payments can be made in another currency than the plan's."""
        return any(pay.paid_in or pay.paid_in_label for pay in self.pay)

    @property
    def common_terms(self) -> tuple[object, ...]:
        """The terms that plans which are settled together have in common."""
        return tuple(getattr(self.terms[0], name) for name in _IN_COMMON)


ROW_TYPES: dict[str, type] = {
    "terms": Terms,
    "rules": Rule,
    "conditions": Condition,
    "credit_clauses": CreditClause,
    "credit_roles": CreditRole,
    "roll_ups": RollUp,
    "exclusions": Exclusion,
    "components": Component,
    "weights": Weight,
    "groups": Group,
    "gates": Gate,
    "less": Less,
    "columns": Column,
    "bands": Band,
    "pay": Pay,
    "purses": Purse,
    "paid_apart": PaidApart,
    "instalments": Instalment,
    "forms": Form,
    "funds": Fund,
    "figures": DerivedFigure,
}
"""The row type of each of a plan's tables, in the order of Plan's fields."""


def settled_together(plans: Iterable[Plan]) -> list[tuple[Plan, ...]]:
    """Return the plans in groups of equal common terms: each group is settled for itself."""
    groups: dict[tuple[object, ...], list[Plan]] = {}
    for plan in plans:
        groups.setdefault(plan.common_terms, []).append(plan)
    return [tuple(group) for group in groups.values()]
