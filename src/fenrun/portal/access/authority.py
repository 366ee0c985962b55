"""Authority: what an account may do as it is now, and who could be acting by it.

A link, a token, and what waits for a second carry the authority of the account that they came
from. Once its password, its roles or its grants are others, they hold no longer: that is asked
when they are used, so nothing has to be found and ended in time.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any, ParamSpec

from allauth.socialaccount.models import SocialAccount
from django.contrib.auth.models import User
from django.contrib.auth.tokens import PasswordResetTokenGenerator

from fenrun.base.problem import Place, Problem, Refused
from fenrun.portal.models import OPERATIONS, Grant, Opening

_DB = "default"
Given = ParamSpec("Given")


def authority_of(user: User) -> str:
    """Return a digest of an account's password and of its grants that are in force."""
    grants = Grant.objects.using(_DB).filter(user=user, ended_at=None).exclude(holds_at=None)
    numbers = grants.order_by("pk").values_list("pk", flat=True)
    parts = [str(user.pk), user.password, *map(str, numbers)]
    return hashlib.sha256("|".join(parts).encode()).hexdigest()


def authority_named(name: str) -> str:
    """Return the authority of the account of a name; nothing where there is none."""
    user = User.objects.using(_DB).filter(username=name, is_active=True).first()
    return authority_of(user) if user else ""


def is_unchanged(name: str, authority: str) -> bool:
    """Return whether an account still has the authority that it had."""
    return bool(authority) and authority_named(name) == authority


class LinkTokens(PasswordResetTokenGenerator):
    """The keys of links by which accounts are taken up: each is good for its authority alone."""

    def _make_hash_value(self, user: Any, timestamp: int) -> str:
        return f"{super()._make_hash_value(user, timestamp)}{authority_of(user)}"


def openings_of(user: User) -> list[Opening]:
    """Return the ways into an account that were opened and may still be used, first ones first."""
    found = Opening.objects.using(_DB).filter(user=user, ended_at=None)
    return list(found.order_by("id"))


def is_taken_up(user: User) -> bool:
    """Return whether somebody can sign in to an account: by a password, or at a provider."""
    connected = SocialAccount.objects.using(_DB).filter(user=user)
    return user.has_usable_password() or connected.exists()


def openers_of(name: str) -> set[str]:
    """Return who besides its owner could be acting by an account: who saw its link or password."""
    opened = Opening.objects.using(_DB).filter(user__username=name, ended_at=None)
    return set(opened.exclude(way=Opening.PROVIDER).values_list("by", flat=True)) - {name}


def hindrances(
    refuse: Callable[Given, object], *given: Given.args, **named: Given.kwargs
) -> list[Problem]:
    """Return why something would be refused, so that nobody is offered it; nothing where not."""
    try:
        refuse(*given, **named)
    except Refused as refused:
        return list(refused.problems)
    return []


def refuse_second(by: str, authority: str, name: str, place: Place) -> None:
    """Raise Refused where somebody cannot approve, as the second of two, what another asked for.

    That is so where the two could be one person, or the first could not ask for it now.
    """
    refuse_lapsed(by, authority, place)
    refuse_one_for_two(by, name, place)


def refuse_one_for_two(one: str, other: str, place: Place) -> None:
    """Raise Refused where one person could be acting by two accounts.

    That is so where one has opened the other, or somebody of operations has opened both.
    """
    of_one, of_other = {one} | openers_of(one), {other} | openers_of(other)
    shared = of_one & of_other
    could = shared & {one, other} or _of_operations(shared)
    if could:
        values = {"who": one, "other": other, "by": min(could)}
        raise Refused([Problem("one-for-two", place, values)])


def refuse_opened_by_operations(name: str, place: Place) -> None:
    """Raise Refused where somebody of operations could be acting by a customer's account."""
    could = _of_operations(openers_of(name))
    if could:
        values = {"who": name, "other": name, "by": min(could)}
        raise Refused([Problem("one-for-two", place, values)])


def _of_operations(names: set[str]) -> set[str]:
    """Return which names are of accounts that have, or had, the role of operations."""
    grants = Grant.objects.using(_DB).filter(role=OPERATIONS, user__username__in=names)
    return set(grants.exclude(holds_at=None).values_list("user__username", flat=True))


def refuse_lapsed(by: str, authority: str, place: Place) -> None:
    """Raise Refused where who asked has no longer the authority by which it was asked."""
    if not is_unchanged(by, authority):
        raise Refused([Problem("ask-lapsed", place, {"by": by})])
