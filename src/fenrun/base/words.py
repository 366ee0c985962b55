"""The words that people read, in English and Chinese.

Each room keeps its own in `words.yaml`, and the sentences of its problems in `problems.yaml`; here
they are one catalogue. Braces are filled with values: `{rows}` shows one, and
`{rows:row is|rows are}` chooses by it in English.
"""

from __future__ import annotations

import errno
import re
import string
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache, lru_cache
from importlib import resources
from typing import Any

import yaml

LANGUAGES = ("en", "zh-CN")


@dataclass(frozen=True)
class Message:
    """Words that are said later, when the reader's language is known: a key and its values."""

    key: str
    values: Mapping[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        return self.words()

    def words(self, lang: str = "en") -> str:
        """Return the message in a language. Raises KeyError for an unknown key."""
        return say(self.key, lang, **self.values)


class Unreadable(ValueError):
    """A text is not what it should be. `message` says why, in the reader's language."""

    def __init__(self, key: str, **values: Any):
        self.message = Message(key, values)
        super().__init__(key)

    def __str__(self) -> str:
        return str(self.message)


def reason(error: Exception) -> Message | str:
    """Return why an error was raised, as a value of a problem.

    It is in the reader's language if the error is ours or the system's.
    """
    if isinstance(error, Unreadable):
        return error.message
    if isinstance(error, FileNotFoundError) and "temporary directory" in str(error):
        return Message("system-no-temporary")
    if isinstance(error, OSError) and error.errno:
        code = errno.errorcode.get(error.errno, str(error.errno))
        key = f"system-{code}"
        return Message(key) if key in catalogue() else Message("system-other", {"code": code})
    return str(error)


@cache
def catalogue(name: str = "words.yaml") -> dict[str, Any]:
    """Return the files of that name of all rooms as one mapping.

    Raises KeyError for a key that stands in two rooms.
    """
    found: dict[str, Any] = {}
    for room in sorted(resources.files("fenrun").iterdir(), key=lambda room: room.name):
        file = room / name
        if not file.is_file():
            continue
        words = yaml.load(file.read_text("utf-8"), yaml.CSafeLoader)
        twice = sorted(found.keys() & words.keys())
        if twice:
            raise KeyError(f"{room.name}/{name}: {twice} stand in another room too")
        found.update(words)
    return found


def language(text: str | None) -> str:
    """Return the language that a locale such as `zh_CN.UTF-8` asks for: Chinese, else English."""
    return "zh-CN" if (text or "").lower().startswith("zh") else "en"


def say(key: str, lang: str = "en", **values: Any) -> str:
    """Return the words of a key with the values put in.

    Raises KeyError for an unknown key or a missing value.
    """
    return filled(catalogue()[key][lang], lang, values)


def filled(text: str, lang: str, values: Mapping[str, Any], missing: str | None = None) -> str:
    """Return a sentence of the catalogue with its values put in.

    `missing` stands for a value that is not given; where it is None, one raises KeyError.
    """
    if "{" not in text and "}" not in text:  # as most words of a page are
        return text
    return _Filler(lang, missing).vformat(text, (), values)


UNSEEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]"
)
"""Characters that command a terminal, or turn the direction of what stands beside them; and bytes
of a name that are no text, which nothing can write."""


def visible(text: str) -> str:
    """Return text in which what would command a terminal stands as a sign that is seen.

    Names in facts are others': an escape sequence in one could rewrite the screen or a clipboard.
    """
    return UNSEEN.sub(_sign, text)


def _sign(found: re.Match[str]) -> str:
    code = ord(found.group())
    return chr(0x2400 + code) if code < 0x20 else "\ufffd"


@lru_cache(5_000)
def _parsed(text: str) -> list[Any]:
    """Return the parts of a text with braces; those of the catalogue are met again and again."""
    return list(string.Formatter().parse(text))


class _Filler(string.Formatter):
    """Fills braces: nested messages in the reader's language, and the English plural."""

    def __init__(self, lang: str, missing: str | None):
        self.lang, self.missing = lang, missing

    def parse(self, text: str) -> Any:
        return _parsed(text)

    def get_value(self, key: int | str, args: Sequence[Any], values: Mapping[str, Any]) -> Any:
        if key not in values and self.missing is not None:
            return self.missing
        return values[str(key)]

    def format_field(self, value: Any, spec: str) -> str:
        if "|" in spec:
            one, many = spec.split("|")
            return one if str(value) == "1" else many
        if isinstance(value, Message):
            return value.words(self.lang)
        return visible(str(super().format_field(value, spec)))
