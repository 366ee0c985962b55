"""Payee extract: what the clauses of the plans read for one payee, and nothing else.

Charges that it is credited for, in the columns that a clause reads; rows of the book by which it
is; the clauses that pay it. No id of the workspace goes along: a digest of few possibilities says
what it stands for. Ids are numbers in an order that is known anyway.
"""

from __future__ import annotations

import tempfile
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from decimal import Decimal
from functools import partial, reduce
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from fenrun.base.ids import short
from fenrun.base.table import read_parquet
from fenrun.base.when import AsOf, Period
from fenrun.book.as_codes import NAMED, Book, book_of
from fenrun.book.rows import SETTLED
from fenrun.charges.facts import billing_facts, stored_facts
from fenrun.charges.rows import ORDER
from fenrun.charges.stored import move_files, read_charges, write_charges
from fenrun.credit.stored_charges import Source
from fenrun.engine.choose import new_engine
from fenrun.events.consents import asks_consent
from fenrun.events.receipts import counts_payments
from fenrun.plan.read import PlanFile
from fenrun.plan.rows import Plan, settled_together
from fenrun.proof.reading import Reading, is_override, plan_for
from fenrun.proof.terms_extract import (
    MASKED,
    consents_extract,
    known_terms,
    payments_extract,
    terms_extract,
)
from fenrun.settle.detail import detail_of
from fenrun.settle.facts import Facts, in_force, plan_of, with_terms
from fenrun.settle.touched import with_those_below
from fenrun.statement.run import Run
from fenrun.store.facts import Import, Store, manifest, verified
from fenrun.tables.kept import Sources
from fenrun.terms.in_plans import tables_read

_NO_DAY = date(1970, 1, 1)
_GIVEN = ("of_kind", "issuer", "subject", "role")
"""What is given away by links, of which there is one whole."""
_FIRST_ROW = 2
"""Rows are numbered anew: from the row after the header."""
_NAMES = dict(zip(NAMED, (ORDER, "ResourceId", "SubAccountId")))
"""The columns of a charge by which the book names orders, resources and sub-accounts."""
_MEANT = """
SELECT DISTINCT group_id, coalesce(customer, '') AS customer
FROM detail_credits
WHERE party IN (SELECT unnest(?))"""
_CREDITED = f"""
SELECT DISTINCT c.party, c.customer
FROM detail_credits AS c
JOIN ({_MEANT}) AS m ON m.group_id = c.group_id AND m.customer = coalesce(c.customer, '')"""
_CHARGES = """
SELECT DISTINCT t.import_id, t.row_no
FROM coded_charges AS t
JOIN groups AS g ON {same}
JOIN detail_credits AS c ON c.group_id = g.group_id
WHERE c.party IN (SELECT unnest(?))"""


@dataclass(frozen=True)
class _Subjects:
    """Subjects that charges name."""

    accounts: set[tuple[str, str]]
    """Issuer and account."""
    named: dict[str, set[tuple[str, str]]]
    """Kind to issuer and id."""
    currencies: set[str] = field(default_factory=set)
    """In which they are."""


