"""The API: what the pages show and do, as JSON, one file a resource.

In: requests with a token or a session. Out: JSON; amounts are exact text.

What must be true: rows are read as the asker sees them, and commands are those of the pages;
what is not there and what is not for the asker get the same answer. `app` mounts the resources.
"""
