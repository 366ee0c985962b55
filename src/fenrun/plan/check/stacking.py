"""Stacking: do all incentives on one unit together pay more than what the unit loses going round?

Goods that are sold and come back sell nothing, and lose a part of their price. Whoever is paid
more for them than that can be paid for nothing. What is counted are incentives by amounts alone;
of a plan with others nothing is proven, but what these pay is enough to refute it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction

from fenrun.base.words import Message
from fenrun.plan.check.limits import limits
from fenrun.plan.check.payoff import NO_PAST, Payoff, payoffs
from fenrun.plan.rows import Component, Plan

_FAR = 10
"""How many times the last bound is as far as is looked."""
_NOTHING = Fraction(0)
_Plain = Mapping[str, Sequence[Payoff]]
"""The payoffs of components that pay by an amount alone, by component."""


@dataclass(frozen=True)
class Stacking:
    """A verdict on all incentives of a plan together."""

    proven: bool | None
    """True: they never pay what is lost. False: see the example. None: not known."""
    loss: Fraction
    """The part of the price that is lost."""
    rate: Fraction | None = None
    """What they pay of one unit at most, where that is known of all."""
    components: tuple[str, ...] = ()
    """Those that the example is about."""
    before: Fraction = _NOTHING
    """What is sold in the example without going round, by one payee of each role."""
    more: Fraction = _NOTHING
    """What goes round."""
    earned: Fraction = _NOTHING
    """What is earned more by that, rounded as the plan rounds."""
    why: Message | None = None
    """Why it is not known."""

    @property
    def lost(self) -> Fraction:
        """The loss of the goods of the example."""
        return self.loss * self.more


def stacking(plan: Plan, loss: Fraction) -> Stacking:
    """Return whether goods that go round, and lose a part of their price, can pay.

    What is proven is proven of what is earned before it is rounded.
    """
    every = [p for p in payoffs(plan) if p.columns[p.column]]
    plain = {
        c.rule_id: [p for p in every if p.component is c]
        for c in plan.components
        if _is_plain(plan, c)
    }
    example = max(_examples(plan, plain, loss), key=lambda e: e.earned - e.lost, default=None)
    if example and example.earned > example.lost:
        return example
    beyond = next((c.rule_id for c in plan.components if c.rule_id not in plain), "")
    if beyond or plan.roll_ups:
        name = beyond or plan.roll_ups[0].rule_id
        return Stacking(None, loss, why=Message("unexamined-stacking", {"name": name}))
    steps = [name for name, some in plain.items() if any(_steepest(p) is None for p in some)]
    if steps:
        return Stacking(None, loss, why=Message("unexamined-steps", {"name": steps[0]}))
    rate = sum((max(map(_slope, some), default=_NOTHING) for some in plain.values()), _NOTHING)
    why = Message("unexamined-stacked") if rate > loss else None
    return Stacking(True if why is None else None, loss, rate, why=why)


def _is_plain(plan: Plan, c: Component) -> bool:
    """Return whether a component pays by an amount alone."""
    gates = [gate for gate in plan.gates if gate.component == c.rule_id]
    is_of_amounts = c.reads_by == c.pays_on == c.counts == "amount" and not c.times_table
    return is_of_amounts and not gates and not c.baseline_rule and "split" not in limits(plan, c)


def _slope(payoff: Payoff) -> Fraction:
    return _steepest(payoff) or _NOTHING


def _steepest(payoff: Payoff) -> Fraction | None:
    """Return the most that a payoff rises by, of each unit; None where it rises by a step.

    Caps and ends only lower it; a rate that is none of units is a step.
    """
    tiers, c = payoff.columns[payoff.column], payoff.component
    rates = [tier.rate for tier in tiers]
    is_sliced = all(tier.kind == "marginal" for tier in tiers)
    if is_sliced and len(payoff.columns) > 1:
        return None  # what is sold in one column moves the slices of the others
    is_even = is_sliced or len(tiers) == 1
    begins = tiers[0].lower in (None, 0)
    if not is_even or any(tier.flat for tier in tiers) or c.floor is not None:
        return None
    if c.minimum is not None or tiers[0].kind == "interpolated":
        return None
    if not begins and tiers[0].kind == "all units":
        return None
    return max(rates) * Fraction(c.portion) / c.portion_per


def _examples(plan: Plan, plain: _Plain, loss: Fraction) -> Iterator[Stacking]:
    """Yield what all components that can be paid for the same unit would pay of goods."""
    days = sorted({p.start for some in plain.values() for p in some})
    for names in _together(plan, plain):
        for day in days:
            columns = {
                n: [p for p in plain[n] if p.periods and p.start <= day < p.end] for n in names
            }
            yield from _on_a_day({n: some for n, some in columns.items() if some}, loss)


def _on_a_day(columns: _Plain, loss: Fraction) -> Iterator[Stacking]:
    """Yield what components would pay of goods under the tables of a day."""
    bounds = sorted({bound for some in columns.values() for p in some for bound in p.bounds})
    far = bounds[-1] * _FAR if bounds else Fraction(1000)
    pairs = [(_NOTHING, amount) for amount in (*bounds, far)]
    pairs += [(bound - 1, Fraction(1)) for bound in bounds if bound > 1]
    for before, more in pairs:
        parts = {n: max(_more(p, before, more) for p in some) for n, some in columns.items()}
        paying = tuple(name for name, part in parts.items() if part)
        yield Stacking(False, loss, None, paying, before, more, sum(parts.values(), _NOTHING))


def _more(payoff: Payoff, before: Fraction, more: Fraction) -> Fraction:
    """Return what is paid more where so much goes round beside what is sold."""
    was = _pay_of(payoff, before) if before else _NOTHING
    return _pay_of(payoff, before + more) - was


def _pay_of(payoff: Payoff, amount: Fraction) -> Fraction:
    return payoff.rounding(payoff.pay(payoff.only(amount), NO_PAST, {}))


def _together(plan: Plan, plain: _Plain) -> Iterator[list[str]]:
    """Yield the components that surely count the same unit: of one role, or of roles credited both.

    Of those with conditions of their own at most one is taken.
    """
    roles_of: dict[str, set[str]] = {}
    for role in plan.credit_roles:
        roles_of.setdefault(role.rule_id, set()).add(role.role)
    modes = {clause.rule_id: clause.mode for clause in plan.credit_clauses}
    together = [roles for rule, roles in roles_of.items() if modes.get(rule) == "double"]
    together += [{role} for role in sorted(set().union(*roles_of.values()))]
    asking = {x.component for x in plan.exclusions}
    asking |= {c.rule_id for c in plan.components if c.measure_rule or c.payee_rule}
    asking |= {name for name, some in plain.items() if any(len(p.columns) > 1 for p in some)}
    for roles in together:
        mine = [c.rule_id for c in plan.components if c.role in roles and plain.get(c.rule_id)]
        free = [name for name in mine if name not in asking]
        yield from ([*free, name] for name in mine if name in asking)
        yield free
