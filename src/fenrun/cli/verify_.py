"""fenrun verify"""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import click

from fenrun.base.ids import fingerprint
from fenrun.base.money import plain, show_sums
from fenrun.base.words import say
from fenrun.cli.output import as_json, language, print_json, progress
from fenrun.closing.heads import Head
from fenrun.proof.latest import Latest, closed_since
from fenrun.proof.verify import Verified, verify
from fenrun.proof.vouched import given_fingerprints
from fenrun.statement.run import by_currency

UNVOUCHED = 3
"""The exit code where all follows, and nobody has said whose key it is."""


@click.command(name="verify")
@click.argument("bundle", type=click.Path(path_type=Path))
@click.option(
    "--key",
    help="The key that you were given: a file, a public key or its fingerprint.",
)
@click.option(
    "--latest",
    help="Say what was closed since: an anchor's file, what key publish wrote, or its address.",
)
@as_json
def command(bundle: Path, key: str | None, latest: str | None, json_: bool) -> None:
    """Verify a BUNDLE, anywhere.

    Every row of the statement is derived again from the facts in it; signature and sign-off hash
    are checked. The exit code is 3 where all is right, but nobody has vouched for the key.
    """
    vouched = given_fingerprints(key) if key is not None else []
    with progress("verify") as step:
        done = verify(bundle, vouched, step)
        since = closed_since(latest, done, vouched) if latest is not None else None
    if json_:
        print_json(
            {
                "payee": done.payee,
                "period": done.period,
                "rows": done.rows,
                "attested": list(done.attested),
                **by_currency(
                    list(done.payable) or [""],
                    lambda currency: {"payable": plain(done.payable.get(currency, Decimal(0)))},
                ),
                "root": done.root,
                "closed_at": done.closed_at,
                "known": done.known,
                "seq": done.seq,
                "public_key": done.public_key,
                "fingerprint": fingerprint(done.public_key),
                "signer": done.signer,
                "trust": done.trust,
                "vouched": done.is_vouched,
                "closed_since": since and [_close(head) for head in since.since],
            }
        )
    else:
        _show(done)
        if since:
            _show_latest(done, since)
    if not done.is_vouched:
        raise click.exceptions.Exit(UNVOUCHED)


def _show(done: Verified) -> None:
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
    click.echo(say("verified-pays", lang, paid=show_sums(done.payable)))
    click.echo(say("verified-closed", lang, at=done.closed_at, known=done.known, seq=done.seq))
    click.echo(say("closed-root", lang, root=done.root))
    words = "verified-key" if done.is_vouched else "verified-unvouched"
    key = fingerprint(done.public_key)
    click.echo(say(words, lang, fingerprint=key, signer=done.signer or "-"))
    if done.trust:
        click.echo(say("verified-trust", lang, trust=done.trust))


def _close(head: Head) -> dict[str, Any]:
    return {"period": head.period, "at": head.at, "known": head.known, "seq": head.seq}


def _show_latest(done: Verified, latest: Latest) -> None:
    """Say what was closed after the close that the bundle is of."""
    newest = {"period": latest.newest.period, "at": latest.newest.at}
    words = "latest-since" if latest.since else "latest-none"
    said = say(words, language(), count=len(latest.since), of=done.period, **newest)
    click.echo(said)
