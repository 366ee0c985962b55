"""A first plan, written from a few answers, with cases that come out: somewhere to begin from."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from decimal import ROUND_HALF_UP, Decimal
from typing import Literal, get_args

from fenrun.base.money import minor_units, plain, show_rate
from fenrun.base.words import say

Kind = Literal["rate", "steps", "slices", "target", "customers"]
KINDS: tuple[Kind, ...] = get_args(Kind)
"""`rate`: one rate of everything. `steps`: a higher rate of everything from a threshold. `slices`:
a higher rate of what is above it. `target`: a rate of everything once the target is met.
`customers`: an amount for each new customer."""
PERIODS = ("month", "quarter", "year")
NEEDS_THRESHOLD = ("steps", "slices", "target")
NEEDS_SECOND = ("steps", "slices")


@dataclass(frozen=True)
class Answers:
    """Answers to what is asked for a first plan."""

    kind: Kind
    title: str
    currency: str
    timezone: str
    year: int
    """The year for which it is."""
    per: str
    """One of PERIODS."""
    role: str
    """Who is credited and paid."""
    rate: Decimal
    """The rate, of the first band where there are two; for customers the amount for each."""
    threshold: Decimal
    above: Decimal
    """The rate from the threshold on."""

    @property
    def start(self) -> date:
        """Its first day."""
        return date(self.year, 1, 1)


def first_plan(answers: Answers, lang: str) -> str:
    """Return the text of a plan, its comments in a language."""
    a, end = answers, date(answers.year + 1, 1, 1)
    source = json.dumps(say("first-source", lang), ensure_ascii=False)
    kind = "marginal" if a.kind == "slices" else "all units"
    lines = [
        *(f"# {line}" for line in say("first-head", lang).splitlines()),
        f"plan: {_id(a)}",
        f"title: {json.dumps(a.title, ensure_ascii=False)}",
        f"source: {source}",
        f"published: {a.start}",
        f"effective: {{from: {a.start}, to: {end}}}",
        f"currency: {a.currency}",
        f"timezone: {a.timezone}",
        "basis: billed",
        "",
        f"# {say('first-credit', lang)}",
        "credit:",
        "  first match:",
        f"    - {{id: credited, mode: single, roles: [{a.role}]}}",
        "",
        f"# {say('first-tables', lang)}",
        "tables:",
        "  rates:",
        f"    - from: {a.start}",
        f"      source: {source}",
        f"      kind: {kind}",
        "      bands:",
        *(f"        - {band}" for band in _bands(a)),
        "",
        f"# {say('first-earn', lang)}",
        "earn:",
        "  sum:",
        "    - id: reward",
        *(f"      {key}" for key in _component(a)),
        "",
        f"# {say('first-cases', lang)}",
        "cases:",
        *(line for case in _cases(a) for line in _case(a, *case)),
    ]
    return "\n".join(lines) + "\n"


def _component(a: Answers) -> Iterator[str]:
    """Yield the keys of what is earned."""
    yield f"pays: {a.role}"
    yield f"per: {a.per}"
    if a.kind == "customers":
        yield "counts: new customers"
    yield "on: amount"
    yield "by: attainment" if a.kind == "target" else "by: amount"
    if a.kind == "target":
        yield "target: task"
    yield "table: rates"


def _id(a: Answers) -> str:
    """Return an id made from the title; of one without Latin letters, from the year."""
    words = re.findall(r"[a-z0-9]+", a.title.lower())
    return "-".join(words) or f"plan-{a.year}"


def _bands(a: Answers) -> list[str]:
    bound = plain(a.threshold, 0)
    if a.kind == "customers":
        return [f"pays {plain(a.rate, 0)} each"]
    if a.kind == "target":
        return ["below 100 % pays 0 %", f"from 100 % pays {show_rate(a.rate)}"]
    if a.kind in NEEDS_SECOND:
        first, second = show_rate(a.rate), show_rate(a.above)
        return [f"below {bound} pays {first}", f"from {bound} pays {second}"]
    return [f"pays {show_rate(a.rate)}"]


Case = tuple[str, int, Decimal, Decimal]
"""The name of a case, how many customers it has, what each is charged, and what is earned."""


def _cases(a: Answers) -> list[Case]:
    step = Decimal(1).scaleb(-minor_units(a.currency))
    bound, below = a.threshold, a.threshold - step
    if a.kind == "customers":
        return [("two-new-customers", 2, Decimal(1000), _rounded(a, 2 * a.rate))]
    if a.kind == "target":
        met = _rounded(a, bound * a.rate)
        return [("target-met", 1, bound, met), ("just-missed", 1, below, Decimal(0))]
    if a.kind == "steps":
        reached = ("threshold-reached", 1, bound, _rounded(a, bound * a.above))
        return [("just-below", 1, below, _rounded(a, below * a.rate)), reached]
    if a.kind == "slices":
        both = _rounded(a, bound * (a.rate + a.above))
        return [("a-slice-of-each", 1, 2 * bound, both)]
    return [("ten-thousand", 1, Decimal(10_000), _rounded(a, 10_000 * a.rate))]


def _rounded(a: Answers, exact: Decimal) -> Decimal:
    """Return an earning rounded as the plan rounds: half up to the currency's smallest amount."""
    return exact.quantize(Decimal(1).scaleb(-minor_units(a.currency)), ROUND_HALF_UP)


def _case(a: Answers, name: str, count: int, amount: Decimal, earned: Decimal) -> Iterator[str]:
    """Yield the lines of a case: one payee, so many customers, charged in the first month."""
    customer = "K1" if count == 1 else f"K{{1..{count}}}"
    period = {"month": f"{a.year}-01", "quarter": f"{a.year}-Q1", "year": str(a.year)}[a.per]
    money = f"currency: {a.currency}"
    yield f"  - case: {name}"
    yield "    given:"
    yield f"      links: [{{of: customer, subject: '{customer}', role: {a.role}, party: P1}}]"
    if a.kind == "target":
        task = f"period: {period}, amount: {plain(a.threshold, 0)}, {money}"
        yield f"      figures: [{{party: P1, figure: task, {task}}}]"
    month = f"{a.start:%Y-%m}"
    yield f"      charges: [{{customer: '{customer}', month: {month}, billed: {plain(amount)}}}]"
    said = f"component: reward, period: {period}, earned: {plain(earned)}"
    yield f"    expect: [{{payee: P1, {said}}}]"
