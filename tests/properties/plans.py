"""Random plans, made of every mechanism that a plan can name."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import date
from typing import Any

import yaml
from hypothesis import strategies as st

from fenrun.plan.read import PlanFile, read_plan
from fenrun.plan.vocabulary import BASES

Item = dict[str, Any]
"""A piece of a plan's text."""
DAYS = [
    date(2023, 12, 31),
    date(2024, 1, 1),
    date(2024, 1, 16),
    date(2024, 2, 1),
    date(2024, 2, 29),
    date(2024, 3, 31),
    date(2024, 4, 1),
]
"""Days at and beside boundaries."""
ZONES = ("UTC", "Asia/Shanghai", "America/New_York")
MONTHS = {"month": 1, "2 months": 2, "quarter": 3, "half year": 6, "year": 12}
PERS = ("month", *MONTHS)
PAYS = ("0 %", "5 %", "12.5 %", "100 %", "0.01 %", "-10 %", "10", "33.335")
PERCENTS = (30, 50, 80, 100, 120)
BOUNDS = (0, 100, 250, 500, 1000)

_CONDITIONS = (
    "class in ('C', 'D')",
    "ServiceName in ('CDN', 'SMS')",
    "not ServiceName = 'Compute' and region = 'north'",
    "ServiceName is missing or class = 'E'",
    "region is present",
    "billed below 60 % of list",
    "BilledCost >= 100",
    "ServiceName starts with 'C'",
    "BilledCost < 0 or InvoiceIssuerName = 'Cloud East'",
    "x_OrderId != 'SO-1'",
)
_LINK = (
    "day within 30 days of association",
    "day within 2 months of first purchase",
    "first purchase within 20 days of association",
    "payee.level = 'elite'",
    "link.type = 'resale'",
    "link.via = 'customer'",
    "previous.party is present",
    "previous.level = 'elite'",
    "association >= 2024-01-15",
    "payee.party = 'P1' or customer = 'K2'",
    "day within 2 months of payee.level",
    "payee.level < association",
    "no purchase in the 20 days before association",
)
_DATED = (
    "day >= 2024-02-01",
    "access is held",
    "customer since < 2024-01-15",
    "closing.class = 'C'",
    "day within 1 month of customer since",
    "day within 45 days of class",
    "x_OrderDate < 2024-02-01 or day within 1 month of x_OrderDate",
    "no purchase in the 1 month before",
)
customer_conditions = st.sampled_from((*_CONDITIONS, *_DATED))
credit_conditions = st.sampled_from((*_CONDITIONS, *_DATED, *_LINK))


def _one_in(draw: st.DrawFn, count: int) -> bool:
    return draw(st.integers(1, count)) == count


# --- tables -------------------------------------------------------------------------


@st.composite
def _bands(draw: st.DrawFn, unit: str, pays_of: Sequence[str] = PAYS) -> list[str]:
    """Bands that cover everything, or all but the lowest; each boundary belongs to one side."""
    bounds = draw(st.sets(st.sampled_from(PERCENTS if unit else BOUNDS), max_size=3))
    pays = st.sampled_from(pays_of)
    words, begin = [], ""
    for bound in sorted(bounds):
        inside = draw(st.booleans())
        end = f"{'up to' if inside else 'below'} {bound}{unit}"
        words.append(f"{begin} {end} pays {draw(pays)}".strip())
        begin = f"{'above' if inside else 'from'} {bound}{unit}"
    words.append(f"{begin} pays {draw(pays)}".strip())
    return words[1:] if len(words) > 1 and draw(st.booleans()) else words


@st.composite
def _points(draw: st.DrawFn, unit: str) -> list[str]:
    """The points of an interpolated table."""
    bounds = st.sampled_from(PERCENTS if unit else BOUNDS[:4])
    pays = st.sampled_from(("0 %", "5 %", "12.5 %"))
    points = sorted(draw(st.sets(bounds, min_size=1, max_size=3)))
    return [f"at {point}{unit} pays {draw(pays)}" for point in points]


@st.composite
def _columns(draw: st.DrawFn, unit: str) -> list[Item]:
    """One column with a condition, or that and one for all else."""
    columns = [
        {"when": draw(credit_conditions), "bands": draw(_bands(unit))},
        {"bands": draw(_bands(unit))},
    ]
    return columns[: draw(st.integers(1, 2))]


