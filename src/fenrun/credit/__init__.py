"""Credit: for every charge, who is credited, by which clause, and what nobody is credited for."""
