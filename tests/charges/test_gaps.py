"""Gaps that providers publish explain the problems they make, and the way to fill them works."""

from __future__ import annotations

import csv
import io
import shlex
from collections.abc import Mapping
from pathlib import Path

import pytest

from fenrun.base.problem import Problem
from fenrun.charges.checks import _USAGE_EXPECTS
from fenrun.charges.gaps import AS_OTHERS, Profile, profile_of, profiles
from fenrun.charges.rows import focus_columns
from fenrun.settle.imports import import_file
from fenrun.store.facts import Store
from tests.errors.gallery import KNOWN, ROW

FILLED = {name: "7" for name in _USAGE_EXPECTS} | {
    "ProviderName": "Beichen",
    "PublisherName": "Beichen",
    "ServiceCategory": "Compute",
    "ServiceName": "Servers",
}
EXPLAINED = ("null-forbidden", "row-quarantined", "column-empty")


def _found(
    folder: Path, rows: list[dict[str, str]], fills: Mapping[str, str] | None = None
) -> dict[str, Problem]:
    """Import rows and return the problems of empty columns, by column."""
    text = io.StringIO()
    writer = csv.DictWriter(text, ROW | FILLED, lineterminator="\n")
    writer.writeheader()
    writer.writerows(ROW | FILLED | row for row in rows)
    path = folder / "a month.csv"
    path.write_text(text.getvalue())
    done = import_file(Store(folder / "ws"), path, KNOWN, fills=fills)
    return {p.place.column: p for p in done.problems if p.code in EXPLAINED}


def _fills(problem: Problem) -> dict[str, str]:
    """Return what the command that a problem names would fill."""
    command = shlex.split(problem.words("fix").partition("fenrun import WORKSPACE ")[2])
    assert command == shlex.split(problem.words("fix", "zh-CN").partition("WORKSPACE ")[2])
    if not command:
        return {}
    assert command[:2] == ["a month.csv", "--set"]
    return dict([command[2].split("=", 1)])


@pytest.mark.parametrize("profile", profiles(), ids=lambda profile: profile.provider)
def test_a_gap_that_a_provider_publishes_explains_its_empty_columns(
    profile: Profile, tmp_path: Path
) -> None:
    whole = {"ProviderName": profile.names[0], "InvoiceIssuerName": f"{profile.names[0]} Ltd."}
    found = _found(tmp_path, [{}, whole, whole | dict.fromkeys(profile.columns, "")])
    # Of a column that usage is to fill, a problem is one that all of a provider's rows show.
    shown = {name for name in profile.columns if focus_columns()[name].never_null}
    assert found.keys() == shown
    for problem in found.values():
        for lang in ("en", "zh-CN"):
            why = problem.words("why", lang)
            assert profile.source in why and str(profile.dated) in why and profile.provider in why
    fills = {name: value for p in found.values() for name, value in _fills(p).items()}
    assert fills.keys() == {name for name, gap in profile.columns.items() if gap.fill}
    left = _found(tmp_path, [{}, whole, whole | dict.fromkeys(profile.columns, "")], fills)
    assert left.keys() == shown - fills.keys()

    bare = whole | dict.fromkeys(profile.columns.keys() - {"InvoiceIssuerName"}, "")
    empty = _found(tmp_path, [{}, bare])
    assert empty.keys() == profile.columns.keys() - {"InvoiceIssuerName"}
    assert all(profile.source in problem.words("why") for problem in empty.values())


def test_a_profile_holds_only_what_a_check_can_say() -> None:
    assert {profile.provider for profile in profiles()} >= {"AWS", "Microsoft"}
    for profile in profiles():
        for name, gap in profile.columns.items():
            column = focus_columns()[name]
            assert column.never_null or name in _USAGE_EXPECTS
            assert gap.empty in ("all", "some")
            assert not gap.fill or (column.type == "String" and column.never_null)
        assert all(profile_of(name.upper() + " EMEA") is profile for name in profile.names)


def test_an_unknown_provider_gets_no_explanation(tmp_path: Path) -> None:
    found = _found(tmp_path, [{"PublisherName": ""}, {"InvoiceIssuerName": ""}])
    assert profile_of("") is None and profile_of("Beichen of AWS") is None
    assert all("http" not in problem.words("why") for problem in found.values())
    assert found.keys() == {"PublisherName", "InvoiceIssuerName"}


AWS = {"ProviderName": "AWS", "InvoiceIssuerName": "Amazon Web Services, Inc."}
EMPTY = AWS | {"InvoiceIssuerName": ""}


@pytest.mark.parametrize(
    "others",
    [
        [],
        [AWS, AWS | {"InvoiceIssuerName": "Amazon Web Services EMEA SARL"}],
        [AWS, {"InvoiceIssuerName": ""}],
    ],
    ids=["no other row", "two issuers", "another provider's cell is empty too"],
)
def test_no_value_is_named_that_could_be_wrong(
    others: list[dict[str, str]], tmp_path: Path
) -> None:
    found = _found(tmp_path, [*others, EMPTY])
    problem = found["InvoiceIssuerName"]
    assert "AWS says" in problem.words("why")
    assert not _fills(problem)


def test_what_the_other_rows_hold_is_named(tmp_path: Path) -> None:
    assert (
        next(p for p in profiles() if p.provider == "AWS").columns["InvoiceIssuerName"].fill
        == AS_OTHERS
    )
    problem = _found(tmp_path, [AWS, EMPTY])["InvoiceIssuerName"]
    assert problem.code == "row-quarantined"
    assert _fills(problem) == {"InvoiceIssuerName": "Amazon Web Services, Inc."}
