"""From earnings to payments: what fills steps.sql, its tables, and the walk."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal

import pyarrow as pa
import pyarrow.compute as pc

from fenrun.base.money import decimals, is_currency, minor_units
from fenrun.base.when import Period
from fenrun.book.as_codes import Book
from fenrun.earn.earning import PartyTests, Scales, has_scope
from fenrun.engine.codes import Codes, maybe_scaled, month_number, month_of, scaled
from fenrun.engine.dialect import AMOUNT, NUMBER, TEXT
from fenrun.engine.runner import Row, Runner
from fenrun.engine.steps import read_steps
from fenrun.payout.funds import FUNDS, FundRules, walk_fund
from fenrun.plan.rows import Form, Fund, Instalment, Pay, Plan, Purse

STEPS = read_steps("fenrun.payout")
PAYOUTS = (
    *("plan", "payee", "month", "due", "brought", "expired", "drawn", "recovered"),
    *("balance", "paid", "carried"),
)
"""The columns of `payouts`."""
_IN_SCOPE = """
        UNION ALL
        SELECT e.plan, e.payee, {purse}, m.first_month
        FROM payees_in_scope AS i
        JOIN like_of AS l ON l.like_plan = i.plan AND l.like_component = i.component
        JOIN component_earnings AS e
          ON e.plan = l.plan AND e.component = l.component AND e.payee = i.payee
         AND e.unit = i.unit AND e.period = i.period AND e.reason <> 'payee'
        JOIN pay AS y ON y.plan = e.plan
        JOIN periods AS m
          ON m.calendar = '1@1' AND m.period_from <= i.since
         AND i.since < m.period_to{paid_apart}"""
"""Whoever is in scope is paid its draw from the month on in which it first is."""
_PAID_APART = """
LEFT JOIN paid_apart AS s ON s.plan = e.plan AND s.component = e.component"""
"""By which purse an earning e is paid, where some plan pays anything apart."""
EXCHANGED = 4
"""Decimals of what is paid in another currency: none has a finer amount."""
_EXCHANGES = (
    *("plan", "payee", "month", "form", "currency", "rate", "given_by", "amount", "paid"),
)
_HELD_BACK = ("plan", "payee", "month", "amount")
_WAITING = ("plan", "payee", "component", "unit", "amount")


class Paying:
    """The fragments and tables of payment, for some plans that are settled together."""

    def __init__(
        self,
        plans: Sequence[Plan],
        period: Period,
        codes: Codes,
        scales: Scales,
        book: Book,
        tests: PartyTests,
        rate: int,
    ):
        """Begin. `tests` are those by which `unit_tests` was made; `rate` decimals are of rates."""
        self.plans, self.period, self.codes, self.scales = plans, period, codes, scales
        self.book, self.tests, self.rate = book, tests, rate
        shares = [row.share for plan in plans for row in plan.instalments]
        shares += [row.share for plan in plans for row in plan.forms]
        self.share = max((decimals(share) for share in shares), default=0)
        """Decimals of the shares of instalments and forms."""
        self.tax = max((decimals(rate) for rate in self._tax_rates()), default=0)
        """Decimals of tax rates. Those of the book are figures, and so have other ones."""

    def _tax_rates(self) -> Iterator[Decimal]:
        for plan in self.plans:
            for pay in plan.pay:
                yield from (pay.tax_included, pay.tax_added)
        names = {pay.tax_figure for plan in self.plans for pay in plan.pay if pay.tax_figure}
        figures = self.book.figures
        of_name = pc.is_in(figures["figure"], pa.array(sorted(names), pa.string()))
        yield from figures.filter(of_name)["amount"].unique().to_pylist()

    def load(self, runner: Runner) -> None:
        """Load `pay`, `instalments`, `forms` and `tax_years`."""
        code, scales = self.codes.of, self.scales
        rows: list[Row] = [
            (
                *(code(plan.id), self.tests.number(plan.id, pay.freeze_rule)),
                scaled(pay.tax_included, self.tax),
                *(scaled(pay.tax_added, self.tax), code(pay.tax_figure)),
                *(code(pay.paid_in), code(pay.paid_in_label), pay.paid_on),
            )
            for plan in self.plans
            for pay in plan.pay
        ]
        names = ("plan", "freeze_test", "tax_included", "tax_added", "tax_figure")
        numbers = dict.fromkeys((*names, "paid_in", "paid_in_label"), NUMBER)
        runner.load("pay", numbers | {"paid_on": TEXT}, rows)
        rows = [
            (code(plan.id), purse, row.instalment_no, row.months, *reached)
            for plan in self.plans
            for purse in range(len(plan.purses) + 1)
            for mine in ([row for row in plan.instalments if row.purse_no == purse],)
            for row, reached in zip(mine, self._reached(mine))
        ]
        columns = ("plan", "purse", "instalment_no", "months", "before", "upto")
        runner.load("instalments", dict.fromkeys(columns, NUMBER), rows)
        rows = [
            (code(plan.id), code(row.component), row.purse_no)
            for plan in self.plans
            for row in plan.paid_apart
        ]
        runner.load("paid_apart", dict.fromkeys(("plan", "component", "purse"), NUMBER), rows)
        rows = [
            (
                *(code(plan.id), row.form_no, code(row.form)),
                *(maybe_scaled(row.floor, scales.money), code(row.otherwise), *reached),
            )
            for plan in self.plans
            for row, reached in zip(plan.forms, self._reached(plan.forms))
        ]
        columns_of_forms = ("plan", "form_no", "form", "floor", "otherwise", "before", "upto")
        runner.load("forms", dict.fromkeys(columns_of_forms, NUMBER), rows)
        self._load_years(runner)
        self._load_currencies(runner)

    def _load_currencies(self, runner: Runner) -> None:
        """Load the currencies in which is paid, with how finely each is."""
        named = {pay.paid_in for plan in self.plans for pay in plan.pay}
        labels = {pay.paid_in_label for plan in self.plans for pay in plan.pay} - {""}
        if labels:
            of_name = pc.is_in(self.book.labels["label"], pa.array(sorted(labels), pa.string()))
            named |= set(self.book.labels.filter(of_name)["value"].to_pylist())
        rows = [
            (self.codes.of(name), 10**digits, 10 ** (EXCHANGED - digits))
            for name in sorted(filter(is_currency, named))
            for digits in (minor_units(name),)
        ]
        columns = ("currency", "round_per", "round_step")
        runner.load("pay_currencies", dict.fromkeys(columns, NUMBER), rows)

    def _reached(self, rows: Sequence[Instalment | Form]) -> Iterator[tuple[int, int]]:
        """Yield the shares before each row and up to it. The rows stand in their order."""
        upto = 0
        for row in rows:
            before, upto = upto, upto + scaled(row.share, self.share)
            yield before, upto

    def _load_years(self, runner: Runner) -> None:
        months = runner.rows("SELECT first_month FROM periods WHERE calendar = '1@1'")
        rows = [(month, self.codes.of(str(month_of(month).year))) for (month,) in months]
        runner.load("tax_years", {"month": NUMBER, "year": NUMBER}, rows)

    def fragments(self) -> dict[str, str]:
        """Return what fills steps.sql."""
        scales, apart = self.scales, {"purse": "0", "paid_apart": ""}
        if any(plan.purses for plan in self.plans):
            apart = {"purse": "coalesce(s.purse, 0)", "paid_apart": _PAID_APART}
        return {
            "payees_in_scope": _IN_SCOPE.format(**apart) if has_scope(self.plans) else "",
            **apart,
            "whole_share": str(10**self.share),
            "cut": str(10 ** (self.share + scales.money)),
            "whole_tax": str(10**self.tax),
            "tax_lift": str(10 ** max(0, self.tax - scales.measure)),
            "tax_cut": str(10 ** max(0, scales.measure - self.tax)),
            "money": str(10**scales.money),
            "one_rate": str(10**self.rate),
            "cash": str(self.codes.of("cash")),
            "paid_from": str(month_number(self.period.span.start)),
            "paid_to": str(month_number(self.period.last_day) + 1),
        }

    def run(self, runner: Runner) -> None:
        """Run the steps; between dues and payments, walk month by month."""
        filled, pays = self.fragments(), any(plan.pay for plan in self.plans)
        for step in STEPS:
            if step.name == "exchanges" and not any(plan.pays_in_another for plan in self.plans):
                runner.load(step.name, dict.fromkeys(_EXCHANGES, NUMBER), ())
                continue
            if step.name == "payments":
                rows = self._payouts(runner) if pays else ()
                columns = dict.fromkeys(PAYOUTS, AMOUNT)
                runner.load("payouts", columns | dict.fromkeys(PAYOUTS[:3], NUMBER), rows)
                if not pays:
                    runner.load("held_back", dict.fromkeys(_HELD_BACK, NUMBER), ())
                    runner.load("waiting", dict.fromkeys(_WAITING, NUMBER), ())
            if pays or step.name in ("payments", "exchanges"):
                runner.run(step, filled)
        columns = dict.fromkeys(FUNDS, AMOUNT) | dict.fromkeys(FUNDS[:4], NUMBER)
        runner.load("funds", columns, self._funds(runner))

    def _funds(self, runner: Runner) -> Iterator[Row]:
        """Yield month after month what becomes of each payee's funds.

        Raises Refused where a payment is no whole number any more.
        """
        last = month_number(self.period.last_day)
        for plan in self.plans:
            for fund in plan.funds:
                rules = FundRules(maybe_scaled(fund.cap, self.scales.money), fund.lapses)
                runner.refuse_floats(["payments"])
                for payee, months in self._moves(runner, plan, fund).items():
                    row = [(m, *months.get(m, (0, 0))) for m in range(min(months), last + 1)]
                    for month, *amounts in walk_fund(rules, row):
                        code = self.codes.of
                        yield (code(plan.id), payee, month, code(fund.form), *amounts)

    def _moves(
        self, runner: Runner, plan: Plan, fund: Fund
    ) -> dict[int, dict[int, tuple[int, int]]]:
        """Return what accrues to a fund and what is claimed of it, by payee and month."""
        code, found = self.codes.of, defaultdict[int, dict[int, tuple[int, int]]](dict)
        sql = "SELECT payee, month, paid FROM payments WHERE plan = ? AND form = ?"
        for payee, month, paid in runner.rows(sql, [code(plan.id), code(fund.form)]):
            found[payee][month] = (int(paid), 0)
        for claim in claims_of(runner, self, plan, fund):
            if claim.amount is not None and claim.month is not None:
                accrued = found[claim.payee].get(claim.month, (0, 0))[0]
                found[claim.payee][claim.month] = (accrued, claim.amount)
        return found

    def _payouts(self, runner: Runner) -> Iterator[Row]:
        """Yield month after month what is carried, expires, is drawn, recovered and paid.

        Each purse is walked by its own terms; a payee's row is the sum of all its purses.

        Raises Refused where a due is no whole number any more.
        """
        # Loaded again, a float that is a whole number would pass for one.
        runner.refuse_floats(["payables", "dues"])
        dues: dict[tuple[int, int, int], list[tuple[int, int]]] = defaultdict(list)
        sql = "SELECT plan, payee, purse, month, due FROM dues ORDER BY plan, payee, purse, month"
        for *whose, month, due in runner.rows(sql):
            plan, payee, purse = whose
            dues[plan, payee, purse].append((month, due))
        rules = {
            (self.codes.of(plan.id), purse): self._rules(plan, terms)
            for plan in self.plans
            if plan.pay
            for purse, terms in enumerate(plan.pay_terms)
        }
        whole: dict[tuple[int, int, int], list[int]] = {}
        for (plan, payee, purse), months in dues.items():
            for month, *amounts in walk(rules[plan, purse], months):
                before = whole.get((plan, payee, month), [0] * len(amounts))
                whole[plan, payee, month] = [a + b for a, b in zip(before, amounts)]
        for key in sorted(whole):
            yield (*key, *whole[key])

    def _rules(self, plan: Plan, terms: Pay | Purse) -> PayRules:
        money, end = self.scales.money, plan.terms[0].valid_to
        return PayRules(
            maybe_scaled(terms.draw, money),
            terms.recoverable,
            maybe_scaled(terms.minimum, money),
            terms.expires,
            month_number(end) + (end.day > 1),
        )


@dataclass(frozen=True)
class Claim:
    """A figure of a payee by which it claims of a fund."""

    payee: int
    period: int
    currency: int
    figure: int
    """The figure's amount, as it is coded."""
    month: int | None
    """None: it is for no month in which the plan is in force."""
    amount: int | None
    """In the smallest part of money; None: it is none."""


