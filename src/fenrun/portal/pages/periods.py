"""Periods, for operations: what came out of them, how concentrated it is; settling and closing."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal
from functools import partial
from typing import Any, cast

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.http import require_POST
from django_htmx.http import HttpResponseClientRedirect

from fenrun.base.money import plain, show_sums, sums_of
from fenrun.base.problem import Place, Problem
from fenrun.base.when import parse_period
from fenrun.base.words import say
from fenrun.closing.close import closes, earliest_before
from fenrun.closing.keys import known_keys
from fenrun.closing.shown import changed_since, summary_of
from fenrun.portal.access import authority
from fenrun.portal.access.permissions import (
    is_operations,
    operations,
    signed_in,
    store_of,
    user_of,
)
from fenrun.portal.access.request import PortalRequest
from fenrun.portal.commands import closing, month_steps, unsettled, work
from fenrun.portal.commands.publishing import months_of
from fenrun.portal.commands.questions import ask_run
from fenrun.portal.language import lang
from fenrun.portal.models import AUDITOR, OPERATIONS, Approval, Dispute, Period, Statement, Work
from fenrun.portal.pages.charts import Link, distinguished
from fenrun.portal.pages.paging import page_of
from fenrun.portal.places import without_folders
from fenrun.statement.run import Difference, paid_in_all
from fenrun.store.facts import Store

TOP = 13
"""Payees that are shown one by one: so many of the largest a vendor knows by name."""
_PAYEES_OF_FLOW = 9
_MONTHS_A_PAGE = 36
_DIFFERENCES_SHOWN = 200
PAID = "paid"
"""What a difference is of where it is of what somebody is paid."""
_LEDGER = "FROM ledger"
_FLOW = """
SELECT c.role, c.via, c.payee, coalesce(p.name, '') AS name, sum(c.amount) AS amount
FROM credited AS c
LEFT JOIN parties AS p ON p.party = c.payee
WHERE c.kind = 'direct' AND c.plan_id = (SELECT min(plan_id) FROM credited)
GROUP BY ALL
ORDER BY ALL
"""
Amounts = list[tuple[str, Decimal]]
"""Amounts, each with its currency."""
Flows = list[tuple[str, list[Link]]]


@signed_in(OPERATIONS, AUDITOR)
def listed(request: HttpRequest) -> HttpResponse:
    """Show the months of the workspace, settled or not, with their totals."""
    months = page_of(request, months_of(store_of(request))[::-1], _MONTHS_A_PAGE)
    shown = Period.objects.in_bulk([month.key for month in months])
    earned: defaultdict[str, Amounts] = defaultdict(list)
    names = ("period_id", "currency", "earned")
    for key, currency, amount in Statement.objects.filter(period__in=shown).values_list(*names):
        earned[key].append((currency, Decimal(amount)))
    rows: list[dict[str, Any]] = [
        {
            "key": month.key,
            "period": shown.get(month.key),
            "earned": sums_of(earned[month.key]),
            "statements": len(earned[month.key]),
            "problems": _in_words(unsettled.problems_of(month.key)),
        }
        for month in months
    ]
    page = {
        "page": months,
        "rows": rows,
        "waiting": {period.key: month_steps.asked_of(period) for period in shown.values()},
        "trends": _trends(row for row in reversed(rows) if row["period"]),
        "may_act": is_operations(request),
        "problems": _in_words(unsettled.problems_of(unsettled.ALL)),
    }
    return render(request, "periods.html", page)


def _trends(rows: Iterable[dict[str, Any]]) -> dict[str, list[tuple[str, str]]]:
    """Return what is earned month by month, by currency."""
    shown = list(rows)
    nothing = Decimal(0)
    return {
        currency: [(row["key"][2:], plain(row["earned"].get(currency, nothing))) for row in shown]
        for currency in sorted({currency for row in shown for currency in row["earned"]})
    }


def _in_words(problems: Iterable[Problem]) -> list[dict[str, Any]]:
    return [problem.as_json(lang()) for problem in without_folders(problems)]


@signed_in(OPERATIONS, AUDITOR)
def one(request: HttpRequest, period: str) -> HttpResponse:
    """Show a period: its largest statements, concentration, problems, and the way to its close."""
    shown = get_object_or_404(Period, pk=period)
    statements = list(
        Statement.objects.filter(period=shown).order_by("rank").defer("body", "customers")
    )
    approvals = Approval.objects.filter(period=period).order_by("pk")
    asked = month_steps.asked_of(shown)
    page = {
        "period": shown,
        "months": list(Period.objects.order_by("key").values_list("key", flat=True)),
        "currencies": _by_currency(statements),
        "count": len(statements),
        **_of_run(shown),
        "earlier": _earlier(store_of(request), shown),
        "asked": asked,
        "hindrances": _hindrances(request, shown, asked),
        "done": list(approvals.exclude(approved_at=None)),
        "ended": list(approvals.exclude(ended_at=None)),
        "disputes": Dispute.objects.filter(period=period, state__in=("open", "answered")).count(),
        "key": next(reversed(known_keys(store_of(request))), None),
        "may_act": is_operations(request),
        "me": request.user.get_username(),
        "TOP": TOP,
    }
    return render(request, "period.html", page)


def _hindrances(request: HttpRequest, shown: Period, asked: Approval | None) -> list[Problem]:
    """Return why the asker would be refused the next step to the close of a period."""
    me = request.user.get_username()
    if shown.closed or not is_operations(request) or (asked and asked.asked_by == me):
        return []
    if asked:
        said = (asked.asked_by, asked.authority, me, Place(shown.key))
        return authority.hindrances(authority.refuse_second, *said)
    return authority.hindrances(closing.refuse_asking, store_of(request), shown, first=True)


def _earlier(store: Store, shown: Period) -> str:
    """Return the first month that would stay open for ever by a close, or nothing."""
    if shown.closed or closes(store):
        return ""
    return earliest_before(store, parse_period(shown.key), shown.known.replace(tzinfo=None))


def _by_currency(statements: list[Statement]) -> dict[str, dict[str, Any]]:
    """Return what a period's statements of each currency add up to."""
    found: defaultdict[str, list[Statement]] = defaultdict(list)
    for statement in statements:
        found[statement.currency].append(statement)
    return {currency: _totals_of(found[currency]) for currency in sorted(found)}


