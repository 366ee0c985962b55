"""Requests: who is to be credited for a customer's spend is asked of the customer first.

What it consents to enters the book as any book file does.
"""

from __future__ import annotations

from collections.abc import Collection
from contextlib import suppress
from copy import copy
from datetime import date, timedelta
from typing import Any

import yaml
from django.db import transaction
from django.db.models import Case, CharField, F, Q, QuerySet, Value, When

from fenrun.base.problem import Place, Problem, Refused
from fenrun.base.when import show_moment
from fenrun.base.words import Message
from fenrun.book.in_words import KnownBook
from fenrun.charges.stored import load_charges
from fenrun.credit.owners import owners_of
from fenrun.engine.duckdb import DuckDB
from fenrun.portal import events, models
from fenrun.portal.access import authority
from fenrun.portal.alone import alone
from fenrun.portal.commands import finding, notices
from fenrun.portal.commands.book import ROLE, book_of, handed_over
from fenrun.portal.commands.imports import enter_text
from fenrun.portal.commands.reasons import SENTENCES, reason_problems
from fenrun.portal.request_queue import outside_queue
from fenrun.settle.facts import plans_as_of
from fenrun.store.facts import Store, verified

_DB = "default"
_PORTAL = "portal"
"""The actor of what the portal does by itself."""
_EARLIEST = date(1990, 1, 1)
_DAYS_AHEAD = 366
"""The days that may be asked for: from _EARLIEST on, and up to so many days ahead."""
_ASKED, _OTHERS = "request-asked", "request-others"
"""The notice that somebody's consent is asked for."""
SIGN_UP = "sign-up"
ASKED = tuple(kind for kind in models.Request.KINDS if kind != SIGN_UP)
"""The kinds of requests that are asked for; a sign-up comes of a partner's link alone."""


def ask(
    store: Store,
    kind: str,
    customer: str,
    party: str,
    since: date,
    reason: str,
    order: str = "",
    issuer: str = "",
    of_vendor: bool = False,
) -> models.Request:
    """Ask a customer to consent that a party be credited for its spend.

    Raises Refused where it does not say whom, what, or why; `of_vendor`, where the book knows one
    of them not. A partner is not told whether the customer exists, or has an account, since it
    could find out by asking.
    """
    customer, party, order, issuer = (text.strip() for text in (customer, party, order, issuer))
    problems: list[Problem] = []
    if not _complete(kind, customer, party, order, issuer) or not _may_begin(since):
        values = {"kind": kind, "known": ", ".join(ASKED)}
        problems.append(Problem("request-wrong", Place(kind), values))
    problems += reason_problems(reason, Place(kind), SENTENCES)
    if problems:
        raise Refused(problems)
    if of_vendor:
        finding.refuse_unknown(store, "customer", customer, finding.CUSTOMER)
        finding.refuse_unknown(store, "party", party, finding.PARTNER)
    return new_request(
        store,
        kind=kind,
        customer=customer,
        party=party,
        order=order,
        issuer=issuer,
        since=since,
        reason=reason.strip(),
        asked_by=store.actor,
        authority=authority.authority_named(store.actor),
    )


def new_request(store: Store, **columns: Any) -> models.Request:
    """Note a request, and tell whom it concerns: who may answer, who holds the customer, who gets
    it.
    """
    with transaction.atomic(using=_DB):
        request = models.Request.objects.using(_DB).create(
            asked_at=events.now(), silence_days=silence(store), state="waiting", **columns
        )
        events.record_event(
            store.actor,
            f"ask {request.kind}",
            str(request.pk),
            customer=request.customer,
            party=request.party,
            order=request.order,
            since=str(request.since),
        )
    _tell_asked(request)
    _tell_others(store, request, _OTHERS)
    return request


def _tell_asked(request: models.Request) -> list[str]:
    """Tell the accounts that may answer for the customer. Returns them."""
    accounts = notices.accounts_of(models.CUSTOMER, request.customer)
    notices.notify(accounts, _ASKED, str(request.pk), request.customer)
    return accounts


def _tell_others(store: Store, request: models.Request, kind: str) -> None:
    """Tell who holds the customer or did up to today, who is to be credited, and operations."""
    held = book_of(store).links_of("customer", request.customer)
    on = events.now().date()
    holders = {
        link["party"]
        for link in held
        if link["role"] == ROLE and link["valid_from"] <= on <= link["valid_to"]
    }
    accounts = notices.accounts_of(models.PARTNER, *holders, request.party)
    accounts += notices.accounts_of(models.OPERATIONS)
    others = set(accounts) - {store.actor}
    notices.notify(others, kind, str(request.pk), request.customer)