_MONTH = re.compile(r"\d{4}-\d{2}")
_CLAIMS = """
SELECT f.party, f.period, f.currency, f.amount, p.first_month
FROM figures AS f
LEFT JOIN periods AS p ON p.calendar = '1@1' AND p.period = f.period
WHERE f.figure = ?
ORDER BY f.party, f.period, f.currency"""


def claims_of(runner: Runner, paying: Paying, plan: Plan, fund: Fund) -> Iterator[Claim]:
    """Yield the claims of a fund for the months that are looked at, since the plan began.

    Also those that cannot be read: for another period than a month, in another currency, finer than
    money is paid, or below zero.
    """
    code, scales, terms = paying.codes.of, paying.scales, plan.terms[0]
    begins = month_number(terms.valid_from)
    finer = scales.money - scales.measure
    lift, cut = 10 ** max(0, finer), 10 ** max(0, -finer)
    ends = month_number(paying.period.last_day)
    for payee, period, currency, figure, month in runner.rows(_CLAIMS, [code(fund.claims)]):
        if month is None and _MONTH.fullmatch(str(paying.codes.text(period))):
            continue  # a month that is not looked at
        if month is not None and not begins <= month <= ends:
            continue
        whole = int(figure) * lift
        fits = currency == code(terms.currency) and whole >= 0 and whole % cut == 0
        yield Claim(payee, period, currency, figure, month, whole // cut if fits else None)


@dataclass(frozen=True)
class PayRules:
    """The rules by which a plan pays what is due."""

    draw: int | None
    recoverable: bool
    minimum: int | None
    expires: int
    """A carried amount becomes breakage after so many months; 0: never."""
    ends: int
    """The first month in which nothing is drawn any more."""


def walk(rules: PayRules, months: Sequence[tuple[int, int]]) -> Iterator[Row]:
    """Yield what becomes of each month's due: the columns of `payouts` from `month` on.

    `balance` is what was drawn and is not recovered yet.
    """
    carried = balance = 0
    empty_no = 0
    for number, (month, due) in enumerate(months, 1):
        brought, expired = carried, 0
        old = number - rules.expires
        if rules.expires > 0 and old > empty_no:
            of_old = months[old - 1][1] if old >= 1 else 0
            expired = min(max(of_old, 0), max(brought, 0))
        net = brought - expired + due
        drawn = recovered = 0
        if rules.draw is not None:
            draw = rules.draw if month < rules.ends else 0
            if month < rules.ends and draw > net:
                drawn = draw - net
            if rules.recoverable and net > draw:
                recovered = min(balance, net - draw)
        owed = net + drawn - recovered
        paid = 0 if rules.minimum is not None and owed < rules.minimum else owed
        balance = balance + drawn - recovered if rules.recoverable else 0
        carried = owed - paid
        empty_no = number if owed == paid else empty_no
        yield month, due, brought, expired, drawn, recovered, balance, paid, carried
