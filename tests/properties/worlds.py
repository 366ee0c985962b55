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
ISSUERS, ORDERS, SERVICES = (
    ("Cloud", "Cloud East"),
    ("SO-1", "SO-2"),
    ("Compute", "CDN", "SMS", None),
)
EARLY, LATE = datetime(2023, 1, 1), datetime(2023, 6, 1)
DAYS = [
    date(2023, 12, 31),
    date(2024, 1, 1),
    date(2024, 1, 16),
    date(2024, 2, 1),
    date(2024, 2, 29),
    date(2024, 3, 31),
    date(2024, 4, 1),
]
AMOUNTS = [
    Decimal(a)
    for a in ("0", "0.01", "99.995", "100", "100.01", "250", "333.333", "500", "1000", "0.003")
]
SHARES = ("", "50 %", "30 %", "100 %")
_ZONES = ("UTC", "Asia/Shanghai", "America/New_York")

amounts = st.sampled_from(AMOUNTS).flatmap(lambda a: st.sampled_from([a, a, a, -a]))
days = st.sampled_from(DAYS)


@st.composite
def charge(draw: st.DrawFn) -> dict[str, Any]:
    """One charge between December and April, sometimes billed a month late, sometimes without a cost."""
    start = datetime.combine(
        draw(days) + timedelta(days=draw(st.integers(-1, 1))), datetime.min.time()
    ) + timedelta(hours=draw(st.sampled_from([0, 5, 15, 16, 23])))
    month = start.date().replace(day=1)
    if draw(st.integers(0, 4)) == 0:
        month = (month + timedelta(days=31)).replace(day=1)
    cost = draw(amounts)
    found = {
        "InvoiceIssuerName": draw(st.sampled_from(ISSUERS)),
        "BillingAccountId": draw(st.sampled_from(("A1", "A2"))),
        "BillingCurrency": draw(st.sampled_from(("CNY",) * 19 + ("USD",))),
        "ChargePeriodStart": start,
        "BillingPeriodStart": datetime.combine(month, datetime.min.time()),
        "BilledCost": cost,
        "ListCost": draw(
            st.sampled_from([cost, cost * 2, cost * Decimal(3), cost / Decimal("0.5")])
        ),
        "ContractedCost": draw(st.sampled_from([cost, cost - 1, None])),
        "EffectiveCost": cost,
        "ServiceName": draw(st.sampled_from(SERVICES)),
        "ResourceId": draw(st.sampled_from((None, "vm-1"))),
        "x_Cash": draw(st.sampled_from((str(cost), str(cost), str(cost - 7), None))),
        "x_OrderId": draw(st.sampled_from((None, None, *ORDERS))),
        "SubAccountId": draw(st.sampled_from((None, None, "S1"))),
        "SkuPriceId": draw(st.sampled_from(("U1", "U1", None))),
        "ChargeClass": draw(st.sampled_from((None, None, None, "Correction"))),
    }
    return found


@st.composite
def _links(draw: st.DrawFn) -> list[dict[str, str]]:
    def span() -> dict[str, str]:
        if draw(st.integers(0, 2)):
            return {"from": "", "to": ""}
        start, end = (
            draw(st.sampled_from([None, *DAYS])),
            draw(st.sampled_from([None, None, *DAYS])),
        )
        if start and end and end < start:
            start, end = end, start
        return {"from": str(start or ""), "to": str(end or "")}

    rows = []
    for issuer in ISSUERS:
        for account in ("A1", "A2"):
            rows += [
                {
                    "of": "account",
                    "issuer": issuer,
                    "subject": account,
                    "role": "customer",
                    "party": draw(st.sampled_from(CUSTOMERS)),
                    "share": draw(st.sampled_from(SHARES)),
                    **span(),
                }
                for _ in range(draw(st.sampled_from((1, 1, 1, 1, 0, 2))))
            ]
        if draw(st.booleans()):
            rows.append(
                {
                    "of": "sub-account",
                    "issuer": issuer,
                    "subject": "S1",
                    "role": "customer",
                    "party": draw(st.sampled_from(CUSTOMERS)),
                    **span(),
                }
            )
        rows += [
            {
                "of": "order",
                "issuer": issuer,
                "subject": draw(st.sampled_from(ORDERS)),
                "role": draw(st.sampled_from(("partner", "rep"))),
                "party": draw(st.sampled_from(PARTNERS)),
                **span(),
            }
            for _ in range(draw(st.integers(0, 2)))
        ]
        if draw(st.booleans()):
            role = draw(st.sampled_from(("access", "partner")))
            rows.append(
                {
                    "of": "resource",
                    "issuer": issuer,
                    "subject": "vm-1",
                    "role": role,
                    "party": draw(st.sampled_from(PARTNERS)),
                    **span(),
                }
            )
    for customer in CUSTOMERS:
        for role, people in (("partner", PARTNERS), ("rep", REPS)):
            rows += [
                {
                    "of": "customer",
                    "subject": customer,
                    "role": role,
                    "party": draw(st.sampled_from(people)),
                    "share": draw(st.sampled_from(SHARES)),
                    "type": draw(st.sampled_from(("", "resale"))),
                    **span(),
                }
                for _ in range(draw(st.sampled_from((1, 1, 1, 1, 0, 2))))
            ]
    if draw(st.booleans()):
        rows.append(
            {
                "of": "party",
                "subject": "M1",
                "role": "director",
                "party": "D1",
                "share": draw(st.sampled_from(SHARES)),
                **span(),
            }
        )
    if draw(st.booleans()):
        rows.append(
            {
                "of": "party",
                "subject": draw(st.sampled_from(PARTNERS)),
                "role": "centre",
                "party": "C1",
                "share": draw(st.sampled_from(SHARES)),
                **span(),
            }
        )
    rows += [
        {
            "of": "party",
            "subject": rep,
            "role": "manager",
            "party": "M1",
            "share": draw(st.sampled_from(SHARES)),
            **span(),
        }
        for rep in REPS
        if draw(st.booleans())
    ]
    return rows


