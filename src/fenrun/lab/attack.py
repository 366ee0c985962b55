"""Attacks on a plan: which moves of the catalogue would pay somebody more, with nothing sold.

A move is a scenario, so whoever doubts it settles it again with `fenrun whatif`. Candidates are
asked of the settled period, as far as a move concerns them; the best are settled anew, whole, and
must gain to the cent what was predicted. Only moves of the catalogue (`moves`) are covered.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import yaml

from fenrun.base.money import sums_of
from fenrun.base.problem import Place, Refused, refused
from fenrun.base.when import Period
from fenrun.lab.answers import component_earned
from fenrun.lab.fixes import Fix, proposed_fixes, ranked
from fenrun.lab.moves import ASSUMED, MOVES, Assumed, Catalogue, Move
from fenrun.lab.patched import Lab
from fenrun.lab.scenario import Scenario, read_scenario
from fenrun.settle.facts import in_force
from fenrun.settle.standing import Earned, Standing, earned_by_payee
from fenrun.statement.run import Run
from fenrun.store.facts import Store

_NOTHING = Decimal(0)


@dataclass(frozen=True)
class Tried:
    """A move with its scenarios: of the period, and perhaps of those that follow."""

    move: Move
    scenario: Scenario
    later: Scenario | None

    @property
    def scenarios(self) -> list[tuple[int, Scenario]]:
        """The scenarios, each with the number of periods for which it holds."""
        found = [(1, self.scenario)]
        if self.later and self.move.later:
            found.append((self.move.later[0], self.later))
        return found


_Candidate = tuple[Decimal, str, Tried]
"""What a move gains by prediction, in which currency."""


@dataclass(frozen=True)
class Exploit:
    """A move that gains, settled anew."""

    tried: Tried
    currency: str
    gain: Decimal
    """What the coalition earns more, less what it pays for it."""
    vendor: Decimal
    """What all payees earn more, less what the vendor gets for it: what it costs the vendor."""
    others: Decimal
    """What all others get more: below zero, it is taken from them."""
    plan_id: str
    component: str
    """The component by which the coalition gains most."""
    by_component: Decimal
    """What it gains by that."""
    fixes: tuple[Fix, ...]
    """Changes of the plan that take gain away, first who takes most for what it changes of others;
    the rest behind them."""

    @property
    def move(self) -> Move:
        """The move that was tried."""
        return self.tried.move

    @property
    def scenario(self) -> Scenario:
        """The period under it."""
        return self.tried.scenario


@dataclass(frozen=True)
class Attack:
    """The moves tried on a period, and those that gain, the most first."""

    period: Period
    known: datetime
    assumed: Assumed
    """What moves cost that no table says."""
    tried: dict[str, int]
    """How many moves of each kind."""
    exploits: tuple[Exploit, ...]
    is_bounded: bool = True
    """False where no bound on dealings is known: partners are paid by no one curve of amounts."""


def attack(
    store: Store | Path | str,
    period: Period,
    known: datetime | None = None,
    most: int = 3,
    largest: int = 4,
    progress: Callable[[str], None] = lambda name: None,
    kinds: Sequence[str] = tuple(MOVES),
    assumed: Assumed = ASSUMED,
) -> Attack:
    """Return what the moves of the catalogue would gain in a period, with nothing sold.

    At most so many exploits, each of another coalition and kind. Moves of some `kinds` are tried
    with so many of the `largest` partners and reps. Raises Refused where a move settles to
    something else than was predicted: that is a fault of fenrun.
    """
    store = store if isinstance(store, Store) else Store(Path(store))
    lab = Lab(store, period, known)
    plans = in_force(lab.facts.plans, period)
    if not plans:
        raise refused("plan-missing", Place(str(store.path)), period=period.key)
    standing = Standing(replace(lab.facts, plans=plans), period, lab.known)
    before = earned_by_payee(standing.run)
    counts: dict[str, int] = dict.fromkeys(kinds, 0)
    found: list[_Candidate] = []
    catalogue = Catalogue(lab, plans, standing.run, largest, assumed)
    for move in catalogue.moves(kinds):
        counts[move.kind] += 1
        progress(move.kind)
        tried = _tried(f"{move.kind}-{counts[move.kind]}", period, move)
        for currency, gain in _foretold(lab, standing, tried, before).items():
            if gain > 0:
                found.append((gain, currency, tried))
    found.sort(key=lambda one: (-one[0], one[2].move.kind, one[2].move.coalition))
    exploits = [_settled(lab, standing.run, before, *one) for one in _apart(found)[:most]]
    is_bounded = "deal" not in kinds or catalogue.curve is not None
    return Attack(period, lab.known, assumed, counts, tuple(exploits), is_bounded)


def _tried(name: str, period: Period, move: Move) -> Tried:
    later = move.later and _scenario(f"{name}-later", period, move.later[1])
    return Tried(move, _scenario(name, period, move.patch), later or None)


def _scenario(name: str, period: Period, patch: Mapping[str, Any]) -> Scenario:
    said = {"scenario": name, "from": str(period.span.start), **patch}
    text = yaml.safe_dump(said, allow_unicode=True, sort_keys=False, width=100)
    return read_scenario(text, f"{name}.yaml")


def _foretold(lab: Lab, standing: Standing, tried: Tried, before: Earned) -> dict[str, Decimal]:
    """Return what a coalition gains by prediction; of customers who share an account nothing."""
    try:
        parts = [(n, predicted(lab, standing, one, before)) for n, one in tried.scenarios]
    except Refused as refusal:
        if {problem.code for problem in refusal.problems} != {"scenario-shared"}:
            raise
        return {}
    return _gains(tried.move, before, parts)


def predicted(lab: Lab, standing: Standing, scenario: Scenario, before: Earned) -> Earned:
    """Return what everybody would earn, settled for those whom the scenario concerns."""
    with lab.patched(scenario) as patched:
        if patched.charges or patched.agreements:
            return earned_by_payee(lab.settle(patched.facts))
        added = patched.facts.book[len(lab.facts.book) :]
        change = standing.with_more(book=added)
        after = change.earned()
    if change.payees is None:
        return after
    return {owner: a for owner, a in before.items() if owner[0] not in change.payees} | after


def _gains(move: Move, before: Earned, parts: Iterable[tuple[int, Earned]]) -> dict[str, Decimal]:
    """Return what the coalition earns more in so many periods, less what it pays, by currency."""
    more = [
        (currency, times * (after.get((party, currency), _NOTHING) - was))
        for times, after in parts
        for party, currency in {*before, *after}
        if party in move.coalition
        for was in [before.get((party, currency), _NOTHING)]
    ]
    return {currency: earned - move.cost for currency, earned in sums_of(more).items()}


def _apart(found: Iterable[_Candidate]) -> list[_Candidate]:
    """Return the first candidate of each kind and payee."""
    best: dict[tuple[str, str], _Candidate] = {}
    for one in found:
        best.setdefault((one[2].move.kind, one[2].move.coalition[0]), one)
    return list(best.values())


# --- settled anew -----------------------------------------------------------------------------


def _settled(
    lab: Lab, before: Run, was: Earned, predicted: Decimal, currency: str, tried: Tried
) -> Exploit:
    """Return a move settled anew. Raises Refused where it gains something else than predicted."""
    move, runs = tried.move, [(n, _run(lab, scenario)) for n, scenario in tried.scenarios]
    now = [(times, earned_by_payee(run)) for times, run in runs]
    gain = _gains(move, was, now).get(currency, _NOTHING)
    if gain != predicted:
        values = {"predicted": str(predicted), "settled": str(gain)}
        raise refused("attack-differs", Place(tried.scenario.written.name), **values)
    everybody = {party for some in (was, *(earned for _, earned in now)) for party, _ in some}
    all_ = _gains(replace(move, coalition=tuple(everybody)), was, now)
    vendor = all_.get(currency, _NOTHING) + move.cost - move.to_vendor
    plan_id, component, by_component = _blamed(move, currency, before, runs)
    fixes = _fixes(lab, tried, before, was, gain, (currency, plan_id, component))
    blamed = (plan_id, component, by_component, tuple(fixes))
    return Exploit(tried, currency, gain, vendor, vendor - gain, *blamed)


def _run(lab: Lab, scenario: Scenario) -> Run:
    with lab.patched(scenario) as patched:
        return lab.settle(patched.facts)


def _blamed(
    move: Move, currency: str, before: Run, runs: Iterable[tuple[int, Run]]
) -> tuple[str, str, Decimal]:
    """Return the component by which the coalition gains most, and how much by it."""
    more: dict[tuple[str, str], Decimal] = defaultdict(Decimal)
    for times, after in runs:
        for sign, run in ((-times, before), (times, after)):
            for row in component_earned(run):
                if row["payee"] in move.coalition and row["currency"] == currency:
                    more[row["plan_id"], row["component"]] += sign * row["earned"]
    (plan_id, component), gain = max(more.items(), key=lambda one: (one[1], one[0]))
    return plan_id, component, gain


def _fixes(
    lab: Lab, tried: Tried, before: Run, was: Earned, gain: Decimal, blamed: tuple[str, str, str]
) -> list[Fix]:
    """Return what changes of the plan would take of the gain, the best first."""
    currency, plan_id, component = blamed
    found = []
    for one in proposed_fixes(lab, before, plan_id, component):
        settled = _under(lab, tried, plan_id, one.change)
        if settled is None:
            continue
        honest, parts = settled
        left = _gains(tried.move, honest, parts).get(currency, _NOTHING)
        changed = sum(
            (
                abs(honest.get(who, _NOTHING) - was.get(who, _NOTHING))
                for who in {*honest, *was}
                if who[1] == currency
            ),
            _NOTHING,
        )
        found.append(Fix(one.kind, one.says, one.change, gain - max(left, _NOTHING), left, changed))
    return ranked(found)


def _under(
    lab: Lab, tried: Tried, plan_id: str, change: Mapping[str, Any]
) -> tuple[Earned, list[tuple[int, Earned]]] | None:
    """Return what all earn under a changed plan, alone and with a move.

    None where the plan cannot take the change.
    """
    fixed = {"plans": [{"plan": plan_id, "set": dict(change)}]}
    move = tried.move
    patches = [(1, move.patch), *([move.later] if move.later else [])]

    def earned(patch: Mapping[str, Any]) -> Earned:
        return earned_by_payee(_run(lab, _scenario("fix", lab.period, {**fixed, **patch})))

    try:
        return earned({}), [(times, earned(patch)) for times, patch in patches]
    except Refused:
        return None
