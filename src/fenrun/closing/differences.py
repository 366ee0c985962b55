"""Why two answers about one period differ: the facts that came between are taken up one after the other, in the order in which they
became known, and what each changes is its difference. So the differences sum to the whole, exactly."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import pyarrow.compute as pc

from fenrun.base.when import Period, parse_day
from fenrun.book.as_of import sources_of
from fenrun.plan.read import plan_as_of
from fenrun.plan.rows import Plan
from fenrun.settle.facts import Facts, facts_as_of, in_force, plan_of
from fenrun.statement.run import Difference, Run
from fenrun.store.facts import Import, Store
from fenrun.whatif.change import Live

Amounts = dict[tuple[str, str, str, str, str, str], tuple[Decimal, str]]
"""(month, plan, payee, what, component or form, period) to amount and currency."""
_LINES = "SELECT strftime(month, '%Y-%m') AS month, plan_id, payee, 'earned' AS what, component, period, earned AS amount, currency FROM statement_lines WHERE earned <> 0"
_PAID = """
SELECT strftime(p.month, '%Y-%m') AS month, p.plan_id, p.payee, p.what, p.component, strftime(p.month, '%Y-%m') AS period, p.amount, t.currency
FROM (SELECT plan_id, payee, month, 'paid' AS what, form AS component, paid AS amount FROM payments
      UNION ALL SELECT plan_id, payee, month, 'tax', form, paid - amount FROM payments
      UNION ALL SELECT plan_id, payee, month, 'expired', '', expired FROM payouts
      UNION ALL SELECT plan_id, payee, month, 'drawn', '', drawn FROM payouts
      UNION ALL SELECT plan_id, payee, month, 'recovered', '', recovered FROM payouts
      UNION ALL SELECT plan_id, payee, month, 'held', '', sum(amount) FROM held_back GROUP BY plan_id, payee, month) AS p
