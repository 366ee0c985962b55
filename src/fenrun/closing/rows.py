"""What a close is."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from fenrun.base.when import Period


@dataclass(frozen=True)
class Close:
    """A closed period."""

    period: Period
    run: str
    """Id of the run whose statements are frozen."""
    known: datetime
    """What was known when it was closed: later facts become differences in a later period."""
    root: str
    """Merkle root over all statements of the close."""
    id: str
