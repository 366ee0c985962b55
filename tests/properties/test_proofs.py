"""What the checker proves of a plan is what the engine pays.

Every proof on random plans is attacked, and every counterexample settled by the engine.
"""

from __future__ import annotations

import os
import random
from collections import Counter
from fractions import Fraction

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fenrun.plan.check.examples import Counterexample
from fenrun.plan.check.limits import limits
from fenrun.plan.check.payoff import Payoff, payoffs
from fenrun.plan.check.proving import verdicts
from fenrun.plan.read import PlanFile
from tests.properties.attacks import Settled, Trial, attack, replayed
from tests.properties.plans import plan

_EXAMPLES = int(os.environ.get("FENRUN_EXAMPLES", "15"))
_ATTACKS = 10
SEEN: Counter[str] = Counter()


def _asked(
    file: PlanFile, chance: random.Random
) -> tuple[list[Trial], list[tuple[Payoff, Counterexample]]]:
    """The attacks on all that is proven of a plan, and the examples of what is refuted."""
    trials, examples = [], []
    for payoff in payoffs(file.plan):
        unexamined = limits(file.plan, payoff.component)
        for verdict in verdicts(payoff, unexamined):
            SEEN[f"{verdict.what} {verdict.proven} {verdict.why.key if verdict.why else ''}"] += 1
            if verdict.proven:
                trials += [attack(payoff, verdict.what, chance) for _ in range(_ATTACKS)]
            elif verdict.world:
                examples.append((payoff, verdict.world))
    return trials, examples


@settings(
    max_examples=max(2, _EXAMPLES // 6),
    suppress_health_check=list(HealthCheck),
)
@given(plan(), st.integers(0, 2**32))
def test_no_proof_is_false_and_every_example_gains_what_it_says(file: PlanFile, seed: int) -> None:
    chance = random.Random(seed)
    trials, examples = _asked(file, chance)
    SEEN["plans"] += 1
    SEEN["trials"] += len(trials)
    for trial, gain, _ in Settled(file, trials).gains() if trials else ():
        steps = len({(i.unit, i.period) for i in (*trial.before, *trial.after)}) * 2
        assert gain <= steps * trial.payoff.rounding.step, _shown(trial, gain)
    for (_, world), own in zip(examples, replayed(file, examples, chance), strict=True):
        SEEN[f"example {'replayed' if own else 'of what nothing counts for'}"] += 1
        SEEN["replays"] += len(own)
        wrong = [_shown(trial, gain) for trial, gain in own if gain != world.more]
        assert not wrong, wrong


def _shown(trial: Trial, gain: Fraction) -> str:
    """Return a trial as words: what earns more than it should, or other than it says."""
    worlds = [
        [(i.unit, i.period, str(i.amount), i.service) for i in world]
        for world in (trial.before, trial.after)
    ]
    facts = {figure: str(value) for figure, value in trial.facts.items()}
    said = trial.claimed.more if trial.claimed else "nothing"
    of = (trial.payoff.component.rule_id, trial.payoff.start, trial.labels, trial.level)
    return f"{of}: {worlds} with {facts}, {trial.baseline} gain {gain}, not {said}"
