"""More facts, and what they take off the sums of months and put on.

Only charges of the accounts that they touch are measured again, by the part of the book that
credits these: as things were, and as they are now.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from fenrun.book.as_codes import Book
from fenrun.book.as_of import Sources
from fenrun.credit.stored_charges import StoredCharges
from fenrun.engine.runner import Bulk, Runner, SQLite
from fenrun.plan.rows import Plan
from fenrun.settle.kept_months import SUMS, Tables, typed
from fenrun.settle.settling import Settling, fitting
from fenrun.settle.touched import part_of_book, touched_accounts

Signed = list[tuple[int, Tables]]
"""Sums of months, each times 1 or -1."""
_MOST_TOUCHED = 20
"""One account in so many, and all are measured again."""


def of_book(
    like: Settling, charges: StoredCharges, books: tuple[Book, Book], added: Sources
) -> Signed | None:
    """Return what sources that are `added` to a book change; `books` are it and the new one.

    `like` is a settlement whose codes and decimals hold all of it. None, where that would be more
    work than measuring anew.
    """
    if has_limits(like.plans):
        return None  # what one registers can refuse another's
    if like.plans[0].converts and any("rates" in tables for _, _, tables in added):
        return None  # a rate concerns whatever is charged in its currency
    touched = touched_accounts(charges, books[1], added)
    if len(touched) * _MOST_TOUCHED > charges.count_accounts():
        return None
    some = charges.of(touched)
    some.read_near()
    some.by_day = True  # on which day something changes differs from book to book
    old, new = (part_of_book(some, book, touched) for book in books)
    # The new book names all that the old one names, so groups by it serve both.
    put_on, taken_off = _sums_by(like, some, [new, old])
    return [(-1, taken_off), (1, put_on)]


def of_charges(
    like: Settling, before: StoredCharges, late: StoredCharges, book: Book, inherits: bool
) -> Signed | None:
    """Return what late charges change.

    Where corrections inherit an order of what they correct, all charges of accounts in which some
    can are measured again, `before` and with the late ones. None, where measuring anew is less
    work.
    """
    if _counts_open(like.plans):
        return None
    touched = late.pairs()
    if inherits and len(touched) * _MOST_TOUCHED > before.count_accounts():
        return None
    imports = [*before.source.imports, *late.source.imports]
    source = replace(before.source, imports=imports, only={})
    after = before.part(source, (before.start, before.end))
    corrected = after.of(touched).accounts_that_inherit(book) if inherits else set()
    if len(corrected) * _MOST_TOUCHED > before.count_accounts():
        return None
    plain = late.of(touched - corrected)
    found = [(1, _sums_of(like, plain, part_of_book(plain, book, touched - corrected)))]
    if corrected:
        after = after.of(corrected)
        part = part_of_book(after, book, corrected)
        found.append((-1, _sums_of(like, before.of(corrected), part)))
        found.append((1, _sums_of(like, after, part)))
    return found


def of_fewer(like: Settling, stored: StoredCharges, fewer: StoredCharges) -> Signed | None:
    """Return what changes where some charges are left out: `fewer` are those that remain.

    Charges of accounts that lose some are measured with them and without. None, where measuring
    anew is less work.
    """
    if _counts_open(like.plans):
        return None
    touched = fewer.accounts_left_out()
    if len(touched) * _MOST_TOUCHED > stored.count_accounts():
        return None
    before, after = stored.of(touched), fewer.of(touched)
    part = part_of_book(before, like.book, touched)
    return [(-1, _sums_of(like, before, part)), (1, _sums_of(like, after, part))]


def _sums_of(like: Settling, charges: StoredCharges, book: Book) -> Tables:
    """Return the sums of months of some charges by a book."""
    return _sums_by(like, charges, [book])[0]


def _sums_by(like: Settling, charges: StoredCharges, books: Sequence[Book]) -> list[Tables]:
    """Return the sums of months of some charges by each of some books, the first of which names all
    that the others name.
    """

    def settle(runner: Runner) -> list[Tables]:
        found, months = [], None
        for book in books:
            part = Settling(runner, like.plans, like.period, book, like.cost_scale, like=like)
            part.load_book()
            if months is None:
                part.load_plans()
                part.group(charges)
            months = part.months = months or part.months
            part.measure_groups()
            found.append(all_sums(runner))
        return found

    return fitting([SQLite, Bulk], settle)


def all_sums(runner: Runner) -> Tables:
    """Return the sums of months in a runner."""
    return typed(
        {name: runner.arrow(f"SELECT {', '.join(SUMS[name])} FROM {name}") for name in SUMS}
    )


def _counts_open(plans: Sequence[Plan]) -> bool:
    """Return whether an order of some account can refuse that of another.

    All other limits compare the links of one subject, and a part of a book has all of these.
    """
    return bool(plans[0].terms[0].open_registrations)


def has_limits(plans: Sequence[Plan]) -> bool:
    """Return whether the plans refuse some links of a book."""
    terms = plans[0].terms[0]
    return bool(
        terms.registration_days
        or terms.open_registrations
        or terms.cooldown_months
        or terms.first_come
    )
