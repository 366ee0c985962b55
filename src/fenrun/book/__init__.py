"""The book: dated facts of who owns whom, and since when that is known.

In: files of parties, links, labels and figures. Out: the tables `parties`, `links`, `labels` and
`figures` as last known at a moment, to credit and measure by.

What must be true: facts are appended, never edited; on no day is more than the whole of a role
credited; a label with two values, or a figure given twice, decides nothing.

- `rows`: the four kinds of facts; `read`: from files to rows.
- `as_of`: the facts of all imports; `as_codes`, `steps.sql`: the tables as known, on whole numbers.
- `in_words`: links and figures as known, in words, for people who read them.
- `checks`: what is wrong with the book as a whole.
- `limits`: what a programme refuses: registrations over the limit, changes inside the cooldown.
"""
