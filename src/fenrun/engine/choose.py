"""The choice of an engine: a matter of configuration, not of code.

FENRUN_ENGINE is `duckdb` (the default) or `spark`. Spark's own settings (spark-defaults,
`spark-submit`) name the cluster.
"""

from __future__ import annotations

import os

from fenrun.base.problem import Place, refused
from fenrun.engine.duckdb import DuckDB

ENGINE = "FENRUN_ENGINE"
ENGINES = ("duckdb", "spark")


def new_engine() -> DuckDB:
    """Return an empty engine to settle in, as the environment asks for it.

    Raises Refused where that names none, or one that is not installed.
    """
    name = os.environ.get(ENGINE) or "duckdb"
    if name not in ENGINES:
        known = ", ".join(ENGINES)
        raise refused("setting-unreadable", Place(ENGINE), name=ENGINE, value=name, known=known)
    if name == "duckdb":
        return DuckDB()
    try:
        from fenrun.engine.spark import Spark
    except ImportError as error:
        missing = error.name or str(error)
        raise refused("engine-missing", Place(ENGINE), engine=name, detail=missing) from error
    return Spark()
