"""Small random worlds: charges, books in two instalments, and plans, made to meet at boundaries."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

import yaml
from hypothesis import strategies as st

from fenrun.book.read import Book, book_from
from fenrun.plan.read import PlanFile, read_plan

CUSTOMERS, PARTNERS, REPS = ("K1", "K2", "K3"), ("P1", "P2"), ("R1", "R2")
ISSUERS, ORDERS, SERVICES = ("Cloud", "Cloud East"), ("SO-1", "SO-2"), ("Compute", "CDN", "SMS", None)
EARLY, LATE = datetime(2023, 1, 1), datetime(2023, 6, 1)
DAYS = [date(2023, 12, 31), date(2024, 1, 1), date(2024, 1, 16), date(2024, 2, 1), date(2024, 2, 29), date(2024, 3, 31), date(2024, 4, 1)]
AMOUNTS = [Decimal(a) for a in ("0", "0.01", "99.995", "100", "100.01", "250", "333.333", "500", "1000", "0.00000123")]
SHARES = ("", "50 %", "33.33 %", "100 %")
_ZONES = ("UTC", "Asia/Shanghai", "America/New_York")

amounts = st.sampled_from(AMOUNTS).flatmap(lambda a: st.sampled_from([a, a, a, -a]))
days = st.sampled_from(DAYS)


@st.composite
def charge(draw: st.DrawFn) -> dict[str, Any]:
    """One charge between December and April, sometimes billed a month late, sometimes without a cost."""
    start = datetime.combine(draw(days) + timedelta(days=draw(st.integers(-1, 1))), datetime.min.time()) + timedelta(hours=draw(st.sampled_from([0, 5, 15, 16, 23])))
    month = start.date().replace(day=1)
    if draw(st.integers(0, 4)) == 0:
        month = (month + timedelta(days=31)).replace(day=1)
    cost = draw(amounts)
    found = {"InvoiceIssuerName": draw(st.sampled_from(ISSUERS)), "BillingAccountId": draw(st.sampled_from(("A1", "A2"))), "BillingCurrency": draw(st.sampled_from(("CNY",) * 9 + ("USD",))),
             "ChargePeriodStart": start, "BillingPeriodStart": datetime.combine(month, datetime.min.time()), "BilledCost": cost,
             "ListCost": draw(st.sampled_from([cost, cost * 2, cost * Decimal("1.6666"), cost / Decimal("0.5")])), "ContractedCost": draw(st.sampled_from([cost, cost - 1, None])), "EffectiveCost": cost,
             "ServiceName": draw(st.sampled_from(SERVICES)), "x_OrderId": draw(st.sampled_from((None, None, *ORDERS))), "SubAccountId": draw(st.sampled_from((None, None, "S1")))}
    return found


@st.composite
def _links(draw: st.DrawFn) -> list[dict[str, str]]:
    def span() -> dict[str, str]:
        start, end = draw(st.sampled_from([None, *DAYS])), draw(st.sampled_from([None, None, *DAYS]))
        if start and end and end < start:
            start, end = end, start
        return {"from": str(start or ""), "to": str(end or "")}

    rows = []
    for issuer in ISSUERS:
        for account in ("A1", "A2"):
            rows += [{"of": "account", "issuer": issuer, "subject": account, "role": "customer", "party": draw(st.sampled_from(CUSTOMERS)), "share": draw(st.sampled_from(SHARES)), **span()}
                     for _ in range(draw(st.integers(0, 2)))]
        if draw(st.booleans()):
            rows.append({"of": "sub-account", "issuer": issuer, "subject": "S1", "role": "customer", "party": draw(st.sampled_from(CUSTOMERS)), **span()})
        rows += [{"of": "order", "issuer": issuer, "subject": draw(st.sampled_from(ORDERS)), "role": draw(st.sampled_from(("partner", "rep"))), "party": draw(st.sampled_from(PARTNERS)), **span()}
                 for _ in range(draw(st.integers(0, 2)))]
    for customer in CUSTOMERS:
        for role, people in (("partner", PARTNERS), ("rep", REPS)):
            rows += [{"of": "customer", "subject": customer, "role": role, "party": draw(st.sampled_from(people)), "share": draw(st.sampled_from(SHARES)), **span()}
                     for _ in range(draw(st.integers(0, 2)))]
    rows += [{"of": "party", "subject": rep, "role": "manager", "party": "M1", "share": draw(st.sampled_from(SHARES)), **span()} for rep in REPS if draw(st.booleans())]
    return rows


@st.composite
def book(draw: st.DrawFn) -> Book:
    """A book, which may contradict itself."""
    labels = [{"party": c, "label": "class", "value": draw(st.sampled_from("CDE")), "from": str(draw(st.sampled_from(["", *DAYS])))} for c in CUSTOMERS if draw(st.booleans())]
    labels += [{"party": c, "label": "region", "value": draw(st.sampled_from(("north", "south"))), "from": "", "to": str(draw(days))} for c in CUSTOMERS if draw(st.booleans())]
    labels += [{"party": p, "label": "level", "value": draw(st.sampled_from(("elite", "standard"))), "from": str(draw(st.sampled_from(["", *DAYS])))} for p in (*PARTNERS, *REPS) if draw(st.booleans())]
    figures = []
    for party in (*PARTNERS, *REPS):
        for name in ("task", "prior", "pay"):
            for period in ("2024", "2024-Q1", "2024-01", "2024-02", "2024-03"):
                if draw(st.integers(0, 2)):
                    figures.append({"party": party, "figure": name, "period": period, "amount": str(draw(st.sampled_from(["0", "100", "200", "500", "1000"]))), "currency": draw(st.sampled_from(("CNY",) * 8 + ("USD",)))})
    figures += [{"party": c, "figure": "base", "period": draw(st.sampled_from(("2024", "2024-Q1", "2024-02"))), "amount": str(draw(st.sampled_from(["50", "100", "400"]))), "currency": "CNY"} for c in CUSTOMERS]
    made, problems = book_from({"links": [(n, r) for n, r in enumerate(draw(_links()), 2)], "labels": [(n, r) for n, r in enumerate(labels, 2)], "figures": [(n, r) for n, r in enumerate(figures, 2)]}, "book")
    assert not problems, problems
    return made


_CONDITIONS = ("class in ('C', 'D')", "ServiceName in ('CDN', 'SMS')", "not ServiceName = 'Compute' and region = 'north'", "ServiceName is missing or class = 'E'", "region is present",
               "billed below 60 % of list", "BilledCost >= 100", "ServiceName starts with 'C'", "BilledCost < 0 or InvoiceIssuerName = 'Cloud East'", "x_OrderId != 'SO-1'")
conditions = st.sampled_from(_CONDITIONS)


@st.composite
def _bands(draw: st.DrawFn, unit: str) -> list[str]:
    """Bands that cover everything, each boundary given to one side."""
    bounds = sorted(draw(st.sets(st.sampled_from((30, 50, 80, 100, 120)) if unit else st.sampled_from((0, 100, 250, 500, 1000)), max_size=3)))
    words, begin = [], ""
    for bound in bounds:
        inside = draw(st.booleans())
        words.append(f"{begin} {'up to' if inside else 'below'} {bound}{unit} pays {draw(_pays)}")
        begin = f"{'above' if inside else 'from'} {bound}{unit}"
    words.append(f"{begin} pays {draw(_pays)}")
    if len(words) > 1 and draw(st.booleans()):
        words = words[1:]
    return [w.strip() for w in words]


_pays = st.sampled_from(("0 %", "5 %", "12.5 %", "100 %", "0.0001 %", "10", "33.335"))


@st.composite
def _component(draw: st.DrawFn, number: int, tables: dict[str, Any]) -> dict[str, Any]:
    marginal = draw(st.booleans())
    by = draw(st.sampled_from(("amount", "increment", "attainment", "growth")))
    on = {"amount": "amount", "attainment": "amount", "increment": "increment", "growth": "increment"}[by] if marginal else draw(st.sampled_from(("amount", "increment", "figure pay")))
    unit = " %" if by in ("attainment", "growth") else ""
    starts = ("2023-01-01", "2024-02-01") if draw(st.booleans()) else ("2024-01-01",)
    tables[f"t{number}"] = [{"from": s, "source": "test", "kind": "marginal" if marginal else "all units", "bands": draw(_bands(unit))} for s in starts]
    found: dict[str, Any] = {"id": f"e{number}", "pays": draw(st.sampled_from(("partner", "partner", "rep", "manager"))), "per": draw(st.sampled_from(("month", "month", "quarter", "year"))),
                             "on": on, "by": by, "table": f"t{number}"}
    if by == "attainment":
        found["target"] = "task"
    if by in ("increment", "growth") or on == "increment":
        found["compare"] = draw(st.sampled_from(("figure prior", "last year")))
    if draw(st.integers(0, 3)) == 0:
        found["cap"] = draw(st.sampled_from(("20", "33.33")))
    if draw(st.integers(0, 3)) == 0:
        found["portion"] = draw(st.sampled_from(("70 %", "33.3 %")))
    if draw(st.integers(0, 3)) == 0:
        found["who"] = draw(st.sampled_from(("level = 'elite'", "level is missing")))
    if draw(st.integers(0, 2)) == 0:
        found["baseline"] = {"figure": "base", "per": draw(st.sampled_from(("month", "quarter", "year")))} | draw(st.sampled_from(({}, {"when": "class = 'C'"})))
    return found


@st.composite
def plan(draw: st.DrawFn) -> PlanFile:
    """A valid plan, through its text."""
    tables: dict[str, Any] = {}
    components = [draw(_component(n, tables)) for n in range(draw(st.integers(1, 3)))]
    clauses = []
    for number in range(draw(st.integers(1, 3))):
        roles = draw(st.sampled_from((["partner"], ["rep", "partner"], ["partner", "rep"])))
        clause: dict[str, Any] = {"id": f"c{number}", "mode": draw(st.sampled_from(("single", "double"))), "roles": roles}
        if draw(st.booleans()):
            clause["when"] = draw(conditions)
        if "rep" in roles and draw(st.booleans()):
            clause["roll up"] = [{"role": "rep", "to": "manager"}]
        clauses.append(clause)
    excludes = []
    for number in range(draw(st.integers(0, 2))):
        item: dict[str, Any] = {"id": f"x{number}", "when": draw(conditions)}
        if draw(st.booleans()):
            item["since"] = str(draw(days))
        if draw(st.booleans()):
            item["until"] = str(draw(days))
        if draw(st.booleans()):
            item["applies to"] = [components[0]["id"]]
        excludes.append(item)
    text = {"plan": "random", "title": "Random", "source": "test", "published": "2023-01-01", "effective": {"from": draw(st.sampled_from(("2023-01-01", "2024-01-01", "2024-02-01")))},
            "currency": "CNY", "timezone": draw(st.sampled_from(_ZONES)), "basis": draw(st.sampled_from(("billed", "billed", "contracted", "lesser of billed and contracted", "list"))),
            "rounding": draw(st.sampled_from(("half up to 0.01", "half even to 0.01", "down to 0.01", "half up to 1"))), "credit": {"first match": clauses}, "exclude": excludes, "tables": tables, "earn": {"sum": components}}
    if text["rounding"] == "half up to 1":
        for component in components:
            component.pop("cap", None)
    return read_plan(yaml.safe_dump(text, sort_keys=False), "random.yaml")


charges = st.lists(charge(), min_size=0, max_size=10)
books = st.one_of(book().map(lambda b: [(EARLY, b)]), st.tuples(book(), book()).map(lambda two: [(EARLY, two[0]), (LATE, two[1])]))
periods = st.sampled_from(("2024", "2024-Q1", "2024-03", "2024-01"))
