"""fenrun audit"""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import click

from fenrun.base.ids import short
from fenrun.base.problem import has_errors
from fenrun.base.words import say
from fenrun.cli.help import Group
from fenrun.cli.key_ import key_line
from fenrun.cli.output import (
    WORKSPACE,
    as_json,
    exit_code,
    language,
    print_json,
    print_problems,
    print_table,
    problems_as_json,
    progress,
)
from fenrun.closing.anchors import anchor_closes, broken_anchors
from fenrun.closing.keys import broken_keys, known_keys
from fenrun.closing.recompute import recompute as settled_otherwise
from fenrun.store.audit_log import Event
from fenrun.store.facts import Store

_COLUMNS = (
    ("row", True),
    ("at", False),
    ("actor", False),
    ("act", False),
    ("source", False),
    ("known", False),
    ("reason", False),
    ("hash", False),
)
"""Columns of the log by the key of their title, and whether they hold numbers."""


@click.group(name="audit", cls=Group)
def command() -> None:
    """Show and verify the log of all events."""


@command.command(name="show")
@click.argument("workspace", type=WORKSPACE)
@as_json
def show(workspace: Store, json_: bool) -> None:
    """Show every event that changed WORKSPACE: when, by whom, what, why."""
    events = workspace.log.events()
    if json_:
        print_json([asdict(event) for event in events])
        return
    lang = language()
    columns = [(say(key, lang), is_number) for key, is_number in _COLUMNS]
    print_table("", columns, [_row(event, lang) for event in events])


def _row(event: Event, lang: str) -> list[str]:
    """Return the cells of an event; below its source stands what somebody decided about it."""
    facts = event.facts()
    return [
        str(event.seq),
        event.at,
        event.actor,
        event.in_words(lang),
        _source(event, facts, lang),
        facts["known"],
        event.reason,
        short(event.hash),
    ]


def _source(event: Event, facts: dict[str, Any], lang: str) -> str:
    """Return the source of an event, and what was decided about it with the ids of imports."""
    decided = [
        say(f"decided-{key}", lang, of=", ".join(map(short, facts[key])))
        for key in ("replaces", "adds")
        if facts.get(key)
    ]
    if facts.get("of") in facts.get("replaces", ()):
        decided = [say("decided-void", lang)]
    decided += [say("decided-left-out", lang)] if facts.get("left_out") else []
    said = {column: one["value"] for column, one in facts.get("set", {}).items()}
    decided += [f"{column}={text}" for column, text in (said | facts.get("columns", {})).items()]
    decided += [facts["zone"]] if facts.get("zone") else []
    if not decided:
        return str(facts["source"])
    what = say("list-comma", lang).join(decided)
    label = short(facts.get("of", event.subject))
    return f"{facts['source']}\n{say('labelled', lang, label=label, value=what)}"


@command.command(name="anchor")
@click.argument("workspace", type=WORKSPACE)
@as_json
def anchor(workspace: Store, json_: bool) -> None:
    """Note every close of WORKSPACE at the anchors of its signing.yaml that lack it.

    Each close does so by itself; this is for anchors that could not be written then, or are new.
    """
    problems = anchor_closes(workspace)
    if json_:
        print_json(problems_as_json(problems))
    else:
        print_problems(problems)
    if problems:
        raise click.exceptions.Exit(1)


@command.command(name="verify")
@click.argument("workspace", type=WORKSPACE)
@click.option(
    "--head", default="", help="Hash of a row that was the last one before: it must still be there."
)
@click.option(
    "--recompute", is_flag=True, help="Settle closed periods again, and compare; nothing changes."
)
@click.option(
    "--anchor",
    "anchors",
    multiple=True,
    help="A place outside that keeps heads: file:PATH, git:FOLDER, tsa:FOLDER; may be repeated.",
)
@as_json
def verify(
    workspace: Store, head: str, recompute: bool, anchors: tuple[str, ...], json_: bool
) -> None:
    """Find rows of the log, and stored files, that are not what was written.

    Shown is what was edited, removed, added or re-ordered, and where the log is another than the
    one whose heads were kept outside: at the anchors of signing.yaml, and at each --anchor.
    """
    problems = workspace.broken(head)
    if not has_errors(problems):  # else what the log says of keys says nothing
        problems += broken_keys(workspace) + broken_anchors(workspace, anchors)
        if recompute:
            with progress("recompute") as step:
                problems += settled_otherwise(workspace, step)
    events, keys = workspace.log.events(), known_keys(workspace)
    last = events[-1].hash if events else ""
    if json_:
        key = {"name": keys[-1].name, "fingerprint": keys[-1].fingerprint} if keys else None
        said = {"acts": len(events), "head": last, "key": key}
        print_json({**said, **problems_as_json(problems)})
        exit_code(problems)
        return
    print_problems(problems)
    if not has_errors(problems):
        click.echo(say("log-sound", language(), acts=len(events)))
        click.echo(say("log-head-is", language(), seq=len(events), head=last))
    if keys:
        click.echo(key_line(keys[-1]))
    exit_code(problems)
