"""Whether anything was closed after a bundle's close, by what the signer publishes."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import cache
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from fenrun.base.problem import Refused
from fenrun.base.when import parse_period
from fenrun.closing.anchors import FileAnchor
from fenrun.closing.heads import Head, heads_text, published, signed_heads
from fenrun.closing.keys import known_keys, rotate, signing_key
from fenrun.proof.bundle import make_bundle
from fenrun.proof.latest import closed_since
from fenrun.proof.verify import Verified, verify
from fenrun.store.facts import Store
from tests.closing.test_closing import Year
from tests.command import fenrun


@pytest.fixture(scope="module")
def year(tmp_path_factory: pytest.TempPathFactory) -> Year:
    """January and February closed, March known; P1's bundle of each."""
    made = Year(tmp_path_factory.mktemp("latest"))
    for month in (1, 2):
        period = f"2024-0{month}"
        made.charge(f"2024-0{month + 1}-02", f"{month}.csv", f"A1 900 {period}-10 {period}")
        made.close(period, f"2024-0{month + 1}-03")
        make_bundle(made.store, "P1", parse_period(period), made.folder / f"{period}.zip")
    made.charge("2024-04-02", "3.csv", "A1 900 2024-03-10 2024-03")
    return made


@cache
def _verified(year: Year, period: str = "2024-01") -> Verified:
    """What the bundle of a period says, verified once."""
    return verify(year.folder / f"{period}.zip")


def _written(folder: Path, heads: Sequence[Head]) -> str:
    path = folder / "heads.jsonl"
    path.write_text(heads_text(heads), "utf-8")
    return str(path)


def _codes(where: str, bundle: Verified, vouched: Sequence[str] = ()) -> list[str]:
    with pytest.raises(Refused) as refused:
        closed_since(where, bundle, vouched)
    return [problem.code for problem in refused.value.problems]


def test_a_bundle_of_the_newest_close_is_said_to_be_that(year: Year, tmp_path: Path) -> None:
    where = _written(tmp_path, signed_heads(year.store))
    assert [head.period for head in closed_since(where, _verified(year)).since] == ["2024-02"]
    assert closed_since(where, _verified(year, "2024-02")).since == ()


def test_every_form_of_what_is_published_is_read(year: Year, tmp_path: Path) -> None:
    """An anchor's file, what `key publish` wrote, a single head."""
    FileAnchor(tmp_path / "anchor").add(signed_heads(year.store))
    (tmp_path / "published.json").write_text(json.dumps(published(year.store), indent=1))
    for name in ("anchor", "published.json"):
        said = closed_since(str(tmp_path / name), _verified(year))
        assert [head.period for head in said.since] == ["2024-02"], name
    one = _written(tmp_path, signed_heads(year.store)[:1])
    assert closed_since(one, _verified(year)).since == ()


def test_what_is_published_says_nothing_unless_it_is_of_the_same_books(
    year: Year, tmp_path: Path
) -> None:
    heads, (january, february) = signed_heads(year.store), map(_verified, [year] * 2, PERIODS)
    assert _codes(_written(tmp_path, heads[:1]), february) == ["latest-behind"]
    assert _codes(_written(tmp_path, []), january) == ["latest-behind"]
    key = signing_key(year.store)

    def signed(head: Head) -> Head:
        return replace(head, signature=key.sign(head.content()).hex())

    for other in (
        signed(replace(heads[0], hash="0" * 64)),
        signed(replace(heads[0], root="0" * 64)),
        signed(replace(heads[0], seq=heads[0].seq + 1)),
    ):
        assert _codes(_written(tmp_path, [other, heads[1]]), january) == ["latest-differs"]
    assert _codes(_written(tmp_path, heads[1:]), january) == ["latest-differs"]
    unsigned = replace(heads[1], period="2024-03")
    assert _codes(_written(tmp_path, [heads[0], unsigned]), january) == ["latest-unreadable"]


PERIODS = ("2024-01", "2024-02")


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"heads": 1}', "<p>Our key</p>", '{"seq": 1}'])
def test_what_holds_no_heads_is_refused(year: Year, tmp_path: Path, text: str) -> None:
    (tmp_path / "text").write_text(text, "utf-8")
    expected = "latest-behind" if text == "" else "latest-unreadable"
    assert _codes(str(tmp_path / "text"), _verified(year)) == [expected]
    assert _codes(str(tmp_path / "missing"), _verified(year)) == ["latest-unreadable"]


def test_a_strangers_heads_do_not_count(year: Year, tmp_path: Path) -> None:
    stranger = signing_key(Store(tmp_path / "stranger"))
    public = stranger.public_key().public_bytes_raw().hex()
    unsigned = replace(signed_heads(year.store)[1], public_key=public)
    theirs = replace(unsigned, signature=stranger.sign(unsigned.content()).hex())
    where = _written(tmp_path, [signed_heads(year.store)[0], theirs])
    assert _codes(where, _verified(year)) == ["latest-key"]


def test_a_key_that_was_handed_over_counts_and_one_that_was_lost_does_not(tmp_path: Path) -> None:
    year = Year(tmp_path)
    year.charge("2024-02-02", "1.csv", "A1 900 2024-01-10 2024-01")
    year.close("2024-01", "2024-02-03")
    make_bundle(year.store, "P1", parse_period("2024-01"), tmp_path / "2024-01.zip")
    where = tmp_path / "published.json"

    def publish() -> str:
        where.write_text(json.dumps(published(year.store)), "utf-8")
        return str(where)

    rotate(year.store, "Beichen")
    rotate(year.store)
    assert closed_since(publish(), _verified(year)).since == ()
    said = json.loads(where.read_text())
    said["keys"][1]["name"] = "Another"
    where.write_text(json.dumps(said))
    assert _codes(str(where), _verified(year)) == ["latest-key"]
    rotate(year.store, lost=True)
    assert _codes(publish(), _verified(year)) == ["latest-key"]
    newest = known_keys(year.store)[-1].fingerprint
    assert closed_since(publish(), _verified(year), [newest]).since == ()


class _Page(BaseHTTPRequestHandler):
    content = b""

    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(self.content)

    def log_message(self, *said: object) -> None:
        pass


@pytest.fixture
def page(year: Year) -> Iterator[str]:
    _Page.content = json.dumps(published(year.store)).encode()
    with HTTPServer(("127.0.0.1", 0), _Page) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/trust/"
        server.shutdown()


def test_the_command_asks_an_address_and_says_it_in_words(year: Year, page: str) -> None:
    for lang, words in (
        ("en", "1 close is newer, the last of 2024-02"),
        ("zh-CN", "又有 1 次结账"),
    ):
        said = fenrun("verify", year.folder / "2024-01.zip", "--latest", page, lang=lang)
        assert said.code == 3 and words in said.out, said.err
    told = fenrun("verify", year.folder / "2024-01.zip", "--latest", page, "--json").json()
    assert [close["period"] for close in told["closed_since"]] == ["2024-02"]
    newest = fenrun("verify", year.folder / "2024-02.zip", "--latest", page)
    assert "nothing was closed after 2024-02" in newest.out
    gone = fenrun("verify", year.folder / "2024-02.zip", "--latest", "http://127.0.0.1:9/")
    assert gone.code == 1 and "latest-unreadable" in gone.err
