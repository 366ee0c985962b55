"""What is wrong with a plan, and what is proven of it."""
