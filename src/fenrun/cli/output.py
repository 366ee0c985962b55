"""Shared work of the commands: types of words, printing of tables, problems and JSON, progress."""

from __future__ import annotations

import getpass
import json
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import click
from rich.console import RenderableType
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.text import Text

from fenrun.base import words
from fenrun.base.money import parse_rate
from fenrun.base.problem import ERROR, NOTE, WARNING, Problem, has_errors, in_order
from fenrun.base.screen import Screen, text_table
from fenrun.base.when import Period, is_zone, parse_day, parse_moment, parse_period
from fenrun.base.words import UNSEEN, Unreadable, say, visible
from fenrun.charges.encodings import is_encoding
from fenrun.store.facts import Store

_LOCALES = ("FENRUN_LANG", "LC_ALL", "LANG")
_COLOURS = {ERROR: "bold red", WARNING: "yellow"}


def language() -> str:
    """Return the language of this run: that of `--lang`, else of FENRUN_LANG or the locale."""
    context = click.get_current_context(silent=True)
    asked = context.find_root().obj if context else None
    return asked or words.language(next(filter(None, map(os.environ.get, _LOCALES)), None))


def console(err: bool = False) -> Screen:
    """Return a console as wide as the terminal; if output is piped, as COLUMNS says, else 160."""
    stream = sys.stderr if err else sys.stdout
    piped_width = int(os.environ.get("COLUMNS", "0") or "0") or 160
    return Screen(
        stderr=err, width=None if stream.isatty() else piped_width, highlight=False, soft_wrap=False
    )


def actor() -> str:
    """Return the name of whoever runs this, for the log: FENRUN_ACTOR, else that of the login."""
    try:
        name = os.environ.get("FENRUN_ACTOR") or getpass.getuser()
    except (KeyError, OSError):
        return "unknown"
    return name.encode("utf-8", "replace").decode()


def now() -> datetime:
    """Return the moment (UTC) at which something becomes known, where nobody says otherwise."""
    return datetime.now(UTC).replace(tzinfo=None, microsecond=0)


def print_json(value: Any) -> None:
    """Print JSON on standard output, with escapes for characters that would command a terminal.

    And for all that are not ASCII, where the stream writes no Unicode.
    """
    is_unicode = (sys.stdout.encoding or "").lower().startswith("utf")
    text = json.dumps(value, ensure_ascii=not is_unicode, indent=2, default=str)
    click.echo(UNSEEN.sub(lambda found: f"\\u{ord(found.group()):04x}", text))


def print_text(text: str) -> None:
    """Print the text of a file on standard output: as it is, but for what commands a terminal."""
    click.echo(visible(text) if sys.stdout.isatty() else text, nl=False)


def print_blocks(blocks: Iterable[RenderableType]) -> None:
    """Print lines and tables, one below the other."""
    out = console()
    for block in blocks:
        out.print(block)


def print_table(
    title: str, columns: Sequence[tuple[str, bool]], rows: Iterable[Sequence[str]]
) -> None:
    """Print a table; the flag of a column says whether it holds numbers."""
    if title:
        console().print(Text(title, "bold"))
    console().print(text_table(columns, rows))


def distinct_names(addresses: Mapping[Path, str]) -> dict[Path, str]:
    """Return what each file is called on the screen, given where it is from.

    That is its name, and where others have that too, with as many folders before it as tell them
    apart (`2024-09/part-1.csv`).
    """
    alike: dict[str, dict[Path, tuple[str, ...]]] = {}
    for path, address in addresses.items():
        alike.setdefault(path.name, {})[path] = Path(address).parts
    called: dict[Path, str] = {}
    for group in alike.values():
        for depth in range(1, max(map(len, group.values())) + 1):
            names = {path: "/".join(parts[-depth:]) for path, parts in group.items()}
            if len(set(names.values())) == len(group):
                break
        called |= names if len(group) > 1 else {path: path.name for path in group}
    return called


