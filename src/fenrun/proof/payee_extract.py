"""Payee extract: the part of a workspace that concerns one payee.

The charges it is credited for and the book rows that touch it, nobody else's.
"""

from __future__ import annotations

import tempfile
from dataclasses import replace
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from fenrun.base.ids import short
from fenrun.base.table import read_parquet
from fenrun.base.when import Period
from fenrun.book.as_codes import book_of
from fenrun.book.rows import TABLES
from fenrun.charges.facts import billing_facts, stored_facts
from fenrun.charges.stored import move_files, read_charges, write_charges
from fenrun.settle.detail import detail_of
from fenrun.settle.facts import Facts, in_force
from fenrun.settle.touched import with_those_below
from fenrun.store.facts import Import, Store, manifest

MASKED = "-"
"""Stands for a party whom the statement does not concern."""
_CHARGES = """
SELECT DISTINCT t.import_id, t.row_no
FROM coded_charges AS t
JOIN groups AS g ON {same}
JOIN detail_credits AS c ON c.group_id = g.group_id"""
_EARNING = "SELECT DISTINCT plan_id FROM earnings WHERE payee IN (SELECT unnest(?))"


class PayeeExtract:
    """The facts that concern a payee, gathered over the moments at which its pay was computed."""

    def __init__(self, payee: str):
        self.payee = payee
        self.parties: set[str] = {payee}
        self.customers: set[str] = set()
        self.plans: set[str] = set()
        self.rows: dict[str, set[int]] = {}
        """Rows of charges by the short id of their import."""

    def gather(self, facts: Facts, period: Period, known: datetime) -> None:
        """Add what the payee, and those below it, are credited in the period by these facts."""
        run = replace(facts, plans=in_force(facts.plans, period)).settle(period, known)
        self.parties |= with_those_below(book_of(run.book()), [self.payee])
        parties = sorted(self.parties)
        earning = run.engine.query(_EARNING, [parties]).to_pylist()
        self.plans |= {row["plan_id"] for row in earning}
        with detail_of(run, parties) as detail:
            for plan in run.plans:
                detail.load_credits(plan.id, parties)
                found = run.engine.query(_CHARGES.format(same=detail.same_group)).to_pylist()
                credited = run.engine.query("SELECT DISTINCT customer FROM detail_credits")
                self.customers |= {c for c in credited.column("customer").to_pylist() if c}
                self.plans |= {plan.id} if credited.num_rows else set()
                for row in found:
                    self.rows.setdefault(row["import_id"], set()).add(row["row_no"])

    def copy(self, store: Store, known: datetime, into: Store, named: set[str]) -> None:
        """Write what concerns the payee, of all that was known by a moment, into another store.

        Files are `named` where the statement names them.
        """
        accounts: set[tuple[str, str]] = set()
        for item in _renamed(store, "charges", known, named):
            rows = self.rows.get(short(item.id))
            if rows:
                numbers = ", ".join(map(str, sorted(rows)))
                table = read_charges(item.folder, item.id, f"row_no IN ({numbers})")
                names = [c for c in ("BillingAccountId", "SubAccountId") if c in table.column_names]
                accounts |= {
                    (row["InvoiceIssuerName"], row[c])
                    for row in table.select(["InvoiceIssuerName", *names]).to_pylist()
                    for c in names
                    if row[c]
                }
                _add_charges(into, item, table)
        for item in _renamed(store, "book", known, named):
            tables = {
                name: read_parquet(item.folder / f"{name}.parquet")
                for name in TABLES
                if (item.folder / f"{name}.parquet").exists()
            }
            own = {
                name: self._concerning(store, known, name, table, accounts)
                for name, table in tables.items()
            }
            _add_tables(
                into, item, {name: table for name, table in own.items() if table.num_rows}, {}
            )
        for item in _renamed(store, "plans", known, named):
            if item.facts["plan"] not in self.plans:
                continue
            text = (item.folder / "plan.yaml").read_text("utf-8")
            said = manifest(item.source, item.known, item.facts, ())
            into.add("plans", item.id, said, partial(_write_plan, text=text))

    def _concerning(
        self,
        store: Store,
        known: datetime,
        name: str,
        table: pa.Table,
        accounts: set[tuple[str, str]],
    ) -> pa.Table:
        if name != "links":
            return table.filter(
                pc.is_in(table["party"], pa.array(sorted(self.parties | self.customers)))
            )
        mine = self._links(store, known, accounts)
        table = table.filter(pc.is_in(table["link_id"], pa.array(sorted(mine), pa.string())))
        ours = pc.is_in(table["party"], pa.array(sorted(self.parties | self.customers)))
        seen = pc.or_(
            ours,
            pc.is_in(
                table["subject"],
                pa.array(
                    sorted(self.parties | self.customers | {account for _, account in accounts}),
                    pa.string(),
                ),
            ),
        )
        for name, visible in (("party", ours), ("subject", seen)):
            table = table.set_column(
                table.schema.get_field_index(name), name, pc.if_else(visible, table[name], MASKED)
            )
        return table

    def _links(self, store: Store, known: datetime, accounts: set[tuple[str, str]]) -> set[str]:
        """Find the links that name the payee or those below it, or own the charges' accounts."""
        found = set()
        for item in store.imports_between("book", datetime.min, known):
            if (item.folder / "links.parquet").exists():
                for row in read_parquet(item.folder / "links.parquet").to_pylist():
                    if row["party"] in self.parties or (
                        row["of_kind"] in ("account", "sub-account")
                        and row["party"] in self.customers
                        and (row["issuer"], row["subject"]) in accounts
                    ):
                        found.add(row["link_id"])
        return found


def _write_plan(folder: Path, text: str) -> None:
    (folder / "plan.yaml").write_text(text, "utf-8")


def _renamed(store: Store, kind: str, known: datetime, named: set[str]) -> list[Import]:
    """The imports of a kind.

    Names of files may name others, so only those stay that the statement names.
    """
    found = store.verified(store.imports_between(kind, datetime.min, known))
    return [
        item if item.source in named else replace(item, source=f"{kind}-{number}")
        for number, item in enumerate(found, 1)
    ]


def _add_tables(
    into: Store, item: Import, tables: dict[str, pa.Table], facts: dict[str, Any]
) -> None:
    def write(folder: Path) -> None:
        for name, table in tables.items():
            pq.write_table(table, folder / f"{name}.parquet", compression="zstd")

    if tables:
        into.add(item.kind, item.id, manifest(item.source, item.known, facts, ()), write)


def _add_charges(into: Store, item: Import, table: pa.Table) -> None:
    with tempfile.TemporaryDirectory(prefix="fenrun-") as scratch:
        files = Path(scratch)
        write_charges(files, table)
        said = manifest(item.source, item.known, charge_facts(item, table, files), ())
        into.add(item.kind, item.id, said, lambda folder: move_files(files, folder))


def charge_facts(item: Import, table: pa.Table, folder: Path) -> dict[str, Any]:
    """The facts of an import, counted anew for the rows that are left, in their files."""
    return {
        **billing_facts(table),
        **stored_facts(folder),
        "rows": table.num_rows,
        "quarantined": 0,
        **({"replaces": item.facts["replaces"]} if "replaces" in item.facts else {}),
    }
