"""From the charges of a workspace to groups of codes: what fills groups.sql, and its tables."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

import pyarrow as pa

from fenrun.book.as_codes import NAMED, Book, named_subjects, subject_code
from fenrun.charges.rows import COSTS, ORDER
from fenrun.credit.on_whole_numbers import Crediting, costs_of
from fenrun.engine.codes import Codes, day_number
from fenrun.engine.dialect import as_integer, quoted
from fenrun.engine.duckdb import DuckDB
from fenrun.engine.runner import Runner
from fenrun.engine.steps import read_steps
from fenrun.plan.conditions import Tree, number_sql, to_sql
from fenrun.plan.rows import Plan
from fenrun.plan.vocabulary import BASES

_STEPS = {step.name: step for step in read_steps("fenrun.credit", "groups.sql")}
_LATE = 62
"""Days before and after the months settled within which charges of one span are summed.

Older and later ones day by day.
"""
_NARROW = re.compile(r"DECIMAL\((\d|1[0-8]),")
_NAMED_COLUMNS = {"sub-account": "sub_account", "order": "order", "resource": "resource"}


@dataclass(frozen=True)
class Extent:
    """The size of some charges, which a settlement must know before it reads them."""

    rows: int
    low: datetime | None
    """The first moment (UTC) at which a charge begins."""
    high: datetime | None
    """The last one."""
    totals: tuple[Decimal, ...]
    """The sum of each cost, in the order of the bases."""
    sizes: tuple[Decimal, ...]
    """The sum of each cost without its sign."""


class StoredCharges:
    """The charges of an engine's table that are billed in some months, as plans read them."""

    def __init__(
        self,
        engine: DuckDB,
        plans: Sequence[Plan],
        bases: Sequence[str],
        months: tuple[date, date],
        table: str = "charges",
        where: str = "true",
    ):
        self.engine, self.plans, self.bases, self.table = engine, plans, bases, table
        self.start, self.end = months
        self.where = where
        """SQL: which of them are meant."""
        self.present = engine.columns(table)
        """The engine's type of each column."""
        self.scale = max(
            (self._decimals(name) for basis in bases for name in costs_of(basis)), default=0
        )
        """The decimals of the costs."""
        self.extent = self._extent()

    # --- columns of a charge ------------------------------------------------------------------

    def column(self, name: str) -> str:
        """Return SQL of a column, also where no file has it."""
        if name in self.present:
            return quoted(name)
        return f"CAST(NULL AS {'DECIMAL(18,2)' if name in COSTS else 'VARCHAR'})"

    def number(self, name: str) -> str:
        """Return SQL of a column as a number; null where it is none."""
        if self.present.get(name, "").startswith("DECIMAL"):
            return self.column(name)
        return f"TRY_CAST({self.column(name)} AS DECIMAL(38,15))"

    def condition(self, tree: Tree) -> str:
        """Return SQL of whether a condition on a charge holds."""
        return to_sql(tree, self._reading)

    def _reading(self, what: str, name: str) -> str:
        if what == "number":
            return number_sql(name, self.number)
        return f"CAST({self.column(name)} AS VARCHAR)"

    def amount(self, basis: str) -> str:
        """Return SQL of a charge's amount in a basis; of two costs the one nearer to zero."""
        found = [
            f"CAST({self.number(name)} AS DECIMAL(38, {self.scale}))" for name in costs_of(basis)
        ]
        if len(found) == 1:
            return found[0]
        one, other = found
        return (
            f"CASE WHEN abs({one}) <= abs({other}) THEN {one}"
            f" WHEN abs({other}) < abs({one}) THEN {other} END"
        )

    def _decimals(self, name: str) -> int:
        kind = self.present.get(name, "")
        if kind.startswith("DECIMAL"):
            return int(kind[:-1].split(",")[1])
        if not kind:
            return 0
        places = f"length(rtrim(split_part(CAST({self.number(name)} AS VARCHAR), '.', 2), '0'))"
        sql = f"SELECT max({places}) AS n FROM {self.table}"
        return self.engine.query(sql).column("n").to_pylist()[0] or 0

    @property
    def within(self) -> str:
        """SQL of which rows are meant."""
        return (
            f"BillingPeriodStart >= TIMESTAMP '{self.start}' - INTERVAL 1 DAY"
            f" AND BillingPeriodStart < TIMESTAMP '{self.end}' - INTERVAL 1 DAY AND {self.where}"
        )

    def _extent(self) -> Extent:
        asked = ["count(*) AS rows", "min(ChargePeriodStart) AS low"]
        asked.append("max(ChargePeriodStart) AS high")
        for n, basis in enumerate(self.bases):
            asked += [
                f"sum({self.amount(basis)}) AS s{n}",
                f"sum(abs({self.amount(basis)})) AS z{n}",
            ]
        sql = f"SELECT {', '.join(asked)} FROM {self.table} WHERE {self.within}"
        (row,) = self.engine.query(sql).to_pylist()
        totals = tuple(row[f"s{n}"] or Decimal(0) for n in range(len(self.bases)))
        sizes = tuple(row[f"z{n}"] or Decimal(0) for n in range(len(self.bases)))
        return Extent(row["rows"], row["low"], row["high"], totals, sizes)

    # --- the day of a charge ------------------------------------------------------------------

    def day(self) -> str:
        """Return SQL of the day of a charge that says who is credited, in the plans' time zone."""
        terms, offset = self.plans[0].terms[0], self._offset()
        usual = f"CAST(ChargePeriodStart + {offset} AS DATE)"
        arms = []
        for tree, name in json.loads(terms.as_of):
            when = self.condition(tree) if tree else "true"
            found = self._named_day(name, offset) or usual
            arms.append(f"WHEN {when} THEN coalesce({found}, {usual})")
        return f"CASE {' '.join(arms)} ELSE {usual} END" if arms else usual

    def _named_day(self, name: str, offset: str) -> str | None:
        if name.startswith("x_"):
            return f"TRY_CAST({self.column(name)} AS DATE)"
        if name == "BillingPeriodStart":
            return "CAST(date_trunc('month', BillingPeriodStart + INTERVAL 1 DAY) AS DATE)"
        if name == "ChargePeriodEnd" and name in self.present:
            return f"CAST({self.column(name)} - INTERVAL 1 SECOND + {offset} AS DATE)"
        return None

    def _offset(self) -> str:
        """Return SQL of what to add to a charge's UTC time for the plan's time zone."""
        low, high = self.extent.low, self.extent.high
        if low is None or high is None:
            return "INTERVAL 0 SECOND"
        changes = offset_changes(self.plans[0].terms[0].timezone, low, high)
        arms = [
            f"WHEN ChargePeriodStart < TIMESTAMP '{until}' THEN INTERVAL '{seconds}' SECOND"
            for seconds, until in changes[:-1]
        ]
        last = f"INTERVAL '{changes[-1][0]}' SECOND"
        return f"CASE {' '.join(arms)} ELSE {last} END" if arms else last

    def window(self) -> tuple[date, date]:
        """Return the days between which a change of the book tells charges of an account apart."""
        low = self.start - timedelta(days=_LATE) if self.start.year > 1 else self.start
        high = self.end + timedelta(days=_LATE)
        first, last = self.extent.low, self.extent.high
        if first and last:  # what changes before or after all charges tells none of them apart
            low = max(low, first.date() - timedelta(days=2))
            high = min(high, last.date() + timedelta(days=2))
        return low, high

    def groups(self, crediting: Crediting, book: Book, runner: Runner) -> None:
        """Make the table `groups` in the runner from these charges. See groups.sql.

        The runner holds the book. Raises Refused where exact arithmetic does not fit.
        """
        _Grouping(self, crediting, book).run(runner)


