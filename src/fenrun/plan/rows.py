"""What a plan is once read: small tables, joined by the fixed SQL of the credit and earn stages.

`rule_id` names a clause of the plan's text; it rides along to every credit, earning and statement line.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from datetime import date
from decimal import Decimal

BASES = {"billed": "BilledCost", "contracted": "ContractedCost", "list": "ListCost", "effective": "EffectiveCost"}
"""A plan's words for FOCUS costs."""
PERIODS = ("month", "quarter", "year")


@dataclass(frozen=True)
class Terms:
    """The plan itself: one row."""

    plan_id: str
    title_en: str
    title_zh: str
    source: str
    """Where these terms are agreed."""
    published: date
    """When they were made known."""
    valid_from: date
    """First day of the first period that earns under them."""
    valid_to: date
    """Periods that start on this day or later earn nothing."""
    currency: str
    timezone: str
    """Decides on which day a charge falls."""
    basis: str
    """`billed`, `contracted`, `list`, `effective`, or two of them as `billed|contracted`: the one nearer to zero."""
    round_step: Decimal
    """An earning is a whole number of these: 0.01 for cents ..."""
    round_per: int
    """... of which this many make one."""
    round_mode: str
    """`half up` (away from zero), `half even` or `down` (towards zero)."""
    digest: str
    """Digest of the plan's text."""


@dataclass(frozen=True)
class Rule:
    """A clause of the text: what statements and explanations show."""

    plan_id: str
    rule_id: str
    kind: str
    """`credit`, `exclude`, `baseline`, `payee`, `earn` or `table`."""
    title_en: str
    title_zh: str
    source: str
    words: str
    """The clause as written."""
    line: int
    """Line of the plan's text."""


@dataclass(frozen=True)
class Condition:
    """When a rule holds: a tree in JSON (see conditions.py). A rule without condition always holds."""

    plan_id: str
    rule_id: str
    tree: str


@dataclass(frozen=True)
class CreditClause:
    """A crediting rule. For each charge the matching clause of lowest rank decides."""

    plan_id: str
    rule_id: str
    rank: int
    mode: str
    """`double`: every role is credited in full. `single`: the first role that somebody holds takes it all."""


@dataclass(frozen=True)
class CreditRole:
    """A role that a crediting clause credits, in the order it names them."""

    plan_id: str
    rule_id: str
    role: str
    role_rank: int


@dataclass(frozen=True)
class RollUp:
    """What `role` is credited for is shown to whoever holds `to_role` of that party, besides the hundred per cent."""

    plan_id: str
    rule_id: str
    role: str
    to_role: str


@dataclass(frozen=True)
class Exclusion:
    """Credits that count for nothing in a component (all components where `component` is empty)."""

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
    role: str
    """Whose credits are measured and who is paid."""
    per: str
    """`month`, `quarter` or `year`."""
    pays_on: str
    """What a rate is applied to: `amount`, `increment` or `figure`."""
    on_figure: str
    """The figure's name where `pays_on` is `figure`."""
    reads_by: str
    """What picks the band: `amount`, `increment`, `attainment` or `growth`."""
    target: str
    """Figure that attainment is measured against."""
    compare: str
    """`last year`, a figure's name, or empty: what increment and growth are measured against."""
    portion: Decimal
    """Part of the outcome that is paid."""
    baseline: str
    """Figure a customer's spend must exceed before it counts; empty where none."""
    baseline_per: str
    """The period of that figure: `month`, `quarter` or `year`; spend counts up to it in the order of months."""
    cap: Decimal | None
    """Most that one period pays."""
    table_id: str
    payee_rule: str
    """Rule of the condition on the payee; empty where everybody qualifies."""
    baseline_rule: str
    """Rule of the condition on whose spend the baseline is; empty where it is everybody's."""


@dataclass(frozen=True)
class Band:
    """One band of a table version. A table version is dated as a whole."""

    plan_id: str
    table_id: str
    valid_from: date
    """The version holds for periods that start on or after this day ..."""
    valid_to: date
    """... and before this one."""
    kind: str
    """`all units` or `marginal`."""
    band_no: int
    lower: Decimal | None
    """None: no lower bound."""
    lower_in: bool
    """Whether the bound itself belongs to the band."""
    upper: Decimal | None
    upper_in: bool
    ratio: bool
    """Whether the bounds are percentages of the target or comparison (as fractions), not amounts."""
    rate: Decimal | None
    """Pays this rate ..."""
    flat: Decimal | None
    """... or this amount."""
    words: str
    line: int


@dataclass(frozen=True)
class Plan:
    """A plan as read: its rows, and its cases as written."""

    terms: tuple[Terms, ...]
    rules: tuple[Rule, ...]
    conditions: tuple[Condition, ...]
    credit_clauses: tuple[CreditClause, ...]
    credit_roles: tuple[CreditRole, ...]
    roll_ups: tuple[RollUp, ...]
    exclusions: tuple[Exclusion, ...]
    components: tuple[Component, ...]
    bands: tuple[Band, ...]

    @property
    def id(self) -> str:
        return self.terms[0].plan_id


ROW_TYPES: dict[str, type] = {
    "terms": Terms, "rules": Rule, "conditions": Condition, "credit_clauses": CreditClause, "credit_roles": CreditRole, "roll_ups": RollUp,
    "exclusions": Exclusion, "components": Component, "bands": Band,
}
"""Row type of each of a plan's tables; in the engine they are named `plan_...`."""

if set(ROW_TYPES) != {f.name for f in fields(Plan)}:  # pragma: no cover - holds as long as both lists agree
    raise AssertionError("ROW_TYPES and Plan differ")
