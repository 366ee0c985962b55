"""Cases of findings: what people decide about them, and what parties are asked and answer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from django.db import transaction

from fenrun.base.problem import Place, Problem, Refused
from fenrun.base.when import Period
from fenrun.integrity import kept, life
from fenrun.integrity.findings import Case, Findings
from fenrun.portal import models
from fenrun.portal.commands import notices
from fenrun.portal.commands.reasons import TEXT, stated
from fenrun.portal.events import now, record_event
from fenrun.portal.models import OPERATIONS, PARTNER, REP
from fenrun.portal.request_queue import outside_queue
from fenrun.store.facts import Store

_DB = "default"
OPEN, ANSWERED, OVER = models.CaseQuestion.STATES
ASKED, REPLIED = "case-asked", "case-answered"
"""What people are told."""
_LONGEST_OWNER = 150


@dataclass(frozen=True)
class Wanted:
    """The cases that are asked for; what is empty asks for any."""

    state: str = ""
    owner: str = ""
    check: str = ""
    party: str = ""
    due: date | None = None
    """Those that are due by this day."""
    least: Decimal = Decimal(0)
    """Those of at least this amount, in whatever currency."""
    q: Decimal | None = None
    """Those whose false share is at most this; a broken fact has none and always remains."""

    def fits(self, case: Case) -> bool:
        """Return whether a case is among them."""
        decision = case.decision
        state = decision.state if decision else life.OPEN
        by = decision.due if decision else ""
        return (
            self.state in ("", state)
            and (not self.owner or bool(decision and decision.owner == self.owner))
            and self.check in ("", case.check)
            and (not self.party or self.party in (*case.parties, *case.customers))
            and (self.due is None or bool(by and by <= str(self.due) and state != life.CLOSED))
            and case.amount >= self.least
            and (self.q is None or case.q is None or Decimal(case.q) <= self.q)
        )


def queue(store: Store) -> Findings | None:
    """Return all cases that are kept; None where nobody has looked yet."""
    with outside_queue():
        return kept.queue_of(store)


def find(store: Store, name: str) -> Case | None:
    """Return a case by its name."""
    with outside_queue():
        return kept.find_case(store, name)


def examine(store: Store, period: Period) -> Findings:
    """Return what the checks find in some months, and keep it."""
    with outside_queue():
        return kept.findings_of(store, period)


def decide(store: Store, case: Case, state: str, reason: str, owner: str, due: date | None) -> None:
    """Enter a step of a case's life in the log.

    Raises Refused for a step that leads nowhere, or without a reason.
    """
    place = Place(case.id)
    reason = stated(reason, place, TEXT)
    if state not in life.STATES:
        values = {"case": case.id, "state": _state_of(case), "asked": state}
        raise Refused([Problem("case-step", place, {**values, "possible": ", ".join(life.STATES)})])
    known = now().replace(tzinfo=None)
    said = (reason, known, owner.strip()[:_LONGEST_OWNER], due)
    life.decide(store, case.id, state, *said)


def _state_of(case: Case) -> str:
    return case.decision.state if case.decision else life.OPEN


def ask(actor: str, case: Case, party: str, text: str) -> models.CaseQuestion:
    """Ask a party of a case something about it: it sees the text, and nothing else of the case.

    Who was asked about the case before is asked again in the same place. Raises Refused for who is
    no party of it, or where nothing is said.
    """
    if party not in case.parties:
        values = {"party": party, "case": case.id, "parties": ", ".join(case.parties)}
        raise Refused([Problem("question-party", Place(case.id), values)])
    text = stated(text, Place(party), TEXT)
    with transaction.atomic(using=_DB):
        cases = models.QuestionedCase.objects.using(_DB).select_related("question")
        before = cases.filter(case_name=case.id, question__party=party).first()
        if before:
            question = before.question
            question.state = OPEN
            question.save(using=_DB)
        else:
            question = models.CaseQuestion.objects.using(_DB).create(
                party=party, state=OPEN, asked_by=actor, asked_at=now()
            )
            cases.create(question=question, case_name=case.id)
        entry = _add_entry(question, actor, text)
        record_event(actor, "ask case", str(question.pk), party=party, case=case.id)
    accounts = {name for role in (PARTNER, REP) for name in notices.accounts_of(role, party)}
    notices.notify(accounts, ASKED, f"{question.pk} {entry.pk}", party)
    return question


def answer(
    actor: str, seen: models.CaseQuestion, text: str, operations: bool, state: str = ""
) -> models.CaseQuestion:
    """Add to a question that the actor sees: the party's answer, or more of operations.

    Operations may end it (`over`). Raises Refused for a question that is over, or where nothing is
    said.
    """
    text = stated(text, Place(seen.party), TEXT)
    with transaction.atomic(using=_DB):
        question = models.CaseQuestion.objects.using(_DB).select_for_update().get(pk=seen.pk)
        if question.state == OVER:
            raise Refused([Problem("question-over", Place(question.party))])
        by_operations = OVER if state == OVER else OPEN
        question.state = by_operations if operations else ANSWERED
        question.save(using=_DB)
        entry = _add_entry(question, actor, text)
        record_event(actor, "answer case", str(question.pk), state=question.state)
    if operations:
        roles, kind = (PARTNER, REP), ASKED
        accounts = {name for role in roles for name in notices.accounts_of(role, question.party)}
    else:
        notices.over((ASKED,), str(question.pk))
        accounts, kind = set(notices.accounts_of(OPERATIONS)), REPLIED
    if question.state != OVER:
        notices.notify(accounts, kind, f"{question.pk} {entry.pk}", question.party)
    return question


def questions_of(case: str) -> Sequence[models.CaseQuestion]:
    """Return what was asked about a case, as whoever sees everything reads it."""
    numbers = models.QuestionedCase.objects.filter(case_name=case).values_list(
        "question_id", flat=True
    )
    return list(models.CaseQuestion.objects.filter(pk__in=list(numbers)).order_by("pk"))


def _add_entry(question: models.CaseQuestion, actor: str, text: str) -> models.CaseEntry:
    return models.CaseEntry.objects.using(_DB).create(
        question=question,
        party=question.party,
        by=actor,
        at=now(),
        state=question.state,
        text=text,
    )
