"""The half that runs inside the target's process, the only code that imports torch: it runs the target, listens, and writes events.

`session` is one diagnosis; `compat` is the one place with torch versions and torch's private names.
"""
