"""The programme guide is whole: whoever reads it alone can count by hand, in either language.

`FENRUN_WRITE_GOLDEN=1 pytest tests/plan/test_guide.py` writes the texts again; read them before you
commit.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from fenrun.base import words
from fenrun.base.money import show, show_rate
from fenrun.cli.plan_ import guide_text
from fenrun.plan.guide import markdown
from fenrun.plan.read import PlanFile, load_plan, read_plan
from fenrun.plan.rows import Plan
from fenrun.plan.vocabulary import RATIO_READINGS
from tests.plan.test_plans import CASES, small_plan

ROOT = Path(__file__).parents[2]
GOLDEN = Path(__file__).parent / "golden"
WHOLE = GOLDEN / "whole.yaml"
PLANS = [*sorted((ROOT / "programmes").glob("*.yaml")), ROOT / "src/fenrun/world/plan.yaml", WHOLE]
LANGUAGES = ("en", "zh-CN")
_INDEX = {"en": "## Clauses", "zh-CN": "## 条款索引"}
"""The heading below which plans are quoted as they are written."""


def _guide(file: PlanFile, lang: str) -> str:
    """The guide, with 0 as the outcome of every case: no case is run."""
    outcomes = [
        {**vars(expect), "case": case.case, "component": expect.component or "", "found": "0"}
        for case in file.text.cases
        for expect in case.expect
    ]
    return markdown(file, lang, outcomes)


@cache
def _load(path: Path) -> PlanFile:
    return load_plan(path)


@cache
def _sentences(path: Path, lang: str) -> str:
    """The guide without the index of clauses."""
    return _guide(_load(path), lang).split(_INDEX[lang])[0]


OTHERWISE = {
    "draw: 1000 recoverable": "draw: 1000 guaranteed",
    "minimum: 50\n  expires: 12 months": "minimum: 0",
    "  instalments: [90 % at once, 10 % after 12 months]\n": "",
    "added: figure tax": "added: 3 %",
    "over year to date of all channels": "over year to date of the same group",
    "  tax: {included": "  in: USD\n  tax: {included",
    "  draw: 1000 recoverable\n  minimum": "  in: label money on last day\n  minimum",
    "currency: CNY\ntimezone": "currency: CNY\nconvert: {from: [USD], on: day}\ntimezone",
    "as of:\n": "as of:\n  - {day: ChargePeriodEnd}\n",
    "previous.party is present": "previous.party is missing and day > 2024-01-01",
    "class in ('C', 'D') and": "class is present and day <= 2025-01-01 and",
}
"""What the whole plan could say in its place, so that the sentences of both are said."""


@pytest.mark.parametrize("lang", LANGUAGES)
def test_a_partner_reads(lang: str) -> None:
    said, _ = guide_text(_load(WHOLE), lang)
    path = GOLDEN / f"guide.{lang}.md"
    if os.environ.get("FENRUN_WRITE_GOLDEN"):
        path.write_text(said, "utf-8")
    assert said == path.read_text("utf-8")


def _numbers(plan: Plan) -> Iterator[str]:
    """Every number that decides about money, as people read it."""
    for c in plan.components:
        yield from (show(n, 0) for n in (c.up_to, c.counts_from) if n is not None)
        yield from (show(c.cap) for _ in [0] if c.cap is not None)
        yield from (show_rate(c.cap_rate) for _ in [0] if c.cap_rate is not None)
        yield from (show(n) for n in (c.floor, c.minimum) if n is not None)
        yield from (str(n) for n in (c.window_months, c.counts_months) if n)
        if c.portion != c.portion_per:
            yield show_rate(c.portion) if c.portion_per == 1 else f"{c.portion}/{c.portion_per}"
        if c.clawback_rule:
            yield str(c.clawback_span)
    for row in (*plan.bands, *plan.gates):
        reading = getattr(row, "subject", "")
        is_ratio = getattr(row, "ratio", False) or reading in RATIO_READINGS
        bounds = [bound for bound in (row.lower, row.upper) if bound is not None]
        if reading != "figure":
            yield from (show_rate(bound) if is_ratio else show(bound, 0) for bound in bounds)
    for band in plan.bands:
        yield show(band.flat) if band.flat is not None else _rate(band.rate, band.words)
    for group in plan.groups:
        yield from (show(group.cap) for _ in [0] if group.cap is not None)
    yield from (show(one.weight, 0) for one in plan.weights)
    for pay in plan.pay_terms:
        amounts = (pay.draw, pay.minimum or None)
        yield from (show(amount) for amount in amounts if amount is not None)
        yield from (str(pay.expires) for _ in [0] if pay.expires)
    for fund in plan.funds:
        yield from (show(fund.cap) for _ in [0] if fund.cap is not None)
        yield from (str(fund.lapses) for _ in [0] if fund.lapses)
    for part in (*plan.instalments, *plan.forms):
        yield show_rate(part.share)


def _rate(rate: Decimal | None, written: str) -> str:
    return show(rate or Decimal(0)) if written.endswith(" each") else show_rate(rate or Decimal(0))


def _names(plan: Plan) -> Iterator[str]:
    """Every role, figure and date that decides."""
    for c in plan.components:
        by_name = "" if c.reads_by == "amount over" else c.by_name
        names = (c.role, c.target, c.compare_name, by_name, c.times_name, c.baseline)
        yield from (name for name in (c.ranks_among,) if name)
        yield from (name for name in (*names, c.table_id) if name)
    yield from (str(band.valid_from) for band in plan.bands)
    yield from (row.role for row in plan.credit_roles)
    yield from (row.to_role for row in plan.roll_ups)
    yield from (fund.claims for fund in plan.funds)
    yield from (figure.figure for figure in plan.figures)
    yield from (c.plus for c in plan.components)


@pytest.mark.parametrize("lang", LANGUAGES)
@pytest.mark.parametrize("path", PLANS, ids=lambda path: path.stem)
def test_all_that_decides_about_money_is_said(path: Path, lang: str) -> None:
    file, said = _load(path), _sentences(path, lang)
    missing = [text for text in (*_numbers(file.plan), *_names(file.plan)) if text not in said]
    assert not missing
    given = [row for case in file.text.cases for row in (*case.given.figures, *case.given.labels)]
    facts = {row.get("figure") or row["label"] for row in given}
    assert not {name for name in facts if name not in said}


@pytest.mark.parametrize("lang", LANGUAGES)
@pytest.mark.parametrize("path", PLANS, ids=lambda path: path.stem)
def test_conditions_are_words_and_not_code(path: Path, lang: str) -> None:
    said = _sentences(path, lang)
    code = re.findall(r"\w+ (?:!=|<=|>=|<|>) \S+|\w+ = '|\bin \('|\{\d+\.\.|\w+\.\.\w+", said)
    assert not code


@pytest.mark.parametrize("path", PLANS, ids=lambda path: path.stem)
def test_chinese_is_whole(path: Path) -> None:
    """No word of English stands in it but those that the plan itself writes."""
    written = set(re.findall(r"[A-Za-z]{2,}", path.read_text("utf-8")))
    found = set(re.findall(r"[A-Za-z]{2,}", _sentences(path, "zh-CN")))
    assert not found - written


def test_every_sentence_of_the_guide_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    """A plan of everything, and the programmes, say each sentence that there is."""
    seen: set[str] = set()

    class Recording(dict[str, Any]):
        def __getitem__(self, key: str) -> Any:
            seen.add(key)
            return super().__getitem__(key)

    whole = Recording(words.catalogue())
    monkeypatch.setattr(words, "catalogue", lambda: whole)
    for path in PLANS:
        _guide(_load(path), "en")
    for old, new in OTHERWISE.items():
        text = WHOLE.read_text("utf-8")
        assert old in text
        text = text.replace(old, new)
        if "convert:" in new:  # which is not said beside spend that is counted
            text = text.replace(", existing: spend 2023-07 to 2023-12", "")
        _guide(read_plan(text, "whole.yaml"), "en")
    for case in CASES:
        if "each day of" in str(case.get("plan")):  # which is not said beside terms
            _guide(read_plan(small_plan(case), "small.yaml"), "en")
    source = (ROOT / "src/fenrun/plan/conditions.py").read_text("utf-8")
    refusals = {
        key for key in whole if f'"{key}"' in source or re.match("condition-of-|gate-needs-", key)
    }
    ours = {key for key in whole if re.match(r"(guide|pay|condition|gate|compare)-", key)}
    assert ours - seen - refusals == set()
