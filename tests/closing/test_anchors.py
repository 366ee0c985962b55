"""Anchors: a log that is written anew whole, dates and hashes and signatures and all, is found."""

from __future__ import annotations

import json
import shutil
import subprocess
import zipfile
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from fenrun.base.problem import Refused
from fenrun.base.when import parse_moment, parse_period
from fenrun.closing.anchors import anchor_at, anchor_closes, broken_anchors
from fenrun.closing.heads import heads_text, read_heads, signed_heads
from fenrun.closing.keys import known_keys, signing_key
from fenrun.proof.bundle import make_bundle, write_archive
from fenrun.proof.verify import verify
from fenrun.store.facts import Store
from tests.closing.test_closing import Year
from tests.command import fenrun

JANUARY = parse_period("2024-01")


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a workspace that closed January and can close February."""
    year = Year(tmp_path_factory.mktemp("anchors"))
    year.charge("2024-02-02", "january.csv", "A1 900 2024-01-10 2024-01")
    year.close("2024-01", "2024-02-03")
    year.charge("2024-03-01", "february.csv", "A1 900 2024-02-10 2024-02")
    return year.store.path


@pytest.fixture(params=["file", "git"])
def anchored(shared: Path, tmp_path: Path, request: pytest.FixtureRequest) -> tuple[Store, str]:
    """A copy of it, and the address of an anchor that its signing.yaml names."""
    shutil.copytree(shared, tmp_path / "ws")
    (tmp_path / "repository").mkdir()
    subprocess.run(["git", "init", "-q", tmp_path / "repository"], check=True)
    where = {"file": "heads.jsonl", "git": "repository"}[request.param]
    address = f"{request.param}:{tmp_path / where}"
    (tmp_path / "ws/signing.yaml").write_text(f"anchors: ['{address}']\n", "utf-8")
    return Store(tmp_path / "ws"), address


def _written_anew(store: Store, reason: str) -> None:
    """Write every event again, dates and order as they were, with one reason changed."""
    events = store.log.events()
    with store.log.writing() as log:
        log.connection.execute("DELETE FROM events")
        for event in events:
            was, now = json.loads(event.before), event.facts()
            words = (event.actor, event.act, event.kind, event.subject, reason)
            log.add(parse_moment(event.at), *words, was, now)


def test_each_close_is_noted_once(anchored: tuple[Store, str]) -> None:
    store, address = anchored
    assert [problem.code for problem in broken_anchors(store)] == ["anchor-behind"]
    said = fenrun("close", store.path, "--period", "2024-02")
    assert (said.code, said.err) == (0, ""), said.err
    kept = anchor_at(address).heads()
    assert kept == signed_heads(store) and all(head.is_signed() for head in kept)
    assert [head.period for head in kept] == ["2024-01", "2024-02"]
    assert not anchor_closes(store) and anchor_at(address).heads() == kept
    assert not broken_anchors(store)
    assert fenrun("audit", "verify", store.path).code == 0


def test_a_log_written_anew_by_who_holds_the_key_is_found(anchored: tuple[Store, str]) -> None:
    """Without the anchor nothing is found. Who then deletes signing.yaml is found by --anchor, and
    who notes his own heads as well does not get rid of the first.
    """
    store, address = anchored
    assert not anchor_closes(store)
    kept = anchor_at(address).heads()
    _written_anew(store, "approved")
    assert not store.broken() and signed_heads(store) != kept
    (problem,) = broken_anchors(store)
    assert problem.code == "anchor-differs" and problem.place.row == kept[0].seq
    assert [p.code for p in anchor_closes(store)] == ["anchor-differs"]
    assert anchor_at(address).heads() == kept, "nothing is added to what contradicts"
    (store.path / "signing.yaml").unlink()
    assert fenrun("audit", "verify", store.path).code == 0
    said = fenrun("audit", "verify", store.path, "--anchor", address)
    assert said.code == 1 and "anchor-differs" in said.err
    anchor_at(address).add(signed_heads(store))
    assert [p.code for p in broken_anchors(store, [address])] == ["anchor-differs"]


def test_a_log_that_is_cut_off_is_found(anchored: tuple[Store, str]) -> None:
    store, _ = anchored
    assert not anchor_closes(store)
    with store.log.writing() as log:
        log.connection.execute("DELETE FROM events WHERE kind IN ('closes', 'charges')")
    assert "anchor-differs" in [problem.code for problem in broken_anchors(store)]


def test_a_log_whose_newest_rows_are_cut_off_is_found_by_its_anchor_alone(
    anchored: tuple[Store, str],
) -> None:
    """The log is whole as far as it goes; what its last rows wrote is in no row now: a warning,
    which kept the anchors from being asked.
    """
    store, _ = anchored
    assert not anchor_closes(store)
    with store.log.writing() as log:
        (close,) = [event.seq for event in store.log.events() if event.kind == "closes"]
        log.connection.execute("DELETE FROM events WHERE seq >= ?", [close])
    assert {problem.code for problem in store.broken()} == {"stored-unlogged"}
    said = fenrun("audit", "verify", store.path)
    assert said.code == 1 and "anchor-differs" in said.err, said


def test_a_head_taken_out_of_a_repository_is_still_known(shared: Path, tmp_path: Path) -> None:
    repository = tmp_path / "repository"
    subprocess.run(["git", "init", "-q", repository], check=True)
    anchor, heads = anchor_at(f"git:{repository}"), signed_heads(Store(shared))
    anchor.add(heads)
    git = ("git", "-C", repository, "-c", "user.name=x", "-c", "user.email=x@localhost")
    (repository / "heads.jsonl").write_text("", "utf-8")
    subprocess.run([*git, "commit", "-q", "-a", "-m", "x"], check=True)
    assert anchor.heads() == heads


def test_a_close_is_done_where_the_anchor_cannot_be_written_and_that_is_said(
    shared: Path, tmp_path: Path
) -> None:
    """And mended as `anchor-unwritten` says."""
    shutil.copytree(shared, tmp_path / "ws")
    address = f"file:{tmp_path}/disk/heads.jsonl"
    (tmp_path / "ws/signing.yaml").write_text(f"anchors: ['{address}']\n", "utf-8")
    said = fenrun("close", tmp_path / "ws", "--period", "2024-02", lang="zh-CN")
    assert (
        said.code == 0 and "anchor-unwritten" in said.err and said.out.startswith("2024-02 已于 ")
    )
    assert fenrun("audit", "anchor", tmp_path / "ws").code == 1
    (tmp_path / "disk").mkdir()
    assert fenrun("audit", "anchor", tmp_path / "ws").code == 0
    assert [head.period for head in anchor_at(address).heads()] == ["2024-01", "2024-02"]


def test_a_line_that_its_key_did_not_sign_is_no_head(shared: Path) -> None:
    (head,) = signed_heads(Store(shared))
    for change in ({"seq": 1}, {"hash": "0" * 64}, {"at": "2020-01-01T00:00:00Z"}, {"root": "0"}):
        with pytest.raises(ValueError, match="signed"):
            read_heads(heads_text([replace(head, **change)]))  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="not a head"):
        read_heads('{"seq": 1}\n')


def test_a_bundle_holds_the_signed_head_of_its_close(shared: Path, tmp_path: Path) -> None:
    store = Store(shared)
    said = make_bundle(store, "P1", JANUARY, tmp_path / "P1.zip")
    (key,) = known_keys(store)
    (head,) = read_heads(json.dumps(said["seal"]["head"]))
    assert (head.period, head.root, head.public_key) == (
        "2024-01",
        said["seal"]["root"],
        key.public,
    )
    assert head.seq == store.log.events("closes")[0].seq


@pytest.mark.parametrize("change", [{"period": "2024-02"}, {"root": "0" * 64}, {"hash": "0" * 64}])
def test_a_bundle_with_the_head_of_another_close_is_refused(
    shared: Path, tmp_path: Path, change: dict[str, str]
) -> None:
    """Signed with the right key, as who holds it can."""
    store = Store(shared)
    make_bundle(store, "P1", JANUARY, tmp_path / "P1.zip")
    with zipfile.ZipFile(tmp_path / "P1.zip") as bundle:
        parts = {name: bundle.read(name) for name in bundle.namelist()}
    said, key = json.loads(parts["bundle.json"]), signing_key(store)
    head = replace(signed_heads(store)[0], **change)  # type: ignore[arg-type]
    said["seal"]["head"] = asdict(replace(head, signature=key.sign(head.content()).hex()))
    parts["bundle.json"] = json.dumps(said).encode()
    parts["signature"] = key.sign(parts["bundle.json"])
    write_archive(tmp_path / "t.zip", parts)
    with pytest.raises(Refused) as refused:
        verify(tmp_path / "t.zip")
    assert [problem.code for problem in refused.value.problems] == ["bundle-seal"]
