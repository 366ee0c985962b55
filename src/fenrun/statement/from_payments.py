"""The statement stage: from earnings and payments to statements, by the steps of steps.sql."""

from fenrun.engine.steps import read_steps

STEPS = read_steps("fenrun.statement")
