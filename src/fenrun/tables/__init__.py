"""Tables of dated facts as files: rows read field by field, kept, and the last that is known.

In: CSV, Parquet, YAML and workbooks whose tables are told by their columns. Out: typed rows in the
store, and those that hold as known at a moment; a problem at the place of each row that cannot be
read.

What must be true: a row is taken whole or left out with a problem; rows are appended, never edited;
a row given twice at once, and differently, decides nothing.

- `layout`: the tables that files of one kind hold, and which of them some columns are.
- `records`: from files to fields, `fields`: from fields to values, both with their places.
- `from_xlsx`: sheets of workbooks, cell by cell.
- `kept`: rows into the store and out of it; `latest`: of rows under one key the last known.
"""
