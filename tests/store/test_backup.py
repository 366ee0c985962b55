"""A backup is of one moment, whole and verified; what is restored from it says the same."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import threading
import time
import zipfile
from collections.abc import Callable
from contextlib import closing
from datetime import datetime
from pathlib import Path

import pytest
from click.testing import CliRunner

from fenrun.base.problem import Refused
from fenrun.base.when import parse_period
from fenrun.cli import command_of
from fenrun.closing.close import close, settle_period
from fenrun.proof.bundle import make_bundle
from fenrun.proof.verify import verify
from fenrun.settle.imports import import_file
from fenrun.statement.rows import statements_of
from fenrun.store.audit_log import Writer
from fenrun.store.backup import back_up, restore
from fenrun.store.facts import Store
from tests.store.harness import KNOWN, write_files

AUGUST = parse_period("2024-08")
TAKEN = datetime(2024, 11, 1)


@pytest.fixture(scope="module")
def closed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Files, and beside them a workspace in which August is closed, with a portal's database."""
    folder = tmp_path_factory.mktemp("backup")
    write_files(folder / "files")
    store = Store(folder / "ws")
    for name in ("plan.yaml", "book.yaml", "august.csv"):
        import_file(store, folder / "files" / name, KNOWN)
    close(store, AUGUST, KNOWN)
    make_bundle(store, "P1", AUGUST, folder / "before.zip")
    (store.path / "portal").mkdir()
    with closing(sqlite3.connect(store.path / "portal/portal.sqlite3")) as portal:
        portal.executescript("PRAGMA journal_mode=WAL; CREATE TABLE grants (who); ")
    (store.path / "portal/secret").write_text("s")
    (store.path / "portal/secret").chmod(0o600)
    return folder


@pytest.fixture
def store(closed: Path, tmp_path: Path) -> Store:
    return Store(Path(shutil.copytree(closed / "ws", tmp_path / "ws")))


def _statements(store: Store) -> dict[str, object]:
    run = settle_period(store, AUGUST).run
    return {payee: one.as_json() for payee, one in statements_of(run).items()}


def test_what_is_restored_says_the_same(closed: Path, store: Store, tmp_path: Path) -> None:
    portal = sqlite3.connect(store.path / "portal/portal.sqlite3")
    portal.execute("INSERT INTO grants VALUES ('one')")
    portal.commit()  # is in the -wal file now, which no copy of the database alone has
    before = _statements(store)
    made, problems = back_up(store, tmp_path / "b.zip", TAKEN)
    portal.close()
    assert (problems, made.events, made.taken) == ([], 6, "2024-11-01T00:00:00Z")
    assert (tmp_path / "b.zip").stat().st_mode & 0o777 == 0o600
    assert restore(tmp_path / "b.zip", tmp_path / "new/ws") == (made, [])
    assert not (tmp_path / "new/ws/cache").exists()
    again = Store.open(tmp_path / "new/ws")
    assert again.log.events() == store.log.events() and again.broken(made.head) == []
    assert _statements(again) == before and before
    make_bundle(again, "P1", AUGUST, tmp_path / "after.zip")
    keys = {verify(path).public_key for path in (closed / "before.zip", tmp_path / "after.zip")}
    assert len(keys) == 1
    for name in ("portal/secret", "signing-key.pem"):
        assert (again.path / name).stat().st_mode & 0o777 == 0o600
    with closing(sqlite3.connect(again.path / "portal/portal.sqlite3")) as portal:
        assert portal.execute("SELECT who FROM grants").fetchall() == [("one",)]


def test_a_backup_waits_for_an_import_that_is_being_written(
    closed: Path, store: Store, tmp_path: Path
) -> None:
    taking = threading.Thread(target=back_up, args=(store, tmp_path / "b.zip", TAKEN))

    def allowed(log: Writer) -> None:
        taking.start()
        taking.join(0.3)
        assert taking.is_alive()

    said = {"source": "n", "known": "2024-10-06T00:00:00Z", "facts": {}, "problems": []}
    store.add("book", "n" * 64, said, lambda folder: None, allowed=allowed)
    taking.join()
    restore(tmp_path / "b.zip", tmp_path / "new")
    assert Store(tmp_path / "new").log.events() == store.log.events()


@pytest.mark.parametrize("act", ["import", "close"])
def test_what_comes_after_its_moment_is_not_in_a_backup(
    closed: Path, store: Store, tmp_path: Path, act: str
) -> None:
    for name in ("late.csv", "september.csv") if act == "close" else ():
        import_file(store, closed / "files" / name, KNOWN.replace(day=6))
    before, begun = store.log.events(), []

    def meanwhile(name: str) -> None:
        if begun:
            return
        begun.append(name)
        if act == "import":
            import_file(store, closed / "files/late.csv", KNOWN.replace(day=6))
        else:
            close(store, parse_period("2024-09"), KNOWN.replace(day=7))

    back_up(store, tmp_path / "b.zip", TAKEN, meanwhile)
    assert len(store.log.events()) > len(before)
    _, problems = restore(tmp_path / "b.zip", tmp_path / "new")
    assert problems == [] and Store(tmp_path / "new").log.events() == before


