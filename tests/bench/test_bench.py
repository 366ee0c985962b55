"""The benchmark's counted work, held without a clock."""

from __future__ import annotations

from bench import guard, work


def test_no_job_takes_more_work_than_expected() -> None:
    """Statements, rows and bytes read of each job.

    What it takes in seconds is for `fenrun bench guard` to say.
    """
    wanted = work.expected()
    del wanted["month"]["ratio_to_floor"]
    found = guard.run(int(wanted["month"]["rows"]))
    assert not work.worse(found, wanted) and all(
        measures["rows_read"] for measures in found.values()
    )


def test_more_work_is_a_regression_and_so_is_a_measure_that_is_gone() -> None:
    wanted = {
        "month": {
            "rows": 10,
            "statements": 100,
            "rows_read": 1000,
            "bytes_read": 1000,
            "ratio_to_floor": 2.0,
        }
    }
    assert not work.worse(
        {
            "month": {
                "rows": 10,
                "statements": 102,
                "rows_read": 1100,
                "bytes_read": 1100,
                "ratio_to_floor": 3.0,
            }
        },
        wanted,
    )
    assert work.worse(
        {
            "month": {
                "rows": 10,
                "statements": 103,
                "rows_read": 1101,
                "bytes_read": 900,
                "ratio_to_floor": 3.1,
            }
        },
        wanted,
    ) == [
        "month: statements 103, expected 100",
        "month: rows_read 1101, expected 1000",
        "month: ratio_to_floor 3.1, expected 2.0",
    ]
    assert work.worse({}, {"month": {"statements": 1}}) == ["month: statements was not measured"]
