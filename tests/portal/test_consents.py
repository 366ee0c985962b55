"""Consent: nobody new is credited before it, or before the window that the plan states."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from tests.portal.served import Portal

_MOVE = """
import json
from datetime import UTC, date, datetime
from django.conf import settings
from fenrun.base.when import parse_period
from fenrun.store.facts import Store
from fenrun.portal import events, models
from fenrun.portal.commands import grants, imports, notices, publishing, requests
from tests.portal.clock import tell_time
store = Store.open(settings.WORKSPACE)
store.actor = "operations"
clock = {"now": datetime(2024, 10, 2, 9, tzinfo=UTC)}
tell_time(lambda: clock["now"])
october = parse_period("2024-10")
def credited():
    publishing.publish(store, october)
    rows = partners.filter(customer=customer)
    return {f"{r.party} {r.via} {r.order}": r.amount for r in rows}
partners = models.Crediting.objects.using("default").filter(period_id="2024-10", role="partner")
customer = partners.filter(via="customer").order_by("id").first().customer
before = credited()
if %(heard)r:
    password = "words that nobody guesses"
    grants.give_with_password("root", "heard", "customer", customer, "Answers.", password)
wanted = ("transfer", customer, "P00013", date(2024, 9, 1), "They asked for it.")
request = requests.ask(store, *wanted)
clock["now"] = datetime(2024, 10, 4, 9, tzinfo=UTC)
if %(read)r:
    notices.read("heard")
requests.settle_silence(store)
request = models.Request.objects.using("default").get(pk=request.pk)
said = {"silent_on": str(request.silent_on), "before": before, "waiting": credited()}
clock["now"] = datetime.fromisoformat(%(when)r).replace(tzinfo=UTC)
%(then)s
said["after"] = credited()
request = models.Request.objects.using("default").get(pk=request.pk)
log = store.log.events("book")[-1]
print(json.dumps({
    **said,
    "customer": customer,
    "state": request.state,
    "holds_from": str(request.holds_from),
    "reason": events.with_names(log.reason),
    "source": log.facts()["source"],
    "actor": log.actor,
}))
"""


def _moved(
    own: Portal, when: str, then: str, heard: bool = True, read: bool = True
) -> dict[str, Any]:
    return own.python(_MOVE % {"when": when, "then": then, "heard": heard, "read": read})


@pytest.mark.in_turn(3)
def test_consent_credits_from_its_day_and_not_before(own: Portal) -> None:
    said = _moved(own, "2024-10-11T15:00", 'requests.decide(store, request, "consented")')
    assert (
        said["waiting"] == said["before"]
        and said["state"] == "consented"
        and said["holds_from"] == "2024-10-11"
    )
    (old,) = [k for k in said["before"] if "customer" in k]
    assert 0 < Decimal(said["after"]["P00013 customer "]) < Decimal(said["before"][old])
    assert Decimal(said["after"][old]) + Decimal(said["after"]["P00013 customer "]) == Decimal(
        said["before"][old]
    )
    assert (
        said["source"].startswith("request-")
        and said["reason"] == "transfer asked by operations, consented by operations"
    )


def test_a_refusal_credits_nothing(own: Portal) -> None:
    said = _moved(
        own,
        "2024-10-11T15:00",
        'requests.decide(store, request, "refused")\nrequests.settle_silence(store)',
    )
    assert (
        said["after"] == said["before"]
        and said["state"] == "refused"
        and not said["source"].startswith("request-")
    )


@pytest.mark.in_turn(3)
def test_silence_counts_when_the_plan_s_window_is_over(own: Portal) -> None:
    said = _moved(own, "2024-10-19T01:00", "requests.settle_silence(store)", heard=False)
    assert (
        said["silent_on"] == "None"
        and said["after"] == said["before"]
        and said["state"] == "waiting"
    ), "who has no account cannot be heard, and is not silent"
    said = _moved(own, "2024-12-19T01:00", "requests.settle_silence(store)", read=False)
    assert said["silent_on"] == "None" and said["state"] == "waiting", "no notice was delivered"
    said = _moved(own, "2024-10-17T23:00", "requests.settle_silence(store)")
    assert (
        said["silent_on"] == "2024-10-18"
        and said["after"] == said["before"]
        and said["state"] == "waiting"
    )
    said = _moved(own, "2024-10-18T01:00", "requests.settle_silence(store)")
    assert (
        said["state"] == "silent"
        and said["holds_from"] == "2024-10-18"
        and Decimal(said["after"]["P00013 customer "]) > 0
    )


@pytest.mark.in_turn(2)
def test_only_the_customer_decides(portal: Portal) -> None:
    customer, partner = portal.parties["customer"], portal.parties["partner"]
    with (
        portal.sign_in("operations") as operations,
        portal.sign_in("customer") as asked,
        portal.sign_in("partner") as other,
        portal.sign_in("auditor") as auditor,
    ):
        form = {
            "kind": "association",
            "customer": customer,
            "party": "P00013",
            "reason": "Sold by P00013 since May.",
            "since": "2024-05-01",
        }
        assert operations.post("/requests/ask/", data=form).status_code == 302
        number = operations.get("/api/requests").json()["rows"][0]["id"]
        for who, status in ((operations, 403), (other, 404), (auditor, 403)):
            assert (
                who.post(f"/requests/{number}/", data={"state": "consented"}).status_code == status
            )
            assert (
                who.post(f"/api/requests/{number}", json={"state": "consented"}).status_code
                == status
            )
        assert (
            "Sold by P00013" not in other.get("/requests/").text
            and "Sold by P00013" in auditor.get("/requests/").text
        )
        assert "Sold by P00013" in asked.get("/requests/").text
        assert asked.post(f"/requests/{number}/", data={"state": "refused"}).status_code == 302
        assert asked.post(f"/api/requests/{number}", json={"state": "consented"}).status_code == 409
        assert [
            r["state"] for r in asked.get("/api/requests").json()["rows"] if r["id"] == number
        ] == ["refused"]
        # a partner registers an order for itself, never for another, and never an association
        mine = {
            "kind": "registration",
            "customer": customer,
            "party": partner,
            "issuer": "Beichen Cloud",
            "order": "SO-9",
            "reason": "Ours.",
            "since": "2024-11-01",
        }
        assert other.post("/api/requests", json=mine).status_code == 201
        assert other.post("/api/requests", json={**mine, "party": "P00013"}).status_code == 403
        assert (
            other.post(
                "/api/requests", json={**mine, "kind": "association", "order": "", "issuer": ""}
            ).status_code
            == 403
        )
        assert other.get("/api/requests").json()["total"] == 1
        assert (
            other.post(
                f"/api/requests/{other.get('/api/requests').json()['rows'][0]['id']}",
                json={"state": "withdrawn"},
            ).status_code
            == 200
        )


_REGISTER = """
import json
import yaml
from datetime import UTC, date, datetime
from django.conf import settings
from fenrun.base.when import OPEN_END
from fenrun.charges.stored import load_charges
from fenrun.engine.duckdb import DuckDB
from fenrun.store.facts import Store
from fenrun.portal import events, models
from fenrun.portal.commands import grants, imports, publishing, requests
from tests.portal.clock import tell_time
store = Store.open(settings.WORKSPACE)
store.actor = "operations"
tell_time(lambda: datetime(2024, 10, 4, 9, tzinfo=UTC))
engine = DuckDB()
load_charges(engine, "charges", store.imports("charges"))
from fenrun.book.as_of import sources_of
from fenrun.book.in_words import KnownBook
from fenrun.credit.owners import owners_of
book = KnownBook(sources_of(store.imports("book")))
orders = set(engine.query("SELECT DISTINCT x_OrderId AS id FROM charges")["id"].to_pylist())
links = [link for link in book.links() if link["of_kind"] == "order" and link["subject"] in orders]
held = min((link for link in links if link["valid_to"] == OPEN_END), key=lambda x: x["subject"])
issuer, order = held["issuer"], held["subject"]
owner, = owners_of(engine, book, issuer, order)
def registered(customer, order):
    start = date(2024, 10, 1)
    asked = ("registration", customer, "P00013", start, "Ours.", order, issuer)
    return requests.decide(store, requests.ask(store, *asked), "consented").pk
