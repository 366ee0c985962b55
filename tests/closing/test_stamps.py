"""Heads stamped by a service (RFC 3161): one that the test makes, on loopback, by openssl."""

from __future__ import annotations

import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from unittest import mock

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from fenrun.closing.anchors import anchor_closes, broken_anchors
from fenrun.closing.heads import heads_text, signed_heads
from fenrun.closing.keys import signing_key
from fenrun.store.facts import Store
from tests.closing.test_anchors import _written_anew
from tests.closing.test_closing import Year
from tests.command import fenrun

pytest.importorskip("rfc3161_client")
NOW = datetime.now(UTC).replace(tzinfo=None, microsecond=0)
CONFIG = """
[tsa]
serial = {folder}/serial
crypto_device = builtin
signer_cert = {folder}/tsa.pem
signer_key = {folder}/tsa.key
signer_digest = sha256
digests = sha256, sha512
default_policy = 1.2.3.4.1
accuracy = secs:1
"""


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(x509.oid.NameOID.COMMON_NAME, text)])


def _service(folder: Path) -> Path:
    """Make a root, and the certificate of a service under it. Returns the folder."""
    folder.mkdir()
    root, own = (rsa.generate_private_key(65537, 2048) for _ in range(2))

    def certificate(name: str, key: rsa.RSAPublicKey, is_root: bool) -> bytes:
        made = x509.CertificateBuilder().subject_name(_name(name)).issuer_name(_name("Root"))
        made = made.public_key(key).serial_number(x509.random_serial_number())
        made = made.not_valid_before(NOW - timedelta(days=1))
        made = made.not_valid_after(NOW + timedelta(days=9))
        made = made.add_extension(x509.BasicConstraints(is_root, None), critical=True)
        if not is_root:
            use = x509.ExtendedKeyUsage([x509.oid.ExtendedKeyUsageOID.TIME_STAMPING])
            made = made.add_extension(use, critical=True)
        ready = made.sign(root, hashes.SHA256())
        return ready.public_bytes(serialization.Encoding.PEM)

    (folder / "roots.pem").write_bytes(certificate("Root", root.public_key(), True))
    (folder / "tsa.pem").write_bytes(certificate("Stamps", own.public_key(), False))
    pem = own.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    (folder / "tsa.key").write_bytes(pem)
    (folder / "serial").write_text("01\n")
    (folder / "tsa.cnf").write_text(CONFIG.format(folder=folder))
    return folder


class _Stamps(BaseHTTPRequestHandler):
    folder = Path()

    def do_POST(self) -> None:
        query = self.folder / "query"
        query.write_bytes(self.rfile.read(int(self.headers["Content-Length"])))
        words = ("ts", "-reply", "-config", self.folder / "tsa.cnf", "-section", "tsa")
        done = subprocess.run(["openssl", *words, "-queryfile", query], capture_output=True)
        self.send_response(200 if done.returncode == 0 else 500)
        self.end_headers()
        self.wfile.write(done.stdout)

    def log_message(self, *said: object) -> None:
        pass


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    """The address of a service, and its certificates."""
    if not shutil.which("openssl"):
        pytest.skip("openssl is not installed")
    _Stamps.folder = _service(tmp_path_factory.mktemp("tsa") / "service")
    with HTTPServer(("127.0.0.1", 0), _Stamps) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/", _Stamps.folder / "roots.pem"
        server.shutdown()


@pytest.fixture(scope="module")
def shared(
    tmp_path_factory: pytest.TempPathFactory, service: tuple[str, Path]
) -> tuple[Path, Path]:
    """A workspace that closed January now, and a folder for its stamps that has its stamp."""
    year = Year(tmp_path_factory.mktemp("stamps"))
    year.store.clock = lambda: NOW
    year.charge("2024-02-02", "january.csv", "A1 900 2024-01-10 2024-01")
    year.close("2024-01", "2024-02-03")
    stamps = year.folder / "stamps"
    stamps.mkdir()
    (stamps / "url.txt").write_text(service[0] + "\n")
    shutil.copy(service[1], stamps / "roots.pem")
    (year.store.path / "signing.yaml").write_text(f"anchors: ['tsa:{stamps}']\n")
    assert anchor_closes(year.store) == []
    return year.store.path, stamps


