"""The pieces of the page on operations are what the programs that read them take."""

from __future__ import annotations

import re
import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest

from fenrun.cli import COMMANDS

ROOT = Path(__file__).parent.parent
PAGE = (ROOT / "docs/how-to/operations.md").read_text("utf-8")
_NGINX = shutil.which("nginx") or "/usr/sbin/nginx"


def _piece(language: str) -> str:
    (found,) = re.findall(rf"^```{language}\n(.*?)^```", PAGE, re.M | re.S)
    return str(found)


@pytest.mark.skipif(not Path(_NGINX).exists(), reason="nginx is not installed")
def test_nginx_takes_its_configuration(tmp_path: Path) -> None:
    """But for TLS, whose certificate is not here."""
    server = re.sub(r"^ *ssl_.*\n", "", _piece("nginx"), flags=re.M).replace("443 ssl", "8443")
    config = tmp_path / "nginx.conf"
    config.write_text(f"pid {tmp_path}/pid; events {{}} http {{ access_log off;\n{server} }}")
    words = [_NGINX, "-t", "-q", "-e", "stderr", "-c", str(config)]
    done = subprocess.run(words, capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="systemd is not installed")
def test_systemd_takes_the_unit(tmp_path: Path) -> None:
    text = _piece("ini")
    assert "ExecStart=/opt/fenrun/bin/fenrun serve" in text
    unit = tmp_path / "fenrun.service"
    unit.write_text(text.replace("/opt/fenrun/bin/fenrun", "/bin/true"))
    words = ["systemd-analyze", "verify", "--man=no", str(unit)]
    done = subprocess.run(words, capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 0 and "Unknown" not in done.stderr, done.stderr


def test_the_image_needs_only_the_wheel() -> None:
    """It takes nothing else of the checkout, and extras that there are."""
    text = (ROOT / "Containerfile").read_text("utf-8")
    assert not re.search(r"^(COPY|ADD)\b", text, re.M)
    assert re.findall(r"source=(\w+)", text) == ["dist"]
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    (extras,) = re.findall(r"fenrun\[([\w,]+)\] @", text)
    assert {*extras.split(",")} <= project["optional-dependencies"].keys()
    assert re.findall(r'ENTRYPOINT \["(\w+)"\]', text) == [*project["scripts"]]
    started = re.findall(r"^podman run .* fenrun (\w+) ", PAGE, re.M)
    assert started and {*started} <= COMMANDS.keys()
