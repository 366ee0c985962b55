"""Statement: what is paid and why."""
