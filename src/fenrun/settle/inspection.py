"""A look into a settlement: its steps with their SQL and seconds, and its tables in a file."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from pathlib import Path

from fenrun.base.problem import Place, refused
from fenrun.base.when import Period
from fenrun.credit.stored_charges import StoredCharges
from fenrun.engine.recorder import RecordedEngine, Recorder
from fenrun.settle.facts import Facts
from fenrun.settle.kept_tables import tables_beside
from fenrun.settle.readings import Reading, readings
from fenrun.settle.settling import Settling
from fenrun.statement.run import Run

_COLUMNS = """
SELECT table_name, column_name, data_type FROM duckdb_columns()
WHERE schema_name = current_schema() ORDER BY table_oid, column_index"""


class Inspection:
    """A settlement whose steps are recorded: of all months, and on this machine.

    DuckDB runs it where SQL or tables are asked for; for seconds, whatever would otherwise.
    """

    def __init__(
        self,
        for_sql: bool = False,
        clock: Callable[[], float] | None = None,
        tables: Path | None = None,
    ):
        """Begin. `clock` measures steps in seconds, `tables` is the file to keep tables in.

        Raises Refused where that is there already, OSError where none can be.
        """
        if tables:
            if tables.exists():
                raise refused("target-exists", Place(str(tables)), path=tables)
            tempfile.TemporaryDirectory(dir=tables.parent).cleanup()  # better now than in the end
        self.recorder = Recorder(clock)
        self.readings: list[Reading] = []
        """How the columns of all tables are read, where SQL or tables are asked for."""
        self._reads_tables, self._tables = for_sql or bool(tables), tables

    def settle(
        self, facts: Facts, period: Period, known: datetime, progress: Callable[[str], None]
    ) -> Run:
        """Settle the period over facts, without what is kept of months. Raises Refused, OSError."""
        engine = RecordedEngine(self.recorder)

        def inspect(settling: Settling, _: StoredCharges) -> None:
            settlement = settling.settled([])
            if self._reads_tables:
                columns = [(str(t), str(c), str(k)) for t, c, k in settlement.runner.rows(_COLUMNS)]
                self.readings = list(readings(settlement, columns))
            if self._tables:
                engine.write(self._tables, tables_beside(settlement.codes, self.readings))

        make = engine.bulk if self._reads_tables else None
        facts = replace(facts, kept=None)
        return facts.settle(period, known, progress, engine, make, inspect)
