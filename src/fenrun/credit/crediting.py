"""From charges and the book to credits: what fills steps.sql, and its tables.

A condition is asked where what it reads is known. Of a charge: `t0`, `t1` ... of each charge. Of
the customer: `f0`, `f1` ... of each owned group. Of the link and its holder: `g0`, `g1` ... of each
claim. Clauses put these together for a situation, which is many groups; rules on credits for the
groups that a credit is of.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence, Set
from dataclasses import dataclass, field
from typing import Any

from fenrun.base.when import Period, parse_day
from fenrun.book.as_codes import Shares
from fenrun.credit.shared_work import shared_work
from fenrun.engine.codes import Codes, day_number, month_number
from fenrun.engine.dialect import NUMBER, TEXT, literal, literals
from fenrun.engine.runner import Runner
from fenrun.engine.steps import read_steps
from fenrun.plan.conditions import (
    DATED,
    Tree,
    combined,
    is_column,
    labels_of_dates,
    of_charge,
    reads,
    walk,
)
from fenrun.plan.rows import Component, Exclusion, Plan
from fenrun.plan.vocabulary import BASES

STEPS = read_steps("fenrun.credit")
_MEASURED = (
    *("plan", "component", "payee", "unit", "customer", "month", "column_no", "excluded_by"),
    *("baselined", "weight_no", "amount", "charges"),
)
"""The columns of `performance_measures`."""
RESULTS = frozenset(("credited", "team_credits", "held_spend", "uncredited", "ledger"))
"""The steps that follow from the sums of months."""
_MONTHS_LOOKED_AT = 12
"""The months before its first earning that a settlement looks at in any case."""
_LEAF_OF_LINK = ("payee", "previous", "link")
PAIRS = ("same", "differ")
"""The parts of conditions that compare two names."""
_MOST_CODES = 1 << 31
"""More than a settlement can have codes: two codes are one number."""


def bases_of(plans: Sequence[Plan]) -> list[str]:
    """Return every cost that some plan measures; `a0`, `a1` ... hold them in this order."""
    found = [b for p in plans for b in (p.terms[0].basis, *(c.basis for c in p.components))]
    return list(dict.fromkeys(found))


def unit_columns(plans: Sequence[Plan]) -> list[str]:
    """Return the columns of the charge by which something is earned; `u0`, `u1` ... hold them."""
    named = {name for p in plans for c in p.components for name in (c.each, c.counted_column)}
    return sorted(named - {"payee", "customer", ""})


def compared_columns(plans: Sequence[Plan]) -> list[str]:
    """Return the columns of the charge that conditions compare with what is of the book."""
    leaves = leaves_of(plans)
    pairs = [node for node in (*leaves.customer, *leaves.link) if node[0] in (*PAIRS, "paired")]
    return sorted({name for node in pairs for name in node[1:] if _is_column(name)})


def _is_column(name: object) -> bool:
    return isinstance(name, str) and is_column(name)


def costs_of(basis: str) -> list[str]:
    """Return the columns of a basis, one or two."""
    return [BASES.get(word, word) for word in basis.split("|")]


@dataclass
class Leaves:
    """The parts of conditions that compare something, each once, by what they read."""

    charge: list[Tree] = field(default_factory=list)
    """Of a column of the charge, or of its numbers: `t0`, `t1` ..."""
    customer: list[Tree] = field(default_factory=list)
    """Of the customer, its labels and dates, or whether it has a holder: `f0`, `f1` ..."""
    link: list[Tree] = field(default_factory=list)
    """Of the link and who holds it: `g0`, `g1` ..."""

    def add(self, tree: Tree) -> None:
        """Take the parts of a condition."""
        for node in walk(tree):
            if node[0] not in ("all", "any", "not"):
                into = getattr(self, _kind(node))
                if node not in into:
                    into.append(node)

    def uses(self, name: str) -> bool:
        """Return whether a part reads the date of a name."""
        dated = [n for n in (*self.customer, *self.link) if n[0] in DATED]
        return any(name in (node[1], node[-1]) for node in dated)

    def asks_purchases(self) -> bool:
        """Return whether a part asks on which days a customer was charged anything."""
        return any(node[0] == "quiet" for node in (*self.customer, *self.link))

    def name(self, node: Tree) -> str:
        """Return the column that holds whether the part is so, in the claims."""
        kind = _kind(node)
        letter = {"charge": "t", "customer": "f", "link": "g"}[kind]
        return f"{letter}{getattr(self, kind).index(node)}"


def _kind(node: Tree) -> str:
    """Return in which list of Leaves a part of a condition stands."""
    if of_charge(node):
        return "charge"
    if node[0] in DATED:
        ((what, _),) = reads(node)
        return "link" if what == "link date" else "customer"
    if node[0] in ("held", "paired"):
        return "customer"
    if node[0] == "labelled":
        return "link"
    prefixes = {name.partition(".")[0] for name in _names_in(node)}
    return "link" if prefixes & set(_LEAF_OF_LINK) else "customer"


def _names_in(node: Tree) -> list[str]:
    """Return the names that a part of a condition reads, one or two."""
    if node[0] == "labelled":
        return []
    return node[1:] if node[0] in PAIRS else node[1:2]


def leaves_of(plans: Sequence[Plan]) -> Leaves:
    """Return what the plans' conditions on charges, customers and credits read."""
    found = Leaves()
    for plan in plans:
        for condition in plan.conditions:
            if condition.about in ("customer", "credit"):
                found.add(json.loads(condition.tree))
    return found


