"""Row isolation, enforced in the database: what a page or the API shows is read as the asker.

Everything shown is read through the connection `asker`. PostgreSQL: a role with a sign-in of its
own (access/reader.py), read-only, under row-level security. SQLite: views in front of the tables,
and an authorizer on the connection that lets nothing but these views be read. Each request says to
the connection who asks; without it nothing is seen.
"""

from __future__ import annotations

import secrets
import sqlite3
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache, partial
from typing import Any, TypeVar

from django.apps import apps
from django.db import connections, transaction
from django.db.backends.signals import connection_created
from django.db.models import Model

from fenrun.base.problem import Place, Problem, Refused
from fenrun.portal.access import reader
from fenrun.portal.models import CUSTOMER, EVERYBODY, PARTNER, REP

Object = TypeVar("Object", bound=Model)
_PAYEE = (PARTNER, REP)
NAMED = ("an account that is named",)
SEEN_BY: dict[str, dict[str, tuple[str, ...] | None]] = {
    "portal_period": {"key": None},
    "portal_grant": {"user_id": ()},
    "portal_statement": {"payee": _PAYEE},
    "portal_crediting": {"customer": (CUSTOMER,)},
    "portal_request": {"customer": (CUSTOMER,), "party": (PARTNER,)},
    "portal_dispute": {"party": (*_PAYEE, CUSTOMER)},
    "portal_disputeentry": {"party": (*_PAYEE, CUSTOMER)},
    "portal_disputefile": {"party": (*_PAYEE, CUSTOMER)},
    "portal_notice": {"reader": NAMED},
    "portal_signuplink": {"party": (PARTNER,)},
    "portal_quote": {"party": _PAYEE, "readers": NAMED},
    "portal_casequestion": {"party": _PAYEE},
    "portal_caseentry": {"party": _PAYEE},
    "portal_questionedcase": {"case_name": ()},
    "portal_scenario": {"saved_by": ()},
    "portal_approval": {"asked_by": ()},
    "portal_payment": {"payee": _PAYEE},
    "portal_deliverydecision": {"asked_by": ()},
    "portal_event": {"actor": ()},
    "portal_knownname": {"key": ()},
    "portal_savedview": {"reader": NAMED},
}
"""By table, the columns that name a party whom a row concerns, each with the roles in which a
grant for that party shows the row.

`()`: only those who see everything see the row, and of a grant the one who has it. `None`:
everybody who has signed in. `NAMED`: the accounts whose names stand in the column, with blanks
around each. Those who see everything see all rows.
"""
INSIDE = frozenset(
    {
        "portal_opening",
        "portal_token",
        "portal_hook",
        "portal_webhookdelivery",
        "portal_idempotentresponse",
        "portal_spent",
        "portal_failedsignin",
        "portal_importjob",
        "portal_work",
        "portal_logname",
        "portal_mailaddress",
    }
)
"""Tables that nobody is shown: commands alone read them, by `default`."""
_IN_FORCE = "holds_at IS NOT NULL AND ended_at IS NULL"
_thread = threading.local()


class Router:
    """Reads the portal's rows as the asker sees them; writes all rows by `default`.

    A query that says `using("default")` reads everything.
    """

    def db_for_read(self, model: Any, **hints: Any) -> str:
        table = model._meta.db_table
        if model._meta.app_label == "portal" and table not in INSIDE:
            return "asker"  # a table that SEEN_BY does not name has no rows for anybody there
        return "default"

    def db_for_write(self, model: Any, **hints: Any) -> str:
        return "default"

    def allow_relation(self, one: Any, other: Any, **hints: Any) -> bool:
        return True

    def allow_migrate(self, db: str, app_label: str, **hints: Any) -> bool:
        return db == "default"


@contextmanager
def asking(user: int | None) -> Iterator[None]:
    """Let this thread's `asker` connection see what a user may see; None: nothing."""
    before = getattr(_thread, "user", None)
    _set_asker(user)
    try:
        yield
    finally:
        _set_asker(before)


