"""What was settled, as the rows that people read: from a run of the workspace into the portal's tables."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

from django.db import transaction

from fenrun.base.ids import digest, short
from fenrun.base.money import plain
from fenrun.base.when import OPEN_END, Period, parse_period
from fenrun.book.as_of import load_book, sources_of
from fenrun.closing.close import settle_period
from fenrun.engine.duckdb import DuckDB
from fenrun.portal import charts, models
from fenrun.settle.runs import Settled
from fenrun.statement.attainment import attainments
from fenrun.statement.rows import Statement, statements_of, title_of, titles
from fenrun.statement.run import Difference
from fenrun.statement.team import teams_of
from fenrun.store.audit_log import Event
from fenrun.store.facts import Store
from fenrun.whatif.period_to_date import settle_to_date

_CREDITING = """
SELECT c.customer, c.role, c.party, coalesce(p.name, c.party) AS name, c.via, CASE WHEN l.of_kind IN ('order', 'resource') THEN l.subject ELSE '' END AS "order",
       max(c.amount) AS amount, max(c.charges) AS charges, l.valid_from AS since, l.valid_to AS until, coalesce(l.source, '') AS source
FROM (SELECT plan_id, customer, role, party, via, link_id, sum(amount) AS amount, CAST(sum(charges) AS BIGINT) AS charges FROM credits
      WHERE main AND kind = 'direct' AND customer IS NOT NULL AND month >= ? AND month < ? GROUP BY ALL) AS c
LEFT JOIN parties AS p ON p.party = c.party
LEFT JOIN links_as_of AS l ON l.link_id = c.link_id
GROUP BY c.customer, c.role, c.party, p.name, c.via, "order", l.valid_from, l.valid_to, l.source ORDER BY c.customer, c.role, amount DESC, c.party"""
_CREDITED_TO_OTHERS = """
WITH mine AS (
  SELECT c.role, c.customer, c.party, c.via, c.amount, c.charges, c.link_id, h.party AS payee
  FROM credits AS c
  JOIN links_as_of AS h ON h.of_kind = 'customer' AND h.subject = c.customer AND h.role = c.role AND h.valid_from <= c.day AND c.day < h.valid_to
  WHERE c.main AND c.kind = 'direct' AND c.month >= ? AND c.month < ?)
