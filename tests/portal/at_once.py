"""Two people do the same at once, each by a connection of his own.

`python -m tests.portal.at_once FOLDER` prints what came of each pair. The first is held between
what he has found and what he writes, until the other is over or waits for him.
"""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest import mock

from fenrun.base.problem import Place, Problem, Refused
from fenrun.base.when import parse_period
from fenrun.settle.imports import import_files
from tests.portal import interleaved
from tests.store import harness

_WAITS = 0.7
"""Seconds after which the other is taken to wait for the first."""


@dataclass(frozen=True)
class Pair:
    """Two acts of one kind. Grain: a kind."""

    one: Callable[[], object]
    other: Callable[[], object]
    held: tuple[Any, str]
    """The function before which the first is held: its module, and its name there."""
    left: Callable[[], object]


def _twice(act: Callable[[str], object], held: tuple[Any, str], left: Callable[[], object]) -> Pair:
    """Two of operations do the same."""
    return Pair(partial(act, "two"), partial(act, "three"), held, left)


def tried(pair: Pair) -> dict[str, Any]:
    """Let both act at once. Return what became of each, `one` first, and what is left."""
    said, over = ["", ""], threading.Event()
    place, name = pair.held
    real, first = getattr(place, name), threading.Lock()

    def second() -> None:
        said[1] = _said(pair.other)
        over.set()

    thread = threading.Thread(target=second)

    def held(*given: Any, **named: Any) -> Any:
        if first.acquire(blocking=False):
            thread.start()
            over.wait(_WAITS)
        return real(*given, **named)

    with mock.patch.object(place, name, held):
        said[0] = _said(pair.one)
        if thread.ident is None:
            return {"said": said, "left": "not held"}
        thread.join(60)
    return {"said": said, "left": pair.left()}


def _said(act: Callable[[], object]) -> str:
    """Return what became of an act: `done`, codes of problems, or an exception."""
    from django.db import connections

    try:
        act()
    except Refused as refused:
        return ", ".join(sorted({problem.code for problem in refused.problems}))
    except Exception as error:
        return type(error).__name__
    finally:
        if threading.current_thread() is not threading.main_thread():
            connections.close_all()
    return "done"


def pairs(folder: Path) -> Iterator[tuple[str, Pair]]:
    """Yield the pairs, each as what it needs stands ready. Of August, a partner's P1, and K1."""
    yield from _closing()
    yield from _grants()
    yield from _ways()
    yield from _requests(folder)
    yield from _deliveries()
    yield from _quotes(folder)
    yield from _closed()


def _count(model: Any, **columns: Any) -> int:
    return int(model.objects.using("default").filter(**columns).count())


def _closing() -> Iterator[tuple[str, Pair]]:
    from fenrun.portal import models
    from fenrun.portal.access import authority
    from fenrun.portal.commands import closing

    models.Approval.objects.using("default").all().delete()

    def ask(name: str) -> None:
        shown = models.Period.objects.using("default").get(key=interleaved.AUGUST)
        closing.ask(interleaved._as(name), shown, "As agreed.")

    yield (
        "ask for a close",
        _twice(ask, (authority, "authority_named"), lambda: _count(models.Approval)),
    )


def _grants() -> Iterator[tuple[str, Pair]]:
    from fenrun.portal import models
    from fenrun.portal.access import authority
    from fenrun.portal.commands import grants

    def give(account: str, actor: str) -> models.Grant:
        return grants.give(actor, account, "partner", "P1", "Sells.")

    def live(account: str) -> int:
        return _count(models.Grant, user__username__iexact=account, ended_at=None)

    by_reader = (authority, "authority_named")
    yield "give a grant", _twice(partial(give, "anna"), by_reader, lambda: live("anna"))
    names = (partial(give, "Berta", "two"), partial(give, "berta", "three"))
    yield "names but for their case", Pair(*names, (grants, "_account"), lambda: live("berta"))
    one = give("carl", "one")

    def done(act: str) -> int:
        return _count(models.Event, act=act)

    yield (
        "end a grant",
        _twice(
            lambda name: grants.end(name, one.pk),
            (grants, "record_event"),
            lambda: done("end grant"),
        ),
    )
    grants.give_with_password("root", "dora", "partner", "P1", "Sells.", "nobody guesses this")
    asked = grants.give("one", "dora", "operations", "", "Helps.")
    yield (
        "approve a grant",
        _twice(
            lambda name: grants.approve(name, asked.pk),
            (grants, "record_event"),
            lambda: done("approve grant"),
        ),
    )


