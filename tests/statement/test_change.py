"""Why a statement pays other than the month before: cases that add up by hand."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from fenrun.statement.change import pay_change

_TITLE = {"en": "Month task", "zh-CN": "月度任务"}


def _statement(
    month: str,
    measured: str,
    earned: str,
    band: str,
    customers: dict[str, str],
    excluded: str = "0",
    target: str = "100",
    **other: Any,
) -> dict[str, Any]:
    """A statement of one line, whose band begins at its target."""
    line = {"line": f"p/task/{month}/P1", "plan": "p", "component": "task", "title": _TITLE}
    line |= {"role": "partner", "period": month, "measured": measured, "band": band}
    stand = {"reads_by": "attainment", "measure": measured, "reference": target}
    stand |= {"bounds": [{"from": target, "words": "from 100 %"}]}
    body = {"period": month, "currency": "CNY", "lines": [line | {"earned": earned}]}
    body |= {"attained": {line["line"]: stand}, "earned": earned, "paid": earned}
    body |= {"difference": "0.00", "payable": earned}
    rows = [{"role": "partner", "customer": k, "credited": v} for k, v in customers.items()]
    rules = [{"component": "task", "rule": "cdn", "amount": excluded}]
    return body | {"customers": rows, "not_counted": rules} | other


def _causes(before: dict[str, Any], now: dict[str, Any]) -> list[tuple[str, str, str]]:
    said = pay_change(before, now)
    parts = [Decimal(one["difference"]) for one in said["components"]]
    parts += [Decimal(said[key]["difference"]) for key in ("otherwise", "closed")]
    assert sum(parts) == Decimal(said["difference"])
    for one in said["components"]:
        assert sum(Decimal(x["amount"]) for x in one["causes"]) == Decimal(one["difference"])
    return [
        (x["cause"], x["name"], x["amount"]) for one in said["components"] for x in one["causes"]
    ]


def test_customers_exclusions_and_the_band_add_up_to_the_difference() -> None:
    """September: 200 of K1 less 20 CDN = 180 at 10 % = 18.00. October: 100 of K1 and 30 of K2, less
    40 CDN = 90, below the target: 0. K1's 100 less cost 10.00, K2's 30 bring 3.00, 20 more CDN cost
    2.00; the 90 that are left lose 10 % = 9.00. 18.00 less in all.
    """
    before = _statement("2024-09", "180", "18.00", "from 100 %", {"K1": "200"}, "20")
    now = _statement("2024-10", "90", "0.00", "below", {"K1": "100", "K2": "30"}, "40")
    assert _causes(before, now) == [
        ("rate", "", "-9.00"),
        ("exclusion", "cdn", "-2.00"),
        ("customer", "K1", "-10.00"),
        ("customer", "K2", "3.00"),
    ]


def test_what_another_target_alone_takes_away_is_said_of_the_target() -> None:
    """120 reach a target of 100, at 10 % = 12.00; the same 120 do not reach 150."""
    before = _statement("2024-09", "120", "12.00", "from 100 %", {"K1": "120"})
    now = _statement("2024-10", "120", "0.00", "below", {"K1": "120"}, target="150")
    assert _causes(before, now) == [("target", "", "-12.00")]


def test_a_part_of_a_cent_goes_to_the_band_and_nothing_is_lost() -> None:
    """1 at 1 % is 0.01, three times a third of that each: 0.00; the cent stays in the sum."""
    before = _statement("2024-09", "3", "0.01", "from 100 %", {"K1": "1", "K2": "1", "K3": "1"})
    now = _statement("2024-10", "6", "0.02", "from 100 %", {"K1": "2", "K2": "2", "K3": "2"})
    assert _causes(before, now) == [("rate", "", "0.01")]


def test_what_falls_due_once_a_quarter_and_what_is_paid_later_are_said_as_that() -> None:
    before = _statement("2024-09", "180", "18.00", "from 100 %", {"K1": "180"})
    quarter = before["lines"][0] | {"period": "2024-Q3", "component": "quarter", "earned": "5.00"}
    before = before | {"lines": [*before["lines"], quarter], "earned": "23.00", "paid": "23.00"}
    before |= {"payable": "23.00"}
    now = _statement("2024-10", "180", "18.00", "from 100 %", {"K1": "180"})
    now |= {"paid": "10.00", "difference": "1.00", "payable": "11.00"}
    assert _causes(before, now) == [("due", "2024-Q3 → –", "-5.00")]
    said = pay_change(before, now)
    assert (said["otherwise"]["difference"], said["closed"]["difference"]) == ("-8.00", "1.00")
