"""Differences between two answers about one period, by cause.

The facts that came between are taken up one after the other, in the order in which they became
known, and what each changes is its difference. So the differences sum to the whole, exactly.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import date, datetime, time
from decimal import Decimal

import pyarrow.compute as pc

from fenrun.base.when import Period, parse_day
from fenrun.book.as_of import sources_of
from fenrun.plan.read import plan_as_of
from fenrun.plan.rows import Plan
from fenrun.settle.facts import Facts, facts_as_of, in_force, plan_of
from fenrun.statement.run import Difference, Run
from fenrun.store.facts import SETTLED, Import, Store, verified

Amounts = dict[tuple[str, str, str, str, str, str], tuple[Decimal, str]]
"""(month, plan, payee, what, component or form, period) to amount and currency."""
_NOTHING = (Decimal(0), "")
_READ_BY_PLANS = ("terms", "events")
"""The kinds of imports of which a settlement reads what plans ask for."""
_EARNED = """
SELECT strftime(month, '%Y-%m') AS month, plan_id, payee, 'earned' AS what, component, period,
       earned AS amount
FROM statement_lines
WHERE earned <> 0"""
_PAID = """
SELECT strftime(p.month, '%Y-%m') AS month, p.plan_id, p.payee, p.what, p.component,
       strftime(p.month, '%Y-%m') AS period, p.amount, p.currency
FROM (
  SELECT plan_id, payee, month, 'paid' AS what, form AS component, paid AS amount,
         CAST(NULL AS VARCHAR) AS currency
  FROM payments
  UNION ALL SELECT plan_id, payee, month, 'tax', form, paid - amount, NULL FROM payments
  UNION ALL
  SELECT plan_id, payee, month, 'given', form || ' ' || currency, amount, NULL
  FROM exchanges WHERE paid IS NOT NULL
  UNION ALL
  SELECT plan_id, payee, month, 'exchanged', form || ' ' || currency, paid, currency
  FROM exchanges WHERE paid IS NOT NULL
  UNION ALL SELECT plan_id, payee, month, 'expired', '', expired, NULL FROM payouts
  UNION ALL SELECT plan_id, payee, month, 'drawn', '', drawn, NULL FROM payouts
  UNION ALL SELECT plan_id, payee, month, 'recovered', '', recovered, NULL FROM payouts
  UNION ALL SELECT plan_id, payee, month, 'granted', form, granted, NULL FROM funds
  UNION ALL SELECT plan_id, payee, month, 'lost', form, over + lapsed, NULL FROM funds
  UNION ALL
  SELECT plan_id, payee, month, 'held', '', sum(amount), NULL
  FROM held_back
  GROUP BY plan_id, payee, month) AS p
