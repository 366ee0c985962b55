"""Which engine settles: a matter of configuration, not of code.

FENRUN_ENGINE is `duckdb` (the default) or `spark`. Spark's own settings (spark-defaults, `spark-submit`) name the cluster.
"""

from __future__ import annotations

import os

from fenrun.base.problem import Place, Problem, Refused
from fenrun.engine.duckdb import DuckDB
from fenrun.engine.port import Engine

ENGINE = "FENRUN_ENGINE"
ENGINES = ("duckdb", "spark")


def new_engine() -> Engine:
    """An engine to settle in, empty, as the environment asks for it. Raises Refused where that names none, or one that is not installed."""
    name = os.environ.get(ENGINE) or ENGINES[0]
    if name not in ENGINES:
        raise Refused(
            [
                Problem(
                    "setting-unreadable",
                    Place(ENGINE),
                    {"name": ENGINE, "value": name, "known": ", ".join(ENGINES)},
                )
            ]
        )
    if name == "duckdb":
        return DuckDB()
    try:
        from fenrun.engine.spark import Spark
    except ImportError as error:
        raise Refused(
            [
                Problem(
                    "engine-missing",
                    Place(ENGINE),
                    {"engine": name, "detail": error.name or str(error)},
                )
            ]
        ) from error
    return Spark()
