"""Small random worlds: charges and books in two instalments, made to meet at boundaries.

Several worlds are settled together under several plans (a Batch), since a settlement of ten costs
hardly more than of one. In all worlds but the first, names end in the world's number (`K1.2`), so
that no fact of one is about another.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from hypothesis import strategies as st

from fenrun.book.read import Book, book_from
from fenrun.plan.read import PlanFile
from tests.properties.plans import DAYS, plans

CUSTOMERS = ("K1", "K2", "K3")
PARTNERS = ("P1", "P2")
REPS = ("R1", "R2")
ISSUERS = ("Cloud", "Cloud East")
ACCOUNTS = ("A1", "A2")
ORDERS = ("SO-1", "SO-2")
SERVICES = ("Compute", "CDN", "SMS", None)
EARLY, LATE = datetime(2023, 1, 1), datetime(2023, 6, 1)
PERIODS = (
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
"""The periods of figures: of every length that a component pays by, in either year."""
AMOUNTS = [
    Decimal(a)
    for a in ("0", "0.01", "99.995", "100", "100.01", "250", "333.333", "500", "1000", "0.003")
]
_TO_JPY = (("CNY", "JPY"), ("USD", "JPY"))
SHARES = ("", "50 %", "30 %", "100 %")
Row = dict[str, str]
"""A row of a book file."""

amounts = st.sampled_from(AMOUNTS).flatmap(lambda a: st.sampled_from([a, a, a, -a]))
days = st.sampled_from(DAYS)
periods = st.sampled_from(("2024", "2024", "2024", "2024-Q1", "2024-03", "2024-02"))


# --- charges ------------------------------------------------------------------------


@st.composite
def charge(draw: st.DrawFn, mark: str = "") -> dict[str, Any]:
    """A charge between December and April, maybe billed a month late, maybe without a cost."""
    day = draw(days) + timedelta(days=draw(st.integers(-1, 1)))
    start = datetime.combine(day, datetime.min.time())
    start += timedelta(hours=draw(st.sampled_from([0, 5, 15, 16, 23])))
    month = start.date().replace(day=1)
    if draw(st.integers(0, 4)) == 0:
        month = (month + timedelta(days=31)).replace(day=1)
    cost = draw(amounts)

    def named(*names: str | None) -> str | None:
        name = draw(st.sampled_from(names))
        return name and name + mark

    return {
        "InvoiceIssuerName": draw(st.sampled_from(ISSUERS)),
        "BillingAccountId": named(*ACCOUNTS),
        "BillingCurrency": draw(st.sampled_from(("CNY",) * 17 + ("USD", "USD", "EUR"))),
        "ChargePeriodStart": start,
        "ChargePeriodEnd": start + timedelta(hours=draw(st.sampled_from((0, 1, 24, 73, 31 * 24)))),
        "BillingPeriodStart": datetime.combine(month, datetime.min.time()),
        "BilledCost": cost,
        "ListCost": draw(st.sampled_from([cost, cost * 2, cost * 3, cost / Decimal("0.5")])),
        "ContractedCost": draw(st.sampled_from([cost, cost - 1, None])),
        "EffectiveCost": cost,
        "ServiceName": draw(st.sampled_from(SERVICES)),
        "ResourceId": named(None, "vm-1"),
        "x_Cash": draw(st.sampled_from((str(cost), str(cost), str(cost - 7), None))),
        "x_OrderDate": draw(st.sampled_from((None, "soon", str(day), "2024-01-15"))),
        "x_OrderId": named(None, None, *ORDERS),
        "SubAccountId": named(None, None, "S1"),
        "SkuPriceId": draw(st.sampled_from(("U1", "U1", None))),
        "ChargeClass": draw(st.sampled_from((None, None, None, "Correction"))),
    }


def charges_of(mark: str = "") -> st.SearchStrategy[list[dict[str, Any]]]:
    """The charges of a world."""
    return st.lists(charge(mark), min_size=8, max_size=20)


charges = charges_of()


# --- books --------------------------------------------------------------------------


@st.composite
def _links(draw: st.DrawFn, mark: str) -> list[Row]:
    """Links of every kind, which may overlap, leave gaps, and hold a role over the whole."""
    rows: list[Row] = []

    def link(of: str, subject: str, role: str, parties: Sequence[str], **more: str) -> None:
        start, end = draw(_spans())
        party = draw(st.sampled_from(parties)) + mark
        row = {"of": of, "subject": subject + mark, "role": role, "party": party}
        rows.append(row | more | {"from": start, "to": end})

    def share() -> str:
        return draw(st.sampled_from(SHARES))

    def mostly_one() -> range:
        return range(draw(st.sampled_from((1, 1, 1, 1, 0, 2))))

    for issuer in ISSUERS:
        for account in ACCOUNTS:
            for _ in mostly_one():
                link("account", account, "customer", CUSTOMERS, issuer=issuer, share=share())
        if draw(st.booleans()):
            link("sub-account", "S1", "customer", CUSTOMERS, issuer=issuer)
        for _ in range(draw(st.integers(0, 2))):
            role = draw(st.sampled_from(("partner", "rep")))
            link("order", draw(st.sampled_from(ORDERS)), role, PARTNERS, issuer=issuer)
        if draw(st.booleans()):
            role = draw(st.sampled_from(("access", "partner")))
            link("resource", "vm-1", role, PARTNERS, issuer=issuer)
    for customer in CUSTOMERS:
        for role, people in (("partner", PARTNERS), ("rep", REPS)):
            for _ in mostly_one():
                kind = draw(st.sampled_from(("", "resale")))
                link("customer", customer, role, people, share=share(), type=kind)
    if draw(st.booleans()):
        link("party", "M1", "director", ("D1",), share=share())
    if draw(st.booleans()):
        link("party", draw(st.sampled_from(PARTNERS)), "centre", ("C1",), share=share())
    for rep in REPS:
        if draw(st.booleans()):
            link("party", rep, "manager", ("M1",), share=share())
    return rows


@st.composite
def _spans(draw: st.DrawFn) -> tuple[str, str]:
    """The first day and the first day after, each empty where there is no bound."""
    if draw(st.integers(0, 2)):
        return "", ""
    start = draw(st.sampled_from([None, *DAYS]))
    end = draw(st.sampled_from([None, None, *DAYS]))
    if start and end and end < start:
        start, end = end, start
    return str(start or ""), str(end or "")


@st.composite
def _labels(draw: st.DrawFn, mark: str) -> list[Row]:
    rows: list[Row] = []

    def label(party: str, name: str, *values: str) -> Row:
        rows.append({"party": party + mark, "label": name, "value": draw(st.sampled_from(values))})
        return rows[-1]

    for customer in CUSTOMERS:
        if draw(st.booleans()):
            label(customer, "class", *"CDE")["from"] = str(draw(st.sampled_from(["", *DAYS])))
        if draw(st.booleans()):
            label(customer, "region", "north", "south")["to"] = str(draw(days))
    for unit in (*CUSTOMERS, *ORDERS, *PARTNERS):
        if draw(st.booleans()):
            made = label(unit, "class", "E")
            made["from"] = str(draw(st.sampled_from(DAYS[2:])))
    for party in (*PARTNERS, *REPS):
        if draw(st.booleans()):
            made = label(party, "level", "elite", "standard")
            made["from"] = str(draw(st.sampled_from(["", *DAYS])))
        if draw(st.booleans()):
            label(party, "money", "JPY", "USD", "CNY", "yen")["from"] = "2024-02-01"
    return rows


@st.composite
def _figures(draw: st.DrawFn, mark: str) -> list[Row]:
    """Figures of most periods; which, and how large, follows from one number for party and name."""
    seeds = st.integers(0, 9999)
    rows: list[Row] = []
    for party in (*PARTNERS, *REPS, "M1"):
        for name in ("task", "prior", "pay", "score", "claims"):
            rows += _figure_rows(party + mark, name, draw(seeds))
    for customer in CUSTOMERS:
        rows += _figure_rows(customer + mark, "goal", draw(seeds))
        base = {"party": customer + mark, "figure": "base", "currency": "CNY"}
        base["period"] = draw(st.sampled_from(("2024", "2024-Q1", "2024-02")))
        base["amount"] = draw(st.sampled_from(("50", "100", "400")))
        rows.append(base)
    return rows


def _figure_rows(party: str, name: str, seed: int) -> list[Row]:
    """A figure of a party, missing now and then and in another currency; 0 gives none at all."""
    values = {"score": ("80 %", "90 %", "0.95"), "goal": ("100", "250")}
    values["claims"] = ("0", "3", "10", "100")
    usual = ("0", "100", "200", "500", "1000")
    currencies = {"score": ("",), "goal": ("CNY",)}
    rng = random.Random(seed)
    return [
        {
            "party": party,
            "figure": name,
            "period": period,
            "amount": rng.choice(values.get(name, usual)),
            "currency": rng.choice(currencies.get(name, ("CNY",) * 12 + ("USD",))),
        }
        for period in PERIODS
        if seed and rng.randrange(6)
    ]


@st.composite
def _rates(draw: st.DrawFn, mark: str) -> list[Row]:
    """Rates of most months and days, some given twice; those of all worlds are the first's."""
    if mark:
        return []
    rng = random.Random(draw(st.integers(0, 9999)))
    rows: list[Row] = []
    for pair in (("USD", "CNY"), ("EUR", "CNY"), ("CNY", "USD"), ("EUR", "USD"), *_TO_JPY):
        names = dict(zip(("from", "to"), pair))
        for month in ("2023-12", "2024-01", "2024-02", "2024-03", "2024-04", "2024-05"):
            for period in (month, f"{month}-01..{month}-15", f"{month}-13..{month}-29"):
                if rng.randrange(8):
                    rate = rng.choice(("7.12", "0.14", "1", "120.5", "0.06"))
                    rows.append({**names, "period": period, "rate": rate})
    return rows


