"""Measuring a period month by month: what is kept is read, what changed a little is brought up."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pyarrow as pa

from fenrun.base.ids import digest
from fenrun.book.as_codes import book_of
from fenrun.book.as_of import Sources
from fenrun.credit.crediting import STEPS, Crediting
from fenrun.credit.stored_charges import GROUP_STEPS, StoredCharges
from fenrun.engine.codes import Codes, month_of
from fenrun.engine.dialect import AMOUNT as WIDE
from fenrun.engine.dialect import NUMBER, TEXT
from fenrun.settle import kept_months
from fenrun.settle.kept_months import (
    AMOUNT,
    CODE,
    IF_ASKED,
    SUMS,
    WORD,
    KeptMonth,
    KeptMonths,
    Tables,
    added_up,
    by_month,
    of_month,
    source_id,
)
from fenrun.settle.more_facts import Signed, all_sums, of_book, of_charges
from fenrun.settle.results import ENGINE_VERSION
from fenrun.settle.settling import Settling

_TYPES = {CODE: NUMBER, kept_months.NUMBER: NUMBER, WORD: TEXT, AMOUNT: WIDE}


class Months:
    """The months of a settlement, some of which are kept."""

    def __init__(
        self, settling: Settling, kept: KeptMonths, charges: StoredCharges, sources: Sources
    ):
        self.settling, self.kept, self.charges, self.sources = settling, kept, charges, sources
        self.book = tuple(source_id(*source) for source in sources)
        self.inherits = charges.inherits(settling.crediting, settling.book)
        self.measured_by = _key_of_measures(settling, self.inherits)

    def measure(self) -> None:
        """Make the sums of all months in the settlement's runner. Raises Refused."""
        months = self.charges.months()
        if self._is_apart():
            given = {month: self._kept(month) for month in months}
            missing = [month for month, sums in given.items() if sums is None]
            given |= self._brought_up(missing)
        else:
            given, missing = {}, months
        left = [month for month in missing if given.get(month) is None]
        self._measure(left)
        self._append([sums for month, sums in given.items() if sums is not None])

    def _is_apart(self) -> bool:
        """Return whether each month can be measured by itself."""
        return not (self.settling.crediting.reads_purchases() or self.charges.source.only)

    def _month(self, month: int) -> KeptMonth:
        """Return what a month is kept as."""
        items = [item.id for item in self.charges.source.imports]
        charges = items if self.inherits else self.charges.imports_of(month)
        first, end = self.settling.crediting.asked
        return KeptMonth(month, tuple(sorted(charges)), self.book, first <= month < end)

    def _kept(self, month: int) -> dict[str, pa.Table] | None:
        wanted = self._month(month)
        for one in self.kept.of(self.measured_by, month):
            is_same = (one.charges, one.book) == (wanted.charges, wanted.book)
            if is_same and one.is_asked >= wanted.is_asked:
                return self._read(one, wanted.is_asked)
        return None

    def _read(self, one: KeptMonth, is_asked: bool) -> dict[str, pa.Table] | None:
        """Return the sums of a month that is kept; some of them only where it is asked for."""
        sums = self.kept.read(self.measured_by, one, self.settling.codes)
        if sums is None or is_asked:
            return sums
        return {name: sums[name].slice(0, 0) if name in IF_ASKED else sums[name] for name in SUMS}

    # --- measuring ----------------------------------------------------------------------------

    def _measure(self, months: Sequence[int]) -> None:
        """Make the sums of months from their charges, and keep them."""
        runner = self.settling.runner
        if not months:
            for name, columns in SUMS.items():
                runner.load(name, {column: _TYPES[how] for column, how in columns.items()}, [])
            # No plan reads it, or each month would not be apart.
            runner.load("customer_since", {"customer": NUMBER, "day": NUMBER}, [])
            return
        # All between the first and the last, which are mostly the same.
        span = (month_of(months[0]), month_of(months[-1] + 1))
        whole = self.charges if self.inherits else self.charges.part(self.charges.source, span)
        self.settling.measure(whole)
        if self._is_apart():
            self._keep(months, all_sums(runner))
        if len(months) <= months[-1] - months[0] or self.inherits:
            self._leave(months)

    def _leave(self, months: Sequence[int]) -> None:
        """Leave only the sums of some months in the runner: others are kept."""
        sums = all_sums(self.settling.runner)
        for name in SUMS:
            parts = [of_month({name: sums[name]}, month)[name] for month in months]
            self.settling.runner.load_table(name, pa.concat_tables(parts))

    def _keep(self, months: Sequence[int], sums: Tables) -> None:
        parts = zip(map(self._month, months), by_month(sums, months))
        self.kept.keep(self.measured_by, parts, self.settling.codes)

    def _append(self, given: Sequence[Tables]) -> None:
        """Add the sums of other months to those in the runner."""
        if given:
            for name in SUMS:
                rows = pa.concat_tables([sums[name] for sums in given])
                self.settling.runner.append(name, rows)

    # --- bringing up --------------------------------------------------------------------------

    def _brought_up(self, months: Sequence[int]) -> dict[int, dict[str, pa.Table]]:
        """Return the sums of months of which somewhat less was known when they were kept.

        What the accounts that are touched gave then is taken off, what they give now is put on.
        None, where that would be more work than measuring.
        """
        before = {month: self._before(month) for month in months}
        found = [one for one in before.values() if one is not None]
        if not found or len(found) < len(months) or len({one.book for one in found}) > 1:
            return {}
        change = self._change(found)
        if change is None:
            return {}
        brought = {}
        for month, one in zip(months, found):
            sums = self._read(one, self._month(month).is_asked)
            if sums is None:
                return {}
            parts = [(1, sums), *((sign, of_month(part, month)) for sign, part in change)]
            brought[month] = {
                name: added_up(name, [(sign, part[name]) for sign, part in parts]) for name in SUMS
            }
            self._keep([month], brought[month])
        return brought

    def _before(self, month: int) -> KeptMonth | None:
        """Return what is kept of a month with fewer charges, or with less of the book."""
        wanted, found = self._month(month), []
        for one in self.kept.of(self.measured_by, month):
            fewer = one.book == wanted.book and set(one.charges) < set(wanted.charges)
            less = one.charges == wanted.charges and set(one.book) < set(wanted.book)
            if (less or fewer) and one.is_asked >= wanted.is_asked:
                found.append(one)
        return max(found, key=lambda one: (len(one.charges), len(one.book)), default=None)

    def _change(self, before: Sequence[KeptMonth]) -> Signed | None:
        """Return what is taken off and put on, in all months together."""
        settling, months = self.settling, [one.month for one in before]
        span = (month_of(months[0]), month_of(months[-1] + 1))
        if before[0].book == self.book:
            there = {content for one in before for content in one.charges}
            if any(there & set(self._month(one.month).charges) != {*one.charges} for one in before):
                return None  # one month lacks what another has
            if self.inherits:
                span = (self.charges.start, self.charges.end)
            imports = self.charges.source.imports
            parts = (
                [i for i in imports if (i.id in there) == is_there] for is_there in (True, False)
            )
            source = self.charges.source
            known, late = (
                self.charges.part(replace(source, imports=part, only={}), span) for part in parts
            )
            return of_charges(settling, known, late, settling.book, self.inherits)
        pairs = list(zip(self.book, self.sources))
        old = book_of([source for content, source in pairs if content in before[0].book])
        new = [source for content, source in pairs if content not in before[0].book]
        whole = self.charges if self.inherits else self.charges.part(self.charges.source, span)
        return of_book(settling, whole, (old, settling.book), new)


def _key_of_measures(settling: Settling, inherits: bool) -> str:
    """Return the digest of all that the sums of a month follow from, besides charges and book.

    That is the text of the steps and what fills it, with codes of the plans alone.
    """
    crediting = settling.crediting
    lift = crediting.to_measure
    plain = Crediting(settling.plans, settling.period, Codes(), settling.shares, lift)
    filled: dict[str, Any] = plain.fragments()
    for name in ("asked_from", "asked_to"):
        del filled[name]
    return digest(
        ENGINE_VERSION,
        [step.sql for step in (*GROUP_STEPS, *STEPS)],
        filled,
        [*plain.table_rows()],
        [(plan.conditions, plan.exclusions, plan.columns) for plan in settling.plans],
        [(plain.bases, plain.units, plain.leaves.charge), plain.codes.texts, inherits],
        [(plan.common_terms, plan.terms[0].basis) for plan in settling.plans],
        (settling.cost_scale, settling.scales.measure),
    )
