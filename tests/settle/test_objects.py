"""Objects of a bucket are imported where they are new, from an S3-compatible server on loopback."""

from __future__ import annotations

import io
import json
import urllib.request
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any, ClassVar

import pytest
from click.testing import CliRunner
from pyarrow import fs

from fenrun.base.problem import Refused
from fenrun.cli.import_ import command
from fenrun.settle.deliveries import undecided
from fenrun.settle.objects import fetch_new, public
from fenrun.store.facts import Store
from tests.errors.gallery import BOOK, ROW


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A bucket `exports` of a server that is this test's."""
    server, boto3 = pytest.importorskip("moto.server"), pytest.importorskip("boto3")
    running = server.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    running.start()
    host, port = running.get_host_and_port()
    address = f"http://{host}:{port}"
    for name, value in {
        "AWS_ACCESS_KEY_ID": "invented",
        "AWS_SECRET_ACCESS_KEY": "invented",
        "AWS_REGION": "us-east-1",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ENDPOINT_URL": address,
    }.items():
        monkeypatch.setenv(name, value)
    client = boto3.client("s3", endpoint_url=address, region_name="us-east-1")
    client.create_bucket(Bucket="exports")
    try:
        yield client
    finally:
        running.stop()


def _charges(billed: str) -> bytes:
    row = ROW | {"BilledCost": billed}
    return f"{','.join(row)}\n{','.join(row.values())}\n".encode()


def _take(workspace: Path, *words: str) -> Any:
    return CliRunner().invoke(command, [str(workspace), *words, "--json"], standalone_mode=False)


def test_only_new_objects_are_imported(bucket: Any, tmp_path: Path) -> None:
    ws, url = tmp_path / "ws", "s3://exports/focus"
    objects = {
        "focus/2024-09/part.csv": _charges("1"),
        "focus/2024-10/part.csv": _charges("2"),
        "focus/manifest.json": b"{}",
        "other/part.csv": _charges("3"),
    }
    for key, content in objects.items():
        bucket.put_object(Bucket="exports", Key=key, Body=content)
    local = tmp_path / "book.yaml"
    local.write_text(BOOK)
    first = _take(ws, url, str(local))
    assert first.exception is None, first.output
    assert len(Store(ws).imports("charges")) == 2 and len(Store(ws).imports("book")) == 1
    none = fetch_new(Store(ws), url, tmp_path / "none")
    assert (none.objects, none.known, none.parts.problems) == ([], 2, [])
    bucket.put_object(Bucket="exports", Key="focus/2024-10/part.csv", Body=_charges("2.50"))
    bucket.put_object(Bucket="exports", Key="focus/2024-11/bad.csv", Body=b"a,b\n1,2\n")
    some = fetch_new(Store(ws), url, tmp_path / "some")
    assert some.known == 1 and [one.path.name for one in some.objects] == ["part.csv", "bad.csv"]
    _take(ws, url)
    totals = [item.facts["billed"]["CNY"] for item in Store(ws).imports("charges")]
    assert sorted(totals) == ["1.00", "2.00", "2.50"]
    again = fetch_new(Store(ws), url, tmp_path / "again")
    assert again.known == 2
    assert [one.path.name for one in again.objects] == ["bad.csv"], "what was refused comes"
    single = fetch_new(Store(ws), "s3://exports/other/part.csv", tmp_path / "one").objects
    assert [one.path.read_bytes() for one in single] == [_charges("3")]
    _check_parts(bucket, tmp_path / "run")
    with pytest.raises(Refused) as refusal:
        fetch_new(Store(ws), "s3://nowhere/focus", tmp_path / "nowhere")
    assert [problem.code for problem in refusal.value.problems] == ["object-unreadable"]


def _check_parts(bucket: Any, ws: Path) -> None:
    """Of a run whose manifest names two parts one comes, then the other; a third is of none."""
    url, parts = "s3://exports/run/", [f"run/data/p{n}.csv" for n in (1, 2, 3)]
    manifest = {"executionId": "run-1", "dataFiles": [f"s3://exports/{p}" for p in parts[:2]]}
    objects = {parts[0]: _charges("1"), parts[2]: _charges("9")}
    objects["run/metadata/Manifest.json"] = json.dumps(manifest).encode()
    for key, content in objects.items():
        bucket.put_object(Bucket="exports", Key=key, Body=content)
    assert _codes(_take(ws, url)) == ["part-unlisted", "parts-missing"]
    assert [item.source for item in Store(ws).imports("charges")] == ["p1.csv"]
    bucket.put_object(Bucket="exports", Key=parts[1], Body=_charges("2"))
    bucket.delete_object(Bucket="exports", Key=parts[2])
    assert _codes(_take(ws, url)) == []
    assert not undecided(Store(ws), datetime(2100, 1, 1))
    assert _codes(_take(ws, url)) == [], "nothing is new"


