"""Traps of a month's work: what would have lost money or months in silence is refused or told.

A workspace of three charges; all of it is one story, told by one process.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest

from fenrun.settle.imports import import_file
from fenrun.store.facts import Store
from tests.errors.gallery import PLAN
from tests.portal.served import beside, environment
from tests.pricing.workspace import book, charge, workspace

pytestmark = pytest.mark.in_turn(3, whole=True)

ROWS = 60
"""More than any list shows at once."""
_STORY = """
import io, json, re
from datetime import UTC, date, datetime, timedelta
from unittest import mock
from django.conf import settings
from django.contrib.auth.models import User
from django.core.paginator import Paginator
from django.test import Client
from fenrun.portal import events, models, serve
from fenrun.portal.commands import deliveries, grants
from fenrun.portal.pages import paging
from fenrun.settle.imports import import_file
from fenrun.store.facts import Store
from tests.portal.clock import tell_time
serve._migrate(settings.WORKSPACE)
clock = {"now": datetime(2024, 12, 7, 9, tzinfo=UTC)}
tell_time(lambda: clock["now"])
made = [("ops", "operations", ""), ("second", "operations", ""), ("one", "partner", "P1")]
grants.give_to_invented("demo", made, "Invented.", "words that nobody guesses")
settings.ALLOWED_HOSTS.append("testserver")
who = {name: Client(headers={"Accept-Language": "en"}) for name, *_ in made}
for name, client in who.items():
    client.force_login(User.objects.get(username=name))
folder, store, said = settings.WORKSPACE.parent, Store.open(settings.WORKSPACE), {}
def page(path, name="ops", **asked):
    answer = who[name].get(path, asked)
    text = answer.content.decode().split("<main")[-1]
    return re.sub(r"\\s+", " ", re.sub(r"<[^>]+>", " ", text))
def post(path, name="ops", **form):
    return who[name].post(path, form).status_code
def api(path, name="ops", **data):
    if not data:
        return who[name].get("/api" + path).json()
    return who[name].post("/api" + path, json.dumps(data), content_type="application/json").json()
def open_now():
    return sorted({p.code for p in deliveries.open_problems(store) if p.severity == "error"})
def settle(month):
    return post(f"/periods/{month}/settle/")
def paid(month):
    return api(f"/statements/{month}/P1")["payable"]

# A file with an unreadable row, then the same file corrected.
import_file(store, folder / "broken.csv", datetime(2024, 12, 1))
said["aside"] = open_now()
import_file(store, folder / "mended.csv", datetime(2024, 12, 2))
settle("2024-09")
said["both"] = [open_now(), api("/periods/2024-09/close", reason="It is over.", first=True)]
said["both"].append(page("/periods/2024-09/"))
ids = {i.source: i.id[:12] for i in store.imports("charges")}
asked = api(f"/deliveries/{ids['mended.csv']}/decisions", decision="replaces",
            other=ids["broken.csv"], reason="The corrected file.")
said["replaced"] = [api(f"/decisions/{asked['id']}", "second", x=1)["approved_by"], open_now()]
clock["now"] += timedelta(hours=1)
for month in ("2024-09", "2024-10"):
    settle(month)
said["once"] = paid("2024-09")

# The newest month first.
late = who["ops"].post("/periods/2024-10/close/", {"reason": "October."})
said["newest"] = [late.status_code, late.content.decode()]

# What was asked for is no longer what is shown.
said["ask"] = [post("/periods/2024-09/close/", reason="All came."), page("/periods/")]
import_file(store, folder / "late.csv", datetime(2024, 12, 7, 11))
clock["now"] += timedelta(hours=4)
settle("2024-09")
said["dead"] = [post("/periods/2024-09/close/1/", "second"), page("/periods/"),
                page("/periods/2024-09/")]
said["asks"] = [post("/periods/2024-09/close/", reason="Seen anew.")]
number = models.Approval.objects.using("default").latest("pk").pk
said["asks"].append(post(f"/periods/2024-09/close/{number}/", "second"))
(close,) = store.log.events("closes")
said["closed at"] = [close.at, page("/log/", q="close")]

# A file for a closed month is paid in the next: once.
clock["now"] += timedelta(hours=1)
import_file(store, folder / "later.csv", datetime(2024, 12, 7, 15))
clock["now"] += timedelta(hours=1)
settle("2024-10")
said["late"] = [page("/statements/2024-10/P1/"), api("/statements/2024-10/P1")]
said["late"].append(page("/periods/2024-10/"))

