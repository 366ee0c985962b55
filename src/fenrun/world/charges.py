"""Twelve months of FOCUS 1.2 charges.

Usage with discounts, commitments, credits, corrections and late rows, streamed to Parquet.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date, datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from fenrun.world.people import ISSUER, YEAR, People, customer_id, monthly_total, order_id

CHUNK = 500_000
_UNIT = 1_000_000
"""Costs are whole millionths while they are made."""
SERVICES = (
    ("Elastic Compute", "Compute"),
    ("Object Storage", "Storage"),
    ("Relational Database", "Databases"),
    ("GPU Cluster", "AI and Machine Learning"),
    ("Model Tokens", "AI and Machine Learning"),
    ("CDN", "Networking"),
    ("IoT", "Internet of Things"),
    ("SMS", "Integration"),
    ("Load Balancer", "Networking"),
    ("Support", "Other"),
)
_SERVICE_ODDS = (0.30, 0.12, 0.14, 0.08, 0.12, 0.08, 0.04, 0.04, 0.06, 0.02)
_DISCOUNTS = (0, 5, 10, 15, 20, 30, 45)
_DISCOUNT_ODDS = (0.35, 0.2, 0.15, 0.12, 0.1, 0.06, 0.02)
_KINDS = ("usage", "committed", "commitment", "credit", "correction", "late")
_KIND_ODDS = (0.93, 0.03, 0.005, 0.01, 0.01, 0.015)


def write_month(
    folder: Path, world: People, seed: int, month: int, progress: Callable[[int], None]
) -> list[Path]:
    """Write a month's charges in chunks. Returns the files."""
    folder.mkdir(parents=True, exist_ok=True)
    rows = _rows_of_month(world.size.rows, month)
    paths = []
    for chunk, start in enumerate(range(0, rows, CHUNK)):
        count = min(CHUNK, rows - start)
        path = folder / f"focus-{YEAR}-{month:02d}-{chunk:03d}.parquet"
        table = _chunk(world, np.random.default_rng([seed, 3, month, chunk]), month, count, rows)
        pq.write_table(table, path, compression="zstd")
        paths.append(path)
        progress(count)
    return paths


