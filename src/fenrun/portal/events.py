"""The portal's event log: what was done, when and by whom.

What changes the workspace stands in the workspace's own log besides.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from fenrun.portal import models


def now() -> datetime:
    """Return this moment, in whole seconds (UTC)."""
    return datetime.now(UTC).replace(microsecond=0)


def record_event(actor: str, act: str, subject: str, **detail: Any) -> None:
    """Add an event: who did what to which subject."""
    models.Event.objects.using("default").create(
        at=now(), actor=actor, act=act, subject=subject[:500], detail=detail
    )