JOIN plan_terms AS t ON t.plan_id = p.plan_id
WHERE p.amount <> 0 AND p.month >= ? AND p.month < ?"""


@dataclass(frozen=True)
class LateArrivingFact:
    """One thing that became known: a cause, where it came from, and what was known with it."""

    cause: str
    source: str
    known: datetime
    before: Facts
    facts: Facts


def differences(
    store: Store,
    period: Period,
    before: datetime,
    after: datetime,
    progress: Callable[[str], None] = lambda name: None,
) -> list[Difference]:
    """What the period's statements would differ by between what was known at two moments, by cause. Sorted by month, payee, plan, line.

    A period without plan or charges then counts as nothing paid. Raises Refused where either cannot be settled.
    """
    found: list[Difference] = []
    was: Amounts = {}
    live: Live | None = None
    for number, arrival in enumerate(late_arriving_facts(store, period, before, after)):
        if not number:
            progress("before")
            live, was = _taken_up(None, {}, arrival.before, period, after)
        progress(arrival.source)
        live, now = _taken_up(live, was, arrival.facts, period, after)
        for key in sorted(set(was) | set(now)):
            one, other = was.get(key, (Decimal(0), ""))[0], now.get(key, (Decimal(0), ""))[0]
            if one != other:
                currency = (now.get(key) or was[key])[1]
                found.append(
                    Difference(
                        *key,
                        arrival.cause,
                        arrival.source,
                        arrival.known,
                        one,
                        other,
                        other - one,
                        currency,
                    )
                )
        was = now
    return sorted(found, key=lambda d: (d.month, d.payee, d.plan_id, d.what, d.component, d.period))


def late_arriving_facts(
    store: Store, period: Period, before: datetime, after: datetime
) -> Iterator[LateArrivingFact]:
    """What became known between two moments and can touch the period, in order, each with all that was known by then."""
    facts, replaced = facts_as_of(store, before), set[str]()
    latest = {
        p.terms[0].plan_id: p for p in (plan_of(i).plan for i in store.imports("plans", before))
    }
    for moment, _, item in sorted(
        _later(store, period, latest, before, after), key=lambda x: x[:2]
    ):
        if item is None or item.kind == "plans":
            if item is not None:
                plan = plan_of(item).plan
                latest[plan.terms[0].plan_id] = plan
            plans = tuple(plan_as_of(latest[key], moment.date()) for key in sorted(latest))
            if plans != facts.plans:
                was, facts = facts, replace(facts, plans=plans)
                yield LateArrivingFact(
                    "plan version",
                    item.source if item else _published(plans, moment.date()),
                    moment,
                    was,
                    facts,
                )
        elif item.kind == "book":
            for step, cause in _book(facts, item):
                yield LateArrivingFact(cause, item.source, item.known, facts, step)
                facts = step
        else:
            for step, cause in _charges(facts, item, replaced):
                yield LateArrivingFact(cause, item.source, item.known, facts, step)
                facts = step


def _later(
    store: Store, period: Period, latest: dict[str, Plan], before: datetime, after: datetime
) -> Iterator[tuple[datetime, str, Import | None]]:
    """(from when known, order among those known at once, import; none where only a version of a plan's table was published)."""
    plans = list(latest.values())
    for kind in ("book", "charges", "plans"):
        for item in store.imports_between(kind, before, after):
            if kind == "plans":
                plans.append(plan_of(item).plan)
            if (
                kind != "charges"
                or item.facts.get("replaces")
                or not item.facts["first_billed"]
                or parse_day(item.facts["first_billed"]) < period.span.end
            ):
                yield item.known, f"{kind}{int(bool(item.facts.get('replaces')))}{item.id}", item
    days = {
        b.published for p in plans for b in p.bands if before.date() < b.published <= after.date()
    }
    for day in days:
        yield datetime.combine(day, datetime.min.time()), "plans", None


def _published(plans: tuple[Plan, ...], day: date) -> str:
    return ", ".join(
        sorted({f"{b.plan_id}: {b.table_id}" for p in plans for b in p.bands if b.published == day})
    )


def _book(facts: Facts, item: Import) -> Iterator[tuple[Facts, str]]:
    """A book import in two steps: first what is not about orders, then the registrations of orders."""
    ((source, known, tables),) = sources_of([item])
    links = tables.get("links")
    orders = links.filter(pc.equal(links["of_kind"], "order")) if links is not None else None
    if orders is None or not orders.num_rows:
        yield replace(facts, book=[*facts.book, (source, known, tables)]), "book change"
        return
    rest = {**tables, "links": links.filter(pc.not_equal(links["of_kind"], "order"))}
    book = list(facts.book)
    if any(t.num_rows for t in rest.values()):
        book.append((source, known, rest))
        yield replace(facts, book=list(book)), "book change"
    yield replace(facts, book=[*book, (source, known, {"links": orders})]), "order registration"


def _charges(facts: Facts, item: Import, replaced: set[str]) -> Iterator[tuple[Facts, str]]:
    """An import of charges: what it replaces and its corrections apart from charges that are only late. `replaced` holds what was replaced so far."""
    gone = set(item.facts.get("replaces", ()))
    replaced |= gone
    if gone or item.id in replaced:
        mine = [] if item.id in replaced else [item]
        yield (
            replace(facts, charges=tuple([*(i for i in facts.charges if i.id not in gone), *mine])),
            "correction",
        )
        return
    corrections, both = item.facts["corrections"], (*facts.charges, item)
    if corrections < item.facts["rows"] - item.facts["quarantined"]:
        yield (
            replace(
                facts,
                charges=both,
                only={**facts.only, item.id: "ChargeClass IS DISTINCT FROM 'Correction'"}
                if corrections
                else facts.only,
            ),
            "late charge",
        )
    if corrections:
        yield replace(facts, charges=both), "correction"


def _taken_up(
    live: Live | None, was: Amounts, facts: Facts, period: Period, known: datetime
) -> tuple[Live | None, Amounts]:
    """What is earned and paid by these facts, where only what they touch is settled again."""
    facts = replace(facts, plans=in_force(facts.plans, period))
    if not facts.plans:
        return None, {}
    if live is None or facts.plans != live.facts.plans:
        live = Live(facts, period, known)
        return live, amounts(live.run)
    payees = live.change(facts)
    if payees is None:
        return live, amounts(live.run)
    return live, {k: v for k, v in was.items() if k[2] not in payees} | amounts(live.run, payees)


def amounts(run: Run, payees: Iterable[str] | None = None) -> Amounts:
    """What is earned and paid in the months of a run's period, by everybody or by some."""
    span, some = run.period.span, sorted(payees) if payees is not None else None
    mine = " AND payee IN (SELECT unnest(?))" if some is not None else ""
    given = [some] if some is not None else []
    rows: list[dict[str, Any]] = (
        run.engine.query(_LINES + mine, given).to_pylist()
        + run.engine.query(
            _PAID + mine.replace("payee", "p.payee"), [span.start, span.end, *given]
        ).to_pylist()
    )
    return {
        (r["month"], r["plan_id"], r["payee"], r["what"], r["component"], r["period"]): (
            r["amount"],
            r["currency"],
        )
        for r in rows
    }
