"""Statements: what one holds in full, as a signed bundle, line by line; what more sales would earn.

Each is asked of a statement that the asker sees, so nobody is told of another's.
"""

from __future__ import annotations

import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from functools import lru_cache
from pathlib import Path
from typing import Any

from django.conf import settings

from fenrun.base.money import parse_amount
from fenrun.base.problem import Place, Problem, Refused
from fenrun.base.when import parse_period
from fenrun.closing.close import settle_period
from fenrun.credit.stored_charges import billed_in
from fenrun.earn.calendar import charged
from fenrun.portal.commands.publishing import digest_of
from fenrun.portal.commands.standing import standing_of
from fenrun.portal.models import Period, Statement
from fenrun.portal.request_queue import outside_queue
from fenrun.proof.bundle import make_bundle
from fenrun.settle.explain import explain
from fenrun.settle.standing import Standing
from fenrun.statement.run import Run
from fenrun.store.facts import Store, verified
from fenrun.whatif.estimate import Estimator

_LARGEST_SALE = Decimal(10) ** 12
_LARGEST_CHARGES = 20
"""Charges that an explanation names."""
_MOST_EXPLAINED = 200
"""Lines of a run of which the explanation is kept: who reads one opens it again, or the next."""
_OF_THE_PAGE = ("titles", "before")
"""Keys of a statement's body that only its page needs."""


def as_json(statement: Statement) -> dict[str, Any]:
    """Return a statement as `fenrun statement --json` prints it, with all its customers.

    Besides: how far each line has come, and what is credited to others.
    """
    body = {key: value for key, value in statement.body.items() if key not in _OF_THE_PAGE}
    return body | {"customers": statement.customers}


def signed_bundle(store: Store, statement: Statement) -> bytes:
    """Return the signed bundle of a closed statement, for `fenrun verify`.

    Raises Refused where the period is not closed.
    """
    with outside_queue(), tempfile.TemporaryDirectory(prefix="fenrun-bundle-") as folder:
        out = Path(folder) / "bundle.zip"
        make_bundle(store, statement.payee, parse_period(statement.period_id), out)
        return out.read_bytes()


def find_line(period: str, line: str) -> Statement | None:
    """Return the statement that has a line, if the asker sees it."""
    payee = line.rpartition("/")[2]
    statements = Statement.objects.select_related("period")
    statement = statements.filter(period_id=period, payee=payee).first()
    return statement if statement and line in statement.line_ids() else None


def explained(statement: Statement, line: str) -> dict[str, Any]:
    """Return the explanation of a statement's line, as `fenrun explain --json` prints it."""
    with _held(statement.period) as shown:
        run, known = shown.run, shown.explanations
        # Refused where files are not those that were written, also of what was explained before.
        verified(billed_in(run.charges.imports, charged(run.plans, run.period)))
        run.book()
        if line not in known:
            if len(known) >= _MOST_EXPLAINED:
                known.clear()
            known[line] = explain(run, line, _LARGEST_CHARGES)
        return known[line]


def estimated(statement: Statement, amount: str, service: str) -> dict[str, Any]:
    """Return what additional sales would earn the payee of a statement.

    Raises Refused for what is no amount, or where nothing can be sold.
    """
    more = _sale(amount)
    with standing_of(statement.period) as standing:
        estimator = _estimator(standing)
        return {
            **estimator.sell(statement.payee, more, service or None),
            "services": estimator.services(statement.payee),
        }


@lru_cache(maxsize=1)
def _estimator(standing: Standing) -> Estimator:
    """Return the estimator of a standing period: what it has found of a payee serves again."""
    return Estimator(standing)


def _sale(text: str) -> Decimal:
    try:
        amount = parse_amount(text)
    except ValueError:
        amount = Decimal(0)
    if not 0 < amount < _LARGEST_SALE:
        raise Refused([Problem("estimate-amount", Place("amount"), {"amount": text})])
    return amount


@dataclass(frozen=True)
class _Shown:
    """The run that a period stands on, and what was explained of its lines."""

    run: Run
    lock: threading.Lock = field(default_factory=threading.Lock)
    explanations: dict[str, dict[str, Any]] = field(default_factory=dict)


@lru_cache(maxsize=4)
def _run(key: str, run: str, known: datetime, booked: str) -> _Shown:
    found = settle_period(Store.open(settings.WORKSPACE), parse_period(key), upto=known)
    if (found.run_id, digest_of(found.run.booked)) != (run, booked):
        raise Refused([Problem("shown-changed", Place(key), {"run": run})])
    return _Shown(found.run)


@contextmanager
def run_of(period: Period) -> Iterator[Run]:
    """Give the run that a period stands on, to one thread at a time: an engine serves one.

    Raises Refused where the workspace no longer gives what is shown.
    """
    with _held(period) as shown:
        yield shown.run


@contextmanager
def _held(period: Period) -> Iterator[_Shown]:
    with outside_queue():
        shown = _run(period.key, period.run, period.known.replace(tzinfo=None), period.booked)
        with shown.lock:
            yield shown
