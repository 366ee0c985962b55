"""Targets, teams as managers see them, and what operations do by the API: import, move, check."""

from __future__ import annotations

import itertools
from decimal import Decimal
from pathlib import Path

import pytest
import yaml

from tests.portal.served import Portal, served

pytestmark = pytest.mark.in_turn(3, whole=True)

ROOT = Path(__file__).parents[2]


def test_a_target_is_entered_replaced_and_entered_again(own: Portal) -> None:
    """Also the one that held before: what was known once is not taken for known still."""
    form = {"party": own.parties["rep"], "figure": "quota", "period": "2024-Q4", "currency": "CNY"}
    with (
        own.sign_in("operations") as client,
        own.sign_in("auditor") as auditor,
        own.sign_in("rep") as rep,
    ):
        before = client.get(
            "/api/targets", params={"party": form["party"], "figure": "quota", "period": "2024-Q4"}
        ).json()["rows"][0]["amount"]
        for amount in ("1000000", before, "1000000"):
            assert (
                client.post(
                    "/targets/give/", data={**form, "amount": amount, "reason": "As agreed."}
                ).status_code
                == 302
            )
            found = auditor.get(
                "/api/targets",
                params={"party": form["party"], "figure": "quota", "period": "2024-Q4"},
            ).json()["rows"]
            assert [(Decimal(f["amount"]), f["actor"], f["reason"]) for f in found] == [
                (Decimal(amount), "operations", "As agreed.")
            ]
        assert "1,000,000" in auditor.get(f"/targets/?party={form['party']}&period=2024-Q4").text
        for wrong in (
            {"amount": "many"},
            {"amount": "1", "period": "soon"},
            {"amount": "1", "reason": " "},
            {"amount": "1", "party": ""},
        ):
            assert (
                client.post("/targets/give/", data={**form, "reason": "x", **wrong}).status_code
                == 409
            ), wrong
        for who, status in ((auditor, 403), (rep, 403)):
            assert (
                who.post("/targets/give/", data={**form, "amount": "1", "reason": "x"}).status_code
                == status
            )
            assert (
                who.post("/api/targets", json={**form, "amount": "1", "reason": "x"}).status_code
                == status
            )
        assert rep.get("/targets/").status_code == rep.get("/api/targets").status_code == 403


def test_a_plan_that_is_taken_back_is_known_again(own: Portal) -> None:
    with own.sign_in("operations") as client:
        text = client.get("/api/plans").json()["rows"][0]["text"]
        other = text.replace("Month task", "Task of the month")
        assert other != text
        for wanted in (other, text, other):
            assert (
                client.post(
                    "/plans/save/", data={"text": wanted, "reason": "As agreed."}
                ).status_code
                == 302
            )
            now = client.get("/api/plans").json()["rows"][0]["text"]
            assert ("Task of the month" in now) == (wanted is other) and now.count("# entered") == 1
        plan = yaml.load(text, yaml.BaseLoader)
        expected = [{"payee": "P1", "period": "2024-03", "earned": 1}]
        plan["cases"] = [{"case": "none", "given": {"charges": []}, "expect": expected}]
        failing = {"text": yaml.safe_dump(plan, sort_keys=False), "reason": "As agreed."}
        refused = client.post("/api/plans", json=failing)
        assert refused.status_code == 409 and "plan-cases-fail" in refused.text
        assert client.get("/api/plans").json()["rows"][0]["text"] == now


def test_a_manager_s_team_adds_up(portal: Portal) -> None:
    """What members are credited is what is rolled up; nothing of what they earn is told."""
    with portal.sign_in("manager") as client, portal.sign_in("operations") as operations:
        rows = client.get("/api/statements").json()["rows"]
        assert {r["payee"] for r in rows} == {portal.parties["manager"]} and len(rows) == 12
        for row in rows:
            said = client.get(f"/api/statements/{row['period']}/{row['payee']}").json()
            rolled = sum(Decimal(c["credited"]) for c in said["credits"] if c["kind"] == "roll-up")
            assert said["team"] and sum(Decimal(m["credited"]) for m in said["team"]) == rolled > 0
            assert {k for m in said["team"] for k in m} == {
                "member",
                "name",
                "role",
                "credited",
                "targets",
            }
            for member in said[
                "team"
            ]:  # against a target in every month, not only in a quarter's last
                theirs = operations.get(
                    f"/api/statements/{row['period']}/{member['member']}"
                ).json()
                held = {
                    (a["measure"], a["reference"])
                    for a in [*theirs["attained"].values(), *theirs["under_way"]]
                    if a["reference"]
                }
                assert {(t["measure"], t["target"]) for t in member["targets"]} == held and held
        page = client.get(f"/statements/{row['period']}/{row['payee']}/").text
        assert "Team: what is rolled up to you" in page and member["name"] in page
        assert client.get(f"/statements/{row['period']}/{member['member']}/").status_code == 404


