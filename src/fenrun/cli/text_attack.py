"""fenrun attack on a plan's text alone: what the checker proves, and all incentives stacked."""

from __future__ import annotations

from decimal import ROUND_CEILING, ROUND_HALF_UP, Decimal
from fractions import Fraction
from typing import Any

import click

from fenrun.base.money import plain, show_rate
from fenrun.base.words import say
from fenrun.cli.output import exit_code, language, print_json, print_problems, problems_as_json
from fenrun.cli.plan_ import print_proofs, proof_as_json
from fenrun.cli.rows_shown import in_minor_units
from fenrun.plan.check.findings import examine
from fenrun.plan.check.stacking import Stacking, stacking
from fenrun.plan.read import PlanFile

_GAMED = ("splitting-pays", "merging-pays", "timing-pays", "transfer-pays")
"""The findings of the checker that say how more is earned for nothing."""
_RATE, _AMOUNT = Decimal("0.0001"), Decimal("0.000001")


def show_text_attack(file: PlanFile, loss: Fraction, json_: bool) -> None:
    """Print how a plan can be gamed by its text, where goods that go round lose a part."""
    found, proofs = examine(file.plan, file.source)
    gamed = [problem for problem in found if problem.code in _GAMED]
    stacked = stacking(file.plan, loss)
    if json_:
        said = [proof_as_json(file, proof) for proof in proofs]
        of_plan = {"plan": file.plan.id, "proofs": said, "stacking": _as_json(stacked)}
        print_json(of_plan | problems_as_json(gamed))
    else:
        click.echo(say("attack-text", language(), plan=file.plan.id))
        print_proofs(file, proofs)
        click.echo(_in_words(stacked, file.plan.currency))
        print_problems(gamed)
    exit_code(gamed)


def _in_words(stacked: Stacking, currency: str) -> str:
    lang, loss = language(), show_rate(_at_most(stacked.loss))
    if stacked.proven:
        rate = show_rate(_at_most(stacked.rate or Fraction(0)))
        return say("attack-stacked-proven", lang, rate=rate, loss=loss)
    if stacked.why is not None:
        why = say("not-examined", lang, why=stacked.why)
        return say("attack-stacked-unknown", lang, loss=loss, why=why)
    gain = stacked.earned - stacked.lost
    amounts = {name: getattr(stacked, name) for name in ("before", "more", "earned", "lost")}
    amounts["gain"] = gain
    shown = {n: f"{in_minor_units(_decimal(a), currency)} {currency}" for n, a in amounts.items()}
    listed = say("list-comma", lang).join(stacked.components)
    return say("attack-stacked-refuted", lang, components=listed, loss=loss, **shown)


def _as_json(stacked: Stacking) -> dict[str, Any]:
    why = stacked.why
    is_example = stacked.proven is False
    amounts = {name: getattr(stacked, name) for name in ("before", "more", "earned", "lost")}
    return {
        "proven": stacked.proven,
        "loss": plain(_at_most(stacked.loss)),
        "at_most": None if stacked.rate is None else plain(_at_most(stacked.rate)),
        "components": list(stacked.components),
        **{name: plain(_decimal(a)) if is_example else None for name, a in amounts.items()},
        "why": "" if why is None else say("not-examined", language(), why=why),
    }


def _at_most(rate: Fraction) -> Decimal:
    """Return a rate, raised to four decimals."""
    exact = Decimal(rate.numerator) / Decimal(rate.denominator)
    return exact.quantize(_RATE, ROUND_CEILING)


def _decimal(amount: Fraction) -> Decimal:
    """Return an amount of a plan: it has few decimals, but for what nobody writes."""
    exact = Decimal(amount.numerator) / Decimal(amount.denominator)
    return exact.quantize(_AMOUNT, ROUND_HALF_UP).normalize()
