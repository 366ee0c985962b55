"""The common job as a pandas script, money as whole cents.

Row groups are read side by side, their texts as categories: whom a charge is credited to, and
whether its family is excluded, is looked up in small tables by the codes of its categories. Sums
are added into one array, twelve months a partner, which a grouping of the rows would take five
times as long for.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet as pq

from bench.peers.rules import (
    COLUMNS,
    COSTS,
    MONTHS,
    QUARTERS,
    YEAR,
    Rules,
    Steps,
    charges_of,
    read_rules,
)

_TEXTS = ("customer_id", "sku_family", "period")
_CENTS = tuple(f"{name}_c" for name in COSTS)


def run(folder: Path, out: Path) -> None:
    """Settle the job's folder and write its earnings to `out`."""
    rules, links = (
        read_rules(folder),
        pd.read_csv(folder / "associations.csv", dtype=str, keep_default_na=False, engine="c"),
    )
    customer, customers = pd.factorize(links["customer_id"])
    partner, partners = pd.factorize(links["partner_id"], sort=True)
    slots = _slots(links, customer, len(customers), partner, len(partners))
    sums = np.zeros(len(partners) * 12 + 1, np.int64)
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for slot, base in pool.map(
            partial(_credited, rules, pd.Index(customers), slots), _charges(folder)
        ):
            np.add.at(sums, slot, base)
    months = pd.DataFrame(
        sums[:-1].reshape(-1, 12), index=pd.Index(partners, name="partner_id"), columns=list(MONTHS)
    )
    _write(
        pd.concat(
            [_monthly(months, rules), _task(months, folder, rules), _growth(months, folder, rules)],
            ignore_index=True,
        ),
        out,
    )


def _slots(
    links: pd.DataFrame, customer: np.ndarray, customers: int, partner: np.ndarray, partners: int
) -> np.ndarray:
    """(customers + 1) x 13 places in the sums, each a partner's month.

    The last row and column are for what is unknown: they lead to the last place, nobody's.
    """
    slots = np.full((customers + 1, 13), partners * 12, np.int32)
    for n, month in enumerate(MONTHS):
        held = (
            (links["from"] <= f"{month}-01") & ((links["to"] == "") | (links["to"] > f"{month}-01"))
        ).to_numpy()
        slots[customer[held], n] = partner[held] * 12 + n
    return slots


def _charges(folder: Path) -> Iterator[partial[pa.Table]]:
    """Ways to read a part of the charges: texts as dictionaries, money in cents."""
    path, cents = charges_of(folder)
    if not cents:
        yield partial(_read_csv, path)
        return
    for n in range(pq.read_metadata(path).num_row_groups):
        yield partial(
            lambda number: pq.ParquetFile(path, read_dictionary=list(_TEXTS)).read_row_group(
                number, [*_TEXTS, *_CENTS]
            ),
            n,
        )


def _read_csv(path: Path) -> pa.Table:
    types = {name: pa.dictionary(pa.int32(), pa.string()) for name in _TEXTS} | {
        name: pa.decimal128(18, 2) for name in COSTS
    }
    table = pyarrow.csv.read_csv(
        path,
        convert_options=pyarrow.csv.ConvertOptions(
            column_types=types, include_columns=[*_TEXTS, *COSTS]
        ),
    )
    money = [
        pc.cast(pc.multiply(table[name], pa.scalar(Decimal(100))), pa.int64()) for name in COSTS
    ]
    return pa.table([*(table[name] for name in _TEXTS), *money], [*_TEXTS, *_CENTS])


