"""Close a period for good, and settle with regard to what is closed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime, time, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from fenrun.base.ids import digest
from fenrun.base.money import plain, sums_of
from fenrun.base.problem import ERROR, Place, Problem, Refused, refused
from fenrun.base.table import from_rows, read_parquet, to_rows
from fenrun.base.when import Period, parse_day, parse_moment, parse_period, show_moment
from fenrun.closing.differences import Amounts, differences, recorded_amounts
from fenrun.closing.keys import enter_key, refuse_lost_key
from fenrun.closing.rows import Close
from fenrun.closing.sign_off import (
    hashes_of,
    leaves_text,
    root_of,
    salted_leaves,
    signed_off_rows,
)
from fenrun.settle.facts import facts_as_of, in_force, knowledge_time
from fenrun.settle.inspection import Inspection
from fenrun.settle.results import ENGINE_VERSION, LINE_CUSTOMERS
from fenrun.settle.runs import Settled, run_as_kept, settle_for_good, settle_workspace
from fenrun.statement.run import Difference, Run, by_currency, paid_in_all
from fenrun.store.audit_log import Writer
from fenrun.store.facts import FACTS, Store, manifest, verified

Progress = Callable[[str], None]
_CUSTOMERS = f"{LINE_CUSTOMERS.name}.parquet"
_PAID = """
SELECT plan_id, sum(paid) AS paid FROM payments
WHERE month >= ? AND month < ?
GROUP BY plan_id"""


def closes(store: Store) -> list[Close]:
    """Return the closed periods in order, each beginning where the one before ends."""
    found = ((event, store.find("closes", event.subject)) for event in store.log.events("closes"))
    return [
        Close(
            period=parse_period(item.source),
            run=item.facts["run"],
            known=item.known,
            at=parse_moment(event.at),
            root=item.facts["root"],
            id=item.id,
        )
        for event, item in found
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
    without_charges: bool = False,
) -> Settled:
    """Settle a period, with regard to what is closed, by all that is known (or was, `upto` then).

    A closed period is as it was closed: its tables are read, whatever this version would make of
    its facts. The period after the last closed one holds the differences
    of all closed ones. With `known` (or for some plans `only`) the question is what would be so,
    had nothing been closed: nothing is booked. An `inspection` is of the period alone, not of the
    differences. Raises Refused.
    """
    done = closes(store)
    if known or only or not done:
        asked = (period, known or upto, only, progress, inspection, without_charges)
        return settle_workspace(store, *asked)
    own = next((close for close in done if close.period == period), None)
    if own:
        return closed_run(store, own)
    closed = [close.period.key for close in done if _overlap(close.period, period)]
    if closed:
        place = Place(period.key)
        raise refused("period-partly-closed", place, closed=", ".join(closed))
    found = settle_workspace(store, period, upto, (), progress, inspection, without_charges)
    if period.span.start != done[-1].period.span.end:
        return found
    late = due(store, done, knowledge_time(store, upto), progress)
    return replace(found, run=replace(found.run, booked=tuple(late)))


def closed_run(store: Store, close: Close) -> Settled:
    """Return a closed period as it was closed. Raises Refused where its run is gone."""
    found = run_as_kept(store, close.run, close.period, close.known)
    if found is None:
        seq = store.log.events("closes", close.id)[0].seq
        raise refused("stored-edited", Place(f"runs/{close.run}"), seq=seq)
    item = store.find("closes", close.id)
    if item and (item.folder / _CUSTOMERS).exists():  # not of what earlier versions closed
        verified([item])
        found.run.engine.load_file(LINE_CUSTOMERS.name, item.folder / _CUSTOMERS)
    return replace(found, run=replace(found.run, booked=booked(store, close), closed_at=close.at))


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
    verified([item])
    return tuple(to_rows(Difference, read_parquet(item.folder / "differences.parquet")))


def due(
    store: Store,
    done: Sequence[Close],
    known: datetime,
    progress: Progress = lambda name: None,
    for_good: bool = False,
) -> list[Difference]:
    """Return the differences of all closed periods that no close has booked yet.

    What stood before is what was closed, with what was booked since. `for_good`, nothing that is
    kept of months counts.
    """
    if not done:
        return []
    whole = parse_period(f"{done[0].period.months[0]}/{done[-1].period.months[-1]}")

    def recorded() -> Amounts:
        return recorded_amounts(closed_run(store, close).run for close in done)

    return differences(store, whole, done[-1].known, known, progress, recorded, for_good)


def close(
    store: Store,
    period: Period,
    known: datetime | None = None,
    progress: Progress = lambda name: None,
    expected: str = "",
    first: bool = False,
    without_charges: bool = False,
) -> Close:
    """Close a period: freeze its statements as known at a moment (by default: now).

    With them go the differences of periods closed before. There is no way back. With `expected` it
    is closed only as the run of that id; the `first` of all may leave out what comes before it, and
    one may be `without_charges`.
    Raises Refused where it is closed already, does not follow the last closed period, has not
    ended, or has errors, where its signing key is lost, and where facts or closes come in between.
    """
    done, moment = closes(store), knowledge_time(store, known)
    facts_then = _facts_known(store, moment)
    refuse_out_of_order(store, period, moment, first)
    refuse_lost_key(store)
    found = settle_for_good(store, period, moment, progress, without_charges)
    if expected and found.run_id != expected:
        raise refused("close-changed", Place(period.key), by=store.actor)
    _check_errors(found)
    late = due(store, done, moment, progress, for_good=True)
    run = replace(found.run, booked=tuple(late), closed_at=store.time(moment))
    progress("sign off")
    chain = [*chain_of(done), [period.key, show_moment(moment)]]
    leaves = salted_leaves(chain, signed_off_rows(run))
    root = root_of(hashes_of(leaves))
    facts: dict[str, Any] = {"run": found.run_id, "engine": ENGINE_VERSION, "root": root}
    facts |= {"statements": len(leaves), **_totals(run)}

    def write(folder: Path) -> None:
        table = from_rows(Difference, run.booked)
        pq.write_table(table, folder / "differences.parquet", compression="zstd")
        (folder / "leaves.json").write_text(leaves_text(leaves), "utf-8")
        customers = run.engine.query(f"FROM {LINE_CUSTOMERS.name} ORDER BY ALL")
        pq.write_table(customers, folder / _CUSTOMERS, compression="zstd")

    def check_unchanged(log: Writer) -> None:
        if [close.id for close in closes(store)] != [close.id for close in done]:
            raise refused("close-meanwhile", Place(period.key))
        more = _facts_known(store, moment).items() - facts_then.items()
        if more:
            sources = ", ".join(sorted(source for _, source in more))
            raise refused("close-facts-meanwhile", Place(period.key), sources=sources)
        enter_key(store, log)

    close_id = digest("close", period.key)
    before = {
        "last closed": done[-1].period.key if done else "",
        "known": show_moment(done[-1].known) if done else "",
    }
    item = manifest(period.key, moment, facts, ())
    store.add("closes", close_id, item, write, before, check_unchanged)
    (event,) = store.log.events("closes", close_id)
    return Close(period, found.run_id, moment, parse_moment(event.at), root, close_id)


def _facts_known(store: Store, known: datetime) -> dict[str, str]:
    """Return the source of each import that was known by a moment, by its id."""
    events = (event for kind in FACTS for event in store.log.events(kind))
    said = ((event.subject, event.facts()) for event in events)
    return {id_: facts["source"] for id_, facts in said if parse_moment(facts["known"]) <= known}


def _totals(run: Run) -> dict[str, Any]:
    """Return what the period pays, and what its booked differences pay, as exact text.

    In its first currency, and in each other.
    """
    span = run.period.span
    rows = run.engine.rows(_PAID, [span.start, span.end])
    paid = sums_of((run.currency_of[row["plan_id"]], row["paid"]) for row in rows)
    booked, none = paid_in_all(run.booked), Decimal(0)
    return by_currency(
        run.currencies,
        lambda currency: {
            "paid": plain(paid.get(currency, none)),
            "differences": plain(booked.get(currency, none)),
        },
    )


def _check_errors(found: Settled) -> None:
    """Raise Refused where the run has errors."""
    run = found.run
    errors = [problem for problem in run.problems if problem.severity == ERROR]
    if errors:
        place = Place(run.period.key)
        raise Refused([Problem("close-problems", place, {"count": len(errors)}), *errors])


def refuse_out_of_order(
    store: Store, period: Period, moment: datetime, first: bool = False
) -> None:
    """Raise Refused where the period is not the next to close, or the moment is too early.

    The `first` of all may have months before it that have charges and a plan in force.
    """
    done, place = closes(store), Place(period.key)
    if any(_overlap(close.period, period) for close in done):
        raise refused("close-already", place)
    problems = []
    if done and period.span.start != done[-1].period.span.end:
        values = {"last": done[-1].period.key, "next": done[-1].period.span.end}
        problems.append(Problem("close-order", place, values))
    if not done and not first and (earliest := earliest_before(store, period, moment)):
        problems.append(Problem("close-first", place, {"earliest": earliest}))
    if moment < datetime.combine(period.span.end, time()):
        values = {"end": period.last_day, "known": show_moment(moment)}
        problems.append(Problem("close-early", place, values))
    if done and moment < done[-1].known:
        values = {"known": show_moment(moment), "last": show_moment(done[-1].known)}
        problems.append(Problem("close-known", place, values))
    if problems:
        raise Refused(problems)


def earliest_before(store: Store, period: Period, moment: datetime) -> str:
    """Return the first month before a period that has charges and a plan in force, or nothing."""
    facts = facts_as_of(store, moment)
    billed = [item.facts["first_billed"] for item in facts.charges if item.facts["first_billed"]]
    # What is billed from the last day of a month on is of the next one.
    first = min((str(parse_day(day) + timedelta(days=1))[:7] for day in billed), default="9999")
    last = str(period.span.start - timedelta(days=1))[:7]
    if first > last:
        return ""
    months = [first] if first == last else parse_period(f"{first}/{last}").months
    return next((m for m in months if in_force(facts.plans, parse_period(m))), "")
