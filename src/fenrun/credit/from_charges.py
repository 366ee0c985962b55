"""From charges and the book to credits.

Fills the fixed SQL of steps.sql with what the plans' conditions read.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from fenrun.base.money import decimals
from fenrun.base.table import from_rows
from fenrun.charges.rows import COSTS, ORDER
from fenrun.credit.on_whole_numbers import bases_of, unit_columns
from fenrun.credit.shared_work import load_shared_work
from fenrun.engine.dialect import literal, quoted
from fenrun.engine.port import Engine
from fenrun.engine.steps import read_steps
from fenrun.plan.conditions import CUSTOMER_DATES, date_sql, number_sql, reads, to_sql, walk
from fenrun.plan.rows import ALWAYS, ROW_TYPES, Plan
from fenrun.plan.vocabulary import BASES

STEPS = read_steps("fenrun.credit")
_LETTERS = {
    "column": "c",
    "number": "t",
    "label": "l",
    "closing": "k",
    "held": "h",
    "date": "d",
    "payee": "p",
    "previous": "q",
    "link": "n",
    "link date": "e",
}


@dataclass(frozen=True)
class Tree:
    """A condition as numbered in one run: equal conditions have one number. Grain: plan, rule."""

    plan_id: str
    rule_id: str
    about: str
    tree_no: int


@dataclass(frozen=True)
class Basis:
    """A cost that a plan measures. Grain: plan, basis."""

    plan_id: str
    basis: str
    main: bool
    """Whether it is the plan's own."""


@dataclass(frozen=True)
class Readings:
    """The values that the conditions of some plans read, under short column names."""

    trees: dict[str, int]
    """Each distinct condition (JSON) and its number."""
    names: dict[tuple[str, str], str]
    """(what, name) as `conditions.reads` gives them, to column name."""

    def of(self, kind: str) -> dict[str, str]:
        """Name to column name of what is read in this way."""
        return {name: column for (what, name), column in self.names.items() if what == kind}

    def columns(self, kinds: Sequence[str]) -> list[str]:
        """The column names of what is read in these ways."""
        return [column for (what, _), column in self.names.items() if what in kinds]

    def uses(self, date_name: str) -> bool:
        """Return whether a condition reads a date of that name."""
        return any(
            date_name in (node[1], node[-1])
            for t in self.trees
            for node in walk(json.loads(t))
            if node[0] in ("within", "dated")
        )


GROUP_KEYS = ("column", "number")
CUSTOMER_KEYS = ("column", "number", "label", "closing", "held", "date")
CREDIT_KEYS = ("payee", "previous", "link", "link date")


def readings_of(plans: Sequence[Plan], about: Sequence[str]) -> Readings:
    """Return what the plans' conditions about these things read."""
    trees = sorted({c.tree for p in plans for c in p.conditions if c.about in about})
    found = sorted(set().union(*(reads(json.loads(t)) for t in trees))) if trees else []
    counts: dict[str, int] = {}
    names = {}
    for what, name in found:
        names[what, name] = f"{_LETTERS[what]}{counts.setdefault(what, 0)}"
        counts[what] += 1
    return Readings({t: n for n, t in enumerate(trees, ALWAYS + 1)}, names)


def load_plan_rows(engine: Engine, plans: Sequence[Plan]) -> None:
    """Load the plans' rows as tables `plan_...`.

    Their conditions are numbered in `plan_trees`, their costs in `plan_bases`.
    """
    for name, kind in ROW_TYPES.items():
        engine.load(
            f"plan_{name}", from_rows(kind, [row for plan in plans for row in getattr(plan, name)])
        )
    trees = []
    numbers = {
        about: readings_of(plans, kinds).trees
        for about, kinds in (
            ("customer", ("customer",)),
            ("credit", ("credit",)),
            ("party", ("party",)),
        )
    }
    for plan in plans:
        given = {c.rule_id: c for c in plan.conditions}
        for rule in plan.rules:
            condition = given.get(rule.rule_id)
            about = (
                condition.about
                if condition
                else {
                    "credit": "customer",
                    "payee": "party",
                    "freeze": "party",
                    "clawback": "party",
                }.get(rule.kind, "credit")
            )
            trees.append(
                Tree(
                    plan.id,
                    rule.rule_id,
                    about,
                    numbers[about][condition.tree] if condition else ALWAYS,
                )
            )
    engine.load("plan_trees", from_rows(Tree, trees))
    load_shared_work(engine, plans)
    engine.load(
        "plan_bases",
        from_rows(
            Basis,
            [
                Basis(p.id, basis, basis == p.terms[0].basis)
                for p in plans
                for basis in bases_of([p])
            ],
        ),
    )


