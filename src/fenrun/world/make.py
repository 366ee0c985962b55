"""A world on disk: `charges/`, `book/`, `terms/`, `plan.yaml` and `world.json`.

`world.json` says from when each file is known.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from importlib import resources
from pathlib import Path

from fenrun.world.charges import write_late, write_month
from fenrun.world.people import YEAR, Size, people, write_book, write_changes
from fenrun.world.terms import write_terms


@dataclass(frozen=True)
class World:
    """A world on disk."""

    folder: Path
    size: Size
    seed: int
    files: tuple[tuple[Path, date], ...]
    """Each file with the day (UTC) from which it is known."""


def make_world(
    folder: Path,
    rows: int,
    seed: int,
    progress: Callable[[int], None] = lambda n: None,
    late: bool = False,
    terms: bool = False,
) -> World:
    """Write a world of about `rows` charges. The same seed and size give the same bytes.

    `terms` adds what was agreed, and a policy. `late` adds what becomes known of June in August:
    late charges, corrections, other links, registered orders.
    """
    size = Size.of(rows)
    world = people(size, seed)
    files = write_book(folder / "book", world, seed)
    plan = folder / "plan.yaml"
    plan.write_text(
        resources.files("fenrun.world").joinpath("plan.yaml").read_text("utf-8"), "utf-8"
    )
    files.append((plan, date(YEAR, 1, 1)))
    for month in range(1, 13):
        known = date(YEAR + month // 12, month % 12 + 1, 3)
        files += [
            (path, known) for path in write_month(folder / "charges", world, seed, month, progress)
        ]
    if late:
        files += [
            (write_late(folder / "charges", world, seed), date(YEAR, 8, 12)),
            (write_changes(folder / "book", world), date(YEAR, 8, 20)),
        ]
    if terms:
        files += write_terms(folder / "terms", world)
    said = {
        "note": "Invented by fenrun world: no real party.",
        "seed": seed,
        "rows": rows,
        "files": [[str(p.relative_to(folder)), str(d)] for p, d in files],
    }
    (folder / "world.json").write_text(json.dumps(said, indent=1) + "\n", "utf-8")
    return World(folder, size, seed, tuple(files))
