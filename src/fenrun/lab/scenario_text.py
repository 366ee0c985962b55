"""The scenario as people write it: YAML whose keys are the fields below.

This is the one description of the keys: reading checks against it, the JSON Schemas are made of it.
"""

from __future__ import annotations

import re
from datetime import date
from decimal import Decimal
from typing import Annotated, Any

from pydantic import Field

from fenrun.base.money import parse_amount, parse_rate
from fenrun.base.when import Period, parse_day, parse_period
from fenrun.base.words import Unreadable
from fenrun.book.rows import SUBJECTS
from fenrun.plan.phrases import Written, one_of
from fenrun.plan.text import Currency, Id, Rate, Text, Title
from fenrun.plan.vocabulary import AGREEMENT_KINDS

_MONTHS = re.compile(r"[+-]?\d{1,3}")
_CHANGE = re.compile(r"([+-]?)\s*(.+)")
NOBODY = "nobody"
"""Stands for a holder where there is none."""
KEPT = ("discount", "price")
"""What stays as it is where a list price changes."""
EFFECTIVE = "effective"
"""Stays as it is where only the months change in which something is billed."""


def _read_change(text: str) -> Decimal:
    """Read `+10 %` or `-20 %` as what to multiply by. Raises Unreadable."""
    found = _CHANGE.fullmatch(text.strip())
    rate = parse_rate(found[2]) if found else Decimal(0)
    if found and found[1] == "-":
        rate = -rate
    if rate < -1:
        raise Unreadable("scenario-change", text=text)
    return 1 + rate


def _read_elasticity(text: str) -> Decimal:
    """Read by how much usage changes where the price does. Raises Unreadable."""
    found = parse_amount(text)
    if abs(found) > 10:
        raise Unreadable("scenario-elasticity", text=text)
    return found


def _read_months(text: str) -> int:
    """Read `+1` or `-2` as a number of months, not 0. Raises Unreadable."""
    found = _MONTHS.fullmatch(text.strip())
    if not found or not int(found[0]):
        raise Unreadable("scenario-months", text=text)
    return int(found[0])


Day = Annotated[date, Written(parse_day)]
Amount = Annotated[Decimal, Written(parse_amount)]
Change = Annotated[Decimal, Written(_read_change)]
Elasticity = Annotated[Decimal, Written(_read_elasticity)]
Months = Annotated[int, Written(_read_months)]
Span = Annotated[Period, Written(parse_period)]


class SpendText(Text):
    """Customers by what is charged to them in some months, in the plan's cost and currency."""

    within: Span = Field(alias="in", description="The months: 2023, 2024-Q1, 2024-03/2024-05.")
    least: Amount | None = Field(None, alias="from", description="Who spent at least this much.")
    below: Amount | None = Field(None, description="Who spent less than this.")


class ChosenText(Text):
    """The parties that are meant: all of the keys hold. Without any, all are."""

    parties: list[str] | None = Field(None, min_length=1, description="Those with these ids.")
    where: str | None = Field(
        None,
        description=(
            "Those whose labels meet this condition on the day from which it holds; `party` and "
            "`kind` are as the book lists them."
        ),
    )
    spend: SpendText | None = Field(None, description="Those who spent so much.")


class RelabelText(ChosenText):
    """Another value of a label, from a day on."""

    label: str = Field(description="The label: class, region, level ...")
    value: str | None = Field(None, description="Its new value; left out, it has none any more.")
    start: Day | None = Field(
        None, alias="from", description="First day; else the scenario's own `from`."
    )