def units_of(plans: Sequence[Plan]) -> dict[str, str]:
    """Columns of the charge that a component is earned for separately, to column name."""
    return {column: f"u{n}" for n, column in enumerate(unit_columns(plans))}


def _any_credit(plans: Sequence[Plan]) -> Readings:
    return readings_of(plans, ("customer", "credit"))


def _reader(engine: Engine) -> Callable[[str], str]:
    """The SQL of a column of the charges, also where no file has it."""
    present = engine.columns("charges")
    return lambda name: (
        quoted(name)
        if name in present
        else "CAST(NULL AS DECIMAL(18,2))"
        if name in COSTS
        else "CAST(NULL AS VARCHAR)"
    )


def _numbers(engine: Engine) -> Callable[[str], str]:
    """The same as a number."""
    present, column = engine.columns("charges"), _reader(engine)
    return lambda name: (
        column(name)
        if present.get(name, "").startswith("DECIMAL")
        else f"TRY_CAST({column(name)} AS DECIMAL(38,15))"
    )


_LATE = 62
"""Days before and after the months settled within which charges of one span are summed.

Older and later ones day by day.
"""
_LINES = ("charge_lines", "distinguished_charges")
"""The views of steps.sql that lead from charges to groups."""
_SAME_GROUP = ("issuer", "account", "sub_account", "order_id", "resource_id", "month", "currency")


def load_lines(engine: Engine, plans: Sequence[Plan], filled: dict[str, str]) -> str:
    """Run the views that lead to groups again, for single charges (filled by line_fragments).

    Returns the SQL of whether a row t of `distinguished_charges` is in the group g.
    """
    for step in STEPS:
        if step.name in _LINES:
            engine.run(step, filled)
    keys = (*_SAME_GROUP, *_any_credit(plans).columns(GROUP_KEYS), *units_of(plans).values())
    return " AND ".join(["g.day = t.span", *(f"g.{k} IS NOT DISTINCT FROM t.{k}" for k in keys)])


def columns_read(engine: Engine, filled: dict[str, str]) -> list[str]:
    """The columns of the charges that these views read.

    Or more: a name that is part of another counts.
    """
    text = " ".join(step.filled(filled) for step in STEPS if step.name in _LINES)
    return [name for name in engine.columns("charges") if name in text]


def line_fragments(
    engine: Engine,
    plans: Sequence[Plan],
    start: date,
    end: date,
    settled: tuple[date, date] | None = None,
    charges: str = "charges",
) -> dict[str, str]:
    """Return what fills the views of steps.sql.

    For charges billed in months from `start` up to, not including, `end`: all, or some of those
    that were `settled`, of the table `charges`.
    """
    read, units, bases = _any_credit(plans), units_of(plans), bases_of(plans)
    column, number, scale = _reader(engine), _numbers(engine), cost_scale(engine, bases)
    found = (
        [
            f"{_distinguishing(read, n, f'CAST({column(n)} AS VARCHAR)')} AS {c}"
            for n, c in read.of("column").items()
        ]
        + [f"CAST({column(n)} AS VARCHAR) AS {c}" for n, c in units.items()]
        + [f"{number_sql(n, number)} AS {c}" for n, c in read.of("number").items()]
    )
    amounts = [
        f"{_basis(basis, lambda name: f'CAST({number(name)} AS DECIMAL(38, {scale}))')} AS a{n}"
        for n, basis in enumerate(bases)
    ]
    keys = "".join(
        f", {c}"
        for c in (*read.of("column").values(), *units.values(), *read.of("number").values())
    )
    return {
        "charges": charges,
        "sub_account": column("SubAccountId"),
        "order_id": column(ORDER),
        "resource_id": column("ResourceId"),
        "correction": f"coalesce({column('ChargeClass')} = 'Correction', false)",
        "price": column("SkuPriceId"),
        "day": _day(engine, plans, column, number),
        "keys": keys,
        "bought": " OR ".join(f"coalesce({number(name)} > 0, false)" for name in BASES.values())
        if since_needed(plans)
        else "false",
        "amounts": ", ".join(amounts),
        "amount_names": "".join(f", c.a{n}" for n in range(len(bases))),
        "columns": "".join(f", {f}" for f in found),
        "from": str(start),
        "to": str(end),
    } | _spans(engine, plans, *(settled or (start, end)))


