"""fenrun (分润): settle cloud partner and sales incentives from FOCUS billing data.

In come FOCUS charges, a book of who belongs to whom, and plans; out go statements, exact to the
cent and explained to the line. Facts are never edited, so the same facts and plans always give the
same run. The names below are what other programs may rely on.
"""

from decimal import DefaultContext, getcontext
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fenrun.base.problem import Problem, Refused
    from fenrun.base.when import AsOf, Period, parse_period
    from fenrun.lab.attack import attack
    from fenrun.lab.run import whatif as what_if
    from fenrun.lab.sweep import sweep
    from fenrun.plan.read import load_plan
    from fenrun.settle.explain import explain
    from fenrun.settle.facts import check_workspace
    from fenrun.settle.imports import import_file
    from fenrun.settle.pipeline import settle
    from fenrun.settle.runs import settle_workspace
    from fenrun.statement.run import Run
    from fenrun.store.facts import Store
    from fenrun.whatif.cases import run_cases

__all__ = [
    "AsOf",
    "Period",
    "Problem",
    "Refused",
    "Run",
    "Store",
    "attack",
    "check_workspace",
    "explain",
    "import_file",
    "load_plan",
    "parse_period",
    "run_cases",
    "settle",
    "settle_workspace",
    "sweep",
    "what_if",
]

DefaultContext.prec = getcontext().prec = 100
"""Digits of a Decimal: sums of amounts stay exact, in threads that begin later too.

By default what has over 28 digits is rounded, and a total of 11 digits before the point and 18
after it has 29.
"""

_ROOMS = {
    "AsOf": "fenrun.base.when",
    "Period": "fenrun.base.when",
    "Problem": "fenrun.base.problem",
    "Refused": "fenrun.base.problem",
    "Run": "fenrun.statement.run",
    "Store": "fenrun.store.facts",
    "attack": "fenrun.lab.attack",
    "check_workspace": "fenrun.settle.facts",
    "explain": "fenrun.settle.explain",
    "import_file": "fenrun.settle.imports",
    "load_plan": "fenrun.plan.read",
    "parse_period": "fenrun.base.when",
    "run_cases": "fenrun.whatif.cases",
    "settle": "fenrun.settle.pipeline",
    "settle_workspace": "fenrun.settle.runs",
    "sweep": "fenrun.lab.sweep",
    "what_if": "fenrun.lab.run:whatif",
}
"""Where each name is, and how it is called there where that is otherwise.

A room is read in when somebody asks for it: a command starts quickly.
"""


def __getattr__(name: str) -> Any:
    """Return one of the names above. Raises AttributeError for others."""
    if name not in _ROOMS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    room, _, there = _ROOMS[name].partition(":")
    return getattr(import_module(room), there or name)