def _totals_of(statements: list[Statement]) -> dict[str, Any]:
    """Return what statements of one currency, best earner first, add up to."""
    earning = [s for s in statements if Decimal(s.earned)]
    amounts = [Decimal(s.earned) for s in earning]
    a_fifth = max(1, len(earning) // 5)
    return {
        "statements": statements[:TOP],
        "count": len(statements),
        "earning": len(earning),
        "earned": plain(_sum(amounts)),
        "top": plain(_sum(amounts[:TOP])),
        "fifth": plain(_sum(amounts[:a_fifth])),
        "payable": plain(_sum(Decimal(s.payable) for s in statements)),
        "amounts": [s.earned for s in earning],
    }


def _of_run(shown: Period) -> dict[str, Any]:
    """Return what the run of a period says besides its statements.

    Of differences those of lines, which are earned; what of them is paid is a sum beside these.
    """
    said = ask_run(shown, summary_of, (_LEDGER, _FLOW))
    ledger, flows = said.rows
    earned = [one for one in said.booked if one.what == "earned"]
    return {
        "problems": _in_words(said.problems),
        "booked": earned[:_DIFFERENCES_SHOWN],
        "booked_more": len(earned[_DIFFERENCES_SHOWN:]),
        "booked_earned": show_sums(sums_of((one.currency, one.amount) for one in earned)),
        "booked_paid": show_sums(paid_in_all(said.booked)) if said.booked else "",
        "totals": [
            {"currency": said.currency_of[row["plan_id"]]} | _with_texts(row) for row in ledger
        ],
        "flows": _flows(flows),
    }


def _sum(amounts: Iterable[Decimal]) -> Decimal:
    return sum(amounts, Decimal(0))


def _with_texts(row: dict[str, Any]) -> dict[str, Any]:
    return {key: plain(v) if isinstance(v, Decimal) else v for key, v in row.items()}


def _flows(rows: list[dict[str, Any]]) -> Flows:
    """Return, by role, through what the period's spend came to whom: largest role first.

    Association, registered order, resource; the largest payees one by one. A role to which spend
    comes in one way only has nothing to show.
    """
    by_role: defaultdict[str, list[dict[str, Any]]] = defaultdict(list)
    for row in rows:
        by_role[row["role"]].append(row)
    roles = sorted(by_role, key=lambda role: -_sum(row["amount"] for row in by_role[role]))
    return [
        (role, _links(by_role[role]))
        for role in roles
        if len({row["via"] for row in by_role[role]}) > 1
    ]


def _links(rows: list[dict[str, Any]]) -> list[Link]:
    """Return what a flow's picture shows: (way, payee, amount), all but the largest as others."""
    totals: defaultdict[str, Decimal] = defaultdict(Decimal)
    for row in rows:
        totals[row["payee"]] += row["amount"]
    largest = sorted(totals, key=lambda payee: (-totals[payee], payee))[:_PAYEES_OF_FLOW]
    names = distinguished({row["payee"]: row["name"] for row in rows})
    others = say("portal-others", lang())
    return [
        (
            say(f"via-{row['via']}", lang()),
            names[row["payee"]] if row["payee"] in largest else others,
            row["amount"],
        )
        for row in rows
    ]


@signed_in(OPERATIONS, AUDITOR)
def review(request: HttpRequest, period: str) -> HttpResponse:
    """Show whose pay a period's settlement changed, and why: since the last one, and the month."""
    shown = get_object_or_404(Period, pk=period)
    page = {
        "period": shown,
        "months": list(Period.objects.order_by("key").values_list("key", flat=True)),
        "since": _since_last(shown, shown.before_known) if shown.before_known else None,
        **_since_month(shown),
    }
    return render(request, "review.html", page)


def _since_last(shown: Period, known: datetime) -> dict[str, Any]:
    """Return what the last settlement changed: sums by cause, and each payee's, largest first."""
    changed = ask_run(shown, changed_since, known.replace(tzinfo=None))
    found = [one for one in changed if one.what == PAID]
    names = dict(Statement.objects.filter(period=shown).values_list("payee", "name"))
    by_payee: defaultdict[tuple[str, str], list[Difference]] = defaultdict(list)
    for one in found:
        by_payee[one.payee, one.currency].append(one)
    rows: list[dict[str, Any]] = [
        {
            "payee": payee,
            "name": names.get(payee, ""),
            "currency": currency,
            "amount": _sum(one.amount for one in changes),
            "causes": changes,
        }
        for (payee, currency), changes in by_payee.items()
    ]
    rows.sort(key=lambda row: (-abs(row["amount"]), row["payee"], row["currency"]))
    causes = sums_of(((one.cause, one.currency), one.amount) for one in found)
    return {
        "known": known,
        "causes": sorted(causes.items(), key=lambda item: (-abs(item[1]), item[0])),
        "rows": rows[:_DIFFERENCES_SHOWN],
        "count": len(rows),
    }


def _since_month(shown: Period) -> dict[str, Any]:
    """Return whose pay differs from the month before, largest change first."""
    earlier = Period.objects.filter(key__lt=shown.key).order_by("-key").first()
    if not earlier:
        return {"month": "", "payees": [], "payee_count": 0}
    names = ("payee", "currency", "name", "payable")
    both = [
        {(payee, currency): (name, Decimal(amount)) for payee, currency, name, amount in found}
        for found in (
            Statement.objects.filter(period=one).values_list(*names) for one in (earlier, shown)
        )
    ]
    before, after = both
    rows = []
    for owner in before.keys() | after.keys():
        was, now = (one.get(owner, ("", Decimal(0))) for one in (before, after))
        if was[1] != now[1]:
            rows.append((*owner, now[0] or was[0], was[1], now[1], now[1] - was[1]))
    rows.sort(key=lambda row: (-abs(row[5]), row[0], row[1]))
    return {
        "month": earlier.key,
        "payees": rows[:_DIFFERENCES_SHOWN],
        "payee_count": len(rows),
    }


@require_POST
@operations
def settle(request: HttpRequest, period: str) -> HttpResponse:
    """Settle a period with all that is known, and show it; in a browser while it watches."""
    try:
        wanted = parse_period(period)
    except ValueError as error:
        raise Http404 from error
    store = store_of(request)
    if cast(PortalRequest, request).htmx:
        act, user = partial(closing.settle, store, wanted), user_of(request).pk
        found = work.start(user, store.actor, Work.SETTLE, wanted.key, 0, act)
        return HttpResponseClientRedirect(reverse("work", args=[found.pk]))
    changed = closing.settle(store, wanted)
    done = "portal-settled" if changed else "portal-settled-same"
    messages.success(request, say(done, lang(), period=period))
    return redirect("period", period)


@require_POST
@operations
def ask(request: HttpRequest, period: str) -> HttpResponse:
    """Ask that a period be closed."""
    shown = get_object_or_404(Period, pk=period)
    first = bool(request.POST.get("first"))
    closing.ask(store_of(request), shown, request.POST.get("reason", ""), first)
    messages.success(request, say("portal-close-asked", lang(), period=period))
    return redirect("period", period)


@require_POST
@operations
def approve(request: HttpRequest, period: str, number: int) -> HttpResponse:
    """Approve that a period be closed, for good."""
    closing.approve(store_of(request), number, period)
    messages.success(request, say("portal-closed", lang(), period=period))
    return redirect("period", period)


@require_POST
@operations
def end(request: HttpRequest, period: str, number: int) -> HttpResponse:
    """Withdraw a close that one asked for, or refuse another's; with a reason."""
    closing.end(store_of(request), number, period, request.POST.get("reason", ""))
    messages.success(request, say("portal-close-ended", lang(), period=period))
    return redirect("period", period)
