"""A run: what a settlement left in an engine."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from fenrun.base.problem import Problem
from fenrun.base.when import AsOf, Period
from fenrun.engine.port import Engine
from fenrun.plan.rows import Plan


@dataclass(frozen=True)
class Run:
    """A settlement of a period: its tables in the engine are named as the steps of the stages."""

    engine: Engine
    plans: tuple[Plan, ...]
    period: Period
    as_of: AsOf
    problems: tuple[Problem, ...]
    sources: Mapping[str, str] = field(default_factory=dict)
    """File name of each import of charges, by the import's id."""
