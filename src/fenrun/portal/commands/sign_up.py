"""Sign-up: a customer follows a partner's link, consents, and is that partner's from then on."""

from __future__ import annotations

import secrets

from django.db import transaction

from fenrun.base.problem import Place, Problem, Refused
from fenrun.portal import models
from fenrun.portal.access import authority
from fenrun.portal.alone import alone
from fenrun.portal.commands import requests
from fenrun.portal.commands.book import ROLE, book_of
from fenrun.portal.events import now, record_event
from fenrun.portal.request_queue import outside_queue
from fenrun.store.facts import Store

_DB = "default"


def make_link(actor: str, party: str) -> models.SignUpLink:
    """Make a sign-up link of a partner, in place of an earlier one of the same account."""
    with alone("sign-up links"), transaction.atomic(using=_DB):
        links = models.SignUpLink.objects.using(_DB)
        links.filter(party=party, made_by=actor, ended_at=None).update(ended_at=now())
        made = links.create(
            code=secrets.token_urlsafe(18),
            party=party,
            made_by=actor,
            made_at=now(),
            authority=authority.authority_named(actor),
        )
        record_event(actor, "make sign-up link", party)
    return made


def link_of(code: str) -> models.SignUpLink | None:
    """Return the link of a code; None where there is none, or who made it could not now."""
    found = models.SignUpLink.objects.using(_DB).filter(code=code, ended_at=None).first()
    held = found and authority.is_unchanged(found.made_by, found.authority)
    return found if held else None


def accept(store: Store, link: models.SignUpLink, customer: str) -> models.Request:
    """Consent, as a customer, that the partner of a link be credited for its spend from today on.

    Raises Refused where a partner holds the customer already: that one would lose it, which is
    asked for as a transfer.
    """
    today = now().date()
    with outside_queue(), alone("sign-up"):  # of two partners' links at once, one is followed
        held = book_of(store).links_of("customer", customer)
        if any(row["role"] == ROLE and row["valid_to"] > today for row in held):
            raise Refused([Problem("sign-up-held", Place(customer), {"customer": customer})])
        request = requests.new_request(
            store,
            kind=requests.SIGN_UP,
            customer=customer,
            party=link.party,
            since=today,
            reason=f"sign-up link {link.pk}",
            asked_by=link.made_by,
            authority=link.authority,
        )
        return requests.decide(store, request, "consented")
