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

from fenrun.plan.check.limits import limits
from fenrun.plan.check.payoff import payoffs
from fenrun.plan.check.proving import verdicts
from fenrun.plan.read import PlanFile
from tests.properties.attacks import Settled, Trial, attack, claimed, is_settled
from tests.properties.plans import plan

_EXAMPLES = int(os.environ.get("FENRUN_EXAMPLES", "15"))
_ATTACKS = 10
_CHOICES = 12
SEEN: Counter[str] = Counter()


def _trials(file: PlanFile, chance: random.Random) -> list[Trial]:
    found = []
    for payoff in payoffs(file.plan):
        unexamined = limits(file.plan, payoff.component)
        for verdict in verdicts(payoff, unexamined):
            SEEN[f"{verdict.what} {verdict.proven} {verdict.why.key if verdict.why else ''}"] += 1
            if verdict.proven:
                found += [attack(payoff, verdict.what, chance) for _ in range(_ATTACKS)]
            elif verdict.world:
                found += [claimed(payoff, verdict.world, chance) for _ in range(_CHOICES)]
    return found


@settings(
    max_examples=max(2, _EXAMPLES // 6),
    suppress_health_check=list(HealthCheck),
)
@given(plan(), st.integers(0, 2**32))
def test_no_proof_is_false_and_every_example_is_settled(file: PlanFile, seed: int) -> None:
    chance = random.Random(seed)
    trials = _trials(file, chance)
    SEEN["plans"] += 1
    SEEN["trials"] += len(trials)
    if not trials:
        return
    settled: dict[int, list[tuple[Trial, Fraction, list[Fraction]]]] = {}
    for trial, gain, found in Settled(file, trials).gains():
        steps = len({(i.unit, i.period) for i in (*trial.before, *trial.after)}) * 2
        if trial.claimed is None:
            assert gain <= steps * trial.payoff.rounding.step, _shown(trial, gain)
        else:
            settled.setdefault(id(trial.claimed), []).append((trial, gain, found))
    for answers in settled.values():
        exact = any(gain == trial.claimed.more for trial, gain, _ in answers if trial.claimed)
        SEEN[f"example {'settled' if exact else 'not settled'}"] += 1
        assert is_settled(answers), [_shown(one, gain) for one, gain, _ in answers]


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
