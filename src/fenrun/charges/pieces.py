"""Charges that two imports both hold in other pieces: by the day and by the month, by resource and
by service, rounded and unrounded.

No charge of the one is one of the other, so nothing shows it but the sums: an account, or a service
of it, bills the same in both over days that both have. What both name differently (two resources,
two categories) is not the same; nor are equal prices paid for other things.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from fenrun.base.ids import short
from fenrun.base.money import minor_units, plain
from fenrun.charges.coded import Coded, Numbers, joined, micros_of
from fenrun.charges.compared import compare_near
from fenrun.charges.decimals import Decimals, exact
from fenrun.charges.delivered import share_months
from fenrun.charges.overlaps import digests_of, shared_rows
from fenrun.charges.stored import charges_of, load_charges, read_charges
from fenrun.engine.duckdb import DuckDB
from fenrun.store.facts import Import

_KEYS = ("InvoiceIssuerName", "BillingAccountId", "BillingCurrency")
NAMING = ("SubAccountId", "ServiceName", "ResourceId", "SkuId", "RegionId", "ChargeCategory")
"""The columns that say what is charged: where both name it and no name is in both, it differs."""
_A_DAY = timedelta(days=1)
_ENOUGH = 10
"""One in so many accounts that two imports share must agree: of many, some do by chance."""
_CLOSE = 1000
"""What is rounded differs by less than one part in so many, or it is told by no sum."""
_LINES = """
CREATE TEMP VIEW lines AS
SELECT
  c.id, c.seq, c.is_asked, s.InvoiceIssuerName AS issuer, s.BillingAccountId AS account,
  s.BillingCurrency AS currency,
  date_trunc('month', s.BillingPeriodStart + INTERVAL 1 DAY) AS month,
  {service} AS service, s.ChargePeriodStart AS starts, {ends} AS ends,
  s.BillingPeriodStart AS billed_from, CAST(s.BilledCost AS DOUBLE) AS billed,
  {named}
FROM stored AS s JOIN compared AS c ON c.import_id = s.import_id
WHERE s.BilledCost <> 0"""
_TOTALS = """
CREATE TEMP TABLE account_totals AS
SELECT
  id, seq, is_asked, issuer, account, currency, month, service, GROUPING(service) = 1 AS is_whole,
  sum(billed) AS total, count(*) AS rows, sum(billed * billed) AS squares, {named} AS named,
  min(starts) AS first,
  CASE
    WHEN max(ends) > min(starts) THEN max(ends)
    WHEN min(starts) = max(starts) AND min(starts) = min(billed_from)
      THEN min(starts) + INTERVAL 31 DAY
    ELSE max(starts) + INTERVAL 1 MICROSECOND
  END AS last
FROM lines
GROUP BY GROUPING SETS (
  (id, seq, is_asked, issuer, account, currency, month),
  (id, seq, is_asked, issuer, account, currency, month, service))
HAVING GROUPING(service) = 1 OR service IS NOT NULL"""
_SAME = """a.issuer = b.issuer AND a.account = b.account AND a.currency = b.currency
  AND a.month = b.month AND a.first < b.last AND b.first < a.last"""
_NEAR = """abs({one} - {other}) <= greatest(1e-9 * abs({one}),
  least(0.5 * least({rows}, {other_rows}), abs({one}) / 1000)) AND abs({one}) > 0"""
_PAIRS = f"""
WITH whole AS (
  SELECT a.id AS one, b.id AS other, a.issuer, a.account, a.currency, a.month, a.service
  FROM account_totals AS a JOIN account_totals AS b
  ON {_SAME} AND a.is_whole = b.is_whole AND a.service IS NOT DISTINCT FROM b.service
  WHERE a.is_asked AND b.seq < a.seq
  AND {_NEAR.format(one="a.total", other="b.total", rows="a.rows", other_rows="b.rows")}
  AND NOT (a.rows = b.rows AND a.named = b.named AND abs(a.squares - b.squares)
           <= 1e-9 * abs(a.squares))),
