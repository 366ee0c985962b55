"""A settled period that stays open: more facts are settled for those whom they concern."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from functools import cached_property

import pyarrow as pa
import pyarrow.compute as pc

from fenrun.base.money import decimals, sums_of
from fenrun.base.when import AsOf, Period
from fenrun.book.as_codes import Book, book_of, shares_of
from fenrun.book.as_of import Sources
from fenrun.credit.stored_charges import Source, StoredCharges
from fenrun.earn.earning import has_scope, reads_all_payees
from fenrun.engine.choose import new_engine
from fenrun.engine.codes import month_number, unscaled
from fenrun.engine.dialect import NUMBER
from fenrun.engine.runner import Bulk, Runner, SQLite
from fenrun.events.receipts import counts_payments
from fenrun.plan.rows import settled_together
from fenrun.settle.decoded import load_results, results_of
from fenrun.settle.facts import Facts
from fenrun.settle.kept_months import SUMS, Tables, added_up, difference
from fenrun.settle.more_facts import Signed, all_sums, of_book, of_charges, of_fewer
from fenrun.settle.settling import Settlement, Settling, fitting
from fenrun.settle.touched import links_of_kind, texts, with_those_above, with_those_below
from fenrun.statement.run import Run
from fenrun.store.facts import Import

_OF_PAYEES = ("performance_measures", "credited_sums", "team_sums", "held_sums")
"""The sums that say whose they are."""
Earned = dict[tuple[str, str], Decimal]
"""What is earned, by payee and currency."""
_LAST_YEAR = "last year of its customers"
_EARNED = """
SELECT payee, currency, sum(earned)
FROM earnings
WHERE last_month >= ? AND last_month <= ?
GROUP BY payee, currency"""

_BY_CLAUSE = """
SELECT plan, component, payee, currency, sum(earned)
FROM earnings
WHERE last_month >= ? AND last_month <= ?
GROUP BY plan, component, payee, currency"""


@dataclass(frozen=True)
class Change:
    """A period settled with more facts, for those whom these concern."""

    facts: Facts
    period: Period
    known: datetime
    payees: frozenset[str] | None
    """Whose results may differ, nobody else's do; None: anybody's."""
    settlement: Settlement | None
    """Their results; None: all are settled anew."""

    def concerns(self, payee: str) -> bool:
        """Return whether a payee's results may differ."""
        return self.payees is None or payee in self.payees

    def earned(self) -> Earned:
        """Return what each of the payees earns in the period; who earns nothing may be missing."""
        if self.settlement is None:
            return earned_by_payee(self.run)
        span, codes = self.period.span, self.settlement.codes
        months = (month_number(span.start), month_number(self.period.last_day))
        scale = self.settlement.scales.money
        found = {
            (codes.texts[payee], codes.texts[currency]): unscaled(int(earned), scale) or Decimal(0)
            for payee, currency, earned in self.settlement.runner.rows(_EARNED, months)
        }
        return {owner: earned for owner, earned in found.items() if self.concerns(owner[0])}

    def earned_by_clause(self) -> dict[tuple[str, str, str, str], Decimal] | None:
        """Return what each of the payees earns in the period, by plan, component, payee, currency.

        None, where all are settled anew.
        """
        if self.settlement is None:
            return None
        span, texts = self.period.span, self.settlement.codes.texts
        months = (month_number(span.start), month_number(self.period.last_day))
        scale = self.settlement.scales.money
        return {
            (texts[plan], texts[component], texts[payee], texts[currency]): unscaled(
                int(earned), scale
            )
            or Decimal(0)
            for plan, component, payee, currency, earned in self.settlement.runner.rows(
                _BY_CLAUSE, months
            )
            if self.concerns(texts[payee])
        }

    @cached_property
    def run(self) -> Run:
        """The results as tables: only the rows of the payees count. Raises Refused."""
        facts = self.facts
        if self.settlement is None:
            return facts.settle(self.period, self.known)
        engine, as_of = new_engine(), AsOf(self.period.last_day, self.known)
        load_results([results_of(self.settlement)], engine)
        shown = (facts.source, lambda: facts.agreed_book)
        return Run(engine, facts.agreed_plans, self.period, as_of, (), *shown)


