"""Readings of the numbers in tables of codes: as codes, days, months or amounts."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from fenrun.payout.paying import EXCHANGED
from fenrun.settle.results import AS_IT_IS, COUNT, DAY, MONTH, RESULT_TABLES, TEXT
from fenrun.settle.settling import Settlement

SHARE_OF_KIND = "share of its kind"
"""A share in a customer, a role or a party, as `of_kind` says."""
_SHARE_BY_KIND = ("customer share", "role share", "party share")
_AMOUNTS = {
    "cost": (
        "scanned groups: a#",
        "foreign_sums: amount",
    ),
    "converted cost": ("groups_in_currency situated: a#",),
    "conversion": ("book_rates rates_as_of rates: rate",),
    "credit": (
        "credited_sums team_sums held_sums uncredited_sums: amount",
        "charged_sums: total credited",
    ),
    "measure": (
        "book_figures figures_as_of figures: amount",
        "performance_measures paid_measures customers_last_year column_measures: amount",
        "baselined qualifying_amounts: baseline amount counted",
        "qualifying_customers: customers",
        "measures: spend amount to_date",
        "components totals_of: counts_from up_to absent_figure absent_period",
        "payees_in_scope: up_to",
        "referenced tested: absent_figure",
        "referenced tested: amount to_date target compared figure by_figure times_figure",
        "referenced tested: spend spend_before windowed by_other by_other_target",
        "referenced tested: times_other times_other_target",
        "windowed: amount",
        "ranked: place",
        "named_measures: amount target",
        "tested: increment base measure reference times_measure times_reference",
        "tier_portions: base",
        "component_earnings: amount target compared base measure reference",
        "component_lines gated_lines lessened_lines best_lines: amount",
    ),
    "figure": ("paid_parts: paid paid_before total",),
    "bound": ("bands gates: lower upper",),
    "rate": ("bands: rate rate_to", "slices: rate"),
    "flat": ("bands slices: flat",),
    "factor": ("bands factors: factor",),
    "weight": ("weights: weight",),
    "portion": ("components totals_of referenced tested component_earnings: portion",),
    "limit": (
        "components totals_of groups_of referenced tested component_earnings: cap",
        "components totals_of referenced tested: floor minimum",
        "ceiling_entries: detail",
    ),
    "cap rate": ("components totals_of groups_of referenced tested: cap_rate",),
    "part": ("slices: part",),
    "slope": ("slices: slope",),
    "divisor": ("slices tier_totals component_earnings: divisor",),
    "pays": ("tier_totals: amount",),
    "uncapped": ("component_earnings: uncapped",),
    "override base": ("override_entries lower_overrides higher_overrides: base",),
    "money": (
        "terms referenced tested: round_step",
        "component_earnings component_lines gated_lines lessened_lines best_lines: earned",
        "gate_entries less_entries best_entries ceiling_entries override_entries: earned",
        "lower_overrides higher_overrides clawback_entries: earned",
        "payables released: amount",
        "dues: due",
        "forms: floor",
    ),
    "pay share": ("instalments forms: before upto",),
    "tax": ("pay: tax_included tax_added",),
    "customer share": (
        "customers: share",
        "owned attributes decided claims open_claims: customer_share",
    ),
    "role share": ("holders: share",),
    "claim share": ("claims open_claims: share",),
    "credit share": ("direct credits coverage uncredited_situations: share",),
    SHARE_OF_KIND: ("book_links links_as_of links: share", "link_load link_conflicts: held"),
}
"""The amounts in tables of steps and in those that steps read, by kind; `a#` is `a0`, `a1` ...

