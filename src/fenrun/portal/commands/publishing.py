"""Publishing: what was settled, as rows that people read, from a run into the portal's tables."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import lru_cache
from pathlib import Path
from typing import Any

import pyarrow as pa
from django.db import IntegrityError, transaction

from fenrun.base.money import plain, sums_of
from fenrun.base.when import Period, if_bound, parse_period
from fenrun.book.as_of import sources_of
from fenrun.book.in_words import KnownBook, link_table
from fenrun.closing.close import settle_period
from fenrun.closing.shown import digest_of
from fenrun.portal import models
from fenrun.portal.commands import (
    approvals,
    month_before,
    notices,
    payments,
    unsettled,
    webhooks,
)
from fenrun.portal.commands.inserting import insert, row_of
from fenrun.settle.billed_months import billed_months
from fenrun.settle.book_in_force import KEYS
from fenrun.settle.brought import events_that_brought
from fenrun.settle.line_terms import statements_naming_terms
from fenrun.settle.runs import Settled
from fenrun.statement.attainment import attainments
from fenrun.statement.rows import Owner, Statement, clauses_of, title_of
from fenrun.statement.run import Run
from fenrun.statement.team import teams_of
from fenrun.store.facts import Import, Store
from fenrun.whatif.period_to_date import settle_to_date

CUSTOMERS_SHOWN = 12
"""Customers that a statement's page lists, largest first."""
LAYOUT = 2
"""What rows hold, counted up where a version puts more into them: what a statement says of the
month before, and what its lines with a target reached."""

_CREDITING = """
WITH direct AS (
  SELECT plan_id, currency, customer, role, payee AS party, via, link_id,
         sum(amount) AS amount, CAST(sum(charges) AS BIGINT) AS charges
  FROM credited
  JOIN {currencies} USING (plan_id)
  WHERE kind = 'direct' AND customer IS NOT NULL
  GROUP BY ALL
)
SELECT c.currency, c.customer, c.role, c.party, coalesce(p.name, c.party) AS name, c.via,
       CASE WHEN l.of_kind IN ('order', 'resource') THEN l.subject ELSE '' END AS "order",
       max(c.amount) AS amount, max(c.charges) AS charges,
       l.valid_from AS since, l.valid_to AS until, coalesce(l.source, '') AS source,
       coalesce(l.type, '') AS type, max(l.link_id) AS link_id
FROM direct AS c
LEFT JOIN parties AS p ON p.party = c.party
LEFT JOIN links_as_of AS l ON l.link_id = c.link_id
GROUP BY c.currency, c.customer, c.role, c.party, p.name, c.via, "order", l.valid_from, l.valid_to,
         l.source, l.type
ORDER BY c.customer, c.currency, c.role, amount DESC, c.party
"""
_CREDITED_TO_OTHERS = """
WITH totals AS (
  SELECT payee, currency, customer, sum(amount) AS amount
  FROM held_spend
  GROUP BY payee, currency, customer
)
SELECT s.payee, s.currency, s.customer, s.via, sum(s.amount) AS amount, max(t.amount) AS "of",
       CAST(sum(s.charges) AS BIGINT) AS charges, l.valid_from AS since, l.valid_to AS until
FROM held_spend AS s
JOIN totals AS t
  ON t.payee = s.payee AND t.currency = s.currency AND t.customer = s.customer
LEFT JOIN links_as_of AS l ON l.link_id = s.link_id
WHERE s.party <> s.payee
GROUP BY s.payee, s.currency, s.customer, s.via, l.valid_from, l.valid_to
ORDER BY s.payee, amount DESC, s.customer
"""
_WITHOUT_TARGET = """
SELECT count(DISTINCT payee) AS payees
FROM statement_lines
WHERE reason IN ('no-target', 'no-figure')
"""

Rows = list[dict[str, Any]]
Moved = set[tuple[str, str]]
"""Payees, each with a customer of its own that is credited to others."""
_TRIES = 3
"""How often a period is settled where others import, close or show it meanwhile."""


def publish(
    store: Store, period: Period, progress: Callable[[str], None] = lambda name: None
) -> bool:
    """Settle a period and show it in place of what is shown of it.

    What rests on more of the log is never replaced by what rests on less, whoever comes first, and
    whoever shows it tells the webhooks. Returns whether something else is shown than before, even
    where another (the one that follows the log, say) came first and showed it.
    """
    before = _shown(period)
    for tries_left in reversed(range(_TRIES)):
        state = store.state()
        settled = settle_period(store, period, None, (), progress)
        unsettled.forget(period.key)
        if _is_shown(settled, period, state):
            break
        _load_links(store, settled.run)
        statements = _statements(store, settled, _credited_to_others(settled.run))
        crediting = _crediting(store, settled.run)
        if tries_left and store.state() != state:
            continue  # more became known, or something was closed
        if settled.run.closed:
            approvals.record_cut_off(store, period)
        with suppress(IntegrityError):  # another process showed it just now
            if _show(settled, period, state, statements, crediting):
                if _shown(period) != before:  # else only its rows are of another layout
                    webhooks.notify_statements(period.key, settled.run.closed)
                break
    payments.enter_due(period.key)
    return _shown(period) != before