within AS (
  SELECT
    p.one, p.other, a.issuer, a.account, a.currency, a.month, a.service,
    a.total AS own_total, a.rows AS own_rows, sum(b.billed) AS their_total, count(*) AS their_rows
  FROM spans AS p JOIN account_totals AS a ON a.id = p.whole JOIN lines AS b
  ON b.id = p.part AND a.issuer = b.issuer AND a.account = b.account AND a.currency = b.currency
  AND a.month = b.month AND (a.is_whole OR a.service = b.service)
  AND b.starts >= a.first AND b.starts < a.last
  GROUP BY ALL
  HAVING {
    _NEAR.format(one="own_total", other="their_total", rows="own_rows", other_rows="their_rows")
})
FROM whole UNION SELECT one, other, issuer, account, currency, month, service FROM within
ORDER BY ALL"""
_COMMON = f"""
SELECT a.id AS one, b.id AS other, count(*) AS accounts
FROM account_totals AS a JOIN account_totals AS b ON {_SAME}
WHERE a.is_whole AND b.is_whole AND a.is_asked AND b.seq < a.seq GROUP BY ALL"""


@dataclass(frozen=True)
class Summed:
    """The charges that two imports both bill, in other pieces."""

    one: str
    """Id of the import that came later."""
    other: str
    """Id of the import that came before it."""
    rows: int
    """Charges of the later one."""
    other_rows: int
    account: str
    """The first of the accounts."""
    accounts: int
    billed: Mapping[str, str]
    """BilledCost of the later one by currency, as exact text."""


class _Group(NamedTuple):
    """An account in a month, or a service of it."""

    issuer: str
    account: str
    currency: str
    month: datetime
    service: str | None


def find_summed(imports: Sequence[Import], cache: Path | None = None) -> list[Summed]:
    """Return what imports bill in other pieces than those before them do, in the log's order."""
    return compare_near(imports, _may_share, _found, cache, Summed)


def _may_share(one: Import, other: Import) -> bool:
    """Return whether two imports can bill the same months and issuers, and are no mended rows."""
    mine, theirs = one.facts.get("same", {}), other.facts.get("same", {})
    is_same = all(mine[name] == theirs[name] for name in mine.keys() & theirs.keys())
    is_mended = "mends" in one.facts or "mends" in other.facts
    return is_same and not is_mended and share_months(one.facts, other.facts)


def _found(imports: Sequence[Import], asked: Sequence[Import]) -> list[Summed]:
    of_id = {item.id: item for item in imports}
    engine = DuckDB()
    _load(engine, imports, {item.id for item in asked})
    common = {(row["one"], row["other"]): row["accounts"] for row in engine.rows(_COMMON)}
    groups: dict[tuple[str, str], list[_Group]] = {}
    for row in engine.rows(_PAIRS):
        key = (row.pop("one"), row.pop("other"))
        groups.setdefault(key, []).append(_Group(**row))
    found = []
    for (one, other), listed in groups.items():
        if len({group[:4] for group in listed}) * _ENOUGH >= common[one, other]:
            found.append(_compared(of_id[one], of_id[other], listed))
    return [one for one in found if one]


def _load(engine: DuckDB, imports: Sequence[Import], asked: set[str]) -> None:
    """Load what is summed of imports, and the pairs of which one is about some of the days."""
    load_charges(engine, "stored", imports)
    there = engine.columns("stored")
    compared = {
        "import_id": [short(item.id) for item in imports],
        "id": [item.id for item in imports],
        "seq": [item.seq for item in imports],
        "is_asked": [item.id in asked for item in imports],
    }
    engine.load("compared", pa.table(compared))
    named = [name for name in NAMING if name in there]
    lines = _LINES.format(
        service="s.ServiceName" if "ServiceName" in there else "NULL::VARCHAR",
        ends="s.ChargePeriodEnd" if "ChargePeriodEnd" in there else "NULL::TIMESTAMP",
        named=", ".join(f"s.{name} AS named_{name}" for name in named) or "0 AS named",
    )
    counts = ", ".join(f"count(named_{name})" for name in named)
    engine.connection.execute(lines)
    engine.connection.execute(_TOTALS.format(named=f"list_value({counts})"))
    spans = [
        (one.id, other.id, *pair)
        for place, one in enumerate(imports)
        for other in imports[:place]
        if one.id in asked and _may_share(one, other) and _differ_in_days(one, other)
        for pair in ((one.id, other.id), (other.id, one.id))
    ]
    names = ("one", "other", "whole", "part")
    columns = zip(*spans) if spans else ((), (), (), ())
    table = {name: pa.array(list(column), pa.string()) for name, column in zip(names, columns)}
    engine.load("spans", pa.table(table))


