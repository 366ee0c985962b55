"""The wheel has all that runs, nothing else, and works in an environment of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
DATA = {".sql", ".yaml", ".html", ".css", ".j2", ".csv", ".json", ".js", ".svg"}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the wheel from the checkout."""
    folder = tmp_path_factory.mktemp("wheel")
    build = ["-m", "build", "--no-isolation", "--wheel", "--outdir", folder, ROOT]
    _done(sys.executable, *build)
    (made,) = folder.glob("fenrun-*.whl")
    return made


def _done(*words: object, code: int = 0, cwd: Path | None = None) -> str:
    """Run words as a user who has this environment's settings only; return all that is said."""
    kept = {k: v for k, v in os.environ.items() if k in ("PATH", "HOME", "TMPDIR")}
    done = subprocess.run(
        [*map(str, words)],
        capture_output=True,
        text=True,
        encoding="utf-8",
        env={**kept, "FENRUN_LANG": "en", "PYTHONIOENCODING": "utf-8"},
        cwd=cwd,
        timeout=300,
        check=False,
    )
    said = done.stdout + done.stderr
    assert done.returncode == code, said
    return said


def test_the_wheel_has_every_file_that_runs(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    source = ROOT / "src"
    needed = {
        path.relative_to(source).as_posix()
        for path in (source / "fenrun").rglob("*")
        if path.suffix in {".py", *DATA} and "__pycache__" not in path.parts
    }
    assert needed <= names
    assert {name.split("/")[0].split("-")[0] for name in names} == {"fenrun"}
    assert any(name.endswith("/licenses/LICENSE") for name in names)


@pytest.mark.in_turn(4)
def test_the_wheel_works_where_nothing_else_of_fenrun_is(wheel: Path, tmp_path: Path) -> None:
    """The dependencies are this environment's; fenrun is the wheel's."""
    home = tmp_path / "venv"
    venv.create(home, with_pip=False)
    python = home / ("Scripts" if os.name == "nt" else "bin") / "python"
    site = Path(
        _done(python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))").strip()
    )
    pip = [sys.executable, "-m", "pip", "--python", python, "--disable-pip-version-check"]
    _done(*pip, "install", "--quiet", "--no-deps", "--no-index", wheel)
    # A path line makes modules importable, but reads no .pth there: the checkout stays unknown.
    (site / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n", "utf-8")
    fenrun = python.parent / "fenrun"
    where = _done(python, "-c", "import fenrun; print(fenrun.__file__)", cwd=tmp_path)
    assert Path(where.strip()).is_relative_to(site)

    assert _done(fenrun, "--version", cwd=tmp_path).startswith("fenrun")
    _done(fenrun, "world", "made", "--rows", 2_000, cwd=tmp_path)
    _done(fenrun, "import", "shown", "made", cwd=tmp_path)
    settled = json.loads(
        _done(fenrun, "settle", "shown", "--period", "2024-03", "--json", cwd=tmp_path)
    )
    payee = settled["statements"][0]["payee"]
    shown = _done(fenrun, "statement", "shown", payee, "--period", "2024-03", cwd=tmp_path)
    assert "Statement 2024-03" in shown and payee in shown
    assert "bench-missing" in _done(fenrun, "bench", code=1, cwd=tmp_path)
