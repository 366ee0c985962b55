"""Earn: what credits are worth. The one room where money is rounded."""
