"""The error gallery: for every problem code the smallest thing that shows it, and what is said.

`docs/reference/errors.md` is made from this file by `make docs`, with the words of a real run; a
test holds both equal and the codes complete.
"""

from __future__ import annotations

import contextlib
import csv
import errno
import gzip
import importlib
import io
import json
import os
import shutil
import sqlite3
import sys
import tempfile
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any
from unittest import mock

import pyarrow as pa
import pyarrow.parquet as pq
from click.testing import CliRunner
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from django.db import DatabaseError
from openpyxl import Workbook, load_workbook

from fenrun import cli
from fenrun.base.problem import Place, Problem, Refused
from fenrun.base.when import parse_period
from fenrun.charges.preview import Account, preview_charges
from fenrun.charges.source import Said
from fenrun.closing import close as closing
from fenrun.closing import keys
from fenrun.closing import recompute as again
from fenrun.closing.anchors import ANCHORS, anchor_closes, broken_anchors
from fenrun.closing.close import close
from fenrun.closing.heads import Head, heads_text, signed_heads
from fenrun.closing.keys import broken_keys, public_text, rotate, signing_key
from fenrun.closing.shown import Shown, summary_of
from fenrun.closing.sign_off import climb, leaf_of
from fenrun.credit import checks as credit_checks
from fenrun.engine.choose import new_engine
from fenrun.integrity.findings import Case as FoundCase
from fenrun.integrity.kept import ask_for_case
from fenrun.integrity.life import decide as decide_case
from fenrun.lab import attack as attacks
from fenrun.lab import sweep, whatif
from fenrun.lab.scenario import read_scenario
from fenrun.plan.check.findings import examine
from fenrun.plan.read import PlanFile, read_plan
from fenrun.portal import assistant, request_queue
from fenrun.pricing.agreements import agreements_of
from fenrun.pricing.breaches import breaches_of
from fenrun.pricing.coupons import coupons_of
from fenrun.pricing.lines import prices_of
from fenrun.proof.bundle import make_bundle, write_archive
from fenrun.proof.latest import closed_since
from fenrun.proof.payee_extract import PayeeExtract
from fenrun.proof.verify import verify
from fenrun.proof.vouched import given_fingerprints
from fenrun.settle import runs
from fenrun.settle.deliveries import Decision, decide, decided, undecided
from fenrun.settle.explain import explain
from fenrun.settle.facts import check_workspace, facts_as_of
from fenrun.settle.imports import Wanted, files_in, import_file, import_files
from fenrun.settle.manifests import parts_of
from fenrun.settle.mend_files import write_rows
from fenrun.settle.mending import mend_rows, rows_to_mend
from fenrun.settle.objects import fetch_new
from fenrun.settle.previews import similar_accounts, write_first_book
from fenrun.settle.runs import settle_workspace
from fenrun.settle.standing import Standing
from fenrun.statement.rows import statement_of
from fenrun.store import audit_log as log
from fenrun.store import facts
from fenrun.store.backup import back_up, restore
from fenrun.store.facts import Store
from fenrun.terms.policy import read_policy
from fenrun.whatif.cases import refuse_failing_cases, run_cases
from fenrun.whatif.estimate import Estimator
from tests.scratch import kept_folder

KNOWN = datetime(2024, 12, 1)
ROW = {
    "BilledCost": "1.00",
    "EffectiveCost": "1.00",
    "ContractedCost": "1.00",
    "ListCost": "1.00",
    "BillingAccountId": "A1",
    "BillingCurrency": "CNY",
    "BillingPeriodStart": "2024-09-01T00:00:00Z",
    "BillingPeriodEnd": "2024-10-01T00:00:00Z",
    "ChargePeriodStart": "2024-09-02T00:00:00Z",
    "ChargePeriodEnd": "2024-09-03T00:00:00Z",
    "ChargeCategory": "Usage",
    "InvoiceIssuerName": "Beichen Cloud",
}
PLAN = """plan: tried
title: Tried
source: Terms
published: 2023-12-01
effective: {from: 2024-01-01, to: 2025-01-01}
currency: CNY
timezone: UTC
basis: billed
credit: {first match: [{id: all, mode: single, roles: [partner]}]}
tables:
  rates: [{from: 2024-01-01, source: Terms, kind: all units, bands: [from 0 pays 5 %]}]
earn: {sum: [{id: reward, pays: partner, per: month, on: amount, by: amount, table: rates}]}
"""
BOOK = """links:
  - {of: account, issuer: Beichen Cloud, subject: A1, role: customer, party: K1}
  - {of: customer, subject: K1, role: partner, party: P1}
parties: [{party: K1, kind: customer}, {party: P1, kind: partner}]
"""


@cache
def _portal() -> None:
    """Make the portal ready on a database of its own, once a process: Django takes one."""
    folder = kept_folder("gallery")
    import_file(Store(folder), _written(folder, PLAN), KNOWN)
    from fenrun.portal import serve

    serve.prepare(folder)


def _command(name: str) -> Any:
    """A module of the portal's commands, with the portal ready."""
    _portal()
    return importlib.import_module(f"fenrun.portal.commands.{name}")


def _target_entered(store: Store, **wrong: str) -> list[Problem]:
    given = {"party": "P1", "figure": "task", "period": "2024-09", "amount": "100"}
    given |= {"currency": "CNY", "reason": "As agreed.", **wrong}
    _command("targets").set_target(store, **given)
    return []


def _too_many_charges() -> list[Problem]:
    statements = _command("statements")
    many, line = {"total": 1_000_001}, "channel-2024/month-task/2024-10/P1"
    with mock.patch.object(statements, "charges_of", lambda *_: many):
        statements.charges_as(mock.Mock(), line, "xlsx", "en")
    return []


def _too_much_at_once() -> list[Problem]:
    places = request_queue._Places()
    with (
        contextlib.ExitStack() as stack,
        mock.patch.object(places, "_free", contextlib.nullcontext()),
    ):
        while True:
            stack.enter_context(places.occupied("somebody"))


def _checks_too_long() -> list[Problem]:
    plans = _command("plans")
    with mock.patch.object(plans.worker, "longest", 0):
        plans._examined(read_plan(PLAN, "plan.yaml").plan)
    return []


def _worker_ends() -> list[Problem]:
    """What follows is begun by the process that is to do it, or is told at once."""
    worker = _command("plans").worker
    worker.do(int)
    pool = worker._pool
    for process in list(pool._processes.values()):
        process.kill()
        process.join()
    worker.do(int)
    return []


def _written(folder: Path, text: str, name: str = "plan-text.yaml") -> Path:
    path = folder / name
    path.write_text(text, "utf-8")
    return path


def _module(name: str) -> Any:
    """A module of the portal, with the portal ready."""
    _portal()
    return importlib.import_module(f"fenrun.portal.{name}")


def _account(name: str, role: str, by: str = "root") -> Any:
    """An account with a password that somebody has set beside the workspace; gives its grant."""
    grants = _command("grants")
    return grants.give_with_password(by, name, role, "", "Helps.", "words that nobody guesses")


def _second_of_operations(
    meanwhile: Callable[[Any, Any], Any] = lambda grants, two: None, taken_up: bool = True
) -> list[Problem]:
    """One gives operations to two, whose account something happens to; three approves."""
    grants, models = _command("grants"), importlib.import_module("fenrun.portal.models")
    _account("one", "operations")
    if taken_up:
        _account("two", "auditor")
    given = grants.give("one", "two", "operations", "", "Helps.")
    try:
        meanwhile(grants, given)
        grants.approve("three", given.pk)
    finally:
        for kept in (models.Opening, models.Grant):
            kept.objects.using("default").all().delete()
        given.user.delete(using="default")
    return []


def _full_database() -> list[Problem]:
    """Somebody asks while the database takes nothing. The problem is what the page is made of."""
    middleware, shown = _module("access.middleware"), mock.Mock()
    from django.db import OperationalError
    from django.test import RequestFactory

    with mock.patch.object(middleware, "render", shown), mock.patch.object(middleware, "_log"):
        answer = middleware.refusals(lambda request: None)
        full = OperationalError("database or disk is full")
        answer.process_exception(RequestFactory().get("/"), full)
    return list(shown.call_args.args[2]["problems"])


def _portal_event(spoil: Callable[[Any], Any]) -> list[Problem]:
    """Something happens to an event of the portal after it is in the log."""
    events, found = _module("events"), _module("models").Event.objects.using("default")
    from django.db import transaction

    with tempfile.TemporaryDirectory() as folder, transaction.atomic(using="default"):
        store = Store(Path(folder))
        found.all().delete()
        found.create(pk=1, at=events.now(), actor="one", act="grant", subject="two", salt="salt")
        with mock.patch.object(events, "workspace", lambda actor: store):
            events.enter_events()
        spoil(found)
        problems = list(events.broken_events(store))
        transaction.set_rollback(True, using="default")
    return problems


def _undeclared_table() -> list[Problem]:
    _portal()
    isolation = importlib.import_module("fenrun.portal.access.isolation")
    with mock.patch.object(isolation, "INSIDE", isolation.INSIDE - {"portal_token"}):
        isolation.refuse_undeclared()
    return []


def _by_two(
    store: Store, meanwhile: Callable[[Any, Any], None] = lambda shown, asked: None, by: str = "two"
) -> list[Problem]:
    """One asks to close September; something happens; another, or the same, approves."""
    closing, publishing = _command("closing"), _command("publishing")
    _account("one", "operations")
    models = importlib.import_module("fenrun.portal.models")
    store.actor = "one"
    publishing.publish(store, SEPTEMBER)
    shown = models.Period.objects.using("default").get(key="2024-09")
    asked = closing.ask(store, shown, "September, as agreed")
    try:
        meanwhile(shown, asked)
        store.actor = by
        closing.approve(store, asked.pk)
    finally:
        for kept in (models.Approval, models.Grant, models.Period):
            kept.objects.using("default").all().delete()
    return []


def _rerun(shown: Any, asked: Any) -> None:
    shown.run = "another"
    shown.save(using="default")


def _no_pdf() -> list[Problem]:
    _portal()
    with mock.patch.dict(sys.modules, {"weasyprint": None}):
        importlib.import_module("fenrun.portal.pages.pdf").to_pdf("<p>June</p>")
    return []


def _payment(
    state: str = "due", amount: str = "100.00", currency: str = "CNY", wanted: str = "", **more: Any
) -> list[Problem]:
    """A payment of September to P1 that is in a state and is brought into another one."""
    payments, models = _command("payments"), importlib.import_module("fenrun.portal.models")
    rows = models.Payment.objects.using("default")
    row = rows.create(
        period="2024-09", payee="P1", name="P1", form="cash", state=state, amount=amount,
        currency=currency,
    )  # fmt: skip
    given = {"day": date(2024, 10, 7), "reason": "", **more}
    try:
        payments.change("one", [row.pk] if wanted else [], wanted, **given)
    finally:
        rows.all().delete()
    return []


def _statement_unlike() -> list[Problem]:
    payments, models = _command("payments"), importlib.import_module("fenrun.portal.models")
    body = {"payments": [], "paid": "100.00", "differences": []}
    statement = models.Statement(payee="P1", period_id="2024-09", payable="90.00", body=body)
    payments._due_by(statement)
    return []


def _bulk(store: Store, data: bytes, expected: str = "") -> list[Problem]:
    _command("bulk").enter(store, "targets.csv", data, expected, "For 2024-Q4.")
    return []


_IBAN = "DE89370400440532013000"


def _transfer(
    amount: str = "100.00",
    currency: str = "EUR",
    account: str = f"P1,One GmbH,{_IBAN},",
    head: str = "payee,name,iban,bic",
    without: str = "nothing",
    payer: str = "Beichen Cloud",
) -> list[Problem]:
    """A credit transfer of a payment of September to P1, with a file of accounts."""
    files, models = _command("payment_files"), importlib.import_module("fenrun.portal.models")
    accounts = files.read_accounts(f"{head}\n{account}\n".encode())
    row = models.Payment(
        pk=1, period="2024-09", payee="P1", form="cash", amount=amount, currency=currency
    )
    with mock.patch.dict(sys.modules, {without: None}):
        files.to_pain([row], files.Account(payer, _IBAN, ""), accounts, date(2024, 10, 7))
    return []


def _bench_missing() -> list[Problem]:
    with mock.patch.object(cli, "__file__", "/site-packages/fenrun/cli/__init__.py"):
        cli.module_of("bench")
    return []


def _shown_otherwise(store: Store) -> list[Problem]:
    """A page that stands on a run which the workspace does not give."""
    summary_of(Shown(store.path, "2024-09", KNOWN, "another", ""), ())
    return []


def _reader() -> Any:
    return importlib.import_module("fenrun.portal.access.reader")


def _reader_signs_in(refusal: Exception | None, sees_more: bool) -> list[Problem]:
    """Start on PostgreSQL, with a reader that cannot sign in, or that sees more."""
    asker, owner = mock.MagicMock(), mock.MagicMock()
    asker.settings_dict, owner.settings_dict = {"USER": "fenrun_reader"}, {"USER": "fenrun"}
    asker.cursor.side_effect = refusal
    rows = owner.cursor.return_value.__enter__.return_value
    rows.fetchone.return_value = (sees_more,)
    with mock.patch.object(_reader(), "connections", {"asker": asker, "default": owner}):
        _reader().refuse_unfit()
    return []


def _database_init(env: dict[str, str]) -> list[Problem]:
    with mock.patch.dict(os.environ, env):
        importlib.import_module("fenrun.cli.database_").init.callback(run=False, admin="")
    return []


def _reader_is_not_made() -> list[Problem]:
    import psycopg

    denied = psycopg.Error("permission denied to create role")
    with mock.patch.object(psycopg, "connect", side_effect=denied):
        _reader().run("postgres://fenrun@db/fenrun", "", "")
    return []


def _unsafe_provider() -> list[Problem]:
    _portal()
    serve = importlib.import_module("fenrun.portal.serve")
    with mock.patch.object(serve.settings, "OIDC_URL", "http://id.example.com"):
        serve.prepare(Path(os.environ["FENRUN_WORKSPACE"]))
    return []


def _publishing_breaks() -> list[Problem]:
    unsettled = _command("unsettled")
    with mock.patch.object(unsettled, "_log"), unsettled.noted("2024-09"):
        raise OSError
    found = list(unsettled.problems_of("2024-09"))
    unsettled.forget("2024-09")
    return found


def _import_breaks() -> list[Problem]:
    imports = _command("imports")
    job = imports.Job(1, "one", ["september.csv"], 100, now="september.csv")
    with (
        mock.patch.object(imports, "import_files", side_effect=ArithmeticError()),
        mock.patch.object(imports, "_log"),
    ):
        imports._run(job, mock.Mock(clock_problems=lambda now: []), [], Path("nowhere"))
    return list(job.problems)