class PayeeExtract:
    """The facts that concern a payee, gathered over the moments at which its pay was computed."""

    def __init__(self, payee: str, plans: Iterable[str]):
        """Begin with the plans by which the statement pays."""
        self.payee = payee
        self.plans = set(plans)
        self.roles: set[str] = set()
        """Roles that the payee ever held or was credited for."""
        self.parties: set[str] = {payee}
        """The payee, and those below it by way of whom it is credited or paid."""
        self.paying: set[str] = {payee}
        """Those of them whose pay the payee's rests on."""
        self.customers: set[str] = set()
        self.rows: dict[str, set[int]] = {}
        """Rows of charges by the short id of their import."""

    def gather(self, facts: Facts, period: Period, known: datetime) -> None:
        """Add what the payee is credited in the period by these facts."""
        plans = in_force(facts.agreed_plans, period)
        if not plans:
            return
        source, as_of = Source(facts.charges, facts.only), AsOf(period.last_day, known)
        whole = [*facts.agreed_book, *facts.figures(period)]
        run = Run(new_engine(), plans, period, as_of, (), source, lambda: whole)
        book = book_of(facts.book)
        held = book.links.filter(pc.equal(book.links["party"], self.payee))
        self.roles |= set(held["role"].to_pylist())
        self.roles |= _roles_in_scope(book, plans, self.payee)
        below = with_those_below(book, {self.payee})
        for group in settled_together(plans):
            self._gather(run, group, below)

    def _gather(self, run: Run, plans: Sequence[Plan], below: set[str]) -> None:
        """Add what the payee, or those `below`, are credited by plans of one group."""
        with detail_of(run, [self.payee], plans) as detail:
            for plan in plans:
                detail.load_credits(plan.id, sorted(below))
                rolls_up = any(is_override(c) and c.role in self.roles for c in plan.components)
                if rolls_up:
                    self.parties |= below
                    self.paying |= below
                meant = sorted(below) if rolls_up else [self.payee]
                credited = run.engine.query(_CREDITED, [meant])
                if credited.num_rows:
                    self.plans.add(plan.id)
                    self.parties |= set(credited.column("party").to_pylist())
                    self.customers |= {c for c in credited.column("customer").to_pylist() if c}
                sql = _CHARGES.format(same=detail.same_group)
                for row in run.engine.rows(sql, [meant]):
                    self.rows.setdefault(row["import_id"], set()).add(row["row_no"])

    def copy(self, store: Store, known: datetime, end: date, into: Store, named: set[str]) -> None:
        """Write what concerns the payee, of all that was known by a moment, into another store.

        Figures of periods from `end` on are left out. Files are `named` where the statement names
        them.
        """
        plans = self._plans(store, known, named)
        items = _anonymous(store, "charges", known, named, set(self.rows))
        credited = [(item, self.rows_of(item)) for item in items]
        charges = [(item, _charges_of(item, rows)) for item, rows in credited if rows]
        terms = self._terms(store, known, named, [file.plan for _, file in plans], charges)
        reading = Reading()
        for sources in known_terms(terms):
            for plan in with_terms([file.plan for _, file in plans], sources):
                reading.add(plan)
        for item, ((_, _, tables),) in terms:
            _add_tables(into, item, tables)
        subjects = _subjects_of(table for _, table in charges)
        units = {unit for _, table in charges for unit in _units_of(table, reading.units)}
        self._copy_events(store, known, into, named, [file.plan for _, file in plans], units)
        book = _BookOf(self, reading, subjects, end, units)
        linked = book.copy(_anonymous(store, "book", known, named), into)
        for item, table in charges:
            _add_charges(into, item, _as_read(table, reading, linked))
        for item in _decisions(store, known, named, set(self.rows)):
            said = manifest(item.source, item.known, item.facts, ())
            into.add("deliveries", item.id, said, lambda folder: None)
        for item, file in plans:
            said = manifest(item.source, item.known, {"plan": file.plan.id}, ())
            into.add("plans", item.id, said, partial(_write_plan, text=file.content))

    def _copy_events(
        self,
        store: Store,
        known: datetime,
        into: Store,
        named: set[str],
        plans: Sequence[Plan],
        units: set[str],
    ) -> None:
        """Write the consents, and the payments of units, that the clauses of some plans read."""
        consents, payments = asks_consent(plans), counts_payments(plans)
        for item in _anonymous(store, "events", known, named) if consents or payments else ():
            found = consents_extract(item, self.customers, self.parties) if consents else {}
            found |= payments_extract(item, units) if payments else {}
            _add_tables(into, item, found)

    def _terms(
        self,
        store: Store,
        known: datetime,
        named: set[str],
        plans: Sequence[Plan],
        charges: Sequence[tuple[Import, pa.Table]],
    ) -> list[tuple[Import, Sources]]:
        """Return the terms that the clauses of some plans read of the charges."""
        if not tables_read(plans):
            return []
        items = _anonymous(store, "terms", known, named)
        rows = [row for _, table in charges for row in table.to_pylist()]
        return terms_extract(items, plans, self.customers, self.parties, rows)

    def rows_of(self, item: Import) -> set[int]:
        """Return the rows of an import of charges that concern the payee."""
        return self.rows.get(item.folder.name, set())

    def _plans(
        self, store: Store, known: datetime, named: set[str]
    ) -> list[tuple[Import, PlanFile]]:
        """Return the plans, with the clauses that pay the payee."""
        items = _anonymous(store, "plans", known, named)
        return [
            (item, plan_for(plan_of(item), self.roles, sorted(named)))
            for item in items
            if item.facts["plan"] in self.plans
        ]