def test_a_backup_within_a_close_is_of_before_it(
    closed: Path, store: Store, tmp_path: Path
) -> None:
    import_file(store, closed / "files/september.csv", KNOWN.replace(day=6))
    before = store.log.events()

    def meanwhile(stage: str) -> None:
        if stage == "sign off":
            back_up(store, tmp_path / "b.zip", TAKEN)

    close(store, parse_period("2024-09"), KNOWN.replace(day=7), meanwhile)
    _, problems = restore(tmp_path / "b.zip", tmp_path / "new")
    kept = Store(tmp_path / "new").log.events()
    assert problems == [] and kept[: len(before)] == before
    assert [event.kind for event in kept[len(before) :]] == ["runs"]


def _changed(path: Path, name: str, change: Callable[[bytes], bytes]) -> None:
    """Write a backup anew, of which one file is another, and its check sum too."""
    with zipfile.ZipFile(path) as archive:
        parts = {entry: archive.read(entry) for entry in archive.namelist()}
    parts[name] = change(parts.get(name, b""))
    with zipfile.ZipFile(path, "w") as archive:
        for entry, content in parts.items():
            archive.writestr(entry, content)


def _outside(path: Path) -> None:
    """Name a file in a backup as one beside the workspace."""
    with zipfile.ZipFile(path) as archive:
        log, said = archive.read("log.db"), archive.read("backup.json")
    _changed(path, "../log.db", lambda content: log)
    _changed(path, "backup.json", lambda content: said.replace(b'"log.db"', b'"../log.db"'))


DAMAGES: dict[str, tuple[Callable[[Path], object], str]] = {
    "a byte": (
        lambda path: path.write_bytes(path.read_bytes().replace(b"plan: small", b"plan: smell")),
        ":plans/",
    ),
    "cut off": (lambda path: path.write_bytes(path.read_bytes()[:-100]), ""),
    "no zip": (lambda path: path.write_text("a backup"), ""),
    "a file": (lambda path: _changed(path, "log.db", lambda content: content[:-1]), ":log.db"),
    "one more": (lambda path: _changed(path, "more", lambda content: b"x"), ":more"),
    "a way out": (_outside, ":../log.db"),
    "no list": (lambda path: _changed(path, "backup.json", lambda content: b"[]"), ""),
    "a list of another": (lambda path: _changed(path, "backup.json", lambda said: b"{}"), ""),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_backup_is_refused_and_its_file_named(
    store: Store, tmp_path: Path, damage: str
) -> None:
    path = tmp_path / "b.zip"
    back_up(store, path, TAKEN)
    spoil, where = DAMAGES[damage]
    spoil(path)
    with pytest.raises(Refused) as stopped:
        restore(path, tmp_path / "new")
    (problem,) = stopped.value.problems
    assert problem.code == "backup-damaged"
    assert problem.place.source.startswith(f"b.zip{where}")
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["b.zip", "ws"]


def test_what_a_killed_backup_has_left_goes_with_the_next(store: Store, tmp_path: Path) -> None:
    """What another process still writes stays, and so does what may have no lock yet."""
    names = ("left", "held", "young", "unlocked", "forgotten")
    folders = {name: tmp_path / f".fenrun-backup-{name}" for name in names}
    now = time.time()
    for name, folder in folders.items():
        folder.mkdir()
        if name not in ("unlocked", "forgotten"):
            (folder / "in-use.db").touch()
        age = {"young": 0, "forgotten": 2 * 24 * 3600}.get(name, 3600)
        os.utime(folder, (now - age, now - age))
    with closing(sqlite3.connect(folders["held"] / "in-use.db", isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        os.utime(folders["held"], (now - 3600, now - 3600))
        back_up(store, tmp_path / "b.zip", TAKEN)
    assert [name for name in names if folders[name].exists()] == ["held", "young", "unlocked"]


def test_nothing_is_written_over(store: Store, tmp_path: Path) -> None:
    path = tmp_path / "b.zip"
    back_up(store, path, TAKEN)
    content = path.read_bytes()
    for act in (lambda: back_up(store, path, TAKEN), lambda: restore(path, store.path)):
        with pytest.raises(Refused, match="there already"):
            act()
    with pytest.raises(Refused, match="in the workspace itself"):
        back_up(store, store.path / "portal/b.zip", TAKEN)
    assert path.read_bytes() == content and store.broken() == []


def test_an_edited_file_is_in_a_backup_and_said(store: Store, tmp_path: Path) -> None:
    """Other periods must not be without a backup because of it."""
    edited = next(store.path.glob("plans/*/plan.yaml"))
    edited.write_text(edited.read_text().replace("Small", "Large"))
    gone = next(store.path.glob("book/*/links.parquet"))
    gone.unlink()
    names = [path.relative_to(store.path).as_posix() for path in (gone, edited)]
    words = ["--to", str(tmp_path), "--json"]
    done = CliRunner().invoke(command_of("backup"), [str(store.path), *words])
    said = json.loads(done.stdout)
    assert done.exit_code == 1
    assert [problem["place"]["source"] for problem in said["problems"]] == names
    assert Path(said["file"]).parent == tmp_path and said["file"].endswith("Z.zip")
    words = [said["file"], "--to", str(tmp_path / "new"), "--json"]
    done = CliRunner().invoke(command_of("restore"), words)
    again = json.loads(done.stdout)
    assert done.exit_code == 1 and again["holds"] == said["holds"]
    assert [problem["place"]["source"] for problem in again["problems"]] == names


def test_a_workspace_that_cannot_be_written_has_a_backup(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    monkeypatch.setattr(type(store.log), "writing", None)
    back_up(store, tmp_path / "b.zip", TAKEN)
    restore(tmp_path / "b.zip", tmp_path / "new")
    assert Store(tmp_path / "new").log.events() == store.log.events()
