"""The policy: which steps something goes through, by when, and how long each took."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

import pytest

from fenrun.base.problem import Refused
from fenrun.terms.policy import Asked, discount_of, read_policy
from fenrun.terms.policy_words import in_words

POLICY = """
policy: special-prices
currency: CNY
timezone: Asia/Shanghai
holidays: [2024-10-01, 2024-10-02, 2024-10-03, 2024-10-04, 2024-10-07]
workdays: [2024-09-29, 2024-10-12]
steps:
  - {step: lead, approvers: [lin, role operations], within: 2 working days}
  - step: pricing
    approvers: [zhao]
    within: 24 hours
    when:
      - {discount: 20 %}
      - {amount: "1,000,000", products: [GPU Cluster], kinds: [discount, coupon]}
  - step: general-manager
    title: {en: General manager, zh-CN: 总经理}
    approvers: [qian]
    within: 1 working day
    when: [{discount: 40 %}, {amount: "5,000,000"}]
delegations:
  - {approver: zhao, substitute: wu, from: 2024-10-08, to: 2024-10-15}
"""


def _asked(grants: str, amount: str = "", product: str = "Object Storage", **more: str) -> Asked:
    rest = {"kind": "discount", "currency": "CNY", **more}
    return Asked(
        discount=discount_of(grants), amount=Decimal(amount) if amount else None,
        product=product, **rest,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("asked", "steps"),
    [
        (_asked("85 % of list", "1000"), "lead"),
        (_asked("80 % of list", "1000"), "lead pricing"),
        (_asked("60.01 % of list", "1000"), "lead pricing"),
        (_asked("60 % of list", "1000"), "lead pricing general-manager"),
        (_asked("0.42", "1000"), "lead pricing general-manager"),  # of a unit: how deep is unknown
        (_asked("90 % of contracted", "1000"), "lead pricing general-manager"),
        (_asked("95 % of list", "999999.99", "GPU Cluster"), "lead"),
        (_asked("95 % of list", "1000000", "GPU Cluster"), "lead pricing"),
        (_asked("95 % of list", "1000000", ""), "lead pricing"),  # all products
        (_asked("95 % of list", "1000000", "CDN"), "lead"),
        (_asked("95 % of list", "5000000", "CDN"), "lead general-manager"),
        (_asked("95 % of list", "", "CDN"), "lead general-manager"),  # no limit
        (_asked("95 % of list", "10", "CDN", currency="USD"), "lead general-manager"),
        (_asked("C-1", "1000", "GPU Cluster", kind="coupon"), "lead"),
        (_asked("C-1", "2000000", "GPU Cluster", kind="coupon"), "lead pricing"),
        (_asked("AG-1", "2000000", "GPU Cluster", kind="agreement"), "lead"),
    ],
)
def test_the_steps_by_depth_amount_and_product(asked: Asked, steps: str) -> None:
    found = read_policy(POLICY, "policy.yaml").steps_for(asked)
    assert " ".join(step.step for step in found) == steps


@pytest.mark.parametrize(
    ("step", "since", "due"),
    [  # in UTC; days end at 16:00, midnight in Shanghai
        (0, "2024-09-26T03:00", "2024-09-29T16:00"),  # Thursday: Friday, worked Sunday
        (0, "2024-09-26T17:00", "2024-09-30T16:00"),  # Friday already, in Shanghai
        (0, "2024-09-30T03:00", "2024-10-09T16:00"),  # over the holidays
        (1, "2024-09-30T03:00", "2024-10-01T03:00"),  # hours pass on any day
        (2, "2024-10-11T03:00", "2024-10-12T16:00"),  # a worked Saturday
    ],
)
def test_due_times(step: int, since: str, due: str) -> None:
    policy = read_policy(POLICY, "policy.yaml")
    moment = datetime.fromisoformat(since).replace(tzinfo=UTC)
    found = policy.due(policy.text.steps[step].within, moment)
    assert found == datetime.fromisoformat(due).replace(tzinfo=UTC)


def test_the_time_that_a_step_took_is_in_working_days_and_hours() -> None:
    policy = read_policy(POLICY, "policy.yaml")
    start = datetime(2024, 9, 30, 3, tzinfo=UTC)
    for end, took in (
        (datetime(2024, 9, 30, 9, 30, tzinfo=UTC), (0, "6.5")),
        (datetime(2024, 10, 7, 3, tzinfo=UTC), (0, "168.0")),
        (datetime(2024, 10, 9, 15, 59, tzinfo=UTC), (2, "229.0")),
    ):
        assert policy.took(start, end) == (took[0], Decimal(took[1]))


def test_a_substitute_decides_in_the_days_of_the_delegation_and_not_beside_them() -> None:
    policy = read_policy(POLICY, "policy.yaml")
    for day, found in (
        (datetime(2024, 10, 7, 15, tzinfo=UTC), {"zhao": "zhao"}),
        (datetime(2024, 10, 7, 17, tzinfo=UTC), {"zhao": "zhao", "wu": "zhao"}),
        (datetime(2024, 10, 14, 17, tzinfo=UTC), {"zhao": "zhao"}),
    ):
        assert policy.deciding(["zhao"], day) == found


@pytest.mark.parametrize(
    ("before", "after", "code", "line"),
    [
        ("policy:", "policy:\n  - [", "policy-text", 4),
        ("within: 24 hours", "within: 1 day", "policy-value", 11),
        ("discount: 20 %", "discount: 120 %", "policy-value", 13),
        ("approvers: [qian]", "approvers: [qi an]", "policy-value", 17),
        ("approvers: [qian]", "approvers: []", "policy-value", 17),
        ("approvers: [qian]", "aprovers: [qian]", "policy-key", 17),
        ("amount: \"5,000,000\"", "", "policy-when-empty", 19),
        ("step: pricing", "step: lead", "policy-step-twice", 9),
        ("approvers: [qian]", "approvers: [zhao]", "policy-stuck", 15),
        ("2 working days}", "2 working days, when: [{discount: 1 %}]}", "policy-gap", 7),
        ("{approver: zhao", "{approver: chao", "policy-delegation-of-nobody", 21),
        ("substitute: wu", "substitute: zhao", "policy-delegation-empty", 21),
        ("to: 2024-10-15", "to: 2024-10-08", "policy-delegation-empty", 21),
    ],
)  # fmt: skip
def test_a_wrong_policy_is_refused_at_its_line(
    before: str, after: str, code: str, line: int
) -> None:
    assert before in POLICY
    with pytest.raises(Refused) as refused:
        read_policy(POLICY.replace(before, after, 1), "policy.yaml")
    found = {(problem.code, problem.place.row) for problem in refused.value.problems}
    assert (code, line) in found, found
    for problem in refused.value.problems:
        assert all(problem.words(part, lang) for part in ("what", "why", "fix")
                   for lang in ("en", "zh-CN"))  # fmt: skip


def test_the_steps_are_said_in_both_languages() -> None:
    policy = read_policy(POLICY, "policy.yaml").text
    en, zh = in_words(policy, "en"), in_words(policy, "zh-CN")
    assert en[2].title == "General manager" and zh[2].title == "总经理"
    assert en[1].when == (
        "a discount of 20 % or more; or a discount or coupon and an amount of 1,000,000.00 CNY"
        " or more and the product GPU Cluster"
    )
    assert zh[1].within == "24 小时" and zh[0].approvers == "lin或任一运营人员"
