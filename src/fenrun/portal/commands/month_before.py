"""The month before, as a statement tells it: what changed by customer, why it pays otherwise.

It is found when one of the two is shown, so that no page has to read both.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from datetime import timedelta
from decimal import Decimal
from typing import Any

from fenrun.base.money import plain
from fenrun.base.when import Period
from fenrun.portal import models
from fenrun.statement.change import pay_change

_CHANGES_SHOWN = 8
"""Customers whose change since the month before is shown one by one."""
_OTHERS = "…"
"""Stands for the customers that are not shown one by one."""
Rows = list[dict[str, Any]]


def compare(period: Period, statements: Sequence[models.Statement]) -> None:
    """Put into the statements of a month what they say of the month before.

    `before`: period, credited, changes (customer and amount), names of these customers; `change`:
    as `pay_change` says it, with titles, and names of its customers. None without that month.
    """
    shown = models.Statement.objects.using("default")
    last_month = f"{period.span.start - timedelta(days=1):%Y-%m}"
    before = {(one.payee, one.currency): one for one in shown.filter(period_id=last_month)}
    for statement in statements:
        earlier = before.get((statement.payee, statement.currency))
        names = _names_of(earlier, statement) if earlier else {}
        statement.body["before"] = _before(earlier, statement, names) if earlier else None
        statement.body["change"] = _change(earlier, statement, names) if earlier else None


def _names_of(*some: models.Statement) -> dict[str, str]:
    """Return the names of the customers of statements, by id, where they have any."""
    rows = (row for one in some for row in one.customers)
    return {row["customer"]: row["name"] for row in rows if row.get("name")}


def _before(
    earlier: models.Statement, statement: models.Statement, names: dict[str, str]
) -> dict[str, Any]:
    changes = _changes(earlier.customers, statement.customers)
    return {
        "period": earlier.period_id,
        "credited": earlier.credited,
        "changes": changes,
        "names": {name: names[name] for name, _ in changes if name in names},
    }


def _changes(before: Rows, after: Rows) -> list[tuple[str, str]]:
    """Return what made the credited amount of two months differ, by customer.

    The largest one by one, the others together.
    """
    changes: defaultdict[str, Decimal] = defaultdict(Decimal)
    for customers, sign in ((before, -1), (after, 1)):
        for row in customers:
            changes[row["customer"] or "–"] += sign * Decimal(row["credited"])
    changed = [(customer, change) for customer, change in changes.items() if change]
    changed.sort(key=lambda pair: (-abs(pair[1]), pair[0]))
    shown = [(customer, plain(change)) for customer, change in changed[:_CHANGES_SHOWN]]
    rest = sum((change for _, change in changed[_CHANGES_SHOWN:]), Decimal(0))
    return [*shown, (_OTHERS, plain(rest))] if rest else shown


def _change(
    earlier: models.Statement, statement: models.Statement, names: dict[str, str]
) -> dict[str, Any]:
    """Return why a statement pays other than that of the month before, with what it names."""
    said = pay_change(*(one.body | {"customers": one.customers} for one in (earlier, statement)))
    causes = [cause for component in said["components"] for cause in component["causes"]]
    named = {cause["name"] for cause in causes}
    titles = earlier.body["titles"] | statement.body["titles"]
    return said | {
        "titles": {name: words for name, words in titles.items() if name in named},
        "names": {name: words for name, words in names.items() if name in named},
    }
