"""Child processes, which are ended together with everything that they start, and temporary folders.

`children` is compile-doctor's side, `keeper` the small process between it and each child, `scratch` has the folders.
"""
