"""Settle again what a change of the facts touches, and nothing else.

A change touches customers: those whose charges, links or labels change, with all who share an
account with them. Only their charges are credited again. The payees that were or are credited for
them, and those above, are measured and paid again, from the new credits and from the kept measures
of all other customers. What comes out is what settling everything anew would give; a test holds
them equal.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

import pyarrow as pa

from fenrun.base.when import Period
from fenrun.book.as_of import Sources, load_book
from fenrun.book.rows import TABLES
from fenrun.charges.rows import ORDER
from fenrun.charges.stored import load_charges
from fenrun.engine.dialect import literal
from fenrun.engine.duckdb import DuckDB
from fenrun.settle import pipeline
from fenrun.settle.facts import Facts
from fenrun.settle.results import keyed_by
from fenrun.statement.run import Run

_BY_CUSTOMER = keyed_by("customer")
_BY_PAYEE = keyed_by("payee")
MADE_WHOLE = ("team_credits", "held_spend")
"""The last steps: a payee's rows rest on others' credits, so they are run again as a whole."""
RESULTS = (*_BY_PAYEE, "ledger", *MADE_WHOLE)
"""The tables that a change keeps up to date, beside those it needs for the next change."""
_BOOK_KEYS = {
    "links": ("of_kind", "issuer", "subject"),
    "labels": ("party",),
    "figures": ("party",),
    "parties": ("party",),
}
_TOUCHED = (
    "EXISTS (SELECT 1 FROM touched_customers AS t WHERE t.customer IS NOT DISTINCT FROM m.customer)"
)
_UP = """
WITH RECURSIVE up AS (
  SELECT unnest(?) AS party
  UNION
  SELECT l.party FROM up AS u
  JOIN (SELECT subject, party FROM main.links WHERE of_kind = 'party'
        UNION SELECT subject, party FROM links WHERE of_kind = 'party') AS l
    ON l.subject = u.party)
