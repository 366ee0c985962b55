"""Quotes: what is out of the ordinary is asked for, goes up the chain of the policy, and ends.

A quote that is granted, refused or lapsed becomes rows of the workspace's `approvals`.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any

import yaml
from django.db import transaction

from fenrun.base.ids import digest
from fenrun.base.money import parse_amount, plain
from fenrun.base.problem import Place, Problem, Refused
from fenrun.base.when import show_moment
from fenrun.base.words import LANGUAGES, Message, Unreadable
from fenrun.engine.dialect import literal
from fenrun.portal import events, models
from fenrun.portal.access import authority
from fenrun.portal.alone import alone
from fenrun.portal.commands import notices
from fenrun.portal.commands.imports import enter_text
from fenrun.portal.commands.reasons import SENTENCES, reason_problems, too_long
from fenrun.portal.request_queue import outside_queue
from fenrun.settle.terms_in_force import known_policy
from fenrun.store.facts import Store
from fenrun.tables.records import rows_from
from fenrun.terms.limits import parse_limit
from fenrun.terms.policy import Asked, Policy, discount_of
from fenrun.terms.policy_text import KINDS, ROLE, StepText
from fenrun.terms.policy_words import step_title
from fenrun.terms.read import LAYOUT

_DB = "default"
_LONGEST_COVERS = 200
"""Characters of what says which product it is about: what the databases of the portal hold."""
_PORTAL = "portal"
"""The actor of what the portal does by itself."""
FIELDS = ("customer", "partner", "grants", "amount", "currency", "from", "to", "reason")
"""The columns of `approvals` that who asks fills in."""
_LABELS = {
    "kind": "portal-what",
    "partner": "portal-quote-partner",
    "covers": "portal-quote-product",
    "grants": "portal-quote-grants",
    "amount": "portal-quote-amount",
    "from": "portal-since",
    "to": "portal-quote-after",
}
"""What people call the columns that are not called so."""
VENDOR = (models.OPERATIONS, models.REP)
"""The roles of accounts that may decide; partners and customers never do."""
_NOT_YET = (
    *("asked_at", "due_at", "outcome", "by", "for", "authority", "decided_at", "reason", "hours"),
)
"""What a step does not say before its turn, and before it is decided."""
_PEOPLE = {"approvers": [], "by": "", "for": ""}
"""What of a step a partner is not told: the vendor's people."""
_PLACE = Place("approval")
ENTERED = ("approved", "refused", "lapsed")
"""The states in which a quote becomes rows of `approvals`."""


def policy_of(store: Store) -> Policy | None:
    """Return the policy in force; None without one."""
    return known_policy(store)


def ask(store: Store, kind: str, product: str, said: Mapping[str, str], party: str) -> models.Quote:
    """Ask for something out of the ordinary; `said` has FIELDS, `party` is on whose behalf.

    Raises Refused with all that is wrong with it, or where there is no policy.
    """
    policy = policy_of(store)
    if not policy:
        raise Refused([Problem("policy-missing", _PLACE)])
    row = {name: said.get(name, "").strip() for name in FIELDS}
    row["covers"] = f"ServiceName = {literal(product.strip())}" if product.strip() else ""
    asked_at = events.now()
    _refuse_unreadable(kind, row, asked_at)
    asked = Asked(
        kind,
        discount_of(row["grants"]) if kind == "discount" else None,
        parse_amount(row["amount"]) if row["amount"] else None,
        row["currency"],
        product.strip(),
    )
    if asked.amount is not None:
        row["amount"] = plain(asked.amount)
    steps = [_begun(step) for step in policy.steps_for(asked)]
    with transaction.atomic(using=_DB):
        quote = models.Quote(
            kind=kind,
            customer=row["customer"],
            partner=row["partner"],
            party=party,
            product=product.strip(),
            row=row,
            steps=steps,
            policy=policy.text.policy,
            asked_by=store.actor,
            asked_at=asked_at,
            authority=authority.authority_named(store.actor),
            state="open",
        )
        _come_to_step(quote, policy, asked_at)
        quote.save(using=_DB)
        quote.approval = f"ask-{quote.pk}-{digest(str(asked_at), store.actor, str(row))[:4]}"
        quote.save(using=_DB)
        events.record_event(store.actor, "ask approval", str(quote.pk), kind=kind, **row)
    _tell(quote, policy)
    return quote


