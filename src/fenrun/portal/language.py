"""The language of a request."""

from __future__ import annotations

from django.utils.translation import get_language

from fenrun.base.words import language


def lang() -> str:
    """Return the language of the request that this thread answers: `en` or `zh-CN`."""
    return language(get_language())
