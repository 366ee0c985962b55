"""From the charges of a workspace to groups of codes: what fills groups.sql, and its tables.

What a condition asks of a charge is asked of the tuples of values that many charges share (cells),
as far as their columns stand there; the rest is asked row by row.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Set
from copy import copy
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from fenrun.base.ids import AT, short
from fenrun.book.as_codes import Book, named_subjects
from fenrun.charges.merged import ids_of, with_merged
from fenrun.charges.rows import COSTS, DAYS, KEYS, ORDER, key_of
from fenrun.charges.stored import StoredFiles, Tables, load_charges, of_accounts
from fenrun.credit.crediting import Crediting, costs_of
from fenrun.credit.over_days import DECIMALS, NTH, days_between_sql, divides, part_sql
from fenrun.engine.codes import Codes, day_number, month_number, month_of
from fenrun.engine.dialect import NARROW, NUMBER, as_integer, literal, quoted
from fenrun.engine.duckdb import DuckDB
from fenrun.engine.questions import Part, Question
from fenrun.engine.runner import Runner
from fenrun.engine.steps import Step, read_steps
from fenrun.plan.conditions import Tree, all_columns_of, dates_sql, number_sql, to_sql
from fenrun.plan.rows import Plan
from fenrun.plan.vocabulary import BASES, EACH_DAY
from fenrun.store.facts import Import, verified

GROUP_STEPS = read_steps("fenrun.credit", "groups.sql")
_STEPS = {step.name: step for step in GROUP_STEPS}
_NONE = "CAST(NULL AS BIGINT)"
_GROUP_NAMES = ("account", "sub_account", "order_id", "resource_id", "month")
"""Columns by which groups and their charges are told apart, whatever the plans."""
_NAMED = {"sub-account": "sub_account", "order": "order", "resource": "resource"}
"""The kinds of subjects that the book can name, as the keys of charges are called."""
_NAMED_IN = {"order": ORDER, "resource": "ResourceId", "sub-account": "SubAccountId"}
"""The columns by which charges name them."""
_CORRECTION = ["in", "ChargeClass", ["Correction"]]
_BILLED = ("first_billed", "last_billed")
_NAMED_COLUMNS = ("sub_account", "order_id", "resource_id")
_NEVER = day_number(date.max)
_FEW = 200_000
"""The most charges that are kept in memory while they are grouped."""
_BITS_OF_WORD = 48
"""How many questions asked of charges one number answers."""
_DAY = 24 * 60 * 60 * 1_000_000
"""A day in microseconds, as moments are counted."""
_MOST_PACKED = 1 << 62
"""What one packed number can tell apart."""
_PLACED = """
SELECT c.*, a.code AS account, k.kind, k.corrects
FROM {rows} AS c
JOIN {accounts} AS a ON a.account_no = c.account_no
JOIN {cells} AS k ON k.cell_no = c.cell_no""".strip()
_KINDS = ("cell_facts", "kind_texts", "cell_kinds")
_MOST_KNOWN = 32
_known_kinds: dict[tuple[str, ...], tuple[pa.Table, pa.Table]] = {}
"""The kinds of cells, and the kind of each, by the SQL that finds them, which names the files."""
_BESIDE_ROWS = (("accounts", "accounts", "account_no"), ("cells", "cell_kinds", "cell_no"))
"""What rows are joined with: as files count them, the table of all files, and its key."""
_PLACED_AT_ONCE = _PLACED.format(rows="charge_rows", accounts="accounts", cells="cell_kinds")
_OF_NAMED = _PLACED.format(
    rows="charge_rows",
    accounts="(SELECT m.* FROM accounts AS m JOIN named_accounts AS n ON n.account = m.code)",
    cells="cell_kinds",
)
"""The charges of accounts with named orders or resources: few, so others are left out first."""


@dataclass(frozen=True)
class Source:
    """Imports of charges, and of some of them by id the condition on those rows that are meant."""

    imports: Sequence[Import]
    only: Mapping[str, str] = field(default_factory=dict)
    merged: bool = False
    """Whether what the cache has merged of them may be read in their place: nowhere where what is
    read is sealed."""

    def load(self, engine: DuckDB, name: str) -> None:
        """Make the charges known to the engine under a name, as they came. Raises Refused."""
        load_charges(engine, name, verified(self.imports), self.only)


@dataclass(frozen=True)
class Near:
    """The charges of some accounts of a file, and the tables that hold them and the accounts."""

    rows: pa.Table
    tables: Tables


@dataclass(frozen=True)
class Month:
    """The charges that are billed in a month, in all."""

    month: int
    first_day: int
    last_day: int
    rows: int
    totals: tuple[Decimal, ...]
    """The sum of each cost, in the order of the bases."""
    sizes: tuple[Decimal, ...]
    """The sum of each cost without its sign."""


class StoredCharges:
    """The charges of some imports that are billed in some months, as plans read them."""

    def __init__(
        self,
        engine: DuckDB,
        source: Source,
        plans: Sequence[Plan],
        bases: Sequence[str],
        months: tuple[date, date],
        most: int | None = None,
    ):
        """Begin. With `most`, each cost is rounded to so many decimals, half away from zero."""
        self.engine, self.source, self.plans, self.bases = engine, source, plans, bases
        self.start, self.end = months
        self.accounts: Set[tuple[str, str]] | None = None
        """The accounts of which charges are meant, by issuer and name; None: all."""
        self._keys: dict[str, set[int]] = {}
        self.near: dict[int, Near] = {}
        """What was read of these accounts once (see `read_near`), by the number of the file."""
        self.by_day = False
        """True if each day of all charges is a group, whether or not anything changes on it."""
        self.imports = verified(billed_in(source.imports, months))
        read = with_merged(self.imports, source.only) if source.merged else self.imports
        found = map(StoredFiles, read)
        self.files = [_File(number, self, one, source.only) for number, one in enumerate(found)]
        self.divides = divides(plans)
        """True if charges are divided over days."""
        found_scales = (file.decimals(n) for file in self.files for b in bases for n in costs_of(b))
        self.exact_scale = max((DECIMALS if self.divides else 0, *found_scales))
        """The decimals of the costs as they came, or of their parts."""
        self.scale = self.exact_scale if most is None else min(most, self.exact_scale)
        """The decimals of the costs: of each charge, so that a part is rounded as the whole."""
        self.present = {name for file in self.files for name in file.stored.columns}
        """The columns that any file has."""

    def of(self, accounts: Set[tuple[str, str]]) -> StoredCharges:
        """Return the charges of some accounts alone."""
        some = copy(self)
        some.files = [replace(file, charges=some) for file in self.files]
        some.accounts, some._keys, some.near = accounts, {}, {}
        some.__dict__.pop("all_months", None)
        return some

    def read_near(self) -> None:
        """Read the charges of the accounts that are meant, once for all that is asked of them.

        They stay until others are read so in the same schema of the engine.
        """
        for file in () if self.engine.is_far else self.files:
            rows = file.stored.rows_of(file.meant())
            if rows is not None:
                tables = (f"near_rows_{file.number}", f"near_accounts_{file.number}")
                self.engine.show(tables[0], rows)
                self.engine.show(tables[1], file.account_table)
                self.near[file.number] = Near(rows, tables)

    def with_scale(self, scale: int) -> StoredCharges:
        """Return the charges with costs of at most so many decimals."""
        if scale == self.scale:
            return self
        some = copy(self)
        some.files = [replace(file, charges=some) for file in self.files]
        some.scale = scale
        some.__dict__.pop("all_months", None)
        return some

    def part(self, source: Source, months: tuple[date, date]) -> StoredCharges:
        """Return some of the charges, with the decimals of all."""
        some = StoredCharges(self.engine, source, self.plans, self.bases, months)
        some.scale, some.accounts = self.scale, self.accounts
        return some

    @property
    def rounds(self) -> bool:
        """True if costs are settled on fewer decimals than they came with."""
        return self.scale < self.exact_scale

    def rounded(self) -> tuple[int, Decimal]:
        """Return how many costs were rounded, and what that put on their sum."""
        rows, total = 0, Decimal(0)
        for file in self.files:
            for basis in self.bases:
                columns = {"less": file.rounded(basis, self.exact_scale)}
                sql = f"SELECT count(*) FILTER (less <> 0), sum(less) FROM ({file.query(columns)})"
                ((count, difference),) = self.engine.connection.execute(sql).fetchall()
                rows, total = rows + count, total + (difference or 0)
        return rows, total

    @cached_property
    def all_months(self) -> StoredCharges:
        """The charges of the same imports in all months, if some here can correct one elsewhere.

        Else these alone. What a correction inherits must not depend on the months asked for; it
        has the start of what it corrects, so imports say where that can be.
        """
        starts = [
            (item.facts.get("first_start", ""), item.facts.get("last_start", "9999"))
            for item in (file.stored.item for file in self.files)
            if item.facts.get("corrections", 1)
        ]
        for item in self.source.imports if starts else ():
            first, last = item.facts.get("first_start", ""), item.facts.get("last_start", "9999")
            is_near = last >= min(starts)[0] and first <= max(end for _, end in starts)
            if is_near and not self._has_all_of(item):
                return self.part(self.source, (date.min, date.max))
        return self

    def _has_all_of(self, item: Import) -> bool:
        """Return whether all charges of an import are billed in the months asked for."""
        first, last = item.facts.get("first_billed", ""), item.facts.get("last_billed", "9999")
        return bool(first >= str(self.start) and last < str(self.end - timedelta(days=1)))

    def load(self, name: str) -> None:
        """Make the charges of the accounts that are meant known to the engine, as they came.

        They have the columns that are `present`, and `import_id` and `row_no`.
        """
        items = [file.stored.item for file in self.files]
        accounts = {file.stored.item.id: file.meant() for file in self.files}
        near = {self.files[number].stored.item.id: one.tables for number, one in self.near.items()}
        load_charges(self.engine, name, items, self.source.only, accounts, near)

    def months(self) -> list[int]:
        """Return every month in which charges can be billed."""
        billed = [file.stored.item.facts for file in self.files]
        days = [date.fromisoformat(f[e]) for f in billed for e in _BILLED if f.get(e)]
        if not days:
            return []
        first = max(month_number(min(days)), month_number(self.start))
        # What is billed from the last day of a month on is of the next one.
        end = min(month_number(max(days) + timedelta(days=1)) + 1, month_number(self.end))
        return list(range(first, end))

    def imports_of(self, month: int) -> list[str]:
        """Return the ids of the imports that can have charges that are billed in a month."""
        months = (month_of(month), month_of(month + 1))
        return [item.id for item in billed_in(self.imports, months)]

    def inherits(self, crediting: Crediting, book: Book) -> bool:
        """Return whether corrections can inherit what the charges that they correct name.

        These may be of other imports and months.
        """
        return _Grouping(self, crediting, book, False)._inherits

    def accounts_with(self, subjects: Iterable[tuple[str, str, str]]) -> set[tuple[str, str]]:
        """Return the accounts with charges of orders, resources or sub-accounts.

        Each is given by kind, issuer and id; an account is its issuer and name.
        """
        keys: dict[str, list[int]] = {}
        for kind, issuer, subject in subjects:
            keys.setdefault(f"{_NAMED[kind]}_key", []).append(key_of(issuer, subject))
        files = self.all_months.files
        return self._accounts_where((file, file.names_one_of(keys)) for file in files)

    def keys_of(self, kind: str) -> set[int]:
        """Return the keys of all orders, resources or sub-accounts of the charges."""
        if kind not in self._keys:
            key, whole = f"{_NAMED[kind]}_key", self.all_months
            files = [file for file in whole.files if key in file.stored.keys]
            near = [whole.near[f.number].rows[key] for f in files if f.number in whole.near]
            found = {one for column in near for one in pc.unique(column).to_pylist()}
            parts = [f.query({"key": key}) for f in files if f.number not in whole.near]
            sql = f"SELECT DISTINCT key FROM ({' UNION ALL '.join(parts)})"
            found.update(self.engine.query(sql).column("key").to_pylist() if parts else ())
            self._keys[kind] = found
        return self._keys[kind]

    def pairs(self) -> set[tuple[str, str]]:
        """Return all accounts of the files, by issuer and name."""
        return {pair for file in self.files for _, pair in file.accounts()}

    def accounts_that_inherit(self, book: Book) -> set[tuple[str, str]]:
        """Return the accounts in which a correction can inherit an order or a resource.

        They have corrections, and charges of what the book names.
        """
        found = self.accounts_with_corrections()
        links = book.links.select(["of_kind", "issuer", "subject"])
        named = links.filter(pc.is_in(links["of_kind"], pa.array(("order", "resource"))))
        subjects = zip(*(column.to_pylist() for column in named.columns))
        return found & self.of(found).accounts_with(subjects) if found else set()

    def accounts_with_corrections(self) -> set[tuple[str, str]]:
        """Return the accounts that have corrections."""
        found = [file for file in self.files if file.stored.item.facts.get("corrections", 1)]
        return self._accounts_where((file, file.condition(_CORRECTION)) for file in found)

    def accounts_left_out(self) -> set[tuple[str, str]]:
        """Return the accounts with rows that do not meet the condition for their import."""
        only = self.source.only
        left = ((file, only.get(file.stored.item.id)) for file in self.files)
        return self._accounts_where((file, f"NOT ({sql})") for file, sql in left if sql)

    def _accounts_where(self, asked: Iterable[tuple[_File, str]]) -> set[tuple[str, str]]:
        """Return the accounts with a charge that meets the condition said for its file, if any."""
        conditions = {file.number: (file, sql) for file, sql in asked if sql}
        if not conditions:
            return set()
        queries = (file.accounts_where(sql) for file, sql in conditions.values())
        found = self.engine.query(" UNION ALL ".join(queries))
        numbers = zip(*(found[name].to_pylist() for name in ("file", "account_no")))
        pairs = {number: dict(file.accounts()) for number, (file, _) in conditions.items()}
        return {pairs[file][account] for file, account in numbers}

    def count_accounts(self) -> int:
        """Return how many accounts there are at least: files mostly have the same."""
        return max((file.stored.counts["accounts"] for file in self.files), default=0)

    def rows(self) -> int:
        """Return how many charges there are at most."""
        return sum(int(file.stored.item.facts.get("rows", 0)) for file in self.files)

    @cached_property
    def offsets(self) -> list[tuple[int, datetime]]:
        """The offsets of the plans' time zone from UTC while charges begin, each with its end."""
        ends = [
            datetime.fromisoformat(file.stored.item.facts[name])
            for file in self.files
            for name in ("first_start", "last_start")
            if file.stored.item.facts.get(name)
        ]
        zone = self.plans[0].terms[0].timezone
        return offset_changes(zone, min(ends), max(ends)) if ends else []

    @property
    def each_day(self) -> bool:
        """True if each day of all charges is a group: a plan names the day, or has a rate of it."""
        terms = [plan.terms[0] for plan in self.plans]
        by_rate = any(one.converts_on == "day" for one in terms)
        return self.by_day or by_rate or any(json.loads(one.as_of) for one in terms)

    def groups(
        self,
        crediting: Crediting,
        book: Book,
        runner: Runner,
        check: Callable[[Sequence[Month]], None],
        for_rows: bool = False,
    ) -> None:
        """Make the table `groups` in the runner from these charges. See groups.sql.

        The runner holds the book. What is charged is told to `check` before, month by month: it may
        refuse. The engine keeps `coded_charges`, row by row; groups say `for_rows` by which
        columns they are theirs. Raises Refused where exact arithmetic does not fit.
        """
        _Grouping(self, crediting, book, for_rows).run(runner, check)

    def meeting(self, trees: Sequence[Tree], names: Sequence[str] = ()) -> str:
        """Return the query of the charges that meet conditions, one row for each that is met.

        Columns: import_id, row_no, own_day (a number), place (that of the condition among `trees`),
        and columns of the charge as text.
        """
        parts = [file.query(file.meeting(trees, names)) for file in self.files]
        more = "".join(f", {name}" for name in names)
        if not parts or not trees:
            nothing = "".join(f", '' AS {name}" for name in names)
            return f"SELECT '' AS import_id, 0 AS row_no, 0 AS own_day, 0 AS place{nothing} LIMIT 0"
        met = f"SELECT *, unnest(places) AS place FROM ({' UNION ALL '.join(parts)})"
        named = f"import_id, row_no, own_day, place{more}"
        return f"SELECT {named} FROM ({met}) WHERE place IS NOT NULL"

    def same_group(self, crediting: Crediting) -> str:
        """Return SQL of whether a row t of `coded_charges` is in a group g (see `for_rows`)."""
        names = [*_GROUP_NAMES, "kind", *_bit_names(crediting), "day_key"]
        names += [f"own_{unit}" for unit in crediting.unit_names()]
        return " AND ".join(f"g.{name} IS NOT DISTINCT FROM t.{name}" for name in names)


