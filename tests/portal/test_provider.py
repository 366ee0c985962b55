"""Signing in through a provider of OpenID Connect that really answers, on loopback."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from tests.command import fenrun
from tests.portal.served import Portal, served

pytestmark = pytest.mark.filterwarnings(
    "ignore:get_jwt_config:DeprecationWarning", "ignore:authlib.jose"
)  # of the provider, not ours
PEOPLE = {"1": "newcomer", "2": "operations", "3": "nobody", "4": "watcher", "5": "newcomer"}
"""The provider's own number for somebody, and the name he has there."""


@pytest.fixture(scope="module")
def provided(world: Path) -> Iterator[Portal]:
    import oidc_provider_mock  # in the one worker that asks it

    users = [
        oidc_provider_mock.User(
            sub=sub, claims={"preferred_username": name, "email": f"{name}@example.com"}
        )
        for sub, name in PEOPLE.items()
    ]
    with (
        oidc_provider_mock.run_server_in_thread(user_claims=users) as server,
        served(
            world,
            "sqlite",
            prepared=True,
            FENRUN_OIDC_URL=f"http://localhost:{server.server_port}",
            FENRUN_OIDC_CLIENT="fenrun",
            FENRUN_OIDC_SECRET="kept",
            FENRUN_OIDC_NAME="Example ID",
        ) as found,
    ):
        yield found


@contextmanager
def _person(portal: Portal) -> Iterator[httpx.Client]:
    with httpx.Client(
        base_url=portal.address, headers={"Referer": portal.address}, timeout=60
    ) as client:
        yield client


def _come_by_provider(client: httpx.Client, sub: str, way: str = "") -> httpx.Response:
    """Go to the provider, say there who one is, and come back."""
    there = client.get(f"/account/oidc/provider/login/{way}").headers["Location"]
    assert "code_challenge=" in there and "state=" in there and "elsewhere" not in there
    back = httpx.post(there, data={"sub": sub}).headers["Location"]
    where = urlsplit(back)
    return client.get(f"{where.path}?{where.query}", follow_redirects=True)


def test_who_has_a_role_and_no_password_comes_by_the_provider(provided: Portal) -> None:
    with provided.sign_in("operations") as client:
        assert (
            client.post(
                "/access/give/",
                data={"user": "newcomer", "role": "auditor", "party": "", "reason": "Looks on."},
            ).status_code
            == 302
        )
    with _person(provided) as client:
        assert "Sign in with Example ID" in client.get("/account/login/").text
        assert _come_by_provider(client, "1").url.path == "/"
        assert "Connected with Example ID" in client.get("/access/").text
    with provided.sign_in("operations") as one, provided.sign_in("second") as two:
        asked = {"user": "newcomer", "role": "operations", "party": "", "reason": "Helps."}
        assert one.post("/access/give/", data=asked).status_code == 302
        shown = re.sub(r"\s+", " ", two.get("/access/").text)
        assert "made by operations" in shown and "taken up at the provider as 1" in shown
        number = re.findall(r"/access/(\d+)/approve/", shown)[-1]
        assert one.post(f"/access/{number}/approve/").status_code == 409
    with _person(provided) as client:
        assert _come_by_provider(client, "1").url.path == "/", "and again"
    with _person(provided) as client:
        page = _come_by_provider(client, "5")
        assert page.status_code == 403 and "no account here for you" in page.text, (
            "another of that name at the provider is somebody else"
        )
        assert client.get("/periods/").status_code == 302


def test_nobody_gets_an_account_by_his_name_at_the_provider(provided: Portal) -> None:
    for sub in ("2", "3"):
        with _person(provided) as client:
            page = _come_by_provider(client, sub)
            assert page.status_code == 403 and "no account here for you" in page.text, PEOPLE[sub]
            assert client.get("/periods/").status_code == 302
    with _person(provided) as client:
        page = client.get(
            "/account/oidc/provider/login/callback/?code=made-up&state=made-up",
            follow_redirects=True,
        )
        assert "Signing in did not work" in page.text and client.get("/periods/").status_code == 302
        for path in ("/account/3rdparty/", "/account/3rdparty/signup/", "/account/signup/"):
            assert client.get(path).status_code == 404, path


def test_the_owner_of_a_password_connects_the_two(provided: Portal) -> None:
    with provided.sign_in("auditor") as client:
        assert "Connect with Example ID" in client.get("/access/").text
        assert client.get("/account/oidc/provider/login/?process=connect").status_code == 403, (
            "a link from elsewhere connects nobody"
        )
        assert "Go on" in client.post("/access/connect/").text
        assert (
            _come_by_provider(
                client, "4", "?process=connect&auth_params=redirect_uri%3Dhttps://elsewhere.example"
            ).url.path
            == "/access/"
        )
        assert client.get("/account/oidc/provider/login/?process=connect").status_code == 403, (
            "the form holds once"
        )
        assert "Connected with Example ID" in client.get("/access/").text
    with _person(provided) as client:
        assert _come_by_provider(client, "4").url.path == "/"
        assert re.search(r"<span>auditor</span>", client.get("/periods/").text)


def test_a_provider_that_others_could_answer_for_is_refused(
    world: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FENRUN_OIDC_URL", "http://id.example.com")
    monkeypatch.setenv("FENRUN_OIDC_CLIENT", "fenrun")
    done = fenrun("serve", world, "--port", 0)
    assert done.code == 1 and "Nobody can sign in through http://id.example.com" in done.err
