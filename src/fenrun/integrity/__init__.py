"""Integrity: where the facts say that somebody may be paid for what is not so, with evidence.

In: charges, the book with identities, terms, events, payments and trades of some months. Out:
cases: who, in which scheme, when, what it earned more, which rows say so, and the best innocent
explanation.

What must be true: a check that cannot run says why; broken facts, statistics and links are never
mixed; every row of evidence exists; amounts are settled with and without the rows that a case
rests on. No finding says that anybody did wrong: people decide.

- `sold_sums`: charges by month as checks read them, each read once and kept; its steps beside.
- `seen`: all that checks read: these sums by customer and partner, and the book beside them.
- `findings`: alerts, cases and their evidence; `checks`: one file a check, `CHECKS` lists them.
- `chance`: exact and permutation tests, and the control of false discovery.
- `merging`: alerts of one scheme about the same parties become one case.
- `amounts`: what a case earned, by the engine; `examine`: all of it over a workspace; `kept`: the
  records of what was found, and the queue that they make.
- `written`: findings as JSON; `sheets`: as CSV and as a workbook.
- `life`: what people decided about cases, in the log.
"""
