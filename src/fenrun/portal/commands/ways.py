"""Ways in: by what accounts are reached and told (sessions, tokens, webhooks, connections).

Everybody sees and ends those of one's own account, operations those of all.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from allauth.mfa.models import Authenticator
from allauth.socialaccount.models import SocialAccount
from allauth.usersessions.models import UserSession
from django.contrib.auth.models import User
from django.db import transaction

from fenrun.portal import models
from fenrun.portal.access.authority import authority_of
from fenrun.portal.events import now, record_event

_DB = "default"
KINDS = ("session", "token", "webhook", "connection")


@dataclass(frozen=True)
class Way:
    """A way into an account, or out of it: what it is, since when, and until when if that is set.

    `in_force` is false of a token whose account has another password or other grants by now.
    """

    kind: str
    number: int
    user: str
    what: str
    since: datetime
    until: datetime | None = None
    in_force: bool = True


def ways_of(users: Iterable[User]) -> list[Way]:
    """Return the ways of some accounts, account by account."""
    return [way for user in users for way in _of_one(user)]


def _of_one(user: User) -> list[Way]:
    name, authority = user.get_username(), authority_of(user)
    sessions = UserSession.objects.using(_DB).filter(user=user).order_by("pk")
    found = [
        Way("session", s.pk, name, f"{s.ip} {s.user_agent}", s.created_at)
        for s in sessions
        if s.exists()
    ]
    tokens = models.Token.objects.using(_DB).filter(user=user, ended_at=None, until__gt=now())
    found += [
        Way("token", t.pk, name, f"{t.name} ({t.scopes})", t.made_at, t.until, _same(t, authority))
        for t in tokens.order_by("pk")
    ]
    hooks = models.Hook.objects.using(_DB).filter(user=user, ended_at=None).order_by("pk")
    found += [Way("webhook", h.pk, name, f"{h.url} ({h.events})", h.made_at) for h in hooks]
    connected = SocialAccount.objects.using(_DB).filter(user=user).order_by("pk")
    found += [Way("connection", c.pk, name, c.uid, c.date_joined) for c in connected]
    return found


def _same(token: models.Token, authority: str) -> bool:
    return bool(token.authority == authority)


def end(actor: str, kind: str, number: int, of: User | None) -> bool:
    """End a way of an account, or of any (None). Returns whether there was one.

    An account without a password whose connection ends is taken up by nobody any more, until
    `fenrun account` sets one.
    """
    if kind not in KINDS:
        return False
    with transaction.atomic(using=_DB):
        user = _end_session(number, of) if kind == "session" else _end_row(kind, number, of)
        if user:
            record_event(actor, f"end {kind}", str(number), user=user.get_username())
    return user is not None


def _end_session(number: int, of: User | None) -> User | None:
    sessions = UserSession.objects.using(_DB).select_related("user").filter(pk=number)
    found = (sessions.filter(user=of) if of else sessions).first()
    if not found:
        return None
    found.end()
    return User.objects.using(_DB).get(pk=found.user_id)


def _end_row(kind: str, number: int, of: User | None) -> User | None:
    tables = {"token": models.Token, "webhook": models.Hook, "connection": SocialAccount}
    rows = tables[kind].objects.using(_DB).select_related("user").filter(pk=number)
    if kind != "connection":
        rows = rows.filter(ended_at=None)
    found = (rows.filter(user=of) if of else rows).first()
    if not found:
        return None
    user: User = found.user
    if kind == "connection":
        has_ended = _end_connections(user, [found.uid])
    else:
        has_ended = rows.filter(pk=found.pk).update(ended_at=now())
    return user if has_ended else None  # another was faster


def _end_connections(user: User, numbers: Iterable[str]) -> int:
    """End connections of an account to a provider; return how many there were."""
    ended = list(numbers)
    connected = SocialAccount.objects.using(_DB).filter(user=user, uid__in=ended)
    count: int = connected.delete()[0]
    opened = models.Opening.objects.using(_DB).filter(user=user, ended_at=None)
    opened.filter(way=models.Opening.PROVIDER, by__in=ended).update(ended_at=now())
    return count


def end_before_role(user: User) -> None:
    """End sessions before a role that takes two; and, beside a password, what is connected.

    Tokens and links end by themselves with a change of grants. An account without a password
    stays connected: that is who its second has approved.
    """
    _end_sessions(user)
    if user.has_usable_password():
        connected = SocialAccount.objects.using(_DB).filter(user=user)
        _end_connections(user, connected.values_list("uid", flat=True))


def end_all(actor: str, user: User) -> None:
    """End every way into an account, and out of it, also its second factors."""
    ended = _end_sessions(user)
    for table in (models.Token, models.Hook, models.Opening):
        ended += table.objects.using(_DB).filter(user=user, ended_at=None).update(ended_at=now())
    for owned in (SocialAccount, Authenticator):
        ended += owned.objects.using(_DB).filter(user=user).delete()[0]
    if ended:
        record_event(actor, "end ways", user.get_username(), ended=ended)


def _end_sessions(user: User) -> int:
    sessions = list(UserSession.objects.using(_DB).filter(user=user))
    for session in sessions:
        session.end()
    return len(sessions)
