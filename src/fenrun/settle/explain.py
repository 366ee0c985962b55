"""The explanation of a statement line as data: its bands, customers, charges and clauses.

The rows are those that settled, unsummed. What a line measures of each customer is recorded where
it is closed; elsewhere, and for single charges, the steps of crediting run again for the payee.
`sentences` says it in words.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from decimal import ROUND_DOWN, Decimal
from typing import Any

from fenrun.base.money import plain, show_rate
from fenrun.base.problem import Place, refused
from fenrun.base.when import add_months, show_moment
from fenrun.charges.rows import ORDER
from fenrun.credit.over_days import divides
from fenrun.plan.rows import Component, Plan, Rule, settled_together
from fenrun.plan.vocabulary import RATIO_READINGS
from fenrun.settle.deciding_terms import DecidingTerms
from fenrun.settle.detail import Detail, Receipts, detail_of, most_credited_first
from fenrun.settle.results import LINE_CUSTOMERS
from fenrun.statement.rows import Clauses, clauses_of
from fenrun.statement.run import Run

Row = Mapping[str, Any]
_Rows = list[dict[str, Any]]
_MadeOf = tuple[_Rows, _Rows | None, _Rows, _Rows, int | None]

_EARNINGS = """
SELECT *
FROM earnings
WHERE ends_with(?, payee) AND plan_id || '/' || component || '/' || period || '/' || payee = ?
ORDER BY step_no, unit"""
_TIERS = """
SELECT *
FROM tier_earnings
WHERE plan_id = ? AND component = ? AND payee = ? AND period = ?
ORDER BY unit, column_no, band_no"""
_CHARGES = """
SELECT t.import_id, t.row_no, DATE '1970-01-01' + CAST(t.own_day AS INTEGER) AS day,
       s.InvoiceIssuerName AS issuer, s.BillingAccountId AS account, s.{order} AS order_id,
       {amount} AS amount, c.share,
       {amount} * c.share AS credited,
       c.customer, c.clause, c.via, c.customer_link, c.link AS link_id, s.{service} AS service,
       {charged} AS charged, s.BillingCurrency AS currency, {rate} AS rate{of_days}
{of_credits}"""
_LARGEST = """
SELECT *
FROM {charges}
ORDER BY abs(amount) DESC, import_id, row_no
LIMIT ?"""
_OF_CREDITS = """FROM coded_charges AS t
JOIN groups AS g ON {same}
JOIN detail_credits AS c ON c.group_id = g.group_id
JOIN near_charges AS s ON s.import_id = t.import_id AND s.row_no = t.row_no{rates}
WHERE c.party = ? AND c.role = ? AND {counts}"""
_RATES = """
LEFT JOIN detail_rates AS r ON r.currency = s.BillingCurrency AND r.{on} = g.{on}"""
DIVIDED = """(
SELECT * REPLACE (min(day) AS day, sum(amount) AS amount, sum(credited) AS credited,
                  sum(charged) AS charged),
       count(DISTINCT day) AS days
FROM ({each_day})
GROUP BY ALL)"""
"""What lists charges of `each_day`, where these are divided over days, as one row a charge."""
_CONVERTED = """
SELECT s.BillingCurrency AS currency, r.period, r.rate, r.given_by,
       sum({charged} * c.share) AS charged, sum({amount} * c.share) AS amount
{of_credits} AND r.rate IS NOT NULL
GROUP BY ALL
ORDER BY ALL"""
_INVOICES = """
SELECT DISTINCT s.{column} AS invoice
{of_credits}"""
_EXCHANGED = """
SELECT x.form, x.currency, x.rate, x.given_by, x.amount, x.paid,
       strftime(x.month, '%Y-%m') AS month
