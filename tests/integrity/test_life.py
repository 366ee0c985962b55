"""A case's life: steps with reasons in the log, counted beside the check that found the case."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import openpyxl

from fenrun.store.facts import Store
from tests.command import fenrun
from tests.integrity.test_findings import COUPON
from tests.pricing.workspace import book, charge, workspace

_CASE = "G07-20240902-K1+K2"
_MONTHS = ("--from", "2024-09", "--to", "2024-09")


def _store(tmp_path: Path) -> Store:
    """20,000 of a coupon of K1 is spent by K2."""
    spent = {"ChargeCategory": "Credit", "x_CouponId": "C1", "ServiceName": "GPU"}
    charges = [charge("A1", "0", "-30000", **spent), charge("A2", "0", "-20000", **spent)]
    return workspace(tmp_path, charges, book("K1", "K2"), COUPON)


def _findings(store: Store, *more: object) -> tuple[object, ...]:
    return ("findings", store.path, *_MONTHS, *more)


def test_a_case_is_confirmed_then_closed_and_the_log_says_so(tmp_path: Path) -> None:
    store = _store(tmp_path)
    (case,) = fenrun(*_findings(store, "--json")).json()["cases"]
    assert (case["id"], case["state"]) == (_CASE, "open")
    step = ("case", store.path, _CASE, "--reason", "both said so", "--state")
    assert fenrun(*step, "confirmed", *_MONTHS, "--owner", "wang", "--due", "2024-10-15").code == 0
    said = fenrun(*_findings(store, "--json")).json()
    (case,) = said["cases"]
    assert (case["state"], case["owner"], case["due"]) == ("confirmed", "wang", "2024-10-15")
    (check,) = (one for one in said["checks"] if one["scheme"] == "G07")
    assert (check["confirmed"], check["decided"]) == (1, 1)
    assert fenrun(*step, "closed").code == 0
    steps = fenrun("case", store.path, "--json").json()
    assert [one["state"] for one in steps] == ["confirmed", "closed"]
    assert {one["owner"] for one in steps} == {"wang"}
    assert not store.log.broken()
    shown = fenrun("case", store.path, lang="zh-CN")
    assert "已证实" in shown.out and "both said so" in shown.out
    assert "decided" in fenrun("audit", "show", store.path).out


def test_an_explained_case_counts_against_its_check(tmp_path: Path) -> None:
    store = _store(tmp_path)
    fenrun("case", store.path, _CASE, "--state", "explained", "--reason", "a merger", *_MONTHS)
    said = fenrun(*_findings(store, "--json")).json()
    (check,) = (one for one in said["checks"] if one["scheme"] == "G07")
    assert (check["confirmed"], check["decided"]) == (0, 1)
    assert "0/1" in fenrun(*_findings(store)).out


def test_an_open_case_is_not_sanctioned_and_every_step_has_a_reason(tmp_path: Path) -> None:
    store = _store(tmp_path)
    wrong = fenrun("case", store.path, _CASE, "--state", "sanctioned", "--reason", "soon", *_MONTHS)
    assert wrong.code == 1 and "explained, confirmed" in wrong.err
    assert fenrun("case", store.path, _CASE, "--state", "confirmed").code == 2
    assert fenrun("case", store.path, "K1", "--state", "confirmed", "--reason", "x").code == 2
    assert "Nobody" in fenrun("case", store.path).out


def test_nobody_decides_about_a_case_that_no_check_finds(tmp_path: Path) -> None:
    """K9 has no part in it, and in October nothing was spent: neither is in the log after."""
    store = _store(tmp_path)
    step = ("--state", "confirmed", "--reason", "both said so")
    wrong = fenrun("case", store.path, "G07-20240902-K1+K9", *step, *_MONTHS)
    assert wrong.code == 1 and "K1+K9" in wrong.err and "fenrun findings" in wrong.err
    october = ("--from", "2024-10", "--to", "2024-10")
    assert fenrun("case", store.path, _CASE, *step, *october).code == 1
    unsaid = fenrun("case", store.path, _CASE, *step)
    assert unsaid.code == 2 and "--from" in unsaid.err
    assert fenrun("case", store.path, "--json").json() == []


def test_cases_are_written_for_spreadsheets(tmp_path: Path) -> None:
    store = _store(tmp_path)
    text = fenrun(*_findings(store, "--format", "csv")).out
    (row,) = csv.DictReader(io.StringIO(text))
    assert (row["id"], row["amount"], row["customers"]) == (_CASE, "20000.00", "K1; K2")
    path = tmp_path / "cases.xlsx"
    assert fenrun(*_findings(store, "--format", "xlsx")).code == 2
    assert fenrun(*_findings(store, "--format", "xlsx", "--out", path)).code == 0
    sheets = openpyxl.load_workbook(path)
    assert sheets.sheetnames == ["cases", "evidence", "pays", "checks"]
    rows = list(sheets["evidence"].iter_rows(values_only=True))
    assert rows[1][0] == _CASE and [row[3] for row in rows[1:]] == ["C1", "charges.csv:3"]
