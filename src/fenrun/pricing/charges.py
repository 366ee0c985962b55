"""Charges as pricing reads them: in the hands of customers, with the terms that each meets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pyarrow as pa

from fenrun.base.ids import short
from fenrun.base.table import natural_type
from fenrun.base.when import Span
from fenrun.book.in_words import KnownBook
from fenrun.charges.stored import load_charges, numbers_of
from fenrun.credit.stored_charges import billed_in, offset_changes
from fenrun.engine.dialect import literal, quoted
from fenrun.engine.duckdb import DuckDB
from fenrun.engine.steps import read_steps
from fenrun.plan.conditions import number_sql, parse, to_sql
from fenrun.settle.facts import knowledge_time, known_book, plans_as_of
from fenrun.store.facts import Import, Store, verified

COST = "x_Cost"
"""The column of charges that holds what they cost the seller."""
TEXTS = {
    "sub_account": "SubAccountId",
    "product": "ServiceName",
    "price_id": "SkuPriceId",
    "sku": "SkuId",
    "unit": "PricingUnit",
    "category": "ChargeCategory",
    "coupon": "x_CouponId",
    "order_id": "x_OrderId",
}
_NUMBERS = {
    "quantity": "PricingQuantity",
    "list": "ListCost",
    "contracted": "ContractedCost",
    "billed": "BilledCost",
    "effective": "EffectiveCost",
    "cost": COST,
}
"""The columns of charges that pricing reads, by what it calls them."""
_STEPS = {step.name: step for step in read_steps("fenrun.pricing")}


@dataclass(frozen=True)
class PricedCharges:
    """The charges that are billed in some months, loaded into an engine."""

    engine: DuckDB
    imports: Sequence[Import]
    """The imports that can have some of them."""
    columns: Mapping[str, str]
    """The columns that charges have, each with its type."""
    book: KnownBook
    sources: Mapping[str, str]
    """The file that each import came from, by its short id."""
    fragments: Mapping[str, str]
    """What fills the steps; no charge meets any term."""

    def condition(self, text: str) -> str:
        """Return SQL of whether a charge meets a condition; an empty one is met by all."""
        if not text:
            return "true"
        return to_sql(parse(text, "charge"), self._reading)

    def covers(self, row: Mapping[str, Any]) -> str:
        """Return SQL of whether a charge is of what a row of the terms covers, in its span."""
        return f"{self.within(row)} AND {self.condition(row['covers'])}"

    def within(self, row: Mapping[str, Any]) -> str:
        """Return SQL of whether a charge is of a day in the span of a row of the terms."""
        day = f"CAST(ChargePeriodStart + {self.fragments['offset']} AS DATE)"
        start, end = (literal(str(row[name])) for name in ("valid_from", "valid_to"))
        return f"{day} >= DATE {start} AND {day} < DATE {end}"

    def _reading(self, what: str, name: str) -> str:
        return (
            number_sql(name, self.number) if what == "number" else text_column(name, self.columns)
        )

    def number(self, name: str) -> str:
        """Return SQL of a column as a number; null where it is none, or is not there."""
        return as_number(name, self.columns)

    def load_some(self, name: str, accounts: Sequence[tuple[str, str]]) -> None:
        """Make the charges of some accounts, by issuer and name, known under a name."""
        meant = set(accounts)
        load_charges(
            self.engine,
            name,
            self.imports,
            accounts={item.id: numbers_of(item, meant) for item in self.imports},
        )

    def share_out(self, groups: str) -> None:
        """Make the table `priced_shares`, the customers of each group of a table on its day."""
        self.engine.run(_STEPS["priced_shares"], {**self.fragments, "groups": groups})

    def run(
        self, *steps: str, terms: Mapping[str, str] | None = None, of: str = "charges"
    ) -> list[dict[str, Any]]:
        """Run some steps over the charges, each of which has the `terms` that it meets.

        They are given by SQL of whether a charge meets them. `of` names the charges, where not all
        are meant (`load_some`). Returns the rows of the last step.
        """
        terms = terms or {}
        arms = ", ".join(f"CASE WHEN {sql} THEN {literal(term)} END" for term, sql in terms.items())
        more = {"terms": f"[{arms}]", "groups": "met_groups"} if terms else {}
        if terms:  # most charges meet none, and lists of terms are dear
            more["meets"] = " OR ".join(f"({sql})" for sql in terms.values())
        for name in ("priced_rows", *steps):
            self.engine.run(_STEPS[name], {**self.fragments, **more, "charges": of})
        rows: list[dict[str, Any]] = self.engine.table(steps[-1]).to_pylist()
        return rows


def charges_of(store: Store, span: Span, known: datetime | None = None) -> PricedCharges:
    """Return the charges that are billed in months, as known at a moment or as last known.

    Raises Refused for files that were edited.
    """
    moment = knowledge_time(store, known)
    imports = billed_in(store.imports("charges", moment), (span.start, span.end))
    engine, book = DuckDB(), known_book(store, moment)
    load_charges(engine, "charges", verified(imports))
    columns = engine.columns("charges")
    engine.load("owners", _owners(book))
    zones = {file.plan.terms[0].timezone for file in plans_as_of(store, moment)}
    zone = zones.pop() if len(zones) == 1 else "UTC"
    fragments = _fragments(columns, span) | {"offset": _offset(imports, zone)}
    sources = {short(item.id): item.source for item in imports}
    return PricedCharges(engine, imports, columns, book, sources, fragments)


def _owners(book: KnownBook) -> pa.Table:
    """Return who owns accounts and sub-accounts, as a table."""
    rows = book.owners()
    shares = [row["share"] for row in rows]
    names = ("of_kind", "issuer", "subject", "party", "valid_from", "valid_to", "sound")
    kinds = {"valid_from": pa.date32(), "valid_to": pa.date32(), "sound": pa.bool_()}
    found = {n: pa.array([row[n] for row in rows], kinds.get(n, pa.string())) for n in names}
    return pa.table(found | {"share": pa.array(shares, natural_type(shares))})


def _fragments(columns: Mapping[str, str], span: Span) -> dict[str, str]:
    """Return the SQL of what steps read, also where charges do not have it."""
    found = {name: text_column(column, columns) for name, column in TEXTS.items()}
    found |= {name: as_number(column, columns) for name, column in _NUMBERS.items()}
    days = {"first": span.start, "after": span.end}
    found |= {name: f"TIMESTAMP {literal(str(day))}" for name, day in days.items()}
    return found | {"terms": "CAST([] AS VARCHAR[])", "groups": "priced_groups", "meets": "true"}


def text_column(column: str, columns: Mapping[str, str]) -> str:
    """Return SQL of a column of charges as text; null where they do not have it."""
    return f"CAST({quoted(column) if column in columns else 'NULL'} AS VARCHAR)"


def as_number(column: str, columns: Mapping[str, str]) -> str:
    """Return SQL of a column as a number; null where it is none."""
    kind = columns.get(column, "")
    if kind.startswith("DECIMAL"):
        return quoted(column)
    if kind:
        return f"TRY_CAST({quoted(column)} AS DECIMAL(38, 15))"
    return "CAST(NULL AS DECIMAL(38, 2))"


def _offset(imports: Sequence[Import], zone: str) -> str:
    """Return SQL of what to add to a charge's UTC time for a time zone."""
    ends = [item.facts.get(name) for item in imports for name in ("first_start", "last_start")]
    starts = [datetime.fromisoformat(end) for end in ends if end]
    if not starts or zone == "UTC":
        return "INTERVAL 0 SECOND"
    *before, (last, _) = offset_changes(zone, min(starts), max(starts))
    arms = "".join(
        f" WHEN ChargePeriodStart < TIMESTAMP '{until}' THEN INTERVAL '{seconds}' SECOND"
        for seconds, until in before
    )
    return f"CASE{arms} WHEN true THEN INTERVAL '{last}' SECOND END"
