"""From a FOCUS file to stored charges.

Money that cannot be read exactly refuses the whole file, since its total could not be stated. A row without account, date or
currency is quarantined, whole, with its problem. Everything else is kept as it came, and what is odd about it is said.
"""

from __future__ import annotations

import re
import shutil
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import duckdb

from fenrun.base.ids import digest, short
from fenrun.base.money import COST_DECIMALS, plain
from fenrun.base.problem import Place, Problem, Refused, in_order
from fenrun.charges import checks
from fenrun.charges.rows import COSTS, SHARED, empty_schema, focus_columns, version_of
from fenrun.charges.source import Source, content_digest, open_source
from fenrun.engine.dialect import literal, quoted
from fenrun.engine.duckdb import DuckDB
from fenrun.engine.port import Engine
from fenrun.store.facts import Import, Store, manifest

_NUMBER = r"\s*[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d{1,3})?\s*"
_ROW_GROUP = 40_960
"""Rows that a reader takes or passes over together. A third of DuckDB's own: one account is found twice as fast, a scan of all takes as long."""
_OFFSET = r":\d\d(\.\d+)?\s*[+-]\d\d"


@dataclass(frozen=True)
class Imported:
    """What an import did."""

    source: str
    id: str
    new: bool
    """False where the same content was there already."""
    facts: dict[str, Any]
    """rows, quarantined, version, billed (currency to exact text)."""
    problems: tuple[Problem, ...]


def stage_charges(
    store: Store, path: Path, progress: Callable[[int], Any] = lambda n: None
) -> Callable[[datetime, Sequence[str]], Imported]:
    """All of importing one FOCUS file that needs nobody else to wait: read, check and write aside.

    What is returned enters it into the store, known from the moment given (UTC), in place of earlier files if it `replaces` any. Both raise Refused; the store is then untouched.
    """
    source = open_source(path)
    content = digest("charges", content_digest(source, progress))
    ready = tempfile.TemporaryDirectory(prefix="fenrun-")
    try:
        facts, problems = (
            ({}, [])
            if store.has("charges", content)
            else _write_scratch(source, Path(ready.name), content)
        )
    except BaseException:
        ready.cleanup()
        raise

    def enter(known: datetime, replaces: Sequence[str]) -> Imported:
        with ready:
            gone = [one for name in replaces for one in _replaced(store, path, name, known)]
            was = store.find("charges", content)  # before, or meanwhile
            if was:
                return Imported(path.name, content, False, was.facts, was.problems)
            said = {**facts, **({"replaces": gone} if gone else {})}
            store.add(
                "charges",
                content,
                manifest(path.name, known, said, problems),
                lambda folder: _move(Path(ready.name), folder),
            )
        return Imported(path.name, content, True, said, tuple(problems))

    return enter


def _write_scratch(
    source: Source, into: Path, content: str
) -> tuple[dict[str, Any], list[Problem]]:
    with tempfile.TemporaryDirectory(prefix="fenrun-") as aside:
        staged = _Staged(DuckDB(Path(aside)), source, Path(aside))
        problems, facts = in_order(staged.problems()), staged.facts()
        staged.write(into, short(content))
    return facts, problems


def _move(files: Path, into: Path) -> None:
    for file in files.iterdir():
        shutil.move(file, into / file.name)


def _replaced(store: Store, path: Path, name: str, known: datetime) -> list[str]:
    """Ids of the imports of charges with that file name or id, as known at a moment."""
    found = [i.id for i in store.imports("charges", known) if name in (i.source, i.id, short(i.id))]
    if not found:
        raise Refused([Problem("replaces-unknown", Place(path.name), {"name": name})])
    return found


