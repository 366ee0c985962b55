"""What is shown rests on the newest state of the workspace, whoever comes first."""

from __future__ import annotations

from tests.portal.served import Portal

_BESIDE = """
import json
from datetime import datetime, timedelta
from unittest import mock
from django.conf import settings
from fenrun.base.when import parse_period
from fenrun.closing.close import close
from fenrun.portal import models
from fenrun.portal.commands import publishing
from fenrun.settle.imports import import_file
from fenrun.store.facts import Store
january = parse_period("2024-01")
store = Store.open(settings.WORKSPACE)
store.actor = "somebody"
shown = models.Period.objects.using("default").filter(key="2024-01")
before = shown.get()
shown.update(run="an older one")
whole, done = publishing._statements, []
def meanwhile(*given):
    if not done:
        done.append(True)
        %(meanwhile)s
    return whole(*given)
with mock.patch.object(publishing, "_statements", meanwhile):
    publishing.publish(store, january)
after = shown.get()
print(json.dumps({
    "closed": after.closed,
    "same": after.run == before.run,
    "state": after.state == store.state(),
    "statements": models.Statement.objects.using("default").filter(period=after).count(),
}))
"""


def _beside(own: Portal, meanwhile: str) -> dict[str, object]:
    return dict(own.python(_BESIDE % {"meanwhile": meanwhile}))


def test_a_period_that_is_closed_meanwhile_is_shown_closed(own: Portal) -> None:
    """Closed by the command line, and shown by nobody else: settling beside it sees the close."""
    said = _beside(own, "close(store, january)")
    assert said["closed"] and said["state"] and said["statements"]


def test_a_newer_state_is_not_replaced_by_an_older_one(own: Portal) -> None:
    """Another process closes and shows it, while an older settlement is about to be shown."""
    closed = "close(store, january); publishing.publish(store, january)"
    tried_once = "publishing._TRIES = 1; "
    said = _beside(own, tried_once + closed)
    assert said["closed"] and said["state"] and said["statements"]


def test_two_that_show_the_same_at_once_show_it_once(own: Portal) -> None:
    said = _beside(own, "shown.all().delete(); publishing.publish(store, january)")
    assert said["same"] and not said["closed"] and said["state"] and said["statements"]
