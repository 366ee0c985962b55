"""Deliveries: what came, what replaced what, what is kept aside; decisions by two people."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import transaction

from fenrun.base.ids import short
from fenrun.base.problem import Place, Problem, Refused
from fenrun.charges.delivered import months_of
from fenrun.charges.mendable import MendableRow
from fenrun.portal import models
from fenrun.portal.access import authority
from fenrun.portal.alone import alone
from fenrun.portal.commands.imports import next_moment
from fenrun.portal.commands.reasons import stated
from fenrun.portal.events import code_of, enter_events, now, record_event
from fenrun.portal.request_queue import outside_queue
from fenrun.settle import mending
from fenrun.settle.deliveries import Decision, amounts, decide, decided, quarantined_rows, undecided
from fenrun.store.audit_log import Event
from fenrun.store.facts import DELIVERED, Import, Imported, Store

_DB = "default"
IN_FORCE, REPLACED, VOID = "in-force", "replaced", "void"


@dataclass(frozen=True)
class Delivery:
    """An import of charges, or of another dataset, as it stands."""

    item: Import
    state: str
    """IN_FORCE, REPLACED or VOID."""
    by: str
    """Id of the import that took its place, if one did."""
    event: Event
    """By which it came."""
    quarantined: int = 0
    """Rows that are kept aside."""
    billed_quarantined: Mapping[str, str] | None = None
    """What they bill by currency, as exact text."""

    @property
    def id(self) -> str:
        """Its id in short."""
        return short(self.item.id)

    @property
    def quarantined_amount(self) -> str:
        """The amount that the rows kept aside bill, as it is shown."""
        return amounts(self.billed_quarantined or {})

    @property
    def months(self) -> str:
        """The months that it bills; nothing where it bills none."""
        return months_of(self.item.facts) if self.item.facts.get("first_billed") else ""

    @property
    def source(self) -> str:
        """Name of its source, as sources.yaml has it; nothing where it is of none."""
        return str(self.item.facts.get("delivered", {}).get("source", ""))


@dataclass(frozen=True)
class Entry:
    """An entry of a delivery's history: that it came, or a decision about it."""

    what: str
    """came, void, replaces, adds or leave-out."""
    other: str
    """Id in short of the other import, if there is one."""
    event: Event


def deliveries(store: Store) -> list[Delivery]:
    """Return all imports of charges and other datasets, the last ones first."""
    items, decisions = _everything(store), _decisions(store)
    gone = dict(_replaced(items, decisions))
    events = {event.subject: event for kind in DELIVERED for event in store.log.events(kind)}
    in_force = [item for item in items if item.id not in gone]
    rows = {
        item.id: (count, billed) for item, count, billed in quarantined_rows(in_force, in_force)
    }
    found = [
        Delivery(
            item,
            *gone.get(item.id, (IN_FORCE, "")),
            events[item.id],
            *rows.get(item.id, (0, None)),
        )
        for item in items
    ]
    return sorted(found, key=lambda one: -one.item.seq)


def find_delivery(store: Store, name: str) -> Delivery | None:
    """Return the delivery of an id, or of one in short."""
    return next((one for one in deliveries(store) if name in one.item.names[1:]), None)


def _everything(store: Store) -> list[Import]:
    return [i for k in DELIVERED for i in store.imports_between(k, datetime.min, datetime.max)]


def _decisions(store: Store) -> list[Import]:
    return store.imports("deliveries")


def _replaced(
    items: Sequence[Import], decisions: Sequence[Import]
) -> Iterator[tuple[str, tuple[str, str]]]:
    """Yield each import that is no longer in force: how, and by which other."""
    for one in items:
        for gone in one.facts.get("replaces", ()):
            yield gone, (REPLACED, short(one.id))
    for one in decisions:
        of, replaces = one.facts["of"], one.facts.get("replaces", ())
        for gone in replaces:
            yield gone, (VOID, "") if of in replaces else (REPLACED, short(of))


def history_of(store: Store, delivery: Delivery) -> list[Entry]:
    """Return how a delivery came, and what was decided about it, in order."""
    found = [Entry("came", "", delivery.event)]
    events = {event.subject: event for event in store.log.events("deliveries")}
    for one in _decisions(store):
        if one.facts["of"] == delivery.item.id:
            found.append(Entry(*_said(one.facts), events[one.id]))
    return sorted(found, key=lambda entry: entry.event.seq)


def _said(facts: Mapping[str, Any]) -> tuple[str, str]:
    """Return what was decided, and the other import in short."""
    if facts.get("left_out"):
        return "leave-out", ""
    if facts.get("adds"):
        return "adds", short(facts["adds"][0])
    replaces = facts["replaces"]
    return ("void", "") if facts["of"] in replaces else ("replaces", short(replaces[0]))


def open_problems(store: Store, delivery: Delivery | None = None) -> list[Problem]:
    """Return what is open about the deliveries in force, or about one of them."""
    with outside_queue():
        found = undecided(store, next_moment(store))
    if delivery is None:
        return found
    named = ("one_id", "other_id", "id")
    return [p for p in found if delivery.id in {p.values.get(key) for key in named}]


def waiting(delivery: str = "") -> list[models.DeliveryDecision]:
    """Return the decisions that were asked for and may still be approved: of all, or of one."""
    found = models.DeliveryDecision.objects.filter(approved_at=None, ended_at=None).order_by("pk")
    return _unchanged(found.filter(delivery=delivery) if delivery else found)


def _unchanged(rows: Iterable[models.DeliveryDecision]) -> list[models.DeliveryDecision]:
    return [one for one in rows if authority.is_unchanged(one.asked_by, one.authority)]


