"""A statement as text for a terminal, in tables."""

from __future__ import annotations

import io
from collections.abc import Sequence
from decimal import Decimal

from rich.console import RenderableType
from rich.text import Text

from fenrun.base.money import show
from fenrun.base.screen import Column, Screen, text_table
from fenrun.base.when import show_moment
from fenrun.base.words import say
from fenrun.statement.formats.cells import origin, outcome
from fenrun.statement.payment_tables import payment_tables
from fenrun.statement.rows import Statement
from fenrun.statement.run import Difference, paid_by_cause
from fenrun.statement.sentences import role_words

WIDTH = 100
"""Columns of a text in a file."""
_MOST_DIFFERENCES = 40

Blocks = list[RenderableType]
"""Lines and tables, one below the other."""


def to_text(statement: Statement, lang: str) -> bytes:
    """Return the statement as plain text."""
    out = io.StringIO()
    console = Screen(file=out, width=WIDTH, highlight=False)
    for block in statement_blocks(statement, lang):
        console.print(block)
    return out.getvalue().encode()


def statement_blocks(statement: Statement, lang: str) -> Blocks:
    """Return the statement as lines and tables: one section a currency."""
    blocks = _head(statement, lang)
    for section in statement.sections:
        if statement.others:
            blocks.append(Text(f"\n{_labelled('currency', section.currency, lang)}\n", "bold"))
        blocks += _section(section, lang)
    return blocks


def _section(statement: Statement, lang: str) -> Blocks:
    """Return what a statement says in one currency."""
    blocks: Blocks = [_credits(statement, lang)]
    if statement.lines:
        blocks.append(_lines(statement, lang))
    if statement.not_counted:
        blocks += _not_qualifying(statement, lang)
    blocks += _payments(statement, lang)
    if statement.differences:
        blocks += difference_blocks(statement.differences, say("differences-of-closed", lang), lang)
        paid, difference, payable = map(
            show, (statement.total_paid, statement.difference, statement.payable)
        )
        total = f"{paid} + {difference} = {payable} {statement.currency}"
        blocks.append(Text(_labelled("payable", total, lang)))
    return blocks


def difference_blocks(
    differences: Sequence[Difference], title: str, lang: str, most: int = _MOST_DIFFERENCES
) -> Blocks:
    """Return differences of what is earned, at most so many, and sums of what is paid by cause.

    Those of each currency for themselves.
    """
    currencies = sorted({found.currency for found in differences})
    if len(currencies) > 1:
        return [
            block
            for currency in currencies
            for block in difference_blocks(
                [found for found in differences if found.currency == currency],
                f"{title}, {currency}",
                lang,
                most,
            )
        ]
    if not differences:
        return [Text(title), Text(say("no-difference", lang))]
    earned = [found for found in differences if found.what == "earned"]
    columns = _columns(
        lang,
        ("payee", "component", "period", "cause", "source"),
        ("before", "after", "difference"),
    )
    rows = [
        [
            found.payee,
            found.component,
            found.period,
            say(f"cause-{found.cause}", lang),
            origin(found),
            show(found.before),
            show(found.after),
            show(found.amount),
        ]
        for found in earned[:most]
    ]
    blocks: Blocks = [Text(title, "bold"), *([text_table(columns, rows)] if rows else [])]
    if len(earned) > most:
        blocks.append(Text(f"... +{len(earned) - most}"))
    return blocks + _sums_by_cause(differences, currencies[0], lang)


def _sums_by_cause(differences: Sequence[Difference], currency: str, lang: str) -> Blocks:
    paid = paid_by_cause(differences, currency)
    sums = [[say(f"cause-{cause}", lang), show(amount)] for cause, amount in paid.items()]
    total = [say("total", lang), show(sum(paid.values(), Decimal(0)))]
    columns = _columns(lang, ("cause",), ("difference",))
    return [Text(say("paid-by-cause", lang), "bold"), text_table(columns, [*sums, total])]


def _columns(lang: str, texts: Sequence[str], numbers: Sequence[str] = ()) -> list[Column]:
    """Return columns of text, then columns of numbers, by the keys of their titles."""
    return [
        *((say(key, lang), False) for key in texts),
        *((say(key, lang), True) for key in numbers),
    ]


def _head(statement: Statement, lang: str) -> Blocks:
    """Return which statement it is: of which period and payee, and as known when."""
    title = Text(f"{say('statement', lang)} {statement.period.key}", "bold")
    title.append(f"   {say('known', lang)} {show_moment(statement.as_of.known)}", "not bold")
    if statement.closed_at:
        closed = say("statement-closed", lang, at=show_moment(statement.closed_at))
        title.append(f"   {closed}", "not bold")
    payee = statement.name
    if statement.name != statement.payee:
        payee += f" ({statement.payee})"
    said = _labelled("payee", payee, lang)
    if not statement.others:
        said += f"   {_labelled('currency', statement.currency, lang)}\n"
    return [title, Text(said)]


def _labelled(key: str, value: str, lang: str) -> str:
    return say("labelled", lang, label=say(key, lang), value=value)


def _credits(statement: Statement, lang: str) -> RenderableType:
    rows = []
    for credit in statement.credits:
        role = role_words(credit["role"], lang)
        if credit["kind"] == "roll-up":
            role += f" ({say('via-party', lang)})"
        rows.append([role, show(credit["credited"]), f"{credit['charges']:,}"])
    return text_table(_columns(lang, ("role",), ("credited", "charges")), rows)


def _lines(statement: Statement, lang: str) -> RenderableType:
    columns = [
        (say("component", lang), False),
        (say("period", lang), False),
        (say("measured", lang), True),
        (say("outcome", lang), False),
        (say("earned", lang), True),
    ]
    rows = [
        [
            line.title[lang],
            line.period,
            show(line.measured),
            outcome(line, lang),
            show(line.earned),
        ]
        for line in statement.lines
    ]
    total = [say("total", lang), "", "", "", show(statement.earned)]
    return text_table(columns, [*rows, total])


def _not_qualifying(statement: Statement, lang: str) -> Blocks:
    rows = []
    for found in statement.not_counted:
        component, rule = found["component"], found["rule"]
        title = statement.titles[component][lang] if component in statement.titles else component
        if rule == "baseline":
            clause = say("baseline", lang)
        else:
            clause = statement.titles[rule][lang]
        rows.append([title, clause, show(found["amount"])])
    columns = _columns(lang, ("component", "clause"), ("amount",))
    return [Text(say("not-counted", lang), "bold"), text_table(columns, rows)]


def _payments(statement: Statement, lang: str) -> Blocks:
    """Return how what is due becomes what is paid, what waits, and what funds hold."""
    blocks: Blocks = []
    tables = payment_tables(statement.as_json(), statement.titles, lang)
    for title, of_title in tables.items():
        blocks.append(Text(say(title, lang), "bold"))
        for table in of_title:
            rows = [[*texts, *map(show, amounts)] for texts, amounts in table.rows]
            blocks.append(text_table(_columns(lang, table.texts, table.amounts), rows))
    return blocks
