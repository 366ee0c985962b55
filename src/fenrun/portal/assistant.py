"""A server for assistants (Model Context Protocol): it asks the portal's API with a token that may only read, so an assistant sees what the token's user sees."""

from __future__ import annotations

import json
from typing import Any
from urllib.error import HTTPError
from urllib.parse import quote, urlencode
from urllib.request import Request, urlopen

from fenrun.base.problem import Place, Problem, Refused
from fenrun.portal.addresses import through_tls

_WAIT = 60


class Portal:
    """The API of a portal, read with a token."""

    def __init__(self, address: str, token: str):
        if not token or not through_tls(address):
            raise Refused(
                [
                    Problem(
                        "mcp-missing",
                        Place("FENRUN_TOKEN" if not token else "ADDRESS"),
                        {
                            "detail": "no token"
                            if not token
                            else f"{address} is not reached through TLS"
                        },
                    )
                ]
            )
        self.address, self._token = address.rstrip("/"), token

    def get(self, *path: str, **query: Any) -> Any:
        """What the API answers; what it refuses as it says so."""
        asked = "/".join(quote(part, safe="/") for part in path) + (
            f"?{urlencode({k: v for k, v in query.items() if v != ''})}" if query else ""
        )
        try:
            with urlopen(
                Request(
                    f"{self.address}/api/{asked}",
                    headers={"Authorization": f"Bearer {self._token}"},
                ),
                timeout=_WAIT,
            ) as answer:
                return json.load(answer)
        except HTTPError as error:
            return json.load(error)


def server(portal: Portal) -> Any:
    """The server with its tools. Raises Refused where the mcp package is not installed."""
    try:
        from mcp.server.mcpserver import MCPServer
    except ImportError as error:
        raise Refused([Problem("mcp-missing", Place("mcp"), {"detail": str(error)})]) from error
    made = MCPServer(
        "fenrun",
        instructions="Statements of partner and sales incentives: exact amounts as text, each with its reason. Read only.",
        log_level="ERROR",
    )

    @made.tool()
    def what_i_may_see() -> Any:
        """The grants by which the user sees what the other tools answer: role, party, reason."""
        return portal.get("me")

    @made.tool()
    def statements(period: str = "", payee: str = "", page: int = 1) -> Any:
        """The statements that the user sees, latest first: period (2024-09), payee, credited, earned, payable."""
        return portal.get("statements", period=period, payee=payee, page=page)

    @made.tool()
    def statement(period: str, payee: str) -> Any:
        """A statement: its lines with their reasons, customers, what is not counted, payments, differences, and what is credited elsewhere."""
        return portal.get("statements", period, payee)

    @made.tool()
    def attainment(period: str, payee: str) -> Any:
        """How far each line of a statement has come in its table, and what is missing to the next band."""
        said = portal.get("statements", period, payee)
        return (
            {"attained": said["attained"], "under_way": said["under_way"]}
            if "attained" in said
            else said
        )

    @made.tool()
    def explain(period: str, line: str) -> Any:
        """Why a statement line is what it is: clauses, bands, customers and the largest charges. `line` is as a statement names it."""
        return portal.get("lines", period, line)

    @made.tool()
    def who_is_credited(customer: str = "", period: str = "", page: int = 1) -> Any:
        """Who is credited for a customer's spend, since when and by whose act."""
        return portal.get("crediting", customer=customer, period=period, page=page)

    return made