def billed_in(imports: Iterable[Import], months: tuple[date, date]) -> list[Import]:
    """Return the imports that can have charges that are billed from a day up to another."""
    first, last = months
    near = str(first - timedelta(days=1)) if first > date.min else str(first)
    return [
        item
        for item in imports
        if item.facts.get("last_billed", "9999") >= near
        and item.facts.get("first_billed", "") < str(last)
    ]


@lru_cache(maxsize=256)
def _correcting_cells(path: Path) -> pa.Array:
    """Return the numbers of the cells of corrections in a file, which is never written again."""
    cells = pq.read_table(path, columns=["cell_no", "ChargeClass"])
    return cells.filter(pc.equal(cells["ChargeClass"], "Correction"))["cell_no"].combine_chunks()


@dataclass(frozen=True)
class _File:
    """One import's files, as SQL reads them."""

    number: int
    charges: StoredCharges
    stored: StoredFiles
    only: Mapping[str, str]

    def decimals(self, name: str) -> int:
        """Return the decimals of a column, as far as it holds numbers."""
        if name not in self.stored.columns:
            return 0
        kind = self.stored.type_of(name)
        if pa.types.is_decimal(kind):
            return int(kind.scale)
        text = f"CAST({self.as_number(name)} AS VARCHAR)"
        places = f"max(length(rtrim(split_part({text}, '.', 2), '0')))"
        sql = f"SELECT {places} AS n FROM {self._joined(text)}"
        return self.charges.engine.query(sql).column("n").to_pylist()[0] or 0

    # --- columns ------------------------------------------------------------------------------

    def is_of_cell(self, names: Iterable[str]) -> bool:
        """Return whether columns are held by cells, or are the same in all rows, or are not there.

        What is asked of them is then asked of cells.
        """
        return all(self.stored.place_of(name) in ("", "k") for name in names)

    def column(self, name: str) -> str:
        """Return SQL of a column, also where the file does not have it."""
        if name in self.stored.constants:
            return self.stored.constants[name]
        place = self.stored.place_of(name)
        if place:
            return f"{place}.{quoted(self.stored.name_of(name))}"
        return f"CAST(NULL AS {'DECIMAL(18,2)' if name in COSTS else 'VARCHAR'})"

    def as_number(self, name: str) -> str:
        """Return SQL of a column as a number; null where it is none."""
        if name in self.stored.columns and pa.types.is_decimal(self.stored.type_of(name)):
            return self.column(name)
        return f"TRY_CAST({self.column(name)} AS DECIMAL(38,15))"

    def condition(self, tree: Tree) -> str:
        """Return SQL of whether a condition on a charge holds."""
        return to_sql(tree, self._reading)

    def meeting(self, trees: Sequence[Tree], names: Sequence[str]) -> dict[str, str]:
        """Return SQL of which conditions a charge meets, and of columns of it, by name."""
        met = (f"CASE WHEN {self.condition(t)} THEN {n} END" for n, t in enumerate(trees))
        return {
            "import_id": self.stored.import_id,
            "row_no": "c.row_no",
            "own_day": self.day_number(),
            "places": f"[{', '.join(met)}]",
            **{name: f"CAST({self.column(name)} AS VARCHAR)" for name in names},
        }

    def _reading(self, what: str, name: str) -> str:
        if what == "until":
            day, rows = json.loads(name)[1:]
            own = [
                f" OR ({self.stored.import_id} = {literal(of)} AND c.row_no IN ({', '.join(mine)}))"
                for of in map(short, ids_of(self.stored.item))
                if (mine := [str(row) for one, row in rows if one == of])
            ]
            return f"({self.day()} < DATE '{day}'{''.join(own)})"
        if what == "number":
            return number_sql(name, self.as_number)
        if what in ("charge date", "date"):
            return dates_sql(name, lambda one: self._named_day(one) or self.day())
        return f"CAST({self.column(name)} AS VARCHAR)"

    def amount(self, basis: str) -> str:
        """Return SQL of a charge's amount in a basis; of two costs the one nearer to zero."""
        return self._amount(basis, self.charges.scale)

    def part(self, basis: str) -> str:
        """Return SQL of the part of that amount which the row's day has."""
        if not self.charges.divides:
            return self.amount(basis)
        return part_sql(self.amount(basis), self.charges.scale, self.days())

    def _amount(self, basis: str, scale: int) -> str:
        found = [self._cast(name, scale) for name in costs_of(basis)]
        if len(found) == 1:
            return found[0]
        one, other = found
        return (
            f"CASE WHEN abs({one}) <= abs({other}) THEN {one}"
            f" WHEN abs({other}) < abs({one}) THEN {other} END"
        )

    def rounded(self, basis: str, exact: int) -> str:
        """Return SQL of what rounding puts on a charge's amount in a basis."""
        held = f"CAST({self.amount(basis)} AS DECIMAL(38, {exact}))"
        return f"{held} - ({self._amount(basis, exact)})"

    def _cast(self, name: str, scale: int) -> str:
        """Return SQL of a cost with the decimals that all costs have."""
        number = self.as_number(name)
        if name in self.stored.columns:
            kind = self.stored.type_of(name)
            if pa.types.is_decimal(kind) and kind.scale == scale:
                return number
        return f"CAST({number} AS DECIMAL(38, {scale}))"

    def is_narrow(self, bases: Sequence[str]) -> bool:
        """Return whether all costs of some bases fit a machine word."""
        if self.charges.divides:
            return False
        names = [n for basis in bases for n in costs_of(basis) if n in self.stored.columns]
        kinds = [self.stored.type_of(name) for name in names]
        return all(pa.types.is_decimal(kind) and kind.precision <= NARROW for kind in kinds)

    def day(self) -> str:
        """Return SQL of the day of a charge that says who is credited, in the plans' time zone."""
        usual = f"CAST({self.column('ChargePeriodStart')} + {self._offset()} AS DATE)"

        def named(name: str) -> str:
            if name in EACH_DAY:
                first = self._named_day(f"{EACH_DAY[name]}Start") or usual
                return f"({first} + CAST({NTH} AS INTEGER))"
            return f"coalesce({self._named_day(name) or usual}, {usual})"

        return self._as_of(named, usual)

    def days(self) -> str:
        """Return SQL of over how many days a charge is divided."""

        def named(name: str) -> str:
            if EACH_DAY.get(name) == "BillingPeriod":
                first = self._named_day("BillingPeriodStart")
                return f"date_diff('day', {first}, {first} + INTERVAL 1 MONTH)"
            if name not in EACH_DAY:
                return "1"
            ends = (self.column(f"ChargePeriod{end}") for end in ("Start", "End"))
            is_there = "ChargePeriodEnd" in self.stored.columns
            return days_between_sql(*ends) if is_there else "1"

        return self._as_of(named, "1")

    def _as_of(self, named: Callable[[str], str], usual: str) -> str:
        """Return SQL of what the first condition that holds names, else of what is usual."""
        arms = []
        for tree, name in json.loads(self.charges.plans[0].terms[0].as_of):
            when = self.condition(tree) if tree else "true"
            arms.append(f"WHEN {when} THEN {named(name)}")
        return f"CASE {' '.join(arms)} ELSE {usual} END" if arms else usual

    def day_number(self) -> str:
        """Return SQL of the same day as days since 1970: where no plan names one, by division."""
        if json.loads(self.charges.plans[0].terms[0].as_of):
            return f"date_diff('day', DATE '1970-01-01', {self.day()})"
        started = f"epoch_us({self.column('ChargePeriodStart')})"
        shift = f"CAST({self._offset_seconds()} AS BIGINT) * 1000000"
        return f"({started} + {shift}) // {_DAY}"

    def _named_day(self, name: str) -> str | None:
        if name.startswith("x_"):
            said = f"TRY_CAST({self.column(name)} AS DATE)"
            first, end = (literal(str(day)) for day in DAYS)
            return f"CASE WHEN {said} >= DATE {first} AND {said} < DATE {end} THEN {said} END"
        if name == "BillingPeriodStart":
            billed = self.column("BillingPeriodStart")
            return f"CAST(date_trunc('month', {billed} + INTERVAL 1 DAY) AS DATE)"
        if name == "ChargePeriodEnd" and name in self.stored.columns:
            return f"CAST({self.column(name)} - INTERVAL 1 SECOND + {self._offset()} AS DATE)"
        return None

    def _offset(self) -> str:
        """Return SQL of what to add to a charge's UTC time for the plan's time zone."""
        return f"to_seconds({self._offset_seconds()})"

    def _offset_seconds(self) -> str:
        """Return SQL of the same in seconds."""
        if not self.charges.offsets:
            return "0"
        *before, (last, _) = self.charges.offsets
        started = self.column("ChargePeriodStart")
        arms = [f"WHEN {started} < TIMESTAMP '{until}' THEN {seconds}" for seconds, until in before]
        return f"CASE {' '.join(arms)} ELSE {last} END" if arms else str(last)

    def month(self) -> str:
        """Return SQL of the month in which a charge is billed."""
        billed = f"{self.column('BillingPeriodStart')} + INTERVAL 1 DAY"
        return f"year({billed}) * 12 + month({billed}) - 1"

    # --- rows ---------------------------------------------------------------------------------

    def query(self, columns: Mapping[str, str]) -> str:
        """Return the query of the rows that are meant, with columns of SQL by name."""
        named = ", ".join(f"{sql} AS {name}" for name, sql in columns.items())
        billed = self.column("BillingPeriodStart")
        where = [
            f"{billed} >= TIMESTAMP '{self.charges.start}' - INTERVAL 1 DAY",
            f"{billed} < TIMESTAMP '{self.charges.end}' - INTERVAL 1 DAY",
        ]
        condition = self.only.get(self.stored.item.id)
        if condition:
            where.append(f"c.row_no IN (SELECT row_no FROM {self._all()} WHERE {condition})")
        if self.charges.accounts is not None and self.number not in self.charges.near:
            where.append(of_accounts(self.meant()))
        meant = " AND ".join(where)
        return f"SELECT {named} FROM {self._joined(named + meant)} WHERE {meant}"

    def of_files(self, columns: Mapping[str, str]) -> Part:
        """Return the same query with the files that it reads."""
        files = self.stored
        beside = {"k": files.cells, "a": files.accounts}
        return Part(self.query(columns), files.charges, beside)

    def meant(self) -> list[int]:
        """Return the numbers of the accounts that are meant."""
        return [number for number, _ in self.accounts()]

    def accounts(self) -> Iterator[tuple[int, tuple[str, str]]]:
        """Yield the number of each account that is meant, with its issuer and name."""
        table = self.account_table
        names = (table[n].to_pylist() for n in ("InvoiceIssuerName", "BillingAccountId"))
        return zip(table["account_no"].to_pylist(), zip(*names))

    @cached_property
    def account_table(self) -> pa.Table:
        """The accounts that are meant: number, issuer, name, and `subject` for its code."""
        table, meant = self.stored.all_accounts, self.charges.accounts
        if meant is None:
            return table
        subjects = pa.array([f"{issuer}{AT}{name}" for issuer, name in meant], pa.string())
        return table.filter(pc.is_in(table["subject"], subjects))

    def names_one_of(self, keys: Mapping[str, list[int]]) -> str:
        """Return SQL of whether a charge has one of some keys; nothing where none can."""
        among = [
            f"c.{name} IN ({', '.join(map(str, numbers))})"
            for name, numbers in keys.items()
            if name in self.stored.keys
        ]
        return f"({' OR '.join(among)})" if among else ""

    def accounts_where(self, condition: str) -> str:
        """Return the query of the accounts, of those that are meant, with a charge that meets it.

        Columns: file (its number), account_no.
        """
        if self.charges.accounts is not None:
            condition += f" AND {of_accounts(self.meant())}"
        return (
            f"SELECT DISTINCT {self.number} AS file, c.account_no"
            f" FROM {self._joined(condition)} WHERE {condition}"
        )

    def has_open_corrections(self) -> bool:
        """Return whether a charge can be a correction that names neither order nor resource."""
        near = self.charges.near.get(self.number)
        if near is None or self.stored.place_of("ChargeClass") != "k":
            return bool(self.stored.item.facts.get("corrections", 1))
        rows = near.rows.filter(
            pc.is_in(near.rows["cell_no"], _correcting_cells(self.stored.cells))
        )
        for key in {"order_key", "resource_key"} & set(self.stored.keys):
            rows = rows.filter(pc.is_null(rows[key]))
        return bool(rows.num_rows)

    def _joined(self, read: str = "") -> str:
        """Return SQL of the rows, with cells and accounts as far as other SQL reads them."""
        files, engine, near = self.stored, self.charges.engine, self.charges.near.get(self.number)
        rows, accounts = near.tables if near else map(engine.file, (files.charges, files.accounts))
        joined = f"{rows} AS c"
        days = f"CROSS JOIN LATERAL (SELECT unnest(range({self.days()})) AS nth) AS e"
        divided = self.charges.divides and NTH in read
        read += days if divided else ""
        if 'k."' in read:
            joined += f" JOIN {engine.file(files.cells)} AS k ON k.cell_no = c.cell_no"
        if 'a."' in read:
            joined += f" JOIN {accounts} AS a ON a.account_no = c.account_no"
        return f"{joined} {days}" if divided else joined

    def _all(self) -> str:
        """Return SQL of all rows with the columns of the source, as load_charges gives them."""
        query = self.stored.query(self.charges.engine, {}, "true")
        return f"({query})"