FROM exchanges AS x
WHERE x.plan_id = ? AND x.payee = ? AND x.month = ?
ORDER BY x.form"""
_WHOLE = """
SELECT s.*
FROM near_charges AS s
JOIN (SELECT unnest(?) AS import_id, unnest(?) AS row_no) AS m
  ON m.import_id = s.import_id AND m.row_no = s.row_no"""
_RECORDED = f"""
SELECT customer, excluded_by, baseline_period, baseline, credited, counted, charges
FROM {LINE_CUSTOMERS.name}
WHERE plan_id = ? AND component = ? AND payee = ? AND period = ?"""
_RATE_STEP = Decimal("0.00000001")
"""The last decimal of a rate that is shown: six of a percent."""
_RATIO_STEP = Decimal("0.01")


def explain(run: Run, line_id: str, charges: int = 20) -> dict[str, Any]:
    """Return the explanation of a statement line as a JSON-ready mapping; amounts are exact text.

    `units` holds what it adds up (one a payee, customer or order, as the component says),
    `entries` what other clauses add or take off; `charges` of its charges are listed, none if
    `charges_differ`: of what is closed, where this version credits others than were recorded.
    Raises Refused where the run has no such line.
    """
    engine, as_of = run.engine, run.as_of
    earnings = engine.rows(_EARNINGS, [line_id, line_id])
    if not earnings:
        raise refused("line-unknown", Place(line_id), line=line_id, period=run.period.key)
    line, clauses = earnings[0], clauses_of(run)
    plan, component = line["plan_id"], line["component"]
    units = [row for row in earnings if row["step_no"] == 0]
    entries = [row for row in earnings if row["step_no"]]
    bands = _bands_by_unit(run, line)
    made_of = _made_of(run, line, charges) if units else ([], [], [], [], None)
    customers, listed, converted, paid, total = made_of
    charges_differ, listed = listed is None, listed or []
    own = _component(run, line) if units else None
    per = own.portion_per if own else 1
    return {
        "line": line_id,
        "payee": line["payee"],
        "period": line["period"],
        "currency": line["currency"],
        "earned": _sum(earnings, "earned"),
        "as_of": {"effective": str(as_of.effective), "known": show_moment(as_of.known)},
        "clause": _clause(clauses[plan, component]),
        "table": _clause_if_any(clauses, plan, f"tables.{line['table_id']}"),
        "who": _clause_if_any(clauses, plan, f"{component}.who"),
        "credited": _sum(customers, "credited"),
        "counted": _sum(customers, "counted"),
        **({"converted": converted} if converted else {}),
        **({"divided": True} if total is not None else {}),
        **({"paid": paid} if paid else {}),
        **_exchanged(run, line),
        "excluded": _excluded(customers, clauses, plan),
        "weights": _weights(run, line, clauses),
        "baselines": [_baseline(row) for row in customers if row["baseline_period"]],
        "reads_by": line["reads_by"],
        "reads_name": own.by_name if own else "",
        **({"ranks_by": own.ranks_by} if own and own.ranks_by else {}),
        "pays_on": line["pays_on"],
        "rounding": _rounding(run, plan),
        "units": [_unit(row, bands.get(row["unit"], []), per) for row in units],
        "entries": [_entry(row) for row in entries],
        "customers": [_customer(row) for row in customers],
        "charges_total": sum(row["charges"] for row in customers) if total is None else total,
        "charges": listed,
        "charges_differ": charges_differ,
        "credit_clauses": {
            rule: _clause(clauses[plan, rule])
            for rule in sorted({charge["clause"] for charge in listed})
        },
    }


def _exchanged(run: Run, line: Row) -> dict[str, Any]:
    """Return the payments of the line's month that are made in another currency, if any."""
    plan = next(one for one in run.plans if one.id == line["plan_id"])
    if not plan.pays_in_another:
        return {}
    key = [line["plan_id"], line["payee"], line["paid_month"]]
    rows = run.engine.rows(_EXCHANGED, key)
    last = add_months(line["paid_month"], 1) - timedelta(days=1)
    on = str(last) if plan.pay[0].paid_on == "day" else f"{last:%Y-%m}"
    said = [{name: _text_of(name, value) for name, value in row.items()} for row in rows]
    return {"exchanged": [one | {"on": on} for one in said]} if rows else {}


def _text_of(name: str, value: Any) -> Any:
    if isinstance(value, Decimal):
        return plain(value, 0) if name == "rate" else plain(value)
    return value


def _sum(rows: Sequence[Row], column: str) -> str:
    return plain(sum((row[column] for row in rows), Decimal(0)))


def _rounding(run: Run, plan: str) -> dict[str, str]:
    terms = next(one for one in run.plans if one.id == plan).terms[0]
    return {"mode": terms.round_mode, "step": plain(terms.round_step, 0)}


