"""Who is to be credited for a customer's spend is asked of the customer first. What it consents to enters the book as any book file does."""

from __future__ import annotations

import re
import tempfile
import threading
from contextlib import suppress
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import yaml
from django.db import transaction

from fenrun.base.problem import Place, Problem, Refused
from fenrun.book.as_of import load_book, sources_of
from fenrun.charges.read import load_charges
from fenrun.credit.owners import owners_of
from fenrun.engine.duckdb import DuckDB
from fenrun.portal import events, models
from fenrun.portal.request_queue import outside_queue
from fenrun.settle.facts import plans_as_of
from fenrun.settle.imports import import_file
from fenrun.store.facts import Store

_DB = "default"
ROLE = "partner"
"""The role that is asked for."""
_EARLIEST, _AHEAD = date(1990, 1, 1), 366
"""The days that may be asked for: from then on, and up to so many days ahead."""
_taking = threading.Lock()
_ENTERED = re.compile(r"^# entered \d{4}-\d\d-\d\d \d\d:\d\d:\d\d\n?", re.M)


def ask(
    store: Store,
    kind: str,
    customer: str,
    party: str,
    since: date,
    reason: str,
    order: str = "",
    issuer: str = "",
) -> models.Request:
    """Ask a customer to consent. Raises Refused where it does not say whom, what, or why; whether the customer exists is not told, since a partner could find out by asking."""
    place, wrong = Place(kind), []
    customer, party, order, issuer = (text.strip() for text in (customer, party, order, issuer))
    if (
        kind not in models.Request.KINDS
        or not customer
        or not party
        or (kind == "registration") != bool(order and issuer)
        or not "".join((customer, party, order, issuer)).isprintable()
        or not _EARLIEST <= since <= events.now().date() + timedelta(days=_AHEAD)
    ):
        wrong.append(
            Problem(
                "request-wrong", place, {"kind": kind, "known": ", ".join(models.Request.KINDS)}
            )
        )
    if not reason.strip():
        wrong.append(Problem("reason-missing", place))
    if wrong:
        raise Refused(wrong)
    days, today = silence(store), events.now()
    heard = (
        models.Grant.objects.using(_DB)
        .filter(role=models.CUSTOMER, party=customer, ended_at=None)
        .exclude(holds_at=None)
    )
    if not heard.exists():  # who cannot be heard is not silent
        days = 0
    with transaction.atomic(using=_DB):
        made = models.Request.objects.using(_DB).create(
            kind=kind,
            customer=customer,
            party=party,
            order=order,
            issuer=issuer,
            since=since,
            reason=reason.strip()[:1000],
            asked_by=store.actor,
            asked_at=today,
            silent_on=today.date() + timedelta(days=days) if days else None,
            state="waiting",
        )
        events.record_event(
            store.actor,
            f"ask {kind}",
            str(made.pk),
            customer=customer,
            party=party,
            order=order,
            since=str(since),
        )
    return made


def silence(store: Store) -> int:
    """So many days of silence are consent, as the plans in force say; 0: none. Where plans differ, the customer has the longest."""
    today = events.now().date()
    terms = [f.plan.terms[0] for f in plans_as_of(store, events.now().replace(tzinfo=None))]
    stated = [t.consent_days for t in terms if t.valid_from <= today < t.valid_to] or [
        t.consent_days for t in terms
    ]
    return 0 if not stated or not all(stated) else max(stated)


def decide(store: Store, seen: models.Request, state: str) -> models.Request:
    """The customer consents or refuses, or who asked withdraws. Consent enters the book from that day, or the later one that was asked for. Raises Refused where it is decided already."""
    if state not in ("consented", "refused", "withdrawn"):
        raise Refused(
            [
                Problem(
                    "request-over",
                    Place(f"{seen.kind} {seen.customer}"),
                    {"state": seen.state, "by": seen.decided_by or "-"},
                )
            ]
        )
    _decided(seen, state, store.actor, events.now().date())
    take_up(store)
    return models.Request.objects.using(_DB).get(pk=seen.pk)


def settle_silence(store: Store) -> None:
    """Take what customers have been silent about, for as long as the plan says, for consent; and enter what is consented to."""
    today = events.now().date()
    for request in (
        models.Request.objects.using(_DB)
        .filter(state="waiting", silent_on__lte=today)
        .order_by("id")
    ):
        with suppress(Refused):  # decided meanwhile
            _decided(request, "silent", "", request.silent_on or today)
    take_up(store)


