"""fenrun account"""

from __future__ import annotations

import click

from fenrun.base.words import say
from fenrun.cli.output import WORKSPACE, language
from fenrun.store.facts import Store


@click.command(name="account")
@click.argument("workspace", type=WORKSPACE)
@click.argument("name")
@click.option("--role", required=True, help="operations, auditor, partner, rep or customer.")
@click.option("--party", default="", help="The party it stands for: a partner, rep or customer.")
@click.option("--reason", required=True, help="Why, for whoever reviews the grant later.")
def command(workspace: Store, name: str, role: str, party: str, reason: str) -> None:
    """Let NAME sign in to the portal of WORKSPACE in a role.

    The new password is printed. The first account is made in this way; operations make others in
    the portal.
    """
    from fenrun.portal import serve

    password = serve.account(workspace.path, workspace.actor, name, role, party, reason)
    click.echo(say("account-made", language(), name=name, role=role, password=password))