@dataclass(frozen=True)
class _Turning:
    """The days on which something changes: if there are any, and if any is in a charged month."""

    on_days: bool
    in_months: bool


@dataclass(frozen=True)
class _Grouping:
    """One way from charges to groups."""

    charges: StoredCharges
    crediting: Crediting
    book: Book
    for_rows: bool

    def run(self, runner: Runner, check: Callable[[Sequence[Month]], None]) -> None:
        elsewhere = self._grouping_of_corrected()
        engine, filled = self.charges.engine, self._fragments()
        if elsewhere:
            engine.load("corrected", elsewhere.corrected())
        self._make_rows(filled)
        months = self._load_months(runner)
        check(months)
        turning = self._load_turning(runner)
        filled |= self._distinguishing(turning)
        if self._inherits and not elsewhere:
            self._load_corrected(filled)
        filled |= self._packed(months, int(filled["kinds"]), turning)
        kind, coded = "TABLE" if self._is_near else "VIEW", _STEPS["coded_charges"]
        engine.make(kind, coded.name, coded.filled(filled), coded.about)
        self._scan(filled)
        engine.run(_STEPS["groups"], filled)
        if not runner.shares(engine.connection):
            runner.load_table("groups", engine.table("groups"))

    def _make_rows(self, filled: dict[str, str]) -> None:
        """Make `charge_rows`; add the query of these with the accounts and cells to `filled`.

        Where there are several files each is joined with its own accounts and cells: with few of
        them, which stay at hand.
        """
        engine, step = self.charges.engine, _STEPS["charge_rows"]
        kind = "TABLE" if self._is_small else "VIEW"
        engine.make(kind, step.name, step.filled(filled), step.about)
        placed = _PLACED_AT_ONCE
        if len(self.charges.files) > 1 and not self._is_small and not engine.is_far:
            placed = "\nUNION ALL\n".join(map(self._placed, self.charges.files))
        filled["placed_charges"] = placed

    def _placed(self, file: _File) -> str:
        """Return the query of a file's charges with their accounts and cells, which it loads.

        These are tables, since of a part of one DuckDB does not know how small it is.
        """
        own = {}
        for what, table, number in _BESIDE_ROWS:
            first, name = self._first(what, file), f"{what}_{file.number}"
            last = first + file.stored.counts[what] - 1
            sql = f"SELECT * FROM {table} WHERE {number} BETWEEN {first} AND {last}"
            self.charges.engine.make("TABLE", name, sql)
            own[what] = name
        return _PLACED.format(rows=f"({file.query(self._row(file))})", **own)

    @property
    def _is_near(self) -> bool:
        """True if all files were read for some accounts: what is made of these charges is kept."""
        return len(self.charges.near) == len(self.charges.files) > 0

    @property
    def _is_small(self) -> bool:
        """True if all rows are read once and kept: each reading of a file costs its opening."""
        few = self.charges.accounts is not None or self.charges.rows() <= _FEW
        return few and not self.charges.engine.is_far

    def _rows_by_file(self, question: Question) -> list[Part]:
        """Return the rows file by file, with the columns that a question reads.

        Those of some accounts alone are none: so few are read where they are.
        """
        if self.charges.accounts is not None:
            return []
        names = set(re.findall(r"\w+", question.text))
        return [
            file.of_files({name: sql for name, sql in self._row(file).items() if name in names})
            for file in self.charges.files
        ]

    def _ask(
        self,
        step: Step,
        filled: Mapping[str, str],
        keys: Sequence[str],
        totals: Mapping[str, str] | None = None,
        views: Mapping[str, str] | None = None,
    ) -> None:
        """Run a step that asks the rows: by keys, with totals, by way of views."""
        sql = step.filled(filled)
        question = Question(step.name, sql, keys, totals or {}, views or {}, step.about)
        self.charges.engine.answer(question, self._rows_by_file)

    def _grouping_of_corrected(self) -> _Grouping | None:
        """Return the charges of accounts with corrections, if these can correct other months'."""
        whole = self.charges.all_months
        if not self._inherits or whole is self.charges:
            return None
        some = whole.of(self.charges.accounts_with_corrections())
        some.engine = DuckDB()  # of its own: its tables have the names of these
        return replace(self, charges=some)

    def corrected(self) -> pa.Table:
        """Return what corrections inherit of these charges, as the step `corrected` makes it."""
        filled = self._fragments()
        self._make_rows(filled)
        self._load_named()
        self._load_corrected(filled)
        return self.charges.engine.table("corrected")

    def _load_corrected(self, filled: Mapping[str, str]) -> None:
        """Load what corrections inherit of the charges that they correct."""
        keys = ["account", "price_key", "started"]
        self._ask(_STEPS["named_accounts"], filled, ["account"])
        self._ask(_STEPS["open_corrections"], filled, keys)
        ends = {f"{end}_{name}" for end in ("least", "most") for name in ("order", "resource")}
        totals = dict.fromkeys(("order_id", "resource_id"), "min")
        totals |= {name: "min" if name.startswith("least") else "max" for name in sorted(ends)}
        self._ask(_STEPS["originals"], filled, keys, totals)
        self.charges.engine.run(_STEPS["corrected"], dict(filled))

    def _scan(self, filled: Mapping[str, str]) -> None:
        """Load the charges summed by what tells them apart."""
        keys = [f"p{n}" for n in range(filled["packed"].count(" AS p"))] + self._key_columns()
        sums = [name for n in range(len(self.crediting.bases)) for name in (f"a{n}", f"lacking{n}")]
        totals = dict.fromkeys([*sums, "charges"], "sum") | {"bought": "min"}
        coded = {"coded_charges": _STEPS["coded_charges"].filled(filled)}
        self._ask(_STEPS["scanned"], filled, keys, totals, coded)

    # --- what is read of charges --------------------------------------------------------------

    def _fragments(self) -> dict[str, str]:
        self._load_accounts()
        kinds = self._load_kinds()
        crediting = self.crediting
        rows = [file.query(self._row(file)) for file in self.charges.files]
        tests = [
            f", d.t{n} | CAST({_bit('g', n)} AS INTEGER) AS t{n}"
            for n in range(len(crediting.leaves.charge))
        ]
        units = [f", coalesce(g.own_u{n}, d.u{n}) AS u{n}" for n in range(len(crediting.units))]
        return {
            "charge_rows": "\nUNION ALL\n".join(rows) or self._no_rows(),
            **self._correcting(),
            "kinds": str(kinds),
            "tests": "".join(tests),
            "units": "".join(units),
        }

    def _correcting(self) -> dict[str, str]:
        """Return SQL of corrections, and of what they or their originals name."""
        kinds = {"o": "order", "r": "resource"}
        joins = [
            f"LEFT JOIN named AS {alias} ON {alias}.of_kind = '{kind}'"
            f" AND {alias}.named_key = c.{kind}_key"
            for alias, kind in kinds.items()
        ]
        return {
            "is_correction": self._is_correction if self._inherits else "false",
            "is_open": self._is_open if self._inherits else "false",
            "named_joins": "\n".join(joins),
            "rows_of_named": _OF_NAMED,
        }

    @property
    def _leaves(self) -> list[Tree]:
        """Questions asked of a charge: those of conditions, and whether it is a correction."""
        asked = list(self.crediting.leaves.charge)
        return asked if _CORRECTION in asked or not self._inherits else [*asked, _CORRECTION]

    def _row(self, file: _File) -> dict[str, str]:
        """Return the columns of `charge_rows` in a file."""
        crediting, stored = self.crediting, file.stored
        own = [
            n for n, leaf in enumerate(self._leaves) if not file.is_of_cell(all_columns_of(leaf))
        ]
        words: dict[str, list[str]] = {name: [] for name in _bit_names(crediting)}
        for n in own:
            asked = file.condition(self._leaves[n])
            one = f"CASE WHEN {asked} THEN {1 << n % _BITS_OF_WORD} ELSE 0 END"
            words[_word(n)].append(one)
        bought = [f"coalesce({file.as_number(name)} > 0, false)" for name in BASES.values()]
        keys = {key: f"c.{key}" if key in stored.keys else _NONE for key in KEYS}
        amounts = {f"a{n}": file.part(basis) for n, basis in enumerate(crediting.bases)}
        units = {
            f"u{n}": f"CAST({file.column(name)} AS VARCHAR)"
            if not file.is_of_cell([name])
            else "CAST(NULL AS VARCHAR)"
            for n, name in enumerate(crediting.units)
        }
        return {
            "import_id": stored.import_id,
            "row_no": "c.row_no",
            "account_no": f"c.account_no + {self._first('accounts', file)}",
            "cell_no": f"c.cell_no + {self._first('cells', file)}",
            **keys,
            "started": file.column("ChargePeriodStart"),
            "month": file.month(),
            "own_day": file.day_number(),
            **({"days": file.days()} if self.charges.divides else {}),
            **{name: f"CAST({' + '.join(b) or 0} AS BIGINT)" for name, b in words.items()},
            "bought": " OR ".join(bought) if crediting.reads_purchases() else "false",
            **amounts,
            **units,
        }

    def _no_rows(self) -> str:
        """Return the query of no rows at all, with the same columns."""
        bits = _bit_names(self.crediting)
        numbers = ("account_no", "cell_no", *KEYS, "month", "own_day", "days", *bits)
        found = [f"{_NONE} AS {name}" for name in numbers]
        found += ["'' AS import_id", "CAST(0 AS BIGINT) AS row_no", "false AS bought"]
        found += ["TIMESTAMP '1970-01-01' AS started"]
        found += [f"CAST(0 AS DECIMAL(18, 2)) AS {a}" for a in self.crediting.amount_names()]
        found += [f"CAST(NULL AS VARCHAR) AS {u}" for u in self.crediting.unit_names()]
        return f"SELECT {', '.join(found)} WHERE false"

    def _first(self, what: str, file: _File) -> int:
        """Return how many accounts or cells the files before one have."""
        before = self.charges.files[: file.number]
        return sum(other.stored.counts[what] for other in before)

    # --- accounts, cells, named subjects ------------------------------------------------------

    def _load_accounts(self) -> None:
        """Load `accounts`: the code of each account of each file."""
        numbers: list[pa.Array] = [pa.array([], pa.int32())]
        subjects: list[pa.Array] = [pa.array([], pa.string())]
        for file in self.charges.files:
            table, first = file.account_table, self._first("accounts", file)
            numbers += pc.add(table["account_no"], first).cast(pa.int32()).chunks
            subjects += table["subject"].chunks
        codes = self.crediting.codes.of_column(pa.chunked_array(subjects))
        arrays = {"account_no": pa.chunked_array(numbers), "code": codes}
        self.charges.engine.load("accounts", pa.table(arrays))

    def _load_kinds(self) -> int:
        """Load `kinds`, what is read of cells, and `cell_kinds`, the kind of each cell.

        Return how many kinds there are.
        """
        engine, crediting = self.charges.engine, self.crediting
        tests = [f"t{n}" for n in range(len(self._leaves))]
        units = crediting.unit_names()
        parts = [self._facts_of_cells(file) for file in self.charges.files]
        none = [f"0 AS {t}" for t in tests] + [f"CAST(NULL AS VARCHAR) AS {u}" for u in units]
        nothing = ", ".join(["0 AS cell_no", "'' AS currency", *none])
        keys = ["currency", *tests, *units]
        union = "\nUNION ALL\n".join(parts) or f"SELECT {nothing} WHERE false"
        place = self._leaves.index(_CORRECTION) if _CORRECTION in self._leaves else -1
        filled = {
            "cell_facts": union,
            "kind_keys": ", ".join(keys),
            "corrects": f"n.t{place} = 1" if place >= 0 else "false",
            "same_kind": " AND ".join(f"f.{k} IS NOT DISTINCT FROM n.{k}" for k in keys),
        }
        table = self._kinds_of_cells(filled)
        for name in ("currency", *units):
            place = table.column_names.index(name)
            coded = _codes(crediting.codes, table[name])
            table = table.set_column(place, name, coded)
        engine.load("kinds", table)
        return int(table.num_rows)

    def _kinds_of_cells(self, filled: dict[str, str]) -> pa.Table:
        """Make `cell_kinds`; return `kind_texts`, the kinds with their texts.

        Of some accounts alone both are remembered: the files of cells are never written again.
        """
        engine, steps = self.charges.engine, [_STEPS[name] for name in _KINDS]
        sql = tuple(step.filled(filled) for step in steps)
        if self.charges.near and sql in _known_kinds:
            kinds, cells = _known_kinds[sql]
            engine.load("cell_kinds", cells)
            return kinds
        for step in steps:
            engine.run(step, filled)
        kinds = engine.table("kind_texts")
        if self.charges.near:
            if len(_known_kinds) >= _MOST_KNOWN:
                _known_kinds.clear()
            _known_kinds[sql] = kinds, engine.table("cell_kinds")
        return kinds

    def _facts_of_cells(self, file: _File) -> str:
        """Return the query of what is read of each cell of a file."""
        tests = [
            f"CASE WHEN {file.condition(leaf)} THEN 1 ELSE 0 END AS t{n}"
            if file.is_of_cell(all_columns_of(leaf))
            else f"0 AS t{n}"
            for n, leaf in enumerate(self._leaves)
        ]
        units = [
            f"CAST({file.column(name)} AS VARCHAR) AS u{n}"
            if file.is_of_cell([name])
            else f"CAST(NULL AS VARCHAR) AS u{n}"
            for n, name in enumerate(self.crediting.units)
        ]
        first = self._first("cells", file)
        currency = f"{file.column('BillingCurrency')} AS currency"
        found = ", ".join([f"k.cell_no + {first} AS cell_no", currency, *tests, *units])
        engine = self.charges.engine
        return f"SELECT {found} FROM {engine.file(file.stored.cells)} AS k"

    @cached_property
    def _named(self) -> list[tuple[str, str, str, int]]:
        """Orders, resources and sub-accounts that the book names and a file can have."""
        present = self.charges.present
        rows = named_subjects(self.book, self.crediting.codes)
        return [row for row in rows if _NAMED_IN[row[0]] in present]

    @cached_property
    def _kinds_named(self) -> list[str]:
        return sorted({kind for kind, *_ in self._named})

    @cached_property
    def _inherits(self) -> bool:
        """True if corrections can inherit an order or a resource, of charges of any month."""
        if not any(file.has_open_corrections() for file in self.charges.files):
            return False
        named = set(pc.unique(self.book.links["of_kind"]).to_pylist()) & {"order", "resource"}
        if named & set(self._kinds_named):
            return True
        return any(_NAMED_IN[kind] in self.charges.all_months.present for kind in named)

    def _load_named(self) -> None:
        """Load `named`: orders, resources and sub-accounts that the book names, by their keys."""
        rows = self._named
        arrays = {
            "of_kind": pa.array([kind for kind, *_ in rows], pa.string()),
            "named_key": pa.array([key_of(i, subject) for _, i, subject, _ in rows], pa.int64()),
            "code": pa.array([code for *_, code in rows], pa.int64()),
        }
        self.charges.engine.load("named", pa.table(arrays))

    def _distinguishing(self, turning: _Turning) -> dict[str, str]:
        """Return SQL of what the book names and of the days told apart, with the joins."""
        if self._named or self._inherits:
            self._load_named()
        joins = []
        aliases = {"sub-account": "s", "order": "o", "resource": "r"}
        codes = {"sub-account": _NONE, "order": _NONE, "resource": _NONE}
        own = []
        for kind in self._kinds_named:
            alias = aliases[kind]
            joins.append(
                f"\nLEFT JOIN (SELECT named_key, code FROM named WHERE of_kind = '{kind}')"
                f" AS {alias} ON {alias}.named_key = c.{_NAMED[kind]}_key"
            )
            codes[kind] = f"{alias}.code"
            own.append(f"{alias}.code IS NOT NULL")
        told, more = self._day_key(turning, own)
        more += [self._load_units(n) for n in range(len(self.crediting.units))]
        units = [f", w{n}.code AS own_u{n}" for n in range(len(self.crediting.units))]
        row = ["c.import_id", "c.row_no", "c.account", "c.month", "c.own_day", "c.kind"]
        row += ["c.days"] if self.charges.divides else []
        row += [f"c.{name}" for name in _bit_names(self.crediting)]
        row += ["c.bought", *(f"c.{a}" for a in self.crediting.amount_names())]
        filled = {
            "row": ", ".join(row) + "".join(units),
            "sub_account": codes["sub-account"],
            "order_id": codes["order"],
            "resource_id": codes["resource"],
            "day_key": told,
            "joins": "".join([*joins, *more]),
        }
        return filled | (self._inheriting(filled) if self._inherits else {})

    def _inheriting(self, filled: Mapping[str, str]) -> dict[str, str]:
        """Return SQL of what a correction that names nothing inherits, and of its day.

        The start of all other charges is missing in the join: what is missing is not looked up.
        """
        join = (
            "\nLEFT JOIN corrected AS i ON i.account = c.account AND i.price_key = c.price_key"
            f" AND i.started = CASE WHEN {self._is_open} THEN c.started END"
        )
        day_key = f"CASE WHEN i.account IS NOT NULL THEN c.own_day ELSE {filled['day_key']} END"
        return {
            "order_id": f"coalesce({filled['order_id']}, i.order_id)",
            "resource_id": f"coalesce({filled['resource_id']}, i.resource_id)",
            "day_key": day_key,
            "joins": filled["joins"] + join,
        }

    @property
    def _is_correction(self) -> str:
        """SQL of whether a charge c is a correction."""
        if all(file.is_of_cell(["ChargeClass"]) for file in self.charges.files):
            return "c.corrects"
        place = self._leaves.index(_CORRECTION)
        return f"(c.corrects OR {_bit('c', place)} = 1)"

    @property
    def _is_open(self) -> str:
        """SQL of whether a charge c is a correction that names neither order nor resource."""
        return f"({self._is_correction} AND c.order_key IS NULL AND c.resource_key IS NULL)"

    def _load_units(self, n: int) -> str:
        """Load the codes of what something is earned for by itself; return the join."""
        engine = self.charges.engine
        step = replace(_STEPS["unit_texts"], name=f"unit_texts{n}")
        self._ask(step, {"unit": f"u{n}"}, ["unit"])
        found = engine.table(f"unit_texts{n}")
        codes = _codes(self.crediting.codes, found["unit"])
        engine.load(f"unit{n}", found.append_column("code", codes))
        return f"\nLEFT JOIN unit{n} AS w{n} ON w{n}.unit = c.u{n}"

    # --- days ---------------------------------------------------------------------------------

    def _load_months(self, runner: Runner) -> list[Month]:
        """Load `charged_months`, in the runner too; return them."""
        sums, totals = "", {"first_day": "min", "last_day": "max", "rows": "sum"}
        for a in self.crediting.amount_names():
            sums += f", sum({a}) AS s_{a}, sum(abs({a})) AS z_{a}"
            totals |= {f"s_{a}": "sum", f"z_{a}": "sum"}
        self._ask(_STEPS["month_totals"], {"month_sums": sums}, ["month"], totals)
        rows = self.charges.engine.rows("FROM month_totals ORDER BY month")
        found = [self._month(row) for row in rows]
        names = ("month", "first_day", "last_day")
        days = [(one.month, one.first_day, one.last_day) for one in found]
        columns = {name: pa.array([d[n] for d in days], pa.int64()) for n, name in enumerate(names)}
        self.charges.engine.load("charged_months", pa.table(columns))
        if not runner.shares(self.charges.engine.connection):
            runner.load("charged_months", dict.fromkeys(names, NUMBER), days)
        return found

    def _month(self, row: dict[str, Any]) -> Month:
        names = self.crediting.amount_names()
        totals, sizes = (tuple(row[f"{s}_{a}"] or Decimal(0) for a in names) for s in "sz")
        return Month(row["month"], row["first_day"], row["last_day"], row["rows"], totals, sizes)

    def _day_key(self, turning: _Turning, own: list[str]) -> tuple[str, list[str]]:
        """Return SQL of the day where days are told apart, and the joins that it needs."""
        if self._is_by_day:
            return "c.own_day", []
        joins = []
        if turning.in_months:
            joins.append("\nLEFT JOIN turning AS t ON t.account = c.account AND t.month = c.month")
            own = [*own, "t.account IS NOT NULL"]
        dates = {d for p in self.charges.plans for x in p.exclusions for d in _ends(x)}
        never = (date.min, date.max)
        inside = sorted((day_number(d) for d in dates if d not in never), reverse=True)
        arms = [f"WHEN {' OR '.join(own)} THEN c.own_day"] if own else []
        arms += [f"WHEN c.own_day >= {day} THEN {day}" for day in inside]
        return f"CASE {' '.join(arms)} END" if arms else _NONE, joins

    def _load_turning(self, runner: Runner) -> _Turning:
        """Load the days on which something changes, where any are, and the months of these."""
        if self._is_by_day:
            return _Turning(False, False)
        engine = self.charges.engine
        runner.run(_STEPS["turning_days"], {"depth": str(self.crediting.depth)})
        is_there = runner.shares(engine.connection)
        sql = "SELECT account, day FROM turning_days"
        rows = runner.rows(f"{sql} LIMIT 1" if is_there else sql)
        if not rows:
            return _Turning(False, False)
        if not is_there:
            columns = [pa.array([row[n] for row in rows], pa.int64()) for n in range(2)]
            engine.load("turning_days", pa.table(columns, ["account", "day"]))
        for name in ("turning", "turned"):
            engine.run(_STEPS[name], {})
        return _Turning(True, bool(engine.rows("FROM turning LIMIT 1")))

    @property
    def _is_by_day(self) -> bool:
        """True if each day is told apart whatever changes on it."""
        return self.crediting.reads_days() or self.charges.each_day

    def _turned(self, turning: _Turning) -> dict[str, str]:
        """Return SQL of the last day on which something changed for a group's account.

        Of what the book names, and where each day is told apart, that is the day itself.
        """
        day = "greatest(g.day_key, m.first_day)"
        if self._is_by_day:
            return {"turned": day, "turned_join": ""}
        named = [f"g.{name} IS NOT NULL" for name in self._key_columns() if name in _NAMED_COLUMNS]
        found = "coalesce(w.day, 0)" if turning.on_days else "0"
        if named:
            found = f"CASE WHEN {' OR '.join(named)} THEN {day} ELSE {found} END"
        join = (
            f"\nLEFT JOIN turned AS w ON w.account = g.account AND w.day <= {day}"
            f" AND {day} < coalesce(w.next_day, {_NEVER})"
        )
        return {"turned": found, "turned_join": join if turning.on_days else ""}

    # --- packing ------------------------------------------------------------------------------

    def _packed(self, months: Sequence[Month], kinds: int, turning: _Turning) -> dict[str, str]:
        """Return SQL that packs what tells groups apart into few numbers, and unpacks it."""
        first = months[0].month if months else 0
        last = months[-1].month if months else 0
        parts = [
            ("kind", "kind", max(1, kinds)),
            *self._bits(),
            ("month", f"(month - {first})", last - first + 1),
            ("account", "account", len(self.crediting.codes.texts) + 1),
        ]
        packs = list(_packs(parts))
        told = self._key_columns()
        packed = [f"{_pack(parts)} AS p{n}" for n, parts in enumerate(packs)]
        unpacked = [
            f"{sql} + {first} AS {name}" if name == "month" else f"{sql} AS {name}"
            for n, parts in enumerate(packs)
            for name, sql in _unpack(f"s.p{n}", parts)
        ]
        named = ("sub_account", "order_id", "resource_id")
        return {
            "packed": ", ".join(packed),
            "keys": ", ".join(str(n + 1) for n in range(len(packed) + len(told))),
            "key_columns": "".join(f", {name}" for name in told),
            "unpacked": ", ".join(unpacked),
            **self._turned(turning),
            "group_named": ", ".join(
                f"g.{name}" if name in told else f"{_NONE} AS {name}" for name in named
            ),
            "sums": self._totals(),
            "first_bought": "min(CASE WHEN bought THEN own_day END)"
            if self.crediting.reads_purchases()
            else _NONE,
            "for_rows": "".join(f", g.{name}" for name in self._row_names() if self.for_rows),
            "group_sums": "".join(
                f", g.a{n}, g.lacking{n}" for n in range(len(self.crediting.bases))
            ),
        }

    def _bits(self) -> Iterator[_Part]:
        """Yield the columns of bits, with how many numbers each can hold."""
        left = len(self._leaves)
        for name in _bit_names(self.crediting):
            size = max(0, min(left, _BITS_OF_WORD))
            yield name, name, 1 << size
            left -= size

    def _row_names(self) -> list[str]:
        """Return what tells charges apart besides what groups have anyway."""
        told = [name for name in self._key_columns() if name not in _GROUP_NAMES]
        return ["kind", *_bit_names(self.crediting), *told]

    def _key_columns(self) -> list[str]:
        """Return the columns that can be missing, by which groups are told apart."""
        by_kind = {"sub-account": "sub_account", "order": "order_id", "resource": "resource_id"}
        found = ["day_key", *(by_kind[kind] for kind in self._kinds_named)]
        if self._inherits:
            found = list(dict.fromkeys([*found, "order_id", "resource_id"]))
        return found + [f"own_u{n}" for n in range(len(self.crediting.units))]

    def _totals(self) -> str:
        """Return SQL of the sums of a group's costs, as whole numbers."""
        scale, found = self.charges.scale, []
        narrow = all(file.is_narrow(self.crediting.bases) for file in self.charges.files)
        for n in range(len(self.crediting.bases)):
            whole = f"CAST(coalesce(sum(a{n}), 0) * {10**scale} AS HUGEINT)"
            if not narrow:
                whole = as_integer(f"coalesce(sum(a{n}), 0)", scale)
            found.append(f", {whole} AS a{n}, count(*) - count(a{n}) AS lacking{n}")
        return "".join(found)


