"""A portal that really runs: a demo world, its database, the server in a process of its own."""

from __future__ import annotations

import importlib
import json
import multiprocessing
import os
import re
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest import mock

import httpx
import pytest

from fenrun.portal.access import reader
from tests.processes import command, start

PG = (
    Path(
        shutil.which("initdb")
        or next(iter(sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), reverse=True)), "")
    )
    .resolve()
    .parent
)
"""Where PostgreSQL's programs are, if they are installed."""
_ROOT = Path(__file__).parents[2]
DATABASES = ("sqlite", "postgresql")


def port() -> int:
    """A free port on loopback."""
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return int(s.getsockname()[1])


@contextmanager
def postgresql() -> Iterator[str]:
    """A PostgreSQL of its own on loopback, its owner no superuser. Gives its address."""
    with tempfile.TemporaryDirectory(prefix="fenrun-pg-") as aside:
        folder, number = Path(aside) / "data", port()
        as_user: list[str] = []
        if os.geteuid() == 0:  # PostgreSQL does not run as root
            shutil.chown(aside, "postgres")
            as_user = ["runuser", "-u", "postgres", "--"]

        def run(*words: object) -> None:
            done = subprocess.run(
                [*as_user, *map(str, words)],
                capture_output=True,
                text=True,
                timeout=120,
                check=False,
                cwd=aside,
            )
            assert done.returncode == 0, done.stdout + done.stderr

        run(
            PG / "initdb",
            "-D",
            folder,
            "-U",
            "admin",
            "--auth=trust",
            "--no-sync",
            "-E",
            "UTF8",
            "--locale=C.UTF-8",
        )
        run(
            PG / "pg_ctl",
            "-D",
            folder,
            "-w",
            "-l",
            folder / "log",
            "-o",
            f"-c listen_addresses=127.0.0.1 -p {number}"
            f" -c unix_socket_directories='{folder}' -c fsync=off",
            "start",
        )
        try:
            run(
                PG / "psql",
                "-h",
                "127.0.0.1",
                "-p",
                number,
                "-U",
                "admin",
                "-d",
                "postgres",
                "-q",
                "-c",
                "CREATE ROLE fenrun LOGIN",
                "-c",
                "CREATE DATABASE fenrun OWNER fenrun",
            )
            url = f"postgres://fenrun@127.0.0.1:{number}/fenrun"
            reader.run(url, "", url.replace("fenrun@", "admin@"))
            yield url
        finally:
            run(PG / "pg_ctl", "-D", folder, "-w", "-m", "immediate", "stop")


@dataclass
class Portal:
    """A running portal and how to sign in to it."""

    address: str
    workspace: Path
    password: str
    parties: dict[str, str]
    """The party of each invented account; nothing for those who see everything."""
    env: dict[str, str]
    database: str
    pid: int
    """The server's process."""

    @contextmanager
    def sign_in(self, name: str, lang: str = "en") -> Iterator[httpx.Client]:
        """A browser's session of somebody: a client with its cookies and its form token."""
        with httpx.Client(
            base_url=self.address,
            headers={"Accept-Language": lang, "Referer": self.address},
            timeout=60,
        ) as client:
            said = client.post(
                "/account/login/",
                data={
                    "login": name,
                    "password": self.password,
                    "csrfmiddlewaretoken": form_token(client, "/account/login/"),
                },
            )
            assert said.status_code == 302, said.text
            client.headers["X-CSRFToken"] = client.cookies["csrftoken"]
            yield client

    @contextmanager
    def token(self, name: str, scopes: str = "read") -> Iterator[httpx.Client]:
        """A program's client with a token of somebody."""
        with self.sign_in(name) as client:
            page = client.post(
                "/access/token/", data={"name": "test", "scopes": scopes, "days": "7"}
            )
        secret = re.search(r"fenrun_[\w-]{30,}", page.text)
        assert secret, page.text
        with httpx.Client(
            base_url=self.address, headers={"Authorization": f"Bearer {secret.group()}"}, timeout=60
        ) as client:
            yield client

    def python(self, code: str) -> Any:
        """Run some code beside the server, on its database; gives the JSON that it prints."""
        return beside(self.workspace, self.env, code)


def beside(workspace: Path, env: dict[str, str], code: str) -> Any:
    """Run some code with Django ready for a workspace; gives the JSON that it prints."""
    with tempfile.TemporaryDirectory(prefix="fenrun-said-") as said:
        out, err = Path(said) / "out", Path(said) / "err"
        process = start(_run_ready, workspace, code, out=out, err=err, env=env, cwd=Path(said))
        process.join(400)  # where many tests run a story waits for its turns
        assert process.exitcode == 0, err.read_text("utf-8")
        return json.loads(out.read_text("utf-8"))


