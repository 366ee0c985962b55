"""The plan: policy as text, read into rows. A plan compiles to small tables, never to code."""
