"""Attacks on proofs: business divided, merged or moved, and what the engine then pays for it.

A trial is two worlds of the same business, each with parties of its own; many trials are settled at
once. What the two earn is compared.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from itertools import permutations
from typing import Any

from fenrun.base.when import OPEN_END, Period, parse_period, period_of
from fenrun.book.as_of import sources_from
from fenrun.charges.rows import ORDER
from fenrun.plan.check.payoff import Figure, Payoff
from fenrun.plan.check.proving import Counterexample
from fenrun.plan.read import PlanFile
from fenrun.plan.text import CaseGiven, CaseText
from fenrun.settle.pipeline import settle_in_memory
from fenrun.settle.settling import Settlement
from fenrun.whatif.cases import facts_of_case

Row = dict[str, Any]
SERVICES = ("CDN", "SMS", "Compute")
_LABELS = {"class": ("C", "D", "E", ""), "region": ("north", "east", "")}
_TYPES = ("", "resale")
_LEVELS = ("elite", "")


_EARNED = """
SELECT e.component, e.payee, sum(e.earned), sum(e.amount), max(e.out)
FROM (
  SELECT component, payee, earned, 0 AS amount,
         CASE WHEN reason IN ('payee', 'clawback', 'not-in-scope') THEN 1 ELSE 0 END AS out
  FROM earnings
  UNION ALL
  SELECT l.component, m.payee, 0, m.amount, 0
  FROM like_of AS l
  JOIN measures AS m ON m.plan = l.like_plan AND m.component = l.like_component) AS e
