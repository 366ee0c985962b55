"""Texts read by their keys; what is refused becomes problems in the reader's language, by line."""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, TypeVar, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from fenrun.base.bounds import read_text
from fenrun.base.problem import Place, Problem, Refused, refused
from fenrun.base.words import Message, reason
from fenrun.plan.source import CODES, Path_, Source, read_source
from fenrun.plan.text import PlanText

Model = TypeVar("Model", bound=BaseModel)
_UNOPENED: dict[type[OSError], str] = {
    FileNotFoundError: "file-not-there",
    IsADirectoryError: "file-is-folder",
}
_SHOWN = 60
"""Of a value that is refused, so many characters are shown."""
_KIND_OF_ERROR = {
    "string_type": "not-a-text",
    "list_type": "not-a-list",
    "dict_type": "not-a-mapping",
    "model_type": "not-a-mapping",
    "model_attributes_type": "not-a-mapping",
    "too_short": "list-empty",
    "int_parsing": "not-a-count",
    "int_parsing_size": "not-a-count",
    "int_type": "not-a-count",
    "greater_than_equal": "not-a-count",
}
"""The message for each kind of pydantic's errors whose reason needs no more than the value."""


def content_of(path: Path) -> str:
    """Return the text of a plan's, policy's or scenario's file. Raises Refused."""
    try:
        return read_text(path)
    except OSError as error:
        why = _UNOPENED.get(type(error), "file-cannot-be-opened")
        raise refused("file-unreadable", Place(path.name), detail=Message(why)) from error


def read_keys(content: str, name: str, kind: str, model: type[Model]) -> tuple[Model, Source]:
    """Return a text of a kind as its model, and as it stands.

    Raises Refused with every problem of its keys; what else is wrong, the source says.
    """
    written = read_source(content, name, kind)
    try:
        return model.model_validate(written.data), written
    except ValidationError as error:
        found = [problem_of(one, written, model) for one in error.errors()]
        raise Refused(written.problems + found) from error


def problem_of(error: ErrorDetails, source: Source, model: type[BaseModel] = PlanText) -> Problem:
    """Return one of pydantic's errors about a text of a model as a problem."""
    kind = source.kind
    path = _written(error["loc"], source.data)
    place = source.place(path)
    key = place.column
    if error["type"] in ("extra_forbidden", "missing"):
        known = keys_at(path[:-1], source.data, model)
        said = _missing(key) if error["type"] == "missing" else _unknown(key, known)
        return Problem(
            CODES[kind]["key"], place, {"detail": said, "known": ", ".join(known) or "-"}
        )
    return Problem(CODES[kind]["value"], place, {"key": key, "detail": _reason(error)})


def _missing(key: str) -> Message:
    return Message("key-missing", {"name": key})


def _unknown(key: str, known: Sequence[str]) -> Message:
    close = difflib.get_close_matches(key, known, 1)
    if close:
        return Message("key-unknown-close", {"name": key, "close": close[0]})
    return Message("key-unknown", {"name": key})


def _reason(error: ErrorDetails) -> Message | str:
    """Return why a value is refused."""
    context = error.get("ctx", {})
    if error["type"] == "value_error":
        return reason(context["error"])
    text = str(error["input"])[:_SHOWN]
    if error["type"] == "literal_error":
        allowed = re.findall(r"'([^']*)'", context["expected"])
        return Message("not-one-of", {"text": text, "allowed": ", ".join(allowed)})
    return Message(_KIND_OF_ERROR.get(error["type"], "value-unreadable"), {"text": text})


def _written(location: Sequence[str | int], data: Any) -> Path_:
    """Return an error's path without pydantic's own steps (members of a union, `[key]`).

    It ends with the key that is missing, where one is.
    """
    path: list[str | int] = []
    here = data
    for number, part in enumerate(location):
        in_mapping = isinstance(here, dict) and part in here
        in_list = isinstance(here, list) and isinstance(part, int) and part < len(here)
        if in_mapping or in_list:
            here = here[part]
            path.append(part)
        elif number == len(location) - 1 and isinstance(here, dict) and part != "[key]":
            path.append(part)
    return tuple(path)


def keys_at(path: Path_, data: Any, model: type[BaseModel] = PlanText) -> list[str]:
    """Return the keys that a model may have at a path of its data; none where it has names."""
    hint, here = _plain(model, data), data
    for part in path:
        here = here[part]
        hint = _plain(_below(hint, part), here)
    return list(_fields(hint))


def _fields(hint: Any) -> dict[str, Any]:
    """Return the types of a model's fields by their keys; none for what is no model."""
    if not (isinstance(hint, type) and issubclass(hint, BaseModel)):
        return {}
    return {field.alias or name: field.annotation for name, field in hint.model_fields.items()}


def _below(hint: Any, part: str | int) -> Any:
    """Return the type of an item, a mapping's value, or a model's field."""
    if get_origin(hint) in (list, dict):
        return get_args(hint)[-1]
    return _fields(hint).get(str(part))


def _plain(hint: Any, data: Any) -> Any:
    """Return a type without its marks; of several, the one whose keys the data has most of."""
    if get_origin(hint) is Annotated:
        return _plain(get_args(hint)[0], data)
    if get_origin(hint) not in (Union, UnionType):
        return hint
    written = set(data) if isinstance(data, dict) else set()
    members = [_plain(member, data) for member in get_args(hint)]
    return max(members, key=lambda member: len(written & set(_fields(member))))