def _tell(quote: models.Quote, policy: Policy | None) -> None:
    """Tell who may decide the present step that it waits; once it is over, who asked."""
    step = current(quote) if quote.state == "open" else None
    subject = f"{quote.pk} {step['step']}" if step else ""
    notices.over(("quote-waits",), str(quote.pk), but=subject)
    if step is None:
        notices.notify([quote.asked_by], "quote-over", str(quote.pk), quote.customer)
        return
    names = set(policy.deciding(step["approvers"], events.now())) if policy else set()
    names |= set(notices.accounts_of(models.OPERATIONS)) if ROLE in names else set()
    decided = {quote.asked_by, ROLE, *(one["by"] for one in quote.steps)}
    notices.notify(names - decided, "quote-waits", subject, quote.customer)


def _refuse_unreadable(kind: str, row: Mapping[str, str], asked_at: datetime) -> None:
    """Raise Refused with all for which the row could not become one of `approvals`."""
    whole = {"approval": "ask", "step": "1", "kind": kind, **row}
    whole |= {"asked_by": "-", "asked_at": _moment(asked_at)}
    _, found = rows_from({"approvals": [(0, whole)]}, "approval", LAYOUT)
    wrong = {str(one.values["column"]): one.values["detail"] for one in found}
    needed: dict[str, Any] = {
        "kind": kind in KINDS,
        **{name: row[name] for name in ("customer", "from", "to")},
    }
    empty = {name: Message("quote-needs") for name, there in needed.items() if not there}
    if len(row["covers"]) > _LONGEST_COVERS:
        count, most = len(row["covers"]), _LONGEST_COVERS
        wrong["covers"] = Message("book-too-long", {"count": count, "most": most})
    if kind == "discount" and row["grants"]:
        wrong |= _unreadable_limit(row)
    problems = []
    for column, detail in {**empty, **wrong}.items():
        values = {"field": Message(_LABELS.get(column, column)), "detail": detail}
        problems.append(Problem("quote-value", Place("approval", 0, column), values))
    problems += reason_problems(row["reason"], _PLACE, SENTENCES)
    if problems:
        raise Refused(problems)


def _unreadable_limit(row: Mapping[str, str]) -> dict[str, Message]:
    """Return why a price cannot be granted, by its column; nothing where it can."""
    try:
        limit = parse_limit(row["grants"])
    except Unreadable as error:
        return {"grants": error.message}
    priced = limit.price is not None and not row["currency"]
    return {"currency": Message("quote-needs")} if priced else {}


def _begun(step: StepText) -> dict[str, Any]:
    """Return a step as a quote keeps it, before its turn."""
    return {
        "step": step.step,
        "title": {lang: step_title(step, lang) for lang in LANGUAGES},
        "approvers": list(step.approvers),
        "within": list(step.within),
        "days": None,
        **dict.fromkeys(_NOT_YET, ""),
    }


def _come_to_step(quote: models.Quote, policy: Policy, at: datetime) -> None:
    """Let a quote come to its next step, or end: who may decide it is asked, until it is due."""
    step = current(quote)
    if step is None:
        quote.state, quote.due_at, quote.readers = "approved", None, _names(quote, policy)
        return
    quote.due_at = policy.due(tuple(step["within"]), at)
    step |= {"asked_at": _moment(at), "due_at": _moment(quote.due_at)}
    quote.readers = _names(quote, policy)


def current(quote: models.Quote) -> dict[str, Any] | None:
    """Return the step that is to be decided now; None where none is left."""
    return next((step for step in quote.steps if not step["outcome"]), None)