SELECT m.payee, m.customer, m.via, sum(m.amount) AS amount, max(w.amount) AS "of", CAST(sum(m.charges) AS BIGINT) AS charges, l.valid_from AS since, l.valid_to AS until
FROM mine AS m
JOIN (SELECT payee, customer, sum(amount) AS amount FROM mine GROUP BY payee, customer) AS w ON w.payee = m.payee AND w.customer = m.customer
LEFT JOIN links_as_of AS l ON l.link_id = m.link_id
WHERE m.party <> m.payee
GROUP BY m.payee, m.customer, m.via, l.valid_from, l.valid_to ORDER BY m.payee, amount DESC, m.customer"""

_ONE_BY_ONE = 8
"""Customers whose change is shown one by one."""


def publish(
    store: Store, period: Period, progress: Callable[[str], None] = lambda name: None
) -> bool:
    """Settle a period, if that was not done, and put what it says in place of what is shown of it. Returns whether anything changed."""
    settled = settle_period(store, period, None, (), progress)
    shown = models.Period.objects.using("default").filter(key=period.key).first()
    run = settled.run
    if shown and (shown.run, shown.closed, shown.booked) == (
        settled.run_id,
        run.closed,
        digest_of(run.booked),
    ):
        return False
    book = DuckDB()
    load_book(book, sources_of(store.imports("book", run.as_of.known)))
    for name in ("links", "links_as_of"):
        run.engine.load(name, book.table(name))
    span = [period.span.start, period.span.end]
    elsewhere: dict[str, list[dict[str, Any]]] = {}
    for row in run.engine.query(_CREDITED_TO_OTHERS, span).to_pylist():
        elsewhere.setdefault(row.pop("payee"), []).append(
            {k: str(v) if isinstance(v, date) else v for k, v in _texts(row).items()}
        )
    rows = [
        *_statements(store, settled, elsewhere),
        *_crediting(store, run.engine.query(_CREDITING, span).to_pylist()),
    ]
    with transaction.atomic(using="default"):
        if shown:
            shown.delete(using="default")
        head = models.Period(
            key=period.key,
            run=settled.run_id,
            known=run.as_of.known.replace(tzinfo=UTC),
            ends=period.last_day,
            closed=run.closed,
            booked=digest_of(run.booked),
            currency=run.plans[0].terms[0].currency,
        )
        head.save(using="default", force_insert=True)
        for kind in (models.Statement, models.Crediting):
            made = [r for r in rows if isinstance(r, kind)]
            for row in made:
                row.period = head
            kind.objects.using("default").bulk_create(made, batch_size=500)
        _compare(period)
        _compare(month_after(period))
    return True


def digest_of(booked: Sequence[Difference]) -> str:
    """A short name of the differences that a period holds."""
    return short(digest("posted", [repr(d) for d in booked]))


def month_after(period: Period) -> Period:
    """The month that follows a period."""
    return parse_period(f"{period.span.end:%Y-%m}")


def _compare(period: Period) -> None:
    """Put what changed since the month before, by customer, into the statements of a month that is shown."""
    shown = models.Statement.objects.using("default")
    before = {
        s.payee: s
        for s in shown.filter(period_id=f"{period.span.start - timedelta(days=1):%Y-%m}").defer(
            "body"
        )
    }
    changed = list(shown.filter(period_id=period.key)) if before else []
    for statement in changed:
        was = before.get(statement.payee)
        statement.body["before"] = (
            {
                "period": was.period_id,
                "credited": was.credited,
                "changes": _changes(was.customers, statement.customers),
            }
            if was
            else None
        )
    shown.bulk_update(changed, ["body"], batch_size=200)


def _changes(before: list[dict[str, Any]], after: list[dict[str, Any]]) -> list[tuple[str, str]]:
    """What made the credited amount of a month differ from the month before, by customer: the largest one by one, the others together."""
    sums: dict[str, Decimal] = {}
    for customers, sign in ((before, -1), (after, 1)):
        for row in customers:
            sums[row["customer"] or "–"] = sums.get(
                row["customer"] or "–", Decimal(0)
            ) + sign * Decimal(row["credited"])
    ordered = sorted(
        ((c, v) for c, v in sums.items() if v), key=lambda pair: (-abs(pair[1]), pair[0])
    )
    shown = [(customer, plain(value)) for customer, value in ordered[:_ONE_BY_ONE]]
    rest = sum((value for _, value in ordered[_ONE_BY_ONE:]), Decimal(0))
    return [*shown, ("…", plain(rest))] if rest else shown


def _statements(
    store: Store, settled: Settled, elsewhere: dict[str, list[dict[str, Any]]]
) -> list[models.Statement]:
    """The statements of a run. Whoever earns nothing because all is credited elsewhere has one too, that says so."""
    run, stand = settled.run, attainments(settled.run)
    coming = settle_to_date(store, run)
    said, teams = statements_of(run), teams_of(run, stand | coming)
    rules, coming_by = titles(run.engine), dict[str, list[dict[str, Any]]]()
    for line, x in sorted(coming.items()):
        coming_by.setdefault(x.payee, []).append(
            {
                "line": line,
                "title": title_of(rules, x.plan_id, x.component),
                "period": x.period,
                **x.as_json(),
            }
        )
    names = (
        {
            r["party"]: r["name"]
            for r in run.engine.query("SELECT party, name FROM parties").to_pylist()
        }
        if set(elsewhere) - set(said)
        else {}
    )
    for payee in set(elsewhere) - set(said):
        said[payee] = Statement(
            payee,
            names.get(payee) or payee,
            run.period,
            run.as_of,
            run.plans[0].terms[0].currency,
            (),
            (),
            (),
            (),
            closed=run.closed,
        )
    ranked = sorted(said.values(), key=lambda s: (-s.earned, -s.credited, s.payee))
    return [
        models.Statement(
            payee=s.payee,
            name=s.name,
            role=_role(s),
            rank=rank,
            credited=plain(s.credited),
            earned=plain(s.earned),
            payable=plain(s.payable),
            customers=whole["customers"],
            body={
                **whole,
                "customers": whole["customers"][: charts.SHOWN],
                "titles": {
                    n["rule"]: s.titles[n["rule"]] for n in s.not_counted if n["rule"] in s.titles
                }
                | {n["component"]: s.titles[n["component"]] for n in s.not_counted},
                "attained": {
                    x.line_id: stand[x.line_id].as_json() for x in s.lines if x.line_id in stand
                },
                "under_way": coming_by.get(s.payee, []),
                "elsewhere": elsewhere.get(s.payee, []),
                "team": teams.get(s.payee, []),
                "before": None,
            },
        )
        for rank, s in enumerate(ranked, 1)
        for whole in [s.as_json()]
    ]


def _role(statement: Statement) -> str:
    return ", ".join(
        dict.fromkeys(
            [line.role for line in statement.lines] + [c["role"] for c in statement.credits]
        )
    )


def _crediting(store: Store, rows: Iterable[dict[str, Any]]) -> list[models.Crediting]:
    acts, made = events_by_source(store), []
    for row in rows:
        act = acts.get(row["source"])
        known = datetime.fromisoformat(act.facts()["known"]).replace(tzinfo=UTC) if act else None
        made.append(models.Crediting(**_texts(row), actor=act.actor if act else "", known=known))
    return made


def events_by_source(store: Store) -> dict[str, Event]:
    """The act that last brought each book file, by the file's name: who entered a link, when and why."""
    return {a.facts()["source"]: a for a in store.log.events("book")}


def _texts(row: dict[str, Any]) -> dict[str, Any]:
    """Amounts as exact text; an end that is open as none."""
    return {
        k: plain(v)
        if isinstance(v, Decimal)
        else None
        if v == OPEN_END or (k == "since" and isinstance(v, date) and v.year <= 1)
        else v
        for k, v in row.items()
    }


def months_of(store: Store) -> list[Period]:
    """The months that the workspace has charges of, in order."""
    found: set[str] = set()
    for item in store.imports("charges"):
        first, last = item.facts.get("first_billed"), item.facts.get("last_billed")
        if first and last:
            found.update(
                parse_period(
                    f"{first[:7]}/{last[:7]}" if first[:7] != last[:7] else first[:7]
                ).months
            )
    return [parse_period(m) for m in sorted(found)]
