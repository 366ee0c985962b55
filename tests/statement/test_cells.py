"""Text of facts in spreadsheets and on terminals: it is shown, and does nothing."""

from __future__ import annotations

import io

import pytest

from fenrun.base.screen import Screen, text_table
from fenrun.base.words import visible
from fenrun.statement.formats.cells import guarded

_ATTACKS = ("=1+1", "+1", "-1", "@x", "\t=1", "\r", "\n=1")
_HIDDEN = (" =1", "\u00a0=1", "\u3000=1", "\ufeff=1", "\u200b=1", " \t =1", "\u2060+1")
_WIDE = ("＝1", "＋1", "－1", "＠x", "﹢1", "﹣1", "﹦1", "﹫x", "−1", "　＝1")


@pytest.mark.parametrize("text", [*_ATTACKS, *_HIDDEN, *_WIDE])
def test_what_could_begin_a_formula_is_text(text: str) -> None:
    assert guarded(text) == f"'{text}"


@pytest.mark.parametrize("text", ["", "Northern Cloud", "北辰云", "1+1", "a=b", " plain", "(=1)"])
def test_other_text_stays(text: str) -> None:
    assert guarded(text) == text


def test_no_text_of_a_fact_commands_a_terminal() -> None:
    name = "P1\x1b]52;c;eA==\x07\x1b[2J\x9b31m\r\x08\u202egnp.exe"
    assert visible(name) == "P1␛]52;c;eA==␇␛[2J\ufffd31m␍␈\ufffdgnp.exe"
    out = io.StringIO()
    screen = Screen(file=out, width=80, force_terminal=True, color_system="standard")
    screen.print(text_table([("Name", False)], [[name]]))
    screen.print("[bold]fine[/bold]")
    shown = out.getvalue()
    assert "␛]52;c;eA==␛[2J" in shown
    assert not set("\x07\x9b\r\x08\u202e") & set(shown)
    assert "\x1b[2J" not in shown and "\x1b]" not in shown
    assert "\x1b[1mfine" in shown, "its own styles remain"