def _names(quote: models.Quote, policy: Policy) -> str:
    """Return the accounts that see a quote beside whom it concerns: who may decide, or decided."""
    named = {name for step in quote.steps for name in step["approvers"] if name != ROLE}
    stand_in = {one.substitute for one in policy.text.delegations if one.approver in named}
    return " ".join(["", quote.asked_by, *sorted(named | stand_in), ""])


def deciding(quote: models.Quote, policy: Policy | None, name: str, roles: Collection[str]) -> str:
    """Return for whom an account may decide the present step: itself, another, a role; or nothing.

    Nobody decides what he asked for, nor two steps of one chain.
    """
    step = current(quote) if quote.state == "open" else None
    has_decided = any(one["by"] == name for one in quote.steps)
    if not (step and policy) or has_decided or name == quote.asked_by:
        return ""
    if not set(roles) & set(VENDOR):
        return ""
    named = policy.deciding(step["approvers"], events.now())
    by_role = ROLE if ROLE in step["approvers"] and models.OPERATIONS in roles else ""
    return named.get(name, "") or by_role


def decide(
    store: Store, seen: models.Quote, outcome: str, reason: str, roles: Collection[str]
) -> models.Quote:
    """Approve or refuse the present step of a quote, or withdraw it, as who asked.

    A refusal needs a reason. Raises Refused where it is over, the actor may not decide it, or who
    asked or decided before could not do so now.
    """
    policy, place = policy_of(store), _place(seen)
    look = reason_problems if outcome == "refused" else too_long
    if problems := look(reason, place, SENTENCES):
        raise Refused(problems)
    end_overdue(store)
    with transaction.atomic(using=_DB):
        quote = models.Quote.objects.using(_DB).select_for_update().get(pk=seen.pk)
        if quote.state != "open":
            state = Message(f"portal-quote-{quote.state}")
            raise Refused([Problem("quote-over", place, {"state": state})])
        if outcome == "withdrawn" and quote.asked_by == store.actor:
            quote.state, quote.due_at = "withdrawn", None
        else:
            _decide_step(quote, policy, store.actor, outcome, reason, roles)
        quote.save(using=_DB)
        events.record_event(store.actor, f"{outcome} approval", str(quote.pk), state=quote.state)
    _tell(quote, policy)
    enter(store)
    return models.Quote.objects.using(_DB).get(pk=seen.pk)


def _decide_step(
    quote: models.Quote,
    policy: Policy | None,
    name: str,
    outcome: str,
    reason: str,
    roles: Collection[str],
) -> None:
    """Decide the present step of a quote. Raises Refused."""
    place, at = _place(quote), events.now()
    for_whom = deciding(quote, policy, name, roles)
    if not (policy and for_whom) or outcome not in ("approved", "refused"):
        raise Refused([Problem("quote-not-yours", place, {"who": name})])
    if outcome == "approved":
        refuse_approval(quote, name)
    step = current(quote) or {}
    step |= {"by": name, "authority": authority.authority_named(name)}
    step["for"] = "" if for_whom in (name, ROLE) else for_whom
    _end_step(step, policy, outcome, at, reason)
    if outcome == "refused":
        quote.state, quote.due_at = "refused", None
    else:
        _come_to_step(quote, policy, at)


def refuse_approval(quote: models.Quote, name: str) -> None:
    """Raise Refused where who asked or decided before could not now, or could be who decides."""
    before = [(quote.asked_by, quote.authority)]
    before += [(one["by"], one["authority"]) for one in quote.steps if one["by"]]
    for by, held in before:
        authority.refuse_second(by, held, name, _place(quote))


def _end_step(
    step: dict[str, Any], policy: Policy | None, outcome: str, at: datetime, reason: str
) -> None:
    """Note how a step ended, when, and how long it took."""
    step |= {"outcome": outcome, "decided_at": _moment(at), "reason": reason.strip()}
    if policy:
        days, hours = policy.took(datetime.fromisoformat(step["asked_at"]), at)
        step |= {"days": days, "hours": str(hours)}


