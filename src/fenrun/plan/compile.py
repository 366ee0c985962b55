"""A plan's text as rows. What is wrong is noted in the draft, so that all is found at once."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal

from fenrun.base.money import show_rate
from fenrun.base.when import LONG_AGO, OPEN_END, parse_period
from fenrun.base.words import Unreadable
from fenrun.plan.compile_earn import check_tables, compile_earn
from fenrun.plan.compile_tables import compile_tables
from fenrun.plan.conditions import walk
from fenrun.plan.draft import Draft, titles
from fenrun.plan.meaning import with_digests
from fenrun.plan.phrases import DrawText, FormText, InstalmentText, PaidInText, TaxRate
from fenrun.plan.rows import (
    CreditClause,
    CreditRole,
    DerivedFigure,
    Exclusion,
    Form,
    Fund,
    Instalment,
    PaidApart,
    Pay,
    Plan,
    Purse,
    RollUp,
    Terms,
)
from fenrun.plan.source import Path_
from fenrun.plan.text import CreditText, LimitText, PayText
from fenrun.plan.vocabulary import BASES, SPEND


def compile_plan(draft: Draft) -> Plan:
    """Return the rows of a plan. They may be used only if the draft has no problems then."""
    credited = _credit(draft)
    exclusions = _exclusions(draft)
    earned = compile_earn(draft)
    columns, bands = compile_tables(draft)
    check_tables(draft)
    paid = _pay(draft)
    figures = list(_figures(draft))
    rows = Plan(
        terms=(_terms(draft),),
        rules=tuple(draft.rules),
        conditions=tuple(draft.conditions),
        credit_clauses=tuple(credited.clauses),
        credit_roles=tuple(credited.roles),
        roll_ups=tuple(credited.roll_ups),
        exclusions=tuple(exclusions),
        components=tuple(earned.components),
        weights=tuple(earned.weights),
        groups=tuple(earned.groups),
        gates=tuple(earned.gates),
        less=tuple(earned.less),
        columns=tuple(columns),
        bands=tuple(bands),
        pay=tuple(paid.pay),
        purses=tuple(paid.purses),
        paid_apart=tuple(paid.paid_apart),
        instalments=tuple(paid.instalments),
        forms=tuple(paid.forms),
        funds=tuple(paid.funds),
        figures=tuple(figures),
    )
    return with_digests(rows)


def _check_convert(draft: Draft) -> None:
    """Note currencies that cannot be converted: the plan's own, and one named twice."""
    named = draft.text.convert.currencies if draft.text.convert else []
    for number, currency in enumerate(named):
        path = ("convert", "from", number)
        if currency == draft.text.currency:
            draft.wrong_value(path, "convert-own-currency", "from", currency=currency)
        elif currency in named[:number]:
            draft.wrong_value(path, "convert-twice", "from", currency=currency)


def _check_compared(draft: Draft) -> None:
    """Note conditions that hold a cost against an amount, where costs are in several currencies."""
    if draft.text.convert:
        bases = {draft.text.basis, *(item.basis or "" for _, item, _ in draft.components())}
        costs = {*BASES.values(), *(name for basis in bases for name in basis.split("|"))}
        for condition in draft.conditions:
            nodes = walk(json.loads(condition.tree))
            for column in sorted({node[1] for node in nodes if node[0] == "compare"} & costs):
                values = {"column": column, "rule": condition.rule_id}
                draft.wrong_value(("convert",), "convert-compares", "convert", **values)


def _terms(draft: Draft) -> Terms:
    text = draft.text
    _check_convert(draft)
    _check_compared(draft)
    limits = text.limits or LimitText.model_validate({})
    title_en, title_zh = titles(text.title, text.plan)
    mode, decimals = text.rounded
    return Terms(
        plan_id=text.plan,
        title_en=title_en,
        title_zh=title_zh,
        source=text.source,
        published=text.published,
        valid_from=text.effective.start,
        valid_to=text.effective.end,
        currency=text.currency,
        converts=",".join(text.convert.currencies) if text.convert else "",
        converts_on=text.convert.on if text.convert else "",
        timezone=text.timezone,
        year_starts=text.year_starts,
        basis=text.basis,
        as_of=_as_of(draft),
        round_step=Decimal(1).scaleb(-decimals),
        round_per=10**decimals,
        round_mode=mode,
        registration_days=limits.registration_lives or 0,
        open_registrations=limits.open_registrations or 0,
        first_come=limits.claims is not None,
        cooldown_months=limits.unbinding or 0,
        consent_days=limits.consent_within or 0,
        mixed=text.mixed_bases or "",
        money="",
        words="",
    )


def _as_of(draft: Draft) -> str:
    """Return which date of a charge decides, as JSON: a list of [condition or null, column]."""
    found = []
    for number, item in enumerate(draft.text.as_of):
        tree = draft.tree(("as of", number, "when"), item.when, "charge")
        found.append([tree, item.day])
    return json.dumps(found)


