"""Verifying: is the log, and every file, what was written, and are the portal's events with it?"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from django.core.files.uploadedfile import UploadedFile

from fenrun.base.problem import Place, Problem, Refused, has_errors
from fenrun.closing.anchors import broken_anchors
from fenrun.closing.keys import broken_keys, known_keys
from fenrun.portal.commands.questions import of_run
from fenrun.portal.events import broken_events
from fenrun.portal.request_queue import outside_queue
from fenrun.proof.verify import Verified, verify
from fenrun.store.facts import Store

MOST_BYTES = 200 * 2**20
"""Bytes of a bundle that is verified at most."""


def broken(store: Store) -> list[Problem]:
    """Return what `fenrun audit verify` finds, and where the portal's events are otherwise."""
    with outside_queue():
        found = store.broken()
        if has_errors(found):  # else what the log says of keys says nothing
            return found
        return [*found, *broken_keys(store), *broken_anchors(store), *broken_events(store)]


def verified(store: Store, file: UploadedFile[Any], size: int) -> Verified:
    """Verify a bundle by the keys of this workspace. Nothing of it is kept. Raises Refused."""
    if size > MOST_BYTES:
        values = {"detail": f"{size:,} > {MOST_BYTES:,}"}
        raise Refused([Problem("bundle-unreadable", Place("bundle.zip"), values)])
    vouched = [key.fingerprint for key in known_keys(store)] or ["-"]
    with outside_queue(), tempfile.TemporaryDirectory(prefix="fenrun-bundle-") as folder:
        path = Path(folder) / "bundle.zip"
        with path.open("wb") as out:
            for piece in file.chunks():
                out.write(piece)
        return of_run.do(verify, path, vouched)