@st.composite
def book(draw: st.DrawFn, marks: Sequence[str] = ("",)) -> Book:
    """The book of one world or several, which may contradict itself."""
    tables = {"links": _links, "labels": _labels, "figures": _figures, "rates": _rates}
    rows = {
        name: list(enumerate([row for mark in marks for row in draw(table(mark))], 2))
        for name, table in tables.items()
    }
    made, problems = book_from(rows, "book")
    assert not problems, problems
    return made


@st.composite
def books_of(draw: st.DrawFn, marks: Sequence[str] = ("",)) -> list[tuple[datetime, Book]]:
    """One book, or one and what became known later."""
    found = [(EARLY, draw(book(marks)))]
    if draw(st.booleans()):
        found.append((LATE, draw(book(marks))))
    return found


# --- batches ------------------------------------------------------------------------


@dataclass(frozen=True)
class Batch:
    """Worlds that are settled together, under each of several plans."""

    charges: list[dict[str, Any]]
    books: list[tuple[datetime, Book]]
    """With the moments from which they are known."""
    files: list[PlanFile]
    period: str

    @property
    def plans(self) -> list[Any]:
        """The plans as rows."""
        return [file.plan for file in self.files]


@st.composite
def batches(
    draw: st.DrawFn, plans_at_most: int = 5, worlds_at_most: int = 3, together: bool = True
) -> Batch:
    """One world under one plan, or several under several, settled `together` or in groups."""
    marks = ["", *(f".{n}" for n in range(2, worlds_at_most + 1))]
    marks = marks[: draw(st.sampled_from((1, worlds_at_most, worlds_at_most)))]
    rows = [row for mark in marks for row in draw(charges_of(mark))]
    return Batch(rows, draw(books_of(marks)), draw(plans(plans_at_most, together)), draw(periods))
