"""Scenarios, policies, sources, terms and events damaged at random: refused in words, or taken."""

from __future__ import annotations

import os
import random
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest

from fenrun.base.problem import Problem, Refused
from fenrun.events import read as events
from fenrun.lab.scenario import load_scenario
from fenrun.settle.sources import read_sources
from fenrun.tables.records import read_tables
from fenrun.terms import read as terms
from fenrun.terms.policy import load_policy
from tests.damaged import damaged

EACH = 200 if "FENRUN_NIGHTLY" in os.environ else 12
"""How many files are made of each text."""
FENRUN = Path(__file__).parents[1] / "src" / "fenrun"
SCENARIO = """\
scenario: east-to-tele-sales
title: {en: Small customers of the east go to tele-sales, zh-CN: 华东小客户转电销}
from: 2024-07-01
labels:
  - {label: class, value: E, where: "class = 'C' and region = 'east'",
     spend: {in: 2024-H1, below: "1,000,000"}}
moves:
  - {role: partner, holder: P1, to: P2, where: region = 'south', until: 2024-10-01, keeps: 50 %}
vary:
  rate: {from: 8 %, to: 15 %, step: 0.5 %}
  least: {values: [20 %, 25 %, 30 %]}
plans:
  - {plan: channel, set: {tables.t.bands: ["below {least} pays 0 %", "from {least} pays {rate}"]}}
prices:
  - {list: -20 %, where: ServiceName = 'CDN'}
figures:
  - {figure: task, in: 2024-Q3, by: +10 %}
"""
SOURCES = """\
sources:
- source: north
  files: exports/north/{version}/*
  delivers: overwrite
  set: {InvoiceIssuerName: North Cloud}
- source: south
  files: [south/*, 's3://bucket/focus/*']
  delivers: append
  zone: Asia/Shanghai
"""
AGREED = """\
agreements:
  - {agreement: A1, customer: K1, kind: commit, from: 2024-01-01, to: 2025-01-01, amount: 1000,
     currency: CNY}
coupons:
  - {coupon: C1, customer: K1, amount: 100, currency: CNY, from: 2024-01-01, to: 2024-06-01}
"""
PAYMENTS = """\
payment,day,payer,customer,kind,amount,currency,reference,total
R1,2024-02-01,K1,K1,invoice,100.00,CNY,INV-1,318
R2,2024-03-01,K1,K1,refund,-20.00,CNY,INV-1,
"""


def _tables(layout: Any) -> Callable[[Path], Iterable[Problem]]:
    return lambda path: read_tables(path, layout)[1]


def _sources(path: Path) -> Iterable[Problem]:
    read_sources(path.parent)
    return ()


def _texts(read: Callable[[Path], object]) -> Callable[[Path], Iterable[Problem]]:
    def reader(path: Path) -> Iterable[Problem]:
        read(path)
        return ()

    return reader


FORMS: dict[str, tuple[bytes, Callable[[Path], Iterable[Problem]]]] = {
    "scenario.yaml": (SCENARIO.encode(), _texts(load_scenario)),
    "policy.yaml": ((FENRUN / "world" / "policy.yaml").read_bytes(), _texts(load_policy)),
    "sources.yaml": (SOURCES.encode(), _sources),
    "terms.yaml": (AGREED.encode(), _tables(terms.LAYOUT)),
    "payments.csv": (PAYMENTS.encode(), _tables(events.LAYOUT)),
}


DEEP = ("[" * 20_000, "sources: " + "{a: " * 3_000, "a: &a [x]\nb: [" + "*a, " * 2_000 + "]")
"""Texts that grow, or are nested deeper than a reader of them can go."""


@pytest.mark.parametrize("name", ("scenario.yaml", "policy.yaml", "sources.yaml", "terms.yaml"))
def test_a_text_that_grows_is_refused(name: str, tmp_path: Path) -> None:
    for text in DEEP:
        (tmp_path / name).write_text(text, "utf-8")
        with pytest.raises(Refused):
            FORMS[name][1](tmp_path / name)


@pytest.mark.parametrize("name", FORMS)
def test_a_damaged_text_is_refused_or_taken_and_never_a_traceback(
    name: str, tmp_path: Path
) -> None:
    content, read = FORMS[name]
    (tmp_path / name).write_bytes(content)
    assert not [*read(tmp_path / name)], "as it stands it is taken"
    rng, refused, taken = random.Random(name), 0, 0
    for number in range(EACH):
        text = damaged(content, rng)
        (tmp_path / name).write_bytes(text)
        problems: Iterable[Problem] = ()
        try:
            problems, taken = read(tmp_path / name), taken + 1
        except Refused as refusal:
            problems, refused = refusal.problems, refused + 1
        except Exception as error:
            pytest.fail(f"{name}, {number}: {type(error).__name__}: {error}\n{text[:3000]!r}")
        for problem in problems:
            assert problem.as_json("en")["fix"] and problem.as_json("zh-CN")["fix"]
    assert refused and taken
