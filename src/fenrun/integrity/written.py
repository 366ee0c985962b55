"""Findings as JSON: amounts are exact text; p and q are null for a broken fact."""

from __future__ import annotations

from typing import Any

from fenrun.base.money import minor_units, plain, show
from fenrun.base.words import Message, say
from fenrun.integrity.findings import Case, Checked, Contradicted, Findings
from fenrun.integrity.life import OPEN
from fenrun.pricing.lines import rounded


def findings_as_json(found: Findings, lang: str) -> dict[str, Any]:
    """Return the checks and cases of a span of months, first and last of which are said."""
    return {
        "from": f"{found.start:%Y-%m}",
        "to": f"{found.end:%Y-%m}",
        "record": found.record,
        "checks": checks_as_json(found, lang),
        "cases": [case_as_json(case, lang) for case in found.cases],
        "contradicted": contradicted_as_json(found),
    }


def contradicted_as_json(found: Findings) -> list[dict[str, Any]]:
    """Return what facts that contradict each other credit to nobody, by plan."""
    return [
        {
            "plan": one.plan,
            "currency": one.currency,
            "amount": plain(one.amount, 2),
            "charges": one.charges,
            "accounts": list(one.accounts),
        }
        for one in found.contradicted
    ]


def contradiction(one: Contradicted) -> Message:
    """Return in words what a plan credits to nobody by facts that contradict each other."""
    places = minor_units(one.currency)
    amount = f"{show(rounded(one.amount, places), places)} {one.currency}"
    said = {"plan": one.plan, "amount": amount, "count": one.charges}
    more = {"accounts": len(one.accounts), "first": one.accounts[0]}
    return Message("findings-contradicted", {**said, **more})


def checks_as_json(found: Findings, lang: str) -> list[dict[str, Any]]:
    """Return what each check did."""
    return [
        {
            "check": one.check,
            "scheme": one.scheme,
            "tried": one.tried,
            "skipped": skipped(one).words(lang) if one.skipped else None,
            "seconds": one.seconds,
            "confirmed": one.confirmed,
            "decided": one.decided,
        }
        for one in found.checks
    ]


def skipped(one: Checked) -> Message:
    """Return why a check could not run."""
    return Message("check-skipped", {"missing": ", ".join(one.skipped)})


def case_as_json(case: Case, lang: str) -> dict[str, Any]:
    """Return a case; its first and last day are said."""
    return {
        "id": case.id,
        "check": case.check,
        "scheme": case.scheme,
        "kind": case.kind,
        "parties": list(case.parties),
        "customers": list(case.customers),
        "orders": list(case.orders),
        "from": str(case.start),
        "to": str(case.end),
        "amount": plain(case.amount, 2),
        "currency": case.currency,
        "p": case.p,
        "q": case.q,
        "evidence": [
            {"what": say(f"evidence-{row.what}", lang), "table": row.table, "key": row.key}
            for row in case.evidence
        ],
        "unusual": say(f"unusual-{case.check}", lang),
        "compares": say(f"compares-{case.check}", lang),
        "innocent": say(f"innocent-{case.check}", lang),
        "confirm": say(f"confirm-{case.check}", lang),
        "charges": case.charges,
        "pays": [
            {
                "payee": one.payee,
                "clause": one.clause,
                "currency": one.currency,
                "earned": plain(one.earned, 2),
                "without": plain(one.without, 2),
            }
            for one in case.pays
        ],
        "clause": case.clause,
        "prevent": say(f"prevent-{case.check}", lang),
        "state": case.decision.state if case.decision else OPEN,
        "owner": case.decision.owner if case.decision else "",
        "due": case.decision.due if case.decision else "",
        "found": case.is_found,
    }
