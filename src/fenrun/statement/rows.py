"""What a statement holds: read from the tables of a run."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from fenrun.base.money import plain
from fenrun.base.problem import Place, Problem, Refused
from fenrun.base.when import AsOf, Period, show_moment
from fenrun.engine.port import Engine
from fenrun.statement.run import Difference, Run


@dataclass(frozen=True)
class Line:
    """One line: what a component earns in a period, and why."""

    line_id: str
    plan_id: str
    component: str
    title: dict[str, str]
    """The component's title by language."""
    role: str
    period: str
    measured: Decimal
    """What counts for the component."""
    reason: str
    """Why, as the earning's rows say; `units` where it adds up more than one."""
    detail: str
    """What the reason is about: the other clause, the gate, the customer."""
    band: str
    """Words of the bands reached."""
    cap: Decimal | None
    who: str
    """Words of the condition on the payee."""
    earned: Decimal


@dataclass(frozen=True)
class Statement:
    """What one payee is credited and paid for a period, as known at a moment."""

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
    """component, rule, amount: credited, but excluded or below a baseline."""
    lines: tuple[Line, ...]
    payouts: tuple[dict[str, Any], ...] = ()
    """plan_id, month, due, brought, expired, drawn, recovered, balance, paid, carried: how what is due becomes what is paid, where the plan says."""
    payments: tuple[dict[str, Any], ...] = ()
    """plan_id, month, form, amount, paid: what is paid out."""
    differences: tuple[Difference, ...] = ()
    """What closed periods would have paid otherwise, had later facts been known: paid, or taken back, with this statement."""
    titles: dict[str, dict[str, str]] = field(default_factory=dict)
    """Titles of the clauses named, by language."""
    closed: bool = False
    """Whether the period is closed: the statement is final."""

    @property
    def credited(self) -> Decimal:
        """All credits in the period."""
        return sum((c["credited"] for c in self.credits), Decimal(0))

    @property
    def earned(self) -> Decimal:
        """The sum of the lines."""
        return sum((line.earned for line in self.lines), Decimal(0))

    @property
    def paid(self) -> Decimal:
        """The sum of the payments of the period itself."""
        return sum((p["paid"] for p in self.payments), Decimal(0))

    @property
    def difference(self) -> Decimal:
        """What is paid, or taken back, for closed periods."""
        return sum((d.amount for d in self.differences if d.what == "paid"), Decimal(0))

    @property
    def payable(self) -> Decimal:
        """What is paid with this statement."""
        return self.paid + self.difference

    def as_json(self) -> dict[str, Any]:
        """The statement as a JSON-ready mapping; amounts are exact text."""
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
            "paid": plain(self.paid),
            "difference": plain(self.difference),
            "payable": plain(self.payable),
            "closed": self.closed,
            "credits": [{**c, "credited": plain(c["credited"])} for c in self.credits],
            "customers": [{**c, "credited": plain(c["credited"])} for c in self.customers],
            "not_counted": [{**n, "amount": plain(n["amount"])} for n in self.not_counted],
            "lines": [
                {
                    "line": x.line_id,
                    "plan": x.plan_id,
                    "component": x.component,
                    "title": x.title,
                    "role": x.role,
                    "period": x.period,
                    "measured": plain(x.measured),
                    "reason": x.reason,
                    "detail": x.detail,
                    "band": x.band,
                    "cap": None if x.cap is None else plain(x.cap),
                    "who": x.who,
                    "earned": plain(x.earned),
                }
                for x in self.lines
            ],
            "payouts": [_plain(p) for p in self.payouts],
            "payments": [_plain(p) for p in self.payments],
            "differences": [d.as_json() for d in self.differences],
        }


def _plain(row: dict[str, Any]) -> dict[str, Any]:
    return {
        k: plain(v) if isinstance(v, Decimal) else str(v)[:7] if k == "month" else v
        for k, v in row.items()
    }


_LINES = """
SELECT l.payee, l.line_id, l.plan_id, l.component, l.role, l.period, l.measured, l.reason, l.detail, l.earned, l.currency, e.cap, s.words
FROM statement_lines AS l
LEFT JOIN (SELECT plan_id, component, payee, period, max(cap) AS cap FROM earnings WHERE step_no = 0 GROUP BY ALL) AS e
       ON e.plan_id = l.plan_id AND e.component = l.component AND e.payee = l.payee AND e.period = l.period
LEFT JOIN (SELECT plan_id, component, payee, period, string_agg(words, '; ' ORDER BY band_no) AS words
           FROM (SELECT DISTINCT plan_id, component, payee, period, band_no, words FROM tier_earnings) AS bands GROUP BY ALL) AS s
       ON s.plan_id = l.plan_id AND s.component = l.component AND s.payee = l.payee AND s.period = l.period
WHERE l.payee = coalesce(?, l.payee) ORDER BY l.payee, l.plan_id, l.rank, l.period"""
_PAYOUTS = "SELECT payee, plan_id, month, due, brought, expired, drawn, recovered, balance, paid, carried FROM payouts WHERE payee = coalesce(?, payee) AND month >= ? AND month < ? ORDER BY payee, plan_id, month"
_PAYMENTS = "SELECT payee, plan_id, month, form, amount, paid FROM payments WHERE payee = coalesce(?, payee) AND month >= ? AND month < ? ORDER BY payee, plan_id, month, form"
_CREDITS = """
SELECT payee, role, kind, sum(credited) AS credited, CAST(sum(charges) AS BIGINT) AS charges FROM statement_credits WHERE payee = coalesce(?, payee)
GROUP BY payee, role, kind ORDER BY payee, role, kind"""
_CUSTOMERS = """
SELECT party AS payee, role, customer, sum(amount) AS credited, CAST(sum(charges) AS BIGINT) AS charges FROM credits
WHERE main AND party = coalesce(?, party) AND month >= ? AND month < ?
GROUP BY party, role, customer ORDER BY party, credited DESC, customer"""
_NOT_COUNTED = """
SELECT c.payee, l.rule_id AS component, coalesce(c.excluded_by, 'baseline') AS rule, sum(c.amount - c.counted) AS amount
FROM qualifying_amounts AS c
JOIN shared_measures AS l ON l.counted_plan = c.plan_id AND l.counted_component = c.component
JOIN (SELECT DISTINCT plan_id, component, payee, period_from, period_to FROM earnings WHERE step_no = 0 AND paid_month >= ? AND paid_month < ?) AS e
  ON e.plan_id = l.plan_id AND e.component = l.rule_id AND e.payee = c.payee AND e.period_from <= c.month AND c.month < e.period_to
WHERE c.payee = coalesce(?, c.payee) GROUP BY 1, 2, 3 HAVING sum(c.amount - c.counted) <> 0 ORDER BY 1, 2, 3"""