GROUP BY e.component, e.payee"""
_COLUMNS_MET = """
SELECT DISTINCT l.component, m.payee, m.column_no
FROM like_of AS l
JOIN column_measures AS m ON m.plan = l.like_plan AND m.component = l.like_component"""


@dataclass(frozen=True)
class Item:
    """Some business of one unit in one period: an amount and what its charges say."""

    unit: int
    period: int
    amount: Fraction
    """In whole cents; of counted customers: how many."""
    service: str


@dataclass(frozen=True)
class Trial:
    """Two worlds, with the facts that both have of all their units."""

    payoff: Payoff
    facts: dict[Figure, Fraction]
    before: tuple[Item, ...]
    after: tuple[Item, ...]
    labels: dict[str, str] = field(default_factory=dict)
    level: str = ""
    order: str = ""
    roles: tuple[str, ...] = ("partner", "rep")
    """The roles that somebody holds of every customer."""
    listed: int = 1
    """So many times what is billed is listed."""
    since: bool = False
    """Whether customers are associated with the first period, or ever were."""
    has_previous: bool = False
    """Whether somebody of level elite was associated before."""
    link_type: str = ""
    is_late: bool = False
    """Whether payees have their level since the first period, or ever had it."""
    has_access: bool = False
    """Whether somebody holds the role `access` of every customer."""
    is_one_customer: bool = False
    """Whether all business of a payee is of one customer, or each item of its own."""
    baseline: Fraction = Fraction(0)
    """What every customer has to exceed in every period of the baseline."""
    claimed: Counterexample | None = None
    otherwise: dict[str, str] | None = None
    """The labels and the `level` of the second world, where they are not those of the first."""

    def labels_of(self, world: int) -> dict[str, str]:
        """The labels of all customers in a world, and `level` of all payees."""
        return self.otherwise or {} if world and self.otherwise is not None else self._labels

    @property
    def _labels(self) -> dict[str, str]:
        return self.labels | {"level": self.level}


def periods_of(file: PlanFile, payoff: Payoff) -> list[Period]:
    """Return the first periods that the plan has under the payoff's version.

    Before them stands the one that the first is compared with.
    """
    terms, c = file.plan.terms[0], payoff.component
    months, year_starts = map(int, c.calendar.split("@"))
    start = max(terms.valid_from, payoff.start)
    one = period_of(start, months, year_starts)
    if one.span.start < start:
        one = period_of(one.span.end, months, year_starts)
    found, stride = [], 12 // months if c.compare == "last year" else 1
    if payoff.begins_before:
        for _ in range(stride):
            one = period_of(one.span.start - timedelta(1), months, year_starts)
    while len(found) < payoff.slots:
        found.append(one)
        for _ in range(stride):
            one = period_of(one.span.end, months, year_starts)
    return found


# --- trials -------------------------------------------------------------------------------------


def claimed(payoff: Payoff, example: Counterexample, chance: random.Random) -> Trial:
    """Return the trial of a counterexample, of charges that say anything."""
    service = chance.choice(SERVICES)
    worlds = (
        tuple(
            Item(unit, place, business.spend, service)
            for unit, history in enumerate(world)
            for place, business in enumerate(history)
            if business is not None
        )
        for world in (example.before, example.after)
    )
    said = _said(chance) | _dated(chance)
    return Trial(payoff, dict(example.facts), *worlds, **said, claimed=example)


def attack(payoff: Payoff, what: str, chance: random.Random) -> Trial:
    """Return business that is split, merged or moved by chance, at or beside the bounds."""
    facts = {figure: _figure(payoff, chance) for figure in payoff.figures}
    length = payoff.slots
    items = []
    for period in range(length):
        for unit in range(1 if what == "timing" else 2):
            items += [
                Item(unit, period, _amount(payoff, facts, chance), chance.choice(SERVICES))
                for _ in range(chance.choice((0, 1, 1, 2)))
            ]
    whole = tuple(Item(0, i.period, i.amount, i.service) for i in items)
    apart = tuple(items)
    worlds = {"split": (whole, apart), "merge": (apart, whole)}
    before, after = worlds.get(what) or (apart, tuple(_moved(payoff, items, chance)))
    said = _said(chance) | {"is_one_customer": chance.choice((True, False))}
    if payoff.component.counts != "amount":
        said["is_one_customer"] = False
    if payoff.component.baseline:
        said["baseline"] = Fraction(chance.choice((0, 1, 50, 100, 1000)))
    return Trial(payoff, facts, before, after, **said)


def _said(chance: random.Random) -> dict[str, Any]:
    labels = {name: chance.choice(values) for name, values in _LABELS.items()}
    order = chance.choice(("SO-1", "SO-2"))
    roles = chance.choice((("partner", "rep"), ("partner",), ("rep",)))
    return {"labels": labels, "level": chance.choice(_LEVELS), "order": order, "roles": roles}


def _dated(chance: random.Random) -> dict[str, Any]:
    """Return what is otherwise of prices, and of since when links are held."""
    since = chance.choice((True, False))
    previous = since and chance.choice((True, False))
    of_link = {"since": since, "has_previous": previous, "link_type": chance.choice(_TYPES)}
    others = {name: chance.choice((True, False)) for name in ("is_late", "has_access")}
    return of_link | others | {"listed": chance.choice((1, 2))}


def _moved(payoff: Payoff, items: Sequence[Item], chance: random.Random) -> Iterator[Item]:
    """Yield the business of which some is brought in in another period."""
    for item in items:
        cents = int(item.amount * 100)
        part = Fraction(chance.choice((0, cents, cents // 2, chance.randint(0, cents))), 100)
        target = chance.randrange(payoff.slots)
        if part < item.amount or not part:
            yield Item(item.unit, item.period, item.amount - part, item.service)
        if part:
            yield Item(item.unit, target, part, item.service)


def _figure(payoff: Payoff, chance: random.Random) -> Fraction:
    bounds = [100, 100, 50, 500, 1000, 1, 0]
    bounds += [bound for g in payoff.gates for bound in (g.lower, g.upper) if bound is not None]
    tiers = [tier for column in (*payoff.columns, payoff.times) for tier in column]
    bounds += [tier.lower for tier in tiers if tier.lower is not None]
    return Fraction(chance.choice(bounds)) or Fraction(chance.randint(0, 100000), 100)


def _amount(payoff: Payoff, facts: dict[Figure, Fraction], chance: random.Random) -> Fraction:
    if payoff.component.counts != "amount":
        return Fraction(chance.randint(0, 12))
    bounds = [*payoff.bounds, Fraction(1), Fraction(1000), *facts.values()]
    references = [*facts.values(), Fraction(1)] if facts else [Fraction(1)]
    bounds += [
        tier.lower * reference
        for column in payoff.columns
        for tier in column
        for reference in references
        if tier.lower is not None
    ]
    part = chance.choice((Fraction(1), Fraction(1, 2), Fraction(chance.randint(0, 200), 100)))
    beside = chance.choice((0, 0, 0, -1, 1))
    amount = Fraction(int(chance.choice(bounds) * part * 100) + beside, 100)
    return max(amount, Fraction(0))


# --- where a payoff bends ------------------------------------------------------------------------


def directed(payoff: Payoff, what: str) -> Iterator[Trial]:
    """Yield business at, beside and half of every point where a payoff bends.

    Halves, equal parts, a step beside a threshold, what reaches a cap, an empty period.
    """
    step = payoff.step
    number = 0
    for usual, facts in enumerate(_facts(payoff)):
        for bend in _bends(payoff, facts):
            half = int(bend / 2 / step) * step
            pairs = (
                *((half, half), (bend, bend), (bend - step, step), (bend - step, bend - step)),
                *((bend + step, half), (step, bend), (Fraction(0), bend), (bend, 3 * bend)),
            )
            for one, other in pairs if not usual else pairs[:3]:
                if one >= 0 and other > 0:
                    number += 1
                    chance = random.Random(number)
                    yield from _worlds(payoff, what, facts, (one, other), chance)


def _bends(payoff: Payoff, facts: dict[Figure, Fraction]) -> list[Fraction]:
    """Return the amounts at which something of the plan's own rows is reached."""
    c, step = payoff.component, payoff.step
    tiers = [tier for column in (*payoff.columns, payoff.times) for tier in column]
    rows = [*tiers, *payoff.gates]
    bounds = {Fraction(b) for row in rows for b in (row.lower, row.upper) if b is not None}
    bounds |= {bound * value for bound in bounds for value in {*facts.values(), 100}}
    bounds |= {bound + 100 for bound in bounds}
    bounds |= {Fraction(c.up_to)} if c.up_to is not None else set()
    if c.cap is not None:
        rates = {tier.rate * Fraction(c.portion) for tier in tiers}
        bounds |= {Fraction(c.cap) / rate for rate in rates if rate > 0}
    most = 10_000 if c.counts == "amount" else 5
    return sorted({int(bound / step) * step for bound in (*bounds, 100) if 1 <= bound <= most})[:8]


