"""Statements: what one holds in full, as a signed bundle, line by line; what more sales would earn.

Each is asked of a statement that the asker sees, so nobody is told of another's.
"""

from __future__ import annotations

import tempfile
from collections import defaultdict
from collections.abc import Iterable, Sequence
from decimal import ROUND_CEILING, Decimal
from pathlib import Path
from typing import Any

from django.http import Http404

from fenrun.base.money import minor_units, parse_amount
from fenrun.base.problem import Place, Problem, Refused
from fenrun.base.when import parse_period
from fenrun.closing.shown import charges_behind
from fenrun.closing.shown import explained as explain_line
from fenrun.closing.shown import written as write_statement
from fenrun.portal.access.isolation import objects_seen
from fenrun.portal.commands.questions import ask_run, ask_what_if
from fenrun.portal.models import Period, Statement
from fenrun.portal.request_queue import outside_queue
from fenrun.proof.bundle import make_bundle
from fenrun.statement.formats.charges import MOST_ROWS, charges_to_csv, charges_to_xlsx
from fenrun.store.facts import Store
from fenrun.whatif.open_period import Point, curve, estimate

_LARGEST_SALE = Decimal(10) ** 12
_GAPS_OF_CURVE, _BEYOND = 2, Decimal("1.2")
"""The gaps that a curve shows, and how far it goes beyond the largest."""
CHARGES_A_PAGE = 50
MOST_CHARGES = 2_000_000
"""Charges of a line that one file may hold."""
_LARGEST_CHARGES = 20
"""Charges that an explanation names."""
_OF_THE_PAGE = ("titles", "before", "change")
"""Keys of a statement's body that only its page needs."""


def as_json(statement: Statement) -> dict[str, Any]:
    """Return a statement as `fenrun statement --json` prints it, with all its customers.

    Besides: how far each line has come, and what is credited to others.
    """
    body = {key: value for key, value in statement.body.items() if key not in _OF_THE_PAGE}
    customers = [{k: v for k, v in row.items() if k != "name"} for row in statement.customers]
    elsewhere = [{k: v for k, v in row.items() if k != "name"} for row in body["elsewhere"]]
    return body | {"customers": customers, "elsewhere": elsewhere}


def find(period: str, payee: str, currency: str = "") -> Statement:
    """Return the statement of a payee in a currency, or in its first. Raises Http404."""
    found = Statement.objects.select_related("period").filter(period_id=period, payee=payee)
    wanted = found.filter(currency=currency) if currency else found.order_by("currency")
    statement = wanted.first()
    if statement is None:
        raise Http404
    return statement


def with_others(statement: Statement) -> dict[str, Any]:
    """Return a statement as JSON, with the payee's sections in other currencies."""
    same = Statement.objects.filter(period_id=statement.period_id, payee=statement.payee)
    others = [as_json(one) for one in same.exclude(pk=statement.pk).order_by("currency")]
    return as_json(statement) | ({"other_currencies": others} if others else {})


_OF_STATEMENT = (
    *("id", "period_id", "payee", "currency", "name", "role", "rank"),
    *("credited", "earned", "payable", "body"),
)
_STATEMENT = f"""
SELECT {", ".join(_OF_STATEMENT)} FROM portal_statement
WHERE payee = %s AND period_id = %s
ORDER BY currency
"""
_OF_PERIOD = ("key", "run", "known", "ends", "closed", "closed_at", "booked", "currency")
_PERIOD = f"SELECT {', '.join(_OF_PERIOD)} FROM portal_period WHERE key = %s"


def find_shown(period: str, payee: str, currency: str = "") -> Statement:
    """Return what `find` does, for a page: without all its customers. Raises Http404."""
    found = objects_seen(Statement, _OF_STATEMENT, _STATEMENT, payee, period)
    statement = next((one for one in found if currency in ("", one.currency)), None)
    if statement is None:
        raise Http404
    (statement.period,) = objects_seen(Period, _OF_PERIOD, _PERIOD, period)
    return statement


def signed_bundle(store: Store, statement: Statement) -> bytes:
    """Return the signed bundle of a closed statement, for `fenrun verify`.

    Raises Refused where the period is not closed.
    """
    with outside_queue(), tempfile.TemporaryDirectory(prefix="fenrun-bundle-") as folder:
        out = Path(folder) / "bundle.zip"
        make_bundle(store, statement.payee, parse_period(statement.period_id), out)
        return out.read_bytes()


def find_line(period: str, line: str) -> Statement | None:
    """Return the statement that has a line, if the asker sees it."""
    payee = line.rpartition("/")[2]
    statements = Statement.objects.select_related("period")
    found = statements.filter(period_id=period, payee=payee)
    return next((statement for statement in found if line in statement.line_ids()), None)