def titles(engine: Engine) -> dict[tuple[str, str], dict[str, Any]]:
    """The clauses of the run's plans by (plan, rule)."""
    return {
        (r["plan_id"], r["rule_id"]): r
        for r in engine.query("SELECT * FROM plan_rules").to_pylist()
    }


def payees(engine: Engine) -> list[dict[str, Any]]:
    """Everybody with a statement: payee, role, plan_id, credited, earned, largest first."""
    return engine.query("""
        SELECT payee, role, plan_id, sum(credited) AS credited, sum(earned) AS earned FROM statements
        GROUP BY payee, role, plan_id ORDER BY earned DESC, credited DESC, payee, role""").to_pylist()


def statement_of(run: Run, payee: str) -> Statement:
    """The statement of a payee from the tables of a run. Raises Refused where it has none."""
    found = statements_of(run, payee).get(payee)
    if not found:
        raise Refused(
            [Problem("payee-unknown", Place(payee), {"payee": payee, "period": run.period.key})]
        )
    return found


def statements_of(run: Run, payee: str | None = None) -> dict[str, Statement]:
    """The statements of a run by payee: of everybody, or of one."""
    span = run.period.span
    rules = titles(run.engine)
    credits, found = _by_payee(run, _CREDITS, [payee]), _by_payee(run, _LINES, [payee])
    customers, not_counted = (
        _by_payee(run, _CUSTOMERS, [payee, span.start, span.end]),
        _by_payee(run, _NOT_COUNTED, [span.start, span.end, payee]),
    )
    payouts, payments = (
        _by_payee(run, sql, [payee, span.start, span.end]) for sql in (_PAYOUTS, _PAYMENTS)
    )
    posted: dict[str, list[Difference]] = {}
    for difference in run.booked:
        if payee in (None, difference.payee):
            posted.setdefault(difference.payee, []).append(difference)
    names = {
        r["party"]: r["name"]
        for r in run.engine.query(
            "SELECT party, name FROM parties WHERE party = coalesce(?, party)", [payee]
        ).to_pylist()
    }
    currency = run.engine.query("SELECT min(currency) AS c FROM plan_terms").to_pylist()[0]["c"]
    clauses = {rule: title_of(rules, plan, rule) for plan, rule in rules}
    return {
        who: Statement(
            who,
            names.get(who) or who,
            run.period,
            run.as_of,
            currency,
            credits.get(who, ()),
            customers.get(who, ()),
            not_counted.get(who, ()),
            tuple(_line(rules, row) for row in found.get(who, ())),
            payouts.get(who, ()),
            payments.get(who, ()),
            tuple(posted.get(who, ())),
            clauses,
            run.closed,
        )
        for who in sorted({*credits, *found, *posted, *payouts, *payments})
    }


def _by_payee(run: Run, sql: str, values: list[Any]) -> dict[str, tuple[dict[str, Any], ...]]:
    found: dict[str, list[dict[str, Any]]] = {}
    for row in run.engine.query(sql, values).to_pylist():
        found.setdefault(row.pop("payee"), []).append(row)
    return {payee: tuple(rows) for payee, rows in found.items()}


def title_of(rules: dict[tuple[str, str], dict[str, Any]], plan: str, rule: str) -> dict[str, str]:
    """A clause's title by language, from `titles`; its id where the plan gives none."""
    row = rules.get((plan, rule))
    return {"en": row["title_en"], "zh-CN": row["title_zh"]} if row else {"en": rule, "zh-CN": rule}


def _line(rules: dict[tuple[str, str], dict[str, Any]], r: dict[str, Any]) -> Line:
    who = rules.get((r["plan_id"], f"{r['component']}.who"), {}).get("words", "")
    return Line(
        r["line_id"],
        r["plan_id"],
        r["component"],
        title_of(rules, r["plan_id"], r["component"]),
        r["role"],
        r["period"],
        r["measured"],
        r["reason"],
        r["detail"] or "",
        r["words"] or "",
        r["cap"],
        who,
        r["earned"],
    )
