"""What was done in the portal: when, by whom, to what. What changes the workspace stands in the workspace's own log besides."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from fenrun.portal import models


def now() -> datetime:
    """When it is done."""
    return datetime.now(UTC).replace(microsecond=0)


def record_event(actor: str, act: str, subject: str, **detail: Any) -> None:
    """Leave an event of what was done."""
    models.Event.objects.using("default").create(
        at=now(), actor=actor, act=act, subject=subject[:500], detail=detail
    )
