"""Earn: from credits to what each payee earns. The one room where money is rounded.

In: `credits`, the plans' components and tables, figures of the book. Out: `earnings`, a row for
what a component earns by itself and for each clause that adds to it or takes off.

What must be true: an amount is rounded once, by the plan's rounding; each line of a statement is
the sum of its rows.

- `from_credits`: the periods, and the fragments that fill `steps.sql`.
- `rows`: the table that others read; `checks`: the invariants, and problems in the data.
"""
