"""Closing: a closed period stays closed; what is learnt later becomes a difference with its cause."""