def _credited(
    rules: Rules, customers: pd.Index, slots: np.ndarray, read: partial[pa.Table]
) -> tuple[np.ndarray, np.ndarray]:
    """The place in the sums of each charge that counts, and its cents."""
    charges = read().to_pandas()
    customer, family, period = (charges[name].cat for name in _TEXTS)
    listed, contracted, billed = (charges[name].to_numpy() for name in _CENTS)
    months = pd.Index(MONTHS).get_indexer(period.categories)
    open_to = np.ones((len(family.categories), len(period.categories)), bool)
    for name, start in rules.excluded:
        open_to[np.ix_(family.categories == name, period.categories >= start)] = False
    to = slots[np.ix_(customers.get_indexer(customer.categories), months)]
    near, far = np.abs(billed), np.abs(contracted)
    counted = open_to[family.codes, period.codes] & (near * 100 >= np.abs(listed) * rules.floor)
    base = np.where(near <= far, billed, contracted)
    base[~counted] = 0
    return to[customer.codes, period.codes], base


def _monthly(months: pd.DataFrame, rules: Rules) -> pd.DataFrame:
    rate = np.column_stack(
        [_rate(months[month].to_numpy(), 1, steps) for month, steps in zip(MONTHS, rules.tiers)]
    )
    return _rows("monthly", months, rate)


def _task(months: pd.DataFrame, folder: Path, rules: Rules) -> pd.DataFrame:
    quarters = pd.DataFrame(
        months.to_numpy().reshape(-1, 4, 3).sum(axis=2), index=months.index, columns=list(QUARTERS)
    )
    said = pd.read_csv(folder / "targets.csv", dtype=str)
    partner, quarter = (
        months.index.get_indexer(said["partner_id"]),
        pd.Index(QUARTERS).get_indexer(said["quarter"]),
    )
    known, target = (partner >= 0) & (quarter >= 0), np.zeros(quarters.shape, np.int64)
    target[partner[known], quarter[known]] = _cents(said["target"])[known]
    return _rows(
        "task",
        quarters,
        np.where(target > 0, _rate(quarters.to_numpy() * 100, target, rules.task), 0),
    )


def _growth(months: pd.DataFrame, folder: Path, rules: Rules) -> pd.DataFrame:
    said = pd.read_csv(folder / "prior.csv", dtype=str)
    prior = (
        pd.Series(_cents(said["prior_year_base"]).to_numpy(), said["partner_id"])
        .reindex(months.index, fill_value=0)
        .to_numpy()[:, None]
    )
    more = pd.DataFrame(
        months.sum(axis=1).to_numpy()[:, None] - prior, index=months.index, columns=[YEAR]
    )
    return _rows(
        "growth", more, np.where(prior > 0, _rate(more.to_numpy() * 100, prior, rules.growth), 0)
    )


def _rate(value: np.ndarray, of: np.ndarray | int, steps: Steps) -> np.ndarray:
    """The per cent of the highest step whose start, times `of`, the value reaches."""
    rate = np.zeros(value.shape, np.int64)
    for start, percent in steps:
        rate[value >= of * start] = percent
    return rate


def _rows(component: str, base: pd.DataFrame, rate: np.ndarray) -> pd.DataFrame:
    """A row for each cell that earns.

    `base` and `rate` have the partners as rows and the periods as columns.
    """
    cents = base.to_numpy()
    amount = (cents * rate + 50) // 100
    partner, period = np.nonzero((cents > 0) & (amount > 0))
    return pd.DataFrame(
        {
            "partner_id": base.index.to_numpy()[partner],
            "component": component,
            "period_key": base.columns.to_numpy()[period],
            "base": cents[partner, period],
            "amount": amount[partner, period],
        }
    )


def _cents(money: pd.Series) -> pd.Series:
    """Money as text with two decimals, in cents."""
    return money.str.replace(".", "", regex=False).astype("int64")


def _write(earned: pd.DataFrame, out: Path) -> None:
    money = {name: earned[name].astype(str).str.zfill(3) for name in ("base", "amount")}
    texts = earned.assign(
        **{name: text.str[:-2] + "." + text.str[-2:] for name, text in money.items()}
    )
    texts.sort_values(list(COLUMNS[:3])).to_csv(
        out, columns=list(COLUMNS), index=False, lineterminator="\r\n"
    )
