"""A statement as an object, read from the tables of a run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from decimal import Decimal
from typing import Any

from fenrun.base.money import plain
from fenrun.base.problem import Place, refused
from fenrun.base.when import AsOf, Period, show_moment
from fenrun.credit.shared_work import crediting_plans
from fenrun.engine.duckdb import DuckDB
from fenrun.plan.rows import Rule
from fenrun.statement.run import Difference, Run, paid_in_all


@dataclass(frozen=True)
class NamedTerm:
    """A row of the terms that is about some of what a line is made of."""

    table: str
    """`approvals`, `floors`, `coupons` or `agreements`."""
    id: str
    says: str
    """What it grants, demands or is, as it is written; of coupons nothing."""
    charges: int
    """The number of the line's charges that it is about."""
    credited: Decimal
    """The sum that the payee is credited of these."""

    def as_json(self) -> dict[str, Any]:
        """Return the same as a JSON-ready mapping; amounts are exact text."""
        return {**asdict(self), "credited": plain(self.credited)}


@dataclass(frozen=True)
class Line:
    """A line of a statement: what a component earns in a period, and why."""

    line_id: str
    plan_id: str
    component: str
    title: dict[str, str]
    """The component's title by language."""
    role: str
    period: str
    measured: Decimal
    """The component's performance measure."""
    reason: str
    """Why, as the earning's rows say; `units` where it adds up more than one."""
    detail: str
    """The thing that the reason is about: the other clause, the threshold, the customer."""
    band: str
    """Words of the bands reached."""
    cap: Decimal | None
    who: str
    """Words of the condition on the payee."""
    earned: Decimal
    terms: tuple[NamedTerm, ...] = ()
    """The terms that are about what it is made of."""

    def as_json(self) -> dict[str, Any]:
        """Return the line as a JSON-ready mapping; amounts are exact text."""
        return {
            "line": self.line_id,
            "plan": self.plan_id,
            "component": self.component,
            "title": self.title,
            "role": self.role,
            "period": self.period,
            "measured": plain(self.measured),
            "reason": self.reason,
            "detail": self.detail,
            "band": self.band,
            "cap": None if self.cap is None else plain(self.cap),
            "who": self.who,
            "earned": plain(self.earned),
            **({"terms": [term.as_json() for term in self.terms]} if self.terms else {}),
        }


