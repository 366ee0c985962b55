"""Statements that name the terms: the approvals, floors, coupons and agreements of each line.

They are found as an explanation finds them, among the charges that a line is made of.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Any

from fenrun.base.problem import Place, refused
from fenrun.charges.rows import ORDER
from fenrun.engine.codes import day_of
from fenrun.plan.rows import Component, Plan, settled_together
from fenrun.settle.deciding_terms import DecidingTerms
from fenrun.settle.detail import Detail, detail_of
from fenrun.statement.rows import NamedTerm, Statement, statements_of
from fenrun.statement.run import Run

_LINES = """
SELECT DISTINCT plan_id || '/' || component || '/' || period || '/' || payee AS line_id,
       plan_id, component, payee, role, period_from, period_to
FROM earnings
WHERE step_no = 0 AND payee IN (SELECT unnest(?))"""
_MET_GROUPS = """
SELECT m.*, g.group_id, g.month, g.day, {amounts}
FROM met AS m
JOIN coded_charges AS t ON t.import_id = m.import_id AND t.row_no = m.row_no
JOIN groups AS g ON {same}"""
_OF_LINE = """
SELECT s.place, c.customer, {subject}, count(*) AS charges, sum({amount} * c.share) AS credited
FROM met_groups AS s
JOIN detail_credits AS c ON c.group_id = s.group_id{rates}
WHERE c.party = ? AND c.role = ? AND {counts}
GROUP BY ALL"""
_RATES = """
LEFT JOIN detail_rates AS r ON r.currency = s.BillingCurrency AND r.{on} = s.{on}"""
_SUBJECT = ("own_day", "InvoiceIssuerName", ORDER, "ResourceId")
"""What tells who sold a charge."""
Named = dict[str, tuple[NamedTerm, ...]]
"""The terms of lines, by line."""


def statement_naming_terms(run: Run, payee: str) -> Statement:
    """Return the statement of a payee, with its terms. Raises Refused where it has none."""
    found = statements_naming_terms(run, payee).get(payee)
    if not found:
        raise refused("payee-unknown", Place(payee), payee=payee, period=run.period.key)
    return found


def statements_naming_terms(run: Run, payee: str | None = None) -> dict[str, Statement]:
    """Return the statements of a run by payee, of everybody or of one, with the terms of lines.

    Where no plan reads any these are those of `statements_of`.
    """
    found = statements_of(run, payee)
    if not found or not run.terms():
        return found
    named = _terms_of_lines(run, sorted(found))
    return {who: _naming(statement, named) for who, statement in found.items()}


def _naming(statement: Statement, named: Named) -> Statement:
    lines = (replace(line, terms=named.get(line.line_id, ())) for line in statement.lines)
    others = (_naming(other, named) for other in statement.others)
    return replace(statement, lines=tuple(lines), others=tuple(others))


def _terms_of_lines(run: Run, payees: Sequence[str]) -> Named:
    """Return the terms that are about the charges of each line of some payees."""
    lines = run.engine.rows(_LINES, [payees])
    found: Named = {}
    for plans in settled_together(run.plans):
        mine = [line for line in lines if line["plan_id"] in {plan.id for plan in plans}]
        if mine:
            with detail_of(run, payees, plans) as detail:
                for plan in plans:
                    of_plan = [line for line in mine if line["plan_id"] == plan.id]
                    found |= _of_plan(detail, plan, of_plan, payees)
    return found


def _of_plan(
    detail: Detail, plan: Plan, lines: Sequence[dict[str, Any]], payees: Sequence[str]
) -> Named:
    deciding = DecidingTerms(detail.run, plan)
    if not lines or not deciding.rows:
        return {}
    _load_met(detail, deciding)
    detail.load_credits(plan.id, payees)
    if plan.converts:
        detail.load_rates()
    return {line["line_id"]: _of_line(detail, plan, line, deciding) for line in lines}


def _load_met(detail: Detail, deciding: DecidingTerms) -> None:
    """Make the table `met_groups`: the charges that some of the terms are about, by term."""
    engine, components = detail.run.engine, [c for p in detail.plans for c in p.components]
    labelled = {c.counted_column for c in components} - {""}
    names = sorted({*_SUBJECT[1:], "BillingCurrency", *labelled})
    trees = [row.tree for row in deciding.rows]
    engine.load("met", engine.query(detail.charges.meeting(trees, names)))
    amounts = ", ".join(f"t.a{n}" for n in range(len(detail.charges.bases)))
    sql = _MET_GROUPS.format(same=detail.same_group, amounts=amounts)
    engine.load("met_groups", engine.query(sql))


def _of_line(
    detail: Detail, plan: Plan, line: dict[str, Any], deciding: DecidingTerms
) -> tuple[NamedTerm, ...]:
    """Return the terms of a line, those of the most credited first."""
    own = next(c for c in plan.components if c.rule_id == line["component"])
    sums: dict[int, tuple[int, Decimal]] = {}
    for row in _rows_of_line(detail, plan, own, line, deciding.names_partners):
        term, subject = deciding.rows[row["place"]], {n: row.get(n) for n in _SUBJECT[1:]}
        day = day_of(row["own_day"] or 0)
        if deciding.concerns(term, subject, day, row["customer"] or ""):
            charges, credited = sums.get(row["place"], (0, Decimal(0)))
            sums[row["place"]] = (charges + row["charges"], credited + row["credited"])
    found = (
        NamedTerm(term.table, term.id, term.says, *sums[place])
        for place, term in enumerate(deciding.rows)
        if place in sums
    )
    return tuple(sorted(found, key=lambda one: (-abs(one.credited), one.table, one.id)))


def _rows_of_line(
    detail: Detail, plan: Plan, own: Component, line: dict[str, Any], by_subject: bool
) -> list[dict[str, Any]]:
    """Return the charges of a line that terms are about, summed by term and customer.

    And `by_subject`, where it matters who sold them.
    """
    span = (line["period_from"], line["period_to"])
    counts, values = detail.counting(own, {own.counted_column}, span)
    subject = (f"s.{n}" if by_subject else f"NULL AS {n}" for n in _SUBJECT)
    amount, rates = f"s.a{detail.charges.bases.index(own.basis)}", ""
    if plan.converts:
        amount, rates = f"{amount} * coalesce(r.rate, 1)", _RATES
    sql = _OF_LINE.format(
        subject=", ".join(subject),
        amount=amount,
        rates=rates.format(on=plan.terms[0].converts_on),
        counts=counts,
    )
    rows: list[dict[str, Any]] = detail.run.engine.rows(sql, [line["payee"], line["role"], *values])
    return rows