@st.composite
def _table(
    draw: st.DrawFn, kind: str, unit: str, columns: bool, per: str, rates_only: bool = False
) -> list[Item]:
    """Dated versions, which begin with a period; a version may be published late."""
    later = "2024-02-01" if per == "month" else "2024-01-01"
    starts = ("2023-01-01", later) if draw(st.booleans()) else ("2024-01-01",)
    found = []
    for start in starts:
        version: Item = {"from": start, "source": "test", "kind": kind}
        if kind == "interpolated":
            version["bands"] = draw(_points(unit))
        elif columns:
            version["columns"] = draw(_columns(unit))
        else:
            version["bands"] = draw(_bands(unit, PAYS[:-2] if rates_only else PAYS))
        if _one_in(draw, 10):
            version["published"] = draw(st.sampled_from(("2023-06-01", "2024-06-01")))
        found.append(version)
    return found


_FACTOR = {
    "from": "2023-01-01",
    "source": "test",
    "kind": "all units",
    "bands": ["below 80 % pays 50 %", "from 80 % pays 110 %"],
}


# --- components ---------------------------------------------------------------------

_EACH = ("payee", "payee", "payee", "customer", "customer", "order", "ServiceName")
_BY = (
    "amount",
    "amount",
    "increment",
    "attainment",
    "growth",
    "amount to date",
    "amount over",
    "figure score",
)
_MARGINAL_ON = {
    "amount": ("amount",),
    "attainment": ("amount", "figure pay"),
    "increment": ("increment",),
    "growth": ("increment", "figure pay"),
}
"""What a marginal table can be read by, and what it can then pay on."""
_GATES = (
    "amount from 100",
    "attainment from 50 %",
    "growth above 0 %",
    "increment above 0",
    "figure score from 90 %",
    "spend before below 500",
    "spend from 50",
    "amount to date above 100 and below 2,000",
    "amount over WINDOW above 100",
)
_SCOPES = {
    "payee": ("all", "all with level elite", "all with level", "all with figure task"),
    "customer": ("all",),
}
_PLUS = {"payee": "prior", "customer": "base of customer"}
"""A figure that is measured besides credits."""
_COUNTS = (
    "customers",
    "customers from 100",
    "new customers",
    "new customers from 10",
    "customers from 1 for 2 months less refunded",
    "new customers for 2 months",
)
_OPTIONS = (
    ("cap", ("20", "33.33", "7.5 % of amount"), 4),
    ("portion", ("70 %", "1/3"), 4),
    ("floor", ("5", "33"), 8),
    ("minimum", ("2", "7.5"), 8),
    ("who", ("level = 'elite'", "level is missing", "day within 2 months of level"), 7),
    ("up to", ("250", "0.5"), 5),
    ("basis", ("x_Cash", "list"), 7),
)
"""Keys that a component may have, their values, and that one in so many has it."""


