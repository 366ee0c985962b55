"""Facts of the book: parties, links, labels, figures, identities, rates. A row is one dated fact.

Facts are appended, never edited: a fact imported later under the same identity replaces the earlier
one from the moment it was known. A span that is empty (`to` equal to `from`) withdraws a link or
label.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

KINDS = ("unit", "rep", "partner", "agent", "customer")
"""Vendor unit, sales representative, partner, sub-agent of a partner, customer."""

SUBJECTS = ("account", "sub-account", "order", "resource", "customer", "party")
"""The kinds of things that a link can be about."""

CLASSES = ("A", "B", "C", "D", "E", "F")
"""Customer classes, the values of the label `class`."""

IDENTITY_KINDS = ("address", "phone", "email", "bank", "registration", "representative", "device")
"""The kinds of things by which two parties can be the same or belong together."""

ROLE_KINDS = {"customer": ("customer",), "partner": ("partner", "agent"), "rep": ("rep",)}
"""The kinds of party that may hold a role; other roles may be held by any."""


@dataclass(frozen=True)
class Party:
    """Somebody that can own, be credited or be paid. Identity: `party`."""

    party: str
    """The party's id."""
    kind: str
    """One of KINDS."""
    name: str
    """What people call it."""
    row_no: int
    """Row or line in the source."""


@dataclass(frozen=True)
class Link:
    """A party's share of a role of a subject, over a span. Identity: `link_id`."""

    link_id: str
    """Given, or made from what is linked and `valid_from`."""
    of_kind: str
    """One of SUBJECTS: what `subject` is.

    A sub-account comes before its account, an order before a resource before its customer.
    """
    issuer: str
    """InvoiceIssuerName of an account, sub-account, order or resource; else empty."""
    subject: str
    """Id of the account, sub-account, order, resource, customer or party."""
    role: str
    """`customer` (of an account), `partner`, `rep` (of a customer or order), `manager` (of a
    party) and so on."""
    party: str
    """Who holds the role."""
    share: Decimal
    """Part of the whole, above 0 and up to 1."""
    valid_from: date
    """First day."""
    valid_to: date
    """First day after; OPEN_END where there is none."""
    row_no: int
    """Row or line in the source."""
    type: str = ""
    """The kind of tie: agency, resale, purchase-for, registration ...

    Conditions read it as `link.type`.
    """


@dataclass(frozen=True)
class Label:
    """A value that a party has under a label, over a span. Identity: party, label, valid_from."""

    party: str
    """Whose label."""
    label: str
    """`class`, `region`, `line`, `level` or any other lower-case word."""
    value: str
    """Its value; for `class` one of CLASSES."""
    valid_from: date
    """First day."""
    valid_to: date
    """First day after; OPEN_END where there is none."""
    row_no: int
    """Row or line in the source."""


@dataclass(frozen=True)
class Figure:
    """A number given for a party and a period: target, quota, baseline, prior year, renewal rate.

    Identity: party, figure, period.
    """

    party: str
    """For whom."""
    figure: str
    """Its name, as plans use it."""
    period: str
    """A month, quarter or year: 2024-09, 2024-Q3, 2024."""
    valid_from: date
    """First day of the period."""
    valid_to: date
    """First day after the period."""
    amount: Decimal
    """In `currency`; or a plain number such as a rate."""
    currency: str
    """ISO code; empty for a plain number."""
    row_no: int
    """Row or line in the source."""


@dataclass(frozen=True)
class Identity:
    """Something that a party has, by which it can be recognised under another name.

    Identity: party, kind, value, valid_from. No settlement reads it.
    """

    party: str
    """Whose it is."""
    kind: str
    """One of IDENTITY_KINDS."""
    value: str
    """The address, number or name itself, or a hash of it."""
    valid_from: date
    """First day."""
    valid_to: date
    """First day after; OPEN_END where there is none."""
    row_no: int
    """Row or line in the source."""


@dataclass(frozen=True)
class Rate:
    """A conversion rate of a month or a day. Identity: currency, to_currency, period.

    Plans convert by it; no rate follows from another, nor from its inverse.
    """

    currency: str
    """ISO code of what is converted: `from` in files."""
    to_currency: str
    """ISO code of what it becomes: `to` in files."""
    period: str
    """A month or a day: 2026-03, 2026-03-05."""
    valid_from: date
    """First day of the period."""
    valid_to: date
    """First day after the period."""
    rate: Decimal
    """How much of `to_currency` one of `currency` is; above 0."""
    given_by: str
    """Who published it; `source` in files, which may leave it out."""
    row_no: int
    """Row or line in the source."""


TABLES: dict[str, type[Any]] = {
    "parties": Party,
    "links": Link,
    "labels": Label,
    "figures": Figure,
    "identities": Identity,
    "rates": Rate,
}
"""The book's tables by the name they have in files."""
IDENTITY_KEY = ("party", "kind", "value", "valid_from")
"""The fields by which a later identity replaces an earlier one."""
SETTLED = ("parties", "links", "labels", "figures", "rates")
"""The tables that a settlement reads."""
