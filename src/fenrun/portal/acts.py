"""What people do in the portal. Each act asks whether it may, writes with the unscoped connection, and leaves an event; what changes the workspace
goes through the functions that the command line uses."""

from __future__ import annotations

import hashlib
import secrets
from datetime import timedelta
from typing import Any

from django.contrib.auth import get_user_model
from django.db import transaction

from fenrun.base.problem import Place, Problem, Refused
from fenrun.base.when import Period, parse_period
from fenrun.closing.close import close
from fenrun.engine.store import Store
from fenrun.plan.read import PlanFile, read_plan
from fenrun.portal import consents, hooks, models, publish
from fenrun.portal.events import note, now
from fenrun.portal.turns import aside

_DB = "default"
MOST_DAYS = 366
"""So long a token holds at most."""
OPEN = ("open", "answered")
"""States of a dispute that is not over."""


def grant(actor: str, name: str, role: str, party: str, reason: str, password: str = "", anew: bool = False) -> models.Grant:
    """Let somebody see what concerns a party in a role; the account is made, with the password, if there is none. Raises Refused for a role or party that cannot be.

    The password of an account that is there changes only where it is to be `anew`: nobody in the portal takes over another's account.
    """
    place = Place("grant")
    if role not in models.ROLES or bool(party) == (role in models.EVERYBODY):
        raise Refused([Problem("grant-wrong", place, {"role": role, "party": party, "known": ", ".join(models.ROLES)})])
    if not reason.strip():
        raise Refused([Problem("reason-missing", place)])
    with transaction.atomic(using=_DB):
        user, made = get_user_model().objects.using(_DB).get_or_create(username=name)
        if made or (anew and password):
            user.set_password(password or None)
            user.save(using=_DB)
        given, _ = models.Grant.objects.using(_DB).get_or_create(user=user, role=role, party=party, ended_at=None, defaults={"reason": reason, "given_by": actor, "given_at": now()})
        note(actor, "grant", name, role=role, party=party, reason=reason)
    return given


def make_token(actor: Any, name: str, scopes: str, days: int) -> str:
    """A token by which a program asks as its user. It is said once: only its digest is kept."""
    if scopes not in ("read", "read act") or not name.strip() or not 0 < days <= MOST_DAYS:
        raise Refused([Problem("token-wrong", Place("token"), {"scopes": scopes, "days": days, "most": MOST_DAYS})])
    secret = f"fenrun_{secrets.token_urlsafe(32)}"
    with transaction.atomic(using=_DB):
        models.Token.objects.using(_DB).create(user=actor, name=name.strip()[:100], digest=digest_of(secret), scopes=scopes, made_at=now(), until=now() + timedelta(days=days))
        note(actor.get_username(), "make token", name, scopes=scopes, days=days)
    return secret


def digest_of(secret: str) -> str:
    """What is kept of a token: it is random enough that a plain digest cannot be undone."""
    return hashlib.sha256(secret.encode()).hexdigest()


def end_token(actor: Any, number: int) -> None:
    """End one of one's own tokens."""
    if models.Token.objects.using(_DB).filter(pk=number, user=actor, ended_at=None).update(ended_at=now()):
        note(actor.get_username(), "end token", str(number))


def user_of_token(secret: str) -> tuple[Any, set[str]] | None:
    """The user and scopes of a token that holds."""
    found = models.Token.objects.using(_DB).select_related("user").filter(digest=digest_of(secret), ended_at=None, until__gt=now(), user__is_active=True).first()
    return (found.user, set(found.scopes.split())) if found else None


def end_grant(actor: str, number: int) -> None:
    """End a grant; from the next request on nothing is seen by it."""
    found = models.Grant.objects.using(_DB).filter(pk=number, ended_at=None)
    if found.update(ended_at=now(), ended_by=actor):
        note(actor, "end grant", str(number))


def settle(store: Store, period: Period) -> bool:
    """Settle a period, with what customers have been silent about for long enough, and show what came out. Returns whether it differs from what was shown."""
    with aside():
        consents.lapse(store)
        changed = publish.publish(store, period)
    if changed:
        hooks.tell_statements(period.key, False)
    note(store.actor, "settle", period.key, changed=changed)
    return changed


def save_plan(store: Store, text: str, reason: str) -> PlanFile:
    """Make a text known as the plan from now on. Raises Refused for what is no plan, or no reason."""
    if not reason.strip():
        raise Refused([Problem("reason-missing", Place("plan"))])
    file = read_plan(text, "plan.yaml")
    with aside():
        consents.enter(store, f"{file.plan.id}.yaml", text, reason.strip())
    note(store.actor, "change plan", file.plan.id, reason=reason.strip())
    return file


