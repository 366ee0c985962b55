"""The checker: what is wrong with a plan, and what is proven of it.

In: the rows of a plan. Out: problems with their lines, and a proof or a counterexample for every
component: can business be split, merged, moved in time or relabelled so that it earns more?

`clauses.py` finds what would make a plan ambiguous; such a plan is not read at all. `findings.py`
finds what should stop a signature: cliffs, clauses that never decide, versions that pay less
without a word. `logic.py` decides what conditions can hold together. `payoff.py` is what a
component pays for what it measures, `proving.py` asks z3 about it, `transfer.py` about labels, both
within what `effort.py` allows; `examples.py` looks for worlds that gain; `limits.py` names what is
not modelled.

What must be true: an answer `proven` holds for every amount and figure from zero up, before
rounding, among units and periods of equal facts; a counterexample is one by exact numbers, and the
engine pays it. What is not modelled is `not examined`, with the reason.
"""
