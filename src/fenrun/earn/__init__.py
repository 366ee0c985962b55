"""Earn: from credits to what each payee earns. The one room where money is rounded.

In: `performance_measures`, the plans' components and tables, figures of the book. Out: `earnings`,
a row for what a component earns by itself and for each clause that adds to it or takes off;
`not_counted`, what is credited but does not qualify.

What must be true: an amount is rounded once, by the plan's rounding; each line of a statement is
the sum of its rows.

- `calendar`: the months that are looked at; `earning`: the decimals of each kind of amount, the
  periods, and what fills `steps.sql`.
- `rows`: the table that others read; `checks`: the invariants, and problems in the data.
"""
