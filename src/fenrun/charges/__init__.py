"""Charges: FOCUS 1.0 to 1.4 billing data, from a file to the store.

In: a file of CSV (plain, gz, zst) or Parquet. Out: `charges.parquet` in the store, every row with
`import_id` and `row_no`; `quarantine.parquet` with the rows that cannot be credited or paid; and a
problem for everything odd.

What must be true: no row is lost, the file's total is the sum of the two, and no cost is changed by
a digit. A file whose money cannot be read exactly is refused whole.

- `source`: a file's format, columns, and whether its bytes are whole.
- `staged`: the file inside the engine, as it came and typed.
- `checks`: a code and a condition for each thing that can be wrong.
- `read`: the import, and the charges of imports as one table.
- `rows`, `columns.csv`: the columns of FOCUS.
"""
