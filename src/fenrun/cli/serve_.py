"""fenrun serve"""

from __future__ import annotations

import os

import click

from fenrun.base.words import say, visible
from fenrun.cli.output import WORKSPACE, language, print_problems, progress
from fenrun.store.facts import Store


@click.command(name="serve")
@click.argument("workspace", type=WORKSPACE)
@click.option(
    "--host",
    default="127.0.0.1",
    show_default=True,
    help="Address to listen on; anything but this machine's own belongs behind TLS.",
)
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=8765,
    show_default=True,
    help="Port; 0: any that is free.",
)
@click.option(
    "--root-path",
    default=lambda: os.environ.get("FENRUN_ROOT_PATH", ""),
    show_default=False,
    help="Path under which a proxy leads here, such as /fenrun; by default FENRUN_ROOT_PATH.",
)
def command(workspace: Store, host: str, port: int, root_path: str) -> None:
    """Open the portal on WORKSPACE, in one process.

    It has pages for operations, partners, reps, customers and auditors. DATABASE_URL
    (postgres://...) says where it keeps its rows, else SQLite in the workspace; FENRUN_HOSTS names
    the hosts it is reached by, through TLS.
    """
    os.environ["FENRUN_ROOT_PATH"] = root_path
    from fenrun.portal import serve

    lang = language()
    with progress("portal") as step:
        problems = serve.prepare(workspace.path, step)
    print_problems(problems)
    if (workspace.path / "demo.json").is_file():
        password, accounts = serve.demo_accounts()
        click.echo(say("serve-demo", lang, password=password))
        for name, role, party in accounts:
            click.echo(visible(f"  {name:12} {role} {party}"))
    serve.serve(
        host,
        port,
        lambda opened: click.echo(
            say("serve-open", lang, address=f"http://{host}:{opened}{serve.root_path()}/")
        ),
    )
