"""Pages: what people see in a browser, one file a subject.

In: a request of somebody who has signed in. Out: a page, a part of one (htmx), a file, or the way
to another page.

What must be true: everything shown is read as the asker sees it (`access/isolation.py`); a page
that changes something checks that the asker may, calls one command (`commands/`), and says that
it is done. Templates stand in `jinja2/`, their words in `words.yaml`.
"""
