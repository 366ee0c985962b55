"""Scenarios: checked, saved and run by operations, published by two of them.

Running one reads the workspace and leaves nothing in it. Publishing enters what it says of plans,
book and terms as a change of these: the checker first, two people, a reason.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from django.db import transaction
from django.db.models import QuerySet

from fenrun.base.problem import Place, Problem, Refused, refused
from fenrun.base.when import parse_period
from fenrun.lab.drafts import table_drafts
from fenrun.lab.patched import Lab
from fenrun.lab.plan_patch import with_cases
from fenrun.lab.run import settlements, whatif
from fenrun.lab.scenario import Scenario, read_scenario
from fenrun.lab.written import whatif_as_json
from fenrun.plan.read import read_plan
from fenrun.portal import models
from fenrun.portal.access import authority
from fenrun.portal.alone import alone
from fenrun.portal.commands import work
from fenrun.portal.commands.imports import enter_texts, next_moment
from fenrun.portal.commands.periods import read_asked
from fenrun.portal.commands.reasons import stated
from fenrun.portal.events import code_of, now, record_event
from fenrun.portal.request_queue import outside_queue
from fenrun.store.facts import Store
from fenrun.whatif.cases import refuse_failing_cases

FIRSTS = (1, 10, 20)
"""The numbers of largest customers whose share is said."""
_ROWS_KEPT = 500
"""Of each table of an outcome, those that change most."""
_DB = "default"
_FILE = "scenario.yaml"
_TOUCH_FACTS = ("prices", "usage", "coupons", "shifts", "won")
"""Patches of what is billed, which nobody publishes: it is the provider's to say."""


def read(text: str) -> Scenario:
    """Read a scenario's text. Raises Refused; also where it names a file, which nobody sent."""
    found = read_scenario(text.replace("\r\n", "\n"), _FILE, Path("/nowhere"))
    for number, patch in enumerate(found.text.plans):
        if patch.file is not None:
            raise refused("scenario-file-here", found.place(("plans", number)), file=patch.file)
    return found


def check(text: str) -> tuple[Scenario | None, list[Problem]]:
    """Return a text as read, where it can be, and what is wrong with it."""
    try:
        return read(text), []
    except Refused as found:
        return None, list(found.problems)


def save(store: Store, text: str) -> models.Scenario:
    """Save a text under its scenario's name, in the place of what was saved so. Raises Refused.

    What the text before brought, and that its publishing was asked for, is forgotten with it.
    """
    scenario = read(text)
    new = {"text": scenario.content, "saved_by": store.actor, "saved_at": now(), "outcome": None}
    new |= {"reason": "", "asked_by": "", "asked_at": None, "authority": ""}
    new |= {"published_by": "", "published_at": None}
    with alone("scenarios"), transaction.atomic(using=_DB):
        row, _ = models.Scenario.objects.using(_DB).update_or_create(new, name=scenario.id)
        record_event(store.actor, "save scenario", scenario.id)
    return row


def begin(store: Store, user: int, number: int, period: str) -> models.Work:
    """Begin to settle a period as it is and under a saved scenario. Raises Refused."""
    scenario, span = read(_row(number).text), read_asked(period)

    def act(tell: work.Tell) -> None:
        run(store, number, span.key, tell)

    steps = settlements([scenario], with_causes=True)
    return work.start(user, store.actor, models.Work.SCENARIO, str(number), steps, act)


def run(
    store: Store, number: int, period: str, progress: work.Tell = lambda name: None
) -> models.Scenario:
    """Settle a period as it is and under a saved scenario, and keep the answer with it.

    Raises Refused; nothing enters the workspace.
    """
    row = _row(number)
    scenario = read(row.text)
    span = read_asked(period)
    with outside_queue():
        found = whatif(store, [scenario], span, progress=progress, with_causes=True)
        said = whatif_as_json(found, FIRSTS)
    (outcome,) = said.pop("scenarios")
    of = found.outcomes[0].problems[:_ROWS_KEPT]
    problems = json.loads(json.dumps([asdict(problem) for problem in of], default=str))
    kept = {key: _most(value) for key, value in outcome.items()}
    rows = models.Scenario.objects.using(_DB).filter(pk=number, text=row.text)
    rows.update(outcome={**said, **kept, "problems": problems})
    return _row(number)


def _most(value: Any) -> Any:
    return value[:_ROWS_KEPT] if isinstance(value, list) else value


def ask(store: Store, number: int, reason: str) -> models.Scenario:
    """Ask, as the first of two, that a scenario be published as it is saved. Raises Refused."""
    row = _row(number)
    reason = stated(reason, Place(row.name))
    with outside_queue():
        _texts(store, read(row.text))  # refused now, if it is to be
    said = {"reason": reason, "asked_by": store.actor, "asked_at": now()}
    said["authority"] = authority.authority_named(store.actor)
    with transaction.atomic(using=_DB):
        _only(row).update(**said)
        record_event(store.actor, "ask scenario", row.name, reason=said["reason"])
    return _row(number)


def publish(store: Store, number: int) -> models.Scenario:
    """Enter what a scenario says of plans, book and terms, as the second of two. Raises Refused."""
    row = _row(number)
    place = Place(row.name)
    if not row.asked_by or row.published_at:
        raise refused("approval-gone", place)
    if row.asked_by == store.actor:
        raise refused("decision-alone", place, by=row.asked_by)
    authority.refuse_second(row.asked_by, row.authority, store.actor, place)
    said = f"(asked by {code_of(row.asked_by)}, approved by {code_of(store.actor)})"
    with outside_queue():
        texts = _texts(store, read(row.text))
        with transaction.atomic(using=_DB):
            if not _only(row).update(published_by=store.actor, published_at=now()):
                raise refused("approval-gone", place)
            record_event(store.actor, "publish scenario", row.name, reason=row.reason)
            enter_texts(store, texts, f"{row.reason} {said}")
    return _row(number)


def _only(row: models.Scenario) -> Any:
    """Return the query of a row as it was read: of what is otherwise by now it finds none."""
    rows = models.Scenario.objects.using(_DB)
    return rows.filter(pk=row.pk, text=row.text, published_at=None, asked_by=row.asked_by)


def _texts(store: Store, scenario: Scenario) -> Mapping[str, str]:
    """Return what is published, as files by their names: plans are read, and their cases run.

    Raises Refused where it changes what is billed, or a plan's own cases fail.
    """
    kinds = [kind for kind in _TOUCH_FACTS if getattr(scenario.text, kind)]
    if kinds:
        raise refused("scenario-of-facts", scenario.place((kinds[0],)), kinds=", ".join(kinds))
    month = parse_period(f"{scenario.text.start:%Y-%m}")
    lab = Lab(store, month, next_moment(store))
    with lab.patched(scenario) as patched:
        texts: dict[str, str] = {}
        for plan_id, file in patched.plans.items():
            texts[f"{plan_id}.yaml"] = with_cases(file, lab.files[plan_id])
            refuse_failing_cases(read_plan(texts[f"{plan_id}.yaml"], f"{plan_id}.yaml"))
        return texts | table_drafts(patched, scenario)


def all_rows() -> QuerySet[models.Scenario]:
    """Return the saved scenarios that the asker may see, the last first."""
    return models.Scenario.objects.order_by("-saved_at", "-pk")


def find(number: int) -> models.Scenario | None:
    """Return a saved scenario that the asker may see."""
    return models.Scenario.objects.filter(pk=number).first()


def _row(number: int) -> models.Scenario:
    row = models.Scenario.objects.using(_DB).filter(pk=number).first()
    if row is None:
        raise refused("approval-gone", Place(str(number)))
    return row
