"""Scenarios and their outcomes: a scenario's facts and plans settled beside those that are.

In: a store and scenarios written as text. Out: what everybody would be credited and earn, before,
after and the difference. Must be true: nothing of a scenario ever enters a store, and it settles to
what the same facts, imported into a copy of the workspace, would.

scenario_text  the keys of a scenario
scenario       a scenario as read and checked
chosen         the parties that a patch is about
book_patch     labels, links, figures and rates otherwise than they are
charge_patch   charges otherwise than they are: prices, usage, customers won
plan_patch     plans otherwise than they are
patched        the facts of a workspace as a scenario has them
run            scenarios settled beside what is
variants       the variants of a scenario that varies its plans
varying        the components of a plan that variants of it change
sweep          every variant settled in few passes
moves          the catalogue of what somebody could do who is paid by a plan
optimum        the best dealing of customers, and a bound on any
attack         moves that would pay somebody more, with nothing sold
answers        what differs: by payee, line, label and customer, and in all
drafts         a scenario's facts and plans as files, to be imported the usual way
"""

from fenrun.lab.run import whatif
from fenrun.lab.sweep import sweep

__all__ = ["sweep", "whatif"]
