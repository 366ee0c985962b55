"""Why a statement pays other than the month before: by component, then by cause, to the cent.

It rests on the two statements alone, as JSON. What a component's line measures more or less is
worth what a unit of it earned the month before; what is left is what a unit earns now and did not
earn then. So the causes of a component sum to its difference, whatever its bands are.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from decimal import ROUND_HALF_EVEN, Decimal
from fractions import Fraction
from typing import Any

from fenrun.base.money import minor_units, plain

Body = Mapping[str, Any]
"""A statement as JSON, with `attained` and all its customers."""
CAUSES = ("target", "rate", "exclusion", "customer", "measured", "due")
"""Why a component earns otherwise: another target; another band, or rate; more or less of it is
excluded; customers buy more or less; else it is measured otherwise (its basis, weights or
baseline); it falls due, or fell due the month before, and not in both."""
_SHOWN = 8
"""Customers that are named one by one, the largest."""
_OTHERS = "…"


def pay_change(before: Body, now: Body) -> dict[str, Any]:
    """Return what makes two statements of one payee, in one currency, pay differently.

    `components`: component, title, before, after, difference, and `causes` that sum to it (cause,
    name, amount, and of a rate what held then and holds now); `otherwise`: what is paid beside what
    is earned (carried, instalments, tax), and `closed`: differences of closed periods. With them
    the components sum to `difference`, exactly. Amounts are exact text.
    """
    step = Decimal(1).scaleb(-minor_units(now["currency"]))
    components = _components(before, now, step)
    otherwise = [_of(one, "paid") - _of(one, "earned") for one in (before, now)]
    closed = [_of(one, "difference") for one in (before, now)]
    payable = [_of(one, "payable") for one in (before, now)]
    return {
        "period": now["period"],
        "against": before["period"],
        "currency": now["currency"],
        **_beside(payable),
        "components": components,
        "otherwise": _beside(otherwise),
        "closed": _beside(closed),
    }


def _of(body: Body, key: str) -> Decimal:
    return Decimal(body[key])


def _beside(amounts: Sequence[Decimal]) -> dict[str, str]:
    before, after = amounts
    return {"before": plain(before), "after": plain(after), "difference": plain(after - before)}


def _components(before: Body, now: Body, step: Decimal) -> list[dict[str, Any]]:
    """Return the components that earn otherwise, those that change most first."""
    was, is_ = _lines_by_component(before), _lines_by_component(now)
    found = []
    for key in sorted(was.keys() | is_.keys()):
        lines = was.get(key, []), is_.get(key, [])
        earned = [sum((Decimal(one["earned"]) for one in side), Decimal(0)) for side in lines]
        if earned[0] == earned[1]:
            continue
        said = {"component": key[1], "title": (lines[1] or lines[0])[0]["title"]}
        causes = _causes(before, now, lines, step)
        found.append((abs(earned[1] - earned[0]), said | _beside(earned) | {"causes": causes}))
    found.sort(key=lambda one: (-one[0], one[1]["component"]))
    return [one for _, one in found]


def _lines_by_component(body: Body) -> dict[tuple[str, str], list[Mapping[str, Any]]]:
    found: defaultdict[tuple[str, str], list[Mapping[str, Any]]] = defaultdict(list)
    for line in body["lines"]:
        found[line["plan"], line["component"]].append(line)
    return found


def _causes(
    before: Body, now: Body, lines: tuple[list[Any], list[Any]], step: Decimal
) -> list[dict[str, Any]]:
    was, is_ = (
        [one for one in side if one["period"] == body["period"]]
        for side, body in zip(lines, (before, now))
    )
    then_all, now_all = (
        sum((Decimal(one["earned"]) for one in side), Decimal(0)) for side in lines
    )
    whole = now_all - then_all
    if len(was) != 1 or len(is_) != 1 or len(lines[0]) + len(lines[1]) != 2:
        return [{"cause": "due", "name": _periods(lines), "amount": plain(whole)}]
    then, this = was[0], is_[0]
    measured = Fraction(then["measured"])
    worth = Fraction(then["earned"]) / measured if measured else Fraction(0)
    causes: list[dict[str, Any]] = [
        {"cause": cause, "name": name, "amount": _rounded(change * worth, step)}
        for cause, name, change in _causes_of_measures(before, now, then, this)
    ]
    rest = whole - sum((one["amount"] for one in causes), Decimal(0))
    if rest:
        causes.append(_of_rate(before, now, then, this) | {"amount": rest})
    causes.sort(key=lambda one: (CAUSES.index(one["cause"]), -abs(one["amount"])))
    return [one | {"amount": plain(one["amount"])} for one in causes if one["amount"]]


def _periods(lines: tuple[list[Any], list[Any]]) -> str:
    return " → ".join(", ".join(one["period"] for one in side) or "–" for side in lines)


def _rounded(amount: Fraction, step: Decimal) -> Decimal:
    """Return an amount in whole steps; what that leaves goes to the rate."""
    steps = round(amount / Fraction(step))
    return (steps * step).quantize(step, ROUND_HALF_EVEN)


def _causes_of_measures(
    before: Body, now: Body, then: Mapping[str, Any], this: Mapping[str, Any]
) -> list[tuple[str, str, Fraction]]:
    """Return what a line measures more or less, by cause; the parts sum to the difference."""
    rules = _by_key(before, now, "not_counted", "rule", "amount", "component", this["component"])
    customers = _by_key(before, now, "customers", "customer", "credited", "role", this["role"])
    largest = sorted(customers, key=lambda name: (-abs(customers[name]), name))
    parts = [("exclusion", rule, -change) for rule, change in rules.items()]
    parts += [("customer", name, customers[name]) for name in largest[:_SHOWN]]
    others = sum((customers[name] for name in largest[_SHOWN:]), Fraction(0))
    parts.append(("customer", _OTHERS, others))
    whole = Fraction(this["measured"]) - Fraction(then["measured"])
    rest = whole - sum((change for *_, change in parts), Fraction(0))
    return [part for part in [*parts, ("measured", "", rest)] if part[2]]


def _by_key(
    before: Body, now: Body, table: str, key: str, amount: str, of: str, wanted: str
) -> dict[str, Fraction]:
    """Return by what the rows of a table differ between two statements, by key."""
    found: defaultdict[str, Fraction] = defaultdict(Fraction)
    for body, sign in ((before, -1), (now, 1)):
        for row in body[table]:
            if row[of] == wanted:
                found[row[key] or ""] += sign * Fraction(row[amount])
    return {name: change for name, change in found.items() if change}


def _of_rate(
    before: Body, now: Body, then: Mapping[str, Any], this: Mapping[str, Any]
) -> dict[str, Any]:
    """Return that a unit earns otherwise: by another target alone, or by the band that is reached.

    By the target alone, where the target of the month before would have left the line in the band
    of that month.
    """
    stands = before["attained"].get(then["line"]), now["attained"].get(this["line"])
    said = {"name": "", "then": then["band"], "now": this["band"]}
    for name, stand in zip(("target_then", "target_now"), stands):
        said[name] = stand["reference"] if stand else None
    return {"cause": "target" if _is_by_target(*stands) else "rate", **said}


def _is_by_target(then: Mapping[str, Any] | None, this: Mapping[str, Any] | None) -> bool:
    if not then or not this or this["reads_by"] != "attainment":
        return False
    was, is_ = (Fraction(one["reference"] or 0) for one in (then, this))
    if not was or not is_ or was == is_:
        return False
    measure = Fraction(this["measure"])
    lowers = [Fraction(bound["from"]) for bound in this["bounds"]]
    reached = _reached(lowers, measure)
    with_old = _reached((lower * was / is_ for lower in lowers), measure)
    lowers_then = (Fraction(bound["from"]) for bound in then["bounds"])
    return reached != with_old == _reached(lowers_then, Fraction(then["measure"]))


def _reached(lowers: Iterable[Fraction], measure: Fraction) -> int:
    return sum(lower <= measure for lower in lowers)
