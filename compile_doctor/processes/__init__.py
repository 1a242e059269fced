"""Child processes: started, kept and ended with everything that they start, and temporary folders that go with their doctor.

`children` is the doctor's side, `keeper` the small process between it and each child, `scratch` the folders.
"""
