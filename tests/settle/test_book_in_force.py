"""The book on a day with who brought it, and overlapping claims with a way to end one."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from fenrun.base.problem import Problem
from fenrun.settle.book_in_force import KEYS, book_in_force
from fenrun.settle.brought import events_that_brought
from fenrun.settle.facts import check_workspace
from fenrun.settle.imports import import_file
from fenrun.store.facts import Store
from tests.command import fenrun
from tests.errors.gallery import KNOWN

DAY = timedelta(days=1)


class _Books:
    """A workspace that takes books as texts, all under one file name, a day after each other."""

    def __init__(self, folder: Path):
        self.folder, self.known = folder, KNOWN
        self.store = Store(folder / "ws")

    def take(self, text: str, actor: str = "somebody") -> None:
        (self.folder / "book.yaml").write_text(text, "utf-8")
        self.store.actor, self.known = actor, self.known + DAY
        import_file(self.store, self.folder / "book.yaml", self.known)

    def on(self, day: date, known: datetime | None = None, about: str = "") -> set[tuple[str, str]]:
        """Party or value of each row in force, and who brought it."""
        found = book_in_force(self.store, day, known, about)
        rows = [*found["links"], *found["labels"]]
        return {(row.get("value", row["party"]), row["brought"]["by"]) for row in rows}

    def clashes(self) -> list[Problem]:
        codes = ("link-over-100", "label-overlap")
        return [p for p in check_workspace(self.store) if p.code in codes]


FIGURE = "figures: [{party: P1, figure: task, period: 2024-%s, amount: 1, currency: CNY}]\n"


def test_a_figure_is_of_who_brought_it_though_a_later_file_has_the_name(tmp_path: Path) -> None:
    books = _Books(tmp_path)
    books.take(FIGURE % "09", "ann")
    books.take(FIGURE % "10", "cem")
    imports = books.store.imports("book")
    rows = [
        {"party": "P1", "figure": "task", "period": period} for period in ("2024-10", "2024-09")
    ]
    events = events_that_brought(books.store, imports, "figures", rows, KEYS)
    assert [event.actor for event in events] == ["cem", "ann"]


LINK = "links:\n  - {of: customer, subject: K1, role: partner, party: %s, from: %s%s}\n"


def test_rows_in_force_are_listed_with_who_brought_them(tmp_path: Path) -> None:
    books = _Books(tmp_path)
    books.take(LINK % ("P1", "2024-01-01", ""), "ann")
    books.take(LINK % ("P2", "2024-06-01", "") + "labels: [{party: K2, label: line, value: x}]\n")
    first = books.known
    books.take(LINK % ("P1", "2024-01-01", ", to: 2024-06-01"), "cem")
    assert books.on(date(2024, 5, 31)) == {("P1", "cem"), ("x", "somebody")}
    assert books.on(date(2024, 6, 1)) == {("P2", "somebody"), ("x", "somebody")}
    assert books.on(date(2024, 6, 1), first) == {
        ("P1", "ann"), ("P2", "somebody"), ("x", "somebody")
    }  # fmt: skip
    assert books.on(date(2024, 6, 1), about="K1") == {("P2", "somebody")}
    assert books.on(date(2023, 6, 1), about="P1") == set()
    said = fenrun("book", "show", books.store.path, "--on", "2024-05-31", "--about", "K1").out
    assert "customer K1" in said and "cem, " in said and "book.yaml:2" in said and "P2" not in said


TWICE = {
    "since ever": ("{of: customer, subject: K1, role: partner, party: %s}", "P1", "P2"),
    "later": (
        "{of: customer, subject: K1, role: partner, party: %s, share: 60 %%, type: resale}",
        "P1, from: 2024-01-01",
        "P2, from: 2024-03-01",
    ),
    "account": (
        "{of: account, issuer: 'X: y', subject: '007', role: customer, party: %s}",
        "K1, to: 2025-01-01",
        "K2, from: 2024-03-01, to: 2024-04-01",
    ),
    "named": (
        "{of: order, issuer: Acme, subject: O1, role: partner, party: %s}",
        "P1, id: L1",
        "P2, id: L2",
    ),
}


@pytest.mark.parametrize("case", TWICE)
def test_two_claims_are_told_apart_and_one_is_ended(case: str, tmp_path: Path) -> None:
    row, first, second = TWICE[case]
    books = _Books(tmp_path)
    books.take(f"links:\n  - {row % first}\n", "ann")
    books.take(f"links:\n\n  - {row % second}\n", "cem")
    (clash,) = books.clashes()
    names = [text.split(",")[0] for text in (first, second)]
    said = clash.words("what")
    assert said.index(f"{names[0]} ") < said.index("came first") < said.index(f"{names[1]} ")
    assert "(book.yaml:2)" in said and "(book.yaml:3)" in said
    books.take(f"links:\n  - {clash.values['ended']}\n")
    assert not books.clashes()
    (link,) = book_in_force(books.store, date(2024, 3, 1))["links"]
    assert link["party"] == names[1]
    of_first = book_in_force(books.store, date(2024, 2, 29))["links"]
    kept = {"later": [("resale", Decimal("0.6"))], "account": [("", Decimal(1))]}
    still = [(one["type"], one["share"]) for one in of_first if one["party"] == names[0]]
    assert still == kept.get(case, [])


def test_two_values_of_a_label_are_told(tmp_path: Path) -> None:
    books = _Books(tmp_path)
    books.take("labels:\n  - {party: K1, label: class, value: D, from: 2024-03-01}\n")
    books.take("labels: [{party: K1, label: class, value: C}]\n")
    (clash,) = books.clashes()
    assert "D from 2024-03-01 on (book.yaml:2) came first, C on all days" in clash.words("what")
    books.take("labels: [{party: K1, label: class, value: C, to: 2024-03-01}]\n")
    assert not books.clashes()