def _requested(store: Store) -> list[Problem]:
    """A customer refuses a request, then consents to it."""
    requests, store.actor = _command("requests"), "K1"
    request = requests.ask(store, "association", "K1", "P2", date(2024, 10, 1), "P2 sold it.")
    requests.decide(store, request, "refused")
    requests.decide(store, request, "consented")
    return []


def _wrongly_requested(store: Store) -> list[Problem]:
    order = ("registration", "K1", "P2", date(2024, 10, 1), "P2 sold it.")
    _command("requests").ask(store, *order)
    return []


def _quoted(
    grants: str = "55 % of list", by: str = "lin", outcome: str = "", has_policy: bool = True
) -> Callable[[Store], list[Problem]]:
    """Return what asks for a special price, and has it decided if an outcome is said."""

    def act(store: Store) -> list[Problem]:
        quotes, store.actor = _command("quotes"), "ann"
        if has_policy:
            import_file(store, _written(store.path, POLICY), KNOWN)
        said = {"customer": "K1", "grants": grants, "reason": "A tender."}
        said |= {"from": "2024-10-01", "to": "2025-01-01"}
        quote = quotes.ask(store, "discount", "", said, "")
        try:
            if outcome == "withdrawn":
                quotes.decide(store, quote, outcome, "", {"operations"})
            store.actor = by
            quotes.decide(store, quote, "approved", "", {"operations"})
        finally:
            quote.delete(using="default")
        return []

    return act


def _signed_up(store: Store) -> list[Problem]:
    """A customer that has a partner follows a sign-up link of another."""
    sign_up, store.actor = _command("sign_up"), "K1"
    link = sign_up.make_link("P2", "P2")
    sign_up.accept(store, link, "K1")
    return []


def _disputed() -> list[Problem]:
    disputes = _command("disputes")
    dispute = disputes.open_dispute("P1", "P1", "2024-09", "", "An order is missing.")
    disputes.answer("one", dispute, "accepted", "It was.", True)
    disputes.answer("P1", dispute, "withdrawn", "Thank you.", False)
    return []


def _on_a_dispute(act: Callable[[Any, Any], object]) -> list[Problem]:
    """Do something about an open dispute of P1."""
    disputes = _command("disputes")
    act(disputes, disputes.open_dispute("P1", "P1", "2024-09", "", "An order is missing."))
    return []


def _open_statement() -> Any:
    _portal()
    from fenrun.portal import models

    return models.Statement(payee="P1", period=models.Period(key="2024-09", closed=False))


def _undone(store: Store) -> list[Problem]:
    _target_entered(store)
    _command("targets").undo(store, "P1", "task", "2024-09")
    return []


def _claimed(amount: str) -> list[Problem]:
    disputes = _command("disputes")
    claim = disputes.Claim(amount=amount)
    disputes.open_dispute("P1", "P1", "2024-09", "", "An order is missing.", claim)
    return []


def _questioned(party: str, is_over: bool = False) -> list[Problem]:
    """Ask a party about a case of P1 and K1, and answer once operations have ended that."""
    cases = _command("cases")
    case = FoundCase(
        *("coupon-diverted", "G07", "invariant", ("P1",), ("K1",), ()),
        *(date(2024, 9, 2), date(2024, 9, 2), (), None, None, {}, (), (), "", {}),
    )
    question = cases.ask("one", case, party, "Whose account is A2?")
    if is_over:
        cases.answer("one", question, "Thank you.", True, "over")
        cases.answer("P1", question, "Ours.", False)
    return []


@dataclass(frozen=True)
class Shows:
    """Something that shows a problem: what to read, and how."""

    told: str
    """The thing as text, for the page."""
    find: Callable[[], list[Problem]]


def _said(run: Callable[[], list[Problem]]) -> list[Problem]:
    try:
        return run()
    except Refused as refused:
        return refused.problems


def plan(old: str = "", new: str = "", more: str = "", text: str = "") -> Shows:
    """A plan: the usual one with some text replaced, or added; checked, and its cases run."""
    assert old in PLAN
    whole = text or PLAN.replace(old, new) + more

    def find() -> list[Problem]:
        file = read_plan(whole, "plan.yaml")
        return examine(file.plan, "plan.yaml")[0] + run_cases(file)[1]

    return Shows(text or "\n".join(x for x in (f"{old} -> {new}" if old else "", more) if x), find)


POLICY = """policy: special-prices
currency: CNY
steps:
  - {step: lead, approvers: [lin], within: 2 working days}
  - {step: pricing, approvers: [zhao], within: 24 hours, when: [{discount: 20 %}]}
"""


def policy(old: str = "", new: str = "", more: str = "") -> Shows:
    """A policy: the usual one with some text replaced, or added."""
    assert old in POLICY
    whole = POLICY.replace(old, new) + more

    def find() -> list[Problem]:
        read_policy(whole, "policy.yaml")
        return []

    return Shows("\n".join(x for x in (f"{old} -> {new}" if old else "", more) if x), find)


SCENARIO = "scenario: tried\nfrom: 2024-01-01\n"
VARIED = 'plans: [{plan: tried, set: {tables.rates.bands: ["from 0 pays {rate}"]}}]'


def scenario(text: str, *plans: str, the_book: str = BOOK, **files: str) -> Shows:
    """A scenario, settled beside the usual workspace for September."""

    def act(store: Store) -> list[Problem]:
        for number, plan_text in enumerate(plans):
            import_file(store, _written(store.path, plan_text, f"plan-{number}.yaml"), KNOWN)
        for name, content in files.items():
            _written(store.path, content, f"{name}.yaml")
        read = read_scenario(SCENARIO + text, "scenario.yaml", store.path)
        (outcome,) = whatif(store, [read], parse_period("2024-09")).outcomes
        return list(outcome.problems)

    return replace(settled("", the_book=the_book, act=act), told=text.strip() or SCENARIO)


def swept(text: str) -> Shows:
    """A scenario whose variants are settled beside the usual workspace for September."""

    def act(store: Store) -> list[Problem]:
        read = read_scenario(SCENARIO + text, "scenario.yaml", store.path)
        return list(sweep(store, read, parse_period("2024-09")).problems)

    return replace(settled("", act=act), told=text.strip())


def _off(store: Store) -> list[Problem]:
    """An attack whose prediction is off by a cent."""
    links = (
        "parties: [{party: K2, kind: customer}, {party: P2, kind: partner}]\nlinks:\n"
        "  - {of: account, issuer: Beichen Cloud, subject: A2, role: customer, party: K2}\n"
        "  - {of: customer, subject: K2, role: partner, party: P2}\n"
    )
    import_file(store, _written(store.path, links, "more.yaml"), KNOWN)
    tiers = PLAN.replace("from 0 pays 5 %", "below 100 pays 5 %, from 100 pays 9 %")
    import_file(store, _written(store.path, tiers, "tiers.yaml"), KNOWN)
    predicted = attacks.predicted

    def off(*facts: Any) -> Any:
        return {who: amount + 1 for who, amount in predicted(*facts).items()}

    with mock.patch.object(attacks, "predicted", off):
        attacks.attack(store, parse_period("2024-09"))
    return []


def charges(more: str = "", **cells: str | None) -> Shows:
    """A FOCUS file of one or two rows: the usual one with some cells changed.

    A cell of None leaves the column out.
    """
    row = {**ROW, **cells}
    kept = {k: v for k, v in row.items() if v is not None}
    quoted = {
        k: f'"{v.replace(chr(34), chr(34) * 2)}"' if {",", '"'} & set(v) else v
        for k, v in kept.items()
    }
    text = ",".join(kept) + "\n" + ",".join(quoted.values()) + "\n" + more
    return Shows(
        ", ".join(f"{k}: {v}" if v is not None else f"no {k}" for k, v in cells.items())
        or more
        or text,
        lambda: _import("charges.csv", text.encode()),
    )


def file(name: str, content: Callable[[], bytes] | None, told: str) -> Shows:
    """A file of that name; with no content, none."""
    return Shows(told, lambda: _import(name, content() if content else None))


def _import(name: str, content: bytes | None) -> list[Problem]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / name
        if content is not None:
            path.write_bytes(content)
        return list(import_file(Store(Path(folder) / "ws"), path, KNOWN).problems)


def zoned(zone: str, start: str) -> Shows:
    """A FOCUS file of one row, of which a zone is said."""

    def found() -> list[Problem]:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "charges.csv"
            path.write_bytes(_csv(ChargePeriodStart=start))
            return list(preview_charges(path, said=Said(zone=zone)).problems)

    return Shows(f"ChargePeriodStart: {start}, imported with --zone {zone}", found)


def _csv(**cells: str) -> bytes:
    row = {**ROW, **cells}
    return (",".join(row) + "\n" + ",".join(row.values()) + "\n").encode()


def _row(**cells: str) -> bytes:
    """The row of such a file, without its header."""
    return _csv(**cells).splitlines(True)[1]


def book(text: str, name: str = "book.yaml") -> Shows:
    """A file of tables, and the workspace as a whole after it."""

    def find() -> list[Problem]:
        with tempfile.TemporaryDirectory() as folder:
            path, store = Path(folder) / name, Store(Path(folder) / "ws")
            path.write_text(text, "utf-8")
            import_file(store, path, KNOWN)
            return check_workspace(store)

    return Shows(text, find)


def terms(text: str) -> Shows:
    """A file of terms, and the workspace as a whole after it."""
    return book(text, "terms.yaml")


STEP = (
    "{approval: A1, step: %s, grants: 45 %% of list, asked_by: ann, asked_at: 2024-08-01,"
    " decided_by: boss, decided_at: 2024-08-03, outcome: approved}"
)
COUPON = "{coupon: C1, customer: K1, amount: 50000, currency: CNY, approval: A1}"


def _charge_under(the_terms: str, ask: Callable[[Store], Any], words: str) -> Shows:
    """A charge and terms, asked for what has problems."""
    content = f"{','.join(ROW)}\n{','.join(ROW.values())}\n"

    def find() -> list[Problem]:
        with tempfile.TemporaryDirectory() as folder:
            store = Store(Path(folder) / "ws")
            for name, text in (("charges.csv", content), ("terms.yaml", the_terms)):
                (Path(folder) / name).write_text(text, "utf-8")
                import_file(store, Path(folder) / name, KNOWN)
            return list(ask(store).problems)

    return Shows(f"{the_terms}fenrun {words}", find)


def sold_below(floor: str) -> Shows:
    """A charge and a floor, asked for what was sold below it."""

    def ask(store: Store) -> Any:
        return breaches_of(store, parse_period("2024-09"))

    return _charge_under(f"floors: [{floor}]\n", ask, "breaches WORKSPACE --period 2024-09")


def reissued() -> Shows:
    """A coupon of which more is issued again than was left, asked for what is left."""
    rows = (
        "  - {coupon: C1, customer: K1, amount: 50, currency: CNY}\n"
        "  - {coupon: C2, customer: K1, amount: 60, currency: CNY, reissues: C1}\n"
    )

    def ask(store: Store) -> Any:
        return coupons_of(store, date(2024, 12, 31))

    words = "terms coupons WORKSPACE --on 2024-12-31"
    return _charge_under(f"coupons:\n{rows}", ask, words)


def agreed(agreement: str) -> Shows:
    """A charge and an agreement, asked for what is drawn."""

    def ask(store: Store) -> Any:
        return agreements_of(store, date(2024, 12, 31))

    words = "terms agreements WORKSPACE --on 2024-12-31"
    return _charge_under(f"agreements: [{agreement}]\n", ask, words)


def priced(figure: str = "", **columns: str) -> Shows:
    """A charge, a book and perhaps a figure, asked for what its customer pays."""
    row = ROW | columns
    content = f"{','.join(row)}\n{','.join(row.values())}\n"
    the_book = f"{BOOK}figures: [{figure}]\n" if figure else BOOK

    def find() -> list[Problem]:
        with tempfile.TemporaryDirectory() as folder:
            store = Store(Path(folder) / "ws")
            for name, text in (("charges.csv", content), ("book.yaml", the_book)):
                (Path(folder) / name).write_text(text, "utf-8")
                import_file(store, Path(folder) / name, KNOWN)
            return list(prices_of(store, parse_period("2024-09")).problems)

    return Shows(f"{figure or content}fenrun price WORKSPACE --period 2024-09", find)


def settled(
    told: str,
    the_plan: str = PLAN,
    the_book: str = BOOK,
    content: bytes | None = None,
    period: str = "2024-09",
    act: Callable[[Store], list[Problem]] | None = None,
) -> Shows:
    """A workspace of one plan, one book and one file of charges, settled for a month."""

    def settle(store: Store) -> list[Problem]:
        return list(settle_workspace(store, parse_period(period)).run.problems)

    def ready() -> Path:
        return _ready(the_plan, the_book, content or _csv())

    return Shows(told, lambda: _on_a_copy(ready(), act or settle))


def kept_aside(told: str, act: Callable[[Store], list[Problem]] | None = None) -> Shows:
    """The usual workspace, whose file has a second charge that names no issuer."""
    return settled(told, content=_csv() + _row(InvoiceIssuerName=""), act=act)


def closed(told: str, act: Callable[[Store], list[Problem]]) -> Shows:
    """The usual workspace, of which September is closed already."""
    return Shows(told, lambda: _on_a_copy(_september_closed(), act))


def _on_a_copy(ready: Path, act: Callable[[Store], list[Problem]]) -> list[Problem]:
    """What is said of an act on a copy of a workspace."""
    with tempfile.TemporaryDirectory() as folder:
        store = Store(Path(folder) / ready.name)
        shutil.copytree(ready, store.path)
        return [
            replace(p, place=replace(p.place, source=p.place.source.replace(folder, "...")))
            for p in _said(lambda: act(store))
        ]


@cache
def _ready(the_plan: str, the_book: str, content: bytes) -> Path:
    """A workspace of a plan, a book and a file of charges, made once a process."""
    folder = kept_folder("gallery")
    for name, text in (
        ("plan.yaml", the_plan.encode()),
        ("book.yaml", the_book.encode()),
        ("charges.csv", content),
    ):
        (folder / name).write_bytes(text)
        import_file(Store(folder / "ws"), folder / name, KNOWN)
    return folder / "ws"


@cache
def _september_closed() -> Path:
    """The usual workspace with September closed, made once a process, signed by the first key."""
    made = kept_folder("gallery") / "ws"
    shutil.copytree(_ready(PLAN, BOOK, _csv()), made)
    with _same_keys(1):
        close(Store(made), SEPTEMBER)
    return made


@cache
def _september_bundle() -> bytes:
    """P1's bundle of the closed September, made once a process."""
    path = kept_folder("gallery") / "P1.zip"
    make = _does(lambda store: make_bundle(store, "P1", SEPTEMBER, path))
    _on_a_copy(_september_closed(), make)
    return path.read_bytes()


def _sabotaged(store: Store) -> list[Problem]:
    """A run whose credit stage says that an invariant broke."""
    whole = credit_checks.broken
    credit_checks.broken = lambda runner, crediting: ["a role is credited over 100 %"]
    try:
        return list(settle_workspace(store, parse_period("2024-09")).run.problems)
    finally:
        credit_checks.broken = whole


