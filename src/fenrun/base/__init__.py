"""Leaves that every room may use: money, when, problem, table, ids, words."""
