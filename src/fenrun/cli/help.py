"""Help and usage errors in the reader's language.

The English stands in the source: in the docstrings and options of the commands, and in click, which
asks gettext for each of its own sentences. `help.yaml` holds the Chinese, paragraph by paragraph.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cache
from importlib import resources
from inspect import cleandoc

import click
import yaml
from rich.cells import cell_len

from fenrun.cli.output import language

_PLACEHOLDER = re.compile(r"[A-Z]{2,}(?: RANGE)?")
"""Stands for a value: `TEXT`, `PERIOD`, `INTEGER RANGE`."""
_DESCRIPTION = re.compile(r"(?s)(?P<help>.*?)(?P<extra>(?:^|  )\[[^\[]*\])?")
"""Of an option: its help, then what click says of it, as in `  [default: 10]`."""
_BREAKABLE = re.compile(r"[\u2e80-\uffef][，。；：、！？）》”]*|[^\s\u2e80-\uffef]+|\s+")
"""Pieces between which a line may break: Chinese has no spaces, but nothing begins with a comma."""


@cache
def _chinese() -> dict[str, str]:
    text = (resources.files("fenrun.cli") / "help.yaml").read_text("utf-8")
    entries = yaml.load(text, yaml.CSafeLoader)
    return {_in_one_line(entry["en"]): entry["zh-CN"] for entry in entries}


def _in_one_line(text: str) -> str:
    return " ".join(text.split())


def translated(text: str) -> str:
    """Return a paragraph of help, or a sentence of click's, in the reader's language.

    A paragraph is found by its words, however it is broken into lines; one without Chinese is
    returned as it is.
    """
    return text if language() == "en" else _chinese().get(_in_one_line(text), text)


def _translated_plural(one: str, many: str, count: int) -> str:
    return translated(one if count == 1 else many)


def _with_placeholders(text: str) -> str:
    return _PLACEHOLDER.sub(lambda found: translated(found.group()), text)


def paragraphs(text: str | None) -> list[str]:
    """Return the paragraphs of a help text, each in one line."""
    return [_in_one_line(part) for part in re.split(r"\n\s*\n", cleandoc(text or "")) if part]


def _description(text: str) -> str:
    found = _DESCRIPTION.fullmatch(text)
    return translated(found["help"]) + (found["extra"] or "") if found else text


def folded(text: str, width: int) -> list[str]:
    """Break a text into lines of so many columns; a Chinese character takes two."""
    lines = [""]
    for piece in _BREAKABLE.findall(text):
        if cell_len(lines[-1] + piece.rstrip()) > width and lines[-1]:
            lines.append("")
        lines[-1] += piece if lines[-1] else piece.lstrip()
    return [line.rstrip() for line in lines]


class HelpFormatter(click.HelpFormatter):
    """Lays out a page of help, and says it in the reader's language."""

    def write_usage(self, prog: str, args: str = "", prefix: str | None = None) -> None:
        """Write the usage line."""
        super().write_usage(prog, _with_placeholders(args), prefix)

    def write_text(self, text: str) -> None:
        """Write paragraphs with an empty line between them."""
        margin = " " * self.current_indent
        width = self.width - self.current_indent
        blocks = [folded(translated(paragraph), width) for paragraph in paragraphs(text)]
        self.write("\n\n".join("\n".join(margin + line for line in block) for block in blocks))
        self.write("\n")

    def write_dl(
        self, rows: Iterable[tuple[str, str]], col_max: int = 30, col_spacing: int = 2
    ) -> None:
        """Write options or commands, and beside each what it is for."""
        entries = [(_with_placeholders(term), _description(text)) for term, text in rows]
        column = min(max(cell_len(term) for term, _ in entries), col_max) + col_spacing
        margin = " " * self.current_indent
        for term, text in entries:
            first, *others = folded(text, max(self.width - column - self.current_indent, 10))
            gap = column - cell_len(term)
            beside = gap >= col_spacing
            self.write(margin + term + (" " * gap if beside else f"\n{margin}{' ' * column}"))
            self.write("\n".join([first, *(margin + " " * column + line for line in others)]))
            self.write("\n")


class Group(click.Group):
    """A command of commands, which its help lists with the first paragraph of theirs."""

    def summaries(self, ctx: click.Context) -> list[tuple[str, str]]:
        """Return the commands by name, each with one sentence in English."""
        found = [(name, self.get_command(ctx, name)) for name in self.list_commands(ctx)]
        return [(name, paragraphs(command.help)[0]) for name, command in found if command]

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the list of commands."""
        with formatter.section(translated("Commands")):
            formatter.write_dl(self.summaries(ctx))


def speak_with_click() -> None:
    """Have click say its own sentences, and lay out its pages, as this module does.

    click takes its sentences from gettext under the name `_`, which is replaced: gettext would want
    compiled files beside our catalogue.
    """
    for module in (
        click.core,
        click.decorators,
        click.exceptions,
        click.formatting,
        click.parser,
        click.types,
    ):
        vars(module).update(_=translated, ngettext=_translated_plural)
    click.Context.formatter_class = HelpFormatter
