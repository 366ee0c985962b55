"""What is closed is of one moment, and is read as it was recorded."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest

from fenrun.base.problem import Refused
from fenrun.base.when import parse_period
from fenrun.closing import close as closing
from fenrun.closing import differences, sign_off
from fenrun.closing import recompute as again
from fenrun.closing.close import closes, settle_period
from fenrun.closing.recompute import recompute
from fenrun.settle import runs
from fenrun.settle.detail import Detail
from fenrun.settle.explain import explain
from fenrun.settle.facts import Facts
from fenrun.statement.rows import statement_of
from fenrun.statement.sentences import in_words
from tests.closing.test_closing import Year

JANUARY, FEBRUARY = parse_period("2024-01"), parse_period("2024-02")
STAGES = ("settle_for_good", "due", "signed_off_rows", "salted_leaves", "root_of")
"""What a close does one after the other, before it is logged."""


@pytest.fixture
def year(tmp_path: Path) -> Year:
    """A workspace in which January can be closed: 900 at 10 %."""
    found = Year(tmp_path)
    found.charge("2024-02-02", "january.csv", "A1 900 2024-01-10 2024-01")
    return found


def _before(work: Callable[..., Any], also: Callable[[], None]) -> Callable[..., Any]:
    """Return work before which something else is done, once."""
    done: list[bool] = []

    def both(*given: Any, **named: Any) -> Any:
        if not done:
            done.append(True)
            also()
        return work(*given, **named)

    return both


@pytest.mark.in_turn(4)
@pytest.mark.parametrize("stage", STAGES)
def test_facts_that_come_during_a_close_stop_it(year: Year, stage: str) -> None:
    """Of the same moment: they would be closed and not settled. Afterwards it closes with them."""

    def import_more() -> None:
        year.charge("2024-02-03", "more.csv", "A1 100 2024-01-11 2024-01")

    with (
        patch.object(closing, stage, _before(getattr(closing, stage), import_more)),
        pytest.raises(Refused) as refused,
    ):
        year.close("2024-01", "2024-02-03")
    (problem,) = refused.value.problems
    assert problem.code == "close-facts-meanwhile" and problem.values["sources"] == "more.csv"
    assert not closes(year.store)
    year.close("2024-01", "2024-02-03")
    assert _paid(year) == 200, "1,000 at 20 %"


@pytest.mark.in_turn(4)
@pytest.mark.parametrize("stage", STAGES)
def test_facts_of_a_later_moment_do_not(year: Year, stage: str) -> None:
    def import_more() -> None:
        year.charge("2024-02-04", "more.csv", "A1 100 2024-01-11 2024-01")

    with patch.object(closing, stage, _before(getattr(closing, stage), import_more)):
        year.close("2024-01", "2024-02-03")
    assert _paid(year) == 90
    year.charge("2024-03-01", "february.csv", "A2 1 2024-02-10 2024-02")
    assert year.posted("2024-02") == [("P1", "late charge", Decimal(110))]


def test_what_is_closed_is_not_settled_again(year: Year) -> None:
    year.close("2024-01", "2024-02-03")
    with (
        patch.object(runs, "ENGINE_VERSION", "another"),
        patch.object(Facts, "settle", side_effect=AssertionError("settled again")),
    ):
        assert _paid(year) == 90
    (event,) = year.store.log.events("closes")
    closed = year.store.find("closes", event.subject)
    assert closed and closed.facts["engine"] == runs.ENGINE_VERSION, "the version is recorded"


def test_a_closed_line_is_explained_as_it_was_recorded(year: Year) -> None:
    """By another version, which would credit a cent more: the customers are those recorded, and
    single charges, which would not sum to them, are not listed.
    """
    line = "small/reward/2024-01/P1"
    open_ = explain(settle_period(year.store, JANUARY, upto=datetime(2024, 2, 3)).run, line)
    assert (len(open_["charges"]), open_["charges_differ"]) == (1, False)
    year.close("2024-01", "2024-02-03")
    closed = explain(settle_period(year.store, JANUARY).run, line)
    assert {**closed, "as_of": None} == {**open_, "as_of": None}
    derived = Detail.customers

    def a_cent_more(*asked: Any) -> list[dict[str, Any]]:
        return [{**row, "credited": row["credited"] + 1} for row in derived(*asked)]

    with patch.object(Detail, "customers", a_cent_more):
        run = settle_period(year.store, JANUARY).run
        by_another = explain(run, line)
        assert explain(run, line, 0) == {**closed, "charges": [], "credit_clauses": {}}
    differing = {"charges": [], "credit_clauses": {}, "charges_differ": True}
    assert by_another == {**closed, **differing}
    assert "not listed" in " ".join(in_words(by_another, "en"))


def test_another_version_of_fenrun_pays_no_differences(year: Year) -> None:
    """It would pay a cent more of everything: 100 more at 20 % are 110.00 more, and no cent."""
    year.close("2024-01", "2024-02-03")
    year.charge("2024-03-01", "february.csv", "A2 1 2024-02-10 2024-02")
    year.charge("2024-03-02", "more.csv", "A1 100 2024-01-11 2024-01")
    amounts, cent = differences.amounts, Decimal("0.01")

    def a_cent_more(run: Any) -> differences.Amounts:
        return {key: (amount + cent, currency) for key, (amount, currency) in amounts(run).items()}

    recorded = closing.recorded_amounts

    def as_recorded(closed: Any) -> differences.Amounts:
        with patch.object(differences, "amounts", amounts):
            return recorded(closed)

    with (
        patch.object(differences, "amounts", a_cent_more),
        patch.object(closing, "recorded_amounts", as_recorded),
    ):
        booked = settle_period(year.store, FEBRUARY, upto=datetime(2024, 3, 2)).run.booked
    paid = [d for d in booked if d.what == "paid"]
    assert [(d.before, d.after, d.amount) for d in paid] == [(90, 200, 110)]


def test_a_close_is_settled_from_the_facts_alone(year: Year) -> None:
    """What was shown before is compared: here it was edited, on the disk, by a cent."""
    shown = settle_period(year.store, JANUARY, upto=datetime(2024, 2, 3))
    write = runs._write

    def one_payment_less(run: Any, folder: Path) -> None:
        write(run, folder)
        run.engine.execute(
            f"COPY (FROM payments LIMIT 0) TO '{folder}/payments.parquet' (FORMAT parquet)"
        )

    kept = year.store.path / "runs" / shown.run_id
    one_payment_less(shown.run, kept)
    with pytest.raises(Refused) as refused:
        year.close("2024-01", "2024-02-03")
    (problem,) = refused.value.problems
    assert problem.code == "kept-differs" and "payments" in str(problem.values["tables"])


def test_a_closed_period_whose_run_is_gone_is_said_to_be(year: Year) -> None:
    year.close("2024-01", "2024-02-03")
    (done,) = closes(year.store)
    with (
        patch.object(closing, "closes", lambda store: [replace(done, run="0" * 12)]),
        pytest.raises(Refused) as refused,
    ):
        settle_period(year.store, JANUARY)
    assert [problem.code for problem in refused.value.problems] == ["stored-edited"]


def _paid(year: Year) -> Decimal:
    return statement_of(settle_period(year.store, JANUARY).run, "P1").total_paid


def test_the_first_close_leaves_nothing_open_behind_it_unsaid(year: Year) -> None:
    """December closed first locked out January to November for ever."""
    year.charge("2024-03-01", "february.csv", "A1 900 2024-02-10 2024-02")
    with pytest.raises(Refused) as refused:
        year.close("2024-02", "2024-03-02")
    (problem,) = refused.value.problems
    assert problem.code == "close-first" and problem.values["earliest"] == "2024-01"
    assert not closes(year.store)
    closing.close(year.store, FEBRUARY, datetime(2024, 3, 2), first=True)
    assert [done.period.key for done in closes(year.store)] == ["2024-02"]


def test_months_before_any_plan_need_not_be_closed(year: Year) -> None:
    """Imported for comparisons: no plan is in force in them."""
    year.charge("2024-02-02", "december.csv", "A1 900 2023-12-10 2023-12")
    year.close("2024-01", "2024-02-03")


def test_what_another_version_would_close_otherwise_is_said_and_changes_nothing(
    year: Year,
) -> None:
    year.close("2024-01", "2024-02-03")
    assert recompute(year.store) == []
    rows = sign_off.signed_off_rows

    def a_cent_less(run: Any) -> Any:
        found = rows(run)
        if not run.closed:  # settled now
            found["P1"]["payments"][0]["paid"] = "89.99"
        return found

    with patch.object(again, "signed_off_rows", a_cent_less):
        (problem,) = recompute(year.store)
    assert problem.code == "closed-otherwise" and problem.values["payees"] == "P1"
    assert _paid(year) == 90