@pytest.fixture
def stamped(shared: tuple[Path, Path], tmp_path: Path) -> tuple[Store, Path]:
    """A copy of both."""
    for path in shared:
        shutil.copytree(path, tmp_path / path.name)
    (tmp_path / "ws/signing.yaml").write_text(f"anchors: ['tsa:{tmp_path}/stamps']\n")
    return Store(tmp_path / "ws"), tmp_path / "stamps"


def _codes(store: Store) -> list[str]:
    return [problem.code for problem in broken_anchors(store)]


def test_a_stamped_close_is_verified_with_fenrun_and_without(
    stamped: tuple[Store, Path], service: tuple[str, Path]
) -> None:
    store, stamps = stamped
    assert _codes(store) == [] and anchor_closes(store) == []
    (line,) = stamps.glob("*.json")
    assert line.read_text() == heads_text(signed_heads(store))
    words = ("ts", "-verify", "-data", line, "-in", line.with_suffix(".tsr"))
    done = subprocess.run(
        ["openssl", *words, "-CAfile", service[1]], capture_output=True, text=True
    )
    assert "Verification: OK" in done.stdout + done.stderr
    assert fenrun("audit", "verify", store.path).code == 0


def test_a_log_written_anew_differs_and_a_new_stamp_of_it_is_late(
    stamped: tuple[Store, Path],
) -> None:
    store, stamps = stamped
    _written_anew(store, "approved")
    assert _codes(store) == ["anchor-differs"]
    assert [problem.code for problem in anchor_closes(store)] == ["anchor-differs"]
    for path in (*stamps.glob("*.tsr"), *stamps.glob("*.json")):
        path.unlink()
    assert _codes(store) == ["anchor-behind"]
    assert anchor_closes(store) == [] and _codes(store) == []  # stamped the same day
    (seen,) = stamps.glob("*.json")
    for path in (seen.with_suffix(".tsr"), seen):
        path.unlink()
    with store.log.writing() as log:
        log.connection.execute(
            "UPDATE events SET at = '2024-02-03T00:00:00Z' WHERE kind = 'closes'"
        )
    assert anchor_closes(store) == []
    (problem,) = broken_anchors(store)
    assert problem.code == "anchor-late" and problem.values["at"] == "2024-02-03T00:00:00Z"
    assert problem.values["stamped"] >= f"{NOW:%Y-%m-%d}"


def _of_another_line(store: Store, stamps: Path) -> None:
    (line,) = stamps.glob("*.json")
    (head,) = signed_heads(store)
    other = replace(head, period="2023-12")
    signed = replace(other, signature=signing_key(store).sign(other.content()).hex())
    line.write_text(heads_text([signed]))


def _of_a_stranger(store: Store, stamps: Path) -> None:
    shutil.copy(_service(stamps.parent / "stranger") / "roots.pem", stamps / "roots.pem")


def _cut(store: Store, stamps: Path) -> None:
    (answer,) = stamps.glob("*.tsr")
    answer.write_bytes(answer.read_bytes()[:-1])


def _another_time(store: Store, stamps: Path) -> None:
    (answer,) = stamps.glob("*.tsr")
    year = f"{NOW:%Y%m%d}".encode()
    content = answer.read_bytes()
    assert year in content
    answer.write_bytes(content.replace(year, b"20200101"))


def _gone(store: Store, stamps: Path) -> None:
    (answer,) = stamps.glob("*.tsr")
    answer.unlink()


@pytest.mark.parametrize("spoil", [_of_another_line, _of_a_stranger, _cut, _another_time, _gone])
def test_what_is_no_stamp_of_a_head_by_a_trusted_service_is_refused(
    stamped: tuple[Store, Path], spoil: object
) -> None:
    assert callable(spoil)
    spoil(*stamped)
    assert _codes(stamped[0]) == ["anchor-unreadable"]


def test_an_answer_that_is_no_stamp_is_not_kept(stamped: tuple[Store, Path]) -> None:
    """And the close is done all the same."""
    store, stamps = stamped
    for path in stamps.glob("*-*"):
        path.unlink()
    (stamps / "url.txt").write_text("http://127.0.0.1:9/")
    assert [problem.code for problem in anchor_closes(store)] == ["anchor-unwritten"]
    assert list(stamps.glob("*-*")) == []
    with mock.patch.dict(sys.modules, {"rfc3161_client": None}):
        (problem,) = anchor_closes(store)
    assert problem.code == "anchor-unwritten" and "fenrun[stamps]" in problem.words("what", "en")