def _word(place: int) -> str:
    """Return the column that holds whether a charge meets the part of a condition at a place."""
    number = place // _BITS_OF_WORD
    return f"bits{number}" if number else "bits"


def _bit_names(crediting: Crediting) -> list[str]:
    """Return the columns that hold what is asked of charges, and whether they are corrections."""
    return list(dict.fromkeys(_word(n) for n in range(len(crediting.leaves.charge) + 1)))


def _bit(alias: str, place: int) -> str:
    """Return SQL of one of these bits: 1 or 0."""
    return f"(({alias}.{_word(place)} >> {place % _BITS_OF_WORD}) & 1)"


def _ends(row: Any) -> tuple[date, date]:
    return row.valid_from, row.valid_to


_Part = tuple[str, str, int]
"""A name, SQL of its number, and how many numbers there can be."""


def _packs(parts: Sequence[_Part]) -> Iterator[list[_Part]]:
    """Yield parts together that one number can hold."""
    pack: list[_Part] = []
    size = 1
    for part in parts:
        if pack and size * part[2] >= _MOST_PACKED:
            yield pack
            pack, size = [], 1
        pack.append(part)
        size *= part[2]
    yield pack


def _pack(parts: Sequence[_Part]) -> str:
    """Return SQL of one number for several, the first of which changes fastest."""
    found = f"CAST({parts[-1][1]} AS BIGINT)"
    for _, sql, size in reversed(parts[:-1]):
        found = f"({found} * {size} + {sql})"
    return found


def _unpack(packed: str, parts: Sequence[_Part]) -> Iterator[tuple[str, str]]:
    """Yield each part of a packed number by name."""
    below = 1
    for place, (name, _, size) in enumerate(parts):
        shifted = f"{packed} // {below}" if below > 1 else packed
        last = place == len(parts) - 1
        yield name, shifted if last else f"({shifted}) % {size}"
        below *= size


def _codes(codes: Codes, column: pa.ChunkedArray) -> pa.Array:
    return pa.array([codes.of(text or "") for text in column.to_pylist()], pa.int64())


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
