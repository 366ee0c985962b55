"""The words that people read, in English and Chinese, from `words.yaml`. Every key has both."""

from __future__ import annotations

from functools import cache
from importlib import resources
from typing import Any

import yaml

LANGUAGES = ("en", "zh-CN")


@cache
def catalogue(name: str = "words.yaml") -> dict[str, Any]:
    """The catalogue file as a mapping."""
    return yaml.load(
        resources.files("fenrun.base").joinpath(name).read_text("utf-8"), yaml.CSafeLoader
    )


def language(text: str | None) -> str:
    """The language that a locale name such as `zh_CN.UTF-8` asks for; English unless it is Chinese."""
    return "zh-CN" if (text or "").lower().startswith("zh") else "en"


def say(key: str, lang: str = "en", **values: Any) -> str:
    """The words of a key, with the values put in. Raises KeyError for an unknown key."""
    return catalogue()[key][lang].format(**values)
