"""The closed lists of a plan's language: every word is known wherever it must be."""

from __future__ import annotations

from dataclasses import fields, replace
from datetime import date
from pathlib import Path
from typing import Any, get_args

import pytest

from fenrun.base.words import LANGUAGES, catalogue
from fenrun.charges.rows import focus_columns
from fenrun.plan import meaning
from fenrun.plan.bands import band_words
from fenrun.plan.check.payoff import CURVES
from fenrun.plan.condition_words import column_words, condition_words
from fenrun.plan.conditions import READS
from fenrun.plan.diff import diff
from fenrun.plan.phrases import gate_words
from fenrun.plan.read import load_plan
from fenrun.plan.rows import ROW_TYPES, DerivedFigure, Plan
from fenrun.plan.vocabulary import (
    BASES,
    COMPARISONS,
    COUNTS,
    GATE_SUBJECTS,
    GROUP_KINDS,
    MONTHS_OF,
    READINGS,
    REASONS,
    ROUNDING_MODES,
    TIERS,
    About,
    Mode,
    TierKind,
)

ROOT = Path(__file__).parents[2]
SAID = {
    "basis": BASES,
    "compare": [c for c in COMPARISONS if c != "figure"],
    "guide-counts": COUNTS,
    "gate": GATE_SUBJECTS,
    "group": GROUP_KINDS,
    "guide": get_args(Mode),
    "kind": TIERS,
    "per": MONTHS_OF,
    "reading": READINGS,
    "reason": REASONS,
    "round": ROUNDING_MODES,
}
"""The words of each list, by what their keys in words.yaml begin with."""


@pytest.mark.parametrize("prefix", SAID)
def test_every_word_is_said(prefix: str) -> None:
    keys = {f"{prefix}-{word.replace(' ', '-')}" for word in SAID[prefix]}
    assert not keys - catalogue().keys()


def test_every_tier_kind_has_its_row_its_curve_and_its_sql() -> None:
    assert set(TIERS) == set(CURVES) == set(get_args(TierKind))
    sql = (ROOT / "src/fenrun/earn/steps.sql").read_text("utf-8")
    plain = next(kind for kind, tier in TIERS.items() if tier.multiplies)
    assert all(f"'{kind}'" in sql for kind in TIERS if kind != plain)


def test_every_subject_of_a_condition_has_what_it_may_read() -> None:
    assert set(READS) == set(get_args(About))


def test_row_types_are_the_tables_of_a_plan() -> None:
    assert list(ROW_TYPES) == [field.name for field in fields(Plan)]


@pytest.mark.parametrize(
    ("english", "chinese"),
    [
        ("from 100 % pays 16 %", "达到 100 %：按 16 % 计"),
        ("below 30 % pays 0 %", "不足 30 %：按 0 % 计"),
        ("from 1,000 below 3,000 pays 45 %", "达到 1,000 且不足 3,000：按 45 % 计"),
        ("above 20 and up to 50 pays 500", "超过 20 且不超过 50：计 500"),
        ("from 5 pays 250 each", "达到 5：每户计 250"),
        ("pays 10 %", "不分档：按 10 % 计"),
        ("at 80 % pays 2 %", "80 % 时：按 2 % 计"),
        ("pays 1 %; pays 2 %", "不分档：按 1 % 计；不分档：按 2 % 计"),
        ("no band at all", "no band at all"),
    ],
)
def test_bands_are_said_in_both_languages(english: str, chinese: str) -> None:
    assert band_words(english, "en") == english
    assert band_words(english, "zh-CN") == chinese


@pytest.mark.parametrize(
    ("written", "english", "chinese"),
    [
        ("attainment from 100 %", "the attainment is at least 100 %", "达成率不低于 100 %"),
        (
            "spend before below 20,000",
            "what counted of the charges in the period before is below 20,000",
            "上期计入的费用低于 20,000",
        ),
        (
            "figure renewal-rate of customer from 90 %",
            "the customer's figure renewal-rate is at least 90 %",
            "客户的数额 renewal-rate 不低于 90 %",
        ),
        (
            "amount above 1,000 and up to 2,000",
            "what is measured is above 1,000 and at most 2,000",
            "计量值超过 1,000 且不超过 2,000",
        ),
        ("no gate", "no gate", "no gate"),
    ],
)
def test_gates_are_said_in_both_languages(written: str, english: str, chinese: str) -> None:
    assert gate_words(written, "en") == english
    assert gate_words(written, "zh-CN") == chinese


