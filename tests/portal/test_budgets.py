"""Budgets: nobody's work keeps others out, and wrong passwords lock no account."""

from __future__ import annotations

import importlib
import shutil
import threading
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any
from unittest import mock

import httpx
import pytest

from fenrun.base.problem import Refused
from fenrun.portal import request_queue
from fenrun.portal.access.addresses import sender_of
from tests.errors import gallery
from tests.portal.served import served


@pytest.fixture(scope="module")
def budgets() -> Any:
    """The module, with tables of a portal in this process."""
    gallery._portal()
    return importlib.import_module("fenrun.portal.access.budgets")


def test_a_budget_is_of_each_and_of_a_minute(budgets: Any) -> None:
    budget = budgets.Budget(2, lambda who, minute, requests: 0)
    with mock.patch.object(budgets.time, "time", return_value=600.0) as clock:
        assert [budget.spend("a") for _ in range(4)] == [0, 0, 60, 60]
        assert budget.spend("b") == 0
        clock.return_value = 659.0
        assert (budget.spend("a"), budget.spend("b")) == (1, 0)
        clock.return_value = 660.0
        assert budget.spend("a") == 0
    assert not any(budgets.Budget(0).spend("a") for _ in range(5000))


def test_wrong_passwords_cost_ever_more_time_and_lock_nobody_else_out(budgets: Any) -> None:
    found = budgets.Failures()
    waits = []
    with mock.patch.object(budgets.time, "time", return_value=0.0):
        for _ in range(16):
            found.record("owner", "attacker")
            waits.append(found.wait("owner", "attacker"))
        assert waits == [0, 0, 0, 2, 4, 8, 16, 32, 64, 128, 256, 512, 900, 900, 900, 900]
        assert budgets.Failures().wait("owner", "attacker") == 900, "every process knows"
        assert not found.wait("owner", "home") and not found.wait("other", "attacker")
        found.forget("owner", "attacker")
        assert not found.wait("owner", "attacker")


def test_failures_that_are_kept_are_few(budgets: Any) -> None:
    found, rows = budgets.Failures(), budgets.FailedSignIn.objects.using("default")
    with mock.patch.object(budgets, "_MOST_KEPT", 10):
        for number in range(30):
            found.record(f"account-{number}", "x")
    assert rows.count() == 10
    assert not rows.filter(key__contains="account").exists(), "a name may be a password"
    with mock.patch.object(budgets.time, "time", return_value=budgets.time.time() + 100_000):
        found.record("another", "x")
    assert rows.count() == 1, "a day later they are forgotten"


def test_processes_share_a_budget(budgets: Any) -> None:
    with mock.patch.object(budgets.time, "time", return_value=6000.0):
        here, there = budgets.Budget(100), budgets.Budget(100)
        answers = [budget.spend("a") for _ in range(80) for budget in (here, there)]
        assert 100 <= answers.count(0) <= 100 + 100 // budgets._PARTS
        assert here.spend("b") == 0


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


def test_pages_are_answered_while_a_password_is_hashed() -> None:
    done = threading.Event()

    def page() -> None:
        with request_queue.queued():
            done.set()

    with request_queue.queued(), request_queue.hashing():
        threading.Thread(target=page, daemon=True).start()
        assert done.wait(20)
    with request_queue.hashing():
        pass


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


def test_questions_of_partners_keep_nobody_from_closing() -> None:
    """Eight who ask without pause take all places but two."""
    places = request_queue._Places()
    with ExitStack() as stack, mock.patch.object(places, "_free", ExitStack()):
        for number in range(8):
            stack.enter_context(places.occupied(f"partner-{number}"))
        with pytest.raises(Refused, match="busy"):
            stack.enter_context(places.occupied("operations"))
        for _ in range(2):
            stack.enter_context(places.occupied("operations", settles=True))
        with pytest.raises(Refused, match="busy"):
            stack.enter_context(places.occupied("second", settles=True))


def test_nobody_takes_all_places_for_imports(budgets: Any) -> None:
    """Five of one wait; another's is taken, until ten of all wait."""
    imports = gallery._command("imports")
    from django.core.files.uploadedfile import SimpleUploadedFile

    from fenrun.portal.events import workspace
    from fenrun.portal.models import ImportJob

    def start(name: str) -> str:
        try:
            imports.start(workspace(name), [SimpleUploadedFile("a.csv", b"x")], "So.")
        except Refused as refused:
            return str(refused.problems[0].code)
        return "taken"

    names = ["one"] * 6 + ["two"] * 5 + ["three"]
    with mock.patch.object(imports, "_run_here", lambda *given: shutil.rmtree(given[-1])):
        said = [start(name) for name in names]
    ImportJob.objects.using("default").all().delete()
    imports._here.clear()
    assert said == ["taken"] * 5 + ["portal-busy"] + ["taken"] * 5 + ["portal-busy"]


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


def test_two_are_answered_at_once_and_the_others_in_their_order() -> None:
    queue, answered = request_queue._FairSemaphore(2), []
    queue.acquire()
    queue.acquire()
    threads = []
    for number in range(2):
        work = [queue.acquire, partial(answered.append, number)]
        threads.append(threading.Thread(target=lambda w=work: [f() for f in w], daemon=True))
        threads[-1].start()
        while len(queue._waiting) <= number:
            threading.Event().wait(0.001)
    for number, thread in enumerate(threads):
        assert answered == list(range(number))
        queue.release()
        thread.join(20)
    assert answered == [0, 1]
    queue.release()
    queue.acquire()