def _run_ready(workspace: Path, code: str) -> None:
    from fenrun.portal import serve
    from tests.preloaded import empty_database

    empty_database(workspace)
    serve.ready(workspace)
    exec(code, {})


def tried(database: str, folder: Path, module: str, *words: object) -> list[dict[str, Any]]:
    """Run a module that tries things on a portal of its own; return what each line of it says.

    On PostgreSQL it has a server of its own. Skips where that is not installed.
    """
    on_pg = database == "postgresql"
    if on_pg and not (PG / "initdb").exists():
        pytest.skip("PostgreSQL is not installed")
    with postgresql() if on_pg else nullcontext("") as url:
        env = environment(folder / "now" / "workspace", url, TMPDIR=str(folder))
        out, err = folder / "tried", folder / "errors"
        given = (module, folder, *words)
        process = start(_run_main, *given, out=out, err=err, env=env, cwd=_ROOT)
        process.join(7200)
    assert process.exitcode == 0, err.read_text("utf-8")[-3000:]
    return [json.loads(line) for line in out.read_text("utf-8").splitlines()]


def _run_main(module: str, *given: object) -> None:
    importlib.import_module(module).main(*given)


def form_token(client: httpx.Client, page: str) -> str:
    found = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', client.get(page).text)
    assert found
    return found.group(1)


def environment(workspace: Path, url: str = "", **more: str) -> dict[str, str]:
    """The environment of a portal of a workspace; `url` of its PostgreSQL, if it has one."""
    others = ("DATABASE_URL", "FENRUN_READER_URL", "FENRUN_HOSTS", "DJANGO_SETTINGS_MODULE")
    env = {key: value for key, value in os.environ.items() if key not in others}
    if url:
        env["DATABASE_URL"] = url
    return env | {
        "FENRUN_LANG": "en",
        "DJANGO_SETTINGS_MODULE": "tests.portal.settings",
        "PYTHONUNBUFFERED": "1",
        "FENRUN_WORKSPACE": str(workspace),
        **more,
    }


def _serve_anew(workspace: Path, number: int) -> None:
    """Be `fenrun serve`."""
    from tests.preloaded import empty_database

    empty_database(workspace)
    _fork_workers(workspace)
    command("serve", str(workspace), "--port", str(number))


def _fork_workers(workspace: Path) -> None:
    """Start the portal's workers before it reads anything: forks, not seconds of imports.

    Those that take the place of one that has ended are spawned, as they are by `fenrun serve`.
    """
    from fenrun.portal import serve, workers

    serve.ready(workspace)
    from fenrun.portal.commands import plans, questions

    assert {questions.of_run, questions.what_if, plans.worker} == set(workers._workers)
    forks = multiprocessing.get_context("fork")
    with mock.patch.object(multiprocessing, "get_context", lambda method: forks):
        for worker in workers._workers:
            worker.do(os.getpid)


def _serve_prepared(workspace: Path, number: int) -> None:
    """Do what `fenrun serve` does after it has put in what is settled."""
    from fenrun.portal import serve

    _fork_workers(workspace)
    password, accounts = serve.demo_accounts()
    print(f"password {password} as")
    for name, role, party in accounts:
        print(f"  {name} {role} {party}")
    serve.serve("127.0.0.1", number, lambda port: print(f"http://127.0.0.1:{port}/", flush=True))


@contextmanager
def served(
    world: Path,
    database: str,
    url: str = "",
    in_place: bool = False,
    prepared: bool = False,
    **more: str,
) -> Iterator[Portal]:
    """Serve a world, or a copy of it, so that closing a period in it harms no other test.

    With `prepared` the world's own database is taken as it is: all that is settled is in it.
    """
    with tempfile.TemporaryDirectory(prefix="fenrun-portal-") as aside:
        workspace = world if in_place else Path(aside) / "workspace"
        if not in_place:
            shutil.copytree(world, workspace)
        env = environment(workspace, url, **more)
        number = port()
        out, err = Path(aside) / "out", Path(aside) / "errors"
        os.mkfifo(out)
        streams = {"out": out, "err": err, "env": env, "cwd": Path(aside)}
        work = _serve_prepared if prepared else _serve_anew
        server = start(work, workspace, number, **streams)
        with out.open("r", encoding="utf-8") as printed:
            try:
                said = []
                for line in printed:
                    said.append(line)
                    if "http://" in line:
                        break
                else:
                    raise AssertionError(err.read_text("utf-8"))
                password = re.search(r"password (\S+) as", "".join(said))
                assert password
                parties = {}
                for words in (line.split() for line in said if line.startswith("  ")):
                    parties[words[0]] = words[2] if len(words) > 2 else ""
                address = f"http://127.0.0.1:{number}"
                pid = server.pid or 0
                yield Portal(address, workspace, password.group(1), parties, env, database, pid)
            finally:
                server.terminate()
                server.join(30)
