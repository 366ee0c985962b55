"""Roles of the book that differ from those of plans by a slip: said before anybody is not paid."""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path

import pytest

from fenrun.base.problem import Problem, Refused
from fenrun.base.when import parse_period
from fenrun.closing.close import close
from fenrun.settle.facts import check_workspace, mistyped_roles_of
from fenrun.settle.imports import import_file
from fenrun.settle.runs import settle_workspace
from fenrun.store.facts import Imported, Store
from tests.command import fenrun
from tests.settle.test_kinds import BOOK, HEAD, KNOWN, LINK, PLAN, row

ALIKE, MONTH = "role-look-alike", parse_period("2024-09")


def _store(folder: Path, book: str, plan: str = PLAN) -> tuple[Store, list[Imported]]:
    folder.mkdir(exist_ok=True)
    store, files = Store(folder / "ws"), []
    for name, text in (("c.csv", HEAD + row("100.00")), ("b.yaml", book), ("p.yaml", plan)):
        (folder / name).write_text(text, "utf-8")
        files.append(import_file(store, folder / name, KNOWN))
    return store, files


def _alike(problems: list[Problem]) -> list[Problem]:
    return [problem for problem in problems if problem.code == ALIKE]


SLIPS = {
    "Partner": "capital letters",
    "ｐartner": "full-width",
    "part ner": "spaces",
    "pаrtner": "letters",  # its second letter is Cyrillic
}


def test_a_role_that_looks_like_one_of_a_plan_is_an_error(tmp_path: Path) -> None:
    for number, (role, differs) in enumerate(SLIPS.items()):
        book = BOOK.replace("role: partner", f"role: {role}")
        store, (_, imported, plan) = _store(tmp_path / str(number), book)
        (found,) = _alike(check_workspace(store))
        said = found.words("what")
        assert "1 link of the book has" in said and "same one: partner." in said, said
        assert differs in said and (found.severity, str(found.place)) == ("error", "b.yaml:4:role")
        for done in (imported, plan):
            assert _alike(mistyped_roles_of(store, KNOWN, [done])) == [found]
    assert not mistyped_roles_of(store, KNOWN, [])


def test_an_import_ends_with_it(tmp_path: Path) -> None:
    (tmp_path / "b.yaml").write_text(BOOK.replace("role: partner", "role: Partner"), "utf-8")
    (tmp_path / "p.yaml").write_text(PLAN, "utf-8")
    done = fenrun("import", tmp_path / "ws", tmp_path / "b.yaml", tmp_path / "p.yaml", "--json")
    codes = [problem["code"] for problem in done.json()["problems"]]
    assert done.code == 1 and codes.count(ALIKE) == 1


def test_it_stops_a_close_until_it_is_mended_as_it_says(tmp_path: Path) -> None:
    book = BOOK.replace("role: partner", "role: Partner")
    store, _ = _store(tmp_path, book)
    (found,) = _alike(list(settle_workspace(store, MONTH).run.problems))
    with pytest.raises(Refused) as refusal:
        close(store, MONTH)
    assert ALIKE in {problem.code for problem in refusal.value.problems}

    withdrawn = re.search(r"\{of: .*?\}", found.words("fix"))
    assert withdrawn
    (tmp_path / "mended.yaml").write_text(f"links:\n{LINK}  - {withdrawn[0]}\n", "utf-8")
    import_file(store, tmp_path / "mended.yaml", KNOWN + timedelta(1))
    assert not _alike(check_workspace(store))
    run = settle_workspace(store, MONTH).run
    assert not _alike(list(run.problems))
    (line,) = run.engine.rows("SELECT payee, amount FROM earnings")
    assert (line["payee"], line["amount"]) == ("P1", 100)


HELD = PLAN.replace("roles: [partner]}", "roles: [partner], when: not Partner is held}")
NONE = {
    "the plan's own": (BOOK, PLAN),
    "a condition reads it": (BOOK + LINK.replace("partner", "Partner"), HELD),
    "another": (BOOK + LINK.replace("partner", "distributor"), PLAN),
    "both are of the plan": (
        BOOK + LINK.replace("partner", "Partner"),
        PLAN.replace("[partner]", "[partner, Partner]"),
    ),
}


@pytest.mark.parametrize("case", NONE)
def test_of_other_roles_nothing_is_said(case: str, tmp_path: Path) -> None:
    store, _ = _store(tmp_path, *NONE[case])
    assert not _alike(check_workspace(store))


def test_a_settlement_says_it_of_links_of_its_days(tmp_path: Path) -> None:
    old = LINK.replace("partner", "Partner").replace("P1}", "P1, to: 2024-09-01}")
    store, _ = _store(tmp_path, BOOK + old)
    assert not _alike(list(settle_workspace(store, MONTH).run.problems))
    assert len(_alike(check_workspace(store))) == 1