@st.composite
def _component(
    draw: st.DrawFn, number: int, tables: Item, per: str, earlier: Sequence[Item]
) -> Item:
    """A component, whose tables are put among `tables`; it may look at one of the earlier ones."""
    kind = draw(st.sampled_from(("all units", "all units", "marginal", "interpolated")))
    each, by = draw(st.sampled_from(_EACH)), draw(st.sampled_from(_BY))
    on = draw(st.sampled_from(("amount", "amount", "increment", "figure pay")))
    if kind == "marginal":
        by = draw(st.sampled_from(list(_MARGINAL_ON)))
        on = draw(st.sampled_from(_MARGINAL_ON[by]))
    columns = kind == "all units" and _one_in(draw, 3)
    counting = each == "payee" and kind == "all units" and not columns and _one_in(draw, 5)
    unit = " %" if by in ("attainment", "growth") else ""
    in_slices = kind == "marginal" and on == "figure pay"
    tables[f"t{number}"] = draw(_table(kind, unit, columns, per, in_slices))
    pays = draw(st.sampled_from(("partner", "partner", "partner", "rep", "manager")))
    windows = ("12 months", "year to date", "12 months of all channels")
    windows += ("12 months of the same level",)
    window = draw(st.sampled_from(windows))
    by += f" {window}" if by == "amount over" else ""
    found: Item = {"id": f"e{number}", "pays": pays, "per": per, "each": each, "on": on, "by": by}
    found["table"] = f"t{number}"
    if _one_in(draw, 5):
        tables[f"f{number}"] = [_FACTOR]
        by_factor = draw(st.sampled_from(("attainment", "growth", "figure score")))
        found["times"] = f"f{number} by {by_factor}"
    if _one_in(draw, 6):
        found["gates"] = [draw(st.sampled_from(_GATES)).replace("WINDOW", window)]
    found |= draw(_compared_with(found))
    if counting:
        found["counts"] = draw(st.sampled_from(_COUNTS))
    found |= draw(_options(counting, each))
    if not columns and each in _SCOPES and _one_in(draw, 4):
        found["for"] = draw(st.sampled_from(_SCOPES[each]))
    if not columns and not counting and each in _PLUS and _one_in(draw, 6):
        found["plus"] = _PLUS[each]
    found |= draw(_beside(found, per, earlier))
    found |= draw(_by_another(found, tables, earlier))
    return found | draw(_weighted_or_ranked(found, tables))


@st.composite
def _weighted_or_ranked(draw: st.DrawFn, component: Item, tables: Item) -> Item:
    """Perhaps weights, or a place among the payees that picks the band."""
    found: Item = {}
    if "baseline" not in component and _one_in(draw, 5):
        weights = st.sampled_from(("10", "50 %", "0", "1.5"))
        found["weights"] = [
            {"when": draw(credit_conditions), "weight": draw(weights)}
            for _ in range(draw(st.integers(1, 2)))
        ]
    columns = any("columns" in version for version in tables[component["table"]])
    of_customers = component.get("compare") == "last year of its customers"
    fits = component["each"] in ("payee", "customer", "order") and "baseline" not in component
    if fits and not columns and not of_customers and _one_in(draw, 5):
        of_order = ("label class of order", "label class of order", "payments of order")
        found["counted with"] = draw(st.sampled_from(of_order))
    if component["each"] == "payee" and _one_in(draw, 5):
        ties = draw(st.sampled_from(("better place", "worse place")))
        among = draw(st.sampled_from(({}, {"among": "level"}, {"among": "region"})))
        found["rank"] = {**among, "ties": ties}
        if draw(st.booleans()):
            found["rank"]["by"] = "attainment"
            found["target"] = component.get("target", "task")
        if component["by"] == "amount" and tables[component["table"]][0]["kind"] == "all units":
            found["by"] = "rank"
        else:
            found["gates"] = [*component.get("gates", []), "rank up to 2"]
    return found


@st.composite
def _by_another(draw: st.DrawFn, component: Item, tables: Item, earlier: Sequence[Item]) -> Item:
    """Perhaps a band, or a threshold, that is picked by what an earlier component measures."""
    alike = [
        e
        for e in earlier
        if (e["pays"], e["per"], e["each"]) == (component["pays"], component["per"], "payee")
    ]
    if not alike or not _one_in(draw, 2):
        return {}
    other = draw(st.sampled_from(alike))
    table = tables[component["table"]]
    ratio = "target" in other and draw(st.booleans())
    if component["by"] == ("attainment" if ratio else "amount") and table[0]["kind"] != "marginal":
        return {"by": f"{component['by']} of {other['id']}"}
    gate = f"attainment of {other['id']} from 50 %" if ratio else f"amount of {other['id']} from 1"
    return {"gates": [*component.get("gates", []), gate]}


@st.composite
def _compared_with(draw: st.DrawFn, component: Item) -> Item:
    """The target and the comparison that a component needs for what it is read by."""
    of_customer = component["each"] == "customer" and draw(st.booleans())
    owner = " of customer" if of_customer else ""
    read = [component["by"], component["on"], component.get("times", "")]
    said = " ".join([*read, *component.get("gates", [])])
    found: Item = {}
    if "attainment" in said:
        found["target"] = f"{'goal' if owner else 'task'}{owner}"
    if "increment" in said or "growth" in said:
        others = ("last year", "previous period", "last year of its customers", "2 periods before")
        choices = (*["figure prior"] * 3, *others, f"figure base{owner}")
        found["compare"] = draw(st.sampled_from(choices))
    return found


