"""The store: facts and results in a folder that only grows, and the audit log that lists them.

In: files of an import, a run or a close, with a manifest. Out: the same files, under the digest of
their content, as known at a moment.

What must be true: an import, run or close is there whole or not at all; nothing that is there ever
changes; nothing becomes known by a moment that is closed.

- `facts`: the folder, `<kind>/<id>/`.
- `audit_log`: `log.db`, a row for every event, each with the hash of the row before.
"""
