"""The facts of a workspace as a scenario has them: nothing of it enters the workspace."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa

from fenrun.base.problem import Place, Problem, Refused, in_order, refused
from fenrun.base.table import from_rows
from fenrun.base.when import Period
from fenrun.book.as_of import Sources
from fenrun.book.rows import TABLES
from fenrun.engine.choose import new_engine
from fenrun.engine.codes import Codes
from fenrun.lab.book_patch import BookPatch
from fenrun.lab.charge_patch import ChargePatch
from fenrun.lab.chosen import BookRows, Chooser
from fenrun.lab.plan_patch import patched_plan
from fenrun.lab.scenario import Scenario, agreed
from fenrun.plan.read import PlanFile, plan_as_of
from fenrun.plan.source import Path_
from fenrun.settle.facts import Facts, facts_as_of, in_force, knowledge_time, plans_as_of
from fenrun.settle.kept_months import KeptMonth, KeptMonths, Tables
from fenrun.settle.pipeline import spend
from fenrun.statement.run import Run
from fenrun.store.facts import Import, Store
from fenrun.terms.rows import TABLES as TERMS
from fenrun.terms.rows import Agreement

_OF_BOOK = ("labels", "moves", "figures", "rates", "won")
_OF_CHARGES = ("won", "usage", "coupons", "prices", "shifts")


class _ReadMonths(KeptMonths):
    """The months that a workspace keeps, to which a scenario adds none."""

    def keep(
        self, measured_by: str, months: Iterable[tuple[KeptMonth, Tables]], codes: Codes
    ) -> None:
        """Keep nothing: a scenario leaves no trace in a workspace."""


class SomeMonths(KeptMonths):
    """The months that a workspace keeps, and beside them others in a folder of its own."""

    def __init__(self, folder: Path, beside: KeptMonths | None):
        super().__init__(folder)
        self.beside = beside

    def of(self, measured_by: str, month: int) -> list[KeptMonth]:
        """Return what is kept of a month, measured in that way, here or there."""
        there = self.beside.of(measured_by, month) if self.beside else []
        return [*super().of(measured_by, month), *there]

    def read(self, measured_by: str, one: KeptMonth, codes: Codes) -> dict[str, pa.Table] | None:
        """Return the sums of a month as codes, or None where they are gone, damaged or edited."""
        found = super().read(measured_by, one, codes)
        return self.beside.read(measured_by, one, codes) if found is None and self.beside else found


@dataclass(frozen=True)
class Patched:
    """The facts of a scenario, and the rows, plans and charges by which they differ."""

    facts: Facts
    book: BookRows
    """The book; its changed rows are the scenario's."""
    plans: Mapping[str, PlanFile]
    """The plans that are otherwise, by their ids."""
    agreements: tuple[Agreement, ...]
    """The agreements that it adds to the terms."""
    charges: tuple[Import, ...]
    """The imports of charges that stand in for others."""
    problems: tuple[Problem, ...]