SEPTEMBER = parse_period("2024-09")


COUNTS = "figures: {prepaid: recognised of prepay}\n"
TYPED = "figures: [{party: P1, figure: prepaid, period: 2024-09, amount: 1, currency: CNY}]\n"
FOREIGN = (
    "agreements: [{agreement: B1, kind: prepay, from: 2024-01-01, to: 2025-01-01, amount: 9,"
    " currency: USD}]"
)


def settled_with_payments(*payments: str) -> Shows:
    """A plan that counts what is paid of accounts, settled with some payments of 1 CNY."""
    common = {"day": "2024-09-05", "payer": "K1", "customer": "K1", "amount": "1"}
    common |= {"currency": "CNY", "kind": "invoice"}
    rows = []
    for number, said in enumerate(payments, 1):
        own = common | dict(pair.split(": ") for pair in said.split(", "))
        pairs = ", ".join(f"{name}: {value}" for name, value in own.items())
        rows.append(f"{{payment: R{number}, {pairs}}}")
    text = f"payments: [{', '.join(rows)}]\n"
    plan_text = PLAN.replace(
        "per: month,", "per: month, counted with: payments of BillingAccountId,"
    )
    return settled(f"{text}fenrun settle WORKSPACE", plan_text, act=_with_terms(text))


def _with_terms(text: str) -> Callable[[Store], list[Problem]]:
    """Settle with a file of terms besides."""

    def act(store: Store) -> list[Problem]:
        path = store.path.parent / "terms.yaml"
        path.write_text(text, "utf-8")
        import_file(store, path, KNOWN)
        return list(settle_workspace(store, SEPTEMBER).run.problems)

    return act


TWO_MONTHS = (
    _csv()
    + (
        ",".join(
            {
                **ROW,
                "BillingPeriodStart": "2024-08-01T00:00:00Z",
                "BillingPeriodEnd": "2024-09-01T00:00:00Z",
                "ChargePeriodStart": "2024-08-02T00:00:00Z",
                "ChargePeriodEnd": "2024-08-03T00:00:00Z",
            }.values()
        )
        + "\n"
    ).encode()
)


def _closing(*periods: str, known: datetime | None = None) -> Callable[[Store], list[Problem]]:
    """Close these periods one after the other."""

    def act(store: Store) -> list[Problem]:
        for period in periods:
            close(store, parse_period(period), known)
        return []

    return act


def _does(act: Callable[[Store], object]) -> Callable[[Store], list[Problem]]:
    """Act where what is refused is what is shown."""
    return lambda store: [act(store)][1:]  # type: ignore[return-value]


def _after_august(act: Callable[[Store], object]) -> Callable[[Store], list[Problem]]:
    return lambda store: _closing("2024-08")(store) + _does(act)(store)


def _busy(store: Store) -> list[Problem]:
    """A second writer with no patience while a first one writes."""
    patience, log.PATIENCE = log.PATIENCE, 0
    try:
        with store.log.writing():
            close(store, SEPTEMBER)
    finally:
        log.PATIENCE = patience
    return []


def _full(store: Store) -> list[Problem]:
    """September is settled on a full disk."""
    full = OSError(errno.ENOSPC, "")
    with mock.patch.object(facts.tempfile, "mkdtemp", side_effect=full):
        settle_workspace(store, SEPTEMBER)
    return []


def _damaged(store: Store) -> list[Problem]:
    """A byte of the book in a backup is changed."""
    path = store.path.parent / "backup.zip"
    back_up(store, path, KNOWN)
    content = path.read_bytes()
    path.write_bytes(content.replace(b"Terms", b"terms", 1))
    restore(path, store.path.parent / "restored")
    return []


def _portal_elsewhere(store: Store) -> list[Problem]:
    words = ["backup", str(store.path), "--to", str(store.path.parent / "backup.zip"), "--json"]
    with mock.patch.dict(os.environ, DATABASE_URL="postgres://user@host/name"):
        said = CliRunner().invoke(cli.command_of("backup"), words[1:])
    found = json.loads(said.stdout)
    values = {"taken": "2024-12-02 09:00", "events": found["log"]["seq"]}
    return [Problem(one["code"], Place("backup.zip"), values) for one in found["problems"]]


def _facts_meanwhile(store: Store) -> list[Problem]:
    """A file of the same moment comes while September is being closed."""
    rows = closing.signed_off_rows

    def late(run: object) -> object:
        closing.signed_off_rows = rows
        import_file(store, _more(store), KNOWN)
        return rows(run)  # type: ignore[arg-type]

    closing.signed_off_rows = late  # type: ignore[assignment]
    close(store, SEPTEMBER)
    return []


def _kept_by_older(store: Store) -> None:
    """A version that keeps one table more reads what this one closed."""
    with mock.patch.object(runs, "KEPT", (*runs.KEPT, "later_table")):
        closing.settle_period(store, SEPTEMBER)


def _otherwise(store: Store) -> list[Problem]:
    """A version that rounds otherwise looks at what is closed."""
    rows = again.signed_off_rows

    def otherwise(run: Any) -> Any:
        found = rows(run)
        return found if run.closed else {payee: {} for payee in found}

    again.signed_off_rows = otherwise
    try:
        return again.recompute(store)
    finally:
        again.signed_off_rows = rows


def _kept_edited(store: Store) -> list[Problem]:
    """The run that was shown is edited on the disk before September is closed."""
    shown = settle_workspace(store, SEPTEMBER)
    payments = store.path / "runs" / shown.run_id / "payments.parquet"
    pq.write_table(pq.read_table(payments).slice(0, 0), payments)
    close(store, SEPTEMBER)
    return []


def _meanwhile(store: Store) -> list[Problem]:
    """August is closed while September is being closed."""
    rows = closing.signed_off_rows

    def late(run: object) -> object:
        closing.signed_off_rows = rows
        close(store, parse_period("2024-08"))
        return rows(run)  # type: ignore[arg-type]

    closing.signed_off_rows = late  # type: ignore[assignment]
    close(store, SEPTEMBER, first=True)
    return []


def _key_file(store: Store) -> Path:
    return store.path / "signing-key.pem"


def _same_keys(first: int) -> Any:
    """Make the same keys every time, one after the other: their fingerprints are on the page."""
    made = (Ed25519PrivateKey.from_private_bytes(bytes([n]) * 32) for n in range(first, 9))
    return mock.patch.object(keys, "_new_key", lambda: next(made))


def _keyed(act: Callable[[Store], list[Problem]]) -> Callable[[Store], list[Problem]]:
    """Act with the same further keys every time."""

    def keyed(store: Store) -> list[Problem]:
        with _same_keys(2):
            return act(store)

    return keyed


def _with_another_key(store: Store) -> None:
    """The key of a workspace whose log knows none yet is put in the place of the one known."""
    other = Store(store.path.parent / "another")
    signing_key(other)
    shutil.copy(_key_file(other), _key_file(store))
    signing_key(store)


def _key_lost(store: Store) -> list[Problem]:
    """The key is lost and a new one made, which nobody signs."""
    _key_file(store).unlink()
    rotate(store, lost=True)
    return broken_keys(store)


def _raise(problems: list[Problem]) -> None:
    raise Refused(problems)


def _anchored(
    address: str, then: Callable[[Store], object], late: Sequence[datetime] = ()
) -> Callable[[Store], list[Problem]]:
    """September is closed and noted at an anchor; then the log is compared with it."""

    def act(store: Store) -> list[Problem]:
        kept: list[Head] = []
        elsewhere = mock.Mock(
            heads=lambda: kept, add=kept.extend, late=lambda: list(zip(kept, late))
        )
        (store.path / "signing.yaml").write_text(f"anchors: ['{address}']\n")
        close(store, SEPTEMBER)
        with mock.patch.dict(ANCHORS, {"elsewhere": lambda path: elsewhere}):
            problems = anchor_closes(store)
            then(store)
            return problems + broken_anchors(store)

    return act


def _written_anew(store: Store) -> None:
    """The same events by somebody else, and every hash right."""
    events = store.log.events()
    with store.log.writing() as log:
        log.connection.execute("DELETE FROM events")
        for event in events:
            said = json.loads(event.before), event.facts()
            log.add(KNOWN, "nobody", event.act, event.kind, event.subject, "", *said)


def _nothing_to_publish(store: Store) -> list[Problem]:
    publish = cli.command_of("key").commands["publish"]  # type: ignore[attr-defined]
    publish.callback(store, store.path / "key.json")
    return []


def _bundled(
    spoil: Callable[[Path, Store], object] = lambda path, store: None, key: str = ""
) -> Callable[[Store], list[Problem]]:
    """Take P1's bundle of September, spoil it or the workspace, and verify the bundle."""

    def act(store: Store) -> list[Problem]:
        path = store.path.parent / "P1.zip"
        path.write_bytes(_september_bundle())
        spoil(path, store)
        verify(path, given_fingerprints(key) if key else [])
        return []

    return act


def _latest(write: Callable[[list[Head], Store], str]) -> Callable[[Store], list[Problem]]:
    """Verify P1's bundle of September beside some text of heads."""

    def act(store: Store) -> list[Problem]:
        path, heads = store.path.parent / "P1.zip", store.path / "heads.jsonl"
        path.write_bytes(_september_bundle())
        heads.write_text(write(signed_heads(store), store), "utf-8")
        closed_since(str(heads), verify(path))
        return []

    return act


def _signed_by_another(head: Head, store: Store) -> Head:
    key = Ed25519PrivateKey.from_private_bytes(bytes(32))
    other = replace(head, public_key=public_text(key))
    return replace(other, signature=key.sign(other.content()).hex())


def _closed_otherwise(head: Head, store: Store) -> Head:
    other = replace(head, hash="0" * 64)
    return replace(other, signature=signing_key(store).sign(other.content()).hex())


def _repacked(
    change: Callable[[dict[str, bytes]], object], sign: bool = False
) -> Callable[[Path, Store], object]:
    """Change the parts of a bundle; `sign` signs it again, as a vendor that cheats would."""

    def spoil(path: Path, store: Store) -> None:
        with zipfile.ZipFile(path) as old:
            parts = {name: old.read(name) for name in old.namelist()}
        change(parts)
        if sign:
            parts["signature"] = signing_key(store).sign(parts["bundle.json"])
        write_archive(path, parts)

    return spoil


def _edited(parts: dict[str, bytes]) -> None:
    """The payee's charge made ten times as much."""
    name = next(n for n in parts if n.endswith("charges.parquet"))
    table = pq.read_table(io.BytesIO(parts[name]))
    out = io.BytesIO()
    pq.write_table(
        table.set_column(
            table.schema.get_field_index("BilledCost"),
            "BilledCost",
            pa.array([Decimal("10.00")], table["BilledCost"].type),
        ),
        out,
    )
    parts[name] = out.getvalue()


def _of_another_root(parts: dict[str, bytes]) -> None:
    """A bundle whose close signed off something else."""
    said = json.loads(parts["bundle.json"])
    said["seal"]["root"] = "0" * 64
    parts["bundle.json"] = json.dumps(said).encode()


def _cheated(parts: dict[str, bytes]) -> None:
    """A statement of 0.50 instead of 0.05, sealed and signed as if it were right."""
    said = json.loads(parts["bundle.json"].replace(b'"0.05"', b'"0.50"'))
    said["seal"]["root"] = climb(
        leaf_of(said["payee"], said["closes"], said["statement"], said["seal"]["salt"]),
        said["seal"]["path"],
    )
    parts["bundle.json"] = json.dumps(said).encode()


def _unsealed(path: Path, store: Store) -> None:
    with mock.patch("fenrun.proof.bundle.leaf_of", return_value="0"):
        make_bundle(store, "P1", SEPTEMBER, path)


def _underived(path: Path, store: Store) -> None:
    """A bundle that leaves out the payee's charges, as a fault in fenrun might."""
    rows = PayeeExtract.rows_of
    PayeeExtract.rows_of = lambda self, item: set()  # type: ignore[method-assign]
    try:
        make_bundle(store, "P1", SEPTEMBER, path)
    finally:
        PayeeExtract.rows_of = rows  # type: ignore[method-assign]


def _more(store: Store) -> Path:
    path = store.path.parent / "more.csv"
    path.write_bytes(_csv(BilledCost="2.00"))
    return path


_HEADINGS = {
    "BillingAccountId": "账单账号",
    "BilledCost": "应付金额",
    "BillingCurrency": "币种",
    "BillingPeriodStart": "账期",
    "ChargePeriodStart": "消费时间",
}


def _headed(cost: str) -> bytes:
    """Return charges below headings that are not those of FOCUS."""
    headings = [*(_HEADINGS | {"BilledCost": cost}).values()]
    return f"{','.join(headings)}\nA1,1.00,CNY,2024-09,2024-09-03\n".encode()


def _agreed(store: Store, cost: str) -> list[Problem]:
    path = store.path.parent / "bill.csv"
    path.write_bytes(_headed(cost))
    wanted = Wanted(columns=_HEADINGS, fills={"InvoiceIssuerName": "Beichen"})
    return [p for one in import_files(store, [path], KNOWN, wanted=wanted) for p in one.problems]


def _mends(store: Store, row: str = "3", issuer: str = "") -> list[Problem]:
    """Import the rows of charges.csv that were kept aside, the first of them otherwise."""
    item = store.imports("charges")[0]
    text = write_rows(item, rows_to_mend(store, item, KNOWN), ".csv").decode()
    path = store.path.parent / "rows.csv"
    with path.open("w", newline="") as file:
        records = list(csv.DictReader(io.StringIO(text)))
        records[0] |= {"fenrun:row": row, "InvoiceIssuerName": issuer}
        writer = csv.DictWriter(file, list(records[0]))
        writer.writeheader()
        writer.writerows(records)
    return list(import_file(store, path, KNOWN).problems)


def _mends_of_cell(value: object) -> Callable[[Store], list[Problem]]:
    """Import a workbook of rows to mend, in which a cell is no text."""

    def act(store: Store) -> list[Problem]:
        item, path = store.imports("charges")[0], store.path.parent / "rows.xlsx"
        path.write_bytes(write_rows(item, rows_to_mend(store, item, KNOWN)))
        book = load_workbook(path)
        book.worksheets[0].cell(2, 2).value = value
        book.save(path)
        return list(import_file(store, path, KNOWN).problems)

    return act


def _book_with_a_hidden_row() -> bytes:
    book, out = Workbook(), io.BytesIO()
    sheet = book.worksheets[0]
    sheet.title = "parties"
    for row in (["party", "kind", "name"], ["K1", "customer", "Kun"], ["P1", "partner", "Hu"]):
        sheet.append(row)
    sheet.row_dimensions[3].hidden = True
    book.save(out)
    return out.getvalue()