def explained(statement: Statement, line: str) -> dict[str, Any]:
    """Return the explanation of a statement's line, as `fenrun explain --json` prints it."""
    return ask_run(statement.period, explain_line, line, _LARGEST_CHARGES)


def charges_of(
    statement: Statement,
    line: str,
    start: int = 0,
    most: int = CHARGES_A_PAGE,
    sought: str = "",
) -> dict[str, Any]:
    """Return the charges behind a line, each with whether it counts and which clause says so.

    With `sought` those whose customer, service, account or order holds that text.
    """
    return ask_run(statement.period, charges_behind, line, start, most, sought.strip())


def charges_as(statement: Statement, line: str, form: str, lang: str) -> bytes:
    """Return all charges behind a line as CSV or as a workbook.

    Raises Refused where there are more than a workbook holds.
    """
    said = charges_of(statement, line, 0, MOST_CHARGES)
    if said["total"] > (MOST_ROWS if form == "xlsx" else MOST_CHARGES):
        values = {"count": said["total"], "most": MOST_ROWS}
        raise Refused([Problem("charges-many", Place(line), values)])
    names = {row["customer"]: row.get("name", "") for row in statement.customers}
    return (charges_to_xlsx if form == "xlsx" else charges_to_csv)(said, names, lang)


def written(statement: Statement, form: str, lang: str) -> bytes:
    """Return a statement in full, in one of the formats, in a language. Raises Refused."""
    return ask_run(statement.period, write_statement, statement.payee, form, lang)


def estimated(statement: Statement, amount: str, service: str) -> dict[str, Any]:
    """Return what additional sales would earn the payee of a statement.

    Raises Refused for what is no amount, or where nothing can be sold.
    """
    more = _sale(amount)
    return ask_what_if(statement.period, estimate, statement.payee, more, service)


def gaps(statement: Statement) -> list[dict[str, Any]]:
    """Return what each line of a statement lacks to its next band, smallest first.

    Rows: title, period, words, missing (exact text), amount (in whole steps of the currency, enough
    to reach it).
    """
    found = []
    attained, step = statement.body["attained"], Decimal(1).scaleb(-minor_units(statement.currency))
    lines = [{**line, **(attained.get(line["line"]) or {})} for line in statement.body["lines"]]
    for line in [*lines, *statement.body["under_way"]]:
        if not line.get("next"):
            continue
        missing = Decimal(line["next"]["missing"])
        if 0 < missing < _LARGEST_SALE:
            said = {name: line[name] for name in ("title", "period")} | line["next"]
            found.append(said | {"amount": missing.quantize(step, ROUND_CEILING)})
    return sorted(found, key=lambda gap: (gap["amount"], gap["period"]))


def targets_by_period(
    statement: Statement, reached: Iterable[Sequence[str]]
) -> list[dict[str, Any]]:
    """Return, for each component that has a target here, what it `reached` by period.

    Rows: title, points (period without its century, measure and target as exact text), now (the
    period of the line). In the order of the lines.
    """
    points: defaultdict[tuple[str, str], dict[str, tuple[str, str]]] = defaultdict(dict)
    for plan, component, period, measure, target in reached:
        points[plan, component][period] = measure, target
    return [
        {
            "title": line["title"],
            "points": [(key[2:], *both) for key, both in found.items()],
            "now": line["period"][2:],
        }
        for line in statement.body["lines"]
        if line["period"] in points.get((line["plan"], line["component"]), ())
        and (found := points.pop((line["plan"], line["component"])))
    ]


def curve_of(statement: Statement, amount: str, service: str) -> list[Point]:
    """Return what additional sales of up to a sale, and a bit more, would earn: (sales, more).

    Points lie at the gaps and just before them, where what is earned can leap. Raises Refused.
    """
    asked = _sale(amount)
    step, near = Decimal(1).scaleb(-minor_units(statement.currency)), gaps(statement)
    near = near[:_GAPS_OF_CURVE]
    most = max([asked, *(gap["amount"] for gap in near)])
    points = {(most * _BEYOND).quantize(step), *([] if near else [asked])}
    for gap in near:
        points |= {gap["amount"], gap["amount"] - step}
    wanted = sorted(point for point in points if point > 0)
    found = ask_what_if(statement.period, curve, statement.payee, wanted, service)
    return [(Decimal(0), Decimal(0)), *found]


def _sale(text: str) -> Decimal:
    try:
        amount = parse_amount(text)
    except ValueError:
        amount = Decimal(0)
    if not 0 < amount < _LARGEST_SALE:
        raise Refused([Problem("estimate-amount", Place("amount"), {"amount": text})])
    return amount
