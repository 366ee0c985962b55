"""The API's own page, made from its schema: no script and nothing from elsewhere is needed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from fenrun.portal.api.app import api
from fenrun.portal.api.shared import MOST

_METHODS = ("get", "post", "put", "patch", "delete")


@require_safe
def shown(request: HttpRequest) -> HttpResponse:
    """Show every operation of the API; it needs no sign-in, as the schema does not."""
    address = request.build_absolute_uri("/").rstrip("/")
    return render(request, "api.html", {"groups": _groups(), "address": address, "most": MOST})


@cache
def _groups() -> dict[str, list[dict[str, Any]]]:
    """Return the operations by the first part of their path, in the order of their names."""
    schema: Mapping[str, Any] = api.get_openapi_schema()
    found: dict[str, list[dict[str, Any]]] = {}
    for path, by_method in schema["paths"].items():
        group = path.removeprefix("/api/").split("/")[0]
        for method in _METHODS:
            if method in by_method:
                said = by_method[method]
                found.setdefault(group, []).append(_operation(schema, method, path, said))
    return dict(sorted(found.items()))


def _operation(
    schema: Mapping[str, Any], method: str, path: str, said: Mapping[str, Any]
) -> dict[str, Any]:
    content = next(iter(said.get("requestBody", {}).get("content", {}).items()), None)
    answers: Mapping[str, Any] = said["responses"]
    ok: Mapping[str, Any] = next((a for c, a in answers.items() if str(c).startswith("2")), {})
    answer = ok.get("content", {}).get("application/json", {}).get("schema", {})
    return {
        "method": method.upper(),
        "path": path,
        "summary": said.get("summary", ""),
        "description": said.get("description", ""),
        "parameters": [*_parameters(said)],
        "body": [*_fields(schema, content[1]["schema"])] if content else [],
        "kind": content[0] if content else "",
        "answer": _type(answer) if answer else "",
        "fields": [*_fields(schema, answer)],
    }


def _parameters(said: Mapping[str, Any]) -> Iterator[tuple[str, str, bool]]:
    for one in said.get("parameters", ()):
        yield one["name"], _type(one["schema"]), bool(one.get("required"))


def _fields(
    schema: Mapping[str, Any], of: Mapping[str, Any]
) -> Iterator[tuple[str, str, bool, str]]:
    """Yield name, type, whether it is required, and words of each field of an object."""
    name = of.get("items", of).get("$ref", "").rpartition("/")[2]
    found = schema["components"]["schemas"].get(name, of)
    required = found.get("required", ())
    for key, field in found.get("properties", {}).items():
        yield key, _type(field), key in required, field.get("description", "")


def _type(field: Mapping[str, Any]) -> str:
    """Return the type of a field in a word or two."""
    if "$ref" in field:
        return str(field["$ref"]).rpartition("/")[2]
    if "anyOf" in field:
        return " | ".join(_type(one) for one in field["anyOf"])
    if field.get("type") == "array":
        return f"[{_type(field.get('items', {}))}]"
    return str(field.get("format") or field.get("type") or "JSON")
