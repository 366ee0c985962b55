"""Running well: what ends is begun again, work is shared, the log says who did what."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from unittest import mock

import pytest

from fenrun.base.problem import Refused
from fenrun.plan.read import read_plan
from tests.errors import gallery


def test_a_worker_that_ended_is_started_again() -> None:
    with pytest.raises(Refused, match="ended before it had an answer"):
        gallery._worker_ends()
    plans = gallery._command("plans")
    try:
        assert plans._examined(read_plan(gallery.PLAN, "plan.yaml").plan) is not None
    finally:
        plans.worker.stop()


_STARTS_ONE = """
import os, time
from fenrun.portal.workers import Worker
worker = Worker()
worker.start("fenrun.base.words")
print(worker.do(os.getpid), flush=True)
time.sleep(60)
"""


def test_a_worker_ends_with_the_portal_however_that_ends() -> None:
    with subprocess.Popen([sys.executable, "-c", _STARTS_ONE], stdout=subprocess.PIPE) as portal:
        assert portal.stdout
        pid = int(portal.stdout.readline())
        assert Path(f"/proc/{pid}").exists()
        portal.kill()
    for _ in range(200):
        if not Path(f"/proc/{pid}").exists():
            return
        time.sleep(0.05)
    raise AssertionError("it goes on")


@pytest.fixture
def user() -> Iterator[Any]:
    """An account of the portal in this process."""
    gallery._command("plans")
    from django.contrib.auth.models import User

    made = User.objects.create(username="runner")
    yield made
    made.delete()


def test_two_processes_deliver_once(user: Any) -> None:
    """Both find the same due; one has the receiver until it is done."""
    delivery = gallery._command("webhook_delivery")
    from django.db import connections

    from fenrun.portal import models

    hook = models.Hook.objects.using("default").create(
        user=user, url="https://example.com/", events="dispute", secret="x", made_at=delivery.now()
    )
    for number in range(3):
        models.WebhookDelivery.objects.using("default").create(
            hook=hook, body={"n": number}, at=delivery.now(), next_at=delivery.now()
        )
    connections.close_all()
    sent: list[int] = []
    both, other_is_done = threading.Barrier(2), threading.Event()

    def send(row: Any) -> int:
        other_is_done.wait(20)  # it finds the receiver taken
        sent.append(row.body["n"])
        return 204

    def process(arrived: list[int]) -> None:
        both.wait(20)
        arrived.append(delivery.deliver())
        other_is_done.set()

    arrived: list[int] = []
    with mock.patch.object(delivery, "_send", send):
        threads = [threading.Thread(target=process, args=(arrived,)) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
    assert sent == [0, 1, 2] and sorted(arrived) == [0, 3]
    hook.refresh_from_db(using="default")
    assert hook.claimed_until is None
    later = delivery.now() + timedelta(hours=2)
    models.WebhookDelivery.objects.using("default").update(next_at=delivery.now())
    models.Hook.objects.using("default").update(claimed_until=later)
    with mock.patch.object(delivery, "_send", send):
        assert delivery.deliver() == 0, "another has it"
        with mock.patch.object(delivery, "now", lambda: later):
            assert delivery.deliver() == 3, "of a process that was killed it is taken over"


def test_an_import_that_nobody_goes_on_with_is_over(user: Any) -> None:
    imports = gallery._command("imports")
    from fenrun.portal.models import ImportJob

    at = imports.events.now() - timedelta(hours=1)
    row = ImportJob.objects.using("default").create(
        actor="runner", files=["a.csv"], size=100, done=40, now="a.csv", at=at
    )
    job = imports.find_job(row.pk)
    assert (job.over, [problem.code for problem in job.problems]) == (True, ["import-broken"])
    assert "has ended" in job.problems[0].words("what")
    ImportJob.objects.using("default").filter(pk=row.pk).update(at=imports.events.now())
    job = imports.find_job(row.pk)
    assert (job.over, job.percent, job.problems) == (False, 40, [])


def _line(caplog: pytest.LogCaptureFixture, answer: Any, path: str, **more: Any) -> str:
    """What the access log says about a request."""
    from django.test import RequestFactory

    from fenrun.portal.access import journal

    request = RequestFactory().get(path)
    request.__dict__.update(more)
    caplog.clear()
    journal.middleware(lambda _: answer)(request)
    return "\n".join(record.getMessage() for record in caplog.records)


def test_the_access_log_says_who_did_what_and_no_secret(
    user: Any, caplog: pytest.LogCaptureFixture
) -> None:
    from django.http import HttpResponse

    from fenrun.portal.access import journal

    caplog.set_level("INFO", "fenrun.access")
    page, refused = HttpResponse(), HttpResponse(status=403)
    file = HttpResponse(headers={"Content-Disposition": 'attachment; filename="x"'})
    assert not _line(caplog, page, "/statements/", user=user)
    assert _line(caplog, file, "/statements/2024-01/P1/?q=secret", user=user) == (
        'download user="runner" from="127.0.0.1" asked="GET /statements/2024-01/P1/"'
    )
    assert _line(caplog, page, "/api/periods", user=user, scopes={"read"}).startswith("token user=")
    assert _line(caplog, refused, "/a%0aroot").count("\n") == 0
    route = mock.Mock(route="account/password/reset/key/<key>/")
    line = _line(caplog, refused, "/account/password/reset/key/1-s3cret/", resolver_match=route)
    assert line.endswith('asked="GET /account/password/reset/key/<key>/" status=403')
    caplog.clear()
    journal.write_failure(None, "runner")
    journal.write_failure(None, "my long password")
    assert [record.getMessage() for record in caplog.records] == [
        'sign-in failed user="runner"',
        'sign-in failed user="unknown"',
    ]


def test_a_portal_that_cannot_read_its_workspace_is_not_ready(tmp_path: Path) -> None:
    gallery._command("plans")
    from django.test import RequestFactory, override_settings

    from fenrun.portal import health

    def asked(path: str) -> tuple[int, Any]:
        health._kept.clear()
        answer = health.middleware(lambda _: pytest.fail("it is not handed on"))(
            RequestFactory().get(path, headers={"Host": "10.0.0.7"})
        )
        return answer.status_code, json.loads(answer.content)

    code, said = asked("/readyz")
    assert (code, said["ready"], said["database"], said["workspace"]) == (200, True, True, True)
    with override_settings(WORKSPACE=tmp_path / "gone"):
        code, said = asked("/readyz")
        assert (code, said["database"], said["workspace"]) == (503, True, False)
        assert str(tmp_path) not in json.dumps(said)
        assert asked("/healthz") == (200, {"alive": True})


def test_a_wrong_second_factor_is_in_the_access_log(
    user: Any, caplog: pytest.LogCaptureFixture
) -> None:
    from allauth.core import context
    from allauth.mfa.base.forms import AuthenticateForm
    from allauth.mfa.models import Authenticator
    from django.test import RequestFactory

    from fenrun.portal.access import encryption

    secret = {"secret": encryption.encrypt("JBSWY3DPEHPK3PXP")}
    Authenticator.objects.create(user=user, type="totp", data=secret)
    caplog.set_level("INFO", "fenrun.access")
    request = RequestFactory().post("/account/2fa/authenticate/")
    with context.request_context(request):
        assert not AuthenticateForm({"code": "0000000"}, user=user).is_valid()
    (said,) = [record.getMessage() for record in caplog.records]
    assert said.startswith("second factor failed ") and said.endswith('user="runner"')
    assert "0000000" not in said


def test_a_damaged_database_is_a_problem_at_the_start() -> None:
    gallery._command("plans")
    from django.db import DatabaseError

    from fenrun.portal import serve, tables

    damaged = DatabaseError("file is not a database")
    with (
        mock.patch.object(tables, "bring_up_to_date", side_effect=damaged),
        pytest.raises(Refused, match="cannot be read"),
    ):
        serve._migrate(Path(os.environ["FENRUN_WORKSPACE"]))


def test_a_full_disk_is_a_problem_by_page_and_api() -> None:
    """The disk of the workspace, or of temporary files, from which the system's error comes."""
    closing, grants, imports = map(gallery._command, ("closing", "grants", "imports"))
    from django.test import Client

    grants.give_with_password("root", "full", "operations", "", "Helps.", "nobody guesses this")
    browser = Client(raise_request_exception=False, HTTP_HOST="localhost")
    browser.post("/account/login/", {"login": "full", "password": "nobody guesses this"})
    for error, status in ((errno.ENOSPC, 503), (errno.EROFS, 503), (errno.ENOENT, 500)):
        full = OSError(error, "/a/secret/path")
        with mock.patch.object(closing.publishing, "publish", side_effect=full):
            for path in ("/periods/2024-01/settle/", "/api/periods/2024-01/settle"):
                answer = browser.post(path)
                text = answer.content.decode()
                assert (answer.status_code, "secret" in text) == (status, False), path
                assert ("cannot be written" in text) is (status == 503)
        job = imports.Job(1, "full", ["a.csv"], 1)
        with mock.patch.object(imports, "import_files", side_effect=full):
            imports._run(job, imports.events.workspace("full"), [], Path("nowhere"))
        expected = "workspace-unwritable" if status == 503 else "import-broken"
        assert [problem.code for problem in job.problems] == [expected]


