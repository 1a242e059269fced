"""One run seen from outside: which child processes are started, at which sizes, how they end, and what they print.

Nothing here imports torch: the target runs in a child, the probe beside it. `launch` is where `diagnose` and `run` begin.
"""
