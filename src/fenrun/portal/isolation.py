"""Who sees which row, enforced in the database: everything that a page or the API shows is read through the connection `asker`.

PostgreSQL: the role `fenrun_asker`, read-only, under row-level security. SQLite: views in front of the tables, and an authorizer on the
connection that lets nothing but these views be read. Who asks is said to the connection for each request; without it nothing is seen.
"""

from __future__ import annotations

import secrets
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

from django.db import connections
from django.db.backends.signals import connection_created

from fenrun.portal.models import CUSTOMER, EVERYBODY, PARTNER, REP

_PAYEE = (PARTNER, REP)
SEEN_BY: dict[str, dict[str, tuple[str, ...] | None]] = {
    "portal_period": {"key": None},
    "portal_grant": {"user_id": ()},
    "portal_statement": {"payee": _PAYEE},
    "portal_crediting": {"customer": (CUSTOMER,)},
    "portal_request": {"customer": (CUSTOMER,), "party": (PARTNER,)},
    "portal_dispute": {"party": (*_PAYEE, CUSTOMER)},
    "portal_disputeentry": {"party": (*_PAYEE, CUSTOMER)},
    "portal_approval": {"asked_by": ()},
    "portal_event": {"actor": ()},
}
"""Of each table, the columns that name a party whom a row concerns, and the roles in which a grant for that party shows it; a grant is seen by the
one who has it. Without roles a row is seen by those only who see everything, who see the rest as well; None: by whoever has signed in."""
ASKER = "fenrun_asker"
_HOLDS = "holds_at IS NOT NULL AND ended_at IS NULL"
_now = threading.local()


class Router:
    """Rows of the portal are read as the asker sees them, unless a query says `using("default")`; everything is written by `default`."""

    def db_for_read(self, model: Any, **hints: Any) -> str:
        return "asker" if model._meta.db_table in SEEN_BY else "default"

    def db_for_write(self, model: Any, **hints: Any) -> str:
        return "default"

    def allow_relation(self, one: Any, other: Any, **hints: Any) -> bool:
        return True

    def allow_migrate(self, db: str, app_label: str, **hints: Any) -> bool:
        return db == "default"


@contextmanager
def asking(user: int | None) -> Iterator[None]:
    """While it lasts, this thread's `asker` connection sees what the user may see; None: nothing."""
    before = getattr(_now, "user", None)
    _say(user)
    try:
        yield
    finally:
        _say(before)


def rows_seen(sql: str, *values: Any) -> list[tuple[Any, ...]]:
    """Rows of a query of text and whole numbers, as the asker sees them: what a page asks at each view, without the time that it takes to write such a query anew."""
    with connections["asker"].cursor() as cursor:
        cursor.execute(sql, values)
        return list(cursor.fetchall())


def _say(user: int | None) -> None:
    _now.user = user
    connection = connections["asker"]
    if connection.vendor == "postgresql" and (
        user is not None or connection.connection is not None
    ):
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT set_config('fenrun.asker', %s, false)", ["" if user is None else str(user)]
            )


def _predicate(table: str, grants: str, sees_all: str) -> str:
    """The condition on the rows of a table that the asker may see."""
    if table == "portal_grant":
        return f"user_id = asker() OR {sees_all}"
    shown = []
    for column, roles in SEEN_BY[table].items():
        if not roles:  # a column of text is read, since SQLite counts rows on a view's behalf only where the view reads one
            return f"{column} > '' AND {'asker() IS NOT NULL' if roles is None else sees_all}"
        shown.append(
            f"{column} IN (SELECT party FROM {grants} WHERE user_id = asker() AND {_HOLDS} AND party <> '' AND role IN ({_list(roles)}))"
        )
    return f"{sees_all} OR {' OR '.join(shown)}"


def _sees_all(grants: str) -> str:
    return f"EXISTS (SELECT 1 FROM {grants} WHERE user_id = asker() AND {_HOLDS} AND party = '' AND role IN ({_list(EVERYBODY)}))"


