"""Plans: checking a text before it is saved, and saving it as the plan."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from fenrun.base.money import plain
from fenrun.base.problem import Place, Problem, Refused, refused
from fenrun.plan.check.findings import examine
from fenrun.plan.diff import Change, diff
from fenrun.plan.read import PlanFile, read_plan
from fenrun.plan.rows import Plan
from fenrun.portal import models
from fenrun.portal.commands.imports import enter_text
from fenrun.portal.commands.periods import read_asked
from fenrun.portal.commands.reasons import stated
from fenrun.portal.events import record_event
from fenrun.portal.request_queue import outside_queue
from fenrun.portal.workers import Worker
from fenrun.settle.facts import knowledge_time, plans_as_of
from fenrun.store.facts import Store
from fenrun.whatif.cases import refuse_failing_cases, run_cases
from fenrun.whatif.compare import compare_plans

_FILE = "plan.yaml"
worker = Worker(longest=60)
"""The process of the prover: it serves one thread, and lets nothing of it be freed by another."""


@dataclass
class Checked:
    """The checker's answer to a plan's text."""

    problems: list[Problem] = field(default_factory=list)
    cases: tuple[int, int] | None = None
    """How many of the plan's cases come out as it says, and how many there are."""
    changes: list[Change] | None = None
    """By clause, to the plan known under its id; None: there is none."""
    period: str = ""
    """The period of `payees`."""
    payees: list[dict[str, Any]] | None = None
    """Whose pay differs: payee, role, one (before), other (after), more; exact text."""


def current_plans(store: Store) -> dict[str, PlanFile]:
    """Return the plans as they are known now, by id."""
    return {file.plan.id: file for file in plans_as_of(store, knowledge_time(store, None))}


def plans_in_force(store: Store, shown: models.Period) -> list[PlanFile]:
    """Return the plans as they were known to a period that is shown."""
    return plans_as_of(store, shown.known.replace(tzinfo=None))


def check(store: Store, text: str, period: str) -> Checked:
    """Check a plan's text, and in a period whose pay it changes. Nothing is kept.

    What is wrong with the text or the period is in the answer, not raised.
    """
    checked = Checked()
    with outside_queue():
        try:
            _check(store, text, period, checked)
        except Refused as refused:
            checked.problems += refused.problems
    return checked


def _check(store: Store, text: str, period: str, checked: Checked) -> None:
    file = read_plan(text, _FILE)
    problems = _examined(file.plan)
    outcomes, wrong = run_cases(file)
    checked.problems = [*problems, *wrong]
    checked.cases = (sum(outcome.ok for outcome in outcomes), len(outcomes))
    compared = read_asked(period) if period else None
    before = current_plans(store).get(file.plan.id)
    if not before:
        return
    checked.changes = diff(before.plan, file.plan)
    if compared and checked.changes:
        rows = compare_plans(store, (before.plan, file.plan), compared)
        checked.period = period
        checked.payees = [_pay_of(row) for row in rows]


def _examined(plan: Plan) -> list[Problem]:
    """Return what the prover finds. Raises Refused where it takes too long, or its process ends."""
    try:
        found, _ = worker.do(examine, plan, _FILE)
    except TimeoutError as error:
        raise refused("plan-check-slow", Place(_FILE), seconds=worker.longest) from error
    return list(found)


def _pay_of(row: dict[str, Any]) -> dict[str, Any]:
    return {
        "payee": row["payee"],
        "role": row["role"],
        "currency": row["currency"],
        "one": plain(row["one"]),
        "other": plain(row["other"]),
        "more": plain(row["other"] - row["one"]),
    }


def save(store: Store, text: str, reason: str) -> PlanFile:
    """Save a text as the plan, known from now on. What is closed stays as it was closed.

    Raises Refused for what is no plan, or no reason, and where the plan's own cases fail.
    """
    reason = stated(reason, Place("plan"))
    file = read_plan(text, _FILE)
    with outside_queue():
        refuse_failing_cases(file)
        enter_text(store, f"{file.plan.id}.yaml", text, reason)
    record_event(store.actor, "change plan", file.plan.id, reason=reason)
    return file
