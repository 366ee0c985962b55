"""What is credited to nobody is said with its reason, and the fix that is named works."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from fenrun.base.problem import Problem
from fenrun.base.when import parse_period
from fenrun.settle.imports import import_file
from fenrun.settle.runs import settle_workspace
from fenrun.store.facts import Store
from tests.errors.gallery import BOOK, KNOWN, PLAN, ROW


def _settled(folder: Path, book: str, *charges: dict[str, str], plan: str = PLAN) -> list[Problem]:
    """The problems of September, each charge being of 1.00 CNY."""
    plain = ROW | {"SubAccountId": ""}
    rows = [",".join(plain), *(",".join((plain | cells).values()) for cells in charges)]
    store = Store(folder / "ws")
    for name, text in (("p.yaml", plan), ("b.yaml", book), ("c.csv", "\n".join(rows) + "\n")):
        (folder / name).write_text(text, "utf-8")
        import_file(store, folder / name, KNOWN)
    run = settle_workspace(store, parse_period("2024-09")).run
    return [p for p in run.problems if "uncredited" in p.code or p.code.startswith("account")]


NEAR = {
    "no account": ({"BillingAccountId": "Z"}, "no such account"),
    "another issuer": ({"InvoiceIssuerName": "Other"}, "under the issuer Beichen Cloud"),
    "a sub-account": ({"BillingAccountId": "S1"}, "as a sub-account only"),
    "other days": ({"BillingAccountId": "A2"}, "links it to K1 before 2024-09-01"),
    "case": ({"BillingAccountId": "a1"}, "differ by capital letters"),
    "issuer in full width": ({"InvoiceIssuerName": "Ｂeichen Cloud"}, "differ by full-width"),
    "zeros lost": ({"BillingAccountId": "123"}, "differ by zeros at the beginning"),
}
MORE = """  - {of: sub-account, issuer: Beichen Cloud, subject: S1, role: customer, party: K1}
  - {of: account, issuer: Beichen Cloud, subject: A2, role: customer, party: K1, to: 2024-09-01}
  - {of: account, issuer: Beichen Cloud, subject: "00123", role: customer, party: K1}
"""


@pytest.mark.in_turn(4)
@pytest.mark.parametrize("case", NEAR)
def test_an_account_without_customer_is_told_the_nearest(case: str, tmp_path: Path) -> None:
    cells, said = NEAR[case]
    book = BOOK.replace("parties:", MORE + "parties:")
    (problem,) = _settled(tmp_path, book, cells)
    assert said in problem.words("what") and "1.00 of" in problem.words("what")
    assert problem.words("what", "zh-CN").isascii() is False
    added = {
        "issuer": cells.get("InvoiceIssuerName", "Beichen Cloud"),
        "subject": cells.get("BillingAccountId", "A1"),
    }
    link = f"  - {{of: account, issuer: '{added['issuer']}', subject: '{added['subject']}',"
    link += " role: customer, party: K1}\n"
    (tmp_path / "again").mkdir()
    assert not _settled(tmp_path / "again", book.replace("parties:", link + "parties:"), cells)


WHY = {
    "role: partner": ("role: rep", "nobody holds the role partner of its customer K1, on any day"),
    "party: P1}\nparties": (
        "party: P1, from: 2024-09-05}\nparties",
        "P1 holds partner from 2024-09-05 on",
    ),
    "party: P1}": ("party: P1, share: 40 %}", "only a part of the role is held"),
    "  - {of: customer": (
        "  - {of: customer, subject: K1, role: partner, party: P2}\n  - {of: customer",
        "more than the whole of a role",
    ),
}


@pytest.mark.parametrize("text", WHY)
def test_an_account_with_a_customer_is_told_why(text: str, tmp_path: Path) -> None:
    instead, said = WHY[text]
    (problem,) = _settled(tmp_path, BOOK.replace(text, instead, 1), {})
    assert problem.code == "account-uncredited" and said in problem.words("what")
    amount = Decimal(problem.words("what").split()[0])
    assert amount == (Decimal("0.60") if "40 %" in instead else 1)


def test_a_clause_that_does_not_fit_is_told(tmp_path: Path) -> None:
    plan = PLAN.replace("roles: [partner]", "roles: [partner], when: ServiceName = 'x'")
    (problem,) = _settled(tmp_path, BOOK, {}, plan=plan)
    assert "P1 holds the role partner" in problem.words("what")


SUBS = """parties: [{party: K1, kind: customer}, {party: K2, kind: customer}]
links:
  - {of: account, issuer: Beichen Cloud, subject: A1, role: customer, party: K1}
  - {of: sub-account, issuer: Beichen Cloud, subject: S2, role: customer, party: K2}
  - {of: customer, subject: K1, role: partner, party: P1}
"""
K2 = "  - {of: customer, subject: K2, role: partner, party: P1, from: 2024-09-20}\n"
SHARED = SUBS.replace("party: K2}\n", "party: K2, share: 50 %}\n") + (
    "  - {of: sub-account, issuer: Beichen Cloud, subject: S2, role: customer, party: K3, "
    "share: 50 %}\n"
)


@pytest.mark.parametrize(
    ("book", "said"),
    [
        (SUBS, "nobody holds the role partner of its customer K2, on any day"),
        (SUBS + K2, "role partner of its customer K2; P1 holds partner from 2024-09-20 on"),
        (SHARED, "nobody holds the role partner of its customer K2, on any day"),
    ],
)
def test_the_customers_of_sub_accounts_are_named(book: str, said: str, tmp_path: Path) -> None:
    """Not that of the account, whose charges are credited."""
    (tmp_path / "ws").mkdir()
    (problem,) = _settled(tmp_path, book, {}, {"SubAccountId": "S2"})
    assert problem.code == "account-uncredited" and said in problem.words("what")


def test_of_many_customers_a_few_are_named(tmp_path: Path) -> None:
    link = SUBS.splitlines()[3]
    book = SUBS + "".join(f"{link.replace('2', str(n))}\n" for n in range(3, 10))
    (problem,) = _settled(tmp_path, book, *({"SubAccountId": f"S{n}"} for n in range(2, 10)))
    assert "customer K2 or K3 or K4 or K5 or K6 or 3 more" in problem.words("what")


def test_ids_are_credited_as_they_are_meant(tmp_path: Path) -> None:
    book = BOOK.replace("subject: A1", 'subject: "A1\\u200B"')
    odd = ["A1 ", "A1\u00a0", "A1\u200b", "\ufeffA1", "A1"]
    assert not _settled(tmp_path, book, *({"BillingAccountId": text} for text in odd))
    store = Store(tmp_path / "ws")
    (charges,) = store.imports("charges")
    (said,) = [p for p in charges.problems if p.code == "id-tidied"]
    assert (said.rows, said.place.row) == (4, 2) and "A1<U+0020> is read" in said.words("what")
