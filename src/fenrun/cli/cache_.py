"""fenrun cache"""

from __future__ import annotations

import click

from fenrun.base.words import say
from fenrun.cli.output import WORKSPACE, as_json, language, print_json
from fenrun.settle.facts import kept_months
from fenrun.store.facts import Store


@click.command(name="cache")
@click.argument("workspace", type=WORKSPACE)
@click.option("--clear", is_flag=True, help="Delete what is kept.")
@as_json
def command(workspace: Store, clear: bool, json_: bool) -> None:
    """Show or clear the sums of months that WORKSPACE keeps to settle quickly.

    They follow from its facts and plans: without them nothing changes but time.
    """
    kept = kept_months(workspace)
    months, size = kept.sizes()
    if clear:
        kept.clear()
    if json_:
        print_json({"months": months, "bytes": size, "cleared": clear})
        return
    key = "cache-cleared" if clear else "cache-kept"
    click.echo(say(key, language(), months=months, size=f"{size / 1_000_000:.1f} MB"))
