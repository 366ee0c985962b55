"""Close a period for good, and settle with regard to what is closed."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime, time
from decimal import Decimal
from pathlib import Path

import pyarrow.parquet as pq

from fenrun.base.ids import digest
from fenrun.base.money import plain
from fenrun.base.problem import ERROR, Place, Problem, Refused
from fenrun.base.table import from_rows, to_rows
from fenrun.base.when import Period, parse_period, show_moment
from fenrun.closing.differences import differences
from fenrun.closing.rows import Close
from fenrun.closing.sign_off import leaf_of, root_of, signed_off_rows
from fenrun.settle.facts import knowledge_time
from fenrun.settle.runs import Settled, settle_workspace
from fenrun.statement.run import Difference
from fenrun.store.facts import Store, manifest

Progress = Callable[[str], None]


def closes(store: Store) -> list[Close]:
    """The closed periods, in the order in which they were closed, each beginning where the one before ends."""
    found = []
    for act in store.log.events("closes"):
        item = store.find("closes", act.subject)
        if item:
            found.append(
                Close(
                    parse_period(item.source),
                    item.facts["run"],
                    item.known,
                    item.facts["root"],
                    item.id,
                )
            )
    return found


def settle_period(
    store: Store,
    period: Period,
    known: datetime | None = None,
    only: Sequence[str] = (),
    progress: Progress = lambda name: None,
    upto: datetime | None = None,
) -> Settled:
    """Settle a period, with regard to what is closed, by all that is known (or was, `upto` a moment).

    A closed period is as it was closed. The period after the last closed one holds the differences of all closed ones. With `known`
    (or for some plans `only`) the question is what would be so, had nothing been closed: nothing is posted. Raises Refused.
    """
    done = closes(store)
    mine = next((c for c in done if c.period == period), None)
    if known or only or not done:
        return settle_workspace(store, period, known or upto, only, progress)
    if mine:
        found = settle_workspace(store, period, mine.known, (), progress)
        return replace(found, run=replace(found.run, booked=booked(store, mine), closed=True))
    parts = [
        c.period.key
        for c in done
        if c.period.span.start < period.span.end and period.span.start < c.period.span.end
    ]
    if parts:
        raise Refused(
            [Problem("period-partly-closed", Place(period.key), {"closed": ", ".join(parts)})]
        )
    found = settle_workspace(store, period, upto, (), progress)
    if period.span.start != done[-1].period.span.end:
        return found
    return replace(
        found,
        run=replace(
            found.run, booked=tuple(due(store, done, knowledge_time(store, upto), progress))
        ),
    )


def chain_of(done: Sequence[Close]) -> list[list[str]]:
    """Period and second clock of each close up to the last: what a statement's differences rest on."""
    return [[c.period.key, show_moment(c.known)] for c in done]


def booked(store: Store, close: Close) -> tuple[Difference, ...]:
    """The differences that were posted with a close."""
    item = store.find("closes", close.id)
    return (
        tuple(to_rows(Difference, pq.read_table(item.folder / "differences.parquet")))
        if item
        else ()
    )


def due(
    store: Store, done: Sequence[Close], known: datetime, progress: Progress = lambda name: None
) -> list[Difference]:
    """The differences of all closed periods that no close has posted yet."""
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
    """Close a period: freeze its statements as they are known at a moment (by default: now), with the differences of periods closed before.

    There is no way back. With `expected` it is closed only as the run of that id. Raises Refused where it is closed already, does not follow the last closed period, has not ended, or has errors.
    """
    done, moment = closes(store), knowledge_time(store, known)
    _may_close(store, done, period, moment)
    found = settle_workspace(store, period, moment, (), progress)
    if expected and found.run_id != expected:
        raise Refused([Problem("close-changed", Place(period.key), {"by": store.actor})])
    errors = [p for p in found.run.problems if p.severity == ERROR]
    if errors:
        raise Refused(
            [Problem("close-problems", Place(period.key), {"count": len(errors)}), *errors]
        )
    run = replace(found.run, booked=tuple(due(store, done, moment, progress)), closed=True)
    progress("seal")
    chain = chain_of([*done, Close(period, "", moment, "", "")])
    leaves = {payee: leaf_of(payee, chain, rows) for payee, rows in signed_off_rows(run).items()}
    root = root_of(list(leaves.values()))
    paid = run.engine.query(
        "SELECT coalesce(sum(paid), 0) AS paid FROM payments WHERE month >= ? AND month < ?",
        [period.span.start, period.span.end],
    ).to_pylist()[0]["paid"]
    totals = {
        "paid": plain(paid),
        "differences": plain(sum((d.amount for d in run.booked if d.what == "paid"), Decimal(0))),
    }
    facts = {"run": found.run_id, "root": root, "statements": len(leaves), **totals}

    def write(folder: Path) -> None:
        pq.write_table(
            from_rows(Difference, run.booked), folder / "differences.parquet", compression="zstd"
        )
        (folder / "leaves.json").write_text(
            json.dumps(leaves, ensure_ascii=False, indent=0) + "\n", "utf-8"
        )

    def allowed() -> None:
        if [c.id for c in closes(store)] != [c.id for c in done]:
            raise Refused([Problem("close-meanwhile", Place(period.key))])

    close_id = digest("close", period.key)
    before = {
        "last closed": done[-1].period.key if done else "",
        "known": show_moment(done[-1].known) if done else "",
    }
    store.add("closes", close_id, manifest(period.key, moment, facts, ()), write, before, allowed)
    return Close(period, found.run_id, moment, root, close_id)


def _may_close(store: Store, done: Sequence[Close], period: Period, moment: datetime) -> None:
    place = Place(period.key)
    if any(
        c.period.span.start < period.span.end and period.span.start < c.period.span.end
        for c in done
    ):
        raise Refused([Problem("close-already", place)])
    problems = []
    if done and period.span.start != done[-1].period.span.end:
        problems.append(
            Problem(
                "close-order",
                place,
                {"last": done[-1].period.key, "next": done[-1].period.span.end},
            )
        )
    if moment < datetime.combine(period.span.end, time()):
        problems.append(
            Problem("close-early", place, {"end": period.last_day, "known": show_moment(moment)})
        )
    if done and moment < done[-1].known:
        problems.append(
            Problem(
                "close-known",
                place,
                {"known": show_moment(moment), "last": show_moment(done[-1].known)},
            )
        )
    if problems:
        raise Refused(problems)
