"""The leak table: every role, route and identifier, on both databases.

Nobody sees what does not concern them, by no page and no query.
"""

from __future__ import annotations

import os
import re
from typing import Any

import httpx
import pytest

from fenrun.portal.opaque import opaque
from tests import turns
from tests.portal.served import Portal
from tests.turns import share

ACCOUNTS = ("partner", "rep", "customer")
_LISTS = ("api/crediting", "api/statements")
_FACTS = """
import json
from django.urls import get_resolver
from datetime import date
from decimal import Decimal
from django.conf import settings
from fenrun.base.when import parse_period
from fenrun.integrity.findings import Case, Evidence, Findings, PayDifference
from fenrun.integrity.kept import keep
from fenrun.portal import events, models
from fenrun.portal.commands import cases, disputes, notices
from fenrun.settle.facts import knowledge_time
db = "default"
def walk(patterns, before=""):
    for p in patterns:
        route = before + str(p.pattern)
        if hasattr(p, "url_patterns"):
            yield from walk(p.url_patterns, route)
        else:
            yield route
statements = list(
    models.Statement.objects.using(db).order_by("period_id", "rank")
    .values("period_id", "payee", "name", "body")
)
others = [s for s in statements if s["payee"] not in %(parties)r]
for number, party in enumerate(sorted({s["payee"] for s in others})[:3]):
    if not models.Dispute.objects.using(db).filter(party=party).exists():
        opened = disputes.open_dispute(
            "somebody", party, others[0]["period_id"], "", "A secret of " + party
        )
        disputes.add_file("somebody", opened, "secret.txt", b"A secret of " + party.encode())
        models.Request.objects.using(db).create(
            kind="association", customer="K-" + party, party=party, since="2024-05-01",
            reason="A secret of " + party, asked_by="somebody", asked_at=events.now(),
            state="waiting",
        )
        row = dict.fromkeys(("grants", "amount", "currency", "from", "to", "covers"), "")
        models.Quote.objects.using(db).create(
            kind="discount", customer="K-" + party, party=party, asked_by="somebody",
            asked_at=events.now(), state="open", readers=" somebody r_p partne ", policy="p",
            row={**row, "customer": "K-" + party, "reason": "A secret of " + party}, steps=[],
        )
        models.SignUpLink.objects.using(db).create(
            code="code-" + party, party=party, made_by="somebody", made_at=events.now()
        )
        notices.notify(["somebody"], "request-asked", "A secret of " + party, party)
        models.Payment.objects.using(db).create(
            period="2024-09", payee=party, name=party, currency="CNY", form="cash", amount="1",
            reason="A secret of " + party,
        )
store, own = events.workspace("operations"), %(partner)r
parties = (own, *sorted({s["payee"] for s in others})[:3])
case = Case(
    "tier-pooling", "G09", "statistical", parties, ("K-" + parties[1],), (), date(2024, 8, 1),
    date(2024, 8, 2), tuple(Evidence("pooled", "charges", "A secret of " + p) for p in parties[1:]),
    0.01, 0.02, {}, (), (), "", {}, Decimal(9), "CNY",
    pays=tuple(PayDifference(p, "CNY", "x", Decimal(9), Decimal(0)) for p in parties),
)
if not store.log.events("findings"):
    found = Findings(date(2024, 8, 1), date(2024, 8, 31), (), [case])
    keep(store, parse_period("2024-08"), knowledge_time(store, None), found)
    for party in parties:
        cases.ask("somebody", case, party, ("" if party == own else "A secret of ") + party)
models.Scenario.objects.using(db).get_or_create(
    name="a-secret", defaults={
        "text": "scenario: a-secret\\nfrom: 2024-01-01\\nusage: [{by: -1 %%, customers: "
        "{parties: [" + parties[1] + "]}}]", "saved_by": "somebody", "saved_at": events.now(),
    },
)
credited = models.Crediting.objects.using(db)
requests = models.Request.objects.using(db).values_list("pk", flat=True)
quotes = models.Quote.objects.using(db).values_list("pk", flat=True)
grants = models.Grant.objects.using(db).values_list("pk", flat=True)
auditor = models.Grant.objects.using(db).get(user__username="auditor").user
token = models.Token.objects.using(db).filter(user=auditor).first()
token = token or models.Token.objects.using(db).create(
    user=auditor, name="a", digest="a" * 64, made_at=events.now(), until=events.now(),
)
print(json.dumps({
    "routes": list(walk(get_resolver().url_patterns)),
    "statements": [{**s, "lines": [x["line"] for x in s.pop("body")["lines"]]} for s in statements],
    "customers": sorted(set(credited.values_list("customer", flat=True))),
    "customer_of": list(credited.values_list("customer", "party", "name").distinct()),
    "orders": sorted(set(credited.exclude(order="").values_list("order", flat=True))),
    "disputes": list(models.Dispute.objects.using(db).values_list("pk", "party")),
    "asked": list(models.Request.objects.using(db).values_list("customer", "party").distinct()),
    "numbers": sorted({*requests, *grants, *quotes}),
    "of_others": {
        "disputes": models.Dispute.objects.using(db).filter(opened_by="somebody").first().pk,
        "requests": models.Request.objects.using(db).filter(asked_by="somebody").first().pk,
        "quotes": models.Quote.objects.using(db).filter(asked_by="somebody").first().pk,
        "grants": models.Grant.objects.using(db).get(user__username="auditor").pk,
        "access": models.Grant.objects.using(db).get(user__username="auditor").pk,
        "questions": models.CaseQuestion.objects.using(db).filter(party=parties[1]).first().pk,
        "scenarios": models.Scenario.objects.using(db).get(name="a-secret").pk,
        "ways": token.pk,
    },
    "case": case.id,
}))
"""
_PROBE = """
import json
from django.contrib.auth import get_user_model
from django.db import connections, models as m
from django.db.models import Count
from fenrun.portal import models
from fenrun.portal.access.isolation import SEEN_BY, asking
kinds = {
    kind._meta.db_table: kind
    for kind in (
        models.Period, models.Grant, models.Statement, models.Crediting, models.Request,
        models.Dispute, models.DisputeEntry, models.DisputeFile, models.Approval,
        models.DeliveryDecision, models.Event,
        models.Quote, models.Notice, models.SignUpLink, models.CaseQuestion, models.CaseEntry,
        models.QuestionedCase, models.Scenario, models.KnownName, models.Payment, models.SavedView,
    )
}
joined = (
    "SELECT DISTINCT s.payee FROM portal_period p "
    "JOIN portal_statement s ON s.period_id = p.key ORDER BY 1"
)
def rows(sql):
    try:
        with connections["asker"].cursor() as cursor:
            cursor.execute(sql)
            return [list(map(str, r)) for r in cursor.fetchall()]
    except Exception as error:
        return type(error).__name__
said = {}
for name in [None, "partner", "rep", "customer", "auditor", "operations"]:
    user = get_user_model().objects.get(username=name).pk if name else None
    with asking(user):
        said[str(name)] = {
            "orm": {t: k.objects.count() for t, k in kinds.items()},
            "raw": {t: rows("SELECT count(*) FROM " + t) for t in SEEN_BY},
            "statements": sorted(set(models.Statement.objects.values_list("payee", flat=True))),
            "crediting": sorted(set(models.Crediting.objects.values_list("customer", flat=True))),
            "counted": sum(p.n for p in models.Period.objects.annotate(n=Count("statement"))),
            "joined": rows(joined),
            "through": sorted({g.user_id for g in models.Grant.objects.all()}),
            "tried": {sql: rows(sql) for sql in %(tried)r},
        }
print(json.dumps({
    "said": said,
    "all": {table: kind.objects.using("default").count() for table, kind in kinds.items()},
    "users": {user.username: user.pk for user in get_user_model().objects.all()},
}))
"""
TRIED = {
    "sqlite": [
        "SELECT * FROM main.portal_statement",
        "SELECT * FROM auth_user",
        "SELECT * FROM django_session",
        "SELECT * FROM portal_token",
        "SELECT count(*) FROM main.portal_grant",
        "WITH portal_statement AS (SELECT * FROM main.portal_statement)"
        " SELECT * FROM portal_statement",
        "WITH portal_grant AS (SELECT * FROM auth_user) SELECT * FROM portal_grant",
        "SELECT portal_statement.* FROM main.portal_statement AS portal_statement",
        "SELECT * FROM sqlite_master",
        "SELECT * FROM sqlite_temp_master",
        "ATTACH ':memory:' AS other",
        "CREATE TEMP VIEW mine AS SELECT * FROM main.portal_statement",
        "DROP VIEW temp.portal_statement",
        "UPDATE portal_statement SET payee = 'x'",
        "INSERT INTO main.portal_grant SELECT * FROM main.portal_grant",
        "DELETE FROM main.portal_grant",
        "PRAGMA writable_schema = 1",
        "SELECT 1 FROM main.portal_statement",
        "SELECT EXISTS (SELECT 1 FROM main.auth_user)",
        "VACUUM INTO '/tmp/stolen.db'",
    ],
    "postgresql": [
        "SELECT * FROM auth_user",
        "SELECT * FROM django_session",
        "SELECT * FROM portal_token",
        "SELECT * FROM portal_idempotentresponse",
        "SELECT * FROM portal_webhookdelivery",
        "UPDATE portal_statement SET payee = 'x'",
        "DELETE FROM portal_grant",
        "INSERT INTO portal_grant SELECT * FROM portal_grant",
        "CREATE TABLE mine AS SELECT * FROM portal_statement",
        "ALTER TABLE portal_statement DISABLE ROW LEVEL SECURITY",
        "DROP POLICY seen ON portal_statement",
        "SELECT * FROM account_emailaddress",
        "COPY portal_statement TO '/tmp/stolen'",
        "SELECT * FROM mfa_authenticator",
        "TRUNCATE portal_statement",
        "GRANT ALL ON portal_statement TO fenrun_reader",
        "RESET ROLE; SELECT * FROM auth_user",
        "SET ROLE fenrun; SELECT * FROM auth_user",
        "SET SESSION AUTHORIZATION fenrun",
        "CREATE TEMPORARY TABLE portal_grant AS SELECT 1",
        "SET transaction_read_only = off; DELETE FROM portal_grant",
    ],
}