def _ways() -> Iterator[tuple[str, Pair]]:
    from allauth.core.exceptions import ImmediateHttpResponse
    from allauth.socialaccount.models import SocialAccount
    from django.contrib.auth.models import User
    from django.http import HttpRequest, HttpResponse

    from fenrun.portal import models
    from fenrun.portal.access import authority, sign_in
    from fenrun.portal.commands import grants, sign_up, tokens, ways, webhooks

    dora = User.objects.using("default").get(username="dora")
    tokens.make(dora, "till", "read", 3)
    token = models.Token.objects.using("default").latest("pk")
    yield (
        "end a token",
        _twice(
            lambda name: ways.end(name, "token", token.pk, None),
            (ways, "record_event"),
            lambda: _count(models.Event, act="end token"),
        ),
    )
    for number in range(webhooks.MOST - 1):
        webhooks.make(dora, f"https://example.com/{number}", "statement")
    yield (
        "make the last webhook",
        _twice(
            lambda name: webhooks.make(dora, f"https://example.com/{name}", "statement"),
            (webhooks, "new_seed"),
            lambda: _count(models.Hook, ended_at=None),
        ),
    )
    yield (
        "make a sign-up link",
        _twice(
            lambda name: sign_up.make_link("dora", "P1"),
            (authority, "authority_named"),
            lambda: _count(models.SignUpLink, ended_at=None),
        ),
    )
    grants.give("one", "emil", "partner", "P1", "Sells.")

    def connect(uid: str, request: Any, user: User) -> None:
        SocialAccount.objects.using("default").create(user=user, provider="o", uid=uid)

    provider = SimpleNamespace(connect=connect)

    def take_up(name: str) -> None:
        came = SimpleNamespace(state={}, is_existing=False)
        came.connect = lambda *given: provider.connect(name, *given)
        came.account = SimpleNamespace(uid=name)
        try:
            sign_in.Provided().pre_social_login(HttpRequest(), came)
        except ImmediateHttpResponse as error:
            raise Refused([Problem("approval-gone", Place("sign-in"))]) from error

    with (
        mock.patch.object(sign_in, "_name_of", lambda came: "emil"),
        mock.patch.object(sign_in, "error_response", lambda *said: HttpResponse("")),
    ):
        yield (
            "take up an account",
            _twice(take_up, (provider, "connect"), lambda: _count(SocialAccount)),
        )


def _requests(folder: Path) -> Iterator[tuple[str, Pair]]:
    from fenrun.portal import events, models
    from fenrun.portal.commands import book, disputes, grants, imports, requests, sign_up, targets

    (request,) = models.Request.objects.using("default").all()

    def decide(state: str) -> None:
        requests.decide(interleaved._as("owner"), request, state)

    yield (
        "consent and refuse",
        Pair(
            partial(decide, "consented"),
            partial(decide, "refused"),
            (events, "record_event"),
            lambda: models.Request.objects.using("default").get().state,
        ),
    )
    for name, role, party in (("fritz", "partner", "P2"), ("gerd", "customer", "K2")):
        grants.give_with_password("root", name, role, party, "Sells.", "nobody guesses this")
    links = [sign_up.make_link(name, party) for name, party in (("dora", "P1"), ("fritz", "P2"))]

    def accept(link: models.SignUpLink) -> None:
        sign_up.accept(interleaved._as("gerd"), link, "K2")

    yield (
        "sign up with two partners",
        Pair(
            partial(accept, links[0]),
            partial(accept, links[1]),
            (requests, "new_request"),
            lambda: len(book.book_of(interleaved._as("two")).links_of("customer", "K2")),
        ),
    )
    dispute = disputes.open_dispute("dora", "P1", interleaved.AUGUST, "", "Too little.")
    yield (
        "answer a dispute",
        Pair(
            lambda: disputes.answer("two", dispute, "accepted", "Yes.", operations=True),
            lambda: disputes.answer("three", dispute, "refused", "No.", operations=True),
            (disputes, "record_event"),
            lambda: models.Dispute.objects.using("default").get(pk=dispute.pk).state,
        ),
    )

    def target(amount: str) -> None:
        said = ("P1", "quota", "2024-08", amount, "CNY", "Agreed.")
        targets.set_target(interleaved._as("two"), *said)

    def known() -> list[object]:
        store = interleaved._as("two")
        of = [event.facts() for event in store.log.events("book")]
        amounts = [row["amount"] for row in targets.Figures(store, figure="quota")]
        moments = [one["known"] for one in of if one["source"].startswith("target-")]
        return [len(set(moments)), [str(amount) for amount in amounts]]

    yield (
        "set a target",
        Pair(partial(target, "100"), partial(target, "200"), (imports, "import_file"), known),
    )


