"""The common job with OpenFisca.

Its rules are variables of partners, calculated for months and for the year.

OpenFisca holds whole numbers in 32 bits, which end at 21 million in cents, and money usually in
32-bit floats, which lose cents from 167,772.16 on and with them the tier. So every variable here
holds 64-bit whole cents: its `dtype` is put right when it is made. Groups of OpenFisca add floats
and are not asked to add: what a partner is credited in a month comes from the DuckDB peer's first
query. Its periods know no quarter: a quarter is asked for at its first month.
"""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import numpy as np
from openfisca_core.entities import Entity
from openfisca_core.periods import DateUnit, Period
from openfisca_core.populations import ADD
from openfisca_core.simulations import Simulation, SimulationBuilder
from openfisca_core.taxbenefitsystems import TaxBenefitSystem
from openfisca_core.variables import Variable

from bench.peers.duckdb_sql import credited
from bench.peers.rules import (
    COLUMNS,
    MONTHS,
    QUARTERS,
    YEAR,
    Rules,
    Steps,
    cents,
    read_rules,
)

_PARTNER = Entity("partner", "partners", "A partner", "")


class _Cents(Variable):
    """A variable of whole cents in 64 bits."""

    def __init__(self, baseline_variable: Variable | None = None):
        super().__init__(baseline_variable=baseline_variable)
        self.dtype = np.int64


def run(folder: Path, out: Path) -> None:
    """Settle the job's folder and write its earnings to `out`."""
    rules = read_rules(folder)
    months = credited(folder, rules).query("FROM partners ORDER BY partner_id")
    partners = months["partner_id"].to_pylist()
    simulation = SimulationBuilder().build_default_simulation(_system(rules), len(partners))
    for month in MONTHS:
        simulation.set_input("credited", month, months[month].to_numpy())
    place = {partner: n for n, partner in enumerate(partners)}
    targets = _figures(folder / "targets.csv", "target", place, QUARTERS)
    for n, start in enumerate(MONTHS[::3]):
        simulation.set_input("target", start, targets[n])
    simulation.set_input(
        "prior", YEAR, _figures(folder / "prior.csv", "prior_year_base", place, (YEAR,))[0]
    )
    _write(simulation, partners, out)


def _system(rules: Rules) -> TaxBenefitSystem:
    """The programme: what is put in, then what is calculated, each in cents."""

    def variable(name: str, unit: DateUnit, **more: Any) -> type[Variable]:
        return type(
            name,
            (_Cents,),
            {
                "value_type": int,
                "entity": _PARTNER,
                "definition_period": unit,
                "label": name,
                **more,
            },
        )

    def monthly(partner: Any, when: Period) -> np.ndarray:
        base = partner("credited", when)
        return _paid(base, base, 1, rules.tiers[when.start.month - 1])

    def quarter(partner: Any, when: Period) -> np.ndarray:
        return sum(partner("credited", when.offset(n)) for n in range(3))

    def task(partner: Any, when: Period) -> np.ndarray:
        base, target = partner("quarter", when), partner("target", when)
        return np.where(target > 0, _paid(base, base * 100, target, rules.task), 0)

    def increment(partner: Any, when: Period) -> np.ndarray:
        return partner("credited", when, options=[ADD]) - partner("prior", when)

    def growth(partner: Any, when: Period) -> np.ndarray:
        base, prior = partner("increment", when), partner("prior", when)
        return np.where(prior > 0, _paid(base, base * 100, prior, rules.growth), 0)

    month, year = DateUnit.MONTH, DateUnit.YEAR
    system = TaxBenefitSystem([_PARTNER])
    system.add_variables(
        variable("credited", month),
        variable("target", month),
        variable("prior", year),
        variable("monthly", month, formula=monthly),
        variable("quarter", month, formula=quarter),
        variable("task", month, formula=task),
        variable("increment", year, formula=increment),
        variable("growth", year, formula=growth),
    )
    return system


def _paid(base: np.ndarray, value: np.ndarray, of: np.ndarray | int, steps: Steps) -> np.ndarray:
    """Cents: the base at the per cent of the highest step whose start, times `of`, the value
    reaches. Rounded half up; nothing below zero."""
    rate = np.zeros(len(base), np.int64)
    for start, percent in steps:
        rate[value >= of * start] = percent
    return np.maximum(base * rate + 50, 0) // 100


def _figures(
    path: Path, column: str, place: dict[str, int], periods: tuple[str, ...]
) -> np.ndarray:
    """(periods x partners) cents, 0 where nothing is said.

    A file without quarters speaks of the one period.
    """
    said, number = (
        np.zeros((len(periods), len(place)), np.int64),
        {period: n for n, period in enumerate(periods)},
    )
    with path.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            partner, period = (
                place.get(row["partner_id"]),
                number.get(row.get("quarter", periods[0])),
            )
            if partner is not None and period is not None:
                said[period, partner] = cents(row[column])
    return said


def _write(simulation: Simulation, partners: list[str], out: Path) -> None:
    asked = [
        ("growth", YEAR, "increment", YEAR),
        *(("monthly", month, "credited", month) for month in MONTHS),
        *(("task", quarter, "quarter", start) for quarter, start in zip(QUARTERS, MONTHS[::3])),
    ]
    amounts = np.column_stack(
        [simulation.calculate(component, when) for component, _, _, when in asked]
    )
    bases = np.column_stack([simulation.calculate(base, when) for _, _, base, when in asked])
    earns = (amounts > 0) & (bases > 0)
    # Row by row: a partner's columns stand in the order of the file.
    partner, column = (found.tolist() for found in np.nonzero(earns))
    with out.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(COLUMNS)
        writer.writerows(
            (partners[p], *asked[c][:2], _money(b), _money(a))
            for p, c, b, a in zip(partner, column, bases[earns].tolist(), amounts[earns].tolist())
        )


def _money(whole: int) -> str:
    """Cents above zero as text with two decimals."""
    return f"{whole // 100}.{whole % 100:02d}"
