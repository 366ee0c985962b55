"""Close a period for good, and settle with regard to what is closed."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime, time
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from fenrun.base.ids import digest
from fenrun.base.money import plain
from fenrun.base.problem import ERROR, Place, Problem, Refused, refused
from fenrun.base.table import from_rows, read_parquet, to_rows
from fenrun.base.when import Period, parse_period, show_moment
from fenrun.closing.differences import differences
from fenrun.closing.rows import Close
from fenrun.closing.sign_off import leaf_of, root_of, signed_off_rows
from fenrun.settle.facts import knowledge_time
from fenrun.settle.inspection import Inspection
from fenrun.settle.runs import Settled, settle_workspace
from fenrun.statement.run import Difference, Run, paid_in_all
from fenrun.store.facts import Store, manifest

Progress = Callable[[str], None]
_PAID = "SELECT coalesce(sum(paid), 0) AS paid FROM payments WHERE month >= ? AND month < ?"


def closes(store: Store) -> list[Close]:
    """Return the closed periods in order, each beginning where the one before ends."""
    items = [store.find("closes", event.subject) for event in store.log.events("closes")]
    return [
        Close(
            period=parse_period(item.source),
            run=item.facts["run"],
            known=item.known,
            root=item.facts["root"],
            id=item.id,
        )
        for item in items
        if item
    ]


def settle_period(
    store: Store,
    period: Period,
    known: datetime | None = None,
    only: Sequence[str] = (),
    progress: Progress = lambda name: None,
    upto: datetime | None = None,
    inspection: Inspection | None = None,
) -> Settled:
    """Settle a period, with regard to what is closed, by all that is known (or was, `upto` then).

    A closed period is as it was closed. The period after the last closed one holds the differences
    of all closed ones. With `known` (or for some plans `only`) the question is what would be so,
    had nothing been closed: nothing is booked. An `inspection` is of the period alone, not of the
    differences. Raises Refused.
    """
    done = closes(store)
    if known or only or not done:
        return settle_workspace(store, period, known or upto, only, progress, inspection)
    own = next((close for close in done if close.period == period), None)
    if own:
        found = settle_workspace(store, period, own.known, (), progress, inspection)
        return replace(found, run=replace(found.run, booked=booked(store, own), closed=True))
    closed = [close.period.key for close in done if _overlap(close.period, period)]
    if closed:
        place = Place(period.key)
        raise refused("period-partly-closed", place, closed=", ".join(closed))
    found = settle_workspace(store, period, upto, (), progress, inspection)
    if period.span.start != done[-1].period.span.end:
        return found
    late = due(store, done, knowledge_time(store, upto), progress)
    return replace(found, run=replace(found.run, booked=tuple(late)))


def _overlap(one: Period, other: Period) -> bool:
    return one.span.start < other.span.end and other.span.start < one.span.end


def chain_of(done: Sequence[Close]) -> list[list[str]]:
    """Return period and knowledge time of each close: what a statement's differences rest on."""
    return [[close.period.key, show_moment(close.known)] for close in done]


def booked(store: Store, close: Close) -> tuple[Difference, ...]:
    """Return the differences that were booked with a close."""
    item = store.find("closes", close.id)
    if not item:
        return ()
    store.verified([item])
    return tuple(to_rows(Difference, read_parquet(item.folder / "differences.parquet")))


def due(
    store: Store, done: Sequence[Close], known: datetime, progress: Progress = lambda name: None
) -> list[Difference]:
    """Return the differences of all closed periods that no close has booked yet."""
    if not done:
        return []
    whole = parse_period(f"{done[0].period.months[0]}/{done[-1].period.months[-1]}")
    return differences(store, whole, done[-1].known, known, progress)


def close(
    store: Store,
    period: Period,
    known: datetime | None = None,
    progress: Progress = lambda name: None,
    expected: str = "",
) -> Close:
    """Close a period: freeze its statements as known at a moment (by default: now).

    With them go the differences of periods closed before. There is no way back. With `expected` it
    is closed only as the run of that id. Raises Refused where it is closed already, does not follow
    the last closed period, has not ended, or has errors.
    """
    done, moment = closes(store), knowledge_time(store, known)
    _check_order(done, period, moment)
    found = settle_workspace(store, period, moment, (), progress)
    if expected and found.run_id != expected:
        raise refused("close-changed", Place(period.key), by=store.actor)
    _check_errors(found)
    late = due(store, done, moment, progress)
    run = replace(found.run, booked=tuple(late), closed=True)
    progress("sign off")
    chain = chain_of([*done, Close(period, "", moment, "", "")])
    leaves = {payee: leaf_of(payee, chain, rows) for payee, rows in signed_off_rows(run).items()}
    root = root_of(list(leaves.values()))
    facts = {"run": found.run_id, "root": root, "statements": len(leaves), **_totals(run)}

    def write(folder: Path) -> None:
        table = from_rows(Difference, run.booked)
        pq.write_table(table, folder / "differences.parquet", compression="zstd")
        text = json.dumps(leaves, ensure_ascii=False, indent=0) + "\n"
        (folder / "leaves.json").write_text(text, "utf-8")

    def check_unchanged() -> None:
        if [close.id for close in closes(store)] != [close.id for close in done]:
            raise refused("close-meanwhile", Place(period.key))

    close_id = digest("close", period.key)
    before = {
        "last closed": done[-1].period.key if done else "",
        "known": show_moment(done[-1].known) if done else "",
    }
    item = manifest(period.key, moment, facts, ())
    store.add("closes", close_id, item, write, before, check_unchanged)
    return Close(period, found.run_id, moment, root, close_id)


def _totals(run: Run) -> dict[str, Any]:
    """Return what the period pays, and what its booked differences pay, as exact text."""
    span = run.period.span
    (row,) = run.engine.query(_PAID, [span.start, span.end]).to_pylist()
    paid: Decimal = row["paid"]
    return {"paid": plain(paid), "differences": plain(paid_in_all(run.booked))}


def _check_errors(found: Settled) -> None:
    """Raise Refused where the run has errors."""
    run = found.run
    errors = [problem for problem in run.problems if problem.severity == ERROR]
    if errors:
        place = Place(run.period.key)
        raise Refused([Problem("close-problems", place, {"count": len(errors)}), *errors])


def _check_order(done: Sequence[Close], period: Period, moment: datetime) -> None:
    """Raise Refused where the period is not the next to close, or the moment is too early."""
    place = Place(period.key)
    if any(_overlap(close.period, period) for close in done):
        raise refused("close-already", place)
    problems = []
    if done and period.span.start != done[-1].period.span.end:
        values = {"last": done[-1].period.key, "next": done[-1].period.span.end}
        problems.append(Problem("close-order", place, values))
    if moment < datetime.combine(period.span.end, time()):
        values = {"end": period.last_day, "known": show_moment(moment)}
        problems.append(Problem("close-early", place, values))
    if done and moment < done[-1].known:
        values = {"known": show_moment(moment), "last": show_moment(done[-1].known)}
        problems.append(Problem("close-known", place, values))
    if problems:
        raise Refused(problems)
