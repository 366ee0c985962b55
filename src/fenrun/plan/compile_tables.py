"""Rate tables of a plan's text, as the rows of their versions, columns and bands."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from itertools import pairwise

from fenrun.base.problem import Place, Problem
from fenrun.base.when import OPEN_END
from fenrun.plan.bands import BandText
from fenrun.plan.draft import Draft
from fenrun.plan.rows import Band, Column
from fenrun.plan.source import Path_
from fenrun.plan.text import TableText
from fenrun.plan.vocabulary import TIERS


@dataclass(frozen=True)
class _Version:
    """A version of a table, with where it is written and how long it holds."""

    table: str
    path: Path_
    text: TableText
    published: date
    ends: date

    @property
    def identity(self) -> tuple[date, date]:
        """Return what no two versions of a table share: its first day and that of publishing."""
        return self.text.start, self.published


def compile_tables(draft: Draft) -> tuple[list[Column], list[Band]]:
    """Return the rows of every table."""
    columns: list[Column] = []
    bands: list[Band] = []
    for table, texts in draft.text.tables.items():
        _table_rule(draft, table, texts)
        for version in _versions(draft, table, texts):
            more = _version(draft, version)
            columns += more[0]
            bands += more[1]
    return columns, bands


def _table_rule(draft: Draft, table: str, texts: list[TableText]) -> None:
    """Add the table's clause, whose words are those of all its bands."""
    bands: list[BandText] = []
    for text in texts:
        bands += text.bands
        for column in text.columns:
            bands += column.bands
    sources = "; ".join(dict.fromkeys(text.source for text in texts))
    words = "; ".join(band.words for band in bands)
    draft.rule(("tables", table), f"tables.{table}", "table", words, table, sources)


def _versions(draft: Draft, table: str, texts: list[TableText]) -> list[_Version]:
    """Return the versions in the order in which they hold; of one day, as they were published.

    A version ends where the next begins; at once, where another of its day was published later.
    """
    published = [text.published or draft.text.published for text in texts]
    order = sorted(range(len(texts)), key=lambda n: (texts[n].start, published[n]))
    found = []
    for place, number in enumerate(order):
        after = order[place + 1] if place + 1 < len(order) else None
        ends = OPEN_END if after is None else texts[after].start
        path = ("tables", table, number)
        found.append(_Version(table, path, texts[number], published[number], ends))
    for one, other in pairwise(found):
        if one.identity == other.identity:
            _note_twin(draft, one, other)
    return found


def _note_twin(draft: Draft, one: _Version, other: _Version) -> None:
    rows = sorted(draft.source.line((*version.path, "from")) for version in (one, other))
    places = [Place(draft.source.name, row, "from") for row in rows]
    values = {"table": one.table, "day": one.text.start}
    draft.problems.append(Problem("table-dates", places[0], values, (places[1],)))


def _version(draft: Draft, version: _Version) -> tuple[list[Column], list[Band]]:
    text = version.text
    if bool(text.bands) == bool(text.columns):
        draft.wrong_key(version.path, "bands", "bands-or-columns", table=version.table)
    if not text.columns:
        return [], list(_bands(draft, version, version.path, 0, text.bands))
    columns: list[Column] = []
    bands: list[Band] = []
    for column_no, column in enumerate(text.columns, 1):
        path = (*version.path, "columns", column_no - 1)
        rule = f"tables.{version.table}.{text.start}.{version.published}.{column_no}"
        draft.rule(path, rule, "column", column.when or "else", source=text.source)
        draft.condition((*path, "when"), rule, column.when, "credit")
        columns.append(Column(draft.plan_id, version.table, *version.identity, column_no, rule))
        bands += _bands(draft, version, path, column_no, column.bands)
    return columns, bands


def _bands(
    draft: Draft, version: _Version, path: Path_, column_no: int, texts: list[BandText]
) -> Iterator[Band]:
    points = TIERS[version.text.kind].points
    for number, text in enumerate(texts):
        if text.point != points:
            why = "band-for-point" if points else "point-for-band"
            draft.wrong_value((*path, "bands", number), why, "bands", text=text.words)
            return
    lines = [draft.source.line((*path, "bands", number)) for number in range(len(texts))]
    written = list(zip(texts, lines, strict=True))
    if points:
        written.sort(key=lambda pair: pair[0].lower or Decimal(0))
    for band_no, (text, line) in enumerate(written):
        upper, rate_to = text.upper, text.rate if points else None
        after = written[band_no + 1][0] if points and band_no + 1 < len(written) else None
        if after:
            upper, rate_to = after.lower, after.rate
            if after.lower == text.lower:
                draft.wrong_value((*path, "bands"), "points-twice", text=text.words)
        yield Band(
            plan_id=draft.plan_id,
            table_id=version.table,
            valid_from=version.text.start,
            valid_to=version.ends,
            published=version.published,
            column_no=column_no,
            kind=version.text.kind,
            band_no=band_no,
            lower=text.lower,
            lower_in=text.lower_in,
            upper=upper,
            upper_in=text.upper_in,
            ratio=bool(text.ratio),
            rate=text.rate,
            rate_to=rate_to,
            flat=text.flat,
            words=text.words,
            lowers=version.text.lowers or "",
            line=line,
        )
