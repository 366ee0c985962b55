"""What people do in the portal. Each act asks whether it may, writes with the unscoped connection, and leaves an event; what changes the workspace
goes through the functions that the command line uses."""

from __future__ import annotations

import hashlib
import re
import secrets
from datetime import timedelta
from typing import Any

import yaml
from allauth.account.forms import default_token_generator
from allauth.account.utils import user_pk_to_url_str
from allauth.socialaccount.models import SocialAccount
from django.contrib.auth import get_user_model
from django.db import transaction
from django.urls import reverse

from fenrun.base.ids import digest, short
from fenrun.base.problem import Place, Problem, Refused
from fenrun.base.when import Period, parse_period
from fenrun.closing.close import close
from fenrun.plan.read import PlanFile, read_plan
from fenrun.portal import consents, models, publish, webhooks
from fenrun.portal.events import now, record_event
from fenrun.portal.request_queue import outside_queue
from fenrun.store.facts import Store

_DB = "default"
MOST_DAYS = 366
"""So long a token holds at most."""
_NAME = re.compile(r"[\w.@+-]{1,150}")
OPEN = ("open", "answered")
"""States of a dispute that is not over."""


def grant(actor: str, name: str, role: str, party: str, reason: str, password: str) -> models.Grant:
    """Let somebody see what concerns a party in a role, at once, with a new password: what `fenrun account` does beside the workspace. Raises Refused."""
    with transaction.atomic(using=_DB):
        given = _grant(actor, name, role, party, reason, True)
        given.user.set_password(password)
        given.user.save(using=_DB)
    return given


def give(actor: str, name: str, role: str, party: str, reason: str) -> models.Grant:
    """Let somebody see what concerns a party in a role; an account that is not there is made, to be taken up by `first_link`.

    A role in Grant.TWO holds once a second of operations has approved it. Raises Refused for oneself, or a role, party or name that cannot be.
    """
    if actor == name:
        raise Refused([Problem("grant-own", Place("grant"), {"who": actor})])
    with transaction.atomic(using=_DB):
        return _grant(actor, name, role, party, reason, role not in models.Grant.TWO)


def _grant(actor: str, name: str, role: str, party: str, reason: str, holds: bool) -> models.Grant:
    place, wrong = Place("grant"), []
    if role not in models.ROLES or bool(party) == (role in models.EVERYBODY) or len(party) > 200:
        wrong.append(
            Problem(
                "grant-wrong",
                place,
                {"role": role, "party": party, "known": ", ".join(models.ROLES)},
            )
        )
    if not _NAME.fullmatch(name):
        wrong.append(Problem("user-wrong", place, {"name": name}))
    if not reason.strip():
        wrong.append(Problem("reason-missing", place))
    if wrong:
        raise Refused(wrong)
    if (
        get_user_model()
        .objects.using(_DB)
        .filter(username__iexact=name)
        .exclude(username=name)
        .exists()
    ):  # signing in does not tell the two apart
        raise Refused([Problem("user-wrong", place, {"name": name})])
    user, made = get_user_model().objects.using(_DB).get_or_create(username=name)
    if made:
        user.set_unusable_password()
        user.save(using=_DB)
    given, _ = models.Grant.objects.using(_DB).get_or_create(
        user=user,
        role=role,
        party=party,
        ended_at=None,
        defaults={"reason": reason.strip()[:500], "given_by": actor, "given_at": now()},
    )
    if holds and not given.holds_at:
        given.holds_at = now()
        given.save(using=_DB)
    record_event(actor, "grant", name, role=role, party=party, reason=reason)
    return given


def approve_grant(actor: str, number: int) -> models.Grant:
    """The second of two: from now on the grant holds. Raises Refused where it is one's own, for oneself, or does not wait any more."""
    with transaction.atomic(using=_DB):
        asked = (
            models.Grant.objects.using(_DB)
            .select_for_update()
            .filter(pk=number, holds_at=None, ended_at=None)
            .first()
        )
        if not asked:
            raise Refused([Problem("approval-gone", Place("grant"))])
        if actor in (asked.given_by, asked.user.get_username()):
            raise Refused([Problem("grant-own", Place("grant"), {"who": actor})])
        asked.holds_at, asked.approved_by = now(), actor
        asked.save(using=_DB)
        record_event(
            actor,
            "approve grant",
            asked.user.get_username(),
            role=asked.role,
            party=asked.party,
            given_by=asked.given_by,
        )
    return asked