def _shown(period: Period) -> tuple[object, ...] | None:
    """Return what is shown of a period: its run, whether it is closed, and what it books."""
    shown = models.Period.objects.using("default").filter(key=period.key)
    return shown.values_list("run", "closed", "booked").first()


def _is_shown(settled: Settled, period: Period, state: int) -> bool:
    """Return whether a period is shown as it was settled; it then rests on what this rests on."""
    run, shown = settled.run, models.Period.objects.using("default").filter(key=period.key)
    same = shown.filter(run=settled.run_id, closed=run.closed, booked=digest_of(run.booked))
    same = same.filter(layout__gte=LAYOUT)
    newer: dict[str, Any] = {"state": state, "closed_at": _aware(run.closed_at)}
    # A decision may change no row and yet free a close, which is as known when it is asked for.
    newer["known"] = _aware(run.as_of.known)
    for head in same.filter(state__lte=state):  # nor do its problems count any more
        counts = {**head.counts, **_counts(run)}
        if counts != head.counts:
            same.filter(state__lte=state).update(counts=counts)
    return bool(same.filter(state__lt=state).update(**newer) or same.exists())


def _show(
    settled: Settled,
    period: Period,
    state: int,
    statements: Sequence[models.Statement],
    crediting: Sequence[dict[str, Any]],
) -> bool:
    """Show a settled period, unless what is shown rests on more of the log."""
    with transaction.atomic(using="default"):
        periods = models.Period.objects.using("default").select_for_update()
        shown = periods.filter(key=period.key).first()
        if shown and (shown.state > state or _is_shown(settled, period, state)):
            return False
        head, before = _head(settled, period, state), _moved_before(period)
        if shown:
            _remember(head, shown, statements)
            shown.delete(using="default")
        models.Approval.objects.using("default").filter(
            period=period.key, approved_at=None, ended_at=None
        ).exclude(run="" if settled.run.closed else settled.run_id).delete()
        head.save(using="default", force_insert=True)
        for statement in statements:
            statement.period = head
        month_before.compare(period, statements)
        _notify(period, settled.run.closed, statements, before)
        insert(models.Statement, [row_of(statement) for statement in statements])
        insert(models.Crediting, [{**row, "period_id": head.key} for row in crediting])
        following = month_after(period)
        later = list(models.Statement.objects.using("default").filter(period_id=following.key))
        if later:
            month_before.compare(following, later)
            models.Statement.objects.using("default").bulk_update(later, ["body"], batch_size=200)
    return True


def _notify(
    period: Period, closed: bool, statements: Sequence[models.Statement], before: Moved | None
) -> None:
    """Tell payees of a statement that is closed, or the newest; and of credit moved to others.

    `before` is what was credited to others where the month, or the one before it, was shown last.
    """
    if closed:
        notices.over(("close-asked",), period.key)
    later = models.Period.objects.using("default").filter(key__gt=period.key)
    if closed or not later.exists():
        kind = "statement-closed" if closed else "statement-new"
        told = notices.holders_of(one.payee for one in statements)
        notices.notify_each(told, kind, period.key)
    if before is not None:
        moved = {payee for payee, _ in _moved(statements) - before}
        notices.notify_each(notices.holders_of(moved), "statement-moved", period.key)


def _moved(statements: Iterable[models.Statement]) -> Moved:
    """Return each payee with each customer of its own that is credited to others."""
    return {(one.payee, row["customer"]) for one in statements for row in one.body["elsewhere"]}


def _moved_before(period: Period) -> Moved | None:
    """Return what was credited to others where the month, or the one before it, was shown last.

    Of payees that have accounts; None where neither was shown, or nobody would be told.
    """
    last_month = f"{period.span.start - timedelta(days=1):%Y-%m}"
    grants = models.Grant.objects.using("default").filter(role__in=(models.PARTNER, models.REP))
    payees = set(grants.filter(ended_at=None).values_list("party", flat=True))
    shown = models.Statement.objects.using("default").filter(payee__in=payees)
    for key in (period.key, last_month) if payees else ():
        if models.Period.objects.using("default").filter(key=key).exists():
            return _moved(shown.filter(period_id=key).defer("customers"))
    return None