class MoveText(ChosenText):
    """A role that somebody else holds, from a day on."""

    of: Annotated[str, one_of(*SUBJECTS)] = Field(
        "customer",
        description=(
            "What the role is held of. `parties`, `where` and `spend` choose among these; of "
            "orders, resources and accounts only `parties` can, by their ids."
        ),
    )
    role: str = Field(description="The role: partner, rep, manager ...")
    holder: str | None = Field(
        None,
        description=(
            "Who holds it; left out, whoever does. `nobody`: of those of which nobody holds it on "
            "the first day."
        ),
    )
    to: str | None = Field(None, description="Who holds it then; left out, nobody.")
    issuer: str | None = Field(
        None, description="Of orders and resources that nobody holds: whose invoices they are on."
    )
    start: Day | None = Field(
        None, alias="from", description="First day; else the scenario's own `from`."
    )
    until: Day | None = Field(
        None, description="First day after a transition in which the holder keeps a part."
    )
    keeps: Rate | None = Field(
        None, description="The part that the holder keeps until then; 100 % where left out."
    )


class PlanPatchText(Text):
    """A plan otherwise than it is, as if it had been so all along."""

    plan: Id = Field(description="Id of the plan.")
    file: str | None = Field(None, description="Its new text, a file beside the scenario.")
    changes: dict[str, Any] | None = Field(
        None,
        alias="set",
        description=(
            "Values by where they stand: `tables.rates.bands: [from 0 pays 50 %]`. An item of a "
            "list is named by its id or number, and needs no name where it is the only one. Null "
            "takes a key away."
        ),
    )


class PriceText(Text):
    """Charges at another price, from a day on."""

    list_: Change | None = Field(None, alias="list", description="The list price: -20 %, +5 %.")
    contracted: Change | None = Field(
        None, description="What is contracted, billed and effective, at the same list price."
    )
    keep: Annotated[str, one_of(*KEPT)] = Field(
        "discount",
        description=(
            "Where the list price changes: `discount`, so that all costs change with it, or "
            "`price`, so that the list price alone does."
        ),
    )
    where: str | None = Field(None, description="The charges that meet this condition; else all.")
    customers: ChosenText | None = Field(None, description="Those of these customers; else all.")
    start: Day | None = Field(
        None, alias="from", description="First day; else the scenario's own `from`."
    )
    elasticity: Elasticity | None = Field(
        None,
        description=(
            "An assumption: -0.5 says that 10 % off what is billed brings 5 % more usage. Without "
            "it usage stays as it is."
        ),
    )


class UsageText(Text):
    """More or less of what is charged, from a day on; -100 % for customers that are lost."""

    by: Change = Field(description="How much more or less: -100 %, +30 %.")
    where: str | None = Field(None, description="The charges that meet this condition; else all.")
    customers: ChosenText | None = Field(None, description="Those of these customers; else all.")
    start: Day | None = Field(
        None, alias="from", description="First day; else the scenario's own `from`."
    )
    keep: Annotated[str, one_of(EFFECTIVE)] | None = Field(
        None,
        description=(
            "`effective`: only when it is billed is otherwise, as where years are paid at once; "
            "the effective cost stays in its months."
        ),
    )


class CouponText(Text):
    """More of what is charged, for which a coupon pays: a credit takes its bill off."""

    coupon: str = Field(description="Id of the coupon, as charges name it under x_CouponId.")
    more: Rate = Field(description="How much more, beside what there is: 50 %.")
    where: str | None = Field(None, description="The charges that meet this condition; else all.")
    customers: ChosenText | None = Field(None, description="Those of these customers; else all.")
    start: Day | None = Field(
        None, alias="from", description="First day; else the scenario's own `from`."
    )


class AgreementText(Text):
    """Something that a customer agrees to; nothing that is charged changes."""

    agreement: str = Field(description="Its id; one that is there is replaced.")
    kind: Annotated[str, one_of(*AGREEMENT_KINDS)] = Field(
        "commit", description="What it is: commit, prepay, subscription ..."
    )
    customer: str = Field(description="The customer that it binds.")
    amount: Amount | None = Field(None, description="The whole amount for its span.")
    currency: Currency | None = Field(None, description="Of the amount.")
    shortfall: Rate | None = Field(
        None, description="Of a commit: the rate of what is missing that is owed."
    )
    covers: str = Field("", description="The charges that meet this condition; else all.")
    start: Day | None = Field(
        None, alias="from", description="First day; else the scenario's own `from`."
    )
    until: Day | None = Field(
        None, alias="to", description="First day after; a commit or prepayment needs it."
    )


