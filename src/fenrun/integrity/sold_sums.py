"""Charges summed as checks read them, month by month, and kept for the next time.

A check asks who sold what to whom in a month; a day matters only where something changes on it: a
link of an account, an order or a customer. So charges are summed by account, order and kind, by
month, and by day for those of an account or order of a month in which a link begins or ends, and
for purchases. Each charge is read once, by number; texts are put on sums.

A month of many charges is kept in the cache of the workspace, under the imports that it is of and
the days on which something changes. Deleting it changes nothing but time.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cache
from importlib import resources
from pathlib import Path

from fenrun.base.ids import digest, short
from fenrun.base.kept import new_folder, read_kept
from fenrun.base.when import Span, add_months
from fenrun.charges.merged import with_merged
from fenrun.charges.stored import StoredFiles
from fenrun.credit.stored_charges import billed_in
from fenrun.engine.dialect import literal, quoted
from fenrun.engine.duckdb import DuckDB
from fenrun.engine.steps import read_steps
from fenrun.pricing.charges import TEXTS, PricedCharges
from fenrun.store.digests import digests
from fenrun.store.facts import Import, Store

KEYS = {
    "sub_account": TEXTS["sub_account"],
    "order_id": TEXTS["order_id"],
    "operator": "x_Operator",
    "region": "RegionId",
    "product": TEXTS["product"],
    "category": TEXTS["category"],
    "currency": "BillingCurrency",
    "agreement": "x_AgreementId",
}
"""What tells the charges of an account apart, and the column of charges that says it."""
OF_ORDERS = ("operator", "region")
"""What is asked of orders alone: what is of no order is summed over it."""
COSTS = {"billed": "BilledCost", "effective": "EffectiveCost", "used": "ConsumedQuantity"}
_PLACES = 15
"""The decimals of what is no number in every file."""
_MOST_GROUPS = 1 << 32
"""More than a month has sums: by it they are numbered through all months."""
_FEWEST = 60_000
"""The fewest charges of a month that is kept: fewer are summed in no time."""
_BEFORE = (
    *("sum_cells", "sum_kinds", "sum_cell_kinds", "sum_accounts", "sum_numbers"),
    *("turning_accounts", "turning_subjects", "sum_rows"),
)
"""The steps before the sums."""
_SUMS, _MARKER = "sums.parquet", "sums.json"
_STEPS = {step.name: step for step in read_steps("fenrun.integrity", "sold_sums.sql")}


def load_sums(store: Store, charges: PricedCharges, span: Span) -> None:
    """Make the view `sold_sums` of the charges that are billed in some months.

    The engine has `links`, `owners` and `leaving`: from when on somebody may be in charge of
    customers no more.
    """
    engine, parts = charges.engine, []
    engine.run(_STEPS["turning"], {})
    for number, month in enumerate(_months(span)):
        made = _Month(store, charges, month)
        if made.imports:
            name = f"sums_{number}"
            made.load(name)
            parts.append(f"SELECT group_no + {number * _MOST_GROUPS} AS group_id, * FROM {name}")
    if not parts:
        no_texts = ", ".join(f"'' AS {name}" for name in KEYS)
        engine.run(_STEPS["no_sums"], {"no_texts": no_texts})
        parts.append("SELECT group_no AS group_id, * FROM no_sums")
    engine.make("VIEW", "sold_sums", " UNION ALL BY NAME ".join(parts))


def _months(span: Span) -> Iterator[Span]:
    """Yield the months of a span of whole months."""
    start = span.start
    while start < span.end:
        yield Span(start, add_months(start, 1))
        start = add_months(start, 1)


@cache
def _text() -> str:
    """Return what the sums are made by: others are other sums."""
    room = resources.files("fenrun.integrity")
    return digest(
        [room.joinpath(name).read_text("utf-8") for name in ("sold_sums.py", "sold_sums.sql")]
    )


@dataclass(frozen=True)
class _Month:
    """The charges that are billed in a month."""

    store: Store
    charges: PricedCharges
    span: Span

    @property
    def imports(self) -> list[Import]:
        """The imports that can have some of them."""
        return billed_in(self.charges.imports, (self.span.start, self.span.end))

    @property
    def engine(self) -> DuckDB:
        """The engine that has the book."""
        return self.charges.engine

    def load(self, name: str) -> None:
        """Make the sums under a name: as they are kept, or from the charges."""
        folder = self.store.path / "cache" / "sold" / short(self._key())
        is_large = sum(int(item.facts.get("rows", 0)) for item in self.imports) >= _FEWEST
        if is_large and _is_whole(folder):
            self.engine.view(name, f"FROM {self.engine.file(folder / _SUMS)}")
            return
        self._sum(name)
        if is_large:
            self._keep(name, folder)

    def _key(self) -> str:
        """Return what the sums follow from."""
        days = [
            item.facts.get(end, "")[:10]
            for item in self.imports
            for end in ("first_start", "last_start")
        ]
        near = [date.fromisoformat(day) for day in days if day]
        first, last = (min(near), max(near)) if all(days) and near else (date.min, date.max)
        turning = self.engine.rows(
            "FROM turning WHERE month BETWEEN ? AND ? ORDER BY ALL",
            [max(first, date(2, 1, 1)) - timedelta(days=32), last],
        )
        rows = [tuple(map(str, row.values())) for row in turning]
        ids = sorted(item.id for item in self.imports)
        kinds = [self.charges.columns.get(column, "") for column in COSTS.values()]
        offset = self.charges.fragments["offset"]
        return digest(_text(), ids, str(self.span.start), offset, kinds, rows)

    def _keep(self, name: str, folder: Path) -> None:
        """Keep the sums; where nothing can be written, nothing is kept."""
        with suppress(OSError), new_folder(folder) as scratch:
            path = literal(str(scratch / _SUMS))
            self.engine.execute(f"COPY {name} TO {path} (FORMAT parquet, COMPRESSION zstd)")
            (scratch / _MARKER).write_text(json.dumps(_digests(scratch)), "utf-8")

    # --- summing ------------------------------------------------------------------------------

    def _sum(self, name: str) -> None:
        """Sum the charges into a table."""
        files = [StoredFiles(item) for item in with_merged(self.imports)]
        parts = [_Part(self.charges, number, file, self.span) for number, file in enumerate(files)]
        union = " UNION ALL BY NAME ".join
        fragments = {
            "texts": ", ".join(KEYS),
            "plain": ", ".join(f"'' AS {n}" if n in OF_ORDERS else n for n in KEYS),
            "told": ", ".join(n for n in KEYS if n not in OF_ORDERS),
            "is_plain": " AND ".join(f"{n} = ''" for n in OF_ORDERS),
            "cells": union(part.cells() for part in parts),
            "accounts": union(part.accounts() for part in parts),
        }
        beside = [n for n in KEYS if any(part.is_beside(n) for part in parts)]
        fragments["rows"] = union(part.rows(beside) for part in parts)
        fragments["beside"] = "".join(f", r.{n}" for n in beside)
        places = {n: f"s.{n}, k.{n}" if n in beside else f"k.{n}" for n in KEYS}
        places["currency"] = f"s.money, {places['currency']}"
        fragments["of_row"] = ", ".join(f"coalesce({at}, '') AS {n}" for n, at in places.items())
        for step in _BEFORE:
            self.engine.run(_STEPS[step], fragments)
        sql = _STEPS["sold_sums"].filled(fragments | self._turned(beside))
        self.engine.make("TABLE", name, sql, _STEPS["sold_sums"].about)

    def _turned(self, beside: Sequence[str]) -> dict[str, str]:
        """Return SQL of whether something changes for a charge in its month."""
        found = ["r.is_purchase", "t.account_code IS NOT NULL"]
        joins = (
            "\nLEFT JOIN turning_accounts AS t"
            " ON t.account_code = r.account_code AND t.month = r.month"
        )
        for kind, column in (("order", "order_id"), ("sub-account", "sub_account")):
            if not self.engine.rows("FROM turning_subjects WHERE of_kind = ? LIMIT 1", [kind]):
                continue
            of = f"coalesce(r.{column}, k.{column})" if column in beside else f"k.{column}"
            joins += (
                f"\nLEFT JOIN (FROM turning_subjects WHERE of_kind = '{kind}') AS t_{column}"
                f" ON t_{column}.subject = {of} AND t_{column}.month = r.month"
            )
            found.append(f"t_{column}.subject IS NOT NULL")
        kinds = "\nJOIN sum_kinds AS k ON k.kind = r.kind" if "k." in joins else ""
        return {"turns": " OR ".join(found), "joins": kinds + joins}


@dataclass(frozen=True)
class _Part:
    """The charges of one import, as the sums read them: by the numbers that its files have."""

    charges: PricedCharges
    number: int
    file: StoredFiles
    span: Span

    def cells(self) -> str:
        """Return the query of the tuples of values that charges share, as texts."""
        texts = (f"coalesce({self._text(name, 'k')}, '') AS {name}" for name in KEYS)
        used = self._cost("used", "k") or "NULL"
        scan = self.charges.engine.file(self.file.cells)
        columns = f"{self.number} AS file, cell_no, {used} AS used, {', '.join(texts)}"
        return f"SELECT {columns} FROM {scan} AS k"

    def accounts(self) -> str:
        """Return the query of the accounts."""
        scan = self.charges.engine.file(self.file.accounts)
        return (
            f"SELECT {self.number} AS file, account_no, InvoiceIssuerName AS issuer,"
            f" BillingAccountId AS account FROM {scan}"
        )

    def is_beside(self, name: str) -> bool:
        """Return whether a text stands beside each charge, as it has many values."""
        return self.file.place_of(KEYS[name]) == "c"

    def rows(self, beside: Sequence[str]) -> str:
        """Return the query of the charges, with those texts that stand beside some of them."""
        files, engine = self.file, self.charges.engine
        is_ordered = self.is_beside("order_id")
        order = self._text("order_id", "c")
        kind = f"CASE WHEN {order} <> '' THEN k.kind ELSE k.plain END" if is_ordered else "k.plain"
        purchase = "k.is_purchase"
        if self.is_beside("category"):
            purchase = f"coalesce({self._text('category', 'c')} = 'Purchase', false)"
        money = self._text("currency", "c") if self.is_beside("currency") else "k.money"
        columns = [f"a.account_code, {kind} AS kind, {purchase} AS is_purchase, {money} AS money"]
        columns += [f"{self._text_of_row(name, order)} AS {name}" for name in beside]
        used = self._cost("used", "c") if files.place_of(COSTS["used"]) == "c" else "k.used"
        costs = {name: self._cost(name, "c") for name in ("billed", "effective")} | {"used": used}
        columns += [f"{sql} AS {name}" for name, sql in costs.items()]
        columns += [
            f"CAST(ChargePeriodStart + {self.charges.fragments['offset']} AS DATE) AS on_day"
        ]
        billed = files.constants.get("BillingPeriodStart", "c.BillingPeriodStart")
        start, end = (
            f"TIMESTAMP '{day}' - INTERVAL 1 DAY" for day in (self.span.start, self.span.end)
        )
        taxed = f" AND coalesce({self._text('category', 'c')}, '') <> 'Tax'"
        return (
            f"SELECT {', '.join(columns)} FROM {engine.file(files.charges)} AS c"
            f" JOIN sum_numbers AS a ON a.file = {self.number} AND a.account_no = c.account_no"
            f" JOIN sum_cell_kinds AS k ON k.file = {self.number} AND k.cell_no = c.cell_no"
            f" WHERE {billed} >= {start} AND {billed} < {end}"
            f"{taxed if self.is_beside('category') else ''}"
        )

    def _text_of_row(self, name: str, order: str) -> str:
        """Return SQL of a text beside a charge; of what orders alone have, nothing without one."""
        text = self._text(name, "c")
        if name not in OF_ORDERS or not self.is_beside(name) or not self.is_beside("order_id"):
            return text
        return f"CASE WHEN {order} <> '' THEN {text} END"

    def _text(self, name: str, alias: str) -> str:
        """Return SQL of a text in one of the files; of what all charges share with the cells."""
        column = KEYS[name]
        if self.file.place_of(column) == alias:
            return f"CAST({alias}.{quoted(self.file.name_of(column))} AS VARCHAR)"
        is_shared = alias == "k" and column in self.file.constants
        return f"CAST({self.file.constants[column] if is_shared else 'NULL'} AS VARCHAR)"

    def _cost(self, name: str, alias: str) -> str:
        """Return SQL of a cost in one of the files, with the decimals of all charges.

        Nothing where it stands in the other one.
        """
        column = COSTS[name]
        kind, place = self.charges.columns.get(column, ""), self.file.place_of(column)
        if place not in ("", alias):
            return ""
        value = self.file.constants.get(column, "NULL")
        if place:
            value = f"{alias}.{quoted(self.file.name_of(column))}"
        if not kind.startswith("DECIMAL"):
            return f"TRY_CAST({value} AS DECIMAL(38, {_PLACES}))"
        scale = int(kind.rstrip(")").rpartition(",")[2])
        is_same = place and self.file.decimal_places.get(self.file.name_of(column)) == scale
        return value if is_same else f"CAST({value} AS DECIMAL(38, {scale}))"


def _digests(folder: Path) -> dict[str, str]:
    return {name: content for name, content in digests(folder).items() if name != _MARKER}


def _is_whole(folder: Path) -> bool:
    """Return whether sums are kept in a folder, as they were written."""
    said = read_kept(folder / _MARKER)
    return bool(said) and said == _digests(folder)
