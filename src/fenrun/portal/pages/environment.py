"""The pages' environment: templates with the words of a language in them, compiled once for each.

Most words of a page need no values. They are put into its text before that is compiled, so that
nobody looks them up, or escapes them, a hundred times a page.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import jinja2
from jinja2.ext import Extension

from fenrun.base.words import catalogue
from fenrun.portal.language import lang

_SAID = re.compile(r"\bsay\('([\w-]+)'\)")
_OF = "@"
"""Parts a template's name from its language."""


_OF_DICTS = frozenset(dir(dict))


class Pages(jinja2.Environment):
    """An environment in which all is escaped and an unknown name is an error."""

    def __init__(self, **options: Any):
        own = {
            "autoescape": True,
            "undefined": jinja2.StrictUndefined,
            "trim_blocks": True,
            "lstrip_blocks": True,
            "loader": _OfLanguage(options["loader"]),
            "extensions": [_Words],
        }
        super().__init__(**options | own)

    def getattr(self, obj: Any, attribute: str) -> Any:
        """Return an attribute or item: of a plain dict the item first, but for its methods.

        That is what nearly all names of a page are, and asking for an attribute that is not there
        takes ten times as long.
        """
        if type(obj) is dict and attribute not in _OF_DICTS:
            try:
                return obj[attribute]
            except KeyError:
                pass
        return super().getattr(obj, attribute)

    def get_template(
        self, name: Any, parent: str | None = None, globals: Any = None
    ) -> jinja2.Template:
        """Return a template with the words of the reader's language."""
        return super().get_template(f"{name}{_OF}{lang()}", parent, globals)


class _OfLanguage(jinja2.BaseLoader):
    """Loads a template whose name says a language: its text is the same in each."""

    def __init__(self, loader: jinja2.BaseLoader):
        self._loader = loader
        self.list_templates = loader.list_templates  # type: ignore[method-assign]  # of any

    def get_source(
        self, environment: jinja2.Environment, template: str
    ) -> tuple[str, str | None, Callable[[], bool] | None]:
        """Return the text of a template, its file, and whether that is as it was."""
        return self._loader.get_source(environment, template.rpartition(_OF)[0])


class _Words(Extension):
    """Puts words that need no values into a template."""

    def preprocess(self, source: str, name: str | None, filename: str | None = None) -> str:
        """Return the text of a template with words of the language that its name says."""
        of = (name or "").rpartition(_OF)[2]

        def words(found: re.Match[str]) -> str:
            text = catalogue()[found[1]][of]
            return found[0] if "{" in text or "}" in text else repr(text)

        return _SAID.sub(words, source)