class Standing:
    """A settled period that stays open."""

    def __init__(self, facts: Facts, period: Period, known: datetime):
        """Settle. Raises Refused."""
        self.facts, self.period, self.known = facts, period, known
        self.run = facts.settle(period, known, inspect=self._take)

    def _take(self, settling: Settling, charges: StoredCharges) -> None:
        """Take what a settlement has measured, while its tables are there.

        Of several groups of plans that of the last: with more facts all are settled anew.
        """
        self._like, self._charges = settling, charges
        self._sums = all_sums(settling.runner)

    def with_more(self, book: Sources = (), charges: Sequence[Import] = ()) -> Change:
        """Settle with more of the book, or more charges. Raises Refused."""
        facts = self.facts
        more = replace(facts, book=[*facts.book, *book], charges=(*facts.charges, *charges))
        whole = book_of(more.agreed_book) if book else self._like.book
        return self._changed(more, self._signed(more, book, charges, whole), book, whole)

    def without(self, only: Mapping[str, str]) -> Change:
        """Settle with those rows alone of some imports that meet a condition. Raises Refused."""
        fewer = replace(self.facts, only=only)
        return self._changed(fewer, self._signed_without(fewer), (), self._like.book)

    def _changed(self, other: Facts, signed: Signed | None, book: Sources, whole: Book) -> Change:
        """Settle for those whom what is taken off the sums and put on concerns."""
        if signed is None:
            return Change(other, self.period, self.known, None, None)
        added = {
            name: difference(name, [(sign, sums[name]) for sign, sums in signed]) for name in SUMS
        }
        concerned = self._concerned(added, book, whole)
        payees = frozenset(with_those_above(whole, concerned))
        settlement = self._settle(added, whole, with_those_below(whole, payees))
        return Change(other, self.period, self.known, payees, settlement)

    # --- what changes -------------------------------------------------------------------------

    def _signed_without(self, fewer: Facts) -> Signed | None:
        """Return what is taken off the sums and put on where some charges are left out.

        None, where payees cannot be told apart, or settling all anew is less work.
        """
        like, stored = self._like, self._charges
        if not self._is_by_payee(fewer) or stored.inherits(like.crediting, like.book):
            return None
        source = replace(stored.source, only=fewer.only)
        some = stored.part(source, (stored.start, stored.end))
        return of_fewer(like, stored, some)

    def _signed(
        self, more: Facts, book: Sources, charges: Sequence[Import], whole: Book
    ) -> Signed | None:
        """Return what is taken off the sums and put on.

        None, where payees cannot be told apart, or settling all anew is less work.
        """
        like, stored = self._like, self._charges
        if not self._is_by_payee(more) or (book and charges):
            return None
        if book:
            return of_book(like, stored, (like.book, whole), book) if self._fits(book) else None
        span = (stored.start, stored.end)
        late = StoredCharges(stored.engine, Source(charges), stored.plans, stored.bases, span)
        replaced = any(item.facts.get("replaces") for item in charges)
        whole_source = replace(stored.source, imports=[*stored.source.imports, *charges], only={})
        both = stored.part(whole_source, span)
        if replaced or late.scale > stored.scale:
            return None
        inherits = both.inherits(like.crediting, like.book)
        return of_charges(like, stored, stored.part(Source(charges), span), like.book, inherits)

    def _is_by_payee(self, other: Facts) -> bool:
        """Return whether each payee's results follow from sums of its own, with other facts too."""
        like, stored = self._like, self._charges
        if len(settled_together(self.run.plans)) > 1:
            return False
        if like.crediting.reads_purchases() or stored.source.only:
            return False
        if has_scope(like.plans) or reads_all_payees(like.plans):
            return False  # payees without a sum of their own, or with a place among all
        if stored.rounds or like.crediting.rounds:
            return False  # what is rounded is not what its parts, rounded each, sum to
        if any(plan.figures for plan in like.plans) or counts_payments(like.plans):
            return False  # of the figures that are counted, the book says nothing
        return other.agreed_plans == self.facts.agreed_plans  # else an amount is used up elsewhere

    def _fits(self, added: Sources) -> bool:
        """Return whether the decimals of the settlement hold more of the book."""
        book, shares = book_of(added), self._like.shares
        more = shares_of(book)
        is_wider = more.customer > shares.customer or more.role > shares.role
        is_wider |= shares.rate is not None and more.of_rates > shares.of_rates
        figures = (decimals(amount) for amount in book.figures["amount"].to_pylist())
        most = max(figures, default=0)
        return not is_wider and more.party <= shares.party and most <= self._like.scales.measure

    def _concerned(self, added: Tables, book: Sources, whole: Book) -> set[str]:
        """Return the payees of whom something differs, by sums or by what the book says of them."""
        codes, measures = self._like.codes, self._sums["performance_measures"]
        found = {code for name in _OF_PAYEES for code in added[name]["payee"].to_pylist()}
        named = {codes.of(party) for party in _named(book)}
        if self._compares_customers:
            named |= set(added["performance_measures"]["customer"].to_pylist()) - {None}
        if named:
            about = _among(measures["customer"], named), _among(measures["unit"], named)
            found |= set(measures.filter(pc.or_(*about))["payee"].to_pylist())
        return {codes.texts[code] for code in found | named}

    @cached_property
    def _compares_customers(self) -> bool:
        """True if what one payee earns is compared with what others had of its customers."""
        components = (c for plan in self._like.plans for c in plan.components)
        return any(c.compare == _LAST_YEAR for c in components)

    # --- settling for some --------------------------------------------------------------------

    def _settle(self, added: Tables, whole: Book, payees: Set[str]) -> Settlement:
        """Settle for some payees, from their sums with what is added to these."""
        like = self._like
        sums = self._sums_of({like.codes.of(payee) for payee in payees}, added)
        book = self._part_of_book(whole, payees, sums["performance_measures"])

        def settle(runner: Runner) -> Settlement:
            some = Settling(runner, like.plans, like.period, book, like.cost_scale, like=like)
            some.refuse_large([_size(sums, name, like) for name in _OF_PAYEES])
            problems = some.load_book()
            some.load_plans()
            for name in SUMS:
                runner.load_table(name, sums[name])
            # No plan reads it, or all would be settled anew.
            runner.load("customer_since", {"customer": NUMBER, "day": NUMBER}, [])
            some.earn()
            some.pay()
            some.run_statements()
            return some.settled(problems)

        return fitting([SQLite, Bulk], settle)

    def _sums_of(self, payees: Set[int], added: Tables) -> dict[str, pa.Table]:
        """Return the sums of some payees, with what is added; those of nobody are left out."""
        found = {name: table.slice(0, 0) for name, table in added.items()}
        for name in _OF_PAYEES:
            both = pa.concat_tables([self._sums[name], added[name]])
            found[name] = added_up(name, [(1, both.filter(self._meant(name, both, payees)))])
        return found

    def _meant(self, name: str, table: pa.Table, payees: Set[int]) -> pa.ChunkedArray:
        """Return which rows are of some payees, or of customers that they are compared with."""
        mine = _among(table["payee"], payees)
        if name != "performance_measures" or not self._compares_customers:
            return mine
        customers = set(table.filter(mine)["customer"].to_pylist()) - {None}
        return pc.or_(mine, _among(table["customer"], customers))

    def _part_of_book(self, book: Book, payees: Set[str], measures: pa.Table) -> Book:
        """Return what a book says of payees, of their customers, and of those below them."""
        codes = self._like.codes
        about = (measures[name].unique().to_pylist() for name in ("customer", "unit"))
        names = {codes.texts[code] for found in about for code in found if code is not None}
        parties, mine = texts(names | payees), texts(payees)
        links = links_of_kind(book.links, "party")
        return Book(
            book.parties.slice(0, 0),
            links.filter(pc.is_in(links["subject"], mine)),
            book.labels.filter(pc.is_in(book.labels["party"], parties)),
            book.figures.filter(pc.is_in(book.figures["party"], parties)),
            book.rates,
        )


