"""Patches of charges: other prices, usage and months, and what won customers are charged.

An import that holds a charge which changes is written anew beside the workspace, whole, and stands
in for it. Every cost changes by one factor; nothing is rounded.
"""

from __future__ import annotations

import tempfile
from calendar import monthrange
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pyarrow as pa
import pyarrow.compute as pc

from fenrun.base.ids import digest, short
from fenrun.base.money import decimals, show_sums
from fenrun.base.problem import Place, Problem, Refused, refused
from fenrun.base.when import OPEN_END, Span
from fenrun.charges.facts import billing_facts, stored_facts
from fenrun.charges.rows import COSTS, DAYS, ORDER
from fenrun.charges.stored import move_files, write_charges
from fenrun.credit.crediting import bases_of, costs_of
from fenrun.engine.dialect import literal, literals
from fenrun.lab.book_patch import ACCOUNT_OF
from fenrun.lab.chosen import Chooser
from fenrun.lab.scenario import Scenario
from fenrun.lab.scenario_text import (
    ChosenText,
    CouponText,
    PriceText,
    ShiftText,
    UsageText,
    WonText,
)
from fenrun.plan.rows import Plan
from fenrun.plan.source import Path_
from fenrun.pricing.charges import PricedCharges, charges_of
from fenrun.store.facts import Import, Store, manifest

_WHOLE, _NOTHING = Decimal(1), Decimal(0)
_MOMENTS = ("BillingPeriodStart", "BillingPeriodEnd", "ChargePeriodStart", "ChargePeriodEnd")
_DIGITS = 38
"""Of an amount, at most."""
_LIST, _PRICE, _USAGE, _BILLING = "list", "price", "usage", "billing"
_FACTORS: Mapping[str, tuple[str, ...]] = {
    **{name: (_PRICE, _USAGE, _BILLING) for name in COSTS},
    "ListCost": (_LIST, _USAGE, _BILLING),
    "EffectiveCost": (_PRICE, _USAGE),
    "ListUnitPrice": (_LIST,),
    "ContractedUnitPrice": (_PRICE,),
    "PricingQuantity": (_USAGE,),
    "ConsumedQuantity": (_USAGE,),
}
"""What each column of a charge changes by."""
_OWN = ("SubAccountId", "ResourceId", ORDER)
"""What a won customer has of its own, not as the one that it is like."""
_ADDS = ("won", "coupons")
"""The patches that add charges."""
_DAY = "CAST(c.ChargePeriodStart + {offset} AS DATE)"
_OWNED = """
SELECT c.import_id, c.row_no, o.party, o.share
FROM charges AS c
JOIN owners AS o
  ON o.of_kind = 'sub-account' AND o.issuer = c.InvoiceIssuerName AND o.subject = {sub_account}
 AND o.valid_from <= {day} AND {day} < o.valid_to AND o.sound
UNION ALL
SELECT c.import_id, c.row_no, o.party, o.share
FROM charges AS c
JOIN owners AS o
  ON o.of_kind = 'account' AND o.issuer = c.InvoiceIssuerName AND o.subject = c.BillingAccountId
 AND o.valid_from <= {day} AND {day} < o.valid_to AND o.sound
WHERE NOT EXISTS (
  SELECT 1 FROM owners AS s
  WHERE s.of_kind = 'sub-account' AND s.issuer = c.InvoiceIssuerName
    AND s.subject = {sub_account} AND s.valid_from <= {day} AND {day} < s.valid_to)"""
_SHARED = "SELECT DISTINCT party FROM owned WHERE share < 1 AND party IN ({parties}) ORDER BY party"


@dataclass
class _Change:
    """The effect of patches on some charges."""

    factors: dict[str, Decimal] = field(
        default_factory=lambda: dict.fromkeys((_LIST, _PRICE, _USAGE, _BILLING), _WHOLE)
    )
    months: int = 0
    """How many months later they are booked; below 0, earlier."""

    def times(self, name: str, factor: Decimal) -> None:
        self.factors[name] *= factor

    def of(self, names: Sequence[str]) -> Decimal:
        """Return what a column changes by that changes by all of these."""
        found = _WHOLE
        for name in names:
            found *= self.factors[name]
        return found