def _clause(rule: Rule) -> dict[str, Any]:
    return {
        "id": rule.rule_id,
        "title": {"en": rule.title_en, "zh-CN": rule.title_zh},
        "words": rule.words,
        "line": rule.line,
        "source": rule.source,
    }


def _clause_if_any(clauses: Clauses, plan: str, rule: str) -> dict[str, Any] | None:
    return _clause(clauses[plan, rule]) if (plan, rule) in clauses else None


def _bands_by_unit(run: Run, line: Row) -> dict[str, list[dict[str, Any]]]:
    key = [line["plan_id"], line["component"], line["payee"], line["period"]]
    bands: dict[str, list[dict[str, Any]]] = {}
    for tier in run.engine.rows(_TIERS, key):
        bands.setdefault(tier["unit"], []).append(_band(tier))
    return bands


def _band(tier: Row) -> dict[str, Any]:
    """Return a band that was reached.

    Where the rate lies between two points it is shown cut to six decimals of a percent, and so is
    what it pays.
    """
    rate, pays = tier["rate"], tier["pays"]
    said = _rate_text(tier, rate)
    if tier["divisor"] != 1:
        rate = (tier["slope"] / tier["divisor"]).quantize(_RATE_STEP, ROUND_DOWN)
        pays = (pays / tier["divisor"]).quantize(_RATE_STEP, ROUND_DOWN)
        said = _slice_text(tier, said) if tier["kind"] == "marginal" else _rate_text(tier, rate)
    return {
        "words": tier["words"],
        "kind": tier["kind"],
        "part": _text(tier["part"]),
        "rate": said,
        "pays": plain(pays),
    }


def _rate_text(tier: Row, rate: Decimal | None) -> str | None:
    """Return a band's rate as people read it: a percentage, or an amount for each."""
    if tier["rate"] is not None and "each" in tier["words"]:
        return plain(tier["rate"], 0)
    return None if rate is None else show_rate(rate)


def _slice_text(tier: Row, rate: str | None) -> str | None:
    """Return by how much a figure is multiplied: the slice of the target that is reached, its rate.

    The slice is cut to six decimals of a percent; one that pays nothing is not told.
    """
    if not tier["rate"]:
        return rate
    share = (tier["slope"] / tier["divisor"] / tier["rate"]).quantize(_RATE_STEP, ROUND_DOWN)
    return f"{show_rate(share)} × {rate}"


def _unit(row: Row, bands: list[dict[str, Any]], per: int) -> dict[str, Any]:
    """Return a unit, whose portion is to be divided by `per`."""
    uncapped, portion = row["uncapped"], plain(row["portion"], 0)
    if row["divisor"] != 1:
        uncapped = (uncapped / row["divisor"]).quantize(_RATE_STEP, ROUND_DOWN)
    return {
        "unit": row["unit"],
        "measured": plain(row["amount"]),
        "target": _text(row["target"]),
        "compared": _text(row["compared"]),
        "base": _text(row["base"]),
        "read": _text(row["measure"]),
        "reference": _text(row["reference"]),
        "ratio": _ratio(row),
        "bands": bands,
        "table_from": str(row["table_from"]) if row["table_from"] else None,
        "portion": portion if per == 1 else f"{portion}/{per}",
        "cap": _text(row["cap"]),
        "uncapped": plain(uncapped),
        "reason": row["reason"],
        "detail": row["detail"],
        "earned": plain(row["earned"]),
    }


def _ratio(row: Row) -> str | None:
    """Return attainment or growth as people read it.

    It is cut, not rounded, to two decimals of a percent: 99.999 % is not 100 %.
    """
    if row["reads_by"] not in RATIO_READINGS:
        return None
    if not row["reference"] or row["measure"] is None:
        return None
    ratio = (row["measure"] * 100 / row["reference"]).quantize(_RATIO_STEP, ROUND_DOWN)
    return f"{ratio} %"


def _entry(row: Row) -> dict[str, Any]:
    return {
        "reason": row["reason"],
        "detail": row["detail"],
        "base": _text(row["base"]),
        "earned": plain(row["earned"]),
    }