def _deliveries() -> Iterator[tuple[str, Pair]]:
    from fenrun.portal import models
    from fenrun.portal.access import authority
    from fenrun.portal.commands import deliveries

    store = interleaved._as("one")
    october = next(i.id for i in store.imports("charges") if i.source == "october.csv")

    def ask(name: str) -> models.DeliveryDecision:
        return deliveries.ask(interleaved._as(name), october, "void", "", "Not ours.")

    yield (
        "ask for a decision",
        _twice(
            ask,
            (authority, "authority_named"),
            lambda: _count(models.DeliveryDecision, ended_at=None),
        ),
    )
    models.DeliveryDecision.objects.using("default").all().delete()
    asked = ask("one")
    yield (
        "approve and refuse a decision",
        Pair(
            lambda: deliveries.approve(interleaved._as("two"), asked.pk),
            lambda: deliveries.end(interleaved._as("three"), asked.pk),
            (deliveries, "decide"),
            lambda: len(store.log.events("deliveries")),
        ),
    )


def _quotes(folder: Path) -> Iterator[tuple[str, Pair]]:
    from fenrun.portal import events, models
    from fenrun.portal.commands import quotes
    from tests.terms.test_policy import POLICY as policy

    store = interleaved._as("one")
    (folder / "policy.yaml").write_text(policy, "utf-8")
    list(import_files(store, [folder / "policy.yaml"], harness.KNOWN))
    said = {
        "customer": "K1", "grants": "55 % of list", "amount": "300000", "currency": "CNY",
        "from": "2024-12-01", "to": "2025-01-01", "reason": "Tender.",
    }  # fmt: skip
    quote = quotes.ask(interleaved._as("dora"), "discount", "Object Storage", said, "P1")

    def decide(outcome: str, name: str) -> None:
        roles = ("operations",)
        quotes.decide(interleaved._as(name), quote, outcome, "So.", roles)

    yield (
        "decide a step",
        Pair(
            partial(decide, "refused", "two"),
            partial(decide, "refused", "three"),
            (events, "record_event"),
            lambda: len(interleaved._as("two").log.events("terms")),
        ),
    )
    rows = models.Quote.objects.using("default")
    rows.update(entered_at=None)
    yield (
        "enter what was decided",
        _twice(
            lambda name: quotes.enter(interleaved._as(name)),
            (quotes, "rows_of"),
            lambda: len(interleaved._as("two").log.events("terms")),
        ),
    )


def _closed() -> Iterator[tuple[str, Pair]]:
    """Another process shows a close before the one that closed has noted who approved it.

    It may never come to that: then who shows it has noted it.
    """
    from fenrun.portal import models
    from fenrun.portal.commands import approvals, closing, publishing

    august = parse_period(interleaved.AUGUST)
    publishing.publish(interleaved._as("portal"), august)
    models.Approval.objects.using("default").all().delete()
    shown = models.Period.objects.using("default").get(key=august.key)
    asked = closing.ask(interleaved._as("two"), shown, "As agreed.")
    yield (
        "close and show it",
        Pair(
            lambda: closing.approve(interleaved._as("three"), asked.pk),
            lambda: approvals.record_cut_off(interleaved._as("portal"), august),
            (approvals, "record_approval"),
            lambda: [
                _count(models.Event, act="approve close"),
                models.Approval.objects.using("default").get(pk=asked.pk).approved_by,
            ],
        ),
    )


def main(folder: Path) -> None:
    """Try all pairs in a world of their own; print what came of each as a line of JSON."""
    interleaved.prepare(folder)
    for name, pair in pairs(folder):
        print(json.dumps({"pair": name, **tried(pair)}), flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
