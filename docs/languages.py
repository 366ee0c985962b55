"""Shows each page of the site in one language, with a switch to its twin in the other."""

from __future__ import annotations

from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.nav import Navigation, Section
from mkdocs.structure.pages import Page

CHINESE = "中文"
"""The section of the navigation that holds the pages in Chinese."""
_NAMES = {"en": "English", "zh": CHINESE}


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
