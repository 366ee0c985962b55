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

EACH = 60 if "FENRUN_NIGHTLY" in os.environ else 6
"""How many files are made of each form."""
PUT_IN = [
    *(
        b"\0",
        b'"',
        b'""',
        b",",
        b",,,",
        b";",
        b"\t",
        b"\n",
        b"\r",
        b"\r\n\r\n",
        b"\xff",
        b"\xef\xbb\xbf",
    ),
    *(
        b"1e999",
        b"-",
        b"NaN",
        b"Infinity",
        b"9" * 60,
        b"0." + b"3" * 60,
        b"1,234",
        b"1.234,5",
        b"(12)",
    ),
    *(b"2024-13-45", b"0000-00-00", b"31/02/2024", b"9999-12-31T23:59:60Z", b"12/11/10", b"NULL"),
    *(
        "合计".encode(),
        "北".encode("gbk"),
        b"=1+1",
        b"'",
        b"{",
        b"]",
        b"\\u0000",
        b"\x1b[2J",
        b"PAR1",
    ),
]


def _parquet() -> bytes:
    columns = {name: [row[n] or None for row in ROWS] for n, name in enumerate(COLUMNS)}
    into = io.BytesIO()
    pq.write_table(pa.table(columns), into)
    return into.getvalue()


def _damaged(content: bytes, rng: random.Random) -> bytes:
    """Return the content with one to four things done to it."""
    for _ in range(rng.randint(1, 4)):
        at = rng.randrange(len(content) + 1)
        end = min(len(content), at + rng.choice((1, 1, 2, 8, 40)))
        what = rng.randrange(6)
        if what == 0:
            content = content[:at] + rng.choice(PUT_IN) + content[at:]
        elif what == 1:
            content = content[:at] + rng.choice(PUT_IN) + content[end:]
        elif what == 2:
            content = content[:at] + content[end:]
        elif what == 3:
            content = content[:end] + content[at:end] * rng.choice((1, 50)) + content[end:]
        elif what == 4:
            content = (
                content[:at] + bytes(rng.randrange(256) for _ in range(end - at)) + content[end:]
            )
        else:
            content = content[:at] if rng.random() < 0.3 else content
    return content


def _files() -> Iterator[tuple[str, bytes]]:
    for name, content in {**FORMS, "Parquet": _parquet()}.items():
        rng = random.Random(name)
        for number in range(EACH):
            yield f"{name}, {number}", _damaged(content, rng)


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
    assert refused > EACH and taken > EACH