_WINDOWS = ("1 month", "3 months", "45 days", "2 months of payment", "50 days of label class")


@st.composite
def _options(draw: st.DrawFn, counting: bool, each: str) -> Item:
    found: Item = {}
    for key, values, one_in in _OPTIONS:
        if _one_in(draw, one_in) and not (key == "up to" and counting):
            found[key] = draw(st.sampled_from(values))
    for key in ("minimum", "cap"):
        if "floor" in found:
            found.pop(key, None)
    if _one_in(draw, 4):
        found["absent"] = draw(
            st.sampled_from(({"figure": "zero"}, {"period": "zero", "figure": "zero"}))
        )
    if _one_in(draw, 5):
        found["of"] = draw(credit_conditions)
    if not counting and _one_in(draw, 3):
        per = draw(st.sampled_from(("month", "quarter", "year")))
        conditions: tuple[Item, ...] = (
            {},
            {"when": "class = 'C'"},
            {"when": "payee.level = 'elite'"},
        )
        found["baseline"] = {"figure": "base", "per": per} | draw(st.sampled_from(conditions))
    if _one_in(draw, 3):
        windows = (*_WINDOWS, "2 months of customer since") if each == "customer" else _WINDOWS
        found["clawback"] = {
            "when": draw(st.sampled_from(("class = 'E'", "class = 'E'", "region is missing"))),
            "within": draw(st.sampled_from(windows)),
            "takes": draw(st.sampled_from(("all", "pro rata"))),
        }
    return found


def _stands_alone(component: Item) -> bool:
    """Whether nothing that a component earns depends on another one."""
    gates = component.get("gates", [])
    return "less" not in component and not any("earned" in gate for gate in gates)


@st.composite
def _beside(draw: st.DrawFn, component: Item, per: str, earlier: Sequence[Item]) -> Item:
    """Perhaps less what an earlier component earned, or only where that earned something."""
    fitting = [e for e in earlier if _stands_alone(e) and MONTHS[per] % MONTHS[e["per"]] == 0]
    if not fitting or not _one_in(draw, 3):
        return {}
    other = draw(st.sampled_from(fitting))["id"]
    if draw(st.booleans()):
        return {"less": [other]}
    gate = f"earned {other} " + draw(st.sampled_from(("above 0", "below 10")))
    return {"gates": [*component.get("gates", []), gate]}


# --- what a plan earns, credits and pays --------------------------------------------


@st.composite
def _group(draw: st.DrawFn, tables: Item, earlier: Sequence[Item]) -> tuple[Item, list[Item]]:
    """A group of two components, perhaps with a cap over both; and the two."""
    per = draw(st.sampled_from(PERS))
    members = [draw(_component(number, tables, per, earlier)) for number in (10, 11)]
    kind = draw(st.sampled_from(("sum", "max", "first match", "exclusive")))
    group: Item = {"id": "g", kind: members}
    if draw(st.booleans()):
        group["cap"] = draw(st.sampled_from(("15", "40.01", "5 % of e10")))
        if draw(st.booleans()):
            group["per"] = "year"
    return group, members


@st.composite
def _override(draw: st.DrawFn, on: Item) -> Item:
    """A component that pays somebody above for what another component earned below."""
    found = {
        "id": "o",
        "pays": "centre" if on["pays"] == "partner" else "manager",
        "per": draw(st.sampled_from((on["per"], "year"))),
        "on": f"earned {on['id']} below",
        "portion": draw(st.sampled_from(("12.5 %", "1/12"))),
    }
    return found | draw(st.sampled_from(({}, {"cap": "2.5"})))


@st.composite
def _earn(draw: st.DrawFn, tables: Item) -> tuple[list[Item], list[Item]]:
    """The items of `earn`, and all components in them."""
    components: list[Item] = []
    for number in range(draw(st.integers(1, 3))):
        per = draw(st.sampled_from(PERS))
        components.append(draw(_component(number, tables, per, components)))
    items = list(components)
    if draw(st.booleans()):
        group, members = draw(_group(tables, components))
        items.append(group)
        components += members
    bases = [c for c in components if _stands_alone(c)]
    if bases and _one_in(draw, 3):
        override = draw(_override(draw(st.sampled_from(bases))))
        items.append(override)
        components.append(override)
        if draw(st.booleans()):
            higher = draw(_override(override)) | {"id": "oo", "pays": "director"}
            items.append(higher)
            components.append(higher)
    return items, components


