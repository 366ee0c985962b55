"""Credit: the parties that are credited for each charge, and the clause that says so.

In: charges, the book as known, the plans' crediting clauses and conditions. Out: `credits`, a row
for each share of a group of charges that a party is credited, and `uncredited_groups`, with the
reason.

What must be true: direct credits of one role, and what is uncredited, sum to the charges of each
group, exactly; nothing is rounded. Roll-ups come on top.

- `from_charges`: the fragments that fill `steps.sql`; `rows`: the tables that others read.
- `shared_work`: what plans that credit or measure in the same way share.
- `owners`: the parties of one account or order on a day.
- `checks`: the invariants, and problems in the data.
"""
