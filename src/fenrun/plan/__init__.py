"""The plan: policy as text, read into rows. A plan compiles to small tables, never to code.

In: a YAML text (`text.py` has its keys, `phrases.py`, `bands.py` and `conditions.py` what may stand
as values, `vocabulary.py` the closed lists of words).

Out: a `Plan` of small tables (`rows.py`), which the credit, earn and payout stages join; the
programme guide that partners read (`guide.py`); what differs between two plans (`diff.py`); and
what the checker finds and proves (`check/`).

What must be true: `read.py` takes a plan only without problems, and names every problem at once,
each on its line, in the reader's language. `check/clauses.py` holds what the rows must be before
they may decide about money. What decides about money and what is only said is one list
(`meaning.py`). Nothing here reads a charge, a book or the clock.
"""
