"""Pricing: what customers pay, from the list price down to what is left after rebates passed on.

In: charges, the book that says whose they are, figures of what is passed on, list prices. Out:
price lines by customer, product, sku and month; what customers pay for one sku, side by side.

What must be true: the lines of a period sum to its charges, to the last decimal: what is nobody's
stands under no customer; a list price that is not known is unknown, never nothing.

- `steps.sql`: charges as sums by customer, day by day; `lines`: the price lines that they make.
- `waterfall`: lines summed by product; `deals`: what the same sku costs whom.
- `charges`: charges with the terms that each meets; `breaches`: what is sold below a floor.
- `written`: all of it as JSON.
"""