def since_needed(plans: Sequence[Plan], leaves: Leaves | None = None) -> bool:
    """Return whether something reads the day on which a customer was first charged anything."""
    read = leaves or leaves_of(plans)
    components = [c for plan in plans for c in plan.components]
    counts = any(c.counts == "new customers" for c in components)
    counts |= any(c.clawback_from == "customer since" for c in components)
    dated = read.uses("first purchase") or read.uses("customer since")
    return counts or dated or read.asks_purchases()


def history_needed(plans: Sequence[Plan]) -> bool:
    """Return whether something reads what came long before.

    That is: first purchases, new customers, amounts to date.
    """
    return sums_history(plans) or since_needed(plans)


def sums_history(plans: Sequence[Plan]) -> bool:
    """Return whether something sums or compares what was measured more than a year before.

    Or counts it now, since its label, or a payment, has only come.
    """
    components = [c for plan in plans for c in plan.components]
    spans = [months for c in components for months in (c.window_months, c.compare_lag)]
    is_late = any(c.counted_column for c in components)
    return is_late or amount_to_date_needed(plans) or max(spans, default=0) > _MONTHS_LOOKED_AT


def amount_to_date_needed(plans: Sequence[Plan]) -> bool:
    """Return whether a band or gate reads what was measured so far."""
    components = [c for plan in plans for c in plan.components]
    subjects = {name for c in components for name in (c.reads_by, c.times_by)}
    return "amount to date" in subjects | {gate.subject for plan in plans for gate in plan.gates}


def to_sql(tree: Tree, leaf: Callable[[Tree], str]) -> str:
    """Return a condition as SQL that is never null, each part as `leaf` says."""
    if tree[0] in ("all", "any", "not"):
        return combined(tree, lambda part: to_sql(part, leaf))
    return leaf(tree)


def _asks_customers(component: Component) -> bool:
    """Return whether what a component measures must be told apart by customer."""
    compares = component.compare == "last year of its customers"
    is_unit = component.each == "customer" and bool(component.counted_label)
    is_unit |= component.counts_payments  # parts are rounded: alike, whoever asks
    return component.counts != "amount" or compares or bool(component.baseline) or is_unit


def code_test(codes: Codes, node: Tree, found: str) -> str:
    """Return SQL of a part of a condition that compares a text, which is a code."""
    if node[0] == "missing":
        return f"{found} IS NULL"
    if node[0] == "in":
        among = ", ".join(str(codes.of(value)) for value in node[2])
        return f"coalesce({found} IN ({among}), false)"
    texts = enumerate(codes.texts)
    among = ", ".join(str(number) for number, text in texts if text.startswith(node[2]))
    return f"coalesce({found} IN ({among}), false)" if among else "false"


def label_join(codes: Codes, alias: str, label: str, party: str, day: str) -> str:
    """Return SQL of a join that brings a label of a party on a day."""
    return (
        f"LEFT JOIN labels AS {alias} ON {alias}.party = {party}"
        f" AND {alias}.label = {codes.of(label)}"
        f" AND {alias}.valid_from <= {day} AND {day} < {alias}.valid_to"
    )


def first_day_join(codes: Codes, alias: str, label: str, party: str) -> str:
    """Return SQL of a join that brings the first day of a label of a party."""
    days = "SELECT party, label, min(valid_from) AS day FROM labels GROUP BY party, label"
    return (
        f"LEFT JOIN ({days}) AS {alias} ON {alias}.party = {party}"
        f" AND {alias}.label = {codes.of(label)}"
    )


