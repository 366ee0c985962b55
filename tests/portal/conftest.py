"""One world for all, built once for all workers; a portal on each database."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.command import fenrun
from tests.portal.served import (
    DATABASES,
    PG,
    Portal,
    beside,
    environment,
    postgresql,
    served,
)

_ROWS = "portal-rows.json"
_DUMP = """
import json
from django.core.management import call_command
call_command("dumpdata", "auth.user", "portal", database="default", output={rows!r})
print(json.dumps(1))
"""
_LOAD = """
import json
from django.core.management import call_command
from fenrun.portal import tables
tables.bring_up_to_date()
call_command("loaddata", {rows!r}, database="default", verbosity=0)
print(json.dumps(1))
"""


_DATABASE_OF = {"en": "postgresql", "zh-CN": "sqlite"}
_IN_CHINESE = (
    "test_a_partner_takes_a_statement_along",
    "test_a_manager_sees_the_team_s_way_to_its_quota",
)
"""Journeys of two languages that are walked in Chinese by day."""
_OF_NO_DATABASE = (
    "test_api.py",
    "test_assistant.py",
    "test_edge.py",
    "test_security.py",
    "test_targets.py",
)
"""What is shown as the command line says it, and what the web server does: on SQLite by day.

Who sees what is asked of both databases (test_leaks.py), and so are consents and journeys.
"""


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Walk each journey once, in English on PostgreSQL or in Chinese on SQLite.

    What no database decides is asked on one. At night all is, in every language and on both.
    """
    if "FENRUN_NIGHTLY" in os.environ:
        return
    left = [item for item in items if _is_for_the_night(item)]
    config.hook.pytest_deselected(items=left)
    items[:] = [item for item in items if item not in left]


def _is_for_the_night(item: pytest.Item) -> bool:
    chosen = item.callspec.params if hasattr(item, "callspec") else {}
    if "portal" not in chosen:
        return False
    if item.path.name in _OF_NO_DATABASE:
        return bool(chosen["portal"] == "postgresql")
    if item.path.name != "test_journeys.py":
        return False
    by_day = "zh-CN" if item.originalname in _IN_CHINESE or "lang" not in chosen else "en"
    return bool(chosen.get("lang", by_day) != by_day or chosen["portal"] != _DATABASE_OF[by_day])


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Of several workers, let one inside at a time."""
    with (folder / "lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small demo world, settled, with what is settled in its portal on SQLite."""
    folder = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        folder = folder.parent  # the workers share it
    path = folder / "portal-world"
    with _alone(folder):
        if not path.exists():
            made = folder / "portal-world-in-the-making"
            done = fenrun("demo", made, "--rows", 7000)
            assert done.code == 0, done.err
            with served(made, "sqlite", in_place=True) as found:
                found.python(_DUMP.format(rows=str(made / _ROWS)))
            made.rename(path)
    return path


@contextmanager
def loaded(world: Path) -> Iterator[str]:
    """A PostgreSQL with the rows of the world's portal. Gives its address."""
    with postgresql() as url:
        beside(world, environment(world, url), _LOAD.format(rows=str(world / _ROWS)))
        yield url


@pytest.fixture(scope="session", params=DATABASES)
def portal(request: pytest.FixtureRequest, world: Path) -> Iterator[Portal]:
    """The world in a portal, on each database. Tests must leave its periods as they are.

    On PostgreSQL it is started by `fenrun serve`, which finds that all is shown already.
    """
    if request.param == "sqlite":
        with served(world, "sqlite", prepared=True) as found:
            yield found
        return
    if not (PG / "initdb").exists():
        pytest.skip("PostgreSQL is not installed")
    with loaded(world) as url, served(world, "postgresql", url) as found:
        yield found


@pytest.fixture
def own(world: Path) -> Iterator[Portal]:
    """A portal of the test's own, on SQLite: what it closes stays closed."""
    with served(world, "sqlite", prepared=True) as found:
        yield found
