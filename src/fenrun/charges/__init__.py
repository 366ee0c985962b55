"""Charges: FOCUS 1.0 to 1.4 billing data, from a file to the store.

In: a file of CSV (plain, gz, zst) or Parquet. Out, in the store: `charges.parquet`, `cells.parquet`
and `accounts.parquet`, which joined are every row with `import_id` and `row_no`;
`quarantine.parquet` with the rows that cannot be credited or paid; the file itself as `archive`;
and a problem for everything odd.

What must be true: no row is lost, the file's total is the sum of the two, and no cost is changed by
a digit. A file whose money cannot be read exactly is refused whole.

- `source`: a file's format, columns, and whether its bytes are whole.
- `from_arrow`: reads what is plain; `from_duckdb`: reads every file.
- `coded`: a column by its distinct values; `decimals`: one of decimals.
- `staged`: the file's columns, as they came and typed.
- `checks`: a code and a condition for each thing that can be wrong.
- `read`: the import. `stored`: its files, and the charges of imports as one table.
- `facts`: what is known of an import without reading it.
- `rows`, `columns.csv`: the columns of FOCUS.
"""
