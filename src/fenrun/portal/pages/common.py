"""What pages share: who asks, the workspace, and one period's run."""

from __future__ import annotations

import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from decimal import Decimal
from functools import lru_cache, wraps
from pathlib import Path
from typing import Any, NamedTuple

from django.conf import settings
from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404

from fenrun.base.money import parse_amount
from fenrun.base.problem import Place, Problem, Refused
from fenrun.base.when import parse_period
from fenrun.closing.close import settle_period
from fenrun.plan.read import PlanFile
from fenrun.portal import publish
from fenrun.portal.isolation import rows_seen
from fenrun.portal.models import (
    CUSTOMER,
    EVERYBODY,
    OPERATIONS,
    PARTNER,
    Crediting,
    Grant,
    Period,
    Request,
    Statement,
)
from fenrun.portal.request_queue import outside_queue
from fenrun.proof.bundle import make_bundle
from fenrun.settle.facts import knowledge_time, plans_as_of
from fenrun.statement.explain import explain
from fenrun.statement.run import Run
from fenrun.store.facts import Store
from fenrun.whatif.estimate import Estimator

MOST_SOLD = Decimal(10) ** 12
"""More than this is no sale."""
Page = Callable[..., HttpResponse]


def store_of(request: HttpRequest) -> Store:
    """The workspace, with the asker as the actor of whatever is written."""
    store = Store.open(settings.WORKSPACE)
    store.actor = request.user.get_username()
    return store


class Held(NamedTuple):
    """A role that the asker has, for a party."""

    role: str
    party: str


def grants_of(request: HttpRequest) -> list[Held]:
    """What the asker may see, as of now."""
    if not hasattr(request, "grants"):
        found = rows_seen(
            "SELECT role, party FROM portal_grant WHERE user_id = %s AND ended_at IS NULL AND holds_at IS NOT NULL ORDER BY role, party",
            request.user.pk,
        )
        request.grants = [Held(*row) for row in found]
    return request.grants  # type: ignore[no-any-return]


def reasons_of(request: HttpRequest) -> list[Grant]:
    """The same with why, by whom and since when."""
    return list(
        Grant.objects.filter(user_id=request.user.pk, ended_at=None)
        .exclude(holds_at=None)
        .order_by("role", "party")
    )


def roles_of(request: HttpRequest) -> set[str]:
    """The roles in which the asker asks."""
    return {g.role for g in grants_of(request)}


def sees_everything(request: HttpRequest) -> bool:
    """Whether the asker is operations or an auditor."""
    return bool(roles_of(request) & set(EVERYBODY))


def signed_in(*roles: str) -> Callable[[Page], Page]:
    """Only for somebody who has signed in and, where roles are named, has one of them."""

    def wrap(page: Page) -> Page:
        @wraps(page)
        def handle(request: HttpRequest, *parts: Any, **named: Any) -> HttpResponse:
            if roles and not roles_of(request) & set(roles):
                raise PermissionDenied
            return page(request, *parts, **named)

        return login_required(handle)

    return wrap


operations = signed_in(OPERATIONS)


def owns(request: HttpRequest, party: str, period: str, line: str = "") -> bool:
    """Whether the asker acts for the party itself, and sees its statement (with the line, if any is named) or its spend of the period."""
    if not any(g.party == party and g.role not in EVERYBODY for g in grants_of(request)):
        return False
    statement = Statement.objects.filter(payee=party, period_id=period).first()
    if not statement:
        return not line and Crediting.objects.filter(customer=party, period_id=period).exists()
    return line in {"", *(x["line"] for x in statement.body["lines"])}


def may_ask(request: HttpRequest, kind: str, party: str) -> bool:
    """Whether the asker may ask a customer that a party be credited: operations for anybody, a partner for an order of its own."""
    return OPERATIONS in roles_of(request) or (
        kind == "registration"
        and any(g.role == PARTNER and g.party == party for g in grants_of(request))
    )


def may_decide(request: HttpRequest, found: Request, state: str) -> bool:
    """Whether the asker may bring a request into a state: its customer consents or refuses, and nobody of the vendor on its behalf; who asked withdraws."""
    if state == "withdrawn":
        return found.asked_by == request.user.get_username()
    return not sees_everything(request) and any(
        g.role == CUSTOMER and g.party == found.customer for g in grants_of(request)
    )


def current_plans(request: HttpRequest) -> dict[str, PlanFile]:
    """The plans as they are known now, by id."""
    store = store_of(request)
    return {f.plan.id: f for f in plans_as_of(store, knowledge_time(store, None))}


def whole(statement: Statement) -> dict[str, Any]:
    """The statement as `fenrun statement --json` prints it, with how far each line has come and what is credited elsewhere."""
    return {k: v for k, v in statement.body.items() if k not in ("titles", "before")} | {
        "customers": statement.customers
    }


def bundled(request: HttpRequest, statement: Statement) -> bytes:
    """The signed bundle of a closed statement that the asker sees, for `fenrun verify`. Raises Refused where the period is not closed."""
    with outside_queue(), tempfile.TemporaryDirectory(prefix="fenrun-bundle-") as folder:
        out = Path(folder) / "bundle.zip"
        make_bundle(store_of(request), statement.payee, parse_period(statement.period_id), out)
        return out.read_bytes()


def explained(period: str, line: str) -> tuple[Statement, dict[str, Any]]:
    """A line's statement and its explanation. It is looked for in a statement that the asker sees, so nobody is told of another's. Raises Http404."""
    statement = get_object_or_404(
        Statement.objects.select_related("period"), period_id=period, payee=line.rpartition("/")[2]
    )
    if line not in {x["line"] for x in statement.body["lines"]}:
        raise Http404
    with run_of(statement.period) as run:
        return statement, explain(run, line, 20)


@lru_cache(maxsize=1)
def _estimator(key: str, run: str, known: datetime) -> tuple[Estimator, threading.Lock]:
    return Estimator(Store.open(settings.WORKSPACE), parse_period(key), known), threading.Lock()


def estimated(statement: Statement, amount: str, service: str) -> dict[str, Any]:
    """What more sales would earn the payee of a statement that the asker sees. Raises Refused for what is no amount, or where nothing can be sold."""
    try:
        more = parse_amount(amount)
    except ValueError as error:
        raise Refused([Problem("estimate-amount", Place("amount"), {"amount": amount})]) from error
    if not 0 < more < MOST_SOLD:
        raise Refused([Problem("estimate-amount", Place("amount"), {"amount": amount})])
    with outside_queue():
        estimator, lock = _estimator(
            statement.period_id, statement.period.run, statement.period.known.replace(tzinfo=None)
        )
        with lock:
            return {
                **estimator.sell(statement.payee, more, service or None),
                "services": estimator.services(statement.payee),
            }


@lru_cache(maxsize=4)
def _run(key: str, run: str, known: datetime, booked: str) -> tuple[Run, threading.Lock]:
    found = settle_period(Store.open(settings.WORKSPACE), parse_period(key), upto=known)
    if (found.run_id, publish.digest_of(found.run.booked)) != (run, booked):
        raise Refused([Problem("shown-changed", Place(key), {"run": run})])
    return found.run, threading.Lock()


@contextmanager
def run_of(period: Period) -> Iterator[Run]:
    """The run that a period stands on, for one thread at a time: an engine serves one. Raises Refused where the workspace no longer gives what is shown."""
    with outside_queue():
        run, lock = _run(period.key, period.run, period.known.replace(tzinfo=None), period.booked)
        with lock:
            yield run
