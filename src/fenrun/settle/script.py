"""The steps of a settlement as a text that DuckDB runs."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from itertools import groupby

from fenrun.base.words import say
from fenrun.engine.dialect import quoted
from fenrun.engine.recorder import Made
from fenrun.engine.runner import MACROS
from fenrun.settle.readings import Reading

_WIDTH = 97


def script(made: Sequence[Made], readings: Sequence[Reading], lang: str) -> str:
    """Return the SQL that makes each step's table again, where the loaded tables are there.

    `made` is what a settlement made, in its order. Comments say which tables are loaded, what each
    step's holds, and of how many decimals the amounts are.
    """
    last = {one.name: number for number, one in enumerate(made)}
    loaded = [name for name, number in last.items() if not made[number].sql]
    head = [
        say("script-head", lang),
        say("script-loaded", lang, tables=", ".join(loaded)),
        say("script-codes", lang),
        say("script-amounts", lang),
    ]
    parts = ["\n".join(map(_comment, head)), f"{MACROS.strip()};"]
    for is_step, run in groupby(enumerate(made), lambda pair: bool(pair[1].sql)):
        texts = [
            _step(one, _decimals(one, readings, lang), last[one.name] == number)
            if is_step
            else _comment(say("script-load", lang, table=one.name) + _decimals(one, readings, lang))
            for number, one in run
        ]
        parts.append(("\n\n" if is_step else "\n").join(texts))
    return "\n\n".join(parts)


def _decimals(made: Made, readings: Sequence[Reading], lang: str) -> str:
    """Return the decimals of a table's columns of amounts, in a sentence that begins with a space.

    Nothing where it has none.
    """
    found = [one for one in readings if one.table == made.name and one.decimals is not None]
    named = ", ".join(f"{one.column} {one.decimals}" for one in found)
    return f" {say('script-decimals', lang, columns=named)}" if named else ""


def _step(made: Made, decimals: str, is_last: bool) -> str:
    """Return what makes a step's table; as a comment where its rows are loaded afterwards."""
    kind = "VIEW" if made.is_view else "TABLE"
    sql = f"CREATE OR REPLACE {kind} {quoted(made.name)} AS\n{made.sql};"
    if not is_last:
        sql = textwrap.indent(sql, "-- ", lambda line: True)
    return f"-- step: {made.name}\n{_comment(made.about + decimals)}\n{sql}"


def _comment(text: str) -> str:
    lines = textwrap.wrap(text, _WIDTH, break_long_words=False, break_on_hyphens=False)
    return textwrap.indent("\n".join(lines), "-- ")