class _BookOf:
    """The rows of the book that the clauses read of a payee extract."""

    def __init__(
        self,
        extract: PayeeExtract,
        reading: Reading,
        subjects: _Subjects,
        end: date,
        units: set[str],
    ):
        self.extract, self.reading, self.subjects, self.end = extract, reading, subjects, end
        self.units = units
        """What is earned for separately, as the charges name it: orders, invoices ..."""
        self.ours = extract.parties | extract.customers
        self.ids: dict[str, str] = {}
        """The number of each link that stays, by its id."""
        self.scope: set[tuple[str, str]] = set()
        """Customers by a link to whom a payee is in scope, each with the role of the link."""
        self.over: set[str] = set()
        """Links by which, together, more than the whole of something was ever given away."""

    def copy(self, imports: Sequence[Import], into: Store) -> dict[str, set[tuple[str, str]]]:
        """Write the rows into another store.

        Returns what the links that stay name of orders, resources and sub-accounts, by kind.
        """
        tables = [(item, _tables_of(item)) for item in imports]
        links = [link for _, one in tables if "links" in one for link in one["links"].to_pylist()]
        self.scope = {
            (link["subject"], link["role"])
            for link in links
            if link["role"] in self.reading.scope_roles and link["party"] in self.extract.paying
        }
        self.over = _given_too_often(
            [(item.known, own["links"].to_pylist()) for item, own in tables if "links" in own],
            self._is_charged,
        )
        for link in links:
            if self._concerns(link):
                self.ids.setdefault(link["link_id"], f"link-{len(self.ids) + 1}")
        named: dict[str, set[tuple[str, str]]] = {kind: set() for kind in NAMED}
        for item, own in tables:
            own = {name: self._rows_of(name, table) for name, table in own.items()}
            _add_tables(into, item, {name: t for name, t in own.items() if t.num_rows})
            for link in own["links"].to_pylist() if "links" in own else ():
                if link["of_kind"] in named:
                    named[link["of_kind"]].add((link["issuer"], link["subject"]))
        return named

    def _concerns(self, link: Mapping[str, Any]) -> bool:
        """Return whether a charge is credited by way of the link, or it can refuse one that is."""
        kind, subject, party = link["of_kind"], link["subject"], link["party"]
        extract, named = self.extract, (link["issuer"], link["subject"])
        if link["link_id"] in self.over:
            return True
        if kind == "account":
            return party in extract.customers and named in self.subjects.accounts
        if kind == "sub-account":
            return party in extract.customers and named in self.subjects.named[kind]
        if self._is_held(link):
            return True
        if kind == "customer" and link["role"] in self.reading.held_roles:
            return False
        if party not in extract.parties:
            return False
        if self.reading.limits:
            return True
        if link["role"] in self.reading.scope_roles and party in extract.paying:
            return True
        if kind == "customer":
            return subject in extract.customers
        return subject in extract.parties if kind == "party" else named in self.subjects.named[kind]

    def _is_charged(self, link: Mapping[str, Any]) -> bool:
        """Return whether the link is of what a charge that stays is credited by."""
        kind, subject = link["of_kind"], link["subject"]
        if kind == "account":
            return (link["issuer"], subject) in self.subjects.accounts
        if kind in self.subjects.named:
            return (link["issuer"], subject) in self.subjects.named[kind]
        return subject in (self.extract.parties if kind == "party" else self.extract.customers)

    def _is_held(self, link: Mapping[str, Any]) -> bool:
        """Return whether it matters that anybody holds the link.

        It does where it is asked, where it puts in scope, and where more than the whole is given
        away: that is nobody's, and puts nobody in scope.
        """
        if link["link_id"] in self.over:
            return True
        if link["of_kind"] != "customer":
            return False
        is_asked = link["role"] in self.reading.held_roles
        is_asked &= link["subject"] in self.extract.customers
        return is_asked or (link["subject"], link["role"]) in self.scope

    def _rows_of(self, name: str, table: pa.Table) -> pa.Table:
        """Return the rows of a table that stay, with what is read of them."""
        extract, reading = self.extract, self.reading
        if name == "links":
            found = self._links(table)
        elif name == "parties":
            found = table.filter(_among(table["party"], self.ours))
            found = _constant(found, "name", "")
        elif name == "rates":
            pairs = zip(table["currency"].to_pylist(), table["to_currency"].to_pylist())
            found = table.filter(pa.array([self._is_rate(*p) for p in pairs], pa.bool_()))
            found = found.filter(pc.less(found["valid_from"], pa.scalar(self.end)))
        elif name == "labels":
            found = _of(
                table,
                "label",
                (extract.customers, reading.customer_labels),
                (self.units, reading.unit_labels),
                (extract.parties, reading.credit_labels),
                (extract.paying, reading.payee_labels),
            )
        else:
            found = _of(
                table,
                "figure",
                (extract.customers, reading.customer_figures),
                (extract.paying, reading.payee_figures),
            )
            found = found.filter(pc.less(found["valid_from"], pa.scalar(self.end)))
        return _numbered(found)

    def _is_rate(self, one: str, other: str) -> bool:
        """Return whether something is converted or paid by the rates of two currencies."""
        reading = self.reading
        if (one, other) in reading.conversions and one in self.subjects.currencies:
            return True
        return bool({(one, other), (one, "")} & reading.paid_in)

    def _links(self, table: pa.Table) -> pa.Table:
        """Return the links that stay; one that went to somebody else is withdrawn.

        It then names nobody, and neither when nor what for.
        """
        table = table.filter(_among(table["link_id"], self.ids))
        rows = table.to_pylist()
        for row in rows:
            is_held = self._is_held(row)
            row["link_id"] = self.ids[row["link_id"]]
            row["type"] = (row.get("type") or "") if self.reading.types else ""
            if row["party"] in self.ours:
                continue
            row["party"], row["type"] = MASKED, ""
            if not is_held:
                row["valid_from"] = row["valid_to"] = _NO_DAY
                row["subject"], row["share"] = MASKED, Decimal(1)
        return pa.Table.from_pylist(rows, table.schema)