SELECT party FROM up"""
_OLD_GROUPS = """
SELECT {columns} FROM main.groups AS g WHERE EXISTS (
  SELECT 1 FROM touched_accounts AS t WHERE t.issuer = g.issuer AND t.account = g.account)"""
_CUSTOMERS_OF = """
SELECT DISTINCT customer FROM main.credits WHERE party = ?
UNION
SELECT subject FROM main.links WHERE of_kind = 'customer' AND (party = ? OR previous = ?)"""
_CUSTOMERS_OF_ORDERS = """
SELECT DISTINCT c.customer FROM main.links AS l
JOIN main.groups AS g ON g.issuer = l.issuer AND l.subject IN (g.order_id, g.resource_id)
JOIN main.customers AS c ON c.group_id = g.group_id
WHERE l.of_kind IN ('order', 'resource') AND (l.party = ? OR l.previous = ?)"""
_DOWN = _UP.replace("SELECT l.party FROM", "SELECT l.subject FROM").replace(
    "l.subject = u.party", "l.party = u.party"
)


class Live:
    """A period settled over facts that go on changing; its results stand in `run.engine`."""

    def __init__(self, facts: Facts, period: Period, known: datetime, engine: DuckDB | None = None):
        self.period, self.known = period, known
        self._anew(facts, engine or DuckDB())

    def _anew(self, facts: Facts, engine: DuckDB) -> None:
        self.facts, self.engine = facts, engine
        self.run: Run = facts.settle(self.period, self.known, engine=self.engine)
        self.filled = pipeline.fragments(self.engine, self.run.plans, self.period)

    def change(self, facts: Facts) -> set[str] | None:
        """Take up the changed facts. Raises Refused.

        Returns the payees whose results may differ; None where everything was settled anew.
        """
        delta = (
            None
            if facts.plans != self.facts.plans or _limited(self.run)
            else _new_sources(self.facts.book, facts.book)
        )
        touched = None if delta is None else self._change(facts, delta)
        if touched is None:
            self._anew(facts, DuckDB())
        self.facts = facts
        return touched

    def _change(self, facts: Facts, delta: Sources) -> set[str] | None:
        engine = self.engine
        with engine.temporary_schema("change"):
            facts.load_charges(engine, "all_charges")
            seeds = _Seeds(self, facts, delta)
            if not seeds.find():
                return None
            if not self._load_book(delta, seeds):
                return None
            seeds.spread()
            engine.load(
                "touched_accounts",
                pa.table(
                    {
                        "issuer": pa.array([i for i, _ in sorted(seeds.accounts)], pa.string()),
                        "account": pa.array([a for _, a in sorted(seeds.accounts)], pa.string()),
                    }
                ),
            )
            engine.load(
                "touched_customers",
                pa.table({"customer": pa.array([None, *sorted(seeds.customers)], pa.string())}),
            )
            engine.connection.execute(
                "CREATE TABLE charges AS SELECT * FROM all_charges AS c"
                " WHERE EXISTS (SELECT 1 FROM touched_accounts AS t"
                " WHERE t.issuer = c.InvoiceIssuerName AND t.account = c.BillingAccountId)"
            )
            if engine.query(
                "SELECT 1 FROM charges AS c, extent AS e WHERE e.low IS NULL"
                " OR c.ChargePeriodStart NOT BETWEEN e.low AND e.high LIMIT 1"
            ).num_rows:
                return None
            if pipeline.fragments(engine, self.run.plans, self.period) != self.filled:
                return None
            self._run("credit")
            payees = self._payees(seeds)
            self._earn(payees)
            ledger = self._ledger()
            self._take_up(payees)
        engine.load("ledger", ledger)
        facts.load_charges(engine, "charges")
        engine.connection.execute("DROP SCHEMA change CASCADE")
        self._run("statement", after="uncredited")
        return payees

    def _load_book(self, delta: Sources, seeds: _Seeds) -> bool:
        """Work out the book's tables again for the changed subjects.

        Returns False where they need more decimals than the kept ones have.
        """
        engine = self.engine
        for name, keys in _BOOK_KEYS.items():
            parts = [tables[name] for _, _, tables in delta if name in tables]
            rows = {
                tuple(row[k] for k in keys)
                for part in parts
                for row in part.select(list(keys)).to_pylist()
            } | (seeds.moved if name == "links" else set())
            engine.load(
                f"changed_{name}",
                pa.table(
                    {
                        k: pa.array([r[n] for r in sorted(rows)], pa.string())
                        for n, k in enumerate(keys)
                    }
                ),
            )
        old = [
            (source, known, {name: table})
            for name in TABLES
            for source, known, table in self._old_rows(name)
        ]
        load_book(engine, [*old, *delta])
        if not all(self._fits(table) for name in _BOOK_KEYS for table in (name, f"book_{name}")):
            return False
        for name, keys in _BOOK_KEYS.items():
            same = " AND ".join(f"c.{k} = m.{k}" for k in keys)
            engine.connection.execute(
                f"CREATE OR REPLACE TABLE {name} AS SELECT * FROM {name} UNION ALL BY NAME"
                f" SELECT * FROM main.{name} AS m"
                f" WHERE NOT EXISTS (SELECT 1 FROM changed_{name} AS c WHERE {same})"
            )
        return True

    def _fits(self, name: str) -> bool:
        """Give the decimals of a table the kept table's type.

        Where two types of 38 digits meet, DuckDB would round silently.
        """
        new, kept = self.engine.columns(name), self.engine.columns(f"main.{name}")
        casts = {c: t for c, t in kept.items() if t.startswith("DECIMAL") and new[c] != t}
        if any(_scale(new[c]) > _scale(t) for c, t in casts.items()):
            return False
        if casts:
            cast = ", ".join(f"CAST({c} AS {t}) AS {c}" for c, t in casts.items())
            self.engine.connection.execute(
                f"CREATE OR REPLACE TABLE {name} AS SELECT * REPLACE ({cast}) FROM {name}"
            )
        return True

    def _old_rows(self, name: str) -> Iterable[tuple[str, datetime, pa.Table]]:
        same = " AND ".join(f"c.{k} = m.{k}" for k in _BOOK_KEYS[name])
        last = (
            " AND m.known = (SELECT max(x.known) FROM main.book_links AS x"
            " WHERE x.link_id = m.link_id)"
            if name == "links"
            else ""
        )
        table = self.engine.query(
            f"SELECT m.* FROM main.book_{name} AS m"
            f" WHERE EXISTS (SELECT 1 FROM changed_{name} AS c WHERE {same}){last}"
        )
        for source, known in sorted(
            {(r["source"], r["known"]) for r in table.select(["source", "known"]).to_pylist()}
        ):
            chosen = [
                s == source and k == known
                for s, k in zip(table["source"].to_pylist(), table["known"].to_pylist())
            ]
            yield source, known, table.filter(pa.array(chosen)).drop_columns(["source", "known"])

    def _run(self, *stages: str, after: str = "", until: str = "") -> None:
        """Run the steps of stages: those after one, up to and with another."""
        on = not after
        for stage in pipeline.STAGES:
            for step in stage.steps if stage.name in stages else ():
                if on:
                    self.engine.run(step, self.filled)
                on = (on or step.name == after) and step.name != until

    def _payees(self, seeds: _Seeds) -> set[str]:
        """Return the payees touched, and everybody above them.

        They were or are credited for the customers touched, or have facts of their own changed.
        """
        found = (
            seeds.parties
            | _column(self.engine, "SELECT DISTINCT party FROM credits")
            | _column(self.engine, f"SELECT DISTINCT party FROM main.credits AS m WHERE {_TOUCHED}")
        )
        return _column(self.engine, _UP, sorted(found))

    def _earn(self, payees: set[str]) -> None:
        """Measure the customers touched, beside the kept measures of others; earn and pay again."""
        engine, execute = self.engine, self.engine.connection.execute
        plans = self.run.plans
        below = any(c.pays_on == "earned" for p in plans for c in p.components)
        needed = payees | (_column(engine, _DOWN, sorted(payees)) if below else set())
        engine.load("needed_payees", pa.table({"payee": pa.array(sorted(needed), pa.string())}))
        self._run("earn", until="performance_measures")
        for name in _BY_CUSTOMER:
            execute(f"CREATE TABLE new_{name} AS FROM {name}")
        execute("CREATE TABLE new_owned AS FROM owned")
        others = f"NOT {_TOUCHED}"
        mine = "m.payee IN (SELECT payee FROM needed_payees)"
        if any(c.compare == "last year of its customers" for p in plans for c in p.components):
            mine = (
                f"({mine} OR m.customer IN (SELECT customer FROM main.performance_measures"
                " WHERE payee IN (SELECT payee FROM needed_payees))"
                " OR m.customer IN (SELECT customer FROM new_performance_measures))"
            )
        kept = {
            "performance_measures": f"{mine} AND {others}",
            "credits": f"m.party IN (SELECT payee FROM needed_payees) AND {others}",
            "customer_since": others,
            "owned": f"{others} AND m.customer IN (SELECT customer FROM credits)",
        }
        for name, where in kept.items():
            execute(
                f"CREATE OR REPLACE TABLE {name} AS FROM new_{name} UNION ALL BY NAME"
                f" SELECT * FROM main.{name} AS m WHERE {where}"
            )
        self._run("earn", after="performance_measures")
        self._run("payout", "statement", until="not_counted")

    def _ledger(self) -> pa.Table:
        """The ledger with the accounts touched taken out as they were and put in as they are."""
        engine, execute = self.engine, self.engine.connection.execute
        new = engine.table("ledger")
        moved = ("groups", "coverage", "customers")
        execute("; ".join(f"CREATE TABLE new_{name} AS FROM {name}" for name in moved))
        execute(
            f"CREATE OR REPLACE TABLE groups AS {_OLD_GROUPS.format(columns='*')};"
            " CREATE OR REPLACE TABLE coverage AS FROM main.coverage"
        )
        self._run("statement", after="statements", until="ledger")
        engine.load("ledger_new", new)
        return engine.query("""
            SELECT plan_id, month, sum(total) AS total, sum(credited) AS credited,
                   sum(uncredited) AS uncredited, sum(charges) AS charges
            FROM (FROM main.ledger
                  UNION ALL BY NAME FROM ledger_new
                  UNION ALL BY NAME
                  SELECT plan_id, month, -total AS total, -credited AS credited,
                         -uncredited AS uncredited, -charges AS charges
                  FROM ledger) AS changes
            GROUP BY plan_id, month HAVING sum(charges) <> 0 ORDER BY plan_id, month""")

    def _take_up(self, payees: set[str]) -> None:
        """Put what came out in place of what was there."""
        engine, execute = self.engine, self.engine.connection.execute
        engine.load("touched_payees", pa.table({"payee": pa.array(sorted(payees), pa.string())}))
        for name in _BY_PAYEE:
            execute(
                f"DELETE FROM main.{name} WHERE payee IN (SELECT payee FROM touched_payees);"
                f" INSERT INTO main.{name} BY NAME"
                f" SELECT * FROM {name} WHERE payee IN (SELECT payee FROM touched_payees)"
            )
        found = engine.query("SELECT coalesce(max(group_id), 0) AS n FROM main.groups")
        last = found.to_pylist()[0]["n"]
        old = _OLD_GROUPS.format(columns="group_id")
        for name in ("coverage", "customers", "owned", "credits", "groups"):
            execute(
                f"DELETE FROM main.{name} WHERE group_id IN ({old});"
                f" INSERT INTO main.{name} BY NAME"
                f" SELECT * REPLACE (group_id + {last} AS group_id) FROM new_{name}"
            )
        for name in ("performance_measures", "customer_since"):
            execute(
                f"DELETE FROM main.{name} AS m WHERE {_TOUCHED};"
                f" INSERT INTO main.{name} BY NAME FROM new_{name}"
            )
        for name, keys in _BOOK_KEYS.items():
            same = " AND ".join(f"c.{k} = m.{k}" for k in keys)
            changed = f"EXISTS (SELECT 1 FROM changed_{name} AS c WHERE {same})"
            for table in (name, f"book_{name}"):
                execute(
                    f"DELETE FROM main.{table} AS m WHERE {changed};"
                    f" INSERT INTO main.{table} BY NAME SELECT * FROM {table} AS m WHERE {changed}"
                )


class _Seeds:
    """The accounts, customers and parties that a change touches first, and those they draw in."""

    def __init__(self, live: Live, facts: Facts, delta: Sources):
        self.live, self.engine, self.facts, self.delta = live, live.engine, facts, delta
        self.accounts: set[tuple[str, str]] = set()
        self.customers: set[str] = set()
        self.parties: set[str] = set()
        self.moved: set[tuple[str, str, str]] = set()
        """Subjects of links that a revision under the same id moved elsewhere."""

    def find(self) -> bool:
        """Find the accounts, customers and payees that the change names.

        Returns False where the change can only be settled as a whole.
        """
        self._charges()
        for _, _, tables in self.delta:
            for name in ("labels", "figures", "parties"):
                for row in tables[name].to_pylist() if name in tables else ():
                    self.parties.add(row["party"])
                    if name != "figures":
                        self.customers |= {row["party"]} | self._credited(row["party"])
                    elif row["party"] in self._customers_before():
                        self.customers.add(row["party"])
            rows = tables["links"].to_pylist() if "links" in tables else []
            ids = sorted({r["link_id"] for r in rows})
            was = (
                self.engine.query(
                    "SELECT * FROM main.book_links WHERE link_id IN (SELECT unnest(?))", [ids]
                ).to_pylist()
                if ids
                else []
            )
            self.moved |= {(r["of_kind"], r["issuer"], r["subject"]) for r in was}
            if not all(self._link(r) for r in (*rows, *was)):
                return False
        return True

    def _link(self, row: dict[str, Any]) -> bool:
        kind, subject, party = row["of_kind"], row["subject"], row["party"]
        self.parties.add(party)
        if kind == "account":
            self.accounts.add((row["issuer"], subject))
            self.customers.add(party)
        elif kind == "customer":
            self.customers.add(subject)
        elif kind == "party":
            self.parties.add(subject)
            self.customers |= self._credited(subject)
        elif kind in ("order", "resource"):
            column = ORDER if kind == "order" else "ResourceId"
            if column in self.engine.columns("all_charges"):
                issued = f"InvoiceIssuerName = {literal(row['issuer'])}"
                self._accounts(f"{column} = {literal(subject)} AND {issued}", "all_charges")
        else:
            return False
        return True

    def _charges(self) -> None:
        """Accounts of the charges that came, went, or count otherwise."""
        before, after = (
            {i.id: (i, f.only.get(i.id, "true")) for i in f.charges}
            for f in (self.live.facts, self.facts)
        )
        for content in sorted(
            {c for c in {*before, *after} if before.get(c, (0, ""))[1] != after.get(c, (0, ""))[1]}
        ):
            item = (after.get(content) or before[content])[0]
            load_charges(self.engine, "changed_charges", [item])
            self._accounts("true", "changed_charges")

    def _accounts(self, where: str, table: str) -> None:
        found = self.engine.query(
            "SELECT DISTINCT InvoiceIssuerName AS i, BillingAccountId AS a"
            f" FROM {table} WHERE {where}"
        )
        self.accounts |= {(row["i"], row["a"]) for row in found.to_pylist()}

    def _credited(self, party: str) -> set[str]:
        """Customers that a party is credited for, or holds a role of, or held before somebody."""
        owned = _column(self.engine, _CUSTOMERS_OF, party, party, party)
        return owned | _column(self.engine, _CUSTOMERS_OF_ORDERS, party, party)

    def _customers_before(self) -> set[str]:
        return _column(self.engine, "SELECT DISTINCT customer FROM main.customers")

    def spread(self) -> None:
        """Add all customers of the accounts and all accounts of the customers, until none is added.

        Accounts whose orders are credited though nobody owns them always belong to them.
        """
        unowned = self.engine.query(
            "SELECT DISTINCT g.issuer, g.account FROM main.credits AS c"
            " JOIN main.groups AS g ON g.group_id = c.group_id WHERE c.customer IS NULL"
        ).to_pylist()
        self.accounts |= {(r["issuer"], r["account"]) for r in unowned}
        pairs = self.engine.query("""
            SELECT DISTINCT g.issuer, g.account, c.customer
            FROM main.groups AS g JOIN main.customers AS c ON c.group_id = g.group_id
            UNION SELECT issuer, subject, party FROM links WHERE of_kind = 'account'
            UNION SELECT issuer, subject, party FROM main.links WHERE of_kind = 'account'
        """).to_pylist()
        by_account: dict[tuple[str, str], set[str]] = {}
        by_customer: dict[str, set[tuple[str, str]]] = {}
        for r in pairs:
            by_account.setdefault((r["issuer"], r["account"]), set()).add(r["customer"])
            by_customer.setdefault(r["customer"], set()).add((r["issuer"], r["account"]))
        todo_accounts, todo_customers = set(self.accounts), set(self.customers)
        while todo_accounts or todo_customers:
            customers = {c for a in todo_accounts for c in by_account.get(a, ())} - self.customers
            accounts = {a for c in todo_customers for a in by_customer.get(c, ())} - self.accounts
            self.customers |= customers
            self.accounts |= accounts
            todo_accounts, todo_customers = accounts, customers


def _limited(run: Run) -> bool:
    """Say if earlier links can refuse registrations or releases: then one touches the next."""
    return any(
        t.registration_days or t.open_registrations or t.cooldown_months
        for p in run.plans
        for t in p.terms
    )


def _new_sources(before: Sources, after: Sources) -> Sources | None:
    """The book's sources that were added at the end; None where any other differs."""
    if len(after) < len(before) or any(
        a[0] != b[0] or a[1] != b[1] or a[2] is not b[2] for a, b in zip(before, after)
    ):
        return None
    return after[len(before) :]


def _scale(kind: str) -> int:
    return int(kind.rstrip(")").rpartition(",")[2])


def _column(engine: DuckDB, sql: str, *values: Any) -> set[str]:
    return {v for v in engine.query(sql, values).column(0).to_pylist() if v is not None}
