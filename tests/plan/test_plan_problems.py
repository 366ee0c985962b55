"""Plans that cannot decide about money: each problem has a code, a line and a way out."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fenrun.base.problem import Refused
from fenrun.plan.read import read_plan

HEAD = """
plan: small
title: Small
source: test
published: 2024-01-01
effective: {from: 2024-01-01}
currency: CNY
timezone: Asia/Shanghai
basis: billed
"""
TAIL = """
tables:
  ten: [{from: 2024-01-01, source: test, kind: all units, bands: [pays 10 %]}]
earn:
  sum: [{id: ten, pays: partner, per: month, on: amount, by: amount, table: ten}]
"""
CREDIT = "credit: {first match: [{id: both, mode: double, roles: [partner]}]}"
GOOD = HEAD + CREDIT + TAIL
P01 = (Path(__file__).parent.parent.parent / "programmes/p01-task-tiers.yaml").read_text("utf-8")


def _bands(*bands: str, by: str = "amount", kind: str = "all units") -> str:
    listed = "".join(f"\n        - {b}" for b in bands)
    return f"""{HEAD}{CREDIT}
tables:
  ten:
    - from: 2024-01-01
      source: test
      kind: {kind}
      bands:{listed}
earn:
  sum: [{{id: all, pays: partner, per: month, on: amount, by: {by}, target: t, table: ten}}]
