"""Shows each page of the site in one language, with a switch to its twin in the other.

Chinese has no spaces: search finds its words as jieba cuts them, the glossary's whole.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import jieba
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import Files
from mkdocs.structure.nav import Navigation, Section
from mkdocs.structure.pages import Page

CHINESE = "中文"
"""The section of the navigation that holds the pages in Chinese."""
_NAMES = {"en": "English", "zh": CHINESE}
_HAN = r"[\u3000-\u303f\u4e00-\u9fff\uff00-\uffef]"


def on_config(config: MkDocsConfig) -> None:
    """Teach the search the terms of the glossary."""
    jieba.setLogLevel("WARNING")
    glossary = Path(config.docs_dir) / "reference/glossary.zh-CN.md"
    for term in re.findall(r"^\| (\w+)", glossary.read_text("utf-8"), re.M):
        jieba.add_word(term)


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Join the lines of a Chinese paragraph: a browser would show each end as a space."""
    parts = re.split(r"(^```.*?^```$|^#[^\n]*$)", markdown, flags=re.S | re.M)
    parts[::2] = [re.sub(rf"(?<={_HAN})\n *(?={_HAN})", "", prose) for prose in parts[::2]]
    return "".join(parts)


def on_page_context(
    context: dict[str, Any], page: Page, config: MkDocsConfig, nav: Navigation
) -> dict[str, Any]:
    """Give a page the words of the theme, the navigation and the switch of its language.

    A page without a twin leads to the first page in the other language.
    """
    pages = {other.file.src_uri: other for other in nav.pages}
    path = page.file.src_uri
    stem = path.removesuffix(".zh-CN.md").removesuffix(".md")
    language = "zh" if path.endswith(".zh-CN.md") else "en"
    config.theme["language"] = language
    twins = {
        "en": pages.get(f"{stem}.md", pages["index.md"]),
        "zh": pages.get(f"{stem}.zh-CN.md", pages["index.zh-CN.md"]),
    }
    config.extra["alternate"] = [
        {"name": name, "lang": key, "link": twins[key].url} for key, name in _NAMES.items()
    ]
    context["nav"] = _of_language(nav, language)
    return context


def _of_language(nav: Navigation, language: str) -> Navigation:
    """Return the part of a navigation that is in a language."""
    chinese = [item for item in nav.items if isinstance(item, Section) and item.title == CHINESE]
    if language == "zh":
        return Navigation(chinese[0].children, nav.pages)
    return Navigation([item for item in nav.items if item not in chinese], nav.pages)
