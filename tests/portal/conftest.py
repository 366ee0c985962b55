"""One world for all; a portal on each database."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.command import fenrun
from tests.portal.served import DATABASES, PG, Portal, postgresql, served


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small demo world, settled."""
    path = tmp_path_factory.mktemp("portal") / "world"
    done = fenrun("demo", path, "--rows", 12000)
    assert done.code == 0, done.err
    with served(
        path, "sqlite", in_place=True
    ):  # so that no copy has to put the statements in again
        return path


@pytest.fixture(scope="session", params=DATABASES)
def portal(request: pytest.FixtureRequest, world: Path) -> Iterator[Portal]:
    """The world in a portal, on each database. Tests must leave its periods as they are."""
    if request.param == "sqlite":
        with served(world, "sqlite") as found:
            yield found
    else:
        if not (PG / "initdb").exists():
            pytest.skip("PostgreSQL is not installed")
        with postgresql() as url, served(world, "postgresql", url) as found:
            yield found


@pytest.fixture
def own(world: Path) -> Iterator[Portal]:
    """A portal of the test's own, on SQLite: what it closes stays closed."""
    with served(world, "sqlite") as found:
        yield found
