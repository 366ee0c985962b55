"""Access: who asks, which rows they see, and what they may do.

In: a request, with a session or a token; the grants of its user.
Out: the request's user; a database connection that shows that user's rows alone; yes or no.

- `middleware` says who asks, for as long as a request lasts, and how a refusal is told.
- `isolation` lets the database show the asker's rows only; `reader` is PostgreSQL's role for it.
- `journal` writes a line about each sign-in, refusal, download and use of a token.
- `permissions` answers what a request may do, from the grants that are in force.
- `sign_in` and `tokens` say as whom somebody or a program asks; `addresses` which may be called.

What must be true: without a user nothing is seen; a grant that has ended, or that waits for its
second approval, shows nothing.
"""
