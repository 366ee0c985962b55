"""What a workspace keeps: facts and results in a folder that only grows, and the audit log that lists them."""
