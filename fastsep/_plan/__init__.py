"""What to compute and how, as values without pixels."""