@pytest.fixture(scope="module")
def facts(portal: Portal) -> dict[str, Any]:
    values = {"parties": list(portal.parties.values()), "partner": portal.parties["partner"]}
    return portal.python(_FACTS % values)


def _secrets(facts: dict[str, Any], portal: Portal, account: str) -> dict[str, str]:
    """What a page for this account must not hold.

    Names and ids of payees and customers that do not concern it, and what others' disputes say.
    """
    party = portal.parties[account]
    names = {s["payee"]: s["name"] for s in facts["statements"]} | {
        p: n for _, p, n in facts["customer_of"]
    }
    mine = {party} | {p for c, p, _ in facts["customer_of"] if account == "customer" and c == party}
    allowed = {c for c, p, _ in facts["customer_of"] if p == party} | {
        party
    }  # its own customers, by their ids
    if account in ("partner", "customer"):  # who asks and who is asked know of each other
        mine |= {p for c, p in facts["asked"] if c == party}
        allowed |= {c for c, p in facts["asked"] if p == party}
    found = {text: p for p, n in names.items() if p not in mine for text in (p, n)}
    found |= {c: c for c in facts["customers"] if c not in allowed}
    found |= {f"A secret of {p}": p for _, p in facts["disputes"] if p != party}
    shared = {names.get(p, p) for p in mine}
    return {text: of for text, of in found.items() if text not in shared}


