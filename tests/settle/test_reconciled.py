"""Charges beside the invoices and billing periods that their providers say."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from fenrun.base.problem import Problem, Refused
from fenrun.base.when import parse_period
from fenrun.charges.datasets import dataset_kind, rows_of
from fenrun.settle.deliveries import Decision, decide, undecided
from fenrun.settle.facts import check_workspace
from fenrun.settle.imports import import_file
from fenrun.settle.terms_in_force import known_terms
from fenrun.store.facts import Store

KNOWN = datetime(2025, 1, 1)
START, END = "2024-09-01T00:00:00Z", "2024-10-01T00:00:00Z"


def _charge(cost: str, invoice: str = "I1", **cells: str) -> dict[str, str]:
    return {
        "BilledCost": cost,
        "BillingAccountId": "A1",
        "BillingCurrency": "USD",
        "BillingPeriodStart": START,
        "ChargePeriodStart": START,
        "InvoiceIssuerName": "Acme",
        "InvoiceId": invoice,
    } | cells


def _line(number: int, billed: str, invoice: str = "I1", **cells: str) -> dict[str, str]:
    return {
        "InvoiceIssuerName": "Acme",
        "InvoiceId": invoice,
        "InvoiceDetailId": f"{invoice}-{number}",
        "InvoiceIssueStatus": "Issued",
        "BilledCost": billed,
        "BillingCurrency": "USD",
        "BillingPeriodStart": START,
        "BillingPeriodEnd": END,
    } | cells


def _period(month: str, status: str) -> dict[str, str]:
    return {
        "InvoiceIssuerName": "Acme",
        "BillingPeriodStart": f"{month}-01T00:00:00Z",
        "BillingPeriodStatus": status,
    }


def _csv(rows: Sequence[dict[str, str]]) -> str:
    out = io.StringIO()
    writer = csv.DictWriter(out, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue()


class Workspace:
    """A workspace into which files come, a day each."""

    def __init__(self, folder: Path):
        self.folder, self.store, self.day = folder, Store(folder / "ws"), 0

    def take(self, name: str, *rows: dict[str, str]) -> str:
        self.day += 1
        path = self.folder / name
        path.write_text(_csv(rows))
        return import_file(self.store, path, datetime(2025, 1, self.day)).id

    def open(self, period: str = "") -> list[Problem]:
        asked = parse_period(period) if period else None
        return undecided(self.store, datetime(2025, 2, 1), asked)

    def codes(self, period: str = "") -> list[str]:
        return [problem.code for problem in self.open(period)]


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return Workspace(tmp_path)


@pytest.mark.in_turn(3)
@pytest.mark.parametrize(
    ("charges", "lines", "differs"),
    [
        ([_charge("10"), _charge("5")], [_line(1, "15")], []),
        ([_charge("10.004"), _charge("5")], [_line(1, "15.00")], []),
        ([_charge("10.006"), _charge("5")], [_line(1, "15.00")], ["0.006"]),
        ([_charge("10.004"), _charge("5.004")], [_line(1, "10.00"), _line(2, "5.00")], []),
        ([_charge("10")], [_line(1, "15")], ["-5.00"]),
        ([_charge("10")], [_line(1, "15"), _line(2, "-5")], []),
        ([_charge("10"), _charge("7", "I2")], [_line(1, "10"), _line(1, "7", "I2")], []),
        ([_charge("10"), _charge("6", "I2")], [_line(1, "10"), _line(1, "7", "I2")], ["-1.00"]),
        ([_charge("10")], [_line(1, "10"), _line(1, "7", "I2")], ["-7.00"]),
        ([_charge("10", ""), _charge("7", "")], [_line(1, "10"), _line(1, "7", "I2")], []),
        ([_charge("9", ""), _charge("7", "")], [_line(1, "10"), _line(1, "7", "I2")], ["-1.00"]),
        ([_charge("10"), _charge("1", BillingCurrency="EUR")], [_line(1, "10")], []),
        ([_charge("10")], [_line(1, "10", InvoiceIssueStatus="Open")], []),
        ([_charge("10")], [_line(1, "99", InvoiceIssueStatus="Open")], []),
        ([_charge("10")], [_line(1, "99", InvoiceIssueStatus="Voided")], []),
        ([_charge("10")], [_line(1, "10", InvoiceIssuerName="Bolt")], ["-10.00"]),
        (
            [_charge("1000.4", BillingCurrency="JPY")],
            [_line(1, "1000", BillingCurrency="JPY")],
            [],
        ),
        (
            [_charge("1000.6", BillingCurrency="JPY")],
            [_line(1, "1000", BillingCurrency="JPY")],
            ["0.60"],
        ),
        ([_charge("0.000000000000000001")], [_line(1, "0")], []),
        ([_charge("1e3")], [_line(1, "1000.00")], []),
    ],
)
def test_charges_sum_to_their_invoices_but_for_the_rounding_of_lines(
    charges: list[dict[str, str]],
    lines: list[dict[str, str]],
    differs: list[str],
    workspace: Workspace,
) -> None:
    workspace.take("charges.csv", *charges)
    workspace.take("invoices.csv", *lines)
    found = [problem for problem in workspace.open() if problem.code == "invoice-differs"]
    assert [problem.values["amount"] for problem in found] == differs
    assert all(problem.severity == "error" for problem in found)


def test_a_difference_is_open_until_it_is_mended_or_left_out_by_name(workspace: Workspace) -> None:
    workspace.take("charges.csv", _charge("10"))
    invoices = workspace.take("invoices.csv", _line(1, "15"))
    assert workspace.codes() == ["invoice-differs"] and workspace.codes("2024-08") == []
    assert "invoice-differs" in [p.code for p in check_workspace(workspace.store)]
    workspace.take("more.csv", _charge("5", ResourceId="r2"))
    assert workspace.codes() == []
    workspace.take("much.csv", _charge("1", ResourceId="r3"))
    assert workspace.codes() == ["invoice-differs"]
    decide(workspace.store, "invoices.csv", Decision(leave_out=True), datetime(2025, 1, 5))
    assert workspace.codes() == ["invoices-left-out"]
    decide(workspace.store, invoices, Decision(void=True), datetime(2025, 1, 6))
    assert workspace.codes() == []


def test_an_invoice_that_comes_again_is_as_it_was_last_said(workspace: Workspace) -> None:
    workspace.take("charges.csv", _charge("10"))
    workspace.take("invoices.csv", _line(1, "15"), _line(2, "3"))
    workspace.take("invoices-2.csv", _line(1, "10"))
    assert workspace.codes() == []
    workspace.take("invoices-3.csv", _line(1, "99", InvoiceIssueStatus="Voided"))
    assert workspace.codes() == []


def test_invoices_that_no_charge_names_are_compared_together(workspace: Workspace) -> None:
    workspace.take("charges.csv", _charge("10", ""), _charge("7", ""))
    workspace.take("invoices.csv", _line(1, "10"))
    assert workspace.codes() == ["invoice-differs"]
    workspace.take("invoices-2.csv", _line(1, "7", "I2"))
    assert workspace.codes() == []


def test_charges_of_an_invoice_that_did_not_come_are_named(workspace: Workspace) -> None:
    workspace.take("charges.csv", _charge("10"), _charge("4", "I2"))
    workspace.take("invoices.csv", _line(1, "10"))
    (problem,) = workspace.open()
    assert (problem.code, problem.values["invoice"]) == ("invoice-missing", "I2")


def test_a_provider_s_closed_and_open_months_are_said(workspace: Workspace) -> None:
    workspace.take("charges.csv", _charge("10"))
    workspace.take("periods.csv", _period("2024-08", "Closed"), _period("2024-09", "Open"))
    found = {problem.code: problem.values["months"] for problem in workspace.open()}
    assert found == {"provider-closed": "2024-08", "provider-open": "2024-09"}
    assert workspace.codes("2024-08") == ["provider-closed"]
    workspace.take("periods-2.csv", _period("2024-09", "Closed"), _period("2024-10", "Open"))
    (problem,) = workspace.open()
    assert (problem.code, problem.values["months"]) == ("provider-closed", "2024-08, 2024-09")


def test_rows_are_kept_as_they_came_in_every_form(tmp_path: Path) -> None:
    rows = [_line(1, "10.50"), _line(2, "1")]
    bodies = {
        "a.csv": _csv(rows).encode(),
        "b.tsv": _csv(rows).replace(",", "\t").encode(),
        "c.csv": _csv(rows).encode("utf-16"),
        "d.jsonl": "".join(json.dumps(row) + "\n" for row in rows).encode(),
        "e.csv": _csv(rows).replace("InvoiceId,", "invoiceid,").encode(),
    }
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "f.parquet")
    for name, body in bodies.items():
        (tmp_path / name).write_bytes(body)
    for name in (*bodies, "f.parquet"):
        store = Store(tmp_path / f"ws-{name}")
        done = import_file(store, tmp_path / name, KNOWN)
        assert done.facts["invoices"][0]["billed"] == "11.50"
        assert not import_file(store, tmp_path / name, KNOWN).new
        (item,) = store.imports("datasets")
        assert rows_of(item) == rows


@pytest.mark.parametrize(
    ("cells", "code"),
    [
        ({"BilledCost": "much"}, "cost-unreadable"),
        ({"BilledCost": "NaN"}, "cost-unreadable"),
        ({"BilledCost": ""}, "dataset-cell"),
        ({"InvoiceId": ""}, "dataset-cell"),
        ({"InvoiceIssuerName": "NULL"}, "dataset-cell"),
        ({"BillingPeriodStart": "soon"}, "dataset-value"),
    ],
)
def test_an_invoice_that_cannot_be_compared_is_refused(
    cells: dict[str, str], code: str, workspace: Workspace
) -> None:
    with pytest.raises(Refused) as refusal:
        workspace.take("invoices.csv", _line(1, "1"), _line(2, "1", **cells))
    (problem,) = refusal.value.problems
    assert (problem.code, problem.place.row) == (code, 3)


def test_a_commitment_is_an_agreement_and_charges_are_charges(workspace: Workspace) -> None:
    row = {"ContractCommitmentId": "C1", "ContractCommitmentPeriodStart": START, "ContractId": "K"}
    row |= {"ContractCommitmentCategory": "Spend", "ContractCommitmentCost": "60"}
    row |= {"ContractCommitmentPeriodEnd": "2030-01-01T00:00:00Z", "BillingCurrency": "CNY"}
    workspace.take("commitments.csv", row)
    assert not workspace.store.imports("datasets")
    (made,) = known_terms(workspace.store).agreements
    assert (made["agreement"], made["kind"], made["amount"]) == ("C1", "commit", 60)
    assert (made["customer"], made["covers"]) == ("", "x_AgreementId = 'C1'")
    charges = [*_charge("1"), "InvoiceDetailId", "InvoiceIssueStatus"]
    assert dataset_kind(charges) == ""
