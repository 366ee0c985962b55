"""Nothing that facts hold commands a terminal, in whatever format; files get it as it is."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

from fenrun.base.problem import Place, Problem
from fenrun.base.when import parse_period
from fenrun.base.words import say
from fenrun.cli import command_of, output, whatif_
from fenrun.cli.output import print_problems
from fenrun.settle.imports import import_file
from fenrun.settle.runs import settle_workspace
from fenrun.statement.sentences import roles_words
from fenrun.store.facts import Store
from tests.store.harness import BOOK, KNOWN, PLAN, write_files

PAYEE = "=P\x1b]0mine\x071"
"""An id that would name the window and be a formula; what turns the rest is left out before."""
_COLOURS = re.compile(r"\x1b\[[0-9;]*m")
AS_SEEN = "=P␛]0mine␇1"
COMMANDS = {
    "statement": [("text",), ("csv",), ("json",)],
    "ledger": [("text",), ("json",), ("beancount",), ("hledger",)],
}
CASES = [(name, kind) for name, kinds in COMMANDS.items() for (kind,) in kinds]


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("terminal")
    write_files(folder / "files")
    (folder / "files/book.yaml").write_text(BOOK.replace("P1", '"=P\\e]0mine\\a\\u202e1"'), "utf-8")
    (folder / "files/plan.yaml").write_text(PLAN.replace("Small", '"S\\e[2J"'), "utf-8")
    store = Store(folder / "ws")
    for name in ("plan.yaml", "book.yaml", "august.csv"):
        import_file(store, folder / "files" / name, KNOWN)
    settle_workspace(store, parse_period("2024-08"))
    return store.path


def _said(
    workspace: Path, name: str, kind: str, is_terminal: bool, capsys: pytest.CaptureFixture[str]
) -> str:
    sys.stdout.isatty = lambda: is_terminal  # type: ignore[method-assign]
    words = [str(workspace), *([PAYEE] if name == "statement" else [])]
    words += ["--period", "2024-08", "--format", kind]
    command_of(name).main(words, standalone_mode=False)
    return capsys.readouterr().out


@pytest.mark.parametrize(("name", "kind"), CASES)
def test_a_terminal_is_not_commanded(
    workspace: Path, capsys: pytest.CaptureFixture[str], name: str, kind: str
) -> None:
    said = _COLOURS.sub("", _said(workspace, name, kind, True, capsys))
    assert said and not {"\x1b", "\x07", "\u202e"} & {*said}
    if kind not in ("json", "text"):
        assert AS_SEEN in said


def test_a_pipe_gets_what_a_file_would(workspace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Also there it is no formula."""
    said = _said(workspace, "statement", "csv", False, capsys)
    assert f"'{PAYEE}," in said and f"\n{PAYEE}" not in said


def test_every_progress_bar_has_words() -> None:
    """On a terminal alone they are asked for."""
    folders = (Path(output.__file__).parent, Path(__file__).parents[2] / "bench")
    text = "".join(path.read_text("utf-8") for one in folders for path in one.glob("*.py"))
    named = set(re.findall(r'progress\("([a-z]+)"', text))
    assert {"whatif", "import"} < named
    assert all(say(f"progress-{name}", lang) for name in named for lang in ("en", "zh-CN"))


def test_a_name_of_a_file_is_no_markup_of_the_progress_bar(
    capsys: pytest.CaptureFixture[str],
) -> None:
    sys.stderr.isatty = lambda: True  # type: ignore[method-assign]
    with output.progress("import") as step:
        for name in ("m[/x].csv", "[bold]m.csv", "m\x1b]0mine\x07.csv"):
            step(name)
            step(1)
    said = _COLOURS.sub("", capsys.readouterr().err)
    assert "\x1b]0" not in said and "\x07" not in said


def test_problems_that_are_not_printed_whole_are_named(capsys: pytest.CaptureFixture[str]) -> None:
    """Of many files that were passed over each is told, however many problems others have."""
    passed = [Problem("file-passed-over", Place(f"f{n}.bin"), {"reason": n}) for n in range(60)]
    print_problems(passed, most=50)
    said = capsys.readouterr().err
    assert "+10 file-passed-over" in said and all(f"f{n}.bin" in said for n in range(60))


def test_what_files_have_in_common_is_without_repeats(capsys: pytest.CaptureFixture[str]) -> None:
    """A year of exports has the same notes twelve times; errors, and other words, stay whole."""
    files = [f"2024-{month:02}/part-1.csv" for month in range(1, 13)]
    notes = [Problem("coverage", Place(name, 1), {"missing": "x_OrderId"}) for name in files]
    notes += [Problem("tax-charge", Place(files[0], n, "ChargeCategory")) for n in (2, 3)]
    errors = [Problem("row-quarantined", Place(name, 2), {"reason": "x"}) for name in files[:3]]
    passed = [Problem("file-passed-over", Place(f"{n}.bin"), {"reason": n % 2}) for n in range(4)]
    lacking = [
        Problem("column-missing", Place(name, 1), {"column": column})
        for name, column in zip(files, ("A, B", "A, B", "A"))
    ]
    print_problems([*notes, *errors, *passed, *lacking])
    said = " ".join(capsys.readouterr().err.split())
    assert said.count(" note coverage:") == 1 and "... +11 coverage 2024-02/part-1.csv," in said
    assert said.count(" error row-quarantined:") == 3
    assert said.count(" note tax-charge:") == 1 and said.count(" warning file-passed-over:") == 2
    assert said.count(" warning column-missing:") == 2 and "+1 column-missing 2024-02" in said
    assert all(name in said for name in files)


def test_files_of_one_name_are_distinct_names_by_as_many_folders_as_that_takes() -> None:
    addresses = ["a/2024-01/x/part.csv", "a/2024-02/x/part.csv", "a/book.csv", "s3://b/7/part.csv"]
    called = output.distinct_names({Path(address): address for address in addresses})
    apart = ["2024-01/x/part.csv", "2024-02/x/part.csv", "b/7/part.csv"]
    assert list(called.values()) == [*apart, "book.csv"]
    problem = Problem("coverage", Place("part.csv", 1), {"missing": "x_OrderId"})
    (named,) = output.of_file([problem], Path("a/2024-01/x/part.csv"), "2024-01/x/part.csv")
    assert str(named.place) == "2024-01/x/part.csv:1"


def test_bands_and_roles_are_said_in_the_readers_language(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("FENRUN_LANG", "zh-CN")
    bands = {"band_before": "from 150000 pays 7 %", "band_after": "below 150000 pays 5 %"}
    whatif_._tiers([{"payee": "P1", "component": "reward", "period": "2024-09", **bands}])
    assert roles_words("partner, rep, own-role", "zh-CN") == "合作伙伴，销售代表，own-role"
    said = capsys.readouterr().out
    assert "达到 150000：按 7 % 计" in said and "pays" not in said
