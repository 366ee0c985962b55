"""Downloads: the name under which a browser keeps a file."""

from __future__ import annotations

import unicodedata

from django.utils.http import content_disposition_header

_APART = '/\\:*?"<>|'
"""Characters that some system takes for more than a part of a name."""


def disposition(name: str) -> str:
    """Return the header that names a download.

    Ids of parties stand in names: what could lead elsewhere, or end the header, is a dash there.
    """
    plain = "".join("-" if c in _APART or _is_control(c) else c for c in name).lstrip(".-")
    return content_disposition_header(True, plain or "file") or "attachment"


def _is_control(character: str) -> bool:
    return unicodedata.category(character) in ("Cc", "Cf", "Zl", "Zp", "Cs")