def _distinguishing(read: Readings, name: str, value: str) -> str:
    """The SQL of a column's value as far as the conditions tell it from others.

    Values that are in the same lists become one, so that fewer groups are to be credited.
    """
    nodes = [
        node
        for tree in read.trees
        for node in walk(json.loads(tree))
        if node[0] in ("in", "starts", "missing") and node[1] == name
    ]
    if any(node[0] == "starts" for node in nodes):
        return value
    lists = sorted({tuple(node[2]) for node in nodes if node[0] == "in"})
    alike: dict[tuple[bool, ...], list[str]] = {}
    named = sorted(set().union(*lists))
    for text in named:
        alike.setdefault(tuple(text in one for one in lists), []).append(text)
    other = max(named, key=len, default="") + "-"  # longer than any that is named
    missing = (
        f" WHEN {value} IS NULL THEN NULL" if any(node[0] == "missing" for node in nodes) else ""
    )
    arms = "".join(
        f" WHEN {value} IN ({', '.join(map(literal, texts))}) THEN {literal(texts[0])}"
        for texts in alike.values()
    )
    return f"CASE{missing}{arms} ELSE {literal(other)} END" if missing or arms else literal(other)


def fragments(engine: Engine, plans: Sequence[Plan], start: date, end: date) -> dict[str, str]:
    """Return what fills steps.sql, for charges billed from `start` up to, not including, `end`."""
    read, units, count = _any_credit(plans), units_of(plans), len(bases_of(plans))
    direct, rolled = share_scales(engine)
    depth = max((len(p.roll_ups) for p in plans), default=0)
    of_customer = read.columns(CUSTOMER_KEYS)
    of_claim = _claim_readings(read)
    sources = _customer_readings(read)
    return line_fragments(engine, plans, start, end) | {
        "sums": "".join(
            f", coalesce(sum(a{n}), 0) AS a{n}, count(*) - count(a{n}) AS lacking{n}"
            for n in range(count)
        ),
        "group_amounts": "".join(f", g.a{n}" for n in range(count)),
        "owned_amounts": "".join(f", o.a{n}" for n in range(count)),
        "group_keys": "".join(f", g.{k}" for k in read.columns(GROUP_KEYS)),
        "currency": plans[0].terms[0].currency,
        "dims": "".join(f", {sources[c]} AS {c}" for c in of_customer),
        "dim_names": "".join(f", {c}" for c in of_customer),
        "segment": f"dense_rank() OVER (ORDER BY {', '.join(sources[c] for c in of_customer)})"
        if of_customer
        else "1",
        "dim_joins": _customer_joins(read),
        "segment_tests": _tests(
            readings_of(plans, ("customer",)).trees, read, "segment_id", "segments"
        ),
        "first_purchases": "true" if read.uses("first purchase") else "false",
        "direct_share": str(direct),
        "claim_dims": "".join(f", {sql} AS {c}" for c, sql in of_claim.items()),
        "claim_joins": _claim_joins(read),
        "reading": f"dense_rank() OVER (ORDER BY c.segment_id, {', '.join(of_claim.values())})"
        if of_claim
        else "c.segment_id",
        "claim_dim_names": "".join(f", c.{c}" for c in of_claim),
        "segment_dim_names": "".join(f", s.{c}" for c in of_customer),
        "reading_tests": _tests(
            readings_of(plans, ("credit",)).trees, read, "reading_id", "readings"
        ),
        "unit_columns": "".join(f", {u}" for u in units.values()),
        "claim_amount": amount_of("b.basis", "c", plans),
        "plan_amount": amount_of("p.basis", "g", plans),
        "depth": str(depth),
        "all_share": str(direct + rolled * depth),
        "credit": str(cost_scale(engine, bases_of(plans)) + direct + rolled * depth),
    }


