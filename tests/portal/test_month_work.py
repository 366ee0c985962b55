"""A month's work: its steps, what a settlement changed, a refused close, payments and files."""

from __future__ import annotations

import csv
import io
import xml.etree.ElementTree as ET
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from fenrun.portal import edge
from fenrun.settle.imports import import_file
from fenrun.store.facts import Store
from tests.errors.gallery import PLAN
from tests.portal.served import beside, environment
from tests.pricing.workspace import book, charge, workspace

pytestmark = pytest.mark.in_turn(3, whole=True)

_STORY = """
import io, json, re, zipfile
from datetime import UTC, datetime
from pathlib import Path
from django.conf import settings
from django.contrib.auth.models import User
from django.core.files.base import ContentFile
from django.test import Client
from fenrun.base.when import parse_period
from fenrun.portal import events, models, serve
from fenrun.portal.access.isolation import asking
from fenrun.portal.commands import grants, month_steps, webhook_delivery
from fenrun.settle.imports import import_file
from tests.portal.clock import tell_time
serve._migrate(settings.WORKSPACE)
clock = {"now": datetime(2024, 12, 7, 9, tzinfo=UTC)}
tell_time(lambda: clock["now"])
accounts = [
    ("operations", "operations", ""), ("second", "operations", ""), ("auditor", "auditor", ""),
    ("one", "partner", "P1"), ("two", "partner", "P2"),
]
grants.give_to_invented("demo", accounts, "Invented.", "words that nobody guesses")
settings.ALLOWED_HOSTS.append("testserver")
clients = {name: Client() for name, *_ in accounts}
for name, client in clients.items():
    client.force_login(User.objects.get(username=name))
store = events.workspace("operations")
def text_of(answer):
    text = answer.content.decode().split("<main")[-1]
    return re.sub(r"\\s+", " ", re.sub(r"<[^>]+>", " ", text))
def page(name, path):
    return text_of(clients[name].get(path, follow=True))
def post(who, path, **form):
    answer = clients[who].post(path, form)
    return [answer.status_code, text_of(answer) if answer.status_code == 409 else ""]
def steps():
    with asking(User.objects.get(username="operations").pk):
        return {s.name: [s.state, str(s.says)] for s in month_steps.month_of(store).steps}
said = {}
said["empty"] = [steps(), page("operations", "/")]
for name in ("charges.csv", "plan.yaml"):
    import_file(store, settings.WORKSPACE.parent / name, datetime(2024, 12, 1))
said["came"] = steps()
post("operations", "/periods/2024-09/settle/")
said["settled"] = steps()
import_file(store, settings.WORKSPACE.parent / "late.csv", datetime(2024, 12, 5))
said["late"] = steps()
post("operations", "/periods/2024-09/settle/")
said["again"] = steps()
said["review"] = page("operations", "/periods/2024-09/review/")
said["not for"] = clients["one"].get("/periods/2024-09/review/").status_code
def look(text, name="many.csv"):
    answer = clients["operations"].post("/bulk/", {"file": ContentFile(text.encode(), name)})
    found = re.findall(r'name="(name|id|content)" value="([^"]*)"', answer.content.decode())
    return [answer.status_code, text_of(answer), dict(found)]
def entered(seen, **more):
    return post("operations", "/bulk/enter/", **{**seen[2], "reason": "For the year.", **more})[0]
targets = "party,figure,period,amount,currency\\nP1,task,2024-12,5000,CNY\\n"
first = look(targets)
said["bulk"] = [first, entered(first, id="x"), entered(first, reason=""), entered(first)]
changed = look(targets.replace("5000", "6000") + "P2,task,2024-12,1,CNY\\n")
said["bulk"] += [changed, entered(changed), look(targets.replace("5000", "6000"))]
said["bulk"] += [look(targets.replace("P1", "P9")), look("who,what\\nx,y\\n"), look(
    "user,role,party,reason\\nnew,partner,P2,Asked.\\nnew,nobody,P2,\\n")]
people = look("user,role,party,reason\\nnew,partner,P2,Asked.\\none,partner,P1,Has it.\\n")
said["bulk"] += [people, entered(people)]
said["bulk by"] = [clients[name].get("/bulk/").status_code for name in ("auditor", "one")]
grant = models.Grant.objects.using("default").filter(user__username="new").get()
said["bulk"].append([grant.role, grant.party, grant.given_by])
from fenrun.portal.commands.book import book_of
def held():
    return [[r["party"], str(r["valid_from"]), str(r["valid_to"])] for k in ("K1", "K2")
            for r in book_of(store).links_of("customer", k)]
def undo(who="operations", **form):
    return post(who, "/bulk/undo/", **form)[0]
(of_two,) = book_of(store).links_of("customer", "K2")
ends = "of,subject,role,party,from,to,id\\ncustomer,K2,partner,P2,,2025-01-01," + of_two["link_id"]
slip = look(ends + "\\ncustomer,K1,partner,P2,2025-01-01,,\\n", "slip.csv")
said["undo"] = [held(), entered(slip), held(), page("operations", "/bulk/")]
shown = clients["operations"].get("/bulk/").content.decode()
(file,) = re.findall(r'name="file" value="(\\w+)"', shown)
said["undo"].append(undo("auditor", file=file))
from unittest import mock
from fenrun.portal.commands import undoing
enter_text = undoing.enter_text
def undone_meanwhile(*given):
    with mock.patch.object(undoing, "enter_text", enter_text):
        said["undo"] += [undo(file=file), held()]
    enter_text(*given)
with mock.patch.object(undoing, "enter_text", undone_meanwhile):
    said["undo"].append(undo(file=file))
said["undo"].append(held())
post("operations", "/periods/2024-09/settle/")
close = "/periods/2024-09/close/"
post("operations", close, reason="All came.")
said["asked"] = steps()
said["no reason"] = post("second", close + "1/end/", reason=" ")[0]
said["refused"] = post("second", close + "1/end/", reason="P2 looks odd.")[0]
said["ended"] = page("auditor", "/periods/2024-09/")
said["gone"] = post("second", close + "1/")[0]
post("operations", close, reason="Looked at P2.")
clients["operations"].post("/api/approvals/2/end", {"reason": "Once more."},
                           content_type="application/json")
post("operations", close, reason="Looked at P2 again.")
said["closed"] = post("second", close + "3/")[0]
said["to pay"] = steps()
numbers = list(models.Payment.objects.using("default").values_list("pk", flat=True))
def change(who, *ticked, to, day="2024-12-06", **more):
    return post(who, "/payments/change/", number=ticked, to=to, day=day, **more)
said["tried"] = [
    change("auditor", *numbers, to="sent")[0], change("operations", to="sent"),
    change("operations", numbers[0], to="returned", reason="x"),
    change("operations", numbers[0], to="sent", day="2024-12-08"),
]
said["sent"] = change("operations", *numbers, to="sent")[0]
said["paid"] = change("operations", numbers[0], to="paid", day="2024-12-07")[0]
said["back"] = [
    change("operations", numbers[1], to="returned")[0],
    change("operations", numbers[1], to="returned", reason="Account closed.")[0],
]
said["states"] = steps()["pay"]
said["pages"] = {name: page(name, "/payments/") for name in clients}
def file(**form):
    answer = clients["operations"].post("/payments/file/", form)
    if answer.status_code == 409:
        return text_of(answer)
    return answer.content.decode("utf-8-sig")
said["csv"] = file(kind="csv")
said["ledger"] = {kind: file(kind=kind, period="2024-09") for kind in ("beancount", "hledger")}
change("operations", numbers[1], to="due", reason="A new account.")
def transfer(accounts, **more):
    payer = {"name": "Beichen Cloud", "iban": "GB29 NWBK 6016 1331 9268 19", "bic": "",
             "day": "2024-12-09"}
    given = ContentFile(accounts.encode(), "accounts.csv")
    return file(kind="pain", accounts=given, **{**payer, **more})
good = "payee,name,iban,bic\\nP2,Two GmbH,DE89 3704 0044 0532 0130 00,\\n"
said["bank"] = [
    transfer(good), transfer(good.replace("P2", "P9")), transfer(good.replace("89 37", "88 37")),
    transfer(good, iban="GB00"), transfer("who,what\\n"),
]
bundle = clients["one"].get("/statements/2024-09/P1/?format=bundle").content
def verify(who, data):
    answer = clients[who].post("/verify/", {"bundle": ContentFile(data, "bundle.zip")})
    return [answer.status_code, text_of(answer)]
said["bytes"] = len(bundle)
with zipfile.ZipFile(io.BytesIO(bundle)) as parts:
    said["readable"] = [parts.read(name).decode() for name in ("README.txt", "statement.html")]
said["verified"] = [verify("two", bundle), verify("one", bundle.replace(b"60.00", b"61.00")),
                    clients["one"].post("/verify/").status_code]
said["file for a partner"] = clients["one"].post("/payments/file/", {"kind": "csv"}).status_code
told = models.Notice.objects.using("default").order_by("pk")
said["told"] = [[n.reader.strip(), n.kind, n.subject, bool(n.over_at)] for n in told]
post("one", "/access/hook/", url="http://127.0.0.1:1/in", events="statement")
hook = "/access/hook/1/"
said["hook"] = [post("two", hook + "test/")[0], page("two", hook), post("one", hook + "test/")[0]]
webhook_delivery.deliver()
sent = "/access/hook/sent/"
said["hook"] += [page("one", hook), post("two", sent + "1/")[0], post("one", sent + "9/")[0]]
rows = models.WebhookDelivery.objects.using("default")
rows.update(status=500, tried=6, next_at=None)
said["hook"] += [page("one", hook), post("one", sent + "1/")[0], page("operations", hook)]
events.enter_events()
said["log"] = [[e.act, e.facts()["source"]] for e in store.log.events("portal")]
said["broken"] = [str(p) for p in events.broken_events(store)]
begun = models.Work.objects.using("default").create(
    kind=models.Work.SETTLE, subject="2024-10", actor="operations", steps=0, done=3,
    at=clock["now"])
said["begun"] = page("operations", f"/work/{begun.pk}/")
print(json.dumps(said))
"""