def earned_by_payee(run: Run) -> Earned:
    """Return what each payee earns in a run's period, by currency."""
    found = run.engine.rows("SELECT payee, plan_id, earned FROM statements")
    currency_of = run.currency_of
    return sums_of(((row["payee"], currency_of[row["plan_id"]]), row["earned"]) for row in found)


def _named(book: Sources) -> set[str]:
    """Return the parties of whom sources say a label or a figure, or a role of another party."""
    found: set[str] = set()
    for _, _, tables in book:
        for name in ("labels", "figures"):
            if name in tables:
                found.update(tables[name]["party"].to_pylist())
        if "links" in tables:
            links = links_of_kind(tables["links"], "party")
            found.update(links["subject"].to_pylist(), links["party"].to_pylist())
    return found


def _size(sums: Tables, name: str, like: Settling) -> Decimal:
    """Return the sum of amounts of one table without their signs."""
    whole = pc.sum(pc.abs(sums[name]["amount"])).as_py()
    scale = like.scales.measure if name == "performance_measures" else like.scales.credit
    return unscaled(int(whole or 0), scale) or Decimal(0)


def _among(column: pa.ChunkedArray, codes: Set[int]) -> pa.ChunkedArray:
    return pc.is_in(column, pa.array(sorted(codes), pa.int64()))
