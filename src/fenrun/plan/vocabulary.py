"""The closed lists of a plan's language: the words to choose from, and what is known of them.

SQL, templates and words.yaml write these words out; tests/plan/test_vocabulary.py holds that they
know them all.

**A new tier kind** begins here: a word in `TierKind` and its row in `TIERS`. The tests then name
what is still missing: its sentence (`kind-...` in words.yaml), its curve (`CURVES` in
check/payoff.py), and what it earns (earn/steps.sql), which is compared with the curve amount by
amount.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal, get_args

BASES: Final = {
    "billed": "BilledCost",
    "contracted": "ContractedCost",
    "list": "ListCost",
    "effective": "EffectiveCost",
}
"""A plan's words for FOCUS costs, each with its column."""

Mode = Literal["double", "single"]
"""`double`: every role is credited in full. `single`: the first that somebody holds takes all."""

TierKind = Literal["all units", "marginal", "interpolated"]


@dataclass(frozen=True)
class Tier:
    """A tier kind's traits, wherever plans are read or checked."""

    points: bool = False
    """Its table has points (`at 80 % pays 2 %`) in place of bands, and no columns."""
    slices: bool = False
    """It pays slice by slice, so what is paid on must be what picks the band."""
    multiplies: bool = False
    """It has one rate a band, so its table may multiply another's outcome."""


TIERS: Final[dict[TierKind, Tier]] = {
    "all units": Tier(multiplies=True),
    "marginal": Tier(slices=True),
    "interpolated": Tier(points=True),
}
"""`all units`: the whole at the reached band's rate. `marginal`: each slice at its own band's rate.
`interpolated`: the whole at a rate on the straight line between two points."""

READINGS: Final = (
    "amount",
    "increment",
    "attainment",
    "growth",
    "amount to date",
    "amount over",
    "amount of",
    "attainment of",
    "rank",
    "figure",
)
"""What picks a band: `amount over` a window of months, `... of` another component, `rank` among the
payees."""
Ties = Literal["better place", "worse place"]
"""The place of payees who measure the same: as if each were first of them, or last."""
RankedBy = Literal["amount", "attainment"]
"""What places are by: what a component measures, or that in parts of the payee's target."""
OTHERS_READINGS: Final = ("amount of", "attainment of")
"""Readings of what another component measures."""
RATIO_READINGS: Final = ("attainment", "growth", "attainment of")
"""Readings in parts of a reference, the target or the comparison; their bounds are percentages."""
COMPARED_READINGS: Final = ("increment", "growth")
"""Readings that need something to compare with."""

PAYS_ON: Final = ("amount", "increment", "figure", "earned")
"""What a rate is applied to; `earned`: what others earned with another component."""
SLICED_BY: Final = {
    "amount": ("amount", "attainment"),
    "increment": ("increment", "growth"),
    "figure": ("attainment", "growth"),
}
"""For what is paid on: the readings that measure just that, so that it can be cut into slices; a
figure is cut as the target, or what growth is compared with, is."""

GATE_SUBJECTS: Final = (*READINGS, "spend", "spend before", "earned")
"""What a gate is a condition on: a reading; what counts of the charges of the period, or of the one
before; what is earned with another component."""

COMPARISONS: Final = (
    "last year",
    "last year of its customers",
    "previous period",
    "periods before",
    "figure",
)
"""What increment and growth are measured against; `periods before`: so many."""

COUNTS: Final = ("amount", "customers", "new customers")
"""What is measured."""

UNITS: Final = ("payee", "customer", "order")
"""What is earned for separately; a column of the charge can be too."""

GroupKind = Literal["sum", "max", "first match", "exclusive"]
"""`sum`: added up. `max`: only the largest pays. `first match`: a credit counts for the first that
measures it. `exclusive`: no credit may count for two."""
GROUP_KINDS: Final[tuple[GroupKind, ...]] = get_args(GroupKind)

MONTHS_OF: Final = {
    "month": 1,
    "2 months": 2,
    "quarter": 3,
    "4 months": 4,
    "half year": 6,
    "year": 12,
}
"""The periods that components are measured by, each with its months."""

ROUNDING_MODES: Final = ("half up", "half even", "down")
"""`half up` is away from zero, `down` towards it."""
ROUNDING_STEPS: Final = ("1", "0.1", "0.01", "0.001", "0.0001")

AGREEMENT_KINDS: Final = (
    *("commit", "prepay", "subscription", "licence", "reservation", "project", "marketplace"),
)
"""The kinds of what is agreed with a customer or a partner."""
DERIVED_FIGURES: Final = ("renewed", "recognised")
"""What is counted of agreements of a kind: the part of those that end in a period which is renewed;
what of their amounts is for the days of a period."""
SPEND: Final = "spend"
"""What is counted of charges: what was charged to a customer in some months before."""

DRAW_KINDS: Final = ("recoverable", "guaranteed")
"""`recoverable`: what a draw adds is taken back from later earnings."""

About = Literal["charge", "customer", "credit", "party"]
"""What a condition decides about; `customer`: a charge and its customer."""

RuleKind = Literal[
    "credit",
    "while",
    "exclude",
    "earn",
    "payee",
    "measure",
    "baseline",
    "clawback",
    "group",
    "table",
    "column",
    "pay",
    "freeze",
    "figure",
]
"""The kinds of clauses; all but `credit`, `exclude`, `earn`, `group`, `table`, `pay` and `figure`
are parts of another."""

REASONS: Final = (
    "band",
    "capped",
    "floor",
    "too-little",
    "not-in-scope",
    "payee",
    "no-target",
    "no-comparison",
    "no-figure",
    "no-place",
    "no-band",
    "two-columns",
    "units",
    "no-unit",
    "gate",
    "less",
    "beaten",
    "ceiling",
    "override",
    "clawback",
)
"""Why a statement's line is what it is; its words are `reason-...` in statement/words.yaml."""

CHARGE_DAYS: Final = ("ChargePeriodStart", "ChargePeriodEnd", "BillingPeriodStart")
"""The FOCUS columns whose day can say who is credited; an x_ column can too."""

EACH_DAY: Final = {
    "each day of ChargePeriod": "ChargePeriod",
    "each day of BillingPeriod": "BillingPeriod",
}
"""The ways to divide a charge over days, each of which says who is credited for its part: the FOCUS
period whose days they are."""

MONTHS: Final = (
    "january",
    "february",
    "march",
    "april",
    "may",
    "june",
    "july",
    "august",
    "september",
    "october",
    "november",
    "december",
)