@pytest.fixture(scope="module")
def said(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What a month's work says: P1 earns 5 % of 1,000, later of 1,200; P2 5 % of 500."""
    folder = tmp_path_factory.mktemp("daily")
    links = "".join(
        f"  - {{of: customer, subject: K{n}, role: partner, party: P{n}}}\n" for n in (1, 2)
    )
    workspace(folder / "late", [charge("A1", "200")], "")
    workspace(folder / "first", [charge("A1", "1000"), charge("A2", "500")], "")
    (folder / "late/charges.csv").rename(folder / "late.csv")
    (folder / "first/charges.csv").rename(folder / "charges.csv")
    source = "x" * 2_700_000  # a bundle holds the plan, and is larger than any form then
    plan = PLAN.replace("source: Terms, kind", f"source: {source}, kind")
    (folder / "plan.yaml").write_text(plan, "utf-8")
    (folder / "book.yaml").write_text(book("K1", "K2", more=links), "utf-8")
    import_file(Store(folder / "ws"), folder / "book.yaml", datetime(2024, 11, 1))
    env = environment(folder / "ws", FENRUN_HOOKS_INSIDE="http://127.0.0.1:1/")
    # What goes wrong is told at once: a worker that is left would be waited for.
    code = f"try:\n    exec({_STORY!r}, globals())\nfinally:\n    workers.stop_all()\n"
    code = f"from fenrun.portal import workers\n{code}"
    found: dict[str, Any] = beside(folder / "ws", env, code)
    return found


def test_the_steps_of_a_month_say_what_is_next(said: dict[str, Any]) -> None:
    """From a workspace of a book alone, where they are the checklist, to what is left to pay."""
    steps, page = said["empty"]
    assert steps["files"][0] == "open" and steps["terms"][0] == "open" and "Begin here" in page
    assert said["came"]["settle"] == ["open", "Not settled yet."]
    assert said["settled"]["settle"][0] == "done" and said["settled"]["pay"][0] == "later"
    assert said["settled"]["targets"] == ["done", "Nobody lacks a target."]
    assert said["late"]["settle"] == ["open", "1 file came since: settle again."]
    assert said["again"]["review"] == [
        "open", "The last settlement changed the pay of 1 payee.",
    ]  # fmt: skip
    assert said["asked"]["close"][0] == "waits" and said["asked"]["review"][0] == "done"
    assert said["to pay"]["close"][0] == "done"
    assert said["to pay"]["pay"] == ["open", "2 due, 0 sent, 0 returned, 0 paid."]
    assert said["states"] == ["open", "0 due, 0 sent, 1 returned, 1 paid."]


def test_work_whose_steps_nobody_knows_yet_says_how_far_it_is(said: dict[str, Any]) -> None:
    """The first settlement of a workspace has no earlier one by which its steps are known."""
    assert "3" in said["begun"] and "500" not in said["begun"], said["begun"]


def test_what_a_settlement_changed_is_shown_by_payee_and_cause(said: dict[str, Any]) -> None:
    """1,200 at 5 % where 1,000 were: P1 is paid 10 more, for a file that came late."""
    review = said["review"]
    assert "1 payee is paid otherwise" in review and "P1 +10.00 CNY" in review
    assert "late.csv: +10.00 CNY" in review and "P2" not in review
    assert said["not for"] == 403


def test_a_close_is_refused_or_withdrawn_with_a_reason(said: dict[str, Any]) -> None:
    assert said["no reason"] == 409 and said["refused"] == 302 and said["gone"] == 409
    assert "second ended that" in said["ended"] and "P2 looks odd." in said["ended"]
    assert said["closed"] == 302
    acts = [act for act, source in said["log"] if source == "2024-09"]
    assert acts == [
        *["settle"] * 3, "ask close", "end close", "ask close", "end close", "ask close",
        "approve close", "payments sent", "payments paid", "payments returned", "payments due",
    ]  # fmt: skip
    assert not said["broken"], "what the portal says it did is what the log holds"


def test_payments_go_from_due_to_paid_and_back(said: dict[str, Any]) -> None:
    forbidden, none, step, day = said["tried"]
    assert forbidden == 403 and none[0] == step[0] == day[0] == 409
    assert "cannot become returned" in step[1] and "2024-12-08" in day[1]
    assert said["sent"] == said["paid"] == 302 and said["back"] == [409, 302]
    for name in ("operations", "auditor"):
        assert "60.00 CNY paid 2024-12-07" in said["pages"][name]
        assert "25.00 CNY returned 2024-12-06 Account closed." in said["pages"][name]
    assert "60.00 CNY" in said["pages"]["one"] and "25.00 CNY" not in said["pages"]["one"]
    assert "P1" not in said["pages"]["two"] and "Change all" not in said["pages"]["two"]


def test_payments_are_handed_out_as_files(said: dict[str, Any], tmp_path: Path) -> None:
    rows = list(csv.DictReader(io.StringIO(said["csv"])))
    assert [(r["payee"], r["amount"], r["currency"], r["state"], r["day"]) for r in rows] == [
        ("P1", "60.00", "CNY", "paid", "2024-12-07"),
        ("P2", "25.00", "CNY", "returned", "2024-12-06"),
    ]
    assert "Assets:Cash  -60.00 CNY" in said["ledger"]["beancount"]
    assert "account Assets:Cash" in said["ledger"]["hledger"]
    assert said["file for a partner"] == 403
    made, missing, digit, payer, columns = said["bank"]
    space = {"p": "urn:iso:std:iso:20022:tech:xsd:pain.001.001.09"}
    (paid,) = ET.fromstring(made).iterfind(".//p:CdtTrfTxInf", space)
    amount = paid.find(".//p:InstdAmt", space)
    assert amount is not None and (amount.text, amount.get("Ccy")) == ("25.00", "CNY")
    assert "DE89370400440532013000" in made and "<Cd>SEPA</Cd>" not in made
    assert "P2 has no account in the file" in missing and "account …0 00 of P2" in digit
    assert "cannot be read" in payer and "its columns are who, what" in columns


def test_people_are_told_of_closes_statements_and_payments(said: dict[str, Any]) -> None:
    """Each once, and nobody of what is another's; an ask to close is over once it is decided."""
    told = [tuple(row[:3]) for row in said["told"]]
    assert len(told) == len(set(told))
    for name in ("one", "two"):
        kinds = [kind for reader, kind, _ in told if reader == name]
        paid = "payment-paid" if name == "one" else "payment-returned"
        assert kinds == ["statement-new", "statement-closed", paid]
    assert ("operations", "close-refused", "2024-09 1") in told
    asked = [row for row in said["told"] if row[1] == "close-asked"]
    assert [row[:3] for row in asked] == [
        ["second", "close-asked", f"2024-09 {number}"] for number in (1, 2, 3)
    ] and all(over for *_, over in asked)


def test_a_webhook_shows_what_was_sent_and_sends_it_again(said: dict[str, Any]) -> None:
    others, page, tested, waits, other, none, given_up, again, seen = said["hook"]
    assert (others == other == 404 and "Page not found" in page) or "not" in page
    assert tested == 302 and "test" in waits and "next try" in waits and none == 404
    assert "given up 500 6 Send again" in given_up and again == 302
    assert "waits" in seen and "given up" not in seen, "operations see it, too"


def test_a_bundle_is_read_and_verified_by_whoever_has_it(said: dict[str, Any]) -> None:
    """1,200 at 5 %: the page in it says so, and the portal derives it again by its own keys."""
    readme, page = said["readable"]
    assert "fenrun verify bundle.zip" in readme and "60.00" in page and 'lang="zh-CN"' in page
    (good, text), (edited, _), empty = said["verified"]
    assert good == 200 and "of the statement of P1 for 2024-09" in text and "60.00 CNY" in text
    assert edited == empty == 409 and said["bytes"] > edge.MOST_BODY


def test_links_entered_by_mistake_are_undone_within_a_day(said: dict[str, Any]) -> None:
    """K2 is to end and K1 to be P2's, too; undone, K2 goes on, and P2's of K1 never begins.

    Of two who undo it at once one does.
    """
    before, entered, wrong, page, by_auditor, undone, after, again, still = said["undo"]
    assert (entered, by_auditor, undone, again) == (302, 403, 302, 409) and still == after
    assert before[1] == ["P2", before[1][1], "9999-12-31"] and "slip.csv Links: 2" in page
    assert ["P2", "2025-01-01", "9999-12-31"] in wrong and wrong[-1][2] == "2025-01-01"
    assert after == before


def test_many_are_entered_as_they_were_looked_at(said: dict[str, Any]) -> None:
    """Targets: new, changed, there already, of nobody known; grants: new and there already."""
    first, other, no_reason, done, changed, done_too, same, unknown, wrong, bad, *rest = said[
        "bulk"
    ]
    assert first[0] == 200 and "new: 1" in first[1] and other == no_reason == 409 and done == 302
    assert "changed: 1" in changed[1] and "instead of 5000" in changed[1] and done_too == 302
    assert "there already: 1" in same[1] and not same[2], "nothing to enter"
    assert "party unknown: 1" in unknown[1] and not unknown[2] and wrong[0] == bad[0] == 409
    people, given, grant = rest
    assert "new: 1" in people[1] and "there already: 1" in people[1] and given == 302
    assert grant == ["partner", "P2", "operations"] and said["bulk by"] == [403, 403]
