"""fenrun import"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import click

from fenrun.base.problem import Problem, Refused
from fenrun.base.words import say
from fenrun.cli.output import (
    MomentType,
    actor,
    as_json,
    distinct_names,
    exit_code,
    language,
    now,
    of_file,
    print_json,
    print_problems,
    print_table,
    problems_as_json,
    progress,
    said_options,
)
from fenrun.settle.deliveries import undecided_of
from fenrun.settle.facts import mistyped_roles_of
from fenrun.settle.imports import Wanted, content_of, files_in, import_files
from fenrun.settle.manifests import RunFiles, parts_of
from fenrun.settle.objects import Fetched, fetch_new, is_remote, public, remember
from fenrun.settle.passed_over import note_passed_over
from fenrun.settle.unlinked import unlinked_of
from fenrun.store.facts import Imported, Store
from fenrun.whatif.cases import refuse_failing_cases


@click.command(name="import")
@click.argument("workspace", type=click.Path(path_type=Path))
@click.argument("files", nargs=-1, required=True)
@click.option("--known", type=MomentType(), help="From when these facts are known (UTC); else now.")
@click.option(
    "--replaces",
    multiple=True,
    help="File name or id of an earlier import that these charges replace, as corrections do.",
)
@click.option(
    "--adds",
    multiple=True,
    help="File name or id of an earlier import that holds some of these charges, and both count.",
)
@said_options
@click.option(
    "--even-if-cases-fail", is_flag=True, help="Import a plan though its own cases do not hold."
)
@click.option("--reason", default="", help="Why, for the log.")
@as_json
def command(
    workspace: Path,
    files: tuple[str, ...],
    known: datetime | None,
    replaces: tuple[str, ...],
    adds: tuple[str, ...],
    fills: tuple[tuple[str, str], ...],
    columns: tuple[tuple[str, str], ...],
    encoding: str,
    zone: str,
    even_if_cases_fail: bool,
    reason: str,
    json_: bool,
) -> None:
    """Import FILES, or folders of them, into WORKSPACE, which is made if it is not there.

    FILES may be addresses too: s3://bucket/prefix, gs://, abfs://, https://; only what is new there
    is fetched. Credentials come from the environment.

    Whether a file holds FOCUS charges, a book or a plan is seen from its content. The same content
    twice changes nothing. A file that cannot be read is refused whole; the others are imported. Of
    a folder each file that is passed over is named.

    Charges that an earlier import holds too are an error until one replaces the other or both are
    meant (fenrun resolve).
    """
    at = now()
    store = Store(workspace, actor(), at, reason, now)
    moment = known or store.moment(at)
    done: list[Imported] = []
    names: list[str] = []
    local = [Path(name) for name in files if not is_remote(name)]
    found = [files_in(path) for path in local]
    problems: list[Problem] = [problem for _, passed in found for problem in passed]
    problems += [] if known else store.clock_problems(at)
    check = (lambda file: None) if even_if_cases_fail else refuse_failing_cases
    with TemporaryDirectory(prefix="fenrun-") as scratch:
        is_said = bool(fills or columns or encoding or zone)
        fetched = _fetched(store, files, Path(scratch), is_said)
        objects, problems = fetched.objects, [*problems, *fetched.parts.problems]
        paths = [one.path for one in objects] + [file for taken, _ in found for file in taken]
        addresses = {one.path: one.url for one in objects}
        called = {path: str(path) for path in paths}
        called |= {path: public(url) for path, url in addresses.items()}
        parts = {file: part for path in local for file, part in parts_of(path, paths).of.items()}
        wanted = Wanted(
            *(replaces, adds, dict(fills), addresses, called),
            parts=parts | fetched.parts.of,
            encoding=encoding,
            columns=dict(columns),
            zone=zone,
            check_plan=check,
        )
        size = sum(path.stat().st_size for path in paths if path.exists())
        apart = {} if json_ else distinct_names(called)
        with progress("import", size) as step:
            outcomes = import_files(store, paths, moment, step, wanted)
            for number, (path, outcome) in enumerate(zip(paths, outcomes)):
                name = apart.get(path, path.name)
                problems += of_file(_untold(outcome, done), path, name)
                if isinstance(outcome, Imported):
                    done.append(outcome)
                    names.append(name if outcome.source == path.name else outcome.source)
                    remember(store, objects[number : number + 1])
    for folder, (_, passed) in zip(local, found):
        note_passed_over(store, folder.name, passed, at)
    problems += undecided_of(store, moment, done) + unlinked_of(store, moment, done)
    problems += mistyped_roles_of(store, moment, done)
    _report(done, names, problems, json_)
    exit_code(problems)


def _report(
    done: Sequence[Imported], names: Sequence[str], problems: Sequence[Problem], json_: bool
) -> None:
    """Show what was imported, each file by its name here, and the problems."""
    if json_:
        listed = [{"file": one.source, "id": one.id, "new": one.new, **one.facts} for one in done]
        print_json({"imported": listed, **problems_as_json(problems)})
    else:
        _print(done, names)
        print_problems(problems)


def _fetched(store: Store, names: Sequence[str], into: Path, is_all: bool) -> Fetched:
    """Fetch what is new, or all, at the addresses among the names; say how much is not."""
    whole = Fetched([], 0, RunFiles())
    for number, url in enumerate(name for name in names if is_remote(name)):
        one = fetch_new(store, url, into / str(number), is_all)
        whole += one
        if one.known:
            said = say("objects-known", language(), count=one.known, url=public(url))
            click.echo(said, err=True)
    return whole


def _untold(outcome: Imported | Refused, done: Sequence[Imported]) -> Sequence[Problem]:
    """Return an outcome's problems; none of a file whose content came before in this command."""
    told = isinstance(outcome, Imported) and outcome.id in {one.id for one in done}
    return () if told else tuple(outcome.problems)


def _print(done: Sequence[Imported], names: Sequence[str]) -> None:
    """Show what was imported, each file by its name here."""
    if not done:
        return
    lang = language()
    columns = [
        (say("file", lang), False),
        (say("content", lang), False),
        (say("billed", lang), True),
        ("", False),
    ]
    rows = [
        [name, content_of(one.facts, lang), _billed(one.facts), _outcome(one, lang)]
        for name, one in zip(names, done)
    ]
    print_table("", columns, rows)


def _billed(facts: dict[str, Any]) -> str:
    totals = facts.get("billed", {})
    return "  ".join(f"{amount} {currency}" for currency, amount in totals.items())


def _outcome(one: Imported, lang: str) -> str:
    outcome = say("imported" if one.new else "already", lang)
    if one.facts.get("quarantined"):
        outcome += say("list-comma", lang)
        outcome += say("quarantined", lang, count=one.facts["quarantined"])
    return outcome