@dataclass(frozen=True)
class Statement:
    """A statement: what one payee is credited and paid for a period, as known at a moment.

    In one currency; what the payee has in `others` are sections of the same statement. Nothing of
    one currency is ever added to another.
    """

    payee: str
    name: str
    period: Period
    as_of: AsOf
    currency: str
    credits: tuple[dict[str, Any], ...]
    """role, kind, credited, charges: what is credited in the period, by role."""
    customers: tuple[dict[str, Any], ...]
    """role, customer, credited, charges: the same by customer, largest first."""
    not_counted: tuple[dict[str, Any], ...]
    """component, rule, amount: credited, but not qualifying: excluded or below a baseline."""
    lines: tuple[Line, ...]
    payouts: tuple[dict[str, Any], ...] = ()
    """plan_id, month, due, brought, expired, drawn, recovered, balance, paid, carried: how what is
    due becomes what is paid, where the plan says."""
    payments: tuple[dict[str, Any], ...] = ()
    """plan_id, month, form, amount, paid: what is paid out."""
    exchanges: tuple[dict[str, Any], ...] = ()
    """plan_id, month, form, into, rate, given_by, amount, paid: the payments that are made in
    another currency; without a rate they wait, and nothing is `paid`."""
    due_later: tuple[dict[str, Any], ...] = ()
    """plan_id, month, amount: what is earned by the period's end and falls due in later months."""
    waiting: tuple[dict[str, Any], ...] = ()
    """plan_id, component, unit, amount: what is due at the period's end and not paid, since the
    unit (a customer, an order, an invoice) is frozen."""
    funds: tuple[dict[str, Any], ...] = ()
    """plan_id, month, form, brought, accrued, over, claimed, granted, lapsed, balance: what is kept
    for the payee until it is claimed."""
    differences: tuple[Difference, ...] = ()
    """Differences of closed periods: what they would have paid otherwise, had later facts been
    known; paid, or taken back, with this statement."""
    titles: dict[str, dict[str, str]] = field(default_factory=dict)
    """Titles of the clauses named, by language."""
    closed_at: datetime | None = None
    """When the period was closed (UTC), where it is: the statement is final."""
    others: tuple[Statement, ...] = ()
    """The payee's sections in other currencies, in their order."""

    @property
    def sections(self) -> tuple[Statement, ...]:
        """The statement in each of its currencies."""
        return self, *self.others

    @property
    def closed(self) -> bool:
        """True where the period is closed."""
        return self.closed_at is not None

    @property
    def credited(self) -> Decimal:
        """The sum of the credits in the period."""
        return sum((c["credited"] for c in self.credits), Decimal(0))

    @property
    def earned(self) -> Decimal:
        """The sum of the lines."""
        return sum((line.earned for line in self.lines), Decimal(0))

    @property
    def total_paid(self) -> Decimal:
        """The sum of the payments of the period itself."""
        return sum((p["paid"] for p in self.payments), Decimal(0))

    @property
    def difference(self) -> Decimal:
        """The amount that is paid, or taken back, for closed periods."""
        return paid_in_all(self.differences).get(self.currency, Decimal(0))

    @property
    def paid_differences(self) -> list[Difference]:
        """The differences of what is paid, without those of what leads to it."""
        return [found for found in self.differences if found.what == "paid"]

    @property
    def payable(self) -> Decimal:
        """The amount that is paid with this statement."""
        return self.total_paid + self.difference

    def as_json(self) -> dict[str, Any]:
        """Return the statement as a JSON-ready mapping; amounts are exact text."""
        return {
            "payee": self.payee,
            "name": self.name,
            "period": self.period.key,
            "currency": self.currency,
            "as_of": {
                "effective": str(self.as_of.effective),
                "known": show_moment(self.as_of.known),
            },
            "credited": plain(self.credited),
            "earned": plain(self.earned),
            "paid": plain(self.total_paid),
            "difference": plain(self.difference),
            "payable": plain(self.payable),
            "closed": self.closed,
            "closed_at": show_moment(self.closed_at) if self.closed_at else None,
            "credits": [{**c, "credited": plain(c["credited"])} for c in self.credits],
            "customers": [{**c, "credited": plain(c["credited"])} for c in self.customers],
            "not_counted": [{**n, "amount": plain(n["amount"])} for n in self.not_counted],
            "lines": [line.as_json() for line in self.lines],
            "payouts": [_plain(p) for p in self.payouts],
            "payments": [_plain(p) for p in self.payments],
            "exchanges": [_plain(row) for row in self.exchanges],
            "due_later": [_plain(row) for row in self.due_later],
            "waiting": [{**w, "amount": plain(w["amount"])} for w in self.waiting],
            "funds": [_plain(fund) for fund in self.funds],
            "differences": [d.as_json() for d in self.differences],
            **({"other_currencies": [s.as_json() for s in self.others]} if self.others else {}),
        }


def _plain(row: dict[str, Any]) -> dict[str, Any]:
    return {name: _json_value(name, value) for name, value in row.items()}


def _json_value(name: str, value: Any) -> Any:
    if isinstance(value, Decimal):
        return plain(value, 0) if name == "rate" else plain(value)
    return str(value)[:7] if name == "month" else value


