"""Some payees' credits charge by charge: the steps of crediting run again over their accounts.

A settlement keeps sums. What they are made of is found again by the same steps over the charges
that can be in them: those of the customers, orders, resources and sub-accounts that the payees, or
those below them, ever held a role of, with all other charges of these customers.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from typing import Any

import pyarrow as pa

from fenrun.book.as_codes import Book, book_of
from fenrun.charges.rows import ORDER
from fenrun.credit.on_whole_numbers import bases_of
from fenrun.credit.stored_charges import StoredCharges
from fenrun.earn.from_credits import charged
from fenrun.engine.codes import month_number, unscaled
from fenrun.engine.dialect import quoted
from fenrun.engine.duckdb import DuckDB
from fenrun.engine.runner import Bulk, Runner, SQLite
from fenrun.settle.decoded import as_amounts
from fenrun.settle.on_whole_numbers import Settling, fitting
from fenrun.statement.run import Run

_NAMED_COLUMNS = {
    "account": "BillingAccountId",
    "sub-account": "SubAccountId",
    "order": ORDER,
    "resource": "ResourceId",
}
_QUALIFYING = """
SELECT c.customer, c.excluded_by, c.baseline_period, max(c.baseline), sum(c.amount),
       sum(c.counted), sum(c.charges)
FROM qualifying_amounts AS c
JOIN qualifying_of AS l ON l.counted_plan = c.plan AND l.counted_component = c.component
WHERE l.plan = ? AND l.component = ? AND c.payee = ? AND c.month >= ? AND c.month <= ?
GROUP BY c.customer, c.excluded_by, c.baseline_period"""
_CREDITS = """
SELECT c.group_id, c.party, c.role, c.kind, c.month, c.share, c.customer, c.clause, c.via,
       c.customer_link, c.link
