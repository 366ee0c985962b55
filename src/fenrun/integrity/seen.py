"""The facts that checks read of a workspace: charges of some months, book, terms, events."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from functools import cached_property
from typing import Any

import pyarrow as pa

from fenrun.base.table import natural_type
from fenrun.base.when import OPEN_END, Period
from fenrun.book.in_words import KnownBook
from fenrun.engine.duckdb import DuckDB
from fenrun.engine.steps import read_steps
from fenrun.events.as_of import events_of
from fenrun.integrity.findings import Evidence, Month, Rows, Sale
from fenrun.integrity.sold_sums import KEYS, OF_ORDERS, load_sums
from fenrun.pricing.charges import PricedCharges, charges_of, text_column
from fenrun.pricing.coupons import uses
from fenrun.settle.facts import knowledge_time
from fenrun.settle.terms_in_force import known_policy, known_terms
from fenrun.store.facts import Store, verified
from fenrun.tables.kept import sources_of
from fenrun.tables.latest import Known
from fenrun.terms.as_of import Terms
from fenrun.terms.policy import Policy

PARTNER, REP = "partner", "rep"
"""The roles of who sells."""
OWNER, EMPLOYER, GROUP = "owner", "employer", "group"
"""The roles of who owns a party, employs a person, and of the group that a party declares."""
ABOVE = (GROUP, "parent", OWNER)
"""The roles of whoever is above a party: what is below one of them is one family."""
_OWNERS_ALONE = ("bank", "registration", "representative")
"""Identities that a house and its branches have in common."""
_MOST_BRANCHES = 5
_NEAR = timedelta(days=92)
"""How far from a trade it is paid for, a quarter, where the payment does not name it."""
_STEPS = {step.name: step for step in read_steps("fenrun.integrity")}
_LINK = ("of_kind", "issuer", "subject", "role", "party", "type", "link_id")


@dataclass(frozen=True)
class Seen:
    """All that checks read of a span of months, as known at a moment.

    The engine has the tables `sold` (steps.sql), and `links` of the book.
    """

    store: Store
    period: Period
    known: datetime
    charges: PricedCharges
    terms: Terms
    events: Sequence[Known]
    payments: Sequence[Known]
    trades: Sequence[Known]

    @property
    def engine(self) -> DuckDB:
        """The engine that has the charges."""
        return self.charges.engine

    @property
    def book(self) -> KnownBook:
        """The book."""
        return self.charges.book

    @cached_property
    def links(self) -> Sequence[Known]:
        """The links of the book."""
        return self.book.links()

    @cached_property
    def identities(self) -> Sequence[Known]:
        """The identities of the book."""
        return self.book.identities()

    @cached_property
    def policy(self) -> Policy | None:
        """The policy of what is out of the ordinary; None without one."""
        return known_policy(self.store, self.known)

    @cached_property
    def issuers(self) -> set[str]:
        """Whoever bills."""
        rows = self.query("SELECT DISTINCT issuer FROM sold_groups")
        return {row["issuer"] for row in rows}

    @cached_property
    def kinds(self) -> Mapping[str, str]:
        """The kind of each party."""
        return {row["party"]: row["kind"] for row in self.book.parties()}

    @cached_property
    def _labels(self) -> dict[str, Mapping[str, Sequence[Known]]]:
        """The labels that were asked for by name, each by party."""
        return {}

    def _with_label(self, label: str) -> Mapping[str, Sequence[Known]]:
        """Return the labels of one name by party."""
        if label not in self._labels:
            found = defaultdict[str, list[Known]](list)
            for row in self.book.labels(label):
                found[row["party"]].append(row)
            self._labels[label] = found
        return self._labels[label]

    @cached_property
    def coupon_uses(self) -> Sequence[Known]:
        """The credits by coupon, in their order, each with its `amount` and `reason`."""
        return uses(self.charges, {row["coupon"]: row for row in self.terms.coupons})

    def label(self, party: str, label: str, day: date) -> str:
        """Return the value that a party has under a label on a day; empty for none."""
        rows = self._with_label(label).get(party, ())
        return next((r["value"] for r in rows if r["valid_from"] <= day < r["valid_to"]), "")

    @cached_property
    def reps(self) -> set[str]:
        """The parties that are reps of somebody."""
        return {link["party"] for link in self.links if link["role"] == REP}

    @cached_property
    def _events(self) -> Mapping[str, Sequence[Known]]:
        """The events by the customer that they are about."""
        found: dict[str, list[Known]] = {}
        for event in sorted(self.events, key=lambda row: (row["at"], row["event"])):
            found.setdefault(event["customer"], []).append(event)
        return found

    def events_about(self, customer: str) -> Sequence[Known]:
        """Return the events about a customer in their order."""
        return self._events.get(customer, ())

    @cached_property
    def callers(self) -> set[str]:
        """Return who calls customers for the vendor: of no partner in particular."""
        return {row["actor"] for row in self.events if row["kind"] == "call" and not row["party"]}

    def has_consented(self, customer: str, partner: str) -> bool:
        """Return whether somebody consented to a partner for a customer, not as one of its own."""
        return any(
            event["kind"] == "consent"
            and event["party"] == partner
            and not self.represents(event["actor"], partner, event["at"].date())
            for event in self.events_about(customer)
        )

    @cached_property
    def _taken_over(self) -> Mapping[str, set[str]]:
        """The customers that had accounts before, by those that have had them since."""
        found: dict[str, set[str]] = {}
        for (kind, _, role), links in self._held.items():
            if kind == "account" and role == "customer" and len(links) > 1:
                for link in links:
                    before = (o["party"] for o in links if o["valid_from"] < link["valid_from"])
                    found.setdefault(link["party"], set()).update(before)
        return found

    def events_before_merger(self, customer: str) -> Sequence[Known]:
        """Return the events about customers of whom a customer has taken over an account."""
        others = sorted(self._taken_over.get(customer, set()) - {customer})
        return [event for other in others for event in self.events_about(other)]

    @cached_property
    def _registrars(self) -> Mapping[tuple[str, str], str]:
        """The first who registered each order for a partner, as events say."""
        found: dict[tuple[str, str], str] = {}
        for event in self.events:
            if event["kind"] == "registration" and event["order"] and event["actor"]:
                found.setdefault((event["order"], event["party"]), event["actor"])
        return found

    def registrar(self, order: str, partner: str) -> str:
        """Return who registered an order for a partner; nothing where no event says so."""
        return self._registrars.get((order, partner), "")

    @cached_property
    def _payments(self) -> Mapping[str, Sequence[Known]]:
        """The payments by the customer that they are for."""
        found: dict[str, list[Known]] = {}
        for paid in self.payments:
            found.setdefault(paid["customer"], []).append(paid)
        return found

    def payments_about(self, customer: str) -> Sequence[Known]:
        """Return the payments for a customer."""
        return self._payments.get(customer, ())

    @cached_property
    def goods_paid(self) -> Mapping[str, Decimal]:
        """The part of each payment that is the price of goods which its customer sold the payer.

        The payment names the trade, or is of its amount and near its day. No goods are paid twice.
        """
        left = {row["trade"]: row["amount"] for row in self.trades}
        sold = defaultdict[tuple[str, str], list[Known]](list)
        for row in self.trades:
            sold[row["seller"], row["currency"]].append(row)
        found: dict[str, Decimal] = {}
        may_be = [row for row in self.payments if (row["customer"], row["currency"]) in sold]
        for paid in sorted(may_be, key=lambda row: (row["day"], row["payment"])):
            whole = abs(paid["amount"])
            for row in sold[paid["customer"], paid["currency"]]:
                trade, is_near = row["trade"], abs(paid["day"] - row["day"]) <= _NEAR
                is_same = is_near and row["amount"] == left[trade] == whole
                is_of = paid["reference"] == trade or is_same
                if is_of and self.represents(paid["payer"], row["buyer"], paid["day"]):
                    found[paid["payment"]] = min(whole, left[trade])
                    left[trade] -= found[paid["payment"]]
                    break
        return found

    @cached_property
    def _registrations(self) -> Mapping[tuple[str, str], Known]:
        """The links of orders, by order and partner."""
        return {
            (link["subject"], link["party"]): link
            for link in self.links
            if link["of_kind"] == "order" and link["role"] == PARTNER
        }

    def registered(self, orders: Iterable[str], partner: str) -> tuple[Evidence, ...]:
        """Return the links by which orders are registered for a partner."""
        links = (self._registrations.get((order, partner)) for order in orders)
        return tuple(Evidence("registered", "links", link["link_id"]) for link in links if link)

    def registered_until(self, order: str, partner: str) -> date:
        """Return when an order's link to a partner ends; without a link the last day there is."""
        link = self._registrations.get((order, partner))
        end: date = link["valid_to"] if link else OPEN_END
        return end

    @cached_property
    def _held(self) -> Mapping[tuple[str, str, str], Sequence[Known]]:
        """The links by what is held, and in which role."""
        found: dict[tuple[str, str, str], list[Known]] = {}
        for link in self.links:
            key = (link["of_kind"], link["subject"], link["role"])
            found.setdefault(key, []).append(link)
        return found

    def links_of(self, kind: str, subject: str, role: str, party: str) -> Sequence[Known]:
        """Return the links by which a party holds a role of something, whenever it does."""
        rows = self._held.get((kind, subject, role), ())
        return [link for link in rows if link["party"] == party]

    def holders(self, kind: str, subject: str, role: str, day: date) -> set[str]:
        """Return who holds a role of something on a day."""
        rows = self._held.get((kind, subject, role), ())
        return {link["party"] for link in rows if link["valid_from"] <= day < link["valid_to"]}

    def sellers(self, customer: str, day: date) -> set[str]:
        """Return the partners of a customer on a day."""
        return self.holders("customer", customer, PARTNER, day)

    def are_related(self, one: str, other: str, day: date | None = None) -> bool:
        """Return whether two parties are of one group or parent, or one owner has both.

        On a day, or at the end of the period.
        """
        return bool(self._above(one, day) & self._above(other, day))

    def _above(self, party: str, day: date | None = None) -> set[str]:
        """Return a party, and whoever is above it."""
        on = day or self.period.last_day
        return {party} | {up for role in ABOVE for up in self.holders("party", party, role, on)}

    def are_one_house(self, one: str, other: str, day: date | None = None) -> bool:
        """Return whether two parties are related, or have one bank account, register or head."""
        return bool(self.houses_of(one, day) & self.houses_of(other, day))

    def houses_of(self, party: str, day: date | None = None) -> set[str | tuple[str, str]]:
        """Return what makes parties one house: whoever is above a party or it, and what only an
        owner gives to several.
        """
        return self._above(party, day) | self._owned_identities.get(party, set())

    def represents(self, one: str, other: str, day: date) -> bool:
        """Return whether what a party does or pays on a day is another's: of its house, or of who
        works for it.
        """
        works_for = self.holders("party", one, EMPLOYER, day)
        return other in works_for or self.are_one_house(one, other, day)

    @cached_property
    def _owned_identities(self) -> Mapping[str, set[tuple[str, str]]]:
        """Identities that only an owner gives to several, by party; not those that many share."""
        owners = defaultdict[tuple[str, str], set[str]](set)
        for row in self.identities:
            if row["kind"] in _OWNERS_ALONE:
                owners[row["kind"], row["value"]].add(row["party"])
        found = defaultdict[str, set[tuple[str, str]]](set)
        for value, parties in owners.items():
            for party in parties if len(parties) <= _MOST_BRANCHES else ():
                found[party].add(value)
        return found

    def has_taken_over(self, customer: str, other: str, day: date) -> bool:
        """Return whether a customer has accounts of another, which has none any more: a merger."""
        accounts = [
            link
            for link in self.links
            if link["of_kind"] == "account" and link["role"] == "customer"
        ]
        held = {
            link["subject"]: link["party"]
            for link in accounts
            if link["valid_from"] <= day < link["valid_to"]
        }
        was = {link["subject"] for link in accounts if link["party"] == other}
        return other not in held.values() and any(held.get(one) == customer for one in was)

    def has(self, column: str) -> bool:
        """Return whether the charges have a column."""
        return column in self.charges.columns

    def query(self, sql: str, values: Sequence[Any] = ()) -> list[dict[str, Any]]:
        """Return the rows of a query over the tables."""
        rows: list[dict[str, Any]] = self.engine.query(sql, values).to_pylist()
        return rows

    def groups_of(self, sales: Sequence[Sale]) -> Sequence[int]:
        """Return the groups of `sold` that sales are made of."""
        if not sales:
            return ()
        names = ("customer", "partner", "since")
        columns = dict(zip(names, map(list, zip(*sales))))
        self.engine.load("sales", pa.table(columns))
        found = self.query(
            "SELECT DISTINCT group_id FROM sold JOIN sales USING (customer, partner)"
            " WHERE day >= since ORDER BY ALL"
        )
        return [row["group_id"] for row in found]

    def by_month(
        self, asked: Sequence[tuple[Iterable[int], Sequence[str]]]
    ) -> list[tuple[Month, ...]]:
        """Return by month what some groups of `sold` charge, beside all that customers spend.

        One answer for each that is asked for: groups, and customers.
        """
        wanted = [
            (n, group) for n, (groups, _) in enumerate(asked) for group in sorted(set(groups))
        ]
        customers = [(n, one) for n, (_, names) in enumerate(asked) for one in sorted(set(names))]
        self.engine.load("wanted", _numbered(wanted, "group_id", pa.int64()))
        self.engine.load("asked", _numbered(customers, "customer", pa.string()))
        found: list[list[Month]] = [[] for _ in asked]
        for r in self.query(
            "SELECT number, month, currency,"
            " coalesce(sum(effective) FILTER (WHERE w.group_id IS NOT NULL), 0) AS of_case,"
            " sum(effective) AS of_customers"
            " FROM asked JOIN sold USING (customer) LEFT JOIN wanted AS w USING (number, group_id)"
            " GROUP BY ALL ORDER BY ALL"
        ):
            month = f"{r['month']:%Y-%m}"
            sums = Month(month, r["currency"], r["of_case"], r["of_customers"])
            found[r["number"]].append(sums)
        return [tuple(months) for months in found]

    def rows_of(self, groups: Iterable[int]) -> Mapping[int, Rows]:
        """Return the charges of each of some groups of `sold`, by the id of their import.

        The charges of their accounts alone are read.
        """
        wanted = sorted(set(groups))
        if not wanted:
            return {}
        self.engine.load("wanted", pa.table({"group_id": pa.array(wanted, pa.int64())}))
        accounts = self.query(
            "SELECT DISTINCT issuer, account FROM sold_groups JOIN wanted USING (group_id)"
        )
        self.charges.load_some("some_charges", [(r["issuer"], r["account"]) for r in accounts])
        fragments = {**self.charges.fragments, "keys": ", ".join(KEYS), "row_keys": self._row_keys}
        for name in ("sold_rows", "rows_wanted"):
            self.engine.run(_STEPS[name], fragments)
        found: dict[int, dict[str, list[int]]] = {group: {} for group in wanted}
        for row in self.query(
            "SELECT DISTINCT group_id, import_id, row_no FROM rows_wanted ORDER BY ALL"
        ):
            found[row["group_id"]].setdefault(row["import_id"], []).append(row["row_no"])
        return found

    @property
    def _row_keys(self) -> str:
        """SQL of what tells the groups of charges apart, as sums have it."""
        columns = self.charges.columns
        texts = {name: f"coalesce({text_column(of, columns)}, '')" for name, of in KEYS.items()}
        for name in OF_ORDERS:
            texts[name] = f"CASE WHEN {texts['order_id']} <> '' THEN {texts[name]} ELSE '' END"
        return ", ".join(f"{sql} AS {name}" for name, sql in texts.items())

    def as_evidence(self, rows: Rows, what: str, most: int = 20) -> tuple[Evidence, ...]:
        """Return some rows of charges as evidence, the first of them."""
        keys = [
            f"{self.charges.sources[import_id]}:{row_no}"
            for import_id, numbers in rows.items()
            for row_no in numbers
        ]
        return tuple(Evidence(what, "charges", key) for key in keys[:most])


