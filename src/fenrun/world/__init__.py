"""World: a seeded vendor for demos, tests and measurements. All of it is invented.

In: a number of charges and a seed. Out: a folder with the book, the plan, the terms and twelve
months of FOCUS charges, and the day from which each file is known.

What must be true: the same seed and size give the same bytes, on every machine.

- `people`: customers, partners, reps, who owns whom, and their targets.
- `charges`: a month's charges, streamed to Parquet.
- `terms`: floors, approvals, coupons and commits, and the policy by which they come.
- `make`: all of it in a folder.
- `market`, `honest`, `look_alikes`, `schemes`: a market for the checks of integrity: who is in it,
  what honest people do, what of that looks like a scheme, and what cheats do.
- `stories`: ten stories of honest people that look like a scheme, after all else.
"""
