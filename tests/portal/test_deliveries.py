"""Deliveries in the portal: decided by two, rows mended, all of it in the log and in the API."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from tests.command import fenrun
from tests.errors.gallery import PLAN
from tests.portal.served import beside, environment

_HEAD = (
    "BilledCost,BillingAccountId,BillingCurrency,BillingPeriodStart,ChargePeriodStart,"
    "InvoiceIssuerName,ResourceId,Tags\n"
)
_START = "2024-09-01T00:00:00Z,2024-09-02T00:00:00Z"
_FILES = {
    "in/june.csv": f'10,A1,USD,{_START},Acme,r1,"{{""a"": ""1""}}"\n'
    f'20.5,A1,USD,{_START},,r2,"{{""a"":\n""2""}}"\n'
    f"4,A1,USD,{_START},,r3,\n",
    "in/june-again.csv": f'10,A1,USD,{_START},Acme,r1,"{{""a"": ""1""}}"\n',
}
_WALK = """
import json
from pathlib import Path
from django.conf import settings
from django.contrib.auth.models import User
from django.test import Client
from fenrun.portal import models, serve
from fenrun.portal.commands import grants
from fenrun.store.facts import Store
serve._migrate(Path(settings.WORKSPACE))
made = [("ops-1", "operations", ""), ("ops-2", "operations", ""), ("auditor", "auditor", "")]
made.append(("partner", "partner", "P1"))
grants.give_to_invented("test", made, "Invented.", "a password of many words")
who = {}
for name, _, _ in made:
    who[name] = Client(headers={"Accept-Language": "en"}, SERVER_NAME="localhost")
    who[name].force_login(User.objects.get(username=name))
store = Store.open(settings.WORKSPACE)
ids = {i.source: i.id[:12] for i in store.imports("charges")}
said = {}
def get(name, address):
    return who[name].get(address)
def post(name, address, **data):
    return who[name].post(address, data)
def api(name, address, **data):
    return who[name].post(address, json.dumps(data), content_type="application/json")
BODY
print(json.dumps(said))
"""


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("deliveries")
    (folder / "in").mkdir()
    for name, rows in _FILES.items():
        (folder / name).write_text(_HEAD + rows)
    (folder / "in" / "notes.txt").write_text("no charges here")
    workspace = folder / "ws"
    done = fenrun("import", workspace, folder / "in")
    assert done.code == 1 and "charges-twice" in done.err + done.out
    return workspace


def _walk(workspace: Path, body: str) -> Any:
    return beside(workspace, environment(workspace), _WALK.replace("BODY", body))


@pytest.mark.in_turn(3)
def test_deliveries_are_seen_mended_and_decided_by_two(workspace: Path) -> None:
    said = _walk(
        workspace,
        """
page = get("auditor", "/deliveries/").content.decode()
said["listed"] = [t for t in ("june.csv", "june-again.csv", "notes.txt", "charges-twice",
    "kept-aside", "24.50 USD") if t not in page]
one = f"/deliveries/{ids['june.csv']}/"
page = get("auditor", one).content.decode()
said["auditor sees no form"] = "/rows/" not in page and "r2" in page
said["others"] = [get("partner", a).status_code for a in ("/deliveries/", one,
    "/api/deliveries", f"/api{one[:-1]}", "/api/decisions")]
zh = Client(headers={"Accept-Language": "zh-CN"}, SERVER_NAME="localhost")
zh.force_login(User.objects.get(username="ops-1"))
said["chinese"] = ["交付" in (t := zh.get(a).content.decode()) and "Deliver" not in t
    for a in ("/deliveries/", one)]
said["nowhere"] = get("ops-1", "/deliveries/nowhere/").status_code
page = get("ops-1", one).content.decode()
said["form"] = page.count("aria-invalid") , "textarea" in page