def test_a_full_database_is_a_problem_and_nothing_is_half_done(user: Any) -> None:
    """Its disk is full: pages that write nothing are shown, whoever writes is told, and then it
    goes on.
    """
    from django.db import OperationalError, connection
    from django.test import Client

    user.set_password("words that nobody guesses")
    user.save()
    asked = {"login": "runner", "password": "words that nobody guesses"}
    with connection.cursor() as cursor:
        cursor.execute("PRAGMA max_page_count = 1")  # as many as there are
        try:
            with pytest.raises(OperationalError, match="full"):
                for number in range(20_000):
                    key = f"full-{number}"
                    cursor.execute("INSERT INTO django_session VALUES (%s, 'x', 0)", [key])
            browser = Client(raise_request_exception=False, HTTP_HOST="localhost")
            assert browser.get("/account/login/").status_code == 200
            answer = browser.post("/account/login/", asked)
            assert answer.status_code == 503, answer.content
            assert "takes nothing now" in answer.content.decode()
        finally:
            cursor.execute("PRAGMA max_page_count = 4294967294")
            cursor.execute("DELETE FROM django_session WHERE session_key LIKE 'full-%%'")
    answer = Client(HTTP_HOST="localhost").post("/account/login/", asked)
    assert answer.status_code == 302