def _facts(payoff: Payoff) -> Iterator[dict[Figure, Fraction]]:
    usual = dict.fromkeys(payoff.figures, Fraction(100))
    yield usual
    for figure in payoff.figures:
        for value in (Fraction(0), Fraction(1, 2), Fraction(1000)):
            yield usual | {figure: value}


def _worlds(
    payoff: Payoff,
    what: str,
    facts: dict[Figure, Fraction],
    pair: tuple[Fraction, Fraction],
    chance: random.Random,
) -> Iterator[Trial]:
    """Yield two amounts apart and as one; for timing, one of them moved to where the other is."""
    one, other = pair
    services = [chance.choice(SERVICES)] * 2 if chance.random() < 0.7 else list(SERVICES[:2])
    said = _said(chance) | {"roles": ("partner", "rep")}
    if payoff.component.counts == "amount":
        said["is_one_customer"] = chance.random() < 0.5
    if payoff.component.baseline:
        said["baseline"] = chance.choice((Fraction(0), other, one + other - payoff.step))
    if what == "timing":
        last = payoff.slots - 1
        for places in ((0, last), (last, 0)):
            first = Item(0, places[0], one, services[0])
            second = Item(0, places[1], other, services[1])
            moved = Item(0, places[0], other, services[1])
            yield Trial(payoff, facts, (first, second), (first, moved), **said)
            yield Trial(payoff, facts, (first, moved), (first, second), **said)
        return
    for past in _pasts(payoff):
        last = payoff.slots - 1 if past else 0
        apart = tuple(Item(n, last, amount, services[n]) for n, amount in enumerate(pair))
        whole = tuple(Item(0, last, item.amount, item.service) for item in apart)
        if services[0] == services[1] and one:
            whole = (Item(0, last, one + other, services[0]),)
        of_one = tuple(Item(0, item.period, item.amount, item.service) for item in past)
        worlds = (of_one + whole, past + apart)
        before, after = worlds if what == "split" else reversed(worlds)
        yield Trial(payoff, facts, before, after, **said)


def _pasts(payoff: Payoff) -> list[tuple[Item, ...]]:
    """Return what two units brought in before: nothing; where it is looked at, one of them too."""
    if not payoff.looks_back or payoff.slots < 2:
        return [()]
    one = Item(0, 0, Fraction(100), SERVICES[0])
    return [(), (one,), (one, Item(1, 0, Fraction(300), SERVICES[0]))]


def relabelled(payoff: Payoff, label: str) -> Iterator[Trial]:
    """Yield the same business under every two values of a label, all others whatever they are."""
    values = _LABELS.get(label, ("elite", "gold", ""))
    other_value = "A" if label == "class" else "x"
    for number, (one, other) in enumerate(permutations((*values, other_value), 2)):
        chance = random.Random(number)
        for amount in _bends(payoff, {})[:1]:
            said = _said(chance) | {"roles": ("partner", "rep")}
            before = said["labels"] | {"level": said["level"], label: one}
            said["labels"] = {name: value for name, value in before.items() if name != "level"}
            said["level"] = before["level"]
            if payoff.component.baseline:
                said["baseline"] = Fraction(50)
            facts = dict.fromkeys(payoff.figures, Fraction(100))
            items = (Item(0, 0, amount, chance.choice(SERVICES)),)
            yield Trial(payoff, facts, items, items, **said, otherwise=before | {label: other})


