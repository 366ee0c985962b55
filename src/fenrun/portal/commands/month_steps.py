"""Steps of a month, from its files to its payments: how far each has come, as operations see it.

The same steps are the checklist of a workspace that has nothing yet.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from fenrun.base.problem import ERROR, WARNING
from fenrun.base.words import Message
from fenrun.portal import models
from fenrun.portal.access.authority import is_unchanged
from fenrun.portal.commands import deliveries, unsettled
from fenrun.portal.commands.publishing import months_of
from fenrun.store.facts import FACTS, Store

DONE, OPEN, WAITS, LATER = "done", "open", "waits", "later"
"""Nothing is left to do; something is; somebody else has to act; not before the steps above."""


@dataclass(frozen=True)
class Step:
    """A step of a month, how far it has come, and the page where it is done."""

    name: str
    state: str
    says: Message
    page: str
    """Name of the page."""
    parts: tuple[str, ...] = ()
    """What its address names."""
    query: str = ""


@dataclass(frozen=True)
class Month:
    """A month with its steps, and those beside it."""

    key: str
    """Empty: the workspace has no charges yet."""
    steps: list[Step] = field(default_factory=list)
    keys: list[str] = field(default_factory=list)
    """All months, in order."""

    @property
    def next(self) -> Step | None:
        """The first step that is to be done."""
        return next((step for step in self.steps if step.state in (OPEN, WAITS)), None)


def month_of(store: Store, key: str = "") -> Month:
    """Return a month's steps: of the one that is asked for, or of the first that is not closed."""
    keys = [month.key for month in months_of(store)]
    rows = models.Period.objects.filter(key__in=keys)
    shown = {period.key: period for period in rows}
    if key not in keys:
        is_open = [k for k in keys if k not in shown or not shown[k].closed]
        key = (is_open or keys or [""])[0]
    period = shown.get(key)
    steps = [
        _files(store, key),
        _problems(period, key),
        _targets(period),
        _terms(store, key),
        _settle(store, period, key),
        _review(period),
        _close(period),
        _pay(period),
    ]
    return Month(key, steps, keys)


def _step(name: str, state: str, outcome: str, page: str, *parts: str, **values: Any) -> Step:
    query = str(values.pop("query", ""))
    return Step(name, state, Message(f"step-{outcome}", values), page, parts, query)


def _files(store: Store, key: str) -> Step:
    """Return the step of files: whether any came, and what about them is not decided."""
    if not key:
        return _step("files", OPEN, "files-none", "imports")
    left = len(deliveries.open_problems(store)) + len(deliveries.waiting())
    if left:
        return _step("files", OPEN, "files-undecided", "deliveries", count=left)
    found = deliveries.deliveries(store)
    aside = sum(one.quarantined for one in found if one.state == deliveries.IN_FORCE)
    if aside:
        return _step("files", OPEN, "files-aside", "deliveries", count=aside)
    return _step("files", DONE, "files-done", "deliveries", count=len(found))


def _problems(period: models.Period | None, key: str) -> Step:
    """Return the step of problems: those of the run, or what stops the settlement."""
    stopped = [*unsettled.problems_of(key), *unsettled.problems_of(unsettled.ALL)] if key else []
    if stopped:
        return _step("problems", OPEN, "problems-stop", "periods", count=len(stopped))
    if not period:
        return _step("problems", LATER, "after-settling", "periods")
    found = period.counts.get("problems")
    if found is None:
        return _step("problems", OPEN, "problems-uncounted", "period", period.key)
    errors, warnings = found.get(ERROR, 0), found.get(WARNING, 0)
    if errors or warnings:
        counts = {"errors": errors, "warnings": warnings}
        state = OPEN if errors else DONE
        return _step("problems", state, "problems-found", "period", period.key, **counts)
    return _step("problems", DONE, "problems-none", "period", period.key)


def _targets(period: models.Period | None) -> Step:
    if not period or "without_target" not in period.counts:
        return _step("targets", LATER, "targets-unknown", "targets")
    count = period.counts.get("without_target", 0)
    if count:
        return _step("targets", OPEN, "targets-missing", "targets", count=count)
    return _step("targets", DONE, "targets-done", "targets")


def _terms(store: Store, key: str) -> Step:
    """Return the step of terms: a plan, and what is asked for and not decided."""
    if not store.log.events("plans"):
        return _step("terms", OPEN, "terms-no-plan", "plans")
    quotes = models.Quote.objects.filter(state="open").count()
    if quotes:
        return _step("terms", OPEN, "terms-approvals", "quotes", count=quotes)
    requests = models.Request.objects.filter(state="waiting").count()
    if requests:
        return _step("terms", WAITS, "terms-requests", "requests", count=requests)
    return _step("terms", DONE, "terms-done", "plans")


def _settle(store: Store, period: models.Period | None, key: str) -> Step:
    if not key:
        return _step("settle", LATER, "after-files", "periods")
    if not period:
        return _step("settle", OPEN, "settle-not", "periods")
    since = 0 if period.closed else _imports_after(store, period.state)
    if since:
        return _step("settle", OPEN, "settle-again", "period", period.key, count=since)
    at = f"{period.known:%Y-%m-%d %H:%M}"
    return _step("settle", DONE, "settle-done", "period", period.key, at=at)


def _imports_after(store: Store, state: int) -> int:
    """Return how many files came after what a period rests on."""
    return sum(event.kind in FACTS for event in store.log.events(after=state))


def _review(period: models.Period | None) -> Step:
    if not period:
        return _step("review", LATER, "after-settling", "periods")
    changed = period.counts.get("changed", 0)
    state = DONE if period.closed or asked_of(period) else OPEN
    outcome = "review-changed" if period.before_run else "review-first"
    return _step("review", state, outcome, "review", period.key, count=changed)


def _close(period: models.Period | None) -> Step:
    if not period:
        return _step("close", LATER, "after-settling", "periods")
    if period.closed:
        return _step("close", DONE, "close-done", "period", period.key)
    asked = asked_of(period)
    if asked:
        return _step("close", WAITS, "close-asked", "period", period.key, by=asked.asked_by)
    return _step("close", OPEN, "close-open", "period", period.key)


def asked_of(period: models.Period) -> models.Approval | None:
    """Return the close of a period, as it is shown, that waits for a second; None if none does."""
    asked = models.Approval.objects.filter(
        period=period.key, run=period.run, approved_at=None, ended_at=None
    )
    return next((a for a in asked if is_unchanged(a.asked_by, a.authority)), None)


def _pay(period: models.Period | None) -> Step:
    if not period or not period.closed:
        return _step("pay", LATER, "after-closing", "payments")
    rows = models.Payment.objects.filter(period=period.key)
    states = Counter(rows.values_list("state", flat=True))
    counts = {state: states[state] for state in models.Payment.STATES}
    left = len(rows) - counts["paid"]
    query = f"?period={period.key}"
    if left:
        return _step("pay", OPEN, "pay-open", "payments", query=query, **counts)
    return _step("pay", DONE, "pay-done", "payments", query=query, count=counts["paid"])


def waiting_for(name: str) -> list[tuple[str, str, int]]:
    """Return what else is open for operations: key of its words, page, and how much."""
    unapproved = models.Grant.objects.filter(holds_at=None, ended_at=None)
    found = [
        ("disputes", "disputes", models.Dispute.objects.filter(state__in=("open", "answered"))),
        ("grants", "access", unapproved.exclude(given_by=name)),
        ("questions", "cases", models.CaseQuestion.objects.filter(state="answered")),
    ]
    return [(key, page, rows.count()) for key, page, rows in found if rows.exists()]