def _codes(result: Any) -> list[str]:
    assert result.exception is None, result.output
    found = json.loads(result.stdout)["problems"]
    return sorted(one["code"] for one in found if one["code"].startswith("part"))


class _Answer(io.BytesIO):
    headers: ClassVar[dict[str, str]] = {"ETag": '"1"', "Content-Length": "9"}


def test_a_file_of_the_web_is_fetched_once_and_its_signature_is_kept_nowhere(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(urllib.request, "urlopen", lambda url, timeout: _Answer(_charges("1")))
    url = "https://files.example/2024-09/charges.csv?signature=secret"
    _take(tmp_path / "ws", url)
    (item,) = Store(tmp_path / "ws").imports("charges")
    assert item.source == "charges.csv" and item.facts["billed"] == {"CNY": "1.00"}
    again = _take(tmp_path / "ws", url)
    assert "1 object is as imported before" in again.stderr and "secret" not in again.output
    kept = [path.read_bytes() for path in (tmp_path / "ws").rglob("*") if path.is_file()]
    assert not any(b"secret" in content for content in kept)
    monkeypatch.setattr(_Answer, "headers", {"ETag": '"2"'})
    assert fetch_new(Store(tmp_path / "ws"), url, tmp_path / "more").known == 0


def test_an_address_without_a_bucket_lists_nothing(tmp_path: Path) -> None:
    for url in ("s3://", "gs:///", "abfs://"):
        with pytest.raises(Refused) as refusal:
            fetch_new(Store(tmp_path), url, tmp_path / "none")
        assert "names no bucket" in refusal.value.problems[0].words("what")


def test_azure_is_read_by_what_its_own_tools_read_of_the_environment(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """How it is asked for; the service itself was tried by hand (docs/how-to/own-data.md)."""
    exports = tmp_path / "exports" / "focus"
    exports.mkdir(parents=True)
    (exports / "part.csv").write_bytes(_charges("1"))
    asked: list[Any] = []

    def system(account: str, **how: str) -> Any:
        asked.append((account, how))
        return fs.SubTreeFileSystem(str(tmp_path), fs.LocalFileSystem())

    monkeypatch.setattr(fs, "AzureFileSystem", system)
    endpoint = "BlobEndpoint=http://127.0.0.1:10000/acme;"
    by_text = {"AZURE_STORAGE_CONNECTION_STRING": f"AccountName=acme;AccountKey=k==;{endpoint}"}
    by_key = {"AZURE_STORAGE_ACCOUNT": "acme", "AZURE_STORAGE_KEY": "k=="}
    signed = {"AZURE_STORAGE_SAS_TOKEN": "sig"}
    near = {f"{one}_storage_authority": "127.0.0.1:10000" for one in ("blob", "dfs")}
    near |= {f"{one}_storage_scheme": "http" for one in ("blob", "dfs")}
    tried = [
        (by_text, "abfs://exports/focus", ("acme", {"account_key": "k=="} | near)),
        (by_key, "abfs://exports/focus", ("acme", {"account_key": "k=="})),
        (signed, "abfss://exports@acme.dfs.core.windows.net/focus", ("acme", {"sas_token": "sig"})),
    ]
    for number, (said, url, expected) in enumerate(tried):
        with monkeypatch.context() as environment:
            for name, value in said.items():
                environment.setenv(name, value)
            found = fetch_new(Store(tmp_path / "ws"), url, tmp_path / f"to{number}")
        assert asked.pop() == expected and found.known == 0
        assert [one.path.read_bytes() for one in found.objects] == [_charges("1")]
        assert found.objects[0].url.endswith("://exports/focus/part.csv")
    with pytest.raises(Refused):  # neither account nor key
        fetch_new(Store(tmp_path / "ws"), "abfs://exports/focus", tmp_path / "none")
    assert not asked


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://files.example/a.csv?sig=secret", "https://files.example/a.csv"),
        ("https://me:secret@files.example/a.csv", "https://me@files.example/a.csv"),
        ("abfs://acme:secret@exports/focus", "abfs://acme@exports/focus"),
        (
            "abfss://exports@acme.dfs.core.windows.net/f",
            "abfss://exports@acme.dfs.core.windows.net/f",
        ),
        ("s3://key:secret@exports/focus?region=x", "s3://key@exports/focus"),
        ("gs://exports/a:b/c@d.csv", "gs://exports/a:b/c@d.csv"),
    ],
)
def test_what_is_secret_in_an_address_is_not_shown(url: str, shown: str) -> None:
    assert public(url) == shown