def _customer(row: Row) -> dict[str, Any]:
    return {
        "customer": row["customer"],
        "credited": plain(row["credited"]),
        "counted": plain(row["counted"]),
        "excluded_by": row["excluded_by"],
        "charges": row["charges"],
    }


def _excluded(customers: Sequence[Row], clauses: Clauses, plan: str) -> list[dict[str, Any]]:
    amounts: dict[str, Decimal] = {}
    for row in customers:
        rule = row["excluded_by"]
        if rule:
            amounts[rule] = amounts.get(rule, Decimal(0)) + row["credited"]
    return [
        {**_clause(clauses[plan, rule]), "amount": plain(amount)}
        for rule, amount in sorted(amounts.items())
    ]


def _weights(run: Run, line: Row, clauses: Clauses) -> list[dict[str, Any]]:
    """Return by which clauses what is credited counts more or less than once."""
    plan, component = line["plan_id"], line["component"]
    found = next(one for one in run.plans if one.id == plan).weights
    return [
        {**_clause(clauses[plan, one.rule_id]), "weight": plain(one.weight, 0)}
        for one in found
        if one.component == component
    ]


def _baseline(row: Row) -> dict[str, Any]:
    return {
        "customer": row["customer"],
        "period": row["baseline_period"],
        "baseline": plain(row["baseline"]),
        "credited": plain(row["credited"]),
        "counted": plain(row["counted"]),
    }


def _made_of(run: Run, line: Row, limit: int) -> _MadeOf:
    """Return what a line measures by customer, its charges, what of them is converted, and paid.

    Last how many charges there are, where they are divided over days and customers count these.
    Charges are listed largest first, at most `limit`; None for them, where they would not sum to
    what is recorded.
    """
    plan, payee = line["plan_id"], line["payee"]
    recorded = _recorded(run, line)
    says_more = any(one.converts for one in run.plans if one.id == plan)
    says_more |= _component(run, line).counts_payments or divides([_plan(run, line)])
    if recorded is not None and not limit and not says_more:
        return recorded, [], [], [], None
    plans = next(group for group in settled_together(run.plans) if plan in {p.id for p in group})
    with detail_of(run, [payee], plans) as detail:
        span = (line["period_from"], line["period_to"])
        customers = detail.customers(plan, line["component"], payee, *span)
        if recorded is not None and recorded != customers:
            return recorded, None, [], [], None
        if not limit and not says_more:
            return customers, [], [], [], None
        return customers, *_charges(run, detail, line, limit)


def _recorded(run: Run, line: Row) -> list[dict[str, Any]] | None:
    """Return what a line of a closed period measured by customer; None of what is not recorded.

    That is a line of another period, or one that an earlier version closed.
    """
    span = run.period.span
    is_of_close = run.closed and span.start <= line["paid_month"] < span.end
    if not is_of_close or not run.engine.has(LINE_CUSTOMERS.name):
        return None
    key = [line["plan_id"], line["component"], line["payee"], line["period"]]
    return most_credited_first(run.engine.rows(_RECORDED, key))


def _charges(
    run: Run, detail: Detail, line: Row, limit: int
) -> tuple[_Rows, _Rows, _Rows, int | None]:
    """Return the charges of a line, largest first; what of all is converted, and paid; how many."""
    engine, (start, end) = run.engine, (line["period_from"], line["period_to"])
    filled, asked = asked_of_charges(run, detail, line)
    found_charges = listing(_CHARGES, filled)
    rows = engine.rows(_LARGEST.format(charges=found_charges), [*asked, limit])
    plan, own = _plan(run, line), _component(run, line)
    total = None
    if detail.charges.divides:
        total = int(engine.rows(f"SELECT count(*) AS n FROM {found_charges}", asked)[0]["n"])
    present = detail.charges.present
    converted = _CONVERTED.format(**filled)
    found = engine.rows(converted, asked) if plan.converts else []
    if run.terms():
        _add_terms(run, plan, rows)
    paid = []
    if own.counts_payments and own.counted_column in present:
        invoices = engine.rows(_INVOICES.format(column=own.counted_column, **filled), asked)
        named = {row["invoice"] for row in invoices}
        paid = [_received(one) for one in detail.receipts(start, end) if one.invoice in named]
    listed = [listed_charge(run, row) for row in rows]
    return listed, [_conversion(row) for row in found], paid, total


