"""Deliveries: which imports of charges hold the same money, what was kept aside, and who decided.

A delivery is an import of charges. What is open about it stands in every settlement, in `check` and
in the portal, and stops a close: charges that two imports both hold, as they are or in other
pieces, sales that two issuers both bill, rows that were kept aside, and those of the book, of terms
and events that could not be read.
A decision is an import of its own kind, so that it has its moment, its person and its reason: one
delivery replaces another (a void: nothing takes its place), both are meant, or what was kept aside
is left out for good.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from fenrun.base.ids import digest, short
from fenrun.base.money import plain, show
from fenrun.base.problem import Place, Problem, in_order, refused
from fenrun.base.when import Period
from fenrun.base.words import Message, visible
from fenrun.charges.delivered import months_of
from fenrun.charges.mendable import with_mended
from fenrun.charges.overlaps import Overlap, find_overlaps
from fenrun.charges.pieces import Summed, find_summed
from fenrun.charges.read import import_named
from fenrun.charges.redelivered import RENAMED, RESTATED, SHIFTED, Redelivered, find_redelivered
from fenrun.charges.sales import Sale, find_sales
from fenrun.settle.reconciled import LAST_MONTH, unreconciled
from fenrun.settle.unread_rows import OF_TABLES, unread_rows
from fenrun.store.audit_log import Writer
from fenrun.store.facts import DELIVERED, Import, Imported, Store, manifest

QUARANTINE_CODES = (
    "row-quarantined",
    "date-out-of-range",
    "date-unreadable",
    "text-unfit",
    "total-differs",
)
"""The problems of rows that were kept aside."""


_MOST_NAMED = 20


@dataclass(frozen=True)
class Decision:
    """A decision about a delivery; exactly one of its parts is said."""

    replaces: str = ""
    """Name or id of the delivery whose place it takes."""
    adds: str = ""
    """Name or id of the delivery beside which it is meant, equal charges included; its own, where
    two issuers or two forms bill the same in it, and both are meant."""
    leave_out: bool = False
    """True where the rows that were kept aside are left out for good."""
    void: bool = False
    """True where it is taken back: nothing takes its place."""


def decide(
    store: Store,
    name: str,
    decision: Decision,
    known: datetime,
    expected: Mapping[str, Any] | None = None,
) -> Imported:
    """Enter a decision about the delivery of that name or id, known from a moment (UTC) on.

    Of another dataset than charges it is taken back or left out; of a file of book, terms or events
    the rows that could not be read are left out. Raises Refused where no delivery
    in force, or more than one, has a name, where others decide about it meanwhile, and where what
    would be kept of it is not what is `expected`.
    """
    of, facts = decided(store, name, decision, known)
    if expected is not None and facts != expected:
        raise refused("decided-meanwhile", Place(of.source), id=short(of.id))
    content = digest("deliveries", facts)
    is_new = not store.has("deliveries", content)

    def check_unchanged(log: Writer) -> None:
        if decided(store, of.id, decision, known) != (of, facts):
            raise refused("decided-meanwhile", Place(of.source), id=short(of.id))

    said = manifest(of.source, known, facts, ())
    store.add("deliveries", content, said, lambda folder: None, allowed=check_unchanged)
    return Imported(of.source, content, is_new, facts, ())


def decided(
    store: Store, name: str, decision: Decision, known: datetime
) -> tuple[Import, dict[str, Any]]:
    """Return the delivery that a decision would be about, and what would be kept of it.

    Raises Refused as `decide` does.
    """
    there, place = store.imports("charges", known), Place(str(store.path))
    beside = store.imports("datasets", known) if decision.void or decision.leave_out else []
    if decision.leave_out:
        beside += [item for kind in OF_TABLES for item in store.imports(kind, known)]
    of = import_named([*there, *beside], place, name)
    facts: dict[str, Any] = {"of": of.id}
    if decision.void:
        facts["replaces"] = with_mended(store, [of.id])
    elif decision.leave_out:
        facts["left_out"] = True
    else:
        other = import_named(there, place, decision.replaces or decision.adds)
        if other.id == of.id and decision.replaces:
            raise refused("delivery-itself", Place(of.source), name=short(of.id))
        ids = [other.id] if decision.adds else with_mended(store, [other.id])
        facts["adds" if decision.adds else "replaces"] = ids
    return of, facts


def undecided(
    store: Store, known: datetime, period: Period | None = None, for_good: bool = False
) -> list[Problem]:
    """Return what is open about the deliveries in force at a moment: of a period and before it.

    `for_good`, nothing that was found before counts.
    """
    charges, cache = store.imports("charges", known), None if for_good else store.path / "cache"
    items = [i for i in charges if _concerns(i, period)]
    decisions = store.imports("deliveries", known)
    meant = {
        frozenset((item.facts["of"], other))
        for item in decisions
        for other in item.facts.get("adds", ())
    }
    left_out = {item.facts["of"] for item in decisions if item.facts.get("left_out")}
    twice, pairs = _held_twice(items, meant, cache)
    own = [
        say(item)
        for item in items
        for fact, say in _OF_ONE.items()
        if fact in item.facts and frozenset((item.id,)) not in meant
    ]
    datasets = store.imports("datasets", known)
    tables = [item for kind in OF_TABLES for item in store.imports(kind, known)]
    last = period.months[-1] if period else LAST_MONTH
    sums = cache and cache / "invoices"
    differing = unreconciled(charges, datasets, left_out, last, sums)
    return in_order(
        [
            *twice,
            *own,
            *_beside(items, meant | pairs),
            *_of_quarantine(items, charges, left_out),
            *_of_rounding(items),
            *_of_parts(items, charges, left_out),
            *_of_counts(items, left_out),
            *unread_rows(tables, left_out),
            *differing,
        ]
    )


def _held_twice(
    items: Sequence[Import], meant: Set[frozenset[str]], cache: Path | None
) -> tuple[list[Problem], set[frozenset[str]]]:
    """Return what two imports both hold and nobody has said is meant, and all pairs of such.

    What was found before counts where there is a cache.
    """
    found = {item.id: item for item in items}
    overlaps = find_overlaps(items, items, cache and cache / "overlaps")
    twice = [
        _twice(one, found)
        for one in overlaps
        if {one.one, one.other} <= found.keys() and frozenset((one.one, one.other)) not in meant
    ]
    sold = [
        _sold_twice(one, found)
        for one in find_sales(items, cache and cache / "sales")
        if frozenset((one.one, one.other)) not in meant
    ]
    summed = [
        _summed_twice(one, found)
        for one in find_summed(items, cache and cache / "pieces")
        if frozenset((one.one, one.other)) not in meant
    ]
    told = {
        frozenset((problem.values["one_id"], problem.values["other_id"]))
        for problem in (*twice, *sold, *summed)
    }
    redelivered = [
        one
        for one in find_redelivered(items, cache and cache / "told-otherwise")
        if frozenset((one.one, one.other)) not in meant
        and frozenset((short(one.one), short(one.other))) not in told
    ]
    same: list[Overlap | Redelivered] = [*overlaps, *redelivered]
    otherwise = (_redelivered(one, found) for one in redelivered)
    pairs = {frozenset((one.one, one.other)) for one in same}
    return [*twice, *summed, *otherwise, *sold], pairs


def undecided_of(store: Store, known: datetime, done: Sequence[Imported]) -> list[Problem]:
    """Return what is open about some deliveries that were imported: all of it says their names."""
    items = {item.id: item for kind in DELIVERED for item in store.imports(kind, known)}
    new = {short(one.id) for one in done if one.new and one.id in items}
    if not new:
        return []
    said = ("one_id", "other_id", "id")
    found = undecided(store, known)
    return [problem for problem in found if new & {problem.values.get(key) for key in said}]


_TOLD = {
    RENAMED: "charges-renamed",
    RESTATED: "charges-restated",
    SHIFTED: "charges-shifted",
}
BY_ITSELF = ("sums-within", "charges-far", "ends-before-begin", "ids-shortened", "rows-repeated")
"""The problems of a delivery by itself, which can be meant beside itself."""


def _concerns(item: Import, period: Period | None) -> bool:
    """Return whether a delivery can have charges of the period, or of one before."""
    first = item.facts["first_billed"]
    return period is None or not first or bool(first < str(period.span.end))


def _twice(overlap: Overlap, found: Mapping[str, Import]) -> Problem:
    one, other = found[overlap.one], found[overlap.other]
    values = {
        "rows": overlap.rows,
        "amount": amounts(overlap.billed),
        "one": one.source,
        "one_id": short(one.id),
        "other": other.source,
        "other_id": short(other.id),
    }
    also = (Place(other.source),)
    return Problem("charges-twice", Place(one.source), values, also)


def _summed_twice(one: Summed, found: Mapping[str, Import]) -> Problem:
    mine, other = found[one.one], found[one.other]
    values = {
        "rows": one.rows,
        "other_rows": one.other_rows,
        "amount": amounts(one.billed),
        "accounts": one.accounts,
        "account": visible(one.account),
        "one": mine.source,
        "one_id": short(mine.id),
        "other": other.source,
        "other_id": short(other.id),
    }
    return Problem("sums-twice", Place(mine.source), values, (Place(other.source),))


def _redelivered(one: Redelivered, found: Mapping[str, Import]) -> Problem:
    mine, other = found[one.one], found[one.other]
    values = {
        "rows": one.rows,
        "amount": amounts(one.billed),
        "other_amount": amounts(one.other_billed),
        "columns": ", ".join(one.columns),
        "hours": f"{abs(one.minutes) / 60:g}",
        "apart": Message("apart-earlier" if one.minutes > 0 else "apart-later"),
        "one": mine.source,
        "one_id": short(mine.id),
        "other": other.source,
        "other_id": short(other.id),
    }
    return Problem(_TOLD[one.kind], Place(mine.source), values, (Place(other.source),))


def _summed_within(item: Import) -> Problem:
    said = item.facts["within"]
    values = {name: said[name] for name in ("rows", "other_rows", "accounts")}
    values |= {"account": visible(said["account"]), "amount": amounts(said["billed"])}
    return Problem("sums-within", Place(item.source), values | {"id": short(item.id)})


def _far(item: Import) -> Problem:
    said = item.facts["far"]
    values = {name: said[name] for name in ("rows", "starts", "month")}
    values |= {"amount": amounts(said["billed"]), "id": short(item.id)}
    place = Place(item.source, said["row"], "ChargePeriodStart")
    return Problem("charges-far", place, values, rows=said["rows"])


def _backwards(item: Import) -> Problem:
    said = item.facts["backwards"]
    values = {name: said[name] for name in ("rows", "column", "starts", "ends")}
    values |= {"amount": amounts(said["billed"]), "id": short(item.id)}
    place = Place(item.source, said["row"], said["column"])
    return Problem("ends-before-begin", place, values, rows=said["rows"])


def _shortened(item: Import) -> Problem:
    said = item.facts["shortened"]
    values = {name: said[name] for name in ("rows", "column", "value")}
    values |= {"amount": amounts(said["billed"]), "id": short(item.id)}
    place = Place(item.source, said["row"], said["column"])
    return Problem("ids-shortened", place, values, rows=said["rows"])


def _repeated(item: Import) -> Problem:
    said = item.facts["repeated"]
    values = {"rows": said["rows"], "amount": amounts(said["billed"]), "id": short(item.id)}
    return Problem("rows-repeated", Place(item.source), values)


_OF_ONE = {
    "within": _summed_within,
    "far": _far,
    "backwards": _backwards,
    "shortened": _shortened,
    "repeated": _repeated,
}
"""By fact of an import what is said of it by itself, until it is replaced or meant."""


def _sold_twice(sale: Sale, found: Mapping[str, Import]) -> Problem:
    one, other = found[sale.one], found[sale.other]
    values = {
        "rows": sale.rows,
        "amount": amounts(sale.billed),
        "one": one.source,
        "one_id": short(one.id),
        "issuer": sale.issuer,
        "other": other.source,
        "other_id": short(other.id),
        "other_issuer": sale.other_issuer,
    }
    also = (Place(other.source),) if other.id != one.id else ()
    return Problem("billed-by-two", Place(one.source), values, also)


def _beside(items: Iterable[Import], decided: set[frozenset[str]]) -> Iterator[Problem]:
    """Yield each delivery that stays beside a later one of its source and month.

    Not where both are meant, or where it is told by the charges that both hold.
    """
    found = {item.id: item for item in items}
    later = dict[str, list[Import]]()
    for item in found.values():
        for other in item.facts.get("beside", ()):
            if other in found:
                later.setdefault(other, []).append(item)
    for other, parts in later.items():
        if not any(frozenset((part.id, other)) in decided for part in parts):
            yield _stays(parts[0], found[other])


def _stays(one: Import, other: Import) -> Problem:
    values = {
        "source": one.facts["delivered"]["source"],
        "months": months_of(other.facts),
        "one": one.source,
        "one_id": short(one.id),
        "other": other.source,
        "other_id": short(other.id),
        "amount": amounts(other.facts["billed"]),
    }
    return Problem("delivery-stays", Place(one.source), values, (Place(other.source),))


def _of_quarantine(
    items: Iterable[Import], in_force: Sequence[Import], left_out: set[str]
) -> Iterator[Problem]:
    """Yield a problem for each delivery of which rows are kept aside."""
    for item, rows, billed in quarantined_rows(items, in_force):
        code = "kept-aside-left-out" if item.id in left_out else "kept-aside"
        values = {"amount": amounts(billed), "rows": rows, "id": short(item.id)}
        yield Problem(code, Place(item.source), values)


def quarantined_rows(
    items: Iterable[Import], in_force: Sequence[Import]
) -> Iterator[tuple[Import, int, dict[str, str]]]:
    """Yield each delivery of which rows are kept aside: how many, what they bill by currency.

    Rows that a delivery in force mends are none any more.
    """
    for item in items:
        rows = item.facts.get("quarantined", 0)
        billed = {c: Decimal(a) for c, a in item.facts.get("billed_quarantined", {}).items()}
        for one in mends_of(in_force, item.id):
            rows -= len(one.facts["mends"]["rows"])
            for currency, amount in one.facts["mends"]["billed"].items():
                billed[currency] = billed.get(currency, Decimal(0)) - Decimal(amount)
        if rows:
            yield item, rows, {name: plain(billed[name]) for name in sorted(billed)}


def mends_of(items: Iterable[Import], content: str) -> list[Import]:
    """Return those of some imports that mend rows of an import."""
    return [item for item in items if item.facts.get("mends", {}).get("of") == content]


def settled_quarantine(items: Sequence[Import]) -> set[str]:
    """Return the imports whose rows that were kept aside are all mended, or left out."""
    open_ = {item.id for item, _, _ in quarantined_rows(items, items)}
    left_out = {item.facts["of"] for item in items if item.facts.get("left_out")}
    mended = {item.facts["mends"]["of"] for item in items if "mends" in item.facts}
    return left_out | (mended - open_)


def _of_rounding(items: Iterable[Import]) -> Iterator[Problem]:
    """Yield each delivery whose costs had more decimals than are held, and what rounding put on."""
    for item in items:
        if rounded := item.facts.get("rounded"):
            values = {"amount": amounts(rounded), "id": short(item.id)}
            yield Problem("billed-rounded", Place(item.source), values)


def _of_parts(
    items: Iterable[Import], in_force: Iterable[Import], left_out: set[str]
) -> Iterator[Problem]:
    """Yield the first delivery of each run of an export of which parts have not come."""
    come = {_part(item)[:2] for item in in_force}
    said = set[str]()
    for item in items:
        run, _, missing = _part(item)
        names = [name for name in missing if (run, name) not in come]
        if names and run not in said and item.id not in left_out:
            said.add(run)
            values = {"names": ", ".join(names[:_MOST_NAMED]), "count": len(names), "run": run}
            values |= {"name": item.source, "id": short(item.id)}
            yield Problem("parts-missing", Place(item.source), values)


def _of_counts(items: Sequence[Import], left_out: set[str]) -> Iterator[Problem]:
    """Yield each part, and each run whose parts are all there, of other rows than it says."""
    runs = dict[str, list[Import]]()
    for item in (one for one in items if one.facts.get("part_of") and one.id not in left_out):
        said = item.facts["part_of"]
        runs.setdefault(said["run"], []).append(item)
        if said.get("rows", item.facts["rows"]) != item.facts["rows"]:
            yield _count(item, item.facts["rows"], said["rows"])
    for parts in runs.values():
        said = parts[0].facts["part_of"]
        is_each = any("rows" in part.facts["part_of"] for part in parts)
        come = {part.facts["part_of"]["part"] for part in parts}
        rows = sum(part.facts["rows"] for part in parts)
        lacking = {name for part in parts for name in _part(part)[2]} - come
        if not is_each and not lacking and said.get("rows_of_run", rows) != rows:
            yield _count(parts[0], rows, said["rows_of_run"])


def _count(item: Import, rows: int, expected: int) -> Problem:
    values = {"rows": rows, "expected": expected, "run": item.facts["part_of"]["run"]}
    values |= {"name": item.source, "id": short(item.id)}
    return Problem("part-rows-differ", Place(item.source), values)


def _part(item: Import) -> tuple[str, str, Sequence[str]]:
    """Return the run of an export that an import is of, its part, and which others it lacked."""
    said = item.facts.get("part_of", {})
    return said.get("run", ""), said.get("part", ""), said.get("missing", ())


def amounts(billed: Mapping[str, str]) -> str:
    """Return amounts by currency as they are shown: `40.00 USD, 1.00 EUR`."""
    return ", ".join(f"{show(Decimal(amount))} {name}" for name, amount in billed.items()) or "0.00"


def quarantine_totals(imports: Sequence[Import], period: Period) -> dict[str, Any]:
    """Return the rows that deliveries of a period or before keep aside, and what they bill.

    `rows` counts them, `billed` is exact text by currency.
    """
    rows, billed = 0, dict[str, Decimal]()
    concerned = [item for item in imports if _concerns(item, period)]
    for _, count, of_one in quarantined_rows(concerned, imports):
        rows += count
        for currency, amount in of_one.items():
            billed[currency] = billed.get(currency, Decimal(0)) + Decimal(amount)
    return {"rows": rows, "billed": {name: plain(billed[name]) for name in sorted(billed)}}