def may_link(actor: str, given: models.Grant) -> bool:
    """Whether the actor may see the link by which a new account is taken up: who gave its grant.

    Never for an account that has, had or is to have a role in Grant.TWO, since whoever sees a link can use it himself: such an account
    signs in through a provider, or with a password that `fenrun account` sets. Nor for one that was ever signed in to.
    """
    user = given.user
    if (
        not given.holds_at
        or given.ended_at
        or user.has_usable_password()
        or user.last_login
        or actor != given.given_by
    ):
        return False
    return (
        not models.Grant.objects.using(_DB).filter(user=user, role__in=given.TWO).exists()
        and not SocialAccount.objects.using(_DB).filter(user=user).exists()
    )


def first_link(actor: str, number: int) -> str:
    """The path at which somebody takes up a new account by choosing its password: good once, for three days. Nobody but its owner ever knows the password. Raises Refused."""
    given = models.Grant.objects.using(_DB).select_related("user").filter(pk=number).first()
    if not given or not may_link(actor, given):
        raise Refused([Problem("approval-gone", Place("grant"))])
    record_event(actor, "first link", given.user.get_username())
    return reverse(
        "account_reset_password_from_key",
        kwargs={
            "uidb36": user_pk_to_url_str(given.user),
            "key": default_token_generator.make_token(given.user),
        },
    )


def make_token(actor: Any, name: str, scopes: str, days: int) -> str:
    """A token by which a program asks as its user. It is said once: only its digest is kept."""
    if scopes not in ("read", "read act") or not name.strip() or not 0 < days <= MOST_DAYS:
        raise Refused(
            [
                Problem(
                    "token-wrong",
                    Place("token"),
                    {"scopes": scopes, "days": days, "most": MOST_DAYS},
                )
            ]
        )
    secret = f"fenrun_{secrets.token_urlsafe(32)}"
    with transaction.atomic(using=_DB):
        models.Token.objects.using(_DB).create(
            user=actor,
            name=name.strip()[:100],
            digest=digest_of(secret),
            scopes=scopes,
            made_at=now(),
            until=now() + timedelta(days=days),
        )
        record_event(actor.get_username(), "make token", name, scopes=scopes, days=days)
    return secret


def digest_of(secret: str) -> str:
    """What is kept of a token: it is random enough that a plain digest cannot be undone."""
    return hashlib.sha256(secret.encode()).hexdigest()


def end_token(actor: Any, number: int) -> None:
    """End one of one's own tokens."""
    if (
        models.Token.objects.using(_DB)
        .filter(pk=number, user=actor, ended_at=None)
        .update(ended_at=now())
    ):
        record_event(actor.get_username(), "end token", str(number))


def user_of_token(secret: str) -> tuple[Any, set[str]] | None:
    """The user and scopes of a token that holds."""
    found = (
        models.Token.objects.using(_DB)
        .select_related("user")
        .filter(digest=digest_of(secret), ended_at=None, until__gt=now(), user__is_active=True)
        .first()
    )
    return (found.user, set(found.scopes.split())) if found else None


def end_grant(actor: str, number: int) -> None:
    """End a grant; from the next request on nothing is seen by it."""
    found = models.Grant.objects.using(_DB).filter(pk=number, ended_at=None)
    if found.update(ended_at=now(), ended_by=actor):
        record_event(actor, "end grant", str(number))


def settle(store: Store, period: Period) -> bool:
    """Settle a period, with what customers have been silent about for long enough, and show what came out. Returns whether it differs from what was shown."""
    with outside_queue():
        consents.settle_silence(store)
        changed = publish.publish(store, period)
    if changed:
        webhooks.notify_statements(period.key, False)
    record_event(store.actor, "settle", period.key, changed=changed)
    return changed


def save_plan(store: Store, text: str, reason: str) -> PlanFile:
    """Make a text known as the plan from now on. Raises Refused for what is no plan, or no reason."""
    if not reason.strip():
        raise Refused([Problem("reason-missing", Place("plan"))])
    file = read_plan(text, "plan.yaml")
    with outside_queue():
        consents.enter(store, f"{file.plan.id}.yaml", text, reason.strip())
    record_event(store.actor, "change plan", file.plan.id, reason=reason.strip())
    return file