def listing(charges: str, filled: Mapping[str, str]) -> str:
    """Return SQL of a table of charges, one row a charge, of a query to be filled."""
    each_day = charges.format(**filled).replace("s.NULL", "NULL")
    return DIVIDED.format(each_day=each_day) if filled["of_days"] else f"({each_day})"


def asked_of_charges(
    run: Run, detail: Detail, line: Row, counting: bool = False
) -> tuple[dict[str, str], list[Any]]:
    """Return what fills a query of a line's charges, and its values.

    Keys: amount, charged, rate, of_credits (FROM and WHERE), of_days (over how many a charge is
    divided, if plans do that), order, service. With `counting` c has the columns `measured` and
    `excluded_by` of the line's component.
    """
    plan, own = _plan(run, line), _component(run, line)
    detail.load_credits(line["plan_id"], [line["payee"]], own if counting else None)
    present = detail.charges.present
    counts, values = detail.counting(own, present, (line["period_from"], line["period_to"]))
    charged = f"t.a{detail.charges.bases.index(own.basis)}"
    filled = {"charged": charged, "amount": charged, "rate": "NULL", "rates": "", "counts": counts}
    filled["of_days"] = ", t.days AS of_days" if detail.charges.divides else ""
    if plan.converts:
        detail.load_rates()
        filled |= {"amount": f"{charged} * coalesce(r.rate, 1)", "rate": "r.rate"}
        filled["rates"] = _RATES.format(on=plan.terms[0].converts_on)
    filled["of_credits"] = _OF_CREDITS.format(same=detail.same_group, **filled)
    filled["order"] = ORDER if ORDER in present else "NULL"
    filled["service"] = "ServiceName" if "ServiceName" in present else "NULL"
    return filled, [line["payee"], line["role"], *values]


def _received(one: Receipts) -> dict[str, Any]:
    """Return what is paid of an invoice: before the line, by its end, and of how much."""
    before, paid, total = (_text(amount) for amount in (one.before, one.paid, one.total))
    return {"invoice": one.invoice, "before": before, "paid": paid, "total": total}


def _conversion(row: dict[str, Any]) -> dict[str, Any]:
    """Return what is converted at one rate: of a currency, for a month or day."""
    return {
        "currency": row["currency"],
        "charged": plain(row["charged"]),
        "period": row["period"],
        "rate": plain(row["rate"], 0),
        "source": row["given_by"],
        "amount": plain(row["amount"]),
    }


def _add_terms(run: Run, plan: Plan, rows: Sequence[dict[str, Any]]) -> None:
    """Add to charges the terms that are about each, as far as the plans ask for them."""
    terms = DecidingTerms(run, plan)
    keys = [[row[name] for row in rows] for name in ("import_id", "row_no")]
    found = run.engine.rows(_WHOLE, keys)
    whole = {(charge["import_id"], charge["row_no"]): charge for charge in found}
    for row in rows:
        charge = whole[row["import_id"], row["row_no"]]
        row["terms"] = terms.of(charge, row["day"], row["customer"] or "")


def _plan(run: Run, line: Row) -> Plan:
    """Return the line's plan."""
    return next(plan for plan in run.plans if plan.id == line["plan_id"])


def _component(run: Run, line: Row) -> Component:
    """Return the line's component."""
    components = _plan(run, line).components
    return next(component for component in components if component.rule_id == line["component"])


def listed_charge(run: Run, row: dict[str, Any]) -> dict[str, Any]:
    """Return a charge as it is listed; one that is converted with its own amount and the rate.

    One that is divided over days has the amount of those that are credited, how many these are
    (`days`) and how many the charge has (`of_days`).
    """
    currency, charged, rate = (row.pop(name) for name in ("currency", "charged", "rate"))
    if rate is not None:
        row |= {"currency": currency, "charged": plain(charged), "rate": plain(rate, 0)}
    return {
        **row,
        "file": run.sources.get(row["import_id"], row["import_id"]),
        "day": str(row["day"]),
        "amount": plain(row["amount"]),
        "share": plain(row["share"], 0),
        "credited": plain(row["credited"]),
    }


def _text(value: Decimal | None) -> str | None:
    return None if value is None else plain(value)
