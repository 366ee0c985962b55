"""The terms: what was agreed with customers and partners, and by whose leave.

In: files of agreements, floors, approvals, coupons and list prices. Out: the same as last known
at a moment.

What must be true: terms are appended, never edited; an approval holds when every step of its chain
is approved, and covers nothing that it does not name; a list price is one price on any day.

- `rows`: the five kinds of facts; `read`: from files to rows.
- `from_focus`: agreements from the FOCUS dataset ContractCommitment.
- `limits`: floors and grants as they are written: a part of another cost, or a price of one unit.
- `policy`: who grants what is out of the ordinary, step by step; `policy_text` has its keys,
  `policy_words` its steps as people read them.
- `as_of`: the terms as last known, and what is wrong with them as a whole.
- `in_plans`: what plans ask of terms, as conditions; `derived_figures`: what they count from
  agreements, by `over_time`.
"""
