"""A scenario as files that go the usual way: what it says of book and terms, and changed plans.

Nobody enters a scenario into a workspace. Who wants it to come true checks these drafts and imports
them, with all the checks and approvals that any file meets.
"""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import yaml

from fenrun.base.problem import Place, refused
from fenrun.book.read import COLUMNS
from fenrun.lab.patched import Patched
from fenrun.lab.scenario import Scenario
from fenrun.tables.written import as_written
from fenrun.terms.read import COLUMNS as TERMS

_OTHERWISE = {
    "links": {"of": "of_kind", "id": "link_id"},
    "rates": {"from": "currency", "to": "to_currency", "source": "given_by"},
}
"""Fields of rows that files call otherwise, beside the days."""


def write_drafts(patched: Patched, scenario: Scenario, folder: Path) -> list[Path]:
    """Write the drafts of a scenario into a folder; return the files.

    Changes of charges are none of them: what is billed is the provider's to say. Raises Refused
    where a file is there already.
    """
    texts = {f"{plan}.yaml": file.content for plan, file in patched.plans.items()}
    texts |= table_drafts(patched, scenario)
    folder.mkdir(parents=True, exist_ok=True)
    for name in texts:
        if (folder / name).exists():
            raise refused("target-exists", Place(str(folder / name)), path=folder / name)
    for name, text in texts.items():
        (folder / name).write_text(text, "utf-8")
    return [folder / name for name in texts]


def table_drafts(patched: Patched, scenario: Scenario) -> dict[str, str]:
    """Return what a scenario says of the book and the terms, as files by their names."""
    texts = {}
    for name, tables in (("book", _book(patched)), ("terms", _terms(patched))):
        if tables:
            said = yaml.safe_dump(tables, allow_unicode=True, sort_keys=False, width=100)
            texts[f"{scenario.id}-{name}.yaml"] = said
    return texts


def _book(patched: Patched) -> dict[str, list[dict[str, str]]]:
    """Return the rows of the book that a scenario changes, as a book file has them."""
    found: dict[str, list[dict[str, str]]] = {}
    for table, rows in patched.book.changed.items():
        if rows:
            found[table] = [_written(table, asdict(row)) for row in rows.values()]
    return found


def _terms(patched: Patched) -> dict[str, list[dict[str, str]]]:
    """Return the agreements that a scenario adds, as a file of terms has them."""
    columns = list(TERMS["agreements"])
    said = [as_written(asdict(one), columns) for one in patched.agreements]
    rows = [{name: text for name, text in row.items() if text != ""} for row in said]
    return {"agreements": rows} if rows else {}


def _written(table: str, row: dict[str, Any]) -> dict[str, str]:
    fields = _OTHERWISE.get(table, {})
    of_days = table in ("links", "labels")
    row = row if of_days else {k: v for k, v in row.items() if not k.startswith("valid_")}
    named = row | {column: row[name] for column, name in fields.items()}
    columns = list(COLUMNS[table])
    if fields.keys() & {"from", "to"}:
        named |= {"valid_from": row["currency"], "valid_to": row["to_currency"]}
    return {name: text for name, text in as_written(named, columns).items() if text != ""}
