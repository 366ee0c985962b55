"""The commands that problems of imports suggest work as they are pasted, from where one stands."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from fenrun.cli import import_, resolve_
from tests.errors.gallery import ROW

_COMMAND = re.compile(r"fenrun (?:import|resolve) WORKSPACE [^\n]*?(?=(?:\. |[.;,)] ?[A-Z]|\.?$))")


def _file(path: Path, *rows: dict[str, str]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = [",".join((ROW | row).values()) for row in rows]
    path.write_text("\n".join([",".join(ROW | rows[0]), *lines]) + "\n")
    return path


def _run(*words: str) -> Result:
    command = {"import": import_.command, "resolve": resolve_.command}[words[0]]
    return CliRunner().invoke(command, [*words[1:], "--json"], standalone_mode=False)


def _problems(*words: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(_run(*words).stdout)["problems"]
    return found


def _commands(problems: list[dict[str, Any]], code: str) -> list[str]:
    return [
        found for one in problems if one["code"] == code for found in _COMMAND.findall(one["fix"])
    ]


@pytest.mark.parametrize("folder", ["exports", "an export's folder/2024 09", "."])
def test_a_gap_is_filled_from_where_the_file_was_named(
    folder: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    named = {"InvoiceIssuerName": "Amazon Web Services", "ProviderName": "AWS"}
    path = _file(Path(folder, "a month.csv"), named, named | {"InvoiceIssuerName": ""})
    problems = _problems("import", "ws", str(path))
    commands = _commands(problems, "row-quarantined") or _commands(problems, "null-forbidden")
    assert commands
    done = _run(*shlex.split(commands[0].replace("WORKSPACE", "ws"))[1:])
    assert "no-such-file" not in done.output and "file-unreadable" not in done.output
    assert '"quarantined": 0' in done.output or '"quarantined"' not in done.output


def test_an_overlap_is_decided_either_way(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    rows: list[dict[str, str]] = [{"BilledCost": "7.25"}, {"BilledCost": "8.50"}]
    one, other = _file(Path("first/june.csv"), *rows), _file(Path("second/june.csv"), *rows[:1])
    for place in range(2):
        workspace = f"ws{place}"
        _problems("import", workspace, str(one))
        commands = _commands(_problems("import", workspace, str(other)), "charges-twice")
        words = shlex.split(commands[place].replace("WORKSPACE", workspace))[1:]
        done = _run(*words)
        assert done.exception is None and done.stdout, done.output
        settled = [problem["code"] for problem in json.loads(done.stdout)["settles"]]
        assert settled == ["charges-twice"]
