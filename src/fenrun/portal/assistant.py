"""A server for assistants (Model Context Protocol).

It asks the portal's API with a token that may only read, so an assistant sees what the token's
user sees.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from importlib.metadata import version
from typing import Any
from urllib.error import HTTPError
from urllib.parse import quote, urlencode
from urllib.request import HTTPRedirectHandler, ProxyHandler, Request, build_opener

from fenrun.base.problem import Place, Problem, Refused
from fenrun.base.words import Message
from fenrun.portal.access.addresses import through_tls
from fenrun.portal.opaque import opaque

Tool = Callable[[Callable[..., Any]], Callable[..., Any]]
"""Gives a server a tool."""
_TIMEOUT = 60
"""Seconds that an answer may take."""


class _Stays(HTTPRedirectHandler):
    """Follows nobody elsewhere: the token would go along."""

    def redirect_request(self, *asked: Any) -> None:
        """Return nothing: a redirection is an error."""


class Portal:
    """The API of a portal, read with a token."""

    def __init__(self, address: str, token: str):
        if not token:
            raise _refused("FENRUN_TOKEN", Message("mcp-no-token"))
        if not through_tls(address):
            raise _refused("ADDRESS", Message("mcp-no-tls", {"address": address}))
        self.address, self._token = address.rstrip("/"), token
        # Without TLS the portal is on this machine, and a proxy would read the token.
        proxies = [] if address.startswith("https:") else [ProxyHandler({})]
        self._opener = build_opener(_Stays, *proxies)

    def get(self, *path: str, **query: Any) -> Any:
        """Return what the API answers; what it refuses as it says so."""
        asked = "/".join(quote(opaque(part)) for part in path)
        if query:
            asked += "?" + urlencode({key: value for key, value in query.items() if value != ""})
        headers = {"Authorization": f"Bearer {self._token}"}
        request = Request(f"{self.address}/api/{asked}", headers=headers)
        try:
            with self._opener.open(request, timeout=_TIMEOUT) as answer:
                return json.load(answer)
        except HTTPError as error:
            if 300 <= error.code < 400:
                to = error.headers.get("Location", "")
                raise _refused("ADDRESS", Message("mcp-leads-on", {"to": to})) from error
            return json.load(error)


def _refused(place: str, detail: Message | str) -> Refused:
    return Refused([Problem("mcp-missing", Place(place), {"detail": detail})])


def server(portal: Portal) -> Any:
    """Return the server with its tools. Raises Refused where the mcp package is not installed."""
    try:
        from mcp.server.mcpserver import MCPServer
        from mcp.types import ToolAnnotations
    except ImportError as error:
        raise _refused("mcp", str(error)) from error
    made = MCPServer(
        "fenrun",
        instructions=(
            "Statements of partner and sales incentives: exact amounts as text, each with its "
            "reason. Read only."
        ),
        log_level="ERROR",
        version=version("fenrun"),
    )
    # An assistant may call these without asking: they change nothing, and ask the portal alone.
    reads = ToolAnnotations(read_only_hint=True, destructive_hint=False, open_world_hint=False)
    tool = made.tool(annotations=reads)
    _statement_tools(tool, portal)
    _question_tools(tool, portal)
    _case_tools(tool, portal)
    return made


def _statement_tools(tool: Tool, portal: Portal) -> None:
    """Give a server the tools that read statements, and who is credited."""

    @tool
    def what_i_may_see() -> Any:
        """Return the grants by which the user sees what the other tools answer.

        Each with its role, party and reason.
        """
        return portal.get("me")

    @tool
    def statements(period: str = "", payee: str = "", page: int = 1) -> Any:
        """List the statements that the user sees, latest first.

        Each with its period (2024-09), payee, credited, earned, payable.
        """
        return portal.get("statements", period=period, payee=payee, page=page)

    @tool
    def statement(period: str, payee: str) -> Any:
        """Return a statement: its lines with their reasons, and what it rests on.

        Customers, what does not qualify, payments, differences, what is credited to others.
        """
        return portal.get("statements", period, payee)

    @tool
    def attainment(period: str, payee: str) -> Any:
        """Return how far each line of a statement has come in its table.

        And what is missing to the next band.
        """
        found = portal.get("statements", period, payee)
        if "attained" not in found:
            return found
        return {key: found[key] for key in ("attained", "under_way")}

    @tool
    def explain(period: str, line: str) -> Any:
        """Explain why a statement line is what it is.

        Clauses, bands, customers and the largest charges. `line` is as a statement names it.
        """
        return portal.get("lines", period, line)

    @tool
    def who_is_credited(customer: str = "", period: str = "", page: int = 1) -> Any:
        """List who is credited for a customer's spend, since when, entered by whom."""
        return portal.get("crediting", customer=customer, period=period, page=page)


def _question_tools(tool: Tool, portal: Portal) -> None:
    """Give a server the tools that ask what would be so; nothing of it is kept."""

    @tool
    def estimate(period: str, payee: str, amount: str, service: str = "") -> Any:
        """Estimate what a payee would earn in a period with additional sales, line by line.

        `amount` is at list price, as text; `service` one that its customers use, or nothing.
        """
        return portal.get("statements", period, payee, "estimate", amount=amount, service=service)

    @tool
    def move_customer(customer: str, to: str, since: str, period: str) -> Any:
        """Tell whose pay would differ in a period, were a customer another partner's from a day on.

        For operations and auditors. `since` is a day such as 2024-09-10.
        """
        return portal.get("book", customer, "move", to=to, since=since, period=period)


def _case_tools(tool: Tool, portal: Portal) -> None:
    """Give a server the tools about cases of findings."""

    @tool
    def cases(state: str = "", check: str = "", party: str = "", page: int = 1) -> Any:
        """List where somebody may be paid for what is not so; for operations and auditors.

        Each case says what is unusual, its evidence, its amount, and the best innocent
        explanation. It never says that anybody did wrong: people decide.
        """
        return portal.get("cases", state=state, check=check, party=party, page=page)

    @tool
    def case(name: str) -> Any:
        """Return a case: its rows of evidence, what is paid without it, what was decided."""
        return portal.get("cases", name)