def _spans(engine: Engine, plans: Sequence[Plan], start: date, end: date) -> dict[str, str]:
    """Return what fills the spans in which any day stands for all.

    They are those between changes of the book and dates in the plans, unless a condition reads the
    day itself.
    """
    low, high = (
        (start - timedelta(days=_LATE) if start.year > 1 else start),
        end + timedelta(days=_LATE),
    )
    first, last = extent(engine)
    if first and last:  # what changes before or after all charges tells none of them apart
        low, high = (
            max(low, first.date() - timedelta(days=2)),
            min(high, last.date() + timedelta(days=2)),
        )
    given = {"low": str(low), "high": str(high)}
    read = _any_credit(plans)
    if read.of("date") or read.of("link date") or any(json.loads(p.terms[0].as_of) for p in plans):
        return given | {"merged": "false", "span": "c.day", "span_join": ""}
    dates = sorted(
        {
            d
            for p in plans
            for x in p.exclusions
            for d in (x.valid_from, x.valid_to)
            if low < d < high
        },
        reverse=True,
    )
    said = "".join(f" WHEN c.day >= DATE '{d}' THEN DATE '{d}'" for d in dates)
    own = (
        "c.day < DATE '{low}' OR c.day >= DATE '{high}' OR s.subject IS NOT NULL"
        " OR o.subject IS NOT NULL OR r.subject IS NOT NULL OR k.price IS NOT NULL"
    ).format(**given)
    plain = f"coalesce(n.valid_from, DATE '{low}')"
    dated = f"greatest({plain}, CASE{said} ELSE DATE {literal(str(low))} END)"
    return given | {
        "merged": "true",
        "span": f"CASE WHEN {own} THEN c.day ELSE {dated if dates else plain} END",
        "span_join": "\nLEFT JOIN spans AS n ON n.issuer = c.issuer AND n.account = c.account"
        " AND n.valid_from <= c.day AND c.day < n.valid_to",
    }


def history_needed(plans: Sequence[Plan]) -> bool:
    """Return whether something reads what came long before.

    That is: first purchases, new customers, amounts to date.
    """
    subjects = {
        s
        for p in plans
        for s in (
            *(c.reads_by for c in p.components),
            *(c.times_by for c in p.components),
            *(g.subject for g in p.gates),
        )
    }
    return since_needed(plans) or "amount to date" in subjects


def since_needed(plans: Sequence[Plan]) -> bool:
    """Return whether something reads the day on which a customer was first charged anything."""
    read = _any_credit(plans)
    return (
        read.uses("first purchase")
        or read.uses("customer since")
        or any(c.counts == "new customers" for p in plans for c in p.components)
    )


def amount_of(basis: str, table: str, plans: Sequence[Plan]) -> str:
    """The SQL of the amount in the cost that `basis` names."""
    bases = bases_of(plans)
    if len(bases) == 1:
        return f"{table}.a0"
    arms = [f"WHEN {literal(name)} THEN {table}.a{n}" for n, name in enumerate(bases)]
    return f"CASE {basis} {' '.join(arms)} END"


def _customer_readings(read: Readings) -> dict[str, str]:
    """Column name to the SQL of what conditions on charge and customer read."""
    found = {c: f"o.{c}" for c in read.columns(GROUP_KEYS)}
    found |= {
        c: "o.customer" if n == "customer" else f"{c}.value"
        for n, c in (
            *read.of("label").items(),
            *((f"closing.{n}", c) for n, c in read.of("closing").items()),
        )
    }
    found |= {c: f"({c}.owned_id IS NOT NULL)" for c in read.of("held").values()}
    dates = {"day": "o.day", "customer since": "since.day"}
    return found | {c: date_sql(n, dates.__getitem__) for n, c in read.of("date").items()}


