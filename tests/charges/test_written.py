"""Dates and numbers as files write them: read by all values together, or refused."""

from __future__ import annotations

from datetime import datetime, timedelta

import pyarrow as pa
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from fenrun.base.problem import Refused
from fenrun.charges.coded import coded
from fenrun.charges.written_moments import moments_of, read_moments
from fenrun.charges.written_numbers import Written, decimal_mark, read_as

SECOND = datetime(2024, 9, 2)
ALONE = {
    "2024-09-02": SECOND,
    "2024-9-2": SECOND,
    "2024/9/2": SECOND,
    "2024.09.02": SECOND,
    "20240902": SECOND,
    "2024年9月2日": SECOND,
    "2024/9/2 0:00": SECOND,
    "2024-09-02 00:00:00": SECOND,
    "2024-09-02T00:00:00.000Z": SECOND,
    "2024-09-02T00:00:00z": SECOND,
    "2024-09-02 00:00:00 UTC": SECOND,
    "2024-09-02 00:00:00 GMT": SECOND,
    "2024-09-02 UTC": SECOND,
    "2024-09-02T08:00:00+08:00": SECOND,
    "2024-09-02T08:00:00+0800": SECOND,
    "2024-09-01 19:00:00 -05": SECOND,
    "2024/09/02 08:00:00 GMT+08:00": SECOND,
    "2024-09-02 08:00 UTC+8": SECOND,
    "2024-09-01 18:30:00-530": SECOND,
    "2024-09-02 12:00:00 AM": SECOND,
    "2024/9/2 下午 1:30:00": datetime(2024, 9, 2, 13, 30),
    "2024-09-02 12:15 pm": datetime(2024, 9, 2, 12, 15),
    "2024-09-02T00:00:00.123456789Z": datetime(2024, 9, 2, 0, 0, 0, 123456),
    "2024-09-01T24:00:00Z": SECOND,
    "2024-09-01 24:00": SECOND,
    "02-Sep-2024": SECOND,
    "2 September 2024": SECOND,
    "Sep 2, 2024": SECOND,
    "Sept. 2, 2024": SECOND,
    "2/2/2024": datetime(2024, 2, 2),
    "9/13/2024": datetime(2024, 9, 13),
    "13.9.2024": datetime(2024, 9, 13),
    "9/30/24 11:59 PM": datetime(2024, 9, 30, 23, 59),
}
NO_DATES = (
    *("soon", "", "1725235200000", "1725235200", "45537", "1.0", "TRUE", "2024-13-01"),
    *(
        "2024-02-30",
        "2024-09-02 25:00",
        "2024-09-01 24:00:01",
        "2024-09-02 00:00 CST",
        "2024-09-02 10:00 PDT",
    ),
    *("2024-09-02T00:00:00[Asia/Shanghai]", "2024-09-02 13:00 PM", "2024-09-02T00:00:60Z"),
    *("2024-09-02T00:00:00+08:99", "31/31/2024", "0/0/0000", "99/99/99", "Foo 2, 2024", "2024"),
    *("2024-09", "infinity", "0044-03-15 (BC)", "10000-01-01", "2024-09/02", "9/2"),
)
TOGETHER = (
    (["9/2/24", "9/13/24"], datetime(2024, 9, 2)),
    (["2/9/24", "13/9/24", "1/10/24"], datetime(2024, 9, 2)),
    (["9/2/2024", "9/30/2024"], datetime(2024, 9, 2)),
    (["2.9.2024", "30.9.2024"], datetime(2024, 9, 2)),
    (["2-9-24", "30-9-24", "1-10-24"], datetime(2024, 9, 2)),
    (["24-09-02", "24-09-30"], datetime(2024, 9, 2)),
    (["9/2/2024 0:00", "2024-09-01", "12/31/9999"], datetime(2024, 9, 2)),
    (["9/2/2024", "9/13/2024", "0/0/0000"], datetime(2024, 9, 2)),
)
UNCLEAR = (
    (["9/2/24"], "date-order-unclear"),
    (["9/1/24", "10/1/24", "9/2/24", "9/3/24"], "date-order-unclear"),
    (["9/2/2024 0:00"], "date-order-unclear"),
    (["24-09-02", "24-09-03"], "date-order-unclear"),
    (["1/2/2024", "2/2/2024"], "date-order-unclear"),
    (["9/13/2024", "13/9/2024"], "date-orders-differ"),
    (["9/13/24", "1/9/24", "14/9/24"], "date-orders-differ"),
)


@pytest.mark.parametrize("text", ALONE)
def test_a_date_that_says_all_by_itself(text: str) -> None:
    assert read_moments({"c": [text]}, "f")["c"].moments == [ALONE[text]]