asked = {"held": registered(owner, order)}
never = {"of": "order", "issuer": issuer, "subject": order, "role": "partner",
         "party": held["party"], "from": held["valid_from"], "to": held["valid_from"],
         "id": held["link_id"]}
text = yaml.safe_dump({"links": [never]}, allow_unicode=True)
imports.enter_text(store, "withdrawn.yaml", text, "It was nobody's.")
another = "K00001" if owner != "K00001" else "K00002"
for name, customer, wanted in (
    ("owner's", owner, order),
    ("another's", another, order),
    ("nobody's", owner, "SO-UNKNOWN"),
    ("blank", owner, " "),
    ("rival's", owner, order),
):
    try:
        asked[name] = registered(customer, wanted)
    except Exception as error:
        asked[name] = None
requests.settle_silence(store)
said = {}
for name, pk in asked.items():
    if pk:
        request = models.Request.objects.using("default").get(pk=pk)
        said[name] = [request.state, request.entered_at is not None]
files = [event.facts()["source"] for event in store.log.events("book")]
entered = [name for name in files if name.startswith("request-")]
print(json.dumps([said, entered, asked["owner's"], asked["blank"]]))
"""


@pytest.mark.in_turn(3)
def test_an_order_is_registered_only_with_its_owner(own: Portal) -> None:
    """What a customer consents to is for its own order alone; one that no charge names waits."""
    said, entered, number, blank = own.python(_REGISTER)
    assert said == {
        "held": ["void", False],
        "owner's": ["consented", True],
        "another's": ["void", False],
        "nobody's": ["consented", False],
        "rival's": ["void", False],
    }
    assert entered == [f"request-{number}.yaml"] and blank is None


def test_later_words_take_the_place_of_earlier_ones(own: Portal) -> None:
    """Of two transfers of a customer, the later day first, it has one holder on each day."""
    holders = own.python("""
