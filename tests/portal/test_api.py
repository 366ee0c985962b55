"""The API is what its OpenAPI says, and says what the command line says.

It is tried with made-up requests, in every role.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import httpx
import pytest
import requests
from hypothesis import HealthCheck, Phase, given, settings

from tests.command import fenrun
from tests.portal.served import Portal

_SKIPPED = ("positive_data_acceptance", "unsupported_method", "ignored_auth")
"""Checks that do not apply.

What is well formed may still be refused (404, 409); a method that is not there is told by Django,
not by the API; the token of these requests is a good one: bad ones are tried in test_security.py.
"""


@pytest.mark.in_turn(4)
@pytest.mark.parametrize("role", ["partner", "customer", "operations"])
def test_made_up_requests_get_answers_that_fit_the_schema(own: Portal, role: str) -> None:
    import schemathesis  # in the one worker that asks it
    from schemathesis.specs.openapi import checks

    skipped = [getattr(checks, name) for name in _SKIPPED]
    with own.token(role, "read act") as client, requests.Session() as session:
        session.trust_env = False
        schema = schemathesis.openapi.from_dict(client.get("/api/openapi.json").json())
        schema.config.base_url = own.address
        count = 0
        for found in schema.get_all_operations():
            operation = found.ok()

            @settings(
                max_examples=20 if "FENRUN_NIGHTLY" in os.environ else 2,
                deadline=None,
                phases=[Phase.explicit, Phase.generate],
                suppress_health_check=list(HealthCheck),
                database=None,
            )
            @given(case=operation.as_strategy())
            def tried(case: Any) -> None:
                nonlocal count
                count += 1
                case.validate_response(
                    case.call(session=session, headers=dict(client.headers)),
                    excluded_checks=skipped,
                )

            tried()
        assert count > 75


@pytest.mark.in_turn(3)
def test_the_api_says_what_the_command_line_says(portal: Portal, world: Path) -> None:
    party = portal.parties["partner"]
    with portal.token("partner") as client:
        row = client.get("/api/statements").json()["rows"][0]
        said = client.get(f"/api/statements/{row['period']}/{party}").json()
        printed = fenrun(
            "statement", portal.workspace, party, "--period", row["period"], "--json"
        ).json()
        assert {k: said[k] for k in printed} == printed
        line = said["lines"][0]["line"]
        printed = fenrun(
            "explain", portal.workspace, line, "--period", row["period"], "--charges", 20, "--json"
        ).json()
        printed.pop("words")
        assert client.get(f"/api/lines/{row['period']}/{line}").json() == printed


@pytest.mark.in_turn(3)
def test_prices_and_terms_are_those_of_the_command_line(portal: Portal) -> None:
    period, day = "2024-09", "2024-09-01"
    with portal.token("auditor") as client:
        said = client.get("/api/prices", params={"period": period}).json()
        terms = client.get("/api/terms", params={"on": day}).json()
        breaches = client.get("/api/breaches", params={"period": period}).json()
        for what in ("coupons", "agreements"):
            found = client.get(f"/api/terms/{what}", params={"on": day}).json()
            shown = fenrun("terms", what, portal.workspace, "--on", day, "--json").json()
            assert found == shown
    assert said == fenrun("price", portal.workspace, "--period", period, "--json").json()
    assert terms == fenrun("terms", "show", portal.workspace, "--on", day, "--json").json()
    assert breaches == fenrun("breaches", portal.workspace, "--period", period, "--json").json()
    assert said["lines"] and "floors" in terms
    for role in ("partner", "customer"):
        with portal.token(role) as client:
            for path in ("prices", "breaches"):
                asked = client.get(f"/api/{path}", params={"period": period})
                assert asked.status_code == 403
            for path in ("terms", "terms/coupons", "terms/agreements"):
                assert client.get(f"/api/{path}", params={"on": day}).status_code == 403


def test_pages_of_rows(portal: Portal) -> None:
    with portal.token("auditor") as client:
        first, second = (
            client.get("/api/statements", params={"page": n, "size": 7}).json() for n in (1, 2)
        )
        assert (
            len(first["rows"]) == len(second["rows"]) == 7
            and first["total"] > 100
            and not {json.dumps(r) for r in first["rows"]} & {json.dumps(r) for r in second["rows"]}
        )
        assert client.get("/api/statements", params={"size": 100000}).status_code == 422
        assert client.get("/api/statements", params={"page": 10**5}).json()["rows"] == []


def test_the_schema_is_open_and_names_every_refusal(portal: Portal) -> None:
    said = httpx.get(f"{portal.address}/api/openapi.json").json()
    for path, methods in said["paths"].items():
        for method, operation in methods.items():
            assert {"401", "403", "404", "409", "422"} <= set(operation["responses"]), (
                method,
                path,
            )
            assert operation["summary"], (method, path)