class ChargePatch:
    """The charges of a workspace with the patches of a scenario."""

    def __init__(self, scenario: Scenario, chooser: Chooser, plans: Sequence[Plan], scratch: Path):
        """Imports that stand in for others are written to a folder.

        Costs of their own that the plans count change as the billed cost does.
        """
        self.scenario, self.chooser = scenario, chooser
        own = {name for basis in bases_of(plans) for name in costs_of(basis)} - set(COSTS)
        self.factors = {**_FACTORS, **dict.fromkeys(sorted(own), _FACTORS["BilledCost"])}
        self.zone = ZoneInfo(plans[0].terms[0].timezone if plans else "UTC")
        self.scratch = Store(scratch, is_scratch=True)
        self._said: list[str] = []
        """What the patches that are applied say: what is written is called after it."""
        self.problems: list[Problem] = []
        """Patches that change nothing, and what is billed above its list price."""

    def apply(
        self, store: Store, known: datetime, imports: Sequence[Import], paths: Sequence[Path_]
    ) -> tuple[Import, ...]:
        """Return the imports of a store known at a moment, those that change written anew.

        `paths` are those of the patches to apply. Raises Refused.
        """
        if not imports or not paths:
            return tuple(imports)
        self._said = [str(self._patch(path)) for path in paths]
        priced = charges_of(store, Span(*DAYS), known)
        self._load_owned(priced)
        hits = {f"hit_{n}": self._hit(priced, path) for n, path in enumerate(paths)}
        flags = ", ".join(f"{sql} AS {name}" for name, sql in hits.items())
        sql = f"SELECT c.*, {flags} FROM charges AS c"
        touched = f"SELECT DISTINCT import_id FROM ({sql}) WHERE {' OR '.join(hits)}"
        changed = {row["import_id"] for row in priced.engine.rows(touched)}
        self._said_of_nothing(priced, sql, paths)
        return tuple(
            self._written(item, priced, sql, paths) if short(item.id) in changed else item
            for item in imports
        )

    def _load_owned(self, priced: PricedCharges) -> None:
        """Make the table `owned`, whose the charges are."""
        sub = "c.SubAccountId" if "SubAccountId" in priced.columns else "CAST(NULL AS VARCHAR)"
        day = _DAY.format(offset=priced.fragments["offset"])
        priced.engine.make("TABLE", "owned", _OWNED.format(sub_account=sub, day=day))

    def _patch(self, path: Path_) -> Any:
        return getattr(self.scenario.text, str(path[0]))[path[1]]

    def _hit(self, priced: PricedCharges, path: Path_) -> str:
        """Return SQL of whether a patch is about a charge c."""
        patch: PriceText | UsageText | ShiftText | CouponText | WonText = self._patch(path)
        if isinstance(patch, ShiftText):
            day, end = patch.within.span.start, patch.within.span.end
        else:
            day, end = self.scenario.day(patch.start), OPEN_END
        span = priced.within({"valid_from": day, "valid_to": end})
        if isinstance(patch, WonText):
            return f"({span} AND {self._of([patch.like], priced, path)})"
        parts = [span, priced.condition(patch.where or "")]
        if patch.customers is not None:
            chosen = self._chosen(patch.customers, day)
            parts.append(self._of(chosen, priced, path))
        return f"({' AND '.join(parts)})"

    def _chosen(self, text: ChosenText, day: date) -> list[str]:
        return sorted(self.chooser.choose(text, day))

    def _of(self, customers: Sequence[str], priced: PricedCharges, path: Path_) -> str:
        """Return SQL of whether a charge c is one of some customers, whole. Raises Refused."""
        if not customers:
            return "false"
        parties = literals(customers)
        shared = [row["party"] for row in priced.engine.rows(_SHARED.format(parties=parties))]
        if shared:
            values = {"customers": ", ".join(shared)}
            raise Refused([Problem("scenario-shared", self.scenario.place(path), values)])
        named = "o.import_id = c.import_id AND o.row_no = c.row_no"
        return f"EXISTS (SELECT 1 FROM owned AS o WHERE {named} AND o.party IN ({parties}))"

    def _said_of_nothing(self, priced: PricedCharges, sql: str, paths: Sequence[Path_]) -> None:
        """Note the patches that are about no charge."""
        counts = ", ".join(f"count(*) FILTER (WHERE hit_{n}) AS hit_{n}" for n in range(len(paths)))
        (row,) = priced.engine.rows(f"SELECT {counts} FROM ({sql})")
        for number, path in enumerate(paths):
            if not row[f"hit_{number}"]:
                self.problems.append(Problem("scenario-nothing", self.scenario.place(path)))

    # --- one import ---------------------------------------------------------------------------

    def _written(
        self, item: Import, priced: PricedCharges, sql: str, paths: Sequence[Path_]
    ) -> Import:
        """Return an import with its charges as they change, written to the scratch store."""
        one = f"FROM ({sql}) WHERE import_id = {literal(short(item.id))} ORDER BY row_no"
        table = priced.engine.query(one)
        flags = [f"hit_{number}" for number in range(len(paths))]
        plain = table.drop_columns(flags)
        parts, added = [plain.slice(0, 0)], []
        for hit, rows in _by_flags(table, flags):
            some = plain.take(rows)
            change = self._change([path for path, is_hit in zip(paths, hit) if is_hit])
            if change.factors[_USAGE]:
                parts.append(_shifted(self._times(some, change), change.months, self.zone))
            for path in (path for path, is_hit in zip(paths, hit) if is_hit and path[0] in _ADDS):
                add = self._won if path[0] == "won" else self._paid_by_coupon
                added.append(add(self._times(some, change), self._patch(path)))
        whole = _narrow(pa.concat_tables([*parts, *added], promote_options="permissive"))
        if not added:
            whole = whole.sort_by("row_no")
        else:
            numbers = pa.array(range(1, whole.num_rows + 1), pa.int64())
            place = whole.schema.get_field_index("row_no")
            whole = whole.set_column(place, "row_no", numbers)
        self._note_above_list(whole, item)
        return self._enter(item, whole.combine_chunks())

    def _change(self, paths: Sequence[Path_]) -> _Change:
        """Return what the patches at some paths do together."""
        found = _Change()
        for path in paths:
            patch = self._patch(path)
            if isinstance(patch, UsageText):
                found.times(_USAGE if patch.keep is None else _BILLING, patch.by)
            elif isinstance(patch, ShiftText):
                found.months += patch.months
            elif isinstance(patch, PriceText):
                found.times(_LIST, patch.list_ or _WHOLE)
                price = patch.contracted if patch.list_ is None else patch.list_
                kept = patch.list_ is not None and patch.keep == "price"
                price = _WHOLE if kept or price is None else price
                found.times(_PRICE, price)
                usage = _WHOLE + (patch.elasticity or _NOTHING) * (price - _WHOLE)
                found.times(_USAGE, max(usage, _NOTHING))
        return found

    def _times(self, table: pa.Table, change: _Change) -> pa.Table:
        """Return charges with each column times what it changes by."""
        for column in self.factors.keys() & set(table.column_names):
            factor = change.of(self.factors[column])
            if factor == _WHOLE:
                continue
            place = table.schema.get_field_index(column)
            table = table.set_column(place, column, _product(table[column], factor, column))
        return table

    def _won(self, table: pa.Table, patch: WonText) -> pa.Table:
        """Return charges like those of another customer, of the account of one that is won."""
        accounts = [
            ACCOUNT_OF.format(account=account, customer=patch.customer)
            for account in table["BillingAccountId"].to_pylist()
        ]
        place = table.schema.get_field_index("BillingAccountId")
        table = table.set_column(place, "BillingAccountId", pa.array(accounts, pa.string()))
        for column in set(_OWN) & set(table.column_names):
            place = table.schema.get_field_index(column)
            table = table.set_column(place, column, pa.nulls(table.num_rows, pa.string()))
        change = _Change()
        change.times(_USAGE, patch.times)
        return self._times(table, change)

    def _paid_by_coupon(self, table: pa.Table, patch: CouponText) -> pa.Table:
        """Return more charges like those of a table, and the credits that take their bill off."""
        more = _Change()
        more.times(_USAGE, patch.more)
        found = self._times(table, more)
        taken_off = _Change()
        taken_off.times(_USAGE, -_WHOLE)
        credit = self._times(found, taken_off)
        for column, text in (("ChargeCategory", "Credit"), ("x_CouponId", patch.coupon)):
            values, place = pa.repeat(text, table.num_rows), credit.schema.get_field_index(column)
            if place < 0:
                credit = credit.append_column(column, values)
            else:
                credit = credit.set_column(place, column, values)
        return pa.concat_tables([found, credit], promote_options="permissive")

    def _note_above_list(self, table: pa.Table, item: Import) -> None:
        """Note how much is billed above its list price."""
        if "ListCost" not in table.column_names:
            return
        billed, listed = (pc.abs(table[name]) for name in ("BilledCost", "ListCost"))
        wide = pa.decimal256(2 * _DIGITS, max(billed.type.scale, listed.type.scale))
        above = pc.greater(billed.cast(wide), listed.cast(wide))
        some = table.filter(above.fill_null(False))
        if some.num_rows:
            sums: dict[str, Decimal] = {}
            for row in some.select(["BillingCurrency", "BilledCost"]).to_pylist():
                sums[row["BillingCurrency"]] = (
                    sums.get(row["BillingCurrency"], _NOTHING) + row["BilledCost"]
                )
            values = {"file": item.source, "count": some.num_rows, "amount": show_sums(sums)}
            place = self.scenario.place(("scenario",))
            self.problems.append(Problem("scenario-above-list", place, values))

    def _enter(self, item: Import, table: pa.Table) -> Import:
        """Enter charges that stand in for those of an import into the scratch store."""
        content = digest("scenario", self.scenario.text.start, self._said, item.id)
        with tempfile.TemporaryDirectory(prefix="fenrun-") as folder:
            files = Path(folder)
            write_charges(files, _named(table, short(content)))
            counted = {"rows": table.num_rows, "quarantined": 0}
            facts = {**billing_facts(table), **stored_facts(files), **counted}
            said = manifest(item.source, item.known, facts, ())
            self.scratch.add("charges", content, said, lambda target: move_files(files, target))
        found = self.scratch.find("charges", content)
        assert found is not None, "what was just added is there"
        return found


