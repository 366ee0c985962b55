"""Two processes import, settle, close, approve and consent at once: one after the other comes out.

At night 25 pairs are held at 9 points each, on both databases; by day one, at two points.
"""

from __future__ import annotations

import os
import re
from collections import Counter
from pathlib import Path

import pytest

from tests.portal.interleaved import ACTS, BY_DAY
from tests.portal.served import DATABASES, tried

NIGHTLY = "FENRUN_NIGHTLY" in os.environ
EACH = 9 if NIGHTLY else 2


@pytest.mark.in_turn(4)
@pytest.mark.parametrize("database", DATABASES if NIGHTLY else DATABASES[:1])
def test_two_acts_at_once_are_as_one_after_the_other(database: str, tmp_path: Path) -> None:
    found = tried(database, tmp_path, "tests.portal.interleaved", EACH)
    assert not [one for one in found if one["wrong"]], [one for one in found if one["wrong"]][:2]
    unsaid = [one for one in found if re.search("Error|does not end", str(one["said"]))]
    assert not unsaid, unsaid[:2]
    pairs = Counter((one["held"], one["other"]) for one in found)
    assert pairs.keys() == ({(a, b) for a in ACTS for b in ACTS} if NIGHTLY else set(BY_DAY))
    # A point that an act did not come to is no try, nor is the same point twice.
    distinct = {(one["held"], one["other"], one["point"]) for one in found if one["place"]}
    assert len(distinct) >= (200 if NIGHTLY else EACH), len(distinct)
    assert not NIGHTLY or any(one["waited"] for one in found)
