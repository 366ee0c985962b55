"""Effort: how much z3 may be asked about one plan, in its own steps, so that answers are the same
on every machine.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import z3

_OF_A_QUESTION = 100_000
_OF_A_PLAN = 400_000


@dataclass
class Effort:
    """The steps of z3 that are left for a plan: together well below two seconds of a core."""

    left: int = _OF_A_PLAN

    def check(self, solver: z3.Solver) -> Any:
        """Return z3's answer; `unknown` where a question is too large for what is left."""
        if self.left <= 0:
            return z3.unknown
        solver.set("rlimit", min(_OF_A_QUESTION, self.left))
        before = _steps(solver)
        answer = solver.check()
        self.left -= _steps(solver) - before
        return answer


def _steps(solver: z3.Solver) -> int:
    """Return how many steps z3 has made in this process."""
    known = solver.statistics()
    return int(dict(known[n] for n in range(len(known))).get("rlimit count", 0))
