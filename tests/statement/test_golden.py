"""What a user reads, word for word: a statement, an explanation, a comparison, in both languages.

`FENRUN_WRITE_GOLDEN=1 pytest tests/statement` writes the texts again; read them before you commit.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.command import fenrun

GOLDEN = Path(__file__).parent / "golden"
TEXTS = {
    "statement": ("statement", "workspace", "P1", "--period", "2024-03"),
    "explanation": ("explain", "workspace", "P1", "--period", "2024-03"),
    "comparison": ("compare", "workspace", "--period", "2024-03", "--known", "2024-04-05"),
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace that knew March by 3 April, and a late charge of it by 12 April."""
    folder = tmp_path_factory.mktemp("golden")
    files = [GOLDEN / name for name in ("plan.yaml", "book.yaml", "charges.csv")]
    for day, known in (("2024-04-03", files), ("2024-04-12", [GOLDEN / "late.csv"])):
        done = fenrun("import", "workspace", *known, "--known", day, folder=folder)
        assert done.code == 0, done.err
    return folder


@pytest.mark.parametrize("lang", ["en", "zh-CN"])
@pytest.mark.parametrize("name", TEXTS)
def test_a_user_reads(folder: Path, name: str, lang: str) -> None:
    done = fenrun(*TEXTS[name], lang=lang, folder=folder)
    assert done.code == 0, done.err
    said = "".join(f"{line.rstrip()}\n" for line in done.out.splitlines())
    path = GOLDEN / f"{name}.{lang}.txt"
    if os.environ.get("FENRUN_WRITE_GOLDEN"):
        path.write_text(said, "utf-8")
    assert said == path.read_text("utf-8")