def of_file(problems: Iterable[Problem], path: Path, called: str) -> list[Problem]:
    """Return a file's problems, those that name it by its name alone with what it is called."""
    return [
        replace(one, place=replace(one.place, source=called))
        if one.place.source == path.name
        else one
        for one in problems
    ]


def labelled(key: str, value: str, lang: str) -> str:
    """Return a value after its label, as in `Why: ...`."""
    return say("labelled", lang, label=say(key, lang), value=value)


def print_problems(problems: Iterable[Problem], most: int = 50) -> None:
    """Print problems on standard error: where, what, why, and how to fix it.

    What files have in common is said of the first; that the others have it too stands at the end.
    """
    lang, out = language(), console(err=True)
    listed, again = _without_repeats(in_order(problems), lang)
    for problem in listed[:most]:
        out.print(_headline(problem, lang))
        for place in problem.also:
            out.print(Text(f"    {labelled('also', str(place), lang)}"))
        for part in ("why", "fix"):
            out.print(Text(f"    {labelled(part, problem.words(part, lang), lang)}", "dim"))
    for code, sources in _by_code([*listed[most:], *again], listed[:most]).items():
        named = ", ".join(dict.fromkeys(filter(None, sources)))
        out.print(Text(f"... +{len(sources)} {code} {named}".rstrip()))


def _without_repeats(problems: Iterable[Problem], lang: str) -> tuple[list[Problem], list[Problem]]:
    """Return the problems to be told, and those that say again what one of these says.

    Those are notes of rows with the same code, column and advice; and notes of headers and warnings
    with the same words.
    """
    seen: set[tuple[str, ...]] = set()
    told: list[Problem] = []
    again: list[Problem] = []
    for problem in problems:
        key = _shared(problem, lang) if not problem.also else ()
        (again if key and key in seen else told).append(problem)
        seen.add(key)
    return told, again


def _shared(problem: Problem, lang: str) -> tuple[str, ...]:
    """Return what a problem has in common with those that it speaks for; nothing: it is alone."""
    place, is_note = problem.place, problem.severity == NOTE
    said = (problem.code, place.column, problem.words("fix", lang))
    if is_note and place.row > 1:
        return said
    is_of_file = problem.severity == WARNING or (is_note and place.row == 1)
    return (*said, problem.words("what", lang)) if is_of_file else ()


def _by_code(problems: Iterable[Problem], told: Iterable[Problem]) -> dict[str, list[str]]:
    """Return by code where problems are: what is not printed whole is named all the same.

    That is the file, or the column where the file is told of already.
    """
    there = {(problem.code, problem.place.source) for problem in told}
    found: dict[str, list[str]] = {}
    for problem in problems:
        place = problem.place
        is_named = (problem.code, place.source) in there
        found.setdefault(problem.code, []).append((is_named and place.column) or place.source)
    return found


def _headline(problem: Problem, lang: str) -> Text:
    severity = say(f"severity-{problem.severity}", lang)
    line = Text()
    line.append(f"{problem.place} ", "bold")
    line.append(severity, _COLOURS.get(problem.severity, "cyan"))
    line.append(f" {problem.code}: {problem.words('what', lang)}")
    if problem.rows > 1:
        more = say("more-rows", lang, count=problem.rows - 1)
        line.append(say("bracketed", lang, words=more), "dim")
    return line


def problems_as_json(problems: Sequence[Problem]) -> dict[str, Any]:
    """Return the keys that every command's JSON has for its problems: the list and its length."""
    return {
        "problem_count": len(problems),
        "problems": [problem.as_json(language()) for problem in problems],
    }


def fail(problems: Sequence[Problem]) -> int:
    """Say what was refused; as JSON too where that was asked for. Return the exit code 1."""
    if "--json" in sys.argv:
        print_json(problems_as_json(problems))
    print_problems(problems)
    return 1