def _twice_then(then: Callable[[Store], object]) -> Callable[[Store], list[Problem]]:
    """Import a file that holds a charge again, then do something."""

    def act(store: Store) -> list[Problem]:
        path = store.path.parent / "more.csv"
        path.write_bytes(_csv() + _row(BilledCost="3.00"))
        import_file(store, path, KNOWN)
        then(store)
        return undecided(store, KNOWN)

    return act


def _of_run(parts: int, size: int | None = None, rows: int = 1) -> Callable[[], list[Problem]]:
    """Import a folder with a manifest of two parts."""

    def found() -> list[Problem]:
        with tempfile.TemporaryDirectory() as folder:
            for number in range(1, parts + 1):
                day = f"2024-09-0{number}T00:00:00Z"
                Path(folder, f"part-{number}.csv").write_bytes(_csv(ChargePeriodStart=day))
            blobs = [{"blobName": f"part-{n}.csv", "byteCount": size} for n in (1, 2)]
            said = {"dataRowCount": rows * 2, "blobs": blobs}
            Path(folder, "manifest.json").write_text(json.dumps(said))
            taken, passed = files_in(Path(folder))
            wanted = Wanted(parts=parts_of(Path(folder), taken).of)
            store = Store(Path(folder, "ws"))
            list(import_files(store, taken, KNOWN, wanted=wanted))
            return [*passed, *undecided(store, KNOWN)]

    return found


def _in_two(store: Store) -> list[Problem]:
    """Import what a charge bills as two."""
    path = store.path.parent / "more.csv"
    half = str(Decimal(ROW["BilledCost"]) / 2)
    rows = [_csv(BilledCost=half, ServiceName=name).splitlines() for name in ("VM", "Disk")]
    path.write_bytes(b"\n".join([*rows[0], rows[1][1]]) + b"\n")
    import_file(store, path, KNOWN)
    return undecided(store, KNOWN)


_NAMED = {"ResourceId": "db-1", "ServiceName": "VM", "BilledCost": "7.00"}


def _told_otherwise(**changed: str) -> Callable[[Store], list[Problem]]:
    """Import a bill of two charges, and again with some cells changed in both."""

    def act(store: Store) -> list[Problem]:
        for name, cells in (("june.csv", {}), ("june-2.csv", changed)):
            path = store.path.parent / name
            cells = _NAMED | cells
            path.write_bytes(
                _csv(**cells) + _row(**cells | {"ResourceId": "db-2", "BilledCost": "5"})
            )
            import_file(store, path, KNOWN)
        return undecided(store, KNOWN)

    return act


def _other_month(store: Store) -> list[Problem]:
    path = store.path.parent / "october.csv"
    path.write_bytes(_csv(BillingPeriodStart="2024-10-01T00:00:00Z"))
    return list(import_file(store, path, KNOWN, replaces=["charges.csv"]).problems)


def _half_refused(store: Store) -> list[Problem]:
    """Import two files in the place of one, of which one cannot be read."""
    paths = [store.path.parent / name for name in ("june-1.csv", "june-2.csv")]
    for path, cost in zip(paths, ("2.00", "x")):
        path.write_bytes(_csv(BilledCost=cost))
    outcomes = import_files(store, paths, KNOWN, wanted=Wanted(("charges.csv",)))
    return [problem for one in outcomes for problem in one.problems]


def _sourced(files: str, *deliveries: tuple[str, bytes]) -> Callable[[Store], list[Problem]]:
    """Say in sources.yaml how files come, and import some."""

    def act(store: Store) -> list[Problem]:
        said = f"sources: [{{source: beichen, files: '{files}', delivers: overwrite}}]\n"
        (store.path / "sources.yaml").write_text(said, "utf-8")
        found = list[Problem]()
        for name, content in deliveries:
            path = store.path.parent / name
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(content)
            found += import_file(store, path, KNOWN).problems
        return found + undecided(store, KNOWN)

    return act


def _with_invoice(invoice: str) -> bytes:
    head, row = _csv().decode().splitlines()
    return f"{head},InvoiceId\n{row},{invoice}\n".encode()


def _beside(*files: str, void: bool = False) -> Callable[[Store], list[Problem]]:
    """Import files of other datasets beside the charges; leave the first out, if wanted."""

    def act(store: Store) -> list[Problem]:
        found = list[Problem]()
        for number, text in enumerate(files):
            path = store.path.parent / f"dataset-{number}.csv"
            path.write_text(text, "utf-8")
            found += import_file(store, path, KNOWN).problems
        if void:
            decide(store, "dataset-0.csv", Decision(leave_out=True), KNOWN)
        return found + undecided(store, KNOWN)

    return act


INVOICE = (
    "InvoiceIssuerName,InvoiceId,InvoiceDetailId,InvoiceIssueStatus,BilledCost,BillingCurrency,"
    "BillingPeriodStart\n"
    "Beichen Cloud,I-1,1,Issued,5.00,CNY,2024-09-01T00:00:00Z\n"
)
BILLING_PERIOD = (
    "InvoiceIssuerName,BillingPeriodStart,BillingPeriodStatus\n"
    "Beichen Cloud,2024-09-01T00:00:00Z,Open\n"
)


def _voided_again(store: Store) -> list[Problem]:
    decide(store, "charges.csv", Decision(void=True), KNOWN)
    path = store.path.parent / "charges.csv"
    path.write_bytes(_csv())
    return list(import_file(store, path, KNOWN).problems)


def _by_list_cost(store: Store) -> list[Problem]:
    path = store.path.parent / "plan.yaml"
    path.write_text(PLAN.replace("basis: billed", "basis: list"))
    import_file(store, path, KNOWN)
    return check_workspace(store)


def _billed_by_two(store: Store) -> list[Problem]:
    path = store.path.parent / "marketplace.csv"
    path.write_bytes(_csv(ResourceId="db-1", InvoiceIssuerName="Nanhai Marketplace"))
    import_file(store, path, KNOWN)
    return undecided(store, KNOWN)


def _left_out(store: Store) -> list[Problem]:
    decide(store, "charges.csv", Decision(leave_out=True), KNOWN)
    return undecided(store, KNOWN)


def _mended(store: Store, row: int) -> list[Problem]:
    mend_rows(store, "charges.csv", {row: {"InvoiceIssuerName": "Beichen Cloud"}}, KNOWN)
    return []


def _decided_meanwhile(store: Store) -> list[Problem]:
    """A decision holds as the first has seen it; meanwhile a row of the delivery was mended."""
    seen = decided(store, "charges.csv", Decision(void=True), KNOWN)[1]
    _mended(store, 3)
    decide(store, "charges.csv", Decision(void=True), KNOWN, expected=seen)
    return []


def _of_facts(store: Store) -> list[Problem]:
    """The publishing of a scenario that changes what is billed, asked for."""
    scenarios, models = _command("scenarios"), importlib.import_module("fenrun.portal.models")
    store.actor = "one"
    text = "scenario: dearer\nfrom: 2024-01-01\nprices: [{list: +10 %}]"
    try:
        scenarios.ask(store, scenarios.save(store, text).pk, "As agreed.")
    finally:
        models.Scenario.objects.using("default").all().delete()
    return []


def _decision(store: Store, *by: str, kind: str = "void") -> list[Problem]:
    """A decision about charges.csv that one asks for; `by`: who asks or approves next."""
    deliveries, models = _command("deliveries"), importlib.import_module("fenrun.portal.models")
    _account("one", "operations")
    store.actor = "one"
    (item,) = store.imports("charges")
    try:
        asked = deliveries.ask(store, item.id, kind, "", "It came twice.")
        if by:
            deliveries.approve(store, asked.pk)
        deliveries.ask(store, item.id, kind, "", "It came twice.")
    finally:
        for kept in (models.DeliveryDecision, models.Grant):
            kept.objects.using("default").all().delete()
    return []


def _passed_over() -> list[Problem]:
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "notes.txt").write_text("nothing of this kind\n", "utf-8")
        return files_in(Path(folder))[1]


def _failing() -> PlanFile:
    return read_plan(PLAN + CASE, "plan.yaml")


def _log(sql: str, head: str = "") -> Callable[[Store], list[Problem]]:
    """Change the log behind fenrun's back, then verify it."""

    def act(store: Store) -> list[Problem]:
        with contextlib.closing(sqlite3.connect(store.log.path)) as connection:
            connection.execute(sql)
            connection.commit()
        return store.broken(head)

    return act


def _file(change: Callable[[Path], object]) -> Callable[[Store], list[Problem]]:
    """Change the stored book behind fenrun's back, then verify."""

    def act(store: Store) -> list[Problem]:
        change(store.imports("book")[0].folder)
        return store.broken()

    return act


def _unusable() -> list[Problem]:
    """The command line where a folder cannot be made."""
    said: list[Problem] = []
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "a-file").write_text("", "utf-8")
        words, fail = sys.argv, cli.fail
        sys.argv, cli.fail = (
            ["fenrun", "world", f"{folder}/a-file/inside"],
            lambda problems: said.extend(problems) or 1,
        )  # type: ignore[assignment,func-returns-value]
        try:
            cli.main()
        except SystemExit:
            pass
        finally:
            sys.argv, cli.fail = words, fail
        return [
            replace(p, place=replace(p.place, source=p.place.source.replace(folder, "...")))
            for p in said
        ]


def _sell_nothing(store: Store) -> list[Problem]:
    Estimator(Standing(facts_as_of(store, KNOWN), SEPTEMBER, KNOWN)).sell("P9", Decimal(100))
    return []


def _asked(what: str) -> Callable[[Store], list[Problem]]:
    def act(store: Store) -> list[Problem]:
        run = settle_workspace(store, parse_period("2024-09")).run
        _ = statement_of(run, "P9") if what == "payee" else explain(run, "tried/reward/2024-09/P9")
        return []

    return act


def _exists() -> list[Problem]:
    from tests.command import fenrun

    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "mine.txt").write_text("mine")
        said = fenrun("world", folder, "--rows", "1000", "--json").json()["problems"]
        return [Problem(said[0]["code"], replace(_PLACE, source="..."), {"path": "..."})]


def _zip(**files: bytes) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return packed.getvalue()


def _total(amount: str) -> bytes:
    """A last row of a CSV file that has nothing but an amount."""
    return (",".join(amount if name == "BilledCost" else "" for name in ROW) + "\n").encode()


def _parquet(**types: pa.DataType) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        table = pa.table({c: [v] for c, v in ROW.items()})
        for name, kind in types.items():
            column = pa.chunked_array([[1]], kind) if "Start" in name else table[name].cast(kind)
            table = table.set_column(table.schema.get_field_index(name), name, column)
        pq.write_table(table, Path(folder) / "c.parquet")
        return (Path(folder) / "c.parquet").read_bytes()


_PLACE = Place("...")
USUAL_TABLE = "bands: [from 0 pays 5 %]"
COLUMNS = "columns: [{when: ChargeCategory = 'Tax', bands: [pays 1 %]}, {bands: [pays 5 %]}]"
REWARD = "{id: reward, pays: partner, per: month, on: amount, by: amount, table: rates}"
CASE = (
    "cases: [{case: one, given: {links: [{of: customer, subject: K1, role: partner, party: P1}], "
    "charges: [{customer: K1, month: 2024-03, billed: 100}]}, "
    "expect: [{payee: P1, period: 2024-03, earned: 6.00}]}]\n"
)
TWICE = (
    "{id: g, exclusive: ["
    "{id: one, pays: partner, of: BilledCost > 0, "
    "per: month, on: amount, by: amount, table: rates}, "
    "{id: two, pays: partner, of: class = 'C', per: month, on: amount, by: amount, table: rates}]}"
)
LATER = ", {from: 2024-07-01, source: Letter, kind: all units, bands: [from 0 pays 4 %]}"
FUND = "pay: {forms: [100 % co-op], funds: [{form: co-op, claims: claimed}]}\n"
ORDERS = "\n".join(
    f"  - {{of: order, issuer: Beichen Cloud, subject: SO-{n}, role: partner, party: P1, "
    f"from: 2024-09-0{n}}}"
    for n in (1, 2)
)
CLAIMS = "\n".join(
    [
        "  - {of: account, issuer: Beichen Cloud, subject: A1, role: customer, party: K1}",
        "  - {of: customer, subject: K1, role: partner, party: P1}",
        "  - {of: customer, subject: K1, role: partner, party: P2, from: 2024-09-01}",
    ]
)
HANDS = "\n".join(
    [
        "  - {of: account, issuer: Beichen Cloud, subject: A1, role: customer, party: K1}",
        "  - {of: customer, subject: K1, role: partner, party: P1, to: 2024-02-01}",
        "  - {of: customer, subject: K1, role: partner, party: P2, "
        "from: 2024-02-01, to: 2024-03-01}",
        "  - {of: customer, subject: K1, role: partner, party: P3, from: 2024-03-01}",
    ]
)


def _set(**settings: str) -> list[Problem]:
    """An engine with these settings, where pyspark is not to be found."""
    with mock.patch.dict(os.environ, settings), mock.patch.dict(sys.modules):
        for name in [
            n for n in sys.modules if n == "fenrun.engine.spark" or n.split(".")[0] == "pyspark"
        ]:
            del sys.modules[name]
        sys.modules["pyspark"] = None  # type: ignore[assignment]
        new_engine()
    return []


def _worker_without_duckdb() -> list[Problem]:
    """The end of what Spark says of a task that failed in Python."""
    from fenrun.engine.spark import failed

    said = "An exception was thrown from the Python worker:\nTraceback (most recent call last):\n"
    raise failed(RuntimeError(f"{said}ModuleNotFoundError: No module named 'duckdb'"))


def _older() -> list[Problem]:
    """Open a workspace of another format."""
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        workspace = Path("WORKSPACE")
        workspace.mkdir()
        (workspace / "fenrun.json").write_text('{"format": 2}', "utf-8")
        Store.open(workspace)
    return []