@pytest.mark.parametrize("text", NO_DATES)
def test_what_is_no_date_is_none(text: str) -> None:
    read = read_moments({"c": [text, "9/13/2024"]}, "f")["c"]
    assert read.moments == [None, datetime(2024, 9, 13)]


@pytest.mark.parametrize(("texts", "first"), TOGETHER)
def test_dates_of_a_file_say_their_order_together(texts: list[str], first: datetime) -> None:
    columns = {f"c{n}": [text] for n, text in enumerate(texts)}
    assert read_moments({"c": texts}, "f")["c"].moments[0] == first
    assert read_moments(columns, "f")["c0"].moments == [first]


@pytest.mark.parametrize(("texts", "code"), UNCLEAR)
def test_dates_that_do_not_say_their_order_are_refused(texts: list[str], code: str) -> None:
    with pytest.raises(Refused) as refusal:
        read_moments({"c": texts}, "f")
    assert [problem.code for problem in refusal.value.problems] == [code]


@pytest.mark.parametrize("form", ["%d/%m/%Y", "%m/%d/%Y", "%d.%m.%y", "%m/%d/%y", "%d-%m-%y %H:%M"])
@given(days=st.sets(st.integers(0, 700), min_size=1, max_size=40))
def test_no_date_is_ever_read_wrong(form: str, days: set[int]) -> None:
    """Whatever order a file has: all dates are right, or none is read."""
    moments = [datetime(2023, 6, 1) + timedelta(days=day) for day in sorted(days)]
    try:
        read = read_moments({"c": [f"{moment:{form}}" for moment in moments]}, "f")["c"]
    except Refused:
        assert not any(moment.day > 12 for moment in moments) or "%y" in form
        return
    assert read.moments == moments


BILLED = ("BillingPeriodStart", "BillingPeriodEnd")
CHARGED = ("ChargePeriodStart", "ChargePeriodEnd")
BOTH = (*BILLED, *CHARGED)
MONTH = ("01/09/2024", "01/10/2024")
PERIODS = (
    # The columns, their rows, and a code or the first moment that is read.
    (BILLED, [("09/01/2024", "10/01/2024")], datetime(2024, 9, 1)),
    (BILLED, [MONTH], datetime(2024, 9, 1)),
    (BILLED, [("12/01/2024", "01/01/2025")], datetime(2024, 12, 1)),
    (BILLED, [("01-12-24", "01-01-25")], datetime(2024, 12, 1)),
    (BILLED, [("9/1/24 0:00", "10/1/24 0:00")], datetime(2024, 9, 1)),
    (BILLED, [("09/01/2024", "09/30/2024")], datetime(2024, 9, 1)),
    (BOTH, [(*MONTH, "02/09/2024", "03/09/2024")], datetime(2024, 9, 1)),
    (BOTH, [(*MONTH, "13/09/2024", "14/09/2024")], datetime(2024, 9, 1)),
    (BOTH, [("2024-09-01", "2024-10-01", "13/09/2024", "14/09/2024")], datetime(2024, 9, 1)),
    (BOTH, [(*MONTH, "13/05/2024", "14/05/2024")], datetime(2024, 9, 1)),  # a late one of May
    (BOTH, [(*MONTH, "01/09/2024", "01/09/2027")], datetime(2024, 9, 1)),  # for three years
    (CHARGED, [("09/12/2024", "10/12/2024"), ("31/12/2024", "01/01/2025")], datetime(2024, 12, 9)),
    (BILLED, [("09/01/2024", "09/01/2024")], "date-order-unclear"),
    (BILLED, [MONTH, ("09/01/2024", "10/01/2024")], "date-order-unclear"),
    (CHARGED, [("09/02/2024", "09/03/2024")], "date-order-unclear"),
    (CHARGED, [("03/10/2024", "02/09/2024")], "date-order-unclear"),  # one goes back in each
    ((BILLED[0], CHARGED[0]), [("09/01/2024", "02/09/2024")], "date-order-unclear"),
    ((BILLED[0], CHARGED[0]), [("09/01/2024", "13/09/2024")], "date-orders-differ"),
    ((BILLED[0], CHARGED[0]), [("13/09/2024", "09/01/2024")], "date-orders-differ"),
    ((BILLED[0], CHARGED[0]), [("09/01/24", "30/09/24"), ("09/01/24", "13/09/24")],
     "date-orders-differ"),
    (BOTH, [("09/01/2024", "10/01/2024", "13/09/2024", "14/09/2024")], "date-orders-differ"),
    (BOTH, [(*MONTH, "09/13/2024", "09/14/2024")], "date-orders-differ"),
    (BOTH, [("01/09/2024", "30/09/2024", "09/02/2024", "09/03/2024")], "date-orders-differ"),
    (BOTH, [("2024-09-01", "2024-10-01", "09/12/2024", "13/09/2024")], "date-orders-differ"),
    (BOTH, [("01.09.2024", "30.09.2024", "9.10.2024", "9.11.2024")], "date-orders-differ"),
)  # fmt: skip