WHERE p.amount <> 0 AND p.month >= ? AND p.month < ?"""


@dataclass(frozen=True)
class LateArrivingFact:
    """A fact that became known late: its cause and file, and what was known without and with it."""

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
    recorded: Callable[[], Amounts] | None = None,
    for_good: bool = False,
) -> list[Difference]:
    """Return what the period's statements differ by between two knowledge times, by cause.

    Sorted by month, payee, plan, line. A period without plan or charges counts as nothing paid.
    `recorded` gives what stood before: each difference starts from that, and is what the fact
    changes by the same version of fenrun, so that another version changes nothing. `for_good`,
    nothing that is kept of months counts. Raises Refused where either cannot be settled.
    """
    found: list[Difference] = []
    was: Amounts = {}
    first: Amounts = {}
    for number, fact in enumerate(late_arriving_facts(store, period, before, after, for_good)):
        if not number:
            progress("before")
            was = first = _settled(fact.before, period, after)
        progress(fact.source)
        now = _settled(fact.facts, period, after)
        found += _changes(fact, was, now)
        was = now
    if recorded and found:
        stood = recorded()
        found = [_from_record(one, stood, first) for one in found]
    return sorted(found, key=lambda d: (d.month, d.payee, d.plan_id, d.what, d.component, d.period))


def _from_record(one: Difference, recorded: Amounts, settled: Amounts) -> Difference:
    """Return a difference that starts from what was recorded, not from what is settled now."""
    key = (one.month, one.plan_id, one.payee, one.what, one.component, one.period)
    more = recorded.get(key, _NOTHING)[0] - settled.get(key, _NOTHING)[0]
    return replace(one, before=one.before + more, after=one.after + more) if more else one


def recorded_amounts(runs: Iterable[Run]) -> Amounts:
    """Return what closed periods say, with the differences that were booked with each."""
    found: Amounts = {}
    for run in runs:
        found |= amounts(run)
        for one in run.booked:
            key = (one.month, one.plan_id, one.payee, one.what, one.component, one.period)
            found[key] = (found.get(key, _NOTHING)[0] + one.amount, one.currency)
    return found


def _changes(fact: LateArrivingFact, was: Amounts, now: Amounts) -> Iterator[Difference]:
    """Yield the differences between the amounts without and with a fact."""
    for key in sorted(was.keys() | now.keys()):
        before, currency_before = was.get(key, _NOTHING)
        after, currency_after = now.get(key, _NOTHING)
        if before != after:
            yield Difference(
                *key,
                cause=fact.cause,
                source=fact.source,
                known=fact.known,
                before=before,
                after=after,
                amount=after - before,
                currency=currency_after or currency_before,
            )


def late_arriving_facts(
    store: Store, period: Period, before: datetime, after: datetime, for_good: bool = False
) -> Iterator[LateArrivingFact]:
    """Yield what became known between two moments and can touch the period, in order.

    Each comes with all that was known by then; `for_good`, without what is kept of months.
    """
    facts = facts_as_of(store, before)
    if for_good:
        facts = replace(facts, kept=None)
    replaced: set[str] = set()
    plans = [plan_of(item).plan for item in verified(store.imports("plans", before))]
    latest = {plan.terms[0].plan_id: plan for plan in plans}
    for event in sorted(_events(store, period, latest, before, after), key=_Event.order):
        item = event.item
        if item is None or item.kind == "plans":
            steps = _plan_steps(facts, item, event.known.date(), latest)
        elif item.kind == "book":
            steps = _book_steps(facts, item)
        elif item.kind in _READ_BY_PLANS:
            later = _with_more(facts, item)
            if _says_the_same(facts, later, period):
                facts = later  # no plan reads them, or not yet
                continue
            steps = _agreed_steps(facts, later, item)
        else:
            steps = _charge_steps(facts, item, replaced)
        for step, cause, source in steps:
            yield LateArrivingFact(cause, source, event.known, facts, step)
            facts = step


def _agreed_steps(facts: Facts, later: Facts, item: Import) -> Steps:
    """Yield an import of terms or events; of events consents, then payments."""
    if item.kind == "terms":
        yield later, "terms change", item.source
        return
    ((source, known, tables),) = sources_of([item])
    paid = {name: table for name, table in tables.items() if name == "payments"}
    others = {name: table for name, table in tables.items() if name != "payments"}
    if others:
        facts = replace(facts, events=[*facts.events, (source, known, others)])
        yield facts, "consent", item.source
    if paid:
        yield later, "payment", item.source


def _with_more(facts: Facts, item: Import) -> Facts:
    """Return facts with an import of terms or events."""
    more = sources_of([item])
    if item.kind == "terms":
        return replace(facts, terms=[*facts.terms, *more])
    return replace(facts, events=[*facts.events, *more])


def _says_the_same(facts: Facts, later: Facts, period: Period) -> bool:
    """Return whether plans ask the same of charges and the book by later terms or events."""
    both = [
        (
            one.agreed_plans,
            one.agreed_book[len(one.book) :],
            one.figures(period),
        )
        for one in (facts, later)
    ]
    return both[0] == both[1]


@dataclass(frozen=True)
class _Event:
    """A moment at which something became known."""

    known: datetime
    rank: str
    """Order among those known at once."""
    item: Import | None
    """The import; None where only a version of a plan's table was published."""

    def order(self) -> tuple[datetime, str]:
        return self.known, self.rank


def _events(
    store: Store, period: Period, latest: dict[str, Plan], before: datetime, after: datetime
) -> Iterator[_Event]:
    """Yield what became known between two moments and can touch the period, in any order."""
    plans = list(latest.values())
    for kind in SETTLED:
        items = store.imports_between(kind, before, after)
        for item in items if kind == "charges" else verified(items):
            if kind == "plans":
                plans.append(plan_of(item).plan)
            if kind == "deliveries" and not item.facts.get("replaces"):
                continue  # money that is meant as it is: nothing changes
            if kind != "charges" or _can_touch(item, period):
                replaces = int(bool(item.facts.get("replaces")))
                yield _Event(item.known, f"{kind}{replaces}{item.id}", item)
    published = {band.published for plan in plans for band in plan.bands}
    for day in published:
        if before.date() < day <= after.date():
            yield _Event(datetime.combine(day, time.min), "plans", None)


