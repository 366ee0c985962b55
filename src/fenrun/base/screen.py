"""Tables as people read them on a terminal."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from rich import box
from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment
from rich.table import Table
from rich.text import Text

from fenrun.base.words import visible

Column = tuple[str, bool]
"""A column's title, and whether it holds numbers: those stand right and are never broken."""


class Screen(Console):
    """A console that shows text as it is: none of it commands the terminal."""

    def render(
        self, renderable: RenderableType, options: ConsoleOptions | None = None
    ) -> Iterable[Segment]:
        """Yield what is shown, with signs in the place of characters that would not be seen."""
        for segment in super().render(renderable, options):
            yield segment if segment.control else segment._replace(text=visible(segment.text))


def text_table(columns: Sequence[Column], rows: Iterable[Sequence[object]]) -> Table:
    """Return a table with a line under its head. What a cell holds is shown as it is."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for title, is_number in columns:
        if is_number:
            table.add_column(Text(title), justify="right", no_wrap=True)
        else:
            table.add_column(Text(title), overflow="fold")
    for row in rows:
        table.add_row(*(Text(str(cell)) for cell in row))
    return table
