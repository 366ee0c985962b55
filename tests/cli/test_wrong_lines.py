"""Command lines that are wrong: each is refused in words, in both languages, and changes nothing.

Made from the commands themselves: every option with values that it cannot have, every word left
out, every folder that is no workspace.
"""

from __future__ import annotations

import contextlib
import io
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from unittest import mock

import click
import pytest

from fenrun import cli
from fenrun.cli import COMMANDS, command_of
from fenrun.cli.output import DayType, MomentType, PeriodType, WorkspaceType
from fenrun.settle.imports import import_file
from fenrun.store.facts import Store
from tests.store.harness import KNOWN, write_files

NIGHTLY = "FENRUN_NIGHTLY" in os.environ
TRIED = 10_000 if NIGHTLY else 120
ODD = (
    "",
    " ",
    "-",
    "--",
    "a" * 5000,
    "\udcff",
    "a\nb",
    "=1+1",
    "\x1b[2J",
    "../..",
    "北 辰",
    "'; --",
)
"""Words that a command line can have and nobody means."""
WRONG: dict[type[click.ParamType], tuple[str, ...]] = {
    PeriodType: ("2024-13", "20240", "2024-Q5", "2024-02/2024-01", "９９９９-01", "0000-00"),
    MomentType: ("soon", "2024-02-30", "2024-01-01T25:00", "99999-01-01", "1e9"),
    DayType: ("2024-02-30", "31/02/2024", "0", "tomorrow"),
    click.IntRange: ("x", "-1", "1.5", "0x10", "9" * 400, "NaN"),
    click.types.IntParamType: ("x", "1.5", "9" * 5000),
    click.Choice: ("purple", "", "CSV!"),
}
_STARTED = ("demo", "world", "serve", "mcp", "bench", "restore", "backup", "account", "database")
"""Commands that begin something long, or make something, where their words are right: of them only
the words are tried."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a workspace, and with some that are none."""
    made = tmp_path_factory.mktemp("lines")
    write_files(made / "files")
    for name in ("plan.yaml", "book.yaml", "august.csv"):
        import_file(Store(made / "ws"), made / "files" / name, KNOWN)
    (made / "empty").mkdir()
    for name, text in (("broken", "{"), ("other", '{"fenrun": "workspace", "format": 99}')):
        (made / name).mkdir()
        (made / name / "fenrun.json").write_text(text, "utf-8")
    (made / "file").write_text("no workspace", "utf-8")
    return made


def _commands() -> Iterator[tuple[list[str], click.Command]]:
    for name in COMMANDS:
        command = command_of(name)
        if isinstance(command, click.Group):
            yield from (([name, inner], one) for inner, one in command.commands.items())
        else:
            yield [name], command


def _right(param: click.Parameter) -> list[str]:
    """Return words for a parameter that must be there."""
    if isinstance(param.type, WorkspaceType):
        words = ["ws"]
    elif isinstance(param.type, PeriodType):
        words = ["2024-08"]
    elif isinstance(param.type, MomentType | DayType):
        words = ["2024-09-01"]
    elif isinstance(param.type, click.Choice):
        words = [str(next(iter(param.type.choices)))]
    else:
        words = ["nothing-there"]
    return [param.opts[0], *words] if isinstance(param, click.Option) else words


def _wrong(param: click.Parameter) -> Iterator[str]:
    """Yield words that a parameter cannot be."""
    if isinstance(param.type, WorkspaceType):
        yield from ("nowhere", "empty", "broken", "other", "file", *ODD)
    for kind, words in WRONG.items():
        if isinstance(param.type, kind):
            yield from words
            return


def _lines() -> Iterator[list[str]]:
    """Yield every wrong line."""
    yield from ([word] for word in (*ODD[1:], "dance", "--nope", "plan dance"))
    for path, command in _commands():
        needed = [param for param in command.params if param.required]
        right = [word for param in needed for word in _right(param)]
        yield [*path, *right, "--nope"]
        if any("--json" in param.opts for param in command.params) and path[0] not in _STARTED:
            yield [*path, *("\udcff" if word == "ws" else word for word in right), "--json"]
        if needed:
            yield path
        if all(param.nargs == 1 for param in needed):
            yield [*path, *right, "one-more", "\udcfe", "--"]
        for param in command.params:
            others = [word for one in needed if one is not param for word in _right(one)]
            for word in _wrong(param):
                if path[0] in _STARTED and word.startswith("999"):
                    continue  # which is right, and would take for ever
                own = [param.opts[0], word] if isinstance(param, click.Option) else [word]
                if path[0] not in _STARTED or isinstance(param, click.Option):
                    yield [*path, *own, *others]


def _said(words: list[str], lang: str) -> tuple[int, str, str]:
    """Run a line in this process. Return its exit code, and what it says on both streams."""
    out = io.TextIOWrapper(io.BytesIO(), "utf-8")
    err = io.TextIOWrapper(io.BytesIO(), "utf-8", "backslashreplace")
    with (
        mock.patch.object(sys, "argv", ["fenrun", *words]),
        mock.patch.dict(os.environ, FENRUN_LANG=lang),
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
        pytest.raises(SystemExit) as ended,
    ):
        cli.main()
    texts = []
    for stream in (out, err):
        stream.flush()
        texts.append(stream.buffer.getvalue().decode())  # type: ignore[attr-defined]
    return int(ended.value.code or 0), texts[0], texts[1]


def _files(folder: Path) -> dict[Path, bytes]:
    """Return all files, but for what a settlement leaves: its period was asked for in earnest."""
    found = (path for path in folder.rglob("*") if path.is_file())
    settled = (folder / "ws" / "runs", folder / "ws" / "cache", folder / "ws" / "log.db")
    return {path: path.read_bytes() for path in found if not any(map(path.is_relative_to, settled))}


def test_a_wrong_line_is_refused_in_words_and_changes_nothing(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)
    lines = list(_lines())
    assert len(lines) > 500
    before = _files(folder)
    for number, words in enumerate(lines[:: max(1, len(lines) // TRIED)]):
        lang = ("en", "zh-CN")[number % 2]
        try:
            code, out, err = _said(words, lang)
        except Exception as error:
            pytest.fail(f"{words!r:.300}: {type(error).__name__}: {error}")
        said = out + err
        assert code in (1, 2) and said.strip(), (words, code, said[:300])
        assert "Traceback" not in said and "\x1b[2J" not in said, words
        assert lang == "en" or not said.isascii(), (words, said)
    assert _files(folder) == before


@pytest.mark.in_turn(3)
@pytest.mark.parametrize(
    ("words", "env"),
    [
        (["settle", "nowhere", "--period", "2024-01"], {"PYTHONIOENCODING": "ascii"}),
        (["settle", b"\xff\xfe", "--period", b"\xe5\x8c"], {"LC_ALL": "C", "PYTHONUTF8": "0"}),
    ],
)
def test_a_real_process_says_it_in_any_encoding(
    words: list[str | bytes], env: dict[str, str], folder: Path
) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "fenrun", *words],
        cwd=folder,
        env={**os.environ, "FENRUN_LANG": "zh-CN", **env},
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert done.returncode in (1, 2) and done.stderr and b"Traceback" not in done.stderr
