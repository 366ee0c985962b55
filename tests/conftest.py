"""How hard the properties try: FENRUN_EXAMPLES is how many random plans each of them sees at night.

Here it is 6, and 24 for the auditor. A settlement is of three plans or more, over many worlds.
FENRUN_FIRST_FAILURE: stop at the first failing example instead of looking for the smallest one.

Tests that share what is slow to build (a cluster, a database server) are one worker's.
"""

from __future__ import annotations

import os
import ssl
from functools import cache
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, settings
from xdist.scheduler import LoadScopeScheduling

from tests import scratch, turns

_LONG = (
    "test_killed_at_any_point",
    "test_two_acts_at_once",
    "test_engine_and_auditor_agree",
    "test_what_must_hold_of_a_settlement",
    "test_the_commands_of_closing_run",
    "test_closed_statements_and_their_differences",
    "test_made_up_requests",
    "test_the_wheel_works",
    "test_the_portal_is_read",
    "test_more_facts_are_settled",
    "test_what_is_proven_is_what_is_paid",
    "test_variants_earn_together",
    "test_what_is_kept_changes_nothing",
    "test_each_patch_does_what_it_says",
    "test_no_row_alone",
    "test_no_job_takes_more_work",
    "test_programmes_have_no_errors",
    "test_the_reference_names_everything",
    "test_modules_are_tidy",
)
"""Tests of five seconds and more: begun last, they would keep one worker while others are idle."""


_FOLDER = Path(__file__).parent
_OF_THE_GALLERY = ("errors/test_gallery.py", "portal/test_running.py", "portal/test_budgets.py")
"""Files whose tests share the gallery's workspaces, and its portal in their own process."""


@cache
def _shares_a_fixture(file: str) -> bool:
    """Whether tests of a file share a fixture of the whole file."""
    return 'scope="module"' in (_FOLDER / file).read_text("utf-8")


class _ByWhatIsShared(LoadScopeScheduling):
    """Gives a worker one test after the other, but all that share something to the same worker.

    Marks of `--dist loadgroup` do nothing here: xdist 3.8 writes them into the node's id, which
    pytest 9.2 no longer reads from there.
    """

    def _split_scope(self, nodeid: str) -> str:
        file, _, test = nodeid.partition("::")
        file = file.removeprefix("tests/")
        if file.startswith("portal/"):
            database = next((d for d in ("sqlite", "postgresql") if f"[{d}" in test), "")
            if database:
                return f"portal on {database}"
        if file in _OF_THE_GALLERY:
            return "gallery"
        return file if _shares_a_fixture(file) else nodeid


ssl.create_default_context = cache(ssl.create_default_context)
"""Each HTTP client would read all authorities' certificates, 20 ms; here all are on loopback."""


def pytest_configure(config: pytest.Config) -> None:
    """Declare the mark of cases that take turns."""
    config.addinivalue_line("markers", f"{turns.MARK}(days, whole): one day for each case")


def pytest_unconfigure() -> None:
    scratch.remove_kept()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say how to try the same cases again."""
    if turns.day() is not None and terminalreporter.stats.get("failed"):
        terminalreporter.write_line(f"The same cases on another day: FENRUN_DAY={turns.day()}")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave cases for their day, and put what is long first, the longest before the others."""
    turns.leave_for_their_day(config, items)
    items.sort(key=lambda item: [not item.name.startswith(name) for name in _LONG])


def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> LoadScopeScheduling:
    return _ByWhatIsShared(config, log)


settings.register_profile(
    "fenrun",
    max_examples=int(os.environ.get("FENRUN_EXAMPLES", "6")) // 3,
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