def _decided(seen: models.Request, state: str, by: str, day: date) -> None:
    with transaction.atomic(using=_DB):
        request = models.Request.objects.using(_DB).select_for_update().get(pk=seen.pk)
        if request.state != "waiting":
            raise Refused(
                [
                    Problem(
                        "request-over",
                        Place(f"{request.kind} {request.customer}"),
                        {"state": request.state, "by": request.decided_by or "-"},
                    )
                ]
            )
        request.state, request.decided_by, request.decided_at = state, by, events.now()
        if state in request.CONSENT:
            request.holds_from = max(request.since, day)
        request.save(using=_DB)
        events.record_event(
            by or "portal",
            f"{state} {request.kind}",
            str(request.pk),
            customer=request.customer,
            party=request.party,
            holds_from=str(request.holds_from or ""),
        )


def take_up(store: Store) -> None:
    """Enter into the book what was consented to, each request for itself. An order is entered once its charges are there and all the consenting customer's; one of somebody else's is void."""
    with outside_queue(), _taking:
        waiting = list(
            models.Request.objects.using(_DB)
            .filter(state__in=models.Request.CONSENT, entered_at=None)
            .order_by("id")
        )
        book = _book(store) if waiting else None
        for request in waiting:
            assert book
            if request.kind == "registration":
                owners = owners_of(book, request.issuer, request.order)
                if not owners:
                    continue
                if owners != {request.customer} or _held(book, request):
                    request.state = "void"
                    request.save(using=_DB, update_fields=["state"])
                    events.record_event(
                        "portal",
                        "void registration",
                        str(request.pk),
                        customer=request.customer,
                        party=request.party,
                    )
                    continue
            try:
                _enter(store, request, book)
            except Refused as refused:  # it stays; operations see why in the log
                events.record_event(
                    "portal",
                    "not entered",
                    str(request.pk),
                    problems=[p.code for p in refused.problems],
                )
                continue
            request.entered_at = events.now()
            request.save(using=_DB, update_fields=["entered_at"])
            book = _book(store)


def _book(store: Store) -> DuckDB:
    engine = DuckDB()
    load_book(engine, sources_of(store.imports("book")))
    load_charges(engine, "charges", store.imports("charges"))
    return engine


def _held(book: DuckDB, request: models.Request) -> bool:
    """Whether the order is registered already for a time that the request would hold: two holders would leave it to nobody."""
    found = book.query(
        "SELECT 1 FROM links_as_of WHERE of_kind = 'order' AND issuer = ? AND subject = ? AND role = ? AND valid_to > ? AND valid_to > valid_from LIMIT 1",
        [request.issuer, request.order, ROLE, request.holds_from or request.since],
    )
    return bool(found.num_rows)


def _enter(store: Store, request: models.Request, book: DuckDB) -> None:
    """Enter the links into the book: the new one, and for an association or transfer the present holder's end. What it says, and by whose consent, is the file's name and the log's reason."""
    start = request.holds_from or request.since
    if request.kind == "registration":
        links = [
            {
                "of": "order",
                "issuer": request.issuer,
                "subject": request.order,
                "role": ROLE,
                "party": request.party,
                "from": start,
                "type": "registration",
            }
        ]
    else:
        links = handed_over(book, request.customer, request.party, start)
    reason = f"{request.kind} asked by {request.asked_by}, {request.state}" + (
        f" by {request.decided_by}" if request.decided_by else ""
    )
    enter(
        store,
        f"request-{request.pk}.yaml",
        yaml.safe_dump({"links": links}, allow_unicode=True, sort_keys=False),
        reason,
    )


def enter(store: Store, name: str, text: str, reason: str) -> None:
    """Import a text as a file of that name, known from now on, with the reason in the log. Raises Refused."""
    store.reason = reason
    with tempfile.TemporaryDirectory(prefix="fenrun-enter-") as folder:
        path, now, last = Path(folder) / name, events.now().replace(tzinfo=None), store.known()
        if last and last >= now:  # the later word counts, also of two in one second
            now = last + timedelta(seconds=1)
        path.write_text(
            f"{_ENTERED.sub('', text).rstrip()}\n# entered {now:%Y-%m-%d %H:%M:%S}\n", "utf-8"
        )  # else a text that was known before would be taken for known already
        import_file(store, path, now)


def handed_over(engine: DuckDB, customer: str, party: str, start: date) -> list[dict[str, Any]]:
    """The links that give a customer to a party from a day on: the new one, and those of the present holders with their end on that day; of later ones, which thus never begin. `engine` holds the book."""
    held = engine.query(
        "SELECT * FROM links_as_of WHERE of_kind = 'customer' AND subject = ? AND role = ? AND valid_to > ? AND valid_to > valid_from",
        [customer, ROLE, start],
    ).to_pylist()
    ended = [
        {
            "of": "customer",
            "subject": r["subject"],
            "role": r["role"],
            "party": r["party"],
            "share": str(r["share"]),
            "from": r["valid_from"],
            "to": max(start, r["valid_from"]),
            "id": r["link_id"],
            **({"type": r["type"]} if r["type"] else {}),
        }
        for r in held
    ]
    return [
        {"of": "customer", "subject": customer, "role": ROLE, "party": party, "from": start},
        *ended,
    ]
