"""fenrun key"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from fenrun.base.problem import Place, refused
from fenrun.base.when import show_moment
from fenrun.base.words import say
from fenrun.cli.help import Group
from fenrun.cli.output import WORKSPACE, as_json, language, print_json
from fenrun.closing.heads import published
from fenrun.closing.keys import SigningKey, known_keys, rotate
from fenrun.store.facts import Store


@click.group(name="key", cls=Group)
def command() -> None:
    """Show, rotate and publish the key that signs closes and bundles."""


@command.command(name="show")
@click.argument("workspace", type=WORKSPACE)
@as_json
def show(workspace: Store, json_: bool) -> None:
    """Show the signing key of WORKSPACE: whose it is, its fingerprint, and those before it."""
    _print(known_keys(workspace), json_)


@command.command(name="rotate")
@click.argument("workspace", type=WORKSPACE)
@click.option("--name", default="", help="Whose the key is; else the name stays.")
@click.option("--reason", default="", help="Why, for the log.")
@click.option(
    "--lost", is_flag=True, help="The key in force is lost: the log says that it signed nothing."
)
@as_json
def rotate_(workspace: Store, name: str, reason: str, lost: bool, json_: bool) -> None:
    """Put a new signing key in the place of the one in force, which signs that.

    The first is made where there is none yet. Give the new fingerprint to everybody who verifies.
    """
    workspace.reason = reason
    rotate(workspace, name, lost)
    _print(known_keys(workspace), json_)


@command.command(name="publish")
@click.argument("workspace", type=WORKSPACE)
@click.argument("out", type=click.Path(path_type=Path))
def publish(workspace: Store, out: Path) -> None:
    """Write the public keys of WORKSPACE to OUT, for `fenrun verify --key OUT`.

    With them go the signed heads of all closes, for `--latest`. It holds nothing secret. Give it
    to payees by another way than their bundles.
    """
    keys = known_keys(workspace)
    if not keys:
        raise refused("key-none-yet", Place(str(workspace.path)))
    said = published(workspace)
    out.write_text(json.dumps(said, ensure_ascii=False, indent=1) + "\n", "utf-8")
    click.echo(key_line(keys[-1]))


def _print(keys: list[SigningKey], json_: bool) -> None:
    if json_:
        print_json([_said(key) for key in keys])
        return
    if not keys:
        click.echo(say("key-none", language()))
        return
    click.echo(key_line(keys[-1]))
    for key in keys[-2::-1]:
        click.echo(key_line(key, "key-was"))


def key_line(key: SigningKey, words: str = "key-is") -> str:
    """Return a sentence that says whose a key is, and its fingerprint."""
    return say(words, language(), **{name: _said(key)[name] for name in _SHOWN})


_SHOWN = ("name", "fingerprint", "since", "seq")


def _said(key: SigningKey) -> dict[str, Any]:
    return {
        "name": key.name,
        "fingerprint": key.fingerprint,
        "public_key": key.public,
        "since": show_moment(key.since),
        "seq": key.seq,
    }
