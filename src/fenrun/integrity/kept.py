"""Findings that are kept: what the checks found in some months, and the queue that they make.

A record rests on the facts, the plans and the checks themselves: the same of all these is not
looked for again. What people decide is no part of it, but goes with the case from one record to
the next, also where more facts give the case another first day or one party more.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from datetime import date, datetime
from decimal import Decimal
from functools import cache, lru_cache
from importlib import resources
from pathlib import Path
from typing import Any

from fenrun.base.ids import digest, short
from fenrun.base.money import plain
from fenrun.base.problem import Place, refused
from fenrun.base.when import Period, show_moment
from fenrun.integrity.examine import examine
from fenrun.integrity.findings import (
    Case,
    Checked,
    Contradicted,
    Evidence,
    Findings,
    Month,
    PayDifference,
)
from fenrun.integrity.life import Decision, confirmed_of, lives
from fenrun.integrity.merging import are_one
from fenrun.settle.facts import knowledge_time
from fenrun.settle.results import ENGINE_VERSION
from fenrun.store.facts import Import, Store, manifest, verified

KIND = "findings"
_FACTS = ("charges", "book", "terms", "events", "policies", "plans")
_FILE = "findings.json"
_TUPLES = ("parties", "customers", "orders")
_PLAIN = ("check", "scheme", "kind", "p", "q", "currency", "clause", "charges")


def findings_of(
    store: Store,
    period: Period,
    known: datetime | None = None,
    progress: Callable[[str], None] = lambda name: None,
) -> Findings:
    """Return what the checks find in a period, as known at a moment or as last known.

    It is kept in the workspace, or taken up where it is kept, with what people decided. Raises
    Refused for files that were edited.
    """
    moment = knowledge_time(store, known)
    content_id = _id_of(store, period, moment)
    item = store.find(KIND, content_id)
    if item is None:
        keep(store, period, moment, examine(store, period, moment, progress))
        item = store.find(KIND, content_id)
        assert item
    return _with_decisions(store, _read(item))


def keep(store: Store, period: Period, known: datetime, found: Findings) -> None:
    """Keep what the checks found in a period by all that was known at a moment."""
    text, said = _as_text(found), manifest(period.key, known, {"cases": len(found.cases)}, ())
    content_id = _id_of(store, period, known)
    store.add(KIND, content_id, said, lambda folder: _write(folder, text))


def queue_of(store: Store) -> Findings | None:
    """Return the cases of all records, each as it was last found; None where nobody has looked.

    A case that a later look at the same months does not find any more is left out, unless people
    have decided about it. Raises Refused for records that were edited.
    """
    records = _records(store)
    if not records:
        return None
    decided = _decided_cases(records, lives(store))
    found: list[Case] = []
    for number, record in enumerate(records):
        later = records[:number]
        for case in _named(record.cases, decided):
            if any(_is_same(case, other) for other in found):
                continue
            is_gone = any(one.start <= case.start and case.end <= one.end for one in later)
            if not is_gone or case.id in decided:
                found.append(replace(case, is_found=not is_gone))
    found.sort(key=lambda case: (-case.amount, case.id))
    start, end = min(one.start for one in records), max(one.end for one in records)
    last = records[0]
    whole = Findings(start, end, last.checks, found, last.record, last.contradicted)
    return _with_decisions(store, whole)


def find_case(store: Store, name: str) -> Case | None:
    """Return a case of the queue by its name. Raises Refused for records that were edited."""
    queue = queue_of(store)
    return next((case for case in queue.cases if case.id == name), None) if queue else None


def ask_for_case(
    store: Store,
    period: Period,
    name: str,
    progress: Callable[[str], None] = lambda name: None,
) -> None:
    """Refuse the name of a case that the checks do not find in a period, as last known."""
    if all(case.id != name for case in findings_of(store, period, None, progress).cases):
        raise refused("case-unknown", Place(store.path.name), case=name, months=period.key)


# --- what a record rests on -------------------------------------------------------------------


def _id_of(store: Store, period: Period, known: datetime) -> str:
    """Return the id of a record: equal for equal facts, under equal plans, by equal checks."""
    facts = [
        (item.id, show_moment(item.known)) for kind in _FACTS for item in store.imports(kind, known)
    ]
    # A plan's tables may be in force from a day on that it was published before.
    return digest(KIND, ENGINE_VERSION, _checks_digest(), period.key, facts, known.date())


@cache
def _checks_digest() -> str:
    """Return the digest of the checks' own text: others may find otherwise."""
    room = resources.files("fenrun.integrity")
    folders = (room, room.joinpath("checks"))
    files = (file for folder in folders for file in folder.iterdir())
    texts = {f.name: f.read_text("utf-8") for f in files if f.name.endswith((".py", ".sql"))}
    return digest(texts)


