"""Help and usage errors are said in both languages, whichever command is asked."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from importlib import resources
from pathlib import Path

import click
import pytest
import yaml

from fenrun.cli import COMMANDS, command_of
from fenrun.cli import _group as fenrun_group
from fenrun.cli.help import folded, paragraphs
from tests.command import fenrun

_TEXT = (resources.files("fenrun.cli") / "help.yaml").read_text("utf-8")
ENTRIES = yaml.load(_TEXT, yaml.CSafeLoader)
CHINESE = {" ".join(entry["en"].split()): entry["zh-CN"] for entry in ENTRIES}
ENGLISH_WORD = re.compile(r"[A-Za-z]*[a-z]{3,}")
"""A word of English, not a key of a plan or the name of a file."""


def _commands() -> Iterator[tuple[str, click.Command]]:
    """Every command with its path, `plan check` among them."""
    yield "fenrun", fenrun_group
    for name in COMMANDS:
        command = command_of(name)
        yield name, command
        if isinstance(command, click.Group):
            for inner, one in command.commands.items():
                yield f"{name} {inner}", one


def _said() -> Iterator[tuple[str, str]]:
    """Every sentence of help in the source, with its place."""
    for path, command in _commands():
        assert command.help, path
        for paragraph in paragraphs(command.help):
            yield path, paragraph
        for option in command.params:
            if isinstance(option, click.Option):
                assert option.help, f"{path} {option.name}"
                yield f"{path} --{option.name}", " ".join(option.help.split())
    yield from COMMANDS.items()


def test_every_command_and_option_is_explained_in_chinese() -> None:
    assert [(place, text) for place, text in _said() if text not in CHINESE] == []


def _of_click() -> set[str]:
    """Every sentence that click asks gettext for."""
    found = set()
    for path in Path(click.__file__).parent.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Call) and ast.unparse(node.func) in ("_", "ngettext"):
                texts = [one.value for one in node.args if isinstance(one, ast.Constant)]
                found |= {" ".join(str(text).split()) for text in texts}
    return found | {"required"}  # which it asks for by a variable


def test_every_chinese_text_belongs_to_a_text_in_the_source() -> None:
    """A sentence that is reworded there would be English again, unnoticed."""
    assert len(CHINESE) == len(ENTRIES), "a text stands there twice"
    values = {
        "OPTIONS",
        "COMMAND",
        "ARGS",
        "TEXT",
        "PATH",
        "FILE",
        "INTEGER RANGE",
        "MOMENT",
        "DAY",
        "RATE",
        "ENCODING",
        "COLUMN=TEXT",
    }
    assert not CHINESE.keys() - values - _of_click() - {text for _, text in _said()}


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry["en"][:30])
def test_a_translation_has_nothing_that_the_text_has_not(entry: dict[str, str]) -> None:
    assert set(entry) == {"en", "zh-CN"}
    named = [set(re.findall(r"\{\w+|--\w+", entry[lang])) for lang in ("en", "zh-CN")]
    assert named[1] - {"--known"} <= named[0]


@pytest.mark.parametrize("path", ["", "settle", "plan", "plan check", "audit verify", "bench"])
def test_a_page_of_help_is_chinese_throughout(path: str) -> None:
    page = fenrun("--lang", "zh-CN", *path.split(), "--help")
    assert page.code == 0
    assert page.out == fenrun(*path.split(), "--help", lang="zh-CN").out
    assert page.out.startswith("用法：") and "选项:" in page.out
    for _, description in re.findall(r"(?m)^  (\S+(?: \S+)*)  +(\S.*)$", page.out):
        assert not description.isascii(), description
    assert fenrun(*path.split(), "--help").out.startswith("Usage:")


@pytest.mark.parametrize(
    "words",
    [
        "settle",
        "settle ws",
        "dance",
        "settel",
        "settle ws --period September",
        "settle ws --period 2024-09/2024-07",
        "settle ws --period 2024-09 --known yesterday",
        "settle ws --period",
        "settle ws --perio 2024-09",
        "settle ws --json=1 --period 2024-09",
        "demo --rows few",
        "demo --rows 5",
        "world one two",
        "ledger ws --period 2024 --format pdf",
        "ledger ws --period 2024 --out .",
    ],
)
def test_wrong_usage_is_said_in_the_readers_language(words: str, tmp_path: Path) -> None:
    (tmp_path / "ws").mkdir()
    (tmp_path / "ws/fenrun.json").write_text('{"format": 3}')
    english = fenrun(*words.split(), folder=tmp_path)
    chinese = fenrun("--lang", "zh-CN", *words.split(), folder=tmp_path)
    assert english.code == chinese.code == 2
    assert english.err.isascii()
    message = chinese.err.splitlines()[-1]
    unquoted = re.sub(r"'[^']*'|“[^”]*”|\([^)]*\)|（[^）]*）", "", message)
    assert not ENGLISH_WORD.search(unquoted), message


def test_an_unknown_language_is_refused_in_the_locales() -> None:
    refused = fenrun("--lang", "fr", "check", "ws", lang="zh-CN")
    assert refused.code == 2 and "取值无效" in refused.err


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("one two three", ["one two", "three"]),
        ("结算一个期间", ["结算一个", "期间"]),
        ("结算一个，期间", ["结算一", "个，期间"]),
        ("按 PLAN 结算", ["按 PLAN", "结算"]),
        ("a-very-long-word", ["a-very-long-word"]),
        ("", [""]),
    ],
)
def test_lines_are_as_wide_as_the_terminal_shows_them(text: str, lines: list[str]) -> None:
    assert folded(text, 8) == lines


def test_help_waits_for_no_engine() -> None:
    """What a shell asks for often, completions too, is read without what settles."""
    code = "import sys, fenrun.cli; print(sorted({'duckdb', 'numpy', 'pyarrow'} & {*sys.modules}))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
