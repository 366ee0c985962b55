"""Alerts of checks with their evidence, and the cases that they make together."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal

from fenrun.integrity.life import Decision

INVARIANT, STATISTICAL, LINK = "invariant", "statistical", "link"
"""The kinds of findings: a fact against book or terms; a p-value; shared identities."""


@dataclass(frozen=True, order=True)
class Evidence:
    """A row that a finding rests on."""

    what: str
    """The message that says what it shows: `evidence-` and this, in `problems.yaml`."""
    table: str
    """`charges`, or a table of the book, the terms or the events."""
    key: str
    """Of a charge its file and row; of another row its key."""


Rows = Mapping[str, Sequence[int]]
"""Rows of charges by the id of their import."""
Sale = tuple[str, str, date]
"""A customer, the partner that is credited for it, and from which day on."""


def rows_of_all(several: Iterable[Rows]) -> Rows:
    """Return the charges that one or another names, by the id of their import, in order."""
    found = defaultdict[str, set[int]](set)
    for rows in several:
        for import_id, numbers in rows.items():
            found[import_id].update(numbers)
    return {import_id: sorted(found[import_id]) for import_id in sorted(found)}


@dataclass(frozen=True)
class PayDifference:
    """Earned by a payee under a clause, with the rows of a case and without them."""

    payee: str
    currency: str
    clause: str
    """The plan and the component, or the table whose rows move money by themselves."""
    earned: Decimal
    without: Decimal

    @property
    def more(self) -> Decimal:
        """The amount earned more by these rows; below zero for who lost by them."""
        return self.earned - self.without


@dataclass(frozen=True)
class Alert:
    """Something unusual that one check saw."""

    parties: tuple[str, ...]
    """The payees concerned, in order."""
    customers: tuple[str, ...]
    start: date
    """The first day of it."""
    end: date
    """The last day of it."""
    evidence: tuple[Evidence, ...]
    orders: tuple[str, ...] = ()
    p: float | None = None
    """Of a statistical check: how likely as much is by chance alone; of a link: how likely the
    parties have nothing to do with each other."""
    rows: Rows = field(default_factory=dict)
    """The charges without which the payees are settled again, to know what they earned by them."""
    groups: tuple[int, ...] = ()
    """The same as groups of `sold`, whose rows are looked up for cases only."""
    sales: tuple[Sale, ...] = ()
    """The same as what a partner is credited for a customer from a day on."""
    shows: str = ""
    """What charges of the groups and sales show, as `Evidence.what`."""
    diverted: Mapping[str, Decimal] = field(default_factory=dict)
    """Money that went elsewhere, by currency, where that is the amount."""
    pays: tuple[PayDifference, ...] = ()
    """Who took and who gave it, where its rows say so."""


@dataclass(frozen=True)
class Outcome:
    """The work of a check, and what came of it."""

    tried: int = 0
    """How many parties, pairs or rows it looked at."""
    alerts: Sequence[Alert] = ()
    """Of a statistical check: all that were tried, each with its p."""
    adjusted: bool = False
    """True if a p says already how likely it is of any that were tried."""


@dataclass(frozen=True)
class Month:
    """The charges of a case in a month, beside all that its customers were charged."""

    month: str
    currency: str
    of_case: Decimal
    of_customers: Decimal


@dataclass(frozen=True)
class Case:
    """One coalition in one scheme over one window."""

    check: str
    scheme: str
    kind: str
    parties: tuple[str, ...]
    customers: tuple[str, ...]
    orders: tuple[str, ...]
    start: date
    end: date
    evidence: tuple[Evidence, ...]
    p: float | None
    q: float | None
    rows: Rows
    groups: tuple[int, ...]
    sales: tuple[Sale, ...]
    shows: str
    diverted: Mapping[str, Decimal]
    amount: Decimal = Decimal(0)
    currency: str = ""
    clause: str = ""
    """The plan and component by which the payees earned most of it; empty for none."""
    pays: tuple[PayDifference, ...] = ()
    """Whoever earns otherwise without its rows, the parties of the case or not."""
    months: tuple[Month, ...] = ()
    charges: int = 0
    """How many charges it rests on, of which the first are evidence."""
    name: str = ""
    """The name under which people have decided about it before, if that is another."""
    is_found: bool = True
    """False of a case that people decided about and that no check finds any more."""
    decision: Decision | None = None
    """The last step of its life; None where nobody has decided anything."""

    @property
    def id(self) -> str:
        """A name that stays the same as long as the case does."""
        if self.name:
            return self.name
        who = "+".join((*self.parties, *self.customers)[:2]) or "nobody"
        return f"{self.scheme}-{self.start:%Y%m%d}-{who}"


@dataclass(frozen=True)
class Checked:
    """A check that ran, or could not."""

    check: str
    scheme: str
    tried: int
    skipped: tuple[str, ...] = ()
    """The tables or columns that are missing, for which it could not run."""
    seconds: float = 0.0
    """Processor time that it took."""
    confirmed: int = 0
    decided: int = 0
    """Cases of it that people confirmed, of those that they explained or confirmed."""


@dataclass(frozen=True)
class Contradicted:
    """Money that nobody is credited for under a plan, since facts contradict each other.

    Whoever would be paid for it earns nothing by it, so that no case says an amount of it.
    """

    plan: str
    currency: str
    amount: Decimal
    charges: int
    accounts: tuple[str, ...]
    """The accounts that are charged it, the largest first."""


@dataclass(frozen=True)
class Findings:
    """All that the checks found in a span of months."""

    start: date
    end: date
    """The last day."""
    checks: Sequence[Checked]
    cases: Sequence[Case]
    record: str = ""
    """The record that they are kept in, by its short id; of a queue the last one."""
    contradicted: Sequence[Contradicted] = ()
    """Money of these months that facts which contradict each other credit to nobody, by plan."""