def rows_seen(sql: str, *values: Any) -> list[tuple[Any, ...]]:
    """Return the rows of a query of text and whole numbers, as the asker sees them.

    For what a page asks at each view: it saves the time that Django takes to write the query.
    """
    with connections["asker"].cursor() as cursor:
        cursor.execute(sql, values)
        return list(cursor.fetchall())


def objects_seen(model: type[Object], names: Sequence[str], sql: str, *values: Any) -> list[Object]:
    """Return the rows of such a query as objects; `names` are of their fields, as the query has it.

    In the order of the model's own fields; what is not among them is read when it is asked.
    """
    connection = connections["asker"]
    with connection.cursor() as cursor:
        cursor.execute(sql, values)
        rows = [list(row) for row in cursor.fetchall()]
    for place, column, convert in _converters(model, tuple(names), connection.vendor):
        for row in rows:
            row[place] = convert(row[place], column, connection)
    return [model.from_db("asker", names, row) for row in rows]


@lru_cache(50)
def _converters(model: Any, names: tuple[str, ...], vendor: str) -> list[tuple[int, Any, Any]]:
    """Return what makes values of a kind of database those of fields: place, column, function."""
    connection = connections["asker"]
    columns = [model._meta.get_field(name).cached_col for name in names]
    return [
        (place, column, convert)
        for place, column in enumerate(columns)
        for convert in (
            *connection.ops.get_db_converters(column),
            *column.get_db_converters(connection),
        )
    ]


def refuse_undeclared() -> None:
    """Raise Refused where nothing says who sees the rows of a table of the portal."""
    tables = {model._meta.db_table for model in apps.get_app_config("portal").get_models()}
    undeclared = sorted(tables - SEEN_BY.keys() - INSIDE)
    if undeclared:
        raise Refused(
            [Problem("table-undeclared", Place(table), {"table": table}) for table in undeclared]
        )


def _set_asker(user: int | None) -> None:
    _thread.user = user
    connection = connections["asker"]
    is_open = user is not None or connection.connection is not None
    if connection.vendor == "postgresql" and is_open:
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT set_config('fenrun.asker', %s, false)", ["" if user is None else str(user)]
            )


def _predicate(table: str, grants: str, sees_all: str, name: str) -> str:
    """Return the condition on the rows of a table that the asker, of that name, may see."""
    if table == "portal_grant":
        return f"user_id = asker() OR {sees_all}"
    shown = []
    for column, roles in SEEN_BY[table].items():
        if not roles:
            # SQLite counts rows on a view's behalf only where the view reads a column of text.
            condition = "asker() IS NOT NULL" if roles is None else sees_all
            return f"{column} > '' AND {condition}"
        if roles is NAMED:
            shown.append(f"replace({column}, ' ' || {name} || ' ', '') <> {column}")
            continue
        shown.append(
            f"{column} IN (SELECT party FROM {grants}"
            f" WHERE user_id = asker() AND {_IN_FORCE}"
            f" AND party <> '' AND role IN ({_quoted(roles)}))"
        )
    return f"{sees_all} OR {' OR '.join(shown)}"


def _sees_all(grants: str) -> str:
    """Return the condition that the asker sees everything."""
    return (
        f"EXISTS (SELECT 1 FROM {grants}"
        f" WHERE user_id = asker() AND {_IN_FORCE}"
        f" AND party = '' AND role IN ({_quoted(EVERYBODY)}))"
    )


def _quoted(words: tuple[str, ...]) -> str:
    return ", ".join(f"'{word}'" for word in words)


_ASKER_FUNCTION = """
CREATE OR REPLACE FUNCTION asker() RETURNS bigint
LANGUAGE sql STABLE
AS $$ SELECT nullif(current_setting('fenrun.asker', true), '')::bigint $$
"""
_NAME_FUNCTION = """
CREATE OR REPLACE FUNCTION asker_name() RETURNS text
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp
AS $$ SELECT username FROM auth_user WHERE id = asker() AND is_active $$
"""
_SEES_ALL_FUNCTION = f"""
CREATE OR REPLACE FUNCTION asker_sees_all() RETURNS boolean
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp
AS $$ SELECT {_sees_all("portal_grant")} $$
"""
"""It reads as the owner of the tables. Temporary tables come last in its path: the asker's own
`portal_grant` would stand for the real one otherwise.
"""


