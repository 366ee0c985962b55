"""Cells that several formats share: why a line or a difference is what it is, and safe text."""

from __future__ import annotations

import re

from fenrun.base.money import show
from fenrun.base.when import show_moment
from fenrun.base.words import say
from fenrun.statement.rows import Line
from fenrun.statement.run import Difference
from fenrun.statement.sentences import why

_RISKY = re.compile(r"[\s\u200b-\u200f\u2060\ufeff]*[-=+@＝＋－＠﹢﹣﹦﹫−]|[\t\r\n]")
"""Beginnings that a spreadsheet may take for a formula's: also after blanks that it drops, and with
the full-width and small signs that it reads like others."""


def guarded(text: str) -> str:
    """Return text that a spreadsheet takes as text.

    Text that could begin a formula gets an apostrophe before it.
    """
    return f"'{text}" if _RISKY.match(text) else text


def outcome(line: Line, lang: str) -> str:
    """Return why the line is what it is, in a few words."""
    cap = "" if line.cap is None else show(line.cap)
    return why(line.reason, lang, line.band, cap, line.who, line.detail)


def origin(difference: Difference) -> str:
    """Return the file that brought a difference, and the day since when it was known."""
    return f"{difference.source} ({show_moment(difference.known)[:10]})"


def because(difference: Difference, lang: str) -> str:
    """Return why a closed period pays otherwise: the cause, and the file that brought it."""
    return f"{say(f'cause-{difference.cause}', lang)}: {origin(difference)}"