class Crediting:
    """The fragments and tables of crediting, for some plans that are settled together."""

    def __init__(
        self,
        plans: Sequence[Plan],
        period: Period,
        codes: Codes,
        shares: Shares,
        measure: int,
        by_customer: bool = False,
    ):
        alike, like = shared_work(plans)
        self.plans, self.period, self.codes, self.shares = plans, period, codes, shares
        self.crediting = {one.plan_id: one.crediting for one in alike}
        """By whose credits each plan is served."""
        self.measured = {
            (one.plan_id, one.rule_id)
            for one in like
            if (one.plan_id, one.rule_id) == (one.counted_plan, one.counted_component)
        }
        """The components that are measured; they serve all that measure alike."""
        self.credited = [plan for plan in plans if self.crediting[plan.id] == plan.id]
        self.leaves, self.bases = leaves_of(plans), bases_of(plans)
        self.units = sorted({*unit_columns(plans), *compared_columns(plans)})
        """The columns of the charge whose texts are read: `u0`, `u1` ... hold their codes."""
        self.depth = max((len(plan.roll_ups) for plan in plans), default=0)
        self.to_measure = measure
        """The power of ten by which a credit becomes a measured amount; below 0 it is rounded."""
        by_rule = {(p.id, c.rule_id): c for p in plans for c in p.components}
        self.by_customer = {
            (one.counted_plan, one.counted_component)
            for one in like
            if by_customer or self.rounds or _asks_customers(by_rule[one.plan_id, one.rule_id])
        }
        """The measured components that are told apart by customer: those that serve one that asks,
        or all `by_customer`. So are all where they are rounded, whoever asks: what is rounded does
        not sum to what its parts, rounded each, sum to."""
        self.trees = {(plan.id, c.rule_id): c.tree for plan in plans for c in plan.conditions}
        clauses = [self._clause_trees(plan) for plan in self.credited]
        read = {name for trees in clauses for tree in trees for name in self._names(tree)}
        read |= {f"u{self.units.index(name)}" for name in compared_columns(plans)}
        self.clause_keys = [key for key in self.key_names() if key in read]
        """The columns of charges that say by which clause these are credited."""
        on_credits = [c.tree for plan in plans for c in plan.conditions if c.about == "credit"]
        names = dict.fromkeys(name for tree in on_credits for name in self._names(tree))
        self.facts_of_rules = [name for name in names if name[0] != "t"]
        """The columns of claims that rules on credits read."""

    def _clause_trees(self, plan: Plan) -> list[str]:
        """Return the conditions of a plan's crediting clauses."""
        rules = [r for c in plan.credit_clauses for r in (c.rule_id, c.while_rule)]
        return [self.trees[plan.id, rule] for rule in rules if (plan.id, rule) in self.trees]

    def _names(self, tree: str) -> list[str]:
        """Return the columns that hold the parts of a condition."""
        parts = (node for node in walk(json.loads(tree)) if node[0] not in ("all", "any", "not"))
        return [self.leaves.name(node) for node in parts]

    # --- tables -------------------------------------------------------------------------------

    def load(self, runner: Runner) -> None:
        """Load the plans' clauses: `shared_crediting`, `creditings`, `clause_roles`, `roll_ups`."""
        shared, creditings, clause_roles, roll_ups = self.table_rows()
        runner.load("shared_crediting", {"plan": NUMBER, "crediting": NUMBER}, shared)
        runner.load("creditings", {"plan": NUMBER}, creditings)
        columns = {
            "plan": NUMBER,
            "clause": NUMBER,
            "mode": TEXT,
            "role": NUMBER,
            "role_rank": NUMBER,
        }
        runner.load("clause_roles", columns, clause_roles)
        columns = {"plan": NUMBER, "clause": NUMBER, "role": NUMBER, "to_role": NUMBER}
        runner.load("roll_ups", columns, roll_ups)

    def table_rows(self) -> list[list[tuple[Any, ...]]]:
        """Return the rows of the four tables."""
        code = self.codes.of
        return [
            [(code(plan), code(crediting)) for plan, crediting in self.crediting.items()],
            [(code(plan.id),) for plan in self.credited],
            list(self._clause_roles()),
            [
                (code(plan.id), code(u.rule_id), code(u.role), code(u.to_role))
                for plan in self.credited
                for u in plan.roll_ups
            ],
        ]

    def _clause_roles(self) -> Iterator[tuple[Any, ...]]:
        code = self.codes.of
        for plan in self.credited:
            mode = {clause.rule_id: clause.mode for clause in plan.credit_clauses}
            for role in plan.credit_roles:
                clause = code(role.rule_id)
                yield code(plan.id), clause, mode[role.rule_id], code(role.role), role.role_rank

    def measure(self, runner: Runner, without: Set[str] = frozenset()) -> None:
        """Run the steps up to the sums of months; what no condition reads is left out.

        So is what is `without`. The table `groups`, or `charges` that make it, is there.
        """
        left_out = set() if self.leaves.uses("first purchase") else {"first_purchases"}
        left_out |= set() if self.leaves.asks_purchases() else {"purchases"}
        self._run(runner, left_out | without | RESULTS)

    def tell(self, runner: Runner, without: Set[str] = frozenset()) -> None:
        """Run the steps from the sums of months to what readers are told."""
        self._run(runner, {step.name for step in STEPS} - RESULTS | without)

    def _run(self, runner: Runner, without: Set[str]) -> None:
        filled = self.fragments()
        for step in STEPS:
            if step.name not in without:
                runner.run(step, filled)

    def reads_holders(self) -> bool:
        """Return whether a condition reads since when a link is held, or who held it before."""
        names = [name for node in self.leaves.link for name in _names_in(node)]
        before = any(name.startswith("previous.") for name in names)
        return before or any(node[0] in DATED for node in self.leaves.link)

    def reads_days(self) -> bool:
        """Return whether a condition reads the day of the charge, or another date."""
        return any(n[0] in DATED for n in (*self.leaves.customer, *self.leaves.link))

    def reads_purchases(self) -> bool:
        """Return whether something reads the day on which a customer was first charged anything."""
        return since_needed(self.plans, self.leaves)

    @property
    def asked(self) -> tuple[int, int]:
        """The first month asked for, and the first after them."""
        return month_number(self.period.span.start), month_number(self.period.last_day) + 1

    # --- fragments ----------------------------------------------------------------------------

    @property
    def converts(self) -> tuple[str, ...]:
        """The currencies whose charges are converted into the plans'."""
        return self.plans[0].converts

    @property
    def fragment_of_currency(self) -> str:
        """The code of the plans' currency."""
        return str(self.codes.of(self.plans[0].currency))

    def amount_names(self) -> list[str]:
        """Return the columns that hold the costs, in the order of `bases`."""
        return [f"a{n}" for n in range(len(self.bases))]

    def unit_names(self) -> list[str]:
        """Return the columns that hold the codes of what something is earned for by itself."""
        return [f"u{n}" for n in range(len(self.units))]

    def key_names(self) -> list[str]:
        """Return the columns by which charges are told apart besides account, order and time."""
        return [f"t{n}" for n in range(len(self.leaves.charge))] + self.unit_names()

    def cost_sums(self) -> str:
        """Return SQL of the sums of costs in groups, and of how many charges lack each."""
        return "".join(
            f", coalesce(sum({a}), 0) AS {a}, count(*) - count({a}) AS lacking{n}"
            for n, a in enumerate(self.amount_names())
        )

    def fragments(self) -> dict[str, str]:
        """Return what fills steps.sql."""
        keys, amounts = self.key_names(), self.amount_names()
        shares, leaves = self.shares, self.leaves
        lift = str(10 ** (shares.party * self.depth))
        main = {plan.terms[0].basis for plan in self.credited}
        return {
            "keys": "".join(f", {key}" for key in keys),
            "group_keys": "".join(f", g.{key}" for key in keys),
            "clause_keys": "".join(f", {key}" for key in self.clause_keys),
            "own_clause_keys": "".join(f", s.{key}" for key in self.clause_keys),
            "month_key": ", month" if self._reads_month_ends() else "",
            "same_situation": self._same_situation(),
            "sums": self.cost_sums(),
            "group_amounts": "".join(f", g.{a}" for a in amounts),
            "one_customer": str(10**shares.customer),
            "one_party": str(10**shares.party),
            "one": str(10 ** (shares.customer + shares.role + shares.party * self.depth)),
            "lift": lift,
            "currency": self.fragment_of_currency,
            "facts": "".join(
                f", {self._fact(node)} AS {leaves.name(node)}" for node in leaves.customer
            ),
            "fact_joins": self._fact_joins(),
            "decided": "\nUNION ALL\n".join(self._decided(plan) for plan in self.credited),
            "link_facts": "".join(
                f", {self._link_fact(n)} AS {leaves.name(n)}" for n in leaves.link
            ),
            "link_joins": self._link_joins(),
            "open": self._open(),
            "facts_of_rules": "".join(f", c.{name}" for name in self.facts_of_rules),
            "rolled_facts": "".join(f", d.{name}" for name in self.facts_of_rules),
            "main_amount": self._amount(main),
            "asked_from": str(self.asked[0]),
            "asked_to": str(self.asked[1]),
            "groups_in_currency": self._groups_in_currency(),
            "foreign_sums": self._foreign_sums(),
            "performance_measures": self._performance_measures(),
            "lacking_sums": self._lacking_sums(),
        }

    def _groups_in_currency(self) -> str:
        """Return SQL of the groups that count, converted where the plans say so."""
        names = ["group_id", "account", "sub_account", "order_id", "resource_id", "month", "day"]
        names += ["turned", *self.key_names(), "bought", "charges"]
        named = ", ".join(f"g.{name}" for name in names)
        own = f"g.currency = {self.fragment_of_currency}"
        if not self.converts:
            costs = "".join(f", g.{a}" for a in self.amount_names())
            return f"SELECT {named}{costs}\nFROM groups AS g\nWHERE {own}"
        one = 10**self.shares.of_rates
        costs = "".join(f", g.{a} * coalesce(r.rate, {one}) AS {a}" for a in self.amount_names())
        return f"SELECT {named}{costs}\n{self._with_rates()}\nWHERE {own} OR r.rate IS NOT NULL"

    def _with_rates(self) -> str:
        """Return SQL of all groups g, each with the rate r by which it is converted, if any."""
        on = self.plans[0].terms[0].converts_on
        among = ", ".join(str(self.codes.of(currency)) for currency in self.converts)
        return (
            f"FROM groups AS g\nLEFT JOIN rates AS r\n"
            f"  ON r.currency = g.currency AND r.currency IN ({among})"
            f" AND r.to_currency = {self.fragment_of_currency}"
            f"\n AND r.per = {literal(on)} AND r.{on} = g.{on}"
        )

    def _foreign_sums(self) -> str:
        """Return SQL of what is charged in other currencies and not converted."""
        terms, found, day = self.plans[0].terms[0], "FROM groups AS g", "0"
        where = f"g.currency <> {self.fragment_of_currency}"
        if self.converts:
            found, where = self._with_rates(), f"{where} AND r.rate IS NULL"
        if terms.converts_on == "day":
            among = ", ".join(str(self.codes.of(currency)) for currency in self.converts)
            day = f"CASE WHEN g.currency IN ({among}) THEN g.day ELSE 0 END"
        return (
            f"SELECT g.month, g.currency, {day} AS day, sum(g.a0) AS amount,"
            f" sum(g.charges) AS charges\n{found}\nWHERE {where}\nGROUP BY 1, 2, 3"
        )

    def _lacking_sums(self) -> str:
        return "\nUNION ALL\n".join(
            f"SELECT account, month, {n} AS basis, sum(lacking{n}) AS charges\n"
            f"FROM groups WHERE lacking{n} > 0 GROUP BY account, month"
            for n in range(len(self.bases))
        )

    def _reads_month_ends(self) -> bool:
        """Return whether a condition reads a label at the end of the charge's month."""
        asked = [node for node in self.leaves.customer if node[0] not in ("held", "paired")]
        return any("." in name for node in asked for name in _names_in(node))

    def _same_situation(self) -> str:
        """Return SQL of what else a group g and its situation s have in common."""
        names = [*self.clause_keys, *(["month"] if self._reads_month_ends() else [])]
        return "".join(f" AND s.{name} = g.{name}" for name in names)

    def _amount(self, main: set[str]) -> str:
        """Return SQL of the amount of a group g in the basis of the plan of c."""
        if len(main) == 1:
            return f"g.a{self.bases.index(next(iter(main)))}"
        arms = " ".join(
            f"WHEN {self.codes.of(p.id)} THEN g.a{self.bases.index(p.terms[0].basis)}"
            for p in self.credited
        )
        return f"CASE c.plan {arms} END"

    @staticmethod
    def _flag(condition: str) -> str:
        return f"CASE WHEN {condition} THEN 1 ELSE 0 END"

    def _asked(self, node: Tree) -> str:
        """Return SQL of a part of a condition, as a claim holds it."""
        return f"c.{self.leaves.name(node)} = 1"

    def _asked_of_credit(self, node: Tree) -> str:
        """Return SQL of a part of a condition, as a credit c or a group g of it holds it."""
        name = self.leaves.name(node)
        return f"g.{name} = 1" if name[0] == "t" else f"c.{name} = 1"

    def _decided(self, plan: Plan) -> str:
        """Return SQL of a plan's deciding clause for each owned group."""
        code, arms = self.codes.of, []
        for clause in sorted(plan.credit_clauses, key=lambda c: c.rank):
            tree = self.trees.get((plan.id, clause.rule_id))
            holds = "true"
            if tree:
                holds = to_sql(json.loads(tree), lambda n: f"o.{self.leaves.name(n)} = 1")
            arms.append(f"WHEN {holds} THEN {code(clause.rule_id)}")
        case = f"CASE {' '.join(arms)} END"
        return f"SELECT {code(plan.id)} AS plan, {case} AS clause, o.* FROM attributes AS o"

    def _open(self) -> str:
        """Return SQL of whether a claim's clause credits its link."""
        arms = []
        for plan in self.credited:
            for clause in plan.credit_clauses:
                if clause.while_rule:
                    tree = json.loads(self.trees[plan.id, clause.while_rule])
                    holds = to_sql(tree, self._asked)
                    is_it = f"c.plan = {self.codes.of(plan.id)}"
                    is_it += f" AND c.clause = {self.codes.of(clause.rule_id)}"
                    arms.append(f"WHEN {is_it} THEN {holds}")
        return f"CASE {' '.join(arms)} ELSE true END" if arms else "true"

    # --- what conditions read -----------------------------------------------------------------

    def _fact(self, node: Tree) -> str:
        if node[0] == "held":
            return self._flag(f"h{self._place(node)}.owned_id IS NOT NULL")
        if node[0] == "paired":
            return self._flag(self._paired(node))
        if node[0] in PAIRS:
            place = self._place(node)
            return self._flag(_pair(node, lambda n, i: self._of_customer(n, f"l{place}_{i}")))
        if node[0] in DATED:
            place = self._place(node)
            dates = date_test(node, lambda n: self._customer_date(n, f"f{place}"), "o.customer")
            return self._flag(f"coalesce({dates}, false)")
        if node[1] == "customer":
            return self._flag(self._of_code(node, "o.customer"))
        return self._flag(self._of_code(node, f"l{self._place(node)}.value"))

    def _paired(self, node: Tree) -> str:
        """Return SQL of whether a text of the charge and its customer are one of some pairs."""
        code = self.codes.of
        pairs = (str(code(text) * _MOST_CODES + code(customer)) for text, customer in node[2])
        both = f"CAST({self._unit(node[1], 'o')} AS BIGINT) * {_MOST_CODES} + o.customer"
        return f"coalesce({both} IN ({', '.join(pairs)}), false)" if node[2] else "false"

    def _unit(self, column: str, alias: str) -> str:
        """Return SQL of the code of a column of the charge; null where it is missing."""
        return f"nullif({alias}.u{self.units.index(column)}, 0)"

    def _of_customer(self, name: str, alias: str) -> str:
        """Return SQL of the code of a name in a condition on an owned situation o."""
        if is_column(name):
            return self._unit(name, "o")
        return "o.customer" if name == "customer" else f"{alias}.value"

    def _place(self, node: Tree) -> int:
        return self.leaves.customer.index(node)

    @staticmethod
    def _customer_date(name: str, alias: str) -> str:
        known = {"day": "o.day", "customer since": "since.day"}
        return known.get(name, f"{alias}_{name}.day")

    def _of_code(self, node: Tree, found: str) -> str:
        return code_test(self.codes, node, found)

    def _fact_joins(self) -> str:
        found = []
        for place, node in enumerate(self.leaves.customer):
            if node[0] == "held":
                role = self.codes.of(node[1])
                held = f"SELECT DISTINCT owned_id FROM holders WHERE sound = 1 AND role = {role}"
                held += f" AND party = {self.codes.of(node[2])}" if node[2:] else ""
                found.append(f"LEFT JOIN ({held}) AS h{place} ON h{place}.owned_id = o.owned_id")
            elif node[0] in DATED:
                for name in labels_of_dates(node):
                    found.append(first_day_join(self.codes, f"f{place}_{name}", name, "o.customer"))
            elif node[0] in PAIRS:
                for number, name in enumerate(node[1:]):
                    found += self._label_of_customer(name, f"l{place}_{number}")
            elif node[0] in ("in", "starts", "missing"):
                found += self._label_of_customer(node[1], f"l{place}")
        if self.leaves.uses("customer since"):
            found.append("LEFT JOIN customer_since AS since ON since.customer = o.customer")
        return "".join(f"\n{join}" for join in found)

    def _label_of_customer(self, name: str, alias: str) -> list[str]:
        """Return the join that brings a label of the customer; none for another name."""
        if name == "customer" or is_column(name):
            return []
        prefix, _, rest = name.partition(".")
        day = "month_end(o.month)" if rest else "o.day"
        return [self._label_join(alias, rest or prefix, "o.customer", day)]

    def _label_join(self, alias: str, label: str, party: str, day: str) -> str:
        return label_join(self.codes, alias, label, party, day)

    def _link_fact(self, node: Tree) -> str:
        if node[0] in DATED:
            place = self.leaves.link.index(node)
            dates = date_test(node, lambda n: self._link_date(n, f"g{place}"), "d.customer")
            return self._flag(f"coalesce({dates}, false)")
        if node[0] == "labelled":
            return self._flag(f"p{self.leaves.link.index(node)}.value IS NOT NULL")
        if node[0] in PAIRS:
            place = self.leaves.link.index(node)
            return self._flag(_pair(node, lambda n, i: self._of_link(n, f"p{place}_{i}")))
        prefix, _, name = node[1].partition(".")
        if prefix == "link" and name == "via":
            if node[0] == "missing":
                return "0"
            if node[0] == "in":
                return self._flag(f"h.via IN ({literals(node[2])})")
            return self._flag(f"substr(h.via, 1, {len(node[2])}) = {literal(node[2])}")
        if prefix == "link":
            return self._flag(self._of_code(node, "nullif(h.type, 0)"))
        who = "h.party" if prefix == "payee" else "h.previous"
        if name == "party":
            return self._flag(self._of_code(node, who))
        return self._flag(self._of_code(node, f"p{self.leaves.link.index(node)}.value"))

    def _of_link(self, name: str, alias: str) -> str:
        """Return SQL of the code of a name in a condition on a claim, by its column or holder."""
        if is_column(name):
            return self._unit(name, "d")
        prefix, _, label = name.partition(".")
        if prefix == "link":
            return "nullif(h.type, 0)"
        if label == "party":
            return "h.party" if prefix == "payee" else "h.previous"
        return f"{alias}.value"

    @staticmethod
    def _link_date(name: str, alias: str) -> str:
        known = {
            "day": "d.day",
            "customer since": "claim_since.day",
            "association": "h.since",
            "first purchase": "first.day",
        }
        return known.get(name, f"{alias}_{name.replace('.', '_')}.day")

    def _link_joins(self) -> str:
        found, dated = [], " ".join(json.dumps(node) for node in self.leaves.link)
        for place, node in enumerate(self.leaves.link):
            if node[0] in PAIRS:
                for number, name in enumerate(node[1:]):
                    found += self._label_of_holder(name, f"p{place}_{number}")
            elif node[0] == "labelled":
                found.append(self._labelled(node, f"p{place}"))
            elif node[0] in ("in", "starts", "missing"):
                found += self._label_of_holder(node[1], f"p{place}")
            for dated_by in labels_of_dates(node) if node[0] in DATED else ():
                of_payee = dated_by.startswith("payee.")
                alias = f"g{place}_{dated_by.replace('.', '_')}"
                label, whose = dated_by.partition(".")[2], "h.party"
                if not of_payee:
                    label, whose = dated_by, "d.customer"
                found.append(first_day_join(self.codes, alias, label, whose))
        if "first purchase" in dated:
            found.append(
                "LEFT JOIN first_purchases AS first ON first.customer = d.customer"
                " AND first.role = h.role AND first.party = h.party AND first.since = h.since"
            )
        if "customer since" in dated:
            found.append(
                "LEFT JOIN customer_since AS claim_since ON claim_since.customer = d.customer"
            )
        return "".join(f"\n{join}" for join in found)

    def _labelled(self, node: Tree, alias: str) -> str:
        """Return the join that brings the customer's label that stands for a link's holder."""
        code = self.codes.of
        arms = " ".join(f"WHEN {code(party)} THEN {code(label)}" for party, label in node[1])
        label = f"CASE h.party {arms} END" if arms else "0"
        return (
            f"LEFT JOIN labels AS {alias} ON {alias}.party = d.customer AND {alias}.label = {label}"
            f" AND {alias}.valid_from <= d.day AND d.day < {alias}.valid_to"
        )

    def _label_of_holder(self, name: str, alias: str) -> list[str]:
        """Return the join that brings a label of who holds a link, or held it before, if any."""
        prefix, _, label = name.partition(".")
        if prefix not in ("payee", "previous") or label == "party":
            return []
        who = "h.party" if prefix == "payee" else "h.previous"
        return [self._label_join(alias, label, who, "d.day")]

    # --- what components measure --------------------------------------------------------------

    @property
    def rounds(self) -> bool:
        """True if what is measured has fewer decimals than what is credited."""
        return self.to_measure < 0

    def measures_exactly(self) -> str:
        """Return SQL of `performance_measures` with all decimals of credits."""
        return self._performance_measures(exactly=True)

    def _performance_measures(self, exactly: bool = False) -> str:
        found = [
            self._measure(plan, component, exactly)
            for plan in self.plans
            for component in plan.components
            if (plan.id, component.rule_id) in self.measured and component.pays_on != "earned"
        ]
        columns = ", ".join(f"0 AS {name}" for name in _MEASURED)
        return "\nUNION ALL\n".join(found) or f"SELECT {columns} WHERE 1 = 0"

    def _measure(self, plan: Plan, component: Component, exactly: bool = False) -> str:
        """Return SQL of what a component measures; `exactly`, with all decimals of credits."""
        code = self.codes.of
        named = component.counted_column or component.each
        unit = {"payee": "0", "customer": "coalesce(c.customer, 0)"}.get(named, "")
        unit = unit or f"coalesce(g.u{self.units.index(named)}, 0)"
        is_by_customer = (plan.id, component.rule_id) in self.by_customer
        customer = "c.customer" if is_by_customer else "CAST(NULL AS BIGINT)"
        columns = {
            "plan": str(code(plan.id)),
            "component": str(code(component.rule_id)),
            "payee": "c.party",
            "unit": unit,
            "customer": customer,
            "month": "g.month",
            "column_no": self._column_no(plan, component),
            "excluded_by": self._excluded_by(plan, component),
            "baselined": self._baselined(plan, component),
            "weight_no": self._weight_no(plan, component),
        }
        cost = f"g.a{self.bases.index(component.basis)}"
        credited = f"sum({cost} * c.share)"
        if exactly or self.to_measure >= 0:
            amount = f"{credited} * {10 ** max(0, self.to_measure)}"
        else:
            amount = f"rounded({credited}, {10**-self.to_measure}, 'half even', 1)"
        where = [f"c.role = {code(component.role)}", f"c.plan = {code(self.crediting[plan.id])}"]
        where += self._condition_of(plan, component)
        joins = "\nJOIN situated AS g ON g.situation = c.situation"
        if "p." in columns["column_no"]:
            joins += (
                f"\nJOIN periods AS p ON p.calendar = {literal(component.calendar)}"
                " AND p.first_month <= g.month AND g.month <= p.last_month"
            )
        named = ", ".join(f"{sql} AS {name}" for name, sql in columns.items())
        keys = ", ".join(str(place) for place in range(1, len(columns) + 1))
        return (
            f"SELECT {named}, {amount} AS amount, sum(g.charges) AS charges\n"
            f"FROM credits AS c{joins}\nWHERE {' AND '.join(where)}\nGROUP BY {keys}"
        )

    def reading(self, plan_id: str, component: Component) -> str:
        """Return SQL of further columns of a credit c in a group g, as a component reads it.

        `measured`: whether it measures it at all, 1 or 0; `excluded_by`: the clause that excludes
        it, or nothing.
        """
        plan = next(one for one in self.plans if one.id == plan_id)
        holds = " AND ".join(self._condition_of(plan, component)) or "true"
        excluded = self._excluded_by(plan, component)
        return f", {self._flag(holds)} AS measured, {excluded} AS excluded_by"

    def _rule(self, plan: Plan, rule_id: str) -> str:
        """Return SQL of whether a rule on credits holds; one without a condition always does."""
        tree = self.trees.get((plan.id, rule_id))
        return to_sql(json.loads(tree), self._asked_of_credit) if tree else "true"

    def _group_of(self, plan: Plan, component: Component) -> tuple[str, list[Component]]:
        """Return the kind of the component's group, and who else measures its role there."""
        kinds = {group.rule_id: group.kind for group in plan.groups}
        mates = [
            other
            for other in plan.components
            if other.group_id == component.group_id and other.role == component.role
        ]
        return kinds.get(component.group_id, ""), mates

    def _condition_of(self, plan: Plan, component: Component) -> list[str]:
        found = []
        if component.measure_rule:
            found.append(self._rule(plan, component.measure_rule))
        kind, mates = self._group_of(plan, component)
        if kind == "first match":
            for other in mates:
                if other.rank < component.rank:
                    rule = self._rule(plan, other.measure_rule) if other.measure_rule else "true"
                    found.append(f"NOT ({rule})")
        return found

    def _excluded_by(self, plan: Plan, component: Component) -> str:
        """Return SQL of the first exclusion that holds, or of the group that counts once."""
        arms = []
        own: list[Exclusion] = [
            x for x in plan.exclusions if x.component in ("", component.rule_id)
        ]
        for x in sorted(own, key=lambda x: x.rank):
            dates = f"g.day >= {day_number(x.valid_from)} AND g.day < {day_number(x.valid_to)}"
            holds = f"{self._rule(plan, x.rule_id)} AND {dates}"
            arms.append(f"WHEN {holds} THEN {self.codes.of(x.rule_id)}")
        kind, mates = self._group_of(plan, component)
        if kind == "exclusive":
            counted = " + ".join(
                self._flag(self._rule(plan, other.measure_rule)) if other.measure_rule else "1"
                for other in mates
            )
            arms.append(f"WHEN {counted} > 1 THEN {self.codes.of(component.group_id)}")
        return f"CASE {' '.join(arms)} END" if arms else "CAST(NULL AS INTEGER)"

    def _baselined(self, plan: Plan, component: Component) -> str:
        if not component.baseline:
            return "0"
        if not component.baseline_rule:
            return "1"
        return self._flag(self._rule(plan, component.baseline_rule))

    def _weight_no(self, plan: Plan, component: Component) -> str:
        """Return SQL of which weight of the component a credit has; 0 where it counts once."""
        mine = (w for w in plan.weights if w.component == component.rule_id)
        arms = [f"WHEN {self._rule(plan, w.rule_id)} THEN {w.weight_no}" for w in mine]
        return f"CASE {' '.join(arms)} ELSE 0 END" if arms else "0"

    def _column_no(self, plan: Plan, component: Component) -> str:
        """Return SQL of the column of the table version in force that pays for a credit."""
        columns = [c for c in plan.columns if c.table_id == component.table_id]
        spans = {
            (b.valid_from, b.valid_to)
            for b in plan.bands
            if b.table_id == component.table_id and b.column_no > 0
        }
        arms = []
        for start, end in sorted(spans):
            mine = sorted((c for c in columns if c.version == start), key=lambda c: c.column_no)
            tests = " ".join(f"WHEN {self._rule(plan, c.rule_id)} THEN {c.column_no}" for c in mine)
            if tests:
                span = f"p.period_from >= {day_number(start)} AND p.period_from < {day_number(end)}"
                arms.append(f"WHEN {span} THEN CASE {tests} ELSE 0 END")
        return f"CASE {' '.join(arms)} ELSE 0 END" if arms else "0"


