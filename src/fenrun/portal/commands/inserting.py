"""Inserting many rows of a table at once, without what Django does for each of their values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from django.db import connections
from django.db.models import CharField, Field, ForeignKey, IntegerField, Model

_DB = "default"
_AS_THEY_ARE = (CharField, IntegerField, ForeignKey)
"""Fields whose values, text and whole numbers, every database takes as they are."""


def insert(model: type[Model], rows: Sequence[Mapping[str, Any]]) -> None:
    """Insert rows, each by the names of its columns; what a row does not say is the default."""
    connection = connections[_DB]
    fields = [field for field in model._meta.concrete_fields if not field.primary_key]
    prepared = [_prepared(field, connection) for field in fields]
    given = [(field.attname, field.get_default(), how) for field, how in zip(fields, prepared)]
    values = [[how(row.get(name, default)) for name, default, how in given] for row in rows]
    quote = connection.ops.quote_name
    columns = ", ".join(quote(field.column or field.attname) for field in fields)
    marks = ", ".join(["%s"] * len(fields))
    sql = f"INSERT INTO {quote(model._meta.db_table)} ({columns}) VALUES ({marks})"
    with connection.cursor() as cursor:
        cursor.executemany(sql, values)


def _prepared(field: Field[Any, Any], connection: Any) -> Any:
    """Return what makes a value of a field one of the database."""
    if isinstance(field, _AS_THEY_ARE):
        return lambda value: value
    return partial(field.get_db_prep_save, connection=connection)


def row_of(one: Model) -> dict[str, Any]:
    """Return the row of an object, by the names of its columns."""
    return {field.attname: getattr(one, field.attname) for field in one._meta.concrete_fields}
