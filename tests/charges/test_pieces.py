"""One bill in two forms of other pieces, and bills that only look like it.

Each case is two files of one account in September: told where they bill the same over the same
days, and never where what they name differs.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from fenrun.charges.pieces import find_summed
from fenrun.settle.deliveries import Decision, decide, undecided
from fenrun.settle.imports import import_file
from fenrun.store.facts import Store

KNOWN = datetime(2025, 1, 1)
HEAD = (
    "BilledCost,BillingAccountId,BillingCurrency,BillingPeriodStart,ChargePeriodStart,"
    "ChargePeriodEnd,InvoiceIssuerName,SubAccountId,ServiceName,ResourceId,ChargeCategory,"
    "ChargeDescription"
)
START = datetime(2024, 9, 1)


def _line(cost: str, start: datetime, end: datetime, **cells: str) -> str:
    cell = {
        "account": "A1",
        "currency": "USD",
        "month": "2024-09-01",
        "sub": "",
        "service": "",
        "resource": "",
        "category": "Usage",
        "told": "",
    } | cells
    named = (cell[name] for name in ("sub", "service", "resource", "category", "told"))
    when = f"{cell['month']}T00:00:00Z,{start:%Y-%m-%dT%H:%M:%SZ},{end:%Y-%m-%dT%H:%M:%SZ}"
    return f"{cost},{cell['account']},{cell['currency']},{when},Acme,{','.join(named)}"


def days(costs: Sequence[str], first: float = 1, hours: int = 24, **cells: str) -> list[str]:
    """A charge a day (or every so many hours) from a day of September on."""
    step = timedelta(hours=hours)
    starts = [START + timedelta(days=first - 1) + step * n for n in range(len(costs))]
    return [_line(cost, at, at + step, **cells) for cost, at in zip(costs, starts)]


def month(cost: str, **cells: str) -> list[str]:
    """A charge over all of September."""
    return [_line(cost, START, datetime(2024, 10, 1), **cells)]


RISING = [f"{n}.10" for n in range(1, 31)]
"""Thirty days: 468.00."""
FINE = [f"{n}.{n:02}37" for n in range(1, 31)]
"""Thirty days of four decimals: 469.761."""
VM: dict[str, Any] = {"service": "VM", "resource": "r1"}
DB: dict[str, Any] = {"service": "DB", "resource": "r2"}
SAME: dict[str, tuple[list[str], list[str], str, int, int]] = {
    "days and month": (days(RISING), month("468.00"), "468.00", 1, 30),
    "month and days": (month("468.00"), days(RISING), "468.00", 30, 1),
    "described otherwise": (days(RISING, told="d"), month("468.00", told="m"), "468.00", 1, 30),
    "the sum names less": (days(RISING, **VM), month("468.00"), "468.00", 1, 30),
    "the sum by service": (days(RISING, **VM), month("468.00", service="VM"), "468.00", 1, 30),
    "two services, one sum": (
        days(RISING[:15], **VM) + days(RISING[15:], 16, **DB), month("468.00"), "468.00", 1, 30,
    ),
    "two services, two sums": (
        days(RISING[:15], **VM) + days(RISING[15:], 16, **DB),
        month("121.50", service="VM") + month("346.50", service="DB"), "468.00", 2, 30,
    ),
    "one of two services": (
        days(RISING, **VM) + days(["5.00"] * 30, **DB), month("468.00", service="VM"),
        "468.00", 1, 30,
    ),
    "hours and days": (
        days(["0.10", "0.30"] * 60, hours=12), days(["0.40"] * 60), "24.00", 60, 120,
    ),
    "hours of ten days": (days(RISING), days(["2.80"] * 20, hours=12), "56.00", 20, 10),
    "hours of days amid": (
        days(RISING), days(["12.00", "12.20", "12.05", "12.15", "12.10"], 10), "60.50", 5, 5,
    ),
    "used for some days": (days(RISING[:20], 3), month("212.00"), "212.00", 1, 20),
    "by resource and by service": (
        month("300.00", resource="r1") + month("168.00", resource="r2"),
        month("400.00", service="VM") + month("68.00", service="DB"), "468.00", 2, 2,
    ),
    "named by one alone": (
        month("300.00", resource="r1") + month("168.00", resource="r2"),
        month("300.00", service="VM") + month("168.00", service="DB"), "468.00", 2, 2,
    ),
    "sum rounded to cents": (days(FINE), month("469.76"), "469.76", 1, 30),
    "each rounded to cents": (
        days(FINE), days([str(round(Decimal(c), 2)) for c in FINE]), "469.65", 30, 30,
    ),
    "rounded to whole units": (
        days(["1200.4", "900.4"]), month("2101"), "2101.00", 1, 2,
    ),
    "with a credit": (
        [*days(RISING), *month("-68.00", category="Credit")], month("400.00"), "400.00", 1, 31,
    ),
    "a refund": (days([f"-{c}" for c in RISING]), month("-468.00"), "-468.00", 1, 30),
    "one charge is in both": (
        [*days(RISING), *month("7.00", told="fee")], [*month("468"), *month("7.00", told="fee")],
        "468.00", 1, 30,
    ),
    "in one of two accounts": (
        [*days(RISING), *month("9.00", account="A2")],
        [*month("468.00"), *month("8.00", account="A2")], "468.00", 1, 30,
    ),
    "in yuan": (days(RISING, currency="CNY"), month("468.00", currency="CNY"), "468.00", 1, 30),
    "by sub-account and by day": (
        month("400.00", sub="s1") + month("68.00", sub="s2"), days(RISING), "468.00", 30, 2,
    ),
    "names that both have": (
        days(RISING, sub="s1", **VM), month("468.00", sub="s1", **VM), "468.00", 1, 30,
    ),
}  # fmt: skip
"""By name two files, what both bill, and in how many charges of the second and of the first."""
OTHERS: dict[str, tuple[list[str], list[str]]] = {
    "other sum": (days(RISING), month("468.01")),
    "far from rounding": (days(FINE), month("471.00")),
    "other month": (days(RISING), month("468.00", month="2024-10-01")),
    "other account": (days(RISING), month("468.00", account="A2")),
    "other currency": (days(RISING), month("468.00", currency="EUR")),
    "other resource": (days(RISING, resource="r1"), month("468.00", resource="r9")),
    "other service": (days(RISING, service="VM"), month("468.00", service="Support")),
    "other sub-account": (days(RISING, sub="s1"), month("468.00", sub="s2")),
    "a purchase": (days(RISING), month("468.00", category="Purchase")),
    "tax": (days(RISING), month("468.00", category="Tax")),
    "a credit of it": (days(RISING), month("-468.00", category="Credit")),
    "days that follow": (days(["10.00"] * 10), days(["20.00"] * 5, 11)),
    "halves of a month": (days(RISING[:15]), days(RISING[15:], 16)),
    "two monthly fees": (month("50.00", resource="r1"), month("50.00", resource="r2")),
    "fees of equal price": (month("50.00", told="a"), month("50.00", told="b")),
    "two machines by the day": (days(RISING, resource="r1"), days(RISING, resource="r2")),
    "equal days, other words": (days(RISING, told="a"), days(RISING, told="b")),
    "nothing in both": (days(["1.00", "-1.00"]), month("0.00")),
    "a fee of a day": (days(["10.00"] * 30), month("10.01")),
    "fee beside usage": (days(["10.00"] * 30, **VM), month("300.00", service="Support")),
}
"""By name two files that bill different things."""


ALONE = ("hours of ten days", "hours of days amid")
"""Cases that are told by the days of the whole file."""


def _write(folder: Path, name: str, place: int, cases: Iterable[str]) -> Path:
    """Write the first or second file of cases, each with accounts of its own."""
    lines = [HEAD]
    for case in cases:
        told = SAME[case][:2] if case in SAME else OTHERS[case]
        own = case.replace(" ", "-").replace(",", "")
        lines += [re.sub(",(A[12]),", rf",\1-{own},", line) for line in told[place]]
    path = folder / f"{name}-{place}.csv"
    path.write_text("\n".join(lines) + "\n")
    return path


def test_one_bill_in_other_pieces_is_found_and_nothing_else(tmp_path: Path) -> None:
    store = Store(tmp_path / "ws")
    files = {"all": [c for c in [*SAME, *OTHERS] if c not in ALONE], **{c: [c] for c in ALONE}}
    for name, cases in files.items():
        for place in (0, 1):
            import_file(store, _write(tmp_path, name, place, cases), KNOWN)
    imports = {item.source: item for item in store.imports("charges")}
    found = {one.one: one for one in find_summed(list(imports.values()))}
    assert len(found) == len(files)
    for name, cases in files.items():
        one = found[imports[f"{name}-1.csv"].id]
        wanted = [SAME[case] for case in cases if case in SAME]
        assert one.other == imports[f"{name}-0.csv"].id
        assert one.accounts == len(wanted), name
        assert (one.rows, one.other_rows) == (sum(w[3] for w in wanted), sum(w[4] for w in wanted))
        assert sum(map(Decimal, one.billed.values())) == sum(Decimal(w[2]) for w in wanted)


def test_it_is_open_until_somebody_decides(tmp_path: Path) -> None:
    store = Store(tmp_path / "ws")
    for place in (0, 1):
        import_file(store, _write(tmp_path, "a", place, ["days and month"]), KNOWN)
    (problem,) = undecided(store, KNOWN)
    assert (problem.code, problem.severity) == ("sums-twice", "error")
    assert "bills 468.00 USD in 1 charge and a-0.csv" in problem.words("what")
    assert "A1-days-and-month" in problem.words("what", "zh-CN")
    ids = [item.id for item in store.imports("charges")]
    decide(store, ids[1], Decision(adds=ids[0]), KNOWN + timedelta(days=1))
    assert undecided(store, KNOWN) and not undecided(store, KNOWN + timedelta(days=1))
    decide(store, ids[1], Decision(void=True), KNOWN + timedelta(days=2))
    assert not undecided(store, KNOWN + timedelta(days=2))


WITHIN = ["days and month", "described otherwise", "the sum names less", "two services, two sums"]
BY_PART = {
    "a service beside others": [
        *days(RISING, **VM), *month("468.00", service="VM"), *month("7.00", **DB)],
    "a resource beside others": [
        *days(RISING[:9], **VM), *month("45.90", resource="r1"), *days(["1.00"] * 3, **DB)],
    "two weeks": [*days(RISING[:14]), _line("106.40", START, datetime(2024, 9, 15))],
}  # fmt: skip
"""Files of accounts of which a part is billed in two forms: 468.00, 45.90 and 106.40."""
HOURS = ["0.10"] * 72
"""Three days by the hour: 2.40 each."""
IN_CHINA = 1 + 16 / 24
BY_HOUR = {
    "hours and days": [*days(HOURS, hours=1), *days(["2.40"] * 3)],
    "days and hours": [*days(["2.40"] * 3), *days(HOURS, hours=1)],
    "half days": [*days(["1.10", "1.30"] * 3, hours=12), *days(["2.40"] * 3)],
    "days of China": [*days(HOURS, IN_CHINA, 1), *days(["2.40"] * 3, IN_CHINA)],
    "a service of it": [
        *days(HOURS, hours=1, **VM), *days(["2.40"] * 3, service="VM"), *days(["5.00"] * 9, **DB)],
    "a resource of it": [
        *days(HOURS, hours=1, resource="r1"), *days(["2.40"] * 3, resource="r1"),
        *days(["5.00"] * 9, resource="r2")],
    "three of nine days": [*days(HOURS, hours=1), *days([*["2.40"] * 3, *["7.00"] * 6])],
}  # fmt: skip
"""Files of accounts of which three days of 2.40 are billed in two forms."""
APART = {
    "a fee of another service": [*days(["10.00"] * 30, **VM), *month("300.00", service="Care")],
    "a fee of another kind": [*days(["10.00"] * 30), *month("300.00", category="Purchase")],
    "other sums": [*days(RISING), *month("467.99")],
    "one charge each": [*days(["9.00"]), *month("9.00")],
    "hours beside days": [*days(HOURS, hours=1), *days(["7.00"] * 3)],
    "hours of another service": [*days(HOURS, hours=1, **DB), *days(["2.40"] * 3, **VM)],
    "hours of other days": [*days(HOURS, hours=1), *days(["2.40"] * 3, 4)],
    "an hour each day": [*days(["2.40"], hours=1), *days(["2.40"])],
    "days outside": [*days(["5.00"] * 20, 11), _line("100.00", START, datetime(2024, 9, 11))],
}
"""What is no bill in two forms."""


def test_one_file_that_holds_both_forms_is_found_and_nothing_else(tmp_path: Path) -> None:
    """The sums are 468.00 five times, 45.90, 106.40, and three times 2.40 of each by the hour."""
    told = {case: [*SAME[case][0], *SAME[case][1]] for case in WITHIN} | BY_PART
    told |= {f"{case} in one": lines for case, lines in BY_HOUR.items()}
    lines = [HEAD]
    for case, of_case in (told | APART).items():
        own = case.replace(" ", "-").replace(",", "")
        lines += [line.replace(",A1,", f",A1-{own},") for line in of_case]
    path, store = tmp_path / "both.csv", Store(tmp_path / "ws")
    path.write_text("\n".join(lines) + "\n")
    import_file(store, path, KNOWN)
    (item,) = store.imports("charges")
    found = item.facts["within"]
    assert (found["accounts"], found["rows"]) == (len(told), len(told) + 1 + 2 * len(BY_HOUR))
    whole = 5 * Decimal("468.00") + Decimal("152.30") + 3 * Decimal("2.40") * len(BY_HOUR)
    assert found["billed"] == {"USD": str(whole)}
    (problem,) = undecided(store, KNOWN)
    assert (problem.code, problem.severity) == ("sums-within", "error")
    decide(store, item.id, Decision(adds=item.id), KNOWN + timedelta(days=1))
    assert undecided(store, KNOWN) and not undecided(store, KNOWN + timedelta(days=1))
