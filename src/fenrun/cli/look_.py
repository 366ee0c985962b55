"""fenrun look"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import click

from fenrun.base.money import plain, show
from fenrun.base.words import say
from fenrun.book.write import in_one_line
from fenrun.charges.preview import Account
from fenrun.charges.source import Said
from fenrun.cli.output import (
    as_json,
    distinct_names,
    exit_code,
    labelled,
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
from fenrun.settle.imports import content_of, files_in
from fenrun.settle.previews import (
    Found,
    accounts_of,
    billed_in_all,
    preview,
    similar_accounts,
    write_first_book,
)

_MOST_SHOWN = 20
_MOST_NAMED = 5


@click.command(name="look")
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "--make-book",
    type=click.Path(path_type=Path),
    help="Write a book to start from, with a customer for each account (.yaml or .xlsx).",
)
@said_options
@as_json
def command(
    files: tuple[Path, ...],
    make_book: Path | None,
    fills: tuple[tuple[str, str], ...],
    columns: tuple[tuple[str, str], ...],
    encoding: str,
    zone: str,
    json_: bool,
) -> None:
    """Show what FILES, or folders of them, hold, before there is any workspace.

    Of charges: issuers, accounts, months, currencies, totals, columns, and what is odd about them.
    Nothing is imported or written, but the book that is asked for.
    """
    said = Said(dict(fills), encoding, dict(columns), zone=zone)
    listed = [files_in(path) for path in files]
    paths = [file for taken, _ in listed for file in taken]
    size = sum(path.stat().st_size for path in paths if path.exists())
    moment = now()
    with progress("import", size) as step:
        found = [preview(path, step, moment, replace(said, called=str(path))) for path in paths]
    accounts = accounts_of(found)
    problems = [problem for _, passed in listed for problem in passed]
    problems += similar_accounts(accounts)
    if json_:
        problems += [problem for one in found for problem in one.problems]
        print_json({"files": [one.as_json() for one in found], **problems_as_json(problems)})
    else:
        called = distinct_names({path: str(path) for path in paths})
        for path, one in zip(paths, found):
            problems += of_file(one.problems, path, called[path])
        found = [replace(one, file=called[path]) for path, one in zip(paths, found)]
        _show_files(found)
        _show_accounts(accounts)
        _show_columns(found)
        print_problems(problems)
    if make_book:
        write_first_book(make_book, accounts, language())
        click.echo(say("wrote", language(), path=make_book), err=json_)
        for line in _sub_accounts(accounts):
            click.echo(line, err=json_)
    exit_code(problems)


def _sub_accounts(accounts: Sequence[Account]) -> list[str]:
    """Say of each account with several sub-accounts how they get customers of their own.

    A reseller has one account for all its customers: the book made from it has one customer.
    """
    found: dict[tuple[str, str], set[str]] = {}
    for one in accounts:
        found.setdefault((one.issuer, one.account), set()).update(one.sub_accounts)
    lines = []
    for (issuer, account), subs in found.items():
        if len(subs) > 1:
            link = {"of": "sub-account", "issuer": issuer, "subject": min(subs)}
            link |= {"role": "customer", "party": say("customer", language()).upper()}
            words = {"account": account, "count": len(subs), "link": in_one_line(link)}
            lines.append(say("book-sub-accounts", language(), **words))
    return lines


def _show_files(found: Sequence[Found]) -> None:
    lang = language()
    columns = [(say("file", lang), False), (say("content", lang), False), ("", False)]
    rows = []
    for one in found:
        content = content_of(one.facts, lang) if one.facts.get("rows", True) else ""
        rows.append([one.file, content, one.charges.format if one.charges else ""])
    print_table("", columns, rows)


def _show_accounts(accounts: Sequence[Account]) -> None:
    """Show the months of accounts that bill most, in order, and what is billed in all."""
    if not accounts:
        return
    lang = language()
    texts = ("issuer", "account-id", "account-name", "billing-month", "currency")
    numbers = ("sub-accounts", "count", "billed")
    columns = [(say(key, lang), key in numbers) for key in (*texts, *numbers)]
    largest = sorted(accounts, key=lambda one: -abs(one.billed))[:_MOST_SHOWN]
    rows = [
        [
            one.issuer,
            one.account,
            one.name,
            one.month,
            one.currency,
            f"{len(one.sub_accounts):,}" if one.sub_accounts else "",
            f"{one.charges:,}",
            show(one.billed),
        ]
        for one in sorted(largest, key=lambda one: (one.issuer, one.account, one.month))
    ]
    click.echo()
    print_table("", columns, rows)
    if len(accounts) > len(rows):
        click.echo(f"... +{len(accounts) - len(rows)}")
    billed = "  ".join(f"{plain(sum_)} {name}" for name, sum_ in billed_in_all(accounts).items())
    click.echo(labelled("billed", billed, lang))
    for key, names in (
        ("issuers", {one.issuer for one in accounts}),
        ("months", {one.month for one in accounts}),
    ):
        click.echo(labelled(key, ", ".join(sorted(names)), lang))


def _show_columns(found: Sequence[Found]) -> None:
    """Show how many columns files of charges have, and which are not those of FOCUS.

    Files of one source have the same: they are said together.
    """
    lang = language()
    alike: dict[tuple[int, str, str], list[str]] = {}
    for one in found:
        if one.charges:
            said = one.charges
            names = (", ".join(said.unknown_columns), ", ".join(said.missing_columns))
            alike.setdefault((len(said.columns), *names), []).append(one.file)
    for (count, unknown, missing), files in alike.items():
        more = f" ... +{len(files) - _MOST_NAMED}" if len(files) > _MOST_NAMED else ""
        click.echo()
        click.echo(say("columns-of", lang, file=", ".join(files[:_MOST_NAMED]) + more, count=count))
        for key, listed in (("columns-unknown", unknown), ("columns-missing", missing)):
            if listed:
                click.echo("  " + labelled(key, listed, lang))