GALLERY: dict[str, Shows] = {
    "workspace-missing": Shows(
        "fenrun check nowhere", lambda: (Store.open(Path("nowhere")), [])[1]
    ),
    "workspace-format": Shows("fenrun check WORKSPACE, which an older version wrote", _older),
    "setting-unreadable": Shows(
        "FENRUN_ENGINE=abacus fenrun settle WORKSPACE --period 2024-09",
        lambda: _set(FENRUN_ENGINE="abacus"),
    ),
    "engine-missing": Shows(
        "FENRUN_ENGINE=spark fenrun settle WORKSPACE --period 2024-09, "
        "where pyspark is not installed",
        lambda: _set(FENRUN_ENGINE="spark"),
    ),
    "engine-failed": Shows(
        "FENRUN_ENGINE=spark fenrun settle WORKSPACE --period 2024-09, where a worker lacks DuckDB",
        _worker_without_duckdb,
    ),
    "file-unreadable": file("charges.csv", None, "a file that is not there"),
    "file-truncated": file(
        "charges.csv.gz", lambda: gzip.compress(_csv() * 3000)[:-500], "a gzip file without its end"
    ),
    "file-too-large": file(
        "charges.csv.gz",
        lambda: gzip.compress(_csv() + b"\n" * (64 << 20)),
        "a gzip file of 64 KB that holds 64 MB of line ends",
    ),
    "file-empty": file("charges.csv", lambda: b"", "a file of no bytes"),
    "file-encoding": file(
        "charges.csv",
        lambda: _csv(InvoiceIssuerName="Nué").decode().encode("cp1252"),
        "InvoiceIssuerName: Nué, saved as Windows-1252",
    ),
    "encoding-unclear": file(
        "charges.csv",
        lambda: _csv(InvoiceIssuerName="Nébula").decode().encode("cp1252"),
        "InvoiceIssuerName: Nébula, saved as Windows-1252",
    ),
    "encoding-guessed": file(
        "charges.csv",
        lambda: _csv(InvoiceIssuerName="北辰云").decode().encode("gbk"),
        "InvoiceIssuerName: 北辰云, saved as GBK",
    ),
    "read-as": file(
        "charges.csv", lambda: _csv().replace(b",", b"\t"), "tabs in the place of commas"
    ),
    "file-not-table": file("charges.xls", lambda: b"\xd0\xcf\x11\xe0\0", "an old workbook"),
    "file-packed": file("charges.7z", lambda: b"7z\xbc\xaf\x27\x1c", "a 7z archive"),
    "json-lists": file(
        "charges.json",
        lambda: json.dumps({"usage": [ROW], "tax": [ROW]}).encode(),
        "two lists of charges in one object",
    ),
    "json-pages": file(
        "charges.json",
        lambda: json.dumps({"value": [ROW], "nextLink": "https://cloud.example/2"}).encode(),
        "the first page of an answer",
    ),
    "zip-contents": file(
        "charges.zip",
        lambda: _zip(**{"a.csv": _csv(), "b.csv": _csv()}),
        "a zip archive of a.csv and b.csv",
    ),
    "column-unnamed": file(
        "charges.csv",
        lambda: _csv().replace(b"\n", b",\n", 1).replace(b"\n", b",x\n").replace(b",,x", b","),
        "a header that ends with a comma, a row that ends with ,x",
    ),
    "date-type": file(
        "charges.parquet",
        lambda: _parquet(ChargePeriodStart=pa.float64()),
        "a Parquet column ChargePeriodStart of floats",
    ),
    "header-repeated": file(
        "charges.csv", lambda: _csv() + _csv(BilledCost="2.00"), "two files put together into one"
    ),
    "total-row": file(
        "charges.csv", lambda: _csv(BilledCost="1.50") + _total("1.50"), "a row of 1.50 and a total"
    ),
    "total-differs": file(
        "charges.csv", lambda: _csv(BilledCost="1.50") + _total("9.75"), "a total of other rows"
    ),
    "file-kind": file("book.yaml", lambda: b"- a\n", "- a"),
    "too-many-columns": file(
        "charges.csv",
        lambda: (",".join(f"c{n}" for n in range(3000)) + "\n").encode(),
        "a header of 3,000 columns",
    ),
    "column-twice": file(
        "charges.csv",
        lambda: _csv().replace(b"ListCost", b"BilledCost"),
        "a header with BilledCost twice",
    ),
    "not-focus": file("people.csv", lambda: b"name,age\nx,1\n", "name,age"),
    "columns-proposed": file("bill.csv", lambda: _headed("应付金额"), "账单账号,应付金额,…"),
    "columns-unclear": file("bill.csv", lambda: _headed("金额"), "账单账号,金额,…"),
    "columns-agreed": settled(
        "fenrun import WORKSPACE bill.csv --column BilledCost=应付金额 …",
        act=lambda store: _agreed(store, "应付金额"),
    ),
    "column-not-there": settled(
        "the same of a file without that heading",
        act=lambda store: _agreed(store, "实付金额"),
    ),
    "said-otherwise": settled(
        "a file, and again with --set SubAccountId=S1",
        act=lambda store: [
            problem
            for fills in ({}, {"SubAccountId": "S1"})
            for problem in import_file(store, _more(store), KNOWN, fills=fills).problems
        ],
    ),
    "row-malformed": file(
        "charges.csv",
        lambda: _csv() + b"1,2\n" + _row(),
        "a row of two cells",
    ),
    "cost-unreadable": charges(BilledCost="1e400"),
    "number-unreadable": charges(PricingQuantity="many"),
    "cost-is-float": file(
        "charges.parquet",
        lambda: _parquet(BilledCost=pa.float64()),
        "a Parquet column BilledCost of type DOUBLE",
    ),
    "cost-rounded": charges(BilledCost="1.25", ListCost="1"),
    "effective-zero": charges(EffectiveCost="0"),
    "null-forbidden": charges(ChargeCategory=""),
    "row-quarantined": charges(BillingAccountId=""),
    "date-unreadable": charges(ChargePeriodStart="2024-09-02 00:00 CST"),
    "date-order-unclear": charges(ChargePeriodStart="9/2/2024"),
    "date-order-by-periods": charges(BillingPeriodStart="9/1/2024", BillingPeriodEnd="10/1/2024"),
    "date-orders-differ": charges(ChargePeriodStart="9/13/2024", ChargePeriodEnd="14/9/2024"),
    "decimal-mark": charges(BilledCost="1,234.50"),
    "decimal-mark-unclear": charges(
        BilledCost="1,234", EffectiveCost="1", ContractedCost="1", ListCost="1"
    ),
    "decimal-marks-differ": charges(BilledCost="1,5", ListCost="1.5"),
    "cost-decimals-rounded": charges(BilledCost="0.1234567890123456789"),
    "date-out-of-range": charges(BillingPeriodStart="0001-09-01T00:00:00Z"),
    "text-unfit": charges(SubAccountId="S\0"),
    "null-word": charges(SubAccountId="NULL"),
    "no-final-newline": file(
        "charges.csv", lambda: _csv().rstrip(b"\n"), "a last line without its end"
    ),
    "many-decimals": charges(BilledCost="1.00000001"),
    "column-unknown": charges(Colour="red"),
    "column-spelling": file(
        "charges.csv", lambda: _csv().replace(b"BilledCost", b"billedcost"), "billedcost"
    ),
    "column-missing": charges(ListCost=None),
    "coverage": charges(),
    "column-empty": charges(
        more=",".join([*ROW.values(), "sku-1"]).replace("Beichen", "Other") + "\n", SkuId=""
    ),
    "column-shift": charges(RegionId="12.5"),
    "value-case": charges(ChargeCategory="usage"),
    "value-unknown": charges(ChargeCategory="Gift"),
    "timestamp-form": charges(ChargePeriodStart="2024-09-02 00:00"),
    "charge-outside-billing-period": charges(ChargePeriodStart="2024-08-02T00:00:00Z"),
    "negative-usage": charges(BilledCost="-1.00", ChargeClass=""),
    "credit-charge": charges(ChargeCategory="Credit"),
    "no-name": charges(BillingAccountId="#N/A"),
    "notation-read": charges(BilledCost="(2.00)"),
    "notations-mixed": file(
        "charges.csv",
        lambda: _csv(BilledCost="(2.00)") + _csv(BilledCost="-1.00").splitlines()[1] + b"\n",
        "BilledCost: (2.00), and below it -1.00",
    ),
    "currency-contradicted": charges(BilledCost="2.00 KRW"),
    "zone-said": zoned("Asia/Shanghai", "2024-09-02 00:00"),
    "zone-unused": zoned("Asia/Shanghai", "2024-09-02T00:00:00Z"),
    "zone-unsaid": charges(InvoiceIssuerName="Tencent Cloud", ChargePeriodStart="2024-09-02 00:00"),
    "time-twice": zoned("America/New_York", "2024-11-03 01:30"),
    "time-skipped": zoned("America/New_York", "2024-03-10 02:30"),
    "region-name-external": charges(RegionId="cn-1", RegionName="External"),
    "list-cost-differs": charges(ListUnitPrice="2", PricingQuantity="3"),
    "tag-key-space": charges(Tags='{"team ": "a"}'),
    "id-shortened": charges(BillingAccountId="1.23457E+11"),
    "currency-unknown": charges(BillingCurrency="RMB"),
    "id-tidied": charges(BillingAccountId="A1\u200b"),
    "tag-value-null": charges(Tags='{"team": "NULL"}'),
    "amount-too-large": settled(
        "a cost of 20 digits, shares of 6, a rate and a portion of 8",
        PLAN.replace("5 %", "5.123456 %").replace(
            "on: amount,", "on: amount, portion: 33.333333 %,"
        ),
        BOOK.replace("party: K1}\n", "party: K1, share: 33.3333 %}\n").replace(
            "party: P1}\n", "party: P1, share: 33.3333 %}\n"
        ),
        _csv(BilledCost="99999999999999999999.012264"),
    ),
    "costs-rounded": settled(
        "a cost of 300 million with 18 decimals, shares of 6",
        PLAN,
        BOOK.replace("party: K1}\n", "party: K1, share: 66.6667 %}\n").replace(
            "party: P1}\n", "party: P1, share: 33.3333 %}\n"
        ),
        _csv(BilledCost="300000000.123456789012345678"),
    ),
    "measures-rounded": settled(
        "a cost of 18 decimals, shares and rates of 6 and 8",
        PLAN.replace("5 %", "5.123456 %").replace(
            "on: amount,", "on: amount, portion: 33.333333 %,"
        ),
        BOOK.replace("party: K1}\n", "party: K1, share: 33.3333 %}\n").replace(
            "party: P1}\n", "party: P1, share: 33.3333 %}\n"
        ),
        _csv(BilledCost="100.012264277499950943"),
    ),
    "book-key": book(
        "links:\n  - {of: customer, subject: K1, role: partner, party: P1, colour: red}\n"
    ),
    "book-value": book(
        "links:\n  - {of: customer, subject: K1, role: partner, party: P1, from: 1/2/2024}\n"
    ),
    "link-over-100": book(
        "links:\n"
        "  - {of: customer, subject: K1, role: partner, party: P1}\n"
        "  - {of: customer, subject: K1, role: partner, party: P2, share: 20 %}\n"
    ),
    "label-overlap": book(
        "labels:\n"
        "  - {party: K1, label: class, value: C}\n"
        "  - {party: K1, label: class, value: D, from: 2024-03-01}\n"
    ),
    "figure-conflict": book(
        "figures:\n"
        "  - {party: P1, figure: task, period: 2024, amount: 1, currency: CNY}\n"
        "  - {party: P1, figure: task, period: 2024, amount: 2, currency: CNY}\n"
    ),
    "rate-conflict": book(
        "rates:\n"
        "  - {from: EUR, to: CNY, period: 2024-03, rate: 7.8}\n"
        "  - {from: EUR, to: CNY, period: 2024-03, rate: 7.9}\n"
    ),
    "party-unknown": book("links:\n  - {of: customer, subject: K1, role: partner, party: P1}\n"),
    "party-kind": book(
        "parties: [{party: P1, kind: customer}]\n"
        "links:\n"
        "  - {of: customer, subject: K1, role: partner, party: P1}\n"
    ),
    "row-twice": terms(
        "floors:\n  - {floor: F1, least: 60 % of list}\n  - {floor: F1, least: 70 % of list}\n"
    ),
    "approval-steps": terms(f"approvals:\n  - {STEP % 1}\n  - {STEP % 3}\n"),
    "approval-own": terms(f"approvals:\n  - {(STEP % 1).replace('boss', 'ann')}\n"),
    "price-overlap": terms(
        "prices:\n"
        "  - {sku: S1, price: 0.60, currency: CNY, from: 2024-01-01, to: 2024-10-01}\n"
        "  - {sku: S1, price: 0.48, currency: CNY, from: 2024-07-01}\n"
    ),
    "coupon-unapproved": terms(
        f"coupons:\n  - {COUPON}\napprovals:\n  - {(STEP % 1).replace('approved', 'refused')}\n"
    ),
    "approval-unknown": terms(f"coupons:\n  - {COUPON}\n"),
    "scenario-text": scenario("prices: ["),
    "scenario-key": scenario("colour: red"),
    "scenario-value": scenario("usage: [{by: -120 %}]"),
    "scenario-condition": scenario("labels: [{label: class, where: class is red}]"),
    "scenario-empty": scenario(""),
    "scenario-one-of": scenario("prices: [{keep: price}]"),
    "scenario-transition": scenario("moves: [{role: partner, to: P1, keeps: 50 %}]"),
    "scenario-of-ids": scenario("moves: [{of: order, role: partner, where: class = 'C'}]"),
    "scenario-party": scenario("moves: [{role: partner, to: P9}]"),
    "scenario-there": scenario("won: [{customer: K1, like: K1}]"),
    "scenario-plan": scenario("plans: [{plan: tried, set: {basis: weight}}]"),
    "scenario-plan-id": scenario(
        "plans: [{plan: tried, file: other.yaml}]", other=PLAN.replace("tried", "other")
    ),
    "scenario-no-plan": scenario("plans: [{plan: other, set: {basis: list}}]"),
    "scenario-nowhere": scenario("plans: [{plan: tried, set: {tables.tiers.bands: []}}]"),
    "scenario-shared": scenario(
        "usage: [{by: -100 %, customers: {parties: [K1]}}]",
        the_book=BOOK.replace("party: K1}", "party: K1, share: 50 %}", 1),
    ),
    "scenario-spend": scenario(
        "labels: [{label: class, value: E, spend: {in: 2024, below: 100}}]",
        PLAN.replace("plan: tried", "plan: list").replace("basis: billed", "basis: list"),
    ),
    "scenario-nothing": scenario("usage: [{by: -10 %, where: ServiceName = 'Video'}]"),
    "scenario-above-list": scenario("prices: [{list: -90 %, keep: price}]"),
    "scenario-vary-keys": swept(f"vary: {{rate: {{from: 4 %, to: 6 %}}}}\n{VARIED}"),
    "scenario-vary-unused": swept(
        f"vary: {{rate: {{values: [4 %]}}, cap: {{values: [9]}}}}\n{VARIED}"
    ),
    "scenario-vary-unknown": swept(f"vary: {{pays: {{values: [4 %]}}}}\n{VARIED}"),
    "scenario-vary-many": swept(
        "vary: {less: {from: 1 %, to: 4 %, step: 0.01 %}, more: {from: 1 %, to: 50 %, step: 1 %}}\n"
        "plans: [{plan: tried, set: {tables.rates.bands: "
        '["below 100 pays {less}", "from 100 pays {more}"]}}]'
    ),
    "scenario-variant": swept(f"vary: {{rate: {{values: [4 %, much]}}}}\n{VARIED}"),
    "scenario-varies": scenario(f"vary: {{rate: {{values: [4 %, 6 %]}}}}\n{VARIED}"),
    "scenario-varies-nothing": swept("usage: [{by: -10 %}]"),
    "attack-differs": settled("a fault of fenrun: a prediction that is off by a cent", act=_off),
    "policy-text": policy("policy: special-prices", "policy: ["),
    "policy-key": policy(more="colour: red\n"),
    "policy-value": policy("24 hours", "1 day"),
    "policy-step-twice": policy("step: pricing", "step: lead"),
    "policy-when-empty": policy("[{discount: 20 %}]", "[{}]"),
    "policy-gap": policy("2 working days", "2 working days, when: [{discount: 5 %}]"),
    "policy-stuck": policy("[zhao]", "[lin]"),
    "policy-delegation-of-nobody": policy(more="delegations: [{approver: chao, substitute: wu}]\n"),
    "policy-delegation-empty": policy(more="delegations: [{approver: lin, substitute: lin}]\n"),
    "payment-total": settled_with_payments("reference: A1"),
    "payment-totals": settled_with_payments(
        "reference: INV-1, total: 2", "reference: INV-1, total: 3"
    ),
    "payment-currency": settled_with_payments(
        "reference: INV-1, total: 2", "reference: INV-1, currency: USD"
    ),
    "payment-over": settled_with_payments("reference: INV-1, total: 1", "reference: INV-1"),
    "payment-unbilled": settled_with_payments("reference: INV-9, total: 2"),
    "figure-counted": settled(
        f"{TYPED}\n{COUNTS}\nfenrun settle WORKSPACE",
        PLAN + COUNTS,
        f"{BOOK}{TYPED}",
    ),
    "agreement-uncounted": settled(
        f"{FOREIGN}\n{COUNTS}\nfenrun settle WORKSPACE",
        PLAN + COUNTS,
        act=_with_terms(FOREIGN),
    ),
    "coupon-of-another": terms(
        "coupons:\n  - {coupon: C2, customer: K1, amount: 5, currency: CNY, reissues: C1}\n"
    ),
    "coupon-reissued": reissued(),
    "price-unlisted": priced(ListCost=""),
    "price-of-nobody": priced(BillingAccountId="A2"),
    "price-cost": priced(x_Cost="dear"),
    "price-coupon": priced(ChargeCategory="Credit", x_CouponId="C1"),
    "floor-unmeasured": sold_below("{floor: F1, least: 2, currency: USD}"),
    "agreement-currency": agreed(
        "{agreement: B1, kind: commit, from: 2024-01-01, to: 2025-01-01, amount: 9, currency: USD}"
    ),
    "passed-on-period": priced("{party: K1, figure: passed-on, period: 2024, amount: 5 %}"),
    "plan-text": plan(text="plan: [\n"),
    "plan-key": plan(more="colour: red\n"),
    "plan-value": plan("basis: billed", "basis: paid"),
    "plan-condition": plan("roles: [partner]", "roles: [partner], when: class equals C"),
    "plan-name": plan("table: rates", "table: rats"),
    "plan-id-twice": plan("id: reward", "id: all"),
    "band-overlap": plan(USUAL_TABLE, "bands: [up to 3 pays 1, from 3 pays 2]"),
    "band-gap": plan(USUAL_TABLE, "bands: [below 3 pays 1, above 3 pays 2]"),
    "band-unit": plan(USUAL_TABLE, "bands: [from 80 % pays 1 %]"),
    "table-marginal": plan(
        text=PLAN.replace("all units", "marginal").replace("on: amount", "on: figure salary")
    ),
    "table-dates": plan(
        USUAL_TABLE + "}",
        USUAL_TABLE + "}, {from: 2024-01-01, source: Terms, kind: all units, bands: [pays 6 %]}",
    ),
    "version-inside": plan(
        USUAL_TABLE + "}",
        USUAL_TABLE + "}, {from: 2024-02-10, source: Letter, kind: all units, bands: [pays 6 %]}",
    ),
    "terms-of-days": plan(
        "roles: [partner]",
        "roles: [partner], when: floor breached",
        "as of: [{day: each day of ChargePeriod}]\n",
    ),
    "table-times": plan(
        text=PLAN.replace(USUAL_TABLE, "bands: [from 0 pays 5]").replace(
            "by: amount,", "by: amount, times: rates by amount,"
        )
    ),
    "case-failed": plan(more=CASE),
    "plan-missing": settled("fenrun settle WORKSPACE --period 2026-01", period="2026-01"),
    "charges-missing": settled("fenrun settle WORKSPACE --period 2024-02", period="2024-02"),
    "currency-not-in-plan": settled(
        "BillingCurrency: USD", content=_csv() + _row(BillingCurrency="USD")
    ),
    "rate-missing": settled(
        "convert: {from: [USD], on: month}, and no rate",
        PLAN + "convert: {from: [USD], on: month}\n",
        content=_csv() + _row(BillingCurrency="USD"),
    ),
    "basis-missing": settled(
        "basis: x_Cash, and no such column", PLAN.replace("basis: billed", "basis: x_Cash")
    ),
    "column-absent": settled(
        "exclude: [{id: cdn, when: x_Kind = 'cdn'}]",
        PLAN + "exclude: [{id: cdn, when: x_Kind = 'cdn'}]\n",
    ),
    "account-unowned": settled("BillingAccountId: A9", content=_csv(BillingAccountId="A9")),
    "account-look-alike": settled(
        "BillingAccountId: a1, and A1 in the book", content=_csv(BillingAccountId="a1")
    ),
    "account-unlinked-alike": settled(
        "fenrun check: BillingAccountId: a1, and A1 in the book",
        content=_csv(BillingAccountId="a1"),
        act=check_workspace,
    ),
    "accounts-unlinked": settled(
        "fenrun check: BillingAccountId: B7, and A1 in the book",
        content=_csv(BillingAccountId="B7"),
        act=check_workspace,
    ),
    "role-look-alike": settled(
        "role: Partner, and roles: [partner] in the plan",
        the_book=BOOK.replace("role: partner", "role: Partner"),
    ),
    "account-uncredited": settled(
        "role: partner ... from: 2024-09-15",
        the_book=BOOK.replace("party: P1}\n", "party: P1, from: 2024-09-15}\n", 1),
    ),
    "accounts-uncredited": settled(
        "21 accounts of a customer without a partner",
        the_book="parties: [{party: K1, kind: customer}]\nlinks:\n"
        + "".join(
            f"  - {{of: account, issuer: {ROW['InvoiceIssuerName']}, subject: B{n},"
            " role: customer, party: K1}\n"
            for n in range(21)
        ),
        content=_csv(BillingAccountId="B0")
        + b"".join(_csv(BillingAccountId=f"B{n}").splitlines(True)[1] for n in range(1, 21)),
    ),
    "invariant-broken": settled("a fault in the engine, made on purpose", act=_sabotaged),
    "accounts-similar": Shows(
        "fenrun look charges.csv, with the accounts A1 and a1",
        lambda: similar_accounts(
            [
                Account("Beichen Cloud", name, "", "", "CNY", 1, Decimal(1), frozenset())
                for name in ("A1", "a1")
            ]
        ),
    ),
    "look-no-accounts": Shows(
        "fenrun look plan.yaml --make-book book.yaml",
        lambda: _said(lambda: write_first_book(Path("book.yaml"), [], "en")),
    ),
    "object-unreadable": Shows(
        "fenrun import WORKSPACE s3://",
        lambda: _said(
            lambda: fetch_new(Store(Path("ws")), "s3://", Path("scratch")).objects and []
        ),
    ),
    "line-unknown": settled("fenrun explain WORKSPACE tried/reward/2024-09/P9", act=_asked("line")),
    "payee-unknown": settled("fenrun statement WORKSPACE P9", act=_asked("payee")),
    "target-exists": Shows("fenrun world FOLDER, where FOLDER holds something", _exists),
    "registration-refused": settled(
        f"limits: {{open registrations: 1}}\n{ORDERS}",
        PLAN + "limits: {open registrations: 1}\n",
        BOOK.replace("parties:", ORDERS + "\nparties:"),
    ),
    "claim-refused": settled(
        f"limits: {{claims: first come}}\n{CLAIMS}",
        PLAN + "limits: {claims: first come}\n",
        f"links:\n{CLAIMS}\n",
    ),
    "unbinding-refused": settled(
        f"limits: {{unbinding: 3 months}}\n{HANDS}",
        PLAN + "limits: {unbinding: 3 months}\n",
        f"links:\n{HANDS}\n",
    ),
    "claimed-twice": settled(
        f"sum: [{TWICE}]",
        PLAN.replace(REWARD, TWICE),
        BOOK + "labels: [{party: K1, label: class, value: C}]\n",
    ),
    "columns-mixed": settled(
        f"{COLUMNS}, and on: increment",
        PLAN.replace(USUAL_TABLE, COLUMNS).replace(
            "on: amount, by: amount", "on: increment, by: increment, compare: figure base"
        ),
        BOOK + "figures: [{party: P1, figure: base, period: 2024-09, amount: 1, currency: CNY}]\n",
        _csv() + _row(ChargeCategory="Tax"),
    ),
    "below-zero": settled("BilledCost: -1.00, and no other charge", content=_csv(BilledCost="-1")),
    "refund-unplaced": settled(
        "by: rank, rank: {ties: better place}, and BilledCost: -1.00",
        PLAN.replace("by: amount", "by: rank, rank: {ties: better place}"),
        content=_csv(BilledCost="-1"),
    ),
    "figure-currency": settled(
        "baseline: {figure: base, per: month}, and that figure without a currency",
        PLAN.replace("table: rates", "table: rates, baseline: {figure: base, per: month}"),
        BOOK + "figures: [{party: K1, figure: base, period: 2024-09, amount: 1}]\n",
    ),
    "claim-unread": settled(
        "pay: {funds: [{form: co-op, claims: claimed}]}, and that figure for a quarter",
        PLAN + FUND,
        BOOK + "figures: [{party: P1, figure: claimed, period: 2024-Q3, amount: 1}]\n",
    ),
    "claim-uncovered": settled(
        "pay: {funds: [{form: co-op, claims: claimed}]}, and that figure of 1,000",
        PLAN + FUND,
        BOOK
        + "figures: [{party: P1, figure: claimed, period: 2024-09, amount: 1000, currency: CNY}]\n",
    ),
    "pay-rate-missing": settled("pay: {in: USD}, and no rate", PLAN + "pay: {in: USD}\n"),
    "pay-currency-unread": settled(
        "pay: {in: label money}, and money: yen",
        PLAN + "pay: {in: label money}\n",
        BOOK + "labels: [{party: P1, label: money, value: yen}]\n",
    ),
    "more-pays-less": plan(USUAL_TABLE, "bands: [from 0 below 1000 pays 5 %, from 1000 pays 4 %]"),
    "splitting-pays": plan("on: amount", "each: order, up to: 20000, on: amount"),
    "merging-pays": plan(USUAL_TABLE, "bands: [from 0 below 1000 pays 4 %, from 1000 pays 5 %]"),
    "timing-pays": plan(USUAL_TABLE, "bands: [from 1000 pays 500]"),
    "transfer-pays": plan(more="exclude: [{id: north, when: region = 'north'}]\n"),
    "clause-unreachable": plan(
        "{id: all, mode: single, roles: [partner]}",
        "{id: all, mode: single, roles: [partner]}, {id: rest, mode: single, roles: [rep]}",
    ),
    "clause-never": plan(more="exclude: [{id: none, when: class = 'C' and class = 'D'}]\n"),
    "clauses-conflict": plan(REWARD, TWICE),
    "table-unused": plan(
        "tables:\n",
        "tables:\n"
        "  spare: [{from: 2024-01-01, source: Terms, kind: all units, bands: [pays 5 %]}]\n",
    ),
    "version-late": plan("rates: [{from: 2024-01-01", "rates: [{from: 2024-02-01"),
    "version-never": plan(
        USUAL_TABLE + "}",
        USUAL_TABLE + "}" + LATER.replace("2024-07-01", "2025-01-01").replace("4 %", "6 %"),
    ),
    "published-late": plan(
        USUAL_TABLE + "}",
        USUAL_TABLE
        + "}"
        + LATER.replace("4 %", "6 %").replace(
            "source: Letter", "published: 2024-09-01, source: Letter"
        ),
    ),
    "source-missing": plan("source: Terms, kind", "source: ' ', kind"),
    "version-lowers": plan(USUAL_TABLE + "}", USUAL_TABLE + "}" + LATER),
    "bases-mixed": plan(
        REWARD,
        REWARD + ", {id: other, basis: effective, pays: partner, "
        "per: month, on: amount, by: amount, table: rates}",
    ),
    "workspace-busy": settled(
        "fenrun close WORKSPACE while another process writes for a minute", act=_busy
    ),
    "workspace-unwritable": settled(
        "fenrun settle WORKSPACE --period 2024-09, where the disk is full", act=_full
    ),
    "backup-inside": settled(
        "fenrun backup WORKSPACE --to WORKSPACE/backup.zip",
        act=lambda store: back_up(store, store.path / "backup.zip", KNOWN)[1],
    ),
    "backup-damaged": settled("a byte of a backup changed, then fenrun restore", act=_damaged),
    "backup-without-portal": settled(
        "fenrun backup WORKSPACE --to backup.zip, with DATABASE_URL set", act=_portal_elsewhere
    ),
    "log-edited": settled(
        "UPDATE events SET actor = 'somebody' WHERE seq = 2",
        act=_log("UPDATE events SET actor = 'somebody' WHERE seq = 2"),
    ),
    "log-gap": settled(
        "DELETE FROM events WHERE seq = 2", act=_log("DELETE FROM events WHERE seq = 2")
    ),
    "log-head": settled(
        "DELETE FROM events WHERE seq = 3, then fenrun audit verify WORKSPACE --head HASH",
        act=_log("DELETE FROM events WHERE seq = 3", "b6589fc6"),
    ),
    "stored-edited": settled(
        "a byte more at the end of links.parquet in the store",
        act=_file(
            lambda folder: (folder / "links.parquet").write_bytes(
                (folder / "links.parquet").read_bytes() + b" "
            )
        ),
    ),
    "run-of-older": closed(
        "fenrun settle of a month that was closed by a version whose runs had no such table",
        act=_does(_kept_by_older),
    ),
    "stored-unlogged": settled(
        "a folder of the store copied beside itself",
        act=_file(lambda folder: shutil.copytree(folder, folder.with_name("000000000000"))),
    ),
    "charges-twice": settled(
        "charges.csv again, with one more charge, as more.csv", act=_twice_then(lambda store: None)
    ),
    "parts-missing": Shows("part-1.csv, and a manifest of it and part-2.csv", _of_run(1)),
    "part-rows-differ": Shows(
        "both parts of a run, of a row each, where the manifest says 4", _of_run(2, rows=2)
    ),
    "parts-refused": settled(
        "fenrun import WORKSPACE june-1.csv june-2.csv --replaces charges.csv, where the second has"
        " BilledCost: x",
        act=_half_refused,
    ),
    "parts-all-missing": Shows("a manifest of part-1.csv and part-2.csv alone", _of_run(0)),
    "part-not-whole": Shows(
        "part-1.csv of fewer bytes than manifest.json says", lambda: _of_run(1, size=9)()
    ),
    "part-unlisted": Shows("part-3.csv beside the parts of manifest.json", _of_run(3)),
    "sums-twice": settled(
        "the charge of charges.csv in two pieces, by service, as more.csv", act=_in_two
    ),
    "charges-renamed": settled(
        "june.csv again with another ServiceName in all charges, as june-2.csv",
        act=_told_otherwise(ServiceName="Databases"),
    ),
    "charges-restated": settled(
        "june.csv again with other costs, as june-2.csv",
        act=_told_otherwise(BilledCost="6.00", ListCost="9.00"),
    ),
    "charges-shifted": settled(
        "june.csv again with all times 8 hours earlier, as june-2.csv",
        act=_told_otherwise(
            BillingPeriodStart="2024-08-31T16:00:00Z",
            BillingPeriodEnd="2024-09-30T16:00:00Z",
            ChargePeriodStart="2024-09-01T16:00:00Z",
            ChargePeriodEnd="2024-09-02T16:00:00Z",
        ),
    ),
    "ids-shortened": settled(
        "an account id of twelve digits, as a spreadsheet saved it",
        content=_csv(BillingAccountId="1.23457E+11"),
        act=lambda store: undecided(store, KNOWN),
    ),
    "rows-unread": settled(
        "{of: customer, subject: K1, role: rep, party: R1, from: 1/2/2024}",
        the_book=BOOK.replace(
            "parties:",
            "  - {of: customer, subject: K1, role: rep, party: R1, from: 1/2/2024}\nparties:",
        ),
        act=lambda store: undecided(store, KNOWN),
    ),
    "rows-repeated": settled(
        "charges.csv, its header and its charge once more, in one file",
        content=_csv() + _csv(),
        act=lambda store: undecided(store, KNOWN),
    ),
    "charges-far": settled(
        "a charge of 2 May, billed for September",
        content=_csv(ChargePeriodStart="2024-05-02T00:00:00Z"),
        act=lambda store: undecided(store, KNOWN),
    ),
    "ends-before-begin": settled(
        "a charge from 12 to 2 September",
        content=_csv(ChargePeriodStart="2024-09-12T00:00:00Z"),
        act=lambda store: undecided(store, KNOWN),
    ),
    "sums-within": settled(
        "two charges of a day in charges.csv, and their sum as one of two days",
        content=_csv()
        + _row(ChargePeriodStart=ROW["ChargePeriodEnd"], ChargePeriodEnd="2024-09-04T00:00:00Z")
        + _row(BilledCost="2.00", ChargePeriodEnd="2024-09-04T00:00:00Z"),
        act=lambda store: undecided(store, KNOWN),
    ),
    "delivery-ambiguous": settled(
        "fenrun resolve WORKSPACE more.csv --void, where two imports have that name",
        act=_twice_then(
            lambda store: (
                import_file(store, _more(store), KNOWN),
                decide(store, "more.csv", Decision(void=True), KNOWN),
            )
        ),
    ),
    "basis-nothing": settled(
        "a plan with basis: list, and ListCost: 0 where something is billed",
        content=_csv(ListCost="0"),
        act=_by_list_cost,
    ),
    "billed-by-two": settled(
        "a marketplace's file in which it bills the charge of charges.csv too",
        content=_csv(ResourceId="db-1"),
        act=_billed_by_two,
    ),
    "case-step": settled(
        "fenrun case WORKSPACE G07-20240902-K1+K2 --state sanctioned --reason wrong",
        act=_does(
            lambda store: decide_case(
                store, "G07-20240902-K1+K2", "sanctioned", "wrong", KNOWN, "", None
            )
        ),
    ),
    "case-unknown": settled(
        "fenrun case WORKSPACE G07-20240902-K1+K9 --state confirmed --reason wrong"
        " --from 2024-09 --to 2024-09",
        act=_does(lambda store: ask_for_case(store, parse_period("2024-09"), "G07-20240902-K1+K9")),
    ),
    "delivery-itself": settled(
        "fenrun resolve WORKSPACE more.csv --replaces more.csv",
        act=_twice_then(
            lambda store: decide(store, "more.csv", Decision(replaces="more.csv"), KNOWN)
        ),
    ),
    "delivery-other-month": settled(
        "fenrun import WORKSPACE october.csv --replaces charges.csv", act=_other_month
    ),
    "delivery-replaced": settled(
        "a second file of a source that overwrites, with one more charge",
        act=_sourced(
            "*.csv",
            ("one.csv", _csv(BilledCost="2")),
            ("two.csv", _csv(BilledCost="2") + _row()),
        ),
    ),
    "delivery-stays": settled(
        "a second file of a source that overwrites, with another charge",
        act=_sourced("*.csv", ("one.csv", _csv(BilledCost="2")), ("two.csv", _csv(BilledCost="3"))),
    ),
    "delivery-older": settled(
        "files: '{version}/*', and 0916/a.csv, then 0910/a.csv",
        act=_sourced(
            "{version}/*",
            ("0916/a.csv", _csv(BilledCost="2")),
            ("0910/a.csv", _csv(BilledCost="3")),
        ),
    ),
    "sources-unreadable": settled(
        "files: '{version}/{version}' in sources.yaml",
        act=_sourced("{version}/{version}", ("a.csv", _csv())),
    ),
    "invoice-differs": settled(f"charges of 1.00 CNY, and\n{INVOICE}", act=_beside(INVOICE)),
    "invoices-left-out": settled(
        "the same, then fenrun resolve WORKSPACE invoices.csv --leave-out",
        act=_beside(INVOICE, void=True),
    ),
    "invoice-missing": settled(
        "a charge of the invoice I-2, and an InvoiceDetail of I-1 alone",
        content=_with_invoice("I-2"),
        act=_beside(INVOICE),
    ),
    "provider-closed": settled(
        BILLING_PERIOD.replace("Open", "Closed"),
        act=_beside(BILLING_PERIOD.replace("Open", "Closed")),
    ),
    "provider-open": settled(BILLING_PERIOD, act=_beside(BILLING_PERIOD)),
    "dataset-cell": settled(INVOICE.replace("5.00", ""), act=_beside(INVOICE.replace("5.00", ""))),
    "dataset-value": settled(
        INVOICE.replace("2024-09-01", "soon"), act=_beside(INVOICE.replace("2024-09-01", "soon"))
    ),
    "billed-rounded": settled(
        "BilledCost: 1.1234567890123456789", content=_csv(BilledCost="1.1234567890123456789")
    ),
    "kept-aside": kept_aside(
        "a second charge without InvoiceIssuerName",
    ),
    "kept-aside-left-out": kept_aside(
        "fenrun resolve WORKSPACE charges.csv --leave-out",
        act=_left_out,
    ),
    "import-over": settled(
        "fenrun import WORKSPACE charges.csv, which was voided before", act=_voided_again
    ),
    "row-not-aside": kept_aside(
        "in the portal, mending row 2 of charges.csv, which is not kept aside",
        act=lambda store: _mended(store, 2),
    ),
    "mends-no-rows": kept_aside(
        "rows to mend of which fenrun:row is empty",
        act=lambda store: _mends(store, row=""),
    ),
    "cell-not-text": kept_aside(
        "rows to mend in a workbook, in which a cell is a number",
        act=_mends_of_cell(3),
    ),
    "cell-no-value": kept_aside(
        "rows to mend in a workbook, in which a cell is a formula that was never calculated",
        act=_mends_of_cell("=1+2"),
    ),
    "rows-hidden": file("book.xlsx", _book_with_a_hidden_row, "parties, of which one is hidden"),
    "rows-not-mended": settled(
        "rows to mend, of two of which one is corrected",
        content=_csv() + 2 * _row(InvoiceIssuerName=""),
        act=lambda store: _mends(store, issuer="Beichen"),
    ),
    "decided-meanwhile": kept_aside(
        "in the portal, voiding charges.csv, of which somebody has mended a row meanwhile",
        act=_decided_meanwhile,
    ),
    "set-column": settled(
        "fenrun import WORKSPACE more.csv --set ListCost=1",
        act=lambda store: list(
            import_file(store, _more(store), KNOWN, fills={"ListCost": "1"}).problems
        ),
    ),
    "file-no-rows": file("charges.csv", lambda: _csv().splitlines(True)[0], "a header alone"),
    "file-passed-over": Shows("notes.txt in a folder that is imported", _passed_over),
    "tax-charge": charges(ChargeCategory="Tax"),
    "plan-cases-fail": Shows(PLAN + CASE, lambda: _said(lambda: refuse_failing_cases(_failing()))),
    "replaces-unknown": settled(
        "fenrun import WORKSPACE more.csv --replaces march.csv",
        act=lambda store: list(
            import_file(store, _more(store), KNOWN, replaces=["march.csv"]).problems
        ),
    ),
    "known-closed": closed(
        "fenrun import WORKSPACE more.csv --known 2024-11-30, after a close on 2024-12-01",
        act=_does(lambda store: import_file(store, _more(store), datetime(2024, 11, 30))),
    ),
    "clock-behind": closed(
        "fenrun import WORKSPACE more.csv, on 2024-11-30 by the clock, after a close on 2024-12-01",
        act=lambda store: store.clock_problems(datetime(2024, 11, 30)),
    ),
    "known-future": settled(
        "fenrun import WORKSPACE more.csv --known 2094-01-01",
        act=lambda store: list(
            import_file(Store(store.path, now=KNOWN), _more(store), datetime(2094, 1, 1)).problems
        ),
    ),
    "path-unusable": Shows("fenrun world a-file/inside", _unusable),
    "period-partly-closed": closed(
        "2024-09 closed, then fenrun settle WORKSPACE --period 2024-Q3",
        act=_does(lambda store: closing.settle_period(store, parse_period("2024-Q3"))),
    ),
    "log-unreadable": settled(
        "log.db replaced by some text",
        act=lambda store: (store.log.path.write_text("not a log " * 200), store.broken())[1],
    ),
    "close-already": settled(
        "fenrun close WORKSPACE --period 2024-09, twice", act=_closing("2024-09", "2024-09")
    ),
    "close-order": settled(
        "2024-08 closed, then fenrun close WORKSPACE --period 2024-10",
        content=TWO_MONTHS,
        act=_closing("2024-08", "2024-10"),
    ),
    "close-early": settled(
        "fenrun close WORKSPACE --period 2024-12, on 2024-12-01", act=_closing("2024-12")
    ),
    "close-known": settled(
        "2024-08 closed, then fenrun close WORKSPACE --period 2024-09 --known 2024-10-01",
        content=TWO_MONTHS,
        act=_after_august(lambda store: close(store, SEPTEMBER, datetime(2024, 10, 1))),
    ),
    "close-problems": settled(
        "fenrun close WORKSPACE --period 2024-09, with shares of 120 %",
        the_book=BOOK.replace(
            "parties:",
            "  - {of: customer, subject: K1, role: partner, party: P1, share: 20 %}\nparties:",
        ),
        act=_closing("2024-09"),
    ),
    "close-meanwhile": settled(
        "two processes close 2024-08 and 2024-09 at once", content=TWO_MONTHS, act=_meanwhile
    ),
    "close-first": settled(
        "fenrun close WORKSPACE --period 2024-09, where 2024-08 has charges and is open",
        content=TWO_MONTHS,
        act=_closing("2024-09"),
    ),
    "close-facts-meanwhile": settled(
        "fenrun import while 2024-09 is being closed", act=_facts_meanwhile
    ),
    "closed-otherwise": closed(
        "fenrun audit verify WORKSPACE --recompute, by a version that was changed on purpose",
        act=_otherwise,
    ),
    "kept-differs": settled(
        "a kept run edited on the disk, then fenrun close --period 2024-09", act=_kept_edited
    ),
    "close-asked": settled(
        "in the portal, asking twice to close 2024-09",
        act=lambda store: _by_two(
            store, lambda shown, asked: _command("closing").ask(store, shown, "Again")
        ),
    ),
    "close-alone": settled(
        "in the portal, asking to close 2024-09 and approving it oneself",
        act=lambda store: _by_two(store, by="one"),
    ),
    "close-changed": settled(
        "in the portal, 2024-09 settled anew between asking and approving",
        act=lambda store: _by_two(store, _rerun),
    ),
    "decision-asked": settled(
        "in the portal, asking a second time to void charges.csv", act=_decision
    ),
    "decision-alone": settled(
        "in the portal, asking to void charges.csv and approving it oneself",
        act=lambda store: _decision(store, "one"),
    ),
    "decision-wrong": settled(
        "in the portal, that charges.csv replaces another delivery, without saying which",
        act=lambda store: _decision(store, kind="replaces"),
    ),
    "scenario-file-here": Shows(
        "in the portal, a scenario whose plan is `file: growth.yaml`",
        lambda: (
            _command("scenarios").read(
                "scenario: s\nfrom: 2024-01-01\nplans: [{plan: growth, file: growth.yaml}]"
            ),
            [],
        )[1],
    ),
    "scenario-of-facts": settled(
        "in the portal, asking to publish a scenario that raises list prices", act=_of_facts
    ),
    "approval-gone": settled(
        "in the portal, approving what somebody else has just approved",
        act=lambda store: _by_two(
            store, lambda shown, asked: asked.delete(using="default") and None
        ),
    ),
    "grant-wrong": Shows(
        "in the portal, the role auditor for the party P1",
        lambda: (_command("grants").give("one", "two", "auditor", "P1", "It asked."), [])[1],
    ),
    "name-unknown": settled(
        "in the portal, a target for P2, whom the book does not name",
        act=lambda store: _target_entered(store, party="P2"),
    ),
    "figure-unknown": settled(
        "in the portal, a target of the figure taks, which no plan and no row of the book names",
        the_book=BOOK + "figures: [{party: P1, figure: task, period: 2024-09, amount: 100}]\n",
        act=lambda store: _target_entered(store, figure="taks"),
    ),
    "target-wrong": settled(
        "in the portal, a target for the period soon",
        act=lambda store: _target_entered(store, period="soon"),
    ),
    "view-wrong": Shows(
        "in the portal, a list of statements saved without a name",
        lambda: (_command("views").save("one", "statements", " ", "sort=-payable"), [])[1],
    ),
    "charges-many": Shows(
        "in the portal, a workbook of all charges of a line that has more than a sheet holds",
        _too_many_charges,
    ),
    "grant-own": Shows(
        "in the portal, one grants operations to himself",
        lambda: (_command("grants").give("one", "one", "operations", "", "Helps."), [])[1],
    ),
    "ask-lapsed": Shows(
        "in the portal, operations for two, given by one, whose own password is then set anew",
        lambda: _second_of_operations(lambda grants, given: _account("one", "auditor")),
    ),
    "one-for-two": Shows(
        "in the portal, operations for two, given by one, approved by three, whose password one"
        " has set",
        lambda: _second_of_operations(lambda grants, given: _account("three", "auditor", "one")),
    ),
    "account-opened": Shows(
        "in the portal, operations for two, to whose account one has seen a link",
        lambda: _second_of_operations(
            lambda grants, given: (
                importlib.import_module("fenrun.portal.models")
                .Opening.objects.using("default")
                .create(user=given.user, way="link", by="one", at=given.given_at)
            )
        ),
    ),
    "account-waits": Shows(
        "in the portal, operations for two, who has never signed in",
        lambda: _second_of_operations(taken_up=False),
    ),
    "table-undeclared": Shows(
        "fenrun serve, of a version with a table of which nothing says who sees it",
        _undeclared_table,
    ),
    "reader-missing": Shows(
        "fenrun serve, on a PostgreSQL that was not prepared",
        lambda: _reader_signs_in(
            DatabaseError('FATAL:  role "fenrun_reader" does not exist'), sees_more=False
        ),
    ),
    "reader-sees-more": Shows(
        "fenrun serve, where FENRUN_READER_URL names the owner of the tables",
        lambda: _reader_signs_in(None, sees_more=True),
    ),
    "reader-not-made": Shows(
        "fenrun database init --run, without an administrator", _reader_is_not_made
    ),
    "database-missing": Shows(
        "fenrun database init, without DATABASE_URL",
        lambda: _database_init({"DATABASE_URL": ""}),
    ),
    "oidc-wrong": Shows(
        "fenrun serve, with FENRUN_OIDC_URL=http://id.example.com", _unsafe_provider
    ),
    "user-wrong": Shows(
        "in the portal, a grant for the account a b",
        lambda: (_command("grants").give("one", "a b", "partner", "P1", "It asked."), [])[1],
    ),
    "shown-changed": settled(
        "in the portal, a line's explanation, after a file that was known before was imported",
        act=_shown_otherwise,
    ),
    "period-broken": Shows(
        "in the portal, a period is settled when it starts, while the disk is full",
        _publishing_breaks,
    ),
    "database-unusable": Shows(
        "in the portal, signing in while the disk of its database is full", _full_database
    ),
    "portal-event-edited": Shows(
        "in the portal's database, another name is written into an event",
        lambda: _portal_event(lambda found: found.update(actor="two")),
    ),
    "portal-event-gone": Shows(
        "in the portal's database, an event is deleted",
        lambda: _portal_event(lambda found: found.all().delete()),
    ),
    "portal-events-wait": Shows(
        "in the portal, somebody acts while the log is being written",
        lambda: _portal_event(lambda found: found.update(seq=None)),
    ),
    "portal-busy": Shows("in the portal, a fifth estimate while four run", _too_much_at_once),
    "plan-check-slow": Shows("in the portal, a plan of thousands of clauses", _checks_too_long),
    "work-ended": Shows(
        "in the portal, an estimate, when the system has ended the process that settles it",
        _worker_ends,
    ),
    "import-broken": Shows("in the portal, an import while the disk is full", _import_breaks),
    "reason-missing": Shows(
        "in the portal, a grant without a reason",
        lambda: (_command("grants").give("one", "two", "partner", "P1", " "), [])[1],
    ),
    "text-long": Shows(
        "in the portal, a grant with a reason of 501 characters",
        lambda: (_command("grants").give("one", "two", "partner", "P1", "x" * 501), [])[1],
    ),
    "bench-missing": Shows("fenrun bench, where only the wheel is installed", _bench_missing),
    "bench-not-demo": settled(
        "fenrun bench portal WORKSPACE, of real data",
        act=lambda store: importlib.import_module("bench.commands").bench_portal.callback(
            store, 1, 1, False
        ),
    ),
    "token-wrong": Shows(
        "in the portal, a token for 5,000 days",
        lambda: (_command("tokens").make(None, "nightly", "read", 5000), [])[1],
    ),
    "estimate-nothing": settled(
        "in the portal, what P9 would earn by selling more, who sells nothing",
        act=lambda store: (
            Estimator(Standing(facts_as_of(store, KNOWN), SEPTEMBER, KNOWN)).sell(
                "P9", Decimal(100)
            ),
            [],
        )[1],
    ),
    "estimate-amount": Shows(
        "in the portal, what selling 0 more would earn",
        lambda: (_command("statements").estimated(None, "0", ""), [])[1],
    ),
    "period-wrong": Shows(
        "in the portal, checking a plan for the period 2024-13",
        lambda: _command("plans").check(Store(Path("nowhere")), PLAN, "2024-13").problems,
    ),
    "mcp-missing": Shows(
        "fenrun mcp https://portal.example, without FENRUN_TOKEN",
        lambda: (assistant.Portal("https://portal.example", ""), [])[1],
    ),
    "hook-wrong": Shows(
        "in the portal, a webhook to http://10.0.0.1/",
        lambda: (_command("webhooks").make(None, "http://10.0.0.1/", "statement"), [])[1],
    ),
    "pdf-missing": Shows("a statement as PDF, where WeasyPrint is not installed", _no_pdf),
    "payment-unlike": Shows(
        "in the portal, a closed statement whose forms of payment do not sum to what it pays",
        _statement_unlike,
    ),
    "payment-none": Shows("in the portal, changing payments without ticking any", _payment),
    "payment-step": Shows(
        "in the portal, saying that a payment which is due was returned",
        lambda: _payment(wanted="returned", reason="Account closed."),
    ),
    "payment-day": Shows(
        "in the portal, a payment sent on a day that is still to come",
        lambda: _payment(wanted="sent", day=date(2999, 1, 1)),
    ),
    "payment-owed": Shows(
        "in the portal, sending a payment of -20.00",
        lambda: _payment(wanted="sent", amount="-20.00"),
    ),
    "payment-unpayable": Shows(
        "in the portal, a bank's file of 100.005 EUR", lambda: _transfer("100.005")
    ),
    "account-missing": Shows(
        "in the portal, a bank's file whose accounts do not name P1",
        lambda: _transfer(account=f"P2,Two GmbH,{_IBAN},"),
    ),
    "account-wrong": Shows(
        "in the portal, a bank's file with an account whose check digits are wrong",
        lambda: _transfer(account="P1,One GmbH,DE88370400440532013000,"),
    ),
    "accounts-wrong": Shows(
        "in the portal, a bank's file with accounts in the columns who, what",
        lambda: _transfer(head="who,what", account="P1,x"),
    ),
    "bank-currency": Shows(
        "in the portal, a bank's file of 100 JPY", lambda: _transfer("100", "JPY")
    ),
    "bank-missing": Shows(
        "in the portal, a bank's file, where sepaxml is not installed",
        lambda: _transfer(without="sepaxml"),
    ),
    "bank-invalid": Shows(
        "in the portal, a bank's file of a payer without a letter in its name",
        lambda: _transfer(payer=""),
    ),
    "bulk-wrong": settled(
        "in the portal, many at once: a file of parties",
        act=lambda store: _bulk(store, b"party,kind\nP1,partner\n"),
    ),
    "bulk-large": settled(
        "in the portal, many at once: a file of 1,000,001 bytes",
        act=lambda store: _bulk(store, b"x" * 1_000_001),
    ),
    "bulk-unready": settled(
        "in the portal, many at once: another file than the one that was looked at",
        act=lambda store: _bulk(store, b"party,figure,period,amount\nP1,task,2024-09,5\n"),
    ),
    "request-wrong": settled(
        "in the portal, an order registration that names no order", act=_wrongly_requested
    ),
    "request-over": settled("in the portal, consenting to what was refused before", act=_requested),
    "policy-missing": settled(
        "in the portal, asking for approval where no policy was imported",
        act=_quoted(has_policy=False),
    ),
    "quote-value": settled("in the portal, asking for 55 of list", act=_quoted("55 of list")),
    "quote-over": settled(
        "in the portal, approving what was withdrawn", act=_quoted(outcome="withdrawn")
    ),
    "quote-not-yours": settled(
        "in the portal, approving a step of somebody else's", act=_quoted(by="zhao")
    ),
    "address-wrong": Shows(
        "in the portal, notices to the address somebody",
        lambda: (_command("notices").set_address(None, "somebody"), [])[1],
    ),
    "sign-up-held": settled(
        "in the portal, a sign-up link of P2 followed by a customer of P1", act=_signed_up
    ),
    "dispute-over": Shows("in the portal, withdrawing a dispute that was accepted", _disputed),
    "undo-late": settled(
        "in the portal, undoing a target that was not entered there",
        act=lambda store: (_command("targets").undo(store, "P1", "task", "2024-09"), [])[1],
    ),
    "undo-links": settled(
        "in the portal, undoing links that no file entered there",
        act=lambda store: (_command("undoing").undo(store, "x"), [])[1],
    ),
    "undo-nothing": settled(
        "in the portal, undoing a target where there was none before", act=_undone
    ),
    "document-open": Shows(
        "in the portal, the document of a statement that is not closed",
        lambda: (_command("documents").document_of(None, _open_statement()), [])[1],
    ),
    "dispute-amount": Shows(
        "in the portal, a dispute that claims -1",
        lambda: _claimed("-1"),
    ),
    "dispute-owner": Shows(
        "in the portal, giving a dispute to somebody who is not of operations",
        lambda: _on_a_dispute(lambda d, one: d.assign("anna", one, "nobody", None)),
    ),
    "dispute-file": Shows(
        "in the portal, adding an empty file to a dispute",
        lambda: _on_a_dispute(lambda d, one: d.add_file("anna", one, "proof.pdf", b"")),
    ),
    "question-party": Shows(
        "in the portal, asking P2 about a case of P1", lambda: _questioned("P2")
    ),
    "question-over": Shows(
        "in the portal, answering a question that operations have ended",
        lambda: _questioned("P1", is_over=True),
    ),
    "key-unreadable": closed(
        "a signing-key.pem of one word",
        act=_does(lambda store: (_key_file(store).write_text("secret"), signing_key(store))),
    ),
    "key-missing": closed(
        "a bundle, or the next close, once signing-key.pem is gone",
        act=_does(lambda store: (_key_file(store).unlink(), signing_key(store))),
    ),
    "key-exchanged": closed(
        "the same with the signing-key.pem of another workspace",
        act=_keyed(_does(_with_another_key)),
    ),
    "key-unsigned": closed(
        "fenrun audit verify WORKSPACE, after fenrun key rotate WORKSPACE --lost",
        act=_keyed(_key_lost),
    ),
    "key-none-yet": settled(
        "fenrun key publish WORKSPACE key.json, before anything is signed", act=_nothing_to_publish
    ),
    "anchor-unreadable": closed(
        "fenrun audit verify WORKSPACE --anchor paper:heads",
        act=_does(lambda store: _raise(broken_anchors(store, ["paper:heads"]))),
    ),
    "anchor-unwritten": settled(
        'a close, where signing.yaml says `anchors: ["file:/nowhere/heads.jsonl"]`',
        act=_anchored("file:/nowhere/heads.jsonl", lambda store: None),
    ),
    "anchor-behind": closed(
        "fenrun audit verify WORKSPACE --anchor of a place that has no head of September",
        act=_does(lambda store: _raise(broken_anchors(store, ["file:/nowhere/heads"]))),
    ),
    "anchor-late": settled(
        "a close whose time stamp is a year younger",
        act=_anchored("elsewhere:heads", lambda store: None, [datetime(2025, 10, 3)]),
    ),
    "anchor-differs": settled(
        "the log written anew after September was closed, with every hash in it",
        act=_anchored("elsewhere:heads", _written_anew),
    ),
    "signer-unreadable": settled(
        "a signing.yaml whose `names` is no key of it",
        act=lambda store: (
            (store.path / "signing.yaml").write_text("names: Beichen Cloud\n"),
            list(close(store, SEPTEMBER).root),
        )[1],
    ),
    "bundle-open": settled(
        "fenrun statement WORKSPACE P1 --period 2024-09 --bundle P1.zip, before the close",
        act=lambda store: list(make_bundle(store, "P1", SEPTEMBER, store.path / "P1.zip")),
    ),
    "bundle-unsealed": closed(
        "a bundle of a statement that does not come out as it was closed", act=_bundled(_unsealed)
    ),
    "bundle-underived": closed(
        "a bundle from which a charge of the payee is left out", act=_bundled(_underived)
    ),
    "bundle-unreadable": closed(
        "a bundle cut in half",
        act=_bundled(lambda path, store: path.write_bytes(path.read_bytes()[:500])),
    ),
    "bundle-signature": closed(
        "a bundle whose signature is of another text",
        act=_bundled(_repacked(lambda parts: parts.update(signature=b"0" * 64))),
    ),
    "bundle-key": closed(
        "fenrun verify P1.zip --key of somebody else", act=_bundled(key="00" * 32)
    ),
    "key-not-given": Shows(
        "fenrun verify P1.zip --key secret", lambda: (given_fingerprints("secret"), [])[1]
    ),
    "latest-unreadable": closed(
        "fenrun verify P1.zip --latest of a file without heads",
        act=_latest(lambda heads, store: "Our key: see above."),
    ),
    "latest-key": closed(
        "fenrun verify P1.zip --latest of what another workspace published",
        act=_latest(lambda heads, store: heads_text([_signed_by_another(heads[0], store)])),
    ),
    "latest-behind": closed(
        "fenrun verify P1.zip --latest of a file from before the close",
        act=_latest(lambda heads, store: ""),
    ),
    "latest-differs": closed(
        "fenrun verify P1.zip --latest, where September is closed otherwise",
        act=_latest(lambda heads, store: heads_text([_closed_otherwise(heads[0], store)])),
    ),
    "bundle-edited": closed(
        "BilledCost 1.00 -> 10.00 in the bundle's charges", act=_bundled(_repacked(_edited))
    ),
    "bundle-seal": closed(
        "a bundle with another sign-off hash, signed again",
        act=_bundled(_repacked(_of_another_root, sign=True)),
    ),
    "bundle-differs": closed(
        "earned 0.05 -> 0.50 in the bundle, sealed and signed again",
        act=_bundled(_repacked(_cheated, sign=True)),
    ),
}


def shown(code: str) -> Problem | None:
    """The first problem of that code that its reproducer shows."""
    return next((p for p in _said(GALLERY[code].find) if p.code == code), None)


HEAD = """# Problems

Every problem that fenrun can report, with the smallest thing that shows it and what is then said. \
Made by `make docs` from a real run.
"""


def page() -> str:
    """The gallery as a page of the docs."""
    return "\n".join([HEAD, *map(entry, GALLERY)])


def entry(code: str) -> str:
    """The part of the page that shows one code. Raises AssertionError where it is not shown."""
    problem = shown(code)
    assert problem is not None, code
    also = "".join(f", also {place}" for place in problem.also)
    told = GALLERY[code].told.strip().replace("\0", "\N{SYMBOL FOR NULL}")
    parts = [
        f"## {code}\n\n```text\n{told}\n```\n",
        f"{problem.severity}, at `{problem.place}`{also}\n",
    ]
    for lang in ("en", "zh-CN"):
        said = [problem.words(part, lang) for part in ("what", "why", "fix")]
        assert all(said) and "?" not in said[0], said
        parts.append(" ".join(said) + "\n")
    return "\n".join(parts)
