"""Ids in addresses: whatever they hold, they arrive as they were sent, through any proxy.

Ids of parties are others' text: a slash, a dot or a line end in one would lead elsewhere, or make
an address that cannot be. An id of letters, digits, dots, dashes and underscores stands as it is;
any other as `~` and its UTF-8 in base64url.
"""

from __future__ import annotations

import base64
import re

from django.urls import register_converter
from django.urls.converters import PathConverter, StringConverter

_PLAIN = re.compile(r"\w[\w.-]*")
_SIGN = "~"


def opaque(text: str) -> str:
    """Return an id as a part of an address."""
    if _PLAIN.fullmatch(text):
        return text
    return _SIGN + base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def opened(part: str) -> str:
    """Return the id of a part of an address. Raises ValueError where it is none."""
    if not part.startswith(_SIGN):
        return part
    code = part.removeprefix(_SIGN)
    return base64.b64decode(code + "=" * (-len(code) % 4), b"-_", validate=True).decode()


class Id(StringConverter):
    """An id in a route, as one part."""

    def to_python(self, value: str) -> str:
        return opened(value)

    def to_url(self, value: str) -> str:
        return opaque(value)


class Line(PathConverter):
    """The name of a statement line in a route: ids with slashes between."""

    def to_python(self, value: str) -> str:
        return opened(value)

    def to_url(self, value: str) -> str:
        is_plain = all(_PLAIN.fullmatch(part) for part in value.split("/"))
        return value if is_plain else opaque(value)


register_converter(Id, "id")
register_converter(Line, "line")
