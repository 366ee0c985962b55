"""An assistant's own client: it sees what the token's user sees, and changes nothing."""

from __future__ import annotations

import asyncio
import json
import sys
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from importlib.util import find_spec
from typing import Any, ClassVar

import pytest

from fenrun.base.problem import Refused
from fenrun.portal import assistant
from tests.portal.served import Portal

# Reading it takes two seconds, which only the worker that asks it should spend.
WITH_MCP = pytest.mark.skipif(find_spec("mcp") is None, reason="mcp is not installed")


def _asked(
    portal: Portal, token: str, *calls: tuple[str, dict[str, Any]]
) -> tuple[list[str], list[Any]]:
    """The names of the tools, and what each call answers."""
    import mcp
    from mcp.client.stdio import stdio_client

    async def talk() -> tuple[list[str], list[Any]]:
        server = mcp.StdioServerParameters(
            command=sys.executable,
            args=["-m", "fenrun", "mcp", portal.address],
            env={**portal.env, "FENRUN_TOKEN": token},
        )
        async with stdio_client(server) as (read, write), mcp.ClientSession(read, write) as session:
            await session.initialize()
            tools = (await session.list_tools()).tools
            names = [t.name for t in tools]
            assert all(t.annotations and t.annotations.read_only_hint for t in tools)
            answers = []
            for name, words in calls:
                said = await session.call_tool(name, words)
                answers.append([json.loads(c.text) for c in said.content])
            return names, answers

    return asyncio.run(asyncio.wait_for(talk(), 120))


class _LeadsOn(BaseHTTPRequestHandler):
    """A portal that leads elsewhere; what comes is taken down."""

    came: ClassVar[list[tuple[str, str]]] = []

    def do_GET(self) -> None:
        self.came.append((self.path, self.headers.get("Authorization", "")))
        self.send_response(302)
        self.send_header("Location", f"http://localhost:{self.server.server_address[1]}/elsewhere")
        self.end_headers()

    def log_message(self, *said: Any) -> None:
        pass


@WITH_MCP
def test_the_token_is_sent_to_the_portal_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    with HTTPServer(("127.0.0.1", 0), _LeadsOn) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        address = f"http://127.0.0.1:{server.server_address[1]}"
        monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
        with pytest.raises(Refused) as caught:
            assistant.Portal(address, "secret").get("me")
        server.shutdown()
    assert [p.code for p in caught.value.problems] == ["mcp-missing"]
    assert _LeadsOn.came == [("/api/me", "Bearer secret")]


@pytest.mark.in_turn(3)
@WITH_MCP
def test_an_assistant_reads_what_its_user_may(portal: Portal) -> None:
    party = portal.parties["partner"]
    with portal.token("partner") as mine, portal.token("auditor") as auditor:
        token = mine.headers["Authorization"].partition(" ")[2]
        row = mine.get("/api/statements").json()["rows"][0]
        other = next(
            r for r in auditor.get("/api/statements").json()["rows"] if r["payee"] != party
        )
        line = mine.get(f"/api/statements/{row['period']}/{party}").json()["lines"][0]["line"]
    names, answers = _asked(
        portal,
        token,
        ("statement", {"period": row["period"], "payee": party}),
        ("explain", {"period": row["period"], "line": line}),
        ("statement", {"period": other["period"], "payee": other["payee"]}),
        ("attainment", {"period": row["period"], "payee": party}),
        ("cases", {}),
        ("estimate", {"period": row["period"], "payee": party, "amount": "1000"}),
        (
            "move_customer",
            {"customer": "K00001", "to": party, "since": "2024-09-01", "period": row["period"]},
        ),
    )
    assert {
        "statements",
        "statement",
        "attainment",
        "explain",
        "who_is_credited",
        "what_i_may_see",
        "cases",
        "case",
        "estimate",
        "move_customer",
    } == set(names)
    assert answers[4][0]["problems"][0]["code"] == "forbidden", "cases are not for a partner"
    assert answers[6][0]["problems"][0]["code"] == "forbidden", "nor is the book"
    assert "lines" in answers[5][0] or "problems" in answers[5][0]
    assert answers[0][0]["payee"] == party and answers[1][0]["line"] == line
    assert answers[2][0]["problems"][0]["code"] == "missing" and other["name"] not in json.dumps(
        answers[2]
    )
    assert (
        answers[3][0]["attained"]
        and all("measure" in v for v in answers[3][0]["attained"].values())
        and "under_way" in answers[3][0]
    )