def _given_too_often(
    imports: Sequence[tuple[datetime, Sequence[Mapping[str, Any]]]],
    is_charged: Callable[[Mapping[str, Any]], bool],
) -> set[str]:
    """Return the links by which more than the whole of something is given away, at some moment.

    Of what no charge is credited by, none are named.
    """
    of: dict[tuple[str, ...], list[tuple[datetime, Mapping[str, Any]]]] = defaultdict(list)
    for known, links in imports:
        for link in links:
            if is_charged(link):
                of[tuple(link[name] for name in _GIVEN)].append((known, link))
    found: set[str] = set()
    for facts in of.values():
        for moment in {known for known, _ in facts}:
            found |= _over([fact for fact in facts if fact[0] <= moment])
    return found


def _over(facts: Sequence[tuple[datetime, Mapping[str, Any]]]) -> set[str]:
    """Return the links of one role of one thing that are more than the whole, as last known."""
    last = {link["link_id"]: known for known, link in sorted(facts, key=lambda fact: fact[0])}
    rows = [link for known, link in facts if known == last[link["link_id"]]]
    found = set()
    for day in {row["valid_from"] for row in rows}:
        held = [row for row in rows if row["valid_from"] <= day < (row["valid_to"] or date.max)]
        if sum(row["share"] for row in held) > 1:
            found |= {row["link_id"] for row in held}
    return found