def _shifted(table: pa.Table, months: int, zone: ZoneInfo) -> pa.Table:
    """Return charges that begin and are billed so many months later.

    In the plans' time zone the day of the month stays, or is the last that the month has.
    """
    for column in _MOMENTS if months else ():
        place = table.schema.get_field_index(column)
        if place < 0 or not pa.types.is_timestamp(table.schema.field(place).type):
            continue
        coded = table[column].combine_chunks().dictionary_encode()
        of_period = column.startswith("Billing")
        moved = [
            moment
            and (_billed_later(moment, months) if of_period else _later(moment, months, zone))
            for moment in coded.dictionary.to_pylist()
        ]
        found = pa.array(moved, table.schema.field(place).type).take(coded.indices)
        table = table.set_column(place, column, found)
    return table


def _later(moment: datetime, months: int, zone: ZoneInfo) -> datetime:
    """Return a moment (UTC) so many months later, as the calendar of a zone has it."""
    local = moment.replace(tzinfo=UTC).astimezone(zone)
    year, month = divmod(local.year * 12 + local.month - 1 + months, 12)
    day = min(local.day, monthrange(year, month + 1)[1])
    return local.replace(year, month + 1, day).astimezone(UTC).replace(tzinfo=None)


def _billed_later(moment: datetime, months: int) -> datetime:
    """Return the first moment of the billing period so many months later.

    One that begins on a month's last day is the next month's: its zone is ahead of UTC.
    """
    near = moment + timedelta(days=1)
    first = near.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    return _later(first, months, ZoneInfo("UTC")) - (first - moment)


