"""Plant faults in a copy of the engine, one at a time, and show that the tests catch each.

Run by `make mutants`, which ends with exit code 1 if a fault is not caught. The faults of a room
stand in `faults/<room>.yaml`, with the tests that must catch them.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import yaml

ROOT = Path(__file__).parent.parent


@dataclass(frozen=True)
class Fault:
    """A text of a source file, and what is put in its place."""

    what: str
    file: str
    """Below src/fenrun."""
    text: str
    instead: str
    tests: tuple[str, ...]
    """The tests that must catch it."""

    def places(self, whole: str) -> list[re.Match[str]]:
        """Where the text stands in a file; how lines are broken does not matter."""
        tokens = re.findall(r"\w+|[^\w\s]", self.text)
        return list(re.finditer(r"\s*".join(map(re.escape, tokens)), whole))

    def planted(self, whole: str) -> str:
        """The file with the fault in it. Raises ValueError unless its text stands there once."""
        places = self.places(whole)
        if len(places) != 1:
            raise ValueError(f"{self.file}: the text of {self.what!r} stands there {len(places)} x")
        start, end = places[0].span()
        return whole[:start] + self.instead.strip() + whole[end:]


def faults() -> list[Fault]:
    """All faults, room by room."""
    found = []
    for path in sorted((Path(__file__).parent / "faults").glob("*.yaml")):
        said = yaml.safe_load(path.read_text("utf-8"))
        for fault in said["faults"]:
            tests = tuple(fault.get("tests", said["tests"]))
            row = (fault["fault"], fault["file"], fault["text"], fault["instead"])
            found.append(Fault(*row, tests))
    return found


def main() -> int:
    """Try every fault, or those whose numbers are given. Returns how many were not caught."""
    every, missed = faults(), 0
    only = {int(n) for n in sys.argv[1:]} or set(range(1, len(every) + 1))
    with tempfile.TemporaryDirectory(prefix="fenrun-mutants-") as folder:
        copy = Path(folder)
        _copy_tree(copy)
        for number, fault in enumerate(every, 1):
            if number not in only:
                continue
            caught = _caught(copy, fault)
            missed += not caught
            outcome = f"caught by {caught}" if caught else "MISSED"
            print(f"{number:3}/{len(every)} {fault.what} ({fault.file}): {outcome}", flush=True)
    print(f"{len(only) - missed} of {len(only)} faults caught")
    return missed


def _copy_tree(copy: Path) -> None:
    for name in ("src", "tests", "bench", "programmes", "offerings", "docs"):
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / name, copy / name, ignore=ignored)
    for name in ("pyproject.toml", "README.md", "Makefile"):
        shutil.copy(ROOT / name, copy)


def _caught(copy: Path, fault: Fault) -> str:
    """Plant a fault in the copy and name the first test that fails, if any.

    Raises RuntimeError where the tests did not come to an end: that catches nothing.
    """
    path = copy / "src/fenrun" / fault.file
    whole = path.read_text("utf-8")
    path.write_text(fault.planted(whole), "utf-8")
    every = {"FENRUN_FIRST_FAILURE": "1", "FENRUN_DAY": "all"}
    env = {**os.environ, "PYTHONPATH": str(copy / "src"), **every}
    command = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", *fault.tests]
    done = subprocess.run(command, cwd=copy, env=env, capture_output=True, text=True, check=False)
    path.write_text(whole, "utf-8")
    if done.returncode not in (0, 1, 2):  # 1: a test failed; 2: a file of tests could not be read
        raise RuntimeError(f"the tests for {fault.what!r} were ended: {done.returncode}")
    failed = [line for line in done.stdout.splitlines() if line.startswith(("FAILED", "ERROR"))]
    first = failed[0].split(" - ")[0].split(" ", 1)[1] if failed else "a failing run"
    return first if done.returncode else ""


if __name__ == "__main__":
    sys.exit(1 if main() else 0)
