"""Payouts and payments: the columns of the tables that steps.sql makes and that others may read."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from decimal import Decimal


@dataclass(frozen=True)
class Payout:
    """A month of a payee: how what is due becomes what is paid.

    Grain: plan, payee, month; only for plans that say when they pay.
    """

    plan_id: str
    payee: str
    month: date
    due: Decimal
    """Earnings and instalments that fall due, without what is frozen."""
    brought: Decimal
    """Carried from the month before; below zero: owed."""
    expired: Decimal
    """Breakage: what was carried too long and is no longer paid."""
    drawn: Decimal
    """Paid in advance, to reach the draw."""
    recovered: Decimal
    """Taken back of earlier draws."""
    balance: Decimal
    """Draws still to recover."""
    paid: Decimal
    carried: Decimal
    """brought - expired + due + drawn - recovered - paid."""


@dataclass(frozen=True)
class Payment:
    """A part of a payout that is paid in one form. Grain: plan, payee, month, form."""

    plan_id: str
    payee: str
    month: date
    form: str
    """`cash`, or as the plan names it."""
    amount: Decimal
    """Part of the payout."""
    paid: Decimal
    """The same with the payee's tax in place of the included one."""


@dataclass(frozen=True)
class Exchange:
    """A payment that is made in another currency than the plan's: a row of `exchanges`.

    Grain: plan, payee, month, form.
    """

    plan_id: str
    payee: str
    month: date
    form: str
    currency: str
    """The currency in which it is paid."""
    rate: Decimal | None
    """So much of it is one of the plan's; None: no rate is known, and it is not paid yet."""
    given_by: str | None
    """Who gives the rate, as the book says."""
    amount: Decimal
    """The payment in the plan's currency, with tax."""
    paid: Decimal | None
    """The same exchanged, rounded to the smallest amount of the currency."""


@dataclass(frozen=True)
class FundMonth:
    """A month of a payee's fund: a row of `funds`. Grain: plan, payee, month, form."""

    plan_id: str
    payee: str
    month: date
    form: str
    brought: Decimal
    """Held from the month before; below zero: owed, after something was taken back."""
    accrued: Decimal
    """Paid into it with the month."""
    over: Decimal
    """Part of that above what the fund may hold: lost."""
    claimed: Decimal
    granted: Decimal
    """The claim, up to what is held."""
    lapsed: Decimal
    """Lost, because it was not claimed in time."""
    balance: Decimal
    """brought + accrued - over - granted - lapsed."""


@dataclass(frozen=True)
class Waiting:
    """An amount that is due and not paid, since its unit is frozen: a row of `waiting`; never 0.

    As of the end of the settled period. Grain: plan, payee, component, unit.
    """

    plan_id: str
    payee: str
    component: str
    unit: str
    """The customer, order or invoice that is frozen."""
    amount: Decimal
