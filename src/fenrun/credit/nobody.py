"""Why an amount is credited to nobody, and the nearest thing to a holder that the book has."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from fenrun.base.likeness import LookAlikes, revealed
from fenrun.base.money import plain
from fenrun.base.problem import Place, Problem
from fenrun.base.when import span_in_words
from fenrun.base.words import Message
from fenrun.book.as_codes import issuer_and_subject, subject_code
from fenrun.credit.crediting import Crediting
from fenrun.engine.codes import day_number, day_of, unscaled
from fenrun.engine.runner import Runner

_MOST_NAMED = 20
"""The accounts with a customer that are named one by one, largest amounts first."""
_MOST_EITHER = 5
"""The customers of an account that are named."""
_UNOWNED = """
SELECT account, sum(amount)
FROM uncredited_sums
WHERE reason = 'no-customer' AND plan = ?
GROUP BY account"""
_UNHELD = """
SELECT account, reason, sum(amount), sum(charges)
FROM uncredited_sums
WHERE reason <> 'no-customer' AND plan = ? AND month >= {asked_from} AND month < {asked_to}
GROUP BY account, reason
HAVING sum(amount) <> 0"""
_WITHOUT_HOLDER = """
SELECT u.customer, l.role, l.party, l.valid_from, l.valid_to
FROM (SELECT DISTINCT customer
      FROM uncredited_sums
      WHERE reason = 'nobody' AND plan = ? AND account = ?
        AND month >= {asked_from} AND month < {asked_to}) AS u
LEFT JOIN links_as_of AS l
  ON l.of_kind = 'customer' AND l.subject = u.customer AND l.role IN ({roles})
