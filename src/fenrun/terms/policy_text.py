"""The policy as people write it: YAML whose keys are the fields below.

This is the one description of the keys: reading checks against it, the JSON Schemas are made of it.
"""

from __future__ import annotations

import re
from datetime import date, timedelta
from decimal import Decimal
from typing import Annotated

from pydantic import Field

from fenrun.base.money import parse_amount, parse_rate
from fenrun.base.when import LONG_AGO, OPEN_END, parse_day
from fenrun.base.words import Unreadable
from fenrun.plan.phrases import Written, one_of
from fenrun.plan.text import Currency, Id, Text, Title, Zone

KINDS = ("discount", "coupon", "agreement")
"""The kinds of what is asked for: a price, money for a purpose, or a commit and its like."""
ROLE = "role operations"
"""Stands for everybody of operations among the approvers."""
_MOST_DAYS = 1_000
"""Days off at most, so that every due time ends."""
_ACCOUNT = r"[\w.@+-]{1,150}"
_WITHIN = re.compile(r"([1-9]\d{0,2}) (working day|hour)s?")


def _read_within(text: str) -> tuple[int, str]:
    """Read `2 working days` or `24 hours`: how many of which. Raises Unreadable."""
    found = _WITHIN.fullmatch(text)
    if not found:
        raise Unreadable("policy-within", text=text)
    return int(found[1]), found[2]


def _read_rate(text: str) -> Decimal:
    """Read a discount off the list price. Raises Unreadable."""
    rate = parse_rate(text)
    if not 0 < rate <= 1:
        raise Unreadable("policy-discount", text=text)
    return rate


def _read_account(text: str) -> str:
    """Read the name of an account. Raises Unreadable."""
    if not re.fullmatch(_ACCOUNT, text):
        raise Unreadable("policy-account", text=text)
    return text


def _read_approver(text: str) -> str:
    """Read the name of an account, or the role that approves. Raises Unreadable."""
    return text if text == ROLE else _read_account(text)


Day = Annotated[date, Written(parse_day)]
Amount = Annotated[Decimal, Written(parse_amount)]
Account = Annotated[str, Written(_read_account, {"type": "string"})]


class WhenText(Text):
    """A reason for which a step is needed: all of its keys hold."""

    kinds: list[Annotated[str, one_of(*KINDS)]] | None = Field(
        None, min_length=1, description="What is asked for is of one of these kinds."
    )
    discount: Annotated[Decimal, Written(_read_rate)] | None = Field(
        None,
        description=(
            "At least this discount off the list price is asked for. A price of one unit, or a part"
            " of another cost, counts as the deepest."
        ),
    )
    amount: Amount | None = Field(
        None,
        description=(
            "At least this amount is to be billed or given under it, in the currency of the policy."
            " No limit, or another currency, counts as the largest."
        ),
    )
    products: list[str] | None = Field(
        None,
        min_length=1,
        description="It is for one of these products (ServiceName), or for all products.",
    )


class StepText(Text):
    """A step of the chain: who decides, and by when."""

    step: Id = Field(description="Name of the step.")
    title: Title | None = Field(None, description="What people call it.")
    approvers: list[Annotated[str, Written(_read_approver, {"type": "string"})]] = Field(
        min_length=1,
        description=(
            "Accounts of the portal, or `role operations` for everybody of operations: one of them"
            " decides. Never who asked, nor who decided another step."
        ),
    )
    within: Annotated[tuple[int, str], Written(_read_within)] = Field(
        description=(
            "By when it is to be decided: `2 working days` or `24 hours` after it came to this step"
            ". Then it lapses."
        )
    )
    when: list[WhenText] | None = Field(
        None,
        min_length=1,
        description="The step is needed where one of these holds; always, where it is left out.",
    )


class DelegationText(Text):
    """A time in which somebody else may decide for an approver."""

    approver: Account = Field(description="Whose steps.")
    substitute: Account = Field(description="Who may decide them.")
    start: Day = Field(LONG_AGO, alias="from", description="First day.")
    end: Day = Field(OPEN_END, alias="to", description="First day after.")


class PolicyText(Text):
    """The policy of a workspace: who may grant what is out of the ordinary."""

    policy: Id = Field(description="Name of the policy.")
    title: Title | None = Field(None, description="What people call it.")
    source: str | None = Field(None, description="The document that says so.")
    currency: Currency = Field(description="Currency of its amounts.")
    timezone: Zone = Field("UTC", description="Time zone of its days.")
    holidays: list[Day] = Field(
        default_factory=list,
        max_length=_MOST_DAYS,
        description="Days off, beside Saturdays and Sundays.",
    )
    workdays: list[Day] = Field(
        default_factory=list, description="Saturdays and Sundays on which people work."
    )
    steps: list[StepText] = Field(min_length=1, description="The steps of the chain, in order.")
    delegations: list[DelegationText] = Field(
        default_factory=list, description="Who may decide for whom, and when."
    )

    def is_worked(self, day: date) -> bool:
        """Return whether a day is a working day."""
        return day in self.workdays or (day.weekday() < 5 and day not in self.holidays)

    def days_worked(self, first: date, last: date) -> int:
        """Return the working days after the first day, up to and with the last."""
        days = (first + timedelta(n) for n in range(1, (last - first).days + 1))
        return sum(map(self.is_worked, days))