import json
from datetime import UTC, date, datetime
from django.conf import settings
from fenrun.book.as_of import sources_of
from fenrun.book.in_words import KnownBook
from fenrun.store.facts import Store
from fenrun.portal import events, models
from fenrun.portal.commands import requests
from tests.portal.clock import tell_time
store = Store.open(settings.WORKSPACE)
store.actor = "operations"
clock = {"now": datetime(2024, 10, 4, 9, tzinfo=UTC)}
tell_time(lambda: clock["now"])
credited = models.Crediting.objects.using("default").filter(period_id="2024-10", role="partner")
customer = credited.filter(via="customer").order_by("id").first().customer
for party, since in (
    ("P00013", date(2024, 11, 1)),
    ("P00041", date(2024, 10, 20)),
    ("P00042", date(2024, 10, 20)),
):
    request = requests.ask(store, "transfer", customer, party, since, "They asked for it.")
    requests.decide(store, request, "consented")
book = KnownBook(sources_of(store.imports("book")))
links = [
    link for link in book.links_of("customer", customer)
    if link["role"] == "partner" and link["valid_to"] > date(2024, 10, 1)
]
rows = [
    [link["party"], str(day), None not in book.holders("customer", "", customer, day)]
    for link in sorted(links, key=lambda link: link["valid_from"])
    for day in [link["valid_from"]]
]
try:
    requests.ask(store, "transfer", customer, "P00013", date(9999, 12, 30), "One day.")
    far = "asked"
except Exception as error:
    far = error.problems[0].code
print(json.dumps([rows[1:], far]))""")
    assert holders == [[["P00042", "2024-10-20", True]], "request-wrong"]


_ALIKE = """
import json
from datetime import UTC, date, datetime, timedelta
from django.conf import settings
from fenrun.store.facts import Store
from fenrun.portal import events, models
from fenrun.portal.commands import grants, notices, requests
from tests.portal.clock import tell_time
store = Store.open(settings.WORKSPACE)
store.actor = "partner"
rows = models.Crediting.objects.using("default")
customer, another = {customer!r}, rows.exclude(customer={customer!r}).first().customer
order = rows.filter(customer=customer).exclude(order="").first().order
issuer = "Beichen Cloud"
start = date(2024, 10, 1)
clock = {{"now": events.now()}}
tell_time(lambda: clock["now"])
asked = [
    requests.ask(store, "registration", who, {party!r}, start, "Ours.", what, issuer).pk
    for who, what in (
        (customer, order), (customer, "SO-NEVER"), (another, order), ("K-NOBODY", "SO-NEVER")
    )
]
notices.read("customer")
requests.settle_silence(store)
clock["now"] += timedelta(days=60)
requests.settle_silence(store)
kept = models.Request.objects.using("default")
print(json.dumps([asked, [kept.get(pk=pk).state for pk in asked]]))
"""


@pytest.mark.in_turn(3)
def test_a_partner_is_not_told_who_is_a_customer_or_whose_an_order_is(own: Portal) -> None:
    """By asking of what exists, what does not, and what is another's, he is told the same."""
    names = {"customer": own.parties["customer"], "party": own.parties["partner"]}
    asked, states = own.python(_ALIKE.format(**names))
    assert states == ["void", "silent", "waiting", "waiting"], "as they are"
    with own.sign_in("partner") as partner, own.sign_in("auditor") as auditor:
        told = [r for r in partner.get("/api/requests").json()["rows"] if r["id"] in asked]
        named = ("id", "customer", "order")
        answers = [{k: v for k, v in row.items() if k not in named} for row in told]
        assert len(answers) == 4 and answers[0]["state"] == "waiting"
        assert answers[0]["silent_on"] is None, "it would tell that somebody was asked"
        assert all(answer == answers[0] for answer in answers)
        assert "void" not in partner.get("/requests/").text
        for state, count in (("waiting", 4), ("void", 0), ("silent", 0)):
            rows = partner.get(f"/api/requests?state={state}").json()["rows"]
            assert len([row for row in rows if row["id"] in asked]) == count, "by what he is told"
        pages = [f"/parties/{own.parties['partner']}/", f"/customers/{own.parties['customer']}/"]
        for page in (partner.get(address).text for address in pages):
            assert "void:" not in page and "by silence" not in page
        assert "waits for the customer" in partner.get(pages[0]).text
        for state in ("void", "silent"):
            page = partner.get(f"/requests/?state={state}").text
            assert not any(f">{row['reason']}<" in page for row in told if row["reason"])
            assert 'class="said"' not in page
        seen = {r["id"]: r["state"] for r in auditor.get("/api/requests").json()["rows"]}
        assert [seen[number] for number in asked] == states, "who sees everything sees it as it is"
        for number in asked:
            answer = partner.post(f"/api/requests/{number}", json={"state": "withdrawn"})
            assert answer.status_code == 200 and answer.json()["state"] == "withdrawn"
