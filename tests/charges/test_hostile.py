"""Files as other people make them: right, or refused or kept aside with a problem at its place."""

from __future__ import annotations

import gzip
import io
import re
import zipfile
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from fenrun.base.problem import Refused
from fenrun.charges.read import stage_charges
from fenrun.store.facts import Replaced, Store

NAMES = "BilledCost BillingAccountId BillingCurrency BillingPeriodStart ChargePeriodStart"
HEAD = ",".join([*NAMES.split(), "InvoiceIssuerName", "ResourceId"]) + "\n"
START = "2024-09-01T00:00:00Z"
BOM = b"\xef\xbb\xbf"


def _row(cost: str = "1.00", **cells: str) -> str:
    row = {"account": "A1", "currency": "USD", "billed": START, "start": START, "issuer": "Acme"}
    return ",".join([cost, *(row | cells).values(), *([] if "id" in cells else ["r1"])]) + "\n"


GOOD = HEAD + _row() + _row("2.00", id="r2")


def _parquet(cost: pa.Array, **columns: Any) -> bytes:
    texts = {name: ["USD"] * 2 for name in [*NAMES.split()[1:], "InvoiceIssuerName"]}
    texts |= {"BillingPeriodStart": [START] * 2, "ChargePeriodStart": [START] * 2}
    out = io.BytesIO()
    pq.write_table(pa.table({"BilledCost": cost, **texts, **columns}), out)
    return out.getvalue()


def _json(cost: str, more: str = "") -> str:
    said = zip(NAMES.split()[1:], ("A1", "USD", START, START))
    texts = ", ".join(f'"{name}": "{text}"' for name, text in said)
    return f'{{"BilledCost": {cost}, {more}{texts}, "InvoiceIssuerName": "Acme"}}\n'


def _zip(content: bytes, name: str = "a.csv") -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as file:
        file.writestr(name, content)
    return out.getvalue()


