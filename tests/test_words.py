"""Names and headings use the words of the field, and everything is said in both languages."""

from __future__ import annotations

import ast
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from fenrun.base.words import catalogue

ROOT = Path(__file__).parent.parent
SRC = ROOT / "src/fenrun"
FILES = sorted(p for p in SRC.rglob("*.py") if p.parent.name != "migrations")
PAGES = sorted(SRC.rglob("*.html"))

WHOLE = {
    "answered", "bases", "dims", "holds", "known", "like", "look", "mend", "note", "once",
    "own", "paid", "parts", "sums", "taken", "telling", "turns",
}  # fmt: skip
"""Words that no module, class, function or table is called."""
WITHIN = {
    "acts", "alike", "arrivals", "aside", "counted", "elsewhere", "lapse", "measured", "posted",
    "put", "seal", "sealed", "told", "unbind", "unbinding",
}  # fmt: skip
"""Words that do not even stand within such a name."""
IN_JSON = {"not_counted"}
"""Keys of the statement's JSON, which keep their names, and the tables that hold what they say."""
COMMANDS = {"look_"}
"""Modules of commands that are called so."""
PHRASES = ("under way", "told apart", "so much more", "take it along", "make it known")
"""Phrases that stand in no name and on no heading."""
OPENINGS = {"what", "whose", "who", "of", "so", "how", "where", "whether"}
"""A docstring begins with a verb or a noun."""


def _misnamed(name: str) -> bool:
    plain = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).strip("_").lower()
    if plain in IN_JSON or name in COMMANDS:
        return False
    spaced = plain.replace("_", " ")
    phrase = any(phrase in spaced for phrase in PHRASES)
    return plain in WHOLE or bool(WITHIN & set(plain.split("_"))) or phrase


@pytest.mark.parametrize(
    ("name", "wrong"),
    [
        ("put_book", True),
        ("_alike", True),
        ("told_apart", True),
        ("links_under_way", True),
        ("TellingApart", False),
        ("Telling", True),
        ("knowledge_time", False),
        ("input_of", False),
        ("counted", True),
        ("not_counted", False),
    ],
)
def test_a_misnamed_thing_is_seen(name: str, wrong: bool) -> None:
    assert _misnamed(name) is wrong


def _definitions(tree: ast.AST) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef]:
    for node in ast.walk(tree):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            yield node


def test_names_use_the_words_of_the_field_and_docstrings_begin_with_a_verb_or_a_noun() -> None:
    misnamed, misbegun = set(), {}
    for path in FILES:
        where, tree = path.relative_to(SRC), ast.parse(path.read_text("utf-8"))
        said = {part: "" for part in where.with_suffix("").parts}
        said["the module"] = ast.get_docstring(tree) or ""
        said |= {node.name: ast.get_docstring(node) or "" for node in _definitions(tree)}
        for name, text in said.items():
            if _misnamed(name):
                misnamed.add(f"{where}: {name}")
            if re.split(r"\W", text, maxsplit=1)[0].lower() in OPENINGS:
                misbegun[f"{where}: {name}"] = text.splitlines()[0]
    assert not misnamed
    assert not misbegun


def test_tables_use_the_words_of_the_field() -> None:
    """Named steps, the tables that Python makes, and those that a statement names for itself."""
    texts = [p.read_text("utf-8") for p in [*FILES, *SRC.rglob("*.sql")]]
    patterns = (
        r"(?m)^-- (?:step|view): (\w+)",
        r"(?i)CREATE (?:OR REPLACE )?(?:TEMP )?(?:TABLE|VIEW) (?:IF NOT EXISTS )?\"?(\w+)",
        r"\.load(?:_files)?\(\s*\"(\w+)\"",
        r"(?m)^(?:WITH (?:RECURSIVE )?)?(\w+) AS \($",
    )
    found = {name for text in texts for pattern in patterns for name in re.findall(pattern, text)}
    assert len(found) > 80
    assert not {name for name in found if _misnamed(name)}


def test_headings_use_the_words_of_the_field() -> None:
    wrong = {}
    for path in PAGES:
        text = path.read_text("utf-8")
        for heading in re.findall(r"(?s)<(?:h[1-6]|title)\b.*?</(?:h[1-6]|title)>", text):
            for key in re.findall(r"""say\(\s*["']([\w-]+)["']""", heading):
                said = catalogue()[key]["en"].lower() if key in catalogue() else ""
                words = set(re.findall(r"[a-z]+", said))
                if words & (WITHIN | {"look", "mend"}) or any(phrase in said for phrase in PHRASES):
                    wrong[key] = said
    assert not wrong


@pytest.mark.parametrize("name", ["words.yaml", "problems.yaml"])
def test_both_languages_are_complete(name: str) -> None:
    for key, value in catalogue(name).items():
        parts = [value] if name == "words.yaml" else [value[p] for p in ("what", "why", "fix")]
        for part in parts:
            assert set(part) == {"en", "zh-CN"}, key
            filled = [set(re.findall(r"\{(\w+)", part[lang])) for lang in ("en", "zh-CN")]
            assert filled[0] == filled[1], key


def test_every_code_and_word_is_used() -> None:
    """A key is named in full, or its beginning is: `say(f"reason-{reason}")`."""
    templates = [*PAGES, *SRC.rglob("*.j2"), *(ROOT / "bench").rglob("*.py")]
    text = "\n".join(p.read_text("utf-8") for p in [*FILES, *templates])
    quoted = set(re.findall(r"""["']([a-z][a-z0-9-]*)["']""", text))
    beginnings = tuple(set(re.findall(r"""["'({]([a-z][a-z0-9-]*-)(?:["']|\{)""", text)))
    assert not [code for code in catalogue("problems.yaml") if code not in quoted]
    unused = [key for key in catalogue() if key not in quoted and not key.startswith(beginnings)]
    assert not unused


@pytest.mark.parametrize("path", sorted(SRC.rglob("*.yaml")), ids=lambda path: path.stem)
def test_no_key_is_said_twice(path: Path) -> None:
    """Of two the last would be said, and what the first meant be lost."""
    starts = re.findall(r"^([^\s#-][^:]*):", path.read_text("utf-8"), re.M)
    assert not [key for key, times in Counter(starts).items() if times > 1]
