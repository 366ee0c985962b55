"""fenrun cache"""

from __future__ import annotations

import click

from fenrun.base.words import say
from fenrun.charges.merged import count_merged
from fenrun.cli.output import WORKSPACE, as_json, language, print_json
from fenrun.settle.facts import kept_months
from fenrun.store.facts import Store


@click.command(name="cache")
@click.argument("workspace", type=WORKSPACE)
@click.option("--clear", is_flag=True, help="Delete what is kept.")
@as_json
def command(workspace: Store, clear: bool, json_: bool) -> None:
    """Show or clear what WORKSPACE keeps to settle quickly: sums of months, merged files.

    They follow from its facts and plans: without them nothing changes but time.
    """
    kept = kept_months(workspace)
    months, size = kept.sizes()
    merged = count_merged(workspace.path)
    if clear:
        kept.clear()
    if json_:
        print_json({"months": months, "merged": merged, "bytes": size, "cleared": clear})
        return
    key = "cache-cleared" if clear else "cache-kept"
    said = {"months": months, "merged": merged, "size": f"{size / 1_000_000:.1f} MB"}
    click.echo(say(key, language(), **said))
