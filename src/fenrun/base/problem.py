"""Problems are rows: a code, where, what, why and how to fix it. All at once, sorted by place.

The codes and their words, in both languages, stand in the `problems.yaml` of the room that finds
them.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from typing import Any

from fenrun.base.words import Message, catalogue, filled

ERROR, WARNING, NOTE = "error", "warning", "note"
_CATALOGUE = "problems.yaml"


@dataclass(frozen=True)
class Place:
    """A file or table, and a row or line in it."""

    source: str
    """File name, plan id or table."""
    row: int = 0
    """Line of a text, or row of a table as a spreadsheet counts (the header is 1); 0: none."""
    column: str = ""
    """Column or key."""

    def __str__(self) -> str:
        return ":".join(str(part) for part in (self.source, self.row or "", self.column) if part)


@dataclass(frozen=True)
class Problem:
    """One problem. `values` fill the sentences of its code.

    A message under `also_why` or `also_fix` is a further sentence, which holds of this case only.
    """

    code: str
    place: Place
    values: dict[str, Any] = field(default_factory=dict)
    also: tuple[Place, ...] = ()
    """Further places that take part, such as the other of two rules that clash."""
    rows: int = 1
    """How many rows show it; `place` is the first."""

    def __post_init__(self) -> None:
        if self.code not in catalogue(_CATALOGUE):
            raise KeyError(self.code)

    @property
    def severity(self) -> str:
        """`error`: left out or refused. `warning`: kept, but check it. `note`: good to know."""
        return str(catalogue(_CATALOGUE)[self.code]["severity"])

    def words(self, part: str, lang: str = "en") -> str:
        """Return the sentence `what`, `why` or `fix`."""
        said = filled(catalogue(_CATALOGUE)[self.code][part][lang], lang, self.values, "?")
        also = self.values.get(f"also_{part}")
        if not isinstance(also, Message):
            return said
        return said + ("" if lang == "zh-CN" else " ") + also.words(lang)

    def as_json(self, lang: str = "en") -> dict[str, Any]:
        """Return the problem as a JSON-ready mapping."""
        return {
            "code": self.code,
            "severity": self.severity,
            "place": asdict(self.place),
            "also": [asdict(p) for p in self.also],
            "rows": self.rows,
            "what": self.words("what", lang),
            "why": self.words("why", lang),
            "fix": self.words("fix", lang),
        }


class Refused(Exception):
    """Something cannot be taken at all. Carries every problem that was found."""

    def __init__(self, problems: Iterable[Problem]):
        self.problems = in_order(problems)
        super().__init__("; ".join(f"{p.place}: {p.words('what')}" for p in self.problems))

    def __reduce__(self) -> tuple[type[Refused], tuple[list[Problem]]]:
        """Let another process be told of the problems, not of their words alone."""
        return Refused, (self.problems,)


def refused(code: str, place: Place, **values: Any) -> Refused:
    """Return what to raise for a single problem."""
    return Refused([Problem(code, place, values)])


def read_problem(said: dict[str, Any]) -> Problem:
    """Read a problem from its stored form, which `dataclasses.asdict` makes.

    Raises KeyError or TypeError for another form.
    """
    values = {key: _read_value(value) for key, value in said["values"].items()}
    also = tuple(Place(**place) for place in said["also"])
    return Problem(said["code"], Place(**said["place"]), values, also, said["rows"])


def _read_value(value: Any) -> Any:
    """Read a value of a problem from its stored form: a nested message is one again."""
    if isinstance(value, dict) and value.keys() == {"key", "values"}:
        return Message(value["key"], {k: _read_value(v) for k, v in value["values"].items()})
    return value


def in_order(problems: Iterable[Problem]) -> list[Problem]:
    """Sort problems by place, then code."""
    return sorted(
        problems, key=lambda p: (p.place.source, p.place.row, p.place.column, p.code, str(p.values))
    )


def has_errors(problems: Iterable[Problem]) -> bool:
    """Return whether any of the problems is an error."""
    return any(p.severity == ERROR for p in problems)