# A row without what it lacks is refused, with what was typed; then mended.
cells = {"cell-InvoiceIssuerName": "", "cell-ResourceId": "typed", "row": "3", "reason": "So."}
answer = post("ops-1", one + "rows/", **cells)
said["refused"] = answer.status_code, b'value="typed"' in answer.content
said["no reason"] = post("ops-1", one + "rows/", row="3", reason=" ").status_code
said["not by auditors"] = post("auditor", one + "rows/", **cells).status_code
cells = {"cell-InvoiceIssuerName": "Acme", "row": "3", "reason": "The invoice says so.",
    "cell-Tags": '{"a":\\r\\n"2"}'}
said["mended"] = post("ops-1", one + "rows/", **cells).status_code
said["api"] = api("ops-1", f"/api{one}rows", reason="As well.",
    rows=[{"row": 4, "values": {"InvoiceIssuerName": "Acme"}}]).json()
said["again"] = api("ops-1", f"/api{one}rows", reason="As well.",
    rows=[{"row": 4, "values": {"InvoiceIssuerName": "Acme"}}]).json()["problems"][0]["code"]
mends = [i.facts["mends"] for i in store.imports("charges") if "mends" in i.facts]
said["mends"] = sorted((m["rows"], m["billed"]) for m in mends)
from fenrun.charges.stored import charges_of, read_charges
mended = next(i for i in store.imports("charges") if i.facts.get("mends", {}).get("rows") == [3])
tags = charges_of(read_charges(mended.folder, mended.id)).columns["Tags"]
said["tags"] = tags.plain().to_pylist()

# A void: asked by one, approved by another, not by the same and not twice.
again = f"/deliveries/{ids['june-again.csv']}/"
void = {"kind": "void", "reason": "It came twice."}
said["asked"] = post("ops-1", again + "decisions/", **void).status_code
said["asked twice"] = post("ops-1", again + "decisions/", **void).status_code
said["no kind"] = post("ops-1", again + "decisions/", kind="adds", reason="x").status_code
number = models.DeliveryDecision.objects.using("default").get().pk
said["still there"] = len(store.imports("charges"))
said["alone"] = post("ops-1", f"/decisions/{number}/", state="approved").status_code
said["auditor decides"] = post("auditor", f"/decisions/{number}/", state="approved").status_code
page = get("ops-2", again).content.decode()
said["second sees"] = "It came twice." in page and "Approve this decision" in page
said["approved"] = post("ops-2", f"/decisions/{number}/", state="approved").status_code
said["gone"] = post("ops-2", f"/decisions/{number}/", state="approved").status_code
said["in force"] = sorted(i.source for i in store.imports("charges"))
event = store.log.events("deliveries")[-1]
said["log"] = [event.actor, event.reason]
said["acts"] = [e.act for e in store.log.events("portal") if "decision" in e.act or "mend" in e.act]

