"""The command line: one file a command.

In come words; out go text or JSON on standard output, problems on standard error, and an exit code:
0 fine, 1 problems, 2 wrong usage; of `verify`, 3 where nobody has vouched for the key. Everything
is said in the reader's language (`--lang`, else FENRUN_LANG or the locale), help and usage errors
too. A command reads its words, asks one room and prints what that returns: it decides about no
money, and no other room imports it. `--json` holds what scripts rely on; amounts in it are exact
text, and `problems` is a list with its length beside it under `problem_count`.
"""

from __future__ import annotations

import importlib
import io
import os
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import click

from fenrun.base.problem import Place, Refused, refused
from fenrun.base.words import LANGUAGES, reason
from fenrun.cli.help import Group, speak_with_click
from fenrun.cli.output import fail

COMMANDS = {
    "demo": "Build a demo world, settle twelve months of it and show the result.",
    "world": "Write an invented vendor: charges, book and plan.",
    "look": "Show what files hold, before there is any workspace.",
    "import": "Import FOCUS charges, book files and plans.",
    "book": "Show the book: who owns whom, since when, and who said so.",
    "terms": "Show the terms: agreements, floors, approvals, coupons and list prices.",
    "events": "Show what people did, who paid, and what was traded.",
    "price": "Show what each customer pays, from the list price down.",
    "breaches": "Show sales below a floor, what approvals cover of them, and coupons diverted.",
    "findings": "Show where somebody may be paid for what is not so, with the evidence.",
    "case": "Show what was decided about cases of findings, or decide about one.",
    "template": "Write the book as a workbook for Excel, with drop-downs and the current rows.",
    "policy": "Check a policy: who may grant what is out of the ordinary.",
    "resolve": "Decide about charges that came twice, or were kept aside.",
    "check": "Show every problem of what is imported.",
    "plan": "Check, test, compare and explain plans.",
    "settle": "Settle a period.",
    "statement": "Show or write a payee's statement.",
    "explain": "Explain a statement line, down to charges and clauses.",
    "close": "Close a period for good.",
    "key": "Show, rotate and publish the key that signs closes and bundles.",
    "compare": "Say why a period's pay differs between two moments.",
    "whatif": "Settle a period as it would be under scenarios: sales, pay, and who gains.",
    "sweep": "Settle every variant of a scenario: what each costs, and who loses.",
    "attack": "Show how a plan could be gamed: moves that pay more, with nothing sold.",
    "scenario": "Check a scenario: facts and plans otherwise than they are.",
    "verify": "Verify a statement's bundle, anywhere.",
    "ledger": "Write what a period means for the books.",
    "serve": "Open the portal on a workspace.",
    "database": "Prepare PostgreSQL for the portal.",
    "account": "Make an account of the portal.",
    "mcp": "Serve a portal to an assistant, read only.",
    "audit": "Show and verify the log of all events.",
    "backup": "Write a workspace to a file, as it is at one moment.",
    "restore": "Make a workspace from a backup.",
    "cache": "Show or clear what WORKSPACE keeps to settle quickly: sums of months, merged files.",
    "bench": "Measure fenrun on known jobs.",
}

WRONG_USAGE = 2
"""The exit code."""

speak_with_click()


class _Commands(Group):
    """Loads a command's file only when it is used, so that starting is quick."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        return command_of(name) if name in COMMANDS else None

    def summaries(self, ctx: click.Context) -> list[tuple[str, str]]:
        return list(COMMANDS.items())

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; what it refuses is said here, where the language is still known."""
        try:
            return super().invoke(ctx)
        except click.ClickException as error:
            error.show()
            return WRONG_USAGE
        except Refused as refusal:
            return fail(refusal.problems)
        except BrokenPipeError:
            raise
        except OSError as error:
            place = Place(str(error.filename or ""))
            return fail(refused("path-unusable", place, detail=reason(error)).problems)


def module_of(name: str) -> ModuleType:
    """Return the module of a command; `bench` stands beside `src` in a checkout.

    Raises Refused where there is none.
    """
    if name != "bench":
        return importlib.import_module(f"fenrun.cli.{name}_")
    checkout = Path(__file__).resolve().parents[3]
    if not (checkout / "bench/commands.py").is_file():
        raise refused("bench-missing", Place("fenrun bench"))
    if str(checkout) not in sys.path:
        sys.path.append(str(checkout))
    return importlib.import_module("bench.commands")


def command_of(name: str) -> click.Command:
    """Return a command by its name. Raises Refused where it is not installed."""
    command: click.Command = module_of(name).command
    return command


def _remember_language(ctx: click.Context, param: click.Parameter, lang: str | None) -> None:
    ctx.obj = lang


@click.command(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--lang",
    type=click.Choice(LANGUAGES),
    is_eager=True,
    expose_value=False,
    callback=_remember_language,
    help="Language of the output; else FENRUN_LANG or the locale decides.",
)
@click.version_option(package_name="fenrun", message="%(prog)s %(version)s")
def _group() -> None:
    """Settle partner and sales incentives from FOCUS billing data.

    To the cent, and explained to the line.
    """


def main() -> None:
    """Run a command; problems become messages, never a traceback."""
    if isinstance(sys.stdout, io.TextIOWrapper):  # what it cannot write is shown by its number
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        code = _group(standalone_mode=False)
    except click.Abort:
        sys.exit(130)
    except click.ClickException as error:
        error.show()
        sys.exit(WRONG_USAGE)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    sys.exit(code if isinstance(code, int) else 0)