def _differ_in_days(one: Import, other: Import) -> bool:
    """Return whether two imports begin or end on other days, and have some in common."""
    ends = [
        [datetime.fromisoformat(item.facts[name]) for item in (one, other)]
        for name in ("first_start", "last_start")
    ]
    is_other = any(abs(mine - theirs) >= _A_DAY for mine, theirs in ends)
    return is_other and max(ends[0]) <= min(ends[1])


class _Side:
    """The charges of one import, by account and month."""

    def __init__(self, item: Import):
        self.charges = charges_of(read_charges(item.folder, item.id))
        self.digests, self.with_money = digests_of(self.charges)
        self.billed = Decimals(self.charges.columns["BilledCost"])
        self.starts = self._micros("ChargePeriodStart")
        self.ends = np.maximum(self._micros("ChargePeriodEnd"), self.starts + 1)

    def _micros(self, name: str) -> Numbers:
        """Return a column's moments in microseconds of 1970; 0 where there is none."""
        found = micros_of(self.charges.columns.get(name))
        return np.zeros(len(self.with_money), np.int64) if found is None else found

    @cached_property
    def _by_group(self) -> dict[tuple[Any, ...], Numbers]:
        """The rows of each account and month."""
        columns: Any = self.charges.columns
        billed = pc.add(columns["BillingPeriodStart"], pa.scalar(_A_DAY))
        months = pc.strftime(billed, "%Y-%m").dictionary_encode()
        month = Coded(months.indices.to_numpy().astype(np.int32), months.dictionary)
        codes, firsts = joined([*(columns[name] for name in _KEYS), month])
        texts = [[*columns[name].at(firsts).plain().to_pylist()] for name in _KEYS]
        texts.append(month.at(firsts).plain().to_pylist())
        order = np.argsort(codes, kind="stable")
        ends = np.cumsum(np.bincount(codes, minlength=len(firsts)))
        parts = np.split(order, ends[:-1])
        return {key: rows for key, rows in zip(zip(*texts), parts)}

    def rows_of(self, group: _Group, without: set[int]) -> Numbers:
        """Return the rows of a group that bill anything, but for some."""
        key = (group.issuer, group.account, group.currency, f"{group.month:%Y-%m}")
        found = self._by_group.get(key, np.empty(0, np.int64))
        if group.service is not None:
            texts = self.texts("ServiceName", found)
            found = found[[text == group.service for text in texts]]
        kept = [row for row in found.tolist() if row not in without and self.billed.other[row]]
        return np.array(kept, np.int64)

    def texts(self, name: str, rows: Numbers) -> list[str | None]:
        """Return the texts of a column in some rows."""
        column = self.charges.columns.get(name)
        if not isinstance(column, Coded):
            return [None] * len(rows)
        return list(column.at(rows).plain().to_pylist())

    def amounts(self, rows: Numbers) -> Decimals:
        """Return what some rows bill."""
        return Decimals(self.billed.array.take(pa.array(rows)))

    def within(self, rows: Numbers, other: _Side, others: Numbers) -> Numbers:
        """Return those of some rows that begin on days that others of another import are about."""
        starts = self.starts[rows]
        first, last = other.starts[others].min(), other.ends[others].max()
        found: Numbers = rows[(starts >= first) & (starts < last)]
        return found


