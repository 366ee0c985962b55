"""What is written together: all of it is there, or nothing of it, also for whoever looks."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import pytest

from fenrun.base.problem import Refused
from fenrun.settle.imports import import_file
from fenrun.store.facts import Store

FIRST, SECOND = datetime(2025, 1, 1), datetime(2025, 1, 1, 0, 0, 1)
BOOK = "parties:\n  - {party: K1, kind: customer}\n"
FLOORS = "floors:\n  - {floor: least, least: 60 % of list}\n"


def _file(folder: Path, name: str, text: str) -> Path:
    (folder / name).write_text(text, "utf-8")
    return folder / name


def test_of_two_files_both_enter_or_none(tmp_path: Path) -> None:
    store = Store(tmp_path / "ws")
    import_file(store, _file(tmp_path, "other.yaml", BOOK.replace("K1", "K0")), FIRST)
    before = store.log.events()
    book = _file(tmp_path, "book.yaml", BOOK)
    odd = _file(tmp_path, "odd.yaml", FLOORS.replace("60 % of list", "so much"))
    with pytest.raises(Refused) as refused, store.together() as both:
        import_file(both, book, FIRST)
        assert len(both.imports("book")) == 2
        assert store.log.events() == before, "nobody else sees it yet"
        import_file(both, odd, both.moment(SECOND))
    assert [problem.place.source for problem in refused.value.problems] == ["odd.yaml"]
    assert store.log.events() == before
    assert not store.broken() and len([*(store.path / "book").iterdir()]) == 1

    terms = _file(tmp_path, "terms.yaml", FLOORS)
    with store.together() as both:
        assert import_file(both, book, FIRST).new
        assert import_file(both, terms, SECOND).new
        assert not import_file(both, terms, SECOND).new
    assert [event.kind for event in store.log.events()] == ["book", "book", "terms"]
    assert not store.broken() and store.last_knowledge_time() == SECOND
