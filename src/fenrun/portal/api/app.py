"""The API as one: who may ask, the resources, and how a refusal is told."""

from __future__ import annotations

from importlib.metadata import version
from typing import Any, cast

from django.http import Http404, HttpRequest, HttpResponse
from ninja import NinjaAPI
from ninja.errors import HttpError, ValidationError
from ninja.openapi.schema import OpenAPISchema
from ninja.operation import Operation
from ninja.security import APIKeyCookie, HttpBearer

from fenrun.base.problem import Refused
from fenrun.base.words import say
from fenrun.portal.access.middleware import full_disk, refusal
from fenrun.portal.access.request import PortalRequest
from fenrun.portal.api import (
    book,
    bulk,
    cases,
    crediting,
    deliveries,
    disputes,
    grants,
    imports,
    log,
    notices,
    payments,
    periods,
    plans,
    prices,
    quotes,
    requests,
    scenarios,
    statements,
    targets,
    verify,
    ways,
    webhooks,
    work,
)
from fenrun.portal.api.shared import forbidden
from fenrun.portal.language import lang
from fenrun.portal.places import without_folders
from fenrun.store.facts import is_of_disk

_READS = ("GET", "HEAD")
_RESOURCES = (
    grants,
    periods,
    statements,
    crediting,
    requests,
    quotes,
    notices,
    disputes,
    cases,
    log,
    plans,
    scenarios,
    imports,
    deliveries,
    book,
    prices,
    targets,
    ways,
    webhooks,
    payments,
    bulk,
    verify,
    work,
)


class Session(APIKeyCookie):
    """A browser's session; what changes something needs the form token as well."""

    param_name = "sessionid"

    def authenticate(self, request: HttpRequest, key: str | None) -> Any:
        by_token = hasattr(request, "scopes")
        return request.user if request.user.is_authenticated and not by_token else None


class Bearer(HttpBearer):
    """A token of the user, within its scopes; the middleware has looked it up."""

    def authenticate(self, request: HttpRequest, token: str) -> Any:
        if not request.user.is_authenticated or not hasattr(request, "scopes"):
            return None
        if request.method not in _READS and "act" not in cast(PortalRequest, request).scopes:
            raise forbidden("api-token-reads")
        return request.user


class PortalAPI(NinjaAPI):
    """The portal's API. Operations keep their names, wherever their code stands."""

    _schema: OpenAPISchema | None = None

    def get_openapi_schema(self, **path: Any) -> OpenAPISchema:
        """Return the schema, made once: that takes half a second, and whoever comes may ask."""
        self._schema = self._schema or super().get_openapi_schema(**path)
        return self._schema

    def get_openapi_operation_id(self, operation: Operation) -> str:
        return f"fenrun_portal_api_{operation.view_func.__name__}"


api = PortalAPI(
    title="fenrun",
    version=version("fenrun"),
    auth=[Bearer(), Session()],
    docs_url=None,
    urls_namespace="api",
    description=(
        "Statements, their explanations, who is credited, disputes and closes, as the asker may "
        "see them. Amounts are exact text; every answer names its two clocks by its period."
    ),
)
for _resource in _RESOURCES:
    api.add_router("", _resource.router)


@api.exception_handler(Refused)
def refused(request: HttpRequest, error: Refused) -> HttpResponse:
    """Tell what fenrun refuses, in the asker's language."""
    problems = [
        {
            "code": problem.code,
            "what": problem.words("what", lang()),
            "why": problem.words("why", lang()),
            "fix": problem.words("fix", lang()),
            "place": str(problem.place),
        }
        for problem in without_folders(error.problems)
    ]
    return api.create_response(request, {"problems": problems}, status=409)


@api.exception_handler(OSError)
def unwritable(request: HttpRequest, error: OSError) -> HttpResponse:
    """Tell where nothing can be written now. Raises the error where it is another."""
    if not is_of_disk(error):
        raise error
    return full_disk(request, error)


@api.exception_handler(ValidationError)
def wrong(request: HttpRequest, error: ValidationError) -> HttpResponse:
    """Tell how a request does not say what it should."""
    problems = [
        {
            "code": found["type"],
            "what": found["msg"],
            "why": "",
            "fix": "",
            "place": ".".join(map(str, found["loc"])),
        }
        for found in error.errors
    ]
    return api.create_response(request, {"problems": problems}, status=422)


@api.exception_handler(Http404)
def missing(request: HttpRequest, error: Http404) -> HttpResponse:
    """Tell that something is not there, or not for the asker: the same answer."""
    keys = ("api-missing", "api-missing-why", "api-missing-do")
    what, why, fix = (say(key, lang()) for key in keys)
    return refusal(404, "missing", what, fix, request.path, why)


@api.exception_handler(HttpError)
def stopped(request: HttpRequest, error: HttpError) -> HttpResponse:
    """Tell what may not be done, or cannot be read."""
    if error.status_code == 401:
        keys = ("api-who", "api-who-why", "api-who-do")
        what, why, fix = (say(key, lang()) for key in keys)
        return refusal(401, "unknown-asker", what, fix, "Authorization", why)
    code = "forbidden" if error.status_code == 403 else "request"
    return refusal(error.status_code, code, str(error))
