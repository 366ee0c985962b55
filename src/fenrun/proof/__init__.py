"""Proof: a statement in one signed file, from which anyone it concerns derives every cent again."""
