"""Nobody's words are cut off: what is longer than is kept is refused."""

from __future__ import annotations

import pytest

from fenrun.base.problem import Place, Refused
from fenrun.portal.commands.reasons import REASON, reason_problems, stated, too_long

_HERE = Place("here")


def test_a_text_is_kept_whole() -> None:
    """The end of a line is one character, as browsers count it and two as they send it."""
    assert stated(" late\r\ninvoice ", _HERE, 12) == "late\ninvoice"
    assert stated("x" * REASON, _HERE) == "x" * REASON


@pytest.mark.parametrize(
    ("text", "code"),
    [("", "reason-missing"), (" \r\n", "reason-missing"), ("x" * 501, "text-long")],
)
def test_nothing_and_too_much_are_refused(text: str, code: str) -> None:
    with pytest.raises(Refused) as refused:
        stated(text, _HERE)
    assert [one.code for one in refused.value.problems] == [code]
    assert [one.code for one in reason_problems(text, _HERE)] == [code]


def test_what_may_be_empty_is_only_too_long() -> None:
    assert too_long("", _HERE) == []
    assert too_long("x" * 501, _HERE)[0].values == {"length": 501, "most": 500}