# What was asked before changes no later answer: neither what it pays, nor what sells most.
asked = [("100", ""), ("300", "CDN"), ("100", "")]
said["estimates"] = [
    api("/statements/2024-10/P1/estimate?" + "&".join((f"amount={amount}", f"service={service}")))
    for amount, service in asked
]

# The same by programs: payments, many at once, a bundle that is verified.
(row,) = api("/payments")["rows"]
said["payments"] = [row["amount"], row["state"]]
said["payments"] += [api("/payments", name, numbers=[row["id"]], state="sent", day="2024-12-07")
                     for name in ("one", "ops")]
from django.core.files.base import ContentFile
def upload(path, name, key, data, **more):
    answer = who[name].post("/api" + path, {key: ContentFile(data, "many.csv"), **more})
    return [answer.status_code, answer.json()]
many = b"party,figure,period,amount,currency\\nP1,task,2024-11,500,CNY\\n"
looked = upload("/bulk", "ops", "file", many)
said["bulk"] = [upload("/bulk", "one", "file", many)[0], looked,
                upload("/bulk/enter", "ops", "file", many, id="x", reason="So."),
                upload("/bulk/enter", "ops", "file", many, id=looked[1]["id"], reason="So.")[0]]
bundle = who["one"].get("/statements/2024-09/P1/", {"format": "bundle"}).content
said["verified"] = [upload("/verify", "one", "bundle", bundle)[1],
                    upload("/verify", "one", "bundle", bundle[:-9])[0]]
scenario = "scenario: more\\nfrom: 2024-01-01\\nusage: [{by: 10 %}]\\n"
number = api("/scenarios", text=scenario)["number"]
import time
began = [api(f"/scenarios/{number}/runs", period="2024-10"),
         who["ops"].post(f"/scenarios/{number}/run/", {"period": "2024-10"})]
while not (now := api(f"/work/{began[0]['number']}"))["over"]:
    time.sleep(0.05)
done = who["ops"].get(began[1].headers["Location"])
said["work"] = [began[0], now, began[1].headers["Location"], done.headers.get("Location"),
                api(f"/scenarios")["rows"][0]["outcome"]["plans"][0]["earned_more"],
                who["one"].get(began[1].headers["Location"]).status_code]
settling = who["ops"].post("/periods/2024-10/settle/", headers={"HX-Request": "true"})
path = settling.headers["HX-Redirect"]
while not models.Work.objects.using("default").get(pk=path.split("/")[2]).over:
    time.sleep(0.05)
said["settled"] = [path, who["ops"].get(path).headers["Location"]]

# A dispute from a charge, with an amount and a file, to the end.
line = api("/statements/2024-10/P1")["lines"][0]["line"]
place = api(f"/charges/2024-10/{line}")["rows"][0]
place = f"{place['file']}:{place['row_no']}"
said["offered"] = [
    place in who["one"].get(f"/charges/2024-10/{line}/").content.decode(),
    "/disputes/open/" in who["ops"].get(f"/charges/2024-10/{line}/").content.decode(),
    page("/disputes/open/", "one", party="P1", period="2024-10", line=line, charge=place),
    who["one"].get("/disputes/open/", {"party": "P2", "period": "2024-10"}).status_code,
]
form = {"party": "P1", "period": "2024-10", "line": line, "charge": place, "text": "Too little."}
wrong = who["one"].post("/disputes/open/", {**form, "amount": "much"})
said["kept"] = [wrong.status_code, "Too little." in wrong.content.decode()]
proof = ContentFile(b"An invoice of 80.", "proof.txt")
answer = who["one"].post("/disputes/open/", {**form, "amount": "4.00", "file": proof})
path = answer.headers["Location"]
due = {"owner": "second", "due": "2024-12-20"}
said["assigned"] = [post(path + "assign/", "one", **due), post(path + "assign/", owner="one"),
                    post(path + "assign/", **due), page("/disputes/", owner="second")]
file = who["ops"].get(path + "files/1/")
said["file"] = [file.content.decode(), file.headers["Content-Disposition"],
                file.headers["Content-Type"]]
