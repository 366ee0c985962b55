"""Bench: known jobs, mapped to charges, a book and a plan, and measured.

No special code in the engine.
"""
