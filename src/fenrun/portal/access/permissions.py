"""Permissions: what a request may do, by the grants of whoever asks.

Grants are read once a request, as they are now.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, cast

from django.contrib.auth.decorators import login_required
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse

from fenrun.portal.access.isolation import rows_seen
from fenrun.portal.access.request import Held, PortalRequest
from fenrun.portal.events import workspace
from fenrun.portal.models import (
    CUSTOMER,
    EVERYBODY,
    OPERATIONS,
    PARTNER,
    REP,
    Crediting,
    Grant,
    Request,
    Statement,
)
from fenrun.store.facts import Store

Page = Callable[..., HttpResponse]
_GRANTS = """
SELECT role, party FROM portal_grant
WHERE user_id = %s AND ended_at IS NULL AND holds_at IS NOT NULL
ORDER BY role, party
"""


def store_of(request: HttpRequest) -> Store:
    """Return the workspace; whatever is written to it names the asker as the actor."""
    return workspace(request.user.get_username())


def user_of(request: HttpRequest) -> User:
    """Return the asker. Raises PermissionDenied for nobody who has signed in."""
    if not isinstance(request.user, User):
        raise PermissionDenied
    return request.user


def grants_of(request: HttpRequest) -> list[Held]:
    """Return the grants of the asker that are in force."""
    asked = cast(PortalRequest, request)
    if not hasattr(asked, "grants"):
        asked.grants = [Held(*row) for row in rows_seen(_GRANTS, request.user.pk)]
    return asked.grants


def reasons_of(request: HttpRequest) -> list[Grant]:
    """Return the grants of the asker that are in force, each with its reason and who gave it."""
    grants = Grant.objects.filter(user=user_of(request), ended_at=None)
    return list(grants.exclude(holds_at=None).order_by("role", "party"))


def roles_of(request: HttpRequest) -> set[str]:
    """Return the roles of the asker."""
    return {grant.role for grant in grants_of(request)}


def parties_of(request: HttpRequest, *roles: str) -> list[str]:
    """Return the parties for which the asker has one of the roles."""
    return [grant.party for grant in grants_of(request) if grant.role in roles]


def is_operations(request: HttpRequest) -> bool:
    """Return whether the asker is of operations, who alone change things for others."""
    return OPERATIONS in roles_of(request)


def sees_everything(request: HttpRequest) -> bool:
    """Return whether the asker is of operations or an auditor."""
    return bool(roles_of(request) & set(EVERYBODY))


def signed_in(*roles: str) -> Callable[[Page], Page]:
    """Return a decorator: a page is for those who have signed in and have one of the roles.

    Without roles it is for everybody who has signed in.
    """

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
    """Return whether the asker acts for the party and sees what it asks about.

    That is the party's statement of the period, with the line if one is named, or its spend.
    """
    if not any(g.party == party and g.role not in EVERYBODY for g in grants_of(request)):
        return False
    statements = list(Statement.objects.filter(payee=party, period_id=period))
    if not statements:
        return not line and Crediting.objects.filter(customer=party, period_id=period).exists()
    return not line or any(line in statement.line_ids() for statement in statements)


def may_ask(request: HttpRequest, kind: str, party: str) -> bool:
    """Return whether the asker may ask a customer that a party be credited.

    Operations ask for any party, a partner to register an order of its own.
    """
    own_order = kind == "registration" and party in parties_of(request, PARTNER)
    return is_operations(request) or own_order


def may_quote(request: HttpRequest, party: str) -> bool:
    """Return whether the asker may ask for something out of the ordinary on a party's behalf.

    Partners and reps on their own, operations on nobody's: it is the vendor's.
    """
    return party in parties_of(request, PARTNER, REP) if party else is_operations(request)


def is_of_vendor(request: HttpRequest) -> bool:
    """Return whether the asker is of the vendor: sees everything, or sells for it."""
    return sees_everything(request) or REP in roles_of(request)


def may_decide(request: HttpRequest, found: Request, state: str) -> bool:
    """Return whether the asker may bring a request into a state.

    Its customer consents or refuses, and nobody of the vendor on its behalf; who asked withdraws.
    """
    if state == "withdrawn":
        return found.asked_by == request.user.get_username()
    return not sees_everything(request) and found.customer in parties_of(request, CUSTOMER)


def may_answer(request: HttpRequest, party: str, period: str) -> bool:
    """Return whether the asker may answer a dispute: operations, and whom it concerns."""
    return is_operations(request) or owns(request, party, period)