said["accepted"] = [post(path + "answer/", state="accepted", text="So it is."), page(path)]
clock["now"] += timedelta(hours=1)
import_file(store, folder / "agreed.csv", datetime(2024, 12, 7, 17))
clock["now"] += timedelta(hours=1)
settle("2024-10")
said["mended"] = [page(path, "one"), api(path[:-1], "one")]

# What is filed of the closed month: without tax, and with the tax that terms and figures state.
said["document"] = [page("/statements/2024-09/P1/document/", "one"),
                    who["one"].get("/statements/2024-10/P1/document/").status_code,
                    who["one"].get("/statements/2024-09/P2/document/").status_code]
from pypdf import PdfReader
file = who["one"].get("/statements/2024-09/P1/document/", {"format": "pdf"})
text = " ".join(page.extract_text() for page in PdfReader(io.BytesIO(file.content)).pages)
text = text.replace("\\x00", "")  # as some fonts give it
said["pdf"] = [file.headers["Content-Type"], file.headers["Content-Disposition"], text]
(folder / "legal.yaml").write_text("parties: [{party: U1, kind: unit, name: Beichen}]\\nlabels:\\n"
    "  - {party: U1, label: document-issuer, value: yes}\\n"
    "  - {party: U1, label: legal-name, value: Beichen Cloud Ltd}\\n"
    "  - {party: P1, label: tax-number, value: T-77}\\n"
    "figures: [{party: P1, figure: tax, period: 2024, amount: 6 %}]\\n", "utf-8")
import_file(store, folder / "legal.yaml", datetime(2024, 12, 7, 18))
from decimal import Decimal
from types import SimpleNamespace
from fenrun.portal.commands import book, documents
september = models.Statement.objects.using("default").filter(payee="P1", period_id="2024-09").get()
pay = SimpleNamespace(tax_included=Decimal(0), tax_added=Decimal(0), tax_figure="tax")
known = book.book_of(store)
said["taxed"] = [[str(row.rate), row.net, row.tax, row.gross]
                 for pays in ({"tried": (pay,)}, {}) for row in
                 documents._rows(september, known, pays)]
labels = documents._labels(known, date(2024, 9, 30))
said["named"] = [labels, documents._named("U1", {}, labels).name]

# Rows as an older version put them in: made anew at the next start, without telling anybody.
shown, hooks = models.Period.objects.using("default"), []
rows = models.Statement.objects.using("default").filter(period_id="2024-09", payee="P1")
names = lambda: [row["name"] for row in rows.get().customers]
said["names"] = [names()]
rows.update(customers=[])
shown.update(layout=0)
told = models.Notice.objects.using("default").count()
from fenrun.portal.commands import webhooks
with mock.patch.object(webhooks, "notify_statements", lambda *given: hooks.append(given)):
    serve.prepare(settings.WORKSPACE)
said["names"] += [names(), models.Notice.objects.using("default").count() - told, hooks]

# Whom operations may grant, and bands in Chinese.
said["roles"] = re.findall(r'<option value="(\\w+)"', who["ops"].get("/access/").content.decode())
said["granted"] = post("/access/give/", user="new", role="partner", party="P1", reason="Hers.")
chinese = Client(headers={"Accept-Language": "zh-CN"})
chinese.force_login(User.objects.get(username="ops"))
said["chinese"] = [chinese.get(f"/{path}").content.decode() for path in
                   ("statements/2024-09/P1/", "log/")]

# Every list, with more rows than it shows at once.
at, many = clock["now"], range(ROWS)
def fill(table, **fields):
    rows = [table(**{k: v(n) if callable(v) else v for k, v in fields.items()}) for n in many]
    table.objects.using("default").bulk_create(rows)
user = User.objects.get(username="ops")
fill(models.Dispute, party="P1", period="2024-09", state="open", opened_by="one", opened_at=at)
fill(models.Request, kind="association", customer="K1", party="P1", since=date(2024, 9, 1),
     reason="So.", asked_by="ops", asked_at=at, state="waiting")
fill(models.Notice, reader=" ops ", kind="dispute-opened", subject=lambda n: f"{n + 100} 1", at=at)
fill(models.Grant, user=user, role="auditor", party="", reason="x", given_by="second",
     given_at=at, ended_at=None, holds_at=at)
