"""Bills that come again under other names, with other amounts or in another time zone.

And what only looks like it.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path

from fenrun.charges.redelivered import find_redelivered
from fenrun.settle.deliveries import Decision, decide, undecided
from fenrun.settle.imports import import_file
from fenrun.store.facts import Store
from tests.turns import share

KNOWN = datetime(2025, 1, 1)
HEAD = (
    "BilledCost,EffectiveCost,BillingAccountId,BillingCurrency,BillingPeriodStart,"
    "ChargePeriodStart,ChargePeriodEnd,InvoiceIssuerName,SubAccountId,ServiceName,ResourceId,"
    "ChargeClass,ChargeDescription"
)
START = datetime(2024, 9, 1)
Row = dict[str, str]


def bill(count: int, **cells: str) -> list[Row]:
    """Return a charge a day: of 1.10, 2.10 and so on, each of a resource of its own."""
    days = [START + timedelta(days=n) for n in range(count)]
    return [
        {
            "cost": f"{n}.10", "effective": f"{n}.10", "account": "A1", "currency": "USD",
            "month": "2024-09-01", "start": f"{day:%Y-%m-%d}", "end": f"{day:%Y-%m-%d}T23:00:00Z",
            "issuer": "Acme", "sub": "s1", "service": "VM", "resource": f"vm-{n}", "class": "",
            "told": "use",
        } | cells
        for n, day in enumerate(days, 1)
    ]  # fmt: skip


def times(factor: str) -> Callable[[Row], Row]:
    """Return what multiplies the costs of a charge."""
    return lambda row: (
        row | {name: str(Decimal(row[name]) * Decimal(factor)) for name in ("cost", "effective")}
    )


def otherwise(**cells: str) -> Callable[[Row], Row]:
    """Return what says something else of a charge."""
    return lambda row: row | cells


def later(hours: float, after: str = "", hours_after: float = 0) -> Callable[[Row], Row]:
    """Return what puts all times of a charge later; by other hours from a day on."""

    def change(row: Row) -> Row:
        by = hours_after if after and row["start"] >= after else hours
        times = {n: datetime.fromisoformat(row[n][:19]) for n in ("month", "start", "end")}
        return row | {n: f"{t + timedelta(hours=by):%Y-%m-%dT%H:%M:%SZ}" for n, t in times.items()}

    return change


def both(*changes: Callable[[Row], Row]) -> Callable[[Row], Row]:
    """Return what changes a charge in several ways."""

    def change(row: Row) -> Row:
        for one in changes:
            row = one(row)
        return row

    return change


def flat(count: int, hours: int) -> list[Row]:
    """Return charges of one machine, of some hours each and all of one price."""
    times = [START + timedelta(hours=hours * n) for n in range(count)]
    day = timedelta(hours=hours)
    return [
        bill(1)[0] | {"start": f"{t:%Y-%m-%dT%H:%M:%SZ}", "end": f"{t + day:%Y-%m-%dT%H:%M:%SZ}"}
        for t in times
    ]


def _by_other_days(row: Row) -> Row:
    """Return a charge of the same machine and day in another zone: a part is of another day."""
    n = int(row["cost"].partition(".")[0])
    return times("1.07" if n % 2 else "0.94")(later(-8)(row))


def _upper(row: Row) -> Row:
    return row | {"resource": row["resource"].upper()}


def _other_resource(row: Row) -> Row:
    return row | {"resource": f"arn:{row['resource']}"}


LONG, SHORT = bill(12), bill(3)
ALIKE: dict[str, tuple[list[Row], Callable[[Row], Row], str]] = {
    "a sub-account renamed": (SHORT, otherwise(sub="s-1"), "renamed SubAccountId 6.30"),
    "a service renamed": (SHORT, otherwise(service="Compute"), "renamed ServiceName 6.30"),
    "a service in Chinese": (LONG, otherwise(service="虚拟机"), "renamed ServiceName 79.20"),
    "another description": (SHORT, otherwise(told="used"), "renamed ChargeDescription 6.30"),
    "ids in capitals": (SHORT, _upper, "renamed ResourceId 6.30"),
    "ids of another form": (LONG, _other_resource, "renamed ResourceId 79.20"),
    "an issuer renamed": (LONG, otherwise(issuer="Acme Inc."), "renamed InvoiceIssuerName 79.20"),
    "billed a month later": (
        LONG, otherwise(month="2024-10-01"), "renamed BillingPeriodStart 79.20"),
    "an account in small letters": (
        SHORT, otherwise(account="a1"), "renamed BillingAccountId 6.30"),
    "an account and a service": (
        LONG, otherwise(account="a1", service="Compute"),
        "renamed BillingAccountId ServiceName 79.20"),
    "no sub-account, no service": (
        LONG, otherwise(sub="", service=""), "renamed SubAccountId ServiceName 79.20"),
    "5 % less": (SHORT, times("0.95"), "restated 5.985"),
    "half as much again": (LONG, times("1.5"), "restated 118.80"),
    "amortised otherwise": (SHORT, otherwise(effective="1.00"), "restated 6.30"),
}  # fmt: skip
"""By name a bill, what changes in all its charges, and what is found."""
SHIFTED: dict[str, tuple[list[Row], Callable[[Row], Row], str]] = {
    "8 h earlier": (SHORT, later(-8), "480 6.30 6.30"),
    "8 h later, a single day": (bill(1) + bill(1, resource="vm-x", cost="4"), later(8),
                                "-480 5.10 5.10"),
    "a charge of one resource": (bill(1), later(8), "-480 1.10 1.10"),
    "nothing but account and day": (
        bill(3, sub="", service="", resource="", told=""), later(-8), "480 6.30 6.30"),
    "dates of another zone": (LONG, later(-24), "1440 79.20 79.20"),
    "five and a half hours": (LONG, later(-5.5), "330 79.20 79.20"),
    "hours, not days": (
        [row | {"end": row["start"] + "T01:00:00Z"} for row in LONG], later(7), "-420 79.20 79.20"),
    "one price a day": (flat(12, 24), later(-8), "480 13.20 13.20"),
    "clocks set back meanwhile": (LONG, later(-2, "2024-09-08", -1), "120 79.20 79.20"),
    "other names too": (
        LONG, both(later(-8), otherwise(service="虚拟机", resource="")), "480 79.20 79.20"),
    "put together by other days": (SHORT, _by_other_days, "480 6.468 6.30"),
    "put together by other days, long": (LONG, _by_other_days, "480 79.206 79.20"),
}  # fmt: skip
"""By name a bill, what changes, and how many minutes earlier it is, with both sums."""
OTHERS: dict[str, tuple[list[Row], Callable[[Row], Row]]] = {
    "other machines at the same prices": (SHORT, _other_resource),
    "another account": (LONG, otherwise(account="A2")),
    "another account that looks like it": (SHORT, both(otherwise(account="a1"), _other_resource)),
    "one price of an account that looks like it": (
        bill(1, resource=""), otherwise(account="a1")),
    "another currency": (LONG, otherwise(currency="EUR")),
    "corrections": (LONG, lambda row: times("-0.1")(row) | {"class": "Correction"}),
    "refunds": (LONG, times("-1")),
    "a small part put on": (LONG, times("0.2")),
    "the next month": (
        LONG, lambda row: row | {n: row[n].replace("-09-", "-10-") for n in ("start", "end")}),
    "one price for all": (
        [row | {"cost": "5.00", "effective": "5.00"} for row in LONG], _other_resource),
    "the day after": (bill(12)[:1] + bill(1, resource="vm-2"), later(24)),
    "a price a day, the next month": (flat(30, 24), later(30 * 24)),
    "a price an hour, the next day": (flat(24, 1), later(24)),
    "a price an hour, the next half of a day": (flat(12, 1), later(12)),
    "a price a day, days in turn": ([*flat(6, 24)[:3]], later(3 * 24)),
    "one price, no names": (bill(1, resource="", service="", sub=""), later(5)),
    "other machines, in other hours": (
        [row | {"cost": "5.00"} for row in flat(12, 1)],
        both(later(7), otherwise(resource="vm-2"))),
    "nothing but a day": (bill(3, sub="", service="", resource=""), times("0.95")),
}  # fmt: skip


def _imported(folder: Path, rows: list[Row], change: Callable[[Row], Row]) -> Store:
    """Import a bill, and once more with all of its charges changed."""
    store = Store(folder / "ws")
    for name, listed in (("a.csv", rows), ("b.csv", [change(row) for row in rows])):
        path = folder / name
        path.write_text("\n".join([HEAD, *(",".join(row.values()) for row in listed)]) + "\n")
        import_file(store, path, KNOWN)
    return store


def test_a_bill_that_is_told_otherwise_is_found_and_nothing_else(tmp_path: Path) -> None:
    for name, (rows, change, wanted) in share([*ALIKE.items()], 3):
        (tmp_path / name).mkdir()
        store = _imported(tmp_path / name, rows, change)
        (found,) = find_redelivered(store.imports("charges"))
        (billed,) = found.billed.values()
        kind, *columns, amount = wanted.split()
        assert (found.kind, [*found.columns], found.rows) == (kind, columns, len(rows)), name
        assert Decimal(billed) == Decimal(amount), name
    for name, (rows, change) in share([*OTHERS.items()], 3):
        (tmp_path / name).mkdir()
        store = _imported(tmp_path / name, rows, change)
        assert not find_redelivered(store.imports("charges")), name


def test_a_bill_in_another_time_zone_is_found(tmp_path: Path) -> None:
    for name, (rows, change, wanted) in share([*SHIFTED.items()], 3):
        (tmp_path / name).mkdir()
        store = _imported(tmp_path / name, rows, change)
        (found,) = find_redelivered(store.imports("charges"))
        (billed,), (other,) = found.billed.values(), found.other_billed.values()
        minutes, *sums = map(Decimal, wanted.split())
        assert (found.kind, found.minutes, found.rows) == ("shifted", minutes, len(rows)), name
        assert [Decimal(billed), Decimal(other)] == sums, name


def test_what_is_alike_is_open_until_somebody_decides(tmp_path: Path) -> None:
    for name, code in (
        ("a service renamed", "charges-renamed"),
        ("5 % less", "charges-restated"),
        ("8 h earlier", "charges-shifted"),
    ):
        (tmp_path / code).mkdir()
        rows, change, _ = (ALIKE | SHIFTED)[name]
        store = _imported(tmp_path / code, rows, change)
        (problem,) = undecided(store, KNOWN)
        assert (problem.code, problem.severity) == (code, "error")
        words = problem.words("what") + problem.words("what", "zh-CN")
        assert ("ServiceName" in words) == (code == "charges-renamed") and "6.30 USD" in words
        one, other = problem.values["one_id"], problem.values["other_id"]
        assert f"resolve WORKSPACE {one} --replaces {other}" in problem.words("fix")
        decide(store, one, Decision(adds=other), KNOWN + timedelta(days=1))
        assert undecided(store, KNOWN) and not undecided(store, KNOWN + timedelta(days=1))


def test_what_two_files_share_is_told_once(tmp_path: Path) -> None:
    """Nine of twelve charges come again as they are, three with other amounts."""
    store = _imported(tmp_path, LONG, lambda row: row if row["cost"] > "12" else times("2")(row))
    assert [problem.code for problem in undecided(store, KNOWN)] == ["charges-twice"]
