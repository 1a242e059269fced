"""Runs inside the target's process, and is the only code that imports torch: runs the target, observes it, and writes events.

`session` is one diagnosis; only `compat` knows torch versions and torch's private names.
"""
