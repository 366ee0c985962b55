"""Differences between two settlements of one period: in sales as well as in pay.

Amounts are exact. `before` is what is, `after` what would be, and a row that says both says `more`,
their difference. Sales are what is credited; `net` is what is left of them after what they earn.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

import pyarrow as pa

from fenrun.base.money import sums_of
from fenrun.base.table import natural_type
from fenrun.credit.shared_work import crediting_plans
from fenrun.lab.chosen import BookRows
from fenrun.statement.run import Run

Rows = list[dict[str, Any]]
_NOTHING = Decimal(0)
_WHEN = ("before", "after")
_FOURTH = Decimal("0.0001")
_DECILES = 10

_PLANS = """
SELECT plan_id, sum(total) AS charged, sum(credited) AS credited, sum(uncredited) AS uncredited
FROM ledger
WHERE month >= ? AND month < ?
GROUP BY plan_id"""
_CREDITED = """
SELECT c.payee, c.role, {customer} AS customer, z.currency, sum(c.amount) AS credited
FROM credited AS c
JOIN {currencies} ON z.plan_id = c.plan_id
WHERE c.month >= ? AND c.month < ? AND list_contains(?, c.plan_id){more}
GROUP BY ALL"""
_EARNED = """
SELECT e.plan_id, e.component, e.role, e.payee, e.unit, e.period, e.currency,
       sum(e.amount) AS measured, sum(e.earned) AS earned, min(t.words) AS band,
       max(t.rate) AS rate
FROM earnings AS e
LEFT JOIN (SELECT plan_id, component, payee, unit, period,
                  arg_max(words, band_no) AS words, max(rate) AS rate
           FROM tier_earnings GROUP BY ALL) AS t
  ON t.plan_id = e.plan_id AND t.component = e.component AND t.payee = e.payee
 AND t.unit = e.unit AND t.period = e.period