@st.composite
def book(draw: st.DrawFn) -> Book:
    """A book, which may contradict itself."""
    labels = [
        {
            "party": c,
            "label": "class",
            "value": draw(st.sampled_from("CDE")),
            "from": str(draw(st.sampled_from(["", *DAYS]))),
        }
        for c in CUSTOMERS
        if draw(st.booleans())
    ]
    labels += [
        {
            "party": c,
            "label": "region",
            "value": draw(st.sampled_from(("north", "south"))),
            "from": "",
            "to": str(draw(days)),
        }
        for c in CUSTOMERS
        if draw(st.booleans())
    ]
    labels += [
        {
            "party": p,
            "label": "level",
            "value": draw(st.sampled_from(("elite", "standard"))),
            "from": str(draw(st.sampled_from(["", *DAYS]))),
        }
        for p in (*PARTNERS, *REPS)
        if draw(st.booleans())
    ]
    figures = []
    periods = (
        "2024-01",
        "2024-02",
        "2024-03",
        "2024-Q1",
        "2024-H1",
        "2024",
        "2024-01/2024-02",
        "2024-03/2024-04",
        "2024-02/2024-03",
        "2024-02/2024-04",
        "2024-02/2024-07",
        "2024-02/2025-01",
    )
    for party in (*PARTNERS, *REPS, "M1"):
        for name in ("task", "prior", "pay", "score"):
            for period in periods:
                if draw(st.integers(0, 5)):
                    amount = draw(
                        st.sampled_from(
                            ("80 %", "90 %", "0.95")
                            if name == "score"
                            else ("0", "100", "200", "500", "1000")
                        )
                    )
                    figures.append(
                        {
                            "party": party,
                            "figure": name,
                            "period": period,
                            "amount": amount,
                            "currency": ""
                            if name == "score"
                            else draw(st.sampled_from(("CNY",) * 12 + ("USD",))),
                        }
                    )
    figures += [
        {
            "party": c,
            "figure": "goal",
            "period": period,
            "amount": draw(st.sampled_from(("100", "250"))),
            "currency": "CNY",
        }
        for c in CUSTOMERS
        for period in periods
        if draw(st.integers(0, 3))
    ]
    figures += [
        {
            "party": c,
            "figure": "base",
            "period": draw(st.sampled_from(("2024", "2024-Q1", "2024-02"))),
            "amount": str(draw(st.sampled_from(["50", "100", "400"]))),
            "currency": "CNY",
        }
        for c in CUSTOMERS
    ]
    made, problems = book_from(
        {
            "links": [(n, r) for n, r in enumerate(draw(_links()), 2)],
            "labels": [(n, r) for n, r in enumerate(labels, 2)],
            "figures": [(n, r) for n, r in enumerate(figures, 2)],
        },
        "book",
    )
    assert not problems, problems
    return made


_CONDITIONS = (
    "class in ('C', 'D')",
    "ServiceName in ('CDN', 'SMS')",
    "not ServiceName = 'Compute' and region = 'north'",
    "ServiceName is missing or class = 'E'",
    "region is present",
    "billed below 60 % of list",
    "BilledCost >= 100",
    "ServiceName starts with 'C'",
    "BilledCost < 0 or InvoiceIssuerName = 'Cloud East'",
    "x_OrderId != 'SO-1'",
)
conditions = st.sampled_from(_CONDITIONS)