def _head(settled: Settled, period: Period, state: int) -> models.Period:
    run = settled.run
    return models.Period(
        key=period.key,
        run=settled.run_id,
        known=run.as_of.known.replace(tzinfo=UTC),
        ends=period.last_day,
        closed=run.closed,
        closed_at=_aware(run.closed_at),
        booked=digest_of(run.booked),
        currency=", ".join(run.currencies),
        state=state,
        layout=LAYOUT,
        counts=_counts(run),
    )


def _counts(run: Run) -> dict[str, Any]:
    """Return what pages count of a run: its problems by severity, payees without a target."""
    (lacking,) = run.engine.rows(_WITHOUT_TARGET)
    found = Counter(problem.severity for problem in run.problems)
    return {"problems": dict(found), "without_target": int(lacking["payees"])}


def _remember(
    head: models.Period, shown: models.Period, statements: Sequence[models.Statement]
) -> None:
    """Note in a period's head what it replaces, and whose pay is other than was shown."""
    if shown.run == head.run:
        head.before_run, head.before_known = shown.before_run, shown.before_known
        head.counts |= {key: shown.counts[key] for key in ("changed", "by") if key in shown.counts}
        return
    head.before_run, head.before_known = shown.run, shown.known
    rows = models.Statement.objects.using("default").filter(period_id=shown.key)
    changes: defaultdict[Owner, Decimal] = defaultdict(Decimal)
    for payee, currency, payable in rows.values_list("payee", "currency", "payable"):
        changes[payee, currency] -= Decimal(payable)
    for one in statements:
        changes[one.payee, one.currency] += Decimal(one.payable)
    changed = {owner: amount for owner, amount in changes.items() if amount}
    sums = sums_of((currency, amount) for (_, currency), amount in sorted(changed.items()))
    head.counts |= {
        "changed": len({payee for payee, _ in changed}),
        "by": {currency: plain(amount) for currency, amount in sums.items()},
    }


def _aware(moment: datetime | None) -> datetime | None:
    """Return a moment of UTC as the database keeps it."""
    return moment and moment.replace(tzinfo=UTC)


def _load_links(store: Store, run: Run) -> None:
    """Put the links that credits name, as known to the run, beside the run's tables."""
    imports = store.imports("book", run.as_of.known)
    named = tuple((one.id, one.kind, one.source, one.known, one.folder) for one in imports)
    run.engine.load("links_as_of", _links_known(named))


@lru_cache(1)
def _links_known(imports: tuple[tuple[str, str, str, datetime, Path], ...]) -> pa.Table:
    """Return the links of a book: those of one month are those of the next, while nothing comes."""
    return link_table(KnownBook(sources_of(Import(*one) for one in imports)).links())


def _credited_to_others(run: Run) -> dict[Owner, Rows]:
    """Return, by payee and currency, what of its customers' spend is credited to others.

    Never to whom.
    """
    found: defaultdict[Owner, Rows] = defaultdict(list)
    for row in run.engine.rows(_CREDITED_TO_OTHERS):
        owner = (row.pop("payee"), row.pop("currency"))
        texts = _texts(row)
        for key in ("since", "until"):
            if texts[key] is not None:
                texts[key] = str(texts[key])
        found[owner].append(texts)
    return found


def month_after(period: Period) -> Period:
    """Return the month that follows a period."""
    return parse_period(f"{period.span.end:%Y-%m}")


def months_of(store: Store) -> list[Period]:
    """Return the months that the workspace has charges of, in order."""
    return billed_months(store)


def _statements(
    store: Store, settled: Settled, to_others: Mapping[Owner, Rows]
) -> list[models.Statement]:
    """Return the statements of a run, each in one currency; of each currency best earner first.

    Whoever earns nothing because all is credited to others has one too, that says so.
    """
    run, currency_of = settled.run, settled.run.currency_of
    attained = attainments(run)
    to_date = settle_to_date(store, run)
    sections = [
        section for whole in statements_naming_terms(run).values() for section in whole.sections
    ]
    statements = {(one.payee, one.currency): one for one in sections}
    payees = {payee for payee, _ in statements}
    going_on = {(one.payee, currency_of[one.plan_id]) for one in to_date.values()}
    named = to_others.keys() | {owner for owner in going_on if owner[0] in payees}
    statements |= _empty_statements(run, named - statements.keys())
    teams = teams_of(run, attained | to_date)
    names = _names(run)
    rules = clauses_of(run)
    to_date_by_owner: defaultdict[Owner, Rows] = defaultdict(list)
    for line, attainment in sorted(to_date.items()):
        head = {
            "line": line,
            "title": title_of(rules, attainment.plan_id, attainment.component),
            "period": attainment.period,
        }
        owner = (attainment.payee, currency_of[attainment.plan_id])
        to_date_by_owner[owner].append(head | attainment.as_json())
    ranked = sorted(
        statements.items(), key=lambda one: (one[0][1], -one[1].earned, -one[1].credited, one[0])
    )
    return [
        _statement(
            statement,
            rank,
            names,
            attained={
                line.line_id: attained[line.line_id].as_json()
                for line in statement.lines
                if line.line_id in attained
            },
            under_way=to_date_by_owner.get(owner, []),
            elsewhere=to_others.get(owner, []),
            team=teams.get(owner, []),
        )
        for rank, (owner, statement) in enumerate(ranked, 1)
    ]


