"""The columns that are held by their tuples: those that fit, fewest values first."""

from __future__ import annotations

import random

import numpy as np
import pyarrow as pa
import pytest

from fenrun.base.cores import on_all_cores
from fenrun.charges import coded
from fenrun.charges.coded import Coded, cells


def _column(rng: random.Random, rows: int) -> Coded:
    values = rng.choice([1, 1, 2, 3, 9, 40])
    least = rng.choice([-1, 0])
    codes = [rng.randrange(least, values) for _ in range(rows)]
    codes = rng.choice([codes, sorted(codes), [0] * (rows // 2) + codes[rows // 2 :]])
    return Coded(np.array(codes, np.int32), pa.array([f"v{n}" for n in range(values)]))


@pytest.mark.parametrize("seed", range(8))
def test_columns_are_taken_while_their_tuples_are_few(
    seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(coded, "_FEW_NUMBERS", 60)  # so that columns are tried in several batches
    rng = random.Random(seed)
    for most in (3, 20, 200):
        rows = rng.randrange(1, 900)
        columns = {f"c{n}": _column(rng, rows) for n in range(7)}
        taken: list[str] = []
        for name in sorted(columns, key=lambda name: (len(columns[name].values), name)):
            some = zip(*(columns[one].codes.tolist() for one in (*taken, name)))
            if columns[name].is_constant or len(set(some)) <= most:
                taken.append(name)
        names, codes, firsts = cells(columns, rows, most)
        assert names == taken
        tuples = list(zip(*(columns[name].codes.tolist() for name in names))) or [()] * rows
        order = list(dict.fromkeys(tuples))
        assert codes.tolist() == [order.index(one) for one in tuples]
        assert firsts.tolist() == [tuples.index(one) for one in order]


def test_values_are_counted_alike_however_few_they_are() -> None:
    for codes, values, counts in (
        ([0, 0, -1], ["a"], [2, 1]),
        ([0, 0], ["a"], [2, 0]),
        ([-1, -1], ["a"], [0, 2]),
        ([-1, -1], [], [2]),
        ([1, -1, 1], ["a", "b"], [0, 2, 1]),
        ([], ["a"], [0, 0]),
    ):
        column = Coded(np.array(codes, np.int32), pa.array(values, pa.string()))
        assert column.counts.tolist() == counts


def test_work_on_all_cores_comes_in_order_and_fails_as_itself() -> None:
    for rows in (1, 1 << 20):
        assert on_all_cores(str, range(40), rows) == [str(n) for n in range(40)]
        assert on_all_cores(str, [], rows) == []
        with pytest.raises(ZeroDivisionError):
            on_all_cores(lambda n: 1 // n, (1, 0), rows)
