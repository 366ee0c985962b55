"""The plan as people write it: YAML whose keys are the fields below.

This is the one description of the keys. Reading checks against it; the JSON Schema and the
reference are made from it. What stands as a value is read by phrases.py and bands.py.
"""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Discriminator, Field, Tag

from fenrun.base.money import minor_units, parse_amount, parse_rate
from fenrun.base.when import OPEN_END, parse_day
from fenrun.plan import phrases
from fenrun.plan.bands import BandText, read_band
from fenrun.plan.phrases import (
    COMPARISON_FORMS,
    DERIVED_FORMS,
    FIGURE_FORMS,
    READING_FORMS,
    CapText,
    CountsText,
    DrawText,
    FormText,
    GateText,
    InstalmentText,
    PaidInText,
    PortionText,
    ScopeText,
    TaxRate,
    Written,
    one_of,
)
from fenrun.plan.vocabulary import (
    CHARGE_DAYS,
    EACH_DAY,
    GROUP_KINDS,
    UNITS,
    Mode,
    RankedBy,
    TierKind,
    Ties,
)

Day = Annotated[date, Written(parse_day)]
Amount = Annotated[Decimal, Written(parse_amount)]
Rate = Annotated[Decimal, Written(parse_rate)]
Portion = Annotated[PortionText, Written(phrases.read_portion)]
Weight = Annotated[Decimal, Written(phrases.read_weight)]
Bottom = Annotated[Decimal, Written(phrases.read_bottom)]
Id = Annotated[str, Written(phrases.read_id, {"type": "string", "pattern": f"^{phrases.NAME}$"})]
Currency = Annotated[
    str, Written(phrases.read_currency, {"type": "string", "pattern": "^[A-Z]{3}$"})
]
Zone = Annotated[str, Written(phrases.read_zone, {"type": "string"})]
Basis = Annotated[str, Written(phrases.read_basis)]
Rounding = Annotated[tuple[str, int], Written(phrases.read_rounding)]
Month = Annotated[int, Written(phrases.read_month)]
Per = Annotated[str, Written(phrases.read_per)]
Months = Annotated[int, Written(phrases.read_months)]
Days = Annotated[int, Written(phrases.read_days)]
Window = Annotated[phrases.WindowText, Written(phrases.read_window)]
Counts = Annotated[CountsText, Written(phrases.read_counts)]
MonthOf = Annotated[phrases.MonthText, Written(phrases.read_month_of)]
Scope = Annotated[
    ScopeText, Written(phrases.read_scope, {"type": "string", "pattern": "^all( |$)"})
]
Cap = Annotated[CapText, Written(phrases.read_cap)]
Band = Annotated[BandText, Written(read_band)]
Gate = Annotated[GateText, Written(phrases.read_gate)]
Instalment = Annotated[InstalmentText, Written(phrases.read_instalment)]
FormOfPayment = Annotated[FormText, Written(phrases.read_form)]
Draw = Annotated[DrawText, Written(phrases.read_draw)]
PaidIn = Annotated[PaidInText, Written(phrases.read_paid_in)]
Tax = Annotated[TaxRate, Written(phrases.read_tax)]
Unit = Annotated[str, one_of(*UNITS, "COLUMN", "x_COLUMN")]
Reading = Annotated[str, one_of(*READING_FORMS)]
Figure = Annotated[str, one_of(*FIGURE_FORMS)]
PaysOn = Annotated[
    str,
    one_of(
        "amount",
        "increment",
        *(f"figure {form}" for form in FIGURE_FORMS),
        "earned COMPONENT below",
    ),
]
Comparison = Annotated[str, one_of(*COMPARISON_FORMS)]
Counted = Annotated[str, one_of(*DERIVED_FORMS)]
Times = Annotated[str, one_of(*(f"TABLE by {form}" for form in READING_FORMS))]
ChargeDay = Annotated[str, one_of(*CHARGE_DAYS, "x_COLUMN", *EACH_DAY)]


