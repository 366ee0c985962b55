"""Earnings: the rows of the table that steps.sql makes and that others may read."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from decimal import Decimal


@dataclass(frozen=True)
class Earning:
    """A part of what a payee earns with a component in a period: a row of `earnings`.

    It is what the component earns by itself (also where that is nothing), or what another clause
    adds to it or takes off. Grain: plan, component, payee, period, unit, step_no.
    """

    plan_id: str
    component: str
    """The component's clause."""
    rank: int
    """The component's place in the plan."""
    role: str
    payee: str
    unit: str
    """What is earned for separately, such as a customer; empty where that is the payee."""
    per: str
    period: str
    period_from: date
    period_to: date
    paid_month: date
    """First day of the month whose statement pays it: the month in which the period ends."""
    currency: str
    step_no: int
    """0 for what the component earns by itself; then the order in which clauses change it."""
    reason: str
    """Of step 0: `band`, `capped`, `floor`, or why it is nothing: `not-in-scope` (it is for
    others), `payee` (does not qualify), `no-unit`, `no-target`, `no-comparison`, `no-figure`,
    `no-band`, `too-little` (than the minimum), `gate` (its threshold is not met),
    `two-columns` (an increment or figure cannot be told apart by them; this is a problem too).

    Of the others: `gate` (of another component's earnings), `less`, `beaten`, `ceiling`,
    `override` or `clawback`.
    """
    detail: str | None
    """The words of the threshold or multiplier, or what takes off or adds."""
    amount: Decimal | None
    """The measured amount: what is credited, without what is excluded or below a baseline.

    This and what follows, up to `cap`, is of step 0 only.
    """
    target: Decimal | None
    compared: Decimal | None
    """Last year's measure, or the figure the plan compares with."""
    base: Decimal | None
    """The amount a rate is applied to; of an override, what it is an override on."""
    measure: Decimal | None
    """What picks the band, against the band's bounds times `reference`."""
    reference: Decimal | None
    pays_on: str | None
    reads_by: str | None
    portion: Decimal | None
    """Part that is paid, yet to be divided by what the plan says: 1 of 1/12."""
    table_id: str | None
    table_from: date | None
    """Which version of the table was in force on the period's first day."""
    uncapped: Decimal | None
    """Exact, before cap and rounding; `divisor` times as much."""
    divisor: Decimal | None
    """What `uncapped` is yet to be divided by; 1 unless the rate lies between two points, a figure
    is cut into slices, or the portion is a fraction."""
    cap: Decimal | None
    earned: Decimal
    """Rounded, once, as the plan says; below zero where something is taken off."""
