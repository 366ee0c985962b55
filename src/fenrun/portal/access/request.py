"""A request as the portal's middleware hands it on."""

from __future__ import annotations

from typing import NamedTuple

from django.http import HttpRequest, QueryDict
from django_htmx.middleware import HtmxDetails

from fenrun.base.problem import Problem


class Held(NamedTuple):
    """A role that the asker has, for a party (empty: for all)."""

    role: str
    party: str


class PortalRequest(HttpRequest):
    """A request with what is known of it besides."""

    htmx: HtmxDetails
    """Whether a part of a page is asked for."""
    scopes: set[str]
    """What the token that was sent may do; absent where none was sent."""
    problems: list[Problem]
    """Why its form was refused; absent where none was."""
    typed: QueryDict
    """What was typed into that form."""
    grants: list[Held]
    """The asker's grants, once somebody has looked them up."""