class Text(BaseModel):
    """Base of all: unknown keys are refused, aliases are the keys as written."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Words(Text):
    """The same words in both languages."""

    en: str = Field(description="In English.")
    zh: str = Field(alias="zh-CN", description="In Chinese.")


def _title_kind(value: Any) -> str:
    return "words" if isinstance(value, dict) else "text"


Title = Annotated[
    Annotated[Words, Tag("words")] | Annotated[str, Tag("text")], Discriminator(_title_kind)
]


class Effective(Text):
    """Half-open: the first day, and the first day after."""

    start: Day = Field(
        alias="from", description="First day: the first period that earns starts on it or later."
    )
    end: Day = Field(
        OPEN_END, alias="to", description="First day after; open where it is left out."
    )


class RollUpText(Text):
    """A roll-up: who sees whose credits."""

    role: str = Field(description="The credited role.")
    to: str = Field(
        description=(
            "The role, held of that party in the book, that sees the credits too, besides the "
            "hundred per cent."
        )
    )


class CreditText(Text):
    """A crediting clause."""

    id: Id = Field(description="Name of the clause on statements.")
    title: Title | None = Field(None, description="What people call it.")
    when: str | None = Field(
        None, description="Condition on charge and customer; always, where it is left out."
    )
    mode: Mode = Field(
        description=(
            "`double`: every role named is credited in full. `single`: the first role that "
            "somebody holds takes it all."
        )
    )
    roles: list[str] = Field(
        min_length=1, description="Roles of the book that are credited, in order."
    )
    while_: str | None = Field(
        None,
        alias="while",
        description=(
            "Condition on the link as well: windows of association and protection. Outside it the "
            "link is not credited and the next role may take the charge."
        ),
    )
    roll_up: list[RollUpText] = Field(
        [],
        alias="roll up",
        description=(
            "Credits shown further up, without being part of the hundred per cent; a role rolled "
            "up may be rolled up again."
        ),
    )
    source: str | None = Field(
        None, description="Where this is agreed, if not where the plan says."
    )


class CreditGroup(Text):
    """A way in which crediting clauses combine."""

    first_match: list[CreditText] = Field(
        alias="first match",
        min_length=1,
        description="Clauses from the top; the first whose condition holds decides a charge.",
    )


class ExcludeText(Text):
    """Charges that are credited but count for nothing."""

    id: Id = Field(description="Name of the clause on statements.")
    title: Title | None = Field(None, description="What people call it.")
    when: str = Field(description="Condition on the credit: charge, customer, payee, link, dates.")
    applies_to: list[Id] = Field(
        [], alias="applies to", description="Components it holds for; all, where it is left out."
    )
    since: Day | None = Field(None, description="First charge day it holds for.")
    until: Day | None = Field(None, description="First charge day it no longer holds for.")
    source: str | None = Field(
        None, description="Where this is agreed, if not where the plan says."
    )


class BaselineText(Text):
    """Existing spend that does not count."""

    figure: str = Field(
        description=(
            "Figure of the book, per customer: within its period only what comes above it counts."
        )
    )
    per: Per = Field(
        description=(
            "The period of that figure; spend is counted up to it in the order of months, for each "
            "payee."
        )
    )
    when: str | None = Field(
        None,
        description=(
            "Condition on the credit: whose spend has a baseline; everybody's, where it is left "
            "out."
        ),
    )


class ClawbackText(Text):
    """Earnings taken back when a customer, an order or whatever `each` names is lost.

    What was paid once is taken back once, at the first loss after it. Without `each` it is the
    payee itself that is lost.
    """

    when: str = Field(
        description=(
            "Condition on its labels on the last day of a month; when it first holds, earnings "
            "are taken back. An order has labels as a party does, under its id."
        )
    )
    within: Window = Field(
        description=(
            "How long what was paid can be lost: with that month and so many months before, as "
            "in: 6 months; or to the day, as in: 90 days of payment (of the last day of the month "
            "it was paid with), 180 days of customer since, 12 months of label activated (of the "
            "first day of that label; while there is none, the window is open)."
        )
    )
    takes: Literal["all", "pro rata"] = Field(
        "all",
        description=(
            "`all` of it, or `pro rata`: for the days of the window that are left on the first "
            "day of the loss."
        ),
    )


class AbsentText(Text):
    """The meaning of a number that is not there."""

    figure: Literal["nothing", "zero"] = Field(
        "nothing",
        description=(
            "A figure that the book does not give for the period: `nothing` (what reads it earns "
            "nothing, a threshold on it is not met), or `zero`."
        ),
    )
    period: Literal["nothing", "zero"] = Field(
        "nothing",
        description=(
            "An earlier period without a measure: `nothing` (there is no comparison, and nothing "
            "is earned), or `zero` (all is increment)."
        ),
    )


class WeightText(Text):
    """A weight of some of the credits."""

    when: str = Field(description="Condition on the credit: what is weighted.")
    weight: Weight = Field(
        description=(
            "What each amount is multiplied with before it is measured, as in: 10, or 50 %."
        )
    )


class RankText(Text):
    """The places of payees by what the component measures of them: the most has place 1.

    Only who qualifies and measures more than 0 has a place.
    """

    by: RankedBy = Field(
        "amount",
        description=(
            "What places are by: `amount`, what is measured, or `attainment`, that in parts of the "
            "payee's `target`, compared exactly; who has no target above 0 then has no place."
        ),
    )
    among: Id | None = Field(
        None,
        description=(
            "A label, as in: region. Places are those among the payees with the same value of it "
            "on the first day of the period; who has none has no place. Among all payees of the "
            "component, where it is left out."
        ),
    )
    ties: Ties = Field(
        description=(
            "The place of equals: of two who share the third place, "
            "`better place` makes both third, `worse place` both fourth."
        )
    )


class EarnText(Text):
    """A component: something a payee can earn, once a period."""

    id: Id = Field(description="Name of the component on statements.")
    title: Title | None = Field(None, description="What people call it.")
    pays: str = Field(description="The role whose credits are measured and who is paid.")
    who: str | None = Field(
        None, description="Condition on the payee's labels on the first day of the period."
    )
    for_: Scope | None = Field(
        None,
        alias="for",
        description=(
            "Who has a line in every period, of 0 where nothing is credited to it: `all` who hold "
            "the role on some day of it; `all with LABEL VALUE` (on its first day) or `all with "
            "figure NAME` (for exactly that period), and then nobody else earns it. Whoever is "
            "credited, where it is left out."
        ),
    )
    absent: AbsentText | None = Field(
        None, description="What a figure or an earlier period counts as that is not there."
    )
    of: str | None = Field(
        None,
        description=(
            "Condition on the credit: what is measured; all credits of the role, where it is left "
            "out."
        ),
    )
    weights: list[WeightText] = Field(
        [],
        description=(
            "Products that count more or less than others; the first whose condition holds "
            "decides, all else counts once. Rates, targets and bands are of the weighted amounts."
        ),
    )
    basis: Basis | None = Field(
        None, description="The cost it measures, where that is not the plan's."
    )
    per: Per = Field(
        description=(
            "The period measured: month, 2 months, quarter, 4 months, half year, year; paid with "
            "the month in which it ends."
        )
    )
    each: Unit = Field(
        "payee",
        description=(
            "What is earned for separately, each with its own band, caps and rounding: payee, "
            "customer, order, or a column of the charge."
        ),
    )
    counted_with: MonthOf | None = Field(
        None,
        alias="counted with",
        description=(
            "The month with which it counts: that of the first day of a label of what a column "
            "names, or that of the bill, whichever is later, as in: label paid of InvoiceId (the "
            "month of payment). Without the label it does not count yet. Or, as far as that is "
            "paid, the months of its payments, as in: payments of InvoiceId. The month of the "
            "bill, where it is left out."
        ),
    )
    counts: Counts = Field(
        CountsText("amount", None, 0, False),
        description=(
            "What is measured: the amount; or how many customers, or new customers (first charged "
            "in the period), with an amount above 0, or from the amount given; `for 3 months`: in "
            "each of them up to the end of the period, new ones in their first three; `less "
            "refunded`: less those whose amount in the period is below 0."
        ),
    )
    plus: Figure | None = Field(
        None,
        description=(
            "Figure of the payee (or `of customer`) for the period, in the plan's currency, that "
            "is measured besides what is credited, as what is recognised of prepayments; nothing "
            "where it is absent. Who is credited nothing is paid on it where `for` says so."
        ),
    )
    up_to: Amount | None = Field(
        None, alias="up to", description="What is measured counts up to this, before any rate."
    )
    on: PaysOn = Field(
        description=(
            "What a rate is applied to: the measured `amount`, the `increment` over `compare`, "
            "`figure NAME` of the payee (or `of customer`), or `earned COMPONENT below`: what "
            "those earned whose role is held by the payee, with an override too."
        ),
    )
    by: Reading | None = Field(
        None,
        description=(
            "What picks the band: amount, increment, attainment (of `target`), growth (over "
            "`compare`), amount to date, amount over 12 months (those up to the end of the "
            "period) or over year to date, with `of all channels` of all payees together, with "
            "`of the same LABEL` of those with the payee's value of it on the period's first day, "
            "figure NAME; amount of COMPONENT or attainment of "
            "COMPONENT: what another measures for the payee in the same period, whatever it pays; "
            "rank: the payee's place (see `rank`)."
        ),
    )
    target: Figure | None = Field(
        None,
        description=(
            "Figure of the payee (or `of customer`) for the period that attainment is measured "
            "against."
        ),
    )
    compare: Comparison | None = Field(
        None,
        description=(
            "What increment and growth are measured against: the payee's own measure a year, a "
            "period or some periods before (2 periods before), what anybody was credited a year "
            "before for its customers, or a figure."
        ),
    )
    rank: RankText | None = Field(
        None, description="The places that `by: rank`, or a gate on rank, reads."
    )
    portion: Portion = Field(
        PortionText(Decimal(1), 1),
        description=(
            "Part of the outcome that is paid, as in: 70 %, or 1/12; 100 % where it is left out."
        ),
    )
    baseline: BaselineText | None = Field(
        None, description="Existing spend of a customer that does not count."
    )
    gates: list[Gate] = Field(
        [],
        description=(
            "Numbers without which nothing is paid, as in: attainment from 100 %; spend before "
            "below 20,000; earned COMPONENT above 0. `spend` is what counts of the charges, also "
            "where customers are counted; `spend before` that of the period before; `earned` adds "
            "up the other's lines inside the period."
        ),
    )
    cap: Cap | None = Field(
        None,
        description=(
            "Most that one period pays (for each, where `each` is given): an amount, or a rate as "
            "in: 39 % of amount."
        ),
    )
    floor: Bottom | None = Field(
        None,
        description=(
            "Least that one period pays (for each, where `each` is given), whatever is reached; "
            "nothing where the payee does not qualify, a threshold is not met or a figure is "
            "absent."
        ),
    )
    minimum: Bottom | None = Field(
        None, description="Less than this is not paid, and not carried forward either."
    )
    less: list[Id] = Field(
        [], description="Components whose pay inside the period is taken off; not below zero."
    )
    table: Id | None = Field(None, description="The rate table.")
    times: Times | None = Field(
        None,
        description=(
            "A second table whose rate the outcome is multiplied with, as in: quality by figure "
            "score."
        ),
    )
    clawback: ClawbackText | None = Field(
        None, description="Earnings taken back when what they were paid for is lost."
    )
    source: str | None = Field(
        None, description="Where this is agreed, if not where the plan says."
    )


class GroupText(Text):
    """Components that are combined otherwise than by adding them up.

    Exactly one of the four lists is given.
    """

    id: Id = Field(description="Name of the group on statements.")
    title: Title | None = Field(None, description="What people call it.")
    sum: list[EarnText] = Field([], description="Added up, under the group's ceiling.")
    max: list[EarnText] = Field([], description="Only the largest pays; the first of equals.")
    first_match: list[EarnText] = Field(
        [],
        alias="first match",
        description="A credit counts for the first of them that measures it.",
    )
    exclusive: list[EarnText] = Field(
        [],
        description=(
            "No credit may count for two of them; one that would counts for none and is a problem."
        ),
    )
    cap: Cap | None = Field(
        None,
        description=(
            "Most that they pay together: an amount, or a rate as in: 34 % of COMPONENT (of what "
            "that one measured)."
        ),
    )
    per: Per | None = Field(
        None,
        description=(
            "The period over which the ceiling holds, up to which it is used in order; the "
            "components' own, where it is left out."
        ),
    )
    source: str | None = Field(
        None, description="Where this is agreed, if not where the plan says."
    )


def _item_kind(value: Any) -> str:
    keys = set(value) if isinstance(value, dict) else set()
    return "group" if keys & set(GROUP_KINDS) else "component"


Item = Annotated[
    Annotated[EarnText, Tag("component")] | Annotated[GroupText, Tag("group")],
    Discriminator(_item_kind),
]


class EarnGroup(Text):
    """The earning clauses, by how they combine."""

    sum: list[Item] = Field(min_length=1, description="Components and groups that are added up.")


class ColumnText(Text):
    """A column of a table version."""

    when: str | None = Field(
        None,
        description=(
            "Condition on the credit; what holds in no earlier column, where it is left out."
        ),
    )
    bands: list[Band] = Field(min_length=1, description="As in a table without columns.")


class TableText(Text):
    """One version of a rate table, dated as a whole; it has bands or columns."""

    start: Day = Field(
        alias="from",
        description="Holds for periods that start on this day or later, until the next version.",
    )
    published: Day | None = Field(
        None,
        description=(
            "When this version was made known; when the plan was, where it is left out. Of two "
            "versions from the same day the one published later holds, once it is."
        ),
    )
    source: str = Field(description="Where these rates are agreed.")
    kind: TierKind = Field(
        description=(
            "`all units`: the whole at the reached band's rate. `marginal`: each slice at its own "
            "band's rate. `interpolated`: the whole at a rate on the straight line between two "
            "points."
        )
    )
    bands: list[Band] = Field(
        [],
        description=(
            "Bands in words: from (the bound counts), above, below, up to (the bound counts), pays "
            "(a rate, an amount, or an amount each where customers are counted). For interpolated, "
            "points: at 80 % pays 2 %."
        ),
    )
    columns: list[ColumnText] = Field(
        [],
        description=(
            "Bands by a further condition; a credit is paid by the first column whose condition "
            "holds, the band is picked by all that is measured."
        ),
    )
    lowers: str | None = Field(
        None,
        description=(
            "Says that this version pays less than the one before somewhere, and how that was "
            "announced."
        ),
    )


class TaxText(Text):
    """Tax in what is paid."""

    included: Rate = Field(description="The rate inside what is earned; it is taken out.")
    added: Tax = Field(
        description=(
            "The payee's rate, put on top of what is left: a rate, or `figure NAME` of the payee "
            "for the month or its year."
        )
    )


class AsOfText(Text):
    """Which date of a charge decides."""

    when: str | None = Field(
        None, description="Condition on the charge alone; any other charge, where it is left out."
    )
    day: ChargeDay = Field(
        description=(
            "The column whose day says who is credited. Where it has no date, ChargePeriodStart "
            "does. Or `each day of ChargePeriod` (from its start, as many days as it lasts, to the "
            "nearest; one where it has no end) or `each day of BillingPeriod` (the month of the "
            "bill): the charge is divided over these days, and each says who is credited its part."
        ),
    )


class LimitText(Text):
    """Acts on the book that the programme refuses."""

    registration_lives: Days | None = Field(
        None,
        alias="registration lives",
        description="So long an order's registration holds at most, as in: 15 days.",
    )
    open_registrations: int | None = Field(
        None,
        ge=1,
        alias="open registrations",
        description=(
            "So many orders a party may have registered at a time; a further one is refused."
        ),
    )
    claims: Literal["first come"] | None = Field(
        None,
        description=(
            "Of two claims to the same customer, order or resource in one role, which together are "
            "over 100 %, the earlier holds, and the later from the day on which it no longer does. "
            "Left out, it is an error, and nobody is credited on those days."
        ),
    )
    unbinding: Months | None = Field(
        None,
        description=(
            "A customer's partner (or other role) cannot end a second time within this span; the "
            "holder stays, and who was to follow is refused."
        ),
    )
    consent_within: Days | None = Field(
        None,
        alias="consent within",
        description=(
            "A customer who is asked in the portal about a new association, transfer or "
            "registration, and says nothing for so long, has consented, as in: 14 days. Left out, "
            "only its consent counts."
        ),
    )


class FundText(Text):
    """A fund with a balance, such as co-op or MDF: kept for the payee until it is claimed."""

    form: Id = Field(description="The form of payment that accrues to it.")
    claims: Id = Field(
        description=(
            "The figure of the payee that says what is claimed in a month, in the plan's currency; "
            "granted up to the balance, the oldest money first."
        )
    )
    cap: Amount | None = Field(
        None, description="The most that it holds; what comes above it does not accrue."
    )
    lapses: Months | None = Field(
        None,
        description=(
            "What is not claimed with so many months after the one it accrued with is lost, as "
            "in: 6 months."
        ),
    )


class ApartText(Text):
    """Components or roles that are paid by terms of their own, beside all else.

    What these keys do not say does not hold for them.
    """

    components: list[Id] = Field([], description="Components that are paid apart together.")
    roles: list[Id] = Field(
        [], description="Roles whose components, all that pay them, are paid apart together."
    )
    instalments: list[Instalment] = Field(
        [], description="When each of their earnings is due, together 100 %."
    )
    draw: Draw | None = Field(
        None, description="Paid at least each month on them, whatever the others pay."
    )
    minimum: Amount | None = Field(
        None, description="Less than this of them together is carried forward."
    )
    expires: Months | None = Field(
        None, description="An amount of them that is carried lapses after so many months."
    )


class PayText(Text):
    """When and how what is earned is paid.

    In this order: instalments, freeze, what was carried, expiry, draw, minimum, forms, tax, funds,
    exchange.
    """

    title: Title | None = Field(None, description="What people call these terms.")
    in_: PaidIn | None = Field(
        None,
        alias="in",
        description=(
            "The currency in which payments are made, where that is not the plan's: its code, or "
            "`label NAME` of the payee on the last day of the month (without the label, the "
            "plan's). Each payment is exchanged by the rate of its month, or `on last day` by that "
            "of its last day, as the table rates of the book has it, and rounded once."
        ),
    )
    instalments: list[Instalment] = Field(
        [],
        description=(
            "When each earning is due, together 100 %, as in: 90 % at once, 10 % after 12 months "
            "(a holdback)."
        ),
    )
    frozen: str | None = Field(
        None,
        description=(
            "Condition on the labels of the customer, order or whatever `each` names on the last "
            "day of the month: nothing is paid on it until it no longer holds."
        ),
    )
    draw: Draw | None = Field(
        None,
        description=(
            "Paid at least each month, as in: 1,000 recoverable (taken back from later earnings), "
            "or guaranteed."
        ),
    )
    minimum: Amount | None = Field(
        None,
        description=(
            "Less than this is carried forward; what is below zero always is, where this key "
            "stands."
        ),
    )
    expires: Months | None = Field(
        None, description="A carried amount lapses after so many months."
    )
    apart: list[ApartText] = Field(
        [],
        description=(
            "Components or roles with instalments, draw, minimum or expiry of their own; freeze, "
            "forms and tax are the plan's."
        ),
    )
    forms: list[FormOfPayment] = Field(
        [],
        description=(
            "In which forms it is paid, together 100 %, as in: 60 % rebate, 40 % co-op from 10,000 "
            "else rebate."
        ),
    )
    tax: TaxText | None = Field(None, description="Tax inside what is earned, and put on top.")
    funds: list[FundText] = Field(
        [], description="Forms of payment that are kept for the payee until they are claimed."
    )


class CaseGiven(Text):
    """The facts of a case: a small book and charges."""

    parties: list[dict[str, str]] = Field(
        [], description="As in a book file. `{1..5}` in a row of any table makes it five rows."
    )
    links: list[dict[str, str]] = Field(
        [], description="As in a book file; every customer has an account of its own id."
    )
    labels: list[dict[str, str]] = Field([], description="As in a book file.")
    figures: list[dict[str, str]] = Field([], description="As in a book file.")
    rates: list[dict[str, str]] = Field([], description="As in a book file.")
    terms: dict[str, list[dict[str, str]]] = Field(
        {},
        description=(
            "Tables as in a file of terms: agreements, floors, approvals, coupons, prices."
        ),
    )
    events: list[dict[str, str]] = Field(
        [], description="As in a file of events: consents and refusals."
    )
    payments: list[dict[str, str]] = Field(
        [], description="As in a file of events: what is paid of invoices."
    )
    charges: list[dict[str, str]] = Field(
        description=(
            "customer; day (and month, where it is billed later), month or months (first..last); "
            "days, for how many from then on it is; "
            "currency, where it is not the plan's; "
            "billed, list, contracted, effective (the first three default to each other); and any "
            "FOCUS or x_ column."
        )
    )


class CaseExpect(Text):
    """An outcome that a case says must come out."""

    payee: str = Field(description="Party that is paid.")
    component: Id | None = Field(
        None, description="One component or group; all, where it is left out."
    )
    period: str = Field(description="A component's period, or a longer one that sums those inside.")
    known: Day | None = Field(None, description="Only what was published by this day; else all.")
    since: Day | None = Field(
        None,
        description=(
            "What is earned as known, less what was earned as known on this earlier day: a "
            "restatement."
        ),
    )
    earned: Amount | None = Field(None, description="What is earned, to the cent.")
    credited: Amount | None = Field(None, description="What is credited in the period.")
    paid: Amount | None = Field(None, description="What is paid out in the period.")
    balance: Amount | None = Field(
        None, description="What is left of draws to recover at the period's end."
    )
    carried: Amount | None = Field(None, description="What is carried forward at the period's end.")
    forms: dict[str, Amount] = Field({}, description="What is paid in the period in each form.")
    funds: dict[str, Amount] = Field(
        {}, description="What each fund holds at the period's end, by form."
    )
    granted: dict[str, Amount] = Field(
        {}, description="What each fund grants of claims in the period, by form."
    )
    exchanged: dict[str, Amount] = Field(
        {}, description="What is paid in the period in other currencies, by currency."
    )


class CaseText(Text):
    """A worked example that `fenrun plan test` runs through the engine."""

    case: str = Field(description="Name of the case.")
    says: Title | None = Field(None, description="What it shows.")
    given: CaseGiven = Field(description="The facts.")
    expect: list[CaseExpect] = Field(min_length=1, description="The outcome.")

    def said(self, lang: str) -> str:
        """Return what it shows, in a language; empty where it does not say."""
        if isinstance(self.says, Words):
            return self.says.zh if lang == "zh-CN" else self.says.en
        return self.says or ""


class ConvertText(Text):
    """Other currencies whose charges count: each is converted into the plan's, exactly."""

    currencies: list[Currency] = Field(
        min_length=1, alias="from", description="ISO codes of the other currencies."
    )
    on: Literal["month", "day"] = Field(
        description=(
            "By the rate of the month in which it is billed, or of the day that says who is "
            "credited (see as of): as the table rates of the book has it."
        )
    )


