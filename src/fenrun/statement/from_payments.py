"""From earnings and payments to statements: the steps of steps.sql."""

from fenrun.engine.steps import read_steps

STEPS = read_steps("fenrun.statement")
