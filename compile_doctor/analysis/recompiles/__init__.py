"""Recompilations: a failed guard → what varied, by frame and cause, with the line that reads it."""
