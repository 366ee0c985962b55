"""Proofs of plans that are chosen for where they bend, attacked at just those points.

That a false proof is found does not rest on chance here: each plan has a sentence by which the
prover could be wrong, and the engine pays business at, beside and half of its thresholds.
"""

from __future__ import annotations

import random
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import yaml

from fenrun.plan.check.examples import Counterexample
from fenrun.plan.check.limits import limits
from fenrun.plan.check.payoff import Payoff, payoffs
from fenrun.plan.check.proving import verdicts
from fenrun.plan.check.transfer import transfers
from fenrun.plan.read import PlanFile, read_plan
from tests.properties.attacks import Settled, Trial, directed, relabelled, replayed

PLANS = yaml.load((Path(__file__).parent / "attacked.yaml").read_text("utf-8"), yaml.BaseLoader)
SEEN: Counter[str] = Counter()
_HEAD: dict[str, Any] = {
    "plan": "attacked",
    "title": "Attacked",
    "source": "test",
    "published": "2023-12-01",
    "effective": {"from": "2024-01-01", "to": "2025-01-01"},
    "currency": "CNY",
    "timezone": "UTC",
    "basis": "billed",
}
_ALL = [{"id": "all", "mode": "double", "roles": ["partner", "rep"]}]


def _table(kind: str = "all units", **parts: Any) -> list[dict[str, Any]]:
    return [{"from": "2024-01-01", "source": "test", "kind": kind, **parts}]


def _plan(said: dict[str, Any]) -> PlanFile:
    parts = {key: said[key] for key in ("bands", "columns") if key in said}
    tables = {"t": _table(said.get("kind", "all units"), **parts)}
    tables["factor"] = _table(bands=["below 80 % pays 50 %", "from 80 % pays 110 %"])
    tables["flat"] = _table(bands=["pays 10 %"])
    tables["slices"] = _table("marginal", bands=["below 300 pays 20 %", "from 300 pays 0 %"])
    one = {"id": "one", "pays": "partner", "per": "month", "on": "amount", "by": "amount"}
    components = [*said.get("before", []), one | {"table": "t"} | said.get("with", {})]
    components += said.get("beside", [])
    items: list[Any] = components
    if "group" in said:
        kind = next(key for key in said["group"] if key in ("sum", "max", "first match"))
        items = [said["group"] | {kind: components}]
    text = _HEAD | {"tables": tables, "earn": {"sum": items}, "exclude": said.get("exclude", [])}
    text["credit"] = {"first match": said.get("credit", _ALL)}
    return read_plan(yaml.dump(text, sort_keys=False, Dumper=yaml.CSafeDumper), "attacked.yaml")


def _asked(file: PlanFile) -> tuple[list[Trial], list[tuple[Payoff, Counterexample]]]:
    """The attacks on all that is proven of the component `one`, and its counterexamples."""
    found: list[Trial] = []
    examples: list[tuple[Payoff, Counterexample]] = []
    component = next(c for c in file.plan.components if c.rule_id == "one")
    for payoff in payoffs(file.plan):
        if payoff.component is not component:
            continue
        for verdict in verdicts(payoff, limits(file.plan, component)):
            SEEN[f"{verdict.what} {verdict.proven}"] += 1
            if verdict.proven:
                found += directed(payoff, verdict.what)
            elif verdict.world:
                examples.append((payoff, verdict.world))
        for transfer in transfers(file.plan, component):
            SEEN[f"transfer {transfer.proven}"] += 1
            for label in _labels(transfer.name) if transfer.proven else ():
                found += relabelled(payoff, label)
    return found, examples


def _labels(name: str) -> tuple[str, ...]:
    """The labels of which a proof speaks: its own, or every one."""
    return (name.removeprefix("payee."),) if name else ("class", "region", "level")


@pytest.mark.in_turn(5)
@pytest.mark.parametrize("said", PLANS, ids=lambda said: said["name"])
def test_what_is_proven_is_what_is_paid_where_it_bends(said: dict[str, Any]) -> None:
    file = _plan(said)
    trials, examples = _asked(file)
    SEEN["plans"] += 1
    SEEN["trials"] += len(trials)
    for trial, gain, _ in Settled(file, trials).gains("all" in said) if trials else ():
        steps = len({(i.unit, i.period) for i in (*trial.before, *trial.after)}) * 2
        most = 0 if trial.otherwise is not None else steps * trial.payoff.rounding.step
        world = (trial.before, trial.after, trial.facts, trial.labels, trial.otherwise)
        assert gain <= most, (world, float(gain))
    for (_, example), own in zip(examples, replayed(file, examples, random.Random(1)), strict=True):
        assert own, f"no business of the example counts: {example}"
        assert {gain for _, gain in own} == {example.more}
