"""Notices: people are told in the portal, and by e-mail where they have said an address.

A notice is delivered once its account has opened it, or a mail server has taken it: before that
nobody's silence counts. No name and no amount stands in a mail.
"""

from __future__ import annotations

import logging
import smtplib
import threading
from collections import Counter
from collections.abc import Iterable
from datetime import datetime, timedelta
from email.message import EmailMessage
from email.utils import make_msgid
from urllib.parse import unquote, urlsplit

from django.conf import settings
from django.contrib.auth.models import User
from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.db import close_old_connections, transaction
from django.db.models import Q, QuerySet

from fenrun.base.problem import Place, Problem, Refused
from fenrun.base.words import LANGUAGES, say
from fenrun.portal import models
from fenrun.portal.events import now, record_event

_DB = "default"
AGAIN = (1, 10, 60, 360, 1440)
"""Minutes after which a mail that no server took is tried again; then it is given up."""
_TIMEOUT, _EVERY = 10, 5
"""Seconds: of one mail, and between two looks for what is due."""
_AT_ONCE = 100
GROUPS = ("request", "statement", "payment", "dispute", "close", "quote", "case")
"""The groups of notices, by the beginning of their kinds."""
ALWAYS = ("request",)
"""Groups that are always mailed: a customer's silence may follow from them."""
_DIGEST_AT = 6
"""Hour of the day (UTC) from which a digest is mailed."""
_log = logging.getLogger(__name__)


def notify(accounts: Iterable[str], kind: str, subject: str, party: str = "") -> None:
    """Tell accounts something about a subject, such as a request's number; each is told once.

    `kind` names its words, and the page where it is read; `party` is whom it is about.
    """
    notify_each([(name, party) for name in sorted(set(accounts))], kind, subject)


def notify_each(told: Iterable[tuple[str, str]], kind: str, subject: str) -> None:
    """Tell accounts something about a subject, each about a party of its own, once."""
    at, next_at = now(), now() if settings.SMTP_URL else None
    rows = [
        models.Notice(
            reader=_named(name), kind=kind, subject=subject, party=party, at=at, next_at=next_at
        )
        for name, party in told
    ]
    models.Notice.objects.using(_DB).bulk_create(rows, batch_size=500, ignore_conflicts=True)


def over(kinds: Iterable[str], subject: str, but: str = "") -> None:
    """Note that a subject, or its steps `but` one, is decided: its notices wait for nobody."""
    about = Q(subject=subject) | Q(subject__startswith=f"{subject} ")
    rows = models.Notice.objects.using(_DB).filter(about, kind__in=[*kinds], over_at=None)
    rows.exclude(subject=but).update(over_at=now(), next_at=None)


def _named(name: str) -> str:
    """Return an account's name as the isolation of rows reads it: with blanks around."""
    return f" {name} "


def accounts_of(role: str, *parties: str) -> list[str]:
    """Return the accounts that have a role for one of some parties now; for all, where none."""
    grants = models.Grant.objects.using(_DB).filter(role=role, ended_at=None, user__is_active=True)
    grants = grants.exclude(holds_at=None)
    if parties:
        grants = grants.filter(party__in=parties)
    return sorted(grants.values_list("user__username", flat=True).distinct())


def holders_of(parties: Iterable[str]) -> list[tuple[str, str]]:
    """Return the accounts of payees among some parties, each once, with a party of its own."""
    wanted = set(parties)
    grants = models.Grant.objects.using(_DB).filter(ended_at=None, user__is_active=True)
    grants = grants.filter(role__in=(models.PARTNER, models.REP)).exclude(holds_at=None)
    rows = grants.order_by("pk").values_list("user__username", "party")
    return sorted({name: party for name, party in rows if party in wanted}.items())


def read(name: str, *kinds: str) -> None:
    """Note that an account has been shown its notices: all, or those of some kinds."""
    unread = models.Notice.objects.using(_DB).filter(reader=_named(name), seen_at=None)
    (unread.filter(kind__in=kinds) if kinds else unread).update(seen_at=now())


def delivered(kind: str, subject: str, accounts: Iterable[str]) -> datetime | None:
    """Return when the first of some accounts was told something; None where nobody was."""
    told = models.Notice.objects.using(_DB).filter(kind=kind, subject=subject)
    rows = told.filter(reader__in=[_named(name) for name in accounts])
    moments = [at for row in rows for at in (row.seen_at, row.mailed_at) if at]
    return min(moments, default=None)


def set_address(user: User, address: str) -> None:
    """Keep where an account's notices are mailed; an empty address ends that. Raises Refused."""
    wanted = address.strip()
    try:
        if wanted:
            validate_email(wanted)
    except ValidationError:
        raise Refused(
            [Problem("address-wrong", Place("address"), {"text": wanted[:200]})]
        ) from None
    with transaction.atomic(using=_DB):
        rows = models.MailAddress.objects.using(_DB)
        rows.update_or_create(user=user, defaults={"address": wanted})
        record_event(user.get_username(), "set address", "", removed=not wanted)


def mail_of(user: User) -> models.MailAddress:
    """Return where an account's notices are mailed, if anywhere, and which of them."""
    found = models.MailAddress.objects.using(_DB).filter(user=user).first()
    return found or models.MailAddress(user=user)


