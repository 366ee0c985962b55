"""Two real processes of the portal on one workspace and database, one of them under a path.

What one does the other shows; what the command line does both show; who is told is told once; one
that is stopped finishes what it does.
"""

from __future__ import annotations

import json
import os
import queue
import re
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import pytest

from tests.command import fenrun
from tests.portal.conftest import loaded
from tests.portal.served import DATABASES, PG, Portal, served
from tests.portal.test_hooks import Told, receiving

pytestmark = pytest.mark.in_turn(3, whole=True)

ROOT = "/fenrun"


class Both(NamedTuple):
    one: Portal
    other: Portal
    told: queue.Queue[Told]
    """What arrives at a webhook of the partner's."""


@pytest.fixture(scope="module", params=DATABASES)
def both(request: pytest.FixtureRequest, world: Path) -> Iterator[Both]:
    """Two portals on each database; by day on PostgreSQL, where it is installed, at night on both.

    On PostgreSQL each starts as `fenrun serve` does.
    """
    database, has_pg = request.param, (PG / "initdb").exists()
    if not has_pg and database == "postgresql":
        pytest.skip("PostgreSQL is not installed")
    if has_pg and database == "sqlite" and "FENRUN_NIGHTLY" not in os.environ:
        pytest.skip("at night")
    on_pg = database == "postgresql"
    with (
        loaded(world) if on_pg else nullcontext("") as url,
        receiving() as (address, told),
        served(world, database, url, prepared=not on_pg, FENRUN_HOOKS_INSIDE=address + "/") as one,
        served(
            one.workspace,
            database,
            url,
            in_place=True,
            prepared=not on_pg,
            FENRUN_ROOT_PATH=ROOT,
            FENRUN_HOOKS_INSIDE=address + "/",
        ) as other,
    ):
        one.password = other.password  # the second to start has set them anew
        other.address += ROOT
        with one.token("partner", "read act") as client:
            hook = {"url": f"{address}/", "events": ["statement"]}
            assert client.post("/api/hooks", json=hook).status_code == 201
        yield Both(one, other, told)


def _until(holds: Callable[[], bool]) -> bool:
    for _ in range(120):
        if holds():
            return True
        time.sleep(0.25)
    return False


def _told(both: Both) -> list[tuple[str, bool]]:
    """The periods that the webhook was told of, and whether as closed."""
    found = [json.loads(body) for _, _, body in list(both.told.queue)]
    return [(said["period"], said["closed"]) for said in found]


def _shown(client: httpx.Client, period: str) -> dict[str, Any]:
    return next(row for row in client.get("/api/periods").json()["rows"] if row["key"] == period)


def _is_recent(at: str) -> bool:
    """Whether something is dated when it was done, not as of which moment."""
    return datetime.now(UTC) - datetime.fromisoformat(at) < timedelta(hours=1)


def test_health_is_told_to_whoever_asks(both: Both) -> None:
    for portal in both[:2]:
        for path, key in (("/healthz", "alive"), ("/readyz", "ready")):
            answer = httpx.get(portal.address + path, headers={"Host": "10.1.2.3"})
            assert (answer.status_code, answer.json()[key]) == (200, True)
        assert set(answer.json()) == {"ready", "database", "workspace", "shown", "log"}


def test_every_address_stays_under_the_path(both: Both) -> None:
    portal = both.other
    for name in ("operations", "partner"):
        with portal.sign_in(name) as client:
            assert {cookie.path for cookie in client.cookies.jar} == {f"{ROOT}/"}
            seen, left = set(), ["/", "/account/password/change/", "/language/", "/access/"]
            while left and len(seen) < 40:
                path = left.pop()
                seen.add(path)
                answer = client.get(path)
                leads = re.findall(r'(?:href|action|src|hx-get|hx-post)="(/[^"]*)"', answer.text)
                leads += [answer.headers.get("Location", f"{ROOT}/")]
                outside = [lead for lead in leads if not lead.startswith(f"{ROOT}/")]
                assert not outside, (path, outside)
                own = {lead.removeprefix(ROOT).split("#")[0] for lead in leads}
                left += sorted(own - seen - {"/account/logout/"})
            assert len(seen) == 40
            style = next(path for path in seen if path.endswith(".css"))
            assert client.get(style).headers["Content-Type"].startswith("text/css")
            said = client.post("/language/", data={"language": "zh-hans", "next": "//example.com"})
            assert said.headers["Location"] == f"{ROOT}/"
            assert f"Path={ROOT}/" in said.headers["Set-Cookie"]
            out = client.post("/account/logout/")
            assert out.headers["Location"] == f"{ROOT}/"