fill(models.CaseQuestion, party="P1", state="open", asked_by="ops", asked_at=at)
fill(models.Scenario, name=lambda n: f"s{n}", text="x", saved_by="ops", saved_at=at)
row = dict.fromkeys(("grants", "amount", "currency", "from", "to", "covers", "reason"), "")
for state in ("open", "refused"):
    fill(models.Quote, kind="discount", customer="K1", asked_by="ops", asked_at=at, state=state,
         readers="", policy="p", row=row, steps=[], entered_at=at)
fill(models.Payment, period="2024-09", payee=lambda n: f"X{n}", name="X", currency="CNY",
     form="cash", amount="1")
fill(models.Approval, period="2024-09", run="x", known=at, reason="x", asked_by="ops",
     asked_at=at, ended_at=at)
fill(models.DeliveryDecision, delivery="x", source="x", kind="void", facts={}, reason="x",
     asked_by="ops", asked_at=at)
fill(models.Hook, user=user, url="https://example.com/", events="dispute", secret="x", made_at=at)
kept = models.Statement.objects.using("default").filter(payee="P1", period_id="2024-09").get()
fill(models.Statement, period_id="2024-09", payee=lambda n: f"S{n:02}", currency="CNY", name="S",
     role="partner", rank=lambda n: n + 10, credited="1", earned="1", payable="1",
     body=kept.body, customers=[])
fill(models.Crediting, period_id="2024-09", customer="K1", currency="CNY", role="partner",
     party=lambda n: f"S{n}", name="S", via="customer", amount="1", charges=1)
User.objects.bulk_create([User(username=f"u{n}") for n in many])
hook = models.Hook.objects.using("default").first()
fill(models.WebhookDelivery, hook=hook, body={"event": "x"}, at=at, next_at=None)
figures = "".join(f"P1,task,2024-{m:02},1,CNY\\n" for m in range(1, 13))
(folder / "figures.csv").write_text("party,figure,period,amount,currency\\n" + figures)
import_file(store, folder / "figures.csv", datetime(2024, 12, 7, 19))

# A target entered by mistake is undone within a day; there must have been one before.
clock["now"] += timedelta(hours=6)
figure = {"party": "P1", "figure": "task", "period": "2024-12"}
def of_target():
    return api("/targets?party=P1&figure=task&period=2024-12")["rows"][0]["amount"]
said["undo"] = [post("/targets/undo/", **figure)]
said["undo"].append(post("/targets/give/", **figure, amount="17", currency="CNY", reason="A slip."))
said["undo"] += [of_target(), "Undo P1 2024-12" in page("/targets/", period="2024-12")]
said["undo"] += [post("/targets/undo/", "one", **figure), post("/targets/undo/", **figure)]
said["undo"] += [of_target(), post("/targets/give/", **{**figure, "period": "2024-Q4"}, amount="5",
                                   currency="CNY", reason="A slip.")]
said["undo"].append("Undo P1 2024-Q4" in page("/targets/", period="2024-Q4"))
said["undo"].append(post("/targets/undo/", **{**figure, "period": "2024-Q4"}))
clock["now"] += timedelta(hours=30)
post("/targets/give/", **figure, amount="18", currency="CNY", reason="As agreed.")
clock["now"] += timedelta(hours=25)
said["undo"].append(post("/targets/undo/", **figure))
schema = who["ops"].get("/api/openapi.json").json()
said["lists"] = {}
for path, methods in schema["paths"].items():
    if "get" not in methods:
        continue
    ok = methods["get"]["responses"]["200"].get("content", {}).get("application/json", {})
    shape = ok.get("schema", {})
    named = schema["components"]["schemas"].get(shape.get("$ref", "").rpartition("/")[2], {})
    asks = {p["name"] for p in methods["get"].get("parameters", ())}
    if path == "/api/deliveries/{delivery}":
        continue  # its `rows` are a number
    if shape.get("type") == "array" or "rows" in named.get("properties", ()):
        said["lists"][path] = [sorted(asks & {"page", "size"}), sorted(named.get("properties", ()))]
said["walked"] = {}
for path in said["lists"]:
    found = path.replace("{customer}", "K1")
    if "{" in found:
        continue
    asks = {"size": 2, "to": "P1", "since": "2024-09-01", "period": "2024-09", "on": "2024-09-01"}
    asks = asks if found.endswith("/move") else {"size": 2}
    one, two = (who["ops"].get(found, asks | {"page": n}).json() for n in (1, 2))
    rows = [json.dumps(r, sort_keys=True) for answer in (one, two) for r in answer["rows"]]
    said["walked"][path] = [one["total"], len(rows), len(set(rows)), one["page"], two["page"]]
