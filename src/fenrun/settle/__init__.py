"""Settling: from files and a period to a run that is kept.

In: files to import; a period and, if wished, a knowledge time. Out: imports in the store; a run,
whose tables are kept under an id made of all that it rests on.

What must be true: the same facts, plans and period give the same run, byte for byte; a stage whose
invariants do not hold stops the run.

- `imports`: DATASETS, the kinds of files that a workspace takes.
- `facts`: the charges, the book and the plans as known at a moment.
- `pipeline`: STAGES, and how they are run over facts.
- `results`: RESULT_TABLES, the tables that a run leaves, and by which key.
- `runs`: settles a period of a workspace, or takes up the run that did so before.
"""