# One that is withdrawn changes nothing; one whose delivery changes meanwhile is refused.
said["api asks"] = api("ops-1", f"/api{one}decisions", decision="void", reason="Wrong.").json()
number = said["api asks"]["id"]
said["waits"] = [d["id"] for d in get("auditor", "/api/decisions").json()["rows"]] == [number]
row = next(i for i in store.imports("charges") if i.facts.get("mends", {}).get("rows") == [4])
undo = api("ops-1", f"/api/deliveries/{row.id[:12]}/decisions", decision="void", reason="No.")
api("ops-2", f"/api/decisions/{undo.json()['id']}")
changed = api("ops-2", f"/api/decisions/{number}")
said["changed"] = changed.status_code, changed.json()["problems"][0]["code"]
said["ended"] = api("ops-2", f"/api/decisions/{number}/end").json()["ended_by"]
said["api asks"] = api("ops-1", f"/api{one}decisions", decision="void", reason="Wrong.").json()
api("ops-2", f"/api/decisions/{said['api asks']['id']}")
said["states"] = {d["file"]: d["state"] for d in get("auditor", "/api/deliveries").json()["rows"]}
said["left"] = [i.source for i in store.imports("charges")]
log = get("auditor", "/log/")
said["log page"] = log.status_code, b"delivery decided" in log.content
""",
    )
    assert said["listed"] == [] and said["auditor sees no form"]
    assert said["chinese"] == [True, True]
    assert said["others"] == [403] * 5 and said["nowhere"] == 404
    assert said["form"] == [2, True]
    assert said["refused"] == [409, True] and said["no reason"] == 409
    assert said["not by auditors"] == 403 and said["mended"] == 302
    assert said["api"]["billed"] == {"USD": "4.00"} and said["again"] == "row-not-aside"
    assert said["mends"] == [[[3], {"USD": "20.50"}], [[4], {"USD": "4.00"}]]
    assert (said["asked"], said["asked twice"], said["no kind"]) == (302, 409, 409)
    assert said["still there"] == 4 and said["alone"] == 409 and said["auditor decides"] == 403
    assert said["second sees"] and (said["approved"], said["gone"]) == (302, 409)
    assert said["in force"] == ["june-mended.csv", "june-mended.csv", "june.csv"]
    coded = r"It came twice\. \(asked by ~\w+, approved by ~\w+\)"
    assert re.fullmatch(coded, said["log"][1]), "names stay in the portal's database"
    assert said["acts"] == ["mend rows", "mend rows", "ask decision", "approve decision"]
    assert said["waits"] and said["changed"] == [409, "decided-meanwhile"]
    assert said["ended"] == "ops-2" and said["left"] == []
    assert said["states"] == {
        "june.csv": "void",
        "june-again.csv": "void",
        "june-mended.csv": "void",
    }
    assert said["log page"] == [200, True]
    assert said["tags"] == ['{"a":\n"2"}'], "what nobody changed in the form is as it came"


_AGREED = """
links:
- {of: account, issuer: Acme, subject: A1, role: customer, party: K1}
- {of: customer, subject: K1, role: partner, party: P1}
parties: [{party: K1, kind: customer}, {party: P1, kind: partner}]
"""
_INVOICE = (
    "InvoiceIssuerName,InvoiceId,InvoiceDetailId,InvoiceIssueStatus,BilledCost,BillingCurrency,"
    "BillingPeriodStart\nAcme,I-1,1,Issued,12.00,USD,2024-09-01T00:00:00Z\n"
)


@pytest.mark.in_turn(3)
def test_open_money_stops_a_close_until_it_is_decided(tmp_path: Path) -> None:
    """10.00 counts, 600 rows of 1.00 have no issuer; an invoice of 12.00 has 10.00 of charges.

    A part of an export bills 1.00 on each of two days, and 2.00 over both; the other never came.
    """
    head = _HEAD.replace("ResourceId,Tags", "ResourceId,InvoiceId")
    bare = "".join(f"1,A1,USD,{_START},,r{n},\n" for n in range(600))
    workspace, folder = tmp_path / "ws", tmp_path / "in"
    folder.mkdir()
    (folder / "plan.yaml").write_text(PLAN.replace("CNY", "USD"))
    (folder / "book.yaml").write_text(_AGREED)
    (folder / "june.csv").write_text(head + f"10,A1,USD,{_START},Acme,r,I-1\n" + bare)
    (folder / "invoices.csv").write_text(_INVOICE)
    (folder / "run").mkdir()
    days = [f"2024-09-0{n}T00:00:00Z" for n in (1, 2, 3)]
    forms = [("1", *days[:2]), ("1", *days[1:]), ("2", days[0], days[2])]
    ends = head.replace("InvoiceId", "InvoiceId,ChargePeriodEnd")
    rows = "".join(f"{n},A1,USD,{a},{a},Acme,v,,{b}\n" for n, a, b in forms)
    (folder / "run" / "part.csv").write_text(ends + rows)
    (folder / "run" / "manifest.json").write_text('{"files": ["part.csv", "gone.csv"]}')
    assert "invoice-differs" in fenrun("import", workspace, folder).err
    said = _walk(
        workspace,
        """
