"""Apache Spark for what reads rows of charges, where these outgrow one machine.

Each task gives the rows that Spark reads to a DuckDB of its own, which answers by the same text as
everywhere; the answers are put together here. All else runs here, in DuckDB and SQLite. Workers
need DuckDB and pyarrow, not fenrun.
"""

from __future__ import annotations

import re
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from importlib.util import find_spec
from os import environ
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
from pyspark import cloudpickle
from pyspark.errors import PySparkException
from pyspark.sql import DataFrame, SparkSession

from fenrun.base.problem import Place, Refused, refused
from fenrun.base.table import read_parquet
from fenrun.base.words import Message
from fenrun.engine import duckdb as here
from fenrun.engine.choose import ENGINE
from fenrun.engine.databases import SETTINGS
from fenrun.engine.dialect import quoted
from fenrun.engine.duckdb import DuckDB, is_too_large
from fenrun.engine.questions import ROWS, Part, Parts, Question

_SETTINGS = {
    "spark.sql.session.timeZone": "UTC",
    "spark.sql.timestampType": "TIMESTAMP_NTZ",  # moments are read as they stand
    "spark.sql.files.ignoreCorruptFiles": "false",  # a file that cannot be read is an error
    "spark.sql.files.ignoreMissingFiles": "false",
    "spark.sql.execution.arrow.maxRecordsPerBatch": "1000000",
}
_ANSWER = "rows BIGINT, is_too_large BOOLEAN, answer BINARY"
"""The rows that a task read, whether exact arithmetic did not fit, and its answer as Arrow."""
_PART = "part_rows"
"""The name under which a task's DuckDB knows a batch of rows."""
_GLOB = re.compile(r"([\\\[\]{}*?])")
"""Signs that stand for more than themselves in a path that Spark is given."""
_MOST_ROWS = 1 << 18
"""Rows of an answer that stand in one value."""

# What tasks run is sent as it stands here: workers need no fenrun, and so have no other version.
for _module in (sys.modules[__name__], here):
    cloudpickle.register_pickle_by_value(_module)  # type: ignore[no-untyped-call]


@dataclass(frozen=True)
class Work:
    """The work of tasks with the rows of one import."""

    columns: Sequence[str]
    """The columns of the rows that they read."""
    views: Mapping[str, str]
    """The views to make over each batch of rows, in their order."""
    sql: str
    """The query that answers over a batch."""
    together: str
    """The query that makes one answer of the table `answers`."""
    beside: Mapping[str, bytes]
    """The import's own small tables, packed, by name."""


Task = Callable[[Iterable[pa.RecordBatch]], Iterator[pa.RecordBatch]]


class Spark(DuckDB):
    """A DuckDB that has questions of rows answered by a classic Spark session.

    Raises Refused where no such session can be had.
    """

    is_far = True

    def __init__(self) -> None:
        super().__init__()
        if environ.get("SPARK_REMOTE"):
            raise _missing(Message("spark-classic-session"))
        if find_spec("pandas") is None:  # mapInArrow asks for it
            raise _missing("pandas")
        environ.setdefault("PYSPARK_PYTHON", sys.executable)  # workers have DuckDB where this has
        try:
            shared = SparkSession.builder.appName("fenrun").getOrCreate()
        except PySparkException as error:  # no Java, no cluster
            raise _missing(str(error).splitlines()[0]) from error
        self.session = shared.newSession()  # settings of its own
        for name, value in _SETTINGS.items():
            self.session.conf.set(name, value)

    def answer(self, question: Question, parts: Parts) -> None:
        of_rows = parts(question)
        if not of_rows:
            super().answer(question, parts)
            return
        self.make("TABLE", question.name, f"{question.sql}\nWITH NO DATA")
        schema = self.table(question.name).schema
        answers = self._answers(question, of_rows)
        found = [table.select(schema.names).cast(schema) for table in answers]
        self.connection.register("answers", pa.concat_tables([schema.empty_table(), *found]))
        self.make("TABLE", "answered", question.together("answers"))
        self.connection.unregister("answers")
        columns = ", ".join(map(quoted, schema.names))
        into = quoted(question.name)
        self.connection.execute(f"INSERT INTO {into} SELECT {columns} FROM answered")

    def _answers(self, question: Question, parts: Sequence[Part]) -> Iterator[pa.Table]:
        """Yield the answers of tasks. Raises Refused where one of them fails."""
        small = {name: _packed([self.table(name)]) for name in question.tables}
        found = self.found(question, parts, small)
        if any(found["is_too_large"].to_pylist()):
            raise refused("amount-too-large", Place(question.name))
        read = sum(found["rows"].to_pylist())
        stored = sum(pq.read_metadata(part.rows).num_rows for part in parts)
        if read != stored:
            detail = Message("rows-lost", {"read": read, "stored": stored})
            raise refused("engine-failed", Place(ENGINE), engine="spark", detail=detail)
        for answer in found["answer"].drop_null():
            yield _unpacked(answer.as_buffer())

    def found(
        self, question: Question, parts: Sequence[Part], small: Mapping[str, bytes]
    ) -> pa.Table:
        """Return what tasks find (see `_ANSWER`) over the rows of parts, with small tables.

        Raises Refused where one of them fails.
        """
        shared = self.session.sparkContext.broadcast(small)
        try:
            tasks = [self._tasks(self.work(question, part), shared, part) for part in parts]
            return reduce(DataFrame.unionAll, tasks).toArrow()
        except PySparkException as error:
            raise failed(error) from error
        finally:
            shared.unpersist()

    def _tasks(self, work: Work, shared: Any, part: Part) -> DataFrame:
        """Return what tasks find over the rows of a part."""
        none = pq.read_schema(part.rows).empty_table().select(work.columns)
        kinds = self.session.createDataFrame(none).schema  # asking the file takes a task
        path = _GLOB.sub(r"\\\1", str(part.rows.resolve()))
        rows = self.session.read.schema(kinds).parquet(path)
        return rows.mapInArrow(task(work, shared), _ANSWER)

    def work(self, question: Question, part: Part) -> Work:
        """Return what tasks are to do with the rows of a part."""
        sql = part.sql.replace(self.file(part.rows), _PART)
        beside = {}
        for alias, path in part.beside.items():
            sql = sql.replace(self.file(path), f"part_{alias}")
            columns = _columns(alias, sql, path)
            if columns:
                beside[f"part_{alias}"] = _packed([read_parquet(path, columns)])
        columns = _columns("c", sql, part.rows) or ["account_no"]
        views = {ROWS: sql, **question.views}
        return Work(columns, views, question.sql, question.together("answers"), beside)


