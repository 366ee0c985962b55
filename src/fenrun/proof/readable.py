"""Readable parts of a bundle: what it is, and the statement as a page, in both languages.

They are signed as all else in it. What is derived again are the rows in `bundle.json`.
"""

from __future__ import annotations

from dataclasses import replace
from html import escape
from pathlib import Path

from fenrun.base.words import LANGUAGES, say
from fenrun.settle.line_terms import statement_naming_terms
from fenrun.statement.formats import FORMATS
from fenrun.statement.run import Run

README, PAGE = "README.txt", "statement.html"
_STYLE = "body{font-family:system-ui,sans-serif;margin:2rem}pre{overflow-x:auto}"


def write_readable(folder: Path, run: Run, payee: str) -> None:
    """Write what a bundle is, and its statement to read, beside the bundle's facts."""
    period = run.period.key
    texts = [say("bundle-readme", lang, payee=payee, period=period) for lang in LANGUAGES]
    (folder / README).write_text("\n\n".join(texts) + "\n", "utf-8")
    # Names of people stay in the workspace: the statement here names its payee by the id.
    whole = statement_naming_terms(run, payee)
    others = tuple(replace(other, name=payee) for other in whole.others)
    statement = replace(whole, name=payee, others=others)
    parts = "".join(
        f'<section lang="{lang}"><p>{escape(say("bundle-page", lang))}</p>'
        f"<pre>{escape(FORMATS['text'].write(statement, lang).decode())}</pre></section>"
        for lang in LANGUAGES
    )
    (folder / PAGE).write_text(
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><style>{_STYLE}</style>'
        f"<title>{escape(payee)} {period}</title></head><body>{parts}</body></html>\n",
        "utf-8",
    )
