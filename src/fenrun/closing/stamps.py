"""Time stamps by RFC 3161: a service signs that it saw a head at a time; nobody keeps it but us.

A folder holds `url.txt` (the address of the service) and `roots.pem` (the certificates that are
trusted: its root, and those between). Of each head it gets the line of JSON that was stamped, and
the service's answer: `openssl ts -verify` verifies both without fenrun.
"""

from __future__ import annotations

import urllib.request
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from cryptography.x509 import Certificate, load_pem_x509_certificates

from fenrun.base.when import parse_moment
from fenrun.base.words import Unreadable
from fenrun.closing.heads import Head, heads_text, read_heads

_PATIENCE = 30
"""Seconds that the service may take."""
_MOST = 2**20
"""Bytes that its answer may have."""
_SOON = timedelta(days=1)
"""A stamp that is later than this after a close does not show that the close is as old as it says.
"""


@dataclass(frozen=True)
class StampAnchor:
    """A folder with the stamps of a time-stamp service."""

    folder: Path

    def heads(self) -> list[Head]:
        """Return the heads whose stamps are right. Raises as the protocol says."""
        return [head for head, _ in self._stamped()]

    def late(self) -> list[tuple[Head, datetime]]:
        """Return the heads that were stamped long after their close, and when (UTC)."""
        return [(head, at) for head, at in self._stamped() if at - parse_moment(head.at) > _SOON]

    def add(self, heads: Sequence[Head]) -> None:
        """Have heads stamped, and keep the answers that can be verified."""
        roots = self._roots()
        for head in heads:
            line = heads_text([head]).encode()
            answer = self._asked(line)
            _stamped_at(answer, line, roots)
            path = self.folder / f"{head.seq}-{head.hash[:12]}.tsr"
            path.write_bytes(answer)
            path.with_suffix(".json").write_bytes(line)

    def _stamped(self) -> list[tuple[Head, datetime]]:
        roots, found = self._roots(), []
        for path in self.folder.glob("*.json"):
            line = path.read_bytes()
            (head,) = read_heads(line.decode())
            found.append((head, _stamped_at(path.with_suffix(".tsr").read_bytes(), line, roots)))
        return sorted(found, key=lambda one: one[0].seq)

    def _roots(self) -> list[Certificate]:
        return load_pem_x509_certificates((self.folder / "roots.pem").read_bytes())

    def _asked(self, line: bytes) -> bytes:
        """Ask the service for a stamp of a line. Returns its answer."""
        url = (self.folder / "url.txt").read_text("utf-8").strip()
        query = _rfc3161().TimestampRequestBuilder().data(line).build().as_bytes()
        kind = {"Content-Type": "application/timestamp-query"}
        request = urllib.request.Request(url, query, kind, method="POST")
        with urllib.request.urlopen(request, timeout=_PATIENCE) as answer:
            content: bytes = answer.read(_MOST)
        return content


def _stamped_at(answer: bytes, line: bytes, roots: Sequence[Certificate]) -> datetime:
    """Return when a line was stamped (UTC). Raises ValueError where that is no stamp of it."""
    client = _rfc3161()
    response = client.decode_timestamp_response(answer)
    try:
        client.VerifierBuilder(roots=list(roots)).build().verify_message(response, line)
    except client.VerificationError as error:
        raise ValueError(f"not a stamp of {line[:40].decode()}...: {error}") from error
    at: datetime = response.tst_info.gen_time
    return at.astimezone(UTC).replace(tzinfo=None)


def _rfc3161() -> Any:
    try:
        import rfc3161_client
    except ImportError as error:
        raise Unreadable("stamps-not-installed") from error
    return rfc3161_client