def _columns(alias: str, sql: str, path: Path) -> list[str]:
    """Return the columns of a file that a query names."""
    names = pq.read_schema(path).names
    plain = set(re.findall(rf"\b{alias}\.(\w+)", sql))
    return [name for name in names if name in plain or f"{alias}.{quoted(name)}" in sql]


def task(work: Work, shared: Any) -> Task:
    """Return what a task does: it makes one answer of the batches of rows that it is given.

    The `value` of what is shared with all tasks holds the small tables, packed, by name.
    """
    views, sql, together, beside = work.views, work.sql, work.together, work.beside

    def answer(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        spill = f"{tempfile.gettempdir()}/fenrun-spill"
        connection = duckdb.connect(":memory:", config={"threads": 1, "temp_directory": spill})
        connection.execute(SETTINGS)
        for name, packed in {**beside, **shared.value}.items():
            connection.register("loaded", _unpacked(packed))
            connection.execute(f"CREATE TABLE {name} AS FROM loaded")
            connection.unregister("loaded")
        rows, answers = 0, []
        try:
            for batch in batches:
                rows += batch.num_rows
                connection.register(_PART, pa.Table.from_batches([batch]))
                for name, view in views.items():
                    connection.execute(f"CREATE OR REPLACE TEMP VIEW {name} AS {view}")
                answers.append(connection.sql(sql).to_arrow_table())
            if len(answers) > 1:
                connection.register("answers", pa.concat_tables(answers))
                answers = [connection.sql(together).to_arrow_table()]
        except duckdb.Error as error:
            if not is_too_large(error):
                raise
            yield _row(rows, True, [])
            return
        for table in answers:
            yield _row(rows, False, [])
            for batch in table.to_batches(max_chunksize=_MOST_ROWS):
                yield _row(0, False, [batch])

    return answer


def _row(rows: int, too_large: bool, answer: list[pa.RecordBatch]) -> pa.RecordBatch:
    """Return a row of `_ANSWER`."""
    packed = _packed(answer) if answer else None
    columns = [[rows], [too_large], [packed]]
    types = [pa.int64(), pa.bool_(), pa.binary()]
    names = ["rows", "is_too_large", "answer"]
    return pa.record_batch([pa.array(c, t) for c, t in zip(columns, types)], names)


def _packed(tables: Sequence[pa.Table | pa.RecordBatch]) -> bytes:
    """Return tables of one schema as bytes."""
    sink = pa.BufferOutputStream()
    options = pa.ipc.IpcWriteOptions(compression="lz4")
    with pa.ipc.new_stream(sink, tables[0].schema, options=options) as writer:
        for table in tables:
            writer.write(table)
    return bytes(sink.getvalue())


def _unpacked(packed: Any) -> pa.Table:
    """Return the table of such bytes."""
    return pa.ipc.open_stream(packed).read_all()


def failed(error: Exception) -> Refused:
    """Return the refusal of what went wrong in Spark: the error's own line, not its trace."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    raised = [line for line in lines if re.match(r"[\w.]*(Error|Exception): ", line)]
    detail = (raised or lines or [type(error).__name__])[0]
    return refused("engine-failed", Place(ENGINE), engine="spark", detail=detail)


def _missing(what: str | Message) -> Refused:
    return refused("engine-missing", Place(ENGINE), engine="spark", detail=what)
