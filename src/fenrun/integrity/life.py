"""The life of a case: what people decided about it, in the log of the workspace.

A case is open until somebody explains or confirms it; each step has a reason, and may name an owner
and a day by which more is due. What was decided is counted and shown, and tunes no check.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime

from fenrun.base.ids import digest
from fenrun.base.problem import Place, refused
from fenrun.base.when import show_moment
from fenrun.store.facts import Store

KIND = "cases"
"""The kind of the events in the log."""
OPEN, EXPLAINED, CONFIRMED, SANCTIONED, CLOSED = (
    "open",
    "explained",
    "confirmed",
    "sanctioned",
    "closed",
)
_NEXT: Mapping[str, Sequence[str]] = {
    OPEN: (EXPLAINED, CONFIRMED),
    EXPLAINED: (OPEN, CLOSED),
    CONFIRMED: (EXPLAINED, SANCTIONED, CLOSED),
    SANCTIONED: (CLOSED,),
    CLOSED: (OPEN,),
}
STATES = tuple(_NEXT)


@dataclass(frozen=True)
class Decision:
    """A step in the life of a case."""

    case: str
    state: str
    reason: str
    owner: str = ""
    due: str = ""
    """The day by which more is due; empty for none."""
    at: str = ""
    """When it was decided (UTC)."""
    actor: str = ""


def decide(
    store: Store, case: str, state: str, reason: str, known: datetime, owner: str, due: date | None
) -> None:
    """Enter a step of a case in the log; the same state again changes owner and day.

    Raises Refused for a step that leads nowhere from where the case is.
    """
    with store.log.writing() as log:
        steps = lives(store).get(case, ())
        last = steps[-1] if steps else Decision(case, OPEN, "")
        if state != last.state and state not in _NEXT[last.state]:
            values = {"case": case, "state": last.state, "asked": state}
            steps_on = ", ".join(_NEXT[last.state])
            raise refused("case-step", Place(store.path.name), **values, possible=steps_on)
        after = {"case": case, "state": state, "owner": owner or last.owner}
        after["due"] = str(due) if due else last.due
        log.add(
            at=store.time(known),
            actor=store.code(store.actor),
            act="decide case",
            kind=KIND,
            subject=digest(KIND, case, len(steps)),
            reason=reason,
            before={"state": last.state},
            after={"source": case, "known": show_moment(known), "files": {}, **after},
        )


def next_states(state: str) -> Sequence[str]:
    """Return the states that a case in a state can come into; the same again is no step."""
    return _NEXT[state]


def lives(store: Store) -> Mapping[str, Sequence[Decision]]:
    """Return the steps of each case that people decided about, in their order."""
    found: dict[str, list[Decision]] = {}
    for event in store.log.events(KIND):
        said = event.facts()
        who = {"at": event.at, "actor": event.actor, "reason": event.reason}
        what = {name: said[name] for name in ("case", "state", "owner", "due")}
        found.setdefault(said["case"], []).append(Decision(**what, **who))
    return found


def confirmed_of(lived: Iterable[Sequence[Decision]], scheme: str) -> tuple[int, int]:
    """Return how many cases of a scheme were confirmed, of how many explained or confirmed."""
    verdicts = []
    for steps in lived:
        said = [step.state for step in steps if step.state in (EXPLAINED, CONFIRMED)]
        if said and steps[0].case.startswith(f"{scheme}-"):
            verdicts.append(said[-1] == CONFIRMED)
    return sum(verdicts), len(verdicts)
