"""Bulk: a file of targets, links or grants is looked at, then entered as it was looked at."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest
from ninja import Field, File, Form, Schema, UploadedFile

from fenrun.portal.access.permissions import store_of
from fenrun.portal.api.shared import ERRORS, Router, clean, only_operations
from fenrun.portal.commands import bulk as commands
from fenrun.portal.language import lang

router = Router()


class BulkRow(Schema):
    """A row of a file, and what it would do."""

    number: int
    texts: list[str]
    does: str = Field(description="new, same, changed, or unknown: of nobody in the book.")
    before: str = Field(description="What it takes the place of.")


class BulkOut(Schema):
    """A file that was looked at, or entered."""

    id: str = Field(description="The digest to enter it by: another text is refused.")
    kind: str = Field(description="figures, links or grants.")
    may_enter: bool
    counts: dict[str, int] = Field(description="How many rows do what.")
    shown: list[BulkRow] = Field(description="At most 1,000.")
    problems: list[dict[str, Any]]


_MOST = 1000


def _as_json(found: commands.Preview) -> dict[str, Any]:
    return {
        "id": found.id,
        "kind": found.kind,
        "may_enter": found.may_enter and not found.counts[commands.UNKNOWN],
        "counts": found.counts,
        "shown": [vars(row) for row in found.rows[:_MOST]],
        "problems": [problem.as_json(lang()) for problem in found.problems],
    }


@router.post("/bulk", response={200: BulkOut, **ERRORS}, summary="Look at a file of many rows")
def look_at_bulk(request: HttpRequest, file: File[UploadedFile]) -> Any:
    """Return what a CSV or YAML file of targets, links or grants would enter; nothing is kept."""
    only_operations(request)
    data = file.read(commands.MOST_BYTES + 1)
    return _as_json(commands.preview(store_of(request), clean(str(file.name)), data))


@router.post(
    "/bulk/enter", response={201: BulkOut, **ERRORS}, summary="Enter a file that was looked at"
)
def enter_bulk(
    request: HttpRequest, file: File[UploadedFile], id: Form[str], reason: Form[str]
) -> Any:
    """Enter the same file, all of it or nothing, by the digest that looking at it has given."""
    only_operations(request)
    data, name = file.read(commands.MOST_BYTES + 1), clean(str(file.name))
    done = commands.enter(store_of(request), name, data, clean(id), clean(reason))
    return 201, _as_json(done)
