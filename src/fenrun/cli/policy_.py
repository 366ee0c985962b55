"""fenrun policy"""

from __future__ import annotations

from pathlib import Path

import click

from fenrun.base.problem import Problem, Refused
from fenrun.base.words import say
from fenrun.cli.help import Group
from fenrun.cli.output import (
    as_json,
    exit_code,
    language,
    print_json,
    print_problems,
    print_table,
    problems_as_json,
)
from fenrun.terms.policy import Policy, load_policy
from fenrun.terms.policy_words import in_words


@click.group(name="policy", cls=Group)
def command() -> None:
    """Check a policy: who may grant what is out of the ordinary."""


@command.command(name="check")
@click.argument("policies", nargs=-1, required=True, type=click.Path(path_type=Path))
@as_json
def check(policies: tuple[Path, ...], json_: bool) -> None:
    """Read POLICIES and show every problem, with its line, and each step in words.

    The one in force is the one that was imported last.
    """
    found: list[Policy] = []
    problems: list[Problem] = []
    for path in policies:
        try:
            found.append(load_policy(path))
        except Refused as refused:
            problems += refused.problems
    if json_:
        print_json({"policies": [one.text.policy for one in found], **problems_as_json(problems)})
    else:
        for one in found:
            _print(one)
        print_problems(problems)
    exit_code(problems)


def _print(policy: Policy) -> None:
    lang = language()
    keys = ("step", "approvers", "within", "when")
    columns = [(say(f"policy-column-{key}", lang), False) for key in keys]
    steps = in_words(policy.text, lang)
    rows = [[one.title, one.approvers, one.within, one.when] for one in steps]
    title = say("policy-steps", lang, count=len(steps), policy=policy.text.policy)
    print_table(title, columns, rows)