class Few(Paginator):
    def __init__(self, rows, size):
        super().__init__(rows, 1)
said["pages"] = {}
with mock.patch.object(paging, "Paginator", Few):
    for path in (
        "periods", "statements", "crediting/?customer=K1", "payments", "deliveries", "targets",
        "requests", "quotes", "quotes?", "notices", "disputes", "questions", "scenarios", "access",
        "access/ways", "log", f"access/hook/{hook.pk}",
    ):
        name = "open" if path == "quotes?" else "page"
        address = f"/{path}" if "=" in path else f"/{path.rstrip('?')}/"
        first = who["ops"].get(address).content.decode()
        second = who["ops"].get(address, {name: 2, "keep": "x"} | dict(
            re.findall(r"(\\w+)=([\\w-]+)", address))).content.decode()
        main = [re.sub(r'value="\\w{64}"', "", x.split("<main")[1]) for x in (first, second)]
        ways = re.findall(r'<a href="([^"]*)" rel="prev">', main[1])
        said["pages"][path] = [f"{name}=2" in main[0], main[0] != main[1], ways[:1]]
said["no period"] = {
    path: [who["ops"].get(path, {"period": "foo", "month": "foo"}).status_code,
           who["ops"].get(path, {"period": "2023-01", "month": "2023-01"}).status_code]
    for path in ("/", "/statements/", "/payments/", "/disputes/", "/targets/", "/api/statements",
                 "/api/crediting", "/api/disputes", "/api/targets", "/api/approvals")
}
said["which"] = who["ops"].get("/api/statements", {"period": "foo"}).json()["problems"][0]
said["found"] = [page("/log/", q="settle"), page("/access/", q="new")]
print(json.dumps(said))
"""


@pytest.fixture(scope="module")
def said(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What becomes of it: P1 earns 5 % of what A1 is billed, 1,000 and 100 in September."""
    folder = tmp_path_factory.mktemp("traps")
    october = {
        "BillingPeriodStart": "2024-10-01T00:00:00Z", "BillingPeriodEnd": "2024-11-01T00:00:00Z",
        "ChargePeriodStart": "2024-10-02T00:00:00Z", "ChargePeriodEnd": "2024-10-03T00:00:00Z",
    }  # fmt: skip
    files = {
        "mended": [charge("A1", "1000"), charge("A1", "100"), charge("A1", "300", **october)],
        "late": [charge("A1", "20")],
        "later": [charge("A1", "40")],
        "agreed": [charge("A1", "80", **october)],
    }
    for name, rows in files.items():
        workspace(folder / "of", rows, "")
        (folder / "of/charges.csv").rename(folder / f"{name}.csv")
    good = (folder / "mended.csv").read_text("utf-8")
    bad = "2024-13-45".join(good.rsplit("2024-09-02T00:00:00Z", 1))
    (folder / "broken.csv").write_text(bad, "utf-8")
    (folder / "plan.yaml").write_text(PLAN, "utf-8")
    link = "  - {of: customer, subject: K1, role: partner, party: P1}\n"
    people = "parties:\n  - {party: K1, kind: customer, name: Kite}\n"
    people += "  - {party: P1, kind: partner, name: Alder}\n"
    (folder / "book.yaml").write_text(book("K1", more=link + people), "utf-8")
    for name in ("book.yaml", "plan.yaml"):
        import_file(Store(folder / "ws"), folder / name, datetime(2024, 11, 1))
    story = _STORY.replace("ROWS", str(ROWS))
    code = f"try:\n    exec({story!r}, globals())\nfinally:\n    workers.stop_all()\n"
    code = f"from fenrun.portal import workers\n{code}"
    found: dict[str, Any] = beside(folder / "ws", environment(folder / "ws"), code)
    return found


def test_a_corrected_file_stops_the_close_until_it_takes_the_place_of_the_first(
    said: dict[str, Any],
) -> None:
    """1,000 and 300 are in both; the second takes the place of the first: 5 % of 1,100, once."""
    codes, refused, offered = said["both"]
    assert "cannot be closed" in offered and "Ask to close" not in offered
    assert said["aside"] == ["kept-aside"] and codes == ["charges-twice", "kept-aside"]
    assert refused["problems"][0]["code"] == "close-problems"
    assert said["replaced"] == ["second", []] and said["once"] == "55.00"