def _holds(page: str, secrets: dict[str, str]) -> list[str]:
    words = set(re.findall(r"[\w-]+", page))
    return sorted(text for text in secrets if text in words or (" " in text and text in page))


def _addresses(facts: dict[str, Any], party: str = "") -> dict[str, tuple[str, ...]]:
    """Every route with every kind of identifier: one's own, others', none that exists.

    Each with the methods by which it is asked: by day two of each route with POST, too. What the
    engine answers is asked of the statements of `party`, and of some others.
    """
    statements = facts["statements"]
    each, few, posted = (3, 12, 999) if "FENRUN_NIGHTLY" in os.environ else (1, 4, 2)
    own = [s for s in statements if s["payee"] == party][-each:]
    some = [*own, *statements[:: max(1, len(statements) // (3 * few))]]
    if each == 1:  # what the engine answers of one's own takes a second each time
        some = [*own, *(s for s in some if s["payee"] != party)]
    numbers = dict.fromkeys(map(str, [*(n for n, _ in facts["disputes"]), *facts["numbers"]]))
    values = {
        "period": [*sorted({s["period_id"] for s in statements})[-2:], "1999-01"],
        "payee": ["nobody", *sorted({s["payee"] for s in some})[:few]],
        "line": [x for s in some for x in s["lines"]][:few] or ["x/y/z/P1"],
        "number": ["999999", *[*numbers][:few]],
        "file": ["999999", "1", "2"],
        "case": [opaque(facts["case"]), "G09-20240801-nobody"],
        "customer": ["nobody", *facts["customers"][:few]],
        "order": [*facts["orders"][:few], "nobody"],
        "plan": ["channel-2024", "nobody"],
        "kind": ["party", "customer", "order", "x"],
    }
    made: dict[str, tuple[str, ...]] = {}
    for route in facts["routes"]:
        plain = re.sub(r"[\^$]|\\Z", "", route)
        if "(" in plain.replace("<", ""):  # the sign-in library's own patterns
            plain = re.sub(r"\(.*", "x/", plain)
        slots = re.findall(r"<(?:\w+:)?(\w+)>", plain)
        if slots == ["period", "payee"]:
            pairs = [(s["period_id"], s["payee"]) for s in some] + [("1999-01", "nobody")]
            options = [
                re.sub(r"<[^>]+payee>", b, re.sub(r"<[^>]+period>", a, plain)) for a, b in pairs
            ]
        elif slots == ["period", "line"]:
            options = [
                re.sub(r"<[^>]+line>", x, re.sub(r"<[^>]+period>", s["period_id"], plain))
                for s in some
                for x in s["lines"][:1]
            ]
        else:
            options = [plain]
            for slot in slots:
                options = [
                    re.sub(rf"<(?:\w+:)?{slot}>", v, o, count=1)
                    for o in options
                    for v in values.get(slot, ["x"])
                ]
        made = dict.fromkeys(options, ("GET",)) | made
        if each > 1 or "line" not in slots:
            made |= dict.fromkeys(options[:posted], ("GET", "POST"))
    asked_of_the_engine = [
        f"{start}statements/{s['period_id']}/{s['payee']}/{way}"
        for s in some[: each + few // 2]
        for start, way in (
            ("", "estimate/?amount=50000"),
            ("api/", "estimate?amount=50000"),
            ("", "?format=csv"),
        )
    ]
    asked_of_the_engine += [
        f"{start}lines/{s['period_id']}/{line}{end}"
        for s in own
        for line in s["lines"][:each]
        for start, end in (("", "/"), ("api/", ""))
    ]
    asked_of_the_engine += [
        f"{start}statements/{s['period_id']}/{s['payee']}/{way}"
        for s in own[-1:]
        for start, way in (("", "estimate/?amount=50000&curve=1"), ("api/", "change"))
        if each > 1 or way == "change"  # the curve is of estimates, which are asked by day
    ]
    asked_of_the_engine += [
        f"{start}charges/{s['period_id']}/{line}{end}"
        for s in own
        for line in s["lines"][:1]
        for start, end in [("", "/"), *share([("", "/?format=csv"), ("api/", "?size=1")], 2)]
    ]
    queries = [
        f"{a}?{q}={v}"
        for a in ("find/", "find/party/", "crediting/", "statements/", *_LISTS)
        for q, vs in (
            ("customer", facts["customers"][:few]),
            ("payee", values["payee"]),
            ("q", values["payee"]),
        )
        for v in vs
    ]
    made = dict.fromkeys([*asked_of_the_engine, *queries], ("GET",)) | made
    return {"/" + a.lstrip("/"): methods for a, methods in made.items() if "static" not in a}


def _asked(portal: Portal, facts: dict[str, Any], account: str) -> dict[str, tuple[str, ...]]:
    """What somebody asks: by day a share, on PostgreSQL of what its rows answer alone."""
    found = _addresses(facts, portal.parties[account])
    if portal.database == "sqlite" or "FENRUN_NIGHTLY" in os.environ:
        return dict(share([*found.items()], 4, ACCOUNTS.index(account)))
    of_the_engine = re.compile("estimate|change|/lines/|/charges/")
    return dict(share([(a, m) for a, m in found.items() if not of_the_engine.search(a)], 6))


@pytest.mark.parametrize("account", ACCOUNTS)
def test_no_route_tells_what_does_not_concern_the_asker(
    portal: Portal, facts: dict[str, Any], account: str
) -> None:
    if portal.database == "postgresql" and account != "rep" and "FENRUN_NIGHTLY" not in os.environ:
        pytest.skip("its rows are isolated for all accounts alike: see the database's own test")
    secrets, leaked, broken = _secrets(facts, portal, account), {}, []
    shown = estimated = 0
    assert len(secrets) > 20
    with portal.sign_in(account) as client:
        for address, methods in _asked(portal, facts, account).items():
            if "logout" in address:
                continue
            for method in methods:
                kept = httpx.Cookies(client.cookies)
                answer = client.request(
                    method,
                    address,
                    data={"text": "probe", "party": "nobody", "period": "2024-09"}
                    if method == "POST" and "password" not in address
                    else None,
                )
                client.cookies = kept
                shown += answer.status_code == 200
                estimated += answer.status_code == 200 and "estimate?amount" in address
                if answer.status_code >= 500:
                    broken.append((method, address))
                if found := _holds(
                    answer.text, {text: of for text, of in secrets.items() if text not in address}
                ):  # what one asks for is no secret to oneself
                    leaked[method, address] = found[:5]
    assert not leaked and not broken
    said = (portal.workspace.parent / "errors").read_text("utf-8")
    assert said and "Traceback" not in said, "what is refused is told in a line"
    assert shown > 10 and (estimated > 0 or account != "partner" or turns.day() is not None)


def _filled(route: str, number: str, period: str, payee: str, customer: str) -> str:
    """Return the address of a route with these identifiers."""
    values = {"number": number, "period": period, "payee": payee, "who": customer, "kind": "token"}
    values |= {"customer": customer, "file": "1"}
    for slot, value in values.items():
        route = re.sub(rf"<(?:\w+:)?{slot}>", value, route)
    return "/" + route.lstrip("/")


@pytest.mark.in_turn(4)
@pytest.mark.parametrize("account", ACCOUNTS)
def test_what_is_others_is_answered_as_what_is_not(
    portal: Portal, facts: dict[str, Any], account: str
) -> None:
    """Neither status nor text tells which numbers, payees and customers there are."""
    if portal.database == "postgresql" and "FENRUN_NIGHTLY" not in os.environ:
        pytest.skip("at night: the answers are made of the same queries")
    party = portal.parties[account]
    found = (s for s in facts["statements"][::-1] if s["payee"] != party)
    period, payee = next((s["period_id"], s["payee"]) for s in found)
    customer = next(c for c, p, _ in facts["customer_of"] if party not in (c, p))
    routes = [route for route in facts["routes"] if re.search("number>|payee>|customer>", route)]
    routes += ["statements/?q=<payee>", "statements/?period=<period>&q=<payee>"]
    routes += ["api/statements?payee=<payee>", "api/crediting?customer=<who>"]
    routes += ["crediting/?customer=<who>", "requests/?customer=<who>", "book/?customer=<who>"]
    assert len(routes) > 30
    unlike = []
    with portal.sign_in(account) as client:
        for route in routes:
            of = next((n for kind, n in facts["of_others"].items() if kind in route), 1)
            for method in ("GET", "POST"):
                said = []
                for given in (
                    (str(of), period, payee, customer),
                    ("999999", period, "P99999", "K99999"),
                ):
                    path = _filled(route, *given)
                    answer = client.request(method, path, data={"text": "probe"})
                    text = re.sub(r'csrf\w*" value="\w+"', "", answer.text).replace(path, "")
                    for one in given[2:]:  # what one asks for is said back
                        text = text.replace(one, "")
                    said.append((answer.status_code, text))
                unlike += [(method, route, said)] if said[0] != said[1] else []
    assert not unlike, [(method, route) for method, route, _ in unlike]


def test_what_is_one_s_own_is_seen(portal: Portal, facts: dict[str, Any]) -> None:
    """The table above would pass where nobody sees anything."""
    for account in ("partner", "rep"):
        with portal.sign_in(account) as client:
            page = client.get("/", follow_redirects=True)
            assert (
                page.status_code == 200
                and portal.parties[account] in page.text
                and "/lines/" in page.text
            ) or account == "rep"
    with portal.sign_in("partner") as client:
        page = client.get("/questions/").text.split("<main")[1]
        assert "A secret of" not in page and portal.parties["partner"] in page
    with portal.sign_in("auditor") as client:
        page = client.get(f"/cases/{opaque(facts['case'])}/").text
        assert "A secret of" in page and portal.parties["partner"] in page
    with portal.sign_in("customer") as client:
        assert portal.parties["customer"] in client.get("/crediting/").text


def test_who_has_not_signed_in_sees_nothing(portal: Portal, facts: dict[str, Any]) -> None:
    secrets = {s["payee"]: "" for s in facts["statements"]}
    with httpx.Client(base_url=portal.address) as client:
        for address in [*_addresses(facts)][:400]:
            answer = client.get(address)
            assert (
                answer.status_code in (302, 401, 403, 404, 405)
                or address.startswith(("/account/", "/api/openapi.json", "/language", "/trust/"))
                or address == "/api/"
            ), (address, answer.status_code)
            assert not _holds(answer.text, {text: "" for text in secrets if text not in address})


def test_the_database_itself_isolates(portal: Portal, facts: dict[str, Any]) -> None:
    """Queries that a page could make by mistake, or an attacker on purpose, show no more."""
    found = portal.python(_PROBE % {"tried": TRIED[portal.database]})
    said, everything, users = found["said"], found["all"], found["users"]
    assert (
        facts["case"]
        and everything["portal_statement"] > 100
        and everything["portal_crediting"] > 100
    )
    assert all(n == 0 for n in said["None"]["orm"].values()) and said["None"]["joined"] == []
    for name in ("partner", "rep"):
        assert (
            said[name]["statements"]
            == [portal.parties[name]]
            == [r[0] for r in said[name]["joined"]]
        )
        assert said[name]["crediting"] == []
        assert (
            said[name]["counted"]
            == said[name]["orm"]["portal_statement"]
            < everything["portal_statement"]
        )
        assert said[name]["through"] == [users[name]]
    assert (
        said["customer"]["crediting"] == [portal.parties["customer"]]
        and said["customer"]["statements"] == []
        and said["customer"]["through"] == [users["customer"]]
    )
    for name in ACCOUNTS:
        seen = said[name]["orm"]
        assert seen["portal_event"] == seen["portal_approval"] == seen["portal_questionedcase"] == 0
        assert seen["portal_payment"] == 0 < everything["portal_payment"]
        is_asked = name == "partner"
        assert seen["portal_casequestion"] == is_asked == bool(seen["portal_caseentry"])
    for name in ("operations", "auditor"):
        assert said[name]["orm"] == everything
    for name, answers in said.items():
        assert answers["raw"] == {t: [[str(n)]] for t, n in answers["orm"].items()}, name
        assert all(isinstance(v, str) for v in answers["tried"].values()), (name, answers["tried"])


def test_a_grant_that_has_ended_or_waits_shows_nothing(portal: Portal) -> None:
    """Asked of the database itself, whatever a page would do."""
    counts = portal.python(f"""
import json
from fenrun.portal import models
from fenrun.portal.commands import grants
from fenrun.portal.access.isolation import asking
customer, partner = {portal.parties["customer"]!r}, {portal.parties["partner"]!r}
def seen(name, role, party, act):
    given = act(grants.give("operations", name, role, party, "Tried."))
    with asking(given.user.pk):
        found = [models.Statement.objects.count(), models.Crediting.objects.count()]
    grants.end("operations", given.pk)
    with asking(given.user.pk):
        return [found, [models.Statement.objects.count(), models.Crediting.objects.count()]]
def approved(given):
    name = given.user.get_username()
    grants.give_with_password("root", name, "rep", "nobody", "Tried.", "words that nobody guesses")
    return grants.approve("second", given.pk)
as_given = lambda g: g
print(json.dumps([
    seen("tried-1", "operations", "", as_given),
    seen("tried-2", "customer", customer, as_given),
    seen("tried-3", "customer", customer, approved),
    seen("tried-4", "partner", partner, as_given),
    seen("tried-5", "auditor", "", as_given),
]))""")
    nothing = [0, 0]
    assert [after for _, after in counts] == [nothing] * 5, "ended"
    (operations, _), (customer, _), (consented, _), (partner, _), (auditor, _) = counts
    assert operations == customer == nothing, "they wait for a second"
    assert (
        consented[0] == 0 < consented[1]
        and partner[0] > 0 == partner[1]
        and auditor[0] > partner[0]
    )


_STARTED = """
import json
from django.contrib.auth.models import User
from django.db import connections
from fenrun.portal.access import isolation
own = User.objects.using("default").get(username="partner").pk
def seen():
    with isolation.asking(own):
        return len(isolation.rows_seen("SELECT id FROM portal_statement"))
found = [seen()]
def look(execute, sql, params, many, context):
    done = execute(sql, params, many, context)
    if not connections["default"].in_atomic_block:
        found.append(seen())
    return done
with connections["default"].execute_wrapper(look):
    isolation.install()
print(json.dumps([*found, seen()]))
"""


def test_a_process_that_starts_takes_nothing_from_those_who_read(portal: Portal) -> None:
    """It puts the isolation in anew; after each of its steps somebody sees what he saw."""
    found = portal.python(_STARTED)
    assert len(found) > 1 and len(set(found)) == 1 and found[0] > 0