def test_the_api_imports_asks_what_if_and_checks_plans(own: Portal) -> None:
    customer = own.parties["customer"]
    with (
        own.token("operations", "read act") as client,
        own.token("auditor", "read act") as auditor,
        own.token("partner", "read act") as partner,
    ):
        files = [
            ("files", ("late.yaml", "parties:\n  - {party: P9, kind: partner, name: Ninth}\n")),
            ("files", ("wrong.csv", "a,b\n1,2\n")),
        ]
        assert auditor.post("/api/import", files=files).status_code == 403
        job = client.post("/api/import", files=files, data={"reason": "Late."}).json()
        for _ in itertools.count():  # until it is over
            job = client.get(f"/api/import/{job['number']}").json()
            if job["over"]:
                break
        assert [d["source"] for d in job["imported"]] == ["late.yaml"] and [
            p["place"]["source"] for p in job["problems"]
        ] == ["wrong.csv"]
        assert client.get("/api/import/99").status_code == 404
        links = auditor.get(f"/api/book/{customer}").json()["rows"]
        assert {"partner", "customer"} <= {x["role"] for x in links} and all(
            x["actor"] for x in links
        )
        asked = {"to": "P00013", "since": "2024-09-01", "period": "2024-09"}
        moved = auditor.get(f"/api/book/{customer}/move", params=asked).json()["rows"]
        assert all(
            Decimal(m["after"]) - Decimal(m["before"]) == Decimal(m["more"]) != 0 for m in moved
        )
        text = client.get("/api/plans").json()["rows"][0]["text"]
        same = auditor.post("/api/plans/check", json={"text": text}).json()
        assert same["changes"] == same["payees"] == [] and same["cases"][0] == same["cases"][1]
        other = auditor.post(
            "/api/plans/check",
            json={"text": text.replace("pays 16 %", "pays 15 %"), "period": "2024-09"},
        ).json()
        assert (
            other["changes"]
            and other["payees"]
            and all(Decimal(p["more"]) < 0 for p in other["payees"])
        )
        assert auditor.post("/api/plans/check", json={"text": "plan: ["}).json()["problems"]
        for path in (
            "/api/targets",
            f"/api/book/{customer}",
            f"/api/book/{customer}/move?to=P1&since=2024-09-01&period=2024-09",
        ):
            assert partner.get(path).status_code == 403
        assert partner.post("/api/plans/check", json={"text": text}).status_code == 403


def test_a_quarter_that_goes_on_adds_up_month_by_month(portal: Portal) -> None:
    """What a quarter or year has come to is, with its last month, what is paid on."""
    with portal.sign_in("partner") as client:
        party = portal.parties["partner"]
        found = {
            month: client.get(f"/api/statements/2024-{month:02}/{party}").json()
            for month in range(1, 13)
        }
        page = client.get(f"/statements/2024-11/{party}/").text
    assert "Period to date" in page and "31 days" in page, (
        "from the day after the month to the quarter's last"
    )
    for quarter, months in (("2024-Q3", (7, 8)), ("2024-Q4", (10, 11)), ("2024", range(1, 12))):
        for component in {
            x["line"].split("/")[1]
            for m in months
            for x in found[m]["under_way"]
            if x["period"] == quarter
        }:
            line = f"channel-2024/{component}/{quarter}/{party}"
            stands = [
                Decimal(x["measure"])
                for m in months
                for x in found[m]["under_way"]
                if x["line"] == line
            ]
            last = found[12 if quarter == "2024" else months[-1] + 1]["attained"][line]
            assert (
                len(stands) == len(months)
                and stands == sorted(stands)
                and stands[-1] <= Decimal(last["measure"])
            ), line
    assert not found[12]["under_way"] and {x["period"] for x in found[11]["under_way"]} == {
        "2024-Q4",
        "2024",
    }


def test_what_a_server_started_ends_with_it(world: Path) -> None:
    """The checker of plans has a process of its own; it goes when the server is told to end."""
    with served(world, "sqlite", prepared=True) as portal:
        text = (ROOT / "programmes/p01-in-twenty-lines.yaml").read_text("utf-8")
        with portal.token("operations", "read act") as client:
            assert client.post("/api/plans/check", json={"text": text}).status_code == 200
        started = _children(portal.pid)
        assert started
    assert not [pid for pid in started if Path(f"/proc/{pid}").exists()]


def _children(pid: int) -> list[str]:
    """The processes that any thread of a process has started."""
    threads = Path(f"/proc/{pid}/task").glob("*/children")
    return [child for thread in threads for child in thread.read_text("utf-8").split()]
