"""The only room where SQL is run: named steps, the port they run through, DuckDB behind it, and the store of facts."""
