"""Whoever does the common job by hand gets the same earnings, byte for byte.

Else the peers would be measured at another job.
"""

from __future__ import annotations

import csv
import importlib
import json
import random
from collections.abc import Callable, Iterable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from bench import job
from bench.peers import INSTALL, PEERS, installed, measure
from tests.command import fenrun

pytestmark = pytest.mark.in_turn(3, whole=True)

FAMILIES = ("COMPUTE", "STORAGE", "TAX", "GPU", "MAIL")
PLAN = {
    "floor_pct": 60,
    "task": [[80, 2], [100, 3], [120, 5]],
    "growth": [[30, 8], [48, 12], [60, 25]],
    "tiers": [
        {
            "from_period": "2000-01",
            "steps": [["1000.00", 5], ["10000.00", 8], ["50000.00", 10], ["200000.00", 15]],
        },
        {
            "from_period": "2025-07",
            "steps": [["1200.00", 5], ["12000.00", 8], ["60000.00", 10], ["240000.00", 15]],
        },
    ],
}
PLANTED = [
    ("E01", "2025-06", 100_000),
    ("E02", "2025-06", 99_999),
    ("E03", "2025-07", 120_000),
    ("E04", "2025-07", 119_999),
    ("E05", "2025-06", 20_000_000),
    ("E06", "2025-07", 23_999_999),
    ("E07", "2025-06", 100_010),
    ("E08", "2025-07", 130_000),
    ("E09", "2025-07", 148_000),
    ("E10", "2025-07", 160_000),
    ("E11", "2025-07", 159_999),
    ("E12", "2025-07", -120_000),
]
"""Partners of one charge each: partner, period, cents."""
TARGETS = [
    ("E01", "2025-Q2", 125_000),
    ("E02", "2025-Q2", 125_000),
    ("E03", "2025-Q3", 100_000),
    ("E05", "2025-Q2", 20_000_000),
    ("E07", "2025-Q2", 0),
    ("E12", "2025-Q3", 100),
    ("E99", "2025-Q1", 100),
]
PRIOR = [
    ("E08", 100_000),
    ("E09", 100_000),
    ("E10", 100_000),
    ("E11", 100_000),
    ("E12", 100_000),
    ("E03", 0),
    ("E99", 100),
]
EARN = [
    "E01,monthly,2025-06,1000.00,50.00",
    "E01,task,2025-Q2,1000.00,20.00",
    "E03,monthly,2025-07,1200.00,60.00",
    "E03,task,2025-Q3,1200.00,60.00",
    "E05,monthly,2025-06,200000.00,30000.00",
    "E05,task,2025-Q2,200000.00,6000.00",
    "E06,monthly,2025-07,239999.99,24000.00",
    "E07,monthly,2025-06,1000.10,50.01",
    "E08,growth,2025,300.00,24.00",
    "E08,monthly,2025-07,1300.00,65.00",
    "E09,growth,2025,480.00,57.60",
    "E09,monthly,2025-07,1480.00,74.00",
    "E10,growth,2025,600.00,150.00",
    "E10,monthly,2025-07,1600.00,80.00",
    "E11,growth,2025,599.99,72.00",
    "E11,monthly,2025-07,1599.99,80.00",
]
"""All that the planted partners earn.

On a threshold or band, a cent below it, half a cent, nothing for what is negative.
"""


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The same small year as Parquet and as CSV."""
    made = {form: tmp_path_factory.mktemp(form) for form in ("parquet", "csv")}
    charges, associations, partners = _year(random.Random(3))
    for folder in made.values():
        (folder / "plan.json").write_text(json.dumps(PLAN), "utf-8")
        _write(
            folder / "associations.csv", ("customer_id", "partner_id", "from", "to"), associations
        )
        _write(
            folder / "exclusions.csv",
            ("sku_family", "from_period"),
            [("TAX", "2000-01"), ("GPU", "2025-07")],
        )
        draw = random.Random(4)
        targets = [
            (p, f"2025-Q{q}", draw.randrange(1, 3_000_000))
            for p in partners
            for q in range(1, 5)
            if draw.random() < 0.6
        ]
        _write(
            folder / "targets.csv",
            ("partner_id", "quarter", "target"),
            [(p, q, _money(t)) for p, q, t in targets + TARGETS],
        )
        _write(
            folder / "prior.csv",
            ("partner_id", "prior_year_base"),
            [
                (p, _money(v))
                for p, v in [(p, draw.randrange(1, 9_000_000)) for p in partners[::2]] + PRIOR
            ],
        )
    names = ("charge_id", "customer_id", "order_id", "sku_family", "period")
    pq.write_table(
        pa.table([*zip(*charges)], [*names, "list_c", "contracted_c", "billed_c"]),
        made["parquet"] / "charges.parquet",
        row_group_size=150,
    )
    _write(
        made["csv"] / "charges.csv",
        (*names, "list", "contracted", "billed"),
        [(*row[:5], *map(_money, row[5:])) for row in charges],
    )
    return made


@pytest.fixture(scope="module")
def expected(folders: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """What fenrun writes."""
    out = tmp_path_factory.mktemp("fenrun") / "earnings.csv"
    job.run(folders["parquet"], out)
    return out.read_bytes()


def test_fenrun_pays_what_was_planted(expected: bytes) -> None:
    lines = expected.decode().splitlines()
    assert [line for line in lines if line.startswith("E")] == EARN
    assert {line.split(",")[1] for line in lines if line.startswith("P")} >= {
        "monthly",
        "task",
        "growth",
    }


@pytest.mark.parametrize("form", ["parquet", "csv"])
@pytest.mark.parametrize("name", PEERS)
def test_a_peer_earns_the_same(
    name: str, form: str, folders: dict[str, Path], expected: bytes, tmp_path: Path
) -> None:
    if not installed(name):
        pytest.skip(f"{name} is not installed")
    importlib.import_module(f"bench.peers.{PEERS[name]}").run(
        folders[form], tmp_path / "earnings.csv"
    )
    assert (tmp_path / "earnings.csv").read_bytes() == expected


def test_the_job_is_said_phase_by_phase(
    folders: dict[str, Path], expected: bytes, tmp_path: Path
) -> None:
    out = tmp_path / "earnings.csv"
    found = fenrun("bench", "job", folders["csv"], "--out", out, "--json").json()
    assert out.read_bytes() == expected
    phases = [found[f"{name}_s"] for name in ("map", "import", "settle", "write")]
    assert min(phases) > 0 and found["total_s"] == pytest.approx(sum(phases), abs=0.001)
    assert (found["lines"], found["earnings"]) == (424, len(expected.splitlines()) - 1)


def test_the_command_measures_and_compares(folders: dict[str, Path]) -> None:
    rows = fenrun(
        "bench", "peers", folders["csv"], "--only", "duckdb", "--repeats", 1, "--json"
    ).json()
    assert [(row["name"], row["installed"], row["exact"]) for row in rows] == [
        ("fenrun", True, True),
        ("duckdb", True, True),
    ]
    assert all(
        row["seconds"] > 0
        and row["lines_per_s"] > 0
        and row["peak_mb"] > 0
        and row["fenrun_settle_times_faster"] > row["fenrun_times_faster"] > 0
        for row in rows
    )


def test_a_peer_that_is_not_there_is_said_to_be_missing(
    folders: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    missing: Callable[[str], bool] = lambda name: False  # noqa: E731
    monkeypatch.setattr(measure, "installed", missing)
    assert measure.run(folders["csv"], ["polars"], 1)[1:] == [
        {"name": "polars", "installed": False, "install": INSTALL}
    ]


def _year(draw: random.Random) -> tuple[list[tuple], list[tuple[str, str, str, str]], list[str]]:
    """Charges in random order, associations and the partners that were not planted."""
    partners, customers = [f"P{n:02d}" for n in range(8)], [f"C{n:02d}" for n in range(30)]
    associations = []
    for n, customer in enumerate(customers[:-2]):
        until = (
            "" if n % 3 else f"2025-{draw.randrange(2, 12):02d}-{draw.choice(('01', '02', '20'))}"
        )
        associations.append(
            (
                customer,
                draw.choice(partners),
                "2024-03-15"
                if n % 5
                else f"2025-0{draw.randrange(1, 2)}-{draw.choice(('01', '02'))}",
                until,
            )
        )
        if until and n % 2:
            associations.append((customer, draw.choice(partners), until, ""))
    charges = []
    for _ in range(400):
        listed = draw.randrange(1, 2_000_000) // 5 * 5 + 5
        billed = listed * draw.choice((100, 90, 70, 60, 60, 55)) // 100
        contracted, sign = (
            billed + draw.choice((0, 0, -1, 1, billed // 10)),
            draw.choice((1,) * 9 + (-1,)),
        )
        charges.append(
            (
                draw.choice(customers),
                draw.choice(FAMILIES),
                f"2025-{draw.randrange(1, 13):02d}",
                sign * listed,
                sign * contracted,
                sign * billed,
            )
        )
    # A partner whose year is below nothing.
    associations.append(("C90", "P90", "2025-01-01", ""))
    charges += [("C90", "MAIL", f"2025-{m:02d}", -90_000, -90_000, -90_000) for m in range(1, 13)]
    associations += [(f"C{partner}", partner, "2025-01-01", "") for partner, _, _ in PLANTED]
    charges += [
        (f"C{partner}", "COMPUTE", period, cents, cents, cents)
        for partner, period, cents in PLANTED
    ]
    draw.shuffle(charges)
    return (
        [(n, customer, f"O{n % 7}", *rest) for n, (customer, *rest) in enumerate(charges)],
        associations,
        [*partners, "P90"],
    )


def _write(path: Path, head: Iterable[str], rows: Iterable[Iterable[object]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerows([head, *rows])


def _money(cents: int) -> str:
    return f"{'-' if cents < 0 else ''}{abs(cents) // 100}.{abs(cents) % 100:02d}"
