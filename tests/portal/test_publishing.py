"""What is shown rests on the newest state of the workspace, whoever comes first."""

from __future__ import annotations

import pytest

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
    changed = publishing.publish(store, january)
after = shown.get()
print(json.dumps({
    "changed": changed,
    "closed": after.closed,
    "same": after.run == before.run,
    "state": after.state == store.state(),
    "statements": models.Statement.objects.using("default").filter(period=after).count(),
}))
"""


_BY_ANOTHER = """
import json
from unittest import mock
from django.conf import settings
from fenrun.base.when import parse_period
from fenrun.portal import models
from fenrun.portal.commands import publishing
from fenrun.settle import runs
from fenrun.settle.facts import Facts
from fenrun.store.facts import Store
shown = models.Period.objects.using("default").filter(key="2024-01")
def rows():
    columns = ("payee", "currency", "earned", "payable", "customers", "body")
    found = models.Statement.objects.using("default").filter(period_id="2024-01")
    return [shown.get().run, list(found.order_by("payee", "currency").values_list(*columns))]
before = rows()
shown.delete()
again = mock.patch.object(Facts, "settle", side_effect=AssertionError("settled again"))
with mock.patch.object(runs, "ENGINE_VERSION", "another"), again:
    publishing.publish(Store.open(settings.WORKSPACE), parse_period("2024-01"))
print(json.dumps([before == rows(), len(before[1])]))
"""


def _beside(own: Portal, meanwhile: str) -> dict[str, object]:
    return dict(own.python(_BESIDE % {"meanwhile": meanwhile}))


@pytest.mark.in_turn(3)
def test_a_period_that_is_closed_meanwhile_is_shown_closed(own: Portal) -> None:
    """Closed by the command line, and shown by nobody else: settling beside it sees the close.

    Another version of the engine shows it anew as it was recorded.
    """
    said = _beside(own, "close(store, january)")
    assert said["closed"] and said["state"] and said["statements"]
    assert own.python(_BY_ANOTHER) == [True, said["statements"]]


def test_a_newer_state_is_not_replaced_by_an_older_one(own: Portal) -> None:
    """Another process closes and shows it, while an older settlement is about to be shown."""
    closed = "close(store, january); publishing.publish(store, january)"
    tried_once = "publishing._TRIES = 1; "
    said = _beside(own, tried_once + closed)
    assert said["closed"] and said["state"] and said["statements"]


def test_two_that_show_the_same_at_once_show_it_once(own: Portal) -> None:
    said = _beside(own, "shown.all().delete(); publishing.publish(store, january)")
    assert said["changed"], "it is not what was shown before, whoever came first"
    assert said["same"] and not said["closed"] and said["state"] and said["statements"]


_IN_DOLLARS = """
import json
from datetime import timedelta
from pathlib import Path
from django.conf import settings
from fenrun.base.when import parse_period
from fenrun.portal.commands import publishing
from fenrun.settle.imports import import_file
from fenrun.store.facts import Store
store = Store.open(settings.WORKSPACE)
known = store.last_knowledge_time() + timedelta(days=1)
for name, text in %(files)r.items():
    Path(name).write_text(text, "utf-8")
    import_file(store, Path(name), known)
print(json.dumps(publishing.publish(store, parse_period("2024-01"))))
"""
_DOLLARS = {
    "dollars.yaml": (
        "plan: dollars\ntitle: Dollars\nsource: Letter\npublished: 2023-12-01\n"
        "effective: {from: 2024-01-01}\ncurrency: USD\ntimezone: America/New_York\nbasis: billed\n"
        "credit: {first match: [{id: all, mode: single, roles: [partner]}]}\n"
        "tables: {t: [{from: 2024-01-01, source: Letter, kind: all units, bands: [pays 3 %]}]}\n"
        "earn: {sum: [{id: abroad, title: Abroad, pays: partner, per: month, on: amount, "
        "by: amount, table: t}]}\n"
    ),
    "abroad.yaml": (
        "parties: [{party: K-ABROAD, kind: customer}]\n"
        "links:\n"
        "  - {of: account, issuer: Abroad, subject: X1, role: customer, party: K-ABROAD}\n"
        "  - {of: customer, subject: K-ABROAD, role: partner, party: %s}\n"
    ),
    "abroad.csv": (
        "BilledCost,EffectiveCost,ContractedCost,ListCost,BillingAccountId,BillingCurrency,"
        "BillingPeriodStart,ChargePeriodStart,InvoiceIssuerName\n"
        "1234.5,1234.5,1234.5,1234.5,X1,USD,2024-01-01T00:00:00Z,2024-01-15T00:00:00Z,Abroad\n"
    ),
}


@pytest.mark.in_turn(3)
def test_statements_of_two_currencies_open_side_by_side(own: Portal) -> None:
    """1,234.50 USD at 3 % are 37.04 USD: beside the yuan, and never added to them."""
    payee = own.parties["partner"]
    files = {name: text.replace("%s", payee) for name, text in _DOLLARS.items()}
    with own.sign_in("partner") as client:
        before = client.get(f"/statements/2024-01/{payee}/?format=json").json()
    assert own.python(_IN_DOLLARS % {"files": files})
    with own.sign_in("partner") as client:
        page = client.get(f"/statements/2024-01/{payee}/").text
        assert "?currency=" in page and "37.04 USD" in page
        other = client.get(f"/statements/2024-01/{payee}/?currency=USD").text
        assert "37.04 <small>USD</small>" in other
        said = client.get(f"/statements/2024-01/{payee}/?format=json").json()
        (dollars,) = said["other_currencies"]
        assert (said["currency"], said["earned"]) == ("CNY", before["earned"])
        assert (dollars["currency"], dollars["earned"]) == ("USD", "37.04")
        line = client.get(f"/lines/2024-01/dollars/abroad/2024-01/{payee}/").text
        assert "37.04 USD" in line
        assert "USD" in client.get(f"/statements/2024-01/{payee}/?format=csv").text
    with own.token("partner") as api:
        rows = api.get("/api/statements", params={"period": "2024-01", "payee": payee}).json()
        assert [row["currency"] for row in rows["rows"]] == ["CNY", "USD"]
    with own.sign_in("operations") as client:
        for address in ("/periods/", "/periods/2024-01/"):
            text = client.get(address).text
            assert "CNY" in text and "37.04" in text and "USD" in text
        listed = client.get("/statements/", params={"period": "2024-01", "q": payee}).text
        assert "currency=USD" in listed and "currency=CNY" in listed