_LINES = """
SELECT l.payee, l.line_id, l.plan_id, l.component, l.role, l.period, l.measured, l.reason,
       l.detail, l.earned, e.cap, s.words
FROM statement_lines AS l
LEFT JOIN (
  SELECT plan_id, component, payee, period, max(cap) AS cap
  FROM earnings
  WHERE step_no = 0
  GROUP BY ALL) AS e
  ON e.plan_id = l.plan_id AND e.component = l.component
 AND e.payee = l.payee AND e.period = l.period
LEFT JOIN (
  SELECT plan_id, component, payee, period, string_agg(words, '; ' ORDER BY band_no) AS words
  FROM (
    SELECT DISTINCT plan_id, component, payee, period, band_no, words FROM tier_earnings) AS bands
  GROUP BY ALL) AS s
  ON s.plan_id = l.plan_id AND s.component = l.component
 AND s.payee = l.payee AND s.period = l.period
WHERE l.payee = coalesce(?, l.payee)
ORDER BY l.payee, l.plan_id, l.rank, l.period"""
_PAYOUTS = """
SELECT payee, plan_id, month, due, brought, expired, drawn, recovered, balance, paid, carried
FROM payouts
WHERE payee = coalesce(?, payee) AND month >= ? AND month < ?
ORDER BY payee, plan_id, month"""
_PAYMENTS = """
SELECT payee, plan_id, month, form, amount, paid
FROM payments
WHERE payee = coalesce(?, payee) AND month >= ? AND month < ?
ORDER BY payee, plan_id, month, form"""
_EXCHANGES = """
SELECT payee, plan_id, month, form, currency AS into, rate, given_by, amount, paid
FROM exchanges
WHERE payee = coalesce(?, payee) AND month >= ? AND month < ?
ORDER BY payee, plan_id, month, form"""
_DUE_LATER = """
SELECT payee, plan_id, month, -sum(amount) AS amount
FROM held_back
WHERE payee = coalesce(?, payee) AND month >= ?
GROUP BY payee, plan_id, month
HAVING sum(amount) <> 0
ORDER BY payee, plan_id, month"""
_WAITING = """
SELECT payee, plan_id, component, unit, amount
FROM waiting
WHERE payee = coalesce(?, payee)
ORDER BY payee, plan_id, component, unit"""
_FUNDS = """
SELECT payee, plan_id, month, form, brought, accrued, over, claimed, granted, lapsed, balance
FROM funds
WHERE payee = coalesce(?, payee) AND month >= ? AND month < ?
ORDER BY payee, plan_id, month, form"""
_CREDITS = """
SELECT payee, currency, role, kind, sum(credited) AS credited,
       CAST(sum(charges) AS BIGINT) AS charges
FROM statement_credits
JOIN {currencies} USING (plan_id)
WHERE payee = coalesce(?, payee)
GROUP BY payee, currency, role, kind
ORDER BY payee, role, kind"""
_CUSTOMERS = """
SELECT payee, currency, role, customer, sum(amount) AS credited,
       CAST(sum(charges) AS BIGINT) AS charges
FROM credited
JOIN {currencies} USING (plan_id)
WHERE payee = coalesce(?, payee) AND plan_id IN (SELECT unnest(?))
GROUP BY payee, currency, role, customer
ORDER BY payee, credited DESC, customer"""
_NOT_QUALIFYING = """
SELECT payee, currency, component, rule, sum(amount) AS amount
FROM not_counted
JOIN {currencies} USING (plan_id)
WHERE payee = coalesce(?, payee)
GROUP BY payee, currency, component, rule
HAVING sum(amount) <> 0
ORDER BY payee, component, rule"""

Clauses = Mapping[tuple[str, str], Rule]
"""Clauses by plan and rule."""


def clauses_of(run: Run) -> Clauses:
    """Return the clauses of the run's plans by plan and rule."""
    return {(plan.id, rule.rule_id): rule for plan in run.plans for rule in plan.rules}


def title_of(clauses: Clauses, plan: str, rule: str) -> dict[str, str]:
    """Return a clause's title by language; its id where the plan gives none."""
    clause = clauses.get((plan, rule))
    if clause is None:
        return {"en": rule, "zh-CN": rule}
    return {"en": clause.title_en, "zh-CN": clause.title_zh}


def payees(engine: DuckDB) -> list[dict[str, Any]]:
    """Return everybody with a statement: payee, role, plan_id, credited, earned; largest first."""
    found: list[dict[str, Any]] = engine.rows("""
        SELECT payee, role, plan_id, sum(credited) AS credited, sum(earned) AS earned
        FROM statements
        GROUP BY payee, role, plan_id
        ORDER BY earned DESC, credited DESC, payee, role""")
    return found


def statement_of(run: Run, payee: str) -> Statement:
    """Return the statement of a payee in a run. Raises Refused where it has none."""
    found = statements_of(run, payee).get(payee)
    if not found:
        raise refused("payee-unknown", Place(payee), payee=payee, period=run.period.key)
    return found


