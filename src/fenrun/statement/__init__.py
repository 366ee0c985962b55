"""The statement: what each payee is credited, earns and is paid, and why.

In: the summed tables of crediting (`credited`, `team_credits`, `held_spend`, `not_counted`,
`uncredited`), `earnings`, `tier_earnings`, `payouts`, `payments`, and the plans' clauses.
Out, as tables (steps.sql): `statement_lines`, `statement_credits`, `statements`, and `ledger` (the
month's total by plan). Out, for people and machines:

- `run`: a settled period, and the differences that closed periods leave to it.
- `tables`: the rows of the summed tables.
- `rows`: the statement of a payee as one object.
- `payment_tables`: how what is due becomes what is paid, what waits, what funds hold.
- `sentences`: an explanation in words.
- `attainment`: how far a line has come in its table. `team`: of whom roll-up credits come.
- `formats`: a statement as text, JSON, CSV or XLSX; a new format is one file and one entry there.

True, and checked by `checks.py`: all statements sum to what is earned.
"""
