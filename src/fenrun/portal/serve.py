"""Start the portal: its tables, its isolation, what is settled, then a web server."""

from __future__ import annotations

import gc
import os
import secrets
import signal
import threading
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any
from wsgiref.util import setup_testing_defaults

import django
from django.apps import apps
from django.conf import settings
from django.db import DatabaseError

from fenrun.base.problem import Place, Problem, Refused
from fenrun.portal.access.addresses import through_tls
from fenrun.portal.alone import alone
from fenrun.store.facts import Store

if TYPE_CHECKING:
    from wsgiref.types import WSGIApplication

THREADS = 16
"""Requests that are taken in at once; they are answered in their order (request_queue.py),
and half of them at most do slow work or wait to."""
DEMO = {
    "operations": "operations",
    "second": "operations",
    "auditor": "auditor",
    "partner": "partner",
    "rep": "rep",
    "manager": "rep",
    "customer": "customer",
}
"""The invented accounts of a demo world, with their roles: two of operations, to close."""


def ready(workspace: Path) -> None:
    """Make Django ready for a workspace."""
    os.environ["FENRUN_WORKSPACE"] = str(workspace)
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "fenrun.portal.settings")
    if not apps.ready:
        django.setup()


def months(workspace: Path) -> list[str]:
    """Return the months that the portal shows."""
    ready(workspace)
    from fenrun.portal.commands.publishing import months_of

    return [month.key for month in months_of(Store.open(workspace))]


def _migrate(workspace: Path) -> None:
    """Bring the portal's tables up to date, and their isolation with them.

    Raises Refused for settings that would let others listen.
    """
    ready(workspace)
    if settings.OIDC_URL and (not through_tls(settings.OIDC_URL) or not settings.OIDC_CLIENT):
        raise Refused([Problem("oidc-wrong", Place("FENRUN_OIDC_URL"), {"url": settings.OIDC_URL})])
    from fenrun.portal import tables
    from fenrun.portal.access import isolation

    try:
        with alone("start"):  # others that start on the workspace wait
            tables.bring_up_to_date()
            isolation.install()
    except DatabaseError as error:
        place = Place(str(settings.DATABASES["default"]["NAME"]))
        raise Refused([Problem("database-unusable", place)]) from error


def prepare(workspace: Path, progress: Callable[[Any], None] = lambda step: None) -> list[Problem]:
    """Bring the portal's tables up to date and put in what is settled.

    Returns why any period is not: it is shown as it was, with its problems.
    """
    _migrate(workspace)
    from fenrun.portal import events
    from fenrun.portal.commands import closing, publishing
    from fenrun.portal.commands.unsettled import ALL, noted, noted_problems

    store = events.workspace("portal")
    with noted(ALL):
        closing.go_on(store)
    with noted(ALL):
        for period in publishing.months_of(store):
            with noted(period.key):
                publishing.publish(store, period)
            progress(1)
    return noted_problems()


def demo_accounts() -> tuple[str, list[tuple[str, str, str]]]:
    """Make the accounts of a demo world, once.

    Returns their password, new on each start, and (name, role, party) of each.
    """
    from fenrun.portal.commands import grants
    from fenrun.portal.models import EVERYBODY

    password = secrets.token_urlsafe(9)
    parties = _demo_parties()
    made = [
        (name, role, parties.get(name, ""))
        for name, role in DEMO.items()
        if parties.get(name) or role in EVERYBODY
    ]
    grants.give_to_invented("demo", made, "Invented by fenrun demo.", password)
    if parties.get("rep") and parties.get("manager"):
        _demo_quotes(parties["rep"])
    return password, made


_DEMO_QUOTES = (
    ("Object Storage", "55 % of list", "300000"),
    ("GPU Cluster", "72 % of list", "800000"),
)
"""The quotes of a demo world: product, price, and the most that is billed under it."""


def _demo_quotes(party: str) -> None:
    """Ask, as the rep of a demo world, for prices for its customers, once; the last is a step on.

    Passwords are new at each start, by which what was asked before would lapse: it is taken up.
    """
    from fenrun.portal import events, models
    from fenrun.portal.commands import quotes

    found = models.Quote.objects.using("default")
    if found.exists():
        for quote in found.filter(state="open"):
            quotes.renew(quote)
        return
    store = events.workspace("rep")
    if not quotes.policy_of(store):
        return
    today = events.now().date()
    said = {"currency": "CNY", "from": str(today), "to": str(today + timedelta(days=365))}
    shown = models.Statement.objects.using("default").filter(payee=party).order_by("-period_id")
    held = [row["customer"] for row in shown[0].customers][:2] if shown else []
    for customer, (product, asked, amount) in zip(held, _DEMO_QUOTES):
        row = {**said, "customer": customer, "grants": asked, "amount": amount}
        row["reason"] = f"A tender of {customer}: another vendor offers as much."
        quote = quotes.ask(store, "discount", product, row, party)
        if amount == _DEMO_QUOTES[-1][-1]:
            manager = events.workspace("manager")
            quotes.decide(manager, quote, "approved", "A fair price.", {models.REP})


