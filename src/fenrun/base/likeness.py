"""Ids that look alike: what two of them differ by, and ids without what nobody can see.

Exports and lists come from different hands: one has a space at the end, another a zero-width
character, full-width digits or other capitals. Read by people they are one id; by a machine, two.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache

from fenrun.base.words import Message

PLAIN = r"\A[!-&(-<>-_a-~][!-~]*( [!-~]+)*\z"
"""Ids in which nothing is unseen, for Arrow: words of ASCII with one space between them."""
_SEEN = re.compile(r"([!-&(-<>-_a-~][!-~]*)?")
_GUARDED = re.compile(r"=\"(.*)\"|['`](.+)", re.DOTALL)
"""Ids as exports write them so that spreadsheets keep their zeros: `="007"`, `'007`."""
SHORTENED = r"\A\d(\.\d+)?[eE]\+\d{1,3}\z"
"""Ids of which a spreadsheet has kept the first digits alone, for Arrow: `1.23457E+11`."""
_SHORTENED = re.compile(SHORTENED.removeprefix(r"\A").removesuffix(r"\z"))
_GROUP = 3
"""Digits of a group: `123.000` may be one number in two of them."""
_LETTERS = str.maketrans(
    "АВЕКМНОРСТУХІЈЅаеорсухіјѕΑΒΕΖΗΙΚΜΝΟΡΤΥΧο",
    "ABEKMHOPCTYXIJSaeopcyxijsABEZHIKMNOPTYXo",
)
"""Letters of Cyrillic and Greek that are drawn as Latin ones."""
_DASHES = re.compile("[\u2010-\u2015\u2212\ufe58\ufe63\uff0d]")
_GROUPED = re.compile(r"\d+([-_., ]\d+)+")
_POINT = re.compile(r"(\d+)[.,]0+")


_NO_NAMES = re.compile(
    r"none|nan|nat|n\.?/?a\.?|nil|null|undefined|<na>|<null>|\\n|[-–—_.]+|无|空|暂无"
    r"|#n/a|#ref!|#null!|#value!|#name\?|#div/0!"
    r"|\((blank|empty|none|null|空白|空)\)|\[(blank|null)\]",
    re.IGNORECASE,
)


@lru_cache(maxsize=65_536)
def is_no_name(text: str) -> bool:
    """Return whether programs write a text where they have no value: `None`, `nan`, `#N/A`, `-`."""
    return _NO_NAMES.fullmatch(text.strip()) is not None


def tidy(text: str) -> str:
    """Return an id as it is meant: without blanks around it, unseen characters or loose accents.

    Nor does it keep what spreadsheets are told by that it is a text.
    """
    return text if _SEEN.fullmatch(text) else _tidied(text)


@lru_cache(maxsize=65_536)
def _tidied(text: str) -> str:
    found = _without_unseen(unicodedata.normalize("NFC", text)).strip()
    while (bare := _without_guard(found).strip()) != found:
        found = bare
    return found


def is_shortened(text: str) -> bool:
    """Return whether a spreadsheet has kept the first digits of an id alone: `1.23457E+11`."""
    return _SHORTENED.fullmatch(text) is not None


def _without_unseen(text: str) -> str:
    return "".join(c for c in text if unicodedata.category(c) != "Cf")


def _without_accents(text: str) -> str:
    split = unicodedata.normalize("NFD", text)
    return "".join(c for c in split if not unicodedata.combining(c))


def _without_guard(text: str) -> str:
    while guarded := _GUARDED.fullmatch(text):
        text = guarded[1] or guarded[2] or ""
    return text


def _without_point(text: str) -> str:
    whole = _POINT.fullmatch(text)
    return whole[1] if whole and len(whole[1]) > _GROUP else text


def _without_grouping(text: str) -> str:
    return re.sub(r"\D", "", text) if _GROUPED.fullmatch(text) else text


def _without_zeros(text: str) -> str:
    return text.lstrip("0") if text.isdecimal() else text


_STEPS: dict[str, Callable[[str], str]] = {
    "unseen": _without_unseen,
    "blanks": lambda text: "".join(text.split()),
    "width": lambda text: unicodedata.normalize("NFKC", text),
    "guard": _without_guard,
    "case": str.casefold,
    "accents": _without_accents,
    "letters": lambda text: text.translate(_LETTERS).casefold(),
    "dashes": lambda text: _DASHES.sub("-", text),
    "point": _without_point,
    "grouping": _without_grouping,
    "zeros": _without_zeros,
}
"""What makes look-alikes equal, each by what it is called in `alike-...`."""


def skeleton(text: str) -> str:
    """Return what all ids that look like this one have in common."""
    return _made_equal(text, list(_STEPS))


def _made_equal(text: str, steps: Iterable[str]) -> str:
    for step in steps:
        text = _STEPS[step](text)
    return text


def differences(one: str, other: str) -> list[Message]:
    """Return by what two look-alikes differ; nothing where they are equal."""
    if one == other:
        return []
    for step in _STEPS:
        if _STEPS[step](one) == _STEPS[step](other):
            return [Message(f"alike-{step}")]
    needed = [step for step in _STEPS if _differ(one, other, [s for s in _STEPS if s != step])]
    return [Message(f"alike-{step}") for step in needed or _STEPS]


def _differ(one: str, other: str, steps: Sequence[str]) -> bool:
    return _made_equal(one, steps) != _made_equal(other, steps)


def revealed(text: str) -> str:
    """Return an id with what nobody can see in it written out, as in `A1<U+200B>`."""
    return "".join(c if _is_seen(c, text) else f"<U+{ord(c):04X}>" for c in text)


def _is_seen(character: str, text: str) -> bool:
    if character == " ":
        return text == text.strip(" ")
    return character.isprintable() and unicodedata.category(character) not in ("Zs", "Cf", "Mn")


Name = tuple[str, ...]
"""Something by one text or several, such as issuer and account."""


class LookAlikes:
    """Names that are known, found by others that look like them."""

    def __init__(self, names: Iterable[Name]):
        self._names: dict[Name, list[Name]] = {}
        for name in names:
            self._names.setdefault(tuple(map(skeleton, name)), []).append(name)

    def nearest(self, name: Name) -> tuple[Name, Message] | None:
        """Return a name that looks like this one, and by what it differs; None where none does."""
        for other in self._names.get(tuple(map(skeleton, name)), ()):
            if other != name:
                return other, _in_all(name, other)
        return None


def _in_all(name: Name, other: Name) -> Message:
    """Return by what two names differ, text by text."""
    found = [said for pair in zip(name, other) for said in differences(*pair)]
    first, *others = {said.key: said for said in found}.values()
    for said in others:
        first = Message("alike-both", {"one": first, "other": said})
    return first
