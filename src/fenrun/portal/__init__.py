"""The portal: everyone sees what concerns them, and nobody sees more.

In: a workspace, settled; accounts and their grants; a database of the portal's own rows.
Out: pages, an API, PDF, signed bundles, webhooks; new files in the workspace's book and plans.

- `access/` says who asks, which rows they see (the database enforces it) and what they may do.
- `commands/` is what people do: one file a subject. Each command asks for what it needs, writes,
  and leaves an event. What changes the workspace goes through the functions of the command line.
- `pages/` and `api/` show and call the same commands; neither knows the other.
- Django's own files (settings, urls, models, migrations, serve) stand here.

What must be true: whatever is shown is read as the asker (`access/isolation.py`); no command is
reached except through a check of `access/permissions.py`; amounts are exact text, never a float.
"""