def _named(table: pa.Table, import_id: str) -> pa.Table:
    place = table.schema.get_field_index("import_id")
    return table.set_column(place, "import_id", pa.repeat(import_id, table.num_rows))


def _by_flags(table: pa.Table, flags: Sequence[str]) -> Iterator[tuple[tuple[bool, ...], pa.Array]]:
    """Yield the rows of a table by which of its flags are set, each with their places."""
    places = table.select(list(flags)).append_column("place", pa.array(range(table.num_rows)))
    grouped = places.group_by(list(flags)).aggregate([("place", "list")])
    for row in grouped.to_pylist():
        yield tuple(row[flag] for flag in flags), pa.array(row["place_list"], pa.int64())


def _product(column: pa.ChunkedArray, factor: Decimal, name: str) -> pa.ChunkedArray:
    """Return a column of decimals, or of numbers written as text, times a factor, exactly."""
    if not pa.types.is_decimal(column.type):
        return pa.chunked_array([pa.array([_text(v, factor) for v in column.to_pylist()])])
    factor = Decimal(format(factor.normalize(), "f"))
    kind = pa.decimal256(len(factor.as_tuple().digits) + 1, decimals(factor))
    wide = column.cast(pa.decimal256(_DIGITS, column.type.scale))
    product = pc.multiply(wide, pa.scalar(factor, kind))
    for scale in range(column.type.scale, product.type.scale + 1):
        with suppress(pa.ArrowInvalid):
            return product.cast(pa.decimal128(_DIGITS, scale))
    raise refused("amount-too-large", Place(name))


def _narrow(table: pa.Table) -> pa.Table:
    """Return a table whose decimals have no more digits than they need.

    Parts of other decimals make columns of more than 38 digits, which engines read as floats.
    """
    for place, column in enumerate(table.columns):
        if pa.types.is_decimal(column.type):
            scale, most = column.type.scale, pc.max(pc.abs(column)).as_py()
            digits = len(str(int(most or 0))) + scale
            if digits > _DIGITS:
                raise refused("amount-too-large", Place(table.column_names[place]))
            narrow = column.cast(pa.decimal128(digits, scale))
            table = table.set_column(place, table.column_names[place], narrow)
    return table


def _text(value: str | None, factor: Decimal) -> str | None:
    """Return a number written as text times a factor; what is none as it is."""
    try:
        return None if value is None else format(Decimal(value) * factor, "f")
    except ArithmeticError:
        return value