@dataclass(frozen=True)
class _Grouping:
    """One way from charges to groups."""

    charges: StoredCharges
    crediting: Crediting
    book: Book

    def run(self, runner: Runner) -> None:
        engine = self.charges.engine
        filled = self._fragments(runner)
        for name in ("charge_lines", "corrected", "coded_charges", "groups"):
            if name != "corrected" or self._has_corrections():
                engine.run(_STEPS[name], filled)
        if not runner.shares(engine.connection):
            runner.load_table("groups", engine.table("groups"))

    def _fragments(self, runner: Runner) -> dict[str, str]:
        charges, crediting = self.charges, self.crediting
        kinds = self._load_named()
        self._load_accounts()
        amounts = [f"{charges.amount(basis)} AS a{n}" for n, basis in enumerate(crediting.bases)]
        tests = [
            f", CASE WHEN {charges.condition(node)} THEN 1 ELSE 0 END AS t{n}"
            for n, node in enumerate(crediting.leaves.charge)
        ]
        units = [
            f", CAST({charges.column(name)} AS VARCHAR) AS u{n}"
            for n, name in enumerate(crediting.units)
        ]
        bought = [f"coalesce({charges.number(name)} > 0, false)" for name in BASES.values()]
        month = "BillingPeriodStart + INTERVAL 1 DAY"
        return {
            "charges": charges.table,
            "within": charges.within,
            "sub_account": charges.column("SubAccountId"),
            "order_id": charges.column(ORDER),
            "resource_id": charges.column("ResourceId"),
            "correction": f"coalesce({charges.column('ChargeClass')} = 'Correction', false)",
            "price": charges.column("SkuPriceId"),
            "month": f"year({month}) * 12 + month({month}) - 1",
            "day": charges.day(),
            "bought": " OR ".join(bought) if crediting.reads_purchases() else "false",
            "amounts": ", ".join(amounts),
            "tests": "".join(tests),
            "units": "".join(units),
            "amount_names": "".join(f", c.{a}" for a in crediting.amount_names()),
            "test_names": "".join(f", c.t{n}" for n in range(len(crediting.leaves.charge))),
            "unit_codes": self._unit_codes(),
            "keys": "".join(f", {key}" for key in crediting.key_names()),
            "sums": self._cost_sums(),
            **self._codes_of_named(kinds),
            **self._spans(runner, kinds),
        }

    def _cost_sums(self) -> str:
        """Return SQL of the sums of a group's costs, as whole numbers."""
        scale, found = self.charges.scale, []
        for n, basis in enumerate(self.crediting.bases):
            kinds = [self.charges.present.get(name, "DECIMAL(18,2)") for name in costs_of(basis)]
            whole = f"CAST(coalesce(sum(a{n}), 0) * {10**scale} AS HUGEINT)"
            if not all(_NARROW.match(kind) for kind in kinds):
                whole = as_integer(f"coalesce(sum(a{n}), 0)", scale)
            found.append(f", {whole} AS a{n}, count(*) - count(a{n}) AS lacking{n}")
        return "".join(found)

    # --- codes --------------------------------------------------------------------------------

    def _load_named(self) -> set[str]:
        """Load what the book names of orders, resources and sub-accounts; return their kinds."""
        rows = named_subjects(self.book, self.crediting.codes)
        rows = [row for row in rows if self._column_of(row[0]) in self.charges.present]
        kinds, issuers, subjects, numbers = zip(*rows) if rows else ((), (), (), ())
        table = pa.table(
            {
                "of_kind": pa.array(kinds, pa.string()),
                "issuer": pa.array(issuers, pa.string()),
                "subject": pa.array(subjects, pa.string()),
                "code": pa.array(numbers, pa.int64()),
            }
        )
        self.charges.engine.load("named", table)
        return set(kinds)

    @staticmethod
    def _column_of(kind: str) -> str:
        return {"order": ORDER, "resource": "ResourceId", "sub-account": "SubAccountId"}[kind]

    def _load_accounts(self) -> None:
        """Load the codes of accounts, currencies and units."""
        charges, codes = self.charges, self.crediting.codes
        engine, of = charges.engine, f"FROM {charges.table} WHERE {charges.within}"
        found = engine.query(
            f"SELECT DISTINCT InvoiceIssuerName AS issuer, BillingAccountId AS account {of}"
        )
        pairs = zip(found.column("issuer").to_pylist(), found.column("account").to_pylist())
        numbers = [subject_code(codes, issuer, account) for issuer, account in pairs]
        engine.load("accounts", found.append_column("code", pa.array(numbers, pa.int64())))
        found = engine.query(f"SELECT DISTINCT BillingCurrency AS currency {of}")
        engine.load("currencies", found.append_column("code", _codes(codes, found["currency"])))
        for n, name in enumerate(self.crediting.units):
            text = f"CAST({charges.column(name)} AS VARCHAR)"
            found = engine.query(f"SELECT DISTINCT {text} AS unit {of} AND {text} IS NOT NULL")
            engine.load(f"unit{n}", found.append_column("code", _codes(codes, found["unit"])))

    def _unit_codes(self) -> str:
        return "".join(
            f", coalesce(w{n}.code, 0) AS u{n}" for n in range(len(self.crediting.units))
        )

    def _has_corrections(self) -> bool:
        named = self.charges.engine.query(
            "SELECT 1 FROM named WHERE of_kind IN ('order', 'resource') LIMIT 1"
        )
        return bool(named.num_rows) and "ChargeClass" in self.charges.present

    def _codes_of_named(self, kinds: set[str]) -> dict[str, str]:
        """Return SQL of the codes of what the book names, with the joins that bring them."""
        joins = [
            f"\nLEFT JOIN named AS {alias} ON {alias}.of_kind = '{kind}'"
            f" AND {alias}.issuer = c.issuer AND {alias}.subject = c.{_NAMED_COLUMNS[kind]}_name"
            for alias, kind in (("s", "sub-account"), ("o", "order"), ("r", "resource"))
            if kind in kinds
        ]
        inherits = self._has_corrections()
        if inherits:
            joins.append(
                "\nLEFT JOIN corrected AS k ON k.issuer = c.issuer"
                " AND k.account_name = c.account_name AND k.started = c.started"
                " AND k.price = CASE WHEN c.correction AND c.order_name IS NULL"
                " AND c.resource_name IS NULL THEN c.price END"
            )
        joins += [
            f"\nLEFT JOIN unit{n} AS w{n} ON w{n}.unit = c.u{n}"
            for n in range(len(self.crediting.units))
        ]
        none = "CAST(NULL AS BIGINT)"
        order = "o.code" if "order" in kinds else none
        resource = "r.code" if "resource" in kinds else none
        return {
            "sub_account_code": "s.code" if "sub-account" in kinds else none,
            "order_code": f"coalesce({order}, k.order_id)" if inherits else order,
            "resource_code": f"coalesce({resource}, k.resource_id)" if inherits else resource,
            "joins": "".join(joins),
        }

    # --- spans --------------------------------------------------------------------------------

    def _spans(self, runner: Runner, kinds: set[str]) -> dict[str, str]:
        """Return SQL of the day that stands for a charge's.

        It is the first of a span between changes of the book and dates in the plans, unless a
        condition reads the day itself.
        """
        plans, (low, high) = self.charges.plans, self.charges.window()
        joins = self._codes_of_named(kinds)["joins"]
        if self.crediting.reads_days() or any(json.loads(p.terms[0].as_of) for p in plans):
            return {"span": "c.own_day", "joins": joins}
        depth = self.crediting.depth
        filled = {"low": str(day_number(low)), "high": str(day_number(high)), "depth": str(depth)}
        for name in ("turning_days", "spans"):
            runner.run(_STEPS[name], filled)
        spans = runner.rows("SELECT account, valid_from, valid_to FROM spans")
        if not runner.shares(self.charges.engine.connection):
            columns = list(zip(*spans)) or [(), (), ()]
            names = ("account", "valid_from", "valid_to")
            arrays = {name: pa.array(values, pa.int64()) for name, values in zip(names, columns)}
            self.charges.engine.load("spans", pa.table(arrays))
        plain = filled["low"]
        if spans:
            joins += (
                "\nLEFT JOIN spans AS n ON n.account = a.code"
                " AND n.valid_from <= c.own_day AND c.own_day < n.valid_to"
            )
            plain = f"coalesce(n.valid_from, {plain})"
        dates = {d for p in plans for x in p.exclusions for d in (x.valid_from, x.valid_to)}
        inside = sorted((day_number(d) for d in dates if low < d < high), reverse=True)
        if inside:
            arms = " ".join(f"WHEN c.own_day >= {day} THEN {day}" for day in inside)
            plain = f"greatest({plain}, CASE {arms} ELSE {filled['low']} END)"
        own = [f"c.own_day < {filled['low']}", f"c.own_day >= {filled['high']}"]
        aliases = {"sub-account": "s", "order": "o", "resource": "r"}
        own += [f"{aliases[kind]}.code IS NOT NULL" for kind in NAMED if kind in kinds]
        own += ["k.price IS NOT NULL"] if self._has_corrections() else []
        return {"span": f"CASE WHEN {' OR '.join(own)} THEN c.own_day ELSE {plain} END"} | {
            "joins": joins
        }


def _codes(codes: Codes, column: pa.ChunkedArray) -> pa.Array:
    return pa.array([codes.of(text) for text in column.to_pylist()], pa.int64())


def offset_changes(zone: str, low: datetime, high: datetime) -> list[tuple[int, datetime]]:
    """Return the zone's offsets from UTC in seconds, each with the moment at which it ends."""
    info = ZoneInfo(zone)

    def offset(moment: datetime) -> int:
        shift = moment.replace(tzinfo=UTC).astimezone(info).utcoffset() or timedelta()
        return int(shift.total_seconds())

    found, at = [], low.replace(microsecond=0)
    while at <= high:
        after = min(at + timedelta(days=1), high + timedelta(seconds=1))
        if offset(at) != offset(after):
            one, other = at, after
            while other - one > timedelta(seconds=1):
                middle = one + timedelta(seconds=int((other - one).total_seconds()) // 2)
                one, other = (middle, other) if offset(middle) == offset(at) else (one, middle)
            found.append((offset(at), other))
        at = after
    return [*found, (offset(high), high)]