def write_late(folder: Path, world: People, seed: int) -> Path:
    """Write June's charges that come in August, late usage and corrections.

    One for every 200 of the month.
    """
    month, rows = 6, _rows_of_month(world.size.rows, 6)
    path = folder / f"focus-{YEAR}-{month:02d}-late.parquet"
    table = _chunk(world, np.random.default_rng([seed, 4]), month, max(20, rows // 200), rows)
    late = pa.array(np.arange(table.num_rows) % 4 == 0)
    table = table.set_column(
        table.schema.get_field_index("ChargeClass"),
        "ChargeClass",
        pc.if_else(late, "Correction", None),
    )
    pq.write_table(table, path, compression="zstd")
    return path


def _rows_of_month(rows: int, month: int) -> int:
    return rows * month // 12 - rows * (month - 1) // 12


def _chunk(world: People, rng: np.random.Generator, month: int, count: int, rows: int) -> pa.Table:
    odds = world.spend**0.6 / (world.spend**0.6).sum()
    customer = rng.choice(world.size.customers, count, p=odds).astype(np.int32)
    kind = rng.choice(len(_KINDS), count, p=_KIND_ODDS)
    if month == 1:
        kind[kind >= 4] = 0
    size = world.spend[customer] / odds[customer] * monthly_total(world.size) / rows
    growth = 0.88 + 0.02 * month
    list_cost = np.maximum(1, (rng.gamma(2.0, 0.5, count) * size * growth * _UNIT).astype(np.int64))
    service = rng.choice(len(SERVICES), count, p=_SERVICE_ODDS).astype(np.int8)
    list_cost[service != 4] = np.maximum(10_000, list_cost[service != 4] // 10_000 * 10_000)
    discount = rng.choice(np.array(_DISCOUNTS), count, p=_DISCOUNT_ODDS)
    contracted = list_cost * (100 - discount) // 100
    negative = np.isin(kind, [3, 4])
    list_cost[negative] = -(list_cost[negative] // 5)
    contracted[negative] = -(contracted[negative] // 5)
    billed, effective = contracted.copy(), contracted.copy()
    billed[kind == 1] = 0
    effective[kind == 2] = 0
    costs = {
        "BilledCost": billed,
        "ContractedCost": contracted,
        "EffectiveCost": effective,
        "ListCost": list_cost,
    }
    return pa.table(
        {
            **_fixed(count, month),
            **_dates(rng, kind, month, count),
            **_named(world, customer, service, kind, rng),
            **{k: _money(v) for k, v in costs.items()},
        }
    )


def _money(units: np.ndarray) -> pa.Array:
    """Millionths as decimal(18, 6), through the 128-bit form that arrow keeps."""
    wide = np.empty((len(units), 2), np.int64)
    wide[:, 0] = units
    wide[:, 1] = units >> 63
    return pa.Array.from_buffers(
        pa.decimal128(18, 6), len(units), [None, pa.py_buffer(np.ascontiguousarray(wide))]
    )


def _fixed(count: int, month: int) -> dict[str, pa.Array]:
    """Columns with one value for all rows."""
    after = datetime(YEAR + month // 12, month % 12 + 1, 1)
    texts = {
        "BillingAccountType": "Account",
        "BillingCurrency": "CNY",
        "InvoiceIssuerName": ISSUER,
        "ProviderName": ISSUER,
        "PublisherName": ISSUER,
        "InvoiceId": f"INV-{YEAR}{month:02d}",
    }
    times = {"BillingPeriodStart": datetime(YEAR, month, 1), "BillingPeriodEnd": after}
    columns: dict[str, pa.Array] = {
        k: pa.DictionaryArray.from_arrays(pa.array(np.zeros(count, np.int8)), pa.array([v]))
        for k, v in texts.items()
    }
    columns |= {k: pa.array(np.full(count, v, "datetime64[us]")) for k, v in times.items()}
    return columns


def _dates(
    rng: np.random.Generator, kind: np.ndarray, month: int, count: int
) -> dict[str, pa.Array]:
    """Charge periods of an hour in local time of the month.

    Corrections and late rows belong to the month before.
    """
    first = np.datetime64(date(YEAR, month, 1), "h")
    after = np.datetime64(date(YEAR + month // 12, month % 12 + 1, 1), "h")
    hours = int((after - first).astype(int))
    start = first + rng.integers(0, hours, count).astype("timedelta64[h]")
    back = np.isin(kind, [4, 5])
    start[back] = first - rng.integers(1, 240, int(back.sum())).astype("timedelta64[h]")
    utc = start.astype("datetime64[us]") - np.timedelta64(8, "h")
    return {
        "ChargePeriodStart": pa.array(utc),
        "ChargePeriodEnd": pa.array(utc + np.timedelta64(1, "h")),
    }


def _coded(codes: np.ndarray, values: Sequence[str | None]) -> pa.Array:
    """Texts by number; a number whose value is None is null."""
    missing = np.array([v is None for v in values])[codes]
    return pa.DictionaryArray.from_arrays(
        pa.array(codes.astype(np.int32), mask=missing), pa.array([v or "" for v in values])
    )


def _named(
    world: People,
    customer: np.ndarray,
    service: np.ndarray,
    kind: np.ndarray,
    rng: np.random.Generator,
) -> dict[str, pa.Array]:
    ordered = np.array([c in world.registered for c in range(world.size.customers)])
    with_order = np.where(ordered[customer] & (rng.random(len(customer)) < 0.3), customer, -1) + 1
    names = [customer_id(c) for c in range(world.size.customers)]
    region = world.region[customer]
    regions = ["cn-north-1", "cn-east-1", "cn-south-1", "cn-west-1", "cn-centre-1"]
    quantity = (
        pa.array(rng.integers(1, 5000, len(customer)))
        .cast(pa.decimal128(19, 0))
        .cast(pa.decimal128(21, 2))
    )
    return {
        "BillingAccountId": _coded(
            customer, [f"A{c + 1:06d}" for c in range(world.size.customers)]
        ),
        "BillingAccountName": _coded(customer, names),
        "ServiceName": _coded(service, [s[0] for s in SERVICES]),
        "ServiceCategory": _coded(service, [s[1] for s in SERVICES]),
        "SkuId": _coded(service, [f"SKU-{n:03d}" for n in range(len(SERVICES))]),
        "SkuPriceId": _coded(service, [f"SKU-{n:03d}-P1" for n in range(len(SERVICES))]),
        "ChargeCategory": _coded(kind, ["Usage", "Usage", "Purchase", "Credit", "Usage", "Usage"]),
        "ChargeClass": _coded(kind, [None, None, None, None, "Correction", None]),
        "ChargeFrequency": _coded(
            kind,
            ["Usage-Based", "Usage-Based", "Recurring", "One-Time", "Usage-Based", "Usage-Based"],
        ),
        "ChargeDescription": _coded(service, [f"{s[0]} usage" for s in SERVICES]),
        "PricingCategory": _coded(
            kind, ["Standard", "Committed", "Committed", "Other", "Standard", "Standard"]
        ),
        "CommitmentDiscountId": _coded(kind, [None, "CD-1", "CD-1", None, None, None]),
        "CommitmentDiscountStatus": _coded(kind, [None, "Used", None, None, None, None]),
        "CommitmentDiscountCategory": _coded(kind, [None, "Usage", "Usage", None, None, None]),
        "RegionId": _coded(region, list(regions)),
        "RegionName": _coded(region, [r.upper() for r in regions]),
        "PricingQuantity": quantity,
        "PricingUnit": _coded(np.zeros(len(customer), np.int8), ["Units"]),
        "x_OrderId": _coded(
            with_order, [None, *(order_id(c) for c in range(world.size.customers))]
        ),
    }
