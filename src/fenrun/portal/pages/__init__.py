"""What people see and do: one file a concern. Everything shown is read as the asker sees it (isolation.py)."""
