"""Settling: from files and a period to a run that is kept.

In: files to import; a period and, if wished, a knowledge time. Out: imports in the store; a run,
whose tables are kept under an id made of all that it rests on; why a line is what it is.

What must be true: the same facts, plans and period give the same run, byte for byte; a settlement
whose invariants do not hold leaves no run.

- `imports`: DATASETS, the kinds of files that a workspace takes.
- `facts`: the charges, the book and the plans as known at a moment, and what the plans ask of terms
  and events.
- `settling`: runs the stages; `pipeline`: settles plans over facts by it, with their checks.
- `kept_months`: the sums of months, kept in a workspace; `months`: reads them, brings them up or
  measures; `touched`: the accounts that a change of the book may concern.
- `more_facts`: what more facts take off the sums of months and put on; `standing`: a settled period
  that stays open, so that more facts are settled for those alone whom they concern.
- `results`: RESULT_TABLES, the tables that a run leaves; `decoded`: codes and whole numbers as
  people read them.
- `runs`: settles a period of a workspace, or takes up the run that did so before.
- `detail`: some payees' credits charge by charge, by the same steps; `explain`: why a line of a
  statement is what it is, down to charges and clauses; `deciding_terms`: the terms about a charge.
"""
