"""Notices: people are told in the portal, and by e-mail where they have said an address.

A notice is delivered once its account has opened it, or a mail server has taken it: before that
nobody's silence counts. No name and no amount stands in a mail.
"""

from __future__ import annotations

import logging
import smtplib
import threading
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
_log = logging.getLogger(__name__)


def notify(accounts: Iterable[str], kind: str, subject: str, party: str = "") -> None:
    """Tell accounts something about a subject, such as a request's number; each is told once.

    `kind` names its words, and the page where it is read; `party` is whom it is about.
    """
    rows = models.Notice.objects.using(_DB)
    for name in sorted(set(accounts)):
        rows.get_or_create(
            reader=_named(name),
            kind=kind,
            subject=subject,
            defaults={"party": party, "at": now(), "next_at": now() if settings.SMTP_URL else None},
        )


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


def address_of(user: User) -> str:
    """Return where an account's notices are mailed; nothing where they are not."""
    found = models.MailAddress.objects.using(_DB).filter(user=user).first()
    return found.address if found else ""


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
    addresses = dict(
        models.MailAddress.objects.using(_DB)
        .exclude(address="")
        .values_list("user__username", "address")
    )
    return sum(_mailed(row, addresses.get(row.reader.strip(), ""), waiting) for row in rows)


def _mailed(row: models.Notice, address: str, waiting: QuerySet[models.Notice]) -> bool:
    """Mail a notice, unless another process does. Returns whether a server took it.

    Without an address it waits for one no longer than a failed mail is tried.
    """
    tried = row.tried + 1
    again = now() + timedelta(minutes=AGAIN[row.tried]) if row.tried < len(AGAIN) else None
    if not waiting.filter(pk=row.pk, tried=row.tried).update(tried=tried, next_at=again):
        return False
    if not address:
        return False
    try:
        _send(row, address)
    except (OSError, smtplib.SMTPException) as error:
        _log.warning("mail of notice %s: %s", row.pk, type(error).__name__)
        return False
    done = models.Notice.objects.using(_DB).filter(pk=row.pk)
    done.update(mailed_at=now(), next_at=None)
    return True


def _send(row: models.Notice, address: str) -> None:
    """Hand a notice to the mail server. Raises OSError or SMTPException."""
    where = urlsplit(settings.SMTP_URL)
    message = EmailMessage()
    message["Subject"] = " / ".join(say(f"notice-{row.kind}", lang) for lang in LANGUAGES)
    message["From"], message["To"] = settings.MAIL_FROM, address
    message["Message-ID"] = make_msgid(domain="fenrun.invalid")
    link = f"{settings.PORTAL_URL}/notices/"
    texts = (say("notice-mail", lang, what=say(f"notice-{row.kind}", lang), link=link)
             for lang in LANGUAGES)  # fmt: skip
    message.set_content("\n\n".join(texts))
    kind = smtplib.SMTP_SSL if where.scheme == "smtps" else smtplib.SMTP
    with kind(where.hostname or "", where.port or 0, timeout=_TIMEOUT) as server:
        if where.scheme == "smtp+starttls":
            server.starttls()
        if where.username:
            server.login(unquote(where.username), unquote(where.password or ""))
        server.send_message(message)
