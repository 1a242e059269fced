"""One run, from outside: which child processes are started, at which sizes, how they end, and what they print.

Nothing here imports torch: the target and the probe run in a child. `launch` is the entry of `diagnose` and `run`.
"""
