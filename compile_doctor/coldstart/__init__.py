"""Starts a target in new processes, first with an empty cache on disk, then with what the first one left, and compares them."""