def load_charges(
    engine: Engine, name: str, imports: Sequence[Import], only: Mapping[str, str] | None = None
) -> None:
    """Make the charges of the imports known to the engine under a name; of some, by id, those rows only for which a condition holds.

    What all rows of a file share stands in the view as a constant: it is neither read nor compared row by row.
    """
    files = {i.folder / "charges.parquet": i for i in imports}
    kinds = {"BillingPeriodStart": "TIMESTAMP "}
    same = {
        path: {c: kinds.get(c, "") + literal(v) for c, v in i.facts.get("same", {}).items()}
        for path, i in files.items()
    }
    engine.load_files(
        name,
        list(files),
        empty_schema(),
        {path: only[i.id] for path, i in files.items() if only and i.id in only},
        same,
    )


def billing_facts(engine: Engine, table: str, where: str = "true") -> dict[str, Any]:
    """Of charges in the engine: the first and last day on which a billing period begins, how many are corrections, and in which columns of SHARED all rows are the `same`."""
    correction = "ChargeClass = 'Correction'" if "ChargeClass" in engine.columns(table) else "false"
    shared = "".join(
        f", CASE WHEN min({c}) = max({c}) AND count({c}) = count(*) THEN CAST(min({c}) AS VARCHAR) END AS {c}"
        for c in SHARED
    )
    found = engine.query(
        f"SELECT min(BillingPeriodStart)::DATE AS first, max(BillingPeriodStart)::DATE AS last, count(*) FILTER ({correction}) AS corrections{shared} FROM {table} WHERE {where}"
    ).to_pylist()[0]
    same = {c: found[c] for c in SHARED if found[c] is not None and "\0" not in found[c]}
    return {
        "first_billed": str(found["first"] or ""),
        "last_billed": str(found["last"] or ""),
        "corrections": found["corrections"],
        "same": same,
    }