from io import BytesIO
from openpyxl import load_workbook
from fenrun.settle.imports import import_file
from fenrun.portal.commands.deliveries import open_problems
from datetime import datetime
period = "/api/periods/2024-09"
def asked():
    api("ops-1", f"{period}/settle")
    done = api("ops-1", f"{period}/close", reason="The month is over.", first=True).json()
    if "problems" in done:
        assert done["problems"][0]["code"] == "close-problems", done
        return sorted({p.code for p in open_problems(store) if p.severity == "error"})
    done = api("ops-2", f"/api/approvals/{get('ops-1', '/api/approvals').json()['rows'][0]['id']}")
    return "closed" if done.status_code == 200 else done.json()
def decided(file, decision, other=""):
    one = next(d["id"] for d in get("ops-1", "/api/deliveries").json()["rows"] if d["file"] == file)
    said = {"decision": decision, "other": one if other else "", "reason": "So."}
    asked = api("ops-1", f"/api/deliveries/{one}/decisions", **said)
    return api("ops-2", f"/api/decisions/{asked.json()['id']}").status_code
said["both"] = asked()
page = get("auditor", "/deliveries/").content.decode()
said["shown"] = [text not in page for text in ("kept-aside", "600.00 USD", "invoice-differs")]

# More rows than a page, or an answer of the API, has: none is out of reach.
one = f"/deliveries/{ids['june.csv']}"
first = get("ops-1", f"/api{one}").json()["rows_aside"]
rest = get("ops-1", f"/api{one}?after={first[-1]['row']}").json()["rows_aside"]
said["rows"] = len(first), len(rest), rest[-1]["row"]
last = get("ops-1", f"{one}/?page=120").content.decode()
said["last page"] = 'value="r599"' in last
for who_ in ("partner", "auditor"):
    said[f"file of {who_}"] = get(who_, f"{one}/rows.xlsx").status_code
answer = get("ops-1", f"{one}/rows.xlsx")
said["name"] = answer.headers["Content-Disposition"]
book = load_workbook(BytesIO(answer.content))
sheet = book.worksheets[0]
at = {cell.value: cell.column for cell in sheet[1]}
for line in range(2, 502):
    sheet.cell(line, at["InvoiceIssuerName"]).value = "Acme"
path = Path(settings.WORKSPACE).parent / "rows.xlsx"
book.save(path)
import time
from fenrun.portal.commands import imports
with path.open("rb") as file:
    answer = who["ops-1"].post("/import/start/", {"files": file, "reason": "As the invoice says."})
while imports.has_running_jobs():
    time.sleep(0.05)
said["mended"] = [i.facts["rows"] for i in store.imports("charges") if "mends" in i.facts]
said["after the file"] = asked()
said["left out"] = decided("june.csv", "leave-out")
said["one"] = asked()
page = get("ops-1", f"/deliveries/{ids['part.csv']}/").content.decode()
said["offered"] = [text in page for text in ('value="leave-out"', f'value="{ids["part.csv"]}"')]
said["part"] = [decided("part.csv", "leave-out"), decided("part.csv", "adds", "itself")]
said["invoices left out"] = decided("invoices.csv", "leave-out")
said["none"] = asked()
""",
    )
    run = ["parts-missing", "sums-within"]
    assert said["both"] == ["invoice-differs", "kept-aside", *run] and not any(said["shown"])
    assert said["rows"] == [500, 100, 602] and said["last page"]
    assert (said["file of partner"], said["file of auditor"]) == (403, 200)
    assert "june.csv-" in said["name"] and said["name"].endswith('.xlsx"')
    assert said["mended"] == [500] and said["after the file"] == said["both"]
    assert said["left out"] == 200 and said["one"] == ["invoice-differs", *run]
    assert said["offered"] == [True, True] and said["part"] == [200, 200]
    assert said["invoices left out"] == 200 and said["none"] == "closed"
