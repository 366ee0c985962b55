"""Scenarios in the portal: checked, saved, run and compared; published by two; seen by few."""

from __future__ import annotations

import pytest

from tests.portal.served import Portal

CHEAPER = """scenario: cheaper
from: 2024-01-01
prices: [{list: -10 %}]
"""
HALF_WRONG = """scenario: half-wrong
from: 2024-01-01
plans:
  - plan: channel-2024
    set: {tables.growth-rates.bands: [below 30 % pays 0 %, from 30 % pays 8 %]}
labels: [{label: region, value: LONG, parties: [PARTY]}]
""".replace("LONG", "x" * 300)
OTHER_RATE = """scenario: other-rate
from: 2024-01-01
plans:
  - plan: channel-2024
    set: {tables.growth-rates.bands: [below 30 % pays 0 %, from 30 % pays 9 %]}
labels:
  - {label: region, value: north, parties: [PARTY]}
"""


@pytest.mark.in_turn(3)
def test_operations_save_run_and_publish_by_two_and_nobody_else_sees_it(own: Portal) -> None:
    party, period = own.parties["partner"], "2024-08"
    with own.sign_in("operations") as client, own.sign_in("auditor") as auditor:
        client.timeout = 300
        before = client.get("/api/statements", params={"period": period}).json()
        plan = client.get("/api/plans").json()["rows"][0]["text"]
        assert (
            "scenario-value"
            in client.post("/scenarios/check/", data={"text": CHEAPER.replace("-10", "-110")}).text
        )
        made = client.post("/api/scenarios", json={"text": CHEAPER}).json()
        refused = client.post(f"/api/scenarios/{made['number']}/ask", json={"reason": "Agreed."})
        assert refused.json()["problems"][0]["code"] == "scenario-of-facts"

        saved = client.post(
            "/api/scenarios", json={"text": OTHER_RATE.replace("PARTY", party)}
        ).json()
        number = saved["number"]
        path = f"/api/scenarios/{number}"
        ran = client.post(f"{path}/run", json={"period": period})
        assert ran.status_code == 200, ran.text
        (row,) = ran.json()["outcome"]["plans"]
        assert row["charged_after"] == row["charged_before"] != "0"
        for reader in (client, auditor):
            page = reader.get(f"/scenarios/{number}/").text
            assert page.count("<figure") >= 4 and party in page
        assert "cheaper" in page
        assert auditor.post(f"/scenarios/{number}/run/", data={"period": period}).status_code == 403
        assert client.get("/api/statements", params={"period": period}).json() == before
        assert client.get("/api/plans").json()["rows"][0]["text"] == plan
        assert client.post(f"{path}/publish").json()["problems"][0]["code"] == "approval-gone"
        asked = client.post(f"{path}/ask", json={"reason": "As agreed."})
        assert asked.json()["asked_by"] == "operations", asked.text
        alone = client.post(f"{path}/publish").json()
        assert alone["problems"][0]["code"] == "decision-alone"
        assert auditor.post(f"{path}/publish").status_code == 403
        with own.sign_in("second") as second:
            done = second.post(f"{path}/publish")
            assert done.json().get("published_by") == "second", done.text
        assert "from 30 % pays 9 %" in client.get("/api/plans").json()["rows"][0]["text"]
    _all_or_nothing_is_published(own)
    _refused_to_all_others(own)


def _all_or_nothing_is_published(own: Portal) -> None:
    """The plan alone would do; the label beside it is longer than any that a book holds."""
    with own.sign_in("operations") as client, own.sign_in("second") as second:
        text = HALF_WRONG.replace("PARTY", own.parties["customer"])
        made = client.post("/api/scenarios", json={"text": text}).json()
        path = f"/api/scenarios/{made['number']}"
        asked = client.post(f"{path}/ask", json={"reason": "Agreed."})
        assert asked.json()["asked_by"] == "operations", asked.text
        plan = client.get("/api/plans").json()["rows"][0]["text"]
        (problem, *_) = second.post(f"{path}/publish").json()["problems"]
        assert problem["code"] == "book-value"
        assert client.get("/api/plans").json()["rows"][0]["text"] == plan
        rows = client.get("/api/scenarios").json()["rows"]
        assert not next(row for row in rows if row["number"] == made["number"])["published_by"]


def _refused_to_all_others(own: Portal) -> None:
    for account in ("partner", "rep", "customer"):
        with own.sign_in(account) as client:
            for path in ("/scenarios/", "/scenarios/1/", "/api/scenarios"):
                assert client.get(path).status_code == 403
            text = {"text": CHEAPER}
            assert client.post("/scenarios/check/", data=text).status_code == 403
            assert client.post("/api/scenarios", json=text).status_code == 403