def renew(quote: models.Quote) -> None:
    """Let a quote hold with the authority that its accounts have now; for invented ones alone."""
    quote.authority = authority.authority_named(quote.asked_by)
    for step in quote.steps:
        step["authority"] = authority.authority_named(step["by"]) if step["by"] else ""
    quote.save(using=_DB)


def end_overdue(store: Store) -> None:
    """Let quotes lapse whose present step was due: nobody has decided it in time."""
    now = events.now()
    overdue = models.Quote.objects.using(_DB).filter(state="open", due_at__lte=now)
    policy = policy_of(store) if overdue.exists() else None
    for seen in overdue.order_by("pk"):
        with transaction.atomic(using=_DB):
            quote = models.Quote.objects.using(_DB).select_for_update().get(pk=seen.pk)
            step = current(quote)
            if quote.state != "open" or not step or not quote.due_at or quote.due_at > now:
                continue
            _end_step(step, policy, "lapsed", quote.due_at, "")
            quote.state, quote.due_at = "lapsed", None
            quote.save(using=_DB)
            events.record_event(_PORTAL, "lapsed approval", str(quote.pk), step=step["step"])
        _tell(quote, policy)
    enter(store)


def enter(store: Store) -> None:
    """Enter into the workspace what was granted, refused or lapsed, each chain for itself, once.

    What is in the log already is not entered again, whoever entered it and however that ended.
    """
    over = models.Quote.objects.using(_DB).filter(state__in=ENTERED, entered_at=None)
    if not over.exists():
        return
    with outside_queue(), alone("entering-quotes"):
        for quote in over.order_by("pk"):
            text = yaml.safe_dump({"approvals": rows_of(quote)}, allow_unicode=True)
            name, reason = f"{quote.approval}.yaml", f"{quote.approval}: {quote.state}"
            try:
                if (name, reason) not in _entered(store):
                    enter_text(events.workspace(_PORTAL), name, text, reason)
            except Refused as refused:
                codes = [problem.code for problem in refused.problems]
                events.record_event(_PORTAL, "not entered", quote.approval, problems=codes)
                continue
            quote.entered_at = events.now()
            quote.save(using=_DB, update_fields=["entered_at"])


def _entered(store: Store) -> set[tuple[str, str]]:
    """Return the files and reasons by which terms came into the log."""
    return {(event.facts()["source"], event.reason) for event in store.log.events("terms")}


def rows_of(quote: models.Quote) -> list[dict[str, Any]]:
    """Return the rows of `approvals` that a quote has come to: those of its steps that are over."""
    asked = {name: quote.row[name] for name in (*FIELDS[:-1], "covers") if quote.row[name]}
    return [
        {
            "approval": quote.approval,
            "step": number,
            "kind": quote.kind,
            **asked,
            "asked_by": quote.asked_by,
            "asked_at": step["asked_at"],
            "decided_by": step["by"],
            "decided_at": step["decided_at"],
            "outcome": step["outcome"],
            "reason": step["reason"] or quote.row["reason"],
        }
        for number, step in enumerate(quote.steps, 1)
        if step["outcome"]
    ]


def steps_shown(quote: models.Quote, by_vendor: bool) -> list[dict[str, Any]]:
    """Return the steps of a quote as they are told: to a partner without the vendor's people."""
    hidden = {} if by_vendor else _PEOPLE
    return [
        {name: hidden.get(name, step[name]) for name in step if name != "authority"}
        for step in quote.steps
    ]


def _moment(at: datetime) -> str:
    """Return a moment (UTC) as text, as files have it."""
    return show_moment(at.replace(tzinfo=None))


def _place(quote: models.Quote) -> Place:
    return Place(f"{quote.kind} {quote.customer}")
