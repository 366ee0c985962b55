"""Agreements from the FOCUS dataset ContractCommitment (1.3, 1.4)."""

from __future__ import annotations

from collections.abc import Mapping

_KINDS = {"Spend": "commit", "Usage": "reservation"}
"""The kind of an agreement by ContractCommitmentCategory."""


def agreement_fields(row: Mapping[str, str], customer: str = "") -> dict[str, str]:
    """Return a row of ContractCommitment as a row of the table `agreements`, as files have it.

    FOCUS does not say who the customer is: without one the agreement binds all. An unknown category
    stays as it is, and the reader of terms refuses it at its place.
    """
    category = row.get("ContractCommitmentCategory", "")
    return {
        "agreement": row.get("ContractCommitmentId", ""),
        "kind": _KINDS.get(category, category),
        "customer": customer,
        "from": row.get("ContractCommitmentPeriodStart", "")[:10],
        "to": row.get("ContractCommitmentPeriodEnd", "")[:10],
        "amount": row.get("ContractCommitmentCost", ""),
        "currency": row.get("BillingCurrency", ""),
        "reference": row.get("ContractId", ""),
    }
