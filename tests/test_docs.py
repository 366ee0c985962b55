"""Examples in the docs run, what they print is what is shown, and what they name exists."""

from __future__ import annotations

import gzip
import json
import os
import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime, time
from pathlib import Path
from typing import Any

import pytest
import yaml

from fenrun.base.problem import Problem
from fenrun.book.read import COLUMNS, book_from
from fenrun.cli import COMMANDS
from fenrun.events.read import LAYOUT as EVENTS
from fenrun.lab.scenario import read_scenario
from fenrun.lab.variants import variants_of
from fenrun.plan.read import load_plan, read_plan
from fenrun.settle.imports import import_file
from fenrun.store.facts import Store
from fenrun.tables.records import read_tables, yaml_tables
from fenrun.terms.policy import read_policy
from fenrun.terms.read import LAYOUT as TERMS
from fenrun.whatif.cases import Outcome, run_cases
from fenrun.world.make import make_world
from tests.command import fenrun
from tests.lab.worlds import PAYS, charge, owned, plan, workspace

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
PAGES = [*sorted(ROOT.glob("*.md")), *sorted(DOCS.rglob("*.md"))]
SENTENCES = DOCS / "how-to/sentences.md"
_CHINESE = ".zh-CN.md"
PAGES_IN_ENGLISH = [page for page in PAGES if not page.name.endswith(_CHINESE)]
_HOW_TO = [page for page in PAGES_IN_ENGLISH if page.parent.name == "how-to"]
HOW_TO = [page for page in _HOW_TO if "```yaml" in page.read_text("utf-8")]
_NO_PLANS = ("approvals", "book", "terms", "whatif")
PLAN_PAGES = [page for page in HOW_TO if page.stem not in _NO_PLANS]


@dataclass(frozen=True)
class Block:
    """A fenced block of a page."""

    language: str
    title: str
    text: str


def _blocks(page: Path) -> Iterator[Block]:
    yield from _blocks_of(page.read_text("utf-8"))


def _blocks_of(text: str) -> Iterator[Block]:
    fenced = r"^```(\w*)(?: title=\"(.*?)\")?\n(.*?)^```$"
    for found in re.finditer(fenced, text, re.S | re.M):
        yield Block(*(part or "" for part in found.groups()))


def _texts(page: Path, language: str) -> list[str]:
    return [block.text for block in _blocks(page) if block.language == language]


def _outcomes(plan: dict[str, Any], name: str) -> tuple[list[Outcome], list[Problem]]:
    text = yaml.dump(plan, sort_keys=False, allow_unicode=True, Dumper=yaml.CSafeDumper)
    return run_cases(read_plan(text, name))


BASE, *_ = _texts(DOCS / "how-to/plan.md", "yaml")


def test_the_plan_of_the_how_to_pages_passes_its_cases() -> None:
    outcomes, problems = run_cases(read_plan(BASE, "plan.md"))
    assert outcomes and not problems


@pytest.mark.parametrize("page", PLAN_PAGES, ids=lambda page: page.stem)
def test_every_piece_of_a_plan_passes_its_cases(page: Path) -> None:
    """Each piece, put into the whole plan, is read without a problem and passes its cases."""
    base = yaml.load(BASE, yaml.BaseLoader)
    for text in _texts(page, "yaml"):
        if text == BASE:
            continue
        piece = yaml.load(text, yaml.BaseLoader)
        tables = {**base["tables"], "growth": GROWTH, **piece.get("tables", {})}
        cases = piece.get("cases", [])
        outcomes, problems = _outcomes(
            {**base, **piece, "tables": tables, "cases": cases}, page.name
        )
        assert not problems, [p.words("what") for p in problems]
        assert bool(outcomes) == bool(cases)


def test_every_sentence_has_the_case_that_the_page_names() -> None:
    rows = re.findall(r"\| `([^`|]+)`: ([^|]+) \|$", SENTENCES.read_text("utf-8"), re.M)
    assert len(rows) > 30
    for path, case in rows:
        assert re.search(
            rf"(?:name|case): {re.escape(case)}$", (ROOT / path).read_text("utf-8"), re.M
        ), case