class PlanText(Text):
    """A plan."""

    plan: Id = Field(description="Id of the plan.")
    title: Title = Field(description="What people call it.")
    source: str = Field(description="Where the terms are agreed.")
    published: Day = Field(description="When the terms were made known.")
    effective: Effective = Field(description="For which periods they hold.")
    currency: Currency = Field(
        description=(
            "ISO code of what is measured and earned, and paid unless `pay` says else; charges in "
            "other currencies do not count, unless convert names them."
        )
    )
    convert: ConvertText | None = Field(
        None,
        description=(
            "Charges in other currencies that are converted into the plan's by dated rates; "
            "nothing is rounded until the earning is."
        ),
    )
    timezone: Zone = Field(description="Decides on which day a charge falls.")
    year_starts: Month = Field(
        1,
        alias="year starts",
        description="The month in which the programme's year starts, as in: July.",
    )
    basis: Basis = Field(
        description=(
            "The cost that is credited: billed, contracted, list, effective, an x_ column, or "
            "`lesser of A and B` (nearer to zero)."
        )
    )
    mixed_bases: str | None = Field(
        None, alias="mixed bases", description="Why components may measure different costs."
    )
    as_of: list[AsOfText] = Field(
        [],
        alias="as of",
        description=(
            "Which date of a charge says who is credited; the first that holds, else "
            "ChargePeriodStart."
        ),
    )
    limits: LimitText | None = Field(
        None, description="Acts on the book that the programme refuses."
    )
    rounding: Rounding | None = Field(
        None,
        description=(
            "How each earning is rounded, once: half up (away from zero), half even or down, to "
            "0.01 and the like; else half up to the smallest amount of the currency (1 JPY, "
            "0.001 KWD)."
        ),
    )
    credit: CreditGroup = Field(description="Who is credited for what.")
    exclude: list[ExcludeText] = Field([], description="What does not count.")
    figures: dict[Id, Counted] = Field(
        {},
        description=(
            "Figures that are counted, not typed in the book. From agreements, for the partner and "
            "the customer of each: `renewed of subscription` (how much of what ends in the period "
            "is agreed anew, for the same customer and charges, from the day on which it ends), "
            "`recognised of prepay` (what of the amounts is for the days of the period). From "
            "charges: `spend 2023-07 to 2023-12` (of each customer in those months, for every "
            "period that begins after them, as a baseline needs it)."
        ),
    )
    tables: dict[Id, list[TableText]] = Field(
        {}, description="Rate tables by id, each a list of dated versions."
    )
    earn: EarnGroup | None = Field(
        None, description="What credits earn; a plan without it only credits."
    )
    pay: PayText | None = Field(
        None,
        description=(
            "When and how what is earned is paid; at once and as it is, where this is left out."
        ),
    )
    cases: list[CaseText] = Field([], description="Worked examples.")

    @property
    def rounded(self) -> tuple[str, int]:
        """The rounding of an earning: its mode and its decimals."""
        return self.rounding or ("half up", minor_units(self.currency))