@dataclass
class _Credited:
    """The rows of who is credited."""

    clauses: list[CreditClause]
    roles: list[CreditRole]
    roll_ups: list[RollUp]


def _credit(draft: Draft) -> _Credited:
    credited = _Credited([], [], [])
    plan = draft.plan_id
    for rank, item in enumerate(draft.text.credit.first_match):
        path = ("credit", "first match", rank)
        words = f"{item.mode}: {', '.join(item.roles)}" + (
            f" when {item.when}" if item.when else ""
        )
        rule = draft.rule(path, item.id, "credit", words, item.title, item.source)
        draft.condition((*path, "when"), rule, item.when, "customer")
        while_path = (*path, "while")
        while_rule = draft.sub_rule(
            while_path, f"{rule}.while", "while", item.while_, "credit", item.source
        )
        credited.clauses.append(CreditClause(plan, rule, rank, item.mode, while_rule))
        roles = dict.fromkeys(item.roles)
        credited.roles += [CreditRole(plan, rule, role, n) for n, role in enumerate(roles)]
        edges = dict.fromkeys((up.role, up.to) for up in item.roll_up)
        credited.roll_ups += [RollUp(plan, rule, role, to) for role, to in edges]
        _check_roll_ups(draft, (*path, "roll up"), item)
    return credited


def _check_roll_ups(draft: Draft, path: Path_, item: CreditText) -> None:
    """Check that what is rolled up is credited by then, and who it is rolled up to is not.

    Of the roles of a single crediting only one is credited, so all can be rolled up to one.
    """
    reached, direct = set(item.roles), set(item.roles) if item.mode == "single" else set()
    above: set[str] = set()
    for up in item.roll_up:
        if up.role not in reached:
            draft.unknown_name(path, up.role, "roll-up-from-none", sorted(reached))
        is_above = up.role in direct and up.to in above
        if up.to in reached and not is_above:
            draft.unknown_name(path, up.to, "roll-up-to-credited", sorted(reached))
        reached.add(up.to)
        above |= {up.to} if up.role in direct else set()


def _exclusions(draft: Draft) -> list[Exclusion]:
    components = [component.id for _, component, _ in draft.components()]
    found = []
    for rank, item in enumerate(draft.text.exclude):
        path = ("exclude", rank)
        rule = draft.rule(path, item.id, "exclude", item.when, item.title, item.source)
        draft.condition((*path, "when"), rule, item.when, "credit")
        start, end = item.since or LONG_AGO, item.until or OPEN_END
        for component in item.applies_to or [""]:
            if component and component not in components:
                draft.unknown_name((*path, "applies to"), component, "no-component", components)
            found.append(Exclusion(draft.plan_id, rule, rank, component, start, end))
    return found


def _figures(draft: Draft) -> Iterator[DerivedFigure]:
    """Yield the figures that are counted from agreements."""
    for name, words in draft.text.figures.items():
        rule = draft.rule(("figures", name), f"figures.{name}", "figure", words, name)
        counts, *_, last = words.split()
        of = f"{words.split()[1]}/{last}" if counts == SPEND else last
        if counts == SPEND and draft.text.convert:
            draft.wrong_value(("figures", name), "convert-spend", text=words)
        elif counts == SPEND:
            try:
                parse_period(of)
            except Unreadable:
                draft.wrong_value(("figures", name), "not-a-span-of-spend", text=words)
        yield DerivedFigure(draft.plan_id, rule, name, counts, of)


@dataclass
class _PayClause:
    """The rows of when and how what is earned is paid."""

    pay: list[Pay]
    purses: list[Purse]
    paid_apart: list[PaidApart]
    instalments: list[Instalment]
    forms: list[Form]
    funds: list[Fund]


def _pay(draft: Draft) -> _PayClause:
    plan, item = draft.plan_id, draft.text.pay
    if item is None:
        return _PayClause([], [], [], [], [], [])
    rule = draft.rule(("pay",), "pay", "pay", _pay_words(item), item.title)
    freeze = draft.sub_rule(("pay", "frozen"), "pay.frozen", "freeze", item.frozen, "party")
    if freeze:
        draft.refuse_days(("pay", "frozen"), freeze)
        _check_frozen(draft)
    if item.expires and item.minimum is None:
        draft.wrong_key(("pay",), "minimum", "expires-alone")
    _check_whole(draft, ("pay", "instalments"), item.instalments)
    _check_whole(draft, ("pay", "forms"), item.forms)
    draw, paid_in = item.draw or DrawText(None, ""), item.in_ or PaidInText("", "", "month")
    if item.in_ and item.funds:
        draft.wrong_key(("pay",), "funds", "paid-in-funds")
    if paid_in.currency == draft.text.currency:
        draft.wrong_value(("pay", "in"), "paid-in-own", currency=paid_in.currency)
    tax = item.tax.added if item.tax else TaxRate(Decimal(0), "")
    pay = Pay(
        plan_id=plan,
        rule_id=rule,
        draw=draw.amount,
        recoverable=draw.kind == "recoverable",
        minimum=item.minimum,
        expires=item.expires or 0,
        freeze_rule=freeze,
        tax_included=item.tax.included if item.tax else Decimal(0),
        tax_added=tax.rate,
        tax_figure=tax.figure,
        paid_in=paid_in.currency,
        paid_in_label=paid_in.label,
        paid_on=paid_in.on,
    )
    purses, paid_apart = _apart(draft, item)
    by_purse = enumerate((item.instalments, *(one.instalments for one in item.apart)))
    instalments = [
        Instalment(plan, n, p.share, p.months, purse)
        for purse, parts in by_purse
        for n, p in enumerate(parts)
    ]
    forms = [
        Form(plan, n, part.form, part.share, part.floor, part.otherwise)
        for n, part in enumerate(item.forms)
    ]
    return _PayClause([pay], purses, paid_apart, instalments, forms, _funds(draft, item))