def _complete(kind: str, customer: str, party: str, order: str, issuer: str) -> bool:
    """Return whether a request names all that its kind needs, and nothing else."""
    names_order = bool(order and issuer)
    return (
        kind in ASKED
        and bool(customer and party)
        and names_order == (kind == "registration")
        and (customer + party + order + issuer).isprintable()
    )


def _may_begin(since: date) -> bool:
    return _EARLIEST <= since <= events.now().date() + timedelta(days=_DAYS_AHEAD)


def _count_silence(request: models.Request) -> bool:
    """Let silence count from when a notice of a request was delivered to who may answer now.

    Nobody else is taken to be silent. Returns whether anybody was told.
    """
    told = notices.delivered(_ASKED, str(request.pk), _tell_asked(request))
    if told and not request.silent_on:
        request.silent_on = told.date() + timedelta(days=request.silence_days)
        request.save(using=_DB, update_fields=["silent_on"])
    return told is not None


def as_shown(request: models.Request, to_partner: bool) -> models.Request:
    """Return a request as it is told, not to be saved.

    A partner is not told of a silence, or of an order that is somebody else's, before its own is
    in the book: both would tell who is a customer, and whose an order is.
    """
    if not to_partner:
        return request
    request.silent_on = None
    if request.state in ("silent", "void") and not request.entered_at:
        request.state = "consented" if request.decided_by else "waiting"
        if not request.decided_by:
            request.decided_at = request.holds_from = None
    return request


def with_shown_state(requests: QuerySet[Any], partners: Collection[str]) -> QuerySet[Any]:
    """Return requests with the state that partners are told of their own, as `shown_state`.

    It is that of `as_shown`: what is filtered and ordered by it tells no more.
    """
    kept = Q(party__in=partners, state__in=("silent", "void"), entered_at__isnull=True)
    told = Case(
        When(kept & Q(decided_by__gt=""), then=Value("consented")),
        When(kept, then=Value("waiting")),
        default=F("state"),
        output_field=CharField(),
    )
    found: QuerySet[Any] = requests.annotate(shown_state=told)
    return found


def silence(store: Store) -> int:
    """Return the days of silence that are consent, as the plans in force say; 0: none are.

    Where plans differ, the customer has the longest.
    """
    today = events.now().date()
    terms = [file.plan.terms[0] for file in plans_as_of(store, events.now().replace(tzinfo=None))]
    in_force = [t.consent_days for t in terms if t.valid_from <= today < t.valid_to]
    days = in_force or [t.consent_days for t in terms]
    return max(days) if days and all(days) else 0


def decide(store: Store, seen: models.Request, state: str) -> models.Request:
    """Consent to a request or refuse it, as its customer, or withdraw it, as who asked.

    Consent enters the book from that day on, or from the later one that was asked for. Raises
    Refused where the request is decided already, who asked may no longer ask, or somebody of the
    vendor could be acting by the customer's account.
    """
    if state not in ("consented", "refused", "withdrawn"):
        raise Refused([_over(seen, seen.state)])
    _decide(seen, state, store.actor, events.now().date())
    notices.over((_ASKED, _OTHERS), str(seen.pk))
    take_up(store)
    if state != "withdrawn":
        _tell_others(store, seen, "request-decided")
    return models.Request.objects.using(_DB).get(pk=seen.pk)


def settle_silence(store: Store) -> None:
    """Take silence that has lasted as long as the plan says for consent, and enter it.

    Not where nobody could be heard; and where who asked may no longer ask, it is void.
    """
    today = events.now().date()
    waiting = models.Request.objects.using(_DB).filter(state="waiting", silence_days__gt=0)
    for request in filter(_count_silence, waiting.order_by("id")):
        if request.silent_on is None or request.silent_on > today:
            continue
        asks_still = authority.is_unchanged(request.asked_by, request.authority)
        with suppress(Refused):  # decided meanwhile
            state = "silent" if asks_still else "void"
            _decide(request, state, "", request.silent_on or today)
            notices.over((_ASKED,), str(request.pk))
    take_up(store)


def _decide(seen: models.Request, state: str, by: str, day: date) -> None:
    with transaction.atomic(using=_DB):
        request = models.Request.objects.using(_DB).select_for_update().get(pk=seen.pk)
        told = request.state
        if state == "withdrawn":  # of what is told to be waiting it is taken back
            told = as_shown(copy(request), to_partner=True).state
        if told != "waiting":
            raise Refused([_over(request, told)])
        if state == "consented":
            refuse_consent(by, request)
        request.state = state
        request.decided_by = by
        request.decided_at = events.now()
        if state in request.CONSENT:
            request.holds_from = max(request.since, day)
        request.save(using=_DB)
        events.record_event(
            by or _PORTAL,
            f"{state} {request.kind}",
            str(request.pk),
            customer=request.customer,
            party=request.party,
            holds_from=str(request.holds_from or ""),
        )


