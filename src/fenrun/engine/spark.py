"""Apache Spark behind the port: the same steps, translated, for months that outgrow one machine.

The steps are written for DuckDB. What Spark says otherwise is put here, once, on the parsed
statement: where a translation would only look alike, it says what the difference is. What cannot
run here is named in docs/explanation/scale.md.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import pyarrow as pa
import sqlglot
from pyspark.errors import PySparkException
from pyspark.sql import DataFrame, SparkSession
from sqlglot import exp

from fenrun.base.problem import Place, Refused, refused
from fenrun.base.words import Message
from fenrun.engine.choose import ENGINE
from fenrun.engine.dialect import quoted
from fenrun.engine.steps import Step

_SETTINGS = {
    "spark.sql.ansi.enabled": "true",  # what does not fit is an error, not NULL
    "spark.sql.decimalOperations.allowPrecisionLoss": "false",  # products keep their decimals
    "spark.sql.session.timeZone": "UTC",
    "spark.sql.timestampType": "TIMESTAMP_NTZ",
    "spark.sql.cteRecursionLevelLimit": "-1",
    "spark.sql.cteRecursionRowLimit": "-1",
    "spark.sql.execution.arrow.pyspark.enabled": "true",
}
_TOO_LARGE = (
    "ARITHMETIC_OVERFLOW",
    "NUMERIC_VALUE_OUT_OF_RANGE",
    "DECIMAL_PRECISION_EXCEEDS_MAX_PRECISION",
)
_TYPES = {
    "string": "VARCHAR",
    "timestamp_ntz": "TIMESTAMP",
    "timestamp": "TIMESTAMP WITH TIME ZONE",
    "int": "INTEGER",
}


class Spark:
    """A classic Spark session.

    Tables are temporary views; a step's result is kept on the executors, since later steps read it
    more than once. Raises Refused where no such session can be had.
    """

    def __init__(self) -> None:
        # pyspark 4.3 looks for what another session than the process's first has kept in that
        # first one
        if os.environ.get("SPARK_REMOTE"):
            raise _missing(Message("spark-classic-session"))
        try:
            shared = SparkSession.builder.appName("fenrun").getOrCreate()
        except PySparkException as error:  # no Java, no cluster
            raise _missing(str(error).splitlines()[0]) from error
        self.session = shared.newSession()  # names of its own
        for name, value in _SETTINGS.items():
            self.session.conf.set(name, value)

    def load(self, name: str, table: pa.Table) -> None:
        self._name(name, self.session.createDataFrame(table))

    def load_file(self, name: str, path: Path) -> None:
        self.view(name, f"SELECT * FROM {self.file(path)}")

    def file(self, path: Path) -> str:
        return f"parquet.{quoted(str(path))}"

    def view(self, name: str, sql: str) -> None:
        self._name(name, self.session.sql(translated(sql)))

    def columns(self, name: str) -> dict[str, str]:
        return {
            column: _TYPES.get(kind, kind.upper())
            for column, kind in self.session.table(f"`{name}`").dtypes
        }

    def run(self, step: Step, fragments: dict[str, str]) -> None:
        try:
            found = self.session.sql(translated(step.filled(fragments)))
            self._name(step.name, found if step.view else found.localCheckpoint(eager=True))
        except PySparkException as error:
            if not any(code in str(error) for code in _TOO_LARGE):
                raise
            detail = str(error).splitlines()[0]
            raise refused("amount-too-large", Place(step.name), detail=detail) from error

    def table(self, name: str) -> pa.Table:
        return self.session.table(f"`{name}`").toArrow()

    def query(self, sql: str, values: Sequence[Any] = ()) -> pa.Table:
        return self.session.sql(translated(sql), args=list(values) or None).toArrow()

    def _name(self, name: str, found: DataFrame) -> None:
        found.createOrReplaceTempView(f"`{name}`")


def _missing(what: str | Message) -> Refused:
    return refused("engine-missing", Place(ENGINE), engine="spark", detail=what)


@lru_cache(maxsize=2048)
def translated(sql: str) -> str:
    """Return a statement of the steps as Spark says it."""
    tree = sqlglot.parse_one(sql, read="duckdb")
    for node in reversed(list(tree.bfs())):  # what is inside comes first
        said = _said(node)
        if said is not node:
            tree = node.replace(said) if node is not tree else said
            tree = tree.root()
    return tree.sql(dialect="spark")


def _said(node: exp.Expr) -> exp.Expr:
    """Return one part of a statement as Spark says it, or the part itself."""
    if isinstance(node, exp.DataType):
        other = {
            exp.DataType.Type.INT128: "DECIMAL(38, 0)",
            exp.DataType.Type.TIMESTAMP: "TIMESTAMP_NTZ",
        }.get(node.this)
        return exp.DataType.build(other, dialect="spark") if other else node
    if isinstance(node, exp.Trunc):  # Spark's cuts dates only
        return _sql("CASE WHEN {x} < 0 THEN CEIL({x}) ELSE FLOOR({x}) END", x=node.this)
    if isinstance(node, exp.Sign):  # Spark's is a double
        return _sql(
            "CASE WHEN {x} < 0 THEN -1 WHEN {x} > 0 THEN 1 WHEN {x} = 0 THEN 0 END", x=node.this
        )
    if isinstance(node, exp.IntDiv):  # Spark's is a BIGINT
        return _sql(
            "CAST(({x} - {x} % {y}) / {y} AS DECIMAL(38, 0))", x=node.this, y=node.expression
        )
    if isinstance(node, exp.ArgMin | exp.ArgMax):  # DuckDB's pass over rows that hold nothing
        found = "MIN_BY" if isinstance(node, exp.ArgMin) else "MAX_BY"
        picked = f"{found}({{x}}, {{y}}) FILTER (WHERE NOT {{x}} IS NULL)"
        return _sql(picked, x=node.this, y=node.expression)
    if isinstance(node, exp.Add | exp.Sub) and _is_months(node.expression):
        sign = "-" if isinstance(node, exp.Sub) else ""
        months = node.expression.expressions[0]
        return _sql(f"ADD_MONTHS({{x}}, {sign}{{y}})", x=node.this, y=months)
    if isinstance(node, exp.SetOperation) and node.args.get("by_name"):
        return _by_name(node)
    return node


def _is_months(node: exp.Expr) -> bool:
    """Return whether this is a span of months, as DuckDB makes one."""
    return isinstance(node, exp.Anonymous) and node.name.lower() == "to_months"


def _sql(text: str, **parts: exp.Expr) -> exp.Expression:
    """Build a Spark expression around parts of another."""
    filled = text.format(**{name: f"({part.sql(dialect='spark')})" for name, part in parts.items()})
    return exp.Paren(this=sqlglot.parse_one(filled, read="spark"))


def _by_name(union: exp.SetOperation) -> exp.Expression:
    """The second query with the columns of the first, in their order; what it has not is NULL."""
    names = union.this.named_selects
    given = {e.alias_or_name: e for e in union.expression.selects}
    union.expression.set("expressions", [given.get(n, exp.alias_(exp.Null(), n)) for n in names])
    union.set("by_name", False)
    return union
