"""Charges that come late, or are left out, where the plan limits what the book may say."""

from __future__ import annotations

from pathlib import Path
from unittest.mock import patch

from fenrun.settle import more_facts
from fenrun.settle.facts import facts_as_of
from fenrun.settle.imports import import_file
from fenrun.settle.standing import Standing, earned_by_payee
from tests.errors.gallery import KNOWN
from tests.errors.gallery import PLAN as LIMITED
from tests.pricing.workspace import MONTH, book, charge, workspace

_ORDERS = "".join(
    f"  - {{of: order, issuer: Beichen Cloud, subject: O{n}, role: partner, party: P2,"
    f" from: 2024-08-0{n}}}\n"
    f"  - {{of: customer, subject: K{n}, role: partner, party: P1}}\n"
    for n in (1, 2)
)


def test_an_order_of_another_account_can_refuse_one(tmp_path: Path) -> None:
    """P2 may have one order open: O1 of K1. O2 of K2 is refused, so K2's charges are P1's.

    More charges of O2, or fewer, are settled as all would be anew.
    """
    charges = [charge(f"A{n}", "1000", x_OrderId=f"O{n}") for n in (1, 2)]
    store = workspace(tmp_path, charges, book("K1", "K2", more=_ORDERS))
    (tmp_path / "plan.yaml").write_text(LIMITED + "limits: {open registrations: 1}\n", "utf-8")
    import_file(store, tmp_path / "plan.yaml", KNOWN)
    late = workspace(tmp_path / "late", [charge("A2", "500", x_OrderId="O2")], "")
    with patch.object(more_facts, "_MOST_TOUCHED", 0):
        standing = Standing(facts_as_of(store, KNOWN), MONTH, KNOWN)
        (first,) = standing.facts.charges
        more = standing.with_more(charges=facts_as_of(late, KNOWN).charges)
        for change in (more, standing.without({first.id: "row_no = 2"})):
            anew = earned_by_payee(change.facts.settle(MONTH, KNOWN))
            before = earned_by_payee(standing.run).items()
            others = {who: paid for who, paid in before if not change.concerns(who[0])}
            found = others | change.earned()
            assert {who: paid for who, paid in found.items() if paid} == anew
    assert dict(before)["P1", "CNY"] == 50 and more.earned()["P1", "CNY"] == 75
