"""The part of `matrix` that knows no torch: environments, cells, where they run, and the table of their results."""