@st.composite
def _credit_clauses(draw: st.DrawFn) -> list[Item]:
    clauses = []
    roll_ups = [{"role": "rep", "to": "manager"}, {"role": "manager", "to": "director"}]
    for number in range(draw(st.integers(1, 3))):
        mode = draw(st.sampled_from(("single", "double")))
        roles = draw(st.sampled_from((["partner"], ["rep", "partner"], ["partner", "rep"])))
        clause: Item = {"id": f"c{number}", "mode": mode, "roles": roles}
        if _one_in(draw, 3):
            clause["when"] = draw(customer_conditions)
        if _one_in(draw, 5):
            clause["while"] = draw(credit_conditions)
        if "rep" in roles and draw(st.booleans()):
            clause["roll up"] = roll_ups[: draw(st.integers(1, 2))]
        clauses.append(clause)
    return clauses


@st.composite
def _exclusions(draw: st.DrawFn, component: str) -> list[Item]:
    """Exclusions of everything, or of one component."""
    found = []
    for number in range(draw(st.sampled_from((0, 0, 1, 2)))):
        item: Item = {"id": f"x{number}", "when": draw(credit_conditions)}
        if draw(st.booleans()):
            item["since"] = str(draw(st.sampled_from(DAYS)))
        if draw(st.booleans()):
            item["until"] = str(draw(st.sampled_from(DAYS)))
        if draw(st.booleans()):
            item["applies to"] = [component]
        found.append(item)
    return found


_PAY: Item = {
    "instalments": (
        ["50 % at once", "50 % after 1 month"],
        ["90 % at once", "10 % after 2 months"],
    ),
    "draw": ("10 recoverable", "5.5 guaranteed"),
    "minimum": ("0", "20", "7.25"),
    "expires": ("1 month", "2 months"),
    "forms": (
        ["60 % rebate", "40 % co-op from 5 else cash"],
        ["33.3 % cash", "66.7 % coupon"],
    ),
    "tax": (
        {"included": "6 %", "added": "3 %"},
        {"included": "13 %", "added": "figure score"},
    ),
    "in": ("JPY", "JPY on last day", "label money"),
}
_FROZEN = ("class = 'D'", "region = 'north'")


@st.composite
def _pay(draw: st.DrawFn, by_customer: bool) -> Item:
    """Terms of payment; only what is earned customer by customer can be frozen.

    Only what is kept back by a minimum can lapse.
    """
    choices = _PAY | ({"frozen": _FROZEN} if by_customer else {})
    said = {
        key: draw(st.sampled_from(values)) for key, values in choices.items() if draw(st.booleans())
    }
    kept = {"co-op", "coupon"} & set(" ".join(said.get("forms", [])).split())
    if kept and "in" not in said and draw(st.booleans()):
        fund = {"form": min(kept), "claims": "claims"}
        said["funds"] = [fund | draw(st.sampled_from(({}, {"cap": "12.5"}, {"lapses": "1 month"})))]
    return said | ({"minimum": "20"} if "expires" in said and "minimum" not in said else {})


@st.composite
def _apart(draw: st.DrawFn, components: Sequence[str]) -> Item:
    """Perhaps terms of their own for some components that stand in no group."""
    if not components or not _one_in(draw, 3):
        return {}
    keys = ("instalments", "draw", "minimum")
    found: Item = {key: draw(st.sampled_from(_PAY[key])) for key in keys if draw(st.booleans())}
    found |= {"expires": "1 month"} if "minimum" in found and draw(st.booleans()) else {}
    return {"apart": [{"components": [draw(st.sampled_from(components))], **found}]}