def statements_of(run: Run, payee: str | None = None) -> dict[str, Statement]:
    """Return the statements of a run by payee: of everybody, or of one.

    Each is that of the payee's first currency, with its sections in others.
    """
    months = [run.period.span.start, run.period.span.end]
    clauses = clauses_of(run)
    clause_titles = {rule: title_of(clauses, plan, rule) for plan, rule in clauses}
    credits = _by_owner(run, "statement_credits", _CREDITS, [payee])
    customers = _by_owner(run, "credited", _CUSTOMERS, [payee, crediting_plans(run.plans)])
    not_counted = _by_owner(run, "not_counted", _NOT_QUALIFYING, [payee])
    lines = _by_owner(run, "statement_lines", _LINES, [payee])
    payouts = _by_owner(run, "payouts", _PAYOUTS, [payee, *months])
    payments = _by_owner(run, "payments", _PAYMENTS, [payee, *months])
    exchanges = _by_owner(run, "exchanges", _EXCHANGES, [payee, *months])
    due_later = _by_owner(run, "held_back", _DUE_LATER, [payee, run.period.span.end])
    waiting = _by_owner(run, "waiting", _WAITING, [payee])
    funds = _by_owner(run, "funds", _FUNDS, [payee, *months])
    booked = _booked_by_owner(run, payee)
    names = _names(run, payee)
    found: dict[str, list[Statement]] = {}
    owners = {*credits, *lines, *booked, *payouts, *payments, *due_later, *waiting, *funds}
    for owner in sorted(owners):
        who, currency = owner
        statement = Statement(
            payee=who,
            name=names.get(who) or who,
            period=run.period,
            as_of=run.as_of,
            currency=currency,
            credits=credits.get(owner, ()),
            customers=customers.get(owner, ()),
            not_counted=not_counted.get(owner, ()),
            lines=tuple(_line(clauses, row) for row in lines.get(owner, ())),
            payouts=payouts.get(owner, ()),
            payments=payments.get(owner, ()),
            exchanges=exchanges.get(owner, ()),
            due_later=due_later.get(owner, ()),
            waiting=waiting.get(owner, ()),
            funds=funds.get(owner, ()),
            differences=tuple(booked.get(owner, ())),
            titles=clause_titles,
            closed_at=run.closed_at,
        )
        found.setdefault(who, []).append(statement)
    return {who: replace(first, others=tuple(rest)) for who, (first, *rest) in found.items()}


Owner = tuple[str, str]
"""A payee and a currency."""


def _by_owner(
    run: Run, table: str, sql: str, values: list[Any]
) -> dict[Owner, tuple[dict[str, Any], ...]]:
    """Return rows by payee and currency: their own, else that of their plan.

    None where a table has none to begin with.
    """
    found: dict[Owner, list[dict[str, Any]]] = {}
    if run.engine.is_empty(table):
        return {}
    filled, currency_of = sql.format(currencies=run.plan_currencies), run.currency_of
    for row in run.engine.rows(filled, values):
        currency = row.pop("currency", None) or currency_of[row["plan_id"]]
        found.setdefault((row.pop("payee"), currency), []).append(row)
    return {owner: tuple(rows) for owner, rows in found.items()}


def _booked_by_owner(run: Run, payee: str | None) -> dict[Owner, list[Difference]]:
    found: dict[Owner, list[Difference]] = {}
    for one in run.booked:
        if payee in (None, one.payee):
            currency = run.currency_of.get(one.plan_id, one.currency)
            found.setdefault((one.payee, currency), []).append(one)
    return found


def _names(run: Run, payee: str | None) -> dict[str, str]:
    sql = "SELECT party, name FROM parties WHERE party = coalesce(?, party)"
    return {row["party"]: row["name"] for row in run.engine.rows(sql, [payee])}


def _line(clauses: Clauses, row: dict[str, Any]) -> Line:
    plan, component = row["plan_id"], row["component"]
    condition = clauses.get((plan, f"{component}.who"))
    return Line(
        line_id=row["line_id"],
        plan_id=plan,
        component=component,
        title=title_of(clauses, plan, component),
        role=row["role"],
        period=row["period"],
        measured=row["measured"],
        reason=row["reason"],
        detail=row["detail"] or "",
        band=row["words"] or "",
        cap=row["cap"],
        who=condition.words if condition else "",
        earned=row["earned"],
    )
