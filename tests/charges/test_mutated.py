"""Files damaged at random: refused in words, or imported with every cent accounted for."""

from __future__ import annotations

import io
import os
import random
from collections import defaultdict
from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from fenrun.base.problem import Refused
from fenrun.charges.read import stage_charges
from fenrun.charges.stored import read_charges
from fenrun.store.facts import Imported, Replaced, Store
from tests.charges.test_forms import COLUMNS, FORMS, ROWS
from tests.damaged import damaged
from tests.turns import share

EACH = 65 if "FENRUN_NIGHTLY" in os.environ else 2
"""How many files are made of each form."""


def _parquet() -> bytes:
    columns = {name: [row[n] or None for row in ROWS] for n, name in enumerate(COLUMNS)}
    into = io.BytesIO()
    pq.write_table(pa.table(columns), into)
    return into.getvalue()


def _files() -> Iterator[tuple[str, bytes]]:
    for name, content in share([*FORMS.items(), ("Parquet", _parquet())], 3):
        rng = random.Random(name)
        for number in range(EACH):
            yield f"{name}, {number}", damaged(content, rng)


def _check_money(store: Store, done: Imported) -> None:
    """What the file says is what is stored, and what was kept aside; no row is lost."""
    (item,) = store.imports("charges")
    table = read_charges(item.folder, item.id)
    stored: dict[str, Decimal] = defaultdict(Decimal)
    for money, cost in zip(table["BillingCurrency"].to_pylist(), table["BilledCost"].to_pylist()):
        stored[money] += cost
    facts = done.facts
    for money, total in facts["billed"].items():
        aside = Decimal(facts["billed_quarantined"].get(money, 0))
        assert stored.pop(money, Decimal(0)) == Decimal(total) - aside
    assert not any(stored.values())
    assert table.num_rows == facts["rows"] - facts["quarantined"]


def test_a_damaged_file_is_refused_or_counted_whole(tmp_path: Path) -> None:
    refused = taken = 0
    for number, (name, content) in enumerate(_files()):
        folder = tmp_path / str(number)
        folder.mkdir()
        (folder / "charges").write_bytes(content)
        store = Store(folder / "ws")
        try:
            done = stage_charges(store, folder / "charges")(datetime(2025, 1, 1), Replaced())
        except Refused as refusal:
            refused += 1
            assert all(str(problem) for problem in refusal.problems), name
        except Exception as error:
            pytest.fail(f"{name}: {type(error).__name__}: {error}\n{content[:2000]!r}")
        else:
            taken += 1
            _check_money(store, done)
    assert refused > EACH and taken
