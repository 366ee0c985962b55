"""Charges: FOCUS 1.0 to 1.4 billing data, from a file to the store.

In: a file of CSV (plain, gz, zst) or Parquet. Out, in the folder of an import: `charges.parquet`,
`cells.parquet` and `accounts.parquet`, which joined are the rows that came, with `import_id` and
`row_no`; `quarantine.parquet` with the rows that cannot be credited or paid; `archive`, the bytes
as they came; and a problem for everything odd.

What must be true: no row is lost, the file's total is the sum of stored and quarantined rows, and
no cost is changed by a digit. A file whose money cannot be read exactly is refused whole.

- `source`: a file's format, columns, and whether its bytes are whole and plain.
- `staged`: a file in memory, typed; `coded` and `decimals` are its columns.
- `from_arrow`: the fast way there, for plain files; `from_duckdb`: the way that takes every file.
- `checks`: a code and a condition for each thing that can be wrong.
- `notations`: amounts as accounts and forms write them.
- `zones`: times without a zone, in the one that is said of them.
- `gaps`, `profiles/`: what providers publish that their exports leave empty.
- `far`, `backwards`: charges whose days or months cannot be meant.
- `facts`: what the manifest says of the charges.
- `stored`: the files of an import, and the charges of several as one table.
- `redelivered`, `shifts`: charges that two imports hold under other names, with other amounts,
  or in another time zone.
- `pieces`, `sales`: charges that two imports hold in other pieces, or from two issuers.
- `within`: charges that one file holds by the day, and again as their sum.
- `overlaps`, `delivered`: charges that two imports hold; whose place a delivery takes.
- `read`: the import.
- `datasets`: what providers say beside charges: invoices, billing periods, commitments.
- `rows`, `columns.csv`: the columns of FOCUS, and the keys of a stored charge.
"""
