"""The results of a settlement as people read them: codes as texts, whole numbers as amounts."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

import pyarrow as pa
import pyarrow.compute as pc

from fenrun.base.money import plain
from fenrun.book.as_codes import issuer_and_subject
from fenrun.engine.codes import Codes, month_of
from fenrun.engine.duckdb import DuckDB
from fenrun.settle.on_whole_numbers import Settlement

_TEXT, _DAY, _MONTH, _AS_IT_IS = "text", "day", "month", "as it is"
_PLAN_LINE = {"plan": _TEXT, "component": _TEXT, "payee": _TEXT}
_COLUMNS: Mapping[str, Mapping[str, str]] = {
    "parties": {"party": _TEXT, "kind": _AS_IT_IS, "name": _AS_IT_IS},
    "credited": {
        **dict.fromkeys(("plan", "payee", "role", "customer", "link"), _TEXT),
        **dict.fromkeys(("kind", "via", "charges"), _AS_IT_IS),
        "month": _MONTH,
        "amount": "credit",
    },
    "team_credits": {
        **dict.fromkeys(("payee", "member", "role", "plan"), _TEXT),
        "amount": "credit",
    },
    "held_spend": {
        **dict.fromkeys(("payee", "role", "customer", "party", "link"), _TEXT),
        **dict.fromkeys(("via", "charges"), _AS_IT_IS),
        "amount": "credit",
    },
    "not_counted": {**_PLAN_LINE, "rule": _TEXT, "amount": "measure"},
    "uncredited": {
        "plan": _TEXT,
        "month": _MONTH,
        "account": _TEXT,
        **dict.fromkeys(("reason", "charges"), _AS_IT_IS),
        "amount": "credit",
    },
    "tier_earnings": {
        **_PLAN_LINE,
        **dict.fromkeys(("unit", "period", "words"), _TEXT),
        "table_from": _DAY,
        **dict.fromkeys(("column_no", "kind", "band_no"), _AS_IT_IS),
        "rate": "rate",
        "flat": "flat",
        "part": "part",
        "slope": "slope",
        "divisor": "divisor",
        "pays": "pays",
    },
    "earnings": {
        **_PLAN_LINE,
        **dict.fromkeys(("role", "unit", "period", "currency", "detail", "table_id"), _TEXT),
        **dict.fromkeys(("rank", "per", "step_no", "reason", "others"), _AS_IT_IS),
        **dict.fromkeys(("pays_on", "reads_by"), _AS_IT_IS),
        **dict.fromkeys(("period_from", "period_to", "table_from"), _DAY),
        "last_month": _MONTH,
        **dict.fromkeys(("amount", "target", "compared", "measure", "reference"), "measure"),
        "base": "base",
        "portion": "portion",
        "uncapped": "uncapped",
        "divisor": "divisor",
        **dict.fromkeys(("bound", "cap"), "limit"),
        "earned": "money",
    },
    "held_back": {"plan": _TEXT, "payee": _TEXT, "month": _MONTH, "amount": "money"},
    "payouts": {
        "plan": _TEXT,
        "payee": _TEXT,
        "month": _MONTH,
        **dict.fromkeys(("due", "brought", "expired", "drawn", "recovered"), "money"),
        **dict.fromkeys(("balance", "paid", "carried"), "money"),
    },
    "payments": {
        **dict.fromkeys(("plan", "payee", "form"), _TEXT),
        "month": _MONTH,
        **dict.fromkeys(("amount", "paid"), "money"),
    },
    "statement_lines": {
        **_PLAN_LINE,
        **dict.fromkeys(("role", "currency", "period", "detail"), _TEXT),
        "month": _MONTH,
        **dict.fromkeys(("rank", "per", "reason", "others"), _AS_IT_IS),
        "measured": "measure",
        "bound": "limit",
        "earned": "money",
    },
    "statement_credits": {
        **dict.fromkeys(("plan", "payee", "role"), _TEXT),
        "month": _MONTH,
        **dict.fromkeys(("kind", "charges"), _AS_IT_IS),
        "credited": "credit",
    },
    "statements": {
        **dict.fromkeys(("plan", "payee", "role"), _TEXT),
        "month": _MONTH,
        "credited": "credit",
        "earned": "money",
        "lines": _AS_IT_IS,
    },
    "ledger": {
        "plan": _TEXT,
        "month": _MONTH,
        **dict.fromkeys(("total", "credited", "uncredited"), "credit"),
        "charges": _AS_IT_IS,
    },
}
"""By result table its columns: how each is read, or of which amounts it holds (see Scales)."""
_RENAMED = {"plan": "plan_id", "link": "link_id", "last_month": "paid_month"}
"""The names of columns where they are not those of the steps."""
_FEWEST = 2
_COUNTS = ("charges", "lines", "rank", "step_no", "column_no", "band_no")


def load_results(settlement: Settlement, engine: DuckDB) -> None:
    """Load the results of a settlement, as people read them, as tables of the engine's `main`."""
    decoder = _Decoder(settlement)
    for name, columns in _COLUMNS.items():
        engine.load_into("main", name, decoder.table(name, columns))