TWO = pa.array(["1", "2"])
OUTCOMES: dict[str, tuple[bytes | str, str]] = {
    # A text: what is counted, `aside N` of rows kept aside, or the code with which it is refused.
    "two marks of UTF-8": (BOM + BOM + GOOD.encode(), "3.00"),
    "a blank no-break and unseen": (GOOD.replace("BilledCost", "\u00a0BilledCost\u200b"), "3.00"),
    "snake case": (GOOD.replace("BillingAccountId", "billing_account_id"), "3.00"),
    "words": (GOOD.replace("BillingAccountId", "Billing Account ID"), "3.00"),
    "two spellings": (GOOD.replace("ResourceId", "billed_cost"), "column-twice"),
    "a unit that is no name": (GOOD.replace("BilledCost", "BilledCost (tax)"), "columns-proposed"),
    "names of columns with braces": (
        GOOD.replace("ResourceId", "x_{a}%s'?*").replace(",", ";").replace(".", ","),
        "3.00",
    ),
    "a cost whose name has a brace": (
        GOOD.replace("edCost", "edC{ost").replace(",", ";").replace(".", ","),
        "3.00",
    ),
    "two files end to end": (GOOD.encode() + BOM + GOOD.encode(), "cost-unreadable"),
    "gz members with a header each": (2 * gzip.compress(GOOD.encode()), "6.00"),  # and said
    "gz in zip": (_zip(gzip.compress(GOOD.encode()), "a.csv.gz"), "file-packed"),
    "UTF-16 without a mark": (GOOD.encode("utf-16-le"), "3.00"),
    "UTF-32": (GOOD.encode("utf-32"), "3.00"),
    "one word of GBK": ((HEAD + _row(issuer="腾讯云")).encode("gbk"), "1.00"),
    "one letter of GBK": ((HEAD + _row(issuer="云")).encode("gbk"), "encoding-unclear"),
    "blank lines between": (GOOD.replace("\n", "\n\n"), "3.00"),
    "lines before the header": ("Report\nFor September\n" + GOOD, "not-focus line 3"),
    "a note at the end": (GOOD + "End of report\n", "file-truncated"),
    "end of file of DOS": (GOOD + "\x1a", "file-truncated"),
    "blanks after commas": (GOOD.replace(",", ", "), "3.00"),
    "line separators of Unicode": (GOOD.replace("\n", "\u2028"), "column-twice"),
    # Costs.
    "brackets for less": (HEAD + _row("(2.00)"), "-2.00"),
    "minus behind": (HEAD + _row("2.00-"), "-2.00"),
    "another minus": (HEAD + _row("−2.00"), "-2.00"),
    "a currency's sign": (HEAD + _row("¥2.00"), "currency-contradicted"),
    "ten thousands in Chinese": (HEAD + _row("1.2万"), "cost-unreadable"),
    "full width": (HEAD + _row("１２．５０"), "12.50"),
    "groups of India": (HEAD + _row('"12,34,567.50"'), "1234567.50"),
    "groups of Switzerland": (HEAD + _row("1'234.50"), "1234.50"),
    "hexadecimal": (HEAD + _row("0x10"), "cost-unreadable"),
    "zeros in front": (HEAD + _row("0001.50"), "1.50"),
    # What databases write for nothing.
    "nothing for an account": (
        GOOD + _row("4.00", account="null") + _row("8.00", account=r"\N"),
        "15.00 aside 2",
    ),
    "nothing for a cost": (GOOD + _row("null", id="r3") + _row(r"\N", id="r4"), "3.00 aside 2"),
    "nothing in Parquet": (_parquet(TWO, BillingAccountId=["null", r"\N"]), "3.00 aside 2"),
    # Dates.
    "a serial of Excel": (HEAD + _row(start="45537"), "1.00 aside 1"),
    "seconds since 1970": (HEAD + _row(start="1725235200"), "1.00 aside 1"),
    "a week": (HEAD + _row(start="2024-W36-1"), "1.00 aside 1"),
    "a zone's name": (HEAD + _row(start="2024-09-02 10:00:00 CST"), "1.00 aside 1"),
    "a day of 24 hours": (HEAD + _row(start="2024-09-02T24:00:00Z"), "1.00"),
    "the Buddhist era": (HEAD + _row(start="2567-09-02"), "1.00 aside 1"),
    "nanoseconds": (HEAD + _row(start="2024-09-02T10:00:00.123456789Z"), "1.00"),
    # Totals.
    "subtotals": (GOOD + "1.50,,USD,,,,Subtotal\n" + "3.00,,USD,,,,Total\n", "4.50 aside 1"),
    "a total of two currencies": (
        HEAD + _row() + _row("2.00", currency="EUR") + "3,,,,,,\n",
        "1.00",
    ),
    "a total that comes first": (HEAD + "3.00,,USD,,,,Total\n" + GOOD[len(HEAD) :], "6.00 aside 1"),
    # JSON.
    "a key twice": (_json("1.10", '"BilledCost": 9.99, '), "row-malformed"),
    "a key in two spellings": (_json("1.10", '"billedcost": 9.99, '), "column-twice"),
    "an id of 21 digits": (_json("1.10", '"ResourceId": 123456789012345678901, '), "1.10"),
    "a truth for a cost": (_json("true"), "cost-unreadable"),
    "an object over lines": (_json("1.10").replace(", ", ",\n"), "1.10"),
    "rows in an object": (f'{{"rows": [{_json("1.10").strip()}]}}', "1.10"),
    # Parquet.
    "decimal256": (_parquet(TWO.cast(pa.decimal256(50, 20))), "3.00"),
    "decimal256 of 45 digits": (
        _parquet(pa.array([Decimal(1), Decimal(10) ** 45], pa.decimal256(60, 2))),
        "cost-unreadable",
    ),
    "unsigned": (_parquet(TWO.cast(pa.uint64())), "3.00"),
    "halves": (_parquet(pa.array([1.5, 2.25]).cast(pa.float16())), "3.75"),
    "single floats": (_parquet(pa.array([1.1, 2.2], pa.float32())), "3.30"),
    "no number": (_parquet(pa.array([1.0, float("nan")])), "cost-unreadable"),
    "infinity": (_parquet(pa.array([1.0, float("inf")])), "cost-unreadable"),
    "truths": (_parquet(pa.array([True, False])), "cost-unreadable"),
    "lists": (_parquet(pa.array([[1.0], [2.0]])), "cost-unreadable"),
    "durations": (
        _parquet(TWO, ChargePeriodStart=pa.array([1, 2], pa.duration("us"))),
        "date-type",
    ),
    "times of day": (
        _parquet(TWO, ChargePeriodStart=pa.array([1, 2], pa.time64("us"))),
        "3.00 aside 2",
    ),
    "views of text": (
        _parquet(TWO, ResourceId=pa.array(["a", "b"]).cast(pa.string_view())),
        "3.00",
    ),
    "columns without a type": (_parquet(TWO, ResourceId=pa.nulls(2)), "3.00"),
}


def _outcome(folder: Path, content: bytes | str) -> str:
    path = folder / "charges"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    try:
        done = stage_charges(Store(folder / "ws"), path)(datetime(2025, 1, 1), Replaced())
    except Refused as refused:
        assert all(p.words("what") and p.words("fix", "zh-CN") for p in refused.problems)
        below = re.search(r"line \d+", refused.problems[0].words("fix"))
        return refused.problems[0].code + (f" {below[0]}" if below else "")
    aside = done.facts["quarantined"]
    counted: str = next(iter(sorted(done.facts["billed"].items(), reverse=True)))[1]
    return counted + (f" aside {aside}" if aside else "")


@pytest.mark.in_turn(4)
@pytest.mark.parametrize("kind", OUTCOMES)
def test_nothing_is_misread(kind: str, tmp_path: Path) -> None:
    content, outcome = OUTCOMES[kind]
    assert _outcome(tmp_path, content) == outcome
