"""Places of problems as they are told to who sits elsewhere: no folder of the server in them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from django.conf import settings

from fenrun.base.problem import Place, Problem


def without_folders(problems: Iterable[Problem]) -> list[Problem]:
    """Return problems whose places name the workspace, not where it lies."""
    return [replace(found, place=_inside(found.place)) for found in problems]


def _inside(place: Place) -> Place:
    folder = str(settings.WORKSPACE)
    if not place.source.startswith(folder):
        return place
    within = place.source.removeprefix(folder).lstrip("/\\")
    return replace(place, source=within or settings.WORKSPACE.name)
