"""Budgets: nobody's work keeps others out, and wrong passwords lock no account."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from unittest import mock

import httpx
import pytest

from fenrun.base.problem import Refused
from fenrun.portal import request_queue
from fenrun.portal.access import budgets
from fenrun.portal.access.addresses import sender_of
from tests.portal.served import served


def test_a_budget_is_of_each_and_of_a_minute() -> None:
    budget = budgets.Budget(2)
    with mock.patch.object(budgets.time, "time", return_value=600.0) as clock:
        assert [budget.spend("a") for _ in range(4)] == [0, 0, 60, 60]
        assert budget.spend("b") == 0
        clock.return_value = 659.0
        assert (budget.spend("a"), budget.spend("b")) == (1, 0)
        clock.return_value = 660.0
        assert budget.spend("a") == 0
    assert not any(budgets.Budget(0).spend("a") for _ in range(5000))


def test_wrong_passwords_cost_ever_more_time_and_lock_nobody_else_out() -> None:
    found = budgets.Failures()
    waits = []
    with mock.patch.object(budgets.time, "monotonic", return_value=0.0):
        for _ in range(16):
            found.record("owner", "attacker")
            waits.append(found.wait("owner", "attacker"))
        assert waits == [0, 0, 0, 2, 4, 8, 16, 32, 64, 128, 256, 512, 900, 900, 900, 900]
        assert not found.wait("owner", "home") and not found.wait("other", "attacker")
        found.forget("owner", "attacker")
        assert not found.wait("owner", "attacker")


def test_failures_that_are_kept_are_few() -> None:
    found = budgets.Failures()
    with mock.patch.object(budgets, "_MOST_KEPT", 10):
        for number in range(50):
            found.record(f"account-{number}", "x")
    assert len(found._found) == 10


@pytest.mark.parametrize(
    ("address", "sender"),
    [
        ("203.0.113.7", "203.0.113.7"),
        ("::ffff:203.0.113.7", "203.0.113.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("nonsense", "nonsense"),
    ],
)
def test_an_address_counts_as_its_sender(address: str, sender: str) -> None:
    assert sender_of(address) == sender


def _slowly(asker: str, until: threading.Event, told: Callable[[str], None]) -> threading.Thread:
    """Do slow work of somebody in a thread, until an event; tell how it went."""

    def work() -> None:
        request_queue.name_asker(asker)
        try:
            with request_queue.queued(), request_queue.outside_queue():
                told("begun")
                until.wait(20)
        except Refused as refused:
            told(refused.problems[0].code)

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    return thread


def test_slow_work_leaves_room_for_pages() -> None:
    until, said = threading.Event(), []
    threads = [_slowly("one", until, said.append) for _ in range(6)]
    threads += [_slowly(f"other-{n}", until, said.append) for n in range(6)]
    done = threading.Event()

    def page() -> None:
        with request_queue.queued():
            done.set()

    threading.Thread(target=page, daemon=True).start()
    assert done.wait(20), "a page is answered meanwhile"
    for _ in range(200):
        if said.count("portal-busy") >= 4:
            break
        threading.Event().wait(0.05)
    assert said.count("begun") == request_queue.AT_ONCE
    assert said.count("portal-busy") == 4, "two of one who asks too much, two of all"
    until.set()
    for thread in threads:
        thread.join(20)
    assert said.count("begun") == 8
    with ExitStack() as stack:
        stack.enter_context(request_queue.queued())
        stack.enter_context(request_queue.outside_queue())


def test_requests_over_budget_are_told_to_wait(world: Path) -> None:
    with (
        served(world, "sqlite", prepared=True, FENRUN_REQUESTS="20") as portal,
        httpx.Client(base_url=portal.address) as stranger,
    ):
        answers = [stranger.get("/api/periods") for _ in range(45)]
        last = max(answers, key=lambda answer: answer.status_code)
        assert {answer.status_code for answer in answers} == {401, 429}
        assert 0 < int(last.headers["Retry-After"]) <= 60
        assert last.json()["problems"][0]["code"] == "budget"
        style = stranger.get("/static/portal/portal.css")
        assert style.status_code == 200, "files of the portal cost nothing"
