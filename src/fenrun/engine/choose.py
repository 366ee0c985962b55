"""The choice of an engine: a matter of configuration, not of code.

FENRUN_ENGINE is `duckdb` (the default) or `spark`. Spark's own settings (spark-defaults,
`spark-submit`) name the cluster.
"""

from __future__ import annotations

import os

from fenrun.base.problem import Place, refused
from fenrun.base.words import Message
from fenrun.engine.duckdb import DuckDB
from fenrun.engine.port import Engine

ENGINE = "FENRUN_ENGINE"
ENGINES = ("duckdb", "spark")


def refuse_other_engines() -> None:
    """Raise Refused where the environment asks for an engine that settles nothing here."""
    name = os.environ.get(ENGINE) or "duckdb"
    _refuse_unknown(name)
    if name != "duckdb":
        detail = Message("spark-whole-numbers")
        raise refused("engine-missing", Place(ENGINE), engine=name, detail=detail)


def _refuse_unknown(name: str) -> None:
    if name not in ENGINES:
        known = ", ".join(ENGINES)
        raise refused("setting-unreadable", Place(ENGINE), name=ENGINE, value=name, known=known)


def new_engine() -> Engine:
    """Return an empty engine to settle in, as the environment asks for it.

    Raises Refused where that names none, or one that is not installed.
    """
    name = os.environ.get(ENGINE) or "duckdb"
    _refuse_unknown(name)
    if name == "duckdb":
        return DuckDB()
    try:
        from fenrun.engine.spark import Spark
    except ImportError as error:
        missing = error.name or str(error)
        raise refused("engine-missing", Place(ENGINE), engine=name, detail=missing) from error
    return Spark()