def _empty_statements(run: Run, owners: Iterable[Owner]) -> dict[Owner, Statement]:
    missing = sorted(owners)
    if not missing:
        return {}
    names = _names(run)
    return {
        (payee, currency): Statement(
            payee,
            names.get(payee) or payee,
            run.period,
            run.as_of,
            currency,
            (),
            (),
            (),
            (),
            closed_at=run.closed_at,
        )
        for payee, currency in missing
    }


def _names(run: Run) -> dict[str, str]:
    parties = run.engine.rows("SELECT party, name FROM parties")
    return {row["party"]: row["name"] for row in parties if row["name"]}


def _statement(
    statement: Statement, rank: int, names: Mapping[str, str], **more: Any
) -> models.Statement:
    """Return a statement as it is shown; `more` are keys of its body besides its JSON."""
    body = replace(statement, others=()).as_json()
    customers = [
        {**row, "name": names[row["customer"]]} if names.get(row["customer"]) else row
        for row in body["customers"]
    ]
    for row in more["elsewhere"]:
        row["name"] = names.get(row["customer"], "")
    return models.Statement(
        payee=statement.payee,
        currency=statement.currency,
        name=statement.name,
        role=_roles_of(statement),
        rank=rank,
        credited=plain(statement.credited),
        earned=plain(statement.earned),
        payable=plain(statement.payable),
        customers=customers,
        body={
            **body,
            "customers": customers[:CUSTOMERS_SHOWN],
            "titles": _titles(statement),
            "before": None,
            "change": None,
            **more,
        },
        reached=_reached(statement, more["attained"]),
    )


def _reached(statement: Statement, attained: Mapping[str, Any]) -> list[list[str]]:
    """Return what lines that are compared with a target reached of it.

    Each is plan, component, period, what was measured, and the target.
    """
    found = []
    for line in statement.lines:
        one = attained.get(line.line_id)
        target = one["reference"] if one and one["reads_by"] == "attainment" else None
        if one and target and Decimal(target) > 0:
            found.append([line.plan_id, line.component, line.period, one["measure"], target])
    return found


def _titles(statement: Statement) -> dict[str, dict[str, str]]:
    """Return the titles of what its page names beside its lines.

    The rules and components by which something is not counted, and the components that wait, or
    of which closed periods differ.
    """
    rows = statement.not_counted
    by_rule = {
        r["rule"]: statement.titles[r["rule"]] for r in rows if r["rule"] in statement.titles
    }
    components = [row["component"] for row in (*rows, *statement.waiting)]
    components += [found.component for found in statement.differences if found.what == "earned"]
    titles = statement.titles
    by_component = {named: titles[named] for named in components if named in titles}
    return by_rule | by_component


def _roles_of(statement: Statement) -> str:
    """Return the roles of a statement's payee, those that earn first."""
    earning = [line.role for line in statement.lines]
    credited = [row["role"] for row in statement.credits]
    return ", ".join(dict.fromkeys(earning + credited))


def _crediting(store: Store, run: Run) -> Rows:
    """Return who is credited for whose spend: rows of `Crediting`, without their period."""
    rows = run.engine.rows(_CREDITING.format(currencies=run.plan_currencies))
    linked = [row for row in rows if row["link_id"] is not None]
    imports = store.imports("book", run.as_of.known)
    events = events_that_brought(store, imports, "links", linked, KEYS)
    by_link = {row["link_id"]: event for row, event in zip(linked, events)}
    crediting = []
    for row in rows:
        event = by_link.get(row.pop("link_id"))
        known = datetime.fromisoformat(event.facts()["known"]) if event else None
        crediting.append(
            _texts(row)
            | {
                "actor": event.actor if event else "",
                "known": known.replace(tzinfo=UTC) if known else None,
            }
        )
    return crediting


def _texts(row: dict[str, Any]) -> dict[str, Any]:
    """Return a row with amounts as exact text, and None for a day that is open."""
    days = {name: if_bound(row[name]) for name in ("since", "until")}
    return {key: plain(v) if isinstance(v, Decimal) else v for key, v in (row | days).items()}
