"""fenrun (分润): settle cloud partner and sales incentives from FOCUS billing data.

In come FOCUS charges, a book of who belongs to whom, and plans; out go statements, exact to the
cent and explained to the line. Facts are never edited, so the same facts and plans always give the
same run. The names below are what other programs may rely on.
"""

from fenrun.base.problem import Problem, Refused
from fenrun.base.when import AsOf, Period, parse_period
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
    "check_workspace",
    "explain",
    "import_file",
    "load_plan",
    "parse_period",
    "run_cases",
    "settle",
    "settle_workspace",
]