# --- records ----------------------------------------------------------------------------------


def _records(store: Store) -> list[Findings]:
    """Return all records, the last one first."""
    items = store.imports_between(KIND, datetime.min, datetime.max)
    return [_read(item) for item in sorted(items, key=lambda item: -item.seq)]


def _read(item: Import) -> Findings:
    verified([item])
    return _read_once(item.folder, item.id)


@lru_cache(maxsize=32)
def _read_once(folder: Path, content_id: str) -> Findings:
    """Read a record, or take up what was read of it: nothing changes it."""
    said = json.loads((folder / _FILE).read_text("utf-8"))
    return Findings(
        date.fromisoformat(said["from"]),
        date.fromisoformat(said["to"]),
        tuple(Checked(**{**one, "skipped": tuple(one["skipped"])}) for one in said["checks"]),
        tuple(map(_case_from, said["cases"])),
        short(content_id),
        tuple(
            Contradicted(plan, currency, Decimal(amount), charges, tuple(accounts))
            for plan, currency, amount, charges, accounts in said.get("contradicted", ())
        ),
    )


def _write(folder: Path, text: str) -> None:
    (folder / _FILE).write_text(text, "utf-8")


def _as_text(found: Findings) -> str:
    said = {
        "from": str(found.start),
        "to": str(found.end),
        "checks": [asdict(one) for one in found.checks],
        "cases": [_case_as_kept(case) for case in found.cases],
        "contradicted": [
            (one.plan, one.currency, plain(one.amount), one.charges, one.accounts)
            for one in found.contradicted
        ],
    }
    return json.dumps(said, ensure_ascii=False, indent=1, default=str) + "\n"


def _case_as_kept(case: Case) -> dict[str, Any]:
    """Return a case as it is kept: with its evidence and amounts, without the rows of charges."""
    return {
        **{name: getattr(case, name) for name in (*_PLAIN, *_TUPLES)},
        "from": str(case.start),
        "to": str(case.end),
        "amount": plain(case.amount),
        "evidence": [(row.what, row.table, row.key) for row in case.evidence],
        "pays": [
            (one.payee, one.currency, one.clause, plain(one.earned), plain(one.without))
            for one in case.pays
        ],
        "months": [
            (one.month, one.currency, plain(one.of_case), plain(one.of_customers))
            for one in case.months
        ],
    }


def _case_from(said: Mapping[str, Any]) -> Case:
    same: dict[str, Any] = {name: said[name] for name in _PLAIN}
    same |= {name: tuple(said[name]) for name in _TUPLES}
    return Case(
        **same,
        start=date.fromisoformat(said["from"]),
        end=date.fromisoformat(said["to"]),
        amount=Decimal(said["amount"]),
        evidence=tuple(Evidence(*row) for row in said["evidence"]),
        pays=tuple(PayDifference(*row[:3], *map(Decimal, row[3:])) for row in said["pays"]),
        months=tuple(Month(*row[:2], *map(Decimal, row[2:])) for row in said["months"]),
        rows={},
        groups=(),
        sales=(),
        shows="",
        diverted={},
    )


# --- what people decided ----------------------------------------------------------------------


def _with_decisions(store: Store, found: Findings) -> Findings:
    """Return findings with the last decision about each case, and how many of those were right."""
    lived = lives(store)
    cases = [
        replace(case, decision=lived[case.id][-1]) if case.id in lived else case
        for case in _named(found.cases, _decided_cases(_records(store), lived))
    ]
    verdicts = {one.scheme: confirmed_of(lived.values(), one.scheme) for one in found.checks}
    checks = [
        replace(one, confirmed=verdicts[one.scheme][0], decided=verdicts[one.scheme][1])
        for one in found.checks
    ]
    return replace(found, checks=checks, cases=cases)


def _decided_cases(
    records: Iterable[Findings], lived: Mapping[str, Sequence[Decision]]
) -> Mapping[str, Case]:
    """Return the cases that people decided about, as they were last found, by their names."""
    found: dict[str, Case] = {}
    if lived:
        for record in records:
            for case in record.cases:
                if case.id in lived:
                    found.setdefault(case.id, case)
    return found


def _named(cases: Sequence[Case], decided: Mapping[str, Case]) -> Iterator[Case]:
    """Yield cases, each under the name under which people have decided about it, if they have.

    No name goes to two of them: the case of the largest amount comes first.
    """
    left = {name: case for name, case in decided.items() if name not in {c.id for c in cases}}
    for case in cases:
        same = [name for name, other in left.items() if _is_same(case, other)]
        if case.id not in decided and same:
            del left[same[0]]
            case = replace(case, name=same[0])
        yield case


def _is_same(case: Case, other: Case) -> bool:
    return case.id == other.id or (case.check == other.check and are_one(case, other))
