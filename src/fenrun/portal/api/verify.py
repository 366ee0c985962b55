"""Verifying a signed bundle: whoever has one may ask, and nothing of it is kept."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest
from ninja import Field, File, Schema, UploadedFile

from fenrun.base.ids import fingerprint
from fenrun.base.money import plain
from fenrun.portal.access.permissions import store_of
from fenrun.portal.api.shared import ERRORS, Router
from fenrun.portal.commands import verifying

router = Router()


class VerifiedOut(Schema):
    """A bundle of which every row follows from what is in it, signed by this vendor."""

    payee: str
    period: str
    payable: dict[str, str] = Field(description="By currency, exact text.")
    fingerprint: str = Field(description="Of the key that has signed it.")
    is_vouched: bool = Field(description="Whether that is a key of this vendor.")
    closed_at: str
    seq: int = Field(description="The row of the vendor's log that wrote the close.")


@router.post("/verify", response={200: VerifiedOut, **ERRORS}, summary="Verify a signed bundle")
def verify_bundle(request: HttpRequest, bundle: File[UploadedFile]) -> Any:
    """Derive every row of a bundle again, and hold its signature against the vendor's keys."""
    done = verifying.verified(store_of(request), bundle, bundle.size or 0)
    return {
        "payee": done.payee,
        "period": done.period,
        "payable": {currency: plain(amount) for currency, amount in done.payable.items()},
        "fingerprint": fingerprint(done.public_key),
        "is_vouched": done.is_vouched,
        "closed_at": done.closed_at,
        "seq": done.seq,
    }