GROWTH = [
    {
        "from": "2024-01-01",
        "source": "Terms",
        "kind": "all units",
        "bands": ["below 30 % pays 0 %", "from 30 % pays 8 %"],
    }
]


@pytest.mark.in_turn(3)
def test_the_tutorial_runs(tmp_path: Path) -> None:
    """Its files are written, its commands run in their order, and print the lines it shows.

    Of the page in Chinese only the commands run that it says otherwise.
    """
    page = DOCS / "tutorial/programme.md"
    printed = printed_in_chinese = ""
    for block, twin in zip(_blocks(page), _blocks(_twin(page)), strict=True):
        if block.title:
            _write(tmp_path, block)
        elif block.language == "sh":
            printed = _run(block.text, tmp_path)
            said = set(block.text.splitlines())
            others = [line for line in twin.text.splitlines() if line not in said]
            printed_in_chinese = _run("\n".join(others), tmp_path)
        elif block.language == "text":
            _assert_shown(block.text, printed)
            _assert_shown(twin.text, printed_in_chinese)
    assert printed and printed_in_chinese


def _twin(page: Path) -> Path:
    """Return the page's twin in Chinese."""
    return page.with_name(page.stem + _CHINESE)


def _write(folder: Path, block: Block) -> None:
    """Write a file, or put some keys in place of a plan's."""
    name, _, keys = block.title.partition(": ")
    path = folder / name
    text = block.text
    if keys:
        plan = yaml.load(path.read_text("utf-8"), yaml.BaseLoader)
        plan |= yaml.load(text, yaml.BaseLoader)
        text = yaml.dump(plan, sort_keys=False, allow_unicode=True, Dumper=yaml.CSafeDumper)
    path.write_text(text, "utf-8")


def _run(lines: str, folder: Path) -> str:
    """Run the lines, each of which must do; return what the last prints."""
    out = ""
    for line in lines.splitlines():
        done = fenrun(*shlex.split(line, comments=True)[1:], folder=folder)
        assert done.code == 0, (line, done.err)
        out = done.out
    return out


def _assert_shown(shown: str, printed: str) -> None:
    """Hold that every line shown is printed, in order; spaces do not matter, … is any text."""
    left = iter([" ".join(line.split()) for line in printed.splitlines()])
    for line in filter(str.strip, shown.splitlines()):
        wanted = re.escape(" ".join(line.split())).replace("…", ".*")
        assert any(re.fullmatch(wanted, found) for found in left), f"{line}\n\n{printed}"


@pytest.mark.skipif(not os.environ.get("FENRUN_NIGHTLY"), reason="a demo of twelve months")
def test_the_readme_shows_what_the_demo_prints(tmp_path: Path) -> None:
    """Its statement and its explanation stand in what the commands print, in both languages."""
    assert fenrun("demo", "demo-workspace", folder=tmp_path).code == 0
    of = ("demo-workspace", "P00033", "--period", "2024-09")
    readme = ROOT / "README.md"
    for page, lang in ((readme, "en"), (_twin(readme), "zh-CN")):
        out = [
            fenrun(word, *of, lang=lang, folder=tmp_path).out for word in ("statement", "explain")
        ]
        printed = " ".join(" ".join(out).split())
        shown = [line for text in _texts(page, "text") for line in text.splitlines() if line]
        assert len(shown) > 10
        assert not [line for line in shown if " ".join(line.split()) not in printed]