_LINK = (
    "day within 30 days of association",
    "day within 2 months of first purchase",
    "first purchase within 20 days of association",
    "payee.level = 'elite'",
    "link.type = 'resale'",
    "link.via = 'customer'",
    "previous.party is present",
    "previous.level = 'elite'",
    "association >= 2024-01-15",
    "payee.party = 'P1' or customer = 'K2'",
)
_DATED = (
    "day >= 2024-02-01",
    "access is held",
    "customer since < 2024-01-15",
    "closing.class = 'C'",
    "day within 1 month of customer since",
)
customer_conditions = st.sampled_from((*_CONDITIONS, *_DATED))
credit_conditions = st.sampled_from((*_CONDITIONS, *_DATED, *_LINK))


@st.composite
def _bands(draw: st.DrawFn, unit: str) -> list[str]:
    """Bands that cover everything, each boundary given to one side."""
    bounds = sorted(
        draw(
            st.sets(
                st.sampled_from((30, 50, 80, 100, 120))
                if unit
                else st.sampled_from((0, 100, 250, 500, 1000)),
                max_size=3,
            )
        )
    )
    words, begin = [], ""
    for bound in bounds:
        inside = draw(st.booleans())
        words.append(f"{begin} {'up to' if inside else 'below'} {bound}{unit} pays {draw(_pays)}")
        begin = f"{'above' if inside else 'from'} {bound}{unit}"
    words.append(f"{begin} pays {draw(_pays)}")
    if len(words) > 1 and draw(st.booleans()):
        words = words[1:]
    return [w.strip() for w in words]


_pays = st.sampled_from(("0 %", "5 %", "12.5 %", "100 %", "0.01 %", "-10 %", "10", "33.335"))
PERS = ("month", "month", "2 months", "quarter", "half year", "year")
Item = dict[str, Any]


@st.composite
def _table(draw: st.DrawFn, kind: str, unit: str, columns: bool) -> list[Item]:
    """Dated versions; a version may be published late."""
    starts = ("2023-01-01", "2024-02-01") if draw(st.booleans()) else ("2024-01-01",)
    found = []
    for start in starts:
        version: Item = {"from": start, "source": "test", "kind": kind}
        if kind == "interpolated":
            points = sorted(
                draw(
                    st.sets(
                        st.sampled_from((30, 50, 80, 100, 120) if unit else (0, 100, 250, 500)),
                        min_size=1,
                        max_size=3,
                    )
                )
            )
            version["bands"] = [
                f"at {p}{unit} pays {draw(st.sampled_from(('0 %', '5 %', '12.5 %')))}"
                for p in points
            ]
        elif columns:
            version["columns"] = [
                {"when": draw(credit_conditions), "bands": draw(_bands(unit))},
                {"bands": draw(_bands(unit))},
            ][: draw(st.integers(1, 2))]
        else:
            version["bands"] = draw(_bands(unit))
        if draw(st.integers(0, 9)) == 0:
            version["published"] = draw(st.sampled_from(("2023-06-01", "2024-06-01")))
        found.append(version)
    return found


def _subject(by: str) -> str:
    return " %" if by in ("attainment", "growth") else ""


