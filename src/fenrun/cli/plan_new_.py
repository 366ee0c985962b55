"""Command of plans: fenrun plan new."""

from __future__ import annotations

import sys
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import click

from fenrun.base.money import is_rate, parse_amount, parse_rate
from fenrun.base.problem import Place, refused
from fenrun.base.words import Unreadable, say
from fenrun.cli.output import language, now, print_text
from fenrun.plan.first import KINDS, NEEDS_SECOND, NEEDS_THRESHOLD, PERIODS, Answers, first_plan
from fenrun.plan.phrases import read_currency, read_id, read_zone
from fenrun.plan.read import read_plan

_Read = Callable[[str], Any]


@click.command(name="new")
@click.option("--kind", type=click.Choice(KINDS), help="What is paid.")
@click.option("--title", help="What people call the programme.")
@click.option("--currency", help="The currency, as in CNY.")
@click.option("--timezone", help="The time zone of its days, as in Asia/Shanghai.")
@click.option("--year", type=click.IntRange(2000, 2100), help="The year for which it holds.")
@click.option("--per", type=click.Choice(PERIODS), help="How often it is counted.")
@click.option("--role", help="Who is credited and paid, as in partner.")
@click.option("--rate", help="The rate, as in 5 %; of customers the amount for each, as in 250.")
@click.option("--threshold", help="The amount from which the higher rate holds, or the target.")
@click.option("--above", help="The rate from the threshold on.")
@click.option(
    "--out",
    type=click.Path(path_type=Path, dir_okay=False),
    help="File to write; else standard output.",
)
def command(out: Path | None, **given: Any) -> None:
    """Write a first plan from a few answers, with cases, to go on from.

    What no option says is asked on a terminal, and else as the question proposes. The plan has no
    problem that `fenrun plan check` finds, and its cases come out.
    """
    if out is not None and out.exists():
        raise refused("target-exists", Place(str(out)), path=out)
    lang = language()
    text = first_plan(_answers(given), lang)
    read_plan(text, out.name if out else "plan.yaml")
    if out is None:
        print_text(text)
        return
    out.write_text(text, "utf-8")
    click.echo(say("first-written", lang, path=out), err=True)


def _answers(given: dict[str, Any]) -> Answers:
    """Return what the options say, and the answers to what they leave open."""
    kind = _asked(given, "kind", "rate", str)
    is_counted = kind == "customers"
    title, currency = say("first-title", language()), "CNY"
    rate = ("250", parse_amount) if is_counted else ("5 %", parse_rate)
    bound, above = Decimal(0), Decimal(0)
    answers = {
        "title": _asked(given, "title", title, str.strip),
        "currency": _asked(given, "currency", currency, read_currency),
        "timezone": _asked(given, "timezone", "Asia/Shanghai", read_zone),
        "year": int(_asked(given, "year", str(now().year), str)),
        "per": _asked(given, "per", "month", str),
        "role": _asked(given, "role", "partner", read_id),
        "rate": _asked(given, "rate", *rate),
    }
    if kind in NEEDS_THRESHOLD:
        bound = _asked(given, "threshold", "100000", _amount)
    if kind in NEEDS_SECOND:
        above = _asked(given, "above", "8 %", parse_rate)
    return Answers(kind=kind, threshold=bound, above=above, **answers)


def _amount(text: str) -> Decimal:
    """Read a threshold: an amount above 0."""
    value = parse_amount(text)
    if is_rate(text) or value <= 0:
        raise Unreadable("not-a-threshold", text=text)
    return value


def _asked(given: dict[str, Any], key: str, proposed: str, read: _Read) -> Any:
    """Return the answer to a question: an option's, that of whoever sits there, or the proposed.

    Raises click.UsageError where an option cannot be read; a person is asked again.
    """
    choices = {"kind": KINDS, "per": PERIODS}.get(key)
    if given[key] is None and not sys.stdin.isatty():
        return read(proposed)
    if given[key] is None:
        kind = click.Choice(choices) if choices else None
        return click.prompt(
            say(f"first-ask-{key}", language()),
            default=proposed,
            type=kind,
            value_proc=None if choices else _Answer(read),
            err=True,
        )
    try:
        return read(str(given[key]))
    except Unreadable as error:
        raise click.UsageError(f"--{key}: {error.message.words(language())}") from error


class _Answer:
    """Reads an answer, and says why it cannot be read, so that it is asked again."""

    def __init__(self, read: _Read):
        self.read = read

    def __call__(self, text: str) -> Any:
        try:
            return self.read(text)
        except Unreadable as error:
            raise click.UsageError(error.message.words(language())) from error
