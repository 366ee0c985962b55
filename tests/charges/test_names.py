"""Names of files and folders are names: no pattern, no column, no end of a line."""

from __future__ import annotations

import os
from decimal import Decimal
from pathlib import Path

import pytest

from tests.charges.test_bad_files import GOOD
from tests.command import fenrun

EXPONENT = GOOD.replace("1.00", "1e1", 1)
"""A charge of 10 CNY, said in the way that only DuckDB reads."""
NAMES = {
    "march[1].csv": "march1.csv",
    "march*.csv": "marches.csv",
    "march?.csv": "march2.csv",
    "m[!x]\\[a].csv": "my/a.csv",
    "m'x\".csv": "m.csv",
    "m\nx.csv": "m.csv",
    "m{a,b}.csv": "ma.csv",
    "BillingCurrency=USD/march.csv": "march.csv",
    "BilledCost=7/InvoiceIssuerName=Other/march[1].csv": "BilledCost=7/march1.csv",
}
"""Each with another file that stands beside it."""


@pytest.mark.in_turn(5)
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("text", [GOOD, EXPONENT], ids=["plain", "exponent"])
def test_a_file_is_read_under_its_name(name: str, text: str, tmp_path: Path) -> None:
    file, other = tmp_path / "in" / name, tmp_path / "in" / NAMES[name]
    for path, content in ((file, text), (other, text.replace("1", "9", 1))):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    done = fenrun("import", tmp_path / "ws", file, "--json")
    assert done.code == 0, done.err
    (said,) = done.json()["imported"]
    assert Decimal(said["billed"].pop("CNY")) == (10 if text == EXPONENT else 1)
    assert not said["billed"]
    assert said["file"] == file.name


@pytest.mark.in_turn(3)
@pytest.mark.parametrize("name", ["BillingCurrency=USD/ws[1]", "BilledCost=7/w?s*'\n{a,b}"])
def test_a_workspace_settles_wherever_it_lies(name: str, tmp_path: Path) -> None:
    data = Path(__file__).parent.parent / "data"
    found = {}
    for workspace in (tmp_path / "plain", tmp_path / name):
        assert fenrun("import", workspace, data, "--known", "2024-12-01").code in (0, 1)
        done = fenrun("settle", workspace, "--period", "2024-09", "--json")
        assert done.code == 0, done.err
        found[workspace] = done.json()["earned"], str(done.json()["statements"])
    assert len({*found.values()}) == 1 and Decimal(found[workspace][0])


def test_a_name_that_is_no_text_is_refused_alone(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "good.csv").write_text(GOOD)
    Path(os.fsdecode(bytes(tmp_path) + b"/in/m\xff.csv")).write_text(GOOD.replace("A1", "A2"))
    done = fenrun("import", tmp_path / "ws", tmp_path / "in", "--json")
    assert [one["file"] for one in done.json()["imported"]] == ["good.csv"]
    assert [
        (p["code"], p["place"]["source"]) for p in done.json()["problems"] if "UTF-8" in p["what"]
    ] == [("file-unreadable", "m?.csv")]
