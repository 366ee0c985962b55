"""The reader: the role of PostgreSQL by which the portal reads what it shows.

It signs in by itself, so no statement on its connection can become another role. An administrator
makes it once (`fenrun database init`); the portal needs no right to make roles.
"""

from __future__ import annotations

from urllib.parse import urlsplit

import dj_database_url
from django.db import DatabaseError, connections

from fenrun.base.problem import Place, refused

NAME = "fenrun_reader"
"""The role, where FENRUN_READER_URL names no other."""


def address_of(owner: str, reader: str = "") -> str:
    """Return the address by which the reader signs in.

    Without one of its own it is the owner's with another name and no password: the database
    trusts it, or libpq finds the password in its own file.
    """
    if reader:
        return reader
    where = urlsplit(owner)
    place = where.netloc.rpartition("@")[2]
    return where._replace(netloc=f"{NAME}@{place}").geturl()


def sql(owner: str, reader: str = "") -> list[str]:
    """Return the statements that make the reader, for an administrator of the database to run.

    They may be run again. `owner` and `reader` are the addresses of both.
    """
    owns, reads = dj_database_url.parse(owner), dj_database_url.parse(address_of(owner, reader))
    role, database, by = quoted(reads["USER"]), quoted(owns["NAME"]), quoted(owns["USER"])
    can = "LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS"
    password = f" PASSWORD {_text(reads['PASSWORD'])}" if reads["PASSWORD"] else ""
    make = (
        "DO $do$ BEGIN IF NOT EXISTS"
        f" (SELECT FROM pg_roles WHERE rolname = {_text(reads['USER'])})"
        f" THEN CREATE ROLE {role}; END IF; END $do$"
    )
    return [
        make,
        f"ALTER ROLE {role} {can}{password}",
        f"ALTER ROLE {role} SET default_transaction_read_only = on",
        f"REVOKE CREATE ON SCHEMA public FROM PUBLIC, {role}",
        f"GRANT USAGE, CREATE ON SCHEMA public TO {by}",
        f"GRANT USAGE ON SCHEMA public TO {role}",
        f"REVOKE TEMPORARY ON DATABASE {database} FROM PUBLIC, {role}",
        f"GRANT CONNECT ON DATABASE {database} TO {role}",
    ]


def run(owner: str, reader: str, administrator: str) -> None:
    """Run the statements as an administrator. Raises Refused where the database will not."""
    import psycopg

    statements = sql(owner, reader)
    said = dj_database_url.parse(administrator or owner)
    keys = ("HOST", "PORT", "USER", "PASSWORD")
    given = {key.lower(): said[key] for key in keys if said[key]}  # type: ignore[literal-required]
    try:
        name = dj_database_url.parse(owner)["NAME"]
        with psycopg.connect(**given, dbname=name, **said.get("OPTIONS", {})) as connection:
            for statement in statements:
                connection.execute(statement.encode())
    except psycopg.Error as error:
        raise refused("reader-not-made", Place("PostgreSQL"), detail=_first_line(error)) from error


def refuse_unfit() -> None:
    """Raise Refused where the reader cannot sign in, or could see more than the asker may."""
    name, owner = (connections[a].settings_dict["USER"] for a in ("asker", "default"))
    place = Place("PostgreSQL")
    try:
        with connections["asker"].cursor() as cursor:
            cursor.execute("SELECT session_user = current_user")
    except DatabaseError as error:
        raise refused("reader-missing", place, role=name, detail=_first_line(error)) from error
    with connections["default"].cursor() as cursor:
        cursor.execute(
            "SELECT rolsuper OR rolbypassrls OR rolcreaterole OR pg_has_role(oid, %s, 'MEMBER')"
            " FROM pg_roles WHERE rolname = %s",
            [owner, name],
        )
        row = cursor.fetchone()
    if row is None or row[0]:
        raise refused("reader-sees-more", place, role=name, owner=owner)


def quoted(name: str) -> str:
    """Return a name of the database as SQL writes it."""
    return '"' + name.replace('"', '""') + '"'


def _text(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:200]
