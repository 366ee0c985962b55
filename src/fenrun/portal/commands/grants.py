"""Grants: letting somebody see what concerns a party, in a role; by two for the roles that act."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from allauth.account.forms import default_token_generator
from allauth.account.utils import user_pk_to_url_str
from django.contrib.auth.hashers import make_password
from django.contrib.auth.models import User
from django.db import transaction
from django.urls import reverse

from fenrun.base.problem import Place, Problem, Refused
from fenrun.portal import models
from fenrun.portal.access import authority
from fenrun.portal.alone import alone
from fenrun.portal.commands import finding, ways
from fenrun.portal.commands.reasons import reason_problems
from fenrun.portal.events import now, record_event, workspace

_DB = "default"
_NAME = re.compile(r"[\w.@+-]{1,150}")
_PLACE = Place("grant")
_LONGEST_PARTY = 200
_PARTY_OF = {
    models.PARTNER: finding.PAYEE,
    models.REP: finding.PAYEE,
    models.CUSTOMER: finding.CUSTOMER,
}


def give_with_password(
    actor: str, name: str, role: str, party: str, reason: str, password: str
) -> models.Grant:
    """Give a grant that is in force at once, and its account a new password.

    That is what `fenrun account` does beside the workspace. Every other way into the account ends:
    sessions, tokens, webhooks, links, what is connected. Raises Refused as `give` does.
    """
    hashed = make_password(password)
    with _alone():
        return _give_with_hash(actor, name, role, party, reason, hashed)


def give_to_invented(
    actor: str, accounts: Iterable[tuple[str, str, str]], reason: str, password: str
) -> None:
    """Give invented accounts, each a name, role and party, grants in force and one new password.

    It is hashed once for all: that takes as long as everything else. Raises Refused as `give` does.
    """
    hashed = make_password(password)
    with _alone():
        for name, role, party in accounts:
            _give_with_hash(actor, name, role, party, reason, hashed)


def _give_with_hash(
    actor: str, name: str, role: str, party: str, reason: str, hashed: str
) -> models.Grant:
    grant = _give(actor, name, role, party, reason, in_force=True)
    grant.user.password = hashed
    grant.user.save(using=_DB)
    ways.end_all(actor, grant.user)
    models.Opening.objects.using(_DB).create(
        user=grant.user, way=models.Opening.PASSWORD, by=actor, at=now()
    )
    return grant


def give(actor: str, name: str, role: str, party: str, reason: str) -> models.Grant:
    """Give a grant; an account that is not there is made, to be taken up by `first_link`.

    A role in Grant.TWO is in force once a second of operations has approved it. Raises Refused
    for oneself, or a role, party or name that cannot be.
    """
    if actor == name:
        raise Refused([Problem("grant-own", _PLACE, {"who": actor})])
    if party and role in _PARTY_OF:
        finding.refuse_unknown(workspace(actor), "party", party, _PARTY_OF[role])
    with _alone():
        return _give(actor, name, role, party, reason, in_force=role not in models.Grant.TWO)


@contextmanager
def _alone() -> Iterator[None]:
    """Give grants in one transaction, alone: of two at once, the second finds the first's names."""
    with alone("accounts"), transaction.atomic(using=_DB):
        yield


def _give(
    actor: str, name: str, role: str, party: str, reason: str, in_force: bool
) -> models.Grant:
    problems = problems_of(name, role, party, reason)
    if problems:
        raise Refused(problems)
    grant, _ = models.Grant.objects.using(_DB).get_or_create(
        user=_locked(_account(name)),
        role=role,
        party=party,
        ended_at=None,
        defaults={
            "reason": reason.strip(),
            "given_by": actor,
            "given_at": now(),
            "authority": authority.authority_named(actor),
        },
    )
    if in_force and not grant.holds_at:
        grant.holds_at = now()
        grant.save(using=_DB)
    record_event(actor, "grant", name, role=role, party=party, reason=reason)
    return grant


def problems_of(name: str, role: str, party: str, reason: str) -> list[Problem]:
    """Return why a grant cannot be given so; nothing where it can."""
    problems = []
    for_one_party = role not in models.EVERYBODY
    if role not in models.ROLES or bool(party) != for_one_party or len(party) > _LONGEST_PARTY:
        values = {"role": role, "party": party, "known": ", ".join(models.ROLES)}
        problems.append(Problem("grant-wrong", _PLACE, values))
    if not _NAME.fullmatch(name) or _differs_by_case(name):
        problems.append(Problem("user-wrong", _PLACE, {"name": name}))
    return problems + reason_problems(reason, _PLACE)


