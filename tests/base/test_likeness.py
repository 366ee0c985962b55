"""Ids that look alike are told apart, and said by what they differ."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fenrun.base.likeness import LookAlikes, differences, revealed, skeleton, tidy

SAME = [
    "A1 ",
    " A1",
    "\tA1\r",
    "A1\u00a0",
    "\u3000A1",
    "A1\u200b",
    "A\u200d1",
    "\ufeffA1",
    "A\u00ad1",
    "A1\u2060",
    '="A1"',
    "'A1",
    "`A1",
]
"""Read as A1: nobody sees what is in them besides."""
ALIKE = [
    ("A1", "a1", "case"),
    ("A1", "Ａ１", "width"),
    ("A 1", "A1", "blanks"),
    ("A\u00a01", "A1", "blanks"),
    ("A1", "А1", "letters"),
    ("Société", "Societe", "accents"),
    ("SOCIÉTÉ", "Société", "case"),
    ("a-1", "a\u20111", "dashes"),
    ("a-1", "a–1", "dashes"),
    ("1234-5678-9012", "123456789012", "grouping"),
    ("1234 5678 9012", "1234-5678-9012", "grouping"),
    ("000123", "123", "zeros"),
    ("123456789012.0", "123456789012", "point"),
    ("123,456,789,012", "123456789012", "grouping"),
    ("ﾃｽﾄ", "テスト", "width"),
]
OTHERS = [("A1", "A2"), ("A10", "A01"), ("A-1", "A1"), ("1-11", "1-12"), ("x0", "xO"), ("0", "00x")]


@pytest.mark.parametrize("text", SAME, ids=ascii)
def test_what_nobody_sees_is_taken_out(text: str) -> None:
    assert tidy(text) == "A1" != revealed(text)


def test_accents_are_of_one_character() -> None:
    assert tidy("Socie\u0301te\u0301") == "Société" == tidy("Société")
    assert revealed("Socie\u0301te\u0301") == "Socie<U+0301>te<U+0301>"


@pytest.mark.parametrize(("one", "other", "by"), ALIKE, ids=ascii)
def test_look_alikes_are_found_and_told(one: str, other: str, by: str) -> None:
    for first, second in ((one, other), (other, one)):
        found = LookAlikes([("Acme", first), ("Acme", "B7")]).nearest(("Acme", second))
        assert found and found[0] == ("Acme", first)
        assert [said.key for said in differences(first, second)] == [f"alike-{by}"]


@pytest.mark.parametrize(("one", "other"), OTHERS)
def test_other_ids_are_not_alike(one: str, other: str) -> None:
    assert LookAlikes([("Acme", one)]).nearest(("Acme", other)) is None


def test_the_issuer_counts_too() -> None:
    found = LookAlikes([("ACME", "A1")]).nearest(("Acme ", "a1"))
    assert found and {word in str(found[1]) for word in ("capital letters", "spaces")} == {True}
    assert LookAlikes([("Acme", "A1")]).nearest(("Acme", "A1")) is None


@given(st.text(max_size=12))
def test_an_id_that_is_tidy_stays(text: str) -> None:
    once = tidy(text)
    assert tidy(once) == once and skeleton(once) == skeleton(text)