class ShiftText(Text):
    """Charges that are booked earlier or later than they are."""

    within: Span = Field(alias="in", description="The months whose charges are booked otherwise.")
    months: Months = Field(description="How many months later: +1; below 0, earlier: -1.")
    where: str | None = Field(None, description="The charges that meet this condition; else all.")
    customers: ChosenText | None = Field(None, description="Those of these customers; else all.")


class WonText(Text):
    """A customer that is won: it has what another one has, from a day on."""

    customer: str = Field(description="Id of the new customer.")
    like: str = Field(description="The customer whose charges, labels and holders it is given.")
    times: Rate = Field(Decimal(1), description="So much of its charges: 50 %.")
    holders: dict[str, str] = Field(
        default_factory=dict, description="Who holds a role of it instead: `{partner: P2}`."
    )
    start: Day | None = Field(
        None, alias="from", description="First day; else the scenario's own `from`."
    )


class FigureText(ChosenText):
    """Figures otherwise than they are: targets, quotas, baselines."""

    figure: str = Field(description="The figure: target, quota, baseline ...")
    by: Change | None = Field(None, description="How much more or less: +10 %.")
    to: Amount | None = Field(None, description="Or so much, in the currency that it has.")
    within: Span | None = Field(
        None, alias="in", description="Of periods that begin in these months; else of all."
    )


class RatePatchText(Text):
    """Conversion rates otherwise than they are."""

    currency: Currency = Field(alias="from", description="What is converted.")
    to_currency: Currency = Field(alias="to", description="What it becomes.")
    by: Change | None = Field(None, description="How much more or less: +5 %.")
    rate: Amount | None = Field(None, description="Or so much for one.")
    within: Span | None = Field(
        None, alias="in", description="Of periods that begin in these months; else of all."
    )


class VaryText(Text):
    """The values that a name stands for, one after the other: `values`, or steps."""

    values: list[str] | None = Field(None, min_length=1, description="The values, one by one.")
    first: str | None = Field(None, alias="from", description="Or the first: 8 %, 100,000.")
    last: str | None = Field(None, alias="to", description="The last.")
    step: str | None = Field(None, description="From one to the next: 0.5 %.")


class ScenarioText(Text):
    """A scenario: facts and plans otherwise than they are.

    Conditions are asked of what is, before anything of the scenario. Patches of one kind hold in
    the order in which they stand.
    """

    scenario: Id = Field(description="Name of the scenario.")
    title: Title | None = Field(None, description="What people call it.")
    source: str | None = Field(None, description="Where it comes from, or what it is to find out.")
    start: Day = Field(alias="from", description="First day of all that says none of its own.")
    plans: list[PlanPatchText] = Field([], description="Plans otherwise than they are.")
    labels: list[RelabelText] = Field([], description="Labels: classes, regions, levels.")
    moves: list[MoveText] = Field([], description="Roles that somebody else holds.")
    figures: list[FigureText] = Field([], description="Targets and other figures.")
    rates: list[RatePatchText] = Field([], description="Conversion rates.")
    agreements: list[AgreementText] = Field([], description="What customers agree to.")
    won: list[WonText] = Field([], description="Customers that are won.")
    usage: list[UsageText] = Field([], description="More or less of what is charged.")
    coupons: list[CouponText] = Field([], description="More usage, for which coupons pay.")
    prices: list[PriceText] = Field([], description="Other prices.")
    shifts: list[ShiftText] = Field([], description="Charges that are booked in other months.")
    vary: dict[str, VaryText] = Field(
        {},
        description=(
            "Names, with the values that each stands for: `{rate}` in a plan's `set` is each of "
            "them in turn. `fenrun sweep` settles every variant."
        ),
    )
