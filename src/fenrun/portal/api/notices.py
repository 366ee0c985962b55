"""Notices: what one was told; sign-up by a partner's link."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.http import Http404, HttpRequest
from ninja import Field, Query, Schema

from fenrun.portal.access.permissions import parties_of, store_of, user_of
from fenrun.portal.api.requests import RequestOut
from fenrun.portal.api.shared import ERRORS, Paged, Router, Window, clean, forbidden, page_of
from fenrun.portal.commands import notices as commands
from fenrun.portal.commands import sign_up
from fenrun.portal.models import CUSTOMER, PARTNER, Notice

router = Router()


class NoticeOut(Schema):
    """A notice; the number of a request or quote is in `subject`."""

    kind: str
    subject: str
    party: str
    at: datetime
    seen_at: datetime | None
    mailed_at: datetime | None


class NoticePage(Paged):
    """A page of notices."""

    rows: list[NoticeOut]


class LinkIn(Schema):
    """A partner of whom a sign-up link is made."""

    party: str = Field(max_length=200)


class LinkOut(Schema):
    """A sign-up link: its code stands in its address, `/join/CODE/`."""

    party: str
    code: str


class SignUpIn(Schema):
    """A customer's consent by a partner's link."""

    code: str = Field(max_length=64)
    customer: str = Field(max_length=200)


@router.get("/notices", response={200: NoticePage, **ERRORS}, summary="One's own notices")
def notices(request: HttpRequest, window: Query[Window]) -> Any:
    """Return what the asker was told, latest first; it is delivered by it."""
    name = user_of(request).get_username()
    page = page_of(Notice.objects.filter(reader=f" {name} ").order_by("-at", "-pk"), window)
    commands.read(name)
    return page


@router.post(
    "/sign-up-links", response={201: LinkOut, **ERRORS}, summary="Make a partner's sign-up link"
)
def make_sign_up_link(request: HttpRequest, said: LinkIn) -> Any:
    """Make the link as the partner; an earlier one of the same account ends."""
    if said.party not in parties_of(request, PARTNER):
        raise forbidden("api-only-partner")
    return 201, sign_up.make_link(user_of(request).get_username(), said.party)


@router.post("/sign-ups", response={201: RequestOut, **ERRORS}, summary="Sign up with a partner")
def sign_up_with(request: HttpRequest, said: SignUpIn) -> Any:
    """Consent as the customer that the partner of a link be credited from today on."""
    if said.customer not in parties_of(request, CUSTOMER):
        raise forbidden("api-may-decide")
    link = sign_up.link_of(clean(said.code))
    if not link:
        raise Http404
    return 201, sign_up.accept(store_of(request), link, said.customer)
