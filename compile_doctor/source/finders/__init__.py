"""What to look for in the line of a graph break: one file for each kind of expression."""