WHERE e.paid_month >= ? AND e.paid_month < ?
GROUP BY ALL"""


@dataclass(frozen=True)
class Answer:
    """The differences, as rows of several grains."""

    plans: Rows
    """Grain: plan. Charged, credited, uncredited, earned, net."""
    payees: Rows
    """Grain: payee, role, currency. Credited, earned, net."""
    lines: Rows
    """Grain: plan, component, role, payee, unit, period: measured, earned, band."""
    customers: Rows
    """Grain: customer, role, payee, currency. Credited."""
    labels: Rows
    """Grain: label, value, role, currency: what customers with it bring (credited), and what
    payees with it earn."""
    spread: Rows
    """Grain: role, currency. Who gains and loses, and how evenly pay is spread."""
    deciles: Rows
    """Grain: role, currency, decile of payees by what they earn before: earned."""

    def table(self, name: str) -> pa.Table:
        """Return rows as a table; amounts are decimals."""
        rows: Rows = getattr(self, name)
        names = list(dict.fromkeys(key for row in rows for key in row))
        return pa.table({n: _column([row.get(n) for row in rows]) for n in names})


def _column(values: Sequence[Any]) -> pa.Array:
    if any(isinstance(value, Decimal) for value in values):
        return pa.array(values, natural_type([v for v in values if v is not None]))
    return pa.array(values)


def answer(old_book: BookRows, before: Run, new_book: BookRows, after: Run) -> Answer:
    """Return what differs between two runs of one period, each by its own book."""
    day = before.period.last_day
    lines = _beside(component_earned(before), component_earned(after), ("measured", "earned"))
    by_customer = _beside(_credited(before, True), _credited(after, True), ("credited",))
    payees = _payees(before, after)
    return Answer(
        plans=_plans(before, after),
        payees=payees,
        lines=list(map(_with_crossing, lines)),
        customers=by_customer,
        labels=_by_label(day, (old_book, before), (new_book, after)),
        spread=list(_spread(payees)),
        deciles=list(_deciles(payees)),
    )


def _months(run: Run) -> list[date]:
    return [run.period.span.start, run.period.span.end]


def _credited(run: Run, by_customer: bool = False) -> Rows:
    """Return what is credited, by payee, role, currency and perhaps customer."""
    asked = {
        "customer": "c.customer" if by_customer else "NULL",
        "currencies": run.plan_currencies,
        "more": " AND c.kind = 'direct'" if by_customer else "",
    }
    values = [*_months(run), crediting_plans(run.plans)]
    rows = run.engine.rows(_CREDITED.format(**asked), values)
    if not by_customer:
        for row in rows:
            del row["customer"]
    return rows


def component_earned(run: Run) -> Rows:
    """Return what is measured and earned, by plan, component, role, payee, unit, period."""
    rows: Rows = run.engine.rows(_EARNED, _months(run))
    return rows


def earned_in_all(run: Run) -> dict[str, Decimal]:
    """Return what all payees of a run earn in its period, by currency."""
    return sums_of((line["currency"], line["earned"]) for line in component_earned(run))


def _plans(before: Run, after: Run) -> Rows:
    """Return what each plan credits and earns."""
    found = []
    for run in (before, after):
        rows = {row["plan_id"]: row for row in run.engine.rows(_PLANS, _months(run))}
        for plan, currency in run.currency_of.items():
            row = rows.setdefault(plan, {"plan_id": plan})
            row["currency"] = currency
        for line in component_earned(run):
            row = rows[line["plan_id"]]
            row["earned"] = row.get("earned", _NOTHING) + line["earned"]
        for row in rows.values():
            row["net"] = row.get("credited", _NOTHING) - row.get("earned", _NOTHING)
        found.append(list(rows.values()))
    return _beside(found[0], found[1], ("charged", "credited", "uncredited", "earned", "net"))


def _payees(before: Run, after: Run) -> Rows:
    """Return what each payee is credited and earns, in each role."""
    found = []
    for run in (before, after):
        rows: dict[tuple[str, ...], dict[str, Any]] = {}
        for row in [*_credited(run), *component_earned(run)]:
            key = (row["payee"], row["role"], row["currency"])
            one = rows.setdefault(key, dict(zip(("payee", "role", "currency"), key)))
            for name in ("credited", "earned"):
                one[name] = one.get(name, _NOTHING) + row.get(name, _NOTHING)
        for one in rows.values():
            one["net"] = one["credited"] - one["earned"]
        found.append(list(rows.values()))
    return _beside(found[0], found[1], ("credited", "earned", "net"))


def _by_label(day: date, *sides: tuple[BookRows, Run]) -> Rows:
    """Return what customers with a label bring, and what payees with it earn."""
    found = []
    for book, run in sides:
        labels = book.labels(day)
        rows: dict[tuple[str, ...], dict[str, Any]] = {}
        sums = [(row["customer"] or "", row, "credited") for row in _credited(run, True)]
        sums += [(row["payee"], row, "earned") for row in component_earned(run)]
        for party, row, name in sums:
            for label, value in labels.get(party, {}).items():
                key = (label, value, row["role"], row["currency"])
                named = dict(zip(("label", "value", "role", "currency"), key))
                one = rows.setdefault(key, named | {"credited": _NOTHING, "earned": _NOTHING})
                one[name] += row[name]
        found.append(list(rows.values()))
    return _beside(found[0], found[1], ("credited", "earned"))


def _beside(before: Rows, after: Rows, amounts: Sequence[str]) -> Rows:
    """Return the rows of both, one for each that has the same names: before, after, more.

    First those whose last amount changes most.
    """
    found: dict[tuple[Any, ...], dict[str, Any]] = {}
    words = [name for name in ("band", "rate") if before + after and name in (before + after)[0]]
    for when, rows in (("before", before), ("after", after)):
        for row in rows:
            names = {n: v for n, v in row.items() if n not in (*amounts, *words)}
            one = found.setdefault(tuple(names.values()), names)
            for name in amounts:
                said = f"{name}_{when}"
                one[said] = one.get(said, _NOTHING) + (row.get(name) or _NOTHING)
            for name in words:
                one[f"{name}_{when}"] = row.get(name)
    for one in found.values():
        for name in amounts:
            old, new = (one.setdefault(f"{name}_{when}", _NOTHING) for when in _WHEN)
            one[f"{name}_more"] = new - old
        for name in words:
            for when in _WHEN:
                one.setdefault(f"{name}_{when}", None)
    last = f"{amounts[-1]}_more"
    return sorted(found.values(), key=lambda one: (-abs(one[last]), *map(str, one.values())))


def _with_crossing(line: dict[str, Any]) -> dict[str, Any]:
    """Return a line that says whether it comes to another tier: up, down or (nothing)."""
    old, new = line.pop("rate_before"), line.pop("rate_after")
    crossed = ""
    if line["band_before"] != line["band_after"] and None not in (old, new) and old != new:
        crossed = "up" if new > old else "down"
    return line | {"crosses": crossed}


def _groups(payees: Rows) -> dict[tuple[str, str], Rows]:
    found: dict[tuple[str, str], Rows] = defaultdict(list)
    for row in payees:
        found[row["role"], row["currency"]].append(row)
    return dict(sorted(found.items()))


def _spread(payees: Rows) -> Iterator[dict[str, Any]]:
    """Yield who gains and loses in each role and currency, and how evenly pay is spread."""
    for (role, currency), rows in _groups(payees).items():
        more = [row["earned_more"] for row in rows]
        gains, losses = ([m for m in more if m > 0], [m for m in more if m < 0])
        yield {
            "role": role,
            "currency": currency,
            "winners": len(gains),
            "gained": sum(gains, _NOTHING),
            "losers": len(losses),
            "lost": sum(losses, _NOTHING),
            "unchanged": len(more) - len(gains) - len(losses),
            "gini_before": gini(row["earned_before"] for row in rows),
            "gini_after": gini(row["earned_after"] for row in rows),
        }


def _deciles(payees: Rows) -> Iterator[dict[str, Any]]:
    """Yield what each tenth of the payees earns, those who earned least before first."""
    for (role, currency), rows in _groups(payees).items():
        ranked = sorted(rows, key=lambda row: (row["earned_before"], row["payee"]))
        for decile in range(_DECILES):
            start, end = (len(ranked) * d // _DECILES for d in (decile, decile + 1))
            some = ranked[start:end]
            said = {f"earned_{w}": sum((r[f"earned_{w}"] for r in some), _NOTHING) for w in _WHEN}
            more = said["earned_after"] - said["earned_before"]
            names = {"role": role, "currency": currency, "decile": decile + 1}
            yield {**names, "payees": len(some), **said, "earned_more": more}


def gini(amounts: Iterable[Decimal]) -> Decimal:
    """Return how unevenly amounts are spread: 0 evenly, near 1 where one has all; to 4 decimals.

    Source: Gini's coefficient of the ordered amounts; below zero counts as nothing.
    """
    ranked = sorted(max(amount, _NOTHING) for amount in amounts)
    total = sum(ranked, _NOTHING)
    if not total:
        return _NOTHING
    weighted = sum(((2 * n - len(ranked) - 1) * a for n, a in enumerate(ranked, 1)), _NOTHING)
    return (weighted / (len(ranked) * total)).quantize(_FOURTH)


def concentration(amounts: Iterable[Decimal], firsts: Sequence[int]) -> Rows:
    """Return which share of a sum the largest so many amounts have; shares to 4 decimals."""
    ranked = sorted(amounts, reverse=True)
    total = sum(ranked, _NOTHING)
    return [
        {
            "first": first,
            "of": len(ranked),
            "amount": sum(ranked[:first], _NOTHING),
            "share": (sum(ranked[:first], _NOTHING) / total if total else _NOTHING).quantize(
                _FOURTH
            ),
        }
        for first in firsts
    ]
