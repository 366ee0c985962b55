"""Patches of the book: labels, roles, figures, rates and new customers, as rows of the book."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import date
from decimal import Decimal
from typing import Any

from fenrun.base.problem import Problem, Refused
from fenrun.base.when import OPEN_END, Period
from fenrun.book.rows import Label, Link, Party
from fenrun.lab.chosen import BookRows, Chooser
from fenrun.lab.scenario import Scenario
from fenrun.lab.scenario_text import (
    NOBODY,
    FigureText,
    MoveText,
    RatePatchText,
    RelabelText,
    WonText,
)
from fenrun.plan.source import Path_

_WHOLE = Decimal(1)
ACCOUNT_OF = "{account}+{customer}"
"""The account of a customer that is won, like an account of the one that it is like."""


class BookPatch:
    """The book with the patches of a scenario, applied one after the other."""

    def __init__(self, scenario: Scenario, chooser: Chooser, book: BookRows):
        """`chooser` asks what is; `book` is what they are applied to."""
        self.scenario, self.chooser, self.book = scenario, chooser, book
        self.links = 0
        self.problems: list[Problem] = []
        """Patches that change nothing."""

    def apply(self, path: Path_) -> None:
        """Apply the patch that stands at a path. Raises Refused for unknown parties."""
        kind, number = path
        patch = getattr(self.scenario.text, str(kind))[number]
        apply: dict[str, Callable[[Any, Path_], int]] = {
            "labels": self._relabel,
            "moves": self._move,
            "figures": self._figures,
            "rates": self._rates,
            "won": self._won,
        }
        if not apply[str(kind)](patch, path):
            self.problems.append(Problem("scenario-nothing", self.scenario.place(path)))

    def _relabel(self, patch: RelabelText, path: Path_) -> int:
        """Give a label another value; return how many rows change."""
        day, changed = self.scenario.day(patch.start), 0
        chosen = self.chooser.choose(patch, day)
        standing: dict[str, list[Label]] = {}
        for row in self.book.of("labels"):
            if row.label == patch.label and row.party in chosen and row.valid_to > day:
                standing.setdefault(row.party, []).append(row)
        for party in sorted(chosen):
            old = standing.get(party, [])
            if [(r.value, r.valid_to) for r in old if r.valid_from <= day] == [
                (patch.value, OPEN_END)
            ]:
                continue
            for row in old:
                self.book.enter("labels", replace(row, valid_to=max(day, row.valid_from)))
            if patch.value is not None:
                new = Label(party, patch.label, patch.value, day, OPEN_END, 0)
                self.book.enter("labels", new)
            changed += bool(old) or patch.value is not None
        return changed

    def _move(self, patch: MoveText, path: Path_) -> int:
        """Give a role to somebody else; return how many links change."""
        day, changed = self.scenario.day(patch.start), 0
        self._refuse_unknown([patch.to] if patch.to else [], path)
        if patch.holder == NOBODY:
            return self._give(patch, day)
        chosen = self._subjects(patch, day)
        for link in self.book.of("links"):
            is_meant = (link.of_kind, link.role) == (patch.of, patch.role)
            is_meant &= patch.holder in (None, link.party) and link.party != patch.to
            if is_meant and link.valid_to > day and link.subject in chosen:
                self._hand_over(link, patch, max(day, link.valid_from))
                changed += 1
        return changed

    def _give(self, patch: MoveText, day: date) -> int:
        """Give a role that nobody holds on a day, until somebody does; return how many links."""
        kinds = ("customer",) if patch.of == "customer" else ()
        ends: dict[str, list[tuple[date, date]]] = {}
        for link in self.book.of("links"):
            if (link.of_kind, link.role) == (patch.of, patch.role) and link.valid_to > day:
                ends.setdefault(link.subject, []).append((link.valid_from, link.valid_to))
        free = {
            subject
            for subject in self.chooser.choose(patch, day, kinds)
            if all(start > day for start, end in ends.get(subject, ()) if start < end)
        }
        for subject in sorted(free):
            end = min((start for start, _ in ends.get(subject, ())), default=OPEN_END)
            issuer = patch.issuer or ""
            blank = Link("", patch.of, issuer, subject, patch.role, "", _WHOLE, day, day, 0)
            self._add(blank, patch.to, _WHOLE, day, end)
        return len(free)

    def _subjects(self, patch: MoveText, day: date) -> set[str]:
        if patch.of in ("customer", "party"):
            return self.chooser.choose(patch, day)
        everything = {link.subject for link in self.book.of("links") if link.of_kind == patch.of}
        return everything if patch.parties is None else set(patch.parties)

    def _hand_over(self, link: Link, patch: MoveText, start: date) -> None:
        """End a link on a day, or after a transition, and begin those that follow."""
        until = min(max(start, patch.until or start), link.valid_to)
        keeps = _WHOLE if patch.keeps is None else patch.keeps
        whole_until = until if keeps == _WHOLE else start
        self.book.enter("links", replace(link, valid_to=max(link.valid_from, whole_until)))
        if whole_until < until:
            self._add(link, link.party, link.share * keeps, start, until)
            self._add(link, patch.to, link.share * (_WHOLE - keeps), start, until)
        self._add(link, patch.to, link.share, until, link.valid_to)

    def _add(self, link: Link, party: str | None, share: Decimal, start: date, end: date) -> None:
        """Add a link like another, unless it is nobody's, of nothing or of no day."""
        if party is None or share == 0 or start >= end:
            return
        self.links += 1
        made = f"{self.scenario.id}-{self.links}"
        new = replace(link, link_id=made, party=party, share=share, row_no=0)
        self.book.enter("links", replace(new, valid_from=start, valid_to=end))

    def _figures(self, patch: FigureText, path: Path_) -> int:
        """Change figures; return how many."""
        chosen, changed = self.chooser.choose(patch, self.scenario.day(None)), 0
        if patch.parties is None and patch.where is None and patch.spend is None:
            chosen = {row.party for row in self.book.of("figures")}
        for row in self.book.of("figures"):
            is_meant = row.figure == patch.figure and row.party in chosen
            if is_meant and _within(row.valid_from, patch.within):
                amount = patch.to if patch.to is not None else row.amount * (patch.by or _WHOLE)
                self.book.enter("figures", replace(row, amount=amount))
                changed += amount != row.amount
        return changed

    def _rates(self, patch: RatePatchText, path: Path_) -> int:
        """Change conversion rates; return how many."""
        changed = 0
        for row in self.book.of("rates"):
            is_meant = (row.currency, row.to_currency) == (patch.currency, patch.to_currency)
            if is_meant and _within(row.valid_from, patch.within):
                rate = patch.rate if patch.rate is not None else row.rate * (patch.by or _WHOLE)
                self.book.enter("rates", replace(row, rate=rate))
                changed += rate != row.rate
        return changed

    def _won(self, patch: WonText, path: Path_) -> int:
        """Give a new customer what another one has; return how many links and labels it gets."""
        day = self.scenario.day(patch.start)
        self._refuse_unknown([patch.like, *patch.holders.values()], path)
        if any(row.party == patch.customer for row in self.book.of("parties")):
            raise self._refused("scenario-there", path, party=patch.customer)
        self.book.enter("parties", Party(patch.customer, "customer", patch.customer, 0))
        return sum(1 for _ in self._given(patch, day))

    def _given(self, patch: WonText, day: date) -> Iterator[None]:
        """Put in the labels and links of a customer that is won, one after the other."""
        for row in self.book.of("labels"):
            if row.party == patch.like and row.valid_to > day:
                start = max(day, row.valid_from)
                self.book.enter("labels", replace(row, party=patch.customer, valid_from=start))
                yield
        roles = set()
        for link in self.book.of("links"):
            if link.valid_to <= day:
                continue
            start = max(day, link.valid_from)
            if (link.of_kind, link.subject) == ("customer", patch.like):
                roles.add(link.role)
                party = patch.holders.get(link.role, link.party)
                new = replace(link, subject=patch.customer)
                self._add(new, party, link.share, start, link.valid_to)
                yield
            if link.of_kind == "account" and link.party == patch.like:
                account = ACCOUNT_OF.format(account=link.subject, customer=patch.customer)
                new = replace(link, subject=account)
                self._add(new, patch.customer, link.share, start, link.valid_to)
                yield
        for role, party in patch.holders.items():
            if role not in roles:
                blank = Link("", "customer", "", patch.customer, role, party, _WHOLE, day, day, 0)
                self._add(blank, party, _WHOLE, day, OPEN_END)
                yield

    def _refuse_unknown(self, parties: list[str], path: Path_) -> None:
        """Raise Refused where a party is not listed in the book."""
        listed = {row.party for row in self.book.of("parties")}
        for party in parties:
            if party not in listed:
                raise self._refused("scenario-party", path, party=party)

    def _refused(self, code: str, path: Path_, **values: Any) -> Refused:
        return Refused([Problem(code, self.scenario.place(path), values)])


def _within(day: date, period: Period | None) -> bool:
    return period is None or day in period.span
