"""Credit: the parties that are credited for each charge, and the clause that says so.

In: charges, the book as known, the plans' crediting clauses and conditions. Out: `credits`, a row
for each share of a situation (groups of charges that are credited alike) that a party is credited,
and `uncredited_situations`, with the reason; and the sums of these that a run keeps.

What must be true: groups sum to the charges; direct credits of one role, and what is uncredited,
are the whole of each situation, exactly; nothing is rounded. Roll-ups come on top.

- `stored_charges`: fills `groups.sql`, from the charges of a workspace to groups;
  `charges_as_codes`: the charges of a case.
- `crediting`: fills `steps.sql`, from groups to credits and to what components measure.
- `shared_work`: what plans that credit or measure in the same way share.
- `owners`: the parties of one account or order on a day.
- `checks`: the invariants, and problems in the data.
"""