def choose(user: User, mailed: Iterable[str], digest: bool) -> None:
    """Keep which groups of notices an account has mailed, and whether once a day, together.

    In the portal it is told all of them, and what silence follows from is mailed in any case.
    """
    chosen = set(mailed)
    muted = " ".join(group for group in GROUPS if group not in chosen and group not in ALWAYS)
    with transaction.atomic(using=_DB):
        rows = models.MailAddress.objects.using(_DB)
        rows.update_or_create(user=user, defaults={"muted": muted, "digest": digest})
        record_event(user.get_username(), "choose notices", "", muted=muted, digest=digest)


def start() -> None:
    """Mail what is due in a thread of its own, until the process ends."""

    def run() -> None:
        while True:
            threading.Event().wait(_EVERY)
            try:
                mail()
            except Exception:  # whatever it is, the next time may be better
                _log.exception("mailing notices")
            close_old_connections()

    if settings.SMTP_URL:
        threading.Thread(target=run, daemon=True, name="notices").start()


def mail() -> int:
    """Mail the notices that are due; what no server takes is tried again. Returns how many went."""
    if not settings.SMTP_URL:
        return 0
    waiting = models.Notice.objects.using(_DB).filter(next_at__lte=now())
    rows = list(waiting.order_by("pk")[:_AT_ONCE])
    chosen = models.MailAddress.objects.using(_DB).select_related("user").exclude(address="")
    by_name = {one.user.get_username(): one for one in chosen}
    sent = 0
    for name in dict.fromkeys(row.reader.strip() for row in rows):
        to = by_name.get(name)
        own = [row for row in rows if row.reader.strip() == name]
        sent += _mailed_to(to, own, waiting)
    return sent


def _mailed_to(
    to: models.MailAddress | None, rows: list[models.Notice], waiting: QuerySet[models.Notice]
) -> int:
    """Mail an account its notices that are due: each, or a digest. Returns how many went."""
    muted = to.muted.split() if to else []
    quiet = [row for row in rows if group_of(row.kind) in muted]
    models.Notice.objects.using(_DB).filter(pk__in=[row.pk for row in quiet]).update(next_at=None)
    rest = [row for row in rows if row not in quiet]
    if not to or not to.digest:
        return sum(_mailed([row], to, waiting) for row in rest)
    now_due = [row for row in rest if group_of(row.kind) in ALWAYS]
    later = [row for row in rest if row not in now_due]
    sent = sum(_mailed([row], to, waiting) for row in now_due)
    # What was told before this morning goes together; what came since waits for the next one.
    morning = now().replace(hour=_DIGEST_AT, minute=0, second=0)
    ripe = [row for row in later if row.at < morning <= now() or row.tried]
    young = [row.pk for row in later if row not in ripe]
    after = morning + timedelta(days=1) if morning <= now() else morning
    models.Notice.objects.using(_DB).filter(pk__in=young).update(next_at=after)
    return sent + (_mailed(ripe, to, waiting) if ripe else 0)


def group_of(kind: str) -> str:
    """Return the group of a kind of notices."""
    return kind.split("-")[0]


def _mailed(
    rows: list[models.Notice], to: models.MailAddress | None, waiting: QuerySet[models.Notice]
) -> int:
    """Mail notices together, unless another process does. Returns how many a server took.

    Without an address they wait for one no longer than a failed mail is tried.
    """
    taken = []
    for row in rows:
        tried = row.tried + 1
        again = now() + timedelta(minutes=AGAIN[row.tried]) if row.tried < len(AGAIN) else None
        if waiting.filter(pk=row.pk, tried=row.tried).update(tried=tried, next_at=again):
            taken.append(row)
    if not to or not taken:
        return 0
    try:
        _send(taken, to.address)
    except (OSError, smtplib.SMTPException) as error:
        _log.warning("mail of notice %s: %s", taken[0].pk, type(error).__name__)
        return 0
    done = models.Notice.objects.using(_DB).filter(pk__in=[row.pk for row in taken])
    done.update(mailed_at=now(), next_at=None)
    return len(taken)


def _send(rows: list[models.Notice], address: str) -> None:
    """Hand notices to the mail server, as one mail. Raises OSError or SMTPException."""
    where = urlsplit(settings.SMTP_URL)
    message = EmailMessage()
    message["Subject"] = " / ".join(_headline(rows, lang) for lang in LANGUAGES)
    message["From"], message["To"] = settings.MAIL_FROM, address
    message["Message-ID"] = make_msgid(domain="fenrun.invalid")
    message.set_content("\n\n".join(_text(rows, lang) for lang in LANGUAGES))
    kind = smtplib.SMTP_SSL if where.scheme == "smtps" else smtplib.SMTP
    with kind(where.hostname or "", where.port or 0, timeout=_TIMEOUT) as server:
        if where.scheme == "smtp+starttls":
            server.starttls()
        if where.username:
            server.login(unquote(where.username), unquote(where.password or ""))
        server.send_message(message)


def _headline(rows: list[models.Notice], lang: str) -> str:
    if len(rows) > 1:
        return say("notice-digest", lang, count=len(rows))
    return say(f"notice-{rows[0].kind}", lang)


def _text(rows: list[models.Notice], lang: str) -> str:
    """Return what a mail says: each kind once, with its number where it is of several."""
    link = f"{settings.PORTAL_URL}/notices/"
    kinds = Counter(row.kind for row in rows)
    if len(rows) == 1:
        return say("notice-mail", lang, what=_headline(rows, lang), link=link)
    lines = [f"- {say(f'notice-{kind}', lang)} ({count})" for kind, count in kinds.items()]
    return "\n".join([say("notice-mail", lang, what=_headline(rows, lang), link=link), *lines])
