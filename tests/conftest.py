"""How hard the properties try: FENRUN_EXAMPLES is how many random plans each of them sees at night.

Here it is 12, and 72 for the auditor. A settlement is of three plans or more, over many worlds.
FENRUN_FIRST_FAILURE: stop at the first failing example instead of looking for the smallest one.

Tests that share what is slow to build (a cluster, a database server) are one worker's.
"""

from __future__ import annotations

import os

import pytest
from hypothesis import HealthCheck, Phase, settings
from xdist.scheduler import LoadScopeScheduling

_SHARED = (
    "engine/test_spark",
    "closing/test_agreed",
    "closing/test_closing",
    "portal/test_chain",
    "statement/test_golden",
    "test_wheel",
)
"""Files whose tests share a fixture of the whole file."""


_LONG = (
    "test_the_commands_of_closing_run",
    "test_killed_at_any_point",
    "test_what_is_kept_changes_nothing",
    "test_parts_put_together_are_the_whole",
    "test_closed_statements_and_their_differences",
    "test_engine_and_auditor_agree",
    "test_no_job_takes_more_work",
    "test_random_worlds",
)
"""Tests of half a minute and more: begun last, they would keep one worker while others are idle."""


class _BySharedFixture(LoadScopeScheduling):
    """Gives a worker one test after the other, but all that share a fixture to the same worker.

    Marks of `--dist loadgroup` do nothing here: xdist 3.8 writes them into the node's id, which
    pytest 9.2 no longer reads from there.
    """

    def _split_scope(self, nodeid: str) -> str:
        file, _, test = nodeid.partition(".py::")
        file = file.removeprefix("tests/")
        if file in _SHARED:
            return file
        if file.startswith("portal/"):
            database = next((d for d in ("sqlite", "postgresql") if f"[{d}" in test), "")
            return f"portal on {database}" if database else nodeid
        return nodeid


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: not item.name.startswith(_LONG))


def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> LoadScopeScheduling:
    return _BySharedFixture(config, log)


settings.register_profile(
    "fenrun",
    max_examples=int(os.environ.get("FENRUN_EXAMPLES", "12")) // 3,
    deadline=None,
    derandomize="FENRUN_EXAMPLES" not in os.environ,
    suppress_health_check=[
        HealthCheck.too_slow,
        HealthCheck.data_too_large,
        HealthCheck.large_base_example,
    ],
    print_blob=True,
    phases=[Phase.generate] if "FENRUN_FIRST_FAILURE" in os.environ else list(Phase),
)
settings.load_profile("fenrun")
