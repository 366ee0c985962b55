"""Hypothetical facts and plans, settled by the same steps as those that are real.

In: a store and a plan, or a plan with its cases. Out: outcomes beside those that are. Nothing is
kept, and the same facts give the same answer as a settlement would.

cases             the worked examples inside a plan
compare           plans beside each other, over the same facts
estimate          additional sales of one payee
period_to_date    quarters and years in progress, as if they ended with a month
"""
