"""Settling: import facts, take those that were known at a moment, run the stages, keep the run."""
