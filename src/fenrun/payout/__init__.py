"""The payout: when, and in which form, what is earned is paid.

In: `earnings`, with what the plans say about paying. Out: `payables` (instalments with the month in
which they are due), `held_back`, `released`, `dues`, `payouts` (month by month: carried, expired,
drawn, recovered, paid) and `payments` (by form, with tax).

`paying` fills `steps.sql`, and walks from month to month.

True, and checked by `checks.py`: instalments sum to the earning, forms sum to the payout, and
nothing is lost between what is due, paid and carried. A plan that says nothing about paying pays
what is earned at once, in cash.
"""
