"""The policy: which steps something goes through before it is granted, by whom and by when."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path
from zoneinfo import ZoneInfo

from fenrun.base.money import is_rate, parse_rate
from fenrun.base.problem import Problem, Refused
from fenrun.plan.refusals import content_of, read_keys
from fenrun.plan.source import Source
from fenrun.terms.policy_text import ROLE, DelegationText, PolicyText, StepText, WhenText

_HOUR = Decimal(3600)
_TENTH = Decimal("0.1")


@dataclass(frozen=True)
class Asked:
    """Something that is asked for, as far as a policy reads it."""

    kind: str
    discount: Decimal | None
    """Off the list price; None where it cannot be told."""
    amount: Decimal | None
    """The most under it; None for no limit."""
    currency: str
    product: str
    """ServiceName; empty for all."""


@dataclass(frozen=True)
class Policy:
    """A policy as read from text."""

    text: PolicyText
    content: str
    """The text itself."""

    def steps_for(self, asked: Asked) -> list[StepText]:
        """Return the steps that something goes through, in their order."""
        return [
            step
            for step in self.text.steps
            if step.when is None or any(self._applies(when, asked) for when in step.when)
        ]

    def _applies(self, when: WhenText, asked: Asked) -> bool:
        """Return whether a reason holds; what cannot be told counts as the most."""
        if when.kinds is not None and asked.kind not in when.kinds:
            return False
        if when.discount is not None and (
            asked.kind != "discount"
            or (asked.discount is not None and asked.discount < when.discount)
        ):
            return False
        is_small = asked.amount is not None and asked.currency == self.text.currency
        if when.amount is not None and is_small and (asked.amount or 0) < when.amount:
            return False
        return when.products is None or asked.product in ("", *when.products)

    def due(self, within: tuple[int, str], since: datetime) -> datetime:
        """Return the moment (UTC) by which a step is to be decided that came at another (UTC).

        Working days end at midnight of the policy's time zone.
        """
        count, unit = within
        if unit == "hour":
            return since + timedelta(hours=count)
        zone = ZoneInfo(self.text.timezone)
        day, left = since.astimezone(zone).date(), count
        while left:
            day += timedelta(1)
            left -= self.text.is_worked(day)
        midnight = datetime.combine(day + timedelta(1), time(), zone)
        return midnight.astimezone(UTC)

    def took(self, start: datetime, end: datetime) -> tuple[int, Decimal]:
        """Return the working days and hours from one moment (UTC) to another.

        A day counts once it has begun after the first: what is decided on the same day took none.
        """
        zone = ZoneInfo(self.text.timezone)
        days = self.text.days_worked(start.astimezone(zone).date(), end.astimezone(zone).date())
        hours = Decimal(int((end - start).total_seconds())) / _HOUR
        return days, hours.quantize(_TENTH, ROUND_HALF_UP)

    def deciding(self, approvers: Iterable[str], at: datetime) -> dict[str, str]:
        """Return who may decide for some approvers at a moment (UTC), each with for whom."""
        day = at.astimezone(ZoneInfo(self.text.timezone)).date()
        found = {name: name for name in approvers}
        for one in self.text.delegations:
            if one.approver in found and one.start <= day < one.end:
                found.setdefault(one.substitute, one.approver)
        return found


def discount_of(grants: str) -> Decimal | None:
    """Return the discount of `45 % of list`: 55 %; None for what is no part of the list price."""
    rate, of, basis = grants.partition(" of ")
    if of and basis.strip() == "list" and is_rate(rate):
        return 1 - parse_rate(rate)
    return None


def load_policy(path: Path | str) -> Policy:
    """Read a policy's file. Raises Refused with every problem, sorted by line."""
    path = Path(path)
    return read_policy(content_of(path), path.name)


def read_policy(content: str, name: str) -> Policy:
    """Read a policy's text. Raises Refused with every problem, sorted by line."""
    text, written = read_keys(content, name, "policy", PolicyText)
    problems = [*written.problems, *_wrong(text, written)]
    if problems:
        raise Refused(problems)
    return Policy(text, content)


def _wrong(text: PolicyText, written: Source) -> Iterator[Problem]:
    """Yield what makes a policy let things pass, or hold them for ever."""
    names = [step.step for step in text.steps]
    for number, step in enumerate(text.steps):
        place = written.place(("steps", number, "step"))
        if step.step in names[:number]:
            first = written.place(("steps", names.index(step.step), "step"))
            yield Problem("policy-step-twice", place, {"step": step.step}, (first,))
        for at, when in enumerate(step.when or ()):
            if not when.model_fields_set:
                yield Problem("policy-when-empty", written.place(("steps", number, "when", at)))
    if all(step.when for step in text.steps):
        yield Problem("policy-gap", written.place(("steps",)))
    stuck = _stuck(text.steps)
    if stuck:
        values = {"step": stuck.step, "approvers": ", ".join(stuck.approvers)}
        yield Problem("policy-stuck", written.place(("steps", text.steps.index(stuck))), values)
    approvers = {name for step in text.steps for name in step.approvers}
    for number, one in enumerate(text.delegations):
        place = written.place(("delegations", number))
        if problem := _delegated_in_vain(one, approvers):
            yield Problem(problem, place, {"approver": one.approver, "substitute": one.substitute})


def _delegated_in_vain(one: DelegationText, approvers: set[str]) -> str:
    """Return the code of what is wrong with a delegation; nothing where it is in order."""
    if one.approver not in approvers:
        return "policy-delegation-of-nobody"
    if one.substitute == one.approver or one.end <= one.start:
        return "policy-delegation-empty"
    return ""


def _stuck(steps: Sequence[StepText]) -> StepText | None:
    """Return the first step that has nobody left where each is decided by somebody else."""
    decides: dict[str, int] = {}

    def find(number: int, seen: set[str]) -> bool:
        for name in steps[number].approvers:
            if name in seen:
                continue
            seen.add(name)
            if name not in decides or find(decides[name], seen):
                decides[name] = number
                return True
        return False

    named = [n for n, step in enumerate(steps) if ROLE not in step.approvers]
    return next((steps[n] for n in named if not find(n, set())), None)
