"""The command line: one file a command. Exit codes: 0 fine, 1 problems, 2 wrong usage."""

from __future__ import annotations

import importlib
import os
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import click

from fenrun.base.problem import Place, Problem, Refused
from fenrun.base.words import LANGUAGES, language
from fenrun.cli.output import fail

COMMANDS = {
    "demo": "Build a demo world, settle twelve months of it and show the result.",
    "world": "Write an invented vendor: charges, book and plan.",
    "import": "Import FOCUS charges, book files and plans.",
    "check": "Show every problem of what is imported.",
    "plan": "Check and test plans.",
    "settle": "Settle a period.",
    "statement": "Show or write a payee's statement.",
    "explain": "Explain a statement line, down to charges and clauses.",
    "close": "Close a period for good.",
    "compare": "Say why a period's pay differs between two moments.",
    "verify": "Verify a statement's bundle, anywhere.",
    "ledger": "Write what a period means for the books.",
    "serve": "Open the portal on a workspace.",
    "account": "Make an account of the portal.",
    "mcp": "Serve a portal to an assistant, read only.",
    "audit": "Show and verify the log of all acts.",
    "bench": "Measure.",
}


class _Commands(click.Group):
    """Loads a command's file only when it is used, so that starting is quick."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        if name not in COMMANDS:
            return None
        return module_of(name).command  # type: ignore[no-any-return]

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; what it refuses becomes messages here, where the language is still known."""
        try:
            return super().invoke(ctx)
        except Refused as refused:
            return fail(refused.problems)
        except OSError as error:
            if isinstance(error, BrokenPipeError):
                raise
            return fail(
                [
                    Problem(
                        "path-unusable",
                        Place(str(error.filename or "")),
                        {"detail": error.strerror or str(error)},
                    )
                ]
            )

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


def module_of(name: str) -> ModuleType:
    """The module of a command; `bench` stands beside `src` in a checkout. Raises Refused where there is none."""
    if name != "bench":
        return importlib.import_module(f"fenrun.cli.{name}_")
    checkout = Path(__file__).resolve().parents[3]
    if not (checkout / "bench/commands.py").is_file():
        raise Refused([Problem("bench-missing", Place("fenrun bench"))])
    if str(checkout) not in sys.path:
        sys.path.append(str(checkout))
    return importlib.import_module("bench.commands")


@click.command(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--lang",
    type=click.Choice(LANGUAGES),
    help="Language of the output; else FENRUN_LANG or the locale decides.",
)
@click.version_option(package_name="fenrun")
@click.pass_context
def _group(ctx: click.Context, lang: str | None) -> None:
    """fenrun settles partner and sales incentives from FOCUS billing data: to the cent, explained to the line."""
    ctx.obj = lang or language(
        os.environ.get("FENRUN_LANG") or os.environ.get("LC_ALL") or os.environ.get("LANG")
    )


def main() -> None:
    """Run a command; problems become messages, never a traceback."""
    try:
        code = _group(standalone_mode=False)
    except click.Abort:
        sys.exit(130)
    except click.ClickException as error:
        error.show()
        sys.exit(2)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    sys.exit(code if isinstance(code, int) else 0)