RESULT_TABLES says the same of its own."""
_DAYS = frozenset(
    (
        *("day", "own_day", "day_key", "next_day", "first_day", "last_day", "bought", "since"),
        *("until", "valid_from", "valid_to", "period_from", "period_to", "table_from"),
    )
)
_MONTHS = frozenset(("month", "first_month", "last_month", "next_month", "due_month"))
_CODES = frozenset(
    (
        *("account", "sub_account", "order_id", "resource_id", "subject", "party", "customer"),
        *("payee", "member", "previous", "unit", "role", "to_role", "member_role", "link"),
        *("customer_link", "type", "source", "label", "value", "figure", "period", "currency"),
        *("to_currency", "given_by"),
        *("plan", "crediting", "clause", "component", "other", "cap_of", "group_id", "rule"),
        *("like_plan", "like_component", "counted_plan", "counted_component", "excluded_by"),
        "weighted_by",
        *("baseline", "baseline_period", "table_id", "times_table", "on_name", "by_name"),
        *("target", "compare_name", "times_name", "clawback_label", "name"),
        *("tax_figure", "form", "otherwise", "words", "times_words", "gate"),
        *("detail", "code", "year"),
    )
)
_NO_CODES = frozenset((name, "group_id") for name in ("groups", "groups_in_currency", "situated"))
"""Columns that are numbered by themselves, and have the name of one of codes elsewhere."""
_INTEGERS = ("INTEGER", "BIGINT", "HUGEINT")


@dataclass(frozen=True)
class Reading:
    """A way in which the numbers of a column are read."""

    table: str
    column: str
    kind: str
    """`code`, `day` or `month`; else the kind of amount."""
    decimals: int | None = None
    """Of an amount, which is a whole number of its last decimal; None where rows differ."""


def decimals_of(settlement: Settlement) -> dict[str, int]:
    """Return the decimals of each kind of amount in a settlement."""
    scales, shares = settlement.scales, settlement.crediting.shares
    claim = shares.customer + shares.role
    own = {
        "cost": settlement.cost_scale,
        "converted cost": settlement.cost_scale + shares.of_conversion,
        "conversion": shares.of_rates,
        "cap rate": scales.limit - scales.measure,
        "slope": scales.rate + scales.part,
        "override base": scales.money + scales.party_share,
        "pay share": settlement.paying.share,
        "tax": settlement.paying.tax,
        "exchanged": EXCHANGED,
        "customer share": shares.customer,
        "role share": shares.role,
        "party share": shares.party,
        "claim share": claim,
        "credit share": claim + shares.party * settlement.crediting.depth,
    }
    kinds = {kind for table in RESULT_TABLES for kind in table.columns.values()} | {*_AMOUNTS}
    others = kinds - {TEXT, DAY, MONTH, COUNT, AS_IT_IS, SHARE_OF_KIND, *own}
    return own | {kind: getattr(scales, kind) for kind in others}


def readings(settlement: Settlement, columns: Iterable[tuple[str, str, str]]) -> Iterator[Reading]:
    """Yield how columns are read that hold codes, days, months or amounts.

    Each column is given with its table before it, and its type in DuckDB.
    """
    decimals: dict[str, int | None] = {**decimals_of(settlement)}
    by_kind = {decimals[kind] for kind in _SHARE_BY_KIND}
    decimals[SHARE_OF_KIND] = by_kind.pop() if len(by_kind) == 1 else None
    for table, column, kind_of_type in columns:
        if kind_of_type in _INTEGERS:
            kind = _KINDS.get((table, re.sub(r"\d+", "#", column))) or _kind(table, column)
            if kind:
                yield Reading(table, column, kind, decimals.get(kind))


def _kind(table: str, column: str) -> str:
    """Return how a column is read that holds no amount; nothing where it is a plain number."""
    if column in _DAYS:
        return "day"
    if column in _MONTHS:
        return "month"
    is_code = column in _CODES or re.fullmatch(r"(own_)?u\d+", column)
    return "code" if is_code and (table, column) not in _NO_CODES else ""


def _kinds() -> Mapping[tuple[str, str], str]:
    """Return the kind of each column of amounts, by table and column."""
    found = {
        (table.name, column): kind
        for table in RESULT_TABLES
        for column, kind in table.columns.items()
        if kind not in (TEXT, DAY, MONTH, COUNT, AS_IT_IS)
    }
    for kind, texts in _AMOUNTS.items():
        for text in texts:
            tables, columns = (part.split() for part in text.split(":"))
            found |= {(table, column): kind for table in tables for column in columns}
    return found


_KINDS = _kinds()