ORDER BY l.valid_from, l.valid_to, l.link"""
"""The customers of an account for whose charges nobody is credited, each with its holders."""
_NAMED = "SELECT DISTINCT subject FROM links_as_of WHERE of_kind = ?"
_HELD = """
SELECT role, party, valid_from, valid_to FROM links_as_of
WHERE of_kind = ? AND subject = ? ORDER BY valid_from, valid_to, link"""


def credited_to_nobody(runner: Runner, crediting: Crediting, scale: int) -> list[Problem]:
    """Return what nobody is credited for, account by account, each with its reason.

    Of accounts without a customer all are named, of others the largest; `scale` are the decimals
    of a credit.
    """
    return [*_unowned(runner, crediting, scale), *_unheld(runner, crediting, scale)]


def _unowned(runner: Runner, crediting: Crediting, scale: int) -> Iterator[Problem]:
    """Yield accounts without a customer."""
    # Whoever owns an account owns it under every plan: one tells.
    rows = runner.rows(_UNOWNED, [crediting.codes.of(crediting.credited[0].id)])
    if not rows:
        return
    book = _Accounts(runner, crediting)
    for issuer, account, code, amount in sorted(
        (*issuer_and_subject(crediting.codes, code), code, amount) for code, amount in rows
    ):
        place = Place(issuer, 0, account)
        said = {"account": revealed(account), "amount": _plain(amount, scale)}
        similar = book.similar((issuer, account))
        if similar:
            said |= {"issuer": revealed(issuer), **similar}
            yield Problem("account-look-alike", place, said)
        else:
            yield Problem("account-unowned", place, said | {"nearest": book.nearest(account, code)})


class _Accounts:
    """The accounts that the book names, to look for the one that is meant."""

    def __init__(self, runner: Runner, crediting: Crediting):
        self._runner, self._codes = runner, crediting.codes
        self._linked = {code for (code,) in runner.rows(_NAMED, ["account"])}
        names = [issuer_and_subject(self._codes, code) for code in sorted(self._linked)]
        self._others = LookAlikes(names)
        self._issuers: dict[str, str] = {account: issuer for issuer, account in reversed(names)}

    def similar(self, name: tuple[str, str]) -> dict[str, Any]:
        """Return which account looks like this one, for a problem; nothing where none does."""
        if subject_code(self._codes, *name) in self._linked:
            return {}
        found = self._others.nearest(name)
        if not found:
            return {}
        (issuer, account), differs = found
        return {"other": revealed(account), "other_issuer": revealed(issuer), "differs": differs}

    def nearest(self, account: str, code: int) -> Message:
        """Return what the book has that is nearest to an account that is like no other."""
        if code in self._linked:
            _, party, start, end = self._runner.rows(_HELD, ["account", code])[0]
            span = span_in_words(day_of(start), day_of(end))
            return Message("unowned-other-days", {"party": self._codes.text(party), "span": span})
        if account in self._issuers:
            return Message("unowned-other-issuer", {"issuer": self._issuers[account]})
        is_sub = self._runner.rows(_HELD, ["sub-account", code])
        return Message("unowned-sub-account" if is_sub else "unowned-unknown")


def _unheld(runner: Runner, crediting: Crediting, scale: int) -> Iterator[Problem]:
    """Yield accounts with a customer whose charges of the period are credited to nobody."""
    plan = crediting.plans[0]
    serving = crediting.codes.of(crediting.crediting[plan.id])
    found = runner.rows(_UNHELD.format(**crediting.fragments()), [serving])
    rows = sorted(found, key=lambda row: (-abs(row[2]), str(row)))
    roles = sorted({role.role for role in plan.credit_roles})
    for code, reason, amount, charges in rows[:_MOST_NAMED]:
        issuer, account = issuer_and_subject(crediting.codes, code)
        why = Message(f"nobody-{reason}")
        if reason == "nobody":
            why = _without_holder(runner, crediting, serving, code, roles)
        said = {"account": revealed(account), "amount": _plain(amount, scale), "why": why}
        place = Place(issuer, 0, account)
        yield Problem("account-uncredited", place, said, rows=int(charges))
    rest = rows[_MOST_NAMED:]
    if rest:
        said = {"count": len(rest), "amount": _plain(sum(row[2] for row in rest), scale)}
        charges = sum(int(row[3]) for row in rest)
        yield Problem("accounts-uncredited", Place("charges"), said, rows=charges)


def _without_holder(
    runner: Runner, crediting: Crediting, plan: int, account: int, roles: Sequence[str]
) -> Message:
    """Return why no clause credits an account's charges: who holds a role of their customers when.

    Where nobody ever does of some of these customers, only they are named.
    """
    codes, span = crediting.codes, crediting.period.span
    wanted = ", ".join(str(codes.of(role)) for role in roles)
    sql = _WITHOUT_HOLDER.format(roles=wanted, **crediting.fragments())
    last: dict[str, tuple[int, ...] | None] = {}
    for customer, role, *link in runner.rows(sql, [plan, account]):
        last[str(codes.text(customer))] = None if role is None else (role, *link)
    without = sorted(customer for customer, link in last.items() if link is None)
    if without:
        return Message("nobody-none", {"roles": _either(roles), "customer": _either(without)})
    first, after = day_number(span.start), day_number(span.end)
    held = [(customer, link) for customer, link in sorted(last.items()) if link]
    in_part = [one for one in held if one[1][2] > first or one[1][3] < after]
    customer, (role, party, start, end) = (in_part or held)[0]
    said: dict[str, Any] = {"roles": _either(roles), "customer": customer}
    said |= {"role": codes.text(role), "party": codes.text(party)}
    if not in_part:
        return Message("nobody-clause", said)
    return Message("nobody-other-days", said | {"span": span_in_words(day_of(start), day_of(end))})


def _either(names: Sequence[str]) -> Message | str:
    """Return one or several names; of many the first, and how many there are besides."""
    first: Message | str = names[0]
    for name in names[1:_MOST_EITHER]:
        first = Message("nobody-roles", {"one": first, "other": name})
    more = len(names) - _MOST_EITHER
    return Message("nobody-more", {"names": first, "count": more}) if more > 0 else first


def _plain(amount: int, scale: int) -> str:
    value = unscaled(int(amount), scale)
    return "" if value is None else plain(value)