def _compared(one: Import, other: Import, groups: Sequence[_Group]) -> Summed | None:
    """Compare two imports exactly, in the groups whose sums are near; None where none agrees."""
    mine, theirs = _Side(one), _Side(other)
    shared = shared_rows((mine.digests, mine.with_money), (theirs.digests, theirs.with_money))
    again = shared_rows((theirs.digests, theirs.with_money), (mine.digests, mine.with_money))
    without = (set(shared.tolist()), set(again.tolist()))
    accounts = dict[tuple[Any, ...], str]()
    billed, rows, other_rows = dict[str, Decimal](), 0, 0
    for group in sorted(groups, key=lambda group: (group[:4], group.service or "")):
        if group[:4] in accounts and accounts[group[:4]] == "":
            continue  # the whole account agrees
        agreed = _agreed(mine, theirs, group, without)
        if agreed is None:
            continue
        accounts[group[:4]] = group.service or ""
        amounts = mine.amounts(agreed[0])
        total = billed.get(group.currency, Decimal(0))
        billed[group.currency] = total + exact(amounts.total(None), amounts.scale)
        rows, other_rows = rows + len(agreed[0]), other_rows + len(agreed[1])
    if not accounts:
        return None
    names = [account for _, account, *_ in accounts]
    texts = {name: plain(billed[name]) for name in sorted(billed)}
    return Summed(one.id, other.id, rows, other_rows, names[0], len(set(names)), texts)


def _agreed(
    mine: _Side, theirs: _Side, group: _Group, without: tuple[set[int], set[int]]
) -> tuple[Numbers, Numbers] | None:
    """Return the rows of both imports that bill the same of a group; None where they do not."""
    ours, others = mine.rows_of(group, without[0]), theirs.rows_of(group, without[1])
    for one, other in _days(mine, ours, theirs, others):
        if len(one) and len(other) and _bill_the_same(mine, one, theirs, other):
            return one, other
    return None


def _days(
    mine: _Side, ours: Numbers, theirs: _Side, others: Numbers
) -> Iterator[tuple[Numbers, Numbers]]:
    """Yield rows of both imports: all, and those on the days of the other."""
    yield ours, others
    if len(ours) and len(others):
        yield mine.within(ours, theirs, others), others
        yield ours, theirs.within(others, mine, ours)


def _bill_the_same(mine: _Side, ours: Numbers, theirs: _Side, others: Numbers) -> bool:
    """Return whether rows of two imports can be the same charges in other pieces."""
    one, other = mine.amounts(ours), theirs.amounts(others)
    total, their = exact(one.total(None), one.scale), exact(other.total(None), other.scale)
    cents = minor_units(mine.texts("BillingCurrency", ours[:1])[0] or "")
    if not total or abs(total - their) > _rounding(one, other, total, cents):
        return False
    names = [(mine.texts(name, ours), theirs.texts(name, others)) for name in NAMING]
    if any(_name_others(here, there) for here, there in names):
        return False
    if sorted(one.array.to_pylist()) != sorted(other.array.to_pylist()):
        return True
    return any((None in here) != (None in there) for here, there in names)


def _name_others(ours: Sequence[str | None], theirs: Sequence[str | None]) -> bool:
    """Return whether both name something in all rows, and nothing that the other names."""
    named = None not in ours and None not in theirs
    return named and not set(ours) & set(theirs)


def _rounding(one: Decimals, other: Decimals, total: Decimal, cents: int) -> Decimal:
    """Return by how much a sum can differ for the rounding of one side's amounts.

    They are rounded to the currency's `cents`, its decimals, or finer; one amount by itself to
    whole units too.
    """
    sides = [(one.trimmed().scale, len(one.array)), (other.trimmed().scale, len(other.array))]
    places = [scale if rows == 1 and not scale else max(scale, cents) for scale, rows in sides]
    if places[0] == places[1]:
        return Decimal(0)
    coarse, rows = min((scale, rows) for scale, (_, rows) in zip(places, sides))
    return min(exact(5 * rows, coarse + 1), abs(total) / _CLOSE)
