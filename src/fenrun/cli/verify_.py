"""fenrun verify"""

from __future__ import annotations

from pathlib import Path

import click

from fenrun.base.money import plain, show
from fenrun.base.words import say
from fenrun.cli.output import as_json, language, print_json, progress
from fenrun.proof.verify import verify


@click.command(name="verify")
@click.argument("bundle", type=click.Path(path_type=Path))
@click.option(
    "--key",
    default="",
    help="The public key that the bundle must be signed with; else the one it names.",
)
@as_json
def command(bundle: Path, key: str, json_: bool) -> None:
    """Verify a BUNDLE, anywhere.

    Every row of the statement is derived again from the facts in it; signature and sign-off hash
    are checked.
    """
    with progress("verify") as step:
        done = verify(bundle, key, step)
    if json_:
        print_json(
            {
                "payee": done.payee,
                "period": done.period,
                "rows": done.rows,
                "attested": list(done.attested),
                "payable": plain(done.payable),
                "root": done.root,
                "public_key": done.public_key,
            }
        )
        return
    lang = language()
    click.echo(say("verified", lang, rows=done.rows, payee=done.payee, period=done.period))
    if done.attested:
        click.echo(
            say(
                "verified-attested",
                lang,
                count=len(done.attested),
                rows=", ".join(done.attested[:10]),
            )
        )
    click.echo(say("verified-pays", lang, paid=show(done.payable)))
    click.echo(say("closed-root", lang, root=done.root))
    click.echo(say("verified-key", lang, public=done.public_key))
