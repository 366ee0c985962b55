"""The plan as people write it: YAML whose keys are the fields below. This is the one description of the keys; the JSON
Schema and the reference are made from it, and reading checks against it."""

from __future__ import annotations

import re
from datetime import date
from decimal import Decimal
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    Tag,
)

from fenrun.base.money import parse_amount, parse_rate
from fenrun.base.when import OPEN_END, parse_day
from fenrun.plan.rows import BASES

ID = r"^[a-z0-9][a-z0-9-]*$"
_COSTS = "|".join(BASES)
_ONE = rf"(?:{_COSTS}|x_[A-Za-z0-9_]+)"
_BASIS = re.compile(rf"({_ONE})|lesser of ({_ONE}) and ({_ONE})")
_ROUNDING = re.compile(r"(half up|half even|down) to (1|0\.1|0\.01|0\.001|0\.0001)")
_VALUE = r"[^\s%％]+(?:\s*[%％])?"
_BOUNDS = rf"(?:(from|above)\s+({_VALUE}))?\s*(?:(?:and\s+)?(below|up to)\s+({_VALUE}))?"
_BAND = re.compile(rf"{_BOUNDS}\s*pays\s+({_VALUE})(\s+each)?")
_POINT = re.compile(rf"at\s+({_VALUE})\s*pays\s+({_VALUE})")
_FIGURE = r"([a-z0-9][a-z0-9-]*)( of customer)?"
_READING = rf"amount|increment|attainment|growth|amount to date|figure {_FIGURE}"
_GATE = re.compile(
    rf"({_READING}|spend|spend before|earned ([a-z0-9-]+))\s+(?=from|above|below|up to){_BOUNDS}"
)
_PER = {"month": 1, "quarter": 3, "half year": 6, "year": 12, "2 months": 2, "4 months": 4}
_MONTHS = (
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
_SPAN = re.compile(r"(\d{1,3}) months?")
_CAP = re.compile(rf"({_VALUE})(?:\s+of\s+([a-z0-9-]+))?")
_INSTALMENT = re.compile(rf"({_VALUE})\s+(?:at once|after\s+(\d{{1,3}})\s+months?)")
_FORM = re.compile(rf"({_VALUE})\s+([a-z][a-z-]*)(?:\s+from\s+({_VALUE})\s+else\s+([a-z][a-z-]*))?")


def _day(value: Any) -> date:
    return parse_day(str(value))


def _zone(value: str) -> str:
    try:
        ZoneInfo(value)
    except Exception:
        raise ValueError(f"{value!r} is not a time zone such as Asia/Shanghai") from None
    return value


def _basis(value: Any) -> str:
    found = _BASIS.fullmatch(str(value).strip())
    if not found:
        raise ValueError(
            f"{value!r} is not one of {', '.join(BASES)}, an x_ column, or: lesser of billed and contracted"
        )
    return found[1] or f"{found[2]}|{found[3]}"


def _rounding(value: Any) -> tuple[str, int]:
    found = _ROUNDING.fullmatch(str(value).strip())
    if not found:
        raise ValueError(f"{value!r} is not of the form: half up to 0.01")
    return found[1], len(found[2].partition(".")[2])


def _month(value: Any) -> int:
    text = str(value).strip().lower()
    if text in _MONTHS:
        return _MONTHS.index(text) + 1
    if text.isdigit() and 1 <= int(text) <= 12:
        return int(text)
    raise ValueError(f"{value!r} is not a month: write July or 7")


def _per(value: Any) -> str:
    text = " ".join(str(value).split())
    if text not in _PER:
        raise ValueError(f"{value!r} is not a period: write {', '.join(_PER)}")
    return text


def months_of(per: str) -> int:
    """How many months a period of the plan's words has."""
    return _PER[per]


def _span(value: Any) -> int:
    found = _SPAN.fullmatch(str(value).strip())
    if not found or not int(found[1]):
        raise ValueError(f"{value!r} is not a span: write 3 months")
    return int(found[1])


def _days(value: Any) -> int:
    found = re.fullmatch(r"(\d{1,4}) days?", str(value).strip())
    if not found or not int(found[1]):
        raise ValueError(f"{value!r} is not a span: write 15 days")
    return int(found[1])


def _is_rate(text: str) -> bool:
    return "%" in text or "％" in text


def _read(text: str | None) -> Decimal | None:
    return None if text is None else parse_rate(text) if _is_rate(text) else parse_amount(text)


class CapText(BaseModel):
    """A ceiling: an amount, or a rate of what is measured."""

    amount: Decimal | None
    rate: Decimal | None
    of: str
    """What the rate is of: `amount`, or the component of a group."""


def _cap(value: Any) -> CapText:
    found = _CAP.fullmatch(" ".join(str(value).split()))
    if not found or _is_rate(found[1]) != bool(found[2]):
        raise ValueError(
            f"{value!r} is not a ceiling: write 200,000, or 34 % of amount (in a group, 34 % of a component)"
        )
    number = _read(found[1])
    if number is None or number < 0:
        raise ValueError(f"{value!r} is below zero")
    return CapText(
        amount=None if found[2] else number, rate=number if found[2] else None, of=found[2] or ""
    )


class GateText(BaseModel):
    """A condition on a number, read from its words."""

    subject: str
    name: str
    of: str
    lower: Decimal | None
    lower_in: bool
    upper: Decimal | None
    upper_in: bool
    ratio: bool
    """Whether the bounds are percentages."""
    words: str


def subject_of(words: str) -> tuple[str, str, str]:
    """A reading such as `attainment` or `figure renewal-rate of customer` as (subject, name, of)."""
    subject, _, rest = words.partition(" ")
    if subject == "figure":
        name, _, of = rest.partition(" of ")
        return subject, name, of or "payee"
    if subject == "earned":
        return subject, rest, "payee"
    return words, "", "payee"


def _gate(value: Any) -> GateText:
    words = " ".join(str(value).split())
    found = _GATE.fullmatch(words)
    if not found:
        raise ValueError(
            f"{words!r} is not a gate; write: attainment from 100 %, or: figure renewal-rate from 90 %"
        )
    low, high = found[6], found[8]
    if len({_is_rate(b) for b in (low, high) if b}) > 1:
        raise ValueError(f"{words!r} mixes a percentage and an amount as bounds")
    subject, name, of = subject_of(found[1])
    return GateText(
        subject=subject,
        name=name,
        of=of,
        lower=_read(low),
        lower_in=found[5] == "from",
        upper=_read(high),
        upper_in=found[7] == "up to",
        ratio=_is_rate(low or high),
        words=words,
    )


class PartText(BaseModel):
    """A part of what is paid: when it is due, or in which form it is paid."""

    share: Decimal
    months: int = 0
    form: str = ""
    floor: Decimal | None = None
    otherwise: str = ""


def _instalment(value: Any) -> PartText:
    found = _INSTALMENT.fullmatch(" ".join(str(value).split()))
    if not found:
        raise ValueError(
            f"{value!r} is not an instalment: write 50 % at once, or 50 % after 3 months"
        )
    return PartText(share=parse_rate(found[1]), months=int(found[2] or 0))


def _form(value: Any) -> PartText:
    found = _FORM.fullmatch(" ".join(str(value).split()))
    if not found:
        raise ValueError(
            f"{value!r} is not a form of payment: write 60 % rebate, or 40 % co-op from 10,000 else rebate"
        )
    return PartText(
        share=parse_rate(found[1]), form=found[2], floor=_read(found[3]), otherwise=found[4] or ""
    )


class BandText(BaseModel):
    """One band, or one point of an interpolated table, read from its words."""

    lower: Decimal | None
    lower_in: bool
    upper: Decimal | None
    upper_in: bool
    ratio: bool | None
    """Whether the bounds are percentages; None where there is no bound."""
    rate: Decimal | None
    flat: Decimal | None
    point: bool = False
    words: str


def _band(value: Any) -> BandText:
    words = " ".join(str(value).split())
    at = _POINT.fullmatch(words)
    if at:
        if not _is_rate(at[2]):
            raise ValueError(
                f"{words!r} pays an amount; a point of an interpolated table pays a rate"
            )
        return BandText(
            lower=_read(at[1]),
            lower_in=True,
            upper=None,
            upper_in=False,
            ratio=_is_rate(at[1]),
            rate=_read(at[2]),
            flat=None,
            point=True,
            words=words,
        )
    found = _BAND.fullmatch(words)
    if not found:
        raise ValueError(f"{words!r} is not a band; write: from 1,000 below 3,000 pays 45 %")
    bounds = [b for b in (found[2], found[4]) if b]
    kinds = {_is_rate(b) for b in bounds}
    if len(kinds) > 1:
        raise ValueError(f"{words!r} mixes a percentage and an amount as bounds")
    lower, upper, pays = _read(found[2]), _read(found[4]), _read(found[5])
    if (
        lower is not None
        and upper is not None
        and (lower > upper or (lower == upper and not (found[1] == "from" and found[3] == "up to")))
    ):
        raise ValueError(f"{words!r} is empty: it ends before it begins")
    if found[6] and _is_rate(found[5]):
        raise ValueError(f"{words!r} pays a rate each; write an amount: pays 250 each")
    flat = not _is_rate(found[5]) and not found[6]
    return BandText(
        lower=lower,
        lower_in=found[1] == "from",
        upper=upper,
        upper_in=found[3] == "up to",
        ratio=kinds.pop() if kinds else None,
        rate=None if flat else pays,
        flat=pays if flat else None,
        words=words,
    )


Day = Annotated[date, BeforeValidator(_day)]
Amount = Annotated[Decimal, BeforeValidator(lambda v: parse_amount(str(v)))]
Rate = Annotated[Decimal, BeforeValidator(lambda v: parse_rate(str(v)))]
Id = Annotated[str, Field(pattern=ID)]
Basis = Annotated[str, BeforeValidator(_basis)]
Per = Annotated[str, BeforeValidator(_per)]
Months = Annotated[int, BeforeValidator(_span)]
Cap = Annotated[CapText, BeforeValidator(_cap)]
Band = Annotated[BandText, BeforeValidator(_band)]
Gate = Annotated[GateText, BeforeValidator(_gate)]


class Text(BaseModel):
    """Base of all: unknown keys are refused, aliases are the keys as written."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Words(Text):
    """The same words in both languages."""

    en: str
    zh: str = Field(alias="zh-CN")


Title = Words | str


class Effective(Text):
    """Half-open: the first day, and the first day after."""

    start: Day = Field(
        alias="from", description="First day: the first period that earns starts on it or later."
    )
    end: Day = Field(
        OPEN_END, alias="to", description="First day after; open where it is left out."
    )


class RollUpText(Text):
    """Who sees whose credits."""

    role: str = Field(description="The credited role.")
    to: str = Field(
        description="The role, held of that party in the book, that sees the credits too, besides the hundred per cent."
    )


class CreditText(Text):
    """A crediting clause."""

    id: Id = Field(description="Name of the clause on statements.")
    title: Title | None = Field(None, description="What people call it.")
    when: str | None = Field(
        None, description="Condition on charge and customer; always, where it is left out."
    )
    mode: Literal["single", "double"] = Field(
        description="`double`: every role named is credited in full. `single`: the first role that somebody holds takes it all."
    )
    roles: list[str] = Field(
        min_length=1, description="Roles of the book that are credited, in order."
    )
    while_: str | None = Field(
        None,
        alias="while",
        description="Condition on the link as well: windows of association and protection. Outside it the link is not credited and the next role may take the charge.",
    )
    roll_up: list[RollUpText] = Field(
        [],
        alias="roll up",
        description="Credits shown further up, without being part of the hundred per cent; a role rolled up may be rolled up again.",
    )
    source: str | None = Field(
        None, description="Where this is agreed, if not where the plan says."
    )


class CreditGroup(Text):
    """How crediting clauses combine."""

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
        description="Figure of the book, per customer: within its period only what comes above it counts."
    )
    per: Per = Field(
        description="The period of that figure; spend is counted up to it in the order of months, for each payee."
    )
    when: str | None = Field(
        None,
        description="Condition on the credit: whose spend has a baseline; everybody's, where it is left out.",
    )


class ClawbackText(Text):
    """Earnings taken back when a customer is lost."""

    when: str = Field(
        description="Condition on the customer's labels on the last day of a month; when it first holds, earnings are taken back."
    )
    within: Months = Field(
        description="What was paid on that customer with that month and so many months before is taken back, as in: 6 months."
    )


class EarnText(Text):
    """A component: something a payee can earn, once a period."""

    id: Id = Field(description="Name of the component on statements.")
    title: Title | None = Field(None, description="What people call it.")
    pays: str = Field(description="The role whose credits are measured and who is paid.")
    who: str | None = Field(
        None, description="Condition on the payee's labels on the first day of the period."
    )
    of: str | None = Field(
        None,
        description="Condition on the credit: what is measured; all credits of the role, where it is left out.",
    )
    basis: Basis | None = Field(
        None, description="The cost it measures, where that is not the plan's."
    )
    per: Per = Field(
        description="The period measured: month, 2 months, quarter, 4 months, half year, year; paid with the month in which it ends."
    )
    each: str = Field(
        "payee",
        pattern=r"^(payee|customer|order|[A-Z][A-Za-z]+|x_[A-Za-z0-9_]+)$",
        description="What is earned for separately, each with its own band, caps and rounding: payee, customer, order, or a column of the charge.",
    )
    counts: str = Field(
        "amount",
        pattern=r"^(amount|(new )?customers( from [0-9][0-9,._]*)?)$",
        description="What is measured: the amount; or how many customers, or new customers (first charged in the period), with an amount above 0, or from the amount given.",
    )
    up_to: Amount | None = Field(
        None, alias="up to", description="What is measured counts up to this, before any rate."
    )
    on: str = Field(
        pattern=rf"^(amount|increment|figure {_FIGURE}|earned [a-z0-9-]+ below)$",
        description="What a rate is applied to: the measured `amount`, the `increment` over `compare`, `figure NAME` of the payee (or `of customer`), or `earned COMPONENT below`: what those earned whose role is held by the payee.",
    )
    by: str | None = Field(
        None,
        pattern=rf"^({_READING})$",
        description="What picks the band: amount, increment, attainment (of `target`), growth (over `compare`), amount to date, or figure NAME.",
    )
    target: str | None = Field(
        None,
        pattern=rf"^{_FIGURE}$",
        description="Figure of the payee (or `of customer`) for the period that attainment is measured against.",
    )
    compare: str | None = Field(
        None,
        pattern=rf"^(last year|last year of its customers|previous period|figure {_FIGURE})$",
        description="What increment and growth are measured against: the payee's own measure a year or a period before, what anybody was credited a year before for its customers, or a figure.",
    )
    portion: Rate = Field(
        Decimal(1), description="Part of the outcome that is paid; 100 % where it is left out."
    )
    baseline: BaselineText | None = Field(
        None, description="Existing spend of a customer that does not count."
    )
    gates: list[Gate] = Field(
        [],
        description="Numbers without which nothing is paid, as in: attainment from 100 %; spend before below 20,000; earned COMPONENT above 0. `spend` is what counts of the charges, also where customers are counted; `spend before` that of the period before; `earned` adds up the other's lines inside the period.",
    )
    cap: Cap | None = Field(
        None,
        description="Most that one period pays (for each, where `each` is given): an amount, or a rate as in: 39 % of amount.",
    )
    less: list[Id] = Field(
        [], description="Components whose pay inside the period is taken off; not below zero."
    )
    table: Id | None = Field(None, description="The rate table.")
    times: str | None = Field(
        None,
        pattern=rf"^[a-z0-9-]+ by ({_READING})$",
        description="A second table whose rate the outcome is multiplied with, as in: quality by figure score.",
    )
    clawback: ClawbackText | None = Field(
        None, description="Earnings taken back when a customer is lost; needs `each: customer`."
    )
    source: str | None = Field(
        None, description="Where this is agreed, if not where the plan says."
    )


class GroupText(Text):
    """Components that are combined otherwise than by adding them up; exactly one of the four lists is given."""

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
        description="No credit may count for two of them; one that would counts for none and is a problem.",
    )
    cap: Cap | None = Field(
        None,
        description="Most that they pay together: an amount, or a rate as in: 34 % of COMPONENT (of what that one measured).",
    )
    per: Per | None = Field(
        None,
        description="The period over which the ceiling holds, up to which it is used in order; the components' own, where it is left out.",
    )
    source: str | None = Field(
        None, description="Where this is agreed, if not where the plan says."
    )


def _kind(value: Any) -> str:
    keys = value if isinstance(value, dict) else ()
    return "group" if {"sum", "max", "first match", "exclusive"} & set(keys) else "component"


Item = Annotated[
    Annotated[EarnText, Tag("component")] | Annotated[GroupText, Tag("group")], Discriminator(_kind)
]


class EarnGroup(Text):
    """What is earned."""

    sum: list[Item] = Field(min_length=1, description="Components and groups that are added up.")


class ColumnText(Text):
    """A column of a table version."""

    when: str | None = Field(
        None,
        description="Condition on the credit; what holds in no earlier column, where it is left out.",
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
        description="When this version was made known; when the plan was, where it is left out. Of two versions from the same day the one published later holds, once it is.",
    )
    source: str = Field(description="Where these rates are agreed.")
    kind: Literal["all units", "marginal", "interpolated"] = Field(
        description="`all units`: the whole at the reached band's rate. `marginal`: each slice at its own band's rate. `interpolated`: the whole at a rate on the straight line between two points."
    )
    bands: list[Band] = Field(
        [],
        description="Bands in words: from (the bound counts), above, below, up to (the bound counts), pays (a rate, an amount, or an amount each where customers are counted). For interpolated, points: at 80 % pays 2 %.",
    )
    columns: list[ColumnText] = Field(
        [],
        description="Bands by a further condition; a credit is paid by the first column whose condition holds, the band is picked by all that is measured.",
    )
    lowers: str | None = Field(
        None,
        description="Says that this version pays less than the one before somewhere, and how that was announced.",
    )


class TaxText(Text):
    """Tax in what is paid."""

    included: Rate = Field(description="The rate inside what is earned; it is taken out.")
    added: str = Field(
        description="The payee's rate, put on top of what is left: a rate, or `figure NAME` of the payee for the month or its year."
    )


class AsOfText(Text):
    """Which date of a charge decides."""

    when: str | None = Field(
        None, description="Condition on the charge alone; any other charge, where it is left out."
    )
    day: str = Field(
        pattern=r"^(ChargePeriodStart|ChargePeriodEnd|BillingPeriodStart|x_[A-Za-z0-9_]+)$",
        description="The column whose day says who is credited. Where it has no date, ChargePeriodStart does.",
    )


class LimitText(Text):
    """Acts on the book that the programme refuses."""

    registration_lives: Annotated[int, BeforeValidator(_days)] | None = Field(
        None,
        alias="registration lives",
        description="So long an order's registration holds at most, as in: 15 days.",
    )
    open_registrations: int | None = Field(
        None,
        ge=1,
        alias="open registrations",
        description="So many orders a party may have registered at a time; a further one is refused.",
    )
    unbinding: Months | None = Field(
        None,
        description="A customer's partner (or other role) cannot end a second time within this span; the holder stays, and who was to follow is refused.",
    )
    consent_within: Annotated[int, BeforeValidator(_days)] | None = Field(
        None,
        alias="consent within",
        description="A customer who is asked in the portal about a new association, transfer or registration, and says nothing for so long, has consented, as in: 14 days. Left out, only its consent counts.",
    )


class PayText(Text):
    """When and how what is earned is paid. In this order: instalments, freeze, what was carried, expiry, draw, minimum, forms, tax."""

    title: Title | None = Field(None, description="What people call these terms.")
    instalments: list[Annotated[PartText, BeforeValidator(_instalment)]] = Field(
        [],
        description="When each earning is due, together 100 %, as in: 90 % at once, 10 % after 12 months (a holdback).",
    )
    frozen: str | None = Field(
        None,
        description="Condition on the customer's labels on the last day of the month: nothing is paid on its spend until it no longer holds; needs `each: customer`.",
    )
    draw: str | None = Field(
        None,
        pattern=r"^[0-9][0-9,._]* (recoverable|guaranteed)$",
        description="Paid at least each month, as in: 1,000 recoverable (taken back from later earnings), or guaranteed.",
    )
    minimum: Amount | None = Field(
        None,
        description="Less than this is carried forward; what is below zero always is, where this key stands.",
    )
    expires: Months | None = Field(
        None, description="A carried amount lapses after so many months."
    )
    forms: list[Annotated[PartText, BeforeValidator(_form)]] = Field(
        [],
        description="In which forms it is paid, together 100 %, as in: 60 % rebate, 40 % co-op from 10,000 else rebate.",
    )
    tax: TaxText | None = Field(None, description="Tax inside what is earned, and put on top.")


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
    charges: list[dict[str, str]] = Field(
        description="customer; day (and month, where it is billed later), month or months (first..last); billed, list, contracted, effective (the first three default to each other); and any FOCUS or x_ column."
    )


class CaseExpect(Text):
    """What a case says must come out."""

    payee: str = Field(description="Party that is paid.")
    component: Id | None = Field(
        None, description="One component or group; all, where it is left out."
    )
    period: str = Field(description="A component's period, or a longer one that sums those inside.")
    known: Day | None = Field(None, description="Only what was published by this day; else all.")
    since: Day | None = Field(
        None,
        description="What is earned as known, less what was earned as known on this earlier day: a restatement.",
    )
    earned: Amount | None = Field(None, description="What is earned, to the cent.")
    credited: Amount | None = Field(None, description="What is credited in the period.")
    paid: Amount | None = Field(None, description="What is paid out in the period.")
    balance: Amount | None = Field(
        None, description="What is left of draws to recover at the period's end."
    )
    carried: Amount | None = Field(None, description="What is carried forward at the period's end.")
    forms: dict[str, Amount] = Field({}, description="What is paid in the period in each form.")


class CaseText(Text):
    """A worked example that `fenrun plan test` runs through the engine."""

    case: str = Field(description="Name of the case.")
    says: str | None = Field(None, description="What it shows.")
    given: CaseGiven = Field(description="The facts.")
    expect: list[CaseExpect] = Field(min_length=1, description="The outcome.")


class PlanText(Text):
    """A plan."""

    plan: Id = Field(description="Id of the plan.")
    title: Title = Field(description="What people call it.")
    source: str = Field(description="Where the terms are agreed.")
    published: Day = Field(description="When the terms were made known.")
    effective: Effective = Field(description="For which periods they hold.")
    currency: str = Field(
        pattern=r"^[A-Z]{3}$", description="ISO code; charges in other currencies are not settled."
    )
    timezone: Annotated[str, AfterValidator(_zone)] = Field(
        description="Decides on which day a charge falls."
    )
    year_starts: Annotated[int, BeforeValidator(_month)] = Field(
        1,
        alias="year starts",
        description="The month in which the programme's year starts, as in: July.",
    )
    basis: Basis = Field(
        description="The cost that is credited: billed, contracted, list, effective, an x_ column, or `lesser of A and B` (nearer to zero)."
    )
    mixed_bases: str | None = Field(
        None, alias="mixed bases", description="Why components may measure different costs."
    )
    as_of: list[AsOfText] = Field(
        [],
        alias="as of",
        description="Which date of a charge says who is credited; the first that holds, else ChargePeriodStart.",
    )
    limits: LimitText | None = Field(
        None, description="Acts on the book that the programme refuses."
    )
    rounding: Annotated[tuple[str, int], BeforeValidator(_rounding)] = Field(
        ("half up", 2),
        description="How each earning is rounded, once: half up (away from zero), half even or down, to 0.01 and the like.",
    )
    credit: CreditGroup = Field(description="Who is credited for what.")
    exclude: list[ExcludeText] = Field([], description="What does not count.")
    tables: dict[Id, list[TableText]] = Field(
        {}, description="Rate tables by id, each a list of dated versions."
    )
    earn: EarnGroup | None = Field(
        None, description="What credits earn; a plan without it only credits."
    )
    pay: PayText | None = Field(
        None,
        description="When and how what is earned is paid; at once and as it is, where this is left out.",
    )
    cases: list[CaseText] = Field([], description="Worked examples.")