def refuse_consent(by: str, request: models.Request) -> None:
    """Raise Refused where an account cannot consent: somebody else could be acting by it.

    Or where who asked may no longer ask.
    """
    authority.refuse_opened_by_operations(by, _place(request))
    authority.refuse_lapsed(request.asked_by, request.authority, _place(request))


def _over(request: models.Request, told: str) -> Problem:
    state = Message(f"portal-request-{told}")
    values = {"state": state, "by": request.decided_by or "-"}
    return Problem("request-over", _place(request), values)


def _place(request: models.Request) -> Place:
    return Place(f"{request.kind} {request.customer}")


def take_up(store: Store) -> None:
    """Enter into the book what was consented to, each request for itself.

    An order is entered once its charges are there and all the consenting customer's. One of
    somebody else's is void. What is in the log already is not entered again, whoever entered it
    and however that ended.
    """
    with outside_queue(), alone("taking-up"):
        consented = models.Request.objects.using(_DB).filter(
            state__in=models.Request.CONSENT, entered_at=None
        )
        waiting = list(consented.order_by("id"))
        if not waiting:
            return
        book, charges = book_of(store), DuckDB()
        load_charges(charges, "charges", verified(store.imports("charges")))
        for request in waiting:
            if _is_logged(store, request):
                _note_entered(request)
            elif _ready(request, book, charges) and _enter(store, request, book):
                book = book_of(store)


def _ready(request: models.Request, book: KnownBook, charges: DuckDB) -> bool:
    """Return whether a request can be entered now. An order that is somebody else's is voided."""
    if request.kind != "registration":
        return True
    owners = owners_of(charges, book, request.issuer, request.order)
    if not owners:
        return False
    if owners != {request.customer} or _held(book, request):
        request.state = "void"
        request.save(using=_DB, update_fields=["state"])
        events.record_event(
            _PORTAL,
            "void registration",
            str(request.pk),
            customer=request.customer,
            party=request.party,
        )
        return False
    return True


def _held(book: KnownBook, request: models.Request) -> bool:
    """Return whether the order is registered already for a time that the request would cover.

    Two holders would leave it to nobody.
    """
    links = book.links_of("order", request.order, request.issuer)
    start = _start(request)
    return any(link["role"] == ROLE and link["valid_to"] > start for link in links)


def _enter(store: Store, request: models.Request, book: KnownBook) -> bool:
    """Enter a request's links into the book.

    What was asked, and by whose consent, is the file's name and, by their codes, the log's reason.
    A request that the book refuses stays, and operations see why in the event log. Returns whether
    it entered.
    """
    text = yaml.safe_dump({"links": _links(request, book)}, allow_unicode=True, sort_keys=False)
    try:
        enter_text(store, _file_of(request), text, _reason_of(request))
    except Refused as refused:
        codes = [problem.code for problem in refused.problems]
        events.record_event(_PORTAL, "not entered", str(request.pk), problems=codes)
        return False
    _note_entered(request)
    notices.over((_ASKED, _OTHERS), str(request.pk))
    _tell_others(store, request, "request-entered")
    return True


def _is_logged(store: Store, request: models.Request) -> bool:
    """Return whether a request's links are in the book already.

    A database that was restored may give a number a second time: what is older is another's.
    """
    wanted = (_file_of(request), _reason_of(request))
    decided = show_moment(request.decided_at.replace(tzinfo=None)) if request.decided_at else ""
    later = (event for event in store.log.events("book") if event.at >= decided)
    return any((event.facts()["source"], event.reason) == wanted for event in later)


def _note_entered(request: models.Request) -> None:
    request.entered_at = events.now()
    request.save(using=_DB, update_fields=["entered_at"])


def _file_of(request: models.Request) -> str:
    return f"request-{request.pk}.yaml"


def _reason_of(request: models.Request) -> str:
    reason = f"{request.kind} asked by {events.code_of(request.asked_by)}, {request.state}"
    return f"{reason} by {events.code_of(request.decided_by)}" if request.decided_by else reason


def _links(request: models.Request, book: KnownBook) -> list[dict[str, Any]]:
    """Return the links of a request: the new one and, but for an order, the ends of the present."""
    start = _start(request)
    if request.kind != "registration":
        new, *ended = handed_over(book, request.customer, request.party, start)
        typed = {"type": request.kind} if request.kind == SIGN_UP else {}
        return [new | typed, *ended]
    return [
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


def _start(request: models.Request) -> date:
    return request.holds_from or request.since
