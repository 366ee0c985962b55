"""Whose key signs: known by name and fingerprint, in the log, never exchanged unsaid."""

from __future__ import annotations

import contextlib
import shutil
import sqlite3
from datetime import datetime
from pathlib import Path

import pytest

from fenrun.base.problem import Refused
from fenrun.base.when import parse_period
from fenrun.closing import keys
from fenrun.closing.close import closes
from fenrun.closing.keys import broken_keys, known_keys, public_text, rotate, signing_key
from fenrun.proof.bundle import make_bundle
from fenrun.store.facts import Store
from tests.closing.test_closing import Year
from tests.command import fenrun

JANUARY, FEBRUARY = parse_period("2024-01"), parse_period("2024-02")


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a workspace that closed January and can close February."""
    year = Year(tmp_path_factory.mktemp("keys"))
    year.charge("2024-02-02", "january.csv", "A1 900 2024-01-10 2024-01")
    year.store.actor = "Wei"
    year.close("2024-01", "2024-02-03")
    year.charge("2024-03-01", "february.csv", "A1 900 2024-02-10 2024-02")
    return year.store.path


@pytest.fixture
def store(shared: Path, tmp_path: Path) -> Store:
    shutil.copytree(shared, tmp_path / "ws")
    return Store(tmp_path / "ws", "Wei")


def _codes(refused: pytest.ExceptionInfo[Refused]) -> list[str]:
    return [problem.code for problem in refused.value.problems]


def test_the_first_close_enters_its_key_right_before_itself(store: Store) -> None:
    (key,) = known_keys(store)
    (closed,) = store.log.events("closes")
    assert (key.name, key.seq) == ("ws", closed.seq - 1)
    assert key.public == public_text(signing_key(store))
    groups = key.fingerprint.split("-")
    assert [len(group) for group in groups] == [4] * 8
    signing_key(store)
    make_bundle(store, "P1", JANUARY, store.path.parent / "P1.zip")
    assert len(known_keys(store)) == 1, "entered once"
    assert not store.broken()


def test_signing_yaml_names_the_signer(tmp_path: Path) -> None:
    year = Year(tmp_path)
    (year.store.path / "signing.yaml").write_text("name: 北辰云\n", "utf-8")
    signing_key(year.store)
    assert [key.name for key in known_keys(year.store)] == ["北辰云"]


@pytest.mark.parametrize("how", ["lost", "exchanged"])
def test_a_key_that_is_gone_stops_a_close_and_a_bundle_and_is_never_replaced(
    store: Store, how: str
) -> None:
    path = store.path / keys.NAME
    path.unlink()
    if how == "exchanged":
        signing_key(Store(store.path.parent / "other"))
        shutil.copy(store.path.parent / "other" / keys.NAME, path)
    code = {"lost": "key-missing", "exchanged": "key-exchanged"}[how]
    events = store.log.events()
    said = fenrun("close", store.path, "--period", "2024-02")
    assert said.code == 1 and code in said.err and known_keys(store)[0].fingerprint in said.err
    with pytest.raises(Refused) as refused:
        make_bundle(store, "P1", JANUARY, store.path.parent / "P1.zip")
    assert _codes(refused) == [code]
    with pytest.raises(Refused) as refused:
        rotate(store)
    assert _codes(refused) == [code]
    assert store.log.events() == events and len(closes(store)) == 1
    assert path.exists() == (how == "exchanged")


def test_a_lost_key_is_replaced_by_a_word_that_the_log_keeps(store: Store) -> None:
    """The mend that `key-missing` names."""
    (old,) = known_keys(store)
    (store.path / keys.NAME).unlink()
    said = fenrun("key", "rotate", store.path, "--lost", "--reason", "the disk burnt", "--json")
    assert said.code == 0
    assert said.json()[0]["fingerprint"] == old.fingerprint
    assert store.log.events()[-1].reason == "the disk burnt"
    (problem,) = broken_keys(store)
    assert problem.code == "key-unsigned" and problem.values["old"] == old.fingerprint
    audited = fenrun("audit", "verify", store.path)
    assert audited.code == 0 and "key-unsigned" in audited.err
    assert fenrun("close", store.path, "--period", "2024-02").code == 0


def test_the_key_before_signs_the_one_that_takes_its_place(store: Store) -> None:
    (old,) = known_keys(store)
    new = rotate(store, "North Star Cloud")
    assert known_keys(store) == [old, new] and new.name == "North Star Cloud"
    assert public_text(signing_key(store)) == new.public != old.public
    assert not broken_keys(store) and not store.broken()
    assert oct((store.path / keys.NAME).stat().st_mode)[-3:] == "600"


def test_a_rotation_that_another_key_signed_is_found(store: Store) -> None:
    """Somebody who can write the log puts in a key of his own, with every hash computed anew."""
    new = rotate(store)
    event = store.log.events()[-1]
    forged = keys.Ed25519PrivateKey.generate()
    content = keys._content(known_keys(store)[0].public, new.public, new.name)
    facts = event.facts() | {"signature": forged.sign(content).hex()}
    with store.log.writing() as log:
        log.connection.execute("DELETE FROM events WHERE seq = ?", [event.seq])
        log.add(datetime(2024, 3, 1), "Wei", "key", "key", event.subject, "", {}, facts)
    assert not store.broken()
    assert [problem.code for problem in broken_keys(store)] == ["key-unsigned"]


def test_a_rotation_that_is_cut_off_is_finished_by_the_next_who_signs(store: Store) -> None:
    """Killed after the log has it, before the file is in its place."""
    before = (store.path / keys.NAME).read_bytes()
    new = rotate(store)
    (store.path / keys.NAME).rename(store.path / keys._NEXT)
    (store.path / keys.NAME).write_bytes(before)
    assert public_text(signing_key(store)) == new.public
    assert not (store.path / keys._NEXT).exists()


def test_a_rotation_that_never_came_into_the_log_changes_nothing(store: Store) -> None:
    (old,) = known_keys(store)
    keys._make(store.path / keys._NEXT)
    assert public_text(signing_key(store)) == old.public
    assert public_text(signing_key(store)) != rotate(store).public


def test_the_commands_say_whose_key_it_is(store: Store, tmp_path: Path) -> None:
    (key,) = known_keys(store)
    for words in (
        ("close", store.path, "--period", "2024-02"),
        ("audit", "verify", store.path),
        ("key", "show", store.path),
        ("key", "publish", store.path, tmp_path / "key.json"),
    ):
        said = fenrun(*words)
        assert said.code == 0 and key.fingerprint in said.out and "ws" in said.out, words
    assert "PRIVATE" not in (tmp_path / "key.json").read_text("utf-8")
    assert "签名密钥" in fenrun("key", "show", store.path, lang="zh-CN").out


def test_a_key_without_an_event_is_taken_up_where_it_was_used_before(store: Store) -> None:
    """Workspaces of earlier versions have the file, and no event."""
    path = store.path / keys.NAME
    before = path.read_bytes()
    with contextlib.closing(sqlite3.connect(store.log.path)) as connection, connection:
        connection.execute("DELETE FROM events")
    signing_key(store)
    assert path.read_bytes() == before and len(known_keys(store)) == 1
