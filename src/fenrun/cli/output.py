"""What the commands share: printing tables, problems and JSON, and progress on a terminal."""

from __future__ import annotations

import getpass
import json
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click
from rich import box
from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from fenrun.base.problem import ERROR, WARNING, Problem, has_errors, in_order
from fenrun.base.when import Period, parse_moment, parse_period
from fenrun.base.words import say
from fenrun.store.facts import Store

_COLOURS = {ERROR: "bold red", WARNING: "yellow"}


def language() -> str:
    """The language of this run."""
    context = click.get_current_context(silent=True)
    return context.find_root().obj or "en" if context else "en"


def console(err: bool = False) -> Console:
    """A console as wide as the terminal; wide enough for tables where output is piped."""
    stream = sys.stderr if err else sys.stdout
    return Console(
        stderr=err, width=None if stream.isatty() else 160, highlight=False, soft_wrap=False
    )


def actor() -> str:
    """Who is doing this, for the log: FENRUN_ACTOR, else the name of the login."""
    try:
        return (
            (os.environ.get("FENRUN_ACTOR") or getpass.getuser())
            .encode("utf-8", "replace")
            .decode()
        )
    except (KeyError, OSError):
        return "unknown"


def now() -> datetime:
    """The moment at which something becomes known, where nobody says otherwise."""
    return datetime.now(UTC).replace(tzinfo=None, microsecond=0)


def print_json(value: Any) -> None:
    """JSON on standard output."""
    click.echo(json.dumps(value, ensure_ascii=False, indent=2, default=str))


def print_table(
    title: str, columns: Sequence[tuple[str, bool]], rows: Iterable[Sequence[str]]
) -> None:
    """A table; the flag of a column says whether it holds numbers."""
    if title:
        console().print(Text(title, "bold"))
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for name, number in columns:
        table.add_column(
            Text(name), justify="right" if number else "left", no_wrap=number, overflow="fold"
        )
    for row in rows:
        table.add_row(*(Text(str(cell)) for cell in row))
    console().print(table)


def print_problems(problems: Iterable[Problem], most: int = 50) -> None:
    """Problems on standard error: where, what, why, how to mend."""
    lang, out, listed = language(), console(err=True), in_order(problems)
    for p in listed[:most]:
        head = Text()
        head.append(f"{p.place} ", "bold")
        head.append(say(f"severity-{p.severity}", lang), _COLOURS.get(p.severity, "cyan"))
        head.append(f" {p.code}: {p.words('what', lang)}")
        if p.rows > 1:
            head.append(f" ({say('more-rows', lang, count=p.rows - 1)})", "dim")
        out.print(head)
        for place in p.also:
            out.print(Text(f"    {say('also', lang)}: {place}"))
        out.print(Text(f"    {say('why', lang)}: {p.words('why', lang)}", "dim"))
        out.print(Text(f"    {say('fix', lang)}: {p.words('fix', lang)}", "dim"))
    if len(listed) > most:
        out.print(Text(f"... +{len(listed) - most}"))


def fail(problems: Sequence[Problem]) -> int:
    """Say what was refused; as JSON too where that was asked for. Returns the exit code 1."""
    if "--json" in sys.argv:
        print_json({"problems": [p.as_json(language()) for p in problems]})
    print_problems(problems)
    return 1


def exit_code(problems: Iterable[Problem]) -> None:
    """End with 1 where any problem is an error."""
    if has_errors(problems):
        raise click.exceptions.Exit(1)


class PeriodType(click.ParamType):
    """A month, quarter or year."""

    name = "PERIOD"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> Period:
        try:
            return value if isinstance(value, Period) else parse_period(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)


class MomentType(click.ParamType):
    """A moment in UTC."""

    name = "MOMENT"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> datetime:
        try:
            return value if isinstance(value, datetime) else parse_moment(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)


class WorkspaceType(click.ParamType):
    """A workspace that is there."""

    name = "WORKSPACE"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> Store:
        if isinstance(value, Store):
            return value
        store = Store.open(Path(value))
        store.actor, store.now = actor(), now()
        return store


WORKSPACE = WorkspaceType()
as_json = click.option("--json", "json_", is_flag=True, help="Print JSON.")
period_option = click.option(
    "--period", type=PeriodType(), required=True, help="2024-09, 2024-Q3 or 2024."
)
known_option = click.option(
    "--known",
    type=MomentType(),
    help="Only what was known by then (UTC); else all that the workspace knows.",
)


@contextmanager
def progress(label: str, total: int | None = None) -> Iterator[Callable[[Any], None]]:
    """A progress bar on a terminal, nothing elsewhere. Call it with a number to advance, or a text to show."""
    if not sys.stderr.isatty():
        yield lambda step: None
        return
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f}%"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=console(err=True), transient=True) as bar:
        task = bar.add_task(label, total=total)

        def step(what: Any) -> None:
            if isinstance(what, str):
                bar.update(task, description=f"{label}: {what}")
            else:
                bar.advance(task, what)

        yield step