def ask_close(store: Store, shown: models.Period, reason: str) -> models.Approval:
    """The first of two: ask that a period be closed as it is shown. Raises Refused where it is closed or was asked for already, or no reason is given."""
    place = Place(shown.key)
    if shown.closed:
        raise Refused([Problem("close-already", place)])
    if not reason.strip():
        raise Refused([Problem("reason-missing", place)])
    with transaction.atomic(using=_DB):
        waiting = models.Approval.objects.using(_DB).filter(period=shown.key, approved_at=None)
        if waiting.filter(run=shown.run).exists():
            raise Refused([Problem("close-asked", place, {"by": waiting[0].asked_by})])
        waiting.delete()
        made = models.Approval.objects.using(_DB).create(period=shown.key, run=shown.run, known=shown.known, reason=reason, asked_by=store.actor, asked_at=now())
        note(store.actor, "ask close", shown.key, run=shown.run, reason=reason)
    return made


def approve_close(store: Store, number: int) -> models.Approval:
    """The second of two: close the period for good, as the first has seen it. Raises Refused where both are the same, or what was seen is no longer what is shown."""
    with transaction.atomic(using=_DB):
        asked = models.Approval.objects.using(_DB).select_for_update().filter(pk=number, approved_at=None).first()
        if not asked:
            raise Refused([Problem("approval-gone", Place("close"))])
        place = Place(asked.period)
        if asked.asked_by == store.actor:
            raise Refused([Problem("close-alone", place, {"by": asked.asked_by})])
        given = models.Grant.objects.using(_DB).filter(user__username=store.actor, role=models.OPERATIONS, ended_at=None).values_list("given_by", flat=True)
        if set(given) == {asked.asked_by}:
            raise Refused([Problem("close-granted", place, {"by": asked.asked_by, "who": store.actor})])
        shown = models.Period.objects.using(_DB).filter(key=asked.period).first()
        if not shown or shown.run != asked.run:
            raise Refused([Problem("close-changed", place, {"by": asked.asked_by})])
        store.reason = f"{asked.reason} (asked by {asked.asked_by}, approved by {store.actor})"
        with aside():
            close(store, parse_period(asked.period), asked.known.replace(tzinfo=None))
        asked.approved_by, asked.approved_at = store.actor, now()
        asked.save(using=_DB)
        note(store.actor, "approve close", asked.period, run=asked.run, asked_by=asked.asked_by)
    with aside():
        publish.publish(store, parse_period(asked.period))
    hooks.tell_statements(asked.period, True)
    return asked


def open_dispute(actor: str, party: str, period: str, line: str, text: str) -> models.Dispute:
    """Say that something on a statement, or who is credited, is wrong. Raises Refused where nothing is said."""
    if not text.strip():
        raise Refused([Problem("reason-missing", Place(line or party))])
    with transaction.atomic(using=_DB):
        made = models.Dispute.objects.using(_DB).create(party=party, period=period, line=line, state="open", opened_by=actor, opened_at=now())
        models.DisputeEntry.objects.using(_DB).create(dispute=made, party=party, by=actor, at=made.opened_at, state="open", text=text.strip()[:4000])
        note(actor, "open dispute", str(made.pk), party=party, period=period, line=line)
    hooks.tell_dispute(made)
    return made


def answer_dispute(actor: str, seen: models.Dispute, state: str, text: str, operations: bool) -> models.Dispute:
    """Add to a dispute that the actor sees. Operations answer, accept or refuse; whom it concerns answers or withdraws. Raises Refused otherwise."""
    allowed = ("answered", "accepted", "refused") if operations else ("open", "withdrawn")
    place = Place(f"{seen.party} {seen.period}")
    if not text.strip():
        raise Refused([Problem("reason-missing", place)])
    with transaction.atomic(using=_DB):
        dispute = models.Dispute.objects.using(_DB).select_for_update().get(pk=seen.pk)
        if dispute.state not in OPEN or state not in allowed:
            raise Refused([Problem("dispute-over", place, {"state": dispute.state, "wanted": state})])
        dispute.state = state
        dispute.save(using=_DB)
        models.DisputeEntry.objects.using(_DB).create(dispute=dispute, party=dispute.party, by=actor, at=now(), state=state, text=text.strip()[:4000])
        note(actor, "answer dispute", str(dispute.pk), state=state)
    hooks.tell_dispute(dispute)
    return dispute


