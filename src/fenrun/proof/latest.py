"""The closes since a bundle's close, as signed heads say that are published elsewhere."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fenrun.base.ids import fingerprint
from fenrun.base.problem import Place, refused
from fenrun.base.words import reason
from fenrun.closing.heads import Head, read_head
from fenrun.closing.keys import is_handed_over
from fenrun.proof.verify import Verified

_WEB = ("https://", "http://")  # what is read is signed
_PATIENCE = 30
"""Seconds that an address may take."""
_MOST = 2**24
"""Bytes that are read of what is published."""


@dataclass(frozen=True)
class Latest:
    """The newest closes, as far as somebody publishes them."""

    newest: Head
    """The newest close."""
    since: tuple[Head, ...]
    """What was closed after the bundle's close, in order."""


def closed_since(where: str, bundle: Verified, vouched: Sequence[str] = ()) -> Latest:
    """Return what was closed after a bundle's close, as a file or address says.

    That is an anchor's file, what `fenrun key publish` wrote, or the portal's page `/trust/`. A
    head counts where the bundle's key, one of the `vouched` fingerprints, or a key to which one of
    these was handed over, has signed it. Raises Refused where nothing can be read, a head is signed
    by another, the bundle's close is not among them, or is another there.
    """
    place = Place(where)
    try:
        heads, keys = _published(_read(where))
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise refused("latest-unreadable", place, detail=reason(error)) from error
    trusted = _trusted(bundle.public_key, vouched, keys)
    for head in heads:
        if head.public_key not in trusted and fingerprint(head.public_key) not in vouched:
            raise refused("latest-key", place, key=fingerprint(head.public_key))
    newest = max(heads, key=lambda head: head.seq, default=None)
    if newest is None or newest.seq < bundle.seq:
        raise refused("latest-behind", place, row=newest.seq if newest else 0, own=bundle.seq)
    own = [head for head in heads if head.seq == bundle.seq or head.period == bundle.period]
    said = (bundle.seq, bundle.log_hash, bundle.root)
    if {(head.seq, head.hash, head.root) for head in own} != {said}:
        raise refused("latest-differs", place, period=bundle.period, row=bundle.seq)
    later = (head for head in heads if head.seq > bundle.seq)
    return Latest(newest, tuple(sorted(later, key=lambda head: head.seq)))


def _read(where: str) -> str:
    if not where.startswith(_WEB):
        return Path(where).read_text("utf-8")
    with urllib.request.urlopen(where, timeout=_PATIENCE) as answer:
        content: bytes = answer.read(_MOST + 1)
    if len(content) > _MOST:
        raise ValueError(f"more than {_MOST} bytes")
    return content.decode("utf-8")


def _published(text: str) -> tuple[list[Head], list[dict[str, Any]]]:
    """Return the heads and keys of a text: a line of JSON for each head, or one of both."""
    try:
        said = json.loads(text)
    except ValueError:
        said = {"heads": [json.loads(line) for line in text.splitlines() if line.strip()]}
    if "heads" not in said:
        said = {"heads": [said]}
    heads = dict.fromkeys(read_head(one) for one in said["heads"])
    return list(heads), list(said.get("keys", []))


def _trusted(own: str, vouched: Sequence[str], keys: Sequence[dict[str, Any]]) -> set[str]:
    """Return the keys to which trust was handed over, one by one, from the bundle's own."""
    found, before = {own}, ""
    for key in keys:
        public = str(key["public_key"])
        known = before in found or (before and fingerprint(before) in vouched)
        if known and is_handed_over(before, public, str(key["name"]), str(key["signature"])):
            found.add(public)
        before = public
    return found