@st.composite
def _component(draw: st.DrawFn, number: int, tables: Item, per: str, earlier: list[Item]) -> Item:
    kind = draw(st.sampled_from(("all units", "all units", "marginal", "interpolated")))
    each = draw(
        st.sampled_from(("payee", "payee", "payee", "customer", "customer", "order", "ServiceName"))
    )
    by = draw(
        st.sampled_from(
            (
                "amount",
                "amount",
                "increment",
                "attainment",
                "growth",
                "amount to date",
                "figure score",
            )
        )
    )
    on = draw(st.sampled_from(("amount", "amount", "increment", "figure pay")))
    if kind == "marginal":
        by = draw(st.sampled_from(("amount", "increment", "attainment", "growth")))
        on = {"amount": "amount", "attainment": "amount"}.get(by, "increment")
    columns = kind == "all units" and draw(st.integers(0, 2)) == 0
    counted = (
        each == "payee" and not columns and kind == "all units" and draw(st.integers(0, 4)) == 0
    )
    tables[f"t{number}"] = draw(_table(kind, _subject(by), columns))
    found: Item = {
        "id": f"e{number}",
        "pays": draw(st.sampled_from(("partner", "partner", "partner", "rep", "manager"))),
        "per": per,
        "each": each,
        "on": on,
        "by": by,
        "table": f"t{number}",
    }
    owner = " of customer" if each == "customer" and draw(st.booleans()) else ""
    if draw(st.integers(0, 4)) == 0:
        tables[f"f{number}"] = [
            {
                "from": "2023-01-01",
                "source": "test",
                "kind": "all units",
                "bands": ["below 80 % pays 50 %", "from 80 % pays 110 %"],
            }
        ]
        found["times"] = f"f{number} by " + draw(
            st.sampled_from(("attainment", "growth", "figure score"))
        )
    gates = (
        []
        if draw(st.integers(0, 2))
        else draw(
            st.lists(
                st.sampled_from(
                    (
                        "amount from 100",
                        "attainment from 50 %",
                        "growth above 0 %",
                        "increment above 0",
                        "figure score from 90 %",
                        "spend before below 500",
                        "spend from 50",
                        "amount to date above 100 and below 2,000",
                    )
                ),
                max_size=1,
            )
        )
    )
    if gates:
        found["gates"] = gates
    said = " ".join([by, on, found.get("times", ""), *gates])
    if "attainment" in said:
        found["target"] = f"{'goal' if owner else 'task'}{owner}"
    if "increment" in said or "growth" in said:
        found["compare"] = draw(
            st.sampled_from(
                (
                    "figure prior",
                    "figure prior",
                    "figure prior",
                    "last year",
                    "previous period",
                    "last year of its customers",
                    f"figure base{owner}",
                )
            )
        )
    if counted:
        found["counts"] = draw(
            st.sampled_from(
                ("customers", "customers from 100", "new customers", "new customers from 10")
            )
        )
    for key, values, odds in (
        ("cap", ("20", "33.33", "7.5 % of amount"), 3),
        ("portion", ("70 %", "33.3 %"), 3),
        ("who", ("level = 'elite'", "level is missing"), 6),
        ("up to", ("250", "0.5"), 4),
        ("basis", ("x_Cash", "list"), 6),
    ):
        if draw(st.integers(0, odds)) == 0 and not (key == "up to" and counted):
            found[key] = draw(st.sampled_from(values))
    if draw(st.integers(0, 4)) == 0:
        found["of"] = draw(credit_conditions)
    if not counted and draw(st.integers(0, 2)) == 0:
        found["baseline"] = {
            "figure": "base",
            "per": draw(st.sampled_from(("month", "quarter", "year"))),
        } | draw(st.sampled_from(({}, {"when": "class = 'C'"}, {"when": "payee.level = 'elite'"})))
    if each == "customer" and draw(st.integers(0, 2)) == 0:
        found["clawback"] = {
            "when": draw(st.sampled_from(("class = 'E'", "region is missing"))),
            "within": draw(st.sampled_from(("1 month", "3 months"))),
        }
    plain = [
        e
        for e in earlier
        if "less" not in e
        and not any("earned" in g for g in e.get("gates", []))
        and PERS_MONTHS[per] % PERS_MONTHS[e["per"]] == 0
    ]
    if plain and draw(st.integers(0, 2)) == 0:
        other = draw(st.sampled_from(plain))["id"]
        if draw(st.booleans()):
            found["less"] = [other]
        else:
            found["gates"] = [
                *found.get("gates", []),
                f"earned {other} " + draw(st.sampled_from(("above 0", "below 10"))),
            ]
    return found


PERS_MONTHS = {"month": 1, "2 months": 2, "quarter": 3, "half year": 6, "year": 12}


@st.composite
def _earn(draw: st.DrawFn, tables: Item) -> list[Item]:
    """Components, some in a group, and perhaps one on what another earned."""
    items: list[Item] = []
    made: list[Item] = []
    for number in range(draw(st.integers(1, 3))):
        made.append(draw(_component(number, tables, draw(st.sampled_from(PERS)), made)))
        items.append(made[-1])
    if draw(st.integers(0, 1)) == 0:
        per = draw(st.sampled_from(PERS))
        members = [draw(_component(n, tables, per, made)) for n in (10, 11)]
        kind = draw(st.sampled_from(("sum", "max", "first match", "exclusive")))
        group: Item = {"id": "g", kind: members}
        if draw(st.booleans()):
            group["cap"] = draw(st.sampled_from(("15", "40.01", "5 % of e10")))
            if draw(st.booleans()):
                group["per"] = "year"
        items.append(group)
        made += members
    base = [
        e for e in made if "less" not in e and not any("earned" in g for g in e.get("gates", []))
    ]
    if base and draw(st.integers(0, 2)) == 0:
        on = draw(st.sampled_from(base))
        found = {
            "id": "o",
            "pays": "centre" if on["pays"] == "partner" else "manager",
            "per": draw(st.sampled_from((on["per"], "year"))),
            "on": f"earned {on['id']} below",
            "portion": "12.5 %",
        }
        items.append(found | draw(st.sampled_from(({}, {"cap": "2.5"}))))
    return items


