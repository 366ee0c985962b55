"""Commands: what people do in the portal, one file a subject.

In: who does it (a name, or the workspace with its actor), and what they said.
Out: rows of the portal, files of the workspace's book and plans, an event of each change.

What must be true: the caller has checked that the asker may (`access/permissions.py`); a command
refuses what cannot be, with a problem that says how to fix it, and never half does something.
Rows are written, and read for a decision, with the connection `default`; what is shown is read
as the asker.
"""
