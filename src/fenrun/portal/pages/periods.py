"""Operations: the periods, what came out of them, how concentrated it is; settling, and closing by two people."""

from __future__ import annotations

from decimal import Decimal

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_POST

from fenrun.base.money import plain
from fenrun.base.when import parse_period
from fenrun.base.words import say
from fenrun.portal import acts, charts, publish
from fenrun.portal.models import AUDITOR, OPERATIONS, Approval, Period, Statement
from fenrun.portal.pages.common import operations, roles_of, run_of, signed_in, store_of
from fenrun.portal.words import lang
from fenrun.statement.run import Run

_FLOW = """
SELECT c.role, c.via, coalesce(p.name, c.party) AS name, sum(c.amount) AS amount
FROM credits AS c LEFT JOIN parties AS p ON p.party = c.party
WHERE c.main AND c.kind = 'direct' AND c.month >= ? AND c.month < ? AND c.plan_id = (SELECT min(plan_id) FROM credits WHERE main)
GROUP BY ALL ORDER BY ALL"""
_NAMED = 9
TOP = 13
"""So many payees are shown one by one: where a vendor knows its largest by name."""


@signed_in(OPERATIONS, AUDITOR)
def listed(request: HttpRequest) -> HttpResponse:
    """The months of the workspace, settled or not, with their totals."""
    shown = {p.key: p for p in Period.objects.all()}
    earned: dict[str, list[Decimal]] = {key: [] for key in shown}
    for key, amount in Statement.objects.values_list("period_id", "earned"):
        earned[key].append(Decimal(amount))
    rows = [
        {
            "key": month.key,
            "period": shown.get(month.key),
            "earned": plain(sum(earned.get(month.key, ()), Decimal(0))),
            "statements": len(earned.get(month.key, ())),
        }
        for month in reversed(publish.months_of(store_of(request)))
    ]
    waiting = {a.period: a for a in Approval.objects.filter(approved_at=None)}
    return render(
        request,
        "periods.html",
        {
            "rows": rows,
            "waiting": waiting,
            "trend": [(r["key"][2:], r["earned"]) for r in reversed(rows) if r["period"]],
            "may_act": OPERATIONS in roles_of(request),
        },
    )


@signed_in(OPERATIONS, AUDITOR)
def one(request: HttpRequest, period: str) -> HttpResponse:
    """A period: the largest statements, concentration, differences of closed periods, problems, and the way to its close."""
    shown = get_object_or_404(Period, pk=period)
    statements = list(
        Statement.objects.filter(period=shown).order_by("rank").defer("body", "customers")
    )
    partners = [s for s in statements if Decimal(s.earned)]
    earned = sum((Decimal(s.earned) for s in statements), Decimal(0))
    top = sum((Decimal(s.earned) for s in partners[:TOP]), Decimal(0))
    fifth = sum((Decimal(s.earned) for s in partners[: max(1, len(partners) // 5)]), Decimal(0))
    with run_of(shown) as run:
        problems, booked = run.problems, run.booked
        flows = _flows(run)
        totals = [
            {k: plain(v) if isinstance(v, Decimal) else v for k, v in r.items()}
            for r in run.engine.table("ledger").to_pylist()
        ]
    return render(
        request,
        "period.html",
        {
            "period": shown,
            "statements": statements[:TOP],
            "count": len(statements),
            "earning": len(partners),
            "earned": plain(earned),
            "top": plain(top),
            "fifth": plain(fifth),
            "payable": plain(sum((Decimal(s.payable) for s in statements), Decimal(0))),
            "amounts": [s.earned for s in partners],
            "problems": [p.as_json(lang()) for p in problems],
            "booked": booked[:200],
            "booked_count": len(booked),
            "totals": totals,
            "flows": flows,
            "asked": Approval.objects.filter(period=period, approved_at=None).first(),
            "done": list(Approval.objects.filter(period=period).exclude(approved_at=None)),
            "may_act": OPERATIONS in roles_of(request),
            "me": request.user.get_username(),
            "TOP": TOP,
        },
    )


def _flows(run: Run) -> list[tuple[str, list[charts.Link]]]:
    """Of each role, through what the period's spend came to whom: association, registered order, resource; the largest one by one."""
    found: dict[str, list[tuple[str, str, Decimal]]] = {}
    for row in run.engine.query(_FLOW, [run.period.span.start, run.period.span.end]).to_pylist():
        found.setdefault(row["role"], []).append((row["via"], row["name"], row["amount"]))
    flows = []
    for role, rows in sorted(
        found.items(), key=lambda item: -sum(amount for *_, amount in item[1])
    ):
        sums: dict[str, Decimal] = {}
        for _, name, amount in rows:
            sums[name] = sums.get(name, Decimal(0)) + amount
        largest = sorted(sums, key=lambda name: (-sums[name], name))[:_NAMED]
        flows.append(
            (
                role,
                [
                    (
                        say(f"via-{via}", lang()),
                        name if name in largest else say("portal-others", lang()),
                        amount,
                    )
                    for via, name, amount in rows
                ],
            )
        )
    return [
        (role, links) for role, links in flows if len({via for via, *_ in links}) > 1
    ]  # else there is nothing to tell apart


@require_POST
@operations
def settle(request: HttpRequest, period: str) -> HttpResponse:
    """Settle a period with all that is known, and show it."""
    try:
        span = parse_period(period)
    except ValueError as error:
        raise Http404 from error
    changed = acts.settle(store_of(request), span)
    messages.success(
        request, say("portal-settled" if changed else "portal-settled-same", lang(), period=period)
    )
    return redirect("period", period)


@require_POST
@operations
def ask(request: HttpRequest, period: str) -> HttpResponse:
    """Ask that a period be closed."""
    acts.ask_close(
        store_of(request), get_object_or_404(Period, pk=period), request.POST.get("reason", "")
    )
    messages.success(request, say("portal-close-asked", lang(), period=period))
    return redirect("period", period)


@require_POST
@operations
def approve(request: HttpRequest, period: str, number: int) -> HttpResponse:
    """Approve that a period be closed, for good."""
    acts.approve_close(store_of(request), number, period)
    messages.success(request, say("portal-closed", lang(), period=period))
    return redirect("period", period)