def test_the_way_from_a_real_export_to_a_statement_has_no_dead_end(tmp_path: Path) -> None:
    """README's commands in their order, on two exports as providers send them.

    AWS leaves an issuer empty, Microsoft has US dates and nothing in ListCost.
    """
    (tmp_path / "exports/aws").mkdir(parents=True)
    head = "BilledCost,ListCost,BillingAccountId,BillingAccountName,BillingCurrency,"
    head += "BillingPeriodStart,ChargePeriodStart,InvoiceIssuerName,ProviderName,ResourceId\n"
    days = "2024-09-01T00:00:00Z,2024-09-03T00:00:00Z"
    aws = [
        f"{cost},{cost},123456789012,Lake,USD,{days},{issuer},AWS,{resource}\n"
        for cost, issuer, resource in [
            ("100.10", '"Amazon Web Services, Inc."', "r1"),
            ("40.00", "", "r2"),
        ]
    ]
    (tmp_path / "exports/aws/data.csv.gz").write_bytes(
        gzip.compress((head + "".join(aws)).encode())
    )
    (tmp_path / "exports/aws/manifest.json").write_text("{}")
    microsoft = "7.5,0,7001,Forest,USD,9/1/2024 0:00,9/13/2024 0:00,Microsoft,Microsoft,r3\n"
    (tmp_path / "exports/part.csv").write_text(head + microsoft, "utf-8-sig")
    bill = "应付金额,账单账号,BillingPeriodStart,ChargePeriodStart,InvoiceIssuerName\n"
    bill += "12.30,8001,2024-09,2024-09-03,Qilin Cloud\n"
    (tmp_path / "bill.csv").write_text(bill, "utf-8")
    said, codes = {}, []
    page = (ROOT / "README.md").read_text("utf-8")
    start, end = page.index("## From a real export"), page.index("## With your own data")
    for block in _blocks_of(page[start:end]):
        if block.title:
            _write(tmp_path, block)
            continue
        for line in block.text.splitlines():
            words = shlex.split(line)
            done = fenrun(*words[1:], folder=tmp_path)
            assert done.code in (0, 1) and "Traceback" not in done.err, (line, done.err)
            codes.append(done.code)
            said[words[1]] = [*said.get(words[1], []), done.out + done.err]
    assert codes == [1, 0, 1, 1, 1, 0, 0, 0, 0, 0], "errors until the empty issuer is filled"
    assert "Kept aside: 40.00 USD" in said["settle"][0]
    assert "Credited to nobody: 7.50 USD" in said["settle"][0], "no partner is said for Forest"
    assert "Earned: 5.01 USD" in said["settle"][0] and "Earned: 7.01 USD" in said["settle"][1]
    assert "12.30 CNY" in said["import"][-1], "a bill with headers of its own is read as agreed"


@pytest.mark.in_turn(4)
def test_the_commands_of_closing_run(tmp_path: Path) -> None:
    """Every shell line of the page, in its order, on a small demo world that is not settled yet."""
    store = Store(tmp_path / "demo-workspace")
    for path, day in make_world(tmp_path / "files", 6_000, 1, late=True).files:
        import_file(store, path, datetime.combine(day, time()))
    blocks = _texts(DOCS / "how-to/closing.md", "sh")
    assert len("".join(blocks).splitlines()) >= 10
    for block in blocks:
        _run(block, tmp_path)


def test_every_setting_is_in_the_docs() -> None:
    """Each environment variable that the code reads is named on a page."""
    code = "\n".join(p.read_text("utf-8") for p in (ROOT / "src").rglob("*.py"))
    pages = "\n".join(p.read_text("utf-8") for p in PAGES)
    found = set(re.findall(r"environ(?:\.get\(|\[)[\"']([A-Z_]+)", code)) - {
        "LC_ALL",
        "LANG",
        "DJANGO_SETTINGS_MODULE",
        "REQUEST_METHOD",  # of a request
    }
    assert len(found) > 5 and not {name for name in found if name not in pages}


def test_a_plan_of_twenty_lines_says_p1() -> None:
    """The first programme, short: at most 20 lines without its cases, and the same cases.

    That they come out is held where all programmes are: in tests/plan/test_plans.py.
    """
    path = ROOT / "programmes/p01-in-twenty-lines.yaml"
    file = load_plan(path)
    lines = [
        x
        for x in path.read_text("utf-8").split("\ncases:")[0].splitlines()
        if x.strip() and not x.startswith("#")
    ]
    assert len(lines) <= 20
    assert file.text.cases == load_plan(path.with_name("p01-task-tiers.yaml")).text.cases


def test_the_book_of_the_how_to_page_is_read() -> None:
    (text,) = _texts(DOCS / "how-to/book.md", "yaml")
    rows = yaml_tables(yaml.compose(text, yaml.CSafeLoader), "book.md", COLUMNS)
    book, problems = book_from(rows, "book.md")
    assert not problems and all(book.tables().values()) and len(book.figures) == 13


