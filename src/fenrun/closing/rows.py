"""A close as a row."""

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
    """Knowledge time of the close: later facts become differences in a later period."""
    at: datetime
    """When it was closed (UTC)."""
    root: str
    """Sign-off hash: the Merkle root over all statements of the close."""
    id: str
