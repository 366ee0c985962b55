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
            "payee": self.payee, "name": self.name, "period": self.period.key, "currency": self.currency,
            "as_of": {"effective": str(self.as_of.effective), "known": show_moment(self.as_of.known)},
            "credited": plain(self.credited), "earned": plain(self.earned), "paid": plain(self.paid),
            "difference": plain(self.difference), "payable": plain(self.payable), "closed": self.closed,
            "credits": [{**c, "credited": plain(c["credited"])} for c in self.credits],
            "customers": [{**c, "credited": plain(c["credited"])} for c in self.customers],
            "not_counted": [{**n, "amount": plain(n["amount"])} for n in self.not_counted],
            "lines": [{"line": x.line_id, "plan": x.plan_id, "component": x.component, "title": x.title, "role": x.role, "period": x.period,
                       "measured": plain(x.measured), "reason": x.reason, "detail": x.detail, "band": x.band, "earned": plain(x.earned)} for x in self.lines],
            "payouts": [_plain(p) for p in self.payouts], "payments": [_plain(p) for p in self.payments],
            "differences": [d.as_json() for d in self.differences],
        }


def _plain(row: dict[str, Any]) -> dict[str, Any]:
    return {k: plain(v) if isinstance(v, Decimal) else str(v)[:7] if k == "month" else v for k, v in row.items()}


_LINES = """
SELECT l.line_id, l.plan_id, l.component, l.role, l.period, l.measured, l.reason, l.detail, l.earned, l.currency, e.cap, s.words
FROM statement_lines AS l
LEFT JOIN (SELECT plan_id, component, payee, period, max(cap) AS cap FROM earnings WHERE step_no = 0 GROUP BY ALL) AS e
       ON e.plan_id = l.plan_id AND e.component = l.component AND e.payee = l.payee AND e.period = l.period
LEFT JOIN (SELECT plan_id, component, payee, period, string_agg(words, '; ' ORDER BY band_no) AS words
           FROM (SELECT DISTINCT plan_id, component, payee, period, band_no, words FROM paid) AS bands GROUP BY ALL) AS s
       ON s.plan_id = l.plan_id AND s.component = l.component AND s.payee = l.payee AND s.period = l.period
WHERE l.payee = ? ORDER BY l.plan_id, l.rank, l.period"""
_PAYOUTS = "SELECT plan_id, month, due, brought, expired, drawn, recovered, balance, paid, carried FROM payouts WHERE payee = ? AND month >= ? AND month < ? ORDER BY plan_id, month"
_PAYMENTS = "SELECT plan_id, month, form, amount, paid FROM payments WHERE payee = ? AND month >= ? AND month < ? ORDER BY plan_id, month, form"
_CREDITS = """
SELECT role, kind, sum(credited) AS credited, CAST(sum(charges) AS BIGINT) AS charges FROM statement_credits WHERE payee = ?
GROUP BY role, kind ORDER BY role, kind"""
_CUSTOMERS = """
SELECT role, customer, sum(amount) AS credited, CAST(sum(charges) AS BIGINT) AS charges FROM credits WHERE main AND party = ? AND month >= ? AND month < ?
GROUP BY role, customer ORDER BY credited DESC, customer"""
_NOT_COUNTED = """
SELECT l.rule_id AS component, coalesce(c.excluded_by, 'baseline') AS rule, sum(c.amount - c.counted) AS amount
FROM counted AS c
JOIN plan_like AS l ON l.counted_plan = c.plan_id AND l.counted_component = c.component
JOIN (SELECT DISTINCT plan_id, component, payee, period_from, period_to FROM earnings WHERE step_no = 0 AND paid_month >= ? AND paid_month < ?) AS e
  ON e.plan_id = l.plan_id AND e.component = l.rule_id AND e.payee = c.payee AND e.period_from <= c.month AND c.month < e.period_to
WHERE c.payee = ? GROUP BY 1, 2 HAVING sum(c.amount - c.counted) <> 0 ORDER BY 1, 2"""


def titles(engine: Engine) -> dict[tuple[str, str], dict[str, Any]]:
    """The clauses of the run's plans by (plan, rule)."""
    return {(r["plan_id"], r["rule_id"]): r for r in engine.query("SELECT * FROM plan_rules").to_pylist()}


def payees(engine: Engine) -> list[dict[str, Any]]:
    """Everybody with a statement: payee, role, plan_id, credited, earned, largest first."""
    return engine.query("""
        SELECT payee, role, plan_id, sum(credited) AS credited, sum(earned) AS earned FROM statements
        GROUP BY payee, role, plan_id ORDER BY earned DESC, credited DESC, payee, role""").to_pylist()


def statement_of(run: Run, payee: str) -> Statement:
    """The statement of a payee from the tables of a run. Raises Refused where it has none."""
    engine, period, as_of, span = run.engine, run.period, run.as_of, run.period.span
    credits = engine.query(_CREDITS, [payee]).to_pylist()
    found = engine.query(_LINES, [payee]).to_pylist()
    posted = tuple(d for d in run.posted if d.payee == payee)
    payouts, payments = (tuple(engine.query(sql, [payee, span.start, span.end]).to_pylist()) for sql in (_PAYOUTS, _PAYMENTS))
    if not (credits or found or posted or payouts or payments):
        raise Refused([Problem("payee-unknown", Place(payee), {"payee": payee, "period": period.key})])
    rules = titles(engine)

    def title(plan: str, rule: str) -> dict[str, str]:
        row = rules.get((plan, rule))
        return {"en": row["title_en"], "zh-CN": row["title_zh"]} if row else {"en": rule, "zh-CN": rule}

    lines = tuple(
        Line(r["line_id"], r["plan_id"], r["component"], title(r["plan_id"], r["component"]), r["role"], r["period"], r["measured"], r["reason"], r["detail"] or "", r["words"] or "", r["cap"],
             rules.get((r["plan_id"], f"{r['component']}.who"), {}).get("words", ""), r["earned"]) for r in found)
    names = {r["party"]: r["name"] for r in engine.query("SELECT party, name FROM parties WHERE party = ?", [payee]).to_pylist()}
    currency = engine.query("SELECT min(currency) AS c FROM plan_terms").to_pylist()[0]["c"]
    return Statement(payee, names.get(payee, payee), period, as_of, currency, tuple(credits), tuple(engine.query(_CUSTOMERS, [payee, span.start, span.end]).to_pylist()),
                     tuple(engine.query(_NOT_COUNTED, [span.start, span.end, payee]).to_pylist()), lines,
                     payouts, payments,
                     posted, {rule: title(plan, rule) for plan, rule in rules}, run.closed)
