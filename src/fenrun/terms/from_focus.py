"""Agreements from the FOCUS dataset ContractCommitment (1.3, 1.4)."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fenrun.base.problem import Problem
from fenrun.charges.datasets import read_dataset
from fenrun.charges.staged import FIRST_ROW
from fenrun.tables.layout import Layout
from fenrun.tables.records import rows_from

_KINDS = {"Spend": "commit", "Usage": "reservation"}
"""The kind of an agreement by ContractCommitmentCategory."""


def agreement_fields(row: Mapping[str, str], customer: str = "") -> dict[str, str]:
    """Return a row of ContractCommitment as a row of the table `agreements`, as files have it.

    FOCUS does not say who the customer is: without one it covers the charges that name it as
    x_AgreementId, and no others. An unknown category stays as it is, and the reader of terms
    refuses it at its place.
    """
    commitment = row.get("ContractCommitmentId", "")
    category = row.get("ContractCommitmentCategory", "")
    return {
        "agreement": commitment,
        "kind": _KINDS.get(category, category),
        "customer": customer,
        "from": row.get("ContractCommitmentPeriodStart", "")[:10],
        "to": row.get("ContractCommitmentPeriodEnd", "")[:10],
        "amount": row.get("ContractCommitmentCost", ""),
        "currency": row.get("BillingCurrency", ""),
        "covers": "" if customer else f"x_AgreementId = '{commitment}'",
        "reference": row.get("ContractId", ""),
    }


def read_commitments(path: Path, layout: Layout) -> tuple[dict[str, list[Any]], list[Problem]]:
    """Read a file of ContractCommitment as agreements: typed rows by table. Raises Refused."""
    rows, _ = read_dataset(path)
    records = [(number, agreement_fields(row)) for number, row in enumerate(rows, FIRST_ROW)]
    return rows_from({"agreements": records}, path.name, layout)
