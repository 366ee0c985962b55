"""Attacks on a plan: which moves of the catalogue would pay somebody more, with nothing sold.

A move is a scenario, so whoever doubts it settles it again with `fenrun whatif`. Candidates are
asked of the settled period, as far as a move concerns them; the best are settled anew, whole, and
must gain to the cent what was predicted. Only moves of the catalogue are covered:

associate  a rep's customers without a partner come under one
pool       the customers of several partners are booked under one of them
relabel    customers of a partner, or the partner itself, get another value of a label that the
           plans read: region, class, level
shift      what a partner's customers are billed in a month is booked a month earlier or later
stuff      a partner buys what its customers lack to its next tier, and pays for it
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import ROUND_UP, Decimal
from pathlib import Path
from typing import Any

import yaml

from fenrun.base.money import sums_of
from fenrun.base.problem import Place, Refused, refused
from fenrun.base.when import Period, parse_period
from fenrun.lab.answers import Rows, component_earned
from fenrun.lab.patched import Lab
from fenrun.lab.scenario import Scenario, read_scenario
from fenrun.lab.scenario_text import NOBODY
from fenrun.plan.check.logic import labels_read
from fenrun.plan.rows import Component, Plan
from fenrun.plan.vocabulary import MONTHS_OF
from fenrun.settle.facts import in_force
from fenrun.settle.standing import Earned, Standing, earned_by_payee
from fenrun.statement.run import Run
from fenrun.store.facts import Store

MOVES = {
    "associate": ("G01", "G02", "G10", "G16"),
    "pool": ("G03", "G09"),
    "relabel": ("G04",),
    "shift": ("G08",),
    "stuff": ("G05", "G11", "G12"),
}
"""The moves, each with the schemes of findings that make money in the same way."""
_NOTHING = Decimal(0)
_STEP = Decimal("0.0001")
"""To which part of what is charged usage is raised."""
_MOST_VALUES = 6
"""The values of a label that are tried."""
_RATE = Decimal("0.0001")


@dataclass(frozen=True)
class Move:
    """Something that a coalition could do, as a scenario."""

    kind: str
    """One of MOVES."""
    coalition: tuple[str, ...]
    """Who gains by it together; the first is paid."""
    with_: str
    """Whose help it needs: `rep`, `partner`, or `label` and who can enter it."""
    patch: dict[str, Any]
    """The patches of the scenario."""
    cost: Decimal = _NOTHING
    """What the coalition pays for it."""


_Candidate = tuple[Decimal, str, Move, Scenario]
"""What a move gains by prediction, in which currency."""


@dataclass(frozen=True)
class Exploit:
    """A move that gains, settled anew."""

    move: Move
    scenario: Scenario
    currency: str
    gain: Decimal
    """What the coalition earns more, less what it pays for it."""
    vendor: Decimal
    """What all payees earn more, less what is bought: what it costs the vendor."""
    others: Decimal
    """What all others earn more: below zero, it is taken from them."""
    plan_id: str
    component: str
    """The component by which the coalition gains most."""
    by_component: Decimal
    """What it gains by that."""
    flat: Decimal | None
    """The one rate at which that component would cost as much as it does; None where its table has
    columns, or pays amounts."""
    left: Decimal | None
    """What the coalition would still gain at that rate."""


@dataclass(frozen=True)
class Attack:
    """The moves tried on a period, and those that gain, the most first."""

    period: Period
    known: datetime
    tried: dict[str, int]
    """How many moves of each kind."""
    exploits: tuple[Exploit, ...]


def attack(
    store: Store | Path | str,
    period: Period,
    known: datetime | None = None,
    most: int = 3,
    largest: int = 4,
    progress: Callable[[str], None] = lambda name: None,
) -> Attack:
    """Return what the moves of the catalogue would gain in a period, with nothing sold.

    At most so many exploits, each of another coalition and kind. They are tried with so many of the
    `largest` partners and reps. Raises Refused where a move settles to something else than was
    predicted: that is a fault of fenrun.
    """
    store = store if isinstance(store, Store) else Store(Path(store))
    lab = Lab(store, period, known)
    plans = in_force(lab.facts.plans, period)
    if not plans:
        raise refused("plan-missing", Place(str(store.path)), period=period.key)
    standing = Standing(replace(lab.facts, plans=plans), period, lab.known)
    before = earned_by_payee(standing.run)
    tried: dict[str, int] = dict.fromkeys(MOVES, 0)
    found: list[_Candidate] = []
    for move in _Catalogue(lab, plans, standing.run, largest).moves():
        tried[move.kind] += 1
        progress(move.kind)
        scenario = _scenario(f"{move.kind}-{tried[move.kind]}", period, move.patch)
        after = predicted(lab, standing, scenario, before)
        for currency, gain in _gains(move, before, after).items():
            if gain > 0:
                found.append((gain, currency, move, scenario))
    found.sort(key=lambda one: (-one[0], one[2].kind, one[2].coalition))
    exploits = [_settled(lab, standing.run, before, *one) for one in _apart(found)[:most]]
    return Attack(period, lab.known, tried, tuple(exploits))


def _scenario(name: str, period: Period, patch: dict[str, Any]) -> Scenario:
    said = {"scenario": name, "from": str(period.span.start), **patch}
    text = yaml.safe_dump(said, allow_unicode=True, sort_keys=False, width=100)
    return read_scenario(text, f"{name}.yaml")


def predicted(lab: Lab, standing: Standing, scenario: Scenario, before: Earned) -> Earned:
    """Return what everybody would earn, settled for those whom the scenario concerns."""
    with lab.patched(scenario) as patched:
        if patched.charges:
            return earned_by_payee(lab.settle(patched.facts))
        added = patched.facts.book[len(lab.facts.book) :]
        change = standing.with_more(book=added)
        after = change.earned()
    if change.payees is None:
        return after
    return {owner: a for owner, a in before.items() if owner[0] not in change.payees} | after


def _gains(move: Move, before: Earned, after: Earned) -> dict[str, Decimal]:
    """Return what the coalition earns more, less what it pays, by currency."""
    mine = [owner for owner in {*before, *after} if owner[0] in move.coalition]
    more = [(c, after.get((p, c), _NOTHING) - before.get((p, c), _NOTHING)) for p, c in mine]
    return {currency: earned - move.cost for currency, earned in sums_of(more).items()}


def _apart(found: Iterable[_Candidate]) -> list[_Candidate]:
    """Return the first candidate of each kind and payee."""
    best: dict[tuple[str, str], _Candidate] = {}
    for one in found:
        best.setdefault((one[2].kind, one[2].coalition[0]), one)
    return list(best.values())


# --- settled anew -----------------------------------------------------------------------------


def _settled(
    lab: Lab,
    before: Run,
    was: Earned,
    predicted: Decimal,
    currency: str,
    move: Move,
    scenario: Scenario,
) -> Exploit:
    """Return a move settled anew. Raises Refused where it gains something else than predicted."""
    with lab.patched(scenario) as patched:
        run = lab.settle(patched.facts)
    now = earned_by_payee(run)
    gain = _gains(move, was, now).get(currency, _NOTHING)
    if gain != predicted:
        values = {"predicted": str(predicted), "settled": str(gain)}
        raise refused("attack-differs", Place(scenario.written.name), **values)
    vendor = sum((a for (_, c), a in now.items() if c == currency), _NOTHING)
    vendor -= sum((a for (_, c), a in was.items() if c == currency), move.cost)
    plan_id, component, by_component = _blamed(move, currency, before, run)
    flat = _flat_rate(lab, before, plan_id, component)
    left = None if flat is None else _left(lab, move, currency, plan_id, component, flat)
    return Exploit(
        move,
        scenario,
        currency,
        gain,
        vendor,
        vendor - gain,
        plan_id,
        component,
        by_component,
        flat,
        left,
    )


def _blamed(move: Move, currency: str, before: Run, after: Run) -> tuple[str, str, Decimal]:
    """Return the component by which the coalition gains most, and how much by it."""
    more: dict[tuple[str, str], Decimal] = defaultdict(Decimal)
    for sign, run in ((-1, before), (1, after)):
        for row in component_earned(run):
            if row["payee"] in move.coalition and row["currency"] == currency:
                more[row["plan_id"], row["component"]] += sign * row["earned"]
    (plan_id, component), gain = max(more.items(), key=lambda one: (one[1], one[0]))
    return plan_id, component, gain


def _component(lab: Lab, plan_id: str, component: str) -> tuple[Plan, Component]:
    plan = next(plan for plan in lab.facts.plans if plan.id == plan_id)
    return plan, next(c for c in plan.components if c.rule_id == component)


def _flat_rate(lab: Lab, before: Run, plan_id: str, component: str) -> Decimal | None:
    """Return the one rate at which a component would cost what it does, of all it measures."""
    plan, c = _component(lab, plan_id, component)
    bands = [band for band in plan.bands if band.table_id == c.table_id]
    if any(band.column_no or band.rate is None for band in bands) or c.pays_on != "amount":
        return None
    rows = [
        row
        for row in component_earned(before)
        if (row["plan_id"], row["component"]) == (plan_id, component)
    ]
    measured = sum((row["measured"] or _NOTHING for row in rows), _NOTHING)
    earned = sum((row["earned"] for row in rows), _NOTHING)
    return (earned / measured).quantize(_RATE) if measured > 0 else None


def _left(
    lab: Lab, move: Move, currency: str, plan_id: str, component: str, flat: Decimal
) -> Decimal | None:
    """Return what a move would still gain if a component paid one rate for all sizes."""
    _, c = _component(lab, plan_id, component)
    bands = [f"pays {flat.scaleb(2):f} %"]
    change = {"plans": [{"plan": plan_id, "set": {f"tables.{c.table_id}.bands": bands}}]}
    earned = []
    for patch in (change, {**change, **move.patch}):
        try:
            with lab.patched(_scenario("flat", lab.period, patch)) as patched:
                earned.append(earned_by_payee(lab.settle(patched.facts)))
        except Refused:
            return None
    return _gains(move, *earned).get(currency, _NOTHING)


# --- the catalogue ----------------------------------------------------------------------------


class _Catalogue:
    """The moves that are there for a period's payees."""

    def __init__(self, lab: Lab, plans: Sequence[Plan], run: Run, largest: int):
        self.plans = plans
        book, day = lab.chooser.book, lab.period.last_day
        self.labels = book.labels(day)
        self.held: dict[str, dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
        """Role, holder and the customers on the period's last day."""
        for link in book.of("links"):
            if link.of_kind == "customer" and link.valid_from <= day < link.valid_to:
                self.held[link.role][link.party].add(link.subject)
        self.lab, self.run = lab, run
        self.partners = self._largest("partner", run, largest)
        self.reps = self._largest("rep", run, largest)

    def moves(self) -> Iterator[Move]:
        """Yield the moves that are tried."""
        roles = {c.role for plan in self.plans for c in plan.components}
        if "partner" in roles:
            yield from self._associate()
            yield from self._pool()
            yield from self._shift()
            yield from self._stuff()
        yield from self._relabel()

    def _largest(self, role: str, run: Run, most: int) -> list[str]:
        """Return so many largest holders of a role by what they are credited."""
        credited: dict[str, Decimal] = dict.fromkeys(self.held[role], _NOTHING)
        for row in run.engine.table("statements").to_pylist():
            if row["role"] == role and row["payee"] in credited:
                credited[row["payee"]] += row["credited"]
        ranked = sorted(credited, key=lambda party: (-credited[party], party))
        return ranked[:most]

    def _associate(self) -> Iterator[Move]:
        """Yield each rep's customers without a partner, under each of the partners."""
        owned = {k for customers in self.held["partner"].values() for k in customers}
        for rep in self.reps:
            free = sorted(self.held["rep"][rep] - owned)
            for partner in self.partners if free else ():
                move = {"role": "partner", "holder": NOBODY, "to": partner, "parties": free}
                yield Move("associate", (partner, rep), "rep", {"moves": [move]})

    def _pool(self) -> Iterator[Move]:
        """Yield each partner's business under each other one."""
        for one in self.partners:
            for other in self.partners:
                if one != other:
                    move = {"role": "partner", "holder": other, "to": one}
                    yield Move("pool", (one, other), "partner", {"moves": [move]})

    def _relabel(self) -> Iterator[Move]:
        """Yield other values of the labels that plans read, for a partner and its customers."""
        trees = {one.tree for plan in self.plans for one in plan.conditions}
        names = sorted(labels_read(trees))
        for name in names:
            label = name.removeprefix("payee.").removeprefix("closing.")
            if "." in label or label in ("party", "consented"):
                continue
            values = sorted({own[label] for own in self.labels.values() if label in own})
            for partner in self.partners:
                mine = [partner] if name.startswith("payee.") else self.held["partner"][partner]
                for value in values[:_MOST_VALUES]:
                    changed = sorted(p for p in mine if self.labels.get(p, {}).get(label) != value)
                    if changed:
                        patch = {"label": label, "value": value, "parties": changed}
                        yield Move("relabel", (partner,), "label", {"labels": [patch]})

    def _shift(self) -> Iterator[Move]:
        """Yield each month of the period booked in the one before or after it, for a partner.

        Only inside the period: what leaves it is not gone, and is counted in the next.
        """
        months = self.lab.period.months
        if not any(MONTHS_OF[c.per] < len(months) for c in self._of_partners()):
            return
        for partner in self.partners:
            customers = {"parties": sorted(self.held["partner"][partner])}
            for month, steps in _steps(months):
                patch = {"in": month, "months": steps, "customers": customers}
                yield Move("shift", (partner,), "partner", {"shifts": [patch]})

    def _stuff(self) -> Iterator[Move]:
        """Yield what a partner's customers lack to its next tier, bought in the last month."""
        last = parse_period(self.lab.period.months[-1])
        spending, lines = self._spending(last), component_earned(self.run)
        for partner in self.partners:
            customers = sorted(self.held["partner"][partner])
            spent = sum((spending.get(one, _NOTHING) for one in customers), _NOTHING)
            for lack in self._lacks(partner, lines) if spent > 0 else ():
                part = (lack / spent).quantize(_STEP, ROUND_UP)
                more = {"by": f"+{part.scaleb(2):f} %", "customers": {"parties": customers}}
                patch = {"usage": [{**more, "from": str(last.span.start)}]}
                yield Move("stuff", (partner,), "partner", patch, part * spent)

    def _of_partners(self) -> list[Component]:
        return [c for plan in self.plans for c in plan.components if c.role == "partner"]

    def _spending(self, month: Period) -> dict[str, Decimal]:
        """Return what is charged to customers; nothing where plans count in different costs."""
        try:
            return self.lab.spend(month)
        except Refused:
            return {}

    def _lacks(self, partner: str, lines: Rows) -> list[Decimal]:
        """Return what a partner's last line of each component lacks to the next tier of it."""
        rows = [row for row in lines if row["payee"] == partner]
        last = {(row["plan_id"], row["component"]): row for row in _by_period(rows)}
        found = set()
        for (plan_id, component), row in last.items():
            plan, c = _component(self.lab, plan_id, component)
            bands = [b for b in plan.bands if b.table_id == c.table_id and not b.ratio]
            measured = row["measured"] or _NOTHING
            lacks = [b.lower - measured for b in bands if b.lower is not None]
            found |= set(sorted(lack for lack in lacks if lack > 0)[:1])
        return sorted(found)


def _by_period(rows: Rows) -> Rows:
    return sorted(rows, key=lambda row: str(row["period"]))


def _steps(months: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Yield each of some months with a step to one beside it."""
    for number, month in enumerate(months):
        if number:
            yield month, "-1"
        if number + 1 < len(months):
            yield month, "+1"