def ask(store: Store, name: str, kind: str, other: str, reason: str) -> models.DeliveryDecision:
    """Ask, as the first of two, for a decision about a delivery.

    Raises Refused where it cannot be decided so, is asked for already, or no reason is given.
    """
    place = Place(short(name))
    reason = stated(reason, place)
    with outside_queue():
        of, facts = decided(store, name, _decision(kind, other, place), next_moment(store))
    rows = models.DeliveryDecision.objects.using(_DB)
    beside = (facts.get("adds") or facts.get("replaces") or [""])[0] if other else ""
    named = store.find("charges", beside) if beside else None
    with alone("asking"), transaction.atomic(using=_DB):
        before = rows.filter(delivery=of.id, approved_at=None, ended_at=None)
        if any(one.facts == facts for one in _unchanged(before)):
            raise Refused([Problem("decision-asked", Place(of.source), {"id": short(of.id)})])
        asked = rows.create(
            delivery=of.id,
            source=of.source[:500],
            kind=kind,
            other=beside,
            other_source=named.source[:500] if named else "",
            facts=facts,
            reason=reason,
            asked_by=store.actor,
            asked_at=now(),
            authority=authority.authority_named(store.actor),
        )
        said = {"decision": kind, "other": short(beside), "reason": reason}
        record_event(store.actor, "ask decision", short(of.id), **said)
    return asked


def _decision(kind: str, other: str, place: Place) -> Decision:
    """Return a decision as people ask for it. Raises Refused for one that there is not."""
    other = other.strip() if kind in ("replaces", "adds") else ""
    found = {
        "void": Decision(void=True),
        "leave-out": Decision(leave_out=True),
        "replaces": Decision(replaces=other),
        "adds": Decision(adds=other),
    }.get(kind)
    if found is None or (kind in ("replaces", "adds") and not other):
        known = ", ".join(models.DeliveryDecision.KINDS)
        raise Refused([Problem("decision-wrong", place, {"kind": kind, "known": known})])
    return found


def approve(store: Store, number: int) -> models.DeliveryDecision:
    """Make a decision hold, as the second of two, as the first has asked for it.

    Raises Refused where both are or could be one person, who asked may no longer ask, or what was
    asked for would no longer be the same.
    """
    asked = _waiting(number)
    place = Place(asked.source)
    if asked.asked_by == store.actor:
        raise Refused([Problem("decision-alone", place, {"by": asked.asked_by})])
    authority.refuse_second(asked.asked_by, asked.authority, store.actor, place)
    asker, approver = code_of(asked.asked_by), code_of(store.actor)
    store.reason = f"{asked.reason} (asked by {asker}, approved by {approver})"
    with outside_queue():
        enter_events()  # that it was asked for stands in the log before it
        decision = _decision(asked.kind, asked.other, place)
        with transaction.atomic(using=_DB):  # nobody can refuse it meanwhile
            done = _over(store, asked, "approve", approved_by=store.actor, approved_at=now())
            decide(store, asked.delivery, decision, next_moment(store), expected=asked.facts)
    return done


def end(store: Store, number: int) -> models.DeliveryDecision:
    """Take back a decision that was asked for: who asked withdraws it, anybody else refuses it."""
    asked = _waiting(number)
    with transaction.atomic(using=_DB):
        return _over(store, asked, "end", ended_by=store.actor, ended_at=now())


def _waiting(number: int) -> models.DeliveryDecision:
    rows = models.DeliveryDecision.objects.using(_DB)
    asked = rows.filter(pk=number, approved_at=None, ended_at=None).first()
    if not asked:
        raise Refused([Problem("approval-gone", Place("decision"))])
    return asked


def _over(
    store: Store, asked: models.DeliveryDecision, act: str, **done: Any
) -> models.DeliveryDecision:
    """Note that a decision no longer waits. Raises Refused where another was faster."""
    rows = models.DeliveryDecision.objects.using(_DB)
    if not rows.filter(pk=asked.pk, approved_at=None, ended_at=None).update(**done):
        raise Refused([Problem("approval-gone", Place("decision"))])
    said = {"decision": asked.kind, "other": short(asked.other), "asked_by": asked.asked_by}
    record_event(store.actor, f"{act} decision", short(asked.delivery), **said)
    return rows.get(pk=asked.pk)


def rows_to_mend(store: Store, delivery: Delivery, after: int = 0) -> Sequence[MendableRow]:
    """Return the rows of a delivery in force that may be mended, after one by its number."""
    if delivery.item.kind != "charges" or delivery.state != IN_FORCE:
        return []
    rows = mending.rows_to_mend(store, delivery.item, next_moment(store))
    return rows.of(rows.numbers[rows.numbers > after]) if after else rows


def row_to_mend(store: Store, delivery: Delivery, number: int) -> MendableRow | None:
    """Return a row of a delivery that may be mended, by its number in the file."""
    rows = rows_to_mend(store, delivery, number - 1)
    return rows[0] if rows and rows[0].row == number else None


def mend_rows(store: Store, name: str, changes: mending.Changes, reason: str) -> Imported:
    """Import rows that were kept aside as they are mended. Raises Refused, or imports all."""
    store.reason = stated(reason, Place(name))
    with outside_queue():
        done = mending.mend_rows(store, name, changes, next_moment(store))
    mended = {"rows": sorted(changes), "import": short(done.id), "reason": store.reason}
    record_event(store.actor, "mend rows", short(done.facts["mends"]["of"]), **mended)
    return done
