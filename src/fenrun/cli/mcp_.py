"""fenrun mcp"""

from __future__ import annotations

import os

import click

from fenrun.portal.assistant import Portal, server


@click.command(name="mcp")
@click.argument("address")
def command(address: str) -> None:
    """Serve the portal at ADDRESS to an assistant, read only.

    It speaks the Model Context Protocol on standard input and output, with the token in
    FENRUN_TOKEN.
    """
    server(Portal(address, os.environ.get("FENRUN_TOKEN", ""))).run()