@st.composite
def _payout(draw: st.DrawFn, by_customer: bool) -> Item:
    found: Item = {}
    choices: Item = {
        "instalments": (
            ["50 % at once", "50 % after 1 month"],
            ["90 % at once", "10 % after 2 months"],
        ),
        "draw": ("10 recoverable", "5.5 guaranteed"),
        "minimum": ("0", "20", "7.25"),
        "expires": ("1 month", "2 months"),
        "forms": (["60 % rebate", "40 % co-op from 5 else cash"], ["33.3 % cash", "66.7 % coupon"]),
        "tax": ({"included": "6 %", "added": "3 %"}, {"included": "13 %", "added": "figure score"}),
    }
    if by_customer:
        choices["frozen"] = ("class = 'D'", "region = 'north'")
    for key, values in choices.items():
        if draw(st.booleans()):
            found[key] = draw(st.sampled_from(values))
    return found


@st.composite
def plan(draw: st.DrawFn) -> PlanFile:
    """A valid plan, through its text."""
    tables: Item = {}
    items = draw(_earn(tables))
    components = [
        c
        for i in items
        for c in ([i] if "pays" in i else next(v for k, v in i.items() if isinstance(v, list)))
    ]
    clauses = []
    for number in range(draw(st.integers(1, 3))):
        roles = draw(st.sampled_from((["partner"], ["rep", "partner"], ["partner", "rep"])))
        clause: Item = {
            "id": f"c{number}",
            "mode": draw(st.sampled_from(("single", "double"))),
            "roles": roles,
        }
        if draw(st.integers(0, 2)) == 0:
            clause["when"] = draw(customer_conditions)
        if draw(st.integers(0, 4)) == 0:
            clause["while"] = draw(credit_conditions)
        if "rep" in roles and draw(st.booleans()):
            clause["roll up"] = [
                {"role": "rep", "to": "manager"},
                {"role": "manager", "to": "director"},
            ][: draw(st.integers(1, 2))]
        clauses.append(clause)
    excludes = []
    for number in range(draw(st.sampled_from((0, 0, 1, 2)))):
        item: Item = {"id": f"x{number}", "when": draw(credit_conditions)}
        if draw(st.booleans()):
            item["since"] = str(draw(days))
        if draw(st.booleans()):
            item["until"] = str(draw(days))
        if draw(st.booleans()):
            item["applies to"] = [components[0]["id"]]
        excludes.append(item)
    text: Item = {
        "plan": "random",
        "title": "Random",
        "source": "test",
        "published": "2023-01-01",
        "effective": {"from": draw(st.sampled_from(("2023-01-01", "2024-01-01", "2024-02-01")))},
        "currency": "CNY",
        "timezone": draw(st.sampled_from(_ZONES)),
        "basis": draw(
            st.sampled_from(
                ("billed", "billed", "contracted", "lesser of billed and contracted", "list")
            )
        ),
        "mixed bases": "test",
        "rounding": draw(
            st.sampled_from(
                ("half up to 0.01", "half even to 0.01", "down to 0.01", "half up to 1")
            )
        ),
        "credit": {"first match": clauses},
        "exclude": excludes,
        "tables": tables,
        "earn": {"sum": items},
    }
    if draw(st.integers(0, 3)) == 0:
        text["year starts"] = "February"
    if draw(st.integers(0, 3)) == 0:
        text["as of"] = [{"when": "ServiceName = 'CDN'", "day": "BillingPeriodStart"}]
    if draw(st.booleans()):
        text["pay"] = draw(
            _payout(
                all(c.get("each") == "customer" or c["on"].startswith("earned") for c in components)
            )
        )
        if not text["pay"]:
            del text["pay"]
    if text["rounding"] == "half up to 1":
        for limited in (*components, *items):
            limited.pop("cap", None)
    return read_plan(yaml.safe_dump(text, sort_keys=False), "random.yaml")


charges = st.lists(charge(), min_size=8, max_size=20)
books = st.one_of(
    book().map(lambda b: [(EARLY, b)]),
    st.tuples(book(), book()).map(lambda two: [(EARLY, two[0]), (LATE, two[1])]),
)
periods = st.sampled_from(("2024", "2024", "2024", "2024-Q1", "2024-03", "2024-02"))