def _customer_joins(read: Readings) -> str:
    labels = {n: c for n, c in read.of("label").items() if n != "customer"}
    month_end = "CAST(o.month + INTERVAL 1 MONTH - INTERVAL 1 DAY AS DATE)"
    held = "".join(
        "\nLEFT JOIN (SELECT DISTINCT owned_id FROM holders"
        f" WHERE sound AND role = {literal(n)}) AS {c} ON {c}.owned_id = o.owned_id"
        for n, c in read.of("held").items()
    )
    since = (
        "\nLEFT JOIN customer_since AS since ON since.customer = o.customer"
        if read.uses(CUSTOMER_DATES[1])
        else ""
    )
    return (
        label_joins(labels, "o.customer", "o.day")
        + label_joins(read.of("closing"), "o.customer", month_end)
        + held
        + since
    )


def _claim_readings(read: Readings) -> dict[str, str]:
    """Column name to the SQL of what only conditions on credits read."""
    found = {c: "c.party" if n == "party" else f"{c}.value" for n, c in read.of("payee").items()}
    found |= {
        c: "c.previous" if n == "party" else f"{c}.value" for n, c in read.of("previous").items()
    }
    found |= {c: f"nullif(c.{n}, '')" for n, c in read.of("link").items()}
    dates = {
        "day": "c.day",
        "customer since": "claim_since.day",
        "association": "c.since",
        "first purchase": "first.day",
    }
    return found | {c: date_sql(n, dates.__getitem__) for n, c in read.of("link date").items()}


def _claim_joins(read: Readings) -> str:
    payee = {n: c for n, c in read.of("payee").items() if n != "party"}
    previous = {n: c for n, c in read.of("previous").items() if n != "party"}
    dated = " ".join(read.of("link date"))
    first = (
        "\nLEFT JOIN first_purchases AS first ON first.customer = c.customer"
        " AND first.role = c.role AND first.party = c.party AND first.since = c.since"
        if "first purchase" in dated
        else ""
    )
    since = (
        "\nLEFT JOIN customer_since AS claim_since ON claim_since.customer = c.customer"
        if "customer since" in dated
        else ""
    )
    return (
        label_joins(payee, "c.party", "c.day")
        + label_joins(previous, "c.previous", "c.day")
        + first
        + since
    )


def _tests(trees: dict[str, int], read: Readings, key: str, table: str) -> str:
    """Which numbered conditions hold in which rows of a table."""
    parts = [f"SELECT {ALWAYS} AS tree_no, {key} FROM {table}"]
    for tree, number in trees.items():
        holds = to_sql(json.loads(tree), lambda what, name: read.names[what, name])
        parts.append(f"SELECT {number}, {key} FROM {table} WHERE {holds}")
    return "\nUNION ALL\n".join(parts)


def _day(
    engine: Engine,
    plans: Sequence[Plan],
    column: Callable[[str], str],
    number: Callable[[str], str],
) -> str:
    """The day of a charge that says who is credited, in the plans' time zone."""
    terms = plans[0].terms[0]
    offset = _offset(engine, terms.timezone)
    usual = f"CAST(ChargePeriodStart + {offset} AS DATE)"
    arms = []
    for tree, name in json.loads(terms.as_of):
        found = f"TRY_CAST({column(name)} AS DATE)" if name.startswith("x_") else usual
        if name == "BillingPeriodStart":
            found = "CAST(date_trunc('month', BillingPeriodStart + INTERVAL 1 DAY) AS DATE)"
        elif name == "ChargePeriodEnd":
            found = (
                f"CAST({column(name)} - INTERVAL 1 SECOND + {offset} AS DATE)"
                if name in engine.columns("charges")
                else usual
            )
        when = (
            to_sql(
                tree,
                lambda what, n: (
                    f"CAST({column(n)} AS VARCHAR)" if what == "column" else number_sql(n, number)
                ),
            )
            if tree
            else "true"
        )
        arms.append(f"WHEN {when} THEN coalesce({found}, {usual})")
    return f"CASE {' '.join(arms)} ELSE {usual} END" if arms else usual