def _differs_by_case(name: str) -> bool:
    """Return whether an account has the same name but for its case: sign-in would mix them up."""
    users = User.objects.using(_DB)
    return users.filter(username__iexact=name).exclude(username=name).exists()


def _account(name: str) -> User:
    """Return the account of that name; a new one has no password."""
    user, made = User.objects.using(_DB).get_or_create(username=name)
    if made:
        user.set_unusable_password()
        user.save(using=_DB)
    return user


def approve(actor: str, number: int) -> models.Grant:
    """Approve a grant as the second of two: from now on it is in force.

    What its account was connected with before, and its sessions, end. Raises Refused where it is
    one's own or for oneself, does not wait any more, or who gave it could not give it now; where
    nobody has taken the account up, so that nobody knows who it is, or a link to it was shown.
    """
    with transaction.atomic(using=_DB):
        grants = models.Grant.objects.using(_DB).select_for_update()
        asked = grants.filter(pk=number, holds_at=None, ended_at=None).first()
        if not asked:
            raise Refused([Problem("approval-gone", _PLACE)])
        name = asked.user.get_username()
        _locked(asked.user)
        refuse_approval(actor, asked)
        ways.end_before_role(asked.user)
        asked.holds_at = now()
        asked.approved_by = actor
        asked.save(using=_DB)
        record_event(
            actor,
            "approve grant",
            name,
            role=asked.role,
            party=asked.party,
            given_by=asked.given_by,
        )
    return asked


def refuse_approval(actor: str, asked: models.Grant) -> None:
    """Raise Refused where the actor cannot approve a grant that waits."""
    if actor in (asked.given_by, asked.user.get_username()):
        raise Refused([Problem("grant-own", _PLACE, {"who": actor})])
    authority.refuse_second(asked.given_by, asked.authority, actor, _PLACE)
    _refuse_unknown(asked.user)


def _locked(user: User) -> User:
    """Return an account that nobody else gives a way into until this transaction ends."""
    return User.objects.using(_DB).select_for_update().get(pk=user.pk)


def _refuse_unknown(user: User) -> None:
    """Raise Refused where it is not known who alone could be acting by an account."""
    values = {"who": user.get_username()}
    if not authority.is_taken_up(user):
        raise Refused([Problem("account-waits", _PLACE, values)])
    for opening in authority.openings_of(user):
        if opening.way == opening.LINK:
            raise Refused([Problem("account-opened", _PLACE, values | {"by": opening.by})])


def end(actor: str, number: int) -> None:
    """End a grant; from the next request on nothing is seen by it."""
    found = models.Grant.objects.using(_DB).filter(pk=number, ended_at=None)
    with transaction.atomic(using=_DB):
        if found.update(ended_at=now(), ended_by=actor):
            record_event(actor, "end grant", str(number))


def first_of(user: User) -> models.Grant:
    """Return the first grant that an account was given: with it the account was made."""
    found = models.Grant.objects.using(_DB).filter(user=user)
    return found.order_by("pk")[0]


def may_link(actor: str, grant: models.Grant) -> bool:
    """Return whether the actor may see the link by which a new account is taken up.

    That is who gave its grant. Never for an account that has, had or is to have a role in
    Grant.TWO, since whoever sees a link can use it: such an account signs in through a provider,
    or with a password that `fenrun account` sets. Nor for one that was ever signed in to.
    """
    user = grant.user
    in_force = grant.holds_at and not grant.ended_at
    taken_up = authority.is_taken_up(user) or user.last_login
    if not in_force or taken_up or actor != grant.given_by:
        return False
    takes_two = models.Grant.objects.using(_DB).filter(user=user, role__in=grant.TWO)
    return not takes_two.exists()


def first_link(actor: str, number: int) -> str:
    """Return the path at which somebody takes up a new account by choosing its password.

    It is good once, for three days, and no longer than the account's grants stay as they are.
    Whoever sees it could use it: that is kept with the account (`Opening`). Raises Refused.
    """
    with transaction.atomic(using=_DB):
        grant = models.Grant.objects.using(_DB).select_related("user").filter(pk=number).first()
        user = _locked(grant.user) if grant else None
        if not grant or not user or not may_link(actor, grant):
            raise Refused([Problem("approval-gone", _PLACE)])
        models.Opening.objects.using(_DB).create(
            user=user, way=models.Opening.LINK, by=actor, at=now()
        )
        record_event(actor, "first link", user.get_username())
    parts = {
        "uidb36": user_pk_to_url_str(user),
        "key": default_token_generator.make_token(user),
    }
    return reverse("account_reset_password_from_key", kwargs=parts)