class _Decoder:
    """The way back from codes and whole numbers."""

    def __init__(self, settlement: Settlement):
        self.settlement = settlement
        self.codes: Codes = settlement.codes
        self.texts = pa.array(self.codes.texts, pa.string())
        scales = settlement.scales
        self.scales = {"slope": scales.rate + scales.part} | {
            name: getattr(scales, name)
            for columns in _COLUMNS.values()
            for name in columns.values()
            if name not in (_TEXT, _DAY, _MONTH, _AS_IT_IS, "slope")
        }

    def table(self, name: str, columns: Mapping[str, str]) -> pa.Table:
        """Return a result table."""
        found = self.settlement.runner.arrow(f"SELECT {', '.join(columns)} FROM {name}")
        read = {
            column: self._read(column, kind, found.column(place).combine_chunks())
            for place, (column, kind) in enumerate(columns.items())
        }
        if "others" in read:
            others, bound = read.pop("others"), read.pop("bound")
            read["detail"] = self._detail(read["detail"], others, bound)
        if name == "statement_lines":
            parts = [read[part] for part in ("plan", "component", "period", "payee")]
            read["line_id"] = pc.binary_join_element_wise(*parts, "/")
        if name == "uncredited":
            read |= _accounts(read.pop("account"), self.codes)
        return pa.table({_RENAMED.get(column, column): values for column, values in read.items()})

    def _read(self, column: str, kind: str, values: pa.Array) -> pa.Array:
        if kind == _TEXT:
            return self.texts.take(values.cast(pa.int64()))
        if kind == _DAY:
            return values.cast(pa.int32()).cast(pa.date32())
        if kind == _MONTH:
            return _months(values)
        if kind == _AS_IT_IS:
            return values.cast(pa.int64() if column in _COUNTS else pa.string())
        return as_amounts(values, self.scales[kind])

    def _detail(self, detail: pa.Array, others: pa.Array, bound: pa.Array) -> pa.Array:
        """Return what takes off or adds: a text, several of them, or an amount."""
        several = pa.array(map(self._joined, others.to_pylist()), pa.string())
        amounts = pa.array(map(_plain, bound.to_pylist()), pa.string())
        return pc.coalesce(detail, several, amounts)

    def _joined(self, numbers: str | None) -> str | None:
        if numbers is None:
            return None
        return ", ".join(sorted(self.codes.texts[int(number)] for number in numbers.split(",")))


def _plain(amount: Decimal | None) -> str | None:
    return None if amount is None else plain(amount)


def _accounts(values: pa.Array, codes: Codes) -> dict[str, pa.Array]:
    """Return issuer and account of accounts."""
    pairs = [issuer_and_subject(codes, codes.of(text)) for text in values.to_pylist()]
    return {
        "issuer": pa.array([issuer for issuer, _ in pairs], pa.string()),
        "account": pa.array([account for _, account in pairs], pa.string()),
    }


def _months(values: pa.Array) -> pa.Array:
    """Return the first days of months."""
    found = values.cast(pa.int64()).dictionary_encode()
    days = pa.array([month_of(number) for number in found.dictionary.to_pylist()], pa.date32())
    return days.take(found.indices)


def as_amounts(values: pa.Array, scale: int) -> pa.Array:
    """Return whole numbers of 10 to the minus `scale` as decimals.

    They have as few places as hold them all, and two at least.
    """
    whole = values.cast(pa.decimal128(38, 0))
    amounts = pa.Array.from_buffers(
        pa.decimal128(38, scale), len(whole), whole.buffers(), whole.null_count, whole.offset
    )
    for places in range(_FEWEST, scale):
        try:
            return amounts.cast(pa.decimal128(38, places))
        except pa.ArrowInvalid:
            continue
    return amounts if scale >= _FEWEST else amounts.cast(pa.decimal128(38, _FEWEST))