def _pair(node: Tree, named: Callable[[str, int], str]) -> str:
    """Return SQL of a part of a condition that compares two names: false where one is missing."""
    one, other = (named(name, number) for number, name in enumerate(node[1:]))
    return f"coalesce({one} {'=' if node[0] == 'same' else '<>'} {other}, false)"


def date_test(node: Tree, named: Callable[[str], str], customer: str = "") -> str:
    """Return SQL of a part of a condition that compares dates; null where one is missing."""

    def read(name: str) -> str:
        return str(day_number(parse_day(name))) if name[0].isdigit() else named(name)

    if node[0] == "dated":
        return f"({read(node[1])} {node[2]} {read(node[3])})"
    if node[0] == "quiet":
        day, count, unit = read(node[3]), int(node[1]), node[2]
        over = f"p.day + {count}" if unit == "day" else f"months_later(p.day, {count})"
        bought = f"p.customer = {customer} AND p.day < {day} AND {over} >= {day}"
        found = f"NOT EXISTS (SELECT 1 FROM purchases AS p WHERE {bought})"
        return f"({day} IS NOT NULL AND {found})"
    one, count, unit, other = read(node[1]), int(node[2]), node[3], read(node[4])
    end = f"{other} + {count}" if unit == "day" else f"months_later({other}, {count})"
    return f"({one} >= {other} AND {one} < {end})"