def test_the_newest_month_is_not_asked_for_before_the_others(said: dict[str, Any]) -> None:
    status, page = said["newest"]
    assert status == 409 and "2024-09" in page.split("<main")[1]


def test_what_was_asked_for_before_a_file_came_waits_for_nobody(said: dict[str, Any]) -> None:
    """The list says no longer that somebody asks; the month's page takes the next ask."""
    assert said["ask"][0] == 302 and "ops asks to close" in said["ask"][1]
    status, listed, month = said["dead"]
    assert status == 409 and "asks to close" not in listed and "Ask to close" in month
    assert said["asks"] == [302, 302]


def test_a_close_is_dated_when_it_was_done(said: dict[str, Any]) -> None:
    """At 14:00, as known at 11:00."""
    at, page = said["closed at"]
    assert at == "2024-12-07T14:00:00Z"
    assert "2024-12-07 14:00:00 second period closed 2024-09 2024-12-07 Seen anew." in page


def test_differences_of_closed_months_are_listed_once_with_their_sum(said: dict[str, Any]) -> None:
    """A file of 40 for September, at 5 %: 2.00 in October, beside its own 15.00."""
    page, statement, month = said["late"]
    assert "17.00 CNY 15.00 and 2.00 for closed periods" in page
    listed = page.split("Differences of closed periods, paid with this statement Month")[1]
    assert "2024-09 reward late charge later.csv 2.00 Earned 2.00" in listed
    assert listed.count("later.csv") == 1 and "cash" not in listed
    assert statement["payable"] == "17.00"
    of_all = month.split("Differences of closed periods, paid with this statement Month")[1]
    assert "2024-09 P1 reward late charge later.csv 2.00 Earned 2.00 CNY Paid with" in of_all
    assert of_all.count("later.csv") == 1 and "for closed periods 2.00 CNY" in of_all


def test_a_dispute_has_an_amount_a_file_an_owner_and_a_day_and_leads_to_its_mend(
    said: dict[str, Any],
) -> None:
    """4.00 are claimed for a charge; 80 more at 5 % are what comes of it."""
    at_the_charge, to_operations, form, of_another = said["offered"]
    assert at_the_charge and not to_operations and "Amount claimed" in form and of_another == 404
    assert said["kept"] == [409, True]
    by_partner, to_partner, done, listed = said["assigned"]
    assert (by_partner, to_partner, done) == (403, 409, 302)
    assert "4.00 CNY" in listed and "second 2024-12-20 open" in listed
    content, name, kind = said["file"]
    assert content == "An invoice of 80." and name.startswith("attachment")
    assert "proof.txt" in name and kind == "application/octet-stream"
    status, accepted = said["accepted"]
    assert status == 302 and "Correct what was wrong" in accepted and "Nothing yet." in accepted
    page, whole = said["mended"]
    assert "2024-10 : +4.00 CNY 17.00 → 21.00" in page and "Correct what was wrong" not in page
    assert whole["mended"] == [
        {"period": "2024-10", "difference": "4.00", "then": "17.00", "now": "21.00"}
    ]
    assert (whole["amount"], whole["owner"], whole["due"]) == ("4.00", "second", "2024-12-20")


def test_a_closed_statement_has_a_document_with_the_tax_that_is_stated(
    said: dict[str, Any],
) -> None:
    """56.00 of which 6 % are tax: 52.83 and 3.17. Where nobody states a rate it says so."""
    document, of_open, of_another = said["document"]
    assert "Number 2024-09/P1/CNY/" in document and "For 2024-09-01 – 2024-09-30" in document
    assert "tax not stated 56.00" in document and "Vendor not stated" in document
    assert of_open == 409 and of_another == 404
    kind, name, text = said["pdf"]
    assert kind == "application/pdf" and "P1-2024-09-document.pdf" in name
    assert "2024-09/P1/CNY/" in text and "56.00" in text and "tax not stated" in text
    assert said["taxed"] == [["0.06", "52.83", "3.17", "56.00"], ["None", "", "", "56.00"]]
    labels, name = said["named"]
    assert name == "Beichen Cloud Ltd" and labels["P1"] == {"tax-number": "T-77"}


