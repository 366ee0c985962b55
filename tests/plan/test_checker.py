"""Each rule of the checker: a plan that trips it, and a near miss that does not."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import pytest

from fenrun.base.problem import Problem, Refused
from fenrun.plan.check.findings import examine
from fenrun.plan.check.payoff import payoffs
from fenrun.plan.check.proving import verdicts
from fenrun.plan.read import load_plan, read_plan
from fenrun.plan.vocabulary import TIERS
from fenrun.whatif.cases import run_cases

PROGRAMMES = Path(__file__).parents[2] / "programmes"
OFFERINGS = PROGRAMMES.parent / "offerings"
PLAN = """
plan: tried
title: Tried
source: Terms
published: 2023-12-01
effective: {{from: 2024-01-01, to: 2025-01-01}}
currency: CNY
timezone: UTC
basis: billed
credit:
  first match: {credit}
exclude: {exclude}
tables:
  rates: {rates}
{tables}
earn:
  sum: {earn}
"""
BASIC = {
    "credit": "[{id: all, mode: single, roles: [partner]}]",
    "exclude": "[]",
    "tables": "",
    "rates": "[{from: 2024-01-01, source: Terms, kind: all units, bands: [from 0 pays 5 %]}]",
    "earn": (
        "[{id: reward, pays: partner, per: month, each: order, on: amount, by: amount, "
        "table: rates}]"
    ),
}


def _found(**parts: str) -> list[Problem]:
    return examine(read_plan(PLAN.format(**BASIC | parts), "tried.yaml").plan, "tried.yaml")[0]


def _rates(*bands: str, kind: str = "all units", start: str = "2024-01-01", more: str = "") -> str:
    return f"[{{from: {start}, source: Terms, kind: {kind}, bands: [{', '.join(bands)}]{more}}}]"


MONTHLY = "[{id: reward, pays: partner, per: month, on: amount, by: amount, table: rates}]"
TWO = (
    "[{{from: 2024-01-01, source: Terms, kind: all units, bands: [from 0 pays 5 %]}}, "
    "{{from: 2024-07-01, source: Letter, kind: all units, bands: [from 0 pays {rate}]{more}}}]"
)
PAIR = (
    "[{{id: g, {kind}: [{{id: one, pays: partner, of: {one}, per: month, on: amount, "
    "by: amount, table: rates}},"
    " {{id: two, pays: partner, of: {two}, per: month, on: amount, by: amount, table: rates}}]}}]"
)

RULES = [
    (
        "more-pays-less",
        {"rates": _rates("from 0 below 1000 pays 5 %", "from 1000 pays 4 %")},
        {"rates": _rates("from 0 below 1000 pays 5 %", "from 1000 pays 4 %", kind="marginal")},
    ),
    (
        "splitting-pays",
        {"rates": _rates("from 0 below 1000 pays 5 %", "from 1000 pays 4 %")},
        {"rates": _rates("from 0 below 1000 pays 4 %", "from 1000 pays 5 %")},
    ),
    (
        "merging-pays",
        {"rates": _rates("from 0 below 1000 pays 4 %", "from 1000 pays 5 %"), "earn": MONTHLY},
        {"earn": MONTHLY},
    ),
    (
        "timing-pays",
        {"rates": _rates("below 1000 pays 0", "from 1000 pays 500"), "earn": MONTHLY},
        {"rates": _rates("from 0 pays 5 %", kind="marginal"), "earn": MONTHLY},
    ),
    (
        "transfer-pays",
        {"exclude": "[{id: north, when: region = 'north'}]"},
        {"exclude": "[{id: cdn, when: ServiceName = 'CDN'}]"},
    ),
    (
        "clause-unreachable",
        {
            "credit": (
                "[{id: one, when: class != 'C', mode: single, roles: [partner]}, {id: two, "
                "when: class = 'D' and region = 'east', mode: single, roles: [rep]}]"
            )
        },
        {
            "credit": (
                "[{id: one, when: class != 'C', mode: single, roles: [partner]}, {id: two, "
                "when: class = 'C' and region = 'east', mode: single, roles: [rep]}]"
            )
        },
    ),
    (
        "clause-never",
        {"exclude": "[{id: none, when: class = 'C' and class = 'D'}]"},
        {"exclude": "[{id: some, when: class = 'C' or class = 'D'}]"},
    ),
    (
        "clause-never",
        {"exclude": "[{id: none, when: BilledCost > 100 and BilledCost < 50}]"},
        {"exclude": "[{id: some, when: BilledCost > 50 and BilledCost < 100}]"},
    ),
    (
        "clause-never",
        {
            "credit": (
                "[{id: all, while: day within 30 days of association and day >= 2024-05-01 "
                "and association < 2024-03-01, mode: single, roles: [partner]}]"
            )
        },
        {
            "credit": (
                "[{id: all, while: day within 30 days of association and day >= 2024-05-01 "
                "and association < 2024-04-30, mode: single, roles: [partner]}]"
            )
        },
    ),
    (
        "clauses-conflict",
        {"earn": PAIR.format(kind="exclusive", one="BilledCost < 0", two="class = 'C'")},
        {"earn": PAIR.format(kind="exclusive", one="BilledCost < 0", two="BilledCost >= 0")},
    ),
    (
        "clauses-conflict",
        {"earn": PAIR.format(kind="exclusive", one="class = 'C'", two="region = 'east'")},
        {"earn": PAIR.format(kind="first match", one="class = 'C'", two="region = 'east'")},
    ),
    (
        "clause-unreachable",
        {
            "earn": PAIR.format(
                kind="first match", one="class = 'C'", two="class = 'C' and region = 'east'"
            )
        },
        {
            "earn": PAIR.format(
                kind="first match", one="class = 'C' and region = 'east'", two="class = 'C'"
            )
        },
    ),
    ("table-unused", {"tables": "  spare: " + _rates("pays 5 %")}, {}),
    (
        "version-late",
        {"rates": _rates("pays 5 %", start="2024-02-01")},
        {"rates": _rates("pays 5 %", start="2023-12-01")},
    ),
    (
        "version-never",
        {"rates": TWO.format(rate="6 %", more="").replace("2024-07-01", "2025-01-01")},
        {"rates": TWO.format(rate="6 %", more="").replace("2024-07-01", "2024-12-01")},
    ),
    (
        "published-late",
        {"rates": TWO.format(rate="6 %", more=", published: 2024-09-01")},
        {"rates": TWO.format(rate="6 %", more=", published: 2024-07-01")},
    ),
    (
        "source-missing",
        {"exclude": "[{id: cdn, when: ServiceName = 'CDN', source: ' '}]"},
        {"exclude": "[{id: cdn, when: ServiceName = 'CDN', source: Letter}]"},
    ),
    (
        "version-lowers",
        {"rates": TWO.format(rate="4 %", more="")},
        {"rates": TWO.format(rate="4 %", more=", lowers: letter of June")},
    ),
    (
        "version-lowers",
        {"rates": TWO.format(rate="4.99 %", more="")},
        {"rates": TWO.format(rate="5 %", more="")},
    ),
]


@pytest.mark.parametrize(
    ("code", "trips", "passes"), RULES, ids=[f"{code}-{n}" for n, (code, _, _) in enumerate(RULES)]
)
def test_rule(code: str, trips: dict[str, str], passes: dict[str, str]) -> None:
    found = [p for p in _found(**trips) if p.code == code]
    assert found and all(p.place.row for p in found)
    assert code not in {p.code for p in _found(**passes)}


def test_what_is_found_is_said_in_the_plan_s_own_currency() -> None:
    for code, trips, _ in RULES:
        text = PLAN.format(**BASIC | trips).replace("CNY", "JPY")
        found = [p for p in examine(read_plan(text, "tried.yaml").plan, "tried.yaml")[0]]
        assert code in {problem.code for problem in found}
        for problem in found:
            said = str(problem.as_json("en")) + str(problem.as_json("zh-CN"))
            assert "CNY" not in said and "元" not in said, (code, said)
            has_money = problem.code in ("splitting-pays", "merging-pays", "timing-pays")
            assert "JPY" in said or not has_money, (code, said)


MENDS = {
    "band-gap": (
        _rates("up to 1000 pays 4 %", "from 2000 pays 5 %"),
        _rates("up to 1000 pays 4 %", "above 1000 pays 5 %"),
    ),
    "band-overlap": (
        _rates("up to 1000 pays 4 %", "from 1000 pays 5 %"),
        _rates("below 1000 pays 4 %", "from 1000 pays 5 %"),
    ),
}
"""Tables that are wrong, and the same as the fix of their problem advises."""


@pytest.mark.parametrize("code", MENDS)
def test_what_a_fix_advises_is_taken(code: str) -> None:
    wrong, mended = MENDS[code]
    try:
        problems: Sequence[Problem] = _found(rates=wrong, earn=MONTHLY)
    except Refused as refusal:
        problems = refusal.problems
    assert code in {problem.code for problem in problems}
    assert all(problem.severity != "error" for problem in _found(rates=mended, earn=MONTHLY))


def test_bases_may_not_be_mixed_without_a_word() -> None:
    mixed = PLAN.format(
        **BASIC
        | {
            "earn": (
                "[{id: one, pays: partner, per: month, on: amount, by: amount, table: rates}, "
                "{id: two, basis: effective, pays: partner, per: month, on: amount, "
                "by: amount, table: rates}]"
            )
        }
    )
    with pytest.raises(Refused) as refused:
        read_plan(mixed, "mixed.yaml")
    assert [p.code for p in refused.value.problems] == ["bases-mixed"] and len(
        refused.value.problems[0].also
    ) == 1
    assert read_plan(mixed + "mixed bases: commitments count by use\n", "mixed.yaml")


def test_the_published_fault_of_the_falling_reward() -> None:
    """P3d: exactly 3,000 belongs to nobody as published.

    Once it does, splitting pays, and the checker says by how much.
    """
    text = (PROGRAMMES / "p03d-ambassador-falling.yaml").read_text("utf-8")
    with pytest.raises(Refused) as refused:
        read_plan(text.replace("from 3000 pays 40 %", "above 3000 pays 40 %"), "p03d.yaml")
    (gap,) = refused.value.problems
    assert (
        gap.code == "band-gap"
        and gap.values["value"] == "3,000.00"
        and len({gap.place.row, *(p.row for p in gap.also)}) >= 1
    )
    found, proofs = examine(load_plan(PROGRAMMES / "p03d-ambassador-falling.yaml").plan, "p03d")
    (split,) = [p for p in found if p.code == "splitting-pays"]
    assert split.values["how"] == "2 x 500.00" and split.values["more"] == "50.00"
    assert split.values["most"] == "4 x 750.00 / 3,000.00: +300.00"
    assert {(p.question, p.proven) for p in proofs} == {
        ("split", False),
        ("merge", True),
        ("timing", False),  # an order billed in two months makes two lines
        ("transfer", True),
    }


def test_the_published_fault_of_bands_that_gap_and_overlap() -> None:
    """P3e: [0,2), [3,29), [20,79), 80+ is refused, with the places of gap and overlap."""
    bands = "\n".join(
        f"        - {b}"
        for b in (
            "from 0 below 2 pays 1",
            "from 3 below 29 pays 2",
            "from 20 below 79 pays 3",
            "from 80 pays 4",
        )
    )
    with pytest.raises(Refused) as refused:
        read_plan(
            PLAN.format(
                **BASIC
                | {
                    "rates": (
                        f"\n    - from: 2024-01-01\n      source: Terms\n"
                        f"      kind: all units\n      bands:\n{bands}"
                    )
                }
            ),
            "p03e.yaml",
        )
    problems = refused.value.problems
    assert [p.code for p in problems] == ["band-gap", "band-overlap", "band-gap"]
    assert all(len({p.place.row, p.also[0].row}) == 2 for p in problems)


def test_the_published_fault_of_fees_that_fall() -> None:
    """P10: more business pays less at 1 m and at 10 m."""
    found, _ = examine(load_plan(PROGRAMMES / "p10-falling-fees.yaml").plan, "p10")
    assert [
        (p.values["at"], p.values["before"], p.values["after"])
        for p in found
        if p.code == "more-pays-less"
    ] == [("1,000,000.00", "30,000.00", "20,000.00"), ("10,000,000.00", "200,000.00", "150,000.00")]


@pytest.mark.in_turn(4)
@pytest.mark.parametrize(
    "path",
    [*sorted(PROGRAMMES.glob("*.yaml")), *sorted(OFFERINGS.glob("*.yaml"))],
    ids=lambda p: p.stem,
)
def test_programmes_have_no_errors_and_every_refutation_holds(path: Path) -> None:
    """An example that refutes is one by the numbers, too."""
    file = load_plan(path)
    assert not [p for p in examine(file.plan, path.name)[0] if p.severity == "error"]
    for payoff in payoffs(file.plan):
        for verdict in verdicts(payoff):
            example, worlds = verdict.example, verdict.world
            assert (verdict.proven is False) == bool(example) == (worlds is not None)
            assert (verdict.proven is None) == (verdict.why is not None)
            if worlds:
                before, after = (
                    sum(payoff.earned(history, worlds.facts) for history in world)
                    for world in (worlds.before, worlds.after)
                )
                assert after - before == example["more"] == worlds.more > 0


def test_the_payoff_is_what_the_engine_pays() -> None:
    """The function that proofs are about, against the engine, at and beside every bound."""
    bands = ("from 0 below 1000 pays 50 %", "from 1000 below 3000 pays 45 %", "from 3000 pays 40 %")
    points = ("at 0 pays 50 %", "at 1000 pays 45 %", "at 3000 pays 40 %")
    for kind in TIERS:
        parts = BASIC | {
            "rates": _rates(*(points if TIERS[kind].points else bands), kind=kind),
            "earn": (
                "[{id: reward, pays: partner, per: month, each: order, up to: 50000, "
                "on: amount, by: amount, portion: 70 %, cap: 13000, table: rates}]"
            ),
        }
        file = read_plan(PLAN.format(**parts), "tried.yaml")
        (payoff,) = payoffs(file.plan)
        amounts = [
            Fraction(a, 100)
            for b in (0, 1000, 3000, 30000, 50000, 60000)
            for a in (b * 100 - 1, b * 100, b * 100 + 1)
            if a > 0
        ]
        case = [
            "cases:",
            "  - case: at-the-bounds",
            "    given:",
            "      links: [{of: customer, subject: K1, role: partner, party: P1}]",
            "      charges:",
        ]
        case += [
            "        - {customer: K1, day: 2024-01-05,"
            f" billed: {a.numerator / a.denominator:.2f}, x_OrderId: SO-{n}}}"
            for n, a in enumerate(amounts)
        ]
        cents = sum(
            (Fraction(int(payoff.at(a) * 100 + Fraction(1, 2)), 100) for a in amounts), Fraction(0)
        )
        case += [
            "    expect: [{payee: P1, period: 2024-01,"
            f" earned: {cents.numerator / cents.denominator:.2f}}}]"
        ]
        outcomes, problems = run_cases(
            read_plan(PLAN.format(**parts) + "\n".join(case), "tried.yaml")
        )
        assert outcomes and not problems, [p.words("what") for p in problems]