def _list(words: tuple[str, ...]) -> str:
    return ", ".join(f"'{w}'" for w in words)


def install() -> None:
    """Put the isolation into the database; done at every start, after the migrations, so that no table can be missed."""
    connection = connections["default"]
    if connection.vendor != "postgresql":
        return
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT 1 FROM pg_roles WHERE rolname = '{ASKER}'")
        if not cursor.fetchone():
            cursor.execute(f"CREATE ROLE {ASKER} NOLOGIN")
        cursor.execute(f"GRANT {ASKER} TO CURRENT_USER")
        cursor.execute(f"GRANT USAGE ON SCHEMA public TO {ASKER}")
        cursor.execute(f"REVOKE ALL ON ALL TABLES IN SCHEMA public FROM {ASKER}")
        cursor.execute(
            "CREATE OR REPLACE FUNCTION asker() RETURNS bigint LANGUAGE sql STABLE AS $$ SELECT nullif(current_setting('fenrun.asker', true), '')::bigint $$"
        )
        cursor.execute(
            f"CREATE OR REPLACE FUNCTION asker_sees_all() RETURNS boolean LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public AS $$ SELECT {_sees_all('portal_grant')} $$"
        )
        for table in SEEN_BY:
            cursor.execute(f"GRANT SELECT ON {table} TO {ASKER}")
            cursor.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")
            cursor.execute(f"DROP POLICY IF EXISTS seen ON {table}")
            cursor.execute(
                f"CREATE POLICY seen ON {table} FOR SELECT TO {ASKER} USING ({_predicate(table, 'portal_grant', '(SELECT asker_sees_all())')})"
            )


def _shadow(connection: Any, **_: Any) -> None:
    """On SQLite: put the views in front of the tables, then let nothing else be read, and nothing be written.

    Only an inner view, whose name nobody can know, may read a table: SQLite also reports a common table expression as the source of
    what it reads, so one that carries a view's name could pass for it.
    """
    if connection.alias != "asker" or connection.vendor != "sqlite":
        return
    raw, inner = connection.connection, f"seen_{secrets.token_hex(12)}_"
    raw.create_function("asker", 0, lambda: getattr(_now, "user", None), deterministic=True)
    for table in SEEN_BY:
        if raw.execute("SELECT 1 FROM sqlite_master WHERE name = ?", (table,)).fetchone():
            raw.execute(
                f"CREATE TEMP VIEW {inner}{table} AS SELECT * FROM main.{table} WHERE {_predicate(table, 'main.portal_grant', _sees_all('main.portal_grant'))}"
            )
            raw.execute(f"CREATE TEMP VIEW {table} AS SELECT * FROM {inner}{table}")
    raw.set_authorizer(partial(_allowed, inner))


def _allowed(
    inner: str,
    action: int,
    one: str | None,
    two: str | None,
    schema: str | None,
    source: str | None,
) -> int:
    """What may be done on the asker's connection: reading the views, and tables on behalf of an inner view; functions, save those that reach outside."""
    if action in (
        sqlite3.SQLITE_SELECT,
        sqlite3.SQLITE_RECURSIVE,
        sqlite3.SQLITE_TRANSACTION,
        sqlite3.SQLITE_SAVEPOINT,
    ):
        return sqlite3.SQLITE_OK
    if action == sqlite3.SQLITE_FUNCTION:
        return (
            sqlite3.SQLITE_DENY
            if two in ("load_extension", "readfile", "writefile")
            else sqlite3.SQLITE_OK
        )
    if action == sqlite3.SQLITE_READ and (
        (source or "").startswith(inner)
        or (schema in ("temp", None) and (one in SEEN_BY or (one or "").startswith(inner)))
    ):
        return sqlite3.SQLITE_OK
    return sqlite3.SQLITE_DENY


connection_created.connect(_shadow, dispatch_uid="fenrun.portal.isolation")
