"""fenrun (分润): settle cloud partner and sales incentives from FOCUS billing data: to the cent, explained to the line."""

from fenrun.base.problem import Problem, Refused
from fenrun.base.when import AsOf, Period, parse_period
from fenrun.cases import run_cases
from fenrun.engine.store import Store
from fenrun.pipeline import settle
from fenrun.plan.read import load_plan
from fenrun.statement.explain import explain
from fenrun.statement.run import Run
from fenrun.workspace import check_workspace, import_file, settle_workspace

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
