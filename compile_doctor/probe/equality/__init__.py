"""`fix`: runs a target on its own inputs and on changed ones, and compares with the same runs of the unchanged target."""