def test_an_estimate_does_not_remember_the_one_before(said: dict[str, Any]) -> None:
    """100 more at 5 %, of what sells most; what was invented in between is nobody's service."""
    first, other, again = said["estimates"]
    assert first == again and first["more"] == "5.00" and "CDN" not in first["services"]
    assert other.get("more") in (None, "15.00")


def test_programs_say_what_was_paid_enter_many_and_verify_bundles(said: dict[str, Any]) -> None:
    amount, state, by_partner, sent = said["payments"]
    assert (amount, state) == ("56.00", "due") and by_partner["problems"][0]["code"] == "forbidden"
    assert sent["rows"][0]["state"] == "sent"
    by_partner, (status, looked), (refused, why), entered = said["bulk"]
    assert by_partner == 403 and status == 200 and looked["counts"]["new"] == 1
    assert refused == 409 and why["problems"][0]["code"] == "bulk-unready" and entered == 201
    verified, broken = said["verified"]
    assert verified["payable"] == {"CNY": "56.00"} and verified["is_vouched"] and broken == 409


def test_a_scenario_and_a_settlement_go_on_while_one_watches(said: dict[str, Any]) -> None:
    """10 % more of 300 at 5 %: 1.50. The same that goes on already is not begun again."""
    began, now, page, result, more, to_partner = said["work"]
    assert not began["over"] and now["over"] and not now["problems"]
    assert now["done"] == now["steps"] == began["steps"] == 1
    assert page == f"/work/{began['number']}/" and result == f"/scenarios/{began['subject']}/"
    assert more == "1.50" and to_partner == 403
    assert said["settled"][1] == "/periods/2024-10/"


def test_a_target_entered_by_mistake_is_undone_within_a_day(said: dict[str, Any]) -> None:
    """From 1 to 17 and back; not what came by a file, was not there before, or is older."""
    by_file, entered, wrong, offered, by_partner, undone, right, *new, late = said["undo"]
    assert (by_file, entered, wrong, offered) == (409, 302, "17.00", True)
    assert (by_partner, undone, right) == (403, 302, "1.00")
    assert new == [302, False, 409], "nobody is offered what is refused then"
    assert late == 409


def test_rows_of_an_older_version_are_made_anew_and_nobody_is_told(said: dict[str, Any]) -> None:
    before, after, told, hooks = said["names"]
    assert before == after == ["Kite"] and told == 0 and "2024-09" not in dict(hooks)


def test_operations_may_grant_every_role(said: dict[str, Any]) -> None:
    assert {"operations", "auditor", "partner", "rep", "customer"} <= {*said["roles"]}
    assert said["granted"] == 302


def test_bands_and_acts_are_said_in_chinese(said: dict[str, Any]) -> None:
    statement, log = said["chinese"]
    assert "按 5 % 计" in statement and "from 0 pays" not in statement.split("<main")[1]
    assert "period closed" not in log and "期间结账" in log


def test_every_list_comes_in_pages(said: dict[str, Any]) -> None:
    """Of the API each that answers rows; of the pages each that lists what grows."""
    for path, (asks, answers) in said["lists"].items():
        assert asks == ["page", "size"] and {"page", "rows", "size", "total"} <= {*answers}, path
    assert len(said["walked"]) >= 23
    for path, (total, rows, distinct, *pages) in said["walked"].items():
        assert rows == distinct == min(total, 4) and pages == [1, 2], path
    many = [path for path, (total, *_) in said["walked"].items() if total >= ROWS]
    assert len(many) >= 13, many
    for path, found in said["pages"].items():
        name = "open" if path == "quotes?" else "page"
        before = "keep=x&amp;customer=K1" if "crediting" in path else "keep=x"
        assert found == [True, True, [f"?{before}&amp;{name}=1"]], path


def test_what_is_no_period_is_refused_and_a_month_without_rows_is_not(
    said: dict[str, Any],
) -> None:
    assert set(map(tuple, said["no period"].values())) == {(409, 200)}
    assert said["which"]["code"] == "period-wrong" and said["which"]["fix"]


def test_the_log_and_the_grants_are_searched(said: dict[str, Any]) -> None:
    log, grants = said["found"]
    rows = log.split(" Hash ")[1]
    assert "settle" in rows and "ask to close" not in rows
    found = grants.split("Account or party")[1]
    assert "new Partner" in found and "one Partner" not in found and "second Op" not in found
