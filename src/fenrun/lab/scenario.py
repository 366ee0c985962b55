"""A scenario as read from text, with every problem located."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from datetime import date
from functools import cached_property
from pathlib import Path

import yaml

from fenrun.base.problem import Place, Problem, Refused
from fenrun.base.when import OPEN_END
from fenrun.lab.scenario_text import NOBODY, AgreementText, ChosenText, ScenarioText
from fenrun.lab.variants import wrong_variants
from fenrun.plan.conditions import DATED, ConditionError, parse, walk
from fenrun.plan.refusals import content_of, read_keys
from fenrun.plan.source import Path_, Source
from fenrun.plan.vocabulary import About
from fenrun.tables.records import rows_from
from fenrun.tables.written import as_written
from fenrun.terms.read import COLUMNS, LAYOUT
from fenrun.terms.rows import Agreement

PATCHES = (
    "plans",
    "labels",
    "moves",
    "figures",
    "rates",
    "agreements",
    "won",
    "usage",
    "coupons",
    "prices",
    "shifts",
)
"""The kinds of patches, in the order in which they hold."""
_NEEDS_ONE = {
    "plans": ("file", "set"),
    "figures": ("by", "to"),
    "rates": ("by", "rate"),
    "prices": ("list", "contracted"),
}
"""Of these keys a patch has exactly one."""
_AGREED = ("agreement", "kind", "customer", "amount", "shortfall", "covers")


@dataclass(frozen=True)
class Scenario:
    """A scenario as read from text."""

    text: ScenarioText
    written: Source
    content: str
    """The text itself."""
    folder: Path
    """Where the files that it names are."""

    @property
    def id(self) -> str:
        """Its name."""
        return self.text.scenario

    @property
    def paths(self) -> list[Path_]:
        """The place of each patch, in the order in which they hold."""
        return [(kind, n) for kind in PATCHES for n in range(len(getattr(self.text, kind)))]

    @cached_property
    def assumes(self) -> list[str]:
        """The assumptions that it makes, one for each price with an elasticity."""
        return [str(one.elasticity) for one in self.text.prices if one.elasticity is not None]

    def place(self, path: Path_) -> Place:
        """Return where a path is written."""
        return self.written.place(path)

    def words(self, path: Path_) -> str:
        """Return what the patch at a path says, as it is written, on one line."""
        said = self.written.data[path[0]][path[1]]
        text: str = yaml.safe_dump(
            said, allow_unicode=True, sort_keys=False, width=10_000, default_flow_style=True
        )
        return text.strip()

    def day(self, start: date | None) -> date:
        """Return the day from which a patch holds."""
        return start or self.text.start


def load_scenario(path: Path | str) -> Scenario:
    """Read a scenario's file. Raises Refused with every problem, sorted by line."""
    path = Path(path)
    return read_scenario(content_of(path), path.name, path.parent)


def read_scenario(content: str, name: str, folder: Path = Path()) -> Scenario:
    """Read a scenario's text. Raises Refused with every problem, sorted by line."""
    text, written = read_keys(content, name, "scenario", ScenarioText)
    problems = [*written.problems, *_wrong(text, written)]
    if problems:
        raise Refused(problems)
    return Scenario(text, written, content, folder)


def _wrong(text: ScenarioText, written: Source) -> Iterator[Problem]:
    """Yield what makes a scenario say nothing, or something else than it seems to."""
    if not any(getattr(text, kind) for kind in PATCHES):
        yield Problem("scenario-empty", written.place(("scenario",)))
    for kind, keys in _NEEDS_ONE.items():
        for number, one in enumerate(written.data.get(kind) or ()):
            if len([key for key in keys if one.get(key) is not None]) != 1:
                place = written.place((kind, number))
                yield Problem("scenario-one-of", place, {"keys": ", ".join(keys)})
    for number, move in enumerate(text.moves):
        place = written.place(("moves", number))
        start = move.start or text.start
        if move.keeps is not None and move.until is None:
            yield Problem("scenario-transition", place, {"missing": "until"})
        if move.until and (move.until <= start or move.to is None):
            missing = "to" if move.to is None else f"until > {start}"
            yield Problem("scenario-transition", place, {"missing": missing})
        if move.holder == NOBODY:
            needed = ("to",) if move.of in ("customer", "party") else ("to", "parties", "issuer")
            for key in (key for key in needed if getattr(move, key) is None):
                yield Problem("scenario-transition", place, {"missing": key})
        if move.of not in ("customer", "party") and (move.where or move.spend):
            yield Problem("scenario-of-ids", place, {"of": move.of})
    yield from _wrong_agreements(text, written)
    yield from _wrong_conditions(text, written)
    yield from wrong_variants(text, written)


def agreed(patch: AgreementText, start: date) -> Agreement:
    """Return what a customer agrees to, from its own first day or that of the scenario."""
    days = patch.start or start, patch.until or OPEN_END
    blank = Agreement("", "", "", "", *days, None, "", "", None, "", 0)
    said = patch.model_dump(include={*_AGREED})
    return replace(blank, **said, currency=patch.currency or "")


def _wrong_agreements(text: ScenarioText, written: Source) -> Iterator[Problem]:
    """Yield what no file of terms may say of an agreement; conditions are looked at by others."""
    for number, patch in enumerate(text.agreements):
        made = replace(agreed(patch, text.start), covers="")
        rows = [(0, as_written(asdict(made), COLUMNS["agreements"]))]
        _, problems = rows_from({"agreements": rows}, "", LAYOUT)
        for problem in problems:
            said = {"key": problem.values["column"], "detail": problem.values["detail"]}
            yield Problem("scenario-value", written.place(("agreements", number)), said)


def _wrong_conditions(text: ScenarioText, written: Source) -> Iterator[Problem]:
    """Yield the conditions that cannot be read."""
    for kind in PATCHES:
        for number, patch in enumerate(getattr(text, kind)):
            asked: list[tuple[Path_, str | None, About]] = []
            about: About = "party" if isinstance(patch, ChosenText) else "charge"
            asked.append(((kind, number, "where"), getattr(patch, "where", None), about))
            if covers := getattr(patch, "covers", None):
                asked.append(((kind, number, "covers"), covers, "charge"))
            if chosen := getattr(patch, "customers", None):
                asked.append(((kind, number, "customers", "where"), chosen.where, "party"))
            for path, condition_, about in asked:
                if condition_ is not None:
                    yield from _wrong_condition(condition_, about, written.place(path))


def _wrong_condition(text: str, about: About, place: Place) -> Iterator[Problem]:
    try:
        tree = parse(text, about)
        if about == "party" and any(node[0] in DATED for node in walk(tree)):
            raise ConditionError(repr(text), "scenario-no-dates")
    except ConditionError as error:
        values = {"near": error.near, "detail": error.message, "known": error.known or "-"}
        yield Problem("scenario-condition", place, values)
