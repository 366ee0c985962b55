"""The findings about imports and those before them, each pair of which is compared once."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol, TypeVar

from fenrun.base.ids import short
from fenrun.base.kept import keep, read_kept
from fenrun.store.facts import Import


class Pair(Protocol):
    """A finding about an import and one before it, or about one alone."""

    @property
    def one(self) -> str:
        """The id of the import that came later."""

    @property
    def other(self) -> str:
        """The id of the import that came before it, or of the same."""


Found = TypeVar("Found", bound=Pair)
Find = Callable[[Sequence[Import], Sequence[Import]], Sequence[Found]]
"""Compares some imports, of which the second are to be compared with those before them."""


@dataclass(frozen=True)
class _Kept:
    """The findings about an import, and the others with which it was compared."""

    seen: frozenset[str] = frozenset()
    found: Sequence[Any] = ()


def compare_near(
    imports: Sequence[Import],
    may_share: Callable[[Import, Import], bool],
    find: Find[Found],
    cache: Path | None,
    make: Callable[..., Found],
) -> list[Found]:
    """Return what is found of imports that bill a month, in the log's order.

    Each is compared with those before it with which it `may_share` something; the rest is as
    `compare` has it.
    """
    ordered = sorted((i for i in imports if i.facts["first_billed"]), key=lambda item: item.seq)
    before = {
        item.id: found
        for place, item in enumerate(ordered)
        if (found := {one.id for one in ordered[:place] if may_share(item, one)})
    }
    return compare(ordered, before, find, cache, make)


def compare(
    imports: Sequence[Import],
    before: Mapping[str, set[str]],
    find: Find[Found],
    cache: Path | None,
    make: Callable[..., Found],
) -> list[Found]:
    """Return what is found of imports, each compared with those that are `before` it, by id.

    Imports stand in the log's order. What is found of an import and those before it is kept in a
    `cache`, a folder; `make` makes it of what was kept.
    """
    kept = {item.id: _read(cache, item, make) for item in imports if item.id in before}
    asked = [i for i in imports if i.id in before and not before[i.id] | {i.id} <= kept[i.id].seen]
    if asked:
        needed = {item.id for item in asked}.union(*(before[item.id] for item in asked))
        found = find([item for item in imports if item.id in needed], asked)
        for item in asked:
            seen = frozenset({item.id, *before[item.id]})
            kept[item.id] = _Kept(seen, [one for one in found if one.one == item.id])
            _write(cache, item, kept[item.id])
    return [
        one
        for item in imports
        if item.id in before
        for one in kept[item.id].found
        if one.other == item.id or one.other in before[item.id]
    ]


def _read(cache: Path | None, item: Import, make: Callable[..., Any]) -> _Kept:
    """Read what is kept of an import; nothing where nothing is."""
    if cache is None:
        return _Kept()
    try:
        said = read_kept(cache / f"{short(item.id)}.json")
        return _Kept(frozenset(said["seen"]), [make(**one) for one in said["found"]])
    except (TypeError, KeyError):
        return _Kept()


def _write(cache: Path | None, item: Import, one: _Kept) -> None:
    if cache is not None:
        said = {"seen": sorted(one.seen), "found": [asdict(each) for each in one.found]}
        keep(cache / f"{short(item.id)}.json", said)
