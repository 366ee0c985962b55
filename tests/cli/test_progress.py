"""Progress bars: every command that has one can say what it shows, on a terminal too."""

from __future__ import annotations

import re
import sys
from importlib import resources

import pytest

from fenrun.cli.output import progress

_LABEL = re.compile(r"progress\(\s*\"([a-z-]+)\"")


def _labels() -> list[str]:
    rooms = resources.files("fenrun").joinpath("cli").iterdir()
    texts = [file.read_text("utf-8") for file in rooms if file.name.endswith("_.py")]
    return sorted({label for text in texts for label in _LABEL.findall(text)})


def test_labels_are_found() -> None:
    assert {"settle", "whatif", "attack", "findings", "recompute"} <= set(_labels())


@pytest.mark.parametrize("lang", ["en", "zh-CN"])
def test_each_bar_is_shown_on_a_terminal(lang: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FENRUN_LANG", lang)
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    for label in _labels():
        with progress(label, 2) as step:
            step("one")
            step(1)
