"""Finding: parties, customers and orders by a part of their id or name, in any case and width.

Whoever sees everything finds what the book names; it is taken in import by import. Everybody else
finds what stands on the statements and among the credits that they see.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from typing import Any, NamedTuple

import pyarrow as pa

from fenrun.base.problem import Place, Problem, Refused
from fenrun.book.as_of import sources_of
from fenrun.portal.access.isolation import rows_seen
from fenrun.portal.alone import alone
from fenrun.portal.models import Crediting, KnownName, Statement
from fenrun.portal.request_queue import outside_queue
from fenrun.store.facts import Import, Store

_DB = "default"
_IMPORT, _ORDER, _CUSTOMER = KnownName.IMPORT, KnownName.ORDER, KnownName.CUSTOMER
MOST = 8
"""What is offered while somebody types."""
_LONGEST = 100
_NEAR = 500
"""Names among which near ones are looked for."""
_BATCH = 2_000
PAYEE, CUSTOMER, ORDER, PARTNER = "payee", "customer", "order", "partner"
KINDS = (PAYEE, CUSTOMER, ORDER)
"""What is searched: whoever may be paid, customers, orders. A picker may ask for partners alone."""
_OF_KIND = {
    PAYEE: f"kind NOT IN ('{_IMPORT}', '{_ORDER}', '{_CUSTOMER}')",
    CUSTOMER: f"kind = '{_CUSTOMER}'",
    ORDER: f"kind = '{_ORDER}'",
    PARTNER: "kind IN ('partner', 'agent')",
}
_FOUND = """
SELECT key, name, issuer FROM portal_knownname
WHERE {kind} AND {contained}
ORDER BY CASE WHEN text LIKE %s ESCAPE '!' THEN 0 WHEN text LIKE %s ESCAPE '!' THEN 1 ELSE 2 END,
         key, issuer
LIMIT %s OFFSET %s"""


class Hit(NamedTuple):
    """Something that was found."""

    kind: str
    key: str
    name: str
    issuer: str = ""


def folded(text: str) -> str:
    """Return a text as it is compared: in one width and case, blanks taken off its ends."""
    return unicodedata.normalize("NFKC", text).casefold().strip()


def find(kind: str, text: str, most: int = MOST, start: int = 0) -> list[Hit]:
    """Return what of a kind has all words of a text in its id or name: whole ids come first.

    Asked as the asker, who must see everything to find anything here.
    """
    words = folded(text[:_LONGEST]).split()
    if not words:
        return []
    contained = " AND ".join(["text LIKE %s ESCAPE '!'"] * len(words))
    whole, first = (f"{_escaped(' '.join(words))}{end}" for end in ("\n%", "%"))
    values = [*(f"%{_escaped(word)}%" for word in words), whole, first, most, start]
    rows = rows_seen(_FOUND.format(kind=_OF_KIND[kind], contained=contained), *values)
    return [Hit(kind, *row) for row in rows]


def find_own(text: str, most: int = MOST) -> list[Hit]:
    """Return what the asker's own statements name that has all words of a text."""
    words = folded(text[:_LONGEST]).split()
    found: dict[Hit, None] = {}
    for payee, name, customers in _own_statements() if words else ():
        found.setdefault(Hit(PAYEE, payee, name))
        for row in customers:
            if row["customer"]:
                found.setdefault(Hit(CUSTOMER, row["customer"], row.get("name", "")))
    hits = [hit for hit in found if all(word in _text(hit.key, hit.name) for word in words)]
    return sorted(hits)[:most]


def _own_statements() -> Iterable[tuple[str, str, list[dict[str, Any]]]]:
    return Statement.objects.order_by("-period_id").values_list("payee", "name", "customers")


def find_credited(text: str, most: int = MOST) -> list[Hit]:
    """Return orders among the credits that a customer sees, with all words of a text."""
    words = folded(text[:_LONGEST]).split()
    orders = Crediting.objects.exclude(order="").values_list("order", flat=True).distinct()
    found = [order for order in orders if words and all(word in folded(order) for word in words)]
    return [Hit(ORDER, order, "") for order in sorted(found)[:most]]