@pytest.mark.parametrize(("names", "rows", "found"), PERIODS)
def test_columns_of_one_file_agree_on_one_order(
    names: tuple[str, ...], rows: list[tuple[str, ...]], found: datetime | str
) -> None:
    """13 September beside 09/01/2024 is not of a month of January: nobody guesses which."""
    columns = {n: coded(pa.chunked_array([list(texts)])) for n, texts in zip(names, zip(*rows))}
    if isinstance(found, str):
        with pytest.raises(Refused) as refusal:
            moments_of(columns, "f")
        assert [problem.code for problem in refusal.value.problems] == [found]
        return
    moments, said = moments_of(columns, "f")
    assert moments[names[0]].array[0].as_py() == found
    is_open = "30" not in "".join(rows[0]) and "13" not in "".join(rows[0] + rows[-1])
    is_open &= "31" not in "".join(rows[-1])
    assert [problem.code for problem in said] == ["date-order-by-periods"] * is_open


POINT, COMMA = ".", ","
MARKS = (
    *((["1.5"], POINT), (["1,5"], COMMA), (["0,895"], COMMA), (["0.895", "1,000"], POINT)),
    *((["1.234,56"], COMMA), (["1,234.56"], POINT), (["1,234,567"], POINT)),
    *((["1.234.567"], COMMA), (["1234,567"], COMMA), (["1,234", "0.5"], POINT)),
    *((["1.234", "0,5"], COMMA), (["1 234,5"], COMMA), (["1'234.50"], POINT)),
    *((["1 234,567"], COMMA), (["-1.234,5"], COMMA), (["+1,234.5"], POINT), ([",5"], COMMA)),
    *((["1.234"], POINT), (["12"], POINT), (["abc", "1,5"], COMMA), (["1e5"], POINT)),
    *((["100,00", "1.000"], COMMA), (["1\u202f234,5"], COMMA), (["1,2345"], COMMA)),
)


@pytest.mark.parametrize(("texts", "mark"), MARKS)
def test_numbers_say_their_mark_together(texts: list[str], mark: str) -> None:
    numbers = [Written(text, 2, "c") for text in texts]
    assert decimal_mark(numbers, "f", is_comma_likely=False) == mark


@pytest.mark.parametrize(
    ("texts", "is_comma_likely", "code"),
    [
        (["1,234"], False, "decimal-mark-unclear"),
        (["12,345", "999,000"], False, "decimal-mark-unclear"),
        (["1,234", "5.678"], False, "decimal-mark-unclear"),
        (["1.234"], True, "decimal-mark-unclear"),
        (["1,5", "1.5"], False, "decimal-marks-differ"),
        (["1.234,5", "1,234.5"], True, "decimal-marks-differ"),
        (["0,895", "0.895"], False, "decimal-marks-differ"),
    ],
)
def test_numbers_that_do_not_say_it_are_refused(
    texts: list[str], is_comma_likely: bool, code: str
) -> None:
    with pytest.raises(Refused) as refusal:
        decimal_mark([Written(text, 2, "c") for text in texts], "f", is_comma_likely)
    assert [problem.code for problem in refusal.value.problems] == [code]


@given(
    cents=st.lists(st.integers(-(10**9), 10**9), min_size=1, max_size=20),
    is_comma=st.booleans(),
    is_grouped=st.booleans(),
    places=st.sampled_from([2, 3]),
)
def test_no_number_is_ever_read_wrong(
    cents: list[int], is_comma: bool, is_grouped: bool, places: int
) -> None:
    """Whatever mark a file has: all numbers are right, or none is read."""
    plain = [f"{cent / 10**places:.{places}f}" for cent in cents]
    texts = [f"{float(text):,.{places}f}" if is_grouped else text for text in plain]
    swapped = str.maketrans(",.", ".,")
    numbers = [Written(t.translate(swapped) if is_comma else t, 2, "c") for t in texts]
    try:
        mark = decimal_mark(numbers, "f", is_comma_likely=is_comma)
    except Refused:
        assume(places == 2)
        raise
    assert [read_as(number, mark) for number in numbers] == plain
