"""Files at a glance before there is a workspace, and a book to start from."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from fenrun.base.likeness import LookAlikes, revealed
from fenrun.base.money import plain
from fenrun.base.problem import Place, Problem, Refused, refused
from fenrun.book.to_xlsx import write_workbook
from fenrun.book.write import write_yaml
from fenrun.charges.datasets import read_dataset
from fenrun.charges.preview import Account, Preview, preview_charges
from fenrun.charges.source import NOTHING_SAID, Said
from fenrun.plan.read import load_plan
from fenrun.settle.imports import LAYOUTS, dataset_of
from fenrun.tables.records import read_tables


@dataclass(frozen=True)
class Found:
    """A file as an import would take it."""

    file: str
    kind: str
    """One of FACTS in the store; empty where the file cannot be read at all."""
    facts: dict[str, Any] = field(default_factory=dict)
    """As `import` tells them."""
    charges: Preview | None = None
    problems: tuple[Problem, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """Return what scripts rely on, the problems excepted; amounts are exact text."""
        said = {"file": self.file, "kind": self.kind, **self.facts}
        if self.charges:
            said |= {
                "format": self.charges.format,
                "columns": list(self.charges.columns),
                "unknown_columns": self.charges.unknown_columns,
                "missing_columns": self.charges.missing_columns,
                "accounts": [_account_as_json(one) for one in self.charges.accounts],
            }
        return said


def _account_as_json(one: Account) -> dict[str, Any]:
    return vars(one) | {"billed": plain(one.billed), "sub_accounts": sorted(one.sub_accounts)}


def preview(
    path: Path,
    progress: Callable[[int], Any] = lambda n: None,
    known: datetime | None = None,
    said: Said = NOTHING_SAID,
) -> Found:
    """Read a file and write nothing. What is wrong with it is among its problems.

    `known` is from when it would be known if it was imported, `said` what is said of charges beyond
    their bytes.
    """
    try:
        kind = dataset_of(path, said.encoding).kind
        if kind == "charges":
            found = preview_charges(path, progress, known, said)
            return Found(path.name, kind, _facts(found), found, found.problems)
        if kind in LAYOUTS:
            tables, problems = read_tables(path, LAYOUTS[kind])
            facts = {name: len(rows) for name, rows in tables.items() if rows}
            return Found(path.name, kind, facts, problems=tuple(problems))
        if kind == "datasets":
            return Found(path.name, kind, read_dataset(path)[1])
        return Found(path.name, kind, {"plan": load_plan(path).plan.id})
    except Refused as refusal:
        return Found(path.name, "", problems=tuple(refusal.problems))


def _facts(found: Preview) -> dict[str, Any]:
    return {"version": found.version, "rows": found.rows, **found.totals}


def accounts_of(found: Iterable[Found]) -> list[Account]:
    """Return the accounts of all files, those of one account, month and currency as one row."""
    joined: dict[tuple[str, ...], Account] = {}
    for one in (account for file in found if file.charges for account in file.charges.accounts):
        key = (one.issuer, one.account, one.month, one.currency)
        joined[key] = _sum(joined[key], one) if key in joined else one
    return [joined[key] for key in sorted(joined)]


def _sum(one: Account, other: Account) -> Account:
    return Account(
        one.issuer,
        one.account,
        one.name or other.name,
        one.month,
        one.currency,
        one.charges + other.charges,
        one.billed + other.billed,
        one.sub_accounts | other.sub_accounts,
    )


def similar_accounts(accounts: Sequence[Account]) -> list[Problem]:
    """Return the accounts that look like another one of theirs: each pair once."""
    names = sorted({(one.issuer, one.account) for one in accounts})
    others, problems = LookAlikes(names), []
    for name in names:
        nearest = others.nearest(name)
        if nearest and nearest[0] < name:
            (issuer, account), differs = nearest
            said = {"account": revealed(name[1]), "issuer": revealed(name[0])}
            said |= {"other": revealed(account), "other_issuer": revealed(issuer)}
            place = Place(name[0], 0, name[1])
            problems.append(Problem("accounts-similar", place, said | {"differs": differs}))
    return problems


def book_to_start_from(accounts: Sequence[Account]) -> dict[str, list[dict[str, str]]]:
    """Return a book in which each account has a customer of its own: rows by table, as in files.

    A customer is called by its account's id, and where two issuers have that, by the issuer's too.
    """
    names: dict[tuple[str, str], str] = {}
    for one in accounts:
        names.setdefault((one.issuer, one.account), one.name or one.account)
    ids = Counter(account for _, account in names)
    parties, links = [], []
    for (issuer, account), name in names.items():
        party = account if ids[account] == 1 else f"{issuer} {account}"
        parties.append({"party": party, "kind": "customer", "name": name})
        link = {"of": "account", "issuer": issuer, "subject": account}
        links.append({**link, "role": "customer", "party": party})
    return {"parties": parties, "links": links}


def write_first_book(path: Path, accounts: Sequence[Account], lang: str) -> None:
    """Write a book to start from to a new file. Raises Refused where there is no account."""
    if path.exists():
        raise refused("target-exists", Place(str(path)), path=path)
    if not accounts:
        raise refused("look-no-accounts", Place(path.name))
    book = book_to_start_from(accounts)
    if path.suffix.lower() == ".xlsx":
        write_workbook(path, book, lang)
    else:
        write_yaml(path, book, lang, hints=True)


def billed_in_all(accounts: Iterable[Account]) -> dict[str, Decimal]:
    """Return what is billed, by currency."""
    found: dict[str, Decimal] = {}
    for one in accounts:
        found[one.currency] = found.get(one.currency, Decimal(0)) + one.billed
    return dict(sorted(found.items()))
