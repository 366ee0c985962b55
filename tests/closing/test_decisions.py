"""Decisions about deliveries and closes: what stops one, and what a decision after one is due."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from pathlib import Path

import pytest

from fenrun.base.problem import Refused
from fenrun.base.when import parse_period
from fenrun.closing.close import close, closes, settle_period
from fenrun.proof.bundle import make_bundle
from fenrun.proof.verify import verify
from fenrun.settle.deliveries import Decision, decide
from fenrun.settle.mending import mend_rows
from fenrun.statement.rows import statement_of
from tests.closing.test_closing import Year
from tests.command import fenrun

HEAD = (
    "BilledCost,BillingAccountId,BillingCurrency,BillingPeriodStart,ChargePeriodStart,"
    "InvoiceIssuerName,InvoiceId,ResourceId\n"
)


def _row(cost: str, month: str, resource: str, issuer: str = "Cloud", invoice: str = "") -> str:
    start = f"{month}-01T00:00:00Z,{month}-05T00:00:00Z"
    return f"{cost},A1,CNY,{start},{issuer},{invoice},{resource}\n"


def _decide(year: Year, day: str, name: str, decision: Decision) -> None:
    decide(year.store, name, decision, datetime.fromisoformat(day))


@pytest.mark.in_turn(3)
def test_a_decision_after_a_close_is_due_in_the_next_period(tmp_path: Path) -> None:
    """10 % of what is billed: 41 in January. The closed statement and its bundle stay."""
    year = Year(tmp_path)
    once = _row("100", "2024-01", "r1")
    year.know("2024-02-01", "one.csv", HEAD + once)
    year.know("2024-02-01", "two.csv", HEAD + once + _row("10", "2024-01", "r9"))
    year.know("2024-02-01", "old.csv", HEAD + _row("200", "2024-01", "r2"))
    with pytest.raises(Refused, match="is in one"):
        year.close("2024-01", "2024-02-02")
    _decide(year, "2024-02-02", "two.csv", Decision(adds="one.csv"))
    year.close("2024-01", "2024-02-03")

    def payable(period: str, name: str) -> Decimal:
        make_bundle(year.store, "P1", parse_period(period), tmp_path / name)
        return verify(tmp_path / name).payable["CNY"]

    assert payable("2024-01", "before.zip") == Decimal("41.00")

    # Both were meant when January was closed; now one of them is taken back, and another file
    # takes the place of a third. Of a late file a row is left out, and one that is mended is due.
    _decide(year, "2024-02-10", "two.csv", Decision(void=True))
    year.know("2024-02-11", "new.csv", HEAD + _row("250", "2024-01", "r2"))
    _decide(year, "2024-02-12", "new.csv", Decision(replaces="old.csv"))
    late = HEAD + _row("50", "2024-01", "r3", issuer="") + _row("70", "2024-01", "r4", issuer="")
    year.know("2024-02-13", "late.csv", late)
    year.know("2024-02-14", "february.csv", HEAD + _row("1", "2024-02", "r1"))
    mend_rows(year.store, "late.csv", {2: {"InvoiceIssuerName": "Cloud"}}, datetime(2024, 2, 15))
    with pytest.raises(Refused, match="Kept aside"):
        year.close("2024-02", "2024-03-01")
    _decide(year, "2024-02-16", "late.csv", Decision(leave_out=True))

    closed = settle_period(year.store, parse_period("2024-01")).run
    assert [line.earned for line in statement_of(closed, "P1").lines] == [Decimal("41.00")]
    due = [("correction", -11), ("correction", -20), ("late charge", 5), ("late charge", 25)]
    expected = [("P1", cause, Decimal(amount)) for cause, amount in due]
    assert sorted(year.posted("2024-02")) == sorted(expected)
    year.close("2024-02", "2024-03-01")

    # After that close: the mended row goes with its file, and what was accepted stays accepted.
    _decide(year, "2024-03-02", "late.csv", Decision(void=True))
    year.know("2024-03-03", "march.csv", HEAD + _row("1", "2024-03", "r1"))
    assert year.posted("2024-03") == [("P1", "correction", Decimal("-5.00"))]
    year.close("2024-03", "2024-04-01")
    assert verify(tmp_path / "before.zip").payable == {"CNY": Decimal("41.00")}
    amounts = {month: payable(f"2024-{month}", f"{month}.zip") for month in ("02", "03")}
    assert amounts == {"02": Decimal("-0.90"), "03": Decimal("-4.90")}


def test_what_is_open_stops_a_close_until_it_is_decided(tmp_path: Path) -> None:
    """Each by itself in one month, by the command; the portal closes by the same code."""
    year = Year(tmp_path)
    charged = HEAD + _row("100", "2024-01", "r1", invoice="I1")
    year.know("2024-02-01", "january.csv", charged)
    year.know("2024-02-01", "aside.csv", HEAD + _row("7", "2024-01", "r7", issuer=""))
    market = _row("100", "2024-01", "r1", issuer="Market")
    year.know("2024-02-01", "market.csv", HEAD + market)
    invoice = (
        "InvoiceIssuerName,InvoiceId,InvoiceDetailId,InvoiceIssueStatus,BilledCost,"
        "BillingCurrency,BillingPeriodStart,BillingPeriodEnd\n"
        "Cloud,I1,I1-1,Issued,{},CNY,2024-01-01T00:00:00Z,2024-02-01T00:00:00Z\n"
    )
    year.know("2024-02-01", "invoice.csv", invoice.format("99.00"))
    book = "links:\n  - {of: account, issuer: Market, subject: A1, role: customer, party: K1}\n"
    year.know("2024-02-01", "market.yaml", book)
    period, known = parse_period("2024-01"), datetime(2024, 2, 10)
    open_ = ["kept-aside", "billed-by-two", "invoice-differs"]
    mends = [
        ("aside.csv", Decision(leave_out=True)),
        ("market.csv", Decision(void=True)),
        ("invoice.csv", Decision(leave_out=True)),
    ]
    for number, mended in enumerate(mends):
        with pytest.raises(Refused) as refusal:
            close(year.store, period, known)
        said = {problem.code for problem in refusal.value.problems} & set(open_)
        assert said == set(open_[number:])
        if not number:
            done = fenrun("close", year.store.path, "--period", "2024-01", "--known", "2024-02-10")
            assert done.code == 1 and all(code in done.err + done.out for code in said)
        _decide(year, "2024-02-02", *mended)
    close(year.store, period, known)
    assert [str(one.period.key) for one in closes(year.store)] == ["2024-01"]