def install() -> None:
    """Put the isolation into the database.

    Done at every start, after the migrations, so that no table can be missed; those who read
    meanwhile, by other processes, see what they saw. A table is handed out after its policy holds.
    Raises Refused for a table of which nothing says who sees it, and where PostgreSQL has no reader
    that holds it.
    """
    refuse_undeclared()
    connection = connections["default"]
    if connection.vendor != "postgresql":
        return
    reader.refuse_unfit()
    role = reader.quoted(connections["asker"].settings_dict["USER"])
    with connection.cursor() as cursor:
        cursor.execute(_ASKER_FUNCTION)
        cursor.execute(_SEES_ALL_FUNCTION)
        cursor.execute(_NAME_FUNCTION)
        for table in SEEN_BY:
            who = ("(SELECT asker_sees_all())", "(SELECT asker_name())")
            seen = _predicate(table, "portal_grant", *who)
            with transaction.atomic(using="default"):
                cursor.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")
                cursor.execute(f"DROP POLICY IF EXISTS seen ON {table}")
                cursor.execute(f"CREATE POLICY seen ON {table} FOR SELECT TO {role} USING ({seen})")
        with transaction.atomic(using="default"):
            cursor.execute(f"REVOKE ALL ON ALL TABLES IN SCHEMA public FROM {role}")
            cursor.execute(f"GRANT SELECT ON {', '.join(SEEN_BY)} TO {role}")


_NAME = "(SELECT username FROM main.auth_user WHERE id = asker() AND is_active)"


def _shadow(connection: Any, **_: Any) -> None:
    """Put the views in front of the tables on SQLite, then let nothing else be read or written.

    Only an inner view, whose name nobody can know, may read a table: SQLite also reports a common
    table expression as the source of what it reads, so one that carries a view's name could pass
    for it.
    """
    if connection.alias != "asker" or connection.vendor != "sqlite":
        return
    raw = connection.connection
    inner = f"seen_{secrets.token_hex(12)}_"
    raw.create_function("asker", 0, lambda: getattr(_thread, "user", None), deterministic=True)
    for table in SEEN_BY:
        if raw.execute("SELECT 1 FROM sqlite_master WHERE name = ?", (table,)).fetchone():
            seen = _predicate(table, "main.portal_grant", _sees_all("main.portal_grant"), _NAME)
            raw.execute(
                f"CREATE TEMP VIEW {inner}{table} AS SELECT * FROM main.{table} WHERE {seen}"
            )
            raw.execute(f"CREATE TEMP VIEW {table} AS SELECT * FROM {inner}{table}")
    raw.set_authorizer(partial(_authorize, inner))


_HARMLESS = (
    sqlite3.SQLITE_SELECT,
    sqlite3.SQLITE_RECURSIVE,
    sqlite3.SQLITE_TRANSACTION,
    sqlite3.SQLITE_SAVEPOINT,
)
_REACHES_OUTSIDE = ("load_extension", "readfile", "writefile")


def _authorize(
    inner: str,
    action: int,
    one: str | None,
    two: str | None,
    schema: str | None,
    source: str | None,
) -> int:
    """Answer SQLite whether the asker's connection may do something.

    It may read the views, and tables on behalf of an inner view; it may call functions, save
    those that reach outside.
    """
    if action in _HARMLESS:
        return sqlite3.SQLITE_OK
    if action == sqlite3.SQLITE_FUNCTION:
        return sqlite3.SQLITE_DENY if two in _REACHES_OUTSIDE else sqlite3.SQLITE_OK
    if action == sqlite3.SQLITE_READ:
        on_behalf = (source or "").startswith(inner)
        is_view = one in SEEN_BY or (one or "").startswith(inner)
        if on_behalf or (schema in ("temp", None) and is_view):
            return sqlite3.SQLITE_OK
    return sqlite3.SQLITE_DENY


connection_created.connect(_shadow, dispatch_uid="fenrun.portal.isolation")