FROM credits AS c
WHERE c.plan = {plan} AND c.party IN ({parties})"""
_SAME = ("account", "sub_account", "order_id", "resource_id", "month", "day", "currency")


@dataclass(frozen=True)
class Detail:
    """The credits of some payees in a run, with the groups and charges that they are made of."""

    run: Run
    settling: Settling
    charges: StoredCharges

    def customers(
        self, plan: str, component: str, payee: str, start: date, end: date
    ) -> list[dict[str, Any]]:
        """Return what a line measures of each customer, most credited first.

        Months from `start` up to, not including, `end`. Columns: customer, excluded_by,
        baseline_period, baseline, credited, counted, charges.
        """
        code, text = self.settling.codes.of, self.settling.codes.text
        scale = self.settling.scales.measure
        key = [code(plan), code(component), code(payee)]
        months = [month_number(start), month_number(end) - (end.day == 1)]
        rows = [
            {
                "customer": text(customer),
                "excluded_by": text(excluded_by),
                "baseline_period": text(period),
                "baseline": unscaled(int(baseline), scale),
                "credited": unscaled(int(credited), scale),
                "counted": unscaled(int(counted), scale),
                "charges": int(count),
            }
            for customer, excluded_by, period, baseline, credited, counted, count in (
                self.settling.runner.rows(_QUALIFYING, [*key, *months])
            )
        ]
        return sorted(
            rows,
            key=lambda row: (-row["credited"], row["customer"] or "~", row["excluded_by"] or "~"),
        )

    def load_credits(self, plan: str, parties: Sequence[str]) -> None:
        """Make the tables `detail_credits`, what the parties are credited, and `detail_groups`.

        Codes are texts there; a plan that credits like another has that one's credits.
        """
        settling, engine = self.settling, self.charges.engine
        code, texts = settling.codes.of, pa.array(settling.codes.texts, pa.string())
        among = ", ".join(str(code(party)) for party in parties)
        serving = settling.crediting.crediting[plan]
        found = settling.runner.arrow(_CREDITS.format(plan=code(serving), parties=among))
        scales = settling.shares
        share_scale = scales.customer + scales.role + scales.party * settling.crediting.depth
        columns: dict[str, Any] = {}
        for name in found.column_names:
            values = found.column(name).combine_chunks()
            if name in ("group_id", "month"):
                columns[name] = values.cast(pa.int64())
            elif name in ("kind", "via"):
                columns[name] = values.cast(pa.string())
            elif name == "share":
                columns[name] = as_amounts(values, share_scale)
            else:
                columns[name] = texts.take(values.cast(pa.int64()))
        engine.load("detail_credits", pa.table(columns))
        if not settling.runner.shares(engine.connection):
            keys = ", ".join((*_SAME, *settling.crediting.key_names()))
            engine.load("groups", settling.runner.arrow(f"SELECT group_id, {keys} FROM groups"))

    @property
    def same_group(self) -> str:
        """SQL of whether a row t of `coded_charges` is in a group g of `groups`."""
        keys = (*_SAME, *self.settling.crediting.key_names())
        return " AND ".join(f"g.{key} IS NOT DISTINCT FROM t.{key}" for key in keys)


@contextmanager
def detail_of(run: Run, payees: Sequence[str]) -> Iterator[Detail]:
    """Run the steps of crediting and measuring again for some payees of a run.

    As long as the block lasts, the run's engine has `near_charges`, the charges that can be
    theirs, and `coded_charges`, the same as codes. Raises Refused.
    """
    engine, plans, book = run.engine, run.plans, book_of(run.book())
    assert isinstance(engine, DuckDB)
    with engine.temporary_schema("detail"):
        _load_near(engine, book, with_those_below(book, payees))
        bases, months = bases_of(plans), charged(plans, run.period)
        charges = StoredCharges(engine, plans, bases, months, "near_charges")

        def settle(runner: Runner) -> Detail:
            settling = Settling(runner, plans, run.period, book, charges.scale)
            settling.refuse_large(charges.extent.sizes)
            settling.load_book()
            charges.groups(settling.crediting, book, runner)
            settling.measure()
            return Detail(run, settling, charges)

        yield fitting([SQLite, lambda: Bulk(engine.connection)], settle)


def with_those_below(book: Book, payees: Sequence[str]) -> set[str]:
    """Return the payees, and all of whom they ever held a role, step by step."""
    held: dict[str, set[str]] = {}
    for of_kind, subject, party in _links(book, "of_kind", "subject", "party"):
        if of_kind == "party":
            held.setdefault(party, set()).add(subject)
    found, new = set(payees), set(payees)
    while new:
        new = {subject for party in new for subject in held.get(party, ())} - found
        found |= new
    return found


def _links(book: Book, *names: str) -> Iterator[tuple[Any, ...]]:
    return zip(*(book.links[name].to_pylist() for name in names))


def _load_near(engine: DuckDB, book: Book, parties: set[str]) -> None:
    """Make the table `near_charges`: those that can be credited to the parties."""
    links = list(_links(book, "of_kind", "issuer", "subject", "party"))
    customers = {
        subject for kind, _, subject, party in links if kind == "customer" and party in parties
    }
    named = [
        (kind, issuer, subject)
        for kind, issuer, subject, party in links
        if (kind in ("order", "resource") and party in parties)
        or (kind in ("account", "sub-account") and party in customers)
    ]
    engine.load("near_subjects", _subjects(named))
    accounts = _accounts_of(engine)
    owners = {
        party
        for kind, issuer, subject, party in links
        if kind == "account" and (issuer, subject) in accounts
    }
    more = [
        (kind, issuer, subject)
        for kind, issuer, subject, party in links
        if kind in ("account", "sub-account") and party in owners
    ]
    engine.load("near_subjects", _subjects([*named, *more]))
    _accounts_of(engine)
    engine.connection.execute(
        "CREATE OR REPLACE TABLE near_charges AS SELECT c.* FROM charges AS c"
        " SEMI JOIN near_accounts AS a"
        " ON a.issuer = c.InvoiceIssuerName AND a.account = c.BillingAccountId"
    )


def _subjects(rows: Sequence[tuple[str, str, str]]) -> pa.Table:
    names = ("of_kind", "issuer", "subject")
    columns = list(zip(*sorted(set(rows)))) or [(), (), ()]
    return pa.table({name: pa.array(values, pa.string()) for name, values in zip(names, columns)})


def _accounts_of(engine: DuckDB) -> set[tuple[str, str]]:
    """Make the table `near_accounts`: those with charges of `near_subjects`; return them."""
    present = engine.columns("charges")
    parts = [
        "SELECT DISTINCT c.InvoiceIssuerName AS issuer, c.BillingAccountId AS account"
        f" FROM charges AS c SEMI JOIN near_subjects AS s ON s.of_kind = '{kind}'"
        f" AND s.issuer = c.InvoiceIssuerName AND s.subject = c.{quoted(column)}"
        for kind, column in _NAMED_COLUMNS.items()
        if column in present
    ]
    sql = "CREATE OR REPLACE TABLE near_accounts AS " + " UNION ".join(parts)
    engine.connection.execute(sql)
    rows = engine.query("SELECT issuer, account FROM near_accounts").to_pylist()
    return {(row["issuer"], row["account"]) for row in rows}
