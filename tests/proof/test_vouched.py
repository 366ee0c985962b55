"""Whose signature a bundle bears: only who was given the key by another way knows."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization

from fenrun.base.ids import fingerprint
from fenrun.base.problem import Refused
from fenrun.base.when import parse_period
from fenrun.closing.heads import Head
from fenrun.closing.keys import known_keys, public_text, signing_key
from fenrun.proof.bundle import make_bundle, write_archive
from fenrun.proof.verify import verify
from fenrun.proof.vouched import given_fingerprints
from fenrun.store.facts import Store
from tests.closing.test_closing import Year
from tests.command import fenrun

JANUARY = parse_period("2024-01")
SIGNER = "name: Beichen Cloud\ntrust: https://channel.beichen.example/key\n"


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """A workspace that closed January and wrote P1's bundle beside itself."""
    year = Year(tmp_path_factory.mktemp("vouched"))
    (year.store.path / "signing.yaml").write_text(SIGNER, "utf-8")
    year.charge("2024-02-02", "january.csv", "A1 900 2024-01-10 2024-01")
    year.close("2024-01", "2024-02-03")
    make_bundle(year.store, "P1", JANUARY, year.folder / "P1.zip")
    return year.store


def _bundle(store: Store) -> Path:
    return store.path.parent / "P1.zip"


def test_every_form_of_the_key_vouches(store: Store, tmp_path: Path) -> None:
    """A file, whatever it says besides; the hex; the fingerprint, also in capitals."""
    (key,) = known_keys(store)
    fenrun("key", "publish", store.path, tmp_path / "key.json")
    pem = (
        signing_key(store)
        .public_key()
        .public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    )
    (tmp_path / "key.pem").write_bytes(pem)
    (tmp_path / "letter.txt").write_text(f"Dear partner, our key is {key.fingerprint}.\n", "utf-8")
    files = [str(tmp_path / name) for name in ("key.json", "key.pem", "letter.txt")]
    for given in (*files, key.public, key.fingerprint, key.fingerprint.upper()):
        assert given_fingerprints(given) == [key.fingerprint], given
    said = fenrun("verify", _bundle(store), "--key", key.fingerprint)
    assert said.code == 0 and "the key that you gave" in said.out and "Beichen Cloud" in said.out


def test_without_a_key_nobody_has_vouched_and_the_exit_code_says_so(store: Store) -> None:
    (key,) = known_keys(store)
    said = fenrun("verify", _bundle(store))
    assert said.code == 3 and "a key nobody has vouched for" in said.out
    assert key.fingerprint in said.out and "https://channel.beichen.example/key" in said.out
    chinese = fenrun("verify", _bundle(store), lang="zh-CN")
    assert chinese.code == 3 and "尚无人担保" in chinese.out
    told = fenrun("verify", _bundle(store), "--json")
    assert told.code == 3 and told.json()["vouched"] is False
    assert told.json()["signer"] == "Beichen Cloud"


def test_a_bundle_signed_by_a_stranger_who_takes_the_name_is_refused(
    store: Store, tmp_path: Path
) -> None:
    """He signs the same statement, with the same name and page, with his own key."""
    (key,) = known_keys(store)
    stranger = signing_key(Store(tmp_path / "stranger"))
    with zipfile.ZipFile(_bundle(store)) as bundle:
        parts = {name: bundle.read(name) for name in bundle.namelist()}
    other = public_text(stranger)
    said = json.loads(parts["bundle.json"].replace(key.public.encode(), other.encode()))
    head = Head(**said["seal"]["head"])
    said["seal"]["head"]["signature"] = stranger.sign(head.content()).hex()
    parts["bundle.json"] = json.dumps(said).encode()
    parts["signature"] = stranger.sign(parts["bundle.json"])
    write_archive(tmp_path / "t.zip", parts)
    assert not verify(tmp_path / "t.zip").is_vouched
    with pytest.raises(Refused) as refused:
        verify(tmp_path / "t.zip", [key.fingerprint])
    (problem,) = refused.value.problems
    assert (problem.code, problem.values["key"]) == ("bundle-key", fingerprint(other))
    assert fenrun("verify", tmp_path / "t.zip", "--key", key.public).code == 1


@pytest.mark.parametrize("given", ["", "secret", "0" * 63, "0" * 65, "abcd-" * 7 + "abcd-0000"])
def test_what_is_no_key_is_refused_and_never_taken_for_none(
    store: Store, tmp_path: Path, given: str
) -> None:
    path = tmp_path / "given"
    path.write_text(given, "utf-8")
    for one in (str(path), given):
        assert "key-not-given" in fenrun("verify", _bundle(store), "--key", one).err, one