class _Staged:
    """A file inside the engine: `raw` as it came, `staged` typed."""

    def __init__(self, engine: DuckDB, source: Source, aside: Path):
        self.engine, self.source = engine, source
        self._load(aside)
        if not self._one("SELECT count(*) FROM raw"):
            raise Refused([Problem("file-empty", Place(source.path.name))])
        self.types = engine.columns("raw")
        self.decimals = self._measure()
        columns = ", ".join(
            f"{self._typed(spelt, name)} AS {quoted(name)}" for spelt, name in source.names.items()
        )
        texts = ", ".join(
            f"{self._text(spelt)} AS {quoted('text_' + name)}"
            for spelt, name in source.names.items()
            if self._is_time(name)
        )
        engine.connection.execute(
            f"CREATE VIEW staged AS SELECT file_row_number + 2 AS row_no, {columns}, {texts} FROM raw"
        )

    def _one(self, sql: str) -> Any:
        return self.engine.connection.execute(sql).fetchone()[0]  # type: ignore[index]

    def _load(self, aside: Path) -> None:
        connection, path = self.engine.connection, self.source.path
        if self.source.format == "csv":
            columns = "{" + ", ".join(f"{literal(c)}: 'VARCHAR'" for c in self.source.header) + "}"
            options = f"columns => {columns}, auto_detect => false, header => true, delim => ',', quote => '\"', escape => '\"', store_rejects => true"
            compression = f", compression => '{self.source.compression}', rejects_limit => 1000, max_line_size => 16777216"
            raw = aside / "raw.parquet"
            try:
                connection.execute(
                    f"COPY (FROM read_csv({literal(str(path))}, {options}{compression})) TO {literal(str(raw))} (FORMAT parquet)"
                )
            except duckdb.Error as error:
                raise Refused(
                    [
                        Problem(
                            "file-unreadable",
                            Place(path.name),
                            {"detail": str(error).splitlines()[0]},
                        )
                    ]
                ) from error
            self._refuse_rejects()
            path = raw
        try:
            connection.execute(
                f"CREATE VIEW raw AS SELECT * FROM read_parquet({literal(str(path))}, file_row_number => true)"
            )
            connection.execute("SELECT * FROM raw LIMIT 1").fetchall()
        except duckdb.Error as error:
            raise Refused(
                [
                    Problem(
                        "file-truncated", Place(path.name), {"detail": str(error).splitlines()[0]}
                    )
                ]
            ) from error

    def _refuse_rejects(self) -> None:
        """Rows that do not have the header's fields: their money cannot be read, so the file is refused."""
        rejects = self.engine.connection.execute(
            "SELECT line, min(error_message) FROM reject_errors GROUP BY line ORDER BY line LIMIT 50"
        ).fetchall()
        if not rejects:
            return
        total = (
            sum(1 for _ in self.source.path.open("rb")) if self.source.compression == "none" else 0
        )
        name = self.source.path.name
        raise Refused(
            Problem(
                "file-truncated" if line == total else "row-malformed",
                Place(name, line),
                {"detail": message.splitlines()[0]},
            )
            for line, message in rejects
        )

    def _is_time(self, name: str) -> bool:
        column = focus_columns().get(name)
        return column is not None and column.type == "Date/Time"

    def _numeric(self) -> list[tuple[str, str]]:
        known = focus_columns()
        return [
            (spelt, name)
            for spelt, name in self.source.names.items()
            if name in known and known[name].type == "Decimal"
        ]

    def _text(self, spelt: str) -> str:
        kind = self.types[spelt]
        if kind.startswith(("MAP", "STRUCT")) or kind.endswith("]"):
            return f"CAST(to_json({quoted(spelt)}) AS VARCHAR)"
        text = quoted(spelt) if kind == "VARCHAR" else f"CAST({quoted(spelt)} AS VARCHAR)"
        return f"nullif(nullif({text}, ''), 'NULL')"

    def _needs(self, spelt: str) -> str:
        """SQL for how many decimals a value needs."""
        found = re.match(r"DECIMAL\((\d+),(\d+)\)", self.types[spelt])
        if found and int(found[2]) <= COST_DECIMALS:
            return f"CASE WHEN {quoted(spelt)} IS NOT NULL THEN {found[2]} END"
        text = self._text(spelt)
        fraction = rf"length(rtrim(regexp_extract({text}, '\.(\d*)', 1), '0'))"
        power = f"coalesce(TRY_CAST(regexp_extract({text}, '[eE]([+-]?\\d+)', 1) AS INTEGER), 0)"
        return f"CASE WHEN {text} IS NOT NULL THEN greatest(0, {fraction} - {power}) END"

    def _valid(self, spelt: str) -> str:
        """SQL for whether a value is a number that is held exactly."""
        if self.types[spelt].startswith("DECIMAL"):
            return f"({self._needs(spelt)} <= {COST_DECIMALS})"
        text = self._text(spelt)
        fits = f"TRY_CAST({text} AS DECIMAL(38,{COST_DECIMALS})) IS NOT NULL"
        return f"(regexp_full_match({text}, '{_NUMBER}') AND {fits} AND {self._needs(spelt)} <= {COST_DECIMALS})"

    def _measure(self) -> dict[str, str]:
        """The type of each decimal column: exact where every value is a number. Raises Refused where a cost is not."""
        asked = []
        for spelt, _ in self._numeric():
            text, bad = (
                self._text(spelt),
                f"{self._text(spelt)} IS NOT NULL AND NOT coalesce({self._valid(spelt)}, false)",
            )
            size = f"max(abs(TRY_CAST({text} AS DECIMAL(38,{COST_DECIMALS}))))"
            asked.append(
                f"max({self._needs(spelt)}), {size}, count(*) FILTER ({bad}), min(file_row_number) FILTER ({bad}), arg_min({text}, file_row_number) FILTER ({bad})"
            )
        answers = (
            self.engine.connection.execute(f"SELECT {', '.join(asked)} FROM raw").fetchone() or ()
        )
        types, refused, self.odd = {}, [], []
        for number, (_, name) in enumerate(self._numeric()):
            scale, largest, count, row, value = answers[number * 5 : number * 5 + 5]
            if count:
                code = "cost-unreadable" if name in COSTS else "number-unreadable"
                problem = Problem(
                    code,
                    Place(self.source.path.name, row + 2, name),
                    {"column": name, "value": str(value)[:60]},
                    rows=count,
                )
                (refused if name in COSTS else self.odd).append(problem)
                continue
            digits = 1 if not largest else max(1, largest.adjusted() + 1)
            types[name] = (scale or 0, digits)
        if refused:
            raise Refused(refused)
        common = max((types[name][0] for name in COSTS if name in types), default=2)
        return {
            name: _decimal(common if name in COSTS else scale, digits)
            for name, (scale, digits) in types.items()
        }

    def _typed(self, spelt: str, name: str) -> str:
        text = self._text(spelt)
        if name in self.decimals:
            return f"CAST({quoted(spelt) if self.types[spelt].startswith('DECIMAL') else text} AS {self.decimals[name]})"
        if self._is_time(name):
            kind = self.types[spelt]
            if kind == "TIMESTAMP WITH TIME ZONE":
                return f"{quoted(spelt)} AT TIME ZONE 'UTC'"
            if kind != "VARCHAR":
                return f"CAST({quoted(spelt)} AS TIMESTAMP)"
            zoned = f"TRY_CAST({text} AS TIMESTAMPTZ) AT TIME ZONE 'UTC'"
            return f"CASE WHEN regexp_matches({text}, '{_OFFSET}') THEN {zoned} ELSE TRY_CAST({text} AS TIMESTAMP) END"
        return text

    def problems(self) -> list[Problem]:
        """Everything odd about the file."""
        found = self.odd + checks.find(self.engine, self.source, self.types)
        return found

    def facts(self) -> dict[str, Any]:
        """Counted rows and the control totals: exact BilledCost a currency, quarantined rows included."""
        names = set(self.source.names.values())
        totals = self.engine.connection.execute(
            f"SELECT coalesce(BillingCurrency, '?'), sum(BilledCost), coalesce(sum(BilledCost) FILTER ({checks.QUARANTINE}), 0), count(*) FILTER ({checks.QUARANTINE}), count(*) "
            "FROM staged GROUP BY 1 ORDER BY 1"
        ).fetchall()
        return {
            **billing_facts(self.engine, "staged", f"NOT ({checks.QUARANTINE})"),
            "version": version_of(names),
            "rows": sum(t[4] for t in totals),
            "quarantined": sum(t[3] for t in totals),
            "billed": {t[0]: plain(t[1]) for t in totals if t[1] is not None},
            "billed_quarantined": {t[0]: plain(t[2]) for t in totals if t[3]},
        }

    def write(self, folder: Path, import_id: str) -> None:
        """Write `charges.parquet`, account by account, and `quarantine.parquet` where rows are kept aside. What is read often is packed lightly: a settlement is mostly its scan."""
        columns = ", ".join(quoted(name) for name in self.source.names.values())
        target = "(FORMAT parquet, COMPRESSION zstd)"
        order = ", ".join(
            [
                "InvoiceIssuerName",
                "BillingAccountId",
                *(["SubAccountId"] if "SubAccountId" in self.source.names.values() else []),
                "row_no",
            ]
        )
        self.engine.connection.execute(
            f"COPY (SELECT {literal(import_id)} AS import_id, row_no, {columns} FROM staged WHERE NOT ({checks.QUARANTINE}) ORDER BY {order}) TO {literal(str(folder / 'charges.parquet'))} (FORMAT parquet, COMPRESSION lz4, ROW_GROUP_SIZE {_ROW_GROUP})"
        )
        if self._one(f"SELECT count(*) FROM staged WHERE {checks.QUARANTINE}"):
            self.engine.connection.execute(
                f"COPY (SELECT * FROM raw WHERE file_row_number + 2 IN (SELECT row_no FROM staged WHERE {checks.QUARANTINE})) TO {literal(str(folder / 'quarantine.parquet'))} {target}"
            )


def _decimal(scale: int, digits: int) -> str:
    return f"DECIMAL({18 if scale + digits <= 18 else 38},{scale})"