def test_who_signs_out_of_one_is_out_of_both(both: Both) -> None:
    one, other, _ = both
    with one.sign_in("partner") as client:
        cookie = {"Cookie": f"sessionid={client.cookies['sessionid']}"}
        page = httpx.get(other.address + "/access/", headers=cookie)
        assert page.status_code == 200
        assert client.post("/account/logout/").status_code == 302
    assert httpx.get(other.address + "/access/", headers=cookie).status_code == 302


def test_an_import_of_one_is_shown_by_the_other(both: Both) -> None:
    one, other, _ = both
    with one.token("operations", "read act") as here, other.token("operations") as there:
        job = here.post("/api/import", files={"files": ("note.txt", b"no charges")}).json()
        found = there.get(f"/api/import/{job['number']}")
        assert (found.status_code, found.json()["files"]) == (200, ["note.txt"])
        assert _until(lambda: there.get(f"/api/import/{job['number']}").json()["over"])
        assert there.get(f"/api/import/{job['number']}").json()["problems"]


def test_wrong_passwords_of_one_wait_at_the_other(both: Both) -> None:
    one, other, _ = both

    def tried(portal: Portal) -> str:
        with httpx.Client(base_url=portal.address, headers={"Referer": portal.address}) as client:
            form = client.get("/account/login/").text
            token = re.findall(r'name="csrfmiddlewaretoken" value="(\w+)"', form)[0]
            data = {"login": "rep", "password": "wrong", "csrfmiddlewaretoken": token}
            return client.post("/account/login/", data=data).text

    said = [tried(one) for _ in range(5)]
    assert "Too many" in said[-1] and "Too many" not in said[0]
    assert "Too many" in tried(other)


def test_what_the_command_line_does_is_shown_by_both(both: Both, tmp_path: Path) -> None:
    one, other, _ = both
    moved = tmp_path / "parties.yaml"
    moved.write_text("parties: [{party: P99999, kind: partner, name: New}]\n", "utf-8")
    with one.token("operations", "read act") as here, other.token("operations") as there:
        before = _shown(here, "2024-12")["run"]
        for words in (
            ("import", one.workspace, moved),
            ("settle", one.workspace, "--period", "2024-12"),
            ("close", one.workspace, "--period", "2024-01", "--reason", "Agreed"),
        ):
            done = fenrun(*words)
            assert done.code == 0, done.err
        for client in (here, there):
            assert _until(lambda: _shown(client, "2024-01")["closed"])  # noqa: B023
            assert _until(lambda: _shown(client, "2024-12")["run"] != before)  # noqa: B023
            assert _is_recent(_shown(client, "2024-01")["closed_at"])
        assert here.post("/api/periods/2024-11/settle").json()["changed"]
        done = there.get("/api/log", params={"actor": "operations", "size": 200}).json()["rows"]
        (run,) = (row for row in done if row["kind"] == "runs")
        assert _is_recent(run["at"])
    with other.sign_in("operations") as client:
        assert re.search(r"closed\s*</span>\s*on 20", client.get("/periods/2024-01/").text)


def test_two_who_give_the_same_grant_at_once_give_one(both: Both) -> None:
    names = [f"new{number}" for number in range(6)]
    start = threading.Barrier(2)

    def give(client: httpx.Client) -> None:
        for name in names:
            start.wait(60)
            said = {"user": name, "role": "partner", "party": "P00002", "reason": "At once."}
            assert client.post("/api/grants", json=said).status_code == 201

    with (
        both.one.token("operations", "read act") as here,
        both.other.token("second", "read act") as there,
    ):
        threads = [threading.Thread(target=give, args=(client,)) for client in (here, there)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(120)
        given = [
            row for row in here.get("/api/grants").json()["rows"] if row["reason"] == "At once."
        ]
        assert len(given) == len(names)


def test_one_that_is_stopped_finishes_its_close(both: Both) -> None:
    one, other, _ = both
    with (
        one.token("operations", "read act") as first,
        one.token("second", "read act") as second,
        other.token("operations") as there,
    ):
        rows = first.get("/api/periods").json()["rows"]
        period = min(row["key"] for row in rows if not row["closed"])
        assert first.post(f"/api/periods/{period}/settle").status_code == 200
        reply = first.post(f"/api/periods/{period}/close", json={"reason": "As agreed"})
        assert reply.status_code == 201, reply.text
        asked = reply.json()["id"]
        answers: list[httpx.Response] = []
        approve = threading.Thread(
            target=lambda: answers.append(second.post(f"/api/approvals/{asked}"))
        )
        approve.start()
        time.sleep(0.3)
        os.kill(one.pid, signal.SIGTERM)
        approve.join(120)
        assert [answer.status_code for answer in answers] == [200]
        assert _shown(there, period)["closed"]
        assert _until(lambda: (period, True) in _told(both))
        assert len(_told(both)) == len(set(_told(both))), "each is told once"
        with pytest.raises(httpx.TransportError):
            httpx.get(one.address + "/healthz")