def refresh(store: Store) -> None:
    """Take in what the imports of the book name that are not in yet.

    Where one that is in has gone, all are taken in anew.
    """
    imports = {item.id: item for item in store.imports("book")}
    if _taken_in() == imports.keys():
        return
    with outside_queue(), alone("finding"):
        names = KnownName.objects.using(_DB)
        if _taken_in() - imports.keys():
            names.all().delete()
        there = _taken_in()
        new = [item for key, item in imports.items() if key not in there]
        for item in sorted(new, key=lambda item: (item.known, item.id)):
            _take_in(item)


def _taken_in() -> set[str]:
    kept = KnownName.objects.using(_DB).filter(kind=_IMPORT)
    return set(kept.values_list("key", flat=True))


def _take_in(item: Import) -> None:
    [(_, _, tables)] = sources_of([item])
    names = KnownName.objects.using(_DB)
    rows = [KnownName(kind=_IMPORT, key=item.id, text="")]
    for party, kind, name in _columns(tables.get("parties"), "party", "kind", "name"):
        text = _text(party, name or "")
        rows.append(KnownName(kind=kind or "party", key=party, name=name or "", text=text))
    for of, issuer, key in _columns(tables.get("links"), "of_kind", "issuer", "subject"):
        if of == "order":
            text = _text(key, "")
            rows.append(KnownName(kind=_ORDER, key=key, issuer=issuer or "", text=text))
    once = {(row.kind, row.key, row.issuer): row for row in rows}
    names.bulk_create(
        once.values(),
        batch_size=_BATCH,
        update_conflicts=True,
        unique_fields=["kind", "key", "issuer"],
        update_fields=["name", "text"],
    )


def _columns(table: pa.Table | None, *names: str) -> Iterable[tuple[str, ...]]:
    if table is None:
        return ()
    return zip(*(table[name].to_pylist() for name in names))


def names_of(keys: Iterable[str]) -> dict[str, str]:
    """Return the names that the book gives to parties, of those of the ids that have one."""
    known = KnownName.objects.using(_DB).exclude(kind__in=(_IMPORT, _ORDER)).exclude(name="")
    return dict(known.filter(key__in=set(keys)).values_list("key", "name"))


def refuse_unknown(store: Store, column: str, key: str, *kinds: str) -> None:
    """Raise Refused where the book names nothing of the kinds by an id; near ones are told.

    Where the book names nothing at all yet, anything is taken.
    """
    refresh(store)
    known = KnownName.objects.using(_DB).exclude(kind=_IMPORT)
    if not known.exists():
        return
    of_kinds = known.extra(where=[" OR ".join(f"({_OF_KIND[kind]})" for kind in kinds)])
    if of_kinds.filter(key=key).exists():
        return
    near = ", ".join(_near(of_kinds, key)) or "-"
    raise Refused(
        [Problem("name-unknown", Place(key or "-", 0, column), {"key": key, "near": near})]
    )


def _near(known: Any, key: str) -> Sequence[str]:
    """Return the ids that somebody may have meant: by a part of id or name, or by likeness."""
    inside = list(known.filter(text__contains=folded(key)).values_list("key", "name")[:3])
    if not inside:
        pairs = known.filter(text__startswith=folded(key)[:1]).values_list("key", "name")[:_NEAR]
        close = get_close_matches(key, [k for k, _ in pairs], 3)
        inside = [(k, name) for k, name in pairs if k in close]
    return [f"{key} ({name})" if name else key for key, name in inside]


def _text(key: str, name: str) -> str:
    return f"{folded(key)}\n{folded(name)}"


def _escaped(text: str) -> str:
    """Return a text as a pattern of LIKE that stands for itself."""
    for sign in "!%_":
        text = text.replace(sign, f"!{sign}")
    return text
