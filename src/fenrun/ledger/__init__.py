"""Ledger: what a settlement means for the books, as balanced double entries and as revenue."""
