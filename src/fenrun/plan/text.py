"""The plan as people write it: YAML whose keys are the fields below. This is the one description of the keys; the JSON
Schema and the reference are made from it, and reading checks against it."""

from __future__ import annotations

import re
from datetime import date
from decimal import Decimal
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from fenrun.base.money import parse_amount, parse_rate
from fenrun.base.when import OPEN_END, parse_day
from fenrun.plan.rows import BASES

ID = r"^[a-z0-9][a-z0-9-]*$"
_COSTS = "|".join(BASES)
_BASIS = re.compile(rf"({_COSTS})|lesser of ({_COSTS}) and ({_COSTS})")
_ROUNDING = re.compile(r"(half up|half even|down) to (1|0\.1|0\.01|0\.001|0\.0001)")
_BAND = re.compile(r"(?:(from|above)\s+([^\s%％]+(?:\s*[%％])?))?\s*(?:(below|up to)\s+([^\s%％]+(?:\s*[%％])?))?\s*pays\s+([^\s%％]+(?:\s*[%％])?)")


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
        raise ValueError(f"{value!r} is not one of {', '.join(BASES)}, or: lesser of billed and contracted")
    return found[1] or f"{found[2]}|{found[3]}"


def _rounding(value: Any) -> tuple[str, int]:
    found = _ROUNDING.fullmatch(str(value).strip())
    if not found:
        raise ValueError(f"{value!r} is not of the form: half up to 0.01")
    return found[1], len(found[2].partition(".")[2])


class BandText(BaseModel):
    """One band, read from its words."""

    lower: Decimal | None
    lower_in: bool
    upper: Decimal | None
    upper_in: bool
    ratio: bool | None
    """Whether the bounds are percentages; None where there is no bound."""
    rate: Decimal | None
    flat: Decimal | None
    words: str


def _band(value: Any) -> BandText:
    words = " ".join(str(value).split())
    found = _BAND.fullmatch(words)
    if not found:
        raise ValueError(f"{words!r} is not a band; write: from 1,000 below 3,000 pays 45 %")
    bounds = [b for b in (found[2], found[4]) if b]
    kinds = {"%" in b or "％" in b for b in bounds}
    if len(kinds) > 1:
        raise ValueError(f"{words!r} mixes a percentage and an amount as bounds")

    def read(text: str | None) -> Decimal | None:
        return None if text is None else parse_rate(text) if "%" in text or "％" in text else parse_amount(text)

    lower, upper, pays = read(found[2]), read(found[4]), read(found[5])
    if lower is not None and upper is not None and (lower > upper or (lower == upper and not (found[1] == "from" and found[3] == "up to"))):
        raise ValueError(f"{words!r} is empty: it ends before it begins")
    flat = not ("%" in found[5] or "％" in found[5])
    return BandText(lower=lower, lower_in=found[1] == "from", upper=upper, upper_in=found[3] == "up to", ratio=kinds.pop() if kinds else None,
                    rate=None if flat else pays, flat=pays if flat else None, words=words)


Day = Annotated[date, BeforeValidator(_day)]
Amount = Annotated[Decimal, BeforeValidator(lambda v: parse_amount(str(v)))]
Rate = Annotated[Decimal, BeforeValidator(lambda v: parse_rate(str(v)))]
Id = Annotated[str, Field(pattern=ID)]


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

    start: Day = Field(alias="from", description="First day: the first period that earns starts on it or later.")
    end: Day = Field(OPEN_END, alias="to", description="First day after; open where it is left out.")


class RollUpText(Text):
    """Who sees whose credits."""

    role: str = Field(description="The credited role.")
    to: str = Field(description="The role, held of that party in the book, that sees the credits too, besides the hundred per cent.")


class CreditText(Text):
    """A crediting clause."""

    id: Id = Field(description="Name of the clause on statements.")
    title: Title | None = Field(None, description="What people call it.")
    when: str | None = Field(None, description="Condition on charge and customer; always, where it is left out.")
    mode: Literal["single", "double"] = Field(description="`double`: every role named is credited in full. `single`: the first role that somebody holds takes it all.")
    roles: list[str] = Field(min_length=1, description="Roles of the book that are credited, in order.")
    roll_up: list[RollUpText] = Field([], alias="roll up", description="Credits shown further up, without being part of the hundred per cent.")
    source: str | None = Field(None, description="Where this is agreed, if not where the plan says.")


class CreditGroup(Text):
    """How crediting clauses combine."""

    first_match: list[CreditText] = Field(alias="first match", min_length=1, description="Clauses from the top; the first whose condition holds decides a charge.")


