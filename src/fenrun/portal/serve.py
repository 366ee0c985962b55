"""Start the portal: its tables, its isolation, what is settled put in, then a web server in this one process."""

from __future__ import annotations

import gc
import os
import secrets
from collections.abc import Callable
from pathlib import Path
from typing import Any

import django
from django.apps import apps
from django.conf import settings

from fenrun.base.problem import Place, Problem, Refused
from fenrun.portal.addresses import through_tls

THREADS = 8
"""So many requests are taken in at once; they are answered in turn, slow work aside (turns.py)."""
DEMO = ("operations", "second", "auditor", "partner", "rep", "manager", "customer")
"""The invented accounts of a demo world: two of operations, since two are needed to close."""


def ready(workspace: Path) -> None:
    """Make Django ready for a workspace."""
    os.environ["FENRUN_WORKSPACE"] = str(workspace)
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "fenrun.portal.settings")
    if not apps.ready:
        django.setup()


def months(workspace: Path) -> list[str]:
    """The months that the portal shows."""
    ready(workspace)
    from fenrun.portal.publish import months_of
    from fenrun.store.facts import Store

    return [month.key for month in months_of(Store.open(workspace))]


def _tables(workspace: Path) -> None:
    """Bring the portal's tables up to date, and their isolation with them. Raises Refused for settings that would let others listen."""
    ready(workspace)
    if settings.OIDC_URL and (not through_tls(settings.OIDC_URL) or not settings.OIDC_CLIENT):
        raise Refused([Problem("oidc-wrong", Place("FENRUN_OIDC_URL"), {"url": settings.OIDC_URL})])
    from django.core.management import call_command

    from fenrun.portal import isolation

    call_command("migrate", interactive=False, verbosity=0)
    isolation.install()


def prepare(workspace: Path, progress: Callable[[Any], None] = lambda step: None) -> None:
    """Bring the portal's tables up to date and put in what is settled."""
    _tables(workspace)
    from fenrun.portal import consents, publish
    from fenrun.store.facts import Store

    store = Store.open(workspace)
    store.actor = "portal"
    consents.settle_silence(store)
    for period in publish.months_of(store):
        publish.publish(store, period)
        progress(1)


def demo_accounts() -> tuple[str, list[tuple[str, str, str]]]:
    """Accounts of a demo world for each role, made once. Returns their password, new on each start, and (name, role, party)."""
    from fenrun.portal import acts, models

    password = secrets.token_urlsafe(9)
    shown = models.Statement.objects.using("default")
    latest = shown.filter(role="partner").order_by("-period_id", "rank")
    best = (
        next((s.payee for s in latest[:200] if s.body["elsewhere"]), "")
        or latest.values_list("payee", flat=True).first()
        or ""
    )
    rep = (
        shown.filter(role="rep")
        .order_by("-period_id", "rank")
        .values_list("payee", flat=True)
        .first()
        or ""
    )
    customer = (
        models.Crediting.objects.using("default")
        .exclude(order="")
        .order_by("customer")
        .values_list("customer", flat=True)
        .first()
        or ""
    )
    manager = next(
        (s.payee for s in shown.order_by("-period_id", "-credited")[:400] if s.body["team"]), ""
    )
    parties = {
        "operations": "",
        "second": "",
        "auditor": "",
        "partner": best,
        "rep": rep,
        "manager": manager,
        "customer": customer,
    }
    made = []
    for name in DEMO:
        role = {"second": "operations", "manager": "rep"}.get(name, name)
        if parties[name] or role in models.EVERYBODY:
            acts.grant("demo", name, role, parties[name], "Invented by fenrun demo.", password)
            made.append((name, role, parties[name]))
    return password, made


def account(workspace: Path, actor: str, name: str, role: str, party: str, reason: str) -> str:
    """Give an account a role, and a new password. Returns the password. Raises Refused."""
    _tables(workspace)
    from fenrun.portal import acts

    password = secrets.token_urlsafe(12)
    acts.grant(actor, name, role, party, reason, password)
    return password


def reader_accounts(count: int, password: str) -> list[tuple[str, list[str]]]:
    """Accounts for the largest partners of a demo world, to measure with. Returns each with its pages: the statements of all periods, latest first."""
    from fenrun.portal import acts, models

    shown = models.Statement.objects.using("default")
    latest = shown.order_by("-period_id").values_list("period_id", flat=True).first()
    found = []
    for payee in (
        shown.filter(period_id=latest, role="partner")
        .order_by("rank")
        .values_list("payee", flat=True)[:count]
    ):
        acts.grant(
            "bench", f"reader-{payee}", models.PARTNER, payee, "Invented by fenrun bench.", password
        )
        found.append(
            (
                f"reader-{payee}",
                [
                    f"/statements/{key}/{payee}/"
                    for key in shown.filter(payee=payee)
                    .order_by("-period_id")
                    .values_list("period_id", flat=True)
                ],
            )
        )
    return found


def serve(host: str, port: int, opened: Callable[[int], None]) -> None:
    """Serve until stopped; says when it listens, and on which port (any free one where 0 is asked for)."""
    from django.core.wsgi import get_wsgi_application
    from waitress import create_server

    from fenrun.portal import webhooks

    webhooks.start()
    proxy = (
        {
            "trusted_proxy": os.environ.get("FENRUN_PROXY", "127.0.0.1"),
            "trusted_proxy_headers": {"x-forwarded-for", "x-forwarded-proto"},
        }
        if settings.BEHIND_TLS
        else {}
    )
    server = create_server(
        get_wsgi_application(),
        host=host,
        port=port,
        threads=THREADS,
        ident="fenrun",
        clear_untrusted_proxy_headers=True,
        **proxy,
    )
    gc.freeze()  # what is loaded by now stays; looking through it again and again costs a tenth of every answer
    gc.set_threshold(20_000, 20, 50)
    opened(int(server.effective_port))
    server.run()
