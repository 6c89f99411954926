"""What the suites share: hubs as processes, the two engine pairs, and counting checks."""