def _can_touch(item: Import, period: Period) -> bool:
    """Return whether an import of charges can change what a period pays."""
    first_billed = item.facts["first_billed"]
    if item.facts.get("replaces") or not first_billed:
        return True
    return parse_day(first_billed) < period.span.end


Steps = Iterator[tuple[Facts, str, str]]
"""The facts after a step, the cause that the step is, and where it came from."""


def _plan_steps(facts: Facts, item: Import | None, day: date, latest: dict[str, Plan]) -> Steps:
    """Yield the step of an imported plan, or of versions published that day, if it changes plans.

    `latest` holds the last known text of each plan by id, and is brought up to date.
    """
    if item is not None:
        plan = plan_of(item).plan
        latest[plan.terms[0].plan_id] = plan
    plans = tuple(plan_as_of(latest[key], day) for key in sorted(latest))
    if plans != facts.plans:
        source = item.source if item else _published_tables(plans, day)
        yield replace(facts, plans=plans), "plan version", source


def _published_tables(plans: tuple[Plan, ...], day: date) -> str:
    bands = [band for plan in plans for band in plan.bands if band.published == day]
    return ", ".join(sorted({f"{band.plan_id}: {band.table_id}" for band in bands}))


def _book_steps(facts: Facts, item: Import) -> Steps:
    """Yield a book import in two steps: what is not about orders, then registrations of orders."""
    ((source, known, tables),) = sources_of([item])
    links = tables.get("links")
    orders = None
    if links is not None:
        orders = links.filter(pc.equal(links["of_kind"], "order"))
    if links is None or orders is None or not orders.num_rows:
        yield (
            replace(facts, book=[*facts.book, (source, known, tables)]),
            "book change",
            item.source,
        )
        return
    rest = {**tables, "links": links.filter(pc.not_equal(links["of_kind"], "order"))}
    book = list(facts.book)
    if any(table.num_rows for table in rest.values()):
        book.append((source, known, rest))
        yield replace(facts, book=list(book)), "book change", item.source
    registered = [*book, (source, known, {"links": orders})]
    yield replace(facts, book=registered), "order registration", item.source


def _charge_steps(facts: Facts, item: Import, replaced: set[str]) -> Steps:
    """Yield an import of charges in steps: charges that are only late, then corrections.

    A file that replaces others is a correction, and so is the decision that one does. `replaced`
    holds the ids replaced so far, and is brought up to date.
    """
    gone = set(item.facts.get("replaces", ()))
    replaced |= gone
    if gone or item.id in replaced:
        left = [other for other in facts.charges if other.id not in gone]
        if item.kind == "charges" and item.id not in replaced:
            left.append(item)
        yield replace(facts, charges=tuple(left)), "correction", item.source
        return
    with_item = (*facts.charges, item)
    corrections = item.facts["corrections"]
    if corrections < item.facts["rows"] - item.facts["quarantined"]:
        only = dict(facts.only)
        if corrections:
            only[item.id] = "ChargeClass IS DISTINCT FROM 'Correction'"
        yield replace(facts, charges=with_item, only=only), "late charge", item.source
    if corrections:
        yield replace(facts, charges=with_item), "correction", item.source


def _settled(facts: Facts, period: Period, known: datetime) -> Amounts:
    """Return the amounts by these facts."""
    plans = in_force(facts.plans, period)
    if not plans:
        return {}
    return amounts(replace(facts, plans=plans).settle(period, known))


def amounts(run: Run) -> Amounts:
    """Return what is earned and paid in a run's months."""
    earned = run.engine.rows(_EARNED)
    span, currency_of = run.period.span, run.currency_of
    paid = run.engine.rows(_PAID, [span.start, span.end])
    return {
        (r["month"], r["plan_id"], r["payee"], r["what"], r["component"], r["period"]): (
            r["amount"],
            r.get("currency") or currency_of[r["plan_id"]],
        )
        for r in earned + paid
    }
