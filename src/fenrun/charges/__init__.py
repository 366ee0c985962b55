"""Charges: FOCUS 1.0 to 1.4 billing data in, from CSV (plain, gz, zst) or Parquet. Nothing is lost, everything odd is said."""
