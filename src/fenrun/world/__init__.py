"""World: a seeded vendor with customers, partners, reps, a book, a plan and twelve months of
charges. All of it is invented."""
