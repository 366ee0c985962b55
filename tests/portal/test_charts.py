"""Charts: axes of round amounts, amounts in short in both languages, bars as high as they say."""

from __future__ import annotations

import re
from decimal import Decimal
from pathlib import Path
from unittest import mock

import pytest

from fenrun.portal.pages import charts
from tests.errors import gallery


@pytest.mark.parametrize(
    ("amount", "en", "zh"),
    [
        ("163800", "164 k", "16.4 万"),
        ("500000", "500 k", "50 万"),
        ("9829122.85", "9.83 m", "983 万"),
        ("1500000000", "1.5 bn", "15 亿"),
        ("9999", "9,999", "9,999"),
        ("-20.5", "−20.5", "−20.5"),
        ("0", "0", "0"),
    ],
)
def test_amounts_in_short(amount: str, en: str, zh: str) -> None:
    assert charts.short(Decimal(amount), "en") == en
    assert charts.short(Decimal(amount), "zh-CN") == zh


def test_narrow_bars_have_two_digits_and_name_the_year_of_months_once() -> None:
    amounts = {"53700": "54k", "9561": "9.6k", "1230000": "1.2m", "470": "470"}
    assert all(charts.short(Decimal(x), "en", True) == said for x, said in amounts.items())
    assert charts.short(Decimal("-25700"), "zh-CN", True) == "−2.6万"
    months = [(f"{23 + (m > 12)}-{(m - 1) % 12 + 1:02}", "11400") for m in range(9, 21)]
    with mock.patch.object(charts, "lang", lambda: "en"):
        many, few = (charts.draw_bars(charts.trend(of), "T", "CNY") for of in (months, months[:8]))
    below = re.compile(r'y="220"[^>]*>([^<]*)<')
    assert below.findall(many)[:6] == ["23-09", "10", "11", "12", "24-01", "02"]
    assert below.findall(few)[1] == "23-10" and ">11.4 k<" in few and ">11k<" in many
    assert "24-08: 11,400.00 CNY" in many, "on pointing at it the month and amount stand whole"


def test_an_axis_holds_all_bars_and_its_lines_are_round() -> None:
    chart = charts.trend([("24-01", "120"), ("24-02", "-30"), ("24-03", "0")], "24-01")
    assert [amount for _, amount in chart.ticks] == [-50, 0, 50, 100, 150]
    first, second, third = chart.bars
    assert [b.kind for b in chart.bars] == ["now", "fall", "bar"]
    assert (first.y, first.height) == (30, 120) and (second.y, second.height) == (150, 30)
    assert third.height == 1, "nothing is a line"


def test_a_waterfall_hangs_each_change_where_the_one_before_ended() -> None:
    chart = charts.waterfall(("a", "100"), [("K1", "50"), ("K2", "-30")], ("b", "120"))
    start, rise, fall, end = chart.bars
    assert rise.y + rise.height == start.y and fall.y == rise.y
    assert fall.y + fall.height == end.y and [b.kind for b in (rise, fall)] == ["rise", "fall"]
    assert not charts.trend([]).bars and charts.trend([]).ticks
    same = charts.waterfall(("a", "100.5"), [], ("b", "100.5"))
    assert same.ticks[0][1] == 0, "where nothing changes the axis is whole, and its lines differ"


def test_rows_of_changes_hang_where_the_one_before_ended_and_are_called_by_their_ids() -> None:
    """From 100 by +50 and -30 to 120; the axis begins a third of 50 below 100."""
    rows = charts.steps_between(("a", "100"), [("K1", "50"), ("K2", "-30")], ("b", "120"))
    ends = [
        (int(x), int(x) + int(width))
        for row in rows
        for x, width in re.findall(r'x="(\d+)" y="8" width="(\d+)"', row.bar)
    ]
    assert [row.kind for row in rows] == ["total", "rise", "fall", "total"]
    assert [row.label for row in rows] == ["a", "K1", "K2", "b"]
    assert ends == [(0, 250), (250, 1000), (550, 1000), (0, 550)]
    (start, end) = charts.steps_between(("a", "5"), [], ("b", "5"))
    assert 'x="0" y="8" width="1000"' in start.bar == end.bar, "where nothing changes all is drawn"


def test_a_picture_calls_customers_by_their_names_and_two_of_one_name_apart() -> None:
    rows = [
        {"customer": key, "name": name, "via": "order", "amount": "1", "of": "3"}
        for key, name in (("K1", "Lake"), ("K2", "Lake"), ("K3", "Kite"), ("K4", ""))
    ]
    body = {"elsewhere": rows, "credited": "9"}
    links = charts.of_customers(body, "You", "Others", str.upper)
    named = {source for source, target, _ in links if target == "ORDER"}
    assert named == {"Lake K1", "Lake K2", "Kite", "K4"}
    assert [(source, amount) for source, target, amount in links if target == "You"] == [
        *((name, 2) for name in ("Lake K1", "Lake K2", "Kite", "K4")),
        ("Others", 1),
    ]


def test_the_labels_of_the_curve_of_concentration_are_not_cut() -> None:
    """Left of the axis there is room for "80 %" in its size; a letter is some 0.6 of that wide."""
    room = Path(charts.__file__).parents[1]
    page = (room / "jinja2/period.html").read_text("utf-8")
    style = (room / "static/portal/portal.css").read_text("utf-8")
    size = re.search(r"text.axis { font-size: (\d+)px", style)
    left = re.search(r'viewBox="-(\d+) .*?<text x="-(\d+)" y="210"', page, re.S)
    assert size and left
    assert int(left[1]) - int(left[2]) >= len("80 %") * 0.6 * int(size[1])


def test_the_line_of_a_target_stands_at_its_amount_and_in_the_words_of_its_bar() -> None:
    """120 of 100 and 50 of 100: on an axis up to 150 both lines stand at two thirds of it."""
    chart = charts.against([("2024-10", "120", "100"), ("2024-11", "50", "100")], "2024-10")
    first, second = chart.bars
    assert [amount for _, amount in chart.ticks] == [0, 50, 100, 150]
    assert first.goal == second.goal == (66, "100") and first.y < 66 < second.y
    with mock.patch.object(charts, "lang", lambda: "en"):
        drawn = charts.draw_bars(chart, "Task", "CNY")
    assert drawn.count('class="goal"') == 2 and "2024-11: 50.00 CNY / target 100.00" in drawn


def test_a_month_s_flow_keeps_two_payees_of_one_name_apart() -> None:
    gallery._command("plans")  # the portal is ready
    from fenrun.portal.pages import periods

    rows = [
        {"payee": payee, "name": name, "via": "customer", "amount": Decimal(amount)}
        for payee, name, amount in (("P1", "Maple", 5), ("P2", "Maple", 3), ("P3", "", 1))
    ]
    with mock.patch.object(periods, "lang", lambda: "en"):
        found = periods._links(rows)
    assert [(target, amount) for _, target, amount in found] == [
        ("Maple P1", 5),
        ("Maple P2", 3),
        ("P3", 1),
    ]