# --- worlds in the engine -----------------------------------------------------------------------


class Settled:
    """The worlds of many trials, settled at once."""

    def __init__(self, file: PlanFile, trials: Sequence[Trial]):
        self.file, self.trials = file, trials
        self.rows: dict[str, list[Row]] = {
            name: [] for name in ("links", "labels", "figures", "charges")
        }
        self.last = date(2024, 12, 31)
        for number, trial in enumerate(trials):
            for world, items in enumerate((trial.before, trial.after)):
                self._add(trial, f"{number}{'ab'[world]}", items, trial.labels_of(world))
        self.run = self._settle()

    def _add(self, trial: Trial, name: str, items: Sequence[Item], labels: dict[str, str]) -> None:
        periods = periods_of(self.file, trial.payoff)
        each = trial.payoff.component.each
        customers: set[tuple[str, str]] = set()
        for place, item in enumerate(items):
            payee = f"{name}{item.unit if each == 'payee' else 0}"
            for one in range(1 if trial.payoff.component.counts == "amount" else int(item.amount)):
                customer = f"K{name}{item.unit if each in ('payee', 'customer') else 0}"
                if each == "payee" and not trial.is_one_customer:
                    customer += f"-{place}-{one}"
                customers.add((customer, payee))
                self._charge(trial, item, customer, name, periods[item.period])
        self._say(trial, sorted(customers), periods, labels)

    def _charge(self, trial: Trial, item: Item, customer: str, name: str, period: Period) -> None:
        c = trial.payoff.component
        if c.counts == "amount":
            amount = item.amount
        else:
            amount = Fraction(c.counts_from or 1)
        own = f"U{name}{item.unit}"
        if c.basis == "list":
            amount /= trial.listed
        billed = _plain(amount)
        charge = {"customer": customer, "day": str(period.span.start), "billed": billed}
        charge |= {
            "list": _plain(amount * trial.listed),
            "x_Cash": billed,
            "ServiceName": item.service,
            ORDER: trial.order,
        }
        if c.each not in ("payee", "customer"):
            charge[c.each] = own
        self.rows["charges"].append(charge)
        self.last = max(self.last, period.last_day)

    def _say(
        self,
        trial: Trial,
        customers: Sequence[tuple[str, str]],
        periods: Sequence[Period],
        labels: dict[str, str],
    ) -> None:
        rows = self.rows
        parties = {
            "payee": {payee for _, payee in customers},
            "customer": {k for k, _ in customers},
        }
        for customer, payee in customers:
            link = {"of": "customer", "subject": customer}
            if trial.link_type:
                link["type"] = trial.link_type
            since = {"from": str(periods[0].span.start)} if trial.since else {}
            rows["links"] += [
                link | {"role": role, "party": f"{role[0].upper()}{payee}"} | since
                for role in trial.roles
            ]
            if trial.has_access:
                rows["links"].append(link | {"role": "access", "party": "Access"})
            if trial.has_previous:
                before = {"party": "Before", "to": since["from"]}
                rows["links"] += [link | {"role": role} | before for role in trial.roles]
            rows["labels"] += [
                {"party": customer, "label": label, "value": value}
                for label, value in labels.items()
                if value and label != "level"
            ]
        for payee in sorted(parties["payee"]):
            for low, role in (("R", "manager"), ("M", "director")):
                up = {"manager": "M", "director": "D"}[role]
                link = {"of": "party", "subject": f"{low}{payee}", "role": role}
                rows["links"].append(link | {"party": f"{up}{payee}"})
            if labels["level"]:
                for letter in "PRMD":
                    label = {"party": f"{letter}{payee}", "label": "level"}
                    label["value"] = labels["level"]
                    since = {"from": str(periods[0].span.start)} if trial.is_late else {}
                    rows["labels"].append(label | since)
        if trial.has_previous:
            rows["labels"].append({"party": "Before", "label": "level", "value": "elite"})
        self._say_baseline(trial, sorted(parties["customer"]), periods)
        letter = _letter(trial)
        for (figure, of), value in trial.facts.items():
            names = parties[of] if of == "customer" else {f"{letter}{p}" for p in parties["payee"]}
            rows["figures"] += [
                {"party": name, "figure": figure, "period": p.key, "amount": _plain(value)}
                | {"currency": "CNY"}
                for name in sorted(names)
                for p in periods
            ]

    def _say_baseline(
        self, trial: Trial, customers: Sequence[str], periods: Sequence[Period]
    ) -> None:
        c = trial.payoff.component
        if not c.baseline or not trial.baseline:
            return
        months, year_starts = map(int, c.baseline_calendar.split("@"))
        one = period_of(periods[0].span.start, months, year_starts)
        while one.span.start < periods[-1].span.end:
            row = {"figure": c.baseline, "period": one.key, "amount": _plain(trial.baseline)}
            row["currency"] = "CNY"
            self.rows["figures"] += [row | {"party": customer} for customer in customers]
            one = period_of(one.span.end, months, year_starts)

    def _settle(self) -> Settlement:
        given = CaseGiven.model_validate({name: rows for name, rows in self.rows.items() if rows})
        case = CaseText.model_construct(case="attack", given=given, expect=[])
        book, charges = facts_of_case(self.file, case, 1)
        sources = sources_from(book, "attack", datetime(2000, 1, 1))
        years = parse_period(f"2023-01/{self.last.year}-12")
        return settle_in_memory([self.file.plan], sources, charges, years, OPEN_END)

    def gains(self, of_all: bool = False) -> list[tuple[Trial, Fraction, bool]]:
        """Return what the second world of each trial earns more, and whether all of both counts.

        Of its component alone, or of all that is earned.
        """
        texts, scales = self.run.codes.texts, self.run.scales
        found = self.run.runner.rows(_EARNED, [])
        sums = {
            (texts[component], texts[payee]): (
                Fraction(earned, 10**scales.money),
                Fraction(measured, 10**scales.measure),
                Fraction(out),
            )
            for component, payee, earned, measured, out in found
        }
        answers, elsewhere = [], self._elsewhere()
        for number, trial in enumerate(self.trials):
            names = [
                [f"{_letter(trial)}{number}{world}{unit}" for unit in (0, 1)] for world in "ab"
            ]
            rule = trial.payoff.component.rule_id
            rules = {rule for rule, *_ in sums} if of_all else {rule}
            worlds = [
                [sums.get((r, n), (Fraction(0),) * 3) for r in rules for n in own] for own in names
            ]
            (before, one, out), (after, other, left) = (
                [sum(k) for k in zip(*w, strict=True)] for w in worlds
            )
            column = trial.payoff.band.column_no
            both = [*names[0], *names[1]]
            beside = any(elsewhere.get((rule, n), {column}) - {column} for n in both)
            counts = [one, other] == measured(trial) and not (out or left or beside)
            answers.append((trial, Fraction(after - before), counts))
        return answers

    def _elsewhere(self) -> dict[tuple[str, str], set[int]]:
        """Return the columns that each payee's business meets, by component and payee."""
        texts = self.run.codes.texts
        found: dict[tuple[str, str], set[int]] = {}
        for component, payee, column in self.run.runner.rows(_COLUMNS_MET, []):
            found.setdefault((texts[component], texts[payee]), set()).add(column)
        return found