"""


BAD = {
    "not yaml": ("plan: [\n", "plan-text"),
    "overrides in a circle": (
        GOOD.replace(
            "sum: [",
            "sum: [{id: up, pays: a, per: month, on: earned upper below},"
            " {id: upper, pays: b, per: month, on: earned up below}, ",
        ),
        "plan-value",
    ),
    "not a mapping": ("- a\n- b\n", "plan-text"),
    "unknown key": (GOOD + "colour: red\n", "plan-key"),
    "missing key": (GOOD.replace("currency: CNY", ""), "plan-key"),
    "key twice": (GOOD + "currency: USD\n", "plan-key"),
    "bad currency": (GOOD.replace("CNY", "yuan"), "plan-value"),
    "bad zone": (GOOD.replace("Asia/Shanghai", "Mars/Base"), "plan-value"),
    "bad day": (GOOD.replace("published: 2024-01-01", "published: 1/2/2024"), "plan-value"),
    "bad basis": (GOOD.replace("basis: billed", "basis: paid"), "plan-value"),
    "rate without sign": (_bands("from 0 pays 0.1 percent"), "plan-value"),
    "words for a band": (_bands("everything pays 10 %"), "plan-value"),
    "empty band": (_bands("from 10 below 5 pays 10 %"), "plan-value"),
    "overlap": (_bands("below 3 pays 1 %", "from 2 below 29 pays 2 %"), "band-overlap"),
    "gap": (_bands("below 2 pays 1 %", "from 3 pays 2 %"), "band-gap"),
    "undecided boundary": (_bands("below 3000 pays 45 %", "above 3000 pays 40 %"), "band-gap"),
    "boundary claimed twice": (
        _bands("up to 3000 pays 45 %", "from 3000 pays 40 %"),
        "band-overlap",
    ),
    "percent bounds on amounts": (_bands("below 80 % pays 1 %", "from 80 % pays 2 %"), "band-unit"),
    "amount bounds on attainment": (
        _bands("below 80 pays 1 %", "from 80 pays 2 %", by="attainment"),
        "band-unit",
    ),
    "unknown table": (GOOD.replace("table: ten", "table: tin"), "plan-name"),
    "id twice": (GOOD.replace("{id: ten,", "{id: both,"), "plan-id-twice"),
    "condition": (
        GOOD.replace("roles: [partner]", "roles: [partner], when: class equals C"),
        "plan-condition",
    ),
    "column in lower case": (
        GOOD.replace("roles: [partner]", "roles: [partner], when: Servicename = 'x'"),
        "plan-name",
    ),
    "sql in a condition": (
        GOOD.replace("roles: [partner]", "roles: [partner], when: 'class = 1; DROP TABLE links'"),
        "plan-condition",
    ),
    "target missing": (GOOD.replace("by: amount", "by: attainment"), "plan-key"),
    "table twice a day": (
        _bands("pays 1 %").replace(
            "earn:",
            "    - {from: 2024-01-01, source: test, kind: all units, bands: [pays 2 %]}\nearn:",
        ),
        "table-dates",
    ),
    "marginal on a figure": (
        _bands("from 0 pays 1 %", kind="marginal").replace("on: amount", "on: figure pay"),
        "table-marginal",
    ),
    "a version that begins inside a period": (
        GOOD.replace(
            "bands: [pays 10 %]}]",
            "bands: [pays 10 %]}, "
            "{from: 2024-02-10, source: test, kind: all units, bands: [pays 11 %]}]",
        ),
        "version-inside",
    ),
    "a version that begins inside a quarter": (
        GOOD.replace("per: month", "per: quarter").replace(
            "bands: [pays 10 %]}]",
            "bands: [pays 10 %]}, "
            "{from: 2024-02-01, source: test, kind: all units, bands: [pays 11 %]}]",
        ),
        "version-inside",
    ),
    "expires without minimum": (GOOD + "pay: {expires: 3 months}\n", "plan-key"),
    "alias in itself": ("plan: &a [*a]\n", "plan-text"),
}


@pytest.mark.parametrize("name", BAD)
def test_problem_is_found_and_placed(name: str) -> None:
    text, code = BAD[name]
    with pytest.raises(Refused) as refused:
        read_plan(text, "bad.yaml")
    found = [p for p in refused.value.problems if p.code == code]
    assert found, [(p.code, p.words("what")) for p in refused.value.problems]
    for problem in found:
        assert problem.place.source == "bad.yaml" and 0 < problem.place.row <= text.count("\n") + 2
        for lang in ("en", "zh-CN"):
            assert all(
                problem.words(part, lang)
                and "?" not in problem.words(part, lang).replace("?.", "").rstrip("?？")
                for part in ("what", "why", "fix")
            )


@pytest.mark.parametrize(
    "name", ["overlap", "id twice", "boundary claimed twice", "table twice a day", "key twice"]
)
def test_both_places_are_shown(name: str) -> None:
    with pytest.raises(Refused) as refused:
        read_plan(BAD[name][0], "bad.yaml")
    assert any(p.also for p in refused.value.problems)


def test_the_good_plan_is_good() -> None:
    assert read_plan(GOOD, "good.yaml").plan.id == "small"


def test_all_problems_at_once_in_order() -> None:
    text = (
        GOOD.replace("CNY", "yuan")
        .replace("basis: billed", "basis: paid")
        .replace("Asia/Shanghai", "Mars/Base")
    )
    with pytest.raises(Refused) as refused:
        read_plan(text, "bad.yaml")
    rows = [p.place.row for p in refused.value.problems]
    assert len(rows) == 3 and rows == sorted(rows)


@given(
    st.integers(0, len(P01) - 1),
    st.integers(0, 40),
    st.sampled_from(
        [
            "",
            "\x00",
            "[",
            "}",
            "%",
            "'",
            ": ",
            "\n",
            "- ",
            "&x ",
            "*x",
            "9" * 60,
            "pays",
            "\t",
            "中",
        ]
    ),
)
def test_mutations_of_a_good_plan_never_crash(at: int, cut: int, put: str) -> None:
    try:
        read_plan(P01[:at] + put + P01[at + cut :], "mutant.yaml")
    except Refused as refused:
        assert refused.problems
        for problem in refused.problems:
            assert problem.place.source == "mutant.yaml" and problem.place.row > 0
            assert problem.as_json("zh-CN")


def _said(text: str, lang: str) -> str:
    """All that is said of a plan that is refused."""
    with pytest.raises(Refused) as refused:
        read_plan(text, "bad.yaml")
    parts = [p.words(part, lang) for p in refused.value.problems for part in ("what", "why", "fix")]
    return " ".join(parts)


def test_a_key_that_is_nearly_right_is_named_at_every_level() -> None:
    component = GOOD.replace("pays: partner", "pay: partner")
    assert "did you mean 'pays'?" in _said(component, "en")
    assert "是否想写“pays”" in _said(component, "zh-CN")
    assert "known here: id, title, pays," in _said(component, "en")
    assert "did you mean 'rounding'?" in _said(GOOD + "roundin: half up to 1\n", "en")
    version = GOOD.replace("kind: all units", "kinds: all units")
    assert "did you mean 'kind'?" in _said(version, "en")
    assert "known here: from, published," in _said(version, "en")


@pytest.mark.parametrize(
    ("text", "chinese"),
    [
        (GOOD.replace("on: amount", "on: volume"), "“volume”不在可写的值之中：amount, increment,"),
        (GOOD.replace("mode: double", "mode: triple"), "“triple”不在可写的值之中：double, single"),
        (GOOD.replace("CNY", "yuan"), "“yuan”不是币种"),
        (GOOD.replace("roles: [partner]", "roles: partner"), "不是列表"),
        (GOOD.replace("table: ten}", "table: [ten]}"), "不是编号"),
        (GOOD.replace("by: amount", "by: amount, gates: [often]"), "“often”不是门槛"),
        (GOOD + "limits: {open registrations: many}\n", "“many”不是大于等于 1 的整数"),
        (
            GOOD.replace("roles: [partner]", "roles: [partner], when: 'BilledCost < 1,0'"),
            "“1,0”可能表示 1.0 或 10",
        ),
        (GOOD + "pay: {draw: '1,0 recoverable'}\n", "“1,0”可能表示 1.0 或 10"),
    ],
)
def test_a_chinese_reader_is_told_what_may_be_written(text: str, chinese: str) -> None:
    said = _said(text, "zh-CN")
    assert chinese in said
    for english in ("is not", "should", "Input", "^(", "does not"):
        assert english not in said
    assert "^(" not in _said(text, "en")
