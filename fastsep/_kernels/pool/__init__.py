"""The loop of the threads."""