def _apart(draft: Draft, item: PayText) -> tuple[list[Purse], list[PaidApart]]:
    """Return what is paid apart: the terms of each purse, and what it pays."""
    purses, found = [], dict[str, int]()
    components = {c.id: (c.pays, group) for _, c, group in draft.components()}
    roles = {role for role, _ in components.values()}
    for number, one in enumerate(item.apart, 1):
        at: Path_ = ("pay", "apart", number - 1)
        if bool(one.components) == bool(one.roles):
            draft.wrong_key(at, "components", "apart-of-either")
        for key, names, known in (
            ("components", one.components, set(components)),
            ("roles", one.roles, roles),
        ):
            for name in sorted(set(names) - known):
                draft.unknown_name((*at, key), name, "apart-of-none", sorted(known))
        mine = {
            c for c, (role, _) in components.items() if c in one.components or role in one.roles
        }
        for component in sorted(mine & set(found)):
            draft.wrong_value(at, "apart-twice", "apart", name=component)
        found |= dict.fromkeys(sorted(mine), number)
        if one.expires and one.minimum is None:
            draft.wrong_key(at, "minimum", "expires-alone")
        _check_whole(draft, (*at, "instalments"), one.instalments)
        draw = one.draw or DrawText(None, "")
        rule = draft.rule(at, f"pay.apart.{number}", "pay", ", ".join(sorted(mine)) or "pay")
        recoverable, expires = draw.kind == "recoverable", one.expires or 0
        terms = (draw.amount, recoverable, one.minimum, expires)
        purses.append(Purse(draft.plan_id, number, rule, *terms))
    groups = {group.id for _, group in components.values() if group}
    for name in sorted(groups):
        members = [c for c, (_, group) in components.items() if group and group.id == name]
        used = {found.get(member, 0) for member in members}
        if len(used) > 1:
            draft.wrong_value(("pay", "apart"), "apart-splits", name=name)
        elif used != {0}:
            found[name] = min(used)
    return purses, [PaidApart(draft.plan_id, name, purse) for name, purse in found.items()]


def _funds(draft: Draft, item: PayText) -> list[Fund]:
    """Return the funds. Each is of a form of its own, so that a claim is of one fund."""
    paid = {name for part in item.forms for name in (part.form, part.otherwise)} - {"", "cash"}
    for number, fund in enumerate(item.funds):
        at = ("pay", "funds", number)
        if fund.form not in paid:
            draft.unknown_name((*at, "form"), fund.form, "no-form", sorted(paid))
        others = item.funds[:number]
        for key in ("form", "claims"):
            if getattr(fund, key) in [getattr(other, key) for other in others]:
                draft.wrong_value((*at, key), "fund-twice", name=getattr(fund, key))
    return [
        Fund(draft.plan_id, fund.form, fund.claims, fund.cap, fund.lapses or 0)
        for fund in item.funds
    ]


def _pay_words(item: PayText) -> str:
    """Return what the clause says, as it is written."""
    said = {
        "draw": item.draw.words if item.draw else None,
        "minimum": item.minimum,
        "expires": item.expires,
        "frozen": item.frozen,
        "in": item.in_ and (item.in_.currency or f"label {item.in_.label}"),
    }
    return "; ".join(f"{key}: {value}" for key, value in said.items() if value is not None) or "pay"


def _check_frozen(draft: Draft) -> None:
    """Check that what can be frozen is earned for each customer, order, invoice ..."""
    for path, component, _ in draft.components():
        if component.each == "payee" and not component.on.startswith("earned "):
            draft.wrong_value((*path, "each"), "frozen-of-each", id=component.id)


def _check_whole(
    draft: Draft, path: Path_, parts: Sequence[InstalmentText] | Sequence[FormText]
) -> None:
    """Check that the parts make a whole."""
    total = sum((part.share for part in parts), Decimal(0))
    if parts and total != 1:
        draft.wrong_value(path, "parts-no-whole", total=show_rate(total))
