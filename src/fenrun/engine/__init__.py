"""The only room where SQL is run.

In: named steps (`steps.sql` of each stage), fragments that fill them, and tables: arrow or Parquet.
Out: a table a step. DuckDB runs them; Spark, translated, where FENRUN_ENGINE asks for it.

What must be true: no amount passes through a float, and none is rounded but where a step says so.
What does not fit 38 digits is refused.

- `port`: the few things that a stage may ask of an engine.
- `duckdb`, `spark`: the engines; `choose` picks one.
- `steps`: reads `steps.sql`.
- `dialect`: the SQL that databases say differently.
"""
