"""What is known of a run, as plain frozen records: what was asked for, what was seen, what it was found to mean.

Nothing here computes or reads a file, and everything else may import it.
"""
