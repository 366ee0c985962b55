"""Sentences that somebody writes: a reason, an answer, a question."""

from __future__ import annotations

from fenrun.base.problem import Place, Problem, Refused

REASON, SENTENCES, TEXT = 500, 1000, 4000
"""The most characters of a reason, of that of a request or an approval, and of what is said in a
dispute or a question."""


def stated(text: str, place: Place, most: int = REASON) -> str:
    """Return what is stated, without blanks around it.

    Raises Refused where that is nothing, or more than is kept: nobody's words are cut off.
    """
    text = text.strip().replace("\r\n", "\n")  # browsers count the end of a line as one character
    if problems := reason_problems(text, place, most):
        raise Refused(problems)
    return text


def reason_problems(text: str, place: Place, most: int = REASON) -> list[Problem]:
    """Return what is wrong with a text that has to be stated."""
    if not text.strip():
        return [Problem("reason-missing", place)]
    return too_long(text, place, most)


def too_long(text: str, place: Place, most: int = REASON) -> list[Problem]:
    """Return the problem of a text that may be empty, and is longer than is kept."""
    length = len(text.strip())
    return [Problem("text-long", place, {"length": length, "most": most})] if length > most else []