def exit_code(problems: Iterable[Problem]) -> None:
    """End with 1 where any problem is an error."""
    if has_errors(problems):
        raise click.exceptions.Exit(1)


class PeriodType(click.ParamType[Period]):
    """A month, quarter or year."""

    name = "PERIOD"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> Period:
        try:
            return value if isinstance(value, Period) else parse_period(value)
        except Unreadable as error:
            self.fail(error.message.words(language()), param, ctx)


class MomentType(click.ParamType[datetime]):
    """A moment in UTC."""

    name = "MOMENT"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> datetime:
        try:
            return value if isinstance(value, datetime) else parse_moment(value)
        except Unreadable as error:
            self.fail(error.message.words(language()), param, ctx)


class DayType(click.ParamType[date]):
    """A day."""

    name = "DAY"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> date:
        try:
            return value if isinstance(value, date) else parse_day(value)
        except Unreadable as error:
            self.fail(error.message.words(language()), param, ctx)


class RateType(click.ParamType[Decimal]):
    """A rate: 10 %, or 0.1."""

    name = "RATE"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> Decimal:
        try:
            return value if isinstance(value, Decimal) else parse_rate(value)
        except Unreadable as error:
            self.fail(error.message.words(language()), param, ctx)


class EncodingType(click.ParamType[str]):
    """An encoding of texts, by any of its names."""

    name = "ENCODING"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        if not value or is_encoding(value):
            return str(value)
        self.fail(say("no-encoding", language(), value=value), param, ctx)


class ZoneType(click.ParamType[str]):
    """The name of a time zone."""

    name = "ZONE"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        if not value or is_zone(value):
            return str(value)
        self.fail(say("no-zone", language(), value=value), param, ctx)


class WorkspaceType(click.ParamType[Store]):
    """A workspace that is there."""

    name = "WORKSPACE"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> Store:
        if isinstance(value, Store):
            return value
        store = Store.open(Path(value))
        store.actor, store.now, store.clock = actor(), now(), now
        return store


class PairType(click.ParamType[tuple[str, str]]):
    """A column of charges and what is said of it: COLUMN=TEXT."""

    name = "COLUMN=TEXT"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, str]:
        if isinstance(value, tuple):
            return value
        column, _, text = (part.strip() for part in str(value).partition("="))
        if not (column and text):
            option = param.opts[0] if param else ""
            self.fail(say("pair-form", language(), option=option), param, ctx)
        return column, text


def said_options(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the options by which somebody says of charges what their bytes do not."""
    options = (
        click.option(
            "--set",
            "fills",
            type=PairType(),
            multiple=True,
            help="What stands in a column of charges where a file leaves it empty, or lacks it.",
        ),
        click.option(
            "--column",
            "columns",
            type=PairType(),
            multiple=True,
            help="Below which heading a column of FOCUS stands in a file: BilledCost=应付金额.",
        ),
        click.option(
            "--encoding",
            type=EncodingType(),
            default="",
            help="In which encoding texts of charges are (cp949, big5, windows-1252);"
            " else told by bytes.",
        ),
        click.option(
            "--zone",
            type=ZoneType(),
            default="",
            help="In which time zone times of charges are that do not say theirs (Asia/Shanghai);"
            " else UTC.",
        ),
    )
    for option in reversed(options):
        command = option(command)
    return command


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
    """Show a progress bar on a terminal, nothing elsewhere; `label` ends a key `progress-...`.

    Call what it gives with a number to advance, or with a text to show.
    """
    if not sys.stderr.isatty():
        yield lambda step: None
        return
    name = say(f"progress-{label}", language())
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}", markup=False),  # names of files are no markup
        BarColumn(),
        TextColumn("{task.percentage:>3.0f}%"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=console(err=True), transient=True) as bar:
        task = bar.add_task(name, total=total)

        def step(what: Any) -> None:
            if isinstance(what, str):
                bar.update(task, description=f"{name}: {visible(what)}")
            else:
                bar.advance(task, what)

        yield step