def test_the_tables_of_the_terms_page_are_read(tmp_path: Path) -> None:
    for text, layout in zip(_texts(DOCS / "how-to/terms.md", "yaml"), (TERMS, EVENTS), strict=True):
        (tmp_path / "rows.yaml").write_text(text, "utf-8")
        rows, problems = read_tables(tmp_path / "rows.yaml", layout)
        assert not problems and all(rows.values())


def test_the_policy_of_the_approvals_page_is_read() -> None:
    (text,) = _texts(DOCS / "how-to/approvals.md", "yaml")
    assert len(read_policy(text, "approvals.md").text.steps) == 3


def test_the_scenario_of_the_how_to_page_is_read_and_its_notebook_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text, varied = _texts(DOCS / "how-to/whatif.md", "yaml")
    assert len(read_scenario(text, "whatif.md").paths) == 4
    assert len(variants_of(read_scenario(varied, "whatif.md").text)) == 15 * 3
    rates = plan(PAYS, "kind: all units, bands: [pays 10 %]")
    store = workspace(tmp_path, owned(K1={"partner": "P1"}), [charge("A1", 100)], rates)
    store.path.rename(tmp_path / "my-workspace")
    dearer = "scenario: dearer\nfrom: 2024-01-01\nprices: [{contracted: +10 %}]\n"
    (tmp_path / "scenario.yaml").write_text(dearer, "utf-8")
    monkeypatch.chdir(tmp_path)
    found: dict[str, Any] = {}
    exec("\n".join(_texts(DOCS / "how-to/whatif.md", "python")), found)
    assert [row["earned_more"] for row in found["payees"].to_pylist()] == [1]


_WITHOUT_TWIN = (
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "SECURITY.md",
    "docs/explanation/decisions.md",
    "docs/explanation/scale.md",
    "docs/explanation/tried.md",
)
"""The pages for those who change fenrun or measure it, which are in English alone."""

_NOT_YET: tuple[str, ...] = ()
"""The pages whose twin is still to be written; it only becomes shorter."""


def _has_twin(page: Path) -> bool:
    """Return whether a page is to have a twin: most made from the code need none."""
    made = page.parent.name in ("reference", "offerings")
    both = made and page.stem not in ("commands", "glossary")
    return not both and page.relative_to(ROOT).as_posix() not in (*_WITHOUT_TWIN, *_NOT_YET)


WITH_TWIN = [page for page in PAGES_IN_ENGLISH if _has_twin(page)]


@pytest.mark.parametrize("page", WITH_TWIN, ids=lambda page: page.stem)
def test_a_page_has_a_twin_in_chinese_with_the_same_examples(page: Path) -> None:
    """Its headings, rows and examples are the same; what a command prints is in its language."""
    twin = _twin(page)
    text, chinese = page.read_text("utf-8"), twin.read_text("utf-8")
    assert f"[中文]({twin.name})" in text and f"[English]({page.name})" in chinese
    assert _shape(text) == _shape(chinese)
    assert list(_examples(page)) == list(_examples(twin))
    missing = _names(text) - _names(chinese)
    assert page.stem == "commands" or not missing, f"{twin.name} lacks {sorted(missing)}"
    for link in re.findall(r"\]\(([^)#:]+\.md)", chinese.replace(f"[English]({page.name})", "")):
        target = (page.parent / link).resolve()
        assert target.name.endswith(_CHINESE) or not _has_twin(target), link


def _shape(text: str) -> list[str]:
    """Return the depths of a page's headings, and how many cells each row of a table has."""
    return [
        f"{line.count(' | ')} cells" if line.startswith("| ") else line.split()[0]
        for line in _prose(text).splitlines()
        if line.startswith(("#", "| ", "- ", "1. "))
    ]


def _names(text: str) -> set[str]:
    """Return what a page writes as code within its sentences."""
    found = re.findall(r"`([^`]+)`", _prose(text))
    return {" ".join(name.replace("--lang zh-CN ", "").split()) for name in found}


def _prose(text: str) -> str:
    """Return a page without its blocks."""
    return re.sub(r"^```.*?^```$", "", text, flags=re.S | re.M)


def _examples(page: Path) -> Iterator[Block]:
    """Yield the blocks without their comments, the choice of a language, and what is printed."""
    for block in _blocks(page):
        text = block.text.replace("--lang zh-CN ", "")
        if block.language in ("sh", "python", "text"):
            text = re.sub(r" *# .*", "", text)
        printed = block.language == "text" and not re.match(r"[\w.]+:", text)
        title, _, _ = block.title.partition(": ")
        yield replace(block, title=title, text="" if printed else text)


