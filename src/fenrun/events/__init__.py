"""Events: what people did, who paid, and what was bought and sold between parties.

In: files of events, payments and trades. Out: the same as last known at a moment.

What must be true: rows are appended, never edited; a settlement reads consents and payments
alone, where a plan asks for them.

- `rows`: the three kinds of facts; `read`: from files to rows; `as_of`: as last known.
- `consents`: consents and refusals as labels of customers, for a settlement.
- `receipts`: what is paid of invoices as figures of these, for a settlement.
"""