def _demo_parties() -> dict[str, str]:
    """Return the parties of the demo accounts: those with most to see."""
    from fenrun.portal.models import Crediting, Statement

    shown = Statement.objects.using("default").order_by("-period_id", "rank")
    shown = shown.only("payee")
    partners = shown.filter(role="partner").exclude(body__attained={})
    registered = Crediting.objects.using("default").exclude(order="").order_by("customer").first()
    found = {
        "partner": partners.exclude(body__elsewhere=[]).first() or partners.first(),
        "rep": shown.filter(role="rep").first(),
        "manager": shown.exclude(body__team=[]).order_by("-period_id", "-credited").first(),
    }
    parties = {name: statement.payee for name, statement in found.items() if statement}
    return parties | ({"customer": registered.customer} if registered else {})


def account(workspace: Path, actor: str, name: str, role: str, party: str, reason: str) -> str:
    """Give an account a role, and a new password. Returns the password. Raises Refused."""
    _migrate(workspace)
    from fenrun.portal.commands import grants

    password = secrets.token_urlsafe(12)
    grants.give_with_password(actor, name, role, party, reason, password)
    return password


def reader_accounts(count: int, password: str) -> list[tuple[str, list[str]]]:
    """Make accounts for the largest partners of a demo world, to measure with.

    Returns each with its pages: the statements of all periods, latest first.
    """
    from fenrun.portal.commands import grants
    from fenrun.portal.models import PARTNER, Statement

    shown = Statement.objects.using("default").order_by("-period_id")
    latest = shown.values_list("period_id", flat=True).first()
    largest = shown.filter(period_id=latest, role="partner").order_by("rank")
    payees = list(dict.fromkeys(largest.values_list("payee", flat=True)))[:count]
    accounts = [(f"reader-{payee}", PARTNER, payee) for payee in payees]
    grants.give_to_invented("bench", accounts, "Invented by fenrun bench.", password)
    readers = []
    for name, _, payee in accounts:
        periods = shown.filter(payee=payee).values_list("period_id", flat=True).distinct()
        readers.append((name, [f"/statements/{period}/{payee}/" for period in periods]))
    return readers


def serve(host: str, port: int, opened: Callable[[int], None]) -> None:
    """Serve until stopped.

    `opened` is told when the server listens, and on which port: any free one where 0 is asked for.
    """
    from django.core.wsgi import get_wsgi_application

    from fenrun.portal import workers
    from fenrun.portal.commands import (
        following,
        imports,
        notices,
        questions,
        webhook_delivery,
        work,
    )
    from fenrun.portal.edge import LIMITS, Server, framed

    application = framed(get_wsgi_application())
    _warm(application)
    webhook_delivery.start()
    following.start()
    notices.start()
    server = Server(
        application,
        host=host,
        port=port,
        threads=THREADS,
        ident="fenrun",
        clear_untrusted_proxy_headers=True,
        url_prefix=settings.ROOT_PATH,
        **LIMITS,
        **_proxy(),
    )
    # What is loaded by now stays: looking through it again and again costs a tenth of each answer.
    gc.freeze()
    gc.set_threshold(20_000, 20, 50)
    stopped = _stopped_by_signals(server)
    opened(int(server.effective_port))
    questions.start()
    try:
        server.run_until(stopped, lambda: imports.has_running_jobs() or work.has_running())
    finally:
        workers.stop_all()
        gc.unfreeze()  # else DuckDB's binding lists, line by line, what is never let go


def _warm(application: WSGIApplication) -> None:
    """Answer the sign-in page before anybody is let in: no one waits for what is read once."""
    from django.db import connections

    environ: dict[str, Any] = {"PATH_INFO": "/account/login/"}
    setup_testing_defaults(environ)
    list(application(environ, lambda status, headers, error=None: lambda data: None))
    connections.close_all()  # of this thread, which answers nobody else


def _stopped_by_signals(server: Any) -> threading.Event:
    """Return what SIGTERM and Ctrl-C set, so that answers are finished; again, they end at once."""
    stopped = threading.Event()

    def stop(number: int, frame: FrameType | None) -> None:
        if stopped.is_set():
            raise SystemExit(1)
        stopped.set()
        server.pull_trigger()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop)
    return stopped


def root_path() -> str:
    """Return the path under which the portal is reached; nothing where it has its host alone."""
    return str(settings.ROOT_PATH)


def _proxy() -> dict[str, Any]:
    """Return the options by which the server trusts the proxy that ends TLS, if there is one."""
    if not settings.BEHIND_TLS:
        return {}
    return {
        "trusted_proxy": os.environ.get("FENRUN_PROXY", "127.0.0.1"),
        "trusted_proxy_headers": {"x-forwarded-for", "x-forwarded-proto"},
    }