def _roles_in_scope(book: Book, plans: Sequence[Plan], payee: str) -> set[str]:
    """Return the roles for which a payee is in scope by a label or a figure, at some time."""
    labels = book.labels.filter(pc.equal(book.labels["party"], payee))
    figures = book.figures.filter(pc.equal(book.figures["party"], payee))
    pairs = set(zip(labels["label"].to_pylist(), labels["value"].to_pylist()))
    named = {
        "label": {(name, value) for name, own in pairs for value in ("", own)},
        "figure": {(name, "") for name in figures["figure"].to_pylist()},
    }
    components = (c for plan in plans for c in plan.components)
    return {c.role for c in components if (c.scope_name, c.scope_value) in named.get(c.scope, ())}


def _among(column: pa.ChunkedArray, names: Iterable[str]) -> pa.ChunkedArray:
    return pc.is_in(column, pa.array(sorted(names), pa.string()))


def _of(table: pa.Table, column: str, *meant: tuple[set[str], set[str]]) -> pa.Table:
    """Return the rows of some parties that have one of some names in a column."""
    found = [pc.and_(_among(table["party"], p), _among(table[column], n)) for p, n in meant]
    return table.filter(reduce(pc.or_, found))


def _constant(table: pa.Table, column: str, value: str) -> pa.Table:
    place = table.schema.get_field_index(column)
    values = pa.repeat(pa.scalar(value, table.schema.field(place).type), table.num_rows)
    return table.set_column(place, table.schema.field(place), values)


def _numbered(table: pa.Table) -> pa.Table:
    """Return rows numbered anew: where they stood says how many others there are."""
    place = table.schema.get_field_index("row_no")
    field = table.schema.field(place)
    numbers = pa.array(range(_FIRST_ROW, table.num_rows + _FIRST_ROW), field.type)
    return table.set_column(place, field, numbers)


def _tables_of(item: Import) -> dict[str, pa.Table]:
    files = {name: item.folder / f"{name}.parquet" for name in SETTLED}
    return {name: read_parquet(file) for name, file in files.items() if file.exists()}


def _charges_of(item: Import, rows: set[int]) -> pa.Table:
    numbers = ", ".join(map(str, sorted(rows)))
    return read_charges(item.folder, item.id, f"row_no IN ({numbers})")


def _units_of(table: pa.Table, columns: Iterable[str]) -> Iterator[str]:
    """Yield what charges name in some columns."""
    for column in set(columns) & set(table.column_names):
        yield from (str(unit) for unit in table[column].unique().to_pylist() if unit is not None)


def _subjects_of(tables: Iterable[pa.Table]) -> _Subjects:
    """Return what charges name."""
    found = _Subjects(set(), {kind: set() for kind in NAMED})
    for table in tables:
        issuers = table["InvoiceIssuerName"].to_pylist()
        found.currencies.update(table["BillingCurrency"].unique().to_pylist())
        found.accounts.update(zip(issuers, table["BillingAccountId"].to_pylist()))
        for kind, column in _NAMES.items():
            if column in table.column_names:
                pairs = zip(issuers, table[column].to_pylist())
                found.named[kind].update((issuer, name) for issuer, name in pairs if name)
    return found


def _as_read(
    table: pa.Table, reading: Reading, linked: Mapping[str, set[tuple[str, str]]]
) -> pa.Table:
    """Return charges with the columns that are read.

    Orders, resources and sub-accounts are named where a clause reads them, or a link is of them;
    corrections, which may inherit them, name what they name.
    """
    inherits = bool(linked["order"] or linked["resource"])
    read = reading.columns | ({"SkuPriceId"} if inherits else set())
    for kind, column in _NAMES.items():
        if column not in read and column in table.column_names:
            is_read = _is_linked(table, column, linked[kind])
            if inherits and kind != "sub-account" and "ChargeClass" in table.column_names:
                is_correction = pc.equal(table["ChargeClass"], "Correction").fill_null(False)
                is_read = pc.or_(is_read, is_correction)
            if pc.any(is_read).as_py():
                nothing = pa.scalar(None, table.schema.field(column).type)
                place = table.schema.get_field_index(column)
                values = pc.if_else(is_read, table[column], nothing)
                table = table.set_column(place, table.schema.field(column), values)
                read = read | {column}
    own = ("import_id", "row_no")
    return _numbered(table.select([n for n in table.column_names if n in read or n in own]))


