"""The steps of a policy as people read them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from fenrun.base.money import show, show_rate
from fenrun.base.words import say
from fenrun.plan.text import Title
from fenrun.terms.policy_text import ROLE, PolicyText, StepText, WhenText


@dataclass(frozen=True)
class StepWords:
    """A step in words of a language."""

    title: str
    approvers: str
    within: str
    when: str


def in_words(policy: PolicyText, lang: str) -> list[StepWords]:
    """Return the steps of a policy in a language."""
    return [
        StepWords(
            step_title(step, lang),
            approver_words(step.approvers, lang),
            within_words(step.within, lang),
            _when(step.when, policy.currency, lang),
        )
        for step in policy.steps
    ]


def step_title(step: StepText, lang: str) -> str:
    """Return what people call a step."""
    return _title(step.title, lang) or step.step


def policy_title(policy: PolicyText, lang: str) -> str:
    """Return what people call a policy; nothing where it does not say."""
    return _title(policy.title, lang)


def _title(title: Title | None, lang: str) -> str:
    if title is None or isinstance(title, str):
        return title or ""
    return title.zh if lang == "zh-CN" else title.en


def approver_words(approvers: Sequence[str], lang: str) -> str:
    """Return who approves: accounts by their names, and operations."""
    said = (say("policy-operations", lang) if one == ROLE else one for one in approvers)
    return say("policy-either", lang).join(said)


def within_words(within: tuple[int, str], lang: str) -> str:
    """Return a time in which a step is to be decided."""
    count, unit = within
    return say("policy-hours" if unit == "hour" else "policy-working-days", lang, n=count)


def took_words(days: int, hours: Decimal, lang: str) -> str:
    """Return how long a step took: working days, and hours in all."""
    worked = say("policy-working-days", lang, n=days)
    return say("policy-took", lang, days=worked, hours=show(hours, 1))


def _when(reasons: Sequence[WhenText] | None, currency: str, lang: str) -> str:
    if reasons is None:
        return say("policy-always", lang)
    said = (_reason(one, currency, lang) for one in reasons)
    return say("policy-or", lang).join(said)


def _reason(one: WhenText, currency: str, lang: str) -> str:
    parts = []
    if one.kinds:
        kinds = [say(f"policy-kind-{kind}", lang) for kind in one.kinds]
        parts.append(say("policy-when-kinds", lang, kinds=say("policy-either", lang).join(kinds)))
    if one.discount is not None:
        parts.append(say("policy-when-discount", lang, rate=show_rate(one.discount)))
    if one.amount is not None:
        amount = show(one.amount)
        parts.append(say("policy-when-amount", lang, amount=amount, currency=currency))
    if one.products:
        products = say("policy-either", lang).join(one.products)
        parts.append(say("policy-when-products", lang, products=products))
    return say("policy-and", lang).join(parts)
