"""The book: who owns whom, since when, and since when we knew."""