def replayed(
    file: PlanFile, examples: Sequence[tuple[Payoff, Counterexample]], chance: random.Random
) -> list[list[tuple[Trial, Fraction]]]:
    """Return what the engine pays more for each example, wherever all its business counts.

    Charges, labels and links say anything; where nothing counts, more is tried.
    """
    found: list[list[tuple[Trial, Fraction]]] = [[] for _ in examples]
    for tries in (12, 60):
        open_ = [n for n, own in enumerate(found) if not own]
        asked = [(n, claimed(*examples[n], chance)) for n in open_ for _ in range(tries)]
        if asked:
            answers = Settled(file, [trial for _, trial in asked]).gains()
            for (n, _), (trial, gain, counts) in zip(asked, answers, strict=True):
                if counts:
                    found[n].append((trial, gain))
    return found


def measured(trial: Trial) -> list[Fraction]:
    """Return what each world measures, if all its business counts."""
    up_to = trial.payoff.component.up_to
    found = []
    for world in (trial.before, trial.after):
        sums: dict[tuple[int, int], Fraction] = {}
        for item in world:
            key = item.unit, item.period
            sums[key] = sums.get(key, Fraction(0)) + item.amount
        bounded = (s if up_to is None else min(s, Fraction(up_to)) for s in sums.values())
        found.append(sum(bounded, Fraction(0)))
    return found


def _plain(amount: Fraction) -> str:
    return f"{Decimal(amount.numerator) / amount.denominator:f}"


def _letter(trial: Trial) -> str:
    letters = {"partner": "P", "rep": "R", "manager": "M", "director": "D"}
    return letters[trial.payoff.component.role]