class ExcludeText(Text):
    """Charges that are credited but count for nothing."""

    id: Id = Field(description="Name of the clause on statements.")
    title: Title | None = Field(None, description="What people call it.")
    when: str = Field(description="Condition on charge and customer.")
    applies_to: list[Id] = Field([], alias="applies to", description="Components it holds for; all, where it is left out.")
    since: Day | None = Field(None, description="First charge day it holds for.")
    until: Day | None = Field(None, description="First charge day it no longer holds for.")
    source: str | None = Field(None, description="Where this is agreed, if not where the plan says.")


class BaselineText(Text):
    """Existing spend that does not count."""

    figure: str = Field(description="Figure of the book, per customer: within its period only what comes above it counts.")
    per: Literal["month", "quarter", "year"] = Field(description="The period of that figure; spend is counted up to it in the order of months, for each payee.")
    when: str | None = Field(None, description="Condition on charge and customer: whose spend has a baseline; everybody's, where it is left out.")


class EarnText(Text):
    """A component: something a payee can earn, once a period."""

    id: Id = Field(description="Name of the component on statements.")
    title: Title | None = Field(None, description="What people call it.")
    pays: str = Field(description="The role whose credits are measured and who is paid.")
    who: str | None = Field(None, description="Condition on the payee's labels on the first day of the period.")
    per: Literal["month", "quarter", "year"] = Field(description="The period measured; paid with the month in which it ends.")
    on: str = Field(pattern=r"^(amount|increment|figure [a-z0-9-]+)$", description="What a rate is applied to: the measured `amount`, the `increment` over `compare`, or `figure NAME` of the payee.")
    by: Literal["amount", "increment", "attainment", "growth"] = Field(description="What picks the band: the amount, the increment, the attainment of `target`, or the growth over `compare`.")
    target: str | None = Field(None, description="Figure of the payee for the period that attainment is measured against.")
    compare: str | None = Field(None, pattern=r"^(last year|figure [a-z0-9-]+)$", description="What increment and growth are measured against: `last year` (the payee's own measure) or `figure NAME`.")
    portion: Rate = Field(Decimal(1), description="Part of the outcome that is paid; 100 % where it is left out.")
    baseline: BaselineText | None = Field(None, description="Existing spend of a customer that does not count.")
    cap: Amount | None = Field(None, description="Most that one period pays to one payee.")
    table: Id = Field(description="The rate table.")
    source: str | None = Field(None, description="Where this is agreed, if not where the plan says.")


class EarnGroup(Text):
    """How components combine."""

    sum: list[EarnText] = Field(min_length=1, description="Components that are added up.")


class TableText(Text):
    """One version of a rate table, dated as a whole."""

    start: Day = Field(alias="from", description="Holds for periods that start on this day or later, until the next version.")
    source: str = Field(description="Where these rates are agreed.")
    kind: Literal["all units", "marginal"] = Field(description="`all units`: the whole at the reached band's rate. `marginal`: each slice at its own band's rate.")
    bands: list[Annotated[BandText, BeforeValidator(_band)]] = Field(min_length=1, description="Bands in words: from (the bound counts), above, below, up to (the bound counts), pays (a rate or an amount).")


class CaseGiven(Text):
    """The facts of a case: a small book and charges."""

    parties: list[dict[str, str]] = Field([], description="As in a book file.")
    links: list[dict[str, str]] = Field([], description="As in a book file; every customer has an account of its own id.")
    labels: list[dict[str, str]] = Field([], description="As in a book file.")
    figures: list[dict[str, str]] = Field([], description="As in a book file.")
    charges: list[dict[str, str]] = Field(description="customer; day, month or months (first..last); billed, list, contracted, effective (the first three default to each other); and any FOCUS or x_ column.")


class CaseExpect(Text):
    """What a case says must come out."""

    payee: str = Field(description="Party that is paid.")
    component: Id | None = Field(None, description="One component; all, where it is left out.")
    period: str = Field(description="A component's period, or a longer one that sums those inside.")
    earned: Amount = Field(description="What is earned, to the cent.")
    credited: Amount | None = Field(None, description="What is credited in the period.")


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
    currency: str = Field(pattern=r"^[A-Z]{3}$", description="ISO code; charges in other currencies are not settled.")
    timezone: Annotated[str, AfterValidator(_zone)] = Field(description="Decides on which day a charge falls.")
    basis: Annotated[str, BeforeValidator(_basis)] = Field(description="The cost that is credited: billed, contracted, list, effective, or `lesser of A and B` (nearer to zero).")
    rounding: Annotated[tuple[str, int], BeforeValidator(_rounding)] = Field(("half up", 2), description="How each earning is rounded, once: half up (away from zero), half even or down, to 0.01 and the like.")
    credit: CreditGroup = Field(description="Who is credited for what.")
    exclude: list[ExcludeText] = Field([], description="What does not count.")
    tables: dict[Id, list[TableText]] = Field({}, description="Rate tables by id, each a list of dated versions.")
    earn: EarnGroup | None = Field(None, description="What credits earn; a plan without it only credits.")
    cases: list[CaseText] = Field([], description="Worked examples.")