def _is_linked(table: pa.Table, column: str, linked: set[tuple[str, str]]) -> pa.ChunkedArray:
    """Return which charges have in a column what a link is of."""
    pairs = zip(table["InvoiceIssuerName"].to_pylist(), table[column].to_pylist())
    return pa.chunked_array([pa.array([pair in linked for pair in pairs], pa.bool_())])


def _write_plan(folder: Path, text: str) -> None:
    (folder / "plan.yaml").write_text(text, "utf-8")


def _anonymous(
    store: Store, kind: str, known: datetime, named: set[str], rows: set[str] | None = None
) -> list[Import]:
    """Return the imports of a kind, of charges those with some of `rows`, by other names and ids.

    Names of files may name others, so only those stay that the statement names. Ids are numbers in
    the order in which imports became known: one is never a digest of what it stands for.
    """
    items = store.imports_between(kind, datetime.min, known)
    items = verified(item for item in items if rows is None or short(item.id) in rows)
    ids = _ids_of(items, known)
    return [
        replace(
            item,
            id=ids[item.id],
            source=item.source if item.source in named else f"{kind}-{number}",
            facts={**item.facts, "replaces": [ids[i] for i in item.facts["replaces"]]}
            if "replaces" in item.facts
            else item.facts,
        )
        for number, item in enumerate(items, 1)
    ]


def _ids_of(items: Sequence[Import], known: datetime) -> dict[str, str]:
    """Return the ids that imports, and those that they replace, have in an extract."""
    found = {item.id: item.known for item in items}
    gone = {content for item in items for content in item.facts.get("replaces", ())}
    order = sorted({*found, *gone}, key=lambda content: (found.get(content, known), content))
    return {content: f"{number:012d}" for number, content in enumerate(order, 1)}


def _decisions(store: Store, known: datetime, named: set[str], rows: set[str]) -> Iterator[Import]:
    """Yield the decisions by which some of the imports of charges with `rows` are replaced."""
    items = store.imports_between("charges", datetime.min, known)
    ids = _ids_of([item for item in items if short(item.id) in rows], known)
    decisions = verified(store.imports_between("deliveries", datetime.min, known))
    for number, item in enumerate(decisions, 1):
        gone = [ids[content] for content in item.facts.get("replaces", ()) if content in ids]
        if gone:
            source = item.source if item.source in named else f"deliveries-{number}"
            yield replace(item, id=f"{number:012d}", source=source, facts={"replaces": gone})


def _add_tables(into: Store, item: Import, tables: dict[str, pa.Table]) -> None:
    def write(folder: Path) -> None:
        for name, table in tables.items():
            pq.write_table(table, folder / f"{name}.parquet", compression="zstd")

    if tables:
        into.add(item.kind, item.id, manifest(item.source, item.known, {}, ()), write)


def _add_charges(into: Store, item: Import, table: pa.Table) -> None:
    with tempfile.TemporaryDirectory(prefix="fenrun-") as scratch:
        files = Path(scratch)
        write_charges(files, table)
        said = manifest(item.source, item.known, charge_facts(item, table, files), ())
        into.add(item.kind, item.id, said, lambda folder: move_files(files, folder))


def charge_facts(item: Import, table: pa.Table, folder: Path) -> dict[str, Any]:
    """Return the facts of an import, counted anew for the rows that are left, in their files."""
    return {
        **billing_facts(table),
        **stored_facts(folder),
        "rows": table.num_rows,
        "quarantined": 0,
        **({"replaces": item.facts["replaces"]} if "replaces" in item.facts else {}),
    }