def cost_scale(engine: Engine, bases: Sequence[str]) -> int:
    """The decimals of the costs that are measured."""
    present = engine.columns("charges")
    return max(
        (
            _decimals(engine, present, BASES.get(word, word))
            for basis in bases
            for word in basis.split("|")
        ),
        default=2,
    )


def _decimals(engine: Engine, present: dict[str, str], name: str) -> int:
    if present.get(name, "").startswith("DECIMAL"):
        return int(present[name][:-1].split(",")[1])
    if name not in present:
        return 2
    number = f"TRY_CAST({quoted(name)} AS DECIMAL(38,15))"
    places = f"length(rtrim(split_part(CAST({number} AS VARCHAR), '.', 2), '0'))"
    found = engine.query(f"SELECT max({places}) AS n FROM charges").to_pylist()[0]["n"]
    return max(2, found or 0)


def share_scales(engine: Engine) -> tuple[int, int]:
    """The decimals that the share of a direct credit needs, and those that rolling it up adds."""
    found = {"customer": 0, "role": 0, "party": 0}
    for row in engine.query("SELECT DISTINCT of_kind, share FROM links").to_pylist():
        which = {"account": "customer", "sub-account": "customer", "party": "party"}.get(
            row["of_kind"], "role"
        )
        found[which] = max(found[which], decimals(row["share"]))
    return found["customer"] + found["role"], found["party"]


def label_joins(labels: dict[str, str], party: str, day: str) -> str:
    """Joins that bring each label (name to column name) of a party on a day."""
    return "".join(
        f"\nLEFT JOIN labels AS {c} ON {c}.party = {party} AND {c}.label = {literal(n)}"
        f" AND {c}.valid_from <= {day} AND {day} < {c}.valid_to"
        for n, c in labels.items()
    )


def _basis(basis: str, column: Callable[[str], str]) -> str:
    costs = [column(BASES.get(word, word)) for word in basis.split("|")]
    if len(costs) == 1:
        return costs[0]
    one, other = costs
    return (
        f"CASE WHEN abs({one}) <= abs({other}) THEN {one}"
        f" WHEN abs({other}) < abs({one}) THEN {other} END"
    )


def _offset(engine: Engine, zone: str) -> str:
    """The SQL of what to add to a charge's UTC time for the plan's time zone."""
    low, high = extent(engine)
    if low is None or high is None:
        return "INTERVAL 0 SECOND"
    changes = offset_changes(zone, low, high)
    arms = [
        f"WHEN ChargePeriodStart < TIMESTAMP '{until}' THEN INTERVAL '{seconds}' SECOND"
        for seconds, until in changes[:-1]
    ]
    last = f"INTERVAL '{changes[-1][0]}' SECOND"
    return f"CASE {' '.join(arms)} ELSE {last} END" if arms else last


def load_extent(engine: Engine) -> None:
    """Make the table `extent`: the first and last moment (UTC) at which a charge begins."""
    engine.load(
        "extent",
        engine.query(
            "SELECT min(ChargePeriodStart) AS low, max(ChargePeriodStart) AS high FROM charges"
        ),
    )


def extent(engine: Engine) -> tuple[datetime | None, datetime | None]:
    """The first and last moment (UTC) at which a charge begins; none where there is no charge."""
    row = engine.query("SELECT low, high FROM extent").to_pylist()[0]
    return row["low"], row["high"]


def offset_changes(zone: str, low: datetime, high: datetime) -> list[tuple[int, datetime]]:
    """The zone's offsets from UTC in seconds, each with the moment at which it ends."""
    info = ZoneInfo(zone)

    def offset(moment: datetime) -> int:
        shift = moment.replace(tzinfo=UTC).astimezone(info).utcoffset() or timedelta()
        return int(shift.total_seconds())

    found, at = [], low.replace(microsecond=0)
    while at <= high:
        after = min(at + timedelta(days=1), high + timedelta(seconds=1))
        if offset(at) != offset(after):
            one, other = at, after
            while other - one > timedelta(seconds=1):
                middle = one + timedelta(seconds=int((other - one).total_seconds()) // 2)
                one, other = (middle, other) if offset(middle) == offset(at) else (one, middle)
            found.append((offset(at), other))
        at = after
    return [*found, (offset(high), high)]
