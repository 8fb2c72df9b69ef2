"""Images that are filtered block by block, from one store into another."""
