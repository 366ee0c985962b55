"""The facts a settlement reads: all that a workspace knew at a moment, and their problems."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from functools import cached_property, lru_cache, partial
from typing import overload

import pyarrow as pa

from fenrun.base.ids import short
from fenrun.base.problem import Place, Problem, in_order
from fenrun.base.when import OPEN_END, AsOf, Period, add_months, period_of
from fenrun.book.as_of import Sources, sources_of
from fenrun.book.checks import problems_of
from fenrun.book.in_words import KnownBook
from fenrun.charges.merged import merge_months
from fenrun.credit.crediting import bases_of, costs_of
from fenrun.credit.stored_charges import Source, billed_in
from fenrun.earn.calendar import charged
from fenrun.engine.choose import new_engine
from fenrun.engine.duckdb import DuckDB
from fenrun.engine.runner import Runner
from fenrun.events.as_of import events_of
from fenrun.events.consents import as_labels, asks_consent, with_consents
from fenrun.events.receipts import counts_payments, paid_figures, payment_problems
from fenrun.plan.read import PlanFile, plan_as_of, read_plan
from fenrun.plan.rows import Component, Plan
from fenrun.settle.deciding_terms import sources_read
from fenrun.settle.deliveries import QUARANTINE_CODES, amounts, settled_quarantine, undecided
from fenrun.settle.kept_months import KeptMonths
from fenrun.settle.pipeline import Inspect, earn, settle, spend
from fenrun.settle.unlinked import unlinked_accounts
from fenrun.settle.unread_roles import mistyped_roles
from fenrun.settle.unread_rows import OF_TABLES, is_corrected
from fenrun.settle.used_up import stored_cuts
from fenrun.statement.run import ALL_DECIMALS, Rounding, Run
from fenrun.store.facts import FACTS, Import, Imported, Store, verified
from fenrun.terms.as_of import problems_of as problems_of_terms
from fenrun.terms.as_of import terms_of
from fenrun.terms.derived_figures import Spend, derived_figures, uncounted
from fenrun.terms.in_plans import in_plan, tables_read
from fenrun.terms.rows import TABLES as TERMS
from fenrun.terms.used_up import Cuts

_Source = tuple[str, datetime, dict[str, pa.Table]]


class SourcesRead(Sequence[_Source]):
    """The tables of some imports, read when they are first asked for: few plans do."""

    def __init__(self, imports: Sequence[Import]):
        self._imports = imports

    @cached_property
    def _sources(self) -> Sources:
        return sources_of(verified(self._imports))

    @overload
    def __getitem__(self, place: int) -> _Source: ...
    @overload
    def __getitem__(self, place: slice) -> Sequence[_Source]: ...
    def __getitem__(self, place: int | slice) -> _Source | Sequence[_Source]:
        return self._sources[place]

    def __len__(self) -> int:
        return len(self._imports)


"""The kinds of imports that hold tables of dated facts."""
_WITH_AMOUNTS = {"approvals", "coupons"}
"""The tables of terms whose amounts charges use up."""
_BEFORE_ALL = datetime(1970, 1, 1)
"""The knowledge time of a workspace that knows nothing."""


def plans_as_of(store: Store, known: datetime) -> list[PlanFile]:
    """Return the plans as last known by then: of each plan id the latest text."""
    latest = {item.facts["plan"]: item for item in store.imports("plans", known)}
    items = verified(latest[plan_id] for plan_id in sorted(latest))
    return [plan_of(item) for item in items]


def plan_of(item: Import) -> PlanFile:
    """Return the plan that an import holds."""
    return _read_once((item.folder / "plan.yaml").read_text("utf-8"), item.source)


@lru_cache(maxsize=64)
def _read_once(content: str, source: str) -> PlanFile:
    """Read a plan, or take up what was read of the same text: nobody changes that."""
    return read_plan(content, source)


@dataclass(frozen=True)
class Facts:
    """The facts of a settlement: all of a workspace that was known at a moment, or a part of it."""

    charges: tuple[Import, ...]
    book: Sources
    plans: tuple[Plan, ...]
    only: Mapping[str, str] = field(default_factory=dict)
    """Of some imports of charges, by id, the condition on those rows that are meant."""
    kept: KeptMonths | None = None
    """Where months are kept from one settlement to the next."""
    terms: Sources = ()
    events: Sources = ()
    rounding: Rounding = ALL_DECIMALS
    """On how many decimals the whole was settled of which these are a part."""

    @property
    def source(self) -> Source:
        """The charges as they are read: where months are kept, what is merged of them may be."""
        return Source(self.charges, self.only, merged=self.kept is not None)

    @cached_property
    def agreed_plans(self) -> tuple[Plan, ...]:
        """The plans with what terms and events say in the place of what they ask of these."""
        return with_terms(self.plans, self.terms, self.events, self.cuts)

    def cuts(self, plan: Plan) -> Cuts:
        """Return where charges use up the amounts of approvals and coupons."""
        return stored_cuts(self.source, self.book, plan, terms_of(self.terms))

    @cached_property
    def agreed_book(self) -> Sources:
        """The book with what plans ask of events."""
        return [*self.book, *as_labels(self.plans, self.events)]

    def settle(
        self,
        period: Period,
        known: datetime,
        progress: Callable[[str], None] = lambda name: None,
        engine: DuckDB | None = None,
        make: Callable[[], Runner] | None = None,
        inspect: Inspect = lambda settling, charges: None,
        by_customer: bool = False,
    ) -> Run:
        """Settle the period over these facts, in the engine given or a new one (see FENRUN_ENGINE).

        No run is kept; `make`, `inspect` and `by_customer` are those of the pipeline. Raises
        Refused.
        """
        engine = engine or new_engine()
        as_of = AsOf(period.last_day, known)
        sources = {short(item.id): item.source for item in self.charges}
        self.merge_files(period)
        facts = (engine, self.source, self.agreed_book, self.agreed_plans, period, as_of)
        more = (inspect, by_customer, self.figures(period), self.rounding)
        run = settle(*facts, progress, sources, make, self.kept, *more)
        mistyped = mistyped_roles(self.plans, self.book, period.span)
        problems = in_order([*run.problems, *self._problems_of_terms(), *mistyped])
        terms = partial(sources_read, self.plans, self.terms)
        return replace(run, problems=tuple(problems), terms=terms, cuts=self.cuts)

    def merge_files(self, period: Period) -> None:
        """Merge the files of months that the period reads and that have many, if months are kept.

        Raises Refused for files that were edited.
        """
        if self.kept:
            months = charged(self.plans, period)
            merge_months(billed_in(self.charges, months), self._holders)

    def _holders(self) -> dict[tuple[str, str], str]:
        """Return to whom the customers of accounts are credited, as far as links say it plainly."""
        links = [tables["links"] for *_, tables in self.book if "links" in tables]
        columns = ("of_kind", "issuer", "subject", "party")
        rows = [row for one in links for row in zip(*(one[n].to_pylist() for n in columns))]
        held = {subject: party for kind, _, subject, party in rows if kind == "customer"}
        return {
            (issuer, subject): held.get(party, "")
            for kind, issuer, subject, party in rows
            if kind == "account"
        }

    def figures(self, period: Period) -> Sources:
        """Return the figures that the plans count, as far as a period needs them."""

        def of_charges(plan: Plan, months: Period) -> dict[str, Decimal]:
            return spend(new_engine(), self.source, self.agreed_book, plan, months)

        return figures_derived(self.agreed_plans, self.terms, self.events, period, of_charges)

    def _problems_of_terms(self) -> list[Problem]:
        """Return what is wrong with those of the terms and payments that the plans read."""
        tables = tables_read(self.plans)
        if not tables:
            return payment_problems(self.plans, self.events)
        found = terms_of(self.terms)
        read = replace(found, **{name: () for name in TERMS if name not in tables})
        return [
            *problems_of_terms(read, listed_parties(self.book)),
            *uncounted(self.plans, read, self.book),
            *payment_problems(self.plans, self.events),
        ]

    def earn(self, period: Period, known: datetime, result: str = "earnings") -> Run:
        """Settle the period up to a result of earning, the only table of the run. Raises Refused.

        That is `earnings`, or `earned_sums`.
        """
        as_of = AsOf(period.last_day, known)
        facts = (new_engine(), self.source, self.agreed_book, self.agreed_plans, period, as_of)
        return earn(*facts, self.kept, result, self.figures(period))


def facts_as_of(store: Store, known: datetime) -> Facts:
    """Return all that was known at the moment, under the plans as they were then."""
    charges = tuple(store.imports("charges", known))
    book = sources_of(verified(store.imports("book", known)))
    plans = tuple(plan_as_of(file.plan, known.date()) for file in plans_as_of(store, known))
    terms, events = (SourcesRead(store.imports(kind, known)) for kind in ("terms", "events"))
    return Facts(charges, book, plans, kept=kept_months(store), terms=terms, events=events)


def terms_read(store: Store, plans: Sequence[Plan], known: datetime) -> tuple[Import, ...]:
    """Return the imports of terms known at a moment, if some of the plans read any."""
    return tuple(store.imports("terms", known)) if tables_read(plans) else ()


def events_read(store: Store, plans: Sequence[Plan], known: datetime) -> tuple[Import, ...]:
    """Return the imports of events known at a moment, if some of the plans read any."""
    is_read = asks_consent(plans) or counts_payments(plans)
    return tuple(store.imports("events", known)) if is_read else ()


def with_terms(
    plans: Sequence[Plan],
    terms: Sources,
    events: Sources = (),
    cuts: Callable[[Plan], Cuts] = lambda plan: {},
) -> tuple[Plan, ...]:
    """Return plans with what terms and events say in the place of what they ask of these.

    `cuts` tells where charges use up amounts, by the days of a plan.
    """
    plans = tuple(with_consents(plan, events) for plan in plans)
    if not tables_read(plans):
        return plans
    found = terms_of(terms)
    return tuple(
        in_plan(plan, found, cuts(plan) if tables_read([plan]) & _WITH_AMOUNTS else {})
        for plan in plans
    )


def kept_months(store: Store) -> KeptMonths:
    """Return where a workspace keeps the sums of months: with its other caches."""
    return KeptMonths(store.path / "cache")


def in_force(plans: Sequence[Plan], period: Period) -> tuple[Plan, ...]:
    """Return those of the plans that are in force in the period, or have ended and still pay.

    A plan that says how it pays does so for ever; another to the end of what began under it, with
    its clawbacks and ceilings.
    """
    return tuple(
        plan
        for plan in plans
        if plan.terms[0].valid_from < period.span.end
        and (plan.pay or period.span.start < _end_of_pay(plan))
    )


def _end_of_pay(plan: Plan) -> date:
    """Return the first day after all that a plan pays.

    That is the last period that begins under it, and the months in which something of it can still
    be taken back.
    """
    end = plan.terms[0].valid_to
    if end >= OPEN_END:
        return end
    calendars = {component.calendar for component in plan.components}
    calendars |= {group.calendar for group in plan.groups if group.calendar}
    last_day = end - timedelta(days=1)
    last = max([end, *(_period_in(calendar, last_day).span.end for calendar in calendars)])
    windows = [_clawback_months(c) for c in plan.components]
    return OPEN_END if None in windows else add_months(last, max(filter(None, windows), default=0))


def _clawback_months(c: Component) -> int | None:
    """Return within how many months of its end what a component paid can be taken back.

    None: at any time, since a label can begin the window.
    """
    if c.clawback_from == "label":
        return None
    return c.clawback_span if c.clawback_unit == "month" else c.clawback_span // 28 + 1


def _period_in(calendar: str, day: date) -> Period:
    """Return the period of a calendar that holds the day.

    A calendar is written `3@1`: periods of three months, counted from January.
    """
    months, year_starts = calendar.split("@")
    return period_of(day, int(months), int(year_starts))


def knowledge_time(store: Store, known: datetime | None) -> datetime:
    """Return the moment asked for, else the last at which anything became known."""
    return known or store.last_knowledge_time() or _BEFORE_ALL


def known_book(store: Store, known: datetime | None = None) -> KnownBook:
    """Return the book as known at a moment, or as last known. Raises Refused for edited files."""
    return KnownBook(sources_of(verified(store.imports("book", known))))


def check_workspace(store: Store, known: datetime | None = None) -> list[Problem]:
    """Return every problem of the imports: of each file, and of book, terms and events as a whole.

    What was mended is none any more, and of rows that were kept aside and are left out by decision
    it is only said how many there are. With them go the files that are not what was
    written.
    """
    moment = knowledge_time(store, known)
    imports = [item for kind in FACTS for item in store.imports(kind, moment)]
    if edited := store.edited():
        return in_order([problem for item in imports for problem in item.problems] + edited)
    settled = settled_quarantine(imports)
    problems = [
        problem
        for item in imports
        if not _is_mended(item, imports)
        for problem in item.problems
        if item.id not in settled or problem.code not in QUARANTINE_CODES
    ]
    problems += undecided(store, moment)
    problems += _without_basis(imports, [file.plan for file in plans_as_of(store, moment)])
    book, terms, events = (
        sources_of(item for item in imports if item.kind == kind) for kind in OF_TABLES
    )
    listed = listed_parties(book)
    first_come = any(file.plan.terms[0].first_come for file in plans_as_of(store, moment))
    problems += unlinked_accounts([item for item in imports if item.kind == "charges"], book)
    problems += mistyped_roles([file.plan for file in plans_as_of(store, moment)], book)
    problems += problems_of(book, first_come) + problems_of_terms(terms_of(terms), listed)
    problems += [problem for one in events_of(events).values() for problem in one.problems]
    problems += payment_problems([file.plan for file in plans_as_of(store, moment)], events)
    return in_order(problems)


def mistyped_roles_of(store: Store, known: datetime, done: Sequence[Imported]) -> list[Problem]:
    """Return the roles that look like one that plans read, where a book or plan was imported."""
    new = {one.id for one in done if one.new}
    books = store.imports("book", known)
    if not new.intersection(item.id for item in (*books, *store.imports("plans", known))):
        return []
    plans = [file.plan for file in plans_as_of(store, known)]
    return list(mistyped_roles(plans, sources_of(verified(books))))


def _without_basis(imports: Iterable[Import], plans: Sequence[Plan]) -> Iterator[Problem]:
    """Yield each import in which charges bill something and have no cost on which plans count."""
    used = {column for basis in bases_of(plans) for column in costs_of(basis)}
    for item in imports:
        for column, said in item.facts.get("nothing", {}).items():
            if column in used:
                values = {"column": column, "rows": said["rows"], "amount": amounts(said["billed"])}
                yield Problem("basis-nothing", Place(item.source, 0, column), values)


def figures_derived(
    plans: Sequence[Plan], terms: Sources, events: Sources, period: Period, spend_of: Spend
) -> Sources:
    """Return the figures that plans count, as far as a period needs them."""
    paid = paid_figures(plans, events, period.span.end)
    if not any(plan.figures for plan in plans):
        return paid
    first, _ = charged(plans, period)
    found = derived_figures(plans, terms_of(terms), first, period.span.end, spend_of)
    return [*found, *paid]


def listed_parties(book: Sources) -> set[str]:
    """Return the parties that a book lists."""
    parties = (tables["parties"]["party"] for _, _, tables in book if "parties" in tables)
    return {party for column in parties for party in column.to_pylist()}


def _is_mended(item: Import, imports: Sequence[Import]) -> bool:
    """Return whether a later import is the same plan, or the same file of tables, corrected."""
    if item.kind == "plans" and item.problems:
        later = (other for other in imports if other.kind == item.kind and other.seq > item.seq)
        return any(other.facts["plan"] == item.facts["plan"] for other in later)
    return bool(item.problems) and item.kind in OF_TABLES and is_corrected(item, imports)
