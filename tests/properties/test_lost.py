"""What is taken back, held to the auditor: every window, whole and pro rata, for every unit.

One settlement of a world made by hand, since random ones seldom lose what they paid for.
"""

from __future__ import annotations

from datetime import date, datetime, timedelta
from decimal import Decimal
from itertools import product
from typing import Any

import yaml

from fenrun.book.read import Book, book_from
from fenrun.plan.read import read_plan
from fenrun.plan.rows import Plan
from tests.auditor.compare import KNOWN, answers_for, differences, run_engine

_UNITS = ("payee", "customer", "order")
_WINDOWS = (
    *("2 months", "45 days", "2 months of payment", "45 days of customer since"),
    *("3 months of customer since", "40 days of label active", "2 months of label active"),
)
_LOST = [date(2024, 2, 1) + timedelta(days=n) for n in (0, 28, 29, 44, 59, 60, 89)]
_PERIOD = "2024-01/2024-12"


def _component(number: int, each: str, window: str, takes: str) -> dict[str, Any]:
    found: dict[str, Any] = {"id": f"c{number}", "pays": "partner", "each": each, "table": "rates"}
    found |= {"per": "quarter" if number % 5 == 0 else "month", "on": "amount", "by": "amount"}
    if number % 7 == 1:
        found["less"] = ["beside"]
    return found | {"clawback": {"when": "status = 'lost'", "within": window, "takes": takes}}


def _above(number: int, per: str) -> dict[str, Any]:
    """An override on a component, of which it loses what is taken back."""
    found = {"id": f"above{number}", "pays": "centre", "per": per, "portion": "12.5 %"}
    return found | {"on": f"earned c{number} below"}


def _plan() -> Plan:
    rules = [
        rule
        for rule in product(_UNITS, _WINDOWS, ("all", "pro rata"))
        if rule[0] == "customer" or "since" not in rule[1]
    ]
    beside = {"id": "beside", "pays": "partner", "per": "month", "on": "amount", "by": "amount"}
    version = {"from": "2024-01-01", "source": "test", "kind": "all units"}
    text = {
        "plan": "lost",
        "title": "Lost",
        "source": "test",
        "published": "2023-01-01",
        "effective": {"from": "2024-01-01"},
        "currency": "CNY",
        "timezone": "UTC",
        "basis": "billed",
        "credit": {"first match": [{"id": "all", "mode": "single", "roles": ["partner"]}]},
        "tables": {
            "rates": [{**version, "bands": ["pays 33.3 %"]}],
            "low": [{**version, "bands": ["pays 1.7 %"]}],
        },
        "earn": {
            "sum": [
                *(_component(number, *rule) for number, rule in enumerate(rules)),
                {**beside, "table": "low"},
                *(_above(number, per) for number, per in ((2, "month"), (20, "quarter"))),
            ]
        },
    }
    return read_plan(yaml.dump(text, Dumper=yaml.CSafeDumper), "lost.yaml").plan


def _charge(number: int, month: int, day: int) -> dict[str, Any]:
    start = datetime(2024, month, 1)
    amount = Decimal("100.37") + number
    return {
        "InvoiceIssuerName": "Cloud",
        "BillingAccountId": f"A{number}",
        "BillingCurrency": "CNY",
        "BillingPeriodStart": start,
        "ChargePeriodStart": start + timedelta(days=day),
        "BilledCost": amount,
        "ListCost": amount,
        "ContractedCost": amount,
        "EffectiveCost": amount,
        "x_OrderId": f"SO-{number}",
    }


def _book() -> Book:
    """Each partner, its customer and its order are lost on a day; every third once more."""
    links, labels = [], []
    for number, day in enumerate(_LOST):
        account = {"of": "account", "issuer": "Cloud", "subject": f"A{number}"}
        links.append(account | {"role": "customer", "party": f"K{number}"})
        holder = {"role": "partner", "party": f"P{number}"}
        links.append({"of": "customer", "subject": f"K{number}"} | holder)
        above = {"of": "party", "subject": f"P{number}", "role": "centre", "party": "C1"}
        links.append(above)
        for unit in (f"P{number}", f"K{number}", f"SO-{number}"):
            lost = {"party": unit, "label": "status", "value": "lost"}
            first = {"from": str(day)}
            if number % 3 == 0:
                first["to"] = str(day + timedelta(days=30))
                labels.append(lost | {"from": str(day + timedelta(days=70))})
            labels.append(lost | first)
            if number % 4:
                active = {"party": unit, "label": "active", "value": "yes"}
                labels.append(active | {"from": str(day - timedelta(days=36 + number))})
    rows = {"links": list(enumerate(links, 2)), "labels": list(enumerate(labels, 2))}
    made, problems = book_from(rows, "book")
    assert not problems
    return made


def test_engine_and_auditor_take_back_the_same() -> None:
    charges = [_charge(n, month, n) for n in range(len(_LOST)) for month in range(1, 5)]
    books, plans = [(KNOWN, _book())], [_plan()]
    answers = answers_for(charges, books, plans, _PERIOD)
    taken = [key for key in answers["lost"].entries if key[3] == "clawback"]
    assert {component for component, *_ in taken} == {
        component.rule_id for component in plans[0].components if component.clawback_rule
    }
    for in_bulk in (False, True):
        run = run_engine(charges, books, plans, _PERIOD, in_bulk)
        assert not differences(run, answers)