def see(store: Store, period: Period, known: datetime | None = None) -> Seen:
    """Return what checks read of a period, as known at a moment or as last known.

    Raises Refused for files that were edited.
    """
    moment = knowledge_time(store, known)
    charges = charges_of(store, period.span, moment)
    events = events_of(sources_of(verified(store.imports("events", moment))))
    tables = {name: events[name].rows for name in ("events", "payments", "trades")}
    seen = Seen(store, period, moment, charges, known_terms(store, moment), **tables)
    seen.engine.load("links", _link_table(seen.links))
    seen.engine.load("leaving", _leaving(seen))
    load_sums(store, charges, period.span)
    for name in ("sold_groups", "sold_days", "sold_places"):
        seen.engine.run(_STEPS[name], {})
    charges.share_out("sold_places")
    for name in ("sold_holders", "order_partners", "sold"):
        seen.engine.run(_STEPS[name], {})
    return seen


def _leaving(seen: Seen) -> pa.Table:
    """Return the customers that share an identity with somebody whose job ends, each with the day.

    What they are charged since is asked for.
    """
    ends = defaultdict[str, set[date]](set)
    for link in seen.links:
        if link["of_kind"] == "party" and link["role"] == EMPLOYER:
            ends[link["subject"]].add(link["valid_to"])
    sharing = defaultdict[tuple[str, str], set[str]](set)
    for row in seen.identities if ends else ():
        sharing[row["kind"], row["value"]].add(row["party"])
    rows = {
        (customer, day)
        for parties in sharing.values()
        for person in parties & set(ends)
        for customer in parties - {person}
        for day in ends[person]
    }
    columns = [[row[at] for row in sorted(rows)] for at in range(2)]
    kinds = {"customer": pa.string(), "day": pa.date32()}
    return pa.table([pa.array(c, k) for c, k in zip(columns, kinds.values())], list(kinds))


def _numbered(rows: Sequence[tuple[int, Any]], name: str, kind: pa.DataType) -> pa.Table:
    """Return values under a name, each beside the number of who asks for it."""
    numbers = pa.array([number for number, _ in rows], pa.int64())
    return pa.table({"number": numbers, name: pa.array([value for _, value in rows], kind)})


def _link_table(links: Sequence[Known]) -> pa.Table:
    """Return links as the steps read them."""
    found: dict[str, Any] = {
        name: pa.array([link[name] for link in links], pa.string()) for name in _LINK
    }
    for name in ("valid_from", "valid_to"):
        found[name] = pa.array([link[name] for link in links], pa.date32())
    shares = [link["share"] for link in links]
    return pa.table(found | {"share": pa.array(shares, natural_type(shares))})
