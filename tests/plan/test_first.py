"""A first plan checks clean and its cases come out, whatever is answered; a watched plan is checked
again.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from fenrun.base.problem import NOTE
from fenrun.cli import plan_
from fenrun.plan.check.findings import examine
from fenrun.plan.first import KINDS, PERIODS
from fenrun.plan.read import read_plan
from fenrun.whatif.cases import run_cases, unreadable_cases


def _new(*words: str, lang: str = "en", code: int = 0) -> str:
    done = CliRunner().invoke(plan_.command, ["new", *words], env={"FENRUN_LANG": lang})
    assert done.exit_code == code, done.output
    return done.output


ANSWERS = [
    ("rate", "month", "CNY", "5 %"),
    ("rate", "quarter", "JPY", "3.33 %"),
    ("steps", "quarter", "KWD", "2.5 %"),
    ("slices", "year", "USD", "1 %"),
    ("target", "quarter", "JPY", "12.5 %"),
    ("target", "month", "CNY", "5 %"),
    ("customers", "year", "CNY", "250"),
]


def test_every_kind_and_period_is_tried() -> None:
    assert {row[0] for row in ANSWERS} == set(KINDS)
    assert {row[1] for row in ANSWERS} == set(PERIODS)


@pytest.mark.parametrize(("kind", "per", "currency", "rate"), ANSWERS)
def test_a_first_plan_checks_clean(kind: str, per: str, currency: str, rate: str) -> None:
    words = ["--kind", kind, "--per", per, "--currency", currency, "--rate", rate]
    words += ["--title", "Ours: 'first'", "--threshold", "30001", "--year", "2027"]
    file = read_plan(_new(*words), "first.yaml")
    assert (file.plan.terms[0].currency, file.plan.components[0].per) == (currency, per)
    assert file.plan.terms[0].title_en == "Ours: 'first'"
    found, _ = examine(file.plan, file.source)
    assert {p.severity for p in [*found, *unreadable_cases(file)]} <= {NOTE}
    outcomes, problems = run_cases(file)
    assert outcomes and not problems and all(outcome.ok for outcome in outcomes)


def test_without_an_answer_it_is_as_proposed_in_either_language() -> None:
    """What is piped is asked nothing; the text itself is then all that is printed."""
    english, chinese = (read_plan(_new(lang=lang), "first.yaml") for lang in ("en", "zh-CN"))
    assert not examine(english.plan, "first.yaml")[0]
    titles = [english.plan.terms[0].title_en, chinese.plan.terms[0].title_zh]
    assert titles == ["First programme", "首个方案"]


def test_a_wrong_answer_is_said_and_nothing_is_written(tmp_path: Path) -> None:
    for words in (["--rate", "5"], ["--kind", "steps", "--threshold", "0"], ["--currency", "yuan"]):
        out = tmp_path / "plan.yaml"
        said = _new(*words, "--out", str(out), code=2)
        assert words[-2] in said and words[-1] in said and not out.exists()


def test_a_file_is_written_once(tmp_path: Path) -> None:
    out = tmp_path / "plan.yaml"
    _new("--out", str(out))
    before = out.read_text("utf-8")
    done = CliRunner().invoke(plan_.command, ["new", "--kind", "steps", "--out", str(out)])
    assert done.exception and out.read_text("utf-8") == before


def test_a_watched_plan_is_checked_again_when_it_is_saved(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "plan.yaml"
    path.write_text(_new(), "utf-8")
    pauses = iter([1, 2, 3])

    def pause(_: float) -> None:
        """Nothing happens, then the plan is broken, then whoever watches leaves."""
        number = next(pauses)
        if number == 2:
            path.write_text(path.read_text("utf-8").replace("pays 5 %", "pays five"), "utf-8")
        if number == 3:
            raise KeyboardInterrupt

    monkeypatch.setattr(plan_.time, "sleep", pause)
    done = CliRunner().invoke(plan_.command, ["check", "--watch", str(path)])
    assert done.exit_code == 1 and next(pauses, None) is None
    before, _, after = done.output.partition("no problems")
    assert "first-programme" in before and "plan-keys.md" in after