@pytest.mark.parametrize(
    ("written", "english", "chinese"),
    [
        ("class = 'C'", "the customer's class is “C”", "客户的 class 为“C”"),
        (
            "ServiceName not in ('CDN', 'SMS')",
            "the service name is not “CDN” or “SMS”",
            "服务名称不为“CDN”或“SMS”",
        ),
        (
            "(a = 'x' or b is present) and BilledCost > 0",
            "(the customer's a is “x” or the customer's b is given) and the billed cost is above 0",
            "（客户的 a 为“x”，或客户的 b 不为空），且账单金额超过 0",
        ),
        (
            "not (partner is held)",
            "it is not so that somebody is partner of the customer",
            "并非（有人担任该客户的 partner）",
        ),
        (
            "billed below 60 % of list",
            "the billed cost is below 60 % of the list cost",
            "账单金额低于目录价金额的 60 %",
        ),
        (
            "day within 30 days of association",
            "the day of the charge lies in the 30 days from the first day of the association on",
            "费用日在归属首日起（含当天）30 天内",
        ),
        (
            "day within 6 months of payee.hired",
            "the day of the charge lies in the 6 months from the first day of the payee's hired on",
            "费用日在收款方的 hired 首日起（含当天）6 个月内",
        ),
        (
            "x_Signed >= 2024-01-01",
            "the date in the x_Signed is on or after 2024-01-01",
            " x_Signed 所载日期不早于 2024-01-01",
        ),
        (
            "no purchase in the 12 months before",
            "the customer purchased nothing in the 12 months before the day of the charge",
            "客户在费用日之前 12 个月内没有购买",
        ),
        ("payee.level = 'gold'", "the payee's level is “gold”", "收款方的 level 为“gold”"),
        ("x_Units >= 1000", "the x_Units is at least 1,000", " x_Units 不低于 1,000"),
        ("no condition at all", "no condition at all", "no condition at all"),
    ],
)
def test_conditions_are_said_in_both_languages(written: str, english: str, chinese: str) -> None:
    assert condition_words(written, "en") == english
    assert condition_words(written, "zh-CN") == chinese


def test_a_label_without_prefix_is_the_payees_where_the_payee_is_meant() -> None:
    assert condition_words("level = 'x'", "en", "payee") == "the payee's level is “x”"


def test_every_focus_column_has_words_in_both_languages() -> None:
    words = {lang: [column_words(name, lang) for name in focus_columns()] for lang in LANGUAGES}
    assert all(len(set(said)) == len(focus_columns()) for said in words.values())


def _other(value: Any) -> Any:
    """A value of the same type that is not the same."""
    if isinstance(value, bool):
        return not value
    if isinstance(value, date):
        return date(2001, 2, 3)
    if value is None:
        return 7
    if value in TIERS:
        return next(kind for kind in TIERS if kind != value)
    return f"{value}?" if isinstance(value, str) else value + 1


def _plan_with(table: str) -> Plan:
    """A programme that has a row in a table; what none has stands in the plan of everything."""
    if table == "figures":
        plan = _plan_with("components")
        rule = plan.components[0].rule_id
        figure = DerivedFigure(plan.id, rule, "f", "renewed", "project")
        return replace(plan, figures=(figure,))
    whole = ROOT / "tests/plan/golden/whole.yaml"
    paths = [*sorted((ROOT / "programmes").glob("*.yaml")), whole]
    return next(plan for path in paths if getattr(plan := load_plan(path).plan, table))


def _changed(plan: Plan, table: str, column: str) -> Plan:
    """The plan with a column of a table's first row changed, and its digests made again."""
    first, *rest = getattr(plan, table)
    value = getattr(first, column)
    if column.endswith("_rule"):
        value = next(rule.rule_id for rule in plan.rules if rule.rule_id != value)
    elif column == "as_of":
        value = '[[null, "BillingPeriodStart"]]'
    else:
        value = _other(value)
    changed = replace(first, **{column: value})
    other = replace(plan, **{table: (changed, *rest)})
    money, words = meaning.digests(other)
    terms = replace(other.terms[0], money=money, words=words)
    return replace(other, terms=(terms,))


@pytest.mark.parametrize("table", ROW_TYPES)
def test_the_digests_and_the_comparison_agree_on_what_is_only_said(table: str) -> None:
    """A change of any column is a change of money to both, or of words to both, or of neither."""
    plan = _plan_with(table)
    money, words = meaning.digests(plan)
    plan = replace(plan, terms=(replace(plan.terms[0], money=money, words=words),))
    owners = {"rule_id", "component", "table_id", "money", "words"}
    for column in (field.name for field in fields(ROW_TYPES[table])):
        if column in (owners if table == "terms" else owners - {"money", "words"}):
            continue  # it names the clause that differs, or is made from the rest
        other = _changed(plan, table, column)
        found = {change.what for change in diff(plan, other)}
        if plan.terms[0].money != other.terms[0].money:
            assert found == {"money"}, column
        elif meaning.is_placed(table, column):
            assert not found, column
        else:
            assert found == {"words"}, column
