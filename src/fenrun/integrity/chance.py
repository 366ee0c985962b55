"""Tests of how likely something is by chance: exact and permutation tests, and false discovery.

No test here rests on a curve that counts are supposed to follow: chance is what the same facts look
like when they are dealt again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from math import exp, lgamma, log

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
_SEED = 20_240_601
UNLIKELY, _HINT = 0.05, 0.2


def generator(*names: str) -> np.random.Generator:
    """Return a generator of random numbers that is the same for the same names."""
    seeds = [int.from_bytes(name.encode()[:8].ljust(8), "little") for name in names]
    return np.random.default_rng([_SEED, *seeds])


@dataclass(frozen=True)
class Draw:
    """Things of one stratum: so many are drawn, and so many of the drawn are marked."""

    found: int
    drawn: int
    marked: int
    among: int


def by_dealing(draws: Sequence[Draw]) -> float:
    """Return how likely draws hold as many marked things in all, or more, if marks were dealt anew.

    Marks are dealt again within each stratum (hypergeometric), so that what a stratum has in common
    proves nothing.
    """
    found = sum(draw.found for draw in draws)
    chances = np.ones(1)
    for draw in draws:
        chances = np.convolve(chances, _chances(draw))
    chance: float = chances[found:].sum().item()
    return min(1.0, chance)


def _chances(draw: Draw) -> Floats:
    """Return how likely a draw holds 0, 1, 2 ... marked things."""
    high = min(draw.drawn, draw.marked)
    low = max(0, draw.drawn + draw.marked - draw.among)
    chances = np.zeros(high + 1)
    for held in range(low, high + 1):
        ways = _log_ways(draw.marked, held)
        ways += _log_ways(draw.among - draw.marked, draw.drawn - held)
        chances[held] = exp(ways - _log_ways(draw.among, draw.drawn))
    return chances


def _log_ways(among: int, drawn: int) -> float:
    """Return the logarithm of in how many ways things can be drawn."""
    return lgamma(among + 1) - lgamma(drawn + 1) - lgamma(among - drawn + 1)


def together(one: float, other: float) -> float:
    """Return the p of two independent tests of one thing: Fisher's combined probability."""
    product = max(one * other, 1e-300)
    return min(1.0, product * (1 - log(product)))


def guarded(p: float, within: float) -> float:
    """Return a p, unless chance within a stratum explains as much: then that of the stratum.

    A stratum of few things proves little by itself, but what it has in common explains much.
    """
    return p if within <= UNLIKELY else max(p, within)


def at_best(draws: Sequence[Draw]) -> float:
    """Return how unlikely draws could be at best, however many marked things were found.

    Where that is likely, nothing was tried: what was found could not have said anything (Tarone,
    "A modified Bonferroni method for discrete data", 1990).
    """
    most = [replace(draw, found=min(draw.drawn, draw.marked)) for draw in draws]
    return by_dealing(most)


def alone(everywhere: float, within: float, others: float) -> float:
    """Return the p of one among all, unless what it is part of explains it.

    `within` is its p among that part, and `others` that of the part without it. What is found in
    it alone, and hardly by chance there, is not explained by a part of few things.
    """
    if within <= _HINT and others > UNLIKELY:
        return everywhere
    return guarded(everywhere, within)


def as_extreme(found: float, by_chance: Floats) -> float:
    """Return the share of what chance gives that is as large as what was found, with itself."""
    as_large: int = (by_chance >= found).sum().item()
    return (1 + as_large) / (1 + len(by_chance))


def dealt_again(
    statistic: Callable[[np.random.Generator], float], times: int, *names: str
) -> Floats:
    """Return a statistic of facts that are dealt again, so many times."""
    rng = generator(*names)
    return np.array([statistic(rng) for _ in range(times)])


def discoveries(p: Sequence[float]) -> list[float]:
    """Return the q of each p: the false share among all that are as good or better.

    Benjamini and Hochberg, "Controlling the False Discovery Rate" (1995).
    """
    count = len(p)
    found = [1.0] * count
    least = 1.0
    for rank, at in _largest_first(p):
        least = min(least, p[at] * count / rank)
        found[at] = least
    return found


def _largest_first(p: Sequence[float]) -> Iterator[tuple[int, int]]:
    order = sorted(range(len(p)), key=lambda at: p[at])
    for rank in range(len(order), 0, -1):
        yield rank, order[rank - 1]
