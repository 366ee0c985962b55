"""The only room where SQL is run.

In: named steps (`steps.sql` of each stage), fragments that fill them, and tables: rows, arrow or
Parquet. Out: a table a step, from SQLite or from DuckDB.

What must be true: amounts are whole numbers of their last decimal; none passes through a float, and
none is cut but where a step says so. What does not fit 38 digits is refused.

- `runner`: SQLite and DuckDB, which run one text of steps over whole numbers.
- `databases`: begins databases of DuckDB.
- `codes`: texts, days, months and amounts as whole numbers, and back.
- `questions`: what is asked of the rows of charges, to be answered whole or part by part.
- `duckdb`: answers here; `spark`: in tasks of a cluster; `choose` picks one.
- `steps`: reads the steps of a file.
- `dialect`: the SQL that databases say differently.
"""