def test_the_site_shows_every_page_in_its_language() -> None:
    """The navigation names each page, and the twins in the order of the pages in English."""
    named = re.findall(r": (\S+\.md)$", (ROOT / "mkdocs.yml").read_text("utf-8"), re.M)
    assert sorted(named) == sorted(path.relative_to(DOCS).as_posix() for path in DOCS.rglob("*.md"))
    english = [DOCS / name for name in named if not name.endswith(_CHINESE)]
    twins = [_twin(page).relative_to(DOCS).as_posix() for page in english if _has_twin(page)]
    assert twins == [name for name in named if name.endswith(_CHINESE)]


def test_the_glossary_has_the_same_words_in_both_languages() -> None:
    page = DOCS / "reference/glossary.md"
    english, chinese = (
        [
            line.strip("| ").split(" | ")
            for line in path.read_text("utf-8").splitlines()
            if line[:2] == "| "
        ]
        for path in (page, _twin(page))
    )
    words = [(en, zh, where) for en, zh, _, where in english if en not in ("term", "---")]
    assert words == [(en, zh, where) for zh, en, _, where in chinese if zh not in ("术语", "---")]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_commands_and_links_exist(page: Path) -> None:
    text = page.read_text("utf-8")
    inline = re.findall(r"`(fenrun [^`]+)`", text)
    shown = "\n".join([*_texts(page, "sh"), *inline])
    for command in re.findall(r"^fenrun (?:--lang \S+ )?(\w+)", shown, re.M):
        assert command in COMMANDS, command
    for link in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", text):
        assert (page.parent / link).exists(), link


@pytest.mark.parametrize(
    "page", [DOCS / "explanation/architecture.md", DOCS / "reference/glossary.md"]
)
def test_the_places_that_a_page_names_exist(page: Path) -> None:
    """Each path below src, tests or bench that the page names is there."""
    named = re.findall(r"`((?:src|tests|bench|docs)/[\w./-]+)`", page.read_text("utf-8"))
    assert named and not [path for path in named if not (ROOT / path).exists()]


def test_a_message_that_names_a_page_finds_its_answer_there() -> None:
    """Each page is there; that of keys has every key of a plan, that of conditions each form."""
    said = [
        text
        for name in ("problems.yaml", "words.yaml", "help.yaml")
        for path in (ROOT / "src/fenrun").rglob(name)
        for text in re.findall(r"docs/[\w./-]+\.md", path.read_text("utf-8"))
    ]
    assert len(said) > 8 and not {page for page in said if not (ROOT / page).is_file()}
    keys = (DOCS / "reference/plan-keys.md").read_text("utf-8")
    schema = json.loads((ROOT / "src/fenrun/plan/schema.json").read_text("utf-8"))
    parts = [schema, *schema["$defs"].values()]
    known = {key for part in parts for key in part.get("properties", {})} - {"en", "zh-CN"}
    assert not {key for key in known if f"- `{key}`" not in keys}
    conditions = (DOCS / "how-to/conditions.md").read_text("utf-8")
    forms = ("starts with", "is missing", "is held", "below", "within", "not in", "no purchase in")
    assert not [form for form in forms if form not in conditions]


def test_every_attack_that_the_docs_name_is_a_test() -> None:
    """The table of what was tried names files of tests, and tests that stand in them."""
    text = (ROOT / "docs/explanation/tried.md").read_text("utf-8")
    files = {path: path.read_text("utf-8") for path in (ROOT / "tests").rglob("*.py")}
    missing = []
    for line in text.splitlines():
        names = re.findall(r"`(?:tests/)?([\w/]+\.py)`(?::((?: `\w+`,?)+))?", line)
        for name, tests in names:
            found = [said for path, said in files.items() if path.as_posix().endswith(f"/{name}")]
            missing += [] if len(found) == 1 else [name]
            called = re.findall(r"`(\w+)`", tests)
            missing += [one for one in called if not any(f"def test_{one}(" in f for f in found)]
    assert not missing