class Lab:
    """A workspace as known at a moment, to be asked what would happen in a period."""

    def __init__(self, store: Store, period: Period, known: datetime | None = None):
        """Take up the facts; nothing is settled yet."""
        self.store, self.period = store, period
        self.known = knowledge_time(store, known)
        facts = facts_as_of(store, self.known)
        kept = _ReadMonths(facts.kept.folder) if facts.kept else None
        self.facts = replace(facts, kept=kept)
        self.files = {file.plan.id: file for file in plans_as_of(store, self.known)}
        self.chooser = Chooser(self.facts.book, self.spend)

    def spend(self, months: Period) -> dict[str, Decimal]:
        """Return what is charged to each customer in some months. Raises Refused.

        In the cost and currency of the plans: where these differ, nobody can say in which.
        """
        plans = in_force(self.facts.agreed_plans, self.period)
        said = {(p.terms[0].basis, p.currency, p.terms[0].timezone) for p in plans}
        if len(said) != 1:
            values = {"plans": ", ".join(sorted(plan.id for plan in plans)) or "-"}
            raise Refused([Problem("scenario-spend", Place(self.period.key), values)])
        return spend(new_engine(), self.facts.source, self.facts.agreed_book, plans[0], months)

    def spent(self, facts: Facts) -> tuple[Decimal, ...]:
        """Return what is charged to each customer in the period, largest first.

        In the cost and currency of the first of its plans.
        """
        plans = in_force(facts.agreed_plans, self.period)
        found = spend(new_engine(), facts.source, facts.agreed_book, plans[0], self.period)
        return tuple(sorted(found.values(), reverse=True))

    def settle(self, facts: Facts) -> Run:
        """Settle facts of the period. Raises Refused where there is no plan."""
        plans = in_force(facts.plans, self.period)
        if not plans:
            raise refused("plan-missing", Place(str(self.store.path)), period=self.period.key)
        return replace(facts, plans=plans).settle(self.period, self.known)

    @contextmanager
    def patched(
        self, scenario: Scenario, paths: Sequence[Path_] | None = None
    ) -> Iterator[Patched]:
        """Yield the facts of a scenario, or of some of its patches; its files are gone after.

        Raises Refused.
        """
        paths = scenario.paths if paths is None else paths
        book = self.chooser.book.as_known()
        of_book = BookPatch(scenario, self.chooser, book)
        for path in paths:
            if path[0] in _OF_BOOK:
                of_book.apply(path)
        plans = self._plans(scenario, [path for path in paths if path[0] == "plans"])
        with tempfile.TemporaryDirectory(prefix="fenrun-lab-") as scratch:
            day = self.known.date()
            counting = [
                plan_as_of(plans[plan.id].plan, day) if plan.id in plans else plan
                for plan in self.facts.plans
            ]
            of_charges = ChargePatch(scenario, self.chooser, counting, Path(scratch) / "store")
            mine = [path for path in paths if path[0] in _OF_CHARGES]
            charges = of_charges.apply(self.store, self.known, self.facts.charges, mine)
            agreements = self._agreements(scenario, [p for p in paths if p[0] == "agreements"])
            later = self._sources(scenario, book.changed, TABLES)
            agreed = {"agreements": dict(enumerate(agreements))}
            facts = replace(
                self.facts,
                book=[*self.facts.book, *later],
                terms=self._with(self.facts.terms, self._sources(scenario, agreed, TERMS)),
                charges=charges,
                plans=tuple(counting),
            )
            new = tuple(item for item in charges if item not in self.facts.charges)
            problems = in_order([*of_book.problems, *of_charges.problems])
            yield Patched(facts, book, plans, agreements, new, tuple(problems))

    def _plans(self, scenario: Scenario, paths: Sequence[Path_]) -> dict[str, PlanFile]:
        """Return the plans that patches change, by id. Raises Refused."""
        found: dict[str, PlanFile] = {}
        for path in paths:
            plan_id = scenario.text.plans[int(path[1])].plan
            file = found.get(plan_id) or self.file(scenario, path)
            found[plan_id] = patched_plan(file, scenario, path)
        return found

    def file(self, scenario: Scenario, path: Path_) -> PlanFile:
        """Return the plan that a patch is about, as it is. Raises Refused where there is none."""
        plan_id = scenario.text.plans[int(path[1])].plan
        if plan_id not in self.files:
            values = {"plan": plan_id, "known": ", ".join(sorted(self.files)) or "-"}
            raise Refused([Problem("scenario-no-plan", scenario.place(path), values)])
        return self.files[plan_id]

    def _agreements(self, scenario: Scenario, paths: Sequence[Path_]) -> tuple[Agreement, ...]:
        """Return what customers agree to. Raises Refused for one that the book does not list."""
        listed = {row.party for row in self.chooser.book.of("parties")}
        found = []
        for path in paths:
            patch = scenario.text.agreements[int(path[1])]
            if patch.customer not in listed:
                values = {"party": patch.customer}
                raise Refused([Problem("scenario-party", scenario.place(path), values)])
            found.append(agreed(patch, scenario.text.start))
        return tuple(found)

    def _with(self, sources: Sources, more: Sources) -> Sources:
        """Return sources with more of them; without more none is read."""
        return [*sources, *more] if more else sources

    def _sources(
        self,
        scenario: Scenario,
        changed: Mapping[str, Mapping[Any, Any]],
        types: Mapping[str, type[Any]],
    ) -> Sources:
        """Return the rows of tables that a scenario changes: known after all others."""
        tables = {
            name: from_rows(types[name], list(rows.values()))
            for name, rows in changed.items()
            if rows
        }
        there = [*self.facts.book, *(self.facts.terms if types is TERMS and tables else ())]
        last = max((known for _, known, _ in there), default=self.known)
        later = max(last, self.known) + timedelta(seconds=1)
        return [(scenario.written.name, later, tables)] if tables else []