_BASES = ("billed", *BASES, "lesser of billed and contracted")  # most plans say billed
_ROUNDINGS = ("half up to 0.01", "half even to 0.01", "down to 0.01", "half up to 1")
_STARTS = ("2023-01-01", "2024-01-01", "2024-02-01")
_AS_OF: tuple[list[Item], ...] = (
    [{"when": "ServiceName = 'CDN'", "day": "BillingPeriodStart"}],
    [
        {"when": "ServiceName = 'CDN'", "day": "each day of BillingPeriod"},
        {"day": "each day of ChargePeriod"},
    ],
)


@st.composite
def shared_terms(draw: st.DrawFn) -> Item:
    """The terms that plans settled together have in common."""
    terms: Item = {"timezone": draw(st.sampled_from(ZONES)), "currency": "CNY"}
    terms |= {"as of": draw(st.sampled_from(_AS_OF))} if _one_in(draw, 4) else {}
    return terms | ({"limits": draw(_limits())} if _one_in(draw, 4) else {})


@st.composite
def _limits(draw: st.DrawFn) -> Item:
    """Some of the limits that a programme sets to the book."""
    limits = (
        ("registration lives", "20 days"),
        ("open registrations", "1"),
        ("claims", "first come"),
        ("unbinding", "2 months"),
    )
    return dict(draw(st.lists(st.sampled_from(limits), min_size=1, unique=True)))


@st.composite
def plan(draw: st.DrawFn, plan_id: str = "random", shared: Item | None = None) -> PlanFile:
    """A valid plan, through its text; with the shared terms, where they are given."""
    tables: Item = {}
    items, components = draw(_earn(tables))
    text: Item = {
        "plan": plan_id,
        "title": "Random",
        "source": "test",
        "published": "2023-01-01",
        "effective": {"from": draw(st.sampled_from(_STARTS))},
        "basis": draw(st.sampled_from(_BASES)),
        "mixed bases": "test",
        "rounding": draw(st.sampled_from(_ROUNDINGS)),
        "credit": {"first match": draw(_credit_clauses())},
        "exclude": draw(_exclusions(components[0]["id"])),
        "tables": tables,
        "earn": {"sum": items},
    }
    text |= draw(shared_terms()) if shared is None else shared
    if _one_in(draw, 4):
        text["year starts"] = "February"
        tables.update({name: [{**own[0], "from": "2023-01-01"}] for name, own in tables.items()})
    by_customer = all(
        c.get("each", "payee") != "payee" or c["on"].startswith("earned") for c in components
    )
    pay = draw(_pay(by_customer)) if draw(st.booleans()) else {}
    if pay:
        alone = [item["id"] for item in items if "pays" in item]
        text["pay"] = pay | draw(_apart(alone))
    if text["rounding"] == "half up to 1":
        for limited in (*components, *items):
            limited.pop("cap", None)
    return read_plan(yaml.dump(text, sort_keys=False, Dumper=yaml.CSafeDumper), f"{plan_id}.yaml")


@st.composite
def plans(draw: st.DrawFn, at_most: int, together: bool = True) -> list[PlanFile]:
    """One plan or several: of equal common terms, so that they are settled together, or of any."""
    shared = draw(shared_terms())
    others = [] if together else [draw(shared_terms()), draw(shared_terms()) | {"currency": "USD"}]
    terms = [shared, *others]
    converts = [draw(_conversions(one["currency"])) for one in terms]
    count = draw(st.sampled_from((1, at_most, at_most)))
    files = []
    for number in range(1, count + 1):
        place = number % len(terms)
        file = draw(plan(f"random-{number}", terms[place]))
        if converts[place]:
            # A condition may not hold a cost against an amount where there are several currencies.
            text = re.sub(r"BilledCost\s+(>=|<)\s+\d+", "x_Cash is missing", file.content)
            file = read_plan(
                text + yaml.dump({"convert": converts[place]}, Dumper=yaml.CSafeDumper), file.source
            )
        files.append(file)
    return files


@st.composite
def _conversions(draw: st.DrawFn, currency: str) -> Item:
    """The currencies that are converted into one; mostly none."""
    if not _one_in(draw, 3):
        return {}
    others = {"CNY": (["USD"], ["EUR", "USD"]), "USD": (["EUR"], ["EUR", "CNY"])}[currency]
    return {"from": draw(st.sampled_from(others)), "on": draw(st.sampled_from(("month", "day")))}
