"""What is kept to save time is whole or not there, whoever writes it at once."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from fenrun.base.kept import keep, read_kept


def test_who_keeps_the_same_at_once_keeps_it_whole(tmp_path: Path) -> None:
    path = tmp_path / "cache/seen.json"
    values = [{"n": n, "text": "x" * 10_000} for n in range(8)]
    with ThreadPoolExecutor(8) as pool:
        for _ in range(20):
            list(pool.map(lambda value: keep(path, value), values))
            assert read_kept(path) in values
    assert [one.name for one in path.parent.iterdir()] == ["seen.json"]


@pytest.mark.parametrize("text", ["", "{", "\ud800", "[" * 100_000])
def test_what_is_damaged_is_not_there(tmp_path: Path, text: str) -> None:
    path = tmp_path / "seen.json"
    path.write_bytes(text.encode("utf-8", "surrogatepass"))
    assert read_kept(path) is None


def test_what_cannot_be_kept_is_found_anew(tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("a file, so no folder", "utf-8")
    keep(tmp_path / "cache/seen.json", {"n": 1})
    assert read_kept(tmp_path / "cache/seen.json") is None