def set_target(
    store: Store, party: str, figure: str, period: str, amount: str, currency: str, reason: str
) -> None:
    """Enter a figure of a party for a period into the book, in place of an earlier one: a target, quota, baseline. Raises Refused for what the book cannot hold, or no reason."""
    row = {
        "party": party.strip(),
        "figure": figure.strip(),
        "period": period.strip(),
        "amount": amount.strip(),
        "currency": currency.strip(),
    }
    if not reason.strip():
        raise Refused([Problem("reason-missing", Place("target"))])
    with outside_queue():
        consents.enter(
            store,
            f"target-{short(digest('target', row['party'], row['figure'], row['period']))}.yaml",
            yaml.safe_dump({"figures": [row]}, allow_unicode=True),
            reason.strip()[:500],
        )
    record_event(store.actor, "set target", row["party"], **{k: v[:100] for k, v in row.items()})


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
        made = models.Approval.objects.using(_DB).create(
            period=shown.key,
            run=shown.run,
            known=shown.known,
            reason=reason.strip()[:500],
            asked_by=store.actor,
            asked_at=now(),
        )
        record_event(store.actor, "ask close", shown.key, run=shown.run, reason=reason)
    return made


def approve_close(store: Store, number: int, period: str = "") -> models.Approval:
    """The second of two: close the period for good, as the first has seen it. Raises Refused where both are the same, or what was seen is no longer what is shown."""
    asked = models.Approval.objects.using(_DB).filter(pk=number, approved_at=None).first()
    if not asked or period not in ("", asked.period):
        raise Refused([Problem("approval-gone", Place("close"))])
    place = Place(asked.period)
    if asked.asked_by == store.actor:
        raise Refused([Problem("close-alone", place, {"by": asked.asked_by})])
    shown = models.Period.objects.using(_DB).filter(key=asked.period).first()
    if not shown or shown.run != asked.run:
        raise Refused([Problem("close-changed", place, {"by": asked.asked_by})])
    store.reason, closed = (
        f"{asked.reason} (asked by {asked.asked_by}, approved by {store.actor})",
        parse_period(asked.period),
    )
    with outside_queue():  # outside any transaction, which would hold up whoever has the turn; of two at once the store refuses the second
        close(store, closed, asked.known.replace(tzinfo=None), expected=asked.run)
    with transaction.atomic(using=_DB):
        asked.approved_by, asked.approved_at = store.actor, now()
        asked.save(using=_DB)
        record_event(
            store.actor, "approve close", asked.period, run=asked.run, asked_by=asked.asked_by
        )
    with outside_queue():
        publish.publish(store, closed)
        following = publish.month_after(closed)
        if following in publish.months_of(store):  # it holds the differences of what is closed
            publish.publish(store, following)
    webhooks.notify_statements(asked.period, True)
    return asked


def open_dispute(actor: str, party: str, period: str, line: str, text: str) -> models.Dispute:
    """Say that something on a statement, or who is credited, is wrong. Raises Refused where nothing is said."""
    if not text.strip():
        raise Refused([Problem("reason-missing", Place(line or party))])
    with transaction.atomic(using=_DB):
        made = models.Dispute.objects.using(_DB).create(
            party=party, period=period, line=line, state="open", opened_by=actor, opened_at=now()
        )
        models.DisputeEntry.objects.using(_DB).create(
            dispute=made,
            party=party,
            by=actor,
            at=made.opened_at,
            state="open",
            text=text.strip()[:4000],
        )
        record_event(actor, "open dispute", str(made.pk), party=party, period=period, line=line)
    webhooks.notify_dispute(made)
    return made


def answer_dispute(
    actor: str, seen: models.Dispute, state: str, text: str, operations: bool
) -> models.Dispute:
    """Add to a dispute that the actor sees. Operations answer, accept or refuse; whom it concerns answers or withdraws. Raises Refused otherwise."""
    allowed = ("answered", "accepted", "refused") if operations else ("open", "withdrawn")
    place = Place(f"{seen.party} {seen.period}")
    if not text.strip():
        raise Refused([Problem("reason-missing", place)])
    with transaction.atomic(using=_DB):
        dispute = models.Dispute.objects.using(_DB).select_for_update().get(pk=seen.pk)
        if dispute.state not in OPEN or state not in allowed:
            raise Refused(
                [Problem("dispute-over", place, {"state": dispute.state, "wanted": state})]
            )
        dispute.state = state
        dispute.save(using=_DB)
        models.DisputeEntry.objects.using(_DB).create(
            dispute=dispute,
            party=dispute.party,
            by=actor,
            at=now(),
            state=state,
            text=text.strip()[:4000],
        )
        record_event(actor, "answer dispute", str(dispute.pk), state=state)
    webhooks.notify_dispute(dispute)
    return dispute
