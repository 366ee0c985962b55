"""Terms that a payee's bundle needs: rows that cover one of its charges, and what is read of them.

Rows of other customers, rows that cover none of the charges and tables that no clause asks for do
not leave the workspace; nor does who asked, decided or granted, nor how much was agreed, but for
agreements that a figure of the payee is counted from.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

import pyarrow as pa

from fenrun.credit.charges_as_codes import Charge, is_met
from fenrun.events.consents import KINDS
from fenrun.events.receipts import KINDS as PAYMENT_KINDS
from fenrun.plan.conditions import parse
from fenrun.plan.rows import Plan
from fenrun.store.facts import Import
from fenrun.tables.kept import Sources, sources_of
from fenrun.terms.in_plans import tables_read
from fenrun.terms.rows import KEYS
from fenrun.terms.used_up import UNTOLD

MASKED = "-"
"""Stands for a party or subject whom the statement does not concern, and for who decided."""
_NO_DAY = date(1970, 1, 1)
_SAID = ("source", "reference", "reason", "granted_by", "asked_by")
"""Columns that decide nothing."""
Rows = list[dict[str, Any]]


def terms_extract(
    items: Sequence[Import],
    plans: Iterable[Plan],
    customers: Set[str],
    parties: Set[str],
    charges: Sequence[Charge],
) -> list[tuple[Import, Sources]]:
    """Return the terms of some imports that plans ask for and that can concern some charges.

    `customers` are those of the charges, `parties` those whom the bundle may name. Of a row that
    came again and concerns the charges no more, it stays that it is withdrawn.
    """
    plans = list(plans)
    asked = tables_read(plans)
    kinds = {figure.of for plan in plans for figure in plan.figures}
    of_figures = _OfFigures(kinds, parties)
    tables = [(item, source) for item in items for source in sources_of([item])]
    read = {
        name: [_read(name, own, customers, charges, of_figures) for _, (_, _, own) in tables]
        for name in asked
    }
    kept = {
        name: {_key(name, row) for rows in found for row, concerns in rows if concerns}
        for name, found in read.items()
    }
    extracts: list[tuple[Import, Sources]] = []
    for number, (item, (source, known, own)) in enumerate(tables):
        left = {}
        for name in asked & own.keys():
            rows = [
                _shown(row, concerns, parties, of_figures)
                for row, concerns in read[name][number]
                if _key(name, row) in kept[name]
            ]
            if rows:
                left[name] = pa.Table.from_pylist(rows, own[name].schema)
        extracts.append((item, [(source, known, left)]))
    return extracts


@dataclass(frozen=True)
class _OfFigures:
    """The agreements that figures are counted from, as far as the parties may see them."""

    kinds: Set[str]
    parties: Set[str]

    def has(self, row: Mapping[str, Any]) -> bool:
        """Return whether a row is one of them."""
        return row.get("kind") in self.kinds and row.get("partner") in self.parties


def _read(
    name: str,
    own: Mapping[str, pa.Table],
    customers: Set[str],
    charges: Sequence[Charge],
    of_figures: _OfFigures,
) -> list[tuple[dict[str, Any], bool]]:
    """Return the rows of a table, each with whether it can concern the charges or figures."""
    rows: Rows = own[name].to_pylist() if name in own else []
    return [(row, of_figures.has(row) or _concerns(row, customers, charges)) for row in rows]


def _concerns(row: Mapping[str, Any], customers: Set[str], charges: Sequence[Charge]) -> bool:
    if "sku" in row:
        return any(row["sku"] in (c.get("SkuPriceId"), c.get("SkuId")) for c in charges)
    if "coupon" in row and all(c.get("x_CouponId") != row["coupon"] for c in charges):
        return False
    if row.get("customer", "") not in {"", *customers}:
        return False
    tree = parse(row["covers"], "charge") if row["covers"] else ["all", []]
    return any(is_met(tree, charge) for charge in charges)


def _key(name: str, row: Mapping[str, Any]) -> tuple[Any, ...]:
    return tuple(row[field] for field in KEYS[name])


def _shown(
    row: Mapping[str, Any], concerns: bool, parties: Set[str], of_figures: _OfFigures
) -> dict[str, Any]:
    """Return what of a row leaves the workspace."""
    shown = {**row, **dict.fromkeys((n for n in _SAID if n in row), "")}
    amounts = ("fine", "shortfall") if of_figures.has(row) else ("amount", "fine", "shortfall")
    shown |= {n: Decimal(0) for n in amounts if row.get(n) is not None}
    if "agreement" not in row and row.get("amount") is not None:
        shown["amount"] = UNTOLD
    if "decided_by" in row:
        shown["decided_by"] = MASKED if row["decided_by"] else ""
    if row.get("partner") and row["partner"] not in parties:
        shown["partner"] = MASKED
    if not concerns:
        shown |= {name: MASKED for name in ("customer", "partner") if name in row}
        shown |= {"valid_from": _NO_DAY, "valid_to": _NO_DAY}
        shown |= {name: "" for name in ("covers",) if name in row}
    return shown


def consents_extract(item: Import, customers: Set[str], parties: Set[str]) -> dict[str, pa.Table]:
    """Return the consents of some customers to some parties, without who gave them and how."""
    ((_, _, tables),) = sources_of([item])
    if "events" not in tables:
        return {}
    rows = [
        {**row, **dict.fromkeys(("actor", "order", "device", "address"), ""), "event": str(number)}
        for number, row in enumerate(tables["events"].to_pylist())
        if row["kind"] in KINDS and row["customer"] in customers and row["party"] in parties
    ]
    return {"events": pa.Table.from_pylist(rows, tables["events"].schema)} if rows else {}


def payments_extract(item: Import, units: Set[str]) -> dict[str, pa.Table]:
    """Return the payments of some invoices, without who made them and for whom."""
    ((_, _, tables),) = sources_of([item])
    if "payments" not in tables:
        return {}
    rows = [
        {**row, "payer": "", "customer": ""}
        for row in tables["payments"].to_pylist()
        if row["reference"] in units and row["kind"] in PAYMENT_KINDS
    ]
    return {"payments": pa.Table.from_pylist(rows, tables["payments"].schema)} if rows else {}


def known_terms(extracts: Sequence[tuple[Import, Sources]]) -> Iterator[Sources]:
    """Yield the terms as they were known after each of some imports, and before the first."""
    found: list[Any] = []
    yield found
    for _, sources in extracts:
        found = [*found, *sources]
        yield found
